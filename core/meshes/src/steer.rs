//! Theta and phi at which a cell has a given second row, up to a phase: the one step of every decomposition.

use crate::{Cell, Convention, Error, Result, Scheme};
use num_complex::Complex64;
use std::f64::consts::{FRAC_PI_2, PI, TAU};

impl Scheme {
    /// Whether a mesh of these cells, with output phases, can be any unitary: it can if theta and phi steer a row of the
    /// cell to any direction.
    ///
    /// # Errors
    /// [`Error::NotUniversal`], with the reason.
    pub fn universal(&self) -> Result<()> {
        match (self.cell(), self.convention()) {
            (Cell::MziClassical, Convention::Bpbp) | (Cell::Mzi | Cell::Tdc, Convention::BpbpT) => {
                Err(Error::NotUniversal(
                    "in this cell light meets phi after the couplers, so the phases of the last cells do what the output \
                     phases do, and none are left at the inputs; use `cell: mzi, convention: bpbp`"
                        .into(),
                ))
            }
            _ => Ok(()),
        }
    }

    /// (theta, phi) at which row 1 of the matrix is (x, y) up to a factor, and so row 0 is (-conj y, conj x) up to a factor.
    /// Where x or y is 0, phi is free and chosen 0 (mzi3: what follows); where both are 0, the cell is transparent.
    /// Theta is in [0, pi] ([0, 2 pi) with three couplers), phi in [0, 2 pi). Meaningful if the scheme is universal.
    pub(crate) fn steer(&self, [x, y]: [Complex64; 2]) -> (f64, f64) {
        let (x, y) = if x == Complex64::ZERO && y == Complex64::ZERO { (x, Complex64::ONE) } else { (x, y) };
        let between = |a: Complex64, b: Complex64| {
            if a == Complex64::ZERO || b == Complex64::ZERO { 0.0 } else { a.arg() - b.arg() }
        };
        let (theta, phi) = match (self.cell(), self.convention()) {
            (Cell::Mzi3, Convention::RxHRy) => {
                let (theta, phi) = three_couplers(x, -y);
                (theta, -phi - FRAC_PI_2)
            }
            // The transpose is the cell itself with the two phases exchanged.
            (Cell::Mzi3, Convention::BpbpT) => {
                let (theta, phi) = three_couplers(x, y);
                (phi - PI, theta + PI)
            }
            (Cell::Mzi3, _) => three_couplers(x, y),
            (Cell::Tdc, _) => (x.norm().atan2(y.norm()), between(x, y * Complex64::I)),
            (Cell::Mzi, Convention::Clements2016) => (x.norm().atan2(y.norm()), between(x, y)),
            (Cell::MziClassical, _) => (y.norm().atan2(x.norm()), between(x, -y)),
            (Cell::Mzi, _) => (2.0 * y.norm().atan2(x.norm()), between(x, -y)),
        };
        let theta = if self.cell() == Cell::Mzi3 { turn(theta) } else { theta };
        (theta, turn(phi))
    }
}

/// With row 1 = (x, y) of B P(theta + pi/2) B P(phi - pi/2) B as a vector on the Poincare sphere:
/// |x|^2 - |y|^2 = cos theta cos phi, 2 x conj(y) = -cos theta sin phi + i sin theta.
fn three_couplers(x: Complex64, y: Complex64) -> (f64, f64) {
    let scale = 1.0 / x.norm().max(y.norm());
    let (x, y) = (x * scale, y * scale);
    let height = x.norm_sqr() - y.norm_sqr();
    let across = 2.0 * x * y.conj();
    (across.im.atan2(height.hypot(across.re)), (-across.re).atan2(height))
}

/// An angle in [0, 2 pi).
pub(crate) fn turn(angle: f64) -> f64 {
    let angle = angle.rem_euclid(TAU);
    // A tiny negative angle is rounded up to the whole turn.
    if angle < TAU { angle } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, schemes};

    #[test]
    fn any_row() {
        let mut random = Random(3);
        let mut rows: Vec<[Complex64; 2]> = (0..200).map(|_| [random.gaussian(), random.gaussian()]).collect();
        let (o, l, i) = (Complex64::ZERO, Complex64::ONE, Complex64::I);
        rows.extend([[l, o], [o, l], [i, o], [o, -i], [l, l], [l, -l], [l, i], [i, l], [l, 1e-9 * i], [1e-200 * l, i]]);
        let mut universal = 0;
        for scheme in schemes().iter().filter(|scheme| scheme.universal().is_ok()) {
            universal += 1;
            for [x, y] in &rows {
                let (theta, phi) = scheme.steer([*x, *y]);
                let highest = if scheme.cell() == Cell::Mzi3 { TAU } else { PI };
                assert!((0.0..=highest).contains(&theta) && (0.0..TAU).contains(&phi), "{theta} {phi}");
                let [row0, row1] = scheme.matrix(theta, phi);
                let norm = x.norm().hypot(y.norm());
                // row 0 is orthogonal to (x, y), row 1 parallel
                assert!((row0[0] * x.conj() + row0[1] * y.conj()).norm() < 1e-15 * norm, "{scheme:?} {x} {y}");
                assert!(((row1[0] * x.conj() + row1[1] * y.conj()).norm() - norm).abs() < 1e-15 * norm);
            }
            let transparent = scheme.matrix(scheme.steer([o, o]).0, scheme.steer([o, o]).1);
            assert!(transparent[0][1].norm() < 1e-15, "{scheme:?}");
        }
        assert_eq!(universal, 8);
    }

    #[test]
    fn turns() {
        assert_eq!(turn(-1e-300), 0.0);
        assert_eq!(turn(TAU), 0.0);
        assert!((turn(-1.0) - (TAU - 1.0)).abs() < 1e-15);
    }
}
