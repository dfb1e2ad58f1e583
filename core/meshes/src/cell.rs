//! 2x2 cells: the hardware ([`Cell`]), what theta and phi mean on it ([`Convention`]), and the two together ([`Scheme`]).

use crate::{Error, Result};
use num_complex::Complex64;
use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

/// The hardware of a cell. B = \[\[1, i\], \[i, 1\]\] / sqrt 2 is a 50:50 coupler, C(x) = \[\[cos x, i sin x\], \[i sin x, cos x\]\]
/// a coupler of angle x, P(x) = diag(e^{ix}, 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cell {
    /// Mach-Zehnder interferometer: two couplers. T = B P(theta) B P(phi).
    Mzi,
    /// Three couplers (Hamerly, Bandyopadhyay and Englund, arXiv 2109.05367). T = B P(theta + pi/2) B P(phi - pi/2) B.
    Mzi3,
    /// A Mach-Zehnder interferometer driven in push-pull by theta, half an internal phase, with phi behind it:
    /// T = P(phi) \[\[sin theta, cos theta\], \[cos theta, -sin theta\]\] = -i e^{-i theta} P(phi) B P(2 theta) B.
    MziClassical,
    /// Tunable directional coupler: T = C(theta) P(phi).
    Tdc,
}

impl Cell {
    /// Number of couplers.
    pub fn couplers(self) -> usize {
        match self {
            Cell::Tdc => 1,
            Cell::Mzi | Cell::MziClassical => 2,
            Cell::Mzi3 => 3,
        }
    }
}

/// What theta and phi of a cell mean. `bpbp` and `bpbp_t` belong to every cell, `bloch` and `clements2016` to `mzi`,
/// `rx_h_ry` to `mzi3`. s = sin(theta/2), c = cos(theta/2); D(x) = diag(e^{ix/2}, e^{-ix/2}).
///
/// | convention | T | in terms of `bpbp` of the same hardware |
/// |---|---|---|
/// | `bpbp` | B P(theta) B P(phi) = i e^{i theta/2} \[\[e^{i phi} s, c\], \[e^{i phi} c, -s\]\] | |
/// | `bpbp_t` | P(phi) B P(theta) B = i e^{i theta/2} \[\[e^{i phi} s, e^{i phi} c\], \[c, -s\]\] | P(phi) T_bpbp(theta, 0) |
/// | `bloch` | B D(theta) B P(phi) = i \[\[e^{i phi} s, c\], \[e^{i phi} c, -s\]\] | e^{-i theta/2} T_bpbp(theta, phi) |
/// | `clements2016` | \[\[e^{i phi} cos theta, -sin theta\], \[e^{i phi} sin theta, cos theta\]\] | e^{i theta} T_bpbp(pi - 2 theta, phi - pi) |
/// | `rx_h_ry` | Rx(theta) H Ry(phi) | mzi3: e^{i (phi - theta)/2} diag(i, 1) T_bpbp(theta, -phi - pi/2) diag(1, -1) |
///
/// For the other cells `bpbp` is the matrix given at [`Cell`], `bpbp_t` its transpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Convention {
    /// The matrix given at [`Cell`]. For `mzi` it is the MZI of Strawberry Fields, the single-mode basis of neurophox,
    /// and the `mzi phase first` of perceval (theta = phi_b, phi = phi_a).
    Bpbp,
    /// The transpose of `bpbp`: light meets the couplers first, then phi. So a mesh of neurophox acts on columns: it multiplies
    /// rows of amplitudes from the right.
    BpbpT,
    /// Push-pull: theta/2 on arm 0 and -theta/2 on arm 1, so that the matrix has no common phase (the Bloch basis of
    /// neurophox; Pai et al., Phys. Rev. Applied 11, 064044, 2019).
    Bloch,
    /// Rx(theta) H Ry(phi), in the notation for beam splitters of perceval: Rx(x) = \[\[cos, i sin\], \[i sin, cos\]\](x/2),
    /// H = \[\[1, 1\], \[1, -1\]\] / sqrt 2, Ry(x) = \[\[cos, -sin\], \[sin, cos\]\](x/2). It has three couplers.
    RxHRy,
    /// Clements et al., Optica 3, 1460 (2016), Eq. 1: light meets phi, then a real rotation by theta.
    Clements2016,
}

/// A 2x2 matrix, \[out\]\[in\].
pub type Block = [[Complex64; 2]; 2];

/// constant + theta factor * theta + phi factor * phi, radians.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Affine {
    /// Constant.
    pub constant: f64,
    /// Factor of theta.
    pub theta: f64,
    /// Factor of phi.
    pub phi: f64,
}

impl Affine {
    /// Nothing.
    pub const ZERO: Affine = Affine { constant: 0.0, theta: 0.0, phi: 0.0 };

    /// Value at theta and phi.
    pub fn at(self, theta: f64, phi: f64) -> f64 {
        self.constant + self.theta * theta + self.phi * phi
    }
}

/// What is wrong with one cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Faults {
    /// Error of each coupler's angle, radians, in the order in which light meets them.
    pub couplers: [f64; 3],
    /// Factors on the amplitudes of the two arms, beside theta.
    pub arms: [Complex64; 2],
}

impl Default for Faults {
    /// None.
    fn default() -> Self {
        Faults { couplers: [0.0; 3], arms: [Complex64::ONE; 2] }
    }
}

/// A cell in a convention: what light meets is a pair of phases, a coupler, a pair of phases, .., a coupler, a pair of
/// phases, and all of them are linear functions of theta and phi. The matrix is exactly that of the convention, common phase
/// included.
#[derive(Clone, Debug, PartialEq)]
pub struct Scheme {
    cell: Cell,
    convention: Convention,
    couplers: Vec<Affine>,
    phases: Vec<[Affine; 2]>,
    arms: usize,
}

impl Scheme {
    /// A cell in a convention.
    ///
    /// # Errors
    /// The cell does not have this convention.
    pub fn new(cell: Cell, convention: Convention) -> Result<Scheme> {
        let phases = phases(cell, convention)?;
        let angle = match cell {
            Cell::Tdc => theta(1.0, 0.0),
            _ => constant(FRAC_PI_4),
        };
        // Arms: where theta is; where a cell has its only pair of arms.
        let arms = match cell {
            Cell::Tdc => usize::from(convention == Convention::BpbpT),
            _ => phases.iter().position(|pair| pair[0].theta != 0.0).unwrap_or(0),
        };
        Ok(Scheme { cell, convention, couplers: vec![angle; cell.couplers()], phases, arms })
    }

    /// The hardware.
    pub fn cell(&self) -> Cell {
        self.cell
    }

    /// What theta and phi mean.
    pub fn convention(&self) -> Convention {
        self.convention
    }

    /// Angles of the couplers, in the order in which light meets them.
    pub fn couplers(&self) -> &[Affine] {
        &self.couplers
    }

    /// Pairs of phases on the two arms, in the order in which light meets them: one more than couplers.
    pub fn phases(&self) -> &[[Affine; 2]] {
        &self.phases
    }

    /// Which of the pairs of phases are `arm0` and `arm1`: those with theta (tunable coupler: phi), where arms have losses.
    pub fn arms(&self) -> usize {
        self.arms
    }

    /// Matrix of the cell without faults.
    pub fn matrix(&self, theta: f64, phi: f64) -> Block {
        self.faulty(theta, phi, &Faults::default())
    }

    /// Matrix of the cell.
    pub fn faulty(&self, theta: f64, phi: f64, faults: &Faults) -> Block {
        let mut t = [[Complex64::ONE, Complex64::ZERO], [Complex64::ZERO, Complex64::ONE]];
        for (stage, pair) in self.phases.iter().enumerate() {
            if stage > 0 {
                couple(&mut t, self.couplers[stage - 1].at(theta, phi) + faults.couplers[stage - 1]);
            }
            for arm in 0..2 {
                let mut factor = Complex64::cis(pair[arm].at(theta, phi));
                if stage == self.arms {
                    factor *= faults.arms[arm];
                }
                t[arm] = t[arm].map(|v| v * factor);
            }
        }
        t
    }
}

/// Matrix of a cell in a convention.
///
/// # Errors
/// The cell does not have this convention.
pub fn cell(cell: Cell, convention: Convention, theta: f64, phi: f64, faults: &Faults) -> Result<Block> {
    Ok(Scheme::new(cell, convention)?.faulty(theta, phi, faults))
}

fn couple(t: &mut Block, angle: f64) {
    let (sin, cos) = angle.sin_cos();
    let [a, b] = *t;
    for k in 0..2 {
        t[0][k] = a[k] * cos + Complex64::I * b[k] * sin;
        t[1][k] = Complex64::I * a[k] * sin + b[k] * cos;
    }
}

fn constant(value: f64) -> Affine {
    Affine { constant: value, ..Affine::ZERO }
}

fn theta(factor: f64, constant: f64) -> Affine {
    Affine { constant, theta: factor, phi: 0.0 }
}

fn phi(factor: f64, constant: f64) -> Affine {
    Affine { constant, theta: 0.0, phi: factor }
}

/// The pairs of phases, first met first.
fn phases(cell: Cell, convention: Convention) -> Result<Vec<[Affine; 2]>> {
    const NONE: [Affine; 2] = [Affine::ZERO; 2];
    let external = [phi(1.0, 0.0), Affine::ZERO];
    Ok(match (cell, convention) {
        // Couplers are symmetric: the transpose is met in the reverse order.
        (_, Convention::BpbpT) => phases(cell, Convention::Bpbp)?.into_iter().rev().collect(),
        (Cell::Mzi, Convention::Bpbp) => vec![external, [theta(1.0, 0.0), Affine::ZERO], NONE],
        (Cell::Mzi, Convention::Bloch) => vec![external, [theta(0.5, 0.0), theta(-0.5, 0.0)], NONE],
        // -i B D(pi - 2 theta) B diag(e^{i phi}, -1)
        (Cell::Mzi, Convention::Clements2016) => {
            vec![[phi(1.0, 0.0), constant(PI)], [theta(-1.0, 0.0), theta(1.0, -PI)], NONE]
        }
        (Cell::Mzi3, Convention::Bpbp) => {
            vec![NONE, [phi(1.0, -FRAC_PI_2), Affine::ZERO], [theta(1.0, FRAC_PI_2), Affine::ZERO], NONE]
        }
        // With S = diag(1, i): Rx(x) = H D(x) H, Ry(x) = S H D(-x) H S^H, H = S^H B S^H, S^H S^H = diag(1, -1).
        (Cell::Mzi3, Convention::RxHRy) => vec![
            [Affine::ZERO, constant(PI)],
            [phi(-0.5, 0.0), phi(0.5, PI)],
            [theta(0.5, 0.0), theta(-0.5, -FRAC_PI_2)],
            [Affine::ZERO, constant(-FRAC_PI_2)],
        ],
        (Cell::MziClassical, Convention::Bpbp) => {
            vec![NONE, [theta(1.0, -FRAC_PI_2), theta(-1.0, -FRAC_PI_2)], external]
        }
        (Cell::Tdc, Convention::Bpbp) => vec![external, NONE],
        (_, Convention::RxHRy) => {
            return Err(Error::Convention(
                "`rx_h_ry` is Rx(theta) H Ry(phi), which takes three couplers: use `cell: mzi3`. perceval's catalogue \
                 entry `mzi phase first` is `cell: mzi, convention: bpbp`"
                    .into(),
            ));
        }
        (Cell::Mzi3 | Cell::MziClassical | Cell::Tdc, Convention::Bloch | Convention::Clements2016) => {
            return Err(Error::Convention(
                "`bloch` and `clements2016` are conventions of an interferometer with two couplers: use `cell: mzi`, or \
                 `convention: bpbp` for the matrix of this cell"
                    .into(),
            ));
        }
    })
}

/// A cell of any convention as the `bpbp` cell of the same hardware between phases:
/// T = diag(e^{i output}) T_bpbp(theta, phi) diag(e^{i input}).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Physical {
    /// Phase of the theta shifter, arm 0 over arm 1.
    pub theta: f64,
    /// Phase of the phi shifter, arm 0 over arm 1.
    pub phi: f64,
    /// Further phases before the cell.
    pub input: [f64; 2],
    /// Further phases after the cell.
    pub output: [f64; 2],
}

/// The phases to which a shifter on arm 0 alone is set, and what is left over for the waveguides before and after the cell
/// (in a mesh: for the neighbours and the output phases). Exact; in radians, not reduced. `mzi_classical` is given by the
/// `mzi` that it is made of.
///
/// # Errors
/// The cell does not have this convention.
pub fn to_physical(cell: Cell, convention: Convention, theta: f64, phi: f64) -> Result<Physical> {
    let scheme = Scheme::new(cell, convention)?;
    let phases: Vec<[f64; 2]> = scheme.phases.iter().map(|pair| pair.map(|phase| phase.at(theta, phi))).collect();
    let last = phases[phases.len() - 1];
    let difference = |pair: [f64; 2]| pair[0] - pair[1];
    // What arm 1 has is common to both arms.
    let common: f64 = phases[..phases.len() - 1].iter().map(|pair| pair[1]).sum();
    let output = last.map(|phase| phase + common);
    Ok(match cell {
        Cell::Mzi | Cell::MziClassical => {
            Physical { theta: difference(phases[1]), phi: difference(phases[0]), input: [0.0; 2], output }
        }
        Cell::Tdc => Physical { theta, phi: difference(phases[0]), input: [0.0; 2], output },
        Cell::Mzi3 => Physical {
            theta: difference(phases[2]) - FRAC_PI_2,
            phi: difference(phases[1]) + FRAC_PI_2,
            input: [difference(phases[0]), 0.0],
            output,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{CELLS, CONVENTIONS, Random, schemes};
    use std::f64::consts::TAU;

    fn close(found: Block, expected: Block) {
        for (x, y) in found.as_flattened().iter().zip(expected.as_flattened()) {
            assert!((x - y).norm() < 1e-14, "{found:?} is not {expected:?}");
        }
    }

    fn times(a: Block, b: Block) -> Block {
        [0, 1].map(|i| [0, 1].map(|j| a[i][0] * b[0][j] + a[i][1] * b[1][j]))
    }

    fn transposed(t: Block) -> Block {
        [[t[0][0], t[1][0]], [t[0][1], t[1][1]]]
    }

    fn diagonal(phases: [f64; 2]) -> Block {
        [[Complex64::cis(phases[0]), Complex64::ZERO], [Complex64::ZERO, Complex64::cis(phases[1])]]
    }

    fn real(entries: [[f64; 2]; 2]) -> Block {
        entries.map(|row| row.map(Complex64::from))
    }

    fn scaled(factor: Complex64, t: Block) -> Block {
        t.map(|row| row.map(|v| factor * v))
    }

    /// The closed forms of the documentation.
    #[test]
    fn closed_forms() {
        let mut random = Random(1);
        for _ in 0..50 {
            let (theta, phi) = (4.0 * TAU * (random.uniform() - 0.5), 4.0 * TAU * (random.uniform() - 0.5));
            let of = |kind, convention| cell(kind, convention, theta, phi, &Faults::default()).unwrap();
            let ((s, c), (sin, cos)) = ((theta / 2.0).sin_cos(), theta.sin_cos());
            let p = diagonal([phi, 0.0]);
            let half = times(real([[s, c], [c, -s]]), p);

            let bpbp = scaled(Complex64::I * Complex64::cis(theta / 2.0), half);
            close(of(Cell::Mzi, Convention::Bpbp), bpbp);
            close(of(Cell::Mzi, Convention::BpbpT), transposed(bpbp));
            close(of(Cell::Mzi, Convention::Bloch), scaled(Complex64::I, half));
            close(of(Cell::Mzi, Convention::Clements2016), times(real([[cos, -sin], [sin, cos]]), p));

            let b = scaled(
                Complex64::from(0.5f64.sqrt()),
                [[Complex64::ONE, Complex64::I], [Complex64::I, Complex64::ONE]],
            );
            let inner = times(diagonal([theta + FRAC_PI_2, 0.0]), times(b, diagonal([phi - FRAC_PI_2, 0.0])));
            let mzi3 = times(b, times(inner, b));
            close(of(Cell::Mzi3, Convention::Bpbp), mzi3);
            close(of(Cell::Mzi3, Convention::BpbpT), transposed(mzi3));
            let i = |x: f64| Complex64::new(0.0, x);
            let rx = [[c.into(), i(s)], [i(s), c.into()]];
            let h = real([[0.5f64.sqrt(), 0.5f64.sqrt()], [0.5f64.sqrt(), -(0.5f64.sqrt())]]);
            let (ys, yc) = (phi / 2.0).sin_cos();
            close(of(Cell::Mzi3, Convention::RxHRy), times(rx, times(h, real([[yc, -ys], [ys, yc]]))));

            let classical = times(p, real([[sin, cos], [cos, -sin]]));
            close(of(Cell::MziClassical, Convention::Bpbp), classical);
            close(of(Cell::MziClassical, Convention::BpbpT), transposed(classical));
            let tdc = times([[cos.into(), i(sin)], [i(sin), cos.into()]], p);
            close(of(Cell::Tdc, Convention::Bpbp), tdc);
            close(of(Cell::Tdc, Convention::BpbpT), transposed(tdc));
        }
    }

    /// Also the relations in the table of [`Convention`].
    #[test]
    fn by_physical_phases() {
        let mut random = Random(2);
        for scheme in schemes() {
            let (theta, phi) = (TAU * random.uniform(), TAU * random.uniform());
            let found = to_physical(scheme.cell(), scheme.convention(), theta, phi).unwrap();
            let hardware = if scheme.cell() == Cell::MziClassical { Cell::Mzi } else { scheme.cell() };
            let t = cell(hardware, Convention::Bpbp, found.theta, found.phi, &Faults::default()).unwrap();
            let whole = times(diagonal(found.output), times(t, diagonal(found.input)));
            close(scheme.matrix(theta, phi), whole);
        }
        let bpbp = |kind, theta, phi| Scheme::new(kind, Convention::Bpbp).unwrap().matrix(theta, phi);
        let (theta, phi) = (0.7, 1.9);
        let clements = Scheme::new(Cell::Mzi, Convention::Clements2016).unwrap().matrix(theta, phi);
        close(clements, scaled(Complex64::cis(theta), bpbp(Cell::Mzi, PI - 2.0 * theta, phi - PI)));
        let perceval = Scheme::new(Cell::Mzi3, Convention::RxHRy).unwrap().matrix(theta, phi);
        let core = times(bpbp(Cell::Mzi3, theta, -phi - FRAC_PI_2), diagonal([0.0, PI]));
        let lead = Complex64::cis((phi - theta) / 2.0);
        close(perceval, scaled(lead, times(diagonal([FRAC_PI_2, 0.0]), core)));
    }

    #[test]
    fn cross_and_bar() {
        let power = |kind, convention, theta, phi| {
            let t = cell(kind, convention, theta, phi, &Faults::default()).unwrap();
            (t[0][0].norm_sqr(), t[1][0].norm_sqr())
        };
        let is = |found: (f64, f64), expected: (f64, f64)| {
            assert!((found.0 - expected.0).abs() < 1e-14 && (found.1 - expected.1).abs() < 1e-14, "{found:?}");
        };
        for convention in [Convention::Bpbp, Convention::BpbpT, Convention::Bloch] {
            is(power(Cell::Mzi, convention, 0.0, 0.3), (0.0, 1.0));
            is(power(Cell::Mzi, convention, PI, 0.3), (1.0, 0.0));
        }
        is(power(Cell::Mzi, Convention::Clements2016, 0.0, 0.3), (1.0, 0.0));
        is(power(Cell::Mzi, Convention::Clements2016, FRAC_PI_2, 0.3), (0.0, 1.0));
        is(power(Cell::Tdc, Convention::Bpbp, 0.0, 0.3), (1.0, 0.0));
        is(power(Cell::MziClassical, Convention::Bpbp, 0.0, 0.3), (0.0, 1.0));
        // bar power (1 - cos theta cos phi) / 2
        is(power(Cell::Mzi3, Convention::Bpbp, 0.0, 0.0), (0.0, 1.0));
        is(power(Cell::Mzi3, Convention::Bpbp, 0.0, PI), (1.0, 0.0));
        // transparent, common phase included
        close(cell(Cell::Mzi, Convention::Bpbp, PI, PI, &Faults::default()).unwrap(), diagonal([0.0; 2]));
    }

    /// Couplers of angle pi/4 + e0 and pi/4 + e1 leave a bar power of sin^2(e0 - e1) at theta = 0 .. cos^2(e0 + e1) at pi.
    #[test]
    fn faults() {
        let faults = Faults { couplers: [0.1, 0.03, 0.0], arms: [Complex64::ONE; 2] };
        let bar = |theta: f64| cell(Cell::Mzi, Convention::Bpbp, theta, 1.0, &faults).unwrap()[0][0].norm_sqr();
        assert!((bar(0.0) - 0.13f64.sin().powi(2)).abs() < 1e-15);
        assert!((bar(PI) - 0.07f64.cos().powi(2)).abs() < 1e-15);
        // the first coupler is the one that light meets first: only it divides the light of an input between the arms
        let dark = Faults { couplers: [-FRAC_PI_4, 0.0, 0.0], arms: [Complex64::from(0.5), Complex64::ZERO] };
        for (scheme, through) in schemes().into_iter().filter(|s| s.cell() == Cell::Mzi).zip([0.125; 4]) {
            let t = scheme.faulty(0.4, 1.0, &dark);
            assert!((t[0][0].norm_sqr() - through).abs() < 1e-15 && t[0][1].norm() < 1e-15);
        }
        for scheme in schemes() {
            let lossy = Faults { arms: [Complex64::from(0.5); 2], ..Faults::default() };
            let expected = scaled(Complex64::from(0.5), scheme.matrix(0.4, 1.0));
            close(scheme.faulty(0.4, 1.0, &lossy), expected);
        }
    }

    #[test]
    fn combinations() {
        let combinations = CELLS.into_iter().flat_map(|cell| CONVENTIONS.map(|convention| (cell, convention)));
        let (fine, refused): (Vec<_>, Vec<_>) = combinations.partition(|&(cell, c)| Scheme::new(cell, c).is_ok());
        assert_eq!((fine.len(), refused.len()), (11, 9));
        let error = Scheme::new(Cell::Mzi, Convention::RxHRy).unwrap_err().to_string();
        assert!(error.contains("use `cell: mzi3`"), "{error}");
    }
}
