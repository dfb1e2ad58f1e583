//! f32 and f64.

use crate::vector::{Simd, Vector};
use std::fmt::Debug;

pub(crate) mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// f32 or f64.
pub trait Real: sealed::Sealed + Copy + Default + PartialEq + PartialOrd + Debug + Send + Sync + 'static {
    /// The widest vector of a level.
    #[doc(hidden)]
    type Wide<S: Simd>: Vector<Real = Self>;
    /// A vector of half as many lanes, for what is left over.
    #[doc(hidden)]
    type Half<S: Simd>: Vector<Real = Self>;

    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// Scales of fields are kept within 2^-RANGE and 2^RANGE: far from overflow, with room for amplitudes.
    #[doc(hidden)]
    const RANGE: i32;

    /// The nearest number.
    fn from_f64(value: f64) -> Self;

    /// The number.
    fn to_f64(self) -> f64;
}

macro_rules! real {
    ($real:ty, $wide:ident, $half:ident, $range:literal) => {
        impl Real for $real {
            type Wide<S: Simd> = S::$wide;
            type Half<S: Simd> = S::$half;
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const RANGE: i32 = $range;

            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as Self
            }

            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
        }
    };
}

real!(f32, F32, HalfF32, 70);
real!(f64, F64, HalfF64, 400);
