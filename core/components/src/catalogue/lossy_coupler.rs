//! `lossy_coupler`: a directional coupler whose outputs lose light.

use super::two_by_two::{coupler, set};
use crate::setting::{COUPLING, NOT_NEGATIVE};
use crate::{Component, Dual, Ports, Real, Scatter, Setting, Sink, Unit};

/// A directional coupler with a loss at each output.
pub static LOSSY_COUPLER: Component = Component {
    name: "lossy_coupler",
    settings: &[
        COUPLING,
        Setting::new("loss0_dB", 0.0, Unit::Db, NOT_NEGATIVE, "loss of power at out0").else_gain(),
        Setting::new("loss1_dB", 0.0, Unit::Db, NOT_NEGATIVE, "loss of power at out1").else_gain(),
    ],
    ports: Ports::Fixed { inputs: 2, outputs: 2 },
    summary: "A directional coupler with a loss at each output",
    equations: "S(in0 -> out0) = 10^(-loss0_dB / 20) sqrt(1 - coupling)\n\
             S(in1 -> out0) = 10^(-loss0_dB / 20) i sqrt(coupling)\n\
             S(in0 -> out1) = 10^(-loss1_dB / 20) i sqrt(coupling)\n\
             S(in1 -> out1) = 10^(-loss1_dB / 20) sqrt(1 - coupling)",
    source: "coupler_ideal with an attenuator after each output",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    let &[coupling, loss0, loss1] = at.settings else { unreachable!("as many settings as are described") };
    let [out0, out1] = coupler(coupling);
    set(s, [out0.map(|x| x.scale(loss0.loss_db())), out1.map(|x| x.scale(loss1.loss_db()))], T::of(1.0));
}
