//! `nonideal`.

use super::{NumberEntry, Paths};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// One entry of `nonideal`: where, and one or more quantities: those named here, and settings of components by their
/// names.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "made for its schema; entries are read key by key, so that each keeps its position")]
pub struct RuleEntry {
    /// Instances, parts of generators or parameters.
    at: Paths,
    /// Couplers (of meshes, `coupler_ideal`): error of the coupler's angle, rad.
    split_angle: Option<RuleValue>,
    /// Loss of power, dB: of cells `U.m*`, their arms `U.m*.arm0`, input and output ports `U.in*`, `U.out*`; of every way
    /// through another component.
    #[serde(rename = "loss_dB")]
    loss_db: Option<RuleValue>,
    /// Static phase error, rad: of parameters, arms, rings, `phase` components; of every way through another component.
    phase: Option<RuleValue>,
    /// Reflection at every port, as power in dB (negative).
    #[serde(rename = "reflection_dB")]
    reflection_db: Option<RuleValue>,
    /// Back-scattered amplitude; splits resonances.
    backscatter: Option<RuleValue>,
    /// Rings of a bank: amplitude transmission of a round trip.
    a: Option<RuleValue>,
    /// Rings of a bank: self-coupling.
    r: Option<RuleValue>,
    /// SLM: part of the light that is not modulated, as amplitude.
    zero_order: Option<RuleValue>,
    /// Lenses and cameras: sideways shift in each direction, um.
    misalign_um: Option<RuleValue>,
    /// Factor on outputs (`U.out*`, cameras, outer ports, pairs) or inputs; fixed-pattern.
    gain: Option<RuleValue>,
    /// SLM: wavefront error.
    wavefront: Option<Wavefront>,
    /// Bounds of each draw; either may be infinite.
    clip: Option<[f64; 2]>,
    /// The value is relative to what the quantity is otherwise: q (1 + value).
    relative: Option<bool>,
    /// Part of the value that calibration took away, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    corrected: Option<f64>,
    /// Settings of components and sub-circuits.
    #[serde(flatten)]
    settings: BTreeMap<String, RuleValue>,
}

/// A wavefront error.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wavefront {
    /// Coefficients of Zernike polynomials (normalised as Noll does), rad rms: `defocus`, `astig_x`, `astig_y`, `coma_x`, ...,
    /// or `z4`, `z5`, ... by Noll's index.
    pub zernike: BTreeMap<String, NumberEntry>,
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
