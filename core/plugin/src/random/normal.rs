//! Standard normal numbers by Box-Muller: r = sqrt(-2 ln u), u in (0, 1]; not ziggurat, so that the number of words an
//! element takes never depends on their values.
//!
//! Logarithm, sine and cosine are short polynomials without branches: the result is within 10^-9 of Box-Muller with a
//! correctly rounded libm, where the words of 32 bits that it is made of make steps of more than 10^-9. Products and sums
//! are fused wherever that is written here and nowhere else: a vector lane of any width does what scalar code does, to
//! the bit.

use std::f64::consts::LN_2;

/// Exponent of 2^52: with an integer below 2^52 in the lower bits, the double 2^52 + that integer.
const MAGIC: u64 = 0x4330_0000_0000_0000;
const TWO_52: f64 = 4_503_599_627_370_496.0;
/// Steps of this double are those of an angle: 2^-29 of half a quarter turn.
const TWO_23: f64 = 8_388_608.0;
/// Angles of a quarter turn.
const QUARTER: u64 = 1 << 30;
const SQRT_HALF: u64 = std::f64::consts::FRAC_1_SQRT_2.to_bits();
const EXPONENT: u64 = 0xFFF0_0000_0000_0000;
const SIGN: u64 = 1 << 63;

/// 4 atanh(s) / s in s^2, for |s| <= (sqrt 2 - 1) / (sqrt 2 + 1), within 3e-9. These three interpolate at Chebyshev nodes.
const LOG: [f64; 4] =
    [3.999_999_997_262_636_3, 1.333_336_306_763_023_7, 0.799_497_010_350_381, 0.598_487_809_582_899_7];
/// sin(pi/4 v) / (sqrt 2 v) in v^2, for |v| <= 1, within 3e-12.
const SIN: [f64; 5] = [
    0.555_360_367_267_392_7,
    -0.057_095_699_098_554_75,
    0.001_760_973_926_736_354,
    -2.586_058_683_336_635_8e-5,
    2.184_936_524_828_955_5e-7,
];
/// cos(pi/4 v) / sqrt 2 in v^2, for |v| <= 1, within 4e-11.
const COS: [f64; 5] = [
    0.707_106_781_152_952_4,
    -0.218_089_504_558_804_71,
    0.011_210_700_880_170_13,
    -0.000_230_473_384_369_678_2,
    2.495_943_489_874_855e-6,
];

/// Four normal numbers from the words of a block.
#[inline(always)]
pub(super) fn four(words: [u64; 4]) -> [f64; 4] {
    let (r, (c, s)) = (radius(words[0]), direction(words[1]));
    let (q, (d, t)) = (radius(words[2]), direction(words[3]));
    [r * c, r * s, q * d, q * t]
}

/// sqrt(-2 ln u) for u = (word + 1/2) / 2^32.
#[inline(always)]
fn radius(word: u64) -> f64 {
    // u = x / 2^33 = m 2^k / 2^33 with m in [sqrt 1/2, sqrt 2), and ln m = 2 atanh(s).
    let x = (f64::from_bits(MAGIC | word << 1 | 1) - TWO_52).to_bits();
    let above = x.wrapping_sub(SQRT_HALF);
    let m = f64::from_bits(x.wrapping_sub(above & EXPONENT));
    let s = (m - 1.0) / (m + 1.0);
    let halvings = (TWO_52 + 33.0) - f64::from_bits(MAGIC | above >> 52);
    halvings.mul_add(2.0 * LN_2, -(s * polynomial(&LOG, s * s))).sqrt()
}

/// (cos, sin) of 2 pi word / 2^32.
#[inline(always)]
fn direction(word: u64) -> (f64, f64) {
    // In its quarter, the angle is an eighth of a turn (1 + v).
    let v = f64::from_bits(TWO_23.to_bits() | word & (QUARTER - 1)) - (TWO_23 + 1.0);
    let square = v * v;
    let (c, s) = (polynomial(&COS, square), v * polynomial(&SIN, square));
    // In every other quarter sine and cosine change places; cosines are negative in the quarters 1 and 2, sines in 2 and 3.
    let (half, quarter) = (word << 32, word << 33);
    let flip = |x: f64, word: u64| f64::from_bits(x.to_bits() ^ word & SIGN);
    let s = flip(s, quarter);
    (flip(c - s, half ^ quarter), flip(c + s, half))
}

#[inline(always)]
fn polynomial<const N: usize>(coefficients: &[f64; N], x: f64) -> f64 {
    let mut sum = coefficients[N - 1];
    for i in (0..N - 1).rev() {
        sum = sum.mul_add(x, coefficients[i]);
    }
    sum
}
