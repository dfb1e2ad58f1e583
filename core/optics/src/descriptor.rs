//! What a simulator says of itself.

use crate::{
    chain::setpoint::{SetPoints, ranges},
    model::Model,
    program::{Program, Spot},
};
use blackbeam_netlist::circuit::{AtRange as CircuitAtRange, Circuit, Precision, ReadoutMode};
use blackbeam_plugin::{
    AtRange, Descriptor, Dtype, Energy, Limits, Parameter, ParameterKind, PluginError, RString, RVec, Result, Timeouts,
    Timing, can, structure,
};
use std::f64::consts::TAU;

/// Tolerance of settling where no converter gives one: half a step of 12 bits over a period.
const SETTLED: f64 = 0.5 * TAU / 4095.0;

/// All parameters, block by block, trainable or not; the initial values are filled in later, names and units by `named`.
pub(crate) fn parameters(circuit: &Circuit, set_points: &SetPoints, spots: &[Spot]) -> Result<Vec<Parameter>> {
    let mut parameters = Vec::with_capacity(spots.len());
    for (index, (source, range)) in circuit.parameters.iter().zip(ranges(circuit)).enumerate() {
        let (min, max) = source.range;
        if min.is_nan() || max.is_nan() || min > max {
            return Err(PluginError::settings(format!("{:?}: a range from {min} to {max}", source.kind)));
        }
        let resolution = set_points.resolution(&range, source.range);
        let phase = source.unit == "rad";
        let parameter = |spot: &Spot| Parameter {
            name: RString::new(),
            unit: RString::new(),
            min,
            max,
            initial: 0.0,
            resolution,
            period: if phase { TAU } else { 0.0 },
            kind: if phase { ParameterKind::Phase } else { ParameterKind::Level },
            at_range: match source.at_range {
                CircuitAtRange::Clip => AtRange::Clip,
                CircuitAtRange::Wrap => AtRange::Wrap,
                CircuitAtRange::Reflect => AtRange::Reflect,
            },
            group: index as u32,
            row: spot.row,
            column: spot.column,
        };
        parameters.extend(spots[range].iter().map(parameter));
    }
    Ok(parameters)
}

/// The trainable parameters with their names and units.
pub(crate) fn named(model: &Model) -> Vec<Parameter> {
    let named = |&i: &usize| {
        let parameter = &model.parameters[i];
        let unit = if parameter.kind == ParameterKind::Phase { "rad" } else { "" };
        Parameter { name: model.names[i].into(), unit: unit.into(), ..parameter.clone() }
    };
    model.trainable.iter().map(named).collect()
}

/// The descriptor, but for its parameters. `gains_move`: gains of outputs or the power of the source drift.
///
/// The energy account has the source's power while the device is in use. Actuators, converters and writes are not in it:
/// a circuit names drives, not the power that they take.
pub(crate) fn describe(circuit: &Circuit, model: &Model, gains_move: bool) -> Descriptor {
    let (encoder, detector) = (&model.encoder, &model.detector);
    let linear = model.linear();
    let program = match &model.program {
        Program::Linear(program) => program.structure(),
        Program::Bench(_) | Program::Layers(_) => 0,
    };
    let mut flags = structure::DETERMINISTIC | program;
    if linear {
        flags |= structure::LINEAR_IN_X;
    }
    if !model.set_points.local() {
        flags &= !structure::LOCAL;
    }
    if !model.set_points.independent() {
        flags &= !(structure::SINGLE_FREQUENCY | structure::TWO_SIDED);
    }
    let amplitudes = circuit.readout.mode == ReadoutMode::Amplitude;
    if amplitudes && !encoder.differential {
        flags |= structure::MAGNITUDE;
    }
    if gains_move || model.gain.iter().any(|&g| g != 1.0) {
        flags &= !structure::PASSIVE;
    }
    let mut able =
        can::QUERY_SETS | can::SPARSE | can::BLOCK | can::KEYED | can::READ_PARAMS | can::THREADS | can::EXACT_VJP;
    if linear {
        able |= can::READ_MATRIX;
        if encoder.plain() && encoder.even() && detector.plain() && program & structure::RECIPROCAL != 0 {
            able |= can::BACKWARD;
        }
    }
    if matches!(model.program, Program::Layers(_)) {
        able &= !can::EXACT_VJP;
    }
    if detector.follows() {
        able |= can::FULL_SCALE;
    }
    let differences = if encoder.differential { 2f64.sqrt() } else { 1.0 };
    let power_w = circuit.encoding.as_ref().map_or(0.0, |e| e.source.power_w);
    let noise = detector.declared_noise();
    Descriptor {
        name: circuit.name.as_str().into(),
        firmware: concat!("blackbeam-optics ", env!("CARGO_PKG_VERSION")).into(),
        calibration: "nominal".into(),
        input: encoder.port(),
        output: detector.port(encoder.differential),
        timing: timing(circuit, model.set_points.settling.charged),
        parameters: RVec::new(),
        dtype: if circuit.precision == Precision::F32 { Dtype::F32 } else { Dtype::F64 },
        structure: flags,
        can: able,
        max_batch: 0,
        vectors_per_row: encoder.parts().len() as u32,
        noise: if encoder.quiet() && noise >= 0.0 { noise * differences } else { -1.0 },
        energy: Energy { hold_w: power_w, write_j: 0.0, vector_j: 0.0 },
        limits: Limits::default(),
        timeouts: Timeouts::default(),
    }
}

/// (longest time constant, tolerance): actuators count as settled at a 32nd of the coarsest step of a parameter. What is left
/// of one probe is then small beside the next, even where probes are a step long.
pub(crate) fn settling<'a>(circuit: &Circuit, parameters: impl Iterator<Item = &'a Parameter>) -> (f64, f64) {
    let lsb = parameters.map(|p| p.resolution).fold(0.0, f64::max);
    let tau = circuit.actuators.iter().map(|a| a.tau_s).fold(0.0, f64::max);
    (tau, if lsb > 0.0 { lsb / 32.0 } else { SETTLED })
}

fn timing(circuit: &Circuit, (settle_tau_s, settle_tolerance): (f64, f64)) -> Timing {
    let t = &circuit.timing;
    Timing {
        write_fixed_s: t.write_fixed_s,
        write_each_s: t.write_each_s,
        settle_tau_s,
        settle_tolerance,
        trigger_s: t.trigger_s,
        frame_s: t.frame_s,
        frame_vectors: t.frame_vectors.max(1),
        averages: t.averages.max(1),
        host_step_s: t.host_step_s,
    }
}
