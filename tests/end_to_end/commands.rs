//! The other commands, and the files that come with Blackbeam.

use crate::support::{Place, ROOT, experiment, family};
use std::{fs, process::Stdio};

#[test]
fn schemas_are_those_in_the_folder() {
    let place = Place::new();
    for of in ["experiment", "device"] {
        let printed = place.run(&format!("schema {of}")).done().stdout;
        let kept = fs::read_to_string(format!("{ROOT}/schemas/{of}.schema.json")).unwrap();
        assert!(printed == kept, "schemas/{of}.schema.json is not what `blackbeam schema {of}` prints");
    }
    place.run("schema nothing").ends(2, &["possible values: experiment, device"]);
}

#[test]
fn completions_are_printed() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = place.run(&format!("completions {shell}")).done().stdout;
        for word in ["blackbeam", "train", "accept-changes", "plugin"] {
            assert!(script.contains(word), "{shell}: no `{word}`");
        }
    }
}

#[test]
fn help_tells_the_exit_codes() {
    let place = Place::new();
    let help = place.run("--help").done().stdout;
    for word in ["train", "check", "compare", "plugin", "schema", "completions", "130 interrupted"] {
        assert!(help.contains(word), "{help}");
    }
    assert!(place.run("--version").done().stdout.starts_with("blackbeam 0."));
    place.run("").ends(2, &["Usage"]);
}

#[test]
fn every_shipped_file_is_usable() {
    let place = Place::new();
    let mut checked = 0;
    for folder in ["devices", "experiments"] {
        for entry in fs::read_dir(format!("{ROOT}/{folder}")).unwrap() {
            let path = entry.unwrap().path();
            if !path.extension().is_some_and(|e| e == "yml" || e == "yaml") {
                continue;
            }
            let finished = place.run(&format!("check {}", path.display())).done();
            assert_eq!(finished.stderr, "", "{}: no warning either", path.display());
            let kind = if folder == "devices" { "a usable device description" } else { "a usable experiment" };
            assert!(finished.stdout.contains(kind), "{}", finished.stdout);
            checked += 1;
        }
    }
    assert!(checked >= 10, "{checked} files");
}

#[test]
fn a_device_description_is_checked() {
    let place = Place::new();
    let text = fs::read_to_string(format!("{ROOT}/devices/mrr_bank.ddl.yml")).unwrap();
    place.write("bank.ddl.yml", text.replace("columns: 64 ", "colums: 64 "));
    place.run("check bank.ddl.yml").ends(2, &["did you mean `columns`?", "bank.ddl.yml:"]);
    place.run("check bank.ddl.yml --set a=b").ends(2, &["--set is for experiments"]);
    // Through an experiment, too.
    place.write("experiment.yaml", experiment("file: bank.ddl.yml"));
    place.run("check experiment.yaml").ends(2, &["did you mean `columns`?", "bank.ddl.yml:"]);
}

/// A reader that goes away is no failure, on either side.
#[test]
fn broken_pipes_are_no_failure() {
    let place = Place::with(&experiment(&family("mzi", "ideal")));
    for (arguments, out) in [("schema experiment", None), ("train experiment.yaml --out out", Some("out"))] {
        let mut child = place.command(arguments).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        drop(child.stderr.take());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{arguments}");
        if let Some(out) = out {
            assert_eq!(place.finished(out).summary()["status"], "done");
        }
    }
    // An error that nobody reads keeps its exit code.
    let mut child = place.command("train nothing.yaml").spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(2));
}
