//! The forms in which a circuit can be written.

use super::*;
use crate::{Expr, Number, Selector, SlotValue, Units};

const CHAIN: &str = "
instances:
  a: {component: coupler_ideal, settings: {coupling: 0.3}}
  b: {component: straight, settings: {length: 20}}
connections: {'a,out0': 'b,in0'}
ports: {in0: 'a,in0', in1: 'a,in1', out0: 'b,out0', out1: 'a,out1'}
";

#[test]
fn links_in_all_forms_are_the_same() {
    let expected = canonical(&good(CHAIN));
    let forms = [
        "nets: [{p1: 'a,out0', p2: 'b,in0'}]",
        "nets: [{p1: 'b,in0', p2: 'a,out0', name: n}]",
        "routes: {bundle: {links: {'a,out0': 'b,in0'}, routing_strategy: route_bundle, settings: {x: 1}}}",
        "connections: {'a,o4': 'b,o1'}",
        "connections: {' a , out0 ': 'b,in0'}",
    ];
    for form in forms {
        let text = CHAIN.replace("connections: {'a,out0': 'b,in0'}", form);
        assert_eq!(canonical(&good(&text)), expected, "{form}");
    }
    let json = r#"{"ports": {"out1": "a,out1", "in0": "a,in0", "in1": "a,in1", "out0": "b,out0"},
        "nets": [{"p1": "a,out0", "p2": "b,in0"}],
        "instances": {"b": {"component": "straight", "settings": {"length": 20}},
                      "a": {"component": "coupler_ideal", "settings": {"coupling": 0.3}}}}"#;
    assert_eq!(canonical(&good(json)), expected, "JSON, and another order");
}

#[test]
fn a_circuit_written_out_is_the_same() {
    let nested = good(
        "
circuits:
  pair:
    settings: {k: 0.2}
    instances: {x: {component: coupler_ideal, settings: {coupling: '${settings.k}'}}, y: straight}
    connections: {'x,out0': 'y,in0'}
    ports: {in0: 'x,in0', in1: 'x,in1', out0: 'y,out0', out1: 'x,out1'}
instances: {p: {component: pair, settings: {k: 0.4}}, q: {component: pair, settings: {y: {length: 5}}}}
connections: {'p,out0-1': 'q,in0-1'}
ports: {in0-1: 'p,in0-1', out0-1: 'q,out0-1'}
",
    );
    let flat = good(
        "
instances:
  p_x: {component: coupler_ideal, settings: {coupling: 0.4}}
  p_y: straight
  q_x: {component: coupler_ideal, settings: {coupling: 0.2}}
  q_y: {component: straight, settings: {length: 5}}
nets:
  - {p1: 'q_x,out0', p2: 'q_y,in0'}
  - {p1: 'p_y,out0', p2: 'q_x,in0'}
  - {p1: 'p_x,out1', p2: 'q_x,in1'}
  - {p1: 'p_x,out0', p2: 'p_y,in0'}
ports: {in0: 'p_x,in0', in1: 'p_x,in1', out0: 'q_y,out0', out1: 'q_x,out1'}
",
    );
    let nested: BTreeSet<String> =
        canonical(&nested).iter().map(|s| s.replace("p.", "p_").replace("q.", "q_")).collect();
    assert_eq!(nested, canonical(&flat));
}

#[test]
fn port_names_of_circuits_go_clockwise() {
    let text = "
circuits:
  two: {instances: {c: coupler_ideal}, ports: {in0: 'c,in0', in1: 'c,in1', out0: 'c,out0', out1: 'c,out1'}}
instances: {a: two, b: coupler_ideal}
connections: {'a,o4': 'b,o1', 'a,o3': 'b,o2'}
ports: {o1: 'a,o1', o2: 'a,o2', o3: 'b,o3', o4: 'b,o4'}
";
    let found = canonical(&good(text));
    for line in ["a.c,out0 - b,in0", "a.c,out1 - b,in1", "o3 = b,out1", "o4 = b,out0"] {
        assert!(found.contains(line), "{line}: {found:?}");
    }
}

#[test]
fn recursive_netlists() {
    let text = "
outer:
  instances: {a: inner, b: straight}
  connections: {'a,out0': 'b,in0'}
  ports: {in0: 'a,in0', out0: 'b,out0'}
inner: {instances: {w: {component: straight, settings: {length: 7}}}, ports: {in0: 'w,in0', out0: 'w,out0'}}
";
    let (flat, said) = read_with(text, &plain());
    let expected = canonical(&flat.unwrap());
    assert!(expected.iter().any(|s| s.starts_with("a.w: straight") && s.contains("length=7")), "{said:?}");
    let renamed = text.replace("outer:", "top_level:");
    let (first, second) = renamed.split_once("inner: {").unwrap();
    let swapped = format!("inner: {{{second}{first}");
    assert_eq!(canonical(&good(&swapped)), expected, "`top_level` goes before the first");
    assert_eq!(canonical(&good(&format!("top_level: outer\n{text}"))), expected);
    let options = Options { top_level: Some("inner"), ..plain() };
    assert_eq!(read_with(text, &options).0.unwrap().leaves.len(), 1);
    let circuits = format!("top_level: outer\ncircuits:{}", text.replace('\n', "\n  "));
    assert_eq!(canonical(&good(&circuits)), expected);
    // as in SAX, a component goes before a netlist of its name
    let (flat, said) = read_with(&text.replace("inner", "phase"), &plain());
    assert!(said[0].starts_with("shadowed: phase"), "{said:?}");
    assert_eq!(flat.unwrap().leaves.len(), 2);
}

#[test]
fn folders() {
    let folder = tempfile::tempdir().unwrap();
    let inner = "instances: {w: {component: wg, settings: {length: 7}}}\nports: {in0: 'w,in0', out0: 'w,out0'}";
    std::fs::write(folder.path().join("inner.pic.yml"), inner).unwrap();
    std::fs::write(folder.path().join("wg.pic.yml"), "instances: {s: straight}\nports: {in0: 's,in0', out0: 's,out0'}")
        .unwrap();
    std::fs::write(folder.path().join("bad.pic.yml"), "instances: {s: [}").unwrap();
    let files = crate::Folder::new(folder.path());
    let options = Options { strict: false, files: &files, ..Options::default() };
    let text = "instances: {a: {component: inner, settings: {w: {s: {length: 9}}}}, b: inner}\n\
        connections: {'a,out0': 'b,in0'}\nports: {in0: 'a,in0', out0: 'b,out0'}";
    let (flat, said) = read_with(text, &options);
    let flat = flat.unwrap_or_else(|| panic!("{said:?}"));
    let paths: Vec<String> = flat.leaves.iter().map(|l| flat.owners[l.owner].to_string()).collect();
    assert_eq!(paths, ["a.w.s", "b.w.s"]);
    let slots = Selector::new(&flat).select("*.w.s.length").unwrap().slots;
    assert_eq!([flat.slots[slots[0]].nominal, flat.slots[slots[1]].nominal], [9.0, 10.0]);
    assert!(said[0].contains("`wg` has no setting `length`"), "{said:?}");
    let (flat, said) = read_with("instances: {a: bad}", &options);
    assert!(flat.is_none() && said[0].starts_with("syntax"), "{said:?}");
    let (_, said) = read_with("instances: {a: iner}", &options);
    assert!(said[0].contains("did you mean `inner`?"), "{said:?}");
}

#[test]
fn arrays_and_ranges() {
    let text = "
instances:
  a: {component: coupler_ideal, array: {columns: 2, rows: 2, column_pitch: 10, row_pitch: 5}}
  s0: straight
  s1: straight
connections:
  a<0.0-1>,out0-1: a<1.0-1>,in0-1
  a<1.1>,out:1:0: s0-1,in0
ports: {in0-3: 'a<0.0-1>,in0-1', out0-1: 'a<1.0>,out0-1', x0-1: 's0-1,out0'}
";
    let found = canonical(&good(text));
    for line in
        ["a<0.1>,out1 - a<1.1>,in1", "a<1.1>,out1 - s0,in0", "a<1.1>,out0 - s1,in0", "in2 = a<0.1>,in0", "x1 = s1,out0"]
    {
        assert!(found.contains(line), "{line}: {found:#?}");
    }
}

#[test]
fn settings_from_outside_in_their_order() {
    let text = "
circuits:
  leafs:
    settings: {k: 0.1}
    instances: {c: {component: coupler_ideal, array: {columns: 1, rows: 2}, settings: {coupling: '${settings.k}'}}}
    connections: {'c<0.0>,out0-1': 'c<0.1>,in0-1'}
    ports: {in0-1: 'c<0.0>,in0-1', out0-1: 'c<0.1>,out0-1'}
  mid:
    settings: {m: 0.5}
    instances: {l: {component: leafs, settings: {k: '${settings.m / 2}', c: {coupling: 0.6}, c<0.1>: {coupling: 0.7}}}}
    ports: {in0-1: 'l,in0-1', out0-1: 'l,out0-1'}
instances:
  a: leafs
  b: {component: leafs, settings: {k: 0.2}}
  d: mid
  e: {component: mid, settings: {l: {c: {coupling: 0.8}}}}
  f: {component: mid, settings: {m: 0.4, l: {c<0.0>: {coupling: null}}}}
connections: {'a,out0-1': 'b,in0-1', 'b,out0-1': 'd,in0-1', 'd,out0-1': 'e,in0-1', 'e,out0-1': 'f,in0-1'}
ports: {in0-1: 'a,in0-1', out0-1: 'f,out0-1'}
";
    let flat = good(text);
    let select = Selector::new(&flat);
    let value = |path: &str| flat.slots[select.select(path).unwrap().slots[0]].nominal;
    let couplings = ["a.c<0.0>", "b.c<0.1>", "d.l.c<0.0>", "d.l.c<0.1>", "e.l.c<0.0>", "e.l.c<0.1>", "f.l.c<0.0>"];
    let values: Vec<f64> = couplings.iter().map(|path| value(&format!("{path}.coupling"))).collect();
    // the outermost wins, and of one place the one with an index
    assert_eq!(values, [0.1, 0.2, 0.6, 0.7, 0.8, 0.8, 0.6]);
    assert_eq!([value("d.l.k"), value("f.l.k")], [0.25, 0.2]);
    for (k, slot) in flat.slots.iter().enumerate() {
        if let SlotValue::Expr(expr) = &slot.value {
            expr.visit_slots(&mut |used| assert!(used < k));
        }
    }
}

#[test]
fn numbers_in_all_forms() {
    let text = "
settings: {base: 5, ring: {um: 3}}
instances:
  a: {component: straight, settings: {length: {normal: [10, 0.5]}, neff: 2.0e0, ng: '${1 + 3}'}}
  b: {component: straight, settings: {length: '${settings.base * 2 + settings.ring.um}', neff: {uniform: [2, 3]}}}
connections: {'a,out0': 'b,in0'}
ports: {in0: 'a,in0', out0: 'b,out0'}
";
    let units = Units { length: 1e-3, ..Units::default() };
    let (flat, said) = read_with(text, &Options { units, ..Options::default() });
    let flat = flat.unwrap_or_else(|| panic!("{said:?}"));
    let select = Selector::new(&flat);
    let slot = |path: &str| &flat.slots[select.select(path).unwrap().slots[0]];
    assert_eq!(slot("a.length").value, SlotValue::Number(Number::Normal(10e-3, 0.5e-3)));
    assert_eq!(slot("a.ng").value, SlotValue::Number(Number::Fixed(4.0)));
    assert_eq!(slot("b.neff").value, SlotValue::Number(Number::Uniform(2.0, 3.0)));
    assert!(matches!(slot("b.length").value, SlotValue::Expr(Expr::Binary(..))));
    assert!((slot("b.length").nominal - 13e-3).abs() < 1e-15);
    assert_eq!(slot("a.wl0").nominal, 1.55, "defaults have units of their own");
    // settings of the netlist itself
    assert_eq!((slot("base").nominal, slot("ring.um").nominal), (5.0, 3.0));
    assert!(flat.owners[0].path.is_empty());
}

#[test]
fn settings_of_callers_components_are_filled_in() {
    let text = "
circuits:
  tree:
    settings: {n: 2, loss: 0.1}
    instances: {s: {component: splitter_tree, settings: {outputs: '${settings.n}', loss_dB: '${settings.loss}'}}}
    ports: {in0: 's,in0', out0-1: 's,out0-1'}
instances: {t: {component: tree, settings: {loss: 0.5}}}
";
    let flat = good(text);
    assert_eq!(flat.leaves[0].settings.as_ref().unwrap().to_json().to_string(), r#"{"outputs":2,"loss_dB":0.5}"#);
    let slot = |path: &str| &flat.slots[Selector::new(&flat).select(path).unwrap().slots[0]];
    assert!(slot("t.n").frozen.is_some(), "it cannot be trained");
    assert_eq!(flat.ports.len(), 3, "the ports of the only instance lead out");
    let (flat, said) = read(&text.replace("{loss: 0.5}", "{n: 3}"));
    assert!(flat.is_none() && said.iter().any(|s| s.starts_with("ports-change")), "{said:?}");
    let (flat, said) = read(&text.replace("n: 2,", "n: {uniform: [2, 3]},"));
    assert!(flat.is_none() && said.iter().any(|s| s.starts_with("random-structure")), "{said:?}");
}

#[test]
fn gdsfactory_files_load_as_they_are() {
    let text = "
name: mzi
pdk: ''
info: {description: demo, polarization: te}
settings: {cross_section: strip, layer: [1, 0], delta: null}
instances:
  s1:
    component: straight
    info: {length: 12, width: 0.5}
    settings: {length: 12, cross_section: strip, npoints: 2}
    virtual: false
  s2: {component: straight, array: null, info: {length: 14}, settings: {length: 13}}
  label: {component: text_rectangular, settings: {text: hi}}
  pad1: {component: pad}
  pad2: pad
placements: {s1: {x: 0, y: 1.5, rotation: 90, mirror: false}}
routes: {}
nets: [{p1: 's1,o2', p2: 's2,o1', name: x, settings: {}}, {p1: 'pad1,e3', p2: 'pad2,e1'}]
ports: {o1: 's1,o1', o2: 's2,o2'}
warnings: {}
";
    let (flat, said) = read_with(text, &plain());
    let flat = flat.unwrap_or_else(|| panic!("{said:#?}"));
    let slots = Selector::new(&flat).select("*.length").unwrap().slots;
    assert_eq!([flat.slots[slots[0]].nominal, flat.slots[slots[1]].nominal], [12.0, 14.0], "info wins, as in SAX");
    let codes: Vec<&str> = said.iter().map(|s| s.split(": ").next().unwrap()).collect();
    let unused = "unused-instance";
    let expected = ["info-overrides", unused, unused, unused, "unknown-setting", "unknown-setting"];
    assert_eq!(codes, expected, "{said:#?}");
    assert!(said[4].contains("SAX ignores it"), "{said:#?}");
    let (flat, said) = read_with(&text.replace("pad1,e3", "s1,o1"), &plain());
    assert!(flat.is_none() && said.iter().any(|s| s.starts_with("unknown-component: pad")), "{said:#?}");
}

#[test]
fn components_that_are_written_out_as_circuits() {
    let flat = good("instances: {p: pair}");
    let found = canonical(&flat);
    for line in ["p.m<0.0>,out1 - p.m<1.0>,in1", "in0 = p.m<0.0>,in0", "p.m<1.0>: coupler_ideal coupling=0.5"] {
        assert!(found.contains(line), "{line}: {found:#?}");
    }
    let select = Selector::new(&flat);
    assert_eq!(select.select("p.m<1.*>.coupling").unwrap().slots.len(), 1);
    assert!(flat.owners[0].leaf.is_none() && &*flat.owners[0].component == "pair");
    // cells are components or circuits of the file
    let cell = "
circuits:
  mine: {instances: {c: coupler_ideal}, ports: {in0-1: 'c,in0-1', out0-1: 'c,out0-1'}}
  other: {instances: {w: straight}}
  box: {settings: {n: 1}, instances: {q: {component: pair, settings: {n: '${settings.n}'}}}}
instances: {p: {component: pair, settings: {cell: mine}}}
";
    assert!(canonical(&good(cell)).contains("p.m<0.0>.c,out0 - p.m<1.0>.c,in0"));
    let (flat, said) = read(&cell.replace("cell: mine", "cell: other"));
    assert!(flat.is_none() && said[0].contains("`other` cannot stand here: it has no port `out1`"), "{said:?}");
    let boxed = cell.replace(
        "instances: {p: {component: pair, settings: {cell: mine}}}",
        "instances: {p: {component: box, settings: {n: 2}}}",
    );
    let (flat, said) = read(&boxed);
    assert!(flat.is_none() && said.iter().any(|s| s.starts_with("fixed-settings")), "{said:?}");
}
