//! The circuit part, as editors see it; `blackbeam-schematic` reads and checks it.

use super::*;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// A sub-circuit.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "made for its schema; the circuit is read elsewhere")]
pub struct Circuit {
    /// Settings with their defaults, which a parent may override; `${settings.x}` within the circuit.
    settings: Option<serde_json::Value>,
    /// What it is made of.
    instances: BTreeMap<String, Instance>,
    /// Joined ports, `instance,port: instance,port`.
    connections: Option<BTreeMap<String, String>>,
    /// Joined ports, `{p1: "instance,port", p2: "instance,port"}`.
    nets: Option<Vec<serde_json::Value>>,
    /// Names for the ports that lead out.
    ports: Option<BTreeMap<String, String>>,
}

/// An instance: the name of a component, or a mapping with its settings.
pub struct Instance;

/// The definition that describes the settings of a generator.
type SettingsOf = fn(&mut SchemaGenerator) -> Schema;

const GENERATORS: [(&str, SettingsOf); 11] = [
    ("mesh", |g| g.subschema_for::<MeshSettings>()),
    ("mrr_bank", |g| g.subschema_for::<MrrBankSettings>()),
    ("slm_matvec", |g| g.subschema_for::<SlmMatvecSettings>()),
    ("splitter_tree", |g| g.subschema_for::<SplitterTreeSettings>()),
    ("monarch", |g| g.subschema_for::<MonarchSettings>()),
    ("plane", |g| g.subschema_for::<PlaneSettings>()),
    ("free_space", |g| g.subschema_for::<FreeSpaceSettings>()),
    ("slm", |g| g.subschema_for::<SlmSettings>()),
    ("lens_2f", |g| g.subschema_for::<LensSettings>()),
    ("diffuser", |g| g.subschema_for::<DiffuserSettings>()),
    ("camera", |g| g.subschema_for::<CameraSettings>()),
];

impl JsonSchema for Instance {
    fn schema_name() -> Cow<'static, str> {
        "Instance".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let of_generators: Vec<Schema> = GENERATORS
            .iter()
            .map(|(name, settings)| {
                let settings = settings(generator);
                json_schema!({
                    "if": {"type": "object", "properties": {"component": {"const": name}}, "required": ["component"]},
                    "then": {"properties": {"settings": settings}},
                })
            })
            .collect();
        let names: Vec<&str> = GENERATORS
            .iter()
            .map(|(n, _)| *n)
            .chain(blackbeam_components::catalogue().iter().map(|c| c.name))
            .collect();
        json_schema!({
            "description": "An instance: the name of a component, or a mapping with its settings.",
            "type": ["string", "object"],
            "properties": {
                "component": {
                    "description": "A component of the catalogue, a generator, a circuit or an import.",
                    "anyOf": [{"enum": names}, {"type": "string"}],
                },
                "settings": {"description": "Its settings by name.", "type": ["object", "null"]},
                "array": {"description": "Several of them: NAME<column.row>.", "type": "object"},
            },
            "required": ["component"],
            "allOf": of_generators,
        })
    }
}

/// One entry of `imports`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportEntry {
    /// The file (`siepic`: the folder), relative to the device file.
    pub file: String,
    /// Its format; by the ending of the file if left out.
    pub format: Option<ImportFormat>,
    /// Name of the component.
    #[serde(rename = "as")]
    pub name: String,
    /// Names of the ports, in the order of the file, or the names of the file in another order.
    pub ports: Option<Vec<String>>,
    /// Outside of the wavelengths of the file: `error` (if left out), or the value at the `nearest` wavelength, or `zero`.
    pub extrapolate: Option<ExtrapolateEntry>,
    /// What to check, with a warning by how much it fails.
    pub check: Option<Vec<ImportCheck>>,
    /// 1: a wave that goes on picks up exp(+i phase) (Lumerical, SAX). -1: data of the convention exp(+jwt) (RF,
    /// network analysers). The default is that of the format.
    pub phase_sign: Option<i8>,
    /// `siepic`: which of the files, by the parameters of the look-up table.
    pub parameters: Option<BTreeMap<String, serde_json::Value>>,
}

/// Format of an import.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum ImportFormat {
    /// Lumerical INTERCONNECT `.dat`, `.sparam`, `.txt`.
    Lumerical,
    /// Touchstone `.sNp`.
    Touchstone,
    /// A folder of SiEPIC with its look-up table.
    Siepic,
    /// NumPy `.npz`.
    Npz,
    /// A table.
    Csv,
    /// A netlist, `.pic.yml`: a sub-circuit.
    Netlist,
}

/// Outside of the wavelengths of a file.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum ExtrapolateEntry {
    /// An error.
    Error,
    /// The value at the nearest wavelength.
    Nearest,
    /// Nothing comes out.
    Zero,
}

/// What to check of S-parameters.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum ImportCheck {
    /// No more light comes out than goes in.
    Passive,
    /// S is symmetric.
    Reciprocal,
}
