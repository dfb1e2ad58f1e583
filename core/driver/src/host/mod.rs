//! Blackbeam's half: a table of unknown origin becomes a device plugin.
//!
//! Whatever a library may do wrong at this boundary is an error: null pointers, structs that are too short or that are
//! written past their end, status codes that nobody knows, lengths that do not fit, numbers that are not finite, texts that
//! are not UTF-8 or do not end. (Writing elsewhere into this process, or leaving a function by an exception, is not to be
//! caught from within the same process.)

mod descriptor;
mod device;
mod functions;

pub use device::CDevice;

use crate::table::{ABI_MAJOR, ABI_MINOR, DeviceTable, OPEN_EXCLUSIVE, OPEN_IDEAL, Open as COpen, Text};
use blackbeam_plugin::{Code, Device, DevicePlugin, Kind, Manifest, Open, PluginError, Result};
use functions::{Functions, call, read_text, sized};
use std::{
    ffi::{CString, c_char},
    fmt,
    mem::offset_of,
    ptr::null_mut,
};

/// Longest text that a library may give, bytes.
const MAX_TEXT: usize = 1 << 24;

/// Version of the C interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbiVersion {
    /// Another one is refused.
    pub major: u32,
    /// Older and newer ones are taken.
    pub minor: u32,
}

impl AbiVersion {
    /// The version of this Blackbeam.
    pub const HOST: AbiVersion = AbiVersion { major: ABI_MAJOR, minor: ABI_MINOR };
}

impl fmt::Display for AbiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Why a table is not used.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// Of another major version.
    Version(AbiVersion),
    /// Not a table as the header says: what is wrong with it.
    Broken(String),
}

/// A device that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// What the setting `device` is to be.
    pub device: String,
    /// For a person.
    pub remark: String,
}

/// A device library, as its table says.
pub struct Library {
    version: AbiVersion,
    manifest: Manifest,
    functions: Functions,
}

impl Library {
    /// Reads a table. Fields that this version does not know are not looked at; those that an older library does not have
    /// are absent.
    ///
    /// # Errors
    /// [`Refusal`].
    ///
    /// # Safety
    /// `table` must be null or come from a library's function [`SYMBOL`](crate::table::SYMBOL); the library must stay loaded
    /// for ever.
    #[allow(unsafe_code)]
    pub unsafe fn read(table: *const DeviceTable) -> Result<Self, Refusal> {
        // The version stands where it always stands, so that it is read before anything of the size of this version's table.
        let least = offset_of!(DeviceTable, name);
        // SAFETY: the caller's promise; `sized` looks at the size before it reads.
        let head = unsafe { sized(table, least, "the table") }.map_err(Refusal::Broken)?;
        let version = AbiVersion { major: head.abi_major, minor: head.abi_minor };
        if version.major != AbiVersion::HOST.major {
            return Err(Refusal::Version(version));
        }
        let required = offset_of!(DeviceTable, enumerate);
        // SAFETY: as above.
        let table = unsafe { sized(table, required, "the table") }.map_err(Refusal::Broken)?;
        let text = |pointer: *const c_char, what: &str| {
            // SAFETY: a pointer of the library's to a constant text.
            unsafe { read_text(pointer, what) }.map(Into::into).map_err(Refusal::Broken)
        };
        let manifest = Manifest {
            name: text(table.name, "name")?,
            version: text(table.version, "version")?,
            kind: Kind::Device,
            licence: text(table.licence, "licence")?,
            summary: text(table.summary, "summary")?,
            capabilities: 0,
            needs: 0,
            requires: 0,
            settings_schema: text(table.settings_schema, "settings_schema")?,
        };
        // SAFETY: as above.
        let functions = unsafe { Functions::of(&table) }.map_err(Refusal::Broken)?;
        Ok(Library { version, manifest, functions })
    }

    /// The version that the library was built for.
    pub fn version(&self) -> AbiVersion {
        self.version
    }

    /// The devices that can be opened.
    ///
    /// # Errors
    /// `UNSUPPORTED` if the library cannot look for them; its own errors.
    #[allow(unsafe_code)]
    pub fn enumerate(&self, settings: &str) -> Result<Vec<Found>> {
        let Some(enumerate) = self.functions.enumerate else {
            return Err(PluginError::new(Code::UNSUPPORTED, "the library cannot look for devices"));
        };
        let settings = settings_text(settings)?;
        let ask = |data: *mut c_char, capacity: usize| {
            let mut text = Text { data, capacity: capacity as u64, length: 0 };
            // SAFETY: as the header says; everything given lives until the call returns.
            call("enumerate", |error| unsafe { enumerate(settings.as_ptr(), &raw mut text, error) })?;
            match usize::try_from(text.length) {
                Ok(length) if length <= MAX_TEXT => Ok(length),
                _ => Err(PluginError::new(Code::SHAPE, format!("a list of {} bytes", text.length))),
            }
        };
        let mut bytes = vec![0u8; ask(null_mut(), 0)?];
        let length = ask(bytes.as_mut_ptr().cast(), bytes.len())?;
        // Between the calls devices may have come and gone.
        bytes.truncate(length);
        let text = String::from_utf8(bytes)
            .map_err(|_| PluginError::new(Code::ABI_MISMATCH, "the list of devices is not UTF-8"))?;
        let found = |line: &str| {
            let (device, remark) = line.split_once('\t').unwrap_or((line, ""));
            Found { device: device.to_owned(), remark: remark.to_owned() }
        };
        Ok(text.lines().filter(|line| !line.is_empty()).map(found).collect())
    }

    /// Opens a device, for this process alone.
    ///
    /// # Errors
    /// The library's; `ABI_MISMATCH` or `SHAPE` if what it says of the device cannot be.
    #[allow(unsafe_code)]
    pub fn open_device(&self, open: &Open) -> Result<CDevice> {
        let settings = settings_text(&open.settings)?;
        let ideal = if open.ideal { OPEN_IDEAL } else { 0 };
        let request = COpen {
            struct_size: size_of::<COpen>() as u64,
            settings: settings.as_ptr(),
            seed: open.seed,
            threads: open.threads.max(1),
            flags: ideal | OPEN_EXCLUSIVE,
        };
        let mut device = null_mut();
        // SAFETY: as the header says; everything given lives until the call returns.
        call("open", |error| unsafe { (self.functions.open)(&raw const request, &raw mut device, error) })?;
        if device.is_null() {
            return Err(PluginError::new(Code::ABI_MISMATCH, "open gave no device and no error"));
        }
        // SAFETY: the device was opened just now by these functions and is given to nobody else.
        unsafe { CDevice::adopt(self.functions, device) }
    }
}

impl DevicePlugin for Library {
    fn manifest(&self) -> Manifest {
        self.manifest.clone()
    }

    fn open(&self, open: &Open) -> Result<Box<dyn Device>> {
        Ok(Box::new(self.open_device(open)?))
    }
}

fn settings_text(settings: &str) -> Result<CString> {
    CString::new(settings).map_err(|_| PluginError::settings("the settings hold a zero byte"))
}
