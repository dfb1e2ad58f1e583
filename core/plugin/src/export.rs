//! The library's half of the boundary: what [`export_plugins!`](crate::export_plugins) expands to.

use crate::{
    Descriptor, Kind, Manifest, Open, Plugin, PluginError, Result,
    boundary::{
        DeviceAbi_TO, DeviceObject, EstimatorAbi_TO, EstimatorObject, Exported, Header, Library, LibraryRef,
        SurrogateAbi_TO, SurrogateObject, no_such,
    },
    guard::{catch, guard, quiet_panics},
};
use abi_stable::{
    library::{CheckTypeLayout, RootModuleResult},
    marker_type::ErasedPrefix,
    prefix_type::{PrefixRef, PrefixRefTrait, PrefixTypeTrait},
    sabi_trait::TD_Opaque,
    std_types::{RResult, RVec},
};
use std::sync::OnceLock;

/// Makes a shared library of a list of plugins: `export_plugins!(EXPRESSION)`, where the expression gives a
/// `Vec<Plugin>`. Use it once, in a crate with `crate-type = ["cdylib"]`. The expression is evaluated when the library is
/// loaded. The crate's documentation has an example.
#[macro_export]
macro_rules! export_plugins {
    ($plugins:expr) => {
        const _: () = {
            #[unsafe(export_name = "blackbeam_interface_version")]
            pub extern "C" fn interface_version() -> u64 {
                $crate::boundary::VERSION
            }

            #[unsafe(export_name = "blackbeam_library")]
            pub static LIBRARY: $crate::boundary::Header = {
                extern "C" fn library() -> $crate::export::Loaded {
                    $crate::export::load(|| $plugins)
                }
                // SAFETY: `library` does nothing but call `load`.
                unsafe { $crate::export::header(library) }
            };
        };
    };
}

/// What [`load`] returns: the erased root module.
pub type Loaded = RootModuleResult;

/// The header of a library whose root module is made by `library`.
///
/// # Safety
/// `library` must return what [`load`] returns: an erased [`LibraryRef`] and nothing else.
#[allow(unsafe_code)]
pub const unsafe fn header(library: extern "C" fn() -> Loaded) -> Header {
    // SAFETY: the caller promises what `from_constructor` asks for.
    unsafe { Header::from_constructor::<LibraryRef>(library, CheckTypeLayout::Yes) }
}

/// The plugins of this library, behind the guard. Each shared library has its own copy of this static.
static PLUGINS: OnceLock<Result<Vec<Plugin>>> = OnceLock::new();

/// Makes the plugins and the root module of this library.
pub fn load(plugins: fn() -> Vec<Plugin>) -> Loaded {
    PLUGINS.get_or_init(|| {
        quiet_panics();
        catch(|| Ok(plugins()))?.into_iter().map(guard).collect()
    });
    let library = Library { manifests, device, estimator, surrogate }.leak_into_prefix();
    // SAFETY: the header declares the module as a `LibraryRef`; abi_stable casts it back after it has compared the
    // layouts.
    #[allow(unsafe_code)]
    let erased: PrefixRef<ErasedPrefix> = unsafe { library.to_prefix_ref().cast() };
    RResult::ROk(erased)
}

fn all() -> Result<&'static [Plugin]> {
    match PLUGINS.get().expect("`load` fills it before it hands out these functions") {
        Ok(plugins) => Ok(plugins),
        Err(error) => Err(error.clone()),
    }
}

extern "C" fn manifests() -> RResult<RVec<Manifest>, PluginError> {
    all().map(|plugins| plugins.iter().map(Plugin::manifest).collect()).into()
}

extern "C" fn device(index: usize, open: &Open) -> RResult<DeviceObject, PluginError> {
    let made = all().and_then(|plugins| match plugins.get(index) {
        Some(Plugin::Device(plugin)) => plugin.open(open),
        _ => Err(no_such(Kind::Device, index)),
    });
    made.map(|device| DeviceAbi_TO::from_value(Exported(device), TD_Opaque)).into()
}

extern "C" fn estimator(index: usize, open: &Open, device: &Descriptor) -> RResult<EstimatorObject, PluginError> {
    let made = all().and_then(|plugins| match plugins.get(index) {
        Some(Plugin::Estimator(plugin)) => plugin.make(open, device),
        _ => Err(no_such(Kind::Estimator, index)),
    });
    made.map(|estimator| EstimatorAbi_TO::from_value(Exported(estimator), TD_Opaque)).into()
}

extern "C" fn surrogate(index: usize, open: &Open, device: &Descriptor) -> RResult<SurrogateObject, PluginError> {
    let made = all().and_then(|plugins| match plugins.get(index) {
        Some(Plugin::Surrogate(plugin)) => plugin.make(open, device),
        _ => Err(no_such(Kind::Surrogate, index)),
    });
    made.map(|surrogate| SurrogateAbi_TO::from_value(Exported(surrogate), TD_Opaque)).into()
}
