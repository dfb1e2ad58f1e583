//! One training pass: forward, backward, and what is kept of it.

use crate::convert::to_matrix;
use crate::execute::{BatchStatistics, Mode};
use crate::loss::score;
use crate::optimizer::{Gradients, RunningUpdate};
use crate::scalar::{tensor, values};
use crate::splice::{Captured, DeviceHook, checked};
use crate::{Error, Network, Scalar, Score, Targets};
use blackbeam_layers::Loss;
use blackbeam_layers::program::{Instruction, Op, Use};
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

impl<T: Scalar> Kept<T> {
    fn of(targets: Targets<'_, T>) -> Self {
        match targets {
            Targets::Classes(classes) => Kept::Classes(classes.to_vec()),
            Targets::Values(values) => Kept::Values(values.to_vec()),
        }
    }

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
    /// The same in double precision, as the device gave them, where the network is a device and nothing else.
    pub(crate) bare: Option<Vec<f64>>,
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
    backward: Backward<T>,
}

/// What a backward pass starts from.
enum Backward<T> {
    Graph(Box<Graph<T>>),
    /// The network is a device and nothing else: d(mean loss)/d(its outputs).
    Bare(Matrix),
}

struct Graph<T> {
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
        if let Some(site) = self.bare() {
            return self.forward_bare(site, inputs, targets, loss, hook);
        }
        let value = self.input(inputs)?;
        let captured = Captured { cotangents: vec![None; self.uses.len()], error: None };
        let captured = Arc::new(Mutex::new(captured));
        let mut trace = Trace {
            samples: value.dims()[0],
            loss,
            targets: Kept::of(targets),
            outputs: Vec::new(),
            bare: None,
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
        let uses = self.uses.clone();
        let graph = Graph { outputs, seed, parameters, leaves, captured, uses };
        Ok(Pass { score, trace, backward: Backward::Graph(Box::new(graph)) })
    }

    /// The use of the device, if the network is that and nothing else.
    pub(crate) fn bare(&self) -> Option<&Use> {
        let [Instruction { op: Op::Device { use_index: 0 }, .. }] = self.program.instructions.as_slice() else {
            return None;
        };
        self.program.uses.first().filter(|site| site.features == site.d_in && site.out == site.d_out)
    }

    /// As `forward_train`, without a graph and in double precision: there is nothing to differentiate.
    fn forward_bare(
        &self,
        site: &Use,
        inputs: &[T],
        targets: Targets<'_, T>,
        loss: Loss,
        hook: &Arc<dyn DeviceHook>,
    ) -> Result<Pass<T>, Error> {
        let samples = self.samples(inputs)?;
        let rows = samples * site.rows_per_sample;
        let data: Vec<f64> = inputs.iter().map(|&v| v.into()).collect();
        let x = Matrix { rows, columns: site.d_in, data: data.into() };
        let asked = hook.forward(0, x).and_then(|y| checked(y, rows, site.d_out, "outputs"));
        let y = asked.map_err(|source| Error::of_use(site, 0, source))?;
        let mut cotangent = Matrix::zeros(rows, site.d_out);
        let score = score(loss, &y.data, self.output_width(), targets, Some(&mut cotangent.data))?;
        let trace = Trace {
            samples,
            loss,
            targets: Kept::of(targets),
            outputs: y.data.iter().map(|&v| T::of(v)).collect(),
            bare: Some(y.data.into()),
            snapshots: Vec::new(),
            masks: Vec::new(),
            statistics: Vec::new(),
        };
        Ok(Pass { score, trace, backward: Backward::Bare(cotangent) })
    }
}

impl<T: Scalar> Pass<T> {
    /// The backward pass.
    ///
    /// # Errors
    /// [`Error::Device`] with the first thing that a surrogate said.
    pub fn backward(self) -> Result<Trained<T>, Error> {
        let Pass { score, trace, backward } = self;
        let Graph { outputs, seed, parameters, leaves, captured, uses } = match backward {
            Backward::Graph(graph) => *graph,
            Backward::Bare(cotangent) => {
                let gradients = Gradients { values: Vec::new(), statistics: Vec::new() };
                return Ok(Trained { score, gradients, cotangents: vec![cotangent], trace });
            }
        };
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
