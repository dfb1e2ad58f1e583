//! Diagnostics as text and as JSON.

use crate::{Diagnostic, Diagnostics, Severity, Source, Span};
use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet, normalize_untrusted_str};

/// As many diagnostics are printed; a count tells of the rest.
const MAX_SHOWN: usize = 100;
/// Longest text, in bytes, that is shown around a place; of longer lines only the number and the column are.
const MAX_SNIPPET: usize = 1 << 16;

impl Diagnostics {
    /// All as text for a terminal, in rustc's look: the message, `file:line:column`, the line with the place underlined,
    /// what to do. Ends with a newline unless there is nothing to say.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for diagnostic in self.list.iter().take(MAX_SHOWN) {
            text += &renderer.render(&[self.group(diagnostic)]);
            text += "\n\n";
        }
        let hidden = self.list.len().saturating_sub(MAX_SHOWN) + self.dropped.iter().sum::<usize>();
        if hidden > 0 {
            text += &format!(
                "... and {hidden} more

"
            );
        }
        text
    }

    /// All as a JSON array of `{severity, code, message, file, line, column, end_line, end_column, label, help, notes}`;
    /// lines and columns count from 1 and are null where there is no place.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::Value::Array(self.list.iter().map(|d| self.one_to_json(d)).collect())
    }

    fn group<'a>(&'a self, diagnostic: &'a Diagnostic) -> Group<'a> {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = level
            .primary_title(normalize_untrusted_str(&diagnostic.message))
            .id(diagnostic.code)
            .elements(self.snippets(diagnostic));
        if diagnostic.span.is_none() && diagnostic.help.is_empty() {
            // a title alone needs nothing beside it, but a reader wants to know the file
            if let Some(source) = self.sources.first().filter(|s| !diagnostic.message.contains(s.name())) {
                group = group.element(Level::NOTE.message(format!("in {}", source.name())));
            }
        }
        for help in &diagnostic.help {
            group = group.element(Level::HELP.message(normalize_untrusted_str(help)));
        }
        group
    }

    /// One snippet per file that the diagnostic points at, that of the main place first.
    fn snippets<'a>(&'a self, diagnostic: &'a Diagnostic) -> Vec<Element<'a>> {
        let Some(main) = diagnostic.span else { return Vec::new() };
        let mut places = vec![(main, diagnostic.label.as_deref(), AnnotationKind::Primary)];
        places.extend(diagnostic.notes.iter().map(|n| (n.span, Some(n.label.as_str()), AnnotationKind::Context)));
        let mut snippets = Vec::new();
        while let Some(first) = places.first() {
            let file = first.0.file;
            let (here, rest): (Vec<_>, Vec<_>) = places.into_iter().partition(|p| p.0.file == file);
            places = rest;
            let Some(source) = self.source_of(here[0].0) else { continue };
            let shown: Vec<Span> = here.iter().map(|p| first_line(source, p.0)).collect();
            let from = shown.iter().map(|s| source.position(s.start).line).min().unwrap_or(1);
            let to = shown.iter().map(|s| source.position(s.start).line).max().unwrap_or(1);
            let (start, end) = (source.line_start(from), source.line_start(to + 1));
            let text = source.text()[start..end].trim_end_matches(['\n', '\r']);
            if text.len() > MAX_SNIPPET {
                let place = source.position(shown[0].start);
                snippets.push(Origin::path(source.name()).line(place.line).char_column(place.column).into());
                continue;
            }
            // what is trimmed away may be pointed at
            let within = |at: u32| (at as usize - start).min(text.len());
            let annotations = here.iter().zip(&shown).map(|((_, label, kind), span)| {
                let label = label.map(normalize_untrusted_str);
                kind.span(within(span.start)..within(span.end)).label(label)
            });
            let snippet = Snippet::source(text).line_start(from).path(source.name());
            snippets.push(snippet.annotations(annotations.collect::<Vec<_>>()).into());
        }
        snippets
    }

    fn one_to_json(&self, d: &Diagnostic) -> serde_json::Value {
        let place = |span: Option<Span>| {
            let source = span.and_then(|s| self.source_of(s));
            let (from, to) = match (source, span) {
                (Some(source), Some(s)) => (Some(source.position(s.start)), Some(source.position(s.end))),
                _ => (None, None),
            };
            let file = source.or(self.sources.first()).map(Source::name);
            serde_json::json!({
                "file": file,
                "line": from.map(|p| p.line),
                "column": from.map(|p| p.column),
                "end_line": to.map(|p| p.line),
                "end_column": to.map(|p| p.column),
            })
        };
        let severity = match d.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let notes = d.notes.iter().map(|n| merged(place(Some(n.span)), serde_json::json!({ "label": n.label })));
        let own = serde_json::json!({
            "severity": severity, "code": d.code, "message": d.message, "label": d.label, "help": d.help,
            "notes": notes.collect::<Vec<_>>(),
        });
        merged(own, place(d.span))
    }
}

/// The part of a span that stands on its first line, without the newline: a whole section underlined helps nobody.
fn first_line(source: &Source, span: Span) -> Span {
    let line = source.slice(span).split('\n').next().unwrap_or("").trim_end();
    Span { end: span.start + line.len() as u32, ..span }
}

fn merged(mut a: serde_json::Value, b: serde_json::Value) -> serde_json::Value {
    if let (Some(a), serde_json::Value::Object(b)) = (a.as_object_mut(), b) {
        a.extend(b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Diagnostics {
        let source = Source::new("exp.yaml", "train:\n  lerning_rate: 0.1\n  epochs: [1,\n    2]\n");
        let other = Source::new("other.yaml", "x: 1\n");
        let mut found = Diagnostics::new(&source);
        found.add_source(&other);
        found.push(
            Diagnostic::error("unknown-key", "unknown key `lerning_rate`")
                .at(source.span(9, 21))
                .label("not a key here")
                .note(other.span(0, 1), "written here")
                .help("did you mean `learning_rate`?"),
        );
        found.push(Diagnostic::warning("odd", "many\u{1b}[31mlines").at(source.span(37, 47)));
        found.push(Diagnostic::error("plain", "no place at all"));
        found
    }

    #[test]
    fn text_has_rustc_look() {
        let expected = "\
error[unknown-key]: unknown key `lerning_rate`
 --> exp.yaml:2:3
  |
2 |   lerning_rate: 0.1
  |   ^^^^^^^^^^^^ not a key here
  |
 ::: other.yaml:1:1
  |
1 | x: 1
  | - written here
  |
  = help: did you mean `learning_rate`?
";
        let text = example().render(false);
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains("exp.yaml:3:11"), "{text}");
        assert!(!text.contains('\u{1b}'), "control characters of a file never reach the terminal");
        assert!(text.contains("no place at all"), "{text}");
        assert!(example().render(true).contains('\u{1b}'));
    }

    #[test]
    fn the_end_of_a_line_can_be_pointed_at() {
        let source = Source::new("x", "a: 1\r\r\r\r\nb: 2\r\n\n");
        for at in 0..source.text().len() {
            let mut found = Diagnostics::new(&source);
            found.push(Diagnostic::error("here", "here").at(source.span(at, at + 1)));
            assert!(found.render(false).contains("--> x:"), "{at}");
        }
    }

    #[test]
    fn long_lines_are_named_but_not_shown() {
        let source = Source::new("long.json", format!("first\n{}here", "x ".repeat(MAX_SNIPPET)));
        let mut found = Diagnostics::new(&source);
        let end = source.text().len();
        found.push(Diagnostic::error("here", "something").at(source.span(end - 4, end)).help("do this"));
        let text = found.render(false);
        assert!(text.contains("--> long.json:2:131073\n") && text.contains("do this") && text.len() < 200, "{text}");
    }

    #[test]
    fn json_has_places() {
        let json = example().to_json();
        assert_eq!(json[0]["line"], 2);
        assert_eq!(json[0]["column"], 3);
        assert_eq!(json[0]["notes"][0]["file"], "other.yaml");
        assert_eq!(json[1]["end_line"], 4);
        assert_eq!(json[2]["line"], serde_json::Value::Null);
        assert_eq!(json[2]["file"], "exp.yaml");
    }
}
