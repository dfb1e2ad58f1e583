//! `blackbeam check`.

use crate::{Failure, args::CheckArgs, print, say};
use blackbeam_netlist::ReadOptions;
use blackbeam_runtime::trainer;
use blackbeam_source::{Diagnostics, Source};

/// Runs the command: the file is an experiment if it has one of an experiment's sections, else a device description.
pub fn run(args: &CheckArgs) -> Result<(), Failure> {
    let input = |found: Diagnostics| Failure::Input(found.render(false));
    let source = Source::read(&args.file).map_err(input)?;
    let root = source.parse().map_err(input)?;
    let experiment =
        ["model", "train", "devices", "data", "controls", "budget"].iter().any(|key| root.get(key).is_some());
    let (warnings, kind) = if experiment {
        let checked = trainer::check(&args.file, &args.set, None, false);
        (checked.map_err(|e| Failure::Input(e.to_string()))?.warnings, "experiment")
    } else if args.set.is_empty() {
        (blackbeam_netlist::read(&source, &ReadOptions::default()).map_err(input)?.1, "device description")
    } else {
        return Err(Failure::Input("--set is for experiments".into()));
    };
    if !warnings.is_empty() {
        say(warnings.render(false).trim_end());
    }
    print(&format!("{}: a usable {kind}\n", args.file.display()))
}
