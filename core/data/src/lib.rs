//! The data sets that experiments learn from.
//!
//! [`load`] gives a whole [`Dataset`] in memory: MNIST and Fashion-MNIST from IDX files, CIFAR-10 from its binary batches,
//! or [`glyphs`], which are synthetic and need no files. Pixels are kept as bytes; [`Dataset::batch`] turns those of some
//! samples into normalised floats, [`Dataset::augmented`] mirrors and crops them on the way, [`permutation`] is the order
//! of an epoch. All that is random is a function of a [`Key`](blackbeam_plugin::Key): the same key gives the same bits
//! on any machine, in any order, on any number of threads.

mod batch;
mod cifar;
mod dataset;
mod error;
mod files;
pub mod glyphs;
mod idx;
mod order;

pub use batch::{Augment, Real};
pub use dataset::{Dataset, FOLDER_VARIABLE, Limits, Normalisation, Normalise, Part, Set, Split, load};
pub use error::{DataError, Result};
pub use files::FileHash;
pub use order::permutation;
