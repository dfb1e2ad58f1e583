//! What the device says of the function that it computes.

use super::{Check, list, short};
use crate::{
    bench::{Bench, ROWS},
    measure::{FACTOR, rms},
    report::Outcome,
};
use blackbeam_plugin::{Matrix, Parameter, Result, can, structure};
use std::collections::BTreeSet;

pub(super) const CHECKS: &[Check] = &[
    Check { id: "structure.linear", asks: true, run: linear },
    Check { id: "structure.passive", asks: true, run: passive },
    Check { id: "structure.local", asks: true, run: local },
    Check { id: "structure.magnitude", asks: true, run: magnitude },
    Check { id: "structure.frequencies", asks: true, run: frequencies },
    Check { id: "structure.reciprocal", asks: true, run: reciprocal },
];

/// Most inputs that are lit alone.
const MOST_INPUTS: usize = 64;
/// Parameters of which each is moved by itself.
const MOST_MOVED: usize = 3;

/// Part of a period that a parameter has to reach, for frequencies to be told apart; the methods that use them want no less.
const LEAST_REACH: f64 = 0.25;
/// Values of one parameter at which answers are compared with sums of sines.
const POINTS: usize = 8;

fn declared(bench: &Bench, bit: u64, name: &str) -> Option<Outcome> {
    (!bench.descriptor.has(bit)).then(|| Outcome::skipped(format!("{name} is not promised")))
}

fn scaled(x: &Matrix, factor: f64) -> Matrix {
    Matrix::new(x.rows, x.columns, x.data.iter().map(|v| factor * v).collect())
}

fn linear(bench: &mut Bench) -> Result<Outcome> {
    if let Some(skipped) = declared(bench, structure::LINEAR_IN_X, "LINEAR_IN_X") {
        return Ok(skipped);
    }
    let (low, high) = bench.input_range();
    if low > 0.0 || high < 0.0 {
        return Ok(Outcome::skipped(format!("inputs from {low} to {high} cannot be added up")));
    }
    let noise = bench.noise()?;
    // Halves, so that the sum stays within the range.
    let (a, b) = (scaled(&bench.inputs("linear a", ROWS), 0.5), scaled(&bench.inputs("linear b", ROWS), 0.5));
    let sum = Matrix::new(a.rows, a.columns, a.data.iter().zip(&b.data).map(|(a, b)| a + b).collect());
    let (ya, yb, ys) = (bench.query(&a)?, bench.query(&b)?, bench.query(&sum)?);
    let whole = bench.query(&scaled(&a, 2.0))?;
    let dark = bench.query(&Matrix::zeros(1, a.columns))?;
    let superposed = rms(ys.data.iter().zip(&ya.data).zip(&yb.data).map(|((s, a), b)| s - a - b));
    let doubled = rms(whole.data.iter().zip(&ya.data).map(|(whole, half)| whole - 2.0 * half));
    let dark = rms(dark.data.iter().copied());
    let bounds = [noise.of_sum(3.0, 3.0), noise.of_sum(5.0, 5.0), noise.of_sum(1.0, 1.0)].map(|bound| FACTOR * bound);
    let residuals = [("f(a + b) - f(a) - f(b)", superposed), ("f(2 a) - 2 f(a)", doubled), ("f(0)", dark)];
    let said: Vec<String> = residuals.iter().map(|(what, r)| format!("{what}: {}", short(*r))).collect();
    let good = residuals.iter().zip(bounds).all(|((_, residual), bound)| *residual <= bound);
    let [superposed, doubled, dark] = bounds.map(short);
    let expected = format!("at most {superposed}, {doubled}, {dark} (rms), by noise, converters and rounding");
    let advice = "leave LINEAR_IN_X out, or take away what is added (dark counts, an offset) and what saturates";
    Ok(Outcome::of(good, said.join("; "), expected, advice))
}

/// One input lit alone with the field, or the power, 1: then the bound is 1 whether inputs and answers are fields or powers.
fn passive(bench: &mut Bench) -> Result<Outcome> {
    if let Some(skipped) = declared(bench, structure::PASSIVE, "PASSIVE") {
        return Ok(skipped);
    }
    let noise = bench.noise()?;
    let (_, high) = bench.input_range();
    if high <= 0.0 {
        return Ok(Outcome::skipped("inputs are not positive: fields and powers cannot be told from other codes"));
    }
    let (input, output) = (bench.descriptor.input, bench.descriptor.output);
    let pitch = if input.complex { 2 } else { 1 };
    let lit = (input.width / pitch).min(MOST_INPUTS);
    let level = high.min(1.0);
    // Below 1 powers are less than fields, so that fields are the bound.
    let bound = level.max(level * level);
    let mut x = Matrix::zeros(lit, input.width);
    (0..lit).for_each(|row| x[(row, row * (input.width / pitch) / lit * pitch)] = level);
    let y = in_parts(bench, &x)?;
    let magnitude = |pair: &[f64]| pair.iter().map(|v| v * v).sum::<f64>().sqrt();
    let width = if output.complex { 2 } else { 1 };
    let most = y.data.chunks(width).map(magnitude).fold(0.0, f64::max);
    let slack = noise.largest_difference();
    let measured = format!("{} at most, of {lit} inputs lit alone with {}", short(most), short(level));
    let expected = format!("at most {} (noise and rounding: {})", short(bound), short(slack));
    let advice = "leave PASSIVE out if there is gain; else divide source power and responsivity out of the answers";
    Ok(Outcome::of(most <= bound + slack, measured, expected, advice))
}

/// Sends a batch in parts that the device takes.
fn in_parts(bench: &mut Bench, x: &Matrix) -> Result<Matrix> {
    let most = match bench.descriptor.max_batch {
        0 => x.rows,
        most => most,
    };
    let mut y = Vec::with_capacity(x.rows * bench.descriptor.output.width);
    for part in x.data.chunks(most * x.columns) {
        let part = Matrix::new(part.len() / x.columns, x.columns, part.to_vec());
        y.extend_from_slice(&bench.query(&part)?.data);
    }
    Ok(Matrix::new(x.rows, bench.descriptor.output.width, y))
}

fn local(bench: &mut Bench) -> Result<Outcome> {
    if let Some(skipped) = declared(bench, structure::LOCAL, "LOCAL") {
        return Ok(skipped);
    }
    let noise = bench.noise()?;
    let x = bench.extremes("local");
    bench.rest();
    let base = bench.query(&x)?;
    let width = if bench.descriptor.output.complex { 2 } else { 1 };
    let mut problems = Vec::new();
    let chosen = bench.some(MOST_MOVED, |p| p.span() > 0.0);
    for &i in &chosen {
        let params = super::parameters::moved(bench, i, 0.25);
        bench.write(&params)?;
        bench.rest();
        let y = bench.query(&x)?;
        let outputs: BTreeSet<usize> = noise.moved(&base, &y).into_iter().map(|output| output / width).collect();
        if outputs.len() > 1 {
            problems.push(format!("`{}` moves {} outputs", bench.descriptor.parameters[i].name, outputs.len()));
        }
    }
    let good = problems.is_empty();
    let measured = if good { format!("{} parameters move one output each", chosen.len()) } else { list(&problems) };
    let advice = "leave LOCAL out: crosstalk and shared light make a parameter act on more than one entry";
    Ok(Outcome::of(good, measured, "each parameter moves one output at most", advice))
}

fn magnitude(bench: &mut Bench) -> Result<Outcome> {
    if let Some(skipped) = declared(bench, structure::MAGNITUDE, "MAGNITUDE") {
        return Ok(skipped);
    }
    let noise = bench.noise()?;
    let x = bench.inputs("magnitude", ROWS);
    let y = bench.query(&x)?;
    let least = y.data.iter().copied().fold(f64::INFINITY, f64::min);
    let slack = noise.largest_difference();
    let measured = format!("the least answer is {}", short(least));
    let expected = format!("magnitudes: not below 0 (noise and rounding: {})", short(slack));
    Ok(Outcome::of(least >= -slack, measured, expected, "leave MAGNITUDE out, or give magnitudes"))
}

/// Along one parameter answers are a constant and sines of its period, of once (or, for powers of two-sided devices, also twice)
/// the frequency: what estimators by shifted parameters take their derivatives from.
fn frequencies(bench: &mut Bench) -> Result<Outcome> {
    let (name, harmonics) = match &bench.descriptor {
        d if d.has(structure::SINGLE_FREQUENCY) => ("SINGLE_FREQUENCY", 1),
        d if d.has(structure::TWO_SIDED) => ("TWO_SIDED", 2),
        _ => return Ok(Outcome::skipped("neither SINGLE_FREQUENCY nor TWO_SIDED is promised")),
    };
    let expected = format!("{name}: a constant and sines of {harmonics} times each parameter's period");
    let advice = format!("leave {name} out, or give each parameter the `period` that it has");
    let periodic = |p: &Parameter| p.period.is_finite() && p.period > 0.0;
    if let Some(p) = bench.descriptor.parameters.iter().find(|p| p.span() > 0.0 && !periodic(p)) {
        return Ok(Outcome::fail(format!("`{}` has no period", p.name), expected, advice));
    }
    let (mut said, mut good, mut tried) = (Vec::new(), true, false);
    for i in bench.some(MOST_MOVED, |p| p.span() > 0.0) {
        let name = bench.descriptor.parameters[i].name.clone();
        match beyond_sines(bench, i, harmonics)? {
            Ok((residual, bound)) => {
                (good, tried) = (good && residual <= bound, true);
                said.push(format!("`{name}`: {} beyond them, {} by noise", short(residual), short(bound)));
            }
            Err(why) => said.push(format!("`{name}`: {why}")),
        }
    }
    Ok(if tried { Outcome::of(good, list(&said), expected, advice) } else { Outcome::skipped(list(&said)) })
}

/// What of the answers along parameter `i` is no such sine (rms), and what of that noise, converters, the parameter's steps and drift
/// explain; or why that cannot be told.
fn beyond_sines(
    bench: &mut Bench,
    i: usize,
    harmonics: usize,
) -> Result<std::result::Result<(f64, f64), &'static str>> {
    let noise = bench.noise()?;
    let p = bench.descriptor.parameters[i].clone();
    let (x, reach) = (bench.inputs("frequencies", ROWS), p.span().min(p.period));
    let from = if p.min.is_finite() { p.min } else { p.initial - 0.5 * reach };
    let (mut angles, mut answers, mut again) = (Vec::new(), Vec::new(), Vec::new());
    // The first one once more at the end: what writes and drift make of it.
    for k in (0..POINTS).chain([0]) {
        let mut params = bench.initial();
        params[i] = p.admit(from + reach * (k as f64 + 0.5) / POINTS as f64);
        if bench.bearable(&params) != params {
            return Ok(Err("a limit of power keeps it from its range"));
        }
        angles.push(std::f64::consts::TAU * bench.write(&params)?[i] / p.period);
        bench.rest();
        answers.push(bench.query(&x)?);
        again.push(bench.query(&x)?);
    }
    let sines = orthonormal(&angles[..POINTS], harmonics);
    // A short piece of a sine is like anything smooth.
    if sines.len() < 1 + 2 * harmonics || reach < LEAST_REACH * p.period {
        return Ok(Err("its range, or its number of steps, is too small to tell"));
    }
    let columns: BTreeSet<usize> = answers.iter().flat_map(|y| noise.moved(&answers[0], y)).collect();
    let (low, high) = bench.output_range();
    let inside = |y: f64| y < 0.95 * high && (low >= 0.0 || y > 0.95 * low);
    let power = |y: f64| if bench.descriptor.has(structure::MAGNITUDE) { y * y } else { y };
    let (mut beyond, mut differences, mut peak) = (Vec::new(), Vec::new(), 0.0f64);
    let entries = (0..answers[0].data.len()).filter(|e| columns.contains(&(e % answers[0].columns)));
    for entry in entries.filter(|&e| answers.iter().all(|y| inside(y.data[e]))) {
        let mut y: Vec<f64> = answers.iter().map(|y| power(y.data[entry])).collect();
        differences.push(y[POINTS] - y[0]);
        differences.extend(again.iter().zip(&y).map(|(again, y)| power(again.data[entry]) - y));
        peak = answers.iter().fold(peak, |a, y| a.max(y.data[entry].abs()));
        y.truncate(POINTS);
        sines.iter().for_each(|sine| take_away(sine, &mut y));
        beyond.append(&mut y);
    }
    if beyond.is_empty() {
        return Ok(Err(if columns.is_empty() { "it moves no output" } else { "the read-out is at its end" }));
    }
    let turn = std::f64::consts::TAU * harmonics as f64 / p.period;
    let of_step = peak * turn * p.resolution / 12f64.sqrt();
    let of_reading = noise.output_step.hypot(of_step).hypot(noise.rounding.max(1e-12 * peak));
    let of_reading = of_reading * if bench.descriptor.has(structure::MAGNITUDE) { 2.0 * peak } else { 1.0 };
    let bound = FACTOR * of_reading.hypot(rms(differences.into_iter()));
    Ok(Ok((rms(beyond.into_iter()), bound)))
}

/// A constant and sines of multiples of the angles, orthonormal over them.
fn orthonormal(angles: &[f64], harmonics: usize) -> Vec<Vec<f64>> {
    let mut all: Vec<Vec<f64>> = Vec::new();
    let constant = vec![1.0; angles.len()];
    let waves = (1..=harmonics).flat_map(|k| [0.0, 0.25 * std::f64::consts::TAU].map(|at| (k as f64, at)));
    let waves = waves.map(|(k, at)| angles.iter().map(|a| (k * a - at).cos()).collect());
    for mut wave in std::iter::once(constant).chain(waves) {
        // Twice, against rounding where angles span less than a period.
        (0..2).for_each(|_| all.iter().for_each(|one| take_away(one, &mut wave)));
        let length = wave.iter().map(|v| v * v).sum::<f64>().sqrt();
        if length > 1e-6 {
            wave.iter_mut().for_each(|v| *v /= length);
            all.push(wave);
        }
    }
    all
}

/// Takes away the part of `y` along a vector of length 1.
fn take_away(along: &[f64], y: &mut [f64]) {
    let dot: f64 = along.iter().zip(&*y).map(|(a, y)| a * y).sum();
    y.iter_mut().zip(along).for_each(|(y, a)| *y -= dot * a);
}

/// Light sent backwards sees the transpose: u . (A x) = (u A) . x.
fn reciprocal(bench: &mut Bench) -> Result<Outcome> {
    if !bench.descriptor.can(can::BACKWARD) {
        return Ok(Outcome::skipped("light cannot be sent backwards (`can` has no BACKWARD)"));
    }
    if let Some(skipped) = declared(bench, structure::LINEAR_IN_X, "LINEAR_IN_X") {
        return Ok(skipped);
    }
    let noise = bench.noise()?;
    let x = bench.inputs("reciprocal", ROWS);
    let (low, high) = bench.input_range();
    let mut u = bench.cotangents("reciprocal", x.rows, bench.descriptor.output.width);
    // What goes in backwards goes through the same encoder.
    u.data.iter_mut().for_each(|v| *v = (*v * low.abs().max(high.abs()).min(1.0)).clamp(low, high));
    let (y, back, again) = (bench.query(&x)?, bench.query_backward(&u)?, bench.query_backward(&u)?);
    let back_std = rms(back.data.iter().zip(&again.data).map(|(a, b)| a - b)) / 2f64.sqrt();
    let dot = |a: &Matrix, b: &Matrix, row: usize| a.row(row).iter().zip(b.row(row)).map(|(a, b)| a * b).sum::<f64>();
    let residual = rms((0..x.rows).map(|row| dot(&u, &y, row) - dot(&back, &x, row)));
    let size = rms((0..x.rows).map(|row| dot(&u, &y, row)));
    let (u_rms, x_rms) = (rms(u.data.iter().copied()), rms(x.data.iter().copied()));
    let of = |noise: f64, other: f64, width: usize| noise * other * (width as f64).sqrt();
    let (d_in, d_out) = (x.columns, y.columns);
    let forward = noise.of_sum(1.0, 1.0);
    let backward = (back_std.powi(2) + noise.output_step.powi(2) + noise.input_step.powi(2)).sqrt() + noise.rounding;
    let bound = 4.0 * (of(forward, u_rms, d_out).powi(2) + of(backward, x_rms, d_in).powi(2)).sqrt();
    let measured = format!("u . (A x) and (u A) . x differ by {} (rms); they are {}", short(residual), short(size));
    let advice = "`query_backward` gives y A: check the order of the ports, and conjugation";
    Ok(Outcome::of(residual <= bound, measured, format!("at most {}, by noise", short(bound)), advice))
}
