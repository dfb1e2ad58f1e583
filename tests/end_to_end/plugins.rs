//! Plugins in libraries: made known, listed, checked without loading, and the same bits as compiled in.

use crate::support::{DENSE, FAMILIES, Place, copy, experiment, family, library};
use std::fs;

/// The experiment with its estimator and surrogate taken from libraries.
fn from_libraries(text: &str) -> String {
    let lib = |name: &str| format!("library: {}", library(name).display());
    text.replace("method: gaussian", &format!("method: gaussian, {}", lib("estimators_lib")))
        .replace("{method: residual", &format!("{{method: residual, {}", lib("surrogates_lib")))
}

#[test]
fn loaded_methods_train_to_the_same_bits() {
    let place = Place::new();
    place.add_libraries(&["estimators_lib", "surrogates_lib"]);
    for (name, _) in FAMILIES {
        let text = experiment(&family(name, "typical"));
        place.write("experiment.yaml", &text);
        let built_in = place.train(&format!("{name}-built-in"), "");
        place.write("experiment.yaml", from_libraries(&text));
        let loaded = place.train(&format!("{name}-loaded"), "--threads 3");
        loaded.equals(&built_in);
        let lock = loaded.json("lock.json");
        assert_eq!(lock["plugins"].as_object().unwrap().len(), 2, "{lock}");
    }
}

#[test]
fn every_loaded_surrogate_trains_to_the_same_bits() {
    let place = Place::new();
    place.add_libraries(&["estimators_lib", "surrogates_lib"]);
    for surrogate in ["i_psi, rank: 3, samples: 6", "full, every: 2", "residual, gain: 0.9", "random"] {
        let text = experiment(&family("slm", "typical"));
        let text = text.replace("residual, rank: 4, samples: 4", surrogate);
        place.write("experiment.yaml", &text);
        let name = surrogate.split(',').next().unwrap();
        let built_in = place.train(&format!("{name}-built-in"), "");
        let with = format!("{{method: {name}, library: {}", library("surrogates_lib").display());
        place.write("experiment.yaml", text.replace(&format!("{{method: {name}"), &with));
        place.train(&format!("{name}-loaded"), "").equals(&built_in);
    }
}

#[test]
fn a_loaded_device_trains_to_the_same_bits() {
    let place = Place::new();
    place.add_libraries(&["device_dense_lib"]);
    place.write("experiment.yaml", experiment(DENSE));
    let built_in = place.train("built-in", "");
    let source = DENSE.replace("dense,", &format!("dense, library: {},", library("device_dense_lib").display()));
    place.write("experiment.yaml", experiment(&source));
    place.train("loaded", "").equals(&built_in);
    place.train("split", "--set devices.dev.max_batch=3").equals(&built_in);
    // and when it was killed
    place.kill_at("killed", "train experiment.yaml --out killed --set train.checkpoint_every=2", 8);
    place.resume("killed", "").equals(&built_in);
}

#[test]
fn plugins_are_added_and_listed() {
    let place = Place::new();
    let before = place.run("plugin list").done().stdout;
    for name in ["gaussian", "i_psi", "full", "residual", "random", "dense", "built in", "MIT OR Apache-2.0"] {
        assert!(before.contains(name), "no `{name}` in\n{before}");
    }
    assert!(!before.contains("faulty") && !place.path("plugins.lock").exists());
    let path = library("fixture_faults");
    let added = place.run(&format!("plugin add {}", path.display())).done().stdout;
    for name in ["device `faulty`", "estimator `two_rounds`", "surrogate `observing`", "plugins.lock"] {
        assert!(added.contains(name), "no `{name}` in\n{added}");
    }
    let lock = place.read("plugins.lock");
    assert!(lock.contains("\"sha256\"") && lock.contains("\"settings_schema\""), "{lock}");
    // A second time changes nothing, and listing needs the file only.
    place.run(&format!("plugin add {}", path.display())).done();
    assert_eq!(place.read("plugins.lock"), lock);
    let after = place.run("plugin list").done().stdout;
    assert!(after.contains("faulty") && after.contains("observing"), "{after}");
    // In another folder.
    fs::create_dir(place.path("other")).unwrap();
    copy(&path, place.path("other/faults.so"));
    place.run("plugin add other/faults.so --dir other").done();
    assert!(place.read("other/plugins.lock").contains("\"path\": \"faults.so\""));
    assert!(place.run("plugin list --dir other").done().stdout.contains("faults.so"));
}

/// Experiments name libraries relative to themselves; the lock beside the experiment is used wherever the run starts,
/// and when it is resumed.
#[test]
fn the_lock_beside_the_experiment_counts() {
    let place = Place::new();
    copy(&library("device_dense_lib"), place.path("lab/dense.so"));
    let source = DENSE.replace("dense,", "dense, library: dense.so,");
    place.write("lab/experiment.yaml", experiment(&source).replace("steps: 20", "steps: 60"));
    place.run("plugin add lab/dense.so --dir lab").done();
    place.run("check lab/experiment.yaml").done();
    place.run("train lab/experiment.yaml --out reference --quiet").done();
    place.kill_at("killed", "train lab/experiment.yaml --out killed", 8);
    place.resume("killed", "").equals(&place.finished("reference"));
}

#[test]
fn a_library_that_was_not_added_is_not_loaded() {
    let place = Place::with(&from_libraries(&experiment(&family("mrr", "typical"))));
    let checked = place.run("check experiment.yaml").done();
    assert_eq!(checked.stderr.matches("is not verified: it is not in plugins.lock").count(), 2, "{}", checked.stderr);
    assert!(checked.stderr.contains("experiment.yaml:16:"), "{}", checked.stderr);
    place.run("train experiment.yaml --out out").ends(2, &["is not verified", "blackbeam plugin add"]);
    assert!(!place.path("out").exists(), "nothing was run");
    place.add_libraries(&["estimators_lib"]);
    let checked = place.run("check experiment.yaml").done();
    assert_eq!(checked.stderr.matches("is not verified").count(), 1, "{}", checked.stderr);
    place.run("train experiment.yaml --out out").ends(2, &["surrogates_lib", "is not verified"]);
    place.add_libraries(&["surrogates_lib"]);
    assert_eq!(place.run("check experiment.yaml").done().stderr, "");
    place.train("out", "");
}

#[test]
fn a_library_that_changed_is_not_loaded() {
    let place = Place::new();
    let lib = copy(&library("device_dense_lib"), place.path("dense.so"));
    place.write("experiment.yaml", experiment(&DENSE.replace("dense,", "dense, library: dense.so,")));
    place.run("plugin add dense.so").done();
    // Another library under the same name.
    copy(&library("fixture_faults"), lib);
    let checked = place.run("check experiment.yaml").done();
    assert!(checked.stderr.contains("has changed since it was added"), "{}", checked.stderr);
    place.run("train experiment.yaml --out out").ends(2, &["has changed since it was added", "plugin add"]);
    assert!(!place.path("out").exists());
}

/// A setting is checked against the schema in plugins.lock.
#[test]
fn settings_of_a_library_are_checked_without_loading_it() {
    let place = Place::new();
    copy(&library("fixture_faults"), place.path("faults.so"));
    place.run("plugin add faults.so").done();
    let device = "plugin: faulty, library: faults.so, settings: {rows: 8, columns: 8, fault: panic, when: open}";
    let check = |from: &str, to: &str, words: &[&str]| {
        let text = experiment(device).replace("method: gaussian, samples: 4", "method: two_rounds, library: faults.so");
        assert!(text.contains(from), "{text}");
        place.write("experiment.yaml", text.replace(from, to));
        place.run("check experiment.yaml").ends(2, words);
        place.run("train experiment.yaml --out out").ends(2, words);
    };
    check("columns: 8", "colums: 8", &["colums", "did you mean `columns`?", "experiment.yaml:15:"]);
    check("fault: panic", "fault: panik", &["panik", "did you mean `panic`?"]);
    check("rows: 8", "rows: many", &["rows", "experiment.yaml:15:"]);
    check("method: two_rounds", "method: two_round", &["no estimator `two_round`", "did you mean `two_rounds`?"]);
    check("plugin: faulty", "plugin: fault", &["no device `fault`", "did you mean `faulty`?"]);
    check("method: two_rounds,", "method: two_rounds, samples: 3,", &["samples"]);
    assert!(!place.path("out").exists());
}

/// Reading never runs anything: glibc's loader, asked to tell what it loads, names no plugin in `check` and `plugin list`.
#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn checking_loads_no_library() {
    let place = Place::new();
    copy(&library("device_dense_lib"), place.path("dense.so"));
    place.write("experiment.yaml", experiment(&DENSE.replace("dense,", "dense, library: dense.so,")));
    place.run("plugin add dense.so").done();
    for (arguments, loads) in [
        ("check experiment.yaml", false),
        ("plugin list", false),
        ("train experiment.yaml --set train.bach=1", false),
        ("train experiment.yaml --out apart", false),
        ("train experiment.yaml --out here --set devices.dev.source.isolation=in_process", true),
    ] {
        let output = place.command(arguments).env("LD_DEBUG", "files").output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("calling init:"), "the loader tells what it does");
        let loaded = told.lines().any(|line| line.contains("calling init:") && line.ends_with("/dense.so"));
        assert_eq!(loaded, loads, "{arguments}");
    }
}

#[test]
fn what_is_no_plugin_is_refused_in_one_line() {
    let place = Place::new();
    place.write("text.so", "no library");
    let add = |path: &str, word: &str| place.run(&format!("plugin add {path}")).ends(2, &[path, word]).in_one_line();
    let fixture = |name: &str| library(name).display().to_string();
    add("missing.so", "there is no plugin library");
    add("text.so", "cannot be loaded as a shared library");
    add(".", "cannot be loaded as a shared library: it is a folder");
    add(&fixture("fixture_no_plugin"), "not a Blackbeam plugin");
    add(&fixture("fixture_other_version"), "version 9.7 of the plugin interface");
    add(&fixture("fixture_other_layout"), "another layout of the data");
    assert!(!place.path("plugins.lock").exists());
    // And where an experiment names them.
    for (name, word) in [("missing.so", "there is no plugin library"), ("text.so", "is not verified")] {
        place.write("experiment.yaml", experiment(&DENSE.replace("dense,", &format!("dense, library: {name},"))));
        place.run("train experiment.yaml --out out").ends(2, &[name, word]);
    }
    place.write("plugins.lock", "{");
    for command in ["plugin list", "check experiment.yaml", "train experiment.yaml", "plugin add missing.so"] {
        let word = if command == "plugin add missing.so" { "missing.so" } else { "plugins.lock is damaged" };
        place.run(command).ends(2, &[word]).in_one_line();
    }
}
