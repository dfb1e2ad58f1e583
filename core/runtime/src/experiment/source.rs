//! Where the device of an experiment comes from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::PathBuf;

/// Where a device comes from: one of `file`, `plugin` and `replay`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// A device description (`.ddl.yml`), to be simulated. Relative to the experiment file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Name of a device plugin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The library that holds the plugin, if it is not built in. Relative to the experiment file; to be made known once
    /// with `blackbeam plugin add`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub library: Option<PathBuf>,
    /// A log (`.bblog`) that the device was recorded in with `record: full`: it answers what was answered then, and nothing else.
    /// Relative to the experiment file. Controls have logs of their own beside it, `NAME.CONTROL.bblog`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<PathBuf>,
    /// How far the device is from perfect; what its description says if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// Plugin of a library: where it runs. `process` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolating>,
    /// Plugin: its settings. File: settings of instances that replace those of the description, as
    /// `{instance: {setting: value}}`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub settings: Map<String, Value>,
}

/// Where the device of a library runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Isolating {
    /// In a process of its own: what the driver does wrong, a crash or a hang among it, is an error of one call, after which
    /// the device is opened again.
    Process,
    /// In this process: faster by microseconds a call, for libraries that are trusted. A crash of the driver ends the run.
    InProcess,
}

/// The kinds of [`Source`], borrowed from one that was checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Origin<'a> {
    /// A device description.
    File(&'a PathBuf),
    /// A plugin: its name, and its library if it is not built in.
    Plugin(&'a str, Option<&'a PathBuf>),
    /// A log.
    Replay(&'a PathBuf),
}

impl Source {
    /// Which of the kinds it is. `None` where the reader's check would have refused it: none, or more than one.
    pub fn origin(&self) -> Option<Origin<'_>> {
        match (&self.file, &self.plugin, &self.replay) {
            (Some(file), None, None) => Some(Origin::File(file)),
            (None, Some(name), None) => Some(Origin::Plugin(name, self.library.as_ref())),
            (None, None, Some(log)) => Some(Origin::Replay(log)),
            _ => None,
        }
    }
}

/// How far a device is from perfect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Every non-ideality off: no noise, no drift, no fabrication error, continuous values.
    Ideal,
    /// As the device's family is usually found.
    Typical,
    /// At the bad end of what is reported.
    Pessimistic,
}
