//! `anyOf` and `oneOf`: which variant was meant.

use super::object::{missing_key, properties, required, unknown_key};
use super::{Checker, Json, MAX_STEPS, constants, equal, type_fits, type_names, wrong_type, wrong_value};
use crate::{Diagnostics, Node, Value};

/// One variant: a schema with all that `$ref` and `allOf` add to it.
struct Variant<'a> {
    schema: &'a Json,
    parts: Vec<&'a Json>,
}

impl<'a> Checker<'a> {
    /// `around` are the parts of the schema in which the union stands; their properties belong to every variant.
    pub(super) fn check_union(
        &self,
        node: &Node,
        variants: &'a [Json],
        around: &[&'a Json],
        steps: usize,
        found: &mut Diagnostics,
    ) {
        let mut all = Vec::new();
        for variant in variants {
            self.flatten(variant, steps, &mut all);
        }
        let fitting: Vec<&Variant<'a>> = all.iter().filter(|v| v.parts.iter().all(|p| type_fits(node, p))).collect();
        if fitting.is_empty() {
            let mut expected: Vec<String> = Vec::new();
            for name in all.iter().flat_map(|v| &v.parts).flat_map(|p| type_names(p)) {
                if !expected.contains(&name) {
                    expected.push(name);
                }
            }
            // constants without `type` say what they are
            let allowed: Vec<&Json> =
                all.iter().filter_map(|v| v.parts.iter().find_map(|p| constants(p))).flatten().collect();
            found.push(if expected.is_empty() && !allowed.is_empty() {
                wrong_value(node, &allowed)
            } else {
                wrong_type(node, &expected)
            });
            return;
        }
        match &node.value {
            Value::Map(_) => self.check_map_variants(node, &fitting, around, steps, found),
            _ => self.check_scalar_variants(node, &fitting, steps, found),
        }
    }

    /// Unions within unions become one.
    fn flatten(&self, schema: &'a Json, steps: usize, all: &mut Vec<Variant<'a>>) {
        let mut parts = Vec::new();
        self.gather(schema, steps, &mut parts);
        let inner = parts.iter().find_map(|p| p.get("anyOf").or_else(|| p.get("oneOf")).and_then(Json::as_array));
        match inner {
            // a union that stands alone, not beside properties of its own
            Some(inner) if steps < MAX_STEPS && parts.iter().all(|p| p.get("properties").is_none()) => {
                for variant in inner {
                    self.flatten(variant, steps + 1, all);
                }
            }
            _ => all.push(Variant { schema, parts }),
        }
    }

    fn check_scalar_variants(&self, node: &Node, fitting: &[&Variant<'a>], steps: usize, found: &mut Diagnostics) {
        let mut allowed = Vec::new();
        for variant in fitting {
            match variant.parts.iter().find_map(|p| constants(p)) {
                Some(constants) => allowed.extend(constants),
                None => return self.check_nearest(node, fitting, steps, found),
            }
        }
        if !allowed.iter().any(|value| equal(node, value)) {
            found.push(wrong_value(node, &allowed));
        }
    }

    fn check_map_variants(
        &self,
        node: &Node,
        fitting: &[&Variant<'a>],
        around: &[&'a Json],
        steps: usize,
        found: &mut Diagnostics,
    ) {
        if let [only] = fitting {
            return self.check(node, only.schema, steps, found);
        }
        if let Some(tag) = shared_tag(fitting) {
            return self.check_tagged(node, tag, fitting, steps, found);
        }
        if fitting.iter().all(|v| single_key(v).is_some()) {
            return self.check_keyed(node, fitting, around, steps, found);
        }
        self.check_nearest(node, fitting, steps, found);
    }

    /// Variants told apart by the value of a property.
    fn check_tagged(&self, node: &Node, tag: &str, fitting: &[&Variant<'a>], steps: usize, found: &mut Diagnostics) {
        let allowed: Vec<&Json> = fitting.iter().filter_map(|v| tag_values(v, tag)).flatten().collect();
        let Some(written) = node.get(tag) else {
            let known: Vec<String> = allowed.iter().map(|v| v.as_str().map_or(v.to_string(), String::from)).collect();
            found.push(missing_key(node, tag).help(format!("expected one of {}", super::quoted(&known, "or"))));
            return;
        };
        let is_meant =
            |v: &&&Variant<'a>| tag_values(v, tag).is_some_and(|vs| vs.iter().any(|value| equal(written, value)));
        let meant: Vec<&Variant<'a>> = fitting.iter().filter(is_meant).copied().collect();
        match meant.as_slice() {
            [] => found.push(wrong_value(written, &allowed)),
            [only] => self.check(node, only.schema, steps, found),
            several => self.check_nearest(node, several, steps, found),
        }
    }

    /// Variants told apart by their one key: `{adam: {..}}`.
    fn check_keyed(
        &self,
        node: &Node,
        fitting: &[&Variant<'a>],
        around: &[&'a Json],
        steps: usize,
        found: &mut Diagnostics,
    ) {
        let known: Vec<String> = fitting.iter().filter_map(|v| single_key(v)).map(String::from).collect();
        let meant = fitting.iter().find(|v| single_key(v).is_some_and(|key| node.get(key).is_some()));
        let beside = properties(around);
        match (meant, node.as_map()) {
            (Some(variant), _) => self.check(node, variant.schema, steps, found),
            (None, Some(entries)) => {
                let mut unknown = entries.iter().filter(|(key, _)| !beside.iter().any(|(name, _)| *name == key.name));
                match unknown.next() {
                    Some((key, _)) => found.push(unknown_key(key, &known)),
                    None => found.push(missing_key(node, &known.join("` or `"))),
                }
            }
            (None, None) => {}
        }
    }

    /// No discriminator: fits if a variant does, else the errors of the variant that has the fewest.
    fn check_nearest(&self, node: &Node, fitting: &[&Variant<'a>], steps: usize, found: &mut Diagnostics) {
        let mut nearest: Option<Diagnostics> = None;
        for variant in fitting {
            let mut trial = Diagnostics::default();
            self.check(node, variant.schema, steps + 1, &mut trial);
            if trial.is_empty() {
                return;
            }
            if nearest.as_ref().is_none_or(|n| trial.list.len() < n.list.len()) {
                nearest = Some(trial);
            }
        }
        if let Some(nearest) = nearest {
            found.extend(nearest);
        }
    }
}

/// The constants of property `tag` in a variant.
fn tag_values<'a>(variant: &Variant<'a>, tag: &str) -> Option<Vec<&'a Json>> {
    let (_, schema) = properties(&variant.parts).into_iter().find(|(name, _)| *name == tag)?;
    constants(schema)
}

/// A required property that is constant in every variant.
fn shared_tag<'a>(fitting: &[&Variant<'a>]) -> Option<&'a str> {
    let first = fitting.first()?;
    let tags = properties(&first.parts).into_iter().map(|(name, _)| name);
    tags.into_iter().find(|tag| {
        let is_required = |v: &&Variant<'a>| v.parts.iter().any(|p| required(p).any(|name| name == *tag));
        fitting.iter().all(|v| tag_values(v, tag).is_some() && is_required(v))
    })
}

/// The key of a variant that is a mapping with exactly one key.
fn single_key<'a>(variant: &Variant<'a>) -> Option<&'a str> {
    let mut names: Vec<&str> = variant.parts.iter().flat_map(|p| required(p)).collect();
    names.dedup();
    let properties = properties(&variant.parts);
    match (names.as_slice(), properties.as_slice()) {
        ([name], [(property, _)]) if name == property => Some(name),
        _ => None,
    }
}
