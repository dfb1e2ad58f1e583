//! Values of parameters at the start.

use crate::{haar, keys::draw, setpoint::Block};
use blackbeam_netlist::circuit::{Circuit, Generator, Init, ParameterKind};
use blackbeam_plugin::{Key, Parameter, PluginError, Result};
use std::f64::consts::TAU;

/// How far a Haar-random phase may lie outside its range: rounding only.
const OUTSIDE: f64 = 1e-9;

/// Initial phases in the program's order; `parameter` gives the range of each.
///
/// # Errors
/// `SETTINGS` if `haar` is asked of something that is not a mesh, or of a range that a Haar-random phase does not fit.
pub(crate) fn phases(circuit: &Circuit, blocks: &[Block], parameters: &[Parameter], seed: u64) -> Result<Vec<f64>> {
    let root = Key::new(seed).named("initial");
    let mut values = vec![0.0; parameters.len()];
    for block in blocks {
        let init = circuit.parameters[block.index].init;
        let key = root.with(block.kind as u64);
        for (i, phase) in block.phases.clone().enumerate() {
            values[phase] = match init {
                Init::Number(number) => draw(number, key, i as u64),
                // Replaced below where it is theta's or phi's.
                Init::Haar => TAU * key.uniform(i as u64),
            };
        }
    }
    haar_cells(circuit, blocks, root, &mut values)?;
    for block in blocks {
        let haar = circuit.parameters[block.index].init == Init::Haar;
        for phase in block.phases.clone() {
            let (parameter, value) = (&parameters[phase], values[phase]);
            if !value.is_finite() {
                return Err(PluginError::settings(format!("the initial value of {} is {value}", parameter.name)));
            }
            values[phase] = parameter.admit(value);
            let moved = (values[phase] - value).rem_euclid(TAU);
            if haar && moved.min(TAU - moved) > OUTSIDE {
                return Err(PluginError::settings(format!(
                    "{} cannot start at the Haar-random phase {value:.4}: its range is {} to {}; make it a whole period",
                    parameter.name, parameter.min, parameter.max
                )));
            }
        }
    }
    Ok(values)
}

/// Theta and phi of the blocks whose `init` is `haar`.
fn haar_cells(circuit: &Circuit, blocks: &[Block], key: Key, values: &mut [f64]) -> Result<()> {
    let is_haar = |block: &&Block| circuit.parameters[block.index].init == Init::Haar;
    let mut wanted = blocks.iter().filter(is_haar).peekable();
    if wanted.peek().is_none() {
        return Ok(());
    }
    let Generator::Mesh(mesh) = &circuit.generator else {
        return Err(PluginError::settings("`init: haar` is for the phases of a mesh"));
    };
    let cells = haar::phases(mesh.n, mesh.cell, key.named("haar"));
    for block in wanted {
        let target = &mut values[block.phases.clone()];
        match block.kind {
            ParameterKind::Theta => target.iter_mut().zip(&cells).for_each(|(v, cell)| *v = cell.0),
            ParameterKind::Phi => target.iter_mut().zip(&cells).for_each(|(v, cell)| *v = cell.1),
            _ => {}
        }
    }
    Ok(())
}
