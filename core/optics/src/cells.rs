//! Probes that change one cell of a mesh.
//!
//! Where nothing else of a device changes with a parameter (no crosstalk, no lag, no drift of phases, no noise of writes), a probe
//! that moves the phases of one cell, or one output phase, changes the fields at the outputs by a product of rank two: exact,
//! however far it moves them. The fields before each cell and what comes after it are found once for all probes of a call.
//! Everything else is as in the long way: converters, actuators, errors of fabrication, read-out, noise, ADC. Which way a probe
//! goes depends on its form (sparse, of one cell) and on the device, never on values, so that it is always the same.
//!
//! Where the read-out is linear and free of noise too, sums over outputs need no outputs at all: one sweep backwards gives the
//! derivative with respect to each cell's matrix, in which the sum is linear.

use crate::{
    chain::{
        detector::{Detection, DetectorRoom},
        drift::Drifts,
        encoder::Part,
        events::Events,
        lag::Configured,
    },
    engine::{Engine, OPENING},
    memory::Memory,
    model::{Instant, Model},
    program::{MeshProgram, Program},
    query::{Element, Room, Rooms},
    sets::Asked,
};
use blackbeam_kernels::{
    Buffer, Level,
    mesh::{
        Blocks, Factors, Input, Work,
        structured::{Change, Fields, Gradient, Probe, Suffix, fence},
    },
};
use blackbeam_plugin::{Applied, Call, Form, ParameterSet, RVec, Result};
use rayon::prelude::*;
use std::sync::Arc;

/// Most bytes of what comes after the cells, and of the fields before them: larger meshes go the long way, larger batches in
/// parts.
const MOST_BYTES: usize = 512 << 20;
const FIELD_BYTES: usize = 64 << 20;
/// Parts of a call's probes for each thread.
const PARTS: usize = 4;
/// A parameter that sets more than one cell, or nothing of the mesh.
const NOWHERE: u32 = u32::MAX;

/// What answers such probes.
pub(crate) struct Cells<T> {
    /// The cell (or, after all cells, the output) that each trainable parameter belongs to.
    sites: Vec<u32>,
    /// Rows that go together.
    rows: usize,
    scalars: bool,
    base: Base<T>,
    /// The cells that all probes of a pass change, changed.
    moved: Work,
    changes: Vec<Change>,
    room: Room<T>,
    encoded: Vec<T>,
    probes: Rooms<Bench<T>>,
    contraction: Contraction<T>,
    instants: Vec<Instant>,
}

/// The configuration that probes start from.
struct Base<T> {
    blocks: Blocks,
    input: Factors,
    output: Factors,
    fields: Fields<T>,
    suffix: Suffix<T>,
    gradient: Gradient,
    state: Buffer<T>,
    configured: Configured,
    params: Vec<f64>,
    moved: Vec<f64>,
}

/// Memory of one thread.
#[derive(Default)]
struct Bench<T> {
    probe: Probe<T>,
    fields: Vec<T>,
    detector: DetectorRoom,
}

/// Memory for cotangents.
#[derive(Default)]
struct Contraction<T> {
    wide: Vec<f64>,
    /// Of one vector: dL/d of what arrives, and what arrives (which does not matter).
    dfields: Vec<f64>,
    fields: Vec<f64>,
    /// dL/d(re, im) of all fields.
    full: Vec<T>,
    /// What each site adds.
    gains: Vec<f64>,
}

impl<T: Element> Cells<T> {
    /// None for a device of which a probe changes more than its cell.
    pub fn new(model: &Model, drifts: &Drifts, events: &Events, memory: &Memory) -> Result<Option<Self>> {
        let Program::Linear(program) = &model.program else { return Ok(None) };
        let Some((mesh, mine)) = program.mesh() else { return Ok(None) };
        let (n, cells) = (mesh.kernel().modes(), mesh.kernel().cells());
        let a_row = 4 * cells * size_of::<T>();
        let alone = model.set_points.alone() && model.slots.plain() && !drifts.of_slots() && !memory.remembers();
        let settled = model.encoder.settled() && model.encoder.parts().len() == 1;
        if !(alone && settled && events.none()) || a_row * n.next_multiple_of(16) > MOST_BYTES {
            return Ok(None);
        }
        let slots = model.slots.of_parameters(model.parameters.len());
        let site = |&parameter: &usize| match slots[parameter] {
            Some(slot) if mine.contains(&slot) => mesh.site(slot - mine.start) as u32,
            _ => NOWHERE,
        };
        Ok(Some(Cells {
            sites: model.trainable.iter().map(site).collect(),
            rows: (FIELD_BYTES / a_row.max(1)).clamp(16, 4096) / 16 * 16,
            scalars: model.detector.linear() && model.detector.exact() && !drifts.of_gains(),
            base: Base {
                blocks: Blocks::default(),
                input: Factors::default(),
                output: Factors::default(),
                fields: Fields::default(),
                suffix: Suffix::default(),
                gradient: Gradient::default(),
                state: Buffer::default(),
                configured: Configured::empty(&OPENING),
                params: Vec::new(),
                moved: Vec::new(),
            },
            moved: Work::default(),
            changes: Vec::new(),
            room: Room::default(),
            encoded: Vec::new(),
            probes: Rooms::default(),
            contraction: Contraction::default(),
            instants: Vec::new(),
        }))
    }

    /// Sums over outputs can be found without them.
    pub fn scalars(&self) -> bool {
        self.scalars
    }

    /// The one cell that a set changes.
    fn site(&self, set: &ParameterSet) -> Option<u32> {
        let (first, rest) = set.indices.split_first().filter(|_| set.form == Form::Sparse)?;
        let site = *self.sites.get(*first as usize)?;
        let same = rest.iter().all(|i| self.sites.get(*i as usize) == Some(&site));
        (same && site != NOWHERE).then_some(site)
    }

    /// The configuration that the probes start from.
    fn start(&mut self, model: &Model, asked: &Asked<'_, T>, (mesh, first): (&MeshProgram, usize)) -> Result<()> {
        let Cells { base, room, .. } = self;
        let call = &asked.calls[0];
        base.params.clear();
        base.params.extend_from_slice(asked.bases[asked.sets[0].base as usize]);
        Memory::fresh(model, &base.params, call, &mut base.configured)?;
        let slots = model.slots_at(&base.configured, call.time_s, room);
        mesh.configuration(&slots[first..], (&mut base.blocks, &mut base.input, &mut base.output));
        Ok(())
    }

    /// What the sets apply, if that is wanted. Parameters act alone, so that many probes are converted at once: each pass moves every
    /// cell once at most, and gives its configuration and its sets with the sites that they change to `each`.
    fn changes(
        &mut self,
        model: &Model,
        asked: &Asked<'_, T>,
        (mesh, first): (&MeshProgram, usize),
        want_applied: bool,
        mut each: impl FnMut(&Base<T>, &Work, &mut dyn Iterator<Item = (usize, usize)>),
    ) -> Result<Vec<Applied>> {
        let Cells { base, room, sites, moved, .. } = self;
        let call = &asked.calls[0];
        let at_base = if want_applied { model.applied(&base.configured) } else { RVec::new() };
        let mut applied = vec![Applied { values: at_base }; if want_applied { asked.sets.len() } else { 0 }];
        // The cell of a set and its pass: how many before it change the same cell.
        let mut taken = vec![0u32; mesh.kernel().cells() + mesh.kernel().modes()];
        let turn = |set: &ParameterSet| {
            let site = sites[set.indices[0] as usize] as usize;
            taken[site] += 1;
            (site, taken[site] - 1)
        };
        let turns: Vec<(usize, u32)> = asked.sets.iter().map(turn).collect();
        for pass in 0..taken.into_iter().max().unwrap_or(0) {
            base.moved.clone_from(&base.params);
            let now = || turns.iter().enumerate().filter(|(_, turn)| turn.1 == pass).map(|(set, turn)| (set, turn.0));
            for (set, _) in now() {
                asked.sets[set].expand(&mut base.moved)?;
            }
            Memory::fresh(model, &base.moved, call, &mut base.configured)?;
            let slots = model.slots_at(&base.configured, call.time_s, room);
            mesh.configuration(&slots[first..], (&mut moved.blocks, &mut moved.input, &mut moved.output));
            each(base, moved, &mut now());
            for (set, _) in now().filter(|_| want_applied) {
                for &i in &asked.sets[set].indices {
                    applied[set].values[i as usize] = base.configured.applied[model.trainable[i as usize]];
                }
            }
        }
        Ok(applied)
    }

    /// The fields of rows `x` [rows, inputs] in the configuration that probes start from.
    fn load_fields(&mut self, model: &Model, mesh: &MeshProgram, x: &[T], call: &Call) {
        let Cells { base, encoded, room, .. } = self;
        model.encode_all(x, model.encoder.keys(call), encoded, room);
        let input = if model.encoder.pairs { Input::Complex(encoded) } else { Input::Real(encoded) };
        base.fields.load(Level::best(), mesh.kernel(), (&base.blocks, &base.input, &base.output), input);
    }
}

impl<T: Element> Engine<T> {
    /// How many sets from the first on go the same way, and whether that is by their cells.
    pub fn alike(&self, sets: &[ParameterSet]) -> (usize, bool) {
        let Some(cells) = &self.cells else { return (sets.len(), false) };
        let way = |set: &ParameterSet| cells.site(set).map(|_| set.base);
        let first = way(&sets[0]);
        (sets.iter().take_while(|set| way(set) == first).count(), first.is_some())
    }

    /// Answers sets of one base, each of which changes one cell.
    pub fn answer_cells(&mut self, asked: &Asked<'_, T>, y: &mut [T], want_applied: bool) -> Result<Vec<Applied>> {
        self.with_cells(|this, cells, (mesh, first)| {
            let mut changes = std::mem::take(&mut cells.changes);
            changes.resize(asked.sets.len(), Change::Output(0, (0.0, 0.0)));
            cells.start(&this.model, asked, (mesh, first))?;
            let applied = cells.changes(&this.model, asked, (mesh, first), want_applied, |_, moved, sets| {
                for (set, site) in sets {
                    changes[set] = change(moved, site);
                }
            })?;
            let mut instants = std::mem::take(&mut cells.instants);
            instants.resize_with(asked.calls.len(), Instant::default);
            for (call, instant) in asked.calls.iter().zip(&mut instants) {
                this.instant(call, instant)?;
            }
            let base = &mut cells.base;
            base.suffix.load(Level::best(), mesh.kernel(), &base.blocks, &base.output);
            let (inputs, d_out) = (this.descriptor.input.width, this.descriptor.output.width);
            // Probes of one cell one after the other: what comes before and after it is at hand then.
            let site = |set: usize| match changes[set] {
                Change::Cell(cell, _) => (0, cell),
                Change::Output(mode, _) => (1, mode),
            };
            let mut probes: Vec<_> = y.chunks_mut((y.len() / asked.sets.len()).max(1)).enumerate().collect();
            probes.sort_by_key(|(set, _)| site(*set));
            for (part, x) in asked.x.chunks(cells.rows * inputs).enumerate() {
                cells.load_fields(&this.model, mesh, x, &asked.calls[0]);
                let rows = part * cells.rows..part * cells.rows + x.len() / inputs;
                let answer = |probes: &mut [(usize, &mut [T])]| {
                    cells.probes.with(|bench| {
                        let mut before = None;
                        for (set, y) in probes {
                            let detection = this.detection(&asked.calls[*set], &instants[*set]);
                            let first_row = asked.calls[*set].first_row + rows.start as u64;
                            let (place, y) = (Some(site(*set)), &mut y[rows.start * d_out..rows.end * d_out]);
                            let change = (&changes[*set], before == place);
                            cells.answer(&this.model, change, (detection, first_row), y, bench);
                            before = place;
                        }
                    });
                };
                match &this.pool {
                    Some(pool) => {
                        let some = probes.len().div_ceil(PARTS * pool.current_num_threads()).max(1);
                        pool.install(|| {
                            probes.par_chunks_mut(some).for_each(|probes| {
                                answer(probes);
                                fence(Level::best());
                            });
                        });
                    }
                    None => answer(&mut probes),
                }
                fence(Level::best());
            }
            (cells.instants, cells.changes) = (instants, changes);
            Ok(applied)
        })
        .and_then(|applied| self.hold_last(asked, None).map(|()| applied))
    }

    /// Sums over rows and outputs of answer times `cotangent` [rows, outputs], set by set.
    pub fn answer_scalars(
        &mut self,
        asked: &Asked<'_, T>,
        cotangent: &[T],
        scalars: &mut [f64],
        want_applied: bool,
    ) -> Result<Vec<Applied>> {
        let mut applied = Vec::new();
        let mut first = 0;
        while first < asked.sets.len() {
            let (count, by_cells) = self.alike(&asked.sets[first..]);
            let (part, scalars) = (asked.part(first..first + count), &mut scalars[first..first + count]);
            if by_cells {
                applied.extend(self.contract_cells(&part, cotangent, scalars, want_applied)?);
            } else {
                let mut y = vec![T::ZERO; count * cotangent.len()];
                applied.extend(self.answer_each(&part, &mut y, want_applied)?);
                for (scalar, y) in scalars.iter_mut().zip(y.chunks_exact(cotangent.len().max(1))) {
                    *scalar = y.iter().zip(cotangent).map(|(y, c)| y.to_f64() * c.to_f64()).sum();
                }
            }
            first += count;
        }
        self.count(asked.sets.len(), asked.sets.len() * asked.x.len() / self.descriptor.input.width);
        Ok(applied)
    }

    fn contract_cells(
        &mut self,
        asked: &Asked<'_, T>,
        cotangent: &[T],
        scalars: &mut [f64],
        want_applied: bool,
    ) -> Result<Vec<Applied>> {
        self.with_cells(|this, cells, (mesh, first)| {
            cells.start(&this.model, asked, (mesh, first))?;
            let mut instant = Instant::default();
            this.instant(&asked.calls[0], &mut instant)?;
            let (inputs, d_out) = (this.descriptor.input.width, this.descriptor.output.width);
            let mut start = 0.0;
            let parts = asked.x.chunks(cells.rows * inputs).zip(cotangent.chunks(cells.rows * d_out));
            cells.base.gradient.clear();
            for (x, cotangent) in parts {
                cells.load_fields(&this.model, mesh, x, &asked.calls[0]);
                start += cells.contract(&this.model, mesh, (cotangent, &instant));
            }
            let mut gains = std::mem::take(&mut cells.contraction.gains);
            let applied = cells.changes(&this.model, asked, (mesh, first), want_applied, |base, moved, sets| {
                base.gains(moved, &mut gains);
                for (set, site) in sets {
                    scalars[set] = start + gains[site];
                }
            });
            cells.contraction.gains = gains;
            applied
        })
        .and_then(|applied| self.hold_last(asked, None).map(|()| applied))
    }

    /// Takes the cells out for a while, so that the rest of the engine can be used beside them.
    fn with_cells<O>(
        &mut self,
        work: impl FnOnce(&mut Self, &mut Cells<T>, (&MeshProgram, usize)) -> Result<O>,
    ) -> Result<O> {
        let mut cells = self.cells.take().expect("asked only where there are cells");
        let model = Arc::clone(&self.model);
        let Program::Linear(program) = &model.program else { unreachable!("cells are those of a mesh") };
        let (mesh, mine) = program.mesh().expect("cells are those of a mesh");
        let done = work(self, &mut cells, (mesh, mine.start));
        self.cells = Some(cells);
        done
    }
}

impl<T: Element> Cells<T> {
    /// Rows of the fields that are loaded, after one change (of the site of the one before, or of another), as they are read.
    fn answer(
        &self,
        model: &Model,
        change: (&Change, bool),
        (detection, first): (Detection<'_>, u64),
        y: &mut [T],
        bench: &mut Bench<T>,
    ) {
        let (level, base) = (Level::best(), &self.base);
        let start = (&base.suffix, &base.blocks, &base.output);
        if model.detector.pairs && model.detector.transparent(&detection) {
            return base.fields.changed(level, start, change, (y, true), &mut bench.probe);
        }
        bench.fields.resize(base.fields.outputs().len(), T::ZERO);
        base.fields.changed(level, start, change, (&mut bench.fields, false), &mut bench.probe);
        if !model.detector.pairs {
            // Only one part of the fields arrives.
            let part = usize::from(model.detector.takes() == (false, true));
            (0..bench.fields.len() / 2).for_each(|i| bench.fields[i] = bench.fields[2 * i + part]);
            bench.fields.truncate(bench.fields.len() / 2);
        }
        model.detector.detect_rows(&mut bench.fields, detection, Part::Whole, first, y, &mut bench.detector);
    }

    /// The sum that the rows of the fields that are loaded give before any change; its derivatives are added to those of the rows
    /// before.
    fn contract(&mut self, model: &Model, mesh: &MeshProgram, (cotangent, instant): (&[T], &Instant)) -> f64 {
        let Cells { base, contraction, .. } = self;
        let Contraction { wide, dfields, full, fields, .. } = contraction;
        let (d_out, outputs) = (model.detector.width(), base.fields.outputs());
        let ports = outputs.len() / (2 * base.fields.rows().max(1));
        // From dL/dy to dL/d(re, im) of each field: linear, so that the fields themselves do not matter.
        full.clear();
        full.resize(outputs.len(), T::ZERO);
        dfields.resize(if model.detector.pairs { 2 * ports } else { ports }, 0.0);
        fields.resize(dfields.len(), 0.0);
        let part = usize::from(model.detector.takes() == (false, true));
        let dy = T::wide(cotangent, wide);
        for (dy, full) in dy.chunks_exact(d_out).zip(full.chunks_exact_mut(2 * ports)) {
            model.detector.pull(fields, &instant.gain, instant.source, dy, dfields);
            let step = if model.detector.pairs { 1 } else { 2 };
            let places = full.iter_mut().skip(if step == 2 { part } else { 0 }).step_by(step);
            places.zip(&*dfields).for_each(|(place, d)| *place = T::from_f64(*d));
        }
        let memory = (&mut base.gradient, &mut base.state);
        base.fields.contract(Level::best(), mesh.kernel(), (&base.blocks, &base.output), full, memory);
        outputs.iter().zip(&*full).map(|(y, g)| y.to_f64() * g.to_f64()).sum()
    }
}

/// What stands at a site of a configuration.
fn change(moved: &Work, site: usize) -> Change {
    match site.checked_sub(moved.blocks.cells()) {
        None => Change::Cell(site, moved.blocks.get(site)),
        Some(mode) => Change::Output(mode, (moved.output.re[mode], moved.output.im[mode])),
    }
}

impl<T> Base<T> {
    /// What each site of another configuration would add alone to the sum, which is linear in it.
    fn gains(&self, moved: &Work, gains: &mut Vec<f64>) {
        gains.clear();
        gains.resize(self.blocks.cells() + self.output.re.len(), 0.0);
        let (cells, outputs) = gains.split_at_mut(self.blocks.cells());
        let (new, old, slope) = (&moved.blocks, &self.blocks, &self.gradient.blocks);
        for k in 0..4 {
            gain(cells, (&new.re[k], &old.re[k], &slope.re[k]));
            gain(cells, (&new.im[k], &old.im[k], &slope.im[k]));
        }
        let (new, old, slope) = (&moved.output, &self.output, &self.gradient.output);
        gain(outputs, (&new.re, &old.re, &slope.re));
        gain(outputs, (&new.im, &old.im, &slope.im));
    }
}

fn gain(sums: &mut [f64], (new, old, slope): (&[f64], &[f64], &[f64])) {
    for (sum, ((new, old), slope)) in sums.iter_mut().zip(new.iter().zip(old).zip(slope)) {
        *sum += slope * (new - old);
    }
}
