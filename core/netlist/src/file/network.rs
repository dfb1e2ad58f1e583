//! `network`.

use blackbeam_layers::{Layer, Loss};
use schemars::JsonSchema;
use serde::Deserialize;

/// A network that runs wholly on the device and is trained without backpropagation. Its weights are parameters of the device:
/// those of layer 3 (counted from 0) are `layer3.weight` and `layer3.bias`, those of a layer in a residual `layer3_1.weight`, those
/// of shared linear layers `shared_NAME.weight`. Photonic layers name instances of the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkEntry {
    /// Shape of one sample: `[features]`, `[positions, features]` or `[channels, height, width]`. x has its elements in order.
    pub input: Vec<usize>,
    /// The layers, as those of an experiment's `model.layers`; y is what the last one gives.
    pub layers: Vec<Layer>,
    /// What its outputs are made for: the loss of an experiment that trains it has to be this one. Default: any.
    pub objective: Option<Loss>,
}
