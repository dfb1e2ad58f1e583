//! Nothing goes around the ledger: a device that counts what it is asked agrees with it.

use crate::support::{Place, experiment, library};
use std::collections::BTreeMap;

fn counted() -> Place {
    let source = format!(
        "plugin: counted, library: {}, settings: {{rows: 8, columns: 8, file: counted.txt}}",
        library("fixture_faults").display()
    );
    let text =
        experiment(&source).replace("- bias", "- device: {name: dev}\n    - bias").replace("steps: 20", "steps: 60");
    let place = Place::with(&(text + "controls: [digital, frozen, random_feedback]\n"));
    place.add_libraries(&["fixture_faults"]);
    place
}

/// (vectors, configurations) by purpose, as the device has seen them.
fn seen(place: &Place) -> BTreeMap<String, (u64, u64)> {
    let mut sums = BTreeMap::<String, (u64, u64)>::new();
    for line in place.read("counted.txt").lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let entry = sums.entry(words[0].to_owned()).or_default();
        entry.0 += words[1].parse::<u64>().unwrap();
        entry.1 += words[2].parse::<u64>().unwrap();
    }
    sums
}

/// The same as the physical column has it.
fn charged(place: &Place, out: &str) -> BTreeMap<String, (u64, u64)> {
    let mut sums = BTreeMap::<String, (u64, u64)>::new();
    for ([_, _, purpose], (vectors, configurations)) in place.finished(out).physical() {
        let entry = sums.entry(purpose).or_default();
        entry.0 += vectors;
        entry.1 += configurations;
    }
    sums
}

#[test]
fn the_ledger_has_what_the_device_has_seen() {
    for (estimator, surrogate) in [
        ("gaussian, samples: 4", "residual, rank: 4, samples: 4"),
        ("gaussian, samples: 4, objective: loss, differences: central", "i_psi, rank: 3, samples: 5"),
        ("gaussian, samples: 1, differences: central", "full, every: 3"),
    ] {
        let place = counted();
        let text = place.read("experiment.yaml");
        let text = text.replace("gaussian, samples: 4", estimator).replace("residual, rank: 4, samples: 4", surrogate);
        place.write("experiment.yaml", text);
        let run = place.train("out", "--set devices.dev.max_batch=7");
        let seen = seen(&place);
        assert_eq!(seen.len(), 6, "every purpose occurs: {seen:?}");
        assert_eq!(seen, charged(&place, "out"), "{estimator}, {surrogate}");
        let vectors: u64 = seen.values().map(|(vectors, _)| vectors).sum();
        assert_eq!(run.summary()["physical_vectors"], vectors);
    }
}

/// A charge is written before its call, so that a killed run may have charged one call that was not made, and never the
/// other way round.
#[test]
fn a_killed_run_has_charged_all_that_it_sent() {
    let place = counted();
    let mut arguments = "train experiment.yaml --quiet --out out".to_owned();
    for kill in 1..=6 {
        let mut running = place.start(&arguments);
        if !(running.until(|| place.finished("out").rows() >= 9 * kill) && running.kill()) {
            assert!(kill > 2, "it was killed twice at least");
            break;
        }
        arguments = "train --quiet --resume out".into();
        let sum = |sums: BTreeMap<String, (u64, u64)>| sums.values().fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        let (seen, charge, kills) = (sum(seen(&place)), sum(charged(&place, "out")), kill as u64);
        assert!(charge.0 >= seen.0 && charge.1 >= seen.1, "{charge:?} charged for {seen:?}");
        assert!(charge.0 <= seen.0 + 64 * kills && charge.1 <= seen.1 + kills, "{charge:?} charged for {seen:?}");
    }
}
