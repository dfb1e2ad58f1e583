//! The C interface of device libraries.
//!
//! A device library is a shared library with one symbol, [`table::SYMBOL`]: a function that returns a constant
//! [`table::DeviceTable`]. It can be written in anything that speaks C, against `include/blackbeam_device.h`, which
//! [`header()`] generates from [`table`]. A device in Rust is exported by [`export_device!`] and is then independent of the
//! compiler that Blackbeam was built with; the interface of `blackbeam-plugin` itself is not.
//!
//! [`host`] is Blackbeam's half: it takes a table of unknown origin and gives a [`Device`](blackbeam_plugin::Device).
//!
//! # A whole library
//!
//! ```
//! use blackbeam_driver::plugin::*;
//!
//! /// y = g x, with one parameter, the gain g.
//! struct Amplifier(f64);
//!
//! impl Device for Amplifier {
//!     fn descriptor(&self) -> Descriptor {
//!         let port = Port { width: 1, complex: false, min: -1.0, max: 1.0, bits: 0 };
//!         let gain = Parameter {
//!             name: "gain".into(), unit: "1".into(), min: 0.0, max: 2.0, initial: 1.0, resolution: 0.0, period: 0.0,
//!             kind: ParameterKind::Level, at_range: AtRange::Clip, group: 0, row: 0, column: 0,
//!         };
//!         Descriptor {
//!             name: "amplifier".into(), firmware: "1".into(), calibration: "none".into(), input: port, output: port,
//!             parameters: vec![gain].into(), dtype: Dtype::F64, structure: structure::LINEAR_IN_X, can: 0, max_batch: 0,
//!             vectors_per_row: 1, noise: 0.0, timing: Timing::default(), energy: Energy::default(),
//!             limits: Limits::default(), timeouts: Timeouts::default(),
//!         }
//!     }
//!     fn write_params(&mut self, params: &[f64], _: &Call) -> Result<Applied> {
//!         self.0 = params[0].clamp(0.0, 2.0);
//!         Ok(Applied { values: vec![self.0].into() })
//!     }
//!     fn query(&mut self, x: ArrayView<'_>, mut y: ArrayViewMut<'_>, _: &Call) -> Result<()> {
//!         for (y, x) in y.as_f64()?.iter_mut().zip(x.as_f64()?) {
//!             *y = self.0 * x;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! struct AmplifierPlugin;
//!
//! impl DevicePlugin for AmplifierPlugin {
//!     fn manifest(&self) -> Manifest {
//!         Manifest {
//!             name: "amplifier".into(), version: "1.0.0".into(), kind: Kind::Device, licence: "MIT".into(),
//!             summary: "One gain.".into(), capabilities: 0, needs: 0, requires: 0,
//!             settings_schema: r#"{"type": "object", "additionalProperties": false}"#.into(),
//!         }
//!     }
//!     fn open(&self, _: &Open) -> Result<Box<dyn Device>> {
//!         Ok(Box::new(Amplifier(1.0)))
//!     }
//! }
//!
//! blackbeam_driver::export_device!(AmplifierPlugin);
//! ```

#![recursion_limit = "256"]

mod convert;
mod declare;
#[doc(hidden)]
pub mod export;
mod header;
pub mod host;
pub mod table;

pub use blackbeam_plugin as plugin;
pub use declare::{Field, Item};
pub use header::header;
