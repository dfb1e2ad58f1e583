//! `lock.json`: what the run was made of, by hash.

use super::{RunDir, RunError, at};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// A file that the run depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedFile {
    /// Path as given.
    pub path: String,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// What a run was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Version of Blackbeam.
    pub version: String,
    /// Hash of the resolved experiment.
    pub experiment: String,
    /// Hash of the running binary.
    pub binary: String,
    /// Device descriptions by the device's name, and the files that they name by `NAME: PATH`.
    pub devices: BTreeMap<String, LockedFile>,
    /// Plugin libraries, by path.
    pub plugins: BTreeMap<String, LockedFile>,
    /// Folder of the `plugins.lock` that knew the libraries, if there was one.
    #[serde(default)]
    pub plugins_lock: Option<PathBuf>,
    /// Files of the data set (empty if it is generated).
    pub data: Vec<LockedFile>,
    /// The run's seed.
    pub seed: u64,
    /// What was pinned so that threads do not change bits.
    pub pinned: String,
    /// Changes that a resume accepted, and changed binaries, in order.
    #[serde(default)]
    pub changes: Vec<String>,
}

/// A difference between a lock and what is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What differs.
    pub what: String,
    /// True if the run can go on with a recorded warning.
    pub warning: bool,
}

impl Lock {
    /// How `now` differs from this lock.
    pub fn changes_to(&self, now: &Lock) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut differs = |what: String, warning: bool| changes.push(Change { what, warning });
        if self.experiment != now.experiment {
            differs("the experiment".into(), false);
        }
        for (kind, old, new) in
            [("device description", &self.devices, &now.devices), ("plugin", &self.plugins, &now.plugins)]
        {
            for name in old.keys().chain(new.keys().filter(|k| !old.contains_key(*k))) {
                if old.get(name).map(|f| &f.sha256) != new.get(name).map(|f| &f.sha256) {
                    differs(format!("the {kind} `{name}`"), false);
                }
            }
        }
        let hashes = |files: &[LockedFile]| files.iter().map(|f| f.sha256.clone()).collect::<Vec<_>>();
        if hashes(&self.data) != hashes(&now.data) {
            differs("the data".into(), false);
        }
        if self.binary != now.binary {
            differs(format!("the binary (version {} then, {} now)", self.version, now.version), true);
        }
        changes
    }

    /// Reads the lock of a run.
    ///
    /// # Errors
    /// If it is not there or not a lock.
    pub fn read(dir: &RunDir) -> Result<Self, RunError> {
        let path = dir.file("lock.json");
        let text = fs::read(&path).map_err(at(&path))?;
        serde_json::from_slice(&text).map_err(|e| RunError::NotARun { path, why: e.to_string() })
    }

    /// Writes it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, dir: &RunDir) -> Result<(), RunError> {
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|e| RunError::NotARun { path: dir.path().to_owned(), why: e.to_string() })?;
        text.push(b'\n');
        dir.write("lock.json", &text)
    }
}

/// SHA-256 of some bytes, hexadecimal.
pub fn hash_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of a file, hexadecimal.
///
/// # Errors
/// If it cannot be read.
pub fn hash_file(path: &Path) -> Result<String, RunError> {
    let mut hasher = Sha256::new();
    let mut file = fs::File::open(path).map_err(at(path))?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match io::Read::read(&mut file, &mut buffer).map_err(at(path))? {
            0 => return Ok(hex(&hasher.finalize())),
            n => hasher.update(&buffer[..n]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> Lock {
        let file = |p: &str| LockedFile { path: p.into(), sha256: hash_bytes(p.as_bytes()) };
        Lock {
            version: "0.1.0".into(),
            experiment: "e".into(),
            binary: "b".into(),
            devices: BTreeMap::from([("mesh".to_owned(), file("mesh.yml"))]),
            plugins: BTreeMap::new(),
            plugins_lock: None,
            data: vec![file("train")],
            seed: 1,
            pinned: String::new(),
            changes: Vec::new(),
        }
    }

    #[test]
    fn changes_are_named() {
        assert_eq!(lock().changes_to(&lock()), []);
        let mut now = lock();
        now.binary = "c".into();
        assert!(lock().changes_to(&now)[0].warning);
        now.experiment = "f".into();
        now.data.clear();
        now.devices.clear();
        now.plugins.insert("lib.so".into(), LockedFile { path: "lib.so".into(), sha256: "x".into() });
        let names: Vec<_> = lock().changes_to(&now).into_iter().filter(|c| !c.warning).map(|c| c.what).collect();
        assert_eq!(names, ["the experiment", "the device description `mesh`", "the plugin `lib.so`", "the data"]);
    }

    #[test]
    fn hash_of_the_empty_string() {
        assert!(hash_bytes(b"").starts_with("e3b0c44298fc1c149afbf4c8996fb924"));
    }
}
