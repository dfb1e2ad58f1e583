//! Learning-rate schedules: pure functions of the step.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the learning rate goes down after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Decay {
    /// It does not.
    #[default]
    Constant,
    /// (1 + cos(pi t))/2, t going from 0 to 1 over the training steps (not epochs) after the warm-up.
    Cosine,
    /// Multiplied by `factor` after every `every` steps.
    Step {
        /// Training steps between two changes.
        every: u64,
        /// What each change multiplies by.
        factor: f64,
    },
}

/// Course of the learning rate over a training run.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// How the learning rate goes down after the warm-up: `constant`, `cosine` or `step: {every, factor}`. Default: constant.
    #[serde(default)]
    pub decay: Decay,
    /// Training steps over which the rate rises linearly to its full value. Default: 0.
    #[serde(default)]
    pub warmup: u64,
}

impl Schedule {
    /// What the learning rate is multiplied by at training step `step` (from 0) of `total`. In the warm-up it is
    /// (step + 1)/(warmup + 1), so that no step is lost on a rate of zero.
    pub fn at(&self, step: u64, total: u64) -> f64 {
        if step < self.warmup {
            return (step + 1) as f64 / (self.warmup as f64 + 1.0);
        }
        let after = step - self.warmup;
        match self.decay {
            Decay::Constant => 1.0,
            Decay::Cosine => {
                let span = total.saturating_sub(self.warmup).max(1);
                let t = (after as f64 / span as f64).min(1.0);
                0.5 * (1.0 + (std::f64::consts::PI * t).cos())
            }
            Decay::Step { every, factor } => factor.powf((after / every.max(1)) as f64),
        }
    }

    /// What is wrong with the settings, for a person.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn check(&self) -> Result<(), String> {
        match self.decay {
            Decay::Step { every: 0, .. } => Err("`every` must be at least 1 step".into()),
            Decay::Step { factor, .. } if !(factor > 0.0 && factor.is_finite()) => {
                Err(format!("`factor` must be greater than 0, found {factor}"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn courses() {
        let constant = Schedule::default();
        assert_eq!([0, 5, 99].map(|s| constant.at(s, 100)), [1.0; 3]);
        let cosine = Schedule { decay: Decay::Cosine, warmup: 3 };
        assert_eq!([0, 1, 2, 3].map(|s| cosine.at(s, 103)), [0.25, 0.5, 0.75, 1.0]);
        assert!((cosine.at(53, 103) - 0.5).abs() < 1e-15);
        assert!(cosine.at(102, 103) > 0.0 && cosine.at(103, 103).abs() < 1e-15 && cosine.at(999, 103).abs() < 1e-15);
        let step = Schedule { decay: Decay::Step { every: 10, factor: 0.5 }, warmup: 0 };
        assert_eq!([0, 9, 10, 25].map(|s| step.at(s, 100)), [1.0, 1.0, 0.5, 0.25]);
        // what cannot be used is an error of check, and no panic here
        let odd = Schedule { decay: Decay::Step { every: 0, factor: -1.0 }, warmup: u64::MAX };
        assert!(odd.check().is_err() && odd.at(7, 0).is_finite());
    }

    #[test]
    fn written_as_in_an_experiment() {
        let read = |text: &str| serde_saphyr::from_str::<Schedule>(text);
        assert_eq!(read("{decay: cosine, warmup: 100}").unwrap(), Schedule { decay: Decay::Cosine, warmup: 100 });
        assert_eq!(
            read("{decay: {step: {every: 10, factor: 0.9}}}").unwrap().decay,
            Decay::Step { every: 10, factor: 0.9 }
        );
        assert!(read("{decay: cosine, warm_up: 3}").is_err());
    }
}
