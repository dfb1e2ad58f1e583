//! Runs that were killed, interrupted or changed, and go on.

use crate::support::{FAMILIES, Place, Run, copy, experiment, family, library};
use serde_json::Value;
use std::{collections::BTreeSet, fs};

/// Enough work per step for a kill to hit all sorts of moments; a checkpoint every three steps.
fn longer(source: &str) -> String {
    let text = experiment(source).replace("checkpoint_every: 5", "checkpoint_every: 3");
    text.replace("steps: 20", "steps: 40").replace("samples: 4}\n    surrogate", "samples: 150}\n    surrogate")
}

const CONTROLS: &str = "controls: [digital, frozen, random_feedback]\n";

/// Pseudo-random numbers for the moments; what a process was doing then is up to the machine.
fn moments() -> impl FnMut(u64) -> u64 {
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}

/// Kills training again and again, each time some rows later, until it ends by itself.
fn killed_and_resumed(place: &Place, out: &str) -> (Run, usize, BTreeSet<String>) {
    let mut random = moments();
    let mut arguments = format!("train experiment.yaml --quiet --out {out}");
    let (mut kills, mut hit, mut spent) = (0, BTreeSet::new(), 0);
    let run = place.finished(out);
    let mut target = 2 + random(12) as usize;
    loop {
        let mut running = place.start(&arguments);
        if running.until(|| run.rows() >= target) && running.kill() {
            kills += 1;
            let rows = fs::read_to_string(run.file("metrics.jsonl")).unwrap();
            let last: Value = serde_json::from_str(rows.lines().next_back().unwrap()).unwrap_or_default();
            hit.extend(last["run"].as_str().map(str::to_owned));
            let (vectors, _) = run.physical_total();
            assert!(vectors >= spent, "the physical column never shrinks: {vectors} after {spent}");
            spent = vectors;
            target = run.rows() + 1 + random(25) as usize;
            arguments = format!("train --quiet --resume {out} --threads {}", 1 + random(3));
        } else {
            // It had come to its end; going on with it once more says whether that was a good one.
            return (place.resume(out, ""), kills, hit);
        }
    }
}

#[test]
fn a_run_killed_at_any_moment_goes_on_with_the_same_bits() {
    for (name, _) in FAMILIES {
        let place = Place::with(&(longer(&family(name, "typical")) + CONTROLS));
        let reference = place.train("reference", "");
        let (run, kills, hit) = killed_and_resumed(&place, "killed");
        run.equals(&reference);
        assert!(kills >= 4 && hit.contains("main") && hit.len() >= 2, "{name}: {kills} kills in {hit:?}");
        let (logical, physical) = (reference.physical_total().0, run.physical_total().0);
        assert!(physical > logical, "{name}: work was lost and is counted, {physical} and {logical}");
        assert_eq!(run.summary()["physical_vectors"], physical);
        assert_eq!(run.checkpoints(), 3);
    }
}

#[test]
fn a_run_killed_before_its_first_checkpoint_begins_again() {
    let place = Place::with(&experiment(&family("mrr", "typical")));
    let reference = place.train("reference", "");
    let mut running = place.start("train experiment.yaml --quiet --out killed");
    assert!(running.until(|| place.path("killed/lock.json").exists()));
    running.kill();
    // However far it came: what a kill in the first calibration leaves.
    let run = place.finished("killed");
    for checkpoint in run.file("checkpoints").read_dir().unwrap() {
        fs::remove_file(checkpoint.unwrap().path()).unwrap();
    }
    place.resume("killed", "").equals(&reference);
    // A directory in which nothing was trained can be used for a new run, too.
    fs::remove_dir_all(run.file("checkpoints")).unwrap();
    place.train("killed", "").equals(&reference);
}

#[test]
fn a_signal_ends_a_run_with_a_checkpoint() {
    for signal in ["INT", "TERM"] {
        let place = Place::with(&(longer(&family("slm", "typical")) + CONTROLS));
        let reference = place.train("reference", "");
        let mut running = place.start("train experiment.yaml --out stopped");
        assert!(running.until(|| place.finished("stopped").rows() >= 5));
        running.signal(signal);
        let finished = running.finish().ends(130, &["interrupted", "blackbeam train --resume stopped"]);
        assert!(!finished.stdout.contains("Results"), "{}", finished.stdout);
        let stopped = place.finished("stopped").summary();
        assert_eq!((&stopped["status"], &stopped["test_accuracy"]), (&"interrupted".into(), &Value::Null));
        let steps = stopped["steps"].as_u64().unwrap();
        assert!((1..40).contains(&steps), "{steps}");
        // Nothing is done twice: the run stopped between two steps.
        let run = place.resume("stopped", "");
        run.equals(&reference);
        assert!(run.metrics().len() == reference.metrics().len());
        assert_eq!(run.physical()[&["main", "dev", "forward"].map(str::to_owned)].0, 40 * 16);
    }
}

/// In a control, by a signal; the summary then holds what is finished.
#[test]
fn a_control_that_was_interrupted_goes_on() {
    let place = Place::with(&(longer(&family("mrr", "typical")) + CONTROLS));
    let reference = place.train("reference", "");
    let mut running = place.start("train experiment.yaml --quiet --out stopped");
    let in_control = || {
        place.path("stopped/metrics.jsonl").exists()
            && place.read("stopped/metrics.jsonl").contains("\"run\":\"frozen\"")
    };
    assert!(running.until(in_control));
    running.signal("INT");
    running.finish().ends(130, &["--resume stopped"]);
    let summary = place.finished("stopped").summary();
    assert_eq!(summary["test_accuracy"], reference.summary()["test_accuracy"]);
    assert!(summary["controls"]["digital"]["status"] == "done");
    place.resume("stopped", "").equals(&reference);
}

#[test]
fn a_finished_run_stays_as_it_is() {
    let place = Place::with(&experiment(&family("slm", "typical")));
    let run = place.train("out", "");
    let (metrics, result, spent) = (run.metrics(), run.summary(), run.physical_total());
    let again = place.run("train --resume out").done();
    assert!(again.stdout.contains("Results: out"), "{}", again.stdout);
    let run = place.finished("out");
    assert_eq!((run.metrics(), run.summary(), run.physical_total()), (metrics, result, spent));
}

#[test]
fn what_is_no_run_is_not_resumed() {
    let place = Place::new();
    fs::create_dir(place.path("empty")).unwrap();
    place.run("train --resume empty").ends(2, &["empty is not a run that can be resumed", "lock.json"]).in_one_line();
    place.run("train --resume nowhere").ends(2, &["nowhere is not a run"]).in_one_line();
    for flag in ["--seed 4", "--ideal", "--set train.steps=3", "--out there"] {
        place.run(&format!("train --resume empty {flag}")).ends(2, &["cannot be used with"]);
    }
}

#[test]
fn a_damaged_checkpoint_is_passed_over() {
    let place = Place::with(&longer(&family("mzi", "ideal")));
    let reference = place.train("reference", "");
    place.kill_at("killed", "train experiment.yaml --out killed", 12);
    let run = place.finished("killed");
    let mut checkpoints: Vec<_> = run.file("checkpoints").read_dir().unwrap().map(|e| e.unwrap().path()).collect();
    checkpoints.retain(|path| path.extension().is_some_and(|e| e == "safetensors"));
    checkpoints.sort();
    fs::write(checkpoints.last().unwrap(), "cut").unwrap();
    place.resume("killed", "").equals(&reference);
    for path in run.file("checkpoints").read_dir().unwrap() {
        fs::write(path.unwrap().path(), "cut").unwrap();
    }
    place.run("train --resume killed").ends(2, &["not a run that can be resumed", ".safetensors"]);
}

/// Resuming is refused with `what` named, and goes on with `--accept-changes`, which the lock remembers.
fn refused_then_accepted(place: &Place, out: &str, what: &str) {
    let refused = place.run(&format!("train --resume {out}"));
    refused.ends(2, &["cannot be resumed as it was", what, "--accept-changes"]).in_one_line();
    let warned = place.run(&format!("train --resume {out} --accept-changes")).done();
    assert!(warned.stderr.contains(&format!("warning: {what} changed")), "{}", warned.stderr);
    let run = place.finished(out);
    assert_eq!(run.summary()["status"], "done");
    let lock = run.json("lock.json");
    assert!(lock["changes"].as_array().unwrap().contains(&what.into()), "{lock}");
    place.run(&format!("train --resume {out}")).done();
}

#[test]
fn a_changed_experiment_is_refused() {
    let place = Place::with(&longer(&family("mrr", "typical")));
    place.kill_at("out", "train experiment.yaml --out out", 9);
    // The file that the run began with may change: the run has its own.
    place.write("experiment.yaml", "nothing");
    let resolved = place.read("out/experiment.yaml");
    assert!(resolved.contains("learning_rate: 0.02"), "{resolved}");
    place.write("out/experiment.yaml", resolved.replace("learning_rate: 0.02", "learning_rate: 0.03"));
    refused_then_accepted(&place, "out", "the experiment");
}

#[test]
fn a_changed_device_description_is_refused() {
    let place = Place::with(&longer("file: bank.ddl.yml, settings: {bank: {rows: 8, columns: 8}}"));
    let file = copy(format!("{}/devices/mrr_bank.ddl.yml", crate::support::ROOT).as_ref(), place.path("bank.ddl.yml"));
    place.kill_at("out", "train experiment.yaml --out out", 9);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("seed: 1 ", "seed: 2 ")).unwrap();
    refused_then_accepted(&place, "out", "the device description `dev`");
}

#[test]
fn a_changed_plugin_is_refused() {
    let place = Place::new();
    let lib = copy(&library("device_dense_lib"), place.path("plugins/dense.so"));
    place.write("experiment.yaml", longer("plugin: dense, library: plugins/dense.so, settings: {rows: 8, columns: 8}"));
    place.run("plugin add plugins/dense.so").done();
    place.kill_at("out", "train experiment.yaml --out out", 9);
    // A byte after the end of the library's image changes its hash and nothing else.
    let mut bytes = fs::read(&lib).unwrap();
    bytes.push(0);
    fs::remove_file(&lib).unwrap();
    fs::write(&lib, bytes).unwrap();
    let what = format!("the plugin `{}`", lib.display());
    for flag in ["", "--accept-changes"] {
        place.run(&format!("train --resume out {flag}")).ends(2, &["has changed since it was added", "plugin add"]);
    }
    place.run("plugin add plugins/dense.so").done();
    refused_then_accepted(&place, "out", &what);
}

#[test]
fn changed_data_are_refused() {
    let place = Place::with(&longer(&family("slm", "ideal")).replace("set: glyphs", "set: mnist"));
    crate::input::write_mnist(&place, 256, 64);
    let data = place.path("data");
    let train = |arguments: &str| {
        let output = place.command(arguments).env("BLACKBEAM_DATA", &data).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let mut running = place.start_with_data("train experiment.yaml --out out", &data);
    assert!(running.until(|| place.finished("out").rows() >= 9) && running.kill());
    let labels = data.join("mnist/train-labels-idx1-ubyte");
    let mut bytes = fs::read(&labels).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&labels, bytes).unwrap();
    let (code, error) = train("train --resume out");
    assert!(code == Some(2) && error.contains("the data changed"), "{error}");
    let (code, error) = train("train --resume out --accept-changes");
    assert!(code == Some(0) && error.contains("warning: the data changed"), "{error}");
    assert_eq!(place.finished("out").json("lock.json")["changes"][0], "the data");
    let files = place.finished("out").json("lock.json")["data"].as_array().unwrap().len();
    assert_eq!(files, 4);
}

#[test]
fn a_changed_binary_is_a_recorded_warning() {
    let place = Place::with(&longer(&family("mzi", "ideal")));
    let reference = place.train("reference", "");
    place.kill_at("out", "train experiment.yaml --out out", 9);
    let mut lock = place.finished("out").json("lock.json");
    lock["binary"] = "another".into();
    place.write("out/lock.json", lock.to_string());
    let resumed = place.run("train --resume out").done();
    assert!(resumed.stderr.contains("warning: the binary (version"), "{}", resumed.stderr);
    let run = place.finished("out");
    run.equals(&reference);
    assert!(run.json("lock.json")["changes"][0].as_str().unwrap().starts_with("the binary"));
}
