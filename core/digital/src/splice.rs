//! A device in the autodiff graph: outputs that came from outside, a backward pass that goes outside.
//!
//! The device is asked before the node is made, so that its errors come back as errors. Inside burn's backward pass
//! errors cannot be returned; they are kept in [`Captured`] and the pass goes on with zeros, which nobody sees.

use crate::convert::{to_data, to_matrix};
use blackbeam_layers::program::Use;
use blackbeam_plugin::{Code, Matrix, PluginError};
use burn::backend::{
    Autodiff, Backend, Flex, TensorMetadata,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind, unary},
    },
    backend_extension,
    tensor::FloatTensor,
};
use burn::tensor::{Tensor, read_sync};
use std::sync::{Arc, Mutex, PoisonError};

/// What stands behind the device layers of a network. Both calls come from the thread that runs the pass; `backward`
/// comes while the pass holds the graph, so it must not use the same network.
pub trait DeviceHook: Send + Sync {
    /// The device's outputs [rows, d_out] for its inputs `x` [rows, d_in].
    ///
    /// # Errors
    /// What the device said; the pass ends with it.
    fn forward(&self, use_index: usize, x: Matrix) -> Result<Matrix, PluginError>;

    /// The gradient of the inputs [rows, d_in] from that of the outputs [rows, d_out], at the inputs that the last
    /// `forward` of this use got. Not called for uses that do not need it
    /// ([`Use::needs_input_gradient`](crate::Use::needs_input_gradient)).
    ///
    /// # Errors
    /// What the surrogate said; the backward pass ends with it.
    fn backward(&self, use_index: usize, grad_y: &Matrix) -> Result<Matrix, PluginError>;
}

/// What the backward pass leaves outside the graph.
#[derive(Default)]
pub(crate) struct Captured {
    /// Cotangent of the outputs, by use.
    pub cotangents: Vec<Option<Matrix>>,
    /// The first error, with its use.
    pub error: Option<(usize, PluginError)>,
}

/// Ties a node of the graph to its device.
#[derive(Clone)]
pub(crate) struct Link {
    pub use_index: usize,
    pub site: Arc<Use>,
    pub hook: Arc<dyn DeviceHook>,
    pub captured: Arc<Mutex<Captured>>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "device `{}`, use {}", self.site.name, self.use_index)
    }
}

/// An answer that must have a certain shape.
pub(crate) fn checked(answer: Matrix, rows: usize, columns: usize, what: &str) -> Result<Matrix, PluginError> {
    if (answer.rows, answer.columns, answer.data.len()) == (rows, columns, rows * columns) {
        return Ok(answer);
    }
    Err(PluginError::new(
        Code::SHAPE,
        format!("expected {what} of shape [{rows}, {columns}], found [{}, {}]", answer.rows, answer.columns),
    ))
}

impl Link {
    /// The gradient before the device from that after it.
    fn pull<B: Backend>(&self, grad: FloatTensor<B>) -> FloatTensor<B> {
        let (device, dtype, samples) = (grad.device(), grad.dtype(), grad.shape()[0]);
        let grad_y = read_sync(B::float_into_data(grad)).map(|data| to_matrix(&data, self.site.out, self.site.d_out));
        let grad_y = grad_y.map_err(|error| PluginError::new(Code::IO, format!("reading a gradient: {error:?}")));
        let mut captured = self.captured.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = grad_y.and_then(|grad_y| {
            let grad_x = match captured.error {
                Some(_) => Ok(Matrix::zeros(grad_y.rows, self.site.d_in)),
                None => self.hook.backward(self.use_index, &grad_y),
            };
            let grad_x = grad_x.and_then(|x| checked(x, grad_y.rows, self.site.d_in, "a gradient of the inputs"));
            captured.cotangents[self.use_index] = Some(grad_y);
            grad_x
        });
        let grad_x = answer.unwrap_or_else(|error| {
            captured.error = Some((self.use_index, error));
            Matrix::zeros(samples * self.site.rows_per_sample, self.site.d_in)
        });
        B::float_from_data(to_data(&grad_x, samples, self.site.features, dtype), &device)
    }
}

#[backend_extension(Flex, Autodiff)]
pub(crate) trait SpliceOps: Backend {
    /// `y`, as if it had been computed from `x`.
    fn splice(x: FloatTensor<Self>, y: FloatTensor<Self>, link: Link) -> FloatTensor<Self>;
}

impl SpliceOps for Flex {
    fn splice(_: FloatTensor<Self>, y: FloatTensor<Self>, _: Link) -> FloatTensor<Self> {
        y
    }
}

#[derive(Debug)]
struct Splice;

impl<B: Backend> Backward<B, 1> for Splice {
    type State = Link;

    fn backward(self, ops: Ops<Link, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let link = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| link.pull::<B>(grad));
    }
}

impl<B: Backend + SpliceOps, C: CheckpointStrategy> SpliceOps for Autodiff<B, C> {
    fn splice(x: FloatTensor<Self>, y: FloatTensor<Self>, link: Link) -> FloatTensor<Self> {
        let y = y.into_primitive();
        match Splice.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(link, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}

/// `y` [samples, elements] in the graph of `x`, which must be tracked.
pub(crate) fn splice(x: Tensor<2>, y: Tensor<2>, link: Link) -> Tensor<2> {
    Tensor::from_dispatch(burn::backend::Dispatch::splice(x.into_dispatch(), y.autodiff().into_dispatch(), link))
}
