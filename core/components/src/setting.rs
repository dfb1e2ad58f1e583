//! The numbers that components take, and the ones that many components share.

/// A number that a component takes.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name, as SAX has it.
    pub name: &'static str,
    /// Other names that are accepted.
    pub aliases: &'static [&'static str],
    /// Value if the netlist gives none.
    pub default: f64,
    /// Unit.
    pub unit: Unit,
    /// What makes physical sense, both ends included; a value outside is an error (a warning `has gain` where
    /// `gain_outside`).
    pub range: (f64, f64),
    /// Outside the range the component has gain: a warning, not an error.
    pub gain_outside: bool,
    /// One line for people.
    pub doc: &'static str,
}

/// Unit of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// No unit.
    One,
    /// Micrometres.
    Um,
    /// Radians.
    Rad,
    /// dB of power.
    Db,
    /// dB of power per centimetre.
    DbPerCm,
    /// Kelvin.
    Kelvin,
    /// dB of power per micrometre.
    DbPerUm,
    /// Per micrometre.
    PerUm,
    /// Per square micrometre.
    PerUm2,
    /// Volts.
    Volt,
    /// dB of power per volt.
    DbPerVolt,
    /// dB of power per square volt.
    DbPerVolt2,
    /// A whole number: it says how many ports there are, and no device tunes it.
    Count,
    /// 0 or 1: no or yes, and no device tunes it.
    Flag,
}

impl Unit {
    /// The unit as people write it; empty for a plain number.
    pub const fn symbol(self) -> &'static str {
        match self {
            Unit::One => "",
            Unit::Um => "um",
            Unit::Rad => "rad",
            Unit::Db => "dB",
            Unit::DbPerCm => "dB/cm",
            Unit::Kelvin => "K",
            Unit::DbPerUm => "dB/um",
            Unit::PerUm => "1/um",
            Unit::PerUm2 => "1/um^2",
            Unit::Volt => "V",
            Unit::DbPerVolt => "dB/V",
            Unit::DbPerVolt2 => "dB/V^2",
            Unit::Count => "count",
            Unit::Flag => "0 or 1",
        }
    }
}

/// Any number.
pub(crate) const ANY: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);
/// 0 and above.
pub(crate) const NOT_NEGATIVE: (f64, f64) = (0.0, f64::INFINITY);
/// Above 0: the equations divide by the number.
pub(crate) const POSITIVE: (f64, f64) = (f64::MIN_POSITIVE, f64::INFINITY);
/// A part of a whole.
pub(crate) const PART: (f64, f64) = (0.0, 1.0);

impl Setting {
    /// A setting without other names, whose range is strict.
    pub(crate) const fn new(
        name: &'static str,
        default: f64,
        unit: Unit,
        range: (f64, f64),
        doc: &'static str,
    ) -> Setting {
        Setting { name, aliases: &[], default, unit, range, gain_outside: false, doc }
    }

    /// The same with other names.
    pub(crate) const fn or(self, aliases: &'static [&'static str]) -> Setting {
        Setting { aliases, ..self }
    }

    /// The same, having gain outside its range.
    pub(crate) const fn else_gain(self) -> Setting {
        Setting { gain_outside: true, ..self }
    }

    /// The same with another meaning.
    pub(crate) const fn says(self, doc: &'static str) -> Setting {
        Setting { doc, ..self }
    }

    /// The same with another default.
    pub(crate) const fn with(self, default: f64) -> Setting {
        Setting { default, ..self }
    }
}

/// Reference wavelength.
pub(crate) const WL0: Setting = Setting::new("wl0", 1.55, Unit::Um, POSITIVE, "reference wavelength");
/// Effective index.
pub(crate) const NEFF: Setting = Setting::new("neff", 2.34, Unit::One, NOT_NEGATIVE, "effective index at wl0");
/// Group index.
pub(crate) const NG: Setting = Setting::new("ng", 3.4, Unit::One, NOT_NEGATIVE, "group index at wl0");
/// Length of a waveguide.
pub(crate) const LENGTH: Setting = Setting::new("length", 10.0, Unit::Um, NOT_NEGATIVE, "length");
/// Loss of a waveguide.
pub(crate) const LOSS_DB_CM: Setting =
    Setting::new("loss_dB_cm", 0.0, Unit::DbPerCm, NOT_NEGATIVE, "loss of power along the way")
        .or(&["loss"])
        .else_gain();
/// Loss of a component.
pub(crate) const LOSS_DB: Setting =
    Setting::new("loss_dB", 0.0, Unit::Db, NOT_NEGATIVE, "loss of power on every path").or(&["loss"]).else_gain();
/// Power coupling of a coupler.
pub(crate) const COUPLING: Setting =
    Setting::new("coupling", 0.5, Unit::One, PART, "part of the power that crosses over");
/// A phase.
pub(crate) const PHI: Setting = Setting::new("phi", 0.0, Unit::Rad, ANY, "phase");
/// A voltage.
pub(crate) const VOLTAGE: Setting = Setting::new("voltage", 0.0, Unit::Volt, ANY, "applied voltage");
/// Voltage for a phase of pi.
pub(crate) const V_PI: Setting = Setting::new("v_pi", 1.0, Unit::Volt, POSITIVE, "voltage that adds a phase of pi");
/// Loss on the wanted path of a non-reciprocal component.
pub(crate) const INSERTION_LOSS_DB: Setting =
    Setting::new("insertion_loss_dB", 0.0, Unit::Db, NOT_NEGATIVE, "loss of power the way light is meant to go")
        .or(&["insertion_loss_db"])
        .else_gain();
/// Loss on the unwanted path of a non-reciprocal component.
pub(crate) const ISOLATION_DB: Setting = Setting::new(
    "isolation_dB",
    40.0,
    Unit::Db,
    NOT_NEGATIVE,
    "loss of power the other way; 10000 lets nothing through",
)
.or(&["isolation_db"])
.else_gain();
