//! The ledger: what the queries of a run cost, in two columns.
//!
//! *Logical* is each answer that the run used, once: it is part of the metrics and the same bits however calls were split,
//! retried or resumed. *Physical* is all that the hardware was asked to do, with retries, restarts and work lost to a
//! crash. Physical lines are written ahead of their call, so that a killed process has counted what it sent.

use super::SessionError;
use blackbeam_plugin::Purpose;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What something cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Input vectors sent through the device.
    pub vectors: u64,
    /// Re-programmings of its parameters.
    pub configurations: u64,
    /// Seconds on the device clock: writing, settling, and the rest, which is queries (and calibrations, under that purpose).
    pub device_seconds: f64,
    /// Those of them in which parameters were written.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub write_s: f64,
    /// Those in which actuators moved and settled.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub settle_s: f64,
    /// Joules.
    pub joules: f64,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl Account {
    /// Seconds of the device that are neither writing nor settling.
    pub fn query_s(&self) -> f64 {
        (self.device_seconds - self.write_s - self.settle_s).max(0.0)
    }

    /// Adds another account to this one.
    pub fn add(&mut self, other: &Account) {
        self.vectors += other.vectors;
        self.configurations += other.configurations;
        self.device_seconds += other.device_seconds;
        self.write_s += other.write_s;
        self.settle_s += other.settle_s;
        self.joules += other.joules;
    }
}

/// One account per purpose. Written as a map by the purposes' names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, Account>", into = "BTreeMap<String, Account>")]
pub struct Accounts([Account; Purpose::ALL.len()]);

impl From<BTreeMap<String, Account>> for Accounts {
    fn from(map: BTreeMap<String, Account>) -> Self {
        let mut accounts = Accounts::default();
        for purpose in Purpose::ALL {
            if let Some(account) = map.get(purpose.name()) {
                accounts.charge(purpose, account);
            }
        }
        accounts
    }
}

impl From<Accounts> for BTreeMap<String, Account> {
    fn from(accounts: Accounts) -> Self {
        Purpose::ALL.into_iter().map(|p| (p.name().to_owned(), *accounts.of(p))).collect()
    }
}

impl Accounts {
    /// The account of one purpose.
    pub fn of(&self, purpose: Purpose) -> &Account {
        &self.0[purpose as usize]
    }

    /// Adds to the account of one purpose.
    pub fn charge(&mut self, purpose: Purpose, cost: &Account) {
        self.0[purpose as usize].add(cost);
    }

    /// Adds all accounts of another.
    pub fn add(&mut self, other: &Accounts) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            mine.add(theirs);
        }
    }

    /// Everything but diagnostics.
    pub fn total(&self) -> Account {
        self.sum(|purpose| purpose != Purpose::Diagnostic)
    }

    /// Forward passes, probes and surrogate updates: what `budget.training` bounds.
    pub fn training(&self) -> Account {
        self.sum(|purpose| matches!(purpose, Purpose::Forward | Purpose::Probe | Purpose::Surrogate))
    }

    /// All purposes, diagnostics included: what `budget.device` bounds in the physical column.
    pub fn everything(&self) -> Account {
        self.sum(|_| true)
    }

    fn sum(&self, mut wanted: impl FnMut(Purpose) -> bool) -> Account {
        let mut total = Account::default();
        for purpose in Purpose::ALL {
            if wanted(purpose) {
                total.add(self.of(purpose));
            }
        }
        total
    }
}

#[derive(Serialize, Deserialize)]
struct Line {
    run: String,
    device: String,
    purpose: String,
    step: u64,
    #[serde(flatten)]
    cost: Account,
}

/// The append-only file of the physical column, shared by all devices of a run directory. It also keeps their budget:
/// whatever is sent is written here before.
#[derive(Clone, Debug)]
pub struct PhysicalFile(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    /// None for what is only reckoned with.
    file: Option<File>,
    /// Vectors that may still be sent.
    left: u64,
    /// Writes of each device.
    writes: BTreeMap<String, u64>,
}

impl PhysicalFile {
    /// Opens the file for appending and reads what earlier processes spent.
    ///
    /// # Errors
    /// If the file cannot be opened or read. A last line that a crash cut short is closed and skipped.
    pub fn open(path: &Path) -> io::Result<(Self, Accounts)> {
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
        let mut spent = Accounts::default();
        let mut writes = BTreeMap::new();
        let mut reader = BufReader::new(&file);
        let mut line = String::new();
        let mut cut_short = false;
        while reader.read_line(&mut line)? > 0 {
            cut_short = !line.ends_with('\n');
            if let Ok(entry) = serde_json::from_str::<Line>(&line)
                && let Some(purpose) = Purpose::ALL.into_iter().find(|p| p.name() == entry.purpose)
            {
                spent.charge(purpose, &entry.cost);
                *writes.entry(entry.device).or_default() += entry.cost.configurations;
            }
            line.clear();
        }
        if cut_short {
            file.write_all(b"\n")?;
        }
        let inner = Inner { file: Some(file), left: u64::MAX, writes };
        Ok((PhysicalFile(Arc::new(Mutex::new(inner))), spent))
    }

    /// A column that is written nowhere, for queries that are only reckoned with.
    pub fn nowhere() -> Self {
        PhysicalFile(Arc::new(Mutex::new(Inner { file: None, left: u64::MAX, writes: BTreeMap::new() })))
    }

    /// Lets no more than `vectors` be sent from now on.
    pub fn limit(&self, vectors: u64) {
        self.inner().left = vectors;
    }

    /// Vectors that may still be sent; `u64::MAX` without a limit.
    pub fn left(&self) -> u64 {
        self.inner().left
    }

    /// Writes of a device in this run directory so far, of all processes.
    pub fn writes(&self, device: &str) -> u64 {
        self.inner().writes.get(device).copied().unwrap_or(0)
    }

    /// Appends one line, in one write, so that it survives the process.
    ///
    /// # Errors
    /// `Budget` if less than the cost is left; `Ledger` if the file cannot be written.
    pub fn append(
        &self,
        run: &str,
        device: &str,
        purpose: Purpose,
        step: u64,
        cost: &Account,
    ) -> Result<(), SessionError> {
        let mut inner = self.inner();
        inner.left = inner.left.checked_sub(cost.vectors).ok_or_else(|| SessionError::Budget {
            device: device.into(),
            purpose: purpose.name(),
            wanted: cost.vectors,
            left: inner.left,
        })?;
        if cost.configurations > 0 {
            match inner.writes.get_mut(device) {
                Some(writes) => *writes += cost.configurations,
                None => drop(inner.writes.insert(device.into(), cost.configurations)),
            }
        }
        let Some(file) = &mut inner.file else { return Ok(()) };
        let entry = Line { run: run.into(), device: device.into(), purpose: purpose.name().into(), step, cost: *cost };
        let mut text = serde_json::to_vec(&entry).map_err(io::Error::from)?;
        text.push(b'\n');
        Ok(file.write_all(&text)?)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn physical_lines_survive_and_add_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.jsonl");
        let cost = Account {
            vectors: 3,
            configurations: 1,
            device_seconds: 0.5,
            write_s: 0.125,
            settle_s: 0.25,
            joules: 0.25,
        };
        let (file, spent) = PhysicalFile::open(&path).unwrap();
        assert_eq!(spent, Accounts::default());
        file.append("main", "mesh", Purpose::Probe, 7, &cost).unwrap();
        file.append("main", "mesh", Purpose::Forward, 7, &cost).unwrap();
        // a crash in the middle of a line
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"run\":\"ma").unwrap();
        let (file, spent) = PhysicalFile::open(&path).unwrap();
        assert_eq!(*spent.of(Purpose::Probe), cost);
        file.append("main", "mesh", Purpose::Diagnostic, 8, &cost).unwrap();
        let (_, spent) = PhysicalFile::open(&path).unwrap();
        assert_eq!(spent.everything().vectors, 9);
        assert_eq!(spent.total().vectors, 6);
        assert_eq!(spent.training().configurations, 2);
        let (file, _) = PhysicalFile::open(&path).unwrap();
        assert_eq!((file.writes("mesh"), file.writes("other")), (3, 0));
    }

    #[test]
    fn nothing_is_sent_beyond_the_budget() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.jsonl");
        let (file, _) = PhysicalFile::open(&path).unwrap();
        file.limit(5);
        let send = |vectors| file.append("main", "mesh", Purpose::Probe, 0, &Account { vectors, ..Account::default() });
        send(3).unwrap();
        let error = send(3).unwrap_err().to_string();
        assert!(error.contains("`mesh`") && error.contains("3 vectors") && error.contains("2 are left"), "{error}");
        send(2).unwrap();
        send(0).unwrap();
        assert_eq!(PhysicalFile::open(&path).unwrap().1.everything().vectors, 5);
    }
}
