//! `drift`: what changes with time, and how.

use super::Check;
use super::parameters::Block;
use super::quantity::Places;
use super::readout::Outputs;
use crate::circuit::{Drift, DriftModel, DriftTarget, ParameterKind};
use crate::file::{DriftEntry, Paths};
use crate::scene::{Scene, Selection};
use blackbeam_source::{Diagnostic, Node, Span, did_you_mean};

impl Check {
    pub(super) fn drift(&mut self, root: &Node, scene: &Scene, blocks: &[Block], outputs: &Outputs) -> Vec<Drift> {
        let places = Places { scene, outputs, inputs: &[] };
        let mut all = Vec::new();
        for node in root.get("drift").and_then(Node::as_seq).into_iter().flatten() {
            let Some(entry) = self.typed::<DriftEntry>(node) else { continue };
            let (_, _, _, common) = entry.target();
            let target = self.target(&entry, node, blocks, &places);
            let model = self.drift_model(&entry, node);
            all.extend(target.zip(model).map(|(target, model)| Drift { target, model, common }));
        }
        if self.ideal { Vec::new() } else { all }
    }

    fn drift_model(&mut self, entry: &DriftEntry, node: &Node) -> Option<DriftModel> {
        Some(match entry {
            DriftEntry::Ou { sigma, tau, .. } => DriftModel::Ou { sigma: *sigma, tau_s: *tau },
            DriftEntry::Wiener { sigma, .. } => DriftModel::Wiener { sigma: *sigma },
            DriftEntry::Linear { rate, .. } => DriftModel::Linear { rate: self.number(rate, node.span_at(&["rate"]))? },
            DriftEntry::Log { amplitude, t0, .. } => {
                DriftModel::Log { amplitude: self.number(amplitude, node.span_at(&["amplitude"]))?, t0_s: *t0 }
            }
            DriftEntry::Power { nu, t0, .. } => {
                DriftModel::Power { nu: self.number(nu, node.span_at(&["nu"]))?, t0_s: *t0 }
            }
            DriftEntry::Sinusoid { amplitude, frequency_hz, .. } => DriftModel::Sinusoid {
                amplitude: self.number(amplitude, node.span_at(&["amplitude"]))?,
                frequency_hz: *frequency_hz,
            },
        })
    }

    fn target(&mut self, entry: &DriftEntry, node: &Node, blocks: &[Block], places: &Places) -> Option<DriftTarget> {
        let (at, quantity, dphi_dt, _) = entry.target();
        let quantity = quantity.unwrap_or("phase");
        if let (Some(_), false) = (dphi_dt, quantity == "temperature_K") {
            let message = "`dphi_dT` belongs to `quantity: temperature_K`";
            self.error("unused-setting", message, node.entry("dphi_dT").map_or(node.span, |(key, _)| key.span));
        }
        if quantity == "power" {
            if let Some((key, _)) = node.entry("at") {
                self.error("unused-setting", "there is one source: `quantity: power` has no `at`", key.span);
            }
            return Some(DriftTarget::Source);
        }
        let Some(at) = at else {
            let error = Diagnostic::error("missing-key", "missing key `at`").at(node.span);
            self.found.push(error.help("say what drifts, such as `at: U.theta`"));
            return None;
        };
        match quantity {
            "phase" => Some(DriftTarget::Slots { slots: self.phases(at, node, blocks, places)?, factor: 1.0 }),
            "temperature_K" => {
                let Some(factor) = dphi_dt else {
                    let error = Diagnostic::error("missing-key", "missing key `dphi_dT`").at(node.span);
                    self.found.push(error.help("a temperature needs the phase per kelvin: `dphi_dT: 0.07`"));
                    return None;
                };
                Some(DriftTarget::Slots { slots: self.phases(at, node, blocks, places)?, factor })
            }
            "gain" => Some(DriftTarget::OutputGain(self.outputs_at(at, node, places)?)),
            setting => self.settings(at, setting, node, places),
        }
    }

    /// The places of `at`; None if there are none (said already, or a preset's).
    fn places_at(&mut self, at: &Paths, node: &Node, places: &Places) -> Option<Vec<(Span, Selection)>> {
        let list = node.get("at").unwrap_or(node);
        Some(self.select(places.scene, at, list)).filter(|selections| !selections.is_empty())
    }

    /// The slots of the phases that `at` names.
    pub(super) fn phases(&mut self, at: &Paths, node: &Node, blocks: &[Block], places: &Places) -> Option<Vec<usize>> {
        let selections = self.places_at(at, node, places)?;
        let mut slots = Vec::new();
        for (span, selection) in selections {
            match places.phases(&selection) {
                Ok(phases) => slots.extend(phases),
                Err(why) if !self.is_preset(span) => {
                    let error = Diagnostic::error("wrong-place", "there is no phase here").at(span);
                    let help =
                        "phases are parameters such as `U.theta`, cells `U.m*`, rings `U.r*`, `phase` components";
                    self.found.push(error.help(why.unwrap_or_else(|| help.into())));
                    return None;
                }
                Err(_) => {}
            }
        }
        if self.is_preset(node.span) {
            let unbuilt = |b: &&Block| b.block.kind == ParameterKind::Gamma && !b.block.trainable;
            let unbuilt: std::collections::HashSet<usize> =
                blocks.iter().filter(unbuilt).flat_map(|b| b.block.slots.iter().copied()).collect();
            slots.retain(|slot| !unbuilt.contains(slot));
        }
        slots.sort_unstable();
        slots.dedup();
        Some(slots).filter(|slots| !slots.is_empty())
    }

    /// The positions in y that `at` names.
    pub(super) fn outputs_at(&mut self, at: &Paths, node: &Node, places: &Places) -> Option<Vec<usize>> {
        let mut positions = Vec::new();
        for (span, selection) in self.places_at(at, node, places)? {
            let own = places.output_positions(&selection);
            if own.is_empty() && !self.is_preset(span) {
                let error = Diagnostic::error("wrong-place", "there is no output here").at(span);
                let help =
                    "outputs are `U.out*` of a generator, bins `cam.bin<0.0>` of a camera, outer ports and pairs";
                self.found.push(error.help(help));
                return None;
            }
            positions.extend(own);
        }
        positions.sort_unstable();
        positions.dedup();
        Some(positions).filter(|positions| !positions.is_empty())
    }

    /// The slots of a setting.
    fn settings(&mut self, at: &Paths, setting: &str, node: &Node, places: &Places) -> Option<DriftTarget> {
        let mut slots = Vec::new();
        for (span, selection) in self.places_at(at, node, places)? {
            let own = selection.owners.iter().filter_map(|owner| places.scene.slot_named(*owner, setting));
            let before = slots.len();
            slots.extend(own);
            slots.extend(selection.slots.iter().filter(|slot| places.scene.flat.slots[**slot].name == setting));
            if slots.len() == before && !self.is_preset(span) {
                let known: Vec<String> =
                    selection.owners.iter().take(4).flat_map(|owner| places.settings_of(*owner)).collect();
                let known = known.iter().map(String::as_str).chain(["phase", "temperature_K", "gain", "power"]);
                let message = format!("nothing here has a setting `{setting}` that could drift");
                let error = Diagnostic::error("unknown-quantity", message).at(node.span_at(&["quantity"]));
                self.found.push(error.note(span, "the place").help_some(did_you_mean(setting, known)));
                return None;
            }
        }
        slots.sort_unstable();
        slots.dedup();
        Some(DriftTarget::Slots { slots, factor: 1.0 })
    }
}
