//! Every noise against its formula, within five standard errors of the estimate.

use crate::{
    testing,
    tests::simulator::{actuator, call, open, query},
};
use blackbeam_netlist::circuit::*;
use blackbeam_plugin::{Device, Matrix};
use std::f64::consts::FRAC_PI_2;

pub(crate) fn normal(values: &[f64], mean: f64, std: f64) {
    let n = values.len() as f64;
    let found = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - found).powi(2)).sum::<f64>() / n;
    assert!((found - mean).abs() < 5.0 * std / n.sqrt(), "mean {found}, expected {mean}");
    let error = 5.0 * std * std * (2.0 / n).sqrt();
    assert!((variance - std * std).abs() < error, "variance {variance}, expected {}", std * std);
}

#[test]
fn detection_noise() {
    let mut circuit = testing::slm(16, 4);
    circuit.readout.noise_std = 0.02;
    circuit.timing.averages = 4;
    let x = Matrix::zeros(2000, 4);
    let mut device = open(&circuit);
    device.set_full_scale(3.0).unwrap();
    assert_eq!(device.descriptor().noise, 0.01);
    normal(&query(&mut device, &x, &call(0, 0, 0.0)).data, 0.0, 0.03);
    circuit.readout.noise_relative = false;
    normal(&query(&mut open(&circuit), &x, &call(0, 0, 0.0)).data, 0.0, 0.01);
    // a difference of two readings has twice the variance
    circuit.encoding.as_mut().unwrap().differential = true;
    normal(&query(&mut open(&circuit), &x, &call(0, 0, 0.0)).data, 0.0, 0.01 * 2f64.sqrt());
}

#[test]
fn input_noise_is_relative_to_the_converter() {
    let mut circuit = testing::slm(1, 1);
    circuit.parameters[0].init = Init::Number(Number::Fixed(0.0));
    circuit.encoding.as_mut().unwrap().noise_std = 0.01;
    circuit.encoding.as_mut().unwrap().dac =
        Some(Dac { levels: 256, inl_lsb: 0.0, min: 0.0, max: 4.0, rounding: Rounding::Nearest });
    let level = 4.0 * 100.0 / 255.0;
    let x = Matrix::new(20_000, 1, vec![level; 20_000]);
    normal(&query(&mut open(&circuit), &x, &call(0, 0, 0.0)).data, level, 0.04);
}

#[test]
fn stochastic_rounding_of_inputs_keeps_the_mean() {
    let mut circuit = testing::slm(1, 1);
    circuit.parameters[0].init = Init::Number(Number::Fixed(0.0));
    circuit.encoding.as_mut().unwrap().dac =
        Some(Dac { levels: 4, inl_lsb: 0.0, min: 0.0, max: 3.0, rounding: Rounding::Stochastic });
    let x = Matrix::new(20_000, 1, vec![1.25; 20_000]);
    normal(&query(&mut open(&circuit), &x, &call(0, 0, 0.0)).data, 1.25, (0.25f64 * 0.75).sqrt());
}

/// Entries of an SLM at phase pi/2 show small phases: -sin(delta), of variance (1 - exp(-2 sigma^2)) / 2.
fn phases_of(circuit: &Circuit) -> Vec<f64> {
    let mut device = open(circuit);
    device.write_params(&vec![FRAC_PI_2; 10_000], &call(0, 0, 0.0)).unwrap();
    let matrix = device.read_matrix(&call(0, 0, 3.0)).unwrap();
    matrix.data.iter().map(|v| -(v * 10.0).asin()).collect()
}

#[test]
fn phase_errors() {
    let base = testing::slm(100, 100);
    let of = |change: &dyn Fn(&mut Circuit, &mut Actuator)| {
        let mut circuit = base.clone();
        let mut actuator = actuator(&circuit);
        change(&mut circuit, &mut actuator);
        circuit.actuators = vec![actuator];
        phases_of(&circuit)
    };
    normal(&of(&|_, a| a.phase_noise_std = 0.05), 0.0, 0.05);
    normal(&of(&|_, a| a.offset = Number::Normal(0.1, 0.05)), 0.1, 0.05);
    normal(&of(&|_, a| a.gain = Number::Normal(1.0, 0.02)), 0.0, 0.02 * FRAC_PI_2);
    normal(&of(&|_, a| a.offset = Number::Uniform(-0.1, 0.3)), 0.1, 0.4 / 12f64.sqrt());
    let fabricated = Rule {
        corrected: 0.8,
        ..testing::slot_rule(Quantity::Offset, (0..10_000).collect(), Number::Normal(0.0, 0.3))
    };
    normal(&of(&|c, _| c.nonideal = vec![fabricated.clone()]), 0.0, 0.06);
    let drift = |model| Drift {
        target: DriftTarget::Slots { slots: (0..10_000).collect(), factor: 1.0 },
        model,
        common: false,
    };
    // three seconds after the calibration
    normal(&of(&|c, _| c.drift = vec![drift(DriftModel::Wiener { sigma: 0.02 })]), 0.0, 0.02 * 3f64.sqrt());
    normal(&of(&|c, _| c.drift = vec![drift(DriftModel::Ou { sigma: 0.05, tau_s: 0.1 })]), 0.0, 0.05);
    let all = |c: &mut Circuit, a: &mut Actuator| {
        c.drift = vec![drift(DriftModel::Wiener { sigma: 0.02 }), drift(DriftModel::Ou { sigma: 0.05, tau_s: 0.1 })];
        c.nonideal = vec![fabricated.clone()];
        a.phase_noise_std = 0.05;
    };
    let sum = 0.0012 + 0.0025 + 0.0036 + 0.0025;
    normal(&of(&all), 0.0, f64::sqrt(sum));
}

#[test]
fn gains_of_outputs_drift() {
    let mut circuit = testing::slm(2000, 1);
    let model = DriftModel::Ou { sigma: 0.05, tau_s: 1.0 };
    circuit.drift = vec![Drift { target: DriftTarget::OutputGain((0..2000).collect()), model, common: false }];
    circuit.parameters[0].init = Init::Number(Number::Fixed(0.0));
    let x = Matrix::new(1, 1, vec![1.0]);
    let mut device = open(&circuit);
    normal(&query(&mut device, &x, &call(0, 0, 10.0)).data, 1.0, 0.05);
    let y = query(&mut device, &x, &call(0, 0, 20.0)).data.to_vec();
    assert_eq!(device.read_matrix(&call(0, 0, 20.0)).unwrap().data.to_vec(), y);
}

/// What a laboratory would ask of a 256-mode mesh: opened at once, with everything wrong that a preset says.
#[test]
#[ignore = "a time, for a machine that does nothing else"]
fn a_large_mesh_opens_at_once() {
    let mut circuit = testing::mesh(256);
    let mut actuator = actuator(&circuit);
    (actuator.drives, actuator.gain, actuator.offset) =
        (vec![0, 1], Number::Normal(1.0, 0.005), Number::Normal(0.0, 0.2));
    actuator.dac = Some(Dac { levels: 4096, inl_lsb: 0.0, min: 0.0, max: 6.5, rounding: Rounding::Nearest });
    actuator.curve = Curve::Square { pi: 2.6 };
    actuator.crosstalk = Some(Crosstalk::Nearest { strength: 0.005 });
    circuit.actuators = vec![actuator];
    let elements = (0..2 * 32640).map(|index| Element { instance: 0, index }).collect();
    circuit.nonideal = vec![testing::rule(Quantity::SplitAngle, elements, Number::Normal(0.0, 0.02))];
    circuit.parameters.iter_mut().take(2).for_each(|b| (b.init, b.range) = (Init::Haar, (0.0, std::f64::consts::TAU)));
    for _ in 0..5 {
        let clock = std::time::Instant::now();
        let mut device = open(&circuit);
        let opened = clock.elapsed();
        device.read_matrix(&call(0, 0, 0.0)).unwrap();
        println!("opened in {opened:?}, matrix after {:?}", clock.elapsed());
    }
}
