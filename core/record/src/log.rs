//! The file of a log: reading and checking it.

use crate::{
    LogError,
    chain::{Chain, FRONT, HASH, hash},
    entry::{Entry, Kind},
    parts,
};
use blackbeam_plugin::Purpose;
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// What a log begins with.
pub(crate) const MAGIC: [u8; 8] = *b"\x89BBLOG\r\n";
/// Version of the format.
pub(crate) const VERSION: u32 = 1;
/// Bytes before the JSON of the header.
const PREFIX: usize = 16;
/// Most bytes of that JSON.
const MOST_HEADER: u32 = 1 << 20;

/// What a log is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Name of the device in the experiment.
    pub device: String,
    /// `main`, or the control that the device belongs to.
    pub run: String,
    /// Version of Blackbeam that made the file.
    pub blackbeam: String,
}

impl Header {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let json = serde_json::json!({"device": self.device, "run": self.run, "blackbeam": self.blackbeam}).to_string();
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(json.len() as u32).to_le_bytes());
        bytes.extend_from_slice(json.as_bytes());
        let hash = hash(&bytes);
        bytes.extend_from_slice(&hash);
        bytes
    }
}

/// How a log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// With the mark that its process closed it.
    Closed,
    /// After a whole entry, without that mark: its process was killed, or writes to it now.
    Open,
    /// In an entry that is not whole, so many bytes of it: its process was killed.
    Cut(u64),
}

/// Where an entry lies and what it is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    offset: u64,
    length: u64,
    pub kind: Kind,
    pub failed: bool,
    pub whole: bool,
    pub purpose: Option<Purpose>,
    pub vectors: u64,
    pub configurations: u32,
    pub begun_ns: u64,
    pub took_ns: u64,
    /// `Resume`: the last entry that is gone on after; `u64::MAX` if that is in no log.
    pub from: u64,
}

#[cfg(test)]
impl Place {
    /// Where its hash ends.
    pub fn end(&self) -> u64 {
        self.offset + self.length + HASH as u64
    }
}

/// A log that was read from its beginning to its end: every byte is as it was written.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
    header: Header,
    places: Vec<Place>,
    tail: Tail,
    pub(crate) end: u64,
    pub(crate) chain: Chain,
}

impl Log {
    /// Reads and checks a log.
    ///
    /// # Errors
    /// `NotALog`; `Damaged`, which names the first entry that is not as it was written; `Io`.
    pub fn open(path: &Path) -> Result<Log, LogError> {
        let file = File::open(path).map_err(LogError::io(path))?;
        Log::of(file, path)
    }

    /// The header and the first entry alone.
    pub(crate) fn first(path: &Path) -> Result<Log, LogError> {
        Log::read(File::open(path).map_err(LogError::io(path))?, path, 1)
    }

    pub(crate) fn of(file: File, path: &Path) -> Result<Log, LogError> {
        Log::read(file, path, usize::MAX)
    }

    fn read(file: File, path: &Path, most: usize) -> Result<Log, LogError> {
        let size = file.metadata().map_err(LogError::io(path))?.len();
        let mut from = BufReader::with_capacity(1 << 20, &file);
        let (header, start, chain) = header(&mut from, path)?;
        let mut scan = Scan { from, path, size, at: start, chain, places: Vec::new() };
        let cut = scan.all(most)?;
        let Scan { at: end, chain, places, .. } = scan;
        let tail = match (cut, places.last()) {
            (0, Some(Place { kind: Kind::Close, .. })) => Tail::Closed,
            (0, _) => Tail::Open,
            (cut, _) => Tail::Cut(cut),
        };
        Ok(Log { path: path.to_owned(), file, header, places, tail, end, chain })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is of.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Number of entries.
    pub fn len(&self) -> u64 {
        self.places.len() as u64
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How it ends.
    pub fn tail(&self) -> Tail {
        self.tail
    }

    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    /// Reads an entry.
    pub(crate) fn entry(&self, index: usize) -> Result<Entry, LogError> {
        let place = &self.places[index];
        let mut bytes = vec![0; place.length as usize];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(place.offset)).map_err(LogError::io(&self.path))?;
        file.read_exact(&mut bytes).map_err(LogError::io(&self.path))?;
        Entry::read(&bytes).map_err(|why| LogError::damaged(&self.path, index as u64, why))
    }

    pub(crate) fn into_file(self) -> File {
        self.file
    }
}

/// Reads the header; gives where the entries begin and their chain.
fn header(from: &mut impl Read, path: &Path) -> Result<(Header, u64, Chain), LogError> {
    let not_a_log = |why: &str| LogError::NotALog { path: path.to_owned(), why: why.to_owned() };
    let damaged = |why: &str| LogError::Damaged { path: path.to_owned(), place: "the header".into(), why: why.into() };
    let mut bytes = vec![0; PREFIX];
    from.read_exact(&mut bytes).map_err(|_| not_a_log("it is shorter than the header of one"))?;
    if bytes[..8] != MAGIC {
        return Err(not_a_log("it does not begin as one does"));
    }
    let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let (version, length) = (number(8), number(12));
    if version != VERSION {
        return Err(not_a_log(&format!(
            "it has version {version} of the format, this Blackbeam reads version {VERSION}"
        )));
    }
    if length > MOST_HEADER {
        return Err(damaged("its length is beyond all sense"));
    }
    bytes.resize(PREFIX + length as usize, 0);
    from.read_exact(&mut bytes[PREFIX..]).map_err(|_| damaged("it is cut off"))?;
    let mut expected = [0; HASH];
    from.read_exact(&mut expected).map_err(|_| damaged("it is cut off"))?;
    if hash(&bytes) != expected {
        return Err(damaged("its hash does not fit"));
    }
    let header = serde_json::from_slice(&bytes[PREFIX..]).map_err(|e| damaged(&e.to_string()))?;
    Ok((header, (bytes.len() + HASH) as u64, Chain(expected)))
}

struct Scan<'a, R> {
    from: R,
    path: &'a Path,
    size: u64,
    at: u64,
    chain: Chain,
    places: Vec<Place>,
}

impl<R: Read> Scan<'_, R> {
    /// Reads entries, `most` of them; gives how many bytes of one that is not whole stand at the end.
    fn all(&mut self, most: usize) -> Result<u64, LogError> {
        let mut bytes = Vec::new();
        while self.places.len() < most {
            let left = self.size - self.at;
            if left < FRONT as u64 {
                return Ok(left);
            }
            let mut front = [0; FRONT];
            self.read(&mut front)?;
            let Some(length) = self.chain.length(&front) else {
                return if front == [0; FRONT] && self.only_zeros()? {
                    Ok(left)
                } else {
                    Err(self.damaged("its length does not fit its check"))
                };
            };
            let whole = length.checked_add((FRONT + HASH) as u64).filter(|&n| n <= left);
            let Some(whole) = whole else { return Ok(left) };
            bytes.resize(length as usize, 0);
            self.read(&mut bytes)?;
            let mut expected = [0; HASH];
            self.read(&mut expected)?;
            let chain = self.chain.after(&bytes);
            if chain.0 != expected {
                return Err(self.damaged("its hash does not fit"));
            }
            let place = self.place(&bytes)?;
            self.places.push(place);
            self.chain = chain;
            self.at += whole;
        }
        Ok(0)
    }

    fn place(&self, bytes: &[u8]) -> Result<Place, LogError> {
        let entry = Entry::read(bytes).map_err(|why| self.damaged(&why))?;
        let mut from = 0;
        if entry.head.kind == Kind::Resume
            && let crate::entry::Body::Whole(request) = &entry.request
        {
            let asked = parts::parts(request).and_then(|parts| parts::find(&parts, "from")?.number());
            from = asked.map_err(|why| self.damaged(&why))?;
        }
        Ok(Place {
            offset: self.at + FRONT as u64,
            length: bytes.len() as u64,
            kind: entry.head.kind,
            failed: entry.head.failed,
            whole: entry.whole(),
            purpose: entry.head.purpose(),
            vectors: entry.head.rows.saturating_mul(u64::from(entry.head.configurations)),
            configurations: entry.head.configurations,
            begun_ns: entry.head.begun_ns,
            took_ns: entry.head.took_ns,
            from,
        })
    }

    fn only_zeros(&mut self) -> Result<bool, LogError> {
        let mut bytes = [0; 4096];
        loop {
            match self.from.read(&mut bytes).map_err(LogError::io(self.path))? {
                0 => return Ok(true),
                n if bytes[..n].iter().all(|b| *b == 0) => {}
                _ => return Ok(false),
            }
        }
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), LogError> {
        self.from.read_exact(bytes).map_err(LogError::io(self.path))
    }

    fn damaged(&self, why: &str) -> LogError {
        LogError::damaged(self.path, self.places.len() as u64, why)
    }
}
