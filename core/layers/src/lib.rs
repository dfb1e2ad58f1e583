//! Descriptions of network layers, losses, optimisers and schedules as plain data.
//!
//! What an experiment file says of a network is one of these values; nothing here computes with tensors, so that
//! `check`, the schemas and the editors' hover texts do not depend on the tensor library.
//!
//! ```
//! use blackbeam_layers::{Layer, shapes};
//! let layers: Vec<Layer> = serde_json::from_str(
//!     r#"["flatten", {"linear": {"out": 64}}, "relu", {"device": {"name": "mesh"}}, "bias", {"linear": {"out": 10}}]"#,
//! )
//! .unwrap();
//! let shapes = shapes(&layers, &[1, 28, 28], &|name| (name == "mesh").then_some((64, 64))).unwrap();
//! assert_eq!(shapes.last().unwrap().output, [10]);
//! ```

mod layer;
mod loss;
mod optim;
pub mod program;
mod schedule;
mod shape;

pub use layer::{DeviceUse, Layer, Ranks, Recurrence, device_uses, replace_devices};
pub use loss::Loss;
pub use optim::{OptimizerConfig, Real, StateError, VectorOptimizer};
pub use schedule::{Decay, Schedule};
pub use shape::{LayerError, LayerShape, MAX_ELEMENTS, layer_path, shapes, shapes_on_device};
