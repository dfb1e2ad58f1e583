//! Sampled planes.

use crate::error::Error;

/// Most pixels of a plane, padding included: 256 MiB a complex field.
pub const MAX_PIXELS: usize = 1 << 24;

/// Lengths (um) that are taken for lengths: no other number of the optics overflows or vanishes then.
pub(crate) const LENGTHS_UM: std::ops::RangeInclusive<f64> = 1e-9..=1e15;

/// A plane of pixels, row-major.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// Number of rows (y).
    pub rows: usize,
    /// Number of columns (x).
    pub cols: usize,
    /// Distance of neighbouring rows, distance of neighbouring columns, um.
    pub pitch_um: [f64; 2],
}

impl Grid {
    /// A plane of square pixels.
    pub fn square(rows: usize, cols: usize, pitch_um: f64) -> Self {
        Grid { rows, cols, pitch_um: [pitch_um; 2] }
    }

    /// Number of pixels.
    pub fn pixels(&self) -> usize {
        self.rows * self.cols
    }

    /// Place of a pixel relative to the optical axis, um: (x, y).
    pub fn position(&self, row: usize, col: usize) -> (f64, f64) {
        let from_axis = |k: usize, n: usize, pitch: f64| (k as f64 - (n / 2) as f64) * pitch;
        (from_axis(col, self.cols, self.pitch_um[1]), from_axis(row, self.rows, self.pitch_um[0]))
    }

    /// Size of the plane, um: (x, y).
    pub fn extent(&self) -> (f64, f64) {
        (self.cols as f64 * self.pitch_um[1], self.rows as f64 * self.pitch_um[0])
    }

    /// The plane with `pad` times as many pixels a side.
    ///
    /// # Errors
    /// Size out of bounds.
    pub(crate) fn padded(&self, pad: usize) -> Result<Grid, Error> {
        let grid = Grid { rows: self.rows.saturating_mul(pad), cols: self.cols.saturating_mul(pad), ..*self };
        grid.check().map(|()| grid)
    }

    /// # Errors
    /// Empty, larger than [`MAX_PIXELS`], or a pitch that is no length.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let Grid { rows, cols, pitch_um } = self;
        if rows.checked_mul(*cols).is_none_or(|n| n == 0 || n > MAX_PIXELS) {
            return Err(Error::Setting(format!(
                "a plane of {rows} x {cols} pixels: expected at least 1 and at most {MAX_PIXELS} pixels, padding included"
            )));
        }
        if pitch_um.iter().any(|p| !LENGTHS_UM.contains(p)) {
            return Err(Error::Setting(format!("a pitch of {pitch_um:?} um: expected lengths of 1e-9 to 1e15 um")));
        }
        Ok(())
    }
}

/// How the field of a plane is stored: row-major, or column-major after an odd number of Fourier transforms, each of which
/// leaves out its second transposition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Plane {
    pub grid: Grid,
    pub transposed: bool,
}

impl Plane {
    /// Number of lines, length of a line.
    pub fn stored(&self) -> [usize; 2] {
        self.swap([self.grid.rows, self.grid.cols])
    }

    /// A pair (of rows, of columns) as (of lines, within a line), and back.
    pub fn swap<T>(&self, [rows, cols]: [T; 2]) -> [T; 2] {
        if self.transposed { [cols, rows] } else { [rows, cols] }
    }

    /// An array in stored order from a function of (row, column).
    pub fn fill<T>(&self, value: impl Fn(usize, usize) -> T) -> Vec<T> {
        let [lines, length] = self.stored();
        let mut out = Vec::with_capacity(lines * length);
        for line in 0..lines {
            out.extend((0..length).map(|k| {
                let [row, col] = self.swap([line, k]);
                value(row, col)
            }));
        }
        out
    }

    /// Calls `visit(stored index, row-major index)` for each pixel.
    pub fn each(&self, mut visit: impl FnMut(usize, usize)) {
        let [lines, length] = self.stored();
        for line in 0..lines {
            for k in 0..length {
                let [row, col] = self.swap([line, k]);
                visit(line * length + k, row * self.grid.cols + col);
            }
        }
    }
}
