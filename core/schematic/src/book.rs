//! The circuits of a netlist and of the files that it draws in, each read once.

use crate::ports::PortTable;
use crate::settings::Settings;
use crate::{Index, Shape};
use blackbeam_components::Component;
use blackbeam_source::{Diagnostic, Key, Node, Span};
use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// A circuit, read: names are resolved, nothing is flattened.
pub(crate) struct Definition<'a> {
    pub(crate) name: Arc<str>,
    /// Where it begins.
    pub(crate) span: Span,
    pub(crate) settings: Rc<Settings<'a>>,
    pub(crate) instances: Vec<Declaration<'a>>,
    /// First instance of each name.
    pub(crate) by_name: HashMap<Arc<str>, usize>,
    pub(crate) links: Vec<[End; 2]>,
    /// The port inside of each outer port; None where there are errors.
    pub(crate) outer: Vec<Option<End>>,
    pub(crate) outer_spans: Vec<Span>,
    pub(crate) ports: Rc<PortTable>,
    /// Owners and slots of one instance, itself included.
    pub(crate) size: Size,
}

/// How much flattening gives.
#[derive(Clone, Copy, Default)]
pub(crate) struct Size {
    pub(crate) owners: u64,
    pub(crate) slots: u64,
    /// Settings that are given to instances.
    pub(crate) given: u64,
    pub(crate) depth: usize,
}

/// An instance as it is declared; several if it is an array.
pub(crate) struct Declaration<'a> {
    pub(crate) name: Arc<str>,
    pub(crate) span: Span,
    /// Where it says what it is.
    pub(crate) component_span: Span,
    pub(crate) component: Arc<str>,
    pub(crate) target: Target,
    pub(crate) elements: Elements,
    pub(crate) settings: Cow<'a, [(Key, Node)]>,
    /// So many of them are written as settings; the rest is `info`, of which only what names a setting counts.
    pub(crate) written: usize,
    /// Where its settings stand, or else it.
    pub(crate) settings_span: Span,
    /// Its ports; None if it is not known what it is.
    pub(crate) ports: Option<Rc<PortTable>>,
}

/// What an instance is.
pub(crate) enum Target {
    Primitive(&'static Component),
    Foreign(Box<Foreign>),
    Circuit {
        definition: usize,
        /// The component of the caller that it is written out from.
        made: Option<Box<Foreign>>,
    },
    /// Nobody knows its component. What to say of it, if the instance is used.
    Unknown(Box<Diagnostic>),
    /// With errors that were reported.
    Broken,
}

/// A component of the caller.
pub(crate) struct Foreign {
    pub(crate) component: usize,
    /// With the settings that the netlist gives, without those from outside.
    pub(crate) shape: Shape,
    pub(crate) settings: Node,
    /// Its settings have expressions.
    pub(crate) varies: bool,
}

/// The elements of a declaration.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Elements {
    One(Index),
    Array { columns: u32, rows: u32 },
}

impl Elements {
    pub(crate) fn len(self) -> usize {
        match self {
            Elements::One(_) => 1,
            Elements::Array { columns, rows } => columns as usize * rows as usize,
        }
    }

    pub(crate) fn index(self, k: usize) -> Index {
        match self {
            Elements::One(index) => index,
            Elements::Array { rows, .. } => Index::Grid(k as u32 / rows, k as u32 % rows),
        }
    }
}

/// A port of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct End {
    /// Index into `Definition::instances`.
    pub(crate) instance: u32,
    pub(crate) element: u32,
    pub(crate) port: u32,
}

impl Definition<'_> {
    /// `c<0.1>,in0`.
    pub(crate) fn show(&self, end: End) -> String {
        let instance = &self.instances[end.instance as usize];
        let port = instance.ports.as_ref().and_then(|table| table.names.get(end.port as usize));
        let index = instance.elements.index(end.element as usize);
        format!("{}{index},{}", instance.name, port.map_or("", String::as_str))
    }
}
