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
        Curve::Table(points) => between(points, drive, |p| (p.0, p.1)).0,
    }
}

/// dphase/ddrive.
pub(crate) fn slope(curve: &Curve, drive: f64) -> f64 {
    match curve {
        Curve::Direct => 1.0,
        Curve::Linear { pi } => PI / pi,
        Curve::Square { pi } => 2.0 * PI * drive / (pi * pi),
        Curve::Polynomial(coefficients) => {
            coefficients.iter().enumerate().skip(1).rev().fold(0.0, |sum, (k, c)| sum * drive + k as f64 * c)
        }
        Curve::Table(points) => between(points, drive, |p| (p.0, p.1)).1,
    }
}

/// Value and slope of the line between measured points; `axes` says which of a point is the argument. Beyond the ends the
/// value of the end.
fn between(points: &[(f64, f64)], at: f64, axes: impl Fn(&(f64, f64)) -> (f64, f64)) -> (f64, f64) {
    let after = points.partition_point(|p| axes(p).0 <= at);
    let end = |point: Option<&(f64, f64)>| point.map_or(0.0, |p| axes(p).1);
    match (after.checked_sub(1).and_then(|i| points.get(i)), points.get(after)) {
        (Some(left), Some(right)) => {
            let ((x0, y0), (x1, y1)) = (axes(left), axes(right));
            let slope = (y1 - y0) / (x1 - x0);
            (y0 + slope * (at - x0), slope)
        }
        // The last point belongs to the last piece.
        (Some(last), None) if axes(last).0 == at && points.len() > 1 => {
            let ((x0, y0), (x1, y1)) = (axes(&points[points.len() - 2]), axes(last));
            (y1, (y1 - y0) / (x1 - x0))
        }
        (left, right) => (end(left.or(right)), 0.0),
    }
}

/// Drive in [low, high] for a phase; an end where the phase is out of reach.
pub(crate) fn drive(curve: &Curve, phase: f64, (low, high): (f64, f64)) -> f64 {
    match curve {
        Curve::Direct => phase,
        Curve::Linear { pi } => phase / PI * pi,
        Curve::Square { pi } => pi * (phase.max(0.0) / PI).sqrt(),
        Curve::Polynomial(_) => invert(curve, phase, low, high),
        Curve::Table(points) => between(points, phase, |p| (p.1, p.0)).0,
    }
    .max(low)
    .min(high)
}

/// Newton's method, kept inside a bracket by bisection.
fn invert(curve: &Curve, wanted: f64, mut low: f64, mut high: f64) -> f64 {
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
        let newton = at - error / slope(curve, at);
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
            Curve::Table([(0.0, 0.1), (1.5, 0.4), (4.0, 5.0), (10.0, 6.0)].into()),
        ];
        for curve in curves {
            for k in 0..=100 {
                let v = 0.1 * f64::from(k);
                let back = drive(&curve, phase(&curve, v), (0.0, 10.0));
                assert!((phase(&curve, back) - phase(&curve, v)).abs() < 1e-12, "{curve:?} at {v}: {back}");
                let v = v + 0.0123;
                let differences = (phase(&curve, v + 1e-6) - phase(&curve, v - 1e-6)) / 2e-6;
                assert!(v > 10.0 || (slope(&curve, v) - differences).abs() < 1e-8, "{curve:?} at {v}");
            }
            assert!((phase(&curve, drive(&curve, 1e6, (0.0, 10.0))) - phase(&curve, 10.0)).abs() < 1e-9);
            assert!((phase(&curve, drive(&curve, -1e6, (0.0, 10.0))) - phase(&curve, 0.0)).abs() < 1e-9);
        }
    }
}
