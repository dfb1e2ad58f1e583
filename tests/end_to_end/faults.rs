//! Devices that fail in the same process: what is said, what is kept, and that the run goes on with the same bits.

use crate::support::{Place, experiment, library};

/// Four steps an epoch, a checkpoint every second step, two calls an evaluation.
fn faulty(fault: &str, when: &str, call: u64, times: u64) -> String {
    let source = format!(
        "plugin: faulty, library: {}, isolation: in_process, settings: {{rows: 8, columns: 8, fault: {fault}, when: {when}, call: {call}, times: {times}}}",
        library("fixture_faults").display()
    );
    let text = experiment(&source).replace("train: 256, test: 64", "train: 64, test: 32");
    text.replace("steps: 20", "steps: 12").replace("checkpoint_every: 5", "checkpoint_every: 2")
}

fn place() -> Place {
    let place = Place::new();
    place.add_libraries(&["fixture_faults"]);
    place
}

const NEVER: u64 = 1_000_000;

/// The call of each kind that fails, late enough that a run resumed from the last checkpoint makes fewer of them.
const CALLS: [(&str, u64, &str); 6] = [
    ("forward", 9, "a forward query (step 8)"),
    ("probe", 4 * 8 + 2, "a probe query (step 8)"),
    ("surrogate", 10, "a surrogate query"),
    ("evaluation", 5, "a evaluation query (step 12)"),
    ("diagnostic", 3, "a diagnostic query (step 10)"),
    ("write", 34, "a write (step"),
];

#[test]
fn a_failing_device_ends_the_run_and_loses_nothing() {
    let place = place();
    place.write("experiment.yaml", faulty("error", "forward", NEVER, 1));
    let reference = place.train("reference", "");
    let faults =
        [("panic", "PANIC: "), ("nan", "NONFINITE: "), ("short", ": "), ("error", "IO: asked to fail in call")];
    for (when, call, what) in CALLS {
        for (fault, code) in faults {
            place.write("experiment.yaml", faulty(fault, when, call, 1));
            let out = format!("{when}-{fault}");
            let failed = place.run(&format!("train experiment.yaml --quiet --out {out}"));
            let failed = failed.ends(1, &["device `dev` failed in", what, code]);
            assert!(failed.stderr.contains("blackbeam train --resume"), "{}", failed.stderr);
            let run = place.finished(&out);
            assert!(!run.file("summary.json").exists() && run.checkpoints() == 3, "{out}");
            let so_far = run.metrics();
            assert_eq!(so_far[..], reference.metrics()[..so_far.len()], "{out}");
            // A fresh process makes fewer such calls than it takes.
            place.resume(&out, "").equals(&reference);
            assert!(run.physical_total().0 > reference.physical_total().0);
        }
    }
}

/// As a kill does, but at a moment that is known: in the middle of a call.
#[test]
fn a_process_that_ends_within_a_call_loses_nothing() {
    let place = place();
    place.write("experiment.yaml", faulty("error", "forward", NEVER, 1));
    let reference = place.train("reference", "");
    for (when, call, _) in CALLS {
        place.write("experiment.yaml", faulty("abort", when, call, 1));
        let ended = place.run(&format!("train experiment.yaml --quiet --out {when}"));
        assert_eq!(ended.code, None, "{when}: {}", ended.stderr);
        let run = place.finished(when);
        assert!(!run.file("summary.json").exists() && run.checkpoints() == 3, "{when}");
        place.resume(when, "").equals(&reference);
        let (more, less) = (run.physical_total(), reference.physical_total());
        assert!(more.0 > less.0 && more.1 > less.1, "{when}: {more:?} {less:?}");
    }
}

#[test]
fn what_may_be_retried_is_and_costs_in_the_physical_column_only() {
    let place = place();
    place.write("experiment.yaml", faulty("timeout", "forward", NEVER, 1));
    let reference = place.train("reference", "");
    for (when, call, _) in CALLS.into_iter().chain([("calibration", 2, "")]) {
        place.write("experiment.yaml", faulty("timeout", when, call, 3));
        let out = format!("three-{when}");
        let finished = place.run(&format!("train experiment.yaml --quiet --out {out}")).done();
        assert_eq!(finished.stderr.matches("trying again").count(), 3, "{when}: {}", finished.stderr);
        let run = place.finished(&out);
        run.equals(&reference);
        let (more, less) = (run.physical_total(), reference.physical_total());
        assert!(more.0 + more.1 >= less.0 + less.1 + 3, "{when}: {more:?} {less:?}");
        // The fourth time is once too often.
        place.write("experiment.yaml", faulty("timeout", when, call, 4));
        let failed = place.run(&format!("train experiment.yaml --quiet --out four-{when}"));
        failed.ends(1, &["device `dev` failed in", "TIMEOUT: "]);
    }
}

#[test]
fn a_device_that_cannot_be_opened_or_calibrated() {
    let place = place();
    for (when, fault, word) in [
        ("open", "panic", "asked to panic in call 1"),
        ("open", "error", "IO: asked to fail in call 1"),
        ("open", "timeout", "the device did not answer"),
        ("calibration", "nan", "device `dev` failed in a calibration query"),
        ("calibration", "panic", "asked to panic"),
    ] {
        place.write("experiment.yaml", faulty(fault, when, 1, 1));
        let failed = place.run("train experiment.yaml --quiet --out out").ends(1, &[word]);
        failed.in_one_line();
        assert_eq!(place.finished("out").checkpoints(), 0);
    }
    // Nothing was trained, so that the same directory can be used once the device is mended.
    place.write("experiment.yaml", faulty("error", "forward", NEVER, 1));
    let run = place.train("out", "");
    run.equals(&place.train("reference", ""));
    assert!(run.physical_total().0 > 0);
}

/// Each device fails by itself: the error names the one that did.
#[test]
fn the_device_that_failed_is_named() {
    let place = place();
    let text = faulty("panic", "probe", 6, 1);
    let other = "  other: {source: {plugin: dense, settings: {rows: 8, columns: 8}}, estimator: {method: gaussian}, \
                 surrogate: {method: residual}}\ntrain:";
    let text = text.replace("train:\n", &format!("{other}\n"));
    place.write("experiment.yaml", text.replace("- bias", "- device: {name: other}"));
    place.run("train experiment.yaml --quiet --out out").ends(1, &["device `dev` failed in a probe", "PANIC"]);
}
