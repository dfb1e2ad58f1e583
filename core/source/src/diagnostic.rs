//! What a checker has to say, and a collection of it.

use crate::{Source, Span};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but probably not as meant.
    Warning,
}

/// A second place that belongs to a diagnostic.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// Where.
    pub span: Span,
    /// What is there: `first written here`.
    pub label: String,
}

/// One error or warning, for a person: what is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A short name of the kind of problem, in kebab-case: `unknown-key`.
    pub code: &'static str,
    /// What is wrong, in one line.
    pub message: String,
    /// Where; None if it has no place in a file.
    pub span: Option<Span>,
    /// What to write under the place: `expected a number`.
    pub label: Option<String>,
    /// Other places.
    pub notes: Vec<Note>,
    /// What was expected, what to do.
    pub help: Vec<String>,
}

impl Diagnostic {
    fn new(severity: Severity, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Diagnostic { severity, code, message, span: None, label: None, notes: Vec::new(), help: Vec::new() }
    }

    /// An error.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// A warning.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// Sets the place.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// Sets what is written under the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn note(mut self, span: Span, label: impl Into<String>) -> Self {
        self.notes.push(Note { span, label: label.into() });
        self
    }

    /// Adds a line on what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds a line on what to do, if there is one.
    #[must_use]
    pub fn help_some(mut self, help: Option<String>) -> Self {
        self.help.extend(help);
        self
    }
}

/// Everything found in a file (and in those it draws in), in the order in which it was found.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    pub(crate) sources: Vec<Source>,
    pub(crate) list: Vec<Diagnostic>,
    /// Errors and warnings beyond the first [`MAX_KEPT`].
    pub(crate) dropped: [usize; 2],
}

/// As many diagnostics are kept; of the rest only the number.
const MAX_KEPT: usize = 1000;

impl Diagnostics {
    /// An empty collection for a file. The first source names the diagnostics that have no place.
    pub fn new(source: &Source) -> Self {
        Diagnostics { sources: vec![source.clone()], ..Diagnostics::default() }
    }

    /// Makes the places of another source known, so that diagnostics may point at them.
    pub fn add_source(&mut self, source: &Source) {
        let span = source.span(0, 0);
        if !self.sources.iter().any(|s| s.holds(span)) {
            self.sources.push(source.clone());
        }
    }

    /// Adds one, unless the very same is there already.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.list.len() >= MAX_KEPT {
            self.dropped[diagnostic.severity as usize] += 1;
        } else if !self.list.contains(&diagnostic) {
            self.list.push(diagnostic);
        }
    }

    /// Adds all of another collection, with its sources.
    pub fn extend(&mut self, other: Diagnostics) {
        for source in &other.sources {
            self.add_source(source);
        }
        for diagnostic in other.list {
            self.push(diagnostic);
        }
        for (sum, more) in self.dropped.iter_mut().zip(other.dropped) {
            *sum += more;
        }
    }

    /// Keeps those that `keep` says, of the ones that were kept so far.
    pub fn retain(&mut self, keep: impl FnMut(&Diagnostic) -> bool) {
        self.list.retain(keep);
    }

    /// True if there is an error among them.
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// True once there are so many that further ones are only counted: what explains them is not looked for.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= MAX_KEPT
    }

    /// How many there are of one severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.list.iter().filter(|d| d.severity == severity).count() + self.dropped[severity as usize]
    }

    /// All that were kept (the first thousand), in the order in which they were found.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    /// Sorts by place: file by file, top down; those without a place come first.
    pub fn sort(&mut self) {
        let rank = |file: u32| self.sources.iter().position(|s| s.span(0, 0).file == file);
        self.list.sort_by_key(|d| d.span.map(|s| (rank(s.file), s.start, s.end)));
    }

    pub(crate) fn source_of(&self, span: Span) -> Option<&Source> {
        self.sources.iter().find(|s| s.holds(span))
    }
}

/// `did you mean ...?` if one of `candidates` is close to `name`.
pub fn did_you_mean<S: AsRef<str>>(name: &str, candidates: impl IntoIterator<Item = S>) -> Option<String> {
    // A long name would make the distance expensive and is near nothing.
    if name.len() > 100 {
        return None;
    }
    let plain = |s: &str| s.to_lowercase().replace('-', "_");
    let wanted = plain(name);
    candidates
        .into_iter()
        .map(|candidate| {
            let candidate = candidate.as_ref().to_string();
            let distance = strsim::damerau_levenshtein(&wanted, &plain(&candidate));
            (distance, candidate)
        })
        // a third of the longer name may differ, so that `n` does not become `wl`
        .filter(|(distance, candidate)| 3 * distance <= wanted.chars().count().max(candidate.chars().count()))
        .min_by(|a, b| a.0.cmp(&b.0))
        .map(|(_, candidate)| format!("did you mean `{candidate}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_are_close_names_only() {
        let keys = ["learning_rate", "momentum", "n"];
        assert_eq!(did_you_mean("lerning_rate", keys).unwrap(), "did you mean `learning_rate`?");
        assert_eq!(did_you_mean("Learning-Rate", keys).unwrap(), "did you mean `learning_rate`?");
        assert_eq!(did_you_mean("wl", keys), None);
        assert_eq!(did_you_mean("x", keys), None);
        assert_eq!(did_you_mean(&"a".repeat(100_000), keys), None);
    }

    #[test]
    fn a_flood_is_counted_but_not_kept() {
        let source = Source::new("x", "");
        let mut found = Diagnostics::new(&source);
        (0..3000).for_each(|i| found.push(Diagnostic::warning("w", format!("{i}"))));
        assert!(!found.has_errors());
        found.push(Diagnostic::error("e", "late"));
        assert!(found.has_errors());
        assert_eq!((found.iter().count(), found.count(Severity::Warning)), (MAX_KEPT, 3000));
        assert!(found.render(false).ends_with("... and 2901 more\n\n"));
    }

    #[test]
    fn the_same_is_said_once_and_in_the_order_of_the_file() {
        let source = Source::new("x", "a\nb\n");
        let mut found = Diagnostics::new(&source);
        found.push(Diagnostic::error("two", "second").at(source.span(2, 3)));
        found.push(Diagnostic::warning("one", "first").at(source.span(0, 1)));
        found.push(Diagnostic::error("two", "second").at(source.span(2, 3)));
        found.sort();
        assert_eq!(found.iter().map(|d| d.code).collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!((found.count(Severity::Error), found.count(Severity::Warning)), (1, 1));
    }
}
