//! The matrix that acts on the reals of a batch, and the product with it.

use crate::{chain::detector::Detector, program::Field};

/// Outputs that one pass of the kernel holds in registers.
const LANES: usize = 8;
/// Vectors that one pass of the kernel holds in registers.
pub(crate) const ROWS: usize = 4;

/// A real matrix in the order of the kernel: panels of `LANES` outputs, zero where there are no more; within a panel one
/// entry per input.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transfer {
    pub inputs: usize,
    pub outputs: usize,
    panels: Vec<[f64; LANES]>,
}

impl Transfer {
    /// What maps the reals of an encoded vector to the reals that a detector takes: with A = R + i I the rows Re y and
    /// Im y, as far as they are taken, and the columns Re x and Im x, as far as they are sent.
    ///
    /// `shape` is (outputs, inputs) of `field`, whose imaginary part is empty where it is zero.
    pub fn assemble(&mut self, field: &Field, shape: (usize, usize), complex_inputs: bool, detector: &Detector) {
        let (rows, columns) = shape;
        let (real, imaginary) = detector.takes();
        let per_output = usize::from(real) + usize::from(imaginary);
        let per_input = if complex_inputs { 2 } else { 1 };
        self.resize(per_input * columns, per_output * rows);
        let imaginary_part = |at: usize| field.im.get(at).copied().unwrap_or(0.0);
        for (output, input) in (0..rows).flat_map(|o| (0..columns).map(move |i| (o, i))) {
            let at = output * columns + input;
            let entry = (field.re[at], imaginary_part(at));
            for part in 0..per_input {
                // A part of x sent as i x turns (R, I) into (-I, R).
                let (re, im) = if part == 0 { entry } else { (-entry.1, entry.0) };
                let k = input * per_input + part;
                if real {
                    *self.entry(k, output * per_output) = re;
                }
                if imaginary {
                    *self.entry(k, (output + 1) * per_output - 1) = im;
                }
            }
        }
    }

    /// The adjoint of [`assemble`](Transfer::assemble): adds to dL/dRe and dL/dIm of the field, given dL/dentry [inputs,
    /// outputs] of this matrix.
    pub fn fold(gradient: &[f64], field: &mut Field, shape: (usize, usize), complex_inputs: bool, detector: &Detector) {
        let (rows, columns) = shape;
        let (real, imaginary) = detector.takes();
        let per_output = usize::from(real) + usize::from(imaginary);
        let per_input = if complex_inputs { 2 } else { 1 };
        let has_imaginary = !field.im.is_empty();
        for (output, input) in (0..rows).flat_map(|o| (0..columns).map(move |i| (o, i))) {
            let at = output * columns + input;
            for part in 0..per_input {
                let row = (input * per_input + part) * per_output * rows;
                let re = if real { gradient[row + output * per_output] } else { 0.0 };
                let im = if imaginary { gradient[row + (output + 1) * per_output - 1] } else { 0.0 };
                let (re, im) = if part == 0 { (re, im) } else { (im, -re) };
                field.re[at] += re;
                if has_imaginary {
                    field.im[at] += im;
                }
            }
        }
    }

    fn resize(&mut self, inputs: usize, outputs: usize) {
        (self.inputs, self.outputs) = (inputs, outputs);
        self.panels.clear();
        self.panels.resize(inputs * outputs.div_ceil(LANES), [0.0; LANES]);
    }

    fn entry(&mut self, input: usize, output: usize) -> &mut f64 {
        &mut self.panels[output / LANES * self.inputs + input][output % LANES]
    }

    /// What reaches `output` from `input`.
    pub fn get(&self, input: usize, output: usize) -> f64 {
        self.panels[output / LANES * self.inputs + input][output % LANES]
    }

    /// The transposed matrix.
    pub fn transposed(&self) -> Transfer {
        let mut transposed = Transfer::default();
        transposed.resize(self.outputs, self.inputs);
        for (input, output) in (0..self.inputs).flat_map(|i| (0..self.outputs).map(move |o| (i, o))) {
            *transposed.entry(output, input) = self.get(input, output);
        }
        transposed
    }

    /// y [rows, outputs] = x [rows, inputs] times the matrix. Every element is the sum over inputs in their order, whatever
    /// rows come with it.
    pub fn apply(&self, x: &[f64], y: &mut [f64], packed: &mut Vec<[f64; ROWS]>) {
        let blocks = x.len().div_ceil(ROWS * self.inputs);
        packed.clear();
        packed.resize(blocks * self.inputs, [0.0; ROWS]);
        for (row, x) in x.chunks_exact(self.inputs).enumerate() {
            let block = &mut packed[row / ROWS * self.inputs..][..self.inputs];
            block.iter_mut().zip(x).for_each(|(packed, x)| packed[row % ROWS] = *x);
        }
        pulp::Arch::new().dispatch(|| multiply(&self.panels, self.inputs, self.outputs, packed, y));
    }
}

/// Must be inlined into the dispatched closure.
#[inline(always)]
fn multiply(panels: &[[f64; LANES]], inputs: usize, outputs: usize, x: &[[f64; ROWS]], y: &mut [f64]) {
    for (p, panel) in panels.chunks_exact(inputs).enumerate() {
        let first = p * LANES;
        let width = LANES.min(outputs - first);
        for (x, y) in x.chunks_exact(inputs).zip(y.chunks_mut(ROWS * outputs)) {
            let sums = tile(panel, x);
            for (sums, y) in sums.iter().zip(y.chunks_exact_mut(outputs)) {
                y[first..first + width].copy_from_slice(&sums[..width]);
            }
        }
    }
}

/// `ROWS` vectors times `LANES` outputs.
#[inline(always)]
fn tile(panel: &[[f64; LANES]], x: &[[f64; ROWS]]) -> [[f64; LANES]; ROWS] {
    let mut sums = [[0.0; LANES]; ROWS];
    for (a, x) in panel.iter().zip(x) {
        for r in 0..ROWS {
            for l in 0..LANES {
                sums[r][l] += x[r] * a[l];
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use blackbeam_plugin::Key;

    #[test]
    fn the_product_and_its_bits() {
        for (inputs, outputs, rows) in [(1, 1, 1), (3, 7, 5), (16, 8, 9), (10, 29, 13), (64, 64, 6)] {
            let mut data = vec![0.0; inputs * outputs];
            let mut x = vec![0.0; inputs * rows];
            Key::new(1).fill_normal(0, &mut data);
            Key::new(2).fill_normal(0, &mut x);
            let mut a = Transfer::default();
            a.resize(inputs, outputs);
            (0..data.len()).for_each(|i| *a.entry(i / outputs, i % outputs) = data[i]);
            let mut packed = Vec::new();
            let mut y = vec![f64::NAN; rows * outputs];
            a.apply(&x, &mut y, &mut packed);
            for (r, o) in (0..rows).flat_map(|r| (0..outputs).map(move |o| (r, o))) {
                let mut sum = 0.0;
                for k in 0..inputs {
                    sum += x[r * inputs + k] * data[k * outputs + o];
                }
                assert_eq!(y[r * outputs + o], sum, "the plain loop, to the bit");
            }
            for split in 1..rows {
                let mut parts = vec![f64::NAN; rows * outputs];
                let (xa, xb) = x.split_at(split * inputs);
                let (ya, yb) = parts.split_at_mut(split * outputs);
                a.apply(xa, ya, &mut packed);
                a.apply(xb, yb, &mut packed);
                assert_eq!(parts, y);
            }
        }
    }
}
