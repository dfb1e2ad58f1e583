//! The checked circuit: what the reader hands to the optics once a device file has no error left. Plain data; names
//! and globs are resolved to indices, units to the conventions of the language (um, rad, dB, s, W), and every number
//! that may be random is a [`Number`] that the simulator draws once per device.

/// A number, or the distribution from which a device draws it once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// The same for every device.
    Fixed(f64),
    /// Normal with mean and standard deviation.
    Normal(f64, f64),
    /// Uniform between two bounds.
    Uniform(f64, f64),
    /// exp of a normal: median and sigma of the logarithm.
    Lognormal(f64, f64),
}

/// One device file, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Circuit {
    /// `name`.
    pub name: String,
    /// `seed` of the file: goes, with the run's seed and the device's name, into what is drawn once per device.
    pub seed: u64,
    /// `environment.wl`, um.
    pub wl_um: f64,
    /// Name of the one generator instance.
    pub instance: String,
    /// The generator.
    pub generator: Generator,
    /// Parameter blocks in the order of w.
    pub parameters: Vec<ParameterBlock>,
    /// Actuators; a block that none drives is set exactly.
    pub actuators: Vec<Actuator>,
    /// Non-idealities in order; a later one wins.
    pub nonideal: Vec<Rule>,
    /// Drift terms; they add up.
    pub drift: Vec<Drift>,
    /// Inputs.
    pub encoding: Encoding,
    /// Outputs.
    pub readout: Readout,
    /// Clock.
    pub timing: Timing,
}

/// The component that the device is made of.
#[derive(Clone, Debug, PartialEq)]
pub enum Generator {
    /// A mesh of Mach-Zehnder interferometers.
    Mesh(Mesh),
    /// A microring weight bank.
    MrrBank(MrrBank),
    /// An SLM that multiplies a matrix.
    SlmMatvec(SlmMatvec),
}

/// `mesh`.
#[derive(Clone, Debug, PartialEq)]
pub struct Mesh {
    /// Number of modes.
    pub n: usize,
    /// Order of the cells. For now rectangular (Clements): layer l couples modes (m, m + 1), m = l mod 2, l mod 2 + 2, ...;
    /// n layers.
    pub arrangement: Arrangement,
    /// The 2x2 cell.
    pub cell: Cell,
    /// n output phases gamma.
    pub output_phases: bool,
}

/// Order of a mesh's cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrangement {
    /// Rectangular (Clements et al. 2016).
    Clements,
}

/// A mesh's 2x2 cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// T = B P(theta) B P(phi).
    Mzi,
    /// T = B P(theta + pi/2) B P(phi - pi/2) B (arXiv 2109.05367; the MZI3 of astralora).
    Mzi3,
    /// [[e^{i phi} sin theta, e^{i phi} cos theta], [cos theta, -sin theta]] = -i e^{-i theta} P(phi) B P(2 theta) B: the
    /// classical block of astralora, theta being half an internal phase.
    MziClassical,
}

impl Cell {
    /// Number of couplers in a cell.
    pub fn couplers(self) -> usize {
        if self == Cell::Mzi3 { 3 } else { 2 }
    }
}

/// `mrr_bank`: weights w_ij = f(phi_ij), y = W x.
#[derive(Clone, Debug, PartialEq)]
pub struct MrrBank {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    /// Round-trip amplitude transmission a.
    pub a: f64,
    /// Self-coupling r (of the bus coupler; add-drop: r1).
    pub r: f64,
    /// Second coupler's self-coupling r2 (add-drop only).
    pub r2: f64,
    /// How a weight is read from a ring.
    pub weight: RingWeight,
    /// Factor on every weight.
    pub scale: f64,
}

/// How a weight is read from a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingWeight {
    /// w = 2 T - 1, all-pass power transmission (torchonn).
    AllPassPower,
    /// w = 2 sqrt(T) - 1 (astralora).
    AllPassAmplitude,
    /// w = T - drop, balanced detection of an add-drop ring.
    AddDrop,
}

/// `slm_matvec`: y_i = scale sum_j cos(phase_ij) x_j.
#[derive(Clone, Debug, PartialEq)]
pub struct SlmMatvec {
    /// Inputs.
    pub n_in: usize,
    /// Outputs.
    pub n_out: usize,
    /// Factor on the sum; `rsqrt_in` is 1/sqrt(n_in).
    pub scale: f64,
    /// Part of a pixel that modulates.
    pub fill_factor: f64,
}

/// Which physical parameter a block sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParameterKind {
    /// Mesh: internal phase, one a cell, in the order of the cells (layer by layer, from mode 0 up).
    Theta,
    /// Mesh: external phase, likewise.
    Phi,
    /// Mesh: output phase, one a mode.
    Gamma,
    /// Bank: ring phase, row-major [rows, columns].
    RingPhase,
    /// SLM: pixel phase, row-major [n_out, n_in].
    PixelPhase,
}

/// One entry of `parameters` (or a block that the file leaves at its defaults, which comes after those of the file).
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterBlock {
    /// What it sets.
    pub kind: ParameterKind,
    /// Name of one parameter with its index, `U.theta<3.1>`, for each of the block.
    pub names: Vec<String>,
    /// Range.
    pub range: (f64, f64),
    /// What an update does at the bounds.
    pub at_range: AtRange,
    /// Values at the start.
    pub init: Init,
    /// Part of w.
    pub trainable: bool,
}

/// `at_range`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtRange {
    /// Stop at the bound.
    Clip,
    /// Come in again at the other end.
    Wrap,
    /// Turn back.
    Reflect,
}

/// `init`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// The same number, or one draw per parameter.
    Number(Number),
    /// Mesh: the matrix is Haar-distributed (Russell et al. 2017).
    Haar,
}

/// One entry of `actuators`. It drives whole blocks.
#[derive(Clone, Debug, PartialEq)]
pub struct Actuator {
    /// Name of the entry.
    pub name: String,
    /// Indices into `Circuit::parameters`.
    pub drives: Vec<usize>,
    /// DAC, if there is one.
    pub dac: Option<Dac>,
    /// Nominal curve from drive to phase.
    pub curve: Curve,
    /// Static phase added, per parameter.
    pub offset: Number,
    /// Factor on the phase, per parameter.
    pub gain: Number,
    /// Mixing of neighbours.
    pub crosstalk: Option<Crosstalk>,
    /// Lag, seconds.
    pub tau_s: f64,
    /// Standard deviation of a phase error drawn at every write, radians (`phase_noise_std`).
    pub phase_noise_std: f64,
}

/// A converter: levels between two bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dac {
    /// Bits; the codes are 0 ..= 2^bits - 1.
    pub bits: u32,
    /// Drive at code 0.
    pub min: f64,
    /// Drive at the last code.
    pub max: f64,
    /// Rounding.
    pub rounding: Rounding,
}

/// Rounding of a converter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To the nearest code.
    Nearest,
    /// Down.
    Floor,
    /// Up or down with the probability that keeps the mean.
    Stochastic,
}

/// From drive to phase; all are increasing on the DAC's range.
#[derive(Clone, Debug, PartialEq)]
pub enum Curve {
    /// phase = drive (a DAC in radians).
    Direct,
    /// phase = pi drive / scale (`form: linear` with v_pi or p_pi).
    Linear {
        /// Drive of a phase of pi.
        pi: f64,
    },
    /// phase = pi (drive / scale)^2.
    Square {
        /// Drive of a phase of pi.
        pi: f64,
    },
    /// phase = sum_k c_k drive^k.
    Polynomial(Vec<f64>),
}

/// Crosstalk between the phases of one actuator's blocks: phi = K phi0, K_ij by grid distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Crosstalk {
    /// The four nearest on the grid get `strength`.
    Nearest {
        /// Part of a phase that reaches a neighbour.
        strength: f64,
    },
    /// strength exp(-d / decay) up to distance `cutoff`.
    Exponential {
        /// Prefactor.
        strength: f64,
        /// Grid units.
        decay: f64,
        /// Grid units.
        cutoff: f64,
    },
    /// Convolution with a normalised Gaussian (SLM pixels).
    Gaussian {
        /// Pixels.
        sigma_pixels: f64,
    },
}

/// A physical quantity with one element per place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// Mesh: error of a coupler's angle, rad; element = cell * couplers + coupler.
    SplitAngle,
    /// Mesh: loss of a whole cell (both outputs), dB; element = cell.
    CellLoss,
    /// Mesh: loss of one arm of a cell, dB; element = 2 cell + arm.
    ArmLoss,
    /// Mesh: loss of an input port, dB; element = port. Bank and SLM: loss of an input channel.
    InputLoss,
    /// Loss of an output port, dB; element = port.
    OutputLoss,
    /// Static phase error, rad; element = parameter of the block `RingPhase` / `PixelPhase`, or for a mesh all theta, then
    /// all phi, then all gamma.
    Phase,
    /// Bank: ring round-trip amplitude; element = ring.
    RingA,
    /// Bank: ring self-coupling; element = ring.
    RingR,
    /// SLM: unmodulated part of the light, as amplitude; one element.
    ZeroOrder,
    /// Gain of an output (fixed-pattern); element = output.
    OutputGain,
}

/// One entry of `nonideal`, resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// What it sets.
    pub quantity: Quantity,
    /// Where.
    pub elements: Vec<usize>,
    /// To what.
    pub value: Number,
    /// The value is a factor minus one on what the quantity is otherwise.
    pub relative: bool,
    /// Bounds put on each draw.
    pub clip: (f64, f64),
    /// Part of the value that calibration took away.
    pub corrected: f64,
}

/// One entry of `drift`, resolved: a phase (or gain) added at time t.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// What drifts.
    pub target: DriftTarget,
    /// How.
    pub model: DriftModel,
    /// One process for all elements.
    pub common: bool,
}

/// What a drift acts on.
#[derive(Clone, Debug, PartialEq)]
pub enum DriftTarget {
    /// Phases: indices of parameters over all blocks, in the order of `Circuit::parameters` (trainable or not).
    Phases(Vec<usize>),
    /// Relative gain of outputs.
    OutputGain(Vec<usize>),
}

/// A drift model, closed form in the time step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DriftModel {
    /// Ornstein-Uhlenbeck with stationary standard deviation sigma, started in the stationary state.
    Ou {
        /// Stationary standard deviation.
        sigma: f64,
        /// Correlation time, seconds.
        tau_s: f64,
    },
    /// Random walk, sigma per square root of a second.
    Wiener {
        /// Standard deviation after one second.
        sigma: f64,
    },
    /// rate t.
    Linear {
        /// Per second, drawn per element.
        rate: Number,
    },
    /// amplitude ln(1 + t / t0).
    Log {
        /// Amplitude, drawn per element.
        amplitude: Number,
        /// Seconds.
        t0_s: f64,
    },
}

/// `encoding`.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoding {
    /// How x becomes light.
    pub mode: EncodingMode,
    /// A signed x on unsigned inputs is sent as two vectors, x+ and x-, both counted.
    pub differential: bool,
    /// Input DAC (in units of x), if there is one.
    pub dac: Option<Dac>,
    /// Standard deviation of the noise on an encoded input, relative to its full scale.
    pub noise_std: f64,
    /// Source power, watts; for the energy account and the detector's shot noise.
    pub power_w: f64,
}

/// `encoding.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodingMode {
    /// Real signed field amplitudes.
    Amplitude,
    /// Powers, not negative.
    Intensity,
    /// Complex fields from (re, im) pairs.
    Complex,
}

/// `readout`.
#[derive(Clone, Debug, PartialEq)]
pub struct Readout {
    /// What is read.
    pub mode: ReadoutMode,
    /// Standard deviation of additive noise, relative to full scale or absolute.
    pub noise_std: f64,
    /// `relative_to: full_scale` (true) or `absolute`.
    pub noise_relative: bool,
    /// Bits of the ADC, if there is one.
    pub adc_bits: Option<u32>,
    /// Fixed full scale in output units; None is `range: auto`.
    pub adc_range: Option<f64>,
}

/// `readout.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadoutMode {
    /// Real part of the field.
    CoherentReal,
    /// Imaginary part of the field.
    CoherentImag,
    /// Complex field as (re, im) pairs.
    Coherent,
    /// |field|.
    Amplitude,
    /// |field|^2.
    Intensity,
    /// Difference of two photocurrents: the natural read-out of weight banks and the SLM, linear in x.
    Differential,
}

/// `timing`, seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// Each write.
    pub write_fixed_s: f64,
    /// Each changed parameter.
    pub write_each_s: f64,
    /// Each logical query.
    pub trigger_s: f64,
    /// Each frame.
    pub frame_s: f64,
    /// Vectors per frame.
    pub frame_vectors: u32,
    /// Readings averaged per vector.
    pub averages: u32,
    /// Host time charged per training step.
    pub host_step_s: f64,
}
