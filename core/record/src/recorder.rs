//! A device that writes down what it is asked and answers.

use crate::{
    LogError,
    chain::Chain,
    entry::{Head, Kind},
    log::{Header, Log, Tail},
    parts::Parts,
    queue::{Pending, Queue},
    request::{self, Filled, Several},
};
use blackbeam_plugin::{
    Applied, ArrayView, ArrayViewMut, Call, Code, Descriptor, Device, Health, Matrix, ParameterSet, PluginError,
    Purpose, Result, SafeState,
};
use blackbeam_wire::Wire;
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Seek, SeekFrom, Write},
    path::Path,
    sync::Arc,
    thread::JoinHandle,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// How much of the calls a log holds. The identity, the sizes and the time of each it always holds, and every error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Requests and answers: the log can be replayed.
    Full,
    /// Requests and answers of the probes of estimators and surrogates, all parameters that are written and all that is no query;
    /// of the other queries the hashes.
    Probes,
    /// Hashes of requests and answers.
    Meta,
}

impl Level {
    /// The name in experiment files.
    pub fn name(self) -> &'static str {
        match self {
            Level::Full => "full",
            Level::Probes => "probes",
            Level::Meta => "meta",
        }
    }

    fn whole(self, kind: Kind, calls: &[Call]) -> bool {
        let probe = |call: &Call| matches!(call.purpose, Purpose::Probe | Purpose::Surrogate);
        match self {
            Level::Full => true,
            // A probe says nothing without the parameters that it was sent at.
            Level::Probes => match kind {
                Kind::SaveState | Kind::RestoreState => false,
                Kind::WriteParams => true,
                _ => calls.first().is_none_or(probe),
            },
            Level::Meta => kind.mark(),
        }
    }
}

/// A device, and a log of everything that it is asked.
pub struct Recorder {
    inner: Box<dyn Device>,
    descriptor: Descriptor,
    log: RecordHandle,
    writer: Option<JoinHandle<()>>,
}

/// A log that is being written.
#[derive(Clone)]
pub struct RecordHandle {
    queue: Arc<Queue>,
    level: Level,
    clock: Clock,
}

/// Time of day that never goes backwards.
#[derive(Clone, Copy)]
struct Clock {
    start: Instant,
    start_ns: u64,
}

impl Clock {
    fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { start: Instant::now(), start_ns: since.as_nanos() as u64 }
    }

    fn now(&self) -> u64 {
        self.start_ns + self.start.elapsed().as_nanos() as u64
    }
}

impl RecordHandle {
    /// Index of the last entry: what a checkpoint keeps.
    pub fn position(&self) -> u64 {
        self.queue.next().saturating_sub(1)
    }

    /// The run goes on from a checkpoint that was made after entry `from`: what the log holds after it was work that is lost. `None`:
    /// nothing was recorded when the checkpoint was made.
    ///
    /// # Errors
    /// `BAD_STATE` if the log does not hold that entry; `IO` if it cannot be written.
    pub fn resumed(&self, from: Option<u64>) -> Result<()> {
        if let Some(from) = from.filter(|&from| from >= self.position()) {
            let message = format!(
                "the checkpoint was made after entry {from} of the log, which has only {} of them: put the whole log back",
                self.position()
            );
            return Err(PluginError::new(Code::BAD_STATE, message));
        }
        let mut entry = self.begin(Kind::Resume, &[], (0, 0));
        Parts(&mut entry.bytes).number("from", from.unwrap_or(u64::MAX));
        self.answered(entry, Ok(|_: &mut Vec<u8>| {}))
    }

    /// Returns once everything so far is on the disk.
    ///
    /// # Errors
    /// `IO` if it cannot be written.
    pub fn keep(&self) -> Result<()> {
        self.queue.keep()
    }

    fn begin(&self, kind: Kind, calls: &[Call], (rows, configurations): (usize, usize)) -> Pending {
        let head = Head {
            kind,
            failed: false,
            begun_ns: self.clock.now(),
            took_ns: 0,
            rows: rows as u64,
            configurations: configurations as u32,
            calls: calls.to_vec(),
        };
        Pending { head, bytes: self.queue.buffer(), request: 0, whole: self.level.whole(kind, calls) }
    }

    /// Ends an entry with its answer, which is written by a function, or with an error.
    fn end(&self, entry: &mut Pending, answer: std::result::Result<impl FnOnce(&mut Vec<u8>), &PluginError>) {
        match answer {
            Ok(put) => put(&mut entry.bytes),
            Err(error) => {
                entry.head.failed = true;
                error.put(&mut entry.bytes);
            }
        }
    }

    fn answered(
        &self,
        mut entry: Pending,
        answer: std::result::Result<impl FnOnce(&mut Vec<u8>), &PluginError>,
    ) -> Result<()> {
        entry.request = entry.bytes.len();
        self.end(&mut entry, answer);
        self.queue.push(entry).map(|_| ())
    }

    /// One call: `ask` writes the request, `call` makes it, `put` writes the answer. Nothing is asked of the device once the log
    /// cannot be written.
    fn call<R>(
        &self,
        (kind, calls, size): (Kind, &[Call], (usize, usize)),
        ask: impl FnOnce(&mut Vec<u8>),
        call: impl FnOnce() -> Result<R>,
        put: impl FnOnce(&R, &mut Vec<u8>),
    ) -> Result<R> {
        self.queue.usable()?;
        let mut entry = self.begin(kind, calls, size);
        ask(&mut entry.bytes);
        entry.request = entry.bytes.len();
        entry.head.begun_ns = self.clock.now();
        let result = call();
        entry.head.took_ns = self.clock.now() - entry.head.begun_ns;
        self.end(&mut entry, result.as_ref().map(|answer| |out: &mut Vec<u8>| put(answer, out)));
        // Of two errors the device's own is the one that says what happened to it; the log's is found at the next call.
        let logged = self.queue.push(entry);
        let answer = result?;
        logged.map(|_| answer)
    }
}

impl Recorder {
    /// Begins a log at `path`, or goes on with the one that is there: after its last whole entry. `fresh`: the run of this device
    /// begins at its start, so that what the log holds already was work that is lost; else [`RecordHandle::resumed`] has to be
    /// told before anything else is asked.
    ///
    /// # Errors
    /// If the file cannot be written; if it is damaged, or the log of another device.
    pub fn open(
        inner: Box<dyn Device>,
        path: &Path,
        (run, device): (&str, &str),
        level: Level,
        fresh: bool,
    ) -> std::result::Result<Recorder, LogError> {
        let header = Header { device: device.into(), run: run.into(), blackbeam: env!("CARGO_PKG_VERSION").into() };
        let (file, chain, next, cut) = opened(path, &header)?;
        let (queue, writer) = Queue::start(file, path.to_owned(), chain, next).map_err(LogError::io(path))?;
        let log = RecordHandle { queue, level, clock: Clock::new() };
        let descriptor = inner.descriptor();
        let recorder = Recorder { inner, descriptor, log, writer: Some(writer) };
        let begun = recorder.begin(cut, fresh && next > 0);
        begun
            .map_err(|error| LogError::Io { path: path.to_owned(), error: std::io::Error::other(error.to_string()) })?;
        Ok(recorder)
    }

    /// A log in an empty file.
    #[cfg(test)]
    pub(crate) fn on(inner: Box<dyn Device>, file: File, path: &Path) -> Result<Recorder> {
        let (queue, writer) = Queue::start(file, path.to_owned(), Chain([0; crate::chain::HASH]), 0)
            .map_err(|error| PluginError::new(Code::IO, error.to_string()))?;
        let log = RecordHandle { queue, level: Level::Full, clock: Clock::new() };
        let recorder = Recorder { descriptor: inner.descriptor(), inner, log, writer: Some(writer) };
        recorder.begin(0, false).map(|()| recorder)
    }

    fn begin(&self, cut: u64, anew: bool) -> Result<()> {
        let mut entry = self.log.begin(Kind::Open, &[], (0, 0));
        let mut parts = Parts(&mut entry.bytes);
        parts.text("level", self.log.level.name());
        parts.text("blackbeam", env!("CARGO_PKG_VERSION"));
        parts.number("bytes cut off", cut);
        self.log.answered(entry, Ok(|out: &mut Vec<u8>| request::put_descriptor(out, &self.descriptor)))?;
        if anew { self.log.resumed(Some(0)) } else { Ok(()) }
    }

    /// The log, for checkpoints.
    pub fn handle(&self) -> RecordHandle {
        self.log.clone()
    }
}

/// A log to append to: the file at its end, the chain there, the index of the next entry, and how many bytes of an entry that
/// was not whole were cut off.
fn opened(path: &Path, header: &Header) -> std::result::Result<(File, Chain, u64, u64), LogError> {
    let at = || LogError::io(path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(at())?;
    }
    let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path).map_err(at())?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(LogError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => return Err(LogError::Io { path: path.to_owned(), error }),
    }
    let front = header.bytes();
    let size = file.metadata().map_err(at())?.len();
    if size < front.len() as u64 && begins_like(&file, &front).map_err(at())? {
        // New, or its process was killed before it was one.
        file.set_len(0).map_err(at())?;
        (&file).seek(SeekFrom::Start(0)).map_err(at())?;
        (&file).write_all(&front).map_err(at())?;
        let mut chain = [0; crate::chain::HASH];
        chain.copy_from_slice(&front[front.len() - crate::chain::HASH..]);
        return Ok((file, Chain(chain), 0, 0));
    }
    let log = Log::of(file, path)?;
    let words = |h: &Header| format!("device `{}` of run `{}`", h.device, h.run);
    if (&log.header().device, &log.header().run) != (&header.device, &header.run) {
        return Err(LogError::Other { path: path.to_owned(), found: words(log.header()), expected: words(header) });
    }
    let cut = if let Tail::Cut(bytes) = log.tail() { bytes } else { 0 };
    let (end, chain, next) = (log.end, log.chain, log.len());
    let mut file = log.into_file();
    file.set_len(end).map_err(at())?;
    file.seek(SeekFrom::Start(end)).map_err(at())?;
    Ok((file, chain, next, cut))
}

fn begins_like(mut file: &File, front: &[u8]) -> std::io::Result<bool> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut file, &mut bytes)?;
    Ok(front.starts_with(&bytes))
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let entry = self.log.begin(Kind::Close, &[], (0, 0));
        // What cannot be written was said by the last call, or by the last checkpoint.
        let _ = self.log.answered(entry, Ok(|_: &mut Vec<u8>| {}));
        self.log.queue.close();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl Device for Recorder {
    fn descriptor(&self) -> Descriptor {
        self.descriptor.clone()
    }

    fn write_params(&mut self, params: &[f64], call: &Call) -> Result<Applied> {
        let inner = &mut self.inner;
        self.log.call(
            (Kind::WriteParams, &[*call], (0, 1)),
            |out| request::write_params(out, params),
            || inner.write_params(params, call),
            |applied, out| request::put_applied(out, std::slice::from_ref(applied)),
        )
    }

    fn query(&mut self, x: ArrayView<'_>, mut y: ArrayViewMut<'_>, call: &Call) -> Result<()> {
        let inner = &mut self.inner;
        let y = std::cell::RefCell::new(Filled::new(&mut y)?);
        self.log.call(
            (Kind::Query, &[*call], (x.dim(0), 1)),
            |out| request::query(out, ("x", x), ("y", &y.borrow())),
            || inner.query(x, y.borrow_mut().view(), call),
            |(), out| y.borrow().put(&mut Parts(out), "y"),
        )
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
        let inner = &mut self.inner;
        let y = std::cell::RefCell::new(Filled::new(&mut y)?);
        let several = Several { bases, sets, x, want_applied };
        self.log.call(
            (Kind::QuerySets, calls, (x.dim(0), sets.len())),
            |out| request::query_sets(out, &several, &y.borrow()),
            || inner.query_sets(bases, sets, calls, x, y.borrow_mut().view(), want_applied),
            |applied, out| {
                y.borrow().put(&mut Parts(out), "y");
                request::put_applied(out, applied);
            },
        )
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
        let inner = &mut self.inner;
        let scalars = std::cell::RefCell::new(scalars);
        let several = Several { bases, sets, x, want_applied };
        self.log.call(
            (Kind::QueryScalars, calls, (x.dim(0), sets.len())),
            |out| request::query_scalars(out, &several, cotangent, scalars.borrow().len()),
            || inner.query_scalars(bases, sets, calls, x, cotangent, &mut scalars.borrow_mut(), want_applied),
            |applied, out| {
                Parts(out).f64s("scalar", &scalars.borrow());
                request::put_applied(out, applied);
            },
        )
    }

    fn query_backward(&mut self, y: ArrayView<'_>, mut x: ArrayViewMut<'_>, call: &Call) -> Result<()> {
        let inner = &mut self.inner;
        let x = std::cell::RefCell::new(Filled::new(&mut x)?);
        self.log.call(
            (Kind::QueryBackward, &[*call], (y.dim(0), 1)),
            |out| request::query(out, ("y", y), ("x", &x.borrow())),
            || inner.query_backward(y, x.borrow_mut().view(), call),
            |(), out| x.borrow().put(&mut Parts(out), "x"),
        )
    }

    fn read_matrix(&mut self, call: &Call) -> Result<Matrix> {
        let inner = &mut self.inner;
        let key = (Kind::ReadMatrix, &[*call][..], (0, 1));
        self.log.call(key, |_| {}, || inner.read_matrix(call), |m, out| request::put_matrix(out, m))
    }

    fn exact_vjp(
        &mut self,
        x: ArrayView<'_>,
        dy: ArrayView<'_>,
        mut dx: ArrayViewMut<'_>,
        dparams: &mut [f64],
        call: &Call,
    ) -> Result<()> {
        let inner = &mut self.inner;
        let filled = std::cell::RefCell::new((Filled::new(&mut dx)?, dparams));
        self.log.call(
            (Kind::ExactVjp, &[*call], (x.dim(0), 1)),
            |out| request::exact_vjp(out, x, dy, &filled.borrow().0, filled.borrow().1.len()),
            || {
                let (dx, dparams) = &mut *filled.borrow_mut();
                inner.exact_vjp(x, dy, dx.view(), dparams, call)
            },
            |(), out| {
                filled.borrow().0.put(&mut Parts(out), "dx");
                Parts(out).f64s("dparams", filled.borrow().1);
            },
        )
    }

    fn read_params(&mut self) -> Result<Vec<f64>> {
        let inner = &mut self.inner;
        let put = |params: &Vec<f64>, out: &mut Vec<u8>| Parts(out).f64s("parameter", params);
        self.log.call((Kind::ReadParams, &[], (0, 0)), |_| {}, || inner.read_params(), put)
    }

    fn set_full_scale(&mut self, full_scale: f64) -> Result<()> {
        let inner = &mut self.inner;
        let ask = |out: &mut Vec<u8>| Parts(out).f64s("full scale", &[full_scale]);
        self.log.call((Kind::SetFullScale, &[], (0, 0)), ask, || inner.set_full_scale(full_scale), |(), _| {})
    }

    /// The hardware first: it goes to its safe state whatever becomes of the log.
    fn safe_state(&mut self) -> Result<()> {
        let mut entry = self.log.begin(Kind::SafeState, &[], (0, 0));
        let result = self.inner.safe_state();
        entry.head.took_ns = self.log.clock.now() - entry.head.begun_ns;
        self.log.end(&mut entry, result.as_ref().map(|()| |_: &mut Vec<u8>| {}));
        let logged = self.log.queue.push(entry).and_then(|_| self.log.keep());
        result.and(logged)
    }

    fn safe_state_anywhere(&self) -> Option<SafeState> {
        let (inner, log) = (self.inner.safe_state_anywhere()?, self.log.clone());
        Some(Arc::new(move || {
            let mut entry = log.begin(Kind::SafeState, &[], (0, 0));
            let result = inner();
            entry.head.took_ns = log.clock.now() - entry.head.begun_ns;
            log.end(&mut entry, result.as_ref().map(|()| |_: &mut Vec<u8>| {}));
            // Whoever calls this cannot wait; that the log cannot be written is said by the next call.
            let _ = log.queue.push_now(entry);
            result
        }))
    }

    fn health(&mut self) -> Result<Health> {
        let inner = &mut self.inner;
        let key = (Kind::Health, &[][..], (0, 0));
        self.log.call(key, |_| {}, || inner.health(), |health, out| request::put_health(out, health))
    }

    fn calibrate(&mut self) -> Result<()> {
        let inner = &mut self.inner;
        self.log.call((Kind::Calibrate, &[], (0, 0)), |_| {}, || inner.calibrate(), |(), _| {})
    }

    /// With everything so far on the disk: a checkpoint must not know of entries that a crash can take away.
    fn save_state(&self) -> Result<Vec<u8>> {
        let put = |state: &Vec<u8>, out: &mut Vec<u8>| Parts(out).bytes("state", state);
        let state = self.log.call((Kind::SaveState, &[], (0, 0)), |_| {}, || self.inner.save_state(), put)?;
        self.log.keep().map(|()| state)
    }

    fn restore_state(&mut self, state: &[u8]) -> Result<()> {
        let inner = &mut self.inner;
        let ask = |out: &mut Vec<u8>| Parts(out).bytes("state", state);
        self.log.call((Kind::RestoreState, &[], (0, 0)), ask, || inner.restore_state(state), |(), _| {})
    }
}
