//! Devices that fail and come back, as they were or otherwise.

use super::*;
use blackbeam_plugin::Health;
use std::{sync::Mutex, time::Instant};

/// How far what is said of a parameter is from what was applied.
const LIE: f64 = 0.01;

/// What happens in a call instead of its answer.
#[derive(Clone)]
enum Mishap {
    /// Only the error.
    Error(PluginError),
    /// The power goes off and on: parameters and full scale are lost.
    PowerLoss(PluginError),
    /// The same, and it comes back with other outputs: a factor.
    Other(f64),
}

/// What the test sees and sets.
#[derive(Default)]
struct Desk {
    /// Mishaps by the number of the query (or of the write), counted from 0.
    queries: Mutex<Vec<(u64, Mishap)>>,
    writes: Mutex<Vec<(u64, Mishap)>>,
    healths: AtomicU64,
    ranges: AtomicU64,
    calibrations: AtomicU64,
    stale: AtomicBool,
    /// Identities of all writes, with their parameters, and reads.
    history: Mutex<Vec<(Call, Vec<f64>)>>,
    reads: AtomicU64,
    /// Writes of which something else than was applied is said.
    lies: Mutex<std::ops::Range<u64>>,
    /// It reads back what it said.
    reads_lies: AtomicBool,
    /// What outputs are multiplied with from now on.
    gains: Mutex<[f64; D_OUT]>,
}

/// [`Noisy`] with a read-out range, a boot id and mishaps.
struct Mishappy {
    inner: Noisy,
    desk: Arc<Desk>,
    range: f64,
    boot: u64,
    factor: f64,
    counts: [u64; 2],
}

impl Mishappy {
    fn mishap(&mut self, write: bool) -> Option<PluginError> {
        let list = if write { &self.desk.writes } else { &self.desk.queries };
        let count = &mut self.counts[usize::from(write)];
        let at = *count;
        *count += 1;
        let found = list.lock().unwrap().iter().find(|(n, _)| *n == at).map(|(_, m)| m.clone())?;
        let lost = |error: PluginError| error.with_unknown_state();
        let error = match found {
            Mishap::Error(error) => return Some(error),
            Mishap::PowerLoss(error) => lost(error),
            Mishap::Other(factor) => {
                self.factor = factor;
                lost(PluginError::retryable(Code::IO, "the line is dead"))
            }
        };
        (self.inner.write, self.range) = (None, 1.0);
        self.boot += 1;
        Some(error)
    }
}

impl Device for Mishappy {
    fn descriptor(&self) -> Descriptor {
        self.inner.descriptor()
    }

    fn write_params(&mut self, params: &[f64], call: &Call) -> Result<Applied, PluginError> {
        if let Some(error) = self.mishap(true) {
            return Err(error);
        }
        self.desk.history.lock().unwrap().push((*call, params.to_vec()));
        let mut applied = self.inner.write_params(params, call)?;
        if self.desk.lies.lock().unwrap().contains(&(self.counts[1] - 1)) {
            applied.values[1] += LIE;
        }
        Ok(applied)
    }

    fn query(&mut self, x: ArrayView<'_>, mut y: ArrayViewMut<'_>, call: &Call) -> Result<(), PluginError> {
        if let Some(error) = self.mishap(false) {
            return Err(error);
        }
        let shape = y.shape().to_vec();
        let mut answer = vec![0.0; y.len()];
        self.inner.query(x, ArrayViewMut::new(&mut answer, &shape), call)?;
        // The read-out counts in steps of its range.
        let step = self.range / 1024.0;
        let gains = *self.desk.gains.lock().unwrap();
        let read =
            answer.iter().zip(gains.iter().cycle()).map(|(v, gain)| gain * self.factor * (v / step).round() * step);
        y.as_f64()?.iter_mut().zip(read).for_each(|(y, v)| *y = v);
        Ok(())
    }

    fn set_full_scale(&mut self, full_scale: f64) -> Result<(), PluginError> {
        self.desk.ranges.fetch_add(1, Relaxed);
        self.range = full_scale;
        Ok(())
    }

    fn read_params(&mut self) -> Result<Vec<f64>, PluginError> {
        self.desk.reads.fetch_add(1, Relaxed);
        let mut held = if self.inner.write.is_some() { self.inner.params.clone() } else { vec![9.0; D_IN * D_OUT] };
        if self.desk.reads_lies.load(Relaxed) {
            held[1] += LIE;
        }
        Ok(held)
    }

    fn health(&mut self) -> Result<Health, PluginError> {
        self.desk.healths.fetch_add(1, Relaxed);
        let calibration_stale = self.desk.stale.load(Relaxed);
        Ok(Health { boot_id: self.boot, temperature_c: 31.5, calibration_stale, ..Health::default() })
    }

    fn calibrate(&mut self) -> Result<(), PluginError> {
        self.desk.calibrations.fetch_add(1, Relaxed);
        self.desk.stale.store(false, Relaxed);
        self.inner.write = None;
        Ok(())
    }
}

struct Lab {
    session: DeviceSession,
    desk: Arc<Desk>,
    _folder: tempfile::TempDir,
}

const QUICK: RetryRule = RetryRule { attempts: None, first_s: Some(1e-3), most_s: Some(4e-3) };

fn lab(failures: FailureRules, change: impl FnOnce(&mut Descriptor), set: impl FnOnce(&Desk)) -> Lab {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = PhysicalFile::open(&folder.path().join("ledger.jsonl")).unwrap();
    let mut descriptor = descriptor(can::FULL_SCALE | can::READ_PARAMS | can::CALIBRATE, 0);
    change(&mut descriptor);
    let inner = Noisy { params: Vec::new(), write: None, descriptor, log: Arc::default(), fails: None, short: false };
    let desk = Arc::new(Desk::default());
    *desk.gains.lock().unwrap() = [1.0; D_OUT];
    set(&desk);
    let device = Mishappy { inner, desk: desk.clone(), range: 1.0, boot: 1, factor: 1.0, counts: [0; 2] };
    let options = SessionOptions {
        name: "noisy".into(),
        run: "main".into(),
        stream: 7,
        max_batch: 0,
        input: ScaleRule::Calibrated { start: None, rate: 0.1, margin: 1.0 },
        output: OutputRule { start: None, rate: 0.1, margin: 1.2 },
        failures,
    };
    let session = DeviceSession::open(Box::new(device), options, file, Key::new(1)).unwrap();
    Lab { session, desk, _folder: folder }
}

fn quick() -> FailureRules {
    FailureRules { retry: QUICK, ..FailureRules::default() }
}

fn dead() -> PluginError {
    PluginError::retryable(Code::IO, "the line is dead")
}

/// Whatever call the power is lost in: the full scale is sent again, the parameters are written again, what was answered is
/// asked again, and the numbers are those of a run without it.
#[test]
fn a_power_cycle_is_mended_to_the_bit() {
    for bits in [0, structure::DETERMINISTIC] {
        let change = |d: &mut Descriptor| d.structure |= bits;
        let mut reference = lab(quick(), change, |_| {});
        let expected = exercise(&mut reference.session).unwrap();
        for at in [12, 14, 20, 21, 25] {
            for write in [false, true] {
                let mishap = Mishap::PowerLoss(dead());
                let mut lab = lab(quick(), change, |desk| {
                    let list = if write { &desk.writes } else { &desk.queries };
                    list.lock().unwrap().push((if write { at - 10 } else { at }, mishap.clone()));
                });
                assert_eq!(exercise(&mut lab.session).unwrap(), expected, "{at} {write}");
                assert_eq!(lab.session.logical(), reference.session.logical());
                let (more, less) = (lab.session.physical().everything(), reference.session.physical().everything());
                let costs = format!("{at} {write}: {more:?} {less:?}");
                assert!(more.configurations > less.configurations && more.vectors >= less.vectors, "{costs}");
                let ranges = |l: &Lab| l.desk.ranges.load(Relaxed);
                assert!(ranges(&lab) > ranges(&reference));
                let tally = lab.session.tally();
                assert_eq!((tally.retries, tally.failures, tally.boots), (1, 1, 1));
            }
        }
    }
}

/// The last answer is asked again at its own configuration and identity, and the sequence of writes ends as it did.
#[test]
fn what_was_answered_is_asked_again() {
    let mishap = |desk: &Desk| desk.queries.lock().unwrap().push((20, Mishap::PowerLoss(dead())));
    let mut reference = lab(quick(), |_| {}, |_| {});
    exercise(&mut reference.session).unwrap();
    let mut lab = lab(quick(), |_| {}, mishap);
    exercise(&mut lab.session).unwrap();
    let (mut writes, expected) = (lab.desk.history.lock().unwrap().clone(), reference.desk.history.lock().unwrap());
    let split = writes.iter().zip(expected.iter()).take_while(|(a, b)| a == b).count();
    // [.., A, B] and then again: A with its answer, B, and on with what was to come.
    let again = writes.len() - expected.len();
    assert!((1..=2).contains(&again), "{again} more writes");
    let repeated: Vec<_> = writes.drain(split..split + again).collect();
    assert_eq!(repeated[..], expected[split - again..split]);
    assert_eq!(writes[..], expected[..]);
}

#[test]
fn a_device_that_comes_back_as_another_ends_the_run() {
    for (bits, factor, word) in [(0, 1.5, "at most"), (structure::DETERMINISTIC, 1.0 + 1e-9, "the same bits")] {
        let mishap = |desk: &Desk| desk.queries.lock().unwrap().push((20, Mishap::Other(factor)));
        let mut lab = lab(quick(), |d| d.structure |= bits, mishap);
        let error = exercise(&mut lab.session).unwrap_err().to_string();
        assert!(error.contains("is it another device") && error.contains(word) && error.contains("tried"), "{error}");
    }
    // What is within the noise is taken for the same device.
    let mishap = |desk: &Desk| desk.queries.lock().unwrap().push((20, Mishap::Other(1.0 + 1e-9)));
    exercise(&mut lab(quick(), |_| {}, mishap).session).unwrap();
}

/// Busy devices are asked longer than dead ones; what fails in the end says how often it was tried.
#[test]
fn attempts_go_by_the_kind_of_error() {
    let busy = PluginError::retryable(Code::BUSY, "measuring for somebody else");
    for (error, attempts) in [(busy.clone(), 12), (dead(), 4), (PluginError::new(Code::IO, "no such line"), 1)] {
        let fails = |times: u64| {
            let error = error.clone();
            move |desk: &Desk| {
                *desk.queries.lock().unwrap() = (20..20 + times).map(|n| (n, Mishap::Error(error.clone()))).collect();
            }
        };
        if attempts > 1 {
            exercise(&mut lab(quick(), |_| {}, fails(attempts - 1)).session).unwrap();
        }
        let text = exercise(&mut lab(quick(), |_| {}, fails(attempts)).session).unwrap_err().to_string();
        let tried = format!("(tried {attempts} times)");
        assert_eq!(text.contains(&tried), attempts > 1, "{text}");
        assert!(text.contains(&error.to_string()), "{text}");
    }
    let twice = RetryRule { attempts: Some(2), ..QUICK };
    let fails = |desk: &Desk| {
        *desk.queries.lock().unwrap() = vec![(20, Mishap::Error(busy.clone())), (21, Mishap::Error(busy.clone()))];
    };
    let rules = FailureRules { retry: twice, ..FailureRules::default() };
    assert!(exercise(&mut lab(rules, |_| {}, fails).session).is_err());
}

#[test]
fn a_run_that_is_to_stop_waits_for_nothing() {
    let stop = Arc::new(AtomicBool::new(true));
    let retry = RetryRule { attempts: Some(5), first_s: Some(60.0), most_s: None };
    let rules = FailureRules { retry, stop, ..FailureRules::default() };
    let mut lab = lab(rules, |_| {}, |desk| desk.queries.lock().unwrap().push((20, Mishap::Error(dead()))));
    let begun = Instant::now();
    let error = exercise(&mut lab.session).unwrap_err();
    assert!(matches!(error, SessionError::Interrupted { .. }), "{error}");
    assert!(begun.elapsed().as_secs() < 30);
}

/// Mended failures add up to a reason to stop, and are forgiven in time.
#[test]
fn failures_in_a_row_are_trouble() {
    let rules = FailureRules { max_failures: 2, ..quick() };
    let fails = |desk: &Desk| {
        *desk.queries.lock().unwrap() = [20, 24].map(|n| (n, Mishap::PowerLoss(dead()))).to_vec();
    };
    let mut lab = lab(rules, |_| {}, fails);
    exercise(&mut lab.session).unwrap();
    let why = lab.session.trouble().unwrap();
    assert!(why.contains("`noisy` has failed 2 times"), "{why}");
    for _ in 0..FORGIVEN_AFTER {
        lab.session.end_step().unwrap();
    }
    assert_eq!(lab.session.trouble(), None);
}

/// Where writes wear the device, one that still says that it holds its parameters is not written again.
#[test]
fn read_back_spares_writes() {
    let lost = |desk: &Desk| {
        let error = PluginError::retryable(Code::TIMEOUT, "no answer").with_unknown_state();
        desk.queries.lock().unwrap().push((20, Mishap::Error(error)));
    };
    let mut spared = lab(quick(), |d| d.limits.writes = 1 << 40, lost);
    let mut plain = lab(quick(), |_| {}, lost);
    let (a, b) = (exercise(&mut spared.session).unwrap(), exercise(&mut plain.session).unwrap());
    assert_eq!(a, b);
    let writes = |lab: &Lab| lab.desk.history.lock().unwrap().len();
    assert!(writes(&spared) < writes(&plain), "{} {}", writes(&spared), writes(&plain));
    assert!(spared.desk.reads.load(Relaxed) > 0 && plain.desk.reads.load(Relaxed) == 0);
}

/// What was said to be applied and is not what was asked is asked for again. A device that keeps to it has a limit of its own, or
/// is found out by reading it back.
#[test]
fn what_was_applied_is_believed_where_it_can_be_true() {
    let expected = exercise(&mut lab(quick(), |_| {}, |_| {}).session).unwrap();
    let tells = |times: u64| move |desk: &Desk| *desk.lies.lock().unwrap() = 7..7 + times;
    // It is no failure: that nothing is tried again changes nothing.
    let never = RetryRule { attempts: Some(1), ..QUICK };
    let mut once = lab(FailureRules { retry: never, ..FailureRules::default() }, |_| {}, tells(1));
    assert_eq!(exercise(&mut once.session).unwrap(), expected);
    assert_eq!((once.session.tally().retries, once.desk.reads.load(Relaxed)), (1, 0));
    let error = exercise(&mut lab(quick(), |_| {}, tells(1000)).session).unwrap_err().to_string();
    assert!(error.contains("was applied to parameter") && error.contains("reads back otherwise"), "{error}");
    // It reads so too, or cannot be read.
    let mut limited = lab(quick(), |_| {}, tells(1000));
    limited.desk.reads_lies.store(true, Relaxed);
    exercise(&mut limited.session).unwrap();
    assert_eq!((limited.session.tally().retries, limited.desk.reads.load(Relaxed)), (1, 1));
    // That is known again after a resume.
    let state = limited.session.save().unwrap();
    let mut resumed = lab(quick(), |_| {}, |_| {});
    *resumed.desk.lies.lock().unwrap() = 0..1000;
    resumed.session.restore(state).unwrap();
    let (retries, x) = (resumed.session.tally().retries, batch(7, 9));
    resumed.session.forward(&x, 7, Purpose::Forward, 0, 0).unwrap();
    assert_eq!(resumed.session.tally().retries, retries);
    let mut mute = lab(quick(), |d| d.can &= !can::READ_PARAMS, tells(1000));
    exercise(&mut mute.session).unwrap();
    assert_eq!((mute.session.tally().retries, mute.desk.reads.load(Relaxed)), (1, 0));
}

/// A calibration that is too old is made anew: when the device says so by itself, and when it refuses a call for it.
#[test]
fn stale_calibrations_are_made_anew() {
    let mut reference = lab(quick(), |_| {}, |_| {});
    let expected = exercise(&mut reference.session).unwrap();
    assert_eq!(reference.desk.calibrations.load(Relaxed), 0);
    let stale = PluginError::new(Code::CAL_STALE, "calibrated 9 days ago");
    let refuses = |desk: &Desk| desk.queries.lock().unwrap().push((20, Mishap::Error(stale.clone())));
    let says = |desk: &Desk| desk.stale.store(true, Relaxed);
    let mut labs = [lab(quick(), |_| {}, refuses), lab(quick(), |_| {}, says)];
    for lab in &mut labs {
        assert_eq!(exercise(&mut lab.session).unwrap(), expected);
        assert_eq!(lab.desk.calibrations.load(Relaxed), 1);
        let tally = lab.session.tally();
        assert!(tally.calibrations == 1 && tally.calibrate_s > 0.0 && tally.failures == 0, "{tally:?}");
        assert_eq!(lab.session.logical(), reference.session.logical());
    }
    // What cannot be calibrated goes on as it is, and a refused call is an error.
    let unable = |d: &mut Descriptor| d.can &= !can::CALIBRATE;
    exercise(&mut lab(quick(), unable, says).session).unwrap();
    let error = exercise(&mut lab(quick(), unable, refuses).session).unwrap_err().to_string();
    assert!(error.contains("CAL_STALE"), "{error}");
}

#[test]
fn health_is_asked_at_opening_and_not_too_often() {
    let mut lab = lab(quick(), |_| {}, |_| {});
    assert_eq!(lab.session.health().unwrap().temperature_c, 31.5);
    for step in 0..5 {
        lab.session.check_up(step).unwrap();
        assert!(lab.session.health().is_none());
    }
    assert_eq!(lab.desk.healths.load(Relaxed), 1);
}

/// Large changes are made by writes in between, paced by the limit, and take their time on the device clock.
#[test]
fn changes_are_slowed_down() {
    // 6 in .06 s.
    let slow = |d: &mut Descriptor| d.limits.slew_per_s = 100.0;
    let (mut plain, mut lab) = (lab(quick(), |_| {}, |_| {}), lab(quick(), slow, |_| {}));
    let x = batch(1, 4);
    let mut time = [0.0; 2];
    let begun = Instant::now();
    for (session, time) in [&mut plain.session, &mut lab.session].into_iter().zip(&mut time) {
        let before = session.now();
        session.set_params(&[0.0; 6]).unwrap();
        session.forward(&x, 0, Purpose::Forward, 0, 0).unwrap();
        session.set_params(&[5.0, 0.0, 0.0, 0.0, 0.0, 2.5]).unwrap();
        session.forward(&x, 1, Purpose::Forward, 0, 0).unwrap();
        *time = session.now() - before;
    }
    assert!(begun.elapsed().as_secs_f64() >= 0.055, "{:?}", begun.elapsed());
    // From .5 at most to 0, and to 5.
    assert!((time[1] - time[0] - 5.5 / 100.0).abs() < 1e-9, "{time:?}");
    let history = lab.desk.history.lock().unwrap();
    for w in history.windows(2) {
        let largest = w[0].1.iter().zip(&w[1].1).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(largest <= 1.0 + 1e-9, "{w:?}");
    }
    assert!(history.len() > plain.desk.history.lock().unwrap().len() + 5);
    assert_eq!(lab.session.physical().everything().configurations, history.len() as u64);
    assert_eq!(history.last().unwrap().1, [5.0, 0.0, 0.0, 0.0, 0.0, 2.5]);
}

/// The host keeps the power down, for what it writes and for what it lets the device expand.
#[test]
fn power_is_kept_within_its_limits() {
    let limited = |d: &mut Descriptor| {
        d.limits.unit_power_w = 0.5;
        d.limits.channel_power_w = 1.5;
        d.limits.total_power_w = 4.0;
    };
    let mut lab = lab(quick(), limited, |_| {});
    exercise(&mut lab.session).unwrap();
    lab.session.set_params(&[6.0; 6]).unwrap();
    assert!(lab.session.params().iter().all(|p| (*p - 8.0 / 6.0).abs() < 1e-9), "{:?}", lab.session.params());
    assert_eq!(lab.session.power_limited(), Some(1));
    assert!(lab.session.descriptor().parameters.iter().all(|p| p.max == 3.0));
    for (_, params) in lab.desk.history.lock().unwrap().iter() {
        let powers: Vec<f64> = params.iter().map(|p| 0.5 * p.abs()).collect();
        assert!(powers.iter().all(|p| *p <= 1.5) && powers.iter().sum::<f64>() <= 4.0, "{powers:?}");
    }
    lab.session.end_step().unwrap();
    assert_eq!(lab.session.power_limited(), Some(0));
}

#[test]
fn a_worn_device_is_not_written_any_more() {
    let mut reference = lab(quick(), |_| {}, |_| {});
    exercise(&mut reference.session).unwrap();
    let writes = reference.session.physical().everything().configurations;
    exercise(&mut lab(quick(), |d| d.limits.writes = writes, |_| {}).session).unwrap();
    let error = exercise(&mut lab(quick(), |d| d.limits.writes = writes - 1, |_| {}).session).unwrap_err().to_string();
    assert!(error.contains(&format!("bears {} writes", writes - 1)), "{error}");
}

/// Sentinels see a change of gain, which is divided away; a dead output; and what is left. A checkpoint holds it all.
#[test]
fn sentinels_see_what_becomes_of_a_device() {
    // Well above the noise.
    let loud = |d: &mut Descriptor| d.parameters.iter_mut().for_each(|p| p.initial += 3.0);
    let mut lab = lab(quick(), loud, |_| {});
    lab.session.watch(32, Key::new(4));
    assert_eq!(lab.session.look_around(0).unwrap(), None, "the first look is the reference");
    let steady = lab.session.look_around(1).unwrap().unwrap();
    assert!((steady.change, steady.drift) == (1.0, 0.0) && steady.dead.is_empty(), "{steady:?}");
    let x = batch(1, 4);
    let before = lab.session.forward(&x, 1, Purpose::Evaluation, 0, 0).unwrap().outputs;
    *lab.desk.gains.lock().unwrap() = [0.5; D_OUT];
    let mut weaker = lab.session.look_around(2).unwrap().unwrap();
    assert!((weaker.change - 0.5).abs() < 0.1 && weaker.drift < 0.1, "{weaker:?}");
    lab.session.rescale(&mut weaker);
    let state = serde_json::to_string(&lab.session.save().unwrap()).unwrap();
    let after = lab.session.forward(&x, 1, Purpose::Evaluation, 0, 0).unwrap().outputs;
    for (a, b) in after.data.iter().zip(before.data.iter()) {
        assert!((a - b * 0.5 / lab.session.gain()).abs() < 0.02, "{a} {b}");
    }
    assert_eq!(lab.session.look_around(3).unwrap().unwrap().change, 1.0);
    *lab.desk.gains.lock().unwrap() = [0.5, 0.0];
    assert_eq!(lab.session.look_around(4).unwrap().unwrap().dead, [1]);
    // Looks are calibration, in both columns.
    assert_eq!(lab.session.logical().of(Purpose::Calibration).vectors % 32, 0);
    let mut resumed = self::lab(quick(), loud, |desk| *desk.gains.lock().unwrap() = [0.5; D_OUT]);
    resumed.session.watch(32, Key::new(4));
    resumed.session.restore(serde_json::from_str(&state).unwrap()).unwrap();
    assert_eq!(resumed.session.gain(), lab.session.gain());
    assert_eq!(resumed.session.look_around(3).unwrap().unwrap().change, 1.0);
}
