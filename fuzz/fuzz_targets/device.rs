//! Reads any text as a device file; what is read without an error is compiled and explained or refused, never a panic.

#![no_main]

use blackbeam_netlist::{Files, ReadOptions, read_with};
use blackbeam_source::Source;
use libfuzzer_sys::fuzz_target;

/// Circuits beyond this are read but not compiled, so that the fuzzer sees many inputs a second.
const LARGEST: usize = 4096;

/// A few small files for imports, curves and matrices to find, put there by `run.sh`.
const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/files");

fuzz_target!(|text: &str| {
    // a path out of the folder leads to what the machine happens to have: no two runs would see the same
    if text.contains("../") || text.contains("\"/") || text.contains(" /") {
        return;
    }
    let source = Source::new("fuzz.ddl.yml", text);
    match read_with(&source, &ReadOptions::default(), &Files::in_folder(FILES)) {
        Ok((circuit, warnings)) => {
            let _ = warnings.render(false);
            if circuit.slots.len() + circuit.instances.len() <= LARGEST {
                let _ = blackbeam_optics::Simulator::open(&circuit, 1, 1);
            }
        }
        Err(found) => {
            assert!(found.has_errors(), "refused without saying why");
            let _ = found.render(false);
        }
    }
});
