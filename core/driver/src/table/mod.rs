//! The C interface: the table that a library exports, and everything that crosses it.
//!
//! The files of this folder are the source of `include/blackbeam_device.h`. What stands in the documentation of the types is what
//! an author in C reads, so that it speaks of names in C.

mod calls;
mod description;

pub use calls::*;
pub use description::*;

use crate::declare::Item;

/// Everything that the header declares, in order: the parts.
pub static ITEMS: [&[Item]; 2] = [description::ITEMS, calls::ITEMS];

/// Names of types, in Rust and in C: the parts.
pub static NAMES: [&[(&str, &str)]; 2] = [description::NAMES, calls::NAMES];

/// Name of the one symbol that a library exports: a function without arguments that returns a pointer to its
/// [`DeviceTable`].
pub const SYMBOL: &str = "blackbeam_device_table";

/// Type of the function [`SYMBOL`].
pub type TableFn = unsafe extern "C-unwind" fn() -> *const DeviceTable;

// SAFETY: a table is constant and holds pointers to functions and constant texts only.
#[allow(unsafe_code)]
unsafe impl Sync for DeviceTable {}
