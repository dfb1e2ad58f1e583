//! The nominal curve of an actuator, from drive to phase, and its inverse.

use blackbeam_netlist::circuit::Curve;
use std::f64::consts::PI;

/// Steps of the inverse of a polynomial: bisection alone reaches the last bit with them.
const MOST_STEPS: usize = 64;

/// Phase for a drive.
pub(crate) fn phase(curve: &Curve, drive: f64) -> f64 {
    match curve {
        Curve::Direct => drive,
        Curve::Linear { pi } => PI * (drive / pi),
        Curve::Square { pi } => PI * (drive / pi).powi(2),
        Curve::Polynomial(coefficients) => coefficients.iter().rev().fold(0.0, |sum, c| sum * drive + c),
    }
}

/// Drive in [low, high] for a phase; an end where the phase is out of reach.
pub(crate) fn drive(curve: &Curve, phase: f64, (low, high): (f64, f64)) -> f64 {
    match curve {
        Curve::Direct => phase,
        Curve::Linear { pi } => phase / PI * pi,
        Curve::Square { pi } => pi * (phase.max(0.0) / PI).sqrt(),
        Curve::Polynomial(coefficients) => invert(curve, coefficients, phase, low, high),
    }
    .max(low)
    .min(high)
}

/// Newton's method, kept inside a bracket by bisection.
fn invert(curve: &Curve, coefficients: &[f64], wanted: f64, mut low: f64, mut high: f64) -> f64 {
    let mut at = 0.5 * (low + high);
    for _ in 0..MOST_STEPS {
        let error = phase(curve, at) - wanted;
        if error == 0.0 {
            break;
        }
        if error > 0.0 {
            high = at;
        } else {
            low = at;
        }
        let slope = coefficients.iter().enumerate().skip(1).rev().fold(0.0, |sum, (k, c)| sum * at + k as f64 * c);
        let newton = at - error / slope;
        let next = if newton > low && newton < high { newton } else { 0.5 * (low + high) };
        if (next - at).abs() <= f64::EPSILON * at.abs() {
            return next;
        }
        at = next;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_forms() {
        assert_eq!(phase(&Curve::Direct, 1.25), 1.25);
        assert_eq!(phase(&Curve::Linear { pi: 0.02 }, 0.02), PI);
        assert_eq!(phase(&Curve::Square { pi: 4.36 }, 2.0 * 4.36), 4.0 * PI);
        assert_eq!(phase(&Curve::Polynomial(vec![1.0, 2.0, 3.0]), 2.0), 17.0);
    }

    #[test]
    fn drive_inverts_phase() {
        let curves = [
            Curve::Direct,
            Curve::Linear { pi: 2.5 },
            Curve::Square { pi: 4.36 },
            Curve::Polynomial(vec![0.1, 0.5, 0.02, 0.003]),
            Curve::Polynomial(vec![0.0, 0.0, 0.0, 0.01]),
        ];
        for curve in curves {
            for k in 0..=100 {
                let v = 0.1 * f64::from(k);
                let back = drive(&curve, phase(&curve, v), (0.0, 10.0));
                assert!((phase(&curve, back) - phase(&curve, v)).abs() < 1e-12, "{curve:?} at {v}: {back}");
            }
            assert!((phase(&curve, drive(&curve, 1e6, (0.0, 10.0))) - phase(&curve, 10.0)).abs() < 1e-9);
            assert!((phase(&curve, drive(&curve, -1e6, (0.0, 10.0))) - phase(&curve, 0.0)).abs() < 1e-9);
        }
    }
}
