//! Meshes of 2x2 interferometers: where the cells stand, what a cell does, and which phases make a given unitary.
//!
//! ```
//! use blackbeam_meshes::{Arrangement, Cell, Convention, Scheme, decompose, layout, matrix};
//! use num_complex::Complex64;
//!
//! let n = 4; // the 4-point Fourier transform
//! let entry = |k: usize| Complex64::cis(std::f64::consts::TAU * ((k / n) * (k % n)) as f64 / 4.0) / 2.0;
//! let fourier: Vec<Complex64> = (0..n * n).map(entry).collect();
//! let phases = decompose(&fourier, Arrangement::Clements, None, Cell::Mzi, Convention::Bpbp)?;
//! let (sites, scheme) = (layout(Arrangement::Clements, n, None)?, Scheme::new(Cell::Mzi, Convention::Bpbp)?);
//! let again = matrix(n, &sites, &scheme, &phases.theta, &phases.phi, &phases.gamma)?;
//! assert!(fourier.iter().zip(&again).all(|(a, b)| (a - b).norm() < 1e-14));
//! # Ok::<(), blackbeam_meshes::Error>(())
//! ```
//!
//! A field that goes on picks up exp(+i phase); matrices act on columns of amplitudes, T\[out\]\[in\], so light meets the
//! rightmost factor of a product first. P(x) = diag(e^{ix}, 1): "arm 0" is the arm of the lower mode number.
//!
//! - [`layout()`]: the cells of an arrangement, in the order of their parameters; [`monarch()`], [`splitter_tree`].
//! - [`Scheme`]: a cell in a convention: its couplers, its phases as linear functions of theta and phi, its matrix.
//! - [`matrix()`], [`compose`]: the matrix of a mesh. [`decompose()`]: phases of a unitary.
//! - [`haar_alpha`], [`haar_cell`]: phases at which a mesh is a Haar-random unitary.
//! - [`expand_cell`], [`expand_mesh`]: a cell or a mesh as couplers and phase shifters.

mod cell;
mod decompose;
mod error;
mod expand;
mod haar;
mod layout;
mod matrix;
mod monarch;
mod steer;
#[cfg(test)]
mod testing;
mod tree;

pub use cell::{Affine, Block, Cell, Convention, Faults, Physical, Scheme, cell, to_physical};
pub use decompose::{Phases, TOLERANCE, decompose};
pub use error::{Error, Result};
pub use expand::{Element, Network, Port, Primitive, Side, expand_cell, expand_mesh};
pub use haar::{haar_alpha, haar_cell};
pub use layout::{Arrangement, MAX_CELLS, MAX_MODES, Site, Size, layout, size};
pub use matrix::{compose, matrix};
pub use monarch::{Monarch, crossing_layers, monarch};
pub use tree::{MAX_OUTPUTS, Source, Splitter, SplitterTree, splitter_tree};
