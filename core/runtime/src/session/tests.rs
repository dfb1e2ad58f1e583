//! The session against a small device that counts what it is asked and fails on demand.

use super::*;
use blackbeam_plugin::{
    Applied, ArrayView, ArrayViewMut, Base, Code, Direction, Dtype, Energy, Limits, Parameter, ParameterKind,
    ParameterSet, PluginError, Port, Probe, Timeouts, Timing, Want, can,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

const D_IN: usize = 3;
const D_OUT: usize = 2;

/// What the device saw, shared with the test.
#[derive(Default)]
struct Log {
    vectors: AtomicU64,
    writes: AtomicU64,
    calls: AtomicU64,
    scalars: AtomicU64,
}

/// y = (params as a matrix + write noise + drift(t)) x + vector noise, all keyed by the call.
struct Noisy {
    params: Vec<f64>,
    write: Option<Call>,
    descriptor: Descriptor,
    log: Arc<Log>,
    /// Fails the so-manieth query with this.
    fails: Option<(u64, PluginError)>,
    /// Leaves the last element of every answer unfilled.
    short: bool,
}

pub(super) fn descriptor(bits: u64, max_batch: usize) -> Descriptor {
    let parameter = |i: usize| Parameter {
        name: format!("w<{i}>").into(),
        unit: "1".into(),
        min: 0.0,
        max: 6.0,
        initial: 0.1 * i as f64,
        resolution: 0.0,
        period: 6.0,
        kind: ParameterKind::Phase,
        at_range: blackbeam_plugin::AtRange::Wrap,
        group: 0,
        row: 0,
        column: 0,
    };
    let port = |width| Port { width, complex: false, min: -1.0, max: 1.0, bits: 0 };
    Descriptor {
        name: "noisy".into(),
        firmware: "1".into(),
        calibration: "".into(),
        input: port(D_IN),
        output: port(D_OUT),
        parameters: (0..D_IN * D_OUT).map(parameter).collect::<Vec<_>>().into(),
        dtype: Dtype::F64,
        structure: structure::LINEAR_IN_X,
        can: bits,
        max_batch,
        vectors_per_row: 1,
        noise: 0.0,
        timing: Timing {
            write_fixed_s: 1e-3,
            write_each_s: 1e-4,
            settle_tau_s: 1e-3,
            settle_tolerance: 1e-3,
            trigger_s: 1e-5,
            frame_s: 1e-6,
            frame_vectors: 4,
            averages: 1,
            host_step_s: 0.01,
        },
        energy: Energy { hold_w: 1.0, write_j: 1e-6, vector_j: 1e-9 },
        limits: Limits::default(),
        timeouts: Timeouts::default(),
    }
}

impl Noisy {
    fn answer(&self, params: &[f64], write: &Call, x: &[f64], y: &mut [f64], call: &Call) {
        let key = |c: &Call| {
            Key::new(c.stream).with(c.step).with(c.purpose as u64).with(u64::from(c.round)).with(u64::from(c.set))
        };
        for (r, (x, y)) in x.chunks(D_IN).zip(y.chunks_mut(D_OUT)).enumerate() {
            let row = key(call).with(call.first_row + r as u64);
            for (o, y) in y.iter_mut().enumerate() {
                let weight = |i: usize| {
                    params[o * D_IN + i] + 0.1 * key(write).normal((o * D_IN + i) as u64) + 0.01 * call.time_s
                };
                *y = (0..D_IN).map(|i| weight(i) * x[i]).sum::<f64>() + 0.1 * row.normal(o as u64);
            }
        }
        self.log.vectors.fetch_add((x.len() / D_IN) as u64, Relaxed);
    }
}

impl Device for Noisy {
    fn descriptor(&self) -> Descriptor {
        self.descriptor.clone()
    }

    fn write_params(&mut self, params: &[f64], call: &Call) -> Result<Applied, PluginError> {
        self.log.writes.fetch_add(1, Relaxed);
        self.params = params.to_vec();
        self.write = Some(*call);
        Ok(Applied { values: params.to_vec().into() })
    }

    fn query(&mut self, x: ArrayView<'_>, mut y: ArrayViewMut<'_>, call: &Call) -> Result<(), PluginError> {
        let write = self.write.ok_or_else(|| PluginError::new(Code::NOT_READY, "nothing was written"))?;
        let number = self.log.calls.fetch_add(1, Relaxed);
        let n = y.len() - usize::from(self.short);
        let mut all = vec![0.0; y.len()];
        self.answer(&self.params, &write, x.as_f64()?, &mut all, call);
        y.as_f64()?[..n].copy_from_slice(&all[..n]);
        match &self.fails {
            Some((at, error)) if *at == number => {
                if !error.state_known {
                    self.write = None;
                }
                Err(error.clone())
            }
            _ => Ok(()),
        }
    }

    fn query_sets(
        &mut self,
        bases: [&[f64]; 2],
        sets: &[ParameterSet],
        calls: &[Call],
        x: ArrayView<'_>,
        mut y: ArrayViewMut<'_>,
        want_applied: bool,
    ) -> Result<Vec<Applied>, PluginError> {
        let rows = x.dim(0);
        let mut applied = Vec::new();
        for (i, (set, call)) in sets.iter().zip(calls).enumerate() {
            let mut params = bases[set.base as usize].to_vec();
            set.expand(&mut params)?;
            params.iter_mut().zip(self.descriptor.parameters.iter()).for_each(|(v, p)| *v = p.admit(*v));
            let mut part = vec![0.0; rows * D_OUT];
            self.answer(&params, call, x.as_f64()?, &mut part, call);
            y.as_f64()?[i * part.len()..(i + 1) * part.len()].copy_from_slice(&part);
            self.log.writes.fetch_add(1, Relaxed);
            self.params = params.clone();
            self.write = Some(*call);
            applied.push(Applied { values: params.into() });
        }
        Ok(if want_applied { applied } else { Vec::new() })
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
    ) -> Result<Vec<Applied>, PluginError> {
        self.log.scalars.fetch_add(scalars.len() as u64, Relaxed);
        let each = cotangent.len();
        let mut y = vec![0.0; sets.len() * each];
        let out = ArrayViewMut::new(&mut y, &[sets.len(), x.dim(0), D_OUT]);
        let applied = self.query_sets(bases, sets, calls, x, out, want_applied)?;
        for (scalar, y) in scalars.iter_mut().zip(y.chunks(each)) {
            *scalar = y.iter().zip(cotangent.as_f64()?).map(|(y, c)| y * c).sum();
        }
        Ok(applied)
    }
}

struct Bench {
    session: DeviceSession,
    log: Arc<Log>,
    _folder: tempfile::TempDir,
}

fn open(bits: u64, max_batch: usize, change: impl FnOnce(&mut Noisy)) -> Result<Bench, SessionError> {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = PhysicalFile::open(&folder.path().join("ledger.jsonl")).unwrap();
    let log = Arc::new(Log::default());
    let mut device = Noisy {
        params: Vec::new(),
        write: None,
        descriptor: descriptor(bits, 0),
        log: log.clone(),
        fails: None,
        short: false,
    };
    change(&mut device);
    let options = SessionOptions {
        name: "noisy".into(),
        run: "main".into(),
        stream: 7,
        max_batch,
        input: ScaleRule::Calibrated { start: None, rate: 0.1, margin: 1.0 },
        output: OutputRule { start: None, rate: 0.1, margin: 1.2 },
        failures: FailureRules::default(),
    };
    let session = DeviceSession::open(Box::new(device), options, file, Key::new(1))?;
    Ok(Bench { session, log, _folder: folder })
}

fn batch(seed: u64, rows: usize) -> Matrix {
    let mut x = Matrix::zeros(rows, D_IN);
    Key::new(seed).fill_normal(0, &mut x.data);
    x
}

/// A few steps of everything that training does; all numbers that came back.
fn exercise(session: &mut DeviceSession) -> Result<Vec<f64>, SessionError> {
    let mut seen = Vec::new();
    for step in 0..3 {
        let x = batch(step, 9);
        let y = session.forward(&x, step, Purpose::Forward, 0, 0)?.outputs;
        seen.extend(y.data.iter());
        let key = Key::new(5).with(step);
        let sets = [
            ParameterSet::keyed(Base::Current, Direction::Normal, key, 0.2),
            ParameterSet::keyed(Base::Current, Direction::Rademacher, key, 0.2),
            ParameterSet::sparse(Base::Current, vec![1], vec![0.3]),
            ParameterSet::block(Base::Previous, 2, vec![0.1, 0.2]),
            ParameterSet::base(Base::Current),
        ];
        let probes: Vec<Probe> = sets.into_iter().map(|s| Probe::batch(s, Want::Scalar)).collect();
        let round = Round { step, purpose: Purpose::Probe, round: 0, x: &x, cotangent: &y };
        let answers = session.probes(&probes, round)?;
        seen.extend(answers.iter().map(|a| a.scalar));
        let moved: Vec<f64> = session.params().iter().map(|p| p + 0.4).collect();
        session.set_params(&moved)?;
        let own = vec![
            Probe::own(ParameterSet::base(Base::Previous), batch(8, 4)),
            Probe::own(ParameterSet::base(Base::Current), batch(8, 4)),
        ];
        let round = Round { purpose: Purpose::Surrogate, ..round };
        for answer in session.probes(&own, round)? {
            seen.extend(answer.outputs.data.iter());
        }
        session.end_step()?;
    }
    seen.push(session.now());
    Ok(seen)
}

#[test]
fn answers_do_not_depend_on_how_queries_are_split_or_grouped() {
    let mut reference = open(0, 0, |_| {}).unwrap();
    let expected = exercise(&mut reference.session).unwrap();
    let every = can::QUERY_SETS | can::KEYED | can::SPARSE | can::BLOCK;
    for bits in [0, can::QUERY_SETS, every] {
        for max_batch in [0, 1, 7, 9] {
            let mut bench = open(bits, max_batch, |_| {}).unwrap();
            assert_eq!(exercise(&mut bench.session).unwrap(), expected, "can {bits}, max_batch {max_batch}");
            assert_eq!(bench.session.logical(), reference.session.logical());
            let everything = bench.session.physical().everything();
            assert_eq!(everything.vectors, bench.log.vectors.load(Relaxed));
            assert_eq!(everything.configurations, bench.log.writes.load(Relaxed));
        }
    }
}

#[test]
fn scalars_of_sparse_sets_are_the_devices_to_find() {
    let mut reference = open(0, 0, |_| {}).unwrap();
    let expected = exercise(&mut reference.session).unwrap();
    let mut found = Vec::new();
    for max_batch in [0, 4] {
        let bits = can::QUERY_SETS | can::SPARSE | can::SCALARS;
        let mut bench = open(bits, max_batch, |_| {}).unwrap();
        found.push(exercise(&mut bench.session).unwrap());
        let off = |(a, b): (&f64, &f64)| (a - b).abs() / (1.0 + b.abs());
        assert!(found[0].len() == expected.len() && found[0].iter().zip(&expected).map(off).all(|off| off < 1e-13));
        assert_eq!(found[found.len() - 1], found[0], "the same bits, however rows are split");
        assert_eq!(bench.session.logical(), reference.session.logical());
        assert_eq!(bench.session.physical().everything().configurations, bench.log.writes.load(Relaxed));
        assert_eq!(bench.log.scalars.load(Relaxed), 3, "one sparse probe a step");
        // a method that is to see all outputs sees them
        bench.session.observe();
        exercise(&mut bench.session).unwrap();
        assert_eq!(bench.log.scalars.load(Relaxed), 3);
    }
}

#[test]
fn the_ledger_counts_what_was_used_and_the_physical_column_what_was_done() {
    let mut bench = open(0, 0, |_| {}).unwrap();
    exercise(&mut bench.session).unwrap();
    let logical = *bench.session.logical();
    assert_eq!(logical.of(Purpose::Forward).vectors, 3 * 9);
    assert_eq!(logical.of(Purpose::Probe).vectors, 3 * 5 * 9);
    assert_eq!(logical.of(Purpose::Surrogate).vectors, 3 * 2 * 4);
    assert_eq!(logical.of(Purpose::Calibration).vectors, 2 * 32);
    // Each step's forward pass finds the parameters of the surrogate's last probe programmed; the base set is sent first
    // and is the programmed one too, so that four of the five probes reprogram the device.
    assert_eq!(logical.of(Purpose::Forward).configurations, 0);
    assert_eq!(logical.of(Purpose::Probe).configurations, 3 * 4);
    assert_eq!(logical.of(Purpose::Surrogate).configurations, 3 * 2);
    assert_eq!(logical.total().vectors, bench.log.vectors.load(Relaxed));
}

#[test]
fn a_retried_query_gives_the_same_bits_and_costs_in_the_physical_column_only() {
    let mut reference = open(0, 4, |_| {}).unwrap();
    let expected = exercise(&mut reference.session).unwrap();
    for error in [
        PluginError::retryable(Code::BUSY, "busy"),
        PluginError::retryable(Code::TIMEOUT, "no answer").with_unknown_state(),
    ] {
        for at in [0, 3, 20, 40] {
            let mut bench = open(0, 4, |d| d.fails = Some((at, error.clone()))).unwrap();
            assert_eq!(exercise(&mut bench.session).unwrap(), expected);
            assert_eq!(bench.session.logical(), reference.session.logical());
            let (more, less) = (bench.session.physical().everything(), reference.session.physical().everything());
            assert!(more.vectors > less.vectors);
            assert_eq!(more.configurations > less.configurations, !error.state_known);
        }
    }
}

#[test]
fn what_may_not_be_retried_ends_the_call_with_the_device_named() {
    let mut bench = open(0, 0, |d| d.fails = Some((5, PluginError::new(Code::OVERTEMP, "80 C")))).unwrap();
    let error = exercise(&mut bench.session).unwrap_err().to_string();
    assert!(error.contains("`noisy`") && error.contains("OVERTEMP: 80 C") && error.contains("step"), "{error}");
}

#[test]
fn a_short_answer_is_an_error() {
    let error = open(0, 0, |d| d.short = true).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("NONFINITE") && error.contains("missing"), "{error}");
}

#[test]
fn diagnostics_leave_no_trace_in_training() {
    let mut reference = open(0, 0, |_| {}).unwrap();
    let expected = exercise(&mut reference.session).unwrap();
    let mut bench = open(0, 0, |_| {}).unwrap();
    let none = Matrix::default();
    let round = Round { step: 0, purpose: Purpose::Diagnostic, round: 0, x: &none, cotangent: &none };
    let elsewhere = Probe::own(ParameterSet::dense(vec![0.5; 6]), batch(1, 5));
    bench.session.probes(&[elsewhere, Probe::now(batch(2, 5))], round).unwrap();
    assert_eq!(exercise(&mut bench.session).unwrap(), expected);
    assert_eq!(bench.session.logical().of(Purpose::Diagnostic).vectors, 10);
    assert_eq!(bench.session.logical().total(), reference.session.logical().total());
}

#[test]
fn a_restored_session_goes_on_with_the_same_bits() {
    let mut whole = open(can::QUERY_SETS, 0, |_| {}).unwrap();
    exercise(&mut whole.session).unwrap();
    let state = serde_json::to_string(&whole.session.save().unwrap()).unwrap();
    let expected = exercise(&mut whole.session).unwrap();
    let mut resumed = open(0, 7, |_| {}).unwrap();
    resumed.session.restore(serde_json::from_str(&state).unwrap()).unwrap();
    assert_eq!(exercise(&mut resumed.session).unwrap(), expected);
    assert_eq!(resumed.session.logical(), whole.session.logical());
}

#[test]
fn a_linear_device_answers_in_the_networks_units() {
    let mut bench = open(0, 0, |_| {}).unwrap();
    let mut loud = batch(1, 6);
    loud.data.iter_mut().for_each(|v| *v *= 50.0);
    let answered = bench.session.forward(&loud, 0, Purpose::Forward, 0, 0).unwrap();
    // the first batch sets the scale: nothing is clipped, and the largest value is the device's full input
    assert!(answered.clipped.is_empty());
    let peak = loud.data.iter().fold(0.0f64, |a, v| v.abs().max(a));
    assert_eq!(bench.session.input_scale(), peak);
    // afterwards what is larger is clipped, and said so
    let mut louder = loud.clone();
    louder.data[4] = 2.0 * peak;
    let answered = bench.session.forward(&louder, 0, Purpose::Evaluation, 0, 0).unwrap();
    assert_eq!(answered.clipped.iter().filter(|c| **c).count(), 1);
    assert!(answered.clipped[4]);
    // what is observed is what was sent
    bench.session.observe();
    bench.session.forward(&louder, 0, Purpose::Evaluation, 0, 1).unwrap();
    let seen = bench.session.take_observations();
    assert_eq!(seen[0].x.data[4], peak.copysign(loud.data[4]));
    assert_eq!(seen[0].x.data[..4], louder.data[..4]);
}

#[test]
fn wrong_probes_and_parameters_are_errors() {
    let mut bench = open(0, 0, |_| {}).unwrap();
    let none = Matrix::default();
    let round = Round { step: 0, purpose: Purpose::Probe, round: 0, x: &none, cotangent: &none };
    let narrow = Probe::now(Matrix::zeros(2, D_IN + 1));
    let far = Probe::own(ParameterSet::sparse(Base::Current, vec![99], vec![1.0]), batch(1, 1));
    let mut infinite = Probe::now(batch(1, 1));
    infinite.own.data[0] = f64::INFINITY;
    for probe in [narrow, far, infinite] {
        assert!(matches!(bench.session.probes(&[probe], round), Err(SessionError::Method(_))));
    }
    assert!(bench.session.set_params(&[0.0; 5]).is_err());
    assert!(bench.session.set_params(&[f64::NAN; 6]).is_err());
    // an update that leaves the range comes in again at the other end
    bench.session.set_params(&[6.5; 6]).unwrap();
    assert!((bench.session.params()[0] - 0.5).abs() < 1e-12);
}

/// What a method is shown as the inputs of a step is what the device got: the end of the range where the network went beyond.
#[test]
fn clipped_inputs_are_shown_at_the_end_of_the_range() {
    let mut bench = open(0, 0, |_| ()).unwrap();
    bench.session.input = InputScale::new(ScaleRule::Fixed(0.5));
    bench.session.observe();
    let x = Matrix::new(2, D_IN, vec![0.1, -2.0, 0.5, 3.0, -0.4, -0.7]);
    let answered = bench.session.forward(&x, 0, Purpose::Forward, 0, 0).unwrap();
    let sent = bench.session.as_sent(&x, &answered.clipped);
    assert_eq!(sent.data[..], [0.1, -0.5, 0.5, 0.5, -0.4, -0.5]);
    assert_eq!(bench.session.take_observations()[0].x, sent);
}

mod failing;
