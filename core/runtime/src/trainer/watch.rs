//! Sentinels between steps: what they find, and what is done about it.

use super::{
    TrainError,
    phase::Phase,
    rounds::update_surrogate,
    slot::{Slot, StepArrays},
};
use crate::{
    experiment::{SentinelAction, SentinelConfig},
    session::Outlook,
};
use serde_json::{Map, Value, json};

/// What the sentinels of all devices came to.
#[derive(Default)]
pub(super) struct Watched {
    /// The row for the metrics; empty where nobody looked.
    pub row: Map<String, Value>,
    /// Why a person should look.
    pub pause: Option<String>,
}

/// Something that was found.
struct Finding {
    event: &'static str,
    action: SentinelAction,
    /// For a person.
    what: String,
}

impl Phase {
    /// Looks at the devices whose turn it is.
    pub fn watch(&mut self) -> Result<Watched, TrainError> {
        let mut watched = Watched::default();
        for slot in self.slots.lock().iter_mut() {
            let Some(config) = slot.sentinel.filter(|config| self.step.is_multiple_of(config.every)) else { continue };
            let Some(outlook) = slot.session.look_around(self.step)? else { continue };
            let pause = act(slot, &config, outlook, self.step, &mut watched.row)?;
            watched.pause = watched.pause.or(pause);
        }
        Ok(watched)
    }
}

/// What is to be done about an outlook, in order.
fn findings(config: &SentinelConfig, outlook: &Outlook) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut finding = |event, action, what| found.push(Finding { event, action, what });
    if !outlook.slipped.is_empty() {
        let what = format!("answers do not go with their vectors ({} of {})", outlook.slipped.len(), config.vectors);
        finding("frame_slip", config.on_frame_slip, what);
        // Nothing else can be told from such answers.
        return found;
    }
    if !outlook.slipped_once.is_empty() {
        let what =
            format!("answers did not go with their vectors ({} of {})", outlook.slipped_once.len(), config.vectors);
        finding("frame_slip", SentinelAction::Log, what + ", and did when they were sent again");
    }
    if !outlook.dead.is_empty() {
        let numbers: Vec<String> = outlook.dead.iter().map(usize::to_string).collect();
        let what = format!("output {} (counted from 0) had a signal and has none", numbers.join(", "));
        finding("dead_channel", config.on_dead_channel, what);
    }
    if (outlook.change - 1.0).abs() > config.gain_tolerance {
        let what = format!("all outputs are {:.4} times what they were", outlook.change);
        finding("gain", config.on_gain, what);
    }
    let what = || format!("answers are off by {:.4} of what they were", outlook.drift);
    if outlook.drift > config.large_drift_tolerance {
        finding("large_drift", config.on_large_drift, what());
    } else if outlook.drift > config.drift_tolerance {
        finding("drift", config.on_drift, what());
    }
    found
}

/// Does what is to be done. Gives why the run should pause, if it should.
fn act(
    slot: &mut Slot,
    config: &SentinelConfig,
    mut outlook: Outlook,
    step: u64,
    row: &mut Map<String, Value>,
) -> Result<Option<String>, TrainError> {
    let found = findings(config, &outlook);
    let drift = outlook.drift;
    let name = slot.name.clone();
    let mut pause = None;
    for Finding { event, action, what } in &found {
        tracing::warn!("device `{name}`, step {step}: {what} ({event}: {})", action.name());
        slot.session.count_event(event);
        if *action == SentinelAction::Pause {
            pause.get_or_insert_with(|| format!("device `{name}`: {what} ({event}): put it in order"));
        }
    }
    let wants = |action| found.iter().any(|finding| finding.action == action);
    // Of a device that a person is to look at nothing is changed.
    if pause.is_none() {
        if wants(SentinelAction::Rescale) {
            slot.session.rescale(&mut outlook);
        }
        if wants(SentinelAction::Recalibrate) {
            if !slot.session.recalibrate(step)? {
                tracing::warn!("device `{name}` cannot be calibrated from here: its surrogate is built anew");
            }
            slot.session.take_reference(step)?;
        } else if wants(SentinelAction::Refresh) {
            slot.session.accept(outlook);
        }
        if wants(SentinelAction::Recalibrate) || wants(SentinelAction::Refresh) {
            update_surrogate(slot, step, true, &StepArrays::none())?;
        }
    }
    let mut put = |field: &str, value: Value| row.insert(format!("{name}.{field}"), value);
    put("gain", json!(slot.session.gain()));
    put("drift", json!(drift));
    if !found.is_empty() {
        let events: Vec<String> = found.iter().map(|f| format!("{}: {}", f.event, f.action.name())).collect();
        put("event", json!(events.join(", ")));
    }
    Ok(pause)
}
