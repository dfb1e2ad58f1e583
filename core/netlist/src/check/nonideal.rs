//! `nonideal`: which quantity of which places.

use super::Check;
use crate::circuit::{Generator, Mesh, Number, Quantity, Rule};
use crate::file::{RuleEntry, RuleValue};
use crate::places::{Class, Places, Selection, cell_count};
use blackbeam_source::{Diagnostic, Node, Span};
use std::f64::consts::FRAC_PI_4;

/// A quantity as a file names it.
#[derive(Clone, Copy, PartialEq)]
enum Named {
    SplitAngle,
    Loss,
    Phase,
    A,
    R,
    ZeroOrder,
    Gain,
}

impl Check {
    pub(super) fn nonideal(&mut self, root: &Node, places: &Places, generator: &Generator) -> Vec<Rule> {
        let mut rules = Vec::new();
        for node in root.get("nonideal").and_then(Node::as_seq).into_iter().flatten() {
            let Some(entry) = self.typed::<RuleEntry>(node) else { continue };
            let at = node.get("at").unwrap_or(node);
            let selections = self.select(places, &entry.at, at);
            self.one_of(
                node,
                entry.loss_db.is_some(),
                "loss_dB",
                entry.insertion_loss_db.is_some(),
                "insertion_loss_db",
            );
            let (split, sigma) = (entry.split_angle.is_some(), entry.splitting_angle_sigma.is_some());
            self.one_of(node, split, "split_angle", sigma, "splitting_angle_sigma");
            let quantities = [
                (Named::SplitAngle, "split_angle", entry.split_angle.as_ref()),
                (Named::Loss, "loss_dB", entry.loss_db.as_ref()),
                (Named::Loss, "insertion_loss_db", entry.insertion_loss_db.as_ref()),
                (Named::Phase, "phase", entry.phase.as_ref()),
                (Named::A, "a", entry.a.as_ref()),
                (Named::R, "r", entry.r.as_ref()),
                (Named::ZeroOrder, "zero_order", entry.zero_order.as_ref()),
                (Named::Gain, "gain", entry.gain.as_ref()),
            ];
            let mut any = false;
            for (named, name, value) in quantities {
                let Some(value) = value else { continue };
                any = true;
                let Some(rule) = self.value(&entry, value, named, node, name) else { continue };
                self.place(&mut rules, &rule, named, name, &selections, generator, node);
            }
            if let Some(sigma) = entry.splitting_angle_sigma {
                any = true;
                let rule = self.common(&entry, Number::Normal(0.0, sigma), node);
                self.place(&mut rules, &rule, Named::SplitAngle, "splitting_angle_sigma", &selections, generator, node);
            }
            // a quantity that is not supported yet was taken out and named
            if !any && !self.was_cut(node.span) {
                let known = "`split_angle`, `loss_dB`, `phase`, `a`, `r`, `zero_order` or `gain`";
                let error = Diagnostic::error("missing-key", "this entry names no quantity").at(node.span);
                self.found.push(error.help(format!("expected {known}")));
            }
        }
        if self.ideal { Vec::new() } else { rules }
    }

    /// A rule with what stands beside the quantity.
    fn common(&mut self, entry: &RuleEntry, value: Number, node: &Node) -> Rule {
        let clip = entry.clip.and_then(|clip| self.range(clip, node.span_at(&["clip"])));
        Rule {
            quantity: Quantity::Phase,
            elements: Vec::new(),
            value,
            relative: entry.relative.unwrap_or(false),
            clip: clip.unwrap_or((f64::NEG_INFINITY, f64::INFINITY)),
            corrected: entry.corrected.unwrap_or(0.0),
        }
    }

    /// A rule with its value, checked against what is physical.
    fn value(&mut self, entry: &RuleEntry, value: &RuleValue, named: Named, node: &Node, name: &str) -> Option<Rule> {
        let span = node.span_at(&[name]);
        let mut rule = self.common(entry, Number::Fixed(0.0), node);
        match value {
            RuleValue::Fixed(x) => rule.value = Number::Fixed(*x),
            RuleValue::Spread(spread) => {
                let (number, relative) = self.rule_spread(spread, span)?;
                rule.value = number;
                rule.relative |= relative;
                if let Some(clip) = spread.clip {
                    rule.clip = self.range(clip, node.span_at(&[name, "clip"]))?;
                }
                rule.corrected = spread.corrected.unwrap_or(rule.corrected);
            }
        }
        if let (Number::Fixed(x), false) = (rule.value, rule.relative) {
            self.check_physical(x, named, span);
        }
        Some(rule)
    }

    fn check_physical(&mut self, x: f64, named: Named, span: Span) {
        let (fits, message) = match named {
            Named::SplitAngle => {
                (x.abs() <= FRAC_PI_4, "a coupler's angle error lies between -pi/4 and pi/4: beyond, coupling > 1")
            }
            Named::A => (x > 0.0 && x <= 1.0, "a round trip transmits between 0 and 1"),
            Named::R => (x > 0.0 && x < 1.0, "a self-coupling lies between 0 and 1"),
            Named::ZeroOrder => ((0.0..=1.0).contains(&x), "the unmodulated part lies between 0 and 1"),
            Named::Gain => (x > 0.0, "a gain is positive"),
            Named::Phase => (true, ""),
            Named::Loss => {
                if x < 0.0 {
                    let warning = Diagnostic::warning("has-gain", "a negative loss: this place has gain").at(span);
                    self.found.push(warning.help("losses are positive dB of power"));
                }
                (true, "")
            }
        };
        if !fits {
            self.error("out-of-range", format!("{x} is not physical: {message}"), span);
        }
    }

    /// Adds one rule for each quantity of the circuit that the selected places have.
    #[allow(clippy::too_many_arguments)]
    fn place(
        &mut self,
        rules: &mut Vec<Rule>,
        rule: &Rule,
        named: Named,
        name: &str,
        selections: &[(Span, Selection)],
        generator: &Generator,
        node: &Node,
    ) {
        let mut merged: Vec<(Quantity, Vec<usize>)> = Vec::new();
        let mut hits: Vec<(Span, bool)> = Vec::new();
        for (span, selection) in selections {
            let resolved = elements(named, selection, generator);
            let hit = resolved.is_some();
            match hits.iter_mut().find(|(s, _)| s == span) {
                Some((_, any)) => *any |= hit,
                None => hits.push((*span, hit)),
            }
            let Some((quantity, elements)) = resolved else { continue };
            match merged.iter_mut().find(|(q, _)| *q == quantity) {
                Some((_, all)) => all.extend(elements),
                None => merged.push((quantity, elements)),
            }
        }
        for (span, hit) in hits {
            if !hit && !self.is_preset(span) {
                let error =
                    Diagnostic::error("wrong-place", format!("`{name}` is no quantity of what is named here")).at(span);
                let key = node.entry(name).map_or(node.span, |(key, _)| key.span);
                self.found.push(error.note(key, "the quantity").help(belongs_to(named, generator)));
            }
        }
        for (quantity, mut elements) in merged {
            elements.sort_unstable();
            elements.dedup();
            rules.push(Rule { quantity, elements, ..rule.clone() });
        }
    }
}

/// The quantity of the circuit and its elements, if places of this class have it.
fn elements(named: Named, selection: &Selection, generator: &Generator) -> Option<(Quantity, Vec<usize>)> {
    let each = |f: &dyn Fn(usize) -> usize| selection.elements.iter().map(|e| f(*e)).collect::<Vec<_>>();
    let same = |quantity| Some((quantity, selection.elements.clone()));
    match (named, selection.class, generator) {
        (Named::SplitAngle, class, Generator::Mesh(mesh)) => {
            let couplers = mesh.cell.couplers();
            let all = match class {
                Class::Coupler(k) => each(&|cell| cell * couplers + usize::from(k)),
                Class::Cell => {
                    selection.elements.iter().flat_map(|cell| (0..couplers).map(move |k| cell * couplers + k)).collect()
                }
                Class::Whole => (0..cell_count(mesh) * couplers).collect(),
                _ => return None,
            };
            Some((Quantity::SplitAngle, all))
        }
        (Named::Loss, Class::Cell, _) => same(Quantity::CellLoss),
        (Named::Loss, Class::Arm(arm), _) => Some((Quantity::ArmLoss, each(&|cell| 2 * cell + usize::from(arm)))),
        (Named::Loss, Class::In, _) => same(Quantity::InputLoss),
        (Named::Loss, Class::Out, _) => same(Quantity::OutputLoss),
        (Named::Phase, class, Generator::Mesh(mesh)) => Some((Quantity::Phase, each(&phase_element(class, mesh)?))),
        (Named::Phase, Class::RingPhase | Class::Ring | Class::PixelPhase, _) => same(Quantity::Phase),
        (Named::A, Class::Ring, _) => same(Quantity::RingA),
        (Named::R, Class::Ring, _) => same(Quantity::RingR),
        (Named::A | Named::R, Class::Whole, Generator::MrrBank(bank)) => {
            let quantity = if named == Named::A { Quantity::RingA } else { Quantity::RingR };
            Some((quantity, (0..bank.rows * bank.columns).collect()))
        }
        (Named::ZeroOrder, Class::Whole, Generator::SlmMatvec(_)) => Some((Quantity::ZeroOrder, vec![0])),
        (Named::Gain, Class::Out, _) => same(Quantity::OutputGain),
        _ => None,
    }
}

/// Element of [`Quantity::Phase`] of a place of a mesh: all theta, then all phi, then all gamma.
fn phase_element(class: Class, mesh: &Mesh) -> Option<Box<dyn Fn(usize) -> usize>> {
    let cells = cell_count(mesh);
    match class {
        Class::Theta | Class::Arm(0) => Some(Box::new(|e| e)),
        Class::Phi => Some(Box::new(move |e| cells + e)),
        Class::Gamma => Some(Box::new(move |e| 2 * cells + e)),
        _ => None,
    }
}

fn belongs_to(named: Named, generator: &Generator) -> &'static str {
    match (named, generator) {
        (Named::SplitAngle, Generator::Mesh(_)) => "it belongs to couplers, such as `U.m*.coupler*`",
        (Named::Loss, Generator::Mesh(_)) => "it belongs to cells `U.m*`, arms `U.m*.arm0` and ports `U.in*`, `U.out*`",
        (Named::Loss, _) => "it belongs to ports, such as `U.in*` and `U.out*`",
        (Named::Phase, Generator::Mesh(_)) => "it belongs to parameters, such as `U.theta`, and to `U.m*.arm0`",
        (Named::Phase, Generator::MrrBank(_)) => "it belongs to rings, such as `U.r*`, and to `U.phi`",
        (Named::Phase, Generator::SlmMatvec(_)) => "it belongs to pixels, such as `U.phase`",
        (Named::A | Named::R, Generator::MrrBank(_)) => "it belongs to rings, such as `U.r*`",
        (Named::ZeroOrder, Generator::SlmMatvec(_)) => "it belongs to the instance itself, such as `U`",
        (Named::Gain, _) => "it belongs to outputs, such as `U.out*`",
        _ => "this component does not have it at all",
    }
}
