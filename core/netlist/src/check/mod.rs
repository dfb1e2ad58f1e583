//! From a tree to a circuit.

mod actuators;
mod drift;
mod generator;
mod io;
mod nonideal;
mod numbers;
mod parameters;
mod ports;

use crate::circuit::Circuit;
use crate::file::{Environment, Paths};
use crate::places::{Miss, Places, Selection};
use crate::{ReadOptions, later, overlay, schema};
use blackbeam_source::{Diagnostic, Diagnostics, Node, Source, Span, Value, did_you_mean};
use serde::de::DeserializeOwned;

/// Wavelength if the file gives none, um; that of SAX.
const DEFAULT_WL_UM: f64 = 1.55;

pub(crate) fn read(source: &Source, options: &ReadOptions) -> Result<(Circuit, Diagnostics), Diagnostics> {
    let mut root = source.parse()?;
    let mut found = Diagnostics::new(source);
    if root.as_map().is_none() || root.get("ddl").is_none() {
        let error = Diagnostic::error("not-a-device", "this is not a device file: it has no `ddl: 1` at the top level");
        found.push(error.at(source.span(0, 0)).help("plain SAX and gdsfactory netlists are not supported yet"));
        return Err(found);
    }
    overlay::expand_bare_instances(&mut root);
    later::report(&mut root, &mut found);
    overlay::apply_settings(&mut root, options, &mut found);
    let preset = overlay::apply_preset(&mut root, options, &mut found);
    finite(&root, false, &mut found);
    blackbeam_source::schema::validate(&root, schema(), &mut found);
    let mut check = Check { found, preset, ideal: options.ideal };
    let circuit = check.circuit(source, &root);
    let mut found = check.found;
    found.sort();
    match circuit {
        Some(circuit) if !found.has_errors() => Ok((circuit, found)),
        _ => Err(found),
    }
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
}

impl Check {
    fn circuit(&mut self, source: &Source, root: &Node) -> Option<Circuit> {
        let wl_um = self.environment(root);
        let seed = root.get("seed").and_then(Node::as_u64).unwrap_or(0);
        let name = root.get("name").and_then(Node::as_str).map_or_else(|| stem(source.name()), String::from);
        self.connections(root);
        // without a generator, names mean nothing and the other sections cannot be checked further
        let (instance, generator) = self.generator(root)?;
        let places = Places::new(&instance, &generator);
        let outer = self.ports(root, &places);
        let parameters = self.parameters(root, &places, &generator);
        let actuators = self.actuators(root, &places, &parameters);
        let nonideal = self.nonideal(root, &places, &generator);
        let drift = self.drift(root, &places, &parameters);
        let encoding = self.encoding(root, &generator, &outer);
        let readout = self.readout(root, &generator, &outer);
        let timing = self.timing(root);
        let parameters = parameters.into_iter().map(|b| b.block).collect();
        let (encoding, readout, timing) = (encoding?, readout?, timing?);
        Some(Circuit {
            name,
            seed,
            wl_um,
            instance,
            generator,
            parameters,
            actuators,
            nonideal,
            drift,
            encoding,
            readout,
            timing,
        })
    }

    fn environment(&mut self, root: &Node) -> f64 {
        let Some((node, entry)) = self.section::<Environment>(root, "environment") else { return DEFAULT_WL_UM };
        let wl = entry.wl.unwrap_or(DEFAULT_WL_UM);
        if !(0.1..=100.0).contains(&wl) && wl > 0.0 {
            let warning = Diagnostic::warning("odd-wavelength", format!("a wavelength of {wl} um is not light"));
            self.found.push(warning.at(node.span_at(&["wl"])).help("`wl` is in micrometres, such as 1.55"));
        }
        wl
    }

    fn connections(&mut self, root: &Node) {
        if let Some((key, node)) = root.entry("connections")
            && node.as_map().is_some_and(|links| !links.is_empty())
        {
            let message = "connections between instances are not supported yet by this version";
            let error = Diagnostic::error("not-supported-yet", message).at(key.span);
            self.found.push(error.help("for now a device is one instance of `mesh`, `mrr_bank` or `slm_matvec`"));
        }
    }

    pub(super) fn error(&mut self, code: &'static str, message: impl Into<String>, span: Span) {
        self.found.push(Diagnostic::error(code, message).at(span));
    }

    /// True if something within `span` was taken out because it is not supported yet.
    pub(super) fn was_cut(&self, span: Span) -> bool {
        let within = |s: Span| s.start >= span.start && s.end <= span.end;
        self.found.iter().any(|d| d.code == "not-supported-yet" && d.span.is_some_and(within))
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

    /// The places that the paths of `paths` name (which stand at `node`), or errors. What a preset names may be missing.
    pub(super) fn select(&mut self, places: &Places, paths: &Paths, node: &Node) -> Vec<(Span, Selection)> {
        let paths: Vec<(&str, Span)> = match paths {
            Paths::One(one) => vec![(one, node.span)],
            Paths::Many(many) => {
                let span = |i: usize| node.as_seq().and_then(|items| items.get(i)).map_or(node.span, |n| n.span);
                many.iter().enumerate().map(|(i, path)| (path.as_str(), span(i))).collect()
            }
        };
        let mut all = Vec::new();
        for (path, span) in paths {
            match places.select(path) {
                Ok(selections) => all.extend(selections.into_iter().map(|s| (span, s))),
                Err(Miss::Nothing) if self.is_preset(span) => {}
                Err(miss) => self.found.push(no_match(path, span, &miss, places)),
            }
        }
        all
    }
}

/// An error for a path that names nothing.
pub(super) fn no_match(path: &str, span: Span, miss: &Miss, places: &Places) -> Diagnostic {
    let known = places.known();
    match miss {
        Miss::Syntax(what) => Diagnostic::error("bad-path", format!("`{path}` is not a path: {what}")).at(span),
        Miss::Nothing => {
            let bare = path.split('<').next().unwrap_or(path);
            let (inputs, outputs) = places.widths();
            let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
            let help = format!("names here: {}; {inputs} inputs, {outputs} outputs", names.join(", "));
            let suggestion = did_you_mean(bare, known.iter().filter(|name| *name != bare));
            let suggestion = if known.iter().any(|name| name == bare) { None } else { suggestion };
            let error = Diagnostic::error("no-match", format!("`{path}` names nothing in this device")).at(span);
            error.help_some(suggestion).help(help)
        }
    }
}

/// `a/b/mesh.ddl.yml` -> `mesh`.
fn stem(name: &str) -> String {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    file.split('.').next().filter(|s| !s.is_empty()).unwrap_or("device").into()
}
