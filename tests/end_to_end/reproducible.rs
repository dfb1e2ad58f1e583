//! The same experiment with the same seed gives the same numbers, however its queries were sent.

use crate::support::{FAMILIES, Place, experiment, family};
use std::fs;

/// Batches of 80 rows are shared by threads; each epoch has three.
fn large_batches(name: &str) -> String {
    let text = experiment(&family(name, "typical")).replace("batch: 16", "batch: 80");
    text.replace("steps: 20", "steps: 12") + "controls: [digital, frozen, random_feedback]\n"
}

#[test]
fn threads_and_the_size_of_calls_change_no_bit() {
    for (name, _) in FAMILIES {
        let place = Place::with(&large_batches(name));
        let reference = place.train("reference", "--threads 1");
        for (i, arguments) in [
            "--threads 2",
            "--threads 5",
            "--threads 1 --set devices.dev.max_batch=1",
            "--threads 5 --set devices.dev.max_batch=7",
            "--threads 2 --set devices.dev.max_batch=80",
        ]
        .into_iter()
        .enumerate()
        {
            place.train(&format!("run-{i}"), arguments).equals(&reference);
        }
        // Not because nothing happened: the device has noise, its clock moved, its parameters were trained.
        let start = &reference.phase("main", "start")[0];
        assert!(start["dev.noise_std"].as_f64().unwrap() > 0.0, "{name}: {start}");
        let rows = reference.phase("main", "train");
        assert!(rows[11]["dev.device_seconds"].as_f64() > rows[10]["dev.device_seconds"].as_f64());
        assert!(rows[11]["dev.gradient_norm"].as_f64().unwrap() > 0.0);
    }
}

/// Drift and phase noise are large enough to be seen, so that the test above would notice if they depended on threads.
#[test]
fn drift_and_phase_noise_are_part_of_the_run() {
    let place = Place::new();
    let device = fs::read_to_string(format!("{}/devices/mzi_mesh.ddl.yml", crate::support::ROOT)).unwrap();
    place.write("mesh.ddl.yml", device + DRIFT);
    place.write("experiment.yaml", experiment("file: mesh.ddl.yml, preset: typical, settings: {U: {n: 8}}"));
    let reference = place.train("reference", "--threads 1");
    place.train("threads", "--threads 5").equals(&reference);
    place.train("split", "--threads 2 --set devices.dev.max_batch=7").equals(&reference);
    place.train("one-by-one", "--threads 1 --set devices.dev.max_batch=1").equals(&reference);
    let still = place.train("ideal", "--ideal");
    assert_ne!(still.metrics(), reference.metrics());
    assert_eq!(still.phase("main", "start")[0]["dev.noise_std"], 0.0);
}

/// On top of the preset: no write lands twice at the same phases, and every phase relaxes and walks.
const DRIFT: &str = "
actuators: {heater: {phase_noise_std: 0.05}}
drift:
  - {at: \"*.*\", model: ou, sigma: 0.05, tau: 0.05}
  - {at: \"*.*\", model: wiener, sigma: 0.2, per: sqrt_s}
";

#[test]
fn another_seed_is_another_run() {
    let place = Place::with(&experiment(&family("mrr", "typical")));
    let (three, four) = (place.train("three", "--seed 3"), place.train("four", "--seed 4"));
    place.train("file", "").equals(&three);
    assert_eq!(four.summary()["seed"], 4);
    let losses =
        |run: &crate::support::Run| run.phase("main", "train").iter().map(|r| r["loss"].clone()).collect::<Vec<_>>();
    assert!(losses(&three).iter().zip(losses(&four)).all(|(a, b)| *a != b));
}

/// The digital layers pin their own pool: its environment variable changes nothing.
#[test]
fn the_threads_of_the_digital_layers_are_pinned() {
    let place = Place::with(&large_batches("slm").replace("linear: {out: 8}", "linear: {out: 96}"));
    let reference = place.train("reference", "");
    for threads in ["1", "4"] {
        let out = format!("rayon-{threads}");
        let mut command = place.command(&format!("train experiment.yaml --quiet --out {out}"));
        assert!(command.env("RAYON_NUM_THREADS", threads).status().unwrap().success());
        place.finished(&out).equals(&reference);
    }
}
