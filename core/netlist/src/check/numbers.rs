//! Numbers and distributions.

use super::Check;
use crate::circuit::{Dac, Number, Rounding};
use crate::file::{DacEntry, NumberEntry, RoundingEntry, RuleSpread, Spread};
use blackbeam_source::{Diagnostic, Node, Span};

impl Check {
    /// A number or a distribution.
    pub(super) fn number(&mut self, entry: &NumberEntry, span: Span) -> Option<Number> {
        match entry {
            NumberEntry::Fixed(x) => Some(Number::Fixed(*x)),
            NumberEntry::Spread(Spread { normal, uniform, lognormal }) => {
                self.spread(*normal, *uniform, *lognormal, span)
            }
        }
    }

    /// A number that may be left out.
    pub(super) fn number_or(&mut self, entry: Option<&NumberEntry>, default: f64, span: Span) -> Number {
        let number = entry.and_then(|entry| self.number(entry, span));
        number.unwrap_or(Number::Fixed(default))
    }

    /// The value of a rule, and whether it is relative.
    pub(super) fn rule_spread(&mut self, spread: &RuleSpread, span: Span) -> Option<(Number, bool)> {
        match &spread.relative {
            None => Some((self.spread(spread.normal, spread.uniform, spread.lognormal, span)?, false)),
            Some(entry) => {
                if spread.normal.is_some() || spread.uniform.is_some() || spread.lognormal.is_some() {
                    self.error(
                        "distribution",
                        "a distribution beside `relative` means two values for one quantity",
                        span,
                    );
                    return None;
                }
                Some((self.number(entry, span)?, true))
            }
        }
    }

    pub(super) fn spread(
        &mut self,
        normal: Option<[f64; 2]>,
        uniform: Option<[f64; 2]>,
        lognormal: Option<[f64; 2]>,
        span: Span,
    ) -> Option<Number> {
        let (number, fault) = match (normal, uniform, lognormal) {
            (Some([mean, std]), None, None) => (
                Number::Normal(mean, std),
                (std < 0.0).then_some("the standard deviation (the second number) is negative"),
            ),
            (None, Some([low, high]), None) => {
                (Number::Uniform(low, high), (low > high).then_some("the bounds are in the wrong order"))
            }
            (None, None, Some([median, sigma])) => {
                let fault = if median <= 0.0 { Some("the median (the first number) is not positive") } else { None };
                (
                    Number::Lognormal(median, sigma),
                    fault.or((sigma < 0.0).then_some("sigma (the second number) is negative")),
                )
            }
            _ => {
                let error = Diagnostic::error("distribution", "expected exactly one distribution").at(span);
                self.found.push(
                    error.help(
                        "write `{normal: [mean, std]}`, `{uniform: [low, high]}` or `{lognormal: [median, sigma]}`",
                    ),
                );
                return None;
            }
        };
        if let Some(fault) = fault {
            self.error("distribution", fault, span);
            return None;
        }
        Some(number)
    }

    /// A range in the right order.
    pub(super) fn range(&mut self, [low, high]: [f64; 2], span: Span) -> Option<(f64, f64)> {
        if low < high {
            return Some((low, high));
        }
        if low > high {
            let error = Diagnostic::error("range-order", format!("the range goes from {low} down to {high}")).at(span);
            self.found.push(error.help(format!("write the lower bound first: [{high}, {low}]")));
        } else if low == high {
            self.error("range-order", "the range is empty", span);
        }
        None
    }

    /// Number of codes of a converter, by its `bits` or `levels`.
    pub(super) fn levels(&mut self, bits: Option<u32>, levels: Option<u32>, node: &Node) -> Option<u32> {
        match (bits, levels) {
            // a value out of the schema's range is an error already
            (Some(bits), None) => (1..=24).contains(&bits).then(|| 1 << bits),
            (None, Some(levels)) => (levels >= 2).then_some(levels),
            (Some(_), Some(_)) => {
                self.error("two-values", "`bits` and `levels` say the same thing; give one", node.span);
                None
            }
            (None, None) => {
                let error = Diagnostic::error("missing-key", "missing key `bits`").at(node.span);
                self.found.push(error.help("a converter needs its `bits`, or the number of its `levels`"));
                None
            }
        }
    }

    /// A converter with its two bounds.
    pub(super) fn dac(&mut self, entry: &DacEntry, node: &Node) -> Option<Dac> {
        let levels = self.levels(entry.bits, entry.levels, node);
        let (Some(min), Some(max)) = (entry.min, entry.max) else {
            let missing = if entry.min.is_none() { "min" } else { "max" };
            let error = Diagnostic::error("missing-key", format!("missing key `{missing}`")).at(node.span);
            self.found.push(error.help("a converter needs `min` and `max`, the values at its first and last code"));
            return None;
        };
        let (min, max) = self.range([min, max], node.span_at(&["max"]))?;
        let rounding = match entry.rounding {
            None | Some(RoundingEntry::Nearest) => Rounding::Nearest,
            Some(RoundingEntry::Floor) => Rounding::Floor,
            Some(RoundingEntry::Stochastic) => Rounding::Stochastic,
        };
        Some(Dac { levels: levels?, inl_lsb: entry.inl_lsb.unwrap_or(0.0), min, max, rounding })
    }
}
