//! Reading is fast enough to be done at every start and every save of a file.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use blackbeam_netlist::{ReadOptions, read};
use blackbeam_source::Source;
use std::fmt::Write;
use std::time::{Duration, Instant};

/// The best of some readings.
fn time(text: &str) -> (Duration, usize) {
    let source = Source::new("speed.ddl.yml", text);
    let mut best = Duration::MAX;
    let mut slots = 0;
    for _ in 0..5 {
        let start = Instant::now();
        let (circuit, _) = read(&source, &ReadOptions::default()).unwrap_or_else(|e| panic!("{}", e.render(false)));
        best = best.min(start.elapsed());
        slots = circuit.slots.len();
    }
    (best, slots)
}

/// In the release profile this takes a third to a tenth of the bound.
#[test]
fn a_mesh_of_256_modes() {
    let text = "ddl: 1
instances: {U: {component: mesh, settings: {n: 256}}}
parameters:
  U.theta: {range: [0, 3.141592653589793], at_range: reflect, init: haar}
  U.phi: {}
actuators: {h: {drives: [U.theta, U.phi], dac: {bits: 12, min: 0, max: 6.5}, curve: {form: square, v_pi: 4.36}}}
nonideal:
  - {at: 'U.m*.coupler*', split_angle: {normal: [0, 0.02]}}
  - {at: 'U.m*', loss_dB: {normal: [0.2, 0.03], clip: [0, .inf]}}
drift: [{at: [U.theta, U.phi], model: wiener, sigma: 1.0e-3}]
";
    let (time, slots) = time(text);
    assert_eq!(slots, 2 * 32640 + 256);
    println!("{time:?}");
    assert!(time < Duration::from_millis(250), "{time:?}");
}

#[test]
fn a_netlist_of_2000_instances() {
    let mut text = String::from("ddl: 1\ninstances:\n");
    for k in 0..1000 {
        writeln!(text, "  c{k}: {{component: coupler_ideal, settings: {{coupling: 0.3}}}}").unwrap();
        writeln!(text, "  p{k}: {{component: phase, settings: {{phi: 0.{k}}}}}").unwrap();
    }
    text.push_str("connections:\n");
    for k in 0..1000 {
        writeln!(text, "  'c{k},out0': 'p{k},in0'").unwrap();
        if k > 0 {
            writeln!(text, "  'p{},out0': 'c{k},in0'", k - 1).unwrap();
            writeln!(text, "  'c{},out1': 'c{k},in1'", k - 1).unwrap();
        }
    }
    text.push_str("ports: {in0: 'c0,in0', in1: 'c0,in1', out0: 'p999,out0', out1: 'c999,out1'}\n");
    text.push_str(
        "parameters: {'p*.phi': {init: settings}}\nnonideal: [{at: 'c*', coupling: {normal: [0.3, 0.01]}}]\n",
    );
    text.push_str("encoding: {ports: in0-1}\nactuators: {h: {drives: 'p*.phi'}}\n");
    let (time, slots) = time(&text);
    assert_eq!(slots, 3000);
    println!("{time:?}");
    assert!(time < Duration::from_millis(500), "{time:?}");
}
