//! What a device promises, tried on it.
//!
//! A device says of itself what it is ([`Descriptor`](blackbeam_plugin::Descriptor)) and keeps to rules
//! ([`Device`](blackbeam_plugin::Device)). Training believes both. This crate opens a device and tries them, by few and
//! small calls: what was measured, what was expected, and what to do where they differ. It sees nothing of a device but the
//! interface.
//!
//! Tolerances come from the device: the noise that it was measured to have, the steps of its converters, and rounding in its
//! element type. Answers are compared by the root mean square of their difference, which has to stay below three times of what
//! these make of it.
//!
//! Checks are in groups, one file each under `checks/`; [`run`] goes through them in order.

mod bench;
mod checks;
mod inputs;
mod measure;
mod report;
mod sending;
mod watch;

pub use bench::Options;
pub use report::{Finding, Outcome, Report, Verdict};
pub use watch::{End, Watch, run};

/// Most vectors that are sent to a device of 64 inputs and 64 outputs.
pub const MOST_VECTORS: u64 = 2000;

/// Ids of all checks, in the order in which they are tried.
pub fn ids() -> Vec<&'static str> {
    checks::ALL.iter().flat_map(|group| group.iter()).map(|check| check.id).collect()
}
