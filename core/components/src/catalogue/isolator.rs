//! `isolator`: an isolator.

use crate::setting::{INSERTION_LOSS_DB, ISOLATION_DB};
use crate::{Component, Cx, Dual, Real, Scatter, Sink};

/// An isolator: light goes on from in0 to out0 only.
pub static ISOLATOR: Component = Component {
    name: "isolator",
    settings: &[INSERTION_LOSS_DB, ISOLATION_DB],
    reciprocal: false,
    summary: "An isolator: light goes on from in0 to out0 only",
    equations: "S(in0 -> out0) = 10^(-insertion_loss_dB / 20)\n\
             S(out0 -> in0) = 10^(-isolation_dB / 20)",
    source: "SAX, sax.models.isolator",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    s.set(0, 1, Cx::real(at.settings[0].loss_db()));
    s.set(1, 0, Cx::real(at.settings[1].loss_db()));
}
