//! `blackbeam plugin check`: what a device promises, tried on it.

use crate::{
    instruments::compiler,
    isolation::driver,
    support::{Finished, Place, ROOT, library},
};
use serde_json::Value;
use std::path::Path;

/// The command with settings, which hold spaces.
fn check(place: &Place, target: &Path, arguments: &str, settings: &str) -> Finished {
    let mut command = place.command(&format!("plugin check {} {arguments}", target.display()));
    command.args(["--settings", settings]);
    Finished::new(arguments, command.output().unwrap())
}

/// Results by check.
fn results(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|e| panic!("{e}: {}", finished.stdout))
}

fn result<'a>(report: &'a Value, id: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["id"] == id).unwrap_or_else(|| panic!("no {id} in {report:#}"))
}

const SMALL: &str = r#"{"rows": 6, "columns": 5, "max_batch": 7}"#;

/// The same device, whichever interface it is loaded through; nothing has to be in plugins.lock.
#[test]
fn good_libraries_conform() {
    let place = Place::new();
    for name in ["device_dense_lib", "device_dense_c"] {
        let checked = check(&place, &library(name), "", SMALL).done();
        assert!(checked.stdout.contains("`dense` (0.1.0) conforms"), "{}", checked.stdout);
        for line in ["pass     answers.batch            the same bits", "pass     limits.max_batch         SHAPE: "] {
            assert!(checked.stdout.contains(line), "no `{line}` in {}", checked.stdout);
        }
        let report = results(&check(&place, &library(name), "--json", SMALL).done());
        assert_eq!((&report["conforms"], &report["ended"]), (&Value::Bool(true), &Value::from("done")));
        let vectors: u64 = report["checks"].as_array().unwrap().iter().map(|c| c["vectors"].as_u64().unwrap()).sum();
        // The rest was sent to make the device ready before checks.
        assert!(vectors > 50 && vectors <= report["vectors"].as_u64().unwrap(), "{report:#}");
        assert_eq!(result(&report, "parameters.clamped")["result"], "pass");
    }
    let gentle = results(&check(&place, &library("device_dense_c"), "--json --in-range", SMALL).done());
    assert_eq!(result(&gentle, "parameters.clamped")["result"], "skipped");
    assert!(!place.path("plugins.lock").exists());
}

/// What a library does wrong is a failed check with what to do, and the command comes to its end.
#[test]
fn faulty_libraries_do_not() {
    let place = Place::new();
    for (fault, call, words) in [("panic", 9, "asked to panic"), ("nan", 12, "NONFINITE"), ("short", 12, "NONFINITE")] {
        let settings =
            format!(r#"{{"rows": 4, "columns": 4, "fault": "{fault}", "when": "calibration", "call": {call}}}"#);
        let arguments = "--plugin faulty --json";
        let failed = check(&place, &library("fixture_faults"), arguments, &settings).ends(1, &[]);
        let report = results(&failed);
        assert_eq!(report["conforms"], false);
        let checks = report["checks"].as_array().unwrap();
        let broken: Vec<&Value> = checks.iter().filter(|check| check["result"] == "fail").collect();
        // One, or more of a device that is opened anew after it.
        assert!(!broken.is_empty(), "{report:#}");
        assert!(broken[0]["measured"].as_str().unwrap().contains(words), "{:#}", broken[0]);
        assert!(!broken[0]["do"].as_str().unwrap().is_empty());
        assert_eq!(checks.last().unwrap()["id"], "times.retried", "the others were tried");
    }
    // As a person sees it.
    let settings = r#"{"rows": 4, "columns": 4, "fault": "error", "when": "calibration", "call": 9}"#;
    let failed = check(&place, &library("fixture_faults"), "--plugin faulty", settings).ends(1, &[]);
    for words in ["fail     ", "expected: an answer", "do: ", "does not conform: "] {
        assert!(failed.stdout.contains(words), "no `{words}` in {}", failed.stdout);
    }
}

/// Every described device that comes with Blackbeam keeps what its simulator promises, with few vectors.
#[test]
fn described_devices_conform() {
    let place = Place::new();
    let mut tried = 0;
    for entry in std::fs::read_dir(Path::new(ROOT).join("devices")).unwrap() {
        let file = entry.unwrap().path();
        let report = results(&place.run(&format!("plugin check {} --json", file.display())).done());
        assert_eq!(report["conforms"], true, "{report:#}");
        assert!(report["vectors"].as_u64().unwrap() < 2000, "{}: {}", file.display(), report["vectors"]);
        tried += 1;
    }
    assert!(tried > 5);
    let mesh = format!("{ROOT}/devices/mzi_mesh.ddl.yml");
    for preset in ["ideal", "pessimistic"] {
        check(&place, Path::new(&mesh), &format!("--preset {preset} --seed 9"), r#"{"U": {"n": 8}}"#).done();
    }
    // The same seed finds the same.
    let said = || place.run(&format!("plugin check {mesh} --seed 4")).done().stdout;
    let measured = |text: String| text.lines().filter(|line| !line.contains("safety.")).collect::<Vec<_>>().join("\n");
    assert_eq!(measured(said()), measured(said()));
}

#[test]
fn what_cannot_be_checked_is_refused() {
    let place = Place::new();
    place.write("text.so", "no library");
    place.write("bad.ddl.yml", "ddl: 1\ninstances: {U: {component: mash}}\n");
    place.run("plugin check missing.so").ends(2, &["missing.so", "there is no plugin library"]).in_one_line();
    place.run("plugin check text.so").ends(2, &["cannot be loaded"]).in_one_line();
    place.run("plugin check bad.ddl.yml").ends(2, &["mash"]);
    place.run("plugin check bad.ddl.yml --plugin x").ends(2, &["--plugin x is for libraries"]);
    let faults = library("fixture_faults");
    place.run(&format!("plugin check {}", faults.display())).ends(2, &["2 devices", "--plugin", "faulty"]);
    check(&place, &faults, "--plugin fault", "{}").ends(2, &["no device `fault`", "did you mean `faulty`?"]);
    let estimators = library("estimators_lib");
    place.run(&format!("plugin check {}", estimators.display())).ends(2, &["has no device"]);
    let dense = library("device_dense_c");
    check(&place, &dense, "", "{").ends(2, &["--settings", "expected a JSON object"]);
    place.run(&format!("plugin check {} --preset ideal", dense.display())).ends(2, &["--preset ideal"]);
    // Settings that the device refuses: it was not opened.
    let refused = check(&place, &dense, "", r#"{"rows": 0, "columns": 4}"#).ends(2, &[]);
    assert!(
        refused.stdout.contains("SETTINGS") && refused.stdout.contains("could not be opened"),
        "{}",
        refused.stdout
    );
}

/// A library that crashes is a breach: where is said, and the hardware is left safe.
#[test]
fn a_library_that_crashes_does_not_take_the_check_with_it() {
    if !compiler("cc") {
        return;
    }
    let place = Place::new();
    driver(&place, "cc");
    for (fault, words) in [("segfault", "crashed its process (signal 11)"), ("exit", "ended its process with code 7")] {
        let (log, marker) = (place.path("log"), place.path(fault));
        let settings = serde_json::json!({"fault": fault, "when": "query", "call": 40, "marker": marker, "log": log});
        let failed = check(&place, &place.path("libfaulty.so"), "", &settings.to_string());
        let failed = failed.ends(1, &[words, "in the check after `", "opened again and is in its safe state"]);
        assert!(failed.stdout.contains("pass     descriptor.ports"), "{}", failed.stdout);
        assert!(std::fs::read_to_string(&log).unwrap().ends_with('s'));
        std::fs::remove_file(&marker).unwrap();
        let failed = check(&place, &place.path("libfaulty.so"), "--json", &settings.to_string()).ends(1, &[]);
        assert_eq!(results(&failed)["conforms"], false);
    }
}

/// A driver that always says that it applied what it did not, and cannot be read back, is only warned of in training; the check
/// finds it.
#[test]
fn a_library_that_lies_about_what_it_applied_does_not_conform() {
    if !compiler("cc") {
        return;
    }
    let place = Place::new();
    driver(&place, "cc");
    let settings =
        serde_json::json!({"fault": "lie", "when": "write", "call": 1, "stays": true, "marker": place.path("m")});
    let failed = check(&place, &place.path("libfaulty.so"), "--json", &settings.to_string()).ends(1, &[]);
    let applied = result(&results(&failed), "parameters.applied").clone();
    assert_eq!(applied["result"], "fail", "{applied:#}");
    assert!(applied["measured"].as_str().unwrap().contains("w<0.3>"), "{applied:#}");
}
