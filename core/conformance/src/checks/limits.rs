//! Limits that the device declares, gone beyond.

use super::{Check, short};
use crate::{
    bench::{Bench, ROWS},
    measure::{FACTOR, difference},
    report::Outcome,
};
use blackbeam_plugin::{Code, Matrix, Result};

pub(super) const CHECKS: &[Check] = &[
    Check { id: "limits.max_batch", asks: true, run: max_batch },
    Check { id: "limits.inputs", asks: true, run: inputs },
];

/// Most numbers that are sent in one call.
const MOST_NUMBERS: usize = 1 << 22;

fn max_batch(bench: &mut Bench) -> Result<Outcome> {
    let most = bench.descriptor.max_batch;
    if most == 0 {
        return Ok(Outcome::skipped("the device has no limit (max_batch 0)"));
    }
    let widest = bench.descriptor.input.width.max(bench.descriptor.output.width);
    if most.saturating_add(1).saturating_mul(widest) > MOST_NUMBERS {
        return Ok(Outcome::skipped(format!("{most} rows and one more are too many to be sent")));
    }
    let vectors = bench.vectors;
    let x = bench.many_inputs("max_batch", most + 1);
    let result = bench.query(&x);
    if result.is_err() {
        // Refused: it cost nothing.
        bench.vectors = vectors;
    }
    let advice = "refuse with SHAPE more rows than max_batch";
    let measured = match &result {
        Ok(_) => format!("{} rows were answered", most + 1),
        Err(error) => error.to_string(),
    };
    let good = result.is_err_and(|e| !matches!(e.code, Code::PANIC | Code::FATAL));
    Ok(Outcome::of(good, measured, format!("an error for more than {most} rows"), advice))
}

fn inputs(bench: &mut Bench) -> Result<Outcome> {
    if bench.options.in_range {
        return Ok(Outcome::skipped("nothing out of range is sent (--in-range)"));
    }
    let port = bench.descriptor.input;
    if !port.min.is_finite() || !port.max.is_finite() {
        return Ok(Outcome::skipped("the inputs have no range"));
    }
    let noise = bench.noise()?;
    let within = bench.inputs("beyond", ROWS);
    let reach = 0.25 * (port.max - port.min);
    let (middle, mut beyond, mut clipped) = (0.5 * (port.min + port.max), within.clone(), within.clone());
    for (beyond, clipped) in beyond.data.iter_mut().zip(clipped.data.iter_mut()).step_by(3) {
        *beyond = if *beyond < middle { port.min - reach } else { port.max + reach };
        *clipped = beyond.clamp(port.min, port.max);
    }
    let expected = "clipped to the range, or refused";
    let at_the_ends = bench.query(&clipped)?;
    match bench.query(&beyond) {
        Err(error) if matches!(error.code, Code::PANIC | Code::FATAL) => Err(error),
        Err(error) => Ok(Outcome::pass(format!("refused: {error}"), expected)),
        Ok(y) => Ok(beyond_range(&y, &at_the_ends, FACTOR * noise.of_difference(), expected)),
    }
}

fn beyond_range(y: &Matrix, clipped: &Matrix, bound: f64, expected: &str) -> Outcome {
    let differ = difference(y, clipped);
    if differ <= bound {
        return Outcome::pass("clipped", expected);
    }
    let measured = format!("answers differ by {} (rms) from those at the ends of the range", short(differ));
    let advice = "clip in the driver: Blackbeam sends nothing beyond the range, but others may, and codes wrap around";
    Outcome::warn(measured, expected, advice)
}
