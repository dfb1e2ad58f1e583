//! From numbers to light: clip, input DAC, noise, and the square root that makes a field of a power.

use crate::{converter::Converter, keys::call_key};
use blackbeam_netlist::circuit::{Encoding, EncodingMode};
use blackbeam_plugin::{Call, Key, Port, Result};

/// Which of the two vectors of a differential input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The input as it is.
    Whole,
    /// x+ = max(x, 0)
    Plus,
    /// x- = max(-x, 0)
    Minus,
}

impl EncoderKeys {
    /// Keys of the same call with light sent backwards.
    pub fn backward(self) -> Self {
        EncoderKeys { noise: self.noise.named("backward"), rounding: self.rounding.named("backward") }
    }
}

/// The input side of one device.
pub(crate) struct Encoder {
    /// Reals in one vector.
    pub width: usize,
    pub complex: bool,
    pub differential: bool,
    converter: Option<Converter>,
    low: f64,
    high: f64,
    noise_std: f64,
    /// Inputs are powers, and the circuit takes fields.
    root: bool,
    noise: Key,
    rounding: Key,
}

/// The keys of one call.
#[derive(Clone, Copy)]
pub(crate) struct EncoderKeys {
    noise: Key,
    rounding: Key,
}

impl Encoder {
    /// `incoherent`: the circuit takes powers as they are.
    pub fn new(encoding: &Encoding, inputs: usize, incoherent: bool, root: Key) -> Result<Self> {
        let converter = encoding.dac.as_ref().map(|dac| Converter::new("encoding", dac)).transpose()?;
        let power = encoding.mode == EncodingMode::Intensity;
        let (mut low, high) = converter.as_ref().map_or((f64::NEG_INFINITY, f64::INFINITY), |c| (c.min, c.max));
        if power || encoding.differential {
            low = low.max(0.0);
        }
        // Without a converter an input of 1 counts as full scale.
        let full_scale = converter.as_ref().map_or(1.0, |c| c.min.abs().max(c.max.abs()));
        let complex = encoding.mode == EncodingMode::Complex;
        Ok(Encoder {
            width: if complex { 2 * inputs } else { inputs },
            complex,
            differential: encoding.differential,
            converter,
            low,
            high,
            noise_std: encoding.noise_std * full_scale,
            root: power && !incoherent,
            noise: root.named("input noise"),
            rounding: root.named("input rounding"),
        })
    }

    /// y is linear in the numbers that go in.
    pub fn linear(&self) -> bool {
        !self.root
    }

    /// True if nothing random happens here.
    pub fn quiet(&self) -> bool {
        self.noise_std == 0.0
    }

    /// What the descriptor says of the inputs.
    pub fn port(&self) -> Port {
        Port {
            width: self.width,
            complex: self.complex,
            min: if self.differential { -self.high } else { self.low },
            max: self.high,
            bits: self.converter.as_ref().map_or(0, |c| (c.top + 1.0).log2() as u32),
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

    /// Encodes one row of a batch, `row` being its number in the logical batch.
    pub fn encode(&self, x: &[f64], part: Part, keys: EncoderKeys, row: u64, out: &mut [f64]) {
        let (sign, first) = match part {
            Part::Whole | Part::Plus => (1.0, 0),
            Part::Minus => (-1.0, x.len() as u64),
        };
        match &self.converter {
            None => {
                for (out, x) in out.iter_mut().zip(x) {
                    *out = (sign * x).max(self.low).min(self.high);
                }
            }
            Some(converter) => {
                let rounding = converter.stochastic().then(|| keys.rounding.with(row));
                for (i, (out, x)) in out.iter_mut().zip(x).enumerate() {
                    let chance = rounding.map_or(0.0, |key| key.uniform(first + i as u64));
                    *out = converter.convert((sign * x).max(self.low).min(self.high), chance);
                }
            }
        }
        if self.noise_std > 0.0 {
            keys.noise.with(row).add_normal(first, self.noise_std, out);
        }
        if self.root {
            // Noise cannot make a power negative.
            out.iter_mut().for_each(|v| *v = v.max(0.0).sqrt());
        }
    }
}
