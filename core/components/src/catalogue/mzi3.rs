//! `mzi3`: a Mach-Zehnder interferometer with three splitters.

use super::two_by_two::{arm, coupler, product, set};
use crate::setting::{ANY, LOSS_DB, PART, PHI};
use crate::{Component, Dual, Ports, Real, Scatter, Setting, Sink, Unit};
use std::f64::consts::FRAC_PI_2;

/// A Mach-Zehnder interferometer with three couplers, which stays universal when they are off.
pub static MZI3: Component = Component {
    name: "mzi3",
    settings: &[
        Setting::new("theta", 0.0, Unit::Rad, ANY, "phase on arm 0 between the last two couplers, minus pi/2"),
        PHI.says("phase on arm 0 between the first two couplers, plus pi/2"),
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
            "part of the power that crosses over in the coupler in the middle",
        ),
        Setting::new(
            "coupling2",
            0.5,
            Unit::One,
            PART,
            "part of the power that crosses over in the coupler at the outputs",
        ),
        LOSS_DB,
    ],
    ports: Ports::Fixed { inputs: 2, outputs: 2 },
    summary: "A Mach-Zehnder interferometer with three couplers, which stays universal when they are off",
    equations: "T = 10^(-loss_dB / 20) B(coupling2) P(theta + pi/2) B(coupling1) P(phi - pi/2) B(coupling0)\n\
             P(x) = diag(e^{ix}, 1), on the arm of index 0; B(c) = [[sqrt(1 - c), i sqrt c], [i sqrt c, sqrt(1 - c)]]\n\
             T[l][k] = S(in_k -> out_l): row of the output, column of the input",
    source: "R. Hamerly, S. Bandyopadhyay, D. Englund, arXiv 2109.05367",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    let &[theta, phi, coupling0, coupling1, coupling2, loss] = at.settings else {
        unreachable!("as many settings as are described")
    };
    let quarter = T::of(FRAC_PI_2);
    let last = product(arm(coupler(coupling2), theta + quarter), arm(coupler(coupling1), phi - quarter));
    set(s, product(last, coupler(coupling0)), loss.loss_db());
}
