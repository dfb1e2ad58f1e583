//! Phases at which a mesh is a Haar-random unitary (up to its output phases).
//!
//! The Haar measure factorises over the cells (Russell, Chakhmakhchyan, O'Brien and Laing, New J. Phys. 19, 033007, 2017):
//! phi is uniform and the bar power r = |T_00|^2 of a cell has the density alpha (1 - r)^(alpha - 1), so r = 1 - u^(1/alpha)
//! with u uniform in (0, 1). With I modes of the input from which light can reach a cell and O modes of the output that it can
//! reach, alpha = I + O - n - 1 (Pai, Bartlett, Solgaard and Miller, Phys. Rev. Applied 11, 064044, 2019). In a triangle that
//! is m + 1 (Reck) or n - 1 - m (triangular) for the cell on modes (m, m + 1).

use crate::{Arrangement, Cell, Convention, Error, Result, Scheme, Site, layout, steer::turn};
use num_complex::Complex64;
use std::f64::consts::TAU;

/// The exponent alpha of every cell, in the order of [`layout()`].
///
/// In a redundant mesh the first n layers alone are Haar-random, and stay so whatever independent cells follow; those have
/// alpha = 1, the exponent of a lone Haar-random cell.
///
/// # Errors
/// As [`layout()`]; a butterfly of more than 2 modes cannot be Haar-random.
pub fn haar_alpha(arrangement: Arrangement, n: usize, layers: Option<usize>) -> Result<Vec<u32>> {
    let sites = layout(arrangement, n, layers)?;
    if arrangement == Arrangement::Butterfly && n > 2 {
        return Err(Error::NotUniversal(
            "a butterfly has too few cells to be Haar-random; draw its phases uniformly".into(),
        ));
    }
    let core = match arrangement {
        Arrangement::Redundant => sites.partition_point(|site| site.layer < n),
        _ => sites.len(),
    };
    let inputs = reach(n, sites[..core].iter());
    let mut outputs = reach(n, sites[..core].iter().rev());
    outputs.reverse();
    let mut alpha: Vec<u32> = inputs.iter().zip(outputs).map(|(i, o)| (i + o - n - 1) as u32).collect();
    alpha.resize(sites.len(), 1);
    Ok(alpha)
}

/// How many modes can reach each cell, in the order given. Cells of neighbours: what reaches a mode is an interval.
fn reach<'a>(n: usize, sites: impl Iterator<Item = &'a Site>) -> Vec<usize> {
    let mut intervals: Vec<(usize, usize)> = (0..n).map(|m| (m, m)).collect();
    let mut through = |site: &Site| {
        let ((a, b), (c, d)) = (intervals[site.modes.0], intervals[site.modes.1]);
        let both = (a.min(c), b.max(d));
        (intervals[site.modes.0], intervals[site.modes.1]) = (both, both);
        both.1 - both.0 + 1
    };
    sites.map(&mut through).collect()
}

/// (theta, phi) of a cell of exponent `alpha` (at least 1), from two independent numbers `uniform` in \[0, 1). Cells with phi
/// behind the couplers make the mesh Haar-random up to phases at its inputs too.
pub fn haar_cell(scheme: &Scheme, alpha: u32, uniform: [f64; 2]) -> (f64, f64) {
    let cross = uniform[0].powf(1.0 / f64::from(alpha.max(1)));
    let (bar, cross) = ((1.0 - cross).max(0.0).sqrt(), cross.sqrt());
    let phase = TAU * uniform[1];
    if scheme.universal().is_ok() {
        return scheme.steer([Complex64::from(cross), Complex64::from_polar(bar, phase)]);
    }
    let theta = match (scheme.cell(), scheme.convention()) {
        (Cell::Tdc, Convention::BpbpT) => cross.atan2(bar),
        (Cell::MziClassical, _) => bar.atan2(cross),
        _ => 2.0 * bar.atan2(cross),
    };
    (theta, turn(phase))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        matrix,
        testing::{Random, schemes},
    };

    #[test]
    fn exponents() {
        for n in 1..12 {
            // alpha = 1 n - 1 times, 2 n - 2 times, ..: the dimensions of the spheres
            let mut expected: Vec<u32> = (1..n).flat_map(|alpha| vec![alpha as u32; n - alpha]).collect();
            for arrangement in [Arrangement::Clements, Arrangement::Reck, Arrangement::Triangular] {
                let mut found = haar_alpha(arrangement, n, None).unwrap();
                for (site, alpha) in layout(arrangement, n, None).unwrap().iter().zip(&found) {
                    match arrangement {
                        Arrangement::Reck => assert_eq!(*alpha as usize, site.modes.0 + 1),
                        Arrangement::Triangular => assert_eq!(*alpha as usize, n - 1 - site.modes.0),
                        _ => {}
                    }
                }
                found.sort_unstable();
                expected.sort_unstable();
                assert_eq!(found, expected);
            }
        }
        assert_eq!(haar_alpha(Arrangement::Clements, 4, None).unwrap(), [1, 1, 3, 2, 2, 1]);
        assert_eq!(haar_alpha(Arrangement::Redundant, 3, Some(5)).unwrap(), [1, 2, 1, 1, 1]);
        assert!(haar_alpha(Arrangement::Butterfly, 8, None).is_err());
        assert_eq!(haar_alpha(Arrangement::Butterfly, 2, None).unwrap(), [1]);
    }

    /// E|U_ij|^4 = 2 / (n (n + 1)) and E|U_ij|^6 = 6 / (n (n + 1)(n + 2)) for every entry of a Haar-random unitary.
    #[test]
    fn moments_of_every_entry() {
        let (n, draws, mut random) = (4, 2000, Random(17));
        for scheme in schemes() {
            for (arrangement, layers) in [
                (Arrangement::Clements, None),
                (Arrangement::Reck, None),
                (Arrangement::Triangular, None),
                (Arrangement::Redundant, Some(6)),
            ] {
                let sites = layout(arrangement, n, layers).unwrap();
                let alpha = haar_alpha(arrangement, n, layers).unwrap();
                let mut sums = vec![[0.0; 3]; n * n];
                for _ in 0..draws {
                    let mut draw = |&alpha| haar_cell(&scheme, alpha, [random.uniform(), random.uniform()]);
                    let (theta, phi): (Vec<f64>, Vec<f64>) = alpha.iter().map(&mut draw).unzip();
                    let u = matrix(n, &sites, &scheme, &theta, &phi, &[]).unwrap();
                    for (sum, v) in sums.iter_mut().zip(&u) {
                        let p = v.norm_sqr();
                        sum.iter_mut().zip([p, p * p, p * p * p]).for_each(|(s, v)| *s += v / f64::from(draws));
                    }
                }
                let m = n as f64;
                // p ~ Beta(1, n - 1): E p^k = prod_{j < k} (1 + j) / (n + j)
                let moment = |k: usize| (0..k).map(|j| (1.0 + j as f64) / (m + j as f64)).product::<f64>();
                for (entry, sum) in sums.iter().enumerate() {
                    for k in 1..4 {
                        let error = ((moment(2 * k) - moment(k).powi(2)) / f64::from(draws)).sqrt();
                        let off = (sum[k - 1] - moment(k)).abs();
                        assert!(off < 5.0 * error, "{scheme:?} {arrangement:?} {entry} {k}: {} sigma", off / error);
                    }
                }
            }
        }
    }
}
