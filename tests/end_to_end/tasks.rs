//! Tasks that are drawn in code: numbers, and a class for each position, as targets.

use crate::support::Place;
use serde_json::Value;

const EQUALIZATION: &str = "\
name: small
seed: 3
data: {set: equalization, size: 4, train: 512, test: 100}
model:
  layers: [linear: {out: 32}, relu, device: {name: dev}, relu, linear: {out: 4}]
  loss: mse
devices:
  dev:
    source: {plugin: dense, settings: {rows: 32, columns: 32}}
    estimator: {method: gaussian, samples: 4}
    surrogate: {method: full}
    optimizer: {adam: {learning_rate: 0.005}}
train: {epochs: 10, batch: 16, optimizer: {adam: {learning_rate: 0.01}}}
";

const COPYING: &str = "\
name: small
seed: 3
data: {set: copying_memory, symbols: 3, length: 2, delay: 3, train: 256, test: 50}
model: {layers: [linear: {out: 8}, relu, device: {name: dev}, linear: {out: 5}]}
devices:
  dev:
    source: {plugin: dense, settings: {rows: 8, columns: 8}}
    estimator: {method: gaussian, samples: 4}
    surrogate: {method: full}
train: {epochs: 4, batch: 16, optimizer: {adam: {learning_rate: 0.02}}}
";

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn numbers_are_learnt_and_judged_by_r2() {
    let place = Place::with(EQUALIZATION);
    let finished = place.run("train experiment.yaml --out out").done();
    for words in ["test r2", "The data set is synthetic: equalization generated in code"] {
        assert!(finished.stdout.contains(words), "no `{words}` in\n{}", finished.stdout);
    }
    assert!(finished.stderr.contains("main: step 320  test r2 "), "{}", finished.stderr);
    let run = place.finished("out");
    let summary = run.summary();
    assert!(summary.get("test_accuracy").is_none(), "{summary}");
    // A network that says the mean has 0.
    assert!((0.3..1.0).contains(&number(&summary["test_r2"])), "{summary}");
    let evaluated = run.phase("main", "evaluate").pop().unwrap();
    assert_eq!(evaluated["test_r2"], summary["test_r2"]);
    let rows = run.phase("main", "train");
    assert!(number(&rows[319]["r2"]) > number(&rows[0]["r2"]), "{} {}", rows[0], rows[319]);
    assert!(rows[0].get("accuracy").is_none());
    // The same numbers again, whatever the threads; and another matrix for another seed.
    place.train("again", "--threads 1").equals(&run);
    assert_ne!(place.train("other", "--seed 4").metrics(), run.metrics());
}

/// Without a memory the delay's blanks can be told, and no more than that: 7 positions, of which the first 5 are blank.
#[test]
fn a_class_for_each_position_is_learnt() {
    let place = Place::with(COPYING);
    let run = place.train("out", "");
    let accuracy = number(&run.summary()["test_accuracy"]);
    assert!((0.6..0.9).contains(&accuracy), "{accuracy}");
    // In steps of one position of 50 samples.
    assert!((accuracy * 350.0 - (accuracy * 350.0).round()).abs() < 1e-9, "{accuracy}");
    let squares = place.train("squares", "--set model.loss=mse");
    assert!(number(&squares.summary()["test_r2"]) > 0.1, "{}", squares.summary());
}

#[test]
fn what_does_not_fit_is_an_error_with_its_place() {
    let place = Place::with(EQUALIZATION);
    for (arguments, words) in [
        ("--set model.loss=cross_entropy", &["needs classes", "--set:1:12"][..]),
        ("--set data.normalise=standard", &["no setting `normalise`", "--set:1:16"]),
        ("--set data.symbols=5", &["no setting `symbols`"]),
        ("--set data.singular_values=[6,2]", &["singular values from 6 to 2"]),
    ] {
        place.run(&format!("check experiment.yaml {arguments}")).ends(2, words);
    }
    // How wide a plugin's device is shows when it is opened; no run is left behind.
    let refused = place.run("train experiment.yaml --out out --set data.size=5");
    refused.ends(2, &["the shape [4], expected [5]", "equalization has 5 numbers", "experiment.yaml:5:"]);
    assert!(!place.path("out").exists());
}
