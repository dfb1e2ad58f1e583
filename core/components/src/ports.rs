//! Names of ports and how many there are.

use crate::{Component, Ports};

/// The most ports that a component can have.
pub const MAX_PORTS: usize = 1024;

impl Component {
    /// Number of inputs and of outputs at these settings (one for each of [`Component::settings`], in order).
    ///
    /// # Errors
    /// A number of ports that is no whole number, is negative, or makes none or more than [`MAX_PORTS`] ports in all.
    ///
    /// # Panics
    /// If there are fewer settings than the component has.
    pub fn size(&self, settings: &[f64]) -> Result<(usize, usize), String> {
        let (inputs, outputs) = match self.ports {
            Ports::Fixed { inputs, outputs } => (inputs, outputs),
            Ports::Counted { inputs, outputs } => (self.count(settings, inputs)?, self.count(settings, outputs)?),
        };
        match inputs + outputs {
            0 => Err(format!("`{}` has no port: give it at least one", self.name)),
            n if n > MAX_PORTS => Err(format!(
                "`{}` has {n} ports ({inputs} inputs, {outputs} outputs), at most {MAX_PORTS} are possible",
                self.name
            )),
            _ => Ok((inputs, outputs)),
        }
    }

    fn count(&self, settings: &[f64], name: &str) -> Result<usize, String> {
        let index = self.setting(name).expect("a counting setting is a setting: tested for the whole catalogue");
        let value = settings[index];
        let (least, _) = self.settings[index].range;
        if value.fract() != 0.0 || !value.is_finite() || value < least {
            return Err(format!("`{name}` of `{}` is {value}, expected a whole number from {least} on", self.name));
        }
        // Larger numbers are refused by the limit all the same, and no sum of two overflows.
        Ok(value.min(1e9) as usize)
    }

    /// The canonical names of the ports, in order: in0, in1, .., out0, out1, ...
    pub fn port_names(&self, inputs: usize, outputs: usize) -> Vec<String> {
        (0..inputs).map(|k| format!("in{k}")).chain((0..outputs).map(|k| format!("out{k}"))).collect()
    }

    /// Index of a port by any of its names: canonical (`in0`, `out1`), clockwise from the lower left (`o1`: in_k is o(k
    /// + 1), out_k is o(inputs + outputs - k)), or one of the component's own (`thru`, `drop`).
    pub fn port(&self, name: &str, inputs: usize, outputs: usize) -> Option<usize> {
        let name = self.port_aliases.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, canonical)| canonical);
        if let Some(k) = numbered(name, "in") {
            (k < inputs).then_some(k)
        } else if let Some(k) = numbered(name, "out") {
            (k < outputs).then_some(inputs + k)
        } else {
            match numbered(name, "o")? {
                0 => None,
                k if k <= inputs => Some(k - 1),
                k => Some(inputs + (inputs + outputs).checked_sub(k)?),
            }
        }
    }

    /// The clockwise name (o1, o2, ..) of a port.
    pub fn clockwise_name(&self, port: usize, inputs: usize, outputs: usize) -> String {
        if port < inputs { format!("o{}", port + 1) } else { format!("o{}", 2 * inputs + outputs - port) }
    }
}

/// The number after a prefix, written without sign or leading zeros.
fn numbered(name: &str, prefix: &str) -> Option<usize> {
    let digits = name.strip_prefix(prefix)?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if plain { digits.parse().ok() } else { None }
}
