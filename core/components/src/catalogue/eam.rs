//! `eam`: an electro-absorption modulator.

use crate::setting::{ANY, LOSS_DB, NOT_NEGATIVE};
use crate::{Component, Cx, Dual, Real, Scatter, Setting, Sink, Unit};
use std::f64::consts::LN_10;

/// An electro-absorption modulator.
pub static EAM: Component = Component {
    name: "eam",
    aliases: &["electro_absorption_modulator"],
    settings: &[
        Setting::new("voltage", 0.0, Unit::Volt, NOT_NEGATIVE, "reverse bias"),
        Setting::new("absorption1", 5.0, Unit::DbPerVolt, NOT_NEGATIVE, "linear part of the absorption").else_gain(),
        Setting::new("absorption2", 0.0, Unit::DbPerVolt2, NOT_NEGATIVE, "quadratic part of the absorption")
            .else_gain(),
        Setting::new("chirp", 0.0, Unit::One, ANY, "linewidth enhancement factor"),
        LOSS_DB,
    ],
    summary: "An electro-absorption modulator",
    equations: "A = absorption1 voltage + absorption2 voltage^2   (dB of power)\n\
             S(in0 -> out0) = 10^(-(loss_dB + A) / 20) exp(i (chirp / 2) (ln 10 / 10) A)",
    notes: "voltage is the reverse bias. chirp is the linewidth enhancement factor dn'/dn'': the absorbed \
            power T = 10^(-A/10) comes with the phase -(chirp / 2) ln T (with exp(+i k z); the opposite sign \
            in the exp(-i k z) of Koyama). The defaults are round numbers.",
    source: "F. Koyama, K. Iga, J. Lightwave Technol. 6, 87 (1988) for the chirp",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    let &[voltage, linear, quadratic, chirp, loss] = at.settings else {
        unreachable!("as many settings as are described")
    };
    let absorbed = voltage * (linear + quadratic * voltage);
    let phase = T::of(LN_10 / 20.0) * chirp * absorbed;
    s.both(0, 1, Cx::cis(phase).scale((loss + absorbed).loss_db()));
}
