//! A network: its program and the values of its parameters.

use crate::execute::Mode;
use crate::initial::draw;
use crate::loss::score;
use crate::scalar::{tensor, values};
use crate::{DeviceHook, Error, Scalar, Score, Targets};
use blackbeam_layers::program::{Program, Use, compile};
use blackbeam_layers::{Layer, Loss, shapes};
use blackbeam_plugin::Key;
use burn::tensor::Tensor;
use std::sync::Arc;

/// Running statistics of one batch norm.
#[derive(Clone, Debug)]
pub(crate) struct Statistics<T> {
    pub name: String,
    pub mean: Vec<T>,
    pub variance: Vec<T>,
}

/// One trainable array.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub name: String,
    pub shape: [usize; 2],
    pub tensor: Tensor<2>,
}

/// The digital part of a hybrid network, with a place for each device.
#[derive(Clone, Debug)]
pub struct Network<T = f32> {
    pub(crate) program: Program,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) statistics: Vec<Statistics<T>>,
    pub(crate) uses: Vec<Arc<Use>>,
    input_shape: Vec<usize>,
    output_shape: Vec<usize>,
}

impl<T: Scalar> Network<T> {
    /// A network of `layers` for samples of `input_shape` (without the batch) and devices whose (inputs, outputs)
    /// `widths` gives. Initial weights are drawn from `key` (each parameter from a stream named after it): linear and
    /// convolution layers uniform within +-1/sqrt(fan in), embeddings standard normal, the rest constant.
    ///
    /// # Errors
    /// [`Error::Layers`] with the first layer that does not fit.
    pub fn new(
        layers: &[Layer],
        input_shape: &[usize],
        widths: &dyn Fn(&str) -> Option<(usize, usize)>,
        key: Key,
    ) -> Result<Self, Error> {
        let shapes = shapes(layers, input_shape, widths)?;
        let outermost = shapes.iter().rfind(|shape| shape.path.len() == 1);
        let output_shape = outermost.map_or_else(|| input_shape.to_vec(), |shape| shape.output.clone());
        let program = compile(&shapes, widths);
        let weights = program.weights.iter().map(|weight| {
            let values = draw::<T>(weight.initial, key.named(&weight.name), weight.len());
            Parameter { name: weight.name.clone(), shape: weight.shape, tensor: tensor(values, weight.shape) }
        });
        let statistics = program.statistics.iter().map(|(name, channels)| Statistics {
            name: name.clone(),
            mean: vec![T::default(); *channels],
            variance: vec![T::of(1.0); *channels],
        });
        Ok(Network {
            parameters: weights.collect(),
            statistics: statistics.collect(),
            uses: program.uses.iter().cloned().map(Arc::new).collect(),
            program,
            input_shape: input_shape.to_vec(),
            output_shape,
        })
    }

    /// The uses of devices in execution order; a use's place in this list is its use index.
    pub fn uses(&self) -> &[Use] {
        &self.program.uses
    }

    /// True if the backward pass asks for the gradient of the inputs of this use.
    ///
    /// # Panics
    /// If there is no such use.
    pub fn needs_input_gradient(&self, use_index: usize) -> bool {
        self.uses[use_index].needs_input_gradient
    }

    /// Shape of one sample.
    pub fn input_shape(&self) -> &[usize] {
        &self.input_shape
    }

    /// Shape of one sample's outputs.
    pub fn output_shape(&self) -> &[usize] {
        &self.output_shape
    }

    /// Length of the last axis of the outputs: the classes, for cross-entropy.
    pub fn output_width(&self) -> usize {
        *self.output_shape.last().expect("a checked shape has at least one axis")
    }

    /// Number of trainable numbers.
    pub fn parameter_count(&self) -> usize {
        self.parameters.iter().map(|parameter| parameter.shape[0] * parameter.shape[1]).sum()
    }

    /// Outputs [samples x outputs, row by row] for `inputs` (samples row by row) in evaluation: no dropout, running
    /// statistics, nothing kept. The hook's `backward` is not called. Tokens for an embedding are whole numbers.
    ///
    /// # Errors
    /// [`Error::Input`] for inputs that do not fit, [`Error::Device`] for what a device said.
    pub fn evaluate(&self, inputs: &[T], hook: &dyn DeviceHook) -> Result<Vec<T>, Error> {
        let value = self.input(inputs)?;
        let parameters: Vec<_> = self.parameters.iter().map(|parameter| parameter.tensor.clone()).collect();
        let outputs = self.execute(&parameters, 0, value, Vec::new(), &mut Mode::Evaluate { hook })?;
        Ok(values(outputs))
    }

    /// Scores outputs of this network.
    ///
    /// # Errors
    /// [`Error::Input`] for targets that do not fit the outputs or the loss.
    pub fn score(&self, loss: Loss, outputs: &[T], targets: Targets<'_, T>) -> Result<Score, Error> {
        score(loss, outputs, self.output_width(), targets, None)
    }

    /// Inputs as a tensor [samples, elements].
    pub(crate) fn input(&self, inputs: &[T]) -> Result<Tensor<2>, Error> {
        let samples = self.samples(inputs)?;
        Ok(tensor(inputs.to_vec(), [samples, inputs.len() / samples]))
    }

    /// Samples of a batch.
    pub(crate) fn samples(&self, inputs: &[T]) -> Result<usize, Error> {
        let elements: usize = self.input_shape.iter().product();
        if inputs.is_empty() || !inputs.len().is_multiple_of(elements) {
            return Err(Error::Input(format!(
                "a batch of samples of shape {:?} has a multiple of {elements} numbers, found {}",
                self.input_shape,
                inputs.len()
            )));
        }
        Ok(inputs.len() / elements)
    }
}
