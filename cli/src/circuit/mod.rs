//! The commands about the circuit of a device file.

pub mod draw;
pub mod expand;
pub mod explain;
pub mod simulate;

use crate::{Failure, args::Reading, print, say};
use blackbeam_netlist::{ReadOptions, circuit::Circuit};
use blackbeam_source::{Diagnostics, Source};
use std::path::{Path, PathBuf};

/// Reads a device file; its warnings go to standard error. Gives the seed of the device too.
pub fn read(file: &Path, args: &Reading) -> Result<(Circuit, u64), Failure> {
    let input = |found: Diagnostics| Failure::Input(found.render(false));
    let source = Source::read(file).map_err(input)?;
    let options = ReadOptions { preset: args.preset.clone(), ideal: args.ideal, ..ReadOptions::default() };
    let (circuit, warnings) = blackbeam_netlist::read(&source, &options).map_err(input)?;
    if !warnings.is_empty() {
        say(warnings.render(false).trim_end());
    }
    let seed = args.seed.unwrap_or(circuit.seed);
    Ok((circuit, seed))
}

/// As [`read`], for what only light can do.
fn read_light(file: &Path, args: &Reading) -> Result<(Circuit, u64), Failure> {
    let (circuit, seed) = read(file, args)?;
    if circuit.network.is_some() {
        let message = "it is a network, which has no ports: `explain` and `train` take it";
        return Err(Failure::Input(format!("{}: {message}", file.display())));
    }
    Ok((circuit, seed))
}

/// An error of the optics about a file.
fn refused(file: &Path) -> impl Fn(blackbeam_plugin::PluginError) -> Failure {
    move |error| Failure::Input(format!("{}: {}", file.display(), error.message))
}

/// Writes to a file, or to standard output.
fn write(out: Option<&PathBuf>, text: &str) -> Result<(), Failure> {
    match out {
        None => print(text),
        Some(path) => {
            std::fs::write(path, text).map_err(|e| Failure::Run(format!("{} cannot be written: {e}", path.display())))
        }
    }
}
