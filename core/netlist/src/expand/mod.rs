//! A circuit written out as a flat netlist of SAX: instances of stock models, joined ports, outer ports.
//!
//! `m0.dc<0.1>` becomes `m0__dc_0_1`: an index is joined by `_`, a name inside by `__`. Ports have the names of SAX's
//! models (in0, out0, ..). What is wrong with a device, and how it is driven and read, has no place there.

mod generators;
mod names;
mod primitives;
#[cfg(test)]
mod tests;
mod write;

use crate::circuit::{Circuit, Imported, Instance, Kind, Port};
use blackbeam_components::{Component, Unit, find};
use names::{Names, identifier};
use std::collections::HashMap;
use std::f64::consts::PI;

/// Most instances of a netlist: as many as Blackbeam reads.
pub const MAX_EXPANDED: usize = 1 << 18;
/// Stands for an infinite loss, dB: the amplitude is zero in double precision.
const DARK_DB: f64 = 1e4;

/// A flat netlist.
#[derive(Clone, Debug, PartialEq)]
pub struct Expanded {
    /// Name of the device.
    pub name: String,
    /// The instances, in the order of the circuit.
    pub instances: Vec<ExpandedInstance>,
    /// Joined ports, `instance,port` each.
    pub connections: Vec<[String; 2]>,
    /// Outer ports: name, `instance,port`.
    pub ports: Vec<(String, String)>,
    /// What a reader of the netlist has to know, a line each: components that need a model, what is different.
    pub notes: Vec<String>,
}

/// An instance of a flat netlist.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpandedInstance {
    /// Its name, a Python identifier.
    pub name: String,
    /// Its component.
    pub component: String,
    /// All its settings.
    pub settings: Vec<(&'static str, f64)>,
}

/// Writes a circuit out. `values` are those of all its slots, in order.
///
/// Components that SAX does not have are put together from its models where they can be (`phase` is `phase_shifter` of
/// effective index 0, a ring is a coupler and a waveguide); the others keep their names and are named in the notes.
/// Meshes become couplers and phase shifters. The rings of a weight bank stand each on a bus of its own, or those of a row on
/// one bus, and drop to a port each: no circuit adds powers.
///
/// # Errors
/// A message for people, if the circuit has light in free space, a weight bank joined to something, no outer port, more
/// than [`MAX_EXPANDED`] instances, or a value that is not finite; or if there are not as many values as slots.
pub fn expand(circuit: &Circuit, values: &[f64]) -> Result<Expanded, String> {
    if values.len() != circuit.slots.len() {
        return Err(format!("{} values for {} slots", values.len(), circuit.slots.len()));
    }
    let mut writer = Writer { wavelengths_um: circuit.environment.wavelengths_um.clone(), ..Writer::default() };
    let mut ends = Vec::with_capacity(circuit.instances.len());
    for instance in &circuit.instances {
        ends.push(writer.instance(instance, &values[instance.slots.clone()])?);
    }
    let end = |port: &Port| ends[port.instance].get(port.port);
    for link in &circuit.links {
        let [Some(a), Some(b)] = link.each_ref().map(end) else { return Err(joined_bank(circuit, link)) };
        writer.connections.push([a.clone(), b.clone()]);
    }
    let mut names = Names::default();
    let outer = circuit.ports.iter().filter_map(|outer| Some((identifier(&outer.name), end(&outer.port)?.clone())));
    let all: Vec<(String, String)> = outer.chain(std::mem::take(&mut writer.bank_ports)).collect();
    let ports: Vec<(String, String)> = all.into_iter().map(|(name, end)| (names.unique(name), end)).collect();
    if ports.is_empty() {
        return Err(String::from(
            "the circuit has no outer port, so SAX has nothing to simulate: name some under `ports`",
        ));
    }
    Ok(Expanded {
        name: circuit.name.clone(),
        notes: writer.notes(circuit),
        instances: writer.instances,
        connections: writer.connections,
        ports,
    })
}

/// Only the ports of a weight bank have no end.
fn joined_bank(circuit: &Circuit, link: &[Port; 2]) -> String {
    let [a, b] = link.each_ref().map(|port| &circuit.instances[port.instance].path);
    format!(
        "`{a}` is joined to `{b}`: a weight bank multiplies and adds powers, a SAX netlist joins fields; a bank \
         can only be written out by itself"
    )
}

/// A netlist that grows.
#[derive(Default)]
struct Writer {
    instances: Vec<ExpandedInstance>,
    connections: Vec<[String; 2]>,
    names: Names,
    wavelengths_um: Vec<f64>,
    /// Outer ports of weight banks.
    bank_ports: Vec<(String, String)>,
    /// Components of the catalogue without a counterpart.
    without_model: Vec<&'static str>,
    /// MMIs are there, whose spectra SAX scales.
    scaled: bool,
    /// Component of each import, and the names of its ports.
    imports: HashMap<String, (String, Vec<String>)>,
    component_names: Names,
    remarks: Vec<String>,
}

/// An instance of the netlist, by which its ports are named.
struct Made {
    name: String,
    component: &'static Component,
    inputs: usize,
    outputs: usize,
}

impl Made {
    /// `instance,port` of a port by its index.
    fn end(&self, port: usize) -> String {
        let canonical = self.component.port_names(self.inputs, self.outputs).swap_remove(port);
        let port = match self.component.name {
            // these have one set of names in SAX, whatever its naming strategy
            "circulator" | "isolator" | "terminator" => self.component.clockwise_name(port, self.inputs, self.outputs),
            "ideal_probe" => {
                let own = self.component.port_aliases.iter().find(|(_, name)| *name == canonical);
                own.map_or(canonical, |(alias, _)| String::from(*alias))
            }
            _ => canonical,
        };
        format!("{},{port}", self.name)
    }

    fn input(&self, k: usize) -> String {
        self.end(k)
    }

    fn output(&self, k: usize) -> String {
        self.end(self.inputs + k)
    }
}

impl Writer {
    /// Writes an instance; gives the end that each of its ports became. A weight bank has none.
    fn instance(&mut self, instance: &Instance, values: &[f64]) -> Result<Vec<String>, String> {
        let path = &instance.path;
        match &instance.kind {
            Kind::Primitive(name) => {
                let component = find(name).ok_or_else(|| format!("`{path}`: there is no component `{name}`"))?;
                self.primitive(path, component, values)
            }
            Kind::Imported(imported) => Ok(self.imported(path, imported)),
            Kind::Weights(_) => Err(format!("`{path}` holds the weights of a layer: a network is no netlist")),
            Kind::Mesh(mesh) => self.mesh(path, mesh, values),
            Kind::MrrBank(bank) => match &bank.shared {
                None => self.bank(path, bank, values).map(|()| Vec::new()),
                Some(shared) => self.shared_bank(path, bank, shared, values).map(|()| Vec::new()),
            },
            Kind::SlmMatvec(_) | Kind::FreeSpace(_) => Err(format!(
                "`{path}` is light in free space, which has no SAX netlist: SAX joins the modes of waveguides"
            )),
        }
    }

    /// Adds a component of the catalogue.
    fn add(
        &mut self,
        path: &str,
        component: &'static Component,
        settings: Vec<(&'static str, f64)>,
        size: (usize, usize),
    ) -> Result<Made, String> {
        self.room(1)?;
        let unit = |name: &str| component.setting(name).map(|k| component.settings[k].unit);
        let mut written = Vec::with_capacity(settings.len());
        for (name, value) in settings {
            let is_loss = matches!(unit(name), Some(Unit::Db | Unit::DbPerUm));
            let value = if is_loss { value.min(DARK_DB) } else { value };
            if !value.is_finite() {
                return Err(format!("`{path}`: `{name}` is {value}, which is not a finite number"));
            }
            written.push((name, value));
        }
        let name = self.names.unique(identifier(path));
        self.instances.push(ExpandedInstance {
            name: name.clone(),
            component: component.name.into(),
            settings: written,
        });
        Ok(Made { name, component, inputs: size.0, outputs: size.1 })
    }

    /// Adds a stock model of fixed size, by its name.
    fn stock(&mut self, path: &str, name: &str, settings: &[(&'static str, f64)]) -> Result<Made, String> {
        let component = find(name).ok_or_else(|| format!("there is no component `{name}`"))?;
        let size = component.size(&component.defaults())?;
        self.add(path, component, settings.to_vec(), size)
    }

    /// A phase without length: SAX's phase shifter of effective index 0 turns by pi a volt; its loss is that of 1 um.
    fn shifter(&mut self, path: &str, phi: f64, loss_db: f64) -> Result<Made, String> {
        let settings = [("neff", 0.0), ("voltage", phi / PI), ("length", 1.0), ("loss", loss_db)];
        self.stock(path, "phase_shifter", &settings)
    }

    fn join(&mut self, a: String, b: String) {
        self.connections.push([a, b]);
    }

    /// An error if there is no room for so many more instances.
    fn room(&self, more: usize) -> Result<(), String> {
        match self.instances.len().saturating_add(more) {
            n if n > MAX_EXPANDED => {
                Err(format!("written out, the circuit has {n} instances or more; at most {MAX_EXPANDED} are written"))
            }
            _ => Ok(()),
        }
    }

    /// Imported S-parameters keep their name; theirs are the ports of the model that the user gives.
    fn imported(&mut self, path: &str, imported: &Imported) -> Vec<String> {
        let (component, ports) = self.imports.entry(imported.name.clone()).or_insert_with(|| {
            let mut wanted = identifier(&imported.name);
            if find(&wanted).is_some() {
                wanted.push_str("_import");
            }
            let component = self.component_names.unique(wanted);
            let mut names = Names::default();
            let ports: Vec<String> = imported.data.ports().iter().map(|p| names.unique(identifier(p))).collect();
            let listed = ports.join(", ");
            self.remarks.push(format!(
                "`{component}` needs a model: the imported S-parameters `{}`, ports {listed}.",
                imported.name
            ));
            (component, ports)
        });
        let name = self.names.unique(identifier(path));
        let ends = ports.iter().map(|port| format!("{name},{port}")).collect();
        self.instances.push(ExpandedInstance { name, component: component.clone(), settings: Vec::new() });
        ends
    }

    fn notes(&mut self, circuit: &Circuit) -> Vec<String> {
        let mut notes = vec![
            format!(
                "The nominal circuit of `{}`, written by Blackbeam for sax.circuit, sax.models, port names `inout`.",
                circuit.name
            ),
            String::from(
                "Not in it: non-idealities, drift, events, actuators, encoding, read-out, wavelength (`wl`, um).",
            ),
        ];
        if !self.without_model.is_empty() {
            let listed = self.without_model.join(", ");
            notes.push(format!(
                "SAX has no model for: {listed}. `blackbeam explain --component NAME` gives their equations."
            ));
        }
        if self.scaled {
            notes.push(String::from(
                "SAX divides mmi1x2 and mmi2x2 by their largest value over the sweep; Blackbeam does not.",
            ));
        }
        notes.append(&mut self.remarks);
        notes
    }
}
