//! Errors of the digital layers.

use blackbeam_layers::LayerError;
use blackbeam_plugin::PluginError;

/// Why a network could not be built or run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// A layer does not fit where it stands.
    #[error(transparent)]
    Layers(#[from] LayerError),
    /// A device, or the surrogate that stands for it in the backward pass, failed.
    #[error("device `{device}` at {place}: {source}")]
    Device {
        /// Name of the device.
        device: String,
        /// Where it is used, such as `layers[3]`.
        place: String,
        /// Index of the use in execution order.
        use_index: usize,
        /// What it said.
        source: PluginError,
    },
    /// Inputs or targets that do not belong to this network.
    #[error("{0}")]
    Input(String),
    /// A saved state that does not belong to this network or optimiser.
    #[error("{0}")]
    State(String),
}
