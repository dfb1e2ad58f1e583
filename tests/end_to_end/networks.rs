//! Networks of all sorts around devices.

use crate::support::{DENSE, FAMILIES, Place, ROOT, Run, experiment, family};

const METHODS: &str = "estimator: {method: gaussian, samples: 3}, surrogate: {method: residual, rank: 4, samples: 4}, optimizer: {adam: {learning_rate: 0.02}}";

/// An experiment with these layers and these (name, source) devices.
fn network(layers: &[&str], devices: &[(&str, &str)]) -> String {
    let layers: String = layers.iter().map(|layer| format!("    - {layer}\n")).collect();
    let device = |(name, source): &(&str, &str)| format!("  {name}: {{source: {{{source}}}, {METHODS}}}\n");
    let devices: String = devices.iter().map(device).collect();
    let text = format!(
        "name: net\nseed: 3\ndata: {{set: glyphs, train: 128, test: 32}}\nmodel:\n  layers:\n{layers}devices:\n{devices}\
         train: {{steps: 10, batch: 16, optimizer: {{adam: {{learning_rate: 0.002}}}}, checkpoint_every: 4, surrogate_error_every: 4}}\n\
         controls: [digital]\n"
    );
    text.replace("ROOT", ROOT)
}

/// Trains it in the ways that must not matter, with a kill in between, and returns the run.
fn trains(place: &Place, text: &str) -> Run {
    place.write("experiment.yaml", text);
    let run = place.train("out", "--threads 1");
    place.train("threads", "--threads 4").equals(&run);
    place.kill_at("killed", "train experiment.yaml --out killed", 8);
    place.resume("killed", "").equals(&run);
    run
}

fn sources() -> [String; 3] {
    FAMILIES.map(|(name, _)| family(name, "typical"))
}

fn spent(run: &Run, device: &str, purpose: &str) -> u64 {
    run.physical().get(&["main", device, purpose].map(str::to_owned)).copied().unwrap_or_default().0
}

#[test]
fn three_families_in_one_network() {
    let [mzi, mrr, slm] = sources();
    let layers = [
        "flatten",
        "linear: {out: 8}",
        "device: {name: first}",
        "batch_norm",
        "relu",
        "device: {name: second}",
        "dropout: {p: 0.2}",
        "gelu",
        "device: {name: third}",
        "layer_norm",
        "linear: {out: 10}",
    ];
    let place = Place::new();
    let run = trains(&place, &network(&layers, &[("first", &mzi), ("second", &mrr), ("third", &slm)]));
    for device in ["first", "second", "third"] {
        assert_eq!((spent(&run, device, "forward"), spent(&run, device, "probe")), (160, 3 * 160), "{device}");
        let rows = run.phase("main", "train");
        assert!(rows.iter().all(|row| row[format!("{device}.gradient_norm")].as_f64().unwrap() > 0.0), "{device}");
    }
    let errors = run.summary()["surrogate_errors"].as_object().unwrap().len();
    assert_eq!(errors, 3);
}

/// One device at three places, one of them within a residual: its estimates see all of them.
#[test]
fn one_device_at_several_places() {
    let [_, _, slm] = sources();
    let layers = [
        "flatten",
        "linear: {out: 8}",
        "device: {name: dev}",
        "relu",
        "residual: {layers: [{device: {name: dev}}, gelu]}",
        "device: {name: dev, scale: false}",
        "linear: {out: 10}",
    ];
    let place = Place::new();
    let run = trains(&place, &network(&layers, &[("dev", &slm)]));
    assert_eq!((spent(&run, "dev", "forward"), spent(&run, "dev", "probe")), (3 * 160, 3 * 3 * 160));
    // 10 x 8 parameters of the last layer, 784 x 8 of the first with their biases, two output scales.
    let parameters = |name: &str| run.phase(name, "start")[0]["parameters"].as_u64().unwrap();
    assert_eq!(parameters("main"), 784 * 8 + 8 + 8 * 10 + 10 + 2);
    assert_eq!(parameters("digital"), parameters("main") + 64, "one matrix for all places");
}

/// Losses as the objective: the devices behind are queried for each probe, at its device's charge and purpose.
#[test]
fn losses_query_the_devices_behind() {
    let [mzi, mrr, _] = sources();
    let layers = [
        "flatten",
        "linear: {out: 8}",
        "device: {name: front}",
        "dropout: {p: 0.3}",
        "batch_norm",
        "relu",
        "device: {name: back}",
        "linear: {out: 10}",
    ];
    let text =
        network(&layers, &[("front", &mzi), ("back", &mrr)]).replace("samples: 3}", "samples: 3, objective: loss}");
    let place = Place::new();
    let run = trains(&place, &text);
    assert_eq!(spent(&run, "front", "probe"), 3 * 160);
    assert_eq!(spent(&run, "back", "probe"), 2 * 3 * 160, "its own probes, and those of the device before it");
    place.train("split", "--set devices.back.max_batch=5").equals(&run);
    // Twice the queries for central differences.
    place.write("experiment.yaml", text.replace("objective: loss", "objective: loss, differences: central"));
    let central = place.train("central", "");
    assert_eq!(spent(&central, "front", "probe"), 2 * 3 * 160);
    assert_ne!(central.metrics(), run.metrics());
}

/// The two objectives estimate the same gradient: on a device without noise and for a small step, their first estimates
/// agree.
#[test]
fn losses_and_cotangents_agree_on_an_ideal_device() {
    let estimate = |objective: &str, differences: &str| {
        let text = experiment(&family("slm", "ideal"));
        let settings = format!("samples: 4, mu: 1.0e-4, objective: {objective}, differences: {differences}");
        let place = Place::with(&text.replace("gaussian, samples: 4", &format!("gaussian, {settings}")));
        let run = place.train("out", "--set train.steps=1");
        run.phase("main", "train")[0]["dev.gradient_norm"].as_f64().unwrap()
    };
    let [vjp, loss, central] =
        [("vjp", "forward"), ("loss", "forward"), ("loss", "central")].map(|(o, d)| estimate(o, d));
    assert!(
        vjp > 0.0 && (loss / vjp - 1.0).abs() < 0.02 && (central / vjp - 1.0).abs() < 0.02,
        "{vjp} {loss} {central}"
    );
}

/// A device acts on the last axis of an image, with rows for channels and lines, padded and cropped.
#[test]
fn a_device_acts_on_the_last_axis_of_an_image() {
    let [_, mrr, _] = sources();
    let layers = [
        "conv2d: {out: 2, kernel: 3, stride: 2}",
        "relu",
        "adaptive_avg_pool: {size: [3, 6]}",
        "device: {name: dev, out: 5}",
        "gelu",
        "flatten",
        "linear: {out: 10}",
    ];
    let place = Place::new();
    let run = trains(&place, &network(&layers, &[("dev", &mrr)]));
    assert_eq!(spent(&run, "dev", "forward"), 10 * 16 * 2 * 3);
    let parameters = run.phase("main", "start")[0]["parameters"].as_u64().unwrap();
    assert_eq!(parameters, 2 * 9 + 2 + 1 + 2 * 3 * 5 * 10 + 10);
}

/// Photocurrents are not linear in the field: nothing carries a gradient back through such a device, but as the first
/// layer it trains.
#[test]
fn a_device_that_is_not_linear_trains_as_the_first_layer() {
    let place = Place::new();
    let device = std::fs::read_to_string(format!("{ROOT}/devices/mzi_mesh.ddl.yml")).unwrap();
    let device = device.replace("mode: coherent_real", "mode: intensity").replace("n: 64 ", "n: 8 ");
    place.write("mesh.ddl.yml", device);
    let source = "file: mesh.ddl.yml, preset: typical";
    let first = [
        "adaptive_avg_pool: {size: [2, 4]}",
        "flatten",
        "device: {name: dev}",
        "batch_norm",
        "relu",
        "linear: {out: 10}",
    ];
    for surrogate in ["residual", "i_psi", "full"] {
        let text = network(&first, &[("dev", source)]).replace("residual, rank: 4, samples: 4", surrogate);
        place.write("experiment.yaml", text.replace("set: glyphs", "set: glyphs, normalise: unit"));
        let run = place.train(&format!("first-{surrogate}"), "");
        assert!(run.phase("main", "train").iter().all(|row| row["dev.gradient_norm"].as_f64().unwrap() > 0.0));
        assert_eq!(spent(&run, "dev", "surrogate"), 0, "no gradient goes through it");
    }
    let text = network(&first, &[("dev", source)]).replace(", surrogate: {method: residual, rank: 4, samples: 4}", "");
    place.write("experiment.yaml", text);
    place.train("first-none", "");
    // Behind something that is trained it is refused, whatever the linear surrogate, but the control may stand there.
    let later = ["flatten", "linear: {out: 8}", "relu", "device: {name: dev}", "batch_norm", "linear: {out: 10}"];
    for surrogate in ["residual", "i_psi", "full"] {
        let text = network(&later, &[("dev", source)]).replace("residual, rank: 4, samples: 4", surrogate);
        place.write("experiment.yaml", text);
        for command in ["check experiment.yaml", "train experiment.yaml --quiet --out refused"] {
            place
                .run(command)
                .ends(2, &["error[does-not-fit]", "device `dev`", "linear", surrogate, "experiment.yaml:"]);
        }
    }
    let text = network(&later, &[("dev", source)]).replace("residual, rank: 4, samples: 4", "random");
    place.write("experiment.yaml", text);
    place.train("random", "");
}

/// A device without a surrogate in front of which something learns is refused where the file says so.
#[test]
fn a_missing_surrogate_is_an_error_where_a_gradient_needs_one() {
    let text = experiment(DENSE).replace("    surrogate: {method: residual, rank: 4, samples: 4}\n", "");
    let place = Place::with(&text);
    let words = ["no surrogate", "`linear` (layers[1])", "experiment.yaml:9:"];
    place.run("check experiment.yaml").ends(2, &words);
    place.run("train experiment.yaml").ends(2, &words);
}

/// The rules of the input scale.
#[test]
fn input_scales_follow_their_rules() {
    let place = Place::with(&experiment(&family("mrr", "typical")));
    let scales = |out: &str, input: [&str; 2]| {
        let set = input.map(|rule| format!("--set devices.dev.input.{rule}")).join(" ");
        let run = place.train(out, &set);
        run.phase("main", "train").iter().map(|row| row["dev.input_scale"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    assert!(scales("fixed", ["scale=fixed", "value=2.5"]).iter().all(|s| *s == 2.5));
    assert!(scales("learned", ["scale=learned", "value=2.0"]).iter().all(|s| *s == 1.0), "the network scales");
    let followed = scales("calibrated", ["scale=calibrated", "rate=0.5"]);
    assert!(followed[1..].windows(2).all(|w| w[0] != w[1]), "{followed:?}");
    let parameters = |out: &str| place.finished(out).phase("main", "start")[0]["parameters"].as_u64().unwrap();
    assert_eq!(parameters("learned"), parameters("fixed") + 1);
}

/// Training works: on an ideal device, with enough queries, the loss falls well below chance.
#[test]
fn a_network_around_a_device_learns() {
    let text = experiment(&family("slm", "typical")).replace("train: 256, test: 64", "train: 1024, test: 256");
    let text =
        text.replace("steps: 20", "steps: 400").replace("surrogate_error_every: 5", "surrogate_error_every: 100");
    let place = Place::with(&(text + "controls: [frozen]\n"));
    let summary = place
        .train(
            "out",
            "--set train.batch=32 --set devices.dev.estimator.samples=8 --set train.optimizer.adam.learning_rate=0.004",
        )
        .summary();
    let accuracy = summary["test_accuracy"].as_f64().unwrap();
    assert!(accuracy > 0.5, "{summary}");
}
