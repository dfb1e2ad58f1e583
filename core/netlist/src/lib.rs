//! Reader and checker of Blackbeam device files.

pub mod circuit;
