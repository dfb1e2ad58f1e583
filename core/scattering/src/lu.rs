//! LU factorisations with partial pivoting of the matrix `A = 1 - M` of a loop, by faer.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::lu::partial_pivoting::{factor, solve};
use faer::perm::PermRef;
use faer::sparse::linalg::lu::{LuRef, LuSymbolicParams, NumericLu, SymbolicLu, factorize_symbolic_lu};
use faer::sparse::linalg::{LuError, SupernodalThreshold};
use faer::sparse::{SparseColMatRef, SymbolicSparseColMat};
use faer::{Conj, MatMut, MatRef, Par};
use num_complex::Complex64;

use crate::elimination::smallest_pivot;
use crate::structure::Error;

/// The symbolic part of an LU factorisation: dense, or sparse with the order of its columns and its fill.
pub(crate) enum LuPlan {
    Dense(usize),
    Sparse(Box<Sparse>),
}

pub(crate) struct Sparse {
    pattern: SymbolicSparseColMat<u32>,
    lu: SymbolicLu<u32>,
    /// Where the diagonal stands among the numbers.
    diagonal: Vec<u32>,
    /// Where each coupling stands among the numbers.
    couplings: Vec<u32>,
}

impl LuPlan {
    /// Analyses a matrix of `len` waves with the given couplings `(row, column)`, none twice.
    pub fn sparse(len: usize, couplings: &[(u32, u32)]) -> Result<Self, Error> {
        // Couplings in the order of columns, then rows, with the diagonal in its place.
        const DIAGONAL: u32 = u32::MAX;
        let mut items: Vec<(u32, u32, u32)> =
            couplings.iter().enumerate().map(|(i, &(row, col))| (col, row, i as u32)).collect();
        items.extend((0..len as u32).map(|k| (k, k, DIAGONAL)));
        items.sort_unstable();
        let (mut diagonal, mut positions) = (vec![0; len], vec![0; couplings.len()]);
        let (mut col_start, mut rows) = (vec![0u32; len + 1], Vec::<u32>::with_capacity(items.len()));
        let mut last = (DIAGONAL, DIAGONAL);
        for (col, row, coupling) in items {
            // A wave coupled to itself shares the number of the diagonal.
            if (col, row) != last {
                rows.push(row);
                col_start[col as usize + 1] = rows.len() as u32;
                last = (col, row);
            }
            let position = rows.len() as u32 - 1;
            match coupling {
                DIAGONAL => diagonal[row as usize] = position,
                _ => positions[coupling as usize] = position,
            }
        }
        let pattern = SymbolicSparseColMat::new_checked(len, len, col_start, None, rows);
        let params = LuSymbolicParams {
            supernodal_flop_ratio_threshold: SupernodalThreshold::FORCE_SUPERNODAL,
            ..Default::default()
        };
        let lu = factorize_symbolic_lu(pattern.as_ref(), params).map_err(|_| Error::Memory { waves: len })?;
        Ok(Self::Sparse(Box::new(Sparse { pattern, lu, diagonal, couplings: positions })))
    }

    fn len(&self) -> usize {
        match self {
            Self::Dense(len) => *len,
            Self::Sparse(sparse) => sparse.diagonal.len(),
        }
    }
}

/// The numbers of an LU factorisation and the scratch space of faer; grows on first use only.
#[derive(Default)]
pub(crate) struct LuNumbers {
    values: Vec<Complex64>,
    row_perm: Vec<u32>,
    row_perm_inverse: Vec<u32>,
    numeric: NumericLu<u32, Complex64>,
    scratch: Option<MemBuffer>,
    scratch_bytes: usize,
}

impl LuNumbers {
    fn reserve(&mut self, request: faer::dyn_stack::StackReq) {
        let bytes = request.unaligned_bytes_required();
        if self.scratch.is_none() || bytes > self.scratch_bytes {
            self.scratch = Some(MemBuffer::new(request));
            self.scratch_bytes = bytes;
        }
    }

    /// Factors `1 - M`, given the couplings `(row, column)` of the plan and their values.
    ///
    /// # Errors
    /// The waves where a nearly undetermined solution is, with its amplitudes, where a pivot is rounding error only.
    pub fn factor(
        &mut self,
        plan: &LuPlan,
        couplings: &[(u32, u32)],
        value: impl Fn(usize) -> Complex64,
    ) -> Result<(), Failure> {
        self.values.clear();
        match plan {
            LuPlan::Dense(len) => {
                self.values.resize(len * len, Complex64::ZERO);
                for k in 0..*len {
                    self.values[k * len + k] = Complex64::ONE;
                }
                for (i, &(row, col)) in couplings.iter().enumerate() {
                    self.values[col as usize * len + row as usize] -= value(i);
                }
                self.factor_dense(*len)
            }
            LuPlan::Sparse(sparse) => {
                self.values.resize(sparse.pattern.row_idx().len(), Complex64::ZERO);
                for &at in &sparse.diagonal {
                    self.values[at as usize] = Complex64::ONE;
                }
                for (i, &at) in sparse.couplings.iter().enumerate() {
                    self.values[at as usize] -= value(i);
                }
                self.factor_sparse(sparse)
            }
        }
    }

    fn factor_dense(&mut self, len: usize) -> Result<(), Failure> {
        let most = self.values.iter().map(|z| z.norm_sqr()).fold(0.0, f64::max).sqrt();
        if !self.values.iter().all(|z| z.is_finite()) {
            return Err(Failure::Undetermined(Vec::new()));
        }
        self.row_perm.resize(len, 0);
        self.row_perm_inverse.resize(len, 0);
        self.reserve(factor::lu_in_place_scratch::<u32, Complex64>(len, len, Par::Seq, Default::default()));
        let stack = MemStack::new(self.scratch.as_mut().expect("reserved in the line above"));
        factor::lu_in_place(
            MatMut::from_column_major_slice_mut(&mut self.values, len, len),
            &mut self.row_perm,
            &mut self.row_perm_inverse,
            Par::Seq,
            stack,
            Default::default(),
        );
        let least = smallest_pivot(len) * most;
        match (0..len).find(|&k| self.values[k * len + k].norm() <= least) {
            Some(k) => Err(Failure::Undetermined(self.null_vector(len, k))),
            None => Ok(()),
        }
    }

    /// The vector that `A` takes to nearly zero, where pivot `k` is the first that nearly vanishes.
    fn null_vector(&self, len: usize, k: usize) -> Vec<Complex64> {
        let upper = |i: usize, j: usize| self.values[j * len + i];
        let mut z = vec![Complex64::ZERO; len];
        z[k] = Complex64::ONE;
        for i in (0..k).rev() {
            let sum: Complex64 = (i + 1..=k).map(|j| upper(i, j) * z[j]).sum();
            z[i] = -sum / upper(i, i);
        }
        z
    }

    fn factor_sparse(&mut self, sparse: &Sparse) -> Result<(), Failure> {
        if !self.values.iter().all(|z| z.is_finite()) {
            return Err(Failure::Undetermined(Vec::new()));
        }
        self.reserve(sparse.lu.factorize_numeric_lu_scratch::<Complex64>(Par::Seq, Default::default()));
        let stack = MemStack::new(self.scratch.as_mut().expect("reserved in the line above"));
        let matrix = SparseColMatRef::new(sparse.pattern.as_ref(), &self.values);
        match sparse.lu.factorize_numeric_lu(&mut self.numeric, matrix, Par::Seq, stack, Default::default()) {
            Ok(_) => Ok(()),
            Err(LuError::SymbolicSingular { .. }) => Err(Failure::Undetermined(Vec::new())),
            Err(LuError::Generic(_)) => Err(Failure::Memory),
        }
    }

    /// Solves `A x = b`, or with the conjugate transpose of `A`, in place; `rhs` holds columns one after the other.
    ///
    /// # Errors
    /// Where the solution is beyond what a determined system can have in double precision.
    pub fn solve(&mut self, plan: &LuPlan, rhs: &mut [Complex64], adjoint: bool) -> Result<(), Failure> {
        let len = plan.len();
        let cols = rhs.len() / len;
        let driven = rhs.iter().map(|z| z.norm_sqr()).fold(0.0, f64::max).sqrt();
        self.reserve(match plan {
            LuPlan::Dense(_) => solve::solve_in_place_scratch::<u32, Complex64>(len, cols, Par::Seq),
            LuPlan::Sparse(sparse) => sparse.lu.solve_in_place_scratch::<Complex64>(cols, Par::Seq),
        });
        let stack = MemStack::new(self.scratch.as_mut().expect("reserved in the line above"));
        let b = MatMut::from_column_major_slice_mut(&mut *rhs, len, cols);
        match plan {
            LuPlan::Dense(_) => {
                let lu = MatRef::from_column_major_slice(&self.values, len, len);
                let perm = PermRef::new_checked(&self.row_perm, &self.row_perm_inverse, len);
                if adjoint {
                    solve::solve_transpose_in_place_with_conj(lu, lu, perm, Conj::Yes, b, Par::Seq, stack);
                } else {
                    solve::solve_in_place_with_conj(lu, lu, perm, Conj::No, b, Par::Seq, stack);
                }
            }
            LuPlan::Sparse(sparse) => {
                let lu = LuRef::new_unchecked(&sparse.lu, &self.numeric);
                if adjoint {
                    lu.solve_transpose_in_place_with_conj(Conj::Yes, b, Par::Seq, stack);
                } else {
                    lu.solve_in_place_with_conj(Conj::No, b, Par::Seq, stack);
                }
            }
        }
        // faer does not report the pivots of a sparse LU: an undetermined system shows in its solution.
        let most = driven / smallest_pivot(len);
        let bounded = |z: &Complex64| z.norm() <= most;
        match rhs.chunks(len).find(|column| !column.iter().all(bounded)) {
            Some(column) => Err(Failure::Undetermined(column.to_vec())),
            None => Ok(()),
        }
    }
}

/// Why an LU has no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The waves of the loop are not determined: amplitudes of light that feeds itself, empty where they are unknown.
    Undetermined(Vec<Complex64>),
    /// The factors do not fit in memory.
    Memory,
}
