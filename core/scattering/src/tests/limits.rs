//! What has no solution, what is refused, what needs care.

use super::*;

fn build(structure: &Structure) -> Error {
    Plan::new(structure, Method::Auto).map(|_| ()).unwrap_err()
}

/// Two blocks of two ports with all entries.
fn pair() -> Structure {
    Circuit::closed(vec![Square(2, vec![c(0.5, 0.0); 4]); 2], vec![[port(0, 1), port(1, 0)]]).structure
}

#[test]
fn contradictions_are_refused() {
    let with = |change: &dyn Fn(&mut Structure)| {
        let mut structure = pair();
        change(&mut structure);
        build(&structure)
    };
    assert_eq!(with(&|s| s.links.push([port(0, 0), port(0, 0)])), Error::SelfLink(port(0, 0)));
    assert_eq!(with(&|s| s.links.push([port(0, 1), port(1, 1)])), Error::JoinedTwice(port(0, 1)));
    assert_eq!(with(&|s| s.inputs.push(port(1, 0))), Error::JoinedTwice(port(1, 0)));
    assert_eq!(with(&|s| s.inputs.push(port(0, 0))), Error::JoinedTwice(port(0, 0)));
    let twice = Entry { block: 0, from: 1, to: 0 };
    assert_eq!(with(&|s| s.entries.push(twice)), Error::DuplicateEntry(twice));
    let unknown = |place, index, port| Error::UnknownPort { place, index, port };
    assert_eq!(with(&|s| s.links.push([port(2, 0), port(0, 0)])), unknown("link", 1, port(2, 0)));
    assert_eq!(with(&|s| s.inputs[0] = port(0, 2)), unknown("input", 0, port(0, 2)));
    assert_eq!(with(&|s| s.outputs[1] = Output::leaving(port(9, 0))), unknown("output", 1, port(9, 0)));
    assert_eq!(with(&|s| s.entries[0].to = 5), unknown("entry", 0, port(0, 5)));
    assert!(matches!(with(&|s| s.blocks.push(usize::MAX)), Error::TooLarge { .. }));
    assert!(with(&|s| s.blocks.push(1 << 40)).to_string().contains("at most 4194304"));
}

#[test]
fn lengths_are_checked() {
    let plan = Plan::new(&pair(), Method::Auto).unwrap();
    let (mut out, mut workspace) = (vec![Complex64::ZERO; 8], Workspace::new());
    let error = plan.solve(&[Complex64::ONE; 15], 2, &mut out, &mut workspace).unwrap_err();
    assert_eq!(error, Error::Length { what: "values", expected: 16, found: 15 });
    let error = plan.solve(&[Complex64::ONE; 16], 2, &mut out[1..], &mut workspace).unwrap_err();
    assert_eq!(error, Error::Length { what: "out", expected: 8, found: 7 });
    assert!(plan.solve(&[], usize::MAX, &mut out, &mut workspace).is_err());
    assert_eq!(plan.solve(&[], 0, &mut [], &mut workspace), Ok(()));
}

#[test]
fn feedback_names_the_blocks_of_one_loop_in_order() {
    let circuit = ring_chain(3, 0.5, c(0.3, 0.2));
    let Err(Error::Feedback { blocks }) = Plan::new(&circuit.structure, Method::Feedforward).map(|_| ()) else {
        panic!("a ring is feedback")
    };
    // A coupler, a half ring, the next coupler, the other half.
    assert_eq!(blocks.len(), 4, "{blocks:?}");
    assert_eq!(blocks.iter().filter(|&&block| block > 3).count(), 2);
    for (&a, &b) in blocks.iter().zip(blocks.iter().cycle().skip(1)) {
        let joins = |l: &[Port; 2]| l[0].block == a && l[1].block == b || l[0].block == b && l[1].block == a;
        assert!(circuit.structure.links.iter().any(joins), "{blocks:?}");
    }
}

#[test]
fn an_unlit_lossless_loop_does_not_matter() {
    let lossless = guide(c(1.0, 0.0));
    let mut circuit = Circuit::closed(vec![lossless.clone(), lossless], vec![[port(0, 0), port(0, 1)]]);
    circuit.structure.outputs.push(Output::leaving(port(0, 1)));
    let (o, l) = (Complex64::ZERO, Complex64::ONE);
    for method in METHODS {
        assert_eq!(circuit.solve(method).unwrap(), [o, l, l, o, o, o]);
    }
}

#[test]
fn a_lossless_closed_loop_has_no_steady_state() {
    // Block 0 feeds the loop of blocks 1 and 2 by a way in that has no way out.
    let into = Square(
        3,
        vec![
            c(0.0, 0.0),
            c(0.0, 0.0),
            c(0.0, 0.0),
            c(0.5, 0.0),
            c(0.0, 0.0),
            c(1.0, 0.0),
            c(0.0, 0.0),
            c(0.0, 0.0),
            c(0.0, 0.0),
        ],
    );
    let loss = |a: f64| {
        let mut circuit = Circuit::closed(
            vec![guide(c(1.0, 0.0)), into.clone(), guide(c(a, 0.0))],
            vec![[port(0, 1), port(1, 0)], [port(1, 1), port(2, 0)], [port(2, 1), port(1, 2)]],
        );
        circuit.structure.outputs = vec![Output::leaving(port(1, 1))];
        circuit
    };
    for method in METHODS {
        let error = loss(1.0).solve(method).unwrap_err();
        assert_eq!(error, Error::Singular { lane: 0, blocks: vec![1, 2] }, "{method:?}");
        assert!(error.to_string().contains("[1, 2] without loss"));
        // A lane that has a solution is not an error; the one that has none is named.
        let plan = Plan::new(&loss(0.5).structure, method).unwrap();
        let lanes = 12;
        let values: Vec<Complex64> = loss(0.5)
            .values()
            .iter()
            .zip(loss(1.0).values())
            .flat_map(|(&calm, wild)| (0..lanes).map(move |lane| if lane == 9 { wild } else { calm }))
            .collect();
        let mut out = vec![Complex64::ZERO; lanes];
        let error = plan.solve(&values, lanes, &mut out, &mut Workspace::new()).unwrap_err();
        assert!(matches!(error, Error::Singular { lane: 9, .. }), "{method:?}: {error:?}");
        let out = loss(0.5).solve(method).unwrap();
        assert!((out[0] - 1.0).norm() < 1e-15);
    }
}

#[test]
fn a_sharp_resonance_is_as_accurate_as_its_condition_allows() {
    for loss in [1e-6, 1e-9] {
        let round = Complex64::from_polar(1.0 - loss, 0.0);
        let t: f64 = 0.999_999;
        let circuit =
            Circuit::closed(vec![coupler(t), guide(round)], vec![[port(0, 3), port(1, 0)], [port(1, 1), port(0, 1)]]);
        let exact = (t - round) / (1.0 - t * round);
        for method in METHODS {
            let out = circuit.solve(method).unwrap();
            assert!((out[1] - exact).norm() < 1e-9, "{method:?}: {} instead of {exact}", out[1]);
        }
    }
}

#[test]
fn with_gain_a_small_pivot_falls_back_to_partial_pivoting() {
    // Two waves with A = [[e, -1], [-1, e]], driven by 1 and 1/4: pivots on the diagonal would lose the digits of 1/e.
    for e in [0.0, 1e-15, 1e-9, 1e-3] {
        let mut active = Square::zero(4);
        for (to, from, value) in [
            (0, 0, 1.0 - e),
            (0, 1, 1.0),
            (0, 2, 1.0),
            (1, 0, 1.0),
            (1, 1, 1.0 - e),
            (1, 2, 0.25),
            (3, 0, 1.0),
            (3, 1, 2.0),
        ] {
            active.1[to * 4 + from] = c(value, 0.0);
        }
        let mirror = Square(1, vec![c(1.0, 0.0)]);
        let links = vec![[port(0, 0), port(1, 0)], [port(0, 1), port(2, 0)]];
        let mut circuit = Circuit::closed(vec![active, mirror.clone(), mirror], links);
        circuit.structure.inputs = vec![port(0, 2)];
        circuit.structure.outputs = vec![Output::leaving(port(0, 3))];
        // The waves are -(e d0 + d1) / (1 - e^2) and -(d0 + e d1) / (1 - e^2) for the drives d0 and d1.
        let slopes = [-(e + 2.0) / (1.0 - e * e), -(1.0 + 2.0 * e) / (1.0 - e * e)];
        let exact = slopes[0] + 0.25 * slopes[1];
        for method in METHODS {
            let plan = Plan::new(&circuit.structure, method).unwrap();
            let values: Vec<Complex64> = circuit.values().iter().flat_map(|&v| [v; 16]).collect();
            let mut out = vec![Complex64::ZERO; 16];
            plan.solve(&values, 16, &mut out, &mut Workspace::new()).unwrap();
            assert_close(&out, &[c(exact, 0.0); 16], 1e-12);
            let mut d_values = vec![Complex64::ZERO; values.len()];
            plan.adjoint(&values, 16, &[Complex64::ONE; 16], &mut d_values, &mut Workspace::new()).unwrap();
            for (to, slope) in slopes.into_iter().enumerate() {
                let drive = Entry { block: 0, from: 2, to };
                let at = circuit.structure.entries.iter().position(|&entry| entry == drive).unwrap();
                assert_close(&d_values[16 * at..][..16], &[c(slope, 0.0); 16], 1e-12);
            }
        }
    }
}

#[test]
fn with_gain_a_large_loop_falls_back_to_a_sparse_lu() {
    // A large passive loop through one amplifier that makes a pivot small beside its couplings.
    let circuit = ring_chain(200, 0.7, c(0.6, 0.7));
    let plan = Plan::new(&circuit.structure, Method::Auto).unwrap();
    let falls_back = |gain: f64| {
        let mut active = circuit.clone();
        active.matrices[300].1.iter_mut().for_each(|v| *v *= gain);
        let mut out = vec![Complex64::ZERO; 2];
        plan.solve(&active.values(), 1, &mut out, &mut Workspace::new()).unwrap();
        assert_close(&out, &active.solve(Method::Dense).unwrap(), 1e-9);
        plan.loops[0].fallback.get().is_some()
    };
    assert!(plan.parts().loops[0].waves > 512);
    // In this order: the plan keeps the LU that it has once needed.
    assert!(!falls_back(1.0));
    assert!(falls_back(1e3));
}

#[test]
fn values_that_are_not_finite_are_an_error() {
    for bad in [f64::NAN, f64::INFINITY] {
        let circuit = fabry_perot(0.5, c(0.3, 0.1));
        for method in METHODS {
            let plan = Plan::new(&circuit.structure, method).unwrap();
            let mut values = circuit.values();
            values[0] = c(bad, 0.0);
            let mut out = vec![Complex64::ZERO; 4];
            let error = plan.solve(&values, 1, &mut out, &mut Workspace::new()).unwrap_err();
            assert_eq!(error, Error::NotFinite { lane: 0 }, "{method:?}");
            values[0] = c(0.0, 0.0);
            values[1] = c(0.0, bad);
            let error = plan.solve(&values, 1, &mut out, &mut Workspace::new()).unwrap_err();
            assert_eq!(error, Error::NotFinite { lane: 0 }, "{method:?}");
        }
    }
}

#[test]
fn a_ring_of_a_hundred_thousand_blocks_needs_no_deep_stack() {
    let count = 100_000;
    let blocks: Vec<usize> = std::iter::once(4).chain(std::iter::repeat_n(2, count)).collect();
    let mut entries = [(0, 2), (0, 3), (1, 2), (1, 3)].map(|(from, to)| Entry { block: 0, from, to }).to_vec();
    entries.extend((1..=count).map(|block| Entry { block, from: 0, to: 1 }));
    let mut links = vec![[port(0, 3), port(1, 0)], [port(count, 1), port(0, 1)]];
    links.extend((1..count).map(|block| [port(block, 1), port(block + 1, 0)]));
    let structure =
        Structure { blocks, entries, links, inputs: vec![port(0, 0)], outputs: vec![Output::leaving(port(0, 2))] };
    let (t, k) = (c(0.8, 0.0), c(0.0, 0.6));
    let round = Complex64::from_polar(0.9, 1.0);
    let mut values = vec![t, k, k, t];
    values
        .extend(std::iter::repeat_n(Complex64::from_polar(0.9f64.powf(1.0 / count as f64), 1.0 / count as f64), count));
    for method in [Method::Auto, Method::Sparse] {
        let plan = Plan::new(&structure, method).unwrap();
        let mut out = [Complex64::ZERO];
        plan.solve(&values, 1, &mut out, &mut Workspace::new()).unwrap();
        assert!((out[0] - (t - round) / (1.0 - t * round)).norm() < 1e-9, "{method:?}");
    }
}

#[test]
fn a_circuit_may_be_empty_dark_or_unread() {
    let mut circuit = fabry_perot(0.5, c(0.3, 0.1));
    circuit.structure.outputs.push(circuit.structure.outputs[0]);
    let out = circuit.solve(Method::Auto).unwrap();
    assert_eq!(out[..2], out[4..]);
    circuit.structure.inputs.clear();
    assert_eq!(circuit.solve(Method::Auto), Ok(Vec::new()));
    let mut unread = fabry_perot(0.5, c(0.3, 0.1));
    unread.structure.outputs.clear();
    assert_eq!(unread.solve(Method::Dense), Ok(Vec::new()));
    let empty = Circuit { structure: Structure::default(), matrices: Vec::new() };
    assert_eq!(empty.solve(Method::Sparse), Ok(Vec::new()));
}

#[test]
fn an_infinite_cotangent_is_an_error() {
    let circuit = fabry_perot(0.5, c(0.3, 0.1));
    for method in METHODS {
        let plan = Plan::new(&circuit.structure, method).unwrap();
        let mut d_values = vec![Complex64::ZERO; plan.entries()];
        let cotangent = [c(f64::INFINITY, 0.0); 4];
        let result = plan.adjoint(&circuit.values(), 1, &cotangent, &mut d_values, &mut Workspace::new());
        assert_eq!(result, Err(Error::NotFinite { lane: 0 }), "{method:?}");
    }
}

#[test]
fn a_workspace_serves_one_plan_after_the_other() {
    let mut random = Random(21);
    let mut workspace = Workspace::new();
    for round in 0..30 {
        let circuit = Circuit::random(1 + random.below(30), &mut random, passive);
        let plan = Plan::new(&circuit.structure, METHODS[round % 4]).unwrap();
        let mut out = vec![Complex64::ZERO; plan.outputs() * plan.inputs()];
        plan.solve(&circuit.values(), 1, &mut out, &mut workspace).unwrap();
        assert_close(&out, &circuit.reference(), 1e-12);
    }
}

#[test]
fn the_parts_say_what_is_done() {
    let plan = Plan::new(&ring_chain(2, 0.7, c(0.5, 0.5)).structure, Method::Auto).unwrap();
    let text = plan.parts().to_string();
    assert!(text.starts_with("10 of 20 waves are needed; 2 by a feed-forward sweep\na loop of 8 waves"), "{text}");
    assert!(text.contains("elimination, ") && text.contains("stays sparse"), "{text}");
    let dense = Circuit::closed(
        vec![Square(20, vec![c(0.01, 0.0); 400]), Square(20, vec![c(0.02, 0.0); 400])],
        (0..19).map(|p| [port(0, p), port(1, p)]).collect(),
    );
    let text = Plan::new(&dense.structure, Method::Sparse).unwrap().parts().to_string();
    assert!(text.contains("sparse LU (as asked for)"), "{text}");
}
