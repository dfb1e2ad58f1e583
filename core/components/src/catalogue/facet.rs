//! `facet`: a facet.

use crate::{Component, Cx, Dual, Real, Scatter, Setting, Sink, Unit};

/// A facet: a lossless partial mirror.
pub static FACET: Component = Component {
    name: "facet",
    settings: &[Setting::new("r", 0.1, Unit::One, (-1.0, 1.0), "amplitude that is reflected")],
    summary: "A facet: a lossless partial mirror",
    equations: "S(in0 -> in0) = S(out0 -> out0) = r\n\
             S(in0 -> out0) = i sqrt(1 - r^2)",
    source: "unitarity",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    let r = at.settings[0];
    s.set(0, 0, Cx::real(r));
    s.both(0, 1, Cx::imag(((T::of(1.0) - r) * (T::of(1.0) + r)).sqrt()));
    s.set(1, 1, Cx::real(r));
}
