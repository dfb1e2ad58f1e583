//! 2x2 transfer matrices: `T[l][k] = S(in_k -> out_l)`.

use crate::{Cx, Real, Sink};

/// A transfer matrix from two inputs to two outputs.
pub(super) type Transfer<T> = [[Cx<T>; 2]; 2];

/// B(c) of a lossless coupler that sends the part `coupling` of the power across.
pub(super) fn coupler<T: Real>(coupling: T) -> Transfer<T> {
    let (bar, cross) = (Cx::real((T::of(1.0) - coupling).sqrt()), Cx::imag(coupling.sqrt()));
    [[bar, cross], [cross, bar]]
}

/// M P(x): the phase x on the arm of index 0, then M.
pub(super) fn arm<T: Real>(m: Transfer<T>, phase: T) -> Transfer<T> {
    let turn = Cx::cis(phase);
    m.map(|[on, cross]| [on * turn, cross])
}

/// A B: light meets B first.
pub(super) fn product<T: Real>(a: Transfer<T>, b: Transfer<T>) -> Transfer<T> {
    a.map(|row| [0, 1].map(|k| row[0] * b[0][k] + row[1] * b[1][k]))
}

/// Gives the entries of a reciprocal 2x2 component without reflections, all times `amplitude`.
pub(super) fn set<T: Real>(s: &mut dyn Sink<T>, transfer: Transfer<T>, amplitude: T) {
    for (l, row) in transfer.into_iter().enumerate() {
        for (k, value) in row.into_iter().enumerate() {
            s.both(k, 2 + l, value.scale(amplitude));
        }
    }
}
