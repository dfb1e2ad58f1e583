//! What a library says of a device, believed only where it can be true.

use crate::{
    convert::{at_range, dtype, get_text, kind},
    table,
};
use blackbeam_plugin::{Code, Descriptor, Energy, Limits, Parameter, PluginError, Port, Result, Timeouts, Timing, can};
use std::collections::BTreeSet;

/// Longest vector that is believed.
const MAX_WIDTH: u64 = 1 << 28;

/// The descriptor. `able`: the bits of `can` that the library has functions for.
pub(super) fn read(d: &table::Descriptor, parameters: &[table::Parameter], able: u64) -> Result<Descriptor> {
    if d.can & OPTIONAL & !able != 0 {
        let message = format!("the device says that it can {:#x}, the library has functions for {able:#x}", d.can);
        return Err(PluginError::new(Code::ABI_MISMATCH, message));
    }
    let parameters: Vec<Parameter> = parameters.iter().map(parameter).collect::<Result<_>>()?;
    let mut names = BTreeSet::new();
    if let Some(twice) = parameters.iter().find(|p| !names.insert(p.name.as_str())) {
        return Err(impossible(format!("two parameters are called `{}`", twice.name)));
    }
    for (what, value) in [
        ("limits.total_power_w", d.limits.total_power_w),
        ("limits.channel_power_w", d.limits.channel_power_w),
        ("limits.slew_per_s", d.limits.slew_per_s),
        ("unit_power_w", d.unit_power_w),
        ("timeouts.open_s", d.timeouts.open_s),
        ("timeouts.write_s", d.timeouts.write_s),
        ("timeouts.query_s", d.timeouts.query_s),
        ("timeouts.calibrate_s", d.timeouts.calibrate_s),
        ("energy.hold_w", d.energy.hold_w),
        ("energy.write_j", d.energy.write_j),
        ("energy.vector_j", d.energy.vector_j),
    ] {
        not_negative(what, value)?;
    }
    if d.noise.is_nan() || d.noise.is_infinite() {
        return Err(impossible(format!("noise is {}", d.noise)));
    }
    Ok(Descriptor {
        name: get_text(&d.name, "name of the device")?.into(),
        firmware: get_text(&d.firmware, "firmware version")?.into(),
        calibration: get_text(&d.calibration, "name of the calibration")?.into(),
        input: port(&d.input, "input")?,
        output: port(&d.output, "output")?,
        parameters: parameters.into(),
        dtype: dtype(d.dtype)?,
        structure: d.structure,
        can: d.can & SHARED,
        max_batch: usize::try_from(d.max_batch).unwrap_or(usize::MAX),
        vectors_per_row: d.vectors_per_row.max(1),
        noise: d.noise,
        timing: timing(&d.timing)?,
        energy: Energy { hold_w: d.energy.hold_w, write_j: d.energy.write_j, vector_j: d.energy.vector_j },
        limits: Limits {
            total_power_w: d.limits.total_power_w,
            channel_power_w: d.limits.channel_power_w,
            unit_power_w: d.unit_power_w,
            slew_per_s: d.limits.slew_per_s,
            writes: d.limits.writes,
        },
        timeouts: Timeouts {
            open_s: d.timeouts.open_s,
            write_s: d.timeouts.write_s,
            query_s: d.timeouts.query_s,
            calibrate_s: d.timeouts.calibrate_s,
        },
    })
}

/// Bits of `can` that mean the same on both sides.
const SHARED: u64 =
    can::QUERY_SETS | can::BACKWARD | can::READ_MATRIX | can::READ_PARAMS | can::FULL_SCALE | can::CALIBRATE;
/// All bits that need an extension.
const OPTIONAL: u64 = SHARED | table::CAN_STATE;

const _: () = assert!(
    SHARED
        == table::CAN_QUERY_SETS
            | table::CAN_BACKWARD
            | table::CAN_READ_MATRIX
            | table::CAN_READ_PARAMS
            | table::CAN_FULL_SCALE
            | table::CAN_CALIBRATE
);

fn parameter(p: &table::Parameter) -> Result<Parameter> {
    let name = get_text(&p.name, "name of a parameter")?;
    let wrong = |what: String| impossible(format!("parameter `{name}`: {what}"));
    if name.is_empty() {
        return Err(wrong("it has no name".into()));
    }
    if p.min.is_nan() || p.max.is_nan() || p.min > p.max {
        return Err(wrong(format!("its range is {} to {}", p.min, p.max)));
    }
    if !p.initial.is_finite() || p.initial < p.min || p.initial > p.max {
        return Err(wrong(format!("its initial value {} is not within {} to {}", p.initial, p.min, p.max)));
    }
    for (what, value) in [("resolution", p.resolution), ("period", p.period)] {
        if !value.is_finite() || value < 0.0 {
            return Err(wrong(format!("its {what} is {value}")));
        }
    }
    Ok(Parameter {
        unit: get_text(&p.unit, "unit of a parameter")?.into(),
        min: p.min,
        max: p.max,
        initial: p.initial,
        resolution: p.resolution,
        period: p.period,
        kind: kind(p.kind)?,
        at_range: at_range(p.at_range)?,
        group: p.group,
        row: p.row,
        column: p.column,
        name: name.into(),
    })
}

fn port(p: &table::Port, what: &str) -> Result<Port> {
    let complex = p.complex != 0;
    if p.width == 0 || p.width > MAX_WIDTH || complex && p.width % 2 == 1 {
        return Err(impossible(format!(
            "the {what} is {} numbers wide{}",
            p.width,
            if complex { ", complex" } else { "" }
        )));
    }
    if p.min.is_nan() || p.max.is_nan() || p.min >= p.max {
        return Err(impossible(format!("the {what} goes from {} to {}", p.min, p.max)));
    }
    Ok(Port { width: p.width as usize, complex, min: p.min, max: p.max, bits: p.bits })
}

fn timing(t: &table::Timing) -> Result<Timing> {
    for (what, value) in [
        ("timing.write_fixed_s", t.write_fixed_s),
        ("timing.write_each_s", t.write_each_s),
        ("timing.settle_tau_s", t.settle_tau_s),
        ("timing.settle_tolerance", t.settle_tolerance),
        ("timing.trigger_s", t.trigger_s),
        ("timing.frame_s", t.frame_s),
        ("timing.host_step_s", t.host_step_s),
    ] {
        not_negative(what, value)?;
    }
    Ok(Timing {
        write_fixed_s: t.write_fixed_s,
        write_each_s: t.write_each_s,
        settle_tau_s: t.settle_tau_s,
        settle_tolerance: t.settle_tolerance,
        trigger_s: t.trigger_s,
        frame_s: t.frame_s,
        frame_vectors: t.frame_vectors.max(1),
        averages: t.averages.max(1),
        host_step_s: t.host_step_s,
    })
}

fn not_negative(what: &str, value: f64) -> Result<()> {
    if value.is_finite() && value >= 0.0 { Ok(()) } else { Err(impossible(format!("{what} is {value}"))) }
}

fn impossible(what: String) -> PluginError {
    PluginError::new(Code::RANGE, format!("the device describes itself in a way that cannot be: {what}"))
}
