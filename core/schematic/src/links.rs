//! How the instances of a circuit are joined, and which ports lead out.

use crate::Expansion;
use crate::book::{Elements, End, Target};
use crate::files::{Kind, entries};
use crate::groups::Groups;
use crate::read::{Origin, Reader};
use crate::reference::{self, Names, shorten};
use crate::report::reference_error;
use blackbeam_source::{Diagnostic, Key, Node, Severity, Span};
use std::collections::HashMap;

/// What a port is used for.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Use {
    /// Is joined to this one.
    Link(End),
    /// Leads out.
    Outer,
}

/// What is found while a circuit is joined.
#[derive(Default)]
pub(crate) struct Joins {
    pub(crate) links: Vec<[End; 2]>,
    pub(crate) claims: HashMap<End, (Span, Use)>,
    /// Instances that the references just read name.
    pub(crate) touched: Vec<usize>,
    /// Instances that hang together, and after the last of them the world outside.
    pub(crate) groups: Groups,
}

/// Elements of an array, not written out.
struct Block {
    columns: (u32, u32),
    rows: (u32, u32),
    /// Rows of the array.
    height: u32,
}

impl Block {
    fn len(&self) -> usize {
        let count = |(first, last): (u32, u32)| (last - first + 1) as usize;
        count(self.columns) * count(self.rows)
    }

    fn iter(&self) -> impl Iterator<Item = u32> {
        let (rows, height) = (self.rows, self.height);
        (self.columns.0..=self.columns.1).flat_map(move |c| (rows.0..=rows.1).map(move |r| c * height + r))
    }
}

/// A reference: its text and where it stands.
type Written<'t> = (&'t str, Span);

impl<'a> Reader<'a, '_, '_> {
    /// Reads links and ports of a circuit; the circuits that it uses are finished.
    pub(crate) fn finish(&mut self, k: usize) {
        self.inner_ports(k);
        let errors = self.report.found.count(Severity::Error);
        let groups = Groups::new(self.definitions[k].instances.len() + 1);
        let mut joins = Joins { groups, ..Joins::default() };
        let mut open = false;
        match std::mem::replace(&mut self.origins[k], Origin::Made(Expansion::default())) {
            Origin::Text(body) => {
                open = self.options.open && body.kind == Kind::Top;
                self.links(k, body.node, &mut joins);
                self.outer_ports(k, body.node, &mut joins, body.kind);
            }
            Origin::Made(expansion) => self.expanded_links(k, &expansion, &mut joins),
        }
        self.unknown(k, &mut joins);
        if !open && self.report.found.count(Severity::Error) == errors {
            self.unconnected(k, &joins);
        }
        self.definitions[k].links = joins.links;
        self.check_settings(k);
        self.measure(k);
    }

    /// The ports of instances that are circuits.
    fn inner_ports(&mut self, k: usize) {
        let inner: Vec<_> = self.definitions[k]
            .instances
            .iter()
            .map(|instance| match instance.target {
                Target::Circuit { definition, .. } => Some(self.definitions[definition].ports.clone()),
                _ => None,
            })
            .collect();
        for (instance, ports) in self.definitions[k].instances.iter_mut().zip(inner) {
            instance.ports = ports.or(instance.ports.take());
        }
    }

    fn links(&mut self, k: usize, node: &'a Node, joins: &mut Joins) {
        if let Some(connections) = node.get("connections") {
            for (key, value) in self.mapping("connections", connections) {
                self.link_entry(k, key, value, joins);
            }
        }
        if let Some(nets) = node.get("nets").filter(|nets| !nets.is_null()) {
            match nets.as_seq() {
                Some(items) => items.iter().for_each(|net| self.net(k, net, joins)),
                None => {
                    let message = format!("`nets` is a list of `{{p1: .., p2: ..}}`, not {}", nets.kind());
                    self.report.error("wrong-type", message, nets.span);
                }
            }
        }
        let routes = node.get("routes").map_or(&[][..], |routes| self.mapping("routes", routes));
        for (name, route) in routes {
            for (key, _) in self.mapping(&name.name, route) {
                self.unknown_key(key, &["links", "settings", "routing_strategy", "library", "name"], "a route");
            }
            if let Some(links) = route.get("links") {
                for (key, value) in self.mapping("links", links) {
                    self.link_entry(k, key, value, joins);
                }
            }
        }
    }

    fn link_entry(&mut self, k: usize, key: &Key, value: &Node, joins: &mut Joins) {
        if let Some(text) = self.reference(value) {
            self.link(k, (&key.name, key.span), (text, value.span), joins);
        }
    }

    fn net(&mut self, k: usize, net: &Node, joins: &mut Joins) {
        for (key, _) in entries(Some(net)) {
            self.unknown_key(key, &["p1", "p2", "name", "settings"], "a net");
        }
        let (Some(p1), Some(p2)) = (net.get("p1"), net.get("p2")) else {
            let message = "a net joins two ports: `{p1: \"a,out0\", p2: \"b,in0\"}`";
            return self.report.error("missing-key", message, net.span);
        };
        if let (Some(a), Some(b)) = (self.reference(p1), self.reference(p2)) {
            self.link(k, (a, p1.span), (b, p2.span), joins);
        }
    }

    pub(crate) fn reference<'n>(&mut self, node: &'n Node) -> Option<&'n str> {
        if node.as_str().is_none() {
            let message = format!("a port is `instance,port`, not {}", node.kind());
            self.report.error("bad-port", message, node.span);
        }
        node.as_str()
    }

    /// Joins ports; ranges are joined one by one.
    fn link(&mut self, k: usize, a: Written, b: Written, joins: &mut Joins) {
        // both, so that both are reported
        joins.touched.clear();
        let (from, to) = (self.ends(k, a, joins), self.ends(k, b, joins));
        joins.groups.join(&joins.touched);
        let (Some(from), Some(to)) = (from, to) else { return };
        if from.len() != to.len() {
            let message = format!("`{}` is {} port(s), `{}` is {}", shorten(a.0), from.len(), shorten(b.0), to.len());
            let error = Diagnostic::error("range-length", message).at(b.1).note(a.1, "joined to this");
            return self.report.push(error.help("ranges are joined one by one: both sides need the same number"));
        }
        // of a range, the first error is enough
        let _ = from.into_iter().zip(to).all(|(from, to)| self.join(k, [from, to], [a.1, b.1], joins));
    }

    /// Joins two ports; false if that is an error.
    pub(crate) fn join(&mut self, k: usize, ends: [End; 2], spans: [Span; 2], joins: &mut Joins) -> bool {
        if ends[0] == ends[1] {
            let message = format!("`{}` is joined to itself", self.definitions[k].show(ends[0]));
            self.report.error("joined-to-itself", message, spans[1]);
            return false;
        }
        if let Some((first, Use::Link(partner))) = joins.claims.get(&ends[0])
            && *partner == ends[1]
        {
            let message = format!("the link from `{}` stands twice", self.definitions[k].show(ends[0]));
            let warning = Diagnostic::warning("link-twice", message).at(spans[0]).note(*first, "first here");
            self.report.push_once(warning);
            return true;
        }
        let free = [0, 1].map(|i| self.claim(k, ends[i], spans[i], Use::Link(ends[1 - i]), joins));
        if free == [true, true] {
            joins.links.push(ends);
        }
        free == [true, true]
    }

    /// Takes a port for a use; an error if it is taken.
    pub(crate) fn claim(&mut self, k: usize, end: End, span: Span, what: Use, joins: &mut Joins) -> bool {
        let Some((first, other)) = joins.claims.get(&end) else {
            joins.claims.insert(end, (span, what));
            return true;
        };
        let port = self.definitions[k].show(end);
        let error = match (what, other) {
            (Use::Link(_), Use::Link(_)) => Diagnostic::error("joined-twice", format!("`{port}` is joined twice"))
                .note(*first, "first here")
                .help("a port has one partner; to split light, use a coupler or an mmi"),
            (Use::Outer, Use::Outer) => Diagnostic::error("port-twice", format!("`{port}` leads out twice"))
                .note(*first, "first here")
                .help("keep one of the names"),
            _ => Diagnostic::error("outer-port-joined", format!("`{port}` leads out and is joined inside too"))
                .note(*first, "here it is joined")
                .help("a port has one partner: remove the link, or the outer port"),
        };
        self.report.push(error.at(span));
        false
    }

    /// The ports that a reference names; None after an error, or if it is not known what the instance is.
    pub(crate) fn ends(&mut self, k: usize, (text, span): Written, joins: &mut Joins) -> Option<Vec<End>> {
        let reference = match reference::parse(text) {
            Ok(reference) => reference,
            Err(fault) => {
                self.report.push(reference_error(fault, text, span));
                return None;
            }
        };
        let definition = &self.definitions[k];
        let names = match definition.by_name.contains_key(reference.instance) {
            true => Ok(Names::one(reference.instance)),
            false => reference::names(reference.instance, &reference.instance_at),
        };
        let names = match names {
            Ok(names) => names,
            Err(fault) => {
                self.report.push(reference_error(fault, text, span));
                return None;
            }
        };
        let mut ends = Vec::new();
        for name in names.iter() {
            let Some(instance) = self.definitions[k].by_name.get(&*name).copied() else {
                let error = self.unknown_instance(k, &name).at(span.part(text, reference.instance_at));
                self.report.push(error);
                return None;
            };
            joins.touched.push(instance);
            let elements = self.elements_of(k, instance, &reference, text, span)?;
            let ports = self.ports_of(k, instance, &reference, text, span)?;
            if !self.may_name(elements.len().saturating_mul(ports.len()), span) {
                return None;
            }
            for element in elements.iter() {
                let end = |port: &usize| End { instance: instance as u32, element, port: *port as u32 };
                ends.extend(ports.iter().map(end));
            }
        }
        Some(ends)
    }

    /// The elements of an array that a reference names.
    fn elements_of(
        &mut self,
        k: usize,
        instance: usize,
        reference: &reference::Reference,
        text: &str,
        span: Span,
    ) -> Option<Block> {
        const ONLY: Block = Block { columns: (0, 0), rows: (0, 0), height: 1 };
        let instance = &self.definitions[k].instances[instance];
        let name = &instance.name;
        let fault = |code, message: String, part: std::ops::Range<usize>| {
            Diagnostic::error(code, message).at(span.part(text, part))
        };
        let error = match (instance.elements, reference.index) {
            (Elements::One(_), None) => return Some(ONLY),
            (Elements::One(_), Some(_)) => {
                fault("not-an-array", format!("`{name}` is not an array"), reference.index_at.clone())
                    .note(instance.span, "declared here")
                    .help("leave the index out, or declare `array: {columns: .., rows: ..}`")
            }
            (Elements::Array { columns: 1, rows: 1 }, None) => return Some(ONLY),
            (Elements::Array { columns, rows }, None) => {
                let message = format!("`{name}` is an array of {columns} x {rows}: which of them?");
                fault("missing-index", message, reference.instance_at.clone())
                    .note(instance.span, "declared here")
                    .help(format!("write `{name}<column.row>`, or a range such as `{name}<0.0-{}>`", rows - 1))
            }
            (Elements::Array { columns, rows }, Some([c, r])) => {
                if c.1 < columns && r.1 < rows {
                    return Some(Block { columns: c, rows: r, height: rows });
                }
                let message = format!("`{name}` has no element `{}`", &text[reference.index_at.clone()]);
                fault("index-out-of-bounds", message, reference.index_at.clone())
                    .note(instance.span, format!("{columns} column(s), {rows} row(s)"))
                    .help(format!("`<column.row>` counts from 0: the last is `<{}.{}>`", columns - 1, rows - 1))
            }
        };
        self.report.push(error);
        None
    }

    /// The ports of an instance that a reference names.
    fn ports_of(
        &mut self,
        k: usize,
        instance: usize,
        reference: &reference::Reference,
        text: &str,
        span: Span,
    ) -> Option<Vec<usize>> {
        let table = self.definitions[k].instances[instance].ports.clone()?;
        if let Some(port) = table.find(reference.port) {
            return Some(vec![port]);
        }
        let names = match reference::names(reference.port, &reference.port_at) {
            Ok(names) => names,
            Err(fault) => {
                self.report.push(reference_error(fault, text, span));
                return None;
            }
        };
        if !self.may_name(names.len().min(table.names.len()), span) {
            return None;
        }
        let instance = &self.definitions[k].instances[instance];
        let found: Result<Vec<usize>, String> = names.iter().map(|name| table.find(&name).ok_or(name)).collect();
        let missing = match found {
            Ok(ports) => return Some(ports),
            Err(missing) => missing,
        };
        let message = format!("`{}` (`{}`) has no port `{}`", instance.name, instance.component, shorten(&missing));
        let error = Diagnostic::error("unknown-port", message).at(span.part(text, reference.port_at.clone()));
        let help = self.report.near(&missing, table.names.iter());
        self.report.push(error.help_some(help).help(format!("its ports are {}", table.list())));
        None
    }

    fn unknown_instance(&mut self, k: usize, name: &str) -> Diagnostic {
        let definition = &self.definitions[k];
        let may_search = self.report.may_compare(self.definitions.len());
        let elsewhere = self.definitions.iter().find(|other| may_search && other.by_name.contains_key(name));
        if let Some(other) = elsewhere {
            let message = format!("`{name}` is an instance of `{}`, not of `{}`", other.name, definition.name);
            let help =
                format!("links join instances of one circuit; give `{}` an outer port and join that", other.name);
            return Diagnostic::error("link-across", message).help(help);
        }
        let message = format!("there is no instance `{}` in `{}`", shorten(name), definition.name);
        let help = self.report.near(name, definition.instances.iter().map(|instance| &*instance.name));
        Diagnostic::error("unknown-instance", message).help_some(help)
    }

    /// Instances whose component is unknown: SAX never looks at those that light from outside cannot reach.
    fn unknown(&mut self, k: usize, joins: &mut Joins) {
        let outside = self.definitions[k].instances.len();
        for (i, instance) in self.definitions[k].instances.iter_mut().enumerate() {
            let Target::Unknown(error) = &instance.target else { continue };
            if self.report.strict || joins.groups.are_joined(i, outside) {
                self.report.found.push((**error).clone());
            } else {
                let name = &instance.name;
                let message = format!("`{name}` is left out: its component is unknown, and light cannot reach it");
                self.report.found.push(Diagnostic::warning("unused-instance", message).at(instance.span));
            }
        }
    }
}
