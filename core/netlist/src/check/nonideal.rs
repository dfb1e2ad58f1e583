//! `nonideal`: which quantity of which places.

use super::Check;
use super::parameters::bounds_text;
use super::quantity::{Hit, NAMES, Places};
use super::readout::Outputs;
use crate::circuit::{Element, FreeSpace, Kind, Number, Quantity, Rule};
use crate::file::{Paths, RuleValue, Wavefront};
use crate::scene::{Scene, Selection};
use blackbeam_source::{Diagnostic, Key, Node, Span, did_you_mean};
use std::f64::consts::{FRAC_PI_2, FRAC_PI_4};

/// Keys of an entry that are no quantities.
const OTHER_KEYS: [&str; 4] = ["at", "clip", "relative", "corrected"];
/// Zernike polynomials by name, with their index as R. J. Noll counts them (J. Opt. Soc. Am. 66, 207, 1976).
const ZERNIKE: [(&str, usize); 11] = [
    ("piston", 1),
    ("tilt_x", 2),
    ("tilt_y", 3),
    ("defocus", 4),
    ("astig_y", 5),
    ("astig_x", 6),
    ("coma_y", 7),
    ("coma_x", 8),
    ("trefoil_y", 9),
    ("trefoil_x", 10),
    ("spherical", 11),
];
/// Largest index of a Zernike polynomial: radial order 20.
const MAX_NOLL: usize = 231;
/// Most quantities of an entry, and polynomials of a wavefront.
const MAX_QUANTITIES: usize = 256;

impl Check {
    pub(super) fn nonideal(&mut self, root: &Node, scene: &Scene, outputs: &Outputs, inputs: &[usize]) -> Vec<Rule> {
        let places = Places { scene, outputs, inputs };
        let mut rules = Vec::new();
        for node in root.get("nonideal").and_then(Node::as_seq).into_iter().flatten() {
            let Some((at, entries)) = node.get("at").zip(node.as_map()) else { continue };
            let Some(paths) = self.typed::<Paths>(at) else { continue };
            let selections = self.select(scene, &paths, at);
            self.at_most(entries.len(), MAX_QUANTITIES, "quantities in one entry", node.span);
            let mut quantities = entries.iter().filter(|(key, _)| !OTHER_KEYS.contains(&key.name.as_str())).peekable();
            if quantities.peek().is_none() {
                let error = Diagnostic::error("missing-key", "this entry names no quantity").at(node.span);
                let known: Vec<String> = NAMES.iter().map(|name| format!("`{name}`")).collect();
                self.found.push(error.help(format!("expected {} or a setting of a component", known.join(", "))));
            }
            for (key, value) in quantities.take(MAX_QUANTITIES) {
                if key.name == "wavefront" {
                    self.wavefront(&mut rules, key, value, node, &selections, &places);
                } else if let Some(rule) = self.rule(key, value, node) {
                    self.place(&mut rules, &rule, key, value.span, &selections, &places);
                }
            }
        }
        if self.ideal { Vec::new() } else { rules }
    }

    /// What stands beside the quantities of an entry.
    fn common(&mut self, node: &Node, value: Number) -> Rule {
        let pair = |node: &Node| Some([node.as_seq()?.first()?.as_f64()?, node.as_seq()?.get(1)?.as_f64()?]);
        let clip = node.get("clip").and_then(pair).and_then(|clip| self.range(clip, node.span_at(&["clip"])));
        Rule {
            quantity: Quantity::Slot,
            elements: Vec::new(),
            slots: Vec::new(),
            value,
            relative: node.get("relative").and_then(Node::as_bool).unwrap_or(false),
            clip: clip.unwrap_or((f64::NEG_INFINITY, f64::INFINITY)),
            corrected: node.get("corrected").and_then(Node::as_f64).unwrap_or(0.0),
        }
    }

    /// A rule with its value.
    fn rule(&mut self, key: &Key, value: &Node, node: &Node) -> Option<Rule> {
        let entry = self.typed::<RuleValue>(value)?;
        let mut rule = self.common(node, Number::Fixed(0.0));
        match entry {
            RuleValue::Fixed(x) => rule.value = Number::Fixed(x),
            RuleValue::Spread(spread) => {
                let (number, relative) = self.rule_spread(&spread, value.span)?;
                rule.value = number;
                rule.relative |= relative;
                if let Some(clip) = spread.clip {
                    rule.clip = self.range(clip, node.span_at(&[&key.name, "clip"]))?;
                }
                rule.corrected = spread.corrected.unwrap_or(rule.corrected);
            }
        }
        Some(rule)
    }

    /// Adds a rule for each quantity of the circuit that the places have.
    fn place(
        &mut self,
        rules: &mut Vec<Rule>,
        rule: &Rule,
        key: &Key,
        value: Span,
        selections: &[(Span, Selection)],
        places: &Places,
    ) {
        let mut merged: Vec<Hit> = Vec::new();
        for (span, selection) in selections {
            match places.resolve(&key.name, selection) {
                Ok(hits) => {
                    for hit in hits {
                        match merged.iter_mut().find(|h| h.quantity == hit.quantity && h.factor == hit.factor) {
                            Some(all) => {
                                all.elements.extend(hit.elements);
                                all.slots.extend(hit.slots);
                            }
                            None => merged.push(hit),
                        }
                    }
                }
                Err(_) if self.is_preset(*span) => {}
                Err(why) => self.wrong_place(key, *span, selection, why, places),
            }
        }
        for mut hit in merged {
            self.check_physical(rule, &hit, places, value);
            hit.slots.sort_unstable();
            hit.slots.dedup();
            hit.elements.sort_unstable_by_key(|e| (e.instance, e.index));
            hit.elements.dedup();
            rules.push(Rule {
                quantity: hit.quantity,
                elements: hit.elements,
                slots: hit.slots,
                value: if rule.relative { rule.value } else { rule.value.scaled(hit.factor) },
                clip: if rule.relative { rule.clip } else { (rule.clip.0 * hit.factor, rule.clip.1 * hit.factor) },
                ..rule.clone()
            });
        }
    }

    fn wrong_place(&mut self, key: &Key, span: Span, selection: &Selection, why: Option<String>, places: &Places) {
        let known: Vec<String> = selection.owners.iter().take(4).flat_map(|owner| places.settings_of(*owner)).collect();
        let known = known.iter().map(String::as_str).chain(NAMES);
        if !NAMES.contains(&key.name.as_str()) {
            let message = format!("`{}` is no quantity of what is named here", key.name);
            let error = Diagnostic::error("unknown-quantity", message).at(key.span).note(span, "the place");
            let help = did_you_mean(&key.name, known).or(why);
            return self.found.push(error.help_some(help));
        }
        let message = format!("`{}` is no quantity of what is named here", key.name);
        let error = Diagnostic::error("wrong-place", message).at(span).note(key.span, "the quantity");
        self.found.push(error.help(why.unwrap_or_else(|| belongs_to(&key.name).into())));
    }

    /// A fixed value must make physical sense.
    fn check_physical(&mut self, rule: &Rule, hit: &Hit, places: &Places, span: Span) {
        let (Number::Fixed(x), false) = (rule.value, rule.relative) else { return };
        let (fits, message) = match hit.quantity {
            Quantity::Slot => return self.check_setting(x, &hit.slots, places, span),
            Quantity::CellLoss
            | Quantity::ArmLoss
            | Quantity::InputLoss
            | Quantity::OutputLoss
            | Quantity::ExtraLoss => {
                if x < 0.0 {
                    let warning = Diagnostic::warning("has-gain", "a negative loss: this place has gain").at(span);
                    self.found.push(warning.help("losses are positive dB of power"));
                }
                return;
            }
            Quantity::SplitAngle => {
                let of_mesh = hit.elements.iter().any(|e| matches!(places.scene.kinds[e.instance], Kind::Mesh(_)));
                let bound = if of_mesh { FRAC_PI_4 } else { FRAC_PI_2 };
                (x.abs() <= bound, "a coupler's angle error lies between -pi/4 and pi/4: beyond, coupling > 1")
            }
            Quantity::RingA => (x > 0.0 && x <= 1.0, "a round trip transmits between 0 and 1"),
            Quantity::RingR => (x > 0.0 && x < 1.0, "a self-coupling lies between 0 and 1"),
            Quantity::Backscatter | Quantity::RingBackscatter => {
                ((0.0..1.0).contains(&x), "a back-scattered amplitude lies between 0 and 1")
            }
            Quantity::Reflection => (x < 0.0, "a reflection is less than the light that comes: negative dB"),
            Quantity::ZeroOrder => ((0.0..=1.0).contains(&x), "the unmodulated part lies between 0 and 1"),
            Quantity::OutputGain | Quantity::InputGain => (x > 0.0, "a gain is positive"),
            Quantity::Offset | Quantity::ExtraPhase | Quantity::ArmPhase | Quantity::Zernike | Quantity::Misalign => {
                return;
            }
        };
        if !fits {
            self.error("out-of-range", format!("{x} is not physical: {message}"), span);
        }
    }

    fn check_setting(&mut self, x: f64, slots: &[usize], places: &Places, span: Span) {
        for slot in slots {
            let Some(setting) = places.scene.setting(*slot) else { continue };
            let (low, high) = setting.range;
            if (low..=high).contains(&x) {
                continue;
            }
            let (path, bounds) = (places.scene.slot_path(*slot), bounds_text(setting.range));
            let message = format!("{x} is not physical: `{path}` ({}) is {bounds}", setting.doc);
            let diagnostic = if setting.gain_outside {
                Diagnostic::warning("has-gain", format!("`{path}` has gain: it is {x}, without gain {bounds}"))
            } else {
                Diagnostic::error("out-of-range", message)
            };
            return self.found.push(diagnostic.at(span));
        }
    }

    /// `wavefront: {zernike: {defocus: 0.3}}`.
    fn wavefront(
        &mut self,
        rules: &mut Vec<Rule>,
        key: &Key,
        value: &Node,
        node: &Node,
        selections: &[(Span, Selection)],
        places: &Places,
    ) {
        let Some(entry) = self.typed::<Wavefront>(value) else { return };
        let mut leaves = Vec::new();
        for (span, selection) in selections {
            let is_slm = |leaf: &usize| matches!(places.scene.kinds[*leaf], Kind::FreeSpace(FreeSpace::Slm { .. }));
            let own = selection.owners.iter().filter_map(|owner| places.scene.flat.owners[*owner].leaf);
            let own: Vec<usize> = own.filter(is_slm).collect();
            if own.is_empty() {
                self.wrong_place(key, *span, selection, None, places);
            }
            leaves.extend(own);
        }
        leaves.sort_unstable();
        leaves.dedup();
        self.at_most(entry.zernike.len(), MAX_QUANTITIES, "polynomials", value.span);
        for (name, number) in entry.zernike.iter().take(MAX_QUANTITIES) {
            let at = node.at(&["wavefront", "zernike"]).and_then(|node| node.entry(name));
            let (name_span, value_span) = at.map_or((value.span, value.span), |(key, value)| (key.span, value.span));
            let named = ZERNIKE.iter().find(|(known, _)| known == name).map(|(_, noll)| *noll);
            let noll = named.or_else(|| name.strip_prefix('z')?.parse().ok().filter(|j| (1..=MAX_NOLL).contains(j)));
            let Some(noll) = noll else {
                let known = ZERNIKE.map(|(name, _)| name);
                let error = Diagnostic::error("unknown-value", format!("there is no Zernike polynomial `{name}`"));
                let help = format!("expected {} or `z1` to `z{MAX_NOLL}` by Noll's index", known.join(", "));
                self.found.push(error.at(name_span).help_some(did_you_mean(name, known)).help(help));
                continue;
            };
            let Some(number) = self.number(number, value_span) else { continue };
            let rule = self.common(node, number);
            let elements = leaves.iter().map(|leaf| Element { instance: *leaf, index: noll }).collect();
            rules.push(Rule { quantity: Quantity::Zernike, elements, ..rule });
        }
    }
}

fn belongs_to(name: &str) -> &'static str {
    match name {
        "split_angle" => "it belongs to couplers: `U.m*.coupler*` of a mesh, `coupler_ideal`",
        "loss_dB" => {
            "it belongs to components, and of a mesh to cells `U.m*`, arms `U.m*.arm0` and ports `U.in*`, `U.out*`"
        }
        "phase" => "it belongs to phases, such as `U.theta`, to `U.m*.arm0`, rings `U.r*` and components",
        "reflection_dB" => "it belongs to components and imports of a circuit, whose light goes both ways",
        "backscatter" => "it belongs to components of a circuit and to rings, such as `U.r*`",
        "a" | "r" => "it belongs to rings of an `mrr_bank`, such as `U.r*`",
        "zero_order" => "it belongs to an `slm` or an `slm_matvec`",
        "wavefront" => "it belongs to an `slm`",
        "misalign_um" => "it belongs to a `lens_2f` or a `camera`",
        "gain" => "it belongs to outputs, such as `U.out*`, a camera, outer ports or pairs, and to inputs",
        "temperature_K" => "temperatures drift: write them under `drift`, with `dphi_dT`",
        _ => "no place has it",
    }
}
