//! Circuits and their spectra as SVG.
//!
//! [`circuit`] draws the instances as boxes from left to right along the light, their ports, the links, and phases as
//! colour; meshes, banks and modulators are drawn as what they are. [`spectrum`] plots transmissions over wavelength.

mod colour;
mod layout;
mod plot;
mod render;
mod svg;
mod symbol;

pub use plot::{Curve, PlotError, spectrum};
pub use render::circuit;
