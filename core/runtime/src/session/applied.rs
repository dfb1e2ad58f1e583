//! Whether a device is believed when it says what it has applied.
//!
//! What lies within one resolution of what was asked is believed. Anything else is asked for once more: what a driver or a bus got
//! wrong once comes out right. A device that still says something else is read back, if it can be. One that reads otherwise than it
//! says is not trained on; any other is taken to have a limit of its own, which a person is told once.

use super::{driver::Driver, retry::Failure};
use blackbeam_plugin::{Code, Descriptor, PluginError, can};

/// What is known of a device's word.
pub(super) struct Belief {
    /// How far each parameter may be from what was asked: beside each other, since every write is looked at.
    tolerances: Vec<f64>,
    /// What it said last was doubted: this is the second time that it is asked.
    pub doubted: bool,
    /// It has limits of its own: nothing is doubted any more.
    pub limited: bool,
}

impl Belief {
    pub fn new(descriptor: &Descriptor) -> Self {
        let tolerances = descriptor.parameters.iter().map(|p| p.tolerance()).collect();
        Belief { tolerances, doubted: false, limited: false }
    }
}

impl Driver {
    /// What was applied of each configuration asked for, if that can be true.
    pub(super) fn believed(&mut self, asked: &[&[f64]], applied: Vec<Vec<f64>>) -> Result<Vec<Vec<f64>>, Failure> {
        self.possible(asked.len(), &applied)?;
        // The last one first: it is what the device can be asked about.
        let sets = if self.belief.limited { 0 } else { asked.len() };
        let off = (0..sets).rev().find_map(|set| self.far_off(asked[set], &applied[set]).map(|i| (set, i)));
        let Some((set, i)) = off else { return Ok(applied) };
        let p = &self.descriptor.parameters[i];
        let said = format!(
            "{} was applied to parameter `{}` where {} was asked (resolution {:.3e})",
            applied[set][i], p.name, asked[set][i], p.resolution
        );
        if !self.belief.doubted {
            return Err(Failure::Doubted(said));
        }
        let last = set + 1 == asked.len();
        if last && self.descriptor.can(can::READ_PARAMS) {
            let read = self.device.read_params().map_err(|e| Failure::from(e).within(|| "a read-back".into()))?;
            if self.far_off(&applied[set], &read).is_some() {
                let advice =
                    "it says so again, and reads back otherwise: have the driver checked (blackbeam plugin check)";
                return Err(PluginError::new(Code::IO, format!("{said}; {advice}")).with_unknown_state().into());
            }
        }
        tracing::warn!(
            "device `{}`: {said}, and again: taken for a limit of its own. If it has none, its driver is wrong (blackbeam plugin check)",
            self.name
        );
        // Of a configuration before the last one nobody knows whether it was so.
        self.belief.limited = last;
        Ok(applied)
    }

    /// Numbers, one for each parameter.
    fn possible(&self, asked: usize, applied: &[Vec<f64>]) -> Result<(), PluginError> {
        let shape = |message| Err(PluginError::new(Code::SHAPE, message));
        if applied.len() != asked {
            return shape(format!("{} answers say what was applied, {asked} were asked", applied.len()));
        }
        let parameters = &self.descriptor.parameters;
        for one in applied {
            if one.len() != parameters.len() {
                return shape(format!("{} values applied of {} asked", one.len(), parameters.len()));
            }
            if let Some((p, v)) = parameters.iter().zip(one).find(|(_, v)| !v.is_finite()) {
                let message = format!("{v} was applied to parameter `{}`", p.name);
                return Err(PluginError::new(Code::NONFINITE, message));
            }
        }
        Ok(())
    }

    /// The first parameter that has another value than was asked, brought into its range.
    fn far_off(&self, asked: &[f64], found: &[f64]) -> Option<usize> {
        let tolerances = &self.belief.tolerances;
        asked.iter().zip(found).enumerate().position(|(i, (a, b))| {
            (a - b).abs() > tolerances[i] && {
                let p = &self.descriptor.parameters[i];
                // Of parameters without a range the size is not known beforehand.
                p.distance(p.admit(*a), *b) > tolerances[i] + 1e-6 * b.abs()
            }
        })
    }
}
