//! `imports`: S-parameters and netlists from files.

use super::expand::file_component;
use crate::circuit::{Environment, Imported};
use crate::file::{ExtrapolateEntry, ImportCheck, ImportEntry, ImportFormat};
use crate::files::Files;
use blackbeam_schematic::{Files as Netlists, Folder};
use blackbeam_source::{Diagnostic, Diagnostics, Key, Node, Source, Span, Value};
use blackbeam_sparams::{Extrapolate, Format, LIGHT_UM_HZ, Limits};
use std::collections::BTreeMap;
use std::sync::Arc;

/// As far as this from passive or reciprocal is rounding.
const CHECK_TOLERANCE: f64 = 1e-6;

/// Imported S-parameters.
pub(crate) struct Model {
    /// For instances of it.
    pub(crate) imported: Imported,
    /// Where it is imported.
    span: Span,
}

/// What a file imports, and the netlists around it.
pub(crate) struct Imports {
    /// S-parameters.
    pub(crate) models: Vec<Model>,
    /// Names of what could not be imported, which has been said.
    pub(crate) failed: Vec<String>,
    /// Netlists by the name of the component.
    netlists: BTreeMap<String, (Source, Node)>,
    files: Files,
    folder: Folder,
}

impl Netlists for Imports {
    fn load(&self, component: &str) -> Option<Result<(Source, Node), Diagnostics>> {
        if let Some(netlist) = self.netlists.get(component) {
            return Some(Ok(netlist.clone()));
        }
        let loaded = self.folder.load(component);
        if let Some(Ok((source, _))) = &loaded {
            self.files.note(source.name().into());
        }
        loaded
    }

    fn names(&self) -> Vec<String> {
        self.netlists.keys().cloned().chain(self.folder.names()).collect()
    }
}

/// The files of meshes with `arrangement: file`, each with its place.
fn mesh_files(node: &Node, named: &mut Vec<(String, Span)>) {
    match &node.value {
        Value::Map(entries) => {
            if node.get("arrangement").and_then(Node::as_str) == Some("file")
                && let Some(file) = node.get("file")
                && let Some(name) = file.as_str()
            {
                named.push((name.into(), file.span));
            }
            entries.iter().for_each(|(_, inner)| mesh_files(inner, named));
        }
        Value::Seq(items) => items.iter().for_each(|inner| mesh_files(inner, named)),
        _ => {}
    }
}

/// A netlist file.
fn netlist(files: &Files, file: &str) -> Result<(Source, Node), String> {
    let source = Source::new(files.path(file).display().to_string(), files.text(file)?);
    let node = source.parse().map_err(|found| format!("cannot be read:\n{}", found.render(false)))?;
    Ok((source, node))
}

impl Imports {
    /// Nothing imported.
    pub(crate) fn new(files: &Files) -> Self {
        let folder = Folder::new(files.folder());
        Imports { models: Vec::new(), failed: Vec::new(), netlists: BTreeMap::new(), files: files.clone(), folder }
    }

    /// Reads the netlists of meshes with `arrangement: file` into circuits beside those of the file.
    pub(crate) fn add_mesh_files(&mut self, circuit: &mut Node, found: &mut Diagnostics) {
        let mut named = Vec::new();
        mesh_files(circuit, &mut named);
        let mut circuits: Vec<(Key, Node)> = Vec::new();
        for (file, span) in named {
            let name = file_component(&file);
            if circuits.iter().any(|(key, _)| key.name == name) {
                continue;
            }
            match netlist(&self.files, &file) {
                Ok((source, root)) if root.get("instances").is_some() => {
                    found.add_source(&source);
                    circuits.push((Key { name, span }, root));
                }
                Ok(_) => {
                    found.push(file_error(&file, "is no netlist: it has no `instances`", span));
                    self.failed.push(name);
                }
                Err(what) => {
                    found.push(file_error(&file, &what, span));
                    self.failed.push(name);
                }
            }
        }
        let Value::Map(entries) = &mut circuit.value else { return };
        if circuits.is_empty() {
            return;
        }
        match entries.iter_mut().find(|(key, _)| key.name == "circuits") {
            Some((_, Node { value: Value::Map(own), .. })) => own.extend(circuits),
            Some(_) => {}
            None => {
                let span = circuits[0].0.span;
                entries.push((Key { name: "circuits".into(), span }, Node { span, value: Value::Map(circuits) }));
            }
        }
    }

    /// Reads one entry of `imports`.
    pub(crate) fn add(&mut self, entry: &ImportEntry, node: &Node, environment: &Environment, found: &mut Diagnostics) {
        let at = node.span_at(&["as"]);
        if let Some(first) = self.models.iter().find(|model| model.imported.name == entry.name) {
            let error = Diagnostic::error("name-twice", format!("`{}` is imported twice", entry.name)).at(at);
            return found.push(error.note(first.span, "first imported here"));
        }
        if super::GENERATORS.contains(&entry.name.as_str()) {
            let message = format!("`{}` is a component of the language; import it under another name", entry.name);
            return found.push(Diagnostic::error("name-twice", message).at(at));
        }
        let is_netlist = entry.format == Some(ImportFormat::Netlist)
            || (entry.format.is_none() && [".yml", ".yaml", ".json"].iter().any(|end| entry.file.ends_with(end)));
        if is_netlist {
            return self.add_netlist(entry, node, found);
        }
        match self.model(entry, node, environment, found) {
            Some(imported) => self.models.push(Model { imported, span: at }),
            None => self.failed.push(entry.name.clone()),
        }
    }

    fn add_netlist(&mut self, entry: &ImportEntry, node: &Node, found: &mut Diagnostics) {
        let given = [
            ("ports", entry.ports.is_some()),
            ("extrapolate", entry.extrapolate.is_some()),
            ("check", entry.check.is_some()),
            ("phase_sign", entry.phase_sign.is_some()),
            ("parameters", entry.parameters.is_some()),
        ];
        for (name, _) in given.into_iter().filter(|(_, given)| *given) {
            let message = format!("`{name}` belongs to S-parameters, not to a netlist");
            let span = node.entry(name).map_or(node.span, |(key, _)| key.span);
            found.push(Diagnostic::error("unused-setting", message).at(span));
        }
        match netlist(&self.files, &entry.file) {
            Ok((source, root)) => {
                found.add_source(&source);
                self.netlists.insert(entry.name.clone(), (source, root));
            }
            Err(what) => {
                found.push(file_error(&entry.file, &what, node.span_at(&["file"])));
                self.failed.push(entry.name.clone());
            }
        }
    }

    fn model(
        &self,
        entry: &ImportEntry,
        node: &Node,
        environment: &Environment,
        found: &mut Diagnostics,
    ) -> Option<Imported> {
        let path = self.files.path(&entry.file);
        let format = match entry.format {
            Some(ImportFormat::Lumerical) => Some(Format::Lumerical),
            Some(ImportFormat::Touchstone) => Some(Format::Touchstone),
            Some(ImportFormat::Siepic) => Some(Format::Siepic),
            Some(ImportFormat::Npz) => Some(Format::Npz),
            Some(ImportFormat::Csv) => Some(Format::Csv),
            Some(ImportFormat::Netlist) | None => Format::of_path(&path),
        };
        let mut parameters = Vec::new();
        for (name, value) in entry.parameters.iter().flatten() {
            match value.as_f64() {
                Some(value) => parameters.push((name.clone(), value)),
                None => {
                    let span = node.span_at(&["parameters", name]);
                    found.push(Diagnostic::error("wrong-type", format!("`{name}` is not a number")).at(span));
                    return None;
                }
            }
        }
        let place = node.span_at(&["file"]);
        let fault = |error: blackbeam_sparams::Error, span: Span| {
            let line = error.line.map_or(String::new(), |line| format!(", line {line}"));
            let file = if error.file.is_empty() { path.display().to_string() } else { error.file };
            let message = format!("cannot import `{}`: {file}{line}: {}", entry.name, error.what);
            let expected = (!error.expected.is_empty()).then(|| format!("expected {}", error.expected));
            let help = (!error.help.is_empty()).then_some(error.help);
            Diagnostic::error("import", message).at(span).help_some(expected).help_some(help)
        };
        let read = blackbeam_sparams::read(&path, format, &parameters, &Limits::default());
        let mut model = match read {
            Ok(model) => model,
            Err(error) => {
                found.push(fault(error, place));
                return None;
            }
        };
        let sign = match entry.phase_sign {
            None => format.map_or(1, Format::phase_sign),
            Some(sign @ (1 | -1)) => sign,
            Some(sign) => {
                let error = Diagnostic::error("out-of-range", format!("`phase_sign` is 1 or -1, not {sign}"));
                found.push(error.at(node.span_at(&["phase_sign"])));
                return None;
            }
        };
        if sign < 0 {
            model = model.conjugated();
        }
        if let Some(ports) = &entry.ports {
            model = match model.with_ports(ports) {
                Ok(model) => model,
                Err(error) => {
                    found.push(fault(error, node.span_at(&["ports"])));
                    return None;
                }
            };
        }
        if !model.missing().is_empty() {
            let name = |k: usize| model.ports().get(k).map_or("?", String::as_str);
            let pairs: Vec<String> =
                model.missing().iter().take(8).map(|(to, from)| format!("{} -> {}", name(*from), name(*to))).collect();
            let message = format!("`{}` says nothing of {}: nothing goes that way", entry.file, pairs.join(", "));
            found.push(Diagnostic::warning("missing-data", message).at(place));
        }
        let extrapolate = match entry.extrapolate {
            None | Some(ExtrapolateEntry::Error) => Extrapolate::Error,
            Some(ExtrapolateEntry::Nearest) => Extrapolate::Nearest,
            Some(ExtrapolateEntry::Zero) => Extrapolate::Zero,
        };
        if extrapolate == Extrapolate::Error {
            self.covers(&model, entry, place, environment, found);
        }
        for (k, check) in entry.check.iter().flatten().enumerate() {
            check_model(&model, *check, entry, node.span_at(&["check", &k.to_string()]), found);
        }
        Some(Imported { name: entry.name.clone(), data: Arc::new(model), extrapolate })
    }

    /// The wavelengths of the file hold those of the environment.
    fn covers(
        &self,
        model: &blackbeam_sparams::Model,
        entry: &ImportEntry,
        span: Span,
        environment: &Environment,
        found: &mut Diagnostics,
    ) {
        let mut s = vec![Default::default(); model.ports().len() * model.ports().len()];
        let wl = &environment.wavelengths_um;
        let ends = [wl.iter().copied().reduce(f64::min), wl.iter().copied().reduce(f64::max)];
        for wl in ends.into_iter().flatten() {
            if model.evaluate(LIGHT_UM_HZ / wl, Extrapolate::Error, &mut s).is_err() {
                let (long, short) = (model.wl_um().first().unwrap_or(&0.0), model.wl_um().last().unwrap_or(&0.0));
                let message =
                    format!("`{}` has data from {short:.6} to {long:.6} um; {wl:.6} um is needed", entry.name);
                let error = Diagnostic::error("extrapolate", message).at(span);
                let help = "change `environment`, or say `extrapolate: nearest` (or `zero`)";
                return found.push(error.help(help));
            }
        }
    }
}

fn check_model(
    model: &blackbeam_sparams::Model,
    check: ImportCheck,
    entry: &ImportEntry,
    span: Span,
    found: &mut Diagnostics,
) {
    let message = match check {
        ImportCheck::Passive => {
            let worst = model.passivity();
            if worst.excess() <= CHECK_TOLERANCE {
                return;
            }
            let (sigma, wl) = (worst.sigma, worst.wl_um);
            format!("`{}` is not passive: at {wl:.6} um amplitudes grow by a factor of {sigma:.6}", entry.name)
        }
        ImportCheck::Reciprocal => {
            let worst = model.reciprocity();
            if worst.difference <= CHECK_TOLERANCE {
                return;
            }
            let name = |k: usize| model.ports().get(k).map_or("?", String::as_str);
            let (to, from) = (name(worst.pair.0), name(worst.pair.1));
            let (difference, wl) = (worst.difference, worst.wl_um);
            format!(
                "`{}` is not reciprocal: S({from} -> {to}) and S({to} -> {from}) differ by {difference:.2e} at {wl:.6} um",
                entry.name
            )
        }
    };
    found.push(Diagnostic::warning("import-check", message).at(span));
}

/// An error for a file.
pub(crate) fn file_error(file: &str, what: &str, span: Span) -> Diagnostic {
    let error = Diagnostic::error("file", format!("the file `{file}` {what}")).at(span);
    error.help("paths are relative to the folder of the device file")
}

/// Imported data have no settings.
pub(super) fn no_settings(settings: &Node, model: &Model, found: &mut Diagnostics) {
    if let Value::Map(entries) = &settings.value {
        for (key, _) in entries {
            let message = format!("`{}` is imported: it has no setting `{}`", model.imported.name, key.name);
            found.push(Diagnostic::error("unknown-setting", message).at(key.span).note(model.span, "imported here"));
        }
    }
}
