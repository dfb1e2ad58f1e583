//! `splitter_ideal`: a lossless 1x2 splitter.

use crate::setting::COUPLING;
use crate::{Component, Cx, Dual, Ports, Real, Scatter, Sink};

/// A lossless 1x2 splitter.
pub static SPLITTER_IDEAL: Component = Component {
    name: "splitter_ideal",
    settings: &[COUPLING.says("part of the power that goes to out1")],
    ports: Ports::Fixed { inputs: 1, outputs: 2 },
    summary: "A lossless 1x2 splitter",
    equations: "S(in0 -> out0) = sqrt(1 - coupling)\n\
             S(in0 -> out1) = sqrt(coupling)",
    source: "SAX, sax.models.splitter_ideal",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    split(s, at.settings[0], T::of(1.0));
}

/// in0 to out0 and out1, `coupling` of the power to out1, all amplitudes times `amplitude`.
pub(super) fn split<T: Real>(s: &mut dyn Sink<T>, coupling: T, amplitude: T) {
    s.both(0, 1, Cx::real((T::of(1.0) - coupling).sqrt() * amplitude));
    s.both(0, 2, Cx::real(coupling.sqrt() * amplitude));
}
