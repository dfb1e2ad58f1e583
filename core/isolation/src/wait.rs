//! Waiting for the other side: looking for a bounded while, then sleeping.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    io::{self, Read},
    os::fd::{AsFd, BorrowedFd},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

/// How long who waits looks before it sleeps.
///
/// Looking is worth its while only when what is waited for mostly comes soon: waits are averaged, and where the average is longer
/// than the limit, nobody looks. In between other threads are let through at every look, so that a core is never kept from work.
#[derive(Clone, Copy, Debug)]
pub struct Spin {
    limit: Duration,
    /// Running mean of the waits, seconds.
    mean: f64,
}

/// Part by which the newest wait counts.
const RATE: f64 = 0.125;
/// The longest wait that counts: after a pause it takes a few short waits, and not hundreds, until it is worth looking again.
const COUNTED: f64 = 4.0;

impl Spin {
    /// Looks for at most `limit`; zero sleeps at once.
    pub fn new(limit: Duration) -> Self {
        // With one processor the other side cannot get on while this one looks.
        let alone = thread::available_parallelism().is_ok_and(|n| n.get() == 1);
        let limit = if alone { Duration::ZERO } else { limit };
        Spin { limit, mean: limit.as_secs_f64() }
    }

    /// How long to look now.
    fn now(&self) -> Duration {
        if self.mean <= self.limit.as_secs_f64() { self.limit } else { Duration::ZERO }
    }

    fn waited(&mut self, wait: Duration) {
        let limit = self.limit.as_secs_f64();
        self.mean += RATE * (wait.as_secs_f64().min(COUNTED * limit) - self.mean);
    }
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// It is this side's turn.
    Turn,
    /// The other side is gone.
    Gone,
    /// Not within the time.
    Late,
}

/// Where a side sleeps, and how the other wakes it.
pub(crate) struct Bed<'a> {
    /// Whose turn it is.
    pub turn: &'a AtomicU32,
    /// Says that this side sleeps.
    pub sleeps: &'a AtomicU32,
    /// The pipe that wakes it, and that tells when the other side is gone.
    pub pipe: BorrowedFd<'a>,
}

impl Bed<'_> {
    /// Waits until the turn is no longer `theirs`.
    ///
    /// # Errors
    /// The system's.
    pub fn wait(&self, theirs: u32, limit: Option<Duration>, spin: &mut Spin) -> io::Result<Waited> {
        let begun = Instant::now();
        let waited = self.look(theirs, begun, spin.now()) || {
            match self.sleep(theirs, begun, limit)? {
                Waited::Turn => true,
                other => return Ok(other),
            }
        };
        debug_assert!(waited, "sleep says so otherwise");
        spin.waited(begun.elapsed());
        Ok(Waited::Turn)
    }

    fn look(&self, theirs: u32, begun: Instant, limit: Duration) -> bool {
        if limit.is_zero() {
            return self.turn.load(Ordering::SeqCst) != theirs;
        }
        loop {
            for _ in 0..64 {
                if self.turn.load(Ordering::Acquire) != theirs {
                    return true;
                }
                std::hint::spin_loop();
            }
            if begun.elapsed() >= limit {
                return false;
            }
            thread::yield_now();
        }
    }

    fn sleep(&self, theirs: u32, begun: Instant, limit: Option<Duration>) -> io::Result<Waited> {
        loop {
            // First say it, then look once more: the other side gives the turn first and looks at this afterwards.
            self.sleeps.store(1, Ordering::SeqCst);
            if self.turn.load(Ordering::SeqCst) != theirs {
                self.sleeps.store(0, Ordering::SeqCst);
                return Ok(Waited::Turn);
            }
            let Some(limit) = limit else {
                if self.rest(theirs)? {
                    continue;
                }
                return Ok(self.gone(theirs));
            };
            let Some(left) = limit.checked_sub(begun.elapsed()) else { return Ok(Waited::Late) };
            let woken = poll_one(self.pipe, Some(left))?;
            if woken.contains(PollFlags::IN) {
                self.doze()?;
            } else if woken.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
                return Ok(self.gone(theirs));
            }
        }
    }

    /// Sleeps until the other side wakes this one, which takes back that it sleeps; a byte from before is a waking in vain. False if
    /// the other side is gone.
    fn doze(&self) -> io::Result<bool> {
        let mut bytes = [0; 16];
        match rustix::io::read(self.pipe, &mut bytes) {
            Ok(count) => Ok(count > 0),
            Err(rustix::io::Errno::INTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Sleeps without a limit: for the child, whose parent's end is seen by another thread. False if the other side is gone.
    #[cfg(target_os = "linux")]
    fn rest(&self, theirs: u32) -> io::Result<bool> {
        match rustix::thread::futex::wait(self.turn, rustix::thread::futex::Flags::empty(), theirs, None) {
            Ok(()) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn rest(&self, _: u32) -> io::Result<bool> {
        self.doze()
    }

    /// The other side may have answered before it went.
    fn gone(&self, theirs: u32) -> Waited {
        if self.turn.load(Ordering::SeqCst) != theirs { Waited::Turn } else { Waited::Gone }
    }
}

/// Polls one descriptor for something to read; an empty set if nothing came in time.
pub(crate) fn poll_one(fd: BorrowedFd<'_>, limit: Option<Duration>) -> io::Result<PollFlags> {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    match poll(&mut fds, limit.as_ref()) {
        Ok(_) => Ok(fds[0].revents()),
        Err(rustix::io::Errno::INTR) => Ok(PollFlags::empty()),
        Err(error) => Err(error.into()),
    }
}

/// Gives the turn to the child, and wakes it where it sleeps.
pub(crate) fn give_child(turn: &AtomicU32, to: u32, sleeps: &AtomicU32, pipe: impl AsFd) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let _ = pipe;
        turn.store(to, Ordering::SeqCst);
        if sleeps.swap(0, Ordering::SeqCst) != 0 {
            rustix::thread::futex::wake(turn, rustix::thread::futex::Flags::empty(), 1)?;
        }
        Ok(())
    }
    #[cfg(not(target_os = "linux"))]
    give(turn, to, sleeps, pipe)
}

/// Gives the turn to the other side, and wakes it by its pipe where it sleeps.
pub(crate) fn give(turn: &AtomicU32, to: u32, sleeps: &AtomicU32, pipe: impl AsFd) -> io::Result<()> {
    turn.store(to, Ordering::SeqCst);
    if sleeps.swap(0, Ordering::SeqCst) != 0 {
        rustix::io::write(pipe, &[1])?;
    }
    Ok(())
}

/// Reads whatever a pipe has to say until it ends; for threads that keep it.
pub(crate) fn drain(mut from: impl Read, mut each: impl FnMut(&[u8])) {
    let mut bytes = [0; 4096];
    loop {
        match from.read(&mut bytes) {
            Ok(0) => return,
            Ok(n) => each(&bytes[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_gives_way_to_sleep_and_comes_back() {
        let mut spin = Spin { limit: Duration::from_micros(50), mean: 50e-6 };
        let long = Duration::from_millis(20);
        let slept = (0..100).position(|_| {
            spin.waited(long);
            spin.now().is_zero()
        });
        assert_eq!(slept, Some(0));
        (0..1000).for_each(|_| spin.waited(long));
        let short = Duration::from_micros(5);
        let back = (0..100).position(|_| {
            spin.waited(short);
            !spin.now().is_zero()
        });
        assert!(back.is_some_and(|n| n < 16), "{back:?}");
        assert!(Spin::new(Duration::ZERO).now().is_zero());
    }
}
