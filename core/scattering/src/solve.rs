//! The evaluation of a plan for many lanes.

use blackbeam_kernels::{Arch, Level, Task};
use num_complex::Complex64;

use crate::graph::NONE;
use crate::pack::Pack;
use crate::plan::Plan;
use crate::run::{Bank, Halt, LuState, Run, locate};
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

/// Values of entries, real and imaginary parts apart. Entries may share their numbers.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// Real parts.
    pub re: &'a [f64],
    /// Imaginary parts.
    pub im: &'a [f64],
    /// For each entry, where its numbers begin.
    pub first: &'a [usize],
    /// For each entry: a number for each lane, one after the other; else one for all lanes.
    pub varies: &'a [bool],
}

/// Where values come from.
#[derive(Clone, Copy)]
enum Source<'a> {
    /// `[entry * lanes + lane]`
    Together(&'a [Complex64]),
    Apart(Values<'a>),
}

/// The adjoint part of a call: cotangent in, derivatives out.
struct Adjoint<'a> {
    cotangent: &'a [Complex64],
    d_values: &'a mut [Complex64],
}

/// What a tile of lanes reads and writes.
struct Tile<'a, 'b> {
    plan: &'a Plan,
    values: Source<'a>,
    lanes: usize,
    out: &'a mut [Complex64],
    /// Distance in `out` of the entries of the result, of the lanes.
    strides: (usize, usize),
    adjoint: Option<&'a mut Adjoint<'b>>,
    places: &'a [u32],
    waves: usize,
    level: Level,
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
        self.tile(Source::Together(values), lanes, out, (lanes, 1)).all(workspace)
    }

    /// As [`Plan::solve`], with values apart, and with `out[(lane * outputs + output) * inputs + input]`.
    ///
    /// # Errors
    /// As [`Plan::solve`].
    pub fn solve_apart(
        &self,
        values: Values<'_>,
        lanes: usize,
        out: &mut [Complex64],
        workspace: &mut Workspace,
    ) -> Result<(), Error> {
        self.check("values", values.first.len(), self.entries, 1)?;
        self.check("values", values.varies.len(), self.entries, 1)?;
        let numbers = values.re.len().min(values.im.len());
        let end = |(first, varies): (&usize, &bool)| first.saturating_add(if *varies { lanes } else { 1 });
        let expected = values.first.iter().zip(values.varies).map(end).max().unwrap_or(0);
        if expected > numbers {
            return Err(Error::Length { what: "values", expected, found: numbers });
        }
        let entries = self.rows.len().saturating_mul(self.inputs);
        self.check("out", out.len(), entries, lanes)?;
        out.fill(Complex64::ZERO);
        self.tile(Source::Apart(values), lanes, out, (1, entries)).all(workspace)
    }

    fn tile<'a>(
        &'a self,
        values: Source<'a>,
        lanes: usize,
        out: &'a mut [Complex64],
        strides: (usize, usize),
    ) -> Tile<'a, 'a> {
        let (places, waves, level) = (&self.places[..], self.place_count, Level::best());
        Tile { plan: self, values, lanes, out, strides, adjoint: None, places, waves, level }
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
        let mut identity = std::mem::take(&mut workspace.identity);
        identity.extend(identity.len() as u32..waves as u32);
        let mut adjoint = Adjoint { cotangent, d_values };
        let done = Tile {
            adjoint: Some(&mut adjoint),
            places: &identity,
            waves,
            ..self.tile(Source::Together(values), lanes, &mut [], (lanes, 1))
        }
        .all(workspace);
        workspace.identity = identity;
        done
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
    fn all(&mut self, workspace: &mut Workspace) -> Result<(), Error> {
        let Workspace { lanes: wide, columns, lu, .. } = workspace;
        let inputs = self.plan.column_input.len();
        let packs = inputs.div_ceil(WIDTH);
        let bytes = |stride: usize| self.waves.saturating_mul(stride).saturating_mul(size_of::<Pack<WIDTH>>());
        if bytes(packs) > MOST_BYTES {
            let (size, limit) = (bytes(packs), MOST_BYTES);
            return Err(Error::TooLarge { what: "the memory of the waves of all inputs, in bytes,", size, limit });
        }
        let may_be_wide = !self.plan.has_lu && bytes(inputs) <= WIDE_BYTES;
        // Whether the values that are the same for all lanes stand in the banks.
        let (mut wide_has, mut columns_has) = (false, false);
        let level = self.level;
        for first in (0..self.lanes).step_by(WIDTH) {
            let count = WIDTH.min(self.lanes - first);
            if may_be_wide && count > 1 && 2 * inputs <= count * packs {
                let fresh = !std::mem::replace(&mut wide_has, true);
                let part = Part { tile: self, first, count, stride: inputs, fresh, bank: wide, lu };
                match level.run(part) {
                    Err(Halt::OneByOne) => {}
                    result => {
                        result.map_err(|halt| self.explain(halt, first))?;
                        continue;
                    }
                }
            }
            for lane in first..first + count {
                let fresh = !std::mem::replace(&mut columns_has, true);
                let part = Part { tile: self, first: lane, count: 1, stride: packs, fresh, bank: columns, lu };
                level.run(part).map_err(|halt| self.explain(halt, lane))?;
            }
        }
        Ok(())
    }

    fn explain(&self, halt: Halt, lane: usize) -> Error {
        match halt {
            Halt::Undetermined(index, amplitudes) => {
                let cotangent = self.adjoint.as_ref().map_or(&[][..], |adjoint| adjoint.cotangent);
                let known = (0..self.plan.entries).all(|entry| self.values.get(entry, self.lanes, lane).is_finite());
                if !known || !cotangent.iter().skip(lane).step_by(self.lanes).all(|z| z.is_finite()) {
                    return Error::NotFinite { lane };
                }
                Error::Singular { lane, blocks: self.plan.strongest(index, &amplitudes) }
            }
            Halt::Failed(error) => error,
            Halt::OneByOne => unreachable!("only several lanes at once ask for one lane at a time"),
        }
    }

    /// The entry of each value that an evaluation uses.
    fn used(&self) -> impl Iterator<Item = usize> + use<'_> {
        let terms = self.plan.terms.iter().map(|term| term.entry as usize);
        terms.chain(self.plan.inner.iter().map(|&entry| entry as usize))
    }

    /// Lanes that do not exist repeat the last one: they are as well behaved. Values that are the same for all lanes are loaded
    /// into a `fresh` bank only.
    #[inline(always)]
    fn load<const K: usize>(&self, first: usize, count: usize, fresh: bool, s: &mut [Pack<K>]) {
        let terms = self.plan.terms.len();
        for (i, pack) in s[..terms + self.plan.inner.len()].iter_mut().enumerate() {
            let entry = if i < terms { self.plan.terms[i].entry } else { self.plan.inner[i - terms] } as usize;
            match self.values {
                Source::Together(values) => {
                    let values = &values[entry * self.lanes + first..][..count];
                    for lane in 0..K {
                        pack.set(lane, values[lane.min(count - 1)]);
                    }
                }
                Source::Apart(Values { re, im, first: start, varies }) => {
                    let at = start[entry];
                    if !varies[entry] {
                        if fresh {
                            (pack.re, pack.im) = ([re[at]; K], [im[at]; K]);
                        }
                        continue;
                    }
                    let (re, im) = (&re[at + first..][..count], &im[at + first..][..count]);
                    match (<&[f64; K]>::try_from(re), <&[f64; K]>::try_from(im)) {
                        (Ok(re), Ok(im)) => (pack.re, pack.im) = (*re, *im),
                        _ => {
                            for lane in 0..K {
                                (pack.re[lane], pack.im[lane]) = (re[lane.min(count - 1)], im[lane.min(count - 1)]);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Every wave that is asked for, column and lane: index in the result, in the waves, and number in the pack.
    #[inline(always)]
    fn rows<const K: usize, const W: usize>(
        &self,
        first: usize,
        count: usize,
        stride: usize,
        mut visit: impl FnMut(usize, usize, usize),
    ) {
        for (row, &wave) in self.plan.rows.iter().enumerate() {
            if wave == NONE {
                continue;
            }
            let (lo, hi) = self.plan.waves[wave as usize].columns;
            let at = self.places[wave as usize] as usize * stride;
            for column in lo as usize..hi as usize {
                let (pack, number) = locate::<K, W>(column);
                let input = self.plan.column_input[column] as usize;
                let mirrored = self.plan.mirror.of(row, input);
                for (row, input) in [Some((row, input)), mirrored].into_iter().flatten() {
                    let entry = row * self.plan.inputs + input;
                    for lane in 0..count {
                        visit(entry * self.strides.0 + (first + lane) * self.strides.1, at + pack, number + lane);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn store<const K: usize, const W: usize>(
        &mut self,
        first: usize,
        count: usize,
        run: &Run<K, W>,
    ) -> Result<(), Halt> {
        let mut sound = true;
        let out = std::mem::take(&mut self.out);
        self.rows::<K, W>(first, count, run.stride, |index, pack, number| {
            out[index] = run.bank.x[pack].get(number);
            sound &= out[index].is_finite();
        });
        self.out = out;
        if sound {
            return Ok(());
        }
        let mut wrong = usize::MAX;
        self.rows::<K, W>(first, count, run.stride, |index, _, _| {
            if !self.out[index].is_finite() {
                wrong = wrong.min(index / self.strides.1 % self.lanes);
            }
        });
        Err(Halt::Failed(Error::NotFinite { lane: wrong }))
    }

    #[inline(always)]
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

impl Source<'_> {
    fn get(&self, entry: usize, lanes: usize, lane: usize) -> Complex64 {
        match self {
            Source::Together(values) => values[entry * lanes + lane],
            Source::Apart(values) => {
                let at = values.first[entry] + if values.varies[entry] { lane } else { 0 };
                Complex64::new(values.re[at], values.im[at])
            }
        }
    }
}

/// Some lanes: as the numbers of a pack, or one with its columns as the numbers of a pack.
struct Part<'p, 'a, 'b, const K: usize, const W: usize> {
    tile: &'p mut Tile<'a, 'b>,
    first: usize,
    count: usize,
    stride: usize,
    /// The bank holds nothing yet.
    fresh: bool,
    bank: &'p mut Bank<K, W>,
    lu: &'p mut LuState,
}

impl<const K: usize, const W: usize> Task for Part<'_, '_, '_, K, W> {
    type Output = Result<(), Halt>;

    #[inline(always)]
    fn run<A: Arch>(self) -> Self::Output {
        let Part { tile, first, count, stride, fresh, bank, lu } = self;
        let mut run = Run { plan: tile.plan, bank, lu, places: tile.places, stride };
        run.prepare(tile.waves, tile.adjoint.is_some());
        tile.load(first, count, fresh, &mut run.bank.s);
        run.forward()?;
        if tile.adjoint.is_none() {
            return tile.store(first, count, &run);
        }
        tile.seed(first, count, &mut run);
        run.backward()?;
        tile.store_derivatives(first, count, &run.bank.d)
    }
}
