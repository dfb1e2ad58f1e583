//! `pcm_cell`: a waveguide under a phase-change material.

use crate::setting::{ANY, NOT_NEGATIVE, PART};
use crate::{Component, Cx, Dual, Real, Scatter, Setting, Sink, Unit};

/// A cell of phase-change material on a waveguide.
pub static PCM_CELL: Component = Component {
    name: "pcm_cell",
    settings: &[
        Setting::new("fraction", 0.0, Unit::One, PART, "crystalline fraction").or(&["crystallinity", "level"]),
        Setting::new("loss_amorphous_dB", 0.0, Unit::Db, NOT_NEGATIVE, "loss of power of the amorphous cell")
            .else_gain(),
        Setting::new("loss_crystalline_dB", 10.0, Unit::Db, NOT_NEGATIVE, "loss of power of the crystalline cell")
            .else_gain(),
        Setting::new(
            "phase_crystalline",
            0.0,
            Unit::Rad,
            ANY,
            "phase of the crystalline cell minus that of the amorphous one",
        ),
    ],
    summary: "A cell of phase-change material on a waveguide",
    equations: "loss = loss_amorphous_dB + fraction (loss_crystalline_dB - loss_amorphous_dB)\n\
             S(in0 -> out0) = 10^(-loss / 20) exp(i fraction phase_crystalline)",
    notes: "The absorption and the index of the mode are taken as linear in the crystalline fraction (Beer- \
            Lambert), so that the transmission is exponential in it. A cell of L levels takes fraction = \
            level / (L - 1). A real material is so to first order only: measured levels belong into the \
            curve of an actuator. The defaults are round numbers, not a measured cell.",
    source: "Beer-Lambert law with linear mixing; the device: C. Rios et al., Nat. Photonics 9, 725 (2015)",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    let &[fraction, amorphous, crystalline, phase] = at.settings else {
        unreachable!("as many settings as are described")
    };
    let loss = amorphous + fraction * (crystalline - amorphous);
    s.both(0, 1, Cx::cis(fraction * phase).scale(loss.loss_db()));
}
