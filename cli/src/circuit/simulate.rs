//! `blackbeam simulate`.

use super::{read_light, refused, write};
use crate::{Failure, args::SimulateArgs};
use blackbeam_drawing::Curve;
use blackbeam_optics::{Optics, Spectrum};
use blackbeam_sparams::{Limits, Model};
use std::{fmt::Write, path::Path};

/// Runs the command.
pub fn run(args: &SimulateArgs) -> Result<(), Failure> {
    let file = &args.device.file;
    if let Some(out) = &args.out {
        known_format(out)?;
    }
    let (mut circuit, seed) = read_light(file, &args.device.reading)?;
    if let Some(wl) = &args.wl {
        circuit.environment.wavelengths_um.clone_from(&wl.0);
        circuit.environment.channels = false;
    }
    if !args.probes {
        circuit.probes.clear();
    }
    let spectrum = Optics::new(&circuit, seed).and_then(|o| o.spectrum()).map_err(refused(file))?;
    if let Some(plot) = &args.plot {
        let svg = blackbeam_drawing::spectrum(&circuit.name, &curves(&spectrum));
        write(Some(plot), &svg.map_err(|e| Failure::Input(e.to_string()))?)?;
    }
    match &args.out {
        None if args.plot.is_some() => Ok(()),
        Some(out) if !is(out, "csv") => save(&spectrum, out),
        out => write(out.as_ref(), &csv(&spectrum)),
    }
}

fn is(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case(extension))
}

/// Found out before anything is computed.
fn known_format(out: &Path) -> Result<(), Failure> {
    let touchstone = out.extension().and_then(|e| e.to_str()).is_some_and(|e| {
        let digits = e.to_ascii_lowercase().strip_prefix('s').and_then(|e| e.strip_suffix('p').map(str::to_owned));
        digits.is_some_and(|d| d.parse::<u32>().is_ok())
    });
    if is(out, "csv") || is(out, "npz") || touchstone {
        return Ok(());
    }
    Err(Failure::Input(format!(
        "{}: expected a name that ends in .csv, .npz or .sNp (.s2p for two ports)",
        out.display()
    )))
}

/// Every ordered pair of outer ports, and probes as ports that light leaves by.
fn csv(spectrum: &Spectrum) -> String {
    let mut text = String::from("wl_um,port_in,port_out,re,im\n");
    for (w, wl) in spectrum.wavelengths_um.iter().enumerate() {
        for (i, input) in spectrum.inputs.iter().enumerate() {
            for (o, output) in spectrum.outputs.iter().enumerate() {
                let s = spectrum.get(w, i, o);
                // writing to a string cannot fail
                let _ = writeln!(text, "{wl:?},{input},{output},{:?},{:?}", s.re, s.im);
            }
        }
    }
    text
}

/// As `.npz` or Touchstone: outer ports only.
fn save(spectrum: &Spectrum, out: &Path) -> Result<(), Failure> {
    let n = spectrum.inputs.len();
    let mut s = Vec::with_capacity(spectrum.wavelengths_um.len() * n * n);
    for w in 0..spectrum.wavelengths_um.len() {
        s.extend((0..n).flat_map(|o| (0..n).map(move |i| spectrum.get(w, i, o))));
    }
    let failed = |e: blackbeam_sparams::Error| Failure::Run(format!("{}: {e}", out.display()));
    let model =
        Model::from_wavelengths(spectrum.inputs.clone(), spectrum.wavelengths_um.clone(), s, &Limits::default());
    blackbeam_sparams::write(&model.map_err(failed)?, out).map_err(failed)
}

/// Transmissions and reflections that are anywhere above -80 dB.
fn curves(spectrum: &Spectrum) -> Vec<Curve> {
    let mut curves = Vec::new();
    for (i, input) in spectrum.inputs.iter().enumerate() {
        for (o, output) in spectrum.outputs.iter().enumerate() {
            let db = |w: usize| 10.0 * spectrum.get(w, i, o).norm_sqr().log10();
            let points: Vec<_> = spectrum.wavelengths_um.iter().enumerate().map(|(w, wl)| (*wl, db(w))).collect();
            if points.iter().any(|p| p.1 > -80.0) {
                curves.push(Curve { name: format!("{input} -> {output}"), points });
            }
        }
    }
    curves
}
