//! `blackbeam plugin`.

use crate::{Failure, args::PluginCommand, device_host::try_to_load, plugin_check, plugin_new, print};
use blackbeam_plugin::Manifest;
use blackbeam_runtime::host::{LockFile, Registry};
use comfy_table::{Table, presets::UTF8_HORIZONTAL_ONLY};
use std::path::Path;

/// Runs the command.
pub fn run(command: &PluginCommand) -> Result<(), Failure> {
    match command {
        PluginCommand::New { name, lang, dir, blackbeam } => plugin_new::run(name, *lang, dir, blackbeam.as_deref()),
        PluginCommand::Check(arguments) => plugin_check::run(arguments),
        PluginCommand::Add { library, dir } => add(library, dir),
        PluginCommand::List { dir } => list(dir),
    }
}

fn add(library: &Path, dir: &Path) -> Result<(), Failure> {
    let input = |e: blackbeam_runtime::host::HostError| Failure::Input(e.to_string());
    try_to_load(library)?;
    let mut registry = Registry::new().map_err(input)?;
    let loaded = registry.load(library).map_err(input)?;
    let mut lock = LockFile::read(dir).map_err(input)?;
    lock.add(loaded).map_err(input)?;
    lock.write().map_err(input)?;
    let names: Vec<String> =
        loaded.plugins.iter().map(|p| format!("{} `{}`", p.manifest().kind.name(), p.manifest().name)).collect();
    print(&format!("{}: {}\nadded to {}\n", library.display(), names.join(", "), lock.path().display()))
}

fn list(dir: &Path) -> Result<(), Failure> {
    let input = |e: blackbeam_runtime::host::HostError| Failure::Input(e.to_string());
    let registry = Registry::new().map_err(input)?;
    let lock = LockFile::read(dir).map_err(input)?;
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header(["kind", "name", "version", "licence", "from", "what it does"]);
    let mut add = |m: &Manifest, from: String| {
        let cells = [m.kind.name(), m.name.as_str(), m.version.as_str(), m.licence.as_str(), &from, m.summary.as_str()];
        table.add_row(cells);
    };
    for plugin in registry.built_in() {
        add(plugin.manifest(), "built in".into());
    }
    for library in lock.libraries() {
        for plugin in &library.plugins {
            add(&plugin.manifest(), library.path.display().to_string());
        }
    }
    print(&format!("{table}\n"))
}
