//! What can be wrong with a data set.

use crate::{Set, dataset::FOLDER_VARIABLE};
use std::path::PathBuf;
use thiserror::Error;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, DataError>;

/// Why a data set cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// The folder of the data sets is not known.
    #[error(
        "the data set {} is read from files, and {FOLDER_VARIABLE} is not set: set it to the folder that holds {}/ (to be had from {})",
        set.name(), set.folder(), set.home()
    )]
    NoFolder {
        /// The data set.
        set: Set,
    },
    /// A file of the data set is not there.
    #[error(
        "{} is missing: the data set {} needs {file} in the folder {}/ of {FOLDER_VARIABLE} (to be had from {})",
        path.display(), set.name(), set.folder(), set.home()
    )]
    Missing {
        /// The data set.
        set: Set,
        /// The forms of the file that would do.
        file: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error("{} cannot be read: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} is not a file of the data set {}: {problem}", path.display(), set.name())]
    Broken {
        /// The data set.
        set: Set,
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        problem: String,
    },
    /// More samples are asked for than there are.
    #[error("{asked} {part} samples of {} are asked for, and it has {found}", set.name())]
    TooFew {
        /// The data set.
        set: Set,
        /// `training` or `test`.
        part: &'static str,
        /// How many are asked for.
        asked: usize,
        /// How many there are.
        found: usize,
    },
    /// A setting that makes no sense.
    #[error("the data set {} cannot be drawn: {problem}", set.name())]
    Setting {
        /// The data set.
        set: Set,
        /// What was found and what was expected.
        problem: String,
    },
    /// A data set without samples cannot be learned from.
    #[error("no {part} samples of {} are asked for: at least 1 is needed", set.name())]
    Empty {
        /// The data set.
        set: Set,
        /// `training` or `test`.
        part: &'static str,
    },
}
