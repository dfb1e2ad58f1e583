//! Equalization: the magnitudes of a fixed complex matrix's outputs are to be learnt (Sawada, ICML 2025, section 5.1 and figure 5).
//!
//! A sample is x, `size` complex numbers, each from CN(0, 1): real and imaginary part independent and normal with variance 1/2,
//! so that E|x|^2 = 1. It is given as (re, im) pairs, re_0, im_0, re_1, im_1, ...; the target is |W x|, `size` real numbers. W is
//! U diag(s) V^H with U and V uniform over the unitary matrices (Haar) and s uniform in the range `singular_values`; it is
//! drawn from the seed, once for training and test samples together. The paper gives the size, 16; that W has singular
//! values between 2 and 6 is what reproduces its table.
//!
//! Only additions, multiplications (some of them fused, in the generator of normal numbers), divisions and square roots are
//! used, in a fixed order, which IEEE 754 defines to the last bit: the same seed gives the same numbers on any machine.

use crate::{Labels, Samples, Split};
use blackbeam_plugin::Key;
use rayon::prelude::*;
use std::f64::consts::FRAC_1_SQRT_2;

/// Settings of the task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Equalization {
    /// Rows and columns of W, 1 to 256.
    pub size: usize,
    /// The range that singular values of W are drawn from, uniformly: from 0 on, the second not under the first.
    pub singular_values: [f64; 2],
}

/// As in the paper.
impl Default for Equalization {
    fn default() -> Self {
        Equalization { size: 16, singular_values: [2.0, 6.0] }
    }
}

/// (re, im).
type Complex = [f64; 2];

/// Conjugate of a times b, added to c.
fn add_conjugate_product(c: Complex, a: Complex, b: Complex) -> Complex {
    [c[0] + (a[0] * b[0] + a[1] * b[1]), c[1] + (a[0] * b[1] - a[1] * b[0])]
}

/// a times b, added to c.
fn add_product(c: Complex, a: Complex, b: Complex) -> Complex {
    [c[0] + (a[0] * b[0] - a[1] * b[1]), c[1] + (a[0] * b[1] + a[1] * b[0])]
}

impl Equalization {
    /// Largest size.
    pub const MOST_SIZE: usize = 256;

    pub(crate) fn check(self) -> Result<(), (&'static str, String)> {
        if !(1..=Self::MOST_SIZE).contains(&self.size) {
            return Err(("size", format!("a matrix of size {}, expected 1 to {}", self.size, Self::MOST_SIZE)));
        }
        let [low, high] = self.singular_values;
        if !(low >= 0.0 && low <= high && high > 0.0 && high.is_finite()) {
            let message = format!("singular values from {low} to {high}, expected 0 <= first <= second, second > 0");
            return Err(("singular_values", message));
        }
        Ok(())
    }

    /// W of a seed, row by row.
    pub fn matrix(self, seed: u64) -> Vec<[f64; 2]> {
        let n = self.size;
        let key = key(seed).named("matrix");
        let (left, right) = (unitary(key.named("left"), n), unitary(key.named("right"), n));
        let [low, high] = self.singular_values;
        let mut values = vec![0.0; n];
        key.named("singular values").fill_uniform(0, &mut values);
        values.iter_mut().for_each(|s| *s = low + (high - low) * *s);
        let mut w = vec![[0.0; 2]; n * n];
        for (row, left) in w.chunks_exact_mut(n).zip(left.chunks_exact(n)) {
            for ((u, s), right) in left.iter().zip(&values).zip(right.chunks_exact(n)) {
                for (w, v) in row.iter_mut().zip(right) {
                    *w = add_product(*w, [u[0] * s, u[1] * s], *v);
                }
            }
        }
        w
    }

    /// Training and test samples of `seed`. A sample depends on the seed, its part and its index only.
    pub fn generate(self, seed: u64, train: usize, test: usize) -> (Split, Split) {
        let (w, key) = (self.matrix(seed), key(seed));
        (self.split(&w, key.named("train"), train), self.split(&w, key.named("test"), test))
    }

    fn split(self, w: &[Complex], key: Key, count: usize) -> Split {
        let n = self.size;
        let mut samples = vec![0.0; count * 2 * n];
        let mut targets = vec![0.0; count * n];
        samples.par_chunks_exact_mut(2 * n).zip(targets.par_chunks_exact_mut(n)).enumerate().for_each(
            |(i, (x, target))| {
                key.with(i as u64).fill_normal(0, x);
                x.iter_mut().for_each(|x| *x *= FRAC_1_SQRT_2);
                let (pairs, _) = x.as_chunks();
                for (row, t) in w.chunks_exact(n).zip(target) {
                    let y = row.iter().zip(pairs).fold([0.0; 2], |sum, (w, x)| add_product(sum, *w, *x));
                    *t = (y[0] * y[0] + y[1] * y[1]).sqrt();
                }
            },
        );
        Split::new(count, Samples::Numbers(samples), Labels::Numbers(targets))
    }
}

fn key(seed: u64) -> Key {
    Key::new(seed).named("equalization")
}

/// An n x n matrix uniform over the unitary ones (Haar), row by row: rows of independent normal numbers, made orthonormal one
/// after the other. That such a matrix is uniform needs the factors that are divided out to be positive, as norms are
/// (Mezzadri 2007).
fn unitary(key: Key, n: usize) -> Vec<Complex> {
    let mut numbers = vec![0.0; 2 * n * n];
    key.fill_normal(0, &mut numbers);
    let mut rows: Vec<Complex> = numbers.as_chunks().0.to_vec();
    for i in 0..n {
        let (before, row) = rows.split_at_mut(i * n);
        let row = &mut row[..n];
        // Once more takes away what rounding has left: twice is enough.
        for _ in 0..2 {
            for other in before.chunks_exact(n) {
                let along = other.iter().zip(&*row).fold([0.0; 2], |sum, (o, r)| add_conjugate_product(sum, *o, *r));
                for (r, o) in row.iter_mut().zip(other) {
                    *r = add_product(*r, [-along[0], -along[1]], *o);
                }
            }
        }
        let norm = row.iter().map(|r| r[0] * r[0] + r[1] * r[1]).sum::<f64>().sqrt();
        row.iter_mut().for_each(|r| *r = [r[0] / norm, r[1] / norm]);
    }
    rows
}

#[cfg(test)]
#[path = "equalization_tests.rs"]
mod tests;
