//! Exact derivatives against central differences of the noise-free device, for every program, encoding and read-out.

use crate::{Simulator, engine::Engine, testing, tests::simulator::call};
use blackbeam_netlist::circuit::*;
use blackbeam_plugin::{ArrayView, ArrayViewMut, Device, Key, can};

/// Checks dL/dx and dL/dw, L = sum G y, at time 1.
fn check(circuit: &Circuit) {
    let mut device = Engine::<f64>::open(circuit, 3, 1).unwrap();
    let d = device.descriptor();
    assert!(d.can(can::EXACT_VJP));
    let (d_in, d_out, rows) = (d.input.width, d.output.width, 3);
    let power = !d.input.min.is_sign_negative();
    let x = testing::uniform(5, rows * d_in, if power { 0.1 } else { -0.9 }, 0.9);
    let mut dy = vec![0.0; rows * d_out];
    Key::new(6).fill_normal(0, &mut dy);
    let at = call(0, 0, 1.0);
    let w = device.read_params().unwrap();
    device.write_params(&w, &at).unwrap();
    let (mut dx, mut dw) = (vec![f64::NAN; x.len()], vec![f64::NAN; w.len()]);
    let room = ArrayViewMut::new(&mut dx, &[rows, d_in]);
    let (xv, dyv) = (ArrayView::new(&x, &[rows, d_in]), ArrayView::new(&dy, &[rows, d_out]));
    device.exact_vjp(xv, dyv, room, &mut dw, &at).unwrap();

    let applied = device.memory.last().applied.clone();
    let mut instant = crate::model::Instant::default();
    device.instant(&at, &mut instant).unwrap();
    let model = &device.model;
    let loss = |applied: &[f64], x: &[f64]| -> f64 {
        model.expectation(applied, &instant, x).unwrap().iter().zip(&dy).map(|(y, g)| y * g).sum()
    };
    let slope = |at: &[f64], k: usize, loss: &dyn Fn(&[f64]) -> f64| {
        let mut moved = at.to_vec();
        moved[k] += 1e-5;
        let up = loss(&moved);
        moved[k] -= 2e-5;
        (up - loss(&moved)) / 2e-5
    };
    let scale = dw.iter().chain(&dx).fold(1.0f64, |a, v| a.max(v.abs()));
    let mut moves = 0.0f64;
    for k in (0..x.len()).step_by(1 + x.len() / 24) {
        let expected = slope(&x, k, &|x| loss(&applied, x));
        assert!((dx[k] - expected).abs() < 2e-6 * scale, "{circuit:?}\nx {k}: {} instead of {expected}", dx[k]);
        moves = moves.max(expected.abs());
    }
    for k in (0..w.len()).step_by(1 + w.len() / 24) {
        let expected = slope(&applied, model.trainable[k], &|applied| loss(applied, &x));
        assert!((dw[k] - expected).abs() < 2e-6 * scale, "{circuit:?}\nw {k}: {} instead of {expected}", dw[k]);
        moves = moves.max(expected.abs());
    }
    assert!(moves > 1e-3, "something depends on something");
}

fn spoilt(mut circuit: Circuit) -> Circuit {
    let faulty = testing::faulty(1);
    let mut actuator = faulty.actuators[0].clone();
    let driven = |b: &ParameterBlock| b.trainable && b.range.1 > 3.0;
    actuator.drives = (0..circuit.parameters.len()).filter(|&i| driven(&circuit.parameters[i])).collect();
    (actuator.slew_per_s, actuator.crosstalk) = (f64::INFINITY, Some(Crosstalk::Nearest { strength: 0.05 }));
    circuit.actuators = vec![actuator];
    let gain = Number::Normal(1.0, 0.2);
    circuit.nonideal = [Quantity::OutputGain, Quantity::InputGain]
        .map(|q| testing::rule(q, vec![Element { instance: 0, index: 0 }], gain))
        .into();
    let slots: Vec<usize> = circuit.parameters.iter().flat_map(|b| b.slots.clone()).collect();
    let drift = |target, model| Drift { target, model, common: false };
    circuit.drift = vec![
        drift(
            DriftTarget::Slots { slots: slots.clone(), factor: 1.0 },
            DriftModel::Power { nu: Number::Fixed(0.05), t0_s: 0.1 },
        ),
        drift(DriftTarget::Slots { slots, factor: 0.5 }, DriftModel::Linear { rate: Number::Fixed(0.01) }),
        drift(DriftTarget::Source, DriftModel::Linear { rate: Number::Fixed(-0.1) }),
    ];
    circuit
}

#[test]
fn every_program() {
    for circuit in [
        testing::mesh(5),
        testing::any_mesh(4, Cell::Tdc, Convention::BpbpT, Arrangement::Butterfly),
        testing::any_mesh(4, Cell::Mzi3, Convention::RxHRy, Arrangement::Redundant),
        testing::bank(3, 4),
        testing::bus_bank(2, 5),
        testing::slm(4, 3),
        testing::ring_circuit(),
        testing::channels(),
        testing::bench(6, SlmKind::Phase),
        testing::bench(6, SlmKind::Amplitude),
        testing::bench(6, SlmKind::Complex),
    ] {
        check(&circuit);
        check(&spoilt(circuit));
    }
}

#[test]
fn every_read_out_and_encoding() {
    use ReadoutMode::{Amplitude, Coherent, CoherentImag, CoherentReal, Intensity};
    let encodings = [
        EncodingMode::Amplitude,
        EncodingMode::Intensity,
        EncodingMode::Phase,
        EncodingMode::Complex,
        EncodingMode::Differential,
        EncodingMode::Iq,
    ];
    for mode in [Amplitude, Coherent, CoherentImag, CoherentReal, Intensity] {
        for encoding in encodings {
            for base in [testing::mesh(4), testing::ring_circuit()] {
                let mut circuit = base;
                circuit.readout.mode = mode;
                let e = circuit.encoding.as_mut().unwrap();
                e.mode = encoding;
                check(&circuit);
                if !matches!(encoding, EncodingMode::Phase | EncodingMode::Differential) {
                    circuit.encoding.as_mut().unwrap().differential = true;
                    check(&spoilt(circuit));
                }
            }
        }
    }
    let mut pairs = testing::mesh(4);
    (pairs.readout.mode, pairs.readout.pairs) = (ReadoutMode::Differential, vec![[4, 6], [5, 7]]);
    check(&pairs);
    for mode in [Coherent, CoherentReal, Amplitude] {
        let mut bench = testing::bench(6, SlmKind::Phase);
        bench.readout.mode = mode;
        check(&bench);
    }
    let mut bank = testing::bank(3, 4);
    bank.encoding.as_mut().unwrap().mode = EncodingMode::Intensity;
    check(&bank);
}

#[test]
fn curved_actuators_and_expressions() {
    for (curve, squared) in [
        (Curve::Polynomial(vec![0.0, 0.1, 0.15]), true),
        (Curve::Polynomial(vec![0.0, 0.1, 0.15]), false),
        (Curve::Table([(0.0, 0.0), (3.0, 1.0), (8.0, 9.0)].into()), true),
        (Curve::Linear { pi: 3.0 }, true),
    ] {
        let mut circuit = spoilt(testing::mesh(4));
        (circuit.actuators[0].curve, circuit.actuators[0].drive_squared) = (curve, squared);
        let dac = Dac { levels: 1 << 20, inl_lsb: 0.0, min: 0.0, max: 8.0, rounding: Rounding::Nearest };
        circuit.actuators[0].dac = Some(dac);
        check(&circuit);
    }
    // the couplings of both couplers follow one number, tied to the phase of the bus: sin^2(p) / 2
    let mut circuit = testing::ring_circuit();
    let (phases, couplings) = (circuit.parameters[0].slots.clone(), circuit.parameters[1].slots.clone());
    // slots of c0 stand first: put the number before all of them
    for slot in &mut circuit.parameters[0].slots {
        *slot += 1;
    }
    circuit.slots.insert(0, Slot::Number(Number::Fixed(0.3)));
    circuit.instances.iter_mut().for_each(|i| i.slots = i.slots.start + 1..i.slots.end + 1);
    let sine = || Box::new(Expr::Call(blackbeam_schematic::Function::Sin, Box::new(Expr::Slot(0))));
    let square = Expr::Binary(blackbeam_schematic::Operator::Multiply, sine(), sine());
    for c in couplings {
        let half = Expr::Binary(
            blackbeam_schematic::Operator::Multiply,
            Box::new(Expr::Constant(0.5)),
            Box::new(square.clone()),
        );
        circuit.slots[c + 1] = Slot::Expr(half);
    }
    circuit.parameters[1] = ParameterBlock {
        slots: vec![0, phases[1] + 1],
        ends: vec![2],
        names: ["tied"].into_iter().collect(),
        ..testing::block(ParameterKind::SettingPhase, 0..1)
    };
    circuit.parameters[0] =
        ParameterBlock { slots: vec![phases[0] + 1], ..testing::block(ParameterKind::SettingPhase, 0..1) };
    check(&circuit);
}

/// Clipping and rounding count as the identity; a configuration that is refused leaves its message.
#[test]
fn shapes_are_checked() {
    let mut device = Simulator::open(&testing::slm(2, 3), 1, 1).unwrap();
    let (mut dx, mut dw) = ([0.0; 3], [0.0; 6]);
    let (x, dy) = ([0.0; 3], [0.0; 4]);
    let (x, dy) = (ArrayView::new(&x, &[1, 3]), ArrayView::new(&dy, &[2, 2]));
    let room = ArrayViewMut::new(&mut dx, &[1, 3]);
    assert!(device.exact_vjp(x, dy, room, &mut dw, &call(0, 0, 0.0)).is_err());
}
