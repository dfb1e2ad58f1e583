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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole;

    fn text(text: &str) -> Vec<u8> {
        [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
    }

    fn floats(values: &[f64]) -> Vec<u8> {
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    fn check<T: Wire + PartialEq + std::fmt::Debug>(value: &T, parts: &[&[u8]]) {
        let mut bytes = Vec::new();
        value.put(&mut bytes);
        assert_eq!(bytes, parts.concat());
        assert_eq!(whole::<T>(&bytes).unwrap(), *value);
    }

    /// Logs hold these bytes: if this fails, the format of logs has changed and needs another version.
    #[test]
    fn the_bytes_of_logs_stay() {
        let call =
            Call { stream: 1, step: 2, purpose: Purpose::Surrogate, round: 3, set: 4, first_row: 5, time_s: 0.5 };
        let [one, two, five] = [1u64, 2, 5].map(u64::to_le_bytes);
        let [purpose, round, set] = [Purpose::Surrogate as u32, 3, 4].map(u32::to_le_bytes);
        check(&call, &[&one, &two, &purpose, &round, &set, &five, &floats(&[0.5])]);
        let error = PluginError { code: Code(14), message: "dark".into(), retryable: true, state_known: false };
        check(&error, &[&14u32.to_le_bytes(), &text("dark"), &[1, 0]]);
        let health =
            Health { ready: true, calibration_stale: false, boot_id: 5, temperature_c: 20.5, note: "ok".into() };
        check(&health, &[&[1, 0], &five, &floats(&[20.5]), &text("ok")]);
    }

    #[test]
    fn the_bytes_of_descriptors_stay() {
        let port = Port { width: 2, complex: true, min: -1.0, max: 1.0, bits: 8 };
        let parameter = Parameter {
            name: "p".into(),
            unit: "rad".into(),
            min: 0.0,
            max: 6.0,
            initial: 1.0,
            resolution: 0.5,
            period: 6.25,
            kind: ParameterKind::Voltage,
            at_range: AtRange::Reflect,
            group: 1,
            row: 2,
            column: 3,
        };
        let descriptor = Descriptor {
            name: "n".into(),
            firmware: "f".into(),
            calibration: "c".into(),
            input: port,
            output: Port { bits: 0, ..port },
            parameters: vec![parameter].into(),
            dtype: Dtype::F64,
            structure: 1,
            can: 2,
            max_batch: 5,
            vectors_per_row: 7,
            noise: 0.25,
            timing: Timing {
                write_fixed_s: 1.0,
                write_each_s: 2.0,
                settle_tau_s: 3.0,
                settle_tolerance: 4.0,
                trigger_s: 5.0,
                frame_s: 6.0,
                host_step_s: 7.0,
                frame_vectors: 8,
                averages: 9,
            },
            energy: Energy { hold_w: 10.0, write_j: 11.0, vector_j: 12.0 },
            limits: Limits {
                total_power_w: 13.0,
                channel_power_w: 14.0,
                unit_power_w: 15.0,
                slew_per_s: 16.0,
                writes: 2,
            },
            timeouts: Timeouts { open_s: 17.0, write_s: 18.0, query_s: 19.0, calibrate_s: 20.0 },
        };
        let [one, two, five] = [1u64, 2, 5].map(u64::to_le_bytes);
        let end = floats(&[-1.0, 1.0]);
        let wide = |n: u32| n.to_le_bytes();
        check(
            &descriptor,
            &[
                &[text("n"), text("f"), text("c")].concat(),
                &[&two[..], &[1], &end, &wide(8)].concat(),
                &[&two[..], &[1], &end, &wide(0)].concat(),
                &one,
                &[text("p"), text("rad"), floats(&[0.0, 6.0, 1.0, 0.5, 6.25])].concat(),
                &[&[ParameterKind::Voltage as u8, AtRange::Reflect as u8][..], &wide(1), &wide(2), &wide(3)].concat(),
                &[&[Dtype::F64 as u8][..], &one, &two, &five, &wide(7), &floats(&[0.25])].concat(),
                &floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]),
                &[wide(8), wide(9)].concat(),
                &floats(&[10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0]),
                &two,
                &floats(&[17.0, 18.0, 19.0, 20.0]),
            ],
        );
    }
}
