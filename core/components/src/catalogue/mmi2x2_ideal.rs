//! `mmi2x2_ideal`: an ideal 2x2 multimode interference coupler.

use super::two_by_two::{coupler, set};
use crate::{Component, Dual, Ports, Real, Scatter, Sink};

/// A 2x2 coupler in halves.
pub static MMI2X2_IDEAL: Component = Component {
    name: "mmi2x2_ideal",
    ports: Ports::Fixed { inputs: 2, outputs: 2 },
    summary: "A 2x2 coupler in halves",
    equations: "S(in0 -> out0) = S(in1 -> out1) = sqrt(1/2)\n\
             S(in0 -> out1) = S(in1 -> out0) = i sqrt(1/2)",
    source: "SAX, sax.models.mmi2x2_ideal",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(_: &Scatter<T>, s: &mut dyn Sink<T>) {
    set(s, coupler(T::of(0.5)), T::of(1.0));
}
