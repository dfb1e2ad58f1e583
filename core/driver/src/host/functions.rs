//! The functions of a library, and how they are called.

#![allow(unsafe_code)]

use crate::{
    convert::get_text,
    table::{
        self, BAD_STATE, Call, DeviceTable, EXT_BACKWARD, EXT_CALIBRATE, EXT_FULL_SCALE, EXT_MATRIX, EXT_QUERY_SETS,
        EXT_READ_PARAMS, EXT_STATE, Error, ExtBackward, ExtCalibrate, ExtFullScale, ExtMatrix, ExtQuerySets,
        ExtReadParams, ExtState, OK, Open, Status, Text,
    },
};
use blackbeam_plugin::{Code, PluginError, Result};
use std::{
    ffi::{c_char, c_void},
    mem::{MaybeUninit, offset_of},
    slice,
};

/// Bytes of an error's message.
const MESSAGE_SIZE: usize = 1024;
/// Longest constant text of a table, bytes.
const MAX_CONSTANT: usize = 1 << 20;
/// Largest table that is believed, bytes.
const MAX_TABLE: u64 = 1 << 16;

type Device = *mut table::Device;
type With<A> = unsafe extern "C-unwind" fn(Device, *mut A, *mut Error) -> Status;
type Plain = unsafe extern "C-unwind" fn(Device, *mut Error) -> Status;

/// Gives a device the state that it saved.
type Restore = unsafe extern "C-unwind" fn(Device, *const u8, u64, *mut Error) -> Status;

/// What a library can, with everything that is required.
#[derive(Clone, Copy)]
pub(super) struct Functions {
    pub open: unsafe extern "C-unwind" fn(*const Open, *mut Device, *mut Error) -> Status,
    pub describe: With<table::Descriptor>,
    pub write_params: With<table::Write>,
    pub query: With<table::Query>,
    pub health: With<table::Health>,
    pub safe_state: Plain,
    pub close: unsafe extern "C-unwind" fn(Device),
    pub enumerate: Option<unsafe extern "C-unwind" fn(*const c_char, *mut Text, *mut Error) -> Status>,
    pub query_sets: Option<With<table::QuerySets>>,
    pub query_backward: Option<With<table::Query>>,
    pub read_matrix:
        Option<unsafe extern "C-unwind" fn(Device, *const Call, *mut f64, u64, *mut u64, *mut Error) -> Status>,
    pub read_params: Option<unsafe extern "C-unwind" fn(Device, *mut f64, u64, *mut u64, *mut Error) -> Status>,
    pub set_full_scale: Option<unsafe extern "C-unwind" fn(Device, f64, *mut Error) -> Status>,
    pub state: Option<(With<table::Bytes>, Restore)>,
    pub calibrate: Option<Plain>,
}

impl Functions {
    /// The functions of a table and of its extensions.
    ///
    /// # Safety
    /// As [`Library::read`](super::Library::read).
    pub unsafe fn of(table: &DeviceTable) -> Result<Self, String> {
        let get = required(table.get_extension, "get_extension")?;
        // SAFETY: the caller's promise: an extension is null or a constant struct that begins with its size.
        let (query_sets, backward, matrix, read_params, full_scale, state, calibrate) = unsafe {
            (
                extension::<ExtQuerySets>(get(EXT_QUERY_SETS), "bb_ext_query_sets")?,
                extension::<ExtBackward>(get(EXT_BACKWARD), "bb_ext_backward")?,
                extension::<ExtMatrix>(get(EXT_MATRIX), "bb_ext_matrix")?,
                extension::<ExtReadParams>(get(EXT_READ_PARAMS), "bb_ext_read_params")?,
                extension::<ExtFullScale>(get(EXT_FULL_SCALE), "bb_ext_full_scale")?,
                extension::<ExtState>(get(EXT_STATE), "bb_ext_state")?,
                extension::<ExtCalibrate>(get(EXT_CALIBRATE), "bb_ext_calibrate")?,
            )
        };
        Ok(Functions {
            open: required(table.open, "open")?,
            describe: required(table.describe, "describe")?,
            write_params: required(table.write_params, "write_params")?,
            query: required(table.query, "query")?,
            health: required(table.health, "health")?,
            safe_state: required(table.safe_state, "safe_state")?,
            close: required(table.close, "close")?,
            enumerate: table.enumerate,
            query_sets: query_sets.map(|e| required(e.query_sets, "query_sets")).transpose()?,
            query_backward: backward.map(|e| required(e.query_backward, "query_backward")).transpose()?,
            read_matrix: matrix.map(|e| required(e.read_matrix, "read_matrix")).transpose()?,
            read_params: read_params.map(|e| required(e.read_params, "read_params")).transpose()?,
            set_full_scale: full_scale.map(|e| required(e.set_full_scale, "set_full_scale")).transpose()?,
            state: state
                .map(|e| {
                    Ok::<_, String>((
                        required(e.save_state, "save_state")?,
                        required(e.restore_state, "restore_state")?,
                    ))
                })
                .transpose()?,
            calibrate: calibrate.map(|e| required(e.calibrate, "calibrate")).transpose()?,
        })
    }
}

fn required<F>(function: Option<F>, name: &str) -> Result<F, String> {
    function.ok_or_else(|| format!("its function {name} is NULL"))
}

/// An extension, whole as of version 1.0: none has grown since.
unsafe fn extension<T: Copy>(pointer: *const c_void, name: &str) -> Result<Option<T>, String> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    unsafe { sized(pointer.cast::<T>(), size_of::<T>(), name) }.map(Some)
}

/// A copy of a struct that begins with its size in bytes as its owner knows it: at least `least`. What lies beyond what the
/// owner has is zero.
///
/// # Safety
/// `pointer` must be null or point to such a struct, and all zeros must be a `T`.
pub(super) unsafe fn sized<T: Copy>(pointer: *const T, least: usize, what: &str) -> Result<T, String> {
    if pointer.is_null() {
        return Err(format!("{what} is NULL"));
    }
    if !pointer.is_aligned() {
        return Err(format!("{what} is not aligned"));
    }
    // SAFETY: the caller's promise: a number of 64 bits stands at the beginning.
    let size = unsafe { pointer.cast::<u64>().read() };
    if size < least as u64 || size > MAX_TABLE {
        return Err(format!("{what} says that its struct_size is {size}, expected at least {least}"));
    }
    let mut copy = MaybeUninit::<T>::zeroed();
    let known = size_of::<T>().min(size as usize);
    // SAFETY: `known` bytes are there on both sides; the rest is zero, which the caller promises to be a value.
    unsafe {
        std::ptr::copy_nonoverlapping(pointer.cast::<u8>(), copy.as_mut_ptr().cast(), known);
        Ok(copy.assume_init())
    }
}

/// A constant text of a table.
///
/// # Safety
/// `pointer` must be null or point to bytes that end with a zero or go on for [`MAX_CONSTANT`].
pub(super) unsafe fn read_text(pointer: *const c_char, what: &str) -> Result<String, String> {
    if pointer.is_null() {
        return Err(format!("its {what} is NULL"));
    }
    // SAFETY: the caller's promise: bytes are read one by one up to the zero.
    let length = (0..MAX_CONSTANT).find(|i| unsafe { *pointer.add(*i) } == 0);
    let length = length.ok_or_else(|| format!("its {what} does not end within {MAX_CONSTANT} bytes"))?;
    // SAFETY: so many bytes were just read.
    let text = unsafe { slice::from_raw_parts(pointer, length + 1) };
    get_text(text, what).map_err(|e| format!("its {what} is not UTF-8 ({})", e.code))
}

/// Calls a function of the library; what it says besides its status is read from memory of ours.
pub(super) fn call(what: &str, function: impl FnOnce(*mut Error) -> Status) -> Result<()> {
    let mut message = [0; MESSAGE_SIZE];
    let mut error = Error {
        struct_size: size_of::<Error>() as u64,
        retryable: 0,
        state_known: 0,
        message: message.as_mut_ptr(),
        message_capacity: MESSAGE_SIZE as u64,
    };
    match function(&raw mut error) {
        OK => Ok(()),
        status => Err(decode(what, status, &error, &message)),
    }
}

fn decode(what: &str, status: Status, error: &Error, message: &[c_char]) -> PluginError {
    let text = match get_text(message, "message of this error") {
        Ok(text) if text.is_empty() => format!("{what} failed and the library does not say why"),
        Ok(text) => text,
        Err(problem) => format!("{what} failed; {}", problem.message),
    };
    if !(1..=BAD_STATE).contains(&status) {
        let message = format!("{what} returned status {status}, which the interface does not have: {text}");
        return PluginError::new(Code::FATAL, message).with_unknown_state();
    }
    PluginError {
        code: Code(status.unsigned_abs()),
        message: text.into(),
        retryable: error.retryable == 1,
        state_known: error.state_known == 1,
    }
}

/// What the library is to fill, with memory behind it that it must leave alone.
#[repr(C)]
pub(super) struct Fenced<T> {
    value: T,
    fence: [u64; FENCE],
}

/// Length of the fence, 64-bit words: more than a minor version or two append.
const FENCE: usize = 128;
const UNTOUCHED: u64 = 0xB1AC_BEA3_0FE1_CE55;

impl<T: Copy> Fenced<T> {
    pub fn new(value: T) -> Self {
        const { assert!(offset_of!(Fenced<T>, value) == 0) };
        Fenced { value, fence: [UNTOUCHED; FENCE] }
    }

    /// Where the library may write, with the rights to the whole.
    pub fn pointer(&mut self) -> *mut T {
        (&raw mut *self).cast()
    }

    /// What it has written.
    ///
    /// # Errors
    /// `ABI_MISMATCH` if it went past the end.
    pub fn filled(&self, name: &str) -> Result<T> {
        if self.fence.iter().all(|word| *word == UNTOUCHED) {
            return Ok(self.value);
        }
        let message = format!(
            "the library wrote past the end of the {name} that it was given: it was built for a newer version of the \
             interface and does not look at struct_size (BB_HAS)"
        );
        Err(PluginError::new(Code::ABI_MISMATCH, message))
    }
}
