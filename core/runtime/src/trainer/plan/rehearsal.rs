//! What a run will spend: its first steps are trained with stand-ins for its devices, and the rest is reckoned from them.

use super::super::{TrainError, phase::Phase};
use crate::session::{Account, Accounts};
use blackbeam_plugin::Purpose;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Most steps that are rehearsed, and how long that may take before no further one is begun.
const STEPS: u64 = 60;
const TIME: Duration = Duration::from_secs(20);

/// What a run will spend.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// `main`, or a control.
    pub run: String,
    /// Steps that will be made.
    pub steps: u64,
    /// The training budget ends it before its last step.
    pub budget: bool,
    /// Steps that were rehearsed; the others are reckoned from them.
    pub rehearsed: u64,
    /// By device and purpose: the logical column of the ledger.
    pub devices: BTreeMap<String, Accounts>,
}

impl Prediction {
    /// All devices together.
    pub fn all(&self) -> Accounts {
        let mut all = Accounts::default();
        self.devices.values().for_each(|accounts| all.add(accounts));
        all
    }
}

/// An account that can be divided.
#[derive(Clone, Copy, Default)]
struct Amount([f64; 6]);

impl Amount {
    fn of(a: &Account) -> Self {
        Amount([a.vectors as f64, a.configurations as f64, a.device_seconds, a.write_s, a.settle_s, a.joules])
    }

    fn plus(self, other: Amount, times: f64) -> Self {
        Amount(std::array::from_fn(|i| self.0[i] + times * other.0[i]))
    }

    fn account(self) -> Account {
        let [vectors, configurations, device_seconds, write_s, settle_s, joules] = self.0;
        let whole = |v: f64| v.round() as u64;
        Account {
            vectors: whole(vectors),
            configurations: whole(configurations),
            device_seconds,
            write_s,
            settle_s,
            joules,
        }
    }
}

/// Amounts by device and purpose.
#[derive(Clone)]
struct Table(Vec<[Amount; Purpose::ALL.len()]>);

impl Table {
    fn of(phase: &Phase) -> Table {
        let slots = phase.slots.lock();
        let row = |accounts: &Accounts| Purpose::ALL.map(|purpose| Amount::of(accounts.of(purpose)));
        Table(slots.iter().map(|slot| row(slot.session.logical())).collect())
    }

    fn none(&self) -> Table {
        Table(vec![Default::default(); self.0.len()])
    }

    fn add(&mut self, other: &Table, times: impl Fn(usize, Purpose) -> f64) {
        for (device, (mine, theirs)) in self.0.iter_mut().zip(&other.0).enumerate() {
            for purpose in Purpose::ALL {
                let index = purpose as usize;
                mine[index] = mine[index].plus(theirs[index], times(device, purpose));
            }
        }
    }

    fn training(&self) -> f64 {
        let purposes = [Purpose::Forward, Purpose::Probe, Purpose::Surrogate];
        self.0.iter().map(|device| purposes.iter().map(|p| device[*p as usize].0[0]).sum::<f64>()).sum()
    }
}

/// What a step is expected to cost in proportion to others: by device, of estimators (all together: a loss that one asks for queries
/// the devices behind) and of its surrogate.
struct Weights {
    probe: f64,
    surrogate: Vec<f64>,
    measures: bool,
    /// An evaluation came before it, and has programmed the parameters.
    evaluated: bool,
}

/// Rehearses a phase whose devices are stand-ins and which was set up as far as its first step; `training` is its budget.
pub(super) fn rehearse(phase: &mut Phase, training: Option<u64>) -> Result<Prediction, TrainError> {
    phase.start()?;
    let (total, begun) = (phase.total, Instant::now());
    let limit = training.map_or(f64::INFINITY, |n| n as f64);
    let mut sum = Table::of(phase);
    let (mut steps, mut evaluations, mut weights) = (Vec::new(), sum.none(), Vec::new());
    let (mut evaluated, mut budget) = (0u32, false);
    let last = |step: u64| step >= total;
    while !last(phase.step) && (phase.step < 2 || phase.step < STEPS && begun.elapsed() < TIME) {
        if phase.next_step_vectors() as f64 > limit - sum.training() {
            budget = true;
            break;
        }
        weights.push(weights_of(phase));
        let step = change(phase, |phase| phase.train_step(limit - sum.training()).and_then(|_| phase.end_step()))?;
        sum.add(&step, |_, _| 1.0);
        steps.push(step);
        if due(phase, phase.step) {
            evaluations.add(&change(phase, |phase| phase.evaluate().map(|_| ()))?, |_, _| 1.0);
            evaluated += 1;
        }
    }
    let rehearsed = phase.step;
    if evaluated == 0 || last(rehearsed) || budget {
        evaluations.add(&change(phase, |phase| phase.evaluate().map(|_| ()))?, |_, _| 1.0);
        evaluated += 1;
        if !(last(rehearsed) || budget) {
            // One more, to see what a step after an evaluation is like; it is not counted.
            weights.push(Weights { evaluated: true, ..weights_of(phase) });
            steps.push(change(phase, |phase| phase.train_step(f64::INFINITY).map(|_| ()))?);
            phase.step = rehearsed;
        }
    }
    while !last(phase.step) && !budget {
        budget = phase.next_step_vectors() as f64 > limit - sum.training();
        if !budget {
            // The first step is not like the others: the device holds the parameters of the start.
            sum.add(&reckoned(&steps[1..], &weights[1..], &weights_of(phase), &steps[0]), |_, _| 1.0);
            phase.step += 1;
        }
    }
    let wanted = (1..=phase.step).filter(|step| due(phase, *step)).count() + 1;
    sum.add(&evaluations, |_, _| wanted as f64 / f64::from(evaluated));
    let slots = phase.slots.lock();
    let accounts = |row: &[Amount; Purpose::ALL.len()]| {
        let mut accounts = Accounts::default();
        Purpose::ALL.into_iter().for_each(|p| accounts.charge(p, &row[p as usize].account()));
        accounts
    };
    let devices = slots.iter().zip(&sum.0).map(|(slot, row)| (slot.name.clone(), accounts(row))).collect();
    Ok(Prediction { run: phase.run.clone(), steps: phase.step, budget, rehearsed, devices })
}

/// What something added to the logical column.
fn change(phase: &mut Phase, act: impl FnOnce(&mut Phase) -> Result<(), TrainError>) -> Result<Table, TrainError> {
    let before = Table::of(phase);
    act(phase)?;
    let mut after = Table::of(phase);
    after.add(&before, |_, _| -1.0);
    Ok(after)
}

/// A step like those that are known, in proportion to what its methods cost: forward passes like those that came after an evaluation
/// too, or did not; measurements like those of step 0, the first that has them.
fn reckoned(known: &[Table], kinds: &[Weights], now: &Weights, first: &Table) -> Table {
    let weight = |kind: &Weights, device: usize, purpose: Purpose| match purpose {
        Purpose::Probe => kind.probe,
        Purpose::Surrogate => kind.surrogate[device],
        Purpose::Diagnostic => f64::from(u8::from(!now.measures && !kind.measures)),
        _ => f64::from(u8::from(now.evaluated == kind.evaluated)),
    };
    let mut step = first.none();
    for (table, kind) in known.iter().zip(kinds) {
        step.add(table, |device, purpose| {
            let all: f64 = kinds.iter().map(|kind| weight(kind, device, purpose)).sum();
            match purpose {
                _ if all == 0.0 && purpose == Purpose::Diagnostic => 0.0,
                _ if all == 0.0 => 1.0 / kinds.len() as f64,
                // The weights of methods are costs; the others choose.
                Purpose::Probe | Purpose::Surrogate => weight(now, device, purpose) / all,
                _ => weight(kind, device, purpose) / all,
            }
        });
    }
    if now.measures {
        step.add(first, |_, purpose| f64::from(u8::from(purpose == Purpose::Diagnostic)));
    }
    step
}

fn weights_of(phase: &Phase) -> Weights {
    let slots = phase.slots.lock();
    let costs: Vec<_> = slots.iter().map(|slot| slot.method_costs(phase.step, phase.train.batch)).collect();
    let vectors = |cost: &blackbeam_plugin::Cost| cost.vectors as f64 + cost.losses as f64;
    Weights {
        probe: costs.iter().map(|(estimator, _)| vectors(estimator)).sum(),
        surrogate: costs.iter().map(|(_, surrogate)| vectors(surrogate)).collect(),
        measures: phase.measures(),
        evaluated: phase.step > 0 && due(phase, phase.step),
    }
}

/// The run is evaluated after so many steps, its end apart.
fn due(phase: &Phase, step: u64) -> bool {
    let every = phase.train.evaluate_every;
    let epoch = step / phase.per_epoch;
    step < phase.total && step.is_multiple_of(phase.per_epoch) && every > 0 && epoch.is_multiple_of(every)
}
