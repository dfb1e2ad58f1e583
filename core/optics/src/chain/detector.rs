//! From light to numbers: detection, fixed-pattern gain, noise, ADC.
//!
//! y is normalised: the power of the source, responsivity, transimpedance and codes are divided out, so that an ideal linear
//! device returns A x. The noise of detectors is computed in amperes (or electrons) and divided by what a y of 1 is:
//!
//! - direct detection: I = R P, variance (2 q (R P + I_d) + 4 k T / R_L) B, by detector; y = I / (R P_1), P_1 being the power of
//!   x = 1 (source times `scale`);
//! - coherent detection (balanced, local oscillator much stronger than the signal): I = 2 R sqrt(P_LO P_1) y, variance
//!   (2 q (R P_LO + I_d) + 4 k T / R_L) B; behind a 90 degree hybrid each quadrature has half of both: I = R sqrt(P_LO P_1) y
//!   and R P_LO / 2;
//! - camera (EMVA 1288): eta P t / (h nu) electrons in a bin, up to its full well, variance of that number + its pixels
//!   (dark + read^2).
//!
//! Dark current and dark electrons are calibrated away but for their noise. The intensity noise of the source is common to
//! all outputs of a vector: P -> P (1 + sqrt(RIN B) xi); so is its phase noise against the local oscillator,
//! N(0, 2 pi linewidth / B). Readings that are averaged have independent noise.

mod physics;

use super::{converter::Converter, events::Matter};
use crate::keys::call_key;
use blackbeam_netlist::circuit::{AdcRange, Circuit, Dac, ReadoutMode, Rounding};
use blackbeam_plugin::{Call, Key, PluginError, Port, Result};
use physics::Physics;

/// The light that a detector gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Complex fields.
    Fields,
    /// Real fields: numbers whose sign counts.
    Reals,
    /// Powers.
    Powers,
}

/// The output side of one device.
pub(crate) struct Detector {
    mode: ReadoutMode,
    signal: Signal,
    /// Fields come as (re, im) pairs.
    pub pairs: bool,
    /// y_k is the difference of two powers.
    differences: bool,
    /// Number of y, before complex ones count twice.
    outputs: usize,
    /// Standard deviation of one value (an average of readings), relative to full scale or absolute.
    noise_std: f64,
    relative: bool,
    physics: Option<Physics>,
    adc: Option<Converter>,
    /// Full scale in units of y; None follows the signal.
    range: Option<f64>,
    noise: Key,
}

/// What a query needs to know beside the fields.
#[derive(Clone, Copy)]
pub(crate) struct Detection<'a> {
    /// Key of the query.
    pub key: Key,
    /// Full scale in output units.
    pub full_scale: f64,
    /// Gain of each output.
    pub gain: &'a [f64],
    /// Power of the source, relative to what it should be.
    pub source: f64,
    /// What is the matter.
    pub matter: &'a Matter,
}

impl Detector {
    /// `ports`: fields (or powers) that arrive, both parts of fields where `both`; `camera_pixels` of a bin.
    ///
    /// # Errors
    /// `SETTINGS` for a read-out that cannot be.
    pub fn new(
        circuit: &Circuit,
        ports: usize,
        (signal, both): (Signal, bool),
        camera_pixels: usize,
        root: Key,
    ) -> Result<Self> {
        let readout = &circuit.readout;
        let mode = readout.mode;
        let wrong = |m: &str| Err(PluginError::settings(format!("readout: {m}")));
        let power = matches!(mode, ReadoutMode::Amplitude | ReadoutMode::Intensity);
        let coherent = matches!(mode, ReadoutMode::Coherent | ReadoutMode::CoherentReal | ReadoutMode::CoherentImag);
        let differences = !readout.pairs.is_empty();
        if differences && mode != ReadoutMode::Differential {
            return wrong("`pairs` are for `mode: differential`");
        }
        if mode == ReadoutMode::Differential && !differences && signal == Signal::Fields {
            return wrong("`mode: differential` needs `pairs` of outputs here; for fields use `coherent_real`");
        }
        let averages = f64::from(circuit.timing.averages.max(1));
        let physics = Physics::new(circuit, coherent && signal == Signal::Fields, camera_pixels, averages)?;
        let range = match (readout.adc_range, &physics) {
            (AdcRange::Auto, _) => None,
            (AdcRange::Output(y), _) => Some(y),
            (AdcRange::Volts(v), Some(p)) if p.volts_per_y > 0.0 => Some(v / p.volts_per_y),
            (AdcRange::Volts(_), _) => return wrong("a range in volts needs a detector with a load or a `tia`"),
            (AdcRange::FullWell, Some(p)) if p.full_well_y.is_finite() => Some(p.full_well_y),
            (AdcRange::FullWell, _) => return wrong("`range: full_well` needs a camera"),
        };
        if let Some(range) = range.filter(|r| !(r.is_finite() && *r > 0.0)) {
            return wrong(&format!("a range of {range}, expected > 0"));
        }
        // In units of the full scale, which may change while the device is open.
        let ends = |levels| Dac {
            levels,
            inl_lsb: 0.0,
            min: if power { 0.0 } else { -1.0 },
            max: 1.0,
            rounding: Rounding::Nearest,
        };
        let adc = readout.adc_levels.map(|l| Converter::new("readout: adc", &ends(l), root)).transpose()?;
        let turns = physics.as_ref().is_some_and(|p| p.phase_std > 0.0);
        let both = both || power || differences || mode == ReadoutMode::Coherent || coherent && turns;
        Ok(Detector {
            mode,
            signal,
            pairs: signal == Signal::Fields && both,
            differences,
            outputs: if differences { ports / 2 } else { ports },
            noise_std: readout.noise_std / averages.sqrt(),
            relative: readout.noise_relative,
            physics,
            adc,
            range,
            noise: root.named("detection"),
        })
    }

    /// Number of outputs that have a gain.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Reals in one answer.
    pub fn width(&self) -> usize {
        if self.complex() { 2 * self.outputs } else { self.outputs }
    }

    /// Which parts of the field arrive: (real, imaginary).
    pub fn takes(&self) -> (bool, bool) {
        (self.pairs || self.mode != ReadoutMode::CoherentImag, self.pairs || self.mode == ReadoutMode::CoherentImag)
    }

    /// y is linear in what arrives.
    pub fn linear(&self) -> bool {
        match self.signal {
            Signal::Powers => self.mode != ReadoutMode::Amplitude,
            _ => !self.differences && !matches!(self.mode, ReadoutMode::Amplitude | ReadoutMode::Intensity),
        }
    }

    /// y is what arrives, one for one.
    pub fn plain(&self) -> bool {
        self.linear() && !self.differences && !self.complex() && !self.pairs
    }

    pub fn complex(&self) -> bool {
        self.mode == ReadoutMode::Coherent
    }

    /// The answers depend on a full scale that follows the signal.
    pub fn follows(&self) -> bool {
        self.range.is_none() && (self.adc.is_some() || self.relative && self.noise_std > 0.0)
    }

    /// Full scale before any is set.
    pub fn full_scale(&self) -> f64 {
        self.range.unwrap_or(1.0)
    }

    /// Standard deviation of the noise relative to full scale; negative where it is not known beforehand.
    pub fn declared_noise(&self) -> f64 {
        match (self.relative, self.range) {
            _ if self.physics.as_ref().is_some_and(|p| !p.quiet()) => -1.0,
            (true, _) => self.noise_std,
            (false, Some(range)) => self.noise_std / range,
            (false, None) if self.noise_std == 0.0 => 0.0,
            (false, None) => -1.0,
        }
    }

    /// What the descriptor says of the outputs; `differential` answers are differences of two.
    pub fn port(&self, differential: bool) -> Port {
        let max = if self.adc.is_some() { self.range.unwrap_or(f64::INFINITY) } else { f64::INFINITY };
        let power = matches!(self.mode, ReadoutMode::Amplitude | ReadoutMode::Intensity);
        let min = if power && !differential { 0.0 } else { -max };
        let factor = if differential { 2.0 } else { 1.0 };
        let bits = self.adc.as_ref().map_or(0, Converter::bits);
        Port { width: self.width(), complex: self.complex(), min: factor * min, max: factor * max, bits }
    }

    /// What arrives are powers.
    pub fn of_powers(&self) -> bool {
        self.signal == Signal::Powers
    }

    /// Row `output` of the matrix of a linear read-out, from what reaches its ports.
    pub fn row(&self, output: usize, at: impl Fn(usize) -> f64) -> f64 {
        match self.mode {
            _ if self.differences => at(output) - at(self.outputs + output),
            ReadoutMode::CoherentReal if self.pairs => at(2 * output),
            ReadoutMode::CoherentImag if self.pairs => at(2 * output + 1),
            _ => at(output),
        }
    }

    /// Key of a query.
    pub fn key(&self, call: &Call) -> Key {
        call_key(self.noise, call)
    }

    /// Reads one vector: `fields` in (they are used up), `y` out. `row` is its number in the logical batch; `first` tells the
    /// second vector of a row from the first: the number of y before it.
    pub fn detect(&self, fields: &mut [f64], how: Detection<'_>, row: u64, first: u64, y: &mut [f64]) {
        let mut source = how.source;
        if let Some(physics) = &self.physics {
            let part = u64::from(first > 0);
            let key = how.key.named("source").with(row);
            if physics.rin_std > 0.0 {
                source *= (1.0 + physics.rin_std * key.normal(part)).max(0.0);
            }
            if physics.phase_std > 0.0 {
                let (s, c) = (physics.phase_std * key.normal(2 + part)).sin_cos();
                for f in fields.chunks_exact_mut(2) {
                    (f[0], f[1]) = (c * f[0] - s * f[1], s * f[0] + c * f[1]);
                }
            }
        }
        if source != 1.0 {
            let factor = if self.signal == Signal::Powers { source } else { source.sqrt() };
            fields.iter_mut().for_each(|f| *f *= factor);
        }
        match self.physics.as_ref().filter(|p| p.noisy()) {
            Some(physics) => self.physical(physics, fields, how.key.named("detector").with(row), first, y),
            None => self.mean(fields, y),
        }
        self.amplify(how.gain, y);
        self.read(how, row, first, y);
    }

    /// What is read without noise.
    pub fn mean(&self, fields: &[f64], y: &mut [f64]) {
        match (self.mode, self.differences) {
            (_, true) => {
                let half = self.outputs;
                y.iter_mut().enumerate().for_each(|(k, y)| *y = self.power(fields, k) - self.power(fields, half + k));
            }
            (ReadoutMode::Amplitude, _) => {
                y.iter_mut().enumerate().for_each(|(k, y)| *y = self.power(fields, k).sqrt())
            }
            (ReadoutMode::Intensity, _) => y.iter_mut().enumerate().for_each(|(k, y)| *y = self.power(fields, k)),
            (ReadoutMode::CoherentReal, _) if self.pairs => self.part(0, fields, y),
            (ReadoutMode::CoherentImag, _) if self.pairs => self.part(1, fields, y),
            _ => y.copy_from_slice(fields),
        }
    }

    /// The adjoint of [`mean`](Detector::mean) with gains and the power of the source: dL/dfields (written).
    pub fn pull(&self, fields: &[f64], gain: &[f64], source: f64, dy: &[f64], dfields: &mut [f64]) {
        let factor = if self.signal == Signal::Powers { source } else { source.sqrt() };
        let scaled: Vec<f64> = fields.iter().map(|f| f * factor).collect();
        let each = dy.len() / gain.len().max(1);
        let dy = |k: usize| dy[k] * gain[k / each.max(1)];
        dfields.fill(0.0);
        let width = if self.pairs { 2 } else { 1 };
        // d power / d field
        let mut add = |port: usize, slope: f64| match self.signal {
            Signal::Powers => dfields[port] += slope,
            _ => (width * port..width * (port + 1)).for_each(|i| dfields[i] += 2.0 * slope * scaled[i]),
        };
        match (self.mode, self.differences) {
            (_, true) => (0..self.outputs).for_each(|k| {
                add(k, dy(k));
                add(self.outputs + k, -dy(k));
            }),
            (ReadoutMode::Intensity, _) => (0..self.outputs).for_each(|k| add(k, dy(k))),
            (ReadoutMode::Amplitude, _) => (0..self.outputs).for_each(|k| {
                let root = self.power(&scaled, k).sqrt();
                if root > 0.0 {
                    add(k, 0.5 * dy(k) / root);
                }
            }),
            (ReadoutMode::CoherentReal, _) if self.pairs => (0..self.outputs).for_each(|k| dfields[2 * k] = dy(k)),
            (ReadoutMode::CoherentImag, _) if self.pairs => (0..self.outputs).for_each(|k| dfields[2 * k + 1] = dy(k)),
            _ => dfields.iter_mut().enumerate().for_each(|(k, d)| *d = dy(k)),
        }
        dfields.iter_mut().for_each(|d| *d *= factor);
    }

    /// Power at a port.
    fn power(&self, fields: &[f64], port: usize) -> f64 {
        match (self.signal, self.pairs) {
            (Signal::Powers, _) => fields[port].max(0.0),
            (_, true) => fields[2 * port] * fields[2 * port] + fields[2 * port + 1] * fields[2 * port + 1],
            (_, false) => fields[port] * fields[port],
        }
    }

    fn part(&self, part: usize, fields: &[f64], y: &mut [f64]) {
        y.iter_mut().zip(fields.chunks_exact(2)).for_each(|(y, f)| *y = f[part]);
    }

    /// What is read with the noise of detectors, each detector by itself.
    fn physical(&self, physics: &Physics, fields: &[f64], key: Key, first: u64, y: &mut [f64]) {
        let detectors = if self.differences { 2 * self.outputs } else { y.len() } as u64;
        let first = if first > 0 { detectors } else { 0 };
        let direct = |port: usize| {
            let (mean, std) = physics.direct(self.power(fields, port));
            mean + std * key.normal(first + port as u64)
        };
        match (self.mode, self.differences) {
            (_, true) => y.iter_mut().enumerate().for_each(|(k, y)| *y = direct(k) - direct(self.outputs + k)),
            (ReadoutMode::Intensity, _) => y.iter_mut().enumerate().for_each(|(k, y)| *y = direct(k)),
            (ReadoutMode::Amplitude, _) => y.iter_mut().enumerate().for_each(|(k, y)| *y = direct(k).max(0.0).sqrt()),
            _ if self.signal == Signal::Fields => {
                self.mean(fields, y);
                key.add_normal(first, physics.coherent_std, y);
            }
            // A difference of photocurrents that is known as a whole only.
            _ => {
                self.mean(fields, y);
                let noise = |(k, y): (usize, &mut f64)| *y += physics.direct(y.abs()).1 * key.normal(first + k as u64);
                y.iter_mut().enumerate().for_each(noise);
            }
        }
    }

    fn amplify(&self, gain: &[f64], y: &mut [f64]) {
        let each = y.len() / gain.len().max(1);
        for (y, gain) in y.chunks_exact_mut(each.max(1)).zip(gain) {
            y.iter_mut().for_each(|y| *y *= gain);
        }
    }

    /// Noise, ADC, and what is the matter with them.
    pub fn read(&self, how: Detection<'_>, row: u64, first: u64, y: &mut [f64]) {
        if self.noise_std > 0.0 {
            let std = if self.relative { self.noise_std * how.full_scale } else { self.noise_std };
            how.key.with(row).add_normal(first, std, y);
        }
        if how.matter.glitch > 0.0 {
            let key = how.key.named("glitch").with(row);
            let part = 2 * u64::from(first > 0);
            let which = (key.uniform(part) * y.len() as f64) as usize;
            y[which.min(y.len() - 1)] += how.matter.glitch * how.full_scale * key.with(1).normal(part);
        }
        if let Some(adc) = &self.adc {
            y.iter_mut().for_each(|y| *y = how.full_scale * adc.convert(*y / how.full_scale, 0.0));
        }
        let each = (y.len() / how.gain.len().max(1)).max(1);
        for (outputs, value) in [(&how.matter.hot, how.full_scale), (&how.matter.dead, 0.0)] {
            for &k in outputs {
                y.iter_mut().skip(k * each).take(each).for_each(|y| *y = value);
            }
        }
    }

    /// What is in force, for people.
    pub fn explain(&self) -> Vec<String> {
        let mut lines = self.physics.as_ref().map_or(Vec::new(), Physics::explain);
        if self.noise_std > 0.0 {
            let unit = if self.relative { "of full scale" } else { "of y" };
            lines.push(format!("read-out noise {:e} {unit}", self.noise_std));
        }
        if let Some(adc) = &self.adc {
            let range = self.range.map_or("follows the signal".into(), |r| format!("{r:e} units of y"));
            lines.push(format!("ADC of {} levels, range {range}", adc.top + 1.0));
        }
        lines
    }
}
