//! Values of parameters at the start.

use crate::{
    chain::setpoint::{SetPoints, parameter_places, ranges},
    fabrication::Fabrication,
    keys::{Places, draw_all},
    model::is_bank,
    program::{Spot, haar_cells},
    resonance,
    slots::{Moved, Slots, targets},
};
use blackbeam_netlist::circuit::{Circuit, Init, Kind, ParameterBlock};
use blackbeam_plugin::{Key, Parameter, PluginError, Result};
use std::f64::consts::TAU;

/// How far a Haar-random phase may lie outside its range: rounding only.
const OUTSIDE: f64 = 1e-9;

/// The parts of a device that decide what its parameters do.
pub(crate) struct Start<'a> {
    pub places: &'a Places,
    pub slots: &'a Slots,
    pub set_points: &'a SetPoints,
}

/// Initial values of all parameters.
///
/// # Errors
/// `SETTINGS` if `haar` is asked of something that is not a mesh, or of a range that a Haar-random phase does not fit; for
/// values that are not finite or not as many as the parameters; for resonances that cannot be found.
pub(crate) fn values(
    circuit: &Circuit,
    start: &Start<'_>,
    parameters: &[Parameter],
    fabrication: &Fabrication<'_>,
    spots: &[Spot],
    seed: u64,
) -> Result<Vec<f64>> {
    let root = Key::new(seed).named("initial");
    let places = parameter_places(circuit, start.places);
    let mut values = vec![0.0; spots.len()];
    let mut resonant = Vec::new();
    // The mesh whose cells were drawn last: theta and phi of a cell belong together.
    let mut cells = None;
    let blocks: Vec<_> = ranges(circuit).into_iter().zip(&circuit.parameters).collect();
    for (range, block) in &blocks {
        let target = &mut values[range.clone()];
        match &block.init {
            Init::Number(number) => {
                target.copy_from_slice(&draw_all(*number, root.named("number"), &places[range.clone()]));
            }
            Init::Haar => haar(circuit, block, root.named("haar"), &mut cells, target)?,
            Init::Values(given) if given.len() == target.len() => target.copy_from_slice(given),
            Init::Values(given) => {
                let message = format!("{} initial values for {} parameters", given.len(), target.len());
                return Err(PluginError::settings(message));
            }
            Init::Settings => settings(circuit, block, seed, target)?,
            Init::Layers => layers(circuit, block, root.named("weights"), target)?,
            Init::Resonance => resonant.extend(range.clone()),
        }
    }
    for (range, block) in &blocks {
        let haar = block.init == Init::Haar;
        for i in range.clone() {
            let (parameter, value) = (&parameters[i], values[i]);
            if !value.is_finite() {
                return Err(PluginError::settings(format!("the initial value of {} is {value}", parameter.name)));
            }
            values[i] = parameter.admit(value);
            let moved = (values[i] - value).rem_euclid(TAU);
            if haar && moved.min(TAU - moved) > OUTSIDE {
                return Err(PluginError::settings(format!(
                    "{} cannot start at the Haar-random phase {value:.4}: its range is {} to {}; make it a whole period",
                    parameter.name, parameter.min, parameter.max
                )));
            }
        }
    }
    if !resonant.is_empty() {
        if is_bank(circuit) {
            resonance::of_bank(circuit, start, parameters, &resonant, &mut values);
        } else {
            resonance::of_network(circuit, (start, parameters), fabrication, spots, &resonant, &mut values)?;
        }
    }
    Ok(values)
}

/// Haar-random phases of the slots of a block. `known`: the instance and the cells drawn last.
fn haar(
    circuit: &Circuit,
    block: &ParameterBlock,
    key: Key,
    known: &mut Option<(usize, Vec<(f64, f64)>)>,
    target: &mut [f64],
) -> Result<()> {
    for (k, value) in target.iter_mut().enumerate() {
        let slot = targets(block, k).first().copied().unwrap_or(usize::MAX);
        if !known.as_ref().is_some_and(|(i, _)| circuit.instances[*i].slots.contains(&slot)) {
            let at = circuit.instances.iter().position(|i| i.slots.contains(&slot));
            let Some((i, Kind::Mesh(mesh))) = at.map(|i| (i, &circuit.instances[i].kind)) else {
                return Err(PluginError::settings("`init: haar` is for the phases of a mesh"));
            };
            *known = Some((i, haar_cells(mesh, key.with(crate::keys::path_key(&circuit.instances[i])))?));
        }
        let (i, cells) = known.as_ref().expect("found above");
        let index = slot - circuit.instances[*i].slots.start;
        *value = match index.checked_sub(cells.len()) {
            None => cells[index].0,
            Some(phi) if phi < cells.len() => cells[phi].1,
            // Output phases are uniform.
            Some(gamma) => TAU * key.named("gamma").uniform(gamma as u64),
        };
    }
    Ok(())
}

/// Weights of the layers of a network, each from a stream named after it.
fn layers(circuit: &Circuit, block: &ParameterBlock, key: Key, target: &mut [f64]) -> Result<()> {
    let none = || PluginError::settings("`init` of layers is for the weights of a network");
    let network = circuit.network.as_ref().ok_or_else(none)?;
    let mut known: (usize, Vec<f64>) = (0, Vec::new());
    for (k, value) in target.iter_mut().enumerate() {
        let slot = targets(block, k).first().copied().unwrap_or(usize::MAX);
        if !(known.0..known.0 + known.1.len()).contains(&slot) {
            let mut weights = network.weights.iter().zip(&network.program.weights);
            let (start, weight) =
                weights.find(|(start, w)| (**start..**start + w.len()).contains(&slot)).ok_or_else(none)?;
            let key = key.named(&weight.name);
            let values = weight.initial.values(weight.len(), |i| key.uniform(i), |v| key.fill_normal(0, v));
            known = (*start, values);
        }
        *value = known.1[slot - known.0];
    }
    Ok(())
}

/// What the slots of a block hold in the netlist, as it stands there.
fn settings(circuit: &Circuit, block: &ParameterBlock, seed: u64, target: &mut [f64]) -> Result<()> {
    let plain = Circuit { parameters: Vec::new(), nonideal: Vec::new(), ..circuit.clone() };
    let slots = Slots::new(&plain, &Fabrication::new(&plain, seed), &Places::new(&plain), seed)?;
    let mut values = Vec::new();
    slots.fill(&[], &Moved::default(), &mut values);
    for (k, value) in target.iter_mut().enumerate() {
        *value = targets(block, k).first().map_or(f64::NAN, |&slot| values[slot]);
    }
    Ok(())
}
