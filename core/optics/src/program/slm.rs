//! An SLM that multiplies a matrix: y_i = scale sum_j E_ij x_j, the field of a pixel being
//! E = fill_factor exp(i phase) + zero_order, of which a coherent read-out takes the real part, cos(phase) for a perfect
//! pixel. The zero order is the whole unmodulated amplitude, (1 - FF) r0 where the gaps between pixels reflect r0.

use super::{Field, Generator};
use crate::fabrication::Fabrication;
use blackbeam_netlist::circuit::{EncodingMode, Quantity, ReadoutMode, SlmMatvec};
use blackbeam_plugin::{PluginError, Result, structure};

/// A compiled SLM matrix-vector product.
pub(crate) struct SlmProgram {
    outputs: usize,
    inputs: usize,
    fill_factor: f64,
    zero_order: f64,
    /// Read by the difference of two intensities, which is the real part of the field.
    real: bool,
    /// scale times the transmission of an output.
    row_factor: Vec<f64>,
    column_factor: Vec<f64>,
}

impl SlmProgram {
    pub fn new(slm: &SlmMatvec, real: bool, instance: usize, fabrication: &Fabrication<'_>) -> Result<Self> {
        if slm.n_in == 0 || slm.n_out == 0 {
            return Err(PluginError::settings("slm_matvec: n_in and n_out must be at least 1"));
        }
        let mut row_factor = fabrication.transmission(Quantity::OutputLoss, instance, slm.n_out, 20.0)?;
        row_factor.iter_mut().for_each(|f| *f *= slm.scale);
        Ok(SlmProgram {
            outputs: slm.n_out,
            inputs: slm.n_in,
            real,
            fill_factor: slm.fill_factor,
            zero_order: fabrication.value(Quantity::ZeroOrder, instance, 0.0)?,
            row_factor,
            column_factor: fabrication.transmission(Quantity::InputLoss, instance, slm.n_in, 20.0)?,
        })
    }
}

impl Generator for SlmProgram {
    fn shape(&self) -> (usize, usize) {
        (self.outputs, self.inputs)
    }

    fn complex(&self) -> bool {
        !self.real
    }

    fn structure(&self) -> u64 {
        structure::LOCAL | structure::SINGLE_FREQUENCY | structure::RECIPROCAL
    }

    fn fill(&self, slots: &[f64], matrix: &mut Field) {
        for (at, phase) in slots.iter().enumerate() {
            let amplitude = self.row_factor[at / self.inputs] * self.column_factor[at % self.inputs];
            let (sin, cos) = phase.sin_cos();
            matrix.re[at] = amplitude * (self.fill_factor * cos + self.zero_order);
            if !self.real {
                matrix.im[at] = amplitude * (self.fill_factor * sin);
            }
        }
    }

    fn pull(&self, slots: &[f64], gradient: &Field, dslots: &mut [f64]) {
        for (at, phase) in slots.iter().enumerate() {
            let amplitude = self.row_factor[at / self.inputs] * self.column_factor[at % self.inputs] * self.fill_factor;
            let (sin, cos) = phase.sin_cos();
            let along = if self.real { 0.0 } else { gradient.im[at] * cos };
            dslots[at] += amplitude * (along - gradient.re[at] * sin);
        }
    }

    fn refuses(&self, _: EncodingMode, _: ReadoutMode) -> Option<&'static str> {
        None
    }

    fn operations(&self) -> f64 {
        30.0 * (self.inputs * self.outputs) as f64
    }
}
