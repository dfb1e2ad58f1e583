//! The instance and its settings.

use super::Check;
use crate::circuit::{Arrangement, Cell, Generator, Mesh, MrrBank, RingWeight, SlmMatvec};
use crate::file::{
    ArrangementEntry, CellEntry, Instance, MeshSettings, MrrBankSettings, NamedScale, RingPreset, RingWeightEntry,
    ScaleEntry, SlmMatvecSettings,
};
use blackbeam_source::{Diagnostic, Node};

/// Most modes of a mesh.
const MAX_MODES: u64 = 4096;
/// Most entries of a matrix.
const MAX_ENTRIES: u64 = 1 << 24;

impl Check {
    /// The one instance: its name and what it is.
    pub(super) fn generator(&mut self, root: &Node) -> Option<(String, Generator)> {
        let (section, instances) = root.entry("instances").and_then(|(key, node)| Some((key, node.as_map()?)))?;
        let [(key, node)] = instances else {
            let error = Diagnostic::error("instances", format!("expected one instance, found {}", instances.len()));
            let error = error.at(instances.get(1).map_or(section.span, |(second, _)| second.span));
            if instances.len() > 1 || !root.get("instances").is_some_and(|node| self.was_cut(node.span)) {
                self.found.push(error.help("for now a device is one instance of `mesh`, `mrr_bank` or `slm_matvec`"));
            }
            return None;
        };
        let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        if key.name.is_empty() || !key.name.chars().all(is_name) {
            let message = format!("`{}` cannot be the name of an instance", key.name);
            self.found
                .push(Diagnostic::error("bad-name", message).at(key.span).help("use letters, digits, `_` and `-`"));
            return None;
        }
        let settings = node.get("settings").unwrap_or(node);
        let generator = match self.typed(node)? {
            Instance::Mesh(entry) => self.mesh(&entry).map(Generator::Mesh),
            Instance::MrrBank(entry) => self.mrr_bank(&entry, settings).map(Generator::MrrBank),
            Instance::SlmMatvec(entry) => self.slm_matvec(&entry, settings).map(Generator::SlmMatvec),
        }?;
        Some((key.name.clone(), generator))
    }

    fn mesh(&mut self, entry: &MeshSettings) -> Option<Mesh> {
        if !(2..=MAX_MODES).contains(&entry.n) {
            return None; // the schema has said so
        }
        let cell = match entry.cell {
            None | Some(CellEntry::Mzi) => Cell::Mzi,
            Some(CellEntry::Mzi3) => Cell::Mzi3,
            Some(CellEntry::MziClassical) => Cell::MziClassical,
        };
        let arrangement = match entry.arrangement {
            None | Some(ArrangementEntry::Clements) => Arrangement::Clements,
        };
        Some(Mesh { n: entry.n as usize, arrangement, cell, output_phases: entry.output_phases.unwrap_or(true) })
    }

    fn mrr_bank(&mut self, entry: &MrrBankSettings, node: &Node) -> Option<MrrBank> {
        let (rows, columns) = self.matrix(entry.rows, entry.columns, node)?;
        let named = entry.preset.map(ring_of);
        let (a, r) = (entry.a.or(named.map(|n| n.0)), entry.r.or(named.map(|n| n.1)));
        let (Some(a), Some(r)) = (a, r) else {
            let missing = if a.is_none() { "a" } else { "r" };
            let error = Diagnostic::error("missing-key", format!("missing key `{missing}`")).at(node.span);
            self.found
                .push(error.help("give a ring by `preset: HQ`, `MQ`, `LQ`, `MORR` or `astralora`, or its `a` and `r`"));
            return None;
        };
        let weight = match (entry.weight, entry.preset) {
            (None, Some(RingPreset::Astralora)) | (Some(RingWeightEntry::AllPassAmplitude), _) => {
                RingWeight::AllPassAmplitude
            }
            (None, _) | (Some(RingWeightEntry::AllPassPower), _) => RingWeight::AllPassPower,
            (Some(RingWeightEntry::AddDrop), _) => RingWeight::AddDrop,
        };
        if entry.r2.is_some() && weight != RingWeight::AddDrop {
            self.error("unused-setting", "`r2` belongs to rings with `weight: add_drop`", node.span_at(&["r2"]));
        }
        Some(MrrBank { rows, columns, a, r, r2: entry.r2.unwrap_or(r), weight, scale: entry.scale.unwrap_or(1.0) })
    }

    fn slm_matvec(&mut self, entry: &SlmMatvecSettings, node: &Node) -> Option<SlmMatvec> {
        let (n_out, n_in) = self.matrix(entry.n_out, entry.n_in, node)?;
        let scale = match entry.scale {
            None | Some(ScaleEntry::Named(NamedScale::RsqrtIn)) => 1.0 / (n_in as f64).sqrt(),
            Some(ScaleEntry::Number(scale)) => scale,
        };
        Some(SlmMatvec { n_in, n_out, scale, fill_factor: entry.fill_factor.unwrap_or(1.0) })
    }

    /// Rows and columns of a matrix of a size that can be simulated.
    fn matrix(&mut self, rows: u64, columns: u64, node: &Node) -> Option<(usize, usize)> {
        if rows == 0 || columns == 0 {
            return None; // the schema has said so
        }
        if rows.checked_mul(columns).is_none_or(|entries| entries > MAX_ENTRIES) {
            let message = format!("{rows} x {columns} is too large: a matrix may have {MAX_ENTRIES} entries (2^24)");
            self.error("too-large", message, node.span);
            return None;
        }
        Some((rows as usize, columns as usize))
    }
}

/// (a, r) of a ring by name [torchonn's presets; the last one is astralora's].
fn ring_of(preset: RingPreset) -> (f64, f64) {
    match preset {
        RingPreset::Hq => (0.987, 0.99),
        RingPreset::Mq => (0.925, 0.93),
        RingPreset::Lq => (0.845, 0.85),
        RingPreset::Morr => (0.8578, 0.8985),
        RingPreset::Astralora => (0.8, 0.9),
    }
}
