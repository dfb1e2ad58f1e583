//! The child process as its parent sees it.

use crate::{
    Spin,
    memory::Memory,
    wait::{Bed, Waited, drain, give_child, poll_one},
};
use rustix::{
    event::PollFlags,
    process::{Pid, Signal, kill_process},
};
use std::{
    io,
    os::{
        fd::AsFd,
        unix::process::{CommandExt, ExitStatusExt},
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tempfile::TempPath;

/// Time that a child has, after it was asked to stop, for the hardware's safe state.
const GRACE: Duration = Duration::from_millis(1500);
/// Time that a process takes to end after its pipes were closed; crashes that are written to disk take long.
const LEAVING: Duration = Duration::from_secs(2);
/// What is kept of what a child prints, bytes.
const WORDS: usize = 2000;

/// A running child.
pub(crate) struct Process {
    child: Child,
    pub memory: Memory,
    /// The file of the memory, until the child has it.
    path: Option<TempPath>,
    to_child: ChildStdin,
    from_child: ChildStdout,
    turn: u32,
    spin: Spin,
    words: Arc<Mutex<Vec<u8>>>,
    listener: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts `program arguments... MEMORY`, a process that runs [`serve`](crate::serve).
    ///
    /// # Errors
    /// If there is no memory to be shared, or no such program.
    pub fn start(program: &Path, arguments: &[String], spin: Spin) -> io::Result<Self> {
        let path = tempfile::Builder::new().prefix("blackbeam-").tempfile_in(folder())?.into_temp_path();
        let memory = Memory::create(&path)?;
        let mut child = Command::new(program)
            .args(arguments)
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A key that interrupts Blackbeam must not interrupt the driver in a call.
            .process_group(0)
            .spawn()?;
        let missing = || io::Error::other("the child has no pipes");
        let to_child = child.stdin.take().ok_or_else(missing)?;
        let from_child = child.stdout.take().ok_or_else(missing)?;
        let heard = child.stderr.take().ok_or_else(missing)?;
        let words = Arc::new(Mutex::new(Vec::new()));
        let kept = words.clone();
        let listener = thread::Builder::new().name("driver's words".into()).spawn(move || {
            drain(heard, |bytes| {
                tracing::debug!("driver: {}", String::from_utf8_lossy(bytes).trim_end());
                let mut words = lock(&kept);
                words.extend_from_slice(bytes);
                let surplus = words.len().saturating_sub(WORDS);
                words.drain(..surplus);
            });
        })?;
        let (path, listener) = (Some(path), Some(listener));
        Ok(Process { child, memory, path, to_child, from_child, turn: 0, spin, words, listener })
    }

    /// Gives the turn to the child and waits until it comes back.
    ///
    /// # Errors
    /// The system's, such as a closed pipe.
    pub fn turn(&mut self, limit: Duration) -> io::Result<Waited> {
        let theirs = self.turn.wrapping_add(1);
        let header = self.memory.header();
        if let Err(error) = give_child(&header.turn, theirs, &header.child_sleeps, &self.to_child) {
            return if error.kind() == io::ErrorKind::BrokenPipe { Ok(Waited::Gone) } else { Err(error) };
        }
        let bed = Bed { turn: &header.turn, sleeps: &header.parent_sleeps, pipe: self.from_child.as_fd() };
        let waited = bed.wait(theirs, Some(limit), &mut self.spin)?;
        let back = header.turn.load(std::sync::atomic::Ordering::SeqCst);
        self.turn = theirs.wrapping_add(1);
        if waited == Waited::Turn && back != self.turn {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the shared memory was overwritten"));
        }
        // From now on it goes when the two processes go.
        self.path = None;
        Ok(waited)
    }

    /// Ends the child: asks it first, so that it puts the hardware in its safe state. Says how it ended, with its last words.
    /// `gone`: it has closed its pipes.
    pub fn end(mut self, gone: bool) -> Ended {
        let asked = Instant::now();
        // Who has closed its pipes is about to end.
        while gone && asked.elapsed() < LEAVING && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(1));
        }
        let running = matches!(self.child.try_wait(), Ok(None));
        if running {
            if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
                // It may be gone already.
                let _ = kill_process(pid, Signal::TERM);
            }
            while let Some(left) = GRACE.checked_sub(asked.elapsed()) {
                let woken = poll_one(self.from_child.as_fd(), Some(left)).unwrap_or(PollFlags::HUP);
                if woken.contains(PollFlags::HUP) {
                    break;
                }
                if woken.contains(PollFlags::IN) {
                    let mut bytes = [0; 16];
                    let _ = rustix::io::read(self.from_child.as_fd(), &mut bytes);
                }
            }
        }
        self.wait(running)
    }

    /// Waits for a child that was told to close.
    pub fn closed(self, limit: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < limit {
            if poll_one(self.from_child.as_fd(), Some(limit)).is_ok_and(|woken| woken.contains(PollFlags::HUP)) {
                break;
            }
        }
        self.wait(true);
    }

    fn wait(mut self, stopped: bool) -> Ended {
        // What is already gone cannot be killed; that is no error.
        let _ = self.child.kill();
        let status = self.child.wait().ok();
        drop(self.from_child);
        if let Some(listener) = self.listener.take() {
            // A driver may have given its standard error to a process that lives on: its words are not waited for.
            let begun = Instant::now();
            while !listener.is_finished() && begun.elapsed() < Duration::from_millis(200) {
                thread::sleep(Duration::from_millis(1));
            }
        }
        let words = String::from_utf8_lossy(&lock(&self.words)).trim().to_owned();
        Ended { status, stopped, words }
    }
}

/// How a child ended.
pub(crate) struct Ended {
    status: Option<ExitStatus>,
    /// It was this side that ended it.
    stopped: bool,
    words: String,
}

impl Ended {
    /// For a person: how, and its last words.
    pub fn told(&self) -> String {
        let how = match self.status {
            _ if self.stopped => "was stopped".to_owned(),
            None => "is gone".to_owned(),
            Some(status) => match (status.signal(), status.code()) {
                (Some(signal), _) => format!("was killed by signal {signal}{}", name(signal)),
                (None, code) => format!("exited with code {}", code.unwrap_or(-1)),
            },
        };
        let words = if self.words.is_empty() {
            "it said nothing".to_owned()
        } else {
            format!("its last words: {}", self.words.replace('\n', " | "))
        };
        format!("{how}; {words}")
    }
}

/// What signals that end drivers are called.
fn name(signal: i32) -> &'static str {
    const NAMES: [(Signal, &str); 8] = [
        (Signal::ABORT, " (abort)"),
        (Signal::BUS, " (bus error)"),
        (Signal::FPE, " (arithmetic error)"),
        (Signal::ILL, " (illegal instruction)"),
        (Signal::KILL, " (killed)"),
        (Signal::SEGV, " (segmentation fault)"),
        (Signal::TERM, " (terminated)"),
        (Signal::TRAP, " (trap)"),
    ];
    NAMES.iter().find(|(known, _)| known.as_raw() == signal).map_or("", |(_, name)| name)
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held.
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where files lie that are only memory, if there is such a place.
fn folder() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}
