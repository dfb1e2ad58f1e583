//! What runs at the machine's width: sweeps through the cells, and outputs after a change.

use super::super::{Blocks, Mesh, sweep::Wave};
use crate::{
    Real,
    level::Kernel,
    vector::{MAX_LANES, Simd, Vector, transpose},
};

/// S and i S, re and im by turns, from the row of re and the row of im.
#[inline(always)]
fn interleave<V: Vector>(after: &[V::Real], columns: &mut [V::Real]) {
    let (re, im) = after.split_at(after.len() / 2);
    let (plain, turned) = columns.split_at_mut(columns.len() / 2);
    let minus = V::splat(V::Real::from_f64(-1.0));
    for at in (0..re.len()).step_by(V::LANES) {
        let (re, im) = (V::load(&re[at..]), V::load(&im[at..]));
        for (to, (low, high)) in [(&mut *plain, re.zip(im)), (&mut *turned, minus.mul(im).zip(re))] {
            low.store(&mut to[2 * at..]);
            high.store(&mut to[2 * at + V::LANES..]);
        }
    }
}

/// Where the whole vectors of a row of `width` numbers begin: in a form that shows that each of them fits.
#[inline(always)]
fn starts<V: Vector>(width: usize) -> impl Iterator<Item = usize> {
    (0..(width + 1).saturating_sub(V::LANES)).step_by(V::LANES)
}

/// Rows of re and im of two modes one after the other.
#[inline(always)]
pub(super) fn quarters<T>(rows: &[T], width: usize) -> [&[T]; 4] {
    let (a, b) = rows[..4 * width].split_at(2 * width);
    let ((a, b), (c, d)) = (a.split_at(width), b.split_at(width));
    [a, b, c, d]
}

#[inline(always)]
fn quarters_mut<T>(rows: &mut [T], width: usize) -> [&mut [T]; 4] {
    let (a, b) = rows[..4 * width].split_at_mut(2 * width);
    let ((a, b), (c, d)) = (a.split_at_mut(width), b.split_at_mut(width));
    [a, b, c, d]
}

/// The same of modes `a` and `b`.
#[inline(always)]
fn modes<T>(state: &mut [T], [a, b]: [usize; 2], width: usize) -> [&mut [T]; 4] {
    let both = 2 * width;
    let rows = state.get_disjoint_mut([a * both..(a + 1) * both, b * both..(b + 1) * both]);
    let [a, b] = rows.expect("a cell has two modes");
    let ((a_re, a_im), (b_re, b_im)) = (a.split_at_mut(width), b.split_at_mut(width));
    [a_re, &mut a_im[..width], b_re, &mut b_im[..width]]
}

/// The fields of the two modes.
#[inline(always)]
fn read<V: Vector>(rows: [&[V::Real]; 4], at: usize) -> [Wave<V>; 2] {
    let [a, b, c, d] = rows;
    let (a, b) =
        (Wave { re: V::load(&a[at..]), im: V::load(&b[at..]) }, Wave { re: V::load(&c[at..]), im: V::load(&d[at..]) });
    [a, b]
}

#[inline(always)]
fn write<V: Vector>([a, b]: [Wave<V>; 2], rows: &mut [&mut [V::Real]; 4], at: usize) {
    let [a_re, a_im, b_re, b_im] = rows;
    a.re.store(&mut a_re[at..]);
    a.im.store(&mut a_im[at..]);
    b.re.store(&mut b_re[at..]);
    b.im.store(&mut b_im[at..]);
}

/// The matrix of a cell in every lane.
#[inline(always)]
fn entries<V: Vector>(t: [(f64, f64); 4]) -> [Wave<V>; 4] {
    let zero = Wave { re: V::splat(V::Real::ZERO), im: V::splat(V::Real::ZERO) };
    let mut all = [zero; 4];
    for k in 0..4 {
        all[k] = Wave { re: V::splat(V::Real::from_f64(t[k].0)), im: V::splat(V::Real::from_f64(t[k].1)) };
    }
    all
}

/// t0 a + t1 b.
#[inline(always)]
fn combine<V: Vector>(t0: Wave<V>, a: Wave<V>, t1: Wave<V>, b: Wave<V>) -> Wave<V> {
    a.times(t0.re, t0.im).plus(t1.re, t1.im, b)
}

/// Through all cells, forward with their matrices or backward with the transposed ones; what comes into a cell is kept.
pub(super) struct Sweep<'a, T> {
    pub mesh: &'a Mesh,
    pub blocks: &'a Blocks,
    pub state: &'a mut [T],
    pub kept: &'a mut [T],
    pub width: usize,
    pub backward: bool,
}

impl<T: Real> Kernel for Sweep<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Sweep { mesh, blocks, state, kept, width, backward } = self;
        let count = mesh.cells();
        for i in 0..count {
            let sorted = if backward { count - 1 - i } else { i };
            let (cell, ports) = mesh.cell(sorted);
            let mut t = blocks.get(cell);
            if backward {
                t.swap(1, 2);
            }
            let t = entries::<T::Wide<S>>(t);
            let mut kept = quarters_mut(&mut kept[4 * cell * width..], width);
            let mut state = modes(state, ports, width);
            for at in starts::<T::Wide<S>>(width) {
                let [x, y] = read([&*state[0], &*state[1], &*state[2], &*state[3]], at);
                write([x, y], &mut kept, at);
                write([combine(t[0], x, t[1], y), combine(t[2], x, t[3], y)], &mut state, at);
            }
        }
    }
}

/// Backward through all cells, with the sums over rows of (field behind the cell) x (field before it).
pub(super) struct Contract<'a, T> {
    pub mesh: &'a Mesh,
    pub blocks: &'a Blocks,
    pub state: &'a mut [T],
    pub kept: &'a [T],
    pub width: usize,
    pub gradient: &'a mut Blocks,
}

impl<T: Real> Kernel for Contract<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Contract { mesh, blocks, state, kept, width, gradient } = self;
        let zero = T::Wide::<S>::splat(T::ZERO);
        for sorted in (0..mesh.cells()).rev() {
            let (cell, ports) = mesh.cell(sorted);
            let t = entries::<T::Wide<S>>(blocks.get(cell));
            let kept = quarters(&kept[4 * cell * width..], width);
            let mut state = modes(state, ports, width);
            let mut sums = [Wave { re: zero, im: zero }; 4];
            for at in starts::<T::Wide<S>>(width) {
                let [x, y] = read(kept, at);
                let [g, h] = read([&*state[0], &*state[1], &*state[2], &*state[3]], at);
                sums[0] = sums[0].plus(g.re, g.im, x);
                sums[1] = sums[1].plus(g.re, g.im, y);
                sums[2] = sums[2].plus(h.re, h.im, x);
                sums[3] = sums[3].plus(h.re, h.im, y);
                write([combine(t[0], g, t[2], h), combine(t[1], g, t[3], h)], &mut state, at);
            }
            let sums = totals(sums);
            for k in 0..4 {
                // L = Re sum of dT M.
                gradient.re[k][cell] += sums[2 * k].to_f64();
                gradient.im[k][cell] -= sums[2 * k + 1].to_f64();
            }
        }
    }
}

/// Sums over lanes.
#[inline(always)]
fn totals<V: Vector>(sums: [Wave<V>; 4]) -> [V::Real; 8] {
    let (zero, one) = (V::splat(V::Real::ZERO), V::splat(V::Real::ONE));
    let mut totals = [V::Real::ZERO; 8];
    // As many at a time as a vector has lanes.
    for first in (0..8).step_by(V::LANES) {
        let mut block = [zero; MAX_LANES];
        for k in first..8.min(first + V::LANES) {
            block[k - first] = if k % 2 == 0 { sums[k / 2].re } else { sums[k / 2].im };
        }
        transpose(&mut block);
        let mut total = zero;
        for lane in 0..V::LANES {
            total = block[lane].fma(one, total);
        }
        total.store_some(&mut totals[first..8.min(first + V::LANES)]);
    }
    totals
}

/// Vectors of an output row that are done together.
const GROUP: usize = 8;

/// y = base + S (dT x).
pub(super) struct Add<'a, T> {
    pub delta: [(f64, f64); 4],
    /// Before the cell; on one output the same twice.
    pub fields: [&'a [T]; 4],
    /// The columns of S; none where `columns` are made already.
    pub after: &'a [T],
    pub added: &'a mut [T],
    pub columns: &'a mut [T],
    pub base: &'a [T],
    /// Numbers of a row of y.
    pub of_row: usize,
    pub y: &'a mut [T],
    pub stream: bool,
}

impl<T: Real> Kernel for Add<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Add { delta, fields, after, added, columns, base, of_row, y, stream } = self;
        if !after.is_empty() {
            let (a, b) = columns.split_at_mut(columns.len() / 2);
            interleave::<T::Wide<S>>(&after[..after.len() / 2], a);
            interleave::<T::Wide<S>>(&after[after.len() / 2..], b);
        }
        let width = added.len() / 4;
        let t = entries::<T::Wide<S>>(delta);
        let (from, mut to) = (fields.map(|row| &row[..width]), quarters_mut(added, width));
        for at in starts::<T::Wide<S>>(width) {
            let [a, b] = read(from, at);
            write([combine(t[0], a, t[1], b), combine(t[2], a, t[3], b)], &mut to, at);
        }
        let group = GROUP * T::Wide::<S>::LANES;
        let whole = of_row / group * group;
        for first in (0..whole).step_by(group) {
            add::<T::Wide<S>>(added, columns, base, y, (of_row, first), stream);
        }
        if whole < of_row {
            add_rest::<T::Wide<S>>(added, columns, base, y, (of_row, whole));
        }
    }
}

/// `GROUP` vectors of each row, from number `first` on. The columns stay in registers.
#[inline(always)]
fn add<V: Vector>(
    added: &[V::Real],
    columns: &[V::Real],
    base: &[V::Real],
    y: &mut [V::Real],
    (of_row, first): (usize, usize),
    stream: bool,
) {
    let (width, stride, size) = (added.len() / 4, columns.len() / 4, GROUP * V::LANES);
    let mut s = [[V::splat(V::Real::ZERO); GROUP]; 4];
    for k in 0..4 {
        for i in 0..GROUP {
            s[k][i] = V::load(&columns[k * stride + first + i * V::LANES..]);
        }
    }
    let (re, im) = added.split_at(2 * width);
    let (a, b) = ((re.split_at(width)), (im.split_at(width)));
    let factors = a.0.iter().zip(a.1).zip(b.0.iter().zip(b.1));
    let rows = y.chunks_exact_mut(of_row).zip(base.chunks_exact(of_row)).zip(factors);
    for ((y, base), ((&a_re, &a_im), (&b_re, &b_im))) in rows {
        let (y, base) = (&mut y[first..first + size], &base[first..first + size]);
        let (a_re, a_im, b_re, b_im) = (V::splat(a_re), V::splat(a_im), V::splat(b_re), V::splat(b_im));
        for i in 0..GROUP {
            let sum = a_re.fma(s[0][i], V::load(&base[i * V::LANES..]));
            let sum = b_im.fma(s[3][i], b_re.fma(s[2][i], a_im.fma(s[1][i], sum)));
            if stream {
                sum.stream(&mut y[i * V::LANES..]);
            } else {
                sum.store(&mut y[i * V::LANES..]);
            }
        }
    }
}

/// What of each row is left over from number `first` on.
#[inline(always)]
fn add_rest<V: Vector>(
    added: &[V::Real],
    columns: &[V::Real],
    base: &[V::Real],
    y: &mut [V::Real],
    (of_row, first): (usize, usize),
) {
    let (width, stride) = (added.len() / 4, columns.len() / 4);
    for (row, (y, base)) in y.chunks_exact_mut(of_row).zip(base.chunks_exact(of_row)).enumerate() {
        for first in (first..of_row).step_by(V::LANES) {
            let end = of_row.min(first + V::LANES);
            let mut sum = V::load_some(&base[first..end], V::Real::ZERO);
            for k in 0..4 {
                let column = V::load_some(&columns[k * stride + first..k * stride + end], V::Real::ZERO);
                sum = V::splat(added[k * width + row]).fma(column, sum);
            }
            sum.store_some(&mut y[first..end]);
        }
    }
}

pub(super) struct Fence;

impl Kernel for Fence {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        S::F64::fence();
    }
}
