//! Surrogates: what carries the gradient through a device to the layers before it. One file a method.
//!
//! - [`IPsi`]: the implicit projector-splitting integrator of astralora.
//! - [`Residual`]: a low-rank surrogate corrected by what the device answers differently.
//! - [`Full`]: full reconstruction, truncated to a rank.
//! - [`Random`]: a fixed random feedback matrix, the control.
//!
//! All but `Random` are linear, y = U S V^T x, and are for devices that are linear in x.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod full;
pub mod i_psi;
mod linalg;
mod low_rank;
pub mod random;
pub mod residual;
mod settings;
#[cfg(test)]
mod test_host;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tracking_tests;

pub use full::Full;
pub use i_psi::IPsi;
pub use random::Random;
pub use residual::Residual;

use blackbeam_plugin::Plugin;

/// All surrogates of this crate, ready to be registered or exported.
pub fn plugins() -> Vec<Plugin> {
    vec![
        Plugin::Surrogate(Box::new(IPsi)),
        Plugin::Surrogate(Box::new(Residual)),
        Plugin::Surrogate(Box::new(Full)),
        Plugin::Surrogate(Box::new(Random)),
    ]
}
