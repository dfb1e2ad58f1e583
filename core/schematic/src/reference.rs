//! References to ports: `inst,port`, `inst<0.1>,port`, and ranges: `inst,port0-7`, `inst<0.0-3>,port`, `inst0-7,port`,
//! `inst,port:7:0`.

use std::ops::Range;

/// Most names that a range may stand for.
pub(crate) const MAX_RANGE: u32 = 1 << 16;

/// What is wrong with a reference, and which bytes of it.
#[derive(Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) code: &'static str,
    pub(crate) range: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// A reference to a port, or several.
#[derive(Debug, PartialEq)]
pub(crate) struct Reference<'t> {
    /// Name of the instance; may be a range of names.
    pub(crate) instance: &'t str,
    /// Where the name stands.
    pub(crate) instance_at: Range<usize>,
    /// Ranges of column and row, both ends included.
    pub(crate) index: Option<[(u32, u32); 2]>,
    /// Where the index stands, with its brackets.
    pub(crate) index_at: Range<usize>,
    /// Name of the port; may be a range of names.
    pub(crate) port: &'t str,
    /// Where the port stands.
    pub(crate) port_at: Range<usize>,
}

/// Where the trimmed `part` stands in `text`, of which it is a part.
fn place(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - text.as_ptr() as usize;
    start..start + part.len()
}

pub(crate) fn parse(text: &str) -> Result<Reference<'_>, Fault> {
    let bad = |range: Range<usize>, message: String| Fault {
        code: "bad-port",
        range,
        message,
        help: Some(String::from(
            "write `instance,port`, `instance<column.row>,port` or a range such as `instance,in0-3`",
        )),
    };
    let Some((owner, port)) = text.split_once(',') else {
        return Err(bad(0..text.len(), format!("`{}` is not a port: it has no comma", shorten(text))));
    };
    let (owner, port) = (owner.trim(), port.trim());
    if owner.is_empty() || port.is_empty() || port.contains(',') {
        return Err(bad(0..text.len(), format!("`{}` is not a port", shorten(text))));
    }
    if let Some(dot) = dot_outside_brackets(owner) {
        let (circuit, inner) = (&owner[..dot], &owner[dot + 1..]);
        let message =
            format!("`{}` is inside of `{}`: a link joins instances of one circuit", shorten(inner), shorten(circuit));
        let help = Some(format!("give the circuit of `{}` an outer port and join that", shorten(circuit)));
        return Err(Fault { code: "link-across", range: place(text, owner), message, help });
    }
    let (instance, index, index_at) = match owner.find('<') {
        None => (owner, None, 0..0),
        Some(at) => {
            let (instance, brackets) = owner.split_at(at);
            let index_at = place(text, brackets);
            (instance.trim_end(), Some(parse_index(brackets, &index_at)?), index_at)
        }
    };
    if instance.is_empty() || instance.contains('>') {
        return Err(bad(place(text, owner), format!("`{}` is not an instance", shorten(owner))));
    }
    let (instance_at, port_at) = (place(text, instance), place(text, port));
    Ok(Reference { instance, instance_at, index, index_at, port, port_at })
}

/// Where the first dot is that is not part of an index.
pub(crate) fn dot_outside_brackets(path: &str) -> Option<usize> {
    let mut depth = 0;
    path.find(|c: char| {
        match c {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ => {}
        }
        c == '.' && depth == 0
    })
}

fn parse_index(brackets: &str, at: &Range<usize>) -> Result<[(u32, u32); 2], Fault> {
    let fault = |code, message: String, help: &str| Fault { code, range: at.clone(), message, help: Some(help.into()) };
    let inner = brackets.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or("");
    let one = |s: &str| match s.split_once('-') {
        Some((a, b)) => Some((number(a)?, number(b)?)),
        None => number(s).map(|k| (k, k)),
    };
    let parts: Option<Vec<(u32, u32)>> = inner.split('.').map(one).collect();
    let Some(&[columns, rows]) = parts.as_deref() else {
        let message = format!("`{}` is not a place in an array", shorten(brackets));
        return Err(fault("bad-index", message, "write `<column.row>`, such as `<0.1>` or `<0.0-3>`"));
    };
    for (a, b) in [columns, rows] {
        if a > b {
            let message = format!("the range {a}-{b} is in the wrong order");
            return Err(fault("reversed-range", message, &format!("write {b}-{a}")));
        }
    }
    Ok([columns, rows])
}

/// A number as it stands in a name: without sign, and without leading zeros, which would make two names of one.
fn number(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// The names that `name` stands for: `in0-3` and `in:0:3` are four, `in:3:0` four in the other order, `in0` is one.
pub(crate) fn names<'t>(name: &'t str, at: &Range<usize>) -> Result<Names<'t>, Fault> {
    let Some((prefix, first, last, dash)) = split_range(name) else { return Ok(Names { prefix: name, numbers: None }) };
    let fault = |code, message, help| Fault { code, range: at.clone(), message, help };
    if dash && first > last {
        let message = format!("the range `{}` is in the wrong order", shorten(name));
        return Err(fault("reversed-range", message, Some(format!("write `{prefix}{last}-{first}`"))));
    }
    if first.abs_diff(last) >= MAX_RANGE {
        let message = format!("the range `{}` stands for more than {MAX_RANGE} names", shorten(name));
        return Err(fault("range-too-long", message, None));
    }
    Ok(Names { prefix, numbers: Some((first, last)) })
}

/// Names that are not written out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names<'t> {
    prefix: &'t str,
    /// First and last number after the prefix.
    numbers: Option<(u32, u32)>,
}

impl<'t> Names<'t> {
    pub(crate) fn one(name: &'t str) -> Self {
        Names { prefix: name, numbers: None }
    }

    pub(crate) fn len(self) -> usize {
        self.numbers.map_or(1, |(first, last)| first.abs_diff(last) as usize + 1)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = String> {
        let name = move |k: usize| match self.numbers {
            None => self.prefix.to_string(),
            Some((first, last)) if first <= last => format!("{}{}", self.prefix, first as usize + k),
            Some((first, _)) => format!("{}{}", self.prefix, first as usize - k),
        };
        (0..self.len()).map(name)
    }
}

/// True if `name` stands for several names.
pub(crate) fn is_range(name: &str) -> bool {
    split_range(name).is_some()
}

/// `in0-3` is (in, 0, 3, true), `in:0:3` is (in, 0, 3, false).
fn split_range(name: &str) -> Option<(&str, u32, u32, bool)> {
    if let Some((prefix, rest)) = name.split_once(':') {
        let (first, last) = rest.split_once(':')?;
        return Some((prefix.trim(), number(first.trim())?, number(last.trim())?, false));
    }
    let (start, last) = name.rsplit_once('-')?;
    let digits = start.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (prefix, first) = start.split_at(start.len() - digits);
    Some((prefix, number(first)?, number(last)?, true))
}

/// At most the start of a long text.
pub(crate) fn shorten(text: &str) -> String {
    const LENGTH: usize = 60;
    match text.char_indices().nth(LENGTH) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let plain = parse("a,in0").unwrap();
        assert_eq!((plain.instance, plain.index, plain.port), ("a", None, "in0"));
        let array = parse(" a<0.1-3> , in0-7 ").unwrap();
        assert_eq!((array.instance, array.index, array.port), ("a", Some([(0, 0), (1, 3)]), "in0-7"));
        assert_eq!(&" a<0.1-3> , in0-7 "[array.port_at], "in0-7");
        assert_eq!(&" a<0.1-3> , in0-7 "[array.index_at], "<0.1-3>");
    }

    #[test]
    fn ranges_of_names() {
        let all = |name| names(name, &(0..1)).map(|names| names.iter().collect::<Vec<_>>()).map_err(|fault| fault.code);
        assert_eq!(all("in0-2").unwrap(), ["in0", "in1", "in2"]);
        assert_eq!(all("in:2:0").unwrap(), ["in2", "in1", "in0"]);
        for name in ["x-y", "a", "a-1", "thru", "a01-2", "a:b", "a:1", "-", ":", "::"] {
            assert_eq!(all(name).unwrap(), [name]);
        }
        assert_eq!(all("in2-1"), Err("reversed-range"));
        assert_eq!(all("in0-4000000000"), Err("range-too-long"));
        assert_eq!(all("in0-99999999999999999").unwrap(), ["in0-99999999999999999"]);
    }

    #[test]
    fn faults() {
        for (text, code, at) in [
            ("a", "bad-port", "a"),
            ("a,", "bad-port", "a,"),
            (",b", "bad-port", ",b"),
            ("a,b,c", "bad-port", "a,b,c"),
            ("<0.0>,b", "bad-port", "<0.0>"),
            ("a<0>,b", "bad-index", "<0>"),
            ("a<0.x>,b", "bad-index", "<0.x>"),
            ("a<0.0,b", "bad-index", "<0.0"),
            ("a<0.3-1>,b", "reversed-range", "<0.3-1>"),
            ("a.b,c", "link-across", "a.b"),
            ("a<0.0>.b,c", "link-across", "a<0.0>.b"),
        ] {
            let fault = parse(text).unwrap_err();
            assert_eq!((fault.code, &text[fault.range]), (code, at), "{text}");
        }
    }
}
