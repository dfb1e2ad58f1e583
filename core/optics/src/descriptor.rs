//! What a simulator says of itself.

use crate::{model::Model, setpoint::Block};
use blackbeam_netlist::circuit::{AtRange as CircuitAtRange, Circuit};
use blackbeam_plugin::{AtRange, Descriptor, Dtype, Energy, Parameter, ParameterKind, Result, Timing, can, structure};
use std::f64::consts::TAU;

/// Tolerance of settling where no converter gives one: half a step of 12 bits over a period.
const SETTLED: f64 = 0.5 * TAU / 4095.0;

/// All parameters in the program's order, trainable or not; the initial values are filled in later.
pub(crate) fn parameters(circuit: &Circuit, model: &Model) -> Result<Vec<Parameter>> {
    let mut parameters = Vec::new();
    let mut blocks: Vec<&Block> = model.blocks.iter().collect();
    blocks.sort_by_key(|b| b.phases.start);
    for block in blocks {
        let source = &circuit.parameters[block.index];
        let (min, max) = source.range;
        if min.is_nan() || max.is_nan() || min > max {
            let message = format!("{:?}: a range from {min} to {max}", block.kind);
            return Err(blackbeam_plugin::PluginError::settings(message));
        }
        let resolution = model.set_points.resolution(block, source.range);
        for (i, name) in source.names.iter().enumerate() {
            let place = model.program.place(block.kind, i);
            parameters.push(Parameter {
                name: name.as_str().into(),
                unit: "rad".into(),
                min,
                max,
                initial: 0.0,
                resolution,
                period: TAU,
                kind: ParameterKind::Phase,
                at_range: match source.at_range {
                    CircuitAtRange::Clip => AtRange::Clip,
                    CircuitAtRange::Wrap => AtRange::Wrap,
                    CircuitAtRange::Reflect => AtRange::Reflect,
                },
                group: block.index as u32,
                row: place.row,
                column: place.column,
            });
        }
    }
    Ok(parameters)
}

/// The descriptor.
///
/// The energy account has the source's power while the device is in use. Actuators, converters and writes are not in it:
/// a circuit names drives, not the power that they take.
pub(crate) fn describe(circuit: &Circuit, model: &Model, gains_drift: bool) -> Descriptor {
    let (encoder, detector) = (&model.encoder, &model.detector);
    let linear = model.linear();
    let mut flags = structure::DETERMINISTIC | model.program.structure();
    if linear {
        flags |= structure::LINEAR_IN_X;
    }
    if !model.set_points.local() {
        flags &= !structure::LOCAL;
    }
    if !model.set_points.independent() {
        flags &= !structure::SINGLE_FREQUENCY;
    }
    if gains_drift || model.gain.iter().any(|&g| g != 1.0) {
        flags &= !structure::PASSIVE;
    }
    let mut able = can::QUERY_SETS | can::SPARSE | can::BLOCK | can::KEYED | can::READ_PARAMS | can::THREADS;
    if linear {
        able |= can::READ_MATRIX;
        if !encoder.complex && !detector.complex() {
            able |= can::BACKWARD;
        }
    }
    if detector.follows() {
        able |= can::FULL_SCALE;
    }
    let parameters: Vec<Parameter> = model.trainable.iter().map(|&i| model.parameters[i].clone()).collect();
    let differences = if encoder.differential { 2f64.sqrt() } else { 1.0 };
    Descriptor {
        name: circuit.name.as_str().into(),
        firmware: concat!("blackbeam-optics ", env!("CARGO_PKG_VERSION")).into(),
        calibration: "nominal".into(),
        input: encoder.port(),
        output: detector.port(encoder.differential),
        timing: timing(circuit, &parameters),
        parameters: parameters.into(),
        dtype: Dtype::F64,
        structure: flags,
        can: able,
        max_batch: 0,
        vectors_per_row: encoder.parts().len() as u32,
        noise: if encoder.quiet() { detector.declared_noise() * differences } else { -1.0 },
        energy: Energy { hold_w: circuit.encoding.power_w, write_j: 0.0, vector_j: 0.0 },
    }
}

/// Actuators count as settled at half the coarsest step of a parameter.
fn timing(circuit: &Circuit, parameters: &[Parameter]) -> Timing {
    let lsb = parameters.iter().map(|p| p.resolution).fold(0.0, f64::max);
    let t = &circuit.timing;
    Timing {
        write_fixed_s: t.write_fixed_s,
        write_each_s: t.write_each_s,
        settle_tau_s: circuit.actuators.iter().map(|a| a.tau_s).fold(0.0, f64::max),
        settle_tolerance: if lsb > 0.0 { 0.5 * lsb } else { SETTLED },
        trigger_s: t.trigger_s,
        frame_s: t.frame_s,
        frame_vectors: t.frame_vectors.max(1),
        averages: t.averages.max(1),
        host_step_s: t.host_step_s,
    }
}
