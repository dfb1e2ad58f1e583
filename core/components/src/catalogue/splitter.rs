//! `splitter`: a 1x2 splitter.

use super::splitter_ideal::split;
use crate::setting::{COUPLING, LOSS_DB};
use crate::{Component, Dual, Ports, Real, Scatter, Sink};

/// A 1x2 splitter with loss.
pub static SPLITTER: Component = Component {
    name: "splitter",
    settings: &[COUPLING.says("part of the power that goes to out1"), LOSS_DB],
    ports: Ports::Fixed { inputs: 1, outputs: 2 },
    summary: "A 1x2 splitter with loss",
    equations: "S(in0 -> out0) = 10^(-loss_dB / 20) sqrt(1 - coupling)\n\
             S(in0 -> out1) = 10^(-loss_dB / 20) sqrt(coupling)",
    source: "splitter_ideal with an attenuator",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    split(s, at.settings[0], at.settings[1].loss_db());
}
