//! The child: opens the device and answers what the parent asks.

use crate::{
    PROTOCOL, Spin,
    channel::{Outgoing, put_outcome, text},
    memory::Memory,
    message::{Op, OpenRequest, Place, broken, take},
    wait::{Bed, Waited, give},
};
use blackbeam_plugin::{ArrayViewMut, Call, Code, Device, Dtype, ParameterSet, PluginError, Result, SafeState};
use blackbeam_wire::Reader;
use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Signal, getpid, kill_process},
};
use std::{
    fs::File,
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

/// Longest time that the safe state may take.
const SAFE_STATE: Duration = Duration::from_millis(1000);

/// Answers the parent that started this process, until it closes the device or is gone. `memory` is the file that it shares;
/// `open` opens a device. Standard input and output are the parent's pipes; what drivers print to standard output goes to
/// standard error, where the parent listens.
///
/// # Errors
/// If the memory or the pipes are not what a parent gives, or the parent is of another version.
pub fn serve(memory: &Path, spin: Spin, open: impl Fn(&OpenRequest) -> Result<Box<dyn Device>>) -> io::Result<()> {
    let pipes = Pipes::take()?;
    let memory = Memory::open(memory)?;
    let watch = Arc::new(Watch::default());
    watch.start(pipes.from_parent.try_clone()?)?;
    let mut child = Child { memory, pipes, watch: watch.clone(), spin, open };
    match catch_unwind(AssertUnwindSafe(|| child.run())) {
        Ok(outcome) => outcome,
        Err(_) => watch.leave("the process that runs the driver panicked"),
    }
}

/// The parent's pipes, where nothing that a driver prints can get in between.
struct Pipes {
    from_parent: OwnedFd,
    to_parent: OwnedFd,
}

impl Pipes {
    fn take() -> io::Result<Self> {
        let from_parent = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
        let to_parent = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
        Ok(Pipes { from_parent, to_parent })
    }
}

/// What has to be done when this process must end.
#[derive(Default)]
struct Watch {
    /// The device, while no call of it is running.
    device: Mutex<Option<Box<dyn Device>>>,
    /// Its safe state from another thread, if it has that.
    anywhere: Mutex<Option<SafeState>>,
    leaving: Mutex<()>,
}

impl Watch {
    /// Watches, in a thread of its own, for the parent's end and for a request to stop.
    fn start(self: &Arc<Self>, from_parent: OwnedFd) -> io::Result<()> {
        let (asked, on_signal) = UnixStream::pair()?;
        signal_hook::low_level::pipe::register(signal_hook::consts::SIGTERM, on_signal)?;
        let watch = self.clone();
        thread::Builder::new().name("watch".into()).spawn(move || {
            loop {
                // A pipe whose other end is closed says so even if it is asked for nothing.
                let mut fds = [PollFd::new(&from_parent, PollFlags::empty()), PollFd::new(&asked, PollFlags::IN)];
                match poll(&mut fds, None) {
                    Ok(_) if fds[1].revents().contains(PollFlags::IN) => watch.leave("asked to stop"),
                    Ok(_) if !fds[0].revents().is_empty() => watch.leave("Blackbeam is gone"),
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => watch.leave(&format!("the parent cannot be watched ({error})")),
                }
            }
        })?;
        Ok(())
    }

    /// Puts the hardware in its safe state and ends this process: at once, without the destructors of libraries, which may hang as
    /// the driver may have done.
    fn leave(self: &Arc<Self>, why: &str) -> ! {
        // Whoever comes second waits for the end.
        let _leaving = self.leaving.lock();
        let (done, wait) = mpsc::channel();
        let watch = self.clone();
        let started = thread::Builder::new().spawn(move || {
            let anywhere = lock(&watch.anywhere).clone();
            let outcome = match anywhere {
                Some(safe_state) => safe_state(),
                None => lock(&watch.device).as_mut().map_or(Ok(()), |device| device.safe_state()),
            };
            let _ = done.send(outcome);
        });
        match started.map(|_| wait.recv_timeout(SAFE_STATE)) {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => eprintln!("{why}, and the device did not go to its safe state: {error}"),
            _ => {
                eprintln!("{why}, and the device did not go to its safe state within a second: another call is running")
            }
        }
        // Nothing else can be done if this fails, which it cannot for a process itself.
        let _ = kill_process(getpid(), Signal::KILL);
        loop {
            thread::park();
        }
    }
}

fn lock<T: ?Sized>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    // Panics of drivers are caught before they get here.
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Child<F> {
    memory: Memory,
    pipes: Pipes,
    watch: Arc<Watch>,
    spin: Spin,
    open: F,
}

impl<F: Fn(&OpenRequest) -> Result<Box<dyn Device>>> Child<F> {
    fn run(&mut self) -> io::Result<()> {
        use std::os::fd::AsFd;
        let mut turn = 0;
        loop {
            let header = self.memory.header();
            let bed = Bed { turn: &header.turn, sleeps: &header.child_sleeps, pipe: self.pipes.from_parent.as_fd() };
            match bed.wait(turn, None, &mut self.spin)? {
                Waited::Turn => {}
                Waited::Gone | Waited::Late => self.watch.leave("Blackbeam is gone"),
            }
            turn = turn.wrapping_add(1);
            let closed = self.answer().map_err(|error| io::Error::other(error.to_string()))?;
            turn = turn.wrapping_add(1);
            let header = self.memory.header();
            give(&header.turn, turn, &header.parent_sleeps, &self.pipes.to_parent)?;
            if closed {
                return Ok(());
            }
        }
    }

    /// Answers one call. True if it was the last.
    fn answer(&mut self) -> Result<bool> {
        let text = text(&mut self.memory)?;
        let mut request = Reader(&text);
        let op = take::<Op>(&mut request)?;
        let mut head = Vec::new();
        match op {
            Op::Open => put_outcome(&self.open(&mut request), &mut head),
            Op::Close => {
                // The handle is given up before the device, as it must be.
                *lock(&self.watch.anywhere) = None;
                *lock(&self.watch.device) = None;
                put_outcome(&Ok(()), &mut head);
            }
            _ => {
                let mut device = lock(&self.watch.device);
                match device.as_deref_mut() {
                    Some(device) => ask(device, op, &mut request, &self.memory, &mut head)?,
                    None => put_outcome::<()>(&Err(PluginError::new(Code::NOT_READY, "no device is open")), &mut head),
                }
            }
        }
        let mut reply = Outgoing::behind(&mut self.memory);
        reply.append(&head);
        reply.finish()?;
        Ok(op == Op::Close)
    }

    fn open(&mut self, request: &mut Reader<'_>) -> Result<blackbeam_plugin::Descriptor> {
        if take::<u64>(request)? != PROTOCOL {
            return Err(PluginError::new(
                Code::ABI_MISMATCH,
                "the two processes are of different versions of Blackbeam",
            ));
        }
        let device = (self.open)(&take::<OpenRequest>(request)?)?;
        let descriptor = device.descriptor();
        *lock(&self.watch.anywhere) = device.safe_state_anywhere();
        *lock(&self.watch.device) = Some(device);
        Ok(descriptor)
    }
}

/// Hands a call to the device. What it answers, or its error, goes to `head`; the error returned is a request that makes no sense.
fn ask(device: &mut dyn Device, op: Op, from: &mut Reader<'_>, memory: &Memory, head: &mut Vec<u8>) -> Result<()> {
    match op {
        Op::Open | Op::Close => return Err(broken("it is not asked of a device")),
        Op::Write => {
            let (call, params, to) = (take::<Call>(from)?, take::<Place>(from)?, take::<Place>(from)?);
            let (params, mut applied) = (memory.view(&params)?, empty(memory, &to)?);
            let written = device.write_params(params.as_f64()?, &call).and_then(|said| {
                let (values, settling_s) = (said.values.len(), device.settling().as_secs_f64());
                applied.as_f64()?.iter_mut().zip(&said.values).for_each(|(to, value)| *to = *value);
                Ok(Written { values, settling_s })
            });
            put_outcome(&written, head);
        }
        Op::Query | Op::QueryBackward => {
            let (call, x, y) = (take::<Call>(from)?, take::<Place>(from)?, take::<Place>(from)?);
            let (x, y) = (memory.view(&x)?, empty(memory, &y)?);
            let backward = op == Op::QueryBackward;
            put_outcome(&if backward { device.query_backward(x, y, &call) } else { device.query(x, y, &call) }, head);
        }
        Op::QuerySets => {
            let sets = take::<Sets>(from)?;
            let (x, y) = (take::<Place>(from)?, take::<Place>(from)?);
            let (x, y) = (memory.view(&x)?, empty(memory, &y)?);
            let bases = [&sets.current[..], &sets.previous[..]];
            put_outcome(&device.query_sets(bases, &sets.sets, &sets.calls, x, y, sets.want_applied), head);
        }
        Op::QueryScalars => {
            let sets = take::<Sets>(from)?;
            let (x, cotangent, to) = (take::<Place>(from)?, take::<Place>(from)?, take::<Place>(from)?);
            let (x, cotangent, mut scalars) = (memory.view(&x)?, memory.view(&cotangent)?, empty(memory, &to)?);
            let bases = [&sets.current[..], &sets.previous[..]];
            let scalars = scalars.as_f64()?;
            let (wanted, calls) = (sets.want_applied, &sets.calls);
            put_outcome(&device.query_scalars(bases, &sets.sets, calls, x, cotangent, scalars, wanted), head);
        }
        Op::ExactVjp => {
            let call = take::<Call>(from)?;
            let [x, dy, dx, dparams] =
                [take::<Place>(from)?, take::<Place>(from)?, take::<Place>(from)?, take::<Place>(from)?];
            let (x, dy, dx) = (memory.view(&x)?, memory.view(&dy)?, empty(memory, &dx)?);
            let mut dparams = empty(memory, &dparams)?;
            put_outcome(&device.exact_vjp(x, dy, dx, dparams.as_f64()?, &call), head);
        }
        Op::ReadMatrix => put_outcome(&device.read_matrix(&take::<Call>(from)?), head),
        Op::ReadParams => put_outcome(&device.read_params(), head),
        Op::SetFullScale => put_outcome(&device.set_full_scale(take::<f64>(from)?), head),
        Op::SafeState => put_outcome(&device.safe_state(), head),
        Op::SaveState => put_outcome(&device.save_state(), head),
        Op::RestoreState => put_outcome(&device.restore_state(&take::<Vec<u8>>(from)?), head),
        Op::Health => put_outcome(&device.health(), head),
        Op::Calibrate => put_outcome(&device.calibrate(), head),
    }
    Ok(())
}

/// Where a device puts numbers: an element that it does not fill stays NaN and is found.
fn empty<'a>(memory: &'a Memory, place: &Place) -> Result<ArrayViewMut<'a>> {
    let mut view = memory.view_mut(place)?;
    match place.dtype {
        Dtype::F64 => view.as_f64()?.fill(f64::NAN),
        Dtype::F32 => view.as_f32()?.fill(f32::NAN),
    }
    Ok(view)
}

/// What a write answers.
pub(crate) struct Written {
    /// How many values the device says that it has applied.
    pub values: usize,
    /// Time until the actuators have settled, which the next call waits for.
    pub settling_s: f64,
}

/// What the calls of several configurations have in common.
pub(crate) struct Sets {
    current: Vec<f64>,
    previous: Vec<f64>,
    sets: Vec<ParameterSet>,
    calls: Vec<Call>,
    want_applied: bool,
}

blackbeam_wire::wire_struct!(Written { values, settling_s });
blackbeam_wire::wire_struct!(Sets { current, previous, sets, calls, want_applied });
