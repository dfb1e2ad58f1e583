//! Circuits from text to S-parameters: against SAX, against closed forms, and what holds for any circuit.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod closed_forms;
mod copies;
mod netlist;
mod properties;
mod random;
mod sax;
mod shipped;

use blackbeam_netlist::{ReadOptions, circuit::Circuit, read};
use blackbeam_optics::{Optics, Spectrum};
use blackbeam_source::{Diagnostics, Source};
use num_complex::Complex64;

/// Reads a text without errors; gives the warnings too.
#[track_caller]
fn circuit(name: &str, text: &str) -> (Circuit, Diagnostics) {
    read(&Source::new(name, text), &ReadOptions::default()).unwrap_or_else(|e| panic!("{}\n{text}", e.render(false)))
}

/// The S-parameters of a text at some wavelengths, um.
#[track_caller]
fn spectrum(text: &str, wavelengths_um: &[f64]) -> Spectrum {
    let (mut circuit, _) = circuit("circuit.yml", text);
    circuit.environment.wavelengths_um = wavelengths_um.to_vec();
    solved(&circuit)
}

#[track_caller]
fn solved(circuit: &Circuit) -> Spectrum {
    Optics::new(circuit, circuit.seed).and_then(|optics| optics.spectrum()).unwrap()
}

/// S(from -> to) at a wavelength, by the names of the ports.
#[track_caller]
fn s(spectrum: &Spectrum, wavelength: usize, from: &str, to: &str) -> Complex64 {
    let index = |names: &[String], name| names.iter().position(|n| n == name).unwrap_or_else(|| panic!("no {name}"));
    spectrum.get(wavelength, index(&spectrum.inputs, from), index(&spectrum.outputs, to))
}

/// The same ports and, within `tolerance` of the largest number (or of 1), the same numbers.
#[track_caller]
fn assert_same(a: &Spectrum, b: &Spectrum, tolerance: f64, what: impl Fn() -> String) {
    assert_eq!((&a.inputs, &a.outputs, a.s.len()), (&b.inputs, &b.outputs, b.s.len()), "{}", what());
    let off = a.s.iter().zip(&b.s).fold(0.0, |off: f64, (a, b)| off.max((a - b).norm()));
    assert!(off <= tolerance * largest(a), "off by {off:e}, the largest number being {}:\n{}", largest(a), what());
}

/// The largest amplitude, at least 1.
fn largest(spectrum: &Spectrum) -> f64 {
    spectrum.s.iter().fold(1.0, |largest, s| s.norm().max(largest))
}
