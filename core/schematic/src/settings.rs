//! Settings of circuits: what is declared, what an instance is given, what expressions see.

use crate::report::{Report, formula_error};
use crate::value::{self, Slots};
use crate::{Expr, Index, SlotValue, formula};
use blackbeam_source::{Diagnostic, Key, Node, Number, Span, Value, did_you_mean};
use std::collections::HashMap;
use std::rc::Rc;

/// A setting that a circuit declares, with its default.
pub(crate) struct Declared<'a> {
    /// With dots where it stands in a mapping.
    pub(crate) name: String,
    pub(crate) default: &'a Node,
}

/// What a name among the settings is.
#[derive(Clone, Copy)]
pub(crate) enum Name {
    Setting(usize),
    /// A mapping with settings in it.
    Group,
}

/// The settings that a circuit declares.
#[derive(Default)]
pub(crate) struct Settings<'a> {
    pub(crate) list: Vec<Declared<'a>>,
    pub(crate) names: HashMap<String, Name>,
}

impl<'a> Settings<'a> {
    pub(crate) fn read(entries: &'a [(Key, Node)]) -> Self {
        let mut settings = Settings::default();
        settings.add("", entries);
        settings
    }

    fn add(&mut self, prefix: &str, entries: &'a [(Key, Node)]) {
        for (key, node) in entries {
            let name = format!("{prefix}{}", key.name);
            match node.as_map() {
                Some(inner) if !value::is_distribution(node) => {
                    self.add(&format!("{name}."), inner);
                    self.names.insert(name, Name::Group);
                }
                _ => {
                    self.names.insert(name.clone(), Name::Setting(self.list.len()));
                    self.list.push(Declared { name, default: node });
                }
            }
        }
    }
}

/// What a setting of one instance of a circuit is.
pub(crate) enum Bound {
    /// A number.
    Slot(usize),
    /// Something else: only settings of the caller's components can use it.
    Other(Node),
}

/// The settings that expressions of one instance of a circuit see. While they are being bound, those that come later
/// are missing.
pub(crate) struct Scope<'a> {
    pub(crate) settings: Rc<Settings<'a>>,
    pub(crate) bound: Vec<Bound>,
}

/// Settings given to an instance, and what expressions in them see.
#[derive(Clone)]
pub(crate) struct Given<'b, 'a> {
    pub(crate) entries: &'b [(Key, Node)],
    pub(crate) scope: Rc<Scope<'a>>,
}

impl<'a> Scope<'a> {
    pub(crate) fn empty() -> Rc<Self> {
        Rc::new(Scope { settings: Rc::default(), bound: Vec::new() })
    }

    /// The slot of a setting, for expressions.
    pub(crate) fn slot(&self, name: &str) -> Result<usize, (String, Option<String>)> {
        match self.settings.names.get(name) {
            Some(Name::Setting(k)) => match self.bound.get(*k) {
                Some(Bound::Slot(slot)) => Ok(*slot),
                Some(Bound::Other(node)) => {
                    Err((format!("the setting `{name}` is {}, not a number", node.kind()), None))
                }
                None => {
                    let help = "a setting may use those that are declared before it";
                    Err((format!("the setting `{name}` is declared after this"), Some(help.into())))
                }
            },
            Some(Name::Group) => Err((format!("`{name}` is a mapping of settings, not a number"), None)),
            None if self.settings.list.is_empty() => {
                let help = "declare it: `settings: {NAME: DEFAULT}` beside the `instances` of this circuit";
                Err((format!("there is no setting `{name}`: the circuit declares none"), Some(help.into())))
            }
            None => {
                let names = self.settings.list.iter().map(|declared| declared.name.as_str());
                let help = did_you_mean(name, names.clone()).or_else(|| {
                    Some(format!("the circuit declares {}", names.take(12).collect::<Vec<_>>().join(", ")))
                });
                Err((format!("there is no setting `{name}`"), help))
            }
        }
    }

    /// Reads a number that stands where this scope is seen.
    pub(crate) fn number(&self, name: &str, node: &Node, factor: f64) -> Result<SlotValue, Box<Diagnostic>> {
        value::read(name, node, &|name| self.slot(name), factor)
    }

    /// What `${settings.NAME}` is if that is not a number.
    fn other(&self, node: &Node) -> Option<&Node> {
        let text = node.as_str()?;
        let name = text[value::expression(text)?].trim().strip_prefix("settings.")?;
        match self.settings.names.get(name)? {
            Name::Setting(k) => match self.bound.get(*k)? {
                Bound::Other(node) => Some(node),
                Bound::Slot(_) => None,
            },
            Name::Group => None,
        }
    }

    /// Binds the settings of an instance: defaults, and over them what is given, later ones winning. Each number gets a
    /// slot.
    pub(crate) fn bind(
        settings: &Rc<Settings<'a>>,
        given: &[Given<'_, 'a>],
        slots: &mut Slots,
        report: &mut Report,
    ) -> Rc<Self> {
        let mut chosen: Vec<Option<(&Node, &Scope<'a>)>> = vec![None; settings.list.len()];
        for given in given {
            choose(settings, "", given.entries, &given.scope, &mut chosen);
        }
        let mut scope = Scope { settings: settings.clone(), bound: Vec::with_capacity(settings.list.len()) };
        for (declared, chosen) in settings.list.iter().zip(chosen) {
            let bound = match chosen {
                Some((node, from)) => bind_one(declared, node, from, slots, report),
                None => bind_one(declared, declared.default, &scope, slots, report),
            };
            scope.bound.push(bound);
        }
        Rc::new(scope)
    }
}

/// Finds the settings among the entries that are given.
fn choose<'g, 'a>(
    settings: &Settings<'a>,
    prefix: &str,
    entries: &'g [(Key, Node)],
    scope: &'g Scope<'a>,
    chosen: &mut [Option<(&'g Node, &'g Scope<'a>)>],
) {
    if settings.list.is_empty() {
        return;
    }
    for (key, node) in entries.iter().filter(|(_, node)| !node.is_null()) {
        let joined = format!("{prefix}{}", key.name);
        match settings.names.get(&joined) {
            // another mapping is for an instance inside that has the same name
            Some(Name::Setting(k)) if node.as_map().is_none() || value::is_distribution(node) => {
                chosen[*k] = Some((node, scope));
            }
            Some(Name::Setting(_)) => {}
            Some(Name::Group) => {
                choose(settings, &format!("{joined}."), node.as_map().unwrap_or(&[]), scope, chosen);
            }
            None => {}
        }
    }
}

fn bind_one(declared: &Declared, node: &Node, scope: &Scope, slots: &mut Slots, report: &mut Report) -> Bound {
    if let Some(other) = scope.other(node) {
        return Bound::Other(other.clone());
    }
    if !value::is_numeric(node) && !value::is_numeric(declared.default) {
        return Bound::Other(node.clone());
    }
    let value = scope.number(&declared.name, node, 1.0).unwrap_or_else(|error| {
        report.push_once(*error);
        SlotValue::Number(crate::Number::Fixed(0.0))
    });
    check_finite(&declared.name, &value, node.span, slots, report);
    Bound::Slot(slots.push(declared.name.clone().into(), Index::None, value, Some(node.span)))
}

/// An expression may be fine by itself and still give no number with the settings of an instance.
pub(crate) fn check_finite(name: &str, value: &SlotValue, span: Span, slots: &Slots, report: &mut Report) -> bool {
    let nominal = slots.nominal_of(value);
    if !nominal.is_finite() {
        let message = format!("`{name}` is {nominal} with the settings that are given here, not a finite number");
        report.push_once(Diagnostic::error("not-finite", message).at(span));
    }
    nominal.is_finite()
}

/// Copies settings of a component of the caller, with the values of expressions in them.
pub(crate) fn fill(node: &Node, scope: &Scope, slots: &mut Slots, report: &mut Report) -> Node {
    let value = match &node.value {
        Value::String(text) if text.contains("${") => return fill_expression(node, text, scope, slots, report),
        Value::Seq(items) => Value::Seq(items.iter().map(|item| fill(item, scope, slots, report)).collect()),
        Value::Map(entries) => {
            Value::Map(entries.iter().map(|(k, v)| (k.clone(), fill(v, scope, slots, report))).collect())
        }
        other => other.clone(),
    };
    Node { span: node.span, value }
}

fn fill_expression(node: &Node, text: &str, scope: &Scope, slots: &mut Slots, report: &mut Report) -> Node {
    if let Some(other) = scope.other(node) {
        return Node { span: node.span, value: other.value.clone() };
    }
    let null = Node { span: node.span, value: Value::Null };
    let Some(range) = value::expression(text) else {
        let error = Diagnostic::error("expression", "an expression is the whole value, with nothing beside it");
        report.push_once(error.at(node.span).help("write the whole value as `${...}`"));
        return null;
    };
    let expr = match formula::compile(&text[range.clone()], &|name| scope.slot(name)) {
        Ok(expr) => expr,
        Err(fault) => {
            report.push_once(formula_error(fault, range.start, text, node.span));
            return null;
        }
    };
    if !freeze(&expr, node.span, slots, report) {
        return null;
    }
    let value: f64 = expr.eval(&slots.nominal);
    if !check_finite("the expression", &SlotValue::Expr(expr), node.span, slots, report) {
        return null;
    }
    let is_integer = value.fract() == 0.0 && value.abs() < 1e15;
    let number = Number { value, integer: is_integer.then_some(value as i128), text: value.to_string() };
    Node { span: node.span, value: Value::Number(number) }
}

/// Marks what an expression is computed from as built into the circuit; an error if it is random.
fn freeze(expr: &Expr, span: Span, slots: &mut Slots, report: &mut Report) -> bool {
    let mut used = Vec::new();
    expr.visit_slots(&mut |slot| used.push(slot));
    // all of them, even after a random one
    let random = used.iter().filter(|slot| !slots.freeze(**slot, span)).count();
    if random > 0 {
        report.push_once(random_structure(span));
    }
    random == 0
}

/// An error for a random number where a circuit is built.
pub(crate) fn random_structure(span: Span) -> Diagnostic {
    let message = "a random number cannot set how the circuit is built";
    Diagnostic::error("random-structure", message).at(span).help("give it a fixed number")
}
