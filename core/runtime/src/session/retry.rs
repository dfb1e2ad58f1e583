//! Calls that fail: which of them are sent again, how often and after what wait.
//!
//! Every call of a device but `calibrate` may be sent twice: a write sets what it says, a query changes nothing, and both
//! carry the same identity again. A calibration moves the hardware from where the last one left it and takes minutes; a
//! second one by itself may hide why the first failed. What may be sent again is sent again only where the error says so.
//!
//! The waits depend on the kind of error and grow from one to the next. They are jittered, so that several runs that wait for
//! one laboratory do not ask at the same moments; the jitter is drawn from the call's identity and changes nothing but time.

use super::{SessionError, driver::Driver};
use blackbeam_plugin::{Call, Code, Key, PluginError, can};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How often and after what waits a failed call is sent again. What is `None` goes by the kind of error.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RetryRule {
    /// Most times that a call is sent.
    pub attempts: Option<u32>,
    /// First wait, seconds.
    pub first_s: Option<f64>,
    /// Longest wait, seconds.
    pub most_s: Option<f64>,
}

/// What a session does about hardware that fails.
#[derive(Clone, Debug)]
pub struct FailureRules {
    /// How calls are sent again.
    pub retry: RetryRule,
    /// So many failures that left the device's state unknown, and were mended, end a run after the step. One is forgiven for
    /// every [`FORGIVEN_AFTER`] steps without any.
    pub max_failures: u64,
    /// Set when the run is to stop: nothing is waited for any more.
    pub stop: Arc<AtomicBool>,
}

impl Default for FailureRules {
    fn default() -> Self {
        FailureRules { retry: RetryRule::default(), max_failures: 10, stop: Arc::default() }
    }
}

/// Steps without a failure after which one is forgiven.
pub const FORGIVEN_AFTER: u64 = 100;

/// How patient a session is with one kind of error.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Patience {
    attempts: u32,
    first_s: f64,
    factor: f64,
    most_s: f64,
}

/// How long is waited for what: rules of thumb. Those that pass by themselves are waited for longest.
fn patience(code: Code) -> Patience {
    let (attempts, first_s, factor, most_s) = match code {
        // Somebody else's measurement ends.
        Code::BUSY | Code::IN_USE => (12, 0.05, 2.0, 5.0),
        // Warming up, locking again, cooling down.
        Code::NOT_READY | Code::UNLOCKED => (10, 0.2, 2.0, 20.0),
        Code::OVERTEMP => (6, 5.0, 2.0, 60.0),
        // The next answer is the right one, or none is.
        Code::FRAME_SLIP => (4, 0.01, 2.0, 1.0),
        // A transient of the light is over soon; anything else stays.
        Code::SATURATED => (3, 0.1, 2.0, 1.0),
        // A power cycle takes a while.
        Code::STATE_LOST => (6, 0.1, 3.0, 10.0),
        // TIMEOUT, IO and what is not known here.
        _ => (4, 0.05, 4.0, 5.0),
    };
    Patience { attempts, first_s, factor, most_s }
}

impl RetryRule {
    fn patience(&self, code: Code) -> Patience {
        let class = patience(code);
        let most_s = self.most_s.unwrap_or(class.most_s);
        Patience {
            attempts: self.attempts.unwrap_or(class.attempts).max(1),
            first_s: self.first_s.unwrap_or(class.first_s).min(most_s),
            most_s,
            ..class
        }
    }

    /// The wait before attempt `attempt` (from 2) of a call: between half and the whole of what the kind of error gives.
    fn wait(&self, code: Code, call: &Call, attempt: u32) -> Duration {
        let Patience { first_s, factor, most_s, .. } = self.patience(code);
        let whole = (first_s * factor.powi(attempt as i32 - 2)).min(most_s);
        let key = Key::new(call.stream).named("retry").with(call.step).with(call.purpose as u64);
        let key = key.with(u64::from(call.round)).with(u64::from(call.set)).with(call.first_row);
        Duration::try_from_secs_f64(whole * (0.5 + 0.5 * key.uniform(u64::from(attempt)))).unwrap_or(Duration::MAX)
    }
}

/// Why one attempt failed.
pub(super) enum Failure {
    /// The device's error, and in what, if that is not what was asked.
    Device(PluginError, Option<String>),
    /// What the device says of what it did is hard to believe, and is asked for once more.
    Doubted(String),
    /// What no further attempt mends.
    Session(SessionError),
}

impl From<PluginError> for Failure {
    fn from(error: PluginError) -> Self {
        Failure::Device(error, None)
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        Failure::Session(error)
    }
}

impl Failure {
    /// The same, as having happened in `what`.
    pub fn within(self, what: impl FnOnce() -> String) -> Self {
        match self {
            Failure::Device(error, None) => Failure::Device(error, Some(what())),
            other => other,
        }
    }
}

impl Driver {
    /// Makes a call until it succeeds or its error is final: the one loop of all retries. Before each attempt the device is
    /// brought back to what it held, where an error has left that unknown.
    pub(super) fn persist<T>(
        &mut self,
        what: impl Fn() -> String,
        call: &Call,
        mut once: impl FnMut(&mut Driver) -> Result<T, Failure>,
    ) -> Result<T, SessionError> {
        let (mut shaken, mut calibrated) = (self.unsure, false);
        (self.belief.doubted, self.at_rest) = (false, false);
        for attempt in 1.. {
            let outcome = self.recover(call.step).and_then(|()| once(self));
            let (error, within) = match outcome {
                Ok(done) => {
                    self.mended(attempt, shaken);
                    return Ok(done);
                }
                Err(Failure::Session(error)) => return Err(error),
                Err(Failure::Doubted(said)) => {
                    tracing::warn!("device `{}`: {said}, trying again", self.name);
                    self.belief.doubted = true;
                    continue;
                }
                Err(Failure::Device(error, within)) => (error, within.unwrap_or_else(&what)),
            };
            if !error.state_known || error.code == Code::STATE_LOST {
                self.lose();
                shaken = true;
            }
            if error.code == Code::CAL_STALE && !calibrated && self.descriptor.can(can::CALIBRATE) {
                self.calibrate(call.step)?;
                calibrated = true;
                continue;
            }
            let last = attempt - u32::from(self.belief.doubted) >= self.failures.retry.patience(error.code).attempts;
            if !error.retryable || last {
                return Err(self.failed(&within, error, attempt));
            }
            if self.failures.stop.load(Ordering::Relaxed) {
                return Err(SessionError::Interrupted { device: self.name.clone(), what: within, error });
            }
            tracing::warn!("device `{}`: {within} failed, trying again: {error}", self.name);
            self.pause(self.failures.retry.wait(error.code, call, attempt + 1));
            if !matches!(error.code, Code::BUSY | Code::FRAME_SLIP) && self.boot_changed() {
                self.lose();
                shaken = true;
            }
        }
        unreachable!("the loop returns by its last attempt")
    }

    /// Waits, or until the run is to stop.
    pub(super) fn pause(&self, wait: Duration) {
        const SLICE: Duration = Duration::from_millis(20);
        let begun = Instant::now();
        while !self.failures.stop.load(Ordering::Relaxed) {
            let Some(rest) = wait.checked_sub(begun.elapsed()) else { return };
            thread::sleep(rest.min(SLICE));
        }
    }

    fn mended(&mut self, attempts: u32, shaken: bool) {
        if attempts > 1 {
            self.tally.retries += u64::from(attempts - 1);
            if shaken {
                self.tally.failures += 1;
                self.recent_failures += 1;
                self.clean_steps = 0;
            }
        }
    }

    /// Ends a step in the count of failures.
    pub(super) fn forgive(&mut self) {
        self.clean_steps += 1;
        if self.clean_steps >= FORGIVEN_AFTER {
            self.clean_steps = 0;
            self.recent_failures = self.recent_failures.saturating_sub(1);
        }
    }

    /// Why a run should stop and have a person look, if it should.
    pub(super) fn worn_out(&self) -> Option<String> {
        let (seen, most) = (self.recent_failures, self.failures.max_failures);
        (seen >= most.max(1)).then(|| {
            format!(
                "device `{}` has failed {seen} times and come back each time (max_failures: {most}): look at its power, its \
                 cables and its driver",
                self.name
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blackbeam_plugin::Purpose;

    const CALL: Call =
        Call { stream: 1, step: 2, purpose: Purpose::Probe, round: 3, set: 4, first_row: 0, time_s: 0.0 };

    #[test]
    fn waits_grow_by_the_kind_of_error_and_end() {
        let rule = RetryRule::default();
        for code in [Code::BUSY, Code::NOT_READY, Code::IO, Code::FRAME_SLIP, Code::STATE_LOST, Code(999)] {
            let Patience { attempts, first_s, factor, most_s } = patience(code);
            for attempt in 2..=attempts + 5 {
                let whole = (first_s * factor.powi(attempt as i32 - 2)).min(most_s);
                let wait = rule.wait(code, &CALL, attempt).as_secs_f64();
                assert!((0.5 * whole - 1e-9..=whole + 1e-9).contains(&wait), "{code}, {attempt}: {wait} of {whole}");
            }
        }
        let long = |code| (2..=patience(code).attempts).map(|a| rule.wait(code, &CALL, a).as_secs_f64()).sum::<f64>();
        assert!(long(Code::BUSY) > 5.0 * long(Code::TIMEOUT), "{} {}", long(Code::BUSY), long(Code::TIMEOUT));
    }

    #[test]
    fn jitter_is_of_the_call_and_settings_replace_classes() {
        let rule = RetryRule { attempts: Some(7), first_s: Some(10.0), most_s: Some(2.0) };
        assert_eq!(rule.wait(Code::BUSY, &CALL, 3), rule.wait(Code::BUSY, &CALL, 3));
        let other = Call { step: 3, ..CALL };
        assert_ne!(rule.wait(Code::BUSY, &CALL, 3), rule.wait(Code::BUSY, &other, 3));
        assert_ne!(rule.wait(Code::BUSY, &CALL, 3), rule.wait(Code::BUSY, &CALL, 4));
        for code in [Code::BUSY, Code::TIMEOUT] {
            assert_eq!(rule.patience(code).attempts, 7);
            assert!((1.0..=2.0).contains(&rule.wait(code, &CALL, 6).as_secs_f64()));
        }
        assert_eq!(RetryRule { attempts: Some(0), ..RetryRule::default() }.patience(Code::IO).attempts, 1);
    }
}
