//! The part of a network after a device: its loss for other device outputs, and its linearisation.

use crate::convert::to_matrix;
use crate::execute::{Mode, device_output};
use crate::loss::{score, softmax};
use crate::scalar::tensor;
use crate::splice::{Captured, DeviceHook, checked};
use crate::{Error, Network, Scalar, Trace};
use blackbeam_layers::Loss;
use blackbeam_plugin::Matrix;
use burn::tensor::Tensor;
use std::sync::{Arc, Mutex, PoisonError};

/// The factor R of the output Fisher information, pulled back to the outputs of a device.
#[derive(Clone, Debug, PartialEq)]
pub struct FimFactor {
    /// Vectors that the device got.
    pub rows: usize,
    /// Outputs of one sample.
    pub k: usize,
    /// Width of the device's outputs.
    pub d_out: usize,
    /// R [rows, k, d_out], row-major.
    pub values: Vec<f64>,
    /// The Gauss-Newton matrix of the mean loss is weight x sum over rows of J^T R^T R J: 1 over the number of samples and
    /// positions for cross-entropy, 2 over that of outputs for mean squares.
    pub weight: f64,
}

impl<T: Scalar> Network<T> {
    /// The mean loss of the traced batch, had the device at use `use_index` answered `y` [rows, d_out]. Everything
    /// after it runs as in the traced pass: the same dropout masks, residuals as they were saved, batch norms with the
    /// statistics of the (changed) batch and their running statistics left alone. Later uses of devices, of this one
    /// too, ask `hook` again.
    ///
    /// # Errors
    /// [`Error::Input`] if there is no such use or `y` has another shape, [`Error::Device`] for what a device said.
    pub fn tail_loss(
        &self,
        trace: &Trace<T>,
        use_index: usize,
        y: &Matrix,
        hook: &dyn DeviceHook,
    ) -> Result<f64, Error> {
        let site = self.site(use_index)?;
        let rows = trace.samples * site.rows_per_sample;
        if (y.rows, y.columns) != (rows, site.d_out) {
            let message = format!("device outputs of shape [{}, {}] for [{rows}, {}]", y.rows, y.columns, site.d_out);
            return Err(Error::Input(message));
        }
        if trace.bare.is_some() {
            return Ok(score(trace.loss, &y.data, self.output_width(), trace.targets.targets(), None)?.loss());
        }
        let snapshot = self.snapshot(trace, use_index)?;
        let value = device_output::<T>(y, trace.samples, site);
        let mut mode = Mode::Tail { hook, trace };
        let parameters: Vec<_> = self.parameters.iter().map(|parameter| parameter.tensor.clone()).collect();
        let outputs = self.execute(&parameters, snapshot.place + 1, value, snapshot.stack.clone(), &mut mode)?;
        let outputs = crate::scalar::values::<T, 2>(outputs);
        Ok(score(trace.loss, &outputs, self.output_width(), trace.targets.targets(), None)?.loss())
    }

    /// R with R^T R = J^T F J for each row of the device at use `use_index`: J is the Jacobian of the row's sample's
    /// outputs by the device's outputs in this row, F is diag(p) - p p^T for cross-entropy (by
    /// R_F = diag(sqrt p)(I - 1 p^T)) and the identity for mean squares, for one sample (no mean over the batch).
    ///
    /// k is the number of outputs of a sample, and there is one forward and one backward pass of the tail for each. No
    /// device is asked: later devices keep the outputs of the traced pass and pull gradients back through
    /// `hook.backward`. Batch statistics are held as they were, so that samples are independent of each other. Where a
    /// device gets several vectors of one sample, each row has its own factor and terms between rows are left out.
    ///
    /// Where the network is the device and nothing else, each position of its outputs is a row of its own: `d_out` is the width
    /// of a position, and the rows of the device's outputs are parted into such.
    ///
    /// # Errors
    /// [`Error::Input`] if there is no such use, [`Error::Device`] for what a surrogate said.
    pub fn fim_factor(
        &self,
        trace: &Trace<T>,
        use_index: usize,
        hook: &Arc<dyn DeviceHook>,
    ) -> Result<FimFactor, Error> {
        if let Some(outputs) = &trace.bare {
            return Ok(self.bare_factor(trace.loss, outputs));
        }
        let site = self.site(use_index)?;
        let k = trace.outputs.len() / trace.samples;
        let rows = trace.samples * site.rows_per_sample;
        let weight = match trace.loss {
            Loss::CrossEntropy => self.output_width() as f64 / trace.outputs.len() as f64,
            Loss::Mse => 2.0 / trace.outputs.len() as f64,
        };
        let mut factor = FimFactor { rows, k, d_out: site.d_out, values: vec![0.0; rows * k * site.d_out], weight };
        for output in 0..k {
            let pulled = self.pull_back(trace, use_index, self.fim_seed(trace, output), hook)?;
            for row in 0..rows {
                let at = (row * k + output) * site.d_out;
                factor.values[at..at + site.d_out].copy_from_slice(pulled.row(row));
            }
        }
        Ok(factor)
    }

    /// R_F itself, position by position.
    fn bare_factor(&self, loss: Loss, outputs: &[f64]) -> FimFactor {
        let k = self.output_width();
        let rows = outputs.len() / k;
        let mut values = vec![0.0; rows * k * k];
        let mut p = vec![0.0; k];
        for (z, r) in outputs.chunks_exact(k).zip(values.chunks_exact_mut(k * k)) {
            match loss {
                Loss::Mse => (0..k).for_each(|i| r[i * k + i] = 1.0),
                Loss::CrossEntropy => {
                    softmax(z, &mut p);
                    (0..k).for_each(|class| root_row(&p, class, &mut r[class * k..(class + 1) * k]));
                }
            }
        }
        let weight = match loss {
            Loss::CrossEntropy => 1.0 / rows as f64,
            Loss::Mse => 2.0 / outputs.len() as f64,
        };
        FimFactor { rows, k, d_out: k, values, weight }
    }

    fn site(&self, use_index: usize) -> Result<&crate::Use, Error> {
        let site = self.program.uses.get(use_index);
        site.ok_or_else(|| Error::Input(format!("device use {use_index} of {}", self.uses.len())))
    }

    fn snapshot<'a>(&self, trace: &'a Trace<T>, use_index: usize) -> Result<&'a crate::pass::Snapshot, Error> {
        let snapshot = trace.snapshots.get(use_index);
        snapshot.ok_or_else(|| Error::Input(format!("device use {use_index} of {}", trace.snapshots.len())))
    }

    /// Row `output` of R_F for every sample: what a backward pass starts from.
    fn fim_seed(&self, trace: &Trace<T>, output: usize) -> Vec<T> {
        let k = trace.outputs.len() / trace.samples;
        let mut seed = vec![T::default(); trace.outputs.len()];
        let width = self.output_width();
        let mut p = vec![0.0; width];
        for (outputs, seed) in trace.outputs.chunks_exact(k).zip(seed.chunks_exact_mut(k)) {
            match trace.loss {
                Loss::Mse => seed[output] = T::of(1.0),
                Loss::CrossEntropy => {
                    // positions are independent: only the one that `output` belongs to has a part
                    let (position, class) = (output / width, output % width);
                    let part = position * width..(position + 1) * width;
                    softmax(&outputs[part.clone()], &mut p);
                    root_row(&p, class, &mut seed[part]);
                }
            }
        }
        seed
    }

    /// J^T seed [rows, d_out] at use `use_index`, at the traced point.
    fn pull_back(
        &self,
        trace: &Trace<T>,
        use_index: usize,
        seed: Vec<T>,
        hook: &Arc<dyn DeviceHook>,
    ) -> Result<Matrix, Error> {
        let (site, snapshot) = (self.site(use_index)?, self.snapshot(trace, use_index)?);
        let captured = Arc::new(Mutex::new(Captured { cotangents: vec![None; self.uses.len()], error: None }));
        let mut mode = Mode::Linearise { hook, captured: &captured, trace };
        let parameters: Vec<_> = self.parameters.iter().map(|parameter| parameter.tensor.clone()).collect();
        let leaf: Tensor<2> = snapshot.output.clone().autodiff().require_grad();
        let outputs = self.execute(&parameters, snapshot.place + 1, leaf.clone(), snapshot.stack.clone(), &mut mode)?;
        let seed = tensor(seed, outputs.dims());
        let mut found = (outputs * seed).sum().backward();
        let error = captured.lock().unwrap_or_else(PoisonError::into_inner).error.take();
        if let Some((at, source)) = error {
            return Err(Error::of_use(&self.uses[at], at, source));
        }
        let rows = trace.samples * site.rows_per_sample;
        let gradient = leaf.grad_remove(&mut found).map(|grad| to_matrix(&grad.into_data(), site.out, site.d_out));
        checked(gradient.unwrap_or_else(|| Matrix::zeros(rows, site.d_out)), rows, site.d_out, "a gradient")
            .map_err(|source| Error::of_use(site, use_index, source))
    }
}

/// Row `class` of diag(sqrt p)(I - 1 p^T), whose square is diag(p) - p p^T.
fn root_row<T: Scalar>(p: &[f64], class: usize, row: &mut [T]) {
    let root = p[class].sqrt();
    row.iter_mut().enumerate().for_each(|(j, slot)| *slot = T::of(root * (f64::from(j == class) - p[j])));
}
