//! Logs of devices in a run directory, and devices that answer from them.

use super::TrainError;
use crate::{
    experiment::{Control, Experiment, Record},
    session::SessionError,
};
use blackbeam_plugin::{Device, PluginError};
use blackbeam_record::{Level, RecordHandle, Recorder, Replay};
use std::path::{Path, PathBuf};

/// Folder of the logs in a run directory.
const FOLDER: &str = "record";

/// The log of a device in the main run (`None`) or a control, where `log` is that of the main run.
fn log_of(log: &Path, control: Option<Control>) -> PathBuf {
    control.map_or_else(|| log.to_owned(), |control| log.with_extension(format!("{}.bblog", control.name())))
}

/// The device that a log holds.
pub(super) fn replayed(log: &Path, control: Option<Control>) -> Result<Box<dyn Device>, TrainError> {
    Ok(Box::new(Replay::open(&log_of(log, control))?))
}

/// The device with a recorder around it, if it is to be recorded. `fresh`: its run begins at its start.
pub(super) fn recorded(
    device: Box<dyn Device>,
    dir: &Path,
    (name, control): (&str, Option<Control>),
    record: Option<Record>,
    fresh: bool,
) -> Result<(Box<dyn Device>, Option<RecordHandle>), TrainError> {
    let level = match record {
        None => return Ok((device, None)),
        Some(Record::Full) => Level::Full,
        Some(Record::Probes) => Level::Probes,
        Some(Record::Meta) => Level::Meta,
    };
    let path = log_of(&dir.join(FOLDER).join(format!("{name}.bblog")), control);
    let run = control.map_or("main", Control::name);
    let recorder = Recorder::open(device, &path, (run, name), level, fresh)?;
    let handle = recorder.handle();
    Ok((Box::new(recorder), Some(handle)))
}

/// The logs that a replayed device needs, by the names that the run's lock has them under.
pub(super) fn logs_of(name: &str, log: &Path, experiment: &Experiment) -> Vec<(String, PathBuf)> {
    let with_devices = experiment.controls.iter().filter(|control| **control != Control::Digital);
    let of_control = |control: &Control| (format!("{name}: {}", control.name()), log_of(log, Some(*control)));
    std::iter::once((name.to_owned(), log.to_owned())).chain(with_devices.map(of_control)).collect()
}

/// The log of the device `name` cannot be used.
pub(super) fn failed(name: &str, error: PluginError) -> TrainError {
    TrainError::Session(SessionError::Device {
        device: name.into(),
        what: "going on with its log".into(),
        error,
        attempts: 1,
    })
}
