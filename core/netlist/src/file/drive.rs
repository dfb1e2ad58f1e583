//! `actuators`.

use super::{NumberEntry, Paths};
use schemars::JsonSchema;
use serde::Deserialize;

/// One entry of `actuators`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActuatorEntry {
    /// The parameters that it drives: whole blocks, such as `U.theta`.
    pub drives: Paths,
    /// The converter that sets the drive; none if left out.
    pub dac: Option<DacEntry>,
    /// From drive to phase; phase = drive if left out.
    pub curve: Option<CurveEntry>,
    /// Static phase added, rad, per parameter.
    pub offset: Option<NumberEntry>,
    /// Another name of `offset`.
    pub phase_bias: Option<NumberEntry>,
    /// Factor on the phase, per parameter.
    pub gain: Option<NumberEntry>,
    /// Mixing of neighbouring phases.
    pub crosstalk: Option<CrosstalkEntry>,
    /// Another way to write `crosstalk: {kernel: nearest, strength: ..}`.
    #[schemars(range(min = 0.0))]
    pub crosstalk_factor: Option<f64>,
    /// Lag.
    pub response: Option<ResponseEntry>,
    /// Another way to write `response: {tau: ..}`, seconds.
    #[schemars(range(min = 0.0))]
    pub response_time: Option<f64>,
    /// Standard deviation of a phase error drawn at every write, rad.
    #[schemars(range(min = 0.0))]
    pub phase_noise_std: Option<f64>,
}

/// A converter.
#[derive(Deserialize, JsonSchema, Clone)]
#[serde(deny_unknown_fields)]
pub struct DacEntry {
    /// Bits; the codes are 0 to 2^bits - 1.
    #[schemars(range(min = 1, max = 24))]
    pub bits: Option<u32>,
    /// Number of codes, a power of two: another way to give the bits.
    pub levels: Option<u32>,
    /// Value at code 0.
    pub min: Option<f64>,
    /// Value at the last code.
    pub max: Option<f64>,
    /// Rounding; `nearest` if left out.
    pub rounding: Option<RoundingEntry>,
}

/// Rounding of a converter.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum RoundingEntry {
    /// To the nearest code.
    Nearest,
    /// Down.
    Floor,
    /// Up or down with the probability that keeps the mean.
    Stochastic,
}

/// From drive to phase.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CurveEntry {
    /// What the drive is; follows from `v_pi` or `p_pi` if left out.
    pub quantity: Option<DriveQuantity>,
    /// Form.
    pub form: CurveForm,
    /// Voltage of a phase of pi, V.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub v_pi: Option<f64>,
    /// Power of a phase of pi, W.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub p_pi: Option<f64>,
    /// `form: polynomial`: c_0, c_1, ...; phase = sum c_k drive^k.
    pub coefficients: Option<Vec<f64>>,
}

/// What a drive is.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum DriveQuantity {
    /// Volts.
    Voltage,
    /// Watts.
    Power,
    /// Radians.
    Phase,
}

/// Form of a curve.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum CurveForm {
    /// phase = drive.
    Direct,
    /// phase = pi drive / v_pi (or p_pi).
    Linear,
    /// phase = pi (V / v_pi)^2: a heater driven by a voltage.
    Square,
    /// phase = sum c_k drive^k.
    Polynomial,
}

/// Mixing of neighbouring phases.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kernel", rename_all = "snake_case", deny_unknown_fields)]
pub enum CrosstalkEntry {
    /// The four nearest on the grid.
    Nearest {
        /// Part of a phase that reaches a neighbour.
        #[schemars(range(min = 0.0, max = 1.0))]
        strength: f64,
    },
    /// strength exp(-distance / decay).
    Exponential {
        /// Prefactor.
        #[schemars(range(min = 0.0, max = 1.0))]
        strength: f64,
        /// In grid units.
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        decay: f64,
        /// Largest distance, in grid units; 4 if left out.
        #[schemars(range(min = 0.0, max = 64.0))]
        cutoff: Option<f64>,
    },
    /// Convolution with a normalised Gaussian.
    Gaussian {
        /// In pixels.
        #[schemars(range(min = 0.0, max = 16.0))]
        sigma_pixels: f64,
    },
}

/// Lag of an actuator.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResponseEntry {
    /// Time constant, s.
    #[schemars(range(min = 0.0))]
    pub tau: f64,
}
