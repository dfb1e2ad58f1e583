//! Parameters at which rings resonate on the channels of their columns, found on the device as it is: with its fabrication
//! errors, the gains of its actuators and crosstalk.
//!
//! The field behind a phase shifter that turns a ring is a Moebius function of z = e^{i phase}, (a + b z) / (1 + d z), whatever
//! else is in the circuit. Three solves give a, b and d; the ring resonates where d z is negative. As neighbours move each
//! other, this is repeated until nothing moves any more.

use crate::{
    fabrication::Fabrication,
    initial::Start,
    program::{Network, Spot, Wave},
    slots::{Moved, targets},
};
use blackbeam_netlist::circuit::{Circuit, Environment, Kind, ParameterBlock, Port};
use blackbeam_plugin::{Parameter, PluginError, Result};
use num_complex::Complex64;
use std::f64::consts::{PI, TAU};

/// Most rounds over all rings.
const ROUNDS: usize = 40;
/// Where they stop, rad.
const STILL: f64 = 1e-10;

/// Physical values of all parameters.
fn physical(start: &Start<'_>, values: &[f64]) -> Vec<f64> {
    start.set_points.physical(&start.set_points.effect(values), 0.0)
}

/// Rings of a bank resonate at phase 0.
pub(crate) fn of_bank(
    circuit: &Circuit,
    start: &Start<'_>,
    parameters: &[Parameter],
    resonant: &[usize],
    values: &mut [f64],
) {
    let blocks =
        circuit.parameters.iter().flat_map(|b| (0..b.names.len()).map(move |k| targets(b, k).first().copied()));
    let slot_of: Vec<Option<usize>> = blocks.collect();
    for _ in 0..ROUNDS {
        let mut slots = Vec::new();
        start.slots.fill(&physical(start, values), &Moved::default(), &mut slots);
        let mut most = 0f64;
        for &i in resonant {
            let error = slot_of[i].map_or(0.0, |slot| nearest(slots[slot]));
            most = most.max(error.abs());
            values[i] = inside(&parameters[i], values[i] - error);
        }
        if most < STILL {
            break;
        }
    }
}

/// A phase inside the range of a parameter, whole turns away if need be.
fn inside(p: &Parameter, value: f64) -> f64 {
    let turns = if value < p.min { ((p.min - value) / TAU).ceil() } else { -((value - p.max).max(0.0) / TAU).ceil() };
    let turned = value + TAU * turns;
    p.admit(if (p.min..=p.max).contains(&turned) { turned } else { value })
}

fn nearest(phase: f64) -> f64 {
    (phase + PI).rem_euclid(TAU) - PI
}

/// Rings of a circuit.
///
/// # Errors
/// `SETTINGS` for a parameter without a channel, or that turns no ring.
pub(crate) fn of_network(
    circuit: &Circuit,
    (start, parameters): (&Start<'_>, &[Parameter]),
    fabrication: &Fabrication<'_>,
    spots: &[Spot],
    resonant: &[usize],
    values: &mut [f64],
) -> Result<()> {
    let channels = &circuit.environment.wavelengths_um;
    let lit: Option<Vec<Port>> =
        circuit.encoding.iter().flat_map(|e| &e.ports).map(|&p| circuit.ports.get(p).map(|o| o.port)).collect();
    let lit = lit.ok_or_else(|| PluginError::settings("the encoding names a port that is not there"))?;
    if lit.is_empty() {
        return Err(PluginError::settings(
            "`init: {resonance: channel}` needs an `encoding`: where the light comes from",
        ));
    }
    let mut rings = Vec::with_capacity(resonant.len());
    for &i in resonant {
        let (name, channel) = (&parameters[i].name, spots[i].column as usize);
        if channel >= channels.len() {
            let message = format!("`{name}` stands in column {channel}, there are {} channels", channels.len());
            return Err(PluginError::settings(message));
        }
        let at = shifter(circuit, start, i).ok_or_else(|| {
            PluginError::settings(format!("`{name}` sets no phase of a component that could turn a ring"))
        })?;
        rings.push((i, channel, at));
    }
    let mut networks: Vec<Option<Network>> = channels.iter().map(|_| None).collect();
    for (channel, network) in networks.iter_mut().enumerate() {
        let rows: Vec<Wave> = rings
            .iter()
            .filter(|r| r.1 == channel)
            .flat_map(|r| (0..2).map(|port| Wave::Leaving(Port { instance: r.2, port })))
            .collect();
        if !rows.is_empty() {
            let environment = Environment { wavelengths_um: vec![channels[channel]], ..circuit.environment.clone() };
            let one = Circuit { environment, ..circuit.clone() };
            *network = Some(Network::between(&one, fabrication, start.slots, &lit, &rows)?);
        }
    }
    let mut seen = vec![0; channels.len()];
    for (_, channel, at) in &mut rings {
        *at = seen[*channel];
        seen[*channel] += 1;
    }
    for _ in 0..ROUNDS {
        let mut most = 0f64;
        for &(i, channel, row) in &rings {
            let network = networks[channel].as_ref().expect("made for all channels that are used");
            let step = detuning(start, network, values, (i, row), lit.len())?;
            let Some(step) = step else {
                let message = format!("`init: {{resonance: channel}}`: `{}` turns no ring", parameters[i].name);
                return Err(PluginError::settings(message));
            };
            most = most.max(step.abs());
            values[i] = inside(&parameters[i], values[i] + step);
        }
        if most < STILL {
            break;
        }
    }
    Ok(())
}

/// The component with two ports whose setting a parameter sets, through expressions or not.
fn shifter(circuit: &Circuit, start: &Start<'_>, parameter: usize) -> Option<usize> {
    let mut first = 0;
    let holds = |block: &&ParameterBlock| {
        first += block.names.len();
        parameter < first
    };
    let block = circuit.parameters.iter().find(holds)?;
    let k = parameter - (first - block.names.len());
    let reached = start.slots.with_computed(targets(block, k).iter().copied());
    circuit.instances.iter().position(|i| {
        matches!(i.kind, Kind::Primitive(_)) && i.inputs + i.outputs == 2 && reached[i.slots.clone()].contains(&true)
    })
}

/// How far a parameter is from resonance; None where it turns no ring.
fn detuning(
    start: &Start<'_>,
    network: &Network,
    values: &[f64],
    (i, row): (usize, usize),
    columns: usize,
) -> Result<Option<f64>> {
    let mut at = physical(start, values);
    let here = at[i];
    let (mut slots, mut out) = (Vec::new(), Vec::new());
    let mut fields = [[Complex64::ZERO; 2]; 3];
    for (k, field) in fields.iter_mut().enumerate() {
        at[i] = here + TAU / 3.0 * k as f64;
        start.slots.fill(&at, &Moved::default(), &mut slots);
        network.solve(&slots, 0.0, &mut out)?;
        for (port, field) in field.iter_mut().enumerate() {
            *field = out[(2 * row + port) * columns..(2 * row + port + 1) * columns].iter().sum();
        }
    }
    // The direction in which the light goes.
    let strength = |port: usize| fields.iter().map(|f| f[port].norm_sqr()).sum::<f64>();
    let port = usize::from(strength(1) > strength(0));
    let f = fields.map(|f| f[port]);
    // a + b z - d f z = f at z = 1, w, w^2, less the first
    let w = Complex64::cis(TAU / 3.0);
    let (z1, z2) = (w, w * w);
    let (b1, b2) = (z1 - 1.0, z2 - 1.0);
    let (c1, c2) = (f[0] - f[1] * z1, f[0] - f[2] * z2);
    let (r1, r2) = (f[1] - f[0], f[2] - f[0]);
    let determinant = b1 * c2 - b2 * c1;
    let d = (b1 * r2 - b2 * r1) / determinant;
    Ok((d.norm() > 1e-12 && d.is_finite()).then(|| nearest(PI - d.arg())))
}
