//! The flattened circuit.

use crate::Expr;
use blackbeam_source::{Node, Span};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A circuit without hierarchy: leaves with their settings, joined ports, outer ports.
#[derive(Clone, Debug, Default)]
pub struct Flat {
    /// `name` of the netlist.
    pub name: Option<String>,
    /// Sub-circuit instances and leaves, parents before children, in the order of the file. If the netlist itself has
    /// settings, the first is the netlist, with an empty path.
    pub owners: Vec<Owner>,
    /// The leaves, in order.
    pub leaves: Vec<Instance>,
    /// Numbers that can be set: settings of leaves and of sub-circuit instances, in the order of `owners`. An
    /// expression only names slots before its own.
    pub slots: Vec<Slot>,
    /// Joined ports.
    pub links: Vec<Link>,
    /// Outer ports in the order of the file.
    pub ports: Vec<FlatPort>,
    /// Probes: (name, port inside).
    pub probes: Vec<FlatPort>,
}

/// Place in an array: `<3>` or `<0.1>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Index {
    /// Not in an array.
    #[default]
    None,
    /// In a line.
    Line(u32),
    /// In a grid: (column, row) of an array of instances.
    Grid(u32, u32),
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Index::None => Ok(()),
            Index::Line(k) => write!(f, "<{k}>"),
            Index::Grid(a, b) => write!(f, "<{a}.{b}>"),
        }
    }
}

/// One name of a path, with its place in an array if there is one: `dc<0.1>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathPart {
    /// Name of the instance.
    pub name: Arc<str>,
    /// Its place in an array.
    pub index: Index,
}

impl fmt::Display for PathPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, self.index)
    }
}

/// An instance, leaf or sub-circuit, by its path.
#[derive(Clone, Debug)]
pub struct Owner {
    /// `m0.dc<0.1>` is [m0, dc<0.1>].
    pub path: Vec<PathPart>,
    /// Index of the instance it is part of.
    pub parent: Option<usize>,
    /// Index into `Flat::leaves`; None for a sub-circuit.
    pub leaf: Option<usize>,
    /// Name of its component or sub-circuit.
    pub component: Arc<str>,
    /// Its slots: a range of `Flat::slots`.
    pub slots: Range<usize>,
    /// Where it is declared.
    pub span: Span,
}

impl fmt::Display for Owner {
    /// `m0.dc<0.1>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.path.iter().enumerate() {
            write!(f, "{}{part}", if i > 0 { "." } else { "" })?;
        }
        Ok(())
    }
}

/// A leaf.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Index into `Flat::owners`.
    pub owner: usize,
    /// What it is.
    pub kind: Leaf,
    /// The settings of a component that is the caller's: a mapping of all of them, after overrides, with the values of
    /// expressions filled in. None for a component of the catalogue, whose settings are slots.
    pub settings: Option<Node>,
    /// Canonical names of its ports, in order: inputs, then outputs.
    pub ports: Arc<[String]>,
    /// How many of them are inputs.
    pub inputs: usize,
}

/// What a leaf is.
#[derive(Clone, Copy, Debug)]
pub enum Leaf {
    /// A component of the catalogue; its slots are the settings in order.
    Primitive(&'static blackbeam_components::Component),
    /// A component of the caller's [`Library`](crate::Library), by its index there; its slots are those of its
    /// [`Shape`](crate::Shape).
    Foreign(usize),
}

/// A number that can be set.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Name of the setting.
    pub name: Cow<'static, str>,
    /// Its place, for slots of a generator such as `theta<1.0>`.
    pub index: Index,
    /// What it is.
    pub value: SlotValue,
    /// Value at the centre of all distributions.
    pub nominal: f64,
    /// Where the netlist speaks of it, if it does.
    pub span: Option<Span>,
    /// Where the structure of the circuit was made from this value (a number of ports, a setting of a generator), if it
    /// was: such a number cannot change any more.
    pub frozen: Option<Span>,
}

/// What a slot holds.
#[derive(Clone, Debug, PartialEq)]
pub enum SlotValue {
    /// A number, or the distribution it is drawn from.
    Number(Number),
    /// A function of slots of the instances around it.
    Expr(Expr),
}

/// A number, or the distribution from which a device draws it once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// The same for every device.
    Fixed(f64),
    /// Normal with mean and standard deviation.
    Normal(f64, f64),
    /// Uniform between two bounds.
    Uniform(f64, f64),
    /// exp of a normal: median and sigma of the logarithm.
    Lognormal(f64, f64),
}

impl Number {
    /// The centre: mean, middle or median.
    pub fn nominal(&self) -> f64 {
        match *self {
            Number::Fixed(x) | Number::Normal(x, _) | Number::Lognormal(x, _) => x,
            Number::Uniform(low, high) => 0.5 * (low + high),
        }
    }

    /// `factor` times the number.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Number {
        match self {
            Number::Fixed(x) => Number::Fixed(factor * x),
            Number::Normal(mean, std) => Number::Normal(factor * mean, factor.abs() * std),
            Number::Uniform(low, high) if factor < 0.0 => Number::Uniform(factor * high, factor * low),
            Number::Uniform(low, high) => Number::Uniform(factor * low, factor * high),
            Number::Lognormal(median, sigma) => Number::Lognormal(factor * median, sigma),
        }
    }
}

/// Two ports joined: (index into `Flat::leaves`, index into its `ports`) each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// One end.
    pub a: (usize, usize),
    /// The other.
    pub b: (usize, usize),
}

/// An outer port or a probe: a name and the port of a leaf that it is.
#[derive(Clone, Debug, PartialEq)]
pub struct FlatPort {
    /// Outer name.
    pub name: String,
    /// Index into `Flat::leaves`, index into its `ports`.
    pub port: (usize, usize),
    /// Where it stands.
    pub span: Span,
}

impl Flat {
    /// The owner of a slot.
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn owner_of(&self, slot: usize) -> usize {
        assert!(slot < self.slots.len(), "slot {slot} of {}", self.slots.len());
        // the ranges stand in order; empty ones end where the next begins
        self.owners.partition_point(|owner| owner.slots.end <= slot)
    }

    /// `m0.dc<0.1>.coupling`: path of a slot.
    pub fn slot_path(&self, slot: usize) -> String {
        let owner = &self.owners[self.owner_of(slot)];
        let Slot { name, index, .. } = &self.slots[slot];
        if owner.path.is_empty() { format!("{name}{index}") } else { format!("{owner}.{name}{index}") }
    }
}
