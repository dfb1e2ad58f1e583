//! The experiment file: what it says ([`Experiment`]), how it is read and checked ([`read()`]), its [`schema`].
//!
//! A file is read in four steps, so that a person sees all errors at once and each at its place: the text becomes a tree
//! that knows its positions; `--set` overrides replace values in the tree; the tree is checked against the schema, and the
//! settings of each method against the schema of its plugin; then the values are checked for what no schema can say.

mod checks;
mod descriptions;
mod hardware;
mod network;
mod overrides;
mod read;
mod source;
mod swap;
mod types;

pub use descriptions::{MethodDescription, descriptions};
pub use hardware::{RetryConfig, SentinelAction, SentinelConfig};
pub use network::{Behind, behind_trained, network_shapes};
pub use read::{Loaded, Lookup, ReadOptions, read, schema};
pub use source::*;
pub use types::*;

#[cfg(test)]
mod tests;
