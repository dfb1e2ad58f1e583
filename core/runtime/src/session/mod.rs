//! The device session: the one place through which every query of a device goes.
//!
//! A session owns an open device. It scales and clips inputs, plans queries in groups (one configuration x one input
//! batch), splits them to what the device takes, sends several configurations in one call where the device can, checks
//! what comes back, retries what may be retried, keeps the device clock and charges the ledger. What it answers depends
//! on the description, the parameters and the identity of the logical group alone.

mod applied;
mod clock;
mod driver;
mod error;
mod exact;
mod groups;
mod health;
mod ledger;
mod limits;
mod recover;
mod retry;
mod scale;
mod send;
mod sentinel;
mod sets;
mod state;

pub use error::SessionError;
pub use groups::Round;
pub use ledger::{Account, Accounts, PhysicalFile};
pub use recover::Tally;
pub use retry::{FORGIVEN_AFTER, FailureRules, RetryRule};
pub use scale::{InputScale, ScaleRule};
pub use sentinel::{Outlook, SentinelState};
pub use state::SessionState;

use crate::host::DeviceLock;
use blackbeam_plugin::{Call, Descriptor, Device, Health, Key, Matrix, Purpose, structure};
use driver::Driver;
use std::cell::Cell;

/// How a session is set up.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// Name of the device in the experiment.
    pub name: String,
    /// Name of the run: `main` or a control.
    pub run: String,
    /// Identity of the run for the device's noise.
    pub stream: u64,
    /// Most rows in one call, if the experiment limits it below the device's own limit; 0 for no limit.
    pub max_batch: usize,
    /// Rule of the input scale.
    pub input: ScaleRule,
    /// Rule of the read-out's full scale.
    pub output: OutputRule,
    /// What is done about hardware that fails.
    pub failures: FailureRules,
}

/// How the full scale of a read-out that can be set is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutputRule {
    /// Full scale at the start, in the device's output units; found by calibration if `None`.
    pub start: Option<f64>,
    /// Part of the way to the newest estimate per step; 0 keeps it fixed.
    pub rate: f64,
    /// The full scale is so many times the largest output.
    pub margin: f64,
}

/// What the session knows of the noise on the device's outputs, from its calibration.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct NoiseEstimate {
    /// Standard deviation of one output, in the device's output units.
    pub std: f64,
    /// Largest output seen, same units.
    pub full_scale: f64,
}

/// Inputs and outputs as the network sees them, with what was clipped.
pub struct Answered {
    /// Outputs [rows, d_out] in the network's units.
    pub outputs: Matrix,
    /// For each input element: it was clipped, so that its gradient is zero. Empty if none was.
    pub clipped: Vec<bool>,
}

/// An open device and everything that is known of it.
pub struct DeviceSession {
    driver: Driver,
    options: SessionOptions,
    params: Vec<f64>,
    previous: Vec<f64>,
    /// Lower and upper ends of the parameters' ranges, apart from what else the descriptor says of them.
    ends: (Vec<f64>, Vec<f64>),
    applied: Option<(Vec<f64>, Vec<f64>)>,
    input: InputScale,
    observed: Option<Vec<Observation>>,
    /// Configurations of this step that were scaled down to the total power.
    power_limited: Cell<u64>,
    sentinel: Option<sentinel::Sentinel>,
}

/// One (parameters, inputs, outputs) that the session has seen, in the network's units.
pub struct Observation {
    /// Parameters asked.
    pub params: Vec<f64>,
    /// Inputs [rows, d_in] as they were sent: what was clipped stands at the end of the range.
    pub x: Matrix,
    /// Outputs [rows, d_out].
    pub y: Matrix,
}

impl DeviceSession {
    /// Takes over an open device, programs its initial parameters and estimates range and noise from seeded vectors
    /// (purpose `calibration`).
    ///
    /// # Errors
    /// What the device answers; a descriptor that makes no sense.
    pub fn open(
        device: Box<dyn Device>,
        options: SessionOptions,
        physical: PhysicalFile,
        seed: Key,
    ) -> Result<Self, SessionError> {
        let mut session = Self::adopt(device, options, physical)?;
        session.calibrate(seed)?;
        Ok(session)
    }

    /// Takes over an open device without asking it anything: for a resumed run, which restores the rest.
    ///
    /// # Errors
    /// A descriptor that makes no sense.
    pub fn adopt(
        device: Box<dyn Device>,
        options: SessionOptions,
        physical: PhysicalFile,
    ) -> Result<Self, SessionError> {
        let mut driver = Driver::new(device, &options, physical)?;
        driver.check_up(0)?;
        let params: Vec<f64> = driver.descriptor().parameters.iter().map(|p| p.initial).collect();
        let input = InputScale::new(options.input);
        let ends = driver.descriptor().parameters.iter().map(|p| (p.min, p.max)).unzip();
        Ok(DeviceSession {
            ends,
            previous: params.clone(),
            params,
            applied: None,
            input,
            observed: None,
            power_limited: Cell::new(0),
            sentinel: None,
            driver,
            options,
        })
    }

    /// What the device says of itself.
    pub fn descriptor(&self) -> &Descriptor {
        self.driver.descriptor()
    }

    /// Name of the device in the experiment.
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// Parameters asked of the device now.
    pub fn params(&self) -> &[f64] {
        &self.params
    }

    /// Parameters asked before the last update.
    pub fn previous(&self) -> &[f64] {
        &self.previous
    }

    /// The two vectors that parameter sets start from.
    pub fn bases(&self) -> [&[f64]; 2] {
        [&self.params, &self.previous]
    }

    /// The logical column of the ledger.
    pub fn logical(&self) -> &Accounts {
        &self.driver.logical
    }

    /// The physical column as spent by this process.
    pub fn physical(&self) -> &Accounts {
        &self.driver.physical
    }

    /// Device time, seconds.
    pub fn now(&self) -> f64 {
        self.driver.now()
    }

    /// Noise and full scale in the network's units: what a method's context holds.
    pub fn noise(&self) -> NoiseEstimate {
        let factor = self.answer_factor() / self.driver.gain;
        NoiseEstimate { std: self.driver.noise.std * factor, full_scale: self.driver.noise.full_scale * factor }
    }

    /// What there was of failures in this process.
    pub fn tally(&self) -> &Tally {
        &self.driver.tally
    }

    /// Why the run should be stopped between steps for a person to look, if it should.
    pub fn trouble(&self) -> Option<String> {
        self.driver.worn_out()
    }

    /// Keeps a lock for as long as the device is open.
    pub fn guard(&mut self, lock: Option<DeviceLock>) {
        self.driver.lock = lock;
    }

    /// Asks the device how it is, unless that was a moment ago, and calibrates one that says that it is time for it.
    ///
    /// # Errors
    /// A calibration that failed.
    pub fn check_up(&mut self, step: u64) -> Result<(), SessionError> {
        self.driver.check_up(step)
    }

    /// What the device said of itself in this step, if it was asked.
    pub fn health(&self) -> Option<&Health> {
        self.driver.health.as_ref()
    }

    /// Configurations of this step that were scaled down to the total power; `None` without such a limit.
    pub fn power_limited(&self) -> Option<u64> {
        (self.descriptor().limits.total_power_w > 0.0).then(|| self.power_limited.get())
    }

    /// The same in the device's output units.
    pub fn device_noise(&self) -> NoiseEstimate {
        self.driver.noise
    }

    /// The input scale now: the network's value that is the device's full input.
    pub fn input_scale(&self) -> f64 {
        self.input.value()
    }

    /// Output value at which the read-out is full scale now (network units), if it follows the signal.
    pub fn full_scale(&self) -> Option<f64> {
        self.driver.follows().then(|| self.driver.full_scale * self.answer_factor() / self.driver.gain)
    }

    /// Starts to keep what the session sees, for a surrogate that subscribes.
    pub fn observe(&mut self) {
        self.observed.get_or_insert_default();
    }

    /// What was seen since the last call; empty unless [`observe`](Self::observe) was called.
    pub fn take_observations(&mut self) -> Vec<Observation> {
        self.observed.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// New parameters, brought into range by each parameter's rule. The device is programmed when it is next queried.
    ///
    /// # Errors
    /// A wrong number of parameters, or one that is not finite.
    pub fn set_params(&mut self, values: &[f64]) -> Result<(), SessionError> {
        let descriptor = self.driver.descriptor();
        if values.len() != descriptor.n_params() {
            return Err(SessionError::Method(format!(
                "{} parameter values for device `{}`, which has {}",
                values.len(),
                self.options.name,
                descriptor.n_params()
            )));
        }
        let mut next = Vec::with_capacity(values.len());
        for (p, &value) in descriptor.parameters.iter().zip(values) {
            if !value.is_finite() {
                return Err(SessionError::Method(format!(
                    "parameter `{}` of device `{}` would become {value}",
                    p.name, self.options.name
                )));
            }
            next.push(p.at_range.apply(value, p.min, p.max));
        }
        if limits::under_total(descriptor, &mut next) {
            self.power_limited.set(self.power_limited.get() + 1);
        }
        self.previous = std::mem::replace(&mut self.params, next);
        if let Some((now, _)) = self.applied.take() {
            self.applied = Some((Vec::new(), now));
        }
        Ok(())
    }

    /// Parameters really applied: now, and before the last update. Programs the device if it does not hold the present
    /// parameters yet.
    ///
    /// # Errors
    /// What the device answers.
    pub fn applied(&mut self, step: u64) -> Result<(&[f64], &[f64]), SessionError> {
        let known = self.applied.as_ref().is_some_and(|(now, _)| !now.is_empty());
        if !known {
            let call = self.call(step, Purpose::Forward, u32::MAX, 0);
            let now = self.driver.applied(&self.params, call)?;
            let before = self.applied.take().map_or_else(|| now.clone(), |(_, before)| before);
            self.applied = Some((now, before));
        }
        match &self.applied {
            Some((now, before)) => Ok((now, before)),
            None => unreachable!("set above"),
        }
    }

    /// Parameters really applied for `params`, at the configuration of a call that was just made.
    ///
    /// # Errors
    /// What the device answers.
    pub fn applied_at(
        &mut self,
        params: &[f64],
        (step, purpose, round, set): (u64, Purpose, u32, u32),
    ) -> Result<Vec<f64>, SessionError> {
        let call = self.call(step, purpose, round, set);
        self.driver.applied(params, call)
    }

    /// The device at its present parameters on the network's `x` [rows, d_in].
    ///
    /// # Errors
    /// What the device answers; signed inputs on an unsigned device.
    pub fn forward(
        &mut self,
        x: &Matrix,
        step: u64,
        purpose: Purpose,
        use_index: u32,
        set: u32,
    ) -> Result<Answered, SessionError> {
        if purpose == Purpose::Forward {
            self.input.first(x, self.driver.descriptor());
        }
        let (scaled, clipped) = self.input.apply(x, self.driver.descriptor(), &self.options.name)?;
        let call = self.call(step, purpose, use_index, set);
        let params = self.params.clone();
        let mut outputs = self.driver.group(&params, &scaled, call)?;
        if purpose == Purpose::Forward {
            self.input.saw(x, &scaled);
            self.driver.saw(&outputs);
        }
        self.scale_back(&mut outputs);
        self.keep(&params, (x, &scaled, &clipped), &outputs);
        Ok(Answered { outputs, clipped })
    }

    /// Ends a training step: the running scales move by their rule, host time passes on the device clock.
    ///
    /// # Errors
    /// What the device answers to a new full scale.
    pub fn end_step(&mut self) -> Result<(), SessionError> {
        let descriptor = self.driver.descriptor();
        self.input.end_step(descriptor);
        self.power_limited.set(0);
        self.driver.end_step(self.options.output)
    }

    /// Rows in the network's units as the device got them in this step: what is `clipped` stands at the end of the range.
    pub fn as_sent(&self, x: &Matrix, clipped: &[bool]) -> Matrix {
        self.input.as_sent(x, clipped, self.driver.descriptor())
    }

    /// The part of the step's forward inputs that was clipped.
    pub fn clipped_fraction(&self) -> f64 {
        self.input.clipped_fraction()
    }

    /// The noise-free matrix [d_out, d_in] of a simulated device (purpose `diagnostic`).
    ///
    /// # Errors
    /// What the device answers; not every device has it.
    pub fn read_matrix(&mut self, step: u64) -> Result<Matrix, SessionError> {
        let call = self.call(step, Purpose::Diagnostic, u32::MAX, 0);
        let params = self.params.clone();
        self.driver.read_matrix(&params, call)
    }

    /// Puts the hardware in a state in which it can be left alone.
    ///
    /// # Errors
    /// What the device answers.
    pub fn safe_state(&mut self) -> Result<(), SessionError> {
        self.driver.safe_state()
    }

    /// Seeded vectors [rows, d_in] like those of training, in the network's units.
    pub fn test_vectors(&self, key: Key, rows: usize) -> Matrix {
        let mut x = scale::calibration_vectors(key, rows, self.driver.descriptor());
        let factor = self.input.value();
        x.data.iter_mut().for_each(|v| *v *= factor);
        x
    }

    fn call(&self, step: u64, purpose: Purpose, round: u32, set: u32) -> Call {
        Call { stream: self.options.stream, step, purpose, round, set, first_row: 0, time_s: 0.0 }
    }

    /// Factor from the device's outputs to the network's: the input scale on a linear device, else 1.
    fn answer_factor(&self) -> f64 {
        if self.driver.descriptor().has(structure::LINEAR_IN_X) && !self.input.rule().learned() {
            self.input.value()
        } else {
            1.0
        }
    }

    fn scale_back(&self, y: &mut Matrix) {
        let factor = self.answer_factor();
        y.data.iter_mut().for_each(|v| *v *= factor);
    }

    /// Keeps what was seen: inputs as the network gave them and as they were sent.
    fn keep(&mut self, params: &[f64], (x, sent, clipped): (&Matrix, &Matrix, &[bool]), y: &Matrix) {
        if let Some(observed) = &mut self.observed {
            let mut x = x.clone();
            for (i, _) in clipped.iter().enumerate().filter(|(_, clipped)| **clipped) {
                x.data[i] = sent.data[i] * self.input.value();
            }
            observed.push(Observation { params: params.to_vec(), x, y: y.clone() });
        }
    }

    /// Range and noise from 32 seeded vectors, each sent twice; the range is sought by doubling and halving.
    ///
    /// # Errors
    /// What the device answers.
    pub fn calibrate(&mut self, seed: Key) -> Result<(), SessionError> {
        const ROWS: usize = 32;
        const TRIES: u32 = 24;
        let x = scale::calibration_vectors(seed.named("calibration"), ROWS, self.driver.descriptor());
        self.input.calibrated_with(&x);
        let params = self.params.clone();
        let mut round = 0;
        let mut ask = |driver: &mut Driver, call: Call| {
            round += 1;
            driver.group(&params, &x, Call { round: round - 1, ..call })
        };
        let call = self.call(0, Purpose::Calibration, 0, 0);
        if self.driver.follows() {
            match self.options.output.start {
                Some(range) => self.driver.set_full_scale(range)?,
                None => {
                    let mut range = 1.0;
                    for _ in 0..TRIES {
                        self.driver.set_full_scale(range)?;
                        let peak = largest(&ask(&mut self.driver, call)?);
                        let fits = (0.2 * range..=0.9 * range).contains(&peak);
                        range = match peak {
                            0.0 => break,
                            _ if fits => self.options.output.margin * peak,
                            _ if peak > range * 0.9 => 2.0 * range,
                            _ => 0.5 * range,
                        };
                        if fits {
                            self.driver.set_full_scale(range)?;
                            break;
                        }
                    }
                }
            }
        }
        let a = ask(&mut self.driver, call)?;
        let b = ask(&mut self.driver, call)?;
        let n = a.data.len().max(1) as f64;
        let difference: f64 = a.data.iter().zip(b.data.iter()).map(|(a, b)| (a - b) * (a - b)).sum();
        self.driver.noise =
            NoiseEstimate { std: (difference / (2.0 * n)).sqrt(), full_scale: largest(&a).max(largest(&b)) };
        Ok(())
    }
}

fn largest(m: &Matrix) -> f64 {
    m.data.iter().fold(0.0, |a, v| v.abs().max(a))
}

#[cfg(test)]
mod tests;
