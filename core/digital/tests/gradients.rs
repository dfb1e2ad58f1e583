//! Every gradient against central differences, in f64.
#![allow(clippy::unwrap_used)]

mod support;

use blackbeam_digital::{DeviceHook, Network, Targets, Trained};
use blackbeam_layers::Loss;
use blackbeam_plugin::{Key, Matrix};
use std::sync::Arc;
use support::{D_OUT, Sines, network, normals};

const SAMPLES: usize = 3;
const H: f64 = 1e-6;

struct Case {
    network: Network<f64>,
    inputs: Vec<f64>,
    classes: Vec<u32>,
    numbers: Vec<f64>,
    loss: Loss,
}

impl Case {
    fn new(layers: &str, input_shape: &[usize], loss: Loss) -> Self {
        let network = network::<f64>(layers, input_shape);
        let outputs: usize = network.output_shape().iter().product();
        let positions = outputs / network.output_width();
        let classes = (0..SAMPLES * positions).map(|i| (i % network.output_width()) as u32).collect();
        let inputs = normals(1, SAMPLES * input_shape.iter().product::<usize>());
        Case { inputs, classes, numbers: normals(2, SAMPLES * outputs), loss, network }
    }

    fn targets(&self) -> Targets<'_, f64> {
        match self.loss {
            Loss::CrossEntropy => Targets::Classes(&self.classes),
            Loss::Mse => Targets::Values(&self.numbers),
        }
    }

    fn pass(&self, hook: &Arc<dyn DeviceHook>) -> blackbeam_digital::Pass<f64> {
        self.network.forward_train(&self.inputs, self.targets(), self.loss, Key::new(7), hook).unwrap()
    }

    fn hook(&self) -> Arc<dyn DeviceHook> {
        Sines::of(&self.network).hook()
    }

    fn trained(&self) -> Trained<f64> {
        self.pass(&self.hook()).backward().unwrap()
    }

    fn loss_of(&self) -> f64 {
        self.pass(&self.hook()).score.loss()
    }

    /// Every parameter moved by +-H.
    fn check_parameters(&mut self, what: &str) {
        let trained = self.trained();
        let mut tensors = self.network.tensors();
        for (parameter, gradient) in trained.gradients.values().iter().enumerate() {
            for (element, &g) in gradient.iter().enumerate() {
                let at = tensors[parameter].values[element];
                let mut loss_at = |value: f64| {
                    tensors[parameter].values[element] = value;
                    self.network.restore(&tensors).unwrap();
                    self.loss_of()
                };
                let difference = (loss_at(at + H) - loss_at(at - H)) / (2.0 * H);
                loss_at(at);
                let name = &tensors[parameter].name;
                assert!((g - difference).abs() < 1e-8, "{what}: {name}[{element}]: {g} is not {difference}");
            }
        }
    }

    /// Every device output moved by +-H.
    fn check_cotangents(&self, what: &str) {
        let trained = self.trained();
        for (use_index, cotangent) in trained.cotangents.iter().enumerate() {
            let y = self.outputs_of(use_index);
            assert_eq!((cotangent.rows, cotangent.columns), (y.rows, D_OUT));
            for element in 0..y.data.len() {
                let loss_at = |move_by: f64| {
                    let mut y = y.clone();
                    y.data[element] += move_by;
                    self.network.tail_loss(&trained.trace, use_index, &y, &*self.hook()).unwrap()
                };
                let difference = (loss_at(H) - loss_at(-H)) / (2.0 * H);
                let g = cotangent.data[element];
                assert!((g - difference).abs() < 1e-8, "{what}: use {use_index} [{element}]: {g} is not {difference}");
            }
        }
    }

    /// The device's outputs at a use, as the device gave them.
    fn outputs_of(&self, use_index: usize) -> Matrix {
        struct Watch(Sines, usize, std::sync::Mutex<Matrix>);
        impl DeviceHook for Watch {
            fn forward(&self, at: usize, x: Matrix) -> blackbeam_plugin::Result<Matrix> {
                let y = self.0.forward(at, x)?;
                if at == self.1 {
                    *self.2.lock().unwrap() = y.clone();
                }
                Ok(y)
            }
            fn backward(&self, at: usize, grad_y: &Matrix) -> blackbeam_plugin::Result<Matrix> {
                self.0.backward(at, grad_y)
            }
        }
        let watch = Arc::new(Watch(Sines::of(&self.network), use_index, std::sync::Mutex::default()));
        let hook: Arc<dyn DeviceHook> = watch.clone();
        self.pass(&hook);
        let y = watch.2.lock().unwrap();
        y.clone()
    }
}

const DEVICE: &str = r#"{"device": {"name": "a", "out": 4, "initial_scale": 0.7}}"#;

/// A device after a layer with parameters, in a residual in a residual, used again, with another after it.
fn devices() -> String {
    format!(
        r#"[{{"linear": {{"out": 4}}}}, {{"residual": {{"layers": ["gelu", {DEVICE}, {{"residual": {{"layers": [{DEVICE}]}}}},
            {{"dropout": {{"p": 0.3}}}}]}}}}, {{"device": {{"name": "b", "out": 2}}}}, "bias", {{"linear": {{"out": 3}}}}]"#
    )
}

#[test]
fn gradients_of_every_layer() {
    let image = &[2, 6, 7][..];
    let front = r#"{"conv2d": {"out": 2, "kernel": 3, "padding": 1}}"#;
    for (what, layers, shape) in [
        ("linear", r#"[{"linear": {"out": 4}}, {"linear": {"out": 3, "bias": false}}]"#.into(), &[5][..]),
        ("linear on positions", r#"[{"linear": {"out": 4}}, {"linear": {"out": 3}}]"#.into(), &[2, 5]),
        ("shared", r#"[{"linear": {"out": 5, "share": "w"}}, "gelu", {"linear": {"out": 5, "share": "w"}}]"#.into(), &[5]),
        ("conv2d", r#"[{"conv2d": {"out": 3, "kernel": 3, "stride": 2, "padding": 1}}, {"conv2d": {"out": 2, "kernel": 2, "bias": false}}]"#.into(), image),
        ("max_pool", format!(r#"[{front}, {{"max_pool": {{"kernel": 2}}}}]"#), image),
        ("overlapping max_pool", format!(r#"[{front}, {{"max_pool": {{"kernel": 3, "stride": 2}}}}]"#), image),
        ("avg_pool", format!(r#"[{front}, {{"avg_pool": {{"kernel": 3, "stride": 2}}}}]"#), image),
        ("adaptive_avg_pool", format!(r#"[{front}, {{"adaptive_avg_pool": {{"size": [4, 3]}}}}]"#), image),
        ("batch_norm of images", format!(r#"[{front}, "batch_norm", "gelu"]"#), image),
        ("batch_norm of features", r#"[{"linear": {"out": 3}}, "batch_norm", "gelu"]"#.into(), &[5]),
        ("batch_norm of positions", r#"[{"linear": {"out": 3}}, "batch_norm", "gelu"]"#.into(), &[2, 5]),
        (
            "tt",
            r#"[{"tt": {"modes_in": [2, 3], "modes_out": [3, 2], "ranks": 2}}, "tanh",
                {"tt": {"modes_in": [3, 2], "modes_out": [2, 2], "ranks": [3], "bias": false}}]"#
                .into(),
            &[6],
        ),
        ("mixer", r#"[{"linear": {"out": 3}}, {"mixer": {"tokens": 3, "channels": 2}}, "mean", "sine"]"#.into(), &[2, 4]),
        ("tokens", r#"[{"conv2d": {"out": 3, "kernel": 1}}, "tokens", "sigmoid", "flatten"]"#.into(), &[2, 2, 2]),
        ("pairs", r#"[{"linear": {"out": 4}}, "complex", "magnitude", {"linear": {"out": 4}}, "power"]"#.into(), &[3]),
        ("layer_norm", r#"[{"linear": {"out": 4}}, "layer_norm", "gelu"]"#.into(), &[2, 5]),
        ("dropout", r#"[{"linear": {"out": 6}}, {"dropout": {"p": 0.5}}, {"linear": {"out": 3}}]"#.into(), &[5]),
        ("relu, bias, scale", r#"["bias", "relu", {"scale": {"initial": 1.5}}]"#.into(), &[2, 3]),
        ("softmax", r#"[{"linear": {"out": 4}}, "softmax"]"#.into(), &[2, 3]),
        ("resize", r#"[{"linear": {"out": 4}}, {"resize": {"out": 6}}, {"scale": {}}, {"resize": {"out": 3}}]"#.into(), &[2, 3]),
        ("residual", r#"["bias", {"residual": {"layers": ["gelu", {"linear": {"out": 3}}]}}]"#.into(), &[3]),
        ("devices", devices(), &[5]),
        ("a device on an image", format!(r#"["bias", {DEVICE}, "gelu", {{"scale": {{}}}}, "flatten", {{"linear": {{"out": 3}}}}]"#), &[2, 3, 5]),
    ] {
        for loss in [Loss::CrossEntropy, Loss::Mse] {
            Case::new(&layers, shape, loss).check_parameters(what);
        }
    }
}

#[test]
fn gradient_of_an_embedding() {
    let text = r#"[{"embedding": {"vocabulary": 4, "dim": 3}}, "gelu", {"linear": {"out": 5}}]"#;
    let mut case = Case::new(text, &[4], Loss::CrossEntropy);
    case.inputs = (0..4 * SAMPLES).map(|i| ((i * i) % 3) as f64).collect();
    case.check_parameters("embedding");
    case.inputs[0] = 4.0;
    let found = case.network.evaluate(&case.inputs, &*case.hook());
    assert!(found.unwrap_err().to_string().contains("from 0 to 3"));
}

#[test]
fn cotangents_of_devices() {
    for loss in [Loss::CrossEntropy, Loss::Mse] {
        Case::new(&devices(), &[5], loss).check_cotangents("devices");
        // nothing with parameters before the first: its outputs are a leaf of the graph; batch statistics move with y
        let first = format!(r#"["relu", {DEVICE}, "batch_norm", {DEVICE}, "flatten", {{"linear": {{"out": 3}}}}]"#);
        let case = Case::new(&first, &[2, 5], loss);
        assert!(!case.network.needs_input_gradient(0) && case.network.needs_input_gradient(1));
        case.check_cotangents("a device in front");
        // d_out 3, cropped to 2: the third output has no cotangent
        let cropped = Case::new(r#"[{"device": {"name": "a", "out": 2}}]"#, &[5], loss);
        cropped.check_cotangents("cropped");
        assert!((0..SAMPLES).all(|row| cropped.trained().cotangents[0][(row, 2)] == 0.0));
    }
}

#[test]
fn a_tail_equals_the_whole_network_run_again() {
    for text in [
        devices(),
        format!(
            r#"["batch_norm", {DEVICE}, {{"residual": {{"layers": [{DEVICE}, "batch_norm"]}}}}, {{"dropout": {{"p": 0.5}}}}]"#
        ),
    ] {
        let case = Case::new(&text, &[5], Loss::CrossEntropy);
        let pass = case.pass(&case.hook());
        for use_index in 0..case.network.uses().len() {
            let y = case.outputs_of(use_index);
            let same = case.network.tail_loss(&pass.trace, use_index, &y, &*case.hook()).unwrap();
            assert_eq!(same, pass.score.loss(), "unchanged outputs at use {use_index}");
            let mut moved = Sines::of(&case.network);
            let offset = Matrix::new(y.rows, y.columns, normals(4, y.data.len()));
            let shifted = y.data.iter().zip(offset.data.iter()).map(|(y, o)| y + o).collect();
            let shifted = Matrix::new(y.rows, y.columns, shifted);
            moved.offset = Some((use_index, offset));
            let whole = case.pass(&moved.hook()).score.loss();
            let tail = case.network.tail_loss(&pass.trace, use_index, &shifted, &*case.hook()).unwrap();
            assert!((tail - whole).abs() < 1e-12 && (tail - same).abs() > 1e-3, "use {use_index}: {tail}, {whole}");
        }
    }
}

/// R^T R against J^T F J with J by central differences of the whole network.
#[test]
fn fim_factor_is_a_root_of_the_pulled_back_information() {
    for loss in [Loss::CrossEntropy, Loss::Mse] {
        let case = Case::new(&devices(), &[5], loss);
        let hook = case.hook();
        let pass = case.pass(&hook);
        for use_index in 0..case.network.uses().len() {
            let factor = case.network.fim_factor(&pass.trace, use_index, &hook).unwrap();
            let k = factor.k;
            assert_eq!((factor.rows, k, factor.d_out), (SAMPLES, 3, D_OUT));
            // second derivatives of a mean over samples of -ln p, and over samples and outputs of squares
            let weight = if loss == Loss::Mse { 2.0 / (SAMPLES * 3) as f64 } else { 1.0 / SAMPLES as f64 };
            assert_eq!(factor.weight, weight);
            let outputs_at = |column: usize, by: f64| {
                let mut hook = Sines::of(&case.network);
                let mut offset = Matrix::zeros(SAMPLES, D_OUT);
                (0..SAMPLES).for_each(|row| offset[(row, column)] = by); // samples do not see each other
                hook.offset = Some((use_index, offset));
                case.pass(&hook.hook()).trace.outputs().to_vec()
            };
            let j: Vec<Vec<f64>> = (0..D_OUT)
                .map(|column| {
                    let (up, down) = (outputs_at(column, H), outputs_at(column, -H));
                    up.iter().zip(&down).map(|(u, d)| (u - d) / (2.0 * H)).collect()
                })
                .collect();
            for row in 0..SAMPLES {
                let z = &pass.trace.outputs()[row * k..(row + 1) * k];
                let sum: f64 = z.iter().map(|z| z.exp()).sum();
                let f = |a: usize, b: usize| match loss {
                    Loss::Mse => f64::from(a == b),
                    Loss::CrossEntropy => z[a].exp() / sum * (f64::from(a == b) - z[b].exp() / sum),
                };
                for (m, n) in (0..D_OUT).flat_map(|m| (0..D_OUT).map(move |n| (m, n))) {
                    let r = |i: usize, column: usize| factor.values[(row * k + i) * D_OUT + column];
                    let found: f64 = (0..k).map(|i| r(i, m) * r(i, n)).sum();
                    let pairs = (0..k).flat_map(|a| (0..k).map(move |b| (a, b)));
                    let expected: f64 = pairs.map(|(a, b)| j[m][row * k + a] * f(a, b) * j[n][row * k + b]).sum();
                    assert!(
                        (found - expected).abs() < 1e-7,
                        "{loss:?}, use {use_index}, row {row}: {found}, {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn fim_factor_holds_batch_statistics_and_counts_rows() {
    let case = Case::new(r#"[{"device": {"name": "a", "scale": false}}, "batch_norm"]"#, &[2, 5], Loss::Mse);
    let hook = case.hook();
    let pass = case.pass(&hook);
    let factor = case.network.fim_factor(&pass.trace, 0, &hook).unwrap();
    assert_eq!((factor.rows, factor.k, factor.d_out), (2 * SAMPLES, 2 * D_OUT, D_OUT));
    let y = case.outputs_of(0);
    for row in 0..y.rows {
        for (i, column) in (0..factor.k).flat_map(|i| (0..D_OUT).map(move |c| (i, c))) {
            let mean = (0..y.rows).map(|r| y[(r, column)]).sum::<f64>() / y.rows as f64;
            let variance = (0..y.rows).map(|r| (y[(r, column)] - mean).powi(2)).sum::<f64>() / y.rows as f64;
            let expected = if i == (row % 2) * D_OUT + column { 1.0 / (variance + 1e-5).sqrt() } else { 0.0 };
            let found = factor.values[(row * factor.k + i) * D_OUT + column];
            assert!((found - expected).abs() < 1e-9, "row {row}, output {i}, column {column}: {found}, {expected}");
        }
    }
}
