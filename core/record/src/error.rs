//! Why a log cannot be used.

use std::{io, path::PathBuf};

/// Why a log cannot be used. Every message is one line.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// Not a log.
    #[error("{} is not a log of a device: {why}", path.display())]
    NotALog {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// It is not as it was written.
    #[error("{}: {place} is damaged: {why}; nothing from there on can be trusted", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// `the header`, or `entry K`.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// It is a log of something else.
    #[error("{} is the log of {found}, not of {expected}: move it away", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// What it is of.
        found: String,
        /// What it should be of.
        expected: String,
    },
    /// Another process writes to it.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It does not hold what a replay needs.
    #[error("{} cannot be replayed: {why}", path.display())]
    NotReplayable {
        /// The file.
        path: PathBuf,
        /// What is missing.
        why: String,
    },
}

impl LogError {
    pub(crate) fn io(path: &std::path::Path) -> impl FnOnce(io::Error) -> LogError + '_ {
        |error| LogError::Io { path: path.to_owned(), error }
    }

    pub(crate) fn damaged(path: &std::path::Path, entry: u64, why: impl Into<String>) -> LogError {
        LogError::Damaged { path: path.to_owned(), place: format!("entry {entry}"), why: why.into() }
    }
}
