//! Parameters at which rings resonate on the channels of their columns, found on the device as it is: with its fabrication
//! errors, the gains of its actuators and crosstalk.
//!
//! The field behind a phase shifter that turns a ring is a Moebius function of z = e^{i phase}, (a + b z) / (1 + d z), whatever
//! else is in the circuit. Three solves give a, b and d; the ring resonates where d z is negative. As neighbours move each
//! other, this is repeated until nothing moves any more. Rings of one channel that share no light are solved together.

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
    let mut groups = Vec::new();
    for (channel, &wl_um) in channels.iter().enumerate() {
        let here: Vec<(usize, usize)> = rings.iter().filter(|r| r.1 == channel).map(|r| (r.0, r.2)).collect();
        if !here.is_empty() {
            let rows: Vec<Wave> = here
                .iter()
                .flat_map(|&(_, instance)| (0..2).map(move |port| Wave::Leaving(Port { instance, port })))
                .collect();
            let environment = Environment { wavelengths_um: vec![wl_um], ..circuit.environment.clone() };
            let one = Circuit { environment, ..circuit.clone() };
            let network = Network::between(&one, fabrication, start.slots, &lit, &rows)?;
            let apart = apart(&network, &here);
            groups.push((network, apart));
        }
    }
    for _ in 0..ROUNDS {
        let mut most = 0f64;
        for (network, groups) in &groups {
            for group in groups {
                let steps = detuning(start, network, values, group, lit.len())?;
                for (&(i, _), step) in group.iter().zip(steps) {
                    let Some(step) = step else {
                        let message = format!("`init: {{resonance: channel}}`: `{}` turns no ring", parameters[i].name);
                        return Err(PluginError::settings(message));
                    };
                    most = most.max(step.abs());
                    values[i] = inside(&parameters[i], values[i] + step);
                }
            }
        }
        if most < STILL {
            break;
        }
    }
    Ok(())
}

/// Groups of rings none of which has light in it that has met another one of its group: they can be turned at the same time. From
/// (parameter, phase shifter), as (parameter, place among the shifters).
fn apart(network: &Network, rings: &[(usize, usize)]) -> Vec<Vec<(usize, usize)>> {
    let met: Vec<Vec<usize>> = (0..rings.len()).map(|k| network.met([2 * k, 2 * k + 1])).collect();
    let apart =
        |a: usize, b: usize| met[a].binary_search(&rings[b].1).is_err() && met[b].binary_search(&rings[a].1).is_err();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for k in 0..rings.len() {
        match groups.iter_mut().find(|group| group.iter().all(|&other| apart(k, other))) {
            Some(group) => group.push(k),
            None => groups.push(vec![k]),
        }
    }
    groups.into_iter().map(|group| group.into_iter().map(|k| (rings[k].0, k)).collect()).collect()
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

/// How far parameters are from resonance, for a group of rings; None for one that turns no ring.
fn detuning(
    start: &Start<'_>,
    network: &Network,
    values: &[f64],
    group: &[(usize, usize)],
    columns: usize,
) -> Result<Vec<Option<f64>>> {
    let mut at = physical(start, values);
    let here: Vec<f64> = group.iter().map(|&(i, _)| at[i]).collect();
    let (mut slots, mut out) = (Vec::new(), Vec::new());
    let mut fields = vec![[[Complex64::ZERO; 2]; 3]; group.len()];
    for k in 0..3 {
        group.iter().zip(&here).for_each(|(&(i, _), here)| at[i] = here + TAU / 3.0 * k as f64);
        start.slots.fill(&at, &Moved::default(), &mut slots);
        network.solve(&slots, 0.0, &mut out)?;
        for (&(_, row), fields) in group.iter().zip(&mut fields) {
            for (port, field) in fields[k].iter_mut().enumerate() {
                *field = out[(2 * row + port) * columns..(2 * row + port + 1) * columns].iter().sum();
            }
        }
    }
    Ok(fields.iter().map(turn_to_resonance).collect())
}

/// From the fields at both ports of a phase shifter, at its phase and a third and two thirds of a turn further.
fn turn_to_resonance(fields: &[[Complex64; 2]; 3]) -> Option<f64> {
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
    (d.norm() > 1e-12 && d.is_finite()).then(|| nearest(PI - d.arg()))
}
