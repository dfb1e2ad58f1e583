//! The example devices, and what the language can say beyond one generator.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use blackbeam_netlist::circuit::{self, *};
use blackbeam_netlist::{Files, ReadOptions, read, read_with};
use blackbeam_source::{Diagnostics, Source};
use std::f64::consts::{PI, TAU};
use std::path::Path;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

fn example(name: &str) -> (Circuit, Diagnostics) {
    let path = Path::new(HERE).join("../../tests/fixtures/devices").join(name);
    match read(&Source::read(&path).unwrap(), &ReadOptions::default()) {
        Ok(read) => read,
        Err(found) => panic!("{}", found.render(false)),
    }
}

fn device(text: &str) -> Circuit {
    let files = Files::in_folder("tests/golden/files");
    match read_with(&Source::new("test.ddl.yml", text), &ReadOptions::default(), &files) {
        Ok((circuit, _)) => circuit,
        Err(found) => panic!("{}", found.render(false)),
    }
}

fn codes(found: &Diagnostics) -> Vec<&'static str> {
    found.iter().map(|d| d.code).collect()
}

fn counts(c: &Circuit) -> Vec<(Quantity, usize, usize)> {
    c.nonideal.iter().map(|r| (r.quantity, r.elements.len(), r.slots.len())).collect()
}

#[test]
fn a_mesh() {
    let (c, warnings) = example("1_mzi_mesh.ddl.yml");
    assert!(warnings.is_empty(), "{}", warnings.render(false));
    let Kind::Mesh(mesh) = &c.instances[0].kind else { panic!() };
    assert_eq!(
        (mesh.n, mesh.cell, mesh.convention, mesh.arrangement),
        (8, Cell::Mzi, Convention::Bpbp, Arrangement::Clements)
    );
    assert_eq!((c.parameters[0].range, c.parameters[0].at_range), ((0.0, PI), AtRange::Reflect));
    assert_eq!(c.parameters.iter().map(|b| b.trainable).collect::<Vec<_>>(), [true, true, false]);
    let expected = [
        (Quantity::SplitAngle, 56, 0),
        (Quantity::CellLoss, 28, 0),
        (Quantity::ArmLoss, 28, 0),
        (Quantity::InputLoss, 8, 0),
        (Quantity::OutputLoss, 8, 0),
    ];
    assert_eq!(counts(&c), expected);
    assert_eq!(c.encoding.unwrap().source, circuit::Source { power_w: 1e-3, rin_db_hz: -145.0, linewidth_hz: 1e5 });
    assert_eq!((c.readout.lo_power_w, c.readout.adc_levels), (1e-3, Some(256)));
    assert!(c.readout.detector.unwrap().rin && c.actuators[0].crosstalk_in_power);
}

#[test]
fn a_bank_written_out() {
    let (c, warnings) = example("2_ring_weight_bank.ddl.yml");
    assert!(codes(&warnings).iter().all(|code| *code == "unconnected"), "{}", warnings.render(false));
    // 4 x 4 rings of 5 parts, 3 splitters with a loss each
    assert_eq!(c.instances.len(), 4 * 4 * 5 + 2 * 3);
    let block = &c.parameters[0];
    assert_eq!((c.parameters.len(), block.names.len(), block.unit), (1, 16, "rad"));
    assert_eq!(&block.names[5], "bank<0.1>.r<1.0>.phi");
    assert_eq!((block.grid[5], block.grid[14]), ([1, 1], [3, 2]), "w[row, column]");
    assert!(block.rows_apart && block.init == Init::Resonance);
    // 200 GHz apart, falling
    let f: Vec<f64> = c.environment.wavelengths_um.iter().map(|wl| 299_792.458 / wl).collect();
    assert!(c.environment.channels && f.windows(2).all(|w| (w[0] - w[1] - 200.0).abs() < 1e-6));
    assert_eq!(counts(&c), [(Quantity::Slot, 0, 32), (Quantity::ExtraPhase, 16, 0), (Quantity::Backscatter, 16, 0)]);
    // a ring backscatters at its phase shifter, which stands in the loop
    assert!(c.nonideal[2].elements.iter().all(|e| c.instances[e.instance].path.ends_with(".heat")));
    let DriftTarget::Slots { slots, factor } = &c.drift[0].target else { panic!() };
    assert_eq!((slots.len(), *factor), (16, 0.07));
    assert!(slots.iter().all(|s| matches!(c.slots[*s], Slot::Expr(_))), "phi of `heat` follows that of its ring");
    assert!(block.slots.iter().all(|s| matches!(c.slots[*s], Slot::Number(_))));
    let encoding = c.encoding.unwrap();
    assert!(encoding.per_channel && encoding.ports == [0]);
    assert_eq!(c.readout.pairs, [[1, 5], [2, 6], [3, 7], [4, 8]]);
    assert_eq!(c.readout.tia_ohm, Some(4000.0));
}

#[test]
fn free_space() {
    let (c, warnings) = example("3_slm_matvec.ddl.yml");
    // ten bins of six rows on 64 rows
    assert_eq!(codes(&warnings), ["dropped-pixels"], "{}", warnings.render(false));
    assert_eq!(c.instances.len(), 5);
    assert!(matches!(c.instances[1].kind, Kind::FreeSpace(FreeSpace::Propagate { pad: 2, .. })));
    assert_eq!((c.parameters[0].kind, c.parameters[0].slots.len()), (ParameterKind::PixelPhase, 4096));
    let Curve::Table(points) = &c.actuators[0].curve else { panic!() };
    assert!(points.len() > 2 && points[points.len() - 1].1 >= TAU);
    assert!(!c.actuators[0].crosstalk_in_power, "the fringing field mixes phases");
    let noll: Vec<usize> =
        c.nonideal.iter().filter(|r| r.quantity == Quantity::Zernike).map(|r| r.elements[0].index).collect();
    assert_eq!(noll, [6, 4], "astigmatism along x and defocus");
    assert!(counts(&c).contains(&(Quantity::Misalign, 2, 0)) && counts(&c).contains(&(Quantity::OutputGain, 10, 0)));
    // 0.6 e/photon at 633 nm: 0.6 * 0.633 / 1.2398 A/W
    let detector = c.readout.detector.unwrap();
    assert!((detector.responsivity - 0.30633).abs() < 1e-5);
    assert_eq!(detector.camera.unwrap().full_well_e, 1e4);
    assert_eq!(c.readout.adc_range, AdcRange::FullWell);
}

#[test]
fn feedback_and_a_hierarchy() {
    let (c, warnings) = example("4_hierarchical_feedback.ddl.yml");
    assert_eq!(codes(&warnings), ["unconnected"], "{}", warnings.render(false));
    assert_eq!(c.environment.wavelengths_um.len(), 601);
    assert!((c.environment.wavelengths_um[300] - 1.55).abs() < 1e-12 && c.environment.wavelengths_um[600] == 1.58);
    assert_eq!(c.instances.len(), 2 * 6 + 4);
    let gco = c.instances.iter().position(|i| i.path == "gco").unwrap();
    let Kind::Imported(imported) = &c.instances[gco].kind else { panic!() };
    assert_eq!((imported.name.as_str(), imported.data.ports()), ("gc", &["o1".to_string(), "o2".to_string()][..]));
    assert_eq!(c.ports[1].port, Port { instance: gco, port: 1 });
    assert_eq!(c.probes[0].name, "inside");
    let [phi, coupling] = &c.parameters[..] else { panic!() };
    assert_eq!((phi.kind, phi.names.len()), (ParameterKind::SettingPhase, 2));
    assert_eq!((coupling.kind, coupling.names.len(), coupling.slots.len()), (ParameterKind::Setting, 1, 2));
    assert_eq!((coupling.ends.as_slice(), coupling.unit), (&[2][..], ""));
    assert_eq!(counts(&c), [(Quantity::Slot, 0, 4), (Quantity::Slot, 0, 2), (Quantity::Reflection, 2, 0)]);
    assert!(c.encoding.is_none());
    assert_eq!(c.readout.ports, [1, 2]);
}

const MESH: &str = "ddl: 1\ninstances: {U: {component: mesh, settings: {n: 4}}}\n";

#[test]
fn a_part_of_a_block_has_its_own_entry() {
    let c = device(&format!("{MESH}parameters:\n  U.theta<0.*>: {{range: [0, 1], init: 0.5, trainable: false}}\n"));
    let blocks: Vec<_> = c.parameters.iter().map(|b| (b.kind, b.slots.len(), b.trainable)).collect();
    let (theta, phi) = (ParameterKind::Theta, ParameterKind::Phi);
    assert_eq!(blocks, [(theta, 2, false), (theta, 4, true), (phi, 6, true), (ParameterKind::Gamma, 4, false)]);
    assert_eq!(c.parameters[1].slots, [2, 3, 4, 5]);
    assert_eq!((c.parameters[1].range, c.parameters[1].init.clone()), ((0.0, PI), Init::Haar));
}

#[test]
fn a_unitary_becomes_phases() {
    let c = device(
        "ddl: 1\ninstances: {U: {component: mesh, settings: {n: 2}}}\nparameters: {'U.*': {init: {unitary: swap.npy}}}",
    );
    let values = |k: usize| match &c.parameters[k].init {
        Init::Values(values) => values.to_vec(),
        other => panic!("{other:?}"),
    };
    // light crosses over whole at theta = 0; B B = i X
    assert!(values(0)[0].abs() < 1e-9, "{:?}", values(0));
    let total = |k: usize| (PI / 2.0 + values(2)[k] + if k == 1 { values(1)[0] } else { 0.0 }).rem_euclid(TAU);
    for k in 0..2 {
        assert!(total(k) < 1e-9 || TAU - total(k) < 1e-9, "{k}: {}", total(k));
    }
}

#[test]
fn values_from_files_and_explicit_crosstalk() {
    let c = device(
        "ddl: 1
instances: {p: {component: phase, array: {columns: 3, rows: 1}}}
connections: {'p<0.0>,out0': 'p<1.0>,in0', 'p<1.0>,out0': 'p<2.0>,in0'}
ports: {in0: 'p<0.0>,in0', out0: 'p<2.0>,out0'}
parameters: {'p<*.0>.phi': {init: {file: three.csv}}}
actuators: {h: {drives: 'p<*.0>.phi', crosstalk: {matrix: nine.csv}}}
drift:
  - {at: 'p<1.0>', model: sinusoid, amplitude: 0.1, frequency_Hz: 50}
  - {quantity: power, model: power, nu: 0.05, t0: 20}
  - {at: 'p*', quantity: loss_dB, model: wiener, sigma: 0.1}
",
    );
    assert_eq!(c.parameters[0].init, Init::Values([1.0, 2.0, 3.0].into()));
    assert_eq!((c.parameters[0].grid.as_slice(), c.parameters[0].rows_apart), (&[[0, 0], [0, 1], [0, 2]][..], false));
    let Some(Crosstalk::Matrix(k)) = &c.actuators[0].crosstalk else { panic!() };
    assert_eq!((k.len(), k[1]), (9, 0.25));
    assert_eq!(c.drift[1].target, DriftTarget::Source);
    let DriftTarget::Slots { slots, factor } = &c.drift[2].target else { panic!() };
    assert_eq!((slots.len(), *factor), (3, 1.0));
}

#[test]
fn generators_as_circuits() {
    let c = device(
        "ddl: 1
circuits:
  lossy:
    settings: {theta: 0.0, phi: 0.0}
    instances:
      a: {component: coupler_ideal}
      b: {component: coupler_ideal}
      t: {component: phase, settings: {phi: '${settings.theta}', loss_dB: 0.1}}
      p: {component: phase, settings: {phi: '${settings.phi}'}}
    connections: {'p,out0': 'a,in0', 'a,out0': 't,in0', 't,out0': 'b,in0', 'a,out1': 'b,in1'}
    ports: {in0: 'p,in0', in1: 'a,in1', out0: 'b,out0', out1: 'b,out1'}
instances:
  U: {component: mesh, settings: {n: 4, cell: lossy}}
  V: {component: monarch, settings: {n: 4}}
connections: {'U,out0-3': 'V,in0-3'}
ports: {in0-3: 'U,in0-3', out0-3: 'V,out0-3'}
parameters:
  'U.m<*.*>.theta': {init: {uniform: [0, 1]}}
  'V.first<0>.theta': {}
nonideal: [{at: 'U.m*.*', split_angle: {normal: [0, 0.02]}}]
encoding: {ports: in0-3}
",
    );
    let cells = c.instances.iter().filter(|i| i.path.starts_with("U.m<") && i.path.ends_with(".t")).count();
    assert_eq!(cells, 6);
    assert_eq!(c.instances.iter().filter(|i| i.path.starts_with("U.gamma<")).count(), 4);
    let meshes: Vec<&str> =
        c.instances.iter().filter(|i| matches!(i.kind, Kind::Mesh(_))).map(|i| i.path.as_str()).collect();
    assert_eq!(meshes, ["V.first<0>", "V.first<1>", "V.second<0>", "V.second<1>"]);
    assert_eq!(&c.parameters[0].names[2], "U.m<1.0>.theta");
    assert_eq!((c.parameters[0].kind, c.parameters[1].names.len()), (ParameterKind::SettingPhase, 1));
    assert_eq!(counts(&c), [(Quantity::SplitAngle, 12, 0)]);
    // the other phases of the monarch network keep their defaults
    assert_eq!(c.parameters.iter().filter(|b| b.kind == ParameterKind::Theta).count(), 4);
    assert_eq!((c.encoding.unwrap().ports, c.readout.ports), (vec![0, 1, 2, 3], vec![4, 5, 6, 7]));
}

#[test]
fn events_and_units() {
    let c = device(&format!(
        "{MESH}units: {{length: nm, time: us, power: mW}}
environment: {{wl: 1310}}
encoding: {{source: {{power: 2}}}}
timing: {{write_fixed: 5}}
drift: [{{at: U.theta, model: ou, sigma: 0.1, tau: 1000}}]
events:
  - {{event: relock, at: U.m<0.0>, sigma: 0.1, times: [20, 10]}}
  - {{event: mode_hop, shift_nm: 0.2, rate_per_s: 0.01, duration_s: 5}}
  - {{event: dead_channel, at: [U.out3, out0], rate_per_s: 0.01}}
  - {{event: stuck_dac, at: U.phi<0.1>, times: [1]}}
  - {{event: frame_slip, rate_per_s: 0.1}}
"
    ));
    assert!((c.environment.wavelengths_um[0] - 1.31).abs() < 1e-12);
    assert!((c.encoding.unwrap().source.power_w - 2e-3).abs() < 1e-15 && (c.timing.write_fixed_s - 5e-6).abs() < 1e-18);
    assert!(matches!(c.drift[0].model, DriftModel::Ou { tau_s, .. } if (tau_s - 1e-3).abs() < 1e-15));
    let kinds: Vec<&EventKind> = c.events.iter().map(|e| &e.what).collect();
    assert_eq!(*kinds[0], EventKind::Relock { slots: vec![0, 6], sigma: 0.1 });
    let When::At(times) = &c.events[0].when else { panic!() };
    assert!(times.iter().zip([1e-5, 2e-5]).all(|(t, e)| (t - e).abs() < 1e-15), "{times:?}");
    assert!(matches!(kinds[1], EventKind::ModeHop { shift_um } if (shift_um - 2e-4).abs() < 1e-15));
    assert_eq!(*kinds[2], EventKind::DeadChannel(vec![0, 3]));
    assert_eq!(*kinds[3], EventKind::StuckDac(vec![7]));
    assert_eq!((c.events[4].duration_s, c.events[1].duration_s, c.events[0].duration_s), (0.0, 5.0, f64::INFINITY));
}

#[test]
fn a_plain_netlist_is_a_device_that_can_be_simulated() {
    let yaml = "
instances:
  lft: {component: coupler_ideal, settings: {coupling: 0.3}}
  top: {component: straight, settings: {length: 25.0}}
  rgt: coupler_ideal
connections: {'lft,out0': 'rgt,in0', 'lft,out1': 'top,in0', 'top,out0': 'rgt,in1'}
ports: {in0: 'lft,in0', out0: 'rgt,out0', out1: 'rgt,out1'}
";
    let c = device(yaml);
    assert_eq!((c.instances.len(), c.links.len(), c.encoding.clone()), (3, 3, None));
    assert!(c.parameters.is_empty());
    let json = Source::new("x", yaml).parse().unwrap().to_json().to_string();
    assert_eq!(device(&json).instances, c.instances);
    let with_info =
        format!("{yaml}info: {{ddl: {{parameters: {{lft.coupling: {{range: [0, 1]}}}}, encoding: {{ports: in0}}}}}}\n");
    let c = device(&with_info);
    assert_eq!((c.parameters[0].kind, c.parameters[0].init.clone()), (ParameterKind::Setting, Init::Settings));
    assert_eq!(c.readout.ports, [1, 2], "what is not an input is read");
}

#[test]
fn netlists_from_files() {
    let c = device(
        "ddl: 1
imports: [{file: cell.pic.yml, as: cell}]
instances:
  U: {component: mesh, settings: {n: 2, arrangement: file, file: cell.pic.yml}}
  V: cell
connections: {'U,out0-1': 'V,in0-1'}
ports: {in0-1: 'U,in0-1', out0-1: 'V,out0-1'}
parameters: {'**.ps.phi': {}}
",
    );
    assert_eq!(c.parameters[0].names, ["U.mesh.ps.phi", "V.ps.phi"].into_iter().collect());
}

#[test]
fn errors_of_arms_and_rings() {
    let with = |cell: &str| format!("ddl: 1\ninstances: {{U: {{component: mesh, settings: {{n: 4, {cell}}}}}}}\n");
    let rule = "nonideal: [{at: U.m<1.0>.arm0, phase: {normal: [0, 0.2]}}]";
    let of = |cell: &str| device(&(with(cell) + rule)).nonideal.remove(0);
    // the upper arm carries theta, in the tunable coupler phi
    for (cell, slot) in [("cell: mzi", 2), ("cell: mzi3", 2), ("convention: bpbp_t", 2), ("cell: tdc", 8)] {
        let rule = of(cell);
        assert_eq!((rule.quantity, rule.slots, rule.value), (Quantity::Offset, vec![slot], Number::Normal(0.0, 0.2)));
    }
    // in push-pull it is on both
    let found = read(&Source::new("x", with("convention: bloch") + rule), &ReadOptions::default()).unwrap_err();
    assert!(found.render(false).contains("acts on both arms"));
    let bank = "ddl: 1\ninstances: {b: {component: mrr_bank, settings: {rows: 2, columns: 2, preset: HQ}}}
nonideal: [{at: 'b.r<0.1>', backscatter: 0.01, phase: 0.1}, {at: b, bs_error: 0.1}]";
    let found = read(&Source::new("x", bank), &ReadOptions::default()).unwrap_err();
    assert_eq!(codes(&found), ["wrong-place"]);
    let c = device(&bank.replace(", {at: b, bs_error: 0.1}", ""));
    assert_eq!(counts(&c), [(Quantity::RingBackscatter, 1, 0), (Quantity::Offset, 0, 1)]);
    assert_eq!((c.nonideal[0].elements[0].index, c.nonideal[1].slots[0]), (1, 1));
}

#[test]
fn gains_find_their_positions() {
    let c = device(
        "ddl: 1
instances: {a: {component: coupler_ideal, array: {columns: 1, rows: 2}}}
ports: {in0-1: 'a<0.0-1>,in0', plus0-1: 'a<0.0-1>,out0', minus0-1: 'a<0.0-1>,out1'}
encoding: {ports: [in1, in0]}
readout: {pairs: {y0-1: [plus0-1, minus0-1]}}
nonideal: [{at: 'y*', gain: 1.1}, {at: y1, gain: {normal: [1, 0.1]}}, {at: in0, gain: 0.9}]
events: [{event: dead_channel, at: y1, times: [1]}]
",
    );
    let rules: Vec<_> =
        c.nonideal.iter().map(|r| (r.quantity, r.elements.iter().map(|e| e.index).collect::<Vec<_>>())).collect();
    let expected =
        [(Quantity::OutputGain, vec![0, 1]), (Quantity::OutputGain, vec![1]), (Quantity::InputGain, vec![1])];
    assert_eq!(rules, expected);
    assert_eq!(c.events[0].what, EventKind::DeadChannel(vec![1]));
}

#[test]
fn parameters_in_the_order_of_rows_or_columns() {
    let with = |order: &str| {
        let c = device(&format!(
            "ddl: 1
instances: {{p: {{component: phase, array: {{columns: 2, rows: 2}}}}}}
ports: {{a: 'p<0.0>,in0', b: 'p<1.0>,in0', c: 'p<0.1>,in0', d: 'p<1.1>,in0'}}
parameters: {{p.phi: {{{order}}}}}
"
        ));
        let block = &c.parameters[0];
        (block.names.clone(), block.grid.clone(), block.rows_apart)
    };
    let names = |places: [&str; 4]| -> Names { places.map(|at| format!("p<{at}>.phi")).into_iter().collect() };
    let (rows, grid, apart) = with("order: [row, column]");
    assert_eq!((rows, grid, apart), (names(["0.0", "1.0", "0.1", "1.1"]), vec![[0, 0], [0, 1], [1, 0], [1, 1]], false));
    let (columns, grid, _) = with("order: [column, row]");
    assert_eq!((columns, grid), (names(["0.0", "0.1", "1.0", "1.1"]), vec![[0, 0], [1, 0], [0, 1], [1, 1]]));
}
