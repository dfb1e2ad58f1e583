//! What a plan consists of, for people.

use std::fmt;

/// What a plan consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Waves of the circuit: one leaving each port.
    pub waves: usize,
    /// Waves that inputs reach and outputs need. The others are not computed.
    pub needed: usize,
    /// Needed waves outside loops, computed one after the other.
    pub swept: usize,
    /// The loops, in the order in which they are solved.
    pub loops: Vec<Loop>,
}

/// Waves that depend on each other, as in a ring or between two mirrors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loop {
    /// The blocks that these waves leave, ascending.
    pub blocks: Vec<usize>,
    /// Number of waves.
    pub waves: usize,
    /// Number of entries of blocks that couple them.
    pub couplings: usize,
    /// How it is solved.
    pub solver: Solver,
    /// Why it is solved so.
    pub why: &'static str,
}

/// How a loop is solved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Solver {
    /// Wave after wave, without pivoting; where that is not accurate for the values at hand, by an LU.
    Elimination {
        /// Complex products per wavelength.
        operations: usize,
        /// Couplings that arise on the way.
        fill: usize,
    },
    /// Sparse LU with partial pivoting.
    Sparse,
    /// Dense LU with partial pivoting.
    Dense,
}

impl fmt::Display for Solver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elimination { operations, fill } => {
                write!(f, "elimination, {operations} complex products per wavelength, fill {fill}")
            }
            Self::Sparse => f.write_str("sparse LU"),
            Self::Dense => f.write_str("dense LU"),
        }
    }
}

/// Most kinds of loops that are listed one by one.
const LISTED: usize = 10;

impl fmt::Display for Parts {
    /// The waves on the first line, then a line for each kind of loop, the largest first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} waves are needed; {} by a feed-forward sweep", self.needed, self.waves, self.swept)?;
        let mut kinds: Vec<(usize, &Loop)> = Vec::new();
        let mut loops: Vec<&Loop> = self.loops.iter().collect();
        loops.sort_by_key(|part| std::cmp::Reverse((part.waves, part.couplings, part.solver)));
        for part in loops {
            match kinds.last_mut() {
                Some((count, last))
                    if (last.waves, last.couplings, last.solver) == (part.waves, part.couplings, part.solver) =>
                {
                    *count += 1
                }
                _ => kinds.push((1, part)),
            }
        }
        for (count, part) in kinds.iter().take(LISTED) {
            let count = if *count > 1 { format!("{count} loops, each") } else { "a loop".to_owned() };
            let Loop { waves, couplings, solver, why, .. } = part;
            write!(f, "\n{count} of {waves} waves, {couplings} couplings: {solver} ({why})")?;
        }
        if kinds.len() > LISTED {
            let rest: usize = kinds[LISTED..].iter().map(|(count, _)| count).sum();
            write!(f, "\n{rest} smaller loops")?;
        }
        Ok(())
    }
}
