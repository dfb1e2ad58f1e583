//! `mmi1x2_ideal`: an ideal 1x2 multimode interference splitter.

use crate::{Component, Cx, Dual, Ports, Real, Scatter, Sink};
use std::f64::consts::FRAC_1_SQRT_2;

/// A 1x2 splitter in halves.
pub static MMI1X2_IDEAL: Component = Component {
    name: "mmi1x2_ideal",
    ports: Ports::Fixed { inputs: 1, outputs: 2 },
    summary: "A 1x2 splitter in halves",
    equations: "S(in0 -> out0) = S(in0 -> out1) = sqrt(1/2)",
    source: "SAX, sax.models.mmi1x2_ideal",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(_: &Scatter<T>, s: &mut dyn Sink<T>) {
    let half = Cx::real(T::of(FRAC_1_SQRT_2));
    s.both(0, 1, half);
    s.both(0, 2, half);
}
