//! `nonideal` and `drift`.

use super::{NumberEntry, Paths};
use schemars::JsonSchema;
use serde::Deserialize;

/// One entry of `nonideal`: where, and one or more quantities.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleEntry {
    /// Instances or parameters.
    pub at: Paths,
    /// Mesh, couplers: error of the coupler's angle pi/4, rad.
    pub split_angle: Option<RuleValue>,
    /// Another way to write `split_angle: {normal: [0, ..]}`.
    #[schemars(range(min = 0.0))]
    pub splitting_angle_sigma: Option<f64>,
    /// Loss of power, dB: of cells `U.m*`, their arms `U.m*.arm0`, input and output ports `U.in*`, `U.out*`.
    #[serde(rename = "loss_dB")]
    pub loss_db: Option<RuleValue>,
    /// Another name of `loss_dB`.
    pub insertion_loss_db: Option<RuleValue>,
    /// Static phase error, rad: of parameters, arms or rings.
    pub phase: Option<RuleValue>,
    /// Rings: amplitude transmission of a round trip.
    pub a: Option<RuleValue>,
    /// Rings: self-coupling.
    pub r: Option<RuleValue>,
    /// SLM: part of the light that is not modulated, as amplitude.
    pub zero_order: Option<RuleValue>,
    /// Outputs `U.out*`: factor on the output (fixed-pattern).
    pub gain: Option<RuleValue>,
    /// Bounds of each draw; either may be infinite.
    pub clip: Option<[f64; 2]>,
    /// The value is relative to what the quantity is otherwise: q (1 + value).
    pub relative: Option<bool>,
    /// Part of the value that calibration took away, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub corrected: Option<f64>,
}

/// Value of a quantity.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RuleValue {
    /// The same for every place and device.
    Fixed(f64),
    /// Drawn for each place.
    Spread(RuleSpread),
}

/// A distribution (exactly one of the first four keys), with what else may stand in the entry.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleSpread {
    /// Mean and standard deviation.
    pub normal: Option<[f64; 2]>,
    /// Lower and upper bound.
    pub uniform: Option<[f64; 2]>,
    /// Median, and standard deviation of the logarithm.
    pub lognormal: Option<[f64; 2]>,
    /// Number or distribution, relative to what the quantity is otherwise.
    pub relative: Option<NumberEntry>,
    /// Bounds of each draw; either may be infinite.
    pub clip: Option<[f64; 2]>,
    /// Part of the value that calibration took away, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub corrected: Option<f64>,
}

/// One entry of `drift`.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "model", rename_all = "snake_case", deny_unknown_fields)]
pub enum DriftEntry {
    /// Ornstein-Uhlenbeck: wanders about zero.
    Ou {
        /// Parameters or instances.
        at: Paths,
        /// What drifts; `phase` if left out.
        quantity: Option<DriftQuantity>,
        /// One process for all places.
        common: Option<bool>,
        /// Stationary standard deviation, rad (or relative gain).
        #[schemars(range(min = 0.0))]
        sigma: f64,
        /// Correlation time, s.
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        tau: f64,
    },
    /// Random walk.
    Wiener {
        /// Parameters or instances.
        at: Paths,
        /// What drifts; `phase` if left out.
        quantity: Option<DriftQuantity>,
        /// One process for all places.
        common: Option<bool>,
        /// Standard deviation after one second, rad (or relative gain).
        #[schemars(range(min = 0.0))]
        sigma: f64,
        /// Unit of `sigma`.
        #[expect(dead_code, reason = "the schema checks the only value there is")]
        per: Option<PerRootSecond>,
    },
    /// rate t.
    Linear {
        /// Parameters or instances.
        at: Paths,
        /// What drifts; `phase` if left out.
        quantity: Option<DriftQuantity>,
        /// One draw for all places.
        common: Option<bool>,
        /// Per second, drawn per place.
        rate: NumberEntry,
        /// Unit of `rate`.
        #[expect(dead_code, reason = "the schema checks the only value there is")]
        per: Option<PerSecond>,
    },
    /// amplitude ln(1 + t / t0).
    Log {
        /// Parameters or instances.
        at: Paths,
        /// What drifts; `phase` if left out.
        quantity: Option<DriftQuantity>,
        /// One draw for all places.
        common: Option<bool>,
        /// Drawn per place, rad (or relative gain).
        amplitude: NumberEntry,
        /// Seconds.
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        t0: f64,
    },
}

/// Unit of a random walk's sigma.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PerRootSecond {
    /// Per square root of a second.
    SqrtS,
}

/// Unit of a rate.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PerSecond {
    /// Per second.
    S,
}

/// What drifts.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum DriftQuantity {
    /// Phases.
    Phase,
    /// Relative gain of outputs `U.out*`.
    Gain,
}
