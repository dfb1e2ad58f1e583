//! Unitaries into phases.
//!
//! A cell T on modes (a, b) next to the inputs is taken off a unitary by U T^H, and T is chosen so that an entry of U T^H
//! vanishes. Triangular meshes are taken off cell by cell until only output phases are left (Reck et al., Phys. Rev. Lett. 73,
//! 58, 1994). A rectangular mesh is taken off from both sides (Clements et al., Optica 3, 1460, 2016); on the side of the
//! outputs any Givens rotation V will do, because at the end V^H D, D being the diagonal that is left, is written as D' T
//! with a T that the cell has: row 1 of V^H D says which.

use crate::{
    Arrangement, Block, Cell, Convention, Error, Result, Scheme, Site, layout, layout::MAX_MODES, matrix::mix_rows,
    size, steer::turn,
};
use num_complex::Complex64;

/// Largest entry of U U^H - 1 that passes for rounding.
pub const TOLERANCE: f64 = 1e-8;

/// Phases of a mesh, radians.
#[derive(Clone, Debug, PartialEq)]
pub struct Phases {
    /// In the order of the cells; in \[0, pi\], with three couplers in \[0, 2 pi).
    pub theta: Vec<f64>,
    /// In the order of the cells; in \[0, 2 pi).
    pub phi: Vec<f64>,
    /// Output phases, one a mode; in \[0, 2 pi).
    pub gamma: Vec<f64>,
}

/// Phases of ideal cells at which [`crate::matrix()`] is `unitary` (n x n, row-major \[out\]\[in\], n being the root of its
/// length), to rounding: about 1e-14 for n = 64. The output phases are needed. The cells that a redundant mesh has more than
/// the Clements mesh are the last ones, and pass light straight through. O(n^3).
///
/// If the matrix is unitary only to within [`TOLERANCE`], the mesh is as far from it.
///
/// # Errors
/// The matrix is not square, not finite, or not unitary; the arrangement does not exist (see [`layout()`]), or the cell does
/// not have the convention; the mesh cannot be any unitary: a butterfly, or cells whose phi comes last (see
/// [`Scheme::universal`]).
pub fn decompose(
    unitary: &[Complex64],
    arrangement: Arrangement,
    layers: Option<usize>,
    cell: Cell,
    convention: Convention,
) -> Result<Phases> {
    let scheme = Scheme::new(cell, convention)?;
    scheme.universal()?;
    let n = unitary.len().isqrt();
    if n == 0 || n * n != unitary.len() {
        return Err(Error::NotSquare(unitary.len()));
    }
    size(arrangement, n, layers)?;
    if arrangement == Arrangement::Butterfly && n > 2 {
        return Err(Error::NotUniversal(format!(
            "a butterfly of {n} modes has {} cells, {} would be needed; use `arrangement: clements`",
            n / 2 * n.ilog2() as usize,
            n * (n - 1) / 2
        )));
    }
    check_unitary(unitary, n)?;
    let sites = layout(arrangement, n, layers)?;
    let mut work = Work::new(unitary, n, scheme, sites);
    match arrangement {
        Arrangement::Reck => work.triangle(false),
        Arrangement::Triangular => work.triangle(true),
        Arrangement::Clements | Arrangement::Redundant | Arrangement::Butterfly => work.rectangle(),
    }
    Ok(work.phases)
}

fn check_unitary(u: &[Complex64], n: usize) -> Result<()> {
    debug_assert!(n <= MAX_MODES);
    if let Some(e) = u.iter().position(|v| !v.is_finite()) {
        return Err(Error::NotFinite { row: e / n, column: e % n });
    }
    let mut deviation: f64 = 0.0;
    for i in 0..n {
        for j in 0..=i {
            let pairs = u[i * n..(i + 1) * n].iter().zip(&u[j * n..(j + 1) * n]);
            let dot: Complex64 = pairs.map(|(a, b)| a * b.conj()).sum();
            let off = (dot - f64::from(u8::from(i == j))).norm();
            // Entries so large that their product overflows are as far off as can be.
            deviation = if off.is_nan() { f64::INFINITY } else { deviation.max(off) };
        }
    }
    if deviation <= TOLERANCE { Ok(()) } else { Err(Error::NotUnitary { deviation, limit: TOLERANCE }) }
}

struct Work {
    n: usize,
    scheme: Scheme,
    sites: Vec<Site>,
    /// First site of each layer.
    starts: Vec<usize>,
    /// What is left of the unitary.
    u: Vec<Complex64>,
    phases: Phases,
}

impl Work {
    fn new(unitary: &[Complex64], n: usize, scheme: Scheme, sites: Vec<Site>) -> Work {
        let layers = sites.last().map_or(0, |site| site.layer + 1);
        let starts = (0..layers).map(|layer| sites.partition_point(|site| site.layer < layer)).collect();
        let phases = Phases { theta: vec![0.0; sites.len()], phi: vec![0.0; sites.len()], gamma: vec![] };
        Work { n, scheme, sites, starts, u: unitary.to_vec(), phases }
    }

    /// Sets the cell on modes (m, m + 1) of a layer so that its row 1 is `row`, and returns its matrix.
    fn set(&mut self, layer: usize, m: usize, row: [Complex64; 2]) -> Block {
        let start = self.starts[layer];
        // Neighbours in a layer are two modes apart in every arrangement that is decomposed.
        let index = start + (m - self.sites[start].modes.0) / 2;
        debug_assert_eq!((self.sites[index].layer, self.sites[index].modes), (layer, (m, m + 1)));
        let (theta, phi) = self.scheme.steer(row);
        (self.phases.theta[index], self.phases.phi[index]) = (theta, phi);
        self.scheme.matrix(theta, phi)
    }

    /// Takes the cell on modes (m, m + 1) of a layer off the inputs of U so that U\[row\]\[vanishing\] becomes 0;
    /// `vanishing` is m or m + 1.
    fn take_off(&mut self, layer: usize, m: usize, row: usize, vanishing: usize) {
        let (x, y) = (self.u[row * self.n + m], self.u[row * self.n + m + 1]);
        let t = self.set(layer, m, if vanishing == m { [x, y] } else { [-y.conj(), x.conj()] });
        for entries in self.u.chunks_mut(self.n) {
            let (x, y) = (entries[m], entries[m + 1]);
            entries[m] = x * t[0][0].conj() + y * t[0][1].conj();
            entries[m + 1] = x * t[1][0].conj() + y * t[1][1].conj();
        }
        self.u[row * self.n + vanishing] = Complex64::ZERO;
    }

    /// The d-th diagonal of cells empties the d-th row from the end (upside down: from the start).
    fn triangle(&mut self, upside_down: bool) {
        let n = self.n;
        for d in 0..n.saturating_sub(1) {
            for m in 0..n - 1 - d {
                if upside_down {
                    self.take_off(2 * d + m, n - 2 - m, d, n - 1 - m);
                } else {
                    self.take_off(2 * d + m, m, n - 1 - d, m);
                }
            }
        }
        let diagonal = self.diagonal();
        self.finish(&diagonal);
    }

    /// Antidiagonals from the lower left corner, alternately from the inputs and from the outputs. What a redundant mesh has
    /// more passes the diagonal on.
    fn rectangle(&mut self) {
        let n = self.n;
        // (layer, m, V^H) from the outputs inwards
        let mut rotations: Vec<(usize, usize, Block)> = vec![];
        for i in 0..n.saturating_sub(1) {
            for j in 0..=i {
                if i % 2 == 0 {
                    self.take_off(j, i - j, n - 1 - j, i - j);
                } else {
                    let row = n - 1 - i + j;
                    rotations.push((n - 1 - j, row - 1, self.rotate(row, j)));
                }
            }
        }
        let mut diagonal = self.diagonal();
        for (layer, m, inverse) in rotations.into_iter().rev() {
            self.pass(layer, m, &inverse, &mut diagonal);
        }
        const IDENTITY: Block = [[Complex64::ONE, Complex64::ZERO], [Complex64::ZERO, Complex64::ONE]];
        for layer in n..self.starts.len() {
            for m in (layer % 2..n - 1).step_by(2) {
                self.pass(layer, m, &IDENTITY, &mut diagonal);
            }
        }
        self.finish(&diagonal);
    }

    /// Rotates rows (row - 1, row) so that U\[row\]\[column\] becomes 0; returns the inverse of the rotation.
    fn rotate(&mut self, row: usize, column: usize) -> Block {
        let (x, y) = (self.u[(row - 1) * self.n + column], self.u[row * self.n + column]);
        let norm = x.norm().hypot(y.norm());
        let (x, y) = if norm > 0.0 { (x / norm, y / norm) } else { (Complex64::ONE, Complex64::ZERO) };
        mix_rows(&mut self.u, self.n, (row - 1, row), &[[x.conj(), y.conj()], [-y, x]]);
        self.u[row * self.n + column] = Complex64::ZERO;
        [[x, -y.conj()], [y, x.conj()]]
    }

    /// Writes V^H D as D' T: sets the cell to T, and the diagonal to D'.
    fn pass(&mut self, layer: usize, m: usize, inverse: &Block, diagonal: &mut [Complex64]) {
        let product = inverse.map(|row| [row[0] * diagonal[m], row[1] * diagonal[m + 1]]);
        let t = self.set(layer, m, product[1]);
        for k in 0..2 {
            diagonal[m + k] = unit(product[k][0] * t[k][0].conj() + product[k][1] * t[k][1].conj());
        }
    }

    fn diagonal(&self) -> Vec<Complex64> {
        self.u.iter().step_by(self.n + 1).map(|&v| unit(v)).collect()
    }

    fn finish(&mut self, diagonal: &[Complex64]) {
        self.phases.gamma = diagonal.iter().map(|d| turn(d.arg())).collect();
    }
}

fn unit(v: Complex64) -> Complex64 {
    v / v.norm()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        matrix,
        testing::{Random, distance, schemes},
    };
    use std::f64::consts::{PI, TAU};

    fn error_of(u: &[Complex64], arrangement: Arrangement, layers: Option<usize>, scheme: &Scheme) -> f64 {
        let n = u.len().isqrt();
        let sites = layout(arrangement, n, layers).unwrap();
        let phases = decompose(u, arrangement, layers, scheme.cell(), scheme.convention()).unwrap();
        let highest = if scheme.cell() == Cell::Mzi3 { TAU } else { PI };
        assert!(phases.theta.iter().all(|v| (0.0..=highest).contains(v)));
        assert!(phases.phi.iter().chain(&phases.gamma).all(|v| (0.0..TAU).contains(v)));
        assert_eq!(phases.gamma.len(), n);
        distance(u, &matrix(n, &sites, scheme, &phases.theta, &phases.phi, &phases.gamma).unwrap())
    }

    fn universal() -> Vec<Scheme> {
        schemes().into_iter().filter(|scheme| scheme.universal().is_ok()).collect()
    }

    #[test]
    fn round_trips() {
        let mut random = Random(11);
        for scheme in universal() {
            for n in [1, 2, 3, 4, 5, 8, 13, 64] {
                let u = random.unitary(n);
                for arrangement in [Arrangement::Clements, Arrangement::Reck, Arrangement::Triangular] {
                    let error = error_of(&u, arrangement, None, &scheme);
                    assert!(error < 1e-13, "{scheme:?} {arrangement:?} {n}: {error}");
                }
                for layers in [n, n + 1, n + 4] {
                    assert!(error_of(&u, Arrangement::Redundant, Some(layers), &scheme) < 1e-13);
                }
            }
            assert!(error_of(&random.unitary(2), Arrangement::Butterfly, None, &scheme) < 1e-14);
        }
    }

    /// Where entries vanish, phases are undefined.
    #[test]
    fn sparse_unitaries() {
        let n = 6;
        let permutation = |to: fn(usize) -> usize| -> Vec<Complex64> {
            let mut u = vec![Complex64::ZERO; n * n];
            (0..n).for_each(|k| u[to(k) * n + k] = Complex64::cis(k as f64));
            u
        };
        let mut blocks = permutation(|k| k);
        let inner = Random(4).unitary(2);
        (0..4).for_each(|e| blocks[(2 + e / 2) * n + 2 + e % 2] = inner[e]);
        for u in
            [permutation(|k| k), permutation(|k| 5 - k), permutation(|k| (k + 2) % 6), permutation(|k| k ^ 1), blocks]
        {
            for scheme in universal() {
                for arrangement in [Arrangement::Clements, Arrangement::Reck, Arrangement::Triangular] {
                    let error = error_of(&u, arrangement, None, &scheme);
                    assert!(error < 1e-14, "{scheme:?} {arrangement:?}: {error}");
                }
            }
        }
    }

    #[test]
    fn the_identity_is_a_transparent_mesh() {
        let mut u = vec![Complex64::ZERO; 25];
        u.iter_mut().step_by(6).for_each(|v| *v = Complex64::ONE);
        let phases = decompose(&u, Arrangement::Clements, None, Cell::Mzi, Convention::Bpbp).unwrap();
        assert!(phases.theta.iter().all(|&theta| theta == PI), "{phases:?}");
    }

    #[test]
    fn many_modes() {
        let u = Random(7).unitary(256);
        let scheme = Scheme::new(Cell::Mzi, Convention::Bpbp).unwrap();
        for arrangement in [Arrangement::Clements, Arrangement::Reck] {
            let error = error_of(&u, arrangement, None, &scheme);
            assert!(error < 1e-12, "{error}");
        }
    }

    #[test]
    fn what_is_refused() {
        let u = Random(9).unitary(4);
        let refused = |u: &[Complex64], arrangement, cell, convention, part: &str| {
            let error = decompose(u, arrangement, None, cell, convention).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        use Arrangement::{Butterfly, Clements, Redundant};
        use Convention::{Bpbp, BpbpT, RxHRy};
        refused(&u[..12], Clements, Cell::Mzi, Bpbp, "this one has 12 numbers");
        refused(&[], Clements, Cell::Mzi, Bpbp, "this one has 0 numbers");
        refused(&u, Butterfly, Cell::Mzi, Bpbp, "has 4 cells, 6 would be needed");
        refused(&u, Redundant, Cell::Mzi, Bpbp, "needs `layers`");
        refused(&u, Clements, Cell::MziClassical, Bpbp, "light meets phi after the couplers");
        refused(&u, Clements, Cell::Mzi, BpbpT, "light meets phi after the couplers");
        refused(&u, Clements, Cell::Mzi, RxHRy, "use `cell: mzi3`");
        let mut broken = u.clone();
        broken[6].im = f64::NAN;
        refused(&broken, Clements, Cell::Mzi, Bpbp, "row 1, column 2");
        let scaled: Vec<Complex64> = u.iter().map(|v| 1.1 * v).collect();
        refused(&scaled, Clements, Cell::Mzi, Bpbp, "by up to 2.100e-1");
        let huge: Vec<Complex64> = u.iter().map(|v| 1e300 * v).collect();
        refused(&huge, Clements, Cell::Mzi, Bpbp, "by up to inf");
        refused(&[Complex64::ZERO; 4], Clements, Cell::Mzi, Bpbp, "by up to 1.000e0");
    }

    /// n = 2: the bar power alone fixes theta.
    #[test]
    fn two_modes_by_hand() {
        let r = 0.5f64.sqrt();
        let hadamard = [r, r, r, -r].map(Complex64::from);
        let phases = decompose(&hadamard, Arrangement::Clements, None, Cell::Mzi, Convention::Bpbp).unwrap();
        // T(pi/2, 0) = i e^{i pi/4} H
        let close = |a: f64, b: f64| (a - b).abs() < 1e-15;
        assert!(close(phases.theta[0], PI / 2.0) && close(phases.phi[0], 0.0), "{phases:?}");
        assert!(phases.gamma.iter().all(|&gamma| close(gamma, 5.0 * PI / 4.0)), "{phases:?}");
    }
}
