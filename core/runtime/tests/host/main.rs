//! The plugin host with real shared libraries, which cargo builds beside this executable (they are dev-dependencies).

#![allow(clippy::unwrap_used)]

mod device_libraries;
mod step;

use blackbeam_plugin::{Code, Kind, Manifest, Matrix, OutcomeKind, Purpose};
use blackbeam_runtime::{
    experiment::Lookup,
    host::{HostError, LockFile, Registered, Registry, Verification, look_up},
};
use std::{
    env::consts::{DLL_PREFIX, DLL_SUFFIX},
    fs,
    path::{Path, PathBuf},
};
use step::{D_IN, D_OUT, Step, normal, open, query};

const DENSE: &str = r#"{"rows": 5, "columns": 7}"#;

fn library(name: &str) -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    folder.join(format!("{DLL_PREFIX}blackbeam_{name}{DLL_SUFFIX}"))
}

/// A registry that has loaded the named libraries.
fn registry(names: &[&str]) -> Registry {
    let mut registry = Registry::new().unwrap();
    for name in names {
        registry.load(&library(name)).unwrap();
    }
    registry
}

fn step(registry: &Registry) -> Step {
    Step::new(registry.find(Kind::Device, "dense", None).unwrap().open_device(&open(DENSE)).unwrap())
}

fn fault<'a>(registry: &'a Registry, kind: Kind, name: &str) -> &'a Registered {
    registry.find(kind, name, Some(&library("fixture_faults"))).unwrap()
}

fn faulty(
    registry: &Registry,
    fault_name: &str,
    when: &str,
    call: u64,
) -> Result<Box<dyn blackbeam_plugin::Device>, HostError> {
    let settings =
        format!(r#"{{"rows": {D_OUT}, "columns": {D_IN}, "fault": "{fault_name}", "when": "{when}", "call": {call}}}"#);
    fault(registry, Kind::Device, "faulty").open_device(&open(&settings))
}

#[test]
fn what_cannot_be_loaded_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.so");
    fs::write(&text, "not a library").unwrap();
    let mut registry = Registry::new().unwrap();
    let mut refused = |path: &Path, expected: &str| {
        let error = registry.load(path).err().unwrap();
        let message = error.to_string();
        assert!(message.contains(expected) && message.contains(&path.display().to_string()), "{message}");
        assert!(!message.contains('\n') && message.len() < 600, "{message}");
        error
    };
    let missing = refused(&folder.path().join("no.so"), "there is no plugin library");
    assert!(matches!(missing, HostError::Missing { .. }));
    let not_a_library = refused(&text, "cannot be loaded as a shared library");
    assert!(matches!(&not_a_library, HostError::NotALibrary { reason, .. } if reason.len() > 5), "{not_a_library}");
    refused(folder.path(), "it is a folder");
    let no_plugin = refused(&library("fixture_no_plugin"), "not a Blackbeam plugin");
    assert!(matches!(no_plugin, HostError::NotAPlugin { .. }));
    let version = refused(&library("fixture_other_version"), "version 9.7 of the plugin interface");
    assert!(matches!(version, HostError::WrongVersion { .. }));
    let layout = refused(&library("fixture_other_layout"), "another layout of the data");
    assert!(matches!(layout, HostError::Layout { .. }));
    assert!(registry.libraries().is_empty());
}

#[test]
fn libraries_are_loaded_side_by_side() {
    let names = ["device_dense_lib", "estimators_lib", "surrogates_lib", "fixture_faults"];
    let mut registry = registry(&names);
    let path = library("device_dense_lib");
    assert_eq!(registry.load(&path).unwrap().plugins.len(), 1);
    assert_eq!(registry.libraries().len(), names.len(), "the second time is the first time");
    // The same names as built in, each in its own library and nowhere else.
    let dense = registry.find(Kind::Device, "dense", Some(&path)).unwrap();
    assert_eq!(dense.manifest(), registry.find(Kind::Device, "dense", None).unwrap().manifest());
    // the twin is made of the simulators, which no library holds
    let apart = |manifest: &&Manifest| manifest.name != "twin";
    for built_in in registry.built_in().iter().map(Registered::manifest).filter(apart) {
        let holders = registry.libraries().iter().filter(|library| {
            library.plugins.iter().any(|p| p.manifest().kind == built_in.kind && p.manifest().name == built_in.name)
        });
        assert_eq!(holders.count(), 1, "{}", built_in.name);
    }
    let error = registry.find(Kind::Device, "faulti", Some(&library("fixture_faults"))).err().unwrap().to_string();
    assert!(error.contains("did you mean `faulty`?"), "{error}");
    let error = registry.find(Kind::Estimator, "faulty", Some(&path)).err().unwrap();
    assert!(error.to_string().contains("there is none of that kind"), "{error}");
}

#[test]
fn a_loaded_device_gives_the_same_bits() {
    let registry = registry(&["device_dense_lib"]);
    let x = normal("inputs", 9, D_IN);
    let answers = |library: Option<&Path>| {
        let plugin = registry.find(Kind::Device, "dense", library).unwrap();
        let mut device = plugin.open_device(&open(DENSE)).unwrap();
        let first = query(&mut *device, &x, Purpose::Forward).unwrap();
        let params: Vec<f64> = normal("parameters", D_OUT, D_IN).data.to_vec();
        let applied = device.write_params(&params, &step::call(Purpose::Forward)).unwrap();
        let second = query(&mut *device, &x, Purpose::Forward).unwrap();
        let matrix = device.read_matrix(&step::call(Purpose::Diagnostic)).unwrap();
        assert_eq!(device.read_params().unwrap(), applied.values.to_vec());
        assert_eq!(
            device
                .query_backward(x.view(), Matrix::zeros(1, 1).view_mut(), &step::call(Purpose::Forward))
                .unwrap_err()
                .code,
            Code::UNSUPPORTED
        );
        (device.descriptor(), first, applied, second, matrix)
    };
    let built_in = answers(None);
    assert_ne!(built_in.1, built_in.3, "the write changes the answer");
    assert_eq!(answers(Some(&library("device_dense_lib"))), built_in);
}

#[test]
fn loaded_methods_give_the_same_bits() {
    let registry = registry(&["estimators_lib", "surrogates_lib"]);
    let step = step(&registry);
    let path = library("estimators_lib");
    let mut compared = 0;
    for plugin in registry.built_in().iter().filter(|p| p.manifest().kind == Kind::Estimator) {
        let loaded = registry.find(Kind::Estimator, &plugin.manifest().name, Some(&path)).unwrap();
        assert_eq!(loaded.manifest(), plugin.manifest());
        let refused = |plugin: &Registered| match plugin.make_estimator(&open("{}"), &step.descriptor) {
            Err(HostError::Make { error, .. }) => Some(error),
            other => other.map(|_| None).unwrap(),
        };
        if let Some(why) = refused(plugin) {
            assert_eq!(refused(loaded), Some(why), "what a device does not allow is refused alike");
            continue;
        }
        compared += 1;
        let run = |plugin: &Registered| {
            let mut estimator = plugin.make_estimator(&open("{}"), &step.descriptor).unwrap();
            let asked = [0, 1].map(|number| step.estimate(&mut *estimator, number));
            (asked, estimator.save().unwrap())
        };
        let built_in = run(plugin);
        let result = built_in.0[1].last().unwrap();
        assert!(result.values.iter().any(|v| *v != 0.0), "{} has a result", plugin.manifest().name);
        assert_eq!(run(loaded), built_in, "{}", plugin.manifest().name);
    }
    assert!(compared > 10, "{compared} estimators");
    let path = library("surrogates_lib");
    let shared =
        |p: &&Registered| p.manifest().kind == Kind::Surrogate && !["twin", "adjoint"].contains(&&*p.manifest().name);
    for plugin in registry.built_in().iter().filter(shared) {
        let loaded = registry.find(Kind::Surrogate, &plugin.manifest().name, Some(&path)).unwrap();
        assert_eq!(loaded.manifest(), plugin.manifest());
        let run = |plugin: &Registered| {
            let mut surrogate = plugin.make_surrogate(&open("{}"), &step.descriptor).unwrap();
            let asked = [(0, true), (0, false), (1, false)].map(|(n, start)| step.update(&mut *surrogate, n, start));
            let state = surrogate.save().unwrap();
            (asked, step.backward(&*surrogate), surrogate.factors(), state)
        };
        let built_in = run(plugin);
        assert!(built_in.1.data.iter().any(|v| *v != 0.0), "{} has a gradient", plugin.manifest().name);
        assert_eq!(run(loaded), built_in, "{}", plugin.manifest().name);
    }
}

#[test]
fn state_crosses_the_boundary() {
    let registry = registry(&["surrogates_lib", "fixture_faults"]);
    let step = step(&registry);
    let loaded = registry.find(Kind::Surrogate, "i_psi", Some(&library("surrogates_lib"))).unwrap();
    let mut before = loaded.make_surrogate(&open("{}"), &step.descriptor).unwrap();
    step.update(&mut *before, 0, true);
    let built_in = registry.find(Kind::Surrogate, "i_psi", None).unwrap();
    let mut after = built_in.make_surrogate(&open("{}"), &step.descriptor).unwrap();
    after.restore(&before.save().unwrap()).unwrap();
    assert_eq!(step.backward(&*after), step.backward(&*before));
    let two_rounds = fault(&registry, Kind::Estimator, "two_rounds");
    let mut estimator = two_rounds.make_estimator(&open("{}"), &step.descriptor).unwrap();
    assert_eq!(estimator.restore(&[1, 2, 3]).unwrap_err().code, Code::BAD_STATE);
}

#[test]
fn methods_of_unusual_form_work_over_the_boundary() {
    let registry = registry(&["fixture_faults"]);
    let step = step(&registry);
    let make = |name| fault(&registry, Kind::Estimator, name).make_estimator(&open("{}"), &step.descriptor).unwrap();
    let asked = step.estimate(&mut *make("two_rounds"), 0);
    assert_eq!(asked.iter().map(|ask| ask.probes.len()).collect::<Vec<_>>(), [2, 2, 0]);
    assert_eq!(asked[2].outcome, OutcomeKind::Step);
    let asked = step.estimate(&mut *make("picks_parameters"), 0);
    assert_eq!((asked[1].outcome, asked[1].values.len()), (OutcomeKind::Parameters, step.params.len()));

    // The observing surrogate finds the matrix of a device from what it is shown.
    let observing = fault(&registry, Kind::Surrogate, "observing");
    let mut surrogate = observing.make_surrogate(&open(r#"{"rate": 1.0}"#), &step.descriptor).unwrap();
    let matrix = normal("matrix", D_OUT, D_IN);
    for pass in 0..400 {
        let x = normal(&format!("shown {pass}"), 1, D_IN);
        let y = (0..D_OUT).map(|r| matrix.row(r).iter().zip(x.row(0)).map(|(a, x)| a * x).sum()).collect();
        surrogate.observe(&step.params, x.view(), Matrix::new(1, D_OUT, y).view()).unwrap();
    }
    let learnt = surrogate.factors().u;
    let error = learnt.data.iter().zip(&matrix.data).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(error < 1e-9, "{error}");
}

#[test]
fn a_panic_ends_one_object_and_nothing_else() {
    let registry = registry(&["fixture_faults"]);
    let x = normal("x", 2, D_IN);
    let mut broken = faulty(&registry, "panic", "probe", 2).unwrap();
    let mut whole = faulty(&registry, "panic", "probe", 9).unwrap();
    assert!(query(&mut *broken, &x, Purpose::Probe).is_ok());
    let panic = query(&mut *broken, &x, Purpose::Probe).unwrap_err();
    assert_eq!((panic.code, panic.state_known, panic.retryable), (Code::PANIC, false, false));
    assert!(panic.message.contains("asked to panic in call 2"), "{panic}");
    assert!(panic.message.contains("device.rs:"), "it says where: {panic}");
    let after = query(&mut *broken, &x, Purpose::Forward).unwrap_err();
    assert_eq!(after.code, Code::FATAL);
    assert!(after.message.contains("asked to panic in call 2"), "{after}");
    assert!(query(&mut *whole, &x, Purpose::Probe).is_ok());
    drop(broken);
    assert!(query(&mut *whole, &x, Purpose::Probe).is_ok());

    let error = faulty(&registry, "panic", "open", 1).err().unwrap().to_string();
    assert!(error.contains("PANIC") && error.contains("asked to panic in call 1"), "{error}");
}

#[test]
fn a_panicking_estimator_is_an_error() {
    let registry = registry(&["fixture_faults"]);
    let step = step(&registry);
    let panics = fault(&registry, Kind::Estimator, "panics");
    let error = panics.make_estimator(&open(r#"{"when": "make"}"#), &step.descriptor).err().unwrap().to_string();
    assert!(error.contains("asked to panic in make"), "{error}");
    let mut estimator = panics.make_estimator(&open(r#"{"when": "ask", "step": 3}"#), &step.descriptor).unwrap();
    assert!(estimator.ask(&step.context(2, false)).is_ok());
    assert_eq!(estimator.ask(&step.context(3, false)).unwrap_err().code, Code::PANIC);
    assert_eq!(estimator.save().unwrap_err().code, Code::FATAL);
    // A panic where no error can be returned is told by the next call.
    let mut estimator = panics.make_estimator(&open(r#"{"when": "cost"}"#), &step.descriptor).unwrap();
    let inputs =
        blackbeam_plugin::CostInputs { step: 0, start: false, batch: 1, n_params: 35, d_in: D_IN, d_out: D_OUT };
    assert_eq!(estimator.cost(&inputs).vectors, 0);
    let error = estimator.ask(&step.context(0, false)).unwrap_err();
    assert!(error.message.contains("asked to panic in step 0"), "{error}");
}

#[test]
fn the_faults_are_what_they_are_called() {
    let registry = registry(&["fixture_faults"]);
    let x = normal("x", 2, D_IN);
    for when in ["forward", "probe", "surrogate", "evaluation"] {
        let purpose = Purpose::ALL.into_iter().find(|p| p.name() == when).unwrap();
        let last = |fault: &str| {
            let mut device = faulty(&registry, fault, when, 1).unwrap();
            query(&mut *device, &x, purpose).map(|y| y[y.len() - 1])
        };
        assert!(last("nan").unwrap().is_nan() && last("short").unwrap().is_nan());
        assert_eq!(last("error").unwrap_err().code, Code::IO);
        assert!(last("timeout").unwrap_err().retryable);
        let mut device = faulty(&registry, "timeout", when, 1).unwrap();
        assert!(query(&mut *device, &x, purpose).is_err());
        assert!(query(&mut *device, &x, purpose).is_ok(), "the retry is answered");
    }
    let write = |fault: &str| {
        let mut device = faulty(&registry, fault, "write", 1).unwrap();
        device.write_params(&[0.5; D_IN * D_OUT], &step::call(Purpose::Forward))
    };
    assert_eq!(write("short").unwrap().values.len(), D_IN * D_OUT - 1);
    assert!(write("nan").unwrap().values[0].is_nan());
    let lost = write("timeout").unwrap_err();
    assert!(lost.retryable && !lost.state_known);
}

#[test]
fn only_verified_libraries_are_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dense.so");
    fs::copy(library("device_dense_lib"), &path).unwrap();
    let mut lock = LockFile::read(folder.path()).unwrap();
    let mut registry = Registry::new().unwrap();
    assert!(matches!(registry.load_verified(&path, Some(&lock)), Err(HostError::NotAdded { .. })));
    assert!(matches!(registry.load_verified(&path, None), Err(HostError::NotAdded { .. })));

    lock.add(Registry::new().unwrap().load(&path).unwrap()).unwrap();
    lock.write().unwrap();
    let lock = LockFile::find(&[folder.path()]).unwrap().unwrap();
    assert!(matches!(lock.verify(&path).unwrap(), Verification::Verified(_)));
    let known = |name: &str, library: Option<&Path>| look_up(&registry, Some(&lock), Kind::Device, name, library);
    let built_in = registry.find(Kind::Device, "dense", None).unwrap().manifest();
    for library in [None, Some(path.as_path())] {
        let Lookup::Known(manifest) = known("dense", library) else { panic!("dense is known") };
        assert_eq!(manifest.name, built_in.name);
        let schema = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(schema(&manifest.settings_schema), schema(&built_in.settings_schema));
        assert!(matches!(known("dence", library), Lookup::Unknown(names) if names == ["dense"]));
    }
    let not_added = known("dense", Some(&library("device_dense_lib")));
    assert!(matches!(not_added, Lookup::NotVerified(message) if message.contains("plugin add")));
    assert!(registry.libraries().is_empty(), "looking up loads nothing");

    registry.load_verified(&path, Some(&lock)).unwrap();
    // Not in place: the file is mapped into this process.
    let mut bytes = fs::read(&path).unwrap();
    bytes.push(0);
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    assert!(matches!(registry.load_verified(&path, Some(&lock)), Err(HostError::Changed { .. })));
    let changed = look_up(&registry, Some(&lock), Kind::Device, "dense", Some(&path));
    assert!(matches!(changed, Lookup::NotVerified(message) if message.contains("has changed")));
}
