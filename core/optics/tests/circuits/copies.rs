//! One circuit used again and again: as an array, with settings of its own, and inside of another circuit.

use crate::{
    netlist::{Netlist, Part, What, face},
    random::Random,
};
use blackbeam_components::{Component, Unit};
use std::fmt::Write;

/// The ways in which the copies are named: three of an array, one by itself, one inside of another circuit.
const COPIES: [&str; 5] = ["array<0.0>", "array<0.1>", "array<0.2>", "single", "wrapped"];

/// The same circuit twice: all parts of all copies side by side, and as text with one definition of what is copied.
pub fn copies(random: &mut Random, components: &[&'static Component]) -> (Netlist, String) {
    let parts = 1 + random.below(6);
    let unit = random.circuit(parts, 0.7, |random| random.one_of(components));
    let overrides: Vec<Vec<Override>> = (0..3).map(|_| overrides(&unit, random)).collect();
    let mut flat = Netlist { parts: Vec::new(), links: Vec::new(), ports: Vec::new() };
    for copy in 0..COPIES.len() {
        let base = copy * parts;
        flat.links.extend(unit.links.iter().map(|link| link.map(|(part, port)| (base + part, port))));
        for part in &unit.parts {
            flat.parts.push(Part { name: format!("y{copy}_{}", part.name), ..part.clone() });
        }
        for &(part, setting, value) in &overrides[copy.saturating_sub(2)] {
            if let What::Component(_, settings) = &mut flat.parts[base + part].what {
                settings[setting] = value;
            }
        }
    }
    let inside = flat.links.len();
    flat.name_ports();
    let mut free: Vec<_> = flat.ports.iter().map(|(_, end)| *end).collect();
    random.shuffle(&mut free);
    flat.links.extend(free[..free.len() / 2].chunks_exact(2).map(|pair| [pair[0], pair[1]]));
    flat.name_ports();

    let address = |(part, port): (usize, usize)| format!("{},{}", COPIES[part / parts], face((part % parts, port)));
    let mut text = String::from("instances:\n");
    let [array, single, wrapped] = [0, 1, 2].map(|k| entries(&unit, &overrides[k]));
    writeln!(text, "  array: {{component: unit, array: {{columns: 1, rows: 3}}, settings: {{{array}}}}}").unwrap();
    writeln!(text, "  single: {{component: unit, settings: {{{single}}}}}").unwrap();
    writeln!(text, "  wrapped: {{component: wrapper, settings: {{u: {{{wrapped}}}}}}}").unwrap();
    text += "nets:\n";
    for &[a, b] in &flat.links[inside..] {
        writeln!(text, "  - {{p1: '{}', p2: '{}'}}", address(a), address(b)).unwrap();
    }
    text += "ports:\n";
    flat.ports.iter().for_each(|(name, end)| writeln!(text, "  {name}: '{}'", address(*end)).unwrap());
    text += "circuits:\n  wrapper:\n    instances: {u: unit}\n    ports:\n";
    for (_, end) in &unit.ports {
        writeln!(text, "      {0}: 'u,{0}'", face(*end)).unwrap();
    }
    text += "  unit:\n";
    let mut definition = unit.clone();
    definition.ports.iter_mut().for_each(|(name, end)| *name = face(*end));
    for line in definition.flat(random).lines().filter(|line| *line != "ddl: 1") {
        writeln!(text, "    {line}").unwrap();
    }
    (flat, format!("ddl: 1\n{text}"))
}

/// Part, setting, value.
type Override = (usize, usize, f64);

/// Other values of some settings.
fn overrides(unit: &Netlist, random: &mut Random) -> Vec<Override> {
    let mut found = Vec::new();
    for (k, part) in unit.parts.iter().enumerate() {
        let What::Component(component, _) = &part.what else { continue };
        let What::Component(_, values) = random.component(component) else { continue };
        for (index, value) in values.into_iter().enumerate() {
            let unit = component.settings[index].unit;
            if !matches!(unit, Unit::Count | Unit::Flag) && random.yes(0.4) {
                found.push((k, index, value));
            }
        }
    }
    found
}

fn entries(unit: &Netlist, overrides: &[Override]) -> String {
    let mut all = Vec::new();
    for (k, part) in unit.parts.iter().enumerate() {
        let What::Component(component, _) = &part.what else { continue };
        let own = overrides.iter().filter(|(part, ..)| *part == k);
        let own: Vec<String> = own.map(|(_, s, value)| format!("{}: {value:?}", component.settings[*s].name)).collect();
        if !own.is_empty() {
            all.push(format!("{}: {{{}}}", part.name, own.join(", ")));
        }
    }
    all.join(", ")
}
