//! The command line.

mod plugins;

pub use plugins::{Lang, PluginCheckArgs, PluginCommand};

use crate::{plan::PlanArgs, replay::ReplayArgs, serve::Fault};
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
    /// Measure the devices of an experiment with some 200 queries each, and say what a run would cost before it is begun.
    Plan(PlanArgs),
    /// Check the log of a device, and run the experiment that it comes from again without the device.
    Replay(ReplayArgs),
    /// Compare finished runs: quality over seeds, what it cost, and whether groups of runs differ.
    Compare(CompareArgs),
    /// Say what a device file compiles to and why, or what a component is.
    Explain(ExplainArgs),
    /// Write the circuit of a device file as a flat SAX netlist of primitive components.
    Expand(ExpandArgs),
    /// Compute the S-parameters between all outer ports of a device file.
    Simulate(SimulateArgs),
    /// Draw the circuit of a device file as SVG.
    Draw(DrawArgs),
    /// Measure how long the queries of training take on this machine.
    Bench(BenchArgs),
    /// Serve a device file as an instrument that speaks a line protocol over TCP or a serial line.
    ServeDevice(ServeArgs),
    /// The process that a device library runs in; started by Blackbeam itself.
    #[command(hide = true)]
    DeviceHost {
        /// The memory that is shared.
        #[arg(required_unless_present = "load")]
        memory: Option<PathBuf>,
        /// Only load this library, to see whether it can be loaded.
        #[arg(long, value_name = "LIBRARY", conflicts_with = "memory")]
        load: Option<PathBuf>,
    },
    /// Plugin libraries: begin one, check a device, make them known, list them.
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
    /// How errors and warnings are written: for people, or as a JSON array for editors and tools.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

/// Arguments of `compare`.
///
/// Runs of the same experiment that differ in nothing but the seed form a group. Groups are compared by their quality on the
/// test samples (accuracy, or R2) with the exact Mann-Whitney test. Costs are medians of what training took.
#[derive(clap::Args)]
pub struct CompareArgs {
    /// Run directories, or folders of run directories.
    #[arg(required = true, value_name = "DIR")]
    pub dirs: Vec<PathBuf>,
    /// How the result is written: for people, or as one JSON object.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

/// How results are written.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// JSON on standard output.
    Json,
}

/// A device file and how it is read.
#[derive(clap::Args)]
pub struct DeviceArgs {
    /// The device file, or a SAX or gdsfactory netlist.
    pub file: PathBuf,
    /// How.
    #[command(flatten)]
    pub reading: Reading,
}

/// How a device file is read.
#[derive(clap::Args, Clone)]
pub struct Reading {
    /// Which device of its kind: seeds what is drawn once per device [default: the file's seed].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Without any non-ideality.
    #[arg(long)]
    pub ideal: bool,
    /// Another preset: ideal, typical or pessimistic.
    #[arg(long, value_name = "NAME", value_parser = blackbeam_netlist::PRESET_NAMES)]
    pub preset: Option<String>,
}

/// Arguments of `explain`.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["file", "component"]))]
pub struct ExplainArgs {
    /// The device file, or a SAX or gdsfactory netlist.
    pub file: Option<PathBuf>,
    /// A component of the catalogue instead; `list` lists them.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["seed", "ideal", "preset"])]
    pub component: Option<String>,
    /// How.
    #[command(flatten)]
    pub reading: Reading,
}

/// Arguments of `expand`.
#[derive(clap::Args)]
pub struct ExpandArgs {
    /// What.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// As JSON, which holds no comments, instead of YAML.
    #[arg(long)]
    pub json: bool,
    /// Where to [default: standard output].
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Arguments of `simulate`.
#[derive(clap::Args)]
pub struct SimulateArgs {
    /// What.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Wavelengths in micrometres, one or a range, such as 1.55 or 1.5:1.6:1001 [default: the file's].
    #[arg(long, value_name = "START:STOP:POINTS", value_parser = wavelengths)]
    pub wl: Option<Wavelengths>,
    /// Where to: .csv, .npz or Touchstone .sNp, by the end of the name [default: CSV on standard output].
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write and plot the waves at the file's probes too: `NAME_fwd` and `NAME_bwd` (CSV).
    #[arg(long)]
    pub probes: bool,
    /// Plot the transmissions as SVG.
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

/// Wavelengths, um.
#[derive(Clone, Debug)]
pub struct Wavelengths(pub Vec<f64>);

/// Arguments of `draw`.
#[derive(clap::Args)]
pub struct DrawArgs {
    /// What.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Where to [default: standard output].
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Arguments of `bench`.
///
/// Prints one JSON object: the case as it was measured, the median and the least time of a call in seconds, and nominal
/// GFLOP/s at the least time. A round calls the case until 20 ms have passed and takes the mean.
#[derive(clap::Args)]
pub struct BenchArgs {
    /// What is measured.
    #[arg(value_enum)]
    pub case: BenchCase,
    /// Modes of the mesh, rings of the chain, rows of the bank, pixels along the side of the mask [default: by case].
    #[arg(long, value_name = "N")]
    pub modes: Option<usize>,
    /// Parameter sets in one call [default: by case].
    #[arg(long, value_name = "Q")]
    pub sets: Option<usize>,
    /// Vectors that each parameter set is asked for, or wavelengths [default: by case].
    #[arg(long, value_name = "B")]
    pub batch: Option<usize>,
    /// Precision of what is simulated.
    #[arg(long, value_enum, default_value = "f64")]
    pub precision: Precision,
    /// Threads that the device may use.
    #[arg(long, value_name = "T", default_value_t = 1, value_parser = at_least_one)]
    pub threads: usize,
    /// What stands between the numbers and the light.
    #[arg(long, value_enum, default_value = "ideal")]
    pub chain: Chain,
    /// How parameter sets are given.
    #[arg(long, value_enum, default_value = "dense")]
    pub form: Form,
    /// Use no better vector instructions than these [default: the best of this machine].
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub simd: Option<Simd>,
    /// Most rounds that are measured.
    #[arg(long, value_name = "R", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// No further round after this many seconds (two are measured in any case).
    #[arg(long, value_name = "S", default_value_t = 10.0, value_parser = seconds)]
    pub seconds: f64,
}

/// Cases of `bench`.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum BenchCase {
    /// Write the phases of a Clements mesh and read its matrix.
    MeshMatrix,
    /// Perturbed parameter sets of a mesh, each on the same complex vectors.
    MeshQuery,
    /// Each of the N^2 parameters of a mesh moved by itself, on the same complex vectors.
    MeshCoordinates,
    /// The same, of each answer only its product with a cotangent.
    MeshCoordinatesContracted,
    /// S-parameters of an add-drop ring over wavelengths (--batch).
    Ring,
    /// S-parameters of coupled rings in a row (--modes) over wavelengths (--batch).
    Crow,
    /// Perturbed parameter sets of a bank of add-drop rings, as many channels as rows.
    WeightBank,
    /// Perturbed phase masks, each on the same complex fields that go on through free space.
    Slm,
    /// From the text of a mesh's device file to a device that can be queried.
    Compile,
    /// What a query of a device library takes longer through a process of its own: microseconds, medians, one call after the
    /// other (`busy`) and after a pause (`idle`).
    Isolation,
}

impl BenchCase {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            BenchCase::MeshMatrix => "mesh-matrix",
            BenchCase::MeshQuery => "mesh-query",
            BenchCase::MeshCoordinates => "mesh-coordinates",
            BenchCase::MeshCoordinatesContracted => "mesh-coordinates-contracted",
            BenchCase::Ring => "ring",
            BenchCase::Crow => "crow",
            BenchCase::WeightBank => "weight-bank",
            BenchCase::Slm => "slm",
            BenchCase::Compile => "compile",
            BenchCase::Isolation => "isolation",
        }
    }
}

/// Precision of what is simulated.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Precision {
    /// Single.
    F32,
    /// Double.
    F64,
}

impl Precision {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::F64 => "f64",
        }
    }
}

/// What stands between the numbers and the light.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Chain {
    /// Nothing.
    Ideal,
    /// Converters of 8 bits for parameters, inputs and outputs, read noise of 1 %, drift.
    Typical,
    /// All of the preset `typical`: errors of fabrication, crosstalk, phase noise and lag too.
    Preset,
}

impl Chain {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Chain::Ideal => "ideal",
            Chain::Typical => "typical",
            Chain::Preset => "preset",
        }
    }
}

/// Vector instructions.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Simd {
    /// Those that the program was compiled for.
    Plain,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512.
    Avx512,
}

/// How parameter sets are given.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Form {
    /// All values.
    Dense,
    /// The name of a random direction, drawn anew by the device.
    Keyed,
}

/// Arguments of `serve-device`.
///
/// Prints one line once it can be reached, and serves until it is stopped. The protocol is docs/scpi-protocol.md; a driver for
/// it is plugins/devices/scpi-c.
#[derive(clap::Args)]
pub struct ServeArgs {
    /// What.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Where clients connect; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:5025")]
    pub listen: String,
    /// Serve on this serial line instead.
    #[arg(long, value_name = "PATH", conflicts_with = "listen")]
    pub serial: Option<PathBuf>,
    /// Speed of the serial line, bits per second.
    #[arg(long, value_name = "N", default_value_t = 115_200)]
    pub baud: u32,
    /// Threads that the device may use.
    #[arg(long, value_name = "T", default_value_t = 1, value_parser = at_least_one)]
    pub threads: usize,
    /// Wait so long before each command.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, value_parser = seconds)]
    pub latency: f64,
    /// Clamp all parameters to this range.
    #[arg(long, value_name = "LOW:HIGH", value_parser = low_high, allow_hyphen_values = true)]
    pub clamp: Option<(f64, f64)>,
    /// What goes wrong: KIND@N (at the Nth write or query) or KIND/N (at every Nth), where KIND is busy, hang, drop, slip or
    /// power-loss, and may be narrowed to KIND:write or KIND:query. May be given more than once.
    #[arg(long, value_name = "FAULT")]
    pub fault: Vec<Fault>,
}

/// Kinds of file that have a schema.
#[derive(Clone, Copy, ValueEnum)]
pub enum SchemaOf {
    /// Experiment files.
    Experiment,
    /// Device descriptions.
    Device,
}

pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE, such as train.epochs=3".into()),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..=MAX_THREADS) => Ok(n),
        _ => Err(format!("expected 1 to {MAX_THREADS}")),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(s) if s >= 0.0 => Ok(s),
        _ => Err("expected a number of seconds".into()),
    }
}

/// Most threads of a benchmark.
const MAX_THREADS: usize = 1024;

/// Most wavelengths of a sweep.
const MAX_WAVELENGTHS: usize = 1_000_000;

fn low_high(text: &str) -> Result<(f64, f64), String> {
    let number = |part: &str| part.trim().parse::<f64>().ok().filter(|v| v.is_finite());
    let ends = text.split_once(':').and_then(|(low, high)| Some((number(low)?, number(high)?)));
    ends.filter(|(low, high)| low < high).ok_or_else(|| "expected LOW:HIGH, such as 0:3.1".into())
}

fn wavelengths(text: &str) -> Result<Wavelengths, String> {
    let number = |part: &str| {
        let wl: f64 = part.trim().parse().map_err(|_| format!("`{part}` is not a number"))?;
        if wl.is_finite() && wl > 0.0 { Ok(wl) } else { Err(format!("`{part}` is not a wavelength")) }
    };
    let parts: Vec<&str> = text.split(':').collect();
    match parts[..] {
        [one] => Ok(Wavelengths(vec![number(one)?])),
        [start, stop, points] => {
            let (start, stop) = (number(start)?, number(stop)?);
            let points: usize = points.trim().parse().map_err(|_| format!("`{points}` is not a number of points"))?;
            if !(2..=MAX_WAVELENGTHS).contains(&points) {
                return Err(format!("{points} points, expected 2 to {MAX_WAVELENGTHS}"));
            }
            if start >= stop {
                return Err(format!("the range goes from {start} to {stop}, expected START < STOP"));
            }
            let step = (stop - start) / (points - 1) as f64;
            let at = |k| if k == points - 1 { stop } else { start + step * k as f64 };
            Ok(Wavelengths((0..points).map(at).collect()))
        }
        _ => Err("expected one wavelength in um or START:STOP:POINTS, such as 1.5:1.6:1001".into()),
    }
}
