//! `mzm`: a Mach-Zehnder modulator.

use crate::setting::{ANY, LOSS_DB, NOT_NEGATIVE, V_PI, VOLTAGE};
use crate::{Component, Cx, Dual, Real, Scatter, Setting, Sink, Unit};
use std::f64::consts::PI;

/// A Mach-Zehnder modulator in push-pull (no chirp but that of the finite extinction).
pub static MZM: Component = Component {
    name: "mzm",
    aliases: &["mach_zehnder_modulator"],
    settings: &[
        VOLTAGE,
        V_PI,
        Setting::new("bias", 0.0, Unit::Rad, ANY, "phase between the arms without voltage"),
        LOSS_DB,
        Setting::new(
            "extinction_ratio_dB",
            40.0,
            Unit::Db,
            NOT_NEGATIVE,
            "largest over smallest power; 10000 for equal arms (the default is a round number)",
        )
        .or(&["extinction_ratio_db"]),
    ],
    summary: "A Mach-Zehnder modulator in push-pull (no chirp but that of the finite extinction)",
    equations: "p = pi voltage / v_pi + bias\n\
             e = 10^(-extinction_ratio_dB / 20)\n\
             S(in0 -> out0) = 10^(-loss_dB / 20) (cos(p/2) + i e sin(p/2))\n\
             = 10^(-loss_dB / 20) ((1 + e)/2 exp(i p/2) + (1 - e)/2 exp(-i p/2))",
    notes: "The arms carry the amplitudes (1 +- e)/2 with phases +-p/2. Full transmission at p = 0, \
            quadrature at pi/2, null at pi, where a power of 10^(-extinction_ratio_dB / 10) is left.",
    source: "two arms between two 1x2 splitters",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    let &[voltage, v_pi, bias, loss, extinction] = at.settings else {
        unreachable!("as many settings as are described")
    };
    let (sin, cos) = (T::of(0.5) * (T::of(PI) * voltage / v_pi + bias)).sin_cos();
    s.both(0, 1, Cx { re: cos, im: sin * extinction.loss_db() }.scale(loss.loss_db()));
}
