//! From a file to a checked [`Experiment`].

use super::{Experiment, Preset, checks, descriptions, network, overrides, swap};
use blackbeam_plugin::{Kind, Manifest};
use blackbeam_source::{Diagnostic, Diagnostics, Node, Source, Value, schema::validate};
use schemars::generate::SchemaSettings;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// What is known of a plugin that an experiment names.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// It is built in, or was added: this is what it says of itself.
    Known(Box<Manifest>),
    /// There is none of this kind with this name; these there are.
    Unknown(Vec<String>),
    /// It cannot be told without loading the library, which reading never does: a sentence on what to do.
    NotVerified(String),
}

/// What is known of a plugin: its kind, name and library (`None` if it should be built in; else an absolute path).
pub type Plugins<'a> = &'a dyn Fn(Kind, &str, Option<&Path>) -> Lookup;

/// How an experiment is read.
pub struct ReadOptions<'a> {
    /// `--set`: paths of keys with dots between them, and values (YAML), in the order in which they are applied.
    pub overrides: &'a [(String, String)],
    /// `--seed`.
    pub seed: Option<u64>,
    /// `--ideal`: every device is ideal, whatever its `preset`.
    pub ideal: bool,
    /// What is known of a plugin.
    pub plugins: Plugins<'a>,
    /// Width (inputs, outputs) of a device, in reals, if it can be told without opening it; where it cannot, shapes are
    /// checked up to there and wholly by [`Loaded::check_shapes`] later.
    pub widths: &'a dyn Fn(&super::DeviceConfig) -> Option<(usize, usize)>,
}

/// An experiment that was read and found usable.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The experiment, with overrides in it and absolute paths.
    pub experiment: Experiment,
    /// What is odd but no error.
    pub warnings: Diagnostics,
    /// The text.
    pub source: Source,
    /// The tree, with overrides in it: for further checks that point at a place in the file.
    pub root: Node,
    blank: Diagnostics,
}

impl Loaded {
    /// Checks all shapes of the network, when every device's width (inputs, outputs) is known.
    ///
    /// # Errors
    /// The first layer that does not fit, or an output that is not one number a class.
    pub fn check_shapes(&self, widths: &dyn Fn(&str) -> Option<(usize, usize)>) -> Result<(), Diagnostics> {
        let mut found = self.diagnostics();
        network::check_shapes(&self.experiment, &self.root, widths, &mut found);
        if found.has_errors() { Err(found) } else { Ok(()) }
    }

    /// An empty collection that shows places in the experiment file and in the overrides.
    pub fn diagnostics(&self) -> Diagnostics {
        self.blank.clone()
    }
}

/// Reads and checks an experiment file.
///
/// # Errors
/// Everything that is wrong with it, each at its place; nothing is loaded or opened but the file itself.
pub fn read(path: &Path, options: &ReadOptions<'_>) -> Result<Loaded, Diagnostics> {
    read_source(Source::read(path)?, path.parent().unwrap_or(Path::new("")), options)
}

/// The same for a text; `folder` is what its paths are relative to.
pub(super) fn read_source(source: Source, folder: &Path, options: &ReadOptions<'_>) -> Result<Loaded, Diagnostics> {
    let mut root = source.parse()?;
    let mut found = Diagnostics::new(&source);
    let mut warnings = Vec::new();
    for (path, value) in options.overrides {
        let replaced = swap::replaced(&root, path);
        overrides::apply(&mut root, path, value, &mut found);
        if let Some(replaced) = replaced {
            swap::settle(&mut root, path, replaced, options.plugins, &mut warnings);
        }
    }
    if let Some(seed) = options.seed {
        overrides::apply(&mut root, "seed", &seed.to_string(), &mut found);
    }
    // Knows the texts of the file and of the overrides; used only if nothing was wrong with them.
    let blank = found.clone();
    warnings.into_iter().for_each(|warning| found.push(warning));
    finite(&root, &mut found);
    validate(&root, &schema(), &mut found);
    if found.has_errors() {
        return Err(found);
    }
    let mut experiment: Experiment = match serde_json::from_value(whole_numbers(root.to_json())) {
        Ok(experiment) => experiment,
        Err(e) => {
            // What the schema lets pass and the types do not, such as a number beyond 64 bits.
            found.push(Diagnostic::error("unusable", format!("the experiment cannot be used: {e}")).at(root.span));
            return Err(found);
        }
    };
    absolute_paths(&mut experiment, folder);
    checks::check_settings_of_set(&experiment, &root, &mut found);
    experiment.data.fill();
    descriptions::resolve(&mut experiment, options.plugins, &|path| absolute(folder, path));
    if options.ideal {
        experiment.devices.values_mut().for_each(|device| device.source.preset = Some(Preset::Ideal));
    }
    checks::check(&experiment, &root, options.plugins, &mut found);
    let widths = |name: &str| experiment.devices.get(name).and_then(options.widths);
    network::check(&experiment, &root, &widths, &mut found);
    found.sort();
    if found.has_errors() { Err(found) } else { Ok(Loaded { experiment, warnings: found, source, root, blank }) }
}

/// Finds numbers that JSON cannot hold.
fn finite(node: &Node, found: &mut Diagnostics) {
    match &node.value {
        Value::Number(n) if !n.value.is_finite() => {
            found.push(Diagnostic::error("not-finite", format!("`{}` is not a finite number", n.text)).at(node.span));
        }
        Value::Seq(items) => items.iter().for_each(|item| finite(item, found)),
        Value::Map(entries) => entries.iter().for_each(|(_, value)| finite(value, found)),
        _ => {}
    }
}

/// Numbers that are whole but written as `3.0` or `1e3` become integers, which is what integer fields take.
fn whole_numbers(json: Json) -> Json {
    match json {
        Json::Number(n) => match n.as_f64() {
            Some(x) if n.is_f64() && x.fract() == 0.0 && x.abs() <= 9_007_199_254_740_992.0 => Json::from(x as i64),
            _ => Json::Number(n),
        },
        Json::Array(items) => items.into_iter().map(whole_numbers).collect(),
        Json::Object(map) => map.into_iter().map(|(key, value)| (key, whole_numbers(value))).collect(),
        other => other,
    }
}

fn absolute(folder: &Path, path: &Path) -> PathBuf {
    let joined = folder.join(path);
    // Fails without a working directory only; then the path stays relative to it.
    std::path::absolute(&joined).unwrap_or(joined)
}

fn absolute_paths(experiment: &mut Experiment, folder: &Path) {
    let make = |path: &mut Option<PathBuf>| {
        if let Some(p) = path {
            *p = absolute(folder, p);
        }
    };
    for device in experiment.devices.values_mut() {
        make(&mut device.source.file);
        make(&mut device.source.library);
        make(&mut device.source.replay);
        for method in [&mut device.estimator, &mut device.surrogate].into_iter().flatten() {
            make(&mut method.library);
        }
    }
}

/// The JSON schema (draft 07) of an experiment file.
pub fn schema() -> Json {
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<Experiment>();
    // What names the schema comes first, for people who open the file.
    let mut ordered = serde_json::Map::new();
    for key in ["$schema", "title", "description"] {
        ordered.extend(schema.remove(key).map(|value| (key.to_owned(), value)));
    }
    if let Json::Object(rest) = schema.to_value() {
        ordered.extend(rest);
    }
    Json::Object(ordered)
}

impl Experiment {
    /// The experiment as YAML, everything written out: what a run directory keeps, and what [`read`] reads again to the same
    /// value. The same experiment gives the same text.
    ///
    /// # Errors
    /// If a path is not UTF-8 text.
    pub fn to_yaml(&self) -> Result<String, serde_yaml::Error> {
        // By way of JSON: layers and optimisers are maps with one key there, and not YAML tags.
        let json = serde_json::to_value(self).map_err(<serde_yaml::Error as serde::ser::Error>::custom)?;
        serde_yaml::to_string(&json)
    }

    /// SHA-256 of [`to_yaml`](Self::to_yaml), in hexadecimal.
    ///
    /// # Errors
    /// As `to_yaml`.
    pub fn sha256(&self) -> Result<String, serde_yaml::Error> {
        Ok(Sha256::digest(self.to_yaml()?).iter().map(|b| format!("{b:02x}")).collect())
    }
}
