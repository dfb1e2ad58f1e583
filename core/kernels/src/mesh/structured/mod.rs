//! Changes of one cell, without sending everything through the mesh again.
//!
//! With the fields x before a cell and the columns S of all that comes after it, a cell whose matrix becomes T + dT changes
//! the outputs by S dT x: exact, however large the change is. [`Fields`] keeps x for each cell, [`Suffix`] keeps S.
//! If only one number is wanted of the outputs, linear in them, a sweep backwards gives it for all changes of all cells
//! ([`Fields::contract`]).

mod passes;

use self::passes::{Add, Contract, Fence, Sweep, quarters};
use super::{Blocks, Factors, Input, Mesh};
use crate::{Buffer, Level, Real};

/// What changes in a configuration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// The matrix of a cell becomes this: (re, im) of t00, t01, t10, t11.
    Cell(usize, [(f64, f64); 4]),
    /// The factor on the output of a mode becomes this: (re, im).
    Output(usize, (f64, f64)),
}

/// The fields of a batch before each cell: 4 (rows, rounded up to whole cache lines) numbers a cell.
#[derive(Clone, Default)]
pub struct Fields<T> {
    rows: usize,
    /// re and im on the one mode of a cell, re and im on the other; row by row.
    kept: Buffer<T>,
    /// re and im of each mode behind the last cell.
    last: Buffer<T>,
    /// [rows, n, 2].
    outputs: Buffer<T>,
}

/// The columns of the product of all that comes after each cell: 4 (n, rounded up to whole cache lines) numbers a cell.
#[derive(Clone, Default)]
pub struct Suffix<T> {
    kept: Buffer<T>,
    state: Buffer<T>,
}

/// Memory for probes.
#[derive(Clone, Default)]
pub struct Probe<T> {
    /// What the change adds behind the cell: re and im of the one mode, re and im of the other, row by row.
    added: Buffer<T>,
    /// S and i S for both modes: re, im of an output, ..; rows of 2 (n, rounded up to whole cache lines).
    columns: Buffer<T>,
}

/// Derivatives of a number with respect to all matrices and output factors: dL = sum of re d(re) + im d(im).
#[derive(Clone, Debug, Default)]
pub struct Gradient {
    /// Of the matrices of the cells.
    pub blocks: Blocks,
    /// Of the factors on the outputs.
    pub output: Factors,
}

impl Gradient {
    /// Makes it 0, for a sum over batches.
    pub fn clear(&mut self) {
        let Gradient { blocks, output } = self;
        blocks.re.iter_mut().chain(&mut blocks.im).for_each(|part| part.fill(0.0));
        output.re.fill(0.0);
        output.im.fill(0.0);
    }
}

/// Whole cache lines, which are whole vectors at every level.
fn padded<T>(count: usize) -> usize {
    count.next_multiple_of(64 / size_of::<T>())
}

impl<T: Real> Fields<T> {
    /// Sends a batch through the mesh and keeps what comes into each cell.
    ///
    /// # Panics
    /// If `x` is no whole number of rows, or if there is not one block a cell or one factor a mode.
    pub fn load(
        &mut self,
        level: Level,
        mesh: &Mesh,
        (blocks, input, output): (&Blocks, &Factors, &Factors),
        x: Input<'_, T>,
    ) {
        let n = mesh.modes();
        self.rows = if n == 0 { 0 } else { x.numbers().len() / (n * x.per_mode()) };
        assert_eq!(x.numbers().len(), self.rows * n * x.per_mode(), "whole rows");
        assert!(blocks.cells() == mesh.cells() && input.re.len() == n && output.re.len() == n, "a configuration");
        let width = padded::<T>(self.rows);
        self.last.resize(2 * n * width);
        self.kept.resize(4 * mesh.cells() * width);
        let state = self.last.as_mut_slice();
        state.fill(T::ZERO);
        for (row, x) in x.numbers().chunks_exact((n * x.per_mode()).max(1)).enumerate() {
            for mode in 0..n {
                let (re, im) = if x.len() == n { (x[mode], T::ZERO) } else { (x[2 * mode], x[2 * mode + 1]) };
                let (re, im) = product((re.to_f64(), im.to_f64()), (input.re[mode], input.im[mode]));
                state[2 * mode * width + row] = T::from_f64(re);
                state[(2 * mode + 1) * width + row] = T::from_f64(im);
            }
        }
        level.dispatch(Sweep { mesh, blocks, state, kept: self.kept.as_mut_slice(), width, backward: false });
        self.outputs.resize(self.rows * n * 2);
        let (state, y) = (self.last.as_slice(), self.outputs.as_mut_slice());
        for (row, y) in y.chunks_exact_mut((2 * n).max(1)).enumerate() {
            for (mode, y) in y.chunks_exact_mut(2).enumerate() {
                let field = (state[2 * mode * width + row].to_f64(), state[(2 * mode + 1) * width + row].to_f64());
                let (re, im) = product(field, (output.re[mode], output.im[mode]));
                (y[0], y[1]) = (T::from_f64(re), T::from_f64(im));
            }
        }
    }

    /// Number of vectors.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// What the configuration gives: [rows, n, 2], re and im.
    pub fn outputs(&self) -> &[T] {
        self.outputs.as_slice()
    }

    /// What the configuration gives after one change: `y` gets [rows, n, 2]. `blocks` and `output` are those for which fields and
    /// suffix were loaded. With `stream`, results go past the caches, which is faster for what does not fit into them; it takes
    /// effect where `y` and its rows begin on cache lines (as in a [`Buffer`]), and [`fence`] must follow before another thread is
    /// told of them. `again`: `probe` was used last for another change of the same cell or output, with the same suffix.
    ///
    /// # Panics
    /// If `y` has another length, or there is no such cell or mode.
    pub fn changed(
        &self,
        level: Level,
        (suffix, blocks, output): (&Suffix<T>, &Blocks, &Factors),
        (change, again): (&Change, bool),
        (y, stream): (&mut [T], bool),
        probe: &mut Probe<T>,
    ) {
        assert_eq!(y.len(), self.outputs.as_slice().len(), "[rows, n, 2]");
        let (n, width) = (output.re.len(), padded::<T>(self.rows));
        probe.added.resize(4 * width);
        let stride = 2 * padded::<T>(n);
        probe.columns.resize(4 * stride);
        let columns = probe.columns.as_mut_slice();
        let (delta, fields, after) = match *change {
            Change::Cell(cell, matrix) => {
                let after = &suffix.kept.as_slice()[4 * cell * padded::<T>(n)..][..4 * padded::<T>(n)];
                let after = if again { &[] } else { after };
                let (new, old) = (matrix, blocks.get(cell));
                let delta = [0, 1, 2, 3].map(|k| (new[k].0 - old[k].0, new[k].1 - old[k].1));
                (delta, quarters(&self.kept.as_slice()[4 * cell * width..], width), after)
            }
            Change::Output(mode, (re, im)) => {
                if !again {
                    columns.fill(T::ZERO);
                    columns[2 * mode] = T::ONE;
                    columns[stride + 2 * mode + 1] = T::ONE;
                }
                let delta = (re - output.re[mode], im - output.im[mode]);
                let zero = (0.0, 0.0);
                let (re, im) = self.last.as_slice()[2 * mode * width..][..2 * width].split_at(width);
                ([delta, zero, zero, zero], [re, im, re, im], &[][..])
            }
        };
        let stream = stream && (y.as_ptr() as usize).is_multiple_of(64) && (2 * n * size_of::<T>()).is_multiple_of(64);
        let (added, columns) = (probe.added.as_mut_slice(), probe.columns.as_mut_slice());
        level.dispatch(Add {
            delta,
            fields,
            after,
            added,
            columns,
            base: self.outputs.as_slice(),
            of_row: 2 * n,
            y,
            stream,
        });
    }

    /// The derivatives of L with respect to the matrices and the output factors, given `cotangent` = dL/dy [rows, n, 2]. Since y is
    /// linear in each matrix, L's change under a change of one cell alone is exactly sum(re d(re) + im d(im)), if L is linear
    /// in y. They are added to `gradient`, which counts as 0 where it holds nothing yet. `state` is memory.
    ///
    /// # Panics
    /// If `cotangent` has another length.
    pub fn contract(
        &self,
        level: Level,
        mesh: &Mesh,
        (blocks, output): (&Blocks, &Factors),
        cotangent: &[T],
        (gradient, state): (&mut Gradient, &mut Buffer<T>),
    ) {
        assert_eq!(cotangent.len(), self.outputs.as_slice().len(), "[rows, n, 2]");
        let (n, width) = (mesh.modes(), padded::<T>(self.rows));
        gradient.blocks.resize(mesh.cells());
        gradient.output.re.resize(n, 0.0);
        gradient.output.im.resize(n, 0.0);
        state.resize(2 * n * width);
        let state = state.as_mut_slice();
        state.fill(T::ZERO);
        let last = self.last.as_slice();
        for mode in 0..n {
            let (mut re, mut im) = (0.0, 0.0);
            for row in 0..self.rows {
                let at = 2 * (row * n + mode);
                let g = (cotangent[at].to_f64(), -cotangent[at + 1].to_f64());
                let field = (last[2 * mode * width + row].to_f64(), last[(2 * mode + 1) * width + row].to_f64());
                let moved = product(g, field);
                (re, im) = (re + moved.0, im - moved.1);
                let back = product(g, (output.re[mode], output.im[mode]));
                state[2 * mode * width + row] = T::from_f64(back.0);
                state[(2 * mode + 1) * width + row] = T::from_f64(back.1);
            }
            gradient.output.re[mode] += re;
            gradient.output.im[mode] += im;
        }
        let (kept, gradient) = (self.kept.as_slice(), &mut gradient.blocks);
        level.dispatch(Contract { mesh, blocks, state, kept, width, gradient });
    }
}

impl<T: Real> Suffix<T> {
    /// Computes the columns of a configuration.
    ///
    /// # Panics
    /// If there is not one block a cell or one factor a mode.
    pub fn load(&mut self, level: Level, mesh: &Mesh, blocks: &Blocks, output: &Factors) {
        let n = mesh.modes();
        assert!(blocks.cells() == mesh.cells() && output.re.len() == n && output.im.len() == n, "a configuration");
        let width = padded::<T>(n);
        self.state.resize(2 * n * width);
        self.kept.resize(4 * mesh.cells() * width);
        let state = self.state.as_mut_slice();
        state.fill(T::ZERO);
        for mode in 0..n {
            state[2 * mode * width + mode] = T::from_f64(output.re[mode]);
            state[(2 * mode + 1) * width + mode] = T::from_f64(output.im[mode]);
        }
        level.dispatch(Sweep { mesh, blocks, state, kept: self.kept.as_mut_slice(), width, backward: true });
    }
}

/// Ends what this thread has streamed.
pub fn fence(level: Level) {
    level.dispatch(Fence);
}

fn product(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}
