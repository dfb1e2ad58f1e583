//! Files that a device file names: curves, matrices, S-parameters, netlists.

use blackbeam_source::Source;
use std::{
    collections::BTreeSet,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// Largest file that is read, bytes.
pub const MAX_FILE_BYTES: u64 = 256 << 20;

/// Where the files are that a device file names. At most [`MAX_FILE_BYTES`] of a file are read.
#[derive(Clone, Debug, Default)]
pub struct Files {
    folder: PathBuf,
    /// Shared by all clones.
    read: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl Files {
    /// Files in a folder; paths in the device file are relative to it.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Files { folder: folder.into(), read: Arc::default() }
    }

    /// The files that were read so far, by path: what a device depends on beside its own file.
    pub fn read(&self) -> Vec<PathBuf> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.iter().filter(|path| path.is_file()).cloned().collect()
    }

    /// Takes note of a file that was read.
    pub(crate) fn note(&self, path: PathBuf) {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(path);
    }

    /// Files in the folder of a source, whose name is its path.
    pub fn beside(source: &Source) -> Self {
        Files::in_folder(Path::new(source.name()).parent().unwrap_or(Path::new("")))
    }

    /// Where a file stands on disk.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let path = self.folder.join(name);
        self.note(path.clone());
        path
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The contents of a file.
    ///
    /// # Errors
    /// In words that go on after the name of the file: `does not exist`.
    pub(crate) fn bytes(&self, name: &str) -> Result<Vec<u8>, String> {
        let path = self.path(name);
        let shown = path.display();
        let data = std::fs::metadata(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => format!("does not exist (looked for {shown})"),
            _ => format!("cannot be read ({shown}: {error})"),
        })?;
        if !data.is_file() {
            return Err(format!("is not a file ({shown})"));
        }
        if data.len() > MAX_FILE_BYTES {
            return Err(format!("is too large: {} bytes, at most {MAX_FILE_BYTES} are read", data.len()));
        }
        // some files have more than they say
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut bytes));
        read.map_err(|error| format!("cannot be read ({shown}: {error})"))?;
        Ok(bytes)
    }

    /// The text of a file.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub(crate) fn text(&self, name: &str) -> Result<String, String> {
        let bytes = self.bytes(name)?;
        let text = std::str::from_utf8(&bytes).map_err(|e| format!("is no UTF-8 text (byte {})", e.valid_up_to()))?;
        Ok(text.strip_prefix('\u{feff}').unwrap_or(text).into())
    }
}
