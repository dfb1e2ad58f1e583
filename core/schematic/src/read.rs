//! Reads circuits: first what instances they have, then, inner circuits before outer ones, how those are joined.

use crate::book::{Declaration, Definition, Elements, Foreign, Size, Target};
use crate::files::{self, Body, Kind, Loaded, NETLIST_KEYS, TOP_KEYS, entries};
use crate::ports::PortTable;
use crate::reference::shorten;
use crate::report::{MAX_MADE, Report};
use crate::settings::{Name, Scope, Settings, fill};
use crate::value::Slots;
use crate::{Expansion, Made, Options, Shape};
use blackbeam_components::{Component, Ports};
use blackbeam_source::{Diagnostic, Key, Node, Span, Value, did_you_mean};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

/// Most elements of an array, and most instances after flattening.
pub(crate) const MAX_INSTANCES: u64 = 1 << 18;

/// Most ports that the links and outer ports of all circuits may name.
const MAX_ENDS: usize = 1 << 22;

/// Where the links of a circuit come from.
pub(crate) enum Origin<'a> {
    Text(Body<'a>),
    Made(Expansion),
}

pub(crate) struct Reader<'a, 'o, 'f> {
    pub(crate) options: &'o Options<'o>,
    pub(crate) report: Report<'f>,
    pub(crate) definitions: Vec<Definition<'a>>,
    pub(crate) origins: Vec<Origin<'a>>,
    /// For each file, its circuits by name.
    circuits: Vec<HashMap<&'a str, Body<'a>>>,
    /// What each other file is as a component.
    tops: HashMap<&'a str, Body<'a>>,
    /// Definition of each circuit that was met, by its text.
    known: HashMap<*const Node, usize>,
    tables: HashMap<(&'static str, usize, usize), Rc<PortTable>>,
    /// All components, but for the circuits of the file; for suggestions.
    component_names: Option<Vec<String>>,
    /// There is a circuit that must not be flattened.
    pub(crate) is_too_large: bool,
    /// So many ports more may be named, ranges written out.
    pub(crate) ends_left: usize,
}

/// What the name of a component means.
enum Meaning<'a> {
    Primitive(&'static Component),
    Foreign(usize),
    Circuit(Body<'a>),
}

impl<'a, 'o, 'f> Reader<'a, 'o, 'f> {
    pub(crate) fn new(options: &'o Options<'o>, report: Report<'f>) -> Self {
        Reader {
            options,
            report,
            definitions: Vec::new(),
            origins: Vec::new(),
            circuits: Vec::new(),
            tops: HashMap::new(),
            known: HashMap::new(),
            tables: HashMap::new(),
            component_names: None,
            is_too_large: false,
            ends_left: MAX_ENDS,
        }
    }

    /// Reads the instances of all circuits that are used, and of all under `circuits`. Gives the definition that the
    /// file is as a whole.
    pub(crate) fn instances(&mut self, root: &'a Node, loaded: &'a [Loaded]) -> Option<usize> {
        let bodies = files::bodies(root, "the netlist", 0);
        let top = files::top(root, &bodies, self.options.top_level, &mut self.report);
        self.top_keys(root, &bodies);
        self.circuits.push(by_name(&bodies));
        for (k, file) in loaded.iter().enumerate() {
            let bodies = files::bodies(&file.root, &file.component, k + 1);
            if let Some(top) = files::top(&file.root, &bodies, None, &mut self.report) {
                self.tops.insert(&file.component, Body { kind: Kind::Netlist, ..bodies[top] });
            }
            self.circuits.push(by_name(&bodies));
        }
        let top = top.map(|top| self.definition_of(bodies[top]));
        for body in bodies.iter().filter(|body| body.kind == Kind::Circuit) {
            self.definition_of(*body);
        }
        // reading one adds those that it uses
        let mut next = 0;
        while next < self.definitions.len() {
            if let Origin::Text(body) = self.origins[next] {
                self.read_instances(next, body);
            }
            next += 1;
        }
        top
    }

    /// Keys of the top level that nobody reads.
    fn top_keys(&mut self, root: &Node, bodies: &[Body]) {
        let Some(all) = root.as_map() else {
            let message = format!("a netlist is a mapping, not {}", root.kind());
            return self.report.error("wrong-type", message, root.span);
        };
        for (key, node) in all.iter().filter(|(key, _)| key.name == "circuits") {
            self.mapping(&key.name, node);
        }
        let circuits: HashSet<&str> =
            bodies.iter().filter(|body| body.kind == Kind::Netlist).map(|body| body.name).collect();
        let known: Vec<&str> = NETLIST_KEYS.iter().chain(&TOP_KEYS).chain(self.options.sections).copied().collect();
        for (key, _) in all.iter().filter(|(key, _)| !circuits.contains(key.name.as_str())) {
            self.unknown_key(key, &known, "the file");
        }
    }

    /// Says so if `key` is not among `known`.
    pub(crate) fn unknown_key(&mut self, key: &Key, known: &[&str], place: &str) {
        if known.contains(&key.name.as_str()) {
            return;
        }
        let message = format!("unknown key `{}` in {place}", shorten(&key.name));
        let help = self.report.near(&key.name, known.iter());
        let all = help.is_none().then(|| format!("known here are {}", known.join(", ")));
        let found = self.report.dropped("unknown-key", message, "it has no effect").at(key.span);
        self.report.push(found.help_some(help).help_some(all));
    }

    /// A section that the caller reads, in a file that is only a part.
    fn foreign_section(&mut self, key: &Key) {
        if key.name != "ddl" {
            let message =
                format!("`{}` has no effect here: it counts in the file that is read as a whole only", key.name);
            self.report.push_once(Diagnostic::warning("ignored-section", message).at(key.span));
        }
    }

    /// Takes `n` from the number of ports that may still be named; says so once there are too many.
    pub(crate) fn may_name(&mut self, n: usize, span: Span) -> bool {
        if n > self.ends_left && self.ends_left > 0 {
            let message = format!("links and outer ports name more than {MAX_ENDS} ports");
            self.report.error("too-large", message, span);
        }
        let fits = n <= self.ends_left;
        self.ends_left = if fits { self.ends_left - n } else { 0 };
        fits
    }

    /// The entries of what must be a mapping; a null is an empty one.
    pub(crate) fn mapping<'n>(&mut self, name: &str, node: &'n Node) -> &'n [(Key, Node)] {
        if node.as_map().is_none() && !node.is_null() {
            let message = format!("`{name}` is a mapping, not {}", node.kind());
            self.report.error("wrong-type", message, node.span);
        }
        entries(Some(node))
    }

    /// The definition of a circuit, made (empty) if it is met for the first time.
    fn definition_of(&mut self, body: Body<'a>) -> usize {
        if let Some(known) = self.known.get(&std::ptr::from_ref(body.node)) {
            return *known;
        }
        let definition = self.add(body.name.into(), body.span, Origin::Text(body));
        self.known.insert(body.node, definition);
        definition
    }

    fn add(&mut self, name: Arc<str>, span: Span, origin: Origin<'a>) -> usize {
        self.definitions.push(Definition {
            name,
            span,
            settings: Rc::default(),
            instances: Vec::new(),
            by_name: HashMap::new(),
            links: Vec::new(),
            outer: Vec::new(),
            outer_spans: Vec::new(),
            ports: PortTable::of_circuit(Vec::new()),
            size: Size::default(),
        });
        self.origins.push(origin);
        self.definitions.len() - 1
    }

    fn read_instances(&mut self, k: usize, body: Body<'a>) {
        if body.node.as_map().is_none() {
            let message =
                format!("the circuit `{}` is a mapping with `instances`, not {}", body.name, body.node.kind());
            return self.report.error("wrong-type", message, body.node.span);
        }
        if body.kind != Kind::Top {
            for (key, _) in entries(Some(body.node)) {
                if body.file > 0 && self.options.sections.contains(&key.name.as_str()) {
                    self.foreign_section(key);
                } else if body.file == 0 || !TOP_KEYS.contains(&key.name.as_str()) {
                    self.unknown_key(key, &NETLIST_KEYS, &format!("the circuit `{}`", body.name));
                }
            }
        }
        let declared = body.node.get("settings").map_or(&[][..], |node| self.mapping("settings", node));
        let settings = Rc::new(Settings::read(declared));
        // defaults, for what instances are built from
        let mut slots = Slots::default();
        let scope = Scope::bind(&settings, &[], &mut slots, &mut self.report);
        let Some((_, node)) = body.node.entry("instances") else {
            let error = Diagnostic::error("no-instances", format!("the circuit `{}` has no `instances`", body.name));
            return self.report.push(error.at(body.span));
        };
        let declared = self.mapping("instances", node);
        if declared.len() as u64 > MAX_INSTANCES {
            let message = format!("{} instances; at most {MAX_INSTANCES} can be built", declared.len());
            self.is_too_large = true;
            return self.report.error("too-large", message, body.span);
        }
        let mut instances = Vec::new();
        for (key, node) in declared {
            self.check_name(key, "an instance");
            if let Some(Name::Group) = settings.names.get(&key.name) {
                let message = format!("`{}` is an instance and a mapping of settings", key.name);
                let span = body.node.span_at(&["settings", &key.name]);
                let error = Diagnostic::error("setting-is-instance", message).at(span);
                let help = "write the settings of an instance where it is declared, or give the mapping another name";
                self.report.push(error.help(help));
            }
            instances.extend(self.instance(key, node, body.file, &scope, &mut slots));
        }
        let definition = &mut self.definitions[k];
        definition.settings = settings;
        for (i, instance) in instances.iter().enumerate() {
            definition.by_name.entry(instance.name.clone()).or_insert(i);
        }
        definition.instances = instances;
    }

    /// Finds out what an instance is, and its ports if it is not a circuit.
    pub(crate) fn resolve(
        &mut self,
        declaration: &mut Declaration<'a>,
        file: usize,
        scope: &Rc<Scope<'a>>,
        slots: &mut Slots,
    ) {
        let Some(meaning) = self.meaning(&declaration.component, file, declaration.component_span) else {
            declaration.target = Target::Unknown(Box::new(self.unknown_component(declaration, file)));
            return;
        };
        match meaning {
            Meaning::Circuit(body) => {
                declaration.target = Target::Circuit { definition: self.definition_of(body), made: None }
            }
            Meaning::Primitive(component) => {
                declaration.target = Target::Primitive(component);
                declaration.ports = self.primitive_ports(component, declaration, scope, slots);
            }
            Meaning::Foreign(component) => self.make(component, declaration, file, scope, slots),
        }
    }

    fn make(
        &mut self,
        component: usize,
        declaration: &mut Declaration<'a>,
        file: usize,
        scope: &Rc<Scope<'a>>,
        slots: &mut Slots,
    ) {
        let written = declaration.settings[..declaration.written].to_vec();
        let given = Node { span: declaration.settings_span, value: Value::Map(written) };
        let settings = fill(&given, scope, slots, &mut self.report);
        let varies = settings != given;
        match make(self.options, component, &settings, declaration, &mut self.report) {
            Some(Made::Leaf(shape)) => {
                declaration.ports = Some(PortTable::of_leaf(shape.ports.clone(), shape.inputs, &[]));
                declaration.target = Target::Foreign(Box::new(Foreign { component, shape, settings, varies }));
            }
            Some(Made::Circuit(expansion)) => {
                let definition = self.expansion(expansion, declaration, file);
                let made = Some(Box::new(Foreign { component, shape: Shape::default(), settings, varies }));
                declaration.target = Target::Circuit { definition, made };
            }
            None => {}
        }
    }

    /// A component of the caller that is written out as a circuit.
    fn expansion(&mut self, mut expansion: Expansion, around: &Declaration<'a>, file: usize) -> usize {
        let (scope, mut slots) = (Scope::empty(), Slots::default());
        let mut instances = Vec::with_capacity(expansion.parts.len());
        let mut by_name = HashMap::new();
        for (k, part) in std::mem::take(&mut expansion.parts).into_iter().enumerate() {
            let settings = match part.settings.value {
                Value::Map(entries) => entries,
                _ => Vec::new(),
            };
            let written = settings.len();
            let mut declaration = Declaration {
                name: part.name.into(),
                span: around.span,
                component_span: around.component_span,
                component: part.component.into(),
                target: Target::Broken,
                elements: Elements::One(part.index),
                settings: Cow::Owned(settings),
                written,
                settings_span: around.settings_span,
                ports: None,
            };
            self.resolve(&mut declaration, file, &scope, &mut slots);
            by_name.entry(declaration.name.clone()).or_insert(k);
            instances.push(declaration);
        }
        let definition = self.add(around.component.clone(), around.span, Origin::Made(expansion));
        self.definitions[definition].instances = instances;
        self.definitions[definition].by_name = by_name;
        definition
    }

    fn meaning(&mut self, name: &str, file: usize, span: Span) -> Option<Meaning<'a>> {
        let own = self.circuits[file].get(name).copied();
        let foreign = self.options.library.find(name).map(Meaning::Foreign);
        let component = foreign.or_else(|| blackbeam_components::find(name).map(Meaning::Primitive));
        match (own, component) {
            (Some(body), Some(component)) => {
                let (winner, message) = match body.kind {
                    Kind::Circuit => (Meaning::Circuit(body), "the circuit of this file is used"),
                    _ => (component, "the component is used, as in SAX"),
                };
                let message = format!("`{name}` is a component and a circuit of this file; {message}");
                let warning = Diagnostic::warning("shadowed", message).at(body.span).note(span, "used here");
                self.report.push_once(warning);
                Some(winner)
            }
            (Some(body), None) => Some(Meaning::Circuit(body)),
            (None, Some(component)) => Some(component),
            (None, None) => self.tops.get(name).copied().map(Meaning::Circuit),
        }
    }

    fn unknown_component(&mut self, declaration: &Declaration, file: usize) -> Diagnostic {
        let name = &*declaration.component;
        let known = self.component_names.get_or_insert_with(|| {
            let mut known = self.options.library.names();
            known.extend(blackbeam_components::catalogue().iter().map(|component| component.name.to_string()));
            known.extend(self.options.files.names());
            known.sort();
            known
        });
        let known = known.iter().map(String::as_str);
        let help = match self.report.may_compare(known.len() + self.circuits[file].len()) {
            true => did_you_mean(name, known.chain(self.circuits[file].keys().copied())),
            false => None,
        };
        let error = Diagnostic::error("unknown-component", format!("unknown component `{}`", shorten(name)));
        let error = error.at(declaration.component_span);
        match help {
            Some(help) => error.help(help),
            None => {
                error.help("define it under `circuits`, import it, or put its netlist beside this file as NAME.pic.yml")
            }
        }
    }

    fn primitive_ports(
        &mut self,
        component: &'static Component,
        declaration: &Declaration<'a>,
        scope: &Rc<Scope<'a>>,
        slots: &mut Slots,
    ) -> Option<Rc<PortTable>> {
        let mut settings = component.defaults();
        if let Ports::Counted { inputs, outputs } = component.ports {
            for name in [inputs, outputs] {
                let k = component.setting(name)?;
                settings[k] = self.count(component, k, declaration, scope, slots)?;
            }
        }
        let (inputs, outputs) = match component.size(&settings) {
            Ok(size) => size,
            Err(message) => {
                self.report.error("port-count", message, declaration.settings_span);
                return None;
            }
        };
        let table = self.tables.entry((component.name, inputs, outputs)).or_insert_with(|| {
            PortTable::of_leaf(Shape::with_ports(inputs, outputs).ports, inputs, component.port_aliases)
        });
        Some(table.clone())
    }

    /// The value of setting `k` of a component, which says how many ports there are.
    fn count(
        &mut self,
        component: &Component,
        k: usize,
        declaration: &Declaration<'a>,
        scope: &Rc<Scope<'a>>,
        slots: &mut Slots,
    ) -> Option<f64> {
        let setting = &component.settings[k];
        let is_it = |(key, node): &&(Key, Node)| component.setting(&key.name) == Some(k) && !node.is_null();
        let Some((_, node)) = declaration.settings.iter().find(is_it) else { return Some(setting.default) };
        match scope.number(setting.name, node, 1.0) {
            Ok(value) => Some(slots.nominal_of(&value)),
            // said again, with all others, when the circuit is written out
            Err(_) => None,
        }
    }
}

fn by_name<'a>(bodies: &[Body<'a>]) -> HashMap<&'a str, Body<'a>> {
    bodies.iter().filter(|body| body.kind != Kind::Top).map(|body| (body.name, *body)).collect()
}

/// Asks the caller what its component is; there is an error if it does not say.
pub(crate) fn make(
    options: &Options,
    component: usize,
    settings: &Node,
    declaration: &Declaration,
    report: &mut Report,
) -> Option<Made> {
    if report.made > MAX_MADE {
        return None; // as was said
    }
    let before = report.found.count(blackbeam_source::Severity::Error);
    let made = options.library.make(component, settings, report.found);
    if made.is_none() && report.found.count(blackbeam_source::Severity::Error) == before {
        let message = format!("`{}` cannot be built with these settings", declaration.component);
        report.push_once(Diagnostic::error("bad-component", message).at(declaration.settings_span));
    }
    report.made += match &made {
        None => 0,
        Some(Made::Leaf(shape)) => shape.slots.len() + shape.ports.len(),
        Some(Made::Circuit(inner)) => inner.parts.len() + inner.links.len() + inner.ports.len(),
    };
    if report.made > MAX_MADE {
        let message = format!("the components up to here have more than {MAX_MADE} numbers and ports");
        report.push_once(Diagnostic::error("too-large", message).at(declaration.settings_span));
        return None;
    }
    made
}
