use super::{ExpandedInstance, expand};
use crate::circuit::*;
use blackbeam_components::{Cx, Unit, catalogue, find};
use blackbeam_schematic::{Flat, Leaf, flatten};
use blackbeam_source::{Diagnostics, Source};
use std::collections::HashSet;
use std::sync::Arc;

/// A circuit of these instances (path, kind, inputs, outputs, values of the slots) and links, all other ports leading
/// out as `p0`, `p1`, ..; and the values.
fn circuit(parts: Vec<(&str, Kind, usize, usize, Vec<f64>)>, links: &[[(usize, usize); 2]]) -> (Circuit, Vec<f64>) {
    let port = |(instance, port): (usize, usize)| Port { instance, port };
    let (mut instances, mut values, mut free) = (Vec::new(), Vec::new(), Vec::new());
    for (k, (path, kind, inputs, outputs, own)) in parts.into_iter().enumerate() {
        let slots = values.len()..values.len() + own.len();
        values.extend(own);
        free.extend(
            (0..inputs + outputs).map(|port| (k, port)).filter(|end| !links.iter().flatten().any(|e| e == end)),
        );
        instances.push(Instance { path: path.into(), kind, slots, inputs, outputs });
    }
    let circuit = Circuit {
        network: None,
        name: "test".into(),
        seed: 0,
        environment: Environment { wavelengths_um: vec![1.55], channels: false, temperature_k: 300.0 },
        instances,
        slots: values.iter().map(|v| Slot::Number(Number::Fixed(*v))).collect(),
        links: links.iter().map(|link| link.map(port)).collect(),
        ports: free
            .into_iter()
            .enumerate()
            .map(|(k, end)| OuterPort { name: format!("p{k}"), port: port(end) })
            .collect(),
        probes: Vec::new(),
        solver: Solver::Auto,
        precision: Default::default(),
        parameters: Vec::new(),
        actuators: Vec::new(),
        nonideal: Vec::new(),
        drift: Vec::new(),
        events: Vec::new(),
        encoding: None,
        readout: Readout {
            ports: Vec::new(),
            pairs: Vec::new(),
            mode: ReadoutMode::Intensity,
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
            frame_s: 0.0,
            frame_vectors: 1,
            averages: 1,
            host_step_s: 0.0,
        },
    };
    (circuit, values)
}

/// The netlist as Blackbeam reads it, without a warning but of gain.
fn read(text: &str) -> Flat {
    let source = Source::new("expanded.yml", text);
    let mut found = Diagnostics::new(&source);
    let flat = flatten(&source.parse().unwrap(), &blackbeam_schematic::Options::default(), &mut found);
    assert!(found.is_empty() || text.contains("loss: -"), "{}\n{text}", found.render(false));
    flat.unwrap()
}

/// S of a circuit, S[to][from] over its outer ports: E^T S (1 - C S)^-1 E by elimination.
fn solve(flat: &Flat, wl_um: f64) -> Vec<Vec<Cx<f64>>> {
    let zero = Cx { re: 0.0, im: 0.0 };
    let starts: Vec<usize> =
        flat.leaves.iter().scan(0, |at, leaf| Some(std::mem::replace(at, *at + leaf.ports.len()))).collect();
    let n: usize = flat.leaves.iter().map(|leaf| leaf.ports.len()).sum();
    let place = |(leaf, port): (usize, usize)| starts[leaf] + port;
    let mut s = vec![vec![zero; n]; n];
    for (leaf, start) in flat.leaves.iter().zip(&starts) {
        let Leaf::Primitive(component) = leaf.kind else { panic!() };
        let owner = &flat.owners[leaf.owner];
        let settings: Vec<f64> = flat.slots[owner.slots.clone()].iter().map(|slot| slot.nominal).collect();
        for (from, to, value) in component.entries(&settings, leaf.inputs, leaf.ports.len() - leaf.inputs, wl_um) {
            s[start + to][start + from] = value;
        }
    }
    // rows of 1 - C S, then the columns of E: what goes into each port for light into each outer port
    let mut joined: Vec<Option<usize>> = vec![None; n];
    for link in &flat.links {
        (joined[place(link.a)], joined[place(link.b)]) = (Some(place(link.b)), Some(place(link.a)));
    }
    let outer: Vec<usize> = flat.ports.iter().map(|port| place(port.port)).collect();
    let mut rows: Vec<Vec<Cx<f64>>> = (0..n)
        .map(|i| {
            let mut row = joined[i].map_or(vec![zero; n], |j| s[j].iter().map(|v| -*v).collect());
            row[i] = row[i] + Cx::real(1.0);
            row.extend(outer.iter().map(|port| Cx::real(if *port == i { 1.0 } else { 0.0 })));
            row
        })
        .collect();
    for k in 0..n {
        let pivot = (k..n).max_by(|a, b| rows[*a][k].norm_sqr().total_cmp(&rows[*b][k].norm_sqr())).unwrap();
        rows.swap(k, pivot);
        let top = rows[k].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(i, row)| *i != k && row[k].norm_sqr() > 0.0) {
            let factor = row[k] / top[k];
            row[k..].iter_mut().zip(&top[k..]).for_each(|(x, y)| *x = *x - factor * *y);
        }
    }
    let into = |port: usize, column: usize| rows[port][n + column] / rows[port][port];
    let out_of = |to: usize, column: usize| (0..n).fold(zero, |sum, k| sum + s[to][k] * into(k, column));
    outer.iter().map(|to| (0..outer.len()).map(|column| out_of(*to, column)).collect()).collect()
}

fn near(a: Cx<f64>, re: f64, im: f64) -> bool {
    (a - Cx { re, im }).norm_sqr().sqrt() < 1e-12
}

/// A number that looks arbitrary, 0 to 1.
fn fraction(k: usize) -> f64 {
    (0.618_033_988_749_895 * (k as f64 + 1.0)).fract()
}

fn mesh(n: usize, arrangement: Arrangement, cell: Cell, convention: Convention) -> (Mesh, Vec<f64>) {
    let mesh = Mesh { n, arrangement, layers: None, convention, cell, output_phases: true };
    let values = (0..2 * mesh.cell_count() + n).map(|k| 6.0 * fraction(k)).collect();
    (mesh, values)
}

#[test]
fn meshes_keep_their_matrix() {
    use Convention::*;
    let cases = [
        (8, Arrangement::Clements, Cell::Mzi, Bpbp),
        (5, Arrangement::Reck, Cell::Mzi3, Bpbp),
        (4, Arrangement::Butterfly, Cell::Mzi, BpbpT),
        (4, Arrangement::Triangular, Cell::MziClassical, Bpbp),
        (4, Arrangement::Clements, Cell::Tdc, Bpbp),
        (4, Arrangement::Clements, Cell::Mzi, Bloch),
        (4, Arrangement::Clements, Cell::Mzi3, RxHRy),
        (4, Arrangement::Clements, Cell::Mzi, Clements2016),
    ];
    for (n, arrangement, cell, convention) in cases {
        let (mesh, values) = mesh(n, arrangement, cell, convention);
        let (cells, sites) = (mesh.cell_count(), mesh.sites());
        let scheme = blackbeam_meshes::Scheme::new(cell, convention).unwrap();
        let (theta, phi, gamma) = (&values[..cells], &values[cells..2 * cells], &values[2 * cells..]);
        let expected = blackbeam_meshes::matrix(n, &sites, &scheme, theta, phi, gamma).unwrap();
        let (circuit, values) = circuit(vec![("U", Kind::Mesh(mesh), n, n, values.clone())], &[]);
        let flat = read(&expand(&circuit, &values).unwrap().to_yaml());
        let s = solve(&flat, 1.31);
        for (to, row) in s.iter().enumerate() {
            for (from, value) in row.iter().enumerate() {
                // ports stand in the order of the circuit: inputs, then outputs
                let entry = match (to.checked_sub(n), from < n) {
                    (Some(out), true) => expected[out * n + from],
                    (None, false) => expected[(from - n) * n + to],
                    _ => Default::default(),
                };
                assert!(
                    near(*value, entry.re, entry.im),
                    "{cell:?} {convention:?} {to} {from}: {value:?}, not {entry}"
                );
            }
        }
    }
}

#[test]
fn components_keep_their_scattering() {
    let without = ["copier", "crossing", "facet", "mmi", "passthru", "unitary"];
    for component in catalogue() {
        for variant in 0..3 {
            let settings: Vec<f64> = component
                .settings
                .iter()
                .enumerate()
                .map(|(k, setting)| match setting.unit {
                    Unit::Count | Unit::Flag => setting.default,
                    _ if variant == 0 => setting.default,
                    _ => {
                        let wished = setting.default * (0.9 + 0.2 * fraction(k)) + 0.3 * fraction(k + 7 * variant);
                        wished.clamp(setting.range.0, setting.range.1)
                    }
                })
                .collect();
            let (inputs, outputs) = component.size(&settings).unwrap();
            let part = ("x", Kind::Primitive(component.name), inputs, outputs, settings.clone());
            let (circuit, values) = circuit(vec![part], &[]);
            let expanded = expand(&circuit, &values).unwrap();
            let stock = |i: &ExpandedInstance| super::primitives::STOCK.contains(&i.component.as_str());
            assert_eq!(expanded.instances.iter().all(stock), !without.contains(&component.name), "{}", component.name);
            assert_eq!(
                expanded.notes.iter().any(|note| note.contains("no model for")),
                without.contains(&component.name)
            );
            let flat = read(&expanded.to_yaml());
            let n = inputs + outputs;
            for wl in [1.55, 1.5713] {
                let expected = component.matrix(&settings, inputs, outputs, wl);
                for (to, row) in solve(&flat, wl).iter().enumerate() {
                    for (from, value) in row.iter().enumerate() {
                        let Cx { re, im } = expected[to * n + from];
                        assert!(near(*value, re, im), "{} {to} {from}: {value:?}, not {re} {im}", component.name);
                    }
                }
            }
        }
    }
}

#[test]
fn settings_and_links_are_kept() {
    let straight = |length: f64| vec![1.55, 2.34, 3.4, length, 1e-7];
    let guide = || Kind::Primitive("straight");
    let parts = vec![
        ("m0.dc<0.1>", Kind::Primitive("coupler_ideal"), 2, 2, vec![0.3]),
        ("m0.w", guide(), 1, 1, straight(1.0 / 3.0)),
        ("m0.v", guide(), 1, 1, straight(1e22)),
        ("m0__w", guide(), 1, 1, straight(3.0)),
        ("wl", guide(), 1, 1, straight(4.0)),
    ];
    let links = [[(0, 3), (1, 0)], [(1, 1), (0, 1)], [(2, 1), (3, 0)]];
    let (mut circuit, values) = circuit(parts, &links);
    circuit.ports[0].name = "on".into();
    circuit.ports[1].name = "through port".into();
    let expanded = expand(&circuit, &values).unwrap();
    assert_eq!(expanded, expand(&circuit, &values).unwrap());
    let names: Vec<&str> = expanded.instances.iter().map(|i| i.name.as_str()).collect();
    assert_eq!(names, ["m0__dc_0_1", "m0__w", "m0__v", "m0__w_2", "wl_2"]);
    let text = expanded.to_yaml();
    for part in [
        "  m0__dc_0_1: {component: coupler_ideal, settings: {coupling: 0.3}}\n",
        "length: 0.3333333333333333, loss_dB_cm: 1.0e-7",
        "length: 1.0e+22,",
        "  m0__dc_0_1,out1: m0__w,in0\n  m0__w,out0: m0__dc_0_1,in1\n",
        "ports:\n  'on': m0__dc_0_1,in0\n  through_port: m0__dc_0_1,out0\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    // both texts read back as the same circuit
    for text in [text, expanded.to_json()] {
        let flat = read(&text);
        assert_eq!(flat.slots.iter().map(|slot| slot.nominal).collect::<Vec<_>>(), values);
        let ends = |link: &[(usize, usize); 2]| HashSet::from(*link);
        let got: Vec<_> = flat.links.iter().map(|link| HashSet::from([link.a, link.b])).collect();
        assert_eq!(got, links.iter().map(ends).collect::<Vec<_>>());
        let ports: Vec<(usize, usize)> = flat.ports.iter().map(|port| port.port).collect();
        assert_eq!(ports, circuit.ports.iter().map(|p| (p.port.instance, p.port.port)).collect::<Vec<_>>());
    }
}

#[test]
fn rings_of_a_bank_have_its_powers() {
    let (a, r, r2) = (0.92_f64, 0.95_f64, 0.9_f64);
    for weight in [RingWeight::AllPassPower, RingWeight::AddDrop] {
        let phases = vec![0.0, 0.4, 2.0, -1.0, 3.1, 6.0];
        let bank = MrrBank { rows: 2, columns: 3, a, r, r2, weight, scale: 0.5, shared: None };
        let (circuit, values) = circuit(vec![("b", Kind::MrrBank(bank), 3, 2, phases.clone())], &[]);
        let expanded = expand(&circuit, &values).unwrap();
        assert!(expanded.notes.last().unwrap().contains("times 0.5"));
        let s = solve(&read(&expanded.to_yaml()), 1.55);
        let port = |k: usize, name: &str| {
            let name = format!("b__r_{}_{}__{name}", k / 3, k % 3);
            expanded.ports.iter().position(|port| port.0 == name).unwrap()
        };
        for (k, phi) in phases.iter().enumerate() {
            let q = 2.0 * a * r * phi.cos();
            let power = |to: &str| s[port(k, to)][port(k, "in")].norm_sqr();
            let (thru, drop) = if weight == RingWeight::AddDrop {
                let d = 1.0 - q * r2 + (r * r2 * a).powi(2);
                (((r2 * a).powi(2) - q * r2 + r * r) / d, Some((1.0 - r * r) * (1.0 - r2 * r2) * a / d))
            } else {
                ((a * a - q + r * r) / (1.0 - q + (a * r).powi(2)), None)
            };
            assert!((power("thru") - thru).abs() < 1e-12, "{weight:?} {k}");
            assert!(drop.is_none_or(|drop| (power("drop") - drop).abs() < 1e-12), "{weight:?} {k}");
        }
    }
}

/// |S|^2 of the rows as they are written out is what each channel leaves and drops: T of every ring on the way, in complex numbers.
#[test]
fn rows_of_a_shared_bus_have_the_powers_of_its_channels() {
    let (a, r, r2) = (0.95_f64, 0.93_f64, 0.96_f64);
    let shared = SharedBus { length_um: 30.0, ng: 4.2 };
    let channels = [1.55, 1.5508, 1.5517];
    let phases = vec![0.05, -0.2, 0.01, 0.3, 2.0, 6.2];
    let bank = MrrBank { rows: 2, columns: 3, a, r, r2, weight: RingWeight::AddDrop, scale: 2.0, shared: Some(shared) };
    let (mut circuit, values) = circuit(vec![("b", Kind::MrrBank(bank), 3, 2, phases.clone())], &[]);
    assert!(expand(&circuit, &values).unwrap_err().contains("1 channels for 3 rings"));
    circuit.environment.wavelengths_um = channels.to_vec();
    let expanded = expand(&circuit, &values).unwrap();
    assert!(expanded.notes.last().unwrap().contains("times 2"));
    let flat = read(&expanded.to_yaml());
    let end = |name: String| expanded.ports.iter().position(|port| port.0 == name).expect("a port of that name");
    for wl in channels {
        let s = solve(&flat, wl);
        for row in 0..2 {
            let start = end(format!("b__in_{row}"));
            let mut left = 1.0;
            for (column, at) in channels.iter().enumerate() {
                let turns = shared.ng * shared.length_um * (1.0 / wl - 1.0 / at);
                let q = std::f64::consts::TAU * turns + phases[3 * row + column];
                let d = 1.0 - 2.0 * a * r * r2 * q.cos() + (a * r * r2).powi(2);
                let drop = left * (1.0 - r * r) * (1.0 - r2 * r2) * a / d;
                let found = s[end(format!("b__r_{row}_{column}__drop"))][start].norm_sqr();
                assert!((found - drop).abs() < 1e-11, "{found} {drop}");
                left *= ((r2 * a).powi(2) - 2.0 * a * r * r2 * q.cos() + r * r) / d;
            }
            assert!((s[end(format!("b__thru_{row}"))][start].norm_sqr() - left).abs() < 1e-11);
        }
    }
}

#[test]
fn imports_keep_their_names() {
    let text = "wl_um,port_in,port_out,re,im\n1.5,port 1,port 2,0.9,0\n1.6,port 1,port 2,0.8,0\n";
    let data = blackbeam_sparams::csv::read(text, "gc.csv", &blackbeam_sparams::Limits::default()).unwrap();
    let import = |name: &str| {
        let data = Arc::new(data.clone());
        Kind::Imported(Imported { name: name.into(), data, extrapolate: blackbeam_sparams::Extrapolate::Error })
    };
    let parts = vec![
        ("a", import("gc 1550"), 1, 1, vec![]),
        ("b", import("straight"), 1, 1, vec![]),
        ("c", Kind::Primitive("straight"), 1, 1, vec![1.55, 2.34, 3.4, 10.0, 0.0]),
        ("d", import("gc 1550"), 1, 1, vec![]),
    ];
    let (circuit, values) = circuit(parts, &[[(0, 1), (1, 0)]]);
    let expanded = expand(&circuit, &values).unwrap();
    let components: Vec<&str> = expanded.instances.iter().map(|i| i.component.as_str()).collect();
    assert_eq!(components, ["gc_1550", "straight_import", "straight", "gc_1550"]);
    assert_eq!(expanded.connections, [["a,port_2", "b,port_1"].map(String::from)]);
    let about = |name: &str| expanded.notes.iter().filter(|note| note.contains(name)).count();
    assert_eq!((about("`gc 1550`, ports port_1, port_2"), about("`straight_import` needs a model")), (1, 1));
}

#[test]
fn errors_say_what_cannot_be_written() {
    let error = |parts, links: &[[(usize, usize); 2]]| {
        let (circuit, values) = circuit(parts, links);
        expand(&circuit, &values).unwrap_err()
    };
    let slm = || Kind::SlmMatvec(SlmMatvec { n_in: 1, n_out: 1, scale: 1.0, fill_factor: 1.0 });
    let plane = || Kind::FreeSpace(FreeSpace::Lens2f { focal_um: 1.0 });
    for kind in [slm(), plane()] {
        assert!(error(vec![("s", kind, 1, 1, vec![0.0])], &[]).contains("`s` is light in free space"));
    }
    let bank =
        MrrBank { rows: 1, columns: 1, a: 0.9, r: 0.9, r2: 0.9, weight: RingWeight::AddDrop, scale: 1.0, shared: None };
    let phase = |phi: f64| ("p", Kind::Primitive("phase"), 1, 1, vec![phi, 0.0]);
    let joined = vec![phase(0.0), ("b", Kind::MrrBank(bank), 1, 1, vec![0.0])];
    assert!(error(joined, &[[(0, 1), (1, 0)]]).contains("`p` is joined to `b`: a weight bank"));
    assert!(error(vec![phase(0.0)], &[[(0, 0), (0, 1)]]).contains("no outer port"));
    assert!(error(vec![phase(f64::NAN)], &[]).contains("`voltage` is NaN"));
    let (mesh, values) = mesh(4096, Arrangement::Butterfly, Cell::Mzi, Convention::Bpbp);
    assert!(expand(&circuit(vec![("U", Kind::Mesh(mesh), 0, 0, vec![])], &[]).0, &values).is_err());
    let large = Mesh {
        n: 1024,
        arrangement: Arrangement::Clements,
        layers: None,
        convention: Convention::Bpbp,
        cell: Cell::Mzi,
        output_phases: false,
    };
    assert!(error(vec![("U", Kind::Mesh(large), 1024, 1024, vec![])], &[]).contains("at most 262144"));
    // infinite loss is dark, not infinite
    let dark = ("m", Kind::Primitive("mzm"), 1, 1, vec![1.0, 1.0, 0.0, f64::INFINITY, f64::INFINITY]);
    let (circuit, values) = circuit(vec![dark], &[]);
    assert!(solve(&read(&expand(&circuit, &values).unwrap().to_yaml()), 1.55)[1][0].norm_sqr() == 0.0);
    assert!(find("mzm").is_some());
}

/// A device as the reader gives it: hierarchy, arrays, expressions, feedback, a generator that is a circuit.
#[test]
fn a_device_file_keeps_its_scattering() {
    let text = "
ddl: 1
circuits:
  ring:
    settings: {length: 62.8, coupling: 0.3}
    instances:
      c: {component: coupler_ideal, settings: {coupling: '${settings.coupling}'}}
      w: {component: straight, settings: {length: '${settings.length / 2}', ng: 4.0, loss_dB_cm: 6.0}}
      r: {component: ring_allpass, settings: {phi: 0.3}}
    connections: {'c,out1': 'w,in0', 'w,out0': 'r,in0', 'r,out0': 'c,in1'}
    ports: {in0: 'c,in0', out0: 'c,out0'}
instances:
  split: {component: splitter_tree, settings: {outputs: 2, loss_dB: 0.3}}
  r: {component: ring, array: {columns: 2, rows: 1}, settings: {length: 50}}
  mix: {component: mesh, settings: {n: 2}}
connections:
  'split,out0': 'r<0.0>,in0'
  'split,out1': 'r<1.0>,in0'
  'r<0-1.0>,out0': 'mix,in0-1'
ports: {in: 'split,in0', a: 'mix,out0', b: 'mix,out1'}
parameters:
  'r*.w.loss_dB_cm': {range: [0, 10], tied: true}
";
    let (circuit, _) = crate::read(&Source::new("x.ddl.yml", text), &crate::ReadOptions::default()).unwrap();
    let mut values: Vec<f64> = Vec::new();
    for slot in &circuit.slots {
        values.push(match slot {
            Slot::Number(number) => number.nominal(),
            Slot::Expr(expr) => expr.eval(&values),
        });
    }
    let mesh = circuit.instances.iter().find(|i| matches!(i.kind, Kind::Mesh(_))).unwrap().slots.clone();
    (values[mesh.start], values[mesh.start + 1]) = (1.1, 0.4);
    let s = solve(&read(&expand(&circuit, &values).unwrap().to_yaml()), 1.57);
    // the same by hand: two equal rings on the two arms, then the cell
    let c = |re: f64, im: f64| Cx { re, im };
    let a = |db: f64| 10f64.powf(-db / 20.0);
    let turn = |length: f64, ng: f64| {
        let n = 2.34 - (1.57 - 1.55) * (ng - 2.34) / 1.55;
        std::f64::consts::TAU * n * length / 1.57
    };
    let (t, inner) = (0.9f64.sqrt(), Cx::cis(turn(62.831_853_071_795_86, 3.4) + 0.3));
    let allpass = (Cx::real(t) - inner) / (Cx::real(1.0) - inner.scale(t));
    let round = Cx::cis(turn(25.0, 4.0)).scale(a(6.0 * 25.0 * 1e-4)) * allpass;
    let bar = 0.7f64.sqrt();
    let ring = (Cx::real(bar) - round) / (Cx::real(1.0) - round.scale(bar));
    let arm = ring.scale(a(0.3) * 0.5f64.sqrt());
    let couple = |x: [Cx<f64>; 2]| {
        let half = 0.5f64.sqrt();
        [(x[0] + c(0.0, 1.0) * x[1]).scale(half), (c(0.0, 1.0) * x[0] + x[1]).scale(half)]
    };
    let first = couple([Cx::cis(0.4) * arm, arm]);
    let out = couple([Cx::cis(1.1) * first[0], first[1]]);
    for (k, expected) in out.iter().enumerate() {
        assert!(near(s[1 + k][0], expected.re, expected.im), "{k}: {:?}, not {expected:?}", s[1 + k][0]);
    }
}
