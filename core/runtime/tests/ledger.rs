//! No query goes around the ledger: what a simulator counts is what the session has charged.

#![allow(clippy::unwrap_used)]

use blackbeam_netlist::{ReadOptions, read};
use blackbeam_optics::{Counters, Simulator};
use blackbeam_plugin::{Base, Direction, Key, Matrix, ParameterSet, Probe, Purpose, Want, Way, can};
use blackbeam_runtime::session::{Accounts, DeviceSession, OutputRule, PhysicalFile, Round, ScaleRule, SessionOptions};
use blackbeam_source::Source;
use serde_json::json;
use std::path::{Path, PathBuf};

/// The shipped devices with 6 inputs and outputs.
fn devices() -> [(&'static str, serde_json::Value); 5] {
    [
        ("mzi_mesh", json!({"U": {"n": 6}})),
        ("mzi_mesh_classical", json!({"U": {"n": 6}})),
        ("mzi_mesh_mzi3", json!({"U": {"n": 6}})),
        ("mrr_bank", json!({"bank": {"rows": 6, "columns": 6}})),
        ("slm_matvec", json!({"slm": {"n_in": 6, "n_out": 6}})),
    ]
}

fn simulator(name: &str, settings: &serde_json::Value, preset: &str) -> Simulator {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../devices")).join(format!("{name}.ddl.yml"));
    let options = ReadOptions {
        settings: settings.as_object().unwrap().clone(),
        preset: Some(preset.into()),
        ..ReadOptions::default()
    };
    let (circuit, _) = read(&Source::read(&path).unwrap(), &options).unwrap_or_else(|e| panic!("{}", e.render(false)));
    Simulator::open(&circuit, 1, 2).unwrap()
}

fn options(max_batch: usize) -> SessionOptions {
    SessionOptions {
        name: "device".into(),
        run: "main".into(),
        stream: 3,
        max_batch,
        input: ScaleRule::Calibrated { start: None, rate: 0.1, margin: 1.0 },
        output: OutputRule { start: None, rate: 0.1, margin: 1.1 },
        failures: Default::default(),
    }
}

fn batch(seed: u64, rows: usize, columns: usize) -> Matrix {
    let mut x = Matrix::zeros(rows, columns);
    Key::new(seed).fill_normal(0, &mut x.data);
    x
}

/// Everything that a session can be asked, with every form of parameter set.
fn exercise(session: &mut DeviceSession) {
    let descriptor = session.descriptor().clone();
    let (d_in, d_out, n) = (descriptor.input.width, descriptor.output.width, descriptor.n_params());
    for step in 0..2 {
        let x = batch(step, 9, d_in);
        let y = session.forward(&x, step, Purpose::Forward, 0, 0).unwrap().outputs;
        let round = Round { step, purpose: Purpose::Probe, round: 0, x: &x, cotangent: &y };
        let key = Key::new(9).with(step);
        let mut probes: Vec<Probe> = [
            ParameterSet::keyed(Base::Current, Direction::Normal, key, 0.1),
            ParameterSet::keyed(Base::Current, Direction::Rademacher, key, 0.1),
            ParameterSet::sparse(Base::Current, vec![1, 4], vec![0.2, 0.1]),
            ParameterSet::block(Base::Previous, 2, vec![0.1, 0.2]),
            ParameterSet::dense(vec![0.3; n]),
            ParameterSet::base(Base::Current),
        ]
        .map(|set| Probe::batch(set, Want::Scalar))
        .into();
        probes[0].want_applied = true;
        probes.push(Probe::own(ParameterSet::base(Base::Previous), batch(5, 4, d_in)));
        if descriptor.can(can::BACKWARD) {
            let back = Probe { way: Way::Backward, ..Probe::now(batch(6, 3, d_out)) };
            probes.push(back);
        }
        assert_eq!(session.probes(&probes, round).unwrap().len(), probes.len());
        session.forward_at(&vec![0.4; n], &x, (step, Purpose::Probe, 7, 1)).unwrap();
        session.applied(step).unwrap();
        let moved: Vec<f64> = session.params().iter().map(|p| p + 0.1).collect();
        session.set_params(&moved).unwrap();
        session.forward(&x, step, Purpose::Evaluation, 0, 3).unwrap();
        session.applied_at(&moved, (step, Purpose::Surrogate, 0, 0)).unwrap();
        let none = Matrix::default();
        let round = Round { step, purpose: Purpose::Diagnostic, round: 0, x: &none, cotangent: &none };
        session
            .probes(
                &[Probe::now(batch(7, 5, d_in)), Probe::own(ParameterSet::dense(vec![0.2; n]), batch(8, 5, d_in))],
                round,
            )
            .unwrap();
        if descriptor.can(can::READ_MATRIX) {
            session.read_matrix(step).unwrap();
        }
        session.end_step().unwrap();
    }
}

/// (vectors, configurations) of accounts, of a simulator, and of the ledger's file.
fn charged(accounts: &Accounts) -> (u64, u64) {
    (accounts.everything().vectors, accounts.everything().configurations)
}

fn counted(counters: &Counters) -> (u64, u64) {
    (counters.vectors(), counters.configurations())
}

fn filed(ledger: &Path) -> (u64, u64) {
    charged(&PhysicalFile::open(ledger).unwrap().1)
}

#[test]
fn a_simulator_counts_what_the_session_has_charged() {
    let folder = tempfile::tempdir().unwrap();
    for ((name, settings), preset, max_batch) in devices().iter().flat_map(|device| {
        ["ideal", "typical"].into_iter().flat_map(move |preset| [0, 1, 4].map(|max_batch| (device, preset, max_batch)))
    }) {
        let what = format!("{name}-{preset}-{max_batch}");
        let ledger = folder.path().join(format!("{what}.jsonl"));
        let file = || PhysicalFile::open(&ledger).unwrap().0;
        let device = simulator(name, settings, preset);
        let counters = device.counters();
        let mut session = DeviceSession::open(Box::new(device), options(max_batch), file(), Key::new(1)).unwrap();
        exercise(&mut session);
        let first = counted(&counters);
        assert!(first.0 > 200 && first.1 > 15, "{what}: {first:?}");
        assert_eq!((charged(session.physical()), filed(&ledger)), (first, first), "{what}");
        // Nothing was retried: each answer was used once.
        assert_eq!(session.logical().everything().vectors, first.0, "{what}");

        // Another process goes on.
        let again = simulator(name, settings, preset);
        let counters = again.counters();
        let mut resumed = DeviceSession::adopt(Box::new(again), options(max_batch), file()).unwrap();
        resumed.restore(session.save().unwrap()).unwrap();
        assert_eq!(counted(&counters), (0, 0), "restoring asks nothing");
        exercise(&mut resumed);
        let second = counted(&counters);
        assert_eq!(charged(resumed.physical()), second, "{what}");
        assert_eq!(filed(&ledger), (first.0 + second.0, first.1 + second.1), "{what}");
    }
}
