//! `bench`.

use crate::support::Place;
use serde_json::Value;

/// The keys of the object that is printed, in their order.
const KEYS: [&str; 10] =
    ["case", "modes", "sets", "batch", "precision", "threads", "chain", "median_s", "min_s", "gflops"];

fn bench(place: &Place, arguments: &str) -> Value {
    let said = place.run(&format!("bench {arguments} --rounds 2 --seconds 0")).done().stdout;
    assert_eq!(said.lines().count(), 1, "{said}");
    serde_json::from_str(&said).unwrap()
}

#[test]
fn every_case_is_measured() {
    let place = Place::new();
    for (arguments, [modes, sets, batch]) in [
        ("mesh-matrix --modes 4", [4, 1, 1]),
        ("mesh-query --modes 4 --sets 3 --batch 5", [4, 3, 5]),
        ("mesh-query --modes 5 --sets 3 --batch 5 --form keyed --chain typical --threads 2", [5, 3, 5]),
        ("mesh-query --modes 6 --sets 1 --batch 2 --precision f32 --simd plain", [6, 1, 2]),
        ("mesh-coordinates --modes 3 --batch 2", [3, 9, 2]),
        ("mesh-coordinates-contracted --modes 3 --batch 2", [3, 9, 2]),
        ("mesh-coordinates --modes 3 --batch 2 --chain typical", [3, 9, 2]),
        ("ring --batch 11", [1, 1, 11]),
        ("crow --modes 3 --batch 11", [3, 1, 11]),
        ("weight-bank --modes 3 --sets 2 --batch 2", [3, 2, 2]),
        ("weight-bank --modes 4 --sets 2 --batch 2 --chain typical", [4, 2, 2]),
        ("slm --modes 4 --sets 2 --batch 2", [4, 2, 2]),
        ("slm --modes 4 --sets 2 --batch 2 --chain typical", [4, 2, 2]),
        ("compile --modes 4", [4, 1, 1]),
    ] {
        let found = bench(&place, arguments);
        assert_eq!(found.as_object().unwrap().keys().collect::<Vec<_>>(), KEYS, "{arguments}");
        for (key, expected) in ["modes", "sets", "batch"].iter().zip([modes, sets, batch]) {
            assert_eq!(found[key], expected, "{arguments}: {found}");
        }
        assert!(arguments.starts_with(found["case"].as_str().unwrap()));
        assert_eq!(found["chain"], if arguments.contains("typical") { "typical" } else { "ideal" });
        assert_eq!(found["threads"], if arguments.contains("threads 2") { 2 } else { 1 });
        let [median, least] = ["median_s", "min_s"].map(|key| found[key].as_f64().unwrap());
        assert!(0.0 < least && least <= median && median < 10.0, "{found}");
    }
    // 20 sets x 7 vectors x (6 cells of 18 operations and 4 phases of 6)
    let found = bench(&place, "mesh-query --modes 4 --batch 7");
    let (gflops, seconds) = (found["gflops"].as_f64().unwrap(), found["min_s"].as_f64().unwrap());
    assert!((gflops * seconds * 1e9 / (20.0 * 7.0 * 132.0) - 1.0).abs() < 1e-9, "{found}");
}

#[test]
fn what_a_case_cannot_be_is_said() {
    let place = Place::new();
    for (arguments, words) in [
        ("mesh-querry", &["similar", "mesh-query"][..]),
        ("mesh-query --modes 1", &["--modes 2 to"]),
        ("mesh-query --sets 0", &["--sets 1 to"]),
        ("mesh-query --precision f16", &["f32"]),
        ("mesh-query --threads 0", &["expected 1"]),
        ("mesh-query --seconds=-1", &["number of seconds"]),
        ("mesh-coordinates --modes 3 --sets 4", &["--sets 9 only"]),
        ("mesh-coordinates-contracted --modes 3 --chain typical", &["without noise"]),
        ("mesh-matrix --form keyed", &["--form dense only"]),
        ("ring --modes 2", &["--modes 1 only"]),
        ("ring --chain typical", &["--chain ideal only"]),
        ("crow --precision f32", &["--precision f64 only"]),
        ("crow --threads 2", &["--threads 1 only"]),
        ("slm --modes 4 --sets 1 --batch 1 --precision f32", &["double precision"]),
    ] {
        place.run(&format!("bench {arguments}")).ends(2, words);
    }
}
