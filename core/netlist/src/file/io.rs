//! `encoding`, `readout` and `timing`.

use super::{DacEntry, Paths};
use schemars::JsonSchema;
use serde::Deserialize;

/// `encoding`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EncodingEntry {
    /// Input ports in the order of x; all of them if left out.
    pub ports: Option<Paths>,
    /// Another name of `ports`.
    pub port: Option<Paths>,
    /// How x becomes light; `amplitude` if left out.
    pub mode: Option<EncodingModeEntry>,
    /// How a device with unsigned inputs takes a signed x.
    pub signed: Option<SignedEntry>,
    /// Converter, in units of x; none if left out.
    pub dac: Option<DacEntry>,
    /// Standard deviation of the noise on an encoded input, relative to its full scale.
    #[schemars(range(min = 0.0))]
    pub noise_std: Option<f64>,
    /// Light source.
    pub source: Option<SourceEntry>,
}

/// How x becomes light.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum EncodingModeEntry {
    /// Real field amplitudes, signed.
    Amplitude,
    /// Powers, not negative.
    Intensity,
    /// Complex fields from pairs (re, im).
    Complex,
}

/// How a device with unsigned inputs takes a signed x.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum SignedEntry {
    /// As two vectors, the positive and the negative part, both counted.
    Differential,
}

/// Light source.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceEntry {
    /// Power, W.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub power: Option<f64>,
}

/// `readout`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadoutEntry {
    /// Output ports in the order of y; all of them if left out.
    pub ports: Option<Paths>,
    /// Another name of `ports`.
    pub port: Option<Paths>,
    /// What is read; `coherent_real` for a mesh, `differential` for the others if left out.
    pub mode: Option<ReadoutModeEntry>,
    /// Standard deviation of additive noise.
    #[schemars(range(min = 0.0))]
    pub noise_std: Option<f64>,
    /// What `noise_std` is relative to; `full_scale` if left out.
    pub relative_to: Option<RelativeTo>,
    /// Converter; none if left out.
    pub adc: Option<AdcEntry>,
}

/// What is read.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum ReadoutModeEntry {
    /// Real part of the field.
    CoherentReal,
    /// Imaginary part of the field.
    CoherentImag,
    /// The complex field as pairs (re, im).
    Coherent,
    /// |field|.
    Amplitude,
    /// |field|^2.
    Intensity,
    /// Difference of two photocurrents; weight banks and the SLM.
    Differential,
}

/// What a noise is relative to.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum RelativeTo {
    /// Full scale of the read-out.
    FullScale,
    /// Nothing: units of y.
    Absolute,
}

/// A converter at the read-out.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdcEntry {
    /// Bits.
    #[schemars(range(min = 1, max = 24))]
    pub bits: Option<u32>,
    /// Full scale: `auto` (follows the signal slowly; if left out) or a number in units of y.
    pub range: Option<AdcRange>,
}

/// Full scale of a converter.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(untagged)]
pub enum AdcRange {
    /// By name.
    Named(NamedRange),
    /// In units of y.
    Fixed(f64),
}

/// Full scale, by name.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum NamedRange {
    /// Follows the signal slowly.
    Auto,
}

/// `timing`, seconds. What is left out is 0 (`batch` and `averages`: 1).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimingEntry {
    /// Each write of parameters.
    #[schemars(range(min = 0.0))]
    pub write_fixed: Option<f64>,
    /// Each parameter that a write changes.
    #[schemars(range(min = 0.0))]
    pub write_each: Option<f64>,
    /// Each query.
    #[schemars(range(min = 0.0))]
    pub trigger: Option<f64>,
    /// Each frame.
    #[schemars(range(min = 0.0))]
    pub frame: Option<f64>,
    /// Another name of `frame`.
    #[schemars(range(min = 0.0))]
    pub frame_time: Option<f64>,
    /// Vectors per frame.
    #[schemars(range(min = 1))]
    pub batch: Option<u32>,
    /// Readings averaged per vector.
    #[schemars(range(min = 1))]
    pub averages: Option<u32>,
    /// Time of the host charged per training step: a number of seconds, or `zero`.
    pub host_time: Option<HostTime>,
}

/// Time of the host charged per training step.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(untagged)]
pub enum HostTime {
    /// By name.
    Named(NamedHostTime),
    /// Seconds.
    Fixed(f64),
}

/// Time of the host, by name.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum NamedHostTime {
    /// None.
    Zero,
}
