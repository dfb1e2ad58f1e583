//! The grammar of a device file, as types. The JSON schema (for editors and for the structural check) is made from
//! them; what a schema cannot say is checked in `check`.

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
    #[expect(dead_code, reason = "noted in the file only")]
    pub temperature_K: Option<f64>,
}

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
    HQ,
    /// a = 0.925, r = 0.93.
    MQ,
    /// a = 0.845, r = 0.85.
    LQ,
    /// A ring of 20 um: a = 0.8578, r = 0.8985.
    MORR,
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

/// `encoding`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EncodingEntry {
    /// Input ports in the order of x; all of them if left out.
    pub ports: Option<Paths>,
    /// Another name of `ports`.
    pub port: Option<Paths>,
    /// How x becomes light; `amplitude` if left out.
    pub mode: Option<EncodingModeEntry>,
    /// How a device with unsigned inputs takes a signed x.
    pub signed: Option<SignedEntry>,
    /// Converter, in units of x; none if left out.
    pub dac: Option<DacEntry>,
    /// Standard deviation of the noise on an encoded input, relative to its full scale.
    #[schemars(range(min = 0.0))]
    pub noise_std: Option<f64>,
    /// Light source.
    pub source: Option<SourceEntry>,
}

/// How x becomes light.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum EncodingModeEntry {
    /// Real field amplitudes, signed.
    Amplitude,
    /// Powers, not negative.
    Intensity,
    /// Complex fields from pairs (re, im).
    Complex,
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
    /// Power, W.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub power: Option<f64>,
}

/// `readout`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadoutEntry {
    /// Output ports in the order of y; all of them if left out.
    pub ports: Option<Paths>,
    /// Another name of `ports`.
    pub port: Option<Paths>,
    /// What is read; `coherent_real` for a mesh, `differential` for the others if left out.
    pub mode: Option<ReadoutModeEntry>,
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
    /// Difference of two photocurrents; weight banks and the SLM.
    Differential,
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
    /// Full scale: `auto` (follows the signal slowly; if left out) or a number in units of y.
    pub range: Option<AdcRange>,
}

/// Full scale of a converter.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(untagged)]
pub enum AdcRange {
    /// By name.
    Named(NamedRange),
    /// In units of y.
    Fixed(f64),
}

/// Full scale, by name.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum NamedRange {
    /// Follows the signal slowly.
    Auto,
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
    /// Another name of `frame`.
    #[schemars(range(min = 0.0))]
    pub frame_time: Option<f64>,
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
}
