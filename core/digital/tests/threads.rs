//! Bits and threads. Its own test binary: the thread pool is the process's.
#![allow(clippy::unwrap_used)]

mod support;

use blackbeam_digital::{Targets, pin_threads};
use blackbeam_layers::Loss;
use blackbeam_plugin::Key;
use support::{Sines, network, normals};

/// A step large enough for the backend's parallel paths.
fn bits() -> Vec<u32> {
    let text = r#"[{"conv2d": {"out": 16, "kernel": 3, "padding": 1}}, "batch_norm", "relu", {"max_pool": {"kernel": 2}},
        {"conv2d": {"out": 32, "kernel": 3}}, "gelu", {"avg_pool": {"kernel": 2}}, "flatten", {"linear": {"out": 256}},
        {"device": {"name": "a", "out": 64}}, {"linear": {"out": 10}}]"#;
    let mut network = network::<f32>(text, &[3, 24, 24]);
    let mut optimizer = network.optimizer(serde_json::from_str(r#"{"sgd": {"learning_rate": 0.1}}"#).unwrap());
    let hook = Sines::of(&network).hook();
    let inputs: Vec<f32> = normals(1, 64 * 3 * 24 * 24);
    let classes: Vec<u32> = (0..64).map(|i| i % 10).collect();
    for step in 0..2 {
        let targets = Targets::Classes(&classes);
        let pass = network.forward_train(&inputs, targets, Loss::CrossEntropy, Key::new(step), &hook).unwrap();
        network.step(&mut optimizer, &pass.backward().unwrap().gradients, 0.1);
    }
    network.tensors().into_iter().flat_map(|t| t.values).map(f32::to_bits).collect()
}

#[test]
fn a_pinned_process_gives_the_same_bits_from_any_number_of_threads() {
    assert_eq!(pin_threads().unwrap().threads, 1);
    assert_eq!(pin_threads().unwrap().threads, 1, "again is no error");
    let alone = bits();
    let together: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..3).map(|_| scope.spawn(bits)).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(together.iter().all(|other| *other == alone));
    // inside a pool of another size nothing is pinned, and that is said
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    assert!(pool.install(pin_threads).unwrap_err().contains("found 3"));
}
