//! What is found while reading, and how bad it is.

use crate::{formula, reference};
use blackbeam_source::{Diagnostic, Diagnostics, Span, did_you_mean};
use std::collections::HashSet;

/// So many names are compared in search of suggestions; beyond, errors do without.
const MAX_COMPARISONS: usize = 200_000;

/// Numbers, ports and parts that components of the caller may have in all, each time that they are made.
pub(crate) const MAX_MADE: usize = 1 << 23;

pub(crate) struct Report<'f> {
    pub(crate) strict: bool,
    pub(crate) found: &'f mut Diagnostics,
    /// So many of [`MAX_MADE`] are made.
    pub(crate) made: usize,
    comparisons: usize,
    said: HashSet<(Span, &'static str)>,
}

impl<'f> Report<'f> {
    pub(crate) fn new(strict: bool, found: &'f mut Diagnostics) -> Self {
        Report { strict, found, made: 0, comparisons: 0, said: HashSet::new() }
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    /// Adds it unless the same kind of thing was said of the same place already: a sub-circuit is used many times.
    pub(crate) fn push_once(&mut self, diagnostic: Diagnostic) {
        if diagnostic.span.is_none_or(|span| self.said.insert((span, diagnostic.code))) {
            self.found.push(diagnostic);
        }
    }

    pub(crate) fn error(&mut self, code: &'static str, message: impl Into<String>, span: Span) {
        self.push(Diagnostic::error(code, message).at(span));
    }

    /// An error in a native file; else a warning of what SAX drops without a word.
    pub(crate) fn dropped(&self, code: &'static str, message: String, effect: &str) -> Diagnostic {
        if self.strict {
            Diagnostic::error(code, message)
        } else {
            Diagnostic::warning(code, format!("{message}; {effect}"))
        }
    }

    /// True while there is time to compare `n` more names in search of a suggestion.
    pub(crate) fn may_compare(&mut self, n: usize) -> bool {
        self.comparisons = self.comparisons.saturating_add(n);
        self.comparisons <= MAX_COMPARISONS
    }

    /// `did you mean ...?`
    pub(crate) fn near<S: AsRef<str>>(
        &mut self,
        name: &str,
        known: impl IntoIterator<Item = S, IntoIter: ExactSizeIterator>,
    ) -> Option<String> {
        let known = known.into_iter();
        if self.may_compare(known.len()) { did_you_mean(name, known) } else { None }
    }
}

/// A fault in a reference to ports that stands, as `text`, at `span`.
pub(crate) fn reference_error(fault: reference::Fault, text: &str, span: Span) -> Diagnostic {
    Diagnostic::error(fault.code, fault.message).at(span.part(text, fault.range)).help_some(fault.help)
}

/// A fault in an expression that starts at byte `offset` of the scalar `text` at `span`.
pub(crate) fn formula_error(fault: formula::Fault, offset: usize, text: &str, span: Span) -> Diagnostic {
    let range = fault.range.start + offset..fault.range.end + offset;
    // something to underline, even at the end of the expression
    let range = if range.is_empty() { range.start..range.start + 1 } else { range };
    Diagnostic::error("expression", format!("the expression cannot be evaluated: {}", fault.message))
        .at(span.part(text, range))
        .help_some(fault.help)
}
