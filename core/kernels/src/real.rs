//! f32 and f64.

use crate::{
    Arch,
    network::{Job, Lanes, functions},
    trig,
    vector::{Simd, Vector},
};
use std::{
    f64::consts::TAU,
    fmt::Debug,
    ops::{Add, Div, Mul, Sub},
};

pub(crate) mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// f32 or f64.
pub trait Real:
    sealed::Sealed
    + Copy
    + Default
    + PartialEq
    + PartialOrd
    + Debug
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + 'static
{
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
    /// Scales start at 2^START: cells without gain only take from them.
    #[doc(hidden)]
    const START: i32 = Self::RANGE - 4;

    /// The nearest number.
    fn from_f64(value: f64) -> Self;

    /// The number.
    fn to_f64(self) -> f64;

    /// The absolute value.
    fn magnitude(self) -> Self;

    /// 2^exponent, for exponents of normal numbers.
    #[doc(hidden)]
    fn power_of_two(exponent: i32) -> Self;

    /// A phase: f64 in radians; f32 as fixed-point parts of a turn, exact to 2^-32, whose sums never need to be reduced.
    #[doc(hidden)]
    type Phase: Copy + Default + Send + Sync + Debug;
    /// What an angle in radians is multiplied by before it becomes a phase.
    #[doc(hidden)]
    const TURN: f64;

    /// The phase of an angle up to 10^5 radians times `TURN`.
    #[doc(hidden)]
    fn phase(angle: f64) -> Self::Phase;

    /// The sum.
    #[doc(hidden)]
    fn advanced(phase: Self::Phase, by: Self::Phase) -> Self::Phase;

    /// The difference.
    #[doc(hidden)]
    fn delayed(phase: Self::Phase, by: Self::Phase) -> Self::Phase;

    /// The phase less whole turns.
    #[doc(hidden)]
    fn wrapped<A: Arch>(phase: Self::Phase) -> Self::Phase;

    /// Radians.
    #[doc(hidden)]
    fn radians(phase: Self::Phase) -> f64;

    /// (sin, cos), to the precision of these numbers.
    #[doc(hidden)]
    fn sin_cos<A: Arch>(phase: Self::Phase) -> (Self, Self);

    /// exp(x), held within the normal numbers.
    #[doc(hidden)]
    fn exp<A: Arch>(self) -> Self;

    /// tanh(x).
    #[doc(hidden)]
    fn tanh<A: Arch>(self) -> Self;

    /// 1/(1 + exp(-x)).
    #[doc(hidden)]
    fn sigmoid<A: Arch>(self) -> Self;

    /// x Phi(x), Phi the distribution function of the standard normal.
    #[doc(hidden)]
    fn gelu<A: Arch>(self) -> Self;

    /// Not generic, so that the kernels are compiled with this crate and not with each that uses them.
    #[doc(hidden)]
    fn tile(lanes: Lanes, job: Job<'_, Self>);
}

macro_rules! real {
    ($real:ident, $functions:ident, $wide:ident, $half:ident, $range:literal, $bits:ty, $mantissa:literal, $bias:literal, { $($phases:tt)* }) => {
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

            #[inline(always)]
            fn magnitude(self) -> Self {
                self.abs()
            }

            #[inline(always)]
            fn power_of_two(exponent: i32) -> Self {
                $real::from_bits(<$bits>::from(($bias + exponent) as u16) << $mantissa)
            }

            #[inline(always)]
            fn exp<A: Arch>(self) -> Self {
                functions::$functions::exp::<A>(self)
            }

            #[inline(always)]
            fn tanh<A: Arch>(self) -> Self {
                functions::$functions::tanh::<A>(self)
            }

            #[inline(always)]
            fn sigmoid<A: Arch>(self) -> Self {
                functions::$functions::sigmoid::<A>(self)
            }

            #[inline(always)]
            fn gelu<A: Arch>(self) -> Self {
                functions::$functions::gelu::<A>(self)
            }

            #[inline(never)]
            fn tile(lanes: Lanes, job: Job<'_, Self>) {
                job.run(lanes);
            }

            $($phases)*
        }
    };
}

real!(f32, single, F32, HalfF32, 60, u32, 23, 127, {
    type Phase = u32;
    const TURN: f64 = 4_294_967_296.0 / TAU;

    #[inline(always)]
    fn phase(angle: f64) -> u32 {
        trig::integer(angle) as u32
    }

    #[inline(always)]
    fn advanced(phase: u32, by: u32) -> u32 {
        phase.wrapping_add(by)
    }

    #[inline(always)]
    fn delayed(phase: u32, by: u32) -> u32 {
        phase.wrapping_sub(by)
    }

    #[inline(always)]
    fn wrapped<A: Arch>(phase: u32) -> u32 {
        phase
    }

    #[inline(always)]
    fn radians(phase: u32) -> f64 {
        f64::from(phase) / Self::TURN
    }

    #[inline(always)]
    fn sin_cos<A: Arch>(phase: u32) -> (f32, f32) {
        trig::single(phase)
    }
});

real!(f64, double, F64, HalfF64, 400, u64, 52, 1023, {
    type Phase = f64;
    const TURN: f64 = 1.0;

    #[inline(always)]
    fn phase(angle: f64) -> f64 {
        angle
    }

    #[inline(always)]
    fn advanced(phase: f64, by: f64) -> f64 {
        phase + by
    }

    #[inline(always)]
    fn delayed(phase: f64, by: f64) -> f64 {
        phase - by
    }

    #[inline(always)]
    fn wrapped<A: Arch>(phase: f64) -> f64 {
        trig::wrapped::<A>(phase)
    }

    #[inline(always)]
    fn radians(phase: f64) -> f64 {
        phase
    }

    #[inline(always)]
    fn sin_cos<A: Arch>(phase: f64) -> (f64, f64) {
        trig::short::<A>(phase)
    }
});
