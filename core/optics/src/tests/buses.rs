//! Weight banks with shared buses against circuits that are solved, and against banks without.

use crate::{
    Explanation, testing,
    testing::Builder,
    tests::simulator::{call, open},
};
use blackbeam_netlist::circuit::*;
use blackbeam_plugin::{Device, Matrix};

const ROWS: usize = 2;
const COLUMNS: usize = 5;

fn phases() -> Vec<f64> {
    (0..ROWS * COLUMNS).map(|i| 0.05 + 0.13 * i as f64).collect()
}

/// One row as a circuit: rings in series, powers of all channels at the end of the bus and at every drop port.
fn written_out(row: usize, wavelengths_um: &[f64]) -> Circuit {
    let mut b = Builder::default();
    let loss = -20.0 * 0.97f64.log10();
    let couplings = [("coupling0", 1.0 - 0.93f64.powi(2)), ("coupling1", 1.0 - 0.95f64.powi(2))];
    let shape = [("length", 30.0), ("ng", 4.2), ("neff", 2.5), ("loss_dB", loss)];
    for (column, wl) in wavelengths_um.iter().enumerate() {
        // a round trip of phase 2 pi n length / wl at the ring's own channel is taken off
        let own = std::f64::consts::TAU * 2.5 * 30.0 / wl;
        let settings = [("wl0", *wl), ("phi", phases()[row * COLUMNS + column] - own)];
        let all: Vec<_> = [&shape[..], &couplings, &settings].concat();
        b.add(&format!("r<{column}>"), "ring_adddrop", &all);
    }
    (1..COLUMNS).for_each(|k| b.link((k - 1, 2), (k, 0)));
    let ports: Vec<(usize, usize)> =
        [(0, 0), (COLUMNS - 1, 2)].into_iter().chain((0..COLUMNS).map(|k| (k, 3))).collect();
    let mut circuit = b.finish(&ports, 1, ReadoutMode::Intensity);
    circuit.environment.wavelengths_um = wavelengths_um.to_vec();
    circuit.environment.channels = true;
    let encoding = circuit.encoding.as_mut().unwrap();
    (encoding.per_channel, encoding.mode) = (true, EncodingMode::Intensity);
    circuit
}

/// The solve of every row, at the end of the bus less at all drop ports; likewise after the source has hopped.
#[test]
fn rows_are_the_circuits_that_they_stand_for() {
    let hop = Event { what: EventKind::ModeHop { shift_um: 2e-4 }, when: When::At(vec![1.0]), duration_s: 1.0 };
    let mut circuit = testing::bus_bank(ROWS, COLUMNS);
    circuit.events = vec![hop.clone()];
    let mut bank = open(&circuit);
    bank.write_params(&phases(), &call(0, 0, 0.0)).unwrap();
    let mut seen = Vec::new();
    for time_s in [0.0, 1.5] {
        let at = call(0, 0, time_s);
        let found = bank.read_matrix(&at).unwrap();
        for row in 0..ROWS {
            let mut solved = written_out(row, &circuit.environment.wavelengths_um);
            solved.events = vec![hop.clone()];
            let powers = open(&solved).read_matrix(&at).unwrap();
            assert_eq!((powers.rows, powers.columns), (COLUMNS + 1, COLUMNS));
            for k in 0..COLUMNS {
                let dropped: f64 = (1..=COLUMNS).map(|port| powers.data[port * COLUMNS + k]).sum();
                let (weight, expected) = (found.data[row * COLUMNS + k], powers.data[k] - dropped);
                assert!((weight - expected).abs() < 1e-10, "{time_s} {row} {k}: {weight} {expected}");
            }
        }
        seen.push(found);
    }
    assert!(seen[0] != seen[1], "the hop has moved the channels");
}

/// Of light that no other ring takes a part of, each weight is that of a ring on a bus of its own.
#[test]
fn channels_far_apart_do_not_meet() {
    let mut shared = testing::bus_bank(ROWS, 3);
    let mut own = testing::bus_bank(ROWS, 3);
    let Kind::MrrBank(bank) = &mut shared.instances[0].kind else { panic!("a bank") };
    (bank.r, bank.r2) = (0.9999, 0.9999);
    bank.a = 0.99999;
    let alone = MrrBank { shared: None, ..bank.clone() };
    own.instances[0].kind = Kind::MrrBank(alone);
    // a third of a free spectral range apart
    shared.environment.wavelengths_um = vec![1.548, 1.5544, 1.5608];
    let at = call(0, 0, 0.0);
    let weights = |circuit: &Circuit| -> Matrix {
        let mut device = open(circuit);
        device.write_params(&[0.0, 1e-4, 2e-4, 4e-4, 3e-3, 0.02], &at).unwrap();
        device.read_matrix(&at).unwrap()
    };
    let (shared, own) = (weights(&shared), weights(&own));
    for (a, b) in shared.data.iter().zip(own.data.iter()) {
        assert!((a - b).abs() < 1e-6, "{shared:?} {own:?}");
    }
    assert!(own.data.iter().any(|w| *w < -0.5) && own.data.iter().any(|w| *w > 0.5), "{own:?}");
}

#[test]
fn what_people_are_told_and_what_is_refused() {
    let circuit = testing::bus_bank(ROWS, COLUMNS);
    let explanation = Explanation::new(&circuit, 1).unwrap();
    assert_eq!(explanation.program, "weight bank");
    let parts = explanation.parts.join("\n");
    assert!(parts.contains("2 buses, 5 add-drop rings on each") && parts.contains("range 2379.3 GHz"), "{parts}");
    let refused = |circuit: &Circuit| crate::Simulator::open(circuit, 1, 1).err().unwrap().message.to_string();
    let mut few = circuit.clone();
    few.environment.wavelengths_um.pop();
    assert!(refused(&few).contains("4 channels for the 5 rings"));
    let mut split = circuit;
    let rings = vec![Element { instance: 0, index: 3 }];
    split.nonideal = vec![testing::rule(Quantity::RingBackscatter, rings, Number::Fixed(0.1))];
    assert!(refused(&split).contains("no backscatter"));
}
