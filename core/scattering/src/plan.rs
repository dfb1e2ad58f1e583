//! From the structure of a circuit to a plan: what is computed, in which order, by which method.

use std::sync::OnceLock;

use crate::elimination::Elimination;
use crate::graph::{Graph, NONE};
use crate::lu::LuPlan;
use crate::parts::{Loop, Parts, Solver};
use crate::reciprocal::Mirror;
use crate::structure::{Error, Structure};

/// How loops are solved. Waves outside loops are always computed one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// Chosen for each loop by its structure.
    #[default]
    Auto,
    /// Loops are an error.
    Feedforward,
    /// Elimination of wave after wave, compiled into a list of operations.
    Cascade,
    /// Sparse LU with partial pivoting; the order of columns and the fill are found once.
    Sparse,
    /// Dense LU with partial pivoting.
    Dense,
}

/// Products per wave up to which elimination is faster than an LU.
const PRODUCTS_PER_WAVE: usize = 256;
/// Most products of all eliminations of a plan (4 bytes each).
const MOST_PRODUCTS: usize = 1 << 26;
/// Waves up to which a loop that is not eliminated takes a dense LU, if not told otherwise.
const DENSE_WAVES: usize = 256;
/// Most waves of a loop for a dense LU.
const MOST_DENSE_WAVES: usize = 4096;

/// What comes in to a wave: `value of an entry * source`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Term {
    pub entry: u32,
    pub source: u32,
}

/// A wave, in the order of evaluation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wave {
    /// First of its terms; those of the next wave follow.
    pub terms: u32,
    /// The columns that can differ from zero.
    pub columns: (u32, u32),
    /// The column of the input that this wave is, or [`NONE`].
    pub input: u32,
}

/// Waves that are evaluated together.
pub(crate) enum Step {
    /// One after the other.
    Sweep(std::ops::Range<usize>),
    /// All at once: a loop, by its index.
    Loop(usize),
}

/// Waves that depend on each other.
pub(crate) struct Feedback {
    /// Its waves.
    pub waves: std::ops::Range<usize>,
    /// Its couplings, in [`Plan::inner`].
    pub inner: std::ops::Range<usize>,
    pub solver: LoopSolver,
    /// First of its positions among those of all eliminations.
    pub positions: usize,
    /// The LU that takes over where an elimination is not accurate.
    pub fallback: OnceLock<Result<LuPlan, Error>>,
    /// The block that each wave leaves.
    pub blocks: Vec<u32>,
}

pub(crate) enum LoopSolver {
    /// The elimination, and the coupling at each position, or [`NONE`].
    Elimination(Elimination, Vec<u32>),
    Lu(LuPlan),
}

/// A circuit compiled for evaluation.
///
/// See the documentation of the crate for the equations, and [`Plan::solve`] and [`Plan::adjoint`] for its use.
/// A plan is not changed by its use: threads share one, each with a [`Workspace`](crate::Workspace) of its own.
pub struct Plan {
    pub(crate) entries: usize,
    pub(crate) inputs: usize,
    /// The wave of each output, or [`NONE`] where no light comes.
    pub(crate) rows: Vec<u32>,
    /// All waves and an end mark.
    pub(crate) waves: Vec<Wave>,
    /// Terms from waves that are evaluated before.
    pub(crate) terms: Vec<Term>,
    /// Entries that couple waves of the same loop.
    pub(crate) inner: Vec<u32>,
    /// Row and column of each of them, counted from the first wave of the loop.
    pub(crate) couplings: Vec<(u32, u32)>,
    pub(crate) steps: Vec<Step>,
    pub(crate) loops: Vec<Feedback>,
    /// The input of each column that is computed: inputs that feed the same loop stand side by side.
    pub(crate) column_input: Vec<u32>,
    /// Entries of the columns that are not computed.
    pub(crate) mirror: Mirror,
    /// Positions of all eliminations.
    pub(crate) positions: usize,
    /// Where each wave is kept during a solve; places are used again.
    pub(crate) places: Vec<u32>,
    pub(crate) place_count: usize,
    /// Whether a loop takes an LU, one lane at a time.
    pub(crate) has_lu: bool,
    parts: Parts,
}

impl Plan {
    /// Compiles a circuit. Takes a time linear in its size, except for loops that are strongly coupled.
    ///
    /// # Errors
    /// A structure that contradicts itself, feedback where [`Method::Feedforward`] is asked for, sizes beyond the
    /// limits.
    pub fn new(structure: &Structure, method: Method) -> Result<Self, Error> {
        let graph = Graph::new(structure)?;
        let mut compiler = Compiler::new(&graph, method);
        compiler.run()?;
        Ok(compiler.finish(structure))
    }

    /// Number of entries, that is of values per lane.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// Number of columns of the result.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of rows of the result.
    pub fn outputs(&self) -> usize {
        self.rows.len()
    }

    /// What the plan consists of, for people.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The entries that rows of the result depend on, in no order; those of one loop all together.
    pub fn dependencies(&self, rows: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let (mut seen, mut turned) = (vec![false; self.waves.len()], vec![false; self.loops.len()]);
        let mut open: Vec<usize> = rows.into_iter().filter_map(|row| self.rows.get(row)).map(|&w| w as usize).collect();
        open.retain(|&wave| wave != NONE as usize);
        let mut entries = Vec::new();
        while let Some(wave) = open.pop() {
            if std::mem::replace(&mut seen[wave], true) {
                continue;
            }
            let terms = &self.terms[self.waves[wave].terms as usize..self.waves[wave + 1].terms as usize];
            entries.extend(terms.iter().map(|term| term.entry as usize));
            open.extend(terms.iter().map(|term| term.source as usize));
            // Loops stand in the order of their waves.
            let index = self.loops.partition_point(|part| part.waves.end <= wave);
            let part = self.loops.get(index).filter(|part| part.waves.contains(&wave));
            if let Some(part) = part.filter(|_| !std::mem::replace(&mut turned[index], true)) {
                entries.extend(self.inner[part.inner.clone()].iter().map(|&entry| entry as usize));
                open.extend(part.waves.clone());
            }
        }
        entries
    }
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan").field("parts", &self.parts).finish_non_exhaustive()
    }
}

struct Compiler<'a> {
    graph: &'a Graph,
    method: Method,
    /// The nodes in the order of evaluation.
    order: Vec<u32>,
    /// The place of each node in that order.
    wave_of: Vec<u32>,
    /// The loop of each node.
    loop_of: Vec<u32>,
    steps: Vec<Step>,
    loops: Vec<Feedback>,
    inner: Vec<u32>,
    couplings: Vec<(u32, u32)>,
    positions: usize,
    products: usize,
    parts: Parts,
}

impl<'a> Compiler<'a> {
    fn new(graph: &'a Graph, method: Method) -> Self {
        Self {
            graph,
            method,
            order: Vec::new(),
            wave_of: vec![NONE; graph.nodes()],
            loop_of: vec![NONE; graph.nodes()],
            steps: Vec::new(),
            loops: Vec::new(),
            inner: Vec::new(),
            couplings: Vec::new(),
            positions: 0,
            products: 0,
            parts: Parts::default(),
        }
    }

    fn run(&mut self) -> Result<(), Error> {
        let (nodes, bounds) = self.graph.components();
        for pair in bounds.windows(2) {
            let component = &nodes[pair[0] as usize..pair[1] as usize];
            let node = component[0];
            if component.len() == 1 && self.graph.edges(node).iter().all(|edge| edge.source != node) {
                self.single(node);
            } else {
                self.feedback(component)?;
            }
        }
        Ok(())
    }

    fn place(&mut self, node: u32) {
        self.wave_of[node as usize] = self.order.len() as u32;
        self.order.push(node);
    }

    fn single(&mut self, node: u32) {
        let at = self.order.len();
        self.place(node);
        if self.graph.block(node).is_some() {
            self.parts.swept += 1;
        }
        match self.steps.last_mut() {
            Some(Step::Sweep(range)) => range.end = at + 1,
            _ => self.steps.push(Step::Sweep(at..at + 1)),
        }
    }

    fn feedback(&mut self, component: &[u32]) -> Result<(), Error> {
        if self.method == Method::Feedforward {
            return Err(Error::Feedback { blocks: self.graph.cycle(component[0]) });
        }
        // For the time being a node's wave is its index in the component.
        for (k, &node) in component.iter().enumerate() {
            self.wave_of[node as usize] = k as u32;
        }
        let first = self.inner.len();
        let mut couplings = Vec::new();
        let index = self.loops.len() as u32;
        component.iter().for_each(|&node| self.loop_of[node as usize] = index);
        for (row, &node) in component.iter().enumerate() {
            for edge in self.graph.edges(node).iter().filter(|edge| self.loop_of[edge.source as usize] == index) {
                couplings.push((row as u32, self.wave_of[edge.source as usize]));
                self.inner.push(edge.entry);
            }
        }
        let (order, solver, description) = self.choose(component.len(), &mut couplings)?;
        let start = self.order.len();
        for &k in &order {
            self.place(component[k as usize]);
        }
        let nodes = &self.order[start..];
        let blocks: Vec<u32> = nodes.iter().filter_map(|&node| self.graph.block(node).map(|b| b as u32)).collect();
        let mut described: Vec<usize> = blocks.iter().map(|&block| block as usize).collect();
        described.sort_unstable();
        described.dedup();
        self.parts.loops.push(Loop { blocks: described, ..description });
        self.steps.push(Step::Loop(self.loops.len()));
        let positions = self.positions;
        if let LoopSolver::Elimination(elimination, _) = &solver {
            self.positions += elimination.positions();
        }
        self.couplings.extend(couplings);
        self.loops.push(Feedback {
            waves: start..self.order.len(),
            inner: first..self.inner.len(),
            solver,
            positions,
            fallback: OnceLock::new(),
            blocks,
        });
        Ok(())
    }

    /// Chooses how to solve a loop, and the order of its waves; renumbers the couplings to that order.
    fn choose(&mut self, len: usize, couplings: &mut [(u32, u32)]) -> Result<(Vec<u32>, LoopSolver, Loop), Error> {
        let left = MOST_PRODUCTS - self.products;
        let budget = match self.method {
            Method::Auto => (PRODUCTS_PER_WAVE * len).min(left),
            Method::Cascade => left,
            _ => 0,
        };
        let describe = |solver, why| Loop { blocks: Vec::new(), waves: len, couplings: couplings.len(), solver, why };
        if matches!(self.method, Method::Auto | Method::Cascade) {
            if let Some((order, elimination)) = Elimination::new(len, couplings, budget) {
                self.products += elimination.operations();
                let description = describe(
                    Solver::Elimination { operations: elimination.operations(), fill: elimination.fill(couplings) },
                    if self.method == Method::Auto { "it stays sparse" } else { "as asked for" },
                );
                let mut rank = vec![0; len];
                order.iter().enumerate().for_each(|(k, &old)| rank[old as usize] = k as u32);
                couplings.iter_mut().for_each(|(row, col)| (*row, *col) = (rank[*row as usize], rank[*col as usize]));
                let mut values = vec![NONE; elimination.positions()];
                for (&(row, col), coupling) in couplings.iter().zip(0..) {
                    values[elimination.position(row, col) as usize] = coupling;
                }
                return Ok((order, LoopSolver::Elimination(elimination, values), description));
            }
            if self.method == Method::Cascade {
                let what = "the number of products of an elimination";
                return Err(Error::TooLarge { what, size: left.saturating_add(1), limit: left });
            }
        }
        let dense = match self.method {
            Method::Dense => true,
            Method::Sparse => false,
            _ => len <= DENSE_WAVES,
        };
        if dense && len > MOST_DENSE_WAVES {
            let what = "the number of waves of a loop for a dense LU";
            return Err(Error::TooLarge { what, size: len, limit: MOST_DENSE_WAVES });
        }
        let why = match (self.method, dense) {
            (Method::Auto, true) => "elimination would fill in; the loop is small",
            (Method::Auto, false) => "elimination would fill in; the loop is large",
            _ => "as asked for",
        };
        let description = describe(if dense { Solver::Dense } else { Solver::Sparse }, why);
        let plan = if dense { LuPlan::Dense(len) } else { LuPlan::sparse(len, couplings)? };
        Ok(((0..len as u32).collect(), LoopSolver::Lu(plan), description))
    }

    fn finish(self, structure: &Structure) -> Plan {
        let together = self.loop_bounds();
        let column_input = self.columns(structure.inputs.len());
        let mut column_of = vec![0; column_input.len()];
        column_input.iter().zip(0..).for_each(|(&input, column)| column_of[input as usize] = column);
        let mut terms = Vec::new();
        let mut waves: Vec<Wave> = Vec::with_capacity(self.order.len() + 1);
        for (w, &node) in self.order.iter().enumerate() {
            let outside = self.graph.block(node).is_none();
            let input = if outside { column_of[node as usize - self.graph.ports] } else { NONE };
            let mut columns = if input == NONE { (NONE, 0) } else { (input, input + 1) };
            let first = terms.len();
            for edge in self.graph.edges(node) {
                let source = self.wave_of[edge.source as usize];
                if source < together[w].0 {
                    terms.push(Term { entry: edge.entry, source });
                    let (lo, hi) = waves[source as usize].columns;
                    columns = (columns.0.min(lo), columns.1.max(hi));
                }
            }
            waves.push(Wave { terms: first as u32, columns, input });
            if w + 1 == together[w].1 as usize {
                let members = &mut waves[together[w].0 as usize..];
                let lo = members.iter().map(|wave| wave.columns.0).min().unwrap_or(0);
                let hi = members.iter().map(|wave| wave.columns.1).max().unwrap_or(0);
                members.iter_mut().for_each(|wave| wave.columns = (lo, hi));
            }
        }
        waves.push(Wave { terms: terms.len() as u32, columns: (0, 0), input: NONE });
        let rows: Vec<u32> =
            self.graph.rows.iter().map(|&n| if n == NONE { NONE } else { self.wave_of[n as usize] }).collect();
        let (places, place_count) = places(&waves, &terms, &rows, &together);
        let mut parts = self.parts;
        parts.needed = parts.swept + parts.loops.iter().map(|part| part.waves).sum::<usize>();
        parts.waves = structure.blocks.iter().sum();
        Plan {
            entries: structure.entries.len(),
            inputs: structure.inputs.len(),
            rows,
            waves,
            terms,
            inner: self.inner,
            couplings: self.couplings,
            steps: self.steps,
            has_lu: self.loops.iter().any(|part| matches!(part.solver, LoopSolver::Lu(_))),
            loops: self.loops,
            column_input,
            mirror: Mirror::default(),
            positions: self.positions,
            places,
            place_count,
            parts,
        }
    }

    /// The inputs by the last loop that they reach, which is where most of the work is, as columns.
    fn columns(&self, inputs: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..inputs as u32).collect();
        if self.loops.len() < 2 {
            return order;
        }
        // Against the light: the last loop that each wave reaches.
        let mut reached = vec![0; self.order.len()];
        for (index, part) in self.loops.iter().enumerate() {
            reached[part.waves.clone()].fill(index + 1);
        }
        let mut key = vec![0; inputs];
        for (w, &node) in self.order.iter().enumerate().rev() {
            let here = reached[w];
            for edge in self.graph.edges(node) {
                let source = &mut reached[self.wave_of[edge.source as usize] as usize];
                *source = here.max(*source);
            }
            if self.graph.block(node).is_none() {
                key[node as usize - self.graph.ports] = here;
            }
        }
        order.sort_by_key(|&input| key[input as usize]);
        order
    }

    /// First wave and end of the waves that each wave is evaluated with.
    fn loop_bounds(&self) -> Vec<(u32, u32)> {
        let mut bounds: Vec<(u32, u32)> = (0..self.order.len() as u32).map(|w| (w, w + 1)).collect();
        for part in &self.loops {
            bounds[part.waves.clone()].fill((part.waves.start as u32, part.waves.end as u32));
        }
        bounds
    }
}

/// Gives each wave a place to be kept; the place of a wave is free again when nothing needs it any more.
fn places(waves: &[Wave], terms: &[Term], rows: &[u32], together: &[(u32, u32)]) -> (Vec<u32>, usize) {
    let count = together.len();
    let terms_of = |w: usize| &terms[waves[w].terms as usize..waves[w + 1].terms as usize];
    // The last wave that is evaluated before the place is free.
    let mut last: Vec<u32> = together.iter().map(|&(_, end)| end - 1).collect();
    for (w, &(_, end)) in together.iter().enumerate() {
        for term in terms_of(w) {
            let last = &mut last[term.source as usize];
            *last = (*last).max(end - 1);
        }
    }
    rows.iter().filter(|&&w| w != NONE).for_each(|&w| last[w as usize] = NONE);
    let (mut place, mut free, mut used) = (vec![0u32; count], Vec::new(), 0u32);
    for (w, &(start, end)) in together.iter().enumerate() {
        place[w] = free.pop().unwrap_or_else(|| {
            used += 1;
            used - 1
        });
        if w + 1 == end as usize {
            let mut release = |wave: u32| {
                if last[wave as usize] == end - 1 {
                    last[wave as usize] = NONE;
                    free.push(place[wave as usize]);
                }
            };
            for member in start..end {
                terms_of(member as usize).iter().for_each(|term| release(term.source));
            }
            (start..end).for_each(release);
        }
    }
    (place, used as usize)
}
