//! Several configurations in one call.
//!
//! Each is written and answered by itself, on all threads, in memory that stays. Where probes change one cell of a mesh and the
//! device is one of which nothing else changes then (see [`Cells`](crate::cells::Cells)), they are answered by that change.

use crate::{
    chain::lag::Configured,
    engine::Engine,
    memory::Memory,
    model::Instant,
    query::{Element, Medium, Query, Room, Rows},
};
use blackbeam_forward::Packed;
use blackbeam_plugin::{Applied, Call, Code, Form, ParameterSet, PluginError, RVec, Result};
use rayon::prelude::*;
use std::ops::Range;

/// A call of several configurations on one batch.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a, T> {
    pub bases: [&'a [f64]; 2],
    pub sets: &'a [ParameterSet],
    pub calls: &'a [Call],
    /// [rows, inputs]
    pub x: &'a [T],
}

/// Memory of one thread for configurations one after the other.
pub(crate) struct Desk<T: Element> {
    medium: Medium<T>,
    pub room: Room<T>,
    pub configured: Configured,
    params: Vec<f64>,
}

impl<T: Element> Default for Desk<T> {
    fn default() -> Self {
        let configured = Configured::empty(&crate::engine::OPENING);
        Desk { medium: Medium::default(), room: Room::default(), configured, params: Vec::new() }
    }
}

/// Memory for calls of several configurations.
#[derive(Default)]
pub(crate) struct Shelf<T> {
    /// The batch, encoded, where that is the same for all configurations.
    encoded: Vec<T>,
    /// As the kernels of a network take it.
    packed: Packed<T>,
    instants: Vec<Instant>,
    written: Vec<Configured>,
}

impl<'a, T> Asked<'a, T> {
    /// # Errors
    /// `SHAPE` if sets and identities do not go together.
    pub fn new(bases: [&'a [f64]; 2], sets: &'a [ParameterSet], calls: &'a [Call], x: &'a [T]) -> Result<Self> {
        if calls.len() == sets.len() {
            return Ok(Asked { bases, sets, calls, x });
        }
        let message = format!("{} parameter sets with {} identities", sets.len(), calls.len());
        Err(PluginError::new(Code::SHAPE, message))
    }

    pub fn part(&self, range: Range<usize>) -> Self {
        Asked { sets: &self.sets[range.clone()], calls: &self.calls[range], ..*self }
    }

    /// The parameters of a set, in `room` where they are not given one by one.
    pub fn expand<'p>(&self, set: &'p ParameterSet, room: &'p mut Vec<f64>) -> Result<&'p [f64]> {
        if set.form == Form::Dense {
            return Ok(&set.values);
        }
        room.clear();
        room.extend_from_slice(self.bases[set.base as usize]);
        set.expand(room)?;
        Ok(room)
    }
}

impl<T: Element> Engine<T> {
    /// Answers all configurations: `y` [sets, rows, outputs]. Says what was applied, if that is wanted.
    pub fn answer_sets(&mut self, asked: &Asked<'_, T>, y: &mut [T], want_applied: bool) -> Result<Vec<Applied>> {
        let each = y.len() / asked.sets.len().max(1);
        let mut applied = Vec::new();
        let mut first = 0;
        while first < asked.sets.len() {
            let (count, by_cells) = self.alike(&asked.sets[first..]);
            let (part, y) = (asked.part(first..first + count), &mut y[first * each..(first + count) * each]);
            applied.extend(if by_cells {
                self.answer_cells(&part, y, want_applied)?
            } else {
                self.answer_each(&part, y, want_applied)?
            });
            first += count;
        }
        let rows = asked.x.len() / self.descriptor.input.width;
        self.count(asked.sets.len(), asked.sets.len() * rows);
        Ok(applied)
    }

    /// Each configuration by itself. Ends with the last one held.
    pub fn answer_each(&mut self, asked: &Asked<'_, T>, y: &mut [T], want_applied: bool) -> Result<Vec<Applied>> {
        let mut shelf = std::mem::take(&mut self.shelf);
        let done = self.answer_from(asked, y, want_applied, &mut shelf);
        self.shelf = shelf;
        done
    }

    fn answer_from(
        &mut self,
        asked: &Asked<'_, T>,
        y: &mut [T],
        want_applied: bool,
        shelf: &mut Shelf<T>,
    ) -> Result<Vec<Applied>> {
        let count = asked.sets.len();
        let remembers = self.memory.remembers();
        shelf.written.resize_with(if remembers { count } else { 0 }, || Configured::empty(&asked.calls[0]));
        for ((set, call), next) in asked.sets.iter().zip(asked.calls).zip(&mut shelf.written) {
            self.desks.with(|desk| {
                let params = asked.expand(set, &mut desk.params)?;
                self.memory.write(&self.model, &self.events, params, call, next)
            })?;
        }
        shelf.instants.resize_with(count, Instant::default);
        // In the order of the clock, so that each drift only moves a little.
        for (call, instant) in asked.calls.iter().zip(&mut shelf.instants) {
            self.instant(call, instant)?;
        }
        let shared = self.model.encoder.settled() && self.model.encoder.parts().len() == 1;
        let rows = if shared {
            let keys = self.model.encoder.keys(&asked.calls[0]);
            self.desks.with(|desk| self.model.encode_all(asked.x, keys, &mut shelf.encoded, &mut desk.room));
            if self.model.pack_all(&shelf.encoded, &mut shelf.packed) {
                Rows::Packed(&shelf.packed)
            } else {
                Rows::Encoded(&shelf.encoded[..])
            }
        } else {
            Rows::Asked(asked.x)
        };
        let this = &*self;
        let one = |(i, y): (usize, &mut [T])| {
            let set = Set { asked, i, instant: &shelf.instants[i], written: shelf.written.get(i), rows };
            this.desks.with(|desk| this.one(&set, y, desk, want_applied))
        };
        let each = y.len() / count;
        if each == 0 {
            // A batch without rows: written, not answered.
            let applied = (0..count).map(|i| one((i, &mut []))).collect::<Result<_>>()?;
            self.hold_last(asked, shelf.written.last())?;
            return Ok(if want_applied { applied } else { Vec::new() });
        }
        let applied = match (&this.pool, want_applied) {
            (Some(pool), true) => {
                pool.install(|| y.par_chunks_mut(each).enumerate().map(one).collect::<Result<_>>())?
            }
            (Some(pool), false) => {
                pool.install(|| y.par_chunks_mut(each).enumerate().try_for_each(|set| one(set).map(drop)))?;
                Vec::new()
            }
            (None, true) => y.chunks_mut(each).enumerate().map(one).collect::<Result<_>>()?,
            (None, false) => {
                y.chunks_mut(each).enumerate().try_for_each(|set| one(set).map(drop))?;
                Vec::new()
            }
        };
        let last = count - 1;
        self.slip(asked, &shelf.instants[last]);
        self.hold_last(asked, shelf.written.last())?;
        Ok(applied)
    }

    /// Takes note of the last row of a batch that has slipped.
    fn slip(&mut self, asked: &Asked<'_, T>, last: &Instant) {
        let (width, call) = (self.descriptor.input.width, asked.calls[asked.calls.len() - 1]);
        if last.matter.slipped && !asked.x.is_empty() {
            let next = Call { first_row: call.first_row + (asked.x.len() / width) as u64, ..call };
            self.last_row = Some((next, asked.x[asked.x.len() - width..].to_vec()));
        }
    }

    /// The last configuration is held from now on.
    pub fn hold_last(&mut self, asked: &Asked<'_, T>, written: Option<&Configured>) -> Result<()> {
        self.forget();
        if let Some(written) = written {
            self.memory.hold(written);
            return Ok(());
        }
        let (Some(set), Some(call)) = (asked.sets.last(), asked.calls.last()) else { return Ok(()) };
        let (model, memory) = (&self.model, &mut self.memory);
        self.desks.with(|desk| {
            let params = asked.expand(set, &mut desk.params)?;
            Memory::fresh(model, params, call, &mut desk.configured)?;
            memory.hold(&desk.configured);
            Ok(())
        })
    }

    /// One configuration of several, by itself.
    fn one(&self, set: &Set<'_, '_, T>, y: &mut [T], desk: &mut Desk<T>, want_applied: bool) -> Result<Applied> {
        let (asked, call) = (set.asked, &set.asked.calls[set.i]);
        let Desk { medium, room, configured, params } = desk;
        let written = match set.written {
            Some(written) => written,
            None => {
                let params = asked.expand(&asked.sets[set.i], params)?;
                Memory::fresh(&self.model, params, call, configured)?;
                configured
            }
        };
        let lost = self.events.lost(written.call.time_s, call.time_s);
        self.model.medium(if lost { self.memory.initial() } else { written }, set.instant, medium, room)?;
        let query = Query {
            medium,
            detection: self.detection(call, set.instant),
            keys: self.model.encoder.keys(call),
            backward: false,
        };
        let shifted;
        let rows = if set.instant.matter.slipped {
            shifted = self.slipped(asked.x, self.descriptor.input.width, call);
            Rows::Asked(&shifted[..])
        } else {
            set.rows
        };
        self.model.answer(&query, rows, call.first_row, y, room)?;
        Ok(Applied { values: if want_applied { self.model.applied(written) } else { RVec::new() } })
    }
}

/// One configuration of a call of several.
struct Set<'s, 'a, T> {
    asked: &'s Asked<'a, T>,
    i: usize,
    instant: &'s Instant,
    /// What was written, where that depends on writes before.
    written: Option<&'s Configured>,
    rows: Rows<'s, T>,
}
