//! Parameter blocks.

use super::{Check, order};
use crate::circuit::{
    Arrangement, AtRange, Cell, Environment, Init, Kind, Mesh, Number, ParameterBlock, ParameterKind,
};
use crate::file::{AtRangeEntry, Axis, ParameterEntry};
use crate::scene::{Scene, SlotKind};
use blackbeam_components::Unit;
use blackbeam_source::{Diagnostic, Key, Node, Span};
use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI, TAU};

/// Range of weights if the file gives none.
const WEIGHTS: (f64, f64) = (-10.0, 10.0);

/// A block, and where the file speaks of it.
pub(super) struct Block {
    pub(super) span: Option<Span>,
    pub(super) block: ParameterBlock,
}

impl Block {
    /// How messages call it: the path in the file, or `U.theta`.
    pub(super) fn name(&self) -> &str {
        self.block.names.get(0).map_or("", |name| {
            let end = name.rfind('<').filter(|_| name.ends_with('>')).unwrap_or(name.len());
            &name[..end]
        })
    }
}

impl Check {
    /// The blocks in the order of the file, then those of generators that it leaves at their defaults.
    pub(super) fn parameters(&mut self, root: &Node, scene: &Scene, environment: &Environment) -> Vec<Block> {
        // index of the block (counted from 1) that has a slot; 0 for none
        let mut taken = vec![0usize; scene.flat.slots.len()];
        let mut blocks: Vec<Block> = Vec::new();
        for (key, node) in root.get("parameters").and_then(Node::as_map).into_iter().flatten() {
            let Some(entry) = self.typed::<ParameterEntry>(node) else { continue };
            let Some(slots) = self.parameter_slots(scene, key) else {
                entry.range.and_then(|range| self.range(range, node.span_at(&["range"])));
                continue;
            };
            if let Some(slot) = slots.iter().find(|slot| taken[**slot] > 0) {
                let path = scene.slot_path(*slot);
                let message = format!("`{path}` is a parameter already: `{}` names it again", key.name);
                let error = Diagnostic::error("parameter-twice", message).at(key.span);
                let first = blocks[taken[*slot] - 1].span;
                self.found.push(first.into_iter().fold(error, |error, span| error.note(span, "named here already")));
                continue;
            }
            let is_tied = entry.tied == Some(true);
            for (kind, slots) in groups(scene, slots, is_tied) {
                slots.iter().for_each(|slot| taken[*slot] = blocks.len() + 1);
                if let Some(block) = self.block(scene, kind, slots, &entry, key, node, environment) {
                    blocks.push(Block { span: Some(key.span), block });
                }
            }
        }
        self.check_unitary(scene, root, &blocks);
        let rest = (0..taken.len()).filter(|slot| taken[*slot] == 0).filter(|slot| {
            let owner = &scene.flat.owners[scene.flat.owner_of(*slot)];
            owner.leaf.is_some_and(|leaf| !matches!(scene.kinds[leaf], Kind::Primitive(_)))
        });
        for (kind, slots) in groups(scene, rest.collect(), false) {
            let mut block = default_block(scene, kind, slots);
            // an output phase is trained only if the file lists it: without it a mesh is complete up to signs
            block.trainable = block.kind != ParameterKind::Gamma;
            blocks.push(Block { span: None, block });
        }
        blocks
    }

    /// The slots that an entry names; None if there are errors.
    fn parameter_slots(&mut self, scene: &Scene, key: &Key) -> Option<Vec<usize>> {
        let slots = self.select_one(scene, &key.name, key.span)?.slots;
        if slots.is_empty() {
            let error = Diagnostic::error("not-a-parameter", format!("`{}` names no setting", key.name)).at(key.span);
            let help = "a parameter is a setting of a component, such as `ps.phi`, or phases, such as `U.theta`";
            self.found.push(error.help(help));
            return None;
        }
        for slot in &slots {
            let shape = scene.flat.slots[*slot].frozen;
            let is_count = scene.setting(*slot).is_some_and(|s| matches!(s.unit, Unit::Count | Unit::Flag));
            if shape.is_some() || is_count {
                let message = format!("`{}` shapes the circuit: it cannot be tuned", scene.slot_path(*slot));
                let error = Diagnostic::error("not-a-parameter", message).at(key.span);
                self.found.push(shape.into_iter().fold(error, |error, span| error.note(span, "used here")));
                return None;
            }
        }
        Some(slots)
    }

    #[allow(clippy::too_many_arguments)]
    fn block(
        &mut self,
        scene: &Scene,
        kind: SlotKind,
        slots: Vec<usize>,
        entry: &ParameterEntry,
        key: &Key,
        node: &Node,
        environment: &Environment,
    ) -> Option<ParameterBlock> {
        let is_setting = !matches!(kind, SlotKind::Generator(_));
        let mut block = default_block(scene, kind, slots);
        if is_setting || entry.order.is_some() {
            self.arrange(scene, &mut block, entry.order.as_deref(), is_setting, node);
        }
        if entry.tied == Some(true) {
            block.names.truncate(1);
            block.ends = vec![block.slots.len()];
            block.grid = vec![[0, 0]];
            block.rows_apart = false;
        }
        block.trainable = entry.trainable.unwrap_or(true);
        let range = entry.range.and_then(|range| self.range(range, node.span_at(&["range"])));
        if let Some(range) = range {
            block.range = range;
            block.at_range = if is_period(range) && block.unit == "rad" { AtRange::Wrap } else { AtRange::Clip };
            self.check_physical_range(scene, &block, node.span_at(&["range"]));
        } else if kind == SlotKind::Other && entry.range.is_none() {
            let message = format!("`{}` needs a `range`: only phases have one by default", key.name);
            let error = Diagnostic::error("missing-key", message).at(key.span);
            self.found.push(error.help("such as `range: [0.05, 0.6]`"));
            return None;
        }
        if let Some(at_range) = entry.at_range {
            block.at_range = match at_range {
                AtRangeEntry::Clip => AtRange::Clip,
                AtRangeEntry::Wrap => AtRange::Wrap,
                AtRangeEntry::Reflect => AtRange::Reflect,
            };
            if at_range == AtRangeEntry::Wrap && !(is_period(block.range) && block.unit == "rad") {
                let message =
                    "the range is no whole number of periods (2 pi): a value that wraps becomes another phase";
                self.found.push(Diagnostic::warning("wrap", message).at(node.span_at(&["at_range"])));
            }
        }
        if let Some(init) = &entry.init {
            self.init(scene, &mut block, init, node.span_at(&["init"]), environment);
        } else if is_setting {
            self.check_settings_in_range(scene, &block, key.span);
        }
        Some(block)
    }

    /// Places on a grid and order of a block.
    fn arrange(
        &mut self,
        scene: &Scene,
        block: &mut ParameterBlock,
        axes: Option<&[Axis]>,
        is_setting: bool,
        node: &Node,
    ) {
        let mut grid = order::grid(scene, &block.slots);
        if let Some(axes) = axes {
            let span = node.span_at(&["order"]);
            match axes {
                [a, b] if a != b && grid.has_arrays => {
                    order::sort(&mut block.slots, &mut grid, axes);
                    block.names = order::slot_names(scene, &block.slots);
                }
                [a, b] if a != b => {
                    self.error("order", "these parameters stand in no array: they have no rows and columns", span);
                }
                _ => self.error("order", "`order` is [row, column] or [column, row]", span),
            }
        }
        if is_setting {
            block.grid = grid.places;
            block.rows_apart = grid.rows_apart;
        }
    }

    /// The range of a setting lies within what its components can have.
    fn check_physical_range(&mut self, scene: &Scene, block: &ParameterBlock, span: Span) {
        let (low, high) = block.range;
        let settings = block.slots.iter().filter_map(|slot| Some((*slot, scene.setting(*slot)?)));
        for (slot, setting) in settings {
            let (from, to) = setting.range;
            if low >= from && high <= to {
                continue;
            }
            let path = scene.slot_path(slot);
            let bounds = bounds_text(setting.range);
            let error = if setting.gain_outside {
                Diagnostic::warning("has-gain", format!("`{path}` has gain in a part of this range: it is {bounds}"))
            } else {
                Diagnostic::error("out-of-range", format!("`{path}` ({}) must be {bounds}", setting.doc))
            };
            return self.found.push(error.at(span));
        }
    }

    /// What the netlist has must lie in the range, if parameters start there.
    fn check_settings_in_range(&mut self, scene: &Scene, block: &ParameterBlock, span: Span) {
        let (low, high) = block.range;
        let slack = 1e-9 * (high - low);
        // a wrapping phase may start anywhere
        let outside = |slot: &&usize| {
            let x = scene.flat.slots[**slot].nominal;
            block.at_range != AtRange::Wrap && !(low - slack..=high + slack).contains(&x)
        };
        if let Some(slot) = block.slots.iter().find(outside) {
            let (path, x) = (scene.slot_path(*slot), scene.flat.slots[*slot].nominal);
            let message = format!("`{path}` is {x} in the netlist, outside its range, {low} to {high}");
            let error = Diagnostic::error("out-of-range", message).at(span);
            self.found.push(error.help("change the setting or the range, or give an `init`"));
        }
    }
}

/// `at least 0`, `between 0 and 1`.
pub(super) fn bounds_text((low, high): (f64, f64)) -> String {
    match (low.is_finite(), high.is_finite()) {
        (true, true) => format!("between {low} and {high}"),
        // the smallest positive number stands for an open bound
        (true, false) if low == f64::MIN_POSITIVE => "positive".into(),
        (true, false) => format!("at least {low}"),
        (false, true) => format!("at most {high}"),
        (false, false) => "any number".into(),
    }
}

/// Slots by what they are, in the order in which they come. Phases of generators are also told apart by their generator,
/// unless they are tied.
fn groups(scene: &Scene, slots: Vec<usize>, tied: bool) -> Vec<(SlotKind, Vec<usize>)> {
    let mut groups: Vec<(SlotKind, Option<usize>, Vec<usize>)> = Vec::new();
    let mut last = 0;
    for slot in slots {
        let kind = scene.slot_kind(slot);
        let owner = match kind {
            SlotKind::Generator(_) if !tied => Some(scene.flat.owner_of(slot)),
            _ => None,
        };
        let fits = |(k, o, _): &(SlotKind, Option<usize>, Vec<usize>)| (*k, *o) == (kind, owner);
        if !groups.get(last).is_some_and(fits) {
            last = groups.iter().position(fits).unwrap_or_else(|| {
                groups.push((kind, owner, Vec::new()));
                groups.len() - 1
            });
        }
        groups[last].2.push(slot);
    }
    groups.into_iter().map(|(kind, _, slots)| (kind, slots)).collect()
}

/// A whole number of periods of 2 pi.
fn is_period((low, high): (f64, f64)) -> bool {
    let periods = (high - low) / TAU;
    periods.round() >= 1.0 && (periods - periods.round()).abs() < 1e-6
}

/// True if thetas of this mesh can be drawn so that it is a Haar-random unitary.
pub(super) fn has_haar(mesh: &Mesh) -> bool {
    mesh.cell == Cell::Mzi && mesh.arrangement != Arrangement::Butterfly
}

/// The mesh that slots of a block belong to.
pub(super) fn mesh_of<'a>(scene: &Scene<'a>, slots: &[usize]) -> Option<(usize, &'a Mesh)> {
    let owner = scene.flat.owner_of(*slots.first()?);
    match &scene.kinds[scene.flat.owners[owner].leaf?] {
        Kind::Mesh(mesh) => Some((owner, mesh)),
        _ => None,
    }
}

/// A block with the defaults of its kind, in the order of the circuit.
fn default_block(scene: &Scene, kind: SlotKind, slots: Vec<usize>) -> ParameterBlock {
    let circle = (0.0, TAU);
    let uniform = Init::Number(Number::Uniform(0.0, TAU));
    let (kind, range, at_range, init) = match kind {
        SlotKind::Phase => (ParameterKind::SettingPhase, circle, AtRange::Wrap, Init::Settings),
        SlotKind::Other => (ParameterKind::Setting, (0.0, 1.0), AtRange::Clip, Init::Settings),
        SlotKind::Generator(kind) => {
            let mesh = mesh_of(scene, &slots).map(|(_, mesh)| mesh);
            let (range, at_range, init) = match (kind, mesh) {
                (ParameterKind::Theta, Some(mesh)) if has_haar(mesh) => ((0.0, PI), AtRange::Reflect, Init::Haar),
                (ParameterKind::Theta, Some(mesh)) if mesh.cell == Cell::Mzi => {
                    ((0.0, PI), AtRange::Reflect, Init::Number(Number::Uniform(0.0, PI)))
                }
                (ParameterKind::Phi, Some(mesh)) if mesh.cell == Cell::Mzi => (circle, AtRange::Wrap, uniform),
                (ParameterKind::Theta | ParameterKind::Phi, Some(mesh)) => {
                    // as in astralora: normal about pi/2 with standard deviation 1/sqrt(n)
                    let init = Number::Normal(FRAC_PI_2, 1.0 / (mesh.n as f64).sqrt());
                    (circle, AtRange::Wrap, Init::Number(init))
                }
                (ParameterKind::RingPhase, _) => {
                    // as in astralora: near resonance, where the weight depends on the phase
                    (circle, AtRange::Wrap, Init::Number(Number::Uniform(0.01, FRAC_PI_4)))
                }
                (ParameterKind::PixelPhase, _) if is_matvec(scene, &slots) => {
                    // as in astralora: weights near zero, where the cosine is steepest
                    let init = Number::Uniform(FRAC_PI_2 - 0.1, FRAC_PI_2 + 0.1);
                    (circle, AtRange::Wrap, Init::Number(init))
                }
                (ParameterKind::PixelPhase, _) => (circle, AtRange::Wrap, uniform),
                (ParameterKind::Weight, _) => (WEIGHTS, AtRange::Clip, Init::Layers),
                (ParameterKind::WeightPhase, _) => (circle, AtRange::Wrap, Init::Layers),
                (ParameterKind::PixelAmplitude, _) => ((0.0, 1.0), AtRange::Clip, Init::Number(Number::Fixed(1.0))),
                _ => (circle, AtRange::Wrap, Init::Number(Number::Fixed(0.0))),
            };
            (kind, range, at_range, init)
        }
    };
    let is_number = matches!(kind, ParameterKind::Setting | ParameterKind::PixelAmplitude | ParameterKind::Weight);
    let unit = if is_number { "" } else { "rad" };
    ParameterBlock {
        kind,
        names: order::slot_names(scene, &slots),
        unit,
        ends: (1..=slots.len()).collect(),
        slots,
        grid: Vec::new(),
        rows_apart: false,
        range,
        at_range,
        init,
        trainable: true,
    }
}

fn is_matvec(scene: &Scene, slots: &[usize]) -> bool {
    let owner = slots.first().map(|slot| &scene.flat.owners[scene.flat.owner_of(*slot)]);
    let leaf = owner.and_then(|owner| owner.leaf);
    leaf.is_some_and(|leaf| matches!(scene.kinds[leaf], Kind::SlmMatvec(_)))
}
