//! The ask / tell loops: estimators and surrogates ask, the session answers.

use super::{
    TrainError,
    hook::{Hook, Mode, Probed, Slots, probe_round},
    slot::{Fim, Slot, StepArrays},
};
use crate::session::Round;
use blackbeam_digital::{DeviceHook, Network, Trace};
use blackbeam_plugin::{Answer, Ask, Inputs, Matrix, Probe, Purpose, Want, Way, needs};
use std::sync::Arc;

/// Most rounds of one step: a method that asks for more is broken.
const MOST_ROUNDS: u32 = 10_000;

/// What an estimator's probes with `Want::Loss` need.
pub(super) struct Tail<'a> {
    pub network: &'a Network,
    pub trace: &'a Trace,
    pub slots: &'a Slots,
    pub owners: &'a Arc<Vec<usize>>,
}

/// Runs the estimator of device `index` for one step and returns its result.
pub(super) fn estimate(
    tail: &Tail<'_>,
    index: usize,
    step: u64,
    budget: f64,
    loss: f64,
    cotangents: &[Matrix],
) -> Result<Ask, TrainError> {
    let (mut estimator, descriptor, name, parts, arrays) = {
        let mut slots = tail.slots.lock();
        let slot = &mut slots[index];
        let Some(estimator) = slot.estimator.take() else { return Ok(Ask::done()) };
        let parts = slot.context_parts("estimator", step, false, estimator.manifest.needs)?;
        let arrays = stack(slot, cotangents, loss, budget);
        (estimator, slot.descriptor.clone(), slot.name.clone(), parts, arrays)
    };
    let mut arrays = arrays;
    if estimator.needs(needs::FIM_FACTOR) {
        arrays.fim = fim(tail, index, step)?;
    }
    let context = parts.context(&descriptor, &arrays);
    let failed = |e, manifest: &_| TrainError::method("estimator", manifest, &name, e);
    let mut result = None;
    for round in 0..MOST_ROUNDS {
        let ask = estimator.method.ask(&context).map_err(|e| failed(e, &estimator.manifest))?;
        if ask.probes.is_empty() {
            result = Some(ask);
            break;
        }
        let answers = answer(tail, index, &ask.probes, step, round, &arrays)?;
        estimator.method.tell(&context, &answers).map_err(|e| failed(e, &estimator.manifest))?;
    }
    let endless = TrainError::Endless("estimator", estimator.manifest.name.to_string());
    let mut slots = tail.slots.lock();
    slots[index].estimator = Some(estimator);
    slots[index].pass_observations()?;
    result.ok_or(endless)
}

/// Answers one round of an estimator by the session; losses then by what stands behind the device.
fn answer(
    tail: &Tail<'_>,
    index: usize,
    probes: &[Probe],
    step: u64,
    round: u32,
    arrays: &StepArrays,
) -> Result<Vec<Answer>, TrainError> {
    let is_loss = |p: &Probe| p.want == Want::Loss;
    if !probes.iter().any(is_loss) {
        let mut slots = tail.slots.lock();
        let round = Round { step, purpose: Purpose::Probe, round, x: &arrays.x, cotangent: &arrays.cotangent };
        return Ok(slots[index].session.probes(probes, round)?);
    }
    if !probes.iter().all(is_loss) {
        return Err(TrainError::Misuse("an estimator mixed losses with other probes in one round".into()));
    }
    if probes.iter().any(|p| p.inputs != Inputs::Batch || p.way != Way::Forward) {
        return Err(TrainError::Misuse("a loss can be asked of the step's batch, forwards, only".into()));
    }
    let mut answers = Vec::with_capacity(probes.len());
    for (part, probes) in probes.chunks(LOSSES_AT_ONCE).enumerate() {
        losses(tail, index, probes, (step, round, part * LOSSES_AT_ONCE), &mut answers)?;
    }
    Ok(answers)
}

/// Most losses whose outputs are held at once.
const LOSSES_AT_ONCE: usize = 64;

/// Losses of the network with device `index` at the parameters of probes, the first of which is number `first`: the first use is
/// queried for all of them together, everything after it is run by the network's tail for each, with the baseline's dropout
/// masks and frozen running statistics.
fn losses(
    tail: &Tail<'_>,
    index: usize,
    probes: &[Probe],
    (step, round, first): (u64, u32, usize),
    answers: &mut Vec<Answer>,
) -> Result<(), TrainError> {
    let (use_index, outputs, params) = {
        let mut slots = tail.slots.lock();
        let slot = &mut slots[index];
        let Some(seen) = slot.seen.first() else {
            return Err(TrainError::Misuse(format!("device `{}` is not used", slot.name)));
        };
        let (use_index, none) = (seen.use_index, Matrix::default());
        let round = probe_round(round, use_index);
        let asked = Round { step, purpose: Purpose::Probe, round, x: &seen.x, cotangent: &none };
        let outputs = slot.session.outputs(probes, first, asked)?;
        // Later uses are queried at the same parameters.
        let again = slot.uses.len() > 1;
        let params = probes.iter().map(|p| if again { slot.session.expand(&p.set) } else { Ok(Vec::new()) });
        (use_index, outputs, params.collect::<Result<Vec<_>, _>>()?)
    };
    for (i, (answer, params)) in outputs.into_iter().zip(params).enumerate() {
        let probed = Probed { slot: index, params, round, probe: (first + i) as u32 };
        let hook = Hook::new(tail.slots, tail.owners, step, Mode::Probe(probed));
        let loss = tail.network.tail_loss(tail.trace, use_index, &answer.outputs, &hook);
        let scalar = loss.map_err(|e| hook.failure(e))?;
        answers.push(Answer { scalar, outputs: Matrix::default(), applied: answer.applied });
    }
    Ok(())
}

/// Builds (`start`) or updates the surrogate of a device.
pub(super) fn update_surrogate(slot: &mut Slot, step: u64, start: bool, arrays: &StepArrays) -> Result<(), TrainError> {
    let Some(bits) = slot.surrogate.as_ref().map(|s| s.manifest.needs) else { return Ok(()) };
    let parts = slot.context_parts("surrogate", step, start, bits)?;
    let descriptor = slot.descriptor.clone();
    let context = parts.context(&descriptor, arrays);
    for round in 0..MOST_ROUNDS {
        let Some(surrogate) = &mut slot.surrogate else { return Ok(()) };
        let failed = |e, manifest: &_| TrainError::method("surrogate", manifest, &slot.name, e);
        let ask = surrogate.method.ask(&context).map_err(|e| failed(e, &surrogate.manifest))?;
        if ask.probes.is_empty() {
            return slot.pass_observations();
        }
        // Rounds of the first build have numbers of their own, so that their noise is not that of step 0.
        let number = if start { round | 1 << 31 } else { round };
        let asked =
            Round { step, purpose: Purpose::Surrogate, round: number, x: &arrays.x, cotangent: &arrays.cotangent };
        let answers = slot.session.probes(&ask.probes, asked)?;
        surrogate.method.tell(&context, &answers).map_err(|e| failed(e, &surrogate.manifest))?;
    }
    let name = slot.surrogate.as_ref().map(|s| s.manifest.name.to_string()).unwrap_or_default();
    Err(TrainError::Endless("surrogate", name))
}

/// What the uses of a device have sent and got in this step, one use after the other.
pub(super) fn stack(slot: &Slot, cotangents: &[Matrix], loss: f64, budget_vectors: f64) -> StepArrays {
    let x = stacked(slot.seen.iter().map(|s| &s.x));
    let sent = if slot.seen.iter().all(|s| s.clipped.is_empty()) {
        Matrix::default()
    } else {
        let parts: Vec<Matrix> = slot.seen.iter().map(|s| slot.session.as_sent(&s.x, &s.clipped)).collect();
        stacked(parts.iter())
    };
    let y = stacked(slot.seen.iter().map(|s| &s.y));
    let cotangent = stacked(slot.seen.iter().filter_map(|s| cotangents.get(s.use_index)));
    StepArrays { x, sent, y, cotangent, loss, fim: Fim::default(), budget_vectors }
}

fn stacked<'a>(parts: impl Iterator<Item = &'a Matrix>) -> Matrix {
    let mut all = Matrix::default();
    for part in parts {
        all.rows += part.rows;
        all.columns = part.columns;
        all.data.extend(part.data.iter().copied());
    }
    all
}

/// The output Fisher information factor, stacked over the uses of a device.
fn fim(tail: &Tail<'_>, index: usize, step: u64) -> Result<Fim, TrainError> {
    let uses: Vec<usize> = tail.slots.lock()[index].seen.iter().map(|s| s.use_index).collect();
    let mut fim = Fim::default();
    for use_index in uses {
        // Devices behind this one answer as they did: their outputs do not enter R, their surrogates do.
        let hook = Arc::new(Hook::new(tail.slots, tail.owners, step, Mode::Train));
        let shared: Arc<dyn DeviceHook> = hook.clone();
        let factor = tail.network.fim_factor(tail.trace, use_index, &shared).map_err(|e| hook.failure(e))?;
        fim.shape = [fim.shape[0] + factor.rows, factor.k, factor.d_out];
        fim.weight = factor.weight;
        fim.values.extend(factor.values);
    }
    Ok(fim)
}
