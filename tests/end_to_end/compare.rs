//! `blackbeam compare`: finished runs by groups.

use crate::support::{DENSE, Place, experiment};
use serde_json::Value;

/// Two methods, three seeds each, in `runs`.
fn methods(steps: u32) -> Place {
    let place = Place::with(&experiment(DENSE).replace("steps: 20", &format!("steps: {steps}")));
    for seed in 0..3 {
        place.train(&format!("runs/gaussian-{seed}"), &format!("--seed {seed}"));
        let other = "--set devices.dev.estimator={method:\u{20}coordinate,samples:\u{20}4}";
        let mut command = place.command("train experiment.yaml --quiet");
        command.args(["--out", &format!("runs/coordinate-{seed}"), "--seed", &seed.to_string()]);
        command.args(other.splitn(2, ' '));
        assert!(command.status().unwrap().success());
    }
    place
}

fn json(place: &Place, arguments: &str) -> Value {
    serde_json::from_str(&place.run(&format!("compare {arguments} --format json")).done().stdout).unwrap()
}

#[test]
fn groups_of_seeds_are_compared() {
    let place = methods(6);
    let shown = place.run("compare runs").done();
    assert_eq!(shown.stderr, "");
    for words in
        ["small/1", "small/2", "devices.dev.estimator.method=gaussian", "too few seeds to tell", "accuracy", "0.1000"]
    {
        assert!(shown.stdout.contains(words), "no `{words}` in\n{}", shown.stdout);
    }
    // Runs named one by one, in another order, are the same groups.
    let named = json(
        &place,
        "runs/gaussian-1 runs/coordinate-0 runs/gaussian-0 runs/coordinate-1 runs/gaussian-2 runs/coordinate-2",
    );
    let found = json(&place, "runs");
    assert_eq!(named["groups"][1]["median"], found["groups"][0]["median"], "{named}");
    let gaussian = &named["groups"][0];
    assert_eq!(gaussian["settings"]["devices.dev.estimator.method"], "gaussian");
    let summaries: Vec<Value> = (0..3).map(|seed| place.finished(&format!("runs/gaussian-{seed}")).summary()).collect();
    let mut qualities: Vec<f64> = summaries.iter().map(|s| s["test_accuracy"].as_f64().unwrap()).collect();
    for (run, summary) in gaussian["runs"].as_array().unwrap().iter().zip(&summaries) {
        assert_eq!(run["seed"], summary["seed"]);
        assert_eq!(run["quality"], summary["test_accuracy"]);
        assert_eq!(run["vectors"], summary["ledger_training"]["vectors"]);
        assert_eq!(run["configurations"], summary["ledger_training"]["configurations"]);
    }
    qualities.sort_by(f64::total_cmp);
    assert_eq!(
        (&gaussian["min"], &gaussian["median"], &gaussian["max"]),
        (&qualities[0].into(), &qualities[1].into(), &qualities[2].into())
    );
    // U counts the pairs.
    let coordinate: Vec<f64> =
        named["groups"][1]["runs"].as_array().unwrap().iter().map(|run| run["quality"].as_f64().unwrap()).collect();
    let pairs =
        qualities.iter().flat_map(|a| coordinate.iter().map(move |b| f64::from(a > b) + 0.5 * f64::from(a == b)));
    let u: f64 = pairs.sum();
    let pair = &named["pairs"][0];
    assert_eq!((pair["u"][0].as_f64(), pair["u"][1].as_f64()), (Some(u), Some(9.0 - u)));
    assert_eq!((&pair["least_p_two_sided"], &pair["seeds"]), (&0.1.into(), &serde_json::json!([3, 3])));
    assert_eq!(pair["says"], "too few seeds to tell: p < .05 needs 4 seeds each");
}

#[test]
fn what_cannot_be_compared_is_said() {
    let place = Place::with(&experiment(DENSE).replace("steps: 20", "steps: 3"));
    place.train("runs/a", "--seed 1");
    place.train("runs/b", "--seed 2 --set budget.training=100");
    place.train("runs/c", "--seed 1 --set data.train=128");
    place.train("squares", "--seed 1 --set model.loss=mse");
    let shown = place.run("compare runs squares").done();
    for words in ["not comparable", "`budget.training`", "`data.train`", "`model.loss`"] {
        assert!(shown.stderr.contains(words), "no `{words}` in\n{}", shown.stderr);
    }
    for words in ["not tested: accuracy against r2", "1 budget"] {
        assert!(shown.stdout.contains(words), "no `{words}` in\n{}", shown.stdout);
    }
    let found = json(&place, "runs squares");
    assert_eq!(found["groups"].as_array().unwrap().len(), 4);
    assert_eq!(
        (&found["groups"][1]["runs"][0]["status"], &found["groups"][3]["quality"]),
        (&"budget".into(), &"r2".into())
    );
    assert_eq!(found["warnings"].as_array().unwrap().len(), 1);
}

#[test]
fn what_is_no_finished_run_is_an_error() {
    let place = Place::with(&experiment(DENSE).replace("steps: 20", "steps: 3"));
    place.write("empty/nothing.txt", "");
    place.run("compare").ends(2, &["<DIR>..."]);
    place.run("compare nowhere").ends(2, &["nowhere: "]).in_one_line();
    place.run("compare empty").ends(2, &["empty is no run (it has no lock.json)"]).in_one_line();
    place.train("runs/a", "");
    place.run("compare runs/a runs").ends(2, &["the same experiment with the same seed (3)", "leave one of them out"]);
    place.train("runs/b", "--seed 4");
    std::fs::remove_file(place.path("runs/b/summary.json")).unwrap();
    place.run("compare runs/b").ends(2, &["runs/b: it has not ended", "train --resume runs/b"]).in_one_line();
    // Among others it is left out, and that is said.
    let shown = place.run("compare runs").done();
    assert!(shown.stderr.contains("warning: runs/b is left out: it has not ended"), "{}", shown.stderr);
    assert_eq!(json(&place, "runs")["left_out"][0]["dir"], "runs/b");
    let text = place.read("runs/a/summary.json").replace("\"done\"", "\"interrupted\"");
    place.write("runs/a/summary.json", &text);
    place.run("compare runs/a").ends(2, &["it was interrupted at step 3"]).in_one_line();
    place.run("compare runs").ends(2, &["no run has ended"]);
    place.write("runs/a/summary.json", "{");
    place.run("compare runs/a").ends(2, &["summary.json: "]).in_one_line();
}

/// One group needs no test; a device file is known by what is in it, wherever it lies.
#[test]
fn runs_from_different_places_are_one_group() {
    let text = experiment("file: mesh.ddl.yml, settings: {U: {n: 8}}").replace("steps: 20", "steps: 2");
    let place = Place::new();
    let mesh = std::fs::read(format!("{}/devices/mzi_mesh.ddl.yml", crate::support::ROOT)).unwrap();
    for folder in ["here", "there"] {
        place.write(&format!("{folder}/experiment.yaml"), &text);
        place.write(&format!("{folder}/mesh.ddl.yml"), &mesh);
    }
    place.run("train here/experiment.yaml --quiet --out a --seed 1").done();
    place.run("train there/experiment.yaml --quiet --out b --seed 2").done();
    let found = json(&place, "a b");
    assert_eq!(found["groups"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!((&found["pairs"], &found["groups"][0]["group"]), (&serde_json::json!([]), &"small".into()));
    let shown = place.run("compare a b").done().stdout;
    assert!(!shown.contains("Mann-Whitney") && !shown.contains("settings"), "{shown}");
}
