//! Presets and settings of an experiment, laid over or under the sections of a file.

use crate::ReadOptions;
use blackbeam_source::{Diagnostic, Diagnostics, Key, Node, Source, Span, Value, did_you_mean};

const PRESETS: [(&str, &str, &str); 9] = [
    ("mesh", "ideal", include_str!("../presets/mesh.ideal.yml")),
    ("mesh", "typical", include_str!("../presets/mesh.typical.yml")),
    ("mesh", "pessimistic", include_str!("../presets/mesh.pessimistic.yml")),
    ("mrr_bank", "ideal", include_str!("../presets/mrr_bank.ideal.yml")),
    ("mrr_bank", "typical", include_str!("../presets/mrr_bank.typical.yml")),
    ("mrr_bank", "pessimistic", include_str!("../presets/mrr_bank.pessimistic.yml")),
    ("slm_matvec", "ideal", include_str!("../presets/slm_matvec.ideal.yml")),
    ("slm_matvec", "typical", include_str!("../presets/slm_matvec.typical.yml")),
    ("slm_matvec", "pessimistic", include_str!("../presets/slm_matvec.pessimistic.yml")),
];

/// The names of the presets; every family has all of them.
pub const PRESET_NAMES: [&str; 3] = ["ideal", "typical", "pessimistic"];

/// Mappings within an entry that are merged key by key; everything else is taken as a whole.
const MERGED: [&str; 4] = ["dac", "adc", "source", "response"];

/// Puts `options.settings` in the place of the settings of the file's instances.
pub(crate) fn apply_settings(root: &mut Node, options: &ReadOptions, found: &mut Diagnostics) {
    if options.settings.is_empty() {
        return;
    }
    // read as if it were a file, so that errors can point into it
    let text = serde_json::Value::Object(options.settings.clone()).to_string();
    let name = &options.settings_name;
    let source = Source::new(if name.is_empty() { "settings of the experiment" } else { name }, text);
    found.add_source(&source);
    let over = match source.parse() {
        Ok(over) => over,
        Err(errors) => return found.extend(errors),
    };
    let Value::Map(over) = over.value else { return };
    for (name, settings) in over {
        let known: Vec<String> =
            root.get("instances").and_then(Node::as_map).into_iter().flatten().map(|(k, _)| k.name.clone()).collect();
        let instance = value_mut(root, "instances").and_then(|instances| value_mut(instances, &name.name));
        let (Some(instance), Value::Map(entries)) = (instance, settings.value) else {
            let error = Diagnostic::error("unknown-instance", format!("the file has no instance `{}`", name.name));
            found.push(error.at(name.span).help_some(did_you_mean(&name.name, known)));
            continue;
        };
        let Some(own) = settings_of(instance) else { continue };
        for (key, node) in entries {
            set(own, key, node);
        }
    }
}

/// The settings of an instance; an instance that is a bare name becomes a mapping first.
fn settings_of(instance: &mut Node) -> Option<&mut Node> {
    let span = instance.span;
    let key = |name: &str| Key { name: name.into(), span };
    if matches!(instance.value, Value::String(_)) {
        let component = std::mem::replace(instance, Node { span, value: Value::Null });
        instance.value = Value::Map(vec![(key("component"), component)]);
    }
    let Value::Map(entries) = &mut instance.value else { return None };
    let at = entries.iter().position(|(key, _)| key.name == "settings").unwrap_or_else(|| {
        entries.push((key("settings"), Node { span, value: Value::Null }));
        entries.len() - 1
    });
    let settings = &mut entries[at].1;
    if settings.is_null() {
        settings.value = Value::Map(Vec::new());
    }
    Some(settings)
}

/// Lays the sections of `root` over those of their preset (`options.preset` before `preset` of the file), if the circuit is
/// one generator of a family that has it. Gives the preset's source.
pub(crate) fn apply_preset(
    root: &mut Node,
    circuit: &Node,
    options: &ReadOptions,
    found: &mut Diagnostics,
) -> Option<Source> {
    let written = root.get("preset").and_then(|n| n.as_str().map(|name| (name.to_string(), Some(n.span))));
    let (name, span) = options.preset.clone().map(|name| (name, None)).or(written)?;
    let component = |node: &Node| node.as_str().or_else(|| node.get("component")?.as_str()).map(String::from);
    let family = match circuit.get("instances").and_then(Node::as_map) {
        Some([(_, instance)]) => component(instance),
        _ => None,
    };
    let Some(family) = family.filter(|family| PRESETS.iter().any(|(f, ..)| f == family)) else {
        if name != "ideal" {
            let message = format!("there is no preset `{name}` for this circuit");
            let error = Diagnostic::error("preset", message);
            let error = span.into_iter().fold(error, Diagnostic::at);
            found.push(error.help("presets are for a device of one `mesh`, `mrr_bank` or `slm_matvec`"));
        }
        return None;
    };
    let Some((_, _, text)) = PRESETS.iter().find(|(f, n, _)| *f == family && *n == name) else {
        unknown_preset(&name, span, found);
        return None;
    };
    let source = Source::new(format!("preset {name} of {family}"), *text);
    found.add_source(&source);
    match source.parse() {
        Ok(preset) => {
            lay_over(root, preset);
            Some(source)
        }
        Err(errors) => {
            found.extend(errors);
            None
        }
    }
}

/// The schema says it of a name in the file; a name of the caller has no place.
fn unknown_preset(name: &str, span: Option<Span>, found: &mut Diagnostics) {
    if span.is_none() && !PRESET_NAMES.contains(&name) {
        let error = Diagnostic::error("unknown-value", format!("unknown preset `{name}`"));
        found.push(
            error.help_some(did_you_mean(name, PRESET_NAMES)).help("expected `ideal`, `typical` or `pessimistic`"),
        );
    }
}

/// `nonideal` of the file comes after that of the preset; `drift` of the file replaces it (drifts add up); the other
/// sections are merged key by key, the file's keys winning.
fn lay_over(root: &mut Node, preset: Node) {
    let Value::Map(sections) = preset.value else { return };
    for (key, mut section) in sections {
        let own = value_mut(root, &key.name).filter(|own| !own.is_null()).map(|own| own.clone());
        if let Some(own) = own {
            match (key.name.as_str(), &mut section.value, own.value) {
                ("nonideal", Value::Seq(rules), Value::Seq(more)) => rules.extend(more),
                ("actuators", Value::Map(_), Value::Map(more)) => {
                    for (name, entry) in more {
                        match (value_mut(&mut section, &name.name), entry.value) {
                            (Some(under), Value::Map(fields)) => merge(under, fields),
                            (_, value) => set(&mut section, name, Node { span: entry.span, value }),
                        }
                    }
                }
                ("encoding" | "readout" | "timing", Value::Map(_), Value::Map(more)) => merge(&mut section, more),
                (_, _, value) => section = Node { span: own.span, value },
            }
        }
        set(root, key, section);
    }
}

/// Lays `over` over the keys of `under`.
fn merge(under: &mut Node, over: Vec<(Key, Node)>) {
    for (key, node) in over {
        match (value_mut(under, &key.name), node.value) {
            (Some(inner), Value::Map(fields)) if MERGED.contains(&key.name.as_str()) && inner.as_map().is_some() => {
                merge(inner, fields);
            }
            (_, value) => set(under, key, Node { span: node.span, value }),
        }
    }
}

fn value_mut<'a>(node: &'a mut Node, name: &str) -> Option<&'a mut Node> {
    let Value::Map(entries) = &mut node.value else { return None };
    entries.iter_mut().find(|(key, _)| key.name == name).map(|(_, node)| node)
}

/// Sets a key of a mapping, in its place if it is there.
fn set(node: &mut Node, key: Key, value: Node) {
    let Value::Map(entries) = &mut node.value else { return };
    match entries.iter_mut().find(|(k, _)| k.name == key.name) {
        Some(entry) => *entry = (key, value),
        None => entries.push((key, value)),
    }
}
