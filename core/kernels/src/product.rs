//! The product of a batch with a real matrix.

use crate::{
    Buffer, Level, Real,
    level::Kernel,
    vector::{Simd, Vector},
};

/// Outputs that stand together in memory: a whole number of pairs of vectors at every level.
const PANEL: usize = 32;
/// Rows of a batch that one pass holds in registers, with two vectors of outputs each.
const ROWS: usize = 6;

/// A real matrix [inputs, outputs] in the order of the kernel: panels of `PANEL` outputs, within one the inputs in order.
#[derive(Clone, Default)]
pub struct Product<T> {
    inputs: usize,
    outputs: usize,
    panels: Buffer<T>,
}

impl<T: Real> Product<T> {
    /// Makes it a matrix of zeros.
    pub fn reset(&mut self, inputs: usize, outputs: usize) {
        (self.inputs, self.outputs) = (inputs, outputs);
        self.panels.resize(inputs * outputs.next_multiple_of(PANEL));
        self.panels.as_mut_slice().fill(T::ZERO);
    }

    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    fn at(&self, input: usize, output: usize) -> usize {
        (output / PANEL * self.inputs + input) * PANEL + output % PANEL
    }

    /// What reaches `output` from `input`.
    ///
    /// # Panics
    /// If there is no such input or output.
    pub fn get(&self, input: usize, output: usize) -> T {
        assert!(input < self.inputs && output < self.outputs);
        self.panels.as_slice()[self.at(input, output)]
    }

    /// Sets what reaches `output` from the inputs `first`, `first + step`, .., in order.
    ///
    /// # Panics
    /// If there are not so many inputs, or not this output.
    pub fn set(&mut self, output: usize, first: usize, step: usize, values: impl ExactSizeIterator<Item = T>) {
        assert!(output < self.outputs);
        let count = values.len();
        assert!(count == 0 || first + (count - 1) * step < self.inputs);
        let start = self.at(first, output);
        let places = self.panels.as_mut_slice()[start..].iter_mut().step_by(step * PANEL);
        places.zip(values).for_each(|(place, value)| *place = value);
    }

    /// y [rows, outputs] = x [rows, inputs] times the matrix. Every number is the sum over the inputs in their order, whatever
    /// rows come with it.
    ///
    /// # Panics
    /// If `x` and `y` are not of these shapes.
    pub fn apply(&self, level: Level, x: &[T], y: &mut [T]) {
        assert!(
            x.len().checked_div(self.inputs) == y.len().checked_div(self.outputs)
                && x.len().is_multiple_of(self.inputs.max(1))
        );
        level.dispatch(Apply { matrix: self, x, y });
    }
}

struct Apply<'a, T> {
    matrix: &'a Product<T>,
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Real> Kernel for Apply<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Apply { matrix: Product { inputs, outputs, panels }, x, y } = self;
        let (inputs, outputs) = (*inputs, *outputs);
        if inputs == 0 || outputs == 0 {
            return y.fill(T::ZERO);
        }
        let pair = 2 * T::Wide::<S>::LANES;
        for first in (0..outputs).step_by(pair) {
            let start = (first / PANEL * inputs) * PANEL + first % PANEL;
            let panel = &panels.as_slice()[start..];
            for (x, y) in x.chunks(ROWS * inputs).zip(y.chunks_mut(ROWS * outputs)) {
                let shape = (inputs, outputs, first);
                match x.len() / inputs {
                    6 => tile::<S, T, 6>(panel, x, y, shape),
                    5 => tile::<S, T, 5>(panel, x, y, shape),
                    4 => tile::<S, T, 4>(panel, x, y, shape),
                    3 => tile::<S, T, 3>(panel, x, y, shape),
                    2 => tile::<S, T, 2>(panel, x, y, shape),
                    _ => tile::<S, T, 1>(panel, x, y, shape),
                }
            }
        }
    }
}

/// `R` rows times two vectors of outputs, from output `first` on.
#[inline(always)]
fn tile<S: Simd, T: Real, const R: usize>(
    panel: &[T],
    x: &[T],
    y: &mut [T],
    (inputs, outputs, first): (usize, usize, usize),
) {
    let lanes = T::Wide::<S>::LANES;
    let mut sums = [[T::Wide::<S>::splat(T::ZERO); 2]; R];
    let rows: [&[T]; R] = std::array::from_fn(|r| &x[r * inputs..(r + 1) * inputs]);
    for (k, a) in panel.chunks(PANEL).take(inputs).enumerate() {
        let a = [T::Wide::<S>::load(a), T::Wide::<S>::load(&a[lanes..])];
        for (sums, row) in sums.iter_mut().zip(&rows) {
            let x = T::Wide::<S>::splat(row[k]);
            sums[0] = x.fma(a[0], sums[0]);
            sums[1] = x.fma(a[1], sums[1]);
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        let row = &mut y[r * outputs + first..(r + 1) * outputs];
        let (low, high) = row.split_at_mut(lanes.min(row.len()));
        sums[0].store_some(low);
        sums[1].store_some(high);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    fn filled<T: Real>(inputs: usize, outputs: usize, data: &[f64]) -> Product<T> {
        let mut product = Product::default();
        product.reset(inputs, outputs);
        for o in 0..outputs {
            product.set(o, 0, 1, (0..inputs).map(|i| T::from_f64(data[i * outputs + o])));
        }
        product
    }

    fn agrees<T: Real>(tolerance: f64) {
        for (inputs, outputs, rows) in [(1, 1, 1), (3, 7, 5), (16, 16, 9), (10, 33, 13), (64, 64, 6), (5, 70, 20)] {
            let mut random = Random(7);
            let data: Vec<f64> = (0..inputs * outputs).map(|_| random.signed()).collect();
            let x: Vec<T> = (0..inputs * rows).map(|_| T::from_f64(random.signed())).collect();
            let product = filled::<T>(inputs, outputs, &data);
            assert_eq!(product.get(inputs - 1, outputs - 1), T::from_f64(data[inputs * outputs - 1]));
            for level in Level::available() {
                let mut y = vec![T::ONE; rows * outputs];
                product.apply(level, &x, &mut y);
                for (r, o) in (0..rows).flat_map(|r| (0..outputs).map(move |o| (r, o))) {
                    let plain: f64 = (0..inputs).map(|k| x[r * inputs + k].to_f64() * data[k * outputs + o]).sum();
                    assert!((y[r * outputs + o].to_f64() - plain).abs() < tolerance * (1.0 + plain.abs()), "{level:?}");
                }
                for split in 1..rows {
                    let mut parts = vec![T::ZERO; rows * outputs];
                    let (xa, xb) = x.split_at(split * inputs);
                    let (ya, yb) = parts.split_at_mut(split * outputs);
                    product.apply(level, xa, ya);
                    product.apply(level, xb, yb);
                    assert_eq!(parts, y, "the same bits, whatever rows stand together");
                }
            }
        }
    }

    #[test]
    fn double() {
        agrees::<f64>(1e-13);
    }

    #[test]
    fn single() {
        agrees::<f32>(1e-5);
    }

    #[test]
    fn every_other_input() {
        let mut product = Product::<f64>::default();
        product.reset(4, 2);
        product.set(1, 1, 2, [5.0, 6.0].into_iter());
        let entries: Vec<f64> = (0..4).map(|k| product.get(k, 1)).collect();
        assert_eq!(entries, [0.0, 5.0, 0.0, 6.0]);
    }
}
