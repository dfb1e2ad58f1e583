//! From light to numbers: detection, fixed-pattern gain, noise, ADC.

use crate::{converter::Converter, keys::call_key};
use blackbeam_netlist::circuit::{Dac, Readout, ReadoutMode, Rounding};
use blackbeam_plugin::{Call, Key, PluginError, Port, Result};

/// The output side of one device.
pub(crate) struct Detector {
    mode: ReadoutMode,
    /// Fields come as (re, im) pairs.
    pairs: bool,
    outputs: usize,
    /// Standard deviation of one value (an average of readings), relative to full scale or absolute.
    noise_std: f64,
    relative: bool,
    adc: Option<Converter>,
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
}

impl Detector {
    /// `complex`: the circuit has complex fields.
    pub fn new(readout: &Readout, averages: u32, outputs: usize, complex: bool, root: Key) -> Result<Self> {
        let power = matches!(readout.mode, ReadoutMode::Amplitude | ReadoutMode::Intensity);
        // In units of the full scale, which may change while the device is open.
        let ends = |bits| Dac { bits, min: if power { 0.0 } else { -1.0 }, max: 1.0, rounding: Rounding::Nearest };
        let adc = readout.adc_bits.map(|bits| Converter::new("readout: adc", &ends(bits))).transpose()?;
        if let Some(range) = readout.adc_range
            && !(range.is_finite() && range > 0.0)
        {
            return Err(PluginError::settings(format!("readout: a range of {range}, expected > 0")));
        }
        Ok(Detector {
            mode: readout.mode,
            pairs: complex && (power || readout.mode == ReadoutMode::Coherent),
            outputs,
            noise_std: readout.noise_std / f64::from(averages.max(1)).sqrt(),
            relative: readout.noise_relative,
            adc,
            range: readout.adc_range,
            noise: root.named("detection"),
        })
    }

    /// Reals in one answer.
    pub fn width(&self) -> usize {
        if self.mode == ReadoutMode::Coherent { 2 * self.outputs } else { self.outputs }
    }

    /// Which parts of the field arrive: (real, imaginary).
    pub fn takes(&self) -> (bool, bool) {
        (self.pairs || self.mode != ReadoutMode::CoherentImag, self.pairs || self.mode == ReadoutMode::CoherentImag)
    }

    /// y is linear in the field.
    pub fn linear(&self) -> bool {
        !matches!(self.mode, ReadoutMode::Amplitude | ReadoutMode::Intensity)
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
            (true, _) => self.noise_std,
            (false, Some(range)) => self.noise_std / range,
            (false, None) if self.noise_std == 0.0 => 0.0,
            (false, None) => -1.0,
        }
    }

    /// What the descriptor says of the outputs; `differential` answers are differences of two.
    pub fn port(&self, differential: bool) -> Port {
        let max = if self.adc.is_some() { self.range.unwrap_or(f64::INFINITY) } else { f64::INFINITY };
        let min = if self.linear() || differential { -max } else { 0.0 };
        let bits = self.adc.as_ref().map_or(0, |adc| (adc.top + 1.0).log2() as u32);
        let factor = if differential { 2.0 } else { 1.0 };
        Port { width: self.width(), complex: self.complex(), min: factor * min, max: factor * max, bits }
    }

    /// Key of a query.
    pub fn key(&self, call: &Call) -> Key {
        call_key(self.noise, call)
    }

    /// Reads one vector: `fields` in, `y` out. `row` is its number in the logical batch, `first` the first element of the
    /// row's noise that is its own.
    pub fn detect(&self, fields: &[f64], how: Detection<'_>, row: u64, first: u64, y: &mut [f64]) {
        let power = |re: f64, im: f64| re * re + im * im;
        match (self.mode, self.pairs) {
            (ReadoutMode::Amplitude, true) => {
                y.iter_mut().zip(fields.chunks_exact(2)).for_each(|(y, f)| *y = power(f[0], f[1]).sqrt());
            }
            (ReadoutMode::Intensity, true) => {
                y.iter_mut().zip(fields.chunks_exact(2)).for_each(|(y, f)| *y = power(f[0], f[1]));
            }
            (ReadoutMode::Amplitude, false) => y.iter_mut().zip(fields).for_each(|(y, f)| *y = f.abs()),
            (ReadoutMode::Intensity, false) => y.iter_mut().zip(fields).for_each(|(y, f)| *y = f * f),
            _ => y.copy_from_slice(fields),
        }
        let each = y.len() / how.gain.len().max(1);
        for (y, gain) in y.chunks_exact_mut(each.max(1)).zip(how.gain) {
            y.iter_mut().for_each(|y| *y *= gain);
        }
        self.read(how, row, first, y);
    }

    /// Noise and ADC.
    pub fn read(&self, how: Detection<'_>, row: u64, first: u64, y: &mut [f64]) {
        if self.noise_std > 0.0 {
            let std = if self.relative { self.noise_std * how.full_scale } else { self.noise_std };
            how.key.with(row).add_normal(first, std, y);
        }
        if let Some(adc) = &self.adc {
            y.iter_mut().for_each(|y| *y = how.full_scale * adc.convert(*y / how.full_scale, 0.0));
        }
    }
}
