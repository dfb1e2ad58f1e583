//! Functions of one number without branches, so that loops over them become vectors.

use crate::Arch;
use std::f64::consts::{FRAC_1_SQRT_2, LN_2, LOG2_E};

// ln 2 with 33 bits, and the rest (fdlibm, e_exp.c).
const FIRST: f64 = f64::from_bits(0x3FE6_2E42_FEE0_0000);
const REST: f64 = f64::from_bits(0x3DEA_39EF_3579_3C76);
// Adding this puts the nearest integer into the lowest bits.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// 1/2!, 1/3!, .. : the rest of the series is below 10^-18 for |x| < ln 2 / 2.
const EXP: [f64; 12] = {
    let mut terms = [0.0; 12];
    let (mut factorial, mut k) = (1.0, 2.0);
    let mut i = 0;
    while i < 12 {
        factorial *= k;
        terms[i] = 1.0 / factorial;
        k += 1.0;
        i += 1;
    }
    terms
};

/// (1 + 2 z) exp(z^2) erfc(z) as a polynomial of (z - K)/(z + K): the Chebyshev series of Shepherd and Laframboise 1981 (Math. Comp. 36,
/// 249), here to 3e-15.
const ERFC: [f64; 21] = [
    1.2375126308378264,
    -0.1402405985855061,
    0.003585415485781718,
    0.08227673848712364,
    -0.10880393015455231,
    0.09230432122630407,
    -0.058693398387769276,
    0.028362276757789878,
    -0.009746581194305737,
    0.0017556295098350434,
    0.0002937214295671746,
    -0.0002901662985487058,
    5.162601622259865e-05,
    2.2410019228612853e-05,
    -1.1399726074447543e-05,
    -1.0083452170479069e-06,
    1.6959958079432054e-06,
    -2.7749611122915722e-08,
    -2.1430692275831363e-07,
    8.526359817490003e-09,
    1.755217630744995e-08,
];
const K: f64 = 3.75;

#[inline(always)]
fn polynomial<A: Arch>(x: f64, coefficients: &[f64]) -> f64 {
    let mut sum = 0.0;
    for &c in coefficients.iter().rev() {
        sum = A::mul_add(sum, x, c);
    }
    sum
}

/// (e, s) with exp(x) = s (1 + e), s a power of two and |e| < 0.42. x is held within the exponents of normal numbers.
#[inline(always)]
fn parts<A: Arch>(x: f64) -> (f64, f64) {
    let x = if x < -708.0 { -708.0 } else { x };
    let x = if x > 709.0 { 709.0 } else { x };
    let shifted = A::mul_add(x, LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = A::mul_add(-n, REST, A::mul_add(-n, FIRST, x));
    let e = A::mul_add(r * r, polynomial::<A>(r, &EXP), r);
    (e, f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52))
}

/// exp(x), for x from -708 to 709; beyond, that of the nearest of these.
#[inline(always)]
pub fn exp<A: Arch>(x: f64) -> f64 {
    let (e, s) = parts::<A>(x);
    A::mul_add(s, e, s)
}

#[inline(always)]
pub fn tanh<A: Arch>(x: f64) -> f64 {
    let (e, s) = parts::<A>(-2.0 * x.abs());
    let less = A::mul_add(s, e, s - 1.0); // exp(-2 |x|) - 1
    (-less / (less + 2.0)).copysign(x)
}

#[inline(always)]
pub fn sigmoid<A: Arch>(x: f64) -> f64 {
    1.0 / (1.0 + exp::<A>(-x))
}

/// x Phi(x), Phi the distribution function of the standard normal.
#[inline(always)]
pub fn gelu<A: Arch>(x: f64) -> f64 {
    let z = x.abs() * FRAC_1_SQRT_2;
    let p = polynomial::<A>((z - K) / (z + K), &ERFC);
    let below = 0.5 * exp::<A>(-z * z) * p / A::mul_add(2.0, z, 1.0); // Phi(-|x|)
    x * if x > 0.0 { 1.0 - below } else { below }
}

const _: () = assert!(FIRST + REST == LN_2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Level, Task};

    struct At(fn(Functions) -> fn(f64) -> f64, f64);

    #[derive(Clone, Copy)]
    struct Functions([fn(f64) -> f64; 4]);

    impl Task for At {
        type Output = f64;

        #[inline(always)]
        fn run<A: Arch>(self) -> f64 {
            self.0(Functions([exp::<A>, tanh::<A>, sigmoid::<A>, gelu::<A>]))(self.1)
        }
    }

    /// Series of erf near 0, continued fraction of erfc (Lentz) from 1 on.
    fn erfc(x: f64) -> f64 {
        let root = std::f64::consts::PI.sqrt();
        if x < 1.0 {
            let (mut term, mut sum) = (x, x);
            for n in 1..80 {
                term *= -x * x / f64::from(n);
                sum += term / f64::from(2 * n + 1);
            }
            return 1.0 - 2.0 / root * sum;
        }
        let mut fraction = x;
        for k in (1..2000).rev() {
            fraction = x + 0.5 * f64::from(k) / fraction;
        }
        (-x * x).exp() / (root * fraction)
    }

    fn agrees(what: &str, which: usize, scale: f64, expected: impl Fn(f64) -> f64) {
        for level in Level::available() {
            for i in -20_000..=20_000 {
                let x = f64::from(i) * scale / 20_000.0;
                let at: [fn(Functions) -> fn(f64) -> f64; 4] = [|f| f.0[0], |f| f.0[1], |f| f.0[2], |f| f.0[3]];
                let (found, expected) = (level.run(At(at[which], x)), expected(x));
                let error = (found - expected).abs();
                assert!(error <= 1e-13 * expected.abs(), "{what}({x:e}) is {expected:e}, found {found:e} {level:?}");
            }
        }
    }

    #[test]
    fn against_the_standard_library() {
        for scale in [1e-9, 0.7, 30.0, 700.0] {
            agrees("exp", 0, scale, f64::exp);
            agrees("tanh", 1, scale, f64::tanh);
            agrees("sigmoid", 2, scale, |x| 1.0 / (1.0 + (-x).exp()));
        }
    }

    #[test]
    fn gelu_against_series_and_fraction() {
        for scale in [1e-9, 1.5, 37.0] {
            let half = 0.5f64.sqrt();
            agrees("gelu", 3, scale, |x| {
                let phi = if x < 0.0 { 0.5 * erfc(-x * half) } else { 1.0 - 0.5 * erfc(x * half) };
                x * phi
            });
        }
    }

    #[test]
    fn beyond_the_range_and_no_numbers() {
        let at = |which: fn(Functions) -> fn(f64) -> f64, x| Level::best().run(At(which, x));
        assert_eq!([at(|f| f.0[1], 1e300), at(|f| f.0[1], f64::NEG_INFINITY)], [1.0, -1.0]);
        assert_eq!([at(|f| f.0[2], 1e5), at(|f| f.0[3], 1e5)], [1.0, 1e5]);
        assert!(at(|f| f.0[2], -1e5) < 1e-300 && at(|f| f.0[3], -1e5).abs() < 1e-300);
        for which in [(|f: Functions| f.0[0]) as fn(Functions) -> fn(f64) -> f64, |f| f.0[1], |f| f.0[2], |f| f.0[3]] {
            assert!(at(which, f64::NAN).is_nan());
        }
    }
}
