//! What can go wrong.

/// An error of this crate.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// Such a layout does not exist, or is too large.
    #[error("{0}")]
    Layout(String),
    /// A cell does not have this convention.
    #[error("{0}")]
    Convention(String),
    /// Not every unitary can be made with this mesh.
    #[error("not every unitary can be made with this mesh: {0}")]
    NotUniversal(String),
    /// A matrix is not square.
    #[error("a unitary is a square matrix, n x n numbers with n at least 1; this one has {0} numbers")]
    NotSquare(usize),
    /// A matrix has an entry that is infinite or not a number.
    #[error("the entry in row {row}, column {column} (from 0) of the matrix is not a finite number")]
    NotFinite {
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        column: usize,
    },
    /// A matrix is not unitary.
    #[error(
        "the matrix is not unitary: U U^H differs from the identity by up to {deviation:.3e} (at most {limit:.0e} is \
         accepted); scale it, orthonormalise it in double precision, or decompose the factors of its SVD"
    )]
    NotUnitary {
        /// Largest modulus of an entry of U U^H - 1.
        deviation: f64,
        /// Largest that is accepted.
        limit: f64,
    },
    /// As many numbers were expected as the mesh has cells or modes.
    #[error("{what}: expected {expected} numbers, found {found}")]
    Length {
        /// Of what.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
