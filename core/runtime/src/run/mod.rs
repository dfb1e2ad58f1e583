//! The run directory: everything that a run leaves behind, and what a resumed run needs.
//!
//! | file | what |
//! |---|---|
//! | `experiment.yaml` | the experiment, resolved: defaults filled in, overrides applied |
//! | `lock.json` | hashes of the experiment, the binary, plugins and data; seeds; pinned threads |
//! | `metrics.jsonl` | one JSON object a line; fields that begin with `host_` may differ between equal runs |
//! | `summary.json` | the result |
//! | `ledger.jsonl` | the physical column of the ledger, append-only |
//! | `checkpoints/` | the last three checkpoints |
//! | `record/` | logs of devices that are recorded |
//! | `events.out.tfevents.*` | the same metrics for TensorBoard |

mod checkpoint;
mod lock;
mod metrics;
mod same;
mod tensorboard;

pub use checkpoint::{Checkpoint, Tensor, TensorData};
pub use lock::{Change, Lock, LockedFile, hash_bytes, hash_file};
pub use metrics::Metrics;
pub use same::{Compared, compare};

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Why a run directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file could not be read or written.
    #[error("{path}: {error}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The directory holds another run already.
    #[error("{0} already holds a run: choose another directory with --out, or go on with it by --resume {0}")]
    Exists(PathBuf),
    /// The directory is not a run.
    #[error("{path} is not a run that can be resumed: {why}")]
    NotARun {
        /// Which.
        path: PathBuf,
        /// What is missing or wrong.
        why: String,
    },
}

pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> RunError + '_ {
    move |error| RunError::Io { path: path.to_owned(), error }
}

/// A run directory.
#[derive(Clone, Debug)]
pub struct RunDir(PathBuf);

impl RunDir {
    /// Makes a new run directory at `path`, or takes one over in which no run came as far as its first checkpoint.
    ///
    /// # Errors
    /// If there is a run already, or it cannot be made.
    pub fn create(path: &Path) -> Result<Self, RunError> {
        let checkpoints = path.join("checkpoints");
        fs::create_dir_all(&checkpoints).map_err(at(path))?;
        if !checkpoint::list(&checkpoints)?.is_empty() {
            return Err(RunError::Exists(path.to_owned()));
        }
        Ok(RunDir(path.to_owned()))
    }

    /// The first of `base`, `base-2`, `base-3`, ... in which no run was begun.
    pub fn free(base: &Path) -> PathBuf {
        let taken = |p: &Path| p.join("lock.json").exists();
        if !taken(base) {
            return base.to_owned();
        }
        let name = base.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        (2u64..)
            .map(|i| base.with_file_name(format!("{name}-{i}")))
            .find(|p| !taken(p))
            .unwrap_or_else(|| base.to_owned())
    }

    /// Opens an existing run directory.
    ///
    /// # Errors
    /// If it is not one.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        for file in ["lock.json", "experiment.yaml"] {
            if !path.join(file).is_file() {
                return Err(RunError::NotARun { path: path.to_owned(), why: format!("there is no {file}") });
            }
        }
        Ok(RunDir(path.to_owned()))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Removes what was written so far, if no checkpoint was; other files in the directory stay.
    pub fn discard(&self) {
        // Fails, and keeps everything, as soon as there is a checkpoint.
        if fs::remove_dir(self.file("checkpoints")).is_err() {
            return;
        }
        let written = fs::read_dir(&self.0).into_iter().flatten().flatten().map(|entry| entry.path());
        let ours = |name: &str| {
            ["experiment.yaml", "lock.json", "metrics.jsonl", "ledger.jsonl"].contains(&name)
                || name.starts_with("events.out.tfevents.")
        };
        for path in written.filter(|p| p.file_name().is_some_and(|n| ours(&n.to_string_lossy()))) {
            // What cannot be removed stays; the error that led here is the one to be told.
            let _ = fs::remove_file(path);
        }
        let record = self.file("record");
        for log in fs::read_dir(&record).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if log.extension().is_some_and(|e| e == "bblog") {
                let _ = fs::remove_file(log);
            }
        }
        let _ = fs::remove_dir(record);
        let _ = fs::remove_dir(&self.0);
    }

    /// Writes a file whole or not at all: to a temporary name, flushed, then renamed.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, name: &str, contents: &[u8]) -> Result<(), RunError> {
        write_atomically(&self.file(name), contents)
    }
}

pub(crate) fn write_atomically(path: &Path, contents: &[u8]) -> Result<(), RunError> {
    use io::Write;
    let part = path.with_extension("part");
    let mut file = fs::File::create(&part).map_err(at(&part))?;
    file.write_all(contents).map_err(at(&part))?;
    file.sync_all().map_err(at(&part))?;
    fs::rename(&part, path).map_err(at(path))
}
