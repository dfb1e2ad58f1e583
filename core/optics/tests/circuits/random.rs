//! Random circuits of the catalogue.

use crate::netlist::{Netlist, Part, What};
use blackbeam_components::{Component, Setting, Unit, find};
use blackbeam_plugin::Key;

/// Numbers that depend on a seed only.
pub struct Random {
    key: Key,
    next: u64,
}

impl Random {
    /// Generator `number` of a test.
    pub fn new(test: &str, number: u64) -> Self {
        Random { key: Key::new(1).named(test).with(number), next: 0 }
    }

    /// In [0, 1).
    pub fn part(&mut self) -> f64 {
        self.next += 1;
        self.key.uniform(self.next)
    }

    /// In [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.part()
    }

    /// In 0..n.
    pub fn below(&mut self, n: usize) -> usize {
        (self.part() * n as f64) as usize
    }

    /// With this probability.
    pub fn yes(&mut self, probability: f64) -> bool {
        self.part() < probability
    }

    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for k in (1..list.len()).rev() {
            list.swap(k, self.below(k + 1));
        }
    }

    /// A value inside the range of a setting, such as one finds it in circuits.
    fn value(&mut self, setting: &Setting) -> f64 {
        let part = self.between(0.02, 0.98);
        match (setting.unit, setting.range) {
            (Unit::Count, _) => 1.0 + self.below(3) as f64,
            (Unit::Flag, _) => self.below(2) as f64,
            (_, (low, high)) if low.is_finite() && high.is_finite() => low + part * (high - low),
            (_, (low, _)) if setting.default == 0.0 => 3.0 * part - if low.is_finite() { 0.0 } else { 1.5 },
            _ => setting.default * (0.7 + 0.6 * part),
        }
    }

    fn settings(&mut self, component: &Component) -> Vec<f64> {
        component.settings.iter().map(|setting| self.value(setting)).collect()
    }

    /// A component at random settings.
    pub fn component(&mut self, component: &'static Component) -> What {
        What::Component(component, self.settings(component))
    }

    /// One of these components at random settings.
    pub fn one_of(&mut self, components: &[&'static Component]) -> What {
        let component = components[self.below(components.len())];
        self.component(component)
    }

    /// A component that neither loses nor adds light.
    pub fn lossless(&mut self) -> What {
        let name = LOSSLESS[self.below(LOSSLESS.len())];
        let component = find(name).unwrap();
        let mut settings = self.settings(component);
        for (value, setting) in settings.iter_mut().zip(component.settings) {
            match (name, setting.name, setting.unit) {
                // an amplitude of 1e-500, which is 0
                ("circulator", "isolation_dB", _) => *value = 1e4,
                ("mirror" | "terminator", "reflection", _) | ("unitary", "diagonal", _) => *value = 1.0,
                ("crossing", "crosstalk", _) => *value = 0.0,
                ("gain", ..) => *value = (*value - 1.0).signum(),
                (_, _, Unit::Db | Unit::DbPerCm | Unit::DbPerUm) => *value = 0.0,
                _ => {}
            }
        }
        if ["mmi", "unitary"].contains(&name) {
            settings[1] = settings[0];
        }
        What::Component(component, settings)
    }

    /// A generated mesh.
    pub fn mesh(&mut self) -> What {
        let arrangement = ["clements", "reck", "triangular", "butterfly"][self.below(4)];
        let modes = if arrangement == "butterfly" { [2, 4][self.below(2)] } else { 2 + self.below(4) };
        What::Mesh { modes, arrangement, cell: ["mzi", "mzi3"][self.below(2)] }
    }

    /// A circuit of `parts` components. Up to the part `links` of their ports is joined, any port to any other; at least
    /// one port stays free. All free ports are outer ones.
    pub fn circuit(&mut self, parts: usize, links: f64, mut what: impl FnMut(&mut Random) -> What) -> Netlist {
        let parts: Vec<Part> = (0..parts).map(|k| Part::new(format!("x{k}"), what(self))).collect();
        let mut netlist = Netlist { parts, links: Vec::new(), ports: Vec::new() };
        let mut free = netlist.ends();
        self.shuffle(&mut free);
        let most = (free.len() - 1) / 2;
        for _ in 0..(most as f64 * self.between(0.3, 1.0) * links).ceil() as usize {
            if let (Some(a), Some(b)) = (free.pop(), free.pop()) {
                netlist.links.push([a, b]);
            }
        }
        netlist.name_ports();
        netlist
    }

    /// The same where light only goes on: outputs are joined to inputs of later components.
    pub fn forward_circuit(&mut self, parts: usize, mut what: impl FnMut(&mut Random) -> What) -> Netlist {
        let parts: Vec<Part> = (0..parts).map(|k| Part::new(format!("x{k}"), what(self))).collect();
        let mut netlist = Netlist { parts, links: Vec::new(), ports: Vec::new() };
        let mut outputs = Vec::new();
        for (k, part) in netlist.parts.iter().enumerate() {
            self.shuffle(&mut outputs);
            for input in 0..part.inputs {
                if self.yes(0.8) {
                    netlist.links.extend(outputs.pop().map(|output| [output, (k, input)]));
                }
            }
            outputs.extend((part.inputs..part.inputs + part.outputs).map(|port| (k, port)));
        }
        netlist.name_ports();
        netlist
    }
}

/// Components that are lossless at some settings.
const LOSSLESS: [&str; 24] = [
    "attenuator",
    "bend",
    "circulator",
    "coupler",
    "coupler_ideal",
    "crossing",
    "crossing_ideal",
    "facet",
    "gain",
    "lossy_coupler",
    "mirror",
    "mmi",
    "mmi2x2_ideal",
    "mzi",
    "mzi3",
    "passthru",
    "pcm_cell",
    "phase",
    "phase_modulator",
    "phase_shifter",
    "ring_adddrop",
    "ring_allpass",
    "straight",
    "unitary",
];
