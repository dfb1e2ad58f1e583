//! A network on burn and as a `Forward`, with the same values.
#![allow(dead_code, clippy::unwrap_used)] // each test binary uses its part

use blackbeam_digital::{DeviceHook, Network};
use blackbeam_forward::{ComplexMatrix, Forward, Loaded, Packed, Work};
use blackbeam_kernels::{Level, Real};
use blackbeam_layers::program::{Program, compile};
use blackbeam_layers::{Layer, shapes};
use blackbeam_plugin::{Key, Matrix, Result};

struct NoDevice;

impl DeviceHook for NoDevice {
    fn forward(&self, _: usize, _: Matrix) -> Result<Matrix> {
        unreachable!("a network without devices")
    }

    fn backward(&self, _: usize, _: &Matrix) -> Result<Matrix> {
        unreachable!("a network without devices")
    }
}

/// `len` standard normal numbers.
pub fn normals(seed: u64, len: usize) -> Vec<f64> {
    let mut z = vec![0.0; len];
    Key::new(seed).fill_normal(0, &mut z);
    z
}

pub fn layers(text: &str) -> Vec<Layer> {
    serde_json::from_str(text).unwrap()
}

pub fn program(layers: &[Layer], shape: &[usize]) -> Program {
    compile(&shapes(layers, shape, &|_| None).unwrap(), &|_| None)
}

/// What burn makes of `x` with these weights, one after the other.
pub fn on_burn(layers: &[Layer], shape: &[usize], weights: &[f64], x: &[f64]) -> Vec<f64> {
    let mut network = Network::<f64>::new(layers, shape, &|_| None, Key::new(1)).unwrap();
    let mut tensors = network.tensors();
    let mut rest = weights;
    for tensor in &mut tensors {
        let (values, later) = rest.split_at(tensor.values.len());
        tensor.values.copy_from_slice(values);
        rest = later;
    }
    assert!(rest.is_empty());
    network.restore(&tensors).unwrap();
    network.evaluate(x, &NoDevice).unwrap()
}

/// Outputs at a level. The same bits have to come from parts of the batch, and from samples that are packed apart.
pub fn forward<T: Real>(
    network: &Forward,
    level: Level,
    weights: &[f64],
    matrices: &[ComplexMatrix<'_>],
    x: &[f64],
) -> Vec<f64> {
    let (inputs, outputs) = (network.inputs(), network.outputs());
    let (rows, x) = (x.len() / inputs, x.iter().map(|&x| T::from_f64(x)).collect::<Vec<T>>());
    let (mut loaded, mut packed, mut work) = (Loaded::default(), Packed::default(), Work::default());
    network.load(weights, matrices, &mut loaded);
    network.pack(level, &x, &mut packed);
    let mut y = vec![T::ONE; rows * outputs];
    network.run(&loaded, &packed, 0, &mut y, &mut work);
    let cuts = [1, rows / 3, rows / 2 + 1, rows - 1];
    for cut in cuts.into_iter().filter(|&cut| cut < rows) {
        let mut parts = vec![T::ONE; rows * outputs];
        let (first, second) = parts.split_at_mut(cut * outputs);
        network.run(&loaded, &packed, cut, second, &mut work);
        network.run(&loaded, &packed, 0, first, &mut work);
        assert_eq!(parts, y, "in two parts");
        let mut apart = Packed::default();
        network.pack(level, &x[cut * inputs..], &mut apart);
        network.run(&loaded, &apart, 0, &mut parts[cut * outputs..], &mut Work::default());
        assert_eq!(parts, y, "packed from {cut} on");
    }
    y.into_iter().map(T::to_f64).collect()
}

/// Largest difference, against the size of what is expected.
pub fn close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let size = expected.iter().fold(1.0, |size: f64, e| size.max(e.abs()));
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= tolerance * size, "{what}, number {i}: {f} is not {e}");
    }
}

/// A network in f64 and f32 on all levels against burn in f64, with batches that fill no tile, one and more.
pub fn agrees(what: &str, layers: &[Layer], shape: &[usize], seed: u64, tolerance: f64) {
    let program = program(layers, shape);
    let inputs = shape.iter().product();
    let network = Forward::new(&program, inputs).unwrap();
    let count = program.weights.iter().map(|weight| weight.len()).sum();
    let weights: Vec<f64> = normals(seed, count).into_iter().map(|w| 0.5 * w).collect();
    for rows in [1, 7, 37] {
        let x = normals(seed + 1, rows * inputs);
        let expected = on_burn(layers, shape, &weights, &x);
        // f32 has rounded its inputs and weights before it begins
        for level in Level::available() {
            let what = format!("{what}, {rows} rows, {level:?}");
            close(&what, &forward::<f64>(&network, level, &weights, &[], &x), &expected, tolerance);
            close(&what, &forward::<f32>(&network, level, &weights, &[], &x), &expected, tolerance.max(1e-5));
        }
    }
}
