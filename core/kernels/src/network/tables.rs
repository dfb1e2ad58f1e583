//! Numbers moved, and the largest or the mean of some.

use super::{Job, Lanes, Tile};
use crate::{
    Real,
    vector::{Simd, Vector},
};

const ZERO: u32 = u32::MAX;

/// `y[i] = x[from_i]`, or 0.
#[derive(Clone, Debug)]
pub struct Copies(Vec<u32>);

impl Copies {
    /// Where each number of y comes from; `None`: it is 0.
    ///
    /// # Panics
    /// If there are 2^32 - 1 numbers or more.
    pub fn new(from: impl Iterator<Item = Option<usize>>) -> Copies {
        let number = |from: usize| u32::try_from(from).ok().filter(|&from| from != ZERO);
        Copies(from.map(|from| from.map_or(ZERO, |from| number(from).expect("fewer numbers"))).collect())
    }

    /// Does it for one tile.
    ///
    /// # Panics
    /// If y has another length, or x is too short.
    pub fn apply<T: Real>(&self, lanes: Lanes, x: &[T], y: &mut [T]) {
        assert!(y.len() == self.0.len() * lanes.count::<T>());
        T::tile(lanes, Job::Copy(Copy { from: &self.0, x, y }));
    }
}

pub struct Copy<'a, T> {
    from: &'a [u32],
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Real> Tile<T> for Copy<'_, T> {
    #[inline(always)]
    fn run<S: Simd, V: Vector<Real = T>>(self) {
        for (&from, y) in self.from.iter().zip(self.y.chunks_exact_mut(V::LANES)) {
            let x = match from {
                ZERO => V::splat(T::ZERO),
                from => V::load(&self.x[from as usize * V::LANES..]),
            };
            x.store(y);
        }
    }
}

/// `y[i]` is the largest or the mean of some numbers of x.
#[derive(Clone, Debug)]
pub struct Windows {
    mean: bool,
    from: Vec<u32>,
    ends: Vec<usize>,
}

impl Windows {
    /// The numbers of x of each number of y.
    ///
    /// # Panics
    /// If there are none for one of them, or 2^32 numbers or more.
    pub fn new(mean: bool, windows: impl Iterator<Item = Vec<usize>>) -> Windows {
        let mut from = Vec::new();
        let mut end = |window: Vec<usize>| {
            assert!(!window.is_empty(), "a window holds at least one number");
            from.extend(window.into_iter().map(|place| u32::try_from(place).expect("less than 2^32 numbers")));
            from.len()
        };
        let ends = windows.map(&mut end).collect();
        Windows { mean, from, ends }
    }

    /// How many numbers are looked at.
    pub fn reads(&self) -> usize {
        self.from.len()
    }

    /// Does it for one tile.
    ///
    /// # Panics
    /// If y has another length, or x is too short.
    pub fn apply<T: Real>(&self, lanes: Lanes, x: &[T], y: &mut [T]) {
        assert!(y.len() == self.ends.len() * lanes.count::<T>());
        T::tile(lanes, Job::Reduce(Reduce { windows: self, x, y }));
    }
}

pub struct Reduce<'a, T> {
    windows: &'a Windows,
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Real> Tile<T> for Reduce<'_, T> {
    #[inline(always)]
    fn run<S: Simd, V: Vector<Real = T>>(self) {
        let mut first = 0;
        for (&end, y) in self.windows.ends.iter().zip(self.y.chunks_exact_mut(V::LANES)) {
            let from = &self.windows.from[first..end];
            let mut result = V::load(&self.x[from[0] as usize * V::LANES..]);
            for &place in &from[1..] {
                let x = V::load(&self.x[place as usize * V::LANES..]);
                result = if self.windows.mean { result.add(x) } else { x.max(result) };
            }
            if self.windows.mean {
                result = result.mul(V::splat(T::from_f64(1.0 / from.len() as f64)));
            }
            result.store(y);
            first = end;
        }
    }
}
