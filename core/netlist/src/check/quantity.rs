//! What a quantity means at a place.

use super::readout::Outputs;
use crate::circuit::{Cell, Element, FreeSpace, Kind, Mesh, MrrBank, ParameterKind, Port, Quantity};
use crate::scene::{Class, Parts, Scene, Selection, SlotKind};
use blackbeam_schematic::{Leaf, Owner};
use std::collections::HashSet;

/// Quantities that are not settings, as a file names them.
pub(super) const NAMES: [&str; 12] = [
    "split_angle",
    "loss_dB",
    "phase",
    "reflection_dB",
    "backscatter",
    "a",
    "r",
    "zero_order",
    "misalign_um",
    "gain",
    "wavefront",
    "temperature_K",
];

const NO_BACKSCATTER: &str = "rings on a shared bus have no backscatter: what is sent back would meet the other rings; \
                              write the row as a circuit of `ring_adddrop`";

/// Where a rule acts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hit {
    pub(super) quantity: Quantity,
    pub(super) elements: Vec<Element>,
    pub(super) slots: Vec<usize>,
    /// The value in the file is multiplied by it.
    pub(super) factor: f64,
}

impl Hit {
    fn elements(quantity: Quantity, instance: usize, indices: impl IntoIterator<Item = usize>) -> Self {
        let elements = indices.into_iter().map(|index| Element { instance, index }).collect();
        Hit { quantity, elements, slots: Vec::new(), factor: 1.0 }
    }

    fn slots(quantity: Quantity, slots: Vec<usize>) -> Self {
        Hit { quantity, elements: Vec::new(), slots, factor: 1.0 }
    }
}

/// Where a quantity acts, or why it cannot, if there is more to say than that it is none of the place's.
pub(super) type Resolved = Result<Hit, Option<String>>;

/// The circuit with its inputs and outputs.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    pub(super) scene: &'a Scene<'a>,
    pub(super) outputs: &'a Outputs,
    /// Outer ports of x.
    pub(super) inputs: &'a [usize],
}

impl Places<'_> {
    /// Where `name` acts among what a path names: every place that has the quantity. If none has it: why.
    pub(super) fn resolve(&self, name: &str, selection: &Selection) -> Result<Vec<Hit>, Option<String>> {
        // what one instance of a component says of a setting that it does not have, all others would say as well
        let mut without: HashSet<&str> = HashSet::new();
        let is_setting = !NAMES.contains(&name);
        let owners = selection.owners.iter().filter_map(move |owner| {
            let Owner { component, leaf, .. } = &self.scene.flat.owners[*owner];
            if leaf.is_some() && without.contains(&**component) {
                return None;
            }
            if is_setting && leaf.is_some() && self.scene.slot_named(*owner, name).is_none() {
                without.insert(component);
            }
            Some(self.of_owner(name, *owner))
        });
        let slots = selection.slots.iter().map(|slot| self.of_slot(name, *slot));
        let parts = selection.parts.iter().map(|parts| self.of_parts(name, parts));
        let ports = selection.ports.iter().map(|port| self.of_port(name, *port));
        let pairs = selection.pairs.iter().map(|pair| match name {
            "gain" => Ok(Hit::elements(Quantity::OutputGain, 0, [*pair])),
            _ => Err(Some("a pair of the read-out has only a `gain`".into())),
        });
        let mut hits: Vec<Hit> = Vec::new();
        let mut reason = None;
        for resolved in owners.chain(slots).chain(parts).chain(ports).chain(pairs) {
            match resolved {
                Err(why) => reason = reason.or(why),
                Ok(hit) => match hits.iter_mut().find(|h| h.quantity == hit.quantity && h.factor == hit.factor) {
                    Some(all) => {
                        all.elements.extend(hit.elements);
                        all.slots.extend(hit.slots);
                    }
                    None => hits.push(hit),
                },
            }
        }
        if hits.is_empty() { Err(reason) } else { Ok(hits) }
    }

    fn of_owner(&self, name: &str, owner: usize) -> Resolved {
        if let Some(slot) = self.scene.slot_named(owner, name) {
            if let Some(_frozen) = self.scene.flat.slots[slot].frozen {
                let path = self.scene.slot_path(slot);
                return Err(Some(format!("`{path}` shapes the circuit: it cannot change")));
            }
            return Ok(Hit::slots(Quantity::Slot, vec![slot]));
        }
        match self.scene.flat.owners[owner].leaf {
            None => self.of_circuit(name, owner),
            Some(leaf) => self.of_leaf(name, owner, leaf),
        }
    }

    /// A sub-circuit: its phase is that of the one `phase` component in it.
    fn of_circuit(&self, name: &str, owner: usize) -> Resolved {
        let path = &self.scene.flat.owners[owner];
        if !matches!(name, "phase" | "backscatter") {
            if NAMES.contains(&name) {
                return Err(Some(format!("`{path}` is a circuit: name the components in it, such as `{path}.*`")));
            }
            return Err(Some(self.unknown_setting(name, owner)));
        }
        let leaves = self.scene.phase_leaves(owner);
        match leaves.as_slice() {
            [leaf] if name == "phase" => self.of_owner("phase", *leaf),
            [leaf] => self.of_owner("backscatter", *leaf),
            [] => Err(Some(format!(
                "`{path}` is a circuit without a `phase` component: name the component that is meant"
            ))),
            several => {
                let names: Vec<String> =
                    several.iter().take(4).map(|k| format!("`{}`", self.scene.flat.owners[*k])).collect();
                Err(Some(format!("`{path}` has several `phase` components: name one of {}", names.join(", "))))
            }
        }
    }

    fn of_leaf(&self, name: &str, owner: usize, leaf: usize) -> Resolved {
        let element = |quantity| Ok(Hit::elements(quantity, leaf, [0]));
        let kind = &self.scene.kinds[leaf];
        match (name, kind) {
            ("phase", Kind::Primitive(_)) => match self.scene.phase_slots(owner).as_slice() {
                [slot] => Ok(Hit::slots(Quantity::Offset, vec![*slot])),
                _ => element(Quantity::ExtraPhase),
            },
            ("phase", Kind::Imported(_)) => element(Quantity::ExtraPhase),
            ("loss_dB", Kind::Primitive(_) | Kind::Imported(_)) => element(Quantity::ExtraLoss),
            ("reflection_dB", Kind::Primitive(_) | Kind::Imported(_)) => element(Quantity::Reflection),
            ("backscatter", Kind::Primitive(_)) => element(Quantity::Backscatter),
            ("split_angle", Kind::Primitive("coupler_ideal")) => element(Quantity::SplitAngle),
            ("split_angle", Kind::Mesh(mesh)) => {
                Ok(Hit::elements(Quantity::SplitAngle, leaf, 0..mesh.cell_count() * mesh.cell.couplers()))
            }
            ("a", Kind::MrrBank(bank)) => Ok(Hit::elements(Quantity::RingA, leaf, 0..bank.rows * bank.columns)),
            ("r", Kind::MrrBank(bank)) => Ok(Hit::elements(Quantity::RingR, leaf, 0..bank.rows * bank.columns)),
            ("backscatter", Kind::MrrBank(MrrBank { shared: Some(_), .. })) => Err(Some(NO_BACKSCATTER.into())),
            ("backscatter", Kind::MrrBank(bank)) => {
                Ok(Hit::elements(Quantity::RingBackscatter, leaf, 0..bank.rows * bank.columns))
            }
            ("zero_order", Kind::SlmMatvec(_) | Kind::FreeSpace(FreeSpace::Slm { .. })) => element(Quantity::ZeroOrder),
            ("misalign_um", Kind::FreeSpace(FreeSpace::Lens2f { .. } | FreeSpace::Camera { .. })) => {
                Ok(Hit::elements(Quantity::Misalign, leaf, [0, 1]))
            }
            ("gain", Kind::FreeSpace(FreeSpace::Camera { .. })) => self.gain_of(Port { instance: leaf, port: 1 }),
            _ if matches!(kind, Kind::Primitive(_)) && !NAMES.contains(&name) => {
                Err(Some(self.unknown_setting(name, owner)))
            }
            _ => Err(None),
        }
    }

    fn of_slot(&self, name: &str, slot: usize) -> Resolved {
        let own = &*self.scene.flat.slots[slot].name;
        if self.scene.flat.slots[slot].frozen.is_some() {
            return Err(Some(format!("`{}` shapes the circuit: it cannot change", self.scene.slot_path(slot))));
        }
        match self.scene.slot_kind(slot) {
            SlotKind::Other | SlotKind::Phase if name == own => Ok(Hit::slots(Quantity::Slot, vec![slot])),
            SlotKind::Other | SlotKind::Generator(ParameterKind::PixelAmplitude | ParameterKind::Weight)
                if name == "phase" =>
            {
                Err(Some(format!("`{}` is no phase", self.scene.slot_path(slot))))
            }
            _ if name == "phase" => Ok(Hit::slots(Quantity::Offset, vec![slot])),
            _ => Err(None),
        }
    }

    fn of_parts(&self, name: &str, parts: &Parts) -> Resolved {
        let Parts { leaf, class, elements } = parts;
        let hit = |quantity| Ok(Hit::elements(quantity, *leaf, elements.iter().copied()));
        let each = |quantity, f: &dyn Fn(usize) -> usize| {
            Ok(Hit::elements(quantity, *leaf, elements.iter().map(|element| f(*element))))
        };
        match (name, class, &self.scene.kinds[*leaf]) {
            ("split_angle", Class::Coupler(k), Kind::Mesh(mesh)) => {
                let (couplers, k) = (mesh.cell.couplers(), usize::from(*k));
                each(Quantity::SplitAngle, &|cell| cell * couplers + k)
            }
            ("split_angle", Class::Cell, Kind::Mesh(mesh)) => {
                let couplers = mesh.cell.couplers();
                let all = elements.iter().flat_map(|cell| (0..couplers).map(move |k| cell * couplers + k));
                Ok(Hit::elements(Quantity::SplitAngle, *leaf, all))
            }
            ("loss_dB", Class::Cell, _) => hit(Quantity::CellLoss),
            ("loss_dB", Class::Arm(arm), _) => each(Quantity::ArmLoss, &|cell| 2 * cell + usize::from(*arm)),
            ("loss_dB", Class::In, _) => hit(Quantity::InputLoss),
            ("loss_dB", Class::Out, _) => hit(Quantity::OutputLoss),
            ("phase", Class::Arm(1), _) => hit(Quantity::ArmPhase),
            ("phase", Class::Arm(_), Kind::Mesh(mesh)) => self.upper_arm(*leaf, mesh, elements),
            ("phase", Class::Ring, _) => {
                let start = self.slots_of(*leaf).start;
                Ok(Hit::slots(Quantity::Offset, elements.iter().map(|ring| start + ring).collect()))
            }
            ("a", Class::Ring, _) => hit(Quantity::RingA),
            ("r", Class::Ring, _) => hit(Quantity::RingR),
            ("backscatter", Class::Ring, Kind::MrrBank(MrrBank { shared: Some(_), .. })) => {
                Err(Some(NO_BACKSCATTER.into()))
            }
            ("backscatter", Class::Ring, _) => hit(Quantity::RingBackscatter),
            ("gain", Class::Out | Class::In | Class::Bin, _) => Ok(Hit::elements(
                if *class == Class::In { Quantity::InputGain } else { Quantity::OutputGain },
                0,
                self.positions(parts)?,
            )),
            _ => Err(None),
        }
    }

    /// A phase error of the upper arm is one of theta (tunable coupler: phi), where that phase alone stands on it.
    fn upper_arm(&self, leaf: usize, mesh: &Mesh, cells: &[usize]) -> Resolved {
        let scheme = blackbeam_meshes::Scheme::new(mesh.cell, mesh.convention);
        let scheme = scheme.map_err(|error| Some(error.to_string()))?;
        let [upper, lower] = scheme.phases()[scheme.arms()];
        let is_tdc = mesh.cell == Cell::Tdc;
        let (factor, others) = if is_tdc { (upper.phi, upper.theta) } else { (upper.theta, upper.phi) };
        if factor == 0.0 || others != 0.0 || lower.theta != 0.0 || lower.phi != 0.0 {
            let message = "in this convention theta acts on both arms: give the error to `arm1`, or to `theta`";
            return Err(Some(message.into()));
        }
        let start = self.slots_of(leaf).start + if is_tdc { mesh.cell_count() } else { 0 };
        let slots = cells.iter().map(|cell| start + cell).collect();
        Ok(Hit { factor: 1.0 / factor, ..Hit::slots(Quantity::Offset, slots) })
    }

    fn of_port(&self, name: &str, port: usize) -> Resolved {
        if name != "gain" {
            let message = format!("`{}` is an outer port: it has only a `gain`", self.scene.ports[port].0);
            return Err(Some(message));
        }
        self.gain_of(self.scene.ports[port].1)
    }

    /// Gain at a port of an instance: of what is read there, else of what is sent in there.
    fn gain_of(&self, port: Port) -> Resolved {
        let outer = self.scene.ports.iter().position(|(_, p)| *p == port);
        let read = outer.and_then(|outer| self.outputs.of_port(outer, self.scene));
        if let Some(positions) = read {
            return Ok(Hit::elements(Quantity::OutputGain, 0, positions));
        }
        let sent = outer.and_then(|outer| self.inputs.iter().position(|k| *k == outer));
        match sent {
            Some(position) => Ok(Hit::elements(Quantity::InputGain, 0, [position])),
            None => Err(Some("nothing is read here: `readout` does not have this port".into())),
        }
    }

    /// Positions in y (or, of inputs, in x) of ports of a generator or bins of a camera; those that are not read are left
    /// out.
    pub(super) fn positions(&self, parts: &Parts) -> Result<Vec<usize>, Option<String>> {
        let Parts { leaf, class, elements } = parts;
        let inputs = self.scene.flat.leaves[*leaf].inputs;
        let outer = |port: usize| {
            let place = Port { instance: *leaf, port };
            self.scene.ports.iter().position(|(_, p)| *p == place)
        };
        let found: Vec<usize> = match class {
            Class::Bin => {
                let start = outer(1).and_then(|port| self.outputs.of_port(port, self.scene)).map(|range| range.start);
                start.map_or(Vec::new(), |start| elements.iter().map(|bin| start + bin).collect())
            }
            Class::Out => {
                let position =
                    |k: &usize| self.outputs.of_port(outer(inputs + k)?, self.scene).map(|range| range.start);
                elements.iter().filter_map(position).collect()
            }
            _ => {
                let position = |k: &usize| outer(*k).and_then(|port| self.inputs.iter().position(|p| *p == port));
                elements.iter().filter_map(position).collect()
            }
        };
        if found.is_empty() {
            Err(Some("none of this is an input or an output of the device".into()))
        } else {
            Ok(found)
        }
    }

    /// Positions in y that a path names.
    pub(super) fn output_positions(&self, selection: &Selection) -> Vec<usize> {
        let hits = self.resolve("gain", selection).unwrap_or_default();
        let outputs = hits.into_iter().filter(|hit| hit.quantity == Quantity::OutputGain);
        let mut positions: Vec<usize> = outputs.flat_map(|hit| hit.elements).map(|element| element.index).collect();
        positions.sort_unstable();
        positions.dedup();
        positions
    }

    /// The phases that a path names, for drift: those of parameters and components, of cells, arms and rings, and of the one
    /// `phase` component of a sub-circuit. If there are none: why.
    pub(super) fn phases(&self, selection: &Selection) -> Result<Vec<usize>, Option<String>> {
        let scene = self.scene;
        let mut slots: Vec<usize> = selection.slots.iter().copied().filter(|slot| scene.is_phase(*slot)).collect();
        let mut reason = None;
        for owner in &selection.owners {
            let own = scene.phase_slots(*owner);
            let path = &scene.flat.owners[*owner];
            match (path.leaf, own.len()) {
                (Some(_), _) | (None, 1) => slots.extend(own),
                (None, 0) => reason = Some(format!("`{path}` is a circuit without a `phase` component")),
                (None, _) => {
                    let first = &scene.flat.owners[scene.flat.owner_of(own[0])];
                    reason = Some(format!("`{path}` has several `phase` components: name them, such as `{first}`"));
                }
            }
        }
        for parts in &selection.parts {
            let start = self.slots_of(parts.leaf).start;
            match (parts.class, &scene.kinds[parts.leaf]) {
                (Class::Cell, Kind::Mesh(mesh)) => {
                    let cells = mesh.cell_count();
                    slots.extend(parts.elements.iter().flat_map(|cell| [start + cell, start + cells + cell]));
                }
                (Class::Arm(0), Kind::Mesh(mesh)) => match self.upper_arm(parts.leaf, mesh, &parts.elements) {
                    Ok(hit) => slots.extend(hit.slots),
                    Err(why) => reason = reason.or(why),
                },
                (Class::Ring, _) => slots.extend(parts.elements.iter().map(|ring| start + ring)),
                _ => {}
            }
        }
        slots.sort_unstable();
        slots.dedup();
        if slots.is_empty() { Err(reason) } else { Ok(slots) }
    }

    fn slots_of(&self, leaf: usize) -> std::ops::Range<usize> {
        self.scene.flat.owners[self.scene.flat.leaves[leaf].owner].slots.clone()
    }

    fn unknown_setting(&self, name: &str, owner: usize) -> String {
        let path = &self.scene.flat.owners[owner];
        let known: Vec<String> = self.settings_of(owner).iter().map(|name| format!("`{name}`")).collect();
        let known = if known.is_empty() { "none".into() } else { known.join(", ") };
        format!("`{path}` has no setting `{name}`; its settings: {known}")
    }

    /// Names of the settings of an instance.
    pub(super) fn settings_of(&self, owner: usize) -> Vec<String> {
        let owner = &self.scene.flat.owners[owner];
        match owner.leaf.map(|leaf| self.scene.flat.leaves[leaf].kind) {
            Some(Leaf::Primitive(component)) => component.settings.iter().map(|s| String::from(s.name)).collect(),
            Some(Leaf::Foreign(_)) => Vec::new(),
            None => owner.slots.clone().map(|slot| self.scene.flat.slots[slot].name.to_string()).collect(),
        }
    }
}
