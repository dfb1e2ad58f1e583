//! Samples into tiles and back.

use super::Lanes;
use crate::{Buffer, Level, Real};
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
            let count = lanes.count::<T>();
            let to = &mut self.tiles.as_mut_slice()[tile * width * inputs..][..count * inputs];
            if rows.len() < count {
                to.fill(T::ZERO);
            }
            for (lane, row) in rows.enumerate() {
                let x = &x[row * inputs..][..inputs];
                for i in 0..inputs {
                    to[i * count + lane] = x[i];
                }
            }
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

/// Numbers of a tile as rows: the samples `lanes` of `count` side by side.
pub fn unpack<T: Real>(tile: &[T], count: usize, lanes: Range<usize>, rows: &mut [T]) {
    let outputs = tile.len() / count;
    for (row, lane) in rows.chunks_mut(outputs).zip(lanes) {
        for (o, number) in row.iter_mut().enumerate() {
            *number = tile[o * count + lane];
        }
    }
}
