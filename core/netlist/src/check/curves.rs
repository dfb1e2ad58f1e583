//! Curves from drive to value.

use super::{Check, parameters::Block};
use crate::circuit::{Curve, Dac};
use crate::data;
use crate::file::{CurveEntry, CurveForm, DriveQuantity};
use crate::library::file_error;
use blackbeam_source::{Diagnostic, Node};
use std::f64::consts::PI;

impl Check {
    /// The curve of an actuator.
    pub(super) fn curve(&mut self, entry: &CurveEntry, node: &Node, dac: Option<Dac>) -> Option<Curve> {
        let pi = match (entry.v_pi, entry.p_pi) {
            (Some(_), Some(_)) => {
                self.error("two-values", "give `v_pi` (a voltage) or `p_pi` (a power), not both", node.span);
                return None;
            }
            (Some(v), None) => Some((v, DriveQuantity::Voltage, "v_pi")),
            (None, Some(p)) => Some((p, DriveQuantity::Power, "p_pi")),
            (None, None) => None,
        };
        if let (Some((_, quantity, name)), Some(written)) = (pi, entry.quantity)
            && quantity != written
        {
            let message = format!("`{name}` does not fit a drive that is a {}", quantity_name(written));
            self.error("unit", message, node.span_at(&["quantity"]));
            return None;
        }
        self.unused_keys(entry, node);
        let quantity = pi.map(|(_, quantity, _)| quantity).or(entry.quantity);
        let missing = |name: &str| Diagnostic::error("missing-key", format!("missing key `{name}`")).at(node.span);
        let fault = match entry.form {
            CurveForm::Direct => match quantity {
                None | Some(DriveQuantity::Phase) => return Some(Curve::Direct),
                Some(q) => {
                    let message = format!("`direct` sets the value itself, not a {}", quantity_name(q));
                    Diagnostic::error("unit", message).at(node.span)
                }
            },
            CurveForm::Linear => match pi {
                Some((pi, ..)) => return Some(Curve::Linear { pi }),
                None => missing("p_pi").help("`linear` needs `v_pi` or `p_pi`, the drive of a phase of pi"),
            },
            CurveForm::Square => match pi {
                Some((pi, DriveQuantity::Voltage, _)) => match dac.filter(|dac| dac.min < 0.0) {
                    None => return Some(Curve::Square { pi }),
                    Some(_) => Diagnostic::error("curve", "a square curve cannot be inverted for a DAC below 0 V")
                        .at(node.span),
                },
                Some(_) => Diagnostic::error("unit", "`square` is a curve over a voltage: give `v_pi`").at(node.span),
                None => missing("v_pi").help("`square` needs `v_pi`, the voltage of a phase of pi"),
            },
            CurveForm::Polynomial => match (&entry.coefficients, dac) {
                (None, _) => missing("coefficients").help("`polynomial` needs `coefficients: [c0, c1, ...]`"),
                (_, None) => {
                    Diagnostic::error("curve", "a polynomial needs a `dac`, whose range says where it is inverted")
                        .at(node.span)
                }
                (Some(c), Some(dac)) if is_increasing(c, dac) => return Some(Curve::Polynomial(c.clone())),
                (Some(_), Some(dac)) => {
                    let message = format!(
                        "the polynomial does not increase all the way from {} to {}, the range of the DAC",
                        dac.min, dac.max
                    );
                    Diagnostic::error("curve", message).at(node.span_at(&["coefficients"]))
                }
            },
            CurveForm::Table => match &entry.file {
                Some(file) => return self.table(file, node, dac),
                None => missing("file").help("`table` needs `file: curve.csv`, two columns: drive and value"),
            },
        };
        self.found.push(fault);
        None
    }

    /// Keys of other forms.
    fn unused_keys(&mut self, entry: &CurveEntry, node: &Node) {
        let polynomial = matches!(entry.form, CurveForm::Polynomial);
        let table = matches!(entry.form, CurveForm::Table);
        let has_pi = matches!(entry.form, CurveForm::Linear | CurveForm::Square);
        let unused = [
            ("coefficients", entry.coefficients.is_some() && !polynomial, "polynomial"),
            ("file", entry.file.is_some() && !table, "table"),
            ("v_pi", entry.v_pi.is_some() && (polynomial || table), "linear` and `square"),
            ("p_pi", entry.p_pi.is_some() && !has_pi && (polynomial || table), "linear"),
        ];
        for (name, _, form) in unused.into_iter().filter(|(_, unused, _)| *unused) {
            let span = node.entry(name).map_or(node.span, |(key, _)| key.span);
            self.error("unused-setting", format!("`{name}` belongs to curves of the form `{form}`"), span);
        }
    }

    /// Measured points.
    fn table(&mut self, file: &str, node: &Node, dac: Option<Dac>) -> Option<Curve> {
        let span = node.span_at(&["file"]);
        let rows = match self.files.text(file).and_then(|text| data::table(&text)) {
            Ok(rows) => rows,
            Err(what) => {
                self.found.push(file_error(file, &what, span));
                return None;
            }
        };
        let mut points: Vec<(f64, f64)> = Vec::with_capacity(rows.len());
        for (k, row) in rows.iter().enumerate() {
            let [drive, value] = row[..] else {
                let message = format!("row {} of `{file}` has {} numbers; expected drive and value", k + 1, row.len());
                self.error("curve", message, span);
                return None;
            };
            if points.last().is_some_and(|(d, v)| drive <= *d || value <= *v) {
                let message = format!("`{file}` does not increase at its row {}: drive {drive}, value {value}", k + 1);
                let error = Diagnostic::error("curve", message).at(span);
                self.found.push(error.help("both columns must go up, so that a value has one drive; unwrap phases"));
                return None;
            }
            points.push((drive, value));
        }
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return None };
        if points.len() < 2 {
            self.error("curve", format!("`{file}` has one point; a curve needs two at least"), span);
            return None;
        }
        if let Some(dac) = dac.filter(|dac| dac.min < first.0 || dac.max > last.0) {
            let message =
                format!("`{file}` goes from drive {} to {}, the DAC from {} to {}", first.0, last.0, dac.min, dac.max);
            self.error("curve", message, span);
            return None;
        }
        Some(Curve::Table(points.into()))
    }

    /// Every block's range must lie within what the curve gives over the DAC's range.
    pub(super) fn check_reach(
        &mut self,
        curve: &Curve,
        dac: Option<Dac>,
        node: &Node,
        drives: &[usize],
        blocks: &[Block],
    ) {
        let (min, max) = match (dac, curve) {
            (Some(dac), _) => (dac.min, dac.max),
            (None, Curve::Table(points)) => match (points.first(), points.last()) {
                (Some(first), Some(last)) => (first.0, last.0),
                _ => return,
            },
            _ => return,
        };
        let (low, high) = (value_of(curve, min), value_of(curve, max));
        for index in drives {
            let block = &blocks[*index];
            let (from, to) = block.block.range;
            let slack = 1e-6 * (to - from);
            if low <= from + slack && high >= to - slack {
                continue;
            }
            let (what, unit) = (if dac.is_some() { "DAC" } else { "curve" }, block.block.unit);
            let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
            let message = format!(
                "the {what} cannot reach the range of `{}`: it gives {low:.4} to {high:.4}{unit}, {from:.4} to {to:.4} is \
                 needed",
                block.name()
            );
            let mut error = Diagnostic::error("out-of-reach", message).at(node.span_at(&["dac"]));
            if let Some(span) = block.span {
                error = error.note(span, "the range is given here");
            }
            self.found.push(error.help("change `dac.max` (or `dac.min`), the curve, or the parameter's `range`"));
        }
    }
}

pub(super) fn quantity_name(quantity: DriveQuantity) -> &'static str {
    match quantity {
        DriveQuantity::Voltage => "voltage",
        DriveQuantity::Power => "power",
        DriveQuantity::Phase => "phase",
        DriveQuantity::Current => "current",
        DriveQuantity::Gray => "grey level",
    }
}

/// The value that a drive sets.
fn value_of(curve: &Curve, drive: f64) -> f64 {
    match curve {
        Curve::Direct => drive,
        Curve::Linear { pi } => PI * drive / pi,
        Curve::Square { pi } => PI * (drive / pi).powi(2),
        Curve::Polynomial(c) => c.iter().rev().fold(0.0, |sum, c| sum * drive + c),
        Curve::Table(points) => {
            let after = points.partition_point(|(d, _)| *d < drive).clamp(1, points.len() - 1);
            let ((d0, v0), (d1, v1)) = (points[after - 1], points[after]);
            v0 + (v1 - v0) * (drive - d0) / (d1 - d0)
        }
    }
}

/// True if the values at 1025 drives over the range of the DAC go up. A dip between two of them is far below its step.
fn is_increasing(coefficients: &[f64], dac: Dac) -> bool {
    let curve = Curve::Polynomial(coefficients.to_vec());
    let at = |i: u32| value_of(&curve, dac.min + (dac.max - dac.min) * f64::from(i) / 1024.0);
    (0..1024).all(|i| at(i) < at(i + 1))
}
