//! The trainer: an experiment becomes a run directory.
//!
//! [`train`] reads and checks the experiment, opens the devices, trains the main run and then each control, and keeps the
//! run directory such that the process may be killed at any time and [`train`] with [`Start::Resume`] goes on with the
//! same bits.

mod build;
mod error;
mod hook;
mod measure;
mod phase;
pub mod plan;
mod prepare;
mod recording;
mod rounds;
mod saved;
mod slot;
mod summary;
mod watch;

pub use build::read_circuit;
pub use error::TrainError;
pub use prepare::{check, widths_of};
pub use summary::{Identity, PhaseResult, Status, Summary};

use crate::{
    experiment::Control,
    host::Isolation,
    run::{Checkpoint, Metrics, RunDir},
    session::SessionError,
};
use build::{Site, Widths};
use phase::Phase;
use prepare::Prepared;
use saved::SavedPhase;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// What to train.
#[derive(Clone, Debug)]
pub enum Start {
    /// A new run of an experiment file.
    New {
        /// The experiment.
        experiment: PathBuf,
        /// The run directory; `runs/NAME` (or the next free `runs/NAME-2`, ...) if `None`.
        out: Option<PathBuf>,
    },
    /// A run that was interrupted, from its last checkpoint.
    Resume {
        /// The run directory.
        dir: PathBuf,
        /// Go on although the experiment, a plugin or the data changed.
        accept_changes: bool,
    },
}

/// A request to train.
#[derive(Clone, Debug)]
pub struct Request {
    /// What.
    pub start: Start,
    /// `--set`: dotted paths of keys, and values.
    pub overrides: Vec<(String, String)>,
    /// `--seed`.
    pub seed: Option<u64>,
    /// `--ideal`.
    pub ideal: bool,
    /// Threads that a device may use. Results do not depend on it.
    pub threads: u32,
    /// Where data sets lie (`BLACKBEAM_DATA`).
    pub data: Option<PathBuf>,
    /// Set by a signal handler: the run writes a checkpoint after the step and stops.
    pub interrupt: Arc<AtomicBool>,
    /// How device libraries are run in processes of their own. An experiment that wants that is refused without it.
    pub isolation: Option<Isolation>,
}

/// Where a person watches.
pub trait Progress {
    /// A line worth reading.
    fn note(&mut self, line: &str);
    /// A run (`main` or a control) begins or goes on at step `at` of `total`.
    fn begin(&mut self, run: &str, at: u64, total: u64);
    /// A step was made.
    fn step(&mut self, step: u64, loss: f64);
    /// A run was evaluated: the loss and what it is judged by, `accuracy` or `r2`, on the test samples.
    fn evaluated(&mut self, step: u64, loss: f64, quality: (&str, f64));
    /// A run has ended.
    fn end(&mut self);
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The run directory.
    pub dir: PathBuf,
    /// What `summary.json` holds.
    pub summary: Summary,
    /// Name of the data set, if it was drawn in code.
    pub synthetic: Option<&'static str>,
}

/// The part of a checkpoint's state that belongs to the whole run.
#[derive(Serialize, Deserialize)]
struct SavedRun {
    serial: u64,
    index: usize,
    metrics_bytes: u64,
    widths: Widths,
    done: Vec<PhaseResult>,
    phase: SavedPhase,
    /// The phase has ended: the run goes on with the next one from its start.
    ended: bool,
}

/// Trains.
///
/// # Errors
/// [`TrainError`]; what was checkpointed is not lost.
pub fn train(request: &Request, progress: &mut dyn Progress) -> Result<Outcome, TrainError> {
    let prepared = prepare::prepare(request, progress)?;
    let (dir, fresh) = (prepared.dir.clone(), prepared.checkpoint.is_none());
    let outcome = Runner::new(prepared, request, progress).and_then(Runner::run);
    let outcome = outcome.map_err(|error| match error {
        TrainError::Session(error @ SessionError::Interrupted { .. }) => {
            TrainError::Interrupted { dir: dir.path().to_owned(), why: error.to_string() }
        }
        other => other,
    });
    let in_use = |error: &TrainError| matches!(error, TrainError::Lock(_));
    if fresh && outcome.as_ref().is_err_and(|error| error.is_bad_input() || in_use(error)) {
        // Found only when the devices were open (a plugin's, say): nothing was trained, so no run is left behind.
        dir.discard();
    }
    outcome
}

struct Runner<'a> {
    site: Site,
    dir: RunDir,
    metrics: Metrics,
    widths: Widths,
    /// The main run, then the controls.
    phases: Vec<Option<Control>>,
    /// Index into `phases`.
    index: usize,
    done: Vec<PhaseResult>,
    serial: u64,
    /// Physical vectors of earlier processes and of finished phases.
    spent: u64,
    resumed: Option<(Checkpoint, PathBuf, SavedPhase)>,
    interrupt: Arc<AtomicBool>,
    progress: &'a mut dyn Progress,
    /// The last checkpoint, and what is kept in memory since, in case that hardware fails.
    last: Last,
}

/// How far the run is kept.
#[derive(Default)]
struct Last {
    /// The step that the last written checkpoint begins with.
    step: Option<u64>,
    /// A later checkpoint that is not written yet, with its step.
    kept: Option<(Checkpoint, u64)>,
    at: Option<Instant>,
}

/// Hardware does not lose more work than this to a failure. Only what is cheap to repeat waits for the next checkpoint.
const KEEP_EVERY: Duration = Duration::from_secs(1);

impl<'a> Runner<'a> {
    fn new(prepared: Prepared, request: &Request, progress: &'a mut dyn Progress) -> Result<Self, TrainError> {
        let Prepared { site, dir, spent, checkpoint } = prepared;
        let mut phases = vec![None];
        phases.extend(site.loaded.experiment.controls.iter().copied().map(Some));
        let mut runner = Runner {
            metrics: Metrics::open(&dir.file("metrics.jsonl"), metrics_bytes(&checkpoint), dir.path())?,
            site,
            dir,
            widths: Widths::new(),
            phases,
            index: 0,
            done: Vec::new(),
            serial: 0,
            spent: spent.everything().vectors,
            resumed: None,
            interrupt: request.interrupt.clone(),
            progress,
            last: Last::default(),
        };
        if let Some((checkpoint, path)) = checkpoint {
            let saved: SavedRun = serde_json::from_value(checkpoint.state.clone())
                .map_err(|e| crate::run::RunError::NotARun { path: path.clone(), why: e.to_string() })?;
            runner.widths = saved.widths;
            runner.index = saved.index;
            runner.done = saved.done;
            runner.serial = saved.serial;
            runner.resumed = Some((checkpoint, path, saved.phase)).filter(|_| !saved.ended);
        }
        Ok(runner)
    }

    fn run(mut self) -> Result<Outcome, TrainError> {
        let (mut status, mut paused) = (Status::Done, None);
        while self.index < self.phases.len() {
            let Some(mut phase) = self.phase()? else {
                self.index += 1;
                continue;
            };
            let outcome = self.train_phase(&mut phase);
            // Hardware is left in its safe state whatever happened.
            for slot in phase.slots.lock().iter_mut() {
                if let Err(e) = slot.session.safe_state() {
                    self.progress.note(&format!("warning: {e}"));
                }
            }
            let (ended, pause) = outcome.map_err(|error| self.stopped(error))?;
            self.spent += phase.physical().everything().vectors;
            self.progress.end();
            if matches!(ended, Status::Interrupted | Status::Paused) {
                status = ended;
                self.done.push(PhaseResult::of(&phase, None, ended));
                paused = pause.map(|why| (phase.step, why));
                break;
            }
            self.index += 1;
        }
        let summary = Summary::new(&self.site, &self.done, status, self.spent);
        self.dir.write("summary.json", summary.to_json().as_bytes())?;
        if let Some((steps, why)) = paused {
            return Err(TrainError::Paused { dir: self.dir.path().to_owned(), steps, why });
        }
        let set = self.site.loaded.experiment.data.data_set();
        let synthetic = Some(set.name()).filter(|_| set.is_synthetic());
        Ok(Outcome { dir: self.dir.path().to_owned(), summary, synthetic })
    }

    /// The next phase: as the checkpoint holds it, or at its start; `None` for a control whose start the device budget
    /// does not cover any more.
    fn phase(&mut self) -> Result<Option<Phase>, TrainError> {
        let control = self.phases[self.index];
        if let Some((checkpoint, path, saved)) = self.resumed.take() {
            let mut phase = self.site.phase(control, &mut self.widths, false)?;
            phase.restore(saved, &checkpoint, &path)?;
            self.progress.begin(&phase.run, phase.step, phase.total);
            return Ok(Some(phase));
        }
        let physical = self.site.physical.clone();
        let before = physical.left();
        let begun = self.site.phase(control, &mut self.widths, true).and_then(|mut phase| {
            phase.start()?;
            Ok(phase)
        });
        let phase = match (begun, control) {
            (Ok(phase), _) => phase,
            (Err(TrainError::Session(error @ SessionError::Budget { .. })), None) => {
                return Err(TrainError::BadRequest(error.to_string()));
            }
            (Err(TrainError::Session(error @ SessionError::Budget { .. })), Some(control)) => {
                self.progress.note(&format!("{}: not begun, {error}", control.name()));
                self.spent += before - physical.left();
                self.done.push(PhaseResult::not_begun(control.name()));
                return Ok(None);
            }
            (Err(error), _) => return Err(error),
        };
        self.progress.begin(&phase.run, 0, phase.total);
        self.metrics.row(&phase.run, "start", 0, phase.start_row())?;
        self.checkpoint(&phase)?;
        Ok(Some(phase))
    }

    /// Steps until the end, the budget, an interrupt or a pause, of which it says why. A phase that has ended is in `done`, and
    /// the checkpoint says so.
    fn train_phase(&mut self, phase: &mut Phase) -> Result<(Status, Option<String>), TrainError> {
        let mut status = Status::Done;
        let train = phase.train.clone();
        while phase.step < phase.total {
            if self.interrupt.load(Ordering::Relaxed) {
                self.checkpoint(phase)?;
                return Ok((Status::Interrupted, None));
            }
            let left = self.budget_left(phase);
            if phase.next_step_vectors() as f64 > left {
                self.progress.note(&format!("{}: the budget ends before step {}", phase.run, phase.step));
                status = Status::Budget;
                break;
            }
            self.keep(phase)?;
            let step = phase.step;
            let row = phase.train_step(left)?;
            self.progress.step(phase.step, row.get("loss").and_then(Value::as_f64).unwrap_or(f64::NAN));
            self.metrics.row(&phase.run, "train", step, row)?;
            for note in phase.notes() {
                self.progress.note(&format!("{}, step {step}, {note}", phase.run));
            }
            phase.end_step()?;
            let watched = phase.watch()?;
            if !watched.row.is_empty() {
                self.metrics.row(&phase.run, "sentinel", phase.step, watched.row)?;
            }
            if let Some(why) = watched.pause.or_else(|| phase.trouble()) {
                self.checkpoint(phase)?;
                return Ok((Status::Paused, Some(why)));
            }
            let epoch_ends = phase.step.is_multiple_of(phase.per_epoch);
            let due = train.evaluate_every > 0 && (phase.step / phase.per_epoch).is_multiple_of(train.evaluate_every);
            if epoch_ends && due && phase.step < phase.total {
                self.evaluate(phase)?;
            }
            if phase.step.is_multiple_of(train.checkpoint_every.max(1)) && phase.step < phase.total {
                self.checkpoint(phase)?;
            }
        }
        let evaluation = self.evaluate(phase)?;
        self.done.push(PhaseResult::of(phase, evaluation, status));
        self.checkpoint(phase)?;
        Ok((status, None))
    }

    /// Evaluates where the device budget allows it.
    fn evaluate(&mut self, phase: &mut Phase) -> Result<Option<phase::Evaluation>, TrainError> {
        let limit = self.site.loaded.experiment.budget.device.map_or(f64::INFINITY, |n| n as f64);
        let spent = self.spent + phase.physical().everything().vectors;
        if spent as f64 + phase.evaluation_vectors() as f64 > limit {
            self.progress.note(&format!("{}: not evaluated, the device budget is spent", phase.run));
            return Ok(None);
        }
        let evaluation = phase.evaluate()?;
        let (loss, quality) = (evaluation.score.loss(), summary::quality(phase.loss, &evaluation.score));
        let mut row = Map::new();
        row.insert("test_loss".into(), json!(loss));
        row.insert(format!("test_{}", quality.0), json!(quality.1));
        row.insert("ledger".into(), json!(phase.logical()));
        self.metrics.row(&phase.run, "evaluate", phase.step, row)?;
        self.progress.evaluated(phase.step, loss, quality);
        Ok(Some(evaluation))
    }

    /// Vectors that the next step may cost: what is left of the training budget (logical) and of the device budget
    /// (physical).
    fn budget_left(&self, phase: &Phase) -> f64 {
        let budget = &self.site.loaded.experiment.budget;
        let left = |limit: Option<u64>, spent: u64| limit.map_or(f64::INFINITY, |n| n as f64 - spent as f64);
        let training = left(budget.training, phase.logical().training().vectors);
        let measured = phase.next_diagnostic_vectors();
        let device = left(budget.device, self.spent + phase.physical().everything().vectors + measured);
        training.min(device)
    }

    /// Keeps a checkpoint in memory from time to time, where there is hardware: it fails in the middle of a step.
    fn keep(&mut self, phase: &Phase) -> Result<(), TrainError> {
        let hardware = self.site.loaded.experiment.devices.values().any(|d| d.source.library.is_some());
        if !hardware || self.last.at.is_some_and(|at| at.elapsed() < KEEP_EVERY) {
            return Ok(());
        }
        self.last.kept = Some((self.snapshot(phase)?, phase.step));
        self.last.at = Some(Instant::now());
        Ok(())
    }

    /// The run has failed: writes what is kept in memory, and says how to go on.
    fn stopped(&mut self, error: TrainError) -> TrainError {
        if let Some((kept, step)) = self.last.kept.take() {
            self.serial += 1;
            match kept.save(&self.dir, self.serial) {
                Ok(_) => self.last.step = Some(step),
                Err(e) => self.progress.note(&format!("warning: {e}")),
            }
        }
        let dir = self.dir.path().to_owned();
        match self.last.step {
            // That it was interrupted says how to go on by itself.
            Some(step) if !matches!(error, TrainError::Session(SessionError::Interrupted { .. })) => {
                TrainError::Stopped { error: Box::new(error), dir, step }
            }
            _ => error,
        }
    }

    fn checkpoint(&mut self, phase: &Phase) -> Result<(), TrainError> {
        let ended = self.done.len() > self.index;
        let checkpoint = self.snapshot(phase)?;
        self.serial += 1;
        let saved = checkpoint.save(&self.dir, self.serial)?;
        self.last = Last { step: Some(phase.step), kept: None, at: Some(Instant::now()) };
        if ended {
            Checkpoint::keep(&self.dir, &saved, &phase.run)?;
        }
        Ok(())
    }

    fn snapshot(&self, phase: &Phase) -> Result<Checkpoint, TrainError> {
        let (saved, tensors) = phase.save()?;
        let ended = self.done.len() > self.index;
        let run = SavedRun {
            serial: self.serial + 1,
            index: self.index + usize::from(ended),
            metrics_bytes: self.metrics.bytes(),
            widths: self.widths.clone(),
            done: self.done.clone(),
            phase: saved,
            ended,
        };
        let state = serde_json::to_value(run)
            .map_err(|e| TrainError::Misuse(format!("a checkpoint cannot be written: {e}")))?;
        Ok(Checkpoint { state, tensors })
    }
}

fn metrics_bytes(checkpoint: &Option<(Checkpoint, PathBuf)>) -> u64 {
    checkpoint.as_ref().and_then(|(c, _)| c.state["metrics_bytes"].as_u64()).unwrap_or(0)
}
