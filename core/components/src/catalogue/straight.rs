//! `straight`: a waveguide.

use super::waveguide::waveguide;
use crate::setting::{LENGTH, LOSS_DB_CM, NEFF, NG, WL0};
use crate::{Component, Dual, Real, Scatter, Sink};

/// A waveguide whose effective index is linear in the wavelength.
pub static STRAIGHT: Component = Component {
    name: "straight",
    aliases: &["waveguide"],
    settings: &[WL0, NEFF, NG, LENGTH, LOSS_DB_CM],
    summary: "A waveguide whose effective index is linear in the wavelength",
    equations: "n = neff - (wl - wl0) (ng - neff) / wl0\n\
             S(in0 -> out0) = 10^(-1e-4 loss_dB_cm length / 20) exp(i 2 pi n length / wl)",
    source: "SAX, sax.models.straight",
    dispersive: true,
    sweep: Some(crate::sweep::waveguide),
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    s.both(0, 1, waveguide(at.settings, at.wl_um));
}
