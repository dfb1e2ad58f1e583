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

#[test]
fn a_tensor_train_is_the_matrix_that_it_unfolds_to() {
    let x = normals(5, 2 * 3 * 2);
    let (y, p) = run(r#"[{"tt": {"modes_in": [2, 3, 2], "modes_out": [3, 1, 2], "ranks": [2, 3]}}]"#, &[12], &x);
    // core k as [rank before, i, j, rank behind]
    let (i, j, r) = ([2, 3, 2], [3, 1, 2], [1, 2, 3, 1]);
    let core = |k: usize, a: usize, at: usize, to: usize, b: usize| p[k][((a * i[k] + at) * j[k] + to) * r[k + 1] + b];
    let digits = |n: usize, m: [usize; 3]| [n / (m[1] * m[2]), n / m[2] % m[1], n % m[2]];
    let mut expected = p[3].clone();
    for (o, f) in (0..6).flat_map(|o| (0..12).map(move |f| (o, f))) {
        let (o_, f_) = (digits(o, j), digits(f, i));
        for (a, b) in (0..r[1]).flat_map(|a| (0..r[2]).map(move |b| (a, b))) {
            let w = core(0, 0, f_[0], o_[0], a) * core(1, a, f_[1], o_[1], b) * core(2, b, f_[2], o_[2], 0);
            expected[o] += w * x[f];
        }
    }
    close("tt", &y, &expected);
}

#[test]
fn mixers_and_pairs() {
    let (positions, features) = (3, 4);
    let x = normals(6, positions * features);
    let (y, p) = run(r#"[{"mixer": {"tokens": 5, "channels": 2}}]"#, &[positions, features], &x);
    let norm = |x: &[f64], scale: &[f64], shift: &[f64]| -> Vec<f64> {
        let row = |row: &[f64]| {
            let mean = row.iter().sum::<f64>() / features as f64;
            let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / features as f64;
            let one = move |(i, v): (usize, &f64)| (v - mean) / (variance + 1e-5).sqrt() * scale[i] + shift[i];
            row.iter().enumerate().map(one).collect::<Vec<_>>()
        };
        x.chunks(features).flat_map(row).collect()
    };
    let gelu = |v: f64| 0.5 * v * (1.0 + erf(v / 2f64.sqrt()));
    let mlp = |line: Vec<f64>, w: &[Vec<f64>]| -> Vec<f64> {
        let dense = |x: &[f64], w: &[f64], b: &[f64]| -> Vec<f64> {
            (0..b.len())
                .map(|o| b[o] + x.iter().enumerate().map(|(f, x)| x * w[f * b.len() + o]).sum::<f64>())
                .collect()
        };
        let hidden: Vec<f64> = dense(&line, &w[0], &w[1]).into_iter().map(gelu).collect();
        dense(&hidden, &w[2], &w[3])
    };
    let mut state = x;
    let normed = norm(&state, &p[0], &p[1]);
    for f in 0..features {
        let column = mlp((0..positions).map(|t| normed[t * features + f]).collect(), &p[2..6]);
        column.iter().enumerate().for_each(|(t, v)| state[t * features + f] += v);
    }
    let normed = norm(&state, &p[6], &p[7]);
    for (t, row) in normed.chunks(features).enumerate() {
        let mixed = mlp(row.to_vec(), &p[8..12]);
        mixed.iter().enumerate().for_each(|(f, v)| state[t * features + f] += v);
    }
    close("mixer", &y, &state);

    close(
        "tokens",
        &run(r#"["tokens"]"#, &[2, 1, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).0,
        &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0],
    );
    close("mean", &run(r#"["mean"]"#, &[2, 2], &[1.0, 2.0, 3.0, 6.0]).0, &[2.0, 4.0]);
    close("complex", &run(r#"["complex"]"#, &[2], &[3.0, -4.0]).0, &[3.0, 0.0, -4.0, 0.0]);
    close("magnitude", &run(r#"["magnitude"]"#, &[4], &[3.0, -4.0, 0.0, 2.0]).0, &[5.0, 2.0]);
    close("power", &run(r#"["power"]"#, &[4], &[3.0, -4.0, 0.0, 2.0]).0, &[25.0, 4.0]);
    let x = [0.3, -1.2];
    for (name, f) in
        [("tanh", f64::tanh as fn(f64) -> f64), ("sine", f64::sin), ("sigmoid", |v| 1.0 / (1.0 + (-v).exp()))]
    {
        close(name, &run(&format!(r#"["{name}"]"#), &[2], &x).0, &x.map(f));
    }
}

/// The error function by its series: 2/sqrt(pi) sum (-1)^n x^(2n+1) / (n! (2n+1)).
fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..60 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * std::f64::consts::FRAC_2_SQRT_PI
}
