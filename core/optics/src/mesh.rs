//! A rectangular mesh of Mach-Zehnder interferometers (Clements et al., Optica 3, 1460, 2016).
//!
//! Layer l couples modes (m, m + 1) for m = l mod 2, l mod 2 + 2, ...; light meets layer 0 first. P(x) = diag(e^{ix}, 1),
//! B = [[c, i s], [i s, c]] with c = cos(pi/4 + error), s = sin(pi/4 + error). What light meets in a cell, first to last:
//!
//! | cell | |
//! |---|---|
//! | `mzi` | P(phi), B0, P(theta), B1 |
//! | `mzi3` | B0, P(phi - pi/2), B1, P(theta + pi/2), B2 |
//! | `mzi_classical` | B0, P(2 theta), B1, P(phi), all times -i e^{-i theta} |
//!
//! The losses of the two arms act beside theta. After the last layer each mode has its phase gamma.
//!
//! The matrix is made by sending the columns of the identity through the layers, a tile of columns at a time so that a
//! tile stays in the first-level cache. A cell outside the light cone of a tile would only mix zeros and is skipped.

use crate::{
    complex::Complex,
    fabrication::Fabrication,
    program::{Field, Need, Place, Program},
};
use blackbeam_netlist::circuit::{Cell, EncodingMode, Mesh, ParameterKind, Quantity, ReadoutMode};
use blackbeam_plugin::{PluginError, Result, structure};
use std::f64::consts::{FRAC_PI_2, FRAC_PI_4};

/// Columns that go through the layers together: 64 rows of 16 complex numbers are 16 KiB.
const TILE: usize = 16;

/// A compiled mesh.
pub(crate) struct MeshProgram {
    n: usize,
    cell: Cell,
    cells: Vec<Site>,
    /// (cos, sin) of each coupler's angle; cell * couplers + coupler.
    couplers: Vec<(f64, f64)>,
    /// Amplitudes of the two arms, times the cell's own.
    arms: Vec<[f64; 2]>,
    input: Vec<f64>,
    output: Vec<f64>,
    output_phases: bool,
}

/// Where a cell stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    pub layer: usize,
    /// The lower of its modes.
    pub mode: usize,
}

/// The cells of a rectangular mesh in the order of their parameters.
pub(crate) fn sites(n: usize) -> Vec<Site> {
    (0..n).flat_map(|layer| (layer % 2..n.saturating_sub(1)).step_by(2).map(move |mode| Site { layer, mode })).collect()
}

/// A 2x2 matrix, row by row.
type Block = [[Complex; 2]; 2];

impl MeshProgram {
    pub fn new(mesh: &Mesh, fabrication: &Fabrication) -> Result<Self> {
        let n = mesh.n;
        if n == 0 {
            return Err(PluginError::settings("mesh: n must be at least 1"));
        }
        let cells = sites(n);
        let errors = fabrication.values(Quantity::SplitAngle, &vec![0.0; cells.len() * mesh.cell.couplers()])?;
        let split = |error: &f64| {
            let (sin, cos) = (FRAC_PI_4 + error).sin_cos();
            (cos, sin)
        };
        let whole = fabrication.transmission(Quantity::CellLoss, cells.len(), 20.0)?;
        let arms = fabrication.transmission(Quantity::ArmLoss, 2 * cells.len(), 20.0)?;
        Ok(MeshProgram {
            n,
            cell: mesh.cell,
            couplers: errors.iter().map(split).collect(),
            arms: whole.iter().zip(arms.chunks(2)).map(|(cell, arm)| [cell * arm[0], cell * arm[1]]).collect(),
            input: fabrication.transmission(Quantity::InputLoss, n, 20.0)?,
            output: fabrication.transmission(Quantity::OutputLoss, n, 20.0)?,
            output_phases: mesh.output_phases,
            cells,
        })
    }

    /// Matrix of one cell.
    fn block(&self, cell: usize, theta: f64, phi: f64) -> Block {
        let count = self.cell.couplers();
        let couplers = &self.couplers[cell * count..(cell + 1) * count];
        let arms = self.arms[cell];
        let mut t = [[Complex::ONE, Complex::ZERO], [Complex::ZERO, Complex::ONE]];
        let arm = |t: &mut Block, phase: f64| {
            shift(t, Complex::cis(phase).scale(arms[0]));
            t[1] = t[1].map(|v| v.scale(arms[1]));
        };
        match self.cell {
            Cell::Mzi => {
                shift(&mut t, Complex::cis(phi));
                couple(&mut t, couplers[0]);
                arm(&mut t, theta);
                couple(&mut t, couplers[1]);
            }
            Cell::Mzi3 => {
                couple(&mut t, couplers[0]);
                shift(&mut t, Complex::cis(phi - FRAC_PI_2));
                couple(&mut t, couplers[1]);
                arm(&mut t, theta + FRAC_PI_2);
                couple(&mut t, couplers[2]);
            }
            Cell::MziClassical => {
                couple(&mut t, couplers[0]);
                arm(&mut t, 2.0 * theta);
                couple(&mut t, couplers[1]);
                shift(&mut t, Complex::cis(phi));
                let common = Complex::cis(-theta - FRAC_PI_2);
                t = t.map(|row| row.map(|v| v * common));
            }
        }
        t
    }
}

/// A phase or amplitude on the arm of index 0.
fn shift(t: &mut Block, factor: Complex) {
    t[0] = t[0].map(|v| v * factor);
}

fn couple(t: &mut Block, (c, s): (f64, f64)) {
    let [upper, lower] = *t;
    for k in 0..2 {
        t[0][k] = upper[k].scale(c) + lower[k].scale(s).times_i();
        t[1][k] = upper[k].scale(s).times_i() + lower[k].scale(c);
    }
}

impl Program for MeshProgram {
    fn needs(&self) -> Vec<Need> {
        let count = self.cells.len();
        let mut needs = vec![Need { kind: ParameterKind::Theta, count }, Need { kind: ParameterKind::Phi, count }];
        if self.output_phases {
            needs.push(Need { kind: ParameterKind::Gamma, count: self.n });
        }
        needs
    }

    /// Phi of layer l stands at 2l along the chip, theta at 2l + 1, gamma at 2n; across, a cell is its place in the layer
    /// and gamma its mode.
    fn place(&self, kind: ParameterKind, index: usize) -> Place {
        if kind == ParameterKind::Gamma {
            let (layer, mode) = (self.n as u32, index as u32);
            return Place { row: layer, column: mode, along: 2 * layer, across: mode };
        }
        let Site { layer, mode } = self.cells[index];
        let (row, column) = (layer as u32, (mode / 2) as u32);
        Place { row, column, along: 2 * row + u32::from(kind == ParameterKind::Theta), across: column }
    }

    fn shape(&self) -> (usize, usize) {
        (self.n, self.n)
    }

    fn complex(&self) -> bool {
        true
    }

    fn structure(&self) -> u64 {
        let once = if self.cell == Cell::MziClassical { 0 } else { structure::SINGLE_FREQUENCY };
        let factors = self.arms.as_flattened().iter().chain(&self.input).chain(&self.output);
        let passive = if factors.copied().all(|f| f <= 1.0) { structure::PASSIVE } else { 0 };
        structure::RECIPROCAL | passive | once
    }

    fn fill(&self, phases: &[f64], matrix: &mut Field) {
        let count = self.cells.len();
        let (theta, rest) = phases.split_at(count);
        let (phi, gamma) = rest.split_at(count);
        let blocks: Vec<Block> = (0..count).map(|i| self.block(i, theta[i], phi[i])).collect();
        let n = self.n;
        let (mut re, mut im) = (vec![0.0; n * TILE], vec![0.0; n * TILE]);
        for first in (0..n).step_by(TILE) {
            let width = TILE.min(n - first);
            re.fill(0.0);
            im.fill(0.0);
            for k in 0..width {
                re[(first + k) * TILE + k] = self.input[first + k];
            }
            pulp::Arch::new().dispatch(|| propagate(&self.cells, &blocks, first, &mut re, &mut im));
            for mode in 0..n {
                let mut out = Complex { re: self.output[mode], im: 0.0 };
                if self.output_phases {
                    out = out * Complex::cis(gamma[mode]);
                }
                for k in 0..width {
                    let v = Complex { re: re[mode * TILE + k], im: im[mode * TILE + k] } * out;
                    matrix.re[mode * n + first + k] = v.re;
                    matrix.im[mode * n + first + k] = v.im;
                }
            }
        }
    }

    fn refuses(&self, _: EncodingMode, readout: ReadoutMode) -> Option<&'static str> {
        (readout == ReadoutMode::Differential).then_some(
            "a mesh has no pairs of outputs: use `coherent_real` (a balanced homodyne) instead of `differential`",
        )
    }
}

/// Sends a tile of columns (of which `first` is the first) through all cells. Must be inlined into the dispatched closure.
#[inline(always)]
fn propagate(cells: &[Site], blocks: &[Block], first: usize, re: &mut [f64], im: &mut [f64]) {
    for (site, t) in cells.iter().zip(blocks) {
        let (m, reach) = (site.mode, site.layer);
        if m + 1 + reach < first || m > first + TILE - 1 + reach {
            continue;
        }
        let (upper_re, lower_re) = re[m * TILE..(m + 2) * TILE].split_at_mut(TILE);
        let (upper_im, lower_im) = im[m * TILE..(m + 2) * TILE].split_at_mut(TILE);
        let rows: [&mut [f64; TILE]; 4] = [
            upper_re.try_into().expect("split at TILE of 2 TILE"),
            upper_im.try_into().expect("split at TILE of 2 TILE"),
            lower_re.try_into().expect("split at TILE of 2 TILE"),
            lower_im.try_into().expect("split at TILE of 2 TILE"),
        ];
        mix(t, rows);
    }
}

#[inline(always)]
fn mix(t: &Block, [ar, ai, br, bi]: [&mut [f64; TILE]; 4]) {
    let [[t00, t01], [t10, t11]] = *t;
    for k in 0..TILE {
        let (a_re, a_im, b_re, b_im) = (ar[k], ai[k], br[k], bi[k]);
        ar[k] = t00.re * a_re - t00.im * a_im + t01.re * b_re - t01.im * b_im;
        ai[k] = t00.re * a_im + t00.im * a_re + t01.re * b_im + t01.im * b_re;
        br[k] = t10.re * a_re - t10.im * a_im + t11.re * b_re - t11.im * b_im;
        bi[k] = t10.re * a_im + t10.im * a_re + t11.re * b_im + t11.im * b_re;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use blackbeam_netlist::circuit::{Circuit, Generator, Number, Rule};
    use blackbeam_plugin::Key;

    fn program(circuit: &Circuit) -> MeshProgram {
        let Generator::Mesh(mesh) = &circuit.generator else { panic!("a mesh") };
        MeshProgram::new(mesh, &Fabrication::new(circuit, 3)).unwrap()
    }

    fn matrix(program: &MeshProgram, phases: &[f64]) -> Field {
        let mut field = Field::sized(program.n * program.n, true);
        program.fill(phases, &mut field);
        field
    }

    fn random_phases(program: &MeshProgram, seed: u64) -> Vec<f64> {
        let count: usize = program.needs().iter().map(|need| need.count).sum();
        (0..count as u64).map(|i| 10.0 * Key::new(seed).uniform(i) - 5.0).collect()
    }

    /// Entry (i, j) of U^H U.
    fn gram(field: &Field, n: usize, i: usize, j: usize) -> (f64, f64) {
        let at = |k: usize, c: usize| (field.re[k * n + c], field.im[k * n + c]);
        (0..n).fold((0.0, 0.0), |(re, im), k| {
            let ((a, b), (c, d)) = (at(k, i), at(k, j));
            (re + a * c + b * d, im + a * d - b * c)
        })
    }

    #[test]
    fn an_ideal_mesh_is_unitary() {
        for cell in [Cell::Mzi, Cell::Mzi3, Cell::MziClassical] {
            for n in [1, 2, 3, 5, 16, 17, 33] {
                let program = program(&testing::mesh_of(n, cell));
                let field = matrix(&program, &random_phases(&program, n as u64));
                for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
                    let (re, im) = gram(&field, n, i, j);
                    assert!((re - f64::from(u8::from(i == j))).abs() < 1e-12 && im.abs() < 1e-12, "{cell:?} {n}");
                }
            }
        }
    }

    /// The tiled light-cone sweep against a plain product of full layer matrices.
    #[test]
    fn the_sweep_is_the_product_of_its_layers() {
        let n = 21;
        let mut circuit = testing::mesh(n);
        let all = |quantity, count: usize, value| Rule {
            quantity,
            elements: (0..count).collect(),
            value,
            relative: false,
            clip: (f64::NEG_INFINITY, f64::INFINITY),
            corrected: 0.0,
        };
        circuit.nonideal = vec![
            all(Quantity::SplitAngle, 2 * 210, Number::Normal(0.0, 0.1)),
            all(Quantity::CellLoss, 210, Number::Uniform(0.0, 0.3)),
            all(Quantity::ArmLoss, 420, Number::Uniform(0.0, 0.3)),
            all(Quantity::InputLoss, n, Number::Uniform(0.0, 1.0)),
            all(Quantity::OutputLoss, n, Number::Uniform(0.0, 1.0)),
        ];
        let program = program(&circuit);
        let phases = random_phases(&program, 8);
        let mut u: Vec<Vec<Complex>> = (0..n)
            .map(|i| {
                (0..n).map(|j| if i == j { Complex::ONE.scale(program.input[i]) } else { Complex::ZERO }).collect()
            })
            .collect();
        for (i, site) in program.cells.iter().enumerate() {
            let t = program.block(i, phases[i], phases[210 + i]);
            let (m, (a, b)) = (site.mode, (u[site.mode].clone(), u[site.mode + 1].clone()));
            for j in 0..n {
                u[m][j] = t[0][0] * a[j] + t[0][1] * b[j];
                u[m + 1][j] = t[1][0] * a[j] + t[1][1] * b[j];
            }
        }
        let field = matrix(&program, &phases);
        let mut power = 0.0;
        for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
            let v = u[i][j] * Complex::cis(phases[420 + i]).scale(program.output[i]);
            assert!((v.re - field.re[i * n + j]).abs() < 1e-13 && (v.im - field.im[i * n + j]).abs() < 1e-13);
            power += v.re * v.re + v.im * v.im;
        }
        assert!(power < 0.9 * n as f64, "losses take power away: {power}");
    }

    /// Closed forms of a single cell, as written in the language's conventions.
    #[test]
    fn two_modes() {
        let (theta, phi) = (0.7f64, 1.9f64);
        let close = |field: &Field, expected: [(f64, f64); 4], gamma: f64| {
            for (k, (re, im)) in expected.into_iter().enumerate() {
                let v = Complex { re, im } * Complex::cis(if k < 2 { gamma } else { 0.0 });
                assert!((field.re[k] - v.re).abs() < 1e-14 && (field.im[k] - v.im).abs() < 1e-14, "entry {k}");
            }
        };
        let run = |cell, gamma| matrix(&program(&testing::mesh_of(2, cell)), &[theta, phi, gamma, 0.0]);
        // T = i e^{i theta/2} [[e^{i phi} sin, cos], [e^{i phi} cos, -sin]](theta/2)
        let (s, c) = (theta / 2.0).sin_cos();
        let lead = Complex::cis(theta / 2.0).times_i();
        let mzi =
            [(lead * Complex::cis(phi)).scale(s), lead.scale(c), (lead * Complex::cis(phi)).scale(c), lead.scale(-s)];
        close(&run(Cell::Mzi, 0.4), mzi.map(|v| (v.re, v.im)), 0.4);
        let (s, c) = theta.sin_cos();
        let p = Complex::cis(phi);
        close(&run(Cell::MziClassical, 0.0), [(p.re * s, p.im * s), (p.re * c, p.im * c), (c, 0.0), (-s, 0.0)], 0.0);
        // bar power of the three-splitter cell
        let field = run(Cell::Mzi3, 0.0);
        let bar = field.re[0].powi(2) + field.im[0].powi(2);
        assert!((bar - 0.5 * (1.0 - phi.cos() * theta.cos())).abs() < 1e-14);
    }
}
