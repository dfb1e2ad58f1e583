//! A simulated device in one precision.

use crate::{
    cells::Cells,
    chain::{detector::Detection, drift::Drifts, events::Events},
    descriptor,
    keys::same_call,
    memory::Memory,
    model::{Instant, Model},
    query::{Element, Medium, Query, Rooms, Rows},
    sets::{Asked, Desk, Shelf},
    simulator::Counters,
    transfer::transposed,
};
use blackbeam_kernels::Product;
use blackbeam_netlist::circuit::Circuit;
use blackbeam_plugin::{
    Applied, ArrayView, ArrayViewMut, Call, Code, Descriptor, Device, Matrix, ParameterSet, PluginError, Purpose,
    Result, can,
};
use rayon::{ThreadPool, ThreadPoolBuilder, prelude::*};
use std::sync::{Arc, atomic::Ordering};

/// Rows that are worth a thread of their own.
const ROWS_PER_TASK: usize = 64;

/// A simulated device that computes in numbers of one kind.
pub(crate) struct Engine<T: Element> {
    pub model: Arc<Model>,
    pub drifts: Drifts,
    pub events: Events,
    /// Without its parameters.
    pub descriptor: Descriptor,
    pub memory: Memory,
    /// What the device was when `medium` was made for what is held.
    pub current: Option<Instant>,
    medium: Medium<T>,
    pub full_scale: f64,
    /// The row that a slipped batch begins with: the last one sent by a call.
    pub last_row: Option<(Call, Vec<T>)>,
    pub pool: Option<ThreadPool>,
    pub desks: Rooms<Desk<T>>,
    pub shelf: Shelf<T>,
    /// Answers probes that change one cell of a mesh, where that can be.
    pub cells: Option<Box<Cells<T>>>,
    pub counters: Arc<Counters>,
}

impl<T: Element> Engine<T> {
    /// Compiles a circuit and programs its initial values.
    ///
    /// # Errors
    /// As [`Simulator::open`](crate::Simulator::open).
    pub fn open(circuit: &Circuit, seed: u64, threads: usize) -> Result<Self> {
        let model = Model::new(circuit, seed)?;
        let outputs = model.detector.outputs();
        let drifts = Drifts::new(circuit, seed, &model.places, outputs)?;
        let events = Events::new(circuit, seed, model.parameters.len(), outputs)?;
        let mut descriptor = descriptor::describe(circuit, &model, drifts.of_gains());
        let pool = if threads > 1 {
            let builder = ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("optics-{i}"));
            let failed = |e| PluginError::new(Code::IO, format!("{threads} threads cannot be started: {e}"));
            Some(builder.build().map_err(failed)?)
        } else {
            None
        };
        let memory = Memory::new(&model, &events)?;
        let full_scale = model.detector.full_scale();
        let cells = Cells::new(&model, &drifts, &events, &memory)?.map(Box::new);
        if cells.as_ref().is_some_and(|cells| cells.scalars()) {
            descriptor.can |= can::SCALARS;
        }
        Ok(Engine {
            model: Arc::new(model),
            drifts,
            events,
            descriptor,
            memory,
            current: None,
            medium: Medium::default(),
            full_scale,
            last_row: None,
            pool,
            desks: Rooms::default(),
            shelf: Shelf::default(),
            cells,
            counters: Arc::default(),
        })
    }

    /// What the device is at the time of a call.
    pub fn instant(&mut self, call: &Call, instant: &mut Instant) -> Result<()> {
        if !call.time_s.is_finite() {
            return Err(PluginError::new(Code::RANGE, format!("the time of a call is {}", call.time_s)));
        }
        let slots = self.model.slots.len();
        let moves = self.drifts.of_slots() || self.events.of_slots();
        let Instant { time_s, moved, gain, source, matter } = instant;
        (*time_s, *source) = (call.time_s, 1.0);
        for (part, value, used) in [(&mut moved.added, 0.0, moves), (&mut moved.factor, 1.0, self.drifts.scales())] {
            part.clear();
            part.resize(if used { slots } else { 0 }, value);
        }
        gain.clone_from(&self.model.gain);
        self.drifts.add(call.time_s, moved, gain, source);
        self.events.at(call.time_s, &self.model.places, moved, matter);
        *source = source.max(0.0);
        Ok(())
    }

    /// `medium` is no longer that of what is held.
    pub fn forget(&mut self) {
        if let Some(instant) = &mut self.current {
            instant.time_s = f64::NAN;
        }
    }

    /// Makes `medium` that of what is held, at the time of a call.
    fn settle(&mut self, call: &Call) -> Result<()> {
        if self.current.as_ref().is_some_and(|instant| instant.time_s == call.time_s) {
            return Ok(());
        }
        let mut instant = self.current.take().unwrap_or_default();
        self.instant(call, &mut instant)?;
        let held = self.memory.held(&self.events, call.time_s);
        let (model, medium) = (&self.model, &mut self.medium);
        self.desks.with(|desk| model.medium(held, &instant, medium, &mut desk.room))?;
        self.current = Some(instant);
        Ok(())
    }

    /// The matrix of what is held at the time of a call, where light is linear.
    fn matrix(&mut self, call: &Call) -> Result<(Product<f64>, Instant)> {
        let mut instant = Instant::default();
        self.instant(call, &mut instant)?;
        let held = self.memory.held(&self.events, call.time_s);
        let slots = self.model.slots_of(held, &instant);
        match self.model.matrix_of(&slots, instant.matter.shift_um)? {
            Medium::Matrix(product) => Ok((product, instant)),
            _ => Err(PluginError::new(Code::UNSUPPORTED, "a device that is not linear has no matrix")),
        }
    }

    pub fn count(&self, configurations: usize, rows: usize) {
        let vectors = rows as u64 * u64::from(self.descriptor.vectors_per_row);
        self.counters.configurations.fetch_add(configurations as u64, Ordering::Relaxed);
        self.counters.vectors.fetch_add(vectors, Ordering::Relaxed);
    }

    /// The rows that are answered: those of x, or each the one before it where frames have slipped. The first row of a logical
    /// batch then is dark; parts of a batch are to be sent in order.
    pub fn slipped(&self, x: &[T], width: usize, call: &Call) -> Vec<T> {
        let known =
            self.last_row.as_ref().filter(|(last, _)| same_call(last, call) && last.first_row == call.first_row);
        let mut rows = known.map_or_else(|| vec![T::ZERO; width], |(_, row)| row.clone());
        rows.extend_from_slice(&x[..x.len().saturating_sub(width)]);
        rows.truncate(x.len());
        rows
    }

    pub fn detection<'a>(&self, call: &Call, instant: &'a Instant) -> Detection<'a> {
        Detection {
            key: self.model.detector.key(call),
            full_scale: self.full_scale,
            gain: &instant.gain,
            source: instant.source,
            matter: &instant.matter,
        }
    }

    /// One batch through what is held.
    fn ask(&mut self, x: &[T], y: &mut [T], call: &Call) -> Result<()> {
        self.settle(call)?;
        let instant = self.current.as_ref().expect("settled above");
        let query = Query {
            medium: &self.medium,
            detection: self.detection(call, instant),
            keys: self.model.encoder.keys(call),
            backward: false,
        };
        let (inputs, slip) = (self.descriptor.input.width, instant.matter.slipped);
        let shifted = if slip { self.slipped(x, inputs, call) } else { Vec::new() };
        self.send(&query, if slip { &shifted } else { x }, call.first_row, y)?;
        let rows = x.len() / inputs;
        if slip && rows > 0 {
            let next = Call { first_row: call.first_row + rows as u64, ..*call };
            self.last_row = Some((next, x[x.len() - inputs..].to_vec()));
        }
        self.count(0, rows);
        Ok(())
    }

    /// One batch backwards through what is held.
    fn ask_backward(&mut self, y: &[T], x: &mut [T], call: &Call) -> Result<()> {
        let (product, instant) = self.matrix(call)?;
        let mut narrow = Product::default();
        narrow.reset(product.inputs(), product.outputs());
        for output in 0..product.outputs() {
            narrow.set(output, 0, 1, (0..product.inputs()).map(|input| T::from_f64(product.get(input, output))));
        }
        let medium = Medium::Matrix(transposed(&narrow));
        let detection = self.detection(call, &instant);
        let query = Query {
            medium: &medium,
            detection: Detection { key: detection.key.named("backward"), ..detection },
            keys: self.model.encoder.keys(call).backward(),
            backward: true,
        };
        self.send(&query, y, call.first_row, x)?;
        self.count(0, y.len() / self.descriptor.output.width);
        Ok(())
    }

    /// Sends the rows of a query, on all threads.
    fn send(&self, query: &Query<'_, T>, x: &[T], first: u64, y: &mut [T]) -> Result<()> {
        let (inputs, width) = if query.backward {
            (self.descriptor.output.width, self.descriptor.input.width)
        } else {
            (self.descriptor.input.width, self.descriptor.output.width)
        };
        let answer = |(task, (x, y)): (usize, (&[T], &mut [T]))| {
            let first = first + (task * ROWS_PER_TASK) as u64;
            self.desks.with(|desk| self.model.answer(query, Rows::Asked(x), first, y, &mut desk.room))
        };
        match &self.pool {
            Some(pool) if x.len() > ROWS_PER_TASK * inputs => pool.install(|| {
                let parts = x.par_chunks(ROWS_PER_TASK * inputs).zip(y.par_chunks_mut(ROWS_PER_TASK * width));
                parts.enumerate().try_for_each(answer)
            }),
            _ => answer((0, (x, y))),
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

impl<T: Element> Device for Engine<T> {
    fn descriptor(&self) -> Descriptor {
        Descriptor { parameters: descriptor::named(&self.model).into(), ..self.descriptor.clone() }
    }

    fn write_params(&mut self, params: &[f64], call: &Call) -> Result<Applied> {
        let (model, memory, events) = (&self.model, &mut self.memory, &self.events);
        let values = self.desks.with(|desk| {
            let next = &mut desk.configured;
            if memory.remembers() {
                memory.write(model, events, params, call, next)?;
            } else {
                Memory::fresh(model, params, call, next)?;
            }
            memory.hold(next);
            Ok(model.applied(next))
        })?;
        self.forget();
        self.count(1, 0);
        Ok(Applied { values })
    }

    fn query(&mut self, x: ArrayView<'_>, mut y: ArrayViewMut<'_>, call: &Call) -> Result<()> {
        let widths = (self.descriptor.input.width, self.descriptor.output.width);
        let x = inputs::<T>(&x, widths.0)?;
        let y = outputs::<T>(&mut y, &[x.len() / widths.0, widths.1])?;
        self.ask(x, y, call)
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
        let x = inputs::<T>(&x, d_in)?;
        let y = outputs::<T>(&mut y, &[sets.len(), x.len() / d_in, d_out])?;
        self.answer_sets(&Asked::new(bases, sets, calls, x)?, y, want_applied)
    }

    fn query_scalars(
        &mut self,
        bases: [&[f64]; 2],
        sets: &[ParameterSet],
        calls: &[Call],
        x: ArrayView<'_>,
        cotangent: ArrayView<'_>,
        scalars: &mut [f64],
        want_applied: bool,
    ) -> Result<Vec<Applied>> {
        if !self.descriptor.can(can::SCALARS) {
            let message = "sums over outputs are found without them only on a mesh whose answers are exact and linear";
            return Err(PluginError::new(Code::UNSUPPORTED, message));
        }
        let (d_in, d_out) = (self.descriptor.input.width, self.descriptor.output.width);
        let x = inputs::<T>(&x, d_in)?;
        let (rows, of) = (x.len() / d_in, cotangent.shape());
        if of != [rows, d_out] || scalars.len() != sets.len() {
            let message = format!(
                "a cotangent of shape {of:?} and room for {} sums: expected [{rows}, {d_out}], {}",
                scalars.len(),
                sets.len()
            );
            return Err(PluginError::new(Code::SHAPE, message));
        }
        let asked = Asked::new(bases, sets, calls, x)?;
        self.answer_scalars(&asked, T::view(&cotangent)?, scalars, want_applied)
    }

    fn query_backward(&mut self, y: ArrayView<'_>, mut x: ArrayViewMut<'_>, call: &Call) -> Result<()> {
        if !self.descriptor.can(can::BACKWARD) {
            let message = "light cannot be sent backwards through a device that is not linear or not real";
            return Err(PluginError::new(Code::UNSUPPORTED, message));
        }
        let widths = (self.descriptor.output.width, self.descriptor.input.width);
        let y = inputs::<T>(&y, widths.0)?;
        let x = outputs::<T>(&mut x, &[y.len() / widths.0, widths.1])?;
        self.ask_backward(y, x, call)
    }

    fn read_matrix(&mut self, call: &Call) -> Result<Matrix> {
        if !self.descriptor.can(can::READ_MATRIX) {
            return Err(PluginError::new(Code::UNSUPPORTED, "a device that is not linear has no matrix"));
        }
        let d_in = self.descriptor.input.width;
        let mut instant = Instant::default();
        self.instant(call, &mut instant)?;
        let held = self.memory.held(&self.events, call.time_s);
        let matrix = self.desks.with(|desk| {
            self.model.fill_field(held, &instant, &mut desk.room)?;
            Ok(self.model.matrix(&desk.room.field, &instant))
        })?;
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
        if !self.descriptor.can(can::EXACT_VJP) {
            let message = "a network on a device has no exact gradient: it runs forwards only";
            return Err(PluginError::new(Code::UNSUPPORTED, message));
        }
        let (d_in, d_out) = (self.descriptor.input.width, self.descriptor.output.width);
        let (x, dy) = (inputs::<T>(&x, d_in)?, inputs::<T>(&dy, d_out)?);
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
        let dx = outputs::<T>(&mut dx, &[x.len() / d_in, d_in])?;
        let mut instant = Instant::default();
        self.instant(call, &mut instant)?;
        let applied = self.memory.held(&self.events, call.time_s).applied.clone();
        let (mut wide, mut wide_dy, mut gradient_x) = (Vec::new(), Vec::new(), vec![0.0; dx.len()]);
        let arrays = (T::wide(x, &mut wide), T::wide(dy, &mut wide_dy));
        let gradient = self.model.vjp(&applied, &instant, arrays, &mut gradient_x)?;
        dx.iter_mut().zip(gradient_x).for_each(|(d, g)| *d = T::from_f64(g));
        dparams.iter_mut().zip(&self.model.trainable).for_each(|(d, &i)| *d = gradient[i]);
        Ok(())
    }

    fn save_state(&self) -> Result<Vec<u8>> {
        Ok(self.memory.save())
    }

    fn restore_state(&mut self, state: &[u8]) -> Result<()> {
        self.forget();
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
fn inputs<'a, T: Element>(x: &ArrayView<'a>, width: usize) -> Result<&'a [T]> {
    let expected = [x.dim(0), width];
    if x.shape() != expected {
        let message = format!("inputs of shape {:?}, expected [batch, {width}]", x.shape());
        return Err(PluginError::new(Code::SHAPE, message));
    }
    let data = T::view(x)?;
    match data.iter().position(|v| !v.to_f64().is_finite()) {
        None => Ok(data),
        Some(i) => {
            let (row, at) = (i / width, i % width);
            let message = format!("input {at} of row {row} is {:?}, expected a finite number", data[i]);
            Err(PluginError::new(Code::RANGE, message))
        }
    }
}

fn outputs<'a, T: Element>(y: &'a mut ArrayViewMut<'_>, shape: &[usize]) -> Result<&'a mut [T]> {
    if y.shape() != shape {
        let message = format!("room for answers of shape {:?}, expected {shape:?}", y.shape());
        return Err(PluginError::new(Code::SHAPE, message));
    }
    T::view_mut(y)
}
