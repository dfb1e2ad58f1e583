//! Reading a file whole, with its hash.

use crate::{DataError, Result, Set};
use sha2::{Digest, Sha256};
use std::{
    fs,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

/// A file of a data set and what was in it: for the lock of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHash {
    /// Name within the folder of the data sets, with `/`.
    pub name: String,
    /// SHA-256 of the file as it lies there, in hexadecimal.
    pub sha256: String,
}

/// A file that was read.
pub(crate) struct Contents {
    /// Where it lies.
    pub path: PathBuf,
    /// What is in it; unpacked if it was packed with gzip.
    pub bytes: Vec<u8>,
    /// Its hash.
    pub hash: FileHash,
}

/// Reads the first of `names` that is there from the folder of `set` under `root`. A name that ends in `.gz` is unpacked,
/// up to `most` bytes and one more (so that too long a file is noticed and a gzip bomb is not unpacked).
pub(crate) fn read(set: Set, root: &Path, names: &[String], most: u64) -> Result<Contents> {
    let folder = root.join(set.folder());
    for name in names {
        let path = folder.join(name);
        let raw = match fs::read(&path) {
            Ok(raw) => raw,
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(source) => return Err(DataError::Io { path, source }),
        };
        let sha256 = Sha256::digest(&raw).iter().map(|b| format!("{b:02x}")).collect();
        let hash = FileHash { name: format!("{}/{name}", set.folder()), sha256 };
        let bytes = if name.ends_with(".gz") {
            let mut bytes = Vec::new();
            let unpacked = flate2::read::MultiGzDecoder::new(raw.as_slice()).take(most + 1).read_to_end(&mut bytes);
            match unpacked {
                Ok(_) => bytes,
                Err(e) => {
                    let problem = format!("it cannot be unpacked by gzip after {} bytes ({e})", bytes.len());
                    return Err(DataError::Broken { set, path, problem });
                }
            }
        } else {
            raw
        };
        return Ok(Contents { path, bytes, hash });
    }
    let path = folder.join(names.first().map_or("", String::as_str));
    Err(DataError::Missing { set, file: names.join(" or "), path })
}
