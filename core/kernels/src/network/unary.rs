//! Functions of each number, and of the numbers of a row.

use super::{Job, Lanes, Tile};
use crate::{
    Arch, Real,
    vector::{Simd, Vector},
};
use std::marker::PhantomData;

/// Added to variances before the square root.
const EPSILON: f64 = 1e-5;
/// Numbers that are taken together: whole vectors on every level.
const CHUNK: usize = 16;

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unary {
    /// max(x, 0).
    Relu,
    /// x Phi(x), Phi the distribution function of the standard normal.
    Gelu,
    /// tanh(x).
    Tanh,
    /// 1/(1 + exp(-x)).
    Sigmoid,
    /// sin(x).
    Sine,
}

/// Applies a function to each number.
///
/// # Panics
/// If `x` is not whole vectors.
pub fn unary<T: Real>(lanes: Lanes, function: Unary, x: &mut [T]) {
    assert!(x.len().is_multiple_of(lanes.count::<T>()));
    T::tile(lanes, Job::Unary { function, x });
}

// A trait, not closures: those are not always inlined.
pub(super) trait Function<T> {
    fn of<A: Arch>(x: T) -> T;
}

macro_rules! functions {
    ($($name:ident |$x:ident| $of:expr;)*) => {
        $(
            pub(super) struct $name;
            impl<T: Real> Function<T> for $name {
                #[inline(always)]
                fn of<A: Arch>($x: T) -> T {
                    $of
                }
            }
        )*
    };
}

functions! {
    Relu |x| if x < T::ZERO { T::ZERO } else { x };
    Gelu |x| T::gelu::<A>(x);
    Tanh |x| T::tanh::<A>(x);
    Sigmoid |x| T::sigmoid::<A>(x);
    Exp |x| T::exp::<A>(x);
    Sine |x| T::sin_cos::<A>(T::phase(x.to_f64() * T::TURN)).0;
}

pub(super) struct Map<'a, T, F> {
    x: &'a mut [T],
    function: PhantomData<F>,
}

impl<'a, T, F> Map<'a, T, F> {
    pub fn new(x: &'a mut [T]) -> Self {
        Map { x, function: PhantomData }
    }
}

impl<T: Real, F: Function<T>> Tile<T> for Map<'_, T, F> {
    #[inline(always)]
    fn run<S: Simd, V: Vector<Real = T>>(self) {
        map::<S, T, F>(self.x);
    }
}

#[inline(always)]
fn map<A: Arch, T: Real, F: Function<T>>(x: &mut [T]) {
    let (chunks, rest) = x.as_chunks_mut::<CHUNK>();
    for chunk in chunks {
        for i in 0..CHUNK {
            chunk[i] = F::of::<A>(chunk[i]);
        }
    }
    for x in rest {
        *x = F::of::<A>(*x);
    }
}

/// Angles up to here have a phase.
const LARGEST: f64 = 1e5;

/// sin of each number; what is too large for phases, or is no number, by the standard library.
pub(super) struct Sines<'a, T> {
    pub x: &'a mut [T],
}

impl<T: Real> Tile<T> for Sines<'_, T> {
    #[inline(always)]
    fn run<S: Simd, V: Vector<Real = T>>(self) {
        for x in self.x.chunks_mut(CHUNK) {
            let mut inside = true;
            for i in 0..x.len() {
                inside &= x[i].to_f64().abs() <= LARGEST;
            }
            if inside {
                map::<S, T, Sine>(x);
            } else {
                one_by_one::<S, T>(x);
            }
        }
    }
}

/// What stands beside a number that is too large is still made by the same operations.
#[inline(always)]
fn one_by_one<A: Arch, T: Real>(x: &mut [T]) {
    for x in x {
        let angle = x.to_f64();
        *x = if angle.abs() <= LARGEST { Sine::of::<A>(*x) } else { T::from_f64(angle.sin()) };
    }
}

/// y += x.
///
/// # Panics
/// If they differ in length, or are not whole vectors.
pub fn add<T: Real>(lanes: Lanes, x: &[T], y: &mut [T]) {
    assert!(x.len() == y.len() && y.len().is_multiple_of(lanes.count::<T>()));
    T::tile(lanes, Job::Sum(Sum { x, y }));
}

pub struct Sum<'a, T> {
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Real> Tile<T> for Sum<'_, T> {
    #[inline(always)]
    fn run<S: Simd, V: Vector<Real = T>>(self) {
        for (x, y) in self.x.chunks_exact(V::LANES).zip(self.y.chunks_exact_mut(V::LANES)) {
            V::load(y).add(V::load(x)).store(y);
        }
    }
}

/// Adds weights to rows of so many numbers each.
///
/// # Panics
/// If `x` is not whole rows.
pub fn add_weights<T: Real>(lanes: Lanes, weights: &[T], x: &mut [T]) {
    assert!(x.len().is_multiple_of(weights.len() * lanes.count::<T>()));
    T::tile(lanes, Job::AddWeights(AddWeights { weights, x }));
}

pub struct AddWeights<'a, T> {
    weights: &'a [T],
    x: &'a mut [T],
}

impl<T: Real> Tile<T> for AddWeights<'_, T> {
    #[inline(always)]
    fn run<S: Simd, V: Vector<Real = T>>(self) {
        for row in self.x.chunks_exact_mut(self.weights.len() * V::LANES) {
            for (&weight, x) in self.weights.iter().zip(row.chunks_exact_mut(V::LANES)) {
                V::load(x).add(V::splat(weight)).store(x);
            }
        }
    }
}

/// Multiplies by one number.
///
/// # Panics
/// If `x` is not whole vectors.
pub fn scale<T: Real>(lanes: Lanes, factor: T, x: &mut [T]) {
    assert!(x.len().is_multiple_of(lanes.count::<T>()));
    T::tile(lanes, Job::Scale(Scale { factor, x }));
}

pub struct Scale<'a, T> {
    factor: T,
    x: &'a mut [T],
}

impl<T: Real> Tile<T> for Scale<'_, T> {
    #[inline(always)]
    fn run<S: Simd, V: Vector<Real = T>>(self) {
        for x in self.x.chunks_exact_mut(V::LANES) {
            V::load(x).mul(V::splat(self.factor)).store(x);
        }
    }
}

/// (x - mean)/sqrt(variance + 1e-5) scale + shift of each row of as many numbers as there are scales.
///
/// # Panics
/// If there are more or fewer shifts than scales, or `x` is not whole rows.
pub fn layer_norm<T: Real>(lanes: Lanes, scales: &[T], shifts: &[T], x: &mut [T]) {
    assert!(scales.len() == shifts.len() && x.len().is_multiple_of(scales.len() * lanes.count::<T>()));
    T::tile(lanes, Job::LayerNorm(LayerNorm { scales, shifts, x }));
}

pub struct LayerNorm<'a, T> {
    scales: &'a [T],
    shifts: &'a [T],
    x: &'a mut [T],
}

impl<T: Real> Tile<T> for LayerNorm<'_, T> {
    #[inline(always)]
    fn run<S: Simd, V: Vector<Real = T>>(self) {
        let count = V::splat(T::from_f64(1.0 / self.scales.len() as f64));
        for row in self.x.chunks_exact_mut(self.scales.len() * V::LANES) {
            let mut mean = V::splat(T::ZERO);
            for x in row.chunks_exact(V::LANES) {
                mean = mean.add(V::load(x));
            }
            mean = mean.mul(count);
            let mut variance = V::splat(T::ZERO);
            for x in row.chunks_exact(V::LANES) {
                let x = V::load(x).sub(mean);
                variance = x.fma(x, variance);
            }
            let deviation = variance.fma(count, V::splat(T::from_f64(EPSILON))).sqrt();
            let factor = V::splat(T::ONE).div(deviation);
            for ((x, &scale), &shift) in row.chunks_exact_mut(V::LANES).zip(self.scales).zip(self.shifts) {
                let normal = V::load(x).sub(mean).mul(factor);
                normal.fma(V::splat(scale), V::splat(shift)).store(x);
            }
        }
    }
}

/// exp(x_i) / sum_j exp(x_j) of each row.
///
/// # Panics
/// If `x` is not whole rows.
pub fn softmax<T: Real>(lanes: Lanes, features: usize, x: &mut [T]) {
    assert!(x.len().is_multiple_of(features * lanes.count::<T>()));
    T::tile(lanes, Job::Softmax(Softmax { features, x }));
}

pub struct Softmax<'a, T> {
    features: usize,
    x: &'a mut [T],
}

impl<T: Real> Tile<T> for Softmax<'_, T> {
    #[inline(always)]
    fn run<S: Simd, V: Vector<Real = T>>(self) {
        for row in self.x.chunks_exact_mut(self.features * V::LANES) {
            let mut largest = V::load(row);
            for x in row.chunks_exact(V::LANES) {
                largest = largest.max(V::load(x));
            }
            for x in row.chunks_exact_mut(V::LANES) {
                V::load(x).sub(largest).store(x);
            }
            map::<S, T, Exp>(row);
            let mut sum = V::splat(T::ZERO);
            for x in row.chunks_exact(V::LANES) {
                sum = sum.add(V::load(x));
            }
            let factor = V::splat(T::ONE).div(sum);
            for x in row.chunks_exact_mut(V::LANES) {
                V::load(x).mul(factor).store(x);
            }
        }
    }
}
