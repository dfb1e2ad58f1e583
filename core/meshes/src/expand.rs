//! Cells and meshes as primitive couplers and phase shifters.
//!
//! A cell becomes `coupler0`, `coupler1`, .. in the order in which light meets them, `arm0` and `arm1` beside theta, `phi0`
//! (and `phi1` where phi needs it) for phi, and `before<arm>`, `after<arm>` for what a convention needs besides. Every element
//! that carries theta or phi, and both arms, are always there; the others only where they do something. In the tunable
//! coupler theta is the coupler's, and `arm0` carries phi.
//!
//! A mesh has the elements of its cells as `m<layer.row>.coupler0`, .. with `in<k>` before the first and `gamma<k>`, `out<k>`
//! behind the last cell of mode k.

use crate::{Affine, Faults, Result, Scheme, Site, matrix::check_length};
use std::f64::consts::PI;

/// A primitive component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Primitive {
    /// in0 -> out0 = in1 -> out1 = sqrt(1 - coupling), in0 -> out1 = in1 -> out0 = i sqrt(coupling).
    Coupler,
    /// in0 -> out0 = 10^(-loss_dB/20) exp(i phi).
    Phase,
}

impl Primitive {
    /// Name in the catalogue.
    pub fn component(self) -> &'static str {
        match self {
            Primitive::Coupler => "coupler_ideal",
            Primitive::Phase => "phase",
        }
    }

    /// Name of the setting that [`Element::value`] is of.
    pub fn setting(self) -> &'static str {
        match self {
            Primitive::Coupler => "coupling",
            Primitive::Phase => "phi",
        }
    }
}

/// A primitive element.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// Name, as the module says.
    pub name: String,
    /// What it is.
    pub primitive: Primitive,
    /// Its setting: the part of the power that crosses over, or a phase in radians.
    pub value: f64,
    /// Its setting `loss_dB` (phases only). Infinite for an arm that is cut.
    pub loss_db: f64,
}

/// The side of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// `in..`.
    In,
    /// `out..`.
    Out,
}

/// A port of an element; its name is `in<index>` or `out<index>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Port {
    /// Index into [`Network::elements`].
    pub element: usize,
    /// Input or output.
    pub side: Side,
    /// Number among the inputs or outputs.
    pub index: usize,
}

/// Elements that are joined.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Network {
    /// In an order in which light can meet them.
    pub elements: Vec<Element>,
    /// Joined ports: an output, and the input it leads to.
    pub links: Vec<[Port; 2]>,
    /// Outer ports `in0`, `in1`, ..
    pub inputs: Vec<Port>,
    /// Outer ports `out0`, `out1`, ..
    pub outputs: Vec<Port>,
}

/// A cell as couplers and phases: through these elements light goes as through [`Scheme::faulty`], common phase included. (To rounding; a
/// coupler's setting is a power, which leaves the amplitude of a nearly dark side known to 1e-8 only.)
pub fn expand_cell(scheme: &Scheme, theta: f64, phi: f64, faults: &Faults) -> Network {
    let mut wires = Wires::new(2);
    wires.cell("", (0, 1), scheme, theta, phi, faults);
    wires.finish()
}

/// A mesh as couplers and phases: through these elements light goes as through [`crate::matrix()`].
///
/// One theta, phi and [`Faults`] a site (`faults` may be empty: none), one gamma a mode (or none: no `gamma<k>`).
///
/// # Errors
/// As [`crate::matrix()`].
pub fn expand_mesh(
    n: usize,
    sites: &[Site],
    scheme: &Scheme,
    thetas: &[f64],
    phis: &[f64],
    gammas: &[f64],
    faults: &[Faults],
) -> Result<Network> {
    check_length("theta", sites.len(), thetas.len())?;
    check_length("phi", sites.len(), phis.len())?;
    if !gammas.is_empty() {
        check_length("gamma", n, gammas.len())?;
    }
    if !faults.is_empty() {
        check_length("faults", sites.len(), faults.len())?;
    }
    crate::matrix::check_modes(n, sites)?;
    let mut wires = Wires::new(n);
    (0..n).for_each(|k| wires.phase(k, format!("in<{k}>"), 0.0, 0.0));
    let ideal = Faults::default();
    for (i, site) in sites.iter().enumerate() {
        let prefix = format!("m<{}.{}>.", site.layer, site.row);
        wires.cell(&prefix, site.modes, scheme, thetas[i], phis[i], faults.get(i).unwrap_or(&ideal));
    }
    gammas.iter().enumerate().for_each(|(k, &gamma)| wires.phase(k, format!("gamma<{k}>"), gamma, 0.0));
    (0..n).for_each(|k| wires.phase(k, format!("out<{k}>"), 0.0, 0.0));
    Ok(wires.finish())
}

/// A network that grows along the light.
struct Wires {
    network: Network,
    /// The first port of each mode.
    starts: Vec<Option<Port>>,
    /// The last port of each mode.
    ends: Vec<Option<Port>>,
}

impl Wires {
    fn new(modes: usize) -> Wires {
        Wires { network: Network::default(), starts: vec![None; modes], ends: vec![None; modes] }
    }

    fn add(&mut self, modes: &[usize], name: String, primitive: Primitive, value: f64, loss_db: f64) {
        let element = self.network.elements.len();
        self.network.elements.push(Element { name, primitive, value, loss_db });
        for (index, &mode) in modes.iter().enumerate() {
            let port = Port { element, side: Side::In, index };
            match self.ends[mode] {
                Some(end) => self.network.links.push([end, port]),
                None => self.starts[mode] = Some(port),
            }
            self.ends[mode] = Some(Port { element, side: Side::Out, index });
        }
    }

    fn phase(&mut self, mode: usize, name: String, phi: f64, loss_db: f64) {
        self.add(&[mode], name, Primitive::Phase, phi, loss_db);
    }

    fn cell(&mut self, prefix: &str, modes: (usize, usize), scheme: &Scheme, theta: f64, phi: f64, faults: &Faults) {
        let stages = scheme.phases();
        let mut phases: Vec<[f64; 2]> = stages.iter().map(|pair| pair.map(|phase| phase.at(theta, phi))).collect();
        let couplings: Vec<f64> = (0..scheme.couplers().len())
            .map(|k| coupling(scheme.couplers()[k].at(theta, phi) + faults.couplers[k], &mut phases[k..k + 2]))
            .collect();
        for (stage, pair) in stages.iter().enumerate() {
            if stage > 0 {
                let name = format!("{prefix}coupler{}", stage - 1);
                self.add(&[modes.0, modes.1], name, Primitive::Coupler, couplings[stage - 1], 0.0);
            }
            let is_arms = stage == scheme.arms();
            let is_phi = pair[0].phi != 0.0;
            for (arm, mode) in [modes.0, modes.1].into_iter().enumerate() {
                let (mut value, mut loss_db) = (phases[stage][arm], 0.0);
                if is_arms {
                    let factor = faults.arms[arm];
                    value += factor.arg();
                    // Of an amplitude of 1 this is -0.
                    loss_db = -20.0 * factor.norm().log10() + 0.0;
                } else if value == 0.0 && pair[arm] == Affine::ZERO {
                    continue;
                }
                let role = match stage {
                    _ if is_arms => "arm",
                    _ if is_phi => "phi",
                    0 => "before",
                    _ => "after",
                };
                self.phase(mode, format!("{prefix}{role}{arm}"), value, loss_db);
            }
        }
    }

    /// Every mode has an element by now.
    fn finish(mut self) -> Network {
        self.network.inputs = self.starts.into_iter().flatten().collect();
        self.network.outputs = self.ends.into_iter().flatten().collect();
        self.network
    }
}

/// Coupling of a coupler of any angle. A coupler with cos < 0 or sin < 0 is one with both positive between phases of pi:
/// (-cos, -sin) a sign of both outputs; (cos, -sin) a sign of arm 1 on both sides.
fn coupling(angle: f64, phases: &mut [[f64; 2]]) -> f64 {
    let (sin, cos) = angle.sin_cos();
    if cos < 0.0 {
        phases[1].iter_mut().for_each(|phase| *phase += PI);
    }
    if (sin < 0.0) != (cos < 0.0) {
        phases[0][1] += PI;
        phases[1][1] += PI;
    }
    sin * sin
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Arrangement, Cell, Convention, compose, layout, matrix,
        testing::{Random, distance, schemes},
    };
    use num_complex::Complex64;
    use std::{
        collections::HashMap,
        f64::consts::{FRAC_PI_2, FRAC_PI_4, TAU},
    };

    /// Transmission of a network, by the equations of its elements and its links alone. Row-major [out][in].
    fn simulate(network: &Network) -> Vec<Complex64> {
        let n = network.inputs.len();
        let leads: HashMap<Port, Port> = network.links.iter().map(|link| (link[0], link[1])).collect();
        assert_eq!(leads.len(), network.links.len());
        let mut s = vec![Complex64::ZERO; n * n];
        for column in 0..n {
            let mut at = HashMap::from([(network.inputs[column], Complex64::ONE)]);
            for (element, Element { primitive, value, loss_db, .. }) in network.elements.iter().enumerate() {
                let mut input = |index| at.remove(&Port { element, side: Side::In, index }).unwrap_or_default();
                let out = match primitive {
                    Primitive::Phase => vec![input(0) * Complex64::from_polar(10f64.powf(-loss_db / 20.0), *value)],
                    Primitive::Coupler => {
                        assert!((0.0..=1.0).contains(value));
                        let (bar, cross) = ((1.0 - value).sqrt(), Complex64::I * value.sqrt());
                        let (a, b) = (input(0), input(1));
                        vec![a * bar + b * cross, a * cross + b * bar]
                    }
                };
                for (index, v) in out.into_iter().enumerate() {
                    let port = Port { element, side: Side::Out, index };
                    at.insert(leads.get(&port).copied().unwrap_or(port), v);
                }
            }
            for (row, output) in network.outputs.iter().enumerate() {
                s[row * n + column] = at.remove(output).unwrap();
            }
            assert!(at.is_empty(), "every port is joined or an outer one");
        }
        s
    }

    fn names(network: &Network) -> Vec<&str> {
        network.elements.iter().map(|e| e.name.as_str()).collect()
    }

    #[test]
    fn a_cell_is_its_elements() {
        let mut random = Random(21);
        for scheme in schemes() {
            for _ in 0..40 {
                let mut draw = || random.uniform() - 0.5;
                // In any quadrant, and far enough from its ends that the power says the amplitude.
                let mut angle = || (8.0 * draw()).round() * FRAC_PI_2 + 0.5 * draw();
                let couplers = [angle(), angle(), angle()];
                let (theta, phi) = (FRAC_PI_4 + angle(), 4.0 * TAU * draw());
                let arms = [Complex64::from_polar(0.9, draw()), Complex64::from_polar(0.7, draw())];
                let faults = Faults { couplers, arms };
                let found = simulate(&expand_cell(&scheme, theta, phi, &faults));
                assert!(distance(&found, scheme.faulty(theta, phi, &faults).as_flattened()) < 1e-14, "{scheme:?}");
            }
        }
    }

    #[test]
    fn names_of_a_cell() {
        let of = |cell, convention| {
            let scheme = Scheme::new(cell, convention).unwrap();
            names(&expand_cell(&scheme, 0.3, 0.0, &Faults::default())).join(" ")
        };
        assert_eq!(of(Cell::Mzi, Convention::Bpbp), "phi0 coupler0 arm0 arm1 coupler1");
        assert_eq!(of(Cell::Mzi, Convention::BpbpT), "coupler0 arm0 arm1 coupler1 phi0");
        assert_eq!(of(Cell::Mzi, Convention::Clements2016), "phi0 phi1 coupler0 arm0 arm1 coupler1");
        assert_eq!(of(Cell::Mzi3, Convention::Bpbp), "coupler0 phi0 coupler1 arm0 arm1 coupler2");
        assert_eq!(of(Cell::Mzi3, Convention::RxHRy), "before1 coupler0 phi0 phi1 coupler1 arm0 arm1 coupler2 after1");
        assert_eq!(of(Cell::Tdc, Convention::Bpbp), "arm0 arm1 coupler0");
        // theta of the plain cell is the phase of its arm 0
        let plain = expand_cell(&Scheme::new(Cell::Mzi, Convention::Bpbp).unwrap(), 0.3, 0.4, &Faults::default());
        let values: Vec<f64> = plain.elements.iter().map(|e| e.value).collect();
        assert!(values.iter().zip([0.4, 0.5, 0.3, 0.0, 0.5]).all(|(a, b): (&f64, f64)| (a - b).abs() < 1e-15));
        assert!(plain.elements.iter().all(|e| e.loss_db == 0.0 && e.loss_db.is_sign_positive()));
    }

    #[test]
    fn a_mesh_is_its_elements() {
        let mut random = Random(22);
        for scheme in schemes() {
            for (arrangement, n) in [
                (Arrangement::Clements, 5),
                (Arrangement::Reck, 4),
                (Arrangement::Butterfly, 8),
                (Arrangement::Clements, 1),
            ] {
                let sites = layout(arrangement, n, None).unwrap();
                let mut draw = |count: usize| -> Vec<f64> { (0..count).map(|_| TAU * random.uniform()).collect() };
                let (theta, phi, gamma) = (draw(sites.len()), draw(sites.len()), draw(n));
                let network = expand_mesh(n, &sites, &scheme, &theta, &phi, &gamma, &[]).unwrap();
                let expected = matrix(n, &sites, &scheme, &theta, &phi, &gamma).unwrap();
                assert!(distance(&simulate(&network), &expected) < 1e-13, "{scheme:?} {arrangement:?}");

                let faults: Vec<Faults> = (0..sites.len())
                    .map(|k| Faults {
                        couplers: [0.01 * k as f64; 3],
                        arms: [Complex64::new(0.9, 0.1), Complex64::ONE],
                    })
                    .collect();
                let network = expand_mesh(n, &sites, &scheme, &theta, &phi, &[], &faults).unwrap();
                let blocks: Vec<_> = (0..sites.len()).map(|k| scheme.faulty(theta[k], phi[k], &faults[k])).collect();
                assert!(distance(&simulate(&network), &compose(n, &sites, &blocks).unwrap()) < 1e-13);
            }
        }
    }

    #[test]
    fn names_of_a_mesh() {
        let sites = layout(Arrangement::Clements, 2, None).unwrap();
        let scheme = Scheme::new(Cell::Mzi, Convention::Bpbp).unwrap();
        let network = expand_mesh(2, &sites, &scheme, &[0.1], &[0.2], &[0.3, 0.4], &[]).unwrap();
        assert_eq!(
            names(&network).join(" "),
            "in<0> in<1> m<0.0>.phi0 m<0.0>.coupler0 m<0.0>.arm0 m<0.0>.arm1 m<0.0>.coupler1 gamma<0> gamma<1> out<0> out<1>"
        );
        assert!(expand_mesh(2, &sites, &scheme, &[], &[0.2], &[], &[]).is_err());
        assert!(expand_mesh(1, &sites, &scheme, &[0.1], &[0.2], &[], &[]).is_err());
    }
}
