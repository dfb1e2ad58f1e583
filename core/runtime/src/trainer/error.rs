//! Why a run could not start or go on.

use crate::{
    host::{HostError, LockError},
    run::RunError,
    session::SessionError,
};
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
    /// A device that another process drives.
    #[error("{0}. For a library that simulates, `exclusive: false` beside its `source` takes no lock")]
    Lock(#[from] LockError),
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
    /// The run failed while it was being trained, and can be gone on with.
    #[error("{error}\n  what was done before step {step} is kept. When it is mended, go on with\n  blackbeam train --resume {}", dir.display())]
    Stopped {
        /// Why.
        error: Box<TrainError>,
        /// The run.
        dir: PathBuf,
        /// The step that the checkpoint begins with.
        step: u64,
    },
    /// A signal came while a device was waited for.
    #[error("{why}; go on from the last checkpoint with: blackbeam train --resume {dir}")]
    Interrupted {
        /// The run.
        dir: PathBuf,
        /// What was waited for.
        why: String,
    },
    /// The run was stopped between two steps for a person to look.
    #[error("paused after {steps} steps: {why}. A checkpoint was written; go on with: blackbeam train --resume {dir}")]
    Paused {
        /// The run.
        dir: PathBuf,
        /// Steps made.
        steps: u64,
        /// Why.
        why: String,
    },
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

    /// True if a signal ended the run (exit code 130).
    pub fn is_interrupt(&self) -> bool {
        matches!(self, TrainError::Interrupted { .. })
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
