//! What a run does for hardware: locks, failures in a row, waiting, sentinels.

use crate::support::{Place, experiment, library};
use serde_json::Value;

const NEVER: u64 = 1_000_000;

/// An experiment on the fixture that fails in chosen calls.
fn faulty(when: &str, call: u64, times: u64, more: &str) -> String {
    let source = format!(
        "plugin: faulty, library: {}, settings: {{rows: 8, columns: 8, fault: timeout, when: {when}, call: {call}, times: {times}}}",
        library("fixture_faults").display()
    );
    let text = experiment(&source).replace("train: 256, test: 64", "train: 64, test: 32");
    text.replace("steps: 20", "steps: 8").replace("  dev:\n", &format!("  dev:\n{more}"))
}

fn place() -> Place {
    let place = Place::new();
    place.add_libraries(&["fixture_faults"]);
    place
}

/// Two runs do not drive one device; who was killed while it did is named, and nothing has to be cleared away.
#[test]
fn a_device_is_driven_by_one_run_at_a_time() {
    let place = place();
    place.write("short.yaml", faulty("forward", NEVER, 1, ""));
    place.write("long.yaml", faulty("forward", NEVER, 1, "").replace("steps: 8", "steps: 1000000"));
    let mut first = place.start("train long.yaml --quiet --out first");
    assert!(first.until(|| place.finished("first").rows() >= 3));
    let holder = format!("process {} on ", first.child.id());
    let refused = place.run("train short.yaml --quiet --out second");
    refused.ends(1, &["device `dev` is in use", &holder, "first)", "exclusive: false"]);
    assert!(!place.path("second").exists());
    let settings = r#"{"rows":8,"columns":8,"fault":"timeout","when":"forward","call":1000000,"times":1}"#;
    let target = library("fixture_faults").display().to_string();
    let check = format!("plugin check {target} --plugin faulty --settings {settings}");
    place.run(&check).ends(1, &["device `faulty` is in use", &holder]);
    // Looking at a file needs no device; other settings are another device.
    place.run("check short.yaml").done();
    place.run("train short.yaml --quiet --out other --set devices.dev.source.settings.call=999999").done();
    place.run("train short.yaml --quiet --out shared --set devices.dev.exclusive=false").done();
    assert!(first.kill());
    let finished = place.run("train short.yaml --quiet --out second").done();
    assert!(
        finished.stderr.contains("was not given back by") && finished.stderr.contains(&holder),
        "{}",
        finished.stderr
    );
    assert_eq!(place.run("train short.yaml --quiet --out third").done().stderr, "");
}

/// A device that fails again and again, though each time it comes back, stops the run with a checkpoint.
#[test]
fn failures_in_a_row_pause_the_run() {
    let place = place();
    place.write("experiment.yaml", faulty("write", NEVER, 1, "    max_failures: 1\n"));
    let reference = place.train("reference", "");
    place.write("experiment.yaml", faulty("write", 40, 1, "    max_failures: 1\n"));
    let paused = place.run("train experiment.yaml --quiet --out out");
    paused.ends(1, &["paused after", "device `dev` has failed 1 times", "max_failures", "blackbeam train --resume"]);
    let run = place.finished("out");
    let summary = run.summary();
    assert_eq!((&summary["status"], &summary["host_hardware"]["dev"]["failures"]), (&"paused".into(), &1.into()));
    place.resume("out", "").equals(&reference);
}

/// Who waits for a device can be interrupted at once.
#[test]
fn waiting_ends_with_a_signal() {
    let place = place();
    let patient = "    retry: {attempts: 100, first_s: 600, most_s: 600}\n";
    place.write("experiment.yaml", faulty("forward", NEVER, 1, patient));
    let reference = place.train("reference", "");
    place.write("experiment.yaml", faulty("forward", 4, 50, patient));
    let mut running = place.start("train experiment.yaml --quiet --out out");
    // The third step waits.
    assert!(running.until(|| place.finished("out").rows() >= 4));
    std::thread::sleep(std::time::Duration::from_millis(300));
    running.signal("INT");
    running.finish().ends(130, &["interrupted while device `dev` was waited for", "TIMEOUT", "--resume"]);
    place.write("out/experiment.yaml", place.read("reference/experiment.yaml"));
    place.resume("out", "--accept-changes").equals(&reference);
}

/// A mesh that takes a second a step, with what happens to it.
fn mesh(what: &str) -> String {
    format!(
        "ddl: 1\ninstances:\n  U: {{component: mesh, settings: {{n: 8}}}}\nports: {{in0-7: \"U,in0-7\", out0-7: \"U,out0-7\"}}\n\
         encoding: {{ports: in0-7, mode: amplitude}}\nreadout: {{ports: out0-7, mode: coherent_real, noise_std: 0.002}}\n\
         timing: {{host_time: 1.0}}\n{what}"
    )
}

fn watched(place: &Place, what: &str, sentinel: &str) {
    place.write("device.ddl.yml", mesh(what));
    let text = experiment("file: device.ddl.yml").replace("steps: 20", "steps: 12");
    place
        .write("experiment.yaml", text.replace("  dev:\n", &format!("  dev:\n    sentinel: {{every: 2{sentinel}}}\n")));
}

/// The rows of the sentinels.
fn looks(place: &Place, out: &str) -> Vec<Value> {
    place.finished(out).metrics().into_iter().filter(|row| row["phase"] == "sentinel").collect()
}

#[test]
fn sentinels_of_a_steady_device_find_nothing() {
    let place = Place::new();
    watched(&place, "", "");
    let run = place.train("out", "");
    let rows = looks(&place, "out");
    assert_eq!(rows.len(), 6);
    for row in &rows {
        assert_eq!(
            (&row["dev.gain"], &row["dev.drift"], row.get("dev.event")),
            (&1.0.into(), &0.0.into(), None),
            "{row}"
        );
    }
    assert!(run.summary().get("events").is_none());
    place.train("split", "--set devices.dev.max_batch=3").equals(&run);
}

/// A source that fades is divided away; the run goes on as if it had not, but for noise.
#[test]
fn sentinels_follow_a_change_of_gain() {
    let place = Place::new();
    let fades = "drift:\n  - {at: \"U.out*\", quantity: gain, model: linear, rate: -0.05, per: s, common: true}\n";
    watched(&place, fades, "");
    let run = place.train("out", "");
    let rows = looks(&place, "out");
    let gains: Vec<f64> = rows.iter().map(|row| row["dev.gain"].as_f64().unwrap()).collect();
    for (i, gain) in gains.iter().enumerate() {
        let expected = 1.0 - 0.05 * 2.0 * (i + 1) as f64;
        assert!((gain - expected).abs() < 0.03, "{gains:?}");
    }
    assert!(rows.iter().all(|row| row["dev.event"] == "gain: rescale"), "{rows:?}");
    assert_eq!(run.summary()["events"]["dev"]["gain"], 6);
    // The same from a checkpoint in between.
    place.kill_at("killed", "train experiment.yaml --quiet --out killed", 8);
    place.resume("killed", "").equals(&run);
}

#[test]
fn sentinels_refresh_the_surrogate_of_a_device_that_drifts() {
    let place = Place::new();
    let drifts = "drift:\n  - {at: [U.theta, U.phi], model: wiener, sigma: 0.15, per: sqrt_s}\n";
    watched(&place, drifts, ", drift_tolerance: 0.05, large_drift_tolerance: 10");
    let run = place.train("out", "");
    let refresh = |row: &&Value| row["dev.event"].as_str().is_some_and(|event| event.ends_with("drift: refresh"));
    let refreshed = looks(&place, "out").iter().filter(refresh).count();
    assert!(refreshed >= 3, "{:?}", looks(&place, "out"));
    assert_eq!(run.summary()["events"]["dev"]["drift"], refreshed);
}

/// A dead output stops the run with its number; the run can go on.
#[test]
fn sentinels_find_a_dead_output() {
    let place = Place::new();
    watched(&place, "events:\n  - {event: dead_channel, at: out3, times: [4.5]}\n", "");
    let paused = place.run("train experiment.yaml --quiet --out out");
    paused
        .ends(1, &["paused after 6 steps", "device `dev`: output 3 (counted from 0)", "dead_channel", "--resume out"]);
    let summary = place.finished("out").summary();
    assert_eq!((&summary["status"], &summary["events"]["dev"]["dead_channel"]), (&"paused".into(), &1.into()));
    // On to the next look.
    place.run("train --resume out --quiet").ends(1, &["paused after 8 steps"]);
    place.run("check experiment.yaml --set devices.dev.sentinel.on_dead_channel=rescale").ends(2, &["on_gain"]);
    let logged = place.train("logged", "--set devices.dev.sentinel.on_dead_channel=log");
    assert_eq!(logged.summary()["events"]["dev"]["dead_channel"], 4);
}

/// Answers that belong to other vectors are asked for again; twice in a row they stop the run.
#[test]
fn sentinels_find_slipped_frames() {
    let place = place();
    // Calibration asks twice, the reference once, each look once: the second look is the fifth query.
    let slips = |times| {
        let text =
            faulty("calibration", 5, times, "    sentinel: {every: 2}\n").replace("fault: timeout", "fault: slip");
        place.write("experiment.yaml", text);
    };
    slips(1);
    let run = place.train("once", "");
    assert_eq!((&run.summary()["status"], &run.summary()["events"]["dev"]["frame_slip"]), (&"done".into(), &1.into()));
    let events: Vec<Value> = looks(&place, "once").into_iter().map(|row| row["dev.event"].clone()).collect();
    assert_eq!(events, [Value::Null, "frame_slip: log".into(), Value::Null, Value::Null]);
    slips(2);
    let paused = place.run("train experiment.yaml --quiet --out twice");
    paused.ends(
        1,
        &["paused after 4 steps", "device `dev`: answers do not go with their vectors (8 of 8)", "frame_slip"],
    );
    assert_eq!(place.finished("twice").summary()["status"], "paused");
}
