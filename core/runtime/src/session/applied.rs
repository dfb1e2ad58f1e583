//! Whether a device is believed when it says what it has applied.
//!
//! What lies within one resolution of what was asked is believed. Anything else is asked for once more: what a driver or a bus got
//! wrong once comes out right. A device that says the same again is taken to have a limit of its own, if it can be read back and
//! reads so, or cannot be read back; a person is told, once. One that reads otherwise than it said is not trained on.

use super::driver::Driver;
use blackbeam_plugin::{Code, Descriptor, PluginError, can};

/// What is known of a device's word.
pub(super) struct Belief {
    /// How far each parameter may be from what was asked.
    tolerances: Vec<f64>,
    /// What it said last, if that was not believed.
    doubted: Option<Vec<Vec<f64>>>,
    /// It has limits of its own, and that was said.
    limited: bool,
}

impl Belief {
    pub fn new(descriptor: &Descriptor) -> Self {
        let tolerances = descriptor.parameters.iter().map(|p| p.tolerance()).collect();
        Belief { tolerances, doubted: None, limited: false }
    }
}

impl Driver {
    /// What was applied of each configuration asked for, if that can be true.
    pub(super) fn believed(&mut self, asked: &[&[f64]], applied: Vec<Vec<f64>>) -> Result<Vec<Vec<f64>>, PluginError> {
        self.possible(asked.len(), &applied)?;
        let off = if self.belief.limited { None } else { self.far_off(asked, &applied) };
        let Some((set, i)) = off else {
            self.belief.doubted = None;
            return Ok(applied);
        };
        let p = &self.descriptor.parameters[i];
        let said = format!(
            "{} was applied to parameter `{}` where {} was asked (resolution {:.3e})",
            applied[set][i], p.name, asked[set][i], p.resolution
        );
        if self.belief.doubted.as_ref() != Some(&applied) {
            self.belief.doubted = Some(applied);
            return Err(PluginError::retryable(Code::IO, said));
        }
        self.belief.doubted = None;
        if let (true, Some(last)) = (self.descriptor.can(can::READ_PARAMS), applied.last()) {
            let read = self.device.read_params()?;
            if !self.reads_as(&read, last) {
                let advice = "the device says so twice and reads back otherwise: have its driver checked (blackbeam plugin check)";
                return Err(PluginError::new(Code::IO, format!("{said}; {advice}")).with_unknown_state());
            }
        }
        tracing::warn!(
            "device `{}`: {said}, twice: taken for a limit of its own. If it has none, its driver is wrong (blackbeam plugin \
             check); this is said once",
            self.name
        );
        self.belief.limited = true;
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

    /// The first configuration and parameter of which something else was applied.
    fn far_off(&self, asked: &[&[f64]], applied: &[Vec<f64>]) -> Option<(usize, usize)> {
        let tolerances = &self.belief.tolerances;
        asked.iter().zip(applied).enumerate().find_map(|(set, (asked, applied))| {
            let near = asked.iter().zip(applied).zip(tolerances).all(|((a, b), most)| (a - b).abs() <= *most);
            let parameters = self.descriptor.parameters.iter();
            let off =
                |((p, a), b): ((&blackbeam_plugin::Parameter, &f64), &f64)| p.distance(p.admit(*a), *b) > p.tolerance();
            if near { None } else { parameters.zip(*asked).zip(applied).position(off).map(|i| (set, i)) }
        })
    }
}
