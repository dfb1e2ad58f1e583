//! What an author of a Blackbeam plugin sees.
//!
//! A plugin is a device, an estimator or a surrogate. Its author implements one trait of this crate ([`Device`],
//! [`Estimator`] or [`Surrogate`]) and a factory for it, and registers the factory: in the host's own list, or in a
//! shared library by `export_plugins!`. All data that crosses the boundary has a C layout; numbers are 64-bit unless a
//! descriptor says otherwise; phases are radians, times seconds.
//!
//! This crate depends on no other crate of Blackbeam.

mod array;
mod device;
mod error;
mod manifest;
mod method;
mod params;
pub mod random;

pub use abi_stable::std_types::{RSlice, RString, RVec};
pub use array::{ArrayView, ArrayViewMut, Dtype, MAX_AXES, Matrix};
pub use device::{
    Applied, AtRange, Call, Descriptor, Device, Energy, Parameter, ParameterKind, Port, Purpose, Timing, can, structure,
};
pub use error::{Code, PluginError, Result};
pub use manifest::{
    DevicePlugin, EstimatorPlugin, INTERFACE_MAJOR, INTERFACE_MINOR, Kind, Manifest, Open, Plugin, SurrogatePlugin,
    capability,
};
pub use method::{
    Answer, Ask, Context, Cost, CostInputs, Estimator, Factors, Inputs, OutcomeKind, Probe, Surrogate, Want, Way, needs,
};
pub use params::{Base, Direction, Form, ParameterSet};
pub use random::Key;
