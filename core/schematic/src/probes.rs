//! `probes`: ports inside at which both waves are watched.

use crate::book::Target;
use crate::flatten::Flattener;
use crate::ports::PortTable;
use crate::reference::{self, Names, dot_outside_brackets, shorten};
use crate::report::reference_error;
use crate::{FlatPort, Selector};
use blackbeam_source::{Diagnostic, Key, Node, Span};
use std::collections::HashMap;
use std::rc::Rc;

/// Most ports that are watched.
const MAX_PROBES: usize = 100_000;

impl Flattener<'_, '_, '_> {
    pub(crate) fn probes(&mut self, top: usize, node: &Node) {
        let Some(entries) = node.as_map() else {
            if !node.is_null() {
                let message = format!("`probes` is a mapping of names to ports, not {}", node.kind());
                self.report.error("wrong-type", message, node.span);
            }
            return;
        };
        if entries.is_empty() {
            return;
        }
        let owners = self.flat.owners.iter().enumerate().map(|(k, owner)| (owner.to_string(), k));
        let owners: HashMap<String, usize> = owners.collect();
        for (key, value) in entries {
            if let Err(error) = self.probe(top, key, value, &owners) {
                self.report.push(*error);
            }
        }
    }

    fn probe(
        &mut self,
        top: usize,
        key: &Key,
        value: &Node,
        owners: &HashMap<String, usize>,
    ) -> Result<(), Box<Diagnostic>> {
        let bad = |message: String| {
            let error = Diagnostic::error("bad-port", message).at(value.span);
            Err(Box::new(error.help("write `instance,port`, or `instance.inner<0.1>,port` for a port deeper inside")))
        };
        let Some(text) = value.as_str() else {
            return bad(format!("a probe is `instance,port`, not {}", value.kind()));
        };
        let Some((path, port)) = text.rsplit_once(',') else {
            return bad(format!("`{}` is not a port: it has no comma", shorten(text)));
        };
        let (path, port_name) = (path.trim(), port.trim());
        let at = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
        let path_span = value.span.part(text, at(path)..at(path) + path.len());
        let port_span = value.span.part(text, at(port_name)..at(port_name) + port_name.len());
        let table = self.table_at(top, path).zip(owners.get(path).copied());
        let Some((table, owner)) = table else { return Err(self.no_such_instance(path, path_span)) };
        let fault = |fault, text: &str, span| Box::new(reference_error(fault, text, span));
        let ports = match table.find(port_name) {
            Some(_) => Names::one(port_name),
            None => reference::names(port_name, &(0..port_name.len())).map_err(|f| fault(f, port_name, port_span))?,
        };
        let names = reference::names(&key.name, &(0..key.name.len())).map_err(|f| fault(f, &key.name, key.span))?;
        if names.len() != ports.len() {
            let message = format!("`{}` is {} name(s) for {} port(s)", shorten(&key.name), names.len(), ports.len());
            return Err(Box::new(Diagnostic::error("range-length", message).at(key.span).note(port_span, "the ports")));
        }
        if self.flat.probes.len() + names.len() > MAX_PROBES {
            return Err(Box::new(
                Diagnostic::error("too-large", format!("more than {MAX_PROBES} probes")).at(key.span),
            ));
        }
        for (name, port) in names.iter().zip(ports.iter()) {
            let Some(k) = table.find(&port) else {
                let message = format!("`{}` has no port `{}`", shorten(path), shorten(&port));
                let error = Diagnostic::error("unknown-port", message).at(port_span);
                let help = self.report.near(&port, table.names.iter());
                return Err(Box::new(error.help_some(help).help(format!("its ports are {}", table.list()))));
            };
            let place = match self.flat.owners[owner].leaf {
                Some(leaf) => Some((leaf, k)),
                None => self.circuit_ports.get(&owner).and_then(|ports| ports.get(k).copied().flatten()),
            };
            // without a place there is an error already
            self.flat.probes.extend(place.map(|port| FlatPort { name, port, span: key.span }));
        }
        Ok(())
    }

    /// The ports of what stands at a path, by way of the definitions.
    fn table_at(&self, top: usize, path: &str) -> Option<Rc<PortTable>> {
        let (mut k, mut rest) = (top, path);
        loop {
            let dot = dot_outside_brackets(rest);
            let part = &rest[..dot.unwrap_or(rest.len())];
            let name = part.split('<').next().unwrap_or(part);
            let definition = &self.definitions[k];
            let instance = &definition.instances[*definition.by_name.get(name)?];
            let Some(dot) = dot else { return instance.ports.clone() };
            let Target::Circuit { definition, .. } = instance.target else { return None };
            (k, rest) = (definition, &rest[dot + 1..]);
        }
    }

    fn no_such_instance(&mut self, path: &str, span: Span) -> Box<Diagnostic> {
        let error = Diagnostic::error("unknown-instance", format!("there is no instance `{}`", shorten(path))).at(span);
        let help = if self.report.may_compare(self.flat.owners.len()) {
            Selector::new(&self.flat).suggest(path)
        } else {
            Vec::new()
        };
        Box::new(help.into_iter().fold(error, Diagnostic::help))
    }
}
