//! The data sets that experiments learn from.
//!
//! [`load`] gives a whole [`Dataset`] in memory: MNIST and Fashion-MNIST from IDX files, CIFAR-10 from its binary batches, or
//! what is drawn in code and needs no files: [`glyphs`] and the tasks [`equalization`] and [`copying_memory`]. Pixels and
//! classes are kept as bytes; [`Dataset::batch`] turns those of some samples into floats, [`Dataset::augmented`] mirrors and
//! crops images on the way, [`Dataset::classes`] and [`Dataset::numbers`] give what is to be found, [`permutation`] is the
//! order of an epoch. All that is random is a function of a [`Key`](blackbeam_plugin::Key): the same key gives the same bits
//! on any machine, in any order, on any number of threads.

mod batch;
mod cifar;
pub mod copying_memory;
mod dataset;
pub mod equalization;
mod error;
mod files;
pub mod glyphs;
mod idx;
mod order;
mod set;

pub use batch::{Augment, Real};
pub use copying_memory::CopyingMemory;
pub use dataset::{Dataset, FOLDER_VARIABLE, Labels, Limits, Normalisation, Normalise, Part, Samples, Split, load};
pub use equalization::Equalization;
pub use error::{DataError, Result};
pub use files::FileHash;
pub use order::permutation;
pub use set::{Set, SetName, Target};
