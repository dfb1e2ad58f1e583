//! In which order cells are done.

use std::fmt;

/// Why there is no such mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A cell couples modes that are not there, or a mode to itself.
    Cell {
        /// Number of the cell.
        cell: usize,
        /// Its modes.
        modes: (usize, usize),
        /// Number of modes of the mesh.
        n: usize,
    },
    /// More modes or cells than 2^31.
    Size,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Cell { cell, modes: (a, b), n } => {
                write!(f, "cell {cell} couples modes {a} and {b}; it takes two different modes below {n}")
            }
            Error::Size => write!(f, "a mesh has at most 2^31 modes and 2^31 cells"),
        }
    }
}

impl std::error::Error for Error {}

/// The modes of a mesh and its cells in the order in which light meets them.
#[derive(Clone, Debug)]
pub struct Mesh {
    pub(super) n: usize,
    /// Modes of the cells, sorted by level.
    pub(super) cells: Vec<[u32; 2]>,
    /// For each of `cells` its number for the caller; None where the orders are the same.
    pub(super) order: Option<Vec<u32>>,
    /// For each of `cells` its place among the cells of its group as they are done.
    pub(super) places: Vec<u32>,
    pub(super) groups: Vec<Group>,
    /// The most cells of a level.
    pub(super) widest: usize,
}

/// Levels that are loaded, and mostly done, together.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// First of `cells` of each level, and the end of the last.
    pub bounds: Vec<usize>,
    /// Of each level the first mode, if its cells are on (mode, mode + 1), (mode + 2, mode + 3), ..
    pub strips: Vec<Option<usize>>,
    pub runs: Vec<Run>,
    /// How many modes light can go up or down in the group.
    pub reach: usize,
}

impl Group {
    pub fn cells(&self) -> usize {
        self.bounds[self.bounds.len() - 1] - self.bounds[0]
    }

    pub fn depth(&self) -> usize {
        self.bounds.len() - 1
    }
}

/// Cells that are done in one loop.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Run {
    /// Cells on (a + k step, b + k step).
    Line { a: usize, b: usize, step: isize, count: usize },
    /// `columns` of `depth` cells, of levels one after the other. Cell j of column k is on (r, r + 1), r = row + 2 k - j.
    Front { row: usize, columns: usize, depth: usize },
}

impl Run {
    /// Levels that it does at once.
    pub fn depth(&self) -> usize {
        if let Run::Front { depth, .. } = self { *depth } else { 1 }
    }

    pub fn cells(&self) -> usize {
        match self {
            Run::Line { count, .. } => *count,
            Run::Front { columns, depth, .. } => columns * depth,
        }
    }
}

impl Mesh {
    /// A mesh of `n` modes, whose cells couple the modes (a, b).
    ///
    /// # Errors
    /// A cell with a mode that is not there, or with one mode twice; a mesh too large to be numbered.
    pub fn new(n: usize, cells: &[(usize, usize)]) -> Result<Mesh, Error> {
        if n > 1 << 31 || cells.len() > 1 << 31 {
            return Err(Error::Size);
        }
        if let Some(cell) = cells.iter().position(|&(a, b)| a == b || a.max(b) >= n) {
            return Err(Error::Cell { cell, modes: cells[cell], n });
        }
        let levels = levels(n, cells);
        let mut order: Vec<u32> = (0..cells.len() as u32).collect();
        order.sort_by_key(|&cell| levels[cell as usize]);
        let sorted: Vec<[u32; 2]> =
            order.iter().map(|&c| cells[c as usize]).map(|(a, b)| [a as u32, b as u32]).collect();
        let mut bounds = vec![0];
        for (i, pair) in order.windows(2).enumerate() {
            if levels[pair[0] as usize] != levels[pair[1] as usize] {
                bounds.push(i + 1);
            }
        }
        if !cells.is_empty() {
            bounds.push(cells.len());
        }
        let widest = bounds.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0);
        let mut mesh = Mesh { n, cells: sorted, order: None, places: vec![0; cells.len()], groups: Vec::new(), widest };
        mesh.order = (!order.is_sorted()).then_some(order);
        let mut rest = bounds.as_slice();
        while rest.len() > 1 {
            let depth = [4, 2, 1].into_iter().find(|d| rest.len() > *d).unwrap_or(1);
            mesh.group(&rest[..=depth]);
            rest = &rest[depth..];
        }
        Ok(mesh)
    }

    /// Number of modes.
    pub fn modes(&self) -> usize {
        self.n
    }

    /// Number of cells.
    pub fn cells(&self) -> usize {
        self.cells.len()
    }

    /// The number for the caller, and the modes, of the cell that is the `sorted`-th in the order of levels.
    pub(super) fn cell(&self, sorted: usize) -> (usize, [usize; 2]) {
        let number = self.order.as_ref().map_or(sorted, |order| order[sorted] as usize);
        (number, [self.cells[sorted][0] as usize, self.cells[sorted][1] as usize])
    }

    fn group(&mut self, bounds: &[usize]) {
        let runs = if self.is_brickwork(bounds) { self.columns(bounds) } else { Vec::new() };
        let runs = if runs.is_empty() { self.lines(bounds) } else { runs };
        let widths =
            |w: &[usize]| self.cells[w[0]..w[1]].iter().map(|[a, b]| a.abs_diff(*b) as usize).max().unwrap_or(0);
        let reach = bounds.windows(2).map(widths).sum();
        let strip = |w: &[usize]| {
            let cells = &self.cells[w[0]..w[1]];
            let first = cells[0][0];
            let follows = |(k, cell): (usize, &[u32; 2])| *cell == [first + 2 * k as u32, first + 2 * k as u32 + 1];
            cells.iter().enumerate().all(follows).then_some(first as usize)
        };
        let strips = bounds.windows(2).map(strip).collect();
        self.groups.push(Group { bounds: bounds.to_vec(), strips, runs, reach });
    }

    /// All cells couple neighbours, and the levels stand in brickwork: mode + level is even everywhere or odd everywhere.
    fn is_brickwork(&self, bounds: &[usize]) -> bool {
        let mut parities = bounds.windows(2).enumerate().flat_map(|(level, w)| {
            self.cells[w[0]..w[1]].iter().map(move |&[a, b]| (b == a + 1).then_some((a as usize + level) % 2))
        });
        let first = parities.next().flatten();
        first.is_some() && parities.all(|p| p == first)
    }

    /// Brickwork column by column: cell j of a column is one row above cell j - 1. Full columns that follow each other
    /// become a front.
    fn columns(&mut self, bounds: &[usize]) -> Vec<Run> {
        let depth = bounds.len() - 1;
        // (row of cell 0 of the column, level, cell)
        let mut all: Vec<(u32, usize, usize)> = Vec::new();
        for (level, w) in bounds.windows(2).enumerate() {
            all.extend((w[0]..w[1]).map(|cell| (self.cells[cell][0] + level as u32, level, cell)));
        }
        all.sort_unstable();
        for (place, &(_, _, cell)) in all.iter().enumerate() {
            self.places[cell] = place as u32;
        }
        let mut runs = Vec::new();
        for column in all.chunk_by(|x, y| x.0 == y.0) {
            let row = column[0].0 as usize;
            if column.len() == depth {
                match runs.last_mut() {
                    Some(Run::Front { row: first, columns, .. }) if *first + 2 * *columns == row => *columns += 1,
                    _ => runs.push(Run::Front { row, columns: 1, depth }),
                }
                continue;
            }
            for part in column.chunk_by(|x, y| x.1 + 1 == y.1) {
                let a = self.cells[part[0].2][0] as usize;
                runs.push(Run::Line { a, b: a + 1, step: -1, count: part.len() });
            }
        }
        runs
    }

    /// Level by level.
    fn lines(&mut self, bounds: &[usize]) -> Vec<Run> {
        let mut runs = Vec::new();
        for w in bounds.windows(2) {
            for cell in w[0]..w[1] {
                self.places[cell] = (cell - bounds[0]) as u32;
                let [a, b] = self.cells[cell].map(|mode| mode as usize);
                if cell > w[0]
                    && let Some(Run::Line { a: first, b: other, step, count }) = runs.last_mut()
                    && b as isize - a as isize == *other as isize - *first as isize
                {
                    if *count == 1 {
                        *step = a as isize - *first as isize;
                    }
                    if a as isize == *first as isize + *count as isize * *step {
                        *count += 1;
                        continue;
                    }
                }
                runs.push(Run::Line { a, b, step: 0, count: 1 });
            }
        }
        runs
    }
}

/// The earliest level of each cell: one after the last cell that shares a mode.
fn levels(n: usize, cells: &[(usize, usize)]) -> Vec<u32> {
    let mut reached = vec![0; n];
    let level = |&(a, b): &(usize, usize)| {
        let level = reached[a].max(reached[b]);
        (reached[a], reached[b]) = (level + 1, level + 1);
        level
    };
    cells.iter().map(level).collect()
}
