//! Libraries of the previous minor version, of this one and of a next one: real ones, built by a compiler.

use crate::{
    compiler::{Language, ROOT, include, library},
    round_trip::{call, settings},
};
use blackbeam_driver::{
    host::{AbiVersion, Found, Library},
    table::{SYMBOL, TableFn},
};
use blackbeam_plugin::{Code, Device as _, DevicePlugin as _, Matrix};
use std::{
    fs,
    mem::ManuallyDrop,
    path::{Path, PathBuf},
};

/// Loads a library, for ever.
fn load(path: &Path) -> Library {
    // SAFETY: the library was just built from a source in this repository.
    unsafe {
        let loaded = ManuallyDrop::new(libloading::Library::new(path).unwrap());
        Library::read(loaded.get::<TableFn>(SYMBOL).unwrap()()).unwrap()
    }
}

/// The header with one field more in the table and in the descriptor.
fn next_header(folder: &Path) -> PathBuf {
    let header = fs::read_to_string(include().join("blackbeam_device.h")).unwrap();
    let mut next = header.replace("#define BB_ABI_MINOR 1u", "#define BB_ABI_MINOR 2u");
    for (end, field) in [
        ("} bb_descriptor;", "    double colour;\n"),
        ("} bb_device_table;", "    bb_status (*dance)(bb_device *device, bb_error *error);\n"),
    ] {
        assert_eq!(next.matches(end).count(), 1);
        next = next.replace(end, &format!("{field}{end}"));
    }
    let include = folder.join("next");
    fs::create_dir_all(&include).unwrap();
    fs::write(include.join("blackbeam_device.h"), next).unwrap();
    include
}

#[test]
fn libraries_of_older_and_newer_minor_versions_work() {
    let folder = tempfile::tempdir().unwrap();
    let fixtures = Path::new(ROOT).join("tests/fixtures/c");
    let headers = [fixtures.join("abi-1.0"), include(), next_header(folder.path())];
    for (language, extension) in [(Language::C, "c"), (Language::Cpp, "cpp")] {
        if !language.there() {
            continue;
        }
        let source = folder.path().join(format!("device.{extension}"));
        fs::copy(fixtures.join("device.c"), &source).unwrap();
        for (minor, header) in (0u32..).zip(&headers) {
            let built = library(folder.path(), &format!("{extension}{minor}"));
            language.compile(&source, &[header], &built, true);
            let loaded = load(&built);
            assert_eq!(loaded.version(), AbiVersion { major: 1, minor });
            let mut device = loaded.open_device(&settings("{}")).unwrap();
            assert_eq!(device.descriptor().n_params(), 1);
            assert_eq!(device.write_params(&[0.5], &call(0)).unwrap().values.to_vec(), [0.5]);
            let (x, mut y) = (Matrix::new(1, 2, vec![1.0, -3.0]), Matrix::zeros(1, 2));
            device.query(x.view(), y.view_mut(), &call(0)).unwrap();
            assert_eq!(y.data.to_vec(), [0.5, -1.5]);
            let health = device.health().unwrap();
            assert!(health.ready && health.boot_id == 17 && health.temperature_c == 36.5);
            assert_eq!(health.note, "warm");
            device.safe_state().unwrap();
            device.safe_state().unwrap();
            // What version 1.0 did not have.
            let query_s = device.descriptor().timeouts.query_s;
            assert_eq!(query_s, if minor == 0 { 0.0 } else { 2.5 });
            let found = loaded.enumerate("{}");
            if minor == 0 {
                assert_eq!(found.unwrap_err().code, Code::UNSUPPORTED);
            } else {
                let one = |device: &str, remark: &str| Found { device: device.into(), remark: remark.into() };
                assert_eq!(found.unwrap(), [one("first", "the one on the left"), one("second", "")]);
            }
        }
    }
}

/// A library of a newer version that does not look at what it is given: found out before anything is damaged.
#[test]
fn a_newer_library_that_writes_past_the_end_is_refused() {
    if !Language::C.there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let header = next_header(folder.path());
    let source = folder.path().join("blind.c");
    let text = fs::read_to_string(Path::new(ROOT).join("tests/fixtures/c/device.c")).unwrap();
    fs::write(&source, format!("#define BLIND\n{text}")).unwrap();
    let built = library(folder.path(), "blind");
    Language::C.compile(&source, &[&header], &built, true);
    let error = load(&built).open(&settings("{}")).err().unwrap();
    assert_eq!(error.code, Code::ABI_MISMATCH);
    assert!(error.message.contains("BB_HAS"), "{error}");
}
