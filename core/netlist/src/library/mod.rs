//! Components that the catalogue does not have: generators, and what a file imports.

mod expand;
mod generator;
mod import;

pub(crate) use generator::{GENERATORS, Generated};
pub(crate) use import::{Imports, Model, file_error};

use crate::circuit::{FreeSpace, Kind, Number, SlmKind};
use blackbeam_layers::program::Weight;
use blackbeam_schematic::{Index, Library, Made, Shape, ShapeSlot};
use blackbeam_source::{Diagnostics, Node};
use std::borrow::Cow;
use std::sync::Arc;

/// All components of a file beside the catalogue.
pub(crate) struct Components {
    /// What it imports.
    pub(crate) models: Vec<Model>,
    /// Names of what it could not import: nothing is made of them, and nothing is said.
    pub(crate) failed: Vec<String>,
    /// Weights of the layers of a network: names of instances, and what they hold.
    pub(crate) weights: Vec<(String, Arc<[Weight]>)>,
    /// Micrometres of the file's unit of length.
    pub(crate) length: f64,
}

/// The component of an instance that holds weights. No file can name it: it is told apart by a character that names do not have.
pub(crate) fn weights_component(instance: &str) -> String {
    format!("weights of `{instance}`")
}

impl Components {
    /// What a leaf is, by its index and its settings.
    pub(crate) fn kind(&self, component: usize, settings: &Node, found: &mut Diagnostics) -> Option<Generated> {
        match component.checked_sub(GENERATORS.len()) {
            None => generator::generate(component, settings, self.length, found),
            Some(k) if k >= self.models.len() + self.failed.len() => {
                let (_, weights) = self.weights.get(k - self.models.len() - self.failed.len())?;
                Some(Generated::Leaf(Kind::Weights(weights.clone())))
            }
            Some(import) => {
                let model = self.models.get(import)?;
                import::no_settings(settings, model, found);
                Some(Generated::Leaf(Kind::Imported(model.imported.clone())))
            }
        }
    }
}

impl Library for Components {
    fn find(&self, component: &str) -> Option<usize> {
        let generator = GENERATORS.iter().position(|name| *name == component);
        let import = || self.models.iter().position(|model| model.imported.name == component);
        let failed = || self.failed.iter().position(|name| name == component).map(|k| k + self.models.len());
        let others = self.models.len() + self.failed.len();
        let weights = || self.weights.iter().position(|(name, _)| weights_component(name) == component);
        let weights = || weights().map(|k| k + others);
        generator.or_else(|| import().or_else(failed).or_else(weights).map(|k| k + GENERATORS.len()))
    }

    fn names(&self) -> Vec<String> {
        let imports = self.models.iter().map(|model| model.imported.name.clone());
        GENERATORS.iter().map(|name| String::from(*name)).chain(imports).collect()
    }

    fn make(&self, component: usize, settings: &Node, found: &mut Diagnostics) -> Option<Made> {
        Some(match self.kind(component, settings, found)? {
            Generated::Circuit(expansion) => Made::Circuit(expansion),
            Generated::Leaf(kind) => Made::Leaf(shape(&kind)),
        })
    }
}

/// `weight` of `layers.3.weight`.
pub(crate) fn own_name(weight: &Weight) -> &str {
    weight.name.rsplit('.').next().unwrap_or_default()
}

/// Ports and slots of a generator or an import.
fn shape(kind: &Kind) -> Shape {
    let zero = Number::Fixed(0.0);
    let grid = |name: &'static str, rows: usize, columns: usize, value: Number| {
        let places = (0..rows as u32).flat_map(move |i| (0..columns as u32).map(move |j| Index::Grid(i, j)));
        places.map(move |index| ShapeSlot { name: Cow::Borrowed(name), index, value })
    };
    match kind {
        Kind::Mesh(mesh) => {
            let mut shape = Shape::with_ports(mesh.n, mesh.n);
            let sites = mesh.sites();
            let of_cells = |name: &'static str| {
                sites.iter().map(move |site| ShapeSlot {
                    name: Cow::Borrowed(name),
                    index: Index::Grid(site.layer as u32, site.row as u32),
                    value: zero,
                })
            };
            let modes = if mesh.output_phases { mesh.n as u32 } else { 0 };
            let gamma =
                (0..modes).map(|k| ShapeSlot { name: Cow::Borrowed("gamma"), index: Index::Line(k), value: zero });
            shape.slots = of_cells("theta").chain(of_cells("phi")).chain(gamma).collect();
            shape
        }
        Kind::MrrBank(bank) => {
            let mut shape = Shape::with_ports(bank.columns, bank.rows);
            shape.slots = grid("phi", bank.rows, bank.columns, zero).collect();
            shape
        }
        Kind::SlmMatvec(slm) => {
            let mut shape = Shape::with_ports(slm.n_in, slm.n_out);
            shape.slots = grid("phase", slm.n_out, slm.n_in, zero).collect();
            shape
        }
        Kind::FreeSpace(part) => {
            let mut shape = Shape { ports: vec!["in".into(), "out".into()], inputs: 1, slots: Vec::new() };
            if let FreeSpace::Slm { shape: [rows, columns], kind, .. } = part {
                if *kind != SlmKind::Amplitude {
                    shape.slots.extend(grid("phase", *rows, *columns, zero));
                }
                if *kind != SlmKind::Phase {
                    shape.slots.extend(grid("amplitude", *rows, *columns, Number::Fixed(1.0)));
                }
            }
            shape
        }
        Kind::Imported(imported) => {
            // which way the light goes is not known: the first half of the ports count as inputs
            let ports: Vec<String> = imported.data.ports().to_vec();
            Shape { inputs: ports.len().div_ceil(2), ports, slots: Vec::new() }
        }
        Kind::Weights(weights) => {
            let slot = |weight: &Weight, k: u32| {
                let columns = weight.shape[1] as u32;
                let index = if weight.shape[0] == 1 { Index::Line(k) } else { Index::Grid(k / columns, k % columns) };
                ShapeSlot { name: Cow::Owned(own_name(weight).to_owned()), index, value: zero }
            };
            let slots = weights.iter().flat_map(|weight| (0..weight.len() as u32).map(move |k| slot(weight, k)));
            Shape { ports: Vec::new(), inputs: 0, slots: slots.collect() }
        }
        Kind::Primitive(_) => Shape::default(),
    }
}
