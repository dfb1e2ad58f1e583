//! What a circuit of blocks is made of, and what can be wrong with it.

use thiserror::Error;

/// Most ports that a circuit may have, over all its blocks.
pub const MAX_PORTS: usize = 1 << 22;
/// Most entries that the scattering matrices of a circuit may have, over all its blocks.
pub const MAX_ENTRIES: usize = 1 << 25;

/// A port of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Port {
    /// Index of the block in [`Structure::blocks`].
    pub block: usize,
    /// Index of the port in its block.
    pub port: usize,
}

/// An entry of the scattering matrix of a block that may differ from zero.
///
/// Its value is the amplitude that leaves port `to` for a unit amplitude that enters port `from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Index of the block in [`Structure::blocks`].
    pub block: usize,
    /// Port where the light enters.
    pub from: usize,
    /// Port where the light leaves.
    pub to: usize,
}

/// Which of the two waves at a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The wave that enters the block through this port.
    Incoming,
    /// The wave that leaves the block through this port.
    Outgoing,
}

/// A wave that is asked for: a row of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Output {
    /// The port, joined to another one (a probe inside the circuit) or not.
    pub port: Port,
    /// Which wave there. What leaves the circuit by an outer port is [`Direction::Outgoing`].
    pub wave: Direction,
}

impl Output {
    /// The light that leaves the block by `port`.
    pub fn leaving(port: Port) -> Self {
        Self { port, wave: Direction::Outgoing }
    }
}

/// A circuit without its numbers.
///
/// A port that is neither joined nor an input is matched: nothing enters there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Structure {
    /// The number of ports of each block.
    pub blocks: Vec<usize>,
    /// The entries that may differ from zero; their order is that of the values given to a solve.
    pub entries: Vec<Entry>,
    /// Pairs of ports that are joined without loss, phase or reflection.
    pub links: Vec<[Port; 2]>,
    /// The outer ports that light enters: the columns of the result.
    pub inputs: Vec<Port>,
    /// The waves that are asked for: the rows of the result.
    pub outputs: Vec<Output>,
}

/// What can go wrong. Blocks and entries are named by their index in the [`Structure`].
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// A port that its block does not have.
    #[error("{place} {index} names port {} of block {}, which does not exist", port.port, port.block)]
    UnknownPort {
        /// What names it: `entry`, `link`, `input` or `output`.
        place: &'static str,
        /// Index in the list of that kind.
        index: usize,
        /// The port that is named.
        port: Port,
    },
    /// A port joined to itself.
    #[error("port {} of block {} is joined to itself; a port can only be joined to another one", .0.port, .0.block)]
    SelfLink(Port),
    /// A port that is joined twice, or lit from outside although it is joined.
    #[error("port {} of block {} is joined twice; a port takes one link or one input", .0.port, .0.block)]
    JoinedTwice(Port),
    /// Two entries for the same pair of ports.
    #[error("the entry from port {} to port {} of block {} is listed twice", .0.from, .0.to, .0.block)]
    DuplicateEntry(Entry),
    /// Light can come back to where it was, but a feed-forward circuit was asked for.
    #[error(
        "the circuit has feedback: light goes round through the blocks {blocks:?}; a feed-forward solve cannot do that"
    )]
    Feedback {
        /// The blocks of one loop, in the order in which light passes them.
        blocks: Vec<usize>,
    },
    /// A size beyond the limits.
    #[error("too large: {what} is {size}, at most {limit} can be handled")]
    TooLarge {
        /// Which size.
        what: &'static str,
        /// How large it is.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// A loop whose sparse LU does not fit in memory.
    #[error("a loop of {waves} waves is coupled too strongly: its sparse LU does not fit in memory")]
    Memory {
        /// The number of its waves.
        waves: usize,
    },
    /// A slice of another length than the plan needs.
    #[error("{what} has {found} numbers, the circuit needs {expected}")]
    Length {
        /// Which argument.
        what: &'static str,
        /// The length that is needed.
        expected: usize,
        /// The length that was given.
        found: usize,
    },
    /// The waves of a loop are not determined: light goes round it without loss, in resonance.
    #[error(
        "no steady state at lane {lane}: light goes round through the blocks {blocks:?} without loss, in resonance; \
         give the loop some loss, or move the wavelength off the resonance"
    )]
    Singular {
        /// Index of the lane (wavelength).
        lane: usize,
        /// The blocks where the trapped light is strongest, at most eight.
        blocks: Vec<usize>,
    },
    /// The result is infinite or not a number.
    #[error(
        "the result at lane {lane} is not finite: a value of a block or a cotangent is infinite or not a \
         number, or amplification overflows"
    )]
    NotFinite {
        /// Index of the lane (wavelength).
        lane: usize,
    },
}
