//! Instances, slots and ports.

use super::Check;
use crate::circuit::{Instance, Kind, OuterPort, Port, Slot};
use crate::library::{Components, Generated};
use blackbeam_schematic::{Flat, FlatPort, Leaf, SlotValue};

/// The leaves of a circuit and what leads out of it.
#[derive(Default)]
pub(super) struct Leaves {
    pub(super) kinds: Vec<Kind>,
    pub(super) instances: Vec<Instance>,
    pub(super) slots: Vec<Slot>,
    pub(super) ports: Vec<(String, Port)>,
    pub(super) probes: Vec<(String, Port)>,
}

impl Check {
    pub(super) fn leaves(&mut self, flat: &Flat, components: &Components) -> Option<Leaves> {
        let mut kinds = Vec::with_capacity(flat.leaves.len());
        for leaf in &flat.leaves {
            kinds.push(match (leaf.kind, &leaf.settings) {
                (Leaf::Primitive(component), _) => Kind::Primitive(component.name),
                (Leaf::Foreign(component), Some(settings)) => {
                    match components.kind(component, settings, &mut self.found)? {
                        Generated::Leaf(kind) => kind,
                        // circuits have been put in the place of their instances
                        Generated::Circuit(_) => return None,
                    }
                }
                (Leaf::Foreign(_), None) => return None,
            });
        }
        let instance = |(leaf, kind): (&blackbeam_schematic::Instance, &Kind)| {
            let owner = &flat.owners[leaf.owner];
            Instance {
                path: owner.to_string(),
                kind: kind.clone(),
                slots: owner.slots.clone(),
                inputs: leaf.inputs,
                outputs: leaf.ports.len() - leaf.inputs,
            }
        };
        let slot = |slot: &blackbeam_schematic::Slot| match &slot.value {
            SlotValue::Number(number) => Slot::Number(*number),
            SlotValue::Expr(expr) => Slot::Expr(expr.clone()),
        };
        let mut ports = named(&flat.ports);
        if let ([leaf], true) = (flat.leaves.as_slice(), ports.is_empty())
            && matches!(leaf.kind, Leaf::Foreign(_))
        {
            // one generator: all its ports lead out under their own names
            let own = leaf.ports.iter().enumerate();
            ports = own.map(|(port, name)| (name.clone(), Port { instance: 0, port })).collect();
        }
        Some(Leaves {
            instances: flat.leaves.iter().zip(&kinds).map(instance).collect(),
            kinds,
            slots: flat.slots.iter().map(slot).collect(),
            ports,
            probes: named(&flat.probes),
        })
    }
}

fn named(ports: &[FlatPort]) -> Vec<(String, Port)> {
    ports.iter().map(|outer| (outer.name.clone(), port(outer.port))).collect()
}

/// A port of the flattened circuit.
pub(super) fn port((instance, port): (usize, usize)) -> Port {
    Port { instance, port }
}

/// Outer ports of the circuit.
pub(super) fn outer(ports: &[(String, Port)]) -> Vec<OuterPort> {
    ports.iter().map(|(name, port)| OuterPort { name: name.clone(), port: *port }).collect()
}
