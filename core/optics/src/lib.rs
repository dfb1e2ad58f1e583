//! Compiled simulators of photonic devices, with what is wrong with real ones.
//!
//! [`Simulator::open`] turns a checked [`Circuit`](blackbeam_netlist::circuit::Circuit) into a
//! [`Device`](blackbeam_plugin::Device); [`Optics`] gives its S-parameters and says what was compiled and why. Every query
//! goes through the whole chain, in this order for every program:
//!
//! ```text
//! parameter -> range, slew limit -> DAC -> actuator curve, gain -> lag -> crosstalk -> + offset, flicker, phase noise
//!           -> slots: + fabrication + drift(t), expressions -> what light meets
//! input     -> range -> DAC -> + noise -> field or power -> the circuit -> detection (amperes) -> gain -> + noise
//!           -> ADC -> y
//! ```
//!
//! y is normalised: an ideal linear device returns A x. Randomness has three scopes (device, write, vector), and a
//! simulator is a pure function of the circuit, the seed, the parameters written, the identity of a call and its time.
//!
//! What light meets is a `program`, chosen by the structure of the circuit: one generator, a chain of planes in free space,
//! or a scattering solve of everything else. Each has an adjoint, from which
//! [`exact_vjp`](blackbeam_plugin::Device::exact_vjp) has its derivatives.

mod cells;
mod chain;
mod descriptor;
mod engine;
mod exact;
mod explain;
mod fabrication;
mod history;
mod initial;
mod keys;
mod memory;
mod model;
mod program;
mod query;
mod resonance;
mod sets;
mod simulator;
mod slots;
mod spectrum;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod transfer;
mod values;

pub use explain::Explanation;
pub use simulator::{Counters, Simulator};
pub use spectrum::{Optics, Spectrum};
pub use values::slot_values;
