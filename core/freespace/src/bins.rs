//! A camera's bins on the last plane.

use crate::{
    element::Camera,
    grid::{Grid, Plane},
};
use num_complex::Complex64;

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

    /// y_k += sum gain |E|^2.
    pub fn powers(&self, field: &[Complex64], y: &mut [f64]) {
        y.fill(0.0);
        self.runs(|k, at, gain| {
            let run = &field[at..at + self.bin[1]];
            y[k] += match self.gain.get(gain..gain + self.bin[1]) {
                None => run.iter().map(Complex64::norm_sqr).sum::<f64>(),
                Some(gains) => run.iter().zip(gains).map(|(e, g)| g * e.norm_sqr()).sum(),
            };
        });
    }

    /// y_k = sum gain E / sqrt(pixels of a bin).
    pub fn amplitudes(&self, field: &[Complex64], y: &mut [Complex64]) {
        y.fill(Complex64::ZERO);
        let scale = self.amplitude_scale();
        self.runs(|k, at, gain| {
            let run = field[at..at + self.bin[1]].iter().enumerate();
            y[k] += run.map(|(i, e)| e * self.gain(gain + i)).sum::<Complex64>() * scale;
        });
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
