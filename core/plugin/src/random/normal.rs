//! Standard normal numbers by Box-Muller: r = sqrt(-2 ln u), u in (0, 1]; not ziggurat, so that the number of words an
//! element takes never depends on their values.
//!
//! Logarithm, sine and cosine are polynomials without branches, in one order of additions and products that are never
//! contracted: a vector lane of any width does what scalar code does, to the bit. The result is within 10^-14 of Box-Muller
//! with a correctly rounded libm.

use std::f64::consts::LN_2;

/// Exponent of 2^52: with an integer below 2^52 in the lower bits, the double 2^52 + that integer.
const MAGIC: u64 = 0x4330_0000_0000_0000;
const TWO_52: f64 = 4_503_599_627_370_496.0;
const SQRT_HALF: u64 = std::f64::consts::FRAC_1_SQRT_2.to_bits();
const EXPONENT: u64 = 0xFFF0_0000_0000_0000;
const SIGN: u64 = 1 << 63;

/// 4 atanh(s) / s in s^2, for |s| <= (sqrt 2 - 1) / (sqrt 2 + 1), within 2e-16. These three interpolate at Chebyshev nodes.
const LOG: [f64; 7] = [
    4.0,
    1.333_333_333_331_058_4,
    0.800_000_001_234_832_3,
    0.571_428_320_422_153_4,
    0.444_468_690_950_358_1,
    0.362_438_688_624_304_3,
    0.336_753_199_413_609_76,
];
/// sin(pi/4 v) / v in v^2, for |v| <= 1, within 5e-15.
const SIN: [f64; 6] = [
    0.785_398_163_397_445,
    -0.080_745_512_188_038_63,
    0.002_490_394_567_367_063_4,
    -3.657_619_212_076_725_6e-5,
    3.133_384_082_909_3e-7,
    -1.736_516_728_859_757_8e-9,
];
/// cos(pi/4 v) in v^2, for |v| <= 1, within 2e-16.
const COS: [f64; 7] = [
    1.0,
    -0.308_425_137_534_037_83,
    0.015_854_344_243_741_547,
    -0.000_325_991_886_483_540_14,
    3.590_859_179_850_238e-6,
    -2.460_950_709_402_811_7e-8,
    1.136_546_920_773_135_3e-10,
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
    let x = integer(word << 1 | 1).to_bits();
    let above = x.wrapping_sub(SQRT_HALF);
    let m = f64::from_bits(x.wrapping_sub(above & EXPONENT));
    let s = (m - 1.0) / (m + 1.0);
    let halvings = 33.0 - integer(above >> 52);
    (halvings * (2.0 * LN_2) - s * polynomial(&LOG, s * s)).sqrt()
}

/// (cos, sin) of 2 pi word / 2^32.
#[inline(always)]
fn direction(word: u64) -> (f64, f64) {
    const EIGHTH: u64 = 1 << 29;
    // Quarter turns, and what is left of them in eighths of a turn.
    let from_eighth = word.wrapping_add(EIGHTH);
    let v = (integer(from_eighth & (2 * EIGHTH - 1)) - EIGHTH as f64) * (1.0 / EIGHTH as f64);
    let square = v * v;
    let (c, s) = (polynomial(&COS, square), v * polynomial(&SIN, square));
    let (c, s) = if from_eighth & (2 * EIGHTH) == 0 { (c, s) } else { (s, c) };
    // Cosines are negative in the quarters 1 and 2, sines in 2 and 3.
    let sign = |x: f64, word: u64| f64::from_bits(x.to_bits() ^ word << 32 & SIGN);
    (sign(c, from_eighth.wrapping_add(2 * EIGHTH)), sign(s, from_eighth))
}

/// An integer below 2^52 as a double: cheaper than a conversion where those are not vectorised.
#[inline(always)]
fn integer(value: u64) -> f64 {
    f64::from_bits(MAGIC | value) - TWO_52
}

#[inline(always)]
fn polynomial<const N: usize>(coefficients: &[f64; N], x: f64) -> f64 {
    let mut sum = coefficients[N - 1];
    for i in (0..N - 1).rev() {
        sum = sum * x + coefficients[i];
    }
    sum
}
