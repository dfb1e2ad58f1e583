//! What `blackbeam plan` predicts is what the run then spends.

use crate::support::{DENSE, Place, experiment, family};
use serde_json::Value;

fn plan(place: &Place, arguments: &str) -> Value {
    let said = place.run(&format!("plan experiment.yaml --format json {arguments}")).done().stdout;
    serde_json::from_str(&said).unwrap()
}

/// The logical column of a run by purpose, once it has ended.
fn spent(place: &Place, out: &str, run: &str) -> Value {
    place.finished(out).phase(run, "evaluate").last().unwrap()["ledger"].clone()
}

/// Vectors are the same for each purpose, and what estimators program; all configurations together are within 1 % (who pays for a
/// write between two purposes is reckoned), seconds and joules together within 5 %, mostly (how far parameters move is not known).
fn agrees(what: &str, predicted: &Value, spent: &Value, seconds: f64) {
    let purposes = ["forward", "probe", "surrogate", "evaluation", "calibration", "diagnostic"];
    let both = |purpose: &str, key: &str| [predicted, spent].map(|side| side[purpose][key].as_f64().unwrap());
    let shown = format!("{what}: predicted\n{predicted:#}\nspent\n{spent:#}");
    for purpose in purposes {
        let [a, b] = both(purpose, "vectors");
        assert_eq!(a, b, "{purpose}, {shown}");
    }
    let [a, b] = both("probe", "configurations");
    assert_eq!(a, b, "{shown}");
    for (key, off) in [("configurations", 0.01), ("device_seconds", seconds), ("joules", seconds)] {
        let [a, b] = purposes.iter().map(|p| both(p, key)).fold([0.0; 2], |sum, [a, b]| [sum[0] + a, sum[1] + b]);
        assert!((a - b).abs() <= off * b, "{key}: {a} predicted, {b} spent, {shown}");
    }
}

/// Methods of every sort of cost: probes of the batch and of single vectors, losses, several configurations an update, updates
/// in some steps only.
///
/// Last: how far seconds may be off on a device whose writes take the longer the further a parameter goes. SPSA moves every parameter
/// the same way for long: after some dozen steps they begin to come in again at the other end of their range, which no first steps show.
const METHODS: [(&str, &str, f64); 5] = [
    ("gaussian, samples: 4", "residual, rank: 4, samples: 4", 0.05),
    ("gaussian, samples: 3, objective: loss, differences: central", "i_psi, rank: 3, samples: 5", 0.05),
    ("coordinate", "full, every: 3", 0.05),
    ("spsa", "random", 0.12),
    ("sign, samples: 6", "adjoint, rank: 3", 0.05),
];

#[test]
fn a_short_run_is_rehearsed_whole() {
    for (estimator, surrogate, _) in METHODS {
        let source = if surrogate.starts_with("adjoint") { family("mzi", "typical") } else { family("mrr", "typical") };
        let text = experiment(&source).replace("steps: 20", "steps: 9");
        let text = text.replace("gaussian, samples: 4", estimator).replace("residual, rank: 4, samples: 4", surrogate);
        let place = Place::with(&text);
        let plan = plan(&place, "");
        place.train("run", "");
        let main = &plan["runs"][0];
        assert_eq!((&main["steps"], &main["rehearsed"]), (&9.into(), &9.into()));
        agrees(estimator, &main["devices"]["dev"], &spent(&place, "run", "main"), 0.05);
    }
}

#[test]
fn a_long_run_is_predicted_from_its_first_steps() {
    for (estimator, surrogate, seconds) in METHODS {
        let source = if surrogate.starts_with("adjoint") { family("mzi", "typical") } else { family("slm", "typical") };
        let text =
            experiment(&source).replace("steps: 20", "steps: 100") + "controls: [digital, frozen, random_feedback]\n";
        let text = text.replace("gaussian, samples: 4", estimator).replace("residual, rank: 4, samples: 4", surrogate);
        let place = Place::with(&text);
        let plan = plan(&place, "");
        place.train("run", "");
        let runs = plan["runs"].as_array().unwrap();
        assert_eq!(runs.len(), 3, "the digital control has no device");
        for run in runs {
            assert_eq!((&run["steps"], &run["rehearsed"]), (&100.into(), &60.into()));
            let spent = spent(&place, "run", run["run"].as_str().unwrap());
            agrees(estimator, &run["devices"]["dev"], &spent, seconds);
        }
    }
}

#[test]
fn a_budget_ends_the_prediction_where_it_ends_the_run() {
    let place = Place::with(&(experiment(DENSE).replace("steps: 20", "steps: 200") + "budget: {training: 9000}\n"));
    let plan = plan(&place, "");
    place.train("run", "");
    assert_eq!(plan["runs"][0]["steps"], place.finished("run").summary()["steps"]);
    assert_eq!(plan["runs"][0]["budget"], true);
    agrees("budget", &plan["runs"][0]["devices"]["dev"], &spent(&place, "run", "main"), 0.05);
}

#[test]
fn devices_are_measured_and_counted() {
    let measured = |source: &str| {
        let place = Place::with(&experiment(source));
        let plan = plan(&place, "");
        let device = plan["devices"]["dev"].clone();
        let vectors = device["measured"]["vectors"].as_u64().unwrap();
        // what it says that it sent is what stands in its ledger
        let ledger = place.read("plans/ledger.jsonl");
        let lines = ledger.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        assert_eq!(lines.map(|line| line["vectors"].as_u64().unwrap()).sum::<u64>(), vectors);
        assert_eq!(plan["spent"]["vectors"], vectors);
        assert!((150..1000).contains(&vectors), "{vectors}");
        device
    };
    let number = |device: &Value, part: &str, key: &str| device[part][key].as_f64().unwrap();
    // a matrix of eight by eight with exact weights and inputs of 8 bits
    let dense = measured(DENSE);
    assert_eq!((number(&dense, "measured", "noise"), number(&dense, "measured", "drift")), (0.0, 0.0));
    assert_eq!((number(&dense, "measured", "applied_step"), number(&dense, "measured", "write_noise")), (0.0, 0.0));
    assert!((4.0..=8.0).contains(&number(&dense, "measured", "rank")));
    assert!(number(&dense, "measured", "nonlinearity") < 0.02);
    assert_eq!(number(&dense, "advice", "samples"), 22.0, "65 / 3");
    // read noise and converters of 8 bits
    let typical = measured(&family("mzi", "typical"));
    let (noise, declared) = (number(&typical, "measured", "noise"), number(&typical, "measured", "noise_declared"));
    assert!((noise / declared - 1.0).abs() < 0.35, "{noise} and {declared}");
    let (applied, resolution) =
        (number(&typical, "measured", "applied_step"), number(&typical, "measured", "resolution"));
    assert!(applied > 0.0 && applied <= resolution * 1.001, "{applied} and {resolution}");
    assert!(number(&typical, "advice", "mu_forward") >= resolution);
    let ideal = measured(&family("mzi", "ideal"));
    assert!(number(&ideal, "measured", "noise") < 1e-9 && number(&ideal, "measured", "nonlinearity") < 1e-6);
    let said = Place::with(&experiment(&family("mzi", "typical"))).run("plan experiment.yaml").done().stdout;
    for words in ["device `dev`", "noise", "drift", "linearity in x", "rank", "device hours", "All together"] {
        assert!(said.contains(words), "no `{words}` in\n{said}");
    }
}

#[test]
fn what_cannot_be_trained_cannot_be_planned() {
    let place = Place::with(&experiment(DENSE));
    place.run("plan experiment.yaml --set train.batch=1000").ends(2, &["larger than the training set"]);
    place.run("plan nothing.yaml").ends(2, &["nothing.yaml"]);
    assert!(!place.path("plans").exists());
}
