//! Parameters: units, rounding, clamping, actuators.

use super::{Check, list, short};
use crate::{bench::Bench, report::Outcome};
use blackbeam_plugin::{AtRange, Parameter, ParameterKind, Result};

pub(super) const CHECKS: &[Check] = &[
    Check { id: "parameters.applied", asks: true, run: applied },
    Check { id: "parameters.idempotent", asks: true, run: idempotent },
    Check { id: "parameters.clamped", asks: true, run: clamped },
    Check { id: "parameters.monotone", asks: true, run: monotone },
    Check { id: "parameters.alive", asks: true, run: alive },
];

/// Parameters of which each is moved by itself.
const MOST: usize = 12;
/// Parameters that are swept.
const MOST_SWEPT: usize = 6;
/// Points of a sweep.
const POINTS: usize = 9;

fn none(bench: &Bench) -> Option<Outcome> {
    (bench.descriptor.n_params() == 0).then(|| Outcome::skipped("the device has no parameters"))
}

fn applied(bench: &mut Bench) -> Result<Outcome> {
    if let Some(none) = none(bench) {
        return Ok(none);
    }
    let mut problems = Vec::new();
    let mut worst = 0.0f64;
    for asked in [bench.initial(), bench.point("applied 1", 0.5), bench.point("applied 2", 0.1)] {
        let applied = bench.write(&asked)?;
        // What was sent: kept to the limits of power.
        let asked = bench.held().map_or(asked, |(params, _)| params);
        for ((p, asked), applied) in bench.descriptor.parameters.iter().zip(&asked).zip(&applied) {
            let off = p.distance(*asked, *applied);
            worst = worst.max(off / p.tolerance());
            if off > p.tolerance() {
                let (asked, applied, step) = (short(*asked), short(*applied), short(p.resolution));
                problems.push(format!("`{}`: {asked} asked, {applied} applied, resolution {step}", p.name));
            } else if *applied < p.min - p.tolerance() || *applied > p.max + p.tolerance() {
                problems.push(format!("`{}`: {} applied is out of range", p.name, short(*applied)));
            }
        }
    }
    let good = problems.is_empty();
    let measured = if good { format!("at most {} steps from what was asked", short(worst)) } else { list(&problems) };
    let advice = "say in `applied` what the hardware holds, in the units of the descriptor; `resolution` is the largest step \
                  over the range";
    Ok(Outcome::of(good, measured, "within one resolution of what was asked", advice))
}

fn idempotent(bench: &mut Bench) -> Result<Outcome> {
    if let Some(none) = none(bench) {
        return Ok(none);
    }
    let asked = bench.point("idempotent", 0.5);
    let first = bench.write(&asked)?;
    let second = bench.write(&first)?;
    let moved = |(p, a): (&Parameter, (&f64, &f64))| {
        // Where a period ends and begins, the same point may be two codes.
        let seam = (*a.0 - p.min).abs().min((*a.0 - p.max).abs()) <= p.tolerance();
        let may = if seam { p.tolerance() } else { 1e-6 * p.span() };
        let said = || format!("`{}`: {} was applied; asked for it, {} is applied", p.name, short(*a.0), short(*a.1));
        (p.distance(*a.0, *a.1) > may).then(said)
    };
    let pairs = first.iter().zip(&second);
    let problems: Vec<String> = bench.descriptor.parameters.iter().zip(pairs).filter_map(moved).collect();
    let good = problems.is_empty();
    let measured = if good { "the same values".to_owned() } else { list(&problems) };
    let advice = "map codes back by the same curve that they were found by, and round to the nearest code";
    Ok(Outcome::of(good, measured, "writing what was applied applies the same", advice))
}

fn clamped(bench: &mut Bench) -> Result<Outcome> {
    if bench.options.in_range {
        return Ok(Outcome::skipped("nothing out of range is sent (--in-range)"));
    }
    let bounded = |p: &Parameter| p.min.is_finite() && p.max.is_finite() && p.max > p.min;
    let chosen = bench.some(MOST / 2, bounded);
    if chosen.is_empty() {
        return Ok(Outcome::skipped("no parameter has a range"));
    }
    let (mut problems, mut refusals) = (Vec::new(), 0);
    for up in [true, false] {
        let mut params = bench.initial();
        for &i in &chosen {
            let p = &bench.descriptor.parameters[i];
            params[i] = if up { p.max + 0.1 * p.span() } else { p.min - 0.1 * p.span() };
        }
        let call = bench.fresh();
        match bench.write_as(&params, &call) {
            Ok(applied) => {
                for &i in &chosen {
                    let p = &bench.descriptor.parameters[i];
                    if applied[i] < p.min - p.tolerance() || applied[i] > p.max + p.tolerance() {
                        let (asked, applied) = (short(params[i]), short(applied[i]));
                        problems.push(format!("`{}`: {asked} asked, {applied} applied", p.name));
                    } else if p.distance(p.admit(params[i]), applied[i]) > p.tolerance() {
                        let (wanted, applied) = (short(p.admit(params[i])), short(applied[i]));
                        problems.push(format!("`{}`: {applied} applied where {wanted} is next", p.name));
                    }
                }
            }
            Err(error) if error.code == blackbeam_plugin::Code::RANGE => refusals += 1,
            Err(error) => return Err(error),
        }
    }
    let expected = "what is out of range comes back applied within it";
    let advice = "clamp in the driver, before anything is sent to the hardware, and say so in `applied`";
    if problems.is_empty() && refusals > 0 {
        return Ok(Outcome::warn("refused by the error RANGE", expected, advice));
    }
    let good = problems.is_empty();
    let measured = if good { "clamped, and said so".to_owned() } else { list(&problems) };
    Ok(Outcome::of(good, measured, expected, advice))
}

fn monotone(bench: &mut Bench) -> Result<Outcome> {
    let plain = |p: &Parameter| {
        let goes_round = p.period > 0.0 && (p.max - p.min) >= p.period * (1.0 - 1e-9);
        p.at_range != AtRange::Wrap && !goes_round && p.kind != ParameterKind::Binary && p.span() > 0.0
    };
    let chosen = bench.some(MOST_SWEPT, plain);
    if chosen.is_empty() {
        return Ok(Outcome::skipped("all parameters are periodic or binary"));
    }
    let mut problems = Vec::new();
    for &i in &chosen {
        let p = bench.descriptor.parameters[i].clone();
        let from = if p.min.is_finite() { p.min } else { p.initial - 1.0 };
        let mut applied: Vec<(f64, f64)> = Vec::new();
        for k in 0..POINTS {
            let mut params = bench.initial();
            params[i] = p.admit(from + p.span() * k as f64 / (POINTS - 1) as f64);
            let now = bench.write(&params)?;
            let sent = bench.held().map_or(params[i], |(params, _)| params[i]);
            applied.push((sent, now[i]));
        }
        let falls = applied.windows(2).find(|w| w[1].0 > w[0].0 && w[1].1 < w[0].1 - 1e-6 * p.span());
        let (asked, went) = (applied[POINTS - 1].0 - applied[0].0, applied[POINTS - 1].1 - applied[0].1);
        if let Some([a, b]) = falls {
            problems.push(format!("`{}`: from {} to {}, asked up", p.name, short(a.1), short(b.1)));
        } else if went < 0.5 * asked - p.tolerance() {
            problems.push(format!("`{}`: {} of {} was gone", p.name, short(went), short(asked)));
        }
    }
    let good = problems.is_empty();
    let measured = if good { format!("{} parameters follow over their range", chosen.len()) } else { list(&problems) };
    let advice = "check the sign and the unit of the calibration curve, and that the whole range can be reached";
    Ok(Outcome::of(good, measured, "the applied value rises with the asked one", advice))
}

fn alive(bench: &mut Bench) -> Result<Outcome> {
    let chosen = bench.some(MOST, |p| p.span() > 0.0);
    if chosen.is_empty() {
        return Ok(Outcome::skipped("the device has no parameters that can move"));
    }
    let noise = bench.noise()?;
    let x = bench.extremes("alive");
    let base = bench.query(&x)?;
    let mut dead = Vec::new();
    for &i in &chosen {
        let mut seen = false;
        // A quarter of the range, then somewhere else: the first may lie where the answers are flat.
        for part in [0.25, 0.4] {
            let params = moved(bench, i, part);
            bench.write(&params)?;
            bench.rest();
            let y = bench.query(&x)?;
            seen = !noise.moved(&base, &y).is_empty();
            if seen {
                break;
            }
        }
        if !seen {
            dead.push(format!("`{}`", bench.descriptor.parameters[i].name));
        }
    }
    let expected = "a move by a quarter of the range changes an answer beyond the noise";
    let (n, found) = (chosen.len(), list(&dead));
    if dead.is_empty() {
        return Ok(Outcome::pass(format!("all {n} parameters that were tried do"), expected));
    }
    let measured = format!("{} of {n} that were tried do nothing that can be seen: {found}", dead.len());
    let everywhere = bench.point("alive", 0.5);
    bench.write(&everywhere)?;
    bench.rest();
    let y = bench.query(&x)?;
    if dead.len() == n && noise.moved(&base, &y).is_empty() {
        let measured = format!("{measured}; neither do all parameters together");
        return Ok(Outcome::fail(measured, expected, "find out why writes do not reach the light"));
    }
    let advice = "wire them, or leave them out of the descriptor: each costs probes; weak ones need more averaging";
    Ok(Outcome::warn(measured, expected, advice))
}

/// The initial parameters with one of them moved by a part of its range.
pub(super) fn moved(bench: &Bench, i: usize, part: f64) -> Vec<f64> {
    let p = &bench.descriptor.parameters[i];
    let mut params = bench.initial();
    let up = p.initial + part * p.span() <= p.max || p.at_range == AtRange::Wrap;
    params[i] = p.admit(p.initial + if up { part } else { -part } * p.span());
    if p.kind == ParameterKind::Binary {
        params[i] = p.min + p.max - p.initial;
    }
    params
}
