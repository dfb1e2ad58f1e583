//! `blackbeam replay`.

use crate::{Failure, args::Format, device_host::isolation, print, progress::Terminal, say};
use blackbeam_record::{END_OF_LOG, Log, LogError, Replay, Report};
use blackbeam_runtime::{
    run::{RunDir, RunError, compare},
    trainer::{Request, Start, Status, TrainError, train},
};
use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

/// Arguments of `replay`.
///
/// Checks every entry of the log and says what is in it. If the log lies in a run directory, that run's experiment is then trained
/// again, every recorded device answering from its log, and the two runs are compared. Exit codes: 0 the log is whole, and
/// the runs are the same to the bit; 1 they differ, or the log is damaged; 2 it cannot be replayed.
#[derive(clap::Args)]
pub struct ReplayArgs {
    /// The log, such as runs/NAME/record/DEVICE.bblog.
    pub log: PathBuf,
    /// Where the new run directory is made [default: the run's with `-replay` behind it, or the next free one].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Only check the log and say what is in it.
    #[arg(long, conflicts_with = "out")]
    pub verify_only: bool,
    /// Threads that simulated devices may use which were not recorded [default: all cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub threads: Option<u32>,
    /// How the content of the log is written: for people, or as one JSON object.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

/// Runs the command.
pub fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let log = Log::open(&args.log).map_err(failure)?;
    let report = Report::of(&log);
    match args.format {
        Format::Json => print(&format!("{:#}\n", serde_json::json!(report)))?,
        Format::Text => print(&text(&report, &args.log))?,
    }
    let Some(dir) = run_of(&args.log).filter(|_| !args.verify_only) else { return Ok(()) };
    again(&dir, args)
}

/// The run directory that a log lies in.
fn run_of(log: &Path) -> Option<RunDir> {
    let record = log.canonicalize().ok()?.parent()?.to_owned();
    RunDir::open(record.parent()?).ok().filter(|_| record.ends_with("record"))
}

fn failure(error: LogError) -> Failure {
    match error {
        LogError::Damaged { .. } => Failure::Run(error.to_string()),
        _ => Failure::Input(error.to_string()),
    }
}

/// Trains the run's experiment again from its logs, and compares.
fn again(dir: &RunDir, args: &ReplayArgs) -> Result<(), Failure> {
    let mut overrides = Vec::new();
    for log in logs(dir).map_err(|e| Failure::Input(e.to_string()))? {
        let replay = Replay::open(&log).map_err(failure)?;
        let header = replay.log().header();
        if header.run == "main" {
            let source = serde_json::json!({"replay": log});
            overrides.push((format!("devices.{}.source", header.device), source.to_string()));
            overrides.push((format!("devices.{}.record", header.device), "null".to_owned()));
        }
    }
    let out = args.out.clone().unwrap_or_else(|| RunDir::free(&beside(dir.path())));
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
    let request = Request {
        start: Start::New { experiment: dir.file("experiment.yaml"), out: Some(out.clone()) },
        overrides,
        seed: None,
        ideal: false,
        threads: args.threads.unwrap_or(cores),
        data: std::env::var_os("BLACKBEAM_DATA").map(Into::into),
        interrupt: Arc::new(AtomicBool::new(false)),
        isolation: Some(isolation()?),
    };
    let finished = finished(dir);
    let mut terminal = Terminal::new(true);
    match train(&request, &mut terminal) {
        Ok(_) => {}
        // A run that was killed has nothing more to be replayed.
        Err(error) if !finished && error.to_string().contains(END_OF_LOG) => say(&format!("replayed until {error}")),
        Err(error) if error.is_bad_input() => return Err(Failure::Input(error.to_string())),
        Err(error) => return Err(Failure::Run(differs(&error))),
    }
    let second = RunDir::open(&out).map_err(|e| Failure::Run(e.to_string()))?;
    let compared = compare(dir, &second, finished).map_err(|e| Failure::Run(e.to_string()))?;
    let (first, second) = (dir.path().display(), second.path().display());
    if let Some(difference) = compared.difference {
        return Err(Failure::Run(format!("{second} is not {first}: {difference}")));
    }
    let ends = match compared.finals.as_slice() {
        [] => String::new(),
        runs => format!("; weights, parameters and states at the end of {}", runs.join(", ")),
    };
    let until = if finished { "" } else { " as far as it came" };
    print(&format!("The same to the bit{until}: {} rows of metrics{ends}.\nReplayed: {second}\n", compared.rows))
}

/// Every log of a run.
fn logs(dir: &RunDir) -> Result<Vec<PathBuf>, RunError> {
    let folder = dir.file("record");
    let at = |error| RunError::Io { path: folder.clone(), error };
    let mut logs = Vec::new();
    for entry in fs::read_dir(&folder).map_err(at)? {
        let path = entry.map_err(at)?.path();
        if path.extension().is_some_and(|e| e == "bblog") {
            logs.push(path);
        }
    }
    logs.sort();
    Ok(logs)
}

/// `DIR-replay`.
fn beside(dir: &Path) -> PathBuf {
    let name = dir.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_else(|| "run".into());
    dir.with_file_name(format!("{name}-replay"))
}

/// The run has come to its end.
fn finished(dir: &RunDir) -> bool {
    let summary = fs::read(dir.file("summary.json")).ok();
    let summary = summary.and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok()).unwrap_or_default();
    let interrupted = serde_json::to_value(Status::Interrupted).unwrap_or_default();
    !summary["status"].is_null() && summary["status"] != interrupted
}

fn differs(error: &TrainError) -> String {
    format!("the replay could not follow the run: {error}")
}

/// What is in a log, for a person.
fn text(report: &Report, log: &Path) -> String {
    let Report { device, run, entries, processes, resumed, .. } = report;
    let mut text =
        format!("{}: device `{device}` of run `{run}`, {entries} entries, none of them changed\n", log.display());
    let end = match report.end {
        "closed" => "closed by its process",
        "open" => "not closed: its process was killed, or writes now",
        _ => "cut off within an entry: its process was killed",
    };
    text += &format!("{end}; recorded by {processes} processes, resumed or begun again {resumed} times\n");
    if let Some([first, last]) = report.span {
        text += &format!("{first:.3} to {last:.3} s since 1970 (UTC): {:.3} s\n", last - first);
    }
    for (title, counts) in [("call", &report.kinds), ("purpose", &report.purposes)] {
        let mut table = Table::new();
        table.load_style(UTF8_HORIZONTAL_ONLY);
        table.set_header([title, "calls", "errors", "vectors", "configurations", "s in the device"]);
        for (name, c) in counts {
            let numbers = [c.calls, c.errors, c.vectors, c.configurations].map(|n| n.to_string());
            table.add_row(std::iter::once((*name).to_owned()).chain(numbers).chain([format!("{:.4}", c.seconds)]));
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        text += &format!("{table}\n");
    }
    text
}
