//! End-to-end tests: the real `blackbeam`, run as a person runs it, on small experiments in folders of their own.

#![allow(clippy::unwrap_used)]

mod budget;
mod commands;
mod faults;
mod input;
mod ledger;
mod methods;
mod networks;
mod plugins;
mod reproducible;
mod resume;
mod run_directory;
mod support;
