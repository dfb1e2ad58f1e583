//! Paths with globs: which instances and slots of a flattened circuit they name.
//!
//! A path is `name<index>.name<index>..`. `*` and `?` stay within one name and one index, `**` crosses dots; a name
//! without an index means all indices; an index is a number, `*` or a range `a-b` for each of its dimensions.

use crate::{Flat, Index};
use blackbeam_source::did_you_mean;
use std::sync::Arc;

/// Why a text is not a path, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPattern(pub String);

/// Finds what patterns name in one circuit.
pub struct Selector<'a> {
    flat: &'a Flat,
}

/// What a pattern names, each in the order of the circuit.
#[derive(Clone, Debug, Default)]
pub struct Matches {
    /// Instances, leaves and sub-circuits: indices into `Flat::owners`.
    pub owners: Vec<usize>,
    /// Slots, where the last name of the pattern is that of a setting: indices into `Flat::slots`.
    pub slots: Vec<usize>,
    /// Names of instances and slots that were looked at.
    pub compared: usize,
    /// Components of the caller of which a part of the pattern is left, for places inside that only the caller knows.
    pub inside: Vec<Inside>,
}

impl Matches {
    /// True if nothing is named for sure; something inside of a component of the caller still may be.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty() && self.slots.is_empty()
    }
}

/// The rest of a pattern, inside of a component of the caller.
#[derive(Clone, Debug)]
pub struct Inside {
    /// The instance.
    pub owner: usize,
    pattern: Arc<Pattern>,
    state: u64,
}

impl Inside {
    /// True if the pattern names the place `path` inside of the instance: [("m", Grid(0, 1)), ("coupler0", None)].
    pub fn names(&self, path: &[(&str, Index)]) -> bool {
        let state = path.iter().fold(self.state, |state, (name, index)| self.pattern.step(state, name, *index));
        self.pattern.is_complete(state)
    }
}

/// A pattern: the names between dots.
#[derive(Debug)]
struct Pattern {
    segments: Vec<Segment>,
}

/// One name of a pattern.
#[derive(Debug, PartialEq)]
enum Segment {
    /// `**`: any number of names.
    Deep,
    /// A name with globs, and what its index may be.
    Name { name: String, plain: bool, index: IndexPattern },
}

#[derive(Clone, Debug, PartialEq)]
enum IndexPattern {
    Any,
    /// One range per dimension, both ends included.
    Each(Vec<(u32, u32)>),
}

/// Most names in a pattern: its states are the bits of a word.
const MAX_SEGMENTS: usize = 60;
/// Longest pattern, bytes.
const MAX_LENGTH: usize = 2000;

impl IndexPattern {
    fn fits(&self, index: Index) -> bool {
        let IndexPattern::Each(ranges) = self else { return true };
        let within = |(a, b): (u32, u32), k: u32| (a..=b).contains(&k);
        match (ranges.as_slice(), index) {
            ([x], Index::Line(k)) => within(*x, k),
            ([x, y], Index::Grid(a, b)) => within(*x, a) && within(*y, b),
            _ => false,
        }
    }
}

impl Pattern {
    /// State before the first name. Bit i of a state: the first i segments are used up.
    fn start(&self) -> u64 {
        self.skip_deep(1)
    }

    /// `**` may stand for nothing.
    fn skip_deep(&self, mut state: u64) -> u64 {
        for (i, segment) in self.segments.iter().enumerate() {
            if *segment == Segment::Deep && state >> i & 1 == 1 {
                state |= 1 << (i + 1);
            }
        }
        state
    }

    fn step(&self, state: u64, name: &str, index: Index) -> u64 {
        let mut next = 0;
        for (i, segment) in self.segments.iter().enumerate().filter(|(i, _)| state >> i & 1 == 1) {
            match segment {
                Segment::Deep => next |= 1 << i,
                Segment::Name { name: pattern, plain, index: indices } => {
                    let fits = if *plain { pattern == name } else { glob(pattern, name) };
                    if fits && indices.fits(index) {
                        next |= 1 << (i + 1);
                    }
                }
            }
        }
        if next == 0 { 0 } else { self.skip_deep(next) }
    }

    fn is_complete(&self, state: u64) -> bool {
        state >> self.segments.len() & 1 == 1
    }

    /// Splits at the dots that are not within `<>`.
    fn parse(text: &str) -> Result<Pattern, BadPattern> {
        let bad = |what: String| Err(BadPattern(what));
        if text.len() > MAX_LENGTH {
            return bad(format!("it has {} bytes; at most {MAX_LENGTH} are read", text.len()));
        }
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
        for part in text.split(split) {
            let (name, index) = match part.split_once('<') {
                None => (part, IndexPattern::Any),
                Some((name, rest)) => {
                    let Some(inner) = rest.strip_suffix('>') else {
                        return bad(format!("`{part}` has no `>` at its end"));
                    };
                    (name, parse_index(inner)?)
                }
            };
            if name.is_empty() || name.contains('>') {
                return bad(String::from("a path is `instance.setting` or `instance<0.*>.inner.setting`"));
            }
            segments.push(match name {
                "**" if index == IndexPattern::Any => Segment::Deep,
                _ => Segment::Name { name: name.into(), plain: !name.contains(['*', '?']), index },
            });
        }
        if segments.len() > MAX_SEGMENTS {
            return bad(format!("it has more than {MAX_SEGMENTS} names"));
        }
        Ok(Pattern { segments })
    }
}

fn parse_index(inner: &str) -> Result<IndexPattern, BadPattern> {
    let number = |s: &str| s.parse::<u32>().ok();
    let one = |s: &str| match s.split_once('-') {
        _ if s == "*" => Some((0, u32::MAX)),
        Some((a, b)) => Some((number(a)?, number(b)?)),
        None => number(s).map(|k| (k, k)),
    };
    let ranges: Option<Vec<_>> = inner.split('.').map(one).collect();
    let Some(ranges) = ranges.filter(|ranges| ranges.len() <= 2) else {
        return Err(BadPattern(format!("`<{inner}>` is not an index such as `<3.1>`, `<0.*>` or `<0-3>`")));
    };
    if let Some((a, b)) = ranges.iter().find(|(a, b)| a > b) {
        return Err(BadPattern(format!("the range {a}-{b} is in the wrong order")));
    }
    Ok(IndexPattern::Each(ranges))
}

impl<'a> Selector<'a> {
    /// A finder for `flat`.
    pub fn new(flat: &'a Flat) -> Self {
        Selector { flat }
    }

    /// What `pattern` names. Takes time in proportion to the number of instances and slots.
    ///
    /// # Errors
    /// If it is not a path.
    pub fn select(&self, pattern: &str) -> Result<Matches, BadPattern> {
        let pattern = Arc::new(Pattern::parse(pattern)?);
        let states = self.states(&pattern);
        let mut matches = Matches { compared: states.len(), ..Matches::default() };
        for (k, owner) in self.flat.owners.iter().enumerate() {
            let state = states[k];
            if state == 0 {
                continue;
            }
            if pattern.is_complete(state) && !owner.path.is_empty() {
                matches.owners.push(k);
            }
            let slots = owner.slots.clone();
            matches.compared += slots.len();
            matches.slots.extend(slots.filter(|slot| pattern.is_complete(self.step_slot(&pattern, state, *slot))));
            let is_foreign = owner.leaf.is_some_and(|leaf| self.flat.leaves[leaf].settings.is_some());
            if is_foreign && state & !(1 << pattern.segments.len()) != 0 {
                matches.inside.push(Inside { owner: k, pattern: pattern.clone(), state });
            }
        }
        Ok(matches)
    }

    /// The state of the pattern at each owner. Parents come before children.
    fn states(&self, pattern: &Pattern) -> Vec<u64> {
        let mut states: Vec<u64> = Vec::with_capacity(self.flat.owners.len());
        for owner in &self.flat.owners {
            let around = owner.parent.map_or_else(|| pattern.start(), |parent| states[parent]);
            states.push(match owner.path.last() {
                _ if around == 0 => 0,
                Some(part) => pattern.step(around, &part.name, part.index),
                None => around,
            });
        }
        states
    }

    /// The name of a slot may have dots.
    fn step_slot(&self, pattern: &Pattern, state: u64, slot: usize) -> u64 {
        let slot = &self.flat.slots[slot];
        match slot.name.rsplit_once('.') {
            None => pattern.step(state, &slot.name, slot.index),
            Some((first, last)) => {
                let state = first.split('.').fold(state, |state, name| pattern.step(state, name, Index::None));
                pattern.step(state, last, slot.index)
            }
        }
    }

    /// For a pattern that names nothing: what to do, for people. How far the pattern gets, and a name that is near
    /// where it ends.
    pub fn suggest(&self, pattern: &str) -> Vec<String> {
        let Ok(pattern) = Pattern::parse(pattern) else { return Vec::new() };
        let states = self.states(&pattern);
        let furthest = |state: &u64| state.checked_ilog2().unwrap_or(0) as usize;
        let reached = states.iter().map(furthest).max().unwrap_or(0).min(pattern.segments.len().saturating_sub(1));
        let Some(Segment::Name { name, index, .. }) = pattern.segments.get(reached) else { return Vec::new() };
        // names that could stand at the segment where it ends
        let mut names: Vec<(&str, Index)> = Vec::new();
        for (k, owner) in self.flat.owners.iter().enumerate() {
            let around = owner.parent.map_or_else(|| pattern.start(), |parent| states[parent]);
            if around >> reached & 1 == 1
                && let Some(part) = owner.path.last()
            {
                names.push((&part.name, part.index));
            }
            let here = if owner.path.is_empty() { pattern.start() } else { states[k] };
            if here >> reached & 1 == 1 {
                names.extend(self.flat.slots[owner.slots.clone()].iter().map(|slot| (&*slot.name, slot.index)));
            }
        }
        names.sort();
        let mut help = Vec::new();
        if let Some((_, known)) = names.iter().find(|(known, at)| known == name && !index.fits(*at)) {
            help.push(match known {
                Index::None => format!("`{name}` has no index"),
                _ => format!("the indices of `{name}` are {}", span_of(&names, name)),
            });
            return help;
        }
        names.dedup_by_key(|(name, _)| *name);
        help.extend(did_you_mean(name, names.iter().map(|(name, _)| *name)));
        let shown: Vec<String> = names.iter().take(12).map(|(name, _)| format!("`{name}`")).collect();
        if !shown.is_empty() {
            let more = if names.len() > 12 { ", ..." } else { "" };
            help.push(format!("names there: {}{more}", shown.join(", ")));
        }
        help
    }
}

/// `<0.0> to <3.1>`: first and last index of a name.
fn span_of(names: &[(&str, Index)], name: &str) -> String {
    let mut indices = names.iter().filter(|(known, _)| *known == name).map(|(_, index)| index);
    match (indices.next(), indices.next_back()) {
        (Some(first), Some(last)) => format!("{first} to {last}"),
        (Some(only), None) => format!("{only}"),
        _ => String::new(),
    }
}

/// `*` is any text, `?` any character. Goes back to the last `*` only, so that it takes no more than the product of the
/// two lengths.
pub fn glob(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
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
