//! Errors that cross the plugin boundary.

use abi_stable::{StableAbi, std_types::RString};
use std::fmt;

/// What kind of failure happened. A number rather than a Rust enum, so that a newer plugin may send a code that an
/// older host does not know.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub u32);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal),* $(,)?) => {
        impl Code {
            $($(#[$doc])* pub const $name: Code = Code($value);)*

            /// The code's name in capitals, or `UNKNOWN`.
            pub fn name(self) -> &'static str {
                match self.0 { $($value => stringify!($name),)* _ => "UNKNOWN" }
            }
        }
    };
}

codes! {
    /// The device did not answer in time.
    TIMEOUT = 1,
    /// The device is doing something else; ask again.
    BUSY = 2,
    /// Transport failure.
    IO = 3,
    /// Another process holds the device.
    IN_USE = 4,
    /// Not initialised, warming up, or not calibrated yet.
    NOT_READY = 5,
    /// A laser or loop lost its lock.
    UNLOCKED = 6,
    /// A detector or converter saturated.
    SATURATED = 7,
    /// Too hot.
    OVERTEMP = 8,
    /// A power limit would be exceeded.
    OVERPOWER = 9,
    /// A safety interlock is open.
    INTERLOCK = 10,
    /// A number is out of its range.
    RANGE = 11,
    /// An array has the wrong shape.
    SHAPE = 12,
    /// The plugin does not do this.
    UNSUPPORTED = 13,
    /// The calibration is too old.
    CAL_STALE = 14,
    /// A result belongs to another query.
    FRAME_SLIP = 15,
    /// The device lost its state (power cycle).
    STATE_LOST = 16,
    /// A result holds NaN or an infinity.
    NONFINITE = 17,
    /// The plugin was built for another interface.
    ABI_MISMATCH = 18,
    /// Nothing more can be done with this instance.
    FATAL = 19,
    /// The plugin panicked; the guard turned the panic into this error.
    PANIC = 20,
    /// A setting is wrong.
    SETTINGS = 21,
    /// A saved state cannot be read back.
    BAD_STATE = 22,
    /// The process that the driver runs in has ended. Only Blackbeam says this.
    CRASHED = 23,
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name())
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An error of a plugin call.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq)]
pub struct PluginError {
    /// What kind of failure.
    pub code: Code,
    /// For a person: what, where, what to do.
    pub message: RString,
    /// The same call may be sent again.
    pub retryable: bool,
    /// False when it is not known which parameters the device holds (a time-out during a write, say): the host
    /// rewrites them before the next query.
    pub state_known: bool,
}

impl PluginError {
    /// An error that must not be retried and leaves the device's state known.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        PluginError { code, message: RString::from(message.into()), retryable: false, state_known: true }
    }

    /// An error after which the same call may be sent again.
    pub fn retryable(code: Code, message: impl Into<String>) -> Self {
        PluginError { retryable: true, ..Self::new(code, message) }
    }

    /// The same error, with the device's parameters unknown after it.
    pub fn with_unknown_state(mut self) -> Self {
        self.state_known = false;
        self
    }

    /// A setting that cannot be used.
    pub fn settings(message: impl Into<String>) -> Self {
        Self::new(Code::SETTINGS, message)
    }
}

impl fmt::Display for PluginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for PluginError {}

/// Result of a plugin call.
pub type Result<T, E = PluginError> = std::result::Result<T, E>;
