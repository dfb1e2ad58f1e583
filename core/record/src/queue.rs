//! The thread that writes a log, and the bounded queue before it.

use crate::{
    chain::Chain,
    entry::{Head, put_body, put_head},
};
use blackbeam_plugin::{Code, PluginError};
use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufWriter, Write},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

/// Bytes that may wait to be written: calls of the device wait beyond that.
const MOST_WAITING: usize = 32 << 20;
/// Buffers that are kept for the next entries, and the most that each may hold.
const SPARE: usize = 8;
const SPARE_BYTES: usize = 4 << 20;
/// Bytes that are written at once.
const AT_ONCE: usize = 1 << 20;

/// An entry on its way to the file.
pub(crate) struct Pending {
    pub head: Head,
    /// The request, then the answer.
    pub bytes: Vec<u8>,
    /// Bytes of the request.
    pub request: usize,
    /// Requests and answers are to be written, not their hashes.
    pub whole: bool,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Pending>,
    /// Bytes of what waits and of what is being written.
    bytes: usize,
    /// Index of the next entry.
    next: u64,
    /// Entries that are in the file.
    written: u64,
    /// The same, after the last time that the system was told to keep them.
    kept: u64,
    spare: Vec<Vec<u8>>,
    failed: Option<String>,
    /// Somebody waits until everything is kept.
    keep: bool,
    closing: bool,
}

/// What the recorder and the writing thread share.
pub(crate) struct Queue {
    path: PathBuf,
    state: Mutex<State>,
    filled: Condvar,
    done: Condvar,
}

impl Queue {
    /// Starts a thread that appends to `file`, which ends after entry `next - 1`.
    pub fn start(file: File, path: PathBuf, chain: Chain, next: u64) -> io::Result<(Arc<Queue>, JoinHandle<()>)> {
        let state = State { next, written: next, kept: next, ..State::default() };
        let (filled, done) = (Condvar::new(), Condvar::new());
        let queue = Arc::new(Queue { path, state: Mutex::new(state), filled, done });
        let shared = queue.clone();
        let thread = std::thread::Builder::new().name("record".into()).spawn(move || shared.write(file, chain))?;
        Ok((queue, thread))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Index of the next entry.
    pub fn next(&self) -> u64 {
        self.state().next
    }

    /// A buffer for an entry.
    pub fn buffer(&self) -> Vec<u8> {
        let mut buffer = self.state().spare.pop().unwrap_or_default();
        buffer.clear();
        buffer
    }

    /// An error if something could not be written.
    pub fn usable(&self) -> Result<(), PluginError> {
        self.state().failed.as_deref().map_or(Ok(()), |why| Err(self.error(why)))
    }

    /// Hands an entry over; waits while too much waits already. Returns its index.
    pub fn push(&self, pending: Pending) -> Result<u64, PluginError> {
        let mut state = self.state();
        while state.bytes > MOST_WAITING && state.failed.is_none() {
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        self.put(state, pending)
    }

    /// The same without waiting, whatever waits already.
    pub fn push_now(&self, pending: Pending) -> Result<u64, PluginError> {
        self.put(self.state(), pending)
    }

    fn put(&self, mut state: MutexGuard<'_, State>, pending: Pending) -> Result<u64, PluginError> {
        if let Some(why) = &state.failed {
            return Err(self.error(why));
        }
        state.bytes += pending.bytes.len();
        state.waiting.push_back(pending);
        state.next += 1;
        self.filled.notify_one();
        Ok(state.next - 1)
    }

    /// Returns once everything handed over is on the disk.
    pub fn keep(&self) -> Result<(), PluginError> {
        let mut state = self.state();
        let wanted = state.next;
        while state.kept < wanted {
            if let Some(why) = &state.failed {
                return Err(self.error(why));
            }
            state.keep = true;
            self.filled.notify_one();
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Lets the thread end after what waits.
    pub fn close(&self) {
        self.state().closing = true;
        self.filled.notify_one();
    }

    fn error(&self, why: &str) -> PluginError {
        let path = self.path.display();
        let message = format!(
            "the log {path} cannot be written ({why}), and nothing may be done that is not in it: make room, then resume \
             from the last checkpoint"
        );
        PluginError::new(Code::IO, message)
    }

    /// The thread.
    fn write(&self, file: File, chain: Chain) {
        let mut writer = Writer { file: BufWriter::with_capacity(AT_ONCE, file), chain, entry: Vec::new() };
        let mut batch = VecDeque::new();
        loop {
            let mut state = self.state();
            while state.waiting.is_empty() && !state.closing && !state.keep {
                state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::swap(&mut state.waiting, &mut batch);
            let (keep, ends) = (std::mem::take(&mut state.keep), state.closing && batch.is_empty());
            drop(state);
            let count = batch.len() as u64;
            let written =
                batch.iter().try_for_each(|pending| writer.put(pending)).and_then(|()| writer.flush(keep || ends));
            let mut state = self.state();
            match written {
                Ok(()) => {
                    state.written += count;
                    state.kept = if keep || ends { state.written } else { state.kept };
                }
                Err(error) => state.failed = Some(error.to_string()),
            }
            for pending in batch.drain(..) {
                state.bytes -= pending.bytes.len();
                if state.spare.len() < SPARE && pending.bytes.capacity() <= SPARE_BYTES {
                    state.spare.push(pending.bytes);
                }
            }
            self.done.notify_all();
            if ends || state.failed.is_some() {
                return;
            }
        }
    }
}

struct Writer {
    file: BufWriter<File>,
    chain: Chain,
    entry: Vec<u8>,
}

impl Writer {
    fn put(&mut self, pending: &Pending) -> io::Result<()> {
        let (request, answer) = pending.bytes.split_at(pending.request);
        self.entry.clear();
        put_head(&mut self.entry, &pending.head);
        put_body(&mut self.entry, request, pending.whole);
        // An error is what a log is read for.
        put_body(&mut self.entry, answer, pending.whole || pending.head.failed);
        self.file.write_all(&self.chain.front(self.entry.len() as u64))?;
        self.file.write_all(&self.entry)?;
        self.chain = self.chain.after(&self.entry);
        self.file.write_all(&self.chain.0)
    }

    /// Gives everything to the system, which then has it if this process is killed; with `keep`, to the disk.
    fn flush(&mut self, keep: bool) -> io::Result<()> {
        self.file.flush()?;
        if keep { self.file.get_ref().sync_data() } else { Ok(()) }
    }
}
