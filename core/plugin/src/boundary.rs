//! The binary interface between a host and a shared library: C layouts, checked by abi_stable when a library is loaded.
//!
//! Authors never see it ([`export_plugins!`](crate::export_plugins) does the library's half), and hosts use
//! [`plugins`] only, which gives back the [`Plugin`]s of a library as if they were compiled in. What crosses is the plain
//! data of this crate and objects of the three traits; no call lets a panic cross (the library's half sits behind the
//! [guard](crate::guard)).

mod adapters;
mod traits;

use crate::{
    Code, Descriptor, Device, DevicePlugin, Estimator, EstimatorPlugin, INTERFACE_MAJOR, INTERFACE_MINOR, Kind,
    Manifest, Open, Plugin, PluginError, Result, Surrogate, SurrogatePlugin,
};
use abi_stable::{
    StableAbi,
    library::{LibraryError, RootModule},
    sabi_types::VersionStrings,
    std_types::{RResult, RVec},
};
use adapters::Remote;
use std::fmt;

pub use abi_stable::library::{AbiHeaderRef as HeaderRef, LibHeader as Header};
pub(crate) use adapters::Exported;
pub use traits::*;

/// Name of the function (a [`VersionFn`]) that says which version of the interface a library was built for. It is read
/// before anything else of the library is touched.
pub const VERSION_SYMBOL: &str = "blackbeam_interface_version";

/// Name of the static ([`Header`]) through which the rest is reached.
pub const HEADER_SYMBOL: &str = "blackbeam_library";

/// Type of the function [`VERSION_SYMBOL`]: the major part in the upper, the minor part in the lower 32 bits.
pub type VersionFn = extern "C" fn() -> u64;

/// What the function [`VERSION_SYMBOL`] of a library built with this crate returns.
pub const VERSION: u64 = (INTERFACE_MAJOR as u64) << 32 | INTERFACE_MINOR as u64;

/// What a library offers: its manifests, and a constructor for each kind, by the manifest's index. Later minor versions
/// of the interface add fields at the end.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = LibraryRef, prefix_fields = LibraryFields)))]
pub struct Library {
    /// The manifests of all plugins of the library.
    pub manifests: extern "C" fn() -> RResult<RVec<Manifest>, PluginError>,
    /// Opens device `index`.
    pub device: extern "C" fn(index: usize, open: &Open) -> RResult<DeviceObject, PluginError>,
    /// Makes estimator `index` for a device.
    pub estimator: extern "C" fn(usize, &Open, &Descriptor) -> RResult<EstimatorObject, PluginError>,
    /// Makes surrogate `index` for a device.
    #[sabi(last_prefix_field)]
    pub surrogate: extern "C" fn(usize, &Open, &Descriptor) -> RResult<SurrogateObject, PluginError>,
}

impl RootModule for LibraryRef {
    abi_stable::declare_root_module_statics! {LibraryRef}
    const BASE_NAME: &'static str = "blackbeam_library";
    const NAME: &'static str = "Blackbeam plugin library";
    // Versions are compared before, by `VERSION_SYMBOL` and our own rule; abi_stable's, which refuses an older minor
    // version, is kept out of it.
    const VERSION_STRINGS: VersionStrings = VersionStrings::new("0.0.0");
}

/// Why a library of the right version still cannot be used: its data have another layout.
#[derive(Debug)]
pub struct LayoutError {
    /// The first difference, on one line.
    pub summary: String,
    /// All that is known: hundreds of lines.
    pub report: String,
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary)
    }
}

impl std::error::Error for LayoutError {}

impl From<LibraryError> for LayoutError {
    fn from(error: LibraryError) -> Self {
        let report = error.to_string();
        LayoutError { summary: last_block(&report), report }
    }
}

/// Longest [`LayoutError::summary`], in characters.
const MAX_SUMMARY: usize = 200;

/// The end of a report of abi_stable, which goes from the outermost type to the one that differs.
fn last_block(report: &str) -> String {
    let blocks = report.split("\n\n").map(str::trim).filter(|block| !block.is_empty());
    let words: Vec<&str> = blocks.last().unwrap_or("no reason given").split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(MAX_SUMMARY) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line,
    }
}

/// The plugins of the library whose header this is, as if they were compiled in. The library must stay loaded for ever.
///
/// # Errors
/// [`LayoutError`] if the library's idea of the interface is another one than this crate's. The inner error is the
/// library's own: it could not say what it holds.
pub fn plugins(header: HeaderRef) -> Result<Result<Vec<Plugin>>, LayoutError> {
    let library = header.upgrade()?.init_root_module::<LibraryRef>()?;
    Ok(library.manifests()().into_result().map(|manifests| {
        let place = |(index, manifest)| Place { library, index, manifest };
        manifests.into_iter().enumerate().map(place).map(Place::plugin).collect()
    }))
}

/// Where a plugin is found.
struct Place {
    library: LibraryRef,
    index: usize,
    manifest: Manifest,
}

impl Place {
    fn plugin(self) -> Plugin {
        match self.manifest.kind {
            Kind::Device => Plugin::Device(Box::new(self)),
            Kind::Estimator => Plugin::Estimator(Box::new(self)),
            Kind::Surrogate => Plugin::Surrogate(Box::new(self)),
        }
    }
}

impl DevicePlugin for Place {
    fn manifest(&self) -> Manifest {
        self.manifest.clone()
    }
    fn open(&self, open: &Open) -> Result<Box<dyn Device>> {
        Ok(Box::new(Remote(self.library.device()(self.index, open).into_result()?)))
    }
}

impl EstimatorPlugin for Place {
    fn manifest(&self) -> Manifest {
        self.manifest.clone()
    }
    fn make(&self, open: &Open, device: &Descriptor) -> Result<Box<dyn Estimator>> {
        Ok(Box::new(Remote(self.library.estimator()(self.index, open, device).into_result()?)))
    }
}

impl SurrogatePlugin for Place {
    fn manifest(&self) -> Manifest {
        self.manifest.clone()
    }
    fn make(&self, open: &Open, device: &Descriptor) -> Result<Box<dyn Surrogate>> {
        Ok(Box::new(Remote(self.library.surrogate()(self.index, open, device).into_result()?)))
    }
}

/// The error for an index that is not of a plugin of this kind: a host that does not keep to the manifests.
pub(crate) fn no_such(kind: Kind, index: usize) -> PluginError {
    PluginError::new(Code::UNSUPPORTED, format!("plugin {index} of this library is no {}", kind.name()))
}
