//! Precision of a network.

use blackbeam_layers::Real;
use burn::tensor::{DType, Device, Element, Tensor, TensorData};

/// Precision of a network: `f32` for training, `f64` for checks against finite differences.
pub trait Scalar: Real + Element + Into<f64> {
    /// The backend's name of this type.
    const DTYPE: DType;
}

impl Scalar for f32 {
    const DTYPE: DType = DType::F32;
}

impl Scalar for f64 {
    const DTYPE: DType = DType::F64;
}

/// The device that all tensors live on, named outright: the backend's default depends on features and environment.
pub(crate) fn device() -> Device {
    Device::flex()
}

/// A tensor outside autodiff.
pub(crate) fn tensor<T: Scalar, const D: usize>(values: Vec<T>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), (&device(), T::DTYPE))
}

/// The elements of a tensor, row by row.
pub(crate) fn values<T: Scalar, const D: usize>(tensor: Tensor<D>) -> Vec<T> {
    tensor.into_data().try_into_vec::<T>().expect("every tensor of a network is made in the network's precision")
}
