//! Checks run in a thread of their own, so that a call that never comes back, and a person who has seen enough, are noticed.

use crate::{
    bench::{Bench, Options},
    checks,
    report::{Finding, Outcome, Report},
};
use blackbeam_plugin::{DevicePlugin, Plugin, PluginError, SafeState, guard::guard};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

/// How often the watch is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How long a call that is running when somebody asks to stop may take.
const LAST_CALL: Duration = Duration::from_secs(5);
/// How long a safe state may take that is asked for beside a call.
const SAFE: Duration = Duration::from_secs(2);

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// All checks were tried.
    Done,
    /// Somebody asked to stop.
    Stopped,
    /// A call did not come back: what came after it was not tried, and the thread that waits for it is still there.
    Hung,
}

/// What is shared with the thread of the checks.
#[derive(Default)]
pub struct Watch {
    stop: AtomicBool,
    /// Of the device that is open. The lock is held while it is used: until then the device is not closed.
    safe: Mutex<Option<SafeState>>,
    /// The running call, when it began and how long it may take.
    call: Mutex<Option<(&'static str, Instant, Duration)>>,
}

impl Watch {
    /// Asks the checks to stop after the running call, and brings the device into its safe state.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Somebody has asked to stop.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(crate) fn holds(&self, safe: Option<SafeState>) {
        *self.safe.lock().unwrap_or_else(PoisonError::into_inner) = safe;
    }

    pub(crate) fn begins(&self, what: &'static str, may_take: Duration) {
        *self.call.lock().unwrap_or_else(PoisonError::into_inner) = Some((what, Instant::now(), may_take));
    }

    pub(crate) fn ended(&self) {
        *self.call.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The call that takes too long.
    fn hung(&self) -> Option<(&'static str, Duration)> {
        let call = *self.call.lock().unwrap_or_else(PoisonError::into_inner);
        call.filter(|(_, begun, may_take)| begun.elapsed() > *may_take).map(|(what, _, may_take)| (what, may_take))
    }

    /// Asks for the safe state beside a running call, where the device lets it; what came of it.
    fn make_safe(self: &Arc<Self>) -> &'static str {
        let (sender, receiver) = mpsc::channel();
        let watch = Arc::clone(self);
        // In a thread of its own: it may hang as well.
        thread::spawn(move || {
            let safe = watch.safe.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = sender.send(safe.as_ref().map(|safe| safe().is_ok()));
        });
        match receiver.recv_timeout(SAFE) {
            Ok(Some(true)) => "it was brought into its safe state by another thread",
            Ok(Some(false)) => "its safe state was asked for by another thread and failed: look after the hardware",
            Ok(None) => "its safe state cannot be asked for from another thread: look after the hardware",
            Err(_) => "its safe state hung as well: look after the hardware",
        }
    }
}

/// What the thread of the checks says.
pub(crate) enum Said {
    Device(String, String),
    NotOpened(PluginError),
    Found(Finding),
}

/// Opens a device and goes through all checks; `on` is told of each as it ends. The device is left in its safe state and
/// closed.
pub fn run(
    plugin: Box<dyn DevicePlugin>,
    options: Options,
    watch: &Arc<Watch>,
    mut on: impl FnMut(&Finding),
) -> (Report, End) {
    let (sender, receiver) = mpsc::channel();
    let shared = Arc::clone(watch);
    let worker = thread::spawn(move || work(plugin, options, &shared, &sender));
    let mut report = Report::default();
    let mut asked: Option<Instant> = None;
    let end = loop {
        match receiver.recv_timeout(LOOK) {
            Ok(Said::Device(name, firmware)) => report.device = (name, firmware),
            Ok(Said::NotOpened(error)) => report.not_opened = Some(error),
            Ok(Said::Found(finding)) => add(&mut report, finding, &mut on),
            Err(RecvTimeoutError::Disconnected) if watch.stopped() => break End::Stopped,
            Err(RecvTimeoutError::Disconnected) => break End::Done,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if watch.stopped() && asked.is_none() {
            asked = Some(Instant::now());
            watch.make_safe();
        }
        if asked.is_some_and(|since| since.elapsed() > LAST_CALL) {
            break End::Stopped;
        }
        if let Some((what, may_take)) = watch.hung() {
            let (id, safe) = (checks::HUNG, watch.make_safe());
            let outcome = Outcome::fail(
                format!("{what} has not come back after {} s; {safe}", may_take.as_secs_f64()),
                "each call comes back within its time-out",
                "let the driver give up by itself and say TIMEOUT; declare in `timeouts` how long calls may take",
            );
            add(&mut report, Finding { id, outcome, vectors: 0, writes: 0, seconds: may_take.as_secs_f64() }, &mut on);
            break End::Hung;
        }
    };
    if end == End::Done
        && let Err(panic) = worker.join()
    {
        std::panic::resume_unwind(panic);
    }
    (report, end)
}

fn add(report: &mut Report, finding: Finding, on: &mut impl FnMut(&Finding)) {
    report.vectors += finding.vectors;
    report.writes += finding.writes;
    on(&finding);
    report.findings.push(finding);
}

fn work(plugin: Box<dyn DevicePlugin>, options: Options, watch: &Arc<Watch>, to: &Sender<Said>) {
    // Whoever listens may have gone: then nobody wants to know.
    let say = |said: Said| drop(to.send(said));
    let opened = guard(Plugin::Device(plugin)).and_then(|plugin| match plugin {
        Plugin::Device(plugin) => Bench::open(plugin, options, Arc::clone(watch)),
        _ => unreachable!("a device stays a device behind the guard"),
    });
    let mut bench = match opened {
        Ok(bench) => bench,
        Err(error) => {
            let outcome = Outcome::fail(error.to_string(), "a device that opens", "see what the error says");
            say(Said::NotOpened(error));
            say(Said::Found(Finding { id: checks::OPEN, outcome, vectors: 0, writes: 0, seconds: 0.0 }));
            return;
        }
    };
    say(Said::Device(bench.descriptor.name.to_string(), bench.descriptor.firmware.to_string()));
    for check in checks::ALL.iter().flat_map(|group| group.iter()) {
        if watch.stopped() {
            break;
        }
        let (vectors, writes, begun) = (bench.vectors, bench.writes, Instant::now());
        let outcome = checks::one(check, &mut bench);
        if watch.stopped() {
            // It was cut short, which is not the device's fault.
            break;
        }
        say(Said::Found(Finding {
            id: check.id,
            outcome,
            vectors: bench.vectors - vectors,
            writes: bench.writes - writes,
            seconds: begun.elapsed().as_secs_f64(),
        }));
    }
    bench.leave();
}
