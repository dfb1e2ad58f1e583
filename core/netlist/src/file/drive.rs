//! `actuators`.

use super::{NumberEntry, Paths};
use schemars::JsonSchema;
use serde::Deserialize;

/// One entry of `actuators`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActuatorEntry {
    /// The parameters that it drives.
    pub drives: Paths,
    /// The converter that sets the drive; none if left out.
    pub dac: Option<DacEntry>,
    /// From drive to phase (or other value); value = drive if left out.
    pub curve: Option<CurveEntry>,
    /// Static value added, units of the parameter, per parameter.
    pub offset: Option<NumberEntry>,
    /// Factor on the value, per parameter.
    pub gain: Option<NumberEntry>,
    /// Standard deviation of gamma = pi / v_pi^2 (torchonn); another way to write `gain` for a curve with `v_pi`.
    #[schemars(range(min = 0.0))]
    pub gamma_noise_std: Option<f64>,
    /// Mixing of neighbouring phases.
    pub crosstalk: Option<CrosstalkEntry>,
    /// Lag and speed.
    pub response: Option<ResponseEntry>,
    /// Periodic ripple.
    pub flicker: Option<FlickerEntry>,
    /// Standard deviation of an error drawn at every write, units of the parameter.
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
    /// Number of codes: another way to give the resolution.
    #[schemars(range(min = 2, max = 16_777_216))]
    pub levels: Option<u32>,
    /// Value at code 0.
    pub min: Option<f64>,
    /// Value at the last code.
    pub max: Option<f64>,
    /// Rounding; `nearest` if left out.
    pub rounding: Option<RoundingEntry>,
    /// Integral non-linearity: standard deviation of the error of a code, in steps.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub inl_lsb: Option<f64>,
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
    #[schemars(length(min = 1, max = 64))]
    pub coefficients: Option<Vec<f64>>,
    /// `form: table`: a `.csv` file of two columns, drive and value, both increasing; relative to the device file.
    pub file: Option<String>,
}

/// What a drive is.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum DriveQuantity {
    /// Volts.
    Voltage,
    /// Watts.
    Power,
    /// The value itself.
    Phase,
    /// Amperes.
    Current,
    /// Grey levels of a display.
    Gray,
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
    /// Measured points, linear between them.
    Table,
}

/// Where crosstalk mixes.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum CrosstalkDomain {
    /// The powers of heaters.
    Power,
    /// The values set.
    Phase,
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
        /// What mixes; `power` for curves over a voltage, current or power, else `phase`, if left out.
        domain: Option<CrosstalkDomain>,
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
        /// What mixes; `power` for curves over a voltage, current or power, else `phase`, if left out.
        domain: Option<CrosstalkDomain>,
    },
    /// Convolution with a normalised Gaussian.
    Gaussian {
        /// In pixels.
        #[schemars(range(min = 0.0, max = 16.0))]
        sigma_pixels: f64,
        /// What mixes; `power` for curves over a voltage, current or power, else `phase`, if left out.
        domain: Option<CrosstalkDomain>,
    },
    /// An explicit matrix over the parameters that the actuator drives, in the order of w; `crosstalk: {matrix: FILE}` is
    /// the same.
    Matrix {
        /// A `.npy` file of shape [n, n], relative to the device file.
        file: String,
        /// What mixes; `power` for curves over a voltage, current or power, else `phase`, if left out.
        domain: Option<CrosstalkDomain>,
    },
}

/// Lag and speed of an actuator.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(deny_unknown_fields)]
pub struct ResponseEntry {
    /// Time constant, s.
    #[schemars(range(min = 0.0))]
    pub tau: Option<f64>,
    /// Largest change per second, units of the parameter.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub slew: Option<f64>,
}

/// A ripple: amplitude sin(2 pi f t + phase), the phase drawn per device.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlickerEntry {
    /// Shape; `sine` if left out.
    #[expect(dead_code, reason = "the schema checks the only value there is")]
    pub model: Option<FlickerModel>,
    /// Units of the parameter.
    #[schemars(range(min = 0.0))]
    pub amplitude: f64,
    /// Hz.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    #[serde(rename = "frequency_Hz")]
    pub frequency_hz: f64,
}

/// Shape of a ripple.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlickerModel {
    /// A sine.
    Sine,
}
