//! What the layers compute, against their definitions written out.
#![allow(clippy::unwrap_used)]

mod support;

use blackbeam_digital::{DeviceHook, Network};
use blackbeam_layers::replace_devices;
use blackbeam_plugin::{Key, Matrix, Result};
use support::{Sines, layers, network, normals};

/// Outputs for one sample, and the parameters.
fn run(text: &str, shape: &[usize], x: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let network = network::<f64>(text, shape);
    let y = network.evaluate(x, &Sines::of(&network)).unwrap();
    (y, network.tensors().into_iter().map(|t| t.values).collect())
}

fn close(what: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() < 1e-6, "{what}[{i}]: {f} is not {e}"); // the backend's erf has 1e-7
    }
}

#[test]
fn images() {
    let (c, h, w) = (2, 5, 6);
    let x: Vec<f64> = normals(1, c * h * w);
    let at = |ch: usize, i: isize, j: isize| {
        let inside = i >= 0 && j >= 0 && (i as usize) < h && (j as usize) < w;
        if inside { x[(ch * h + i as usize) * w + j as usize] } else { 0.0 }
    };
    let (y, p) = run(r#"[{"conv2d": {"out": 3, "kernel": 3, "stride": 2, "padding": 1}}]"#, &[c, h, w], &x);
    let mut expected = Vec::new();
    for (o, i, j) in (0..3).flat_map(|o| (0..3).flat_map(move |i| (0..3).map(move |j| (o, i, j)))) {
        let mut sum = p[1][o];
        for (ch, a, b) in (0..c).flat_map(|ch| (0..3).flat_map(move |a| (0..3).map(move |b| (ch, a, b)))) {
            sum += p[0][((o * c + ch) * 3 + a) * 3 + b] * at(ch, (2 * i + a) as isize - 1, (2 * j + b) as isize - 1);
        }
        expected.push(sum);
    }
    close("conv2d", &y, &expected);

    let windows = |rows: &[(usize, usize)], columns: &[(usize, usize)], pool: &dyn Fn(&[f64]) -> f64| {
        let mut out = Vec::new();
        for (ch, r, q) in (0..c).flat_map(|ch| rows.iter().flat_map(move |r| columns.iter().map(move |q| (ch, r, q)))) {
            let cells = (r.0..r.1).flat_map(|i| (q.0..q.1).map(move |j| (i, j)));
            out.push(pool(&cells.map(|(i, j)| at(ch, i as isize, j as isize)).collect::<Vec<_>>()));
        }
        out
    };
    let largest = |v: &[f64]| v.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (y, _) = run(r#"[{"max_pool": {"kernel": 2}}]"#, &[c, h, w], &x);
    close("max_pool", &y, &windows(&[(0, 2), (2, 4)], &[(0, 2), (2, 4), (4, 6)], &largest));
    let (y, _) = run(r#"[{"avg_pool": {"kernel": 3, "stride": 2}}]"#, &[c, h, w], &x);
    close("avg_pool", &y, &windows(&[(0, 3), (2, 5)], &[(0, 3), (2, 5)], &mean));
    let (y, _) = run(r#"[{"adaptive_avg_pool": {"size": [2, 4]}}]"#, &[c, h, w], &x);
    close("adaptive_avg_pool", &y, &windows(&[(0, 3), (2, 5)], &[(0, 2), (1, 3), (3, 5), (4, 6)], &mean));
}

#[test]
fn features() {
    let x: Vec<f64> = normals(2, 6);
    let (y, p) = run(r#"[{"linear": {"out": 2}}]"#, &[2, 3], &x);
    let dot = |row: usize, o: usize| p[1][o] + (0..3).map(|i| x[row * 3 + i] * p[0][i * 2 + o]).sum::<f64>();
    close("linear", &y, &[dot(0, 0), dot(0, 1), dot(1, 0), dot(1, 1)]);
    assert!(p.iter().flatten().all(|w| w.abs() <= 1.0 / 3.0_f64.sqrt()) && p[0][0] != p[0][1]);

    let (y, _) = run(r#"["layer_norm"]"#, &[2, 3], &x);
    let expected: Vec<f64> = x
        .chunks(3)
        .flat_map(|row| {
            let mean = row.iter().sum::<f64>() / 3.0;
            let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 3.0;
            row.iter().map(move |v| (v - mean) / (variance + 1e-5).sqrt()).collect::<Vec<_>>()
        })
        .collect();
    close("layer_norm", &y, &expected);

    let (y, _) = run(r#"["softmax"]"#, &[2, 3], &x);
    let sums = [0, 1].map(|row| x[row * 3..row * 3 + 3].iter().map(|v| v.exp()).sum::<f64>());
    close("softmax", &y, &(0..6).map(|i| x[i].exp() / sums[i / 3]).collect::<Vec<_>>());

    // x Phi(x) at -2, -1, 0, 1, 3, from tables of the normal distribution
    let (y, _) = run(r#"["gelu"]"#, &[5], &[-2.0, -1.0, 0.0, 1.0, 3.0]);
    close("gelu", &y, &[-2.0 * 0.022750132, -0.158655254, 0.0, 0.841344746, 3.0 * 0.998650102]);

    let (y, p) = run(r#"[{"embedding": {"vocabulary": 5, "dim": 2}}]"#, &[3], &[4.0, 0.0, 4.0]);
    close("embedding", &y, &[p[0][8], p[0][9], p[0][0], p[0][1], p[0][8], p[0][9]]);

    let (y, _) = run(
        r#"[{"residual": {"layers": ["relu", {"scale": {"initial": 3}}]}}, {"resize": {"out": 3}}]"#,
        &[2],
        &[1.0, -2.0],
    );
    close("residual, scale, resize", &y, &[4.0, -2.0, 0.0]);
}

/// y = A x with A [3, 4].
struct Dense(Vec<f64>);

impl DeviceHook for Dense {
    fn forward(&self, _: usize, x: Matrix) -> Result<Matrix> {
        let dot = |row: usize, o: usize| (0..4).map(|i| self.0[o * 4 + i] * x[(row, i)]).sum();
        Ok(Matrix::new(
            x.rows,
            3,
            (0..x.rows).flat_map(|row| (0..3).map(move |o| (row, o))).map(|(r, o)| dot(r, o)).collect(),
        ))
    }
    fn backward(&self, _: usize, _: &Matrix) -> Result<Matrix> {
        unreachable!("evaluation has no backward pass")
    }
}

/// Padded (3 to 4) and cropped (6 to 4) inputs, padded (3 to 6) and cropped (3 to 2) outputs.
#[test]
fn the_digital_control_with_the_matrix_of_a_linear_device_is_that_device() {
    let text = r#"[{"device": {"name": "m", "out": 6, "initial_scale": 0.5}}, {"device": {"name": "m", "out": 2, "scale": false}}]"#;
    let widths = |_: &str| Some((4, 3));
    let described = layers(text);
    let device = Network::<f64>::new(&described, &[2, 3], &widths, Key::new(1)).unwrap();
    let replaced = replace_devices(&described, &widths).unwrap();
    let mut control = Network::<f64>::new(&replaced, &[2, 3], &widths, Key::new(1)).unwrap();
    assert!(control.uses().is_empty());
    let a: Vec<f64> = normals(8, 12);
    let mut tensors = control.tensors();
    let weight = tensors.iter_mut().find(|t| t.name == "shared.device:m.weight").unwrap();
    (0..12).for_each(|i| weight.values[(i % 4) * 3 + i / 4] = a[i]);
    control.restore(&tensors).unwrap();
    let x: Vec<f64> = normals(9, 12);
    let hook = Dense(a);
    close("control", &control.evaluate(&x, &hook).unwrap(), &device.evaluate(&x, &hook).unwrap());
}
