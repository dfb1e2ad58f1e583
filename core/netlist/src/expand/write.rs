//! Text of a netlist.

use super::Expanded;
use serde_json::{Map, Value as Json, json};
use std::fmt::Write as _;

/// Words that some readers of YAML take for something other than text.
const YAML_WORDS: [&str; 11] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "inf", "nan"];

impl Expanded {
    /// As YAML (1.1 as well as 1.2), the notes as comments at the top.
    pub fn to_yaml(&self) -> String {
        let mut text = String::new();
        let line = |text: &mut String, line: std::fmt::Arguments| {
            // writing to a string cannot fail
            let _ = writeln!(text, "{line}");
        };
        for note in &self.notes {
            line(&mut text, format_args!("# {}", note.replace(['\n', '\r'], " ")));
        }
        line(&mut text, format_args!("instances:{}", empty(&self.instances)));
        for instance in &self.instances {
            let settings: Vec<String> =
                instance.settings.iter().map(|(name, value)| format!("{name}: {}", number(*value))).collect();
            let settings =
                if settings.is_empty() { String::new() } else { format!(", settings: {{{}}}", settings.join(", ")) };
            let (name, component) = (word(&instance.name), word(&instance.component));
            line(&mut text, format_args!("  {name}: {{component: {component}{settings}}}"));
        }
        line(&mut text, format_args!("connections:{}", empty(&self.connections)));
        for [a, b] in &self.connections {
            line(&mut text, format_args!("  {a}: {b}"));
        }
        line(&mut text, format_args!("ports:{}", empty(&self.ports)));
        for (name, end) in &self.ports {
            line(&mut text, format_args!("  {}: {end}", word(name)));
        }
        text
    }

    /// As JSON, without the notes, which JSON has no place for.
    pub fn to_json(&self) -> String {
        let mut instances = Map::new();
        for instance in &self.instances {
            let mut entry = Map::from_iter([(String::from("component"), json!(instance.component))]);
            if !instance.settings.is_empty() {
                let settings: Map<String, Json> =
                    instance.settings.iter().map(|(name, value)| (String::from(*name), json!(value))).collect();
                entry.insert("settings".into(), settings.into());
            }
            instances.insert(instance.name.clone(), entry.into());
        }
        let connections: Map<String, Json> = self.connections.iter().map(|[a, b]| (a.clone(), json!(b))).collect();
        let ports: Map<String, Json> = self.ports.iter().map(|(name, end)| (name.clone(), json!(end))).collect();
        let netlist = json!({"instances": instances, "connections": connections, "ports": ports});
        format!("{netlist:#}\n")
    }
}

fn empty<T>(list: &[T]) -> &'static str {
    if list.is_empty() { " {}" } else { "" }
}

/// An identifier, quoted where it would be read as something else.
fn word(name: &str) -> String {
    if YAML_WORDS.contains(&name.to_ascii_lowercase().as_str()) { format!("'{name}'") } else { name.into() }
}

/// A number that reads back as the same bits. YAML 1.1 wants a point, and a sign in the exponent.
fn number(value: f64) -> String {
    let text = format!("{value:?}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let point = if mantissa.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with('-') { "" } else { "+" };
    format!("{mantissa}{point}e{sign}{exponent}")
}
