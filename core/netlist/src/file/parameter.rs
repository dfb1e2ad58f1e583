//! `parameters`.

use schemars::JsonSchema;
use serde::Deserialize;

/// One entry of `parameters`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParameterEntry {
    /// Lower and upper bound. Phases have one by default, other settings need it.
    pub range: Option<[f64; 2]>,
    /// What an update does at the bounds; `wrap` if the range of a phase is a whole period, else `clip`.
    pub at_range: Option<AtRangeEntry>,
    /// Value at the start: a number, a distribution, `haar` (theta of a mesh of `mzi` cells), a file; what the netlist has
    /// if left out.
    pub init: Option<InitEntry>,
    /// Whether the parameter is trained; true if left out.
    pub trainable: Option<bool>,
    /// One value for all places that the path names.
    pub tied: Option<bool>,
    /// Order of the parameters by their places in arrays: `[row, column]` or `[column, row]`.
    #[schemars(length(min = 2, max = 2))]
    pub order: Option<Vec<Axis>>,
}

/// Axis of an array.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Rows.
    Row,
    /// Columns.
    Column,
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
    /// A number.
    Fixed(f64),
    /// Something else.
    From(InitFrom),
}

/// Value at the start, by name.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum NamedInit {
    /// The mesh's matrix is Haar-distributed (Russell et al. 2017).
    Haar,
    /// What the netlist has.
    Settings,
}

/// Where values at the start come from: exactly one of the keys.
#[derive(Deserialize, JsonSchema, Clone)]
#[serde(deny_unknown_fields)]
pub struct InitFrom {
    /// Mean and standard deviation.
    pub normal: Option<[f64; 2]>,
    /// Lower and upper bound.
    pub uniform: Option<[f64; 2]>,
    /// Median, and standard deviation of the logarithm.
    pub lognormal: Option<[f64; 2]>,
    /// Mesh: the phases that make it this unitary matrix; a `.npy` file, relative to the device file.
    pub unitary: Option<String>,
    /// One value a parameter, in order: a `.npy` or `.csv` file, relative to the device file.
    pub file: Option<String>,
    /// Rings: each resonates on a channel of the source.
    pub resonance: Option<Resonance>,
}

/// What a ring resonates with.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum Resonance {
    /// The channel of its column.
    Channel,
}
