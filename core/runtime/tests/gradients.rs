//! Gradients through a device, in 64-bit arithmetic: what reaches the digital layers, and what reaches the device.

#![allow(clippy::unwrap_used)]

use blackbeam_digital::{DeviceHook, Network, Targets};
use blackbeam_layers::{Layer, Loss};
use blackbeam_netlist::{ReadOptions, read};
use blackbeam_optics::Simulator;
use blackbeam_plugin::{
    Answer, ArrayView, Context, Descriptor, Estimator, Key, Kind, Matrix, Open, Plugin, PluginError, Probe, Purpose,
    RSlice, Surrogate,
};
use blackbeam_runtime::session::{DeviceSession, OutputRule, PhysicalFile, Round, ScaleRule, SessionOptions};
use blackbeam_source::Source;
use serde_json::json;
use std::sync::{Arc, Mutex};

/// What a method sees of a step.
struct Step<'a> {
    key: Key,
    start: bool,
    descriptor: &'a Descriptor,
    params: &'a [f64],
    x: ArrayView<'a>,
    y: ArrayView<'a>,
    cotangent: ArrayView<'a>,
}

impl<'a> Step<'a> {
    fn context(&self) -> Context<'a> {
        let none = ArrayView::empty();
        Context {
            key: self.key,
            step: 0,
            start: self.start,
            descriptor: self.descriptor,
            params: RSlice::from_slice(self.params),
            params_applied: RSlice::from_slice(&[]),
            previous: RSlice::from_slice(self.params),
            previous_applied: RSlice::from_slice(&[]),
            x: self.x,
            y: self.y,
            cotangent: self.cotangent,
            loss: 0.0,
            fim_factor: none,
            surrogate_u: none,
            surrogate_s: none,
            surrogate_v: none,
            noise_std: 0.0,
            full_scale: 1.0,
            budget_vectors: f64::INFINITY,
        }
    }
}

fn session(device: &str, name: &str, ideal: bool) -> (DeviceSession, tempfile::TempDir) {
    let options = ReadOptions { ideal, ..ReadOptions::default() };
    let (circuit, _) = read(&Source::new(name, device), &options).unwrap_or_else(|e| panic!("{}", e.render(false)));
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = PhysicalFile::open(&folder.path().join("ledger.jsonl")).unwrap();
    let options = SessionOptions {
        name: name.into(),
        run: "main".into(),
        stream: 5,
        max_batch: 0,
        input: ScaleRule::Fixed(1.0),
        output: OutputRule { start: None, rate: 0.0, margin: 1.0 },
    };
    let simulator = Box::new(Simulator::open(&circuit, 3, 1).unwrap());
    (DeviceSession::open(simulator, options, file, Key::new(2)).unwrap(), folder)
}

/// A bank of rings at given phases: w = 2 sqrt(T) - 1, a = .8, r = .9.
fn bank(rows: usize, columns: usize, overlay: &str) -> String {
    format!(
        "ddl: 1\nname: bank\nenvironment: {{wl: 1.55}}\ninstances:\n  bank:\n    component: mrr_bank\n    settings: {{rows: {rows}, \
         columns: {columns}, preset: astralora, weight: all_pass_amplitude}}\nparameters:\n  bank.phi: {{range: [0, \
         6.283185307179586], at_range: clip, init: {{uniform: [0.3, 5.9]}}}}\n{overlay}"
    )
}

fn mesh(n: usize) -> String {
    format!(
        "ddl: 1\nname: mesh\nenvironment: {{wl: 1.55}}\ninstances:\n  U: {{component: mesh, settings: {{n: {n}}}}}\n\
         encoding: {{mode: amplitude}}\nreadout: {{mode: coherent_real}}\n"
    )
}

const PLAIN: &str = "encoding: {mode: amplitude}\nreadout: {mode: differential}\n";

struct Hybrid {
    session: DeviceSession,
    surrogate: Box<dyn Surrogate>,
    x: Matrix,
}

/// A device and its surrogate where the network calls them.
struct Hook(Mutex<Hybrid>);

impl DeviceHook for Hook {
    fn forward(&self, _use_index: usize, x: Matrix) -> Result<Matrix, PluginError> {
        let mut hybrid = self.0.lock().unwrap();
        hybrid.x = x.clone();
        Ok(hybrid.session.forward(&x, 0, Purpose::Forward, 0, 0).unwrap().outputs)
    }

    fn backward(&self, _use_index: usize, grad_y: &Matrix) -> Result<Matrix, PluginError> {
        let hybrid = self.0.lock().unwrap();
        let mut grad_x = Matrix::zeros(hybrid.x.rows, hybrid.x.columns);
        hybrid.surrogate.backward(hybrid.x.view(), grad_y.view(), grad_x.view_mut())?;
        Ok(grad_x)
    }
}

/// `full` at full rank, built through the session.
fn full(session: &mut DeviceSession) -> Box<dyn Surrogate> {
    let plugins = blackbeam_surrogates::plugins();
    let plugin = plugins.iter().find(|p| p.manifest().name == "full" && p.kind() == Kind::Surrogate).unwrap();
    let Plugin::Surrogate(plugin) = plugin else { panic!("a surrogate") };
    let descriptor = session.descriptor().clone();
    let mut surrogate = plugin.make(&open("{}"), &descriptor).unwrap();
    let params = session.params().to_vec();
    let none = ArrayView::empty();
    let step = Step {
        key: Key::new(1),
        start: true,
        descriptor: &descriptor,
        params: &params,
        x: none,
        y: none,
        cotangent: none,
    };
    loop {
        let ask = surrogate.ask(&step.context()).unwrap();
        if ask.probes.is_empty() {
            return surrogate;
        }
        let answers = answer(session, &ask.probes, Purpose::Surrogate, &Matrix::default(), &Matrix::default());
        surrogate.tell(&step.context(), &answers).unwrap();
    }
}

fn answer(
    session: &mut DeviceSession,
    probes: &[Probe],
    purpose: Purpose,
    x: &Matrix,
    cotangent: &Matrix,
) -> Vec<Answer> {
    session.probes(probes, Round { step: 0, purpose, round: 0, x, cotangent }).unwrap()
}

fn open(settings: &str) -> Open {
    Open { settings: settings.into(), seed: 1, threads: 1, ideal: false }
}

fn normal(seed: u64, rows: usize, columns: usize) -> Matrix {
    let mut m = Matrix::zeros(rows, columns);
    Key::new(seed).fill_normal(0, &mut m.data);
    m
}

#[test]
fn every_digital_gradient_equals_finite_differences_of_the_whole() {
    for (device, name) in [(bank(4, 5, PLAIN), "bank"), (mesh(4), "mesh")] {
        let (mut session, _folder) = session(&device, name, true);
        let widths = (session.descriptor().input.width, session.descriptor().output.width);
        let surrogate = full(&mut session);
        let layers: Vec<Layer> = serde_json::from_value(json!([
            {"linear": {"out": 5}}, "gelu", {"residual": {"layers": [{"device": {"name": name, "out": 5}}]}}, "bias", "gelu",
            {"linear": {"out": 3}}
        ]))
        .unwrap();
        let mut network = Network::<f64>::new(&layers, &[6], &|_| Some(widths), Key::new(8)).unwrap();
        let inputs = normal(4, 7, 6);
        let classes = [0u32, 1, 2, 2, 1, 0, 1];
        let hook: Arc<dyn DeviceHook> = Arc::new(Hook(Mutex::new(Hybrid { session, surrogate, x: Matrix::default() })));
        let targets = Targets::Classes(&classes);
        let loss = |network: &Network<f64>| {
            network.forward_train(&inputs.data, targets, Loss::CrossEntropy, Key::new(0), &hook).unwrap()
        };
        let trained = loss(&network).backward().unwrap();
        let tensors = network.tensors();
        let step = 1e-5;
        for (tensor, gradient) in trained.gradients.values().iter().enumerate() {
            for (element, gradient) in gradient.iter().enumerate() {
                let mut at = |sign: f64| {
                    let mut moved = tensors.clone();
                    moved[tensor].values[element] += sign * step;
                    network.restore(&moved).unwrap();
                    loss(&network).score.loss()
                };
                let expected = (at(1.0) - at(-1.0)) / (2.0 * step);
                let name = &tensors[tensor].name;
                assert!(
                    (gradient - expected).abs() < 1e-5 * expected.abs().max(0.1),
                    "{name}<{element}>: {gradient} is not {expected}"
                );
            }
        }
    }
}

#[test]
fn the_gradient_that_reaches_the_digital_layers_is_v_s_u_g() {
    let (mut session, _folder) = session(&bank(4, 5, PLAIN), "bank", true);
    let surrogate = full(&mut session);
    let factors = surrogate.factors();
    let matrix = session.read_matrix(0).unwrap();
    let g = normal(3, 6, 4);
    let mut grad_x = Matrix::zeros(6, 5);
    surrogate.backward(normal(9, 6, 5).view(), g.view(), grad_x.view_mut()).unwrap();
    let r = factors.s.rows;
    for b in 0..6 {
        for i in 0..5 {
            let by_factors: f64 = (0..r)
                .flat_map(|p| (0..r).map(move |q| (p, q)))
                .map(|(p, q)| {
                    let ug: f64 = (0..4).map(|o| factors.u[(o, p)] * g[(b, o)]).sum();
                    ug * factors.s[(p, q)] * factors.v[(i, q)]
                })
                .sum();
            let by_device: f64 = (0..4).map(|o| matrix[(o, i)] * g[(b, o)]).sum();
            assert!((grad_x[(b, i)] - by_factors).abs() < 1e-12);
            assert!((grad_x[(b, i)] - by_device).abs() < 1e-12);
        }
    }
}

/// dw/dphi of w = 2 sqrt(T) - 1, by central differences of the closed form.
fn slope(phi: f64) -> f64 {
    let (a, r) = (0.8, 0.9);
    let t = |phi: f64| {
        let s = 4.0 * a * r * (0.5 * phi).sin().powi(2);
        (((a - r) * (a - r) + s) / ((1.0 - a * r) * (1.0 - a * r) + s)).sqrt()
    };
    (t(phi + 1e-6) - t(phi - 1e-6)) / 1e-6
}

/// Cosine of the `gaussian` estimate (400 samples, one step of an 8-bit DAC over 0..2 pi) to the ideal device's exact
/// gradient, through the simulator and the session; mean of 12 draws.
fn cosine(readout: &str) -> f64 {
    let dac = "actuators:\n  dac: {drives: [bank.phi], dac: {bits: 8, min: 0, max: 6.283185307179586}, curve: {quantity: power, form: linear, p_pi: \
               3.141592653589793}}\nencoding: {mode: amplitude}\n";
    let (mut session, _folder) = session(&bank(8, 8, &format!("{dac}{readout}")), "bank", false);
    let descriptor = session.descriptor().clone();
    let lsb = descriptor.lsb();
    assert!((lsb - std::f64::consts::TAU / 255.0).abs() < 1e-12);
    let Some(Plugin::Estimator(plugin)) = blackbeam_estimators::plugins().into_iter().next() else {
        panic!("gaussian")
    };
    let settings = json!({"samples": 400, "mu": lsb}).to_string();
    let mut total = 0.0;
    for draw in 0..12 {
        let mut phases = vec![0.0; 64];
        let key = Key::new(100 + draw);
        phases.iter_mut().enumerate().for_each(|(i, p)| *p = 0.3 + 5.6 * key.uniform(i as u64));
        session.set_params(&phases).unwrap();
        let x = normal(200 + draw, 32, 8);
        let mut v = normal(300 + draw, 32, 8);
        v.data.iter_mut().for_each(|v| *v /= 32.0);
        let y = session.forward(&x, draw, Purpose::Forward, 0, 0).unwrap().outputs;
        let mut estimator: Box<dyn Estimator> = plugin.make(&open(&settings), &descriptor).unwrap();
        let step = Step {
            key: key.named("probes"),
            start: false,
            descriptor: &descriptor,
            params: &phases,
            x: x.view(),
            y: y.view(),
            cotangent: v.view(),
        };
        let ask = estimator.ask(&step.context()).unwrap();
        let answers = answer(&mut session, &ask.probes, Purpose::Probe, &x, &v);
        estimator.tell(&step.context(), &answers).unwrap();
        let estimate = estimator.ask(&step.context()).unwrap().values;
        let exact: Vec<f64> =
            (0..64).map(|i| slope(phases[i]) * (0..32).map(|b| v[(b, i / 8)] * x[(b, i % 8)]).sum::<f64>()).collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        total += dot(&estimate, &exact) / (dot(&estimate, &estimate) * dot(&exact, &exact)).sqrt();
    }
    total / 12.0
}

/// At one step of 8 bits (.0246 rad) the table of measured cosines lies between its columns 1e-2 and 3e-2: .87 and .92
/// without noise.
#[test]
fn the_device_gradient_at_one_step_of_eight_bits_has_the_measured_cosine() {
    let quiet = cosine("readout: {mode: differential}\n");
    assert!((0.87 - 0.03..=0.92 + 0.03).contains(&quiet), "{quiet}");
    // 1 % of full scale: .33 at 1e-2 and .63 at 3e-2; the tolerance there is .1
    let noisy = cosine("readout: {mode: differential, noise_std: 0.01, relative_to: full_scale}\n");
    assert!((0.33 - 0.1..=0.63 + 0.1).contains(&noisy), "{noisy}");
}
