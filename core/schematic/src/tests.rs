//! What the reader makes of whole netlists.

mod errors;
mod examples;
mod forms;
mod hostile;
mod limits;
mod selectors;

use crate::{Expansion, Flat, Library, Made, Options, Part, Shape, ShapeSlot, flatten};
use blackbeam_source::{Diagnostics, Node, Source, did_you_mean};
use std::collections::BTreeSet;

/// Flattens a text; gives the circuit and `code: underlined text: message` of all that was found.
fn read_with(text: &str, options: &Options) -> (Option<Flat>, Vec<String>) {
    let source = Source::new("test.yml", text);
    let root = source.parse().unwrap_or_else(|found| panic!("{}", found.render(false)));
    let mut found = Diagnostics::new(&source);
    let flat = flatten(&root, options, &mut found);
    let said = found.iter().map(|d| {
        let at = d.span.map_or("", |span| source.slice(span));
        format!("{}: {at}: {} {}", d.code, d.message, d.help.join(" "))
    });
    (flat, said.collect())
}

fn read(text: &str) -> (Option<Flat>, Vec<String>) {
    read_with(text, &Options { library: &Stub, ..Options::default() })
}

fn plain() -> Options<'static> {
    Options { strict: false, library: &Stub, ..Options::default() }
}

/// The circuit of a text without errors.
fn good(text: &str) -> Flat {
    let (flat, said) = read(text);
    flat.unwrap_or_else(|| panic!("{text}\n{said:#?}"))
}

/// What a circuit is, whatever the order of its instances and links.
fn canonical(flat: &Flat) -> BTreeSet<String> {
    let port = |(leaf, port): (usize, usize)| {
        let leaf = &flat.leaves[leaf];
        format!("{},{}", flat.owners[leaf.owner], leaf.ports[port])
    };
    let leaves = flat.leaves.iter().map(|leaf| {
        let owner = &flat.owners[leaf.owner];
        let slots: Vec<String> =
            flat.slots[owner.slots.clone()].iter().map(|s| format!("{}{}={}", s.name, s.index, s.nominal)).collect();
        format!("{owner}: {} {}", owner.component, slots.join(" "))
    });
    let links = flat.links.iter().map(|link| {
        let mut ends = [port(link.a), port(link.b)];
        ends.sort();
        ends.join(" - ")
    });
    let ports = flat.ports.iter().map(|p| format!("{} = {}", p.name, port(p.port)));
    leaves.chain(links).chain(ports).collect()
}

/// A tree of splitters with one slot for each output, an imported grating coupler, and two cells of any kind in a row.
struct Stub;

impl Library for Stub {
    fn find(&self, component: &str) -> Option<usize> {
        ["splitter_tree", "gc", "pair"].iter().position(|name| *name == component)
    }

    fn names(&self) -> Vec<String> {
        ["splitter_tree", "gc", "pair"].map(String::from).to_vec()
    }

    fn make(&self, component: usize, settings: &Node, found: &mut Diagnostics) -> Option<Made> {
        use blackbeam_source::Diagnostic;
        if component == 1 {
            let ports = vec!["o1".into(), "o2".into()];
            return Some(Made::Leaf(Shape { ports, inputs: 1, slots: Vec::new() }));
        }
        if component == 2 {
            return Some(Made::Circuit(pair(settings)));
        }
        let known = ["outputs", "loss_dB"];
        if let Some((key, _)) = settings.as_map()?.iter().find(|(key, _)| !known.contains(&&*key.name)) {
            let error = Diagnostic::error("stub", format!("no setting {}", key.name)).at(key.span);
            found.push(error.help_some(did_you_mean(&key.name, known)));
            return None;
        }
        let outputs = settings.get("outputs").map_or(Some(2), Node::as_u64).filter(|n| *n <= 64)? as usize;
        let slot = |k| ShapeSlot {
            name: "power".into(),
            index: crate::Index::Line(k as u32),
            value: crate::Number::Fixed(1.0 / outputs as f64),
        };
        let slots = (0..outputs).map(slot).collect();
        Some(Made::Leaf(Shape { slots, ..Shape::with_ports(1, outputs) }))
    }
}

fn pair(settings: &Node) -> Expansion {
    let cell = settings.get("cell").and_then(Node::as_str).unwrap_or("coupler_ideal");
    let part = |k| Part {
        name: "m".into(),
        index: crate::Index::Grid(k, 0),
        component: cell.into(),
        settings: Node { span: settings.span, value: blackbeam_source::Value::Map(Vec::new()) },
    };
    let link = |name: usize| [(0, format!("out{name}")), (1, format!("in{name}"))];
    let port = |part: usize, name: &str| (name.to_string(), (part, name.to_string()));
    Expansion {
        parts: vec![part(0), part(1)],
        links: vec![link(0), link(1)],
        ports: vec![port(0, "in0"), port(0, "in1"), port(1, "out0"), port(1, "out1")],
    }
}
