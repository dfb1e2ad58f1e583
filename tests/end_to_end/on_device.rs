//! Networks that run wholly on a device.

use crate::support::{Place, Run};

const EQUALIZER: &str = "ddl: 1
instances:
  V: {component: mesh, settings: {n: 4}}
  U: {component: mesh, settings: {n: 4}}
network:
  input: [8]
  layers: [phases, {svd: {right: V, left: U, initial: 3}}, magnitude]
  objective: mse
parameters:
  V.gamma: {}
  U.gamma: {}
timing: {write_fixed: 1.0e-3, trigger: 1.0e-4}
";

/// An experiment on the device in `net.ddl.yml`.
fn experiment(data: &str, layers: &str, loss: &str, estimator: &str) -> String {
    format!(
        "name: on_device\nseed: 1\ndata: {{{data}}}\nmodel:\n  layers: [{layers}]\n  loss: {loss}\n\
         devices:\n  net:\n    source: {{file: net.ddl.yml}}\n    estimator: {{{estimator}}}\n    \
         optimizer: {{adam: {{learning_rate: 0.01}}}}\n    input: {{scale: fixed, value: 1}}\n\
         train: {{steps: 24, batch: 20, optimizer: {{adam: {{learning_rate: 0.002}}}}, checkpoint_every: 7}}\n"
    )
}

/// Trains it in the ways that must not matter, with a kill in between.
fn trains(place: &Place) -> Run {
    let run = place.train("out", "--threads 1");
    place.train("threads", "--threads 3").equals(&run);
    place.kill_at("killed", "train experiment.yaml --out killed", 16);
    place.resume("killed", "").equals(&run);
    run
}

fn losses(run: &Run) -> (f64, f64) {
    let rows = run.phase("main", "train");
    let mean = |rows: &[serde_json::Value]| {
        rows.iter().map(|row| row["loss"].as_f64().unwrap()).sum::<f64>() / rows.len() as f64
    };
    (mean(&rows[..6]), mean(&rows[rows.len() - 6..]))
}

fn spent(run: &Run, purpose: &str) -> (u64, u64) {
    run.physical().get(&["main", "net", purpose].map(str::to_owned)).copied().unwrap_or_default()
}

/// The methods of the papers on the equalizer: loss falls, each answer is counted, nothing else moves a bit.
#[test]
fn equalizers_learn_and_every_query_is_counted() {
    // 3 + 1 phases of two meshes of 4 modes, output phases, a screen, gains
    let parameters = 2 * (12 + 4) + 4 + 4;
    let data = "set: equalization, size: 4, train: 400, test: 100";
    for (estimator, probes) in [
        ("method: natural, objective: loss, samples: 6, mu: 0.001, lambda_f: 0", 24 * 6),
        ("method: coordinate, objective: loss, samples: 6, mu: 0.001", 24 * 6),
        ("method: natural, objective: loss, samples: 6, mu: 0.001, every: 10, lambda_f: 0.1", 24 * 6 + 3 * parameters),
        ("method: gauss_newton, mu: 0.001, margin: 0", 24 * (parameters + 3)),
    ] {
        let place = Place::new();
        place.write("net.ddl.yml", EQUALIZER);
        place.write("experiment.yaml", experiment(data, "{device: {name: net, scale: false}}", "mse", estimator));
        let run = trains(&place);
        let (before, after) = losses(&run);
        assert!(after < 0.9 * before, "{estimator}: the loss goes from {before} to {after}");
        assert!(run.result()["test_r2"].as_f64().unwrap().is_finite());
        let (vectors, configurations) = spent(&run, "probe");
        assert_eq!((vectors, configurations), (20 * probes, probes), "{estimator}");
        assert_eq!(spent(&run, "forward").0, 24 * 20);
    }
}

/// Classes for each position, answered by a device that gives them in a row: the Fisher information is taken position by
/// position.
#[test]
fn a_memory_on_a_device() {
    let place = Place::new();
    place.write(
        "net.ddl.yml",
        "ddl: 1
instances:
  V: {component: mesh, settings: {n: 4}}
  W: {component: mesh, settings: {n: 4}}
network:
  input: [7, 4]
  layers:
    - complex
    - circuit: {name: V}
    - recurrent: {layers: [phases, {circuit: {name: W}}], activation: mod_relu}
    - power
    - linear: {out: 4}
    - flatten
  objective: cross_entropy
parameters:
  layer4.weight: {range: [-1, 1]}
actuators:
  memory: {drives: layer4.weight, dac: {bits: 8, min: -1, max: 1}}
solver: {precision: f32}
",
    );
    let layers = "flatten, {device: {name: net, scale: false}}, {reshape: {shape: [7, 4]}}";
    let data = "set: copying_memory, symbols: 2, length: 2, delay: 3, train: 400, test: 100";
    let natural = "method: natural, objective: loss, samples: 8, mu: 0.02, every: 8";
    place.write("experiment.yaml", experiment(data, layers, "cross_entropy", natural));
    let run = trains(&place);
    let (before, after) = losses(&run);
    assert!(after < 0.95 * before, "the loss goes from {before} to {after}");
    assert!(run.result()["test_accuracy"].as_f64().unwrap() > 0.3);
}

/// Digital layers behind the device: its losses are those of all of the network.
#[test]
fn a_network_in_front_of_a_network() {
    let place = Place::new();
    place.write(
        "net.ddl.yml",
        "ddl: 1
network:
  input: [2, 4]
  layers: [{mixer: {tokens: 3, channels: 3}}, tanh, flatten, {tt: {modes_in: [2, 4], modes_out: [3, 2], ranks: 2}}]
drift: [{at: '*.weight', quantity: weight, model: ou, sigma: 0.001, tau: 10}]
readout: {noise_std: 0.001, adc: {bits: 10}}
",
    );
    let text = experiment(
        "set: glyphs, train: 200, test: 40",
        "flatten, {resize: {out: 8}}, {device: {name: net}}, tanh, {linear: {out: 10}}",
        "cross_entropy",
        "method: gaussian, objective: loss, samples: 4, mu: 0.05",
    );
    place.write("experiment.yaml", text.replace("input: {scale: fixed, value: 1}", "input: {scale: calibrated}"));
    trains(&place);
}

#[test]
fn what_does_not_fit_is_said_before_anything_is_trained() {
    let place = Place::new();
    place.write("net.ddl.yml", EQUALIZER);
    let natural = "method: natural, objective: loss";
    let one = "{device: {name: net, scale: false}}";
    let data = "set: equalization, size: 4, train: 100, test: 20";
    for (text, words) in [
        (
            experiment(
                "set: glyphs, train: 100, test: 20",
                &format!("flatten, {{resize: {{out: 8}}}}, {one}, {{resize: {{out: 10}}}}"),
                "cross_entropy",
                natural,
            ),
            ["made for the loss `mse`", "network.objective"],
        ),
        (experiment("set: equalization, size: 5, train: 100, test: 20", one, "mse", natural), ["[4]", "[5]"]),
        (experiment(data, one, "mse", "method: parameter_shift"), ["parameter_shift", "net"]),
        (experiment(data, "{circuit: {name: U}}", "mse", natural), ["device file only", "`device`"]),
    ] {
        place.write("experiment.yaml", text);
        place.run("check experiment.yaml").ends(2, &words);
    }
    let text = experiment(data, one, "mse", natural);
    place.write("experiment.yaml", text.replace("checkpoint_every: 7}", "checkpoint_every: 7}\ncontrols: [exact]"));
    place.run("train experiment.yaml --out exact").ends(2, &["exact"]);
}
