//! Two device files: a weight bank of rings, a hierarchy with feedback.

use super::*;
use crate::{Expr, Index, Leaf, Number, Operator, Selector, SlotValue};

const BANK: &str = "
ddl: 1
name: bank4
environment: {channels: {start: 1.5480, spacing_GHz: 200, count: 4}}
circuits:
  adddrop:
    settings: {radius: 8.0, k0: 0.03, k1: 0.03, phi: 0.0}
    instances:
      c0: {component: coupler_ideal, settings: {coupling: '${settings.k0}'}}
      c1: {component: coupler_ideal, settings: {coupling: '${settings.k1}'}}
      top: {component: straight, settings: {length: '${pi * settings.radius}', neff: 2.34, ng: 4.2, loss_dB_cm: 3.0}}
      bot: {component: straight, settings: {length: '${pi * settings.radius}', neff: 2.34, ng: 4.2, loss_dB_cm: 3.0}}
      heat: {component: phase, settings: {phi: '${settings.phi}'}}
    connections:
      c0,out1: top,in0
      top,out0: c1,in0
      c1,out0: heat,in0
      heat,out0: bot,in0
      bot,out0: c0,in1
    ports: {in0: 'c0,in0', thru: 'c0,out0', add: 'c1,in1', drop: 'c1,out1'}
  row:
    instances:
      r: {component: adddrop, array: {columns: 4, rows: 1}}
    connections:
      r<0.0>,thru: r<1.0>,in0
      r<1.0>,thru: r<2.0>,in0
      r<2.0>,thru: r<3.0>,in0
      r<1.0>,drop: r<0.0>,add
      r<2.0>,drop: r<1.0>,add
      r<3.0>,drop: r<2.0>,add
    ports: {in0: 'r<0.0>,in0', thru: 'r<3.0>,thru', drop: 'r<0.0>,drop'}
instances:
  split: {component: splitter_tree, settings: {outputs: 4, loss_dB: 0.3}}
  bank: {component: row, array: {columns: 1, rows: 4}}
connections:
  split,out0-3: bank<0.0-3>,in0
ports:
  bus: split,in0
  plus0-3: bank<0.0-3>,thru
  minus0-3: bank<0.0-3>,drop
parameters: {}
";

#[test]
fn a_weight_bank() {
    let options = Options { library: &Stub, sections: &["ddl", "environment", "parameters"], ..Options::default() };
    let (flat, said) = read_with(BANK, &options);
    let flat = flat.unwrap_or_else(|| panic!("{said:#?}"));
    // a splitter; 4 rows of 4 rings of 5 leaves
    assert_eq!((flat.leaves.len(), flat.owners.len()), (1 + 16 * 5, 1 + 4 + 16 + 16 * 5));
    assert_eq!(flat.links.len(), 4 + 4 * 6 + 16 * 5);
    let names: Vec<&str> = flat.ports.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["bus", "plus0", "plus1", "plus2", "plus3", "minus0", "minus1", "minus2", "minus3"]);
    assert!(canonical(&flat).contains("plus2 = bank<0.2>.r<3.0>.c0,out0"));
    assert!(canonical(&flat).contains("bank<0.1>.r<0.0>.c0,out0 - bank<0.1>.r<1.0>.c0,in0"));
    // the end of the drop bus
    assert!(said.iter().any(|s| s.starts_with("unconnected: r: `r<3.0>,add`")), "{said:?}");

    let select = Selector::new(&flat);
    let phi = select.select("bank<0.*>.r<*.0>.phi").unwrap();
    assert_eq!(phi.slots.len(), 16);
    assert_eq!(flat.slot_path(phi.slots[7]), "bank<0.1>.r<3.0>.phi");
    assert_eq!(select.select("bank*.r*.c?").unwrap().owners.len(), 32);
    assert_eq!(select.select("bank*.r*").unwrap().owners.len(), 16);

    // the length of an arm stays a function of the radius of its ring
    let top = flat.owners.iter().find(|o| o.to_string() == "bank<0.1>.r<3.0>.top").unwrap();
    let length = &flat.slots[top.slots.clone()].iter().find(|s| s.name == "length").unwrap();
    let radius = select.select("bank<0.1>.r<3.0>.radius").unwrap().slots[0];
    let pi = Box::new(Expr::Constant(std::f64::consts::PI));
    assert_eq!(length.value, SlotValue::Expr(Expr::Binary(Operator::Multiply, pi, Box::new(Expr::Slot(radius)))));
    assert_eq!(length.nominal, 8.0 * std::f64::consts::PI);
    assert!(matches!(flat.leaves[0].kind, Leaf::Foreign(0)));
    assert_eq!(flat.slots[flat.owners[0].slots.start + 2].index, Index::Line(2));
}

const LOOPED: &str = "
ddl: 1
name: looped
circuits:
  ring:
    settings: {length: 62.8, coupling: 0.3}
    instances:
      c: {component: coupler_ideal, settings: {coupling: '${settings.coupling}'}}
      w: {component: straight, settings: {length: '${settings.length}', neff: 2.34, ng: 4.0, loss_dB_cm: 6.0}}
    connections: {'c,out1': 'w,in0', 'w,out0': 'c,in1'}
    ports: {in0: 'c,in0', out0: 'c,out0'}
  rmzi:
    instances:
      dc: {component: coupler_ideal, array: {columns: 1, rows: 2}}
      r: ring
      ref: {component: straight, settings: {length: 45.0, neff: 2.34, ng: 4.0}}
      ps: {component: phase, settings: {phi: 0.4}}
    connections:
      dc<0.0>,out0: r,in0
      r,out0: dc<0.1>,in0
      dc<0.0>,out1: ref,in0
      ref,out0: ps,in0
      ps,out0: dc<0.1>,in1
    ports: {i0: 'dc<0.0>,in0', i1: 'dc<0.0>,in1', o0: 'dc<0.1>,out0', o1: 'dc<0.1>,out1'}
instances:
  m0: rmzi
  m1: {component: rmzi, settings: {ps: {phi: 1.9}, ref: {length: 61.0}}}
  link: {component: straight, settings: {length: 20.0, neff: 2.34, ng: 4.0, loss_dB_cm: 2.0}}
  tap: {component: coupler_ideal, settings: {coupling: 0.2}}
  loop: {component: straight, settings: {length: 310.0, neff: 2.34, ng: 4.0, loss_dB_cm: 2.0}}
  gco: {component: gc}
nets:
  - {p1: 'm0,o0', p2: 'm1,i0'}
  - {p1: 'm0,o1', p2: 'link,in0'}
  - {p1: 'link,out0', p2: 'm1,i1'}
  - {p1: 'm1,o1', p2: 'tap,in0'}
  - {p1: 'tap,out1', p2: 'loop,in0'}
  - {p1: 'loop,out0', p2: 'm0,i1'}
  - {p1: 'm1,o0', p2: 'gco,o1'}
ports: {in: 'm0,i0', out: 'gco,o2', mon: 'tap,out0'}
probes: {inside: 'm1.dc<0.1>,in0', mid: 'm1,o0'}
";

#[test]
fn a_hierarchy_with_feedback() {
    let options = Options { library: &Stub, sections: &["ddl"], ..Options::default() };
    let (flat, said) = read_with(LOOPED, &options);
    let flat = flat.unwrap_or_else(|| panic!("{said:#?}"));
    assert_eq!(flat.leaves.len(), 2 * 6 + 4);
    assert_eq!(flat.links.len(), 7 + 2 * (5 + 2));
    let select = Selector::new(&flat);
    let nominal = |path: &str| flat.slots[select.select(path).unwrap().slots[0]].nominal;
    assert_eq!([nominal("m0.ps.phi"), nominal("m1.ps.phi")], [0.4, 1.9]);
    assert_eq!([nominal("m0.ref.length"), nominal("m1.ref.length")], [45.0, 61.0]);
    assert_eq!(select.select("m*.r.coupling").unwrap().slots.len(), 2);
    let count = |pattern: &str| select.select(pattern).unwrap().owners.len();
    assert_eq!([count("**.dc*"), count("**.w"), count("**.c"), count("**"), count("*")], [4, 2, 2, 20, 6]);
    let path = |port: (usize, usize)| flat.owners[flat.leaves[port.0].owner].to_string();
    let probes: Vec<_> = flat.probes.iter().map(|p| (p.name.as_str(), path(p.port), p.port.1)).collect();
    assert_eq!(probes, [("inside", "m1.dc<0.1>".into(), 0), ("mid", "m1.dc<0.1>".into(), 2)]);
    let coupling = select.select("m1.r.c.coupling").unwrap().slots[0];
    assert!(matches!(flat.slots[coupling].value, SlotValue::Expr(Expr::Slot(_))));
    let fixed = select.select("m1.r.coupling").unwrap().slots[0];
    assert_eq!(flat.slots[fixed].value, SlotValue::Number(Number::Fixed(0.3)));
    assert_eq!(said.len(), 1, "{said:?}"); // tap,in1
}
