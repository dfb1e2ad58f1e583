//! Cells on the fields of a tile.
//!
//! A tile holds the fields of as many vectors as a register has lanes: mode by mode `LANES` real parts, then `LANES` imaginary
//! parts.

use super::plan::Run;
use crate::vector::Vector;

/// The field of one mode.
#[derive(Clone, Copy)]
pub(super) struct Wave<V> {
    pub re: V,
    pub im: V,
}

impl<V: Vector> Wave<V> {
    #[inline(always)]
    pub fn read(tile: &[V::Real], mode: usize) -> Self {
        let all = &tile[2 * V::LANES * mode..][..2 * V::LANES];
        Wave { re: V::load(all), im: V::load(&all[V::LANES..]) }
    }

    #[inline(always)]
    pub fn write(self, tile: &mut [V::Real], mode: usize) {
        let all = &mut tile[2 * V::LANES * mode..][..2 * V::LANES];
        self.re.store(all);
        self.im.store(&mut all[V::LANES..]);
    }

    /// self * factor.
    #[inline(always)]
    pub fn times(self, re: V, im: V) -> Self {
        Wave { re: im.fnma(self.im, re.mul(self.re)), im: im.fma(self.re, re.mul(self.im)) }
    }

    /// self * (1 + i tan).
    #[inline(always)]
    pub fn turned(self, tan: V) -> Self {
        Wave { re: tan.fnma(self.im, self.re), im: tan.fma(self.re, self.im) }
    }

    /// self + factor * other for a real factor.
    #[inline(always)]
    pub fn plus_real(self, factor: V, other: Self) -> Self {
        Wave { re: factor.fma(other.re, self.re), im: factor.fma(other.im, self.im) }
    }

    /// self + factor * other.
    #[inline(always)]
    pub fn plus(self, re: V, im: V, other: Self) -> Self {
        Wave { re: im.fnma(other.im, re.fma(other.re, self.re)), im: im.fma(other.re, re.fma(other.im, self.im)) }
    }
}

/// What a cell does with its coefficients.
pub(super) trait Cell {
    /// Coefficients of a cell.
    const COUNT: usize;

    fn mix<V: Vector>(coefficients: &[V::Real], a: Wave<V>, b: Wave<V>) -> (Wave<V>, Wave<V>);
}

/// (a + z b, b + w a).
pub(super) struct Bar;
/// (b + z a, a + w b).
pub(super) struct Cross;
/// A full matrix.
pub(super) struct Full;
/// x = (1 + i tan) a, then (x + z b, b + w x) with real z and w.
pub(super) struct Turn;
/// x = (1 + i tan) a, then (b + z x, x + w b).
pub(super) struct TurnAcross;

impl Cell for Bar {
    const COUNT: usize = 4;

    #[inline(always)]
    fn mix<V: Vector>(c: &[V::Real], a: Wave<V>, b: Wave<V>) -> (Wave<V>, Wave<V>) {
        let c = &c[..4];
        (a.plus(V::splat(c[0]), V::splat(c[1]), b), b.plus(V::splat(c[2]), V::splat(c[3]), a))
    }
}

impl Cell for Cross {
    const COUNT: usize = 4;

    #[inline(always)]
    fn mix<V: Vector>(c: &[V::Real], a: Wave<V>, b: Wave<V>) -> (Wave<V>, Wave<V>) {
        let c = &c[..4];
        (b.plus(V::splat(c[0]), V::splat(c[1]), a), a.plus(V::splat(c[2]), V::splat(c[3]), b))
    }
}

impl Cell for Full {
    const COUNT: usize = 8;

    #[inline(always)]
    fn mix<V: Vector>(c: &[V::Real], a: Wave<V>, b: Wave<V>) -> (Wave<V>, Wave<V>) {
        let c = &c[..8];
        let (upper, lower) = (a.times(V::splat(c[0]), V::splat(c[1])), a.times(V::splat(c[4]), V::splat(c[5])));
        (upper.plus(V::splat(c[2]), V::splat(c[3]), b), lower.plus(V::splat(c[6]), V::splat(c[7]), b))
    }
}

impl Cell for Turn {
    const COUNT: usize = 3;

    #[inline(always)]
    fn mix<V: Vector>(c: &[V::Real], a: Wave<V>, b: Wave<V>) -> (Wave<V>, Wave<V>) {
        let c = &c[..3];
        let x = a.turned(V::splat(c[0]));
        (x.plus_real(V::splat(c[1]), b), b.plus_real(V::splat(c[2]), x))
    }
}

impl Cell for TurnAcross {
    const COUNT: usize = 3;

    #[inline(always)]
    fn mix<V: Vector>(c: &[V::Real], a: Wave<V>, b: Wave<V>) -> (Wave<V>, Wave<V>) {
        let c = &c[..3];
        let x = a.turned(V::splat(c[0]));
        (b.plus_real(V::splat(c[1]), x), x.plus_real(V::splat(c[2]), b))
    }
}

/// Does a run on a tile; all light is in the modes `lit.0 ..= lit.1`, and what is dark may be left out. The coefficients are
/// those of the run, cell by cell.
#[inline(always)]
pub(super) fn run<V: Vector, C: Cell>(run: &Run, coefficients: &[V::Real], tile: &mut [V::Real], lit: (usize, usize)) {
    match *run {
        Run::Line { a, b, step, count } => line::<V, C>((a, b), step, &coefficients[..count * C::COUNT], tile, lit),
        Run::Front { row, columns, depth: 4 } => front::<V, C, 4>((row, columns), coefficients, tile, lit),
        Run::Front { row, columns, depth: 2 } => front::<V, C, 2>((row, columns), coefficients, tile, lit),
        Run::Front { row, columns, .. } => front::<V, C, 1>((row, columns), coefficients, tile, lit),
    }
}

#[inline(always)]
fn line<V: Vector, C: Cell>(
    (mut a, mut b): (usize, usize),
    step: isize,
    coefficients: &[V::Real],
    tile: &mut [V::Real],
    (low, high): (usize, usize),
) {
    for c in coefficients.chunks_exact(C::COUNT) {
        let dark = |mode: usize| mode < low || mode > high;
        if !(dark(a) && dark(b)) {
            let (x, y) = C::mix(c, Wave::<V>::read(tile, a), Wave::read(tile, b));
            x.write(tile, a);
            y.write(tile, b);
        }
        (a, b) = (a.wrapping_add_signed(step), b.wrapping_add_signed(step));
    }
}

/// Columns of `K` cells. Between columns, the lower output of each cell but the last of the column waits in a register.
#[inline(always)]
fn front<V: Vector, C: Cell, const K: usize>(
    (row, columns): (usize, usize),
    coefficients: &[V::Real],
    tile: &mut [V::Real],
    (low, high): (usize, usize),
) {
    // Column k touches the modes row + 2 k - (K - 1) ..= row + 2 k + 1, and its cells are dark from row + 2 k > high + 2 (K - 1)
    // on, since light goes one mode a level.
    let first = low.saturating_sub(row + 1).div_ceil(2);
    let end = columns.min((high + 2 * (K - 1)).checked_sub(row).map_or(0, |rows| rows / 2 + 1));
    if first >= end {
        return;
    }
    let row = row + 2 * first;
    let coefficients = &coefficients[first * K * C::COUNT..end * K * C::COUNT];
    let mut waiting = [Wave::<V>::read(tile, row); K];
    for j in 1..K {
        waiting[j - 1] = Wave::read(tile, row - j);
    }
    let mut r = row;
    for c in coefficients.chunks_exact(K * C::COUNT) {
        let (mut upper, mut lower) = C::mix(c, Wave::read(tile, r), Wave::read(tile, r + 1));
        for j in 1..K {
            let (x, y) = C::mix(&c[j * C::COUNT..], waiting[j - 1], upper);
            (upper, waiting[j - 1], lower) = (x, lower, y);
        }
        upper.write(tile, r + 1 - K);
        lower.write(tile, r + 2 - K);
        r += 2;
    }
    for j in 1..K {
        waiting[j - 1].write(tile, r - j);
    }
}
