//! An SLM that multiplies a matrix: y_i = scale sum_j E_ij x_j, the field of a pixel being
//! E = fill_factor exp(i phase) + zero_order, of which a coherent read-out takes the real part, cos(phase) for a perfect
//! pixel. The zero order is the whole unmodulated amplitude, (1 - FF) r0 where the gaps between pixels reflect r0.

use crate::{
    fabrication::Fabrication,
    program::{Field, Need, Place, Program},
    ring::bank_place,
};
use blackbeam_netlist::circuit::{EncodingMode, ParameterKind, Quantity, ReadoutMode, SlmMatvec};
use blackbeam_plugin::{PluginError, Result, structure};

/// A compiled SLM matrix-vector product.
pub(crate) struct SlmProgram {
    outputs: usize,
    inputs: usize,
    fill_factor: f64,
    zero_order: f64,
    /// scale times the transmission of an output.
    row_factor: Vec<f64>,
    column_factor: Vec<f64>,
}

impl SlmProgram {
    pub fn new(slm: &SlmMatvec, fabrication: &Fabrication) -> Result<Self> {
        if slm.n_in == 0 || slm.n_out == 0 {
            return Err(PluginError::settings("slm_matvec: n_in and n_out must be at least 1"));
        }
        let mut row_factor = fabrication.transmission(Quantity::OutputLoss, slm.n_out, 20.0)?;
        row_factor.iter_mut().for_each(|f| *f *= slm.scale);
        Ok(SlmProgram {
            outputs: slm.n_out,
            inputs: slm.n_in,
            fill_factor: slm.fill_factor,
            zero_order: fabrication.values(Quantity::ZeroOrder, &[0.0])?[0],
            row_factor,
            column_factor: fabrication.transmission(Quantity::InputLoss, slm.n_in, 20.0)?,
        })
    }
}

impl Program for SlmProgram {
    fn needs(&self) -> Vec<Need> {
        vec![Need { kind: ParameterKind::PixelPhase, count: self.outputs * self.inputs }]
    }

    fn place(&self, _: ParameterKind, index: usize) -> Place {
        bank_place(index, self.inputs)
    }

    fn shape(&self) -> (usize, usize) {
        (self.outputs, self.inputs)
    }

    fn complex(&self) -> bool {
        true
    }

    fn structure(&self) -> u64 {
        structure::LOCAL | structure::SINGLE_FREQUENCY | structure::RECIPROCAL
    }

    fn fill(&self, phases: &[f64], matrix: &mut Field) {
        for (i, factor) in self.row_factor.iter().enumerate() {
            let row = i * self.inputs..(i + 1) * self.inputs;
            let fields = matrix.re[row.clone()].iter_mut().zip(&mut matrix.im[row.clone()]);
            for (((re, im), phase), column) in fields.zip(&phases[row]).zip(&self.column_factor) {
                let (sin, cos) = phase.sin_cos();
                let amplitude = factor * column;
                *re = amplitude * (self.fill_factor * cos + self.zero_order);
                *im = amplitude * (self.fill_factor * sin);
            }
        }
    }

    fn refuses(&self, _: EncodingMode, _: ReadoutMode) -> Option<&'static str> {
        None
    }
}
