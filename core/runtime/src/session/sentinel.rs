//! Sentinels: a few seeded vectors whose answers at the reference configuration (the initial parameters) are known from the
//! start of a run, and are asked again now and then. What has become of the answers tells what has become of the device.
//!
//! The vectors are sent in another order each time, so that answers that do not go with their rows do not look the same twice.
//! Charged as calibration in both columns; where nobody asks for sentinels nothing is sent.

use super::{DeviceSession, SessionError, scale::calibration_vectors};
use blackbeam_data::permutation;
use blackbeam_plugin::{Call, Key, Matrix, Purpose};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An output that gives less than this part of what it gave is dead.
const DEAD: f64 = 0.1;
/// A row is lost where its answer is off by more than the first part of what it was; it is found in another row where that
/// one's answer is met to the second part.
const LOST: f64 = 0.3;
const FOUND: f64 = 0.1;
/// Answers of fewer outputs are alike by chance.
const LEAST_OUTPUTS: usize = 3;
/// Standard deviations of the noise beyond which a change is one.
const SIGMAS: f64 = 4.0;
/// Rounds of sentinels have numbers of their own.
const ROUND: u32 = 1 << 30;

/// The sentinels of a session.
pub(super) struct Sentinel {
    key: Key,
    /// The vectors, device units.
    x: Matrix,
    state: SentinelState,
}

/// What a checkpoint holds of sentinels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SentinelState {
    /// Answers at the start, or when the surrogate was built anew last; divided by `gain`. Empty before the first time.
    reference: Vec<f64>,
    /// What all outputs have been multiplied with since the start of the run, by the device: they are divided by it.
    gain: f64,
    /// How often what was found.
    pub(super) events: BTreeMap<String, u64>,
}

/// What sentinels have found.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// All outputs together are so many times what they were; 1 where noise hides the change.
    pub change: f64,
    /// Relative error of the answers beside that and beside noise: |Y / change - R| / |R|.
    pub drift: f64,
    /// Outputs that had a signal and have none.
    pub dead: Vec<usize>,
    /// Vectors that got the answer of another one, twice in a row.
    pub slipped: Vec<usize>,
    /// The same, in the first attempt only.
    pub slipped_once: Vec<usize>,
    answers: Matrix,
}

impl DeviceSession {
    /// Sets `vectors` sentinels up; nothing is sent.
    pub fn watch(&mut self, vectors: usize, key: Key) {
        let x = calibration_vectors(key.named("sentinel"), vectors, self.descriptor());
        let state = SentinelState { reference: Vec::new(), gain: 1.0, events: BTreeMap::new() };
        self.sentinel = Some(Sentinel { key, x, state });
    }

    /// Takes the answers of now as those to be compared with.
    ///
    /// # Errors
    /// What the device answers.
    pub fn take_reference(&mut self, step: u64) -> Result<(), SessionError> {
        if let Some(answers) = self.ask_sentinels(step, 2)? {
            self.set_reference(answers);
        }
        Ok(())
    }

    /// Compares the answers of now with the reference; `None` where there is none yet, which is taken then.
    ///
    /// # Errors
    /// What the device answers.
    pub fn look_around(&mut self, step: u64) -> Result<Option<Outlook>, SessionError> {
        let Some(reference) = self.sentinel.as_ref().map(|s| s.state.reference.clone()) else { return Ok(None) };
        if reference.is_empty() {
            self.take_reference(step)?;
            return Ok(None);
        }
        let std = self.driver.noise.std / self.driver.gain;
        let mut first = Vec::new();
        for attempt in 0..2 {
            let Some(answers) = self.ask_sentinels(step, attempt)? else { return Ok(None) };
            let reference = Matrix::new(answers.rows, answers.columns, reference.clone());
            let slipped = slipped(&reference, &answers, std);
            if attempt == 0 && !slipped.is_empty() {
                first = slipped;
                continue;
            }
            let (change, drift, dead) = compared(&reference, &answers, std);
            return Ok(Some(Outlook { change, drift, dead, slipped, slipped_once: first, answers }));
        }
        unreachable!("the second attempt returns")
    }

    /// The answers that were found are those to be compared with from now on.
    pub fn accept(&mut self, outlook: Outlook) {
        self.set_reference(outlook.answers);
    }

    /// Divides all outputs by `change` from now on, and the answers of `outlook`, which showed it.
    pub fn rescale(&mut self, outlook: &mut Outlook) {
        let change = std::mem::replace(&mut outlook.change, 1.0);
        outlook.answers.data.iter_mut().for_each(|v| *v /= change);
        self.driver.gain *= change;
    }

    /// Calibrates the device, where it can be: false where it cannot.
    ///
    /// # Errors
    /// A calibration that failed.
    pub fn recalibrate(&mut self, step: u64) -> Result<bool, SessionError> {
        let able = self.descriptor().can(blackbeam_plugin::can::CALIBRATE);
        if able {
            self.driver.calibrate(step)?;
        }
        Ok(able)
    }

    /// What the outputs have been multiplied with since the start, by the device.
    pub fn gain(&self) -> f64 {
        self.driver.gain
    }

    /// Counts something that sentinels found.
    pub fn count_event(&mut self, event: &str) {
        if let Some(sentinel) = &mut self.sentinel {
            *sentinel.state.events.entry(event.to_owned()).or_default() += 1;
        }
    }

    /// How often sentinels found what.
    pub fn events(&self) -> BTreeMap<String, u64> {
        self.sentinel.as_ref().map(|s| s.state.events.clone()).unwrap_or_default()
    }

    pub(super) fn sentinel_state(&self) -> Option<SentinelState> {
        let gain = self.driver.gain;
        match &self.sentinel {
            Some(sentinel) => Some(SentinelState { gain, ..sentinel.state.clone() }),
            // What was found before nobody looked any more still holds.
            None if gain != 1.0 => Some(SentinelState { reference: Vec::new(), gain, events: BTreeMap::new() }),
            None => None,
        }
    }

    pub(super) fn restore_sentinel(&mut self, state: Option<SentinelState>) {
        let Some(state) = state else { return };
        // What the outputs are divided by stays so even where nobody looks any more.
        self.driver.gain = state.gain;
        let width = self.descriptor().output.width;
        if let Some(sentinel) = &mut self.sentinel {
            let fits = state.reference.len() == sentinel.x.rows * width;
            sentinel.state = state;
            if !fits {
                // Other vectors than those of the checkpoint: their answers are yet to be known.
                sentinel.state.reference.clear();
            }
        }
    }

    fn set_reference(&mut self, answers: Matrix) {
        if let Some(sentinel) = &mut self.sentinel {
            sentinel.state.reference = answers.data.to_vec();
        }
    }

    /// The answers to the sentinels, in their order.
    fn ask_sentinels(&mut self, step: u64, attempt: u32) -> Result<Option<Matrix>, SessionError> {
        let Some(sentinel) = &self.sentinel else { return Ok(None) };
        let order = permutation(sentinel.key.named("order").with(step).with(u64::from(attempt)), sentinel.x.rows);
        let mut sent = Matrix::zeros(sentinel.x.rows, sentinel.x.columns);
        for (to, from) in order.iter().enumerate() {
            sent.row_mut(to).copy_from_slice(sentinel.x.row(*from));
        }
        let params: Vec<f64> = self.descriptor().parameters.iter().map(|p| p.initial).collect();
        let call = Call { round: ROUND | attempt, ..self.call(step, Purpose::Calibration, 0, 0) };
        let y = self.driver.group(&params, &sent, call)?;
        let mut answers = Matrix::zeros(y.rows, y.columns);
        for (from, to) in order.iter().enumerate() {
            answers.row_mut(*to).copy_from_slice(y.row(from));
        }
        Ok(Some(answers))
    }
}

fn squares(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum()
}

fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Rows whose answers are off and are those of other rows.
fn slipped(reference: &Matrix, now: &Matrix, std: f64) -> Vec<usize> {
    if now.columns < LEAST_OUTPUTS {
        return Vec::new();
    }
    let noise = 2.0 * std * std * now.columns as f64;
    let row_gain = |v| product(now.row(v), reference.row(v)) / squares(reference.row(v)).max(f64::MIN_POSITIVE);
    let mut gains: Vec<f64> = (0..now.rows).map(row_gain).collect();
    gains.sort_by(f64::total_cmp);
    // Where most rows slip their gains say nothing, and the gain of before is the better guess.
    let guesses = [1.0, gains[gains.len() / 2]];
    let off = |v: usize, w: usize, gain: f64| -> f64 {
        now.row(v).iter().zip(reference.row(w)).map(|(a, b)| (a - gain * b).powi(2)).sum()
    };
    let lost =
        |v: usize, gain: f64| off(v, v, gain) > LOST * LOST * squares(reference.row(v)) + SIGMAS * SIGMAS * noise;
    let found = |v: usize, gain: f64| {
        let met = |w: &usize| off(v, *w, gain) < FOUND * FOUND * gain * gain * squares(reference.row(*w)) + 2.0 * noise;
        (0..now.rows).filter(|w| *w != v).any(|w| met(&w))
    };
    (0..now.rows).filter(|&v| guesses.iter().all(|&g| lost(v, g)) && guesses.iter().any(|&g| found(v, g))).collect()
}

/// The common change, what is left beside it, and the dead outputs.
fn compared(reference: &Matrix, now: &Matrix, std: f64) -> (f64, f64, Vec<usize>) {
    let column = |m: &Matrix, o: usize| (0..m.rows).map(|v| m[(v, o)]).collect::<Vec<f64>>();
    let strongest = (0..now.columns).map(|o| squares(&column(reference, o))).fold(0.0, f64::max);
    let mut dead = Vec::new();
    let (mut cross, mut own) = (0.0, 0.0);
    let mut live = Vec::new();
    for o in 0..now.columns {
        let (r, y) = (column(reference, o), column(now, o));
        let signal = squares(&r);
        let audible = signal.sqrt() * DEAD > SIGMAS * std && signal > 1e-6 * strongest;
        if audible
            && (product(&r, &y) / signal).abs() < DEAD
            && squares(&y) < DEAD * signal + SIGMAS * SIGMAS * std * std
        {
            dead.push(o);
            continue;
        }
        cross += product(&r, &y);
        own += signal;
        live.push((r, y));
    }
    if own <= 0.0 || cross <= 0.0 {
        // Nothing is left to compare, or nothing of it is what it was.
        return (1.0, if own > 0.0 { 1.0 } else { 0.0 }, dead);
    }
    let mut change = cross / own;
    if (change - 1.0).abs() <= SIGMAS * std * (2.0 / own).sqrt() {
        change = 1.0;
    }
    let n = live.iter().map(|(r, _)| r.len()).sum::<usize>() as f64;
    let left: f64 = live.iter().flat_map(|(r, y)| y.iter().zip(r).map(|(y, r)| (y / change - r).powi(2))).sum();
    let noise = std * std * (1.0 + 1.0 / (change * change));
    let beyond = if left > noise * (n + SIGMAS * (2.0 * n).sqrt()) { left - noise * n } else { 0.0 };
    (change, (beyond / own).sqrt(), dead)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(seed: u64) -> Matrix {
        let mut m = Matrix::zeros(8, 5);
        Key::new(seed).fill_normal(0, &mut m.data);
        m
    }

    fn with(m: &Matrix, change: impl Fn(usize, usize, f64) -> f64) -> Matrix {
        let mut changed = m.clone();
        for v in 0..m.rows {
            for o in 0..m.columns {
                changed[(v, o)] = change(v, o, m[(v, o)]);
            }
        }
        changed
    }

    #[test]
    fn what_has_changed_is_told_apart() {
        let r = answers(1);
        assert_eq!(compared(&r, &r, 0.0), (1.0, 0.0, vec![]));
        let (gain, drift, dead) = compared(&r, &with(&r, |_, _, y| 0.8 * y), 0.0);
        assert!((gain - 0.8).abs() < 1e-12 && drift < 1e-12 && dead.is_empty());
        let (_, _, dead) = compared(&r, &with(&r, |_, o, y| if o == 3 { 0.0 } else { y }), 0.0);
        assert_eq!(dead, [3]);
        let other = answers(2);
        let (gain, drift, dead) = compared(&r, &with(&r, |v, o, y| 0.8 * (y + 0.2 * other[(v, o)])), 0.0);
        assert!((gain - 0.8).abs() < 0.1 && (0.1..0.3).contains(&drift) && dead.is_empty(), "{gain} {drift}");
        // The same as noise is no change at all.
        assert_eq!(compared(&r, &with(&r, |v, o, y| y + 0.2 * other[(v, o)]), 0.2).1, 0.0);
        for m in [&with(&r, |_, _, y| 0.8 * y), &with(&r, |v, o, y| y + 0.2 * other[(v, o)]), &answers(3)] {
            assert_eq!(slipped(&r, m, 0.0), Vec::<usize>::new());
        }
    }

    #[test]
    fn answers_of_other_rows_are_found() {
        let r = answers(1);
        for gain in [1.0, 0.7] {
            let one = with(&r, |v, o, _| gain * r[(if v == 5 { 4 } else { v }, o)]);
            assert_eq!(slipped(&r, &one, 0.0), [5]);
        }
        let all = with(&r, |v, o, _| r[((v + 7) % 8, o)]);
        assert_eq!(slipped(&r, &all, 1e-3), (0..8).collect::<Vec<_>>());
    }
}
