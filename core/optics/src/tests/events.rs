//! Lag, slew, events, drift of the source, memory of writes.

use crate::{
    Simulator, testing,
    tests::simulator::{actuator, call, inputs, open, query},
};
use blackbeam_netlist::circuit::*;
use blackbeam_plugin::{Call, Device, Matrix, Purpose};
use std::f64::consts::TAU;

/// An SLM of one row whose parameters are phases pi/2 + p: the matrix shows -sin(p).
fn phases(device: &mut Simulator, time_s: f64) -> Vec<f64> {
    let matrix = device.read_matrix(&call(0, 0, time_s)).unwrap();
    matrix.data.iter().map(|v| (v * (matrix.columns as f64).sqrt()).acos()).collect()
}

fn lagging(tau_s: f64) -> Circuit {
    let mut circuit = testing::slm(1, 2);
    circuit.actuators = vec![Actuator { tau_s, ..actuator(&circuit) }];
    circuit.parameters[0].init = Init::Number(Number::Fixed(0.5));
    circuit
}

/// phi(t) = phi_inf + (phi_prev - phi_inf) exp(-dt / tau), dt counted from when the settling that is charged began.
#[test]
fn actuators_lag() {
    let tau = 1e-3;
    let mut device = open(&lagging(tau));
    let timing = device.descriptor().timing;
    assert_eq!(timing.settle_tau_s, tau);
    let wait = tau * (1.5 / timing.settle_tolerance).ln();
    device.write_params(&[2.0, 1.0], &call(1, 0, 1.0)).unwrap();
    let settled = phases(&mut device, 1.0);
    assert!((settled[0] - 2.0).abs() <= 1.0001 * timing.settle_tolerance && settled[0] < 2.0);
    for after in [-0.9 * wait, -0.5 * wait, 0.0, 2e-3] {
        let left = (-(wait + after) / tau).exp();
        let found = phases(&mut device, 1.0 + after);
        for (found, (from, to)) in found.iter().zip([(0.5, 2.0), (0.5, 1.0)]) {
            assert!((found - (to + (from - to) * left)).abs() < 1e-12, "{after}: {found}");
        }
    }
    // a second write in the middle starts from what the first had become
    let middle = 1.0 - 0.5 * wait;
    let second_wait = tau * (1.0 / timing.settle_tolerance).ln();
    device.write_params(&[1.0, 1.0], &call(2, 0, middle + second_wait)).unwrap();
    let start = 2.0 - 1.5 * (-0.5 * wait / tau).exp();
    let found = phases(&mut device, middle + tau)[0];
    assert!((found - (1.0 + (start - 1.0) * (-1f64).exp())).abs() < 1e-12);
}

/// Retries, diagnostics and resumption leave no trace.
#[test]
fn memory_of_writes() {
    let circuit = lagging(0.1);
    let at = |step, purpose| Call { purpose, ..call(step, 0, step as f64) };
    let (w1, w2) = ([2.0, 1.0], [0.7, 2.5]);
    let mut plain = open(&circuit);
    plain.write_params(&w1, &at(1, Purpose::Forward)).unwrap();
    let saved = plain.save_state().unwrap();
    plain.write_params(&w2, &at(2, Purpose::Forward)).unwrap();
    let expected = phases(&mut plain, 2.0);
    assert!((expected[0] - 0.7).abs() > 1e-6, "not settled");

    let mut device = open(&circuit);
    device.write_params(&w1, &at(1, Purpose::Forward)).unwrap();
    device.write_params(&[3.0, 3.0], &at(7, Purpose::Diagnostic)).unwrap();
    device.write_params(&w1, &at(1, Purpose::Forward)).unwrap();
    device.write_params(&w2, &at(2, Purpose::Forward)).unwrap();
    assert_eq!(phases(&mut device, 2.0), expected);
    device.write_params(&w2, &at(2, Purpose::Forward)).unwrap();
    assert_eq!(phases(&mut device, 2.0), expected);
    device.write_params(&w1, &at(1, Purpose::Forward)).unwrap();
    device.write_params(&w2, &at(2, Purpose::Forward)).unwrap();
    assert_eq!(phases(&mut device, 2.0), expected);

    let mut resumed = open(&circuit);
    resumed.restore_state(&saved).unwrap();
    resumed.write_params(&w1, &at(1, Purpose::Forward)).unwrap();
    resumed.write_params(&w2, &at(2, Purpose::Forward)).unwrap();
    assert_eq!(phases(&mut resumed, 2.0), expected);
    for bad in [&saved[1..], &saved[..saved.len() - 8], &[0; 80]] {
        assert!(resumed.restore_state(bad).is_err());
    }
    assert!(open(&testing::slm(1, 1)).save_state().unwrap().is_empty());
}

/// A write that comes again, however far back and wherever among those since, starts from where it started the first time.
#[test]
fn writes_come_again_from_anywhere() {
    let mut device = open(&lagging(3.0));
    let mut write = |step: u64| {
        let w = [1.5 + (step as f64).sin(), 1.5 - (0.7 * step as f64).cos()];
        device.write_params(&w, &call(step, 0, 0.1 * step as f64)).unwrap();
        phases(&mut device, 0.1 * step as f64)
    };
    let first: Vec<Vec<f64>> = (1..=60).map(&mut write).collect();
    for back in [60, 59, 45, 33, 32, 31, 18, 17, 16, 15, 3, 1] {
        for step in back..=(back + 20).min(60) {
            assert_eq!(write(step), first[step as usize - 1], "{step} after going back to {back}");
        }
    }
}

#[test]
fn slew_limits_what_is_applied() {
    let mut circuit = lagging(0.0);
    circuit.actuators[0].slew_per_s = 0.5;
    let mut device = open(&circuit);
    let applied = |device: &mut Simulator, step: u64| {
        device.write_params(&[2.0, 0.6], &call(step, 0, step as f64)).unwrap().values.to_vec()
    };
    assert_eq!(applied(&mut device, 1), [1.0, 0.6]);
    assert_eq!(applied(&mut device, 2), [1.5, 0.6]);
    assert_eq!(applied(&mut device, 9), [2.0, 0.6]);
}

fn with_event(mut circuit: Circuit, what: EventKind, at: f64, duration_s: f64) -> Simulator {
    circuit.events = vec![Event { what, when: When::At(vec![at]), duration_s }];
    open(&circuit)
}

/// What device files give no duration happens to the query that begins within the time of a query after it.
#[test]
fn what_is_over_at_once_happens_to_a_query() {
    let mut circuit = testing::slm(3, 2);
    let x = inputs(5, 2, 0.5);
    circuit.events = vec![Event { what: EventKind::FrameSlip, when: When::At(vec![1.0]), duration_s: 0.0 }];
    (circuit.timing.trigger_s, circuit.timing.frame_s) = (0.0, 0.0);
    let error = Simulator::open(&circuit, 0, 1).err().unwrap();
    assert!(error.message.contains("queries take no time"), "{error}");
    (circuit.timing.trigger_s, circuit.timing.frame_s, circuit.timing.averages) = (0.125, 0.25, 2);
    let mut device = open(&circuit);
    let plain = query(&mut device, &x, &call(0, 0, 0.5));
    for (t, slips) in [(0.99, false), (1.0, true), (1.6, true), (1.625, false), (9.0, false)] {
        assert_eq!(query(&mut device, &x, &call(0, 0, t)).row(1) == plain.row(0), slips, "{t}");
    }
}

#[test]
fn events_of_the_read_out() {
    let mut circuit = testing::slm(3, 2);
    circuit.readout.adc_range = AdcRange::Output(2.0);
    circuit.readout.adc_levels = Some(1 << 20);
    let x = inputs(5, 2, 0.5);
    let plain = query(&mut open(&circuit), &x, &call(0, 0, 0.0));
    let ask = |what, t| query(&mut with_event(circuit.clone(), what, 1.0, 1.0), &x, &call(0, 0, t));
    for t in [0.0, 0.99, 2.0] {
        assert_eq!(ask(EventKind::HotPixel(vec![1]), t), plain);
        assert_eq!(ask(EventKind::FrameSlip, t), plain);
    }
    let (hot, dead) = (ask(EventKind::HotPixel(vec![1]), 1.0), ask(EventKind::DeadChannel(vec![0, 2]), 1.5));
    let slipped = ask(EventKind::FrameSlip, 1.0);
    let glitched = ask(EventKind::AdcGlitch { sigma: 0.3 }, 1.2);
    for r in 0..5 {
        assert_eq!(hot.row(r), [plain[(r, 0)], 2.0, plain[(r, 2)]]);
        assert_eq!(dead.row(r), [0.0, plain[(r, 1)], 0.0]);
        if r > 0 {
            assert_eq!(slipped.row(r), plain.row(r - 1));
        }
        let touched = (0..3).filter(|&k| glitched[(r, k)] != plain[(r, k)]).count();
        assert_eq!(touched, 1, "one reading of each vector");
    }
    assert!(slipped.row(0).iter().all(|v| v.abs() < 4e-6), "the frame before was dark");
    // parts of a batch in order: the same
    let mut device = with_event(circuit, EventKind::FrameSlip, 0.0, 9.0);
    let mut parts = Matrix::zeros(5, 3);
    for (first, rows) in [(0, 2), (2, 3)] {
        let part = Matrix::new(rows, 2, x.data[2 * first..2 * (first + rows)].to_vec());
        let y = query(&mut device, &part, &Call { first_row: first as u64, ..call(0, 0, 1.0) });
        parts.data[3 * first..3 * (first + rows)].copy_from_slice(&y.data);
    }
    assert_eq!(parts, slipped);
}

#[test]
fn events_of_parameters_and_light() {
    let mut circuit = testing::slm(1, 3);
    circuit.parameters[0].init = Init::Number(Number::Fixed(1.0));
    let w = [0.5, 1.5, 2.0];
    let near = |found: Vec<f64>, expected: [f64; 3]| {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-7), "{found:?} {expected:?}");
    };
    let mut stuck = with_event(circuit.clone(), EventKind::StuckDac(vec![1]), 1.0, 2.0);
    stuck.write_params(&w, &call(1, 0, 2.0)).unwrap();
    near(phases(&mut stuck, 2.0), [0.5, 1.0, 2.0]);
    assert_eq!(stuck.read_params().unwrap(), [0.5, 1.0, 2.0], "the driver reads back what is there");
    stuck.write_params(&w, &call(2, 0, 3.5)).unwrap();
    near(phases(&mut stuck, 3.5), w);

    let mut lost = with_event(circuit.clone(), EventKind::StateLost, 1.0, 0.0);
    lost.write_params(&w, &call(1, 0, 0.5)).unwrap();
    near(phases(&mut lost, 0.9), w);
    near(phases(&mut lost, 1.0), [1.0; 3]);
    near(phases(&mut lost, 9.0), [1.0; 3]);
    lost.write_params(&w, &call(2, 0, 9.5)).unwrap();
    near(phases(&mut lost, 9.5), w);

    let relock = EventKind::Relock { slots: vec![0, 2], sigma: 0.1 };
    let mut jumped = with_event(circuit.clone(), relock, 1.0, f64::INFINITY);
    jumped.write_params(&w, &call(1, 0, 0.0)).unwrap();
    near(phases(&mut jumped, 0.5), w);
    let after = phases(&mut jumped, 1.0);
    assert!((after[0] - w[0]).abs() > 1e-4 && (after[1] - w[1]).abs() < 1e-7 && after == phases(&mut jumped, 50.0));

    // a hop of the laser moves a ring off its resonance as another wavelength would
    let ring = testing::ring_circuit();
    let mut elsewhere = ring.clone();
    elsewhere.environment.wavelengths_um = vec![1.5503];
    let mut hopped = with_event(ring.clone(), EventKind::ModeHop { shift_um: 0.0003 }, 1.0, 1.0);
    let here = open(&ring).read_matrix(&call(0, 0, 0.0)).unwrap();
    let there = open(&elsewhere).read_matrix(&call(0, 0, 0.0)).unwrap();
    assert_eq!(hopped.read_matrix(&call(0, 0, 0.0)).unwrap(), here);
    let found = hopped.read_matrix(&call(0, 0, 1.5)).unwrap();
    assert!(found.data.iter().zip(there.data.iter()).all(|(a, b)| (a - b).abs() < 1e-10) && found != here);
}

/// A PCM cell: its transmission falls as (1 + t / t0)^-nu; the source loses power; flicker is a sine.
#[test]
fn power_laws_sources_and_flicker() {
    let mut circuit = testing::bench(4, SlmKind::Amplitude);
    circuit.parameters[0].init = Init::Number(Number::Fixed(0.8));
    let power = DriftModel::Power { nu: Number::Fixed(0.06), t0_s: 20.0 };
    let target = DriftTarget::Slots { slots: (0..16).collect(), factor: 1.0 };
    circuit.drift = vec![Drift { target, model: power, common: false }];
    let x = Matrix::new(1, 16, vec![1.0; 16]);
    let total = |device: &mut Simulator, t: f64| query(device, &x, &call(0, 0, t)).data.iter().sum::<f64>();
    let mut device = open(&circuit);
    let ratio = total(&mut device, 180.0) / total(&mut device, 0.0);
    assert!((ratio - 10f64.powf(-0.12)).abs() < 1e-12, "{ratio}");
    let fade = DriftModel::Linear { rate: Number::Fixed(-0.01) };
    circuit.drift = vec![Drift { target: DriftTarget::Source, model: fade, common: true }];
    let mut device = open(&circuit);
    let ratio = total(&mut device, 10.0) / total(&mut device, 0.0);
    assert!((ratio - 0.9).abs() < 1e-12);

    let mut circuit = lagging(0.0);
    circuit.actuators[0].flicker = Some(Flicker { amplitude: 0.1, frequency_hz: 50.0 });
    circuit.parameters[0].init = Init::Number(Number::Fixed(1.5));
    let mut device = open(&circuit);
    let values: Vec<f64> = (0..40).map(|k| phases(&mut device, 3.0 + 5e-4 * f64::from(k))[0] - 1.5).collect();
    let (mut re, mut im) = (0.0, 0.0);
    for (k, v) in values.iter().enumerate() {
        let (s, c) = (TAU * k as f64 / 40.0).sin_cos();
        (re, im) = (re + v * c / 20.0, im + v * s / 20.0);
    }
    assert!((f64::hypot(re, im) - 0.1).abs() < 1e-9, "all of it at 50 Hz");
    assert!((values.iter().map(|v| v * v).sum::<f64>() / 40.0 - 0.005).abs() < 1e-9);
}
