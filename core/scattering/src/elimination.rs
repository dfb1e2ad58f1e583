//! Elimination of the waves of a loop in an order that keeps fill small, compiled into lists of positions.
//!
//! The matrix is `A = 1 - M` with `M` the transmissions between the waves of the loop. Waves are eliminated one by one,
//! always one with the least product of incoming and outgoing couplings (Markowitz 1957): in a chain of rings that
//! costs a constant per ring. The pivots stay on the diagonal. For passive blocks that is stable in any order:
//! eliminating a wave is closing a port of a passive network, what is left is a passive network, hence none of its
//! transmissions exceeds one and nothing grows. For circuits with gain the growth is watched (see [`GROWTH`]).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::pack::{Pack, lower, raise};

/// Largest product `|l| |u|` of an eliminated column and row for which the result is kept. Passive circuits have
/// at most 2. Beyond, rounding errors are that much larger than those of LU with partial pivoting, which then takes
/// over.
pub(crate) const GROWTH: f64 = 16.0;

/// Most list items that the search for an order may look at: some tenths of a second.
const MOST_WORK: usize = 1 << 28;

/// The compiled elimination of a matrix of `len` waves, which stand in their order of elimination.
///
/// Numbers are at positions: the pivots `0..len`, then `L` column by column, then `U` row by row.
pub(crate) struct Elimination {
    pub len: usize,
    /// Pivots that can differ from one.
    scaled: Vec<bool>,
    lower_start: Vec<u32>,
    lower_row: Vec<u32>,
    upper_start: Vec<u32>,
    upper_col: Vec<u32>,
    /// Position that each product `l u` is taken from, pivot by pivot.
    updates: Vec<u32>,
}

/// Smallest squared pivot and largest squared growth of an elimination, for each lane.
pub(crate) struct Health<const K: usize> {
    pivot: [f64; K],
    growth: [f64; K],
}

impl<const K: usize> Health<K> {
    /// Whether the elimination of `len` waves is as accurate as LU with partial pivoting, in every lane.
    #[inline(always)]
    pub fn is_good(&self, len: usize) -> bool {
        let least = smallest_pivot(len);
        let mut good = true;
        for lane in 0..K {
            good &= self.pivot[lane] > least * least && self.growth[lane] <= GROWTH * GROWTH;
        }
        good
    }
}

/// A pivot of `len` waves that is not larger is rounding error only.
pub(crate) fn smallest_pivot(len: usize) -> f64 {
    8.0 * len as f64 * f64::EPSILON
}

impl Elimination {
    /// Orders `len` waves with couplings `(row, column)` and compiles their elimination.
    ///
    /// Returns the old index of each wave in the order of elimination; `None` where more than `budget` products would
    /// be needed, or where the search for the order takes too long (waves coupled to tens of thousands of others).
    pub fn new(len: usize, couplings: &[(u32, u32)], budget: usize) -> Option<(Vec<u32>, Self)> {
        let mut ordering = Ordering::new(len, couplings);
        ordering.run(budget)?;
        Some(ordering.compile())
    }

    /// Number of positions.
    pub fn positions(&self) -> usize {
        self.len + self.lower_row.len() + self.upper_col.len()
    }

    /// Number of products in the elimination.
    pub fn operations(&self) -> usize {
        self.updates.len()
    }

    /// Number of couplings that the elimination adds to those of the loop, none of which is listed twice.
    pub fn fill(&self, couplings: &[(u32, u32)]) -> usize {
        let between = couplings.iter().filter(|(row, col)| row != col).count();
        self.lower_row.len() + self.upper_col.len() - between
    }

    /// The position of a coefficient of the matrix. It must be one of the couplings, in the order of elimination.
    pub fn position(&self, row: u32, col: u32) -> u32 {
        let (list, first, key) = match row.cmp(&col) {
            std::cmp::Ordering::Equal => return row,
            std::cmp::Ordering::Less => (self.upper(row as usize), self.len + self.lower_row.len(), col),
            std::cmp::Ordering::Greater => (self.lower(col as usize), self.len, row),
        };
        let keys = if row < col { &self.upper_col[list.clone()] } else { &self.lower_row[list.clone()] };
        (first + list.start + keys.partition_point(|&k| k < key)) as u32
    }

    #[inline(always)]
    fn lower(&self, k: usize) -> std::ops::Range<usize> {
        self.lower_start[k] as usize..self.lower_start[k + 1] as usize
    }

    #[inline(always)]
    fn upper(&self, k: usize) -> std::ops::Range<usize> {
        self.upper_start[k] as usize..self.upper_start[k + 1] as usize
    }

    /// Factors the matrix at `m` in place; the pivots become their reciprocals.
    #[inline(always)]
    pub fn factor<const K: usize>(&self, m: &mut [Pack<K>]) -> Health<K> {
        let mut health = Health { pivot: [1.0; K], growth: [0.0; K] };
        let (pivots, rest) = m.split_at_mut(self.len);
        // One slice for both factors; the pivots of later waves are in the other one.
        let shift = self.len as u32;
        let uppers = self.lower_row.len();
        let mut next = 0;
        for k in 0..self.len {
            let (lower_k, upper_k) = (self.lower(k), self.upper(k));
            if self.scaled[k] {
                let norm = pivots[k].norm_sqr();
                lower(&mut health.pivot, &norm);
                pivots[k] = pivots[k].reciprocal(&norm);
                for l in &mut rest[lower_k.clone()] {
                    *l = l.times(&pivots[k]);
                }
            }
            let (mut most_l, mut most_u) = ([0.0; K], [0.0; K]);
            for u in &rest[uppers + upper_k.start..uppers + upper_k.end] {
                raise(&mut most_u, &u.norm_sqr());
            }
            for a in lower_k {
                let l = rest[a];
                raise(&mut most_l, &l.norm_sqr());
                for b in upper_k.clone() {
                    let u = rest[uppers + b];
                    let target = self.updates[next];
                    next += 1;
                    let target = if target < shift {
                        &mut pivots[target as usize]
                    } else {
                        &mut rest[(target - shift) as usize]
                    };
                    target.sub_product(&l, &u);
                }
            }
            for lane in 0..K {
                most_l[lane] *= most_u[lane];
            }
            raise(&mut health.growth, &most_l);
        }
        health
    }

    /// Solves `A x = b` in place for the packs `span` of the waves; wave `k` stands at `address(k)`.
    #[inline(always)]
    pub fn solve<const K: usize, const W: usize>(
        &self,
        m: &[Pack<K>],
        x: &mut [Pack<W>],
        address: impl Fn(usize) -> usize,
        span: std::ops::Range<usize>,
    ) {
        let (pivots, rest) = m.split_at(self.len);
        let (lowers, uppers) = rest.split_at(self.lower_row.len());
        for k in 0..self.len {
            let from = address(k);
            for a in self.lower(k) {
                let to = address(self.lower_row[a] as usize);
                for p in span.clone() {
                    let xk = x[from + p];
                    x[to + p].sub_product(&lowers[a], &xk);
                }
            }
        }
        for (k, pivot) in pivots.iter().enumerate().rev() {
            let to = address(k);
            for p in span.clone() {
                let mut sum = x[to + p];
                for b in self.upper(k) {
                    sum.sub_product(&uppers[b], &x[address(self.upper_col[b] as usize) + p]);
                }
                x[to + p] = if self.scaled[k] { sum.times(pivot) } else { sum };
            }
        }
    }

    /// Solves with the conjugate transpose of `A`, as [`Self::solve`].
    #[inline(always)]
    pub fn solve_adjoint<const K: usize, const W: usize>(
        &self,
        m: &[Pack<K>],
        x: &mut [Pack<W>],
        address: impl Fn(usize) -> usize,
        span: std::ops::Range<usize>,
    ) {
        let (pivots, rest) = m.split_at(self.len);
        let (lowers, uppers) = rest.split_at(self.lower_row.len());
        for (k, pivot) in pivots.iter().enumerate() {
            let from = address(k);
            if self.scaled[k] {
                for p in span.clone() {
                    x[from + p] = x[from + p].times_conj(pivot);
                }
            }
            for b in self.upper(k) {
                let to = address(self.upper_col[b] as usize);
                for p in span.clone() {
                    let xk = x[from + p];
                    x[to + p].sub_conj_product(&uppers[b], &xk);
                }
            }
        }
        for k in (0..self.len).rev() {
            let to = address(k);
            for p in span.clone() {
                let mut sum = x[to + p];
                for a in self.lower(k) {
                    sum.sub_conj_product(&lowers[a], &x[address(self.lower_row[a] as usize) + p]);
                }
                x[to + p] = sum;
            }
        }
    }
}

/// The elimination graph while waves are taken out of it.
struct Ordering {
    /// For each wave left, the waves left that it depends on; for a wave taken out, those at that time.
    rows: Vec<Vec<u32>>,
    /// For each wave, the waves that depend on it, likewise.
    cols: Vec<Vec<u32>>,
    scaled: Vec<bool>,
    order: Vec<u32>,
    products: usize,
    /// Items of lists looked at.
    work: usize,
}

impl Ordering {
    fn new(len: usize, couplings: &[(u32, u32)]) -> Self {
        let mut it = Self {
            rows: vec![Vec::new(); len],
            cols: vec![Vec::new(); len],
            scaled: vec![false; len],
            order: Vec::with_capacity(len),
            products: 0,
            work: 0,
        };
        for &(row, col) in couplings {
            if row == col {
                it.scaled[row as usize] = true;
            } else {
                it.rows[row as usize].push(col);
                it.cols[col as usize].push(row);
            }
        }
        it
    }

    fn cost(&self, wave: u32) -> u64 {
        self.rows[wave as usize].len() as u64 * self.cols[wave as usize].len() as u64
    }

    fn run(&mut self, budget: usize) -> Option<()> {
        let len = self.rows.len();
        let mut queue: BinaryHeap<_> = (0..len as u32).map(|wave| Reverse((self.cost(wave), wave))).collect();
        let mut taken = vec![false; len];
        let mut seen = vec![0u32; len];
        let mut stamp = 0;
        while let Some(Reverse((cost, wave))) = queue.pop() {
            // Costs change on the way: an entry of the queue that is out of date has a newer one.
            if taken[wave as usize] || cost != self.cost(wave) {
                continue;
            }
            self.products = self.products.saturating_add(cost as usize);
            if self.products > budget || self.work > MOST_WORK {
                return None;
            }
            taken[wave as usize] = true;
            self.take(wave, &mut seen, &mut stamp);
            for list in [&self.rows[wave as usize], &self.cols[wave as usize]] {
                queue.extend(list.iter().map(|&near| Reverse((self.cost(near), near))));
            }
        }
        Some(())
    }

    /// Takes a wave out: everything that depends on it depends on what it depended on.
    fn take(&mut self, wave: u32, seen: &mut [u32], stamp: &mut u32) {
        self.order.push(wave);
        let (row, col) = (std::mem::take(&mut self.rows[wave as usize]), std::mem::take(&mut self.cols[wave as usize]));
        for &j in &row {
            self.work += self.cols[j as usize].len();
            self.cols[j as usize].retain(|&i| i != wave);
        }
        for &i in &col {
            let list = &mut self.rows[i as usize];
            self.work += list.len();
            list.retain(|&j| j != wave);
            *stamp += 1;
            for &j in list.iter() {
                seen[j as usize] = *stamp;
            }
            for &j in &row {
                if i == j {
                    self.scaled[i as usize] = true;
                } else if seen[j as usize] != *stamp {
                    self.rows[i as usize].push(j);
                    self.cols[j as usize].push(i);
                }
            }
        }
        self.rows[wave as usize] = row;
        self.cols[wave as usize] = col;
    }

    fn compile(self) -> (Vec<u32>, Elimination) {
        let len = self.order.len();
        let mut rank = vec![0u32; len];
        for (k, &wave) in self.order.iter().enumerate() {
            rank[wave as usize] = k as u32;
        }
        let gather = |lists: &[Vec<u32>]| {
            let (mut start, mut items) = (vec![0u32], Vec::new());
            for &wave in &self.order {
                let first = items.len();
                items.extend(lists[wave as usize].iter().map(|&near| rank[near as usize]));
                items[first..].sort_unstable();
                start.push(items.len() as u32);
            }
            (start, items)
        };
        let (lower_start, lower_row) = gather(&self.cols);
        let (upper_start, upper_col) = gather(&self.rows);
        let scaled = self.order.iter().map(|&wave| self.scaled[wave as usize]).collect();
        let mut it = Elimination { len, scaled, lower_start, lower_row, upper_start, upper_col, updates: Vec::new() };
        let mut updates = Vec::with_capacity(self.products);
        for k in 0..len {
            for a in it.lower(k) {
                updates.extend(it.upper(k).map(|b| it.position(it.lower_row[a], it.upper_col[b])));
            }
        }
        it.updates = updates;
        (self.order, it)
    }
}
