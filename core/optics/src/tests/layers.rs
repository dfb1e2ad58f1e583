//! Networks on a device.

use crate::{
    Simulator,
    tests::simulator::{call, query},
};
use blackbeam_netlist::{ReadOptions, circuit::Circuit, read};
use blackbeam_plugin::{ArrayViewMut, Call, Device, Key, Matrix, ParameterSet, can};
use blackbeam_source::Source;
use num_complex::Complex64;

fn circuit(text: &str) -> Circuit {
    let read = read(&Source::new("net.ddl.yml", text), &ReadOptions::default());
    read.unwrap_or_else(|found| panic!("{}", found.render(false))).0
}

fn normals(key: u64, n: usize) -> Vec<f64> {
    let mut values = vec![0.0; n];
    Key::new(key).fill_normal(0, &mut values);
    values
}

/// y of every row of x, at the parameters.
fn asked(device: &mut Simulator, w: &[f64], x: &Matrix) -> Matrix {
    let at = call(0, 0, 0.0);
    device.write_params(w, &at).unwrap();
    query(device, x, &at)
}

/// The matrix of a mesh of four modes by itself.
fn mesh(theta_phi_gamma: &[f64]) -> Vec<Vec<Complex64>> {
    let alone = circuit(
        "ddl: 1\ninstances: {U: {component: mesh, settings: {n: 4}}}\nparameters: {U.theta: {}, U.phi: {}, U.gamma: {}}\n\
         encoding: {mode: complex}\nreadout: {mode: coherent}\n",
    );
    let mut device = Simulator::open(&alone, 0, 1).unwrap();
    let mut x = Matrix::zeros(4, 8);
    (0..4).for_each(|k| x[(k, 2 * k)] = 1.0);
    let y = asked(&mut device, theta_phi_gamma, &x);
    (0..4).map(|o| (0..4).map(|i| Complex64::new(y[(i, 2 * o)], y[(i, 2 * o + 1)])).collect()).collect()
}

fn apply(matrix: &[Vec<Complex64>], x: &[Complex64]) -> Vec<Complex64> {
    matrix.iter().map(|row| row.iter().zip(x).map(|(m, x)| m * x).sum()).collect()
}

const LIGHT: &str = "
ddl: 1
instances:
  U: {component: mesh, settings: {n: 4}}
  V: {component: mesh, settings: {n: 4}}
network:
  input: [3, 6]
  layers:
    - phases
    - circuit: {name: V}
    - diagonal: {}
    - circuit: {name: U}
    - recurrent: {layers: [{circuit: {name: U}}, phases], activation: mod_relu}
    - magnitude
parameters:
  layer0.phase: {}
  V.theta: {}
  V.phi: {}
  V.gamma: {}
  layer2.weight: {}
  U.theta: {}
  U.phi: {}
  U.gamma: {}
  layer4_0.phase: {}
";

#[test]
fn light_goes_through_its_elements_in_order() {
    let circuit = circuit(&LIGHT.replace("layer4_0", "layer4_1"));
    let mut device = Simulator::open(&circuit, 3, 1).unwrap();
    let n = device.descriptor().parameters.len();
    assert_eq!(n, 3 + 16 + 4 + 16 + 4 + 4);
    // theta stays within its range
    let w: Vec<f64> = normals(1, n).iter().map(|v| 1.5 + 0.4 * v.clamp(-3.0, 3.0)).collect();
    let x = Matrix::new(2, 18, normals(2, 36));
    let y = asked(&mut device, &w, &x);
    let (first, v, d, u, last, bias) = (&w[..3], mesh(&w[3..19]), &w[19..23], mesh(&w[23..39]), &w[39..43], &w[43..]);
    for row in 0..2 {
        let mut h = vec![Complex64::ZERO; 4];
        for t in 0..3 {
            let mut z = vec![Complex64::ZERO; 4];
            for k in 0..3 {
                let at = 6 * t + 2 * k;
                z[k] = Complex64::cis(first[k]) * Complex64::new(x[(row, at)], x[(row, at + 1)]);
            }
            let scaled: Vec<_> = apply(&v, &z).into_iter().zip(d).map(|(z, d)| z * d).collect();
            let input = apply(&u, &scaled);
            let turned = apply(&u, &h).into_iter().zip(last).map(|(z, phi)| z * Complex64::cis(*phi));
            let sum: Vec<Complex64> = turned.zip(input).map(|(a, b)| a + b).collect();
            h = sum.iter().zip(bias).map(|(z, b)| z / z.norm() * (z.norm() + b).max(0.0)).collect();
            for (k, h) in h.iter().enumerate() {
                let found = y[(row, 4 * t + k)];
                assert!((found - h.norm()).abs() < 1e-12, "row {row}, t {t}, mode {k}: {found} is not {}", h.norm());
            }
        }
    }
}

const DIGITAL: &str = "
ddl: 1
name: net
network:
  input: [1, 6, 6]
  layers: [{conv2d: {out: 3, kernel: 3}}, relu, {max_pool: {kernel: 2}}, flatten, {linear: {out: 4}}]
parameters:
  layer0.weight: {range: [-1, 1]}
  layer4.weight: {range: [-1, 1]}
actuators:
  w: {drives: '*.weight', dac: {bits: 6, min: -1, max: 1}}
readout: {noise_std: 0.01}
drift: [{at: layer4.weight, quantity: weight, model: linear, rate: 0.001}]
";

/// Answers to several parameter sets in one call, and to each by itself.
#[test]
fn many_sets_have_the_bits_of_one_by_one() {
    for precision in ["f64", "f32"] {
        let circuit = circuit(&format!("{DIGITAL}solver: {{precision: {precision}}}\n"));
        let (n, rows) = (82, 37);
        let sets: Vec<Vec<f64>> = (0..5).map(|k| normals(10 + k, n).iter().map(|v| 0.3 * v).collect()).collect();
        let calls: Vec<Call> = (0..5).map(|k| Call { set: k, time_s: 0.5 * f64::from(k), ..call(0, 0, 0.0) }).collect();
        let x = normals(3, rows * 36);
        let narrow: Vec<f32> = x.iter().map(|v| *v as f32).collect();
        let wanted: Vec<ParameterSet> = sets.iter().map(|set| ParameterSet::dense(set.clone())).collect();
        let mut found: Vec<Vec<f64>> = Vec::new();
        for threads in [1, 2] {
            let mut device = Simulator::open(&circuit, 3, threads).unwrap();
            assert_eq!(device.descriptor().parameters.len(), n);
            let together = if precision == "f64" {
                let mut y = vec![0.0; 5 * rows * 4];
                let x = blackbeam_plugin::ArrayView::new(&x, &[rows, 36]);
                let y_view = ArrayViewMut::new(&mut y, &[5, rows, 4]);
                device.query_sets([&[], &[]], &wanted, &calls, x, y_view, false).unwrap();
                y
            } else {
                let mut y = vec![0f32; 5 * rows * 4];
                let x = blackbeam_plugin::ArrayView::new_f32(&narrow, &[rows, 36]);
                let y_view = ArrayViewMut::new_f32(&mut y, &[5, rows, 4]);
                device.query_sets([&[], &[]], &wanted, &calls, x, y_view, false).unwrap();
                y.into_iter().map(f64::from).collect()
            };
            found.push(together);
        }
        assert!(found[0] == found[1], "the same bits on two threads");
        let mut device = Simulator::open(&circuit, 3, 1).unwrap();
        for (k, (set, at)) in sets.iter().zip(&calls).enumerate() {
            device.write_params(set, at).unwrap();
            // in two parts
            let mut alone: Vec<f64> = Vec::new();
            for part in [0..11, 11..rows] {
                let at = Call { first_row: part.start as u64, ..*at };
                let x = Matrix::new(part.len(), 36, x[part.start * 36..part.end * 36].to_vec());
                alone.extend(if precision == "f64" {
                    query(&mut device, &x, &at).data.to_vec()
                } else {
                    narrow_query(&mut device, &x, &at)
                });
            }
            assert!(found[0][k * rows * 4..(k + 1) * rows * 4] == alone, "{precision}: set {k}");
        }
    }
}

fn narrow_query(device: &mut Simulator, x: &Matrix, at: &Call) -> Vec<f64> {
    let data: Vec<f32> = x.data.iter().map(|v| *v as f32).collect();
    let mut y = vec![0f32; x.rows * 4];
    let shape = [x.rows, 4];
    device
        .query(
            blackbeam_plugin::ArrayView::new_f32(&data, &[x.rows, x.columns]),
            ArrayViewMut::new_f32(&mut y, &shape),
            at,
        )
        .unwrap();
    y.into_iter().map(f64::from).collect()
}

/// Weights go through the same chain as phases: converters, drift; and start as their layers say.
#[test]
fn weights_are_parameters() {
    let circuit = circuit(DIGITAL);
    let mut device = Simulator::open(&circuit, 3, 1).unwrap();
    let descriptor = device.descriptor();
    assert!(!descriptor.can(can::EXACT_VJP) && !descriptor.can(can::READ_MATRIX));
    let step = 2.0 / 63.0;
    let named = |name: &str| descriptor.parameters.iter().find(|p| p.name == name).unwrap();
    assert!((named("layer0.weight<2.8>").resolution - step).abs() < 1e-12);
    assert_eq!(named("layer4.bias<3>").resolution, 0.0);
    let start: Vec<f64> = descriptor.parameters.iter().map(|p| p.initial).collect();
    let of = |name: &str| -> Vec<f64> {
        let mine = descriptor.parameters.iter().zip(&start).filter(|(p, _)| p.name.starts_with(name));
        mine.map(|(_, v)| *v).collect()
    };
    // uniform within 1/sqrt(fan in): 1/3 and 1/sqrt(12)
    for (name, bound) in [("layer0.weight", 1.0 / 3.0), ("layer4.weight", 12f64.powf(-0.5))] {
        let values = of(name);
        let largest = values.iter().fold(0f64, |a, v| a.max(v.abs()));
        assert!(largest <= bound && largest > 0.8 * bound, "{name}: {largest}");
    }
    let other = Simulator::open(&circuit, 4, 1).unwrap().descriptor();
    assert!(other.parameters.iter().zip(&start).all(|(p, v)| p.initial != *v));

    let applied = device.write_params(&start, &call(0, 0, 0.0)).unwrap().values;
    for (p, (asked, applied)) in descriptor.parameters.iter().zip(start.iter().zip(&applied)) {
        let rounded = -1.0 + ((asked + 1.0) / step).round() * step;
        let expected = if p.resolution > 0.0 { rounded } else { *asked };
        assert!((applied - expected).abs() < 1e-12, "{}: {applied} is not {expected}", p.name);
    }
    // The last weights drift: after 1000 s each is 1 larger, so that each output has the sum of what reaches it more.
    let quiet = Circuit {
        readout: blackbeam_netlist::circuit::Readout { noise_std: 0.0, ..circuit.readout.clone() },
        ..circuit
    };
    let mut device = Simulator::open(&quiet, 3, 1).unwrap();
    let x = Matrix::new(1, 36, normals(5, 36));
    let before = asked(&mut device, &start, &x);
    let after = query(&mut device, &x, &call(0, 0, 1000.0));
    let moved: Vec<f64> = after.data.iter().zip(before.data.iter()).map(|(a, b)| a - b).collect();
    assert!(moved.iter().all(|m| (m - moved[0]).abs() < 1e-9) && moved[0] > 0.1, "{moved:?}");
}
