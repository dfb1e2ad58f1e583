//! Passivity and reciprocity, by how much and where they fail.

use num_complex::Complex64;

use crate::Model;

/// How far from passive: the largest singular value over all samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Passivity {
    /// The largest singular value: the largest ratio of amplitudes (not powers) that come out and go in. Passive up to 1.
    pub sigma: f64,
    /// The sample where it stands.
    pub sample: usize,
    /// The frequency of that sample, Hz.
    pub f_hz: f64,
    /// The wavelength of that sample, micrometres.
    pub wl_um: f64,
}

impl Passivity {
    /// By how much the largest singular value exceeds 1; negative for a lossy component.
    pub fn excess(&self) -> f64 {
        self.sigma - 1.0
    }
}

/// How far from reciprocal: the largest |S(to, from) - S(from, to)| over all samples and pairs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reciprocity {
    /// The largest difference, an amplitude.
    pub difference: f64,
    /// The pair of port indices where it stands, (to, from).
    pub pair: (usize, usize),
    /// The sample where it stands.
    pub sample: usize,
    /// The frequency of that sample, Hz.
    pub f_hz: f64,
    /// The wavelength of that sample, micrometres.
    pub wl_um: f64,
}

impl Model {
    /// The largest singular value over the samples, and where. Between samples the interpolation keeps magnitudes, not
    /// singular values: it is passive there up to its own error only. Cost: samples x ports^3.
    pub fn passivity(&self) -> Passivity {
        let p = self.ports.len();
        let mut found = (-1.0, 0);
        for k in 0..self.samples() {
            let s = self.sample(k);
            // No norm below the largest singular value so far can hide a larger one.
            if bound(s, p) > found.0 {
                let sigma = largest_singular_value(s, p);
                if sigma > found.0 {
                    found = (sigma, k);
                }
            }
        }
        let (sigma, sample) = found;
        Passivity { sigma, sample, f_hz: self.f_hz[sample], wl_um: self.wl_um[sample] }
    }

    /// The largest |S - S^T|, and where.
    pub fn reciprocity(&self) -> Reciprocity {
        let p = self.ports.len();
        let mut found = (0.0, (0, 0), 0);
        for k in 0..self.samples() {
            let s = self.sample(k);
            for to in 0..p {
                for from in 0..to {
                    let difference = (s[to * p + from] - s[from * p + to]).norm();
                    if difference > found.0 {
                        found = (difference, (to, from), k);
                    }
                }
            }
        }
        let (difference, pair, sample) = found;
        Reciprocity { difference, pair, sample, f_hz: self.f_hz[sample], wl_um: self.wl_um[sample] }
    }
}

/// An upper bound of the singular values: the square root of the largest row sum times the largest column sum, with
/// room for rounding.
fn bound(s: &[Complex64], p: usize) -> f64 {
    let (mut row, mut columns) = (0.0_f64, vec![0.0_f64; p]);
    for line in s.chunks_exact(p) {
        let mut sum = 0.0;
        for (value, column) in line.iter().zip(&mut columns) {
            sum += value.norm();
            *column += value.norm();
        }
        row = row.max(sum);
    }
    (row * columns.into_iter().fold(0.0, f64::max)).sqrt() * (1.0 + 1e-12)
}

/// The largest singular value of a p x p matrix, by one-sided Jacobi rotations (Hestenes): pairs of columns are
/// turned until all are orthogonal; their lengths are then the singular values, to machine precision.
fn largest_singular_value(s: &[Complex64], p: usize) -> f64 {
    let mut columns: Vec<Vec<Complex64>> = (0..p).map(|c| (0..p).map(|r| s[r * p + c]).collect()).collect();
    for _sweep in 0..60 {
        let mut turned = false;
        for j in 1..p {
            let (left, right) = columns.split_at_mut(j);
            for a in left {
                turned |= orthogonalise(a, &mut right[0]);
            }
        }
        if !turned {
            break;
        }
    }
    columns.iter().map(|column| length_squared(column)).fold(0.0, f64::max).sqrt()
}

fn length_squared(column: &[Complex64]) -> f64 {
    column.iter().map(Complex64::norm_sqr).sum()
}

/// Turns two columns until they are orthogonal; false if they were.
fn orthogonalise(a: &mut [Complex64], b: &mut [Complex64]) -> bool {
    let (alpha, beta) = (length_squared(a), length_squared(b));
    let inner: Complex64 = a.iter().zip(b.iter()).map(|(a, b)| a.conj() * b).sum();
    let size = inner.norm();
    if size <= 1e-15 * (alpha * beta).sqrt() {
        return false;
    }
    let phase = (inner / size).conj();
    let zeta = (beta - alpha) / (2.0 * size);
    let tangent = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = cosine * tangent;
    for (a, b) in a.iter_mut().zip(b) {
        let (x, y) = (*a, *b * phase);
        *a = x * cosine - y * sine;
        *b = x * sine + y * cosine;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn model(ports: usize, s: Vec<Complex64>) -> Model {
        let n = s.len() / (ports * ports);
        let names = (0..ports).map(|p| format!("o{}", p + 1)).collect();
        Model::from_frequencies(names, (1..=n).map(|k| k as f64 * 1e14).collect(), s, &Limits::default()).unwrap()
    }

    /// The Fourier matrix times `scale`: all singular values are `scale`.
    fn fourier(p: usize, scale: f64) -> Vec<Complex64> {
        let entry = |i: usize| std::f64::consts::TAU * ((i / p) * (i % p)) as f64 / p as f64;
        (0..p * p).map(|i| Complex64::from_polar(scale / (p as f64).sqrt(), entry(i))).collect()
    }

    #[test]
    fn known_singular_values() {
        for p in [1, 2, 3, 8, 17] {
            let passivity = model(p, fourier(p, 1.25)).passivity();
            assert!((passivity.excess() - 0.25).abs() < 1e-13, "{p}: {passivity:?}");
        }
        // u v^H has the one singular value |u| |v|.
        let (u, v) = ([Complex64::new(1.0, 2.0), Complex64::new(0.0, -1.0)], [Complex64::new(3.0, 0.0), Complex64::I]);
        let s = (0..4).map(|i| u[i / 2] * v[i % 2].conj()).collect();
        assert!((model(2, s).passivity().sigma - 60.0_f64.sqrt()).abs() < 1e-12);
        // [[1, 1], [0, 1]] has the golden ratio.
        let s = [1.0, 1.0, 0.0, 1.0].map(|re| Complex64::new(re, 0.0)).to_vec();
        assert!((model(2, s).passivity().sigma - (1.0 + 5.0_f64.sqrt()) / 2.0).abs() < 1e-14);
        assert_eq!(model(2, vec![Complex64::ZERO; 4]).passivity().sigma, 0.0);
    }

    #[test]
    fn the_worst_sample_is_named() {
        let s = [0.5, 1.1, 0.9].iter().flat_map(|&scale| fourier(4, scale)).collect();
        let passivity = model(4, s).passivity();
        assert!((passivity.excess() - 0.1).abs() < 1e-14);
        assert_eq!((passivity.sample, passivity.f_hz), (1, 2e14));
    }

    #[test]
    fn an_isolator_is_not_reciprocal() {
        let mut s = vec![Complex64::ZERO; 8];
        s[4 + 2] = Complex64::ONE;
        s[4 + 1] = Complex64::new(0.0, 0.01);
        let found = model(2, s).reciprocity();
        assert!((found.difference - 1.00005).abs() < 1e-8);
        assert_eq!((found.pair, found.sample), ((1, 0), 1));
        assert_eq!(model(3, fourier(3, 1.0)).reciprocity().difference, 0.0, "the Fourier matrix is symmetric");
    }
}
