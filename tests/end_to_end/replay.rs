//! Runs that were recorded, and run again from their logs.

use crate::support::{DENSE, Place, ROOT, Run, copy, experiment, family, library};
use serde_json::Value;
use std::fs;

/// The experiment with its device recorded.
fn recorded(source: &str, level: &str) -> String {
    experiment(source).replace("    estimator:", &format!("    record: {level}\n    estimator:"))
}

const CONTROLS: &str = "controls: [digital, frozen, random_feedback, exact]\n";

fn report(place: &Place, log: &str) -> Value {
    serde_json::from_str(&place.run(&format!("replay {log} --verify-only --format json")).done().stdout).unwrap()
}

/// Metrics and result of both are the same.
fn equal(a: &Run, b: &Run) {
    b.equals(a);
}

#[test]
fn a_recorded_simulator_is_replayed_without_its_file() {
    let place = Place::new();
    let file = copy(format!("{ROOT}/devices/mrr_bank.ddl.yml").as_ref(), place.path("bank.ddl.yml"));
    let source = "file: bank.ddl.yml, preset: typical, settings: {bank: {rows: 8, columns: 8}}";
    place.write("experiment.yaml", experiment(source) + CONTROLS);
    let plain = place.train("plain", "");
    place.write("experiment.yaml", recorded(source, "full") + CONTROLS);
    let run = place.train("run", "");
    equal(&plain, &run);
    fs::remove_file(file).unwrap();
    let said = place.run("replay run/record/dev.bblog").done().stdout;
    for words in [
        "device `dev` of run `main`",
        "closed by its process",
        "query",
        "surrogate",
        "The same to the bit",
        "run-replay",
    ] {
        assert!(said.contains(words), "no `{words}` in\n{said}");
    }
    equal(&place.finished("run-replay"), &run);
    // the controls have logs of their own
    for control in ["frozen", "random_feedback", "exact"] {
        assert_eq!(report(&place, &format!("run/record/dev.{control}.bblog"))["run"], control);
    }
    // what the logs counted is what the ledger counted
    let counted = report(&place, "run/record/dev.bblog");
    for purpose in ["forward", "probe", "surrogate", "evaluation"] {
        let spent = run.physical()[&["main", "dev", purpose].map(str::to_owned)].0;
        assert_eq!(counted["purposes"][purpose]["vectors"], spent, "{purpose}");
    }
}

#[test]
fn a_recorded_library_is_replayed() {
    let place = Place::new();
    place.add_libraries(&["device_dense_lib", "estimators_lib"]);
    let source = DENSE.replace("dense,", &format!("dense, library: {},", library("device_dense_lib").display()));
    let text = recorded(&source, "full");
    let method = format!("method: gaussian, library: {}", library("estimators_lib").display());
    place.write("experiment.yaml", text.replace("method: gaussian", &method));
    let run = place.train("run", "");
    // The replay knows the libraries that the run knew, wherever it is run from.
    fs::create_dir(place.path("elsewhere")).unwrap();
    let said = place.run_in("elsewhere", "replay ../run/record/dev.bblog --out again").done().stdout;
    assert!(said.contains("The same to the bit"), "{said}");
    equal(&place.finished("elsewhere/again"), &run);
}

#[test]
fn a_log_is_a_device_of_other_experiments_as_long_as_they_ask_the_same() {
    let place = Place::with(&recorded(DENSE, "full"));
    let run = place.train("run", "");
    place.write("experiment.yaml", experiment("replay: run/record/dev.bblog"));
    place.run("check experiment.yaml").done();
    equal(&place.train("again", ""), &run);
    // killed and resumed
    place.kill_at("killed", "train experiment.yaml --out killed", 9);
    equal(&place.resume("killed", ""), &run);
    // a longer run goes on where that one was evaluated
    let asked = "purpose: evaluation was recorded, forward is asked";
    let words = ["device `dev` failed in", "dev.bblog is not what is asked now", asked];
    place.run("train experiment.yaml --out more --quiet --set train.steps=21").ends(1, &words);
    // another one asks something else
    let words = ["entry ", "is not what is asked now", "was recorded", "is asked"];
    place.run("train experiment.yaml --out other --set train.batch=8").ends(1, &words);
    place.run("train experiment.yaml --out seed --seed 4").ends(1, &["entry ", "stream: "]);
    // what does not fit the device of the log is found by check
    place.run("check experiment.yaml --set devices.dev.source.preset=ideal").ends(2, &["a log has no `preset`"]);
    place.run("check experiment.yaml --set devices.dev.source.replay=none").ends(2, &["there is no file"]);
    place
        .run("check experiment.yaml --set devices.dev.source.plugin=dense")
        .ends(2, &["one of a `file`, a `plugin` and a `replay`"]);
    let other = place.run("check experiment.yaml --set devices.dev.estimator.method=parameter_shift");
    other.ends(2, &["parameter_shift needs a device that is", "the device `dense` does not say so"]);
}

#[test]
fn a_run_that_was_killed_again_and_again_is_replayed_as_one() {
    for source in [family("mzi", "typical"), DENSE.to_owned()] {
        let text = recorded(&source, "full").replace("checkpoint_every: 5", "checkpoint_every: 3");
        let place = Place::with(&(text.replace("steps: 20", "steps: 40") + "controls: [frozen]\n"));
        let reference = place.train("reference", "");
        let mut arguments = "train experiment.yaml --quiet --out run".to_owned();
        let (run, mut kills) = (place.finished("run"), 0);
        for rows in [1, 5, 14, 15, 31, 47, 60] {
            let mut running = place.start(&arguments);
            if running.until(|| run.rows() >= rows) && running.kill() {
                kills += 1;
            }
            arguments = "train --resume run --quiet".to_owned();
        }
        let run = place.resume("run", "");
        equal(&run, &reference);
        assert!(kills >= 2, "{kills}");
        let counted = report(&place, "run/record/dev.bblog");
        assert!(counted["resumed"].as_u64().unwrap() >= 1, "{counted}");
        assert!(place.run("replay run/record/dev.bblog --out again").done().stdout.contains("The same to the bit"));
        equal(&place.finished("again"), &reference);
    }
}

#[test]
fn a_run_that_was_not_finished_is_replayed_as_far_as_it_came() {
    let place = Place::with(&recorded(&family("slm", "typical"), "full").replace("steps: 20", "steps: 400"));
    place.kill_at("run", "train experiment.yaml --out run", 12);
    let replayed = place.run("replay run/record/dev.bblog").done();
    assert!(replayed.stdout.contains("The same to the bit as far as it came"), "{}", replayed.stdout);
    assert!(replayed.stderr.contains("replayed until"), "{}", replayed.stderr);
}

#[test]
fn what_was_changed_is_found() {
    let place = Place::with(&recorded(DENSE, "full"));
    place.train("run", "");
    let log = place.path("run/record/dev.bblog");
    let good = fs::read(&log).unwrap();
    for at in [good.len() / 3, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&log, bad).unwrap();
        place.run("replay run/record/dev.bblog --verify-only").ends(1, &["entry ", " is damaged"]).in_one_line();
        place.write("again.yaml", experiment("replay: run/record/dev.bblog"));
        place.run("train again.yaml --out no").ends(2, &["damaged"]);
    }
    fs::write(&log, &good).unwrap();
    // the log is whole, but the run's numbers are not those that it came to
    let metrics = place.read("run/metrics.jsonl");
    let (before, after) = metrics.split_once("\"loss\":").unwrap();
    place.write("run/metrics.jsonl", format!("{before}\"loss\":9{after}"));
    place
        .run("replay run/record/dev.bblog --out b")
        .ends(1, &["metrics.jsonl, main train 0: `loss` is 9"])
        .in_one_line();
    place.write("nothing.bblog", "nothing");
    place.run("replay nothing.bblog").ends(2, &["is not a log of a device"]).in_one_line();
    place.run("replay none.bblog").ends(2, &["none.bblog"]).in_one_line();
}

#[test]
fn levels_are_checked_and_only_full_is_replayed() {
    for (level, whole) in [("probes", true), ("meta", false)] {
        let place = Place::with(&recorded(DENSE, level));
        place.train("run", "");
        let counted = report(&place, "run/record/dev.bblog");
        assert_eq!(counted["whole"].as_u64().unwrap() > 10, whole, "{counted}");
        place.run("replay run/record/dev.bblog").ends(2, &["cannot be replayed", "`record: full`"]).in_one_line();
        place.write("again.yaml", experiment("replay: run/record/dev.bblog"));
        place.run("train again.yaml --out no").ends(2, &["cannot be replayed"]);
    }
}

#[test]
fn a_log_that_went_missing_is_not_gone_on_with() {
    let place = Place::with(&recorded(DENSE, "full").replace("steps: 20", "steps: 400"));
    place.kill_at("run", "train experiment.yaml --out run", 12);
    fs::remove_file(place.path("run/record/dev.bblog")).unwrap();
    place.run("train --resume run").ends(1, &["going on with its log", "put the whole log back"]);
    // Recording may be given up in the middle of a run.
    let text = place.read("run/experiment.yaml");
    place.write("run/experiment.yaml", text.replace("    record: full\n", ""));
    place.run("train --resume run").ends(2, &["the experiment changed"]);
    place.run("train --resume run --accept-changes --quiet").done();
}

#[test]
fn recording_that_begins_in_the_middle_of_a_run_cannot_be_replayed() {
    let place = Place::with(&experiment(DENSE).replace("steps: 20", "steps: 400"));
    place.kill_at("run", "train experiment.yaml --out run", 12);
    let text = place.read("run/experiment.yaml");
    place.write("run/experiment.yaml", text.replace("    source:", "    record: full\n    source:"));
    place.run("train --resume run --accept-changes --quiet").done();
    assert!(report(&place, "run/record/dev.bblog")["kinds"]["query"]["calls"].as_u64().unwrap() > 100);
    place.run("replay run/record/dev.bblog").ends(2, &["begins in the middle of a run"]).in_one_line();
}
