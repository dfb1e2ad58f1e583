//! What happens abruptly, at given times or at random.
//!
//! Random times are a function of (seed, event, time) alone: time is cut into windows of 1/rate, each of which holds a
//! number of occurrences that is Poisson-distributed with mean 1, at uniform times. After 2^20 windows nothing happens any
//! more.

use crate::{
    keys::{Places, Source},
    slots::Moved,
};
use blackbeam_netlist::circuit::{Circuit, EventKind, Number, When};
use blackbeam_plugin::{Key, PluginError, Result};
use std::f64::consts::E;

/// Windows of a random event.
const HORIZON: u64 = 1 << 20;

/// All events of one device.
pub(crate) struct Events {
    events: Vec<Timed>,
}

struct Timed {
    what: EventKind,
    when: When,
    duration_s: f64,
    key: Key,
    /// Jumps of all slots up to a window, for events that stay.
    jumped: Option<(u64, Vec<f64>)>,
}

/// What is the matter at the time of a query, beside moved slots.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Matter {
    /// Shift of all wavelengths, um.
    pub shift_um: f64,
    /// Outputs that read full scale.
    pub hot: Vec<usize>,
    /// Outputs that read nothing.
    pub dead: Vec<usize>,
    /// Standard deviation of a glitch in one reading of each vector, relative to full scale.
    pub glitch: f64,
    /// Each vector gets the answer of the one before.
    pub slipped: bool,
}

impl Matter {
    /// Nothing is the matter.
    fn clear(&mut self) {
        self.hot.clear();
        self.dead.clear();
        (self.shift_um, self.glitch, self.slipped) = (0.0, 0.0, false);
    }
}

/// Most occurrences in a window: more have a probability below 10^-80.
const MOST: usize = 64;

/// The occurrences of a window, in order.
struct Times {
    times: [f64; MOST],
    count: usize,
}

impl std::ops::Deref for Times {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        &self.times[..self.count]
    }
}

impl Events {
    /// `parameters` and `outputs`: how many there are.
    ///
    /// # Errors
    /// `SETTINGS` for an event that names what is not there, or whose times make no sense.
    pub fn new(circuit: &Circuit, seed: u64, parameters: usize, outputs: usize) -> Result<Self> {
        let root = Key::new(seed).named("events");
        let mut events = Vec::with_capacity(circuit.events.len());
        for (i, event) in circuit.events.iter().enumerate() {
            let (named, limit) = match &event.what {
                EventKind::Relock { slots, .. } => (slots.as_slice(), circuit.slots.len()),
                EventKind::HotPixel(outputs_named) | EventKind::DeadChannel(outputs_named) => {
                    (outputs_named.as_slice(), outputs)
                }
                EventKind::StuckDac(named) => (named.as_slice(), parameters),
                _ => (&[][..], 0),
            };
            let wrong = |m: &str| Err(PluginError::settings(format!("events entry {}: {m}", i + 1)));
            if named.iter().any(|&n| n >= limit) {
                return wrong("it names an element that is not there");
            }
            let mut when = event.when.clone();
            match &mut when {
                When::At(times) if times.iter().any(|t| !t.is_finite()) => return wrong("a time that is not finite"),
                When::At(times) => times.sort_by(f64::total_cmp),
                When::Poisson(rate) if !(rate.is_finite() && *rate >= 0.0) => return wrong("a rate below 0"),
                When::Poisson(_) => {}
            }
            if event.duration_s.is_nan() || event.duration_s < 0.0 {
                return wrong("a duration below 0");
            }
            let mut duration_s = event.duration_s;
            if duration_s == 0.0 && matches!(event.what, EventKind::AdcGlitch { .. } | EventKind::FrameSlip) {
                // What happens to one query happens to the one that begins within the time of a query after it.
                let timing = &circuit.timing;
                duration_s = timing.trigger_s + timing.frame_s * f64::from(timing.averages.max(1));
                if duration_s <= 0.0 {
                    return wrong("it happens to a query, and queries take no time: say `timing: {frame: SECONDS}`");
                }
            }
            let key = root.with(i as u64);
            events.push(Timed { what: event.what.clone(), when, duration_s, key, jumped: None });
        }
        Ok(Events { events })
    }

    /// True if slots can jump.
    pub fn none(&self) -> bool {
        self.events.is_empty()
    }

    /// Slots jump.
    pub fn of_slots(&self) -> bool {
        self.events.iter().any(|e| matches!(e.what, EventKind::Relock { .. }))
    }

    /// True if a write may depend on the one before it.
    pub fn remembers(&self) -> bool {
        self.events.iter().any(|e| matches!(e.what, EventKind::StuckDac(_)))
    }

    /// Parameters that are stuck at the time of a write.
    pub fn stuck(&self, time_s: f64, stuck: &mut Vec<usize>) {
        stuck.clear();
        for event in &self.events {
            match &event.what {
                EventKind::StuckDac(parameters) if event.active(time_s) => stuck.extend(parameters),
                _ => {}
            }
        }
    }

    /// True if the device has lost its parameters between a write and a query.
    pub fn lost(&self, written_s: f64, time_s: f64) -> bool {
        let mut losses = self.events.iter().filter(|e| e.what == EventKind::StateLost);
        losses.any(|e| e.first(written_s, time_s).is_some())
    }

    /// What is the matter at a time; what makes slots jump is added to `moved`.
    pub fn at(&mut self, time_s: f64, places: &Places, moved: &mut Moved, matter: &mut Matter) {
        matter.clear();
        for event in &mut self.events {
            if let EventKind::Relock { .. } = event.what {
                event.jump(time_s, places, moved);
                continue;
            }
            if !event.active(time_s) {
                continue;
            }
            match &event.what {
                EventKind::ModeHop { shift_um } => matter.shift_um += shift_um,
                EventKind::HotPixel(outputs) => matter.hot.extend(outputs),
                EventKind::DeadChannel(outputs) => matter.dead.extend(outputs),
                EventKind::AdcGlitch { sigma } => matter.glitch = matter.glitch.hypot(*sigma),
                EventKind::FrameSlip => matter.slipped = true,
                EventKind::Relock { .. } | EventKind::StuckDac(_) | EventKind::StateLost => {}
            }
        }
    }

    /// One line for each kind of event, for people.
    pub fn explain(&self) -> Vec<String> {
        let line = |e: &Timed| {
            let name = format!("{:?}", e.what);
            let name = name.split([' ', '(', '{']).next().unwrap_or_default().to_string();
            match &e.when {
                When::At(times) => format!("{name} at {times:?} s"),
                When::Poisson(rate) => format!("{name}, {rate:e} per second"),
            }
        };
        self.events.iter().map(line).collect()
    }
}

impl Timed {
    /// Happening now: something occurred less than the duration ago.
    fn active(&self, time_s: f64) -> bool {
        self.first(time_s - self.duration_s, time_s).is_some()
    }

    /// The first occurrence after `from` and not after `to`.
    fn first(&self, from: f64, to: f64) -> Option<f64> {
        match &self.when {
            When::At(times) => times.iter().copied().find(|t| *t > from && *t <= to),
            When::Poisson(rate) => (window(from, *rate)..=window(to, *rate))
                .take_while(|_| *rate > 0.0)
                .find_map(|w| self.within(w, *rate).iter().copied().find(|t| *t > from && *t <= to)),
        }
    }

    fn within(&self, window: u64, rate: f64) -> Times {
        let mut found = Times { times: [0.0; MOST], count: 0 };
        if window >= HORIZON {
            return found;
        }
        let key = self.key.with(window);
        let (u, mut term) = (key.uniform(0), 1.0 / E);
        let mut below = term;
        while u >= below && found.count < MOST {
            found.times[found.count] = (window as f64 + key.uniform(1 + found.count as u64)) / rate;
            found.count += 1;
            term /= found.count as f64;
            below += term;
        }
        found.times[..found.count].sort_unstable_by(f64::total_cmp);
        found
    }

    fn jump(&mut self, time_s: f64, places: &Places, moved: &mut Moved) {
        // Out of the way while the times are asked for.
        let mut jumped = self.jumped.take();
        self.jump_from(time_s, places, moved, &mut jumped);
        self.jumped = jumped;
    }

    fn jump_from(&self, time_s: f64, places: &Places, moved: &mut Moved, jumped: &mut Option<(u64, Vec<f64>)>) {
        let EventKind::Relock { slots, sigma } = &self.what else { return };
        let from = time_s - self.duration_s;
        let (key, sigma) = (self.key.named("jump"), *sigma);
        let each = |occurrence: u64, into: &mut [f64]| {
            let mut source = Source::new(key.with(occurrence));
            slots.iter().for_each(|&s| into[s] += source.draw(Number::Normal(0.0, sigma), places.of(s)));
        };
        match &self.when {
            When::At(times) => {
                for (i, _) in times.iter().enumerate().filter(|(_, t)| **t > from && **t <= time_s) {
                    each(i as u64, &mut moved.added);
                }
            }
            When::Poisson(rate) if *rate > 0.0 => {
                let (rate, now) = (*rate, window(time_s, *rate));
                let mut first = window(from, rate);
                if from == f64::NEG_INFINITY {
                    // Whole windows before this one are kept.
                    let (done, sum) = jumped.get_or_insert_with(|| (0, vec![0.0; moved.added.len()]));
                    if *done > now {
                        *done = 0;
                        sum.fill(0.0);
                    }
                    while *done < now {
                        let count = self.within(*done, rate).len();
                        (0..count).for_each(|k| each(*done << 8 | k as u64, sum));
                        *done += 1;
                    }
                    moved.added.iter_mut().zip(&*sum).for_each(|(a, s)| *a += s);
                    first = now;
                }
                for w in first..=now {
                    for (k, _) in self.within(w, rate).iter().enumerate().filter(|(_, t)| **t > from && **t <= time_s) {
                        each(w << 8 | k as u64, &mut moved.added);
                    }
                }
            }
            When::Poisson(_) => {}
        }
    }
}

fn window(time_s: f64, rate: f64) -> u64 {
    ((time_s.max(0.0) * rate) as u64).min(HORIZON)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timed(when: When, duration_s: f64) -> Timed {
        Timed { what: EventKind::FrameSlip, when, duration_s, key: Key::new(3), jumped: None }
    }

    #[test]
    fn given_times() {
        let event = timed(When::At(vec![1.0, 5.0]), 2.0);
        let active: Vec<bool> = [0.9, 1.0, 2.9, 3.0, 5.5, 7.0].into_iter().map(|t| event.active(t)).collect();
        assert_eq!(active, [false, true, true, false, true, false]);
        assert!(timed(When::At(vec![1.0]), f64::INFINITY).active(1e9));
    }

    #[test]
    fn random_times_are_a_poisson_process() {
        let event = timed(When::Poisson(10.0), 0.0);
        let counts: Vec<f64> = (0..20_000).map(|w| event.within(w, 10.0).len() as f64).collect();
        let n = counts.len() as f64;
        let mean = counts.iter().sum::<f64>() / n;
        let variance = counts.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / n;
        // five standard errors: mean and variance 1, fourth central moment 4
        assert!((mean - 1.0).abs() < 5.0 / n.sqrt() && (variance - 1.0).abs() < 5.0 * 3f64.sqrt() / n.sqrt());
        // fraction of time that one of duration D is on: 1 - exp(-rate D)
        let event = timed(When::Poisson(10.0), 0.05);
        let on = (0..20_000).filter(|k| event.active(0.1 + 0.1 * f64::from(*k))).count() as f64 / n;
        let expected = 1.0 - (-0.5f64).exp();
        assert!((on - expected).abs() < 5.0 * (expected * (1.0 - expected) / n).sqrt(), "{on}");
        assert!(!timed(When::Poisson(0.0), 1.0).active(5.0));
    }
}
