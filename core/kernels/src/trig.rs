//! Sine and cosine of slices.
//!
//! Reduction by a three-part pi/2 (Cody and Waite) to [-pi/4, pi/4] with the tail kept, then the minimax polynomials of
//! fdlibm (Sun Microsystems, `k_sin.c` and `k_cos.c`). The error is below 1 ulp; what is beyond 10^5 in magnitude, or is no number,
//! goes to the standard library.

use crate::{Arch, Level, Task};
use std::f64::consts::{FRAC_2_PI, TAU};

/// sin and cos of every angle, radians. All slices must have one length.
///
/// # Panics
/// If they do not.
pub fn sin_cos(level: Level, angles: &[f64], sin: &mut [f64], cos: &mut [f64]) {
    level.run(SinCos { angles, sin, cos });
}

struct SinCos<'a> {
    angles: &'a [f64],
    sin: &'a mut [f64],
    cos: &'a mut [f64],
}

impl Task for SinCos<'_> {
    type Output = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        sin_cos_of::<A>(self.angles, self.sin, self.cos);
    }
}

/// Angles that are taken together: whole vectors on every level.
const CHUNK: usize = 16;
/// Multiples of pi/2 up to here are exact in the first part of the reduction.
const LARGEST: f64 = 1e5;

/// As [`sin_cos`], for use inside a [`Task`].
#[inline(always)]
pub fn sin_cos_of<A: Arch>(angles: &[f64], sin: &mut [f64], cos: &mut [f64]) {
    assert!(angles.len() == sin.len() && angles.len() == cos.len(), "three slices of one length");
    let chunks = angles.chunks(CHUNK).zip(sin.chunks_mut(CHUNK)).zip(cos.chunks_mut(CHUNK));
    for ((angles, sin), cos) in chunks {
        let (mut x, mut s, mut c) = ([0.0; CHUNK], [0.0; CHUNK], [0.0; CHUNK]);
        match <&[f64; CHUNK]>::try_from(angles) {
            Ok(whole) => x = *whole,
            Err(_) => x[..angles.len()].copy_from_slice(angles),
        }
        let mut inside = true;
        for i in 0..CHUNK {
            inside &= x[i].abs() <= LARGEST;
            (s[i], c[i]) = reduced::<A>(x[i]);
        }
        if !inside {
            fix(&x, &mut s, &mut c);
        }
        match (<&mut [f64; CHUNK]>::try_from(&mut *sin), <&mut [f64; CHUNK]>::try_from(&mut *cos)) {
            (Ok(sin), Ok(cos)) => (*sin, *cos) = (s, c),
            _ => {
                sin.copy_from_slice(&s[..sin.len()]);
                cos.copy_from_slice(&c[..cos.len()]);
            }
        }
    }
}

#[cold]
#[inline(never)]
fn fix(x: &[f64; CHUNK], s: &mut [f64; CHUNK], c: &mut [f64; CHUNK]) {
    for i in 0..CHUNK {
        if x[i].abs() > LARGEST || x[i].is_nan() {
            (s[i], c[i]) = x[i].sin_cos();
        }
    }
}

// pi/2 in parts of 33 bits, and the rest (fdlibm, e_rem_pio2.c).
const FIRST: f64 = f64::from_bits(0x3FF9_21FB_5440_0000);
const SECOND: f64 = f64::from_bits(0x3DD0_B461_1A60_0000);
const REST: f64 = f64::from_bits(0x3BA3_198A_2E03_7073);
// Adding this puts the nearest integer into the lowest bits.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// (sin, cos), for magnitudes up to `LARGEST`.
#[inline(always)]
pub(crate) fn reduced<A: Arch>(x: f64) -> (f64, f64) {
    let shifted = x * FRAC_2_PI + ROUND;
    let n = shifted - ROUND;
    let quadrant = shifted.to_bits();
    let first = x - n * FIRST;
    let part = n * SECOND;
    let second = first - part;
    let rest = n * REST - ((first - second) - part);
    let y = second - rest;
    let tail = (second - y) - rest;
    let (s, c) = (sine::<A>(y, tail), cosine::<A>(y, tail));
    turned(s, c, quadrant)
}

/// The angle less whole turns, for magnitudes up to `LARGEST`.
#[inline(always)]
pub(crate) fn wrapped<A: Arch>(x: f64) -> f64 {
    let n = 4.0 * ((x * (0.25 * FRAC_2_PI) + ROUND) - ROUND);
    less::<A>(x, n)
}

/// x - n pi/2.
#[inline(always)]
fn less<A: Arch>(x: f64, n: f64) -> f64 {
    A::mul_add(-n, REST, A::mul_add(-n, SECOND, A::mul_add(-n, FIRST, x)))
}

/// The nearest integer, modulo 2^32 and more, for magnitudes up to 2^51.
#[inline(always)]
pub(crate) fn integer(x: f64) -> u64 {
    (x + ROUND).to_bits()
}

/// As `reduced` without the tail: the error is below 2 ulp.
#[inline(always)]
pub(crate) fn short<A: Arch>(x: f64) -> (f64, f64) {
    let shifted = A::mul_add(x, FRAC_2_PI, ROUND);
    let y = less::<A>(x, shifted - ROUND);
    let z = y * y;
    let s = A::mul_add(y * z, polynomial::<A>(z, &S), y);
    let c = A::mul_add(z * z, polynomial::<A>(z, &C), A::mul_add(-0.5, z, 1.0));
    turned(s, c, shifted.to_bits())
}

/// (sin, cos) of 2^-32 turns: polynomials of Cephes (Moshier, `sinf.c`).
#[inline(always)]
pub(crate) fn single(phase: u32) -> (f32, f32) {
    const UNIT: f32 = (TAU / 4_294_967_296.0) as f32;
    let quadrant = phase.wrapping_add(1 << 29) >> 30;
    let y = phase.wrapping_sub(quadrant << 30) as i32 as f32 * UNIT;
    let z = y * y;
    let s = y + y * z * ((-1.951_529_6e-4 * z + 8.332_161e-3) * z - 1.666_665_5e-1);
    let c = (1.0 - 0.5 * z) + z * z * ((2.443_315_7e-5 * z - 1.388_731_6e-3) * z + 4.166_664_6e-2);
    let swap = (quadrant & 1).wrapping_neg();
    let (s, c) = (s.to_bits(), c.to_bits());
    let (sin, cos) = ((s & !swap) | (c & swap), (c & !swap) | (s & swap));
    let (sign_sin, sign_cos) = ((quadrant & 2) << 30, (quadrant.wrapping_add(1) & 2) << 30);
    (f32::from_bits(sin ^ sign_sin), f32::from_bits(cos ^ sign_cos))
}

/// Quadrants: (s, c), (c, -s), (-s, -c), (-c, s).
#[inline(always)]
fn turned(s: f64, c: f64, quadrant: u64) -> (f64, f64) {
    let swap = (quadrant & 1).wrapping_neg();
    let (s, c) = (s.to_bits(), c.to_bits());
    let (sin, cos) = ((s & !swap) | (c & swap), (c & !swap) | (s & swap));
    let (sign_sin, sign_cos) = ((quadrant & 2) << 62, (quadrant.wrapping_add(1) & 2) << 62);
    (f64::from_bits(sin ^ sign_sin), f64::from_bits(cos ^ sign_cos))
}

// Of fdlibm, k_sin.c and k_cos.c.
const S: [f64; 6] = [
    -1.666_666_666_666_663_2e-1,
    8.333_333_333_322_49e-3,
    -1.984_126_982_985_795e-4,
    2.755_731_370_707_006_8e-6,
    -2.505_076_025_340_686_3e-8,
    1.589_690_995_211_55e-10,
];
const C: [f64; 6] = [
    4.166_666_666_666_66e-2,
    -1.388_888_888_887_411e-3,
    2.480_158_728_947_673e-5,
    -2.755_731_435_139_066_3e-7,
    2.087_572_321_298_175e-9,
    -1.135_964_755_778_819_5e-11,
];

#[inline(always)]
fn sine<A: Arch>(x: f64, tail: f64) -> f64 {
    let z = x * x;
    let r = polynomial::<A>(z, &[S[1], S[2], S[3], S[4], S[5]]);
    let v = z * x;
    x - ((z * (0.5 * tail - v * r) - tail) - v * S[0])
}

#[inline(always)]
fn cosine<A: Arch>(x: f64, tail: f64) -> f64 {
    let z = x * x;
    let r = z * polynomial::<A>(z, &C);
    let half = 0.5 * z;
    let w = 1.0 - half;
    w + (((1.0 - w) - half) + (z * r - x * tail))
}

#[inline(always)]
fn polynomial<A: Arch>(z: f64, coefficients: &[f64]) -> f64 {
    let mut sum = 0.0;
    for &c in coefficients.iter().rev() {
        sum = A::mul_add(sum, z, c);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    /// Against the standard library, and the same bits wherever an angle stands.
    #[test]
    fn sines_and_cosines() {
        let mut random = Random(1);
        let mut angles: Vec<f64> = Vec::new();
        for scale in [1e-8, 1.0, 7.0, 100.0, 1e4, 0.999e5, 1e7, 1e300] {
            angles.extend((0..5001).map(|_| scale * random.signed()));
        }
        let quarter = std::f64::consts::FRAC_PI_4;
        angles.extend((-4000..4000).map(|k| f64::from(k) * quarter));
        angles.extend([0.0, -0.0, 1e5, -1e5, 1e-310, 5e-324]);
        for level in Level::available() {
            let count = angles.len();
            let (mut sin, mut cos) = (vec![0.0; count], vec![0.0; count]);
            sin_cos(level, &angles, &mut sin, &mut cos);
            for (i, x) in angles.iter().enumerate() {
                let (s, c) = x.sin_cos();
                let ulps = |found: f64, expected: f64| (found.to_bits() as i64 - expected.to_bits() as i64).abs();
                assert!(ulps(sin[i], s) <= 2, "sin {x:e}: {} {s} {level:?}", sin[i]);
                assert!(ulps(cos[i], c) <= 2, "cos {x:e}: {} {c} {level:?}", cos[i]);
            }
            for first in [1, 7, 16, count - 3] {
                let (mut s, mut c) = (vec![0.0; count - first], vec![0.0; count - first]);
                sin_cos(level, &angles[first..], &mut s, &mut c);
                assert!(s == sin[first..] && c == cos[first..], "from {first} on");
            }
            let (mut s, mut c) = ([0.0; 3], [0.0; 3]);
            sin_cos(level, &[f64::NAN, f64::INFINITY, 1.0], &mut s, &mut c);
            assert!(s[0].is_nan() && c[1].is_nan() && (s[2] - 1f64.sin()).abs() < 1e-15);
        }
    }
}
