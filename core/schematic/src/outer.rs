//! Ports that lead out of a circuit, and those that lead nowhere.

use crate::Expansion;
use crate::book::End;
use crate::files::Kind;
use crate::links::{Joins, Use};
use crate::ports::PortTable;
use crate::read::Reader;
use crate::reference::{self, Names, shorten};
use crate::report::reference_error;
use blackbeam_source::{Diagnostic, Key, Node, Span};
use std::collections::HashMap;

/// So many instances with unconnected ports get a warning of their own in one circuit.
const MAX_UNCONNECTED: usize = 20;
/// So many names of a range are kept after an error.
const MAX_KEPT: usize = 64;

impl<'a> Reader<'a, '_, '_> {
    pub(crate) fn outer_ports(&mut self, k: usize, node: &'a Node, joins: &mut Joins, kind: Kind) {
        let section = node.entry("ports");
        let ports = section.map_or(&[][..], |(_, node)| self.mapping("ports", node));
        if ports.is_empty() {
            return self.ports_left_out(k, section.map(|(key, _)| key.span), joins, kind);
        }
        let mut names: HashMap<String, Span> = HashMap::new();
        let mut outer = Vec::new();
        for (key, value) in ports {
            joins.touched.clear();
            joins.touched.push(self.definitions[k].instances.len());
            let inner = match self.reference(value) {
                Some(text) => self.ends(k, (text, value.span), joins),
                None => None,
            };
            joins.groups.join(&joins.touched);
            let Some((all, mut inner)) = self.outer_names(key, value, inner) else { continue };
            // names without ports are kept only so that nobody says they were unknown
            let kept = if inner.is_some() { all.len() } else { all.len().min(MAX_KEPT) };
            for (i, name) in all.iter().enumerate().take(kept) {
                if let Some(first) = names.insert(name.clone(), key.span) {
                    let error = Diagnostic::error("port-name-twice", format!("two outer ports are called `{name}`"));
                    self.report.push(error.at(key.span).note(first, "first here"));
                    break;
                }
                let end = inner.as_ref().map(|inner| inner[i]);
                let end = end.filter(|end| self.claim(k, *end, value.span, Use::Outer, joins));
                // of a range, the first error is enough
                inner = inner.filter(|_| end.is_some());
                outer.push((name, end, key.span));
            }
        }
        let definition = &mut self.definitions[k];
        definition.outer = outer.iter().map(|(_, end, _)| *end).collect();
        definition.outer_spans = outer.iter().map(|(_, _, span)| *span).collect();
        definition.ports = PortTable::of_circuit(outer.into_iter().map(|(name, _, _)| name).collect());
    }

    /// The names of one entry of `ports`, with the ports inside if those are known and as many.
    fn outer_names<'k>(
        &mut self,
        key: &'k Key,
        value: &Node,
        inner: Option<Vec<End>>,
    ) -> Option<(Names<'k>, Option<Vec<End>>)> {
        if !reference::is_range(&key.name) {
            self.check_name(key, "a port");
        }
        let names = match reference::names(&key.name, &(0..key.name.len())) {
            Ok(names) => names,
            Err(fault) => {
                self.report.push(reference_error(fault, &key.name, key.span));
                return None;
            }
        };
        if !self.may_name(names.len(), key.span) {
            return None;
        }
        let Some(inner) = inner else { return Some((names, None)) };
        if inner.len() == names.len() {
            return Some((names, Some(inner)));
        }
        let message = format!("`{}` is {} name(s) for {} port(s)", shorten(&key.name), names.len(), inner.len());
        let error = Diagnostic::error("range-length", message).at(key.span).note(value.span, "the ports");
        let range = if inner.len() == 1 { String::from("0") } else { format!("0-{}", inner.len() - 1) };
        self.report.push(error.help(format!("write one name per port, such as `{}{range}`", prefix(&key.name))));
        Some((names, None))
    }

    /// A circuit of one instance needs no `ports`: those of the instance lead out.
    fn ports_left_out(&mut self, k: usize, section: Option<Span>, joins: &mut Joins, kind: Kind) {
        let definition = &self.definitions[k];
        if let [only] = definition.instances.as_slice()
            && only.elements.len() == 1
            && joins.links.is_empty()
        {
            let (span, ports) = (only.span, only.ports.clone());
            joins.groups.join(&[0, 1]);
            let names = ports.map_or(Vec::new(), |ports| ports.names.to_vec());
            let ends: Vec<End> =
                (0..names.len()).map(|port| End { instance: 0, element: 0, port: port as u32 }).collect();
            for end in &ends {
                joins.claims.insert(*end, (span, Use::Outer));
            }
            let definition = &mut self.definitions[k];
            definition.outer_spans = vec![span; names.len()];
            definition.outer = ends.into_iter().map(Some).collect();
            definition.ports = PortTable::of_circuit(names);
            return;
        }
        let open = self.options.open && kind == Kind::Top;
        if open || definition.instances.is_empty() && self.report.found.has_errors() {
            return;
        }
        let message = format!("no port of `{}` leads out: light cannot get in", definition.name);
        let span = section.unwrap_or(definition.span);
        let native = self.report.strict || kind == Kind::Circuit;
        let found =
            if native { Diagnostic::error("no-ports", message) } else { Diagnostic::warning("no-ports", message) };
        self.report.push(found.at(span).help("write `ports: {in0: \"instance,port\", ..}`"));
    }

    pub(crate) fn expanded_links(&mut self, k: usize, expansion: &Expansion, joins: &mut Joins) {
        joins.groups.join(&(0..=self.definitions[k].instances.len()).collect::<Vec<_>>());
        let span = self.definitions[k].span;
        for [a, b] in &expansion.links {
            if let (Some(a), Some(b)) = (self.part_port(k, a), self.part_port(k, b)) {
                self.join(k, [a, b], [span; 2], joins);
            }
        }
        let mut names = Vec::new();
        for (name, port) in &expansion.ports {
            let end = self.part_port(k, port).filter(|end| self.claim(k, *end, span, Use::Outer, joins));
            self.definitions[k].outer.push(end);
            self.definitions[k].outer_spans.push(span);
            names.push(name.clone());
        }
        self.definitions[k].ports = PortTable::of_circuit(names);
    }

    fn part_port(&mut self, k: usize, (part, port): &(usize, String)) -> Option<End> {
        let instance = self.definitions[k].instances.get(*part)?;
        let table = instance.ports.clone()?;
        if let Some(port) = table.find(port) {
            return Some(End { instance: *part as u32, element: 0, port: port as u32 });
        }
        // the caller asks for a circuit of a certain shape, such as a 2x2 cell
        let message = format!("`{}` cannot stand here: it has no port `{port}`", instance.component);
        let error = Diagnostic::error("unknown-port", message).at(self.definitions[k].span);
        self.report.push_once(error.help(format!("its ports are {}", table.list())));
        None
    }

    /// Ports of instances that are neither joined nor lead out.
    pub(crate) fn unconnected(&mut self, k: usize, joins: &Joins) {
        let definition = &self.definitions[k];
        let mut used = vec![0usize; definition.instances.len()];
        for end in joins.claims.keys() {
            used[end.instance as usize] += 1;
        }
        let mut warnings = Vec::new();
        let mut more = 0;
        for (i, instance) in definition.instances.iter().enumerate() {
            let Some(table) = &instance.ports else { continue };
            let (ports, elements) = (table.names.len(), instance.elements.len());
            let missing = ports * elements - used[i];
            if missing == 0 {
                continue;
            }
            if warnings.len() == MAX_UNCONNECTED {
                more += 1;
                continue;
            }
            const SHOWN: usize = 4;
            let all = (0..elements).flat_map(|element| (0..ports).map(move |port| (element, port)));
            let ends =
                all.map(|(element, port)| End { instance: i as u32, element: element as u32, port: port as u32 });
            let free = ends.filter(|end| !joins.claims.contains_key(end)).take(SHOWN);
            let names: Vec<String> = free.map(|end| format!("`{}`", definition.show(end))).collect();
            let rest = if missing > SHOWN { format!(" and {} more", missing - SHOWN) } else { String::new() };
            let (are, they) = if missing == 1 { ("is", "it is") } else { ("are", "they are") };
            let message = format!("{}{rest} {are} joined to nothing: {they} matched", names.join(", "));
            warnings.push(Diagnostic::warning("unconnected", message).at(instance.span));
        }
        if more > 0 {
            let message =
                format!("{more} more instances of `{}` have ports that are joined to nothing", definition.name);
            warnings.push(Diagnostic::warning("unconnected", message).at(definition.span));
        }
        warnings.into_iter().for_each(|warning| self.report.push(warning));
    }
}

/// `in` of `in0-3`.
fn prefix(name: &str) -> &str {
    name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-')
}
