//! Propagation as a matrix, by sums only: a reference for the transforms.

use crate::{fourier::Buffers, grid::Plane, transfer::Transfer};
use num_complex::Complex64;
use std::f64::consts::TAU;

/// Most pixels of a plane for the matrix method, whose cost grows with the square.
pub const MAX_MATRIX_PIXELS: usize = 4096;
/// Most pixels with padding.
pub(crate) const MAX_MATRIX_PADDED: usize = 1 << 16;

/// E'[r, c] = sum h[r - r', c - c'] E[r', c']: a matrix of Toeplitz blocks, of which the table holds each entry once.
pub(crate) struct Kernel {
    /// Lines, length of a line.
    shape: [usize; 2],
    /// h, [2 lines - 1, 2 length - 1], difference zero in the middle.
    table: Vec<Complex64>,
}

impl Kernel {
    /// The inverse Fourier sums of a transfer function over the padded plane.
    pub fn new(plane: Plane, transfer: &Transfer) -> Self {
        let shape = plane.stored();
        let [lines, length] = plane.swap([transfer.grid.rows, transfer.grid.cols]);
        let [outer, inner] = [phasors(lines), phasors(length)];
        let width = 2 * shape[1] - 1;
        // First along the lines, then across.
        let mut half = vec![Complex64::ZERO; lines * width];
        let mut row = vec![Complex64::ZERO; length];
        for k in 0..lines {
            for (l, h) in row.iter_mut().enumerate() {
                let [v, u] = plane.swap([k, l]);
                *h = transfer.at(v, u) / (lines * length) as f64;
            }
            for (d, sum) in half[k * width..(k + 1) * width].iter_mut().enumerate() {
                *sum = row.iter().zip(turns(&inner, d, shape[1])).map(|(h, phasor)| h * phasor).sum();
            }
        }
        let mut table = vec![Complex64::ZERO; (2 * shape[0] - 1) * width];
        for (d, line) in table.chunks_exact_mut(width).enumerate() {
            for (sums, phasor) in half.chunks_exact(width).zip(turns(&outer, d, shape[0])) {
                line.iter_mut().zip(sums).for_each(|(h, sum)| *h += phasor * sum);
            }
        }
        Kernel { shape, table }
    }

    /// The matrix, or its conjugate transpose.
    pub fn apply(&self, adjoint: bool, w: &mut Buffers) {
        let [lines, length] = self.shape;
        let width = 2 * length - 1;
        for r in 0..lines {
            for c in 0..length {
                let mut sum = Complex64::ZERO;
                for (s, line) in w.a[..lines * length].chunks_exact(length).enumerate() {
                    if adjoint {
                        let h = &self.table[(s + lines - 1 - r) * width + length - 1 - c..][..length];
                        sum += line.iter().zip(h).map(|(e, h)| e * h.conj()).sum::<Complex64>();
                    } else {
                        let h = &self.table[(r + lines - 1 - s) * width + c..][..length];
                        sum += line.iter().zip(h.iter().rev()).map(|(e, h)| e * h).sum::<Complex64>();
                    }
                }
                w.b[r * length + c] = sum;
            }
        }
        std::mem::swap(&mut w.a, &mut w.b);
    }
}

fn phasors(n: usize) -> Vec<Complex64> {
    (0..n).map(|k| Complex64::cis(TAU * k as f64 / n as f64)).collect()
}

/// exp(2 pi i k (d - (size - 1)) / n) for k = 0, 1, ..
fn turns(phasors: &[Complex64], d: usize, size: usize) -> impl Iterator<Item = Complex64> {
    let n = phasors.len();
    let step = (d + n - (size - 1) % n) % n;
    let mut at = 0;
    std::iter::repeat_with(move || {
        let phasor = phasors[at];
        at += step;
        at -= if at < n { 0 } else { n };
        phasor
    })
}
