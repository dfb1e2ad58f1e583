//! `bend`: a bent waveguide.

use super::waveguide::waveguide;
use crate::setting::{LENGTH, LOSS_DB_CM, NEFF, NG, WL0};
use crate::{Component, Dual, Real, Scatter, Sink};

/// A bend: a waveguide of the length of its arc.
pub static BEND: Component = Component {
    name: "bend",
    aliases: &["bend_euler", "bend_circular"],
    settings: &[WL0, NEFF, NG, LENGTH, LOSS_DB_CM.with(0.1)],
    summary: "A bend: a waveguide of the length of its arc",
    equations: "n = neff - (wl - wl0) (ng - neff) / wl0\n\
             S(in0 -> out0) = 10^(-1e-4 loss_dB_cm length / 20) exp(i 2 pi n length / wl)",
    notes: "The bend changes neither n nor the mode; put what it loses into loss_dB_cm.",
    source: "SAX, sax.models.bend",
    dispersive: true,
    sweep: Some(crate::sweep::waveguide),
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    s.both(0, 1, waveguide(at.settings, at.wl_um));
}
