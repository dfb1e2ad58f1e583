//! The parent: a device whose calls go to a child.

use crate::{
    PROTOCOL, Spin,
    channel::{Outgoing, fetch, get_outcome, text},
    child::Written,
    memory::Memory,
    message::{Op, OpenRequest},
    process::Process,
    wait::Waited,
};
use blackbeam_plugin::{
    Applied, ArrayView, ArrayViewMut, Call, Code, Descriptor, Device, Dtype, Health, Matrix, ParameterSet, PluginError,
    Result,
};
use blackbeam_wire::Wire;
use std::{cell::RefCell, path::PathBuf, time::Duration};

/// Opening, where the driver does not say how long it takes.
const OPEN: f64 = 60.0;
/// Writes and queries, beyond ten times what the device clock charges.
const CALL: f64 = 10.0;
/// Calibrating.
const CALIBRATE: f64 = 3600.0;
/// What should take milliseconds, and the safe state, which has a second.
const SHORT: Duration = Duration::from_secs(5);
/// Saving and restoring state.
const STATE: Duration = Duration::from_secs(60);

/// Errors after which the driver's own state cannot be trusted: it has failed itself, or has answered what cannot be.
const BROKEN: [Code; 5] = [Code::PANIC, Code::FATAL, Code::ABI_MISMATCH, Code::NONFINITE, Code::SHAPE];

/// What is run, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program that runs [`serve`](crate::serve).
    pub program: PathBuf,
    /// Its arguments before the path of the memory.
    pub arguments: Vec<String>,
    /// What it opens.
    pub open: OpenRequest,
    /// How long both sides look before they sleep.
    pub spin: Spin,
}

/// A device in a process of its own.
pub struct Isolated {
    options: Options,
    descriptor: Descriptor,
    // `Device::save_state` borrows the device only, but is a call like the others.
    running: RefCell<Running>,
}

#[derive(Default)]
struct Running {
    process: Option<Process>,
    /// The device was programmed since it was opened.
    programmed: bool,
    /// What a device that is opened again is given back.
    full_scale: Option<f64>,
    state: Vec<u8>,
    /// Time until the actuators have settled, which the next call waits for.
    settling: Duration,
}

/// How a call without an answer went wrong.
enum Fault {
    Gone,
    Late(Duration),
    Broken(PluginError),
    /// It was not sent: what the caller asked does not fit into a message.
    Request(PluginError),
}

impl Isolated {
    /// Starts a process and opens the device in it.
    ///
    /// # Errors
    /// The driver's; `IO` if there is no process or memory to be had; `CRASHED` if the process ended.
    pub fn open(options: Options) -> Result<Self> {
        let mut running = Running::default();
        let descriptor = running.start(&options, OPEN)?;
        // Only a device that is opened again holds less than whoever asks it believes.
        running.programmed = true;
        Ok(Isolated { options, descriptor, running: RefCell::new(running) })
    }

    /// Calls the child, which is started anew where it is gone.
    fn ask<T: Wire>(&self, op: Op, limit: Duration, say: impl FnOnce(&mut Outgoing<'_>) -> Result<()>) -> Result<T> {
        self.ask_and(op, limit, say, |_, (), answer| Ok(answer))
    }

    /// The same; `then` fetches what the child has put where `say` had kept room.
    fn ask_and<T: Wire, P, R>(
        &self,
        op: Op,
        limit: Duration,
        say: impl FnOnce(&mut Outgoing<'_>) -> Result<P>,
        then: impl FnOnce(&Memory, P, T) -> Result<R>,
    ) -> Result<R> {
        let mut running = self.running.borrow_mut();
        running.reopen(&self.options, &self.descriptor)?;
        if op.needs_parameters() && !running.programmed {
            let message = "the device was opened again and has not been programmed since";
            return Err(PluginError::retryable(Code::STATE_LOST, message).with_unknown_state());
        }
        let limit = limit.saturating_add(std::mem::take(&mut running.settling));
        running.call(op, limit, say, then)
    }

    /// Longest time that a query of `rows` vectors may take.
    fn query_limit(&self, rows: usize) -> Duration {
        let (d, t) = (&self.descriptor, &self.descriptor.timing);
        let frames = rows.div_ceil(t.frame_vectors.max(1) as usize) as f64;
        let device = t.trigger_s + frames * t.frame_s * f64::from(t.averages.max(1));
        seconds(if d.timeouts.query_s > 0.0 { d.timeouts.query_s } else { CALL + 10.0 * device })
    }

    fn write_limit(&self) -> Duration {
        let (d, t) = (&self.descriptor, &self.descriptor.timing);
        let device = t.write_fixed_s + t.write_each_s * d.n_params() as f64 + 50.0 * t.settle_tau_s;
        seconds(if d.timeouts.write_s > 0.0 { d.timeouts.write_s } else { CALL + 10.0 * device })
    }

    /// `sets` configurations in one call, each with `rows` vectors.
    fn sets_limit(&self, rows: usize, sets: usize) -> Duration {
        self.query_limit(rows)
            .saturating_add(self.write_limit())
            .saturating_mul(u32::try_from(sets).unwrap_or(u32::MAX))
    }

    fn send(&self, op: Op, x: ArrayView<'_>, mut y: ArrayViewMut<'_>, call: &Call) -> Result<()> {
        let (dtype, shape) = (y.dtype(), y.shape().to_vec());
        let say = |to: &mut Outgoing<'_>| {
            to.say(call);
            to.array(&x)?;
            to.room(dtype, &shape)
        };
        self.ask_and(op, self.query_limit(x.dim(0)), say, |memory, place, ()| fetch(memory, &place, &mut y))
    }
}

impl Running {
    /// Starts a process and opens the device in it.
    fn start(&mut self, options: &Options, limit_s: f64) -> Result<Descriptor> {
        let process = Process::start(&options.program, &options.arguments, options.spin).map_err(|error| {
            let program = options.program.display();
            PluginError::new(Code::IO, format!("no process can be started for the device ({program}): {error}"))
        })?;
        self.process = Some(process);
        self.programmed = false;
        self.settling = Duration::ZERO;
        let say = |to: &mut Outgoing<'_>| {
            to.say(&PROTOCOL);
            to.say(&options.open);
            Ok(())
        };
        let opened = self.call(Op::Open, seconds(limit_s), say, |_, (), descriptor| Ok(descriptor));
        if opened.is_err()
            && let Some(process) = self.process.take()
        {
            process.end(false);
        }
        opened
    }

    /// Opens the device again if its process is gone, as it was.
    fn reopen(&mut self, options: &Options, known: &Descriptor) -> Result<()> {
        if self.process.is_some() {
            return Ok(());
        }
        let limit = if known.timeouts.open_s > 0.0 { known.timeouts.open_s } else { OPEN };
        let found = self.start(options, limit).map_err(PluginError::with_unknown_state)?;
        tracing::warn!("the device's process was started again");
        if let Some(difference) = another(known, &found) {
            self.end(false);
            let message = format!("another device answered when it was opened again: {difference}");
            return Err(PluginError::new(Code::STATE_LOST, message).with_unknown_state());
        }
        let quiet = |_: &Memory, (): (), (): ()| Ok(());
        if !self.state.is_empty() {
            let state = self.state.clone();
            self.call(
                Op::RestoreState,
                STATE,
                |to| {
                    to.say(&state);
                    Ok(())
                },
                quiet,
            )?;
        }
        if let Some(full_scale) = self.full_scale {
            self.call(
                Op::SetFullScale,
                seconds(CALL),
                |to| {
                    to.say(&full_scale);
                    Ok(())
                },
                quiet,
            )?;
        }
        Ok(())
    }

    fn call<T: Wire, P, R>(
        &mut self,
        op: Op,
        limit: Duration,
        say: impl FnOnce(&mut Outgoing<'_>) -> Result<P>,
        then: impl FnOnce(&Memory, P, T) -> Result<R>,
    ) -> Result<R> {
        let Some(process) = &mut self.process else {
            return Err(PluginError::new(Code::NOT_READY, "the device's process is closed"));
        };
        let outcome = turn(process, op, limit, say);
        let fault = match outcome {
            Ok((place, Ok(answer))) => match then(&process.memory, place, answer) {
                Ok(done) => return Ok(done),
                Err(error) => Fault::Broken(error),
            },
            Ok((_, Err(error))) if op != Op::Open && BROKEN.contains(&error.code) => Fault::Broken(error),
            Ok((_, Err(error))) => return Err(error),
            Err(fault) => fault,
        };
        Err(self.failed(op, fault))
    }

    /// Ends the process after a fault; the error says what happened.
    fn failed(&mut self, op: Op, fault: Fault) -> PluginError {
        let ended = self.end(matches!(fault, Fault::Gone));
        let (what, name) = (ended.unwrap_or_default(), op.name());
        let error = |code, message: String| PluginError::retryable(code, message).with_unknown_state();
        match fault {
            Fault::Request(error) => error,
            Fault::Gone => error(Code::CRASHED, format!("the driver's process {what} (in {name})")),
            Fault::Late(limit) => {
                let limit = limit.as_secs_f64();
                error(Code::TIMEOUT, format!("no answer to {name} within {limit:.1} s: the driver's process {what}"))
            }
            Fault::Broken(PluginError { code, message, .. }) => {
                error(code, format!("{message} (in {name}); the driver's process {what}"))
            }
        }
    }

    fn end(&mut self, gone: bool) -> Option<String> {
        self.programmed = false;
        self.process.take().map(|process| process.end(gone).told())
    }
}

type Turned<P, T> = std::result::Result<(P, Result<T>), Fault>;

/// One call: what is said, and the answer. The fault is one of the two processes, the error one of the driver.
fn turn<P, T: Wire>(
    process: &mut Process,
    op: Op,
    limit: Duration,
    say: impl FnOnce(&mut Outgoing<'_>) -> Result<P>,
) -> Turned<P, T> {
    let mut request = Outgoing::new(&mut process.memory);
    request.say(&op);
    let place = say(&mut request).map_err(Fault::Request)?;
    request.finish().map_err(Fault::Request)?;
    match process.turn(limit) {
        Ok(Waited::Turn) => {}
        Ok(Waited::Gone) => return Err(Fault::Gone),
        Ok(Waited::Late) => return Err(Fault::Late(limit)),
        Err(error) => return Err(Fault::Broken(PluginError::new(Code::IO, error.to_string()))),
    }
    let answer = text(&mut process.memory).and_then(|text| get_outcome(&text)).map_err(Fault::Broken)?;
    Ok((place, answer))
}

/// What tells two devices apart; the calibration may be another one.
fn another(known: &Descriptor, found: &Descriptor) -> Option<String> {
    let mut alike = found.clone();
    alike.calibration.clone_from(&known.calibration);
    if *known == alike {
        return None;
    }
    Some(if known.name != found.name || known.firmware != found.firmware {
        format!("`{}` ({}) instead of `{}` ({})", found.name, found.firmware, known.name, known.firmware)
    } else {
        "it describes itself otherwise than before".into()
    })
}

fn seconds(s: f64) -> Duration {
    Duration::try_from_secs_f64(s).unwrap_or(Duration::MAX)
}

impl Device for Isolated {
    fn descriptor(&self) -> Descriptor {
        self.descriptor.clone()
    }

    fn write_params(&mut self, params: &[f64], call: &Call) -> Result<Applied> {
        let n = params.len();
        let say = |to: &mut Outgoing<'_>| {
            to.say(call);
            to.array(&ArrayView::new(params, &[n]))?;
            to.room(Dtype::F64, &[n])
        };
        let mut applied = vec![0.0; n];
        let written: Written =
            self.ask_and(Op::Write, self.write_limit(), say, |memory, place, written: Written| {
                if written.values != n {
                    return Err(not_whole(written.values, n));
                }
                fetch(memory, &place, &mut ArrayViewMut::new(&mut applied, &[n])).map(|()| written)
            })?;
        let running = self.running.get_mut();
        running.programmed = true;
        running.settling = seconds(written.settling_s);
        Ok(Applied { values: applied.into() })
    }

    fn query(&mut self, x: ArrayView<'_>, y: ArrayViewMut<'_>, call: &Call) -> Result<()> {
        self.send(Op::Query, x, y, call)
    }

    fn query_sets(
        &mut self,
        bases: [&[f64]; 2],
        sets: &[ParameterSet],
        calls: &[Call],
        x: ArrayView<'_>,
        mut y: ArrayViewMut<'_>,
        want_applied: bool,
    ) -> Result<Vec<Applied>> {
        let (dtype, shape) = (y.dtype(), y.shape().to_vec());
        let say = |to: &mut Outgoing<'_>| {
            put_sets(to, bases, sets, calls, want_applied);
            to.array(&x)?;
            to.room(dtype, &shape)
        };
        let n = self.descriptor.n_params();
        let applied = self.ask_and(
            Op::QuerySets,
            self.sets_limit(x.dim(0), sets.len()),
            say,
            |memory, place, applied: Vec<Applied>| {
                fetch(memory, &place, &mut y)?;
                applied_whole(&applied, n).map(|()| applied)
            },
        )?;
        self.running.get_mut().programmed = true;
        Ok(applied)
    }

    fn query_scalars(
        &mut self,
        bases: [&[f64]; 2],
        sets: &[ParameterSet],
        calls: &[Call],
        x: ArrayView<'_>,
        cotangent: ArrayView<'_>,
        scalars: &mut [f64],
        want_applied: bool,
    ) -> Result<Vec<Applied>> {
        let (limit, length) = (self.sets_limit(x.dim(0), sets.len()), scalars.len());
        let say = |to: &mut Outgoing<'_>| {
            put_sets(to, bases, sets, calls, want_applied);
            to.array(&x)?;
            to.array(&cotangent)?;
            to.room(Dtype::F64, &[length])
        };
        let n = self.descriptor.n_params();
        let applied = self.ask_and(Op::QueryScalars, limit, say, |memory, place, applied: Vec<Applied>| {
            fetch(memory, &place, &mut ArrayViewMut::new(scalars, &[length]))?;
            applied_whole(&applied, n).map(|()| applied)
        })?;
        self.running.get_mut().programmed = true;
        Ok(applied)
    }

    fn query_backward(&mut self, y: ArrayView<'_>, x: ArrayViewMut<'_>, call: &Call) -> Result<()> {
        self.send(Op::QueryBackward, y, x, call)
    }

    fn read_matrix(&mut self, call: &Call) -> Result<Matrix> {
        let limit = self.query_limit(self.descriptor.input.width);
        self.ask(Op::ReadMatrix, limit, |to| {
            to.say(call);
            Ok(())
        })
    }

    fn exact_vjp(
        &mut self,
        x: ArrayView<'_>,
        dy: ArrayView<'_>,
        mut dx: ArrayViewMut<'_>,
        dparams: &mut [f64],
        call: &Call,
    ) -> Result<()> {
        let (n, dtype, shape) = (dparams.len(), dx.dtype(), dx.shape().to_vec());
        let say = |to: &mut Outgoing<'_>| {
            to.say(call);
            to.array(&x)?;
            to.array(&dy)?;
            Ok((to.room(dtype, &shape)?, to.room(Dtype::F64, &[n])?))
        };
        self.ask_and(Op::ExactVjp, self.query_limit(x.dim(0)), say, |memory, (inputs, params), ()| {
            fetch(memory, &inputs, &mut dx)?;
            fetch(memory, &params, &mut ArrayViewMut::new(dparams, &[n]))
        })
    }

    fn read_params(&mut self) -> Result<Vec<f64>> {
        self.ask(Op::ReadParams, self.query_limit(1), |_| Ok(()))
    }

    fn set_full_scale(&mut self, full_scale: f64) -> Result<()> {
        let set = self.ask(Op::SetFullScale, self.write_limit(), |to| {
            to.say(&full_scale);
            Ok(())
        });
        if set.is_ok() {
            self.running.get_mut().full_scale = Some(full_scale);
        }
        set
    }

    fn safe_state(&mut self) -> Result<()> {
        self.ask(Op::SafeState, SHORT, |_| Ok(()))
    }

    fn health(&mut self) -> Result<Health> {
        self.ask(Op::Health, SHORT, |_| Ok(()))
    }

    fn calibrate(&mut self) -> Result<()> {
        let said = self.descriptor.timeouts.calibrate_s;
        self.ask(Op::Calibrate, seconds(if said > 0.0 { said } else { CALIBRATE }), |_| Ok(()))
    }

    fn save_state(&self) -> Result<Vec<u8>> {
        let state: Vec<u8> = self.ask(Op::SaveState, STATE, |_| Ok(()))?;
        self.running.borrow_mut().state.clone_from(&state);
        Ok(state)
    }

    fn restore_state(&mut self, state: &[u8]) -> Result<()> {
        self.ask::<()>(Op::RestoreState, STATE, |to| {
            to.list(state);
            Ok(())
        })?;
        self.running.get_mut().state = state.to_vec();
        Ok(())
    }
}

/// What a driver says that it applied must be all the parameters, and numbers.
fn applied_whole(all: &[Applied], n_params: usize) -> Result<()> {
    match all.iter().find(|one| one.values.len() != n_params || one.values.iter().any(|v| !v.is_finite())) {
        None => Ok(()),
        Some(one) => Err(not_whole(one.values.len(), n_params)),
    }
}

fn not_whole(found: usize, n_params: usize) -> PluginError {
    let message = format!("{found} values applied, or not all of them finite; expected {n_params} numbers");
    PluginError::new(Code::SHAPE, message)
}

fn put_sets(to: &mut Outgoing<'_>, bases: [&[f64]; 2], sets: &[ParameterSet], calls: &[Call], want_applied: bool) {
    to.list(bases[0]);
    to.list(bases[1]);
    to.list(sets);
    to.list(calls);
    to.say(&want_applied);
}

impl Drop for Isolated {
    fn drop(&mut self) {
        let running = self.running.get_mut();
        if running.process.is_none() {
            return;
        }
        // A driver that cannot close has been ended by the call.
        let closed = running.call(Op::Close, SHORT, |_| Ok(()), |_, (), ()| Ok(()));
        if let (Ok(()), Some(process)) = (closed, running.process.take()) {
            process.closed(SHORT);
        }
    }
}
