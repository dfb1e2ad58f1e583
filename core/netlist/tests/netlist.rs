//! Whole files: the shipped devices and presets, overlays, and what is said of files with errors.
//!
//! `UPDATE_GOLDEN=1 cargo test -p blackbeam-netlist` writes what is said; read the difference before committing it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use blackbeam_netlist::circuit::*;
use blackbeam_netlist::{Files, PRESET_NAMES, ReadOptions, read, schema};
use blackbeam_source::{Diagnostics, Source};
use std::f64::consts::{FRAC_PI_2, PI, TAU};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const HERE: &str = env!("CARGO_MANIFEST_DIR");

fn device_files() -> Vec<PathBuf> {
    files_in(&Path::new(HERE).join("../../devices"), ".ddl.yml")
}

fn files_in(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    files.sort();
    assert!(!files.is_empty(), "no {ending} in {}", folder.display());
    files
}

fn read_with(text: &str, options: &ReadOptions) -> Circuit {
    match read(&Source::new("test.ddl.yml", text), options) {
        Ok((circuit, warnings)) => {
            assert!(warnings.is_empty(), "{}", warnings.render(false));
            circuit
        }
        Err(found) => panic!("{}", found.render(false)),
    }
}

fn circuit(text: &str) -> Circuit {
    read_with(text, &ReadOptions::default())
}

fn errors(text: &str) -> Diagnostics {
    read(&Source::new("test.ddl.yml", text), &ReadOptions::default()).unwrap_err()
}

fn preset(name: &str) -> ReadOptions {
    ReadOptions { preset: Some(name.into()), ..ReadOptions::default() }
}

fn mesh4(more: &str) -> String {
    format!("ddl: 1\ninstances:\n  U: {{component: mesh, settings: {{n: 4}}}}\n{more}")
}

#[test]
fn shipped_devices_load_with_every_preset() {
    for file in device_files() {
        let source = Source::read(&file).unwrap();
        if source.text().contains("\nnetwork:") {
            let errors = read(&source, &preset("typical")).unwrap_err();
            assert!(read(&source, &preset("ideal")).is_ok() && errors.iter().all(|e| e.code == "preset"));
            continue;
        }
        // the bank on WDM channels is 16 x 16, all others are 64 x 64
        let least = if source.name().contains("mrr_bank_wdm") { 256 } else { 4000 };
        for name in PRESET_NAMES {
            let (c, warnings) = read(&source, &preset(name)).unwrap_or_else(|e| panic!("{}", e.render(false)));
            assert!(warnings.is_empty(), "{}", warnings.render(false));
            assert!(c.parameters.iter().filter(|b| b.trainable).map(|b| b.names.len()).sum::<usize>() >= least);
            assert_eq!(c.nonideal.is_empty() && c.drift.is_empty(), name == "ideal", "{name}");
            assert_eq!(c.readout.adc_levels.is_none(), name == "ideal", "{name}");
            assert!(c.actuators.iter().all(|a| a.tau_s > 0.0) && c.timing.host_step_s > 0.0);
        }
        let typical = read(&source, &ReadOptions::default()).unwrap().0;
        assert_eq!(typical.readout.noise_std, 0.01);
        let encoding = typical.encoding.unwrap();
        assert!(typical.actuators[0].dac.unwrap().levels == 256 && encoding.dac.unwrap().levels == 256);
        assert_eq!(encoding.ports.len(), typical.instances[0].inputs);
        assert_eq!(typical.readout.ports.len(), typical.instances[0].outputs);
    }
}

#[test]
fn ideal_leaves_nothing_but_the_clock() {
    for file in device_files() {
        let source = Source::read(&file).unwrap();
        let options = ReadOptions { ideal: true, ..preset("pessimistic") };
        if source.text().contains("\nnetwork:") {
            continue; // has no preset
        }
        let (ideal, _) = read(&source, &options).unwrap();
        let (real, _) = read(&source, &preset("pessimistic")).unwrap();
        assert!(ideal.nonideal.is_empty() && ideal.drift.is_empty());
        let (encoding, of_real) = (ideal.encoding.unwrap(), real.encoding.unwrap());
        assert_eq!((encoding.dac, encoding.noise_std, encoding.mode), (None, 0.0, of_real.mode));
        assert_eq!((ideal.readout.noise_std, ideal.readout.adc_levels), (0.0, None));
        for (a, b) in ideal.actuators.iter().zip(&real.actuators) {
            let expected = Actuator {
                dac: None,
                curve: Curve::Direct,
                offset: Number::Fixed(0.0),
                gain: Number::Fixed(1.0),
                crosstalk: None,
                crosstalk_in_power: false,
                drive_squared: false,
                phase_noise_std: 0.0,
                lags: false,
                ..b.clone()
            };
            assert_eq!(*a, expected);
        }
        assert_eq!(
            (&ideal.instances, &ideal.parameters, ideal.timing),
            (&real.instances, &real.parameters, real.timing)
        );
        assert_eq!(ideal.readout.mode, real.readout.mode);
    }
}

#[test]
fn defaults_of_each_generator() {
    let c = circuit(&mesh4(""));
    let kinds: Vec<_> = c
        .parameters
        .iter()
        .map(|b| (b.kind, b.names.len(), b.range, b.at_range, b.init.clone(), b.trainable))
        .collect();
    let uniform = Init::Number(Number::Uniform(0.0, TAU));
    let zero = Init::Number(Number::Fixed(0.0));
    let expected = [
        (ParameterKind::Theta, 6, (0.0, PI), AtRange::Reflect, Init::Haar, true),
        (ParameterKind::Phi, 6, (0.0, TAU), AtRange::Wrap, uniform, true),
        (ParameterKind::Gamma, 4, (0.0, TAU), AtRange::Wrap, zero, false),
    ];
    assert_eq!(kinds, expected);
    let names: Vec<&str> = c.parameters[0].names.iter().collect();
    assert_eq!(names, ["0.0", "0.1", "1.0", "2.0", "2.1", "3.0"].map(|i| format!("U.theta<{i}>")));
    assert_eq!(c.parameters.iter().flat_map(|b| b.slots.clone()).collect::<Vec<_>>(), (0..16).collect::<Vec<_>>());
    assert_eq!((c.readout.mode, c.seed), (ReadoutMode::CoherentReal, 0));
    assert_eq!(c.environment.wavelengths_um, [1.55]);
    assert_eq!(c.instances[0].slots, 0..16);
    assert_eq!(c.ports.iter().map(|p| p.port.port).collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());

    for cell in ["mzi3", "mzi_classical"] {
        let text = mesh4("").replace("n: 4", &format!("n: 4, cell: {cell}, output_phases: false"));
        let c = circuit(&text);
        assert_eq!(c.parameters.len(), 2);
        for block in &c.parameters {
            assert_eq!((block.range, block.at_range), ((0.0, TAU), AtRange::Wrap));
            assert_eq!(block.init, Init::Number(Number::Normal(FRAC_PI_2, 0.5)));
        }
    }

    let c = circuit("ddl: 1\ninstances: {b: {component: mrr_bank, settings: {rows: 2, columns: 3, preset: MQ}}}");
    let Kind::MrrBank(bank) = &c.instances[0].kind else { panic!() };
    assert_eq!((bank.a, bank.r, bank.r2, bank.scale, bank.weight), (0.925, 0.93, 0.93, 1.0, RingWeight::AllPassPower));
    assert_eq!(&c.parameters[0].names[5], "b.phi<1.2>");
    assert_eq!(c.readout.mode, ReadoutMode::Differential);

    let c = circuit("ddl: 1\ninstances: {s: {component: slm_matvec, settings: {n_in: 4, n_out: 3}}}");
    let Kind::SlmMatvec(slm) = &c.instances[0].kind else { panic!() };
    assert_eq!((slm.scale, slm.fill_factor), (0.5, 1.0));
    assert_eq!(&c.parameters[0].names[4], "s.phase<1.0>");
}

fn elements(rule: &Rule) -> Vec<usize> {
    rule.elements.iter().map(|e| e.index).collect()
}

#[test]
fn overlays_resolve_to_elements() {
    let c = circuit(&mesh4(
        "
parameters:
  U.phi: {}
  U.theta: {range: [0, 3], init: 1.0}
nonideal:
  - {at: U.m<1.0>.coupler1, split_angle: 0.01}
  - {at: 'U.m<0.*>', splitting_angle_sigma: 0.02}
  - {at: ['U.m*.arm1', U.m<3.0>.arm0], insertion_loss_db: 0.1}
  - {at: [U.in*, U.out2], loss_dB: {normal: [1, 0.1], clip: [0, .inf]}}
  - {at: [U.phi<0.1>, U.gamma<1>, U.m<0.0>.arm0], phase: {relative: {uniform: [-0.1, 0.1]}}, corrected: 0.9}
  - {at: U.out<0-1>, gain: 1.1}
drift:
  - {at: U.theta<2.*>, model: wiener, sigma: 1.0e-3, per: sqrt_s}
  - {at: 'U.*', model: ou, sigma: 0.02, tau: 600, common: true}
  - {at: U.out*, quantity: gain, model: log, amplitude: 1.0e-3, t0: 20}
",
    ));
    let kinds: Vec<_> = c.parameters.iter().map(|b| b.kind).collect();
    assert_eq!(kinds, [ParameterKind::Phi, ParameterKind::Theta, ParameterKind::Gamma]);
    assert_eq!(c.parameters[1].at_range, AtRange::Clip, "no whole period");
    let rules: Vec<_> = c.nonideal.iter().map(|r| (r.quantity, elements(r), r.slots.clone())).collect();
    let expected = [
        (Quantity::SplitAngle, vec![5], vec![]),                  // cell 2, coupler 1
        (Quantity::SplitAngle, vec![0, 1, 2, 3], vec![]),         // both couplers of cells 0 and 1
        (Quantity::ArmLoss, vec![1, 3, 5, 7, 9, 10, 11], vec![]), // arm 1 of all, arm 0 of cell 5
        (Quantity::InputLoss, vec![0, 1, 2, 3], vec![]),
        (Quantity::OutputLoss, vec![2], vec![]),
        (Quantity::Offset, vec![], vec![0, 7, 13]), // slots: 6 theta, 6 phi, 4 gamma
        (Quantity::OutputGain, vec![0, 1], vec![]),
    ];
    assert_eq!(rules, expected);
    assert_eq!(c.nonideal[1].value, Number::Normal(0.0, 0.02));
    assert_eq!((c.nonideal[3].clip, c.nonideal[3].relative), ((0.0, f64::INFINITY), false));
    assert_eq!((c.nonideal[5].relative, c.nonideal[5].corrected), (true, 0.9));
    let targets: Vec<_> = c.drift.iter().map(|d| d.target.clone()).collect();
    let slots = |slots| DriftTarget::Slots { slots, factor: 1.0 };
    assert_eq!(targets, [slots(vec![3, 4]), slots((0..16).collect()), DriftTarget::OutputGain(vec![0, 1, 2, 3])]);
    assert!(c.drift[1].common && !c.drift[0].common);
}

#[test]
fn actuators_and_their_aliases() {
    let c = circuit(&mesh4(
        "
actuators:
  a: {drives: U.theta, dac: {levels: 1000, min: 0, max: 0.05, rounding: stochastic, inl_lsb: 0.3}, curve: {form: linear, p_pi: 0.02},
      phase_bias: {normal: [0, 0.1]}, crosstalk_factor: 0.005, response_time: 1.0e-5, phase_noise_std: 0.01, slew: 7}
  b: {drives: [U.phi, 'U.g*'], w_bit: 12, dac: {min: 0, max: 6.5}, curve: {quantity: voltage, form: polynomial, coefficients: [0, 0.1, 0.165]},
      crosstalk: {kernel: exponential, strength: 0.01, decay: 1.5, domain: phase}, flicker: {amplitude: 0.1, frequency_Hz: 50}}
",
    ));
    let [a, b] = &c.actuators[..] else { panic!() };
    assert_eq!((&a.drives[..], &b.drives[..]), (&[0][..], &[1, 2][..]));
    assert_eq!(a.dac, Some(Dac { levels: 1000, inl_lsb: 0.3, min: 0.0, max: 0.05, rounding: Rounding::Stochastic }));
    assert_eq!((&a.curve, a.offset, a.tau_s), (&Curve::Linear { pi: 0.02 }, Number::Normal(0.0, 0.1), 1e-5));
    assert_eq!((a.crosstalk.clone(), a.phase_noise_std), (Some(Crosstalk::Nearest { strength: 0.005 }), 0.01));
    assert_eq!((a.slew_per_s, b.slew_per_s), (7.0, f64::INFINITY));
    assert!(a.crosstalk_in_power && !a.drive_squared && !b.crosstalk_in_power && b.drive_squared);
    assert_eq!(b.curve, Curve::Polynomial(vec![0.0, 0.1, 0.165]));
    assert_eq!(b.dac.unwrap().levels, 4096);
    assert_eq!(b.crosstalk, Some(Crosstalk::Exponential { strength: 0.01, decay: 1.5, cutoff: 4.0 }));
    assert_eq!(b.flicker, Some(Flicker { amplitude: 0.1, frequency_hz: 50.0 }));
    // 0.002 on gamma = pi / 4.36^2 = 0.165: 1.2 %
    let l2ight =
        "actuators: {h: {drives: U.theta, bits: 8, v_max: 10.8, dac: {min: 0}, v_pi: 4.36, curve: {form: square},
        gamma_noise_std: 0.002, crosstalk_kernel: [[0, 0.01, 0], [0.01, 1, 0.01], [0, 0.01, 0]]}}";
    let c = circuit(&mesh4(l2ight));
    let Number::Normal(one, spread) = c.actuators[0].gain else { panic!() };
    assert!(one == 1.0 && (spread - 0.0121).abs() < 1e-4, "{spread}");
    assert_eq!(c.actuators[0].dac.unwrap().max, 10.8);
    assert_eq!(c.actuators[0].crosstalk, Some(Crosstalk::Nearest { strength: 0.01 }));
}

#[test]
fn the_file_goes_over_its_preset() {
    let c = circuit(&mesh4(
        "
preset: typical
actuators: {heater: {dac: {bits: 10}, phase_noise_std: 0}}
nonideal: [{at: 'U.m*', loss_dB: 0.5}]
drift: [{at: U.phi, model: wiener, sigma: 0.1}]
readout: {adc: {bits: 12}}
",
    ));
    let heater = &c.actuators[0];
    assert_eq!((heater.dac.unwrap().levels, heater.dac.unwrap().max), (1024, 6.166));
    assert_eq!((heater.phase_noise_std, heater.tau_s), (0.0, 1e-5));
    assert_eq!(heater.drives, [0, 1], "gamma is not trained, so the preset does not drive it");
    assert_eq!(c.nonideal.len(), 3, "rules of the file come after those of the preset");
    assert_eq!(c.nonideal[2].value, Number::Fixed(0.5));
    assert_eq!(c.drift.len(), 1, "drift of the file replaces that of the preset");
    assert_eq!((c.readout.adc_levels, c.readout.noise_std), (Some(4096), 0.01));
    let trained = circuit(&mesh4("preset: typical\nparameters: {U.gamma: {init: 0}}"));
    assert_eq!(trained.actuators[0].drives, [0, 1, 2]);
    let DriftTarget::Slots { slots, .. } = &circuit(&mesh4("preset: typical")).drift[0].target else { panic!() };
    assert_eq!(slots.len(), 12, "nor do phases drift that are not built");
}

#[test]
fn settings_of_an_experiment_replace_those_of_the_file() {
    let with =
        |json: serde_json::Value| ReadOptions { settings: json.as_object().unwrap().clone(), ..ReadOptions::default() };
    let c = read_with(&mesh4("preset: typical"), &with(serde_json::json!({"U": {"n": 16, "output_phases": false}})));
    assert_eq!(c.parameters.iter().map(|b| b.names.len()).collect::<Vec<_>>(), [120, 120]);
    let bare = "ddl: 1\ninstances: {U: mesh}";
    assert_eq!(read_with(bare, &with(serde_json::json!({"U": {"n": 4}}))).instances[0].inputs, 4);
    let source = Source::new("test.ddl.yml", mesh4(""));
    let wrong = read(&source, &with(serde_json::json!({"V": {}, "U": {"m": 3, "n": 1}}))).unwrap_err();
    let text = wrong.render(false);
    for part in ["no instance `V`", "unknown key `m`", "at least 2", "settings of the experiment:1:"] {
        assert!(text.contains(part), "{text}");
    }
    let wrong = read(&source, &preset("tipical")).unwrap_err();
    assert!(wrong.render(false).contains("did you mean `typical`?"));
}

#[test]
fn sizes_beyond_the_limits_fail_fast() {
    let start = Instant::now();
    let cases = [
        mesh4("").replace("n: 4", "n: 100000"),
        mesh4("").replace("n: 4", "n: 4, arrangement: redundant, layers: 99999999999"),
        "ddl: 1\ninstances: {b: {component: mrr_bank, settings: {rows: 9999999999999, columns: 9999999999999, preset: HQ}}}".into(),
        "ddl: 1\ninstances: {s: {component: slm_matvec, settings: {n_in: 4097, n_out: 4096}}}".into(),
        "ddl: 1\ninstances: {s: {component: plane, settings: {shape: [1e9, 1e9], pitch: 1}}}".into(),
        "ddl: 1\ninstances: {s: {component: splitter_tree, settings: {outputs: 1000000000}}}".into(),
        mesh4("environment: {wl: {start: 1, stop: 2, points: 1e12}}"),
        mesh4("environment: {channels: {start: 1, spacing_GHz: 1, count: 1e12}}"),
        format!("ddl: {}", "[".repeat(100_000)),
    ];
    for text in cases {
        assert!(errors(&text).has_errors(), "{}", &text[..100]);
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn cut_and_mangled_files_never_panic() {
    for name in ["tests/golden/everything.ddl.yml", "tests/golden/circuit.ddl.yml"] {
        let text = std::fs::read_to_string(Path::new(HERE).join(name)).unwrap();
        for (at, _) in text.char_indices().step_by(11) {
            let _ = read(&Source::new("cut", &text[..at]), &ReadOptions::default());
            let mut mangled = text.clone();
            mangled.insert_str(at, [": ", "{", "- ", "\"", "9", "x", " null "][at % 7]);
            let _ = read(&Source::new("mangled", mangled), &ReadOptions::default());
        }
    }
}

#[test]
fn golden_diagnostics() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let files = Files::in_folder("tests/golden/files");
    for file in files_in(&Path::new(HERE).join("tests/golden"), ".ddl.yml") {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let source = Source::new(name.clone(), std::fs::read_to_string(&file).unwrap());
        let said = match blackbeam_netlist::read_with(&source, &ReadOptions::default(), &files) {
            Ok((_, warnings)) => warnings.render(false),
            Err(found) => found.render(false),
        };
        let golden = file.with_file_name(name.replace(".ddl.yml", ".txt"));
        if update {
            std::fs::write(&golden, &said).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(said, expected, "{name}: run with UPDATE_GOLDEN=1 if this is as meant");
    }
}

#[test]
fn the_schema_file_is_in_step() {
    let path = Path::new(HERE).join("../../schemas/device.schema.json");
    let text = format!("{}\n", serde_json::to_string_pretty(schema()).unwrap());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == text, "run with UPDATE_SCHEMA=1 to write schemas/device.schema.json");
}

/// An independent validator agrees that the shipped files fit the schema, and that files with errors of structure do not.
#[test]
fn another_validator_agrees() {
    let validator = jsonschema::validator_for(schema()).unwrap();
    let json = |text: &str| Source::new("x", text).parse().unwrap().to_json();
    let examples = files_in(&Path::new(HERE).join("../../tests/fixtures/devices"), ".ddl.yml");
    for file in device_files().into_iter().chain(examples) {
        // JSON has no infinity
        let text = std::fs::read_to_string(&file).unwrap().replace(".inf", "1.0e+300");
        assert!(validator.is_valid(&json(&text)), "{}", file.display());
    }
    for (text, fits) in [
        (mesh4(""), true),
        (mesh4("readout: {mode: intensity}"), true),
        (mesh4("readot: {}"), false),
        (mesh4("readout: {mode: x}"), false),
        (mesh4("drift: [{at: U.theta, model: ou, sigma: 1}]"), false),
        (mesh4("drift: [{at: U.theta, model: ou, sigma: 1, tau: 1}]"), true),
        (mesh4("").replace("n: 4", "n: 1"), false),
        (mesh4("").replace("n: 4", "n: 4, cel: mzi"), false),
        (mesh4("events: [{event: mode_hop, shift_nm: 0.1, rate_per_s: 0.01}]"), true),
        (mesh4("events: [{event: mode_hop, shift: 0.1, rate_per_s: 0.01}]"), false),
        (mesh4("nonideal: [{at: U.m<0.0>, split_angle: {normal: [0, 0.1]}}]"), true),
        (mesh4("nonideal: [{at: U, split_angle: {normal: 0.1}}]"), false),
    ] {
        assert_eq!(validator.is_valid(&json(&text)), fits, "{text}");
        assert_eq!(read(&Source::new("x", &*text), &ReadOptions::default()).is_ok(), fits, "{text}");
    }
}
