//! From what is kept of a sample to the numbers of a batch.

use crate::{Dataset, Labels, Part, Samples, order::Words};
use blackbeam_plugin::Key;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A number that batches are made of: `f32` or `f64`.
pub trait Real: Copy {
    /// The nearest such number.
    fn from_f64(value: f64) -> Self;
}

impl Real for f32 {
    fn from_f64(value: f64) -> Self {
        value as f32
    }
}

impl Real for f64 {
    fn from_f64(value: f64) -> Self {
        value
    }
}

/// Random changes of training images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Mirror left and right with probability 1/2.
    pub flip: bool,
    /// Pad with so many black pixels on each side, then crop to the old size at a random place.
    pub crop: usize,
}

/// One drawn change: pixel (row, column) comes from (row + down, column' + right), where column' is mirrored or not.
#[derive(Clone, Copy)]
struct Change {
    flip: bool,
    down: isize,
    right: isize,
}

impl Augment {
    /// The change of sample `index` in the epoch that `key` names.
    fn draw(&self, key: Key, index: usize) -> Change {
        let mut words = Words::new(key.with(index as u64));
        let flip = words.word() & 1 == 1 && self.flip;
        let mut offset = || words.below(2 * self.crop as u64 + 1) as isize - self.crop as isize;
        let (down, right) = (offset(), offset());
        Change { flip, down, right }
    }
}

impl Dataset {
    /// Fills `out` [indices.len(), shape of a sample] with the samples `indices` of `part`: pixels normalised, classes one-hot,
    /// numbers as they are.
    ///
    /// # Panics
    /// If an index is not below the number of samples or `out` has another length.
    pub fn batch<T: Real>(&self, part: Part, indices: &[usize], out: &mut [T]) {
        let width = self.width();
        assert_eq!(out.len(), indices.len() * width, "{} samples of {width} numbers", indices.len());
        let samples = indices.iter().zip(out.chunks_exact_mut(width));
        match &self.part(part).samples {
            Samples::Pixels(images) => {
                let table = self.table();
                let plane = width / table.len();
                for (&index, out) in samples {
                    let planes = images[index * width..][..width].chunks_exact(plane);
                    for ((pixels, out), values) in planes.zip(out.chunks_exact_mut(plane)).zip(&table) {
                        for (&p, o) in pixels.iter().zip(out) {
                            *o = values[usize::from(p)];
                        }
                    }
                }
            }
            Samples::Numbers(numbers) => {
                for (&index, out) in samples {
                    copy(&numbers[index * width..][..width], out);
                }
            }
            Samples::OneHot { symbols, classes } => {
                let positions = width / classes;
                let [zero, one] = [0.0, 1.0].map(T::from_f64);
                for (&index, out) in samples {
                    out.fill(zero);
                    for (&s, out) in
                        symbols[index * positions..][..positions].iter().zip(out.chunks_exact_mut(*classes))
                    {
                        out[usize::from(s)] = one;
                    }
                }
            }
        }
    }

    /// The same for training samples, changed by `augment`. `key` names the epoch; the change of a sample depends on it and
    /// on the sample's index only, never on the batch it is in.
    ///
    /// # Panics
    /// As [`batch`](Self::batch); if the samples are no images.
    pub fn augmented<T: Real>(&self, indices: &[usize], augment: &Augment, key: Key, out: &mut [T]) {
        let (Some([_, height, columns]), Samples::Pixels(images)) = (self.set.image(), &self.train.samples) else {
            panic!("samples of {} are no images", self.set.name());
        };
        let width = self.width();
        assert_eq!(out.len(), indices.len() * width, "{} samples of {width} numbers", indices.len());
        let table = self.table();
        for (&index, out) in indices.iter().zip(out.chunks_exact_mut(width)) {
            let change = augment.draw(key, index);
            let image = &images[index * width..][..width];
            let planes = image.chunks_exact(height * columns).zip(out.chunks_exact_mut(height * columns));
            for ((pixels, out), values) in planes.zip(&table) {
                for (at, o) in out.iter_mut().enumerate() {
                    let (row, column) = (at / columns, at % columns);
                    let column = if change.flip { columns - 1 - column } else { column };
                    let row = row.checked_add_signed(change.down).filter(|&r| r < height);
                    let column = column.checked_add_signed(change.right).filter(|&c| c < columns);
                    let pixel = row.zip(column).map_or(0, |(r, c)| pixels[r * columns + c]);
                    *o = values[usize::from(pixel)];
                }
            }
        }
    }

    /// Fills `out` [indices.len() x classes of a sample] with the classes of the samples `indices` of `part`, those of all
    /// positions of a sample one after the other.
    ///
    /// # Panics
    /// If the targets are numbers, an index is not below the number of samples or `out` has another length.
    pub fn classes(&self, part: Part, indices: &[usize], out: &mut [u32]) {
        let each = self.target().per_sample();
        assert_eq!(out.len(), indices.len() * each, "{each} classes a sample");
        let Labels::Classes(classes) = &self.part(part).labels else {
            panic!("targets of {} are numbers", self.set.name());
        };
        for (&index, out) in indices.iter().zip(out.chunks_exact_mut(each)) {
            for (&class, o) in classes[index * each..][..each].iter().zip(out) {
                *o = u32::from(class);
            }
        }
    }

    /// Fills `out` [indices.len(), numbers of a sample] with the target numbers of the samples `indices` of `part`.
    ///
    /// # Panics
    /// If the targets are classes, an index is not below the number of samples or `out` has another length.
    pub fn numbers<T: Real>(&self, part: Part, indices: &[usize], out: &mut [T]) {
        let each = self.target().per_sample();
        assert_eq!(out.len(), indices.len() * each, "{each} numbers a sample");
        let Labels::Numbers(numbers) = &self.part(part).labels else {
            panic!("targets of {} are classes", self.set.name());
        };
        for (&index, out) in indices.iter().zip(out.chunks_exact_mut(each)) {
            copy(&numbers[index * each..][..each], out);
        }
    }

    /// For each channel the value that each byte stands for.
    fn table<T: Real>(&self) -> Vec<[T; 256]> {
        let n = &self.normalisation;
        let value = |mean: f64, deviation: f64, byte: usize| T::from_f64((byte as f64 / 255.0 - mean) / deviation);
        n.mean.iter().zip(&n.deviation).map(|(&m, &d)| std::array::from_fn(|byte| value(m, d, byte))).collect()
    }
}

fn copy<T: Real>(from: &[f64], to: &mut [T]) {
    for (&from, to) in from.iter().zip(to) {
        *to = T::from_f64(from);
    }
}
