use super::{Lanes, Unary, contraction, optics, rows, tables, unary};
use crate::Real;

/// What is done with a tile.
pub enum Job<'a, T> {
    Contract(contraction::Apply<'a, T>),
    Copy(tables::Copy<'a, T>),
    Reduce(tables::Reduce<'a, T>),
    Moduli(optics::Moduli<'a, T>),
    ModRelu(optics::ModRelu<'a, T>),
    Unary { function: Unary, x: &'a mut [T] },
    Sum(unary::Sum<'a, T>),
    AddWeights(unary::AddWeights<'a, T>),
    Scale(unary::Scale<'a, T>),
    LayerNorm(unary::LayerNorm<'a, T>),
    Softmax(unary::Softmax<'a, T>),
    Pack(rows::Pack<'a, T>),
    Unpack(rows::Unpack<'a, T>),
}

impl<T: Real> Job<'_, T> {
    /// Called by `Real::tile` only, which is not generic: else every crate would compile all of this again.
    #[inline(always)]
    pub(crate) fn run(self, lanes: Lanes) {
        match self {
            Job::Contract(kernel) => lanes.dispatch(kernel),
            Job::Copy(kernel) => lanes.dispatch(kernel),
            Job::Reduce(kernel) => lanes.dispatch(kernel),
            Job::Moduli(kernel) => lanes.dispatch(kernel),
            Job::ModRelu(kernel) => lanes.dispatch(kernel),
            Job::Unary { function: Unary::Relu, x } => lanes.dispatch(unary::Map::<T, unary::Relu>::new(x)),
            Job::Unary { function: Unary::Gelu, x } => lanes.dispatch(unary::Map::<T, unary::Gelu>::new(x)),
            Job::Unary { function: Unary::Tanh, x } => lanes.dispatch(unary::Map::<T, unary::Tanh>::new(x)),
            Job::Unary { function: Unary::Sigmoid, x } => lanes.dispatch(unary::Map::<T, unary::Sigmoid>::new(x)),
            Job::Unary { function: Unary::Sine, x } => lanes.dispatch(unary::Sines { x }),
            Job::Sum(kernel) => lanes.dispatch(kernel),
            Job::AddWeights(kernel) => lanes.dispatch(kernel),
            Job::Scale(kernel) => lanes.dispatch(kernel),
            Job::LayerNorm(kernel) => lanes.dispatch(kernel),
            Job::Softmax(kernel) => lanes.dispatch(kernel),
            Job::Pack(kernel) => lanes.dispatch(kernel),
            Job::Unpack(kernel) => lanes.dispatch(kernel),
        }
    }
}
