//! The numbers of a circuit, for drawings and netlists.

use crate::{
    chain::setpoint::SetPoints,
    fabrication::Fabrication,
    initial,
    keys::Places,
    program::spots,
    slots::{Moved, Slots},
};
use blackbeam_netlist::circuit::Circuit;
use blackbeam_plugin::Result;

/// The values of all slots (`Circuit::slots`) of device `seed` at the initial values of its parameters, through the gains,
/// offsets and crosstalk of their actuators, without converters and drift.
///
/// # Errors
/// `SETTINGS` for a circuit that contradicts itself.
pub fn slot_values(circuit: &Circuit, seed: u64) -> Result<Vec<f64>> {
    let fabrication = Fabrication::new(circuit, seed);
    fabrication.check()?;
    let places = Places::new(circuit);
    let slots = Slots::new(circuit, &fabrication, &places, seed)?;
    let spots = spots(circuit)?;
    let set_points = SetPoints::new(circuit, &spots, &places, seed)?;
    let start = initial::Start { places: &places, slots: &slots, set_points: &set_points };
    let parameters = crate::descriptor::parameters(circuit, &set_points, &spots)?;
    let initial = initial::values(circuit, &start, &parameters, &fabrication, &spots, seed)?;
    let physical = set_points.physical(&set_points.effect(&initial), 0.0);
    let mut values = Vec::new();
    slots.fill(&physical, &Moved::default(), &mut values);
    Ok(values)
}
