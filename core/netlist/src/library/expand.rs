//! Generators that are written out as circuits of other components.

use blackbeam_meshes::Site;
use blackbeam_schematic::{Expansion, Index, Part};
use blackbeam_source::{Key, Node, Number, Span, Value};

/// A number at a place.
fn number(value: f64, span: Span) -> Node {
    Node { span, value: Value::Number(Number { value, integer: None, text: value.to_string() }) }
}

/// A mapping at a place.
fn mapping(entries: Vec<(&str, Node)>, span: Span) -> Node {
    let key = |name: &str| Key { name: name.into(), span };
    Node { span, value: Value::Map(entries.into_iter().map(|(name, node)| (key(name), node)).collect()) }
}

fn part(name: &str, index: Index, component: &str, settings: Node) -> Part {
    Part { name: name.into(), index, component: component.into(), settings }
}

/// 1 to `outputs` by 1x2 splitters `s<level.k>`, each behind an attenuator `a<level.k>` if it has a loss. Outputs in order.
pub(super) fn splitter_tree(outputs: usize, loss_db: f64, span: Span) -> Expansion {
    let mut tree = Expansion::default();
    // where light goes in at each end of the tree so far
    let mut ends: Vec<Option<(usize, String)>> = vec![None];
    for level in 0..outputs.ilog2() {
        let mut next = Vec::with_capacity(2 * ends.len());
        for (k, from) in ends.into_iter().enumerate() {
            let index = Index::Grid(level, k as u32);
            let splitter = tree.parts.len();
            tree.parts.push(part("s", index, "mmi1x2_ideal", mapping(Vec::new(), span)));
            let mut input = (splitter, String::from("in0"));
            if loss_db != 0.0 {
                tree.parts.push(part(
                    "a",
                    index,
                    "attenuator",
                    mapping(vec![("loss_dB", number(loss_db, span))], span),
                ));
                tree.links.push([(splitter + 1, String::from("out0")), input]);
                input = (splitter + 1, String::from("in0"));
            }
            match from {
                Some(from) => tree.links.push([from, input]),
                None => tree.ports.push((String::from("in0"), input)),
            }
            next.extend([0, 1].map(|out| Some((splitter, format!("out{out}")))));
        }
        ends = next;
    }
    let outer = ends.into_iter().flatten().enumerate().map(|(k, end)| (format!("out{k}"), end));
    tree.ports.extend(outer);
    tree
}

/// Two layers of meshes, `first<k>` of `block` modes and `second<k>` of n / block: mode k block + i goes into input i of first
/// k; output i of first k into input k of second i; output k of second i is mode k block + i (Dao et al., ICML 2022; see
/// [`blackbeam_meshes::monarch`]). The meshes take the other settings.
pub(super) fn monarch(n: usize, block: usize, settings: &Node) -> Expansion {
    let count = n / block;
    let span = settings.span;
    let side = |name: &str, meshes: usize, modes: usize| -> Vec<Part> {
        let own = settings.as_map().unwrap_or_default().iter().filter(|(key, _)| !["n", "block"].contains(&&*key.name));
        let mut inner: Vec<(Key, Node)> = own.cloned().collect();
        inner.push((Key { name: "n".into(), span }, number(modes as f64, settings.span_at(&["n"]))));
        let mesh = Node { span, value: Value::Map(inner) };
        (0..meshes as u32).map(|k| part(name, Index::Line(k), "mesh", mesh.clone())).collect()
    };
    let (input, output) = (|i: usize| format!("in{i}"), |i: usize| format!("out{i}"));
    let pairs = || (0..count).flat_map(move |k| (0..block).map(move |i| (k, i)));
    let ins = pairs().map(|(k, i)| (input(k * block + i), (k, input(i))));
    let outs = pairs().map(|(k, i)| (output(k * block + i), (count + i, output(k))));
    Expansion {
        links: pairs().map(|(k, i)| [(k, output(i)), (count + i, input(k))]).collect(),
        ports: ins.chain(outs).collect(),
        parts: side("first", count, block).into_iter().chain(side("second", block, count)).collect(),
    }
}

/// A mesh whose cells `m<layer.row>` are circuits (or components) of two inputs and two outputs; phase shifters `gamma<k>`
/// at its outputs.
pub(super) fn mesh_of(n: usize, sites: &[Site], circuit: &str, output_phases: bool, span: Span) -> Expansion {
    let mut mesh = Expansion::default();
    let mut at: Vec<Option<(usize, String)>> = vec![None; n];
    let mut go =
        |mesh: &mut Expansion, mode: usize, to: (usize, String), from: (usize, String)| match at[mode].replace(from) {
            Some(before) => mesh.links.push([before, to]),
            None => mesh.ports.push((format!("in{mode}"), to)),
        };
    for site in sites {
        let cell = mesh.parts.len();
        let index = Index::Grid(site.layer as u32, site.row as u32);
        mesh.parts.push(part("m", index, circuit, mapping(Vec::new(), span)));
        go(&mut mesh, site.modes.0, (cell, String::from("in0")), (cell, String::from("out0")));
        go(&mut mesh, site.modes.1, (cell, String::from("in1")), (cell, String::from("out1")));
    }
    if output_phases {
        for mode in 0..n {
            let phase = mesh.parts.len();
            mesh.parts.push(part("gamma", Index::Line(mode as u32), "phase", mapping(Vec::new(), span)));
            go(&mut mesh, mode, (phase, String::from("in0")), (phase, String::from("out0")));
        }
    }
    // every mode of every arrangement passes a cell
    let outs = at.into_iter().enumerate().filter_map(|(mode, end)| Some((format!("out{mode}"), end?)));
    mesh.ports.extend(outs);
    mesh.ports.sort_by_key(|(name, _)| {
        let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
        (name.starts_with("out"), digits.parse::<usize>().unwrap_or(0))
    });
    mesh
}

/// Name of the circuit that a netlist file becomes.
pub(crate) fn file_component(file: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    format!("file_{}", file.chars().map(plain).collect::<String>())
}

/// n inputs and outputs of one inner component.
pub(super) fn wrapped(n: usize, component: String, span: Span) -> Expansion {
    let names = (0..n).map(|k| format!("in{k}")).chain((0..n).map(|k| format!("out{k}")));
    Expansion {
        parts: vec![part("mesh", Index::None, &component, mapping(Vec::new(), span))],
        links: Vec::new(),
        ports: names.map(|name| (name.clone(), (0, name))).collect(),
    }
}
