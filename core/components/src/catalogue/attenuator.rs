//! `attenuator`: an attenuator.

use crate::setting::NOT_NEGATIVE;
use crate::{Component, Cx, Dual, Real, Scatter, Setting, Sink, Unit};

/// An attenuator.
pub static ATTENUATOR: Component = Component {
    name: "attenuator",
    settings: &[Setting::new("loss", 0.0, Unit::Db, NOT_NEGATIVE, "loss of power").or(&["loss_dB"]).else_gain()],
    summary: "An attenuator",
    equations: "S(in0 -> out0) = 10^(-loss / 20)",
    source: "SAX, sax.models.attenuator",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    s.both(0, 1, Cx::real(at.settings[0].loss_db()));
}
