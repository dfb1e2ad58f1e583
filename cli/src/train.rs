//! `blackbeam train`.

use crate::{Failure, args::TrainArgs, device_host::isolation, print, progress::Terminal, say, table};
use blackbeam_runtime::trainer::{Progress, Request, Start, Status, TrainError, train};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Runs the command.
pub fn run(args: TrainArgs) -> Result<(), Failure> {
    let interrupt = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // A second signal ends the process at once: whoever asks twice means it.
        let asked = interrupt.clone();
        signal_hook::flag::register_conditional_shutdown(signal, 130, asked.clone())
            .and_then(|_| signal_hook::flag::register(signal, asked))
            .map_err(|e| Failure::Run(format!("cannot listen to signals: {e}")))?;
    }
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
    let start = match (args.experiment, args.resume) {
        (_, Some(dir)) => Start::Resume { dir, accept_changes: args.accept_changes },
        (Some(experiment), None) => Start::New { experiment, out: args.out },
        (None, None) => return Err(Failure::Input("an experiment file or --resume DIR is needed".into())),
    };
    let request = Request {
        start,
        overrides: args.set,
        seed: args.seed,
        ideal: args.ideal,
        threads: args.threads.unwrap_or(cores),
        data: std::env::var_os("BLACKBEAM_DATA").map(Into::into),
        interrupt: interrupt.clone(),
        isolation: Some(isolation()?),
    };
    let mut terminal = Terminal::new(args.quiet);
    let outcome = match train(&request, &mut terminal) {
        Ok(outcome) => outcome,
        Err(error) => {
            terminal.end();
            return Err(failure(&error));
        }
    };
    if outcome.summary.status == Status::Interrupted {
        debug_assert!(interrupt.load(Ordering::Relaxed));
        let dir = outcome.dir.display();
        say(&format!("interrupted; a checkpoint was written. Go on with:\n  blackbeam train --resume {dir}"));
        return Err(Failure::Interrupted);
    }
    if args.quiet { Ok(()) } else { print(&table::of(&outcome)) }
}

fn failure(error: &TrainError) -> Failure {
    if error.is_interrupt() {
        say(&error.to_string());
        return Failure::Interrupted;
    }
    if error.is_bad_input() { Failure::Input(error.to_string()) } else { Failure::Run(error.to_string()) }
}
