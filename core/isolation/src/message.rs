//! What the two processes say to each other.

use blackbeam_plugin::{Code, Dtype, PluginError, Result};
use blackbeam_wire::{Reader, Wire, wire_enum, wire_struct};

/// What a child is to open.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenRequest {
    /// The library, or empty for a device that is built in.
    pub library: String,
    /// SHA-256 that the library must have, hexadecimal; empty where it does not matter.
    pub sha256: String,
    /// Name of the device.
    pub device: String,
    /// The settings, a JSON object.
    pub settings: String,
    /// Seed of what is drawn once per device.
    pub seed: u64,
    /// Threads that one call may use.
    pub threads: u32,
    /// Every non-ideality off.
    pub ideal: bool,
}

macro_rules! ops {
    ($($op:ident = $name:literal),* $(,)?) => {
        /// The calls.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub(crate) enum Op { $($op),* }

        impl Op {
            /// The name used in messages.
            pub fn name(self) -> &'static str {
                match self { $(Op::$op => $name),* }
            }
        }

        wire_enum!(Op as u32 { $($op),* });
    };
}

ops! {
    Open = "open",
    Write = "write_params",
    Query = "query",
    QuerySets = "query_sets",
    QueryScalars = "query_scalars",
    QueryBackward = "query_backward",
    ReadMatrix = "read_matrix",
    ExactVjp = "exact_vjp",
    ReadParams = "read_params",
    SetFullScale = "set_full_scale",
    SafeState = "safe_state",
    SaveState = "save_state",
    RestoreState = "restore_state",
    Health = "health",
    Calibrate = "calibrate",
    Close = "close",
}

impl Op {
    /// It makes no sense before parameters were written.
    pub fn needs_parameters(self) -> bool {
        matches!(self, Op::Query | Op::QueryBackward | Op::ReadMatrix | Op::ExactVjp | Op::ReadParams)
    }
}

/// Arrays begin at multiples of so many bytes.
pub(crate) const ALIGNED: usize = 64;

/// An array that lies in the shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Where it begins.
    pub at: usize,
    pub dtype: Dtype,
    /// Unused axes are 1.
    pub shape: [usize; 3],
    pub axes: u32,
}

impl Place {
    pub fn new(at: usize, dtype: Dtype, dims: &[usize]) -> Self {
        let mut shape = [1; 3];
        shape[..dims.len()].copy_from_slice(dims);
        Place { at, dtype, shape, axes: dims.len() as u32 }
    }

    pub fn dims(&self) -> &[usize] {
        &self.shape[..self.axes as usize]
    }

    /// Number of elements, if it can be told.
    pub fn elements(&self) -> Option<usize> {
        self.dims().iter().try_fold(1usize, |n, &d| n.checked_mul(d))
    }

    /// Length, bytes.
    pub fn bytes(&self) -> Option<usize> {
        self.elements()?.checked_mul(size_of_dtype(self.dtype))
    }
}

pub(crate) fn size_of_dtype(dtype: Dtype) -> usize {
    match dtype {
        Dtype::F32 => size_of::<f32>(),
        Dtype::F64 => size_of::<f64>(),
    }
}

impl Wire for Place {
    fn put(&self, to: &mut Vec<u8>) {
        self.at.put(to);
        self.dtype.put(to);
        self.shape.iter().for_each(|n| n.put(to));
        self.axes.put(to);
    }

    fn get(from: &mut Reader<'_>) -> blackbeam_wire::Result<Self> {
        let (at, dtype) = (usize::get(from)?, Dtype::get(from)?);
        let shape = [usize::get(from)?, usize::get(from)?, usize::get(from)?];
        let axes = u32::get(from)?;
        if axes > 3 || !at.is_multiple_of(ALIGNED) {
            return Err("an array is out of place".into());
        }
        Ok(Place { at, dtype, shape, axes })
    }
}

wire_struct!(OpenRequest { library, sha256, device, settings, seed, threads, ideal });

/// The other side said what makes no sense.
pub(crate) fn broken(what: &str) -> PluginError {
    PluginError::new(Code::ABI_MISMATCH, format!("the device's process sent a message that makes no sense: {what}"))
        .with_unknown_state()
}

/// Takes a value of a message.
///
/// # Errors
/// `ABI_MISMATCH` for bytes that are no such value.
pub(crate) fn take<T: Wire>(from: &mut Reader<'_>) -> Result<T> {
    T::get(from).map_err(|what| broken(&what))
}
