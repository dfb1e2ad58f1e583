//! `blackbeam check`.

use crate::{
    Failure,
    args::{CheckArgs, Format},
    print, say,
};
use blackbeam_netlist::ReadOptions;
use blackbeam_runtime::trainer::{self, TrainError};
use blackbeam_source::{Diagnostics, Node, Source};

/// Runs the command: the file is an experiment if it has one of an experiment's sections, else a device description.
pub fn run(args: &CheckArgs) -> Result<(), Failure> {
    let (outcome, kind) = match checked(args)? {
        Checked::Experiment(outcome) => (outcome, "experiment"),
        Checked::Device(outcome) => (outcome, "device description"),
    };
    let found = match &outcome {
        Ok(warnings) => warnings,
        Err(errors) => errors,
    };
    if args.format == Format::Json {
        print(&format!("{:#}\n", found.to_json()))?;
        return outcome.map(|_| ()).map_err(|_| Failure::Said(2));
    }
    let warnings = outcome.map_err(|errors| Failure::Input(errors.render(false)))?;
    if !warnings.is_empty() {
        say(warnings.render(false).trim_end());
    }
    print(&format!("{}: a usable {kind}\n", args.file.display()))
}

/// What was found: warnings, or errors with them.
enum Checked {
    Experiment(Result<Diagnostics, Diagnostics>),
    Device(Result<Diagnostics, Diagnostics>),
}

fn checked(args: &CheckArgs) -> Result<Checked, Failure> {
    let (source, root) = match read(args) {
        Ok(read) => read,
        // what cannot be parsed is neither
        Err(found) => return Ok(Checked::Device(Err(found))),
    };
    let experiment =
        ["model", "train", "devices", "data", "controls", "budget"].iter().any(|key| root.get(key).is_some());
    if experiment {
        return match trainer::check(&args.file, &args.set, None, false) {
            Ok(loaded) => Ok(Checked::Experiment(Ok(loaded.warnings))),
            Err(TrainError::Input(found)) => Ok(Checked::Experiment(Err(found))),
            Err(other) => Err(Failure::Input(other.to_string())),
        };
    }
    if !args.set.is_empty() {
        return Err(Failure::Input("--set is for experiments".into()));
    }
    let read = blackbeam_netlist::read_tree(&source, root, &ReadOptions::default());
    Ok(Checked::Device(read.map(|(_, warnings)| warnings)))
}

fn read(args: &CheckArgs) -> Result<(Source, Node), Diagnostics> {
    let source = Source::read(&args.file)?;
    let root = source.parse()?;
    Ok((source, root))
}
