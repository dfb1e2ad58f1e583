//! `ring_adddrop`: a ring between two waveguides.

use super::waveguide::Round;
use crate::setting::{LENGTH, LOSS_DB_CM, NEFF, NG, NOT_NEGATIVE, PART, PHI, WL0};
use crate::{Component, Dual, Ports, Real, Scatter, Setting, Sink, Unit};

/// A ring between two waveguides.
pub static RING_ADDDROP: Component = Component {
    name: "ring_adddrop",
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
        Setting::new(
            "coupling0",
            0.1,
            Unit::One,
            PART,
            "part of the power that couples between in0 - out0 and the ring",
        )
        .or(&["k0"]),
        Setting::new(
            "coupling1",
            0.1,
            Unit::One,
            PART,
            "part of the power that couples between in1 - out1 and the ring",
        )
        .or(&["k1"]),
    ],
    ports: Ports::Fixed { inputs: 2, outputs: 2 },
    port_aliases: &[
        ("in", "in0"),
        ("input", "in0"),
        ("thru", "out0"),
        ("through", "out0"),
        ("add", "in1"),
        ("drop", "out1"),
    ],
    summary: "A ring between two waveguides",
    equations: "n = neff - (wl - wl0) (ng - neff) / wl0\n\
             q = 2 pi n length / wl + phi\n\
             a = 10^(-(1e-4 loss_dB_cm length + loss_dB) / 20)\n\
             r0 = sqrt(1 - coupling0), r1 = sqrt(1 - coupling1), D = 1 - r0 r1 a e^{iq}\n\
             S(in0 -> out0) = (r0 - r1 a e^{iq}) / D                            (in -> thru)\n\
             S(in1 -> out1) = (r1 - r0 a e^{iq}) / D                            (add -> drop)\n\
             S(in0 -> out1) = S(in1 -> out0) = -sqrt(coupling0 coupling1 a) e^{iq/2} / D  (in -> drop, add -> thru)",
    notes: "phi and the losses are spread evenly over the two halves of the ring. Differences from 1 are \
            computed as such, so that nothing is lost near resonance. in1 = o2 is add and out1 = o3 is drop, \
            after the way of the light; where a layout names its ports clockwise, light turns round in the \
            ring and leaves at the side it came from: use the names in, thru, add, drop.",
    source: "two coupler_ideal joined by half rings; W. Bogaerts et al., Laser Photonics Rev. 6, 47 (2012)",
    dispersive: true,
    sweep: Some(crate::sweep::ring_adddrop),
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    let round = Round::new(at.settings, at.wl_um);
    let (bus, drop) = (at.settings[7], at.settings[8]);
    s.both(0, 2, round.through(bus, drop));
    s.both(1, 3, round.through(drop, bus));
    let across = round.across(bus, drop);
    s.both(0, 3, across);
    s.both(1, 2, across);
}
