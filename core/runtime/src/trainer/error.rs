//! Why a run could not start or go on.

use crate::{host::HostError, run::RunError, session::SessionError};
use blackbeam_data::DataError;
use blackbeam_plugin::{Code, Manifest, PluginError};
use blackbeam_record::LogError;
use blackbeam_source::Diagnostics;
use std::path::PathBuf;

/// Why a run could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A file with errors in it.
    #[error("{}", .0.render(false))]
    Input(Diagnostics),
    /// Something else that was asked for and cannot be done.
    #[error("{0}")]
    BadRequest(String),
    /// The data set.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A plugin that cannot be had.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The run directory.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The log of a device.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A device failed.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The digital layers.
    #[error("{0}")]
    Digital(blackbeam_digital::Error),
    /// A method failed.
    #[error("{role} `{method}` of device `{device}` failed: {error}")]
    Method {
        /// `estimator` or `surrogate`.
        role: &'static str,
        /// Name of the method.
        method: String,
        /// Name of the device.
        device: String,
        /// What it said.
        error: PluginError,
    },
    /// A gradient has to go through a device that has no surrogate.
    #[error("device `{0}` needs a surrogate: layers before it are trained")]
    NoSurrogate(String),
    /// A method asked in a way that cannot be answered.
    #[error("{0}")]
    Misuse(String),
    /// A method that never comes to a result.
    #[error("{0} `{1}` asked for more than 10000 rounds in one step")]
    Endless(&'static str, String),
    /// Numbers that are not finite.
    #[error("training has diverged: {0}")]
    Diverged(String),
    /// A resumed run is not what it was.
    #[error("{dir} cannot be resumed as it was: {what} changed (--accept-changes goes on all the same)")]
    Changed {
        /// The run.
        dir: PathBuf,
        /// What changed.
        what: String,
    },
}

impl TrainError {
    pub(super) fn method(role: &'static str, manifest: &Manifest, device: &str, error: PluginError) -> Self {
        TrainError::Method { role, method: manifest.name.to_string(), device: device.into(), error }
    }

    /// True if the input is at fault (exit code 2), false if the run failed (1).
    pub fn is_bad_input(&self) -> bool {
        match self {
            // A plugin that cannot do what the experiment asks, or one that has failed.
            TrainError::Host(HostError::Make { error, .. }) => {
                matches!(error.code, Code::SETTINGS | Code::UNSUPPORTED)
            }
            TrainError::Input(_)
            | TrainError::BadRequest(_)
            | TrainError::Data(_)
            | TrainError::Host(_)
            | TrainError::NoSurrogate(_)
            | TrainError::Changed { .. } => true,
            TrainError::Run(e) => !matches!(e, RunError::Io { .. }),
            TrainError::Log(e) => !matches!(e, LogError::Io { .. }),
            _ => false,
        }
    }
}
