//! One device of a network in training: its session, its methods and the optimiser of its parameters.

use super::TrainError;
use crate::session::{DeviceSession, NoiseEstimate, SessionError};
use blackbeam_layers::{Schedule, VectorOptimizer};
use blackbeam_plugin::{
    Ask, Context, CostInputs, Descriptor, Estimator, Factors, Key, Manifest, Matrix, OutcomeKind, PluginError, RSlice,
    Surrogate, needs,
};

/// An estimator or a surrogate with what it says of itself.
pub(super) struct Role<T: ?Sized> {
    pub method: Box<T>,
    pub manifest: Manifest,
}

impl<T: ?Sized> Role<T> {
    pub fn needs(&self, bits: u64) -> bool {
        self.manifest.needs & bits != 0
    }
}

/// What one use of the device has sent and got in this step.
pub(super) struct Seen {
    pub use_index: usize,
    pub x: Matrix,
    pub y: Matrix,
    /// Elements of x that were clipped; empty if none was.
    pub clipped: Vec<bool>,
}

/// A device in training.
pub(super) struct Slot {
    pub name: String,
    pub session: DeviceSession,
    pub descriptor: Descriptor,
    /// Source of the methods' random numbers.
    pub key: Key,
    pub estimator: Option<Role<dyn Estimator>>,
    pub surrogate: Option<Role<dyn Surrogate>>,
    pub optimizer: VectorOptimizer<f64>,
    pub learning_rate: f64,
    pub schedule: Schedule,
    /// Uses of the device in the network, in execution order, with the rows that each sends for one sample.
    pub uses: Vec<(usize, usize)>,
    pub seen: Vec<Seen>,
    /// Norm of the last estimate of the gradient.
    pub gradient_norm: Option<f64>,
    /// The control `exact`: the device's own derivatives in place of estimator and surrogate.
    pub exact: bool,
    /// Cosine between the last estimate of the gradient and the exact one, where it is measured.
    pub gradient_cosine: Option<f64>,
    /// Measured in this step.
    pub surrogate_error: Option<f64>,
    /// Measured last.
    pub last_surrogate_error: Option<f64>,
}

/// Everything of one step that a context may show, stacked over the uses of a device.
pub(super) struct StepArrays {
    pub x: Matrix,
    pub y: Matrix,
    pub cotangent: Matrix,
    pub loss: f64,
    /// R, with its shape.
    pub fim: (Vec<f64>, [usize; 3]),
    pub budget_vectors: f64,
}

impl StepArrays {
    /// What there is before the first step.
    pub fn none() -> Self {
        StepArrays {
            x: Matrix::default(),
            y: Matrix::default(),
            cotangent: Matrix::default(),
            loss: 0.0,
            fim: (Vec::new(), [0, 0, 0]),
            budget_vectors: f64::INFINITY,
        }
    }
}

/// The part of a context that has to be owned while it is borrowed.
pub(super) struct ContextParts {
    pub key: Key,
    pub step: u64,
    pub start: bool,
    params: Vec<f64>,
    previous: Vec<f64>,
    applied: (Vec<f64>, Vec<f64>),
    factors: Factors,
    noise: NoiseEstimate,
    needs: u64,
}

impl ContextParts {
    /// The context that a method sees: only what its manifest asks for.
    pub fn context<'a>(&'a self, descriptor: &'a Descriptor, arrays: &'a StepArrays) -> Context<'a> {
        let none = blackbeam_plugin::ArrayView::empty();
        let wants = |bit: u64| self.needs & bit != 0;
        let view = |m: &'a Matrix, bit: u64| if wants(bit) && !m.is_empty() { m.view() } else { none };
        let factor = |m: &'a Matrix| if m.is_empty() { none } else { m.view() };
        Context {
            key: self.key,
            step: self.step,
            start: self.start,
            descriptor,
            params: RSlice::from_slice(&self.params),
            params_applied: RSlice::from_slice(&self.applied.0),
            previous: RSlice::from_slice(&self.previous),
            previous_applied: RSlice::from_slice(&self.applied.1),
            x: view(&arrays.x, needs::X),
            y: view(&arrays.y, needs::Y),
            cotangent: view(&arrays.cotangent, needs::COTANGENT),
            loss: if wants(needs::LOSS) { arrays.loss } else { 0.0 },
            fim_factor: if wants(needs::FIM_FACTOR) && !arrays.fim.0.is_empty() {
                blackbeam_plugin::ArrayView::new(&arrays.fim.0, &arrays.fim.1)
            } else {
                none
            },
            surrogate_u: factor(&self.factors.u),
            surrogate_s: factor(&self.factors.s),
            surrogate_v: factor(&self.factors.v),
            noise_std: self.noise.std,
            full_scale: self.noise.full_scale,
            budget_vectors: arrays.budget_vectors,
        }
    }
}

impl Slot {
    /// Collects what a method with the given needs sees in this step.
    pub fn context_parts(
        &mut self,
        role: &str,
        step: u64,
        start: bool,
        bits: u64,
    ) -> Result<ContextParts, SessionError> {
        let applied = if bits & needs::APPLIED != 0 {
            let (now, before) = self.session.applied(step)?;
            (now.to_vec(), before.to_vec())
        } else {
            (Vec::new(), Vec::new())
        };
        let factors = match &self.surrogate {
            Some(surrogate) if bits & needs::SURROGATE != 0 => surrogate.method.factors(),
            _ => Factors::default(),
        };
        let key = self.key.named(role);
        Ok(ContextParts {
            key: if start { key } else { key.with(step) },
            step,
            start,
            params: self.session.params().to_vec(),
            previous: self.session.previous().to_vec(),
            applied,
            factors,
            noise: self.session.noise(),
            needs: bits,
        })
    }

    /// Rows that this device gets in a forward pass of `samples` samples.
    pub fn rows(&self, samples: usize) -> usize {
        self.uses.iter().map(|(_, rows)| rows * samples).sum()
    }

    /// Vectors of light that `rows` rows take.
    pub fn vectors(&self, rows: u64) -> u64 {
        rows.saturating_mul(u64::from(self.descriptor.vectors_per_row.max(1)))
    }

    /// The most rows that a step with `samples` samples may send to this device by itself, forward pass included, and how
    /// many losses its estimator may ask for, each of which sends more to the devices behind.
    pub fn step_cost(&self, step: u64, samples: usize) -> (u64, u64) {
        let rows = self.rows(samples);
        let inputs = self.cost_inputs(step, rows);
        let estimator = self.estimator.as_ref().map(|e| e.method.cost(&inputs)).unwrap_or_default();
        let surrogate = self.surrogate.as_ref().map(|s| s.method.cost(&inputs)).unwrap_or_default();
        let own = (rows as u64).saturating_add(estimator.vectors).saturating_add(surrogate.vectors);
        (own, estimator.losses)
    }

    /// Rows that a loss asked for at another device's use `from` sends to this one.
    pub fn rows_behind(&self, from: usize, samples: usize) -> u64 {
        self.uses.iter().filter(|(index, _)| *index > from).map(|(_, rows)| (rows * samples) as u64).sum()
    }

    fn cost_inputs(&self, step: u64, batch: usize) -> CostInputs {
        CostInputs {
            step,
            start: false,
            batch,
            n_params: self.descriptor.n_params(),
            d_in: self.descriptor.input.width,
            d_out: self.descriptor.output.width,
        }
    }

    /// Passes on what the session has seen to a surrogate that subscribes.
    pub fn pass_observations(&mut self) -> Result<(), TrainError> {
        let observations = self.session.take_observations();
        let Some(surrogate) = &mut self.surrogate else { return Ok(()) };
        for seen in &observations {
            surrogate
                .method
                .observe(&seen.params, seen.x.view(), seen.y.view())
                .map_err(|e| TrainError::method("surrogate", &surrogate.manifest, &self.name, e))?;
        }
        Ok(())
    }

    /// Uses an estimator's result.
    pub fn update(&mut self, ask: &Ask, step: u64, total: u64) -> Result<(), TrainError> {
        let n = self.descriptor.n_params();
        let wrong = |found: usize| {
            let message = format!("its result has {found} elements for {n} parameters");
            TrainError::Method {
                role: "estimator",
                method: String::new(),
                device: self.name.clone(),
                error: shape(message),
            }
        };
        if ask.outcome != OutcomeKind::None && ask.values.len() != n {
            return Err(wrong(ask.values.len()));
        }
        if let Some(v) = ask.values.iter().find(|v| !v.is_finite()) {
            return Err(TrainError::Diverged(format!(
                "the estimate for device `{}` holds {v} (step {step})",
                self.name
            )));
        }
        let mut params = self.session.params().to_vec();
        self.gradient_norm = None;
        match ask.outcome {
            OutcomeKind::None => {}
            OutcomeKind::Gradient => {
                self.gradient_norm = Some(ask.values.iter().map(|v| v * v).sum::<f64>().sqrt());
                let rate = self.learning_rate * self.schedule.at(step, total);
                self.optimizer.step(&mut params, &ask.values, rate);
            }
            OutcomeKind::Step => params.iter_mut().zip(ask.values.iter()).for_each(|(p, s)| *p += s),
            OutcomeKind::Parameters => params.copy_from_slice(&ask.values),
        }
        Ok(self.session.set_params(&params)?)
    }
}

fn shape(message: String) -> PluginError {
    PluginError::new(blackbeam_plugin::Code::SHAPE, message)
}
