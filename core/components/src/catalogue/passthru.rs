//! `passthru`: straight ways through.

use crate::{Component, Cx, Dual, Ports, Real, Scatter, Setting, Sink, Unit};

/// Straight ways through, side by side.
pub static PASSTHRU: Component = Component {
    name: "passthru",
    settings: &[Setting::new("num_links", 1.0, Unit::Count, (1.0, 1024.0), "number of ways through").or(&["links"])],
    ports: Ports::Counted { inputs: "num_links", outputs: "num_links" },
    summary: "Straight ways through, side by side",
    equations: "S(in_k -> out_l) = 1 for k + l = num_links - 1",
    notes: "The order turns over, as in SAX: o(k + 1) goes to o(num_links + k + 1).",
    source: "SAX, sax.models.passthru (always reciprocal here)",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    for k in 0..at.inputs {
        s.both(k, at.inputs + at.outputs - 1 - k, Cx::real(T::of(1.0)));
    }
}
