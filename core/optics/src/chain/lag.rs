//! Actuators take time: what a written configuration has become at the time of a query.
//!
//! state(t) = target + (from - target) exp(-dt / tau). The time of a call is that at which its logical group starts, after
//! the wait that settling is charged with, tau ln(largest change / tolerance); so dt counts from that long before the time
//! of the write, and a device that is asked when it says it has settled is off by its tolerance at most. Light is held
//! fixed while a group is answered.

use blackbeam_plugin::Call;

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
        // Neighbours mostly have the same time constant.
        let (mut last, mut left) = (0.0, 0.0);
        for ((state, from), &tau) in out.iter_mut().zip(&configured.from).zip(&self.tau_s) {
            if tau > 0.0 {
                if tau != last {
                    (last, left) = (tau, (-dt / tau).exp());
                }
                *state += (from - *state) * left;
            }
        }
    }

    /// Lets `next` start from what `last` has become by then.
    pub fn follow(&self, last: &Configured, next: &mut Configured) {
        if self.tau_s.is_empty() {
            return;
        }
        let changes = last.asked.iter().zip(&next.asked).map(|(a, b)| (a - b).abs());
        next.change = changes.fold(0.0, f64::max);
        let began = self.began(next);
        self.state(last, began, &mut next.from);
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
