//! Probes that change one cell of a mesh: the same as the long way, and taken only where they may be.

use super::simulator::{actuator, call, inputs};
use crate::{Simulator, engine::Engine, testing};
use blackbeam_netlist::circuit::*;
use blackbeam_plugin::{ArrayView, ArrayViewMut, Base, Call, Device, Key, Matrix, ParameterSet, can};

/// The answers of a call of several configurations: [sets, rows, outputs].
fn ask(device: &mut dyn Device, w: &[f64], sets: &[ParameterSet], calls: &[Call], x: &Matrix) -> Vec<f64> {
    let shape = [sets.len(), x.rows, device.descriptor().output.width];
    let mut y = vec![f64::NAN; shape.iter().product()];
    device.query_sets([w, w], sets, calls, x.view(), ArrayViewMut::new(&mut y, &shape), false).unwrap();
    y
}

fn scalars(
    device: &mut dyn Device,
    w: &[f64],
    sets: &[ParameterSet],
    calls: &[Call],
    x: &Matrix,
    g: &Matrix,
) -> Vec<f64> {
    let mut sums = vec![f64::NAN; sets.len()];
    device.query_scalars([w, w], sets, calls, x.view(), g.view(), &mut sums, false).unwrap();
    sums
}

/// The same set in a form that goes the long way.
fn dense(set: &ParameterSet, w: &[f64]) -> ParameterSet {
    let mut params = w.to_vec();
    set.expand(&mut params).unwrap();
    ParameterSet::dense(params)
}

fn close(a: &[f64], b: &[f64], tolerance: f64) {
    let worst = a.iter().zip(b).map(|(a, b)| (a - b).abs() / (1.0 + b.abs())).fold(0.0, f64::max);
    assert!(a.len() == b.len() && worst < tolerance, "off by {worst}");
}

/// Meshes of all kinds, with errors and read-outs.
fn devices() -> Vec<Circuit> {
    let mut all = Vec::new();
    let kinds = [
        (6, Cell::Mzi, Convention::Bpbp, Arrangement::Clements),
        (5, Cell::Mzi3, Convention::Bpbp, Arrangement::Reck),
        (8, Cell::Tdc, Convention::Bpbp, Arrangement::Butterfly),
        (4, Cell::Mzi, Convention::Clements2016, Arrangement::Redundant),
    ];
    let modes = [ReadoutMode::CoherentReal, ReadoutMode::Coherent, ReadoutMode::Intensity, ReadoutMode::CoherentImag];
    for (i, (n, cell, convention, arrangement)) in kinds.into_iter().enumerate() {
        for encoding in [EncodingMode::Amplitude, EncodingMode::Complex] {
            let mut circuit = testing::any_mesh(n, cell, convention, arrangement);
            circuit.readout.mode = modes[(i + usize::from(encoding == EncodingMode::Complex)) % 4];
            circuit.encoding.as_mut().unwrap().mode = encoding;
            circuit.parameters[2].trainable = true;
            let Kind::Mesh(mesh) = &circuit.instances[0].kind else { unreachable!() };
            let elements = (0..mesh.cell_count()).map(|index| Element { instance: 0, index }).collect();
            circuit.nonideal = vec![testing::rule(Quantity::CellLoss, elements, Number::Uniform(0.1, 0.5))];
            all.push(circuit);
        }
    }
    all
}

/// Probes of one cell each: one phase or both, a little or far.
fn probes(w: &[f64], outputs: usize) -> Vec<ParameterSet> {
    let cells = (w.len() - outputs) / 2;
    let mut sets = Vec::new();
    for k in 0..w.len() {
        for step in [0.7, -1e-3] {
            sets.push(ParameterSet::sparse(Base::Current, vec![k as u32], vec![step]));
        }
    }
    for k in 0..cells {
        sets.push(ParameterSet::sparse(Base::Current, vec![k as u32, (cells + k) as u32], vec![0.2, -1.1]));
    }
    sets
}

fn calls(count: usize) -> Vec<Call> {
    (0..count).map(|set| call(2, set as u32, 1.0 + 1e-3 * set as f64)).collect()
}

#[test]
fn one_cell_at_a_time_is_the_long_way() {
    for mut circuit in devices() {
        let n = circuit.instances[0].inputs;
        for noisy in [false, true] {
            if noisy {
                let mut heater = actuator(&circuit);
                heater.dac = Some(Dac { levels: 4096, inl_lsb: 0.3, min: 0.0, max: 6.3, rounding: Rounding::Nearest });
                (heater.gain, heater.offset) = (Number::Normal(1.0, 0.01), Number::Normal(0.0, 0.1));
                circuit.actuators = vec![heater];
                (circuit.readout.noise_std, circuit.readout.noise_relative) = (0.01, false);
            }
            let mut device = Engine::<f64>::open(&circuit, 3, 1).unwrap();
            assert!(device.cells.is_some());
            let (w, x) = (device.read_params().unwrap(), inputs(37, device.descriptor().input.width, 0.5));
            let sets = probes(&w, n);
            let (at, long): (_, Vec<_>) = (calls(sets.len()), sets.iter().map(|s| dense(s, &w)).collect());
            let y = ask(&mut device, &w, &sets, &at, &x);
            let expected = ask(&mut device, &w, &long, &at, &x);
            close(&y, &expected, 1e-12);
            let each = y.len() / sets.len();
            // one by one, and in parts of the batch: the same bits
            let mut threads = Simulator::open(&circuit, 3, 2).unwrap();
            assert_eq!(ask(&mut threads, &w, &sets, &at, &x), y);
            for set in [0, 7, sets.len() - 1] {
                let (one, at) = (&sets[set..set + 1], at[set]);
                assert_eq!(ask(&mut device, &w, one, &[at], &x), y[set * each..(set + 1) * each]);
                let d_out = device.descriptor().output.width;
                let later = Matrix::new(20, x.columns, x.data[17 * x.columns..].to_vec());
                let part = ask(&mut device, &w, one, &[Call { first_row: 17, ..at }], &later);
                assert_eq!(part, y[set * each + 17 * d_out..(set + 1) * each]);
            }
        }
    }
}

#[test]
fn sums_without_outputs_are_sums_over_outputs() {
    let mut found = 0;
    for circuit in devices() {
        let n = circuit.instances[0].inputs;
        let mut device = Engine::<f64>::open(&circuit, 3, 1).unwrap();
        let d = device.descriptor();
        let linear = circuit.readout.mode != ReadoutMode::Intensity;
        assert_eq!(d.can(can::SCALARS), linear);
        // more rows than are kept at a time, or fewer
        let rows = if found == 0 { 4100 } else { 37 };
        let (w, x) = (device.read_params().unwrap(), inputs(rows, d.input.width, 0.5));
        let mut g = Matrix::zeros(x.rows, d.output.width);
        Key::new(9).fill_normal(0, &mut g.data);
        let mut sets = probes(&w, n);
        // one that touches two cells goes the long way in between
        sets.insert(5, ParameterSet::sparse(Base::Current, vec![0, 1], vec![0.3, 0.4]));
        let at = calls(sets.len());
        if !linear {
            let mut sums = vec![0.0; sets.len()];
            let refused = device.query_scalars([&w, &w], &sets, &at, x.view(), g.view(), &mut sums, false);
            assert!(refused.unwrap_err().message.contains("linear"));
            continue;
        }
        found += 1;
        let sums = scalars(&mut device, &w, &sets, &at, &x, &g);
        let long: Vec<ParameterSet> = sets.iter().map(|s| dense(s, &w)).collect();
        let y = ask(&mut device, &w, &long, &at, &x);
        let expected: Vec<f64> =
            y.chunks(g.data.len()).map(|y| y.iter().zip(g.data.iter()).map(|(y, g)| y * g).sum()).collect();
        close(&sums, &expected, 1e-12);
        // what is held afterwards is the last set
        let last = device.read_params().unwrap();
        device.write_params(&long[long.len() - 1].values, &at[0]).unwrap();
        assert_eq!(device.read_params().unwrap(), last);
        assert_eq!(scalars(&mut device, &w, &sets[3..4], &at[3..4], &x, &g), sums[3..4]);
    }
    assert!(found > 3);
}

#[test]
fn applied_values_and_single_precision() {
    let mut circuit = testing::mesh(6);
    let mut heater = actuator(&circuit);
    heater.dac = Some(Dac { levels: 64, inl_lsb: 0.0, min: 0.0, max: 6.3, rounding: Rounding::Nearest });
    circuit.actuators = vec![heater];
    let mut double = Simulator::open(&circuit, 3, 1).unwrap();
    circuit.precision = Precision::F32;
    let mut single = Simulator::open(&circuit, 3, 1).unwrap();
    let w = double.read_params().unwrap();
    let x = inputs(5, 6, 0.4);
    let sets: Vec<ParameterSet> =
        (0..w.len()).map(|k| ParameterSet::sparse(Base::Previous, vec![k as u32], vec![0.5])).collect();
    let at = calls(sets.len());
    let long: Vec<ParameterSet> = sets.iter().map(|s| dense(s, &w)).collect();
    let mut y = vec![0.0; sets.len() * 30];
    let mut applied = |sets: &[ParameterSet]| {
        let out = ArrayViewMut::new(&mut y, &[sets.len(), 5, 6]);
        double.query_sets([&w, &w], sets, &at, x.view(), out, true).unwrap()
    };
    assert_eq!(applied(&sets), applied(&long));
    let x32: Vec<f32> = x.data.iter().map(|v| *v as f32).collect();
    let mut y32 = vec![0f32; y.len()];
    for sets in [&sets, &long] {
        let (xv, yv) = (ArrayView::new_f32(&x32, &[5, 6]), ArrayViewMut::new_f32(&mut y32, &[sets.len(), 5, 6]));
        single.query_sets([&w, &w], sets, &at, xv, yv, false).unwrap();
        let wide: Vec<f64> = y32.iter().map(|v| f64::from(*v)).collect();
        close(&wide, &y, 1e-5);
    }
}

#[test]
fn where_a_probe_changes_more_than_its_cell_it_goes_the_long_way() {
    let spoil: [&dyn Fn(&mut Circuit); 6] = [
        &|c| c.actuators[0].crosstalk = Some(Crosstalk::Nearest { strength: 0.01 }),
        &|c| c.actuators[0].tau_s = 1e-6,
        &|c| c.actuators[0].phase_noise_std = 1e-3,
        &|c| c.actuators[0].flicker = Some(Flicker { amplitude: 1e-3, frequency_hz: 50.0 }),
        &|c| c.encoding.as_mut().unwrap().noise_std = 1e-3,
        &|c| c.encoding.as_mut().unwrap().differential = true,
    ];
    for spoil in spoil {
        let mut circuit = testing::mesh(4);
        circuit.actuators = vec![actuator(&circuit)];
        assert!(Engine::<f64>::open(&circuit, 3, 1).unwrap().cells.is_some());
        spoil(&mut circuit);
        let mut device = Engine::<f64>::open(&circuit, 3, 1).unwrap();
        assert!(device.cells.is_none() && !device.descriptor().can(can::SCALARS));
        let (w, x) = (device.read_params().unwrap(), inputs(3, 4, 0.3));
        let sets = [ParameterSet::sparse(Base::Current, vec![1], vec![0.1])];
        let y = ask(&mut device, &w, &sets, &calls(1), &x);
        let mut fresh = Engine::<f64>::open(&circuit, 3, 1).unwrap();
        assert_eq!(ask(&mut fresh, &w, &[dense(&sets[0], &w)], &calls(1), &x), y);
    }
}
