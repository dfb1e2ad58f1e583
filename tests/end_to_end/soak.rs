//! A driver that goes wrong every few seconds under load: nothing is lost, nothing counted twice, and memory stays.
//!
//! `BLACKBEAM_SOAK_S` says for how long (60 seconds otherwise); `benches/soak.sh` runs it for an hour, and wants the rate too
//! (`BLACKBEAM_SOAK_RATE`, queries a second).

use crate::{
    instruments::compiler,
    isolation::driver,
    support::{Place, Run, experiment, without_host_fields},
};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    time::{Duration, Instant},
};

/// Seconds between faults, on average.
const EVERY_S: f64 = 10.0;

/// What a query takes at least, microseconds: the ledger of an hour is to fit on a disk.
const PACE_US: u32 = 40;

/// The same in one process, where a call costs less, so that both runs come about as far.
const TWIN_PACE_US: u32 = 75;

fn number(variable: &str) -> Option<f64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// Resident memory of a process, bytes.
fn resident(pid: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(1024 * line.split_whitespace().nth(1)?.parse::<u64>().ok()?)
}

fn source(place: &Place, pace_us: u32, more: &str) {
    let text = experiment(&format!(
        "plugin: faulty, library: libfaulty.so, settings: {{when: never, limit: 2, pace_us: {pace_us}{more}}}"
    ));
    let text = text
        .replace("samples: 4}\n    surrogate", "samples: 64}\n    surrogate")
        .replace("checkpoint_every: 5", "checkpoint_every: 500");
    let text = text.replace("surrogate_error_every: 5", "evaluate_every: 0\n  surrogate_error_every: 0");
    place.write("experiment.yaml", &text);
}

fn counts(place: &Place) -> [u64; 4] {
    let bytes = fs::read(place.path("counts")).unwrap();
    [0, 8, 16, 24].map(|at| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap()))
}

/// The rows of two runs side by side, as far as the shorter one goes: how many, all of them equal. An hour has millions.
fn equal_rows(one: &Run, other: &Run) -> usize {
    let open = |run: &Run| BufReader::new(fs::File::open(run.file("metrics.jsonl")).unwrap()).lines();
    let row = |line: std::io::Result<String>| {
        let mut row: Value = serde_json::from_str(&line.unwrap()).unwrap();
        without_host_fields(&mut row);
        row
    };
    let rows = open(one).zip(open(other)).map(|(a, b)| (row(a), row(b)));
    let rows = rows.take_while(|(a, b)| a["phase"] == "train" && b["phase"] == "train" || a["phase"] == "start");
    rows.map(|(a, b)| assert_eq!(a, b)).count()
}

/// Vectors and writes of the physical column.
fn spent(run: &Run) -> (u64, u64) {
    #[derive(serde::Deserialize)]
    struct Line {
        vectors: u64,
        configurations: u64,
    }
    let lines = BufReader::new(fs::File::open(run.file("ledger.jsonl")).unwrap()).lines();
    lines
        .map(|line| serde_json::from_str::<Line>(&line.unwrap()).unwrap())
        .fold((0, 0), |(vectors, writes), line| (vectors + line.vectors, writes + line.configurations))
}

#[test]
#[cfg(target_os = "linux")]
fn nothing_is_lost_or_counted_twice_under_load() {
    if !compiler("cc") {
        return;
    }
    let seconds = number("BLACKBEAM_SOAK_S").unwrap_or(60.0);
    let place = Place::new();
    driver(&place, "cc");
    place.write("counts", [0; 32]);
    source(&place, PACE_US, &format!(", every: {EVERY_S}, counts: {}", place.path("counts").display()));
    // The same without faults, beside it.
    let twin = Place::new();
    driver(&twin, "cc");
    source(&twin, TWIN_PACE_US, "");
    let more = "--set train.steps=1000000000";
    let in_process = "--set devices.dev.source.isolation=in_process";
    let reference = twin.start_said(&format!("train experiment.yaml --out out --quiet {more} {in_process}"));
    let mut running = place.start_said(&format!("train experiment.yaml --out out --quiet {more}"));
    assert!(running.until(|| counts(&place)[1] > 0));
    let (begun, mut sizes) = (Instant::now(), Vec::new());
    while begun.elapsed().as_secs_f64() < seconds {
        std::thread::sleep(Duration::from_secs_f64((seconds / 200.0).min(1.0)));
        assert!(running.child.try_wait().unwrap().is_none(), "it has ended: {}", place.read("said"));
        sizes.push(resident(&running.child.id().to_string()).unwrap());
    }
    let asked = counts(&place);
    let taken = begun.elapsed().as_secs_f64();
    running.signal("INT");
    running.finish().ends(130, &[]);
    let run = place.finished("out");

    // Each call that came to the driver is in the physical column once, and no other.
    let [writes, vectors, faults, _] = counts(&place);
    assert_eq!(spent(&run), (vectors, writes), "after {faults} faults: {}", place.read("said"));
    // The logical column and the result are those of a run without faults.
    reference.signal("INT");
    reference.finish().ends(130, &[]);
    let n = equal_rows(&run, &twin.finished("out"));

    // What grows is not the process: the last quarter against the second.
    let quarter = sizes.len() / 4;
    let largest = |part: &[u64]| part.iter().copied().max().unwrap_or(0);
    let (early, late) = (largest(&sizes[quarter..2 * quarter]), largest(&sizes[3 * quarter..]));
    assert!(late < early + early / 20, "{early} bytes in the second quarter, {late} in the last");
    let rate = asked[3] as f64 / taken;
    eprintln!(
        "soak: {taken:.0} s, {n} steps, {rate:.0} queries a second with {} vectors and {} writes, {faults} faults, \
         memory {early} and {late} bytes",
        asked[1], asked[0]
    );
    if let Some(least) = number("BLACKBEAM_SOAK_RATE") {
        assert!(rate >= least, "{rate} queries a second, wanted {least}");
    }
    assert!(seconds < 30.0 || faults > 0, "no fault in {seconds} s");
}
