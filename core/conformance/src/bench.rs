//! The device under test: every call goes through here, with an identity, on a clock, counted and watched.

use crate::{
    measure::Noise,
    sending::{self, Sets},
    watch::Watch,
};
use blackbeam_plugin::{
    Applied, Call, Code, Descriptor, Device, DevicePlugin, Key, Matrix, Open, ParameterSet, PluginError, Purpose,
    Result, can,
};
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// Rows of a batch.
pub(crate) const ROWS: usize = 8;
/// How long a call may take where the device does not say, seconds.
const PATIENCE_S: f64 = 60.0;
/// How much longer than twice the declared time-out a call is waited for, seconds: the driver is to notice by itself.
const GRACE_S: f64 = 1.0;
/// Most times that one call is sent, and the pause before it is sent again, seconds.
const ATTEMPTS: usize = 4;
const PAUSE_S: f64 = 0.05;
/// Longest stretch of a write that keeps to a slew limit, seconds.
const SLEW_STEP_S: f64 = 0.05;
/// How long hardware is left to come to rest, seconds.
const LEAST_REST_S: f64 = 0.02;
const MOST_REST_S: f64 = 5.0;
/// Widest vector that is tried.
const MAX_WIDTH: usize = 1 << 20;
/// The full scale is this times the largest answer.
const MARGIN: f64 = 1.5;

/// How a device is checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// How it is opened. Its seed also names the random parameters and inputs that are sent.
    pub open: Open,
    /// It computes what hardware would do, in times that it only counts: nothing is asked of how long calls take.
    pub simulated: bool,
    /// Nothing out of range is sent: neither parameters nor inputs.
    pub in_range: bool,
}

/// What a stretch of calls took, and what the device says that such calls take, seconds.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Took {
    pub calls: u64,
    pub measured_s: f64,
    pub declared_s: f64,
    pub longest_s: f64,
}

impl Took {
    fn add(&mut self, measured_s: f64, declared_s: f64) {
        self.calls += 1;
        self.measured_s += measured_s;
        self.declared_s += declared_s;
        self.longest_s = self.longest_s.max(measured_s);
    }
}

pub(crate) struct Bench {
    plugin: Box<dyn DevicePlugin>,
    pub options: Options,
    pub descriptor: Descriptor,
    device: Option<Box<dyn Device>>,
    watch: Arc<Watch>,
    /// An error after which the instance is of no use.
    broken: bool,
    pub key: Key,
    step: u64,
    time_s: f64,
    pub full_scale: Option<f64>,
    held: Option<(Vec<f64>, Call)>,
    noise: Option<Noise>,
    pub vectors: u64,
    pub writes: u64,
    pub writing: Took,
    pub asking: Took,
    pub opening_s: f64,
    /// Errors after which a call was sent again.
    pub again: Vec<String>,
}

impl Bench {
    /// Opens a device for the first time.
    pub fn open(plugin: Box<dyn DevicePlugin>, options: Options, watch: Arc<Watch>) -> Result<Self> {
        let key = Key::new(options.open.seed).named("conformance");
        watch.begins("open", Duration::from_secs_f64(2.0 * PATIENCE_S));
        let begun = Instant::now();
        let opened = plugin.open(&options.open);
        let opening_s = begun.elapsed().as_secs_f64();
        watch.ended();
        let device = opened?;
        let descriptor = device.descriptor();
        watch.holds(device.safe_state_anywhere());
        Ok(Bench {
            plugin,
            options,
            descriptor,
            device: Some(device),
            watch,
            broken: false,
            key,
            step: 0,
            time_s: 0.0,
            full_scale: None,
            held: None,
            noise: None,
            vectors: 0,
            writes: 0,
            writing: Took::default(),
            asking: Took::default(),
            opening_s,
            again: Vec::new(),
        })
    }

    /// Closes the device, if it is open.
    pub fn close(&mut self) {
        // First: whoever is using it is waited for.
        self.watch.holds(None);
        self.held = None;
        self.device = None;
    }

    /// Closes the device and opens it again, with the full scale that it had.
    pub fn reopen(&mut self) -> Result<()> {
        self.close();
        self.watch.begins("open", self.patience(self.descriptor.timeouts.open_s));
        let opened = self.plugin.open(&self.options.open);
        self.watch.ended();
        let device = opened?;
        self.broken = false;
        self.watch.holds(device.safe_state_anywhere());
        self.device = Some(device);
        if let Some(full_scale) = self.full_scale {
            self.call("set_full_scale", 0.0, |d| d.set_full_scale(full_scale))?;
        }
        Ok(())
    }

    /// Leaves the hardware alone.
    pub fn leave(&mut self) {
        if let Some(device) = &mut self.device {
            self.watch.begins("safe_state", Duration::from_secs_f64(PATIENCE_S));
            // What is wrong with it was said by its check.
            let _ = device.safe_state();
            self.watch.ended();
        }
        self.close();
    }

    /// Why nothing can be sent to such a device.
    pub fn unusable(&self) -> Option<String> {
        let wide = |what: &str, width: usize| {
            let message = format!("{what} has a width of {width}, expected 1 to {MAX_WIDTH}");
            (!(1..=MAX_WIDTH).contains(&width)).then_some(message)
        };
        wide("the input", self.descriptor.input.width).or_else(|| wide("the output", self.descriptor.output.width))
    }

    /// Makes the device what it is at the start of a check: open, and the initial parameters written.
    pub fn prepare(&mut self) -> Result<()> {
        if self.broken || self.device.is_none() {
            self.reopen()?;
        }
        let initial = self.initial();
        if self.held.as_ref().is_none_or(|(params, _)| *params != initial) {
            self.write(&initial)?;
            self.rest();
        }
        if self.descriptor.can(can::FULL_SCALE) && self.full_scale.is_none() {
            self.find_full_scale()?;
        }
        Ok(())
    }

    /// A call of the device, watched. `may_take`: seconds; 0 where the device does not say.
    pub fn call<R>(
        &mut self,
        what: &'static str,
        may_take: f64,
        call: impl FnOnce(&mut dyn Device) -> Result<R>,
    ) -> Result<R> {
        if self.watch.stopped() {
            return Err(PluginError::new(Code::FATAL, "somebody asked to stop"));
        }
        let patience = self.patience(may_take);
        let Some(device) = &mut self.device else {
            return Err(PluginError::new(Code::FATAL, "the device is not open"));
        };
        self.watch.begins(what, patience);
        let result = call(&mut **device);
        self.watch.ended();
        if let Err(error) = &result {
            self.broken |= matches!(error.code, Code::PANIC | Code::FATAL);
            if !error.state_known {
                self.held = None;
            }
        }
        result
    }

    fn patience(&self, may_take: f64) -> Duration {
        let known = may_take.is_finite() && may_take > 0.0;
        Duration::from_secs_f64(if known { 2.0 * may_take.min(3600.0) + GRACE_S } else { PATIENCE_S })
    }

    /// The next identity.
    pub fn fresh(&mut self) -> Call {
        self.step += 1;
        Call {
            stream: self.key.seed,
            step: self.step,
            purpose: Purpose::Calibration,
            round: 0,
            set: 0,
            first_row: 0,
            time_s: self.time_s,
        }
    }

    /// At most as many rows as the device takes.
    pub fn rows(&self, wanted: usize) -> usize {
        if self.descriptor.max_batch > 0 { wanted.min(self.descriptor.max_batch) } else { wanted }
    }

    /// Lets so much time pass that actuators have come to rest; how much, seconds.
    pub fn rest(&mut self) -> f64 {
        let tau = self.descriptor.timing.settle_tau_s;
        // Device time costs a simulator nothing. Hardware that declares no time constant may have one.
        let wait = if self.options.simulated { 60.0 * tau } else { (10.0 * tau).clamp(LEAST_REST_S, MOST_REST_S) };
        if !self.options.simulated {
            thread::sleep(Duration::from_secs_f64(wait));
        }
        self.time_s += wait;
        wait
    }

    /// Programs parameters, kept to the limits of power and slew; what was applied.
    pub fn write(&mut self, params: &[f64]) -> Result<Vec<f64>> {
        let params = self.bearable(params);
        for step in self.slowly(&params) {
            thread::sleep(Duration::from_secs_f64(SLEW_STEP_S));
            self.write_once(&step)?;
        }
        self.write_once(&params)
    }

    fn write_once(&mut self, params: &[f64]) -> Result<Vec<f64>> {
        self.time_s += self.write_seconds(params);
        let call = self.fresh();
        self.write_as(params, &call)
    }

    /// Programs exactly these parameters under this identity. As everywhere, what may be sent again is.
    pub fn write_as(&mut self, params: &[f64], call: &Call) -> Result<Vec<f64>> {
        self.retried(|bench| bench.try_write(params, call))
    }

    /// Makes a call that may be made again, as often as its errors let it.
    fn retried<R>(&mut self, mut call: impl FnMut(&mut Self) -> Result<R>) -> Result<R> {
        for _ in 1..ATTEMPTS {
            match call(self) {
                Err(error) if error.retryable => self.pause(&error),
                other => return other,
            }
        }
        call(self)
    }

    fn pause(&mut self, error: &PluginError) {
        self.again.push(error.to_string());
        thread::sleep(Duration::from_secs_f64(PAUSE_S));
    }

    fn try_write(&mut self, params: &[f64], call: &Call) -> Result<Vec<f64>> {
        self.writes += 1;
        let seconds = self.write_seconds(params);
        self.held = None;
        let n = self.descriptor.n_params();
        let begun = Instant::now();
        let applied = self.call("write_params", self.descriptor.timeouts.write_s, |d| d.write_params(params, call))?;
        // Of calls that failed nothing is learnt here: a time-out takes what it takes.
        self.writing.add(begun.elapsed().as_secs_f64(), seconds);
        let values: Vec<f64> = applied.values.into();
        if values.len() != n {
            let message = format!("{} values applied, expected {n}", values.len());
            return Err(PluginError::new(Code::SHAPE, message));
        }
        sending::finite(&values)?;
        self.held = Some((params.to_vec(), *call));
        Ok(values)
    }

    /// What is held is not known any more: it is written again before the next check.
    pub fn reset(&mut self) {
        self.held = None;
    }

    /// What was written last, and under which identity.
    pub fn held(&self) -> Option<(Vec<f64>, Call)> {
        self.held.clone()
    }

    /// Sends `x` under a new identity.
    pub fn query(&mut self, x: &Matrix) -> Result<Matrix> {
        let call = self.fresh();
        self.query_as(x, &call)
    }

    /// Sends `x` under this identity.
    pub fn query_as(&mut self, x: &Matrix, call: &Call) -> Result<Matrix> {
        self.send(x, call, false)
    }

    /// Sends `y` backwards.
    pub fn query_backward(&mut self, y: &Matrix) -> Result<Matrix> {
        let call = self.fresh();
        self.send(y, &call, true)
    }

    fn send(&mut self, x: &Matrix, call: &Call, backward: bool) -> Result<Matrix> {
        let held = self.held.clone();
        for _ in 1..ATTEMPTS {
            match self.try_send(x, call, backward) {
                Err(error) if error.retryable => {
                    self.pause(&error);
                    if let Some((params, of)) = held.as_ref().filter(|_| !error.state_known) {
                        self.write_as(params, of)?;
                    }
                }
                other => return other,
            }
        }
        self.try_send(x, call, backward)
    }

    fn try_send(&mut self, x: &Matrix, call: &Call, backward: bool) -> Result<Matrix> {
        let d = &self.descriptor;
        let (dtype, to) = (d.dtype, if backward { d.input.width } else { d.output.width });
        let vectors = x.rows as u64 * u64::from(d.vectors_per_row.max(1));
        self.vectors += vectors;
        let (seconds, may_take) = (self.query_seconds(vectors), d.timeouts.query_s);
        let begun = Instant::now();
        let what = if backward { "query_backward" } else { "query" };
        let y = self.call(what, may_take, |device| sending::query(device, dtype, x, to, call, backward))?;
        self.asking.add(begun.elapsed().as_secs_f64(), seconds);
        Ok(y)
    }

    /// Several configurations, each under a new identity: answers [sets x rows, outputs], what was applied, identities.
    pub fn query_sets(&mut self, sets: &[ParameterSet], x: &Matrix) -> Result<(Matrix, Vec<Applied>, Vec<Call>)> {
        let calls: Vec<Call> = sets.iter().map(|_| self.fresh()).collect();
        let initial = self.initial();
        let (dtype, d_out) = (self.descriptor.dtype, self.descriptor.output.width);
        self.count_sets(sets.len(), x.rows);
        let asked = Sets { bases: [&initial, &initial], sets, calls: &calls, x };
        let may_take = self.sets_may_take(sets.len());
        let (y, applied) = self.retried(|bench| {
            bench.call("query_sets", may_take, |device| sending::query_sets(device, dtype, &asked, d_out))
        })?;
        Ok((y, applied, calls))
    }

    /// The sums of answer times cotangent of several configurations, under these identities.
    pub fn query_scalars(
        &mut self,
        sets: &[ParameterSet],
        calls: &[Call],
        x: &Matrix,
        cotangent: &Matrix,
    ) -> Result<Vec<f64>> {
        let (initial, dtype) = (self.initial(), self.descriptor.dtype);
        self.count_sets(sets.len(), x.rows);
        let asked = Sets { bases: [&initial, &initial], sets, calls, x };
        let may_take = self.sets_may_take(sets.len());
        self.retried(|bench| {
            bench.call("query_scalars", may_take, |device| sending::query_scalars(device, dtype, &asked, cotangent))
        })
    }

    fn sets_may_take(&self, sets: usize) -> f64 {
        let t = &self.descriptor.timeouts;
        if t.write_s > 0.0 && t.query_s > 0.0 { sets as f64 * (t.write_s + t.query_s) } else { 0.0 }
    }

    fn count_sets(&mut self, sets: usize, rows: usize) {
        self.held = None;
        self.writes += sets as u64;
        self.vectors += sets as u64 * rows as u64 * u64::from(self.descriptor.vectors_per_row.max(1));
    }

    /// The noise of the device at its initial parameters, measured the first time that somebody asks.
    pub fn noise(&mut self) -> Result<Noise> {
        if let Some(noise) = self.noise {
            return Ok(noise);
        }
        let noise = Noise::measure(self)?;
        self.noise = Some(noise);
        Ok(noise)
    }

    /// Sets the read-out's full scale a little above the largest answer.
    fn find_full_scale(&mut self) -> Result<()> {
        let x = self.inputs("full scale", ROWS);
        let mut full_scale = 1.0;
        for _ in 0..4 {
            self.call("set_full_scale", 0.0, |d| d.set_full_scale(full_scale))?;
            let peak = self.query(&x)?.data.iter().fold(0.0f64, |a, v| a.max(v.abs()));
            if peak < 0.95 * full_scale {
                full_scale = if peak > 0.0 { MARGIN * peak } else { full_scale };
                break;
            }
            full_scale *= 4.0;
        }
        self.full_scale = Some(full_scale);
        self.call("set_full_scale", 0.0, |d| d.set_full_scale(full_scale))
    }

    /// What is to be written on the way to `params` where a limit of slew asks for it.
    fn slowly(&self, params: &[f64]) -> Vec<Vec<f64>> {
        let slew = self.descriptor.limits.slew_per_s;
        let Some((from, _)) = self.held.as_ref().filter(|_| slew > 0.0) else { return Vec::new() };
        let change = from.iter().zip(params).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let steps = (change / (slew * SLEW_STEP_S)).ceil().min(1000.0) as usize;
        let part = |k: usize| {
            let t = k as f64 / steps as f64;
            from.iter().zip(params).map(|(a, b)| a + t * (b - a)).collect()
        };
        (1..steps).map(part).collect()
    }

    /// Device time that the descriptor charges for a write: t_fixed + n_changed t_each + tau ln(largest change / tolerance).
    fn write_seconds(&self, params: &[f64]) -> f64 {
        let t = &self.descriptor.timing;
        let changes: Vec<f64> = match &self.held {
            Some((held, _)) => held.iter().zip(params).map(|(a, b)| (a - b).abs()).collect(),
            None => self.descriptor.parameters.iter().map(|p| p.span()).collect(),
        };
        let changed = changes.iter().filter(|change| **change > 0.0).count();
        let largest = changes.into_iter().fold(0.0, f64::max);
        let settles = t.settle_tau_s > 0.0 && t.settle_tolerance > 0.0 && largest > t.settle_tolerance;
        let settle = if settles { t.settle_tau_s * (largest / t.settle_tolerance).ln() } else { 0.0 };
        t.write_fixed_s + changed as f64 * t.write_each_s + settle
    }

    fn query_seconds(&self, vectors: u64) -> f64 {
        let t = &self.descriptor.timing;
        let frames = vectors.div_ceil(u64::from(t.frame_vectors.max(1)));
        t.trigger_s + frames as f64 * t.frame_s * f64::from(t.averages.max(1))
    }
}
