//! The command line.

use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Trains neural networks that have photonic hardware inside them.
///
/// Exit codes: 0 done; 1 failed at run time; 2 bad input (nothing was run); 130 interrupted, with a checkpoint written.
#[derive(Parser)]
#[command(name = "blackbeam", version)]
pub struct Args {
    /// Show what the program does (debug log on standard error).
    #[arg(long, short, global = true)]
    pub verbose: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Train the network of an experiment file, or go on with a run.
    Train(TrainArgs),
    /// Check an experiment or device file without running anything.
    Check(CheckArgs),
    /// Plugin libraries: make them known, list them.
    Plugin {
        /// What to do.
        #[command(subcommand)]
        command: PluginCommand,
    },
    /// Print a JSON schema for editors.
    Schema {
        /// Of which kind of file.
        of: SchemaOf,
    },
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Arguments of `train`.
#[derive(clap::Args)]
pub struct TrainArgs {
    /// The experiment file.
    #[arg(required_unless_present = "resume", conflicts_with = "resume")]
    pub experiment: Option<PathBuf>,
    /// Go on with the run in this directory from its last checkpoint.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "seed", "ideal", "set"])]
    pub resume: Option<PathBuf>,
    /// With --resume: go on although the experiment, a plugin or the data changed since the run began.
    #[arg(long, requires = "resume")]
    pub accept_changes: bool,
    /// Where the run directory is made [default: runs/NAME, or the next free runs/NAME-2, ...].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Replace the experiment's seed.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Switch every non-ideality of every described device off.
    #[arg(long)]
    pub ideal: bool,
    /// Replace a value of the experiment, such as devices.mesh.estimator.samples=16.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub set: Vec<(String, String)>,
    /// Threads that simulated devices may use; results do not depend on it [default: all cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub threads: Option<u32>,
    /// Print errors and warnings only.
    #[arg(long, short)]
    pub quiet: bool,
}

/// Arguments of `check`.
#[derive(clap::Args)]
pub struct CheckArgs {
    /// The file.
    pub file: PathBuf,
    /// Replace a value of an experiment first, such as devices.mesh.estimator.samples=16.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub set: Vec<(String, String)>,
}

/// What to do with plugin libraries.
#[derive(Subcommand)]
pub enum PluginCommand {
    /// Load a library once and store its hash, manifests and settings schemas in plugins.lock.
    Add {
        /// The shared library.
        library: PathBuf,
        /// Folder of plugins.lock.
        #[arg(long, value_name = "DIR", default_value = ".")]
        dir: PathBuf,
    },
    /// List the plugins that are built in and those of plugins.lock.
    List {
        /// Folder of plugins.lock.
        #[arg(long, value_name = "DIR", default_value = ".")]
        dir: PathBuf,
    },
}

/// Kinds of file that have a schema.
#[derive(Clone, Copy, ValueEnum)]
pub enum SchemaOf {
    /// Experiment files.
    Experiment,
    /// Device descriptions.
    Device,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE, such as train.epochs=3".into()),
    }
}
