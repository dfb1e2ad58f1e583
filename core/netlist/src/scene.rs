//! The flattened circuit as overlays see it: which places a path names.

use crate::circuit::{FreeSpace, Kind, Mesh, ParameterKind, Port, SlmKind};
use crate::library::own_name;
use blackbeam_components::Unit;
use blackbeam_layers::program::Weight;
use blackbeam_schematic::{Flat, Index, Inside, Leaf, Selector, Slot, SlotValue, glob};
use blackbeam_source::did_you_mean;
use std::cell::Cell;
use std::collections::HashMap;

/// Most names that all paths of a file are compared with.
pub(crate) const MAX_WORK: usize = 1 << 27;
/// What is found takes time and memory later on: it counts as so many comparisons.
pub(crate) const WORK_OF_A_MATCH: usize = 16;

/// A kind of place within a generator; its elements are counted in the order of the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    /// Mesh: cells.
    Cell,
    /// Mesh: one coupler of each cell.
    Coupler(u8),
    /// Mesh: one arm of each cell.
    Arm(u8),
    /// Bank: rings.
    Ring,
    /// Input ports.
    In,
    /// Output ports.
    Out,
    /// Camera: bins.
    Bin,
}

/// Places of one class in one generator, by element, in order.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    /// Index of the leaf.
    pub(crate) leaf: usize,
    pub(crate) class: Class,
    pub(crate) elements: Vec<usize>,
}

/// What a path names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    /// Instances: indices into `Flat::owners`.
    pub(crate) owners: Vec<usize>,
    /// Slots, in order.
    pub(crate) slots: Vec<usize>,
    /// Places within generators.
    pub(crate) parts: Vec<Parts>,
    /// Outer ports, if it names nothing inside.
    pub(crate) ports: Vec<usize>,
    /// Pairs of the read-out, likewise.
    pub(crate) pairs: Vec<usize>,
}

impl Selection {
    fn is_empty(&self) -> bool {
        self.owners.is_empty()
            && self.slots.is_empty()
            && self.parts.is_empty()
            && self.ports.is_empty()
            && self.pairs.is_empty()
    }
}

/// Why a path names nothing.
pub(crate) enum Miss {
    /// It is not a path; what is wrong.
    Syntax(String),
    /// Nothing of that name; what to do.
    Nothing(Vec<String>),
}

/// What a slot is to those who set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SlotKind {
    /// Phase of a generator; the number tells its kinds apart.
    Generator(ParameterKind),
    /// A setting in radians.
    Phase,
    /// Another setting.
    Other,
}

/// The circuit.
pub(crate) struct Scene<'a> {
    pub(crate) flat: &'a Flat,
    /// What the leaves are.
    pub(crate) kinds: &'a [Kind],
    /// Outer ports.
    pub(crate) ports: &'a [(String, Port)],
    /// Names of the pairs of the read-out.
    pub(crate) pairs: Vec<String>,
    selector: Selector<'a>,
    /// Places of the outer ports, by name.
    port_places: HashMap<&'a str, usize>,
    /// Slots of sub-circuits that are phases.
    phases: Vec<bool>,
    work: Cell<usize>,
    /// The device is a network: its layers join the instances.
    pub(crate) network: bool,
}

impl<'a> Scene<'a> {
    pub(crate) fn new(flat: &'a Flat, kinds: &'a [Kind], ports: &'a [(String, Port)]) -> Self {
        let port_places = ports.iter().enumerate().map(|(k, (name, _))| (name.as_str(), k)).collect();
        let (selector, phases, work) = (Selector::new(flat), phases(flat), Cell::new(0));
        Scene { flat, kinds, ports, pairs: Vec::new(), selector, port_places, phases, work, network: false }
    }

    /// The outer port of a name.
    pub(crate) fn port(&self, name: &str) -> Option<usize> {
        self.port_places.get(name).copied()
    }

    /// True once all paths together took more than [`MAX_WORK`].
    pub(crate) fn is_spent(&self) -> bool {
        self.work.get() > MAX_WORK
    }

    /// Counts the work of a look-up.
    pub(crate) fn spend(&self, work: usize) {
        self.work.set(self.work.get().saturating_add(work));
    }

    /// What `path` names.
    pub(crate) fn select(&self, path: &str) -> Result<Selection, Miss> {
        let matches = self.selector.select(path).map_err(|bad| Miss::Syntax(bad.0))?;
        let mut selection = Selection { owners: matches.owners, slots: matches.slots, ..Selection::default() };
        self.spend(matches.compared + self.ports.len() + self.pairs.len());
        let last = last_name(path);
        for inside in &matches.inside {
            self.look_inside(inside, last, &mut selection);
        }
        selection.slots.sort_unstable();
        selection.slots.dedup();
        let elements: usize = selection.parts.iter().map(|parts| parts.elements.len()).sum();
        self.spend(WORK_OF_A_MATCH * (selection.owners.len() + selection.slots.len() + elements));
        if selection.is_empty() && !path.contains('.') {
            let fits = |name: &str| path == name || glob(path, name);
            selection.ports = (0..self.ports.len()).filter(|k| fits(&self.ports[*k].0)).collect();
            selection.pairs = (0..self.pairs.len()).filter(|k| fits(&self.pairs[*k])).collect();
        }
        if !selection.is_empty() {
            return Ok(selection);
        }
        // the search for names that are near
        self.spend(WORK_OF_A_MATCH * (self.flat.owners.len() + self.flat.slots.len()));
        let help = self.inner_names(path).unwrap_or_else(|| {
            let outer = self.ports.iter().map(|(name, _)| name).chain(&self.pairs);
            let near = if path.contains('.') { None } else { did_you_mean(path, outer) };
            near.map_or_else(|| self.selector.suggest(path), |near| vec![near])
        });
        Err(Miss::Nothing(help))
    }

    /// For a path that leads into a generator and names nothing there: what there is.
    fn inner_names(&self, path: &str) -> Option<Vec<String>> {
        let cut = |text: &str| {
            let mut depth = 0;
            let dots = text.char_indices().filter(|(_, c)| {
                depth += i32::from(*c == '<') - i32::from(*c == '>');
                *c == '.' && depth == 0
            });
            dots.map(|(at, _)| at).collect::<Vec<_>>()
        };
        let (owner, rest) = cut(path).into_iter().find_map(|dot| {
            let owners = self.selector.select(&path[..dot]).ok()?.owners;
            let owner = owners.into_iter().find(|owner| self.flat.owners[*owner].leaf.is_some())?;
            Some((owner, &path[dot + 1..]))
        })?;
        let names = names_inside(&self.kinds[self.flat.owners[owner].leaf?]);
        if names.is_empty() {
            return None;
        }
        let plain = |name: &str| name.split('<').next().unwrap_or(name).to_string();
        let known: Vec<String> = names.iter().map(|name| plain(name)).collect();
        let first = plain(rest.split('.').next().unwrap_or(rest));
        let owner = &self.flat.owners[owner];
        let mut help = Vec::new();
        match names.iter().zip(&known).find(|(_, known)| **known == first) {
            Some((name, _)) if rest.contains('<') => help.push(format!("it is `{owner}.{name}`, counted from 0")),
            Some(_) => {}
            None => help.extend(did_you_mean(&first, known)),
        }
        let shown: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        help.push(format!("names in `{owner}`: {}", shown.join(", ")));
        Some(help)
    }

    /// Places that only generators have. `last` is the last name of the path, which must fit: that is known at once, and
    /// spares a look at every cell.
    fn look_inside(&self, inside: &Inside, last: &str, selection: &mut Selection) {
        let Some(leaf) = self.flat.owners[inside.owner].leaf else { return };
        let slots = &self.flat.owners[inside.owner].slots;
        let mut add = |class, elements: Vec<usize>| {
            if !elements.is_empty() {
                selection.parts.push(Parts { leaf, class, elements });
            }
        };
        let may_be = |name: &str| last == "**" || glob(last, name);
        let line = |name: &str, n: usize| -> Vec<usize> {
            // `in3` is `in<3>`
            if !may_be(name) && !last.starts_with(name) && !last.contains(['*', '?']) {
                return Vec::new();
            }
            let fits = |k: usize| {
                inside.names(&[(name, Index::Line(k as u32))]) || inside.names(&[(&format!("{name}{k}"), Index::None)])
            };
            (0..n).filter(|k| fits(*k)).collect()
        };
        match &self.kinds[leaf] {
            Kind::Mesh(mesh) => {
                for (class, elements) in cells_inside(mesh, inside, &may_be) {
                    add(class, elements);
                }
                add(Class::In, line("in", mesh.n));
                add(Class::Out, line("out", mesh.n));
            }
            Kind::MrrBank(bank) => {
                let at = |k: usize| Index::Grid((k / bank.columns) as u32, (k % bank.columns) as u32);
                let rings = 0..bank.rows * bank.columns;
                if may_be("r") {
                    add(Class::Ring, rings.clone().filter(|k| inside.names(&[("r", at(*k))])).collect());
                }
                add(Class::In, line("in", bank.columns));
                add(Class::Out, line("out", bank.rows));
                if may_be("phi") {
                    let phases = rings.filter(|k| inside.names(&[("r", at(*k)), ("phi", Index::None)]));
                    selection.slots.extend(phases.map(|k| slots.start + k));
                }
            }
            Kind::SlmMatvec(slm) => {
                add(Class::In, line("in", slm.n_in));
                add(Class::Out, line("out", slm.n_out));
            }
            Kind::FreeSpace(FreeSpace::Camera { shape: [rows, columns], .. }) => {
                self.spend(rows * columns);
                let at = |k: usize| Index::Grid((k / columns) as u32, (k % columns) as u32);
                add(Class::Bin, (0..rows * columns).filter(|k| inside.names(&[("bin", at(*k))])).collect());
            }
            _ => {}
        }
    }

    /// What a slot is.
    pub(crate) fn slot_kind(&self, slot: usize) -> SlotKind {
        let owner = &self.flat.owners[self.flat.owner_of(slot)];
        let name = &*self.flat.slots[slot].name;
        match owner.leaf.map(|leaf| &self.kinds[leaf]) {
            Some(Kind::Mesh(_)) => SlotKind::Generator(match name {
                "theta" => ParameterKind::Theta,
                "phi" => ParameterKind::Phi,
                _ => ParameterKind::Gamma,
            }),
            Some(Kind::Weights(_)) if name == "phase" => SlotKind::Generator(ParameterKind::WeightPhase),
            Some(Kind::Weights(_)) => SlotKind::Generator(ParameterKind::Weight),
            Some(Kind::MrrBank(_)) => SlotKind::Generator(ParameterKind::RingPhase),
            Some(Kind::SlmMatvec(_)) => SlotKind::Generator(ParameterKind::PixelPhase),
            Some(Kind::FreeSpace(FreeSpace::Slm { .. })) if name == "amplitude" => {
                SlotKind::Generator(ParameterKind::PixelAmplitude)
            }
            Some(Kind::FreeSpace(_)) => SlotKind::Generator(ParameterKind::PixelPhase),
            _ if self.phases[slot] => SlotKind::Phase,
            _ => SlotKind::Other,
        }
    }

    /// True for phases.
    pub(crate) fn is_phase(&self, slot: usize) -> bool {
        let is_number = |kind| matches!(kind, ParameterKind::PixelAmplitude | ParameterKind::Weight);
        match self.slot_kind(slot) {
            SlotKind::Other => false,
            SlotKind::Generator(kind) => !is_number(kind),
            SlotKind::Phase => true,
        }
    }

    /// The setting of the catalogue that a slot is.
    pub(crate) fn setting(&self, slot: usize) -> Option<&'static blackbeam_components::Setting> {
        let owner = &self.flat.owners[self.flat.owner_of(slot)];
        match self.flat.leaves[owner.leaf?].kind {
            Leaf::Primitive(component) => component.settings.get(slot - owner.slots.start),
            Leaf::Foreign(_) => None,
        }
    }

    /// The slot of a setting of an instance, by a name of it.
    pub(crate) fn slot_named(&self, owner: usize, name: &str) -> Option<usize> {
        let owner = &self.flat.owners[owner];
        if let Some(leaf) = owner.leaf
            && let Leaf::Primitive(component) = self.flat.leaves[leaf].kind
        {
            return component.setting(name).map(|k| owner.slots.start + k);
        }
        if owner.leaf.is_some() {
            return None;
        }
        owner.slots.clone().find(|slot| self.flat.slots[*slot].name == name)
    }

    /// The phases of an instance by which it can be shifted as a whole: a setting in radians of a component, or of the one
    /// `phase` inside a sub-circuit.
    pub(crate) fn phase_slots(&self, owner: usize) -> Vec<usize> {
        let slots = self.flat.owners[owner].slots.clone();
        if self.flat.owners[owner].leaf.is_some() {
            return slots.filter(|slot| self.is_phase(*slot)).collect();
        }
        self.phase_leaves(owner).into_iter().filter_map(|leaf| self.slot_named(leaf, "phi")).collect()
    }

    /// The `phase` components inside a sub-circuit: indices of owners.
    pub(crate) fn phase_leaves(&self, owner: usize) -> Vec<usize> {
        let is_phase = |k: &usize| {
            let leaf = self.flat.owners[*k].leaf.map(|leaf| self.flat.leaves[leaf].kind);
            matches!(leaf, Some(Leaf::Primitive(component)) if component.name == "phase")
        };
        self.descendants(owner).filter(is_phase).collect()
    }

    /// The owners inside of a sub-circuit.
    fn descendants(&self, owner: usize) -> impl Iterator<Item = usize> + '_ {
        let path = &self.flat.owners[owner].path;
        // they stand behind it, one after another, and their paths begin with its own
        (owner + 1..self.flat.owners.len()).take_while(move |k| self.flat.owners[*k].path.starts_with(path))
    }

    /// `m0.dc<0.1>.coupling`: path of a slot.
    pub(crate) fn slot_path(&self, slot: usize) -> String {
        self.flat.slot_path(slot)
    }
}

/// The names of the places in a generator, with the sizes of their indices.
fn names_inside(kind: &Kind) -> Vec<String> {
    let ports = |inputs: usize, outputs: usize| [format!("in<0-{}>", inputs - 1), format!("out<0-{}>", outputs - 1)];
    let grid = |name: &str, rows: usize, columns: usize| format!("{name}<0-{}.0-{}>", rows - 1, columns - 1);
    match kind {
        Kind::Mesh(mesh) => {
            let layers = mesh.sites().last().map_or(0, |site| site.layer + 1);
            let cells = |name: &str| grid(name, layers.max(1), (mesh.n / 2).max(1));
            let mut names = vec![cells("theta"), cells("phi")];
            if mesh.output_phases {
                names.push(format!("gamma<0-{}>", mesh.n - 1));
            }
            names.push(cells("m"));
            let inner = (0..mesh.cell.couplers()).map(|k| format!("coupler{k}"));
            names.extend(inner.chain([String::from("arm0"), String::from("arm1")]).map(|name| format!("m<*>.{name}")));
            names.extend(ports(mesh.n, mesh.n));
            names
        }
        Kind::MrrBank(bank) => {
            let mut names = vec![grid("phi", bank.rows, bank.columns), grid("r", bank.rows, bank.columns)];
            names.extend(ports(bank.columns, bank.rows));
            names
        }
        Kind::SlmMatvec(slm) => {
            let mut names = vec![grid("phase", slm.n_out, slm.n_in)];
            names.extend(ports(slm.n_in, slm.n_out));
            names
        }
        Kind::FreeSpace(FreeSpace::Slm { shape: [rows, columns], kind, .. }) => match kind {
            SlmKind::Phase => vec![grid("phase", *rows, *columns)],
            SlmKind::Amplitude => vec![grid("amplitude", *rows, *columns)],
            SlmKind::Complex => vec![grid("phase", *rows, *columns), grid("amplitude", *rows, *columns)],
        },
        Kind::FreeSpace(FreeSpace::Camera { shape: [rows, columns], .. }) => vec![grid("bin", *rows, *columns)],
        Kind::Weights(weights) => {
            let name = |weight: &Weight| match weight.shape {
                [1, columns] => format!("{}<0-{}>", own_name(weight), columns - 1),
                [rows, columns] => grid(own_name(weight), rows, columns),
            };
            weights.iter().map(name).collect()
        }
        _ => Vec::new(),
    }
}

/// Cells, couplers and arms that the rest of a pattern names.
fn cells_inside(mesh: &Mesh, inside: &Inside, may_be: &dyn Fn(&str) -> bool) -> Vec<(Class, Vec<usize>)> {
    const COUPLERS: [&str; 3] = ["coupler0", "coupler1", "coupler2"];
    let mut found: HashMap<Class, Vec<usize>> = HashMap::new();
    let mut order = vec![(Class::Cell, None)];
    order.extend((0..mesh.cell.couplers()).map(|k| (Class::Coupler(k as u8), Some(COUPLERS[k]))));
    order.extend([(Class::Arm(0), Some("arm0")), (Class::Arm(1), Some("arm1"))]);
    order.retain(|(_, inner)| may_be(inner.unwrap_or("m")));
    if order.is_empty() {
        return Vec::new();
    }
    for (cell, site) in mesh.sites().iter().enumerate() {
        let place = ("m", Index::Grid(site.layer as u32, site.row as u32));
        for (class, inner) in &order {
            let fits = match inner {
                None => inside.names(&[place]),
                Some(name) => inside.names(&[place, (name, Index::None)]),
            };
            if fits {
                found.entry(*class).or_default().push(cell);
            }
        }
    }
    order.into_iter().filter_map(|(class, _)| found.remove_entry(&class)).collect()
}

/// Which slots are phases: settings in radians of components, and settings of sub-circuits that such a setting takes as
/// it is.
fn phases(flat: &Flat) -> Vec<bool> {
    let mut phases = vec![false; flat.slots.len()];
    for owner in &flat.owners {
        let Some(leaf) = owner.leaf else { continue };
        if let Leaf::Primitive(component) = flat.leaves[leaf].kind {
            for (slot, setting) in owner.slots.clone().zip(component.settings) {
                phases[slot] = setting.unit == Unit::Rad;
            }
        }
    }
    // an expression names slots before its own: from the last slot to the first, a phase is passed up
    for slot in (0..flat.slots.len()).rev() {
        if let (true, Slot { value: SlotValue::Expr(blackbeam_schematic::Expr::Slot(source)), .. }) =
            (phases[slot], &flat.slots[slot])
        {
            phases[*source] = true;
        }
    }
    phases
}

/// The last name of a path, without its index.
fn last_name(path: &str) -> &str {
    let mut depth = 0;
    let mut start = 0;
    for (at, c) in path.char_indices() {
        match c {
            '<' => depth += 1,
            '>' => depth -= 1,
            '.' if depth == 0 => start = at + 1,
            _ => {}
        }
    }
    path[start..].split('<').next().unwrap_or_default()
}
