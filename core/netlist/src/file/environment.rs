//! `units`, `environment` and `solver`.

use schemars::JsonSchema;
use serde::Deserialize;

/// Units of a device file, if they are not those of the language.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read by name")]
pub struct Units {
    /// `um` (if left out), `nm`, `mm` or `m`: wavelengths and settings of components.
    length: Option<String>,
    /// `rad`.
    phase: Option<String>,
    /// `dB` of power.
    loss: Option<String>,
    /// `s` (if left out), `ms`, `us` or `ns`.
    time: Option<String>,
    /// `W` (if left out), `mW` or `uW`: of the source and the local oscillator. Drives of actuators are in the units of
    /// their curve.
    power: Option<String>,
}

/// What surrounds the device.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Wavelength in vacuum, um: one, or a sweep.
    pub wl: Option<WlEntry>,
    /// Incoherent WDM channels.
    pub channels: Option<Channels>,
    /// Temperature, K; 300 if left out.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    #[serde(rename = "temperature_K")]
    pub temperature_k: Option<f64>,
}

/// Wavelength.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum WlEntry {
    /// One, um.
    One(f64),
    /// A sweep.
    Sweep(Sweep),
}

/// Wavelengths at even steps.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// First, um.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub start: f64,
    /// Last, um.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub stop: f64,
    /// How many.
    #[schemars(range(min = 2, max = 1_000_000))]
    pub points: u64,
}

/// WDM channels: f_k = c/start - k spacing.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Channels {
    /// Wavelength of the first channel, um.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub start: f64,
    /// From one channel to the next, GHz.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    #[serde(rename = "spacing_GHz")]
    pub spacing_ghz: f64,
    /// How many.
    #[schemars(range(min = 1, max = 4096))]
    pub count: u64,
}

/// `solver`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SolverEntry {
    /// Method; `auto` if left out.
    pub method: Option<SolverMethod>,
    /// Numbers in which light is computed when the device is queried; `f64` if left out.
    pub precision: Option<SolverPrecision>,
}

/// Numbers in which light is computed.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum SolverPrecision {
    /// Double.
    F64,
    /// Single: about twice as fast, right to 1e-5 or so. Not for free space.
    F32,
}

/// How a circuit is solved.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum SolverMethod {
    /// By the structure of the circuit.
    Auto,
    /// Along the light; an error if light comes back anywhere.
    Feedforward,
    /// Block elimination.
    Cascade,
    /// Sparse LU.
    Sparse,
    /// Dense LU.
    Dense,
}
