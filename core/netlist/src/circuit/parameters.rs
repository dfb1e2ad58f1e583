//! What can be set, and by what.

use super::{Names, Number};
use std::sync::Arc;

/// What a block's parameters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParameterKind {
    /// Mesh: internal phases.
    Theta,
    /// Mesh: external phases.
    Phi,
    /// Mesh: output phases.
    Gamma,
    /// Bank: ring phases.
    RingPhase,
    /// SLM: pixel phases.
    PixelPhase,
    /// SLM: pixel amplitudes.
    PixelAmplitude,
    /// Weights of a layer.
    Weight,
    /// Phases of a layer.
    WeightPhase,
    /// Settings in radians of primitives or sub-circuits.
    SettingPhase,
    /// Other settings.
    Setting,
}

/// One entry of `parameters` (or a block that the file leaves at its defaults, which comes after those of the file).
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterBlock {
    /// What it sets.
    pub kind: ParameterKind,
    /// Name of each parameter, `U.theta<3.1>`; of the first of its slots, if tied.
    pub names: Names,
    /// Unit, `rad` or empty.
    pub unit: &'static str,
    /// The slots that the parameters set: parameter k sets `slots[ends[k - 1]..ends[k]]`. One each unless tied.
    pub slots: Vec<usize>,
    /// See `slots`.
    pub ends: Vec<usize>,
    /// Places on the grid by which crosstalk measures distances, and (row, column) for the descriptor: one a parameter.
    /// Empty: the program knows (generators).
    pub grid: Vec<[u32; 2]>,
    /// The rows of `grid` are separate instances, such as the rows of a bank: crosstalk stays within a row.
    pub rows_apart: bool,
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
#[derive(Clone, Debug, PartialEq)]
pub enum Init {
    /// The same number, or one draw per parameter.
    Number(Number),
    /// Mesh (thetas of `mzi` cells): each as in a matrix that is Haar-distributed (Russell et al. 2017), by the place of its
    /// cell. The block may hold any part of a mesh's thetas.
    Haar,
    /// Values from a file or a decomposition (`{unitary: file.npy}`), one a parameter.
    Values(Arc<[f64]>),
    /// What the slots hold in the netlist (for a tied parameter: the first of its slots).
    Settings,
    /// Weights: as their layer says.
    Layers,
    /// Rings: parameter k makes its ring resonate on the channel of its column, found on the device, crosstalk included.
    Resonance,
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
    /// The drive is a heater's: crosstalk mixes powers, phi = curve'(K P). Else it mixes the values set.
    pub crosstalk_in_power: bool,
    /// The power of a drive is its square (voltages, currents); else the drive is the power.
    pub drive_squared: bool,
    /// Lag, seconds.
    pub tau_s: f64,
    /// A query sees what has not settled yet. False on an ideal device, whose clock still waits.
    pub lags: bool,
    /// Largest change per second, units of the parameter; infinite if there is no limit.
    pub slew_per_s: f64,
    /// Periodic ripple of the value.
    pub flicker: Option<Flicker>,
    /// Standard deviation of a phase error drawn at every write, radians (`phase_noise_std`).
    pub phase_noise_std: f64,
}

/// `flicker`: amplitude sin(2 pi frequency t + phase), the phase drawn per device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flicker {
    /// Units of the parameter.
    pub amplitude: f64,
    /// Hertz.
    pub frequency_hz: f64,
}

/// A converter: levels between two bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dac {
    /// Number of codes, at least 2; 2^bits for one that is given by its bits.
    pub levels: u32,
    /// Integral non-linearity: standard deviation of the error of a code, in steps, drawn per device, channel and code.
    pub inl_lsb: f64,
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
    /// Measured points (drive, value), both increasing; linear between them.
    Table(Arc<[(f64, f64)]>),
}

/// Crosstalk between the phases of one actuator's blocks: phi = K phi0, K_ij by grid distance.
#[derive(Clone, Debug, PartialEq)]
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
    /// An explicit matrix [n, n] over the parameters that the actuator drives, row-major.
    Matrix(Arc<[f64]>),
}
