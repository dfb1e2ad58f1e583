//! `crossing`: a waveguide crossing.

use crate::setting::LOSS_DB;
use crate::{Component, Cx, Dual, Ports, Real, Scatter, Setting, Sink, Unit};

/// A waveguide crossing with loss and crosstalk.
pub static CROSSING: Component = Component {
    name: "crossing",
    settings: &[
        LOSS_DB,
        Setting::new(
            "crosstalk",
            0.0,
            Unit::One,
            (0.0, 0.25),
            "part of the power that turns into each arm at the side",
        ),
    ],
    ports: Ports::Fixed { inputs: 2, outputs: 2 },
    summary: "A waveguide crossing with loss and crosstalk",
    equations: "S(in0 -> out1) = S(in1 -> out0) = 10^(-loss_dB / 20) sqrt(1 - 4 crosstalk)\n\
             S(in0 -> in1) = S(in1 -> out1) = S(out1 -> out0) = S(out0 -> in0) = 10^(-loss_dB / 20) i sqrt(crosstalk)",
    notes: "The ports lie crosswise: o1 left, o2 top, o3 right, o4 bottom, so that light goes from in0 = o1 \
            straight on to out1 = o3. The factor 4 keeps the crossing passive for whatever comes in: without \
            loss, S has the eigenvalue -sqrt(1 - 4 crosstalk) twice and two of magnitude 1. What is missing \
            is scattered away.",
    source: "fourfold symmetry, reciprocity, no reflection",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    let amplitude = at.settings[0].loss_db();
    let crosstalk = at.settings[1];
    let on = Cx::real((T::of(1.0) - T::of(4.0) * crosstalk).sqrt() * amplitude);
    let side = Cx::imag(crosstalk.sqrt() * amplitude);
    s.both(0, 3, on);
    s.both(1, 2, on);
    for (a, b) in [(0, 1), (1, 3), (3, 2), (2, 0)] {
        s.both(a, b, side);
    }
}
