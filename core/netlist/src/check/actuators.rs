//! Actuators: what they drive, and by what.

use super::Check;
use super::parameters::Block;
use crate::circuit::{Actuator, Crosstalk, Curve, Flicker, Number, ParameterKind};
use crate::data;
use crate::file::{
    ActuatorEntry, CrosstalkDomain, CrosstalkEntry, CurveForm, DriveQuantity, FlickerEntry, ResponseEntry,
};
use crate::library::file_error;
use crate::scene::Scene;
use blackbeam_source::{Diagnostic, Key, Node, Span};
use std::f64::consts::PI;

/// Largest distance of exponential crosstalk if the file gives none, grid units.
const DEFAULT_CUTOFF: f64 = 4.0;
/// Most parameters that an explicit matrix mixes.
const MAX_MIXED: usize = 4096;

impl Check {
    pub(super) fn actuators(&mut self, root: &Node, scene: &Scene, blocks: &[Block]) -> Vec<Actuator> {
        let mut actuators = Vec::new();
        let mut driven: Vec<Option<(String, Span)>> = vec![None; blocks.len()];
        for (key, node) in root.get("actuators").and_then(Node::as_map).into_iter().flatten() {
            let Some(entry) = self.typed::<ActuatorEntry>(node) else { continue };
            let drives = self.drives(&entry, node, scene, blocks);
            for index in &drives {
                if let Some((other, first)) = &driven[*index] {
                    let what = blocks[*index].name();
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
    fn drives(&mut self, entry: &ActuatorEntry, node: &Node, scene: &Scene, blocks: &[Block]) -> Vec<usize> {
        let list = node.get("drives").unwrap_or(node);
        let before = self.errors();
        let selections = self.select(scene, &entry.drives, list);
        let mut named = vec![false; scene.flat.slots.len()];
        for (_, selection) in &selections {
            selection.slots.iter().for_each(|slot| named[*slot] = true);
        }
        let mut drives = Vec::new();
        for (index, block) in blocks.iter().enumerate() {
            let hit = block.block.slots.iter().filter(|slot| named[**slot]).count();
            if hit == 0 || !self.is_built(block, list.span) {
                continue;
            }
            if hit < block.block.slots.len() {
                let message = format!("an actuator drives whole blocks; this is a part of `{}`", block.name());
                let error = Diagnostic::error("part-of-block", message).at(list.span);
                let error = block.span.into_iter().fold(error, |error, span| error.note(span, "the block"));
                self.found.push(error.help("give this part an entry of its own under `parameters`"));
            }
            drives.push(index);
        }
        if drives.is_empty() && self.errors() == before && !self.is_preset(list.span) && !self.blind {
            let error = Diagnostic::error("no-parameter", "this actuator drives no parameter").at(list.span);
            let fixed = named.iter().position(|named| *named).map(|slot| scene.slot_path(slot));
            let known: Vec<String> = blocks.iter().take(12).map(|b| format!("`{}`", b.name())).collect();
            let error = error.help_some(fixed.map(|path| format!("`{path}` is fixed: list it under `parameters`")));
            self.found
                .push(error.help_some((!known.is_empty()).then(|| format!("parameters here: {}", known.join(", ")))));
        }
        drives
    }

    /// Output phases that are not trained are not built either, as far as a preset (where `span` may stand) can know.
    pub(super) fn is_built(&self, block: &Block, span: Span) -> bool {
        block.block.kind != ParameterKind::Gamma || block.block.trainable || !self.is_preset(span)
    }

    fn actuator(
        &mut self,
        key: &Key,
        entry: &ActuatorEntry,
        node: &Node,
        drives: Vec<usize>,
        blocks: &[Block],
    ) -> Option<Actuator> {
        let count = drives.iter().map(|k| blocks[*k].block.ends.len()).sum();
        let crosstalk =
            entry.crosstalk.as_ref().map(|c| self.crosstalk(c, node.get("crosstalk").unwrap_or(node), count));
        let offset = self.number_or(entry.offset.as_ref(), 0.0, node.span_at(&["offset"]));
        let dac = match &entry.dac {
            Some(dac) => Some(self.dac(dac, node.get("dac").unwrap_or(node))?),
            None => None,
        };
        let curve = match &entry.curve {
            Some(curve) => self.curve(curve, node.get("curve").unwrap_or(node), dac)?,
            None => Curve::Direct,
        };
        self.check_reach(&curve, dac, node, &drives, blocks);
        if matches!(curve, Curve::Linear { .. } | Curve::Square { .. })
            && let Some(block) = drives.iter().map(|k| &blocks[*k]).find(|block| block.block.unit != "rad")
        {
            let message = format!("`v_pi` and `p_pi` belong to phases; `{}` is none", block.name());
            let error = Diagnostic::error("unit", message).at(node.span_at(&["curve"]));
            self.found.push(error.help("use `form: direct`, `polynomial` or `table`"));
        }
        let gain = self.actuator_gain(entry, node, &curve);
        let crosstalk = match crosstalk {
            Some(crosstalk) => Some(crosstalk?),
            None => None,
        };
        let ResponseEntry { tau, slew } =
            entry.response.as_ref().copied().unwrap_or(ResponseEntry { tau: None, slew: None });
        let (in_power, drive_squared) = domain(entry);
        let real = Actuator {
            name: key.name.clone(),
            drives,
            dac,
            curve,
            offset,
            gain,
            crosstalk,
            crosstalk_in_power: in_power,
            drive_squared,
            tau_s: tau.unwrap_or(0.0),
            lags: !self.ideal,
            slew_per_s: slew.unwrap_or(f64::INFINITY),
            flicker: entry
                .flicker
                .as_ref()
                .map(|f: &FlickerEntry| Flicker { amplitude: f.amplitude, frequency_hz: f.frequency_hz }),
            phase_noise_std: entry.phase_noise_std.unwrap_or(0.0),
        };
        if !self.ideal {
            return Some(real);
        }
        // the clock keeps the lag; everything that changes a value goes
        Some(Actuator {
            dac: None,
            curve: Curve::Direct,
            offset: Number::Fixed(0.0),
            gain: Number::Fixed(1.0),
            crosstalk: None,
            crosstalk_in_power: false,
            drive_squared: false,
            slew_per_s: f64::INFINITY,
            flicker: None,
            phase_noise_std: 0.0,
            ..real
        })
    }

    /// `gain`, or `gamma_noise_std` relative to gamma = pi / v_pi^2.
    fn actuator_gain(&mut self, entry: &ActuatorEntry, node: &Node, curve: &Curve) -> Number {
        let Some(std) = entry.gamma_noise_std else {
            return self.number_or(entry.gain.as_ref(), 1.0, node.span_at(&["gain"]));
        };
        let span = node.entry("gamma_noise_std").map_or(node.span, |(key, _)| key.span);
        if entry.gain.is_some() {
            self.error("two-values", "`gain` and `gamma_noise_std` say the same thing; give one", span);
        }
        match curve {
            Curve::Square { pi } => Number::Normal(1.0, std * pi * pi / PI),
            _ => {
                let message = "`gamma_noise_std` is the spread of pi / v_pi^2: it needs a `square` curve";
                self.found.push(Diagnostic::error("unit", message).at(span).help("give `gain: {normal: [1, ..]}`"));
                Number::Fixed(1.0)
            }
        }
    }

    fn crosstalk(&mut self, entry: &CrosstalkEntry, node: &Node, count: usize) -> Option<Crosstalk> {
        Some(match entry {
            CrosstalkEntry::Nearest { strength, .. } => Crosstalk::Nearest { strength: *strength },
            CrosstalkEntry::Exponential { strength, decay, cutoff, .. } => {
                Crosstalk::Exponential { strength: *strength, decay: *decay, cutoff: cutoff.unwrap_or(DEFAULT_CUTOFF) }
            }
            CrosstalkEntry::Gaussian { sigma_pixels, .. } => Crosstalk::Gaussian { sigma_pixels: *sigma_pixels },
            CrosstalkEntry::Matrix { file, .. } => {
                let span = node.span_at(&["file"]);
                if count > MAX_MIXED {
                    let message = format!("an explicit matrix mixes at most {MAX_MIXED} parameters, not {count}");
                    self.error("too-large", message, span);
                    return None;
                }
                let values = match data::numbers(&self.files, file) {
                    Ok(values) => values,
                    Err(what) => {
                        self.found.push(file_error(file, &what, span));
                        return None;
                    }
                };
                if values.len() != count * count && !self.blind {
                    let message = format!(
                        "`{file}` holds {} numbers; {count} parameters need {count} x {count} = {}",
                        values.len(),
                        count * count
                    );
                    self.error("wrong-length", message, span);
                    return None;
                }
                Crosstalk::Matrix(values.into())
            }
        })
    }
}

/// Whether crosstalk mixes powers, and whether the power of a drive is its square.
fn domain(entry: &ActuatorEntry) -> (bool, bool) {
    let curve = entry.curve.as_ref();
    let quantity = curve.and_then(|curve| match (curve.quantity, curve.v_pi, curve.p_pi) {
        (None, Some(_), _) => Some(DriveQuantity::Voltage),
        (None, _, Some(_)) => Some(DriveQuantity::Power),
        (quantity, ..) => quantity,
    });
    let squared = matches!(quantity, Some(DriveQuantity::Voltage | DriveQuantity::Current));
    // a phase in proportion to a voltage is no heater's
    let is_heater = match curve.map(|curve| curve.form) {
        Some(CurveForm::Linear) => quantity == Some(DriveQuantity::Power),
        _ => squared || quantity == Some(DriveQuantity::Power),
    };
    let written = entry.crosstalk.as_ref().and_then(|crosstalk| match crosstalk {
        CrosstalkEntry::Nearest { domain, .. }
        | CrosstalkEntry::Exponential { domain, .. }
        | CrosstalkEntry::Gaussian { domain, .. }
        | CrosstalkEntry::Matrix { domain, .. } => *domain,
    });
    let in_power = written.map_or(is_heater, |domain| domain == CrosstalkDomain::Power);
    (in_power, squared)
}
