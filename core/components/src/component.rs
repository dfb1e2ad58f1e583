//! What a component is.

use crate::{Cx, Dual, Real, Setting};
use blackbeam_kernels::Level;

/// Ports of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// Always as many inputs (in0, ..) and outputs (out0, ..).
    Fixed {
        /// in0, in1, ...
        inputs: usize,
        /// out0, out1, ...
        outputs: usize,
    },
    /// As many as two integer settings of these names say (one setting, named twice, for both).
    Counted {
        /// Name of the setting with the number of inputs.
        inputs: &'static str,
        /// Name of the setting with the number of outputs.
        outputs: &'static str,
    },
}

/// Whether more light can come out than goes in, all settings in their ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passivity {
    /// Never.
    Passive,
    /// At the settings, or for the inputs, that the text names.
    Gain(&'static str),
}

/// Where an instance stands and what light it meets.
#[derive(Clone, Copy, Debug)]
pub struct Scatter<'a, T> {
    /// The settings in the order of [`Component::settings`].
    pub settings: &'a [T],
    /// Number of inputs.
    pub inputs: usize,
    /// Number of outputs.
    pub outputs: usize,
    /// Wavelength, um.
    pub wl_um: f64,
}

/// Takes the entries of a scattering matrix; those that are not given are zero.
pub trait Sink<T: Real> {
    /// S(from -> to), ports counted in0, in1, .., out0, out1, ...
    fn set(&mut self, from: usize, to: usize, value: Cx<T>);

    /// S(a -> b) = S(b -> a) = value.
    fn both(&mut self, a: usize, b: usize, value: Cx<T>) {
        self.set(a, b, value);
        if a != b {
            self.set(b, a, value);
        }
    }
}

/// A component of the catalogue.
pub struct Component {
    /// Its name, as SAX or the language has it.
    pub name: &'static str,
    /// Other names that are accepted.
    pub aliases: &'static [&'static str],
    /// Its settings.
    pub settings: &'static [Setting],
    /// Its ports.
    pub ports: Ports,
    /// Further names of ports: (name, canonical name), such as (thru, out0).
    pub port_aliases: &'static [(&'static str, &'static str)],
    /// S is symmetric.
    pub reciprocal: bool,
    /// Whether it can have gain.
    pub passivity: Passivity,
    /// One line for people.
    pub summary: &'static str,
    /// Its equations, for people.
    pub equations: &'static str,
    /// What else is to be known, as one paragraph; may be empty.
    pub notes: &'static str,
    /// Source of the equations.
    pub source: &'static str,
    /// Gives the entries of S, each once. An entry is given whenever it can be other than zero at these settings. Takes
    /// one setting for each that is described.
    pub scatter: fn(&Scatter<f64>, &mut dyn Sink<f64>),
    /// The same with derivatives.
    pub scatter_dual: fn(&Scatter<Dual>, &mut dyn Sink<Dual>),
    /// S depends on the wavelength.
    pub dispersive: bool,
    /// What `scatter` gives at many wavelengths, to rounding, in vectors. Where there is none, `scatter` is asked at each.
    pub sweep: Option<fn(&Sweep, &mut Take)>,
}

/// Many wavelengths at once.
#[derive(Clone, Copy, Debug)]
pub struct Sweep<'a> {
    /// The settings in the order of [`Component::settings`].
    pub settings: &'a [f64],
    /// Wavelengths, um.
    pub wl_um: &'a [f64],
    /// Which instructions are used.
    pub level: Level,
}

/// Takes S(from -> to), which of a component with a sweep is also S(to -> from), at some consecutive wavelengths: from, to, index
/// of the first wavelength, real parts, imaginary parts.
pub type Take<'a> = dyn FnMut(usize, usize, usize, &[f64], &[f64]) + 'a;

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Component").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Component {
    /// What most components are: one input, one output, reciprocal, passive, without dispersion, no settings.
    pub(crate) const fn of(
        scatter: fn(&Scatter<f64>, &mut dyn Sink<f64>),
        scatter_dual: fn(&Scatter<Dual>, &mut dyn Sink<Dual>),
    ) -> Component {
        Component {
            name: "",
            aliases: &[],
            settings: &[],
            ports: Ports::Fixed { inputs: 1, outputs: 1 },
            port_aliases: &[],
            reciprocal: true,
            passivity: Passivity::Passive,
            summary: "",
            equations: "",
            notes: "",
            source: "",
            scatter,
            scatter_dual,
            dispersive: false,
            sweep: None,
        }
    }

    /// Index of a setting by its name or another name of it.
    pub fn setting(&self, name: &str) -> Option<usize> {
        self.settings.iter().position(|s| s.name == name || s.aliases.contains(&name))
    }

    /// The default of every setting, in order.
    pub fn defaults(&self) -> Vec<f64> {
        self.settings.iter().map(|s| s.default).collect()
    }
}
