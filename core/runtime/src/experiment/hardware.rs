//! What an experiment file says about hardware that fails, as data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How calls that fail are sent again. What is left out goes by the kind of error. It never changes a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryConfig {
    /// Most times that one call is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub attempts: Option<u32>,
    /// First wait, seconds; each further one is longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub first_s: Option<f64>,
    /// Longest wait, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub most_s: Option<f64>,
}

impl RetryConfig {
    pub(super) fn is_default(&self) -> bool {
        *self == RetryConfig::default()
    }
}

/// What is done about what sentinels find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SentinelAction {
    /// Nothing but a line in the log and in the metrics.
    Log,
    /// All outputs are divided by their common gain from then on.
    Rescale,
    /// The surrogate is built anew, as at the start.
    Refresh,
    /// The device calibrates itself, then the surrogate is built anew. Where it cannot, the surrogate only.
    Recalibrate,
    /// The run writes a checkpoint and stops for a person to look.
    Pause,
}

impl SentinelAction {
    /// The name used in files, metrics and the log.
    pub fn name(self) -> &'static str {
        match self {
            SentinelAction::Log => "log",
            SentinelAction::Rescale => "rescale",
            SentinelAction::Refresh => "refresh",
            SentinelAction::Recalibrate => "recalibrate",
            SentinelAction::Pause => "pause",
        }
    }
}

/// Sentinels: seeded vectors that are sent at the initial parameters at the start and then every so many steps. What has become
/// of their answers tells drift, changes of gain, dead outputs and answers that belong to other vectors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SentinelConfig {
    /// Steps between two looks.
    #[schemars(range(min = 1))]
    pub every: u64,
    /// Vectors of a look.
    #[serde(default = "eight")]
    #[schemars(range(min = 1, max = 1024))]
    pub vectors: usize,
    /// A common gain of all outputs that is off 1 by more than this is a change of gain.
    #[serde(default = "gain_tolerance")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub gain_tolerance: f64,
    /// A relative error of the answers, beside their common gain and beside noise, beyond this is drift.
    #[serde(default = "drift_tolerance")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub drift_tolerance: f64,
    /// The same beyond this is large drift.
    #[serde(default = "large_drift_tolerance")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub large_drift_tolerance: f64,
    /// On a change of gain.
    #[serde(default = "rescale")]
    pub on_gain: SentinelAction,
    /// On drift.
    #[serde(default = "refresh")]
    pub on_drift: SentinelAction,
    /// On large drift.
    #[serde(default = "recalibrate")]
    pub on_large_drift: SentinelAction,
    /// On an output that had a signal and has none.
    #[serde(default = "pause")]
    pub on_dead_channel: SentinelAction,
    /// On answers that belong to other vectors, twice in a row.
    #[serde(default = "pause")]
    pub on_frame_slip: SentinelAction,
}

impl SentinelConfig {
    /// What no schema can say: the key, and what is wrong with it.
    pub(super) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let others = [
            ("on_drift", self.on_drift),
            ("on_large_drift", self.on_large_drift),
            ("on_dead_channel", self.on_dead_channel),
            ("on_frame_slip", self.on_frame_slip),
        ];
        if let Some((key, _)) = others.into_iter().find(|(_, action)| *action == SentinelAction::Rescale) {
            return Err((key, "`rescale` mends a change of gain only: it belongs to `on_gain`"));
        }
        if self.large_drift_tolerance < self.drift_tolerance {
            return Err(("large_drift_tolerance", "it is below `drift_tolerance`"));
        }
        Ok(())
    }
}

fn eight() -> usize {
    8
}

fn gain_tolerance() -> f64 {
    0.05
}

fn drift_tolerance() -> f64 {
    0.1
}

fn large_drift_tolerance() -> f64 {
    0.5
}

fn rescale() -> SentinelAction {
    SentinelAction::Rescale
}

fn refresh() -> SentinelAction {
    SentinelAction::Refresh
}

fn recalibrate() -> SentinelAction {
    SentinelAction::Recalibrate
}

fn pause() -> SentinelAction {
    SentinelAction::Pause
}
