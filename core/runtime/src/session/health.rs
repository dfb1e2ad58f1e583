//! How the device is, as it says itself: asked at opening, now and then between steps, and after errors.

use super::{SessionError, driver::Driver};
use blackbeam_plugin::Health;

impl Driver {
    /// Asks the device how it is. One that cannot say so is taken for what it was.
    pub(super) fn look(&mut self) -> Option<Health> {
        match self.device.health() {
            Ok(health) => {
                let before = std::mem::replace(&mut self.boot_id, health.boot_id);
                if before != 0 && health.boot_id != 0 && before != health.boot_id {
                    tracing::warn!(
                        "device `{}` was switched off and on (boot id {before} before, {} now)",
                        self.name,
                        health.boot_id
                    );
                    self.tally.boots += 1;
                    self.lose();
                }
                Some(health)
            }
            Err(error) => {
                tracing::debug!("device `{}` does not say how it is: {error}", self.name);
                None
            }
        }
    }

    /// After an error: whether the device was switched off and on since it was asked last.
    pub(super) fn boot_changed(&mut self) -> bool {
        let before = self.tally.boots;
        self.look();
        self.tally.boots > before
    }

    pub(super) fn failed(&self, what: &str, error: blackbeam_plugin::PluginError, attempts: u32) -> SessionError {
        SessionError::Device { device: self.name.clone(), what: what.into(), error, attempts }
    }
}
