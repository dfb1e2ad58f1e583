//! Answers: shapes, the same call twice, batches, noise.

use super::{Check, short};
use crate::{
    bench::{Bench, ROWS},
    measure::{FACTOR, difference, same_bits},
    report::Outcome,
};
use blackbeam_plugin::{Call, Matrix, Result, structure};

pub(super) const CHECKS: &[Check] = &[
    Check { id: "answers.shapes", asks: true, run: shapes },
    Check { id: "answers.repeated", asks: true, run: repeated },
    Check { id: "answers.batch", asks: true, run: batch },
    Check { id: "answers.noise", asks: true, run: noise },
];

/// Most rows that are sent at once.
const MOST_ROWS: usize = 65;

fn shapes(bench: &mut Bench) -> Result<Outcome> {
    let most = match bench.descriptor.max_batch {
        0 => MOST_ROWS,
        most => most.min(MOST_ROWS),
    };
    let mut tried = Vec::new();
    for rows in [1, 2, 7, 33, most] {
        if rows <= most && !tried.contains(&rows) {
            let x = bench.inputs("shapes", rows);
            bench.query(&x)?;
            tried.push(rows);
        }
    }
    let tried: Vec<String> = tried.iter().map(ToString::to_string).collect();
    let measured = format!("batches of {} rows are answered whole", tried.join(", "));
    let max_batch = bench.descriptor.max_batch;
    if max_batch > most {
        return Ok(Outcome::pass(format!("{measured}; max_batch is {max_batch}, so many were not sent"), EXPECTED));
    }
    Ok(Outcome::pass(measured, EXPECTED))
}

const EXPECTED: &str = "every number of every row, finite, whatever the number of rows";

fn repeated(bench: &mut Bench) -> Result<Outcome> {
    let noise = bench.noise()?;
    let x = bench.inputs("repeated", ROWS);
    let call = bench.fresh();
    let (first, second) = (bench.query_as(&x, &call)?, bench.query_as(&x, &call)?);
    let same = same_bits(&first, &second);
    let differ = difference(&first, &second);
    let advice = "a simulator draws its noise from the identity of the call; hardware does not promise DETERMINISTIC";
    if bench.descriptor.has(structure::DETERMINISTIC) {
        let measured =
            if same { "the same bits".to_owned() } else { format!("answers that differ by {} (rms)", short(differ)) };
        return Ok(Outcome::of(same, measured, "the same call gives the same bits (DETERMINISTIC)", advice));
    }
    let expected = "answers that differ by the noise (DETERMINISTIC is not promised)";
    let measured = format!(
        "answers differ by {} (rms), the noise has a standard deviation of {}",
        short(differ),
        short(noise.std)
    );
    Ok(Outcome::of(
        differ <= FACTOR * noise.of_difference(),
        measured,
        expected,
        "the device answers one batch in two ways: find out why",
    ))
}

fn batch(bench: &mut Bench) -> Result<Outcome> {
    let noise = bench.noise()?;
    let most = bench.descriptor.max_batch;
    let rows = if most > 0 { ROWS.min(most) } else { ROWS };
    if rows < 2 {
        return Ok(Outcome::skipped("the device takes one row at a time"));
    }
    let x = bench.inputs("batch", rows);
    let call = bench.fresh();
    let whole = bench.query_as(&x, &call)?;
    let mut parts = Matrix::zeros(rows, whole.columns);
    // One by one, then the rest in one piece that does not begin at row 0.
    for (first, n) in (0..rows / 2).map(|row| (row, 1)).chain([(rows / 2, rows - rows / 2)]) {
        let part = Matrix::new(n, x.columns, x.data[first * x.columns..(first + n) * x.columns].to_vec());
        let y = bench.query_as(&part, &Call { first_row: first as u64, ..call })?;
        parts.data[first * y.columns..(first + n) * y.columns].copy_from_slice(&y.data);
    }
    let differ = difference(&whole, &parts);
    let expected = "a row is answered the same alone and in a batch";
    if same_bits(&whole, &parts) {
        return Ok(Outcome::pass("the same bits", expected));
    }
    let measured = format!("{} (rms) between a batch and its rows; the noise has {}", short(differ), short(noise.std));
    if differ > FACTOR * noise.of_difference() {
        let advice = "rows must not act on each other, and must be answered in their order: look for lag of the inputs, for frames \
                      that slip, and for drift within a batch";
        return Ok(Outcome::fail(measured, expected, advice));
    }
    if bench.descriptor.has(structure::DETERMINISTIC) {
        let advice = "key noise by `first_row` plus the row, and sum in the same order whatever the batch: a retry or a split \
                      then gives the same bits";
        return Ok(Outcome::warn(measured, "the same bits, as DETERMINISTIC is promised", advice));
    }
    Ok(Outcome::pass(measured, expected))
}

fn noise(bench: &mut Bench) -> Result<Outcome> {
    let noise = bench.noise()?;
    let d = &bench.descriptor;
    let full_scale = match bench.full_scale {
        Some(full_scale) => full_scale,
        None if d.output.max.is_finite() => d.output.max,
        None => 1.0,
    };
    let (measured, declared) = (noise.std / full_scale, d.noise);
    // A converter turns noise into nothing, or into whole steps.
    let step = noise.output_step * 12f64.sqrt() / full_scale;
    let rounding = noise.rounding / full_scale;
    let said = format!(
        "{} of full scale ({}); answers are {} (rms), {} at most",
        short(measured),
        short(full_scale),
        short(noise.rms),
        short(noise.peak)
    );
    if declared < 0.0 {
        let expected = "nothing: the noise is declared as not known";
        return Ok(Outcome::pass(said, expected));
    }
    let expected = format!("{} of full scale, as declared", short(declared));
    if measured > 2.0 * declared + step + rounding {
        let advice = "declare what is measured (it decides how large probes are), or find where the noise comes from";
        return Ok(Outcome::fail(said, expected, advice));
    }
    if measured + step + rounding < declared / 3.0 {
        let advice = "declare what is measured: probes need not be so large";
        return Ok(Outcome::warn(said, expected, advice));
    }
    Ok(Outcome::pass(said, expected))
}
