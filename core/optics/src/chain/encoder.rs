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

use super::{
    converter::{Converter, Steps},
    levels::{Real, clip, levels},
};
use crate::keys::{Place, call_key};
use blackbeam_netlist::circuit::{Encoding, EncodingMode, Rounding};
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

impl Part {
    fn sign(self) -> f64 {
        if self == Part::Minus { -1.0 } else { 1.0 }
    }
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

/// Buffers of one thread.
#[derive(Default)]
pub(crate) struct EncoderRoom {
    /// What the source is driven with.
    numbers: Vec<f64>,
    /// What decides stochastic roundings.
    chances: Vec<f64>,
}

impl EncoderKeys {
    /// Those of one vector of a row.
    fn of(self, part: Part) -> Self {
        match part {
            Part::Whole | Part::Plus => self,
            Part::Minus => EncoderKeys { noise: self.noise.named("minus"), rounding: self.rounding.named("minus") },
        }
    }

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
        let (mut low, mut high) =
            converter.as_ref().map_or((f64::NEG_INFINITY, f64::INFINITY), |c| (c.steps.min, c.steps.max));
        if power || encoding.differential {
            low = low.max(0.0);
        }
        if mode == EncodingMode::Iq {
            (low, high) = (low.max(-1.0), high.min(1.0));
        }
        // Without a converter an input of 1 counts as full scale.
        let full_scale = converter.as_ref().map_or(1.0, |c| c.steps.min.abs().max(c.steps.max.abs()));
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

    /// What is sent for an input is the same in every call and row.
    pub fn settled(&self) -> bool {
        self.quiet() && self.converter.as_ref().is_none_or(|c| !c.stochastic())
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

    /// Encodes rows `x` [rows, width] of a batch, the first of which is row `first_row` of the logical batch (`width` is another where light is sent backwards), into `out` [rows,
    /// sent].
    pub fn encode_rows<T: Real>(
        &self,
        x: &[f64],
        part: Part,
        keys: EncoderKeys,
        (first_row, width): (u64, usize),
        out: &mut [T],
        room: &mut EncoderRoom,
    ) {
        let keys = keys.of(part);
        let first = first_row.wrapping_mul(width as u64);
        let EncoderRoom { numbers, chances } = room;
        numbers.resize(x.len(), 0.0);
        self.convert((x, width), part, (keys.rounding, first), numbers, chances);
        if self.noise_std > 0.0 {
            keys.noise.add_normal(first, self.noise_std, numbers);
        }
        self.light(numbers, out);
    }

    /// Clips, drives and converts.
    fn convert(
        &self,
        (x, width): (&[f64], usize),
        part: Part,
        (rounding, first): (Key, u64),
        numbers: &mut [f64],
        chances: &mut Vec<f64>,
    ) {
        let (sign, low, high) = (part.sign(), self.low, self.high);
        let Some(converter) = &self.converter else { return self.drive(x, sign, numbers) };
        let straight = self.mode != EncodingMode::Iq && self.channels.is_empty();
        if straight && converter.rounding() == Rounding::Nearest {
            return convert_nearest(x, sign, low, high, converter.steps, numbers);
        }
        self.drive(x, sign, numbers);
        chances.resize(x.len(), 0.0);
        if converter.stochastic() {
            rounding.fill_uniform(first, chances);
        }
        let width = width.max(1);
        for (numbers, chances) in numbers.chunks_exact_mut(width).zip(chances.chunks_exact(width)) {
            for (i, (number, chance)) in numbers.iter_mut().zip(chances).enumerate() {
                let code = converter.code(*number, *chance);
                *number = self.channels.get(i).map_or_else(|| converter.level(code), |c| converter.actual(*c, code));
            }
        }
    }

    /// Encodes one row without converters and noise.
    pub fn expect(&self, x: &[f64], part: Part, numbers: &mut [f64], out: &mut [f64]) {
        self.drive(x, part.sign(), numbers);
        self.light(numbers, out);
    }

    /// The adjoint of [`expect`](Encoder::expect): adds dL/dx, given dL/dout. Clipping at the converter's ends counts as the
    /// identity; where no light can be less than none, nothing changes.
    pub fn pull(&self, x: &[f64], part: Part, dout: &[f64], dx: &mut [f64]) {
        let sign = part.sign();
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

    /// The drives that stand for numbers.
    fn drive(&self, x: &[f64], sign: f64, numbers: &mut [f64]) {
        let clipped = x.iter().map(|x| clip(sign * x, self.low, self.high));
        if self.mode == EncodingMode::Iq {
            numbers.iter_mut().zip(clipped).for_each(|(n, x)| *n = x.asin() / FRAC_PI_2);
        } else {
            numbers.iter_mut().zip(clipped).for_each(|(n, x)| *n = x);
        }
    }

    /// From drives to fields or powers. Gains are those of amplitudes, or of powers where the numbers are powers.
    fn light<T: Real>(&self, numbers: &mut [f64], out: &mut [T]) {
        // Of each number, before it becomes two.
        match self.mode {
            EncodingMode::Amplitude if self.powers => numbers.iter_mut().for_each(|x| *x *= *x),
            // Noise cannot make a power negative.
            EncodingMode::Intensity => numbers.iter_mut().for_each(|x| *x = x.max(0.0)),
            EncodingMode::Iq => numbers.iter_mut().for_each(|v| *v = (FRAC_PI_2 * *v).sin()),
            _ => {}
        }
        let doubled = matches!(self.mode, EncodingMode::Phase | EncodingMode::Differential);
        if !self.gain.is_empty() && !doubled {
            let each = if self.pairs { 2 } else { 1 };
            for row in numbers.chunks_exact_mut(each * self.gain.len()) {
                for (numbers, gain) in row.chunks_exact_mut(each).zip(&self.gain) {
                    numbers.iter_mut().for_each(|x| *x *= gain);
                }
            }
        }
        if doubled {
            for (row, out) in numbers.chunks_exact(self.width.max(1)).zip(out.chunks_exact_mut(self.sent.max(1))) {
                for (i, (x, out)) in row.iter().zip(out.as_chunks_mut::<2>().0).enumerate() {
                    let two = match self.mode {
                        EncodingMode::Phase => [x.cos(), x.sin()],
                        _ => [x.max(0.0), (-x).max(0.0)],
                    };
                    *out = two.map(|v| T::from_f64(self.gain_of(i) * v));
                }
            }
        } else if self.mode == EncodingMode::Intensity && !self.powers {
            roots(numbers, out);
        } else {
            copy(numbers, out);
        }
    }
}

levels! {
    /// Clips and converts to the nearest level.
    fn convert_nearest(x: &[f64], sign: f64, low: f64, high: f64, steps: Steps, out: &mut [f64]) = each_nearest;
    fn roots<T>(x: &[f64], out: &mut [T]) = each_root;
    fn copy<T>(x: &[f64], out: &mut [T]) = each_same;
}

#[inline(always)]
fn each_nearest(x: &[f64], sign: f64, low: f64, high: f64, steps: Steps, out: &mut [f64]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = steps.level(steps.nearest(clip(sign * x, low, high)));
    }
}

#[inline(always)]
fn each_root<T: Real>(x: &[f64], out: &mut [T]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = T::from_f64(if *x > 0.0 { x.sqrt() } else { 0.0 });
    }
}

#[inline(always)]
fn each_same<T: Real>(x: &[f64], out: &mut [T]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = T::from_f64(*x);
    }
}
