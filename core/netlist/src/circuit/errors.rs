//! What is wrong with a device: non-idealities, drift, events.

use super::{Element, Number};

/// A physical quantity with one element per place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// The slot itself is given this value (primitives and sub-circuits); element = slot of the instance, but see
    /// [`Rule::slots`].
    Slot,
    /// Static error added to a slot (phases of generators and of primitives), rad; see [`Rule::slots`].
    Offset,
    /// Error of a coupler's angle, rad. Mesh: element = cell * couplers + coupler. `coupler_ideal`: element 0; the setting
    /// `coupling` becomes sin^2(asin(sqrt(coupling)) + error), after the rules and parameters that set it.
    SplitAngle,
    /// Mesh: loss of a whole cell (both outputs), dB; element = cell.
    CellLoss,
    /// Mesh: loss of one arm of a cell, dB; element = 2 cell + arm.
    ArmLoss,
    /// Mesh: error of the lower arm's phase, rad; element = cell. (That of the upper arm is the `Offset` of theta.)
    ArmPhase,
    /// Generators: loss of an input port, dB; element = port.
    InputLoss,
    /// Generators: loss of an output port, dB; element = port.
    OutputLoss,
    /// Primitives and imports: extra loss of every path through the instance, dB; element 0.
    ExtraLoss,
    /// Primitives and imports: extra phase of every path through the instance, rad; element 0.
    ExtraPhase,
    /// Primitives and imports: back-reflection at every port, as power in dB (negative; -inf: none): each port gets a
    /// lossless partial mirror; element 0.
    Reflection,
    /// Primitives: backscatter, amplitude r of a lossless partial mirror in its first port; element 0.
    Backscatter,
    /// Bank: ring round-trip amplitude; element = ring.
    RingA,
    /// Bank: ring self-coupling; element = ring.
    RingR,
    /// Bank: backscatter of a ring (amplitude per round trip; splits the resonance); element = ring.
    RingBackscatter,
    /// SLM: unmodulated part of the light, as amplitude; element 0.
    ZeroOrder,
    /// SLM: wavefront error, rad rms of one Zernike polynomial over the circle around the plane; element = Noll index.
    Zernike,
    /// Lens, camera: sideways shift, um; element 0: along columns, 1: along rows.
    Misalign,
    /// Gain of an output (fixed-pattern); element = position in y, counted in what is read (port, row of a generator, camera
    /// bin, pair) before complex values become two numbers. Instance 0.
    OutputGain,
    /// Gain of an input; element = position in x, counted likewise. Instance 0.
    InputGain,
}

/// One entry of `nonideal`, resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// What it sets.
    pub quantity: Quantity,
    /// Where; empty for `Slot` and `Offset`.
    pub elements: Vec<Element>,
    /// Where, for `Slot` and `Offset`: indices into `Circuit::slots`.
    pub slots: Vec<usize>,
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
    /// Value added to slots (indices into `Circuit::slots`), times `factor` (temperature: dphi/dT, rad/K).
    Slots {
        /// Which.
        slots: Vec<usize>,
        /// Value of a slot per unit of the process.
        factor: f64,
    },
    /// Relative gain of outputs, by position in y.
    OutputGain(Vec<usize>),
    /// Relative power of the source.
    Source,
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
    /// (1 + t / t0)^-nu, as a factor on the value of the slot or the gain (PCM cells).
    Power {
        /// Exponent, drawn per element.
        nu: Number,
        /// Seconds.
        t0_s: f64,
    },
    /// amplitude sin(2 pi f t + phase), the phase drawn per element.
    Sinusoid {
        /// Amplitude, drawn per element.
        amplitude: Number,
        /// Hertz.
        frequency_hz: f64,
    },
}

/// One entry of `events`: something abrupt.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What happens.
    pub what: EventKind,
    /// When.
    pub when: When,
    /// How long it lasts, seconds; infinite if it stays, 0 if it is over at once.
    pub duration_s: f64,
}

/// What an event does.
#[derive(Clone, Debug, PartialEq)]
pub enum EventKind {
    /// The laser relocks: all slots named jump by a normal number of this standard deviation.
    Relock {
        /// Slots.
        slots: Vec<usize>,
        /// Standard deviation.
        sigma: f64,
    },
    /// The laser hops by one mode: the wavelength shifts by this much, um.
    ModeHop {
        /// um.
        shift_um: f64,
    },
    /// Outputs (positions in y) read full scale.
    HotPixel(Vec<usize>),
    /// Outputs (positions in y) read nothing.
    DeadChannel(Vec<usize>),
    /// Parameters (indices over all blocks) stay at the code they have.
    StuckDac(Vec<usize>),
    /// One reading of each vector, chosen at random, gets a normal error of this standard deviation relative to full scale.
    AdcGlitch {
        /// Relative to full scale.
        sigma: f64,
    },
    /// The device forgets its parameters: they return to their initial values until the next write.
    StateLost,
    /// The answer of a query belongs to another one: vector k gets the answer of vector k - 1.
    FrameSlip,
}

/// When events happen.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// At these times, seconds.
    At(Vec<f64>),
    /// At random, this many per second.
    Poisson(f64),
}
