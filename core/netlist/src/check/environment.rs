//! `environment`, `solver`, `imports` and `timing`.

use super::Check;
use crate::circuit::{Environment, Precision, Solver, Timing};
use crate::file::{
    self, HostTime, ImportEntry, NamedHostTime, SolverEntry, SolverMethod, SolverPrecision, TimingEntry, WlEntry,
};
use crate::library::Imports;
use blackbeam_source::{Diagnostic, Node};

/// Wavelength if the file gives none, um; that of SAX.
const DEFAULT_WL_UM: f64 = 1.55;
/// Temperature if the file gives none, kelvin.
const DEFAULT_TEMPERATURE_K: f64 = 300.0;
/// Most entries of `imports`; each is a file.
const MAX_IMPORTS: usize = 1024;
/// Most wavelengths, as in the schema.
const MAX_WAVELENGTHS: u64 = 1_000_000;
/// Speed of light, um GHz.
const LIGHT_UM_GHZ: f64 = 299_792.458;

impl Check {
    pub(super) fn environment(&mut self, root: &Node) -> Environment {
        let mut environment =
            Environment { wavelengths_um: vec![DEFAULT_WL_UM], channels: false, temperature_k: DEFAULT_TEMPERATURE_K };
        let Some((node, entry)) = self.section::<file::Environment>(root, "environment") else { return environment };
        environment.temperature_k = entry.temperature_k.unwrap_or(DEFAULT_TEMPERATURE_K);
        match entry.wl {
            None => {}
            Some(WlEntry::One(wl)) if wl <= 0.0 => {
                self.error("out-of-range", "a wavelength is positive", node.span_at(&["wl"]));
            }
            Some(WlEntry::One(wl)) => environment.wavelengths_um = vec![wl],
            Some(WlEntry::Sweep(sweep)) => {
                let range = self.range([sweep.start, sweep.stop], node.span_at(&["wl", "stop"]));
                // other numbers of points are errors of the structure
                if let (Some((start, stop)), 2..=MAX_WAVELENGTHS) = (range, sweep.points) {
                    let last = (sweep.points - 1) as f64;
                    let at = |k: u64| if k as f64 == last { stop } else { start + (stop - start) * k as f64 / last };
                    environment.wavelengths_um = (0..sweep.points).map(at).collect();
                }
            }
        }
        if let Some(channels) = entry.channels {
            if let Some((key, _)) = node.entry("wl") {
                self.error("two-values", "give `wl` or `channels`, not both", key.span);
            }
            if !(1..=MAX_WAVELENGTHS).contains(&channels.count) {
                return environment; // an error of the structure
            }
            let first = LIGHT_UM_GHZ / channels.start;
            let frequency = |k: u64| first - k as f64 * channels.spacing_ghz;
            if frequency(channels.count - 1) <= 0.0 {
                let message = format!("{} channels go below the frequency 0", channels.count);
                self.error("out-of-range", message, node.span_at(&["channels"]));
                return environment;
            }
            environment.wavelengths_um = (0..channels.count).map(|k| LIGHT_UM_GHZ / frequency(k)).collect();
            environment.channels = true;
        }
        if let Some(wl) = environment.wavelengths_um.iter().find(|wl| !(0.1..=100.0).contains(*wl)) {
            let warning = Diagnostic::warning("odd-wavelength", format!("a wavelength of {wl} um is not light"));
            let span = node.span_at(&[if environment.channels { "channels" } else { "wl" }]);
            self.found.push(warning.at(span).help("wavelengths are in micrometres, such as 1.55"));
        }
        environment
    }

    pub(super) fn solver(&mut self, root: &Node) -> (Solver, Precision) {
        let entry = self.section::<SolverEntry>(root, "solver").map(|(_, entry)| entry);
        let precision = match entry.as_ref().and_then(|entry| entry.precision) {
            None | Some(SolverPrecision::F64) => Precision::F64,
            Some(SolverPrecision::F32) => Precision::F32,
        };
        let solver = match entry.and_then(|entry| entry.method) {
            None | Some(SolverMethod::Auto) => Solver::Auto,
            Some(SolverMethod::Feedforward) => Solver::Feedforward,
            Some(SolverMethod::Cascade) => Solver::Cascade,
            Some(SolverMethod::Sparse) => Solver::Sparse,
            Some(SolverMethod::Dense) => Solver::Dense,
        };
        (solver, precision)
    }

    pub(super) fn imports(&mut self, root: &Node, environment: &Environment) -> Imports {
        let mut imports = Imports::new(&self.files);
        let entries = root.get("imports").and_then(Node::as_seq).unwrap_or_default();
        if let Some(first) = entries.get(MAX_IMPORTS) {
            self.at_most(entries.len(), MAX_IMPORTS, "imports", first.span);
        }
        for node in entries.iter().take(MAX_IMPORTS) {
            if let Some(entry) = self.typed::<ImportEntry>(node) {
                imports.add(&entry, node, environment, &mut self.found);
            }
        }
        imports
    }

    pub(super) fn timing(&mut self, root: &Node) -> Option<Timing> {
        let mut timing = Timing {
            write_fixed_s: 0.0,
            write_each_s: 0.0,
            trigger_s: 0.0,
            frame_s: 0.0,
            frame_vectors: 1,
            averages: 1,
            host_step_s: 0.0,
        };
        if root.get("timing").is_none_or(Node::is_null) {
            return Some(timing);
        }
        let (node, entry) = self.section::<TimingEntry>(root, "timing")?;
        timing.write_fixed_s = entry.write_fixed.unwrap_or(0.0);
        timing.write_each_s = entry.write_each.unwrap_or(0.0);
        timing.trigger_s = entry.trigger.unwrap_or(0.0);
        timing.frame_s = entry.frame.unwrap_or(0.0);
        timing.frame_vectors = entry.batch.unwrap_or(1);
        timing.averages = entry.averages.unwrap_or(1);
        match entry.host_time {
            Some(HostTime::Fixed(seconds)) => timing.host_step_s = seconds,
            None | Some(HostTime::Named(NamedHostTime::Zero)) => {}
            Some(HostTime::Named(NamedHostTime::Measured)) => {
                let message = "`host_time: measured` is not supported yet: a run could not be repeated";
                let error = Diagnostic::error("not-supported-yet", message).at(node.span_at(&["host_time"]));
                self.found.push(error.help("give the seconds of the host per training step, or `zero`"));
            }
        }
        if timing.host_step_s < 0.0 {
            self.error("out-of-range", "a time cannot be negative", node.span_at(&["host_time"]));
        }
        Some(timing)
    }
}
