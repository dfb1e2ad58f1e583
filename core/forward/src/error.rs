use blackbeam_layers::layer_path;

/// Why a network has no form that goes only forward.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", layer_path(path))]
pub struct Error {
    /// Index of the layer, and within each residual that it is in.
    pub path: Vec<usize>,
    /// What is wrong.
    pub message: String,
}
