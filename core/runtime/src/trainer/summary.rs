//! `summary.json`: the result of a run and its controls.

use super::{
    build::Site,
    phase::{Evaluation, Phase},
};
use crate::session::{Account, Tally};
use blackbeam_digital::Score;
use blackbeam_layers::Loss;
use blackbeam_plugin::Descriptor;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All steps were made.
    Done,
    /// The budget ended first.
    Budget,
    /// A signal came; it can be resumed.
    Interrupted,
    /// Stopped for a person to look at a device; it can be resumed.
    Paused,
}

/// The result of the main run or of a control.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseResult {
    /// `main` or the control's name.
    pub run: String,
    /// How it ended.
    pub status: Status,
    /// Steps made.
    pub steps: u64,
    /// Name and value of the quality on the test samples: `accuracy` or `r2`. None if it was not evaluated.
    pub quality: Option<(String, f64)>,
    /// Loss on the test samples.
    pub test_loss: Option<f64>,
    /// Logical column without diagnostics.
    pub ledger: Account,
    /// Logical column of the training: forward passes, probes, surrogate updates.
    pub training: Account,
    /// Last measured error of each device's surrogate.
    pub surrogate_error: BTreeMap<String, f64>,
    /// What each device said of itself.
    #[serde(default)]
    pub devices: BTreeMap<String, Identity>,
    /// Seconds on the host.
    pub host_seconds: f64,
    /// Failures and calibrations of each device in the process that ended the run, where there were any.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hardware: BTreeMap<String, Tally>,
    /// What the sentinels of each device found, and how often.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub events: BTreeMap<String, BTreeMap<String, u64>>,
}

/// Which device it was, in its own words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// Version of its firmware.
    pub firmware: String,
    /// Which calibration it holds.
    pub calibration: String,
}

impl Identity {
    fn of(d: &Descriptor) -> Self {
        let [name, firmware, calibration] = [&d.name, &d.firmware, &d.calibration].map(ToString::to_string);
        Identity { name, firmware, calibration }
    }
}

/// Name and value of what a loss is judged by.
pub(super) fn quality(loss: Loss, score: &Score) -> (&'static str, f64) {
    let value = match loss {
        Loss::CrossEntropy => score.accuracy(),
        Loss::Mse => score.r2(),
    };
    (quality_name(loss), value)
}

/// Name of what a loss is judged by.
fn quality_name(loss: Loss) -> &'static str {
    match loss {
        Loss::CrossEntropy => "accuracy",
        Loss::Mse => "r2",
    }
}

impl PhaseResult {
    pub(super) fn of(phase: &Phase, evaluation: Option<Evaluation>, status: Status) -> Self {
        let logical = phase.logical();
        let slots = phase.slots.lock();
        let errors = slots.iter().filter_map(|s| Some((s.name.clone(), s.last_surrogate_error?)));
        let events = slots.iter().map(|s| (s.name.clone(), s.session.events()));
        let tallies = slots.iter().map(|s| (s.name.clone(), *s.session.tally()));
        PhaseResult {
            run: phase.run.clone(),
            status,
            steps: phase.step,
            quality: evaluation.map(|e| {
                let (name, value) = quality(phase.loss, &e.score);
                (name.to_owned(), value)
            }),
            test_loss: evaluation.map(|e| e.score.loss()),
            ledger: logical.total(),
            training: logical.training(),
            surrogate_error: errors.collect(),
            devices: slots.iter().map(|s| (s.name.clone(), Identity::of(&s.descriptor))).collect(),
            host_seconds: phase.host_seconds,
            events: events.filter(|(_, events)| !events.is_empty()).collect(),
            hardware: tallies.filter(|(_, tally)| !tally.is_empty()).collect(),
        }
    }

    /// Of a control that the device budget did not allow to begin.
    pub(super) fn not_begun(run: &str) -> Self {
        PhaseResult {
            run: run.to_owned(),
            status: Status::Budget,
            steps: 0,
            quality: None,
            test_loss: None,
            ledger: Account::default(),
            training: Account::default(),
            surrogate_error: BTreeMap::new(),
            devices: BTreeMap::new(),
            host_seconds: 0.0,
            hardware: BTreeMap::new(),
            events: BTreeMap::new(),
        }
    }

    /// The largest of the devices' surrogate errors.
    pub fn worst_surrogate_error(&self) -> Option<f64> {
        self.surrogate_error.values().copied().reduce(f64::max)
    }

    fn fields(&self, quality: &str) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("steps".into(), json!(self.steps));
        map.insert(format!("test_{quality}"), json!(self.quality.as_ref().map(|(_, value)| value)));
        map.insert("test_loss".into(), json!(self.test_loss));
        map.insert("ledger".into(), json!(self.ledger));
        map.insert("ledger_training".into(), json!(self.training));
        map.insert("surrogate_error".into(), json!(self.worst_surrogate_error()));
        map.insert("surrogate_errors".into(), json!(self.surrogate_error));
        map.insert("devices".into(), json!(self.devices));
        map.insert("host_seconds".into(), json!(self.host_seconds));
        if !self.events.is_empty() {
            map.insert("events".into(), json!(self.events));
        }
        if !self.hardware.is_empty() {
            map.insert("host_hardware".into(), json!(self.hardware));
        }
        map.insert("status".into(), json!(self.status));
        map
    }
}

/// The result of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Name of the experiment.
    pub name: String,
    /// Seed.
    pub seed: u64,
    /// How the run as a whole ended.
    pub status: Status,
    /// What the runs are judged by: `accuracy` or `r2`.
    pub quality: &'static str,
    /// The main run, then the controls, as far as they came.
    pub results: Vec<PhaseResult>,
    /// Vectors in the physical column, of all processes of this run.
    pub physical_vectors: u64,
}

impl Summary {
    pub(super) fn new(site: &Site, results: &[PhaseResult], status: Status, physical_vectors: u64) -> Self {
        let budget = results.first().is_some_and(|main| main.status == Status::Budget);
        Summary {
            name: site.loaded.experiment.name.clone(),
            seed: site.loaded.experiment.seed,
            status: if status == Status::Done && budget { Status::Budget } else { status },
            quality: quality_name(site.loaded.experiment.model.loss),
            results: results.to_vec(),
            physical_vectors,
        }
    }

    /// The text of `summary.json`.
    pub fn to_json(&self) -> String {
        let mut map = Map::new();
        map.insert("name".into(), json!(self.name));
        map.insert("seed".into(), json!(self.seed));
        if let Some(main) = self.results.first() {
            map.extend(main.fields(self.quality));
        }
        map.insert("status".into(), json!(self.status));
        let controls = self.results.iter().skip(1).map(|r| (r.run.clone(), Value::Object(r.fields(self.quality))));
        map.insert("controls".into(), Value::Object(controls.collect()));
        map.insert("physical_vectors".into(), json!(self.physical_vectors));
        let mut text = serde_json::to_string_pretty(&Value::Object(map)).unwrap_or_default();
        text.push('\n');
        text
    }
}
