//! From a tree to a circuit.

mod actuators;
mod banks;
mod curves;
mod drift;
mod encoding;
mod environment;
mod events;
mod initial;
mod leaves;
mod network;
mod nonideal;
mod numbers;
mod order;
mod parameters;
mod planes;
mod ports;
mod quantity;
mod readout;

use crate::circuit::{Circuit, Number, Slot};
use crate::file::Paths;
use crate::library::{Components, Imports};
use crate::scene::{MAX_WORK, Miss, Scene, Selection};
use crate::sections::{OVERLAY, Sections, UnitFactors, convert_units, split};
use crate::{Files, ReadOptions, overlay};
use blackbeam_schematic::{Flat, Options, Units};
use blackbeam_source::{Diagnostic, Diagnostics, Node, Severity, Source, Span, Value};
use leaves::Leaves;
use serde::de::DeserializeOwned;
use std::sync::LazyLock;

pub(crate) fn read(
    source: &Source,
    root: Node,
    options: &ReadOptions,
    files: &Files,
) -> Result<(Circuit, Diagnostics), Diagnostics> {
    let mut found = Diagnostics::new(source);
    let Some(mut sections) = split(source, root, &mut found) else { return Err(found) };
    overlay::apply_settings(&mut sections.circuit, options, &mut found);
    let preset = overlay::apply_preset(&mut sections.overlay, &sections.circuit, options, &mut found);
    finite(&sections.overlay, false, &mut found);
    blackbeam_source::schema::validate(&sections.overlay, overlay_schema(), &mut found);
    let units = convert_units(&mut sections.overlay, &mut found);
    let mut check = Check { found, preset, ideal: options.ideal, files: files.clone(), blind: false };
    let circuit = check.circuit(source, &mut sections, units);
    let mut found = check.found;
    found.sort();
    match circuit {
        Some(circuit) if !found.has_errors() => Ok((circuit, found)),
        _ => Err(found),
    }
}

/// The schema of the sections laid over a circuit.
fn overlay_schema() -> &'static serde_json::Value {
    static SCHEMA: LazyLock<serde_json::Value> = LazyLock::new(|| {
        let mut schema = crate::schema().clone();
        if let Some(properties) = schema["properties"].as_object_mut() {
            properties.retain(|name, _| OVERLAY.contains(&name.as_str()));
        }
        if let Some(schema) = schema.as_object_mut() {
            schema.remove("required");
        }
        schema
    });
    &SCHEMA
}

/// Numbers are finite, except the bounds under `clip`.
fn finite(node: &Node, is_clip: bool, found: &mut Diagnostics) {
    match &node.value {
        Value::Number(n) if n.value.is_nan() || (n.value.is_infinite() && !is_clip) => {
            found.push(Diagnostic::error("not-finite", format!("`{}` is not a finite number", n.text)).at(node.span));
        }
        Value::Seq(items) => items.iter().for_each(|item| finite(item, is_clip, found)),
        Value::Map(entries) => entries.iter().for_each(|(key, value)| finite(value, key.name == "clip", found)),
        _ => {}
    }
}

/// What all checks share.
pub(super) struct Check {
    pub(super) found: Diagnostics,
    preset: Option<Source>,
    pub(super) ideal: bool,
    pub(super) files: Files,
    /// The circuit has errors: names are not looked up.
    pub(super) blind: bool,
}

impl Check {
    fn circuit(&mut self, source: &Source, sections: &mut Sections, units: UnitFactors) -> Option<Circuit> {
        let root = &std::mem::replace(&mut sections.overlay, Node { span: source.span(0, 0), value: Value::Null });
        if let Some(name) = sections.circuit.get("name").filter(|name| name.as_str().is_none() && !name.is_null()) {
            let error = Diagnostic::error("wrong-type", format!("expected a string, found {}", name.kind()));
            self.found.push(error.at(name.span).help("put it in quotes to make it a string"));
        }
        let environment = self.environment(root);
        let timing = self.timing(root);
        let (solver, precision) = self.solver(root);
        let mut imports = self.imports(root, &environment);
        imports.add_mesh_files(&mut sections.circuit, &mut self.found);
        let mut components = Components {
            models: std::mem::take(&mut imports.models),
            failed: std::mem::take(&mut imports.failed),
            weights: Vec::new(),
            length: units.length,
        };
        let network = self.network(root, &mut sections.circuit, &mut components);
        let is_network = root.get("network").is_some();
        // without its layers the instances of a network have no place
        let flat = if is_network && network.is_none() {
            None
        } else {
            self.flatten(sections, &components, &imports, units, is_network).filter(|_| components.failed.is_empty())
        };
        // without the circuit names mean nothing: the sections are checked as far as that goes
        let leaves = flat.and_then(|flat| Some((self.leaves(&flat, &components)?, flat)));
        self.blind = leaves.is_none();
        let (leaves, flat) = leaves.unwrap_or_default();
        let Leaves { kinds, instances, mut slots, ports, probes } = leaves;
        self.planes(&flat, &kinds);
        self.banks(&flat, &kinds, &environment);
        let ports = if is_network { Vec::new() } else { ports };
        let mut scene = Scene::new(&flat, &kinds, &ports);
        scene.network = is_network;
        let encoding = self.encoding(root, &scene, &environment);
        let (readout, outputs) = self.readout(root, &scene, &environment, encoding.as_ref());
        scene.pairs.clone_from(&outputs.pairs);
        let blocks = self.parameters(root, &scene, &environment);
        let actuators = self.actuators(root, &scene, &blocks);
        let inputs = encoding.as_ref().map_or(&[][..], |encoding| &encoding.ports);
        let nonideal = self.nonideal(root, &scene, &outputs, inputs);
        let drift = self.drift(root, &scene, &blocks, &outputs);
        let events = self.events(root, &scene, &blocks, &outputs);
        // a parameter takes the place of an expression
        for slot in blocks.iter().flat_map(|block| &block.block.slots) {
            if let Slot::Expr(_) = slots[*slot] {
                slots[*slot] = Slot::Number(Number::Fixed(flat.slots[*slot].nominal));
            }
        }
        if self.blind {
            return None;
        }
        let network = network.and_then(|network| self.joined(network, root, &instances));
        let name = root.get("name").or(sections.circuit.get("name")).and_then(Node::as_str).map(String::from);
        Some(Circuit {
            name: name.or(flat.name.clone()).unwrap_or_else(|| stem(source.name())),
            seed: root.get("seed").and_then(Node::as_u64).unwrap_or(0),
            environment,
            instances,
            slots,
            links: flat.links.iter().map(|link| [link.a, link.b].map(leaves::port)).collect(),
            ports: leaves::outer(&ports),
            probes: leaves::outer(&probes),
            solver,
            precision,
            parameters: blocks.into_iter().map(|block| block.block).collect(),
            actuators,
            nonideal,
            drift,
            events,
            network,
            encoding,
            readout,
            timing: timing?,
        })
    }

    fn flatten(
        &mut self,
        sections: &Sections,
        components: &Components,
        imports: &Imports,
        units: UnitFactors,
        network: bool,
    ) -> Option<Flat> {
        let options = Options {
            strict: sections.strict,
            library: components,
            files: imports,
            top_level: None,
            sections: &OVERLAY,
            open: network,
            units: Units { length: units.length, ..Units::default() },
        };
        let flat = blackbeam_schematic::flatten(&sections.circuit, &options, &mut self.found);
        // what cannot be built has said so by itself, perhaps at another instance, or at its import
        self.found.retain(|diagnostic| diagnostic.code != "bad-component");
        flat
    }

    pub(super) fn error(&mut self, code: &'static str, message: impl Into<String>, span: Span) {
        self.found.push(Diagnostic::error(code, message).at(span));
    }

    /// An error if there are more than `most` of `what`.
    pub(super) fn at_most(&mut self, n: usize, most: usize, what: &str, span: Span) {
        if n > most {
            self.error("too-large", format!("{n} {what}; at most {most} are read"), span);
        }
    }

    pub(super) fn errors(&self) -> usize {
        self.found.count(Severity::Error)
    }

    /// True for what comes from the preset.
    pub(super) fn is_preset(&self, span: Span) -> bool {
        self.preset.as_ref().is_some_and(|source| source.holds(span))
    }

    /// A section as a value; None if it is not there or has errors in its structure, which are known already.
    pub(super) fn section<'a, T: DeserializeOwned>(&mut self, root: &'a Node, name: &str) -> Option<(&'a Node, T)> {
        let node = root.get(name).filter(|node| !node.is_null())?;
        Some((node, self.typed(node)?))
    }

    /// A part of the tree as a value; None if it has errors in its structure, which are known already.
    pub(super) fn typed<T: DeserializeOwned>(&mut self, node: &Node) -> Option<T> {
        match node.to() {
            Ok(value) => Some(value),
            Err(mismatch) => {
                if !self.found.has_errors() {
                    self.error("wrong-type", format!("cannot be read: {mismatch}"), node.span);
                }
                None
            }
        }
    }

    /// What the paths of `paths` (which stand at `node`) name, or errors. What a preset names may be missing.
    pub(super) fn select(&mut self, scene: &Scene, paths: &Paths, node: &Node) -> Vec<(Span, Selection)> {
        let paths: Vec<(&str, Span)> = match paths {
            Paths::One(one) => vec![(one, node.span)],
            Paths::Many(many) => {
                let span = |i: usize| node.as_seq().and_then(|items| items.get(i)).map_or(node.span, |n| n.span);
                many.iter().enumerate().map(|(i, path)| (path.as_str(), span(i))).collect()
            }
        };
        let mut all = Vec::new();
        for (path, span) in paths {
            all.extend(self.select_one(scene, path, span).map(|selection| (span, selection)));
        }
        all
    }

    /// False, with an error, once the names in this file took too long to look up.
    pub(super) fn may_look(&mut self, scene: &Scene, span: Span) -> bool {
        if scene.is_spent() && !self.found.iter().any(|diagnostic| diagnostic.code == "too-many-places") {
            let message = format!("the paths up to here are compared with more than {MAX_WORK} names and places");
            let error = Diagnostic::error("too-many-places", message).at(span);
            self.found.push(error.help("name many places by one path instead of by many, or the same ones less often"));
        }
        !scene.is_spent()
    }

    /// What a path names, or an error.
    pub(super) fn select_one(&mut self, scene: &Scene, path: &str, span: Span) -> Option<Selection> {
        if self.blind {
            return None;
        }
        if !self.may_look(scene, span) {
            return None;
        }
        match scene.select(path) {
            Ok(selection) => return Some(selection),
            Err(Miss::Nothing(_)) if self.is_preset(span) => {}
            Err(Miss::Syntax(what)) => {
                self.error("bad-path", format!("`{path}` is not a path: {what}"), span);
            }
            Err(Miss::Nothing(help)) => {
                let error = Diagnostic::error("no-match", format!("`{path}` names nothing in this device")).at(span);
                self.found.push(help.into_iter().fold(error, Diagnostic::help));
            }
        }
        None
    }
}

/// `a/b/mesh.ddl.yml` -> `mesh`.
fn stem(name: &str) -> String {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    file.split('.').next().filter(|s| !s.is_empty()).unwrap_or("device").into()
}
