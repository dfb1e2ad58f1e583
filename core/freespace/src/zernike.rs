//! Zernike polynomials in the order and normalisation of R. J. Noll, J. Opt. Soc. Am. 66, 207 (1976): unit rms over the
//! unit circle.

use crate::{error::Error, grid::Grid};

/// Largest Noll index: all of radial order up to 20.
pub const MAX_NOLL: usize = 231;

/// Z_j at (x, y) = rho (cos theta, sin theta), rho in units of the circle's radius. 1 piston, 2 tilt along x, 3 tilt along y,
/// 4 defocus, 5 oblique astigmatism (sin 2 theta), 6 astigmatism along x (cos 2 theta), 7 coma along y, 8 coma along x,
/// 9 trefoil (sin 3 theta), 10 trefoil (cos 3 theta), 11 spherical. Even j have cosines.
///
/// # Errors
/// Indices outside 1 to [`MAX_NOLL`].
pub fn zernike(noll: usize, x: f64, y: f64) -> Result<f64, Error> {
    Ok(Polynomial::new(noll)?.at(x, y))
}

/// A wavefront error: the sum of coefficient (rad rms over the circle) times Z_j over (j, coefficient), on the circle around
/// the plane's corners, in the middle of its pixels. Row-major, rad.
///
/// # Errors
/// Indices outside 1 to [`MAX_NOLL`], coefficients that are not finite, an impossible grid.
pub fn wavefront(grid: Grid, terms: &[(usize, f64)]) -> Result<Vec<f64>, Error> {
    grid.check()?;
    let terms: Vec<(Polynomial, f64)> =
        terms.iter().map(|&(noll, c)| Ok((Polynomial::new(noll)?, c))).collect::<Result<_, Error>>()?;
    if let Some((_, c)) = terms.iter().find(|(_, c)| !c.is_finite()) {
        return Err(Error::Setting(format!("a Zernike coefficient of {c} rad: expected a finite number")));
    }
    let (width, height) = grid.extent();
    let radius = 0.5 * width.hypot(height);
    let place = |k: usize, n: usize, pitch: f64| (k as f64 - 0.5 * (n - 1) as f64) * pitch / radius;
    let mut out = Vec::with_capacity(grid.pixels());
    for row in 0..grid.rows {
        let y = place(row, grid.rows, grid.pitch_um[0]);
        out.extend((0..grid.cols).map(|col| {
            let x = place(col, grid.cols, grid.pitch_um[1]);
            terms.iter().map(|(polynomial, c)| c * polynomial.at(x, y)).sum::<f64>()
        }));
    }
    Ok(out)
}

/// norm rho^m (sum_k c_k rho^(2k)) cos or sin (m theta).
struct Polynomial {
    m: i32,
    sine: bool,
    /// c_k with the norm in them.
    coefficients: Vec<f64>,
}

impl Polynomial {
    fn new(noll: usize) -> Result<Self, Error> {
        if !(1..=MAX_NOLL).contains(&noll) {
            return Err(Error::Setting(format!("Zernike polynomial {noll}: expected a Noll index of 1 to {MAX_NOLL}")));
        }
        // Radial order n begins after n (n + 1) / 2 polynomials; within it m grows in pairs.
        let n = (0..).find(|n| noll <= (n + 1) * (n + 2) / 2).unwrap_or(0);
        let place = noll - 1 - n * (n + 1) / 2;
        let m = if n % 2 == 0 { 2 * place.div_ceil(2) } else { 2 * (place / 2) + 1 };
        let norm = if m == 0 { (n as f64 + 1.0).sqrt() } else { (2.0 * n as f64 + 2.0).sqrt() };
        let factorial = |k: usize| (1..=k).map(|i| i as f64).product::<f64>();
        let coefficients = (0..=(n - m) / 2)
            .map(|k| {
                // Power rho^(m + 2k) is that of s = (n - m)/2 - k.
                let s = (n - m) / 2 - k;
                let sign = if s % 2 == 0 { norm } else { -norm };
                sign * factorial(n - s) / (factorial(s) * factorial((n + m) / 2 - s) * factorial((n - m) / 2 - s))
            })
            .collect();
        Ok(Polynomial { m: m as i32, sine: noll % 2 == 1, coefficients })
    }

    fn at(&self, x: f64, y: f64) -> f64 {
        let rho2 = x * x + y * y;
        let radial = self.coefficients.iter().rev().fold(0.0, |sum, c| sum * rho2 + c);
        if self.m == 0 {
            return radial;
        }
        // rho^m exp(i m theta) = (x + i y)^m.
        let power = num_complex::Complex64::new(x, y).powi(self.m);
        radial * if self.sine { power.im } else { power.re }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noll_table() {
        let (x, y) = (0.3_f64, -0.55_f64);
        let (r2, t) = (x * x + y * y, y.atan2(x));
        let r = r2.sqrt();
        let table = [
            1.0,
            2.0 * r * t.cos(),
            2.0 * r * t.sin(),
            3f64.sqrt() * (2.0 * r2 - 1.0),
            6f64.sqrt() * r2 * (2.0 * t).sin(),
            6f64.sqrt() * r2 * (2.0 * t).cos(),
            8f64.sqrt() * (3.0 * r2 - 2.0) * r * t.sin(),
            8f64.sqrt() * (3.0 * r2 - 2.0) * r * t.cos(),
            8f64.sqrt() * r2 * r * (3.0 * t).sin(),
            8f64.sqrt() * r2 * r * (3.0 * t).cos(),
            5f64.sqrt() * (6.0 * r2 * r2 - 6.0 * r2 + 1.0),
            10f64.sqrt() * (4.0 * r2 * r2 - 3.0 * r2) * (2.0 * t).cos(),
            10f64.sqrt() * (4.0 * r2 * r2 - 3.0 * r2) * (2.0 * t).sin(),
        ];
        for (k, expected) in table.iter().enumerate() {
            let found = zernike(k + 1, x, y).unwrap();
            assert!((found - expected).abs() < 1e-12, "Z_{}: {found} {expected}", k + 1);
        }
        for bad in [0, MAX_NOLL + 1] {
            assert!(zernike(bad, 0.0, 0.0).unwrap_err().to_string().contains("Noll index of 1 to 231"));
        }
    }

    #[test]
    fn orthonormal_over_the_circle() {
        // Even points in rho^2 (midpoint rule) and theta.
        let (radii, angles, count) = (2000, 64, 28);
        let mut gram = vec![0.0; count * count];
        for i in 0..radii {
            let r = ((i as f64 + 0.5) / radii as f64).sqrt();
            for k in 0..angles {
                let t = std::f64::consts::TAU * k as f64 / angles as f64;
                let z: Vec<f64> = (1..=count).map(|j| zernike(j, r * t.cos(), r * t.sin()).unwrap()).collect();
                for (row, a) in gram.chunks_mut(count).zip(&z) {
                    row.iter_mut().zip(&z).for_each(|(g, b)| *g += a * b / (radii * angles) as f64);
                }
            }
        }
        for (k, g) in gram.iter().enumerate() {
            let expected = f64::from(k / count == k % count);
            assert!((g - expected).abs() < 1e-4, "{} {}: {g}", k / count + 1, k % count + 1);
        }
        // High orders stay bounded: |Z| is largest at the edge, sqrt(n + 1) for m = 0.
        assert!((zernike(MAX_NOLL - 20, 1.0, 0.0).unwrap().abs() - 21f64.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn wavefronts_reach_the_corners() {
        let grid = Grid { rows: 3, cols: 5, pitch_um: [4.0, 2.0] };
        let w = wavefront(grid, &[(2, 0.5), (3, 0.25)]).unwrap();
        let radius = 6f64.hypot(5.0);
        let expected = 0.5 * 2.0 * (4.0 / radius) + 0.25 * 2.0 * (-4.0 / radius);
        assert!((w[4] - expected).abs() < 1e-12 && w[7].abs() < 1e-15);
        assert!(wavefront(grid, &[(4, f64::NAN)]).is_err() && wavefront(grid, &[(900, 1.0)]).is_err());
    }
}
