//! The data sets there are, and what a sample of each is.

use crate::{CopyingMemory, Equalization, cifar, glyphs, idx};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A data set by its name. `glyphs`, `equalization` and `copying_memory` are drawn in code from the run's seed; all others are
/// read from the folder that the environment variable BLACKBEAM_DATA names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SetName {
    /// Synthetic, drawn in code from the run's seed: 28x28 glyphs of 10 classes, distorted and noisy. No files needed.
    Glyphs,
    /// Handwritten digits, 28x28, 10 classes, from `mnist/` (IDX files, gzip or not).
    Mnist,
    /// Photographs of clothes, 28x28, 10 classes, from `fashion-mnist/` (IDX files, gzip or not).
    FashionMnist,
    /// Colour photographs, 3x32x32, 10 classes, from `cifar-10-batches-bin/` (the binary version).
    Cifar10,
    /// Drawn in code: |W x| of `size` complex numbers x for a fixed matrix W with `singular_values`. A sample is [2 size]: (re,
    /// im) pairs of x; targets are numbers, `[size]`.
    Equalization,
    /// Drawn in code: `length` of so many `symbols` are to be repeated after a `delay`. A sample is [2 length + delay, symbols +
    /// 2], one-hot; the target is one of these classes for each position.
    CopyingMemory,
}

impl SetName {
    /// The name used in experiment files and messages.
    pub fn name(self) -> &'static str {
        match self {
            SetName::Glyphs => "glyphs",
            SetName::Mnist => "mnist",
            SetName::FashionMnist => "fashion_mnist",
            SetName::Cifar10 => "cifar10",
            SetName::Equalization => "equalization",
            SetName::CopyingMemory => "copying_memory",
        }
    }
}

/// A data set with the settings that decide what its samples are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Set {
    /// See [`SetName::Glyphs`].
    Glyphs,
    /// See [`SetName::Mnist`].
    Mnist,
    /// See [`SetName::FashionMnist`].
    FashionMnist,
    /// See [`SetName::Cifar10`].
    Cifar10,
    /// See [`Equalization`].
    Equalization(Equalization),
    /// See [`CopyingMemory`].
    CopyingMemory(CopyingMemory),
}

/// What is to be found for a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// One of so many classes.
    Class(usize),
    /// One of the classes at each position.
    ClassPerPosition {
        /// How many positions.
        positions: usize,
        /// How many classes.
        classes: usize,
    },
    /// So many numbers.
    Numbers(usize),
}

impl Target {
    /// Shape of a network's outputs for one sample: a number for each class (at each position), or the numbers themselves.
    pub fn output_shape(self) -> Vec<usize> {
        match self {
            Target::Class(classes) => vec![classes],
            Target::ClassPerPosition { positions, classes } => vec![positions, classes],
            Target::Numbers(count) => vec![count],
        }
    }

    /// How many classes, or numbers, belong to one sample.
    pub fn per_sample(self) -> usize {
        match self {
            Target::Class(_) => 1,
            Target::ClassPerPosition { positions, .. } => positions,
            Target::Numbers(count) => count,
        }
    }

    /// True if classes are to be found.
    pub fn is_classes(self) -> bool {
        !matches!(self, Target::Numbers(_))
    }
}

impl Set {
    /// Which it is, without its settings.
    pub fn set_name(self) -> SetName {
        match self {
            Set::Glyphs => SetName::Glyphs,
            Set::Mnist => SetName::Mnist,
            Set::FashionMnist => SetName::FashionMnist,
            Set::Cifar10 => SetName::Cifar10,
            Set::Equalization(_) => SetName::Equalization,
            Set::CopyingMemory(_) => SetName::CopyingMemory,
        }
    }

    /// The name used in experiment files and messages.
    pub fn name(self) -> &'static str {
        self.set_name().name()
    }

    /// Its folder within the folder of the data sets; empty for a set that is drawn in code.
    pub fn folder(self) -> &'static str {
        match self {
            Set::Mnist => "mnist",
            Set::FashionMnist => "fashion-mnist",
            Set::Cifar10 => "cifar-10-batches-bin",
            Set::Glyphs | Set::Equalization(_) | Set::CopyingMemory(_) => "",
        }
    }

    /// Where its files are to be had; empty for a set that is drawn in code.
    pub fn home(self) -> &'static str {
        match self {
            Set::Mnist => "https://yann.lecun.com/exdb/mnist/ or https://ossci-datasets.s3.amazonaws.com/mnist/",
            Set::FashionMnist => "https://github.com/zalandoresearch/fashion-mnist",
            Set::Cifar10 => "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            Set::Glyphs | Set::Equalization(_) | Set::CopyingMemory(_) => "",
        }
    }

    /// Channels, height and width of a set of images; `None` for what is no image.
    pub fn image(self) -> Option<[usize; 3]> {
        match self {
            Set::Glyphs => Some(glyphs::SHAPE),
            Set::Mnist | Set::FashionMnist => Some(idx::SHAPE),
            Set::Cifar10 => Some(cifar::SHAPE),
            Set::Equalization(_) | Set::CopyingMemory(_) => None,
        }
    }

    /// Shape of one sample: `[channels, height, width]`, `[numbers]` or `[positions, classes]` (one-hot).
    pub fn shape(self) -> Vec<usize> {
        match self {
            Set::Glyphs => glyphs::SHAPE.to_vec(),
            Set::Mnist | Set::FashionMnist => idx::SHAPE.to_vec(),
            Set::Cifar10 => cifar::SHAPE.to_vec(),
            Set::Equalization(task) => vec![2 * task.size],
            Set::CopyingMemory(task) => vec![task.positions(), task.classes()],
        }
    }

    /// What is to be found for a sample.
    pub fn target(self) -> Target {
        match self {
            Set::Glyphs => Target::Class(glyphs::CLASSES),
            Set::Mnist | Set::FashionMnist => Target::Class(idx::CLASSES),
            Set::Cifar10 => Target::Class(cifar::CLASSES),
            Set::Equalization(task) => Target::Numbers(task.size),
            Set::CopyingMemory(task) => {
                Target::ClassPerPosition { positions: task.positions(), classes: task.classes() }
            }
        }
    }

    /// True if its samples are drawn in code.
    pub fn is_synthetic(self) -> bool {
        self.default_samples().is_some()
    }

    /// Training and test samples of a set that is drawn in code where nobody says how many.
    pub fn default_samples(self) -> Option<(usize, usize)> {
        match self {
            Set::Glyphs => Some((glyphs::DEFAULT_TRAIN, glyphs::DEFAULT_TEST)),
            // as Sawada 2025, section 5.1
            Set::Equalization(_) | Set::CopyingMemory(_) => Some((60_000, 10_000)),
            Set::Mnist | Set::FashionMnist | Set::Cifar10 => None,
        }
    }

    /// Bytes that one sample and its target take in memory.
    pub fn bytes_per_sample(self) -> usize {
        match self {
            Set::Glyphs | Set::Mnist | Set::FashionMnist | Set::Cifar10 => {
                self.shape().iter().product::<usize>() + self.target().per_sample()
            }
            Set::Equalization(task) => 3 * task.size * size_of::<f64>(),
            Set::CopyingMemory(task) => 2 * task.positions(),
        }
    }

    /// Whether its settings make sense.
    ///
    /// # Errors
    /// The name of the setting and what is wrong with it.
    pub fn check(self) -> Result<(), (&'static str, String)> {
        match self {
            Set::Equalization(task) => task.check(),
            Set::CopyingMemory(task) => task.check(),
            Set::Glyphs | Set::Mnist | Set::FashionMnist | Set::Cifar10 => Ok(()),
        }
    }
}
