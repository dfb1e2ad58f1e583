//! How the device is, as it says itself: asked at opening, now and then between steps, and after errors.

use super::{Account, SessionError, driver::Driver};
use blackbeam_plugin::{Health, PluginError, Purpose, can};
use std::time::{Duration, Instant};

/// Least time between two questions.
const EVERY: Duration = Duration::from_secs(10);

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

    /// Between steps: asks the device how it is, unless that was a moment ago, and calibrates one whose calibration is too old.
    pub(super) fn check_up(&mut self, step: u64) -> Result<(), SessionError> {
        self.health = None;
        if self.asked.is_some_and(|at| at.elapsed() < EVERY) {
            return Ok(());
        }
        self.asked = Some(Instant::now());
        self.health = self.look();
        let stale = |health: &Option<Health>| health.as_ref().is_some_and(|health| health.calibration_stale);
        if !stale(&self.health) || self.stale_said {
            return Ok(());
        }
        let able = self.descriptor.can(can::CALIBRATE);
        if able {
            self.calibrate(step)?;
        }
        if !able || stale(&self.look()) {
            self.stale_said = true;
            let why = if able {
                "has just been calibrated and still says"
            } else {
                "cannot be calibrated from here and says"
            };
            tracing::warn!("device `{}` {why} that its calibration is too old: the run goes on as it is", self.name);
        }
        Ok(())
    }

    /// Calibrates the device. Whatever comes of it, nothing is known of what the device holds then, and what it answered before
    /// it need not answer again.
    pub(super) fn calibrate(&mut self, step: u64) -> Result<(), SessionError> {
        tracing::warn!("device `{}` is calibrated (step {step}): its calibration is too old", self.name);
        let begun = Instant::now();
        let outcome = self.device.calibrate();
        self.kept = None;
        self.lose();
        let seconds = begun.elapsed().as_secs_f64();
        self.tally.calibrations += 1;
        self.tally.calibrate_s += seconds;
        outcome.map_err(|e| self.failed("calibrating", e, 1))?;
        self.spend(Purpose::Calibration, step, &Account { device_seconds: seconds, ..Account::default() })
    }

    /// After an error: whether the device was switched off and on since it was asked last.
    pub(super) fn boot_changed(&mut self) -> bool {
        let before = self.tally.boots;
        self.look();
        self.tally.boots > before
    }

    pub(super) fn failed(&self, what: &str, error: PluginError, attempts: u32) -> SessionError {
        SessionError::Device { device: self.name.clone(), what: what.into(), error, attempts }
    }
}
