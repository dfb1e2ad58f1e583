//! A data set in memory.

use crate::{DataError, FileHash, Result, Set, Target, cifar, glyphs, idx};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The environment variable that names the folder of the data sets. The caller reads it.
pub const FOLDER_VARIABLE: &str = "BLACKBEAM_DATA";

/// Training or test samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The samples that are trained on.
    Train,
    /// The samples held out.
    Test,
}

/// How many samples are used: `None` for all of a set that is read from files, for [`Set::default_samples`] of one that is
/// drawn in code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Training samples.
    pub train: Option<usize>,
    /// Test samples.
    pub test: Option<usize>,
}

/// What a network is shown, sample after sample.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// Pixels `[n, channels, height, width]`.
    Pixels(Vec<u8>),
    /// Numbers `[n, numbers]`.
    Numbers(Vec<f64>),
    /// Classes `[n, positions]` that the network sees one-hot, `[n, positions, classes]`.
    OneHot {
        /// A class for each position.
        symbols: Vec<u8>,
        /// How many classes there are.
        classes: usize,
    },
}

/// What is to be found, sample after sample.
#[derive(Clone, Debug, PartialEq)]
pub enum Labels {
    /// Classes `[n]` or `[n, positions]`.
    Classes(Vec<u8>),
    /// Numbers `[n, numbers]`.
    Numbers(Vec<f64>),
}

/// Samples and their labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    count: usize,
    /// What the network is shown.
    pub samples: Samples,
    /// What is to be found.
    pub labels: Labels,
}

impl Split {
    pub(crate) fn new(count: usize, samples: Samples, labels: Labels) -> Self {
        Split { count, samples, labels }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.count
    }

    /// True if there is no sample.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Drops all but the first `n` samples.
    fn keep_first(&mut self, n: usize) {
        fn cut<T>(values: &mut Vec<T>, n: usize, of: usize) {
            values.truncate(values.len() / of.max(1) * n);
        }
        match &mut self.samples {
            Samples::Pixels(values) | Samples::OneHot { symbols: values, .. } => cut(values, n, self.count),
            Samples::Numbers(values) => cut(values, n, self.count),
        }
        match &mut self.labels {
            Labels::Classes(values) => cut(values, n, self.count),
            Labels::Numbers(values) => cut(values, n, self.count),
        }
        self.count = n.min(self.count);
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

/// value = (pixel / 255 - mean) / deviation, per channel. Without channels where samples are no images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Normalisation {
    /// Mean of each channel of pixel / 255.
    pub mean: Vec<f64>,
    /// Standard deviation of each channel of pixel / 255.
    pub deviation: Vec<f64>,
}

impl Normalisation {
    fn new(rule: Normalise, set: Set, split: &Split) -> Self {
        let (Some([channels, height, width]), Samples::Pixels(pixels)) = (set.image(), &split.samples) else {
            return Normalisation::default();
        };
        let unit = Normalisation { mean: vec![0.0; channels], deviation: vec![1.0; channels] };
        if rule == Normalise::Unit {
            return unit;
        }
        let mut normalisation = unit;
        // Sums of bytes are whole numbers: exact, in whatever order.
        let mut sums = vec![(0u64, 0u64); channels];
        for (i, plane) in pixels.chunks_exact(height * width).enumerate() {
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
    /// Shape of one sample: `[channels, height, width]`, `[numbers]` or `[positions, classes]`.
    pub fn shape(&self) -> Vec<usize> {
        self.set.shape()
    }

    /// What is to be found for a sample.
    pub fn target(&self) -> Target {
        self.set.target()
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

/// Reads or draws a data set. `folder` is the folder of the data sets (the value of [`FOLDER_VARIABLE`]); `normalise` is for
/// images; `seed` is used by sets that are drawn in code.
///
/// # Errors
/// What is missing or wrong with which file, and where it is to be had; a setting that makes no sense.
pub fn load(set: Set, folder: Option<&Path>, limits: Limits, normalise: Normalise, seed: u64) -> Result<Dataset> {
    set.check().map_err(|(_, problem)| DataError::Setting { set, problem })?;
    for (part, limit) in [("training", limits.train), ("test", limits.test)] {
        if limit == Some(0) {
            return Err(DataError::Empty { set, part });
        }
    }
    let root = || folder.ok_or(DataError::NoFolder { set });
    let drawn = |(train, test)| ((train, Vec::new()), (test, Vec::new()));
    let (default_train, default_test) = set.default_samples().unwrap_or_default();
    let (n, m) = (limits.train.unwrap_or(default_train), limits.test.unwrap_or(default_test));
    let ((mut train, mut hashes), (mut test, test_hashes)) = match set {
        Set::Glyphs => drawn(glyphs::generate(seed, n, m)),
        Set::Equalization(task) => drawn(task.generate(seed, n, m)),
        Set::CopyingMemory(task) => drawn(task.generate(seed, n, m)),
        Set::Mnist | Set::FashionMnist => (idx::read(set, root()?, "train")?, idx::read(set, root()?, "t10k")?),
        Set::Cifar10 => {
            let batches = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"];
            (cifar::read(set, root()?, &batches)?, cifar::read(set, root()?, &["test_batch"])?)
        }
    };
    for (part, split, limit) in [("training", &mut train, limits.train), ("test", &mut test, limits.test)] {
        let asked = limit.unwrap_or(split.len().max(1));
        if asked > split.len() {
            return Err(DataError::TooFew { set, part, asked, found: split.len() });
        }
        split.keep_first(asked);
    }
    hashes.extend(test_hashes);
    let normalisation = Normalisation::new(normalise, set, &train);
    Ok(Dataset { set, train, test, normalisation, files: hashes })
}

#[cfg(test)]
#[path = "dataset_tests.rs"]
mod tests;
