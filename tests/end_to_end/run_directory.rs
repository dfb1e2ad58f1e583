//! What a run leaves behind and what it says.

use crate::support::{Place, experiment, family};
use serde_json::Value;

const CONTROLS: &str = "controls: [digital, frozen, random_feedback]\n";

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn a_run_leaves_all_its_files_and_says_where() {
    let place = Place::with(&(experiment(&family("mrr", "typical")) + CONTROLS));
    let finished = place.run("train experiment.yaml --out out").done();
    for word in ["main", "digital", "frozen", "random_feedback", "test accuracy", "synthetic", "Results: out"] {
        assert!(finished.stdout.contains(word), "no `{word}` in\n{}", finished.stdout);
    }
    for word in ["main: from step 0 to 20", "random_feedback: step 20  test accuracy"] {
        assert!(finished.stderr.contains(word), "no `{word}` in\n{}", finished.stderr);
    }
    let run = place.finished("out");
    let mut files: Vec<String> =
        run.0.read_dir().unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    let (events, rest): (Vec<_>, Vec<_>) = files.into_iter().partition(|f| f.starts_with("events.out.tfevents."));
    assert_eq!(events.len(), 1);
    assert_eq!(
        rest,
        ["checkpoints", "experiment.yaml", "final", "ledger.jsonl", "lock.json", "metrics.jsonl", "summary.json"]
    );
    assert_eq!(run.checkpoints(), 3, "the last three are kept");
    for name in ["main", "digital", "frozen", "random_feedback"] {
        assert!(run.file(&format!("final/{name}.safetensors")).is_file(), "{name}");
    }

    // The resolved experiment has everything written out and is the same experiment.
    let resolved = place.read("out/experiment.yaml");
    for word in ["evaluate_every: 1", "normalise: standard", "/devices/mrr_bank.ddl.yml", "checkpoint_every: 5"] {
        assert!(resolved.contains(word), "no `{word}` in\n{resolved}");
    }
    place.run("check out/experiment.yaml").done();
    place.run("train out/experiment.yaml --out again --quiet").done();
    place.finished("again").equals(&run);

    let lock = run.json("lock.json");
    assert_eq!(lock["seed"], 3);
    for hash in [&lock["experiment"], &lock["binary"], &lock["devices"]["dev"]["sha256"]] {
        assert_eq!(hash.as_str().unwrap().len(), 64, "{lock}");
    }
    assert!(lock["pinned"].as_str().unwrap().contains("rayon"), "{lock}");
}

#[test]
fn the_summary_has_every_field_and_agrees_with_the_metrics_and_the_ledger() {
    let place = Place::with(&(experiment(&family("slm", "typical")) + CONTROLS));
    let run = place.train("out", "");
    let summary = run.summary();
    assert_eq!((&summary["name"], &summary["seed"], &summary["status"]), (&"small".into(), &3.into(), &"done".into()));
    let controls = &summary["controls"];
    assert_eq!(controls.as_object().unwrap().keys().collect::<Vec<_>>(), ["digital", "frozen", "random_feedback"]);
    for (name, result) in [
        ("main", &summary),
        ("digital", &controls["digital"]),
        ("frozen", &controls["frozen"]),
        ("random_feedback", &controls["random_feedback"]),
    ] {
        assert_eq!(result["steps"], 20, "{name}");
        assert!((0.0..=1.0).contains(&number(&result["test_accuracy"])), "{name}");
        assert!(number(&result["host_seconds"]) > 0.0, "{name}");
        let last = run.phase(name, "evaluate").pop().unwrap();
        assert_eq!((&last["test_accuracy"], &last["test_loss"]), (&result["test_accuracy"], &result["test_loss"]));
        assert_eq!(run.phase(name, "train").len(), 20, "{name}");
        assert_eq!(result["surrogate_error"].is_f64(), name != "digital", "{name}");
        for cost in ["vectors", "configurations", "device_seconds", "joules"] {
            let (all, training) = (number(&result["ledger"][cost]), number(&result["ledger_training"][cost]));
            assert!(if name == "digital" { all == 0.0 } else { all >= training }, "{name} {cost}: {all} {training}");
        }
    }
    // A step: 16 vectors forwards, 4 probes of 16, rank + samples for the surrogate, whose first build takes 8.
    assert_eq!(summary["ledger_training"]["vectors"], 20 * (16 + 4 * 16 + 8) + 8);
    assert!(summary["surrogate_error"].as_f64().unwrap() < 1.0);

    // The physical column: what the run reports is what the file holds, and nothing was retried.
    let (vectors, _) = run.physical_total();
    assert_eq!(summary["physical_vectors"], vectors);
    let physical = run.physical();
    assert!(physical.keys().all(|[run, device, _]| run != "digital" && device == "dev"), "{physical:?}");
    let logical = number(&summary["ledger"]["vectors"])
        + number(&controls["frozen"]["ledger"]["vectors"])
        + number(&controls["random_feedback"]["ledger"]["vectors"]);
    let of_diagnostics: u64 = physical.iter().filter(|(key, _)| key[2] == "diagnostic").map(|(_, cost)| cost.0).sum();
    assert_eq!(logical as u64 + of_diagnostics, vectors);
    assert_eq!(of_diagnostics, 3 * 4 * 16, "16 probes, every 5 of 20 steps, three runs with a device");
}

#[test]
fn every_row_says_whose_it_is() {
    let place = Place::with(&(experiment(&family("mzi", "typical")) + CONTROLS));
    let run = place.train("out", "");
    for row in run.metrics() {
        let keys: Vec<_> = row.as_object().unwrap().keys().take(3).cloned().collect();
        assert_eq!(keys, ["run", "phase", "step"]);
    }
    let rows = run.phase("main", "train");
    assert_eq!(rows.iter().map(|r| r["step"].as_u64().unwrap()).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
    let measured: Vec<u64> =
        rows.iter().filter(|r| r["dev.surrogate_error"].is_f64()).map(|r| r["step"].as_u64().unwrap()).collect();
    assert_eq!(measured, [0, 5, 10, 15]);
    // The frozen control's device is never written again, the random one's surrogate asks nothing.
    let configurations = |run_name: &str| run.phase(run_name, "train")[19]["dev.configurations"].as_u64().unwrap();
    assert_eq!(configurations("frozen"), 1);
    let of = |run_name: &str, purpose: &str| {
        let key = [run_name, "dev", purpose].map(str::to_owned);
        run.physical().get(&key).copied().unwrap_or_default().0
    };
    assert_eq!((of("random_feedback", "surrogate"), of("frozen", "probe")), (0, 0));
    assert!(of("frozen", "surrogate") > 0 && of("random_feedback", "probe") > 0);
    // All start from the same weights and batches: their first losses differ by device noise only, if at all.
    let first = |run_name: &str| run.phase(run_name, "train")[0]["loss"].as_f64().unwrap();
    assert!((first("main") - first("frozen")).abs() < 0.05 && first("main") != first("frozen"));
}

#[test]
fn a_quiet_run_prints_nothing() {
    let place = Place::with(&experiment(&family("mzi", "ideal")));
    let finished = place.run("train experiment.yaml --out out --quiet").done();
    assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("", ""));
    assert_eq!(place.finished("out").summary()["status"], "done");
}

#[test]
fn runs_get_directories_of_their_own() {
    let place = Place::with(&experiment(&family("mzi", "ideal")));
    place.run("train experiment.yaml --set train.steps=2").done();
    place.run("train experiment.yaml --set train.steps=2").done();
    assert_eq!(place.finished("runs/small").summary()["steps"], 2);
    place.finished("runs/small-2").equals(&place.finished("runs/small"));
    let again = place.run("train experiment.yaml --out runs/small");
    again.ends(2, &["already holds a run", "--resume runs/small"]).in_one_line();
}

#[test]
fn mean_squares_are_judged_by_r2() {
    let place = Place::with(&(experiment(&family("slm", "ideal")).replace("devices:", "  loss: mse\ndevices:")));
    let finished = place.run("train experiment.yaml --out out").done();
    assert!(finished.stdout.contains("test r2"), "{}", finished.stdout);
    let summary = place.finished("out").summary();
    assert!(number(&summary["test_r2"]) < 1.0 && summary.get("test_accuracy").is_none(), "{summary}");
}

/// The TensorBoard file holds every number of the metrics under `run/phase/name`.
#[test]
fn tensorboard_events_are_framed_and_named() {
    let place = Place::with(&experiment(&family("mzi", "ideal")));
    let run = place.train("out", "");
    let path = run.0.read_dir().unwrap().map(|e| e.unwrap().path()).find(|p| p.to_string_lossy().contains("tfevents"));
    let bytes = std::fs::read(path.unwrap()).unwrap();
    let (mut at, mut records) = (0, 0);
    while at < bytes.len() {
        let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
        at += 8 + 4 + length + 4;
        records += 1;
    }
    assert_eq!((at, records), (bytes.len(), 1 + run.rows()), "a header, then one record a row");
    for tag in ["main/train/loss", "main/evaluate/test_accuracy", "main/train/dev.vectors"] {
        assert!(bytes.windows(tag.len()).any(|w| w == tag.as_bytes()), "{tag}");
    }
}
