//! Methods of unusual form, from a library: rounds, steps, parameters, observation, panics.

use crate::support::{Place, experiment, family, library};

fn with(estimator: &str, surrogate: &str) -> String {
    let lib = format!("library: {}", library("fixture_faults").display());
    experiment(&family("mrr", "typical"))
        .replace("method: gaussian, samples: 4", &estimator.replace("LIB", &lib))
        .replace("method: residual, rank: 4, samples: 4", &surrogate.replace("LIB", &lib))
}

const RESIDUAL: &str = "method: residual, rank: 4, samples: 4";
const GAUSSIAN: &str = "method: gaussian, samples: 4";

fn place(estimator: &str, surrogate: &str) -> Place {
    let place = Place::with(&with(estimator, surrogate));
    place.add_libraries(&["fixture_faults"]);
    place
}

/// An estimator of two rounds that returns a step, and one that returns parameters: their probes are all counted, the
/// device moves, and the run is reproducible.
#[test]
fn estimators_that_return_steps_or_parameters_train() {
    for (estimator, probes, moves_always) in [("two_rounds", 4, true), ("picks_parameters", 2, false)] {
        let place = place(&format!("method: {estimator}, LIB"), RESIDUAL);
        let run = place.train("out", "");
        let vectors = run.physical()[&["main", "dev", "probe"].map(str::to_owned)].0;
        assert_eq!(vectors, 20 * probes * 16, "{estimator}");
        place.train("split", "--threads 3 --set devices.dev.max_batch=3").equals(&run);
        // No gradient is reported, for there was none.
        let rows = run.phase("main", "train");
        assert!(rows.iter().all(|row| row.get("dev.gradient_norm").is_none()), "{estimator}");
        // The learning rate of the device is not used: the optimiser is bypassed.
        let other = place.train("rate", "--set devices.dev.optimizer.adam.learning_rate=0.5");
        assert_eq!(other.metrics(), run.metrics(), "{estimator}");
        // But the device does move: against one that stays, losses differ from the second step on.
        let still = place.train("still", "--set devices.dev.estimator=null");
        let differ = rows.iter().zip(still.phase("main", "train")).filter(|(a, b)| a["loss"] != b["loss"]).count();
        assert!(if moves_always { differ == 19 } else { (1..=19).contains(&differ) }, "{estimator}: {differ}");
        // State and all after a kill.
        place.kill_at("killed", "train experiment.yaml --out killed --set train.checkpoint_every=2", 9);
        place.resume("killed", "").equals(&run);
    }
}

/// What an estimator says of its step comes into the metrics, bit for bit again after a kill, and a note before a person too.
#[test]
fn what_an_estimator_says_is_in_the_metrics() {
    let place = place("method: two_rounds, LIB", RESIDUAL);
    let notes = ["main, step 6, device `dev`: 7 steps made", "main, step 13, device `dev`: 14 steps made"];
    place.run("train experiment.yaml --out out").ends(0, &notes);
    let run = place.finished("out");
    for row in run.phase("main", "train") {
        let step = row["step"].as_u64().unwrap();
        assert_eq!(row["dev.gradient_snr"], (step + 1) as f64);
        let note = row.get("dev.note").map(|note| note.as_str().unwrap().to_owned());
        assert_eq!(note, ((step + 1) % 7 == 0).then(|| format!("{} steps made", step + 1)));
    }
    place.kill_at("killed", "train experiment.yaml --out killed --set train.checkpoint_every=2", 9);
    place.resume("killed", "").equals(&run);
    // Built in: of 4 random directions there is something to tell, and nothing negative.
    place.write("experiment.yaml", with(GAUSSIAN, RESIDUAL));
    let told = |row: &serde_json::Value| row["dev.gradient_snr"].as_f64().is_some_and(|snr| snr >= 0.0);
    assert!(place.train("gaussian", "").phase("main", "train").iter().all(told));
}

/// Every optimiser moves a device, and goes on after a kill where it was.
#[test]
fn optimisers_of_device_parameters() {
    for optimizer in ["{sign: {learning_rate: 0.02, momentum: 0.5}}", "{zo_adamm: {learning_rate: 0.02}}"] {
        let text = with(GAUSSIAN, RESIDUAL).replace("{adam: {learning_rate: 0.02}}", optimizer);
        assert!(text.contains(optimizer));
        let place = Place::with(&text);
        let run = place.train("out", "");
        let still = place.train("still", "--set devices.dev.estimator=null");
        assert_ne!(run.metrics(), still.metrics(), "{optimizer}");
        place.kill_at("killed", "train experiment.yaml --out killed --set train.checkpoint_every=2", 9);
        place.resume("killed", "").equals(&run);
    }
}

/// Methods that use the structure of a device have its exact gradient, and are refused where there is no such structure.
#[test]
fn structure_gives_exact_gradients() {
    for (device, method, least) in [
        ("slm", "local", 1.0 - 1e-10),
        ("slm", "parameter_shift", 1.0 - 1e-10),
        ("mzi", "parameter_shift", 1.0 - 1e-10),
        ("mrr", "local, mu: 0.001", 1.0 - 1e-6),
    ] {
        let text = experiment(&family(device, "ideal")).replace(GAUSSIAN, &format!("method: {method}"));
        let place = Place::with(&text.replace("  steps: 20", "  steps: 5\n  diagnostics: true"));
        for row in place.train("out", "--ideal").phase("main", "train") {
            assert!(row["dev.gradient_cosine"].as_f64().unwrap() > least, "{device}, {method}: {row}");
        }
    }
    for (device, method, words) in [
        ("mzi", "local", ["local", "does not say so of itself"]),
        ("mrr", "parameter_shift", ["single_frequency or two_sided", "does not say so of itself"]),
    ] {
        let text = experiment(&family(device, "ideal")).replace(GAUSSIAN, &format!("method: {method}"));
        Place::with(&text).run("check experiment.yaml").ends(2, &words);
    }
}

/// A surrogate that asks nothing learns from the queries of others: of an ideal device at rest all that there is.
#[test]
fn a_surrogate_learns_from_what_it_sees() {
    let text = with(GAUSSIAN, "method: observing, LIB, rate: 0.5");
    // Without the ReLU before the device, whose inputs then go in all directions.
    let place = Place::with(&text.replacen("    - relu\n", "", 1));
    place.add_libraries(&["fixture_faults"]);
    let still = place.train("still", "--ideal --set devices.dev.estimator=null --set train.steps=60");
    let rows = still.phase("main", "train");
    let errors: Vec<f64> = rows.iter().filter_map(|row| row["dev.surrogate_error"].as_f64()).collect();
    assert!(errors[0] > 0.1 && errors[11] < 0.01, "{errors:?}");
    let run = place.train("out", "");
    assert!(!run.physical().contains_key(&["main", "dev", "surrogate"].map(str::to_owned)), "it asks nothing");
    place.train("split", "--threads 2 --set devices.dev.max_batch=5").equals(&run);
    place.kill_at("killed", "train experiment.yaml --out killed --set train.checkpoint_every=2", 9);
    place.resume("killed", "").equals(&run);
}

#[test]
fn an_estimator_that_panics_ends_the_run_and_loses_nothing() {
    let place = place("method: panics, LIB, when: ask, step: 12", RESIDUAL);
    let calm = place.train("calm", "--set devices.dev.estimator.step=99");
    for when in ["ask", "cost"] {
        let out = format!("out-{when}");
        let failed =
            place.run(&format!("train experiment.yaml --quiet --out {out} --set devices.dev.estimator.when={when}"));
        failed.ends(
            1,
            &["estimator `panics` of device `dev` failed", "asked to panic in step 12", "blackbeam train --resume"],
        );
        let run = place.finished(&out);
        assert_eq!((run.checkpoints(), run.phase("main", "train").len()), (3, 12), "{when}");
        assert_eq!(run.metrics()[..], calm.metrics()[..run.metrics().len()]);
        // The experiment is what is wrong: mended, the run goes on from its checkpoint.
        place.run(&format!("train --quiet --resume {out}")).ends(1, &["asked to panic in step 12"]);
        let resolved = place.read(&format!("{out}/experiment.yaml"));
        place.write(&format!("{out}/experiment.yaml"), resolved.replace("step: 12", "step: 99"));
        assert_eq!(place.resume(&out, "--accept-changes").metrics(), calm.metrics());
    }
    let make = place.run("train experiment.yaml --quiet --out make --set devices.dev.estimator.when=make");
    make.ends(1, &["estimator `panics`", "asked to panic in make"]).in_one_line();
}

#[test]
fn a_method_that_fails_is_named() {
    let place = place(GAUSSIAN, "method: observing, LIB, rate: 2");
    // What the schema cannot say, the method does.
    place.run("check experiment.yaml").done();
    place.run("train experiment.yaml --out out").ends(2, &["surrogate `observing`", "rate is 2"]).in_one_line();
    // Built-in methods are made while the file is checked, and the error points into it.
    for (estimator, surrogate, words) in [
        ("method: gaussian, mu: 0.001", RESIDUAL, ["half an LSB", "bank.phi", "experiment.yaml:16:"]),
        (GAUSSIAN, "method: i_psi, rank: 9", ["i_psi", "rank", "experiment.yaml:17:"]),
    ] {
        place.write("experiment.yaml", with(estimator, surrogate));
        place.run("check experiment.yaml").ends(2, &words);
        place.run("train experiment.yaml --out out").ends(2, &words);
    }
    // and the directory is still free
    place.write("experiment.yaml", with(GAUSSIAN, RESIDUAL));
    place.train("out", "");
}
