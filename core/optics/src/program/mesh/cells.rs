//! The matrices of all cells at once.

use super::MeshProgram;
use blackbeam_kernels::{Arch, Task, mesh::Blocks, trig};
use blackbeam_meshes::Affine;
use num_complex::Complex64;

/// Cells that are done together; what is kept of them fits into the first-level cache.
const CHUNK: usize = 64;

/// One number a cell.
type Row = [f64; CHUNK];

/// Complex numbers, one a cell.
#[derive(Clone, Copy)]
struct Complex {
    re: Row,
    im: Row,
}

impl Complex {
    const ONE: Complex = Complex { re: [1.0; CHUNK], im: [0.0; CHUNK] };
    const ZERO: Complex = Complex { re: [0.0; CHUNK], im: [0.0; CHUNK] };

    #[inline(always)]
    fn multiply<A: Arch>(&mut self, by: &Complex) {
        for i in 0..CHUNK {
            let (re, im) = (self.re[i], self.im[i]);
            self.re[i] = A::mul_add(re, by.re[i], -(im * by.im[i]));
            self.im[i] = A::mul_add(re, by.im[i], im * by.re[i]);
        }
    }
}

/// Couplers of angle x: (a, b) becomes (cos x a + i sin x b, i sin x a + cos x b).
#[inline(always)]
fn couple<A: Arch>(a: &mut Complex, b: &mut Complex, (cos, sin): (&Row, &Row)) {
    for i in 0..CHUNK {
        let (c, s) = (cos[i], sin[i]);
        let (a_re, a_im, b_re, b_im) = (a.re[i], a.im[i], b.re[i], b.im[i]);
        a.re[i] = A::mul_add(a_re, c, -(b_im * s));
        a.im[i] = A::mul_add(a_im, c, b_re * s);
        b.re[i] = A::mul_add(b_re, c, -(a_im * s));
        b.im[i] = A::mul_add(b_im, c, a_re * s);
    }
}

/// From theta and phi of all cells to their matrices.
pub(super) struct Cells<'a> {
    pub program: &'a MeshProgram,
    pub theta: &'a [f64],
    pub phi: &'a [f64],
    pub blocks: &'a mut Blocks,
}

impl Task for Cells<'_> {
    type Output = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let Cells { program, theta, phi, blocks } = self;
        let count = theta.len();
        blocks.resize(count);
        for first in (0..count).step_by(CHUNK) {
            let end = count.min(first + CHUNK);
            let angles = (padded(&theta[first..end]), padded(&phi[first..end]));
            let t = chunk::<A>(program, (first, end), &angles);
            for (k, entry) in t.iter().enumerate() {
                blocks.re[k][first..end].copy_from_slice(&entry.re[..end - first]);
                blocks.im[k][first..end].copy_from_slice(&entry.im[..end - first]);
            }
        }
    }
}

#[inline(always)]
fn padded(values: &[f64]) -> Row {
    let mut row = [0.0; CHUNK];
    row[..values.len()].copy_from_slice(values);
    row
}

/// t00, t01, t10, t11 of the cells `first..end`.
#[inline(always)]
fn chunk<A: Arch>(program: &MeshProgram, cells: (usize, usize), angles: &(Row, Row)) -> [Complex; 4] {
    let mut t = [Complex::ONE, Complex::ZERO, Complex::ZERO, Complex::ONE];
    for (stage, pair) in program.scheme.phases().iter().enumerate() {
        if stage > 0 {
            let (cos, sin) = coupler::<A>(program, stage - 1, cells, angles);
            let (upper, lower) = t.split_at_mut(2);
            couple::<A>(&mut upper[0], &mut lower[0], (&cos, &sin));
            couple::<A>(&mut upper[1], &mut lower[1], (&cos, &sin));
        }
        for arm in 0..2 {
            let lossy = stage == program.scheme.arms() && !program.lossless;
            let Some(factor) = shift::<A>(pair[arm], lossy.then_some((program, cells, arm)), angles) else { continue };
            if stage == 0 {
                t[3 * arm] = factor;
            } else {
                t[2 * arm].multiply::<A>(&factor);
                t[2 * arm + 1].multiply::<A>(&factor);
            }
        }
    }
    t
}

/// The factor of a phase, with that of its arm; None for 1.
#[inline(always)]
fn shift<A: Arch>(
    phase: Affine,
    arm: Option<(&MeshProgram, (usize, usize), usize)>,
    angles: &(Row, Row),
) -> Option<Complex> {
    if phase == Affine::ZERO && arm.is_none() {
        return None;
    }
    let mut factor = Complex::ONE;
    if phase.theta != 0.0 || phase.phi != 0.0 {
        let angle = angle(phase, angles);
        trig::sin_cos_of::<A>(&angle, &mut factor.im, &mut factor.re);
    } else {
        let Complex64 { re, im } = Complex64::cis(phase.constant);
        factor = Complex { re: [re; CHUNK], im: [im; CHUNK] };
    }
    if let Some((program, (first, end), arm)) = arm {
        let mut losses = Complex::ONE;
        for (i, pair) in program.arms[first..end].iter().enumerate() {
            (losses.re[i], losses.im[i]) = (pair[arm].re, pair[arm].im);
        }
        factor.multiply::<A>(&losses);
    }
    Some(factor)
}

#[inline(always)]
fn angle(phase: Affine, (theta, phi): &(Row, Row)) -> Row {
    let mut angle = [0.0; CHUNK];
    for i in 0..CHUNK {
        angle[i] = phase.at(theta[i], phi[i]);
    }
    angle
}

/// (cos, sin) of the angles of one of the couplers.
#[inline(always)]
fn coupler<A: Arch>(
    program: &MeshProgram,
    coupler: usize,
    (first, end): (usize, usize),
    angles: &(Row, Row),
) -> (Row, Row) {
    if let Some((cos, sin)) = program.fixed.get(coupler) {
        return (padded(&cos[first..end]), padded(&sin[first..end]));
    }
    let all = program.scheme.couplers();
    let mut angle = angle(all[coupler], angles);
    for (i, cell) in (first..end).enumerate() {
        angle[i] += program.errors[cell * all.len() + coupler];
    }
    let (mut cos, mut sin) = ([0.0; CHUNK], [0.0; CHUNK]);
    trig::sin_cos_of::<A>(&angle, &mut sin, &mut cos);
    (cos, sin)
}
