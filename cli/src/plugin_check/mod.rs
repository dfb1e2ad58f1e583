//! `blackbeam plugin check`: what a device promises, tried on it.

mod apart;
mod report;
mod source;

use crate::{Failure, args::PluginCheckArgs, print, say};
use blackbeam_conformance::{End, Options, Watch, run as try_all};
use blackbeam_plugin::{Code, Open};
use blackbeam_runtime::host::DeviceLock;
use serde_json::{Map, Value};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::{sync::Arc, thread};

/// What others are told that drives the device.
const HOLDER: &str = "plugin check";

/// Runs the command.
pub fn run(args: &PluginCheckArgs) -> Result<(), Failure> {
    let settings = settings(args.settings.as_deref())?;
    let found = source::find(args, &settings)?;
    let open = Open {
        settings: Value::Object(settings).to_string().into(),
        seed: found.seed,
        threads: 1,
        ideal: args.reading.ideal,
    };
    if let (Some(device), false) = (&found.library_device, args.in_process) {
        return apart::run(args, device, &open);
    }
    let _lock = found.library_device.as_ref().map(|device| lock(args, device, &open)).transpose()?;
    let watch = Arc::new(Watch::default());
    stop_on_signals(&watch)?;
    let options = Options { open, simulated: found.simulated, in_range: args.in_range };
    let shown = |finding: &blackbeam_conformance::Finding| {
        if !args.json {
            // A reader that has gone is told of by the table.
            let _ = print(&report::line(finding));
        }
    };
    let (result, end) = try_all(found.plugin, options, &watch, shown);
    let text = if args.json { report::json(&args.target, &result, &end) } else { report::text(&result) };
    print(&text)?;
    match end {
        End::Stopped => {
            say("stopped: the checks that came after were not tried");
            Err(Failure::Interrupted)
        }
        _ if result.conforms() => Ok(()),
        // As where `train` opens a device: the settings are at fault, and nothing was tried.
        _ if result.not_opened.is_some_and(|e| matches!(e.code, Code::SETTINGS | Code::UNSUPPORTED)) => {
            Err(Failure::Said(2))
        }
        _ => Err(Failure::Said(1)),
    }
}

/// Keeps others from a device of a library, and does not disturb who has it.
fn lock(args: &PluginCheckArgs, device: &str, open: &Open) -> Result<DeviceLock, Failure> {
    let taken = DeviceLock::acquire(device, &args.target, &open.settings, HOLDER);
    let lock = taken.map_err(|error| Failure::Run(error.to_string()))?;
    if let Some(before) = lock.stale() {
        say(&format!("`{device}` was not given back by {before}, which has ended: it may have been left as it was"));
    }
    Ok(lock)
}

fn settings(text: Option<&str>) -> Result<Map<String, Value>, Failure> {
    let Some(text) = text else { return Ok(Map::new()) };
    serde_json::from_str(text).map_err(|error| {
        let expected = r#"expected a JSON object, such as '{"device": "tcp:127.0.0.1:5025"}'"#;
        Failure::Input(format!("--settings: {error}; {expected}"))
    })
}

/// The first signal stops the checks and brings the device into its safe state, the second ends the process at once.
fn stop_on_signals(watch: &Arc<Watch>) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::Run(format!("cannot listen to signals: {e}"));
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
    let watch = Arc::clone(watch);
    thread::spawn(move || {
        for _ in signals.forever() {
            if watch.stopped() {
                std::process::exit(130);
            }
            watch.stop();
        }
    });
    Ok(())
}
