//! A circuit that is one generator: its own fast loop, and the ports that are used.

use super::{Choice, Field, Generator, Linear, MeshProgram, generator};
use crate::fabrication::Fabrication;
use blackbeam_netlist::circuit::{Circuit, Kind};
use blackbeam_plugin::{PluginError, Result};
use std::ops::Range;

/// One generator.
pub(crate) struct Single {
    generator: Box<dyn Generator>,
    slots: Range<usize>,
    /// Outputs that are read, inputs that are lit, where those are not all in order.
    chosen: Option<(Vec<usize>, Vec<usize>)>,
}

impl Single {
    /// None for a circuit that is something else, or of which light enters by outputs or is read at inputs.
    ///
    /// # Errors
    /// `SETTINGS` for a generator that cannot be driven or read as the circuit says.
    pub fn new(circuit: &Circuit, fabrication: &Fabrication<'_>) -> Result<Option<(Self, Choice)>> {
        let [instance] = circuit.instances.as_slice() else { return Ok(None) };
        let Some(generator) = generator(circuit, 0, fabrication)? else { return Ok(None) };
        let (outputs, inputs) = generator.shape();
        let port = |&p: &usize| circuit.ports.get(p).map(|o| o.port.port);
        let encoding = circuit.encoding.as_ref();
        let sent: Option<Vec<usize>> = encoding.map_or(&[][..], |e| &e.ports).iter().map(port).collect();
        let read: Option<Vec<usize>> = read_ports(circuit).iter().map(port).collect();
        let (Some(sent), Some(read)) = (sent, read) else {
            return Err(PluginError::settings("the encoding or the readout names a port that is not there"));
        };
        let photocurrents = matches!(instance.kind, Kind::MrrBank(_));
        let backwards = sent.iter().any(|&p| p >= inputs) || read.iter().any(|&p| p < inputs);
        let channels = encoding.is_some_and(|e| e.per_channel);
        if photocurrents && (backwards || channels || !circuit.links.is_empty()) {
            let message =
                "a weight bank takes one input a column and gives one output a row: it has no other direction";
            return Err(PluginError::settings(message));
        }
        if backwards || channels || !circuit.links.is_empty() || circuit.environment.channels && !photocurrents {
            return Ok(None);
        }
        let reason = encoding.and_then(|e| generator.refuses(e.mode, circuit.readout.mode));
        if let (Some(reason), true) = (reason, circuit.readout.pairs.is_empty()) {
            return Err(PluginError::settings(reason));
        }
        let read: Vec<usize> = read.iter().map(|p| p - inputs).collect();
        let whole = read.iter().copied().eq(0..outputs) && sent.iter().copied().eq(0..inputs);
        let choice = Choice {
            name: match instance.kind {
                Kind::Mesh(_) => "mesh",
                Kind::MrrBank(_) => "weight bank",
                _ => "matrix of pixels",
            },
            why: "the circuit is one generator".into(),
            parts: generator.parts(),
            flops: (generator.operations(), 8.0 * (read.len() * sent.len()) as f64),
        };
        let chosen = (!whole).then_some((read, sent));
        Ok(Some((Single { generator, slots: instance.slots.clone(), chosen }, choice)))
    }
}

/// The outer ports that are read: those of `ports`, or those of `pairs`, plus ones first.
pub(crate) fn read_ports(circuit: &Circuit) -> Vec<usize> {
    if circuit.readout.pairs.is_empty() {
        return circuit.readout.ports.clone();
    }
    let pairs = &circuit.readout.pairs;
    pairs.iter().map(|p| p[0]).chain(pairs.iter().map(|p| p[1])).collect()
}

impl Linear for Single {
    fn shape(&self) -> (usize, usize) {
        self.chosen.as_ref().map_or(self.generator.shape(), |(rows, columns)| (rows.len(), columns.len()))
    }

    fn complex(&self) -> bool {
        self.generator.complex()
    }

    fn incoherent(&self) -> bool {
        self.generator.incoherent()
    }

    fn photocurrents(&self) -> bool {
        !self.generator.complex()
    }

    fn structure(&self) -> u64 {
        self.generator.structure()
    }

    fn fill(&self, slots: &[f64], shift_um: f64, matrix: &mut Field) -> Result<()> {
        let slots = &slots[self.slots.clone()];
        let Some((rows, columns)) = &self.chosen else {
            self.generator.fill_shifted(slots, shift_um, matrix);
            return Ok(());
        };
        let (outputs, inputs) = self.generator.shape();
        let mut whole = Field::sized(outputs * inputs, self.complex());
        self.generator.fill_shifted(slots, shift_um, &mut whole);
        let places = rows.iter().flat_map(|r| columns.iter().map(move |c| r * inputs + c));
        for (k, from) in places.enumerate() {
            matrix.re[k] = whole.re[from];
            if self.complex() {
                matrix.im[k] = whole.im[from];
            }
        }
        Ok(())
    }

    fn pull(&self, slots: &[f64], shift_um: f64, gradient: &Field, dslots: &mut [f64]) -> Result<()> {
        let (slots, dslots) = (&slots[self.slots.clone()], &mut dslots[self.slots.clone()]);
        let Some((rows, columns)) = &self.chosen else {
            self.generator.pull_shifted(slots, shift_um, gradient, dslots);
            return Ok(());
        };
        let (outputs, inputs) = self.generator.shape();
        let mut whole = Field::sized(outputs * inputs, self.complex());
        let places = rows.iter().flat_map(|r| columns.iter().map(move |c| r * inputs + c));
        for (k, to) in places.enumerate() {
            whole.re[to] += gradient.re[k];
            if self.complex() {
                whole.im[to] += gradient.im[k];
            }
        }
        self.generator.pull_shifted(slots, shift_um, &whole, dslots);
        Ok(())
    }

    fn mesh(&self) -> Option<(&MeshProgram, Range<usize>)> {
        let mesh = self.generator.mesh().filter(|_| self.chosen.is_none())?;
        Some((mesh, self.slots.clone()))
    }
}
