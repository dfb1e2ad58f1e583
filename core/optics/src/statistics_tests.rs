//! Every noise against its formula, within five standard errors of the estimate.

use crate::{
    simulator_tests::{actuator, call, open, query},
    testing,
};
use blackbeam_netlist::circuit::*;
use blackbeam_plugin::{Device, Matrix};
use std::f64::consts::FRAC_PI_2;

fn normal(values: &[f64], mean: f64, std: f64) {
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
    circuit.encoding.differential = true;
    normal(&query(&mut open(&circuit), &x, &call(0, 0, 0.0)).data, 0.0, 0.01 * 2f64.sqrt());
}

#[test]
fn input_noise_is_relative_to_the_converter() {
    let mut circuit = testing::slm(1, 1);
    circuit.parameters[0].init = Init::Number(Number::Fixed(0.0));
    circuit.encoding.noise_std = 0.01;
    circuit.encoding.dac = Some(Dac { bits: 8, min: 0.0, max: 4.0, rounding: Rounding::Nearest });
    let level = 4.0 * 100.0 / 255.0;
    let x = Matrix::new(20_000, 1, vec![level; 20_000]);
    normal(&query(&mut open(&circuit), &x, &call(0, 0, 0.0)).data, level, 0.04);
}

#[test]
fn stochastic_rounding_of_inputs_keeps_the_mean() {
    let mut circuit = testing::slm(1, 1);
    circuit.parameters[0].init = Init::Number(Number::Fixed(0.0));
    circuit.encoding.dac = Some(Dac { bits: 2, min: 0.0, max: 3.0, rounding: Rounding::Stochastic });
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
        quantity: Quantity::Phase,
        elements: (0..10_000).collect(),
        value: Number::Normal(0.0, 0.3),
        relative: false,
        clip: (f64::NEG_INFINITY, f64::INFINITY),
        corrected: 0.8,
    };
    normal(&of(&|c, _| c.nonideal = vec![fabricated.clone()]), 0.0, 0.06);
    let drift = |model| Drift { target: DriftTarget::Phases((0..10_000).collect()), model, common: false };
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
