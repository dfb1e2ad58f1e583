//! Device libraries: shared libraries that speak the C interface.

use super::HostError;
use blackbeam_driver::{
    host::{AbiVersion, Library, Refusal},
    table::TableFn,
};
use blackbeam_plugin::{Plugin, guard::guard};
use std::path::Path;

/// The version and the one plugin of the library at `path`, whose table `function` gives. The library must never be
/// unloaded.
#[allow(unsafe_code)]
pub(super) fn open(path: &Path, function: TableFn) -> Result<(AbiVersion, Plugin), HostError> {
    let path = path.to_owned();
    // SAFETY: a symbol of this name is a function of this type, which gives null or a table: that is what the name is
    // reserved for. The table lives as long as the library.
    let library = match unsafe { Library::read(function()) } {
        Ok(library) => library,
        Err(Refusal::Version(found)) => return Err(HostError::WrongTable { path, found, host: AbiVersion::HOST }),
        Err(Refusal::Broken(problem)) => return Err(HostError::BrokenTable { path, problem }),
    };
    let version = library.version();
    let guarded = guard(Plugin::Device(Box::new(library)));
    let plugin = guarded.map_err(|error| HostError::NoManifests { place: path.display().to_string(), error })?;
    Ok((version, plugin))
}
