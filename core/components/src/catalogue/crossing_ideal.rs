//! `crossing_ideal`: an ideal waveguide crossing.

use crate::{Component, Cx, Dual, Ports, Real, Scatter, Sink};

/// A lossless waveguide crossing.
pub static CROSSING_IDEAL: Component = Component {
    name: "crossing_ideal",
    ports: Ports::Fixed { inputs: 2, outputs: 2 },
    summary: "A lossless waveguide crossing",
    equations: "S(in0 -> out1) = S(in1 -> out0) = 1",
    notes: "The ports lie crosswise: o1 left, o2 top, o3 right, o4 bottom, so that light goes from in0 = o1 \
            straight on to out1 = o3.",
    source: "SAX, sax.models.crossing_ideal",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(_: &Scatter<T>, s: &mut dyn Sink<T>) {
    s.both(0, 3, Cx::real(T::of(1.0)));
    s.both(1, 2, Cx::real(T::of(1.0)));
}
