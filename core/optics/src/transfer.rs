//! The real matrix that acts on the reals of a batch.

use crate::{chain::detector::Detector, program::Field};
use blackbeam_kernels::{Product, Real};

/// What maps the reals of an encoded vector to the reals that a detector takes: with A = R + i I the rows Re y and Im y, as far
/// as they are taken, and the columns Re x and Im x, as far as they are sent.
///
/// `shape` is (outputs, inputs) of `field`, whose imaginary part is empty where it is zero.
pub(crate) fn assemble<T: Real>(
    product: &mut Product<T>,
    field: &Field,
    shape: (usize, usize),
    complex_inputs: bool,
    detector: &Detector,
) {
    let (rows, columns) = shape;
    let (real, imaginary) = detector.takes();
    let per_output = usize::from(real) + usize::from(imaginary);
    let per_input = if complex_inputs { 2 } else { 1 };
    product.reset(per_input * columns, per_output * rows);
    for output in 0..rows {
        let row = output * columns..(output + 1) * columns;
        let parts = [&field.re[row.clone()], field.im.get(row).unwrap_or(&[])];
        for part in 0..per_input {
            // A part of x sent as i x turns (R, I) into (-I, R).
            let ([re, im], sign) = if part == 0 { (parts, 1.0) } else { ([parts[1], parts[0]], -1.0) };
            if real {
                product.set(output * per_output, part, per_input, re.iter().map(|v| T::from_f64(sign * v)));
            }
            if imaginary {
                product.set((output + 1) * per_output - 1, part, per_input, im.iter().map(|v| T::from_f64(*v)));
            }
        }
    }
}

/// The adjoint of [`assemble`]: adds to dL/dRe and dL/dIm of the field, given dL/dentry [inputs, outputs].
pub(crate) fn fold(
    gradient: &[f64],
    field: &mut Field,
    shape: (usize, usize),
    complex_inputs: bool,
    detector: &Detector,
) {
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

/// The transposed matrix.
pub(crate) fn transposed<T: Real>(product: &Product<T>) -> Product<T> {
    let mut transposed = Product::default();
    transposed.reset(product.outputs(), product.inputs());
    for input in 0..product.inputs() {
        transposed.set(input, 0, 1, (0..product.outputs()).map(|output| product.get(input, output)));
    }
    transposed
}
