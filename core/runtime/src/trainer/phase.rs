//! One run of the network through its training steps: the main run or a control.

use super::{
    TrainError,
    hook::{Hook, Mode, Slots},
    measure::{PROBES, can_measure, cosine, exact_gradient, surrogate_error},
    rounds::{Tail, estimate, stack, update_surrogate},
    slot::{Slot, StepArrays},
    summary::quality,
};
use crate::{experiment::TrainConfig, session::Accounts};
use blackbeam_data::{Augment, Dataset, Part, permutation};
use blackbeam_digital::{DeviceHook, Network, Optimizer, Score, Targets, Trained};
use blackbeam_layers::Loss;
use blackbeam_plugin::{Ask, Key, Matrix, OutcomeKind};
use serde_json::{Map, Value, json};
use std::{sync::Arc, time::Instant};

/// The main run or a control, set up and at some step.
pub(super) struct Phase {
    /// `main` or the control's name.
    pub run: String,
    pub network: Network,
    pub optimizer: Optimizer,
    pub slots: Slots,
    /// Index of the device of each use.
    pub owners: Arc<Vec<usize>>,
    pub data: Arc<Dataset>,
    pub train: TrainConfig,
    pub augment: Option<Augment>,
    pub loss: Loss,
    /// Root of what is drawn in training: order, dropout, augmentation. The same for the main run and its controls.
    pub key: Key,
    pub total: u64,
    pub per_epoch: u64,
    /// Steps made.
    pub step: u64,
    pub host_seconds: f64,
    /// Order of the samples in the epoch that was used last.
    pub order: Option<(u64, Vec<usize>)>,
}

/// What an evaluation found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evaluation {
    pub score: Score,
}

impl Phase {
    /// Has sentinels look for the first time and builds the surrogates. Before step 0.
    pub fn start(&mut self) -> Result<(), TrainError> {
        for slot in self.slots.lock().iter_mut() {
            slot.session.take_reference(0)?;
            update_surrogate(slot, 0, true, &StepArrays::none())?;
        }
        Ok(())
    }

    /// What calibration found, for the metrics.
    pub fn start_row(&self) -> Map<String, Value> {
        let mut row = Map::new();
        row.insert("parameters".into(), json!(self.network.parameter_count()));
        for slot in self.slots.lock().iter() {
            let noise = slot.session.noise();
            row.insert(format!("{}.parameters", slot.name), json!(slot.descriptor.n_params()));
            row.insert(format!("{}.noise_std", slot.name), json!(noise.std));
            row.insert(format!("{}.largest_output", slot.name), json!(noise.full_scale));
            row.insert(format!("{}.ledger", slot.name), json!(slot.session.logical()));
        }
        row
    }

    /// One training step. Returns the row for the metrics.
    pub fn train_step(&mut self, budget_vectors: f64) -> Result<Map<String, Value>, TrainError> {
        let begun = Instant::now();
        let step = self.step;
        let (inputs, wanted) = self.batch(step);
        for slot in self.slots.lock().iter_mut() {
            slot.seen.clear();
        }
        let hook = Arc::new(Hook::new(&self.slots, &self.owners, step, Mode::Train));
        let shared: Arc<dyn DeviceHook> = hook.clone();
        let key = self.key.named("dropout").with(step);
        let pass = self
            .network
            .forward_train(&inputs, wanted.targets(), self.loss, key, &shared)
            .map_err(|e| hook.failure(e))?;
        let trained = pass.backward().map_err(|e| hook.failure(e))?;
        if !trained.score.loss().is_finite() {
            return Err(TrainError::Diverged(format!("the loss of step {step} is {}", trained.score.loss())));
        }
        for slot in self.slots.lock().iter_mut() {
            slot.pass_observations()?;
        }
        self.estimate(&trained, budget_vectors)?;
        let (norm, rate) = self.digital_update(trained.gradients)?;
        self.device_update(&trained.cotangents, trained.score.loss(), budget_vectors)?;
        let row = self.row(&trained.score, norm, rate, begun.elapsed().as_secs_f64());
        self.host_seconds += begun.elapsed().as_secs_f64();
        self.step += 1;
        Ok(row)
    }

    /// Every estimator in turn, all at the parameters of the forward pass; then every device is moved.
    fn estimate(&mut self, trained: &Trained, budget_vectors: f64) -> Result<(), TrainError> {
        let tail = Tail { network: &self.network, trace: &trained.trace, slots: &self.slots, owners: &self.owners };
        let count = self.slots.lock().len();
        let mut results = Vec::with_capacity(count);
        for index in 0..count {
            results.push(estimate(&tail, index, self.step, budget_vectors, trained.score.loss(), &trained.cotangents)?);
        }
        for (slot, result) in self.slots.lock().iter_mut().zip(&mut results) {
            let exact = slot.exact || self.train.diagnostics;
            let oracle = if exact { exact_gradient(slot, self.step, &trained.cotangents)? } else { None };
            slot.gradient_cosine = None;
            if slot.exact {
                *result = oracle.map_or_else(Ask::done, Ask::gradient);
            } else if let Some(oracle) = oracle.filter(|_| result.outcome == OutcomeKind::Gradient) {
                slot.gradient_cosine = cosine(&result.values, &oracle);
            }
            if slot.estimator.is_some() || slot.exact {
                slot.update(result, self.step, self.total)?;
            }
        }
        Ok(())
    }

    fn digital_update(&mut self, mut gradients: blackbeam_digital::Gradients) -> Result<(f64, f64), TrainError> {
        let norm = gradients.clip(self.train.clip_norm.unwrap_or(f64::INFINITY));
        if !norm.is_finite() {
            return Err(TrainError::Diverged(format!("the gradient of step {} is not finite", self.step)));
        }
        let rate = self.train.optimizer.learning_rate() * self.train.schedule.at(self.step, self.total);
        self.network.step(&mut self.optimizer, &gradients, rate);
        Ok((norm, rate))
    }

    /// Surrogates follow the devices; running scales move; the surrogate is measured now and then.
    fn device_update(&mut self, cotangents: &[Matrix], loss: f64, budget_vectors: f64) -> Result<(), TrainError> {
        let measures = self.measures();
        for slot in self.slots.lock().iter_mut() {
            let arrays = stack(slot, cotangents, loss, budget_vectors);
            update_surrogate(slot, self.step, false, &arrays)?;
            slot.session.check_up(self.step)?;
            slot.surrogate_error = None;
            if measures {
                slot.surrogate_error = surrogate_error(slot, self.step)?;
                slot.last_surrogate_error = slot.surrogate_error.or(slot.last_surrogate_error);
            }
        }
        Ok(())
    }

    fn row(&mut self, score: &Score, norm: f64, rate: f64, host: f64) -> Map<String, Value> {
        let mut row = Map::new();
        row.insert("loss".into(), json!(score.loss()));
        let (name, value) = quality(self.loss, score);
        row.insert(name.into(), json!(value));
        row.insert("gradient_norm".into(), json!(norm));
        row.insert("learning_rate".into(), json!(rate));
        for slot in self.slots.lock().iter_mut() {
            let mut put = |name: &str, value: Value| row.insert(format!("{}.{name}", slot.name), value);
            if let Some(norm) = slot.gradient_norm {
                put("gradient_norm", json!(norm));
            }
            if let Some(snr) = slot.gradient_snr {
                put("gradient_snr", json!(snr));
            }
            if let Some(cosine) = slot.gradient_cosine {
                put("gradient_cosine", json!(cosine));
            }
            if let Some(error) = slot.surrogate_error {
                put("surrogate_error", json!(error));
            }
            put("clipped", json!(slot.session.clipped_fraction()));
            put("input_scale", json!(slot.session.input_scale()));
            if let Some(full_scale) = slot.session.full_scale() {
                put("full_scale", json!(full_scale));
            }
            let total = slot.session.logical().total();
            put("vectors", json!(total.vectors));
            put("configurations", json!(total.configurations));
            put("device_seconds", json!(total.device_seconds));
            put("joules", json!(total.joules));
            if let Some(limited) = slot.session.power_limited() {
                put("power_limited", json!(limited));
            }
            if !slot.note.is_empty() {
                put("note", json!(slot.note));
            }
            put_health(slot, &mut row);
        }
        row.insert("host_seconds".into(), json!(host));
        row
    }

    /// What estimators have to say of the step that was made, for a person.
    pub fn notes(&self) -> Vec<String> {
        let slots = self.slots.lock();
        let said = slots.iter().filter(|slot| !slot.note.is_empty());
        said.map(|slot| format!("device `{}`: {}", slot.name, slot.note)).collect()
    }

    /// Ends a step: scales follow, host time passes on the device clocks.
    pub fn end_step(&mut self) -> Result<(), TrainError> {
        for slot in self.slots.lock().iter_mut() {
            slot.session.end_step()?;
        }
        Ok(())
    }

    /// Why the run should be stopped for a person to look at a device, if it should.
    pub fn trouble(&self) -> Option<String> {
        self.slots.lock().iter().find_map(|slot| slot.session.trouble())
    }

    /// The whole test set, by the device.
    pub fn evaluate(&mut self) -> Result<Evaluation, TrainError> {
        let begun = Instant::now();
        let samples = self.data.part(Part::Test).len();
        let mut score = Score::default();
        let indices: Vec<usize> = (0..samples).collect();
        for (number, chunk) in indices.chunks(self.train.batch).enumerate() {
            let mut inputs = vec![0f32; chunk.len() * self.data.width()];
            self.data.batch(Part::Test, chunk, &mut inputs);
            let wanted = self.wanted(Part::Test, chunk);
            let hook = Hook::new(&self.slots, &self.owners, self.step, Mode::Evaluate(number as u32));
            let outputs = self.network.evaluate(&inputs, &hook).map_err(|e| hook.failure(e))?;
            let part = self.network.score(self.loss, &outputs, wanted.targets());
            score.add(&part.map_err(TrainError::Digital)?);
        }
        for slot in self.slots.lock().iter_mut() {
            slot.pass_observations()?;
        }
        self.host_seconds += begun.elapsed().as_secs_f64();
        Ok(Evaluation { score })
    }

    /// Vectors that an evaluation sends.
    pub fn evaluation_vectors(&self) -> u64 {
        let samples = self.data.part(Part::Test).len();
        let slots = self.slots.lock();
        slots.iter().map(|s| s.vectors(s.rows(samples) as u64)).sum()
    }

    /// The logical column, all devices together.
    pub fn logical(&self) -> Accounts {
        let mut all = Accounts::default();
        self.slots.lock().iter().for_each(|slot| all.add(slot.session.logical()));
        all
    }

    /// The physical column of this process, all devices together.
    pub fn physical(&self) -> Accounts {
        let mut all = Accounts::default();
        self.slots.lock().iter().for_each(|slot| all.add(slot.session.physical()));
        all
    }

    /// The most vectors that the training of the next step may cost: forward passes, probes, surrogate updates.
    pub fn next_step_vectors(&self) -> u64 {
        let (slots, samples) = (self.slots.lock(), self.train.batch);
        let mut vectors = 0u64;
        for slot in slots.iter() {
            let (own, losses) = slot.step_cost(self.step, samples);
            vectors = vectors.saturating_add(slot.vectors(own));
            let Some(first) = slot.uses.first().filter(|_| losses > 0).map(|(index, _)| *index) else { continue };
            for other in slots.iter().filter(|other| other.name != slot.name) {
                let behind = losses.saturating_mul(other.rows_behind(first, samples));
                vectors = vectors.saturating_add(other.vectors(behind));
            }
        }
        vectors
    }

    /// The most vectors that the measurements of the next step, and what follows from them, may cost.
    pub fn next_diagnostic_vectors(&self) -> u64 {
        let slots = self.slots.lock();
        let of_slot = |s: &Slot| {
            let probes = if self.measures() && can_measure(s) { PROBES as u64 } else { 0 };
            // forwards and backwards, for the layers before the device and for its parameters
            let exact = 4 * u64::from(s.exact) + 2 * u64::from(self.train.diagnostics);
            let watched = s.watch_cost(self.step + 1);
            s.vectors(probes + exact * s.rows(self.train.batch) as u64 + watched)
        };
        slots.iter().map(of_slot).sum()
    }

    /// True in steps in which surrogates are measured.
    pub fn measures(&self) -> bool {
        let every = self.train.surrogate_error_every;
        every > 0 && self.step.is_multiple_of(every)
    }

    /// The samples of a step: the epoch's order is a keyed permutation, whole batches only.
    fn batch(&mut self, step: u64) -> (Vec<f32>, Wanted) {
        let (epoch, number) = (step / self.per_epoch, (step % self.per_epoch) as usize);
        if self.order.as_ref().is_none_or(|(e, _)| *e != epoch) {
            let n = self.data.part(Part::Train).len();
            self.order = Some((epoch, permutation(self.key.named("order").with(epoch), n)));
        }
        let order = self.order.as_ref().map_or(&[][..], |(_, order)| order);
        let chosen = &order[number * self.train.batch..(number + 1) * self.train.batch];
        let mut inputs = vec![0f32; chosen.len() * self.data.width()];
        match &self.augment {
            Some(augment) => self.data.augmented(chosen, augment, self.key.named("augment").with(epoch), &mut inputs),
            None => self.data.batch(Part::Train, chosen, &mut inputs),
        }
        (inputs, self.wanted(Part::Train, chosen))
    }

    /// What is to be found for some samples, as the loss takes it.
    fn wanted(&self, part: Part, indices: &[usize]) -> Wanted {
        let target = self.data.target();
        let count = indices.len() * target.per_sample();
        if !target.is_classes() {
            let mut values = vec![0f32; count];
            self.data.numbers(part, indices, &mut values);
            return Wanted::Values(values);
        }
        let mut classes = vec![0u32; count];
        self.data.classes(part, indices, &mut classes);
        match self.loss {
            Loss::CrossEntropy => Wanted::Classes(classes),
            Loss::Mse => {
                let width = self.network.output_width();
                let mut values = vec![0f32; classes.len() * width];
                classes.iter().enumerate().for_each(|(i, &class)| values[i * width + class as usize] = 1.0);
                Wanted::Values(values)
            }
        }
    }
}

/// What hardware said of itself in this step, as far as it measures it: no part of what a run reproduces.
fn put_health(slot: &Slot, row: &mut Map<String, Value>) {
    let Some(health) = slot.session.health() else { return };
    let mut put = |name: &str, value: Value| row.insert(format!("host_{}.{name}", slot.name), value);
    if health.temperature_c.is_finite() {
        put("temperature_c", json!(health.temperature_c));
    }
    if !health.ready {
        put("ready", json!(0));
    }
    if health.calibration_stale {
        put("calibration_stale", json!(1));
    }
    let boots = slot.session.tally().boots;
    if boots > 0 {
        put("boots", json!(boots));
    }
}

/// Targets of a batch: a class for each sample (and position), or one number for each output (of classes: 1 for the class, else 0).
enum Wanted {
    Classes(Vec<u32>),
    Values(Vec<f32>),
}

impl Wanted {
    fn targets(&self) -> Targets<'_> {
        match self {
            Wanted::Classes(classes) => Targets::Classes(classes),
            Wanted::Values(values) => Targets::Values(values),
        }
    }
}
