//! What is done with a tile.

use blackbeam_kernels::network::{
    Contraction, Copies, Lanes, Start, Unary, Windows, add, add_weights, layer_norm, mod_relu, moduli, scale, softmax,
    unary,
};
use blackbeam_kernels::{Buffer, Real};
use std::ops::Range;

/// Where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The tile of the batch, which is only read.
    Input,
    Slot(usize),
}

/// One step: from a place into a slot of so many numbers per sample, or in place.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    From { from: Place, to: usize, size: usize, what: Move },
    At { slot: usize, what: Change },
}

#[derive(Clone, Debug)]
pub(crate) enum Move {
    Clone,
    /// `weights`: where those of the contraction begin.
    Contract {
        weights: usize,
        shape: Contraction,
    },
    Copy(Copies),
    Windows(Windows),
    Moduli {
        root: bool,
    },
}

/// Ranges and indices are those of loaded weights.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Unary(Unary),
    Add { from: Place },
    Bias(Range<usize>),
    Scale(usize),
    LayerNorm { scales: Range<usize>, shifts: Range<usize> },
    Softmax { features: usize },
    Recurrent { weights: usize, shape: Contraction, bias: Option<Range<usize>> },
}

fn read<'a, T: Real>(place: Place, input: &'a [T], slots: &'a [Buffer<T>]) -> &'a [T] {
    match place {
        Place::Input => input,
        Place::Slot(slot) => slots[slot].as_slice(),
    }
}

impl Step {
    pub fn run<T: Real>(&self, lanes: Lanes, weights: &[T], input: &[T], slots: &mut [Buffer<T>]) {
        // taken out, so that the others can be read meanwhile
        match self {
            Step::From { from, to, size, what } => {
                let mut y = std::mem::take(&mut slots[*to]);
                y.resize(size * lanes.count::<T>());
                what.run(lanes, weights, read(*from, input, slots), y.as_mut_slice());
                slots[*to] = y;
            }
            Step::At { slot, what: Change::Add { from } } => {
                let mut y = std::mem::take(&mut slots[*slot]);
                add(lanes, read(*from, input, slots), y.as_mut_slice());
                slots[*slot] = y;
            }
            Step::At { slot, what } => what.run(lanes, weights, slots[*slot].as_mut_slice()),
        }
    }
}

impl Move {
    fn run<T: Real>(&self, lanes: Lanes, weights: &[T], x: &[T], y: &mut [T]) {
        match self {
            Move::Clone => y.copy_from_slice(x),
            Move::Contract { weights: first, shape } => shape.apply(lanes, &weights[*first..], x, Start::Bias, y),
            Move::Copy(copies) => copies.apply(lanes, x, y),
            Move::Windows(windows) => windows.apply(lanes, x, y),
            Move::Moduli { root } => moduli(lanes, *root, x, y),
        }
    }
}

impl Change {
    fn run<T: Real>(&self, lanes: Lanes, weights: &[T], x: &mut [T]) {
        match self {
            Change::Unary(function) => unary(lanes, *function, x),
            Change::Add { .. } => unreachable!("it reads another slot"),
            Change::Bias(bias) => add_weights(lanes, &weights[bias.clone()], x),
            Change::Scale(factor) => scale(lanes, weights[*factor], x),
            Change::LayerNorm { scales, shifts } => {
                layer_norm(lanes, &weights[scales.clone()], &weights[shifts.clone()], x);
            }
            Change::Softmax { features } => softmax(lanes, *features, x),
            Change::Recurrent { weights: first, shape, bias } => {
                let matrix = &weights[*first..];
                let bias = bias.clone().map(|bias| &weights[bias]);
                recurrent(lanes, shape, matrix, bias, x);
            }
        }
    }
}

/// x_t becomes h_t = f(W h_(t-1) + x_t), h = 0 before the first.
fn recurrent<T: Real>(lanes: Lanes, shape: &Contraction, matrix: &[T], bias: Option<&[T]>, x: &mut [T]) {
    let size = shape.outputs() * lanes.count::<T>();
    for t in 0..x.len() / size {
        let (before, now) = x.split_at_mut(t * size);
        let now = &mut now[..size];
        if t > 0 {
            shape.apply(lanes, matrix, &before[(t - 1) * size..], Start::Y, now);
        }
        if let Some(bias) = bias {
            mod_relu(lanes, bias, now);
        }
    }
}
