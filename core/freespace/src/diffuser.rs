//! Random phase screens.

use crate::{
    error::{Error, check_length},
    fourier::{Buffers, Convolution, Fourier, Line},
    grid::Grid,
    transfer::frequency,
};
use num_complex::Complex64;
use rustfft::FftPlanner;
use std::f64::consts::PI;

/// A phase screen (rad, row-major) of standard deviation `sigma_rad`, whose correlation falls as exp(-r^2 / l^2) over the
/// correlation length l (um; 0: each pixel by itself), from `white`: independent standard normal numbers, one a pixel. The
/// screen is periodic: opposite edges are neighbours.
///
/// # Errors
/// An impossible grid, negative or infinite settings, a wrong number of numbers.
pub fn diffuser(grid: Grid, sigma_rad: f64, correlation_um: f64, white: &[f64]) -> Result<Vec<f64>, Error> {
    grid.check()?;
    check_length("white noise of a diffuser", white.len(), grid.pixels())?;
    for (name, value) in [("sigma_rad", sigma_rad), ("correlation_um", correlation_um)] {
        if !(value.is_finite() && value >= 0.0) {
            return Err(Error::Setting(format!("{name} of a diffuser is {value}: expected 0 or more")));
        }
    }
    // A Gaussian filter exp(-(pi l f)^2 / 2): its square transforms to exp(-r^2 / l^2).
    let gain = |row: usize, col: usize| {
        let f2 =
            frequency(col, grid.cols, grid.pitch_um[1]).powi(2) + frequency(row, grid.rows, grid.pitch_um[0]).powi(2);
        if f2 == 0.0 { 1.0 } else { (-0.5 * (PI * correlation_um).powi(2) * f2).exp() }
    };
    let filter: Vec<f64> = (0..grid.pixels()).map(|k| gain(k % grid.rows, k / grid.rows)).collect();
    let pixels = grid.pixels() as f64;
    let rms = (filter.iter().map(|g| g * g).sum::<f64>() / pixels).sqrt();
    let mut planner = FftPlanner::new();
    let lines = Fourier { outer: Line::new(grid.rows, &mut planner), inner: Line::new(grid.cols, &mut planner) };
    let mut work = Buffers::new(grid.pixels(), lines.scratch());
    let transfer = filter.iter().map(|g| Complex64::from(sigma_rad * g / (rms * pixels))).collect();
    work.a.iter_mut().zip(white).for_each(|(e, w)| *e = Complex64::from(*w));
    Convolution { shape: [grid.rows, grid.cols], padded: lines, transfer }.apply(false, &mut work);
    Ok(work.a.iter().map(|e| e.re).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Noise;

    #[test]
    fn screens_have_their_deviation_and_correlation() {
        let grid = Grid { rows: 96, cols: 128, pitch_um: [3.0, 2.0] };
        let mut noise = Noise(7);
        let (mut variance, mut along_x, mut along_y) = (0.0, 0.0, 0.0);
        let draws = 20;
        for _ in 0..draws {
            let white: Vec<f64> = (0..grid.pixels()).map(|_| noise.normal()).collect();
            let screen = diffuser(grid, 0.7, 12.0, &white).unwrap();
            // Neighbours at one correlation length: 6 columns, 4 rows.
            for row in 0..96 {
                for col in 0..128 {
                    let here = screen[row * 128 + col];
                    variance += here * here;
                    along_x += here * screen[row * 128 + (col + 6) % 128];
                    along_y += here * screen[(row + 4) % 96 * 128 + col];
                }
            }
        }
        let n = (draws * grid.pixels()) as f64;
        assert!((variance / n / 0.49 - 1.0).abs() < 0.05, "{}", variance / n);
        for correlation in [along_x / variance, along_y / variance] {
            assert!((correlation - (-1f64).exp()).abs() < 0.05, "{correlation}");
        }
    }

    #[test]
    fn without_correlation_the_numbers_stay() {
        let grid = Grid::square(5, 7, 8.0);
        let white: Vec<f64> = (0..35).map(|k| f64::from(k) - 17.0).collect();
        let screen = diffuser(grid, 0.5, 0.0, &white).unwrap();
        assert!(screen.iter().zip(&white).all(|(s, w)| (s - 0.5 * w).abs() < 1e-12));
        assert!(diffuser(grid, -1.0, 0.0, &white).is_err() && diffuser(grid, 1.0, f64::INFINITY, &white).is_err());
        assert!(
            diffuser(grid, 1.0, 0.0, &white[1..]).unwrap_err().to_string().contains("34 numbers given, 35 expected")
        );
    }
}
