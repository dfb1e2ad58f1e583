//! Detection of many vectors, element by element.

use super::{Light, physics::Direct};
use crate::chain::{
    converter::Adc,
    levels::{Real, levels},
};
use blackbeam_plugin::Key;

/// Numbers whose noise is drawn together: it never leaves the first cache.
pub(super) const TILE: usize = 512;

/// The end of the chain: y -> gain y + std noise -> ADC.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    /// 0 without noise.
    pub std: f64,
    pub adc: Option<Adc>,
}

levels! {
    /// y *= factor
    pub fn scale<T>(y: &mut [T], factor: f64) = each_scaled;
    /// Turns and stretches (re, im) pairs: times c + i s.
    pub fn turn<T>(fields: &mut [T], c: f64, s: f64) = each_turned;
    /// Real (0) or imaginary (1) parts of pairs.
    pub fn part<T>(fields: &[T], which: usize, y: &mut [T]) = each_part;
    /// y += noise, of a variance that grows with |y|.
    pub fn add_shot<T>(noise: &[f64], direct: Direct, y: &mut [T]) = each_shot;
    /// Powers, as detectors with noise read them.
    pub fn detect(noise: &[f64], direct: Direct, powers: &mut [f64]) = each_detected;
    /// Powers of what arrives.
    pub fn powers<T, U>(fields: &[T], light: Light, y: &mut [U]) = each_power;
    /// Differences of two powers.
    pub fn differences<T>(plus: &[T], minus: &[T], light: Light, y: &mut [T]) = each_difference;
    /// From powers to amplitudes.
    pub fn roots<T>(y: &mut [T]) = each_root;
    /// Readings as answers; their roots where `root`, of those that are positive.
    pub fn read<T>(powers: &[f64], root: bool, y: &mut [T]) = each_read;
    /// The end of the chain; noise has the elements of a key from a number on. Without `gains` all are 1.
    pub fn finish<T>(chain: Chain, noise: (Key, u64), gains: &[f64], y: &mut [T]) = each_finished;
}

#[inline(always)]
fn each_scaled<T: Real>(y: &mut [T], factor: f64) {
    for y in y {
        *y = T::from_f64(y.to_f64() * factor);
    }
}

#[inline(always)]
fn each_turned<T: Real>(fields: &mut [T], c: f64, s: f64) {
    for f in fields.as_chunks_mut::<2>().0 {
        let [re, im] = f.map(T::to_f64);
        *f = [c * re - s * im, s * re + c * im].map(T::from_f64);
    }
}

#[inline(always)]
fn each_part<T: Real>(fields: &[T], which: usize, y: &mut [T]) {
    for (y, f) in y.iter_mut().zip(fields.as_chunks::<2>().0) {
        *y = if which == 0 { f[0] } else { f[1] };
    }
}

#[inline(always)]
fn each_shot<T: Real>(noise: &[f64], direct: Direct, y: &mut [T]) {
    for (y, z) in y.iter_mut().zip(noise) {
        let mean = y.to_f64();
        *y = T::from_f64(mean + direct.read(mean.abs()).1 * z);
    }
}

#[inline(always)]
fn each_detected(noise: &[f64], direct: Direct, powers: &mut [f64]) {
    for (power, z) in powers.iter_mut().zip(noise) {
        let (mean, std) = direct.read(*power);
        *power = mean + std * z;
    }
}

#[inline(always)]
fn each_read<T: Real>(powers: &[f64], root: bool, y: &mut [T]) {
    for (y, &power) in y.iter_mut().zip(powers) {
        *y = T::from_f64(if root { positive(power).sqrt() } else { power });
    }
}

#[inline(always)]
fn each_power<T: Real, U: Real>(fields: &[T], light: Light, y: &mut [U]) {
    match light {
        Light::Powers => y.iter_mut().zip(fields).for_each(|(y, p)| *y = U::from_f64(positive(p.to_f64()))),
        Light::Fields => y.iter_mut().zip(fields).for_each(|(y, f)| *y = U::from_f64(f.to_f64() * f.to_f64())),
        Light::Pairs => {
            y.iter_mut().zip(fields.as_chunks::<2>().0).for_each(|(y, f)| *y = U::from_f64(square(f)));
        }
    }
}

#[inline(always)]
fn each_difference<T: Real>(plus: &[T], minus: &[T], light: Light, y: &mut [T]) {
    match light {
        Light::Powers => {
            let power = |p: &T| positive(p.to_f64());
            let pairs = y.iter_mut().zip(plus).zip(minus);
            pairs.for_each(|((y, p), m)| *y = T::from_f64(power(p) - power(m)));
        }
        Light::Fields => {
            let power = |f: &T| f.to_f64() * f.to_f64();
            let pairs = y.iter_mut().zip(plus).zip(minus);
            pairs.for_each(|((y, p), m)| *y = T::from_f64(power(p) - power(m)));
        }
        Light::Pairs => {
            let pairs = y.iter_mut().zip(plus.as_chunks::<2>().0).zip(minus.as_chunks::<2>().0);
            pairs.for_each(|((y, p), m)| *y = T::from_f64(square(p) - square(m)));
        }
    }
}

#[inline(always)]
fn each_root<T: Real>(y: &mut [T]) {
    for y in y {
        *y = T::from_f64(positive(y.to_f64()).sqrt());
    }
}

#[inline(always)]
fn each_finished<T: Real>(Chain { std, adc }: Chain, (key, first): (Key, u64), gains: &[f64], y: &mut [T]) {
    for (y, gain) in y.iter_mut().zip(gains) {
        *y = T::from_f64(y.to_f64() * gain);
    }
    // One block more than fits: a tile may begin within one.
    let mut drawn = [[0.0; 4]; TILE / 4 + 1];
    for (tile, y) in y.chunks_mut(TILE).enumerate() {
        let first = first.wrapping_add((tile * TILE) as u64);
        let skipped = if std > 0.0 { (first % 4) as usize } else { 0 };
        if std > 0.0 {
            key.fill_normal_blocks(first / 4, &mut drawn[..(skipped + y.len()).div_ceil(4)]);
        }
        let noise = &drawn.as_flattened()[skipped..skipped + y.len()];
        match adc {
            Some(adc) => {
                for (y, z) in y.iter_mut().zip(noise) {
                    *y = T::from_f64(adc.read(y.to_f64() + std * z));
                }
            }
            None => {
                for (y, z) in y.iter_mut().zip(noise) {
                    *y = T::from_f64(y.to_f64() + std * z);
                }
            }
        }
    }
}

#[inline(always)]
fn square<T: Real>(f: &[T; 2]) -> f64 {
    let [re, im] = f.map(T::to_f64);
    re * re + im * im
}

#[inline(always)]
fn positive(x: f64) -> f64 {
    if x > 0.0 { x } else { 0.0 }
}
