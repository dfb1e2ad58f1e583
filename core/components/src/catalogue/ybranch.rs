//! `ybranch`: a Y-branch.

use super::splitter_ideal::split;
use crate::setting::LOSS_DB;
use crate::{Component, Dual, Ports, Real, Scatter, Sink};

/// A Y-branch: halves, and the odd mode of the two arms is radiated.
pub static YBRANCH: Component = Component {
    name: "ybranch",
    aliases: &["y_branch"],
    settings: &[LOSS_DB],
    ports: Ports::Fixed { inputs: 1, outputs: 2 },
    summary: "A Y-branch: halves, and the odd mode of the two arms is radiated",
    equations: "S(in0 -> out0) = S(in0 -> out1) = 10^(-loss_dB / 20) sqrt(1/2)",
    notes: "Backwards, of waves a and b into out0 and out1, (a + b) sqrt(1/2) arrives at in0 and (a - b) \
            sqrt(1/2) is lost.",
    source: "symmetry; no port reflects",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    split(s, T::of(0.5), at.settings[0].loss_db());
}
