//! Reader and checker of Blackbeam device files.
//!
//! [`read`] turns the text of a file (`*.ddl.yml`) into a [`Circuit`], or into all that is wrong with it. A file is a SAX
//! or gdsfactory netlist, which `blackbeam-schematic` reads, with sections laid over it. Their grammar is in `file`;
//! from it comes the JSON schema ([`schema`]) by which both editors and this reader check the structure. What a schema cannot
//! say (paths, ranges, curves) is checked by the modules under `check`, against the flattened circuit (`scene`).
//!
//! ```
//! use blackbeam_netlist::{ReadOptions, read};
//! use blackbeam_source::Source;
//!
//! let text = "
//! ddl: 1
//! instances:
//!   U: {component: mesh, settings: {n: 8}}
//! readout: {mode: intensity}
//! ";
//! let (circuit, warnings) = read(&Source::new("mesh.ddl.yml", text), &ReadOptions::default()).unwrap();
//! assert_eq!(circuit.parameters[0].names.len(), 28);
//! assert!(warnings.is_empty());
//! ```

mod check;
pub mod circuit;
mod data;
mod expand;
mod file;
mod files;
mod library;
mod overlay;
mod scene;
mod sections;

use blackbeam_source::{Diagnostics, Node, Source};
use circuit::Circuit;
use std::sync::LazyLock;

pub use expand::{Expanded, ExpandedInstance, MAX_EXPANDED, expand};
pub use files::{Files, MAX_FILE_BYTES};
pub use overlay::PRESET_NAMES;

/// What an experiment may change in a device file.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// `{instance: {setting: value}}`, as if written in the file.
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// What messages call the settings; `settings of the experiment` if empty.
    pub settings_name: String,
    /// Another preset than the file's: `ideal`, `typical` or `pessimistic`.
    pub preset: Option<String>,
    /// Without any non-ideality: no converters, no errors of actuators, no `nonideal`, `drift` or noise. Parameters, their
    /// ranges, the circuit, the modes of encoding and read-out and all times stay.
    pub ideal: bool,
}

/// Reads and checks a device file. Files that it names are looked for in the folder of `source`'s name.
///
/// Gives the circuit and the warnings.
///
/// # Errors
/// All errors of the file (and the warnings), each with its place.
pub fn read(source: &Source, options: &ReadOptions) -> Result<(Circuit, Diagnostics), Diagnostics> {
    read_with(source, options, &Files::beside(source))
}

/// As [`read`], with other files.
///
/// # Errors
/// As [`read`].
pub fn read_with(source: &Source, options: &ReadOptions, files: &Files) -> Result<(Circuit, Diagnostics), Diagnostics> {
    check::read(source, source.parse()?, options, files)
}

/// As [`read`], of a source that is parsed already: `root` is its tree.
///
/// # Errors
/// As [`read`].
pub fn read_tree(source: &Source, root: Node, options: &ReadOptions) -> Result<(Circuit, Diagnostics), Diagnostics> {
    check::read(source, root, options, &Files::beside(source))
}

/// The JSON schema (draft 07) of device files.
pub fn schema() -> &'static serde_json::Value {
    static SCHEMA: LazyLock<serde_json::Value> = LazyLock::new(|| {
        let settings = schemars::generate::SchemaSettings::draft07();
        let mut schema = settings.into_generator().into_root_schema_for::<file::DeviceFile>().to_value();
        file::alias::describe(&mut schema);
        schema
    });
    &SCHEMA
}
