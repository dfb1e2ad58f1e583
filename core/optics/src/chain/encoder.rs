//! From numbers to light: clip, input DAC, noise, and what makes fields or powers of the numbers.
//!
//! | mode | what a number x becomes |
//! |---|---|
//! | `amplitude` | the field x |
//! | `intensity` | the power x, at least 0; the field sqrt(x) where the circuit takes fields |
//! | `phase` | the field e^{ix} |
//! | `complex` | (re, im) pairs: the field re + i im |
//! | `differential` | the field max(x, 0) in the first of two ports, max(-x, 0) in the second |
//! | `iq` | (re, im) pairs: each quadrature is sin(pi/2 v) of a drive v, which is 2/pi arcsin(x) by the nominal curve |
//!
//! All in units of the source times `scale`. Noise is added to what the converter gives, relative to its full scale.

use super::converter::Converter;
use crate::keys::{Place, call_key};
use blackbeam_netlist::circuit::{Encoding, EncodingMode};
use blackbeam_plugin::{Call, Key, PluginError, Port, Result};
use std::f64::consts::FRAC_PI_2;

/// Which of the two vectors of a signed input that is sent as two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The input as it is.
    Whole,
    /// x+ = max(x, 0)
    Plus,
    /// x- = max(-x, 0)
    Minus,
}

/// The input side of one device.
pub(crate) struct Encoder {
    /// Reals in one vector.
    pub width: usize,
    /// Reals that reach the circuit.
    pub sent: usize,
    /// Those are (re, im) pairs.
    pub pairs: bool,
    pub differential: bool,
    mode: EncodingMode,
    /// The circuit takes powers.
    powers: bool,
    converter: Option<Converter>,
    /// Where the codes of each input err, if they do.
    channels: Vec<Key>,
    low: f64,
    high: f64,
    noise_std: f64,
    gain: Vec<f64>,
    noise: Key,
    rounding: Key,
}

/// The keys of one call.
#[derive(Clone, Copy)]
pub(crate) struct EncoderKeys {
    noise: Key,
    rounding: Key,
}

impl EncoderKeys {
    /// Keys of the same call with light sent backwards.
    pub fn backward(self) -> Self {
        EncoderKeys { noise: self.noise.named("backward"), rounding: self.rounding.named("backward") }
    }
}

impl Encoder {
    /// `inputs` fields, or powers where `powers`; `gain` is that of each number x (a complex one counts once).
    ///
    /// # Errors
    /// `SETTINGS` for an impossible converter, or a mode that these inputs cannot have.
    pub fn new(encoding: &Encoding, inputs: usize, powers: bool, gain: Vec<f64>, root: Key) -> Result<Self> {
        let converter =
            encoding.dac.as_ref().map(|dac| Converter::new("encoding", dac, root.named("input"))).transpose()?;
        let mode = encoding.mode;
        let power = mode == EncodingMode::Intensity;
        if powers && !matches!(mode, EncodingMode::Intensity | EncodingMode::Amplitude) {
            return Err(PluginError::settings("encoding: the circuit takes powers: `mode: intensity`"));
        }
        if mode == EncodingMode::Differential && !inputs.is_multiple_of(2) {
            return Err(PluginError::settings(
                "encoding: `mode: differential` takes two neighbouring ports for each x",
            ));
        }
        if encoding.differential && matches!(mode, EncodingMode::Phase | EncodingMode::Differential) {
            return Err(PluginError::settings("encoding: `signed: differential` is for amplitudes and intensities"));
        }
        if !(encoding.scale.is_finite() && encoding.scale > 0.0) {
            let message = format!("encoding: a scale of {}, expected a number above 0", encoding.scale);
            return Err(PluginError::settings(message));
        }
        let (mut low, mut high) = converter.as_ref().map_or((f64::NEG_INFINITY, f64::INFINITY), |c| (c.min, c.max));
        if power || encoding.differential {
            low = low.max(0.0);
        }
        if mode == EncodingMode::Iq {
            (low, high) = (low.max(-1.0), high.min(1.0));
        }
        // Without a converter an input of 1 counts as full scale.
        let full_scale = converter.as_ref().map_or(1.0, |c| c.min.abs().max(c.max.abs()));
        let pairs = matches!(mode, EncodingMode::Complex | EncodingMode::Iq | EncodingMode::Phase);
        let width = match mode {
            EncodingMode::Complex | EncodingMode::Iq => 2 * inputs,
            EncodingMode::Differential => inputs / 2,
            _ => inputs,
        };
        let bent = converter.as_ref().filter(|c| c.bent());
        let channel = |c: &Converter, i: usize| c.channel(Place { path: 0, element: i as u64 });
        Ok(Encoder {
            width,
            sent: if pairs { 2 * inputs } else { inputs },
            pairs,
            differential: encoding.differential,
            mode,
            powers,
            channels: bent.map_or(Vec::new(), |c| (0..width).map(|i| channel(c, i)).collect()),
            converter,
            low,
            high,
            noise_std: encoding.noise_std * full_scale,
            gain: if gain.iter().all(|&g| g == 1.0) { Vec::new() } else { gain },
            noise: root.named("input noise"),
            rounding: root.named("input rounding"),
        })
    }

    /// Numbers x, complex ones counted once, for a number of fields.
    pub fn numbers(encoding: &Encoding, inputs: usize) -> usize {
        if encoding.mode == EncodingMode::Differential { inputs / 2 } else { inputs }
    }

    /// What is sent is linear in the numbers that go in.
    pub fn linear(&self) -> bool {
        match self.mode {
            EncodingMode::Amplitude => !self.powers,
            EncodingMode::Intensity => self.powers,
            EncodingMode::Complex | EncodingMode::Iq => true,
            EncodingMode::Phase | EncodingMode::Differential => false,
        }
    }

    /// Inputs are numbers that fields or powers are proportional to.
    pub fn plain(&self) -> bool {
        self.linear() && !self.pairs
    }

    /// All inputs have a gain of 1.
    pub fn even(&self) -> bool {
        self.gain.is_empty()
    }

    /// True if nothing random happens here.
    pub fn quiet(&self) -> bool {
        self.noise_std == 0.0
    }

    /// What the descriptor says of the inputs.
    pub fn port(&self) -> Port {
        Port {
            width: self.width,
            complex: matches!(self.mode, EncodingMode::Complex | EncodingMode::Iq),
            min: if self.differential { -self.high } else { self.low },
            max: self.high,
            bits: self.converter.as_ref().map_or(0, Converter::bits),
        }
    }

    /// Keys of a query.
    pub fn keys(&self, call: &Call) -> EncoderKeys {
        EncoderKeys { noise: call_key(self.noise, call), rounding: call_key(self.rounding, call) }
    }

    /// Vectors of light that one row takes.
    pub fn parts(&self) -> &'static [Part] {
        if self.differential { &[Part::Plus, Part::Minus] } else { &[Part::Whole] }
    }

    /// Encodes one row of a batch, `row` being its number in the logical batch. `numbers` is room for `width` numbers.
    pub fn encode(&self, x: &[f64], part: Part, keys: EncoderKeys, row: u64, numbers: &mut [f64], out: &mut [f64]) {
        let (sign, first) = match part {
            Part::Whole | Part::Plus => (1.0, 0),
            Part::Minus => (-1.0, x.len() as u64),
        };
        let rounding = self.converter.as_ref().filter(|c| c.stochastic()).map(|_| keys.rounding.with(row));
        for (i, (number, x)) in numbers.iter_mut().zip(x).enumerate() {
            *number = self.drive((sign * x).max(self.low).min(self.high));
            let Some(converter) = &self.converter else { continue };
            let code = converter.code(*number, rounding.map_or(0.0, |key| key.uniform(first + i as u64)));
            *number = self.channels.get(i).map_or_else(|| converter.level(code), |c| converter.actual(*c, code));
        }
        if self.noise_std > 0.0 {
            keys.noise.with(row).add_normal(first, self.noise_std, numbers);
        }
        self.light(numbers, out);
    }

    /// Encodes one row without converters and noise.
    pub fn expect(&self, x: &[f64], part: Part, numbers: &mut [f64], out: &mut [f64]) {
        let sign = if part == Part::Minus { -1.0 } else { 1.0 };
        numbers.iter_mut().zip(x).for_each(|(n, x)| *n = self.drive((sign * x).max(self.low).min(self.high)));
        self.light(numbers, out);
    }

    /// The adjoint of [`expect`](Encoder::expect): adds dL/dx, given dL/dout. Clipping at the converter's ends counts as the
    /// identity; where no light can be less than none, nothing changes.
    pub fn pull(&self, x: &[f64], part: Part, dout: &[f64], dx: &mut [f64]) {
        let sign = if part == Part::Minus { -1.0 } else { 1.0 };
        for (i, (dx, x)) in dx.iter_mut().zip(x).enumerate() {
            let signed = sign * x;
            let at = signed.max(self.low).min(self.high);
            let lit = if part == Part::Whole || signed > 0.0 { 1.0 } else { 0.0 };
            *dx += match self.mode {
                EncodingMode::Amplitude if self.powers => 2.0 * at * sign * lit * self.gain_of(i) * dout[i],
                EncodingMode::Intensity if self.powers => sign * lit * self.gain_of(i) * dout[i],
                EncodingMode::Intensity if at > 0.0 => {
                    sign * lit * 0.5 * self.gain_of(i) * dout[i] / (self.gain_of(i) * at).sqrt()
                }
                EncodingMode::Intensity => 0.0,
                EncodingMode::Amplitude => sign * lit * self.gain_of(i) * dout[i],
                EncodingMode::Complex | EncodingMode::Iq => sign * lit * self.gain_of(i / 2) * dout[i],
                EncodingMode::Phase => {
                    let (s, c) = at.sin_cos();
                    self.gain_of(i) * (c * dout[2 * i + 1] - s * dout[2 * i])
                }
                EncodingMode::Differential if at >= 0.0 => self.gain_of(i) * dout[2 * i],
                EncodingMode::Differential => -self.gain_of(i) * dout[2 * i + 1],
            };
        }
    }

    /// Gain of each real that is sent, for linear encodings.
    pub fn gains(&self) -> impl Fn(usize) -> f64 + '_ {
        let each = if self.pairs { 2 } else { 1 };
        move |sent| self.gain_of(sent / each)
    }

    fn gain_of(&self, input: usize) -> f64 {
        self.gain.get(input).copied().unwrap_or(1.0)
    }

    /// The drive that stands for a number.
    fn drive(&self, x: f64) -> f64 {
        if self.mode == EncodingMode::Iq { x.asin() / FRAC_PI_2 } else { x }
    }

    /// From drives to fields or powers. Gains are those of amplitudes, or of powers where the numbers are powers.
    fn light(&self, numbers: &[f64], out: &mut [f64]) {
        match self.mode {
            EncodingMode::Amplitude if self.powers => out.iter_mut().zip(numbers).for_each(|(o, x)| *o = x * x),
            EncodingMode::Amplitude | EncodingMode::Complex => out.copy_from_slice(numbers),
            // Noise cannot make a power negative.
            EncodingMode::Intensity => out.iter_mut().zip(numbers).for_each(|(o, x)| *o = x.max(0.0)),
            EncodingMode::Iq => out.iter_mut().zip(numbers).for_each(|(o, v)| *o = (FRAC_PI_2 * v).sin()),
            EncodingMode::Phase => {
                for (out, x) in out.chunks_exact_mut(2).zip(numbers) {
                    (out[1], out[0]) = x.sin_cos();
                }
            }
            EncodingMode::Differential => {
                for (out, x) in out.chunks_exact_mut(2).zip(numbers) {
                    (out[0], out[1]) = (x.max(0.0), (-x).max(0.0));
                }
            }
        }
        if !self.gain.is_empty() {
            let each = out.len() / self.gain.len();
            for (out, gain) in out.chunks_exact_mut(each.max(1)).zip(&self.gain) {
                out.iter_mut().for_each(|o| *o *= gain);
            }
        }
        if self.mode == EncodingMode::Intensity && !self.powers {
            out.iter_mut().for_each(|o| *o = o.max(0.0).sqrt());
        }
    }
}
