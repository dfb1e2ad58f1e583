//! Surrogates shipped with Blackbeam
