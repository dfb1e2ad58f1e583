//! Noise of sources and detectors in physical units, and converters, against their formulas; five standard errors each.

use crate::{
    Simulator, testing,
    tests::{
        simulator::{call, open, query},
        statistics::normal,
    },
};
use blackbeam_netlist::circuit::*;
use blackbeam_plugin::{Device, Matrix};

const Q: f64 = 1.602_176_634e-19;
const K: f64 = 1.380_649e-23;

/// A mesh of one mode: y is x, or |x|^2.
fn straight(mode: ReadoutMode, detector: Detector) -> Circuit {
    let mut circuit = testing::mesh(1);
    circuit.readout.mode = mode;
    circuit.readout.detector = Some(detector);
    circuit.parameters[2].init = Init::Number(Number::Fixed(0.0));
    circuit
}

fn answers(circuit: &Circuit, x: f64) -> Vec<f64> {
    let rows = 40_000;
    query(&mut open(circuit), &Matrix::new(rows, 1, vec![x; rows]), &call(0, 0, 0.0)).data.to_vec()
}

#[test]
fn direct_detection() {
    let detector = Detector { rin: false, ..testing::detector() };
    let mut circuit = straight(ReadoutMode::Intensity, detector);
    let source = |power_w, rin_db_hz| Source { power_w, rin_db_hz, linewidth_hz: 0.0 };
    circuit.encoding.as_mut().unwrap().source = source(1e-5, -120.0);
    let unit = 0.9 * 1e-5;
    let sigma = |x: f64| {
        let current = unit * x * x;
        ((2.0 * Q * (current + 1e-8) + 4.0 * K * 300.0 / 50.0) * 1e9).sqrt() / unit
    };
    for x in [0.0, 0.7, 2.0] {
        normal(&answers(&circuit, x), x * x, sigma(x));
    }
    // averaging divides the variance
    circuit.timing.averages = 4;
    normal(&answers(&circuit, 2.0), 4.0, 0.5 * sigma(2.0));
    circuit.timing.averages = 1;
    // shot noise alone, of a field in units of its own
    circuit.readout.detector = Some(Detector { thermal: false, dark_current_a: 0.0, ..detector });
    circuit.encoding.as_mut().unwrap().scale = 0.5;
    normal(&answers(&circuit, 1.0), 1.0, (2.0 * Q * 0.25 * unit * 1e9).sqrt() / (0.25 * unit));
    circuit.encoding.as_mut().unwrap().scale = 1.0;
    // relative intensity noise of the source: 10^(-12) 1e9 of its power
    circuit.readout.detector = Some(Detector { thermal: false, shot: false, rin: true, ..detector });
    normal(&answers(&circuit, 2.0), 4.0, 4.0 * (1e-12 * 1e9f64).sqrt());
    // balanced detectors both have shot noise
    let mut pair = testing::mesh(2);
    pair.readout = Readout { pairs: vec![[2, 3]], mode: ReadoutMode::Differential, ..circuit.readout.clone() };
    pair.readout.detector = Some(Detector { thermal: false, dark_current_a: 0.0, ..detector });
    pair.encoding.as_mut().unwrap().source = source(1e-5, f64::NEG_INFINITY);
    let rows = 40_000;
    let mut device = open(&pair);
    let y = query(&mut device, &Matrix::new(rows, 2, [0.6, 0.8].repeat(rows)), &call(0, 0, 0.0));
    let mean = y.data.iter().sum::<f64>() / rows as f64;
    let variance = y.data.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / rows as f64;
    let expected = 2.0 * Q * 1e9 / unit;
    assert!((variance / expected - 1.0).abs() < 5.0 * (2.0 / rows as f64).sqrt(), "{variance} {expected}");
}

#[test]
fn coherent_detection() {
    let detector = Detector { rin: false, ..testing::detector() };
    let mut circuit = straight(ReadoutMode::CoherentReal, detector);
    circuit.readout.lo_power_w = 2e-3;
    let source = Source { power_w: 1e-6, rin_db_hz: f64::NEG_INFINITY, linewidth_hz: 0.0 };
    circuit.encoding.as_mut().unwrap().source = source;
    let variance = |lo: f64| (2.0 * Q * (0.9 * lo + 1e-8) + 4.0 * K * 300.0 / 50.0) * 1e9;
    let unit = 2.0 * 0.9 * f64::sqrt(2e-3 * 1e-6);
    normal(&answers(&circuit, 0.3), 0.3, variance(2e-3).sqrt() / unit);
    // behind a hybrid both quadratures have half of the light
    circuit.readout.mode = ReadoutMode::Coherent;
    let both = answers(&circuit, 0.3);
    let quadrature = |k: usize| both.iter().skip(k).step_by(2).copied().collect::<Vec<f64>>();
    normal(&quadrature(0), 0.3, variance(1e-3).sqrt() / (0.5 * unit));
    normal(&quadrature(1), 0.0, variance(1e-3).sqrt() / (0.5 * unit));
    // phase noise between source and local oscillator: N(0, 2 pi linewidth / B); the mean field shrinks by exp(-var / 2)
    circuit.readout.detector = Some(Detector { shot: false, thermal: false, ..detector });
    circuit.encoding.as_mut().unwrap().source.linewidth_hz = 1e6;
    let both = answers(&circuit, 1.0);
    let angles: Vec<f64> = both.chunks(2).map(|f| f[1].atan2(f[0])).collect();
    normal(&angles, 0.0, (std::f64::consts::TAU * 1e6 / 1e9).sqrt());
    assert!(both.chunks(2).all(|f| (f[0].hypot(f[1]) - 1.0).abs() < 1e-12));
}

/// EMVA 1288: variance eta mu_p + sigma_d^2 electrons, saturation at the full well.
#[test]
fn cameras_count_electrons() {
    let camera =
        Camera { quantum_efficiency: 0.6, exposure_s: 1e-3, read_noise_e: 2.0, full_well_e: 2000.0, dark_e: 3.0 };
    let detector = Detector { camera: Some(camera), rin: false, thermal: false, ..testing::detector() };
    let mut circuit = straight(ReadoutMode::Intensity, detector);
    circuit.environment.wavelengths_um = vec![0.633];
    circuit.encoding.as_mut().unwrap().source.power_w = 5e-13;
    // photons: P t wl / (h c)
    let electrons: f64 = 0.6 * 5e-13 * 1e-3 * 0.633e-6 / (6.626_070_15e-34 * 299_792_458.0);
    assert!((electrons - 955.9).abs() < 0.5, "{electrons}");
    normal(&answers(&circuit, 1.0), 1.0, (electrons + 3.0 + 4.0).sqrt() / electrons);
    normal(&answers(&circuit, 0.0), 0.0, 7f64.sqrt() / electrons);
    let full = 2000.0 / electrons;
    normal(&answers(&circuit, 3.0), full, (2000.0f64 + 7.0).sqrt() / electrons);
    // the range of the ADC is the full well
    circuit.readout.adc_range = AdcRange::FullWell;
    circuit.readout.adc_levels = Some(16);
    let device = open(&circuit);
    assert!((device.descriptor().output.max - full).abs() < 1e-12);
    // a coherent camera makes no sense
    circuit.readout.mode = ReadoutMode::CoherentReal;
    assert!(Simulator::open(&circuit, 1, 1).is_err());
}

#[test]
fn ranges_in_volts() {
    let detector = Detector { rin: false, shot: false, thermal: false, ..testing::detector() };
    let mut circuit = straight(ReadoutMode::Intensity, detector);
    circuit.readout.tia_ohm = Some(4000.0);
    circuit.readout.adc_range = AdcRange::Volts(3.6);
    circuit.readout.adc_levels = Some(3);
    // y = 1 is 0.9 A/W 1 mW 4 kohm = 3.6 V: levels 0, 1/2, 1
    let mut device = open(&circuit);
    let y = query(&mut device, &Matrix::new(4, 1, vec![0.3, 0.6, 0.9, 5.0]), &call(0, 0, 0.0));
    assert!(y.data.iter().zip([0.0, 0.5, 1.0, 1.0]).all(|(y, level)| (y - level).abs() < 1e-12), "{y:?}");
    circuit.readout.detector = None;
    assert!(Simulator::open(&circuit, 1, 1).is_err());
}

/// Codes with errors and a measured curve, exactly: what is applied is nominal, what the light meets is not.
#[test]
fn staircases_of_phases() {
    let mut circuit = testing::slm(1, 1);
    circuit.readout.mode = ReadoutMode::Coherent;
    let points = [(0.0, 0.0), (2.0, 1.0), (3.0, 6.5)];
    let mut actuator = testing::faulty(0).actuators[0].clone();
    actuator = Actuator {
        drives: vec![0],
        dac: Some(Dac { levels: 7, inl_lsb: 0.0, min: 0.0, max: 3.0, rounding: Rounding::Nearest }),
        curve: Curve::Table(points.into()),
        offset: Number::Fixed(0.0),
        gain: Number::Fixed(1.0),
        crosstalk: None,
        flicker: None,
        tau_s: 0.0,
        lags: true,
        slew_per_s: f64::INFINITY,
        phase_noise_std: 0.0,
        ..actuator
    };
    circuit.actuators = vec![actuator];
    let stairs = [0.0, 0.25, 0.5, 0.75, 1.0, 3.75, 6.5];
    let at = call(0, 0, 0.0);
    let run = |circuit: &Circuit| -> Vec<(f64, f64)> {
        let mut device = open(circuit);
        let ask = |device: &mut Simulator, w: f64| {
            let applied = device.write_params(&[w], &at).unwrap().values[0];
            let y = query(device, &Matrix::new(1, 1, vec![1.0]), &at);
            (applied, y.data[1].atan2(y.data[0]).rem_euclid(std::f64::consts::TAU))
        };
        stairs.iter().take(6).map(|&w| ask(&mut device, w + 0.01)).collect()
    };
    for ((applied, phase), stair) in run(&circuit).into_iter().zip(stairs).take(6) {
        assert!((applied - stair).abs() < 1e-12 && (phase - stair).abs() < 1e-12, "{applied} {phase} {stair}");
    }
    circuit.actuators[0].dac.as_mut().unwrap().inl_lsb = 0.2;
    let bent = run(&circuit);
    assert!(bent.iter().zip(stairs).take(6).all(|((applied, _), stair)| (applied - stair).abs() < 1e-12));
    assert!(bent.iter().zip(stairs).skip(1).take(5).all(|((_, phase), stair)| (phase - stair).abs() > 1e-6));
    assert_eq!(bent, run(&circuit), "the same device");
}
