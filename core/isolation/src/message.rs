//! What the two processes say to each other.

use crate::codec::{Reader, Wire, broken, wire_enum, wire_struct};
use blackbeam_plugin::{
    Applied, AtRange, Base, Call, Code, Descriptor, Direction, Dtype, Energy, Form, Health, Key, Limits, Matrix,
    Parameter, ParameterKind, ParameterSet, PluginError, Port, Purpose, Result, Timeouts, Timing,
};

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

/// The calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Op {
    Open,
    Write,
    Query,
    QuerySets,
    QueryScalars,
    QueryBackward,
    ReadMatrix,
    ExactVjp,
    ReadParams,
    SetFullScale,
    SafeState,
    SaveState,
    RestoreState,
    Health,
    Calibrate,
    Close,
}

impl Op {
    /// It makes no sense before parameters were written.
    pub fn needs_parameters(self) -> bool {
        matches!(self, Op::Query | Op::QueryBackward | Op::ReadMatrix | Op::ExactVjp | Op::ReadParams)
    }

    /// The name used in messages.
    pub fn name(self) -> &'static str {
        match self {
            Op::Open => "open",
            Op::Write => "write_params",
            Op::Query => "query",
            Op::QuerySets => "query_sets",
            Op::QueryScalars => "query_scalars",
            Op::QueryBackward => "query_backward",
            Op::ReadMatrix => "read_matrix",
            Op::ExactVjp => "exact_vjp",
            Op::ReadParams => "read_params",
            Op::SetFullScale => "set_full_scale",
            Op::SafeState => "safe_state",
            Op::SaveState => "save_state",
            Op::RestoreState => "restore_state",
            Op::Health => "health",
            Op::Calibrate => "calibrate",
            Op::Close => "close",
        }
    }
}

wire_enum!(Op {
    Open,
    Write,
    Query,
    QuerySets,
    QueryScalars,
    QueryBackward,
    ReadMatrix,
    ExactVjp,
    ReadParams,
    SetFullScale,
    SafeState,
    SaveState,
    RestoreState,
    Health,
    Calibrate,
    Close,
});

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

    fn get(from: &mut Reader<'_>) -> Result<Self> {
        let (at, dtype) = (usize::get(from)?, Dtype::get(from)?);
        let shape = [usize::get(from)?, usize::get(from)?, usize::get(from)?];
        let axes = u32::get(from)?;
        if axes > 3 || !at.is_multiple_of(ALIGNED) {
            return Err(broken("an array is out of place"));
        }
        Ok(Place { at, dtype, shape, axes })
    }
}

impl Wire for Code {
    fn put(&self, to: &mut Vec<u8>) {
        self.0.put(to);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self> {
        u32::get(from).map(Code)
    }
}

impl Wire for Matrix {
    fn put(&self, to: &mut Vec<u8>) {
        self.rows.put(to);
        self.columns.put(to);
        self.data.put(to);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self> {
        let matrix = Matrix { rows: usize::get(from)?, columns: usize::get(from)?, data: Wire::get(from)? };
        match matrix.rows.checked_mul(matrix.columns) {
            Some(n) if n == matrix.data.len() => Ok(matrix),
            _ => Err(broken("a matrix does not hold what its shape says")),
        }
    }
}

wire_enum!(Dtype { F32, F64 });
wire_enum!(Purpose { Forward, Probe, Surrogate, Evaluation, Calibration, Diagnostic });
wire_enum!(ParameterKind { Phase, Voltage, Level, Binary });
wire_enum!(AtRange { Clip, Wrap, Reflect });
wire_enum!(Form { Base, Dense, Sparse, Block, Keyed });
wire_enum!(Base { Current, Previous });
wire_enum!(Direction { Normal, Rademacher });
wire_struct!(OpenRequest { library, sha256, device, settings, seed, threads, ideal });
wire_struct!(Key { seed, stream });
wire_struct!(Call { stream, step, purpose, round, set, first_row, time_s });
wire_struct!(PluginError { code, message, retryable, state_known });
wire_struct!(Applied { values });
wire_struct!(Health { ready, calibration_stale, boot_id, temperature_c, note });
wire_struct!(ParameterSet { form, base, direction, offset, indices, values, key, scale });
wire_struct!(Port { width, complex, min, max, bits });
wire_struct!(Timing {
    write_fixed_s,
    write_each_s,
    settle_tau_s,
    settle_tolerance,
    trigger_s,
    frame_s,
    frame_vectors,
    averages,
    host_step_s,
});
wire_struct!(Energy { hold_w, write_j, vector_j });
wire_struct!(Limits { total_power_w, channel_power_w, unit_power_w, slew_per_s, writes });
wire_struct!(Timeouts { open_s, write_s, query_s, calibrate_s });
wire_struct!(Parameter { name, unit, min, max, initial, resolution, period, kind, at_range, group, row, column });
wire_struct!(Descriptor {
    name,
    firmware,
    calibration,
    input,
    output,
    parameters,
    dtype,
    structure,
    can,
    max_batch,
    vectors_per_row,
    noise,
    timing,
    energy,
    limits,
    timeouts,
});
