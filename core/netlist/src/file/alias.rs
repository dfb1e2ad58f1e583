//! Other names of keys, as torchonn, neurophox, aihwkit, slmsuite and SimPhony have them: put into the words of the
//! language before anything is checked.

use blackbeam_source::{Diagnostic, Diagnostics, Key, Node, Span, Value};
use serde_json::{Value as Json, json};

/// What an alias becomes.
#[derive(Clone, Copy)]
enum To {
    /// Another key.
    Key(&'static str),
    /// A key of an inner mapping.
    Inner(&'static str, &'static str),
    /// `{normal: [0, value]}` under a key.
    Sigma(&'static str),
    /// `crosstalk: {kernel: nearest, strength: value}`.
    Nearest,
    /// `crosstalk` of a 3 x 3 matrix [[0, c, 0], [c, 1, c], [0, c, 0]].
    Kernel,
    /// `dac: {min: -value, max: value}`.
    Bound,
}

/// Aliases of one mapping.
struct Table {
    /// Section of the file.
    section: &'static str,
    /// The section holds a list or a mapping of such mappings.
    many: bool,
    /// Definition in the schema.
    definition: &'static str,
    names: &'static [(&'static str, To)],
}

const TABLES: &[Table] = &[
    Table {
        section: "environment",
        many: false,
        definition: "Environment",
        names: &[("wavelength", To::Key("wl")), ("wl_um", To::Key("wl")), ("temperature", To::Key("temperature_K"))],
    },
    Table {
        section: "actuators",
        many: true,
        definition: "ActuatorEntry",
        names: &[
            ("phase_bias", To::Key("offset")),
            ("programming_error", To::Key("phase_noise_std")),
            ("gamma_std", To::Key("gamma_noise_std")),
            ("bits", To::Inner("dac", "bits")),
            ("w_bit", To::Inner("dac", "bits")),
            ("bitdepth", To::Inner("dac", "bits")),
            ("v_max", To::Inner("dac", "max")),
            ("v_pi", To::Inner("curve", "v_pi")),
            ("p_pi", To::Inner("curve", "p_pi")),
            ("response_time", To::Inner("response", "tau")),
            ("slew", To::Inner("response", "slew")),
            ("crosstalk_factor", To::Nearest),
            ("crosstalk_kernel", To::Kernel),
        ],
    },
    Table {
        section: "nonideal",
        many: true,
        definition: "RuleEntry",
        names: &[
            ("splitting_angle_sigma", To::Sigma("split_angle")),
            ("bs_error", To::Sigma("split_angle")),
            ("insertion_loss_db", To::Key("loss_dB")),
            ("insertion_loss_dB", To::Key("loss_dB")),
        ],
    },
    Table {
        section: "encoding",
        many: false,
        definition: "EncodingEntry",
        names: &[
            ("port", To::Key("ports")),
            ("bits", To::Inner("dac", "bits")),
            ("in_bit", To::Inner("dac", "bits")),
            ("bitdepth", To::Inner("dac", "bits")),
            ("bound", To::Bound),
            ("inp_bound", To::Bound),
            ("input_noise_std", To::Key("noise_std")),
            ("inp_noise", To::Key("noise_std")),
        ],
    },
    Table {
        section: "readout",
        many: false,
        definition: "ReadoutEntry",
        names: &[
            ("port", To::Key("ports")),
            ("bits", To::Inner("adc", "bits")),
            ("out_bit", To::Inner("adc", "bits")),
            ("bound", To::Inner("adc", "range")),
            ("out_bound", To::Inner("adc", "range")),
            ("output_noise_std", To::Key("noise_std")),
            ("out_noise", To::Key("noise_std")),
            ("read_noise", To::Key("noise_std")),
        ],
    },
    Table {
        section: "timing",
        many: false,
        definition: "TimingEntry",
        names: &[
            ("frame_time", To::Key("frame")),
            ("settle_time", To::Key("write_fixed")),
            ("settle_time_s", To::Key("write_fixed")),
        ],
    },
];

/// Puts other names of keys into the words of the language.
pub(crate) fn normalise(overlay: &mut Node, found: &mut Diagnostics) {
    let Value::Map(sections) = &mut overlay.value else { return };
    for (key, section) in sections {
        let Some(table) = TABLES.iter().find(|table| table.section == key.name) else { continue };
        match &mut section.value {
            Value::Seq(items) if table.many => items.iter_mut().for_each(|item| rename(item, table, found)),
            Value::Map(entries) if table.many => entries.iter_mut().for_each(|(_, e)| rename(e, table, found)),
            _ if table.many => {}
            _ => rename(section, table, found),
        }
        if table.section == "actuators" {
            explicit_crosstalk(section);
        }
    }
}

fn rename(node: &mut Node, table: &Table, found: &mut Diagnostics) {
    let Value::Map(entries) = &mut node.value else { return };
    let alias = |key: &Key| table.names.iter().find(|(alias, _)| *alias == key.name).map(|(_, to)| *to);
    if !entries.iter().any(|(key, _)| alias(key).is_some()) {
        return;
    }
    let (known, aliases): (Vec<_>, Vec<_>) =
        std::mem::take(entries).into_iter().partition(|(key, _)| alias(key).is_none());
    *entries = known;
    for (key, value) in aliases {
        let Some(to) = alias(&key) else { continue };
        let span = value.span;
        match to {
            To::Key(name) => put(entries, Key { name: name.into(), ..key }, value, found),
            To::Inner(outer, inner) => {
                put_inner(entries, outer, Key { name: inner.into(), ..key }, value, found);
            }
            To::Sigma(name) => {
                let pair = Node { span, value: Value::Seq(vec![number(0.0, span), value]) };
                let normal = Node { span, value: Value::Map(vec![(word("normal", span), pair)]) };
                put(entries, Key { name: name.into(), ..key }, normal, found);
            }
            To::Nearest => put(entries, Key { name: "crosstalk".into(), ..key }, nearest(value), found),
            To::Kernel => match kernel(&value) {
                Some(strength) => put(entries, Key { name: "crosstalk".into(), ..key }, nearest(strength), found),
                None => {
                    let error = Diagnostic::error("crosstalk", "this kernel is not known").at(span);
                    found.push(error.help(
                        "a kernel is [[0, c, 0], [c, 1, c], [0, c, 0]]; for others write `crosstalk: {kernel: ..}`",
                    ));
                }
            },
            To::Bound => {
                let low = Node {
                    span,
                    value: match &value.value {
                        Value::Number(n) => number(-n.value, span).value,
                        other => other.clone(),
                    },
                };
                put_inner(entries, "dac", Key { name: "min".into(), ..key.clone() }, low, found);
                put_inner(entries, "dac", Key { name: "max".into(), ..key }, value, found);
            }
        }
    }
}

/// `crosstalk: {matrix: FILE}` is `{kernel: matrix, file: FILE}`.
fn explicit_crosstalk(actuators: &mut Node) {
    let Value::Map(entries) = &mut actuators.value else { return };
    for (_, actuator) in entries {
        let Value::Map(keys) = &mut actuator.value else { continue };
        let Some((_, crosstalk)) = keys.iter_mut().find(|(key, _)| key.name == "crosstalk") else { continue };
        let Value::Map(keys) = &mut crosstalk.value else { continue };
        if keys.iter().any(|(key, _)| key.name == "kernel") {
            continue;
        }
        let Some((key, _)) = keys.iter_mut().find(|(key, _)| key.name == "matrix") else { continue };
        let span = key.span;
        key.name = "file".into();
        keys.push((word("kernel", span), Node { span, value: Value::String("matrix".into()) }));
    }
}

/// Adds a key; an error if it is there.
fn put(entries: &mut Vec<(Key, Node)>, key: Key, value: Node, found: &mut Diagnostics) {
    match entries.iter().find(|(k, _)| k.name == key.name) {
        None => entries.push((key, value)),
        Some((first, _)) => {
            let message = format!("`{}` is given twice, once by another name; give one", key.name);
            found.push(Diagnostic::error("two-values", message).at(key.span).note(first.span, "given here already"));
        }
    }
}

/// Adds a key to an inner mapping, which is made if it is not there.
fn put_inner(entries: &mut Vec<(Key, Node)>, outer: &str, key: Key, value: Node, found: &mut Diagnostics) {
    let at = entries.iter().position(|(k, _)| k.name == outer).unwrap_or_else(|| {
        entries.push((word(outer, key.span), Node { span: value.span, value: Value::Map(Vec::new()) }));
        entries.len() - 1
    });
    if let Value::Map(inner) = &mut entries[at].1.value {
        put(inner, key, value, found);
    }
}

fn word(name: &str, span: Span) -> Key {
    Key { name: name.into(), span }
}

fn number(value: f64, span: Span) -> Node {
    let text = value.to_string();
    Node { span, value: Value::Number(blackbeam_source::Number { value, integer: None, text }) }
}

fn nearest(strength: Node) -> Node {
    let span = strength.span;
    let kernel = Node { span, value: Value::String("nearest".into()) };
    Node { span, value: Value::Map(vec![(word("kernel", span), kernel), (word("strength", span), strength)]) }
}

/// c of [[0, c, 0], [c, 1, c], [0, c, 0]].
fn kernel(node: &Node) -> Option<Node> {
    let rows = node.as_seq()?;
    let c = rows.first()?.as_seq()?.get(1)?;
    let strength = c.as_f64()?;
    let expected = [[0.0, strength, 0.0], [strength, 1.0, strength], [0.0, strength, 0.0]];
    let fits = rows.len() == 3
        && rows.iter().zip(expected).all(|(row, expected)| {
            row.as_seq()
                .is_some_and(|row| row.len() == 3 && row.iter().zip(expected).all(|(node, x)| node.as_f64() == Some(x)))
        });
    fits.then(|| c.clone())
}

/// Describes the aliases to editors.
pub(crate) fn describe(schema: &mut Json) {
    for table in TABLES {
        let Some(definition) = schema.pointer_mut(&format!("/definitions/{}", table.definition)) else { continue };
        for (alias, to) in table.names {
            let meaning = match to {
                To::Key(name) => format!("`{name}`"),
                To::Inner(outer, inner) => format!("`{outer}: {{{inner}: ..}}`"),
                To::Sigma(name) => format!("`{name}: {{normal: [0, ..]}}`"),
                To::Nearest | To::Kernel => String::from("`crosstalk: {kernel: nearest, strength: ..}`"),
                To::Bound => String::from("`dac: {min: -.., max: ..}`"),
            };
            definition["properties"][*alias] = json!({"description": format!("Another way to write {meaning}.")});
        }
    }
}
