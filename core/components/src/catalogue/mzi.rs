//! `mzi`: a Mach-Zehnder interferometer with two phases.

use super::two_by_two::{arm, coupler, product, set};
use crate::setting::{ANY, LOSS_DB, PART, PHI};
use crate::{Component, Dual, Ports, Real, Scatter, Setting, Sink, Unit};

/// A Mach-Zehnder interferometer with an inner and an outer phase.
pub static MZI: Component = Component {
    name: "mzi",
    settings: &[
        Setting::new("theta", 0.0, Unit::Rad, ANY, "phase on arm 0 between the couplers"),
        PHI.says("phase on arm 0 before the first coupler"),
        Setting::new(
            "coupling0",
            0.5,
            Unit::One,
            PART,
            "part of the power that crosses over in the coupler at the inputs",
        ),
        Setting::new(
            "coupling1",
            0.5,
            Unit::One,
            PART,
            "part of the power that crosses over in the coupler at the outputs",
        ),
        LOSS_DB,
    ],
    ports: Ports::Fixed { inputs: 2, outputs: 2 },
    summary: "A Mach-Zehnder interferometer with an inner and an outer phase",
    equations: "T = 10^(-loss_dB / 20) B(coupling1) P(theta) B(coupling0) P(phi)\n\
             P(x) = diag(e^{ix}, 1), on the arm of index 0; B(c) = [[sqrt(1 - c), i sqrt c], [i sqrt c, sqrt(1 - c)]]\n\
             T[l][k] = S(in_k -> out_l): row of the output, column of the input",
    notes: "With couplers of one half |S(in0 -> out0)|^2 = sin^2(theta / 2): theta = 0 is the cross state, \
            theta = pi the bar state.",
    source: "M. Y.-S. Fang et al., Opt. Express 27, 14009 (2019); the order of the factors is stated above",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    let &[theta, phi, coupling0, coupling1, loss] = at.settings else {
        unreachable!("as many settings as are described")
    };
    let inner = product(arm(coupler(coupling1), theta), arm(coupler(coupling0), phi));
    set(s, inner, loss.loss_db());
}
