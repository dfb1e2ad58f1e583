//! Losses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What training makes small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// -ln p of the right class in nats, p = softmax(outputs), the mean over samples (and positions). The outputs are logits.
    CrossEntropy,
    /// (output - target)^2, the mean over samples and outputs.
    Mse,
}
