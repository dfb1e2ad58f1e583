//! Why a session could not answer.

use blackbeam_plugin::PluginError;

/// Why a session could not answer.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The device, or its plugin.
    #[error("device `{device}` failed in {what}{}: {error}", tried(*attempts))]
    Device {
        /// Name of the device in the experiment.
        device: String,
        /// What was being done, such as `a probe (step 12)`.
        what: String,
        /// What it answered last.
        error: PluginError,
        /// How often it was tried.
        attempts: u32,
    },
    /// The run was to stop while a device was waited for.
    #[error("interrupted while device `{device}` was waited for, which failed in {what}: {error}")]
    Interrupted {
        /// Name of the device in the experiment.
        device: String,
        /// What was being done.
        what: String,
        /// What it answered last.
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
    /// More writes than the device bears.
    #[error(
        "device `{device}` bears {most} writes in its life and has had {written} in this run directory: {more} more are refused"
    )]
    WornOut {
        /// Name of the device in the experiment.
        device: String,
        /// Writes so far.
        written: u64,
        /// Writes of the call.
        more: u64,
        /// What its descriptor says.
        most: u64,
    },
    /// The ledger's file.
    #[error("the ledger cannot be written: {0}")]
    Ledger(#[from] std::io::Error),
}

fn tried(attempts: u32) -> String {
    if attempts > 1 { format!(" (tried {attempts} times)") } else { String::new() }
}
