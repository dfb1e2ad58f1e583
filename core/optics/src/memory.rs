//! What a device remembers of its writes.
//!
//! Most devices hold what was written last and nothing else. Where actuators lag, change at a limited rate or can be stuck, a
//! write also depends on the one before it. Writes of diagnostics are not part of that sequence, and a write that comes again
//! (same identity) starts from where it started the first time, so that a retried or re-programmed device gives the same
//! bits.

use crate::{
    chain::{events::Events, lag::Configured},
    engine::OPENING,
    history::{self, History},
    keys::same_call,
    model::Model,
};
use blackbeam_plugin::{Call, Code, PluginError, Purpose, Result};

/// The configurations of one device.
pub(crate) struct Memory {
    remembers: bool,
    initial: Configured,
    held: Configured,
    /// The last write that is no diagnostic.
    logical: Configured,
    /// The writes that led there.
    history: History,
    stuck: Vec<usize>,
}

impl Memory {
    /// With the initial values programmed.
    ///
    /// # Errors
    /// As a write.
    pub fn new(model: &Model, events: &Events) -> Result<Self> {
        let mut initial = Configured::empty(&OPENING);
        Self::fresh(model, &model.initial(), &OPENING, &mut initial)?;
        let lags = !model.set_points.settling.tau_s.is_empty();
        let remembers = lags || model.set_points.remembers() || events.remembers();
        let (held, logical) = (initial.clone(), initial.clone());
        Ok(Memory { remembers, initial, held, logical, history: History::default(), stuck: Vec::new() })
    }

    /// A write may depend on the one before it.
    pub fn remembers(&self) -> bool {
        self.remembers
    }

    /// What was programmed at opening.
    pub fn initial(&self) -> &Configured {
        &self.initial
    }

    /// What was written last.
    pub fn last(&self) -> &Configured {
        &self.held
    }

    /// What the device holds at a time, unless it has lost that.
    pub fn held(&self, events: &Events, time_s: f64) -> &Configured {
        if events.lost(self.held.call.time_s, time_s) { &self.initial } else { &self.held }
    }

    /// From now on a copy of this is held.
    pub fn hold(&mut self, configured: &Configured) {
        self.held.copy(configured);
    }

    /// A write by itself.
    ///
    /// # Errors
    /// `SHAPE` for a wrong number of parameters, `RANGE` for one that is not finite.
    pub fn fresh(model: &Model, params: &[f64], call: &Call, next: &mut Configured) -> Result<()> {
        model.admit(params, next)?;
        model.set_points.configure(call, None, &[], next);
        Ok(())
    }

    /// A write after others.
    ///
    /// # Errors
    /// As [`fresh`](Memory::fresh).
    pub fn write(
        &mut self,
        model: &Model,
        events: &Events,
        params: &[f64],
        call: &Call,
        next: &mut Configured,
    ) -> Result<()> {
        let diagnostic = call.purpose == Purpose::Diagnostic;
        if same_call(call, &self.logical.call) {
            model.admit(params, next)?;
            if next.asked == self.logical.asked {
                next.copy(&self.logical);
                return Ok(());
            }
        }
        if !diagnostic {
            self.history.rewind(call, (model, events), &mut self.logical, next)?;
        }
        history::write(model, events, (params, call), &self.logical, next, &mut self.stuck)?;
        if !diagnostic {
            self.history.push(call, &next.asked, &self.logical);
            self.logical.copy(next);
        }
        Ok(())
    }

    /// What a resumed device needs: the last logical write, if later ones depend on it.
    pub fn save(&self) -> Vec<u8> {
        if !self.remembers {
            return Vec::new();
        }
        let Configured { asked, applied, target, from, change, call } = &self.logical;
        let parts = [asked, applied, target, from];
        let header = [
            call.stream,
            call.step,
            call.purpose as u64,
            u64::from(call.round) << 32 | u64::from(call.set),
            call.time_s.to_bits(),
            change.to_bits(),
        ];
        let lengths = parts.iter().map(|p| p.len() as u64);
        let numbers = parts.iter().flat_map(|p| p.iter().map(|v| v.to_bits()));
        header.into_iter().chain(lengths).chain(numbers).flat_map(u64::to_le_bytes).collect()
    }

    /// Takes back what [`save`](Memory::save) gave.
    ///
    /// # Errors
    /// `BAD_STATE` for anything else.
    pub fn restore(&mut self, state: &[u8]) -> Result<()> {
        let bad = || PluginError::new(Code::BAD_STATE, "this is not the state of such a device");
        let (chunks, rest) = state.as_chunks::<8>();
        let words: Vec<u64> = chunks.iter().map(|c| u64::from_le_bytes(*c)).collect();
        if !self.remembers {
            return if state.is_empty() { Ok(()) } else { Err(bad()) };
        }
        let (Some((header, tail)), true) = (words.split_at_checked(10), rest.is_empty()) else { return Err(bad()) };
        let (asked, all) = (self.logical.asked.len() as u64, self.logical.applied.len() as u64);
        if header[6..9] != [asked, all, all] || !(header[9] == 0 || header[9] == all) {
            return Err(bad());
        }
        if tail.len() as u64 != asked + 2 * all + header[9] {
            return Err(bad());
        }
        let purpose = Purpose::ALL.into_iter().find(|p| *p as u64 == header[2]).ok_or_else(bad)?;
        let mut numbers = tail.iter().map(|&w| f64::from_bits(w));
        let mut take = |count: u64| numbers.by_ref().take(count as usize).collect::<Vec<f64>>();
        let (asked, applied, target, from) = (take(asked), take(all), take(all), take(header[9]));
        self.logical = Configured {
            asked,
            applied,
            target,
            from,
            change: f64::from_bits(header[5]),
            call: Call {
                stream: header[0],
                step: header[1],
                purpose,
                round: (header[3] >> 32) as u32,
                set: header[3] as u32,
                first_row: 0,
                time_s: f64::from_bits(header[4]),
            },
        };
        self.held.copy(&self.logical);
        self.history.clear();
        Ok(())
    }
}
