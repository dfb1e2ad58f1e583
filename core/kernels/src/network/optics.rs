//! Pairs (re, im).

use super::{Job, Lanes, Tile};
use crate::{
    Real,
    vector::{Simd, Vector},
};

/// |z|^2 of pairs, or |z| with `root`.
///
/// # Panics
/// If x is not twice as long as y.
pub fn moduli<T: Real>(lanes: Lanes, root: bool, x: &[T], y: &mut [T]) {
    assert!(x.len() == 2 * y.len() && y.len().is_multiple_of(lanes.count::<T>()));
    T::tile(lanes, Job::Moduli(Moduli { root, x, y }));
}

pub struct Moduli<'a, T> {
    root: bool,
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Real> Tile<T> for Moduli<'_, T> {
    #[inline(always)]
    fn run<S: Simd, V: Vector<Real = T>>(self) {
        for (x, y) in self.x.chunks_exact(2 * V::LANES).zip(self.y.chunks_exact_mut(V::LANES)) {
            let power = power(V::load(x), V::load(&x[V::LANES..]));
            if self.root { power.sqrt() } else { power }.store(y);
        }
    }
}

#[inline(always)]
fn power<V: Vector>(re: V, im: V) -> V {
    im.fma(im, re.mul(re))
}

/// z/|z| max(|z| + b, 0) of pairs, 0 where z is 0 (Arjovsky et al. 2016, modReLU); one b for each pair.
///
/// # Panics
/// If there are not two numbers per sample for each b.
pub fn mod_relu<T: Real>(lanes: Lanes, bias: &[T], z: &mut [T]) {
    assert!(z.len() == 2 * bias.len() * lanes.count::<T>());
    T::tile(lanes, Job::ModRelu(ModRelu { bias, z }));
}

pub struct ModRelu<'a, T> {
    bias: &'a [T],
    z: &'a mut [T],
}

impl<T: Real> Tile<T> for ModRelu<'_, T> {
    #[inline(always)]
    fn run<S: Simd, V: Vector<Real = T>>(self) {
        // above 0, and below the root of every power that is not 0
        let least = V::splat(T::power_of_two(-T::RANGE * 3 / 2));
        for (&bias, z) in self.bias.iter().zip(self.z.chunks_exact_mut(2 * V::LANES)) {
            let (re, im) = (V::load(z), V::load(&z[V::LANES..]));
            let modulus = power(re, im).sqrt();
            let factor = V::splat(T::ZERO).max(modulus.add(V::splat(bias))).div(least.max(modulus));
            re.mul(factor).store(z);
            im.mul(factor).store(&mut z[V::LANES..]);
        }
    }
}
