//! A data set in memory.

use crate::{DataError, FileHash, Result, cifar, glyphs, idx};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The environment variable that names the folder of the data sets. The caller reads it.
pub const FOLDER_VARIABLE: &str = "BLACKBEAM_DATA";

/// A data set. All but `glyphs` are read from the folder that the environment variable BLACKBEAM_DATA names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Set {
    /// Synthetic, drawn in code from the run's seed: 28x28 glyphs of 10 classes, distorted and noisy. No files needed.
    Glyphs,
    /// Handwritten digits, 28x28, 10 classes, from `mnist/` (IDX files, gzip or not).
    Mnist,
    /// Photographs of clothes, 28x28, 10 classes, from `fashion-mnist/` (IDX files, gzip or not).
    FashionMnist,
    /// Colour photographs, 3x32x32, 10 classes, from `cifar-10-batches-bin/` (the binary version).
    Cifar10,
}

impl Set {
    /// The name used in experiment files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Set::Glyphs => "glyphs",
            Set::Mnist => "mnist",
            Set::FashionMnist => "fashion_mnist",
            Set::Cifar10 => "cifar10",
        }
    }

    /// Its folder within the folder of the data sets; empty for a synthetic set.
    pub fn folder(self) -> &'static str {
        match self {
            Set::Glyphs => "",
            Set::Mnist => "mnist",
            Set::FashionMnist => "fashion-mnist",
            Set::Cifar10 => "cifar-10-batches-bin",
        }
    }

    /// Where its files are to be had; empty for a synthetic set.
    pub fn home(self) -> &'static str {
        match self {
            Set::Glyphs => "",
            Set::Mnist => "https://yann.lecun.com/exdb/mnist/ or https://ossci-datasets.s3.amazonaws.com/mnist/",
            Set::FashionMnist => "https://github.com/zalandoresearch/fashion-mnist",
            Set::Cifar10 => "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        }
    }

    /// Shape of one sample: channels, height, width.
    pub fn shape(self) -> [usize; 3] {
        match self {
            Set::Glyphs | Set::Mnist | Set::FashionMnist => [1, 28, 28],
            Set::Cifar10 => [3, 32, 32],
        }
    }

    /// Number of classes.
    pub fn classes(self) -> usize {
        10
    }

    /// True if its samples are drawn in code.
    pub fn is_synthetic(self) -> bool {
        self == Set::Glyphs
    }
}

/// Training or test samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The samples that are trained on.
    Train,
    /// The samples held out.
    Test,
}

/// How many samples are used: `None` for all (for the default number of [`glyphs`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Training samples.
    pub train: Option<usize>,
    /// Test samples.
    pub test: Option<usize>,
}

/// Samples and their labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Pixels `[n, channels, height, width]`.
    pub images: Vec<u8>,
    /// Labels `[n]`.
    pub labels: Vec<u8>,
}

impl Split {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// True if there is no sample.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    fn keep_first(&mut self, n: usize, pixels: usize) {
        self.images.truncate(n * pixels);
        self.labels.truncate(n);
    }
}

/// How pixels become the numbers that the network sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Normalise {
    /// Each channel shifted and scaled to mean 0 and variance 1 over the training samples used.
    #[default]
    Standard,
    /// Pixels from 0 to 1.
    Unit,
}

/// value = (pixel / 255 - mean) / deviation, per channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalisation {
    /// Mean of each channel of pixel / 255.
    pub mean: Vec<f64>,
    /// Standard deviation of each channel of pixel / 255.
    pub deviation: Vec<f64>,
}

impl Normalisation {
    fn new(rule: Normalise, split: &Split, [channels, height, width]: [usize; 3]) -> Self {
        let unit = Normalisation { mean: vec![0.0; channels], deviation: vec![1.0; channels] };
        if rule == Normalise::Unit {
            return unit;
        }
        let mut normalisation = unit;
        // Sums of bytes are whole numbers: exact, in whatever order.
        let mut sums = vec![(0u64, 0u64); channels];
        for (i, plane) in split.images.chunks_exact(height * width).enumerate() {
            let (sum, squares) = &mut sums[i % channels];
            for &p in plane {
                *sum += u64::from(p);
                *squares += u64::from(p) * u64::from(p);
            }
        }
        let n = (split.len() * height * width).max(1) as f64;
        for (c, (sum, squares)) in sums.into_iter().enumerate() {
            let mean = sum as f64 / n;
            let variance = squares as f64 / n - mean * mean;
            normalisation.mean[c] = mean / 255.0;
            // A channel without contrast is only shifted.
            normalisation.deviation[c] = if variance > 0.0 { variance.sqrt() / 255.0 } else { 1.0 };
        }
        normalisation
    }
}

/// A data set in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Which it is.
    pub set: Set,
    /// Training samples.
    pub train: Split,
    /// Test samples.
    pub test: Split,
    /// How pixels become numbers.
    pub normalisation: Normalisation,
    /// The files it was read from; none if it is synthetic.
    pub files: Vec<FileHash>,
}

impl Dataset {
    /// Shape of one sample: channels, height, width.
    pub fn shape(&self) -> [usize; 3] {
        self.set.shape()
    }

    /// Numbers in one sample.
    pub fn width(&self) -> usize {
        self.shape().iter().product()
    }

    /// The samples of one part.
    pub fn part(&self, part: Part) -> &Split {
        match part {
            Part::Train => &self.train,
            Part::Test => &self.test,
        }
    }
}

/// Reads or draws a data set. `folder` is the folder of the data sets (the value of [`FOLDER_VARIABLE`]); `seed` is used
/// by the synthetic set only.
///
/// # Errors
/// What is missing or wrong with which file, and where it is to be had.
pub fn load(set: Set, folder: Option<&Path>, limits: Limits, normalise: Normalise, seed: u64) -> Result<Dataset> {
    for (part, limit) in [("training", limits.train), ("test", limits.test)] {
        if limit == Some(0) {
            return Err(DataError::Empty { set, part });
        }
    }
    let root = || folder.ok_or(DataError::NoFolder { set });
    let ((mut train, mut hashes), (mut test, test_hashes)) = match set {
        Set::Glyphs => {
            let (train, test) = glyphs::generate(
                seed,
                limits.train.unwrap_or(glyphs::DEFAULT_TRAIN),
                limits.test.unwrap_or(glyphs::DEFAULT_TEST),
            );
            ((train, Vec::new()), (test, Vec::new()))
        }
        Set::Mnist | Set::FashionMnist => (idx::read(set, root()?, "train")?, idx::read(set, root()?, "t10k")?),
        Set::Cifar10 => {
            let batches = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"];
            (cifar::read(set, root()?, &batches)?, cifar::read(set, root()?, &["test_batch"])?)
        }
    };
    let pixels = set.shape().iter().product();
    for (part, split, limit) in [("training", &mut train, limits.train), ("test", &mut test, limits.test)] {
        let asked = limit.unwrap_or(split.len().max(1));
        if asked > split.len() {
            return Err(DataError::TooFew { set, part, asked, found: split.len() });
        }
        split.keep_first(asked, pixels);
    }
    hashes.extend(test_hashes);
    let normalisation = Normalisation::new(normalise, &train, set.shape());
    Ok(Dataset { set, train, test, normalisation, files: hashes })
}

#[cfg(test)]
#[path = "dataset_tests.rs"]
mod tests;
