//! Actuators take time: what a written configuration has become at the time of a query.
//!
//! state(t) = target + (from - target) exp(-dt / tau). The time of a call is that at which its logical group starts, after
//! the wait that settling is charged with, tau ln(largest change / tolerance); so dt counts from that long before the time
//! of the write, and a device that is asked when it says it has settled is off by its tolerance at most. Light is held
//! fixed while a group is answered.

use super::levels::levels;
use blackbeam_plugin::Call;

/// After so many time constants less is left of a difference than doubles show.
const GONE: f64 = 50.0;

/// What a write leaves behind.
#[derive(Clone, Debug)]
pub(crate) struct Configured {
    /// The trainable parameters as asked for, inside their ranges.
    pub asked: Vec<f64>,
    /// All parameters as applied: what the codes stand for by the nominal curves.
    pub applied: Vec<f64>,
    /// What the actuators bring about in the end, parameter by parameter: values, or powers where those mix.
    pub target: Vec<f64>,
    /// What they did when this was written. Empty where nothing lags.
    pub from: Vec<f64>,
    /// Largest change of a trainable parameter.
    pub change: f64,
    /// The write.
    pub call: Call,
}

/// How a device settles.
#[derive(Clone, Debug)]
pub(crate) struct Settling {
    /// Time constants, parameter by parameter. Empty where nothing lags.
    pub tau_s: Vec<f64>,
    /// What the clock charges a write: longest time constant, tolerance.
    pub charged: (f64, f64),
}

impl Settling {
    /// Seconds of settling that the clock charged before the time of a write.
    pub fn wait(&self, change: f64) -> f64 {
        let (tau, tolerance) = self.charged;
        if tau > 0.0 && tolerance > 0.0 && change > tolerance { tau * (change / tolerance).ln() } else { 0.0 }
    }

    /// When the write of a configuration began.
    fn began(&self, configured: &Configured) -> f64 {
        configured.call.time_s - self.wait(configured.change)
    }

    /// What the actuators do at a time.
    pub fn state(&self, configured: &Configured, time_s: f64, out: &mut Vec<f64>) {
        out.clone_from(&configured.target);
        if configured.from.is_empty() {
            return;
        }
        let dt = (time_s - self.began(configured)).max(0.0);
        let mut first = 0;
        // Neighbours mostly have the same time constant.
        for same in self.tau_s.chunk_by(|a, b| a == b) {
            let (tau, here) = (same[0], first..first + same.len());
            first = here.end;
            if tau > 0.0 && dt < GONE * tau {
                approach((-dt / tau).exp(), &configured.from[here.clone()], &mut out[here]);
            }
        }
    }

    /// Lets `next` start from what `last` has become by then.
    pub fn follow(&self, last: &Configured, next: &mut Configured) {
        if self.tau_s.is_empty() {
            return;
        }
        largest_change(&last.asked, &next.asked, &mut next.change);
        let began = self.began(next);
        self.state(last, began, &mut next.from);
    }
}

levels! {
    /// What is `left` of the difference between where the actuators were and where they go.
    fn approach(left: f64, from: &[f64], state: &mut [f64]) = each_approach;
    fn largest_change(last: &[f64], next: &[f64], largest: &mut f64) = each_change;
}

#[inline(always)]
fn each_approach(left: f64, from: &[f64], state: &mut [f64]) {
    for (state, from) in state.iter_mut().zip(from) {
        *state += (from - *state) * left;
    }
}

#[inline(always)]
fn each_change(last: &[f64], next: &[f64], largest: &mut f64) {
    /// Maxima side by side: one after the other each would wait for the one before it.
    const LANES: usize = 32;
    let change = |a: f64, b: f64, most: f64| if (a - b).abs() > most { (a - b).abs() } else { most };
    let (last, last_rest) = last.as_chunks::<LANES>();
    let (next, next_rest) = next.as_chunks::<LANES>();
    let mut most = [0.0; LANES];
    for (a, b) in last.iter().zip(next) {
        for i in 0..LANES {
            most[i] = change(a[i], b[i], most[i]);
        }
    }
    *largest = most.into_iter().fold(0.0, f64::max);
    for (a, b) in last_rest.iter().zip(next_rest) {
        *largest = change(*a, *b, *largest);
    }
}

impl Configured {
    /// Nothing is written yet.
    pub fn empty(call: &Call) -> Self {
        Configured {
            asked: Vec::new(),
            applied: Vec::new(),
            target: Vec::new(),
            from: Vec::new(),
            change: 0.0,
            call: *call,
        }
    }

    /// Becomes a copy of another, in the same room.
    pub fn copy(&mut self, other: &Configured) {
        self.asked.clone_from(&other.asked);
        self.applied.clone_from(&other.applied);
        self.target.clone_from(&other.target);
        self.from.clone_from(&other.from);
        (self.change, self.call) = (other.change, other.call);
    }
}
