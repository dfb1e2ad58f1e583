//! `reflector`: a partial mirror.

use crate::setting::{LOSS_DB, PART};
use crate::{Component, Cx, Dual, Passivity, Real, Scatter, Setting, Sink, Unit};

/// A partial mirror, as SAX has it.
pub static REFLECTOR: Component = Component {
    name: "reflector",
    settings: &[Setting::new("reflection", 0.5, Unit::One, PART, "part of the power that is reflected"), LOSS_DB],
    passivity: Passivity::Gain("where reflection is neither 0 nor 1 and light comes from both sides"),
    summary: "A partial mirror, as SAX has it",
    equations: "l = 10^(-loss_dB / 20)\n\
             S(in0 -> in0) = S(out0 -> out0) = l sqrt(reflection)\n\
             S(in0 -> out0) = l sqrt(1 - reflection)",
    notes: "As SAX has it. Reflection and transmission are in phase, so that S is not unitary: waves into \
            both ports at once come out with up to (1 + 2 sqrt(reflection (1 - reflection))) times their \
            power. `facet` is the mirror that conserves energy.",
    source: "SAX, sax.models.reflector",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    reflect(at, s);
}

/// What `mirror` does too.
pub(super) fn reflect<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    let amplitude = at.settings[1].loss_db();
    let reflected = Cx::real(at.settings[0].sqrt() * amplitude);
    s.set(0, 0, reflected);
    s.both(0, 1, Cx::real((T::of(1.0) - at.settings[0]).sqrt() * amplitude));
    s.set(1, 1, reflected);
}
