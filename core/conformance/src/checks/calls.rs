//! Wrong calls: errors, never a panic, never an answer.

use super::{Check, list, refused};
use crate::{
    bench::{Bench, ROWS},
    measure::{FACTOR, difference},
    report::Outcome,
    sending::{self, Sets},
};
use blackbeam_plugin::{Base, Matrix, ParameterSet, Result, can};

pub(super) const CHECKS: &[Check] = &[
    Check { id: "calls.widths", asks: true, run: widths },
    Check { id: "calls.parameters", asks: true, run: parameters },
    Check { id: "calls.not_finite", asks: true, run: not_finite },
    Check { id: "calls.sets", asks: true, run: sets },
];

const ADVICE: &str = "refuse with SHAPE, RANGE or NONFINITE before anything is sent to the hardware";

fn verdict(problems: Vec<String>, tried: usize) -> Result<Outcome> {
    let good = problems.is_empty();
    let measured = if good { format!("{tried} wrong calls were refused") } else { list(&problems) };
    Ok(Outcome::of(good, measured, "an error for each", ADVICE))
}

fn widths(bench: &mut Bench) -> Result<Outcome> {
    let (d_in, d_out, dtype) = (bench.descriptor.input.width, bench.descriptor.output.width, bench.descriptor.dtype);
    let noise = bench.noise()?;
    let x = bench.inputs("widths", ROWS);
    let before = bench.query(&x)?;
    let mut problems = Vec::new();
    for (from, to) in [(d_in + 1, d_out), (d_in - 1, d_out), (d_in, d_out + 1), (d_in, d_out - 1)] {
        if from == 0 || to == 0 {
            continue;
        }
        let (x, call) = (Matrix::zeros(bench.rows(2), from), bench.fresh());
        let result = bench.call("query", 0.0, |device| sending::query(device, dtype, &x, to, &call, false));
        problems.extend(refused(&format!("a query of {from} numbers a row with room for {to}"), &result));
        if result.is_err() {
            bench.prepare()?;
        }
    }
    // It must be as good as before.
    let after = bench.query(&x)?;
    if difference(&before, &after) > FACTOR * noise.of_difference() {
        problems.push("after wrong calls the answers are others".into());
    }
    verdict(problems, 4)
}

fn parameters(bench: &mut Bench) -> Result<Outcome> {
    let n = bench.descriptor.n_params();
    let mut problems = Vec::new();
    for wrong in [n + 1, n.saturating_sub(1)] {
        if wrong == n {
            continue;
        }
        let mut params = bench.initial();
        params.resize(wrong, 0.0);
        let call = bench.fresh();
        let result = bench.call("write_params", 0.0, |device| device.write_params(&params, &call));
        problems.extend(refused(&format!("a write of {wrong} parameters instead of {n}"), &result));
        bench.reset();
        bench.prepare()?;
    }
    verdict(problems, 2)
}

fn not_finite(bench: &mut Bench) -> Result<Outcome> {
    let mut problems = Vec::new();
    let n = bench.descriptor.n_params();
    for value in [f64::NAN, f64::INFINITY] {
        if n > 0 {
            let mut params = bench.initial();
            params[n / 2] = value;
            let call = bench.fresh();
            let result = bench.call("write_params", 0.0, |device| device.write_params(&params, &call));
            problems.extend(refused(&format!("a write of a parameter that is {value}"), &result));
            bench.reset();
            bench.prepare()?;
        }
        let mut x = bench.inputs("not finite", 2);
        x.data[0] = value;
        let result = bench.query(&x);
        problems.extend(refused(&format!("a query with an input that is {value}"), &result));
        bench.prepare()?;
    }
    verdict(problems, if n > 0 { 4 } else { 2 })
}

fn sets(bench: &mut Bench) -> Result<Outcome> {
    if !bench.descriptor.can(can::QUERY_SETS) {
        return Ok(Outcome::skipped("`can` has no QUERY_SETS"));
    }
    let (n, d_out, dtype) = (bench.descriptor.n_params(), bench.descriptor.output.width, bench.descriptor.dtype);
    let x = bench.inputs("wrong sets", 1);
    let initial = bench.initial();
    let mut problems = Vec::new();
    let wrong = [
        ("a dense set that is too long", ParameterSet::dense(vec![0.0; n + 1]), 1),
        (
            "a sparse set of a parameter that is not there",
            ParameterSet::sparse(Base::Current, vec![n as u32], vec![0.1]),
            1,
        ),
        ("a block beyond the end", ParameterSet::block(Base::Current, n, vec![0.1]), 1),
        ("a set without an identity", ParameterSet::dense(initial.clone()), 0),
    ];
    let tried = wrong.len();
    for (what, set, identities) in wrong {
        let calls: Vec<_> = (0..identities).map(|_| bench.fresh()).collect();
        let sets = [set];
        let asked = Sets { bases: [&initial, &initial], sets: &sets, calls: &calls, x: &x };
        let result = bench.call("query_sets", 0.0, |device| sending::query_sets(device, dtype, &asked, d_out));
        problems.extend(refused(what, &result));
        bench.reset();
        bench.prepare()?;
    }
    verdict(problems, tried)
}
