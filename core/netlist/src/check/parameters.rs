//! Parameter blocks.

use super::{Check, no_match};
use crate::circuit::{AtRange, Cell, Generator, Init, Number, ParameterBlock, ParameterKind};
use crate::file::{AtRangeEntry, InitEntry, ParameterEntry};
use crate::places::{Class, Places, cell_count, cells};
use blackbeam_source::{Diagnostic, Node, Span};
use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI, TAU};

/// A block, and where the file speaks of it.
pub(super) struct Block {
    pub(super) class: Class,
    pub(super) span: Option<Span>,
    pub(super) block: ParameterBlock,
}

impl Check {
    /// The blocks in the order of the file, then those it leaves at their defaults.
    pub(super) fn parameters(&mut self, root: &Node, places: &Places, generator: &Generator) -> Vec<Block> {
        let mut rest = defaults(places, generator);
        let mut blocks = Vec::new();
        for (key, node) in root.get("parameters").and_then(Node::as_map).into_iter().flatten() {
            let Some(entry) = self.typed::<ParameterEntry>(node) else { continue };
            let selections = match places.select(&key.name) {
                Ok(selections) => selections,
                Err(miss) => {
                    self.found.push(no_match(&key.name, key.span, &miss, places));
                    continue;
                }
            };
            let mut any = false;
            for selection in selections.into_iter().filter(|s| s.class.is_parameter()) {
                any = true;
                let Some(at) = rest.iter().position(|b| b.class == selection.class) else {
                    let first = blocks.iter().find(|b: &&Block| b.class == selection.class).and_then(|b| b.span);
                    let error = Diagnostic::error(
                        "parameter-twice",
                        format!("`{}` names parameters that stand above", key.name),
                    );
                    self.found.push(
                        first.into_iter().fold(error.at(key.span), |e, first| e.note(first, "named here already")),
                    );
                    continue;
                };
                if selection.elements.len() != rest[at].block.names.len() {
                    let message = "an entry for a part of a block is not supported yet by this version";
                    let whole = key.name.split('<').next().unwrap_or(&key.name);
                    self.found.push(
                        Diagnostic::error("not-supported-yet", message)
                            .at(key.span)
                            .help(format!("name the whole block: `{whole}`")),
                    );
                    continue;
                }
                let mut block = rest.remove(at);
                block.span = Some(key.span);
                self.apply(&mut block, &entry, node, generator);
                blocks.push(block);
            }
            if !any {
                let error =
                    Diagnostic::error("not-a-parameter", format!("`{}` names no parameter", key.name)).at(key.span);
                let known: Vec<String> = parameter_names(places, &rest, &blocks);
                self.found.push(error.help(format!("parameters here: {}", known.join(", "))));
            }
        }
        blocks.extend(rest);
        blocks
    }

    /// Lays an entry over the defaults of a block.
    fn apply(&mut self, block: &mut Block, entry: &ParameterEntry, node: &Node, generator: &Generator) {
        let b = &mut block.block;
        b.trainable = entry.trainable.unwrap_or(true);
        if let Some(range) = entry.range.and_then(|range| self.range(range, node.span_at(&["range"]))) {
            b.range = range;
            b.at_range = if is_period(range) { AtRange::Wrap } else { AtRange::Clip };
        }
        if let Some(at_range) = entry.at_range {
            b.at_range = match at_range {
                AtRangeEntry::Clip => AtRange::Clip,
                AtRangeEntry::Wrap => AtRange::Wrap,
                AtRangeEntry::Reflect => AtRange::Reflect,
            };
            if at_range == AtRangeEntry::Wrap && !is_period(b.range) {
                let message =
                    "the range is no whole number of periods (2 pi): a value that wraps becomes another phase";
                self.found.push(Diagnostic::warning("wrap", message).at(node.span_at(&["at_range"])));
            }
        }
        let span = node.span_at(&["init"]);
        match &entry.init {
            None => {}
            Some(InitEntry::Named(_)) => {
                let is_theta = block.class == Class::Theta;
                match generator {
                    Generator::Mesh(mesh) if is_theta && mesh.cell == Cell::Mzi => b.init = Init::Haar,
                    _ => {
                        let error =
                            Diagnostic::error("haar", "`haar` is known for theta of a mesh of `mzi` cells only")
                                .at(span);
                        self.found.push(error.help("give a number or a distribution, such as `{uniform: [0, 6.283]}`"));
                    }
                }
            }
            Some(InitEntry::Number(entry)) => {
                let Some(number) = self.number(entry, span) else { return };
                let (low, high) = match number {
                    Number::Fixed(x) => (x, x),
                    Number::Uniform(low, high) => (low, high),
                    _ => b.range,
                };
                let slack = 1e-9 * (b.range.1 - b.range.0);
                if low < b.range.0 - slack || high > b.range.1 + slack {
                    let message = format!("the parameter starts outside its range, {} to {}", b.range.0, b.range.1);
                    self.error("out-of-range", message, span);
                }
                b.init = Init::Number(number);
            }
        }
    }
}

/// A whole number of periods of 2 pi.
fn is_period((low, high): (f64, f64)) -> bool {
    let periods = (high - low) / TAU;
    periods.round() >= 1.0 && (periods - periods.round()).abs() < 1e-6
}

fn parameter_names(places: &Places, rest: &[Block], blocks: &[Block]) -> Vec<String> {
    let of = |b: &Block| b.block.names.first().map(|name| name.split('<').next().unwrap_or(name).to_string());
    let mut names: Vec<String> = rest.iter().chain(blocks).filter_map(of).map(|name| format!("`{name}`")).collect();
    names.sort();
    names.dedup();
    debug_assert!(!places.known().is_empty());
    names
}

/// All blocks of a generator with their defaults, in the usual order.
fn defaults(places: &Places, generator: &Generator) -> Vec<Block> {
    let known = places.known();
    let instance = known.first().map_or("", String::as_str);
    let block = |class, kind, names, range, at_range, init, trainable| Block {
        class,
        span: None,
        block: ParameterBlock { kind, names, range, at_range, init: Init::Number(init), trainable },
    };
    let grid = |name: &str, rows: usize, columns: usize| {
        (0..rows)
            .flat_map(|i| (0..columns).map(move |j| (i, j)))
            .map(|(i, j)| format!("{instance}.{name}<{i}.{j}>"))
            .collect()
    };
    match generator {
        Generator::Mesh(mesh) => {
            let of_cells = |name: &str| {
                let names: Vec<String> =
                    cells(mesh).map(|(layer, row)| format!("{instance}.{name}<{layer}.{row}>")).collect();
                debug_assert_eq!(names.len(), cell_count(mesh));
                names
            };
            let circle = (0.0, TAU);
            let (theta, phi) = (ParameterKind::Theta, ParameterKind::Phi);
            let mut blocks = if mesh.cell == Cell::Mzi {
                let mut theta = block(
                    Class::Theta,
                    theta,
                    of_cells("theta"),
                    (0.0, PI),
                    AtRange::Reflect,
                    Number::Fixed(0.0),
                    true,
                );
                theta.block.init = Init::Haar;
                let uniform = Number::Uniform(0.0, TAU);
                vec![theta, block(Class::Phi, phi, of_cells("phi"), circle, AtRange::Wrap, uniform, true)]
            } else {
                // as in astralora: normal about pi/2 with standard deviation 1/sqrt(n)
                let init = Number::Normal(FRAC_PI_2, 1.0 / (mesh.n as f64).sqrt());
                vec![
                    block(Class::Theta, theta, of_cells("theta"), circle, AtRange::Wrap, init, true),
                    block(Class::Phi, phi, of_cells("phi"), circle, AtRange::Wrap, init, true),
                ]
            };
            if mesh.output_phases {
                let names = (0..mesh.n).map(|k| format!("{instance}.gamma<{k}>")).collect();
                let kind = ParameterKind::Gamma;
                // an output phase is trained only if the file lists it: without it a mesh is complete up to signs
                blocks.push(block(Class::Gamma, kind, names, circle, AtRange::Wrap, Number::Fixed(0.0), false));
            }
            blocks
        }
        Generator::MrrBank(bank) => {
            // as in astralora: near resonance, where the weight depends on the phase
            let (names, init) = (grid("phi", bank.rows, bank.columns), Number::Uniform(0.01, FRAC_PI_4));
            vec![block(Class::RingPhase, ParameterKind::RingPhase, names, (0.0, TAU), AtRange::Wrap, init, true)]
        }
        Generator::SlmMatvec(slm) => {
            // as in astralora: weights near zero, where the cosine is steepest
            let init = Number::Uniform(FRAC_PI_2 - 0.1, FRAC_PI_2 + 0.1);
            let names = grid("phase", slm.n_out, slm.n_in);
            vec![block(Class::PixelPhase, ParameterKind::PixelPhase, names, (0.0, TAU), AtRange::Wrap, init, true)]
        }
    }
}
