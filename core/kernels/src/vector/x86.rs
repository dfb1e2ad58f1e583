//! Vectors of x86-64.
#![allow(unsafe_code)]

use super::{Simd, Vector};
use crate::{Arch, real::sealed::Sealed};
use std::arch::x86_64::*;

/// AVX2 and FMA.
pub struct Avx2;
/// AVX-512.
pub struct Avx512;

impl Sealed for Avx2 {}
impl Sealed for Avx512 {}

impl Arch for Avx2 {
    const FMA: bool = true;
}

impl Arch for Avx512 {
    const FMA: bool = true;
}

impl Simd for Avx2 {
    const SUMS: usize = 12;
    const HALVES: bool = false;
    type F64 = F64x4;
    type HalfF64 = F64x2;
    type F32 = F32x8;
    type HalfF32 = F32x4;
}

impl Simd for Avx512 {
    const SUMS: usize = 24;
    const HALVES: bool = true;
    type F64 = F64x8;
    type HalfF64 = F64x4;
    type F32 = F32x16;
    type HalfF32 = F32x8;
}

// SAFETY of all `unsafe` below: these types are used only in kernels which `Level::dispatch` has given to a function that
// has the features, after it has found them in the processor (see the module above); the lengths of what is loaded and stored
// are checked just before.
macro_rules! vector {
    (
        $name:ident, $inner:ident, $real:ident, $lanes:literal, $splat:ident, $load:ident, $store:ident, $stream:ident, $add:ident,
        $sub:ident, $mul:ident, $div:ident, $sqrt:ident, $max:ident, $fma:ident, $fnma:ident, |$a:ident, $b:ident| $zip:expr
    ) => {
        #[derive(Clone, Copy)]
        pub struct $name($inner);

        impl Vector for $name {
            type Real = $real;
            const LANES: usize = $lanes;

            #[inline(always)]
            fn splat(value: $real) -> Self {
                // SAFETY: see above.
                $name(unsafe { $splat(value) })
            }

            #[inline(always)]
            fn load(from: &[$real]) -> Self {
                let from = &from[..$lanes];
                // SAFETY: see above.
                $name(unsafe { $load(from.as_ptr()) })
            }

            #[inline(always)]
            fn store(self, to: &mut [$real]) {
                let to = &mut to[..$lanes];
                // SAFETY: see above.
                unsafe { $store(to.as_mut_ptr(), self.0) }
            }

            #[inline(always)]
            fn stream(self, to: &mut [$real]) {
                let to = &mut to[..$lanes];
                if !(to.as_ptr() as usize).is_multiple_of(size_of::<Self>()) {
                    return self.store(to);
                }
                // SAFETY: see above; aligned as the instruction wants it.
                unsafe { $stream(to.as_mut_ptr(), self.0) }
            }

            #[inline(always)]
            fn fence() {
                // SAFETY: every x86-64 has it.
                unsafe { _mm_sfence() }
            }

            #[inline(always)]
            fn add(self, other: Self) -> Self {
                // SAFETY: see above.
                $name(unsafe { $add(self.0, other.0) })
            }

            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                // SAFETY: see above.
                $name(unsafe { $sub(self.0, other.0) })
            }

            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                // SAFETY: see above.
                $name(unsafe { $mul(self.0, other.0) })
            }

            #[inline(always)]
            fn div(self, other: Self) -> Self {
                // SAFETY: see above.
                $name(unsafe { $div(self.0, other.0) })
            }

            #[inline(always)]
            fn sqrt(self) -> Self {
                // SAFETY: see above.
                $name(unsafe { $sqrt(self.0) })
            }

            #[inline(always)]
            fn max(self, other: Self) -> Self {
                // SAFETY: see above.
                $name(unsafe { $max(self.0, other.0) })
            }

            #[inline(always)]
            fn fma(self, factor: Self, sum: Self) -> Self {
                // SAFETY: see above.
                $name(unsafe { $fma(self.0, factor.0, sum.0) })
            }

            #[inline(always)]
            fn fnma(self, factor: Self, sum: Self) -> Self {
                // SAFETY: see above.
                $name(unsafe { $fnma(self.0, factor.0, sum.0) })
            }

            #[inline(always)]
            fn zip(self, other: Self) -> (Self, Self) {
                let ($a, $b) = (self.0, other.0);
                // SAFETY: see above.
                let (low, high) = unsafe { $zip };
                ($name(low), $name(high))
            }
        }
    };
}

vector!(
    F64x2,
    __m128d,
    f64,
    2,
    _mm_set1_pd,
    _mm_loadu_pd,
    _mm_storeu_pd,
    _mm_stream_pd,
    _mm_add_pd,
    _mm_sub_pd,
    _mm_mul_pd,
    _mm_div_pd,
    _mm_sqrt_pd,
    _mm_max_pd,
    _mm_fmadd_pd,
    _mm_fnmadd_pd,
    |a, b| (_mm_unpacklo_pd(a, b), _mm_unpackhi_pd(a, b))
);

vector!(
    F32x4,
    __m128,
    f32,
    4,
    _mm_set1_ps,
    _mm_loadu_ps,
    _mm_storeu_ps,
    _mm_stream_ps,
    _mm_add_ps,
    _mm_sub_ps,
    _mm_mul_ps,
    _mm_div_ps,
    _mm_sqrt_ps,
    _mm_max_ps,
    _mm_fmadd_ps,
    _mm_fnmadd_ps,
    |a, b| (_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b))
);

vector!(
    F64x4,
    __m256d,
    f64,
    4,
    _mm256_set1_pd,
    _mm256_loadu_pd,
    _mm256_storeu_pd,
    _mm256_stream_pd,
    _mm256_add_pd,
    _mm256_sub_pd,
    _mm256_mul_pd,
    _mm256_div_pd,
    _mm256_sqrt_pd,
    _mm256_max_pd,
    _mm256_fmadd_pd,
    _mm256_fnmadd_pd,
    |a, b| {
        let (low, high) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
        (_mm256_permute2f128_pd::<0x20>(low, high), _mm256_permute2f128_pd::<0x31>(low, high))
    }
);

vector!(
    F32x8,
    __m256,
    f32,
    8,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_stream_ps,
    _mm256_add_ps,
    _mm256_sub_ps,
    _mm256_mul_ps,
    _mm256_div_ps,
    _mm256_sqrt_ps,
    _mm256_max_ps,
    _mm256_fmadd_ps,
    _mm256_fnmadd_ps,
    |a, b| {
        let (low, high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
        (_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high))
    }
);

vector!(
    F64x8,
    __m512d,
    f64,
    8,
    _mm512_set1_pd,
    _mm512_loadu_pd,
    _mm512_storeu_pd,
    _mm512_stream_pd,
    _mm512_add_pd,
    _mm512_sub_pd,
    _mm512_mul_pd,
    _mm512_div_pd,
    _mm512_sqrt_pd,
    _mm512_max_pd,
    _mm512_fmadd_pd,
    _mm512_fnmadd_pd,
    |a, b| {
        let low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
        let high = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
        (_mm512_permutex2var_pd(a, low, b), _mm512_permutex2var_pd(a, high, b))
    }
);

vector!(
    F32x16,
    __m512,
    f32,
    16,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_stream_ps,
    _mm512_add_ps,
    _mm512_sub_ps,
    _mm512_mul_ps,
    _mm512_div_ps,
    _mm512_sqrt_ps,
    _mm512_max_ps,
    _mm512_fmadd_ps,
    _mm512_fnmadd_ps,
    |a, b| {
        let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        (_mm512_permutex2var_ps(a, low, b), _mm512_permutex2var_ps(a, high, b))
    }
);
