//! The writes of a device on which later ones depend, so that one that comes again starts from where it started the first
//! time: what was asked for, in stretches of a few writes each, and what the device was before each stretch. What it was
//! before a write is found by writing again what came between.

use crate::{
    chain::{events::Events, lag::Configured},
    keys::same_call,
    model::Model,
};
use blackbeam_plugin::{Call, Result};
use std::{collections::VecDeque, ops::RangeInclusive};

/// Writes of a stretch.
const STRETCH: usize = 16;
/// Most stretches, and most numbers in all of them.
const MOST_STRETCHES: usize = 1 << 10;
const MOST_NUMBERS: usize = 5 << 18;

/// Writes that follow each other.
struct Stretch {
    /// The device before the first of them.
    before: Configured,
    /// Steps of their calls.
    steps: RangeInclusive<u64>,
    /// What was asked for; those beyond `len` are room.
    writes: Vec<(Call, Vec<f64>)>,
    len: usize,
}

/// The last writes of a device.
#[derive(Default)]
pub(crate) struct History {
    stretches: VecDeque<Stretch>,
    /// Room for more.
    spare: Vec<Stretch>,
    stuck: Vec<usize>,
}

impl History {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.spare.extend(self.stretches.drain(..));
    }

    /// Takes note of a write on a device that was `before`.
    pub fn push(&mut self, call: &Call, asked: &[f64], before: &Configured) {
        if self.stretches.back().is_none_or(|last| last.len == STRETCH) {
            // What was asked for, applied, aimed at and left, and what is asked for in each write.
            let numbers = 4 * before.applied.len() + STRETCH * asked.len();
            while self.stretches.len() >= (MOST_NUMBERS / numbers.max(1)).clamp(2, MOST_STRETCHES) {
                self.spare.extend(self.stretches.pop_front());
            }
            let mut next = self.spare.pop().unwrap_or_else(|| Stretch::empty(call));
            next.before.copy(before);
            (next.steps, next.len) = (call.step..=call.step, 0);
            self.stretches.push_back(next);
        }
        let last = self.stretches.back_mut().expect("one was pushed above");
        last.steps = call.step.min(*last.steps.start())..=call.step.max(*last.steps.end());
        match last.writes.get_mut(last.len) {
            Some((known, values)) => {
                *known = *call;
                values.clear();
                values.extend_from_slice(asked);
            }
            None => last.writes.push((*call, asked.to_vec())),
        }
        last.len += 1;
    }

    /// Makes `device` what it was before a write of this identity, if there was one, and forgets that and all after it.
    /// `room` is used on the way.
    ///
    /// # Errors
    /// As the writes.
    pub fn rewind(
        &mut self,
        call: &Call,
        (model, events): (&Model, &Events),
        device: &mut Configured,
        room: &mut Configured,
    ) -> Result<()> {
        let found = self.stretches.iter().enumerate().find_map(|(i, stretch)| Some((i, stretch.find(call)?)));
        let Some((stretch, at)) = found else { return Ok(()) };
        self.spare.extend(self.stretches.drain(stretch + 1..));
        let stretch = &mut self.stretches[stretch];
        device.copy(&stretch.before);
        for (call, asked) in &stretch.writes[..at] {
            write(model, events, (asked, call), device, room, &mut self.stuck)?;
            std::mem::swap(device, room);
        }
        stretch.len = at;
        if at == 0 {
            self.spare.extend(self.stretches.pop_back());
        }
        Ok(())
    }
}

impl Stretch {
    fn empty(call: &Call) -> Self {
        Stretch { before: Configured::empty(call), steps: call.step..=call.step, writes: Vec::new(), len: 0 }
    }

    /// The write of an identity.
    fn find(&self, call: &Call) -> Option<usize> {
        if !self.steps.contains(&call.step) {
            return None;
        }
        self.writes[..self.len].iter().position(|(known, _)| same_call(known, call))
    }
}

/// What `last` becomes by a write.
///
/// # Errors
/// `SHAPE` for a wrong number of parameters, `RANGE` for one that is not finite.
pub(crate) fn write(
    model: &Model,
    events: &Events,
    (params, call): (&[f64], &Call),
    last: &Configured,
    next: &mut Configured,
    stuck: &mut Vec<usize>,
) -> Result<()> {
    model.admit(params, next)?;
    events.stuck(call.time_s, stuck);
    model.set_points.configure(call, Some(last), stuck, next);
    model.set_points.settling.follow(last, next);
    Ok(())
}
