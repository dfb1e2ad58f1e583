//! `instances`.

use schemars::JsonSchema;
use serde::Deserialize;

/// An instance: a component with its settings.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "component", content = "settings", rename_all = "snake_case", deny_unknown_fields)]
pub enum Instance {
    /// A mesh of Mach-Zehnder interferometers: cells `m<layer.row>`, parameters `theta<layer.row>`, `phi<layer.row>`
    /// and `gamma<mode>`, ports `in<mode>` and `out<mode>`.
    Mesh(MeshSettings),
    /// A microring weight bank, one ring per weight: rings `r<row.column>`, parameter `phi<row.column>`.
    MrrBank(MrrBankSettings),
    /// A spatial light modulator that multiplies a matrix: parameter `phase<output.input>`.
    SlmMatvec(SlmMatvecSettings),
}

/// Settings of `mesh`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeshSettings {
    /// Number of modes.
    #[schemars(range(min = 2, max = 4096))]
    pub n: u64,
    /// Order of the cells; `clements` if left out.
    pub arrangement: Option<ArrangementEntry>,
    /// The 2x2 cell; `mzi` if left out.
    pub cell: Option<CellEntry>,
    /// Convention of the cell's matrix; `bpbp` if left out.
    #[expect(dead_code, reason = "the schema checks the only value there is")]
    pub convention: Option<ConventionEntry>,
    /// n more phases, gamma, at the outputs; there if left out.
    pub output_phases: Option<bool>,
}

/// Order of a mesh's cells.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum ArrangementEntry {
    /// Rectangular (Clements et al. 2016): n layers, layer l couples modes (m, m + 1), m = l mod 2, l mod 2 + 2, ...
    Clements,
}

/// A mesh's cell, with B = [[1, i], [i, 1]]/sqrt 2 and P(x) = diag(e^{ix}, 1).
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum CellEntry {
    /// T = B P(theta) B P(phi).
    Mzi,
    /// Three splitters: T = B P(theta + pi/2) B P(phi - pi/2) B (arXiv 2109.05367).
    Mzi3,
    /// [[e^{i phi} sin theta, e^{i phi} cos theta], [cos theta, -sin theta]]; theta is half an internal phase.
    MziClassical,
}

/// Convention of a cell's matrix.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum ConventionEntry {
    /// T = B P(theta) B P(phi), the phases on the arm of index 0.
    Bpbp,
}

/// Settings of `mrr_bank`. Give a ring preset, or `a` and `r`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MrrBankSettings {
    /// Outputs.
    #[schemars(range(min = 1))]
    pub rows: u64,
    /// Inputs.
    #[schemars(range(min = 1))]
    pub columns: u64,
    /// Ring by name; `a`, `r` and `r2` go over it.
    pub preset: Option<RingPreset>,
    /// Amplitude transmission of a round trip, between 0 and 1.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub a: Option<f64>,
    /// Self-coupling of the bus coupler (amplitude), between 0 and 1.
    #[schemars(extend("exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub r: Option<f64>,
    /// Self-coupling of the drop coupler (amplitude), `weight: add_drop` only; as `r` if left out.
    #[schemars(extend("exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub r2: Option<f64>,
    /// How a weight is read from a ring; `all_pass_power` if left out (`all_pass_amplitude` for `preset: astralora`).
    pub weight: Option<RingWeightEntry>,
    /// Factor on every weight; 1 if left out.
    pub scale: Option<f64>,
}

/// Rings by name. HQ, MQ, LQ and MORR are those of torchonn.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
pub enum RingPreset {
    /// a = 0.987, r = 0.99.
    #[serde(rename = "HQ")]
    Hq,
    /// a = 0.925, r = 0.93.
    #[serde(rename = "MQ")]
    Mq,
    /// a = 0.845, r = 0.85.
    #[serde(rename = "LQ")]
    Lq,
    /// A ring of 20 um: a = 0.8578, r = 0.8985.
    #[serde(rename = "MORR")]
    Morr,
    /// a = 0.8, r = 0.9, read as amplitude.
    #[serde(rename = "astralora")]
    Astralora,
}

/// How a weight is read from a ring with power transmission T.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum RingWeightEntry {
    /// w = 2 T - 1.
    AllPassPower,
    /// w = 2 sqrt T - 1.
    AllPassAmplitude,
    /// w = T - drop: balanced detection of a ring with two couplers.
    AddDrop,
}

/// Settings of `slm_matvec`: y_i = scale sum_j cos(phase_ij) x_j.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlmMatvecSettings {
    /// Inputs.
    #[schemars(range(min = 1))]
    pub n_in: u64,
    /// Outputs.
    #[schemars(range(min = 1))]
    pub n_out: u64,
    /// Weight of a pixel; `cos` if left out.
    #[expect(dead_code, reason = "the schema checks the only value there is")]
    pub weight: Option<PixelWeight>,
    /// Factor on the sum; `rsqrt_in` if left out.
    pub scale: Option<ScaleEntry>,
    /// Part of a pixel's area that modulates; 1 if left out.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub fill_factor: Option<f64>,
}

/// Weight of a pixel.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum PixelWeight {
    /// cos of its phase.
    Cos,
}

/// Factor on a sum.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(untagged)]
pub enum ScaleEntry {
    /// A number.
    Number(f64),
    /// By name.
    Named(NamedScale),
}

/// Factor on a sum, by name.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum NamedScale {
    /// 1/sqrt(n_in).
    RsqrtIn,
}
