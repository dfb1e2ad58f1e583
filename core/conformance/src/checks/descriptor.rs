//! What the device says of itself: whether it can be so.

use super::{Check, list, short};
use crate::{bench::Bench, report::Outcome};
use blackbeam_plugin::{AtRange, Parameter, ParameterKind, Port, Result, can, structure};
use std::collections::BTreeSet;

pub(super) const CHECKS: &[Check] = &[
    Check { id: "descriptor.ports", asks: false, run: ports },
    Check { id: "descriptor.parameters", asks: false, run: parameters },
    Check { id: "descriptor.promises", asks: false, run: promises },
    Check { id: "descriptor.times", asks: false, run: times },
    Check { id: "descriptor.limits", asks: false, run: limits },
];

fn verdict(problems: Vec<String>, expected: &str) -> Result<Outcome> {
    let advice = "correct what `descriptor` (in C: describe) fills in";
    let measured = if problems.is_empty() { "as expected".to_owned() } else { list(&problems) };
    Ok(Outcome::of(problems.is_empty(), measured, expected, advice))
}

fn ports(bench: &mut Bench) -> Result<Outcome> {
    let d = &bench.descriptor;
    let mut problems: Vec<String> = bench.unusable().into_iter().collect();
    if d.name.trim().is_empty() {
        problems.push("the device has no name".into());
    }
    let mut port = |what: &str, p: &Port| {
        if p.complex && !p.width.is_multiple_of(2) {
            problems.push(format!("the {what} is complex and has an odd width, {}", p.width));
        }
        if p.min.is_nan() || p.max.is_nan() || p.min >= p.max {
            problems.push(format!("the {what} ranges from {} to {}", p.min, p.max));
        }
        if p.bits > 52 {
            problems.push(format!("the {what} has a converter of {} bits", p.bits));
        }
    };
    port("input", &d.input);
    port("output", &d.output);
    if d.vectors_per_row == 0 {
        problems.push("a row takes 0 vectors of light".into());
    }
    if !d.noise.is_finite() {
        problems.push(format!("the noise is {}", d.noise));
    }
    verdict(problems, "a name, widths of at least 1, ranges that are ranges, finite noise")
}

fn parameters(bench: &mut Bench) -> Result<Outcome> {
    let mut names = BTreeSet::new();
    let mut problems = Vec::new();
    for p in &bench.descriptor.parameters {
        if p.name.is_empty() || !names.insert(p.name.as_str()) {
            problems.push(format!("`{}`: a name that is empty or taken", p.name));
        }
        problems.extend(parameter(p).map(|problem| format!("`{}`: {problem}", p.name)));
    }
    verdict(
        problems,
        "unique names; rad for phases, V for voltages; finite initial values within the range; a resolution",
    )
}

fn parameter(p: &Parameter) -> Option<String> {
    let unit = match p.kind {
        ParameterKind::Phase => Some("rad"),
        ParameterKind::Voltage => Some("V"),
        ParameterKind::Level | ParameterKind::Binary => None,
    };
    if let Some(unit) = unit.filter(|unit| *unit != p.unit.as_str()) {
        return Some(format!("the unit of this kind is {unit}, found `{}`", p.unit));
    }
    if p.min.is_nan() || p.max.is_nan() || p.min > p.max {
        return Some(format!("it ranges from {} to {}", p.min, p.max));
    }
    if p.kind == ParameterKind::Binary && (p.min, p.max) != (0.0, 1.0) {
        return Some(format!("it is binary and ranges from {} to {}", p.min, p.max));
    }
    if !p.initial.is_finite() || p.initial < p.min || p.initial > p.max {
        return Some(format!("its initial value is {}, the range {} to {}", p.initial, p.min, p.max));
    }
    let span = p.max - p.min;
    if !p.resolution.is_finite() || p.resolution < 0.0 || p.resolution > span {
        return Some(format!("its resolution is {}, the range is {span} wide", p.resolution));
    }
    if !p.period.is_finite() || p.period < 0.0 {
        return Some(format!("its period is {}", p.period));
    }
    let whole = p.period == 0.0 || (span - p.period).abs() <= 1e-6 * p.period;
    if p.at_range == AtRange::Wrap && !(span.is_finite() && span > 0.0 && whole) {
        return Some(format!("it wraps, but its range is {span} wide and its period {}", p.period));
    }
    None
}

fn promises(bench: &mut Bench) -> Result<Outcome> {
    let d = &bench.descriptor;
    let mut problems = Vec::new();
    for (what, bit) in
        [("SPARSE", can::SPARSE), ("BLOCK", can::BLOCK), ("KEYED", can::KEYED), ("SCALARS", can::SCALARS)]
    {
        if d.can(bit) && !d.can(can::QUERY_SETS) {
            problems.push(format!("`can` has {what} without QUERY_SETS"));
        }
    }
    let linear = d.has(structure::LINEAR_IN_X);
    for (what, bit) in [("BACKWARD", can::BACKWARD), ("READ_MATRIX", can::READ_MATRIX)] {
        if d.can(bit) && !linear {
            problems.push(format!("`can` has {what}, and the device is not LINEAR_IN_X"));
        }
    }
    if d.has(structure::SINGLE_FREQUENCY | structure::TWO_SIDED) {
        problems.push("`structure` has SINGLE_FREQUENCY and TWO_SIDED, which exclude each other".into());
    }
    if !problems.is_empty() {
        return verdict(problems, "promises that go together");
    }
    let unknown = (d.structure & !KNOWN_STRUCTURE, d.can & !KNOWN_CAN);
    if unknown != (0, 0) {
        let measured =
            format!("structure has {:#x}, can has {:#x} that this Blackbeam does not know", unknown.0, unknown.1);
        return Ok(Outcome::warn(
            measured,
            "known bits",
            "a newer Blackbeam may know them; this one does not use them",
        ));
    }
    verdict(problems, "promises that go together")
}

const KNOWN_STRUCTURE: u64 = structure::LINEAR_IN_X
    | structure::LOCAL
    | structure::SINGLE_FREQUENCY
    | structure::RECIPROCAL
    | structure::PASSIVE
    | structure::DETERMINISTIC
    | structure::TWO_SIDED
    | structure::MAGNITUDE;

const KNOWN_CAN: u64 = can::QUERY_SETS
    | can::SPARSE
    | can::BLOCK
    | can::KEYED
    | can::BACKWARD
    | can::READ_MATRIX
    | can::READ_PARAMS
    | can::FULL_SCALE
    | can::THREADS
    | can::EXACT_VJP
    | can::SCALARS
    | can::CALIBRATE;

/// Numbers that have a meaning only if they are finite and not negative.
fn not_negative(numbers: &[(&str, f64)]) -> Vec<String> {
    let wrong = |(_, value): &&(&str, f64)| !value.is_finite() || *value < 0.0;
    numbers.iter().filter(wrong).map(|(what, value)| format!("{what} is {}", short(*value))).collect()
}

fn times(bench: &mut Bench) -> Result<Outcome> {
    let (t, e) = (&bench.descriptor.timing, &bench.descriptor.energy);
    let mut problems = not_negative(&[
        ("timing.write_fixed_s", t.write_fixed_s),
        ("timing.write_each_s", t.write_each_s),
        ("timing.settle_tau_s", t.settle_tau_s),
        ("timing.settle_tolerance", t.settle_tolerance),
        ("timing.trigger_s", t.trigger_s),
        ("timing.frame_s", t.frame_s),
        ("timing.host_step_s", t.host_step_s),
        ("energy.hold_w", e.hold_w),
        ("energy.write_j", e.write_j),
        ("energy.vector_j", e.vector_j),
    ]);
    if t.settle_tau_s > 0.0 && t.settle_tolerance == 0.0 {
        problems.push("timing.settle_tau_s without timing.settle_tolerance: settling would count as no time".into());
    }
    verdict(problems, "times and energies that are finite and not negative")
}

fn limits(bench: &mut Bench) -> Result<Outcome> {
    let (l, t) = (&bench.descriptor.limits, &bench.descriptor.timeouts);
    let mut problems = not_negative(&[
        ("limits.total_power_w", l.total_power_w),
        ("limits.channel_power_w", l.channel_power_w),
        ("limits.unit_power_w", l.unit_power_w),
        ("limits.slew_per_s", l.slew_per_s),
        ("timeouts.open_s", t.open_s),
        ("timeouts.write_s", t.write_s),
        ("timeouts.query_s", t.query_s),
        ("timeouts.calibrate_s", t.calibrate_s),
    ]);
    if (l.total_power_w > 0.0 || l.channel_power_w > 0.0) && l.unit_power_w == 0.0 {
        problems.push("a limit of power without unit_power_w: nobody can keep to it".into());
    }
    let square = |p: &Parameter| if p.kind == ParameterKind::Voltage { p.initial * p.initial } else { p.initial.abs() };
    let power: f64 = l.unit_power_w * bench.descriptor.parameters.iter().map(square).sum::<f64>();
    if problems.is_empty() && l.total_power_w > 0.0 && power > l.total_power_w {
        problems.push(format!("the initial parameters take {} W of {} W", short(power), short(l.total_power_w)));
    }
    verdict(problems, "limits and time-outs that are not negative; power at the initial values within the limits")
}
