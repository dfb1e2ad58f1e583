//! Circuits whose scattering is known in closed form.

use super::*;
use crate::Solver;

#[test]
fn two_mirrors_are_a_fabry_perot() {
    for round_trip in [c(0.3, 0.7), Complex64::from_polar(1.0, 1.3), Complex64::from_polar(0.999, 0.0)] {
        let r: f64 = 0.9;
        let t = c(0.0, (1.0 - r * r).sqrt());
        let half = round_trip.sqrt();
        let through = t * t * half / (1.0 - r * r * round_trip);
        let back = r + t * t * r * round_trip / (1.0 - r * r * round_trip);
        for method in METHODS {
            let out = fabry_perot(r, round_trip).solve(method).unwrap();
            assert_close(&out, &[back, through, through, back], 1e-12);
        }
    }
}

#[test]
fn a_coupler_with_a_waveguide_back_is_an_all_pass_ring() {
    for (t, loss, phase) in [(0.8, 0.9, 0.4), (0.99, 0.99, 0.0), (0.5, 1.0, 3.0)] {
        let round = Complex64::from_polar(loss, phase);
        let circuit =
            Circuit::closed(vec![coupler(t), guide(round)], vec![[port(0, 3), port(1, 0)], [port(1, 1), port(0, 1)]]);
        let through = (t - round) / (1.0 - t * round);
        for method in METHODS {
            let out = circuit.solve(method).unwrap();
            // Outer ports 0 and 2: nothing is reflected, both directions see the same ring.
            assert_close(&out, &[Complex64::ZERO, through, through, Complex64::ZERO], 1e-13);
        }
    }
}

#[test]
fn a_chain_of_rings_follows_the_recursion() {
    let (t, k2) = (0.7, 1.0 - 0.7 * 0.7);
    let half = Complex64::from_polar(0.98, 0.2);
    // What the coupler before the last ring sees behind it, from the far end to the near one.
    let mut behind = c(t, 0.0);
    for _ in 0..12 {
        let round = half * half * behind;
        behind = t - k2 * round / (1.0 - t * round);
    }
    for method in METHODS {
        let out = ring_chain(12, t, half).solve(method).unwrap();
        assert!((out[0] - behind).norm() < 1e-12, "{method:?}");
    }
}

#[test]
fn a_chain_of_rings_costs_a_constant_per_ring() {
    let operations = |rings| {
        let plan = Plan::new(&ring_chain(rings, 0.7, c(0.5, 0.5)).structure, Method::Auto).unwrap();
        // One loop; only one direction of light is needed.
        assert_eq!(plan.parts().loops.len(), 1);
        assert_eq!(plan.parts().loops[0].waves, 4 * rings);
        match plan.parts().loops[0].solver {
            Solver::Elimination { operations, .. } => operations,
            other => panic!("{other:?}"),
        }
    };
    let (few, many) = (operations(100), operations(1000));
    assert!(many <= 10 * few + 100 && many <= 1000 * 16, "{few} operations for 100 rings, {many} for 1000");
}

#[test]
fn a_splitter_tree_is_swept_and_pays_for_one_direction() {
    let circuit = Circuit::closed(
        vec![coupler(0.6), coupler(0.8), coupler(0.5)],
        vec![[port(0, 2), port(1, 0)], [port(0, 3), port(2, 1)]],
    );
    let mut structure = circuit.structure.clone();
    structure.inputs = vec![port(0, 0)];
    structure.outputs = [port(1, 2), port(1, 3), port(2, 2), port(2, 3)].map(Output::leaving).to_vec();
    let plan = Plan::new(&structure, Method::Feedforward).unwrap();
    assert_eq!((plan.parts().needed, plan.parts().swept), (6, 6));
    let mut out = vec![Complex64::ZERO; 4];
    plan.solve(&circuit.values(), 1, &mut out, &mut Workspace::new()).unwrap();
    let (k0, k1, k2) = (c(0.0, 0.8), c(0.0, 0.6), c(0.0, 0.75f64.sqrt()));
    assert_close(&out, &[c(0.48, 0.0), 0.6 * k1, k0 * k2, k0 * 0.5], 1e-15);
}

#[test]
fn a_sagnac_loop_reflects_all_light_of_a_half_coupler() {
    // A coupler whose right ports are joined: a link between two ports of one block.
    let circuit = Circuit::closed(vec![coupler(0.5f64.sqrt())], vec![[port(0, 2), port(0, 3)]]);
    for method in METHODS {
        let out = circuit.solve(method).unwrap();
        assert_close(&out, &[c(0.0, 1.0), Complex64::ZERO, Complex64::ZERO, c(0.0, 1.0)], 1e-15);
    }
}

#[test]
fn probes_inside_a_ring_see_the_build_up() {
    let (t, round) = (0.8, Complex64::from_polar(0.9, 0.4));
    let mut circuit =
        Circuit::closed(vec![coupler(t), guide(round)], vec![[port(0, 3), port(1, 0)], [port(1, 1), port(0, 1)]]);
    circuit.structure.outputs = [
        Output { port: port(0, 3), wave: Direction::Outgoing },
        Output { port: port(1, 0), wave: Direction::Incoming },
        Output { port: port(0, 1), wave: Direction::Incoming },
        Output { port: port(0, 0), wave: Direction::Incoming },
        Output { port: port(0, 1), wave: Direction::Outgoing },
    ]
    .to_vec();
    circuit.structure.inputs = vec![port(0, 0)];
    let inside = c(0.0, 0.6) / (1.0 - t * round);
    for method in METHODS {
        let out = circuit.solve(method).unwrap();
        assert_close(&out, &[inside, inside, inside * round, Complex64::ONE, Complex64::ZERO], 1e-14);
    }
}
