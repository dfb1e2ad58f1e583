//! Devices in a process of their own: what a driver does wrong (a crash, a hang, an exit, memory written to that is not its own) stays
//! an error of one call.
//!
//! [`Isolated`] is a [`Device`](blackbeam_plugin::Device) whose calls are answered by a child process, which runs [`serve`]. The two
//! share a file of memory: requests and answers, with their arrays, lie in it, and whose turn it is says one number. Who waits looks
//! at that number for a short while if answers have come fast lately, and then sleeps at a pipe; the pipes also tell each side at
//! once that the other is gone.
//!
//! A child that has crashed, or that was stopped because it did not answer in time, is started anew by the next call, and the device
//! is opened again. The failed call says `retryable` and that the state is unknown, so that the session programs the device and asks
//! again.
//!
//! The child puts the hardware in its safe state when its parent is gone, however that ended, and when it is asked to stop (SIGTERM).

mod channel;
mod child;
mod memory;
mod message;
mod parent;
mod process;
mod wait;

pub use child::serve;
pub use message::OpenRequest;
pub use parent::{Isolated, Options};
pub use wait::Spin;

/// Version of what the two processes say to each other; they are of the same program.
const PROTOCOL: u64 = 2;
