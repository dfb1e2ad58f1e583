//! Many rows at a time through encoder, detector and set points, against one at a time and against the plain long way.

use crate::{
    chain::{
        admission::Admission,
        detector::{Detection, DetectorRoom},
        drift::Drifts,
        encoder::{EncoderRoom, Part},
        events::Matter,
        lag::Configured,
        setpoint::SetPointRoom,
    },
    model::Model,
    slots::Moved,
    testing,
    tests::simulator::{actuator, call},
};
use blackbeam_netlist::circuit::*;
use blackbeam_plugin::Key;
use std::{
    f64::consts::{PI, TAU},
    hint::black_box,
    time::Instant,
};

fn random(seed: u64, len: usize) -> Vec<f64> {
    let mut values = vec![0.0; len];
    Key::new(seed).fill_normal(0, &mut values);
    values
}

/// Everything that can be wrong with a read-out, in every mode.
fn readouts() -> Vec<Circuit> {
    let modes = [
        ReadoutMode::Amplitude,
        ReadoutMode::Intensity,
        ReadoutMode::Coherent,
        ReadoutMode::CoherentReal,
        ReadoutMode::CoherentImag,
    ];
    let mut circuits = Vec::new();
    for mode in modes {
        let mut circuit = testing::mesh(6);
        circuit.readout.mode = mode;
        circuit.readout.noise_std = 0.01;
        circuit.readout.adc_levels = Some(200);
        circuit.encoding.as_mut().unwrap().noise_std = 0.02;
        circuits.push(circuit.clone());
        circuit.readout.detector = Some(testing::detector());
        let source = Source { power_w: 1e-3, rin_db_hz: -130.0, linewidth_hz: 1e5 };
        circuit.encoding.as_mut().unwrap().source = source;
        circuit.encoding.as_mut().unwrap().differential = true;
        circuits.push(circuit);
    }
    let mut pairs = testing::mesh(6);
    pairs.readout.mode = ReadoutMode::Differential;
    pairs.readout.pairs = vec![[6, 7], [8, 9], [10, 11]];
    pairs.readout.detector = Some(testing::detector());
    circuits.push(pairs);
    circuits
}

#[test]
fn rows_together_are_rows_one_by_one() {
    const ROWS: usize = 37;
    for circuit in readouts() {
        let model = Model::new(&circuit, 3).unwrap();
        let (detector, encoder) = (&model.detector, &model.encoder);
        let gain: Vec<f64> = random(1, detector.outputs()).iter().map(|g| 1.0 + 0.1 * g).collect();
        let matter = Matter { hot: vec![1], dead: vec![2], glitch: 0.3, ..Matter::default() };
        let at = call(4, 0, 0.0);
        let how = Detection { key: detector.key(&at), full_scale: 1.7, gain: &gain, source: 0.9, matter: &matter };
        let (arriving, width) = (model.arriving(), detector.width());
        let fields = random(2, ROWS * arriving);
        let mut room = DetectorRoom::default();
        for &part in encoder.parts() {
            let mut together = vec![0.0; ROWS * width];
            detector.detect_rows(&mut fields.clone(), how, part, 5, &mut together, &mut room);
            let mut alone = vec![0.0; ROWS * width];
            let rows = fields.chunks_exact(arriving).zip(alone.chunks_exact_mut(width)).enumerate();
            for (row, (fields, y)) in rows {
                detector.detect_rows(&mut fields.to_vec(), how, part, 5 + row as u64, y, &mut DetectorRoom::default());
            }
            assert_eq!(together, alone, "{:?}", circuit.readout);
            let single: Vec<f32> = fields.iter().map(|f| *f as f32).collect();
            let mut narrow = vec![0f32; ROWS * width];
            detector.detect_rows(&mut single.clone(), how, part, 5, &mut narrow, &mut room);
            let step = 2.0 * 1.7 / 199.0 + 1e-5;
            let near = together.iter().zip(&narrow).all(|(a, b)| (a - f64::from(*b)).abs() < step);
            assert!(near, "single precision, {:?}", circuit.readout);

            let x = random(3, ROWS * encoder.width);
            let mut together = vec![0.0; ROWS * encoder.sent];
            let shape = (9, encoder.width);
            encoder.encode_rows(&x, part, encoder.keys(&at), shape, &mut together, &mut EncoderRoom::default());
            let mut alone = vec![0.0; ROWS * encoder.sent];
            let rows = x.chunks_exact(encoder.width).zip(alone.chunks_exact_mut(encoder.sent)).enumerate();
            for (row, (x, out)) in rows {
                let shape = (9 + row as u64, encoder.width);
                encoder.encode_rows(x, part, encoder.keys(&at), shape, out, &mut EncoderRoom::default());
            }
            assert_eq!(together, alone);
        }
        let whole = Part::Whole;
        let (mut plus, mut minus) = (vec![0.0; width], vec![0.0; width]);
        detector.detect_rows(&mut fields[..arriving].to_vec(), how, whole, 0, &mut plus, &mut room);
        detector.detect_rows(&mut fields[..arriving].to_vec(), how, Part::Minus, 0, &mut minus, &mut room);
        assert_ne!(plus, minus, "both vectors of a row have noise of their own");
    }
}

#[test]
fn converters_of_set_points_follow_their_curves() {
    let curves = [Curve::Direct, Curve::Linear { pi: 2.3 }, Curve::Square { pi: 3.1 }];
    for (curve, rounding) in curves.into_iter().flat_map(|c| [(c.clone(), Rounding::Nearest), (c, Rounding::Floor)]) {
        let mut circuit = testing::mesh(4);
        let mut actuator = actuator(&circuit);
        actuator.curve = curve.clone();
        let (levels, max) = (300, 7.0);
        actuator.dac = Some(Dac { levels, inl_lsb: 0.0, min: 0.0, max, rounding });
        circuit.actuators = vec![actuator];
        let model = Model::new(&circuit, 3).unwrap();
        let phase = |drive: f64| match curve {
            Curve::Linear { pi } => PI * (drive / pi),
            Curve::Square { pi } => PI * (drive / pi).powi(2),
            _ => drive,
        };
        let steps: Vec<f64> = (0..levels).map(|k| max * f64::from(k) / f64::from(levels - 1)).collect();
        let mut next = Configured::empty(&call(0, 0, 0.0));
        for seed in 0..20 {
            next.applied = random(seed, model.parameters.len()).iter().map(|z| z.abs() * 3.0).collect();
            let asked = next.applied.clone();
            model.set_points.configure(&call(0, 0, 0.0), None, &[], &mut next);
            for (asked, applied) in asked.iter().zip(&next.applied) {
                let wanted =
                    (0..levels as usize).filter(|&k| rounding == Rounding::Nearest || phase(steps[k]) <= *asked);
                let drive = |k: usize| match curve {
                    Curve::Square { pi } => (steps[k] - pi * (asked / PI).sqrt()).abs(),
                    _ => (phase(steps[k]) - asked).abs(),
                };
                let nearest = wanted.min_by(|&a, &b| drive(a).total_cmp(&drive(b))).unwrap();
                assert!((applied - phase(steps[nearest])).abs() < 1e-12, "{curve:?} {rounding:?} {asked} {applied}");
            }
            assert_eq!(next.applied, next.target);
        }
    }
}

#[test]
fn admission_is_that_of_each_parameter() {
    let circuit = testing::mesh(5);
    let model = Model::new(&circuit, 3).unwrap();
    let admission = Admission::new(&model.parameters, &model.trainable);
    let (mut values, mut asked) = (Vec::new(), Vec::new());
    let mut params: Vec<f64> = random(8, model.trainable.len()).iter().map(|z| 5.0 * z).collect();
    params[3] = 1e9;
    admission.admit(&params, &mut values, &mut asked).unwrap();
    let mut expected: Vec<f64> = model.parameters.iter().map(|p| p.initial).collect();
    for (&place, &value) in model.trainable.iter().zip(&params) {
        expected[place] = model.parameters[place].admit(value);
    }
    assert_eq!(values, expected);
    assert!(model.trainable.iter().zip(&asked).all(|(&place, &value)| value == expected[place]));
    for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        params[7] = wrong;
        assert_eq!(admission.admit(&params, &mut values, &mut asked), Err(7));
    }
}

/// Nanoseconds of the best of many rounds.
fn best(rounds: usize, mut work: impl FnMut()) -> f64 {
    let time = |work: &mut dyn FnMut()| {
        let clock = Instant::now();
        work();
        clock.elapsed().as_secs_f64() * 1e9
    };
    (0..rounds).map(|_| time(&mut work)).fold(f64::INFINITY, f64::min)
}

#[test]
#[ignore = "times, for a machine that does nothing else"]
fn costs_of_the_chain() {
    let mut circuit = testing::mesh(64);
    circuit.readout.mode = ReadoutMode::Coherent;
    circuit.readout.noise_std = 0.01;
    circuit.readout.adc_levels = Some(256);
    let mut heater = actuator(&circuit);
    heater.dac = Some(Dac { levels: 256, inl_lsb: 0.0, min: 0.0, max: 7.0, rounding: Rounding::Nearest });
    heater.curve = Curve::Square { pi: 4.0 };
    heater.phase_noise_std = 0.0;
    circuit.actuators = vec![heater];
    let slots: Vec<usize> = (0..4096).collect();
    let model = DriftModel::Ou { sigma: 0.02, tau_s: 600.0 };
    circuit.drift = vec![Drift { target: DriftTarget::Slots { slots, factor: 1.0 }, model, common: false }];
    let dac = Dac { levels: 256, inl_lsb: 0.0, min: -1.0, max: 1.0, rounding: Rounding::Nearest };
    circuit.encoding.as_mut().unwrap().dac = Some(dac);
    let model = Model::new(&circuit, 3).unwrap();

    let rows = 100;
    let (arriving, width) = (model.arriving(), model.detector.width());
    let mut z = vec![0.0; rows * width];
    let each = (rows * width) as f64;
    println!("normal {:.2} ns", best(500, || Key::new(1).fill_normal(0, black_box(&mut z))) / each);
    let at = call(4, 0, 0.0);
    let matter = Matter::default();
    let how =
        Detection { key: model.detector.key(&at), full_scale: 2.0, gain: &model.gain, source: 1.0, matter: &matter };
    let (mut fields, mut y, mut room) = (random(2, rows * arriving), z.clone(), DetectorRoom::default());
    let detect = || model.detector.detect_rows(black_box(&mut fields), how, Part::Whole, 0, &mut y, &mut room);
    println!("output {:.2} ns (noise, ADC)", best(500, detect) / each);
    let (mut narrow, mut y) = (vec![0.5f32; rows * arriving], vec![0f32; rows * width]);
    let detect = || model.detector.detect_rows(black_box(&mut narrow), how, Part::Whole, 0, &mut y, &mut room);
    println!("output {:.2} ns, single precision", best(500, detect) / each);
    let (x, keys) = (random(4, rows * model.encoder.width), model.encoder.keys(&at));
    let (mut out, mut room) = (vec![0.0; rows * model.encoder.sent], EncoderRoom::default());
    let shape = (0, model.encoder.width);
    let encode = || model.encoder.encode_rows(black_box(&x), Part::Whole, keys, shape, &mut out, &mut room);
    println!("input {:.2} ns (DAC)", best(500, encode) / x.len() as f64);

    let params: Vec<f64> = random(5, model.trainable.len()).iter().map(|z| PI + 0.3 * z).collect();
    let each = model.parameters.len() as f64;
    let (mut next, mut room) = (Configured::empty(&at), SetPointRoom::default());
    println!("admit {:.2} ns", best(500, || model.admit(black_box(&params), &mut next).unwrap()) / each);
    let configure = || model.set_points.configure(&at, None, &[], black_box(&mut next));
    println!("configure {:.2} ns", best(500, configure) / each);
    let mut physical = Vec::new();
    let bring = || model.set_points.at(black_box(&next), 0.0, &mut physical, &mut room);
    println!("physical {:.2} ns", best(500, bring) / each);
    let mut moved = Moved { added: vec![0.0; model.slots.len()], factor: Vec::new() };
    let mut slots = Vec::new();
    println!("slots {:.2} ns", best(500, || model.slots.fill(black_box(&physical), &moved, &mut slots)) / each);
    let mut drifts = Drifts::new(&circuit, 3, &model.places, model.detector.outputs()).unwrap();
    let (mut gains, mut source, mut time) = (model.gain.clone(), 1.0, 0.0);
    for (step, what) in [(0.0, "same time"), (1e-4, "0.1 ms later"), (1.0 / 64.0, "a tick later"), (TAU, "6 s later")] {
        let mut drift = || {
            time += step;
            moved.added.fill(0.0);
            drifts.add(time, &mut moved, &mut gains, &mut source);
        };
        // The mean: what a tick costs differs from tick to tick.
        println!("drift of a set, {what}: {:.1} us", best(5, || (0..256).for_each(|_| drift())) * 1e-3 / 256.0);
    }
}
