//! The `blackbeam` command.
//!
//! Exit codes: 0 done; 1 failed at run time; 2 bad input (nothing was run); 130 interrupted, with a checkpoint written.

mod args;
mod bench;
mod check;
mod circuit;
mod compare;
mod device_host;
mod plan;
mod plugin;
mod plugin_check;
mod plugin_new;
mod progress;
mod replay;
mod serve;
mod table;
mod train;

use args::{Args, Command, SchemaOf};
use clap::{CommandFactory, Parser};
use std::{io::Write, process::ExitCode};

/// Burn's tensors are many allocations of the same sizes, which glibc maps and unmaps each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How a command failed.
pub enum Failure {
    /// Bad input: exit code 2.
    Input(String),
    /// Failed at run time: exit code 1.
    Run(String),
    /// All has been said: exit code.
    Said(u8),
    /// Interrupted: exit code 130.
    Interrupted,
}

fn main() -> ExitCode {
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(if args.verbose { tracing::Level::DEBUG } else { tracing::Level::WARN })
        .with_target(false)
        .without_time()
        .log_internal_errors(false)
        .init();
    let outcome = match args.command {
        Command::Train(arguments) => train::run(arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Plan(arguments) => plan::run(arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Explain(arguments) => circuit::explain::run(&arguments),
        Command::Expand(arguments) => circuit::expand::run(&arguments),
        Command::Simulate(arguments) => circuit::simulate::run(&arguments),
        Command::Draw(arguments) => circuit::draw::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::ServeDevice(arguments) => serve::run(&arguments),
        Command::DeviceHost { memory, load } => device_host::run(memory.as_deref(), load.as_deref()),
        Command::Plugin { command } => plugin::run(&command),
        Command::Schema { of } => print(&schema(of)),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "blackbeam", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Input(message)) => fail(&message, 2),
        Err(Failure::Run(message)) => fail(&message, 1),
        Err(Failure::Said(code)) => ExitCode::from(code),
        Err(Failure::Interrupted) => ExitCode::from(130),
    }
}

/// Diagnostics say `error` themselves; other messages are one line.
fn fail(message: &str, code: u8) -> ExitCode {
    let message = message.trim_end();
    if message.starts_with("error") || message.starts_with("warning") {
        say(message);
    } else {
        say(&format!("error: {message}"));
    }
    ExitCode::from(code)
}

fn schema(of: SchemaOf) -> String {
    let schema = match of {
        SchemaOf::Experiment => blackbeam_runtime::experiment::schema(),
        SchemaOf::Device => blackbeam_netlist::schema().clone(),
    };
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

/// Writes to standard output; a reader that has gone (`| head`) is no failure.
pub fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::Run(format!("cannot write: {e}"))),
        _ => Ok(()),
    }
}

/// Writes a line to standard error, which nobody has to read.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
