//! A camera's bins on the last plane.

use crate::{
    element::Camera,
    grid::{Grid, Plane},
};
use blackbeam_kernels::Real;
use num_complex::Complex64;
use std::ops::Add;

/// Sums over bins, in the stored order of the plane.
pub(crate) struct Bins {
    /// First line and first pixel of a line.
    start: [usize; 2],
    /// Pixels of a bin.
    bin: [usize; 2],
    /// Number of bins.
    count: [usize; 2],
    /// Distance in y of neighbouring bins.
    step: [usize; 2],
    /// Length of a line.
    length: usize,
    /// Gain of each pixel in the bins, in stored order; empty: 1.
    gain: Vec<f64>,
}

impl Bins {
    /// The bins of a camera, which fit into the plane, around the optical axis.
    pub fn new(camera: &Camera, plane: Plane) -> Self {
        let [rows, cols] = [camera.shape[0] * camera.bin[0], camera.shape[1] * camera.bin[1]];
        let start = [plane.grid.rows / 2 - rows / 2, plane.grid.cols / 2 - cols / 2];
        let window = Plane { grid: Grid { rows, cols, ..plane.grid }, ..plane };
        let gain = match camera.gain.as_slice() {
            [] => Vec::new(),
            gain => window.fill(|row, col| gain[row * cols + col]),
        };
        Bins {
            start: plane.swap(start),
            bin: plane.swap(camera.bin),
            count: plane.swap(camera.shape),
            step: plane.swap([camera.shape[1], 1]),
            length: plane.stored()[1],
            gain,
        }
    }

    /// Length of y.
    pub fn outputs(&self) -> usize {
        self.count[0] * self.count[1]
    }

    /// y_k = sum gain |E|^2.
    pub fn powers<T: Real>(&self, field: &[Complex64], y: &mut [T]) {
        if self.are_pixels() {
            return self.copy(field, y, |e| T::from_f64(e.norm_sqr()));
        }
        let power = |at: usize, gain: usize| {
            let run = &field[at..at + self.bin[1]];
            match self.gain.get(gain..gain + self.bin[1]) {
                None => run.iter().map(Complex64::norm_sqr).sum::<f64>(),
                Some(gains) => run.iter().zip(gains).map(|(e, g)| g * e.norm_sqr()).sum(),
            }
        };
        self.sums(0.0, power, |k, sum| y[k] = T::from_f64(sum));
    }

    /// y_k = sum gain E / sqrt(pixels of a bin), made what it is wanted as.
    pub fn amplitudes<V>(&self, field: &[Complex64], y: &mut [V], give: impl Fn(Complex64) -> V) {
        if self.are_pixels() {
            return self.copy(field, y, |e| give(*e));
        }
        let scale = self.amplitude_scale();
        let amplitude = |at: usize, gain: usize| {
            let run = field[at..at + self.bin[1]].iter().enumerate();
            run.map(|(i, e)| e * self.gain(gain + i)).sum::<Complex64>() * scale
        };
        self.sums(Complex64::ZERO, amplitude, |k, sum| y[k] = give(sum));
    }

    /// Each bin is a pixel, as it is.
    fn are_pixels(&self) -> bool {
        self.bin == [1, 1] && self.gain.is_empty()
    }

    /// Bins that are pixels.
    fn copy<V>(&self, field: &[Complex64], y: &mut [V], value: impl Fn(&Complex64) -> V) {
        for line in 0..self.count[0] {
            let at = (self.start[0] + line) * self.length + self.start[1];
            let pixels = &field[at..at + self.count[1]];
            let first = line * self.step[0];
            if self.step[1] == 1 {
                y[first..first + self.count[1]].iter_mut().zip(pixels).for_each(|(y, e)| *y = value(e));
            } else {
                y[first..].iter_mut().step_by(self.step[1]).zip(pixels).for_each(|(y, e)| *y = value(e));
            }
        }
    }

    /// Gives (bin, sum over its runs of pixels); a run is (first pixel in the field, first gain).
    fn sums<S: Copy + Add<Output = S>>(
        &self,
        zero: S,
        run: impl Fn(usize, usize) -> S,
        mut give: impl FnMut(usize, S),
    ) {
        let width = self.count[1] * self.bin[1];
        for i in 0..self.count[0] {
            for j in 0..self.count[1] {
                let first = j * self.bin[1];
                let mut sum = zero;
                for line in i * self.bin[0]..(i + 1) * self.bin[0] {
                    let at = (self.start[0] + line) * self.length + self.start[1] + first;
                    sum = sum + run(at, line * width + first);
                }
                give(i * self.step[0] + j * self.step[1], sum);
            }
        }
    }

    /// The cotangent of the field from that of the powers.
    pub fn powers_adjoint(&self, field: &[Complex64], y: &[f64], out: &mut [Complex64]) {
        out.fill(Complex64::ZERO);
        self.runs(|k, at, gain| {
            for i in 0..self.bin[1] {
                out[at + i] = field[at + i] * (2.0 * y[k] * self.gain(gain + i));
            }
        });
    }

    /// The cotangent of the field from that of the amplitudes.
    pub fn amplitudes_adjoint(&self, y: &[Complex64], out: &mut [Complex64]) {
        out.fill(Complex64::ZERO);
        let scale = self.amplitude_scale();
        self.runs(|k, at, gain| {
            for i in 0..self.bin[1] {
                out[at + i] = y[k] * (scale * self.gain(gain + i));
            }
        });
    }

    fn gain(&self, index: usize) -> f64 {
        self.gain.get(index).copied().unwrap_or(1.0)
    }

    fn amplitude_scale(&self) -> f64 {
        1.0 / ((self.bin[0] * self.bin[1]) as f64).sqrt()
    }

    /// Calls `visit(bin, first pixel in the field, first gain)` for each run of `bin[1]` pixels that lie in one bin.
    fn runs(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let [lines, width] = [self.count[0] * self.bin[0], self.count[1] * self.bin[1]];
        for line in 0..lines {
            let at = (self.start[0] + line) * self.length + self.start[1];
            for j in 0..self.count[1] {
                let bin = line / self.bin[0] * self.step[0] + j * self.step[1];
                visit(bin, at + j * self.bin[1], line * width + j * self.bin[1]);
            }
        }
    }
}
