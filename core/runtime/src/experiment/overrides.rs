//! `--set key.path=value`: replaces values in the tree before it is checked.

use blackbeam_source::{Diagnostic, Diagnostics, Key, Node, Source, Span, Value, did_you_mean};

/// Applies `path` = `value` (YAML) to the tree. Keys on the way that are not there yet are added; whether they mean anything
/// is for the schema to say, which then points at this override. Problems go to `found`.
pub(super) fn apply(root: &mut Node, path: &str, value: &str, found: &mut Diagnostics) {
    // The override is shown as it was typed; its value stands behind the `=`.
    let source = Source::new("--set", format!("{path}={value}"));
    found.add_source(&source);
    let new = match Source::new(format!("--set {path}"), value).parse() {
        Ok(node) => moved(node, &source, path.len() + 1),
        Err(errors) => return found.extend(errors),
    };
    let mut start = 0;
    let mut steps = Vec::new();
    for name in path.split('.') {
        let span = source.span(start, start + name.len());
        if name.is_empty() {
            let message = format!("`{path}` is not a path of keys");
            let help = "write it as `train.batch=64`: keys with dots between them, `=`, a value";
            found.push(Diagnostic::error("bad-override", message).at(span).help(help));
            return;
        }
        steps.push(Key { name: name.to_owned(), span });
        start += name.len() + 1;
    }
    if let Err(error) = put(root, &steps, new) {
        found.push(*error);
    }
}

/// Puts `new` where `steps` lead from `node`.
fn put(node: &mut Node, steps: &[Key], new: Node) -> Result<(), Box<Diagnostic>> {
    let Some((step, rest)) = steps.split_first() else {
        *node = new;
        return Ok(());
    };
    let kind = node.kind();
    if node.is_null() {
        *node = Node { span: step.span, value: Value::Map(Vec::new()) };
    }
    match &mut node.value {
        Value::Map(entries) => {
            let at = entries.iter().position(|(key, _)| key.name == step.name).unwrap_or_else(|| {
                entries.push((step.clone(), Node { span: step.span, value: Value::Null }));
                entries.len() - 1
            });
            if rest.is_empty() {
                entries[at].0.span = step.span;
            }
            put(&mut entries[at].1, rest, new)
        }
        Value::Seq(items) => {
            let n = items.len();
            match step.name.parse::<usize>().ok().and_then(|i| items.get_mut(i)) {
                Some(item) => put(item, rest, new),
                None => {
                    let message = format!("there is no element `{}` in this list", step.name);
                    let help = format!("it has {n} elements, counted from 0");
                    Err(Box::new(Diagnostic::error("bad-override", message).at(step.span).help(help)))
                }
            }
        }
        _ => {
            let message = format!("there is nothing below: `{}` would have to be in {kind}", step.name);
            Err(Box::new(Diagnostic::error("bad-override", message).at(step.span)))
        }
    }
}

/// The node with its places in `source`, `offset` bytes further on.
fn moved(node: Node, source: &Source, offset: usize) -> Node {
    let shift = |span: Span| source.span(span.start as usize + offset, span.end as usize + offset);
    let value = match node.value {
        Value::Seq(items) => Value::Seq(items.into_iter().map(|item| moved(item, source, offset)).collect()),
        Value::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| (Key { span: shift(key.span), ..key }, moved(value, source, offset)))
                .collect(),
        ),
        other => other,
    };
    Node { span: shift(node.span), value }
}

/// An error for a name that is not among `known`.
pub(super) fn unknown_name(what: &str, name: &str, known: &[String], span: Span) -> Diagnostic {
    let error = Diagnostic::error("unknown-name", format!("there is no {what} `{name}`")).at(span);
    let error = error.help_some(did_you_mean(name, known));
    if known.is_empty() { error } else { error.help(format!("known: {}", known.join(", "))) }
}
