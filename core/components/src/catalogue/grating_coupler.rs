//! `grating_coupler`: a grating coupler.

use crate::setting::{NOT_NEGATIVE, POSITIVE, WL0};
use crate::{Component, Cx, Dual, Passivity, Real, Scatter, Setting, Sink, Unit};
use std::f64::consts::LN_2;

/// A grating coupler between a waveguide (in0) and a fibre (out0).
pub static GRATING_COUPLER: Component = Component {
    name: "grating_coupler",
    settings: &[
        WL0,
        Setting::new("loss", 0.0, Unit::Db, NOT_NEGATIVE, "loss of power at the peak").or(&["loss_dB"]).else_gain(),
        Setting::new("reflection", 0.0, Unit::One, (-1.0, 1.0), "amplitude that is reflected into the waveguide")
            .else_gain(),
        Setting::new("reflection_fiber", 0.0, Unit::One, (-1.0, 1.0), "amplitude that is reflected into the fibre")
            .else_gain(),
        Setting::new("bandwidth", 0.04, Unit::Um, POSITIVE, "full width of the power at half its maximum"),
    ],
    passivity: Passivity::Gain(
        "where the reflections and the transmission are large together: |reflection|^2 + |transmission|^2 above 1, say",
    ),
    summary: "A grating coupler between a waveguide (in0) and a fibre (out0)",
    equations: "s = bandwidth / (2 sqrt(2 ln 2))\n\
             S(in0 -> out0) = 10^(-loss / 20) exp(-(wl - wl0)^2 / (4 s^2))\n\
             S(in0 -> in0) = reflection\n\
             S(out0 -> out0) = reflection_fiber",
    notes: "bandwidth is the full width of the power at half its maximum.",
    source: "SAX, sax.models.grating_coupler",
    dispersive: true,
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    let &[wl0, loss, reflection, reflection_fiber, bandwidth] = at.settings else {
        unreachable!("as many settings as are described")
    };
    let off = (T::of(at.wl_um) - wl0) / bandwidth;
    s.set(0, 0, Cx::real(reflection));
    s.both(0, 1, Cx::real(loss.loss_db() * (T::of(-2.0 * LN_2) * off * off).exp()));
    s.set(1, 1, Cx::real(reflection_fiber));
}
