//! Initial weights. Each parameter has its own stream, named after it, so that its values depend on nothing else.

use crate::Scalar;
use blackbeam_layers::program::Initial;
use blackbeam_plugin::Key;
use std::f64::consts::PI;

/// Initial values of a parameter.
pub(crate) fn draw<T: Scalar>(initial: Initial, key: Key, len: usize) -> Vec<T> {
    let uniform = |i: u64| 2.0 * key.uniform(i) - 1.0;
    match initial {
        Initial::Constant(value) => vec![T::of(value); len],
        Initial::FanIn(fan) => {
            let bound = 1.0 / (fan as f64).sqrt();
            (0..len as u64).map(|i| T::of(bound * uniform(i))).collect()
        }
        Initial::Phase => (0..len as u64).map(|i| T::of(PI * (1.0 + uniform(i)))).collect(),
        Initial::Normal(std) => {
            let mut values = vec![0.0; len];
            key.fill_normal(0, &mut values);
            values.into_iter().map(|v| T::of(std * v)).collect()
        }
    }
}
