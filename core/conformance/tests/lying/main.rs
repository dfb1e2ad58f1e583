//! Each check fails on a device that breaks exactly it, and on no honest one.

#![allow(clippy::unwrap_used)]

mod device;

use blackbeam_conformance::{End, Finding, MOST_VECTORS, Options, Report, Verdict, Watch, ids, run};
use blackbeam_plugin::Open;
use device::{Liar, Lie};
use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    thread,
    time::Instant,
};

fn options() -> Options {
    let open = Open { settings: "{}".into(), seed: 3, threads: 1, ideal: false };
    Options { open, simulated: false, in_range: false }
}

fn tried(lie: Lie) -> (Report, End) {
    run(Box::new(Liar::new(lie)), options(), &Arc::default(), |_| {})
}

fn with(report: &Report, verdict: Verdict) -> Vec<&'static str> {
    report.findings.iter().filter(|f| f.outcome.verdict == verdict).map(|f| f.id).collect()
}

/// The device breaks `broken`, and other checks at most where they cannot but see it as well.
fn fails(lie: Lie, broken: &str, also: &[&str]) {
    let (report, end) = tried(lie);
    assert_eq!(end, End::Done, "{lie:?}");
    let failed = with(&report, Verdict::Fail);
    let said = |f: &Finding| format!("{} {:?} {}", f.id, f.outcome.verdict, f.outcome.measured);
    let all: Vec<String> = report.findings.iter().map(said).collect();
    assert!(failed.contains(&broken), "{lie:?} does not fail {broken}: {failed:?}\n{}", all.join("\n"));
    for other in failed.iter().filter(|id| **id != broken) {
        assert!(also.contains(other), "{lie:?} fails {other} too\n{}", all.join("\n"));
    }
    let finding = report.findings.iter().find(|f| f.id == broken).unwrap();
    assert!(!finding.outcome.measured.is_empty() && !finding.outcome.expected.is_empty(), "{lie:?}");
    assert!(!finding.outcome.advice.is_empty(), "{lie:?}: what is to be done?");
    assert!(!report.conforms());
}

/// Lies, what they break, and what else cannot but see it.
fn each(cases: &[(Lie, &str, &[&str])]) {
    // Devices rest after writes: at the same time it takes no longer.
    thread::scope(|scope| cases.iter().for_each(|(lie, broken, also)| drop(scope.spawn(|| fails(*lie, broken, also)))));
}

#[test]
fn honest_devices_pass() {
    for lie in [Lie::Nothing, Lie::Narrow, Lie::Noisy] {
        let (report, end) = tried(lie);
        let wrong: Vec<_> =
            report.findings.iter().filter(|f| matches!(f.outcome.verdict, Verdict::Fail | Verdict::Warn)).collect();
        assert!(wrong.is_empty() && report.conforms(), "{lie:?}: {wrong:#?}");
        assert_eq!(end, End::Done);
        assert_eq!(with(&report, Verdict::Skipped), ["structure.magnitude", "structure.frequencies"], "{lie:?}");
        let found: Vec<&str> = report.findings.iter().map(|f| f.id).collect();
        assert_eq!(found, ids());
        assert_eq!(report.device, ("liar".into(), "1".into()));
        assert!(report.vectors > 100 && report.vectors < MOST_VECTORS, "{}", report.vectors);
    }
}

#[test]
fn ids_are_unique() {
    assert_eq!(ids().iter().collect::<BTreeSet<_>>().len(), ids().len());
}

#[test]
fn descriptions() {
    each(&[
        (Lie::Ports, "descriptor.ports", &[]),
        (Lie::Names, "descriptor.parameters", &[]),
        (Lie::Units, "descriptor.parameters", &[]),
        (Lie::Promises, "descriptor.promises", &["optional.unsupported"]),
        (Lie::Times, "descriptor.times", &[]),
        (Lie::Limits, "descriptor.limits", &[]),
    ]);
}

#[test]
fn parameters() {
    // A device whose parameters do nothing knows another matrix than it has.
    each(&[
        (
            Lie::AppliedOff,
            "parameters.applied",
            &["parameters.clamped", "parameters.idempotent", "optional.read_params"],
        ),
        (Lie::Creeps, "parameters.idempotent", &[]),
        (Lie::NotClamped, "parameters.clamped", &[]),
        (Lie::Inverted, "parameters.monotone", &["parameters.applied", "parameters.idempotent", "parameters.clamped"]),
        (Lie::Dead, "parameters.alive", &["optional.read_matrix", "structure.reciprocal", "optional.query_sets"]),
    ]);
}

#[test]
fn answers() {
    each(&[
        (Lie::OddRows, "answers.shapes", &[]),
        (Lie::NoiseDeclared, "answers.noise", &[]),
        (Lie::Unrepeatable, "answers.repeated", &["state.restored", "state.second_instance"]),
        (Lie::RowsMix, "answers.batch", &["structure.reciprocal", "optional.read_matrix"]),
    ]);
}

#[test]
fn structures() {
    // An answer that is no product with the matrix is seen by whatever uses the matrix.
    let matrix: &[&str] = &["structure.reciprocal", "optional.read_matrix"];
    each(&[
        (Lie::Affine, "structure.linear", matrix),
        (Lie::Saturates, "structure.linear", matrix),
        (Lie::Gain, "structure.passive", matrix),
        (Lie::Crosstalk, "structure.local", matrix),
        (Lie::Signed, "structure.magnitude", &[]),
        (Lie::Frequency, "structure.frequencies", &[]),
        (Lie::NoPeriod, "structure.frequencies", &[]),
        (Lie::BackwardSign, "structure.reciprocal", &["optional.exact_vjp"]),
    ]);
}

#[test]
fn optional_functions() {
    each(&[
        (Lie::Unpromised, "optional.unsupported", &[]),
        (Lie::ReadsAsked, "optional.read_params", &[]),
        (Lie::MatrixSign, "optional.read_matrix", &["optional.exact_vjp"]),
        (Lie::SetsOrder, "optional.query_sets", &["optional.query_scalars"]),
        (Lie::ScalarsSign, "optional.query_scalars", &[]),
        (Lie::AnyFullScale, "optional.full_scale", &[]),
        (Lie::VjpSign, "optional.exact_vjp", &[]),
        (Lie::StaleForEver, "optional.calibrate", &[]),
    ]);
}

#[test]
fn wrong_calls() {
    each(&[
        (Lie::PanicsOnWidths, "calls.widths", &[]),
        (Lie::AnyWidth, "calls.widths", &[]),
        (Lie::AnyNumber, "calls.parameters", &[]),
        (Lie::TakesNan, "calls.not_finite", &[]),
        (Lie::PanicsOnSets, "calls.sets", &[]),
        (Lie::AnyBatch, "limits.max_batch", &[]),
    ]);
}

#[test]
fn states() {
    each(&[
        (
            Lie::Forgets,
            "state.restored",
            &[
                "state.second_instance",
                "optional.read_matrix",
                "structure.linear",
                "structure.local",
                "structure.reciprocal",
                "optional.query_sets",
                "optional.query_scalars",
                "safety.safe_state",
                "safety.safe_anywhere",
                "state.reopened",
                "times.settled",
            ],
        ),
        (Lie::OtherInstance, "state.second_instance", &["state.reopened"]),
        (Lie::OtherInstance, "state.reopened", &["state.second_instance"]),
        (Lie::AnyState, "state.garbage", &[]),
    ]);
}

#[test]
fn safety() {
    each(&[
        (Lie::SlowHealth, "safety.health", &[]),
        (Lie::NotReady, "safety.health", &[]),
        (Lie::HealthMoves, "safety.health", &["state.second_instance"]),
        (Lie::SafeOnce, "safety.safe_state", &[]),
        (Lie::StaysDark, "safety.safe_state", &["safety.safe_anywhere"]),
        (Lie::SafeSlow, "safety.safe_anywhere", &[]),
    ]);
}

#[test]
fn times() {
    each(&[
        (Lie::Lags, "times.settled", &["optional.query_sets", "optional.query_scalars"]),
        (Lie::Slow, "times.throughput", &[]),
        (Lie::ShortTimeouts, "times.timeouts", &[]),
    ]);
}

#[test]
fn what_is_not_broken_is_warned_of() {
    for (lie, id) in [(Lie::CodesWrap, "limits.inputs"), (Lie::Busy, "times.retried"), (Lie::Changes, "state.reopened")]
    {
        let (report, _) = tried(lie);
        assert_eq!(with(&report, Verdict::Warn), [id], "{lie:?}");
        assert!(report.conforms(), "{lie:?}: {:?}", with(&report, Verdict::Fail));
    }
}

#[test]
fn a_panic_is_a_failed_check_and_the_others_are_tried() {
    let (report, end) = tried(Lie::Panics);
    assert_eq!((end, with(&report, Verdict::Fail).len()), (End::Done, 1));
    let failed = report.findings.iter().find(|f| f.outcome.verdict == Verdict::Fail).unwrap();
    assert!(failed.outcome.measured.contains("asked to panic"), "{failed:?}");
    assert_eq!(report.findings.len(), ids().len());
}

#[test]
fn a_call_that_hangs_ends_the_checks() {
    let begun = Instant::now();
    let liar = Liar::new(Lie::Hangs);
    let dark = Arc::clone(&liar.dark);
    let (report, end) = run(Box::new(liar), options(), &Arc::default(), |_| {});
    assert!(begun.elapsed().as_secs() < 15);
    assert_eq!(end, End::Hung);
    let last = report.findings.last().unwrap();
    assert_eq!((last.id, last.outcome.verdict), ("times.comes_back", Verdict::Fail));
    assert!(last.outcome.measured.contains("query") && last.outcome.measured.contains("safe state"), "{last:?}");
    assert!(dark.load(Ordering::Relaxed), "it is in its safe state");
}

#[test]
fn a_device_that_does_not_open_is_a_failed_check() {
    let (report, end) = tried(Lie::NoOpen);
    assert_eq!((end, with(&report, Verdict::Fail)), (End::Done, vec!["open"]));
    assert!(report.findings[0].outcome.measured.contains("nobody there"));
    assert_eq!(report.not_opened.map(|error| error.code), Some(blackbeam_plugin::Code::IO));
}

#[test]
fn whoever_has_seen_enough_leaves_the_device_safe() {
    let liar = Liar::new(Lie::Nothing);
    let dark = Arc::clone(&liar.dark);
    let watch: Arc<Watch> = Arc::default();
    let seen = Arc::clone(&watch);
    let (report, end) = run(Box::new(liar), options(), &watch, move |finding| {
        if finding.id == "answers.batch" {
            seen.stop();
        }
    });
    assert_eq!(end, End::Stopped);
    assert!(report.findings.len() < ids().len());
    assert!(dark.load(Ordering::Relaxed));
}

#[test]
fn nothing_out_of_range_is_sent_if_so_wanted() {
    let options = Options { in_range: true, ..options() };
    let (report, _) = run(Box::new(Liar::new(Lie::NotClamped)), options, &Arc::default(), |_| {});
    assert!(report.conforms());
    for id in ["parameters.clamped", "limits.inputs"] {
        assert!(with(&report, Verdict::Skipped).contains(&id));
    }
}
