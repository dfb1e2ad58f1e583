//! One instance as it is declared.

use crate::Index;
use crate::book::{Declaration, Elements, Target};
use crate::files::entries;
use crate::read::{MAX_INSTANCES, Reader};
use crate::settings::Scope;
use crate::value::Slots;
use blackbeam_source::{Diagnostic, Key, Node, Value};
use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

/// Longest name of an instance or a port, bytes.
const MAX_NAME: usize = 200;

impl<'a> Reader<'a, '_, '_> {
    /// Names that references could not tell apart, or that are too long.
    pub(crate) fn check_name(&mut self, key: &Key, what: &str) {
        let name = &key.name;
        let forbidden = |c: char| ",<>.*?".contains(c) || c.is_whitespace() || c.is_control();
        let error = if name.is_empty() {
            format!("the name of {what} is empty")
        } else if name.len() > MAX_NAME {
            format!("the name of {what} has {} bytes; at most {MAX_NAME} are read", name.len())
        } else if let Some(c) = name.chars().find(|c| forbidden(*c)) {
            format!(
                "the name of {what} has {} in it",
                if c.is_whitespace() { String::from("a space") } else { format!("`{c}`") }
            )
        } else {
            return;
        };
        let help = "names are letters, digits and `_`; `,` `.` `<` `>` `*` `?` have a meaning in paths";
        self.report.push(Diagnostic::error("bad-name", error).at(key.span).help(help));
    }

    /// Reads an instance; None after an error in its structure.
    pub(crate) fn instance(
        &mut self,
        key: &'a Key,
        node: &'a Node,
        file: usize,
        scope: &Rc<Scope<'a>>,
        slots: &mut Slots,
    ) -> Option<Declaration<'a>> {
        const KEYS: [&str; 5] = ["component", "settings", "array", "info", "virtual"];
        let component = match &node.value {
            Value::String(_) => node,
            Value::Map(entries) => {
                for (key, _) in entries {
                    self.unknown_key(key, &KEYS, "an instance");
                }
                let Some(component) = node.get("component") else {
                    let message =
                        format!("the instance `{}` does not say what it is: `component` is missing", key.name);
                    self.report.error("missing-key", message, key.span);
                    return None;
                };
                component
            }
            _ => {
                let message =
                    format!("an instance is `{{component: NAME, settings: {{..}}}}` or NAME, not {}", node.kind());
                self.report.error("wrong-type", message, if node.is_null() { key.span } else { node.span });
                return None;
            }
        };
        let Some(name) = component.as_str() else {
            let message = format!("`component` is a name, not {}", component.kind());
            self.report.error("wrong-type", message, component.span);
            return None;
        };
        let (settings, written) = self.instance_settings(node);
        let settings_span = node.get("settings").map(|node| node.span);
        let elements = self.elements(node)?;
        let mut declaration = Declaration {
            name: key.name.as_str().into(),
            span: key.span,
            component_span: component.span,
            component: name.into(),
            target: Target::Broken,
            elements,
            settings,
            written,
            settings_span: settings_span.unwrap_or(key.span),
            ports: None,
        };
        self.resolve(&mut declaration, file, scope, slots);
        Some(declaration)
    }

    /// The settings of an instance with what SAX takes from its `info`, and how many of them are written as settings.
    fn instance_settings(&mut self, node: &'a Node) -> (Cow<'a, [(Key, Node)]>, usize) {
        let settings = node.get("settings").map_or(&[][..], |node| self.mapping("settings", node));
        let info = node.get("info").map_or(&[][..], |node| self.mapping("info", node));
        let mut merged = Cow::Borrowed(settings);
        let places: HashMap<&str, usize> = match info {
            [] => HashMap::new(),
            _ => settings.iter().enumerate().map(|(k, (key, _))| (&*key.name, k)).collect(),
        };
        for (key, value) in info {
            match places.get(&*key.name).copied() {
                Some(k) if same(&settings[k].1, value) => {}
                Some(k) => {
                    let message =
                        format!("`{}` stands under `settings` and, with another value, under `info`", key.name);
                    let found = self.report.dropped("info-overrides", message, "that of `info` is used, as in SAX");
                    let found = found.at(value.span).note(settings[k].1.span, "the setting");
                    self.report.push(found.help("keep one of them"));
                    merged.to_mut()[k].1 = value.clone();
                }
                // SAX takes what only `info` says for a setting too; a native file says settings under `settings`
                None if !self.report.strict => merged.to_mut().push((key.clone(), value.clone())),
                None => {}
            }
        }
        (merged, settings.len())
    }

    /// `array`.
    fn elements(&mut self, node: &Node) -> Option<Elements> {
        let Some(array) = node.get("array").filter(|array| !array.is_null()) else {
            return Some(Elements::One(Index::None));
        };
        if array.as_map().is_none() {
            let message = format!("`array` is `{{columns: .., rows: ..}}`, not {}", array.kind());
            self.report.error("wrong-type", message, array.span);
            return None;
        }
        const KEYS: [&str; 8] =
            ["columns", "rows", "column_pitch", "row_pitch", "num_a", "num_b", "pitch_a", "pitch_b"];
        for (key, _) in entries(Some(array)) {
            self.unknown_key(key, &KEYS, "`array`");
        }
        let mut size = |names: [&str; 2]| match names.iter().find_map(|name| array.get(name)) {
            None => Some(1),
            Some(node) => match node.as_u64().filter(|n| *n > 0) {
                Some(n) => Some(n),
                None => {
                    let error = Diagnostic::error("array-size", format!("`{}` is a number from 1 on", names[0]));
                    self.report.push(error.at(node.span));
                    None
                }
            },
        };
        let (columns, rows) = (size(["columns", "num_a"]), size(["rows", "num_b"]));
        let (columns, rows) = (columns?, rows?);
        if columns.saturating_mul(rows) > MAX_INSTANCES {
            let message = format!("an array of {columns} x {rows} instances; at most {MAX_INSTANCES} can be built");
            self.report.error("too-large", message, array.span);
            return None;
        }
        Some(Elements::Array { columns: columns as u32, rows: rows as u32 })
    }
}

/// The same value, however a number is written.
fn same(a: &Node, b: &Node) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a.to_json() == b.to_json(),
    }
}
