//! `mirror`: a mirror.

use super::reflector::reflect;
use crate::setting::{LOSS_DB, PART};
use crate::{Component, Dual, Passivity, Real, Scatter, Setting, Sink, Unit};

/// A mirror, as SAX has it: a reflector that reflects all.
pub static MIRROR: Component = Component {
    name: "mirror",
    settings: &[Setting::new("reflection", 1.0, Unit::One, PART, "part of the power that is reflected"), LOSS_DB],
    passivity: Passivity::Gain("where reflection is neither 0 nor 1 and light comes from both sides"),
    summary: "A mirror, as SAX has it: a reflector that reflects all",
    equations: "l = 10^(-loss_dB / 20)\n\
             S(in0 -> in0) = S(out0 -> out0) = l sqrt(reflection)\n\
             S(in0 -> out0) = l sqrt(1 - reflection)",
    notes: "As SAX has it. Reflection and transmission are in phase, so that S is not unitary: waves into \
            both ports at once come out with up to (1 + 2 sqrt(reflection (1 - reflection))) times their \
            power. `facet` is the mirror that conserves energy.",
    source: "SAX, sax.models.mirror",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    reflect(at, s);
}
