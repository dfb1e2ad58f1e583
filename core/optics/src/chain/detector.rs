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

mod end;
mod loops;
mod physics;

use super::{converter::Converter, encoder::Part, events::Matter, levels::Real};
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

impl Detection<'_> {
    /// For one vector of a row.
    fn of(self, part: Part) -> Self {
        let key = if part == Part::Minus { self.key.named("minus") } else { self.key };
        Detection { key, ..self }
    }
}

/// How powers follow from what arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Light {
    Powers,
    /// Real fields.
    Fields,
    /// (re, im) pairs.
    Pairs,
}

/// Buffers of one thread.
#[derive(Default)]
pub(crate) struct DetectorRoom {
    noise: Vec<f64>,
    powers: Vec<f64>,
    /// Gains of all reals of some rows; empty where all are 1.
    gains: Vec<f64>,
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
            (AdcRange::FullWell, Some(p)) if p.direct.full_well_y.is_finite() => Some(p.direct.full_well_y),
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

    /// Nothing random happens here and nothing is rounded.
    pub fn exact(&self) -> bool {
        let still = self.physics.as_ref().is_none_or(|p| !p.noisy() && p.rin_std == 0.0 && p.phase_std == 0.0);
        still && self.noise_std == 0.0 && self.adc.is_none()
    }

    /// Each number that is read is one that arrives, but for gain, noise and ADC.
    pub fn copies(&self) -> bool {
        match self.mode {
            ReadoutMode::Amplitude | ReadoutMode::Intensity => false,
            ReadoutMode::CoherentReal | ReadoutMode::CoherentImag => !self.pairs,
            _ => !self.differences,
        }
    }

    /// What is read is what arrives, number for number.
    pub fn transparent(&self, how: &Detection<'_>) -> bool {
        self.copies()
            && self.exact()
            && how.source == 1.0
            && how.gain.iter().all(|&g| g == 1.0)
            && *how.matter == Matter::default()
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

    /// What a linear read-out makes `output` of: reals that arrive, and their signs.
    pub fn sources(&self, output: usize) -> impl Iterator<Item = (usize, f64)> {
        let first = match self.mode {
            ReadoutMode::CoherentReal if self.pairs => 2 * output,
            ReadoutMode::CoherentImag if self.pairs => 2 * output + 1,
            _ => output,
        };
        let second = self.differences.then_some((self.outputs + output, -1.0));
        std::iter::once((first, 1.0)).chain(second)
    }

    /// The port at which a real arrives, and whether it is an imaginary part.
    pub fn port_of(&self, arriving: usize) -> (usize, bool) {
        if self.pairs { (arriving / 2, arriving % 2 == 1) } else { (arriving, self.takes() == (false, true)) }
    }

    /// Key of a query.
    pub fn key(&self, call: &Call) -> Key {
        call_key(self.noise, call)
    }

    /// Reads vectors of a batch: `fields` [rows, arriving] in (they are used up), `y` [rows, width] out; the first is that of
    /// row `first_row` of the logical batch.
    pub fn detect_rows<T: Real>(
        &self,
        fields: &mut [T],
        how: Detection<'_>,
        part: Part,
        first_row: u64,
        y: &mut [T],
        room: &mut DetectorRoom,
    ) {
        let how = how.of(part);
        let rows = y.len() / self.width().max(1);
        self.fluctuate(fields, rows, how, first_row, room);
        match self.physics.as_ref().filter(|p| p.noisy()) {
            Some(physics) => self.physical(physics, fields, (how.key.named("detector"), first_row, rows), y, room),
            None => self.mean(fields, y),
        }
        self.finish(how, how.gain, (first_row, self.width()), y, room);
    }

    /// As [`detect_rows`](Detector::detect_rows) for a detector that [`copies`](Detector::copies): what arrives stands in `y`.
    pub fn detect_here<T: Real>(
        &self,
        y: &mut [T],
        how: Detection<'_>,
        part: Part,
        first_row: u64,
        room: &mut DetectorRoom,
    ) {
        let how = how.of(part);
        self.fluctuate(y, y.len() / self.width().max(1), how, first_row, room);
        if let Some(physics) = self.physics.as_ref().filter(|p| p.noisy()) {
            self.disturb(physics, (how.key.named("detector"), first_row), y, room);
        }
        self.finish(how, how.gain, (first_row, self.width()), y, room);
    }

    /// Noise, ADC, and what is the matter with them, for vectors `y` [rows, width] of light that was sent backwards.
    pub fn read_rows<T: Real>(
        &self,
        how: Detection<'_>,
        part: Part,
        (first_row, width): (u64, usize),
        y: &mut [T],
        room: &mut DetectorRoom,
    ) {
        self.finish(how.of(part), &[], (first_row, width), y, room);
    }

    /// Power and phase of the source, row by row.
    fn fluctuate<T: Real>(
        &self,
        fields: &mut [T],
        rows: usize,
        how: Detection<'_>,
        first_row: u64,
        room: &mut DetectorRoom,
    ) {
        let amplitude = |source: f64| if self.signal == Signal::Powers { source } else { source.sqrt() };
        let Some(physics) = self.physics.as_ref().filter(|p| p.rin_std > 0.0 || p.phase_std > 0.0) else {
            if how.source != 1.0 {
                loops::scale(fields, amplitude(how.source));
            }
            return;
        };
        // A block of four for each row.
        room.noise.resize(4 * rows, 0.0);
        how.key.named("source").fill_normal(first_row.wrapping_mul(4), &mut room.noise);
        let each = (fields.len() / rows.max(1)).max(1);
        for (fields, z) in fields.chunks_exact_mut(each).zip(room.noise.as_chunks::<4>().0) {
            let factor = amplitude(how.source * (1.0 + physics.rin_std * z[0]).max(0.0));
            if physics.phase_std > 0.0 {
                let (s, c) = (physics.phase_std * z[1]).sin_cos();
                loops::turn(fields, factor * c, factor * s);
            } else {
                loops::scale(fields, factor);
            }
        }
    }

    /// What is read without noise, of one vector or more.
    pub fn mean<T: Real>(&self, fields: &[T], y: &mut [T]) {
        match (self.mode, self.differences) {
            (_, true) => {
                let outputs = self.outputs.max(1);
                let arriving = outputs * if self.pairs { 4 } else { 2 };
                for (fields, y) in fields.chunks_exact(arriving).zip(y.chunks_exact_mut(outputs)) {
                    let (plus, minus) = fields.split_at(arriving / 2);
                    loops::differences(plus, minus, self.light(), y);
                }
            }
            (ReadoutMode::Amplitude | ReadoutMode::Intensity, _) => {
                loops::powers(fields, self.light(), y);
                if self.mode == ReadoutMode::Amplitude {
                    loops::roots(y);
                }
            }
            (ReadoutMode::CoherentReal, _) if self.pairs => loops::part(fields, 0, y),
            (ReadoutMode::CoherentImag, _) if self.pairs => loops::part(fields, 1, y),
            _ => y.copy_from_slice(fields),
        }
    }

    /// How powers follow from what arrives.
    fn light(&self) -> Light {
        match (self.signal, self.pairs) {
            (Signal::Powers, _) => Light::Powers,
            (_, true) => Light::Pairs,
            (_, false) => Light::Fields,
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

    /// What is read with the noise of detectors, each detector by itself.
    fn physical<T: Real>(
        &self,
        physics: &Physics,
        fields: &[T],
        (key, first_row, rows): (Key, u64, usize),
        y: &mut [T],
        room: &mut DetectorRoom,
    ) {
        if !self.differences && !matches!(self.mode, ReadoutMode::Amplitude | ReadoutMode::Intensity) {
            self.mean(fields, y);
            return self.disturb(physics, (key, first_row), y, room);
        }
        let detectors = if self.differences { 2 * self.outputs } else { self.width() };
        room.noise.resize(rows * detectors, 0.0);
        key.fill_normal(first_row.wrapping_mul(detectors as u64), &mut room.noise);
        room.powers.resize(rows * detectors, 0.0);
        loops::powers(fields, self.light(), &mut room.powers);
        loops::detect(&room.noise, physics.direct, &mut room.powers);
        if self.differences {
            let outputs = self.outputs.max(1);
            for (powers, y) in room.powers.chunks_exact(2 * outputs).zip(y.chunks_exact_mut(outputs)) {
                let (plus, minus) = powers.split_at(outputs);
                let pairs = plus.iter().zip(minus);
                y.iter_mut().zip(pairs).for_each(|(y, (plus, minus))| *y = T::from_f64(plus - minus));
            }
        } else {
            loops::read(&room.powers, self.mode == ReadoutMode::Amplitude, y);
        }
    }

    /// The noise of detectors that read one number each.
    fn disturb<T: Real>(&self, physics: &Physics, (key, first_row): (Key, u64), y: &mut [T], room: &mut DetectorRoom) {
        let first = first_row.wrapping_mul(self.width() as u64);
        if self.signal == Signal::Fields {
            return loops::finish(loops::Chain { std: physics.coherent_std, adc: None }, (key, first), &[], y);
        }
        // A difference of photocurrents that is known as a whole only.
        room.noise.resize(y.len(), 0.0);
        key.fill_normal(first, &mut room.noise);
        loops::add_shot(&room.noise, physics.direct, y);
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
            lines.push(format!("ADC of {} levels, range {range}", adc.steps.top + 1.0));
        }
        lines
    }
}
