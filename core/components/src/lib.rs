//! The catalogue of photonic components: what settings and ports each has and how it scatters light. One file a
//! component.
//!
//! Conventions: micrometres, dB of power, dB/cm, radians, volts; a wave that goes on picks up exp(+i phase); S(from ->
//! to) is the amplitude out of `to` for a unit amplitude into `from`. Port names are in0.., out0..; the gdsfactory
//! names o1, o2, ... go clockwise from the lower left: in_k = o(k + 1), out_k = o(n_in + n_out - k).
//!
//! Equations are written once, over a number type that is either `f64` or [`Dual`], a number with a derivative: the
//! derivatives with respect to settings are exact.
//!
//! ```
//! let ring = blackbeam_components::find("ring_allpass").ok_or("no ring")?;
//! let settings = ring.defaults();
//! let (inputs, outputs) = ring.size(&settings)?;
//! let s = ring.matrix(&settings, inputs, outputs, 1.55);
//! assert!((s[2].norm_sqr() - 1.0).abs() < 1e-12); // in0 -> out0: all light passes a ring without loss
//! # Ok::<(), String>(())
//! ```

mod catalogue;
mod component;
mod describe;
mod evaluate;
mod ports;
mod real;
mod setting;
mod sweep;
#[cfg(test)]
mod tests;

pub use catalogue::{catalogue, find};
pub use component::{Component, Passivity, Ports, Scatter, Sink, Sweep, Take};
pub use describe::describe;
pub use evaluate::Entry;
pub use ports::MAX_PORTS;
pub use real::{Cx, Dual, Real};
pub use setting::{Setting, Unit};
