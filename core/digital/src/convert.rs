//! Between tensors, whose rows are samples, and the matrices that devices take, whose rows are vectors.

use blackbeam_plugin::Matrix;
use burn::tensor::{DType, TensorData};

/// A matrix of rows of `to` numbers from tensor data in rows of `from`: cropped, or padded with zeros.
pub(crate) fn to_matrix(data: &TensorData, from: usize, to: usize) -> Matrix {
    let rows = data.num_elements() / from;
    let mut matrix = Matrix::zeros(rows, to);
    let width = from.min(to);
    let mut copy = |element: &dyn Fn(usize) -> f64| {
        for row in 0..rows {
            for (column, slot) in matrix.row_mut(row)[..width].iter_mut().enumerate() {
                *slot = element(row * from + column);
            }
        }
    };
    match data.dtype() {
        DType::F64 => {
            let values = data.as_slice::<f64>().expect("matched on the type");
            copy(&|i| values[i]);
        }
        DType::F32 => {
            let values = data.as_slice::<f32>().expect("matched on the type");
            copy(&|i| f64::from(values[i]));
        }
        other => unreachable!("a network is made of f32 or f64, not {other:?}"),
    }
    matrix
}

/// Tensor data of `samples` rows from a matrix, each of its rows cropped or padded with zeros to `to` numbers.
pub(crate) fn to_data(matrix: &Matrix, samples: usize, to: usize, dtype: DType) -> TensorData {
    let shape = [samples, (matrix.rows * to).checked_div(samples).unwrap_or(0)];
    let width = matrix.columns.min(to);
    if dtype == DType::F64 {
        let mut values = vec![0.0_f64; matrix.rows * to];
        for (row, out) in values.chunks_exact_mut(to).enumerate() {
            out[..width].copy_from_slice(&matrix.row(row)[..width]);
        }
        TensorData::new(values, shape)
    } else {
        let mut values = vec![0.0_f32; matrix.rows * to];
        for (row, out) in values.chunks_exact_mut(to).enumerate() {
            out[..width].iter_mut().zip(matrix.row(row)).for_each(|(slot, &value)| *slot = value as f32);
        }
        TensorData::new(values, shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_padded_and_cropped() {
        let data = TensorData::new(vec![1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [1, 6]);
        assert_eq!(to_matrix(&data, 3, 4), Matrix::new(2, 4, vec![1.0, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0, 0.0]));
        let cropped = to_matrix(&data, 3, 2);
        assert_eq!(cropped, Matrix::new(2, 2, vec![1.0, 2.0, 4.0, 5.0]));
        let back = to_data(&cropped, 1, 3, DType::F64);
        assert_eq!(back.as_slice::<f64>().unwrap(), [1.0, 2.0, 0.0, 4.0, 5.0, 0.0]);
        assert_eq!(back.shape().as_slice(), [1, 6]);
    }
}
