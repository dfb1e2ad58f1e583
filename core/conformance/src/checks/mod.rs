//! The checks, in groups: a file each, and one line in [`ALL`].

mod answers;
mod calls;
mod descriptor;
mod limits;
mod optional;
mod parameters;
mod safety;
mod state;
mod structure;
mod times;

use crate::{bench::Bench, report::Outcome};
use blackbeam_plugin::{Code, Result};

/// Id of the finding about a device that does not open.
pub(crate) const OPEN: &str = "open";
/// Id of the finding about a call that does not come back.
pub(crate) const HUNG: &str = "times.comes_back";

/// One check.
pub(crate) struct Check {
    /// Names it: the group, a point, and what is promised.
    pub id: &'static str,
    /// It calls the device: before it the device is made ready.
    pub asks: bool,
    /// Tries it. An error is that of a call that should not have failed.
    pub run: fn(&mut Bench) -> Result<Outcome>,
}

/// All groups, in the order in which they are tried: times are last, when many calls have been made.
pub(crate) const ALL: [&[Check]; 10] = [
    descriptor::CHECKS,
    parameters::CHECKS,
    answers::CHECKS,
    structure::CHECKS,
    optional::CHECKS,
    calls::CHECKS,
    limits::CHECKS,
    state::CHECKS,
    safety::CHECKS,
    times::CHECKS,
];

/// Tries one.
pub(crate) fn one(check: &Check, bench: &mut Bench) -> Outcome {
    if check.asks {
        if let Some(why) = bench.unusable() {
            return Outcome::skipped(format!("nothing can be sent to it: {why}"));
        }
        if let Err(error) = bench.prepare() {
            let advice = "after every check the device must open again if it was lost, and take its initial parameters";
            return Outcome::fail(format!("it cannot be made ready: {error}"), "a device that is ready", advice);
        }
    }
    (check.run)(bench).unwrap_or_else(|error| Outcome::failed_call(&error))
}

/// What is wrong with the answer to a call that has to be refused: nothing if it was refused by an error.
fn refused<R>(what: &str, result: &Result<R>) -> Option<String> {
    match result {
        Err(error) if matches!(error.code, Code::PANIC | Code::FATAL) => Some(format!("{what}: {error}")),
        Err(_) => None,
        Ok(_) => Some(format!("{what} was answered")),
    }
}

/// Some of many things, for a person.
fn list(items: &[String]) -> String {
    const SHOWN: usize = 4;
    let more = items.len().saturating_sub(SHOWN);
    let shown = items[..items.len().min(SHOWN)].join("; ");
    if more > 0 { format!("{shown}; and {more} more") } else { shown }
}

/// A number for a person.
fn short(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 || (0.001..10_000.0).contains(&magnitude) {
        let text = format!("{value:.4}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        text.to_owned()
    } else {
        format!("{value:.2e}")
    }
}
