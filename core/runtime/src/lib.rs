//! What makes a run of an experiment: plugin host, device session and ledger, trainer, run directory.
//!
//! - [`experiment`]: the experiment file, read and checked;
//! - [`host`]: plugins, built in or in shared libraries, and `plugins.lock`;
//! - [`session`]: the one path of every query to a device, with the device clock and the two columns of the ledger;
//! - [`trainer`]: [`trainer::train`] runs an experiment or goes on with it, [`trainer::check`] only checks;
//! - [`run`]: the run directory, its checkpoints and its lock.
//!
//! Methods never touch a device: the trainer sends what they ask through a session. A run can be stopped at any step and
//! resumed with the same bits.

pub mod experiment;
pub mod host;
pub mod run;
pub mod session;
pub mod trainer;
