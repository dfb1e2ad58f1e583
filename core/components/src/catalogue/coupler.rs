//! `coupler`: a dispersive directional coupler.

use super::two_by_two::set;
use crate::setting::{ANY, LENGTH, WL0};
use crate::{Component, Cx, Dual, Ports, Real, Scatter, Setting, Sink, Unit};
use std::f64::consts::PI;

/// A lossless directional coupler with dispersion.
pub static COUPLER: Component = Component {
    name: "coupler",
    settings: &[
        WL0,
        LENGTH.with(0.0),
        Setting::new("coupling0", 0.2, Unit::Rad, ANY, "coupling angle of the bends at wl0"),
        Setting::new("dk1", 1.2435, Unit::PerUm, ANY, "slope of coupling0"),
        Setting::new("dk2", 5.3022, Unit::PerUm2, ANY, "curvature of coupling0"),
        Setting::new("dn", 0.02, Unit::One, ANY, "difference of the indices of the even and odd supermodes at wl0"),
        Setting::new("dn1", 0.1169, Unit::PerUm, ANY, "slope of dn"),
        Setting::new("dn2", 0.4821, Unit::PerUm2, ANY, "curvature of dn"),
    ],
    ports: Ports::Fixed { inputs: 2, outputs: 2 },
    summary: "A lossless directional coupler with dispersion",
    equations: "d = wl - wl0\n\
             K = coupling0 + dk1 d + dk2 d^2 / 2\n\
             N = dn + dn1 d + dn2 d^2 / 2\n\
             a = K + pi N length / wl\n\
             S(in0 -> out0) = S(in1 -> out1) = cos a\n\
             S(in0 -> out1) = S(in1 -> out0) = -i sin a",
    notes: "Mind the sign: the crossing light is at -i here and at +i in coupler_ideal, as in SAX.",
    source: "SAX, sax.models.coupler",
    dispersive: true,
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    let &[wl0, length, coupling0, dk1, dk2, dn, dn1, dn2] = at.settings else {
        unreachable!("as many settings as are described")
    };
    let d = T::of(at.wl_um) - wl0;
    let series = |c0: T, c1: T, c2: T| c0 + d * (c1 + T::of(0.5) * d * c2);
    let angle = series(coupling0, dk1, dk2) + T::of(PI / at.wl_um) * series(dn, dn1, dn2) * length;
    let (sin, cos) = angle.sin_cos();
    let (bar, cross) = (Cx::real(cos), Cx::imag(-sin));
    set(s, [[bar, cross], [cross, bar]], T::of(1.0));
}
