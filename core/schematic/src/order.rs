//! The order in which circuits are finished: inner ones before those that use them. How large they are.

use crate::book::{Definition, Size, Target};
use crate::read::{MAX_INSTANCES, Reader};
use crate::report::Report;
use blackbeam_source::{Diagnostic, Key, Node, Span, Value};

/// Deepest hierarchy.
const MAX_DEPTH: usize = 64;
/// So many cycles are reported.
const MAX_CYCLES: usize = 20;
/// Most settings that are given to instances after flattening.
const MAX_GIVEN: u64 = 1 << 22;
/// Most slots after flattening.
const MAX_SLOTS: u64 = 1 << 22;

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    Open,
    Done,
}

/// Definitions, each after all those that it uses. A circuit that contains itself is an error; None then.
pub(crate) fn inner_first(definitions: &[Definition], report: &mut Report) -> Option<Vec<usize>> {
    let mut states = vec![State::New; definitions.len()];
    let mut order = Vec::with_capacity(definitions.len());
    let mut cycles = 0;
    for start in 0..definitions.len() {
        if states[start] != State::New {
            continue;
        }
        states[start] = State::Open;
        // (definition, next of its instances)
        let mut stack = vec![(start, 0)];
        while let Some(top) = stack.last_mut() {
            let (current, next) = *top;
            let Some(instance) = definitions[current].instances.get(next) else {
                states[current] = State::Done;
                order.push(current);
                stack.pop();
                continue;
            };
            top.1 += 1;
            let Target::Circuit { definition: inner, .. } = instance.target else { continue };
            match states[inner] {
                State::Done => {}
                State::New => {
                    states[inner] = State::Open;
                    stack.push((inner, 0));
                }
                // some are enough to see what is wrong
                State::Open if cycles >= MAX_CYCLES => return None,
                State::Open => {
                    cycles += 1;
                    let from = stack.iter().position(|(k, _)| *k == inner).unwrap_or(0);
                    report.push(cycle(definitions, &stack[from..]));
                }
            }
        }
    }
    (cycles == 0).then_some(order)
}

/// `stack`: the circuits of the cycle, each with the instance after the one that leads to the next.
fn cycle(definitions: &[Definition], stack: &[(usize, usize)]) -> Diagnostic {
    const SHOWN: usize = 8;
    let step = |(k, next): &(usize, usize)| (&definitions[*k], &definitions[*k].instances[next - 1]);
    let name = stack.first().map_or("", |(k, _)| &*definitions[*k].name);
    let steps: Vec<(&Definition, Span)> =
        stack.iter().map(step).map(|(circuit, instance)| (circuit, instance.component_span)).collect();
    let mut error = Diagnostic::error("circuit-cycle", format!("the circuit `{name}` contains itself"));
    if let Some((_, last)) = steps.last() {
        error = error.at(*last).label(format!("`{name}` again"));
    }
    for (circuit, span) in steps.iter().take(steps.len().saturating_sub(1)).take(SHOWN) {
        error = error.note(*span, format!("in `{}`", circuit.name));
    }
    error.help("feedback is a link from an output back to an input; a circuit cannot be part of itself")
}

impl Reader<'_, '_, '_> {
    /// How much flattening the circuit gives; an error if it is too much.
    pub(crate) fn measure(&mut self, k: usize) {
        let slots = self.definitions[k].settings.list.len() as u64;
        let mut size = Size { owners: 1, slots, given: 0, depth: 1 };
        let mut too_deep = None;
        for instance in &self.definitions[k].instances {
            let inner = match &instance.target {
                Target::Primitive(component) => {
                    Size { owners: 1, slots: component.settings.len() as u64, ..Size::default() }
                }
                Target::Foreign(foreign) => {
                    Size { owners: 1, slots: foreign.shape.slots.len() as u64, ..Size::default() }
                }
                Target::Circuit { definition, .. } => self.definitions[*definition].size,
                Target::Unknown(_) | Target::Broken => Size::default(),
            };
            let count = instance.elements.len() as u64;
            size.owners = size.owners.saturating_add(inner.owners.saturating_mul(count));
            size.slots = size.slots.saturating_add(inner.slots.saturating_mul(count));
            let given = inner.given.saturating_add(weight(&instance.settings));
            size.given = size.given.saturating_add(given.saturating_mul(count));
            if inner.depth >= MAX_DEPTH {
                too_deep.get_or_insert(instance.component_span);
            }
            size.depth = size.depth.max(inner.depth + 1);
        }
        let (name, span) = (self.definitions[k].name.clone(), self.definitions[k].span);
        if let Some(span) = too_deep {
            self.report.error("too-deep", format!("circuits are nested more than {MAX_DEPTH} deep"), span);
            self.is_too_large = true;
            size.depth = 0;
        }
        let message = if size.owners > MAX_INSTANCES + 1 {
            Some(format!("`{name}` has more than {MAX_INSTANCES} instances when it is written out"))
        } else if size.slots > MAX_SLOTS {
            Some(format!("`{name}` has more than {MAX_SLOTS} numbers when it is written out"))
        } else if size.given > MAX_GIVEN {
            Some(format!("`{name}` has more than {MAX_GIVEN} settings when it is written out"))
        } else {
            None
        };
        if let Some(message) = message {
            self.report.error("too-large", message, span);
            self.is_too_large = true;
            // said once, not for every circuit around it
            size = Size { depth: size.depth, ..Size::default() };
        }
        self.definitions[k].size = size;
    }
}

/// Number of settings, with those in mappings and lists.
fn weight(entries: &[(Key, Node)]) -> u64 {
    let inner = |node: &Node| match &node.value {
        Value::Map(entries) => weight(entries),
        Value::Seq(items) => items.len() as u64,
        _ => 0,
    };
    entries.iter().map(|(_, node)| 1 + inner(node)).sum()
}
