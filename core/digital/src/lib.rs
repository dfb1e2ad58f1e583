//! The digital layers of a hybrid network, on burn: the one crate that knows the tensor library.
//!
//! A [`Network`] is built from layer descriptions. Where a device stands among the layers the network calls a
//! [`DeviceHook`]: its `forward` gives the device's outputs, its `backward` (the surrogate) turns the cotangent of the
//! outputs into that of the inputs. A training step is
//!
//! ```text
//! let pass = network.forward_train(inputs, targets, loss, step_key, hook)?;   // devices are queried here
//! let trained = pass.backward()?;                      // surrogates are used here
//! trained.cotangents                                   // dL/dy of every device use, for the estimators
//! network.tail_loss(&trained.trace, use, &y, hook)?    // the loss, had the device answered y
//! network.step(&mut optimizer, &trained.gradients, learning_rate)
//! ```
//!
//! **Bits.** Initial weights and dropout masks come from the keyed generator, never from the backend's. The backend's
//! sums over large arrays are cut by the number of threads of rayon's global pool: [`pin_threads`] makes it one. The
//! instruction set of the processor still matters: bits are reproducible on one machine, not across machines.

mod convert;
mod error;
mod execute;
mod initial;
mod loss;
mod network;
mod optimizer;
mod pass;
mod scalar;
mod splice;
mod state;
mod tail;
mod threads;

pub use blackbeam_layers::program::Use;
pub use error::Error;
pub use loss::{Score, Targets};
pub use network::Network;
pub use optimizer::{Gradients, Optimizer};
pub use pass::{Pass, Trace, Trained};
pub use scalar::Scalar;
pub use splice::DeviceHook;
pub use state::NamedTensor;
pub use tail::FimFactor;
pub use threads::{Pinned, pin_threads};
