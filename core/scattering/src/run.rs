//! One evaluation of a plan: forward through its steps, and backward for the adjoint.
//!
//! An evaluation treats `K` lanes at once. With `K = W` each pack holds the lanes of one column; with `K = 1` it holds
//! `W` columns of one lane. Both do the same operations in the same order for every number.

use num_complex::Complex64;

use crate::graph::NONE;
use crate::lu::{Failure, LuNumbers, LuPlan};
use crate::pack::Pack;
use crate::plan::{Feedback, LoopSolver, Plan, Step};
use crate::structure::Error;

/// Waves up to which a dense LU takes over from an elimination that is not accurate; beyond, a sparse one.
const DENSE_FALLBACK: usize = 512;

/// The numbers of an evaluation.
#[derive(Default)]
pub(crate) struct Bank<const K: usize, const W: usize> {
    /// Values of the terms, then of the couplings inside loops.
    pub s: Vec<Pack<K>>,
    /// Factors of the eliminations.
    m: Vec<Pack<K>>,
    /// Waves.
    pub x: Vec<Pack<W>>,
    /// Adjoint waves.
    pub g: Vec<Pack<W>>,
    /// Derivatives, as `s`.
    pub d: Vec<Pack<K>>,
}

/// The LU factorisations of loops, one lane at a time.
#[derive(Default)]
pub(crate) struct LuState {
    loops: Vec<(LuNumbers, bool)>,
    rhs: Vec<Complex64>,
}

/// Why an evaluation stopped.
pub(crate) enum Halt {
    /// A loop takes an LU: its lanes have to be evaluated one by one.
    OneByOne,
    /// The waves of a loop are not determined: its index, and amplitudes of light that feeds itself where known.
    Undetermined(usize, Vec<Complex64>),
    Failed(Error),
}

pub(crate) struct Run<'a, const K: usize, const W: usize> {
    pub plan: &'a Plan,
    pub bank: &'a mut Bank<K, W>,
    pub lu: &'a mut LuState,
    /// Where each wave is kept.
    pub places: &'a [u32],
    /// Packs per wave.
    pub stride: usize,
}

/// The numbers that the packs of a lane or of a column stand at.
#[inline(always)]
pub(crate) fn locate<const K: usize, const W: usize>(column: usize) -> (usize, usize) {
    if K == 1 { (column / W, column % W) } else { (column, 0) }
}

impl<const K: usize, const W: usize> Run<'_, K, W> {
    /// Makes room for an evaluation of `waves` waves, with adjoint waves if asked for.
    pub fn prepare(&mut self, waves: usize, adjoint: bool) {
        let coefficients = self.plan.terms.len() + self.plan.inner.len();
        grow(&mut self.bank.s, coefficients);
        grow(&mut self.bank.m, self.plan.positions);
        grow(&mut self.bank.x, waves * self.stride);
        if adjoint {
            grow(&mut self.bank.g, waves * self.stride);
            grow(&mut self.bank.d, coefficients);
        }
        if K == 1 && self.lu.loops.len() < self.plan.loops.len() {
            self.lu.loops.resize_with(self.plan.loops.len(), Default::default);
        }
    }

    #[inline(always)]
    fn span(&self, wave: usize) -> std::ops::Range<usize> {
        span_of::<K, W>(self.plan, wave)
    }

    #[inline(always)]
    fn address(&self, wave: usize) -> usize {
        self.places[wave] as usize * self.stride
    }

    /// Computes all waves.
    // Loops, not `for_each`: its body would be compiled apart, for the oldest machine.
    #[inline(always)]
    pub fn forward(&mut self) -> Result<(), Halt> {
        for step in &self.plan.steps {
            match step {
                Step::Sweep(waves) => {
                    for wave in waves.clone() {
                        self.gather(wave);
                    }
                }
                Step::Loop(index) => {
                    for wave in self.plan.loops[*index].waves.clone() {
                        self.gather(wave);
                    }
                    self.solve_loop(*index)?;
                }
            }
        }
        Ok(())
    }

    /// Sets a wave to what comes in from waves that are known.
    #[inline(always)]
    fn gather(&mut self, wave: usize) {
        let (to, span) = (self.address(wave), self.span(wave));
        let input = self.plan.waves[wave].input;
        if input != NONE {
            let (pack, number) = locate::<K, W>(input as usize);
            let mut unit = Pack::ONE;
            if K == 1 {
                unit = Pack::ZERO;
                unit.re[number] = 1.0;
            }
            self.bank.x[to + pack] = unit;
            return;
        }
        let first = self.plan.waves[wave].terms as usize;
        let terms = &self.plan.terms[first..self.plan.waves[wave + 1].terms as usize];
        let values = &self.bank.s[first..first + terms.len()];
        for p in span {
            let mut sum = Pack::ZERO;
            for (term, value) in terms.iter().zip(values) {
                let source = term.source as usize;
                if self.span(source).contains(&p) {
                    sum.add_product(value, &self.bank.x[self.address(source) + p]);
                }
            }
            self.bank.x[to + p] = sum;
        }
    }

    #[inline(always)]
    fn solve_loop(&mut self, index: usize) -> Result<(), Halt> {
        let part = &self.plan.loops[index];
        if let LoopSolver::Elimination(elimination, values_at) = &part.solver {
            let m = &mut self.bank.m[part.positions..part.positions + elimination.positions()];
            let inner = self.plan.terms.len() + part.inner.start;
            let values = &self.bank.s[inner..inner + part.inner.len()];
            // 1 - M; pivots that stay 1 are never looked at.
            for (k, (m, &value)) in m.iter_mut().zip(values_at).enumerate() {
                let one = if k < elimination.len { Pack::ONE } else { Pack::ZERO };
                *m = one;
                if let Some(value) = values.get(value as usize) {
                    m.subtract(value);
                }
            }
            if elimination.factor(m).is_good(elimination.len) {
                let (places, stride, start) = (self.places, self.stride, part.waves.start);
                let address = |k: usize| places[start + k] as usize * stride;
                let span = span_of::<K, W>(self.plan, start);
                elimination.solve(m, &mut self.bank.x, address, span);
                if K == 1 {
                    self.lu.loops[index].1 = false;
                }
                return Ok(());
            }
        }
        if K == 1 { self.solve_by_lu(index, false) } else { Err(Halt::OneByOne) }
    }

    /// Solves a loop for the waves, or for the adjoint waves with the factors at hand. For one lane.
    #[inline(never)]
    fn solve_by_lu(&mut self, index: usize, adjoint: bool) -> Result<(), Halt> {
        let part = &self.plan.loops[index];
        let lu = lu_plan(part, &self.plan.couplings[part.inner.clone()])?;
        let halt = |failure| match failure {
            Failure::Undetermined(amplitudes) => Halt::Undetermined(index, amplitudes),
            Failure::Memory => Halt::Failed(Error::Memory { waves: part.waves.len() }),
        };
        let (numbers, active) = &mut self.lu.loops[index];
        if !adjoint {
            let inner = self.plan.terms.len() + part.inner.start;
            let values = &self.bank.s[inner..];
            numbers.factor(lu, &self.plan.couplings[part.inner.clone()], |i| values[i].get(0)).map_err(halt)?;
            *active = true;
        }
        let span = span_of::<K, W>(self.plan, part.waves.start);
        let x = if adjoint { &mut self.bank.g } else { &mut self.bank.x };
        let rhs = &mut self.lu.rhs;
        rhs.clear();
        for column in span.start * W..span.end * W {
            let (pack, number) = (column / W, column % W);
            let number_of = |wave: usize| x[self.places[wave] as usize * self.stride + pack].get(number);
            rhs.extend(part.waves.clone().map(number_of));
        }
        numbers.solve(lu, rhs, adjoint).map_err(halt)?;
        for (column, solution) in (span.start * W..span.end * W).zip(rhs.chunks(part.waves.len())) {
            let (pack, number) = (column / W, column % W);
            for (wave, &z) in part.waves.clone().zip(solution) {
                x[self.places[wave] as usize * self.stride + pack].set(number, z);
            }
        }
        Ok(())
    }

    /// Computes the adjoint waves and the derivatives, given the waves and the seeds in the adjoint waves.
    #[inline(always)]
    pub fn backward(&mut self) -> Result<(), Halt> {
        for step in self.plan.steps.iter().rev() {
            match step {
                Step::Sweep(waves) => {
                    for wave in waves.clone().rev() {
                        self.scatter(wave);
                    }
                }
                Step::Loop(index) => {
                    self.solve_loop_adjoint(*index)?;
                    for wave in self.plan.loops[*index].waves.clone().rev() {
                        self.scatter(wave);
                    }
                }
            }
        }
        Ok(())
    }

    /// Passes an adjoint wave on to the waves that make it.
    #[inline(always)]
    fn scatter(&mut self, wave: usize) {
        let from = self.address(wave);
        for t in self.plan.waves[wave].terms as usize..self.plan.waves[wave + 1].terms as usize {
            let source = self.plan.terms[t].source as usize;
            let to = self.address(source);
            let value = self.bank.s[t];
            let mut derivative = Pack::ZERO;
            for p in self.span(source) {
                let g = self.bank.g[from + p];
                self.bank.g[to + p].add_conj_product(&value, &g);
                derivative.add_outer(&g, &self.bank.x[to + p]);
            }
            self.bank.d[t] = derivative;
        }
    }

    #[inline(always)]
    fn solve_loop_adjoint(&mut self, index: usize) -> Result<(), Halt> {
        let part = &self.plan.loops[index];
        let span = span_of::<K, W>(self.plan, part.waves.start);
        let (places, stride, start) = (self.places, self.stride, part.waves.start);
        let address = |k: usize| places[start + k] as usize * stride;
        match &part.solver {
            LoopSolver::Elimination(elimination, _) if K != 1 || !self.lu.loops[index].1 => {
                let m = &self.bank.m[part.positions..part.positions + elimination.positions()];
                elimination.solve_adjoint(m, &mut self.bank.g, address, span.clone());
            }
            _ => self.solve_by_lu(index, true)?,
        }
        for i in part.inner.clone() {
            let (row, col) = self.plan.couplings[i];
            let (row, col) = (address(row as usize), address(col as usize));
            let mut derivative = Pack::ZERO;
            for p in span.clone() {
                derivative.add_outer(&self.bank.g[row + p], &self.bank.x[col + p]);
            }
            self.bank.d[self.plan.terms.len() + i] = derivative;
        }
        Ok(())
    }
}

/// The packs of a wave that can differ from zero.
#[inline(always)]
fn span_of<const K: usize, const W: usize>(plan: &Plan, wave: usize) -> std::ops::Range<usize> {
    let (lo, hi) = plan.waves[wave].columns;
    let (lo, hi) = (lo as usize, hi as usize);
    if K == 1 { lo / W..hi.div_ceil(W) } else { lo..hi }
}

/// The LU of a loop: the one of the plan, or the one that takes over from its elimination.
fn lu_plan<'a>(part: &'a Feedback, couplings: &[(u32, u32)]) -> Result<&'a LuPlan, Halt> {
    if let LoopSolver::Lu(plan) = &part.solver {
        return Ok(plan);
    }
    let fallback = part.fallback.get_or_init(|| {
        let len = part.waves.len();
        if len <= DENSE_FALLBACK { Ok(LuPlan::Dense(len)) } else { LuPlan::sparse(len, couplings) }
    });
    fallback.as_ref().map_err(|error| Halt::Failed(error.clone()))
}

fn grow<const W: usize>(packs: &mut Vec<Pack<W>>, len: usize) {
    if packs.len() < len {
        packs.resize(len, Pack::ZERO);
    }
}
