//! The header: what the sources say, in a form that compilers take without a warning, with the layout that Rust has.

use crate::compiler::{Language, ROOT, include};
use blackbeam_driver::{Item, header, table};
use blackbeam_plugin::{Code, can, structure};
use std::{fmt::Write, fs, path::Path, process::Command};

#[test]
fn the_header_is_that_of_the_sources() {
    let path = Path::new(ROOT).join("include/blackbeam_device.h");
    let text = header();
    if std::env::var_os("UPDATE_HEADER").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == text, "run with UPDATE_HEADER=1 to write include/blackbeam_device.h");
}

/// The header compiles by itself, twice in one file, and each field lies where Rust has it.
#[test]
fn compilers_lay_it_out_as_rust_does() {
    let folder = tempfile::tempdir().unwrap();
    let mut lines = String::new();
    let mut expected = String::new();
    for item in table::ITEMS.into_iter().flatten() {
        let Item::Struct { name, size, fields, .. } = item else { continue };
        writeln!(lines, "    printf(\"{name} %zu\\n\", sizeof({name}));").unwrap();
        writeln!(expected, "{name} {size}").unwrap();
        for field in *fields {
            writeln!(lines, "    printf(\"{name}.{0} %zu\\n\", offsetof({name}, {0}));", field.name).unwrap();
            writeln!(expected, "{name}.{} {}", field.name, field.offset).unwrap();
        }
    }
    for item in table::ITEMS.into_iter().flatten() {
        let Item::Constants { members, .. } = item else { continue };
        for (name, value, _) in *members {
            writeln!(lines, "    printf(\"BB_{name} %llu\\n\", (unsigned long long)(BB_{name}));").unwrap();
            writeln!(expected, "BB_{name} {value}").unwrap();
        }
    }
    let include_twice = "#include \"blackbeam_device.h\"\n#include \"blackbeam_device.h\"\n#include <stdio.h>\n";
    let main = format!("{include_twice}int main(void) {{\n{lines}    return 0;\n}}\n");
    for (language, extension) in [(Language::C, "c"), (Language::Cpp, "cpp")] {
        if !language.there() {
            continue;
        }
        let (source, program) = (folder.path().join(format!("layout.{extension}")), folder.path().join(extension));
        fs::write(&source, &main).unwrap();
        language.compile(&source, &[&include()], &program, false);
        let output = Command::new(&program).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    }
}

/// Numbers that are given by both interfaces are the same.
#[test]
fn numbers_are_those_of_the_interface_in_rust() {
    let codes = [
        (table::TIMEOUT, Code::TIMEOUT),
        (table::BUSY, Code::BUSY),
        (table::IO, Code::IO),
        (table::IN_USE, Code::IN_USE),
        (table::NOT_READY, Code::NOT_READY),
        (table::UNLOCKED, Code::UNLOCKED),
        (table::SATURATED, Code::SATURATED),
        (table::OVERTEMP, Code::OVERTEMP),
        (table::OVERPOWER, Code::OVERPOWER),
        (table::INTERLOCK, Code::INTERLOCK),
        (table::RANGE, Code::RANGE),
        (table::SHAPE, Code::SHAPE),
        (table::UNSUPPORTED, Code::UNSUPPORTED),
        (table::CAL_STALE, Code::CAL_STALE),
        (table::FRAME_SLIP, Code::FRAME_SLIP),
        (table::STATE_LOST, Code::STATE_LOST),
        (table::NONFINITE, Code::NONFINITE),
        (table::ABI_MISMATCH, Code::ABI_MISMATCH),
        (table::FATAL, Code::FATAL),
        (table::PANIC, Code::PANIC),
        (table::SETTINGS, Code::SETTINGS),
        (table::BAD_STATE, Code::BAD_STATE),
    ];
    for (status, code) in codes {
        assert_eq!(status as u32, code.0, "{code}");
    }
    // No code is left out but the one that only Blackbeam says, of processes that have ended.
    assert_eq!(Code(codes.len() as u32 + 1), Code::CRASHED);
    assert_eq!(Code(codes.len() as u32 + 2).name(), "UNKNOWN");
    let bits = [
        (table::LINEAR_IN_X, structure::LINEAR_IN_X),
        (table::LOCAL, structure::LOCAL),
        (table::SINGLE_FREQUENCY, structure::SINGLE_FREQUENCY),
        (table::RECIPROCAL, structure::RECIPROCAL),
        (table::PASSIVE, structure::PASSIVE),
        (table::DETERMINISTIC, structure::DETERMINISTIC),
        (table::TWO_SIDED, structure::TWO_SIDED),
        (table::MAGNITUDE, structure::MAGNITUDE),
        (table::CAN_QUERY_SETS, can::QUERY_SETS),
        (table::CAN_BACKWARD, can::BACKWARD),
        (table::CAN_READ_MATRIX, can::READ_MATRIX),
        (table::CAN_READ_PARAMS, can::READ_PARAMS),
        (table::CAN_FULL_SCALE, can::FULL_SCALE),
    ];
    for (ours, theirs) in bits {
        assert_eq!(ours, theirs);
    }
}
