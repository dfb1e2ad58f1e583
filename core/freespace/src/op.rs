//! The fixed linear operations that a chain consists of between its SLMs.

use crate::{
    fourier::{Buffers, Convolution, Fourier},
    kernel::Kernel,
};
use blackbeam_kernels::{Arch, Level, Task};
use num_complex::Complex64;

/// What is done to a field.
pub(crate) enum Op {
    /// Multiplication.
    Diagonal(Vec<Complex64>),
    /// Transfer function.
    Convolution(Convolution),
    /// Fourier transform.
    Fourier(Fourier),
    /// Reference propagation.
    Matrix(Kernel),
    /// Dark pixels around the plane.
    Embed(Embedding),
}

impl Op {
    /// Acts on the field `w.a`.
    pub fn apply(&self, w: &mut Buffers) {
        match self {
            Op::Diagonal(d) => multiply(&mut w.a, d),
            Op::Convolution(c) => c.apply(false, w),
            Op::Fourier(f) => f.apply(w),
            Op::Matrix(k) => k.apply(false, w),
            Op::Embed(e) => e.apply(w),
        }
    }

    /// The conjugate transpose.
    pub fn adjoint(&self, w: &mut Buffers) {
        match self {
            Op::Diagonal(d) => multiply_conj(&mut w.a, d),
            Op::Convolution(c) => c.apply(true, w),
            Op::Fourier(f) => f.adjoint(w),
            Op::Matrix(k) => k.apply(true, w),
            Op::Embed(e) => e.adjoint(w),
        }
    }
}

/// Multiplies the first numbers of `field`.
pub(crate) fn multiply(field: &mut [Complex64], by: &[Complex64]) {
    Level::best().run(Multiply { field, by, conjugate: false });
}

/// Multiplies the first numbers of `field` by conj(by).
pub(crate) fn multiply_conj(field: &mut [Complex64], by: &[Complex64]) {
    Level::best().run(Multiply { field, by, conjugate: true });
}

struct Multiply<'a> {
    field: &'a mut [Complex64],
    by: &'a [Complex64],
    conjugate: bool,
}

impl Task for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        if self.conjugate {
            for (e, d) in self.field.iter_mut().zip(self.by) {
                *e = Complex64::new(e.re * d.re + e.im * d.im, e.im * d.re - e.re * d.im);
            }
        } else {
            for (e, d) in self.field.iter_mut().zip(self.by) {
                *e = product(*e, *d);
            }
        }
    }
}

#[inline(always)]
pub(crate) fn product(a: Complex64, b: Complex64) -> Complex64 {
    Complex64::new(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re)
}

/// A plane within a larger one, axis on axis. Sizes are (lines, length of a line).
pub(crate) struct Embedding {
    pub from: [usize; 2],
    pub to: [usize; 2],
}

impl Embedding {
    fn start(&self, line: usize) -> usize {
        let before = |k: usize| self.to[k] / 2 - self.from[k] / 2;
        (before(0) + line) * self.to[1] + before(1)
    }

    fn apply(&self, w: &mut Buffers) {
        let [lines, length] = self.from;
        w.b[..self.to[0] * self.to[1]].fill(Complex64::ZERO);
        for line in 0..lines {
            w.b[self.start(line)..][..length].copy_from_slice(&w.a[line * length..][..length]);
        }
        std::mem::swap(&mut w.a, &mut w.b);
    }

    fn adjoint(&self, w: &mut Buffers) {
        let [lines, length] = self.from;
        for line in 0..lines {
            w.b[line * length..][..length].copy_from_slice(&w.a[self.start(line)..][..length]);
        }
        std::mem::swap(&mut w.a, &mut w.b);
    }
}
