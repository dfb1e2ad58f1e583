//! What `can` promises works, and what it does not is UNSUPPORTED.

use super::{Check, list, short};
use crate::{
    bench::{Bench, ROWS},
    measure::{FACTOR, Noise, difference, rms},
    report::Outcome,
    sending,
};
use blackbeam_plugin::{Base, Code, Direction, Key, Matrix, ParameterSet, Result, can, structure};

pub(super) const CHECKS: &[Check] = &[
    Check { id: "optional.unsupported", asks: true, run: unsupported },
    Check { id: "optional.read_params", asks: true, run: read_params },
    Check { id: "optional.read_matrix", asks: true, run: read_matrix },
    Check { id: "optional.query_sets", asks: true, run: query_sets },
    Check { id: "optional.query_scalars", asks: true, run: query_scalars },
    Check { id: "optional.full_scale", asks: true, run: full_scale },
    Check { id: "optional.exact_vjp", asks: true, run: exact_vjp },
    Check { id: "optional.calibrate", asks: true, run: calibrate },
];

/// Longest calibration that is waited for, seconds.
const MOST_CALIBRATION_S: f64 = 60.0;
/// Least cosine of exact derivatives and those by the matrix.
const LEAST_COSINE: f64 = 0.9;
/// Rows of calls with several configurations.
const SET_ROWS: usize = 4;

fn lacks(bench: &Bench, bit: u64, name: &str) -> Option<Outcome> {
    (!bench.descriptor.can(bit)).then(|| Outcome::skipped(format!("`can` has no {name}")))
}

fn unsupported(bench: &mut Bench) -> Result<Outcome> {
    let d = bench.descriptor.clone();
    let (dtype, n) = (d.dtype, d.n_params());
    let (x, u) = (bench.inputs("unsupported", 1), bench.cotangents("unsupported", 1, d.output.width));
    let sets = [ParameterSet::dense(bench.initial())];
    let mut found: Vec<(&str, u64, Result<()>)> = Vec::new();
    let mut tried = |name, bit, result: Result<()>| found.push((name, bit, result));
    if !d.can(can::QUERY_SETS) {
        tried("query_sets", can::QUERY_SETS, bench.query_sets(&sets, &x).map(drop));
    }
    if !d.can(can::SCALARS) {
        let calls = [bench.fresh()];
        tried("query_scalars", can::SCALARS, bench.query_scalars(&sets, &calls, &x, &u).map(drop));
    }
    if !d.can(can::BACKWARD) {
        tried("query_backward", can::BACKWARD, bench.query_backward(&u).map(drop));
    }
    let call = bench.fresh();
    if !d.can(can::READ_MATRIX) {
        let read = bench.call("read_matrix", d.timeouts.query_s, |device| device.read_matrix(&call));
        tried("read_matrix", can::READ_MATRIX, read.map(drop));
    }
    if !d.can(can::READ_PARAMS) {
        tried("read_params", can::READ_PARAMS, bench.call("read_params", 0.0, |device| device.read_params()).map(drop));
    }
    if !d.can(can::FULL_SCALE) {
        tried(
            "set_full_scale",
            can::FULL_SCALE,
            bench.call("set_full_scale", 0.0, |device| device.set_full_scale(1.0)),
        );
    }
    if !d.can(can::EXACT_VJP) {
        let exact = bench.call("exact_vjp", 0.0, |device| sending::exact_vjp(device, dtype, (&x, &u), n, &call));
        tried("exact_vjp", can::EXACT_VJP, exact.map(drop));
    }
    if !d.can(can::CALIBRATE) {
        tried(
            "calibrate",
            can::CALIBRATE,
            bench.call("calibrate", d.timeouts.calibrate_s, |device| device.calibrate()),
        );
    }
    let wrong = |(name, _, result): &(&str, u64, Result<()>)| match result {
        Err(error) if error.code == Code::UNSUPPORTED => None,
        Err(error) => Some(format!("{name}: {error}")),
        Ok(()) => Some(format!("{name} answers")),
    };
    let problems: Vec<String> = found.iter().filter_map(wrong).collect();
    let good = problems.is_empty();
    let measured = if good { format!("{} functions say UNSUPPORTED", found.len()) } else { list(&problems) };
    let advice = "set the bit in `can`, or answer with UNSUPPORTED";
    Ok(Outcome::of(good, measured, "what `can` does not have says UNSUPPORTED", advice))
}

fn read_params(bench: &mut Bench) -> Result<Outcome> {
    if let Some(skipped) = lacks(bench, can::READ_PARAMS, "READ_PARAMS") {
        return Ok(skipped);
    }
    let params = bench.point("read_params", 0.3);
    let applied = bench.write(&params)?;
    let read = bench.call("read_params", 0.0, |d| d.read_params())?;
    let expected = "what was applied";
    if read.len() != applied.len() {
        let measured = format!("{} values of {} parameters", read.len(), applied.len());
        return Ok(Outcome::fail(measured, expected, "read all parameters, in their order"));
    }
    sending::finite(&read)?;
    let parameters = bench.descriptor.parameters.iter().zip(&applied).zip(&read);
    let wrong = parameters.filter(|((p, a), r)| (*a - *r).abs() > 1e-6 * p.span() + 1e-6 * p.resolution);
    let problems: Vec<String> =
        wrong.map(|((p, a), r)| format!("`{}`: {} applied, {} read", p.name, short(*a), short(*r))).collect();
    let good = problems.is_empty();
    let measured = if good { "the same values".to_owned() } else { list(&problems) };
    Ok(Outcome::of(good, measured, expected, "read back in the same units, mapped by the same curve, as `applied`"))
}

fn read_matrix(bench: &mut Bench) -> Result<Outcome> {
    if let Some(skipped) = lacks(bench, can::READ_MATRIX, "READ_MATRIX") {
        return Ok(skipped);
    }
    let (d_in, d_out) = (bench.descriptor.input.width, bench.descriptor.output.width);
    let call = bench.fresh();
    let matrix = bench.call("read_matrix", bench.descriptor.timeouts.query_s, |d| d.read_matrix(&call))?;
    bench.vectors += d_in as u64;
    let expected = "the matrix [d_out, d_in] that queries show";
    if (matrix.rows, matrix.columns) != (d_out, d_in) || matrix.data.len() != d_in * d_out {
        let measured = format!("{} x {}, {} numbers", matrix.rows, matrix.columns, matrix.data.len());
        return Ok(Outcome::fail(measured, expected, "rows are outputs, columns are inputs"));
    }
    sending::finite(&matrix.data)?;
    let noise = bench.noise()?;
    let x = bench.inputs("read_matrix", ROWS);
    let y = bench.query(&x)?;
    let product = times(&matrix, &x);
    let differ = difference(&product, &y);
    let bound = FACTOR * noise.of_sum(1.0, 1.0);
    let measured = format!("it times x is {} (rms) from the answers, which are {}", short(differ), short(noise.rms));
    let advice = "give the matrix at the programmed parameters, in the units of x and y";
    Ok(Outcome::of(differ <= bound, measured, format!("at most {}, by noise", short(bound)), advice))
}

/// x A^T: rows are vectors.
fn times(matrix: &Matrix, x: &Matrix) -> Matrix {
    let mut y = Matrix::zeros(x.rows, matrix.rows);
    for row in 0..x.rows {
        for output in 0..matrix.rows {
            y[(row, output)] = matrix.row(output).iter().zip(x.row(row)).map(|(a, x)| a * x).sum();
        }
    }
    y
}

/// Sets in all forms that the device takes, at three points.
fn forms(bench: &Bench) -> Vec<ParameterSet> {
    let (n, d) = (bench.descriptor.n_params(), &bench.descriptor);
    let step = |i: usize| {
        let p = &d.parameters[i];
        let quarter = 0.25 * p.span();
        if p.initial + quarter <= p.max { quarter } else { -quarter }
    };
    let mut sets = vec![ParameterSet::dense(bench.initial()), ParameterSet::dense(bench.point("sets", 0.2))];
    if d.can(can::SPARSE) && n > 0 {
        sets.push(ParameterSet::sparse(Base::Current, vec![(n / 2) as u32], vec![step(n / 2)]));
    }
    if d.can(can::BLOCK) && n > 0 {
        sets.push(ParameterSet::block(Base::Previous, n - 1, vec![step(n - 1)]));
    }
    let free = |p: &blackbeam_plugin::Parameter| p.admit(p.initial + 1e-3) == p.initial + 1e-3;
    if d.can(can::KEYED) && d.parameters.iter().all(free) {
        sets.push(ParameterSet::keyed(Base::Current, Direction::Rademacher, Key::new(5), 1e-3));
    }
    sets
}

fn query_sets(bench: &mut Bench) -> Result<Outcome> {
    if let Some(skipped) = lacks(bench, can::QUERY_SETS, "QUERY_SETS") {
        return Ok(skipped);
    }
    let noise = bench.noise()?;
    let sets = forms(bench);
    let x = bench.inputs("sets", SET_ROWS);
    let (together, applied, calls) = bench.query_sets(&sets, &x)?;
    let expected = "the answers, and what was applied, as one by one";
    if applied.len() != sets.len() {
        let measured = format!("{} lists of what was applied to {} sets", applied.len(), sets.len());
        return Ok(Outcome::fail(measured, expected, "say what was applied to each set where it is wanted"));
    }
    let each = x.rows * together.columns;
    let mut worst = 0.0f64;
    for (i, (set, call)) in sets.iter().zip(&calls).enumerate() {
        let mut params = bench.initial();
        set.expand(&mut params)?;
        let alone_applied = bench.write_as(&params, call)?;
        bench.rest();
        let alone = bench.query_as(&x, call)?;
        let part = Matrix::new(x.rows, together.columns, together.data[i * each..(i + 1) * each].to_vec());
        worst = worst.max(difference(&part, &alone));
        let same = applied[i].values.iter().zip(&alone_applied).all(|(a, b)| (a - b).abs() <= 1e-9 * (1.0 + b.abs()));
        if applied[i].values.len() != alone_applied.len() || !same {
            let measured = format!("set {i} ({:?}): applied differs from that of a write", set.form);
            return Ok(Outcome::fail(measured, expected, "round and clamp alike in both"));
        }
    }
    let bound = FACTOR * noise.of_difference() + lag(bench, &noise);
    let measured = format!("{} sets; {} (rms) at most from one by one", sets.len(), short(worst));
    let advice =
        "expand sets from the bases as ParameterSet::expand does, wait until each has settled, keep their order";
    Ok(Outcome::of(worst <= bound, measured, format!("{expected}: at most {}", short(bound)), advice))
}

/// What actuators that have settled to their tolerance may still be off by, at the output.
fn lag(bench: &Bench, noise: &Noise) -> f64 {
    let t = &bench.descriptor.timing;
    if t.settle_tau_s > 0.0 { 4.0 * t.settle_tolerance * noise.rms } else { 0.0 }
}

fn query_scalars(bench: &mut Bench) -> Result<Outcome> {
    if let Some(skipped) = lacks(bench, can::SCALARS, "SCALARS") {
        return Ok(skipped);
    }
    let noise = bench.noise()?;
    let sets = forms(bench);
    let x = bench.inputs("sets", SET_ROWS);
    let u = bench.cotangents("scalars", x.rows, bench.descriptor.output.width);
    let (y, _, calls) = bench.query_sets(&sets, &x)?;
    let scalars = bench.query_scalars(&sets, &calls, &x, &u)?;
    let sum = |set: usize| y.data[set * u.data.len()..].iter().zip(&u.data).map(|(y, u)| y * u).sum::<f64>();
    let differ = rms((0..sets.len()).map(|set| sum(set) - scalars[set]));
    let u_norm = u.data.iter().map(|u| u * u).sum::<f64>().sqrt();
    let bound = 4.0 * (noise.of_difference() + lag(bench, &noise)) * u_norm;
    let measured = format!("{} (rms) from the sums of the answers of query_sets", short(differ));
    Ok(Outcome::of(
        differ <= bound,
        measured,
        format!("at most {}", short(bound)),
        "sum answer times cotangent over rows and outputs",
    ))
}

fn full_scale(bench: &mut Bench) -> Result<Outcome> {
    if let Some(skipped) = lacks(bench, can::FULL_SCALE, "FULL_SCALE") {
        return Ok(skipped);
    }
    let Some(found) = bench.full_scale else { return Ok(Outcome::skipped("no full scale was found")) };
    bench.call("set_full_scale", 0.0, |d| d.set_full_scale(2.0 * found))?;
    let x = bench.inputs("full scale", ROWS);
    let y = bench.query(&x);
    let refusals: Vec<String> = [0.0, -1.0, f64::NAN]
        .into_iter()
        .filter_map(|wrong| {
            let result = bench.call("set_full_scale", 0.0, |d| d.set_full_scale(wrong));
            super::refused(&format!("a full scale of {wrong}"), &result)
        })
        .collect();
    bench.call("set_full_scale", 0.0, |d| d.set_full_scale(found))?;
    y?;
    let good = refusals.is_empty();
    let measured =
        if good { format!("{} and twice that are taken, nonsense is refused", short(found)) } else { list(&refusals) };
    Ok(Outcome::of(
        good,
        measured,
        "a full scale above 0 is taken, any other refused",
        "refuse with RANGE what is not above 0",
    ))
}

/// Exact derivatives: along x of a device that knows its matrix, they are the matrix.
fn exact_vjp(bench: &mut Bench) -> Result<Outcome> {
    if let Some(skipped) = lacks(bench, can::EXACT_VJP, "EXACT_VJP") {
        return Ok(skipped);
    }
    let d = bench.descriptor.clone();
    let x = bench.inputs("exact", SET_ROWS);
    let u = bench.cotangents("exact", x.rows, d.output.width);
    let call = bench.fresh();
    let (dx, _) =
        bench.call("exact_vjp", 0.0, |device| sending::exact_vjp(device, d.dtype, (&x, &u), d.n_params(), &call))?;
    bench.vectors += 2 * x.rows as u64;
    if !d.can(can::READ_MATRIX) || !d.has(structure::LINEAR_IN_X) {
        return Ok(Outcome::pass("derivatives, all finite", "derivatives by inputs and parameters"));
    }
    let matrix = bench.call("read_matrix", 0.0, |device| device.read_matrix(&call))?;
    bench.vectors += d.input.width as u64;
    let mut transposed = Matrix::zeros(matrix.columns, matrix.rows);
    for row in 0..matrix.rows {
        (0..matrix.columns).for_each(|column| transposed[(column, row)] = matrix[(row, column)]);
    }
    let expected = times(&transposed, &u);
    let dot = |a: &Matrix, b: &Matrix| a.data.iter().zip(&b.data).map(|(a, b)| a * b).sum::<f64>();
    // The matrix is of the device as it is, with what a write has left to chance; derivatives are of what was applied.
    let cosine = dot(&dx, &expected) / (dot(&dx, &dx) * dot(&expected, &expected)).sqrt();
    let measured = format!("cosine of dL/dx and dL/dy times the matrix: {}", short(cosine));
    let advice = "derivatives are of the device without noise; rounding and clipping count as the identity: check signs and conjugation";
    Ok(Outcome::of(cosine >= LEAST_COSINE, measured, format!("at least {LEAST_COSINE}"), advice))
}

fn calibrate(bench: &mut Bench) -> Result<Outcome> {
    if let Some(skipped) = lacks(bench, can::CALIBRATE, "CALIBRATE") {
        return Ok(skipped);
    }
    let may_take = bench.descriptor.timeouts.calibrate_s;
    if may_take > MOST_CALIBRATION_S {
        return Ok(Outcome::skipped(format!(
            "it may take {may_take} s, longer than the {MOST_CALIBRATION_S} s that are waited for"
        )));
    }
    let noise = bench.noise()?;
    let x = bench.inputs("calibrate", ROWS);
    let before = bench.query(&x)?;
    bench.call("calibrate", may_take, |d| d.calibrate())?;
    let initial = bench.initial();
    bench.write(&initial)?;
    bench.rest();
    let after = bench.query(&x)?;
    let health = bench.call("health", 0.0, |d| d.health())?;
    let differ = difference(&before, &after);
    let good = !health.calibration_stale;
    let measured = format!(
        "done; answers moved by {} (rms), the noise has {}; stale: {}",
        short(differ),
        short(noise.std),
        health.calibration_stale
    );
    Ok(Outcome::of(
        good,
        measured,
        "a device that answers, with a calibration that is not stale",
        "after calibrate, health must not say that the calibration is stale",
    ))
}
