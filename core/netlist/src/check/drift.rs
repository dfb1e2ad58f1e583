//! `drift`: which phases or gains change with time, and how.

use super::Check;
use super::parameters::Block;
use crate::circuit::{Drift, DriftModel, DriftTarget};
use crate::file::{DriftEntry, DriftQuantity, Paths};
use crate::places::{Class, Places};
use blackbeam_source::{Diagnostic, Node};

impl Check {
    pub(super) fn drift(&mut self, root: &Node, places: &Places, blocks: &[Block]) -> Vec<Drift> {
        let mut all = Vec::new();
        for node in root.get("drift").and_then(Node::as_seq).into_iter().flatten() {
            let Some(entry) = self.typed::<DriftEntry>(node) else { continue };
            all.extend(self.drift_entry(&entry, node, places, blocks));
        }
        if self.ideal { Vec::new() } else { all }
    }

    fn drift_entry(&mut self, entry: &DriftEntry, node: &Node, places: &Places, blocks: &[Block]) -> Option<Drift> {
        let (at, quantity, common, model) = match entry {
            DriftEntry::Ou { at, quantity, common, sigma, tau } => {
                (at, quantity, common, DriftModel::Ou { sigma: *sigma, tau_s: *tau })
            }
            DriftEntry::Wiener { at, quantity, common, sigma, .. } => {
                (at, quantity, common, DriftModel::Wiener { sigma: *sigma })
            }
            DriftEntry::Linear { at, quantity, common, rate, .. } => {
                let rate = self.number(rate, node.span_at(&["rate"]))?;
                (at, quantity, common, DriftModel::Linear { rate })
            }
            DriftEntry::Log { at, quantity, common, amplitude, t0 } => {
                let amplitude = self.number(amplitude, node.span_at(&["amplitude"]))?;
                (at, quantity, common, DriftModel::Log { amplitude, t0_s: *t0 })
            }
        };
        let target = self.target(at, quantity.unwrap_or(DriftQuantity::Phase), node, places, blocks)?;
        Some(Drift { target, model, common: common.unwrap_or(false) })
    }

    /// The phases (by index over all blocks) or outputs that `at` names.
    fn target(
        &mut self,
        at: &Paths,
        quantity: DriftQuantity,
        node: &Node,
        places: &Places,
        blocks: &[Block],
    ) -> Option<DriftTarget> {
        let list = node.get("at").unwrap_or(node);
        let selections = self.select(places, at, list);
        if selections.is_empty() {
            return None; // an error already, or a preset's path that this device does not have
        }
        let mut elements = Vec::new();
        for (span, selection) in &selections {
            let classes: &[Class] = match (quantity, selection.class) {
                (DriftQuantity::Gain, Class::Out) => {
                    elements.extend(&selection.elements);
                    continue;
                }
                (DriftQuantity::Gain, _) => continue,
                (_, Class::Cell) => &[Class::Theta, Class::Phi],
                (_, Class::Arm(0)) => &[Class::Theta],
                (_, Class::Ring) => &[Class::RingPhase],
                (_, class) if class.is_parameter() => &[class],
                _ => continue,
            };
            for class in classes {
                let Some(index) = blocks.iter().position(|b| b.class == *class) else { continue };
                if !self.is_built(&blocks[index], *span) {
                    continue;
                }
                let first: usize = blocks[..index].iter().map(|b| b.block.names.len()).sum();
                elements.extend(selection.elements.iter().map(|e| first + e));
            }
        }
        elements.sort_unstable();
        elements.dedup();
        if elements.is_empty() {
            let (what, help) = match quantity {
                DriftQuantity::Phase => {
                    ("no phase", "phases are parameters such as `U.theta`, cells `U.m*`, rings `U.r*`")
                }
                DriftQuantity::Gain => ("no output", "gains belong to outputs such as `U.out*`"),
            };
            self.found.push(
                Diagnostic::error("wrong-place", format!("there is {what} to drift here")).at(list.span).help(help),
            );
            return None;
        }
        Some(match quantity {
            DriftQuantity::Phase => DriftTarget::Phases(elements),
            DriftQuantity::Gain => DriftTarget::OutputGain(elements),
        })
    }
}
