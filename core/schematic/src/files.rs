//! Which circuits a netlist has: the netlist itself, `circuits`, the entries of a recursive netlist, other files.

use crate::Options;
use crate::report::Report;
use blackbeam_source::{Diagnostic, Key, Node, Span};
use std::collections::{HashMap, HashSet};

/// Most files that a netlist may draw in.
const MAX_FILES: usize = 10_000;

/// Keys of a netlist.
pub(crate) const NETLIST_KEYS: [&str; 13] = [
    "name",
    "pdk",
    "info",
    "settings",
    "instances",
    "connections",
    "nets",
    "routes",
    "ports",
    "placements",
    "warnings",
    "schema",
    "schema_version",
];
/// Keys at the top level of a file besides.
pub(crate) const TOP_KEYS: [&str; 3] = ["circuits", "top_level", "probes"];

/// How a circuit is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The file is the circuit.
    Top,
    /// Under `circuits`: goes before components of the same name.
    Circuit,
    /// Entry of a recursive netlist, or another file: components go before it, as in SAX.
    Netlist,
}

/// The text of a circuit.
#[derive(Clone, Copy)]
pub(crate) struct Body<'a> {
    pub(crate) name: &'a str,
    pub(crate) span: Span,
    pub(crate) node: &'a Node,
    pub(crate) kind: Kind,
    /// Index of its file.
    pub(crate) file: usize,
}

/// True for a mapping that is a netlist.
fn is_netlist(node: &Node) -> bool {
    node.get("instances").is_some()
}

/// The entries of a mapping, none if it is none.
pub(crate) fn entries(node: Option<&Node>) -> &[(Key, Node)] {
    node.and_then(Node::as_map).unwrap_or(&[])
}

/// The circuits of a file, first the one that is meant by the file as a whole, if there is one.
pub(crate) fn bodies<'a>(root: &'a Node, name: &'a str, file: usize) -> Vec<Body<'a>> {
    let mut all = Vec::new();
    if let Some((key, _)) = root.entry("instances") {
        all.push(Body { name, span: key.span, node: root, kind: Kind::Top, file });
    }
    for (key, node) in entries(root.get("circuits")) {
        all.push(Body { name: &key.name, span: key.span, node, kind: Kind::Circuit, file });
    }
    if !is_netlist(root) {
        for (key, node) in entries(Some(root)).iter().filter(|(key, node)| is_netlist(node) && key.name != "circuits") {
            all.push(Body { name: &key.name, span: key.span, node, kind: Kind::Netlist, file });
        }
    }
    all
}

/// Which of the circuits of a file is meant by the file as a whole.
pub(crate) fn top(root: &Node, bodies: &[Body], wanted: Option<&str>, report: &mut Report) -> Option<usize> {
    let named = root.get("top_level").filter(|node| !is_netlist(node) && !node.is_null());
    let (name, span) = match (wanted, named) {
        (Some(name), _) => (name, None),
        (None, Some(node)) => match node.as_str() {
            Some(name) => (name, Some(node.span)),
            None => {
                let message = format!("`top_level` takes the name of a circuit, not {}", node.kind());
                report.error("wrong-type", message, node.span);
                return None;
            }
        },
        (None, None) => {
            let usual = bodies.iter().position(|body| body.kind == Kind::Netlist && body.name == "top_level");
            let first = usual.or_else(|| bodies.iter().position(|body| body.kind != Kind::Circuit));
            if first.is_none()
                && root.as_map().is_none_or(|entries| !entries.iter().any(|(k, _)| k.name == "instances"))
            {
                report.push(no_circuit(root, bodies));
            }
            return first;
        }
    };
    let found = bodies.iter().position(|body| body.name == name);
    if found.is_none() {
        let help = report.near(name, bodies.iter().map(|body| body.name));
        let error = Diagnostic::error("unknown-circuit", format!("there is no circuit `{name}`")).help_some(help);
        report.push(if let Some(span) = span { error.at(span) } else { error });
    }
    found
}

fn no_circuit(root: &Node, bodies: &[Body]) -> Diagnostic {
    let error = Diagnostic::error("no-instances", "there is no circuit in this file: `instances` is missing");
    let error = error.at(entries(Some(root)).first().map_or(root.span, |(key, _)| key.span));
    match bodies.first() {
        Some(body) => error.help(format!("`top_level: {}` makes a circuit the one that is meant", body.name)),
        None => {
            error.help("write `instances: {NAME: {component: .., settings: {..}}}` and `ports: {NAME: \"inst,port\"}`")
        }
    }
}

/// A netlist from another file.
pub(crate) struct Loaded {
    /// The component that it is.
    pub(crate) component: String,
    pub(crate) root: Node,
}

/// Reads the files of all components that neither the netlist defines nor anyone else knows.
pub(crate) fn load(root: &Node, options: &Options, report: &mut Report) -> Vec<Loaded> {
    let mut loaded: Vec<Loaded> = Vec::new();
    let mut asked: HashSet<String> = HashSet::new();
    let mut there: Option<HashSet<String>> = None;
    let mut next = 0;
    loop {
        let node = if next == 0 { root } else { &loaded[next - 1].root };
        let missing = missing_components(node, options, &mut asked);
        for component in missing {
            let there = there.get_or_insert_with(|| options.files.names().into_iter().collect());
            let file = if there.contains(&component) { options.files.load(&component) } else { None };
            match file {
                None => {}
                Some(Ok((source, root))) => {
                    report.found.add_source(&source);
                    loaded.push(Loaded { component, root });
                }
                Some(Err(found)) => report.found.extend(found),
            }
            if loaded.len() > MAX_FILES {
                let message = format!("the netlist draws in more than {MAX_FILES} files");
                report.push(Diagnostic::error("too-large", message));
                return loaded;
            }
        }
        next += 1;
        if next > loaded.len() {
            return loaded;
        }
    }
}

/// Names of components that only another file can define, each once.
fn missing_components(root: &Node, options: &Options, asked: &mut HashSet<String>) -> Vec<String> {
    let bodies = bodies(root, "", 0);
    let own: HashMap<&str, ()> = bodies.iter().map(|body| (body.name, ())).collect();
    let mut missing = Vec::new();
    for body in &bodies {
        for (_, node) in entries(body.node.get("instances")) {
            let Some(name) = node.as_str().or_else(|| node.get("component").and_then(Node::as_str)) else { continue };
            let is_known = own.contains_key(name) || asked.contains(name);
            if !is_known && options.library.find(name).is_none() && blackbeam_components::find(name).is_none() {
                asked.insert(name.into());
                missing.push(name.into());
            }
        }
    }
    missing
}
