//! S-parameters of a circuit over its wavelengths.

use crate::{
    chain::setpoint::SetPoints,
    fabrication::Fabrication,
    initial,
    keys::Places,
    program::{Network, Wave, spots},
    slots::{Moved, Slots},
};
use blackbeam_netlist::circuit::{Circuit, Kind, Port};
use blackbeam_plugin::{PluginError, Result};
use num_complex::Complex64;

/// A circuit compiled for its S-parameters: between all outer ports, and from them to probes, at all its wavelengths.
pub struct Optics {
    network: Network,
    slots: Slots,
    set_points: SetPoints,
    initial: Vec<f64>,
    inputs: Vec<String>,
    outputs: Vec<String>,
    wavelengths_um: Vec<f64>,
}

/// S-parameters over wavelengths.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    /// um.
    pub wavelengths_um: Vec<f64>,
    /// Names of the outer ports: where light enters.
    pub inputs: Vec<String>,
    /// Names of the outer ports in the same order, then those of probes (`name_fwd`: the wave that leaves the instance by the
    /// port named, `name_bwd`: the one that enters it).
    pub outputs: Vec<String>,
    /// `s[(wavelength * outputs + output) * inputs + input]`: amplitude out of `output` for a unit amplitude into `input`.
    pub s: Vec<Complex64>,
}

impl Spectrum {
    /// S(input -> output) at a wavelength, all by index.
    pub fn get(&self, wavelength: usize, input: usize, output: usize) -> Complex64 {
        self.s[(wavelength * self.outputs.len() + output) * self.inputs.len() + input]
    }
}

impl Optics {
    /// Compiles a circuit as device `seed` of its kind, without converters and drift: parameters have their initial values,
    /// through the gains, offsets and crosstalk of their actuators. An `encoding` is not needed.
    ///
    /// # Errors
    /// `SETTINGS` for a circuit that contradicts itself or that has no S-parameters (free space, weight banks).
    pub fn new(circuit: &Circuit, seed: u64) -> Result<Self> {
        if circuit.instances.iter().any(|i| matches!(i.kind, Kind::FreeSpace(_) | Kind::MrrBank(_))) {
            return Err(PluginError::settings(
                "free space and weight banks have no S-parameters: a plane has as many ports as pixels, a bank gives \
                 differences of photocurrents",
            ));
        }
        let fabrication = Fabrication::new(circuit, seed);
        fabrication.check()?;
        let places = Places::new(circuit);
        let slots = Slots::new(circuit, &fabrication, &places, seed)?;
        let ports: Vec<Port> = circuit.ports.iter().map(|p| p.port).collect();
        let mut rows: Vec<Wave> = ports.iter().copied().map(Wave::Leaving).collect();
        let inputs: Vec<String> = circuit.ports.iter().map(|p| p.name.clone()).collect();
        let mut outputs = inputs.clone();
        for probe in &circuit.probes {
            rows.push(Wave::Leaving(probe.port));
            outputs.push(format!("{}_fwd", probe.name));
            if circuit.links.iter().flatten().any(|p| *p == probe.port) {
                rows.push(Wave::Entering(probe.port));
                outputs.push(format!("{}_bwd", probe.name));
            }
        }
        let network = Network::between(circuit, &fabrication, &slots, &ports, &rows)?;
        let spots = spots(circuit)?;
        let set_points = SetPoints::new(circuit, &spots, &places, seed)?;
        let start = initial::Start { places: &places, slots: &slots, set_points: &set_points };
        let parameters = crate::descriptor::parameters(circuit, &set_points, &spots)?;
        let initial = initial::values(circuit, &start, &parameters, &fabrication, &spots, seed)?;
        let wavelengths_um = circuit.environment.wavelengths_um.clone();
        Ok(Optics { network, slots, set_points, initial, inputs, outputs, wavelengths_um })
    }

    /// The S-parameters at the initial values of the parameters.
    ///
    /// # Errors
    /// `NONFINITE` where light has no steady state.
    pub fn spectrum(&self) -> Result<Spectrum> {
        self.spectrum_at(&self.initial)
    }

    /// The same at other values of all parameters (block by block, trainable or not).
    ///
    /// # Errors
    /// As [`spectrum`](Optics::spectrum); `SHAPE` for a wrong number of values.
    pub fn spectrum_at(&self, parameters: &[f64]) -> Result<Spectrum> {
        let mut s = Vec::new();
        self.solve_at(parameters, &mut s)?;
        Ok(Spectrum {
            wavelengths_um: self.wavelengths_um.clone(),
            inputs: self.inputs.clone(),
            outputs: self.outputs.clone(),
            s,
        })
    }

    /// [`Spectrum::s`] alone, at values of all parameters. `s` gets its length and may be used again.
    ///
    /// # Errors
    /// As [`spectrum_at`](Optics::spectrum_at).
    pub fn solve_at(&self, parameters: &[f64], s: &mut Vec<Complex64>) -> Result<()> {
        if parameters.len() != self.initial.len() {
            let message = format!("{} values, the circuit has {} parameters", parameters.len(), self.initial.len());
            return Err(PluginError::new(blackbeam_plugin::Code::SHAPE, message));
        }
        let physical = self.set_points.physical(&self.set_points.effect(parameters), 0.0);
        let mut values = Vec::new();
        self.slots.fill(&physical, &Moved::default(), &mut values);
        self.network.solve(&values, 0.0, s)
    }

    /// The initial values of all parameters, block by block.
    pub fn initial(&self) -> &[f64] {
        &self.initial
    }
}
