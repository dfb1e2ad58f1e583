//! The matrix of a mesh.

use crate::{Block, Error, Result, Scheme, Site};
use num_complex::Complex64;

/// Matrix of a mesh of ideal cells, n x n, row-major \[out\]\[in\]: diag(e^{i gamma}) T_last .. T_first.
///
/// `thetas` and `phis` have one number a site, `gammas` one a mode or none (no output phases). Radians.
///
/// # Errors
/// A slice has another length, or a site names a mode that is not below n.
pub fn matrix(
    n: usize,
    sites: &[Site],
    scheme: &Scheme,
    thetas: &[f64],
    phis: &[f64],
    gammas: &[f64],
) -> Result<Vec<Complex64>> {
    check_length("theta", sites.len(), thetas.len())?;
    check_length("phi", sites.len(), phis.len())?;
    if !gammas.is_empty() {
        check_length("gamma", n, gammas.len())?;
    }
    let blocks: Vec<Block> = thetas.iter().zip(phis).map(|(&theta, &phi)| scheme.matrix(theta, phi)).collect();
    let mut u = compose(n, sites, &blocks)?;
    for (row, gamma) in u.chunks_mut(n.max(1)).zip(gammas) {
        let phase = Complex64::cis(*gamma);
        row.iter_mut().for_each(|v| *v *= phase);
    }
    Ok(u)
}

/// Matrix of a mesh whose cells have the given matrices, n x n, row-major \[out\]\[in\]: T_last .. T_first.
///
/// # Errors
/// The blocks are not as many as the sites, or a site names a mode that is not below n.
pub fn compose(n: usize, sites: &[Site], blocks: &[Block]) -> Result<Vec<Complex64>> {
    check_length("blocks", sites.len(), blocks.len())?;
    check_modes(n, sites)?;
    let mut u = vec![Complex64::ZERO; n * n];
    u.iter_mut().step_by(n + 1).for_each(|v| *v = Complex64::ONE);
    for (site, block) in sites.iter().zip(blocks) {
        mix_rows(&mut u, n, site.modes, block);
    }
    Ok(u)
}

/// Rows a and b of a matrix of n columns become T (row a, row b).
pub(crate) fn mix_rows(u: &mut [Complex64], n: usize, (a, b): (usize, usize), t: &Block) {
    let (above, below) = u.split_at_mut(b * n);
    for (x, y) in above[a * n..(a + 1) * n].iter_mut().zip(&mut below[..n]) {
        (*x, *y) = (t[0][0] * *x + t[0][1] * *y, t[1][0] * *x + t[1][1] * *y);
    }
}

/// Every cell couples two modes of the mesh.
pub(crate) fn check_modes(n: usize, sites: &[Site]) -> Result<()> {
    match sites.iter().find(|site| site.modes.0 >= site.modes.1 || site.modes.1 >= n) {
        Some(site) => Err(Error::Layout(format!("a cell cannot couple modes {:?} of a mesh of {n} modes", site.modes))),
        None => Ok(()),
    }
}

pub(crate) fn check_length(what: &'static str, expected: usize, found: usize) -> Result<()> {
    if expected == found { Ok(()) } else { Err(Error::Length { what, expected, found }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Arrangement, Cell, Convention, layout,
        testing::{Random, distance, is_unitary},
    };
    use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, TAU};

    #[test]
    fn order_of_light_and_output_phases() {
        let sites = layout(Arrangement::Clements, 3, None).unwrap();
        let scheme = Scheme::new(Cell::Mzi, Convention::Bpbp).unwrap();
        let (theta, phi, gamma) = ([0.3, 1.1, 2.0], [0.5, 4.0, 3.0], [0.1, 0.2, 0.3]);
        let u = matrix(3, &sites, &scheme, &theta, &phi, &gamma).unwrap();
        // input 2 meets the cell of layer 1 first: into output 2 it goes straight through, then gamma
        let t: Vec<Block> = (0..3).map(|k| scheme.matrix(theta[k], phi[k])).collect();
        assert!((u[8] - t[1][1][1] * Complex64::cis(0.3)).norm() < 1e-15);
        // into output 0 it crosses layer 1 upwards, then layer 2
        assert!((u[2] - t[2][0][1] * t[1][0][1] * Complex64::cis(0.1)).norm() < 1e-15);
        assert!(is_unitary(&u, 3, 1e-14));
    }

    #[test]
    fn what_is_refused() {
        let sites = layout(Arrangement::Clements, 3, None).unwrap();
        let scheme = Scheme::new(Cell::Mzi, Convention::Bpbp).unwrap();
        let run = |theta: usize, gamma: usize, n: usize| {
            matrix(n, &sites, &scheme, &vec![0.0; theta], &[0.0; 3], &vec![0.0; gamma]).unwrap_err().to_string()
        };
        assert_eq!(run(2, 0, 3), "theta: expected 3 numbers, found 2");
        assert_eq!(run(3, 2, 3), "gamma: expected 3 numbers, found 2");
        assert!(run(3, 2, 2).contains("modes (1, 2) of a mesh of 2"));
    }

    /// The butterfly is the Fourier transform: F[reverse(k)][j] = e^{-2 pi i j k / n} / sqrt n, with the output k standing at
    /// the bit-reversed place. All cells are 50:50; the twiddle factors are pushed through into phi and gamma.
    #[test]
    fn a_butterfly_is_the_fourier_transform() {
        for log in 1..6u32 {
            let n = 1usize << log;
            let sites = layout(Arrangement::Butterfly, n, None).unwrap();
            let scheme = Scheme::new(Cell::Mzi, Convention::Bpbp).unwrap();
            // T(pi/2, phi) = i e^{i pi/4} [[e^{i phi}, 1], [e^{i phi}, -1]] / sqrt 2
            let lead = FRAC_PI_2 + FRAC_PI_4;
            let (mut pending, mut phi) = (vec![0.0; n], vec![]);
            for site in &sites {
                let (a, b) = site.modes;
                let span = 2 * (b - a);
                phi.push(pending[a] - pending[b]);
                let common = pending[b] - lead;
                pending[a] = common;
                pending[b] = common - TAU * (a % span) as f64 / span as f64;
            }
            let u = matrix(n, &sites, &scheme, &vec![FRAC_PI_2; phi.len()], &phi, &pending).unwrap();
            let fourier: Vec<Complex64> = (0..n * n)
                .map(|e| {
                    let k = (e / n).reverse_bits() >> (usize::BITS - log);
                    Complex64::cis(-TAU * (k * (e % n)) as f64 / n as f64) / (n as f64).sqrt()
                })
                .collect();
            assert!(distance(&u, &fourier) < 1e-13, "n = {n}");
        }
    }

    #[test]
    fn every_arrangement_is_unitary() {
        let mut random = Random(5);
        for (arrangement, n, layers) in [
            (Arrangement::Clements, 7, None),
            (Arrangement::Reck, 7, None),
            (Arrangement::Triangular, 6, None),
            (Arrangement::Butterfly, 16, None),
            (Arrangement::Redundant, 5, Some(9)),
        ] {
            let sites = layout(arrangement, n, layers).unwrap();
            for scheme in crate::testing::schemes() {
                let mut draw = |count: usize| -> Vec<f64> { (0..count).map(|_| TAU * random.uniform()).collect() };
                let (theta, phi, gamma) = (draw(sites.len()), draw(sites.len()), draw(n));
                let u = matrix(n, &sites, &scheme, &theta, &phi, &gamma).unwrap();
                assert!(is_unitary(&u, n, 1e-13), "{arrangement:?} {scheme:?}");
            }
        }
    }
}
