//! End-to-end tests: the real `blackbeam`, run as a person runs it, on small experiments in folders of their own.

#![allow(clippy::unwrap_used)]

mod bench;
mod budget;
mod circuits;
mod commands;
mod compare;
mod device_commands;
mod estimators;
mod faults;
#[cfg(target_os = "linux")]
mod hardware;
mod hostile;
mod input;
#[cfg(unix)]
mod instruments;
mod isolation;
mod ledger;
mod methods;
mod networks;
mod on_device;
mod plan;
mod plugin_check;
mod plugins;
mod replay;
mod reproducible;
mod resume;
mod run_directory;
mod soak;
mod support;
mod surrogates;
mod tasks;
