//! Two-dimensional transforms without allocation.

use num_complex::Complex64;
use rustfft::{Fft, FftPlanner};
use std::sync::Arc;

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
    /// The convolution, or its adjoint. Lines of nothing but padding are not transformed.
    pub fn apply(&self, adjoint: bool, w: &mut Buffers) {
        let [lines, length] = self.shape;
        let Fourier { outer, inner } = &self.padded;
        let (small, wide, full) = (lines * length, lines * inner.len, outer.len * inner.len);
        let Buffers { a, b, c, scratch } = w;
        if inner.len == length {
            inner.forward(&mut a[..wide], &mut c[..wide], scratch);
        } else {
            for (padded, line) in b[..wide].chunks_exact_mut(inner.len).zip(a[..small].chunks_exact(length)) {
                padded[..length].copy_from_slice(line);
                padded[length..].fill(Complex64::ZERO);
            }
            inner.forward(&mut b[..wide], &mut c[..wide], scratch);
        }
        if outer.len > lines {
            b[..full].chunks_exact_mut(outer.len).for_each(|line| line[lines..].fill(Complex64::ZERO));
        }
        transpose((c, inner.len), (b, outer.len), lines, inner.len);
        outer.forward(&mut b[..full], &mut c[..full], scratch);
        if adjoint {
            c[..full].iter_mut().zip(&self.transfer).for_each(|(e, h)| *e *= h.conj());
        } else {
            c[..full].iter_mut().zip(&self.transfer).for_each(|(e, h)| *e *= h);
        }
        outer.inverse(&mut c[..full], &mut b[..full], scratch);
        transpose((b, outer.len), (c, inner.len), inner.len, lines);
        if inner.len == length {
            inner.inverse(&mut c[..wide], &mut a[..wide], scratch);
        } else {
            inner.inverse(&mut c[..wide], &mut b[..wide], scratch);
            for (line, padded) in a[..small].chunks_exact_mut(length).zip(b[..wide].chunks_exact(inner.len)) {
                line.copy_from_slice(&padded[..length]);
            }
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
