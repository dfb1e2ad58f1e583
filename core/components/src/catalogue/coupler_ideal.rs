//! `coupler_ideal`: a lossless directional coupler.

use super::two_by_two::{coupler, set};
use crate::setting::COUPLING;
use crate::{Component, Dual, Ports, Real, Scatter, Sink};

/// A lossless directional coupler without dispersion.
pub static COUPLER_IDEAL: Component = Component {
    name: "coupler_ideal",
    settings: &[COUPLING],
    ports: Ports::Fixed { inputs: 2, outputs: 2 },
    summary: "A lossless directional coupler without dispersion",
    equations: "S(in0 -> out0) = S(in1 -> out1) = sqrt(1 - coupling)\n\
             S(in0 -> out1) = S(in1 -> out0) = i sqrt(coupling)",
    source: "SAX, sax.models.coupler_ideal",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    set(s, coupler(at.settings[0]), T::of(1.0));
}
