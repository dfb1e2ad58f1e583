//! Loading one shared library: which kind it is, then its version, then its layout, then its plugins.

use super::{HostError, device_library};
use blackbeam_driver::{
    host::AbiVersion,
    table::{SYMBOL, TableFn},
};
use blackbeam_plugin::{
    INTERFACE_MAJOR, INTERFACE_MINOR, Plugin,
    boundary::{self, HEADER_SYMBOL, HeaderRef, VERSION_SYMBOL, VersionFn},
};
use std::{error::Error, fmt, mem::ManuallyDrop, path::Path};

/// Version of the plugin interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceVersion {
    /// Another one is refused.
    pub major: u32,
    /// A newer one than the host's is refused.
    pub minor: u32,
}

impl InterfaceVersion {
    /// The version of this host.
    pub const HOST: InterfaceVersion = InterfaceVersion { major: INTERFACE_MAJOR, minor: INTERFACE_MINOR };

    /// True if a host of this version can use a library of version `library`: the same major part, and a minor part
    /// that is not newer.
    pub fn accepts(self, library: InterfaceVersion) -> bool {
        self.major == library.major && library.minor <= self.minor
    }
}

impl From<u64> for InterfaceVersion {
    fn from(packed: u64) -> Self {
        InterfaceVersion { major: (packed >> 32) as u32, minor: packed as u32 }
    }
}

impl fmt::Display for InterfaceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The interface that a library was built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interface {
    /// That of `blackbeam_plugin`.
    Rust(InterfaceVersion),
    /// That of `blackbeam_device.h`.
    C(AbiVersion),
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Interface::Rust(version) => write!(f, "{version}"),
            Interface::C(version) => write!(f, "C {version}"),
        }
    }
}

/// Loads the library at `path` (absolute) for ever, and gives back its interface and its plugins.
#[allow(unsafe_code)]
pub(super) fn open(path: &Path) -> Result<(Interface, Vec<Plugin>), HostError> {
    if let Some(reason) = super::whole::cut_off(path) {
        return Err(HostError::NotALibrary { path: path.to_owned(), reason });
    }
    // SAFETY: loading runs the library's initialisers. A person named this file as a plugin, which is code to be run;
    // nothing can be known of it before.
    let library = unsafe { libloading::Library::new(path) }.map_err(|error| not_a_library(path, &error))?;
    // What a library has handed out, threads it has started and destructors it has registered may outlive any owner.
    let library = ManuallyDrop::new(library);
    let not_a_plugin = |symbol| move |_| HostError::NotAPlugin { path: path.to_owned(), symbol };

    // SAFETY: a symbol of this name is a function of this type: that is what the name is reserved for.
    if let Ok(table) = unsafe { library.get::<TableFn>(SYMBOL) } {
        let (version, plugin) = device_library::open(path, *table)?;
        return Ok((Interface::C(version), vec![plugin]));
    }

    // SAFETY: as above.
    let version = unsafe { library.get::<VersionFn>(VERSION_SYMBOL) }.map_err(not_a_plugin(VERSION_SYMBOL))?;
    let version = InterfaceVersion::from(version());
    if !InterfaceVersion::HOST.accepts(version) {
        let host = InterfaceVersion::HOST;
        return Err(HostError::WrongVersion { path: path.to_owned(), found: version, host });
    }

    // SAFETY: as above; from this interface version on the symbol is a header, which is never unloaded.
    let header = unsafe { library.get::<HeaderRef>(HEADER_SYMBOL) }.map_err(not_a_plugin(HEADER_SYMBOL))?;
    let plugins = boundary::plugins(*header).map_err(|error| {
        tracing::debug!("{}: {}", path.display(), error.report);
        HostError::Layout { path: path.to_owned(), summary: error.summary }
    })?;
    let plugins = plugins.map_err(|error| HostError::NoManifests { place: path.display().to_string(), error })?;
    Ok((Interface::Rust(version), plugins))
}

fn not_a_library(path: &Path, error: &libloading::Error) -> HostError {
    // The error's own text is only that loading failed; the reason is its source, which begins with the path.
    let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    let shown = path.display().to_string();
    let reason = reason.strip_prefix(&shown).map_or(reason.as_str(), |rest| rest.trim_start_matches([':', ' ']));
    HostError::NotALibrary { path: path.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_of_versions() {
        let version = |major, minor| InterfaceVersion { major, minor };
        let host = version(2, 3);
        for (library, accepted) in [((2, 3), true), ((2, 0), true), ((2, 4), false), ((1, 3), false), ((3, 0), false)] {
            assert_eq!(host.accepts(version(library.0, library.1)), accepted, "{library:?}");
        }
        assert_eq!(InterfaceVersion::from(boundary::VERSION), InterfaceVersion::HOST);
        assert_eq!(InterfaceVersion::from(9 << 32 | 7).to_string(), "9.7");
        assert_eq!(Interface::Rust(host).to_string(), "2.3");
        assert_eq!(Interface::C(AbiVersion { major: 1, minor: 4 }).to_string(), "C 1.4");
    }
}
