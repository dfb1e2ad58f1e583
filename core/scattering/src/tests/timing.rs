//! Timings: `cargo test -p blackbeam-scattering -- --ignored --nocapture`.

use std::time::Instant;

use super::*;

/// Compiles, solves three times and takes the adjoint, and prints the times.
fn report(name: &str, circuit: &Circuit, lanes: usize, method: Method) {
    let start = Instant::now();
    let plan = Plan::new(&circuit.structure, method).unwrap();
    let compile = start.elapsed();
    let values: Vec<Complex64> = circuit.values().iter().flat_map(|&v| std::iter::repeat_n(v, lanes)).collect();
    let mut out = vec![Complex64::ZERO; plan.outputs() * plan.inputs() * lanes];
    let mut workspace = Workspace::new();
    let mut time = |work: &mut dyn FnMut(&mut Workspace)| {
        (0..4)
            .map(|_| {
                let start = Instant::now();
                work(&mut workspace);
                start.elapsed()
            })
            .min()
            .unwrap()
    };
    let solve = time(&mut |w| plan.solve(&values, lanes, &mut out, w).unwrap());
    let cotangent = out.clone();
    let mut d_values = vec![Complex64::ZERO; values.len()];
    let adjoint = time(&mut |w| plan.adjoint(&values, lanes, &cotangent, &mut d_values, w).unwrap());
    println!("{name}, {method:?}: compile {compile:?}, solve {solve:?}, adjoint {adjoint:?}\n{}", plan.parts());
}

/// A rectangular mesh of couplers with `columns` columns, written out.
fn mesh(modes: usize, columns: usize) -> Circuit {
    let mut last: Vec<Option<Port>> = vec![None; modes];
    let (mut matrices, mut links, mut inputs) = (Vec::new(), Vec::new(), vec![None; modes]);
    for column in 0..columns {
        for top in (column % 2..modes - 1).step_by(2) {
            let block = matrices.len();
            matrices.push(coupler(0.6));
            for (mode, side) in [(top, 0), (top + 1, 1)] {
                match last[mode] {
                    Some(before) => links.push([before, port(block, side)]),
                    None => inputs[mode] = Some(port(block, side)),
                }
                last[mode] = Some(port(block, side + 2));
            }
        }
    }
    let blocks = vec![4; matrices.len()];
    let entries = (0..matrices.len())
        .flat_map(|block| (0..16).map(move |i| Entry { block, from: i % 4, to: i / 4 }))
        .filter(|e| (e.from < 2) != (e.to < 2))
        .collect();
    let inputs = inputs.into_iter().flatten().collect();
    let outputs = last.into_iter().flatten().map(Output::leaving).collect();
    Circuit { structure: Structure { blocks, entries, links, inputs, outputs }, matrices }
}

#[test]
#[ignore = "prints timings"]
fn timings() {
    let rings = ring_chain(16, 0.9, Complex64::from_polar(0.99, 0.3));
    for method in [Method::Auto, Method::Sparse, Method::Dense] {
        report("16 coupled rings, 1000 wavelengths", &rings, 1000, method);
    }
    let clements = mesh(64, 64);
    assert_eq!(clements.matrices.len(), 2016);
    report("Clements mesh of 64 modes, whole matrix", &clements, 1, Method::Auto);
    report("Clements mesh of 64 modes, 20 parameter sets", &clements, 20, Method::Auto);
    report("mesh of 20 000 blocks", &mesh(200, 201), 1, Method::Auto);
    report("2000 coupled rings", &ring_chain(2000, 0.9, Complex64::from_polar(0.99, 0.3)), 1, Method::Auto);
    report("2000 coupled rings", &ring_chain(2000, 0.9, Complex64::from_polar(0.99, 0.3)), 1, Method::Sparse);
    let mut random = Random(31);
    let circuit = Circuit::random(1000, &mut random, passive);
    for method in [Method::Auto, Method::Sparse] {
        report("1000 random blocks", &circuit, 8, method);
    }
}
