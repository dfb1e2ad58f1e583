//! What a device says of itself: its parameters, ports, times, limits.

use crate::Dtype;
use abi_stable::{
    StableAbi,
    std_types::{RString, RVec},
};

/// Kind of a parameter.
#[repr(u8)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParameterKind {
    /// Optical phase, radians.
    Phase = 0,
    /// Volts.
    Voltage = 1,
    /// A level without unit (attenuation, a weight).
    Level = 2,
    /// 0 or 1.
    Binary = 3,
}

/// What the host does with a parameter that an update carries out of its range.
#[repr(u8)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub enum AtRange {
    /// Stop at the bound.
    Clip = 0,
    /// Come in again at the other end (the range is a whole period).
    Wrap = 1,
    /// Turn back at the bound.
    Reflect = 2,
}

impl AtRange {
    /// The value inside [min, max] that stands for `value`. Bounds that are not finite do not bound.
    pub fn apply(self, value: f64, min: f64, max: f64) -> f64 {
        let span = max - min;
        if (min..=max).contains(&value) || !value.is_finite() {
            return value;
        }
        if !span.is_finite() || span <= 0.0 || self == AtRange::Clip {
            return value.max(min).min(max);
        }
        match self {
            AtRange::Clip => unreachable!("handled above"),
            AtRange::Wrap => (min + (value - min).rem_euclid(span)).min(max),
            AtRange::Reflect => {
                let folded = (value - min).rem_euclid(2.0 * span);
                min + if folded > span { 2.0 * span - folded } else { folded }
            }
        }
    }
}

/// One parameter of a device.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Unique name, such as `U.theta<3.1>`.
    pub name: RString,
    /// Unit, such as `rad`.
    pub unit: RString,
    /// Lower bound; may be -inf.
    pub min: f64,
    /// Upper bound; may be +inf.
    pub max: f64,
    /// Value at the start of a run.
    pub initial: f64,
    /// Largest step over the range between two values that the device can hold (its LSB); 0 if continuous.
    pub resolution: f64,
    /// Period; 0 if the parameter has none.
    pub period: f64,
    /// Kind.
    pub kind: ParameterKind,
    /// What an update does at the bounds.
    pub at_range: AtRange,
    /// Parameters of one group belong together (all theta of a mesh, say).
    pub group: u32,
    /// Row (weight banks: output) or layer (meshes).
    pub row: u32,
    /// Column (weight banks: input) or row within the layer (meshes).
    pub column: u32,
}

impl Parameter {
    /// The value inside the range that a device holds when it is asked for `value`: wrapped where the range is a whole
    /// period ([`AtRange::Wrap`]), else clipped. Hosts and simulators share this rule.
    pub fn admit(&self, value: f64) -> f64 {
        let rule = if self.at_range == AtRange::Wrap { AtRange::Wrap } else { AtRange::Clip };
        rule.apply(value, self.min, self.max)
    }

    /// How far it reaches; 2 where it has no bounds.
    pub fn span(&self) -> f64 {
        let span = self.max - self.min;
        if span.is_finite() && span >= 0.0 { span } else { 2.0 }
    }

    /// Distance of two values; where a period is known, around it.
    pub fn distance(&self, a: f64, b: f64) -> f64 {
        let d = (a - b).abs();
        let period =
            if self.period <= 0.0 && self.at_range == AtRange::Wrap { self.max - self.min } else { self.period };
        if period > 0.0 && period.is_finite() { (d % period).min(period - d % period) } else { d }
    }

    /// How far what was applied may be from what was asked: one resolution. A device that holds its parameters as 32-bit floats is
    /// as good as continuous.
    pub fn tolerance(&self) -> f64 {
        self.resolution * (1.0 + 1e-6) + 1e-6 * self.span()
    }
}

/// The inputs or the outputs of a device.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq)]
pub struct Port {
    /// Number of reals in one vector: complex values count twice.
    pub width: usize,
    /// The values are interleaved (re, im) pairs.
    pub complex: bool,
    /// Lower end of the range; -inf if there is none.
    pub min: f64,
    /// Upper end of the range; +inf if there is none.
    pub max: f64,
    /// Bits of the converter; 0 if there is none.
    pub bits: u32,
}

/// Times that the device clock charges, seconds.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Default)]
pub struct Timing {
    /// Each write of parameters, however many change.
    pub write_fixed_s: f64,
    /// Each parameter that a write changes.
    pub write_each_s: f64,
    /// Time constant of the actuators.
    pub settle_tau_s: f64,
    /// Residual (in parameter units) at which they count as settled.
    pub settle_tolerance: f64,
    /// Each logical query.
    pub trigger_s: f64,
    /// Each frame.
    pub frame_s: f64,
    /// Vectors per frame (at least 1).
    pub frame_vectors: u32,
    /// Readings averaged per vector (at least 1).
    pub averages: u32,
    /// Host time charged per training step (`host_time: fixed`).
    pub host_step_s: f64,
}

/// Energy that the ledger charges.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Default)]
pub struct Energy {
    /// Power while the device is in use (source, actuators at mid-range), watts.
    pub hold_w: f64,
    /// Each parameter that a write changes, joules.
    pub write_j: f64,
    /// Each vector (converters), joules.
    pub vector_j: f64,
}

/// Bits of [`Descriptor::structure`]: what is known of the function that the device computes.
pub mod structure {
    /// y is linear in x at fixed parameters (up to noise and converters).
    pub const LINEAR_IN_X: u64 = 1;
    /// Each parameter acts on one entry of the matrix only.
    pub const LOCAL: u64 = 2;
    /// Each parameter enters the field once as exp(i parameter).
    pub const SINGLE_FREQUENCY: u64 = 4;
    /// The device can be thought of with light sent backwards.
    pub const RECIPROCAL: u64 = 8;
    /// No output has more power than the input.
    pub const PASSIVE: u64 = 16;
    /// The same call gives the same bits.
    pub const DETERMINISTIC: u64 = 32;
    /// Each parameter enters the field as exp(i parameter) on some ways and exp(-i parameter) on others, never twice on one
    /// way: the field has one frequency with both signs, powers have it once and twice.
    pub const TWO_SIDED: u64 = 64;
    /// Outputs are magnitudes of fields: it is their squares that are trigonometric in phases.
    pub const MAGNITUDE: u64 = 128;

    /// All bits with their names.
    const NAMES: [(u64, &str); 8] = [
        (LINEAR_IN_X, "linear_in_x"),
        (LOCAL, "local"),
        (SINGLE_FREQUENCY, "single_frequency"),
        (RECIPROCAL, "reciprocal"),
        (PASSIVE, "passive"),
        (DETERMINISTIC, "deterministic"),
        (TWO_SIDED, "two_sided"),
        (MAGNITUDE, "magnitude"),
    ];

    /// Names of the bits of `required` that are not in `present`.
    pub fn missing(required: u64, present: u64) -> Vec<&'static str> {
        NAMES.iter().filter(|(bit, _)| required & !present & bit != 0).map(|(_, name)| *name).collect()
    }
}

/// Bits of [`Descriptor::can`]: optional methods of [`Device`](crate::Device) that the device has, and forms of parameter set that
/// [`Device::query_sets`](crate::Device::query_sets) takes beside dense ones.
pub mod can {
    /// [`Device::query_sets`](crate::Device::query_sets).
    pub const QUERY_SETS: u64 = 1;
    /// Sparse sets in `query_sets`.
    pub const SPARSE: u64 = 2;
    /// Block sets in `query_sets`.
    pub const BLOCK: u64 = 4;
    /// Keyed sets in `query_sets`.
    pub const KEYED: u64 = 8;
    /// [`Device::query_backward`](crate::Device::query_backward).
    pub const BACKWARD: u64 = 16;
    /// [`Device::read_matrix`](crate::Device::read_matrix).
    pub const READ_MATRIX: u64 = 32;
    /// [`Device::read_params`](crate::Device::read_params).
    pub const READ_PARAMS: u64 = 64;
    /// [`Device::set_full_scale`](crate::Device::set_full_scale): the output range follows the signal.
    pub const FULL_SCALE: u64 = 128;
    /// Parameter sets of one call may be answered on several threads.
    pub const THREADS: u64 = 256;
    /// [`Device::exact_vjp`](crate::Device::exact_vjp): a diagnostic that no method sees.
    pub const EXACT_VJP: u64 = 512;
    /// [`Device::query_scalars`](crate::Device::query_scalars).
    pub const SCALARS: u64 = 1024;
    /// [`Device::calibrate`](crate::Device::calibrate).
    pub const CALIBRATE: u64 = 1 << 32;
}

/// What the hardware bears; 0 where there is no limit. The host keeps to it: parameters are scaled, changes are slowed
/// down, and what is beyond the writes is refused.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Default)]
pub struct Limits {
    /// All actuators together, watts. Needs `unit_power_w`.
    pub total_power_w: f64,
    /// One actuator, watts. Needs `unit_power_w`.
    pub channel_power_w: f64,
    /// Power of one actuator where its parameter has the value 1: grows with the square of voltages
    /// ([`ParameterKind::Voltage`]), in proportion to the magnitude of everything else (a heater's phase is proportional to its power).
    /// Watts; 0 if not known.
    pub unit_power_w: f64,
    /// Fastest change of a parameter, its unit per second.
    pub slew_per_s: f64,
    /// Writes in the life of the device.
    pub writes: u64,
}

/// How long calls may take until something is wrong, seconds; 0 where the host is to choose.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Default)]
pub struct Timeouts {
    /// Opening.
    pub open_s: f64,
    /// Each write.
    pub write_s: f64,
    /// Each query.
    pub query_s: f64,
    /// Calibrating.
    pub calibrate_s: f64,
}

/// What a device says of itself. It does not change while the device is open.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq)]
pub struct Descriptor {
    /// Name of the device.
    pub name: RString,
    /// Firmware or model version.
    pub firmware: RString,
    /// Identifies the calibration in force.
    pub calibration: RString,
    /// Inputs.
    pub input: Port,
    /// Outputs.
    pub output: Port,
    /// The trainable parameters, in the order of the parameter vector.
    pub parameters: RVec<Parameter>,
    /// Element type of the arrays it takes.
    pub dtype: Dtype,
    /// Bits of [`structure`].
    pub structure: u64,
    /// Bits of [`can`].
    pub can: u64,
    /// Most rows in one call; 0 if there is no limit.
    pub max_batch: usize,
    /// Vectors of light that one row takes: 2 where signed inputs are sent as two unsigned vectors, else 1. The ledger
    /// counts vectors of light.
    pub vectors_per_row: u32,
    /// Declared standard deviation of the output noise relative to full scale; negative if not known.
    pub noise: f64,
    /// Times.
    pub timing: Timing,
    /// Energy.
    pub energy: Energy,
    /// What the hardware bears.
    pub limits: Limits,
    /// How long calls may take.
    pub timeouts: Timeouts,
}

impl Descriptor {
    /// Number of parameters.
    pub fn n_params(&self) -> usize {
        self.parameters.len()
    }

    /// True if all bits of `bits` are set in [`structure`].
    pub fn has(&self, bits: u64) -> bool {
        self.structure & bits == bits
    }

    /// True if all bits of `bits` are set in [`can`].
    pub fn can(&self, bits: u64) -> bool {
        self.can & bits == bits
    }

    /// The largest [`Parameter::resolution`]; 0 if all parameters are continuous.
    pub fn lsb(&self) -> f64 {
        self.parameters.iter().map(|p| p.resolution).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::AtRange::{Clip, Reflect, Wrap};

    #[test]
    fn at_range_brings_values_back() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
        near(Clip.apply(7.0, 0.0, 6.0), 6.0);
        near(Wrap.apply(7.0, 0.0, 6.0), 1.0);
        near(Wrap.apply(-1.0, 0.0, 6.0), 5.0);
        near(Reflect.apply(7.0, 0.0, 6.0), 5.0);
        near(Reflect.apply(-1.0, 0.0, 6.0), 1.0);
        near(Reflect.apply(13.0, 0.0, 6.0), 1.0);
        near(Wrap.apply(3.0, 0.0, f64::INFINITY), 3.0);
        near(Wrap.apply(-3.0, 0.0, f64::INFINITY), 0.0);
    }
}
