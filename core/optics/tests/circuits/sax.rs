//! The circuits of `tests/references` against what SAX computed for them (`make_sax.py` there).

use crate::{circuit, solved};
use num_complex::Complex64;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

const TOLERANCE: f64 = 1e-9;

/// (port_in, port_out) -> S at each wavelength.
type Pairs = BTreeMap<(String, String), Vec<Complex64>>;

fn references() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/references")
}

/// The wavelengths and numbers of a file `wl_um,port_in,port_out,re,im`.
fn table(path: &Path) -> (Vec<f64>, Pairs) {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("wl_um,port_in,port_out,re,im"), "{}", path.display());
    let (mut wavelengths, mut pairs) = (Vec::new(), Pairs::new());
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let [wl, port_in, port_out, re, im] = cells[..] else { panic!("{}: {line}", path.display()) };
        let [wl, re, im]: [f64; 3] = [wl, re, im].map(|number| number.parse().unwrap());
        if wavelengths.last() != Some(&wl) {
            wavelengths.push(wl);
        }
        let of_pair = pairs.entry((port_in.into(), port_out.into())).or_default();
        of_pair.push(Complex64::new(re, im));
        assert_eq!(of_pair.len(), wavelengths.len(), "{}: {line}", path.display());
    }
    (wavelengths, pairs)
}

#[test]
fn every_circuit_agrees_with_sax() {
    let mut failures = Vec::new();
    let mut compared = 0;
    let mut paths: Vec<PathBuf> =
        fs::read_dir(references().join("circuits")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in &paths {
        let file = path.file_name().unwrap().to_string_lossy();
        let name = file.split('.').next().unwrap();
        let (mut circuit, _) = circuit(&path.to_string_lossy(), &fs::read_to_string(path).unwrap());
        let (wavelengths, expected) = table(&references().join(format!("sax/{name}.csv")));
        circuit.environment.wavelengths_um = wavelengths;
        let found = solved(&circuit);
        let ours: Vec<(String, String)> =
            found.inputs.iter().flat_map(|i| found.outputs.iter().map(|o| (i.clone(), o.clone()))).collect();
        for pair in ours.iter().filter(|pair| !expected.contains_key(*pair)) {
            failures.push(format!("{name}: SAX has no {} -> {}", pair.0, pair.1));
        }
        for ((port_in, port_out), values) in &expected {
            let index = |names: &[String], name| names.iter().position(|n| n == name);
            let (Some(i), Some(o)) = (index(&found.inputs, port_in), index(&found.outputs, port_out)) else {
                failures.push(format!("{name}: no {port_in} -> {port_out}"));
                continue;
            };
            assert_eq!(values.len(), found.wavelengths_um.len(), "{name}: {port_in} -> {port_out}");
            let off = (0..values.len()).map(|k| (found.get(k, i, o) - values[k]).norm()).fold(0.0, f64::max);
            if off > TOLERANCE || off.is_nan() {
                failures.push(format!("{name}: {port_in} -> {port_out} is off by {off:e}"));
            }
            compared += values.len();
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(fs::read_dir(references().join("sax")).unwrap().count(), paths.len(), "a circuit for each reference");
    assert!(compared > 3000, "{compared}");
}
