//! Numbers as they may stand in a netlist: plain ones, distributions, expressions.

use crate::formula::{self, Lookup};
use crate::report::formula_error;
use crate::{Expr, Index, Number, Operator, Slot, SlotValue};
use blackbeam_source::{Diagnostic, Node, Span, Value};
use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

/// Slots with their nominal values.
#[derive(Default)]
pub(crate) struct Slots {
    pub(crate) list: Vec<Slot>,
    /// Value of each at the centre of all distributions.
    pub(crate) nominal: Vec<f64>,
}

impl Slots {
    /// Room for `count` more.
    pub(crate) fn reserve(&mut self, count: usize) {
        self.list.reserve(count);
        self.nominal.reserve(count);
    }

    pub(crate) fn push(
        &mut self,
        name: Cow<'static, str>,
        index: Index,
        value: SlotValue,
        span: Option<Span>,
    ) -> usize {
        let nominal = self.nominal_of(&value);
        self.list.push(Slot { name, index, value, nominal, span, frozen: None });
        self.nominal.push(nominal);
        self.list.len() - 1
    }

    pub(crate) fn nominal_of(&self, value: &SlotValue) -> f64 {
        match value {
            SlotValue::Number(number) => number.nominal(),
            SlotValue::Expr(expr) => expr.eval(&self.nominal),
        }
    }

    /// Marks a slot, and all that it is computed from, as built in at `span`. False if a random number is among them.
    pub(crate) fn freeze(&mut self, slot: usize, span: Span) -> bool {
        let mut certain = true;
        let mut open = vec![slot];
        let mut seen = HashSet::new();
        while let Some(slot) = open.pop() {
            if !seen.insert(slot) {
                continue;
            }
            self.list[slot].frozen.get_or_insert(span);
            match &self.list[slot].value {
                SlotValue::Number(number) => certain &= matches!(number, Number::Fixed(_)),
                SlotValue::Expr(expr) => expr.visit_slots(&mut |slot| open.push(slot)),
            }
        }
        certain
    }
}

/// Where the expression stands in a scalar that is `${expression}`.
pub(crate) fn expression(text: &str) -> Option<Range<usize>> {
    let trimmed = text.trim();
    let inner = trimmed.strip_prefix("${")?.strip_suffix('}')?;
    let start = text.len() - text.trim_start().len() + 2;
    (!inner.contains('}')).then(|| start..start + inner.len())
}

/// True for a mapping that can only be a distribution.
pub(crate) fn is_distribution(node: &Node) -> bool {
    const KINDS: [&str; 3] = ["normal", "uniform", "lognormal"];
    node.as_map().is_some_and(|entries| entries.iter().any(|(key, _)| KINDS.contains(&key.name.as_str())))
}

/// True for what is meant as a number.
pub(crate) fn is_numeric(node: &Node) -> bool {
    match &node.value {
        Value::Number(_) => true,
        Value::String(text) => text.contains("${"),
        Value::Map(_) => is_distribution(node),
        _ => false,
    }
}

/// Reads a number, times `factor`.
pub(crate) fn read(name: &str, node: &Node, lookup: Lookup, factor: f64) -> Result<SlotValue, Box<Diagnostic>> {
    match &node.value {
        Value::Number(_) | Value::Map(_) => match read_number(name, node, lookup) {
            Ok(number) => Ok(SlotValue::Number(number.scaled(factor))),
            Err(error) => Err(error),
        },
        Value::String(text) => {
            let expr = read_expression(name, text, node.span, lookup)?;
            Ok(match expr {
                Expr::Constant(value) => SlotValue::Number(Number::Fixed(factor * value)),
                expr if factor == 1.0 => SlotValue::Expr(expr),
                expr => {
                    SlotValue::Expr(Expr::Binary(Operator::Multiply, Box::new(Expr::Constant(factor)), Box::new(expr)))
                }
            })
        }
        _ => Err(Box::new(not_a_number(name, node))),
    }
}

fn read_number(name: &str, node: &Node, lookup: Lookup) -> Result<Number, Box<Diagnostic>> {
    match &node.value {
        Value::Number(n) if n.value.is_finite() => Ok(Number::Fixed(n.value)),
        Value::Number(n) => {
            Err(Box::new(Diagnostic::error("not-finite", format!("`{}` is not a finite number", n.text)).at(node.span)))
        }
        Value::Map(_) => distribution(name, node, lookup),
        _ => Err(Box::new(not_a_number(name, node))),
    }
}

fn read_expression(name: &str, text: &str, span: Span, lookup: Lookup) -> Result<Expr, Box<Diagnostic>> {
    let Some(range) = expression(text) else {
        if text.contains("${") {
            let error = Diagnostic::error("expression", format!("`{name}` takes one expression and nothing beside it"));
            return Err(Box::new(error.at(span).help("write the whole value as `${...}`")));
        }
        let node = Node { span, value: Value::String(text.into()) };
        return Err(Box::new(not_a_number(name, &node)));
    };
    formula::compile(&text[range.clone()], lookup)
        .map_err(|fault| Box::new(formula_error(fault, range.start, text, span)))
}

fn not_a_number(name: &str, node: &Node) -> Diagnostic {
    let text = node.as_str().unwrap_or("").trim();
    let first = text.split([' ', '_']).next().unwrap_or("");
    let digits = first.trim_end_matches(|c: char| c.is_alphabetic() || "µ°/%".contains(c));
    if text.parse::<f64>().is_ok() {
        let message = format!("`{name}` takes a number, but this is quoted");
        return Diagnostic::error("not-a-number", message).at(node.span).help("take the quotes away");
    }
    if !digits.is_empty() && digits.parse::<f64>().is_ok() {
        let message = format!("`{name}` takes a number without a unit");
        let help =
            "write the number alone; lengths are in um, phases in rad, losses in dB, unless `units` says otherwise";
        return Diagnostic::error("unit", message).at(node.span).help(help);
    }
    let message = format!("`{name}` takes a number, not {}", node.kind());
    let help =
        "a number, `{normal: [mean, std]}`, `{uniform: [low, high]}`, `{lognormal: [median, sigma]}` or `${...}`";
    Diagnostic::error("not-a-number", message).at(node.span).help(help)
}

fn distribution(name: &str, node: &Node, lookup: Lookup) -> Result<Number, Box<Diagnostic>> {
    let error = |message: String, span: Span| {
        let help = "write `{normal: [mean, std]}`, `{uniform: [low, high]}` or `{lognormal: [median, sigma]}`";
        Box::new(Diagnostic::error("distribution", message).at(span).help(help))
    };
    let fail = |message: String, span: Span| Err(error(message, span));
    let Some([(key, values)]) = node.as_map() else {
        if is_distribution(node) {
            return fail(String::from("a distribution has one key"), node.span);
        }
        return Err(Box::new(not_a_number(name, node)));
    };
    if !is_distribution(node) {
        return fail(format!("`{}` is not a distribution", key.name), key.span);
    }
    let Some([a, b]) = values.as_seq() else {
        return fail(format!("`{}` takes a list of two numbers", key.name), values.span);
    };
    let fixed = |node: &Node| match read(name, node, lookup, 1.0)? {
        SlotValue::Number(Number::Fixed(x)) => Ok(x),
        _ => Err(error(String::from("the numbers of a distribution are constants"), node.span)),
    };
    let (x, y) = (fixed(a)?, fixed(b)?);
    match key.name.as_str() {
        "normal" if y < 0.0 => fail(String::from("the standard deviation (the second number) is negative"), b.span),
        "normal" => Ok(Number::Normal(x, y)),
        "uniform" if x > y => fail(String::from("the bounds are in the wrong order"), values.span),
        "uniform" => Ok(Number::Uniform(x, y)),
        _ if x <= 0.0 => fail(String::from("the median (the first number) is not positive"), a.span),
        _ if y < 0.0 => fail(String::from("sigma (the second number) is negative"), b.span),
        _ => Ok(Number::Lognormal(x, y)),
    }
}
