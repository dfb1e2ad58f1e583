//! Phases at which a rectangular mesh is a Haar-random unitary.
//!
//! In a rectangular mesh the Haar measure factorises over the cells (Russell, Chakhmakhchyan, O'Brien and Laing, New J.
//! Phys. 19, 033007, 2017): external phases are uniform, and the bar power r = |T_00|^2 of a cell has the density
//! alpha (1 - r)^(alpha - 1). The exponent depends on where the cell stands: with I modes of the input from which light
//! can reach it and O modes of the output that it can reach, alpha = I + O - n - 1 (Pai, Bartlett, Solgaard and Miller,
//! Phys. Rev. Applied 11, 064044, 2019). So 1 - r = u^(1/alpha), u uniform.
//!
//! The bar power in our conventions is sin^2(theta / 2) for `mzi`, sin^2 theta for `mzi_classical`, and
//! (1 - cos theta cos phi) / 2 for `mzi3`, where both phases decide and are solved for together.

use crate::mesh::{Site, sites};
use blackbeam_netlist::circuit::Cell;
use blackbeam_plugin::Key;
use std::f64::consts::TAU;

/// (theta, phi) of every cell of a mesh of n modes.
pub(crate) fn phases(n: usize, cell: Cell, key: Key) -> Vec<(f64, f64)> {
    let (power, angle) = (key.named("bar power"), key.named("external phase"));
    let draw = |(i, site): (usize, &Site)| {
        let bar = 1.0 - power.uniform(i as u64).powf(1.0 / exponent(n, *site) as f64);
        let phase = TAU * angle.uniform(i as u64);
        match cell {
            Cell::Mzi => (2.0 * bar.sqrt().asin(), phase),
            Cell::MziClassical => (bar.sqrt().asin(), phase),
            Cell::Mzi3 => three_splitters(bar, phase),
        }
    };
    sites(n).iter().enumerate().map(draw).collect()
}

/// alpha = I + O - n - 1.
fn exponent(n: usize, Site { layer, mode }: Site) -> usize {
    let span = |layers: usize| (mode + 1 + layers).min(n - 1) - mode.saturating_sub(layers) + 1;
    span(layer) + span(n - 1 - layer) - n - 1
}

/// theta and phi of an `mzi3` cell with a given bar power and a given relative phase of its inputs. Row 0 of T, as a
/// vector on the Poincare sphere, has the height |T_00|^2 - |T_01|^2 = -cos theta cos phi, and
/// 2 T_00 conj(T_01) = cos theta sin phi - i sin theta.
fn three_splitters(bar: f64, longitude: f64) -> (f64, f64) {
    let height = 1.0 - 2.0 * bar;
    let radius = (1.0 - height * height).max(0.0).sqrt();
    let (y, z) = (radius * longitude.cos(), radius * longitude.sin());
    let theta = y.clamp(-1.0, 1.0).asin();
    let phi = z.atan2(height);
    (theta.rem_euclid(TAU), phi.rem_euclid(TAU))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fabrication::Fabrication,
        mesh::MeshProgram,
        program::{Field, Program},
        testing,
    };
    use blackbeam_netlist::circuit::Generator;

    #[test]
    fn exponents_are_those_of_the_triangular_mesh() {
        // the same numbers in another order: alpha = 1 n - 1 times, 2 n - 2 times, ...
        for n in 1..9 {
            let mut found: Vec<usize> = sites(n).into_iter().map(|s| exponent(n, s)).collect();
            found.sort_unstable();
            let expected: Vec<usize> = (1..n).flat_map(|alpha| vec![alpha; n - alpha]).collect();
            assert_eq!(found, expected);
        }
    }

    /// E|U_ij|^4 = 2 / (n (n + 1)) and E|U_ij|^6 = 6 / (n (n + 1)(n + 2)) for every entry of a Haar-random unitary.
    #[test]
    fn moments_of_every_entry() {
        let (n, draws) = (5, 4000);
        for cell in [Cell::Mzi, Cell::MziClassical, Cell::Mzi3] {
            let circuit = testing::mesh_of(n, cell);
            let Generator::Mesh(mesh) = &circuit.generator else { panic!("a mesh") };
            let program = MeshProgram::new(mesh, &Fabrication::new(&circuit, 1)).unwrap();
            let mut field = Field::sized(n * n, true);
            let mut sums = vec![[0.0; 3]; n * n];
            for seed in 0..draws {
                let cells = phases(n, cell, Key::new(seed));
                let mut all: Vec<f64> = cells.iter().map(|c| c.0).chain(cells.iter().map(|c| c.1)).collect();
                all.resize(all.len() + n, 0.0);
                program.fill(&all, &mut field);
                for (sum, (re, im)) in sums.iter_mut().zip(field.re.iter().zip(&field.im)) {
                    let p = re * re + im * im;
                    sum.iter_mut().zip([p, p * p, p * p * p]).for_each(|(s, v)| *s += v / draws as f64);
                }
            }
            let m = n as f64;
            let expected = [1.0 / m, 2.0 / (m * (m + 1.0)), 6.0 / (m * (m + 1.0) * (m + 2.0))];
            for (entry, sum) in sums.iter().enumerate() {
                for (power, (found, expected)) in sum.iter().zip(expected).enumerate() {
                    // five standard errors, from the variance of p^k for p ~ Beta(1, n - 1)
                    let tolerance = expected * [0.065, 0.118, 0.174][power];
                    assert!((found - expected).abs() < tolerance, "{cell:?} entry {entry} moment {power}: {found}");
                }
            }
        }
    }
}
