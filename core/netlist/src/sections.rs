//! The parts of a file: the circuit, which SAX and gdsfactory know, and the sections laid over it.

use crate::file::alias;
use blackbeam_source::{Diagnostic, Diagnostics, Key, Node, Source, Span, Value};
use std::collections::HashMap;

/// Sections of this language at the top level or under `info.ddl`.
pub(crate) const OVERLAY: [&str; 16] = [
    "ddl",
    "preset",
    "units",
    "environment",
    "seed",
    "imports",
    "solver",
    "parameters",
    "actuators",
    "nonideal",
    "drift",
    "events",
    "encoding",
    "readout",
    "timing",
    "network",
];

/// Sections that `info.ddl` may hold beside those: parts of the circuit that SAX does not know.
const CIRCUIT_PARTS: [&str; 2] = ["circuits", "probes"];

/// A file in parts.
pub(crate) struct Sections {
    /// The whole file.
    pub(crate) circuit: Node,
    /// A mapping of the sections of this language.
    pub(crate) overlay: Node,
    /// `ddl: 1`: unknown names are errors.
    pub(crate) strict: bool,
}

/// Takes a file apart; None if it is no device.
pub(crate) fn split(source: &Source, root: Node, found: &mut Diagnostics) -> Option<Sections> {
    let entries = root.as_map();
    let holds_circuit = |node: &Node| node.get("instances").is_some();
    let is_device = entries.is_some_and(|entries| {
        let info = root.get("info").and_then(|info| info.get("ddl"));
        root.get("ddl").or(info).is_some()
            || holds_circuit(&root)
            || entries.iter().any(|(_, node)| holds_circuit(node))
    });
    if !is_device {
        let error = Diagnostic::error("not-a-device", "this is not a device file: it has no `instances`");
        let help = "a device file has `ddl: 1` and `instances`; see `devices/` for examples";
        found.push(error.at(source.span(0, 0)).help(help));
        return None;
    }
    let native = root.get("ddl").is_some();
    let mut sections: Vec<(Key, Node)> = Vec::new();
    let mut circuit = root;
    let entries = if let Value::Map(entries) = &mut circuit.value { &mut entries[..] } else { &mut [] };
    for (key, node) in entries.iter_mut().filter(|(key, _)| OVERLAY.contains(&key.name.as_str())) {
        if native {
            let value = std::mem::replace(&mut node.value, Value::Null);
            sections.push((key.clone(), Node { span: node.span, value }));
        } else {
            let message = format!("`{}` has no effect: the file has no `ddl: 1`", key.name);
            found.push(
                Diagnostic::warning("no-effect", message).at(key.span).help("put `ddl: 1` at the top of the file"),
            );
        }
    }
    // the names of one mapping are unique: only those of the top level can stand here again
    let own: HashMap<String, Span> = sections.iter().map(|(key, _)| (key.name.clone(), key.span)).collect();
    for (key, node) in lifted(&circuit, found) {
        if let Some(first) = own.get(&key.name) {
            let message = format!("`{}` stands at the top level and under `info.ddl`", key.name);
            found.push(Diagnostic::error("two-values", message).at(key.span).note(*first, "the other one"));
        } else if CIRCUIT_PARTS.contains(&key.name.as_str()) {
            if let Value::Map(entries) = &mut circuit.value {
                entries.push((key, node));
            }
        } else {
            sections.push((key, node));
        }
    }
    let strict = sections.iter().any(|(key, _)| key.name == "ddl");
    let mut overlay = Node { span: circuit.span, value: Value::Map(sections) };
    alias::normalise(&mut overlay, found);
    Some(Sections { circuit, overlay, strict })
}

/// The sections under `info.ddl` of the file, or of the circuit that is the device.
fn lifted(root: &Node, found: &mut Diagnostics) -> Vec<(Key, Node)> {
    let own = root.get("info").and_then(|info| info.entry("ddl"));
    let of_circuit = || {
        let named = root.get("top_level").and_then(Node::as_str).and_then(|name| root.get(name));
        let first = || root.as_map()?.iter().find(|(_, node)| node.get("instances").is_some()).map(|(_, node)| node);
        let circuit = if root.get("instances").is_some() { None } else { named.or_else(first) };
        circuit?.get("info")?.entry("ddl")
    };
    let Some((key, node)) = own.or_else(of_circuit) else { return Vec::new() };
    match &node.value {
        Value::Map(entries) => entries.clone(),
        // `info: {ddl: 1}` is the number of the version
        Value::Number(_) => vec![(key.clone(), node.clone())],
        _ => {
            let message = format!("`info.ddl` holds sections of a device file, not {}", node.kind());
            found.push(Diagnostic::error("wrong-type", message).at(node.span));
            Vec::new()
        }
    }
}

/// The units of a file as multiples of those of the language.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct UnitFactors {
    pub(crate) length: f64,
    pub(crate) time: f64,
    pub(crate) power: f64,
}

/// Factor of a unit, and how it is written.
const UNITS: [(&str, &[(&str, f64)]); 5] = [
    ("length", &[("um", 1.0), ("nm", 1e-3), ("mm", 1e3), ("m", 1e6), ("µm", 1.0), ("micrometre", 1.0)]),
    ("phase", &[("rad", 1.0)]),
    ("loss", &[("dB", 1.0)]),
    ("time", &[("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9), ("µs", 1e-6)]),
    ("power", &[("W", 1.0), ("mW", 1e-3), ("uW", 1e-6), ("µW", 1e-6)]),
];

/// Numbers of the overlay in units of time; `*` is any key or element.
const TIMES: [&[&str]; 9] = [
    &["timing", "write_fixed"],
    &["timing", "write_each"],
    &["timing", "trigger"],
    &["timing", "frame"],
    &["timing", "host_time"],
    &["actuators", "*", "response", "tau"],
    &["drift", "*", "tau"],
    &["drift", "*", "t0"],
    &["events", "*", "times", "*"],
];
const POWERS: [&[&str]; 2] = [&["encoding", "source", "power"], &["readout", "local_oscillator", "power"]];
const LENGTHS: [&[&str]; 4] = [
    &["environment", "wl"],
    &["environment", "wl", "start"],
    &["environment", "wl", "stop"],
    &["environment", "channels", "start"],
];

/// Reads `units`, and brings the numbers of the overlay into the units of the language.
pub(crate) fn convert_units(overlay: &mut Node, found: &mut Diagnostics) -> UnitFactors {
    let mut factors = UnitFactors { length: 1.0, time: 1.0, power: 1.0 };
    for (key, node) in overlay.get("units").and_then(Node::as_map).unwrap_or_default() {
        let (Some((_, known)), Some(name)) = (UNITS.iter().find(|(kind, _)| *kind == key.name), node.as_str()) else {
            continue; // the schema has said so
        };
        let Some((_, factor)) = known.iter().find(|(unit, _)| *unit == name) else {
            found.push(unknown_unit(&key.name, name, known, node.span));
            continue;
        };
        match key.name.as_str() {
            "length" => factors.length = *factor,
            "time" => factors.time = *factor,
            "power" => factors.power = *factor,
            _ => {}
        }
    }
    for (paths, factor) in [(&TIMES[..], factors.time), (&POWERS, factors.power), (&LENGTHS, factors.length)] {
        if factor != 1.0 {
            paths.iter().for_each(|path| scale(overlay, path, factor));
        }
    }
    factors
}

fn unknown_unit(kind: &str, name: &str, known: &[(&str, f64)], span: Span) -> Diagnostic {
    let names: Vec<String> =
        known.iter().filter(|(n, _)| n.is_ascii() && n.len() < 4).map(|(n, _)| format!("`{n}`")).collect();
    let error = Diagnostic::error("unit", format!("`{name}` is no unit of {kind} here")).at(span);
    error.help(format!("expected {}; numbers in other units must be converted", names.join(", ")))
}

/// Multiplies the numbers at a path.
fn scale(node: &mut Node, path: &[&str], factor: f64) {
    match (path.split_first(), &mut node.value) {
        (None, Value::Number(number)) => {
            number.value *= factor;
            number.integer = None;
        }
        (Some((step, rest)), Value::Map(entries)) => {
            let fits = |key: &Key| *step == "*" || key.name == *step;
            entries.iter_mut().filter(|(key, _)| fits(key)).for_each(|(_, inner)| scale(inner, rest, factor));
        }
        (Some((&"*", rest)), Value::Seq(items)) => items.iter_mut().for_each(|inner| scale(inner, rest, factor)),
        _ => {}
    }
}
