//! A synthetic data set: glyphs drawn in code, so that an experiment runs on a machine that has no data.
//!
//! Ten letter-like shapes of a few strokes each, drawn on 28 x 28 pixels with a round pen. Each sample has its own rotation,
//! size, shear, place, pen and ink, one stray stroke and noise on every pixel. They are no recordings of anything: results on
//! them say that training works, not how good a device is on real data.
//!
//! Only additions, multiplications, divisions and square roots are used, which IEEE 754 defines to the last bit: the same
//! seed gives the same pixels on any machine.

use crate::{Labels, Samples, Split, order::Words};
use blackbeam_plugin::Key;
use rayon::prelude::*;

/// Height and width in pixels.
const SIZE: usize = 28;
/// Channels, height and width of the images.
pub(crate) const SHAPE: [usize; 3] = [1, SIZE, SIZE];
/// Number of classes.
pub(crate) const CLASSES: usize = SHAPES.len();
/// Training samples where the experiment does not say how many.
pub const DEFAULT_TRAIN: usize = 10_000;
/// Test samples where the experiment does not say how many.
pub const DEFAULT_TEST: usize = 2_000;

type Point = (f64, f64);

/// The strokes of each class: polylines in a square from -1 to 1, x to the right and y down.
const SHAPES: [&[&[Point]]; 10] = [
    // ring
    &[&[
        (0.0, -0.9),
        (0.6, -0.6),
        (0.8, 0.0),
        (0.6, 0.6),
        (0.0, 0.9),
        (-0.6, 0.6),
        (-0.8, 0.0),
        (-0.6, -0.6),
        (0.0, -0.9),
    ]],
    // H
    &[&[(-0.7, -0.9), (-0.7, 0.9)], &[(0.7, -0.9), (0.7, 0.9)], &[(-0.7, 0.0), (0.7, 0.0)]],
    // N
    &[&[(-0.7, 0.9), (-0.7, -0.9), (0.7, 0.9), (0.7, -0.9)]],
    // S
    &[&[(0.7, -0.7), (0.0, -0.9), (-0.6, -0.6), (-0.5, -0.1), (0.5, 0.2), (0.6, 0.6), (0.0, 0.9), (-0.7, 0.7)]],
    // Z
    &[&[(-0.7, -0.8), (0.7, -0.8), (-0.7, 0.8), (0.7, 0.8)]],
    // E
    &[&[(0.7, -0.9), (-0.6, -0.9), (-0.6, 0.9), (0.7, 0.9)], &[(-0.6, 0.0), (0.5, 0.0)]],
    // T
    &[&[(-0.8, -0.8), (0.8, -0.8)], &[(0.0, -0.8), (0.0, 0.9)]],
    // triangle
    &[&[(0.0, -0.9), (0.8, 0.8), (-0.8, 0.8), (0.0, -0.9)]],
    // X
    &[&[(-0.7, -0.8), (0.7, 0.8)], &[(0.7, -0.8), (-0.7, 0.8)]],
    // Y
    &[&[(-0.7, -0.9), (0.0, 0.0), (0.7, -0.9)], &[(0.0, 0.0), (0.0, 0.9)]],
];

/// Training and test samples of `seed`. A sample depends on the seed, its part and its index only.
pub fn generate(seed: u64, train: usize, test: usize) -> (Split, Split) {
    let key = Key::new(seed).named("glyphs");
    (split(key.named("train"), train), split(key.named("test"), test))
}

fn split(key: Key, n: usize) -> Split {
    let mut images = vec![0; n * SIZE * SIZE];
    let mut labels = vec![0; n];
    images.par_chunks_exact_mut(SIZE * SIZE).zip(labels.par_iter_mut()).enumerate().for_each(|(i, (image, label))| {
        *label = draw(key.with(i as u64), image);
    });
    Split::new(n, Samples::Pixels(images), Labels::Classes(labels))
}

/// Draws the sample that `key` names and returns its class.
fn draw(key: Key, image: &mut [u8]) -> u8 {
    let mut words = Words::new(key);
    let class = words.below(SHAPES.len() as u64) as usize;
    let pose = Pose::draw(&mut words);
    let pen = words.between(0.8, 1.6);
    let mut ink = [0.0; SIZE * SIZE];
    for stroke in SHAPES[class] {
        for ends in stroke.windows(2) {
            line(&mut ink, pose.place(ends[0]), pose.place(ends[1]), pen);
        }
    }
    let edge = SIZE as f64;
    let start = (words.between(0.0, edge), words.between(0.0, edge));
    let end = (start.0 + words.between(-9.0, 9.0), start.1 + words.between(-9.0, 9.0));
    line(&mut ink, start, end, 0.8);
    let strength = words.between(140.0, 230.0);
    let paper = words.between(10.0, 40.0);
    for (pixel, ink) in image.iter_mut().zip(ink) {
        *pixel = (paper + strength * ink + NOISE * nearly_normal(words.word())).clamp(0.0, 255.0) as u8;
    }
    class as u8
}

/// Standard deviation of the noise on a pixel, of 255.
const NOISE: f64 = 28.0;

/// The sum of four 16-bit uniform numbers, shifted and scaled to mean 0 and variance 1.
fn nearly_normal(word: u64) -> f64 {
    let sum: u64 = (0..4).map(|i| word >> (16 * i) & 0xFFFF).sum();
    // Each part has mean 65535 / 2 and variance (2^32 - 1) / 12: four have a deviation of 37837.2.
    (sum as f64 - 131_070.0) / 37_837.2
}

/// Where and how a glyph stands: x' = a x + b y + e, y' = c x + d y + f, in pixels.
struct Pose {
    a: f64,
    b: f64,
    c: f64,
    d: f64,
    e: f64,
    f: f64,
}

impl Pose {
    /// Rotation by up to 20 degrees, size 6.5 to 10 pixels a unit (width and height apart), shear up to 0.25, moved by up to 2.2
    /// pixels.
    fn draw(words: &mut Words) -> Pose {
        // t = tan(angle / 2) makes sine and cosine rational in t.
        let t = words.between(-0.18, 0.18);
        let (cos, sin) = ((1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t));
        let (wide, high) = (words.between(6.5, 10.0), words.between(6.5, 10.0));
        let shear = words.between(-0.25, 0.25);
        let middle = SIZE as f64 / 2.0;
        Pose {
            a: cos * wide,
            b: (cos * shear - sin) * high,
            c: sin * wide,
            d: (sin * shear + cos) * high,
            e: middle + words.between(-2.2, 2.2),
            f: middle + words.between(-2.2, 2.2),
        }
    }

    fn place(&self, (x, y): Point) -> Point {
        (self.a * x + self.b * y + self.e, self.c * x + self.d * y + self.f)
    }
}

/// Draws the line between two points (pixel (r, c) has its middle at x = c + 1/2, y = r + 1/2) with a round pen of this
/// radius: full ink within, none one pixel further out.
fn line(ink: &mut [f64; SIZE * SIZE], (x0, y0): Point, (x1, y1): Point, radius: f64) {
    let reach = radius + 1.0;
    let pixels = |low: f64, high: f64| {
        // Conversion to usize saturates at 0.
        let first = (low - reach - 0.5).ceil() as usize;
        first..(((high + reach - 0.5).floor() + 1.0) as usize).min(SIZE)
    };
    let (dx, dy) = (x1 - x0, y1 - y0);
    let squared = (dx * dx + dy * dy).max(1e-12);
    for row in pixels(y0.min(y1), y0.max(y1)) {
        for column in pixels(x0.min(x1), x0.max(x1)) {
            let (px, py) = (column as f64 + 0.5 - x0, row as f64 + 0.5 - y0);
            let along = ((px * dx + py * dy) / squared).clamp(0.0, 1.0);
            let (ox, oy) = (px - along * dx, py - along * dy);
            let covered = (reach - (ox * ox + oy * oy).sqrt()).clamp(0.0, 1.0);
            let at = &mut ink[row * SIZE + column];
            *at = at.max(covered);
        }
    }
}

#[cfg(test)]
#[path = "glyphs_tests.rs"]
mod tests;
