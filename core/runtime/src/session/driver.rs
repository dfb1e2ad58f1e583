//! The lower half of the session: turns logical groups into calls of the device, and charges both columns.

use super::{
    NoiseEstimate, OutputRule, SessionError, SessionOptions,
    applied::Belief,
    clock::{query_cost, write_cost},
    ledger::{Account, Accounts, PhysicalFile},
    limits::narrow,
    recover::{Kept, Tally},
    retry::{Failure, FailureRules},
    send::{finite, send, send_exact},
};
use crate::host::DeviceLock;
use blackbeam_plugin::{Call, Descriptor, Device, Health, Matrix, Purpose, can};
use std::{sync::Arc, time::Instant};

/// A configuration: parameters with the identity of the logical write that made it, which keys its write noise.
#[derive(Clone)]
pub(super) struct Configuration {
    pub params: Arc<[f64]>,
    pub call: Call,
}

pub(super) struct Driver {
    // Dropped in this order: the lock is let go when the device is closed.
    pub(super) device: Box<dyn Device>,
    pub(super) lock: Option<DeviceLock>,
    pub(super) descriptor: Descriptor,
    pub(super) name: String,
    run: String,
    stream: u64,
    pub(super) max_batch: usize,
    file: PhysicalFile,
    pub logical: Accounts,
    pub physical: Accounts,
    pub time_s: f64,
    /// What the logical sequence of calls has programmed last.
    pub programmed: Option<Configuration>,
    /// What the hardware holds, as far as this process knows.
    pub(super) held: Option<Configuration>,
    /// Applied values of the last write; empty if it was not asked for them.
    pub(super) held_applied: Vec<f64>,
    /// The last write.
    pub(super) last: Option<Configuration>,
    /// The last write that was no diagnostic.
    pub(super) written: Option<Configuration>,
    /// An error has left it unknown what the device holds.
    pub(super) unsure: bool,
    /// It was asked to go to its safe state, and nothing since.
    pub(super) at_rest: bool,
    /// The full scale was sent.
    pub(super) range_sent: bool,
    /// The last call that was answered.
    pub(super) kept: Option<Kept>,
    /// Whether what it says that it applied is believed.
    pub(super) belief: Belief,
    /// Noise of the outputs, in the device's units.
    pub(super) noise: NoiseEstimate,
    /// What is done about failures.
    pub(super) failures: FailureRules,
    /// What there was of them.
    pub(super) tally: Tally,
    /// Failures that are not forgiven, and steps since the last one.
    pub(super) recent_failures: u64,
    pub(super) clean_steps: u64,
    pub(super) boot_id: u64,
    /// When the device was last asked how it is, and what it said if that was in this step.
    pub(super) asked: Option<Instant>,
    pub(super) health: Option<Health>,
    /// A calibration did not make the device's calibration fresh, or it has none: that was said.
    pub(super) stale_said: bool,
    pub(super) wear_said: bool,
    /// Output value at which the read-out is full scale, if it follows.
    pub full_scale: f64,
    /// What all outputs are divided by.
    pub(super) gain: f64,
    /// Largest output of this step's forward passes.
    pub peak: f64,
    /// Memory for answers.
    pub(super) room: Vec<f64>,
}

impl Driver {
    pub fn new(
        mut device: Box<dyn Device>,
        options: &SessionOptions,
        file: PhysicalFile,
    ) -> Result<Self, SessionError> {
        let mut descriptor = device.descriptor();
        if let Err(error) = usable(&mut descriptor, &options.name) {
            // What opening it has switched on is switched off; that it cannot be used is the error.
            let _ = device.safe_state();
            return Err(error);
        }
        let limits = [descriptor.max_batch, options.max_batch];
        let max_batch = limits.into_iter().filter(|&n| n > 0).min().unwrap_or(usize::MAX);
        Ok(Driver {
            belief: Belief::new(&descriptor),
            device,
            lock: None,
            descriptor,
            name: options.name.clone(),
            run: options.run.clone(),
            stream: options.stream,
            max_batch,
            file,
            logical: Accounts::default(),
            physical: Accounts::default(),
            time_s: 0.0,
            programmed: None,
            held: None,
            held_applied: Vec::new(),
            last: None,
            written: None,
            unsure: false,
            at_rest: false,
            range_sent: false,
            kept: None,
            noise: NoiseEstimate::default(),
            failures: options.failures.clone(),
            tally: Tally::default(),
            recent_failures: 0,
            clean_steps: 0,
            boot_id: 0,
            asked: None,
            health: None,
            stale_said: false,
            wear_said: false,
            full_scale: 1.0,
            gain: 1.0,
            peak: 0.0,
            room: Vec::new(),
        })
    }

    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    pub fn now(&self) -> f64 {
        self.time_s
    }

    /// True if the read-out's range follows the signal.
    pub fn follows(&self) -> bool {
        self.descriptor.can(can::FULL_SCALE)
    }

    pub fn set_full_scale(&mut self, full_scale: f64) -> Result<(), SessionError> {
        if full_scale != self.full_scale {
            // What was answered at another full scale is not answered again.
            self.kept = None;
        }
        (self.full_scale, self.range_sent) = (full_scale, true);
        let call = self.own_call();
        self.persist(|| "setting the full scale".into(), &call, |driver| Ok(driver.device.set_full_scale(full_scale)?))
    }

    /// Identity of what belongs to no step.
    fn own_call(&self) -> Call {
        let purpose = Purpose::Calibration;
        Call { stream: self.stream, step: 0, purpose, round: 0, set: 0, first_row: 0, time_s: self.time_s }
    }

    /// Takes note of the outputs of a training batch.
    pub fn saw(&mut self, y: &Matrix) {
        // The read-out's range is of what it reads.
        self.peak = y.data.iter().fold(self.peak, |a, v| (self.gain * v.abs()).max(a));
    }

    /// Ends a step: the full scale moves towards `margin` times the largest output seen (1.5 times the range itself where
    /// that output was saturated), host time passes.
    pub fn end_step(&mut self, rule: OutputRule) -> Result<(), SessionError> {
        if self.follows() && rule.rate > 0.0 && self.peak > 0.0 {
            let saturated = self.peak >= 0.99 * self.full_scale;
            let target = if saturated { 1.5 * self.full_scale } else { rule.margin * self.peak };
            let next = self.full_scale + rule.rate * (target - self.full_scale);
            self.set_full_scale(next)?;
        }
        self.peak = 0.0;
        self.forgive();
        self.time_s += self.descriptor.timing.host_step_s;
        Ok(())
    }

    /// One logical group: `x` (device units) at `params`.
    pub fn group(&mut self, params: &[f64], x: &Matrix, call: Call) -> Result<Matrix, SessionError> {
        let (call, configuration) = self.begin(params, call);
        let mut y = Matrix::zeros(x.rows, self.descriptor.output.width);
        let rows = self.max_batch.min(x.rows).max(1);
        for first in (0..x.rows).step_by(rows) {
            let n = rows.min(x.rows - first);
            let part = Call { first_row: call.first_row + first as u64, ..call };
            self.query_rows(x, first, n, &mut y, part, &configuration, false)?;
        }
        self.answered(call.purpose, x.rows);
        self.correct(&mut y.data);
        Ok(y)
    }

    /// The same with light sent backwards: `y` [rows, d_out] in, [rows, d_in] out.
    pub fn group_backward(&mut self, params: &[f64], y: &Matrix, call: Call) -> Result<Matrix, SessionError> {
        let (call, configuration) = self.begin(params, call);
        let mut x = Matrix::zeros(y.rows, self.descriptor.input.width);
        let rows = self.max_batch.min(y.rows).max(1);
        for first in (0..y.rows).step_by(rows) {
            let n = rows.min(y.rows - first);
            let part = Call { first_row: call.first_row + first as u64, ..call };
            self.query_rows(y, first, n, &mut x, part, &configuration, true)?;
        }
        self.answered(call.purpose, y.rows);
        self.correct(&mut x.data);
        Ok(x)
    }

    /// Applied values of `params`, which are programmed if they are not.
    pub fn applied(&mut self, params: &[f64], call: Call) -> Result<Vec<f64>, SessionError> {
        let (call, configuration) = self.begin(params, call);
        if self.held_applied.is_empty() {
            // Programmed by a call that was not asked what it applied.
            self.held = None;
        }
        let what = || writing(&configuration);
        self.persist(what, &call, |driver| driver.hold(&configuration, call.purpose))?;
        Ok(self.held_applied.clone())
    }

    pub fn read_matrix(&mut self, params: &[f64], call: Call) -> Result<Matrix, SessionError> {
        let (call, configuration) = self.begin(params, call);
        let cost = query_cost(&self.descriptor, self.descriptor.input.width as u64);
        let what = || "reading the matrix".into();
        let mut m = self.persist(what, &call, |driver| {
            driver.hold(&configuration, call.purpose)?;
            driver.spend(call.purpose, call.step, &cost)?;
            Ok(driver.device.read_matrix(&call)?)
        })?;
        self.correct(&mut m.data);
        self.logical.charge(call.purpose, &cost);
        Ok(m)
    }

    /// Derivatives at `params` of what `x` [rows, d_in] gives, for the cotangents `dy` [rows, d_out] (device units).
    pub fn exact_vjp(
        &mut self,
        params: &[f64],
        x: &Matrix,
        dy: &Matrix,
        call: Call,
    ) -> Result<(Matrix, Vec<f64>), SessionError> {
        let (call, configuration) = self.begin(params, call);
        let cost = query_cost(&self.descriptor, 2 * self.vectors(x.rows));
        let (dtype, n_params) = (self.descriptor.dtype, self.descriptor.n_params());
        let what = || "the exact gradient".into();
        let (mut dx, mut dparams) = self.persist(what, &call, |driver| {
            driver.hold(&configuration, call.purpose)?;
            driver.spend(call.purpose, call.step, &cost)?;
            Ok(send_exact(&mut *driver.device, dtype, (x, dy), n_params, &call)?)
        })?;
        self.correct(&mut dx.data);
        self.correct(&mut dparams);
        self.logical.charge(call.purpose, &cost);
        Ok((dx, dparams))
    }

    pub fn safe_state(&mut self) -> Result<(), SessionError> {
        // Nothing is brought back for this on the way.
        (self.unsure, self.range_sent, self.held, self.kept, self.written) = (false, false, None, None, None);
        let call = self.own_call();
        let done = self.persist(|| "going to its safe state".into(), &call, |driver| Ok(driver.device.safe_state()?));
        self.at_rest = true;
        done
    }

    pub fn save_device(&mut self) -> Result<Vec<u8>, SessionError> {
        let call = self.own_call();
        self.persist(|| "saving its state".into(), &call, |driver| Ok(driver.device.save_state()?))
    }

    pub fn restore_device(&mut self, state: &[u8]) -> Result<(), SessionError> {
        (self.held, self.kept, self.last, self.written) = (None, None, None, None);
        let call = self.own_call();
        self.persist(|| "restoring its state".into(), &call, |driver| Ok(driver.device.restore_state(state)?))
    }

    /// Starts a logical group: if its parameters are not those programmed, a write is charged. Returns the identity with
    /// the time at which the group starts, which is after the write has settled. A diagnostic at other parameters is
    /// charged but leaves the logical sequence of configurations and the clock as they are.
    pub(super) fn begin(&mut self, params: &[f64], mut call: Call) -> (Call, Configuration) {
        if let Some(programmed) = self.programmed.as_ref().filter(|p| *p.params == *params) {
            call.time_s = self.time_s;
            return (call, programmed.clone());
        }
        let old = self.programmed.as_ref().map(|p| &*p.params);
        let cost = write_cost(&self.descriptor, old, params);
        self.logical.charge(call.purpose, &cost);
        let diagnostic = call.purpose == Purpose::Diagnostic;
        if !diagnostic {
            self.time_s += cost.device_seconds;
        }
        call.time_s = self.time_s;
        let configuration = Configuration { params: params.into(), call };
        if !diagnostic {
            self.programmed = Some(configuration.clone());
        }
        (call, configuration)
    }

    /// A logical group has its answer: charges the query and moves the clock.
    pub(super) fn answered(&mut self, purpose: Purpose, rows: usize) {
        let cost = query_cost(&self.descriptor, self.vectors(rows));
        self.logical.charge(purpose, &cost);
        if purpose != Purpose::Diagnostic {
            self.time_s += cost.device_seconds;
        }
    }

    /// Divides by what sentinels have found that all outputs are multiplied with.
    pub(super) fn correct(&self, outputs: &mut [f64]) {
        if self.gain != 1.0 {
            outputs.iter_mut().for_each(|v| *v /= self.gain);
        }
    }

    pub(super) fn vectors(&self, rows: usize) -> u64 {
        rows as u64 * u64::from(self.descriptor.vectors_per_row.max(1))
    }

    /// Makes the hardware hold a configuration: one attempt.
    pub(super) fn hold(&mut self, wanted: &Configuration, purpose: Purpose) -> Result<(), Failure> {
        if self.held.as_ref().is_some_and(|h| h.call == wanted.call && h.params == wanted.params) {
            return Ok(());
        }
        let cost = write_cost(&self.descriptor, self.held.as_ref().map(|h| &*h.params), &wanted.params);
        let rest = self.ramp(wanted, purpose).map_err(|failure| failure.within(|| writing(wanted)))?;
        self.held = None;
        self.spend(purpose, wanted.call.step, &cost)?;
        let written = self.device.write_params(&wanted.params, &wanted.call).map_err(Failure::from);
        let applied = written.and_then(|applied| self.believed(&[&wanted.params], vec![applied.values.into()]));
        let applied = applied.map_err(|failure| failure.within(|| writing(wanted)))?;
        self.held_applied = applied.into_iter().next().unwrap_or_default();
        self.holds(Some(wanted.clone()));
        std::thread::sleep(rest);
        Ok(())
    }

    /// Takes note of what the hardware holds now.
    pub(super) fn holds(&mut self, configuration: Option<Configuration>) {
        self.held = configuration;
        self.last = self.held.clone();
        if self.held.as_ref().is_some_and(|held| held.call.purpose != Purpose::Diagnostic) {
            self.written = self.held.clone();
        }
    }

    /// Sends `n` rows of `from`, starting at row `first`, and puts the answers in the same rows of `to`.
    #[allow(clippy::too_many_arguments)]
    fn query_rows(
        &mut self,
        from: &Matrix,
        first: usize,
        n: usize,
        to: &mut Matrix,
        call: Call,
        configuration: &Configuration,
        backward: bool,
    ) -> Result<(), SessionError> {
        let x = &from.data[first * from.columns..(first + n) * from.columns];
        let columns = to.columns;
        let y = &mut to.data[first * columns..(first + n) * columns];
        let cost = query_cost(&self.descriptor, self.vectors(n));
        let what = || format!("a {} query (step {})", call.purpose.name(), call.step);
        self.persist(what, &call, |driver| {
            driver.hold(configuration, call.purpose)?;
            driver.spend(call.purpose, call.step, &cost)?;
            // An element that the device does not fill stays NaN and is found.
            y.fill(f64::NAN);
            send(&mut *driver.device, driver.descriptor.dtype, (x, from.columns), (y, columns), &call, backward)?;
            Ok(finite(y)?)
        })?;
        self.keep((x, from.columns), (y, columns), &call, backward);
        Ok(())
    }

    pub(super) fn writes_so_far(&self) -> u64 {
        self.file.writes(&self.name)
    }

    /// Charges the physical column, ahead of the call.
    pub(super) fn spend(&mut self, purpose: Purpose, step: u64, cost: &Account) -> Result<(), SessionError> {
        self.wear(cost.configurations)?;
        self.file.append(&self.run, &self.name, purpose, step, cost)?;
        self.physical.charge(purpose, cost);
        Ok(())
    }
}

impl Drop for Driver {
    /// Hardware is left in its safe state whatever has ended its use.
    fn drop(&mut self) {
        if !self.at_rest
            && let Err(error) = self.safe_state()
        {
            tracing::warn!("{error}");
        }
    }
}

/// What a device must be to be used, with its ranges narrowed to its limits.
fn usable(descriptor: &mut Descriptor, name: &str) -> Result<(), SessionError> {
    narrow(descriptor, name)?;
    if descriptor.input.width > 0 && descriptor.output.width > 0 {
        return Ok(());
    }
    Err(SessionError::Method(format!("device `{name}` describes itself without inputs or outputs")))
}

fn writing(configuration: &Configuration) -> String {
    format!("a write (step {})", configuration.call.step)
}
