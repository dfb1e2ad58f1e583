//! What tests share.

use crate::{Cell, Convention, Scheme};
use num_complex::Complex64;
use std::f64::consts::TAU;

pub const CELLS: [Cell; 4] = [Cell::Mzi, Cell::Mzi3, Cell::MziClassical, Cell::Tdc];
pub const CONVENTIONS: [Convention; 5] =
    [Convention::Bpbp, Convention::BpbpT, Convention::Bloch, Convention::RxHRy, Convention::Clements2016];

/// Every cell in every convention that it has.
pub fn schemes() -> Vec<Scheme> {
    CELLS.into_iter().flat_map(|cell| CONVENTIONS.map(|c| Scheme::new(cell, c))).filter_map(Result::ok).collect()
}

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    /// In (0, 1).
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// A complex Gaussian number.
    pub fn gaussian(&mut self) -> Complex64 {
        Complex64::from_polar((-2.0 * self.uniform().ln()).sqrt(), TAU * self.uniform())
    }

    /// A Haar-random unitary: the Q of a Gaussian matrix, by Gram and Schmidt, twice.
    pub fn unitary(&mut self, n: usize) -> Vec<Complex64> {
        let mut u: Vec<Complex64> = (0..n * n).map(|_| self.gaussian()).collect();
        for i in 0..n {
            let (done, rest) = u.split_at_mut(i * n);
            let row = &mut rest[..n];
            for _ in 0..2 {
                for other in done.chunks(n) {
                    let overlap: Complex64 = row.iter().zip(other).map(|(a, b)| a * b.conj()).sum();
                    row.iter_mut().zip(other).for_each(|(a, b)| *a -= overlap * b);
                }
                let norm = row.iter().map(Complex64::norm_sqr).sum::<f64>().sqrt();
                row.iter_mut().for_each(|a| *a /= norm);
            }
        }
        u
    }
}

/// Largest modulus of a difference.
pub fn distance(a: &[Complex64], b: &[Complex64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(x, y)| (x - y).norm()).fold(0.0, f64::max)
}

/// U U^H = 1.
pub fn is_unitary(u: &[Complex64], n: usize, tolerance: f64) -> bool {
    (0..n * n).all(|e| {
        let (i, j) = (e / n, e % n);
        let dot: Complex64 = (0..n).map(|k| u[i * n + k] * u[j * n + k].conj()).sum();
        (dot - f64::from(u8::from(i == j))).norm() < tolerance
    })
}
