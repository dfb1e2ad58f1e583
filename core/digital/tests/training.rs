//! Training steps: bits, state, errors.
#![allow(clippy::unwrap_used)]

mod support;

use blackbeam_digital::{DeviceHook, Error, Network, Optimizer, Targets, Trained};
use blackbeam_layers::{Loss, OptimizerConfig};
use blackbeam_plugin::{Code, Key};
use std::sync::Arc;
use support::{Sines, network, normals};

const TEXT: &str = r#"[{"conv2d": {"out": 3, "kernel": 3}}, "batch_norm", "relu", {"max_pool": {"kernel": 2}}, "flatten",
    {"linear": {"out": 4}}, {"residual": {"layers": [{"device": {"name": "a", "out": 4}}, {"dropout": {"p": 0.2}}]}},
    {"device": {"name": "a"}}, "batch_norm", {"linear": {"out": 5}}]"#;
const SHAPE: [usize; 3] = [1, 8, 8];
const SAMPLES: usize = 6;

fn config(text: &str) -> OptimizerConfig {
    serde_json::from_str(text).unwrap()
}

fn pass(network: &Network, step: u64) -> Trained {
    let inputs: Vec<f32> = normals(step, SAMPLES * 64);
    let classes: Vec<u32> = (0..SAMPLES as u32).map(|i| (i + step as u32) % 5).collect();
    let hook = Sines::of(network).hook();
    let key = Key::new(1).with(step);
    network
        .forward_train(&inputs, Targets::Classes(&classes), Loss::CrossEntropy, key, &hook)
        .unwrap()
        .backward()
        .unwrap()
}

fn train(network: &mut Network, optimizer: &mut Optimizer, steps: std::ops::Range<u64>) {
    for step in steps {
        let trained = pass(network, step);
        network.step(optimizer, &trained.gradients, 0.05);
    }
}

fn bits(network: &Network) -> Vec<(String, Vec<u32>)> {
    let tensors = network.tensors().into_iter();
    tensors.map(|t| (t.name, t.values.into_iter().map(f32::to_bits).collect())).collect()
}

#[test]
fn a_restored_run_has_the_bits_of_an_unbroken_one() {
    for text in [
        r#"{"adamw": {"learning_rate": 0.05}}"#,
        r#"{"sgd": {"learning_rate": 0.05, "momentum": 0.9}}"#,
        r#"{"sgd": {"learning_rate": 0.05}}"#,
    ] {
        let mut whole = network(TEXT, &SHAPE);
        let mut optimizer = whole.optimizer(config(text));
        train(&mut whole, &mut optimizer, 0..6);

        let mut first = network(TEXT, &SHAPE);
        let mut optimizer = first.optimizer(config(text));
        train(&mut first, &mut optimizer, 0..3);
        let (tensors, state) = (first.tensors(), first.optimizer_tensors(&optimizer));

        let mut second = Network::new(&support::layers(TEXT), &SHAPE, &|_| Some((4, 3)), Key::new(99)).unwrap();
        assert_ne!(bits(&second), bits(&first));
        second.restore(&tensors).unwrap();
        let mut restored = second.optimizer(config(text));
        second.restore_optimizer(&mut restored, optimizer.steps(), &state).unwrap();
        train(&mut second, &mut restored, 3..6);
        assert_eq!(bits(&second), bits(&whole), "{text}");
        assert_eq!(restored.steps(), 6);
    }
}

#[test]
fn a_state_of_another_network_is_refused_whole() {
    let mut here = network::<f32>(TEXT, &SHAPE);
    let before = bits(&here);
    let mut tensors = here.tensors();
    tensors[0].values.iter_mut().for_each(|v| *v = 7.0);
    let mut without = tensors.clone();
    let last = without.pop().unwrap();
    assert!(matches!(here.restore(&without), Err(Error::State(m)) if m.contains(&last.name)));
    let mut reshaped = tensors.clone();
    reshaped[1].shape = vec![1];
    assert!(matches!(here.restore(&reshaped), Err(Error::State(_))));
    tensors.push(blackbeam_digital::NamedTensor { name: "layers.77.weight".into(), shape: vec![1], values: vec![0.0] });
    assert!(matches!(here.restore(&tensors), Err(Error::State(m)) if m.contains("layers.77.weight")));
    assert_eq!(bits(&here), before);
    let adam = config(r#"{"adam": {"learning_rate": 0.1}}"#);
    let sgd = here.optimizer(config(r#"{"sgd": {"learning_rate": 0.1}}"#));
    let state = here.optimizer_tensors(&sgd);
    assert!(matches!(here.restore_optimizer(&mut here.optimizer(adam), 1, &state), Err(Error::State(_))));
}

#[test]
fn steps_make_the_loss_smaller() {
    let mut network = network::<f32>(TEXT, &SHAPE);
    let mut optimizer = network.optimizer(config(r#"{"adam": {"learning_rate": 0.02}}"#));
    let before = pass(&network, 0).score.loss();
    for _ in 0..40 {
        let trained = pass(&network, 0);
        network.step(&mut optimizer, &trained.gradients, 0.02);
    }
    let after = pass(&network, 0).score.loss();
    assert!(after < 0.5 * before, "{before} to {after}");
}

#[test]
fn running_statistics_follow_the_batches_and_serve_in_evaluation() {
    let mut network = network::<f64>(r#"["batch_norm"]"#, &[2]);
    let hook = Sines::of(&network).hook();
    let mut optimizer = network.optimizer(config(r#"{"sgd": {"learning_rate": 0}}"#));
    let (inputs, targets) = ([1.0, 10.0, 3.0, 10.0, 5.0, 40.0], [0.0; 6]);
    let statistics = |network: &Network<f64>| {
        let t = network.tensors();
        (t[2].values.clone(), t[3].values.clone())
    };
    let trained = network.forward_train(&inputs, Targets::Values(&targets), Loss::Mse, Key::new(0), &hook).unwrap();
    let y = 2.0 / (8.0_f64 / 3.0 + 1e-5).sqrt(); // the batch's own statistics
    assert!((trained.trace.outputs()[4] - y).abs() < 1e-12);
    let trained = trained.backward().unwrap();
    assert_eq!(statistics(&network), (vec![0.0; 2], vec![1.0; 2]), "a pass changes nothing");
    network.step(&mut optimizer, &trained.gradients, 0.0);
    let (mean, variance) = statistics(&network);
    for (found, expected) in mean.iter().chain(&variance).zip([0.3, 2.0, 0.9 + 0.1 * 4.0, 0.9 + 0.1 * 300.0]) {
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}"); // means 3, 20; unbiased variances 4, 300
    }
    let outputs = network.evaluate(&[1.0, 2.0], &*hook).unwrap();
    assert!((outputs[0] - 0.7 / (1.3_f64 + 1e-5).sqrt()).abs() < 1e-12, "one sample is enough in evaluation");
    let alone = network.forward_train(&[1.0, 2.0], Targets::Values(&[0.0; 2]), Loss::Mse, Key::new(0), &hook);
    assert!(matches!(alone, Err(Error::Input(m)) if m.contains("two values per channel")));
}

#[test]
fn dropout_is_keyed_by_step_layer_and_element_and_off_in_evaluation() {
    let text = r#"[{"dropout": {"p": 0.5}}, {"residual": {"layers": [{"dropout": {"p": 0.5}}]}}]"#;
    let network = network::<f32>(text, &[64]);
    let hook = Sines::of(&network).hook();
    let run = |samples: usize, step: u64| {
        let (inputs, targets) = (vec![1.0; samples * 64], vec![0.0; samples * 64]);
        let pass = network.forward_train(&inputs, Targets::Values(&targets), Loss::Mse, Key::new(step), &hook).unwrap();
        pass.trace.outputs().to_vec()
    };
    assert_eq!(run(2, 3), run(2, 3));
    assert_eq!(run(2, 3), run(5, 3)[..128]);
    assert_ne!(run(2, 3), run(2, 4));
    // 0, 2 + 0 or 2 + 4: the two masks are not the same one
    let outputs = run(8, 3);
    assert!([0.0, 2.0, 6.0].iter().all(|value| outputs.contains(value)), "{outputs:?}");
    assert_eq!(network.evaluate(&[1.0; 64], &*hook).unwrap(), [2.0; 64]);
}

#[test]
fn clipping_is_over_all_parameters_together() {
    let mut gradients = pass(&network(TEXT, &SHAPE), 0).gradients;
    let all: f64 = gradients.values().iter().flatten().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
    let before = gradients.clone();
    assert_eq!(gradients.clip(2.0 * all), all);
    assert_eq!(gradients, before);
    assert_eq!(gradients.clip(0.5 * all), all);
    assert!((gradients.norm() / all - 0.5).abs() < 1e-6);
    let (g, b) = (gradients.values()[0][0], before.values()[0][0]);
    assert!((g / b - 0.5).abs() < 1e-6, "the direction stays");
}

#[test]
fn what_a_device_or_a_surrogate_says_comes_back_with_its_place() {
    let network = network::<f32>(TEXT, &SHAPE);
    let inputs: Vec<f32> = normals(0, SAMPLES * 64);
    let run = |hook: Sines| {
        let hook: Arc<dyn DeviceHook> = Arc::new(hook);
        let targets = Targets::Classes(&[0; SAMPLES]);
        network.forward_train(&inputs, targets, Loss::CrossEntropy, Key::new(0), &hook)?.backward()
    };
    let mut hook = Sines::of(&network);
    hook.fails_forward = Some(1);
    let error = run(hook).unwrap_err();
    assert_eq!(error.to_string(), "device `a` at layers[7]: TIMEOUT: no answer");
    let mut hook = Sines::of(&network);
    hook.fails_backward = Some(0);
    let error = run(hook).unwrap_err();
    assert!(matches!(&error, Error::Device { use_index: 0, source, .. } if source.code == Code::BUSY), "{error}");
    assert!(error.to_string().contains("layers[6].residual.layers[0]"), "{error}");
    // the graph of a failed pass leaves nothing behind that the next one trips over
    run(Sines::of(&network)).unwrap();
}

#[test]
fn surrogates_are_asked_only_where_it_matters() {
    let text = r#"[{"device": {"name": "a", "scale": false}}, {"device": {"name": "b"}}]"#;
    let network = network::<f32>(text, &[4]);
    let hook = Arc::new(Sines::of(&network));
    let shared: Arc<dyn DeviceHook> = hook.clone();
    let pass = network.forward_train(&[0.5; 8], Targets::Values(&[0.0; 6]), Loss::Mse, Key::new(0), &shared).unwrap();
    let trained = pass.backward().unwrap();
    // the first device's cotangent comes through the second; before the first there is nothing to train
    assert_eq!(*hook.calls.lock().unwrap(), [("forward", 0), ("forward", 1), ("backward", 1)]);
    assert!(trained.cotangents[0].data.iter().any(|&g| g != 0.0));
    network.evaluate(&[0.5; 4], &*hook).unwrap();
    assert_eq!(hook.calls.lock().unwrap()[3..], [("forward", 0), ("forward", 1)]);
}

#[test]
fn inputs_that_do_not_fit_are_errors() {
    let network = network::<f32>(TEXT, &SHAPE);
    let hook = Sines::of(&network).hook();
    for inputs in [&[][..], &[0.0; 63], &[0.0; 65]] {
        assert!(matches!(network.evaluate(inputs, &*hook), Err(Error::Input(_))));
    }
    let trace = pass(&network, 0).trace;
    let y = blackbeam_plugin::Matrix::zeros(SAMPLES, 4);
    assert!(matches!(network.tail_loss(&trace, 0, &y, &*hook), Err(Error::Input(_))));
    assert!(matches!(network.tail_loss(&trace, 2, &y, &*hook), Err(Error::Input(_))));
    assert!(matches!(network.fim_factor(&trace, 2, &hook), Err(Error::Input(_))));
}

#[test]
fn nothing_to_train_is_no_panic() {
    let network = network::<f32>(r#"["relu", "flatten"]"#, &[2, 2]);
    let hook = Sines::of(&network).hook();
    let pass = network.forward_train(&[1.0; 8], Targets::Values(&[0.0; 8]), Loss::Mse, Key::new(0), &hook).unwrap();
    assert_eq!(pass.backward().unwrap().gradients.norm(), 0.0);
}
