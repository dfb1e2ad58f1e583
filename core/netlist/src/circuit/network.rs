//! Networks that run wholly on a device.

use blackbeam_layers::{Loss, program::Program};

/// `network`, compiled. Its weights are slots of [`Kind::Weights`](super::Kind::Weights) instances.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Shape of one sample.
    pub input: Vec<usize>,
    /// Shape of one answer.
    pub output: Vec<usize>,
    /// The layers as instructions.
    pub program: Program,
    /// First slot of each of `program.weights`; its values stand in order.
    pub weights: Vec<usize>,
    /// Instance of each of `program.circuits`.
    pub circuits: Vec<usize>,
    /// `network.objective`.
    pub objective: Option<Loss>,
}
