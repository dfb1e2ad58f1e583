//! Cells that are rotations but for phases.

use super::MeshProgram;
use blackbeam_kernels::mesh::{Linear, Rotation};
use blackbeam_meshes::{Affine, Scheme};
use num_complex::Complex64;
use std::f64::consts::{FRAC_PI_2, FRAC_PI_4};

/// A sum of multiples of angles.
fn sum(terms: &[(f64, Affine)], constant: f64) -> Linear {
    let add = |sum: Linear, (factor, angle): &(f64, Affine)| Linear {
        constant: sum.constant + factor * angle.constant,
        theta: sum.theta + factor * angle.theta,
        phi: sum.phi + factor * angle.phi,
    };
    terms.iter().fold(Linear { constant, ..Linear::default() }, add)
}

/// The cell of a scheme without errors; None for more than two couplers, which turn about more than one axis.
fn rotation(scheme: &Scheme) -> Option<Rotation> {
    let phases = scheme.phases();
    match *scheme.couplers() {
        // C(x) = diag(1, i) [[sin, cos], [cos, -sin]](pi/2 - x) diag(1, i)
        [coupler] => {
            let ([a, b], [c, d]) = (phases[0], phases[1]);
            Some(Rotation {
                angle: sum(&[(-1.0, coupler)], FRAC_PI_2),
                input: sum(&[(1.0, a), (-1.0, b)], -FRAC_PI_2),
                outputs: [sum(&[(1.0, c), (1.0, b)], FRAC_PI_2), sum(&[(1.0, d), (1.0, b)], 2.0 * FRAC_PI_2)],
            })
        }
        // B diag(e^{i p}, e^{i q}) B = i e^{i (p + q)/2} [[sin, cos], [cos, -sin]]((p - q)/2)
        [first, second] if [first, second] == [Affine { constant: FRAC_PI_4, ..Affine::ZERO }; 2] => {
            let ([a, b], [p, q], [c, d]) = (phases[0], phases[1], phases[2]);
            let output = |out| sum(&[(0.5, p), (0.5, q), (1.0, b), (1.0, out)], FRAC_PI_2);
            Some(Rotation {
                angle: sum(&[(0.5, p), (-0.5, q)], 0.0),
                input: sum(&[(1.0, a), (-1.0, b)], 0.0),
                outputs: [output(c), output(d)],
            })
        }
        _ => None,
    }
}

/// What all cells of a mesh are, and the factor of each (none where all are 1): without errors of couplers, and with the same on
/// both arms.
pub(super) fn rotations(scheme: &Scheme, errors: &[f64], arms: &[[Complex64; 2]]) -> Option<(Rotation, Vec<f64>)> {
    let even = arms.iter().all(|[a, b]| a == b && a.im == 0.0);
    let gains = if arms.iter().all(|[a, _]| *a == Complex64::ONE) {
        Vec::new()
    } else {
        arms.iter().map(|[a, _]| a.re).collect()
    };
    (even && errors.iter().all(|error| *error == 0.0)).then(|| rotation(scheme)).flatten().map(|found| (found, gains))
}

impl MeshProgram {
    /// The cells are rotations.
    #[cfg(test)]
    pub(super) fn turns(&self) -> bool {
        self.rotation.is_some()
    }
}
