//! Random circuits: the dense formula, physical laws, independence of the order of things.

use super::*;
use crate::Solver;

#[test]
fn all_methods_agree_with_the_dense_formula() {
    let mut random = Random(1);
    for round in 0..150 {
        let circuit = Circuit::random(1 + round % 25, &mut random, passive);
        let expected = circuit.reference();
        for method in METHODS {
            assert_close(&circuit.solve(method).unwrap(), &expected, 1e-12);
        }
    }
}

#[test]
fn large_random_loops_agree_whatever_the_method() {
    let mut random = Random(2);
    let circuit = Circuit::random(160, &mut random, passive);
    let expected = circuit.reference();
    for method in METHODS {
        assert_close(&circuit.solve(method).unwrap(), &expected, 1e-12);
    }
}

#[test]
fn a_strongly_coupled_loop_takes_a_sparse_lu() {
    let mut random = Random(9);
    let matrices: Vec<Square> = (0..80).map(|_| passive(6, &mut random)).collect();
    let mut ports: Vec<Port> = (0..80 * 6).map(|i| port(i / 6, i % 6)).collect();
    random.shuffle(&mut ports);
    let links = ports[..470].chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
    let circuit = Circuit::closed(matrices, links);
    let plan = Plan::new(&circuit.structure, Method::Auto).unwrap();
    assert_eq!(plan.parts().loops.iter().map(|part| part.solver).collect::<Vec<_>>(), [Solver::Sparse]);
    let expected = circuit.solve(Method::Dense).unwrap();
    assert_close(&circuit.solve(Method::Auto).unwrap(), &expected, 1e-12);
    assert_close(&circuit.solve(Method::Cascade).unwrap(), &expected, 1e-12);
}

#[test]
fn probes_agree_with_the_dense_formula() {
    let mut random = Random(3);
    for _ in 0..40 {
        let mut circuit = Circuit::random(12, &mut random, passive);
        for (block, &ports) in circuit.structure.blocks.clone().iter().enumerate() {
            for p in 0..ports {
                let wave = if random.below(2) == 0 { Direction::Incoming } else { Direction::Outgoing };
                circuit.structure.outputs.push(Output { port: port(block, p), wave });
            }
        }
        for method in METHODS {
            assert_close(&circuit.solve(method).unwrap(), &circuit.reference(), 1e-12);
        }
    }
}

#[test]
fn lossless_blocks_make_a_lossless_circuit() {
    let mut random = Random(4);
    for _ in 0..40 {
        let circuit = Circuit::random(15, &mut random, unitary);
        let n = circuit.structure.inputs.len();
        for method in METHODS {
            // An isolated lossless loop is not lit, hence not solved.
            let out = Square(n, circuit.solve(method).unwrap());
            assert_close(&out.adjoint().times(&out).1, &Square::zero(n).one_minus().1, 1e-10);
        }
    }
}

#[test]
fn reciprocal_blocks_make_a_reciprocal_circuit() {
    let mut random = Random(5);
    for _ in 0..40 {
        let symmetric = |n, random: &mut Random| {
            let m = passive(n, random);
            Square::from(n, |i, j| 0.5 * (m.at(i, j) + m.at(j, i)))
        };
        let circuit = Circuit::random(20, &mut random, symmetric);
        let n = circuit.structure.inputs.len();
        for method in METHODS {
            let out = Square(n, circuit.solve(method).unwrap());
            assert_close(&out.1, &Square::from(n, |i, j| out.at(j, i)).1, 1e-12);
        }
    }
}

#[test]
fn order_of_links_entries_and_blocks_does_not_matter() {
    let mut random = Random(6);
    for _ in 0..30 {
        let circuit = Circuit::random(20, &mut random, passive);
        let expected = circuit.solve(Method::Auto).unwrap();
        let mut place: Vec<usize> = (0..20).collect();
        random.shuffle(&mut place);
        let moved = |p: Port| port(place[p.block], p.port);
        let mut other = circuit.clone();
        for (from, &to) in place.iter().enumerate() {
            other.structure.blocks[to] = circuit.structure.blocks[from];
            other.matrices[to] = circuit.matrices[from].clone();
        }
        other.structure.entries.iter_mut().for_each(|e| e.block = place[e.block]);
        other.structure.links.iter_mut().for_each(|[a, b]| (*a, *b) = (moved(*b), moved(*a)));
        other.structure.inputs.iter_mut().for_each(|p| *p = moved(*p));
        other.structure.outputs.iter_mut().for_each(|o| o.port = moved(o.port));
        random.shuffle(&mut other.structure.entries);
        random.shuffle(&mut other.structure.links);
        assert_close(&other.solve(Method::Auto).unwrap(), &expected, 1e-12);
    }
}

/// The values of `lanes` random variants of a circuit: each entry is turned and damped a little.
fn variants(circuit: &Circuit, lanes: usize, random: &mut Random) -> Vec<Complex64> {
    let turn = |random: &mut Random| Complex64::from_polar(0.9 + 0.1 * random.real(), random.real());
    circuit.values().iter().flat_map(|v| (0..lanes).map(|_| v * turn(random)).collect::<Vec<_>>()).collect()
}

fn lane_of(numbers: &[Complex64], lanes: usize, lane: usize) -> Vec<Complex64> {
    numbers.iter().skip(lane).step_by(lanes).copied().collect()
}

#[test]
fn a_lane_has_the_same_bits_whatever_its_neighbours() {
    let mut random = Random(7);
    let bits = |z: &Complex64| (z.re.to_bits(), z.im.to_bits());
    for (round, lanes) in [1, 2, 3, 7, 8, 9, 16, 21, 30].into_iter().enumerate() {
        let mut circuit = Circuit::random(14, &mut random, passive);
        if round % 2 == 0 {
            circuit.structure.inputs.truncate(1);
        }
        let plan = Plan::new(&circuit.structure, Method::Cascade).unwrap();
        let mut values = variants(&circuit, lanes, &mut random);
        // Gain makes the elimination of some lanes inaccurate: an LU takes over for these lanes.
        if round % 3 == 2 {
            values.iter_mut().for_each(|v| *v *= 30.0);
        }
        let size = plan.outputs() * plan.inputs();
        let cotangent: Vec<Complex64> = (0..size * lanes).map(|_| random.complex()).collect();
        let mut workspace = Workspace::new();
        let mut out = vec![Complex64::ZERO; size * lanes];
        plan.solve(&values, lanes, &mut out, &mut workspace).unwrap();
        let mut d_values = vec![Complex64::ZERO; values.len()];
        plan.adjoint(&values, lanes, &cotangent, &mut d_values, &mut workspace).unwrap();
        for lane in 0..lanes {
            let (mut alone, mut d_alone) = (vec![Complex64::ZERO; size], vec![Complex64::ZERO; plan.entries()]);
            let values = lane_of(&values, lanes, lane);
            plan.solve(&values, 1, &mut alone, &mut workspace).unwrap();
            plan.adjoint(&values, 1, &lane_of(&cotangent, lanes, lane), &mut d_alone, &mut workspace).unwrap();
            assert!(alone.iter().map(bits).eq(lane_of(&out, lanes, lane).iter().map(bits)));
            assert!(d_alone.iter().map(bits).eq(lane_of(&d_values, lanes, lane).iter().map(bits)));
        }
        assert_eq!(round % 3 == 2, plan.loops.iter().any(|part| part.fallback.get().is_some()), "round {round}");
    }
}

#[test]
fn many_lanes_agree_with_the_dense_formula_for_every_method() {
    let mut random = Random(8);
    let circuit = Circuit::random(18, &mut random, passive);
    let lanes = 11;
    let values = variants(&circuit, lanes, &mut random);
    for method in METHODS {
        let plan = Plan::new(&circuit.structure, method).unwrap();
        let mut out = vec![Complex64::ZERO; plan.outputs() * plan.inputs() * lanes];
        plan.solve(&values, lanes, &mut out, &mut Workspace::new()).unwrap();
        for lane in 0..lanes {
            let mut single = circuit.clone();
            for (entry, value) in circuit.structure.entries.iter().zip(lane_of(&values, lanes, lane)) {
                let matrix = &mut single.matrices[entry.block];
                matrix.1[entry.to * matrix.0 + entry.from] = value;
            }
            assert_close(&lane_of(&out, lanes, lane), &single.reference(), 1e-12);
        }
    }
}

/// Reciprocal circuits, of which only some inputs are lit: all outputs, probes too, and derivatives of what does not tell the
/// directions apart.
#[test]
fn half_of_a_symmetric_matrix_is_enough() {
    let mut random = Random(77);
    let mut saved = 0;
    for case in 0..60 {
        let symmetric = |n: usize, random: &mut Random| {
            let m = passive(n, random);
            Square::from(n, |i, j| 0.5 * (m.at(i, j) + m.at(j, i)))
        };
        let mut circuit = if case % 3 == 0 {
            // Two directions that do not mix.
            let mut chain = ring_chain(1 + case / 10, 0.9, Complex64::from_polar(0.97, 0.3));
            let last = 1 + case / 10;
            chain.structure.inputs = [(0, 0), (0, 2), (last, 1), (last, 3)].map(|(b, p)| port(b, p)).to_vec();
            chain.structure.outputs = chain.structure.inputs.iter().copied().map(Output::leaving).collect();
            chain
        } else {
            Circuit::random(2 + random.below(12), &mut random, symmetric)
        };
        if circuit.structure.inputs.is_empty() {
            continue;
        }
        if case % 2 == 1 {
            // A probe, and inputs that are not read or stand elsewhere than where they are read.
            let at = circuit.structure.links.first().map_or(port(0, 0), |link| link[0]);
            circuit.structure.outputs.push(Output { port: at, wave: Direction::Incoming });
            circuit.structure.outputs.swap_remove(0);
        }
        let expected = circuit.reference();
        for method in METHODS {
            let plain = Plan::new(&circuit.structure, method).unwrap();
            let plan = Plan::reciprocal(&circuit.structure, method).unwrap();
            assert_eq!((plan.inputs(), plan.outputs()), (plain.inputs(), plain.outputs()));
            saved += plan.inputs() - plan.column_input.len();
            let (mut out, mut workspace) = (vec![Complex64::ZERO; expected.len()], Workspace::new());
            plan.solve(&circuit.values(), 1, &mut out, &mut workspace).unwrap();
            assert_close(&out, &expected, 1e-12);
            let cotangent: Vec<Complex64> = out.iter().map(|_| random.complex()).collect();
            let mut d = [(); 2].map(|()| vec![Complex64::ZERO; circuit.structure.entries.len()]);
            for (plan, d) in [&plan, &plain].into_iter().zip(&mut d) {
                plan.adjoint(&circuit.values(), 1, &cotangent, d, &mut workspace).unwrap();
            }
            for (i, e) in circuit.structure.entries.iter().enumerate() {
                let back = Entry { from: e.to, to: e.from, ..*e };
                let other = circuit.structure.entries.iter().position(|e| *e == back).unwrap();
                let [found, expected] = [&d[0], &d[1]].map(|d| d[i] + d[other]);
                assert!((found - expected).norm() < 1e-10, "{e:?}: {found} instead of {expected}");
            }
        }
    }
    assert!(saved > 100, "{saved} inputs were saved");
}
