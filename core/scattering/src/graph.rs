//! The graph of the waves of a circuit: which wave makes which, what is needed, where light goes in circles.
//!
//! Nodes are the wave that leaves each port, and one wave for each input. The wave that enters a port is the one that
//! leaves the port joined to it, or an input, or dark. An entry of a block is then an edge. Everything here is linear
//! in the size of the circuit and keeps its own stacks: circuits are far deeper than a thread's stack.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use crate::structure::{Direction, Error, MAX_ENTRIES, MAX_PORTS, Port, Structure};

/// No node, no port.
pub(crate) const NONE: u32 = u32::MAX;

/// An edge, seen from the wave that it makes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    /// Index in [`Structure::entries`].
    pub entry: u32,
    /// The wave that goes in.
    pub source: u32,
}

/// The waves that inputs reach and outputs need.
pub(crate) struct Graph {
    /// First node that is an input; node `ports + i` is input `i`.
    pub ports: usize,
    /// The node that each output reads, or [`NONE`] where no light comes.
    pub rows: Vec<u32>,
    edge_start: Vec<u32>,
    edges: Vec<Edge>,
    block_of: Vec<u32>,
}

/// Lists of items by key, one after the other.
struct Lists {
    start: Vec<u32>,
    items: Vec<u32>,
}

impl Lists {
    fn new(keys: usize, of: &[u32]) -> Self {
        let mut start = vec![0u32; keys + 1];
        for &key in of {
            start[key as usize + 1] += 1;
        }
        for key in 0..keys {
            start[key + 1] += start[key];
        }
        let mut next = start.clone();
        let mut items = vec![0; of.len()];
        for (item, &key) in of.iter().enumerate() {
            items[next[key as usize] as usize] = item as u32;
            next[key as usize] += 1;
        }
        Self { start, items }
    }

    fn of(&self, key: u32) -> &[u32] {
        &self.items[self.start[key as usize] as usize..self.start[key as usize + 1] as usize]
    }
}

/// Numbers the ports of all blocks in one row.
struct Ports<'a> {
    structure: &'a Structure,
    offset: Vec<u32>,
}

impl<'a> Ports<'a> {
    fn new(structure: &'a Structure) -> Result<Self, Error> {
        let mut offset = Vec::with_capacity(structure.blocks.len() + 1);
        let mut total = 0usize;
        offset.push(0);
        for &ports in &structure.blocks {
            total = total.saturating_add(ports);
            if total > MAX_PORTS {
                return Err(Error::TooLarge { what: "the number of ports", size: total, limit: MAX_PORTS });
            }
            offset.push(total as u32);
        }
        Ok(Self { structure, offset })
    }

    fn number(&self, port: Port, place: &'static str, index: usize) -> Result<u32, Error> {
        match self.structure.blocks.get(port.block) {
            Some(&ports) if port.port < ports => Ok(self.offset[port.block] + port.port as u32),
            _ => Err(Error::UnknownPort { place, index, port }),
        }
    }

    fn total(&self) -> usize {
        self.offset[self.structure.blocks.len()] as usize
    }

    /// The node that feeds each port: that of the joined port, or an input.
    fn feeders(&self) -> Result<Vec<u32>, Error> {
        let mut feeder = vec![NONE; self.total()];
        for (index, &[a, b]) in self.structure.links.iter().enumerate() {
            let (i, j) = (self.number(a, "link", index)?, self.number(b, "link", index)?);
            if i == j {
                return Err(Error::SelfLink(a));
            }
            for (port, at, other) in [(a, i, j), (b, j, i)] {
                if feeder[at as usize] != NONE {
                    return Err(Error::JoinedTwice(port));
                }
                feeder[at as usize] = other;
            }
        }
        for (index, &port) in self.structure.inputs.iter().enumerate() {
            let at = self.number(port, "input", index)? as usize;
            if feeder[at] != NONE {
                return Err(Error::JoinedTwice(port));
            }
            feeder[at] = (self.total() + index) as u32;
        }
        Ok(feeder)
    }
}

impl Graph {
    /// Checks the structure and keeps what matters of it.
    pub fn new(structure: &Structure) -> Result<Self, Error> {
        let limit = |what, size, limit| if size > limit { Err(Error::TooLarge { what, size, limit }) } else { Ok(()) };
        limit("the number of entries", structure.entries.len(), MAX_ENTRIES)?;
        limit("the number of outputs", structure.outputs.len(), MAX_PORTS)?;
        limit("the number of links", structure.links.len(), MAX_PORTS)?;
        limit("the number of inputs", structure.inputs.len(), MAX_PORTS)?;
        let ports = Ports::new(structure)?;
        let feeder = ports.feeders()?;
        let (mut from, mut to) = (Vec::new(), Vec::new());
        for (index, entry) in structure.entries.iter().enumerate() {
            from.push(ports.number(Port { block: entry.block, port: entry.from }, "entry", index)?);
            to.push(ports.number(Port { block: entry.block, port: entry.to }, "entry", index)?);
        }
        let leaving = Lists::new(ports.total(), &from);
        let arriving = Lists::new(ports.total(), &to);
        refuse_duplicates(structure, &from, &arriving)?;
        let mut rows = Vec::with_capacity(structure.outputs.len());
        for (index, output) in structure.outputs.iter().enumerate() {
            let port = ports.number(output.port, "output", index)?;
            rows.push(match output.wave {
                Direction::Outgoing => port,
                Direction::Incoming => feeder[port as usize],
            });
        }
        let nodes = ports.total() + structure.inputs.len();
        let lit = lit(&ports, structure, &feeder, &leaving, &to);
        for row in rows.iter_mut().filter(|row| **row != NONE) {
            if !lit[*row as usize] {
                *row = NONE;
            }
        }
        let (edge_start, edges) = needed(nodes, &rows, &lit, &feeder, &arriving, &from);
        let block_of =
            structure.blocks.iter().enumerate().flat_map(|(b, &n)| std::iter::repeat_n(b as u32, n)).collect();
        Ok(Self { ports: ports.total(), rows, edge_start, edges, block_of })
    }

    /// Number of nodes, the ones that do not matter included.
    pub fn nodes(&self) -> usize {
        self.edge_start.len() - 1
    }

    /// The edges that make a wave.
    pub fn edges(&self, node: u32) -> &[Edge] {
        &self.edges[self.edge_start[node as usize] as usize..self.edge_start[node as usize + 1] as usize]
    }

    /// The block that a wave leaves; none for an input.
    pub fn block(&self, node: u32) -> Option<usize> {
        self.block_of.get(node as usize).map(|&block| block as usize)
    }

    /// The strongly connected components that the outputs need, each after all those that feed it (Tarjan 1972).
    ///
    /// Returns the nodes, component by component, and the bounds of the components.
    pub fn components(&self) -> (Vec<u32>, Vec<u32>) {
        let mut search = Search::new(self);
        for &row in self.rows.iter().filter(|&&row| row != NONE) {
            search.visit(row);
        }
        (search.order, search.bounds)
    }

    /// The blocks of one shortest loop through `start`, in the order in which light passes them.
    pub fn cycle(&self, start: u32) -> Vec<usize> {
        let mut next = HashMap::new();
        let mut queue = VecDeque::from([start]);
        'search: while let Some(node) = queue.pop_front() {
            for edge in self.edges(node) {
                if edge.source == start {
                    next.insert(start, node);
                    break 'search;
                }
                if let Entry::Vacant(unseen) = next.entry(edge.source) {
                    unseen.insert(node);
                    queue.push_back(edge.source);
                }
            }
        }
        let mut blocks: Vec<usize> = Vec::new();
        let mut node = start;
        loop {
            let block = self.block(node).unwrap_or_default();
            if blocks.last() != Some(&block) {
                blocks.push(block);
            }
            node = match next.get(&node) {
                Some(&following) if following != start => following,
                _ => return blocks,
            };
        }
    }
}

fn refuse_duplicates(structure: &Structure, from: &[u32], arriving: &Lists) -> Result<(), Error> {
    let mut seen = vec![NONE; arriving.start.len()];
    for to in 0..arriving.start.len() as u32 - 1 {
        for &entry in arriving.of(to) {
            let stamp = &mut seen[from[entry as usize] as usize];
            if *stamp == to {
                return Err(Error::DuplicateEntry(structure.entries[entry as usize]));
            }
            *stamp = to;
        }
    }
    Ok(())
}

/// The nodes that light from the inputs can reach.
fn lit(ports: &Ports, structure: &Structure, feeder: &[u32], leaving: &Lists, to: &[u32]) -> Vec<bool> {
    let total = ports.total();
    let mut lit = vec![false; total + structure.inputs.len()];
    lit[total..].fill(true);
    let mut entered: Vec<u32> =
        (0..total as u32).filter(|&p| feeder[p as usize] != NONE && feeder[p as usize] >= total as u32).collect();
    while let Some(port) = entered.pop() {
        for &entry in leaving.of(port) {
            let out = to[entry as usize];
            if !lit[out as usize] {
                lit[out as usize] = true;
                // What leaves a joined port enters the other one; joining is mutual, so that the feeder is the other.
                let other = feeder[out as usize];
                if other < total as u32 {
                    entered.push(other);
                }
            }
        }
    }
    lit
}

/// The edges between lit nodes that the rows need, by the node they make.
fn needed(
    nodes: usize,
    rows: &[u32],
    lit: &[bool],
    feeder: &[u32],
    arriving: &Lists,
    from: &[u32],
) -> (Vec<u32>, Vec<Edge>) {
    let mut needed = vec![false; nodes];
    let mut open = Vec::new();
    let ask = |node: u32, needed: &mut Vec<bool>, open: &mut Vec<u32>| {
        if !needed[node as usize] {
            needed[node as usize] = true;
            open.push(node);
        }
    };
    let ports = feeder.len();
    let sources = |node: u32| {
        let entries = if (node as usize) < ports { arriving.of(node) } else { &[] };
        entries.iter().filter_map(|&entry| {
            let source = feeder[from[entry as usize] as usize];
            (source != NONE && lit[source as usize]).then_some(Edge { entry, source })
        })
    };
    for &row in rows.iter().filter(|&&row| row != NONE) {
        ask(row, &mut needed, &mut open);
    }
    while let Some(node) = open.pop() {
        for edge in sources(node) {
            ask(edge.source, &mut needed, &mut open);
        }
    }
    let mut start = Vec::with_capacity(nodes + 1);
    let mut edges = Vec::new();
    for node in 0..nodes as u32 {
        start.push(edges.len() as u32);
        if needed[node as usize] {
            edges.extend(sources(node));
        }
    }
    start.push(edges.len() as u32);
    (start, edges)
}

/// The state of Tarjan's search.
struct Search<'a> {
    graph: &'a Graph,
    index: Vec<u32>,
    low: Vec<u32>,
    count: u32,
    stack: Vec<u32>,
    calls: Vec<(u32, u32)>,
    order: Vec<u32>,
    bounds: Vec<u32>,
}

/// Index of a node whose component is complete.
const DONE: u32 = u32::MAX - 1;

impl<'a> Search<'a> {
    fn new(graph: &'a Graph) -> Self {
        let nodes = graph.nodes();
        Self {
            graph,
            index: vec![NONE; nodes],
            low: vec![0; nodes],
            count: 0,
            stack: Vec::new(),
            calls: Vec::new(),
            order: Vec::new(),
            bounds: vec![0],
        }
    }

    fn enter(&mut self, node: u32) {
        self.index[node as usize] = self.count;
        self.low[node as usize] = self.count;
        self.count += 1;
        self.stack.push(node);
        self.calls.push((node, 0));
    }

    fn visit(&mut self, root: u32) {
        if self.index[root as usize] != NONE {
            return;
        }
        self.enter(root);
        while let Some(&mut (node, ref mut next)) = self.calls.last_mut() {
            if let Some(edge) = self.graph.edges(node).get(*next as usize) {
                *next += 1;
                match self.index[edge.source as usize] {
                    NONE => self.enter(edge.source),
                    DONE => {}
                    index => self.low[node as usize] = self.low[node as usize].min(index),
                }
                continue;
            }
            self.calls.pop();
            let low = self.low[node as usize];
            if let Some(&(caller, _)) = self.calls.last() {
                self.low[caller as usize] = self.low[caller as usize].min(low);
            }
            if low == self.index[node as usize] {
                self.complete(node);
            }
        }
    }

    /// Takes the component of `root` off the stack.
    fn complete(&mut self, root: u32) {
        while let Some(node) = self.stack.pop() {
            self.index[node as usize] = DONE;
            self.order.push(node);
            if node == root {
                break;
            }
        }
        self.bounds.push(self.order.len() as u32);
    }
}
