//! Libraries that speak the C interface: a driver in Rust, and what a C compiler makes.

use crate::{D_IN, DENSE, fs, library, registry, step};
use blackbeam_driver::host::AbiVersion;
use blackbeam_plugin::{Code, Kind, Matrix, Purpose};
use blackbeam_runtime::host::{HostError, Interface, LockFile, Registry, Verification};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};
use step::{D_OUT, normal, open, query};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

#[test]
fn a_driver_behind_the_c_interface_gives_the_same_bits() {
    let mut registry = registry(&[]);
    let path = library("device_dense_c");
    let loaded = registry.load(&path).unwrap();
    assert_eq!((loaded.interface, loaded.plugins.len()), (Interface::C(AbiVersion::HOST), 1));
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
        let short = device.write_params(&params[1..], &step::call(Purpose::Forward)).unwrap_err();
        assert_eq!(short.code, Code::SHAPE);
        (plugin.manifest().clone(), device.descriptor(), first, applied, second, matrix)
    };
    assert_eq!(answers(Some(&path)), answers(None));
}

/// A library made of `tests/fixtures/c/device.c`; `None`, said loudly, where there is no compiler.
fn compiled(folder: &Path, name: &str, flags: &[&str]) -> Option<PathBuf> {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let path = folder.join(name);
    let mut command = Command::new(&compiler);
    command.args(["-std=c99", "-shared", "-fPIC", "-I"]).arg(format!("{ROOT}/include")).args(flags);
    let output = command.arg(format!("{ROOT}/tests/fixtures/c/device.c")).arg("-o").arg(&path).output();
    match output {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(path)
        }
        Err(_) => {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            // Not by a macro, whose output would be captured.
            let _ = writeln!(std::io::stderr(), "SKIPPED: {test} needs a compiler, `{compiler}` is none");
            None
        }
    }
}

#[test]
fn libraries_in_c_are_loaded_and_locked_like_others() {
    let folder = tempfile::tempdir().unwrap();
    let Some(path) = compiled(folder.path(), "gain.so", &[]) else { return };
    let mut registry = Registry::new().unwrap();
    let mut lock = LockFile::read(folder.path()).unwrap();
    assert!(matches!(registry.load_verified(&path, Some(&lock)), Err(HostError::NotAdded { .. })));
    lock.add(registry.load(&path).unwrap()).unwrap();
    let Verification::Verified(locked) = lock.verify(&path).unwrap() else { panic!("it was just added") };
    assert_eq!((locked.interface.as_str(), locked.plugins[0].name.as_str()), ("C 1.1", "gain"));
    let mut device = registry.find(Kind::Device, "gain", Some(&path)).unwrap().open_device(&open("{}")).unwrap();
    device.write_params(&[0.25], &step::call(Purpose::Forward)).unwrap();
    let (x, mut y) = (normal("x", 3, 2), Matrix::zeros(3, 2));
    device.query(x.view(), y.view_mut(), &step::call(Purpose::Forward)).unwrap();
    assert_eq!(y.data.to_vec(), x.data.iter().map(|x| 0.25 * x).collect::<Vec<_>>());
}

#[test]
fn what_is_no_device_library_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let Some(whole) = compiled(folder.path(), "whole.so", &[]) else { return };
    let mut registry = Registry::new().unwrap();
    let mut refused = |path: &Path, words: &str| {
        let error = registry.load(path).err().unwrap();
        let message = error.to_string();
        assert!(message.contains(words) && message.contains(&path.display().to_string()), "{message}");
        assert!(!message.contains('\n') && message.len() < 600, "{message}");
        error
    };
    let other = compiled(folder.path(), "other.so", &["-DANOTHER_MAJOR"]).unwrap();
    let error = refused(&other, "version 2.1 of the C interface, this Blackbeam has 1.1");
    assert!(matches!(error, HostError::WrongTable { .. }));
    let none = compiled(folder.path(), "none.so", &["-Dblackbeam_device_table=something_else"]).unwrap();
    refused(&none, "no `blackbeam_device_table`");
    let empty = compiled(folder.path(), "empty.so", &["-DNO_TABLE"]).unwrap();
    assert!(matches!(refused(&empty, "the table is NULL"), HostError::BrokenTable { .. }));
    // A download that was cut off.
    let bytes = fs::read(&whole).unwrap();
    for part in [100, bytes.len() / 2] {
        let cut = folder.path().join(format!("cut-{part}.so"));
        fs::write(&cut, &bytes[..part]).unwrap();
        refused(&cut, "cannot be loaded as a shared library");
    }
}
