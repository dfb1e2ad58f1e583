//! Several complex numbers side by side.
//!
//! A pack holds `W` wavelengths of one number, or `W` columns. All operations act on each of the `W` numbers alone and
//! use neither fused multiply-add nor a change of order, so that a number does not depend on its neighbours, on the
//! width, or on the vector instructions of the machine.

use num_complex::Complex64;

/// `W` complex numbers, real and imaginary parts apart.
#[derive(Clone, Copy, Debug)]
// On a cache line of its own: a vector that straddles two costs both.
#[repr(align(64))]
pub(crate) struct Pack<const W: usize> {
    pub re: [f64; W],
    pub im: [f64; W],
}

/// Where the factor of number `i` stands in a pack of `K`: one factor for all, or one for each.
#[inline(always)]
fn at<const K: usize>(i: usize) -> usize {
    if K == 1 { 0 } else { i }
}

impl<const W: usize> Pack<W> {
    pub const ZERO: Self = Self { re: [0.0; W], im: [0.0; W] };
    pub const ONE: Self = Self { re: [1.0; W], im: [0.0; W] };

    #[inline(always)]
    pub fn get(&self, i: usize) -> Complex64 {
        Complex64::new(self.re[i], self.im[i])
    }

    #[inline(always)]
    pub fn set(&mut self, i: usize, z: Complex64) {
        self.re[i] = z.re;
        self.im[i] = z.im;
    }

    /// `self += k x`
    #[inline(always)]
    pub fn add_product<const K: usize>(&mut self, k: &Pack<K>, x: &Self) {
        for i in 0..W {
            let (a, b) = (k.re[at::<K>(i)], k.im[at::<K>(i)]);
            self.re[i] += a * x.re[i] - b * x.im[i];
            self.im[i] += a * x.im[i] + b * x.re[i];
        }
    }

    /// `self -= k x`
    #[inline(always)]
    pub fn sub_product<const K: usize>(&mut self, k: &Pack<K>, x: &Self) {
        for i in 0..W {
            let (a, b) = (k.re[at::<K>(i)], k.im[at::<K>(i)]);
            self.re[i] -= a * x.re[i] - b * x.im[i];
            self.im[i] -= a * x.im[i] + b * x.re[i];
        }
    }

    /// `self += conj(k) x`
    #[inline(always)]
    pub fn add_conj_product<const K: usize>(&mut self, k: &Pack<K>, x: &Self) {
        for i in 0..W {
            let (a, b) = (k.re[at::<K>(i)], k.im[at::<K>(i)]);
            self.re[i] += a * x.re[i] + b * x.im[i];
            self.im[i] += a * x.im[i] - b * x.re[i];
        }
    }

    /// `self -= conj(k) x`
    #[inline(always)]
    pub fn sub_conj_product<const K: usize>(&mut self, k: &Pack<K>, x: &Self) {
        for i in 0..W {
            let (a, b) = (k.re[at::<K>(i)], k.im[at::<K>(i)]);
            self.re[i] -= a * x.re[i] + b * x.im[i];
            self.im[i] -= a * x.im[i] - b * x.re[i];
        }
    }

    /// `k self`
    #[inline(always)]
    pub fn times<const K: usize>(&self, k: &Pack<K>) -> Self {
        let mut out = Self::ZERO;
        for i in 0..W {
            let (a, b) = (k.re[at::<K>(i)], k.im[at::<K>(i)]);
            out.re[i] = a * self.re[i] - b * self.im[i];
            out.im[i] = a * self.im[i] + b * self.re[i];
        }
        out
    }

    /// `conj(k) self`
    #[inline(always)]
    pub fn times_conj<const K: usize>(&self, k: &Pack<K>) -> Self {
        let mut out = Self::ZERO;
        for i in 0..W {
            let (a, b) = (k.re[at::<K>(i)], k.im[at::<K>(i)]);
            out.re[i] = a * self.re[i] + b * self.im[i];
            out.im[i] = a * self.im[i] - b * self.re[i];
        }
        out
    }

    /// `self += g conj(x)`; a pack of one adds up over the numbers of `g` and `x`, in their order.
    #[inline(always)]
    pub fn add_outer<const V: usize>(&mut self, g: &Pack<V>, x: &Pack<V>) {
        for i in 0..V {
            self.re[at::<W>(i)] += g.re[i] * x.re[i] + g.im[i] * x.im[i];
            self.im[at::<W>(i)] += g.im[i] * x.re[i] - g.re[i] * x.im[i];
        }
    }

    #[inline(always)]
    pub fn subtract(&mut self, other: &Self) {
        for i in 0..W {
            self.re[i] -= other.re[i];
            self.im[i] -= other.im[i];
        }
    }

    #[inline(always)]
    pub fn norm_sqr(&self) -> [f64; W] {
        let mut out = [0.0; W];
        for (i, out) in out.iter_mut().enumerate() {
            *out = self.re[i] * self.re[i] + self.im[i] * self.im[i];
        }
        out
    }

    /// `1 / self`, given its squared modulus.
    #[inline(always)]
    pub fn reciprocal(&self, norm_sqr: &[f64; W]) -> Self {
        let mut out = Self::ZERO;
        for (i, norm_sqr) in norm_sqr.iter().enumerate() {
            let scale = 1.0 / norm_sqr;
            out.re[i] = self.re[i] * scale;
            out.im[i] = -self.im[i] * scale;
        }
        out
    }
}

/// `a = max(a, b)`, number by number.
#[inline(always)]
pub(crate) fn raise<const W: usize>(a: &mut [f64; W], b: &[f64; W]) {
    for i in 0..W {
        a[i] = if b[i] > a[i] { b[i] } else { a[i] };
    }
}

/// `a = min(a, b)`, number by number.
#[inline(always)]
pub(crate) fn lower<const W: usize>(a: &mut [f64; W], b: &[f64; W]) {
    for i in 0..W {
        a[i] = if b[i] < a[i] { b[i] } else { a[i] };
    }
}
