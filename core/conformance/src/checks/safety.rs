//! Health, and the state in which the hardware can be left alone.

use super::{Check, short};
use crate::{
    bench::{Bench, ROWS},
    measure::{FACTOR, difference},
    report::Outcome,
};
use blackbeam_plugin::{Matrix, Result, SafeState};
use std::{
    thread,
    time::{Duration, Instant},
};

pub(super) const CHECKS: &[Check] = &[
    Check { id: "safety.health", asks: true, run: health },
    Check { id: "safety.safe_state", asks: true, run: safe_state },
    Check { id: "safety.safe_anywhere", asks: true, run: safe_anywhere },
];

/// Longest that asking for the health may take, and bringing about the safe state, seconds.
const HEALTH_S: f64 = 0.1;
const SAFE_S: f64 = 1.0;
/// Queries that are made while another thread asks for the safe state.
const QUERIES: usize = 4;

fn health(bench: &mut Bench) -> Result<Outcome> {
    let noise = bench.noise()?;
    let x = bench.inputs("health", ROWS);
    let before = bench.query(&x)?;
    let begun = Instant::now();
    let health = bench.call("health", 0.0, |d| d.health())?;
    let took = begun.elapsed().as_secs_f64();
    let after = bench.query(&x)?;
    let differ = difference(&before, &after);
    let temperature =
        if health.temperature_c.is_finite() { format!(", {} C", short(health.temperature_c)) } else { String::new() };
    let measured = format!("ready: {}{temperature}, after {} s", health.ready, short(took));
    let expected = "ready, within 0.1 s, changing nothing";
    if !health.ready {
        let advice = "a device that has taken its parameters and answers is ready";
        return Ok(Outcome::fail(measured, expected, advice));
    }
    if took > HEALTH_S {
        let advice = "health is asked for between steps: give what is known, and measure slowly in the background";
        return Ok(Outcome::fail(measured, expected, advice));
    }
    if differ > FACTOR * noise.of_difference() {
        let measured = format!("{measured}; answers moved by {} (rms)", short(differ));
        return Ok(Outcome::fail(measured, expected, "health must change nothing"));
    }
    Ok(Outcome::pass(measured, expected))
}

/// After a write the answers are those from before.
fn comes_back(bench: &mut Bench, x: &Matrix, before: &Matrix, took: f64) -> Result<Outcome> {
    let noise = bench.noise()?;
    let initial = bench.initial();
    bench.write(&initial)?;
    bench.rest();
    let after = bench.query(x)?;
    let differ = difference(before, &after);
    let measured =
        format!("twice, {} s at most; after a write the answers differ by {} (rms)", short(took), short(differ));
    let expected = "done twice, each in less than 1 s; a write brings the device back";
    let settled = if bench.descriptor.timing.settle_tau_s > 0.0 { 0.01 * noise.rms } else { 0.0 };
    if took > SAFE_S {
        return Ok(Outcome::fail(measured, expected, "safe_state must not wait for anything longer than a second"));
    }
    let good = differ <= FACTOR * noise.of_difference() + settled;
    Ok(Outcome::of(good, measured, expected, "write_params must switch on again what safe_state switched off"))
}

fn safe_state(bench: &mut Bench) -> Result<Outcome> {
    bench.noise()?;
    let x = bench.inputs("safe", ROWS);
    let before = bench.query(&x)?;
    let mut took = 0.0f64;
    for _ in 0..2 {
        let begun = Instant::now();
        bench.call("safe_state", 0.0, |d| d.safe_state())?;
        took = took.max(begun.elapsed().as_secs_f64());
        bench.reset();
    }
    comes_back(bench, &x, &before, took)
}

fn safe_anywhere(bench: &mut Bench) -> Result<Outcome> {
    let Some(safe) = bench.call("safe_state_anywhere", 0.0, |d| Ok(d.safe_state_anywhere()))? else {
        return Ok(Outcome::skipped("it cannot be asked for while another call is running"));
    };
    bench.noise()?;
    let x = bench.inputs("safe", ROWS);
    let before = bench.query(&x)?;
    let (safe, took) = beside(bench, &x, &safe);
    safe?;
    bench.reset();
    comes_back(bench, &x, &before, took)
}

/// Asks for the safe state twice in another thread, while this one queries, whose answers may fail: the light goes out.
fn beside(bench: &mut Bench, x: &Matrix, safe: &SafeState) -> (Result<()>, f64) {
    thread::scope(|scope| {
        let other = scope.spawn(move || {
            thread::sleep(Duration::from_millis(1));
            let mut took = 0.0f64;
            let mut twice = || {
                let begun = Instant::now();
                let done = safe();
                took = took.max(begun.elapsed().as_secs_f64());
                done
            };
            let done = twice().and_then(|()| twice());
            (done, took)
        });
        for _ in 0..QUERIES {
            let _ = bench.query(x);
        }
        let panicked = |_| {
            let message = "safe_state panicked in another thread";
            (Err(blackbeam_plugin::PluginError::new(blackbeam_plugin::Code::PANIC, message)), 0.0)
        };
        other.join().unwrap_or_else(panicked)
    })
}
