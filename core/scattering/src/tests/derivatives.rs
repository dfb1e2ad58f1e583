//! The adjoint against the dense formula and finite differences.

use super::*;

/// A random circuit with probes, and a cotangent for its result.
fn case(random: &mut Random) -> (Circuit, Vec<Complex64>) {
    let mut circuit = Circuit::random(12, random, passive);
    for block in 0..4 {
        let wave = if block % 2 == 0 { Direction::Incoming } else { Direction::Outgoing };
        circuit.structure.outputs.push(Output { port: port(block, 0), wave });
    }
    let size = circuit.structure.outputs.len() * circuit.structure.inputs.len();
    let cotangent = (0..size).map(|_| random.complex()).collect();
    (circuit, cotangent)
}

fn adjoint(circuit: &Circuit, method: Method, cotangent: &[Complex64]) -> Vec<Complex64> {
    let plan = Plan::new(&circuit.structure, method).unwrap();
    let mut d_values = vec![Complex64::ZERO; plan.entries()];
    plan.adjoint(&circuit.values(), 1, cotangent, &mut d_values, &mut Workspace::new()).unwrap();
    d_values
}

#[test]
fn the_adjoint_is_that_of_the_dense_formula() {
    let mut random = Random(11);
    for _ in 0..40 {
        let (circuit, cotangent) = case(&mut random);
        // b = S a, a = C b + E u: adjoint of b is (1 - S C)^-H (g_b + C g_a), and d S = adjoint of b * a^H.
        let (s, joined) = circuit.whole();
        let n = s.0;
        let incoming = joined.times(&s).one_minus().inverse();
        let back = s.times(&joined).one_minus().adjoint().inverse();
        let mut expected = vec![Complex64::ZERO; circuit.structure.entries.len()];
        let inputs = &circuit.structure.inputs;
        for (column, &input) in inputs.iter().enumerate() {
            let mut g = vec![Complex64::ZERO; n];
            for (row, output) in circuit.structure.outputs.iter().enumerate() {
                let (at, value) = (circuit.offset(output.port), cotangent[row * inputs.len() + column]);
                match output.wave {
                    Direction::Outgoing => g[at] += value,
                    Direction::Incoming => (0..n).for_each(|j| g[j] += joined.at(at, j) * value),
                }
            }
            for (entry, d) in circuit.structure.entries.iter().zip(&mut expected) {
                let (from, to) =
                    (circuit.offset(port(entry.block, entry.from)), circuit.offset(port(entry.block, entry.to)));
                let lambda: Complex64 = (0..n).map(|j| back.at(to, j) * g[j]).sum();
                *d += lambda * incoming.at(from, circuit.offset(input)).conj();
            }
        }
        for method in METHODS {
            assert_close(&adjoint(&circuit, method, &cotangent), &expected, 1e-10);
        }
    }
}

#[test]
fn the_adjoint_agrees_with_finite_differences() {
    let mut random = Random(12);
    for _ in 0..5 {
        let (circuit, cotangent) = case(&mut random);
        let loss = |entry: usize, step: Complex64| -> f64 {
            let plan = Plan::new(&circuit.structure, Method::Auto).unwrap();
            let mut values = circuit.values();
            values[entry] += step;
            let mut out = vec![Complex64::ZERO; cotangent.len()];
            plan.solve(&values, 1, &mut out, &mut Workspace::new()).unwrap();
            out.iter().zip(&cotangent).map(|(o, g)| (g.conj() * o).re).sum()
        };
        let derivatives = adjoint(&circuit, Method::Auto, &cotangent);
        let scale = derivatives.iter().map(|d| d.norm()).fold(0.0, f64::max);
        let h = 1e-5;
        for (entry, d) in derivatives.iter().enumerate() {
            let along = |step: Complex64| (loss(entry, step) - loss(entry, -step)) / (2.0 * h);
            let difference = c(along(c(h, 0.0)), along(c(0.0, h)));
            assert!((d - difference).norm() < 1e-6 * scale, "entry {entry}: {d} instead of {difference}");
        }
    }
}

#[test]
fn the_derivative_of_an_all_pass_ring_is_that_of_its_formula() {
    let (t, round) = (0.8, Complex64::from_polar(0.95, 0.1));
    let mut circuit =
        Circuit::closed(vec![coupler(t), guide(round)], vec![[port(0, 3), port(1, 0)], [port(1, 1), port(0, 1)]]);
    circuit.structure.inputs = vec![port(0, 0)];
    circuit.structure.outputs = vec![Output::leaving(port(0, 2))];
    // d/d round of (t - round) / (1 - t round) is (t^2 - 1) / (1 - t round)^2: holomorphic, the adjoint conjugates it.
    let slope = (t * t - 1.0) / ((1.0 - t * round) * (1.0 - t * round));
    let entry = circuit.structure.entries.iter().position(|e| (e.block, e.from, e.to) == (1, 0, 1)).unwrap();
    let unused = circuit.structure.entries.iter().position(|e| (e.block, e.from, e.to) == (1, 1, 0)).unwrap();
    let g = c(0.3, -0.4);
    for method in METHODS {
        let d = adjoint(&circuit, method, &[g]);
        assert!((d[entry] - g * slope.conj()).norm() < 1e-12);
        assert_eq!(d[unused], Complex64::ZERO);
    }
}
