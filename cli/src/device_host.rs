//! `blackbeam device-host`: the process that a device library runs in. Blackbeam calls it, people do not.

use crate::{Failure, bench::isolation};
use blackbeam_runtime::host::{HOST_COMMAND, Isolation, Registry, host_device};
use std::{
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Longest time that a library may take to be loaded.
const LOADING: Duration = Duration::from_secs(60);

/// Runs the command.
pub fn run(memory: Option<&Path>, load: Option<&Path>) -> Result<(), Failure> {
    if let Some(library) = load {
        let mut registry = Registry::new().map_err(|e| Failure::Input(e.to_string()))?;
        return registry.load(library).map(|_| ()).map_err(|e| Failure::Input(e.to_string()));
    }
    let memory = memory.ok_or_else(|| Failure::Input("no memory to share was given".into()))?;
    host_device(memory, |name, _| isolation::built_in(name)).map_err(|error| {
        Failure::Run(format!(
            "{error}: `blackbeam device-host` is started by Blackbeam itself, with memory that both share"
        ))
    })
}

/// How device libraries are run in processes of their own: by this program itself.
///
/// # Errors
/// If the system does not say which program this is.
pub fn isolation() -> Result<Isolation, Failure> {
    Isolation::by_this_program()
        .map_err(|e| Failure::Run(format!("this program cannot be found again, to run device libraries: {e}")))
}

/// Loads a library in a process of its own, to see whether its start-up code can be run. What else is wrong with it is not
/// said here.
///
/// # Errors
/// If the process crashed or hung.
pub fn try_to_load(library: &Path) -> Result<(), Failure> {
    let cannot = |what: String| Failure::Input(format!("{}: {what}", library.display()));
    let mut child = Command::new(isolation()?.program())
        .args([HOST_COMMAND, "--load"])
        .arg(library)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| cannot(format!("no process can be started to load it: {e}")))?;
    let begun = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if begun.elapsed() < LOADING => thread::sleep(Duration::from_millis(2)),
            outcome => {
                // It may be gone already.
                let _ = child.kill();
                let why = outcome.err().map_or_else(|| "within a minute".to_owned(), |error| error.to_string());
                return Err(cannot(format!("it cannot be loaded: its start-up code does not end ({why})")));
            }
        }
    };
    match (status.signal(), status.code()) {
        (Some(signal), _) => Err(cannot(format!("it cannot be loaded: its start-up code crashes (signal {signal})"))),
        // Found out again where it is loaded for good, with what to do.
        (None, Some(0 | 2)) => Ok(()),
        (None, code) => {
            Err(cannot(format!("it cannot be loaded: its start-up code ends the process (exit code {code:?})")))
        }
    }
}
