//! One training pass: forward, backward, and what is kept of it.

use crate::convert::to_matrix;
use crate::execute::{BatchStatistics, Mode};
use crate::loss::score;
use crate::optimizer::{Gradients, RunningUpdate};
use crate::scalar::{tensor, values};
use crate::splice::{Captured, DeviceHook};
use crate::{Error, Network, Scalar, Score, Targets};
use blackbeam_layers::Loss;
use blackbeam_layers::program::Use;
use blackbeam_plugin::{Key, Matrix};
use burn::tensor::Tensor;
use std::sync::{Arc, Mutex, PoisonError};

/// What stood at a device use in the forward pass.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// Index of the instruction.
    pub place: usize,
    /// Values that residuals had saved.
    pub stack: Vec<Tensor<2>>,
    /// What went on: the device's outputs, cropped or padded.
    pub output: Tensor<2>,
}

/// Targets, kept.
#[derive(Clone, Debug)]
pub(crate) enum Kept<T> {
    Classes(Vec<u32>),
    Values(Vec<T>),
}

impl<T> Kept<T> {
    pub(crate) fn targets(&self) -> Targets<'_, T> {
        match self {
            Kept::Classes(classes) => Targets::Classes(classes),
            Kept::Values(values) => Targets::Values(values),
        }
    }
}

/// All that is needed to run the network again from the outputs of any device use, as the pass ran it: residuals,
/// dropout masks, batch statistics, targets.
#[derive(Clone, Debug)]
pub struct Trace<T = f32> {
    pub(crate) samples: usize,
    pub(crate) loss: Loss,
    pub(crate) targets: Kept<T>,
    pub(crate) outputs: Vec<T>,
    pub(crate) snapshots: Vec<Snapshot>,
    /// Dropout masks by instruction.
    pub(crate) masks: Vec<Option<Tensor<2>>>,
    /// By batch norm.
    pub(crate) statistics: Vec<BatchStatistics>,
}

impl<T: Scalar> Trace<T> {
    /// Samples of the batch.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The network's outputs, row by row.
    pub fn outputs(&self) -> &[T] {
        &self.outputs
    }
}

/// A forward pass that waits for its backward pass.
pub struct Pass<T = f32> {
    /// Loss and metric sums of the batch.
    pub score: Score,
    /// For tails; [`Pass::backward`] hands it on.
    pub trace: Trace<T>,
    outputs: Tensor<2>,
    /// d(mean loss)/d(outputs).
    seed: Vec<T>,
    parameters: Vec<Tensor<2>>,
    leaves: Vec<Option<Tensor<2>>>,
    captured: Arc<Mutex<Captured>>,
    uses: Vec<Arc<Use>>,
}

/// What a training pass gives.
#[derive(Clone, Debug)]
pub struct Trained<T = f32> {
    /// Loss and metric sums of the batch.
    pub score: Score,
    /// Gradients of the digital parameters.
    pub gradients: Gradients<T>,
    /// d(mean loss)/d(outputs of the device) [rows, d_out] by use. Cropped outputs have zeros.
    pub cotangents: Vec<Matrix>,
    /// For tails.
    pub trace: Trace<T>,
}

impl<T: Scalar> Network<T> {
    /// The forward pass of a training step: dropout with masks keyed by `step_key`, the layer and the element; batch
    /// statistics; each device asked once for each use, in execution order.
    ///
    /// The network is not changed: [`Network::step`] moves weights and running statistics.
    ///
    /// # Errors
    /// [`Error::Input`] for inputs or targets that do not fit, [`Error::Device`] for what a device said.
    pub fn forward_train(
        &self,
        inputs: &[T],
        targets: Targets<'_, T>,
        loss: Loss,
        step_key: Key,
        hook: &Arc<dyn DeviceHook>,
    ) -> Result<Pass<T>, Error> {
        let value = self.input(inputs)?;
        let captured = Captured { cotangents: vec![None; self.uses.len()], error: None };
        let captured = Arc::new(Mutex::new(captured));
        let mut trace = Trace {
            samples: value.dims()[0],
            loss,
            targets: match targets {
                Targets::Classes(classes) => Kept::Classes(classes.to_vec()),
                Targets::Values(values) => Kept::Values(values.to_vec()),
            },
            outputs: Vec::new(),
            snapshots: Vec::new(),
            masks: vec![None; self.program.instructions.len()],
            statistics: Vec::new(),
        };
        let parameters: Vec<_> =
            self.parameters.iter().map(|parameter| parameter.tensor.clone().autodiff().require_grad()).collect();
        let mut mode = Mode::Train { key: step_key, hook, captured: &captured, trace: &mut trace, leaves: Vec::new() };
        let outputs = self.execute(&parameters, 0, value, Vec::new(), &mut mode)?;
        let Mode::Train { leaves, .. } = mode else { unreachable!("made just above") };
        trace.outputs = values(outputs.clone().inner());
        let mut seed = vec![T::default(); trace.outputs.len()];
        let score = score(loss, &trace.outputs, self.output_width(), targets, Some(&mut seed))?;
        Ok(Pass { score, trace, outputs, seed, parameters, leaves, captured, uses: self.uses.clone() })
    }
}

impl<T: Scalar> Pass<T> {
    /// The backward pass.
    ///
    /// # Errors
    /// [`Error::Device`] with the first thing that a surrogate said.
    pub fn backward(self) -> Result<Trained<T>, Error> {
        let Pass { score, trace, outputs, seed, parameters, leaves, captured, uses } = self;
        let mut gradients: Vec<Vec<T>> = Vec::with_capacity(parameters.len());
        let mut from_leaves = Vec::new();
        // without parameters and devices there is no graph
        if outputs.is_tracked() {
            let seed = tensor(seed, outputs.dims());
            let mut found = (outputs * seed).sum().backward();
            gradients.extend(parameters.iter().map(|parameter| {
                let [rows, columns] = parameter.dims();
                parameter.grad_remove(&mut found).map_or_else(|| vec![T::default(); rows * columns], values)
            }));
            from_leaves.extend(leaves.iter().map(|leaf| leaf.as_ref().and_then(|leaf| leaf.grad_remove(&mut found))));
        }
        let mut captured = captured.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((use_index, source)) = captured.error.take() {
            return Err(Error::of_use(&uses[use_index], use_index, source));
        }
        let cotangents = uses.iter().zip(from_leaves).enumerate().map(|(use_index, (site, leaf))| {
            let of_leaf = leaf.map(|grad| to_matrix(&grad.into_data(), site.out, site.d_out));
            // a device whose outputs go nowhere has no gradient
            let none = || Matrix::zeros(trace.samples * site.rows_per_sample, site.d_out);
            of_leaf.or_else(|| captured.cotangents[use_index].take()).unwrap_or_else(none)
        });
        let cotangents = cotangents.collect();
        let statistics = trace.statistics.iter().map(RunningUpdate::of_batch).collect();
        Ok(Trained { score, gradients: Gradients { values: gradients, statistics }, cotangents, trace })
    }
}
