//! YAML with positions, and diagnostics that point at them.
//!
//! Every file that a person writes goes through here: [`Source`] holds the text, [`Source::parse`] gives a tree of
//! [`Node`]s that know where they stand, checkers walk the tree and put what they find into [`Diagnostics`], which
//! prints it as rustc does or gives it as JSON. JSON files are read by the same reader.
//!
//! ```
//! use blackbeam_source::{Diagnostic, Diagnostics, Source, did_you_mean};
//!
//! let source = Source::new("device.yml", "name: mesh\nreadot: {mode: intensity}\n");
//! let root = source.parse().unwrap();
//! let mut found = Diagnostics::new(&source);
//! let known = ["name", "readout"];
//! for (key, _) in root.as_map().unwrap() {
//!     if !known.contains(&key.name.as_str()) {
//!         found.push(
//!             Diagnostic::error("unknown-key", format!("unknown key `{}`", key.name))
//!                 .at(key.span)
//!                 .help_some(did_you_mean(&key.name, known)),
//!         );
//!     }
//! }
//! assert!(found.render(false).contains("device.yml:2:1"));
//! assert!(found.render(false).contains("did you mean `readout`?"));
//! ```
//!
//! The YAML crate underneath stays inside this crate.

mod de;
mod diagnostic;
mod node;
mod parse;
mod render;
mod scalar;
pub mod schema;
mod text;

pub use de::Mismatch;
pub use diagnostic::{Diagnostic, Diagnostics, Note, Severity, did_you_mean};
pub use node::{Key, Node, Number, Value};
pub use parse::{MAX_ALIAS_NODES, MAX_BYTES, MAX_DEPTH, MAX_NODES};
pub use text::{Position, Source, Span};
