//! Drivers that crash, hang or answer nonsense in processes of their own: training goes on with the same bits where that can be, and
//! the hardware is left in its safe state in every case.

use crate::{
    instruments::{compiler, succeeds},
    support::{Finished, Place, ROOT, Running, experiment, library},
};
use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// The driver, as C++ where there is a compiler for it: only that can throw.
pub fn driver(place: &Place, compiler: &str) {
    let library = place.path("libfaulty.so");
    let language: &[&str] = if compiler == "c++" { &["-x", "c++", "-std=c++17"] } else { &["-std=c99"] };
    let mut command = Command::new(compiler);
    command.args(language).args(["-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-I"]);
    command.arg(Path::new(ROOT).join("include")).arg(Path::new(ROOT).join("tests/fixtures/c/faulty.c"));
    succeeds(command.arg("-o").arg(&library));
    place.run("plugin add libfaulty.so").done();
}

/// An experiment of 8 steps with the driver; `more` are further settings.
fn on(place: &Place, more: &str) {
    let log = place.path("log");
    let source = format!("plugin: faulty, library: libfaulty.so, settings: {{log: {}{more}}}", log.display());
    let text = experiment(&source).replace("train: 256, test: 64", "train: 64, test: 32");
    let text = text.replace("steps: 20", "steps: 8").replace("surrogate_error_every: 5", "surrogate_error_every: 0");
    place.write("experiment.yaml", text.replace("checkpoint_every: 5", "checkpoint_every: 2"));
}

fn log(place: &Place) -> String {
    std::fs::read_to_string(place.path("log")).unwrap_or_default()
}

/// Trains with a fault into a folder of its name.
fn train(place: &Place, name: &str, settings: &str) -> Finished {
    let _ = std::fs::remove_file(place.path("log"));
    on(place, settings);
    place.run(&format!("train experiment.yaml --out {name} --quiet"))
}

#[test]
fn a_driver_that_goes_wrong_once_does_not_change_the_result() {
    if !compiler("cc") || !compiler("c++") {
        return;
    }
    let place = Place::new();
    driver(&place, "c++");
    train(&place, "reference", "").done();
    let reference = place.finished("reference");
    let calls = log(&place);
    assert!(calls.ends_with('s') && calls.len() > 60, "{calls}");
    for (when, call) in [("query", 20), ("write", 17), ("query", 1)] {
        for (fault, words) in [
            ("segfault", "killed by signal 11 (segmentation fault); its last words: about to write where nothing is"),
            ("abort", "killed by signal 6 (abort)"),
            ("exit", "exited with code 7"),
            ("hang", "within 1.0 s"),
            ("throw", "killed by signal 6"),
            ("nan", "NONFINITE"),
            ("short", "SHAPE"),
            ("unknown", "status 99, which the interface does not have: a status of its own"),
            ("lie", "was applied to parameter `w<0.3>` where"),
        ] {
            if fault == "lie" && when == "query" {
                continue;
            }
            let name = format!("{when}-{call}-{fault}");
            let marker = place.path(&format!("{name}.marker"));
            let settings = format!(", fault: {fault}, when: {when}, call: {call}, marker: {}", marker.display());
            let finished = train(&place, &name, &settings).done();
            assert!(finished.stderr.contains(words), "{name}: {}", finished.stderr);
            assert!(marker.exists() && finished.stderr.contains("trying again"), "{name}: {}", finished.stderr);
            place.finished(&name).equals(&reference);
            assert!(log(&place).ends_with('s'), "{name}: it is left in its safe state");
        }
    }
}

/// The same through the interface in Rust.
#[test]
fn a_panic_in_rust_does_not_change_the_result() {
    let place = Place::new();
    place.add_libraries(&["fixture_faults"]);
    let faulty = |fault: &str, when: &str, call: u64| {
        let settings = format!("{{rows: 8, columns: 8, fault: {fault}, when: {when}, call: {call}}}");
        let source = format!("plugin: faulty, library: {}, settings: {settings}", library("fixture_faults").display());
        place.write("experiment.yaml", experiment(&source).replace("steps: 20", "steps: 6"));
    };
    faulty("panic", "forward", 1_000_000);
    place.train("reference", "");
    for (fault, when, call, words) in [
        ("panic", "forward", 5, "PANIC: the plugin panicked at"),
        ("panic", "write", 7, "asked to panic in call 7 (in write_params)"),
        ("abort", "surrogate", 4, "killed by signal 6 (abort)"),
        ("nan", "probe", 9, "NONFINITE"),
        ("short", "probe", 9, "NONFINITE"),
        ("abort", "save", 2, "saving its state failed, trying again"),
    ] {
        faulty(fault, when, call);
        let name = format!("{fault}-{when}");
        let record = "--set devices.dev.record=full";
        let finished = place.run(&format!("train experiment.yaml --out {name} --quiet {record}")).done();
        assert!(finished.stderr.contains(words), "{name}: {}", finished.stderr);
        place.finished(&name).equals(&place.finished("reference"));
        place.run(&format!("replay {name}/record/dev.bblog --out {name}-again")).done();
    }
}

/// What went wrong is in the log too: a run that recovered is replayed without the driver.
#[test]
fn a_run_that_recovered_is_replayed() {
    if !compiler("cc") {
        return;
    }
    let place = Place::new();
    driver(&place, "cc");
    let marker = place.path("marker");
    on(&place, &format!(", fault: segfault, when: query, call: 20, marker: {}", marker.display()));
    let finished = place.run("train experiment.yaml --out out --quiet --set devices.dev.record=full").done();
    assert!(finished.stderr.contains("trying again"), "{}", finished.stderr);
    std::fs::remove_file(place.path("libfaulty.so")).unwrap();
    let replayed = place.run("replay out/record/dev.bblog --out again").done();
    assert!(replayed.stdout.contains("write_params"), "{}", replayed.stdout);
    place.finished("again").equals(&place.finished("out"));
}

/// However early a run ends.
#[test]
fn a_run_that_does_not_get_to_its_first_step_leaves_the_hardware_safe() {
    if !compiler("cc") {
        return;
    }
    let place = Place::new();
    driver(&place, "cc");
    on(&place, "");
    let text = place.read("experiment.yaml");
    place.write("experiment.yaml", text + "budget: {device: 20}\n");
    place.run("train experiment.yaml --out out --quiet").ends(2, &["budget"]);
    assert!(log(&place).contains('w') && log(&place).ends_with('s'), "{}", log(&place));
}

#[test]
fn a_driver_that_goes_on_failing_ends_the_run_and_loses_nothing() {
    if !compiler("cc") {
        return;
    }
    let place = Place::new();
    driver(&place, "cc");
    train(&place, "reference", "").done();
    let stays = |name: &str, when: &str| {
        let marker = place.path(&format!("{name}.marker"));
        format!(", fault: {name}, when: {when}, call: 40, stays: true, marker: {}", marker.display())
    };
    for (fault, words) in [("segfault", "CRASHED"), ("exit", "CRASHED"), ("hang", "TIMEOUT"), ("nan", "NONFINITE")] {
        train(&place, fault, &stays(fault, "query")).ends(1, &["device `dev` failed in", words]);
        assert!(log(&place).ends_with('s'), "{fault}: it is left in its safe state");
        let run = place.finished(fault);
        assert!(run.checkpoints() > 0 && !run.file("summary.json").exists(), "{fault}");
        // Mended, it goes on as if nothing had been.
        let text = std::fs::read_to_string(run.file("experiment.yaml")).unwrap();
        let mended = text.replace("stays: true", "stays: false");
        assert!(mended != text);
        std::fs::write(run.file("experiment.yaml"), mended).unwrap();
        place.run(&format!("train --resume {fault} --quiet --accept-changes")).done();
        place.finished(fault).equals(&place.finished("reference"));
    }
    let at_once = stays("abort", "open").replace("call: 40", "call: 1");
    train(&place, "open", &at_once).ends(1, &["the device `faulty`", "CRASHED", "in open"]);
}

/// Start-up code runs before anything can be known of a library.
#[test]
fn a_library_whose_start_up_code_crashes_is_refused() {
    if !compiler("cc") {
        return;
    }
    let place = Place::new();
    for (name, code, words) in [
        ("crash", "volatile int *volatile p = 0; *p = 1;", "its start-up code crashes (signal 11)"),
        ("leave", "_exit(3);", "its start-up code ends the process"),
    ] {
        let source =
            format!("#include <unistd.h>\n__attribute__((constructor)) static void start(void) {{ {code} }}\n");
        place.write("start.c", source);
        let library = place.path(&format!("{name}.so"));
        succeeds(Command::new("cc").args(["-shared", "-fPIC"]).arg(place.path("start.c")).arg("-o").arg(&library));
        place.run(&format!("plugin add {name}.so")).ends(2, &[name, words]).in_one_line();
    }
    assert!(!place.path("plugins.lock").exists());
}

/// Until the driver says that it is in its safe state.
fn becomes_safe(place: &Place) {
    let begun = Instant::now();
    while !log(place).ends_with('s') {
        assert!(begun.elapsed() < Duration::from_secs(10), "never in its safe state: {}", log(place));
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn children(of: &Running) -> Vec<String> {
    let id = of.child.id().to_string();
    let listed = Command::new("pgrep").args(["-P", &id]).output().unwrap();
    String::from_utf8_lossy(&listed.stdout).split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_hardware_is_left_in_its_safe_state_when_blackbeam_is_killed() {
    if !compiler("cc") {
        return;
    }
    let place = Place::new();
    driver(&place, "cc");
    on(&place, "");
    for (name, hanging) in [("running", false), ("hanging", true)] {
        let _ = std::fs::remove_file(place.path("log"));
        // In a call that never ends, too: then the safe state comes from another thread.
        let marker = place.path("hangs");
        let fault = format!(", limit: 60, fault: hang, when: query, call: 20, marker: {}", marker.display());
        on(&place, if hanging { &fault } else { ", limit: 60" });
        let mut text = place.read("experiment.yaml");
        if !hanging {
            text = text.replace("steps: 8", "steps: 100000");
        }
        place.write("experiment.yaml", text);
        let mut running = place.start(&format!("train experiment.yaml --out {name} --quiet"));
        assert!(running.until(|| if hanging { marker.exists() } else { log(&place).len() > 40 }), "{name}");
        let pids = children(&running);
        assert_eq!(pids.len(), 1, "{name}: one process for the driver");
        assert!(running.kill(), "{name}");
        becomes_safe(&place);
        let begun = Instant::now();
        while Path::new("/proc").join(&pids[0]).exists() {
            assert!(begun.elapsed() < Duration::from_secs(5), "{name}: the process stays");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_driver_whose_process_is_asked_to_stop_goes_to_its_safe_state_and_the_run_goes_on() {
    if !compiler("cc") {
        return;
    }
    let place = Place::new();
    driver(&place, "cc");
    on(&place, "");
    place.write("experiment.yaml", place.read("experiment.yaml").replace("steps: 8", "steps: 100"));
    place.train("reference", "");
    let _ = std::fs::remove_file(place.path("log"));
    let mut running = place.start("train experiment.yaml --out out --quiet");
    assert!(running.until(|| log(&place).len() > 40));
    for pid in children(&running) {
        assert!(Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]).status().unwrap().success());
    }
    let finished = running.finish().done();
    assert!(finished.stderr.contains("trying again"), "{}", finished.stderr);
    assert!(log(&place).trim_end_matches('s').contains('s'), "safe in between: {}", log(&place));
    place.finished("out").equals(&place.finished("reference"));
}
