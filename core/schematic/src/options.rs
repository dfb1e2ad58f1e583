//! What the caller knows: components of its own, other files, units.

use crate::{Index, Number};
use blackbeam_components::Unit;
use blackbeam_source::{Diagnostics, Node, Source};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// How to read a netlist.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Unknown names and settings are errors. If not, the netlist is read as SAX reads it, with a warning for all
    /// that SAX would silently drop.
    pub strict: bool,
    /// Components beside those of the catalogue; they go before it.
    pub library: &'a dyn Library,
    /// Where netlists of sub-circuits that the file does not define are looked for.
    pub files: &'a dyn Files,
    /// The circuit of a recursive netlist that is meant, if not the one that the file says.
    pub top_level: Option<&'a str>,
    /// Keys at the top level that the caller reads.
    pub sections: &'a [&'a str],
    /// Something else joins the instances of the whole circuit: no port has to lead out or to be joined.
    pub open: bool,
    /// Units of the settings of catalogue components.
    pub units: Units,
}

impl Default for Options<'_> {
    /// Strict; nothing but the catalogue.
    fn default() -> Self {
        Options {
            strict: true,
            library: &Nothing,
            files: &Nothing,
            top_level: None,
            sections: &[],
            open: false,
            units: Units::default(),
        }
    }
}

/// The units that numbers of the netlist are written in, as multiples of those of the catalogue. Defaults of settings
/// are not touched, nor are settings of sub-circuits: what is computed from them is in the units of the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Units {
    /// Micrometres of the unit of length: 1e-3 for nm.
    pub length: f64,
    /// Radians of the unit of phase: pi/180 for degrees.
    pub phase: f64,
    /// dB of the unit of loss.
    pub loss: f64,
}

impl Default for Units {
    fn default() -> Self {
        Units { length: 1.0, phase: 1.0, loss: 1.0 }
    }
}

impl Units {
    /// The factor for settings of a unit.
    pub fn factor(&self, unit: Unit) -> f64 {
        match unit {
            Unit::Um => self.length,
            Unit::Rad => self.phase,
            Unit::Db | Unit::DbPerCm | Unit::DbPerVolt | Unit::DbPerVolt2 => self.loss,
            Unit::DbPerUm => self.loss / self.length,
            Unit::PerUm => self.length.recip(),
            Unit::PerUm2 => self.length.powi(-2),
            Unit::One | Unit::Kelvin | Unit::Volt | Unit::Count | Unit::Flag => 1.0,
        }
    }
}

/// Components that the caller knows: generators, imported S-parameters.
pub trait Library {
    /// The component of a name.
    fn find(&self, component: &str) -> Option<usize>;

    /// All names, for suggestions.
    fn names(&self) -> Vec<String>;

    /// What `component` is with these settings: a mapping in which expressions have their values, at the place of the
    /// instance's settings (or of the instance). Unknown settings and wrong values are the caller's to report, into
    /// `found`; None if there are errors.
    ///
    /// It is called for every instance in the netlist, and again for those whose settings depend on the instance around
    /// them.
    fn make(&self, component: usize, settings: &Node, found: &mut Diagnostics) -> Option<Made>;
}

/// What a component of a [`Library`] is with its settings.
#[derive(Clone, Debug)]
pub enum Made {
    /// A leaf.
    Leaf(Shape),
    /// A circuit of other components, as if it were a sub-circuit.
    Circuit(Expansion),
}

/// Ports and slots of a leaf.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// Canonical names of the ports: inputs, then outputs. `in0`, `out0` and `o1` are known by their position as well.
    pub ports: Vec<String>,
    /// How many of them are inputs.
    pub inputs: usize,
    /// Numbers that can be set.
    pub slots: Vec<ShapeSlot>,
}

impl Shape {
    /// Ports in0.., out0.. and no slots.
    pub fn with_ports(inputs: usize, outputs: usize) -> Self {
        let names = |side: &'static str, n: usize| (0..n).map(move |k| format!("{side}{k}"));
        Shape { ports: names("in", inputs).chain(names("out", outputs)).collect(), inputs, slots: Vec::new() }
    }
}

/// A number of a leaf that can be set, such as `theta<1.0>` of a mesh.
#[derive(Clone, Debug, PartialEq)]
pub struct ShapeSlot {
    /// Name.
    pub name: Cow<'static, str>,
    /// Place.
    pub index: Index,
    /// Value.
    pub value: Number,
}

/// A component written out as a circuit.
#[derive(Clone, Debug, Default)]
pub struct Expansion {
    /// Its instances.
    pub parts: Vec<Part>,
    /// Joined ports: (index into `parts`, name of the port) each.
    pub links: Vec<[(usize, String); 2]>,
    /// Outer ports: name, (index into `parts`, name of the port).
    pub ports: Vec<(String, (usize, String))>,
}

/// An instance of an [`Expansion`].
#[derive(Clone, Debug)]
pub struct Part {
    /// Name; may be that of other parts with other indices.
    pub name: String,
    /// Place.
    pub index: Index,
    /// Component or circuit.
    pub component: String,
    /// Its settings: a mapping.
    pub settings: Node,
}

/// Netlists of sub-circuits in other files.
pub trait Files {
    /// The netlist of `component`; None if there is no such file.
    ///
    /// # Errors
    /// If there is one that cannot be read.
    fn load(&self, component: &str) -> Option<Result<(Source, Node), Diagnostics>>;

    /// Names of the components that there are: only these are loaded.
    fn names(&self) -> Vec<String>;
}

/// No components and no files.
pub struct Nothing;

impl Library for Nothing {
    fn find(&self, _: &str) -> Option<usize> {
        None
    }
    fn names(&self) -> Vec<String> {
        Vec::new()
    }
    fn make(&self, _: usize, _: &Node, _: &mut Diagnostics) -> Option<Made> {
        None
    }
}

impl Files for Nothing {
    fn load(&self, _: &str) -> Option<Result<(Source, Node), Diagnostics>> {
        None
    }
    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The netlists of a folder: `NAME.pic.yml` is component NAME.
pub struct Folder {
    path: PathBuf,
}

/// Endings of the netlists in a folder.
const ENDINGS: [&str; 3] = [".pic.yml", ".pic.yaml", ".pic.json"];

impl Folder {
    /// The netlists in the folder `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Folder { path: path.into() }
    }

    /// The netlists in the folder of a file.
    pub fn beside(file: &Path) -> Self {
        Folder::new(file.parent().unwrap_or(Path::new("")))
    }
}

impl Files for Folder {
    fn load(&self, component: &str) -> Option<Result<(Source, Node), Diagnostics>> {
        // a name is one file of this folder, nothing else
        if component.contains(['/', '\\', '\0']) || component.len() > 200 {
            return None;
        }
        let paths = ENDINGS.iter().map(|ending| self.path.join(format!("{component}{ending}")));
        let path = paths.into_iter().find(|path| path.is_file())?;
        Some(Source::read(&path).and_then(|source| source.parse().map(|node| (source, node))))
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.path).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> =
            names.filter_map(|name| ENDINGS.iter().find_map(|e| name.strip_suffix(e).map(String::from))).collect();
        names.sort();
        names
    }
}
