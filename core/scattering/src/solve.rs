//! The evaluation of a plan for many lanes.

use num_complex::Complex64;

use crate::graph::NONE;
use crate::pack::Pack;
use crate::plan::Plan;
use crate::run::{Backward, Bank, Forward, Halt, LuState, Run, locate};
use crate::structure::Error;

/// Numbers in a pack.
const WIDTH: usize = 8;
/// Most memory of the waves of an evaluation of eight lanes at once; beyond, one lane is evaluated at a time.
const WIDE_BYTES: usize = 1 << 28;
/// Most memory of the waves of an evaluation.
const MOST_BYTES: usize = 1 << 32;
/// Most blocks that an error names.
const NAMED_BLOCKS: usize = 8;

/// The memory of evaluations. It grows on first use and is used again by all later ones, of any plan.
#[derive(Default)]
pub struct Workspace {
    lanes: Bank<WIDTH, WIDTH>,
    columns: Bank<1, WIDTH>,
    lu: LuState,
    identity: Vec<u32>,
}

impl Workspace {
    /// An empty workspace.
    pub fn new() -> Self {
        Self::default()
    }
}

impl std::fmt::Debug for Workspace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workspace").finish_non_exhaustive()
    }
}

/// The adjoint part of a call: cotangent in, derivatives out.
struct Adjoint<'a> {
    cotangent: &'a [Complex64],
    d_values: &'a mut [Complex64],
}

/// What a tile of lanes reads and writes.
struct Tile<'a, 'b> {
    plan: &'a Plan,
    values: &'a [Complex64],
    lanes: usize,
    out: &'a mut [Complex64],
    adjoint: Option<&'a mut Adjoint<'b>>,
    places: &'a [u32],
    waves: usize,
}

impl Plan {
    /// Computes the scattering matrix between the inputs and the outputs, for each lane (wavelength, parameter set).
    ///
    /// `values[entry * lanes + lane]` are the entries of the blocks, in the order of
    /// [`Structure::entries`](crate::Structure::entries). `out[(output * inputs + input) * lanes + lane]` is set to the
    /// amplitude of a wave for a unit amplitude at an input. The bits of a lane do not depend on the other lanes nor on
    /// their number. Nothing is allocated once `workspace` has served a call of this size.
    ///
    /// # Errors
    /// Slices of a wrong length; a lossless loop in resonance; values that are not finite. `out` is then undefined.
    pub fn solve(
        &self,
        values: &[Complex64],
        lanes: usize,
        out: &mut [Complex64],
        workspace: &mut Workspace,
    ) -> Result<(), Error> {
        self.check("values", values.len(), self.entries, lanes)?;
        self.check("out", out.len(), self.rows.len().saturating_mul(self.inputs), lanes)?;
        out.fill(Complex64::ZERO);
        let mut tile =
            Tile { plan: self, values, lanes, out, adjoint: None, places: &self.places, waves: self.place_count };
        tile.all(&mut workspace.lanes, &mut workspace.columns, &mut workspace.lu)
    }

    /// Derivatives of a real number that depends on the scattering matrix, with respect to the values, for each lane.
    ///
    /// Convention: with `dL = Re(sum conj(cotangent) d_out)` for a change `d_out` of the result of [`Plan::solve`], the
    /// change for a change `dv` of the values is `dL = Re(sum conj(d_values) dv)`. That is `dL/dRe + i dL/dIm` for
    /// both (PyTorch's convention; JAX has the conjugate). All slices are laid out as in [`Plan::solve`]; `d_values` is
    /// set (zero for entries that do not matter). Costs two to three solves for a chain of rings and five to ten for a
    /// mesh with many inputs, whose waves are all kept and then leave the cache.
    ///
    /// # Errors
    /// As [`Plan::solve`]; also a circuit whose waves do not fit in 4 GiB (all are kept).
    pub fn adjoint(
        &self,
        values: &[Complex64],
        lanes: usize,
        cotangent: &[Complex64],
        d_values: &mut [Complex64],
        workspace: &mut Workspace,
    ) -> Result<(), Error> {
        self.check("values", values.len(), self.entries, lanes)?;
        self.check("cotangent", cotangent.len(), self.rows.len().saturating_mul(self.inputs), lanes)?;
        self.check("d_values", d_values.len(), self.entries, lanes)?;
        d_values.fill(Complex64::ZERO);
        let waves = self.waves.len() - 1;
        let Workspace { lanes: wide, columns, lu, identity } = workspace;
        identity.extend(identity.len() as u32..waves as u32);
        let mut adjoint = Adjoint { cotangent, d_values };
        let mut tile =
            Tile { plan: self, values, lanes, out: &mut [], adjoint: Some(&mut adjoint), places: identity, waves };
        tile.all(wide, columns, lu)
    }

    fn check(&self, what: &'static str, found: usize, per_lane: usize, lanes: usize) -> Result<(), Error> {
        let expected = per_lane.saturating_mul(lanes);
        if found == expected { Ok(()) } else { Err(Error::Length { what, expected, found }) }
    }

    /// The blocks where the trapped light of a loop is strongest.
    fn strongest(&self, index: usize, amplitudes: &[Complex64]) -> Vec<usize> {
        let blocks = &self.loops[index].blocks;
        let most = amplitudes.iter().map(|z| z.norm()).fold(0.0, f64::max);
        let strong = |wave: usize| !amplitudes.get(wave).is_some_and(|z| z.norm() < 0.1 * most);
        let mut named: Vec<usize> = (0..blocks.len()).filter(|&w| strong(w)).map(|w| blocks[w] as usize).collect();
        named.sort_unstable();
        named.dedup();
        named.truncate(NAMED_BLOCKS);
        named
    }
}

impl Tile<'_, '_> {
    /// Evaluates all lanes, eight at once where that takes half the packs: they take more memory.
    fn all(
        &mut self,
        wide: &mut Bank<WIDTH, WIDTH>,
        columns: &mut Bank<1, WIDTH>,
        lu: &mut LuState,
    ) -> Result<(), Error> {
        let inputs = self.plan.inputs;
        let packs = inputs.div_ceil(WIDTH);
        let bytes = |stride: usize| self.waves.saturating_mul(stride).saturating_mul(size_of::<Pack<WIDTH>>());
        if bytes(packs) > MOST_BYTES {
            let (size, limit) = (bytes(packs), MOST_BYTES);
            return Err(Error::TooLarge { what: "the memory of the waves of all inputs, in bytes,", size, limit });
        }
        let may_be_wide = !self.plan.has_lu && bytes(inputs) <= WIDE_BYTES;
        for first in (0..self.lanes).step_by(WIDTH) {
            let count = WIDTH.min(self.lanes - first);
            if may_be_wide && count > 1 && 2 * inputs <= count * packs {
                match self.evaluate(first, count, inputs, wide, lu) {
                    Err(Halt::OneByOne) => {}
                    result => {
                        result.map_err(|halt| self.explain(halt, first))?;
                        continue;
                    }
                }
            }
            for lane in first..first + count {
                self.evaluate(lane, 1, packs, columns, lu).map_err(|halt| self.explain(halt, lane))?;
            }
        }
        Ok(())
    }

    fn explain(&self, halt: Halt, lane: usize) -> Error {
        match halt {
            Halt::Undetermined(index, amplitudes) => {
                let cotangent = self.adjoint.as_ref().map_or(&[][..], |adjoint| adjoint.cotangent);
                let finite = |z: &[Complex64]| z.iter().skip(lane).step_by(self.lanes).all(|z| z.is_finite());
                if !finite(self.values) || !finite(cotangent) {
                    return Error::NotFinite { lane };
                }
                Error::Singular { lane, blocks: self.plan.strongest(index, &amplitudes) }
            }
            Halt::Failed(error) => error,
            Halt::OneByOne => unreachable!("only several lanes at once ask for one lane at a time"),
        }
    }

    /// Evaluates `count` lanes: as the numbers of a pack, or one with its columns as the numbers of a pack.
    fn evaluate<const K: usize, const W: usize>(
        &mut self,
        first: usize,
        count: usize,
        stride: usize,
        bank: &mut Bank<K, W>,
        lu: &mut LuState,
    ) -> Result<(), Halt> {
        let mut run = Run { plan: self.plan, bank, lu, places: self.places, stride };
        run.prepare(self.waves, self.adjoint.is_some());
        self.load(first, count, &mut run.bank.s);
        let simd = pulp::Arch::new();
        simd.dispatch(Forward(&mut run))?;
        if self.adjoint.is_none() {
            return self.store(first, count, &run);
        }
        self.seed(first, count, &mut run);
        simd.dispatch(Backward(&mut run))?;
        self.store_derivatives(first, count, &run.bank.d)
    }

    /// The entry of each value that an evaluation uses.
    fn used(&self) -> impl Iterator<Item = usize> + use<'_> {
        let terms = self.plan.terms.iter().map(|term| term.entry as usize);
        terms.chain(self.plan.inner.iter().map(|&entry| entry as usize))
    }

    fn load<const K: usize>(&self, first: usize, count: usize, s: &mut [Pack<K>]) {
        for (entry, pack) in self.used().zip(s) {
            let values = &self.values[entry * self.lanes + first..][..count];
            if let Ok(values) = <&[Complex64; K]>::try_from(values) {
                for (lane, &value) in values.iter().enumerate() {
                    pack.set(lane, value);
                }
                continue;
            }
            // Lanes that do not exist repeat the last one: they are as well behaved.
            for lane in 0..K {
                pack.set(lane, values[lane.min(count - 1)]);
            }
        }
    }

    /// Every wave that is asked for, column and lane: index in the result, in the waves, and number in the pack.
    fn rows<const K: usize, const W: usize>(
        &self,
        first: usize,
        count: usize,
        stride: usize,
        mut visit: impl FnMut(usize, usize, usize),
    ) {
        for (row, &wave) in self.plan.rows.iter().enumerate().filter(|(_, wave)| **wave != NONE) {
            let (lo, hi) = self.plan.waves[wave as usize].columns;
            let at = self.places[wave as usize] as usize * stride;
            for column in lo as usize..hi as usize {
                let (pack, number) = locate::<K, W>(column);
                for lane in 0..count {
                    let index = (row * self.plan.inputs + column) * self.lanes + first + lane;
                    visit(index, at + pack, number + lane);
                }
            }
        }
    }

    fn store<const K: usize, const W: usize>(
        &mut self,
        first: usize,
        count: usize,
        run: &Run<K, W>,
    ) -> Result<(), Halt> {
        let mut wrong = None;
        let out = std::mem::take(&mut self.out);
        self.rows::<K, W>(first, count, run.stride, |index, pack, number| {
            out[index] = run.bank.x[pack].get(number);
            if !out[index].is_finite() {
                let lane = index % self.lanes;
                wrong = Some(wrong.map_or(lane, |known: usize| known.min(lane)));
            }
        });
        self.out = out;
        wrong.map_or(Ok(()), |lane| Err(Halt::Failed(Error::NotFinite { lane })))
    }

    fn seed<const K: usize, const W: usize>(&self, first: usize, count: usize, run: &mut Run<K, W>) {
        let Some(adjoint) = &self.adjoint else { return };
        run.bank.g[..self.waves * run.stride].fill(Pack::ZERO);
        let g = &mut run.bank.g;
        self.rows::<K, W>(first, count, run.stride, |index, pack, number| {
            let sum = g[pack].get(number) + adjoint.cotangent[index];
            g[pack].set(number, sum);
        });
    }

    fn store_derivatives<const K: usize>(&mut self, first: usize, count: usize, d: &[Pack<K>]) -> Result<(), Halt> {
        let Some(adjoint) = self.adjoint.take() else { return Ok(()) };
        let mut wrong: Option<usize> = None;
        for (entry, pack) in self.used().zip(d) {
            for lane in 0..count {
                let z = pack.get(lane);
                adjoint.d_values[entry * self.lanes + first + lane] = z;
                if !z.is_finite() {
                    wrong = Some(wrong.map_or(first + lane, |known| known.min(first + lane)));
                }
            }
        }
        self.adjoint = Some(adjoint);
        wrong.map_or(Ok(()), |lane| Err(Halt::Failed(Error::NotFinite { lane })))
    }
}
