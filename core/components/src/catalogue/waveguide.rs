//! What waveguides and rings share.

use crate::{Cx, Real};
use std::f64::consts::TAU;

/// Phase of a waveguide; settings wl0, neff, ng, length.
fn phase<T: Real>([wl0, neff, ng, length]: [T; 4], wl_um: f64) -> T {
    let n = neff - (T::of(wl_um) - wl0) * (ng - neff) / wl0;
    T::of(TAU) * n * length / T::of(wl_um)
}

/// Transmission of a waveguide; settings wl0, neff, ng, length, loss_dB_cm.
pub(super) fn waveguide<T: Real>(settings: &[T], wl_um: f64) -> Cx<T> {
    let &[wl0, neff, ng, length, loss_db_cm] = settings else { unreachable!("as many settings as are described") };
    let amplitude = (T::of(1e-4) * loss_db_cm * length).loss_db();
    Cx::cis(phase([wl0, neff, ng, length], wl_um)).scale(amplitude)
}

/// A round trip in a ring. Differences from 1 are kept as such: near resonance all quantities of a good ring are such
/// differences.
pub(super) struct Round<T> {
    /// e^{iq/2}.
    half: Cx<T>,
    /// 1 - e^{iq} = 2 sin^2(q/2) - 2 i sin(q/2) cos(q/2).
    off: Cx<T>,
    /// a: the amplitude after a round trip.
    a: T,
    /// 1 - a.
    lost: T,
}

impl<T: Real> Round<T> {
    /// Settings wl0, neff, ng, length, loss_dB_cm, phi, loss_dB.
    pub(super) fn new(settings: &[T], wl_um: f64) -> Self {
        let &[wl0, neff, ng, length, loss_db_cm, phi, loss_db, ..] = settings else {
            unreachable!("as many settings as are described")
        };
        let half = Cx::cis(T::of(0.5) * (phase([wl0, neff, ng, length], wl_um) + phi));
        let twice = T::of(2.0) * half.im;
        let loss = T::of(1e-4) * loss_db_cm * length + loss_db;
        Round {
            half,
            off: Cx { re: twice * half.im, im: -twice * half.re },
            a: loss.loss_db(),
            lost: loss.loss_db_complement(),
        }
    }

    /// (here - there a e^{iq}) / D: past the coupler `here` of a ring that `there` couples to another waveguide (power
    /// couplings).
    pub(super) fn through(&self, here: T, there: T) -> Cx<T> {
        let over = self.difference(complement(here), kept(there), complement(there));
        let under = self.resonance(here, there);
        // No light and no loss in the ring, on resonance: the waveguide does not see it.
        if under.re.value() == 0.0 && under.im.value() == 0.0 { Cx::real(T::of(1.0)) } else { over / under }
    }

    /// -sqrt(coupling0 coupling1 a) e^{iq/2} / D: from one waveguide to the other.
    pub(super) fn across(&self, coupling0: T, coupling1: T) -> Cx<T> {
        let over = -self.half.scale(coupling0.sqrt() * coupling1.sqrt() * self.a.sqrt());
        let under = self.resonance(coupling0, coupling1);
        if under.re.value() == 0.0 && under.im.value() == 0.0 { Cx::real(T::of(0.0)) } else { over / under }
    }

    /// D = 1 - r0 r1 a e^{iq}.
    fn resonance(&self, coupling0: T, coupling1: T) -> Cx<T> {
        let (r0, r1) = (kept(coupling0), kept(coupling1));
        // 1 - r0 r1 = (1 - r0) + r0 (1 - r1).
        let missing = complement(coupling0) + r0 * complement(coupling1);
        self.difference(T::of(0.0), r0 * r1, missing)
    }

    /// (1 - x) - y a e^{iq}, where `x` and `not_y` = 1 - y are given.
    fn difference(&self, x: T, y: T, not_y: T) -> Cx<T> {
        // 1 - y a = (1 - y) + y (1 - a).
        let real = not_y + y * self.lost - x;
        Cx::real(real) + self.off.scale(y * self.a)
    }
}

/// r = sqrt(1 - coupling).
fn kept<T: Real>(coupling: T) -> T {
    (T::of(1.0) - coupling).sqrt()
}

/// 1 - r, exact to rounding for small couplings.
fn complement<T: Real>(coupling: T) -> T {
    coupling / (T::of(1.0) + kept(coupling))
}
