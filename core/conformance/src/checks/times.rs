//! Times: settling, throughput, time-outs.

use super::{Check, short};
use crate::{
    bench::{Bench, ROWS, span},
    measure::{FACTOR, difference},
    report::Outcome,
};
use blackbeam_plugin::{ParameterKind, Result};
use std::{thread, time::Duration};

pub(super) const CHECKS: &[Check] = &[
    Check { id: "times.settled", asks: true, run: settled },
    Check { id: "times.throughput", asks: false, run: throughput },
    Check { id: "times.timeouts", asks: false, run: timeouts },
];

/// How often the answers right after a write are compared with later ones.
const REPEATS: usize = 3;
/// Longest wait, seconds.
const MOST_WAIT_S: f64 = 5.0;
/// Part of the range by which parameters are moved.
const MOVE: f64 = 0.05;
/// Calls may take so many times what is declared, and so much more, seconds a call.
const TIMES: f64 = 3.0;
const EXCESS_S: f64 = 0.01;

fn settled(bench: &mut Bench) -> Result<Outcome> {
    if bench.descriptor.n_params() == 0 {
        return Ok(Outcome::skipped("the device has no parameters"));
    }
    let noise = bench.noise()?;
    let t = bench.descriptor.timing;
    let x = bench.inputs("settled", ROWS);
    let start = bench.query(&x)?;
    // Ten time constants; at least twenty milliseconds, for hardware that declares none.
    let wait = (10.0 * t.settle_tau_s).clamp(0.02, MOST_WAIT_S);
    let (mut worst, mut moved, mut largest) = (0.0f64, 0.0f64, 0.0f64);
    for i in 0..REPEATS {
        let target = bench.point(["settled 0", "settled 1", "settled 2"][i % 3], MOVE);
        let initial = bench.initial();
        largest = target.iter().zip(&initial).map(|(a, b)| (a - b).abs()).fold(largest, f64::max);
        bench.write(&target)?;
        let at_once = bench.query(&x)?;
        if !bench.options.simulated {
            thread::sleep(Duration::from_secs_f64(wait));
        }
        bench.pass(wait);
        let later = bench.query(&x)?;
        worst = worst.max(difference(&at_once, &later));
        moved = moved.max(difference(&start, &later));
        bench.write(&initial)?;
    }
    // What is left when actuators have come within the tolerance.
    let left = if t.settle_tau_s > 0.0 && largest > 0.0 { 3.0 * moved * t.settle_tolerance / largest } else { 0.0 };
    let bound = FACTOR * noise.of_difference() + left;
    let measured = format!(
        "answers after a write, and {} s later, differ by {} (rms) at most; the write moved them by {}",
        short(wait),
        short(worst),
        short(moved)
    );
    let expected = format!("at most {}, by noise and the tolerance of settling", short(bound));
    let advice = "wait in write_params until the actuators hold, or say how long it takes (in C: settle_s); declare settle_tau_s \
                  and settle_tolerance";
    let far = bench.descriptor.parameters.iter().any(|p| p.kind != ParameterKind::Binary && span(p) > 0.0);
    Ok(Outcome::of(worst <= bound || !far, measured, expected, advice))
}

fn throughput(bench: &mut Bench) -> Result<Outcome> {
    if bench.options.simulated {
        return Ok(Outcome::skipped("device time is simulated: it is counted, not measured"));
    }
    let mut problems = Vec::new();
    let mut said = Vec::new();
    let mut faster = false;
    for (what, took) in [("write", bench.writing), ("query", bench.asking)] {
        if took.calls == 0 {
            continue;
        }
        let (measured, declared) = (took.measured_s / took.calls as f64, took.declared_s / took.calls as f64);
        said.push(format!(
            "a {what} takes {} s, declared {} s (means of {})",
            short(measured),
            short(declared),
            took.calls
        ));
        if measured > TIMES * declared + EXCESS_S {
            problems.push(what);
        }
        faster |= declared > TIMES * measured + EXCESS_S;
    }
    if said.is_empty() {
        return Ok(Outcome::skipped("nothing was written or asked"));
    }
    let measured = said.join("; ");
    let expected = "what `timing` declares: budgets and drift go by it";
    if !problems.is_empty() {
        let advice = "declare in `timing` what writes and queries take with everything that is between host and light";
        return Ok(Outcome::fail(measured, expected, advice));
    }
    if faster {
        let advice =
            "declare what is measured, if it is hardware; a simulator may declare the times of what it simulates";
        return Ok(Outcome::warn(measured, expected, advice));
    }
    Ok(Outcome::pass(measured, expected))
}

fn timeouts(bench: &mut Bench) -> Result<Outcome> {
    if bench.options.simulated {
        return Ok(Outcome::skipped("a simulator in this process needs none"));
    }
    let t = bench.descriptor.timeouts;
    let all = [
        ("open_s", t.open_s, bench.opening_s),
        ("write_s", t.write_s, bench.writing.longest_s),
        ("query_s", t.query_s, bench.asking.longest_s),
    ];
    let said: Vec<String> = all
        .iter()
        .map(|(what, declared, longest)| format!("{what} {}, longest {}", short(*declared), short(*longest)))
        .collect();
    let said = said.join("; ");
    let expected = "time-outs that are declared, and twice as long as the longest call";
    if all.iter().any(|(_, declared, longest)| *declared > 0.0 && *declared < 2.0 * longest) {
        return Ok(Outcome::fail(said, expected, "declare longer time-outs: a healthy call must never run into one"));
    }
    if all.iter().any(|(_, declared, _)| *declared == 0.0) {
        let advice = "declare in `timeouts` when something is wrong: the driver knows, the host has to guess";
        return Ok(Outcome::warn(said, expected, advice));
    }
    Ok(Outcome::pass(said, expected))
}
