//! Vectors as arrays, for which the compiler finds instructions.

use super::{Simd, Vector};
use crate::{Arch, real::sealed::Sealed};

/// What the program was compiled for.
pub struct Plain;

impl Sealed for Plain {}

impl Arch for Plain {
    const FMA: bool = false;
}

impl Simd for Plain {
    const SUMS: usize = 6; // of two registers each
    const HALVES: bool = false;
    type F64 = Lanes<f64, 4>;
    type HalfF64 = Lanes<f64, 2>;
    type F32 = Lanes<f32, 8>;
    type HalfF32 = Lanes<f32, 4>;
}

#[derive(Clone, Copy)]
pub struct Lanes<T, const L: usize>([T; L]);

// Loops, not `from_fn`: closures are not always inlined.
macro_rules! plain_vector {
    ($real:ty) => {
        impl<const L: usize> Lanes<$real, L> {
            #[inline(always)]
            fn turns(first: &[$real], second: &[$real]) -> Self {
                let mut lanes = [0.0; L];
                for i in 0..L / 2 {
                    (lanes[2 * i], lanes[2 * i + 1]) = (first[i], second[i]);
                }
                Lanes(lanes)
            }
        }

        impl<const L: usize> Vector for Lanes<$real, L> {
            type Real = $real;
            const LANES: usize = L;

            #[inline(always)]
            fn splat(value: $real) -> Self {
                Lanes([value; L])
            }

            #[inline(always)]
            fn load(from: &[$real]) -> Self {
                let mut lanes = [0.0; L];
                lanes.copy_from_slice(&from[..L]);
                Lanes(lanes)
            }

            #[inline(always)]
            fn store(self, to: &mut [$real]) {
                to[..L].copy_from_slice(&self.0);
            }

            #[inline(always)]
            fn add(mut self, other: Self) -> Self {
                for i in 0..L {
                    self.0[i] += other.0[i];
                }
                self
            }

            #[inline(always)]
            fn sub(mut self, other: Self) -> Self {
                for i in 0..L {
                    self.0[i] -= other.0[i];
                }
                self
            }

            #[inline(always)]
            fn mul(mut self, other: Self) -> Self {
                for i in 0..L {
                    self.0[i] *= other.0[i];
                }
                self
            }

            #[inline(always)]
            fn div(mut self, other: Self) -> Self {
                for i in 0..L {
                    self.0[i] /= other.0[i];
                }
                self
            }

            #[inline(always)]
            fn sqrt(mut self) -> Self {
                for i in 0..L {
                    self.0[i] = self.0[i].sqrt();
                }
                self
            }

            #[inline(always)]
            fn max(mut self, other: Self) -> Self {
                for i in 0..L {
                    self.0[i] = if self.0[i] > other.0[i] { self.0[i] } else { other.0[i] };
                }
                self
            }

            #[inline(always)]
            fn fma(self, factor: Self, mut sum: Self) -> Self {
                for i in 0..L {
                    sum.0[i] += self.0[i] * factor.0[i];
                }
                sum
            }

            #[inline(always)]
            fn fnma(self, factor: Self, mut sum: Self) -> Self {
                for i in 0..L {
                    sum.0[i] -= self.0[i] * factor.0[i];
                }
                sum
            }

            #[inline(always)]
            fn zip(self, other: Self) -> (Self, Self) {
                (Self::turns(&self.0, &other.0), Self::turns(&self.0[L / 2..], &other.0[L / 2..]))
            }
        }
    };
}

plain_vector!(f32);
plain_vector!(f64);
