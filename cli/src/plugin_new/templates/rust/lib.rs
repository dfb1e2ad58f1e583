//! my_device: a device library for Blackbeam.
//!
//! It computes y = gain W x in memory, where W is 4 x 4 and its entries are the parameters, 8 bits each. Put your hardware in
//! its place. The library speaks Blackbeam's C interface, so that it loads whatever compiler either was built with;
//! `cargo doc --open` shows the types.

use blackbeam_driver::plugin::*;
use serde::Deserialize;

const N: usize = 4;
/// Largest step between two values that a parameter can have.
const LSB: f64 = 2.0 / 255.0;

/// The settings, as the schema below describes them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default = "one")]
    gain: f64,
}

fn one() -> f64 {
    1.0
}

struct MyDevice {
    gain: f64,
    w: [f64; N * N],
}

impl Device for MyDevice {
    fn descriptor(&self) -> Descriptor {
        let port = |min, max| Port { width: N, complex: false, min, max, bits: 0 };
        let parameter = |i: usize| Parameter {
            name: format!("w<{}.{}>", i / N, i % N).into(),
            unit: "1".into(),
            min: -1.0,
            max: 1.0,
            initial: if i / N == i % N { 1.0 } else { 0.0 },
            resolution: LSB,
            period: 0.0,
            kind: ParameterKind::Level,
            at_range: AtRange::Clip,
            group: 0,
            row: (i / N) as u32,
            column: (i % N) as u32,
        };
        Descriptor {
            name: "my_device".into(),
            firmware: "1".into(),
            calibration: "none".into(),
            input: port(-1.0, 1.0),
            output: port(f64::NEG_INFINITY, f64::INFINITY),
            parameters: (0..N * N).map(parameter).collect(),
            dtype: Dtype::F64,
            structure: structure::LINEAR_IN_X | structure::LOCAL | structure::DETERMINISTIC,
            can: 0,
            max_batch: 0,
            vectors_per_row: 1,
            noise: 0.0, // relative to full scale; negative if you do not know
            timing: Timing::default(),
            energy: Energy::default(),
            limits: Limits::default(),
            timeouts: Timeouts { open_s: 5.0, write_s: 1.0, query_s: 1.0, calibrate_s: 0.0 },
        }
    }

    fn write_params(&mut self, params: &[f64], _: &Call) -> Result<Applied> {
        for (w, asked) in self.w.iter_mut().zip(params) {
            *w = -1.0 + LSB * ((asked.clamp(-1.0, 1.0) + 1.0) / LSB).round();
        }
        // What the hardware holds now, not what was asked.
        Ok(Applied { values: self.w.to_vec().into() })
    }

    fn query(&mut self, x: ArrayView<'_>, mut y: ArrayViewMut<'_>, _: &Call) -> Result<()> {
        for (y, x) in y.as_f64()?.chunks_mut(N).zip(x.as_f64()?.chunks(N)) {
            for (y, w) in y.iter_mut().zip(self.w.chunks(N)) {
                *y = self.gain * w.iter().zip(x).map(|(w, x)| w * x.clamp(-1.0, 1.0)).sum::<f64>();
            }
        }
        Ok(())
    }

    /// Drives at rest, sources off. Less than a second, as often as somebody likes.
    fn safe_state(&mut self) -> Result<()> {
        self.w.fill(0.0);
        Ok(())
    }
}

struct MyDevicePlugin;

impl DevicePlugin for MyDevicePlugin {
    fn manifest(&self) -> Manifest {
        Manifest {
            name: "my_device".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            kind: Kind::Device,
            licence: "MIT".into(),
            summary: "A 4 x 4 matrix in memory.".into(),
            capabilities: 0,
            needs: 0,
            requires: 0,
            settings_schema: r#"{"type": "object", "additionalProperties": false, "properties": {
                "gain": {"type": "number", "exclusiveMinimum": 0}}}"#
                .into(),
        }
    }

    fn open(&self, open: &Open) -> Result<Box<dyn Device>> {
        let settings: Settings =
            serde_json::from_str(&open.settings).map_err(|e| PluginError::settings(format!("my_device: {e}")))?;
        if settings.gain.is_nan() || settings.gain <= 0.0 {
            return Err(PluginError::settings("gain must be a number above 0"));
        }
        // Connect to the hardware here.
        Ok(Box::new(MyDevice { gain: settings.gain, w: [0.0; N * N] }))
    }
}

blackbeam_driver::export_device!(MyDevicePlugin);
