//! Logs of a device that does everything, on arrays of either type, with errors among its answers.

use crate::{Kind, *};
use blackbeam_plugin::*;
use std::{
    fs,
    io::{Seek, SeekFrom, Write},
    path::Path,
};

/// Every method answers something that depends on what it was asked and on how often it was.
struct Everything {
    count: f64,
    f32: bool,
}

impl Everything {
    fn fill(&mut self, from: ArrayView<'_>, mut to: ArrayViewMut<'_>) -> Result<()> {
        self.count += 1.0;
        let sum: f64 = match from.dtype() {
            Dtype::F64 => from.as_f64()?.iter().sum(),
            Dtype::F32 => from.as_f32()?.iter().map(|v| f64::from(*v)).sum(),
        };
        let value = |i: usize| sum + self.count + i as f64 / 7.0;
        match to.dtype() {
            Dtype::F64 => to.as_f64()?.iter_mut().enumerate().for_each(|(i, v)| *v = value(i)),
            Dtype::F32 => to.as_f32()?.iter_mut().enumerate().for_each(|(i, v)| *v = value(i) as f32),
        }
        Ok(())
    }
}

impl Device for Everything {
    fn descriptor(&self) -> Descriptor {
        let port = |width| Port { width, complex: true, min: f64::NEG_INFINITY, max: 1.5, bits: 7 };
        let parameter = |i: u32| Parameter {
            name: format!("p{i}").into(),
            unit: "rad".into(),
            min: -1.0,
            max: f64::INFINITY,
            initial: 0.25,
            resolution: 0.5,
            period: 6.0,
            kind: ParameterKind::Phase,
            at_range: AtRange::Reflect,
            group: i,
            row: 2,
            column: 3,
        };
        Descriptor {
            name: "everything".into(),
            firmware: "é 1".into(),
            calibration: "c".into(),
            input: port(2),
            output: port(3),
            parameters: (0..3).map(parameter).collect::<Vec<_>>().into(),
            dtype: if self.f32 { Dtype::F32 } else { Dtype::F64 },
            structure: 3,
            can: u64::MAX,
            max_batch: 9,
            vectors_per_row: 2,
            noise: -1.0,
            timing: Timing { write_fixed_s: 1.0, frame_vectors: 4, averages: 2, host_step_s: 0.5, ..Timing::default() },
            energy: Energy { hold_w: 0.5, write_j: 0.25, vector_j: 0.125 },
            limits: Limits { total_power_w: 3.0, writes: 7, ..Limits::default() },
            timeouts: Timeouts { query_s: 4.0, ..Timeouts::default() },
        }
    }
    fn write_params(&mut self, params: &[f64], _: &Call) -> Result<Applied> {
        self.count += 1.0;
        if params[0] > 100.0 {
            return Err(PluginError::retryable(Code::TIMEOUT, "never answered").with_unknown_state());
        }
        Ok(Applied { values: params.iter().map(|p| p + self.count).collect::<Vec<_>>().into() })
    }
    fn query(&mut self, x: ArrayView<'_>, y: ArrayViewMut<'_>, _: &Call) -> Result<()> {
        self.fill(x, y)
    }
    fn query_sets(
        &mut self,
        bases: [&[f64]; 2],
        sets: &[ParameterSet],
        _: &[Call],
        x: ArrayView<'_>,
        y: ArrayViewMut<'_>,
        want_applied: bool,
    ) -> Result<Vec<Applied>> {
        self.fill(x, y)?;
        // ragged, and not as many as were asked for: a replay repeats that too
        let applied = |i: usize| Applied { values: bases[i % 2][..i % 4].to_vec().into() };
        Ok(if want_applied { (0..sets.len()).map(applied).collect() } else { Vec::new() })
    }
    fn query_scalars(
        &mut self,
        _: [&[f64]; 2],
        sets: &[ParameterSet],
        _: &[Call],
        x: ArrayView<'_>,
        _: ArrayView<'_>,
        scalars: &mut [f64],
        _: bool,
    ) -> Result<Vec<Applied>> {
        let shape = [sets.len()];
        self.fill(x, ArrayViewMut::new(scalars, &shape)).map(|()| Vec::new())
    }
    fn query_backward(&mut self, y: ArrayView<'_>, x: ArrayViewMut<'_>, _: &Call) -> Result<()> {
        self.fill(y, x)
    }
    fn read_matrix(&mut self, _: &Call) -> Result<Matrix> {
        Ok(Matrix { rows: 3, columns: 2, data: vec![self.count; 5].into() })
    }
    fn exact_vjp(
        &mut self,
        x: ArrayView<'_>,
        _: ArrayView<'_>,
        dx: ArrayViewMut<'_>,
        dparams: &mut [f64],
        _: &Call,
    ) -> Result<()> {
        dparams.fill(self.count);
        self.fill(x, dx)
    }
    fn read_params(&mut self) -> Result<Vec<f64>> {
        Ok(vec![f64::NAN, -0.0, self.count])
    }
    fn set_full_scale(&mut self, full_scale: f64) -> Result<()> {
        self.count += full_scale;
        Ok(())
    }
    fn safe_state_anywhere(&self) -> Option<SafeState> {
        Some(std::sync::Arc::new(|| Ok(())))
    }
    fn health(&mut self) -> Result<Health> {
        Ok(Health { boot_id: 7, temperature_c: 21.5, note: "warm".into(), ..Health::default() })
    }
    fn calibrate(&mut self) -> Result<()> {
        Err(PluginError::new(Code::INTERLOCK, "the door is open"))
    }
    fn save_state(&self) -> Result<Vec<u8>> {
        Ok(vec![1, 2, 3])
    }
    fn restore_state(&mut self, state: &[u8]) -> Result<()> {
        if state.len() == 3 { Ok(()) } else { Err(PluginError::new(Code::BAD_STATE, "not mine")) }
    }
}

fn call(step: u64) -> Call {
    Call { stream: 5, step, purpose: Purpose::Probe, round: 1, set: 2, first_row: 3, time_s: 0.5 + step as f64 }
}

fn sets() -> Vec<ParameterSet> {
    vec![
        ParameterSet::base(Base::Previous),
        ParameterSet::sparse(Base::Current, vec![2, 0], vec![0.5, 0.25]),
        ParameterSet::block(Base::Current, 1, vec![0.125]),
        ParameterSet::keyed(Base::Current, Direction::Rademacher, Key::new(3).with(4), 0.1),
        ParameterSet::dense(vec![1.0, 2.0, 3.0]),
    ]
}

/// Every call of a device once, and what came of it, as text to be compared.
fn every_call(device: &mut dyn Device, f32: bool) -> Vec<String> {
    let mut said = vec![format!("{:?}", device.descriptor())];
    let mut say = |what: String| said.push(what);
    let x: Vec<f64> = (0..8).map(|i| 0.1 * f64::from(i)).collect();
    let x32: Vec<f32> = x.iter().map(|v| *v as f32).collect();
    let view = |n: usize, shape: [usize; 2]| {
        if f32 { (Vec::new(), x32[..n].to_vec(), shape) } else { (x[..n].to_vec(), Vec::new(), shape) }
    };
    let asked = |(a, b, shape): &(Vec<f64>, Vec<f32>, [usize; 2]), ask: &mut dyn FnMut(ArrayView<'_>)| {
        if f32 { ask(ArrayView::new_f32(b, shape)) } else { ask(ArrayView::new(a, shape)) }
    };
    let filled = |n: usize, shape: &[usize], fill: &mut dyn FnMut(ArrayViewMut<'_>) -> String| {
        let (mut a, mut b) = (vec![f64::NAN; n], vec![f32::NAN; n]);
        let outcome =
            if f32 { fill(ArrayViewMut::new_f32(&mut b, shape)) } else { fill(ArrayViewMut::new(&mut a, shape)) };
        format!("{outcome} {:?} {:?}", if f32 { vec![] } else { a }, if f32 { b } else { vec![] })
    };
    say(format!("{:?}", device.write_params(&[1.0, -0.0, f64::MIN_POSITIVE], &call(0))));
    say(format!("{:?}", device.write_params(&[101.0, 0.0, 0.0], &call(1))));
    let (rows, back) = (view(8, [4, 2]), view(6, [2, 3]));
    asked(&rows, &mut |x| say(filled(12, &[4, 3], &mut |y| format!("{:?}", device.query(x, y, &call(2))))));
    let (bases, calls) = ([&[0.0, 1.0, 2.0][..], &[3.0, 4.0, 5.0][..]], [call(3), call(4), call(5), call(6), call(7)]);
    asked(&rows, &mut |x| {
        let ask = &mut |y: ArrayViewMut<'_>| format!("{:?}", device.query_sets(bases, &sets(), &calls, x, y, true));
        say(filled(60, &[5, 4, 3], ask));
    });
    let mut scalars = vec![0.0; 5];
    asked(&rows, &mut |x| {
        let done = device.query_scalars(bases, &sets(), &calls, x, x, &mut scalars, false);
        say(format!("{done:?} {scalars:?}"));
    });
    asked(&back, &mut |y| say(filled(4, &[2, 2], &mut |x| format!("{:?}", device.query_backward(y, x, &call(8))))));
    say(format!("{:?}", device.read_matrix(&call(9))));
    let mut dparams = vec![0.0; 3];
    asked(&rows, &mut |x| {
        say(filled(8, &[4, 2], &mut |dx| format!("{:?}", device.exact_vjp(x, x, dx, &mut dparams, &call(10)))));
    });
    say(format!("{dparams:?}"));
    say(format!("{:?} {:?}", device.read_params(), device.set_full_scale(0.75)));
    say(format!("{:?} {:?} {:?}", device.health(), device.calibrate(), device.safe_state()));
    say(format!("{:?} {}", device.health(), device.save_state().is_ok()));
    said
}

fn recorder(path: &Path, f32: bool, level: Level, fresh: bool) -> Recorder {
    Recorder::open(Box::new(Everything { count: 0.0, f32 }), path, ("main", "dev"), level, fresh).unwrap()
}

/// A device that is lost while its state is saved.
struct Lost(std::cell::Cell<u32>);

impl Device for Lost {
    fn descriptor(&self) -> Descriptor {
        Everything { count: 0.0, f32: false }.descriptor()
    }
    fn write_params(&mut self, params: &[f64], _: &Call) -> Result<Applied> {
        Ok(Applied { values: params.to_vec().into() })
    }
    fn query(&mut self, _: ArrayView<'_>, _: ArrayViewMut<'_>, _: &Call) -> Result<()> {
        Ok(())
    }
    fn save_state(&self) -> Result<Vec<u8>> {
        self.0.set(self.0.get() + 1);
        match self.0.get() {
            1 => Err(PluginError::retryable(Code::BUSY, "measuring")),
            2 => Err(PluginError::retryable(Code::CRASHED, "gone").with_unknown_state()),
            _ => Ok(Vec::new()),
        }
    }
}

/// Nobody saves at the same moments in a replay: that the device was lost then is the error of the next call, after which comes what
/// was recorded.
#[test]
fn a_device_that_was_lost_while_it_was_saved_is_lost_in_the_replay() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dev.bblog");
    let mut device = Recorder::open(Box::new(Lost(0.into())), &path, ("main", "dev"), Level::Full, true).unwrap();
    device.write_params(&[1.0], &call(0)).unwrap();
    assert!(device.save_state().is_err() && device.save_state().is_err() && device.save_state().is_ok());
    device.write_params(&[2.0], &call(1)).unwrap();
    drop(device);
    let mut replay = Replay::open(&path).unwrap();
    replay.write_params(&[1.0], &call(0)).unwrap();
    let error = replay.write_params(&[2.0], &call(1)).unwrap_err();
    assert_eq!((error.code, error.state_known), (Code::CRASHED, false));
    replay.write_params(&[2.0], &call(1)).unwrap();
}

#[test]
fn every_call_is_replayed_to_the_bit() {
    for f32 in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record/dev.bblog");
        let plain = every_call(&mut Everything { count: 0.0, f32 }, f32);
        let mut recording = recorder(&path, f32, Level::Full, true);
        assert_eq!(every_call(&mut recording, f32), plain, "recording changes nothing");
        assert!(recording.safe_state_anywhere().unwrap()().is_ok());
        drop(recording);
        let log = Log::open(&path).unwrap();
        assert_eq!((log.tail(), log.header().device.as_str()), (Tail::Closed, "dev"));
        let report = Report::of(&log);
        let kinds: Vec<&str> = report.kinds.keys().copied().collect();
        assert_eq!(kinds.len(), Kind::ALL.len() - 4, "all but marks and restore_state: {kinds:?}");
        assert_eq!((report.kinds["write_params"].calls, report.kinds["write_params"].errors), (2, 1));
        assert_eq!((report.kinds["query_sets"].vectors, report.purposes["probe"].vectors), (20, 4 + 20 + 20 + 2 + 4));
        assert_eq!(descriptor_of(&path).unwrap(), Everything { count: 0.0, f32 }.descriptor());
        let mut replay = Replay::of(log).unwrap();
        assert_eq!(every_call(&mut replay, f32), plain);
        // and then there is nothing more
        let error = replay.read_params().unwrap_err().to_string();
        assert!(error.contains(END_OF_LOG) && error.contains("a read_params is asked"), "{error}");
    }
}

#[test]
fn a_flipped_byte_is_found_wherever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dev.bblog");
    let mut recording = recorder(&path, false, Level::Full, true);
    let y = &mut [0.0; 3];
    recording.write_params(&[1.0, 2.0, 3.0], &call(0)).unwrap();
    recording.query(ArrayView::new(&[0.5, 1.0], &[1, 2]), ArrayViewMut::new(y, &[1, 3]), &call(1)).unwrap();
    drop(recording);
    let good = fs::read(&path).unwrap();
    let ends = Log::open(&path).unwrap().places().iter().map(|p| p.end()).collect::<Vec<u64>>();
    assert_eq!((ends.len(), *ends.last().unwrap()), (4, good.len() as u64));
    let header = Header { device: "dev".into(), run: "main".into(), blackbeam: env!("CARGO_PKG_VERSION").into() };
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let put = |at: usize, byte: u8| {
        (&file).seek(SeekFrom::Start(at as u64)).unwrap();
        (&file).write_all(&[byte]).unwrap();
    };
    for (at, byte) in good.iter().copied().enumerate() {
        for bit in [1, 0x80] {
            put(at, byte ^ bit);
            let error = Log::open(&path).unwrap_err().to_string();
            let place = match ends.iter().position(|end| (at as u64) < *end) {
                Some(entry) if at >= header.bytes().len() => format!("entry {entry} is damaged"),
                _ => String::new(),
            };
            assert!(error.contains(&place) && error.contains("dev.bblog"), "byte {at}: {error}");
        }
        put(at, byte);
    }
    put(good.len() - 1, !good[good.len() - 1]);
    let device = Box::new(Everything { count: 0.0, f32: false });
    let error = Recorder::open(device, &path, ("main", "dev"), Level::Full, true).err().unwrap();
    assert!(error.to_string().contains("entry 3 is damaged"), "{error}");
}

#[test]
fn a_log_that_was_cut_off_anywhere_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dev.bblog");
    let mut recording = recorder(&path, false, Level::Full, true);
    recording.set_full_scale(1.0).unwrap();
    recording.write_params(&[1.0, 2.0, 3.0], &call(0)).unwrap();
    drop(recording);
    let whole = fs::read(&path).unwrap();
    let ends: Vec<u64> = Log::open(&path).unwrap().places().iter().map(|p| p.end()).collect();
    for length in 0..whole.len() {
        for zeros in [0, 100] {
            let mut bytes = whole[..length].to_vec();
            bytes.resize(length + zeros, 0);
            let kept = ends.iter().filter(|end| **end <= length as u64).count();
            // Zeros within an entry look like an entry that is not what it was, and are one.
            let at_end = ends.contains(&(length as u64));
            if zeros > 0 && !at_end || zeros == 0 && !at_end && length % 5 > 0 {
                continue;
            }
            fs::write(&path, &bytes).unwrap();
            if kept > 0 {
                let tail = Log::open(&path).unwrap().tail();
                let cut = (length + zeros) as u64 - ends[kept - 1];
                let expected = if cut == 0 && kept == ends.len() { Tail::Closed } else { Tail::Open };
                assert_eq!(tail, if cut > 0 { Tail::Cut(cut) } else { expected }, "{length}");
            }
            let mut again = recorder(&path, false, Level::Full, true);
            again.write_params(&[9.0, 8.0, 7.0], &call(1)).unwrap();
            drop(again);
            let log = Log::open(&path).unwrap();
            assert_eq!(log.tail(), Tail::Closed, "{length}");
            // begun again: only what came then is served
            let mut replay = Replay::of(log).unwrap();
            assert!(replay.write_params(&[9.0, 8.0, 7.0], &call(1)).is_ok(), "{length}");
        }
    }
}

#[test]
fn a_request_that_differs_is_named_at_its_index() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dev.bblog");
    let mut recording = recorder(&path, false, Level::Full, true);
    let x = [0.5, 1.0, 0.0, -1.0];
    let y = &mut [0.0; 6];
    let params: Vec<f64> = (0..20).map(f64::from).collect();
    recording.write_params(&params, &call(0)).unwrap();
    recording.query(ArrayView::new(&x, &[2, 2]), ArrayViewMut::new(y, &[2, 3]), &call(1)).unwrap();
    drop(recording);
    let replay = || Replay::open(&path).unwrap();
    let expect = |result: Result<()>, words: &[&str]| {
        let error = result.unwrap_err();
        assert!((error.retryable, error.state_known) == (false, true), "{error}");
        for word in words {
            assert!(error.message.contains(word), "no `{word}` in {error}");
        }
    };
    let mut other = params.clone();
    other[17] = 0.25;
    let write = |params: &[f64], call: Call| replay().write_params(params, &call).map(|_| ());
    expect(write(&other, call(0)), &["entry 1 of", "dev.bblog", "parameter 17: 17 was recorded, 0.25 is asked"]);
    expect(write(&params[1..], call(0)), &["entry 1", "parameter: shape [20] was recorded, [19] is asked"]);
    let moved = Call { round: 4, time_s: f64::NAN, ..call(0) };
    expect(write(&params, moved), &["entry 1", "round: 1 was recorded, 4 is asked"]);
    let purpose = Call { purpose: Purpose::Forward, ..call(0) };
    expect(write(&params, purpose), &["purpose: probe was recorded, forward is asked"]);
    expect(replay().set_full_scale(1.0), &["entry 1", "a write_params (probe, step 0", "a set_full_scale is asked"]);
    let query = |x: &[f64], shape: [usize; 2], rows: usize| {
        let mut replay = replay();
        replay.write_params(&params, &call(0)).unwrap();
        let y = &mut vec![0.0; 3 * rows];
        replay.query(ArrayView::new(x, &shape), ArrayViewMut::new(y, &[rows, 3]), &call(1))
    };
    query(&x, [2, 2], 2).unwrap();
    expect(
        query(&[0.5, 1.0, -0.0, 2.0], [2, 2], 2),
        &["entry 2", "x row 1, column 0: 0 was recorded, -0 is asked (and 1 more"],
    );
    expect(query(&x, [1, 4], 2), &["x: shape [2, 2] was recorded, [1, 4] is asked"]);
    expect(query(&x, [2, 2], 4), &["shape of y 1: 2 was recorded, 4 is asked"]);
}

/// What a process that was killed and its successor ask: a checkpoint after step 1, step 2 twice.
#[test]
fn a_resumed_run_is_replayed_as_if_it_had_not_been_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dev.bblog");
    let step = |device: &mut dyn Device, n: u64| {
        let mut y = [0.0; 3];
        let applied = device.write_params(&[n as f64, 0.0, 0.0], &call(n)).unwrap();
        device.query(ArrayView::new(&[1.0, n as f64], &[1, 2]), ArrayViewMut::new(&mut y, &[1, 3]), &call(n)).unwrap();
        (applied, y)
    };
    let mut first = recorder(&path, false, Level::Full, true);
    first.set_full_scale(2.0).unwrap();
    let one = step(&mut first, 1);
    let state = first.save_state().unwrap();
    let checkpoint = first.handle().position();
    step(&mut first, 2);
    // killed: nothing closes the log
    first.handle().keep().unwrap();
    let killed = fs::read(&path).unwrap();
    drop(first);
    fs::write(&path, killed).unwrap();

    let mut second = recorder(&path, false, Level::Full, false);
    second.handle().resumed(Some(checkpoint)).unwrap();
    second.restore_state(&state).unwrap();
    second.set_full_scale(2.0).unwrap();
    second.write_params(&[1.0, 0.0, 0.0], &call(1)).unwrap();
    let two = step(&mut second, 2);
    let again = second.handle().resumed(Some(1 << 40)).unwrap_err();
    assert!(again.code == Code::BAD_STATE && again.message.contains("put the whole log back"), "{again}");
    drop(second);

    let report = Report::of(&Log::open(&path).unwrap());
    assert_eq!((report.processes, report.resumed, report.kinds["query"].calls, report.end), (2, 1, 3, "closed"));
    let mut replay = Replay::open(&path).unwrap();
    replay.set_full_scale(2.0).unwrap();
    assert_eq!(step(&mut replay, 1), one);
    let place = replay.save_state().unwrap();
    assert_eq!(step(&mut replay, 2), two);
    // The replay itself may be killed and resumed: it is put back to where it was.
    let mut replay = Replay::open(&path).unwrap();
    replay.restore_state(&place).unwrap();
    replay.set_full_scale(2.0).unwrap();
    replay.write_params(&[1.0, 0.0, 0.0], &call(1)).unwrap();
    assert_eq!(step(&mut replay, 2), two);
    assert_eq!(replay.restore_state(b"something").unwrap_err().code, Code::BAD_STATE);

    // Recording that begins in the middle of a run has no beginning to be replayed from.
    let late = folder.path().join("late.bblog");
    recorder(&late, false, Level::Full, false).handle().resumed(None).unwrap();
    assert!(Replay::open(&late).err().unwrap().to_string().contains("begins in the middle of a run"));
}

#[test]
fn levels_hold_what_they_say() {
    for (level, sizes) in
        [(Level::Full, [true; 4]), (Level::Probes, [true, true, false, true]), (Level::Meta, [false; 4])]
    {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev.bblog");
        let mut recording = recorder(&path, false, level, true);
        let y = &mut [0.0; 3];
        let mut ask = |purpose| {
            let x = ArrayView::new(&[0.5, 1.0], &[1, 2]);
            recording.query(x, ArrayViewMut::new(y, &[1, 3]), &Call { purpose, ..call(1) }).unwrap();
        };
        ask(Purpose::Probe);
        ask(Purpose::Forward);
        recording.write_params(&[1.0, 2.0, 3.0], &Call { purpose: Purpose::Forward, ..call(0) }).unwrap();
        recording.write_params(&[101.0; 3], &call(0)).unwrap_err();
        recording.health().unwrap();
        drop(recording);
        let log = Log::open(&path).unwrap();
        let whole = |kind, n: usize| log.places().iter().filter(|p| p.kind == kind).nth(n).unwrap().whole;
        let found = [whole(Kind::WriteParams, 0), whole(Kind::Query, 0), whole(Kind::Query, 1), whole(Kind::Health, 0)];
        assert_eq!(found, sizes, "{level:?}");
        // identity and error stand in every log
        assert_eq!(log.places()[1].purpose, Some(Purpose::Probe));
        let failed = log.places().iter().position(|p| p.failed).unwrap();
        assert_eq!(log.entry(failed).unwrap().error().unwrap().message, "never answered");
        match Replay::of(log) {
            Ok(_) => assert_eq!(level, Level::Full),
            Err(error) => assert!(error.to_string().contains("holds the hashes only"), "{error}"),
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_stops_the_device() {
    let file = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let log = Recorder::on(Box::new(Everything { count: 0.0, f32: false }), file, Path::new("dev.bblog"));
    let Err(error) = log.and_then(|mut recording| {
        for _ in 0..1000 {
            recording.read_params()?;
            recording.handle().keep()?;
        }
        Ok(())
    }) else {
        panic!("nothing can be written there")
    };
    assert!(error.code == Code::IO && !error.retryable, "{error}");
    assert!(error.message.contains("dev.bblog cannot be written (No space left"), "{error}");
}

#[test]
fn what_is_no_log_or_another_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dev.bblog");
    let open = |run: &str| {
        Recorder::open(Box::new(Everything { count: 0.0, f32: false }), &path, (run, "dev"), Level::Full, true)
    };
    fs::write(
        &path,
        "something of somebody else's, long enough not to be a beginning of ours, which is longer than this is by far",
    )
    .unwrap();
    for error in [open("main").err().unwrap(), Log::open(&path).unwrap_err()] {
        assert!(error.to_string().contains("is not a log of a device"), "{error}");
    }
    fs::remove_file(&path).unwrap();
    let held = open("main").unwrap();
    assert!(open("main").err().unwrap().to_string().contains("in use by another process"));
    drop(held);
    let error = open("frozen").err().unwrap().to_string();
    assert!(error.contains("device `dev` of run `main`, not of device `dev` of run `frozen`"), "{error}");
    assert!(matches!(Log::open(&folder.path().join("none")), Err(LogError::Io { .. })));
}
