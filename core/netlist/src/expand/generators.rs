//! Generators as circuits of couplers and phase shifters.

use super::Writer;
use super::primitives::waveguide;
use crate::circuit::{Mesh, MrrBank, RingWeight, SharedBus};
use blackbeam_meshes::{Primitive, Scheme, Side, expand_mesh};

impl Writer {
    /// Writes a mesh; `values` are theta of all cells, phi of all cells, gamma.
    pub(super) fn mesh(&mut self, path: &str, mesh: &Mesh, values: &[f64]) -> Result<Vec<String>, String> {
        let cells = mesh.cell_count();
        self.room(cells.saturating_mul(mesh.cell.couplers() + 3))?;
        if values.len() < 2 * cells {
            return Err(format!("`{path}`: {} values for the phases of {cells} cells", values.len()));
        }
        let of_mesh = |error: blackbeam_meshes::Error| format!("`{path}`: {error}");
        let scheme = Scheme::new(mesh.cell, mesh.convention).map_err(of_mesh)?;
        let (theta, rest) = values.split_at(cells);
        let (phi, gamma) = rest.split_at(cells);
        let network = expand_mesh(mesh.n, &mesh.sites(), &scheme, theta, phi, gamma, &[]).map_err(of_mesh)?;
        let mut made = Vec::with_capacity(network.elements.len());
        for element in &network.elements {
            let path = format!("{path}.{}", element.name);
            made.push(match element.primitive {
                Primitive::Coupler => self.coupler(&path, element.value)?,
                Primitive::Phase => self.shifter(&path, element.value, element.loss_db)?,
            });
        }
        let end = |port: &blackbeam_meshes::Port| match port.side {
            Side::In => made[port.element].input(port.index),
            Side::Out => made[port.element].output(port.index),
        };
        for [a, b] in &network.links {
            self.join(end(a), end(b));
        }
        Ok(network.inputs.iter().chain(&network.outputs).map(end).collect())
    }

    /// Writes a weight bank as rings, each on a bus of its own: what the bank computes are their powers. `values`
    /// are the phases of the rings, row-major.
    pub(super) fn bank(&mut self, path: &str, bank: &MrrBank, values: &[f64]) -> Result<(), String> {
        self.room(bank.rows.saturating_mul(bank.columns).saturating_mul(2))?;
        for (k, phi) in values.iter().enumerate() {
            let ring = format!("{path}.r<{}.{}>", k / bank.columns, k % bank.columns);
            let bus = self.coupler(&format!("{ring}.c0"), coupling(bank.r))?;
            let loss = -20.0 * bank.a.log10() + 0.0;
            let mut ends = vec![("in", bus.input(0)), ("thru", bus.output(0))];
            if bank.weight == RingWeight::AddDrop {
                let drop = self.coupler(&format!("{ring}.c1"), coupling(bank.r2))?;
                let halves = [(bus.output(1), drop.input(0)), (drop.output(0), bus.input(1))];
                for (k, (from, to)) in halves.into_iter().enumerate() {
                    let half = self.shifter(&format!("{ring}.phi{k}"), phi / 2.0, loss / 2.0)?;
                    self.join(from, half.input(0));
                    self.join(half.output(0), to);
                }
                ends.extend([("add", drop.input(1)), ("drop", drop.output(1))]);
            } else {
                let lap = self.shifter(&format!("{ring}.phi"), *phi, loss)?;
                self.join(bus.output(1), lap.input(0));
                self.join(lap.output(0), bus.input(1));
            }
            let named = ends.into_iter().map(|(name, end)| (super::identifier(&format!("{ring}.{name}")), end));
            self.bank_ports.extend(named);
        }
        let weight = match bank.weight {
            RingWeight::AllPassPower => "w = 2 T - 1",
            RingWeight::AllPassAmplitude => "w = 2 sqrt(T) - 1",
            RingWeight::AddDrop => "w = T - D",
        };
        let scale = if bank.scale == 1.0 { String::new() } else { format!(", times {}", bank.scale) };
        let drop = if bank.weight == RingWeight::AddDrop { ", D = |S(in -> drop)|^2" } else { "" };
        self.remarks.push(format!(
            "`{path}` is a weight bank, whose detectors add powers: no netlist does. Each ring stands on a bus of \
             its own; the weight is {weight}{scale}, T = |S(in -> thru)|^2{drop}."
        ));
        Ok(())
    }

    /// Writes a weight bank whose rows are buses: the rings of a row in series, each with a drop port of its own, what the
    /// detectors add. The waveguide of ring j has effective index 0 at the wavelength of channel j: it is counted from
    /// resonance.
    pub(super) fn shared_bank(
        &mut self,
        path: &str,
        bank: &MrrBank,
        shared: &SharedBus,
        values: &[f64],
    ) -> Result<(), String> {
        self.room(bank.rows.saturating_mul(bank.columns).saturating_mul(6))?;
        let channels = self.wavelengths_um.clone();
        if channels.len() != bank.columns || values.len() != bank.rows * bank.columns {
            return Err(format!("`{path}`: {} channels for {} rings on a bus", channels.len(), bank.columns));
        }
        let loss = -20.0 * bank.a.log10() + 0.0;
        let half = shared.length_um / 2.0;
        for (row, phases) in values.chunks(bank.columns).enumerate() {
            let mut ends = Vec::new();
            let mut before: Option<String> = None;
            for (column, (phi, wl_um)) in phases.iter().zip(&channels).enumerate() {
                let ring = format!("{path}.r<{row}.{column}>");
                let bus = self.coupler(&format!("{ring}.c0"), coupling(bank.r))?;
                let drop = self.coupler(&format!("{ring}.c1"), coupling(bank.r2))?;
                let guide = waveguide([*wl_um, 0.0, shared.ng, half, 0.0]);
                let ways = [(bus.output(1), drop.input(0)), (drop.output(0), bus.input(1))];
                for (which, (from, to)) in ["0", "1"].into_iter().zip(ways) {
                    self.lap(&ring, which, &guide, phi / 2.0, loss / 2.0, from, to)?;
                }
                match before.replace(bus.output(0)) {
                    None => ends.push((format!("{path}.in<{row}>"), bus.input(0))),
                    Some(end) => self.join(end, bus.input(0)),
                }
                ends.extend([(format!("{ring}.add"), drop.input(1)), (format!("{ring}.drop"), drop.output(1))]);
            }
            ends.extend(before.map(|end| (format!("{path}.thru<{row}>"), end)));
            self.bank_ports.extend(ends.into_iter().map(|(name, end)| (super::identifier(&name), end)));
        }
        let scale = if bank.scale == 1.0 { String::new() } else { format!(", times {}", bank.scale) };
        self.remarks.push(format!(
            "`{path}` is a weight bank, whose detectors add powers: no netlist does. The rings of a row share a bus; the weight of \
             channel k is w = |S(in -> thru)|^2 - sum over rings of |S(in -> drop)|^2{scale}, at the wavelength of the channel."
        ));
        Ok(())
    }
}

/// Part of the power that crosses over in a coupler of self-coupling r.
fn coupling(r: f64) -> f64 {
    (1.0 - r) * (1.0 + r)
}
