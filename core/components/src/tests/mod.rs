//! Tests of the catalogue as a whole.

mod closed_forms;
mod names;
mod properties;
mod sax;

use crate::{Component, Cx, Setting, Unit, find};

/// Settings that are not at their defaults.
pub(crate) type Given = &'static [(&'static str, f64)];

pub(crate) fn component(name: &str) -> &'static Component {
    find(name).unwrap_or_else(|| panic!("no {name}"))
}

/// Defaults, some of them replaced.
pub(crate) fn settings(component: &Component, given: &[(&str, f64)]) -> Vec<f64> {
    let mut settings = component.defaults();
    for (name, value) in given {
        settings[component.setting(name).unwrap_or_else(|| panic!("no {name}"))] = *value;
    }
    settings
}

/// S(from -> to) by the names of ports.
pub(crate) fn s(name: &str, given: &[(&str, f64)], wl_um: f64, from: &str, to: &str) -> Cx<f64> {
    let c = component(name);
    let settings = settings(c, given);
    let (inputs, outputs) = c.size(&settings).unwrap();
    let port = |name: &str| c.port(name, inputs, outputs).unwrap_or_else(|| panic!("no port {name}"));
    c.matrix(&settings, inputs, outputs, wl_um)[port(to) * (inputs + outputs) + port(from)]
}

pub(crate) fn cx(re: f64, im: f64) -> Cx<f64> {
    Cx { re, im }
}

pub(crate) fn near(a: Cx<f64>, b: Cx<f64>, tolerance: f64) -> bool {
    (a - b).norm_sqr().sqrt() <= tolerance
}

#[track_caller]
pub(crate) fn assert_near(a: Cx<f64>, b: Cx<f64>) {
    assert!(near(a, b, 1e-12), "{a:?} is not {b:?}");
}

/// Random numbers in [0, 1): SplitMix64.
pub(crate) struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A value inside the range of a setting.
    fn value(&mut self, setting: &Setting) -> f64 {
        let part = 0.02 + 0.96 * self.next();
        match (setting.unit, setting.range) {
            (Unit::Count, _) => 1.0 + (4.0 * self.next()).floor(),
            (Unit::Flag, _) => self.next().round(),
            (_, (low, high)) if low.is_finite() && high.is_finite() => low + part * (high - low),
            (_, (low, _)) if setting.default == 0.0 => part * 3.0 - if low.is_finite() { 0.0 } else { 1.5 },
            _ => setting.default * (0.7 + 0.6 * part),
        }
    }

    pub fn settings(&mut self, component: &Component) -> Vec<f64> {
        component.settings.iter().map(|s| self.value(s)).collect()
    }
}
