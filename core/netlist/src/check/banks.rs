//! Weight banks on shared buses: a channel for each ring of a row.

use super::Check;
use crate::circuit::{Environment, Kind, MrrBank, SharedBus};
use blackbeam_schematic::Flat;
use blackbeam_source::Diagnostic;

impl Check {
    /// There are as many channels as columns, and no ring resonates with two of them.
    pub(super) fn banks(&mut self, flat: &Flat, kinds: &[Kind], environment: &Environment) {
        for (leaf, kind) in kinds.iter().enumerate() {
            let Kind::MrrBank(MrrBank { columns, shared: Some(shared), .. }) = kind else { continue };
            let owner = &flat.owners[flat.leaves[leaf].owner];
            let channels = environment.wavelengths_um.len();
            if environment.channels && channels == *columns {
                self.one_resonance(&format!("{owner}"), owner.span, shared, &environment.wavelengths_um);
                continue;
            }
            let what = if environment.channels { format!("there are {channels}") } else { "there are none".into() };
            let message = format!("`{owner}` needs a channel for each of the {columns} rings on a bus; {what}");
            let error = Diagnostic::error("channels", message).at(owner.span);
            let help = format!("`environment: {{channels: {{start: 1.55, spacing_GHz: 100, count: {columns}}}}}`");
            self.found.push(error.help(help));
        }
    }

    /// A warning where the channels reach beyond a free spectral range.
    fn one_resonance(&mut self, owner: &str, span: blackbeam_source::Span, shared: &SharedBus, wavelengths_um: &[f64]) {
        let [first, .., last] = wavelengths_um else { return };
        let reach = shared.turns(*first, *last).abs();
        if reach >= 1.0 {
            let message = format!(
                "the channels reach over {reach:.2} free spectral ranges of the rings of `{owner}` ({:.0} GHz each): a ring \
                 resonates with several of them",
                shared.free_spectral_range_ghz()
            );
            let warning = Diagnostic::warning("free-spectral-range", message).at(span);
            self.found.push(warning.help("make the rings smaller, or the channels closer"));
        }
    }
}
