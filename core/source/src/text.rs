//! The text of a file, and places in it.

use crate::{Diagnostic, Diagnostics, MAX_BYTES, Node};
use std::{
    fs::File,
    io::Read,
    ops::Range,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

/// A range of bytes in one [`Source`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// Which source: compared with that of [`Source::span`], of no meaning beyond the process.
    pub(crate) file: u32,
    /// First byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// The span from the start of this one to the end of `last`, both in one source.
    pub fn to(self, last: Span) -> Span {
        Span { end: last.end.max(self.end), ..self }
    }

    /// The bytes `range` of the text of a scalar (or key) that stands here. All of it where the text is not written in the
    /// file as it is, but with escapes or over several lines.
    pub fn part(self, text: &str, range: Range<usize>) -> Span {
        let before = match (self.end.saturating_sub(self.start) as usize).checked_sub(text.len()) {
            Some(0) => 0,
            Some(2) => 1, // quotes
            _ => return self,
        };
        let at = |offset: usize| self.start + (before + offset.min(text.len())) as u32;
        Span { start: at(range.start), end: at(range.end), ..self }
    }
}

/// A place as a person counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// The text of a file and the name it is shown under. Clones share the text.
#[derive(Clone, Debug)]
pub struct Source(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: u32,
    name: String,
    text: String,
    /// Byte offset of the start of each line.
    lines: Vec<u32>,
}

impl Source {
    /// A source from a text in memory. `name` is what diagnostics show; for a file, its path.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let text = text.into();
        let starts = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i as u32 + 1);
        let lines = std::iter::once(0).chain(starts).collect();
        Source(Arc::new(Inner { file: NEXT.fetch_add(1, Ordering::Relaxed), name: name.into(), text, lines }))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, is not UTF-8 or is larger than [`MAX_BYTES`].
    pub fn read(path: &Path) -> Result<Self, Diagnostics> {
        let name = path.display().to_string();
        let fail = |code, message: String| {
            let mut found = Diagnostics::new(&Source::new(name.clone(), ""));
            found.push(Diagnostic::error(code, message));
            found
        };
        let unreadable = |e: std::io::Error| fail("unreadable", format!("cannot read `{name}`: {e}"));
        // a pipe or a device has no size beforehand
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() > MAX_BYTES {
            return Err(fail("too-large", format!("`{name}` is larger than {MAX_BYTES} bytes, the most that is read")));
        }
        let text = String::from_utf8(bytes).map_err(|e| {
            fail("not-utf8", format!("`{name}` is not UTF-8 text: byte {}", e.utf8_error().valid_up_to()))
        })?;
        Ok(Source::new(name, text))
    }

    /// The name shown in diagnostics.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The tree of the file's one YAML (or JSON) document; an empty file is a null.
    ///
    /// # Errors
    /// Text that is not YAML, duplicate keys, sizes beyond the limits of this crate.
    pub fn parse(&self) -> Result<Node, Diagnostics> {
        crate::parse::parse(self)
    }

    /// The span of the bytes `start..end`, cut to the text.
    pub fn span(&self, start: usize, end: usize) -> Span {
        let len = self.0.text.len();
        let end = end.min(len);
        Span { file: self.0.file, start: start.min(end) as u32, end: end as u32 }
    }

    /// True if `span` is a place in this source.
    pub fn holds(&self, span: Span) -> bool {
        span.file == self.0.file
    }

    /// The bytes of a span of this source; empty if it belongs to another.
    pub fn slice(&self, span: Span) -> &str {
        let range = span.start as usize..span.end as usize;
        if self.holds(span) { self.0.text.get(range).unwrap_or("") } else { "" }
    }

    /// Line and column of a byte offset.
    pub fn position(&self, offset: u32) -> Position {
        let line = self.0.lines.partition_point(|start| *start <= offset);
        let start = self.line_start(line);
        let column = self.0.text.get(start..offset as usize).map_or(0, |s| s.chars().count());
        Position { line, column: column + 1 }
    }

    /// Byte offset of the start of line `line` (from 1); the end of the text if there is no such line.
    pub(crate) fn line_start(&self, line: usize) -> usize {
        self.0.lines.get(line.saturating_sub(1)).map_or(self.0.text.len(), |start| *start as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters() {
        let source = Source::new("x", "aµ: 1\nb: 2\n");
        assert_eq!(source.position(0), Position { line: 1, column: 1 });
        assert_eq!(source.position(3), Position { line: 1, column: 3 }); // after the two bytes of µ
        assert_eq!(source.position(7), Position { line: 2, column: 1 });
        assert_eq!(source.position(12), Position { line: 3, column: 1 });
        assert_eq!(source.slice(source.span(7, 100)), "b: 2\n");
        let other = Source::new("x", "aµ: 1\nb: 2\n");
        assert_eq!(other.slice(source.span(0, 1)), "", "spans belong to one source");
    }

    #[test]
    fn parts_of_scalars() {
        let source = Source::new("x", "[a.b, 'c.d', \"e\\tf\"]");
        let root = source.parse().unwrap();
        let shown = |i: usize, range| {
            let node = &root.as_seq().unwrap()[i];
            source.slice(node.span.part(node.as_str().unwrap(), range)).to_string()
        };
        assert_eq!(shown(0, 2..3), "b");
        assert_eq!(shown(1, 0..1), "c");
        assert_eq!(shown(2, 0..1), "\"e\\tf\"");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_without_an_end_is_refused() {
        let found = Source::read(Path::new("/dev/zero")).unwrap_err();
        assert!(found.render(false).contains("`/dev/zero` is larger than 16777216 bytes"), "{}", found.render(false));
    }

    #[test]
    fn a_missing_file_is_named() {
        let found = Source::read(Path::new("/nowhere/device.yml")).unwrap_err();
        assert!(found.render(false).contains("cannot read `/nowhere/device.yml`"), "{}", found.render(false));
    }
}
