//! `blackbeam serve-device`: a described device as an instrument that speaks a line protocol (docs/scpi-protocol.md).

mod faults;
mod instrument;
mod message;

pub use faults::Fault;

use crate::{Failure, args::ServeArgs, circuit, print, say};
use instrument::{Failed, Instrument, Reply, Session};
use message::quoted;
use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// Entries that an error queue holds.
const QUEUE: usize = 32;

/// Runs the command: until it is stopped from outside.
pub fn run(args: &ServeArgs) -> Result<(), Failure> {
    let file = &args.device.file;
    let described = circuit::read(file, &args.device.reading)?;
    let instrument = Instrument::new(described, args.threads, args.clamp, args.fault.clone());
    let instrument = instrument.map_err(|e| Failure::Input(format!("{}: {}", file.display(), e.message)))?;
    let name = instrument.descriptor().name.to_string();
    let shared = Arc::new(Mutex::new(instrument));
    let latency = Duration::from_secs_f64(args.latency);
    if let Some(path) = &args.serial {
        return serve_line(path, args.baud, &name, &shared, latency);
    }
    let failed = |e: io::Error| Failure::Run(format!("cannot listen on {}: {e}", args.listen));
    let listener = TcpListener::bind(&args.listen).map_err(failed)?;
    print(&format!("serving `{name}` on {}\n", listener.local_addr().map_err(failed)?))?;
    for (id, stream) in (1..).zip(listener.incoming()) {
        let (shared, stream) = (Arc::clone(&shared), stream.map_err(failed)?);
        thread::spawn(move || {
            // A connection that breaks is the client's affair.
            let _ = serve_stream(&stream, id, &shared, latency);
        });
    }
    Ok(())
}

fn serve_stream(stream: &TcpStream, id: u64, shared: &Mutex<Instrument>, latency: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    serve(stream, stream, id, shared, latency)
}

/// On a serial line there is one client at most, and a connection that is cut begins anew.
fn serve_line(
    path: &Path,
    baud: u32,
    name: &str,
    shared: &Mutex<Instrument>,
    latency: Duration,
) -> Result<(), Failure> {
    let failed = |e: io::Error| Failure::Run(format!("{}: {e}", path.display()));
    let which = if cfg!(target_os = "macos") { "-f" } else { "-F" };
    let set =
        Command::new("stty").arg(which).arg(path).args([&baud.to_string(), "raw", "-echo"]).output().map_err(failed)?;
    if !set.status.success() {
        let why = String::from_utf8_lossy(&set.stderr);
        return Err(Failure::Run(format!("{} cannot be set up as a serial line: {}", path.display(), why.trim())));
    }
    let line = File::options().read(true).write(true).open(path).map_err(failed)?;
    print(&format!("serving `{name}` on {}\n", path.display()))?;
    for id in 1.. {
        match serve(&line, &line, id, shared, latency) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(e) => say(&format!("warning: {}: {e}", path.display())),
        }
    }
    Ok(())
}

/// Answers one client until it leaves.
fn serve(
    from: impl Read,
    mut to: impl Write,
    id: u64,
    shared: &Mutex<Instrument>,
    latency: Duration,
) -> io::Result<()> {
    // A panic in another connection has been told; the instrument is what it is.
    let lock = || shared.lock().unwrap_or_else(PoisonError::into_inner);
    let mut from = BufReader::new(from);
    let mut session = Session { id, ..Session::default() };
    let mut errors: VecDeque<Failed> = VecDeque::new();
    let born = lock().boot_id();
    let outcome = loop {
        let message = match message::read(&mut from) {
            Ok(Some(message)) => message,
            Ok(None) => break Ok(()),
            Err(e) => break Err(e),
        };
        if message.header.is_empty() {
            continue;
        }
        thread::sleep(latency);
        let query = message.header.ends_with('?');
        let mut answer = if message::is(&message.header, "SYSTem:ERRor?") {
            next_error(&mut errors)
        } else if message::is(&message.header, "*CLS") {
            errors.clear();
            continue;
        } else {
            let mut instrument = lock();
            if instrument.boot_id() != born {
                // The power was off while this connection was there.
                break Err(io::ErrorKind::ConnectionAborted.into());
            }
            match instrument.answer(&mut session, &message) {
                Reply::Done => continue,
                Reply::Answer(answer) => answer,
                Reply::Failed(failed) => {
                    note(&mut errors, failed);
                    if !query {
                        continue;
                    }
                    // What is asked is answered, if only by an empty line: nobody has to wait for a time-out.
                    Vec::new()
                }
                Reply::Cut => break Err(io::ErrorKind::ConnectionAborted.into()),
                Reply::Silence => {
                    drop(instrument);
                    break swallow(&mut from);
                }
            }
        };
        answer.push(b'\n');
        if let Err(e) = to.write_all(&answer).and_then(|()| to.flush()) {
            break Err(e);
        }
    };
    lock().left(&session);
    outcome
}

/// Takes what comes and says nothing.
fn swallow(from: &mut impl Read) -> io::Result<()> {
    io::copy(from, &mut io::sink()).map(drop)
}

fn note(errors: &mut VecDeque<Failed>, failed: Failed) {
    if errors.len() < QUEUE {
        errors.push_back(failed);
    } else if let Some(last) = errors.back_mut() {
        *last = Failed::new(-350, "Queue overflow");
    }
}

fn next_error(errors: &mut VecDeque<Failed>) -> Vec<u8> {
    let failed = errors.pop_front().unwrap_or_else(|| Failed::new(0, "No error"));
    format!("{},{}", failed.number, quoted(&failed.message)).into_bytes()
}
