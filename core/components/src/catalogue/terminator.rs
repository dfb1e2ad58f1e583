//! `terminator`: the end of a waveguide.

use crate::setting::PART;
use crate::{Component, Cx, Dual, Ports, Real, Scatter, Setting, Sink, Unit};

/// The end of a waveguide.
pub static TERMINATOR: Component = Component {
    name: "terminator",
    settings: &[Setting::new("reflection", 0.0, Unit::One, PART, "part of the power that is reflected")],
    ports: Ports::Fixed { inputs: 1, outputs: 0 },
    summary: "The end of a waveguide",
    equations: "S(in0 -> in0) = sqrt(reflection)",
    source: "SAX, sax.models.terminator",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    s.set(0, 0, Cx::real(at.settings[0].sqrt()));
}
