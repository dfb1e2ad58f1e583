//! Paths with globs.

use super::*;
use crate::{Index, Selector};

fn flat() -> Flat {
    good(
        "
settings: {global: 1}
circuits:
  cell:
    settings: {k: 0.2, g: {h: 1}}
    instances: {dc: {component: coupler_ideal, array: {columns: 1, rows: 2}}, ps: phase}
    connections: {'dc<0.0>,out0': 'ps,in0', 'ps,out0': 'dc<0.1>,in0'}
    ports: {in0: 'dc<0.0>,in0', out0: 'dc<0.1>,out0'}
instances: {m: {component: cell, array: {columns: 2, rows: 3}}, t: {component: splitter_tree, settings: {outputs: 3}}}
connections: {'m<0.0>,out0': 'm<0.1>,in0'}
ports: {in0: 'm<0.0>,in0', out0: 'm<0.1>,out0'}
",
    )
}

#[test]
fn what_patterns_name() {
    let flat = flat();
    let select = Selector::new(&flat);
    // (pattern, owners, slots)
    let cases = [
        ("m", 6, 0),
        ("m<0.1>", 1, 0),
        ("m<*.1>", 2, 0),
        ("m<0-1.1-2>", 4, 0),
        ("m<0.1>.dc<0.1>", 1, 0),
        ("m.dc", 12, 0),
        ("m.*", 18, 6),
        ("*", 7, 1),
        ("**", 25, 1 + 6 * 2 + 12 + 6 * 2 + 3),
        ("**.dc*", 12, 0),
        ("**.dc", 12, 0),
        ("m.**.dc", 12, 0),
        ("m.**", 24, 6 * 2 + 12 + 12),
        ("m.d?.coupling", 0, 12),
        ("**.coupling", 0, 12),
        ("m<1.*>.ps.phi", 0, 3),
        ("m.k", 0, 6),
        ("m.g.h", 0, 6),
        ("global", 0, 1),
        ("t.power", 0, 3),
        ("t.power<1>", 0, 1),
        ("t.power<0-1>", 0, 2),
        ("t.power<0.1>", 0, 0),
        ("m<2.0>", 0, 0),
        ("t<0.0>", 0, 0),
        ("n", 0, 0),
        ("m.k.x", 0, 0),
    ];
    for (pattern, owners, slots) in cases {
        let matches = select.select(pattern).unwrap();
        assert_eq!((matches.owners.len(), matches.slots.len()), (owners, slots), "{pattern}");
        assert_eq!(matches.is_empty(), owners + slots == 0);
    }
    let slots = select.select("**").unwrap().slots;
    assert!(slots.windows(2).all(|pair| pair[0] < pair[1]));
    let phi = select.select("m<1.2>.ps.phi").unwrap().slots[0];
    assert_eq!(flat.slot_path(phi), "m<1.2>.ps.phi");
    assert_eq!(flat.slot_path(0), "global");
}

#[test]
fn what_is_left_inside_of_callers_components() {
    let flat = flat();
    let select = Selector::new(&flat);
    let inside = |pattern: &str, path: &[(&str, Index)]| {
        let matches = select.select(pattern).unwrap();
        matches.inside.iter().any(|inside| inside.names(path))
    };
    let arm = [("s", Index::Grid(0, 1)), ("arm0", Index::None)];
    for pattern in ["t.s<0.*>.arm0", "t.s.arm?", "**.arm0", "t.**", "*.s<*.1>.*"] {
        assert!(inside(pattern, &arm), "{pattern}");
    }
    for pattern in ["t.s<1.*>.arm0", "t.s", "m.**", "t", "t.arm0", "t.s<0>.arm0"] {
        assert!(!inside(pattern, &arm), "{pattern}");
    }
    assert!(inside("t.in<2>", &[("in", Index::Line(2))]));
}

#[test]
fn what_names_nothing_is_explained() {
    let flat = flat();
    let select = Selector::new(&flat);
    for (pattern, says) in [
        ("n.ps.phi", "names there: `global`, `m`, `t`"),
        ("m.psx.phi", "did you mean `ps`?"),
        ("m.ps.phy", "did you mean `phi`?"),
        ("m<2.0>.ps", "the indices of `m` are <0.0> to <1.2>"),
        ("m<0>.ps", "the indices of `m` are <0.0> to <1.2>"),
        ("t<0.0>.power", "`t` has no index"),
        ("glob", "names there"),
        ("globel", "did you mean `global`?"),
    ] {
        assert!(select.select(pattern).unwrap().is_empty());
        let help = select.suggest(pattern).join("; ");
        assert!(help.contains(says), "{pattern}: {help}");
    }
    for pattern in ["", "a..b", "a<1", "a<x>", "a<3-1>", "a<1.2.3>", ".", "a.<0.0>", "a>b", &"a.".repeat(500)] {
        assert!(select.select(pattern).is_err(), "{pattern}");
    }
}
