//! Estimators and surrogates: the methods that train around a device without touching it. Both are asked for probes
//! and told the answers; the host sends the probes through the device session.

use crate::{ArrayView, ArrayViewMut, Base, Code, Descriptor, Key, Matrix, ParameterSet, PluginError, Result};
use abi_stable::{
    StableAbi,
    std_types::{RSlice, RString, RVec},
};

/// Which vectors a probe sends.
#[repr(u8)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inputs {
    /// The inputs of the device in this step (`Context::x`).
    Batch = 0,
    /// The probe's own vectors.
    Own = 1,
}

/// Which way light goes.
#[repr(u8)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// From inputs to outputs.
    Forward = 0,
    /// From outputs to inputs (devices with [`can::BACKWARD`](crate::can::BACKWARD)).
    Backward = 1,
}

/// What a probe is answered with.
#[repr(u8)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// The outputs, one row a vector.
    Outputs = 0,
    /// sum over rows and outputs of output x cotangent.
    Scalar = 1,
    /// The loss of the whole network with the probe's parameters in the device (the batch's inputs only).
    Loss = 2,
}

/// One question to the device.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq)]
pub struct Probe {
    /// The parameters it is asked at.
    pub set: ParameterSet,
    /// Which vectors are sent.
    pub inputs: Inputs,
    /// The probe's own vectors, one a row; empty for the batch.
    pub own: Matrix,
    /// Which way they are sent.
    pub way: Way,
    /// What is wanted.
    pub want: Want,
    /// Cotangent for `Want::Scalar`, of the shape of the outputs; empty for the context's.
    pub cotangent: Matrix,
    /// The answer names the applied parameters.
    pub want_applied: bool,
}

impl Probe {
    /// The step's batch at `set`.
    pub fn batch(set: ParameterSet, want: Want) -> Self {
        Probe {
            set,
            inputs: Inputs::Batch,
            own: Matrix::default(),
            way: Way::Forward,
            want,
            cotangent: Matrix::default(),
            want_applied: false,
        }
    }

    /// Own vectors (rows of `own`) at `set`; the outputs are wanted.
    pub fn own(set: ParameterSet, own: Matrix) -> Self {
        Probe { inputs: Inputs::Own, own, ..Self::batch(set, Want::Outputs) }
    }

    /// Own vectors at the parameters as they are.
    pub fn now(own: Matrix) -> Self {
        Self::own(ParameterSet::base(Base::Current), own)
    }
}

/// Answer to one probe.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq, Default)]
pub struct Answer {
    /// For `Want::Outputs`.
    pub outputs: Matrix,
    /// For `Want::Scalar` and `Want::Loss`.
    pub scalar: f64,
    /// Applied parameters, if the probe wanted them.
    pub applied: RVec<f64>,
}

/// How an estimator's result is used.
#[repr(u8)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutcomeKind {
    /// Nothing is updated in this step. What a surrogate always ends with.
    None = 0,
    /// An estimate of dL/dw for the device's optimiser.
    Gradient = 1,
    /// A difference that is added to the parameters; the optimiser is bypassed.
    Step = 2,
    /// New parameters; the optimiser is bypassed.
    Parameters = 3,
}

/// Answer of a method to `ask`.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq)]
pub struct Ask {
    /// Probes to be answered next; if there are none the method is done with this step.
    pub probes: RVec<Probe>,
    /// What the result is, when done.
    pub outcome: OutcomeKind,
    /// The result, length n_params (empty for `None`).
    pub values: RVec<f64>,
    /// Estimators, when done: signal to noise of the result, |E g| / sqrt(E |g - E g|^2) as far as the method can tell from
    /// its own answers; negative if it cannot. The host writes it to the metrics as `gradient_snr`.
    pub snr: f64,
    /// What a person should know of this step, such as a switch of methods; empty if nothing. The host logs it.
    pub note: RString,
}

impl Ask {
    /// These probes, please.
    pub fn probes(probes: Vec<Probe>) -> Self {
        Self::result(OutcomeKind::None, Vec::new()).with_probes(probes)
    }

    /// Done, nothing to report.
    pub fn done() -> Self {
        Self::probes(Vec::new())
    }

    /// Done, with a gradient.
    pub fn gradient(values: Vec<f64>) -> Self {
        Self::result(OutcomeKind::Gradient, values)
    }

    /// Done, with a difference.
    pub fn step(values: Vec<f64>) -> Self {
        Self::result(OutcomeKind::Step, values)
    }

    /// Done, with new parameters.
    pub fn parameters(values: Vec<f64>) -> Self {
        Self::result(OutcomeKind::Parameters, values)
    }

    /// The same with the signal to noise of the result; what is not a finite number of at least 0 is left out.
    pub fn with_snr(mut self, snr: f64) -> Self {
        self.snr = if snr.is_finite() && snr >= 0.0 { snr } else { -1.0 };
        self
    }

    /// The same with something to be logged.
    pub fn with_note(mut self, note: impl Into<RString>) -> Self {
        self.note = note.into();
        self
    }

    fn result(outcome: OutcomeKind, values: Vec<f64>) -> Self {
        Ask { probes: RVec::new(), outcome, values: values.into(), snr: -1.0, note: RString::new() }
    }

    fn with_probes(mut self, probes: Vec<Probe>) -> Self {
        self.probes = probes.into();
        self
    }
}

/// Bits of [`Manifest::needs`](crate::Manifest): the parts of the context that a method uses; the host computes
/// only those.
pub mod needs {
    /// `Context::x`.
    pub const X: u64 = 1;
    /// `Context::y`.
    pub const Y: u64 = 2;
    /// `Context::cotangent`.
    pub const COTANGENT: u64 = 4;
    /// `Context::loss`.
    pub const LOSS: u64 = 8;
    /// `Context::params_applied` and `Context::previous_applied`.
    pub const APPLIED: u64 = 16;
    /// `Context::fim_factor`.
    pub const FIM_FACTOR: u64 = 32;
    /// `Context::surrogate_*`.
    pub const SURROGATE: u64 = 64;
    /// Surrogates: [`Surrogate::observe`](super::Surrogate::observe) is called with every (parameters, x, y).
    pub const OBSERVE: u64 = 128;
}

/// What the host lets a method see. Arrays that the method's manifest does not ask for are empty.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct Context<'a> {
    /// Source of this method's random numbers in this step: it depends on the run's seed, the device, the method's role
    /// and the step.
    pub key: Key,
    /// Training step; the surrogate's first build comes before step 0 with `start` set.
    pub step: u64,
    /// True for a surrogate's first build.
    pub start: bool,
    /// What the device is.
    pub descriptor: &'a Descriptor,
    /// Parameters asked of the device now, length n_params.
    pub params: RSlice<'a, f64>,
    /// What was really applied of them.
    pub params_applied: RSlice<'a, f64>,
    /// Parameters asked before the last update.
    pub previous: RSlice<'a, f64>,
    /// What was really applied of them.
    pub previous_applied: RSlice<'a, f64>,
    /// Inputs [batch, d_in] of the device in this step, in the network's units; the rows of all its uses, one use after
    /// the other. What was beyond the device's range stands at its end, as the device got it.
    pub x: ArrayView<'a>,
    /// Outputs [batch, d_out] for them.
    pub y: ArrayView<'a>,
    /// dL/dy [batch, d_out].
    pub cotangent: ArrayView<'a>,
    /// Loss of the step.
    pub loss: f64,
    /// R [rows, k, width] with R^T R the output Fisher information of each row: `width` outputs, which are all d_out of them, or,
    /// where the outputs of a vector are positions that the loss takes one by one, those of a position.
    pub fim_factor: ArrayView<'a>,
    /// What makes a curvature of the loss of it: with J_b the Jacobian of row b of the outputs, the Gauss-Newton matrix of the
    /// step's loss is fim_weight sum_b J_b^T R_b^T R_b J_b. 1 over the number of samples (and positions) for cross-entropy,
    /// 2 over that of all outputs for mean squares; 0 without `fim_factor`.
    pub fim_weight: f64,
    /// The surrogate's factors: U [d_out, r].
    pub surrogate_u: ArrayView<'a>,
    /// S [r, r].
    pub surrogate_s: ArrayView<'a>,
    /// V [d_in, r].
    pub surrogate_v: ArrayView<'a>,
    /// Estimated standard deviation of the noise on one output, in output units; 0 if there is none.
    pub noise_std: f64,
    /// The largest output seen in calibration, in output units: what `noise_std` is to be compared with.
    pub full_scale: f64,
    /// Vectors that the training budget still allows; +inf without a budget.
    pub budget_vectors: f64,
}

/// What a step of a method costs at most.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Default)]
pub struct Cost {
    /// Input vectors sent through the device.
    pub vectors: u64,
    /// Configurations of the device's parameters.
    pub configurations: u64,
    /// How many of the probes want the loss ([`Want::Loss`]): the host adds what devices further on are sent for them.
    pub losses: u64,
}

/// What the cost of a method depends on.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq)]
pub struct CostInputs {
    /// Training step.
    pub step: u64,
    /// True for a surrogate's first build.
    pub start: bool,
    /// Rows of `Context::x`.
    pub batch: usize,
    /// Number of parameters.
    pub n_params: usize,
    /// Inputs.
    pub d_in: usize,
    /// Outputs.
    pub d_out: usize,
}

/// Estimates how the device's parameters should change from queries alone.
pub trait Estimator: Send {
    /// The next probes of this step, or its result. Called again after `tell` until it has no probes.
    ///
    /// # Errors
    /// If the method cannot go on; the run stops with a checkpoint.
    fn ask(&mut self, context: &Context<'_>) -> Result<Ask>;

    /// Answers to the probes of the last `ask`, in their order.
    ///
    /// # Errors
    /// As `ask`.
    fn tell(&mut self, context: &Context<'_>, answers: &[Answer]) -> Result<()>;

    /// The most that one step may cost: a step that the budget does not cover is not begun.
    fn cost(&self, inputs: &CostInputs) -> Cost;

    /// State between steps, for checkpoints.
    ///
    /// # Errors
    /// If it cannot be written.
    fn save(&self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// Takes back what `save` gave.
    ///
    /// # Errors
    /// `BAD_STATE` if the bytes are not such a state.
    fn restore(&mut self, state: &[u8]) -> Result<()> {
        no_state(state)
    }
}

/// Factors of a linear surrogate, y = U S V^T x; empty where a surrogate has none.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq, Default)]
pub struct Factors {
    /// U [d_out, r].
    pub u: Matrix,
    /// S [r, r].
    pub s: Matrix,
    /// V [d_in, r].
    pub v: Matrix,
}

impl Factors {
    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.u.is_empty()
    }
}

/// Carries the gradient through the device to the layers before it.
pub trait Surrogate: Send {
    /// The next probes of this update (or of the first build, `context.start`), or `Ask::done()`.
    ///
    /// # Errors
    /// If the method cannot go on; the run stops with a checkpoint.
    fn ask(&mut self, context: &Context<'_>) -> Result<Ask>;

    /// Answers to the probes of the last `ask`, in their order.
    ///
    /// # Errors
    /// As `ask`.
    fn tell(&mut self, context: &Context<'_>, answers: &[Answer]) -> Result<()>;

    /// dL/dx [batch, d_in] from x [batch, d_in] and dL/dy [batch, d_out]; fills `grad_x`.
    ///
    /// # Errors
    /// `SHAPE` if the arrays do not fit; `NOT_READY` before the first build.
    fn backward(&self, x: ArrayView<'_>, grad_y: ArrayView<'_>, grad_x: ArrayViewMut<'_>) -> Result<()>;

    /// The factors of a linear surrogate; empty if it has none.
    fn factors(&self) -> Factors {
        Factors::default()
    }

    /// What the session has seen: outputs `y` for inputs `x` at parameters `params`. Called if the manifest has
    /// [`needs::OBSERVE`].
    ///
    /// # Errors
    /// As `ask`.
    fn observe(&mut self, params: &[f64], x: ArrayView<'_>, y: ArrayView<'_>) -> Result<()> {
        let _ = (params, x, y);
        Ok(())
    }

    /// The most that one update may cost.
    fn cost(&self, inputs: &CostInputs) -> Cost;

    /// State between steps, for checkpoints.
    ///
    /// # Errors
    /// If it cannot be written.
    fn save(&self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// Takes back what `save` gave.
    ///
    /// # Errors
    /// `BAD_STATE` if the bytes are not such a state.
    fn restore(&mut self, state: &[u8]) -> Result<()> {
        no_state(state)
    }
}

fn no_state(state: &[u8]) -> Result<()> {
    if state.is_empty() { Ok(()) } else { Err(PluginError::new(Code::BAD_STATE, "this method has no state")) }
}
