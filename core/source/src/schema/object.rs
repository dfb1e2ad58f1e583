//! Keys of mappings.

use super::{Checker, Json, quoted};
use crate::{Diagnostic, Diagnostics, Key, Node, did_you_mean};

impl<'a> Checker<'a> {
    pub(super) fn check_object(
        &self,
        node: &Node,
        entries: &[(Key, Node)],
        parts: &[&'a Json],
        found: &mut Diagnostics,
    ) {
        let properties = properties(parts);
        let known: Vec<String> = properties.iter().map(|(name, _)| (*name).to_string()).collect();
        // a union chooses among variants that have keys of their own: they know which keys are known
        let in_union = parts.iter().any(|p| p.get("anyOf").or_else(|| p.get("oneOf")).is_some());
        let closed = parts.iter().any(|p| p.get("additionalProperties") == Some(&Json::Bool(false))) && !in_union;
        let others: Vec<&Json> =
            parts.iter().filter_map(|p| p.get("additionalProperties")).filter(|s| s.is_object()).collect();
        for (key, value) in entries {
            let mut is_known = false;
            for (_, schema) in properties.iter().filter(|(name, _)| *name == key.name) {
                is_known = true;
                self.check(value, schema, 0, found);
            }
            if is_known {
                continue;
            }
            for schema in &others {
                self.check(value, schema, 0, found);
            }
            if closed && others.is_empty() {
                let known = if found.is_full() { &[][..] } else { &known };
                found.push(unknown_key(key, known));
            }
        }
        check_required(node, entries, parts, found);
    }
}

/// All properties of the parts of an object, in their order.
pub(super) fn properties<'a>(parts: &[&'a Json]) -> Vec<(&'a str, &'a Json)> {
    let maps = parts.iter().filter_map(|p| p.get("properties").and_then(Json::as_object));
    maps.flatten().map(|(name, schema)| (name.as_str(), schema)).collect()
}

/// The names under `required`.
pub(super) fn required(part: &Json) -> impl Iterator<Item = &str> {
    part.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str)
}

fn check_required(node: &Node, entries: &[(Key, Node)], parts: &[&Json], found: &mut Diagnostics) {
    let mut seen = Vec::new();
    for name in parts.iter().flat_map(|p| required(p)) {
        if seen.contains(&name) || entries.iter().any(|(key, _)| key.name == name) {
            continue;
        }
        seen.push(name);
        found.push(missing_key(node, name));
    }
}

/// An error for a key that is not there.
pub(super) fn missing_key(node: &Node, name: &str) -> Diagnostic {
    Diagnostic::error("missing-key", format!("missing key `{name}`"))
        .at(node.span)
        .label(format!("`{name}` belongs here"))
}

/// An error for a key that is not known.
pub(super) fn unknown_key(key: &Key, known: &[String]) -> Diagnostic {
    let error = Diagnostic::error("unknown-key", format!("unknown key `{}`", super::shortened(&key.name))).at(key.span);
    let error = error.help_some(did_you_mean(&key.name, known));
    if known.is_empty() {
        error.help("no keys are known here")
    } else {
        error.help(format!("known keys: {}", quoted(known, "and")))
    }
}
