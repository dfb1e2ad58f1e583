//! The checked circuit: what the reader hands to the optics once a device file has no error left. Plain data; names
//! and globs are resolved to indices, units to the conventions of the language (um, rad, dB, s, W), and every number
//! that may be random is a [`Number`] that the simulator draws once per device.

mod errors;
mod generators;
mod io;
mod names;
mod network;
mod parameters;

pub use blackbeam_schematic::{Expr, Number};
pub use errors::*;
pub use generators::*;
pub use io::*;
pub use names::*;
pub use network::*;
pub use parameters::*;

use std::sync::Arc;

/// One device file, checked.
///
/// What can be set or be wrong is a *slot*: a number of an instance, such as a phase of a mesh, a setting of a coupler, or
/// a setting of a sub-circuit from which settings inside are computed. The slots of one instance stand together.
#[derive(Clone, Debug, PartialEq)]
pub struct Circuit {
    /// `name`.
    pub name: String,
    /// `seed` of the file: goes, with the run's seed and the device's name, into what is drawn once per device.
    pub seed: u64,
    /// What the device stands in.
    pub environment: Environment,
    /// The leaves of the circuit. A device of one generator has one.
    pub instances: Vec<Instance>,
    /// All slots. Those of instance k are `instances[k].slots`; those of sub-circuits stand between them. An expression
    /// only names slots before its own.
    pub slots: Vec<Slot>,
    /// Joined ports of instances.
    pub links: Vec<[Port; 2]>,
    /// Outer ports in the order of the file.
    pub ports: Vec<OuterPort>,
    /// Ports inside at which both waves are watched (`simulate` only).
    pub probes: Vec<OuterPort>,
    /// `solver.method`.
    pub solver: Solver,
    /// `solver.precision`.
    pub precision: Precision,
    /// Parameter blocks in the order of w.
    pub parameters: Vec<ParameterBlock>,
    /// Actuators; a block that none drives is set exactly.
    pub actuators: Vec<Actuator>,
    /// Non-idealities in order; a later one wins.
    pub nonideal: Vec<Rule>,
    /// Drift terms; they add up.
    pub drift: Vec<Drift>,
    /// Abrupt events.
    pub events: Vec<Event>,
    /// The network that the device is, if it is one: then it has no outer ports.
    pub network: Option<Network>,
    /// Inputs; None if the file says nothing of them: such a device can be simulated, not trained.
    pub encoding: Option<Encoding>,
    /// Outputs.
    pub readout: Readout,
    /// Clock.
    pub timing: Timing,
}

/// `environment`.
#[derive(Clone, Debug, PartialEq)]
pub struct Environment {
    /// Wavelengths, um: one, a sweep, or WDM channels. A device that is trained has one wavelength or channels.
    pub wavelengths_um: Vec<f64>,
    /// The wavelengths are incoherent WDM channels, f_k = c/start - k spacing.
    pub channels: bool,
    /// Kelvin.
    pub temperature_k: f64,
}

/// A leaf.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// `m0.dc<0.1>`. Randomness is keyed by it, never by the position in the file.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Its slots. Primitive: the settings in the order of the component. Mesh: theta of all cells (layer by layer, from mode
    /// 0 up), phi likewise, gamma. Bank: phi, row-major [rows, columns]. SLM: phase (then amplitude), row-major.
    pub slots: std::ops::Range<usize>,
    /// Number of inputs.
    pub inputs: usize,
    /// Number of outputs.
    pub outputs: usize,
}

/// What a leaf is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A mesh of 2x2 cells.
    Mesh(Mesh),
    /// A microring weight bank.
    MrrBank(MrrBank),
    /// An SLM that multiplies a matrix.
    SlmMatvec(SlmMatvec),
    /// Light in free space.
    FreeSpace(FreeSpace),
    /// The weights of a layer of the device's network.
    Weights(Arc<[blackbeam_layers::program::Weight]>),
    /// A component of the catalogue, by its name.
    Primitive(&'static str),
    /// Imported S-parameters.
    Imported(Imported),
}

/// Imported S-parameters, for the ports of the instance.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Name under which it was imported.
    pub name: String,
    /// The data; its ports are those of the instance, in order.
    pub data: Arc<blackbeam_sparams::Model>,
    /// What happens outside of its wavelengths. With `Error` they cover the wavelengths of the environment.
    pub extrapolate: blackbeam_sparams::Extrapolate,
}

impl PartialEq for Imported {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.data, &other.data) && self.extrapolate == other.extrapolate
    }
}

/// A slot.
#[derive(Clone, Debug, PartialEq)]
pub enum Slot {
    /// A number, or the distribution it is drawn from.
    Number(Number),
    /// A function of slots before it.
    Expr(Expr),
}

/// A port of an instance: ports are counted inputs first, then outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// Index into `Circuit::instances`.
    pub instance: usize,
    /// Index of its port.
    pub port: usize,
}

/// An outer port or a probe.
#[derive(Clone, Debug, PartialEq)]
pub struct OuterPort {
    /// Name.
    pub name: String,
    /// What it is.
    pub port: Port,
}

/// `solver.method`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Solver {
    /// By structure.
    #[default]
    Auto,
    /// Sweep along the light; an error if there is feedback.
    Feedforward,
    /// Block elimination.
    Cascade,
    /// Sparse LU.
    Sparse,
    /// Dense LU.
    Dense,
}

/// `solver.precision`: the numbers in which a query is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Precision {
    /// Double.
    #[default]
    F64,
    /// Single.
    F32,
}

/// An element of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Element {
    /// Index into `Circuit::instances`.
    pub instance: usize,
    /// Index of the element.
    pub index: usize,
}
