//! From gradients to new weights.

use crate::execute::BatchStatistics;
use crate::scalar::{device, values};
use crate::{Network, Scalar};
use blackbeam_layers::{OptimizerConfig, VectorOptimizer};
use burn::tensor::Tensor;

/// Share of the batch statistics that goes into the running ones at each step.
const STATISTICS_SHARE: f64 = 0.1;

/// What one batch does to the running statistics of a batch norm.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RunningUpdate<T> {
    mean: Vec<T>,
    /// Unbiased, as the running variance is.
    variance: Vec<T>,
}

impl<T: Scalar> RunningUpdate<T> {
    pub(crate) fn of_batch(batch: &BatchStatistics) -> Self {
        let unbias = T::of(batch.count as f64 / (batch.count as f64 - 1.0));
        let variance = values::<T, 1>(batch.variance.clone()).into_iter().map(|v| v * unbias).collect();
        RunningUpdate { mean: values(batch.mean.clone()), variance }
    }
}

/// Gradients of all digital parameters, and the batch statistics that belong to the same step.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients<T = f32> {
    pub(crate) values: Vec<Vec<T>>,
    pub(crate) statistics: Vec<RunningUpdate<T>>,
}

impl<T: Scalar> Gradients<T> {
    /// The gradient of each parameter, in the order of [`Network::tensors`](crate::Network::tensors).
    pub fn values(&self) -> &[Vec<T>] {
        &self.values
    }

    /// Euclidean norm over all parameters together.
    pub fn norm(&self) -> f64 {
        let square = |&g: &T| {
            let g: f64 = g.into();
            g * g
        };
        self.values.iter().flatten().map(square).sum::<f64>().sqrt()
    }

    /// Scales all gradients so that their common norm is at most `max_norm`; the norm before. A norm that is not finite
    /// is left as it is: the caller sees it in the result.
    pub fn clip(&mut self, max_norm: f64) -> f64 {
        let norm = self.norm();
        if norm.is_finite() && norm > max_norm {
            let factor = T::of(max_norm / norm);
            self.values.iter_mut().flatten().for_each(|g| *g = *g * factor);
        }
        norm
    }
}

/// Optimiser state for all parameters of one network.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimizer<T = f32> {
    pub(crate) parts: Vec<VectorOptimizer<T>>,
}

impl<T: Scalar> Optimizer<T> {
    /// How many steps were made.
    pub fn steps(&self) -> u64 {
        self.parts.first().map_or(0, VectorOptimizer::steps)
    }
}

impl<T: Scalar> Network<T> {
    /// An optimiser at its start.
    pub fn optimizer(&self, config: OptimizerConfig) -> Optimizer<T> {
        let parts = self.parameters.iter().map(|p| VectorOptimizer::new(config, p.shape[0] * p.shape[1]));
        Optimizer { parts: parts.collect() }
    }

    /// One step at `learning_rate`, and the running statistics r <- 0.9 r + 0.1 batch.
    ///
    /// # Panics
    /// If the optimiser or the gradients are of another network.
    pub fn step(&mut self, optimizer: &mut Optimizer<T>, gradients: &Gradients<T>, learning_rate: f64) {
        assert_eq!(optimizer.parts.len(), self.parameters.len(), "the optimiser of another network");
        assert_eq!(gradients.values.len(), self.parameters.len(), "the gradients of another network");
        for ((parameter, part), gradient) in self.parameters.iter_mut().zip(&mut optimizer.parts).zip(&gradients.values)
        {
            // taken out, so that the numbers are changed in place and not in a copy
            let placeholder = Tensor::empty([0, 0], (&device(), T::DTYPE));
            let mut data = std::mem::replace(&mut parameter.tensor, placeholder).into_data();
            let numbers = data.as_mut_slice::<T>().expect("parameters are made in the network's precision");
            part.step(numbers, gradient, learning_rate);
            parameter.tensor = Tensor::from_data(data, (&device(), T::DTYPE));
        }
        let (keep, share) = (T::of(1.0 - STATISTICS_SHARE), T::of(STATISTICS_SHARE));
        for (running, batch) in self.statistics.iter_mut().zip(&gradients.statistics) {
            for (running, batch) in [(&mut running.mean, &batch.mean), (&mut running.variance, &batch.variance)] {
                running.iter_mut().zip(batch).for_each(|(r, &b)| *r = keep * *r + share * b);
            }
        }
    }
}
