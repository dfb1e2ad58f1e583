//! `gain`: an ideal amplifier.

use crate::setting::ANY;
use crate::{Component, Cx, Dual, Passivity, Real, Scatter, Setting, Sink, Unit};

/// An ideal amplifier, the same both ways, without noise.
pub static GAIN: Component = Component {
    name: "gain",
    settings: &[Setting::new("amplitude", 1.0, Unit::One, ANY, "factor of the amplitude of the field").or(&["gain"])],
    passivity: Passivity::Gain("where amplitude is above 1 or below -1"),
    summary: "An ideal amplifier, the same both ways, without noise",
    equations: "S(in0 -> out0) = amplitude",
    notes: "A negative amplitude turns the sign of the field; power grows by amplitude^2.",
    source: "definition",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    s.both(0, 1, Cx::real(at.settings[0]));
}
