//! Numbers from files: NumPy arrays and tables of comma-separated values.

mod csv;

pub(crate) use csv::table;

use crate::files::Files;
use blackbeam_sparams::Limits;
use blackbeam_sparams::npy::{self, Array, Data};
use num_complex::Complex64;

/// Bounds of arrays: as many numbers as a matrix over 4096 modes or parameters has.
fn limits() -> Limits {
    Limits { bytes: crate::MAX_FILE_BYTES, values: 1 << 24, ..Limits::default() }
}

/// An array of a `.npy` file.
fn array(files: &Files, name: &str) -> Result<Array, String> {
    npy::parse(&files.bytes(name)?, &limits()).map_err(|error| format!("cannot be read: {error}"))
}

/// Numbers of a `.npy` or `.csv` file in row-major order, finite ones.
///
/// # Errors
/// In words that go on after the name of the file.
pub(crate) fn numbers(files: &Files, name: &str) -> Result<Vec<f64>, String> {
    let lower = name.to_ascii_lowercase();
    let values = if lower.ends_with(".npy") {
        match array(files, name)?.data {
            Data::Real(values) => values,
            _ => return Err("does not hold real numbers".into()),
        }
    } else if lower.ends_with(".csv") || lower.ends_with(".txt") {
        table(&files.text(name)?)?.into_iter().flatten().collect()
    } else {
        return Err("is neither `.npy` nor `.csv`".into());
    };
    match values.iter().position(|x| !x.is_finite()) {
        Some(at) => Err(format!("holds {} as its number {at} (from 0)", values[at])),
        None => Ok(values),
    }
}

/// A square matrix of complex numbers of a `.npy` file, row-major.
///
/// # Errors
/// In words that go on after the name of the file.
pub(crate) fn square_matrix(files: &Files, name: &str, n: usize) -> Result<Vec<Complex64>, String> {
    let array = array(files, name)?;
    if array.shape != [n, n] {
        return Err(format!("has the shape {:?}; expected [{n}, {n}]", array.shape));
    }
    array.into_complex().ok_or_else(|| "does not hold numbers".into())
}
