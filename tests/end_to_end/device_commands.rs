//! `explain`, `expand`, `simulate`, `draw` and `check --format json`.

use crate::support::{Place, ROOT};
use serde_json::Value;

const RING: &str = "\
name: ring
instances:
  c: {component: coupler_ideal, settings: {coupling: 0.1}}
  w: {component: straight, settings: {length: 62.8, loss_dB_cm: 3.0}}
connections: {'c,out1': 'w,in0', 'w,out0': 'c,in1'}
ports: {in: 'c,in0', out: 'c,out0'}
";

fn shipped() -> Vec<String> {
    let folder = std::fs::read_dir(format!("{ROOT}/devices")).unwrap();
    folder.map(|entry| entry.unwrap().path().display().to_string()).filter(|path| path.ends_with(".ddl.yml")).collect()
}

#[test]
fn every_shipped_device_is_explained_and_drawn() {
    let place = Place::new();
    let devices = shipped();
    assert!(devices.len() >= 6);
    for device in devices {
        let said = place.run(&format!("explain {device}")).done().stdout;
        let network = said.contains("program: layers");
        let own = if network { "weights" } else { "actuator `" };
        for word in ["program: ", "why: ", "parameters: ", "inputs: ", "non-idealities:", own] {
            assert!(said.contains(word), "{device}: no `{word}` in\n{said}");
        }
        if network {
            for command in ["draw", "expand", "simulate"] {
                place.run(&format!("{command} {device}")).ends(2, &["it is a network"]);
            }
            continue;
        }
        assert!(place.run(&format!("explain {device} --ideal")).done().stdout.contains("non-idealities:\n  none"));
        place.run(&format!("draw {device} --out drawing.svg")).done();
        assert!(place.read("drawing.svg").trim_end().ends_with("</svg>"));
    }
}

#[test]
fn components_are_explained() {
    let place = Place::new();
    let list = place.run("explain --component list").done().stdout;
    assert!(list.lines().count() >= 30, "{list}");
    for name in list.lines().filter_map(|line| line.split_whitespace().next()) {
        let said = place.run(&format!("explain --component {name}")).done().stdout;
        assert!(said.contains(name) && said.contains("in0"), "{said}");
    }
    place.run("explain --component straigt").ends(2, &["did you mean `straight`?"]);
    place.run("explain").ends(2, &["--component"]);
}

#[test]
fn a_spectrum_in_every_format() {
    let place = Place::new();
    place.write("ring.yml", RING);
    place.run("simulate ring.yml --wl 1.54:1.56:401 --out ring.csv --plot ring.svg").done();
    let csv = place.read("ring.csv");
    assert_eq!(csv.lines().next(), Some("wl_um,port_in,port_out,re,im"));
    assert_eq!(csv.lines().count(), 1 + 401 * 4);
    // T = (a^2 - 2 a r cos + r^2) / (1 - 2 a r cos + a^2 r^2), n = neff - (wl - wl0) (ng - neff) / wl0
    for line in csv.lines().skip(1).filter(|line| line.contains(",in,out,")) {
        let field = |k: usize| line.split(',').nth(k).unwrap().parse::<f64>().unwrap();
        let (wl, power) = (field(0), field(3).powi(2) + field(4).powi(2));
        let n = 2.34 - (wl - 1.55) * (3.4 - 2.34) / 1.55;
        let (a, r) = (10f64.powf(-1e-4 * 3.0 * 62.8 / 20.0), 0.9f64.sqrt());
        let c = 2.0 * a * r * (std::f64::consts::TAU * n * 62.8 / wl).cos();
        let expected = (a * a - c + r * r) / (1.0 - c + a * a * r * r);
        assert!((power - expected).abs() < 1e-9, "{wl}: {power} {expected}");
    }
    assert!(place.read("ring.svg").contains("in -&gt; out"));
    assert_eq!(place.run("simulate ring.yml --wl 1.54:1.56:401").done().stdout, csv);
    place.run("simulate ring.yml --wl 1.54:1.56:401 --out ring.s2p").done();
    assert!(place.read("ring.s2p").lines().any(|line| line.starts_with('#')));
    place.run("simulate ring.yml --out ring.npz").done();
    assert!(std::fs::read(place.path("ring.npz")).unwrap().starts_with(b"PK"));
    place.run("simulate ring.yml --out ring.txt").ends(2, &[".csv, .npz or .sNp"]);
    place.run("simulate ring.yml --wl 1.56:1.54:11").ends(2, &["START < STOP"]);
    place.run("simulate ring.yml --plot one.svg").ends(2, &["at least two wavelengths"]);
    place.run("simulate missing.yml").ends(2, &["missing.yml"]);
}

/// The expanded circuit is the same circuit, and reads back as itself.
#[test]
fn an_expanded_circuit_simulates_alike() {
    let place = Place::new();
    place.write("mesh.ddl.yml", "ddl: 1\nname: m\ninstances:\n  U: {component: mesh, settings: {n: 4}}\n");
    let yaml = place.run("expand mesh.ddl.yml").done().stdout;
    place.write("expanded.yml", &yaml);
    place.write("expanded.json", place.run("expand mesh.ddl.yml --json").done().stdout);
    let numbers = |file: &str| -> Vec<(String, f64, f64)> {
        let csv = place.run(&format!("simulate {file} --wl 1.55")).done().stdout;
        let row = |line: &str| {
            let fields: Vec<&str> = line.split(',').collect();
            (format!("{},{}", fields[1], fields[2]), fields[3].parse().unwrap(), fields[4].parse().unwrap())
        };
        csv.lines().skip(1).map(row).collect()
    };
    let mesh = numbers("mesh.ddl.yml");
    assert_eq!(mesh.len(), 64);
    for file in ["expanded.yml", "expanded.json"] {
        let expanded = numbers(file);
        for (a, b) in mesh.iter().zip(&expanded) {
            assert!(a.0 == b.0 && (a.1 - b.1).hypot(a.2 - b.2) < 1e-12, "{file}: {a:?} {b:?}");
        }
        assert_eq!(expanded.len(), mesh.len());
    }
    place.run(&format!("expand {ROOT}/devices/slm_matvec.ddl.yml")).ends(2, &["SAX"]);
}

#[test]
fn diagnostics_for_editors() {
    let place = Place::new();
    place.write(
        "bad.ddl.yml",
        "ddl: 1\ninstances:\n  c: {component: couplr_ideal}\n  w: {component: straight, settings: {lenght: 3}}\n",
    );
    let said = place.run("check bad.ddl.yml --format json").ends(2, &[]);
    let found: Value = serde_json::from_str(&said.stdout).unwrap();
    let errors: Vec<&Value> = found.as_array().unwrap().iter().filter(|d| d["severity"] == "error").collect();
    assert!(errors.len() >= 2, "{found:#}");
    assert!(errors.iter().any(|e| e["code"] == "unknown-component" && e["line"] == 3), "{found:#}");
    assert!(errors.iter().any(|e| e["code"] == "unknown-setting" && e["line"] == 4), "{found:#}");
    place.write("good.yml", RING);
    let said = place.run("check good.yml --format json").done();
    assert_eq!(serde_json::from_str::<Value>(&said.stdout).unwrap(), Value::Array(Vec::new()));
}
