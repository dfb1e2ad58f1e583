//! Arguments of `plugin`.

use super::Reading;
use clap::{Subcommand, ValueEnum};
use std::path::PathBuf;

/// What to do with plugin libraries.
#[derive(Subcommand)]
pub enum PluginCommand {
    /// Begin a device library: a project that builds, and whose device answers.
    New {
        /// Name of the device and of the folder that is made: letters, digits and `_`.
        name: String,
        /// Language.
        #[arg(long, value_enum)]
        lang: Lang,
        /// Folder in which it is made.
        #[arg(long, value_name = "DIR", default_value = ".")]
        dir: PathBuf,
        /// Rust: a checkout of Blackbeam to depend on, instead of its repository.
        #[arg(long, value_name = "DIR")]
        blackbeam: Option<PathBuf>,
    },
    /// Try what a device promises: its description, answers, limits, safe state, state, wrong calls.
    Check(PluginCheckArgs),
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

/// Arguments of `plugin check`.
///
/// Opens the device, sends it a few hundred vectors, and leaves it in its safe state. A library that is named here is loaded, whether
/// or not it is in plugins.lock. Exit code 1 if a check fails, 2 if there is nothing to be checked.
#[derive(clap::Args)]
pub struct PluginCheckArgs {
    /// The shared library, or a device description (.yml, .yaml, .json).
    pub target: PathBuf,
    /// Settings that the device is opened with; of a description: settings of its circuit.
    #[arg(long, value_name = "JSON")]
    pub settings: Option<String>,
    /// Which device of the library, if it has several.
    #[arg(long, value_name = "NAME")]
    pub plugin: Option<String>,
    /// Send nothing out of range, neither parameters nor inputs: for hardware whose driver may not clamp yet.
    #[arg(long)]
    pub in_range: bool,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Load the library into this process, for a debugger: what crashes it is the end of the command.
    #[arg(long)]
    pub in_process: bool,
    /// How it is opened.
    #[command(flatten)]
    pub reading: Reading,
}

/// Languages of device libraries.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Lang {
    /// Rust, with cargo.
    Rust,
    /// C99, with a Makefile.
    C,
    /// C++17, with a Makefile.
    Cpp,
}
