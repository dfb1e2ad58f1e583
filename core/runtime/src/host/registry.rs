//! The plugins of this process.

use super::{HostError, Interface, LockFile, at, canonical, loader, verify};
use crate::run::hash_bytes;
use blackbeam_plugin::{
    Descriptor, Device, Estimator, Kind, Manifest, Open, Plugin, PluginError, Surrogate, guard::guard,
};
use serde_json::{Map, Value};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Where plugins are that are not in a library.
const BUILT_IN: &str = "built in";
/// Keys that stand beside the settings of a method in an experiment.
const TAKEN: [&str; 2] = ["method", "library"];

/// A plugin that can be used.
pub struct Registered {
    manifest: Manifest,
    schema: Value,
    plugin: Plugin,
    /// `built in`, or `in` and the path of its library.
    place: String,
}

impl Registered {
    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The JSON schema of its settings.
    pub fn settings_schema(&self) -> &Value {
        &self.schema
    }

    /// Opens a device.
    ///
    /// # Errors
    /// The plugin's; `Unknown` if this is no device.
    pub fn open_device(&self, open: &Open) -> Result<Box<dyn Device>, HostError> {
        match &self.plugin {
            Plugin::Device(plugin) => plugin.open(open).map_err(|error| self.failed(error)),
            _ => Err(self.is_no(Kind::Device)),
        }
    }

    /// Makes an estimator for a device.
    ///
    /// # Errors
    /// The plugin's; `Unknown` if this is no estimator.
    pub fn make_estimator(&self, open: &Open, device: &Descriptor) -> Result<Box<dyn Estimator>, HostError> {
        match &self.plugin {
            Plugin::Estimator(plugin) => plugin.make(open, device).map_err(|error| self.failed(error)),
            _ => Err(self.is_no(Kind::Estimator)),
        }
    }

    /// Makes a surrogate for a device.
    ///
    /// # Errors
    /// The plugin's; `Unknown` if this is no surrogate.
    pub fn make_surrogate(&self, open: &Open, device: &Descriptor) -> Result<Box<dyn Surrogate>, HostError> {
        match &self.plugin {
            Plugin::Surrogate(plugin) => plugin.make(open, device).map_err(|error| self.failed(error)),
            _ => Err(self.is_no(Kind::Surrogate)),
        }
    }

    fn failed(&self, error: PluginError) -> HostError {
        let Manifest { kind, name, .. } = &self.manifest;
        HostError::Make { kind: *kind, name: name.to_string(), place: self.place.clone(), error }
    }

    fn is_no(&self, kind: Kind) -> HostError {
        let name = self.manifest.name.to_string();
        HostError::Unknown { kind, name, place: self.place.clone(), known: Vec::new() }
    }
}

/// A shared library that is loaded.
pub struct LoadedLibrary {
    /// Absolute path, without links.
    pub path: PathBuf,
    /// SHA-256 of the file, hexadecimal, taken just before it was loaded.
    pub sha256: String,
    /// Size of the file, bytes.
    pub size: u64,
    /// The interface it was built for.
    pub interface: Interface,
    /// Its plugins.
    pub plugins: Vec<Registered>,
}

/// All plugins of this process: those built in, and those of the libraries that were loaded.
pub struct Registry {
    built_in: Vec<Registered>,
    libraries: Vec<LoadedLibrary>,
}

impl Registry {
    /// The plugins that are built in.
    ///
    /// # Errors
    /// `NoManifests` or `Manifest` if one of them is broken.
    pub fn new() -> Result<Self, HostError> {
        let all = [
            blackbeam_estimators::plugins(),
            blackbeam_surrogates::plugins(),
            blackbeam_twin::plugins(),
            blackbeam_device_dense::plugins(),
        ];
        let guarded: Result<Vec<Plugin>, PluginError> = all.into_iter().flatten().map(guard).collect();
        let guarded = guarded.map_err(|error| HostError::NoManifests { place: "Blackbeam".into(), error })?;
        Ok(Registry { built_in: register(guarded, BUILT_IN)?, libraries: Vec::new() })
    }

    /// The plugins that are built in.
    pub fn built_in(&self) -> &[Registered] {
        &self.built_in
    }

    /// The libraries that were loaded, in that order.
    pub fn libraries(&self) -> &[LoadedLibrary] {
        &self.libraries
    }

    /// Loads a library, for ever. The second time the same path gives what was loaded the first time.
    ///
    /// # Errors
    /// `Missing`, `NotALibrary`, `NotAPlugin`, `WrongVersion`, `Layout`, `WrongTable`, `BrokenTable`, `NoManifests`,
    /// `Manifest`, `Io`.
    pub fn load(&mut self, path: &Path) -> Result<&LoadedLibrary, HostError> {
        let path = canonical(path)?;
        let index = match self.libraries.iter().position(|library| library.path == path) {
            Some(index) => index,
            None => {
                self.libraries.push(load(path)?);
                self.libraries.len() - 1
            }
        };
        Ok(&self.libraries[index])
    }

    /// Loads a library that is in `plugins.lock`, as it was when it was added.
    ///
    /// # Errors
    /// `Missing`, `NotAdded`, `Changed`; else as [`load`](Self::load). Nothing of a library that is not verified is run.
    pub fn load_verified(&mut self, path: &Path, lock: Option<&LockFile>) -> Result<&LoadedLibrary, HostError> {
        verify(lock, path)?;
        self.load(path)
    }

    /// The plugin of this kind and name: a built-in one, or one of `library`, which must have been loaded.
    ///
    /// # Errors
    /// `Unknown`, with the names that there are; `Missing` if there is no such file as `library`.
    pub fn find(&self, kind: Kind, name: &str, library: Option<&Path>) -> Result<&Registered, HostError> {
        let (plugins, place) = match library {
            None => (self.built_in.as_slice(), BUILT_IN.to_owned()),
            Some(path) => {
                let path = canonical(path)?;
                let loaded = self.libraries.iter().find(|library| library.path == path);
                (loaded.map_or(&[][..], |library| &library.plugins), format!("in {}", path.display()))
            }
        };
        let of_kind = || plugins.iter().filter(|plugin| plugin.manifest.kind == kind);
        of_kind().find(|plugin| plugin.manifest.name == name).ok_or_else(|| {
            let known = of_kind().map(|plugin| plugin.manifest.name.to_string()).collect();
            HostError::Unknown { kind, name: name.to_owned(), place, known }
        })
    }
}

fn load(path: PathBuf) -> Result<LoadedLibrary, HostError> {
    if path.is_dir() {
        return Err(HostError::NotALibrary { path, reason: "it is a folder".into() });
    }
    let bytes = fs::read(&path).map_err(at(&path))?;
    let (interface, plugins) = loader::open(&path)?;
    let place = format!("in {}", path.display());
    let plugins = register(plugins, &place)?;
    Ok(LoadedLibrary { path, sha256: hash_bytes(&bytes), size: bytes.len() as u64, interface, plugins })
}

/// Names must be usable in a file and unique, and a schema must be one.
fn register(plugins: Vec<Plugin>, place: &str) -> Result<Vec<Registered>, HostError> {
    let mut seen = BTreeSet::new();
    let register = |plugin: Plugin| {
        let manifest = plugin.manifest();
        let (kind, name) = (manifest.kind, manifest.name.to_string());
        let wrong =
            |problem: String| HostError::Manifest { kind, name: name.clone(), place: place.to_owned(), problem };
        if !is_name(&name) {
            return Err(wrong("has a name that is not made of letters, digits, `_`, `-` and `.`".into()));
        }
        if !seen.insert((kind, name.clone())) {
            return Err(wrong("is there twice".into()));
        }
        let schema = serde_json::from_str::<Map<String, Value>>(&manifest.settings_schema)
            .map_err(|error| wrong(format!("has a settings schema that is not a JSON object ({error})")))?;
        let settings = schema.get("properties").and_then(Value::as_object);
        if let Some(taken) =
            TAKEN.iter().find(|key| kind != Kind::Device && settings.is_some_and(|s| s.contains_key(**key)))
        {
            return Err(wrong(format!("has a setting `{taken}`, which means something else in an experiment")));
        }
        Ok(Registered { manifest, schema: Value::Object(schema), plugin, place: place.to_owned() })
    };
    plugins.into_iter().map(register).collect()
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_plugins_are_found_by_kind_and_name() {
        let registry = Registry::new().unwrap();
        let dense = registry.find(Kind::Device, "dense", None).unwrap();
        assert_eq!(dense.manifest().kind, Kind::Device);
        let open = Open { settings: r#"{"rows": 2, "columns": 3}"#.into(), seed: 1, threads: 1, ideal: false };
        let device = dense.open_device(&open).unwrap();
        assert_eq!(device.descriptor().n_params(), 6);
        let wrong = dense.make_estimator(&open, &device.descriptor()).err().unwrap();
        assert!(wrong.to_string().contains("no estimator `dense`"), "{wrong}");
        assert!(registry.find(Kind::Estimator, "dense", None).is_err());
        let error = registry.find(Kind::Device, "dnse", None).err().unwrap().to_string();
        assert!(error.contains("did you mean `dense`?"), "{error}");
    }

    #[test]
    fn a_broken_manifest_is_named() {
        let dense = || blackbeam_device_dense::plugins().remove(0);
        let error = register(vec![dense(), dense()], "in x.so").err().unwrap();
        assert_eq!(error.to_string(), "the device `dense` in x.so is there twice");
    }

    #[test]
    fn a_setting_that_cannot_be_used_names_the_plugin() {
        let registry = Registry::new().unwrap();
        let open = Open { settings: r#"{"rows": 0, "columns": 3}"#.into(), seed: 1, threads: 1, ideal: false };
        let dense = registry.find(Kind::Device, "dense", None).unwrap();
        let error = dense.open_device(&open).err().unwrap().to_string();
        assert!(error.starts_with("the device `dense` built in: SETTINGS: "), "{error}");
    }
}
