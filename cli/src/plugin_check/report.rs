//! The checks as a table and as JSON.

use blackbeam_conformance::{End, Finding, Report, Verdict};
use serde_json::{Value, json};
use std::path::Path;

/// A finding as it comes: one line, and what to do where something is wrong.
pub fn line(finding: &Finding) -> String {
    let o = &finding.outcome;
    let mut text = format!("{:<8} {:<24} {}\n", o.verdict.name(), finding.id, one_line(&o.measured));
    if matches!(o.verdict, Verdict::Fail | Verdict::Warn) {
        for (what, said) in [("expected", &o.expected), ("do", &o.advice)] {
            if !said.is_empty() {
                text.push_str(&format!("{:<8} {:<24} {what}: {}\n", "", "", one_line(said)));
            }
        }
    }
    text
}

/// A device's words may hold anything.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What stands under the table.
pub fn text(report: &Report) -> String {
    let (name, firmware) = &report.device;
    let count = |verdict| report.count(verdict);
    let said = match (report.conforms(), report.not_opened.is_some()) {
        (_, true) => "the device could not be opened".to_owned(),
        (true, false) => format!("`{}` ({}) conforms", one_line(name), one_line(firmware)),
        (false, false) => format!("`{}` ({}) does not conform", one_line(name), one_line(firmware)),
    };
    format!(
        "{said}: {} pass, {} warn, {} fail, {} skipped; {} vectors, {} writes\n",
        count(Verdict::Pass),
        count(Verdict::Warn),
        count(Verdict::Fail),
        count(Verdict::Skipped),
        report.vectors,
        report.writes
    )
}

/// All of it as one JSON object.
pub fn json(target: &Path, report: &Report, end: &End) -> String {
    let checks: Vec<Value> = report.findings.iter().map(finding).collect();
    let ended = match end {
        End::Done => "done",
        End::Stopped => "stopped",
        End::Hung => "hung",
    };
    let value = json!({
        "checked": target.display().to_string(),
        "device": report.device.0,
        "firmware": report.device.1,
        "ended": ended,
        "conforms": *end == End::Done && report.conforms(),
        "vectors": report.vectors,
        "writes": report.writes,
        "checks": checks,
    });
    format!("{value:#}\n")
}

fn finding(finding: &Finding) -> Value {
    let o = &finding.outcome;
    json!({
        "id": finding.id,
        "result": o.verdict.name(),
        "measured": o.measured,
        "expected": o.expected,
        "do": o.advice,
        "vectors": finding.vectors,
        "writes": finding.writes,
        "seconds": finding.seconds,
    })
}
