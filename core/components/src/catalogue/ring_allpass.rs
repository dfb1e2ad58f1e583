//! `ring_allpass`: a ring on one waveguide.

use super::waveguide::Round;
use crate::setting::{COUPLING, LENGTH, LOSS_DB_CM, NEFF, NG, NOT_NEGATIVE, PHI, WL0};
use crate::{Component, Dual, Real, Scatter, Setting, Sink, Unit};

/// A ring on one waveguide.
pub static RING_ALLPASS: Component = Component {
    name: "ring_allpass",
    settings: &[
        WL0,
        NEFF,
        NG,
        LENGTH.with(62.831_853_071_795_86).or(&["circumference"]).says("circumference"),
        LOSS_DB_CM.or(&[]),
        PHI.says("phase per round trip besides that of the waveguide"),
        Setting::new(
            "loss_dB",
            0.0,
            Unit::Db,
            NOT_NEGATIVE,
            "loss of power per round trip besides that of the waveguide",
        )
        .else_gain(),
        COUPLING.with(0.1).says("part of the power that couples between the waveguide and the ring"),
    ],
    summary: "A ring on one waveguide",
    equations: "n = neff - (wl - wl0) (ng - neff) / wl0\n\
             q = 2 pi n length / wl + phi\n\
             a = 10^(-(1e-4 loss_dB_cm length + loss_dB) / 20)\n\
             r = sqrt(1 - coupling)\n\
             S(in0 -> out0) = (r - a e^{iq}) / (1 - r a e^{iq})",
    notes: "Differences from 1 are computed as such (1 - r a e^{iq} = (1 - r a) + r a (2 sin^2(q/2) - i sin \
            q)), so that nothing is lost near resonance, q = 0 modulo 2 pi.",
    source: "a coupler_ideal with a waveguide from out1 to in1; A. Yariv, Electron. Lett. 36, 321 (2000)",
    dispersive: true,
    sweep: Some(crate::sweep::ring_allpass),
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    let round = Round::new(at.settings, at.wl_um);
    s.both(0, 1, round.through(at.settings[7], T::of(0.0)));
}
