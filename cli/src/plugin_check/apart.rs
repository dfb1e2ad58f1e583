//! The same command in a process of its own: a library that crashes is a breach, not the end of the command.

use crate::{Failure, args::PluginCheckArgs, device_host::isolation, print, say};
use blackbeam_plugin::Open;
use blackbeam_runtime::host::{DeviceLock, Isolation};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::{
    io::{BufRead, BufReader},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Command, Stdio},
    thread,
};

/// The option that says that this process is the one.
const HERE: &str = "--in-process";

/// Runs `blackbeam` again with the arguments of this process, and ends as it ends. `device` is the one that is checked.
pub fn run(args: &PluginCheckArgs, device: &str, open: &Open) -> Result<(), Failure> {
    let cannot =
        |error: std::io::Error| Failure::Run(format!("the check cannot be run in a process of its own: {error}"));
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).map_err(cannot)?;
    let isolation = isolation()?;
    let mut child = Command::new(isolation.program())
        .args(std::env::args_os().skip(1))
        .arg(HERE)
        .stdout(Stdio::piped())
        // A key that interrupts reaches this process, which hands it on once.
        .process_group(0)
        .spawn()
        .map_err(cannot)?;
    let pid = Pid::from_raw(child.id().cast_signed());
    thread::spawn(move || {
        for signal in signals.forever() {
            let signal = if signal == SIGINT { Signal::INT } else { Signal::TERM };
            // It may be gone already.
            let _ = pid.map(|pid| kill_process(pid, signal));
        }
    });
    let mut last = String::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            print(&format!("{line}\n"))?;
            last = line;
        }
    }
    let status = child.wait().map_err(cannot)?;
    let Some(signal) = status.signal() else {
        return match status.code() {
            Some(0) => Ok(()),
            Some(code @ (1 | 2 | 130)) => Err(Failure::Said(code as u8)),
            code => Err(ended(
                &isolation,
                args,
                (device, open),
                (&format!("ended its process with code {}", code.unwrap_or(-1)), &last),
            )),
        };
    };
    Err(ended(&isolation, args, (device, open), (&format!("crashed its process (signal {signal})"), &last)))
}

/// The library has ended the process: brings the device to its safe state in another one, and says so.
fn ended(
    isolation: &Isolation,
    args: &PluginCheckArgs,
    (device, open): (&str, &Open),
    (how, last): (&str, &str),
) -> Failure {
    // The lock of the process that has ended was let go with it; another run may have it by now.
    let lock = DeviceLock::acquire(device, &args.target, &open.settings, super::HOLDER).map_err(|e| e.to_string());
    let safe = lock.and_then(|_lock| {
        let opened = isolation.open_unverified(&args.target, device, open).map_err(|e| e.to_string());
        opened.and_then(|mut device| device.safe_state().map_err(|e| e.to_string()))
    });
    let left = match safe {
        Ok(()) => "It was opened again and is in its safe state".to_owned(),
        Err(error) => format!("It could NOT be brought to its safe state ({error}): see to it by hand"),
    };
    if args.json {
        let found = serde_json::json!({"target": args.target, "conforms": false, "crashed": how, "left": left});
        return match print(&format!("{found}\n")) {
            Ok(()) => Failure::Said(1),
            Err(error) => error,
        };
    }
    let after = last.split_whitespace().nth(1).map(|id| format!(" in the check after `{id}`")).unwrap_or_default();
    say(&format!("error: {} {how}{after}. {left}", args.target.display()));
    Failure::Said(1)
}
