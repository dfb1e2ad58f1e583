//! The plugin host: which plugins there are, built in ([`Registry::new`]) or in shared libraries ([`Registry::load`]), and
//! what `plugins.lock` knows of libraries without loading them ([`LockFile`]).
//!
//! A plugin of a library answers the same traits as one that is built in, so that nothing else can tell them apart; both
//! sit behind the same guard against panics. A built-in plugin is found by its kind and name; one of a library only when
//! the library is named with it, so that a library can hold a method of the same name as a built-in one.
//! A library is never unloaded. Devices of libraries run in processes of their own, unless an experiment trusts them
//! ([`Isolation`]); then nothing of the library is loaded here.
//!
//! Libraries are of two kinds: those of `blackbeam_plugin::export_plugins!`, which hold plugins of every kind and are bound to
//! the version of the interface in Rust, and device libraries, which hold one device and speak the C interface of
//! `blackbeam_driver`. A library that has the symbols of both is taken as a device library.

mod device_library;
mod exclusive;
mod isolated;
mod loader;
mod lockfile;
mod registry;
mod whole;

pub use exclusive::{DeviceLock, LockError};
pub use isolated::{HOST_COMMAND, Isolation, host_device};
pub use loader::{Interface, InterfaceVersion};
pub use lockfile::{LOCK_NAME, LockFile, LockedLibrary, LockedPlugin, Verification, look_up, verify};
pub use registry::{LoadedLibrary, Registered, Registry};

use blackbeam_driver::{host::AbiVersion, table::SYMBOL};
use blackbeam_plugin::{Kind, PluginError};
use blackbeam_source::did_you_mean;
use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a plugin cannot be had. Every message is one line.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// No such file.
    #[error("there is no plugin library {}", path.display())]
    Missing {
        /// The path as given.
        path: PathBuf,
    },
    /// The system's loader does not take the file.
    #[error("{} cannot be loaded as a shared library: {reason}", path.display())]
    NotALibrary {
        /// The file.
        path: PathBuf,
        /// What the loader says.
        reason: String,
    },
    /// A library, but not one of ours.
    #[error(
        "{} is a shared library but not a Blackbeam plugin: it has no symbol `{symbol}` (made by \
         `blackbeam_plugin::export_plugins!`) and no `{SYMBOL}` (device libraries: include/blackbeam_device.h)",
        path.display()
    )]
    NotAPlugin {
        /// The file.
        path: PathBuf,
        /// The symbol that is not there.
        symbol: &'static str,
    },
    /// Built for an interface that this host does not speak.
    #[error(
        "{} was built for version {found} of the plugin interface, this Blackbeam has {host}: build it against \
         blackbeam-plugin of this Blackbeam",
        path.display()
    )]
    WrongVersion {
        /// The file.
        path: PathBuf,
        /// The library's version.
        found: InterfaceVersion,
        /// The host's version.
        host: InterfaceVersion,
    },
    /// A device library of another major version.
    #[error(
        "{} was built for version {found} of the C interface, this Blackbeam has {host}: build it with the \
         blackbeam_device.h of this Blackbeam",
        path.display()
    )]
    WrongTable {
        /// The file.
        path: PathBuf,
        /// The library's version.
        found: AbiVersion,
        /// The host's version.
        host: AbiVersion,
    },
    /// A device library whose table cannot be used.
    #[error("{} has a `{SYMBOL}` that cannot be used: {problem}", path.display())]
    BrokenTable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Another data layout under the same version.
    #[error(
        "{} has the right interface version but another layout of the data, build it again with this Blackbeam's \
         blackbeam-plugin: {summary}",
        path.display()
    )]
    Layout {
        /// The file.
        path: PathBuf,
        /// The difference.
        summary: String,
    },
    /// The library could not make its list of plugins.
    #[error("{place} could not say what plugins it holds: {error}")]
    NoManifests {
        /// The library.
        place: String,
        /// The library's error.
        error: PluginError,
    },
    /// A manifest that cannot be used.
    #[error("the {} `{name}` {place} {problem}", kind.name())]
    Manifest {
        /// Kind of the plugin.
        kind: Kind,
        /// Its name.
        name: String,
        /// `built in` or `in LIBRARY`.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No plugin of this kind and name.
    #[error("there is no {} `{name}` {place}{}", kind.name(), suggestion(name, known))]
    Unknown {
        /// Kind that was looked for.
        kind: Kind,
        /// Name that was looked for.
        name: String,
        /// Where: `built in` or `in LIBRARY`.
        place: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// A constructor failed.
    #[error("the {} `{name}` {place}: {error}", kind.name())]
    Make {
        /// Kind of the plugin.
        kind: Kind,
        /// Its name.
        name: String,
        /// `built in` or `in LIBRARY`.
        place: String,
        /// The plugin's error.
        error: PluginError,
    },
    /// Not in `plugins.lock`.
    #[error("{0} is not verified: it is not in {LOCK_NAME}; `blackbeam plugin add {0}` makes it known", path.display())]
    NotAdded {
        /// The library.
        path: PathBuf,
    },
    /// Not the file that was added.
    #[error(
        "{0} is not verified: it has changed since it was added to {LOCK_NAME}; `blackbeam plugin add {0}` makes it \
         known as it is now",
        path.display()
    )]
    Changed {
        /// The library.
        path: PathBuf,
    },
    /// A file that cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// A `plugins.lock` that is not one.
    #[error("{} is damaged ({reason}): delete it and add the libraries again with `blackbeam plugin add`", path.display())]
    NotALock {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

fn suggestion(name: &str, known: &[String]) -> String {
    let near = did_you_mean(name, known).map(|hint| format!("; {hint}")).unwrap_or_default();
    match known {
        [] => "; there is none of that kind".to_owned(),
        known => format!("{near} (there are: {})", known.join(", ")),
    }
}

/// The file's absolute path without links.
///
/// # Errors
/// `Missing`, or `Io` if it cannot be told.
fn canonical(path: &Path) -> Result<PathBuf, HostError> {
    path.canonicalize().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => HostError::Missing { path: path.to_owned() },
        _ => HostError::Io { path: path.to_owned(), error },
    })
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> HostError + '_ {
    |error| HostError::Io { path: path.to_owned(), error }
}
