//! Functions of each number, and of the numbers of a row.

use super::{Lanes, Tile, functions};
use crate::{
    Arch, Real, Task, trig,
    vector::{Simd, Vector},
};

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
pub fn unary<T: Real>(lanes: Lanes, function: Unary, x: &mut [T]) {
    let level = lanes.level;
    match function {
        Unary::Relu => level.run(Map { x, f: Relu }),
        Unary::Gelu => level.run(Map { x, f: Gelu }),
        Unary::Tanh => level.run(Map { x, f: Tanh }),
        Unary::Sigmoid => level.run(Map { x, f: Sigmoid }),
        Unary::Sine => level.run(Map { x, f: Sine }),
    }
}

// A trait, not closures: those are not always inlined.
trait Function {
    fn of<A: Arch>(x: &mut [f64; CHUNK]);
}

macro_rules! functions {
    ($($name:ident |$x:ident| $of:expr;)*) => {
        $(
            struct $name;
            impl Function for $name {
                #[inline(always)]
                fn of<A: Arch>(x: &mut [f64; CHUNK]) {
                    for i in 0..CHUNK {
                        let $x = x[i];
                        x[i] = $of;
                    }
                }
            }
        )*
    };
}

functions! {
    Relu |x| if x < 0.0 { 0.0 } else { x };
    Gelu |x| functions::gelu::<A>(x);
    Tanh |x| functions::tanh::<A>(x);
    Sigmoid |x| functions::sigmoid::<A>(x);
    Exp |x| functions::exp::<A>(x);
}

struct Sine;

impl Function for Sine {
    #[inline(always)]
    fn of<A: Arch>(x: &mut [f64; CHUNK]) {
        let angles = *x;
        let mut cosines = [0.0; CHUNK];
        trig::sin_cos_of::<A>(&angles, x, &mut cosines);
    }
}

struct Map<'a, T, F> {
    x: &'a mut [T],
    #[allow(dead_code, reason = "only its type is used")]
    f: F,
}

impl<T: Real, F: Function> Task for Map<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        map::<A, T, F>(self.x);
    }
}

#[inline(always)]
fn map<A: Arch, T: Real, F: Function>(x: &mut [T]) {
    for x in x.chunks_mut(CHUNK) {
        let mut numbers = [0.0; CHUNK];
        if let Ok(x) = <&mut [T; CHUNK]>::try_from(&mut *x) {
            for i in 0..CHUNK {
                numbers[i] = x[i].to_f64();
            }
            F::of::<A>(&mut numbers);
            for i in 0..CHUNK {
                x[i] = T::from_f64(numbers[i]);
            }
            continue;
        }
        for i in 0..x.len() {
            numbers[i] = x[i].to_f64();
        }
        F::of::<A>(&mut numbers);
        for i in 0..x.len() {
            x[i] = T::from_f64(numbers[i]);
        }
    }
}

/// y += x.
///
/// # Panics
/// If they differ in length, or are not whole vectors.
pub fn add<T: Real>(lanes: Lanes, x: &[T], y: &mut [T]) {
    assert!(x.len() == y.len() && y.len().is_multiple_of(lanes.count::<T>()));
    lanes.dispatch(Sum { x, y });
}

struct Sum<'a, T> {
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
    lanes.dispatch(AddWeights { weights, x });
}

struct AddWeights<'a, T> {
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
    lanes.dispatch(Scale { factor, x });
}

struct Scale<'a, T> {
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
    lanes.dispatch(LayerNorm { scales, shifts, x });
}

struct LayerNorm<'a, T> {
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
    lanes.dispatch(Softmax { features, x });
}

struct Softmax<'a, T> {
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
