//! Scattering programs and their S-parameters against closed forms and against other programs.

use crate::{
    Explanation, Optics, testing,
    testing::Builder,
    tests::simulator::{call, open, query},
};
use blackbeam_netlist::circuit::*;
use blackbeam_plugin::{Code, Device, Key, Matrix};
use num_complex::Complex64;
use std::f64::consts::{PI, TAU};

/// in -> through and in -> drop of an add-drop ring: power couplings k0 and k1, amplitude a and phase q of a round trip, of
/// which the part before the drop coupler has the amplitude `half` and phase q1.
fn add_drop(k0: f64, k1: f64, a: f64, q: f64, (half, q1): (f64, f64)) -> (Complex64, Complex64) {
    let (t0, t1) = ((1.0 - k0).sqrt(), (1.0 - k1).sqrt());
    let turn = Complex64::from_polar(a, q);
    let below = 1.0 - t0 * t1 * turn;
    ((t0 - t1 * turn) / below, -(k0 * k1).sqrt() * Complex64::from_polar(half, q1) / below)
}

#[test]
fn a_ring_has_its_closed_form() {
    let circuit = testing::ring_circuit();
    let mut device = open(&circuit);
    let w = [1.3, 0.4, 0.25, 0.15];
    let at = call(0, 0, 0.0);
    device.write_params(&w, &at).unwrap();
    let mut both = circuit.clone();
    both.readout.mode = ReadoutMode::Coherent;
    let mut device_both = open(&both);
    device_both.write_params(&w, &at).unwrap();
    let y = query(&mut device_both, &Matrix::new(1, 2, vec![1.0, 0.0]), &at);
    let half = 10f64.powf(-0.3 / 20.0);
    let a = half * 10f64.powf(-1e-4 * 30.0 * 20.0 / 20.0);
    let q = 1.3 + TAU * 2.34 * 20.0 / 1.55;
    let (through, drop) = add_drop(0.25, 0.15, a, q, (half, 1.3));
    for (k, s) in [through, drop].into_iter().enumerate() {
        let found = Complex64::new(y.data[2 * k], y.data[2 * k + 1]);
        assert!((found - s * Complex64::cis(0.4)).norm() < 1e-12, "{found} {s}");
    }
    // light lost in the ring and nowhere else: passivity
    assert!(through.norm_sqr() + drop.norm_sqr() < 1.0);
    let why = Explanation::new(&circuit, 1).unwrap();
    assert!(why.program == "scattering solve" && why.why.contains("feedback"), "{why:?}");
    assert!(why.insertion_loss_db.unwrap().0 > 0.0 && why.flops_per_configuration > 0.0);
}

#[test]
fn spectra_and_probes() {
    let mut circuit = testing::ring_circuit();
    circuit.environment.wavelengths_um = (0..50).map(|k| 1.54 + 0.0004 * f64::from(k)).collect();
    circuit.encoding = None;
    // behind the heater
    circuit.probes = vec![OuterPort { name: "ring".into(), port: Port { instance: 2, port: 1 } }];
    circuit.parameters.iter_mut().for_each(|p| p.init = Init::Number(Number::Fixed(0.2)));
    let optics = Optics::new(&circuit, 1).unwrap();
    let s = optics.spectrum().unwrap();
    assert_eq!(s.outputs[4..], ["ring_fwd", "ring_bwd"]);
    let half = 10f64.powf(-0.3 / 20.0);
    let a = half * 10f64.powf(-1e-4 * 30.0 * 20.0 / 20.0);
    for (l, wl) in s.wavelengths_um.iter().enumerate() {
        let n = 2.34 - (wl - 1.55) * (3.4 - 2.34) / 1.55;
        let (through, drop) = add_drop(0.2, 0.2, a, 0.2 + TAU * n * 20.0 / wl, (half, 0.2));
        let bus = Complex64::cis(0.2);
        assert!((s.get(l, 0, 2) - through * bus).norm() < 1e-12 && (s.get(l, 0, 3) - drop * bus).norm() < 1e-12);
        // reciprocity, and no light comes back
        assert!((s.get(l, 2, 0) - s.get(l, 0, 2)).norm() < 1e-13 && s.get(l, 0, 0).norm() < 1e-13);
        // what leaves the heater goes into the drop coupler
        assert!((s.get(l, 0, 4) * Complex64::I * 0.2f64.sqrt() - s.get(l, 0, 3)).norm() < 1e-12);
        assert!(s.get(l, 0, 5).norm() < 1e-13 && s.get(l, 2, 5).norm() > 0.01);
    }
    // queries need an encoding, and the message says so
    let error = crate::Simulator::open(&circuit, 1, 1).err().unwrap();
    assert!(error.code == Code::SETTINGS && error.message.contains("encoding"), "{error}");
    assert!(Explanation::new(&circuit, 1).is_ok());
    // a sweep cannot be queried
    circuit.encoding = Some(testing::encoding(vec![0, 1]));
    assert!(crate::Simulator::open(&circuit, 1, 1).err().unwrap().message.contains("sweep"));
}

/// Light between two mirrors of amplitude r: T = (1 - r^2) e^{iq} / (1 + r^2 e^{2iq}) for mirrors that reflect i r.
#[test]
fn reflections_make_a_cavity() {
    let mut b = Builder::default();
    let guide = b.add("g", "phase", &[("phi", 0.9)]);
    let mut circuit = b.finish(&[(guide, 0), (guide, 1)], 1, ReadoutMode::CoherentReal);
    circuit.encoding = None;
    let element = vec![Element { instance: 0, index: 0 }];
    circuit.nonideal = vec![testing::rule(Quantity::Reflection, element.clone(), Number::Fixed(-6.0))];
    let s = Optics::new(&circuit, 1).unwrap().spectrum().unwrap();
    let r2 = 10f64.powf(-0.6);
    let expected = (1.0 - r2) * Complex64::cis(0.9) / (1.0 + r2 * Complex64::cis(1.8));
    assert!((s.get(0, 0, 1) - expected).norm() < 1e-12);
    assert!((s.get(0, 0, 0).norm_sqr() + s.get(0, 0, 1).norm_sqr() - 1.0).abs() < 1e-12, "no light is lost");
    // one mirror, extra loss and phase
    circuit.nonideal = vec![
        testing::rule(Quantity::Backscatter, element.clone(), Number::Fixed(0.3)),
        testing::rule(Quantity::ExtraLoss, element.clone(), Number::Fixed(3.0)),
        testing::rule(Quantity::ExtraPhase, element, Number::Fixed(0.5)),
    ];
    let s = Optics::new(&circuit, 1).unwrap().spectrum().unwrap();
    let through = Complex64::from_polar(0.91f64.sqrt() * 10f64.powf(-0.15), 1.4);
    assert!((s.get(0, 0, 1) - through).norm() < 1e-12 && (s.get(0, 0, 0) - Complex64::new(0.0, 0.3)).norm() < 1e-12);
    // a quantity that the instance does not have
    circuit.nonideal =
        vec![testing::rule(Quantity::CellLoss, vec![Element { instance: 0, index: 0 }], Number::Fixed(1.0))];
    assert!(Optics::new(&circuit, 1).err().unwrap().message.contains("makes no sense"));
}

/// A mesh written out as couplers and phases is the generator; instances may come in any order.
#[test]
fn an_expanded_mesh_is_the_mesh() {
    let n = 4;
    let phases = testing::uniform(3, 6 + 6 + 4, 0.0, TAU);
    let mut b = Builder::default();
    let mut ends: Vec<Option<(usize, usize)>> = vec![None; n];
    let mut ports = vec![(0, 0); n];
    let mut join =
        |b: &mut Builder, ends: &mut Vec<Option<(usize, usize)>>, mode: usize, to: (usize, usize)| match ends[mode] {
            Some(from) => b.link(from, to),
            None => ports[mode] = to,
        };
    for (cell, (layer, mode)) in [(0, 0), (0, 2), (1, 1), (2, 0), (2, 2), (3, 1)].into_iter().enumerate() {
        let phi = b.add(&format!("phi{layer}.{mode}"), "phase", &[("phi", phases[6 + cell])]);
        let c0 = b.add(&format!("a{layer}.{mode}"), "coupler_ideal", &[]);
        let theta = b.add(&format!("theta{layer}.{mode}"), "phase", &[("phi", phases[cell])]);
        let c1 = b.add(&format!("b{layer}.{mode}"), "coupler_ideal", &[]);
        join(&mut b, &mut ends, mode, (phi, 0));
        join(&mut b, &mut ends, mode + 1, (c0, 1));
        b.link((phi, 1), (c0, 0));
        b.link((c0, 2), (theta, 0));
        b.link((theta, 1), (c1, 0));
        b.link((c0, 3), (c1, 1));
        (ends[mode], ends[mode + 1]) = (Some((c1, 2)), Some((c1, 3)));
    }
    for mode in 0..n {
        let gamma = b.add(&format!("gamma{mode}"), "phase", &[("phi", phases[12 + mode])]);
        b.link(ends[mode].unwrap(), (gamma, 0));
        ends[mode] = Some((gamma, 1));
    }
    ports.extend(ends.into_iter().map(Option::unwrap));
    let mut expanded = b.finish(&ports, n, ReadoutMode::CoherentReal);
    let mut mesh = testing::mesh(n);
    for (k, block) in mesh.parameters.iter_mut().enumerate() {
        let range = [0..6, 6..12, 12..16][k].clone();
        (block.init, block.range) = (Init::Values(phases[range].into()), (0.0, TAU));
    }
    let at = call(0, 0, 0.0);
    let matrix = |circuit: &Circuit| open(circuit).read_matrix(&at).unwrap();
    let (a, m) = (matrix(&expanded), matrix(&mesh));
    let worst = a.data.iter().zip(m.data.iter()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst < 1e-13, "{worst}");
    // the mesh as a block of a circuit: a phase before its first input
    let slots = mesh.slots.len();
    let settings = blackbeam_components::find("phase").unwrap().settings.len();
    mesh.instances.push(Instance {
        path: "extra".into(),
        kind: Kind::Primitive("phase"),
        slots: slots..slots + settings,
        inputs: 1,
        outputs: 1,
    });
    mesh.slots.extend((0..settings).map(|_| Slot::Number(Number::Fixed(0.0))));
    mesh.links = vec![[Port { instance: 1, port: 1 }, Port { instance: 0, port: 0 }]];
    mesh.ports[0].port = Port { instance: 1, port: 0 };
    let mixed = matrix(&mesh);
    assert!(mixed.data.iter().zip(m.data.iter()).all(|(a, b)| (a - b).abs() < 1e-13));
    assert!(Explanation::new(&mesh, 1).unwrap().parts.iter().any(|p| p.contains("generators")));
    // random errors belong to paths
    let errors = testing::slot_rule(Quantity::Offset, (0..expanded.slots.len()).collect(), Number::Normal(0.0, 0.01));
    expanded.nonideal = vec![errors.clone()];
    let before = matrix(&expanded);
    let count = expanded.instances.len();
    expanded.instances.reverse();
    let turn = |p: &mut Port| p.instance = count - 1 - p.instance;
    expanded.links.iter_mut().flatten().for_each(turn);
    expanded.ports.iter_mut().for_each(|p| turn(&mut p.port));
    let after = matrix(&expanded);
    assert!(before.data.iter().zip(after.data.iter()).all(|(a, b)| (a - b).abs() < 1e-12));
    assert!(before.data.iter().zip(a.data.iter()).any(|(a, b)| (a - b).abs() > 1e-4));
}

/// Two rings with heaters that warm each other start on their channels, and powers add up.
#[test]
fn channels_and_resonance() {
    let mut circuit = testing::channels();
    circuit.parameters[0].init = Init::Resonance;
    let mut actuator = testing::faulty(0).actuators[0].clone();
    (actuator.drives, actuator.dac, actuator.curve) = (vec![0], None, Curve::Direct);
    actuator.drive_squared = false;
    (actuator.crosstalk, actuator.flicker) = (Some(Crosstalk::Nearest { strength: 0.05 }), None);
    actuator.phase_noise_std = 0.0;
    actuator.tau_s = 0.0;
    circuit.actuators = vec![actuator];
    let mut device = open(&circuit);
    let at = call(0, 0, 0.0);
    let start = device.read_params().unwrap();
    let resonant = device.read_matrix(&at).unwrap();
    // a ring on its channel drops it: through - drop is close to its minimum there
    for k in 0..2 {
        assert!(resonant.data[k] < -0.5, "{resonant:?}");
        for step in [-0.02, 0.02] {
            let mut moved = start.clone();
            moved[k] += step;
            device.write_params(&moved, &at).unwrap();
            let other = device.read_matrix(&at).unwrap();
            assert!(other.data[k] > resonant.data[k] - 1e-3, "{k} {step}: {other:?} {resonant:?}");
        }
    }
    device.write_params(&start, &at).unwrap();
    let x = Matrix::new(1, 2, vec![0.3, 0.8]);
    let y = query(&mut device, &x, &at);
    let expected = 0.3 * resonant.data[0] + 0.8 * resonant.data[1];
    assert!((y.data[0] - expected).abs() < 1e-12);
    // the same in a bank: phases at multiples of a turn, errors and crosstalk included
    let mut bank = testing::bank(3, 4);
    bank.parameters[0].init = Init::Resonance;
    bank.actuators = circuit.actuators.clone();
    bank.nonideal = vec![testing::slot_rule(Quantity::Offset, (0..12).collect(), Number::Normal(0.0, 1.0))];
    let matrix = open(&bank).read_matrix(&at).unwrap();
    let least = 2.0 * (0.9f64 - 0.8) / (1.0 - 0.72) - 1.0;
    assert!(matrix.data.iter().all(|w| (w - least).abs() < 1e-9), "{matrix:?} {least}");
}

/// Lossless circuits keep all power, lossy ones never give more than they get.
#[test]
fn energy() {
    for seed in 0..20 {
        let key = Key::new(seed);
        let mut b = Builder::default();
        let couplers: Vec<usize> =
            (0..5).map(|i| b.add(&format!("c{i}"), "coupler_ideal", &[("coupling", key.uniform(i))])).collect();
        let loss = if seed % 2 == 0 { 0.0 } else { 1.0 };
        for i in 0..5 {
            let settings = [("phi", TAU * key.uniform(10 + i as u64)), ("loss_dB", loss)];
            let p = b.add(&format!("p{i}"), "phase", &settings);
            b.link((couplers[i], 2), (p, 0));
            // a loop over all couplers
            b.link((p, 1), (couplers[(i + 1) % 5], 0));
        }
        let ports: Vec<(usize, usize)> = (0..5).map(|i| (i, 1)).chain((0..5).map(|i| (i, 3))).collect();
        let mut circuit = b.finish(&ports, 5, ReadoutMode::CoherentReal);
        circuit.encoding = None;
        let s = Optics::new(&circuit, 1).unwrap().spectrum().unwrap();
        for i in 0..10 {
            let power: f64 = (0..10).map(|o| s.get(0, i, o).norm_sqr()).sum();
            assert!(if loss == 0.0 { (power - 1.0).abs() < 1e-10 } else { power < 1.0 }, "{seed}: {power}");
        }
    }
}

#[test]
fn free_space_keeps_power_and_sees_the_mask() {
    let mut circuit = testing::bench(4, SlmKind::Phase);
    let Kind::FreeSpace(FreeSpace::Slm { fill_factor, .. }) = &mut circuit.instances[2].kind else { panic!("an SLM") };
    *fill_factor = 1.0;
    circuit.instances[1].kind =
        Kind::FreeSpace(FreeSpace::Propagate { distance_um: 50.0, method: Propagation::AngularSpectrum, pad: 1 });
    let mut device = open(&circuit);
    let at = call(0, 0, 0.0);
    device.write_params(&[0.0; 16], &at).unwrap();
    let y = query(&mut device, &Matrix::new(1, 16, vec![1.0; 16]), &at);
    // an even field: all light in the pixel on the axis, row 2 and column 2
    assert!((y.data[3] - 16.0).abs() < 1e-9 && y.data[..3].iter().all(|v| *v < 1e-9), "{y:?}");
    // a grating of period 2 along the columns sends it to column 0
    let grating: Vec<f64> = (0..16).map(|i| PI * f64::from(i % 2)).collect();
    device.write_params(&grating, &at).unwrap();
    let y = query(&mut device, &Matrix::new(1, 16, vec![1.0; 16]), &at);
    assert!((y.data[2] - 16.0).abs() < 1e-9, "{y:?}");
    assert!(Explanation::new(&circuit, 1).unwrap().program.contains("Fourier"));
}
