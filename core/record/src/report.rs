//! What a log holds, in numbers.

use crate::{
    entry::Kind,
    log::{Log, Tail},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// Calls of one kind or purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Calls.
    pub calls: u64,
    /// Those that failed.
    pub errors: u64,
    /// Vectors that were sent: rows times configurations.
    pub vectors: u64,
    /// Configurations that were programmed.
    pub configurations: u64,
    /// Seconds in the device.
    pub seconds: f64,
}

/// What a log holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Name of the device.
    pub device: String,
    /// `main` or a control.
    pub run: String,
    /// Version of Blackbeam that made the file.
    pub blackbeam: String,
    /// Entries, marks of the log itself among them.
    pub entries: u64,
    /// `closed`, `open` (the process was killed, or writes now) or `cut` (killed in the middle of an entry).
    pub end: &'static str,
    /// Entries that hold request and answer, not their hashes.
    pub whole: u64,
    /// Processes that recorded.
    pub processes: u64,
    /// Times that the run was resumed or begun again.
    pub resumed: u64,
    /// First and last call, seconds since 1970 (UTC).
    pub span: Option<[f64; 2]>,
    /// By kind of call.
    pub kinds: BTreeMap<&'static str, Counts>,
    /// By purpose, of calls that have one.
    pub purposes: BTreeMap<&'static str, Counts>,
}

impl Report {
    /// Counts what is in a log.
    pub fn of(log: &Log) -> Report {
        let (mut kinds, mut purposes) = (BTreeMap::<&str, Counts>::new(), BTreeMap::<&str, Counts>::new());
        let (mut processes, mut resumed, mut whole) = (0, 0, 0);
        let mut span: Option<[f64; 2]> = None;
        for place in log.places() {
            processes += u64::from(place.kind == Kind::Open);
            resumed += u64::from(place.kind == Kind::Resume);
            whole += u64::from(place.whole);
            if place.kind.mark() {
                continue;
            }
            let (begun, took) = (place.begun_ns as f64 * 1e-9, place.took_ns as f64 * 1e-9);
            span = Some([span.map_or(begun, |[first, _]| first), begun + took]);
            let programs = matches!(place.kind, Kind::WriteParams | Kind::QuerySets | Kind::QueryScalars);
            let programmed = if programs { u64::from(place.configurations) } else { 0 };
            let count = |counts: &mut Counts| {
                counts.calls += 1;
                counts.errors += u64::from(place.failed);
                counts.vectors += place.vectors;
                counts.configurations += programmed;
                counts.seconds += took;
            };
            count(kinds.entry(place.kind.name()).or_default());
            if let Some(purpose) = place.purpose {
                count(purposes.entry(purpose.name()).or_default());
            }
        }
        let header = log.header();
        Report {
            device: header.device.clone(),
            run: header.run.clone(),
            blackbeam: header.blackbeam.clone(),
            entries: log.len(),
            end: match log.tail() {
                Tail::Closed => "closed",
                Tail::Open => "open",
                Tail::Cut(_) => "cut",
            },
            whole,
            processes,
            resumed,
            span,
            kinds,
            purposes,
        }
    }
}
