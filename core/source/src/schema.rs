//! Checks a tree against a JSON schema: the part of draft 07 that schemars writes. All errors are found, each at its
//! place, with the names that would have fitted.
//!
//! Two liberties are taken with the standard, because they give better messages. The parts of one object that stand
//! under `allOf` and `$ref` are merged before its keys are checked, so that `additionalProperties: false` in one part
//! knows the properties of the others. And a union is entered by its discriminator (a property whose value is constant in
//! each variant, or a mapping with one key) where there is one, so that an error is that of the variant which was meant.

mod object;
mod union;

use crate::{Diagnostic, Diagnostics, Node, Value, did_you_mean};
use serde_json::Value as Json;

/// Most `$ref`, `allOf` and union steps without going down in the tree: ends schemas that refer to themselves.
const MAX_STEPS: usize = 64;
/// Most elements of a list that get their own messages about one thing.
const MAX_PER_LIST: usize = 20;

/// Checks `node` against `schema`, a whole document with its `definitions`, and adds all errors to `found`.
///
/// A part of the schema that this reader does not know is not checked; such a schema can only be too permissive.
pub fn validate(node: &Node, schema: &Json, found: &mut Diagnostics) {
    Checker { root: schema }.check(node, schema, 0, found);
}

struct Checker<'a> {
    root: &'a Json,
}

impl<'a> Checker<'a> {
    fn check(&self, node: &Node, schema: &'a Json, steps: usize, found: &mut Diagnostics) {
        if *schema == Json::Bool(false) {
            found.push(Diagnostic::error("not-allowed", "nothing may stand here").at(node.span));
            return;
        }
        let mut parts = Vec::new();
        self.gather(schema, steps, &mut parts);
        if !self.check_type(node, &parts, found) || !check_constant(node, &parts, found) {
            return;
        }
        for part in &parts {
            if let Some(variants) = part.get("anyOf").or_else(|| part.get("oneOf")).and_then(Json::as_array) {
                self.check_union(node, variants, &parts, steps + 1, found);
            }
        }
        match &node.value {
            Value::Number(n) => check_bounds(node, n.value, &parts, found),
            Value::String(s) => check_length(node, s.chars().count(), ["minLength", "maxLength"], &parts, found),
            Value::Seq(items) => self.check_items(node, items, &parts, found),
            Value::Map(entries) => self.check_object(node, entries, &parts, found),
            _ => {}
        }
    }

    /// Collects a schema with all that `$ref` and `allOf` add to it.
    fn gather(&self, schema: &'a Json, steps: usize, parts: &mut Vec<&'a Json>) {
        if steps > MAX_STEPS || !schema.is_object() {
            return;
        }
        parts.push(schema);
        if let Some(target) = schema.get("$ref").and_then(Json::as_str).and_then(|r| self.resolve(r)) {
            self.gather(target, steps + 1, parts);
        }
        for part in schema.get("allOf").and_then(Json::as_array).into_iter().flatten() {
            self.gather(part, steps + 1, parts);
        }
    }

    /// `#/definitions/Name` and other pointers within the document.
    fn resolve(&self, reference: &str) -> Option<&'a Json> {
        self.root.pointer(reference.strip_prefix('#')?)
    }

    /// True if the value's type fits, else says what was expected.
    fn check_type(&self, node: &Node, parts: &[&'a Json], found: &mut Diagnostics) -> bool {
        if let Some(part) = parts.iter().find(|p| !type_fits(node, p)) {
            found.push(wrong_type(node, &type_names(part)));
            return false;
        }
        true
    }

    fn check_items(&self, node: &Node, items: &[Node], parts: &[&'a Json], found: &mut Diagnostics) {
        check_length(node, items.len(), ["minItems", "maxItems"], parts, found);
        for part in parts {
            let (each, fixed) = match part.get("items") {
                Some(Json::Array(fixed)) => (part.get("additionalItems"), fixed.as_slice()),
                each => (each, part.get("prefixItems").and_then(Json::as_array).map_or(&[][..], Vec::as_slice)),
            };
            let before = found.list.len();
            for (i, item) in items.iter().enumerate() {
                if let Some(schema) = fixed.get(i).or(each) {
                    self.check(item, schema, 0, found);
                }
                if found.list.len() > before + MAX_PER_LIST {
                    break;
                }
            }
        }
    }
}

/// `expected a number, found a string`.
fn wrong_type(node: &Node, expected: &[String]) -> Diagnostic {
    // that an optional key may be left empty helps nobody
    let named: Vec<String> = expected.iter().filter(|name| *name != "nothing").cloned().collect();
    let expected = listed(if named.is_empty() { expected } else { &named }, "or");
    let mut error = Diagnostic::error("wrong-type", format!("expected {expected}, found {}", node.kind()))
        .at(node.span)
        .label(format!("expected {expected}"));
    if expected == "a string" && matches!(node.value, Value::Number(_) | Value::Bool(_)) {
        error = error.help("put it in quotes to make it a string");
    }
    let as_number = |s: &str| s.trim().parse::<f64>().is_ok();
    if (expected.contains("number") || expected.contains("integer")) && node.as_str().is_some_and(as_number) {
        error = error.help("take the quotes away to make it a number");
    }
    error
}

/// The names of types under `type`, as written.
fn types(part: &Json) -> Vec<&str> {
    match part.get("type") {
        Some(Json::String(one)) => vec![one],
        Some(Json::Array(some)) => some.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

fn type_fits(node: &Node, part: &Json) -> bool {
    let types = types(part);
    types.is_empty() || types.iter().any(|name| is_a(node, name))
}

fn is_a(node: &Node, name: &str) -> bool {
    match (&node.value, name) {
        (Value::Null, "null") | (Value::Bool(_), "boolean") | (Value::Number(_), "number") => true,
        (Value::Number(n), "integer") => n.as_i128().is_some(),
        (Value::String(_), "string") | (Value::Seq(_), "array") | (Value::Map(_), "object") => true,
        _ => false,
    }
}

fn type_names(part: &Json) -> Vec<String> {
    let name = |t: &str| match t {
        "null" => "nothing".to_string(),
        "boolean" => "true or false".into(),
        "number" => "a number".into(),
        "integer" => "an integer".into(),
        "string" => "a string".into(),
        "array" => "a list".into(),
        "object" => "a mapping".into(),
        other => other.into(),
    };
    types(part).into_iter().map(name).collect()
}

/// The values that `const` or `enum` allow.
fn constants(part: &Json) -> Option<Vec<&Json>> {
    match (part.get("const"), part.get("enum")) {
        (Some(one), _) => Some(vec![one]),
        (None, Some(Json::Array(some))) => Some(some.iter().collect()),
        _ => None,
    }
}

fn check_constant(node: &Node, parts: &[&Json], found: &mut Diagnostics) -> bool {
    for allowed in parts.iter().filter_map(|p| constants(p)) {
        if !allowed.iter().any(|value| equal(node, value)) {
            found.push(wrong_value(node, &allowed));
            return false;
        }
    }
    true
}

fn equal(node: &Node, value: &Json) -> bool {
    match (&node.value, value) {
        (Value::Number(n), Json::Number(m)) => Some(n.value) == m.as_f64(),
        (Value::String(s), Json::String(t)) => s == t,
        _ => node.to_json() == *value,
    }
}

/// `unknown value`, with the known ones.
fn wrong_value(node: &Node, allowed: &[&Json]) -> Diagnostic {
    let known: Vec<String> = allowed.iter().map(|v| v.as_str().map_or(v.to_string(), String::from)).collect();
    let written = match &node.value {
        Value::String(s) => s.clone(),
        _ => node.to_json().to_string(),
    };
    Diagnostic::error("unknown-value", format!("unknown value `{}`", shortened(&written)))
        .at(node.span)
        .help_some(did_you_mean(&written, &known))
        .help(format!("expected {}", quoted(&known, "or")))
}

fn check_bounds(node: &Node, value: f64, parts: &[&Json], found: &mut Diagnostics) {
    type Fits = fn(f64, f64) -> bool;
    let rules: [(&str, &str, Fits); 4] = [
        ("minimum", "at least", |v, bound| v >= bound),
        ("maximum", "at most", |v, bound| v <= bound),
        ("exclusiveMinimum", "greater than", |v, bound| v > bound),
        ("exclusiveMaximum", "less than", |v, bound| v < bound),
    ];
    for part in parts {
        for (keyword, words, fits) in rules {
            if let Some(bound) = part.get(keyword).and_then(Json::as_f64).filter(|bound| !fits(value, *bound)) {
                let bound = shown_number(bound);
                let error = Diagnostic::error("out-of-range", format!("the number must be {words} {bound}"));
                found.push(error.at(node.span));
            }
        }
    }
}

fn check_length(node: &Node, length: usize, keywords: [&str; 2], parts: &[&Json], found: &mut Diagnostics) {
    let of = |keyword: &str| parts.iter().find_map(|p| p.get(keyword).and_then(Json::as_u64));
    let what = if node.as_str().is_some() { "characters" } else { "elements" };
    let mut fail = |words: &str, bound: u64| {
        let message = format!("expected {words} {bound} {what}, found {length}");
        found.push(Diagnostic::error("wrong-length", message).at(node.span));
    };
    match (of(keywords[0]), of(keywords[1])) {
        (Some(min), Some(max)) if min == max && length as u64 != min => fail("exactly", min),
        (Some(min), _) if (length as u64) < min => fail("at least", min),
        (_, Some(max)) if length as u64 > max => fail("at most", max),
        _ => {}
    }
}

fn shown_number(x: f64) -> String {
    if x != 0.0 && (x.abs() < 1e-4 || x.abs() >= 1e15) { format!("{x:e}") } else { format!("{x}") }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= 60 { text.into() } else { text.chars().take(57).chain("...".chars()).collect() }
}

/// `a, b or c`.
fn listed(items: &[String], word: &str) -> String {
    match items {
        [] => "something else".into(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} {word} {last}", rest.join(", ")),
    }
}

/// `` `a`, `b` or `c` ``.
pub(crate) fn quoted(items: &[String], word: &str) -> String {
    listed(&items.iter().map(|i| format!("`{i}`")).collect::<Vec<_>>(), word)
}

#[cfg(test)]
mod tests;
