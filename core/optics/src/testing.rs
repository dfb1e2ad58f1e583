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
    let blocks = vec![
        block(ParameterKind::Theta, cells),
        block(ParameterKind::Phi, cells),
        block(ParameterKind::Gamma, n),
    ];
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
