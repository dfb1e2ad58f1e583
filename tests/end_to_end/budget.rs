//! Budgets: a step that would exceed one is not begun.

use crate::support::{Place, Run, experiment, family};

fn training(run: &Run) -> u64 {
    run.summary()["ledger_training"]["vectors"].as_u64().unwrap()
}

#[test]
fn training_stops_before_the_step_that_would_exceed_its_budget() {
    let place = Place::with(&experiment(&family("mrr", "typical")));
    let whole = place.train("whole", "");
    let needed = training(&whole);
    // Exactly enough is enough; one less is a step less.
    let enough = place.train("enough", &format!("--set budget.training={needed}"));
    assert_eq!(enough.metrics(), whole.metrics());
    assert_eq!(enough.summary()["status"], "done");
    for (budget, steps) in [(needed - 1, 19), (needed / 2, 9), (200, 2), (100, 1), (20, 0), (1, 0)] {
        let out = format!("budget-{budget}");
        let finished = place.run(&format!("train experiment.yaml --out {out} --set budget.training={budget}")).done();
        let run = place.finished(&out);
        let summary = run.summary();
        assert_eq!((&summary["status"], &summary["steps"]), (&"budget".into(), &steps.into()), "{budget} of {needed}");
        assert!(training(&run) <= budget.max(8), "{budget}: {} (8 are the surrogate's first build)", training(&run));
        assert!(finished.stderr.contains(&format!("the budget ends before step {steps}")), "{}", finished.stderr);
        // What was trained is evaluated, and is what the whole run did so far.
        assert!(summary["test_accuracy"].is_f64());
        assert_eq!(run.phase("main", "train")[..], whole.phase("main", "train")[..steps as usize]);
    }
}

/// Every way of spending is foreseen: two devices, losses that query the devices behind, central differences, one device
/// at two places.
#[test]
fn no_kind_of_step_exceeds_the_budget() {
    let other = "  other:\n    source: {SOURCE}\n    estimator: {method: gaussian, samples: 3, differences: central}\n    \
                 surrogate: {method: i_psi, rank: 2, samples: 5}\ntrain:";
    let source = crate::support::FAMILIES[2].1.replace("ROOT", crate::support::ROOT);
    let text = experiment(&family("mzi", "typical"))
        .replace("train:\n", &format!("{}\n", other.replace("SOURCE", &source)))
        .replace("- bias", "- device: {name: other}\n    - device: {name: dev}\n    - bias");
    let place = Place::with(&text);
    for objective in ["vjp", "loss"] {
        for budget in [2000, 3000, 4000] {
            let out = format!("{objective}-{budget}");
            let arguments = format!(
                "--set budget.training={budget} --set devices.dev.estimator.objective={objective} \
                 --set devices.other.estimator.objective={objective}"
            );
            let run = place.train(&out, &arguments);
            let spent = training(&run);
            assert_eq!(run.summary()["status"], "budget");
            let steps = run.summary()["steps"].as_u64().unwrap();
            assert!(steps > 0 && spent <= budget, "{out}: {spent} in {steps} steps");
            // and no step that would have been possible was left out
            assert!(spent + spent / steps + 64 > budget, "{out}: {spent} in {steps} steps");
        }
    }
}

/// The device's budget bounds everything that the hardware does, in all runs together.
#[test]
fn the_devices_budget_bounds_the_physical_column() {
    let text = experiment(&family("slm", "typical")) + "controls: [digital, frozen, random_feedback]\n";
    let place = Place::with(&text);
    let whole = place.train("whole", "");
    let (needed, _) = whole.physical_total();
    let enough = place.train("enough", &format!("--set budget.device={}", needed));
    assert_eq!(enough.metrics(), whole.metrics());
    for budget in [needed - 1, needed * 3 / 4, needed / 2, 1000, 300] {
        let out = format!("device-{budget}");
        let finished = place.run(&format!("train experiment.yaml --out {out} --set budget.device={budget}")).done();
        let run = place.finished(&out);
        let (spent, _) = run.physical_total();
        assert!(spent <= budget, "{budget}: {spent}\n{}", finished.stderr);
        assert!(finished.stderr.contains("budget"), "{}", finished.stderr);
        // The run is at its end, and stays there.
        let (metrics, summary) = (run.metrics(), run.summary());
        place.run(&format!("train --quiet --resume {out}")).done();
        assert_eq!((run.metrics(), run.summary(), run.physical_total().0), (metrics, summary, spent));
        // The digital control has no device and is trained in any case.
        assert_eq!(run.summary()["controls"]["digital"]["status"], "done");
    }
}

#[test]
fn a_budget_that_does_not_cover_the_calibration_is_refused() {
    let place = Place::with(&experiment(&family("mrr", "typical")));
    let refused = place.run("train experiment.yaml --out out --set budget.device=40");
    refused
        .ends(2, &["the device budget is spent: calibration of device `dev` takes 32 vectors, and 8 are left"])
        .in_one_line();
    place.run("train experiment.yaml --set budget.device=0").ends(2, &["budget.device"]);
    place.run("train experiment.yaml --set budget.training=-5").ends(2, &["budget.training"]);
}
