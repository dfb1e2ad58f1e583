//! A simulated device.

use crate::{
    descriptor,
    detector::Detection,
    drift::Drifts,
    model::{Configured, Drifted, Model, Query, Workspace},
    transfer::Transfer,
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
    model: Model,
    drifts: Drifts,
    descriptor: Descriptor,
    held: Configured,
    /// The matrix of what is held, at a time.
    current: Option<Current>,
    full_scale: f64,
    pool: Option<ThreadPool>,
    counters: Arc<Counters>,
}

struct Current {
    time_s: f64,
    transfer: Transfer,
    drifted: Drifted,
}

impl Simulator {
    /// Compiles a circuit and programs its initial values. `seed` decides all that is random; `threads` (0 counts as 1)
    /// answer at the same time.
    ///
    /// # Errors
    /// `SETTINGS` for a circuit that contradicts itself; `IO` if threads cannot be started.
    pub fn open(circuit: &Circuit, seed: u64, threads: usize) -> Result<Self> {
        let model = Model::new(circuit, seed)?;
        let mut place = Vec::with_capacity(model.parameters.len());
        // Blocks are in the order of the circuit, which is how drifts count parameters.
        model.blocks.iter().for_each(|b| place.extend(b.phases.clone()));
        let drifts = Drifts::new(circuit, seed, &place, model.gain.len())?;
        let descriptor = descriptor::describe(circuit, &model, drifts.of_gains());
        let pool = if threads > 1 {
            let builder = ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("optics-{i}"));
            let failed = |e| PluginError::new(Code::IO, format!("{threads} threads cannot be started: {e}"));
            Some(builder.build().map_err(failed)?)
        } else {
            None
        };
        let held = model.configure(&model.initial(), &OPENING)?;
        let full_scale = model.detector.full_scale();
        Ok(Simulator { model, drifts, descriptor, held, current: None, full_scale, pool, counters: Arc::default() })
    }

    /// What this simulator counts, readable while a session owns it.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// The state of the drifts at the time of a call.
    fn drifted(&mut self, call: &Call) -> Result<Drifted> {
        if !call.time_s.is_finite() {
            return Err(PluginError::new(Code::RANGE, format!("the time of a call is {}", call.time_s)));
        }
        let phases = if self.drifts.of_phases() { self.model.parameters.len() } else { 0 };
        let mut drifted = Drifted { phases: vec![0.0; phases], gain: vec![0.0; self.model.gain.len()] };
        self.drifts.add(call.time_s, &mut drifted.phases, &mut drifted.gain);
        drifted.gain.iter_mut().zip(&self.model.gain).for_each(|(drift, gain)| *drift = gain * (1.0 + *drift));
        Ok(drifted)
    }

    /// Makes `current` that of what is held, at the time of a call.
    fn settle(&mut self, call: &Call) -> Result<&Current> {
        let fresh = self.current.take().filter(|c| c.time_s == call.time_s);
        let current = match fresh {
            Some(current) => current,
            None => {
                let drifted = self.drifted(call)?;
                let mut transfer = Transfer::default();
                self.model.transfer(&self.held, &drifted, &mut Workspace::default(), &mut transfer);
                Current { time_s: call.time_s, transfer, drifted }
            }
        };
        Ok(self.current.insert(current))
    }

    fn count(&self, configurations: usize, rows: usize) {
        let vectors = rows as u64 * u64::from(self.descriptor.vectors_per_row);
        self.counters.configurations.fetch_add(configurations as u64, Ordering::Relaxed);
        self.counters.vectors.fetch_add(vectors, Ordering::Relaxed);
    }

    /// One batch through what is held.
    fn ask(&mut self, x: &[f64], y: &mut [f64], call: &Call, backward: bool) -> Result<()> {
        let backwards = if backward { Some(self.settle(call)?.transfer.transposed()) } else { None };
        self.settle(call)?;
        let current = self.current.as_ref().expect("settled above");
        let (key, keys) = (self.model.detector.key(call), self.model.encoder.keys(call));
        let query = Query {
            transfer: backwards.as_ref().unwrap_or(&current.transfer),
            detection: Detection {
                key: if backward { key.named("backward") } else { key },
                full_scale: self.full_scale,
                gain: &current.drifted.gain,
            },
            keys: if backward { keys.backward() } else { keys },
            backward,
        };
        let inputs = query.transfer.inputs;
        let width = y.len() / (x.len() / inputs).max(1);
        let rows = x.len() / inputs;
        let model = &self.model;
        match &self.pool {
            Some(pool) if rows > ROWS_PER_TASK => pool.install(|| {
                let parts = x.par_chunks(ROWS_PER_TASK * inputs).zip(y.par_chunks_mut(ROWS_PER_TASK * width));
                parts.enumerate().for_each_init(Workspace::default, |work, (i, (x, y))| {
                    model.answer(query, x, call.first_row + (i * ROWS_PER_TASK) as u64, y, work);
                });
            }),
            _ => model.answer(query, x, call.first_row, y, &mut Workspace::default()),
        }
        self.count(0, rows);
        Ok(())
    }

    /// One configuration of several, by itself.
    fn one(&self, set: &Set<'_>, x: &[f64], y: &mut [f64], work: &mut (Workspace, Transfer)) -> Result<Configured> {
        let mut params = set.base.to_vec();
        if set.set.form == Form::Dense {
            params.resize(self.model.trainable.len(), 0.0);
        }
        set.set.expand(&mut params)?;
        let configured = self.model.configure(&params, set.call)?;
        let (work, transfer) = work;
        self.model.transfer(&configured, &set.drifted, work, transfer);
        let query = Query {
            transfer,
            detection: Detection {
                key: self.model.detector.key(set.call),
                full_scale: self.full_scale,
                gain: &set.drifted.gain,
            },
            keys: self.model.encoder.keys(set.call),
            backward: false,
        };
        self.model.answer(query, x, set.call.first_row, y, work);
        Ok(configured)
    }
}

/// Identity of the write of the initial values.
const OPENING: Call = Call {
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
    base: &'a [f64],
    set: &'a ParameterSet,
    call: &'a Call,
    drifted: Drifted,
}

impl Device for Simulator {
    fn descriptor(&self) -> Descriptor {
        self.descriptor.clone()
    }

    fn write_params(&mut self, params: &[f64], call: &Call) -> Result<Applied> {
        self.held = self.model.configure(params, call)?;
        self.current = None;
        self.count(1, 0);
        Ok(Applied { values: self.held.applied.as_slice().into() })
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
        let mut asked = Vec::with_capacity(sets.len());
        for (set, call) in sets.iter().zip(calls) {
            // In the order of the clock, so that each drift only moves a little.
            asked.push(Set { base: bases[set.base as usize], set, call, drifted: self.drifted(call)? });
        }
        let mut answers: Vec<&mut [f64]> = Vec::with_capacity(sets.len());
        let mut rest = y;
        for _ in sets {
            let (answer, later) = rest.split_at_mut(rows * d_out);
            answers.push(answer);
            rest = later;
        }
        let this = &*self;
        let room = || (Workspace::default(), Transfer::default());
        let done: Result<Vec<Configured>> = match &self.pool {
            Some(pool) => pool.install(|| {
                let sets = asked.par_iter().zip(answers);
                sets.map_init(room, |work, (set, y)| this.one(set, x, y, work)).collect()
            }),
            None => {
                let mut work = room();
                asked.iter().zip(answers).map(|(set, y)| this.one(set, x, y, &mut work)).collect()
            }
        };
        let mut done = done?;
        self.count(sets.len(), sets.len() * rows);
        let applied = |c: &Configured| Applied { values: c.applied.as_slice().into() };
        let report = if want_applied { done.iter().map(applied).collect() } else { Vec::new() };
        if let Some(last) = done.pop() {
            self.held = last;
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
        let current = self.settle(call)?;
        let (transfer, gain) = (&current.transfer, &current.drifted.gain);
        let each = transfer.outputs / gain.len();
        let mut matrix = Matrix::zeros(transfer.outputs, transfer.inputs);
        for output in 0..transfer.outputs {
            for (input, entry) in matrix.row_mut(output).iter_mut().enumerate() {
                *entry = gain[output / each] * transfer.get(input, output);
            }
        }
        self.counters.vectors.fetch_add(d_in as u64, Ordering::Relaxed);
        Ok(matrix)
    }

    fn read_params(&mut self) -> Result<Vec<f64>> {
        Ok(self.held.applied.clone())
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
