//! Errors of the digital layers.

use blackbeam_layers::{LayerError, layer_path, program::Use};
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

impl Error {
    /// What went wrong at a use of a device.
    pub(crate) fn of_use(site: &Use, use_index: usize, source: PluginError) -> Self {
        Error::Device { device: site.name.clone(), place: layer_path(&site.path), use_index, source }
    }
}
