//! A simulated device.

use crate::{
    chain::{detector::Detection, drift::Drifts, events::Events, lag::Configured},
    descriptor,
    explain::Explanation,
    keys::same_call,
    memory::Memory,
    model::{Instant, Medium, Model, Query, Workspace},
    slots::Moved,
};
use blackbeam_netlist::circuit::Circuit;
use blackbeam_plugin::{
    Applied, ArrayView, ArrayViewMut, Call, Code, Descriptor, Device, Form, Matrix, ParameterSet, PluginError, Purpose,
    Result, can,
};
use rayon::{ThreadPool, ThreadPoolBuilder, prelude::*};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Rows that are worth a thread of their own.
const ROWS_PER_TASK: usize = 64;

/// What a simulator has really done, counted by itself.
#[derive(Debug, Default)]
pub struct Counters {
    vectors: AtomicU64,
    configurations: AtomicU64,
}

impl Counters {
    /// Vectors of light sent: rows of queries, twice where a row takes two vectors, and d_in for each reading of the
    /// matrix.
    pub fn vectors(&self) -> u64 {
        self.vectors.load(Ordering::Relaxed)
    }

    /// Configurations programmed, the initial one not among them.
    pub fn configurations(&self) -> u64 {
        self.configurations.load(Ordering::Relaxed)
    }
}

/// A simulated device: pure functions of (circuit, seed, parameters written, identity of the call, time), with the same
/// bits for any number of threads and any splitting of batches.
pub struct Simulator {
    pub(crate) model: Model,
    pub(crate) drifts: Drifts,
    pub(crate) events: Events,
    /// Without its parameters.
    descriptor: Descriptor,
    pub(crate) memory: Memory,
    /// What light meets in what is held, at a time.
    current: Option<Current>,
    full_scale: f64,
    /// The row that a slipped batch begins with: the last one sent by a call.
    last_row: Option<(Call, Vec<f64>)>,
    pool: Option<ThreadPool>,
    counters: Arc<Counters>,
}

struct Current {
    medium: Medium,
    instant: Instant,
}

impl Simulator {
    /// Compiles a circuit and programs its initial values. `seed` decides all that is random; `threads` (0 counts as 1)
    /// answer at the same time.
    ///
    /// # Errors
    /// `SETTINGS` for a circuit that contradicts itself or has no `encoding`; `IO` if threads cannot be started.
    pub fn open(circuit: &Circuit, seed: u64, threads: usize) -> Result<Self> {
        let model = Model::new(circuit, seed)?;
        let outputs = model.detector.outputs();
        let drifts = Drifts::new(circuit, seed, &model.places, outputs)?;
        let events = Events::new(circuit, seed, model.parameters.len(), outputs)?;
        let descriptor = descriptor::describe(circuit, &model, drifts.of_gains());
        let pool = if threads > 1 {
            let builder = ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("optics-{i}"));
            let failed = |e| PluginError::new(Code::IO, format!("{threads} threads cannot be started: {e}"));
            Some(builder.build().map_err(failed)?)
        } else {
            None
        };
        let memory = Memory::new(&model, &events)?;
        let full_scale = model.detector.full_scale();
        let counters = Arc::default();
        Ok(Simulator {
            model,
            drifts,
            events,
            descriptor,
            memory,
            current: None,
            full_scale,
            last_row: None,
            pool,
            counters,
        })
    }

    /// What was compiled and what is in force, `circuit` being what this was opened with.
    ///
    /// # Errors
    /// `NONFINITE` where light has no steady state.
    pub fn explain(&self, circuit: &Circuit) -> Result<Explanation> {
        Explanation::of_device(circuit, &self.model, &self.events)
    }

    /// What this simulator counts, readable while a session owns it.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// What the device is at the time of a call.
    pub(crate) fn instant(&mut self, call: &Call) -> Result<Instant> {
        if !call.time_s.is_finite() {
            return Err(PluginError::new(Code::RANGE, format!("the time of a call is {}", call.time_s)));
        }
        let slots = self.model.slots.len();
        let moves = self.drifts.of_slots() || self.events.of_slots();
        let mut moved = Moved {
            added: vec![0.0; if moves { slots } else { 0 }],
            factor: vec![1.0; if self.drifts.scales() { slots } else { 0 }],
        };
        let (mut gain, mut source) = (self.model.gain.clone(), 1.0);
        self.drifts.add(call.time_s, &mut moved, &mut gain, &mut source);
        let matter = self.events.at(call.time_s, &self.model.places, &mut moved);
        Ok(Instant { time_s: call.time_s, moved, gain, source: source.max(0.0), matter })
    }

    /// Makes `current` that of what is held, at the time of a call.
    fn settle(&mut self, call: &Call) -> Result<&Current> {
        let fresh = self.current.take().filter(|c| c.instant.time_s == call.time_s);
        let current = match fresh {
            Some(current) => current,
            None => {
                let instant = self.instant(call)?;
                let held = self.memory.held(&self.events, call.time_s);
                let medium = self.model.medium(held, &instant, &mut Workspace::default())?;
                Current { medium, instant }
            }
        };
        Ok(self.current.insert(current))
    }

    fn count(&self, configurations: usize, rows: usize) {
        let vectors = rows as u64 * u64::from(self.descriptor.vectors_per_row);
        self.counters.configurations.fetch_add(configurations as u64, Ordering::Relaxed);
        self.counters.vectors.fetch_add(vectors, Ordering::Relaxed);
    }

    /// The rows that are answered: those of x, or each the one before it where frames have slipped. The first row of a logical
    /// batch then is dark; parts of a batch are to be sent in order.
    fn slipped(&self, x: &[f64], width: usize, call: &Call) -> Vec<f64> {
        let known =
            self.last_row.as_ref().filter(|(last, _)| same_call(last, call) && last.first_row == call.first_row);
        let mut rows = known.map_or_else(|| vec![0.0; width], |(_, row)| row.clone());
        rows.extend_from_slice(&x[..x.len().saturating_sub(width)]);
        rows.truncate(x.len());
        rows
    }

    /// One batch through what is held.
    fn ask(&mut self, x: &[f64], y: &mut [f64], call: &Call, backward: bool) -> Result<()> {
        self.settle(call)?;
        let current = self.current.as_ref().expect("settled above");
        let backwards = match (&current.medium, backward) {
            (Medium::Matrix(transfer), true) => Some(Medium::Matrix(transfer.transposed())),
            _ => None,
        };
        let (key, keys) = (self.model.detector.key(call), self.model.encoder.keys(call));
        let query = Query {
            medium: backwards.as_ref().unwrap_or(&current.medium),
            detection: Detection {
                key: if backward { key.named("backward") } else { key },
                full_scale: self.full_scale,
                gain: &current.instant.gain,
                source: current.instant.source,
                matter: &current.instant.matter,
            },
            keys: if backward { keys.backward() } else { keys },
            backward,
        };
        let (inputs, width) = if backward {
            (self.descriptor.output.width, self.descriptor.input.width)
        } else {
            (self.descriptor.input.width, self.descriptor.output.width)
        };
        let rows = x.len() / inputs;
        let slip = current.instant.matter.slipped && !backward;
        let shifted = if slip { self.slipped(x, inputs, call) } else { Vec::new() };
        let sent = if slip { &shifted[..] } else { x };
        let model = &self.model;
        match &self.pool {
            Some(pool) if rows > ROWS_PER_TASK => pool.install(|| {
                let parts = sent.par_chunks(ROWS_PER_TASK * inputs).zip(y.par_chunks_mut(ROWS_PER_TASK * width));
                let answer = |work: &mut Workspace, (i, (x, y)): (usize, (&[f64], &mut [f64]))| {
                    model.answer(query, x, call.first_row + (i * ROWS_PER_TASK) as u64, y, work)
                };
                parts.enumerate().map_init(Workspace::default, answer).collect::<Result<()>>()
            })?,
            _ => model.answer(query, sent, call.first_row, y, &mut Workspace::default())?,
        }
        if slip && rows > 0 {
            let next = Call { first_row: call.first_row + rows as u64, ..*call };
            self.last_row = Some((next, x[x.len() - inputs..].to_vec()));
        }
        self.count(0, rows);
        Ok(())
    }

    /// One configuration of several, by itself.
    fn one(&self, set: &Set<'_>, x: &[f64], y: &mut [f64], work: &mut Workspace) -> Result<()> {
        let lost = self.events.lost(set.configured.call.time_s, set.call.time_s);
        let configured = if lost { self.memory.initial() } else { &set.configured };
        let medium = self.model.medium(configured, &set.instant, work)?;
        let query = Query {
            medium: &medium,
            detection: Detection {
                key: self.model.detector.key(set.call),
                full_scale: self.full_scale,
                gain: &set.instant.gain,
                source: set.instant.source,
                matter: &set.instant.matter,
            },
            keys: self.model.encoder.keys(set.call),
            backward: false,
        };
        let shifted;
        let sent = if set.instant.matter.slipped {
            shifted = self.slipped(x, self.descriptor.input.width, set.call);
            &shifted[..]
        } else {
            x
        };
        self.model.answer(query, sent, set.call.first_row, y, work)
    }

    /// Configurations of several writes, in their order.
    fn write_all(&mut self, writes: &[(Vec<f64>, &Call)]) -> Result<Vec<Configured>> {
        let (model, memory) = (&self.model, &mut self.memory);
        if memory.remembers() {
            return writes.iter().map(|(params, call)| memory.write(model, &self.events, params, call)).collect();
        }
        let each = |(params, call): &(Vec<f64>, &Call)| Memory::fresh(model, params, call);
        match &self.pool {
            Some(pool) => pool.install(|| writes.par_iter().map(each).collect()),
            None => writes.iter().map(each).collect(),
        }
    }
}

/// Identity of the write of the initial values.
pub(crate) const OPENING: Call = Call {
    stream: 0,
    step: 0,
    purpose: Purpose::Calibration,
    round: u32::MAX,
    set: u32::MAX,
    first_row: 0,
    time_s: 0.0,
};

/// One configuration of a call of several.
struct Set<'a> {
    call: &'a Call,
    configured: Configured,
    instant: Instant,
}

impl Device for Simulator {
    fn descriptor(&self) -> Descriptor {
        Descriptor { parameters: descriptor::named(&self.model).into(), ..self.descriptor.clone() }
    }

    fn write_params(&mut self, params: &[f64], call: &Call) -> Result<Applied> {
        let written = self.write_all(&[(params.to_vec(), call)])?;
        let values = self.model.trainable.iter().map(|&i| written[0].applied[i]).collect();
        self.memory.hold(written.into_iter().next_back());
        self.current = None;
        self.count(1, 0);
        Ok(Applied { values })
    }

    fn query(&mut self, x: ArrayView<'_>, mut y: ArrayViewMut<'_>, call: &Call) -> Result<()> {
        let widths = (self.descriptor.input.width, self.descriptor.output.width);
        let x = inputs(&x, widths.0)?;
        let y = outputs(&mut y, &[x.len() / widths.0, widths.1])?;
        self.ask(x, y, call, false)
    }

    fn query_sets(
        &mut self,
        bases: [&[f64]; 2],
        sets: &[ParameterSet],
        calls: &[Call],
        x: ArrayView<'_>,
        mut y: ArrayViewMut<'_>,
        want_applied: bool,
    ) -> Result<Vec<Applied>> {
        let (d_in, d_out) = (self.descriptor.input.width, self.descriptor.output.width);
        if calls.len() != sets.len() {
            let message = format!("{} parameter sets with {} identities", sets.len(), calls.len());
            return Err(PluginError::new(Code::SHAPE, message));
        }
        let x = inputs(&x, d_in)?;
        let rows = x.len() / d_in;
        let y = outputs(&mut y, &[sets.len(), rows, d_out])?;
        let mut writes = Vec::with_capacity(sets.len());
        for (set, call) in sets.iter().zip(calls) {
            let mut params = bases[set.base as usize].to_vec();
            if set.form == Form::Dense {
                params.resize(self.model.trainable.len(), 0.0);
            }
            set.expand(&mut params)?;
            writes.push((params, call));
        }
        let written = self.write_all(&writes)?;
        let mut asked = Vec::with_capacity(sets.len());
        for (configured, call) in written.into_iter().zip(calls) {
            // In the order of the clock, so that each drift only moves a little.
            asked.push(Set { call, configured, instant: self.instant(call)? });
        }
        let mut answers: Vec<&mut [f64]> = Vec::with_capacity(sets.len());
        let mut rest = y;
        for _ in sets {
            let (answer, later) = rest.split_at_mut(rows * d_out);
            answers.push(answer);
            rest = later;
        }
        let this = &*self;
        let done: Result<()> = match &self.pool {
            Some(pool) => pool.install(|| {
                let sets = asked.par_iter().zip(answers);
                sets.map_init(Workspace::default, |work, (set, y)| this.one(set, x, y, work)).collect()
            }),
            None => {
                let mut work = Workspace::default();
                asked.iter().zip(answers).try_for_each(|(set, y)| this.one(set, x, y, &mut work))
            }
        };
        done?;
        self.count(sets.len(), sets.len() * rows);
        let trainable = &self.model.trainable;
        let applied =
            |set: &Set<'_>| Applied { values: trainable.iter().map(|&i| set.configured.applied[i]).collect() };
        let report = if want_applied { asked.iter().map(applied).collect() } else { Vec::new() };
        if let Some(last) = asked.pop() {
            if last.instant.matter.slipped && rows > 0 {
                let next = Call { first_row: last.call.first_row + rows as u64, ..*last.call };
                self.last_row = Some((next, x[x.len() - d_in..].to_vec()));
            }
            self.memory.hold(Some(last.configured));
            self.current = None;
        }
        Ok(report)
    }

    fn query_backward(&mut self, y: ArrayView<'_>, mut x: ArrayViewMut<'_>, call: &Call) -> Result<()> {
        if !self.descriptor.can(can::BACKWARD) {
            let message = "light cannot be sent backwards through a device that is not linear or not real";
            return Err(PluginError::new(Code::UNSUPPORTED, message));
        }
        let widths = (self.descriptor.output.width, self.descriptor.input.width);
        let y = inputs(&y, widths.0)?;
        let x = outputs(&mut x, &[y.len() / widths.0, widths.1])?;
        self.ask(y, x, call, true)
    }

    fn read_matrix(&mut self, call: &Call) -> Result<Matrix> {
        if !self.descriptor.can(can::READ_MATRIX) {
            return Err(PluginError::new(Code::UNSUPPORTED, "a device that is not linear has no matrix"));
        }
        let d_in = self.descriptor.input.width;
        self.settle(call)?;
        let current = self.current.as_ref().expect("settled above");
        let Medium::Matrix(transfer) = &current.medium else {
            return Err(PluginError::new(Code::UNSUPPORTED, "a device that is not linear has no matrix"));
        };
        let matrix = self.model.matrix(transfer, &current.instant);
        self.counters.vectors.fetch_add(d_in as u64, Ordering::Relaxed);
        Ok(matrix)
    }

    fn exact_vjp(
        &mut self,
        x: ArrayView<'_>,
        dy: ArrayView<'_>,
        mut dx: ArrayViewMut<'_>,
        dparams: &mut [f64],
        call: &Call,
    ) -> Result<()> {
        let (d_in, d_out) = (self.descriptor.input.width, self.descriptor.output.width);
        let (x, dy) = (inputs(&x, d_in)?, inputs(&dy, d_out)?);
        if x.len() / d_in != dy.len() / d_out || dparams.len() != self.model.trainable.len() {
            let message = format!(
                "{} inputs, {} cotangents and room for {} derivatives; the device has {} parameters",
                x.len() / d_in,
                dy.len() / d_out,
                dparams.len(),
                self.model.trainable.len()
            );
            return Err(PluginError::new(Code::SHAPE, message));
        }
        let dx = outputs(&mut dx, &[x.len() / d_in, d_in])?;
        let instant = self.instant(call)?;
        let applied = self.memory.held(&self.events, call.time_s).applied.clone();
        let gradient = self.model.vjp(&applied, &instant, (x, dy), dx)?;
        dparams.iter_mut().zip(&self.model.trainable).for_each(|(d, &i)| *d = gradient[i]);
        Ok(())
    }

    fn save_state(&self) -> Result<Vec<u8>> {
        Ok(self.memory.save())
    }

    fn restore_state(&mut self, state: &[u8]) -> Result<()> {
        self.current = None;
        self.memory.restore(state)
    }

    fn read_params(&mut self) -> Result<Vec<f64>> {
        Ok(self.model.trainable.iter().map(|&i| self.memory.last().applied[i]).collect())
    }

    fn set_full_scale(&mut self, full_scale: f64) -> Result<()> {
        if !self.descriptor.can(can::FULL_SCALE) {
            let message = "the read-out has no range that follows the signal";
            return Err(PluginError::new(Code::UNSUPPORTED, message));
        }
        if !(full_scale.is_finite() && full_scale > 0.0) {
            let message = format!("a full scale of {full_scale}, expected a finite number above 0");
            return Err(PluginError::new(Code::RANGE, message));
        }
        self.full_scale = full_scale;
        Ok(())
    }
}

/// The rows of a batch, checked.
fn inputs<'a>(x: &ArrayView<'a>, width: usize) -> Result<&'a [f64]> {
    let expected = [x.dim(0), width];
    if x.shape() != expected {
        let message = format!("inputs of shape {:?}, expected [batch, {width}]", x.shape());
        return Err(PluginError::new(Code::SHAPE, message));
    }
    let data = x.as_f64()?;
    match data.iter().position(|v| !v.is_finite()) {
        None => Ok(data),
        Some(i) => {
            let message = format!("input {} of row {} is {}, expected a finite number", i % width, i / width, data[i]);
            Err(PluginError::new(Code::RANGE, message))
        }
    }
}

fn outputs<'a>(y: &'a mut ArrayViewMut<'_>, shape: &[usize]) -> Result<&'a mut [f64]> {
    if y.shape() != shape {
        let message = format!("room for answers of shape {:?}, expected {shape:?}", y.shape());
        return Err(PluginError::new(Code::SHAPE, message));
    }
    y.as_f64()
}
