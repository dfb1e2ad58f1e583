//! One device of a network in training: its session, its methods and the optimiser of its parameters.

use super::TrainError;
use crate::{
    experiment::SentinelConfig,
    session::{DeviceSession, NoiseEstimate, SessionError},
};
use blackbeam_layers::{Schedule, VectorOptimizer};
use blackbeam_plugin::{
    Ask, Context, Cost, CostInputs, Descriptor, Estimator, Factors, Key, Manifest, Matrix, OutcomeKind, PluginError,
    RSlice, Surrogate, needs,
};
use blackbeam_record::RecordHandle;

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
    /// Signal to noise of the last estimate, where the estimator can tell.
    pub gradient_snr: Option<f64>,
    /// What the estimator said of its last step; mostly nothing.
    pub note: String,
    /// The control `exact`: the device's own derivatives in place of estimator and surrogate.
    pub exact: bool,
    /// Cosine between the last estimate of the gradient and the exact one, where it is measured.
    pub gradient_cosine: Option<f64>,
    /// Measured in this step.
    pub surrogate_error: Option<f64>,
    /// Measured last.
    pub last_surrogate_error: Option<f64>,
    /// Sentinels, if there are any.
    pub sentinel: Option<SentinelConfig>,
    /// The log of the device, if it is recorded.
    pub record: Option<RecordHandle>,
}

/// The factor R of the output Fisher information, stacked over the uses of a device.
#[derive(Default)]
pub(super) struct Fim {
    pub values: Vec<f64>,
    /// Rows, outputs of a sample, width of the device's outputs.
    pub shape: [usize; 3],
    /// Makes a curvature of the loss of it.
    pub weight: f64,
}

/// Everything of one step that a context may show, stacked over the uses of a device.
pub(super) struct StepArrays {
    /// As the network sent it.
    pub x: Matrix,
    /// As the device got it: what was clipped stands at the end of the range. Empty if nothing was.
    pub sent: Matrix,
    pub y: Matrix,
    pub cotangent: Matrix,
    pub loss: f64,
    /// R.
    pub fim: Fim,
    pub budget_vectors: f64,
}

impl StepArrays {
    /// What there is before the first step.
    pub fn none() -> Self {
        StepArrays {
            x: Matrix::default(),
            sent: Matrix::default(),
            y: Matrix::default(),
            cotangent: Matrix::default(),
            loss: 0.0,
            fim: Fim::default(),
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
            x: view(if arrays.sent.is_empty() { &arrays.x } else { &arrays.sent }, needs::X),
            y: view(&arrays.y, needs::Y),
            cotangent: view(&arrays.cotangent, needs::COTANGENT),
            loss: if wants(needs::LOSS) { arrays.loss } else { 0.0 },
            fim_factor: if wants(needs::FIM_FACTOR) && !arrays.fim.values.is_empty() {
                blackbeam_plugin::ArrayView::new(&arrays.fim.values, &arrays.fim.shape)
            } else {
                none
            },
            fim_weight: arrays.fim.weight,
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
        let (estimator, surrogate) = self.method_costs(step, samples);
        let own = (self.rows(samples) as u64).saturating_add(estimator.vectors).saturating_add(surrogate.vectors);
        (own, estimator.losses)
    }

    /// What estimator and surrogate say that a step with `samples` samples costs.
    pub fn method_costs(&self, step: u64, samples: usize) -> (Cost, Cost) {
        let inputs = self.cost_inputs(step, self.rows(samples));
        let estimator = self.estimator.as_ref().map(|e| e.method.cost(&inputs)).unwrap_or_default();
        (estimator, self.surrogate.as_ref().map(|s| s.method.cost(&inputs)).unwrap_or_default())
    }

    /// Rows that a loss asked for at another device's use `from` sends to this one.
    pub fn rows_behind(&self, from: usize, samples: usize) -> u64 {
        self.uses.iter().filter(|(index, _)| *index > from).map(|(_, rows)| (rows * samples) as u64).sum()
    }

    /// The most rows that sentinels and what they lead to send after `step` steps.
    pub fn watch_cost(&self, step: u64) -> u64 {
        let Some(config) = self.sentinel.filter(|config| step.is_multiple_of(config.every)) else { return 0 };
        let inputs = CostInputs { start: true, ..self.cost_inputs(step, 0) };
        let surrogate = self.surrogate.as_ref().map(|s| s.method.cost(&inputs).vectors).unwrap_or_default();
        surrogate.saturating_add(3 * config.vectors as u64)
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
        self.gradient_snr = Some(ask.snr).filter(|snr| snr.is_finite() && *snr >= 0.0);
        self.note = ask.note.to_string();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{OutputRule, PhysicalFile, ScaleRule, SessionOptions};
    use blackbeam_layers::{Decay, OptimizerConfig};
    use blackbeam_plugin::{
        Applied, ArrayView, ArrayViewMut, AtRange, Call, Code, Device, Dtype, Energy, Limits, Parameter, ParameterKind,
        Port, Result, Timeouts, Timing,
    };

    /// A device that is only described: three parameters in 0..6, one for each rule at the bounds.
    struct Described;

    impl Device for Described {
        fn descriptor(&self) -> Descriptor {
            let parameter = |at_range| Parameter {
                name: format!("{at_range:?}").into(),
                unit: "".into(),
                min: 0.0,
                max: 6.0,
                initial: 5.0,
                resolution: 0.0,
                period: 0.0,
                kind: ParameterKind::Level,
                at_range,
                group: 0,
                row: 0,
                column: 0,
            };
            let port = Port { width: 1, complex: false, min: -1.0, max: 1.0, bits: 0 };
            Descriptor {
                name: "described".into(),
                firmware: "".into(),
                calibration: "".into(),
                input: port,
                output: port,
                parameters: [AtRange::Clip, AtRange::Wrap, AtRange::Reflect].map(parameter).to_vec().into(),
                dtype: Dtype::F64,
                structure: 0,
                can: 0,
                max_batch: 0,
                vectors_per_row: 1,
                noise: 0.0,
                timing: Timing::default(),
                energy: Energy::default(),
                limits: Limits::default(),
                timeouts: Timeouts::default(),
            }
        }

        fn write_params(&mut self, _: &[f64], _: &Call) -> Result<Applied> {
            Err(PluginError::new(Code::UNSUPPORTED, "it is only described"))
        }

        fn query(&mut self, _: ArrayView<'_>, _: ArrayViewMut<'_>, _: &Call) -> Result<()> {
            Err(PluginError::new(Code::UNSUPPORTED, "it is only described"))
        }
    }

    fn slot(optimizer: OptimizerConfig) -> (Slot, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let (file, _) = PhysicalFile::open(&folder.path().join("ledger.jsonl")).unwrap();
        let options = SessionOptions {
            name: "described".into(),
            run: "main".into(),
            stream: 0,
            max_batch: 0,
            input: ScaleRule::Fixed(1.0),
            output: OutputRule { start: None, rate: 0.0, margin: 1.0 },
            failures: Default::default(),
        };
        let session = DeviceSession::adopt(Box::new(Described), options, file).unwrap();
        let slot = Slot {
            name: "described".into(),
            descriptor: session.descriptor().clone(),
            session,
            key: Key::new(0),
            estimator: None,
            surrogate: None,
            optimizer: VectorOptimizer::new(optimizer, 3),
            learning_rate: optimizer.learning_rate(),
            schedule: Schedule { decay: Decay::Constant, warmup: 0 },
            uses: Vec::new(),
            seen: Vec::new(),
            gradient_norm: None,
            gradient_snr: None,
            note: String::new(),
            exact: false,
            gradient_cosine: None,
            surrogate_error: None,
            last_surrogate_error: None,
            sentinel: None,
            record: None,
        };
        (slot, folder)
    }

    /// Whatever an estimator's result is, and whatever the optimiser, each parameter comes back into its range by its rule.
    #[test]
    fn every_outcome_stays_in_range() {
        let optimizers = [
            OptimizerConfig::Sgd { learning_rate: 1.0, momentum: 0.0, weight_decay: 0.0 },
            OptimizerConfig::Sign { learning_rate: 3.0, momentum: 0.0 },
            OptimizerConfig::ZoAdaMm { learning_rate: 3.0, betas: [0.0, 0.0], epsilon: 1e-12 },
        ];
        let near = |found: &[f64], expected: [f64; 3]| {
            let fine = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9);
            assert!(fine, "{found:?} is not {expected:?}");
        };
        for optimizer in optimizers {
            // From 5 all to 8, then by 9 below what came of it.
            let (mut slot, _folder) = slot(optimizer);
            slot.update(&Ask::gradient(vec![-3.0; 3]), 0, 10).unwrap();
            near(slot.session.params(), [6.0, 2.0, 4.0]);
            assert!((slot.gradient_norm.unwrap() - 27f64.sqrt()).abs() < 1e-12);
            assert_eq!(slot.session.previous(), [5.0; 3]);
            slot.update(&Ask::step(vec![-9.0; 3]), 1, 10).unwrap();
            near(slot.session.params(), [0.0, 5.0, 5.0]);
            assert_eq!(slot.gradient_norm, None);
            slot.update(&Ask::parameters(vec![-1.0; 3]), 2, 10).unwrap();
            near(slot.session.params(), [0.0, 5.0, 1.0]);
            slot.update(&Ask::done(), 3, 10).unwrap();
            near(slot.session.params(), [0.0, 5.0, 1.0]);
        }
    }

    #[test]
    fn what_an_estimator_says_is_of_its_last_step() {
        let (mut slot, _folder) = slot(OptimizerConfig::Sign { learning_rate: 0.1, momentum: 0.0 });
        slot.update(&Ask::gradient(vec![1.0; 3]).with_snr(0.5).with_note("look"), 0, 10).unwrap();
        assert_eq!((slot.gradient_snr, slot.note.as_str()), (Some(0.5), "look"));
        slot.update(&Ask::gradient(vec![1.0; 3]).with_snr(f64::NAN), 1, 10).unwrap();
        assert_eq!((slot.gradient_snr, slot.note.as_str()), (None, ""));
    }
}
