//! Why a session could not answer.

use blackbeam_plugin::PluginError;

/// Why a session could not answer.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The device, or its plugin.
    #[error("device `{device}` failed in {what}: {error}")]
    Device {
        /// Name of the device in the experiment.
        device: String,
        /// What was being done, such as `a probe (step 12)`.
        what: String,
        /// What it answered.
        error: PluginError,
    },
    /// A method or the network asked for something that cannot be asked.
    #[error("{0}")]
    Method(String),
    /// More than the device budget allows.
    #[error("the device budget is spent: {purpose} of device `{device}` takes {wanted} vectors, and {left} are left")]
    Budget {
        /// Name of the device in the experiment.
        device: String,
        /// What the vectors are for.
        purpose: &'static str,
        /// Vectors of the call.
        wanted: u64,
        /// Vectors left.
        left: u64,
    },
    /// The ledger's file.
    #[error("the ledger cannot be written: {0}")]
    Ledger(#[from] std::io::Error),
}
