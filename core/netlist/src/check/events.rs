//! `events`: what happens abruptly.

use super::Check;
use super::parameters::Block;
use super::quantity::Places;
use super::readout::Outputs;
use crate::circuit::{Event, EventKind, When};
use crate::file::{EventEntry, Paths};
use crate::scene::Scene;
use blackbeam_source::{Diagnostic, Node};

impl Check {
    pub(super) fn events(&mut self, root: &Node, scene: &Scene, blocks: &[Block], outputs: &Outputs) -> Vec<Event> {
        let places = Places { scene, outputs, inputs: &[] };
        let mut events = Vec::new();
        for node in root.get("events").and_then(Node::as_seq).into_iter().flatten() {
            let Some(entry) = self.typed::<EventEntry>(node) else { continue };
            let when = self.when(&entry, node);
            let what = self.what(&entry, node, blocks, &places);
            let (_, _, duration) = entry.when();
            let at_once = matches!(
                entry,
                EventEntry::AdcGlitch { .. } | EventEntry::StateLost { .. } | EventEntry::FrameSlip { .. }
            );
            if let (true, Some((key, _))) = (at_once, node.entry("duration_s")) {
                let message = "this event is over at once: it has no `duration_s`";
                self.error("unused-setting", message, key.span);
            }
            let duration_s = duration.unwrap_or(if at_once { 0.0 } else { f64::INFINITY });
            events.extend(when.zip(what).map(|(when, what)| Event { what, when, duration_s }));
        }
        if self.ideal { Vec::new() } else { events }
    }

    fn when(&mut self, entry: &EventEntry, node: &Node) -> Option<When> {
        match entry.when() {
            (Some(times), None, _) => {
                if let Some(k) = times.iter().position(|t| *t < 0.0) {
                    let span = node.span_at(&["times", &k.to_string()]);
                    self.error("out-of-range", "a time cannot be negative", span);
                    return None;
                }
                let mut times = times.to_vec();
                times.sort_by(f64::total_cmp);
                Some(When::At(times))
            }
            (None, Some(rate), _) => Some(When::Poisson(rate)),
            (Some(_), Some(_), _) => {
                self.error("two-values", "give `times` or `rate_per_s`, not both", node.span_at(&["rate_per_s"]));
                None
            }
            (None, None, _) => {
                let error = Diagnostic::error("missing-key", "missing key `times` or `rate_per_s`").at(node.span);
                self.found.push(error.help("say when it happens, `times: [10, 250]` in seconds, or how often"));
                None
            }
        }
    }

    fn what(&mut self, entry: &EventEntry, node: &Node, blocks: &[Block], places: &Places) -> Option<EventKind> {
        Some(match entry {
            EventEntry::Relock { at, sigma, .. } => {
                EventKind::Relock { slots: self.phases(at, node, blocks, places)?, sigma: *sigma }
            }
            EventEntry::ModeHop { shift_nm, .. } => EventKind::ModeHop { shift_um: shift_nm * 1e-3 },
            EventEntry::HotPixel { at, .. } => EventKind::HotPixel(self.outputs_at(at, node, places)?),
            EventEntry::DeadChannel { at, .. } => EventKind::DeadChannel(self.outputs_at(at, node, places)?),
            EventEntry::StuckDac { at, .. } => EventKind::StuckDac(self.parameters_at(at, node, blocks, places)?),
            EventEntry::AdcGlitch { sigma, .. } => EventKind::AdcGlitch { sigma: *sigma },
            EventEntry::StateLost { .. } => EventKind::StateLost,
            EventEntry::FrameSlip { .. } => EventKind::FrameSlip,
        })
    }

    /// Parameters, by their index over all blocks.
    fn parameters_at(&mut self, at: &Paths, node: &Node, blocks: &[Block], places: &Places) -> Option<Vec<usize>> {
        let list = node.get("at").unwrap_or(node);
        let selections = self.select(places.scene, at, list);
        if selections.is_empty() {
            return None;
        }
        let mut named = vec![false; places.scene.flat.slots.len()];
        selections.iter().flat_map(|(_, s)| &s.slots).for_each(|slot| named[*slot] = true);
        let (mut found, mut before) = (Vec::new(), 0);
        for Block { block, .. } in blocks {
            let mut start = 0;
            for (k, end) in block.ends.iter().enumerate() {
                if block.slots[start..*end].iter().any(|slot| named[*slot]) {
                    found.push(before + k);
                }
                start = *end;
            }
            before += block.ends.len();
        }
        if found.is_empty() {
            let error = Diagnostic::error("not-a-parameter", "there is no parameter here").at(list.span);
            self.found
                .push(error.help("parameters are listed under `parameters`; phases of generators are parameters too"));
            return None;
        }
        Some(found)
    }
}
