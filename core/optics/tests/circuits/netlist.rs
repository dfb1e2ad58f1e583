//! Netlists as data, and the many ways to write one down.

use crate::random::Random;
use blackbeam_components::{Component, Unit, find};
use std::fmt::Write;

/// A port: index of the part, index of its port (inputs first).
pub type End = (usize, usize);

/// What a part is.
#[derive(Clone, Debug)]
pub enum What {
    /// A component and its settings.
    Component(&'static Component, Vec<f64>),
    /// A generated mesh.
    Mesh { modes: usize, arrangement: &'static str, cell: &'static str },
}

/// A component of a circuit.
#[derive(Clone, Debug)]
pub struct Part {
    pub name: String,
    pub what: What,
    pub inputs: usize,
    pub outputs: usize,
}

/// A flat circuit.
#[derive(Clone, Debug)]
pub struct Netlist {
    pub parts: Vec<Part>,
    pub links: Vec<[End; 2]>,
    pub ports: Vec<(String, End)>,
}

impl Part {
    pub fn new(name: String, what: What) -> Self {
        let (inputs, outputs) = match &what {
            What::Component(component, settings) => component.size(settings).unwrap(),
            What::Mesh { modes, .. } => (*modes, *modes),
        };
        Part { name, what, inputs, outputs }
    }

    /// A component by its name and some of its settings, the others at their defaults.
    pub fn of(name: String, component: &str, given: &[(&str, f64)]) -> Self {
        let component = find(component).unwrap();
        let mut settings = component.defaults();
        given.iter().for_each(|(name, value)| settings[component.setting(name).unwrap()] = *value);
        Part::new(name, What::Component(component, settings))
    }

    /// One of the names of a port.
    fn port(&self, port: usize, random: &mut Random) -> String {
        match &self.what {
            What::Component(component, _) if random.yes(0.3) => {
                component.clockwise_name(port, self.inputs, self.outputs)
            }
            _ if port < self.inputs => format!("in{port}"),
            _ => format!("out{}", port - self.inputs),
        }
    }
}

impl Netlist {
    /// All ports of all parts.
    pub fn ends(&self) -> Vec<End> {
        let all = self.parts.iter().enumerate();
        all.flat_map(|(k, part)| (0..part.inputs + part.outputs).map(move |port| (k, port))).collect()
    }

    /// Makes every port that is free an outer one.
    pub fn name_ports(&mut self) {
        let free = self.ends().into_iter().filter(|end| !self.links.iter().flatten().any(|joined| joined == end));
        self.ports = free.enumerate().map(|(k, end)| (format!("port{k}"), end)).collect();
    }

    /// As one flat circuit, in any order, every port by any of its names.
    pub fn flat(&self, random: &mut Random) -> String {
        let all: Vec<Tree> = (0..self.parts.len()).map(Tree::Part).collect();
        Writer { netlist: self, random, circuits: String::new() }.file(&all)
    }

    /// As circuits in circuits, with settings given here or there.
    pub fn nested(&self, random: &mut Random) -> String {
        let mut all: Vec<usize> = (0..self.parts.len()).collect();
        random.shuffle(&mut all);
        let tree = self.tree(&all, 3, random);
        Writer { netlist: self, random, circuits: String::new() }.file(&tree)
    }
}

impl Netlist {
    /// Some of the parts go into circuits, some of which go into circuits; a circuit has a port that leads out.
    fn tree(&self, parts: &[usize], depth: usize, random: &mut Random) -> Vec<Tree> {
        let (mut found, mut rest) = (Vec::new(), parts);
        while !rest.is_empty() {
            let (some, others) = rest.split_at(1 + random.below(rest.len().min(8)));
            rest = others;
            let nested = depth > 0 && random.yes(0.7);
            let circuit = if nested { self.tree(some, depth - 1, random) } else { Vec::new() };
            if nested && !self.faces(&circuit).is_empty() {
                found.push(Tree::Circuit(circuit));
            } else {
                found.extend(some.iter().map(|&part| Tree::Part(part)));
            }
        }
        found
    }

    /// The ports that a circuit shows: those that are joined to something outside.
    fn faces(&self, tree: &[Tree]) -> Vec<End> {
        let inside = |end: &End| tree.iter().any(|child| child.contains(end.0));
        let joined = self.links.iter().filter_map(|[a, b]| match (inside(a), inside(b)) {
            (true, false) => Some(*a),
            (false, true) => Some(*b),
            _ => None,
        });
        joined.chain(self.ports.iter().map(|(_, end)| *end).filter(inside)).collect()
    }
}

/// What a circuit is made of.
enum Tree {
    Part(usize),
    Circuit(Vec<Tree>),
}

impl Tree {
    fn contains(&self, part: usize) -> bool {
        match self {
            Tree::Part(p) => *p == part,
            Tree::Circuit(children) => children.iter().any(|child| child.contains(part)),
        }
    }
}

struct Writer<'n, 'r> {
    netlist: &'n Netlist,
    random: &'r mut Random,
    /// The definitions so far.
    circuits: String,
}

/// Text of a circuit.
#[derive(Default)]
struct Text {
    /// Name of the instance, its entry.
    instances: Vec<(String, String)>,
    /// Settings of the circuit, which whoever uses it has to give: name, value.
    settings: Vec<(String, f64)>,
    /// Settings inside that whoever uses it has to override: instance, setting, value.
    overrides: Vec<(String, &'static str, f64)>,
}

impl Writer<'_, '_> {
    fn file(mut self, tree: &[Tree]) -> String {
        let text = self.circuit(tree, true);
        let mut file = String::from("ddl: 1\n");
        write!(file, "instances:\n{}", self.instances(text, "  ")).unwrap();
        file += &self.links(tree, "");
        file += "ports:\n";
        for (name, end) in &self.netlist.ports {
            let address = self.address(tree, *end);
            writeln!(file, "  {name}: '{address}'").unwrap();
        }
        if !self.circuits.is_empty() {
            write!(file, "circuits:\n{}", self.circuits).unwrap();
        }
        file
    }

    fn instances(&mut self, mut text: Text, indent: &str) -> String {
        self.random.shuffle(&mut text.instances);
        text.instances.iter().map(|(name, entry)| format!("{indent}{name}: {entry}\n")).collect()
    }

    /// The instances of a circuit, after all circuits inside have been defined. Only what is not the top can leave settings
    /// to whoever uses it.
    fn circuit(&mut self, tree: &[Tree], top: bool) -> Text {
        let mut text = Text::default();
        for child in tree {
            match child {
                Tree::Part(part) => self.part(*part, top, &mut text),
                Tree::Circuit(children) => text.instances.push(self.define(children)),
            }
        }
        text
    }

    /// Writes the definition of a circuit; gives the instance that uses it.
    fn define(&mut self, tree: &[Tree]) -> (String, String) {
        let inner = self.circuit(tree, false);
        let (name, given) = (definition(tree), entries(&inner));
        let mut text = format!("  {name}:\n");
        if !inner.settings.is_empty() {
            // defaults that are not the values
            let defaults: Vec<String> =
                inner.settings.iter().map(|(name, value)| format!("{name}: {:?}", value + 0.125)).collect();
            writeln!(text, "    settings: {{{}}}", defaults.join(", ")).unwrap();
        }
        write!(text, "    instances:\n{}", self.instances(inner, "      ")).unwrap();
        text += &self.links(tree, "    ");
        text += "    ports:\n";
        for end in self.netlist.faces(tree) {
            writeln!(text, "      {}: '{}'", face(end), self.address(tree, end)).unwrap();
        }
        self.circuits += &text;
        (format!("u_{name}"), format!("{{component: {name}{given}}}"))
    }

    fn part(&mut self, part: usize, top: bool, text: &mut Text) {
        let part = &self.netlist.parts[part];
        let entry = match &part.what {
            What::Mesh { modes, arrangement, cell } => {
                format!("{{component: mesh, settings: {{n: {modes}, arrangement: {arrangement}, cell: {cell}}}}}")
            }
            What::Component(component, settings) => {
                let mut given = Vec::new();
                for (setting, &value) in component.settings.iter().zip(settings) {
                    let fixed = top || matches!(setting.unit, Unit::Count | Unit::Flag);
                    given.push(match if fixed { 0 } else { self.random.below(5) } {
                        // not as it will be
                        1 => {
                            text.overrides.push((part.name.clone(), setting.name, value));
                            format!("{}: {:?}", setting.name, setting.default)
                        }
                        2 => {
                            let name = format!("{}_{}", part.name, setting.name);
                            let entry = format!("{}: '${{settings.{name}}}'", setting.name);
                            text.settings.push((name, value));
                            entry
                        }
                        3 => {
                            let name = format!("{}_{}", part.name, setting.name);
                            let entry = format!("{}: '${{settings.{name} / 4}}'", setting.name);
                            text.settings.push((name, 4.0 * value));
                            entry
                        }
                        _ => format!("{}: {value:?}", setting.name),
                    });
                }
                self.random.shuffle(&mut given);
                match given.len() {
                    0 => component.name.to_owned(),
                    _ => format!("{{component: {}, settings: {{{}}}}}", component.name, given.join(", ")),
                }
            }
        };
        text.instances.push((part.name.clone(), entry));
    }

    /// `instance,port` of an end in a circuit.
    fn address(&mut self, tree: &[Tree], end: End) -> String {
        match tree.iter().find(|child| child.contains(end.0)).unwrap() {
            Tree::Part(part) => {
                let part = &self.netlist.parts[*part];
                format!("{},{}", part.name, part.port(end.1, self.random))
            }
            Tree::Circuit(children) => format!("u_{},{}", definition(children), face(end)),
        }
    }

    /// The links between the children of a circuit, in one of the two forms, in any order.
    fn links(&mut self, tree: &[Tree], indent: &str) -> String {
        let child = |part: usize| tree.iter().position(|child| child.contains(part));
        let mut here: Vec<[End; 2]> = Vec::new();
        for &[a, b] in &self.netlist.links {
            let (Some(of_a), Some(of_b)) = (child(a.0), child(b.0)) else { continue };
            if of_a != of_b || matches!(tree[of_a], Tree::Part(_)) {
                here.push(if self.random.yes(0.5) { [a, b] } else { [b, a] });
            }
        }
        self.random.shuffle(&mut here);
        let mut text = String::new();
        let (in_nets, others) = here.split_at(if here.is_empty() { 0 } else { self.random.below(here.len() + 1) });
        if !others.is_empty() {
            writeln!(text, "{indent}connections:").unwrap();
        }
        for &[a, b] in others {
            let [a, b] = [a, b].map(|end| self.address(tree, end));
            writeln!(text, "{indent}  {a}: {b}").unwrap();
        }
        if !in_nets.is_empty() {
            writeln!(text, "{indent}nets:").unwrap();
        }
        for &[a, b] in in_nets {
            let [a, b] = [a, b].map(|end| self.address(tree, end));
            writeln!(text, "{indent}  - {{p1: '{a}', p2: '{b}'}}").unwrap();
        }
        text
    }
}

/// What whoever uses a circuit gives it.
fn entries(inner: &Text) -> String {
    let mut given: Vec<String> = inner.settings.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    for (instance, _) in &inner.instances {
        let inside: Vec<String> = inner.overrides.iter().filter(|(of, ..)| of == instance).map(of_setting).collect();
        if !inside.is_empty() {
            given.push(format!("{instance}: {{{}}}", inside.join(", ")));
        }
    }
    if given.is_empty() { String::new() } else { format!(", settings: {{{}}}", given.join(", ")) }
}

fn of_setting((_, setting, value): &(String, &'static str, f64)) -> String {
    format!("{setting}: {value:?}")
}

/// Name of a circuit: after its first part and its depth.
fn definition(tree: &[Tree]) -> String {
    match &tree[0] {
        Tree::Part(part) => format!("c{part}"),
        Tree::Circuit(children) => format!("{}_", definition(children)),
    }
}

/// Name of a port of a circuit.
pub fn face((part, port): End) -> String {
    format!("f{part}_{port}")
}
