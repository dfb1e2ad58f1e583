//! `drift`.

use super::{NumberEntry, Paths};
use schemars::JsonSchema;
use serde::Deserialize;

/// Defines the entries of `drift`: each model's own keys, and those that all have.
macro_rules! drift_entries {
    ($($(#[$doc:meta])* $model:ident { $($(#[$attr:meta])* $key:ident: $type:ty,)* })*) => {
        /// One entry of `drift`.
        #[derive(Deserialize, JsonSchema)]
        #[serde(tag = "model", rename_all = "snake_case", deny_unknown_fields)]
        pub enum DriftEntry {
            $($(#[$doc])* $model {
                /// Parameters, instances or outputs; not for `quantity: power`.
                at: Option<Paths>,
                /// What drifts: `phase` (if left out), `temperature_K` (with `dphi_dT`), `gain` of outputs, `power` of the
                /// source, or a setting of a component.
                quantity: Option<String>,
                /// Phase per kelvin, rad/K, for `quantity: temperature_K`.
                #[serde(rename = "dphi_dT")]
                dphi_dt: Option<f64>,
                /// One process for all places.
                common: Option<bool>,
                $($(#[$attr])* $key: $type,)*
            },)*
        }

        impl DriftEntry {
            /// `at`, `quantity`, `dphi_dT` and `common`.
            pub fn target(&self) -> (Option<&Paths>, Option<&str>, Option<f64>, bool) {
                match self {
                    $(DriftEntry::$model { at, quantity, dphi_dt, common, .. } => {
                        (at.as_ref(), quantity.as_deref(), *dphi_dt, common.unwrap_or(false))
                    })*
                }
            }
        }
    };
}

drift_entries! {
    /// Ornstein-Uhlenbeck: wanders about zero.
    Ou {
        /// Stationary standard deviation, units of the quantity.
        #[schemars(range(min = 0.0))]
        sigma: f64,
        /// Correlation time, s.
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        tau: f64,
    }
    /// Random walk.
    Wiener {
        /// Standard deviation after one second, units of the quantity.
        #[schemars(range(min = 0.0))]
        sigma: f64,
        /// Unit of `sigma`.
        #[expect(dead_code, reason = "the schema checks the only value there is")]
        per: Option<PerRootSecond>,
    }
    /// rate t.
    Linear {
        /// Per second, drawn per place.
        rate: NumberEntry,
        /// Unit of `rate`.
        #[expect(dead_code, reason = "the schema checks the only value there is")]
        per: Option<PerSecond>,
    }
    /// amplitude ln(1 + t / t0).
    Log {
        /// Drawn per place, units of the quantity.
        amplitude: NumberEntry,
        /// Seconds.
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        t0: f64,
    }
    /// The quantity falls as (1 + t / t0)^-nu (phase-change cells).
    Power {
        /// Exponent, drawn per place.
        nu: NumberEntry,
        /// Seconds.
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        t0: f64,
    }
    /// amplitude sin(2 pi f t + phase), the phase drawn per place.
    Sinusoid {
        /// Drawn per place, units of the quantity.
        amplitude: NumberEntry,
        /// Hz.
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        #[serde(rename = "frequency_Hz")]
        frequency_hz: f64,
    }
}

/// Unit of a random walk's sigma.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PerRootSecond {
    /// Per square root of a second.
    SqrtS,
}

/// Unit of a rate.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PerSecond {
    /// Per second.
    S,
}
