//! Transfer functions of free space.

use crate::{element::Method, element::Shift, grid::Grid};
use num_complex::Complex64;
use std::f64::consts::TAU;

/// exp(2 pi i cycles), accurate for many cycles.
pub(crate) fn turns(cycles: f64) -> Complex64 {
    Complex64::cis(TAU * cycles.fract())
}

/// Frequency of bin k of n, per um.
pub(crate) fn frequency(k: usize, n: usize, pitch: f64) -> f64 {
    let signed = if k < n.div_ceil(2) { k as f64 } else { k as f64 - n as f64 };
    signed / (n as f64 * pitch)
}

/// The transfer function of a distance for a plane whose Fourier transform is sampled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfer {
    pub paraxial: bool,
    pub distance_um: f64,
    pub wl_um: f64,
    /// The (padded) plane.
    pub grid: Grid,
    /// The field is wanted on a plane displaced by this much.
    pub shift: Shift,
}

impl Transfer {
    pub fn new(method: Method, distance_um: f64, wl_um: f64, grid: Grid, shift: Shift) -> Self {
        Transfer { paraxial: method == Method::Fresnel, distance_um, wl_um, grid, shift }
    }

    /// H at frequency bins (row, column).
    pub fn at(&self, row: usize, col: usize) -> Complex64 {
        let u = frequency(col, self.grid.cols, self.grid.pitch_um[1]);
        let v = frequency(row, self.grid.rows, self.grid.pitch_um[0]);
        let free = if self.paraxial { self.fresnel(u, v) } else { self.angular_spectrum(u, v) };
        free * turns(u * self.shift.x_um + v * self.shift.y_um)
    }

    fn angular_spectrum(&self, u: f64, v: f64) -> Complex64 {
        let z = self.distance_um;
        let w2 = self.wl_um.powi(-2) - u * u - v * v;
        if w2 <= 0.0 {
            return Complex64::from((-TAU * z * (-w2).sqrt()).exp());
        }
        let w = w2.sqrt();
        // A wave of frequency u moves sideways by z u / w: the two ellipses of Matsushima's band limit.
        if self.outside(z * u / w, z * v / w) { Complex64::ZERO } else { turns(z * w) }
    }

    fn fresnel(&self, u: f64, v: f64) -> Complex64 {
        let (z, wl) = (self.distance_um, self.wl_um);
        if self.outside(z * wl * u, z * wl * v) {
            return Complex64::ZERO;
        }
        turns(z / wl) * turns(-0.5 * wl * z * (u * u + v * v))
    }

    fn outside(&self, x: f64, y: f64) -> bool {
        let (width, height) = self.grid.extent();
        2.0 * x.abs() > width || 2.0 * y.abs() > height
    }

    /// Largest angle (sine) along x and y that the band limit lets pass, and that the pitch allows.
    pub fn angles(&self) -> ([f64; 2], [f64; 2]) {
        let (width, height) = self.grid.extent();
        let limit = |size: f64| {
            let tangent = 0.5 * size / self.distance_um;
            if self.paraxial { tangent } else { tangent / tangent.hypot(1.0) }
        };
        let nyquist = |pitch: f64| 0.5 * self.wl_um / pitch;
        ([limit(width), limit(height)], [nyquist(self.grid.pitch_um[1]), nyquist(self.grid.pitch_um[0])])
    }
}
