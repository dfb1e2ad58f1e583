//! `network`: its layers become instances that hold weights, and instructions.

use super::Check;
use crate::circuit::{Instance, Kind, Network};
use crate::file::NetworkEntry;
use crate::library::{Components, weights_component};
use blackbeam_layers::program::{Program, Weight, compile_on_device};
use blackbeam_layers::{Layer, Loss, layer_path, shapes_on_device};
use blackbeam_schematic::{Library, Made};
use blackbeam_source::{Diagnostic, Diagnostics, Key, Node, Source, Span, Value};

/// Most weights: a circuit has no more slots than that.
const MAX_WEIGHTS: usize = 1 << 22;

/// A network before its instances are known by number.
pub(super) struct Unjoined {
    input: Vec<usize>,
    output: Vec<usize>,
    program: Program,
    objective: Option<Loss>,
}

impl Check {
    /// Compiles the layers and puts an instance for the weights of each into `circuit`.
    pub(super) fn network(&mut self, root: &Node, circuit: &mut Node, components: &mut Components) -> Option<Unjoined> {
        let (node, entry) = self.section::<NetworkEntry>(root, "network")?;
        for name in ["connections", "nets", "ports", "probes"] {
            if let Some((key, _)) = circuit.entry(name).filter(|(_, node)| !node.is_null()) {
                let message = format!("`{name}` has no meaning beside `network`: its layers say where light goes");
                self.error("unused-setting", message, key.span);
            }
        }
        if entry.layers.is_empty() {
            self.error("no-layers", "a network needs at least one layer", node.span_at(&["layers"]));
            return None;
        }
        let widths = |name: &str| circuit_widths(circuit, components, name);
        let shapes = match shapes_on_device(&entry.layers, &entry.input, &widths) {
            Ok(shapes) => shapes,
            Err(error) => {
                let message = format!("{}: {}", layer_path(&error.path), error.message);
                self.error("wrong-shape", message, layer_span(node, &error.path));
                return None;
            }
        };
        let weights: usize = shapes.iter().map(|shape| shape.parameters).sum();
        if weights > MAX_WEIGHTS {
            self.at_most(weights, MAX_WEIGHTS, "weights", node.span_at(&["layers"]));
            return None;
        }
        if let Some(layer) = shapes.iter().find(|shape| !on_device(shape.layer)) {
            let message = format!("`{}` does not run on a device", layer.layer.name());
            let error = Diagnostic::error("wrong-layer", message).at(layer_span(node, &layer.path));
            self.found.push(error.help("its statistics or its randomness belong to digital training; leave it out"));
            return None;
        }
        let output = shapes.iter().rfind(|shape| shape.path.len() == 1).map(|shape| shape.output.clone());
        let program = compile_on_device(&shapes, &widths);
        self.hold_weights(node, circuit, components, &program.weights)?;
        Some(Unjoined { output: output.unwrap_or_default(), input: entry.input, program, objective: entry.objective })
    }

    /// Instances for the weights of all layers.
    fn hold_weights(
        &mut self,
        node: &Node,
        circuit: &mut Node,
        components: &mut Components,
        weights: &[Weight],
    ) -> Option<()> {
        let mut at = 0;
        while at < weights.len() {
            let name = instance_name(&weights[at]);
            let count = weights[at..].iter().take_while(|weight| instance_name(weight) == name).count();
            components.weights.push((name, weights[at..at + count].into()));
            at += count;
        }
        let span = node.span_at(&["layers"]);
        let Value::Map(entries) = &mut circuit.value else { return None };
        if !entries.iter().any(|(key, node)| key.name == "instances" && !node.is_null()) {
            entries.retain(|(key, _)| key.name != "instances");
            entries.push((key("instances", span), Node { span, value: Value::Map(Vec::new()) }));
        }
        let (_, instances) = entries.iter_mut().find(|(key, _)| key.name == "instances")?;
        let Value::Map(instances) = &mut instances.value else { return None };
        for (name, _) in &components.weights {
            if let Some((taken, _)) = instances.iter().find(|(key, _)| key.name == *name) {
                let message = format!("`{name}` is the name of the weights of a layer");
                self.error("name-twice", message, taken.span);
                return None;
            }
            let component = Node { span, value: Value::String(weights_component(name)) };
            let value = Value::Map(vec![(key("component", span), component)]);
            instances.push((key(name, span), Node { span, value }));
        }
        Some(())
    }

    /// The network with the numbers of its instances and slots.
    pub(super) fn joined(&mut self, network: Unjoined, root: &Node, instances: &[Instance]) -> Option<Network> {
        let find = |name: &str| instances.iter().position(|instance| instance.path == name);
        let mut used: Vec<usize> = Vec::new();
        let mut circuits = Vec::new();
        for name in &network.program.circuits {
            circuits.push(find(name)?);
        }
        let mut weights = Vec::new();
        let mut next: Option<(usize, usize)> = None;
        for weight in &network.program.weights {
            let instance = find(&instance_name(weight))?;
            let start =
                next.filter(|(of, _)| *of == instance).map_or(instances[instance].slots.start, |(_, slot)| slot);
            weights.push(start);
            next = Some((instance, start + weight.len()));
            used.push(instance);
        }
        let is_idle = |k: usize| !used.contains(&k) && !circuits.contains(&k);
        if let Some(idle) = (0..instances.len()).find(|k| is_idle(*k)) {
            let message = format!("no layer uses `{}`", instances[idle].path);
            let span = root.get("network").map_or(root.span, |node| node.span_at(&["layers"]));
            self.found.push(Diagnostic::warning("unused-instance", message).at(span));
        }
        let Unjoined { input, output, program, objective } = network;
        Some(Network { input, output, program, weights, circuits, objective })
    }
}

/// A layer that has a forward-only form.
fn on_device(layer: &Layer) -> bool {
    !matches!(layer, Layer::BatchNorm | Layer::Dropout { .. } | Layer::Embedding { .. } | Layer::Device { .. })
}

/// `layers.3.1.weight` belongs to `layer3_1`, `shared.a.weight` to `shared_a`.
fn instance_name(weight: &Weight) -> String {
    let owner = weight.name.rsplit_once('.').map_or("", |(owner, _)| owner);
    owner.replacen("layers.", "layer", 1).replace('.', "_")
}

/// (inputs, outputs) of an instance that is one generator.
fn circuit_widths(circuit: &Node, components: &Components, name: &str) -> Option<(usize, usize)> {
    let instance = circuit.get("instances")?.get(name)?;
    let component = instance.as_str().or_else(|| instance.get("component")?.as_str())?;
    let none = Node { span: instance.span, value: Value::Map(Vec::new()) };
    let settings = instance.get("settings").filter(|node| !node.is_null()).unwrap_or(&none);
    // What is wrong with its settings is said where the circuit is read.
    let mut unsaid = Diagnostics::new(&Source::new("", ""));
    let Made::Leaf(shape) = components.make(components.find(component)?, settings, &mut unsaid)? else { return None };
    let photonic = !matches!(
        components.kind(components.find(component)?, settings, &mut unsaid)?,
        crate::library::Generated::Leaf(Kind::FreeSpace(_))
    );
    photonic.then_some((shape.inputs, shape.ports.len() - shape.inputs))
}

/// Where a layer stands in the file.
fn layer_span(node: &Node, path: &[usize]) -> Span {
    if path.is_empty() {
        return node.span_at(&["input"]);
    }
    let mut steps: Vec<String> = Vec::new();
    for (depth, index) in path.iter().enumerate() {
        steps.extend(["residual".to_owned()].into_iter().filter(|_| depth > 0));
        steps.extend(["layers".to_owned(), index.to_string()]);
    }
    node.span_at(&steps.iter().map(String::as_str).collect::<Vec<_>>())
}

fn key(name: &str, span: Span) -> Key {
    Key { name: name.to_owned(), span }
}
