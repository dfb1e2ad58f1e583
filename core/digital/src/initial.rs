//! Initial weights. Each parameter has its own stream, named after it, so that its values depend on nothing else.

use crate::Scalar;
use blackbeam_plugin::Key;

/// Distribution of the initial values of a parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Initial {
    /// All the same.
    Constant(f64),
    /// Uniform within +-1/sqrt(fan in): PyTorch's default for linear and convolution layers, which is Kaiming's uniform
    /// initialisation (He et al. 2015, equation 10) with a gain of 1/sqrt(3).
    FanIn(usize),
    /// Standard normal.
    Normal,
}

impl Initial {
    pub(crate) fn draw<T: Scalar>(self, key: Key, len: usize) -> Vec<T> {
        match self {
            Initial::Constant(value) => vec![T::of(value); len],
            Initial::FanIn(fan) => {
                let bound = 1.0 / (fan as f64).sqrt();
                (0..len as u64).map(|i| T::of(bound * (2.0 * key.uniform(i) - 1.0))).collect()
            }
            Initial::Normal => {
                let mut values = vec![0.0; len];
                key.fill_normal(0, &mut values);
                values.into_iter().map(T::of).collect()
            }
        }
    }
}
