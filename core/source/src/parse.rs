//! Text to tree. The only file that knows the YAML crate.

use crate::{Diagnostic, Diagnostics, Key, Node, Source, Span, Value, scalar};
use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle, ScanError};
use std::collections::HashMap;

/// Largest text that is read, bytes.
pub const MAX_BYTES: usize = 16 << 20;
/// Deepest nesting of lists and mappings.
pub const MAX_DEPTH: usize = 100;
/// Most values and keys in a file.
pub const MAX_NODES: usize = 2_000_000;
/// Most values and keys that anchors and aliases may copy: a small file cannot grow into a large one.
pub const MAX_ALIAS_NODES: usize = 100_000;

/// Nothing that stands outside a document's tree, or an error that ends the reading.
type Step<T> = Result<T, Box<Diagnostic>>;

pub(crate) fn parse(source: &Source) -> Result<Node, Diagnostics> {
    let mut builder = Builder::new(source);
    let root = builder.run();
    let mut found = builder.found;
    if let Err(fatal) = &root {
        found.push((**fatal).clone());
    }
    match root {
        Ok(root) if !found.has_errors() => Ok(root),
        _ => Err(found),
    }
}

/// A finished value with what copying it would cost.
#[derive(Clone)]
struct Built {
    node: Node,
    nodes: usize,
    depth: usize,
}

/// A list or a mapping that is still open.
struct Frame {
    span: Span,
    anchor: usize,
    nodes: usize,
    depth: usize,
    kind: FrameKind,
}

enum FrameKind {
    Seq(Vec<Node>),
    /// Entries, the place of each name, the key that waits for its value, the value of `<<`.
    Map {
        entries: Vec<(Key, Node)>,
        names: HashMap<String, usize>,
        key: Option<Key>,
        merge: Vec<Node>,
    },
}

struct Builder<'a> {
    source: &'a Source,
    found: Diagnostics,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Built>,
    nodes: usize,
    copied: usize,
}

impl<'a> Builder<'a> {
    fn new(source: &'a Source) -> Self {
        let found = Diagnostics::new(source);
        Builder { source, found, stack: Vec::new(), anchors: HashMap::new(), nodes: 0, copied: 0 }
    }

    fn run(&mut self) -> Step<Node> {
        let text = self.source.text();
        if text.len() > MAX_BYTES {
            let message = format!("the text has {} bytes; at most {MAX_BYTES} are read", text.len());
            return Err(Box::new(Diagnostic::error("too-large", message).at(self.source.span(0, 0))));
        }
        let options = granit_parser::options! {
            emit_comments: false,
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
        };
        let mut root = None;
        for event in Parser::new_from_str_with_options(text, options) {
            let (event, span) = event.map_err(|e| Box::new(self.syntax_error(&e)))?;
            let range = span.byte_range().unwrap_or(0..0);
            let span = self.source.span(range.start, range.end);
            if matches!(event, Event::DocumentStart(..)) && root.is_some() {
                let message = "the file holds more than one document";
                return Err(Box::new(Diagnostic::error("documents", message).at(span).help("keep one, without `---`")));
            }
            if let Some(done) = self.take(event, span)? {
                root = Some(done.node);
            }
        }
        Ok(root.unwrap_or(Node { span: self.source.span(0, 0), value: Value::Null }))
    }

    /// Takes one event; gives the root when it is complete.
    fn take(&mut self, event: Event<'_>, span: Span) -> Step<Option<Built>> {
        if let Some(tag) = event.tag().filter(|tag| !tag.is_yaml_core_schema_tag("str") && tag.original() != "!") {
            let message = format!("the tag `{}` has no meaning here", tag.original());
            self.found.push(Diagnostic::error("tag", message).at(span).help("leave it out"));
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                // as a key, a scalar is its text
                let value = match self.open_key() {
                    None if plain => scalar::resolve(&text),
                    _ => Value::String(text.into_owned()),
                };
                let name = value_text(&value);
                let built = Built { node: Node { span, value }, nodes: 1, depth: 0 };
                let Some(key) = self.open_key() else { return self.finish(built, anchor) };
                *key = Some(Key { name, span });
                if anchor > 0 {
                    self.anchors.insert(anchor, built);
                }
                self.count(1, span).map(|()| None)
            }
            Event::SequenceStart(_, anchor, _) => self.open(span, anchor, FrameKind::Seq(Vec::new())),
            Event::MappingStart(_, anchor, _) => {
                let (entries, names, merge) = (Vec::new(), HashMap::new(), Vec::new());
                self.open(span, anchor, FrameKind::Map { entries, names, key: None, merge })
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(id) => self.alias(id, span),
            _ => Ok(None),
        }
    }

    /// Where the next key of the innermost open mapping goes, if a key comes next.
    fn open_key(&mut self) -> Option<&mut Option<Key>> {
        match self.stack.last_mut().map(|f| &mut f.kind) {
            Some(FrameKind::Map { key, .. }) if key.is_none() => Some(key),
            _ => None,
        }
    }

    fn open(&mut self, span: Span, anchor: usize, kind: FrameKind) -> Step<Option<Built>> {
        if self.open_key().is_some() {
            let message = "a key must be a single word or a quoted string";
            return Err(Box::new(Diagnostic::error("complex-key", message).at(span)));
        }
        self.count(1, span)?;
        if self.stack.len() >= MAX_DEPTH {
            return Err(Box::new(self.too_deep(span)));
        }
        self.stack.push(Frame { span, anchor, nodes: 1, depth: 1, kind });
        Ok(None)
    }

    fn close(&mut self, end: Span) -> Step<Option<Built>> {
        let Some(frame) = self.stack.pop() else { return Ok(None) };
        let value = match frame.kind {
            FrameKind::Seq(items) => Value::Seq(items),
            FrameKind::Map { mut entries, mut names, merge, .. } => {
                for from in merge {
                    self.merge(&mut entries, &mut names, from);
                }
                Value::Map(entries)
            }
        };
        // A block collection ends where the next token begins; what it holds ends earlier.
        let span = match &value {
            _ if end.end > end.start => frame.span.to(end),
            Value::Seq(items) => items.last().map_or(frame.span, |n| join(frame.span, n.span)),
            Value::Map(entries) => entries.last().map_or(frame.span, |(k, n)| join(join(frame.span, k.span), n.span)),
            _ => frame.span,
        };
        let built = Built { node: Node { span, value }, nodes: frame.nodes, depth: frame.depth };
        self.finish(built, frame.anchor)
    }

    /// Puts a finished value where it belongs.
    fn finish(&mut self, built: Built, anchor: usize) -> Step<Option<Built>> {
        if built.nodes == 1 {
            self.count(1, built.node.span)?;
        }
        if anchor > 0 {
            self.copy(built.nodes, built.node.span)?;
            self.anchors.insert(anchor, built.clone());
        }
        let Some(frame) = self.stack.last_mut() else { return Ok(Some(built)) };
        frame.nodes += built.nodes;
        frame.depth = frame.depth.max(built.depth + 1);
        match &mut frame.kind {
            FrameKind::Seq(items) => items.push(built.node),
            FrameKind::Map { entries, names, key, merge } => {
                let Some(key) = key.take() else { return Ok(None) };
                if key.name == "<<" {
                    merge.push(built.node);
                } else if let Some(first) = names.get(&key.name) {
                    let message = format!("the key `{}` stands twice in one mapping", key.name);
                    let first = entries[*first].0.span;
                    self.found.push(Diagnostic::error("duplicate-key", message).at(key.span).note(first, "first here"));
                } else {
                    names.insert(key.name.clone(), entries.len());
                    entries.push((key, built.node));
                }
            }
        }
        Ok(None)
    }

    fn alias(&mut self, id: usize, span: Span) -> Step<Option<Built>> {
        let Some(built) = self.anchors.get(&id).cloned() else {
            let message = "this alias stands inside the value it refers to";
            return Err(Box::new(Diagnostic::error("alias-cycle", message).at(span)));
        };
        if let Some(key) = self.open_key() {
            *key = Some(Key { name: value_text(&built.node.value), span });
            return Ok(None);
        }
        self.copy(built.nodes, span)?;
        if self.stack.len() + built.depth > MAX_DEPTH {
            return Err(Box::new(self.too_deep(span)));
        }
        self.finish(built, 0)
    }

    /// `<<: {..}` or `<<: [{..}, {..}]`: entries whose names are not there yet.
    fn merge(&mut self, entries: &mut Vec<(Key, Node)>, names: &mut HashMap<String, usize>, from: Node) {
        let maps = match from.value {
            Value::Seq(items) => items,
            _ => vec![from],
        };
        for node in maps {
            let Value::Map(more) = node.value else {
                let message = format!("`<<` takes a mapping or a list of mappings, not {}", node.kind());
                self.found.push(Diagnostic::error("merge", message).at(node.span));
                continue;
            };
            for (key, value) in more {
                if !names.contains_key(&key.name) {
                    names.insert(key.name.clone(), entries.len());
                    entries.push((key, value));
                }
            }
        }
    }

    fn count(&mut self, nodes: usize, span: Span) -> Step<()> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            let message = format!("the file holds more than {MAX_NODES} values");
            return Err(Box::new(Diagnostic::error("too-large", message).at(span)));
        }
        Ok(())
    }

    fn copy(&mut self, nodes: usize, span: Span) -> Step<()> {
        self.copied += nodes;
        if self.copied > MAX_ALIAS_NODES {
            let message = format!("anchors and aliases make more than {MAX_ALIAS_NODES} copies of values");
            let help = "write the values out, or use fewer aliases of aliases";
            return Err(Box::new(Diagnostic::error("alias-bomb", message).at(span).help(help)));
        }
        Ok(())
    }

    fn too_deep(&self, span: Span) -> Diagnostic {
        Diagnostic::error("too-deep", format!("lists and mappings are nested more than {MAX_DEPTH} deep")).at(span)
    }

    fn syntax_error(&self, error: &ScanError) -> Diagnostic {
        use granit_parser::ErrorKind;
        let at = error.marker().byte_offset().unwrap_or(0);
        let next = self.source.text().get(at..).and_then(|s| s.chars().next()).filter(|c| *c != '\n');
        let span = self.source.span(at, at + next.map_or(0, char::len_utf8));
        match error.kind() {
            ErrorKind::RecursionLimitExceeded => self.too_deep(span),
            kind => Diagnostic::error("syntax", format!("not YAML: {kind}")).at(span),
        }
    }
}

/// The span from `a` to the end of `b`, unless `b` is a copy that stands elsewhere.
fn join(a: Span, b: Span) -> Span {
    if b.start >= a.start { a.to(b) } else { a }
}

fn value_text(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Number(n) => n.text.clone(),
        Value::Bool(b) => b.to_string(),
        _ => "null".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn codes(text: &str) -> Vec<&'static str> {
        match Source::new("x", text).parse() {
            Ok(_) => Vec::new(),
            Err(found) => found.iter().map(|d| d.code).collect(),
        }
    }

    #[test]
    fn spans_cover_what_they_say() {
        let source = Source::new("x", "# c\na: {b: [1, two]}\nd:\n  - 'x'\n  - e: 5\n\n# end\nf: |\n  text\n");
        let root = source.parse().unwrap();
        let shown = |path: &[&str]| source.slice(root.at(path).unwrap().span).to_string();
        assert_eq!(shown(&["a"]), "{b: [1, two]}");
        assert_eq!(shown(&["a", "b"]), "[1, two]");
        assert_eq!(shown(&["a", "b", "1"]), "two");
        assert_eq!(shown(&["d", "0"]), "'x'");
        assert_eq!(shown(&["d"]), "- 'x'\n  - e: 5");
        assert_eq!(source.slice(root.entry("d").unwrap().0.span), "d");
        assert_eq!(root.get("f").unwrap().as_str(), Some("text\n"));
    }

    #[test]
    fn json_is_yaml() {
        let root = Source::new("x.json", "{\n\t\"a\": {\"b\":[1,2.5e-3,null,true,\"\\u00b5\"]}\n}\n").parse().unwrap();
        assert_eq!(root.to_json().to_string(), r#"{"a":{"b":[1,0.0025,null,true,"µ"]}}"#);
    }

    #[test]
    fn aliases_and_merge_keys() {
        let root = Source::new("x", "a: &a {p: 1, q: 2}\nb: {<<: *a, q: 3}\nc: *a\n").parse().unwrap();
        assert_eq!(root.to_json().to_string(), r#"{"a":{"p":1,"q":2},"b":{"q":3,"p":1},"c":{"p":1,"q":2}}"#);
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(codes("a: 1\na: 2\nb: 3\nb: 4"), ["duplicate-key", "duplicate-key"]);
        assert_eq!(codes("a: [1\nb: 2"), ["syntax"]);
        assert_eq!(codes("a: *b"), ["syntax"]);
        assert_eq!(codes("a: &a [*a]"), ["alias-cycle"]);
        assert_eq!(codes("a: !thing 3"), ["tag"]);
        assert_eq!(codes("[a]: 3"), ["complex-key"]);
        assert_eq!(codes("--- 1\n--- 2"), ["documents"]);
        assert_eq!(codes("a: {<<: 3}"), ["merge"]);
        assert_eq!(codes(""), [""; 0]);
    }

    #[test]
    fn hostile_texts_fail_fast() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..12 {
            let item = format!("*a{}", i - 1);
            bomb += &format!("a{i}: &a{i} [{}]\n", vec![item; 10].join(", "));
        }
        let deep_alias = (1..50).fold(String::from("a0: &a0 [[[[[[[[[[1]]]]]]]]]]\n"), |s, i| {
            s + &format!("a{i}: &a{i} [[[[[[[[[[*a{}]]]]]]]]]]\n", i - 1)
        });
        let cases = [
            ("[".repeat(100_000), "too-deep"),
            ("{a: ".repeat(100_000), "too-deep"),
            ("- ".repeat(100_000), "too-deep"),
            (bomb, "alias-bomb"),
            (deep_alias, "too-deep"),
            ("x".repeat(MAX_BYTES + 1), "too-large"),
        ];
        for (text, code) in cases {
            let start = Instant::now();
            assert_eq!(codes(&text), [code]);
            assert!(start.elapsed() < Duration::from_secs(2), "{code}: {:?}", start.elapsed());
        }
    }
}
