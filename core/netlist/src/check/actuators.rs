//! Actuators: what they drive and whether they reach it.

use super::Check;
use super::parameters::Block;
use crate::circuit::{Actuator, Crosstalk, Curve, Dac, Number};
use crate::file::{ActuatorEntry, CrosstalkEntry, CurveEntry, CurveForm, DriveQuantity};
use crate::places::{Class, Places};
use blackbeam_source::{Diagnostic, Key, Node, Severity, Span};
use std::f64::consts::PI;

/// Largest distance of exponential crosstalk if the file gives none, grid units.
const DEFAULT_CUTOFF: f64 = 4.0;

impl Check {
    pub(super) fn actuators(&mut self, root: &Node, places: &Places, blocks: &[Block]) -> Vec<Actuator> {
        let mut actuators = Vec::new();
        let mut driven: Vec<Option<(String, Span)>> = vec![None; blocks.len()];
        for (key, node) in root.get("actuators").and_then(Node::as_map).into_iter().flatten() {
            let Some(entry) = self.typed::<ActuatorEntry>(node) else { continue };
            let drives = self.drives(&entry, node, places, blocks);
            for index in &drives {
                if let Some((other, first)) = &driven[*index] {
                    let what = block_name(&blocks[*index]);
                    let message = format!("`{what}` is driven by two actuators, `{other}` and `{}`", key.name);
                    let error = Diagnostic::error("driven-twice", message).at(node.span_at(&["drives"]));
                    self.found.push(error.note(*first, "first driven here"));
                }
                driven[*index] = Some((key.name.clone(), node.span_at(&["drives"])));
            }
            actuators.extend(self.actuator(key, &entry, node, drives, blocks));
        }
        actuators
    }

    /// The blocks that an actuator drives, in their order.
    fn drives(&mut self, entry: &ActuatorEntry, node: &Node, places: &Places, blocks: &[Block]) -> Vec<usize> {
        let mut drives = Vec::new();
        let list = node.get("drives").unwrap_or(node);
        let before = self.found.count(Severity::Error);
        for (span, selection) in self.select(places, &entry.drives, list) {
            let Some(index) = blocks.iter().position(|b| b.class == selection.class) else {
                // a glob may name other places too
                continue;
            };
            if selection.elements.len() != blocks[index].block.names.len() {
                let message = "an actuator that drives a part of a block is not supported yet by this version";
                self.error("not-supported-yet", message, span);
            }
            if self.is_built(&blocks[index], span) && !drives.contains(&index) {
                drives.push(index);
            }
        }
        if drives.is_empty() && self.found.count(Severity::Error) == before && !self.is_preset(list.span) {
            let known: Vec<String> = blocks.iter().map(|b| format!("`{}`", block_name(b))).collect();
            let error = Diagnostic::error("no-match", "this actuator drives no parameter").at(list.span);
            self.found.push(error.help(format!("parameters here: {}", known.join(", "))));
        }
        drives.sort_unstable();
        drives
    }

    /// Output phases that are not trained are not built either, as far as a preset (where `span` may stand) can know.
    pub(super) fn is_built(&self, block: &Block, span: Span) -> bool {
        block.class != Class::Gamma || block.block.trainable || !self.is_preset(span)
    }

    fn actuator(
        &mut self,
        key: &Key,
        entry: &ActuatorEntry,
        node: &Node,
        drives: Vec<usize>,
        blocks: &[Block],
    ) -> Option<Actuator> {
        let dac = match &entry.dac {
            Some(dac) => Some(self.dac(dac, node.get("dac").unwrap_or(node))?),
            None => None,
        };
        let curve = match &entry.curve {
            Some(curve) => self.curve(curve, node.get("curve").unwrap_or(node), dac)?,
            None => Curve::Direct,
        };
        if let Some(dac) = dac {
            self.check_reach(&curve, dac, node, &drives, blocks);
        }
        self.one_of(node, entry.offset.is_some(), "offset", entry.phase_bias.is_some(), "phase_bias");
        self.one_of(node, entry.crosstalk.is_some(), "crosstalk", entry.crosstalk_factor.is_some(), "crosstalk_factor");
        self.one_of(node, entry.response.is_some(), "response", entry.response_time.is_some(), "response_time");
        let offset = entry.offset.as_ref().or(entry.phase_bias.as_ref());
        let offset = self.number_or(offset, 0.0, node.span_at(&["offset"]));
        let gain = self.number_or(entry.gain.as_ref(), 1.0, node.span_at(&["gain"]));
        let factor = entry.crosstalk_factor.map(|strength| Crosstalk::Nearest { strength });
        let crosstalk = entry.crosstalk.as_ref().map(crosstalk).or(factor);
        let tau_s = entry.response.as_ref().map(|r| r.tau).or(entry.response_time).unwrap_or(0.0);
        let name = key.name.clone();
        if self.ideal {
            // the clock keeps the lag; everything that changes a phase goes
            let (offset, gain) = (Number::Fixed(0.0), Number::Fixed(1.0));
            let curve = Curve::Direct;
            return Some(Actuator {
                name,
                drives,
                dac: None,
                curve,
                offset,
                gain,
                crosstalk: None,
                tau_s,
                phase_noise_std: 0.0,
            });
        }
        let phase_noise_std = entry.phase_noise_std.unwrap_or(0.0);
        Some(Actuator { name, drives, dac, curve, offset, gain, crosstalk, tau_s, phase_noise_std })
    }

    /// Two names of one thing.
    pub(super) fn one_of(&mut self, node: &Node, a: bool, a_name: &str, b: bool, b_name: &str) {
        if a && b {
            let message = format!("`{a_name}` and `{b_name}` say the same thing; give one");
            self.error("two-values", message, node.entry(b_name).map_or(node.span, |(key, _)| key.span));
        }
    }

    fn curve(&mut self, entry: &CurveEntry, node: &Node, dac: Option<Dac>) -> Option<Curve> {
        let pi = match (entry.v_pi, entry.p_pi) {
            (Some(_), Some(_)) => {
                self.error("two-values", "give `v_pi` (a voltage) or `p_pi` (a power), not both", node.span);
                return None;
            }
            (Some(v), None) => Some((v, DriveQuantity::Voltage, "v_pi")),
            (None, Some(p)) => Some((p, DriveQuantity::Power, "p_pi")),
            (None, None) => None,
        };
        if let (Some((_, quantity, name)), Some(written)) = (pi, entry.quantity)
            && quantity != written
        {
            let message = format!("`{name}` does not fit a drive that is a {}", quantity_name(written));
            self.error("unit", message, node.span_at(&["quantity"]));
            return None;
        }
        let quantity = pi.map(|(_, quantity, _)| quantity).or(entry.quantity);
        let missing = |name: &str| Diagnostic::error("missing-key", format!("missing key `{name}`")).at(node.span);
        let fault = match entry.form {
            CurveForm::Direct => match quantity {
                None | Some(DriveQuantity::Phase) => return Some(Curve::Direct),
                Some(q) => {
                    Diagnostic::error("unit", format!("`direct` sets the phase itself, not a {}", quantity_name(q)))
                        .at(node.span)
                }
            },
            CurveForm::Linear => match pi {
                Some((pi, ..)) => return Some(Curve::Linear { pi }),
                None => missing("p_pi").help("`linear` needs `v_pi` or `p_pi`, the drive of a phase of pi"),
            },
            CurveForm::Square => match pi {
                Some((pi, DriveQuantity::Voltage, _)) => match dac.filter(|dac| dac.min < 0.0) {
                    None => return Some(Curve::Square { pi }),
                    Some(_) => Diagnostic::error("curve", "a square curve cannot be inverted for a DAC below 0 V")
                        .at(node.span),
                },
                Some(_) => Diagnostic::error("unit", "`square` is a curve over a voltage: give `v_pi`").at(node.span),
                None => missing("v_pi").help("`square` needs `v_pi`, the voltage of a phase of pi"),
            },
            CurveForm::Polynomial => match (&entry.coefficients, dac) {
                (None, _) => missing("coefficients").help("`polynomial` needs `coefficients: [c0, c1, ...]`"),
                (_, None) => {
                    Diagnostic::error("curve", "a polynomial needs a `dac`, whose range says where it is inverted")
                        .at(node.span)
                }
                (Some(c), Some(dac)) if is_increasing(c, dac) => return Some(Curve::Polynomial(c.clone())),
                (Some(_), Some(dac)) => {
                    let message = format!(
                        "the polynomial does not increase all the way from {} to {}, the range of the DAC",
                        dac.min, dac.max
                    );
                    Diagnostic::error("curve", message).at(node.span_at(&["coefficients"]))
                }
            },
        };
        self.found.push(fault);
        None
    }

    /// Every block's range must lie within what the curve gives over the DAC's range.
    fn check_reach(&mut self, curve: &Curve, dac: Dac, node: &Node, drives: &[usize], blocks: &[Block]) {
        let (low, high) = (phase_of(curve, dac.min), phase_of(curve, dac.max));
        for index in drives {
            let block = &blocks[*index];
            let (from, to) = block.block.range;
            let slack = 1e-6 * (to - from);
            if low <= from + slack && high >= to - slack {
                continue;
            }
            let name = block_name(block);
            let message = format!(
                "the DAC cannot reach the range of `{name}`: it gives {low:.4} to {high:.4} rad, {from:.4} to {to:.4} is needed"
            );
            let mut error = Diagnostic::error("out-of-reach", message).at(node.span_at(&["dac"]));
            if let Some(span) = block.span {
                error = error.note(span, "the range is given here");
            }
            self.found.push(error.help("change `dac.max` (or `dac.min`), the curve, or the parameter's `range`"));
        }
    }
}

fn crosstalk(entry: &CrosstalkEntry) -> Crosstalk {
    match *entry {
        CrosstalkEntry::Nearest { strength } => Crosstalk::Nearest { strength },
        CrosstalkEntry::Exponential { strength, decay, cutoff } => {
            Crosstalk::Exponential { strength, decay, cutoff: cutoff.unwrap_or(DEFAULT_CUTOFF) }
        }
        CrosstalkEntry::Gaussian { sigma_pixels } => Crosstalk::Gaussian { sigma_pixels },
    }
}

fn quantity_name(quantity: DriveQuantity) -> &'static str {
    match quantity {
        DriveQuantity::Voltage => "voltage",
        DriveQuantity::Power => "power",
        DriveQuantity::Phase => "phase",
    }
}

/// `U.theta` of `U.theta<0.0>`.
pub(super) fn block_name(block: &Block) -> &str {
    block.block.names.first().map_or("", |name| name.split('<').next().unwrap_or(name))
}

fn phase_of(curve: &Curve, drive: f64) -> f64 {
    match curve {
        Curve::Direct => drive,
        Curve::Linear { pi } => PI * drive / pi,
        Curve::Square { pi } => PI * (drive / pi).powi(2),
        Curve::Polynomial(c) => c.iter().rev().fold(0.0, |sum, c| sum * drive + c),
    }
}

/// True if the values at 1025 drives over the range of the DAC go up. A dip between two of them is far below its step.
fn is_increasing(coefficients: &[f64], dac: Dac) -> bool {
    let curve = Curve::Polynomial(coefficients.to_vec());
    let at = |i: u32| phase_of(&curve, dac.min + (dac.max - dac.min) * f64::from(i) / 1024.0);
    (0..1024).all(|i| at(i) < at(i + 1))
}
