//! What a plugin says of itself before anything is made of it.

use crate::{Device, Estimator, Result, Surrogate};
use abi_stable::{StableAbi, std_types::RString};

/// Major part of the interface version: another one is refused.
pub const INTERFACE_MAJOR: u32 = 0;
/// Minor part of the interface version: a plugin built for a newer one is refused.
pub const INTERFACE_MINOR: u32 = 5;

/// What a plugin makes.
#[repr(u8)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Kind {
    /// A [`Device`].
    Device = 0,
    /// An [`Estimator`].
    Estimator = 1,
    /// A [`Surrogate`].
    Surrogate = 2,
}

impl Kind {
    /// The name used in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Device => "device",
            Kind::Estimator => "estimator",
            Kind::Surrogate => "surrogate",
        }
    }
}

/// Bits of [`Manifest::capabilities`].
pub mod capability {
    /// Surrogate: fits the Jacobian at the batch, so that it may be used on a device that is not linear in x.
    pub const NONLINEAR_DEVICES: u64 = 1;
    /// Surrogate: its gradient does not come from the device at all (a control).
    pub const CONTROL: u64 = 2;
    /// Surrogate: a model of the device itself. [`Surrogate::backward`](crate::Surrogate::backward) is given x as the device
    /// gets it, scaled into its range, and derivatives in the units of the device; the host takes them into the network's.
    pub const DEVICE_UNITS: u64 = 4;
}

/// What one plugin says of itself. A library may hold several.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The name by which experiments ask for it, such as `gaussian`.
    pub name: RString,
    /// Version of the plugin.
    pub version: RString,
    /// What it makes.
    pub kind: Kind,
    /// Licence, as an SPDX expression.
    pub licence: RString,
    /// One sentence on what it does, with its source.
    pub summary: RString,
    /// Bits of [`capability`].
    pub capabilities: u64,
    /// Bits of [`needs`](crate::needs).
    pub needs: u64,
    /// Bits of [`structure`](crate::structure) that a device must have to be used with this method.
    pub requires: u64,
    /// JSON schema (draft 07) of its settings.
    pub settings_schema: RString,
}

/// What a constructor is given beside the settings.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq)]
pub struct Open {
    /// The settings, a JSON object that fits the schema.
    pub settings: RString,
    /// Device: seed of everything that is drawn once per device (fabrication).
    pub seed: u64,
    /// Device: threads that one call may use.
    pub threads: u32,
    /// Device: every non-ideality is to be switched off.
    pub ideal: bool,
}

/// Makes estimators: the type that an author registers.
pub trait EstimatorPlugin: Send + Sync {
    /// What it is.
    fn manifest(&self) -> Manifest;
    /// Makes one for a device.
    ///
    /// # Errors
    /// `SETTINGS` if the settings cannot be used, with what would do.
    fn make(&self, open: &Open, device: &crate::Descriptor) -> Result<Box<dyn Estimator>>;
}

/// Makes surrogates: the type that an author registers.
pub trait SurrogatePlugin: Send + Sync {
    /// What it is.
    fn manifest(&self) -> Manifest;
    /// Makes one for a device.
    ///
    /// # Errors
    /// `SETTINGS` if the settings cannot be used, with what would do.
    fn make(&self, open: &Open, device: &crate::Descriptor) -> Result<Box<dyn Surrogate>>;
}

/// Opens devices: the type that an author registers.
pub trait DevicePlugin: Send + Sync {
    /// What it is.
    fn manifest(&self) -> Manifest;
    /// Opens one.
    ///
    /// # Errors
    /// `SETTINGS` if the settings cannot be used; `IN_USE`, `IO`, ... if the device cannot be had.
    fn open(&self, open: &Open) -> Result<Box<dyn Device>>;
}

/// One plugin, of whatever kind: what a library exports and what the host registers.
pub enum Plugin {
    /// A device.
    Device(Box<dyn DevicePlugin>),
    /// An estimator.
    Estimator(Box<dyn EstimatorPlugin>),
    /// A surrogate.
    Surrogate(Box<dyn SurrogatePlugin>),
}

impl Plugin {
    /// What it makes.
    pub fn kind(&self) -> Kind {
        match self {
            Plugin::Device(_) => Kind::Device,
            Plugin::Estimator(_) => Kind::Estimator,
            Plugin::Surrogate(_) => Kind::Surrogate,
        }
    }

    /// What it is.
    pub fn manifest(&self) -> Manifest {
        match self {
            Plugin::Device(p) => p.manifest(),
            Plugin::Estimator(p) => p.manifest(),
            Plugin::Surrogate(p) => p.manifest(),
        }
    }
}
