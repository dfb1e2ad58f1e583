//! Two-dimensional transforms without allocation.

use crate::op::{multiply, multiply_conj};
use num_complex::Complex64;
use rustfft::{Fft, FftPlanner};
use std::sync::Arc;

/// Lines that are transformed together where more is done to them.
const GROUP: usize = 8;

/// Room for one field on its way, and for what transforms need.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffers {
    /// The field.
    pub a: Vec<Complex64>,
    pub b: Vec<Complex64>,
    c: Vec<Complex64>,
    scratch: Vec<Complex64>,
}

impl Buffers {
    pub fn new(pixels: usize, scratch: usize) -> Self {
        let buffer = || vec![Complex64::ZERO; pixels];
        Buffers { a: buffer(), b: buffer(), c: buffer(), scratch: vec![Complex64::ZERO; scratch] }
    }
}

/// Transforms along one axis, not normalised.
pub(crate) struct Line {
    pub len: usize,
    forward: Arc<dyn Fft<f64>>,
    inverse: Arc<dyn Fft<f64>>,
}

impl Line {
    pub fn new(len: usize, planner: &mut FftPlanner<f64>) -> Self {
        Line { len, forward: planner.plan_fft_forward(len), inverse: planner.plan_fft_inverse(len) }
    }

    fn scratch(&self) -> usize {
        self.forward.get_outofplace_scratch_len().max(self.inverse.get_outofplace_scratch_len())
    }

    /// All lines of `from` into `to`; `from` is used up.
    fn forward(&self, from: &mut [Complex64], to: &mut [Complex64], scratch: &mut [Complex64]) {
        self.forward.process_outofplace_with_scratch(from, to, scratch);
    }

    fn inverse(&self, from: &mut [Complex64], to: &mut [Complex64], scratch: &mut [Complex64]) {
        self.inverse.process_outofplace_with_scratch(from, to, scratch);
    }
}

/// The discrete Fourier transform of a plane with kernel exp(-2 pi i), not normalised, which transposes the plane.
pub(crate) struct Fourier {
    /// Along the line number.
    pub outer: Line,
    /// Along a line.
    pub inner: Line,
}

impl Fourier {
    pub fn scratch(&self) -> usize {
        self.outer.scratch().max(self.inner.scratch())
    }

    pub fn apply(&self, w: &mut Buffers) {
        let (lines, length) = (self.outer.len, self.inner.len);
        let (a, b) = (&mut w.a[..lines * length], &mut w.b[..lines * length]);
        self.inner.forward(a, b, &mut w.scratch);
        transpose((b, length), (a, lines), lines, length);
        self.outer.forward(a, b, &mut w.scratch);
        std::mem::swap(&mut w.a, &mut w.b);
    }

    /// The adjoint: N times the inverse.
    pub fn adjoint(&self, w: &mut Buffers) {
        let (lines, length) = (self.outer.len, self.inner.len);
        let (a, b) = (&mut w.a[..lines * length], &mut w.b[..lines * length]);
        self.outer.inverse(a, b, &mut w.scratch);
        transpose((b, lines), (a, length), length, lines);
        self.inner.inverse(a, b, &mut w.scratch);
        std::mem::swap(&mut w.a, &mut w.b);
    }
}

/// Multiplication by a transfer function in the Fourier domain of the padded plane.
pub(crate) struct Convolution {
    /// Lines, length of a line.
    pub shape: [usize; 2],
    /// Padded.
    pub padded: Fourier,
    /// [frequency along a line, frequency along the line number], with 1 / (number of padded pixels) in it.
    pub transfer: Vec<Complex64>,
}

impl Convolution {
    /// The convolution, or its adjoint, of `w.a`. Lines of nothing but padding are not transformed.
    pub fn apply(&self, adjoint: bool, w: &mut Buffers) {
        let [lines, length] = self.shape;
        let Fourier { inner, .. } = &self.padded;
        let Buffers { a, b, c, scratch } = w;
        let c = &mut c[..lines * inner.len];
        if inner.len == length {
            inner.forward(&mut a[..lines * length], c, scratch);
        } else {
            for (c, a) in c.chunks_mut(GROUP * inner.len).zip(a.chunks(GROUP * length)) {
                let padded = &mut b[..c.len()];
                for (padded, line) in padded.chunks_exact_mut(inner.len).zip(a.chunks_exact(length)) {
                    padded[..length].copy_from_slice(line);
                    padded[length..].fill(Complex64::ZERO);
                }
                inner.forward(padded, c, scratch);
            }
        }
        self.across(adjoint, (a, b), c, scratch);
        if inner.len == length {
            inner.inverse(c, &mut a[..lines * length], scratch);
        } else {
            for (c, a) in c.chunks_mut(GROUP * inner.len).zip(a.chunks_mut(GROUP * length)) {
                let padded = &mut b[..c.len()];
                inner.inverse(c, padded, scratch);
                for (line, padded) in a.chunks_exact_mut(length).zip(padded.chunks_exact(inner.len)) {
                    line.copy_from_slice(&padded[..length]);
                }
            }
        }
    }

    /// Transforms `c` across its lines, multiplies and transforms back, some columns at a time: they stay in the nearest cache.
    fn across(
        &self,
        adjoint: bool,
        (a, b): (&mut [Complex64], &mut [Complex64]),
        c: &mut [Complex64],
        scratch: &mut [Complex64],
    ) {
        let (lines, Fourier { outer, inner }) = (self.shape[0], &self.padded);
        for first in (0..inner.len).step_by(GROUP) {
            let count = GROUP.min(inner.len - first);
            let (at, numbers) = (first * outer.len, count * outer.len);
            let (here, there) = (&mut a[..numbers], &mut b[..numbers]);
            transpose((&c[first..], inner.len), (here, outer.len), lines, count);
            if outer.len > lines {
                here.chunks_exact_mut(outer.len).for_each(|line| line[lines..].fill(Complex64::ZERO));
            }
            outer.forward(here, there, scratch);
            let transfer = &self.transfer[at..at + numbers];
            if adjoint {
                multiply_conj(there, transfer)
            } else {
                multiply(there, transfer)
            }
            outer.inverse(there, here, scratch);
            transpose((here, outer.len), (&mut c[first..], inner.len), count, lines);
        }
    }
}

/// Writes the transpose of `rows` x `cols` numbers; each array with the length of its lines. In tiles, so that both sides
/// stay in the cache.
fn transpose(
    (from, from_length): (&[Complex64], usize),
    (to, to_length): (&mut [Complex64], usize),
    rows: usize,
    cols: usize,
) {
    const TILE: usize = 8;
    for r0 in (0..rows).step_by(TILE) {
        let r1 = (r0 + TILE).min(rows);
        for c0 in (0..cols).step_by(TILE) {
            for c in c0..(c0 + TILE).min(cols) {
                let line = &mut to[c * to_length + r0..c * to_length + r1];
                for (r, value) in (r0..).zip(line) {
                    *value = from[r * from_length + c];
                }
            }
        }
    }
}
