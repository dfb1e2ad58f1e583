//! A device that answers from a log.

use crate::{
    LogError,
    entry::{Body, Entry, Kind, words},
    log::{Log, Tail},
    parts::{Part, Parts, difference, find, parts},
    request::{self, Filled, Several, copy},
};
use blackbeam_plugin::{
    Applied, ArrayView, ArrayViewMut, Call, Code, Descriptor, Device, Health, Matrix, ParameterSet, PluginError, Result,
};
use blackbeam_wire::Result as Read;
use std::path::Path;

/// What the error begins with that a replay gives when it is asked more than its log holds.
pub const END_OF_LOG: &str = "the log has ended";

/// What a replay's state begins with.
const STATE: &[u8; 8] = b"replayed";

/// The device that a log of level `full` holds.
///
/// It gives the recorded answers, and the recorded errors, in their order, as long as it is asked what was recorded: the same calls
/// with the same identities and the same bits. Four calls are apart from that order because they change nothing of what is
/// answered later: `safe_state` and `save_state` are always granted, `restore_state` goes back to where `save_state` was called,
/// and `health` is the next one recorded if it comes next, else the last. That the device was lost while its state was saved is the
/// error of the next call.
///
/// A run that was resumed asked some things twice, and put the device back to where it was. Of the calls after a checkpoint that
/// were lost nothing is served; of those that begin the resumed process, whatever stands before the first one that is asked
/// is passed over. So a log of a run that was interrupted replays as if it had not been.
pub struct Replay {
    log: Log,
    descriptor: Descriptor,
    /// What is served, in its order.
    order: Vec<Step>,
    /// The next one.
    at: usize,
    health: Option<Health>,
    /// A state was restored, and nothing has been queried since.
    restored: bool,
}

#[derive(Clone, Copy)]
struct Step {
    entry: usize,
    kind: Kind,
    /// The first one that a resumed process asked for.
    resumed: bool,
}

/// The descriptor of the device that a log holds. Reads no more of it than that.
///
/// # Errors
/// As [`Replay::open`].
pub fn descriptor_of(path: &Path) -> std::result::Result<Descriptor, LogError> {
    described(&Log::first(path)?)
}

fn described(log: &Log) -> std::result::Result<Descriptor, LogError> {
    let not_replayable = |why: String| LogError::NotReplayable { path: log.path().to_owned(), why };
    if log.places().first().is_none_or(|place| place.kind != Kind::Open) {
        return Err(not_replayable("it holds nothing".into()));
    }
    match log.entry(0)?.answer {
        Body::Whole(answer) => request::descriptor(&answer).map_err(|why| LogError::damaged(log.path(), 0, why)),
        Body::Hash { .. } => Err(not_replayable("it does not say what the device is".into())),
    }
}

impl Replay {
    /// Reads and checks the whole log.
    ///
    /// # Errors
    /// As [`Log::open`]; `NotReplayable` if entries hold hashes only, or if the beginning of the run is not in it.
    pub fn open(path: &Path) -> std::result::Result<Replay, LogError> {
        Replay::of(Log::open(path)?)
    }

    /// The same of a log that was read.
    ///
    /// # Errors
    /// `NotReplayable`.
    pub fn of(log: Log) -> std::result::Result<Replay, LogError> {
        let descriptor = described(&log)?;
        let order = served(&log).map_err(|why| LogError::NotReplayable { path: log.path().to_owned(), why })?;
        let order = order.into_iter().map(|(entry, resumed)| Step { entry, resumed, kind: log.places()[entry].kind });
        Ok(Replay { descriptor, order: order.collect(), log, at: 0, health: None, restored: false })
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The next call that has to come in its order, if there is one.
    fn next(&self) -> Option<usize> {
        (self.at..self.order.len()).find(|&at| !self.order[at].kind.beside())
    }

    fn entry(&self, at: usize) -> Result<Entry> {
        self.log.entry(self.order[at].entry).map_err(|error| PluginError::new(Code::IO, error.to_string()))
    }

    /// The error of a state that could not be saved before the next call, and that left it unknown what the device held: what was
    /// recorded after it is how that was put right. A replay does not save at the same moments, so that the next call has it.
    fn lost(&mut self) -> Result<()> {
        let next = self.next().unwrap_or(self.order.len());
        for at in (self.at..next).filter(|&at| self.order[at].kind == Kind::SaveState) {
            let entry = self.entry(at)?;
            if !entry.head.failed {
                continue;
            }
            let error = entry.error().map_err(|why| PluginError::new(Code::IO, why))?;
            if !error.state_known || error.code == Code::STATE_LOST {
                self.at = at + 1;
                return Err(error);
            }
        }
        Ok(())
    }

    /// The recorded answer to a request.
    fn answer(&mut self, kind: Kind, calls: &[Call], ask: impl FnOnce(&mut Vec<u8>)) -> Result<Vec<u8>> {
        self.lost()?;
        let mut asked = Vec::new();
        ask(&mut asked);
        let same = |entry: &Entry| {
            let bits = |c: &Call| (c.stream, c.step, c.purpose, c.round, c.set, c.first_row, c.time_s.to_bits());
            let calls_fit = entry.head.calls.iter().map(bits).eq(calls.iter().map(bits));
            entry.head.kind == kind && calls_fit && matches!(&entry.request, Body::Whole(bytes) if *bytes == asked)
        };
        let found = self.next();
        if let Some(at) = found {
            let entry = self.entry(at)?;
            if same(&entry) {
                return self.serve(Some(at), entry);
            }
            if self.order[at].resumed {
                for later in at + 1..self.order.len() {
                    if self.order[later].kind == kind {
                        let entry = self.entry(later)?;
                        if same(&entry) {
                            return self.serve(Some(later), entry);
                        }
                    }
                }
            }
        }
        if self.restored && kind.sets_up() {
            // The device is put back to where it was: what it answered the first time stands further back.
            for earlier in (0..self.at).rev().filter(|&at| self.order[at].kind == kind) {
                let entry = self.entry(earlier)?;
                if same(&entry) {
                    return self.serve(None, entry);
                }
            }
        }
        match found {
            Some(at) => Err(self.differs(at, (kind, calls), &asked)),
            None => Err(self.ended(kind, calls)),
        }
    }

    /// Gives the answer of an entry, and goes on behind its place if it has one.
    fn serve(&mut self, at: Option<usize>, entry: Entry) -> Result<Vec<u8>> {
        if let Some(at) = at {
            self.at = at + 1;
        }
        self.restored &= entry.head.kind.sets_up();
        let broken = |why: String| PluginError::new(Code::IO, format!("{}: {why}", self.log.path().display()));
        if entry.head.failed {
            return Err(entry.error().map_err(broken)?);
        }
        match entry.answer {
            Body::Whole(bytes) => Ok(bytes),
            Body::Hash { .. } => Err(broken("an answer is only a hash".into())),
        }
    }

    /// The same as parts, taken by `take`.
    fn take<R>(
        &mut self,
        kind: Kind,
        calls: &[Call],
        ask: impl FnOnce(&mut Vec<u8>),
        take: impl FnOnce(&[Part]) -> Read<R>,
    ) -> Result<R> {
        let bytes = self.answer(kind, calls, ask)?;
        let taken = parts(&bytes).and_then(|parts| take(&parts));
        taken.map_err(|why| {
            let message =
                format!("{}: the answer to a {} cannot be used: {why}", self.log.path().display(), kind.name());
            PluginError::new(Code::IO, message)
        })
    }

    /// What was recorded is not what is asked.
    fn differs(&self, at: usize, (kind, calls): (Kind, &[Call]), asked: &[u8]) -> PluginError {
        let index = self.order[at].entry;
        let why = match self.entry(at) {
            Err(error) => error.message.to_string(),
            Ok(entry) => difference_of(&entry, (kind, calls), asked),
        };
        let path = self.log.path().display();
        let message = format!(
            "entry {index} of {path} is not what is asked now: {why}. A replay needs the same experiment, the same data and \
             the same version of Blackbeam"
        );
        PluginError::new(Code::FATAL, message)
    }

    fn ended(&self, kind: Kind, calls: &[Call]) -> PluginError {
        let how = if self.log.tail() == Tail::Closed { "" } else { " (the process that wrote it was killed)" };
        let (count, path, asked) = (self.log.len(), self.log.path().display(), words(kind, calls));
        let message = format!("{END_OF_LOG}: {path} holds {count} entries{how}, and a {asked} is asked after the last");
        PluginError::new(Code::FATAL, message)
    }
}

/// How a recorded call differs from the one that is asked, in words.
fn difference_of(entry: &Entry, (kind, calls): (Kind, &[Call]), asked: &[u8]) -> String {
    let recorded = &entry.head.calls;
    if entry.head.kind != kind {
        return format!("a {} was recorded, a {} is asked", entry.head.words(), words(kind, calls));
    }
    if recorded.len() != calls.len() {
        return format!("{}: {} sets were recorded, {} are asked", entry.head.words(), recorded.len(), calls.len());
    }
    for (i, (was, is)) in recorded.iter().zip(calls).enumerate() {
        let set = if calls.len() > 1 { format!(" of call {i}") } else { String::new() };
        let text = |c: &Call| {
            let purpose = c.purpose.name().to_owned();
            let numbers = [c.stream, c.step, u64::from(c.round), u64::from(c.set), c.first_row].map(|n| n.to_string());
            let [stream, step, round, set, first_row] = numbers;
            [stream, step, purpose, round, set, first_row, format!("{:?} s", c.time_s)]
        };
        let names = ["stream", "step", "purpose", "round", "set", "first row", "device time"];
        for ((name, was), is) in names.into_iter().zip(text(was)).zip(text(is)) {
            if was != is {
                return format!("{}: {name}{set}: {was} was recorded, {is} is asked", entry.head.words());
            }
        }
    }
    let Body::Whole(bytes) = &entry.request else { return "only the hash of the request was recorded".into() };
    let found = parts(bytes).and_then(|was| Ok(difference(&was, &parts(asked)?)));
    let found = found.map_or_else(|why| why, |found| found.unwrap_or_else(|| "the bits of the identities".into()));
    format!("{}: {found}", entry.head.words())
}

/// The entries that a run which was never interrupted would have made, with which of them a resumed process began.
fn served(log: &Log) -> std::result::Result<Vec<(usize, bool)>, String> {
    let mut order: Vec<(usize, bool)> = Vec::new();
    let mut resumed = false;
    for (index, place) in log.places().iter().enumerate() {
        match place.kind {
            Kind::Open | Kind::Close => {}
            Kind::Resume if place.from >= index as u64 => {
                return Err(
                    "it begins in the middle of a run: recording was switched on when the run was resumed".into()
                );
            }
            Kind::Resume => {
                let kept = order.partition_point(|(entry, _)| *entry as u64 <= place.from);
                order.truncate(kept);
                resumed = kept > 0;
            }
            _ => {
                let first = resumed && !place.kind.beside();
                order.push((index, first));
                resumed &= !first;
            }
        }
    }
    let hashed = order.iter().find(|(entry, _)| !log.places()[*entry].whole);
    match hashed {
        None => Ok(order),
        Some((entry, _)) => {
            let name = log.places()[*entry].kind.name();
            Err(format!(
                "of entry {entry} ({name}) it holds the hashes only; `record: full` makes logs that can be replayed"
            ))
        }
    }
}

impl Device for Replay {
    fn descriptor(&self) -> Descriptor {
        self.descriptor.clone()
    }

    fn write_params(&mut self, params: &[f64], call: &Call) -> Result<Applied> {
        let ask = |out: &mut Vec<u8>| request::write_params(out, params);
        self.take(Kind::WriteParams, &[*call], ask, |answer| {
            let applied = request::applied(answer)?;
            applied.into_iter().next().ok_or_else(|| "nothing was applied".into())
        })
    }

    fn query(&mut self, x: ArrayView<'_>, mut y: ArrayViewMut<'_>, call: &Call) -> Result<()> {
        let mut y = Filled::new(&mut y)?;
        let mut asked = Vec::new();
        request::query(&mut asked, ("x", x), ("y", &y));
        self.take(Kind::Query, &[*call], |out| *out = asked, |answer| y.fill(find(answer, "y")?))
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
        let mut y = Filled::new(&mut y)?;
        let mut asked = Vec::new();
        request::query_sets(&mut asked, &Several { bases, sets, x, want_applied }, &y);
        self.take(
            Kind::QuerySets,
            calls,
            |out| *out = asked,
            |answer| {
                y.fill(find(answer, "y")?)?;
                request::applied(answer)
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
        let (several, count) = (Several { bases, sets, x, want_applied }, scalars.len());
        let ask = |out: &mut Vec<u8>| request::query_scalars(out, &several, cotangent, count);
        self.take(Kind::QueryScalars, calls, ask, |answer| {
            copy(find(answer, "scalar")?.f64s()?, scalars, "scalar")?;
            request::applied(answer)
        })
    }

    fn query_backward(&mut self, y: ArrayView<'_>, mut x: ArrayViewMut<'_>, call: &Call) -> Result<()> {
        let mut x = Filled::new(&mut x)?;
        let mut asked = Vec::new();
        request::query(&mut asked, ("y", y), ("x", &x));
        self.take(Kind::QueryBackward, &[*call], |out| *out = asked, |answer| x.fill(find(answer, "x")?))
    }

    fn read_matrix(&mut self, call: &Call) -> Result<Matrix> {
        self.take(Kind::ReadMatrix, &[*call], |_| {}, request::matrix)
    }

    fn exact_vjp(
        &mut self,
        x: ArrayView<'_>,
        dy: ArrayView<'_>,
        mut dx: ArrayViewMut<'_>,
        dparams: &mut [f64],
        call: &Call,
    ) -> Result<()> {
        let mut dx = Filled::new(&mut dx)?;
        let mut asked = Vec::new();
        request::exact_vjp(&mut asked, x, dy, &dx, dparams.len());
        self.take(
            Kind::ExactVjp,
            &[*call],
            |out| *out = asked,
            |answer| {
                dx.fill(find(answer, "dx")?)?;
                copy(find(answer, "dparams")?.f64s()?, dparams, "dparams")
            },
        )
    }

    fn read_params(&mut self) -> Result<Vec<f64>> {
        self.take(Kind::ReadParams, &[], |_| {}, |answer| Ok(find(answer, "parameter")?.f64s()?.to_vec()))
    }

    fn set_full_scale(&mut self, full_scale: f64) -> Result<()> {
        let ask = |out: &mut Vec<u8>| Parts(out).f64s("full scale", &[full_scale]);
        self.take(Kind::SetFullScale, &[], ask, |_| Ok(()))
    }

    fn health(&mut self) -> Result<Health> {
        let next = self.next().unwrap_or(self.order.len());
        let Some(at) = (self.at..next).find(|&at| self.order[at].kind == Kind::Health) else {
            return Ok(self.health.clone().unwrap_or_default());
        };
        let (entry, restored) = (self.entry(at)?, self.restored);
        let answer = self.serve(Some(at), entry);
        self.restored = restored;
        let health = parts(&answer?).and_then(|parts| request::health(&parts));
        let health =
            health.map_err(|why| PluginError::new(Code::IO, format!("{}: {why}", self.log.path().display())))?;
        self.health = Some(health.clone());
        Ok(health)
    }

    fn calibrate(&mut self) -> Result<()> {
        self.take(Kind::Calibrate, &[], |_| {}, |_| Ok(()))
    }

    /// Where it is in its log.
    fn save_state(&self) -> Result<Vec<u8>> {
        Ok([&STATE[..], &(self.at as u64).to_le_bytes()].concat())
    }

    fn restore_state(&mut self, state: &[u8]) -> Result<()> {
        let at = state.strip_prefix(STATE).and_then(|at| at.try_into().ok()).map(u64::from_le_bytes);
        let at = at.and_then(|at| usize::try_from(at).ok()).filter(|&at| at <= self.order.len());
        let bad = "this is no place in the log: the checkpoint was made with another device, or with another log";
        self.at = at.ok_or_else(|| PluginError::new(Code::BAD_STATE, bad))?;
        self.restored = true;
        Ok(())
    }
}
