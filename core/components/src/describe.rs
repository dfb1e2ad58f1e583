//! A component in words, for the terminal.

use crate::{Component, Passivity, Ports, Setting, Unit};
use std::fmt::Write;

/// Plain text for people: summary, ports with all their names, table of settings, equations, source.
pub fn describe(component: &Component) -> String {
    let mut text = format!("{}: {}\n", component.name, component.summary);
    if !component.aliases.is_empty() {
        let _ = writeln!(text, "Also called {}.", component.aliases.join(", "));
    }
    ports(component, &mut text);
    settings(component, &mut text);
    text.push_str("\nEquations (a wave that goes on picks up exp(+i phase); wl is the wavelength)\n");
    for line in component.equations.lines() {
        let _ = writeln!(text, "  {line}");
    }
    paragraph(component.notes, &mut text);
    text.push_str(if component.reciprocal {
        "\nReciprocal: S(a -> b) = S(b -> a). Entries that are not given are zero.\n"
    } else {
        "\nNot reciprocal. Entries that are not given are zero.\n"
    });
    let _ = match component.passivity {
        Passivity::Passive => writeln!(text, "Passive in these ranges: never more light comes out than goes in."),
        Passivity::Gain(when) => writeln!(text, "Can have gain: {when}."),
    };
    let _ = writeln!(text, "Source: {}", component.source);
    text
}

fn ports(component: &Component, text: &mut String) {
    let sized = component.size(&component.defaults());
    let Ok((inputs, outputs)) = sized else { return };
    text.push_str("\nPorts");
    if let Ports::Counted { inputs: i, outputs: o } = component.ports {
        let _ = write!(text, " (as many as the settings {i} and {o} say; shown for {inputs} and {outputs})");
    }
    text.push('\n');
    for (port, name) in component.port_names(inputs, outputs).iter().enumerate() {
        let clockwise = component.clockwise_name(port, inputs, outputs);
        let aliases = component.port_aliases.iter().filter(|(_, canonical)| canonical == name).map(|(alias, _)| *alias);
        let names: Vec<&str> = std::iter::once(clockwise.as_str()).chain(aliases).collect();
        let _ = writeln!(text, "  {name:<5} = {}", names.join(", "));
    }
}

fn settings(component: &Component, text: &mut String) {
    if component.settings.is_empty() {
        text.push_str("\nNo settings.\n");
        return;
    }
    text.push_str("\nSettings\n");
    let header = ["name", "default", "unit", "range", "meaning"].map(String::from);
    let rows: Vec<[String; 5]> = std::iter::once(header).chain(component.settings.iter().map(row)).collect();
    let widths: Vec<usize> = (0..4).map(|c| rows.iter().map(|r| r[c].len()).max().unwrap_or(0)).collect();
    for [name, default, unit, range, doc] in &rows {
        let [a, b, c, d] = [widths[0], widths[1], widths[2], widths[3]];
        let _ = writeln!(text, "  {name:<a$}  {default:<b$}  {unit:<c$}  {range:<d$}  {doc}");
    }
}

fn row(setting: &Setting) -> [String; 5] {
    let range = match (setting.unit, setting.range) {
        (Unit::Flag, _) => String::from("0, 1"),
        (_, (low, high)) if low == f64::NEG_INFINITY && high == f64::INFINITY => String::from("any"),
        (_, (low, f64::INFINITY)) if low == f64::MIN_POSITIVE => String::from("> 0"),
        (_, (low, f64::INFINITY)) => format!(">= {low}"),
        (_, (low, high)) => format!("{low} to {high}"),
    };
    let mut doc = String::from(setting.doc);
    if setting.gain_outside {
        doc.push_str(" (has gain outside the range)");
    }
    if !setting.aliases.is_empty() {
        let _ = write!(doc, "; also {}", setting.aliases.join(", "));
    }
    [setting.name.into(), setting.default.to_string(), setting.unit.symbol().into(), range, doc]
}

/// Words in lines of at most 100 characters, after an empty line.
fn paragraph(words: &str, text: &mut String) {
    let mut column = 0;
    for word in words.split_whitespace() {
        if column == 0 || column + 1 + word.len() > 100 {
            text.push('\n');
            column = word.len();
        } else {
            text.push(' ');
            column += 1 + word.len();
        }
        text.push_str(word);
    }
    if column > 0 {
        text.push('\n');
    }
}
