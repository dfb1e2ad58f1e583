//! Record and replay: what a device was asked and answered, in an append-only log, and a device that answers from one.
//!
//! [`Recorder`] stands around a device and writes each call to a [`Log`]; [`Replay`] is the device that a log holds. `docs/recording.md`
//! says for whom.
//!
//! # Format
//!
//! Version 1. All numbers are little endian; H is SHA-256; lengths are in bytes.
//!
//! | part | layout |
//! |---|---|
//! | header | the 8 bytes `89 42 42 4C 4F 47 0D 0A`; version, u32; length, u32; so many bytes of JSON ([`Header`]); h0 = H(all before), 32 bytes |
//! | entry k | length n, u64; the first 8 bytes of H(h(k) \| n); n bytes; h(k+1) = H(h(k) \| n \| these bytes), 32 bytes |
//!
//! So every entry's hash covers all that stands before it. A byte that changed is found in whichever entry it lies; that the
//! length has a check of its own tells an entry that was changed from one that a crash cut short, which is taken away when the log
//! is gone on with. Zeros up to the end of the file are such a cut too (power was lost before the data reached the disk). What a
//! chain cannot tell is that whole entries are missing at its end: a log whose last entry is not `close` was not closed by its
//! process.
//!
//! The bytes of an entry: kind, u8; failed, u8; begun, u64 (nanoseconds since 1970, UTC); took, u64 (nanoseconds); vectors of a
//! configuration, u64; configurations, u32; number of identities, u32, and these (stream u64, step u64, purpose u32, round
//! u32, set u32, first row u64, time f64); the request; the answer. Request and answer each: form, u8; length, u64; then if the
//! form is 1 the bytes themselves, if it is 0 their H. They are a sequence of named parts: type, u8; length of the name, u8; the
//! name; number of axes, u8; each axis, u64; the elements. Types: 1 u64, 2 f64, 3 f32, 4 bytes, 5 UTF-8. The answer of a call that
//! failed is its error, always whole.

mod chain;
mod entry;
mod error;
mod log;
mod parts;
mod queue;
mod recorder;
mod replay;
mod report;
mod request;
#[cfg(test)]
mod tests;

pub use entry::Kind;
pub use error::LogError;
pub use log::{Header, Log, Tail};
pub use recorder::{Level, RecordHandle, Recorder};
pub use replay::{END_OF_LOG, Replay, descriptor_of};
pub use report::{Counts, Report};
