//! Reader of circuit netlists: SAX and gdsfactory netlists as they are (flat, recursive, folders of `.pic.yml`,
//! JSON), and the same with sub-circuits that have settings, expressions, arrays and port ranges. Gives the flattened
//! circuit: leaves, links between their ports, outer ports; what overlays need to find places by name stays known.
//!
//! ```
//! use blackbeam_schematic::{Options, Selector, flatten};
//! use blackbeam_source::{Diagnostics, Source};
//!
//! let source = Source::new("pair.yml", "
//! circuits:
//!   arm:
//!     settings: {um: 20}
//!     instances: {w: {component: straight, settings: {length: '${2 * settings.um}'}}}
//!     ports: {in0: 'w,in0', out0: 'w,out0'}
//! instances:
//!   a: arm
//!   b: {component: arm, settings: {um: 30}}
//! connections: {'a,out0': 'b,in0'}
//! ports: {in0: 'a,in0', out0: 'b,out0'}
//! ");
//! let mut found = Diagnostics::new(&source);
//! let flat = flatten(&source.parse().unwrap(), &Options::default(), &mut found).unwrap();
//! assert_eq!((flat.leaves.len(), flat.links.len(), flat.ports.len()), (2, 1, 2));
//! let lengths = Selector::new(&flat).select("*.w.length").unwrap().slots;
//! assert_eq!(flat.slots[lengths[1]].nominal, 60.0);
//! ```

mod book;
mod expr;
mod files;
mod flat;
mod flatten;
mod formula;
mod groups;
mod instance;
mod links;
mod names;
mod options;
mod order;
mod outer;
mod ports;
mod probes;
mod read;
mod reference;
mod report;
mod select;
mod settings;
#[cfg(test)]
mod tests;
mod value;

pub use expr::{Expr, Function, Operator};
pub use flat::{Flat, FlatPort, Index, Instance, Leaf, Link, Number, Owner, PathPart, Slot, SlotValue};
pub use options::{Expansion, Files, Folder, Library, Made, Nothing, Options, Part, Shape, ShapeSlot, Units};
pub use select::{BadPattern, Inside, Matches, Selector, glob};

use blackbeam_source::{Diagnostics, Node, Severity};
use flatten::Flattener;
use read::{MAX_INSTANCES, Reader};
use report::Report;

/// The circuit of a netlist whose tree is `root`; None if there are errors. All errors and warnings go to `found`.
///
/// `root` is the whole file; of its top level this reads `name`, `settings`, `instances`, `connections`, `nets`,
/// `routes`, `ports`, `circuits`, `top_level` and `probes`, keeps quiet about `pdk`, `info`, `placements` and
/// `warnings`, and leaves [`Options::sections`] to the caller.
pub fn flatten(root: &Node, options: &Options, found: &mut Diagnostics) -> Option<Flat> {
    let errors = found.count(Severity::Error);
    let flat = read_and_flatten(root, options, found);
    flat.filter(|_| found.count(Severity::Error) == errors)
}

fn read_and_flatten(root: &Node, options: &Options, found: &mut Diagnostics) -> Option<Flat> {
    let mut report = Report::new(options.strict, found);
    let loaded = files::load(root, options, &mut report);
    let mut reader = Reader::new(options, report);
    let top = reader.instances(root, &loaded);
    if reader.is_too_large {
        return None;
    }
    let order = order::inner_first(&reader.definitions, &mut reader.report)?;
    for k in order {
        reader.finish(k);
    }
    if reader.is_too_large {
        return None;
    }
    let Reader { definitions, mut report, .. } = reader;
    report.made = 0;
    let top = top?;
    let mut flattener = Flattener::new(&definitions, options, report);
    let ports = flattener.top(top);
    flattener.flat.slots = std::mem::take(&mut flattener.slots).list;
    if let Some(probes) = root.get("probes") {
        flattener.probes(top, probes);
    }
    let mut flat = std::mem::take(&mut flattener.flat);
    flat.name = root.get("name").and_then(Node::as_str).map(String::from);
    let definition = &definitions[top];
    let outer = definition.ports.names.iter().zip(&definition.outer_spans).zip(ports.iter());
    flat.ports = outer
        .filter_map(|((name, span), port)| Some(FlatPort { name: name.clone(), port: (*port)?, span: *span }))
        .collect();
    check_unused(flattener);
    Some(flat)
}

/// Circuits that nothing uses are written out too, for the errors in their values, as long as that is little work.
fn check_unused(mut flattener: Flattener) {
    let mut left = MAX_INSTANCES;
    for k in 0..flattener.definitions.len() {
        let (size, settings) = (flattener.definitions[k].size.owners, &flattener.definitions[k].settings);
        // a setting without a default waits for an instance
        let waits = settings.list.iter().any(|declared| declared.default.is_null());
        if !flattener.visited[k] && !waits && size <= left {
            left -= size;
            flattener.slots = Default::default();
            flattener.top(k);
        }
    }
}
