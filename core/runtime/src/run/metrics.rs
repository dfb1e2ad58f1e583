//! `metrics.jsonl`: one object a line, written through so that a killed run has them, cut back on resume.

use super::{RunError, at, tensorboard::Events};
use serde_json::{Map, Value};
use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

/// The metrics file of a run, and its TensorBoard shadow.
pub struct Metrics {
    file: File,
    path: PathBuf,
    bytes: u64,
    events: Events,
}

impl Metrics {
    /// Opens the file and cuts it back to `bytes` (0 for a new run).
    ///
    /// # Errors
    /// If it cannot be opened, or is shorter than that.
    pub fn open(path: &Path, bytes: u64, events: &Path) -> Result<Self, RunError> {
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(at(path))?;
        let length = file.metadata().map_err(at(path))?.len();
        if length < bytes {
            return Err(RunError::NotARun {
                path: path.to_owned(),
                why: format!("it has {length} bytes, the checkpoint was made at {bytes}"),
            });
        }
        file.set_len(bytes).map_err(at(path))?;
        Ok(Metrics { file, path: path.to_owned(), bytes, events: Events::create(events)? })
    }

    /// Length of the file: goes into the checkpoint.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends one row. `run` and `phase` come first, then `step`, then `fields` in their order.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn row(&mut self, run: &str, phase: &str, step: u64, fields: Map<String, Value>) -> Result<(), RunError> {
        self.events.scalars(run, phase, step, &fields)?;
        let mut row = Map::new();
        row.insert("run".into(), run.into());
        row.insert("phase".into(), phase.into());
        row.insert("step".into(), step.into());
        row.extend(fields);
        let mut line = Value::Object(row).to_string();
        line.push('\n');
        self.file.write_all(line.as_bytes()).map_err(at(&self.path))?;
        self.bytes += line.len() as u64;
        Ok(())
    }
}
