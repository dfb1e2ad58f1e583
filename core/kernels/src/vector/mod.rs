//! Vectors of a level.
//!
//! Every method is inlined into the function that `Level::dispatch` calls, which has the level's features. A vector must not be
//! made anywhere else: this is why the traits stay inside this crate.

pub mod plain;
#[cfg(target_arch = "x86_64")]
pub mod x86;

use crate::{Arch, Real};

/// The vectors of a level.
pub trait Simd: Arch {
    /// How many sums of the widest vectors are kept in registers, with room for what is summed.
    const SUMS: usize;
    /// Half as many lanes take less time.
    const HALVES: bool;

    type F64: Vector<Real = f64>;
    type HalfF64: Vector<Real = f64>;
    type F32: Vector<Real = f32>;
    type HalfF32: Vector<Real = f32>;
}

/// The most lanes there are.
pub(crate) const MAX_LANES: usize = 16;

/// Numbers on which one instruction acts.
pub trait Vector: Copy {
    type Real: Real;
    const LANES: usize;

    fn splat(value: Self::Real) -> Self;

    /// The first `LANES` numbers, of which there must be so many.
    fn load(from: &[Self::Real]) -> Self;

    /// Into the first `LANES` numbers, of which there must be so many.
    fn store(self, to: &mut [Self::Real]);

    /// As `store`, past the caches. `to` must begin on a multiple of the vector's size, and `fence` must follow before another thread is told of it.
    #[inline(always)]
    fn stream(self, to: &mut [Self::Real]) {
        self.store(to);
    }

    /// Ends a row of `stream`s.
    #[inline(always)]
    fn fence() {}

    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;
    fn sqrt(self) -> Self;

    /// The larger; `other` if one of them is no number.
    fn max(self, other: Self) -> Self;

    /// self * factor + sum.
    fn fma(self, factor: Self, sum: Self) -> Self;

    /// sum - self * factor.
    fn fnma(self, factor: Self, sum: Self) -> Self;

    /// Lanes by turns: (s0, o0, s1, o1, ..), of which the first and the second half.
    fn zip(self, other: Self) -> (Self, Self);

    /// As `load`, with `fill` where there are fewer.
    #[inline(always)]
    fn load_some(from: &[Self::Real], fill: Self::Real) -> Self {
        if from.len() >= Self::LANES {
            return Self::load(from);
        }
        let mut all = [fill; MAX_LANES];
        all[..from.len()].copy_from_slice(from);
        Self::load(&all)
    }

    /// As `store`, as many as there is room for.
    #[inline(always)]
    fn store_some(self, to: &mut [Self::Real]) {
        if to.len() >= Self::LANES {
            return self.store(to);
        }
        let mut all = [Self::Real::ZERO; MAX_LANES];
        self.store(&mut all);
        to.copy_from_slice(&all[..to.len()]);
    }
}

/// Transposes the first `LANES` vectors: log2(LANES) perfect shuffles.
#[inline(always)]
pub(crate) fn transpose<V: Vector>(v: &mut [V; MAX_LANES]) {
    let half = V::LANES / 2;
    let mut round = 1;
    while round < V::LANES {
        let from = *v;
        for i in 0..half {
            (v[2 * i], v[2 * i + 1]) = from[i].zip(from[i + half]);
        }
        round *= 2;
    }
}
