//! Functions of one number without branches, so that loops over them become vectors: in f64 to 1e-13, in f32 to 1e-6 of their value.

use crate::Arch;

/// 1/2!, 1/3!, ..: of the series of exp; what is left out is below 4e-18 for |x| < ln 2 / 2, and below 6e-9 after six terms.
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

// (1 + 2 z) exp(z^2) erfc(z) as polynomials of (z - K)/(z + K): Chebyshev series, as Shepherd and Laframboise 1981 (Math. Comp. 36, 249)
// have them, cut where the error is 3e-15 and 6e-8.
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
const ERFC_SINGLE: [f64; 11] = [
    1.2648381802377981,
    -0.12235746577389316,
    -0.0990242416580846,
    0.15764429480764594,
    -0.10297053835625594,
    0.032677570070453445,
    0.000946759630325494,
    -0.004180246630320805,
    0.00046333752059866723,
    0.0004054889191726741,
    -6.391786604416434e-05,
];
const K_SINGLE: f64 = 2.5;

macro_rules! functions {
    (
        $name:ident, $real:ident, mantissa: $mantissa:literal, bias: $bias:literal, ln2: $first:expr, $rest:expr,
        least: $least:literal, most: $most:literal, exp: $terms:literal, erfc: $erfc:ident, $k:ident
    ) => {
        pub mod $name {
            use super::{Arch, EXP, $erfc, $k};

            // Adding this puts the nearest integer into the lowest bits.
            const ROUND: $real = 1.5 * (1_u64 << $mantissa) as $real;

            #[inline(always)]
            fn mul_add<A: Arch>(a: $real, b: $real, c: $real) -> $real {
                if A::FMA { a.mul_add(b, c) } else { a * b + c }
            }

            #[inline(always)]
            fn polynomial<A: Arch>(x: $real, coefficients: &[f64]) -> $real {
                let mut sum = 0.0;
                for &c in coefficients.iter().rev() {
                    sum = mul_add::<A>(sum, x, c as $real);
                }
                sum
            }

            /// (e, s) with exp(x) = s (1 + e), s a power of two and |e| < 0.42. x is held within the exponents of normal numbers.
            #[inline(always)]
            fn parts<A: Arch>(x: $real) -> ($real, $real) {
                let x = if x < $least { $least } else { x };
                let x = if x > $most { $most } else { x };
                let shifted = mul_add::<A>(x, std::$real::consts::LOG2_E, ROUND);
                let n = shifted - ROUND;
                let r = mul_add::<A>(-n, $rest, mul_add::<A>(-n, $first, x));
                let e = mul_add::<A>(r * r, polynomial::<A>(r, &EXP[..$terms]), r);
                (e, $real::from_bits(shifted.to_bits().wrapping_add($bias) << $mantissa))
            }

            /// exp(x); beyond the range of normal numbers that of the nearest in it.
            #[inline(always)]
            pub fn exp<A: Arch>(x: $real) -> $real {
                let (e, s) = parts::<A>(x);
                mul_add::<A>(s, e, s)
            }

            #[inline(always)]
            pub fn tanh<A: Arch>(x: $real) -> $real {
                let (e, s) = parts::<A>(-2.0 * x.abs());
                let less = mul_add::<A>(s, e, s - 1.0); // exp(-2 |x|) - 1
                (-less / (less + 2.0)).copysign(x)
            }

            #[inline(always)]
            pub fn sigmoid<A: Arch>(x: $real) -> $real {
                1.0 / (1.0 + exp::<A>(-x))
            }

            /// x Phi(x), Phi the distribution function of the standard normal.
            #[inline(always)]
            pub fn gelu<A: Arch>(x: $real) -> $real {
                let z = x.abs() * std::$real::consts::FRAC_1_SQRT_2;
                let p = polynomial::<A>((z - $k as $real) / (z + $k as $real), &$erfc);
                let below = 0.5 * exp::<A>(-0.5 * x * x) * p / mul_add::<A>(2.0, z, 1.0); // Phi(-|x|)
                x * if x > 0.0 { 1.0 - below } else { below }
            }
        }
    };
}

// ln 2 in two parts, of which the first has zeros at its end: fdlibm, e_exp.c, and Cephes, expf.c.
functions!(
    double, f64, mantissa: 52, bias: 1023,
    ln2: f64::from_bits(0x3FE6_2E42_FEE0_0000), f64::from_bits(0x3DEA_39EF_3579_3C76),
    least: -708.0, most: 709.0, exp: 12, erfc: ERFC, K
);
functions!(
    single, f32, mantissa: 23, bias: 127,
    ln2: f32::from_bits(0x3F31_8000), -2.121_944_4e-4,
    least: -87.0, most: 88.0, exp: 6, erfc: ERFC_SINGLE, K_SINGLE
);

#[cfg(test)]
mod tests {
    use crate::{Arch, Level, Real, Task};
    use std::f64::consts::PI;

    #[derive(Clone, Copy, Debug)]
    enum Which {
        Exp,
        Tanh,
        Sigmoid,
        Gelu,
    }

    struct At<T>(Which, T);

    impl<T: Real> Task for At<T> {
        type Output = f64;

        #[inline(always)]
        fn run<A: Arch>(self) -> f64 {
            let result = match self.0 {
                Which::Exp => T::exp::<A>(self.1),
                Which::Tanh => T::tanh::<A>(self.1),
                Which::Sigmoid => T::sigmoid::<A>(self.1),
                Which::Gelu => T::gelu::<A>(self.1),
            };
            result.to_f64()
        }
    }

    /// Series of erf near 0, continued fraction of erfc (Lentz) from 1 on.
    fn erfc(x: f64) -> f64 {
        let root = PI.sqrt();
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

    fn agrees(which: Which, scale: f64, expected: impl Fn(f64) -> f64) {
        for level in Level::available() {
            for i in -20_000..=20_000 {
                let x = f64::from(i) * scale / 20_000.0;
                let check = |found: f64, expected: f64, tolerance: f64| {
                    let error = (found - expected).abs();
                    assert!(
                        error <= tolerance * expected.abs(),
                        "{which:?}({x:e}): {found:e}, not {expected:e} {level:?}"
                    );
                };
                // gelu has exp of a rounded square
                let square = if matches!(which, Which::Gelu) { x * x } else { 0.0 };
                check(level.run(At(which, x)), expected(x), 1e-13 + 4e-16 * square);
                // within the normal numbers of f32
                if x.abs() < 80.0 && expected(x).abs() > 1e-30 {
                    let (x, tolerance) = (x as f32, 1e-6 + 6e-8 * square);
                    check(level.run(At(which, x)), expected(f64::from(x)), tolerance);
                }
            }
        }
    }

    #[test]
    fn against_the_standard_library() {
        for scale in [1e-9, 0.7, 30.0, 700.0] {
            agrees(Which::Exp, scale, f64::exp);
            agrees(Which::Tanh, scale, f64::tanh);
            agrees(Which::Sigmoid, scale, |x| 1.0 / (1.0 + (-x).exp()));
        }
    }

    #[test]
    fn gelu_against_series_and_fraction() {
        for scale in [1e-9, 1.5, 37.0] {
            let half = 0.5f64.sqrt();
            agrees(Which::Gelu, scale, |x| {
                let phi = if x < 0.0 { 0.5 * erfc(-x * half) } else { 1.0 - 0.5 * erfc(x * half) };
                x * phi
            });
        }
    }

    fn extremes<T: Real>() {
        let at = |which, x| Level::best().run(At(which, T::from_f64(x)));
        assert_eq!([at(Which::Tanh, 1e30), at(Which::Tanh, f64::NEG_INFINITY)], [1.0, -1.0]);
        assert_eq!([at(Which::Sigmoid, 1e5), at(Which::Gelu, 1e5)], [1.0, 1e5f32.into()]);
        for which in [Which::Sigmoid, Which::Gelu, Which::Exp] {
            assert!(at(which, -1e5).abs() < 1e-32, "{which:?}");
        }
        for which in [Which::Exp, Which::Tanh, Which::Sigmoid, Which::Gelu] {
            assert!(at(which, f64::NAN).is_nan(), "{which:?}");
        }
    }

    #[test]
    fn beyond_the_range_and_no_numbers() {
        extremes::<f32>();
        extremes::<f64>();
    }
}
