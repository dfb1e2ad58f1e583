//! Settings of generators: components that are more than one entry of the catalogue.

use schemars::JsonSchema;
use serde::Deserialize;

/// Settings of `mesh`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeshSettings {
    /// Number of modes.
    #[schemars(range(min = 2, max = 4096))]
    pub n: u64,
    /// Order of the cells; `clements` if left out.
    pub arrangement: Option<ArrangementEntry>,
    /// `arrangement: redundant`: number of layers.
    #[schemars(range(min = 1, max = 65536))]
    pub layers: Option<u64>,
    /// `arrangement: file`: a netlist (`.pic.yml`) with ports in0.. and out0.., relative to the device file.
    pub file: Option<String>,
    /// The 2x2 cell: `mzi` (if left out), `mzi3` (three splitters), `mzi_classical`, `tdc`, or the name of a circuit with
    /// ports in0, in1, out0, out1.
    pub cell: Option<String>,
    /// Convention of the cell's matrix; `bpbp` if left out.
    pub convention: Option<ConventionEntry>,
    /// n more phases, gamma, at the outputs; there if left out.
    pub output_phases: Option<bool>,
}

/// Order of a mesh's cells.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum ArrangementEntry {
    /// Rectangular (Clements et al. 2016): n layers, layer l couples modes (m, m + 1), m = l mod 2, l mod 2 + 2, ...
    Clements,
    /// Triangular (Reck et al. 1994).
    Reck,
    /// The mirror image of `reck`.
    Triangular,
    /// log2(n) layers of cells between modes n/2, n/4, .. 1 apart.
    Butterfly,
    /// Rectangular with `layers` layers.
    Redundant,
    /// As the netlist `file` has it.
    File,
}

/// Convention of a cell's matrix, with B = [[1, i], [i, 1]]/sqrt 2 and P(x) = diag(e^{ix}, 1), the phases on the arm of
/// index 0.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum ConventionEntry {
    /// T = B P(theta) B P(phi).
    Bpbp,
    /// Its transpose, T = P(phi) B P(theta) B (neurophox).
    BpbpT,
    /// Rotations of the Bloch sphere.
    Bloch,
    /// Rx(theta) H Ry(phi) (perceval).
    RxHRy,
    /// [[e^{i phi} cos theta, -sin theta], [e^{i phi} sin theta, cos theta]] (Clements et al. 2016).
    Clements2016,
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
    /// How a weight is read from a ring; `all_pass_power` if left out (`all_pass_amplitude` for `preset: astralora`,
    /// `add_drop` for `bus: shared`).
    pub weight: Option<RingWeightEntry>,
    /// Factor on every weight; 1 if left out.
    pub scale: Option<f64>,
    /// What the rings of a row stand on; `separate` if left out.
    pub bus: Option<BusEntry>,
    /// `bus: shared`: circumference of the rings.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub length: Option<f64>,
    /// `bus: shared`: group index of the rings; 3.4 if left out.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub ng: Option<f64>,
}

/// What the rings of a row stand on.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum BusEntry {
    /// Each on a bus of its own: a ring sees its own input only.
    Separate,
    /// In series on one bus: every WDM channel passes every ring of the row (crosstalk between channels).
    Shared,
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

/// Settings of `splitter_tree`: one input, `outputs` outputs, by 1x2 splitters.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitterTreeSettings {
    /// Outputs: a power of two.
    #[schemars(range(min = 2, max = 4096))]
    pub outputs: u64,
    /// Excess loss of each splitter, dB.
    #[serde(rename = "loss_dB")]
    pub loss_db: Option<f64>,
}

/// Settings of `monarch`: two layers of small meshes, `first<k>` of `block` modes and `second<k>` of n / block, with a stride
/// permutation of the modes after each (Dao et al. 2022).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MonarchSettings {
    /// Number of modes.
    #[schemars(range(min = 4, max = 4096))]
    pub n: u64,
    /// Modes of a mesh of the first layer; it divides n. The root of n if left out.
    pub block: Option<u64>,
    /// Order of the cells of the meshes; `clements` if left out.
    #[expect(dead_code, reason = "goes to the meshes as it is")]
    pub arrangement: Option<ArrangementEntry>,
    /// The 2x2 cell of the meshes; `mzi` if left out.
    #[expect(dead_code, reason = "goes to the meshes as it is")]
    pub cell: Option<String>,
    /// Convention of the cell's matrix; `bpbp` if left out.
    #[expect(dead_code, reason = "goes to the meshes as it is")]
    pub convention: Option<ConventionEntry>,
    /// Output phases of the meshes; there if left out.
    #[expect(dead_code, reason = "goes to the meshes as it is")]
    pub output_phases: Option<bool>,
}

/// Settings of `plane`: where a field starts, one input a pixel.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaneSettings {
    /// Rows, columns.
    pub shape: [u64; 2],
    /// From one pixel to the next, um.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub pitch: f64,
}

/// Settings of `free_space`: propagation over a distance.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreeSpaceSettings {
    /// um.
    pub distance: f64,
    /// How; `angular_spectrum` if left out.
    pub method: Option<PropagationEntry>,
    /// Factor by which the plane is enlarged, against light that comes around; 2 if left out.
    #[schemars(range(min = 1, max = 16))]
    pub pad: Option<u64>,
}

/// How light propagates.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum PropagationEntry {
    /// Exact scalar propagation of the sampled field.
    AngularSpectrum,
    /// Paraxial.
    Fresnel,
    /// Far field.
    Fraunhofer,
    /// The angular spectrum as a matrix, without FFT; small planes.
    Matrix,
}

/// Settings of `slm`: a spatial light modulator in the way of a field. Its phases are `phase<row.column>`, its amplitudes
/// `amplitude<row.column>`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlmSettings {
    /// Rows, columns.
    pub shape: [u64; 2],
    /// From one pixel to the next, um.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub pitch: f64,
    /// Part of a pixel's area that modulates; 1 if left out.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub fill_factor: Option<f64>,
    /// What a pixel sets; `phase` if left out.
    pub kind: Option<SlmKindEntry>,
}

/// What a pixel sets.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum SlmKindEntry {
    /// Its phase.
    Phase,
    /// Its amplitude.
    Amplitude,
    /// Both.
    Complex,
}

/// Settings of `lens_2f`: from the front to the back focal plane of a lens.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LensSettings {
    /// Focal length, um.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub focal: f64,
}

/// Settings of `diffuser`: a random phase screen, drawn per device.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiffuserSettings {
    /// Standard deviation of the phase, rad.
    #[schemars(range(min = 0.0))]
    pub sigma: f64,
    /// Correlation length, um; 0 (each pixel by itself) if left out.
    #[schemars(range(min = 0.0))]
    pub correlation: Option<f64>,
}

/// Settings of `camera`: pixels are summed in bins.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CameraSettings {
    /// Rows, columns of bins.
    pub shape: [u64; 2],
    /// Pixels of a bin: rows, columns; one pixel if left out.
    pub bin: Option<[u64; 2]>,
}
