//! Circuits for tests.

use blackbeam_netlist::circuit::*;
use blackbeam_plugin::Key;
use std::{
    f64::consts::{PI, TAU},
    ops::Range,
};

/// A block of parameters that sets consecutive slots, with all else at its defaults.
pub(crate) fn block(kind: ParameterKind, slots: Range<usize>) -> ParameterBlock {
    let top = if kind == ParameterKind::Theta { PI } else { TAU };
    let count = slots.len();
    ParameterBlock {
        kind,
        names: (0..count).map(|i| format!("{kind:?}{i}")).collect(),
        unit: if kind == ParameterKind::PixelAmplitude || kind == ParameterKind::Setting { "" } else { "rad" },
        slots: slots.collect(),
        ends: (1..=count).collect(),
        grid: Vec::new(),
        rows_apart: false,
        range: (0.0, top),
        at_range: if kind == ParameterKind::Theta { AtRange::Reflect } else { AtRange::Wrap },
        init: Init::Number(Number::Uniform(0.0, top)),
        trainable: kind != ParameterKind::Gamma,
    }
}

/// A rule without bounds.
pub(crate) fn rule(quantity: Quantity, elements: Vec<Element>, value: Number) -> Rule {
    let clip = (f64::NEG_INFINITY, f64::INFINITY);
    Rule { quantity, elements, slots: Vec::new(), value, relative: false, clip, corrected: 0.0 }
}

/// A rule for slots.
pub(crate) fn slot_rule(quantity: Quantity, slots: Vec<usize>, value: Number) -> Rule {
    Rule { slots, ..rule(quantity, Vec::new(), value) }
}

/// An encoding into some outer ports.
pub(crate) fn encoding(ports: Vec<usize>) -> Encoding {
    Encoding {
        ports,
        per_channel: false,
        mode: EncodingMode::Amplitude,
        differential: false,
        scale: 1.0,
        dac: None,
        noise_std: 0.0,
        source: Source { power_w: 1e-3, rin_db_hz: f64::NEG_INFINITY, linewidth_hz: 0.0 },
    }
}

/// A circuit of instances, of which all outer ports are given; light goes into the first `lit` and is read at the rest.
pub(crate) fn circuit(instances: Vec<Instance>, ports: Vec<Port>, lit: usize, readout: ReadoutMode) -> Circuit {
    let slots = instances.last().map_or(0, |i| i.slots.end);
    let read = (lit..ports.len()).collect();
    let name = |(i, port): (usize, Port)| OuterPort { name: format!("p{i}"), port };
    Circuit {
        network: None,
        name: "device".into(),
        seed: 1,
        environment: Environment { wavelengths_um: vec![1.55], channels: false, temperature_k: 300.0 },
        instances,
        slots: vec![Slot::Number(Number::Fixed(0.0)); slots],
        links: vec![],
        ports: ports.into_iter().enumerate().map(name).collect(),
        probes: vec![],
        solver: Solver::Auto,
        precision: Default::default(),
        parameters: vec![],
        actuators: vec![],
        nonideal: vec![],
        drift: vec![],
        events: vec![],
        encoding: Some(encoding((0..lit).collect())),
        readout: Readout {
            ports: read,
            pairs: vec![],
            mode: readout,
            lo_power_w: 1e-3,
            detector: None,
            tia_ohm: None,
            noise_std: 0.0,
            noise_relative: true,
            adc_levels: None,
            adc_range: AdcRange::Auto,
        },
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

fn generator(kind: Kind, (outputs, inputs): (usize, usize), slots: usize, readout: ReadoutMode) -> Circuit {
    let instance = Instance { path: "U".into(), kind, slots: 0..slots, inputs, outputs };
    let ports = (0..inputs + outputs).map(|port| Port { instance: 0, port }).collect();
    circuit(vec![instance], ports, inputs, readout)
}

/// An ideal mesh with real read-out.
pub(crate) fn any_mesh(n: usize, cell: Cell, convention: Convention, arrangement: Arrangement) -> Circuit {
    let layers = (arrangement == Arrangement::Redundant).then_some(n + 3);
    let mesh = Mesh { n, arrangement, layers, convention, cell, output_phases: true };
    let cells = mesh.cell_count();
    let mut circuit = generator(Kind::Mesh(mesh), (n, n), 2 * cells + n, ReadoutMode::CoherentReal);
    circuit.parameters = vec![
        block(ParameterKind::Theta, 0..cells),
        block(ParameterKind::Phi, cells..2 * cells),
        block(ParameterKind::Gamma, 2 * cells..2 * cells + n),
    ];
    circuit
}

/// A rectangular mesh.
pub(crate) fn mesh_of(n: usize, cell: Cell) -> Circuit {
    any_mesh(n, cell, Convention::Bpbp, Arrangement::Clements)
}

/// An ideal mesh of the usual cells.
pub(crate) fn mesh(n: usize) -> Circuit {
    mesh_of(n, Cell::Mzi)
}

/// An ideal weight bank.
pub(crate) fn bank(rows: usize, columns: usize) -> Circuit {
    let weight = RingWeight::AllPassAmplitude;
    let bank = MrrBank { rows, columns, a: 0.8, r: 0.9, r2: 0.9, weight, scale: 1.0, shared: None };
    let mut circuit = generator(Kind::MrrBank(bank), (rows, columns), rows * columns, ReadoutMode::Differential);
    circuit.parameters = vec![block(ParameterKind::RingPhase, 0..rows * columns)];
    circuit
}

/// An ideal weight bank with a bus a row, one channel a column.
pub(crate) fn bus_bank(rows: usize, columns: usize) -> Circuit {
    let shared = Some(SharedBus { length_um: 30.0, ng: 4.2 });
    let bank = MrrBank { rows, columns, a: 0.97, r: 0.93, r2: 0.95, weight: RingWeight::AddDrop, scale: 1.0, shared };
    let mut circuit = generator(Kind::MrrBank(bank), (rows, columns), rows * columns, ReadoutMode::Differential);
    circuit.parameters = vec![block(ParameterKind::RingPhase, 0..rows * columns)];
    circuit.environment.wavelengths_um = (0..columns).map(|k| 1.548 + 1.6e-3 * k as f64).collect();
    circuit.environment.channels = true;
    circuit
}

/// An ideal SLM.
pub(crate) fn slm(n_out: usize, n_in: usize) -> Circuit {
    let slm = SlmMatvec { n_in, n_out, scale: 1.0 / (n_in as f64).sqrt(), fill_factor: 1.0 };
    let mut circuit = generator(Kind::SlmMatvec(slm), (n_out, n_in), n_out * n_in, ReadoutMode::CoherentReal);
    circuit.parameters = vec![block(ParameterKind::PixelPhase, 0..n_out * n_in)];
    circuit
}

/// Collects primitives and links by name of component, settings given as (name, value).
#[derive(Default)]
pub(crate) struct Builder {
    pub instances: Vec<Instance>,
    pub slots: Vec<Slot>,
    pub links: Vec<[Port; 2]>,
}

impl Builder {
    /// Adds a primitive; gives its index.
    pub fn add(&mut self, path: &str, component: &'static str, settings: &[(&str, f64)]) -> usize {
        let c = blackbeam_components::find(component).unwrap();
        let mut values = c.defaults();
        settings.iter().for_each(|(name, value)| values[c.setting(name).unwrap()] = *value);
        let (inputs, outputs) = c.size(&values).unwrap();
        let first = self.slots.len();
        self.slots.extend(values.into_iter().map(|v| Slot::Number(Number::Fixed(v))));
        let kind = Kind::Primitive(c.name);
        self.instances.push(Instance { path: path.into(), kind, slots: first..self.slots.len(), inputs, outputs });
        self.instances.len() - 1
    }

    /// Slot of a setting.
    pub fn slot(&self, instance: usize, setting: &str) -> usize {
        let Kind::Primitive(name) = self.instances[instance].kind else { panic!("a primitive") };
        self.instances[instance].slots.start + blackbeam_components::find(name).unwrap().setting(setting).unwrap()
    }

    /// Joins (instance, port) and (instance, port).
    pub fn link(&mut self, a: (usize, usize), b: (usize, usize)) {
        let port = |(instance, port)| Port { instance, port };
        self.links.push([port(a), port(b)]);
    }

    /// The circuit; light goes into the first `lit` ports.
    pub fn finish(self, ports: &[(usize, usize)], lit: usize, readout: ReadoutMode) -> Circuit {
        let ports = ports.iter().map(|&(instance, port)| Port { instance, port }).collect();
        let mut circuit = circuit(self.instances, ports, lit, readout);
        (circuit.slots, circuit.links) = (self.slots, self.links);
        circuit
    }
}

/// A ring between two buses, with heaters on the ring and on one bus, as a circuit with feedback: in and add go in, through and
/// drop come out.
pub(crate) fn ring_circuit() -> Circuit {
    let mut b = Builder::default();
    let c0 = b.add("c0", "coupler_ideal", &[("coupling", 0.2)]);
    let c1 = b.add("c1", "coupler_ideal", &[("coupling", 0.1)]);
    let heat = b.add("heat", "phase", &[("loss_dB", 0.3)]);
    let back = b.add("back", "straight", &[("length", 20.0), ("loss_dB_cm", 30.0)]);
    let bus = b.add("bus", "phase", &[]);
    b.link((c0, 3), (heat, 0));
    b.link((heat, 1), (c1, 0));
    b.link((c1, 2), (back, 0));
    b.link((back, 1), (c0, 1));
    b.link((bus, 1), (c0, 0));
    let phases = vec![b.slot(heat, "phi"), b.slot(bus, "phi")];
    let couplings = vec![b.slot(c0, "coupling"), b.slot(c1, "coupling")];
    let mut circuit = b.finish(&[(bus, 0), (c1, 1), (c0, 2), (c1, 3)], 2, ReadoutMode::CoherentReal);
    circuit.parameters = vec![
        ParameterBlock { slots: phases, ..block(ParameterKind::SettingPhase, 0..2) },
        ParameterBlock {
            slots: couplings,
            range: (0.05, 0.6),
            at_range: AtRange::Clip,
            init: Init::Settings,
            ..block(ParameterKind::Setting, 0..2)
        },
    ];
    circuit
}

/// A field through a phase mask and a lens onto a camera.
pub(crate) fn bench(side: usize, kind: SlmKind) -> Circuit {
    let free = |path: &str, element, slots: Range<usize>| Instance {
        path: path.into(),
        kind: Kind::FreeSpace(element),
        slots,
        inputs: 1,
        outputs: 1,
    };
    let shape = [side, side];
    let pixels = side * side;
    let each = if kind == SlmKind::Complex { 2 } else { 1 };
    let instances = vec![
        free("src", FreeSpace::Plane { shape, pitch_um: 8.0 }, 0..0),
        free("pre", FreeSpace::Propagate { distance_um: 500.0, method: Propagation::AngularSpectrum, pad: 2 }, 0..0),
        free("mask", FreeSpace::Slm { shape, pitch_um: 8.0, fill_factor: 0.9, kind }, 0..each * pixels),
        free("post", FreeSpace::Lens2f { focal_um: 1e5 }, each * pixels..each * pixels),
        free("cam", FreeSpace::Camera { shape: [2, 2], bin: [2, 2] }, each * pixels..each * pixels),
    ];
    let ports = vec![Port { instance: 0, port: 0 }, Port { instance: 4, port: 1 }];
    let mut circuit = circuit(instances, ports, 1, ReadoutMode::Intensity);
    circuit.environment.wavelengths_um = vec![0.633];
    circuit.links = (0..4).map(|i| [Port { instance: i, port: 1 }, Port { instance: i + 1, port: 0 }]).collect();
    let amplitudes = |slots| ParameterBlock {
        range: (0.0, 1.0),
        at_range: AtRange::Clip,
        init: Init::Number(Number::Uniform(0.2, 0.9)),
        ..block(ParameterKind::PixelAmplitude, slots)
    };
    circuit.parameters = match kind {
        SlmKind::Phase => vec![block(ParameterKind::PixelPhase, 0..pixels)],
        SlmKind::Amplitude => vec![amplitudes(0..pixels)],
        SlmKind::Complex => vec![block(ParameterKind::PixelPhase, 0..pixels), amplitudes(pixels..2 * pixels)],
    };
    circuit
}

/// Two add-drop rings on WDM channels with balanced detection: powers in, differences of powers out.
pub(crate) fn channels() -> Circuit {
    let mut b = Builder::default();
    let mut phases = Vec::new();
    let mut rings = Vec::new();
    for k in 0..2 {
        let c0 = b.add(&format!("r<{k}.0>.c0"), "coupler_ideal", &[("coupling", 0.05)]);
        let c1 = b.add(&format!("r<{k}.0>.c1"), "coupler_ideal", &[("coupling", 0.05)]);
        let top = b.add(&format!("r<{k}.0>.top"), "straight", &[("length", 25.0), ("ng", 4.2), ("loss_dB_cm", 3.0)]);
        let heat = b.add(&format!("r<{k}.0>.heat"), "phase", &[]);
        let bot = b.add(&format!("r<{k}.0>.bot"), "straight", &[("length", 25.0), ("ng", 4.2), ("loss_dB_cm", 3.0)]);
        for (from, to) in
            [((c0, 3), (top, 0)), ((top, 1), (c1, 0)), ((c1, 2), (heat, 0)), ((heat, 1), (bot, 0)), ((bot, 1), (c0, 1))]
        {
            b.link(from, to);
        }
        phases.push(b.slot(heat, "phi"));
        rings.push((c0, c1));
    }
    b.link((rings[0].0, 2), (rings[1].0, 0));
    b.link((rings[1].1, 3), (rings[0].1, 1));
    let ports = [(rings[0].0, 0), (rings[1].0, 2), (rings[0].1, 3)];
    let mut circuit = b.finish(&ports, 1, ReadoutMode::Differential);
    circuit.environment.wavelengths_um = vec![1.548, 1.5496];
    circuit.environment.channels = true;
    circuit.encoding = Some(Encoding { per_channel: true, mode: EncodingMode::Intensity, ..encoding(vec![0]) });
    (circuit.readout.ports, circuit.readout.pairs) = (vec![], vec![[1, 2]]);
    circuit.parameters =
        vec![ParameterBlock { slots: phases, grid: vec![[0, 0], [0, 1]], ..block(ParameterKind::SettingPhase, 0..2) }];
    circuit
}

/// A device with everything wrong that a circuit can say, of a family and with numbers that depend on `seed`.
pub(crate) fn faulty(seed: u64) -> Circuit {
    let mut circuit = match seed % 6 {
        0 => mesh_of(5 + (seed % 4) as usize, [Cell::Mzi, Cell::Mzi3, Cell::MziClassical][(seed / 6 % 3) as usize]),
        1 => bank(4, 9),
        2 => slm(9, 6),
        3 => ring_circuit(),
        4 => bench(6, [SlmKind::Phase, SlmKind::Complex][(seed / 6 % 2) as usize]),
        _ => channels(),
    };
    let outputs = if circuit.readout.pairs.is_empty() { circuit.readout.ports.len() } else { 1 };
    let outputs = if seed % 6 == 4 { 4 } else { outputs };
    let slots: Vec<usize> = circuit.parameters.iter().flat_map(|b| b.slots.clone()).collect();
    let rounding = [Rounding::Nearest, Rounding::Floor, Rounding::Stochastic][(seed / 2 % 3) as usize];
    let kernels = [
        Crosstalk::Nearest { strength: 0.01 },
        Crosstalk::Exponential { strength: 0.02, decay: 1.5, cutoff: 3.0 },
        Crosstalk::Gaussian { sigma_pixels: 0.4 },
    ];
    let curves = [Curve::Square { pi: 4.36 }, Curve::Polynomial(vec![0.0, 0.02, 0.165])];
    circuit.actuators = vec![Actuator {
        name: "heater".into(),
        drives: (0..circuit.parameters.len())
            .filter(|&i| circuit.parameters[i].range.1 > 3.0 && circuit.parameters[i].trainable)
            .collect(),
        dac: Some(Dac { levels: 256, inl_lsb: 0.3, min: 0.0, max: 6.5, rounding }),
        curve: curves[(seed / 3 % 2) as usize].clone(),
        offset: Number::Normal(0.0, 0.2),
        gain: Number::Normal(1.0, 0.005),
        crosstalk: Some(kernels[(seed % 3) as usize].clone()),
        crosstalk_in_power: true,
        drive_squared: true,
        tau_s: 1e-2,
        lags: true,
        slew_per_s: if seed % 4 == 1 { 3.0 } else { f64::INFINITY },
        flicker: Some(Flicker { amplitude: 0.01, frequency_hz: 120.0 }),
        phase_noise_std: 0.01,
    }];
    let gains: Vec<Element> = (0..outputs).step_by(2).map(|index| Element { instance: 0, index }).collect();
    let clip = (0.5, 1.5);
    let gain = Rule { clip, corrected: 0.5, ..rule(Quantity::OutputGain, gains, Number::Normal(1.0, 0.01)) };
    circuit.nonideal = vec![gain, slot_rule(Quantity::Offset, slots.clone(), Number::Normal(0.0, 0.01))];
    let drift = |target, model, common| Drift { target, model, common };
    let all = |slots: &[usize]| DriftTarget::Slots { slots: slots.to_vec(), factor: 1.0 };
    let ou = DriftModel::Ou { sigma: 0.02, tau_s: 0.5 };
    circuit.drift = vec![
        drift(all(&slots), DriftModel::Wiener { sigma: 1e-3 }, false),
        drift(DriftTarget::OutputGain((0..outputs).collect()), ou, true),
        drift(DriftTarget::Source, ou, true),
        drift(all(&slots), DriftModel::Linear { rate: Number::Normal(0.0, 1e-3) }, false),
    ];
    let event = |what, rate, duration_s| Event { what, when: When::Poisson(rate), duration_s };
    circuit.events = vec![
        event(EventKind::Relock { slots: slots[..1].to_vec(), sigma: 0.01 }, 1.0, f64::INFINITY),
        event(EventKind::AdcGlitch { sigma: 0.1 }, 2.0, 0.2),
        event(EventKind::HotPixel(vec![0]), 0.2, 0.3),
    ];
    if seed % 5 == 2 {
        circuit.events.push(event(EventKind::StuckDac(vec![0]), 1.0, 0.5));
        circuit.events.push(event(EventKind::StateLost, 0.5, 0.0));
    }
    let encoding = circuit.encoding.as_mut().unwrap();
    encoding.noise_std = 0.01;
    encoding.source = Source { power_w: 1e-3, rin_db_hz: -140.0, linewidth_hz: 1e4 };
    encoding.differential = seed % 2 == 1;
    let min = if encoding.differential { 0.0 } else { -1.0 };
    encoding.dac = Some(Dac { levels: 128, inl_lsb: 0.2, min, max: 1.0, rounding });
    circuit.readout.noise_std = 0.01;
    circuit.readout.adc_levels = Some(512);
    circuit.readout.detector = Some(detector());
    let modes = [
        ReadoutMode::Differential,
        ReadoutMode::CoherentReal,
        ReadoutMode::Intensity,
        ReadoutMode::Amplitude,
        ReadoutMode::Coherent,
    ];
    let pick = (seed / 6) as usize;
    circuit.readout.mode = match seed % 6 {
        0 | 3 => modes[1 + pick % 4],
        1 => modes[pick % 4],
        2 => modes[1 + pick % 4],
        4 => modes[2 + pick % 2],
        _ => ReadoutMode::Differential,
    };
    circuit
}

/// A photodiode with all its noise.
pub(crate) fn detector() -> Detector {
    Detector {
        responsivity: 0.9,
        bandwidth_hz: 1e9,
        dark_current_a: 1e-8,
        load_ohm: 50.0,
        temperature_k: 300.0,
        shot: true,
        thermal: true,
        rin: true,
        camera: None,
    }
}

/// Numbers between two bounds.
pub(crate) fn uniform(seed: u64, count: usize, low: f64, high: f64) -> Vec<f64> {
    (0..count as u64).map(|i| low + (high - low) * Key::new(seed).uniform(i)).collect()
}
