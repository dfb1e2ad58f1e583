//! `encoding`, `readout` and `timing`.

use super::{DacEntry, Paths};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// `encoding`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EncodingEntry {
    /// Outer ports in the order of x; a device of one generator: all its inputs if left out.
    pub ports: Option<Paths>,
    /// How x becomes light; `amplitude` if left out.
    pub mode: Option<EncodingModeEntry>,
    /// `channel`: one port, x_k on WDM channel k.
    pub per: Option<Per>,
    /// How a device with unsigned inputs takes a signed x.
    pub signed: Option<SignedEntry>,
    /// Field (or power) for x = 1, as part of the source's; 1 if left out.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub scale: Option<f64>,
    /// Converter, in units of x; none if left out.
    pub dac: Option<DacEntry>,
    /// Standard deviation of the noise on an encoded input, relative to its full scale.
    #[schemars(range(min = 0.0))]
    pub noise_std: Option<f64>,
    /// Light source.
    pub source: Option<SourceEntry>,
}

/// What the elements of x go to.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// Each to a port.
    Port,
    /// Each to a WDM channel.
    Channel,
}

/// How x becomes light.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum EncodingModeEntry {
    /// Real field amplitudes, signed.
    Amplitude,
    /// Powers, not negative.
    Intensity,
    /// Unit fields e^{i x}.
    Phase,
    /// Complex fields from pairs (re, im).
    Complex,
    /// Two neighbouring ports for each x, one for its positive and one for its negative part.
    Differential,
    /// Complex fields from pairs (re, im) by an IQ modulator.
    Iq,
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
    /// Power for x = 1 on one input, W.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub power: Option<f64>,
    /// Relative intensity noise, dB/Hz (negative).
    #[schemars(range(max = 0.0))]
    #[serde(rename = "rin_dB_Hz")]
    pub rin_db_hz: Option<f64>,
    /// Linewidth, Hz.
    #[schemars(range(min = 0.0))]
    #[serde(rename = "linewidth_Hz")]
    pub linewidth_hz: Option<f64>,
}

/// `readout`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadoutEntry {
    /// Outer ports in the order of y; all outputs if left out.
    pub ports: Option<Paths>,
    /// `mode: differential`: `name: [plus, minus]`, outer ports whose powers are subtracted; ranges such as
    /// `y0-3: [plus0-3, minus0-3]` stand for several.
    pub pairs: Option<BTreeMap<String, [String; 2]>>,
    /// What is read; `coherent_real` for a mesh, `differential` for weight banks, else `intensity` if left out.
    pub mode: Option<ReadoutModeEntry>,
    /// Local oscillator of coherent modes.
    pub local_oscillator: Option<LocalOscillator>,
    /// Detector; an ideal one if left out.
    pub detector: Option<DetectorEntry>,
    /// Transimpedance amplifier.
    pub tia: Option<TiaEntry>,
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
    /// Difference of two photocurrents: weight banks, the SLM matrix, `pairs`.
    Differential,
}

/// Local oscillator.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocalOscillator {
    /// Power, W.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub power: f64,
}

/// A photodiode (`responsivity`) or a camera (`quantum_efficiency`).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DetectorEntry {
    /// A/W.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub responsivity: Option<f64>,
    /// Electrons per photon: with `exposure_s`, of a camera.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub quantum_efficiency: Option<f64>,
    /// Bandwidth, Hz.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    #[serde(rename = "bandwidth_Hz")]
    pub bandwidth_hz: Option<f64>,
    /// Dark current, A.
    #[schemars(range(min = 0.0))]
    #[serde(rename = "dark_current_A")]
    pub dark_current_a: Option<f64>,
    /// Load, ohm; 50 if left out.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub load_ohm: Option<f64>,
    /// Temperature, K; that of the environment if left out.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    #[serde(rename = "temperature_K")]
    pub temperature_k: Option<f64>,
    /// Shot noise.
    pub shot: Option<bool>,
    /// Thermal noise.
    pub thermal: Option<bool>,
    /// Relative intensity noise of the source.
    pub rin: Option<bool>,
    /// Camera: exposure, s.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub exposure_s: Option<f64>,
    /// Camera: standard deviation of the read noise, electrons per pixel.
    #[schemars(range(min = 0.0))]
    pub read_noise_e: Option<f64>,
    /// Camera: electrons per pixel at which it saturates.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub full_well_e: Option<f64>,
    /// Camera: electrons per pixel without light.
    #[schemars(range(min = 0.0))]
    pub dark_e: Option<f64>,
}

/// Transimpedance amplifier.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TiaEntry {
    /// Volts per ampere.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub gain_ohm: f64,
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
    /// Number of codes: another way to give the resolution.
    #[schemars(range(min = 2, max = 16_777_216))]
    pub levels: Option<u32>,
    /// Full scale: `auto` (follows the signal slowly; if left out), `full_well` of a camera, or a number: with a detector
    /// volts at the input of the converter, else in units of y.
    pub range: Option<AdcRangeEntry>,
}

/// Full scale of a converter.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(untagged)]
pub enum AdcRangeEntry {
    /// By name.
    Named(NamedRange),
    /// A number.
    Fixed(f64),
}

/// Full scale, by name.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum NamedRange {
    /// Follows the signal slowly.
    Auto,
    /// The full well of the camera.
    FullWell,
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
    /// As the clock on the wall says; not supported yet.
    Measured,
}
