//! Writes a circuit out: every instance of every circuit in it becomes one of its own.

use crate::book::{Declaration, Definition, End, Foreign, Target};
use crate::read::make;
use crate::report::Report;
use crate::settings::{Given, Scope, fill, random_structure};
use crate::value::{self, Slots};
use crate::{Flat, Index, Instance, Leaf, Link, Made, Number, Options, Owner, PathPart, Shape, SlotValue};
use blackbeam_components::{Component, Ports, Setting, Unit};
use blackbeam_source::{Diagnostic, Key, Node, Span, Value};
use std::collections::{HashMap, hash_map::Entry};
use std::rc::Rc;
use std::sync::Arc;

/// A port of a leaf: (leaf, port). None where there are errors.
type Place = Option<(usize, usize)>;

pub(crate) struct Flattener<'b, 'a, 'f> {
    pub(crate) definitions: &'b [Definition<'a>],
    pub(crate) options: &'b Options<'b>,
    pub(crate) report: Report<'f>,
    pub(crate) flat: Flat,
    pub(crate) slots: Slots,
    /// Ports of the circuits among the owners.
    pub(crate) circuit_ports: HashMap<usize, Rc<[Place]>>,
    /// Definitions that were written out.
    pub(crate) visited: Vec<bool>,
    pub(crate) path: Vec<PathPart>,
}

/// What an element of a declaration became.
enum Placed {
    Leaf(usize),
    Circuit(Rc<[Place]>),
    Nothing,
}

impl Placed {
    fn port(&self, port: usize) -> Place {
        match self {
            Placed::Leaf(leaf) => Some((*leaf, port)),
            Placed::Circuit(ports) => ports.get(port).copied().flatten(),
            Placed::Nothing => None,
        }
    }
}

impl<'b, 'a, 'f> Flattener<'b, 'a, 'f> {
    pub(crate) fn new(definitions: &'b [Definition<'a>], options: &'b Options<'b>, report: Report<'f>) -> Self {
        Flattener {
            definitions,
            options,
            report,
            flat: Flat::default(),
            slots: Slots::default(),
            circuit_ports: HashMap::new(),
            visited: vec![false; definitions.len()],
            path: Vec::new(),
        }
    }

    /// Writes out the netlist as a whole. Gives its outer ports.
    pub(crate) fn top(&mut self, k: usize) -> Rc<[Place]> {
        let definition = &self.definitions[k];
        let scope = Scope::bind(&definition.settings, &[], &mut self.slots, &mut self.report);
        let owner = if self.slots.list.is_empty() {
            None
        } else {
            Some(self.owner(None, None, &definition.name, definition.span, 0))
        };
        self.circuit(k, owner, scope, &[])
    }

    /// Adds an instance at the current path, with all slots from `first` on.
    fn owner(
        &mut self,
        parent: Option<usize>,
        leaf: Option<usize>,
        component: &Arc<str>,
        span: Span,
        first: usize,
    ) -> usize {
        self.flat.owners.push(Owner {
            path: self.path.clone(),
            parent,
            leaf,
            component: component.clone(),
            slots: first..self.slots.list.len(),
            span,
        });
        self.flat.owners.len() - 1
    }

    fn circuit(
        &mut self,
        k: usize,
        owner: Option<usize>,
        scope: Rc<Scope<'a>>,
        given: &[Given<'b, 'a>],
    ) -> Rc<[Place]> {
        self.visited[k] = true;
        let definition = &self.definitions[k];
        let overrides = overrides(definition, given);
        let mut placed = Vec::with_capacity(definition.instances.len());
        let mut starts = Vec::with_capacity(definition.instances.len());
        for instance in &definition.instances {
            starts.push(placed.len());
            for element in 0..instance.elements.len() {
                let index = instance.elements.index(element);
                self.path.push(PathPart { name: instance.name.clone(), index });
                let given = given_to(instance, index, &scope, &overrides);
                placed.push(self.instance(instance, owner, &given));
                self.path.pop();
            }
        }
        let place = |end: End| placed[starts[end.instance as usize] + end.element as usize].port(end.port as usize);
        let links = definition.links.iter().filter_map(|[a, b]| Some(Link { a: place(*a)?, b: place(*b)? }));
        self.flat.links.extend(links);
        definition.outer.iter().map(|end| end.and_then(place)).collect()
    }

    fn instance(&mut self, instance: &'b Declaration<'a>, parent: Option<usize>, given: &[Given<'b, 'a>]) -> Placed {
        match &instance.target {
            Target::Primitive(component) => self.primitive(component, instance, parent, given),
            Target::Foreign(foreign) => self.foreign(foreign, instance, parent, given),
            Target::Circuit { definition, made } => {
                if let Some(made) = made {
                    self.check_made(made, instance, given);
                }
                let given = if made.is_some() { &[][..] } else { given };
                let first = self.slots.list.len();
                let settings = &self.definitions[*definition].settings;
                let scope = Scope::bind(settings, given, &mut self.slots, &mut self.report);
                let owner = self.owner(parent, None, &instance.component, instance.span, first);
                let ports = self.circuit(*definition, Some(owner), scope, given);
                self.circuit_ports.insert(owner, ports.clone());
                Placed::Circuit(ports)
            }
            Target::Unknown(_) | Target::Broken => Placed::Nothing,
        }
    }

    fn leaf(
        &mut self,
        kind: Leaf,
        instance: &Declaration<'a>,
        parent: Option<usize>,
        first: usize,
        settings: Option<Node>,
    ) -> Placed {
        let Some(table) = &instance.ports else { return Placed::Nothing };
        let leaf = self.flat.leaves.len();
        let owner = self.owner(parent, Some(leaf), &instance.component, instance.span, first);
        self.flat.leaves.push(Instance { owner, kind, settings, ports: table.names.clone(), inputs: table.inputs });
        Placed::Leaf(leaf)
    }

    fn primitive(
        &mut self,
        component: &'static Component,
        instance: &Declaration<'a>,
        parent: Option<usize>,
        given: &[Given<'b, 'a>],
    ) -> Placed {
        let mut chosen: Vec<Option<(&Node, &Scope<'a>)>> = vec![None; component.settings.len()];
        for given in given {
            for (key, node) in given.entries.iter().filter(|(_, node)| !node.is_null()) {
                if let Some(k) = component.setting(&key.name) {
                    chosen[k] = Some((node, &given.scope));
                }
            }
        }
        let first = self.slots.list.len();
        for (setting, chosen) in component.settings.iter().zip(chosen) {
            let (value, span) = match chosen {
                None => (SlotValue::Number(Number::Fixed(setting.default)), None),
                Some((node, scope)) => (self.setting(setting, node, scope), Some(node.span)),
            };
            self.slots.push(setting.name.into(), Index::None, value, span);
        }
        self.check_structure(component, first, instance);
        self.leaf(Leaf::Primitive(component), instance, parent, first, None)
    }

    /// The value of a setting of a catalogue component; its default after an error.
    fn setting(&mut self, setting: &Setting, node: &Node, scope: &Scope<'a>) -> SlotValue {
        if let (Unit::Flag, Some(flag)) = (setting.unit, node.as_bool()) {
            return SlotValue::Number(Number::Fixed(f64::from(u8::from(flag))));
        }
        let factor = self.options.units.factor(setting.unit);
        match scope.number(setting.name, node, factor) {
            Ok(value) => {
                self.check_range(setting, &value, node.span);
                value
            }
            Err(error) => {
                self.report.push_once(*error);
                SlotValue::Number(Number::Fixed(setting.default))
            }
        }
    }

    fn check_range(&mut self, setting: &Setting, value: &SlotValue, span: Span) {
        let nominal = self.slots.nominal_of(value);
        if !nominal.is_finite() {
            let message = format!("`{}` of `{}` is {nominal}, not a finite number", setting.name, self.here());
            return self.report.push_once(Diagnostic::error("not-finite", message).at(span));
        }
        let (low, high) = setting.range;
        let (least, most) = match value {
            SlotValue::Number(Number::Uniform(a, b)) => (*a, *b),
            _ => (nominal, nominal),
        };
        // what is computed may miss a bound by rounding
        let slack = 1e-12 * (1.0 + nominal.abs());
        let outside = if least < low - slack {
            least
        } else if most > high + slack {
            most
        } else {
            return;
        };
        let unit = match setting.unit {
            Unit::Count | Unit::Flag | Unit::One => String::new(),
            unit => format!(" {}", unit.symbol()),
        };
        let message = format!("`{}` of `{}` is {outside}{unit}", setting.name, self.here());
        let range = match (low.is_finite(), high.is_finite()) {
            (true, true) => format!("between {low} and {high}{unit}"),
            (true, false) => format!("at least {low}{unit}"),
            _ => format!("at most {high}{unit}"),
        };
        let found = if setting.gain_outside {
            Diagnostic::warning("has-gain", format!("{message}: the component has gain"))
        } else {
            Diagnostic::error("out-of-range", format!("{message}, out of its physical range"))
        };
        self.report.push_once(found.at(span).help(format!("expected {range}: {}", setting.doc)));
    }

    /// Settings that say how a component is built hold fixed whole numbers, and the number of ports is that with
    /// which the links were read.
    fn check_structure(&mut self, component: &Component, first: usize, instance: &Declaration) {
        let mut is_fine = true;
        for (k, setting) in component.settings.iter().enumerate() {
            if !matches!(setting.unit, Unit::Count | Unit::Flag) {
                continue;
            }
            let span = self.slots.list[first + k].span.unwrap_or(instance.span);
            if !self.slots.freeze(first + k, span) {
                self.report.push_once(random_structure(span));
                is_fine = false;
            } else if self.slots.nominal[first + k].fract() != 0.0 {
                let message = format!("`{}` of `{}` is a whole number", setting.name, self.here());
                self.report.push_once(Diagnostic::error("not-whole", message).at(span).help(setting.doc));
                is_fine = false;
            }
        }
        let (Some(table), true, Ports::Counted { .. }) = (&instance.ports, is_fine, component.ports) else { return };
        let declared = (table.inputs, table.names.len() - table.inputs);
        let message = match component.size(&self.slots.nominal[first..]) {
            Ok(size) if size == declared => return,
            Ok((inputs, outputs)) => format!(
                "`{}` has {inputs} inputs and {outputs} outputs with these settings, {} and {} where it is declared",
                self.here(),
                declared.0,
                declared.1
            ),
            Err(message) => message,
        };
        let error = Diagnostic::error("ports-change", message).at(instance.span);
        self.report.push_once(error.help("links are read once: ports cannot depend on settings from outside"));
    }

    fn foreign(
        &mut self,
        foreign: &Foreign,
        instance: &Declaration<'a>,
        parent: Option<usize>,
        given: &[Given<'b, 'a>],
    ) -> Placed {
        let first = self.slots.list.len();
        if given.len() <= 1 && !foreign.varies {
            self.shape_slots(&foreign.shape, instance);
            return self.leaf(
                Leaf::Foreign(foreign.component),
                instance,
                parent,
                first,
                Some(foreign.settings.clone()),
            );
        }
        let settings = self.merged(instance, given);
        let made = make(self.options, foreign.component, &settings, instance, &mut self.report);
        let Some(Made::Leaf(shape)) = made else { return Placed::Nothing };
        if shape.ports != foreign.shape.ports || shape.inputs != foreign.shape.inputs {
            let message = format!(
                "`{}` has {} ports with these settings and {} where it is declared: links cannot follow",
                self.here(),
                shape.ports.len(),
                foreign.shape.ports.len()
            );
            self.report.push_once(Diagnostic::error("ports-change", message).at(instance.settings_span));
            return Placed::Nothing;
        }
        self.shape_slots(&shape, instance);
        self.leaf(Leaf::Foreign(foreign.component), instance, parent, first, Some(settings))
    }

    fn shape_slots(&mut self, shape: &Shape, instance: &Declaration) {
        self.slots.reserve(shape.slots.len());
        for slot in &shape.slots {
            let value = SlotValue::Number(slot.value);
            self.slots.push(slot.name.clone(), slot.index, value, Some(instance.settings_span));
        }
    }

    /// All settings of a component of the caller, those from outside over its own.
    fn merged(&mut self, instance: &Declaration<'a>, given: &[Given<'b, 'a>]) -> Node {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (i, given) in given.iter().enumerate() {
            let written = if i == 0 { &given.entries[..instance.written] } else { given.entries };
            for (key, node) in written {
                let node = fill(node, &given.scope, &mut self.slots, &mut self.report);
                match places.entry(&key.name) {
                    Entry::Occupied(place) => entries[*place.get()] = (key.clone(), node),
                    Entry::Vacant(place) => {
                        place.insert(entries.len());
                        entries.push((key.clone(), node));
                    }
                }
            }
        }
        Node { span: instance.settings_span, value: Value::Map(entries) }
    }

    /// A component that is written out as a circuit was so with the settings of its declaration.
    fn check_made(&mut self, made: &Foreign, instance: &Declaration<'a>, given: &[Given<'b, 'a>]) {
        if given.len() <= 1 && !made.varies {
            return;
        }
        let settings = self.merged(instance, given);
        if settings.to_json() != made.settings.to_json() {
            let message = format!("the settings of `{}` cannot be changed from outside", self.here());
            let error = Diagnostic::error("fixed-settings", message).at(instance.settings_span);
            self.report.push_once(error.help("it is written out as a circuit where it is declared"));
        }
    }

    /// The current path, for messages.
    fn here(&self) -> String {
        self.path.iter().map(PathPart::to_string).collect::<Vec<_>>().join(".")
    }
}

/// Settings for the instances inside of a circuit, by their name (with or without index), and the rank of who gives
/// them.
type Overrides<'b, 'a> = HashMap<&'b str, Vec<(usize, Given<'b, 'a>)>>;

fn overrides<'b, 'a>(definition: &Definition<'a>, given: &[Given<'b, 'a>]) -> Overrides<'b, 'a> {
    let mut overrides = Overrides::new();
    for (rank, given) in given.iter().enumerate() {
        for (key, node) in given.entries {
            let Some(entries) = node.as_map().filter(|_| !value::is_distribution(node)) else { continue };
            let name = key.name.split('<').next().unwrap_or("");
            if definition.by_name.contains_key(name) {
                let inner = Given { entries, scope: given.scope.clone() };
                overrides.entry(&key.name).or_default().push((rank, inner));
            }
        }
    }
    overrides
}

/// What an instance is given, later ones winning: its own settings, then those from outside, the outermost last.
fn given_to<'b, 'a>(
    instance: &'b Declaration<'a>,
    index: Index,
    scope: &Rc<Scope<'a>>,
    overrides: &Overrides<'b, 'a>,
) -> Vec<Given<'b, 'a>> {
    let own = Given { entries: &instance.settings, scope: scope.clone() };
    if overrides.is_empty() {
        return vec![own];
    }
    let of_all = overrides.get(&*instance.name).into_iter().flatten().map(|(rank, given)| (2 * rank, given));
    let element = if index == Index::None { None } else { overrides.get(&*format!("{}{index}", instance.name)) };
    let of_one = element.into_iter().flatten().map(|(rank, given)| (2 * rank + 1, given));
    let mut outside: Vec<(usize, &Given)> = of_all.chain(of_one).collect();
    outside.sort_by_key(|(rank, _)| *rank);
    std::iter::once(own).chain(outside.into_iter().map(|(_, given)| given.clone())).collect()
}
