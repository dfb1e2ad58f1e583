//! `copier`: a copier of light.

use super::unitary::spread;
use crate::setting::PART;
use crate::{Component, Dual, Passivity, Ports, Real, Scatter, Setting, Sink, Unit};

/// Every input copied in full to every output, as SAX has it.
pub static COPIER: Component = Component {
    name: "copier",
    settings: &[
        Setting::new("inputs", 1.0, Unit::Count, (0.0, 1024.0), "number of inputs").or(&["num_inputs"]),
        Setting::new("outputs", 2.0, Unit::Count, (0.0, 1024.0), "number of outputs").or(&["num_outputs"]),
        Setting::new("diagonal", 0.0, Unit::Flag, PART, "1: each input goes to one output only"),
    ],
    ports: Ports::Counted { inputs: "inputs", outputs: "outputs" },
    passivity: Passivity::Gain("with more than one output or input, if not diagonal"),
    summary: "Every input copied in full to every output, as SAX has it",
    equations: "S(in_k -> out_l) = 1\n\
             diagonal = 1: S(in_k -> out_l) = 1 for k + l = outputs - 1, that is o(k + 1) to o(inputs + k + 1)",
    source: "SAX, sax.models.copier (always reciprocal here)",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    spread(at, 1.0, s);
}
