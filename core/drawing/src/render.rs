//! The drawing of a circuit.

use crate::{
    colour, layout,
    svg::{Anchor, Sheet},
    symbol::Symbol,
};
use blackbeam_netlist::circuit::{Circuit, Port};
use std::f64::consts::TAU;

/// Boxes beyond which only their paths are written.
const DETAILED: usize = 200;

/// Draws a circuit as SVG: instances along the light from left to right, their ports and links, outer ports by their
/// names, links against the light dashed. `values` are those of all slots (`Circuit::slots`), in radians where they are
/// phases, which become colours; what is missing counts as 0.
pub fn circuit(circuit: &Circuit, values: &[f64]) -> String {
    let symbols: Vec<Symbol> = (0..circuit.instances.len()).map(|i| Symbol::new(circuit, i, values)).collect();
    let sizes: Vec<(f64, f64)> = symbols.iter().map(Symbol::size).collect();
    let at = layout::places(circuit, &sizes);
    let place = |p: &Port| {
        let (dx, dy) = symbols[p.instance].port(p.port);
        (at[p.instance].0 + dx, at[p.instance].1 + dy)
    };
    let mut sheet = Sheet::default();
    legend(&mut sheet, &circuit.name);
    for [a, b] in &circuit.links {
        let input = |p: &Port| p.port < circuit.instances[p.instance].inputs;
        let (from, to) = if input(a) && !input(b) { (b, a) } else { (a, b) };
        let (start, end) = (place(from), place(to));
        let title = format!("{} to {}", name(circuit, from), name(circuit, to));
        sheet.link(start, end, end.0 <= start.0, &title);
    }
    for (symbol, at) in symbols.iter().zip(&at) {
        symbol.draw(&mut sheet, *at, symbols.len() <= DETAILED);
    }
    for port in &circuit.ports {
        let (x, y) = place(&port.port);
        if port.port.port < circuit.instances[port.port.instance].inputs {
            sheet.line((x - 24.0, y), (x, y), "#06c");
            sheet.text((x - 27.0, y + 3.0), 10.0, Anchor::End, &port.name);
        } else {
            sheet.line((x, y), (x + 24.0, y), "#c30");
            sheet.text((x + 27.0, y + 3.0), 10.0, Anchor::Start, &port.name);
        }
    }
    sheet.finish(&circuit.name)
}

fn name(circuit: &Circuit, port: &Port) -> String {
    let instance = &circuit.instances[port.instance];
    match port.port.checked_sub(instance.inputs) {
        None => format!("{},in{}", instance.path, port.port),
        Some(k) => format!("{},out{k}", instance.path),
    }
}

/// The name, and the colours of the phases.
fn legend(sheet: &mut Sheet, name: &str) {
    sheet.text((20.0, 18.0), 13.0, Anchor::Start, name);
    const STEPS: usize = 32;
    for k in 0..STEPS {
        let fill = colour::of_phase(TAU * k as f64 / STEPS as f64);
        sheet.rect((20.0 + 5.0 * k as f64, 24.0), (5.0, 8.0), &fill, "none", "");
    }
    sheet.text((18.0, 41.0), 8.0, Anchor::Start, "0");
    sheet.text((20.0 + 5.0 * STEPS as f64, 41.0), 8.0, Anchor::Middle, "2 pi");
}

#[cfg(test)]
mod tests {
    use super::*;
    use blackbeam_netlist::{ReadOptions, read};
    use blackbeam_source::Source;

    fn draw(text: &str) -> (String, Circuit) {
        let (read, _) = read(&Source::new("drawn.ddl.yml", text), &ReadOptions::default()).unwrap();
        (circuit(&read, &vec![0.5; read.slots.len()]), read)
    }

    #[test]
    fn everything_is_in_the_drawing() {
        let (svg, _) = draw(
            "ddl: 1\nname: a<b\ninstances: {c: coupler_ideal, w: straight, p: {component: phase, settings: {phi: 0.5}}}\n\
             connections: {'c,out1': 'w,in0', 'w,out0': 'c,in1', 'c,out0': 'p,in0'}\n\
             ports: {left: 'c,in0', right: 'p,out0'}\nreadout: {mode: intensity}\n",
        );
        for word in ["a&lt;b", ">left<", ">right<", "coupler_ideal", "c,out0 to p,in0", "p: 0.5000 rad"] {
            assert!(svg.contains(word), "{word}\n{svg}");
        }
        // one loop, and only one link of it against the light
        assert_eq!(svg.matches("stroke-dasharray").count(), 1);
    }

    #[test]
    fn all_cells_of_a_mesh() {
        let (svg, circuit) = draw("ddl: 1\ninstances: {U: {component: mesh, settings: {n: 6}}}\n");
        assert_eq!(svg.matches("theta 0.5").count(), 2 * 15, "two halves each\n{svg}");
        assert_eq!(svg.matches("gamma<").count(), 0, "escaped");
        assert_eq!(svg.matches("gamma&lt;").count(), 6);
        assert_eq!(svg.matches("<text").count(), 1 + 2 + 1 + circuit.ports.len());
    }
}
