//! A dense matrix with 8-bit inputs: the smallest complete device plugin, and an example for authors of others.
//!
//! y = W q(x), where the entries of W are the parameters, each within [-1, 1], and q is the input converter: inputs are
//! clamped to [-1, 1] and rounded to multiples of 1/127 (the codes -127 to 127 of a signed 8-bit number, so that zero is
//! exact). Arrays are 32-bit; sums are taken in 64 bits, input by input, and rounded once. There is no noise, no time and
//! no energy: the same call gives the same bits. `ideal` switches the converter off.

use blackbeam_plugin::{
    Applied, ArrayView, ArrayViewMut, AtRange, Call, Code, Descriptor, Device, DevicePlugin, Dtype, Energy, Key, Kind,
    Limits, Manifest, Matrix, Open, Parameter, ParameterKind, Plugin, PluginError, Port, Result, Timeouts, Timing, can,
    structure,
};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::Deserialize;

/// Bits of the input converter.
const INPUT_BITS: u32 = 8;
/// Largest code of the input converter: 2^(bits - 1) - 1.
const TOP_CODE: f64 = 127.0;
/// Most entries of the matrix.
const MAX_ENTRIES: usize = 1 << 20;

/// Everything that this crate registers.
pub fn plugins() -> Vec<Plugin> {
    vec![Plugin::Device(Box::new(Dense))]
}

/// Settings of the device.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Number of outputs.
    #[schemars(range(min = 1))]
    rows: usize,
    /// Number of inputs.
    #[schemars(range(min = 1))]
    columns: usize,
    /// Seed of the initial matrix; the run's fabrication seed if it is not given.
    #[serde(default)]
    seed: Option<u64>,
    /// Most vectors in one call; 0 for no limit.
    #[serde(default)]
    max_batch: usize,
}

/// The device's plugin.
pub struct Dense;

impl DevicePlugin for Dense {
    fn manifest(&self) -> Manifest {
        let schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<Settings>();
        Manifest {
            name: "dense".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            kind: Kind::Device,
            licence: env!("CARGO_PKG_LICENSE").into(),
            summary: "A dense matrix with entries in [-1, 1] and 8-bit inputs, without noise.".into(),
            capabilities: 0,
            needs: 0,
            requires: 0,
            settings_schema: schema.to_value().to_string().into(),
        }
    }

    fn open(&self, open: &Open) -> Result<Box<dyn Device>> {
        let settings: Settings =
            serde_json::from_str(&open.settings).map_err(|e| PluginError::settings(format!("dense: {e}")))?;
        Ok(Box::new(DenseDevice::new(&settings, open)?))
    }
}

struct DenseDevice {
    /// W [rows, columns].
    matrix: Matrix,
    /// The matrix at the start.
    initial: Matrix,
    max_batch: usize,
    /// The input converter is switched off.
    ideal: bool,
}

impl DenseDevice {
    fn new(settings: &Settings, open: &Open) -> Result<Self> {
        let Settings { rows, columns, .. } = *settings;
        let entries = rows.checked_mul(columns).filter(|entries| (1..=MAX_ENTRIES).contains(entries));
        let Some(entries) = entries else {
            let message = format!("dense: {rows} x {columns} entries, expected 1 to {MAX_ENTRIES}");
            return Err(PluginError::settings(message));
        };
        let key = Key::new(settings.seed.unwrap_or(open.seed)).named("dense initial matrix");
        // Uniform with variance 1/columns, so that outputs are as large as inputs.
        let bound = (3.0 / columns as f64).sqrt().min(1.0);
        let values = (0..entries as u64).map(|i| bound * (2.0 * key.uniform(i) - 1.0)).collect();
        let initial = Matrix::new(rows, columns, values);
        Ok(DenseDevice { matrix: initial.clone(), initial, max_batch: settings.max_batch, ideal: open.ideal })
    }

    /// The value that the input converter gives for `x`.
    fn convert(&self, x: f32) -> f64 {
        let x = f64::from(x).clamp(-1.0, 1.0);
        if self.ideal { x } else { (x * TOP_CODE).round() / TOP_CODE }
    }

    fn parameter(&self, index: usize) -> Parameter {
        let (row, column) = (index / self.matrix.columns, index % self.matrix.columns);
        Parameter {
            name: format!("w<{row}.{column}>").into(),
            unit: "1".into(),
            min: -1.0,
            max: 1.0,
            initial: self.initial.data[index],
            resolution: 0.0,
            period: 0.0,
            kind: ParameterKind::Level,
            at_range: AtRange::Clip,
            group: 0,
            row: row as u32,
            column: column as u32,
        }
    }
}

impl Device for DenseDevice {
    fn descriptor(&self) -> Descriptor {
        let bits = if self.ideal { 0 } else { INPUT_BITS };
        let unbounded =
            Port { width: self.matrix.rows, complex: false, min: f64::NEG_INFINITY, max: f64::INFINITY, bits: 0 };
        Descriptor {
            name: "dense".into(),
            firmware: env!("CARGO_PKG_VERSION").into(),
            calibration: "none".into(),
            input: Port { width: self.matrix.columns, complex: false, min: -1.0, max: 1.0, bits },
            output: unbounded,
            parameters: (0..self.matrix.data.len()).map(|i| self.parameter(i)).collect(),
            dtype: Dtype::F32,
            structure: structure::LINEAR_IN_X | structure::LOCAL | structure::DETERMINISTIC,
            can: can::READ_MATRIX | can::READ_PARAMS,
            max_batch: self.max_batch,
            vectors_per_row: 1,
            noise: 0.0,
            timing: Timing { frame_vectors: 1, averages: 1, ..Timing::default() },
            energy: Energy::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
        }
    }

    fn write_params(&mut self, params: &[f64], _: &Call) -> Result<Applied> {
        let expected = self.matrix.data.len();
        if params.len() != expected {
            let message = format!("dense: {} parameters written, expected {expected}", params.len());
            return Err(PluginError::new(Code::SHAPE, message));
        }
        if let Some(index) = params.iter().position(|p| !p.is_finite()) {
            let message = format!("dense: parameter {index} is {}", params[index]);
            return Err(PluginError::new(Code::NONFINITE, message));
        }
        for (held, asked) in self.matrix.data.iter_mut().zip(params) {
            *held = asked.clamp(-1.0, 1.0);
        }
        Ok(Applied { values: self.matrix.data.clone() })
    }

    fn query(&mut self, x: ArrayView<'_>, mut y: ArrayViewMut<'_>, _: &Call) -> Result<()> {
        let Matrix { rows, columns, .. } = self.matrix;
        let batch = x.dim(0);
        if x.shape() != [batch, columns] || y.shape() != [batch, rows] {
            let message = format!(
                "dense: x {:?} and y {:?}, expected [batch, {columns}] and [batch, {rows}]",
                x.shape(),
                y.shape()
            );
            return Err(PluginError::new(Code::SHAPE, message));
        }
        if self.max_batch > 0 && batch > self.max_batch {
            let message = format!("dense: {batch} vectors in one call, at most {}", self.max_batch);
            return Err(PluginError::new(Code::SHAPE, message));
        }
        let x = x.as_f32()?;
        if let Some(index) = x.iter().position(|x| !x.is_finite()) {
            let message = format!("dense: input {} of vector {} is {}", index % columns, index / columns, x[index]);
            return Err(PluginError::new(Code::NONFINITE, message));
        }
        let mut input = vec![0.0; columns];
        for (x, y) in x.chunks_exact(columns).zip(y.as_f32()?.chunks_exact_mut(rows)) {
            input.iter_mut().zip(x).for_each(|(converted, x)| *converted = self.convert(*x));
            for (row, y) in y.iter_mut().enumerate() {
                *y = self.matrix.row(row).iter().zip(&input).map(|(w, x)| w * x).sum::<f64>() as f32;
            }
        }
        Ok(())
    }

    fn read_matrix(&mut self, _: &Call) -> Result<Matrix> {
        Ok(self.matrix.clone())
    }

    fn read_params(&mut self) -> Result<Vec<f64>> {
        Ok(self.matrix.data.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blackbeam_plugin::Purpose;

    const CALL: Call =
        Call { stream: 0, step: 0, purpose: Purpose::Forward, round: 0, set: 0, first_row: 0, time_s: 0.0 };

    fn open(settings: &str, ideal: bool) -> Result<Box<dyn Device>> {
        Dense.open(&Open { settings: settings.into(), seed: 5, threads: 1, ideal })
    }

    fn query(device: &mut dyn Device, x: &[f32], batch: usize, rows: usize) -> Result<Vec<f32>> {
        let mut y = vec![f32::NAN; batch * rows];
        let x = ArrayView::new_f32(x, &[batch, x.len() / batch]);
        device.query(x, ArrayViewMut::new_f32(&mut y, &[batch, rows]), &CALL)?;
        Ok(y)
    }

    #[test]
    fn y_is_the_matrix_times_the_converted_input() {
        let mut device = open(r#"{"rows": 2, "columns": 3}"#, false).unwrap();
        let applied = device.write_params(&[1.0, 0.0, 0.5, -3.0, 0.25, 0.0], &CALL).unwrap();
        assert_eq!(applied.values.to_vec(), [1.0, 0.0, 0.5, -1.0, 0.25, 0.0]);
        assert_eq!(device.read_params().unwrap(), applied.values.to_vec());
        // 0.3 is 38.1 codes, 2 is beyond the range, 0 is exact
        let y = query(&mut *device, &[0.3, 0.0, 2.0, 0.0, -1.0, 0.0], 2, 2).unwrap();
        let code = 38.0 / 127.0;
        assert_eq!(y, [(code + 0.5) as f32, -code as f32, 0.0, -0.25]);
        let mut ideal = open(r#"{"rows": 1, "columns": 1}"#, true).unwrap();
        ideal.write_params(&[1.0], &CALL).unwrap();
        assert_eq!(query(&mut *ideal, &[0.3], 1, 1).unwrap(), [0.3]);
        assert_eq!(ideal.descriptor().input.bits, 0);
    }

    #[test]
    fn the_batch_does_not_change_the_bits() {
        let mut device = open(r#"{"rows": 5, "columns": 7, "seed": 3}"#, false).unwrap();
        let x: Vec<f32> = (0..7 * 11).map(|i| Key::new(1).uniform(i) as f32).collect();
        let whole = query(&mut *device, &x, 11, 5).unwrap();
        for (row, expected) in whole.chunks(5).enumerate() {
            assert_eq!(query(&mut *device, &x[7 * row..7 * (row + 1)], 1, 5).unwrap(), expected);
        }
    }

    #[test]
    fn the_seed_fixes_the_initial_matrix() {
        let initial = |settings: &str| {
            let mut device = open(settings, false).unwrap();
            let held = device.read_params().unwrap();
            let declared: Vec<f64> = device.descriptor().parameters.iter().map(|p| p.initial).collect();
            assert_eq!(held, declared);
            assert!(held.iter().all(|w| w.abs() <= 1.0));
            held
        };
        assert_eq!(initial(r#"{"rows": 4, "columns": 4}"#), initial(r#"{"rows": 4, "columns": 4, "seed": 5}"#));
        assert_ne!(initial(r#"{"rows": 4, "columns": 4}"#), initial(r#"{"rows": 4, "columns": 4, "seed": 6}"#));
    }

    #[test]
    fn what_it_cannot_do_is_an_error() {
        let refused = |settings: &str| open(settings, false).err().map(|error| error.code);
        assert_eq!(refused(r#"{"rows": 0, "columns": 4}"#), Some(Code::SETTINGS));
        assert_eq!(refused(r#"{"rows": 4294967296, "columns": 4294967296}"#), Some(Code::SETTINGS));
        assert_eq!(refused(r#"{"rows": 4, "columns": 4, "colums": 4}"#), Some(Code::SETTINGS));
        let mut device = open(r#"{"rows": 2, "columns": 2, "max_batch": 2}"#, false).unwrap();
        let code = |result: Result<Vec<f32>>| result.map_err(|error| error.code);
        assert_eq!(code(query(&mut *device, &[0.0; 3], 1, 2)), Err(Code::SHAPE));
        assert_eq!(code(query(&mut *device, &[0.0; 2], 1, 1)), Err(Code::SHAPE));
        assert_eq!(code(query(&mut *device, &[0.0; 6], 3, 2)), Err(Code::SHAPE));
        assert_eq!(code(query(&mut *device, &[0.0, f32::NAN], 1, 2)), Err(Code::NONFINITE));
        assert_eq!(device.write_params(&[0.0; 3], &CALL).unwrap_err().code, Code::SHAPE);
        assert_eq!(device.write_params(&[0.0, f64::NAN, 0.0, 0.0], &CALL).unwrap_err().code, Code::NONFINITE);
        let mut y = [0.0];
        let doubles = device.query(ArrayView::new(&[0.0; 2], &[1, 2]), ArrayViewMut::new(&mut y, &[1, 1]), &CALL);
        assert!(doubles.is_err());
    }
}
