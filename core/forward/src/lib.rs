//! Forward passes of whole networks, for many parameter sets.
//!
//! A [`Forward`] is a network without values. What is the same for many parameter sets (the batch, as [`Packed`]) and what
//! is the same for many batches (the weights, as [`Loaded`]) are each put into the order of the kernels once:
//!
//! ```
//! use blackbeam_forward::{Forward, Loaded, Packed, Work};
//! use blackbeam_kernels::Level;
//! use blackbeam_layers::{Layer, program::compile, shapes};
//!
//! let layers: Vec<Layer> = serde_json::from_str(r#"[{"linear": {"out": 1}}, "relu"]"#).unwrap();
//! let program = compile(&shapes(&layers, &[2], &|_| None).unwrap(), &|_| None);
//! let network = Forward::new(&program, 2).unwrap();
//!
//! let mut batch = Packed::default();
//! network.pack(Level::best(), &[1.0, 2.0, 3.0, -4.0], &mut batch);
//! let (mut set, mut work, mut y) = (Loaded::default(), Work::default(), [0.0; 2]);
//! for (weights, expected) in [([1.0, 1.0, 0.5], [3.5, 0.0]), ([1.0, -1.0, 0.0], [0.0, 7.0])] {
//!     network.load(&weights, &[], &mut set);
//!     network.run(&set, &batch, 0, &mut y, &mut work);
//!     assert_eq!(y, expected);
//! }
//! ```
//!
//! **Bits.** The outputs of a sample depend on nothing but its inputs, the weights, and the [`Level`] of the instructions.

mod compile;
mod error;
mod steps;

pub use blackbeam_kernels::network::Packed;
pub use error::Error;

use blackbeam_kernels::{Buffer, Level, Real, network::unpack};
use blackbeam_layers::program::{Optical, Program};
use steps::Step;

/// A network without values.
#[derive(Clone, Debug)]
pub struct Forward {
    steps: Vec<Step>,
    /// where each loaded number stands among all values: zero, the weights, and of each matrix re, im and -im
    places: Vec<u32>,
    optical: Vec<Optical>,
    /// values of the program's weights
    parameters: usize,
    inputs: usize,
    outputs: usize,
    /// where the outputs stand in the end
    last: usize,
    slots: usize,
    operations: f64,
}

/// A complex matrix [outputs, inputs], row by row: what the light at the outputs is of that at the inputs.
#[derive(Clone, Copy, Debug)]
pub struct ComplexMatrix<'a> {
    /// Real parts.
    pub re: &'a [f64],
    /// Imaginary parts.
    pub im: &'a [f64],
}

/// One parameter set in the order of the kernels.
#[derive(Clone, Default)]
pub struct Loaded<T> {
    weights: Buffer<T>,
    /// all values, in the order in which they are given
    values: Vec<T>,
}

/// Memory of one thread, kept from run to run.
#[derive(Clone, Default)]
pub struct Work<T> {
    slots: Vec<Buffer<T>>,
}

impl Forward {
    /// A program that gets `inputs` numbers per sample. Dropout does nothing.
    ///
    /// # Errors
    /// If there is an operation with no form that goes only forward (devices, batch norm, embeddings), or the inputs do not
    /// fit the program.
    pub fn new(program: &Program, inputs: usize) -> Result<Forward, Error> {
        compile::compile(program, inputs)
    }

    /// Numbers of a sample.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Numbers that a sample becomes.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Floating-point operations of one sample: two for each product with a weight, one for each number that another
    /// operation looks at. What need not be computed, such as pixels in no window of a pool, does not count.
    pub fn operations(&self) -> f64 {
        self.operations
    }

    /// The chains of photonic elements whose matrices [`Forward::load`] wants, in order.
    pub fn optical(&self) -> &[Optical] {
        &self.optical
    }

    /// Takes a parameter set: the values of the program's weights one after the other, and the matrix of each of
    /// [`Forward::optical`].
    ///
    /// # Panics
    /// If there are not so many.
    pub fn load<T: Real>(&self, weights: &[f64], matrices: &[ComplexMatrix<'_>], loaded: &mut Loaded<T>) {
        assert_eq!(weights.len(), self.parameters, "values of the weights");
        assert_eq!(matrices.len(), self.optical.len(), "matrices of photonic elements");
        for (matrix, optical) in matrices.iter().zip(&self.optical) {
            let entries = optical.inputs * optical.outputs;
            assert!(matrix.re.len() == entries && matrix.im.len() == entries, "entries of a matrix");
        }
        let values = &mut loaded.values;
        values.clear();
        values.push(T::ZERO);
        values.extend(weights.iter().map(|v| T::from_f64(*v)));
        for matrix in matrices {
            values.extend(matrix.re.iter().map(|v| T::from_f64(*v)));
            values.extend(matrix.im.iter().map(|v| T::from_f64(*v)));
            values.extend(matrix.im.iter().map(|v| T::from_f64(-*v)));
        }
        loaded.weights.resize(self.places.len());
        for (weight, place) in loaded.weights.as_mut_slice().iter_mut().zip(&self.places) {
            *weight = values[*place as usize];
        }
    }

    /// Takes a batch [rows, inputs] for all parameter sets. `level` is that of the runs.
    ///
    /// # Panics
    /// If `x` is not whole rows.
    pub fn pack<T: Real>(&self, level: Level, x: &[T], packed: &mut Packed<T>) {
        packed.set(level, x, self.inputs);
    }

    /// Outputs y [rows, outputs] of the rows of the batch from `first` on, as many as `y` has room for.
    ///
    /// # Panics
    /// If `loaded` or `packed` were not made by this network, `y` is not whole rows, or there are not so many.
    pub fn run<T: Real>(&self, loaded: &Loaded<T>, packed: &Packed<T>, first: usize, y: &mut [T], work: &mut Work<T>) {
        let weights = loaded.weights.as_slice();
        assert_eq!(weights.len(), self.places.len(), "a parameter set of this network");
        assert!(packed.rows() == 0 || packed.inputs() == self.inputs, "a batch of this network");
        assert!(y.len().is_multiple_of(self.outputs), "whole rows of {} outputs, found {}", self.outputs, y.len());
        let rows = first..first + y.len() / self.outputs;
        assert!(rows.end <= packed.rows(), "{rows:?} of a batch of {} rows", packed.rows());
        if work.slots.len() < self.slots {
            work.slots.resize_with(self.slots, Buffer::default);
        }
        let mut y = y;
        let mut at = rows.start;
        while at < rows.end {
            let (lanes, own, x) = packed.tile(packed.tile_of(at));
            for step in &self.steps {
                step.run(lanes, weights, x, &mut work.slots);
            }
            let end = own.end.min(rows.end);
            let (now, later) = std::mem::take(&mut y).split_at_mut((end - at) * self.outputs);
            unpack(lanes, work.slots[self.last].as_slice(), at - own.start..end - own.start, now);
            (y, at) = (later, end);
        }
    }
}
