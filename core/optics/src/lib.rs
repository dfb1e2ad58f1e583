//! Compiled simulators of photonic devices, with what is wrong with real ones.
//!
//! [`Simulator::open`] turns a checked [`Circuit`](blackbeam_netlist::circuit::Circuit) into a
//! [`Device`](blackbeam_plugin::Device). Every query goes through the whole chain, in this order for every component:
//!
//! ```text
//! parameter -> range -> DAC -> actuator curve -> crosstalk -> + fabrication + phase noise + drift(t) -> matrix
//! input     -> range -> DAC -> + noise -> field or power -> matrix -> detection -> gain -> + noise -> ADC -> y
//! ```
//!
//! y is normalised: an ideal linear device returns A x. Randomness has three scopes (device, write, vector), and a
//! simulator is a pure function of the circuit, the seed, the parameters written, the identity of a call and its time.
//!
//! A component is a `program`: one file that fills a matrix from phases, and one line in `program::compile`.

mod complex;
mod converter;
mod crosstalk;
mod curve;
mod descriptor;
mod detector;
mod drift;
mod encoder;
mod fabrication;
mod haar;
mod initial;
mod keys;
mod mesh;
mod model;
mod program;
mod ring;
mod setpoint;
mod simulator;
#[cfg(test)]
mod simulator_tests;
mod slm;
#[cfg(test)]
mod statistics_tests;
#[cfg(test)]
mod testing;
mod transfer;

pub use simulator::{Counters, Simulator};
