//! Every layer against burn, with the same weights.
#![allow(clippy::unwrap_used)]

mod support;

use blackbeam_forward::Forward;
use blackbeam_kernels::Level;
use blackbeam_layers::program::compile_on_device;
use blackbeam_layers::shapes_on_device;
use support::{agrees, close, forward, layers, normals, program};

/// The backend's erf has 1e-7.
const GELU: f64 = 1e-6;

fn all(cases: &[(&str, &[usize], f64)]) {
    for (seed, (text, shape, tolerance)) in cases.iter().enumerate() {
        agrees(text, &layers(text), shape, 10 * seed as u64, *tolerance);
    }
}

#[test]
fn linear() {
    all(&[
        (r#"[{"linear": {"out": 1}}]"#, &[1], 1e-12),
        (r#"[{"linear": {"out": 10}}]"#, &[17], 1e-12),
        (r#"[{"linear": {"out": 33, "bias": false}}]"#, &[5], 1e-12),
        (r#"[{"linear": {"out": 7}}, "relu"]"#, &[3, 5], 1e-12),
        (r#"[{"linear": {"out": 20}}, "relu", {"linear": {"out": 3}}, "tanh"]"#, &[2, 3, 4], 1e-12),
        (r#"[{"linear": {"out": 4, "share": "a"}}, "sine", {"linear": {"out": 4, "share": "a"}}]"#, &[4], 1e-12),
        (r#"["bias", {"scale": {}}, {"linear": {"out": 3, "bias": false}}, "bias"]"#, &[2, 6], 1e-12),
    ]);
}

#[test]
fn convolutions_and_pools() {
    all(&[
        (r#"[{"conv2d": {"out": 3, "kernel": 3}}]"#, &[2, 5, 6], 1e-12),
        (r#"[{"conv2d": {"out": 9, "kernel": 3, "stride": 2, "padding": 1, "bias": false}}]"#, &[2, 6, 5], 1e-12),
        (r#"[{"conv2d": {"out": 4, "kernel": 1, "padding": 2}}, "relu"]"#, &[1, 2, 3], 1e-12),
        (r#"[{"conv2d": {"out": 7, "kernel": 4}}, "relu", {"max_pool": {"kernel": 2}}]"#, &[1, 12, 11], 1e-12),
        (r#"[{"conv2d": {"out": 7, "kernel": 2}}, {"max_pool": {"kernel": 2}}, "relu"]"#, &[3, 6, 7], 1e-12),
        (
            r#"[{"conv2d": {"out": 5, "kernel": 2, "stride": 2, "padding": 1}}, "tanh", {"max_pool": {"kernel": 2}}]"#,
            &[2, 9, 9],
            1e-12,
        ),
        (r#"[{"conv2d": {"out": 2, "kernel": 2}}, "sigmoid", {"max_pool": {"kernel": 2}}, "relu"]"#, &[1, 5, 5], 1e-12),
        (r#"[{"conv2d": {"out": 2, "kernel": 2}}, "sine", {"max_pool": {"kernel": 2}}]"#, &[1, 5, 5], 1e-12),
        (r#"[{"conv2d": {"out": 2, "kernel": 2}}, {"max_pool": {"kernel": 3, "stride": 2}}]"#, &[2, 8, 7], 1e-12),
        (r#"[{"conv2d": {"out": 2, "kernel": 2}}, {"max_pool": {"kernel": 2, "stride": 1}}]"#, &[2, 4, 4], 1e-12),
        (r#"[{"max_pool": {"kernel": 2}}]"#, &[2, 5, 6], 1e-12),
        (r#"[{"avg_pool": {"kernel": 3, "stride": 2}}]"#, &[2, 5, 6], 1e-12),
        (r#"[{"adaptive_avg_pool": {"size": [2, 4]}}]"#, &[2, 5, 6], 1e-12),
        (r#"[{"adaptive_avg_pool": {"size": [7, 3]}}]"#, &[1, 5, 6], 1e-12),
    ]);
}

#[test]
fn functions_norms_and_rows() {
    all(&[
        (r#"["relu"]"#, &[5], 1e-12),
        (r#"["gelu"]"#, &[19], GELU),
        (r#"["tanh", "sigmoid", "sine"]"#, &[3, 7], 1e-12),
        (r#"["layer_norm"]"#, &[4, 9], 1e-12),
        (r#"["softmax"]"#, &[2, 9], 1e-12),
        (r#"["tokens", "layer_norm", "mean"]"#, &[3, 4, 5], 1e-12),
        (r#"["mean"]"#, &[6, 2], 1e-12),
        (r#"["complex"]"#, &[2, 3], 1e-12),
        (r#"["magnitude"]"#, &[2, 6], 1e-12),
        (r#"["power"]"#, &[6], 1e-12),
        (r#"[{"resize": {"out": 5}}]"#, &[2, 3], 1e-12),
        (r#"[{"resize": {"out": 2}}]"#, &[2, 3], 1e-12),
        (r#"[{"dropout": {"p": 0.5}}]"#, &[3], 1e-12),
        (r#"["flatten"]"#, &[2, 3], 1e-12),
        ("[]", &[3], 1e-12),
    ]);
}

#[test]
fn residuals_and_mixers() {
    all(&[
        (r#"[{"residual": {"layers": ["relu", {"linear": {"out": 4}}]}}]"#, &[4], 1e-12),
        (r#"[{"linear": {"out": 3}}, {"residual": {"layers": ["sine"]}}, "tanh"]"#, &[4], 1e-12),
        (
            r#"["relu", {"residual": {"layers": [{"residual": {"layers": ["sine"]}}, {"linear": {"out": 4}}]}}]"#,
            &[4],
            1e-12,
        ),
        (r#"[{"residual": {"layers": [{"residual": {"layers": [{"dropout": {"p": 0.5}}]}}]}}]"#, &[2], 1e-12),
        (r#"[{"mixer": {"tokens": 5, "channels": 7}}]"#, &[4, 6], GELU),
        (
            r#"[{"conv2d": {"out": 6, "kernel": 2, "stride": 2}}, "tokens", {"mixer": {"tokens": 5, "channels": 9}}, "layer_norm", "mean",
             {"linear": {"out": 3}}]"#,
            &[1, 6, 6],
            GELU,
        ),
    ]);
}

#[test]
fn papers() {
    all(&[
        (
            r#"[{"conv2d": {"out": 7, "kernel": 4}}, "relu", {"max_pool": {"kernel": 2}}, {"conv2d": {"out": 9, "kernel": 4}}, "relu",
             {"max_pool": {"kernel": 2}}, "flatten", {"linear": {"out": 10}}]"#,
            &[1, 28, 28],
            1e-12,
        ),
        (
            r#"["flatten", {"tt": {"modes_in": [7, 4, 4, 7], "modes_out": [8, 4, 4, 8], "ranks": 6}}, "relu",
             {"tt": {"modes_in": [8, 4, 4, 8], "modes_out": [1, 5, 2, 1], "ranks": 6}}]"#,
            &[1, 28, 28],
            1e-12,
        ),
    ]);
}

/// W[(j_1 .. j_L), (i_1 .. i_L)] = sum over the ranks of G_1[i_1, j_1] .. G_L[i_L, j_L], entry by entry.
#[test]
fn a_tensor_train_is_the_matrix_that_it_unfolds_to() {
    for (modes_in, modes_out, ranks) in [
        (vec![3, 4, 2], vec![2, 5, 3], vec![3, 2]),
        (vec![6], vec![5], vec![]),
        (vec![2, 3], vec![4, 1], vec![5]),
        (vec![2, 2, 3, 2], vec![1, 3, 2, 2], vec![2, 4, 3]),
    ] {
        let text =
            format!(r#"[{{"tt": {{"modes_in": {modes_in:?}, "modes_out": {modes_out:?}, "ranks": {ranks:?}}}}}]"#);
        let (inputs, outputs): (usize, usize) = (modes_in.iter().product(), modes_out.iter().product());
        let program = program(&layers(&text), &[inputs]);
        let network = Forward::new(&program, inputs).unwrap();
        let weights = normals(3, program.weights.iter().map(|weight| weight.len()).sum());
        let x = normals(4, 21 * inputs);
        let digits = |number: usize, modes: &[usize]| -> Vec<usize> {
            (0..modes.len()).map(|k| number / modes[k + 1..].iter().product::<usize>() % modes[k]).collect()
        };
        let entry = |j: usize, i: usize| -> f64 {
            let (i, j) = (digits(i, &modes_in), digits(j, &modes_out));
            let (mut row, mut first) = (vec![1.0], 0);
            for k in 0..modes_in.len() {
                let behind = ranks.get(k).copied().unwrap_or(1);
                let columns = modes_out[k] * behind;
                let core = |before: usize, after: usize| {
                    weights[first + (before * modes_in[k] + i[k]) * columns + j[k] * behind + after]
                };
                let next = (0..behind).map(|b| row.iter().enumerate().map(|(a, r)| r * core(a, b)).sum()).collect();
                first += row.len() * modes_in[k] * columns;
                row = next;
            }
            row[0]
        };
        let bias = &weights[weights.len() - outputs..];
        let mut expected = Vec::new();
        for x in x.chunks(inputs) {
            expected.extend((0..outputs).map(|j| bias[j] + (0..inputs).map(|i| entry(j, i) * x[i]).sum::<f64>()));
        }
        for level in Level::available() {
            close(&text, &forward::<f64>(&network, level, &weights, &[], &x), &expected, 1e-12);
            close(&text, &forward::<f32>(&network, level, &weights, &[], &x), &expected, 1e-5);
        }
    }
}

#[test]
fn what_has_no_forward_form_is_named_with_its_place() {
    let refused = |text: &str, inputs: usize, shape: &[usize]| {
        let circuits = |_: &str| None;
        let layers = layers(text);
        let shapes = shapes_on_device(&layers, shape, &circuits).unwrap();
        Forward::new(&compile_on_device(&shapes, &circuits), inputs).unwrap_err().to_string()
    };
    let batch_norm = refused(r#"["relu", {"residual": {"layers": ["relu", "batch_norm"]}}]"#, 4, &[4]);
    assert!(batch_norm.starts_with("layers[1].residual.layers[1]: batch_norm"), "{batch_norm}");
    let embedding = refused(r#"[{"embedding": {"vocabulary": 3, "dim": 2}}]"#, 4, &[4]);
    assert!(embedding.starts_with("layers[0]: an embedding takes token numbers"), "{embedding}");
    let other = refused(r#"["relu", {"linear": {"out": 2}}]"#, 5, &[4]);
    assert!(other.starts_with("layers[1]: takes 4 numbers per sample, but gets 5"), "{other}");
    let program = program(&layers(r#"["relu"]"#), &[4]);
    assert_eq!(Forward::new(&program, 4).unwrap().operations(), 4.0);
}
