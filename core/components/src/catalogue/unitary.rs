//! `unitary`: an equal split of inputs over outputs.

use crate::setting::PART;
use crate::{Component, Cx, Dual, Passivity, Ports, Real, Scatter, Setting, Sink, Unit};

/// Every input split evenly over the outputs, as SAX has it.
pub static UNITARY: Component = Component {
    name: "unitary",
    settings: &[
        Setting::new("inputs", 1.0, Unit::Count, (0.0, 1024.0), "number of inputs").or(&["num_inputs"]),
        Setting::new("outputs", 2.0, Unit::Count, (0.0, 1024.0), "number of outputs").or(&["num_outputs"]),
        Setting::new("diagonal", 0.0, Unit::Flag, PART, "1: each input goes to one output only"),
    ],
    ports: Ports::Counted { inputs: "inputs", outputs: "outputs" },
    passivity: Passivity::Gain("with more than one input and output, if not diagonal"),
    summary: "Every input split evenly over the outputs, as SAX has it",
    equations: "S(in_k -> out_l) = 1 / sqrt(max(inputs, outputs))\n\
             diagonal = 1: S(in_k -> out_l) = 1 for k + l = outputs - 1, that is o(k + 1) to o(inputs + k + 1)",
    notes: "As SAX has it. In spite of the name S is unitary only if diagonal: the columns of S are all the \
            same. `mmi` is the unitary splitter.",
    source: "SAX, sax.models.unitary (always reciprocal here)",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    let amplitude = if at.settings[2].value() == 0.0 { 1.0 / (at.inputs.max(at.outputs) as f64).sqrt() } else { 1.0 };
    spread(at, amplitude, s);
}

/// The entries of `unitary` and `copier`: all of one amplitude.
pub(super) fn spread<T: Real>(at: &Scatter<T>, amplitude: f64, s: &mut dyn Sink<T>) {
    let value = Cx::real(T::of(amplitude));
    if at.settings[2].value() == 0.0 {
        for k in 0..at.inputs {
            for l in 0..at.outputs {
                s.both(k, at.inputs + l, value);
            }
        }
    } else {
        for k in 0..at.inputs.min(at.outputs) {
            s.both(k, at.inputs + at.outputs - 1 - k, value);
        }
    }
}
