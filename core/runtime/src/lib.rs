//! Plugin host, device session and ledger, trainer, run directory.

pub mod experiment;
pub mod host;
pub mod run;
pub mod session;
pub mod trainer;
