//! Bounds on what is read.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::{Error, Result};

/// Bounds on what is read; beyond them reading ends with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a file, compressed or not. 32 MiB unless told otherwise.
    pub bytes: u64,
    /// Ports of a model, modes counted apart. 256 unless told otherwise.
    pub ports: usize,
    /// Complex numbers of a model, samples x ports x ports. 2^21 (32 MiB) unless told otherwise.
    pub values: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 32 << 20, ports: 256, values: 1 << 21 }
    }
}

impl Limits {
    pub(crate) fn check(&self, ports: usize, samples: usize) -> Result<()> {
        if ports > self.ports {
            return Err(Error::new(format!("{ports} ports")).expected(format!("at most {}", self.ports)));
        }
        if samples.saturating_mul(ports * ports) > self.values {
            let what = format!("{samples} samples of {ports} x {ports} ports");
            let expected = format!("at most {} numbers in all", self.values);
            return Err(Error::new(what).expected(expected).help("keep fewer samples"));
        }
        Ok(())
    }

    /// Reads a whole file of at most `self.bytes`. Errors name no file: the caller adds it.
    pub(crate) fn bytes_of(&self, path: &Path) -> Result<Vec<u8>> {
        let failed = |error: std::io::Error| {
            Error::new(format!("cannot be read: {error}")).help("paths are relative to the file that names them")
        };
        let file = File::open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(Error::new("is not a file").expected("a file (a folder goes with `format: siepic`)"));
        }
        let mut bytes = Vec::new();
        file.take(self.bytes + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > self.bytes {
            let what = format!("is larger than {} bytes", self.bytes);
            return Err(Error::new(what).help("keep fewer samples, or save it as npz"));
        }
        Ok(bytes)
    }

    /// As `bytes_of`, as text. Bytes that are not UTF-8 (old editors, in comments) are replaced.
    pub(crate) fn text_of(&self, path: &Path) -> Result<String> {
        let bytes = self.bytes_of(path)?;
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }
}
