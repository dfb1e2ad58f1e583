//! Sums of weighted inputs: dense layers along any axis, convolutions, matrices of light.

use super::{Job, Lanes, Tile};
use crate::{
    Real,
    vector::{Simd, Vector},
};

/// Most outputs whose weights stand together.
const GROUP: usize = 8;
/// Columns that all outputs are computed of before the next ones, so that their inputs stay in the nearest cache.
const PANEL: usize = 24;
/// Columns of a window whose largest output is kept: those of a pool of 2 x 2.
const WINDOW: usize = 4;

/// y[place_c + o step] = start + sum_t weight[t, o] x[column_c + tap_t] for each column c and output o: in a convolution the
/// columns are pixels and the taps are the places of the kernel.
#[derive(Clone, Debug)]
pub struct Contraction {
    taps: Vec<u32>,
    columns: Vec<u32>,
    places: Vec<u32>,
    outputs: usize,
    step: usize,
    relu: bool,
    /// columns of one place
    window: usize,
    /// elements of x that a column reaches from its first on
    span: usize,
    inputs: usize,
    size: usize,
}

/// What the sums start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The bias of the output.
    Bias,
    /// What stands in y.
    Y,
}

fn number(place: usize) -> u32 {
    u32::try_from(place).expect("a network has less than 2^32 numbers")
}

impl Contraction {
    /// Offsets of the taps, and for each column where it begins in x and in y, all in elements; y of the next output is `step`
    /// further on.
    ///
    /// # Panics
    /// If there are no taps, columns or outputs.
    pub fn new(taps: Vec<usize>, columns: Vec<(usize, usize)>, outputs: usize, step: usize) -> Contraction {
        assert!(!taps.is_empty() && !columns.is_empty() && outputs > 0, "a sum over something");
        let most = |numbers: &mut dyn Iterator<Item = usize>| numbers.max().expect("just counted");
        let span = most(&mut taps.iter().copied()) + 1;
        Contraction {
            inputs: most(&mut columns.iter().map(|column| column.0)) + span,
            size: most(&mut columns.iter().map(|column| column.1)) + (outputs - 1) * step + 1,
            taps: taps.into_iter().map(number).collect(),
            places: columns.iter().map(|column| number(column.1)).collect(),
            columns: columns.into_iter().map(|column| number(column.0)).collect(),
            outputs,
            step,
            relu: false,
            window: 1,
            span,
        }
    }

    /// Negative results become zero.
    #[must_use]
    pub fn relu(mut self) -> Contraction {
        self.relu = true;
        self
    }

    /// Keeps the largest of each four columns, which must have one place.
    ///
    /// # Panics
    /// If they do not.
    #[must_use]
    pub fn pooled(mut self) -> Contraction {
        let windows = self.places.chunks(WINDOW);
        assert!(windows.clone().all(|window| window.len() == WINDOW && window.iter().all(|place| *place == window[0])));
        self.places = windows.map(|window| window[0]).collect();
        self.window = WINDOW;
        self
    }

    /// Multiplications with a weight.
    pub fn products(&self) -> usize {
        self.taps.len() * self.columns.len() * self.outputs
    }

    /// Number of taps.
    pub fn taps(&self) -> usize {
        self.taps.len()
    }

    /// Number of outputs of a column.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Number of packed weights: for each group of outputs their biases, then for each tap their weights.
    pub fn weights(&self) -> usize {
        self.outputs * (self.taps.len() + 1)
    }

    /// Where the bias (`None`) or the weight of a tap stands among the packed weights.
    ///
    /// # Panics
    /// If there is no such output or tap.
    pub fn at(&self, output: usize, tap: Option<usize>) -> usize {
        assert!(tap.is_none_or(|tap| tap < self.taps.len()));
        let (first, count) = self
            .groups()
            .find(|(first, count)| (*first..first + count).contains(&output))
            .expect("the caller gives an output that there is");
        first * (self.taps.len() + 1) + tap.map_or(0, |tap| tap + 1) * count + output - first
    }

    /// (first output, number of outputs) of each group.
    #[inline(always)]
    fn groups(&self) -> impl Iterator<Item = (usize, usize)> {
        let most = if self.window == 1 { GROUP } else { GROUP * 3 / WINDOW };
        let count = self.outputs.div_ceil(most);
        let (least, more) = (self.outputs / count, self.outputs % count);
        (0..count).map(move |group| (group * least + group.min(more), least + usize::from(group < more)))
    }

    /// Does it for one tile.
    ///
    /// # Panics
    /// If the slices are shorter than the columns need.
    pub fn apply<T: Real>(&self, lanes: Lanes, weights: &[T], x: &[T], start: Start, y: &mut [T]) {
        let count = lanes.count::<T>();
        assert!(weights.len() >= self.weights() && x.len() >= self.inputs * count && y.len() >= self.size * count);
        T::tile(lanes, Job::Contract(Apply { shape: self, weights, x, start, y }));
    }
}

/// A contraction and what it acts on.
pub struct Apply<'a, T> {
    shape: &'a Contraction,
    weights: &'a [T],
    x: &'a [T],
    start: Start,
    y: &'a mut [T],
}

impl<T: Real> Tile<T> for Apply<'_, T> {
    #[inline(always)]
    fn run<S: Simd, V: Vector<Real = T>>(self) {
        let Apply { shape, weights, x, start, y } = self;
        let most = if shape.window == WINDOW {
            S::SUMS / WINDOW
        } else if shape.columns.len() == 1 || S::SUMS >= 3 * GROUP {
            GROUP
        } else {
            // of 16 registers, 4 outputs of 3 columns would leave none for a weight, 3 of 4 do
            S::SUMS / 4
        };
        let panels = shape.columns.chunks(PANEL * shape.window).zip(shape.places.chunks(PANEL));
        for (columns, places) in panels {
            for (first, count) in shape.groups() {
                let weights = &weights[first * (shape.taps.len() + 1)..][..count * (shape.taps.len() + 1)];
                let part = count.div_ceil(count.div_ceil(most));
                let mut within = 0;
                while within < count {
                    let now = part.min(count - within);
                    let strip = Strip { shape, weights, count, within, first, columns, places, x, start };
                    match now {
                        8 => strip.run::<S, V, 8>(y),
                        7 => strip.run::<S, V, 7>(y),
                        6 => strip.run::<S, V, 6>(y),
                        5 => strip.run::<S, V, 5>(y),
                        4 => strip.run::<S, V, 4>(y),
                        3 => strip.run::<S, V, 3>(y),
                        2 => strip.run::<S, V, 2>(y),
                        _ => strip.run::<S, V, 1>(y),
                    }
                    within += now;
                }
            }
        }
    }
}

/// Some outputs of some columns.
#[derive(Clone, Copy)]
struct Strip<'a, T> {
    shape: &'a Contraction,
    /// of the group
    weights: &'a [T],
    /// outputs of the group
    count: usize,
    /// the first output, counted in the group
    within: usize,
    /// the first output of the group
    first: usize,
    columns: &'a [u32],
    places: &'a [u32],
    x: &'a [T],
    start: Start,
}

impl<T: Real> Strip<'_, T> {
    /// `C` outputs of all columns: as many columns at once as there are registers for, and what is left one by one.
    #[inline(always)]
    fn run<S: Simd, V: Vector<Real = T>, const C: usize>(self, y: &mut [T]) {
        let (mut columns, mut places) = (self.columns, self.places);
        if self.shape.window == WINDOW {
            // what is not `const` is compiled even where it is never run
            if const { S::SUMS / C >= WINDOW } {
                self.windows::<V, C>(y);
            }
            return;
        }
        loop {
            let done = if const { S::SUMS / C >= 8 } {
                self.block::<V, C, 8>(columns, places, y)
            } else if const { S::SUMS / C >= 4 } {
                self.block::<V, C, 4>(columns, places, y)
            } else if const { S::SUMS / C == 3 } {
                self.block::<V, C, 3>(columns, places, y)
            } else if const { S::SUMS / C == 2 } {
                self.block::<V, C, 2>(columns, places, y)
            } else {
                0
            };
            if done == 0 {
                break;
            }
            (columns, places) = (&columns[done..], &places[done..]);
        }
        for (column, place) in columns.iter().zip(places) {
            self.block::<V, C, 1>(std::slice::from_ref(column), std::slice::from_ref(place), y);
        }
    }

    /// `C` outputs of all windows.
    #[inline(always)]
    fn windows<V: Vector<Real = T>, const C: usize>(&self, y: &mut [T]) {
        let least = self.least::<V>();
        for (columns, &place) in self.columns.chunks_exact(WINDOW).zip(self.places) {
            let columns = columns.first_chunk().expect("a chunk of so many");
            let sums = self.sums::<V, C, WINDOW>(columns, &[place; WINDOW], y);
            for c in 0..C {
                let [a, b, p, q] = sums[c];
                self.store(c, place, a.max(b).max(p.max(q)), least, y);
            }
        }
    }

    /// `C` outputs of the first `P` columns; gives how many these are, 0 if there are fewer.
    #[inline(always)]
    fn block<V: Vector<Real = T>, const C: usize, const P: usize>(
        &self,
        columns: &[u32],
        places: &[u32],
        y: &mut [T],
    ) -> usize {
        if let (Some(columns), Some(places)) = (columns.first_chunk(), places.first_chunk()) {
            let sums = self.sums::<V, C, P>(columns, places, y);
            let least = self.least::<V>();
            for c in 0..C {
                for p in 0..P {
                    self.store(c, places[p], sums[c][p], least, y);
                }
            }
            return P;
        }
        0
    }

    /// Where a sum goes.
    #[inline(always)]
    fn place<V: Vector<Real = T>>(&self, c: usize, place: u32) -> usize {
        (place as usize + (self.first + self.within + c) * self.shape.step) * V::LANES
    }

    #[inline(always)]
    #[allow(unsafe_code)]
    fn store<V: Vector<Real = T>>(&self, c: usize, place: u32, sum: V, least: V, y: &mut [T]) {
        let at = self.place::<V>(c, place);
        debug_assert!(at + V::LANES <= y.len());
        // SAFETY: `Contraction::new` has taken the largest place and the last output into `size`, and `apply` has found y
        // to hold so many elements of at least as many lanes.
        least.max(sum).store(unsafe { y.get_unchecked_mut(at..at + V::LANES) });
    }

    /// What no sum may be less than.
    #[inline(always)]
    fn least<V: Vector<Real = T>>(&self) -> V {
        V::splat(T::from_f64(if self.shape.relu { 0.0 } else { f64::NEG_INFINITY }))
    }

    /// The loop in which the time goes: all sums stay in registers.
    #[inline(always)]
    #[allow(unsafe_code)]
    fn sums<V: Vector<Real = T>, const C: usize, const P: usize>(
        &self,
        columns: &[u32; P],
        places: &[u32; P],
        y: &[T],
    ) -> [[V; P]; C] {
        let mut sums = [[V::splat(T::ZERO); P]; C];
        for c in 0..C {
            for p in 0..P {
                sums[c][p] = match self.start {
                    Start::Bias => V::splat(self.weights[self.within + c]),
                    Start::Y => V::load(&y[self.place::<V>(c, places[p])..]),
                };
            }
        }
        let mut columns_of_x: [&[T]; P] = [&[]; P];
        for p in 0..P {
            columns_of_x[p] = &self.x[columns[p] as usize * V::LANES..][..self.shape.span * V::LANES];
        }
        let weights = &self.weights[self.count..];
        assert!(weights.len() >= self.shape.taps.len() * self.count && self.within + C <= self.count);
        for (t, &tap) in self.shape.taps.iter().enumerate() {
            let at = tap as usize * V::LANES;
            let of_x = |p: usize| {
                debug_assert!(at + V::LANES <= columns_of_x[p].len());
                // SAFETY: the slice was just taken to hold `span` vectors, and `Contraction::new` has made `span` more than
                // each tap.
                unsafe { columns_of_x[p].get_unchecked(at..at + V::LANES) }
            };
            // SAFETY: asserted above.
            let weight = |c: usize| unsafe { *weights.get_unchecked(t * self.count + self.within + c) };
            // the fewer ones all together, the more ones one by one: registers are for the sums
            if C < P {
                let mut held = [V::splat(T::ZERO); C];
                for c in 0..C {
                    held[c] = V::splat(weight(c));
                }
                for p in 0..P {
                    let x = V::load(of_x(p));
                    for c in 0..C {
                        sums[c][p] = held[c].fma(x, sums[c][p]);
                    }
                }
            } else {
                let mut held = [V::splat(T::ZERO); P];
                for p in 0..P {
                    held[p] = V::load(of_x(p));
                }
                for c in 0..C {
                    let weight = V::splat(weight(c));
                    for p in 0..P {
                        sums[c][p] = weight.fma(held[p], sums[c][p]);
                    }
                }
            }
        }
        sums
    }
}
