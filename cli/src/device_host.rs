//! `blackbeam device-host`: the process that a device library runs in. Blackbeam calls it, people do not.

use crate::{Failure, bench::isolation};
use blackbeam_runtime::host::host_device;
use std::path::Path;

/// Runs the command.
pub fn run(memory: &Path) -> Result<(), Failure> {
    host_device(memory, |name, _| isolation::built_in(name)).map_err(|error| {
        Failure::Run(format!(
            "{error}: `blackbeam device-host` is started by Blackbeam itself, with memory that both share"
        ))
    })
}
