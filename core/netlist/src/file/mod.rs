//! The grammar of a device file, as types. The JSON schema (for editors and for the structural check) is made from
//! them; what a schema cannot say is checked in `check`.

mod drive;
mod error;
mod instance;
mod io;

pub use drive::*;
pub use error::*;
pub use instance::*;
pub use io::*;

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A Blackbeam device file: one piece of photonic hardware.
///
/// It says what the hardware is made of (`instances`), what can be tuned (`parameters`), how it is driven and read
/// (`actuators`, `encoding`, `readout`, `timing`) and what is wrong with it (`nonideal`, `drift`). Lengths are
/// micrometres, phases radians, losses dB of power, times seconds, powers watts.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "made for its schema; sections are read one by one, so that each keeps its positions")]
pub struct DeviceFile {
    /// Version of the language: 1. With it, unknown names and settings are errors.
    #[schemars(range(min = 1, max = 1))]
    ddl: u32,
    /// Name of the device; the name of the file if left out.
    name: Option<String>,
    /// Non-idealities, converters and times of a whole family at once; the sections of this file go over them.
    preset: Option<Preset>,
    /// Units of this file. They are fixed; writing them down helps readers.
    units: Option<Units>,
    /// What surrounds the device.
    environment: Option<Environment>,
    /// Seeds every random draw of this file, device by device.
    seed: Option<u64>,
    /// What the device is made of: for now exactly one instance of a generator.
    instances: BTreeMap<String, Instance>,
    /// Links between ports; empty, as there is one instance.
    connections: Option<BTreeMap<String, String>>,
    /// Names for the ports that lead out, such as `in0-7: U,in0-7`.
    ports: Option<BTreeMap<String, String>>,
    /// What a trainer sees, in this order: one flat vector. Keys are paths such as `U.theta`.
    parameters: Option<BTreeMap<String, ParameterEntry>>,
    /// From parameter to DAC code to drive to phase.
    actuators: Option<BTreeMap<String, ActuatorEntry>>,
    /// Imperfections, in order; a later entry wins for the same quantity at the same place.
    nonideal: Option<Vec<RuleEntry>>,
    /// Phases (or gains) that change with time since calibration; the entries add up.
    drift: Option<Vec<DriftEntry>>,
    /// How an input vector becomes light.
    encoding: Option<EncodingEntry>,
    /// How light becomes an output vector.
    readout: Option<ReadoutEntry>,
    /// The device clock.
    timing: Option<TimingEntry>,
    /// Kept by gdsfactory; has no effect.
    pdk: Option<serde_json::Value>,
    /// Kept by gdsfactory; has no effect.
    placements: Option<serde_json::Value>,
    /// Kept by gdsfactory; has no effect.
    warnings: Option<serde_json::Value>,
}

/// Preset of a family.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Nothing wrong with it; only the clock.
    Ideal,
    /// 8-bit converters, 1 % read noise, small fabrication errors, slow drift.
    Typical,
    /// A poor specimen.
    Pessimistic,
}

macro_rules! one_unit {
    ($name:ident, $variant:ident, $text:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Deserialize, JsonSchema)]
        pub enum $name {
            #[doc = $doc]
            #[serde(rename = $text)]
            $variant,
        }
    };
}
one_unit!(LengthUnit, Micrometre, "um", "Micrometres.");
one_unit!(PhaseUnit, Radian, "rad", "Radians.");
one_unit!(LossUnit, Decibel, "dB", "Decibels of power.");
one_unit!(TimeUnit, Second, "s", "Seconds.");
one_unit!(PowerUnit, Watt, "W", "Watts.");

/// Units of a device file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the schema checks the only values there are")]
pub struct Units {
    length: Option<LengthUnit>,
    phase: Option<PhaseUnit>,
    loss: Option<LossUnit>,
    time: Option<TimeUnit>,
    power: Option<PowerUnit>,
}

/// What surrounds the device.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Wavelength in vacuum, um.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub wl: Option<f64>,
    /// Temperature, K. Noted; nothing depends on it yet.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    #[serde(rename = "temperature_K")]
    #[expect(dead_code, reason = "noted in the file only")]
    pub temperature_k: Option<f64>,
}

/// One path or several.
#[derive(Deserialize, JsonSchema, Clone)]
#[serde(untagged)]
pub enum Paths {
    /// One path with globs: `*` stays within one name and one index, `**` crosses dots.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// A number, or the distribution from which each device draws it once.
#[derive(Deserialize, JsonSchema, Clone)]
#[serde(untagged)]
pub enum NumberEntry {
    /// The same for every device.
    Fixed(f64),
    /// A distribution.
    Spread(Spread),
}

/// A distribution: exactly one of the keys.
#[derive(Deserialize, JsonSchema, Clone)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// Mean and standard deviation.
    pub normal: Option<[f64; 2]>,
    /// Lower and upper bound.
    pub uniform: Option<[f64; 2]>,
    /// Median, and standard deviation of the logarithm.
    pub lognormal: Option<[f64; 2]>,
}

/// One entry of `parameters`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParameterEntry {
    /// Lower and upper bound, rad.
    pub range: Option<[f64; 2]>,
    /// What an update does at the bounds; `wrap` if the range is a whole period, else `clip`.
    pub at_range: Option<AtRangeEntry>,
    /// Value at the start: a number, a distribution, or `haar` (theta of a mesh of `mzi` cells).
    pub init: Option<InitEntry>,
    /// Whether the parameter is trained; true if left out.
    pub trainable: Option<bool>,
}

/// What an update does at the bounds of a parameter.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum AtRangeEntry {
    /// Stop there.
    Clip,
    /// Come in again at the other end.
    Wrap,
    /// Turn back.
    Reflect,
}

/// Value at the start.
#[derive(Deserialize, JsonSchema, Clone)]
#[serde(untagged)]
pub enum InitEntry {
    /// By name.
    Named(NamedInit),
    /// A number or a distribution.
    Number(NumberEntry),
}

/// Value at the start, by name.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum NamedInit {
    /// The mesh's matrix is Haar-distributed (Russell et al. 2017).
    Haar,
}
