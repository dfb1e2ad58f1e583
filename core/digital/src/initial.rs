//! Initial weights. Each parameter has its own stream, named after it, so that its values depend on nothing else.

use crate::Scalar;
use blackbeam_layers::program::Initial;
use blackbeam_plugin::Key;

/// Initial values of a parameter.
pub(crate) fn draw<T: Scalar>(initial: Initial, key: Key, len: usize) -> Vec<T> {
    let values = initial.values(len, |i| key.uniform(i), |normals| key.fill_normal(0, normals));
    values.into_iter().map(T::of).collect()
}
