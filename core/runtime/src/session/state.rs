//! What a checkpoint holds of a session.

use super::{
    Accounts, DeviceSession, NoiseEstimate, SentinelState, SessionError, driver::Configuration, scale::ScaleState,
};
use blackbeam_plugin::{Call, Purpose};
use serde::{Deserialize, Serialize};

/// State of a session at the end of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionState {
    params: Vec<f64>,
    previous: Vec<f64>,
    applied: Option<(Vec<f64>, Vec<f64>)>,
    input: ScaleState,
    noise: NoiseEstimate,
    logical: Accounts,
    time_s: f64,
    programmed: Option<(Vec<f64>, CallState)>,
    full_scale: f64,
    device: Vec<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sentinel: Option<SentinelState>,
    /// It has limits of its own.
    #[serde(default)]
    limited: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct CallState {
    stream: u64,
    step: u64,
    purpose: u32,
    round: u32,
    set: u32,
    time_s: f64,
}

impl DeviceSession {
    /// The state to be checkpointed; taken between steps.
    ///
    /// # Errors
    /// If the device cannot save its own.
    pub fn save(&mut self) -> Result<SessionState, SessionError> {
        let device = self.driver.save_device()?;
        Ok(SessionState {
            params: self.params.clone(),
            previous: self.previous.clone(),
            applied: self.applied.clone(),
            input: self.input.state().clone(),
            noise: self.driver.noise,
            logical: self.driver.logical,
            time_s: self.driver.time_s,
            programmed: self.driver.programmed.as_ref().map(|c| {
                let Call { stream, step, purpose, round, set, time_s, .. } = c.call;
                (c.params.to_vec(), CallState { stream, step, purpose: purpose as u32, round, set, time_s })
            }),
            full_scale: self.driver.full_scale,
            device,
            sentinel: self.sentinel_state(),
            limited: self.driver.belief.limited,
        })
    }

    /// Takes back a checkpointed state. The device is programmed anew when it is next queried.
    ///
    /// # Errors
    /// If the state is not of this device.
    pub fn restore(&mut self, state: SessionState) -> Result<(), SessionError> {
        let n = self.descriptor().n_params();
        if state.params.len() != n || state.previous.len() != n {
            return Err(SessionError::Method(format!(
                "the checkpoint holds {} parameters of device `{}`, which has {n}",
                state.params.len(),
                self.name()
            )));
        }
        self.driver.restore_device(&state.device)?;
        self.params = state.params;
        self.previous = state.previous;
        self.applied = state.applied;
        self.input.restore(state.input);
        self.driver.noise = state.noise;
        self.restore_sentinel(state.sentinel);
        self.driver.belief.limited = state.limited;
        self.driver.logical = state.logical;
        self.driver.time_s = state.time_s;
        self.driver.programmed = state.programmed.map(|(params, c)| {
            let purpose = Purpose::ALL.into_iter().find(|p| *p as u32 == c.purpose).unwrap_or(Purpose::Forward);
            let call = Call {
                stream: c.stream,
                step: c.step,
                purpose,
                round: c.round,
                set: c.set,
                first_row: 0,
                time_s: c.time_s,
            };
            Configuration { params: params.into(), call }
        });
        if self.driver.follows() {
            self.driver.set_full_scale(state.full_scale)?;
        }
        Ok(())
    }
}
