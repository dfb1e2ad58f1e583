//! The tree.

use crate::Span;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where.
    pub span: Span,
    /// What.
    pub value: Value,
}

/// A YAML value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`; `yes`, `on` and the like are strings.
    Bool(bool),
    /// A plain scalar that is a number by YAML 1.1 or 1.2.
    Number(Number),
    /// A quoted scalar, or a plain one that is nothing else.
    String(String),
    /// A sequence.
    Seq(Vec<Node>),
    /// A mapping in the order of the file; names are unique.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Its text; a number stands as it is written.
    pub name: String,
    /// Where.
    pub span: Span,
}

/// A number as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    /// The nearest double.
    pub value: f64,
    /// The exact value, if it is written as an integer of at most 128 bits.
    pub integer: Option<i128>,
    /// Its text in the file.
    pub text: String,
}

impl Number {
    /// The number as an unsigned integer if it is one; `3.0` and `1e3` count too, up to 2^53.
    pub fn as_u64(&self) -> Option<u64> {
        self.as_i128().and_then(|i| u64::try_from(i).ok())
    }

    /// The number as an integer if it is one; `3.0` and `1e3` count too, up to 2^53.
    pub fn as_i128(&self) -> Option<i128> {
        let exact = self.value.fract() == 0.0 && self.value.abs() <= 9_007_199_254_740_992.0;
        self.integer.or_else(|| exact.then_some(self.value as i128))
    }
}

impl Node {
    /// The entries of a mapping.
    pub fn as_map(&self) -> Option<&[(Key, Node)]> {
        if let Value::Map(entries) = &self.value { Some(entries) } else { None }
    }

    /// The elements of a sequence.
    pub fn as_seq(&self) -> Option<&[Node]> {
        if let Value::Seq(items) = &self.value { Some(items) } else { None }
    }

    /// A string.
    pub fn as_str(&self) -> Option<&str> {
        if let Value::String(s) = &self.value { Some(s) } else { None }
    }

    /// A number.
    pub fn as_f64(&self) -> Option<f64> {
        if let Value::Number(n) = &self.value { Some(n.value) } else { None }
    }

    /// An unsigned integer.
    pub fn as_u64(&self) -> Option<u64> {
        if let Value::Number(n) = &self.value { n.as_u64() } else { None }
    }

    /// A Boolean.
    pub fn as_bool(&self) -> Option<bool> {
        if let Value::Bool(b) = self.value { Some(b) } else { None }
    }

    /// True for a null.
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// The value of a key of a mapping.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entry(name).map(|(_, node)| node)
    }

    /// A key of a mapping with its value.
    pub fn entry(&self, name: &str) -> Option<(&Key, &Node)> {
        self.as_map()?.iter().find(|(key, _)| key.name == name).map(|(key, node)| (key, node))
    }

    /// Follows `path` through mappings (by name) and sequences (by index, from 0).
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, step| match &node.value {
            Value::Map(_) => node.get(step),
            Value::Seq(items) => items.get(step.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// The span of what stands at `path`, or of the nearest enclosing value that exists: a place to point at even when a
    /// key is missing.
    pub fn span_at(&self, path: &[&str]) -> Span {
        (0..=path.len()).rev().find_map(|n| self.at(&path[..n])).map_or(self.span, |node| node.span)
    }

    /// What kind of value this is, for messages: `a number`, `a list`, ...
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a Boolean",
            Value::Number(n) if n.integer.is_some() => "an integer",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Seq(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// The value without positions. Integers stay exact where JSON can hold them; a number that is not finite, which
    /// JSON cannot hold, becomes a string with its text, so that nothing reads it as a number.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(b) => Json::Bool(*b),
            Value::Number(n) => number_to_json(n),
            Value::String(s) => Json::String(s.clone()),
            Value::Seq(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            Value::Map(entries) => Json::Object(entries.iter().map(|(k, v)| (k.name.clone(), v.to_json())).collect()),
        }
    }
}

fn number_to_json(n: &Number) -> serde_json::Value {
    use serde_json::Number as Json;
    let integer = n.integer.and_then(|i| match (u64::try_from(i), i64::try_from(i)) {
        (Ok(u), _) => Some(Json::from(u)),
        (_, Ok(i)) => Some(Json::from(i)),
        _ => None,
    });
    match integer.or_else(|| Json::from_f64(n.value)) {
        Some(number) => serde_json::Value::Number(number),
        None => serde_json::Value::String(n.text.clone()),
    }
}

#[cfg(test)]
mod tests {
    use crate::Source;

    #[test]
    fn paths_lead_to_nodes_and_spans() {
        let source = Source::new("x", "a:\n  b: [1, {c: 2}]\n");
        let root = source.parse().unwrap();
        assert_eq!(root.at(&["a", "b", "1", "c"]).unwrap().as_u64(), Some(2));
        assert_eq!(source.slice(root.span_at(&["a", "b", "0"])), "1");
        assert_eq!(source.slice(root.span_at(&["a", "b", "7", "z"])), "[1, {c: 2}]");
        assert!(root.at(&["a", "x"]).is_none());
    }

    #[test]
    fn json_keeps_integers_exact() {
        let root =
            Source::new("x", "{a: 18446744073709551615, b: -3, c: 1e3, d: .inf, e: '5', f: 1.0e-3}").parse().unwrap();
        let json = root.to_json();
        assert_eq!(json["a"], serde_json::json!(u64::MAX));
        assert_eq!(json["b"], serde_json::json!(-3));
        assert_eq!(json["c"], serde_json::json!(1000.0));
        assert_eq!(json["d"], serde_json::json!(".inf"));
        assert_eq!(json["e"], serde_json::json!("5"));
        assert_eq!(json["f"], serde_json::json!(0.001));
    }
}
