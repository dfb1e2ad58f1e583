//! Vectorised kernels of photonic simulators.
//!
//! - [`Level`]: which instructions of the processor are used, chosen when the program runs; [`Task`]: a function that is
//!   compiled once for each of them.
//! - [`trig`]: sine and cosine of slices.
//! - [`mesh`]: meshes of 2x2 cells.
//! - [`network`]: the layers of networks, on samples side by side.
//!
//! A result does not depend on what is computed beside it: each number is made by the same operations wherever it
//! stands in a slice, a batch or a tile. Results of different levels differ by rounding.

// Loops over lanes and entries by number: adaptors with closures are not always inlined, and then lose the level's features.
#![allow(clippy::needless_range_loop)]

mod buffer;
mod level;
pub mod mesh;
pub mod network;
mod product;
mod real;
#[cfg(test)]
mod testing;
pub mod trig;
mod vector;

pub use buffer::Buffer;
pub use level::{Arch, Level, Task};
pub use product::Product;
pub use real::Real;
