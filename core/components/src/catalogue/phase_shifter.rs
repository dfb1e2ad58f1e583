//! `phase_shifter`: a waveguide with a phase shifter of pi a volt.

use crate::setting::{LENGTH, NEFF, NOT_NEGATIVE, VOLTAGE};
use crate::{Component, Cx, Dual, Real, Scatter, Setting, Sink, Unit};
use std::f64::consts::{PI, TAU};

/// A waveguide without dispersion with a phase shifter of pi rad/V.
pub static PHASE_SHIFTER: Component = Component {
    name: "phase_shifter",
    settings: &[
        NEFF.says("effective index, the same at all wavelengths"),
        VOLTAGE,
        LENGTH,
        Setting::new("loss", 0.0, Unit::DbPerUm, NOT_NEGATIVE, "loss of power along the way").else_gain(),
    ],
    summary: "A waveguide without dispersion with a phase shifter of pi rad/V",
    equations: "S(in0 -> out0) = 10^(-loss length / 20) exp(i (2 pi neff length / wl + pi voltage))",
    notes: "loss is per micrometre here, as SAX computes it (its own documentation says dB).",
    source: "SAX, sax.models.phase_shifter",
    dispersive: true,
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    let &[neff, voltage, length, loss] = at.settings else { unreachable!("as many settings as are described") };
    let phase = T::of(TAU / at.wl_um) * neff * length + T::of(PI) * voltage;
    s.both(0, 1, Cx::cis(phase).scale((loss * length).loss_db()));
}
