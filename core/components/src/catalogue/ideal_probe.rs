//! `ideal_probe`: an ideal probe.

use crate::{Component, Cx, Dual, Passivity, Ports, Real, Scatter, Sink};

/// A look at the light that goes both ways, without disturbing it.
pub static IDEAL_PROBE: Component = Component {
    name: "ideal_probe",
    ports: Ports::Fixed { inputs: 2, outputs: 2 },
    port_aliases: &[("in", "in0"), ("tap_bwd", "in1"), ("out", "out0"), ("tap_fwd", "out1")],
    passivity: Passivity::Gain("always: it copies light, as no device can"),
    summary: "A look at the light that goes both ways, without disturbing it",
    equations: "S(in -> out) = S(in -> tap_fwd) = S(out -> tap_bwd) = 1",
    notes: "in = in0, tap_bwd = in1, out = out0, tap_fwd = out1.",
    source: "SAX, sax.models.ideal_probe",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(_: &Scatter<T>, s: &mut dyn Sink<T>) {
    for (a, b) in [(0, 2), (0, 3), (2, 1)] {
        s.both(a, b, Cx::real(T::of(1.0)));
    }
}
