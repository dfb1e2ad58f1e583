//! What holds for any circuit, on random ones: written as text, read back, solved.

use crate::{
    assert_same, circuit,
    copies::copies,
    largest,
    netlist::{Netlist, Part, What},
    random::Random,
    solved,
};
use blackbeam_components::{Component, Passivity, catalogue};
use blackbeam_netlist::circuit::{Circuit, Solver};
use blackbeam_optics::{Optics, Spectrum, slot_values};
use num_complex::Complex64;
use std::collections::HashMap;

const WAVELENGTHS: [f64; 3] = [1.5237, 1.55, 1.5713];
const TOLERANCE: f64 = 1e-9;

#[track_caller]
fn read(text: &str) -> Circuit {
    let (mut circuit, _) = circuit("random.yml", text);
    circuit.environment.wavelengths_um = WAVELENGTHS.to_vec();
    circuit
}

#[track_caller]
fn simulate(text: &str) -> Spectrum {
    let circuit = read(text);
    let optics = Optics::new(&circuit, circuit.seed).unwrap_or_else(|error| panic!("{}:\n{text}", error.message));
    optics.spectrum().unwrap_or_else(|error| panic!("{}:\n{text}", error.message))
}

fn components(which: impl Fn(&Component) -> bool) -> Vec<&'static Component> {
    catalogue().iter().copied().filter(|component| which(component)).collect()
}

/// All but those that copy light: a loop over one of them has a gain of exactly 1, and so no steady state.
fn all_components() -> Vec<&'static Component> {
    components(|c| !["copier", "ideal_probe"].contains(&c.name))
}

/// 2 to 30 parts.
fn size(random: &mut Random) -> usize {
    2 + random.below(29)
}

/// The scattering matrix at a wavelength, `[out][in]`.
fn matrix(spectrum: &Spectrum, wavelength: usize) -> Vec<Vec<Complex64>> {
    let n = spectrum.inputs.len();
    (0..n).map(|o| (0..n).map(|i| spectrum.get(wavelength, i, o)).collect()).collect()
}

/// S^H S.
fn gram(spectrum: &Spectrum, wavelength: usize) -> Vec<Vec<Complex64>> {
    let s = matrix(spectrum, wavelength);
    let n = s.len();
    let entry = |i: usize, j: usize| (0..n).map(|k| s[k][i].conj() * s[k][j]).sum();
    (0..n).map(|i| (0..n).map(|j| entry(i, j)).collect()).collect()
}

/// Whether 1 + slack - S^H S is positive definite: no wave comes out stronger than it went in. By Cholesky's method.
fn is_passive(spectrum: &Spectrum, wavelength: usize, slack: f64) -> bool {
    let g = gram(spectrum, wavelength);
    let n = g.len();
    let mut l = vec![vec![Complex64::ZERO; n]; n];
    for i in 0..n {
        for j in 0..=i {
            let identity = if i == j { 1.0 + slack } else { 0.0 };
            let sum: Complex64 = (0..j).map(|k| l[i][k] * l[j][k].conj()).sum();
            let rest = identity - g[i][j] - sum;
            if i != j {
                l[i][j] = rest / l[j][j];
            } else if rest.re <= 0.0 {
                return false;
            } else {
                l[i][i] = rest.re.sqrt().into();
            }
        }
    }
    true
}

#[track_caller]
fn assert_unitary(spectrum: &Spectrum, text: &str) {
    for wavelength in 0..WAVELENGTHS.len() {
        for (i, row) in gram(spectrum, wavelength).iter().enumerate() {
            for (j, value) in row.iter().enumerate() {
                let off = (value - if i == j { 1.0 } else { 0.0 }).norm();
                assert!(off < TOLERANCE, "S^H S is off by {off:e}:\n{text}");
            }
        }
    }
}

#[test]
fn without_loss_circuits_are_unitary() {
    for number in 0..150 {
        let mut random = Random::new("unitary", number);
        let parts = size(&mut random);
        let text = random.circuit(parts, 1.0, Random::lossless).flat(&mut random);
        assert_unitary(&simulate(&text), &text);
    }
}

#[test]
fn circuits_of_reciprocal_components_are_reciprocal() {
    let reciprocal = all_components().into_iter().filter(|c| c.reciprocal).collect::<Vec<_>>();
    let others = components(|c| !c.reciprocal);
    let asymmetry = |spectrum: &Spectrum| {
        let n = spectrum.inputs.len();
        let pairs = (0..WAVELENGTHS.len()).flat_map(|w| (0..n * n).map(move |k| (w, k / n, k % n)));
        pairs.fold(0.0, |off: f64, (w, i, j)| (spectrum.get(w, i, j) - spectrum.get(w, j, i)).norm().max(off))
    };
    for number in 0..100 {
        let mut random = Random::new("reciprocal", number);
        let parts = size(&mut random);
        let text = random.circuit(parts, 0.8, |random| random.one_of(&reciprocal)).flat(&mut random);
        let found = simulate(&text);
        assert!(asymmetry(&found) < TOLERANCE * largest(&found), "{}:\n{text}", asymmetry(&found));
    }
    // Of the others, not: the measure can fail.
    let mut random = Random::new("not reciprocal", 0);
    assert!(asymmetry(&simulate(&random.circuit(6, 0.5, |r| r.one_of(&others)).flat(&mut random))) > 0.1);
}

#[test]
fn circuits_of_passive_components_are_passive() {
    let passive = components(|c| c.passivity == Passivity::Passive);
    for number in 0..100 {
        let mut random = Random::new("passive", number);
        let parts = size(&mut random);
        let text = random.circuit(parts, 1.0, |random| random.one_of(&passive)).flat(&mut random);
        let found = simulate(&text);
        (0..WAVELENGTHS.len()).for_each(|w| assert!(is_passive(&found, w, 1e-10), "has gain:\n{text}"));
    }
    let text = "instances: {r: reflector}\nports: {a: 'r,in0', b: 'r,out0'}\n";
    assert!(!is_passive(&simulate(text), 0, 1e-10), "SAX's reflector has gain");
}

/// Loss taken out of the parts: every lossy path becomes a coupler without loss, whose other two ports are outer ports.
/// Gives the netlist with losses, and the one with couplers.
fn absorbers(random: &mut Random) -> (Netlist, Netlist) {
    let lossy = random.between(0.1, 0.7);
    let parts = size(random);
    let with_loss = random.circuit(parts, 1.0, |random| {
        if random.yes(lossy) {
            let names = ["straight", "phase", "attenuator", "phase_shifter", "lossy_coupler", "mzi", "bend"];
            random.one_of(&components(|c| names.contains(&c.name)))
        } else {
            random.lossless()
        }
    });
    let mut without = with_loss.clone();
    for k in 0..with_loss.parts.len() {
        let part = &with_loss.parts[k];
        let What::Component(component, settings) = &part.what else { continue };
        let of = |name: &str| settings[component.setting(name).unwrap()];
        let losses_db = match component.name {
            "straight" | "bend" => vec![of("loss_dB_cm") * 1e-4 * of("length")],
            "phase" => vec![of("loss_dB")],
            "attenuator" => vec![of("loss")],
            "phase_shifter" => vec![of("loss") * of("length")],
            "lossy_coupler" => vec![of("loss0_dB"), of("loss1_dB")],
            "mzi" => vec![of("loss_dB"); 2],
            _ => continue,
        };
        if let What::Component(component, settings) = &mut without.parts[k].what {
            for (value, setting) in settings.iter_mut().zip(component.settings) {
                if setting.name.starts_with("loss") {
                    *value = 0.0;
                }
            }
        }
        for (output, loss_db) in losses_db.into_iter().enumerate() {
            let (end, tap) = ((k, part.inputs + output), without.parts.len());
            let coupling = -(-loss_db / 10.0 * std::f64::consts::LN_10).exp_m1();
            let name = format!("tap{k}_{output}");
            without.parts.push(Part::of(name, "coupler_ideal", &[("coupling", coupling)]));
            let joined = without.links.iter_mut().flatten();
            let outer = without.ports.iter_mut().map(|(_, port)| port);
            joined.chain(outer).filter(|old| **old == end).for_each(|old| *old = (tap, 2));
            without.links.push([end, (tap, 0)]);
            without.ports.push((format!("lost{tap}"), (tap, 3)));
            without.ports.push((format!("lost_back{tap}"), (tap, 1)));
        }
    }
    (with_loss, without)
}

#[test]
fn what_is_lost_is_what_comes_out_elsewhere() {
    let mut lost_most: f64 = 0.0;
    for number in 0..100 {
        let mut random = Random::new("energy", number);
        let (with_loss, without) = absorbers(&mut random);
        let (text, all) = (with_loss.flat(&mut random), without.flat(&mut random));
        let (found, all) = (simulate(&text), simulate(&all));
        assert_unitary(&all, &text);
        let n = found.inputs.len();
        assert_eq!(found.inputs, all.inputs[..n]);
        for (w, i) in (0..WAVELENGTHS.len()).flat_map(|w| (0..n).map(move |i| (w, i))) {
            let kept: f64 = (0..n).map(|o| found.get(w, i, o).norm_sqr()).sum();
            let lost: f64 = (n..all.outputs.len()).map(|o| all.get(w, i, o).norm_sqr()).sum();
            assert!((kept + lost - 1.0).abs() < TOLERANCE, "{kept} + {lost} is not 1:\n{text}");
            (0..n).for_each(|o| assert!((found.get(w, i, o) - all.get(w, i, o)).norm() < TOLERANCE, "{text}"));
            lost_most = lost_most.max(lost);
        }
    }
    assert!(lost_most > 0.5);
}

/// The waves inside, as probes see them: those that leave a component are its matrix times those that enter it, and what
/// leaves one port enters the port that it is joined to. No solver has a part in this.
#[test]
fn waves_inside_obey_every_component() {
    let all = all_components();
    for number in 0..150 {
        let mut random = Random::new("waves", number);
        let parts = size(&mut random);
        let netlist = random.circuit(parts, 0.9, |random| random.one_of(&all));
        let mut text = netlist.flat(&mut random);
        text += "probes:\n";
        for &(part, port) in netlist.links.iter().flatten() {
            let Part { name, inputs, .. } = &netlist.parts[part];
            let address = if port < *inputs { format!("in{port}") } else { format!("out{}", port - inputs) };
            text += &format!("  p{part}_{port}: '{name},{address}'\n");
        }
        let found = simulate(&text);
        let at: HashMap<&str, usize> = found.outputs.iter().enumerate().map(|(k, name)| (name.as_str(), k)).collect();
        let outer: HashMap<_, usize> = netlist.ports.iter().enumerate().map(|(k, (_, end))| (*end, k)).collect();
        let tolerance = TOLERANCE * largest(&found);
        for (w, input) in (0..WAVELENGTHS.len()).flat_map(|w| (0..found.inputs.len()).map(move |i| (w, i))) {
            // (entering, leaving) the component by a port
            let waves = |(part, port): (usize, usize)| match outer.get(&(part, port)) {
                Some(&k) => (Complex64::from(f64::from(u8::from(k == input))), found.get(w, input, k)),
                None => {
                    let wave = |end: &str| found.get(w, input, at[format!("p{part}_{port}_{end}").as_str()]);
                    (wave("bwd"), wave("fwd"))
                }
            };
            for (k, part) in netlist.parts.iter().enumerate() {
                let What::Component(component, settings) = &part.what else { unreachable!("no meshes") };
                let mut leaving = vec![Complex64::ZERO; part.inputs + part.outputs];
                for (from, to, s) in component.entries(settings, part.inputs, part.outputs, WAVELENGTHS[w]) {
                    leaving[to] += Complex64::new(s.re, s.im) * waves((k, from)).0;
                }
                for (port, expected) in leaving.into_iter().enumerate() {
                    let off = (waves((k, port)).1 - expected).norm();
                    assert!(off < tolerance, "{} port {port} is off by {off:e}:\n{text}", part.name);
                }
            }
            for &[a, b] in &netlist.links {
                let ((into_a, from_a), (into_b, from_b)) = (waves(a), waves(b));
                assert!((into_a - from_b).norm() < tolerance && (into_b - from_a).norm() < tolerance, "{text}");
            }
        }
    }
}

/// One of any components, now and then a mesh.
fn anything(random: &mut Random) -> What {
    if random.yes(0.05) { random.mesh() } else { random.one_of(&all_components()) }
}

#[test]
fn the_order_of_a_file_is_irrelevant() {
    for number in 0..100 {
        let mut random = Random::new("order", number);
        let parts = size(&mut random);
        let netlist = random.circuit(parts, 0.9, anything);
        let (one, other) = (netlist.flat(&mut random), netlist.flat(&mut random));
        assert_ne!(one, other);
        assert_same(&simulate(&one), &simulate(&other), TOLERANCE, || format!("{one}\n{other}"));
    }
}

#[test]
fn flat_and_hierarchical_circuits_are_the_same() {
    let mut circuits = 0;
    for number in 0..150 {
        let mut random = Random::new("hierarchy", number);
        let parts = size(&mut random);
        // the phases of a mesh are drawn by its path
        let netlist = random.circuit(parts, 0.9, |random| random.one_of(&all_components()));
        let (flat, nested) = (netlist.flat(&mut random), netlist.nested(&mut random));
        assert_same(&simulate(&flat), &simulate(&nested), TOLERANCE, || nested.clone());
        circuits += nested.matches("    instances:").count();
    }
    assert!(circuits > 150, "{circuits}");
}

#[test]
fn copies_of_a_circuit_are_the_same_written_out() {
    let all = all_components();
    for number in 0..100 {
        let mut random = Random::new("copies", number);
        let (netlist, text) = copies(&mut random, &all);
        let flat = netlist.flat(&mut random);
        assert_same(&simulate(&flat), &simulate(&text), TOLERANCE, || format!("{text}\n{flat}"));
    }
}

#[test]
fn expanded_circuits_are_the_same() {
    for number in 0..100 {
        let mut random = Random::new("expand", number);
        let parts = size(&mut random);
        let netlist = random.circuit(parts, 0.8, anything);
        let text = if random.yes(0.5) { netlist.flat(&mut random) } else { netlist.nested(&mut random) };
        let circuit = read(&text);
        let expanded = blackbeam_netlist::expand(&circuit, &slot_values(&circuit, circuit.seed).unwrap()).unwrap();
        let found = solved(&circuit);
        for written in [expanded.to_yaml(), expanded.to_json()] {
            assert_same(&found, &simulate(&written), TOLERANCE, || format!("{text}\n{written}"));
        }
    }
}

#[test]
fn all_methods_agree() {
    let mut forward = 0;
    for number in 0..150 {
        let mut random = Random::new("methods", number);
        let parts = size(&mut random);
        let netlist = random.circuit(parts, 0.9, anything);
        let text = netlist.flat(&mut random);
        let auto = simulate(&text);
        for method in ["cascade", "sparse", "dense"] {
            let text = format!("{text}solver: {{method: {method}}}\n");
            assert_same(&auto, &simulate(&text), TOLERANCE, || text.clone());
        }
        let mut circuit = read(&text);
        circuit.solver = Solver::Feedforward;
        match Optics::new(&circuit, circuit.seed) {
            Ok(optics) => {
                assert_same(&auto, &optics.spectrum().unwrap(), TOLERANCE, || text.clone());
                forward += 1;
            }
            Err(error) => assert!(error.message.contains("light goes round"), "{}", error.message),
        }
    }
    assert!((1..150).contains(&forward), "{forward} of 150 have no feedback");
}

#[test]
fn all_methods_agree_without_feedback() {
    let onward = components(|c| {
        !["circulator", "crossing", "facet", "grating_coupler", "mirror"].contains(&c.name)
            && !["reflector", "terminator"].contains(&c.name)
    });
    for number in 0..60 {
        let mut random = Random::new("forward", number);
        let parts = size(&mut random);
        let text = random.forward_circuit(parts, |random| random.one_of(&onward)).flat(&mut random);
        let auto = simulate(&text);
        for method in ["feedforward", "cascade", "sparse", "dense"] {
            let text = format!("{text}solver: {{method: {method}}}\n");
            assert_same(&auto, &simulate(&text), TOLERANCE, || text.clone());
        }
    }
}
