//! What networks are made of, for a few samples at a time.
//!
//! Samples stand side by side in the lanes of one vector: a value of `n` numbers per sample is a slice of `n` times
//! [`Lanes::count`] numbers, and each function here works on one such tile. What a lane gives depends on nothing in the
//! other lanes, nor on how many there are.

mod contraction;
pub(crate) mod functions;
mod job;
mod optics;
mod rows;
mod tables;
#[cfg(test)]
mod tests;
mod unary;

pub use contraction::{Contraction, Start};
pub(crate) use job::Job;
pub use optics::{mod_relu, moduli};
pub use rows::{Packed, unpack};
pub use tables::{Copies, Windows};
pub use unary::{Unary, add, add_weights, layer_norm, scale, softmax, unary};

use crate::{
    Level, Real,
    level::Kernel,
    vector::{Simd, Vector},
};

/// The instructions that are used and the samples that they work on together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lanes {
    level: Level,
    half: bool,
}

impl Lanes {
    /// The widest vectors of a level.
    pub fn wide(level: Level) -> Lanes {
        Lanes { level: level.min(Level::best()), half: false }
    }

    /// Vectors of half as many lanes, where they take less time than the widest.
    pub fn half(self) -> Option<Lanes> {
        struct Halves;
        impl Kernel for Halves {
            type Output = bool;
            #[inline(always)]
            fn run<S: Simd>(self) -> bool {
                S::HALVES
            }
        }
        self.level.dispatch(Halves).then_some(Lanes { half: true, ..self })
    }

    /// Number of samples.
    pub fn count<T: Real>(self) -> usize {
        struct Count<T>(std::marker::PhantomData<T>);
        impl<T: Real> Kernel for Count<T> {
            type Output = usize;
            #[inline(always)]
            fn run<S: Simd>(self) -> usize {
                T::Wide::<S>::LANES
            }
        }
        self.level.dispatch(Count::<T>(std::marker::PhantomData)) / if self.half { 2 } else { 1 }
    }

    /// Runs a kernel with these vectors.
    #[inline]
    fn dispatch<T: Real, K: Tile<T>>(self, kernel: K) {
        self.level.dispatch(Tiled { kernel, half: self.half, real: std::marker::PhantomData::<T> });
    }
}

/// A kernel on the vectors of [`Lanes`]. `run` must be `#[inline(always)]`.
pub(crate) trait Tile<T: Real> {
    fn run<S: Simd, V: Vector<Real = T>>(self);
}

struct Tiled<K, T> {
    kernel: K,
    half: bool,
    real: std::marker::PhantomData<T>,
}

impl<T: Real, K: Tile<T>> Kernel for Tiled<K, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        if S::HALVES && self.half {
            self.kernel.run::<S, T::Half<S>>();
        } else {
            self.kernel.run::<S, T::Wide<S>>();
        }
    }
}
