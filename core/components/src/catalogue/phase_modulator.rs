//! `phase_modulator`: an electro-optic phase modulator.

use crate::setting::{LOSS_DB, PHI, V_PI, VOLTAGE};
use crate::{Component, Cx, Dual, Real, Scatter, Sink};
use std::f64::consts::PI;

/// An electro-optic phase modulator.
pub static PHASE_MODULATOR: Component = Component {
    name: "phase_modulator",
    settings: &[VOLTAGE, V_PI, PHI.says("phase without voltage"), LOSS_DB],
    summary: "An electro-optic phase modulator",
    equations: "S(in0 -> out0) = 10^(-loss_dB / 20) exp(i (phi + pi voltage / v_pi))",
    notes: "Linear in the voltage (Pockels effect); a heater is `phase` with the curve of an actuator.",
    source: "definition of v_pi",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    let &[voltage, v_pi, phi, loss] = at.settings else { unreachable!("as many settings as are described") };
    s.both(0, 1, Cx::cis(phi + T::of(PI) * voltage / v_pi).scale(loss.loss_db()));
}
