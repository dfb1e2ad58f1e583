//! `circulator`: a circulator.

use crate::setting::{INSERTION_LOSS_DB, ISOLATION_DB};
use crate::{Component, Cx, Dual, Passivity, Ports, Real, Scatter, Sink};

/// A circulator: light goes on from o1 to o2, from o2 to o3, from o3 to o1.
pub static CIRCULATOR: Component = Component {
    name: "circulator",
    settings: &[INSERTION_LOSS_DB, ISOLATION_DB],
    ports: Ports::Fixed { inputs: 1, outputs: 2 },
    reciprocal: false,
    passivity: Passivity::Gain(
        "for light from all sides, where 10^(-insertion_loss_dB / 20) + 10^(-isolation_dB / 20) is above 1 \
         (0.09 dB at the defaults)",
    ),
    summary: "A circulator: light goes on from o1 to o2, from o2 to o3, from o3 to o1",
    equations: "S(o1 -> o2) = S(o2 -> o3) = S(o3 -> o1) = 10^(-insertion_loss_dB / 20)\n\
             S(o2 -> o1) = S(o3 -> o2) = S(o1 -> o3) = 10^(-isolation_dB / 20)",
    notes: "o1 = in0, o2 = out1, o3 = out0 (clockwise).",
    source: "SAX, sax.models.circulator",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    let (on, back) = (Cx::real(at.settings[0].loss_db()), Cx::real(at.settings[1].loss_db()));
    // in0 = o1, out1 = o2, out0 = o3.
    for (from, to) in [(0, 2), (2, 1), (1, 0)] {
        s.set(from, to, on);
        s.set(to, from, back);
    }
}
