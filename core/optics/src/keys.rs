//! The three scopes of randomness.
//!
//! - *device*: drawn once, keyed by (seed, source, element): fabrication, initial values, rates of drift.
//! - *write*: drawn per logical configuration, keyed by (seed, source, identity of the call that wrote it, element).
//! - *vector*: drawn per logical input vector, keyed by (seed, source, identity of the query, global row, element).
//!
//! The identity of a call is (stream, step, purpose, round, set). Neither its time nor its first row is part of it, so a
//! call that is retried, split or regrouped draws the same numbers.

use blackbeam_netlist::circuit::Number;
use blackbeam_plugin::{Call, Key};

/// Key of one source for one logical call.
pub(crate) fn call_key(source: Key, call: &Call) -> Key {
    let place = u64::from(call.round) << 32 | u64::from(call.set);
    source.with(call.stream).with(call.step).with(call.purpose as u64).with(place)
}

/// Element `element` of the numbers drawn from a distribution.
pub(crate) fn draw(number: Number, key: Key, element: u64) -> f64 {
    match number {
        Number::Fixed(value) => value,
        Number::Normal(mean, std) => mean + std * key.normal(element),
        Number::Uniform(low, high) => low + (high - low) * key.uniform(element),
        Number::Lognormal(median, sigma) => median * (sigma * key.normal(element)).exp(),
    }
}
