//! What is checked: a device of a library, or a described one.

use crate::{Failure, args::PluginCheckArgs, device_host::try_to_load, say};
use blackbeam_netlist::{ReadOptions, circuit::Circuit};
use blackbeam_optics::Simulator;
use blackbeam_plugin::{Code, Device, DevicePlugin, Kind, Manifest, Open, PluginError, Result as Answer};
use blackbeam_runtime::host::{HostError, Registry};
use blackbeam_source::{Diagnostics, Source};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// Ends of the names of device descriptions.
const DESCRIPTIONS: [&str; 3] = ["yml", "yaml", "json"];

/// Something to be checked.
pub struct Found {
    pub plugin: Box<dyn DevicePlugin>,
    /// The seed that it is opened with.
    pub seed: u64,
    /// It is a simulator of Blackbeam's.
    pub simulated: bool,
    /// Name of the device, if it is one of a library.
    pub library_device: Option<String>,
}

/// Finds it. A library that is named here is loaded, as by `plugin add`.
pub fn find(args: &PluginCheckArgs, settings: &Map<String, Value>) -> Result<Found, Failure> {
    let end = args.target.extension().and_then(|end| end.to_str()).unwrap_or_default();
    if DESCRIPTIONS.contains(&end) { described(args, settings) } else { loaded(args) }
}

fn described(args: &PluginCheckArgs, settings: &Map<String, Value>) -> Result<Found, Failure> {
    if let Some(name) = &args.plugin {
        return Err(Failure::Input(format!("--plugin {name} is for libraries")));
    }
    let input = |found: Diagnostics| Failure::Input(found.render(false));
    let reading = &args.reading;
    let options = ReadOptions {
        settings: settings.clone(),
        settings_name: "--settings".into(),
        preset: reading.preset.clone(),
        ideal: reading.ideal,
    };
    let (circuit, warnings) =
        Source::read(&args.target).and_then(|s| blackbeam_netlist::read(&s, &options)).map_err(input)?;
    if !warnings.is_empty() {
        say(warnings.render(false).trim_end());
    }
    let seed = reading.seed.unwrap_or(circuit.seed);
    // What cannot be simulated is wrong in the file, and nothing has been tried.
    let refused = |e: PluginError| Failure::Input(format!("{}: {}", args.target.display(), e.message));
    drop(Simulator::open(&circuit, seed, 1).map_err(refused)?);
    Ok(Found { plugin: Box::new(Described(Box::new(circuit))), seed, simulated: true, library_device: None })
}

fn loaded(args: &PluginCheckArgs) -> Result<Found, Failure> {
    let input = |e: HostError| Failure::Input(e.to_string());
    if let Some(preset) = &args.reading.preset {
        return Err(Failure::Input(format!("--preset {preset} is for device descriptions")));
    }
    if !args.in_process {
        try_to_load(&args.target)?;
    }
    let mut registry = Registry::new().map_err(input)?;
    let library = registry.load(&args.target).map_err(input)?;
    let devices = library.plugins.iter().map(|p| p.manifest()).filter(|m| m.kind == Kind::Device);
    let names: Vec<String> = devices.map(|m| m.name.to_string()).collect();
    let name = match (&args.plugin, names.as_slice()) {
        (Some(name), _) => name.clone(),
        (None, [only]) => only.clone(),
        (None, []) => return Err(Failure::Input(format!("{} has no device", args.target.display()))),
        (None, several) => {
            let message = format!("{} has {} devices", args.target.display(), several.len());
            return Err(Failure::Input(format!("{message}: name one by --plugin ({})", several.join(", "))));
        }
    };
    registry.find(Kind::Device, &name, Some(&args.target)).map_err(input)?;
    let library_device = Some(name.clone());
    let plugin = Loaded { registry, path: args.target.clone(), name };
    let seed = args.reading.seed.unwrap_or(0);
    Ok(Found { plugin: Box::new(plugin), seed, simulated: false, library_device })
}

/// A device of a library.
struct Loaded {
    registry: Registry,
    path: PathBuf,
    name: String,
}

impl Loaded {
    fn found(&self) -> Answer<&blackbeam_runtime::host::Registered> {
        let found = self.registry.find(Kind::Device, &self.name, Some(&self.path));
        found.map_err(|error| PluginError::new(Code::IO, error.to_string()))
    }
}

impl DevicePlugin for Loaded {
    fn manifest(&self) -> Manifest {
        let known = self.found().map(|found| found.manifest().clone());
        known.unwrap_or_else(|_| manifest(&self.name, &self.path))
    }

    fn open(&self, open: &Open) -> Answer<Box<dyn Device>> {
        self.found()?.open_device(open).map_err(|error| match error {
            HostError::Make { error, .. } => error,
            other => PluginError::new(Code::IO, other.to_string()),
        })
    }
}

/// A described device.
struct Described(Box<Circuit>);

impl DevicePlugin for Described {
    fn manifest(&self) -> Manifest {
        manifest(&self.0.name, Path::new("a device description"))
    }

    fn open(&self, open: &Open) -> Answer<Box<dyn Device>> {
        Ok(Box::new(Simulator::open(&self.0, open.seed, open.threads as usize)?))
    }
}

fn manifest(name: &str, place: &Path) -> Manifest {
    Manifest {
        name: name.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        kind: Kind::Device,
        licence: env!("CARGO_PKG_LICENSE").into(),
        summary: place.display().to_string().into(),
        capabilities: 0,
        needs: 0,
        requires: 0,
        settings_schema: "{}".into(),
    }
}
