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
