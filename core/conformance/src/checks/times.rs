//! Times: settling, throughput, time-outs.

use super::{Check, list, short};
use crate::{
    bench::{Bench, ROWS},
    measure::{FACTOR, difference},
    report::Outcome,
};
use blackbeam_plugin::{Matrix, Parameter, ParameterKind, Result};

pub(super) const CHECKS: &[Check] = &[
    Check { id: "times.settled", asks: true, run: settled },
    Check { id: "times.throughput", asks: false, run: throughput },
    Check { id: "times.timeouts", asks: false, run: timeouts },
    Check { id: "times.retried", asks: false, run: retried },
];

/// Actuators may be off by so many times their tolerance: the largest move is within it, and answers do not follow in proportion.
const LEFT: f64 = 4.0;
/// Part of the range by which parameters are moved.
const MOVE: f64 = 0.05;
/// The same for a small move.
const SMALL: f64 = 0.002;
/// Calls may take so many times what is declared, and so much more, seconds a call.
const TIMES: f64 = 3.0;
const EXCESS_S: f64 = 0.01;

fn settled(bench: &mut Bench) -> Result<Outcome> {
    if !bench.descriptor.parameters.iter().any(|p| p.kind != ParameterKind::Binary && p.span() > 0.0) {
        return Ok(Outcome::skipped("the device has no parameters that can move"));
    }
    let noise = bench.noise()?;
    let t = bench.descriptor.timing;
    let x = bench.inputs("settled", ROWS);
    let start = bench.query(&x)?;
    let (mut worst, mut moved, mut slope, mut wait) = (0.0f64, 0.0f64, 0.0f64, 0.0);
    for name in ["settled 0", "settled 1", "settled 2"] {
        let target = bench.point(name, MOVE);
        bench.write(&target)?;
        let at_once = bench.query(&x)?;
        wait = bench.rest();
        let later = bench.query(&x)?;
        worst = worst.max(difference(&at_once, &later));
        moved = moved.max(difference(&start, &later));
        if t.settle_tau_s > 0.0 {
            slope = slope.max(steepness(bench, &x, &target, &later)?);
        }
        let initial = bench.initial();
        bench.write(&initial)?;
    }
    let bound = FACTOR * noise.of_difference() + LEFT * slope * t.settle_tolerance;
    let measured = format!(
        "answers after a write, and {} s later, differ by {} (rms) at most; the write moved them by {}",
        short(wait),
        short(worst),
        short(moved)
    );
    let expected = format!("at most {}, by noise and the tolerance of settling", short(bound));
    let advice = "wait in write_params until the actuators hold, or say how long it takes (in C: settle_s); declare settle_tau_s \
                  and settle_tolerance";
    Ok(Outcome::of(worst <= bound, measured, expected, advice))
}

/// How much answers move (rms) with parameters, by a small move of all from `params`, where the answers are `y`.
fn steepness(bench: &mut Bench, x: &Matrix, params: &[f64], y: &Matrix) -> Result<f64> {
    let small = bench.point("steepness", SMALL);
    let step = |((p, at), (to, from)): ((&Parameter, &f64), (&f64, f64))| p.admit(at + (to - from));
    let parameters = bench.descriptor.parameters.iter();
    let near: Vec<f64> = parameters.zip(params).zip(small.iter().zip(bench.initial())).map(step).collect();
    // Not from what was written: a parameter may have gone round.
    let largest = bench.descriptor.parameters.iter().map(|p| SMALL * p.span()).fold(0.0, f64::max);
    bench.write(&near)?;
    bench.rest();
    let moved = difference(y, &bench.query(x)?);
    Ok(if largest > 0.0 { moved / largest } else { 0.0 })
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

fn retried(bench: &mut Bench) -> Result<Outcome> {
    let expected = "no call that has to be sent again";
    let n = bench.again.len();
    if n == 0 {
        return Ok(Outcome::pass("all calls were answered the first time", expected));
    }
    let advice = "training sends such calls again as well, as often as the kind of error allows, and counts each; see what the errors say";
    Ok(Outcome::warn(format!("{n} calls failed and were sent again: {}", list(&bench.again)), expected, advice))
}
