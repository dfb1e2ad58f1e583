//! Measured and simulated S-parameters: readers, writers, interpolation, checks.
//!
//! A [`Model`] holds S-parameters over frequency, as read from one of the [`Format`]s. Conventions: `S(in -> out)` is
//! the amplitude out of `out` for a unit amplitude into `in`; matrices are [to, from]; a wave that goes on picks up exp(+i phase).
//! Touchstone files follow exp(+jwt) instead and are conjugated, see [`Format::phase_sign`].
//!
//! ```
//! use blackbeam_sparams::{Extrapolate, Limits, csv};
//! let text = "wl_um,port_in,port_out,re,im\n1.5,o1,o2,0.9,0\n1.6,o1,o2,0,0.9\n1.5,o2,o1,0.9,0\n1.6,o2,o1,0,0.9\n";
//! let model = csv::read(text, "line.csv", &Limits::default())?;
//! let mut s = vec![Default::default(); 4];
//! model.evaluate_wl(1.55, Extrapolate::Error, &mut s)?;
//! assert!((s[1].norm() - 0.9).abs() < 1e-12);
//! assert!(model.passivity().excess() < 0.0 && model.reciprocity().difference == 0.0);
//! # Ok::<(), blackbeam_sparams::Error>(())
//! ```
//!
//! Files are bounded by [`Limits`]; whatever is in them, reading ends with a model or an [`Error`] that names the line.

mod checks;
pub mod csv;
mod error;
mod format;
mod interpolate;
mod limits;
pub mod lumerical;
mod model;
pub mod npy;
pub mod npz;
mod number;
pub mod siepic;
pub mod touchstone;

pub use checks::{Passivity, Reciprocity};
pub use error::{Error, Result};
pub use format::{Format, read, write};
pub use interpolate::Extrapolate;
pub use limits::Limits;
pub use model::{LIGHT_UM_HZ, Model};
