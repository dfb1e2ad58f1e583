//! A phase as a checkpoint holds it.

use super::{TrainError, phase::Phase, recording};
use crate::{
    run::{Checkpoint, RunError, Tensor, TensorData},
    session::SessionState,
};
use blackbeam_digital::NamedTensor;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The small part of a phase's state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SavedPhase {
    step: u64,
    host_seconds: f64,
    optimizer_steps: u64,
    slots: Vec<SavedSlot>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct SavedSlot {
    name: String,
    session: SessionState,
    optimizer_steps: u64,
    surrogate_error: Option<f64>,
    /// The last entry of the device's log.
    #[serde(default)]
    recorded: Option<u64>,
}

impl Phase {
    /// The state between two steps, and its arrays.
    pub fn save(&self) -> Result<(SavedPhase, Vec<Tensor>), TrainError> {
        let mut tensors = Vec::new();
        let weights = self.network.tensors();
        let optimizer = self.network.optimizer_tensors(&self.optimizer);
        tensors.extend(weights.into_iter().map(|t| digital("weights", t)));
        tensors.extend(optimizer.into_iter().map(|t| digital("digital", t)));
        let mut saved = Vec::new();
        for slot in self.slots.lock().iter_mut() {
            let name = |part: &str| format!("device.{}.{part}", slot.name);
            if let Some(estimator) = &slot.estimator {
                let bytes = estimator.method.save();
                let bytes = bytes.map_err(|e| TrainError::method("estimator", &estimator.manifest, &slot.name, e))?;
                tensors.push(Tensor::bytes(name("estimator"), bytes));
            }
            if let Some(surrogate) = &slot.surrogate {
                let bytes = surrogate.method.save();
                let bytes = bytes.map_err(|e| TrainError::method("surrogate", &surrogate.manifest, &slot.name, e))?;
                tensors.push(Tensor::bytes(name("surrogate"), bytes));
            }
            for (part, values) in slot.optimizer.state() {
                tensors.push(Tensor::f64(name(&format!("optimizer.{part}")), values.to_vec()));
            }
            saved.push(SavedSlot {
                session: slot.session.save()?,
                name: slot.name.clone(),
                optimizer_steps: slot.optimizer.steps(),
                surrogate_error: slot.last_surrogate_error,
                recorded: slot.record.as_ref().map(|log| log.position()),
            });
        }
        let phase = SavedPhase {
            step: self.step,
            host_seconds: self.host_seconds,
            optimizer_steps: self.optimizer.steps(),
            slots: saved,
        };
        Ok((phase, tensors))
    }

    /// Takes back a checkpointed state.
    pub fn restore(&mut self, saved: SavedPhase, checkpoint: &Checkpoint, path: &Path) -> Result<(), TrainError> {
        let wrong = |why: String| TrainError::Run(RunError::NotARun { path: path.to_owned(), why });
        let weights = named("weights", checkpoint);
        self.network.restore(&weights).map_err(|e| wrong(e.to_string()))?;
        let optimizer = named("digital", checkpoint);
        self.network
            .restore_optimizer(&mut self.optimizer, saved.optimizer_steps, &optimizer)
            .map_err(|e| wrong(e.to_string()))?;
        let mut slots = self.slots.lock();
        if slots.len() != saved.slots.len() {
            return Err(wrong(format!("it holds {} devices, the experiment has {}", saved.slots.len(), slots.len())));
        }
        for (slot, state) in slots.iter_mut().zip(saved.slots) {
            if slot.name != state.name {
                return Err(wrong(format!("it holds device `{}` where `{}` is expected", state.name, slot.name)));
            }
            let name = |part: &str| format!("device.{}.{part}", slot.name);
            if let Some(estimator) = &mut slot.estimator {
                let restored = estimator.method.restore(checkpoint.bytes(&name("estimator")).map_err(wrong)?);
                restored.map_err(|e| TrainError::method("estimator", &estimator.manifest, &slot.name, e))?;
            }
            if let Some(surrogate) = &mut slot.surrogate {
                let restored = surrogate.method.restore(checkpoint.bytes(&name("surrogate")).map_err(wrong)?);
                restored.map_err(|e| TrainError::method("surrogate", &surrogate.manifest, &slot.name, e))?;
            }
            let mut moments = [&[][..]; 3];
            for ((part, _), moment) in slot.optimizer.state().into_iter().zip(&mut moments) {
                *moment = checkpoint.f64(&name(&format!("optimizer.{part}"))).map_err(wrong)?;
            }
            slot.optimizer.restore(state.optimizer_steps, moments).map_err(|e| wrong(e.to_string()))?;
            slot.last_surrogate_error = state.surrogate_error;
            if let Some(log) = &slot.record {
                log.resumed(state.recorded).map_err(|error| recording::failed(&slot.name, error))?;
            }
            slot.session.restore(state.session)?;
        }
        drop(slots);
        self.step = saved.step;
        self.host_seconds = saved.host_seconds;
        Ok(())
    }
}

fn digital(group: &str, tensor: NamedTensor) -> Tensor {
    Tensor { name: format!("{group}/{}", tensor.name), shape: tensor.shape, data: TensorData::F32(tensor.values) }
}

fn named(group: &str, checkpoint: &Checkpoint) -> Vec<NamedTensor> {
    let mut tensors = Vec::new();
    for tensor in &checkpoint.tensors {
        let name = tensor.name.strip_prefix(group).and_then(|n| n.strip_prefix('/'));
        if let (Some(name), TensorData::F32(values)) = (name, &tensor.data) {
            tensors.push(NamedTensor { name: name.to_owned(), shape: tensor.shape.clone(), values: values.clone() });
        }
    }
    tensors
}
