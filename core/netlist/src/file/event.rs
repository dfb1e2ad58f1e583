//! `events`.

use super::Paths;
use schemars::JsonSchema;
use serde::Deserialize;

/// Defines the entries of `events`: each event's own keys, and those that all have.
macro_rules! events {
    ($($(#[$doc:meta])* $event:ident { $($(#[$attr:meta])* $key:ident: $type:ty,)* })*) => {
        /// One entry of `events`: what happens, and either at which `times` or how often (`rate_per_s`).
        #[derive(Deserialize, JsonSchema)]
        #[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
        pub enum EventEntry {
            $($(#[$doc])* $event {
                /// When, seconds on the device clock.
                #[schemars(length(min = 1, max = 10_000))]
                times: Option<Vec<f64>>,
                /// At random, this many per second of the device clock (a Poisson process).
                #[schemars(extend("exclusiveMinimum" = 0.0))]
                rate_per_s: Option<f64>,
                /// How long it lasts, s; it stays if left out (`adc_glitch`, `state_lost` and `frame_slip`: one query).
                #[schemars(extend("exclusiveMinimum" = 0.0))]
                duration_s: Option<f64>,
                $($(#[$attr])* $key: $type,)*
            },)*
        }

        impl EventEntry {
            /// `times`, `rate_per_s` and `duration_s`.
            pub fn when(&self) -> (Option<&[f64]>, Option<f64>, Option<f64>) {
                match self {
                    $(EventEntry::$event { times, rate_per_s, duration_s, .. } => {
                        (times.as_deref(), *rate_per_s, *duration_s)
                    })*
                }
            }
        }
    };
}

events! {
    /// A laser or a stage locks at another point: phases jump.
    Relock {
        /// Parameters, instances or parts whose phases jump.
        at: Paths,
        /// Standard deviation of the jump of each, rad.
        #[schemars(range(min = 0.0))]
        sigma: f64,
    }
    /// The laser hops to another mode.
    ModeHop {
        /// Shift of the wavelength, nm.
        shift_nm: f64,
    }
    /// Outputs read full scale.
    HotPixel {
        /// Outputs: `U.out3`, `cam.bin<2.0>`, outer ports or pairs.
        at: Paths,
    }
    /// Outputs read nothing.
    DeadChannel {
        /// Outputs: `U.out3`, `cam.bin<2.0>`, outer ports or pairs.
        at: Paths,
    }
    /// Parameters stay at the code that they have.
    StuckDac {
        /// Parameters.
        at: Paths,
    }
    /// One reading of each vector, chosen at random, is wrong.
    AdcGlitch {
        /// Standard deviation of the error, relative to full scale.
        #[schemars(range(min = 0.0))]
        sigma: f64,
    }
    /// The device forgets its parameters until the next write.
    StateLost {}
    /// A vector gets the answer of the one before it.
    FrameSlip {}
}
