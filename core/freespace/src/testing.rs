//! What the tests share.

use crate::{Chain, Element, Grid, Mask, Shift};
use num_complex::Complex64;

pub(crate) const WL: f64 = 0.633;

/// Reproducible numbers (splitmix64).
pub(crate) struct Noise(pub u64);

impl Noise {
    /// Even over [0, 1).
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let (u, v) = (1.0 - self.uniform(), self.uniform());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    pub fn normals(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.normal()).collect()
    }

    pub fn field(&mut self, n: usize) -> Vec<Complex64> {
        (0..n).map(|_| Complex64::new(self.normal(), self.normal())).collect()
    }
}

/// A lens on the axis.
pub(crate) fn lens(focal_um: f64) -> Element {
    Element::Lens { focal_um, misalign: Shift::default() }
}

/// The output field of a chain.
pub(crate) fn send(chain: &Chain, input: &[Complex64], masks: &[Mask]) -> Vec<Complex64> {
    let (mut loaded, mut work) = (chain.masks(), chain.workspace());
    loaded.load(masks).unwrap();
    chain.forward(input, &loaded, &mut work).unwrap();
    let mut field = vec![Complex64::ZERO; chain.output().pixels()];
    chain.field(&work, &mut field).unwrap();
    field
}

/// The output field of elements without SLM.
pub(crate) fn pass(grid: Grid, elements: Vec<Element>, input: &[Complex64]) -> Vec<Complex64> {
    send(&Chain::new(grid, elements, WL).unwrap(), input, &[])
}

/// A field from a function of (x, y) in um.
pub(crate) fn sample(grid: Grid, f: impl Fn(f64, f64) -> Complex64) -> Vec<Complex64> {
    let at = |k: usize| grid.position(k / grid.cols, k % grid.cols);
    (0..grid.pixels()).map(at).map(|(x, y)| f(x, y)).collect()
}

pub(crate) fn power(field: &[Complex64]) -> f64 {
    field.iter().map(Complex64::norm_sqr).sum()
}

/// Largest difference, relative to the largest value of `b`.
pub(crate) fn distance(a: &[Complex64], b: &[Complex64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let scale = b.iter().map(|b| b.norm()).fold(0.0, f64::max);
    a.iter().zip(b).map(|(a, b)| (a - b).norm()).fold(0.0, f64::max) / scale
}
