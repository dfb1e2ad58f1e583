//! The device clock: what writes and queries take on the described hardware. It is computed from logical vectors and
//! writes and the descriptor alone, so that how a group is split, retried or threaded never moves it.

use super::Account;
use blackbeam_plugin::{Descriptor, Parameter};

/// Cost of programming `new` where `old` was programmed (`None`: nothing yet): t_fixed + n_changed t_each + settling,
/// tau ln(largest change / tolerance), and before it the time that the change takes where its speed is limited.
pub fn write_cost(descriptor: &Descriptor, old: Option<&[f64]>, new: &[f64]) -> Account {
    let (changed, largest) = match old {
        None => {
            let reach = |(p, v): (&Parameter, &f64)| {
                let span = p.max - p.min;
                if span.is_finite() { span } else { v.abs() }
            };
            (new.len() as u64, descriptor.parameters.iter().zip(new).map(reach).fold(0.0, f64::max))
        }
        Some(old) => changes(old, new),
    };
    let t = &descriptor.timing;
    let settle = if t.settle_tau_s > 0.0 && t.settle_tolerance > 0.0 && largest > t.settle_tolerance {
        t.settle_tau_s * (largest / t.settle_tolerance).ln()
    } else {
        0.0
    };
    let slew = descriptor.limits.slew_per_s;
    let moving = if slew > 0.0 { largest / slew } else { 0.0 };
    let (write_s, settle_s) = (t.write_fixed_s + changed as f64 * t.write_each_s, settle + moving);
    let seconds = write_s + settle_s;
    let joules = seconds * descriptor.energy.hold_w + changed as f64 * descriptor.energy.write_j;
    Account { vectors: 0, configurations: 1, device_seconds: seconds, write_s, settle_s, joules }
}

/// Cost of one of the writes on the way to a configuration: its time of moving is the configuration's.
pub fn step_cost(descriptor: &Descriptor, changed: u64) -> Account {
    let t = &descriptor.timing;
    let write_s = t.write_fixed_s + changed as f64 * t.write_each_s;
    let joules = write_s * descriptor.energy.hold_w + changed as f64 * descriptor.energy.write_j;
    Account { configurations: 1, device_seconds: write_s, write_s, joules, ..Account::default() }
}

/// How many numbers differ, and the largest difference.
fn changes(old: &[f64], new: &[f64]) -> (u64, f64) {
    // Several at a time, without branches: this is done for each configuration.
    const LANES: usize = 8;
    let (mut counts, mut tops) = ([0u64; LANES], [0f64; LANES]);
    for (old, new) in old.chunks(LANES).zip(new.chunks(LANES)) {
        for (((a, b), count), top) in old.iter().zip(new).zip(&mut counts).zip(&mut tops) {
            let d = (a - b).abs();
            *count += u64::from(d > 0.0);
            *top = if d > *top { d } else { *top };
        }
    }
    (counts.iter().sum(), tops.into_iter().fold(0.0, f64::max))
}

/// Cost of sending `vectors` vectors as one query: trigger + ceil(vectors / frame) t_frame averages.
pub fn query_cost(descriptor: &Descriptor, vectors: u64) -> Account {
    let t = &descriptor.timing;
    let frames = vectors.div_ceil(u64::from(t.frame_vectors.max(1)));
    let seconds = t.trigger_s + frames as f64 * t.frame_s * f64::from(t.averages.max(1));
    let joules = seconds * descriptor.energy.hold_w + vectors as f64 * descriptor.energy.vector_j;
    Account { vectors, device_seconds: seconds, joules, ..Account::default() }
}
