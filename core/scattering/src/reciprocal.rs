//! Circuits of blocks that treat both directions alike, between ports that are lit and read: S is symmetric, so that light need
//! not be sent into every port.

use crate::graph::{Graph, NONE};
use crate::plan::{Method, Plan};
use crate::structure::{Direction, Entry, Error, Port, Structure};
use std::collections::HashMap;

/// Most words of the sets of inputs that reach each wave.
const MOST_WORDS: usize = 1 << 24;

/// Where entries of the result stand that are known from others.
#[derive(Default)]
pub(crate) struct Mirror {
    /// For each row: the input at the port that it reads, if light is not sent in there. Empty without such inputs.
    dark_input: Vec<u32>,
    /// For each input: the row that reads its port.
    row: Vec<u32>,
}

impl Mirror {
    /// The entry (row, column) that is the same as another one.
    #[inline(always)]
    pub fn of(&self, row: usize, input: usize) -> Option<(usize, usize)> {
        let column = *self.dark_input.get(row)?;
        let row = self.row[input];
        (column != NONE && row != NONE).then_some((row as usize, column as usize))
    }
}

impl Plan {
    /// As [`Plan::new`], for blocks whose scattering matrices are symmetric. Light is then sent only into so many inputs that
    /// all of the result is known: of the entries (port a, port b) and (port b, port a) only one is computed.
    ///
    /// For values that are not symmetric, the result is that of some of them. [`Plan::adjoint`] is that of the result, which
    /// takes both entries from the same value of a block: the derivatives of a pair of values that must be equal, (from, to) and
    /// (to, from), add up to what they are for [`Plan::new`], but are shared between them in another way.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn reciprocal(structure: &Structure, method: Method) -> Result<Self, Error> {
        let Some((lit, mut mirror)) = symmetric(structure)? else { return Self::new(structure, method) };
        let inputs = lit.iter().map(|&input| structure.inputs[input as usize]).collect();
        let mut plan = Self::new(&Structure { inputs, ..structure.clone() }, method)?;
        plan.inputs = structure.inputs.len();
        plan.column_input.iter_mut().for_each(|input| *input = lit[*input as usize]);
        let dark = |&input: &u32| if lit.contains(&input) { NONE } else { input };
        mirror.dark_input = mirror.dark_input.iter().map(dark).collect();
        plan.mirror = mirror;
        Ok(plan)
    }
}

/// The inputs that are lit, ascending, and who is whose mirror; None if all have to be lit.
fn symmetric(structure: &Structure) -> Result<Option<(Vec<u32>, Mirror)>, Error> {
    let inputs = structure.inputs.len();
    let input_at: HashMap<Port, u32> = structure.inputs.iter().copied().zip(0..).collect();
    let mut row_of = vec![NONE; inputs];
    let mut input_of = Vec::with_capacity(structure.outputs.len());
    for (row, output) in structure.outputs.iter().enumerate() {
        let input = input_at.get(&output.port).filter(|_| output.wave == Direction::Outgoing).copied();
        input_of.push(input.unwrap_or(NONE));
        if let Some(input) = input {
            if row_of[input as usize] != NONE {
                return Ok(None);
            }
            row_of[input as usize] = row as u32;
        }
    }
    if row_of.iter().all(|&row| row == NONE) || !both_ways(&structure.entries) {
        return Ok(None);
    }
    let graph = Graph::new(structure)?;
    let Some(reached) = reached(&graph, inputs) else { return Ok(None) };
    // Inputs that are needed for a row without a mirror; the others by which pairs of ports are joined.
    let mut lit: Vec<bool> = row_of.iter().map(|&row| row == NONE).collect();
    let mut pairs = vec![Vec::new(); inputs];
    for (&node, &input) in graph.rows.iter().zip(&input_of).filter(|(node, _)| **node != NONE) {
        for source in (0..inputs as u32).filter(|&source| reached.has(node, source)) {
            if input == NONE || input == source {
                lit[source as usize] = true;
            } else {
                pairs[input as usize].push(source);
                pairs[source as usize].push(input);
            }
        }
    }
    cover(&mut pairs, &mut lit);
    let lit: Vec<u32> = (0..inputs as u32).filter(|&input| lit[input as usize]).collect();
    Ok((lit.len() < inputs).then_some((lit, Mirror { dark_input: input_of, row: row_of })))
}

/// Each entry has one in the other direction.
fn both_ways(entries: &[Entry]) -> bool {
    let sorted = |key: fn(&Entry) -> (usize, usize, usize)| {
        let mut keys: Vec<_> = entries.iter().map(key).collect();
        keys.sort_unstable();
        keys
    };
    sorted(|e| (e.block, e.from, e.to)) == sorted(|e| (e.block, e.to, e.from))
}

/// Adds inputs until one of each pair is in: always the one with the most pairs that are still open.
fn cover(pairs: &mut [Vec<u32>], lit: &mut [bool]) {
    for list in pairs.iter_mut() {
        list.sort_unstable();
        list.dedup();
    }
    let mut open: Vec<usize> =
        pairs.iter().map(|list| list.iter().filter(|&&other| !lit[other as usize]).count()).collect();
    loop {
        let dark = (0..lit.len()).filter(|&input| !lit[input]);
        let Some(best) = dark.min_by_key(|&input| std::cmp::Reverse(open[input])).filter(|&best| open[best] > 0) else {
            return;
        };
        lit[best] = true;
        pairs[best].iter().for_each(|&other| open[other as usize] -= 1);
    }
}

/// Which inputs each wave is reached from.
struct Reached {
    words: usize,
    sets: Vec<u64>,
}

impl Reached {
    fn has(&self, node: u32, input: u32) -> bool {
        self.sets[node as usize * self.words + input as usize / 64] >> (input % 64) & 1 == 1
    }
}

/// Along the light, loop by loop. None if that would take much memory.
fn reached(graph: &Graph, inputs: usize) -> Option<Reached> {
    let words = inputs.div_ceil(64);
    let size = graph.nodes().checked_mul(words).filter(|&size| size <= MOST_WORDS)?;
    let mut sets = vec![0u64; size];
    let mut union = vec![0u64; words];
    let (nodes, bounds) = graph.components();
    for pair in bounds.windows(2) {
        let component = &nodes[pair[0] as usize..pair[1] as usize];
        union.fill(0);
        for &node in component {
            if let Some(input) = (node as usize).checked_sub(graph.ports) {
                union[input / 64] |= 1 << (input % 64);
            }
            for edge in graph.edges(node) {
                let from = edge.source as usize * words;
                union.iter_mut().zip(&sets[from..from + words]).for_each(|(all, some)| *all |= some);
            }
        }
        component.iter().for_each(|&node| sets[node as usize * words..][..words].copy_from_slice(&union));
    }
    Some(Reached { words, sets })
}
