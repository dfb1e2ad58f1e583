//! Samples into tiles and back.

use super::{Job, Lanes, Tile};
use crate::{
    Buffer, Level, Real,
    vector::{MAX_LANES, Simd, Vector, transpose},
};
use std::ops::Range;

/// A batch in tiles: in each, the inputs in order, and of each input the samples of the tile.
#[derive(Clone, Default)]
pub struct Packed<T> {
    tiles: Buffer<T>,
    shape: Option<Shape>,
}

#[derive(Clone, Copy)]
struct Shape {
    lanes: Lanes,
    inputs: usize,
    rows: usize,
}

impl<T: Real> Packed<T> {
    /// Takes the batch x [rows, inputs] for the instructions of `level`.
    ///
    /// # Panics
    /// If there are no inputs, or x is not whole rows.
    pub fn set(&mut self, level: Level, x: &[T], inputs: usize) {
        assert!(inputs > 0 && x.len().is_multiple_of(inputs), "whole rows of {inputs} numbers, found {}", x.len());
        let rows = x.len() / inputs;
        let shape = Shape { lanes: Lanes::wide(level), inputs, rows };
        self.shape = Some(shape);
        let width = shape.lanes.count::<T>();
        self.tiles.resize(rows.next_multiple_of(width) * inputs);
        for tile in 0..self.tiles() {
            let (lanes, rows) = shape.tile::<T>(tile);
            let tile = &mut self.tiles.as_mut_slice()[tile * width * inputs..][..lanes.count::<T>() * inputs];
            let rows = &x[rows.start * inputs..rows.end * inputs];
            T::tile(lanes, Job::Pack(Pack { rows, inputs, tile }));
        }
    }

    /// Number of samples.
    pub fn rows(&self) -> usize {
        self.shape.map_or(0, |shape| shape.rows)
    }

    /// Numbers of a sample.
    pub fn inputs(&self) -> usize {
        self.shape.map_or(0, |shape| shape.inputs)
    }

    /// Number of tiles.
    pub fn tiles(&self) -> usize {
        self.shape.map_or(0, |shape| shape.rows.div_ceil(shape.lanes.count::<T>()))
    }

    /// The tile in which a sample stands.
    pub fn tile_of(&self, row: usize) -> usize {
        self.shape.map_or(0, |shape| row / shape.lanes.count::<T>())
    }

    /// A tile: how its samples stand side by side, their numbers in the batch, and their inputs.
    ///
    /// # Panics
    /// If there is no such tile.
    pub fn tile(&self, tile: usize) -> (Lanes, Range<usize>, &[T]) {
        let shape = self.shape.expect("the caller counts the tiles");
        let (lanes, rows) = shape.tile::<T>(tile);
        let first = tile * shape.lanes.count::<T>() * shape.inputs;
        (lanes, rows, &self.tiles.as_slice()[first..][..lanes.count::<T>() * shape.inputs])
    }
}

impl Shape {
    fn tile<T: Real>(&self, tile: usize) -> (Lanes, Range<usize>) {
        let width = self.lanes.count::<T>();
        let rows = tile * width..((tile + 1) * width).min(self.rows);
        let half = self.lanes.half().filter(|half| rows.len() <= half.count::<T>());
        (half.unwrap_or(self.lanes), rows)
    }
}

/// A tile as rows: the samples `range` of those side by side.
///
/// # Panics
/// If the tile is not whole vectors, or there are more or fewer rows than samples.
pub fn unpack<T: Real>(lanes: Lanes, tile: &[T], range: Range<usize>, rows: &mut [T]) {
    let count = lanes.count::<T>();
    let outputs = tile.len() / count;
    assert!(tile.len().is_multiple_of(count) && range.end <= count && rows.len() == range.len() * outputs);
    T::tile(lanes, Job::Unpack(Unpack { tile, outputs, range, rows }));
}

pub struct Pack<'a, T> {
    rows: &'a [T],
    inputs: usize,
    tile: &'a mut [T],
}

impl<T: Real> Tile<T> for Pack<'_, T> {
    #[inline(always)]
    fn run<S: Simd, V: Vector<Real = T>>(self) {
        let Pack { rows, inputs, tile } = self;
        let mut first = 0;
        while first + V::LANES <= inputs {
            let mut block = [V::splat(T::ZERO); MAX_LANES];
            for (vector, row) in block.iter_mut().zip(rows.chunks_exact(inputs)) {
                *vector = V::load(&row[first..]);
            }
            transpose(&mut block);
            for (vector, to) in block.iter().zip(tile[first * V::LANES..].chunks_exact_mut(V::LANES)).take(V::LANES) {
                vector.store(to);
            }
            first += V::LANES;
        }
        for (i, to) in tile.chunks_exact_mut(V::LANES).enumerate().skip(first) {
            to.fill(T::ZERO);
            for (to, row) in to.iter_mut().zip(rows.chunks_exact(inputs)) {
                *to = row[i];
            }
        }
    }
}

pub struct Unpack<'a, T> {
    tile: &'a [T],
    outputs: usize,
    range: Range<usize>,
    rows: &'a mut [T],
}

impl<T: Real> Tile<T> for Unpack<'_, T> {
    #[inline(always)]
    fn run<S: Simd, V: Vector<Real = T>>(self) {
        let Unpack { tile, outputs, range, rows } = self;
        let mut first = 0;
        while first + V::LANES <= outputs {
            let mut block = [V::splat(T::ZERO); MAX_LANES];
            for (vector, from) in block.iter_mut().zip(tile[first * V::LANES..].chunks_exact(V::LANES)).take(V::LANES) {
                *vector = V::load(from);
            }
            transpose(&mut block);
            for (vector, row) in block[range.start..range.end].iter().zip(rows.chunks_exact_mut(outputs)) {
                vector.store(&mut row[first..]);
            }
            first += V::LANES;
        }
        for (o, from) in tile.chunks_exact(V::LANES).enumerate().skip(first) {
            for (row, from) in rows.chunks_exact_mut(outputs).zip(&from[range.start..range.end]) {
                row[o] = *from;
            }
        }
    }
}
