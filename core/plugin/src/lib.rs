//! What an author of a Blackbeam plugin sees.
//!
//! A plugin is a device, an estimator or a surrogate. Its author implements one trait of this crate ([`Device`],
//! [`Estimator`] or [`Surrogate`]) and a factory for it ([`DevicePlugin`], ...), and registers the factory: in the host's
//! own list, or in a shared library by [`export_plugins!`]. All data that crosses the boundary has a C layout; numbers are
//! 64-bit unless a descriptor says otherwise; phases are radians, times seconds. A panic in a plugin is caught at the
//! boundary and becomes an error; the object that panicked is not called again.
//!
//! # A whole plugin
//!
//! An estimator that moves all parameters at once along random signs and divides the difference of the two answers by
//! the step (simultaneous perturbation: Spall, IEEE Transactions on Automatic Control 37, 1992). The crate needs
//! `crate-type = ["cdylib"]` and this crate as its only dependency; `blackbeam plugin add` makes the library known.
//!
//! ```
//! use blackbeam_plugin::*;
//!
//! const STEP: f64 = 0.1;
//!
//! /// The gradient, once both answers are there.
//! #[derive(Default)]
//! struct Signs(Option<Vec<f64>>);
//!
//! impl Estimator for Signs {
//!     fn ask(&mut self, context: &Context<'_>) -> Result<Ask> {
//!         if let Some(gradient) = self.0.take() {
//!             return Ok(Ask::gradient(gradient));
//!         }
//!         let moved = |scale| ParameterSet::keyed(Base::Current, Direction::Rademacher, context.key, scale);
//!         Ok(Ask::probes([STEP, -STEP].map(|s| Probe::batch(moved(s), Want::Scalar)).to_vec()))
//!     }
//!
//!     fn tell(&mut self, context: &Context<'_>, answers: &[Answer]) -> Result<()> {
//!         let slope = (answers[0].scalar - answers[1].scalar) / (2.0 * STEP);
//!         let n_params = context.params.len() as u64;
//!         self.0 = Some((0..n_params).map(|i| slope * context.key.sign(i)).collect());
//!         Ok(())
//!     }
//!
//!     fn cost(&self, inputs: &CostInputs) -> Cost {
//!         Cost { vectors: 2 * inputs.batch as u64, configurations: 2, losses: 0 }
//!     }
//! }
//!
//! struct SignsPlugin;
//!
//! impl EstimatorPlugin for SignsPlugin {
//!     fn manifest(&self) -> Manifest {
//!         Manifest {
//!             name: "signs".into(),
//!             version: env!("CARGO_PKG_VERSION").into(),
//!             kind: Kind::Estimator,
//!             licence: "MIT".into(),
//!             summary: "Simultaneous perturbation along random signs (Spall 1992).".into(),
//!             capabilities: 0,
//!             needs: needs::COTANGENT,
//!             requires: 0,
//!             settings_schema: r#"{"type": "object", "additionalProperties": false}"#.into(),
//!         }
//!     }
//!
//!     fn make(&self, _: &Open, _: &Descriptor) -> Result<Box<dyn Estimator>> {
//!         Ok(Box::new(Signs::default()))
//!     }
//! }
//!
//! export_plugins!(vec![Plugin::Estimator(Box::new(SignsPlugin))]);
//! # let plugin = guard::guard(Plugin::Estimator(Box::new(SignsPlugin))).unwrap();
//! # assert_eq!(plugin.manifest().name, "signs");
//! ```
//!
//! This crate depends on no other crate of Blackbeam.

mod array;
pub mod boundary;
mod descriptor;
mod device;
mod error;
#[doc(hidden)]
pub mod export;
pub mod guard;
mod manifest;
mod method;
mod params;
pub mod random;

pub use abi_stable::std_types::{RSlice, RString, RVec};
pub use array::{ArrayView, ArrayViewMut, Dtype, MAX_AXES, Matrix};
pub use descriptor::{
    AtRange, Descriptor, Energy, Limits, Parameter, ParameterKind, Port, Timeouts, Timing, can, structure,
};
pub use device::{Applied, Call, Device, Health, Purpose, SafeState};
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
