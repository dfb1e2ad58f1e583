//! Small files that ask for much: an error of the right kind, soon, whatever the size that is asked for.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use blackbeam_netlist::{ReadOptions, read};
use blackbeam_source::Source;
use std::time::{Duration, Instant};

/// Far more than any of these takes; less than what they took before they were bounded.
const PATIENCE: Duration = Duration::from_secs(20);

fn refused(text: &str, code: &str) {
    let begun = Instant::now();
    let start: String = text.chars().take(200).collect();
    let found = read(&Source::new("hostile.ddl.yml", text), &ReadOptions::default()).map(|_| ()).unwrap_err();
    let codes: Vec<&str> = found.iter().map(|diagnostic| diagnostic.code).take(20).collect();
    assert!(found.iter().any(|diagnostic| diagnostic.code == code), "no {code} in {codes:?}: {start}");
    found.render(false);
    assert!(begun.elapsed() < PATIENCE, "{:?}: {start}", begun.elapsed());
}

/// One component with these settings.
fn component(name: &str, settings: &str) -> String {
    format!("ddl: 1\ninstances:\n  U: {{component: {name}, settings: {{{settings}}}}}\nreadout: {{mode: intensity}}\n")
}

/// `n` phase shifters in an array, of which the first leads out, and more sections.
fn phases(n: usize, more: &str) -> String {
    let ports = "ports: {in0: 'a<0.0>,in0', out0: 'a<0.0>,out0'}";
    format!("ddl: 1\ninstances: {{a: {{component: phase, array: {{columns: {n}, rows: 1}}}}}}\n{ports}\n{more}")
}

fn many(n: usize, one: impl Fn(usize) -> String) -> String {
    (0..n).map(one).collect()
}

#[test]
fn numbers_that_are_sizes() {
    for (settings, code) in [("n: 4096", "too-large"), ("n: 2000000000", "out-of-range"), ("n: -1", "out-of-range")] {
        refused(&component("mesh", settings), code);
    }
    refused(&component("mesh", "n: 4, arrangement: redundant, layers: 60000000000"), "out-of-range");
    refused(&component("mesh", "n: 9000000000, arrangement: file, file: mesh.pic.yml"), "out-of-range");
    refused(&component("splitter_tree", "outputs: 1073741824"), "out-of-range");
    refused(&component("monarch", "n: 1073741824, block: 32768"), "out-of-range");
    refused(&component("mrr_bank", "rows: 1, columns: 4000000, preset: MQ"), "too-large");
    refused(&component("slm_matvec", "n_in: 60000, n_out: 60000"), "too-large");
    refused(&component("slm", "shape: [4096, 4096], pitch: 8"), "too-large");
    refused(&component("slm", "shape: [18446744073709551615, 2], pitch: 8"), "too-large");
    for points in ["0", "1", "1000000000", "18446744073709551615"] {
        let sweep = format!("environment: {{wl: {{start: 1.5, stop: 1.6, points: {points}}}}}\n");
        refused(&phases(1, &sweep), "out-of-range");
        let channels = format!("environment: {{channels: {{start: 1.5, spacing_GHz: 1.0e-9, count: {points}}}}}\n");
        if points != "1" {
            refused(&phases(1, &channels), "out-of-range");
        }
    }
    refused(&phases(1_000_000_000, ""), "too-large");
}

#[test]
fn components_that_are_large_together() {
    let meshes = many(100, |k| format!("  U{k}: {{component: mesh, settings: {{n: 1500}}}}\n"));
    refused(&format!("ddl: 1\ninstances:\n{meshes}readout: {{mode: intensity}}\n"), "too-large");
    // small where it is declared, large where it is used
    let mesh = "U: {component: mesh, settings: {n: 2, arrangement: redundant, layers: '${settings.l}'}}";
    let circuit = format!("circuits: {{c: {{settings: {{l: 2}}, instances: {{{mesh}}}, ports: {{in0: 'U,in0'}}}}}}");
    let used = "instances: {a: {component: c, array: {columns: 50000, rows: 1}, settings: {l: 65536}}}";
    refused(
        &format!("ddl: 1\n{circuit}\n{used}\nports: {{in0: 'a<0.0>,in0'}}\nreadout: {{mode: intensity}}\n"),
        "too-large",
    );
}

#[test]
fn paths_that_name_much_and_often() {
    let rules = many(5000, |_| "  - {at: '**.a*', loss_dB: 1}\n".into());
    refused(&phases(20_000, &format!("nonideal:\n{rules}")), "too-many-places");
    let blocks = many(50_000, |k| format!("  'U.theta<{k}.*>': {{range: [0, 1]}}\n"));
    refused(&(component("mesh", "n: 128") + "parameters:\n" + &blocks), "too-many-places");
    let ports = many(100_000, |_| "'*', ".into());
    let outer = many(2000, |k| format!("o{k}: 'a<{k}.0>,out0', "));
    let wide = phases(2000, "").replace("out0: 'a<0.0>,out0'", &outer);
    refused(&format!("{wide}readout: {{mode: intensity, ports: [{ports}]}}\n"), "port-twice");
}

#[test]
fn long_lists_of_what_should_be_few() {
    let keys = many(100_000, |k| format!("k{k}: 1, "));
    refused(&phases(1, &format!("nonideal: [{{at: a, {keys}}}]\n")), "too-large");
    let slm = component("slm", "shape: [4, 4], pitch: 8");
    refused(&format!("{slm}nonideal: [{{at: U, wavefront: {{zernike: {{{keys}}}}}}}]\n"), "too-large");
    refused(&component("mesh", &format!("n: 4, {keys}")), "unknown-key");
    refused(
        &format!("instances: {{a: phase}}\nports: {{in0: 'a,in0'}}\ninfo: {{ddl: {{ddl: 1, {keys}}}}}\n"),
        "unknown-key",
    );
    let mesh = "U: {component: mesh, settings: {n: '${settings.n}'}}";
    let circuit = format!("circuits: {{c: {{settings: {{n: 4}}, instances: {{{mesh}}}, ports: {{in0: 'U,in0'}}}}}}");
    let used = format!("instances: {{x: {{component: c, settings: {{U: {{{keys}}}}}}}}}\nports: {{in0: 'x,in0'}}");
    refused(&format!("ddl: 1\n{circuit}\n{used}\n"), "unknown-key");
    let imports = many(2000, |k| format!("  - {{file: missing.dat, as: g{k}, format: lumerical}}\n"));
    refused(&phases(1, &format!("imports:\n{imports}")), "too-large");
    let pairs = many(100_000, |k| format!("y{}: [in0, out0], ", k / 2));
    refused(&phases(1, &format!("readout: {{mode: differential, pairs: {{{pairs}}}}}\n")), "duplicate-key");
}
