//! The library's half for devices in Rust: what [`export_device!`](crate::export_device) expands to.

mod functions;

use crate::table::{self, DeviceTable, Error, Open, Status};
use blackbeam_plugin::{
    Code, DevicePlugin, Plugin, PluginError, Result,
    guard::{guard, quiet_panics},
};
use std::{
    ffi::{CString, c_char},
    panic::catch_unwind,
    sync::OnceLock,
};

/// Makes a device library of a type that implements [`DevicePlugin`]: `export_device!(EXPRESSION)`, where the expression gives
/// a value of that type. Use it once, in a crate with `crate-type = ["cdylib"]`. The expression is evaluated when the library
/// is loaded. The library is independent of the compiler; a panic is caught and becomes the status `BB_PANIC`, and what
/// panicked is not called again.
#[macro_export]
macro_rules! export_device {
    ($plugin:expr) => {
        const _: () = {
            static LIBRARY: $crate::export::Library = $crate::export::Library::new(|| ::std::boxed::Box::new($plugin));

            unsafe extern "C-unwind" fn open(
                open: *const $crate::table::Open,
                device: *mut *mut $crate::table::Device,
                error: *mut $crate::table::Error,
            ) -> $crate::table::Status {
                // SAFETY: the host promises what the table says of its function `open`.
                unsafe { LIBRARY.open(open, device, error) }
            }

            #[unsafe(export_name = "blackbeam_device_table")]
            pub extern "C-unwind" fn device_table() -> *const $crate::table::DeviceTable {
                LIBRARY.table(open)
            }
        };
    };
}

type OpenFn = unsafe extern "C-unwind" fn(*const Open, *mut *mut table::Device, *mut Error) -> Status;

/// A plugin that is exported.
pub struct Library {
    make: fn() -> Box<dyn DevicePlugin>,
    plugin: OnceLock<Result<Box<dyn DevicePlugin>>>,
    table: OnceLock<Option<DeviceTable>>,
}

impl Library {
    /// A library of the plugin that `make` gives.
    pub const fn new(make: fn() -> Box<dyn DevicePlugin>) -> Self {
        Library { make, plugin: OnceLock::new(), table: OnceLock::new() }
    }

    /// The plugin, behind the guard.
    fn plugin(&self) -> Result<&dyn DevicePlugin> {
        let plugin = self.plugin.get_or_init(|| {
            let made = catch_unwind(self.make).map_err(|payload| {
                // The payload's destructor may panic too.
                std::mem::forget(payload);
                PluginError::new(Code::PANIC, "the driver panicked while it was made")
            })?;
            match guard(Plugin::Device(made))? {
                Plugin::Device(plugin) => Ok(plugin),
                _ => unreachable!("the guard keeps the kind"),
            }
        });
        plugin.as_deref().map_err(Clone::clone)
    }

    /// The table, which lives for ever; null if the plugin could not say what it is.
    pub fn table(&'static self, open: OpenFn) -> *const DeviceTable {
        let made = self.table.get_or_init(|| {
            quiet_panics();
            let manifest = self.plugin().ok()?.manifest();
            let text = |text: &str| Some(CString::new(text).ok()?.into_raw().cast_const());
            let texts: [*const c_char; 5] = [
                text(&manifest.name)?,
                text(&manifest.version)?,
                text(&manifest.licence)?,
                text(&manifest.summary)?,
                text(&manifest.settings_schema)?,
            ];
            Some(functions::table(texts, open))
        });
        made.as_ref().map_or(std::ptr::null(), std::ptr::from_ref)
    }

    /// The table's function `open`.
    ///
    /// # Safety
    /// As the table says.
    #[allow(unsafe_code)]
    pub unsafe fn open(&self, open: *const Open, device: *mut *mut table::Device, error: *mut Error) -> Status {
        // SAFETY: handed on.
        unsafe { functions::open(self.plugin(), open, device, error) }
    }
}

// SAFETY: the pointers in the table are to constant texts.
#[allow(unsafe_code)]
unsafe impl Send for DeviceTable {}
