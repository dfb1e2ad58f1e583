//! `phase`: a phase shifter.

use crate::setting::{LOSS_DB, PHI};
use crate::{Component, Cx, Dual, Real, Scatter, Sink};

/// A phase shifter without length.
pub static PHASE: Component = Component {
    name: "phase",
    settings: &[PHI, LOSS_DB],
    summary: "A phase shifter without length",
    equations: "S(in0 -> out0) = 10^(-loss_dB / 20) exp(i phi)",
    source: "definition",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    s.both(0, 1, Cx::cis(at.settings[0]).scale(at.settings[1].loss_db()));
}
