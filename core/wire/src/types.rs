//! The types of the plugin interface.

use crate::{Reader, Result, Wire, wire_enum, wire_struct};
use blackbeam_plugin::{
    Applied, AtRange, Base, Call, Code, Descriptor, Direction, Dtype, Energy, Form, Health, Key, Limits, Matrix,
    Parameter, ParameterKind, ParameterSet, PluginError, Port, Purpose, Timeouts, Timing,
};

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
        let matrix = Matrix { rows: Wire::get(from)?, columns: Wire::get(from)?, data: Wire::get(from)? };
        match matrix.rows.checked_mul(matrix.columns) {
            Some(n) if n == matrix.data.len() => Ok(matrix),
            _ => Err("a matrix does not hold what its shape says".into()),
        }
    }
}

wire_enum!(Dtype as u8 { F32, F64 });
wire_enum!(Purpose as u32 { Forward, Probe, Surrogate, Evaluation, Calibration, Diagnostic });
wire_enum!(ParameterKind as u8 { Phase, Voltage, Level, Binary });
wire_enum!(AtRange as u8 { Clip, Wrap, Reflect });
wire_enum!(Form as u8 { Base, Dense, Sparse, Block, Keyed });
wire_enum!(Base as u8 { Current, Previous });
wire_enum!(Direction as u8 { Normal, Rademacher });
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
    host_step_s,
    frame_vectors,
    averages,
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
