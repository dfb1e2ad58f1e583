//! Circuits for tests.

use blackbeam_netlist::circuit::*;
use std::f64::consts::{PI, TAU};

/// A block of parameters with all at its defaults.
pub(crate) fn block(kind: ParameterKind, count: usize) -> ParameterBlock {
    let top = if kind == ParameterKind::Theta { PI } else { TAU };
    ParameterBlock {
        kind,
        names: (0..count).map(|i| format!("{kind:?}{i}")).collect(),
        range: (0.0, top),
        at_range: if kind == ParameterKind::Theta { AtRange::Reflect } else { AtRange::Wrap },
        init: Init::Number(Number::Uniform(0.0, top)),
        trainable: kind != ParameterKind::Gamma,
    }
}

fn device(generator: Generator, parameters: Vec<ParameterBlock>, readout: ReadoutMode) -> Circuit {
    Circuit {
        name: "device".into(),
        seed: 1,
        wl_um: 1.55,
        instance: "U".into(),
        generator,
        parameters,
        actuators: vec![],
        nonideal: vec![],
        drift: vec![],
        encoding: Encoding {
            mode: EncodingMode::Amplitude,
            differential: false,
            dac: None,
            noise_std: 0.0,
            power_w: 1e-3,
        },
        readout: Readout { mode: readout, noise_std: 0.0, noise_relative: true, adc_bits: None, adc_range: None },
        timing: Timing {
            write_fixed_s: 0.0,
            write_each_s: 0.0,
            trigger_s: 0.0,
            frame_s: 1e-6,
            frame_vectors: 1,
            averages: 1,
            host_step_s: 0.0,
        },
    }
}

/// An ideal mesh with real read-out.
pub(crate) fn mesh_of(n: usize, cell: Cell) -> Circuit {
    let cells = n * n.saturating_sub(1) / 2;
    let blocks =
        vec![block(ParameterKind::Theta, cells), block(ParameterKind::Phi, cells), block(ParameterKind::Gamma, n)];
    let mesh = Mesh { n, arrangement: Arrangement::Clements, cell, output_phases: true };
    device(Generator::Mesh(mesh), blocks, ReadoutMode::CoherentReal)
}

/// An ideal mesh of the usual cells.
pub(crate) fn mesh(n: usize) -> Circuit {
    mesh_of(n, Cell::Mzi)
}

/// An ideal weight bank.
pub(crate) fn bank(rows: usize, columns: usize) -> Circuit {
    let bank = MrrBank { rows, columns, a: 0.8, r: 0.9, r2: 0.9, weight: RingWeight::AllPassAmplitude, scale: 1.0 };
    let blocks = vec![block(ParameterKind::RingPhase, rows * columns)];
    device(Generator::MrrBank(bank), blocks, ReadoutMode::Differential)
}

/// An ideal SLM.
pub(crate) fn slm(n_out: usize, n_in: usize) -> Circuit {
    let slm = SlmMatvec { n_in, n_out, scale: 1.0 / (n_in as f64).sqrt(), fill_factor: 1.0 };
    let blocks = vec![block(ParameterKind::PixelPhase, n_out * n_in)];
    device(Generator::SlmMatvec(slm), blocks, ReadoutMode::CoherentReal)
}

/// A device with everything wrong that a circuit can say, of a family and with numbers that depend on `seed`.
pub(crate) fn faulty(seed: u64) -> Circuit {
    let mut circuit = match seed % 3 {
        0 => mesh_of(5 + (seed % 4) as usize, [Cell::Mzi, Cell::Mzi3, Cell::MziClassical][(seed / 3 % 3) as usize]),
        1 => bank(4, 9),
        _ => slm(9, 6),
    };
    let phases: Vec<usize> = (0..circuit.parameters.iter().map(|b| b.names.len()).sum()).collect();
    let rounding = [Rounding::Nearest, Rounding::Floor, Rounding::Stochastic][(seed / 2 % 3) as usize];
    let kernels = [
        Crosstalk::Nearest { strength: 0.01 },
        Crosstalk::Exponential { strength: 0.02, decay: 1.5, cutoff: 3.0 },
        Crosstalk::Gaussian { sigma_pixels: 0.4 },
    ];
    circuit.actuators = vec![Actuator {
        name: "heater".into(),
        drives: (0..circuit.parameters.len()).filter(|&i| circuit.parameters[i].kind != ParameterKind::Gamma).collect(),
        dac: Some(Dac { bits: 8, min: 0.0, max: 6.5, rounding }),
        curve: Curve::Square { pi: 4.36 },
        offset: Number::Normal(0.0, 0.2),
        gain: Number::Normal(1.0, 0.005),
        crosstalk: Some(kernels[(seed % 3) as usize]),
        tau_s: 1e-5,
        phase_noise_std: 0.01,
    }];
    circuit.nonideal = vec![Rule {
        quantity: Quantity::OutputGain,
        elements: vec![0, 2, 3],
        value: Number::Normal(1.0, 0.01),
        relative: false,
        clip: (0.5, 1.5),
        corrected: 0.5,
    }];
    circuit.drift = vec![
        Drift { target: DriftTarget::Phases(phases.clone()), model: DriftModel::Wiener { sigma: 1e-2 }, common: false },
        Drift {
            target: DriftTarget::OutputGain(vec![1, 3]),
            model: DriftModel::Ou { sigma: 0.02, tau_s: 0.5 },
            common: true,
        },
        Drift {
            target: DriftTarget::Phases(phases),
            model: DriftModel::Linear { rate: Number::Normal(0.0, 1e-3) },
            common: false,
        },
    ];
    circuit.encoding.noise_std = 0.01;
    circuit.encoding.differential = seed % 2 == 1;
    let min = if circuit.encoding.differential { 0.0 } else { -1.0 };
    circuit.encoding.dac = Some(Dac { bits: 7, min, max: 1.0, rounding });
    circuit.readout.noise_std = 0.01;
    circuit.readout.adc_bits = Some(9);
    let modes = [
        ReadoutMode::Differential,
        ReadoutMode::CoherentReal,
        ReadoutMode::Intensity,
        ReadoutMode::Amplitude,
        ReadoutMode::Coherent,
    ];
    circuit.readout.mode = match seed % 3 {
        0 => modes[1 + (seed / 3 % 4) as usize],
        1 => modes[(seed / 3 % 4) as usize],
        _ => modes[(seed / 3 % 5) as usize],
    };
    circuit
}
