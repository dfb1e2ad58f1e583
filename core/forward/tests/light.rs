//! Photonic layers against sums of complex numbers.
#![allow(clippy::unwrap_used)]

mod support;

use blackbeam_forward::{ComplexMatrix, Forward};
use blackbeam_kernels::Level;
use blackbeam_layers::program::compile_on_device;
use blackbeam_layers::shapes_on_device;
use support::{close, forward, layers, normals};

fn network(text: &str, shape: &[usize]) -> (Forward, usize) {
    // c5x7: 5 inputs, 7 outputs
    let circuits = |name: &str| {
        let (inputs, outputs) = name.strip_prefix('c')?.split_once('x')?;
        Some((inputs.parse().ok()?, outputs.parse().ok()?))
    };
    let layers = layers(text);
    let program = compile_on_device(&shapes_on_device(&layers, shape, &circuits).unwrap(), &circuits);
    let weights = program.weights.iter().map(|weight| weight.len()).sum();
    (Forward::new(&program, shape.iter().product()).unwrap(), weights)
}

/// (re, im) of W z.
fn product(matrix: &ComplexMatrix<'_>, z: &[f64]) -> Vec<f64> {
    let inputs = z.len() / 2;
    let mut result = Vec::new();
    for (re, im) in matrix.re.chunks(inputs).zip(matrix.im.chunks(inputs)) {
        result.push((0..inputs).map(|k| re[k] * z[2 * k] - im[k] * z[2 * k + 1]).sum());
        result.push((0..inputs).map(|k| re[k] * z[2 * k + 1] + im[k] * z[2 * k]).sum());
    }
    result
}

fn agrees(network: &Forward, weights: &[f64], matrices: &[ComplexMatrix<'_>], expected: &dyn Fn(&[f64]) -> Vec<f64>) {
    for rows in [1, 5, 40] {
        let x = normals(1, rows * network.inputs());
        let expected: Vec<f64> = x.chunks(network.inputs()).flat_map(expected).collect();
        for level in Level::available() {
            let what = format!("{rows} rows, {level:?}");
            close(&what, &forward::<f64>(network, level, weights, matrices, &x), &expected, 1e-12);
            close(&what, &forward::<f32>(network, level, weights, matrices, &x), &expected, 1e-5);
        }
    }
}

#[test]
fn matrices_on_rows_of_pairs() {
    for (inputs, outputs, rows) in [(1, 1, 1), (5, 7, 3), (16, 16, 1), (4, 2, 6)] {
        let text = format!(r#"["phases", {{"circuit": {{"name": "c{inputs}x{outputs}"}}}}]"#);
        let (network, weights) = network(&text, &[rows, 2 * inputs]);
        assert_eq!((network.optical()[0].inputs, network.optical()[0].elements.len()), (inputs, 2));
        assert_eq!(network.operations(), (8 * inputs * outputs * rows) as f64);
        let (re, im) = (normals(5, inputs * outputs), normals(6, inputs * outputs));
        let matrix = ComplexMatrix { re: &re, im: &im };
        let expected = |x: &[f64]| x.chunks(2 * inputs).flat_map(|z| product(&matrix, z)).collect();
        agrees(&network, &normals(7, weights), &[matrix], &expected);
    }
}

#[test]
fn real_numbers_onto_light_and_into_detectors() {
    let text = r#"["complex", {"circuit": {"name": "c6x4"}}, "power", {"linear": {"out": 3, "bias": false}}, {"residual": {"layers":
        ["complex", {"circuit": {"name": "c3x3"}}, "magnitude"]}}]"#;
    let (network, weights) = network(text, &[6]);
    let weights = normals(7, weights);
    let parts: Vec<Vec<f64>> = [24, 24, 9, 9].iter().zip(20..).map(|(&len, seed)| normals(seed, len)).collect();
    let first = ComplexMatrix { re: &parts[0], im: &parts[1] };
    let second = ComplexMatrix { re: &parts[2], im: &parts[3] };
    let complex = |x: &[f64]| x.iter().flat_map(|&x| [x, 0.0]).collect::<Vec<_>>();
    let power = |z: &[f64]| z.chunks(2).map(|z| z[0] * z[0] + z[1] * z[1]).collect::<Vec<_>>();
    let expected = |x: &[f64]| {
        let seen = power(&product(&first, &complex(x)));
        let y: Vec<f64> = (0..3).map(|o| (0..4).map(|f| seen[f] * weights[f * 3 + o]).sum()).collect();
        let seen = power(&product(&second, &complex(&y)));
        y.iter().zip(seen).map(|(y, power)| y + power.sqrt()).collect()
    };
    agrees(&network, &weights, &[first, second], &expected);
}

#[test]
fn recurrent_cells() {
    let (positions, width) = (6, 5);
    for activation in ["none", "mod_relu"] {
        let text = format!(
            r#"[{{"circuit": {{"name": "c5x5"}}}}, {{"recurrent": {{"layers": [{{"circuit": {{"name": "c5x5"}}}}, {{"diagonal": {{}}}}],
               "activation": "{activation}"}}}}]"#
        );
        let (network, count) = network(&text, &[positions, 2 * width]);
        // of the diagonal, which is in the matrix, and of modReLU: some of them shut their modes
        let weights = normals(7, count);
        let parts: Vec<Vec<f64>> =
            (30..34).map(|seed| normals(seed, 25)).map(|n| n.iter().map(|x| 0.5 * x).collect()).collect();
        let first = ComplexMatrix { re: &parts[0], im: &parts[1] };
        let second = ComplexMatrix { re: &parts[2], im: &parts[3] };
        let expected = |x: &[f64]| {
            let (mut h, mut all) = (vec![0.0; 2 * width], Vec::new());
            for x in x.chunks(2 * width) {
                let sum: Vec<f64> = product(&first, x).iter().zip(product(&second, &h)).map(|(x, wh)| x + wh).collect();
                h = sum;
                if activation == "mod_relu" {
                    for (k, z) in h.chunks_mut(2).enumerate() {
                        let modulus = z[0].hypot(z[1]);
                        let factor = (modulus + weights[width + k]).max(0.0) / modulus;
                        z.iter_mut().for_each(|part| *part *= factor);
                    }
                }
                all.extend(&h);
            }
            all
        };
        agrees(&network, &weights, &[first, second], &expected);
    }
}

#[test]
fn a_dark_mode_stays_dark() {
    let text = r#"[{"recurrent": {"layers": [{"circuit": {"name": "c2x2"}}], "activation": "mod_relu"}}]"#;
    let (network, _) = network(text, &[2, 4]);
    let matrix = ComplexMatrix { re: &[0.0; 4], im: &[0.0; 4] };
    for level in Level::available() {
        let y = forward::<f64>(&network, level, &[0.5, -0.5], &[matrix], &[0.0, 0.0, 0.3, 0.4, 0.0, 0.0, 3.0, 4.0]);
        close("modReLU of 0 is 0", &y, &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.7, 3.6], 1e-15);
        let y = forward::<f32>(&network, level, &[0.5, -0.5], &[matrix], &[0.0, 0.0, 0.3, 0.4, 1e-20, 0.0, 3.0, 4.0]);
        assert_eq!(y[0], 0.0);
        assert!((y[4] - 0.5).abs() < 1e-3, "1e-20 is still light, {}", y[4]);
    }
}
