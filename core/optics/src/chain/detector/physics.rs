//! What light and detectors do in amperes, volts and electrons.

use blackbeam_netlist::circuit::{Circuit, EncodingMode, FreeSpace, Kind};
use blackbeam_plugin::{PluginError, Result};
use std::f64::consts::TAU;

/// Charge of an electron, C.
const Q: f64 = 1.602_176_634e-19;
/// Boltzmann constant, J/K.
const K: f64 = 1.380_649e-23;
/// Planck constant times the speed of light, J um.
const HC: f64 = 6.626_070_15e-34 * 2.997_924_58e14;

/// The detectors of one device, in units of y.
#[derive(Clone, Debug)]
pub(super) struct Physics {
    /// Standard deviation of the source's power within the bandwidth.
    pub rin_std: f64,
    /// Standard deviation of the phase between source and local oscillator, rad.
    pub phase_std: f64,
    /// Volts at the ADC for a y of 1; 0 without.
    pub volts_per_y: f64,
    /// Noise of coherent detection.
    pub coherent_std: f64,
    /// Direct detection.
    pub direct: Direct,
}

/// What one detector makes of a power.
#[derive(Clone, Copy, Debug)]
pub(super) struct Direct {
    /// y of a full well; infinite without a camera.
    pub full_well_y: f64,
    /// Variance: of no light, per unit of power.
    pub dark: f64,
    pub per_power: f64,
}

impl Direct {
    /// Mean and standard deviation of what is read for a power that is not negative.
    #[inline(always)]
    pub fn read(self, power: f64) -> (f64, f64) {
        let mean = if power < self.full_well_y { power } else { self.full_well_y };
        (mean, (self.dark + self.per_power * mean).sqrt())
    }
}

/// Pixels that share the light of the source: those of a source plane, which is lit as a whole; 1 for waveguides.
fn lit_pixels(circuit: &Circuit) -> f64 {
    let plane = circuit.instances.iter().find_map(|instance| match instance.kind {
        Kind::FreeSpace(FreeSpace::Plane { shape, .. }) => Some(shape[0] * shape[1]),
        _ => None,
    });
    plane.unwrap_or(1) as f64
}

impl Physics {
    /// None without a detector, or without light to compare with.
    ///
    /// # Errors
    /// `SETTINGS` for numbers that are no physics.
    pub fn new(circuit: &Circuit, coherent: bool, camera_pixels: usize, averages: f64) -> Result<Option<Self>> {
        let (Some(d), Some(encoding)) = (&circuit.readout.detector, &circuit.encoding) else { return Ok(None) };
        let wrong = |m: &str| Err(PluginError::settings(format!("readout: detector: {m}")));
        let source = encoding.source;
        let scale = if encoding.mode == EncodingMode::Intensity { encoding.scale } else { encoding.scale.powi(2) };
        let unit_w = source.power_w * scale / lit_pixels(circuit);
        let numbers = [d.bandwidth_hz, d.dark_current_a, d.temperature_k, source.linewidth_hz, unit_w];
        if numbers.iter().any(|v| !(v.is_finite() && *v >= 0.0))
            || !(d.responsivity > 0.0 && d.responsivity.is_finite())
        {
            return wrong(
                "powers, currents, bandwidths and temperatures are finite and not negative, responsivities above 0",
            );
        }
        let bandwidth = d.bandwidth_hz / averages;
        let on = |on: bool| if on { 1.0 } else { 0.0 };
        let mut this = Physics {
            rin_std: on(d.rin) * (10f64.powf(source.rin_db_hz / 10.0) * bandwidth).sqrt(),
            phase_std: if coherent && bandwidth > 0.0 {
                (TAU * source.linewidth_hz / d.bandwidth_hz / averages).sqrt()
            } else {
                0.0
            },
            volts_per_y: 0.0,
            coherent_std: 0.0,
            direct: Direct { full_well_y: f64::INFINITY, dark: 0.0, per_power: 0.0 },
        };
        if let Some(camera) = &d.camera {
            if coherent {
                return wrong("a camera reads powers: use `intensity` or `amplitude`");
            }
            let wl = circuit.environment.wavelengths_um.first().copied().unwrap_or(1.0);
            let electrons = camera.quantum_efficiency * unit_w * camera.exposure_s * wl / HC;
            if !(electrons > 0.0 && electrons.is_finite() && camera.full_well_e > 0.0) {
                return wrong("the camera gets no light: the source has no power, or the exposure is 0");
            }
            let pixels = camera_pixels.max(1) as f64;
            this.direct.full_well_y = pixels * camera.full_well_e / electrons;
            let dark = on(d.shot) * camera.dark_e + camera.read_noise_e.powi(2);
            this.direct.dark = pixels * dark / (electrons * electrons * averages);
            this.direct.per_power = on(d.shot) / (electrons * averages);
            // One exposure is what a reading integrates.
            this.rin_std =
                on(d.rin) * (10f64.powf(source.rin_db_hz / 10.0) / (2.0 * camera.exposure_s * averages)).sqrt();
            return Ok(Some(this));
        }
        let thermal = if d.thermal { 4.0 * K * d.temperature_k / d.load_ohm } else { 0.0 };
        if !thermal.is_finite() {
            return wrong("thermal noise needs a load above 0 ohm");
        }
        let ohm = circuit.readout.tia_ohm.unwrap_or(d.load_ohm);
        let two_q = 2.0 * Q * on(d.shot);
        if coherent {
            let hybrid =
                if circuit.readout.mode == blackbeam_netlist::circuit::ReadoutMode::Coherent { 0.5 } else { 1.0 };
            let lo = circuit.readout.lo_power_w;
            let per_y = 2.0 * hybrid * d.responsivity * (lo * unit_w).sqrt();
            let variance = (two_q * (hybrid * d.responsivity * lo + d.dark_current_a) + thermal) * bandwidth;
            if variance > 0.0 && per_y <= 0.0 {
                return wrong("coherent detection needs a `local_oscillator` and a source with power");
            }
            this.coherent_std = if variance > 0.0 { variance.sqrt() / per_y } else { 0.0 };
            this.volts_per_y = per_y * ohm;
            return Ok(Some(this));
        }
        let per_y = d.responsivity * unit_w;
        let dark = (two_q * d.dark_current_a + thermal) * bandwidth;
        if (dark > 0.0 || two_q * bandwidth > 0.0) && per_y <= 0.0 {
            return wrong("noise in physical units needs a source with power");
        }
        if per_y > 0.0 {
            this.direct.dark = dark / (per_y * per_y);
            this.direct.per_power = two_q * bandwidth / per_y;
        }
        this.volts_per_y = per_y * ohm;
        Ok(Some(this))
    }

    /// Detectors add noise, or saturate.
    pub fn noisy(&self) -> bool {
        self.coherent_std > 0.0
            || self.direct.dark > 0.0
            || self.direct.per_power > 0.0
            || self.direct.full_well_y.is_finite()
    }

    /// Nothing random.
    pub fn quiet(&self) -> bool {
        self.rin_std == 0.0
            && self.phase_std == 0.0
            && self.coherent_std == 0.0
            && self.direct.dark == 0.0
            && self.direct.per_power == 0.0
    }

    pub fn explain(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut say = |what: &str, value: f64, unit: &str| {
            if value > 0.0 && value.is_finite() {
                lines.push(format!("{what} {value:.3e}{unit}"));
            }
        };
        say("detector noise without light", self.direct.dark.sqrt(), " units of y");
        say("shot noise at y = 1", self.direct.per_power.sqrt(), " units of y");
        say("noise of coherent detection", self.coherent_std, " units of y");
        say("intensity noise of the source", self.rin_std, " of its power");
        say("phase noise against the local oscillator", self.phase_std, " rad");
        say("full well at y =", self.direct.full_well_y, "");
        lines
    }
}
