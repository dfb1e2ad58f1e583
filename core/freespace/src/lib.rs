//! Scalar optics in free space on sampled planes, with exact adjoints: a source plane, propagation, spatial light
//! modulators, lenses, phase screens, and a camera that sums powers over bins.
//!
//! A [`Chain`] is compiled once; then many inputs go through many masks without allocation:
//!
//! ```
//! use blackbeam_freespace::{Camera, Chain, Element, Grid, Mask, Shift, Slm};
//! use num_complex::Complex64;
//!
//! let grid = Grid::square(8, 8, 8.0);
//! let lens = Element::Lens { focal_um: 1e5, misalign: Shift::default() };
//! let elements = vec![Element::Slm(Slm::phase(grid)), lens, Element::Camera(Camera::new([2, 2], [4, 4]))];
//! let chain = Chain::new(grid, elements, 0.633)?;
//! let (mut masks, mut work) = (chain.masks(), chain.workspace());
//! masks.load(&[Mask::phase(&[0.0; 64])])?;
//! chain.forward(&[Complex64::ONE; 64], &masks, &mut work)?;
//! let mut powers = [0.0f64; 4];
//! chain.powers(&work, &mut powers)?;
//! // A flat mask: the lens collects all of the light in the pixel on the axis, row 4 and column 4.
//! assert!((powers[3] - 64.0).abs() < 1e-9);
//! # Ok::<(), blackbeam_freespace::Error>(())
//! ```
//!
//! # Conventions
//! - Lengths are in um, phases in rad. A wave that goes on picks up exp(+i k z).
//! - x grows with the column, y with the row. The optical axis meets pixel (rows / 2, columns / 2), rounded down, which is
//!   where `fftshift` puts the zero order.
//! - A sample E is the square root of the power on its pixel: |E|^2 summed over a plane is the power through it, also
//!   where a Fourier transform changes the pitch.
//! - A mask phase that grows with the column sends the light to higher columns: propagation, [`Element::Lens`] and
//!   [`Method::Fraunhofer`] agree in it.
//! - A cotangent g of a complex field means dL = Re sum conj(g) dE.

mod bins;
mod build;
mod chain;
mod diffuser;
mod element;
mod error;
mod fourier;
mod grid;
mod kernel;
mod mask;
mod op;
mod transfer;
mod zernike;

#[cfg(test)]
mod adjoint_tests;
#[cfg(test)]
mod device_tests;
#[cfg(test)]
mod diffraction_tests;
#[cfg(test)]
mod testing;

pub use chain::{Chain, Cotangent, Light, Workspace};
pub use diffuser::diffuser;
pub use element::{Camera, Element, MAX_PAD, Method, Shift, Slm, SlmKind};
pub use error::{Error, Note};
pub use grid::{Grid, MAX_PIXELS};
pub use kernel::MAX_MATRIX_PIXELS;
pub use mask::{Mask, MaskGradient, Masks};
pub use zernike::{MAX_NOLL, wavefront, zernike};
