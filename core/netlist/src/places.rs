//! Paths with globs: which places of the device they name.
//!
//! A path is `instance.name<index>`, or deeper. `*` and `?` stay within one name and one index, `**` crosses dots; a name
//! without an index means all indices; an index is a number, `*` or a range `a-b` for each of its dimensions.

use crate::circuit::{Generator, Mesh};

/// A kind of place within the generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    /// The instance itself; one element.
    Whole,
    /// Mesh: parameters theta, one a cell.
    Theta,
    /// Mesh: parameters phi, one a cell.
    Phi,
    /// Mesh: parameters gamma, one a mode.
    Gamma,
    /// Mesh: cells.
    Cell,
    /// Mesh: one coupler of each cell.
    Coupler(u8),
    /// Mesh: one arm of each cell.
    Arm(u8),
    /// Bank: parameters phi, one a ring.
    RingPhase,
    /// Bank: rings.
    Ring,
    /// SLM: parameters phase, one a pixel.
    PixelPhase,
    /// Input ports.
    In,
    /// Output ports.
    Out,
}

impl Class {
    /// True for parameters.
    pub(crate) fn is_parameter(self) -> bool {
        matches!(self, Class::Theta | Class::Phi | Class::Gamma | Class::RingPhase | Class::PixelPhase)
    }
}

/// Places of one class, by element index, in order.
pub(crate) struct Selection {
    pub(crate) class: Class,
    pub(crate) elements: Vec<usize>,
}

/// Why a path names nothing.
#[derive(Debug, PartialEq)]
pub(crate) enum Miss {
    /// It is not a path; what is wrong.
    Syntax(String),
    /// Nothing of that name or index.
    Nothing,
}

/// The places of a device.
pub(crate) struct Places {
    instance: String,
    generator: Generator,
    classes: Vec<(Class, Vec<&'static str>)>,
}

impl Places {
    pub(crate) fn new(instance: &str, generator: &Generator) -> Self {
        let mut classes = vec![(Class::Whole, vec![])];
        match generator {
            Generator::Mesh(mesh) => {
                classes.extend([(Class::Theta, vec!["theta"]), (Class::Phi, vec!["phi"])]);
                if mesh.output_phases {
                    classes.push((Class::Gamma, vec!["gamma"]));
                }
                classes.push((Class::Cell, vec!["m"]));
                for (k, name) in ["coupler0", "coupler1", "coupler2"].into_iter().take(mesh.cell.couplers()).enumerate()
                {
                    classes.push((Class::Coupler(k as u8), vec!["m", name]));
                }
                classes.extend([(Class::Arm(0), vec!["m", "arm0"]), (Class::Arm(1), vec!["m", "arm1"])]);
            }
            Generator::MrrBank(_) => classes.extend([
                (Class::RingPhase, vec!["phi"]),
                (Class::RingPhase, vec!["r", "phi"]),
                (Class::Ring, vec!["r"]),
            ]),
            Generator::SlmMatvec(_) => classes.push((Class::PixelPhase, vec!["phase"])),
        }
        classes.extend([(Class::In, vec!["in"]), (Class::Out, vec!["out"])]);
        Places { instance: instance.into(), generator: generator.clone(), classes }
    }

    /// Number of inputs and of outputs.
    pub(crate) fn widths(&self) -> (usize, usize) {
        match &self.generator {
            Generator::Mesh(m) => (m.n, m.n),
            Generator::MrrBank(b) => (b.columns, b.rows),
            Generator::SlmMatvec(s) => (s.n_in, s.n_out),
        }
    }

    /// The names that paths can have, without indices.
    pub(crate) fn known(&self) -> Vec<String> {
        let join = |names: &Vec<&str>| names.iter().fold(self.instance.clone(), |path, name| path + "." + name);
        self.classes.iter().map(|(_, names)| join(names)).collect()
    }

    /// The places that `pattern` names.
    pub(crate) fn select(&self, pattern: &str) -> Result<Vec<Selection>, Miss> {
        let segments = parse(pattern)?;
        let mut found: Vec<Selection> = Vec::new();
        for (class, names) in &self.classes {
            let path: Vec<&str> = std::iter::once(self.instance.as_str()).chain(names.iter().copied()).collect();
            let Some(indices) = match_path(&segments, &path) else { continue };
            if found.iter().any(|s| s.class == *class) {
                continue;
            }
            let elements = self.elements(*class, &indices)?;
            if !elements.is_empty() {
                found.push(Selection { class: *class, elements });
            }
        }
        if found.is_empty() { Err(Miss::Nothing) } else { Ok(found) }
    }

    /// The elements of a class whose index fits; `indices` holds one pattern per name of the path.
    fn elements(&self, class: Class, indices: &[Index]) -> Result<Vec<usize>, Miss> {
        // the index belongs to the name after the instance (`m<1.0>.coupler0`, `r<0.1>.phi`), or to the last one
        let index = indices.iter().skip(1).find(|i| **i != Index::Any).unwrap_or(&Index::Any);
        if indices.first().is_some_and(|i| *i != Index::Any) {
            return Err(Miss::Syntax(format!("`{}` is one instance, it has no index", self.instance)));
        }
        let grid = |rows: usize, columns: usize| {
            let fits = move |k: &usize| index.fits(&[k / columns, k % columns]);
            check_dimensions(index, 2).map(|()| (0..rows * columns).filter(fits).collect())
        };
        let line = |n: usize| check_dimensions(index, 1).map(|()| (0..n).filter(|k| index.fits(&[*k])).collect());
        match (&self.generator, class) {
            (_, Class::Whole) => Ok(vec![0]),
            (_, Class::In) => line(self.widths().0),
            (_, Class::Out) => line(self.widths().1),
            (Generator::Mesh(mesh), Class::Gamma) => line(mesh.n),
            (Generator::Mesh(mesh), _) => {
                check_dimensions(index, 2)?;
                let places = cells(mesh).enumerate();
                Ok(places.filter(|(_, (layer, row))| index.fits(&[*layer, *row])).map(|(k, _)| k).collect())
            }
            (Generator::MrrBank(bank), _) => grid(bank.rows, bank.columns),
            (Generator::SlmMatvec(slm), _) => grid(slm.n_out, slm.n_in),
        }
    }
}

/// (layer, row) of the cells of a rectangular mesh, in order.
pub(crate) fn cells(mesh: &Mesh) -> impl Iterator<Item = (usize, usize)> + use<> {
    let n = mesh.n;
    (0..n).flat_map(move |layer| (0..(n - layer % 2) / 2).map(move |row| (layer, row)))
}

/// Number of cells of a mesh.
pub(crate) fn cell_count(mesh: &Mesh) -> usize {
    mesh.n * (mesh.n - 1) / 2
}

/// One name of a pattern.
#[derive(Debug, PartialEq)]
struct Segment {
    name: String,
    index: Index,
}

/// What an index may be.
#[derive(Clone, Debug, PartialEq)]
enum Index {
    /// Any, in any number of dimensions.
    Any,
    /// One range per dimension, both ends included.
    Each(Vec<(usize, usize)>),
}

impl Index {
    fn fits(&self, at: &[usize]) -> bool {
        match self {
            Index::Any => true,
            Index::Each(ranges) => ranges.iter().zip(at).all(|((a, b), k)| (a..=b).contains(&k)),
        }
    }
}

fn check_dimensions(index: &Index, expected: usize) -> Result<(), Miss> {
    match index {
        Index::Each(ranges) if ranges.len() != expected => {
            let message = format!("the index has {} number(s), this place has {expected}", ranges.len());
            Err(Miss::Syntax(message))
        }
        _ => Ok(()),
    }
}

/// Most names in a path; none of a device has more than three.
const MAX_SEGMENTS: usize = 8;

/// Splits at the dots that are not within `<>`.
fn parse(pattern: &str) -> Result<Vec<Segment>, Miss> {
    let mut segments = Vec::new();
    let mut depth = 0;
    let split = |c: char| {
        match c {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ => {}
        }
        c == '.' && depth == 0
    };
    for text in pattern.split(split) {
        let (name, index) = match text.split_once('<') {
            None => (text, Index::Any),
            Some((name, rest)) => {
                let inner =
                    rest.strip_suffix('>').ok_or_else(|| Miss::Syntax(format!("`{text}` has no `>` at its end")))?;
                (name, parse_index(inner)?)
            }
        };
        if name.is_empty() || name.contains('>') {
            return Err(Miss::Syntax(format!("`{pattern}` is not a path such as `U.theta` or `U.m<0.*>.coupler0`")));
        }
        segments.push(Segment { name: name.into(), index });
        if segments.len() > MAX_SEGMENTS {
            return Err(Miss::Syntax(format!("the path has more than {MAX_SEGMENTS} names")));
        }
    }
    Ok(segments)
}

fn parse_index(inner: &str) -> Result<Index, Miss> {
    let number = |s: &str| s.parse::<usize>().ok();
    let one = |s: &str| match s.split_once('-') {
        _ if s == "*" => Some((0, usize::MAX)),
        Some((a, b)) => Some((number(a)?, number(b)?)),
        None => number(s).map(|k| (k, k)),
    };
    let ranges: Option<Vec<_>> = inner.split('.').map(one).collect();
    ranges
        .map(Index::Each)
        .ok_or_else(|| Miss::Syntax(format!("`<{inner}>` is not an index such as `<3.1>`, `<0.*>` or `<0-3>`")))
}

/// Matches a pattern against a path of names; gives the pattern of each name's index.
fn match_path(segments: &[Segment], path: &[&str]) -> Option<Vec<Index>> {
    match (segments.split_first(), path.split_first()) {
        (None, None) => Some(Vec::new()),
        (Some((segment, rest)), _) if segment.name == "**" => (0..=path.len()).find_map(|skip| {
            let indices = match_path(rest, &path[skip..])?;
            Some(vec![Index::Any; skip].into_iter().chain(indices).collect())
        }),
        (Some((segment, rest)), Some((name, names))) => {
            let index = match_name(segment, name)?;
            let mut indices = match_path(rest, names)?;
            indices.insert(0, index);
            Some(indices)
        }
        _ => None,
    }
}

/// `in3` is `in<3>`.
fn match_name(segment: &Segment, name: &str) -> Option<Index> {
    if glob(segment.name.as_bytes(), name.as_bytes()) {
        return Some(segment.index.clone());
    }
    let digits =
        segment.name.strip_prefix(name).filter(|_| segment.index == Index::Any && (name == "in" || name == "out"))?;
    let k = digits.parse().ok()?;
    Some(Index::Each(vec![(k, k)]))
}

/// `*` is any text, `?` any character. Goes back to the last `*` only, so that it takes no more than the product of the
/// two lengths.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, skipped)) = star else { return false };
                star = Some((at, skipped + 1));
                p = at + 1;
                n = skipped + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::{Arrangement, Cell, MrrBank, RingWeight};

    fn mesh(n: usize) -> Places {
        let mesh = Mesh { n, arrangement: Arrangement::Clements, cell: Cell::Mzi, output_phases: true };
        Places::new("U", &Generator::Mesh(mesh))
    }

    fn bank() -> Places {
        let weight = RingWeight::AllPassPower;
        Places::new(
            "b",
            &Generator::MrrBank(MrrBank { rows: 2, columns: 3, a: 0.9, r: 0.9, r2: 0.9, weight, scale: 1.0 }),
        )
    }

    fn one(places: &Places, pattern: &str) -> (Class, Vec<usize>) {
        let mut all = places.select(pattern).unwrap();
        assert_eq!(all.len(), 1, "{pattern}");
        let only = all.remove(0);
        (only.class, only.elements)
    }

    #[test]
    fn indices_of_a_mesh() {
        // 4 modes: layers of 2, 1, 2, 1 cells
        let m = mesh(4);
        assert_eq!(one(&m, "U.theta"), (Class::Theta, (0..6).collect()));
        assert_eq!(one(&m, "U.theta<2.*>"), (Class::Theta, vec![3, 4]));
        assert_eq!(one(&m, "*.phi<*.1>"), (Class::Phi, vec![1, 4]));
        assert_eq!(one(&m, "U.m<1-2.0>.arm1"), (Class::Arm(1), vec![2, 3]));
        assert_eq!(one(&m, "U.m*"), (Class::Cell, (0..6).collect()));
        assert_eq!(one(&m, "U.gamma<3>"), (Class::Gamma, vec![3]));
        assert_eq!(one(&m, "U.in2"), (Class::In, vec![2]));
        assert_eq!(one(&m, "U.out*"), (Class::Out, (0..4).collect()));
        assert_eq!(one(&m, "*"), (Class::Whole, vec![0]));
        let couplers: Vec<Class> = m.select("**.coupler*").unwrap().iter().map(|s| s.class).collect();
        assert_eq!(couplers, [Class::Coupler(0), Class::Coupler(1)]);
        assert_eq!(
            cells(&Mesh { n: 5, arrangement: Arrangement::Clements, cell: Cell::Mzi, output_phases: true }).count(),
            10
        );
    }

    #[test]
    fn indices_of_a_bank() {
        let b = bank();
        assert_eq!(one(&b, "b.phi"), (Class::RingPhase, (0..6).collect()));
        assert_eq!(one(&b, "b.r<1.*>.phi"), (Class::RingPhase, vec![3, 4, 5]));
        assert_eq!(one(&b, "b.r<*.2>"), (Class::Ring, vec![2, 5]));
        assert_eq!(b.widths(), (3, 2));
    }

    #[test]
    fn what_names_nothing() {
        let m = mesh(4);
        let miss = |p: &str| m.select(p).err().unwrap();
        for p in ["U.thta", "V.theta", "U.theta<4.0>", "U.theta<1.1>", "U.in4", "U.m.coupler2", "U.theta.x", "theta"] {
            assert_eq!(miss(p), Miss::Nothing, "{p}");
        }
        for p in
            ["", "U..theta", "U.theta<1", "U.theta<1>", "U.theta<x.0>", "U<0.0>.theta", "U.gamma<0.0>", "U.<1>", "U>.a"]
        {
            assert!(matches!(miss(p), Miss::Syntax(_)), "{p}: {:?}", miss(p));
        }
    }
}
