#![allow(clippy::unwrap_used)]
mod support;
use blackbeam_digital::*;
use blackbeam_layers::Loss;
use blackbeam_plugin::*;
use std::sync::Arc;
use std::time::Instant;
struct Id;
impl DeviceHook for Id {
    fn forward(&self, _: usize, x: Matrix) -> Result<Matrix, PluginError> {
        Ok(x)
    }
    fn backward(&self, _: usize, g: &Matrix) -> Result<Matrix, PluginError> {
        Ok(g.clone())
    }
}
fn run(pinned: bool, shape: &[usize], text: &str) {
    if pinned {
        pin_threads().unwrap();
    }
    let mut net = Network::<f32>::new(&support::layers(text), shape, &|_| Some((64, 64)), Key::new(1)).unwrap();
    let mut opt = net.optimizer(serde_json::from_str(r#"{"adam": {"learning_rate": 0.001}}"#).unwrap());
    let hook: Arc<dyn DeviceHook> = Arc::new(Id);
    let n: usize = shape.iter().product();
    let inputs: Vec<f32> = support::normals(1, 128 * n);
    let classes: Vec<u32> = (0..128).map(|i| i % 10).collect();
    let (mut f, mut b, mut s, mut t, mut r) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for step in 0..60 {
        if step == 10 {
            (f, b, s, t, r) = (0.0, 0.0, 0.0, 0.0, 0.0);
        }
        let i = Instant::now();
        let pass =
            net.forward_train(&inputs, Targets::Classes(&classes), Loss::CrossEntropy, Key::new(step), &hook).unwrap();
        f += i.elapsed().as_secs_f64();
        let i = Instant::now();
        let tr = pass.backward().unwrap();
        b += i.elapsed().as_secs_f64();
        let i = Instant::now();
        net.step(&mut opt, &tr.gradients, 0.001);
        s += i.elapsed().as_secs_f64();
        let i = Instant::now();
        let y = Matrix::zeros(128, 64);
        net.tail_loss(&tr.trace, 0, &y, &Id).unwrap();
        t += i.elapsed().as_secs_f64();
        let i = Instant::now();
        net.fim_factor(&tr.trace, 0, &hook).unwrap();
        r += i.elapsed().as_secs_f64();
    }
    println!(
        "forward {:.3} backward {:.3} step {:.3} tail {:.3} fim {:.3} ms",
        f * 20.0,
        b * 20.0,
        s * 20.0,
        t * 20.0,
        r * 20.0
    );
    let h: u64 = net
        .tensors()
        .iter()
        .flat_map(|t| &t.values)
        .fold(0, |h, v| (h ^ u64::from(v.to_bits())).wrapping_mul(0x100000001b3));
    println!("hash {h:x}");
}
#[test]
fn perf() {
    let d = r#"{"linear": {"out": 64}}, {"device": {"name": "m"}}, "bias", "relu", {"linear": {"out": 10}}"#;
    for t in [r#"{"conv2d": {"out": 16, "kernel": 3, "padding": 1}}, {"adaptive_avg_pool": {"size": [1,1]}}, "flatten""#,
      r#"{"conv2d": {"out": 16, "kernel": 3, "padding": 1}}, {"max_pool": {"kernel": 2}}, {"adaptive_avg_pool": {"size": [1,1]}}, "flatten""#,
      r#"{"conv2d": {"out": 16, "kernel": 3, "padding": 1}}, {"max_pool": {"kernel": 2}}, {"conv2d": {"out": 32, "kernel": 3, "padding": 1}}, {"adaptive_avg_pool": {"size": [1,1]}}, "flatten""#,
      r#"{"conv2d": {"out": 16, "kernel": 3, "padding": 1}}, "relu", {"adaptive_avg_pool": {"size": [1,1]}}, "flatten""#,
      r#"{"conv2d": {"out": 16, "kernel": 3, "padding": 1}}, "batch_norm", {"adaptive_avg_pool": {"size": [1,1]}}, "flatten""#,
      r#"{"conv2d": {"out": 16, "kernel": 3, "padding": 1}}, "layer_norm", {"adaptive_avg_pool": {"size": [1,1]}}, "flatten""#,
    ] { println!("{t}"); run(true, &[3,32,32], &format!("[{t},{d}]")); }
}
