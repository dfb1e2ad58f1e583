//! The grammar of a device file, as types. The JSON schema (for editors and for the structural check) is made from
//! them; what a schema cannot say is checked in `check`. The circuit part (instances, links) is read by
//! `blackbeam-schematic`; here it is only described.

pub(crate) mod alias;
mod drift;
mod drive;
mod environment;
mod event;
mod generator;
mod instance;
mod io;
mod network;
mod nonideal;
mod parameter;

pub use drift::*;
pub use drive::*;
pub use environment::*;
pub use event::*;
pub use generator::*;
pub use instance::*;
pub use io::*;
pub use network::*;
pub use nonideal::*;
pub use parameter::*;

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A Blackbeam device file: one piece of photonic hardware.
///
/// It says what the hardware is made of (a SAX / gdsfactory netlist: `instances`, `connections`, `ports`, ...), what can be
/// tuned (`parameters`), how it is driven and read (`actuators`, `encoding`, `readout`, `timing`) and what is wrong with
/// it (`nonideal`, `drift`, `events`). Lengths are micrometres, phases radians, losses dB of power, times seconds, powers
/// watts.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "made for its schema; sections are read one by one, so that each keeps its positions")]
pub struct DeviceFile {
    /// Version of the language: 1. With it, unknown names and settings are errors; without it the file is read as SAX
    /// reads it.
    #[schemars(range(min = 1, max = 1))]
    ddl: Option<u32>,
    /// Name of the device; the name of the file if left out.
    name: Option<String>,
    /// Non-idealities, converters and times of a whole family at once; the sections of this file go over them. For a
    /// device of one `mesh`, `mrr_bank` or `slm_matvec`.
    preset: Option<Preset>,
    /// Units of this file. They are fixed; writing them down helps readers.
    units: Option<Units>,
    /// What surrounds the device.
    environment: Option<Environment>,
    /// Seeds every random draw of this file, device by device.
    seed: Option<u64>,
    /// Settings of the circuit, for `${settings.x}` in it.
    settings: Option<serde_json::Value>,
    /// Sub-circuits by name, each a netlist with `settings`, `instances`, `connections` and `ports`.
    circuits: Option<BTreeMap<String, Circuit>>,
    /// Components from files: measured or simulated S-parameters, netlists.
    imports: Option<Vec<ImportEntry>>,
    /// What the device is made of.
    instances: Option<BTreeMap<String, Instance>>,
    /// Joined ports, `instance,port: instance,port`.
    connections: Option<BTreeMap<String, String>>,
    /// Joined ports, `{p1: "instance,port", p2: "instance,port"}`.
    nets: Option<Vec<serde_json::Value>>,
    /// Routes of gdsfactory; their links are ideal joins.
    routes: Option<serde_json::Value>,
    /// Names for the ports that lead out, such as `in0-7: U,in0-7`.
    ports: Option<BTreeMap<String, String>>,
    /// Ports inside at which both waves are watched when the device is simulated: `name: instance,port`.
    probes: Option<BTreeMap<String, String>>,
    /// A network that runs wholly on the device.
    network: Option<NetworkEntry>,
    /// How a circuit is solved.
    solver: Option<SolverEntry>,
    /// What a trainer sees, in this order: one flat vector. Keys are paths such as `U.theta` or `m*.ps.phi`.
    parameters: Option<BTreeMap<String, ParameterEntry>>,
    /// From parameter to DAC code to drive to phase.
    actuators: Option<BTreeMap<String, ActuatorEntry>>,
    /// Imperfections, in order; a later entry wins for the same quantity at the same place.
    nonideal: Option<Vec<RuleEntry>>,
    /// What changes slowly with time since calibration; the entries add up.
    drift: Option<Vec<DriftEntry>>,
    /// What happens abruptly.
    events: Option<Vec<EventEntry>>,
    /// How an input vector becomes light.
    encoding: Option<EncodingEntry>,
    /// How light becomes an output vector.
    readout: Option<ReadoutEntry>,
    /// The device clock.
    timing: Option<TimingEntry>,
    /// Notes of other tools. `info.ddl` may hold the sections of this language that are not SAX's.
    info: Option<serde_json::Value>,
    /// Which circuit of a recursive netlist is the device; the first if left out.
    top_level: Option<String>,
    /// Kept by gdsfactory; has no effect.
    pdk: Option<serde_json::Value>,
    /// Kept by gdsfactory; has no effect.
    placements: Option<serde_json::Value>,
    /// Kept by gdsfactory; has no effect.
    warnings: Option<serde_json::Value>,
}

/// Preset of a family.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Nothing wrong with it; only the clock.
    Ideal,
    /// 8-bit converters, 1 % read noise, small fabrication errors, slow drift.
    Typical,
    /// A poor specimen.
    Pessimistic,
}

/// One path or several.
#[derive(Deserialize, JsonSchema, Clone)]
#[serde(untagged)]
pub enum Paths {
    /// One path with globs: `*` stays within one name and one index, `**` crosses dots.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// A number, or the distribution from which each device draws it once.
#[derive(Deserialize, JsonSchema, Clone)]
#[serde(untagged)]
pub enum NumberEntry {
    /// The same for every device.
    Fixed(f64),
    /// A distribution.
    Spread(Spread),
}

/// A distribution: exactly one of the keys.
#[derive(Deserialize, JsonSchema, Clone)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// Mean and standard deviation.
    pub normal: Option<[f64; 2]>,
    /// Lower and upper bound.
    pub uniform: Option<[f64; 2]>,
    /// Median, and standard deviation of the logarithm.
    pub lognormal: Option<[f64; 2]>,
}
