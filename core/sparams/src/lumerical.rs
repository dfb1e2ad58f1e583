//! Lumerical INTERCONNECT files (.dat, .sparam, .txt) of the type "transmission".
//!
//! A file is a list of blocks, one for each pair of a port and mode to a port and mode:
//!
//! ```text
//! ["port 1","LEFT"]                                          names and sides of the ports, optional
//! ("port 2","TE",1,"port 1",1,"transmission",1.2e-13)        out, mode, in, mode; group delay in seconds, optional
//! (201,3)                                                    rows, columns
//! 187370286375000.0  0.21  -1.73                             Hz, |S|, angle in radians
//! ```
//!
//! With a group delay tau the angle lacks 2 pi tau (f - f_c), f_c = (f_1 + f_N) / 2; it is added back, positive, and the
//! phase between samples is unwrapped about it. A wave that goes on picks up a phase that grows with frequency: the
//! convention of this crate, `phase_sign: +1`.
//!
//! Files of one mode have the ports of the file. With more modes, ports are `port@mode`: `mode` is the label ("TE") if
//! each mode number has one of its own, else the number. Ports are in the order of the leading lines; without them, in natural order
//! ("port 2" before "port 10").
//!
//! Nine bare columns (Hz, then |S| and angle of S11, S21, S12, S22; optionally under a `(rows,9)`) are read as the two
//! ports "port 1" and "port 2". Formats: optics.ansys.com, "S-parameter file formats" (article 360036618513).

use std::collections::{BTreeMap, HashMap};
use std::f64::consts::TAU;
use std::iter::Peekable;

use num_complex::Complex64;

use crate::model::LONGEST_NAME;
use crate::number::{clip, number};
use crate::{Error, Limits, Model, Result};

/// Frequencies of two blocks that differ less than this, relatively, are the same.
const SAME: f64 = 1e-9;

const BLOCK: &str = "(\"port out\",\"TE\",mode,\"port in\",mode,\"transmission\")";

/// Reads a file. `file` names it in errors.
///
/// # Errors
/// What is wrong, and in which line.
pub fn read(text: &str, file: &str, limits: &Limits) -> Result<Model> {
    parse(text, limits).map_err(|error| error.in_file(file))
}

/// One end of a block: port and mode number.
type End = (String, u32);

struct Block {
    to: End,
    from: End,
    label: String,
    delay_s: f64,
    line: usize,
    rows: Vec<[f64; 3]>,
}

struct Lines<'a> {
    lines: Peekable<Box<dyn Iterator<Item = (usize, &'a str)> + 'a>>,
    last: usize,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let text = text.trim_start_matches('\u{feff}');
        let lines = (1..).zip(text.lines().map(str::trim)).filter(|(_, line)| !line.is_empty());
        let boxed: Box<dyn Iterator<Item = (usize, &'a str)> + 'a> = Box::new(lines);
        Self { lines: boxed.peekable(), last: 0 }
    }

    /// The next line, if it begins with `start`.
    fn next_with(&mut self, start: char) -> Option<(usize, &'a str)> {
        let next = self.lines.next_if(|(_, line)| line.starts_with(start))?;
        self.last = next.0;
        Some(next)
    }
}

fn parse(text: &str, limits: &Limits) -> Result<Model> {
    let mut lines = Lines::of(text);
    let mut declared = Vec::new();
    while let Some((at, line)) = lines.next_with('[') {
        declared.extend(port_line(line, at)?);
        limits.check(declared.len(), 0).map_err(|error| error.at(at))?;
    }
    let Some(&(first, line)) = lines.lines.peek() else {
        return Err(Error::new("no S-parameters in the file").expected(format!("blocks {BLOCK}")));
    };
    if !line.starts_with('(') || !line.contains(['"', '\'']) {
        return nine_columns(lines, limits).map_err(|error| if error.line.is_some() { error } else { error.at(first) });
    }
    let mut blocks = Vec::new();
    let mut left = limits.values;
    while lines.lines.peek().is_some() {
        let block = block(&mut lines, left)?;
        left -= block.rows.len();
        blocks.push(block);
    }
    assemble(&blocks, &declared, limits)
}

/// `["port 1","LEFT"]` gives a name, `[2,2]` (numbers of ports on the left and right) none.
fn port_line(line: &str, at: usize) -> Result<Option<String>> {
    let fields = tuple(line, at, '[', ']')?;
    match fields.as_slice() {
        [Field::Text(name), Field::Text(_)] => Ok(Some(name.clone())),
        [Field::Bare(left), Field::Bare(right)] => {
            number(left, at)?;
            number(right, at)?;
            Ok(None)
        }
        _ => Err(Error::new(format!("`{}` names no port", clip(line))).at(at).expected("[\"port 1\",\"LEFT\"]")),
    }
}

enum Field {
    Text(String),
    Bare(String),
}

/// The fields of `(..)` or `[..]`, quoted by " or '.
fn tuple(line: &str, at: usize, open: char, close: char) -> Result<Vec<Field>> {
    let unclosed =
        || Error::new(format!("`{}` has no end", clip(line))).at(at).expected(format!("`{close}` at its end"));
    let inner = line.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)).ok_or_else(unclosed)?;
    let mut fields = Vec::new();
    let mut rest = inner.trim();
    loop {
        if fields.len() == 16 {
            return Err(Error::new("more than 16 entries").at(at).expected(BLOCK));
        }
        let after;
        if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            let (text, tail) = rest[1..].split_once(quote).ok_or_else(|| Error::new("a quote is not closed").at(at))?;
            fields.push(Field::Text(text.trim().to_owned()));
            after = tail.trim_start();
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            fields.push(Field::Bare(rest[..end].trim().to_owned()));
            after = &rest[end..];
        }
        if after.is_empty() {
            return Ok(fields);
        }
        let Some(next) = after.strip_prefix(',') else {
            return Err(Error::new(format!("`{}` follows a name", clip(after))).at(at).expected("a comma"));
        };
        rest = next.trim_start();
    }
}

fn block(lines: &mut Lines<'_>, most: usize) -> Result<Block> {
    let Some((line, text)) = lines.next_with('(') else {
        let (at, text) = lines.lines.peek().copied().unwrap_or((lines.last, ""));
        let what = format!("`{}` follows a block of S-parameters", clip(text));
        let help = "the `(rows,columns)` above may not count all rows";
        return Err(Error::new(what).at(at).expected(format!("the next block {BLOCK}")).help(help));
    };
    let (to, label, from, delay_s) = header(text, line)?;
    let (at, rows) = shape(lines, 3)?;
    let mut values = Vec::with_capacity(rows.min(most).min(4096));
    for _ in 0..rows {
        if values.len() == most {
            return Err(Error::new("too many samples in all").at(lines.last).help("keep fewer samples"));
        }
        values.push(row::<3>(lines, rows, values.len(), at)?);
    }
    Ok(Block { to, from, label, delay_s, line, rows: values })
}

/// The header of a block: to, label, from, group delay.
fn header(text: &str, line: usize) -> Result<(End, String, End, f64)> {
    let fields = tuple(text, line, '(', ')')?;
    let plain: Vec<&str> = fields.iter().map(|(Field::Text(text) | Field::Bare(text))| text.as_str()).collect();
    let [to, label, to_mode, from, from_mode, kind, rest @ ..] = plain.as_slice() else {
        let what = format!("the block header has {} entries", plain.len());
        return Err(Error::new(what).at(line).expected(BLOCK));
    };
    if *kind != "transmission" {
        let what = format!("S-parameters of the type `{}`", clip(kind));
        return Err(Error::new(what).at(line).expected("`transmission`; modulation data are not read"));
    }
    let delay_s = match rest {
        [] => 0.0,
        [delay] => number(delay, line)?,
        _ => {
            let what = "a swept S-parameter file";
            let help = "export one file for each value of the swept parameters";
            return Err(Error::new(what).at(line).expected("at most a group delay after `transmission`").help(help));
        }
    };
    let mode = |text: &str| {
        let unknown =
            || Error::new(format!("`{}` is no mode", clip(text))).at(line).expected("a mode number, such as 1");
        text.parse::<u32>().map_err(|_| unknown())
    };
    for port in [to, from] {
        if port.is_empty() || port.len() > LONGEST_NAME || port.contains('@') {
            let what = format!("`{}` is no name of a port", clip(port));
            return Err(Error::new(what).at(line).expected(format!("1 to {LONGEST_NAME} bytes without `@`")));
        }
    }
    let (to, from) = (((*to).to_owned(), mode(to_mode)?), ((*from).to_owned(), mode(from_mode)?));
    Ok((to, (*label).to_owned(), from, delay_s))
}

/// `(rows,columns)`: its line and the rows.
fn shape(lines: &mut Lines<'_>, columns: usize) -> Result<(usize, usize)> {
    let expected = || format!("(rows,{columns})");
    let Some((at, text)) = lines.next_with('(') else {
        return Err(Error::new("a block header without a size")
            .at(lines.last)
            .expected(format!("{} below it", expected())));
    };
    let bad = || Error::new(format!("`{}` is no size of a table", clip(text))).at(at).expected(expected());
    match tuple(text, at, '(', ')')?.as_slice() {
        [Field::Bare(rows), Field::Bare(count)] => {
            let rows = rows.parse().ok().filter(|rows| *rows > 0).ok_or_else(bad)?;
            if count.parse() != Ok(columns) {
                return Err(bad().help("|S| and the angle make one pair of columns for each block"));
            }
            Ok((at, rows))
        }
        _ => Err(bad()),
    }
}

/// The next row of `N` numbers, of which the first is a frequency.
fn row<const N: usize>(lines: &mut Lines<'_>, rows: usize, done: usize, shape: usize) -> Result<[f64; N]> {
    let Some((line, text)) = lines.lines.next_if(|(_, text)| !text.starts_with(['(', '['])) else {
        let what = format!("the table ends after {done} rows");
        return Err(Error::new(what).at(lines.last.max(shape)).expected(format!("{rows} rows, as line {shape} says")));
    };
    lines.last = line;
    numbers(text, line)
}

fn numbers<const N: usize>(text: &str, line: usize) -> Result<[f64; N]> {
    let mut values = [0.0; N];
    let mut count = 0;
    for token in text.split([' ', '\t', ',']).filter(|token| !token.is_empty()) {
        if let Some(value) = values.get_mut(count) {
            *value = number(token, line)?;
        }
        count += 1;
    }
    if count != N {
        let names = if N == 3 { "Hz, |S|, angle" } else { "Hz, then |S| and angle of S11, S21, S12, S22" };
        return Err(Error::new(format!("{count} numbers")).at(line).expected(format!("{N}: {names}")));
    }
    if values[0] <= 0.0 {
        return Err(Error::new(format!("the frequency {} Hz", values[0])).at(line).expected("a positive one"));
    }
    if let Some(size) = values[1..].iter().step_by(2).find(|size| **size < 0.0) {
        return Err(Error::new(format!("the magnitude {size}")).at(line).expected("|S| of at least 0"));
    }
    Ok(values)
}

fn nine_columns(mut lines: Lines<'_>, limits: &Limits) -> Result<Model> {
    let stated = match lines.lines.peek() {
        Some((_, line)) if line.starts_with('(') => Some(shape(&mut lines, 9)?),
        _ => None,
    };
    let (mut f, mut s) = (Vec::new(), Vec::new());
    for (line, text) in lines.lines.by_ref() {
        limits.check(2, f.len() + 1).map_err(|error| error.at(line))?;
        let values: [f64; 9] = numbers(text, line)
            .map_err(|error| error.help(format!("files of single pairs are made of blocks {BLOCK}")))?;
        let [s11, s21, s12, s22] = [1, 3, 5, 7].map(|at| Complex64::from_polar(values[at], values[at + 1]));
        f.push(values[0]);
        s.extend([s11, s12, s21, s22]);
    }
    if let Some((at, rows)) = stated.filter(|(_, rows)| *rows != f.len()) {
        return Err(Error::new(format!("{} rows", f.len())).at(at).expected(format!("{rows}, as this line says")));
    }
    Model::from_frequencies(vec!["port 1".into(), "port 2".into()], f, s, limits)
}

fn assemble(blocks: &[Block], declared: &[String], limits: &Limits) -> Result<Model> {
    let modes = mode_names(blocks);
    let mut ends: Vec<End> = Vec::new();
    let mut index: HashMap<&End, usize> = HashMap::new();
    for block in blocks {
        for end in [&block.to, &block.from] {
            if !declared.is_empty() && !declared.contains(&end.0) {
                let what = format!("the port `{}` is not among those at the head of the file", end.0);
                return Err(Error::new(what).at(block.line).expected(declared.join(", ")));
            }
            if !index.contains_key(end) {
                index.insert(end, 0);
                ends.push(end.clone());
                limits.check(ends.len(), 0).map_err(|error| error.at(block.line))?;
            }
        }
    }
    let rank = |name: &str| declared.iter().position(|port| port == name);
    ends.sort_by_key(|(port, mode)| (rank(port), natural(port), *mode));
    for (at, end) in ends.iter().enumerate() {
        if let Some(slot) = index.get_mut(end) {
            *slot = at;
        }
    }
    let names = ends.iter().map(|(port, mode)| match modes.get(mode) {
        Some(label) if modes.len() > 1 => format!("{port}@{label}"),
        _ => port.clone(),
    });
    let (p, n) = (ends.len(), blocks[0].rows.len());
    limits.check(p, n)?;
    let mut s = vec![Complex64::ZERO; n * p * p];
    let mut delay_s = vec![0.0; p * p];
    let mut given: Vec<Option<usize>> = vec![None; p * p];
    for block in blocks {
        same_grid(block, &blocks[0])?;
        let pair = index[&block.to] * p + index[&block.from];
        if let Some(line) = given[pair].replace(block.line) {
            let what = format!("`{}` -> `{}` stands twice", block.from.0, block.to.0);
            return Err(Error::new(what).at(block.line).help(format!("remove this block or the one at line {line}")));
        }
        let centre = 0.5 * (block.rows[0][0] + block.rows[n - 1][0]);
        for (k, [f, size, angle]) in block.rows.iter().enumerate() {
            s[k * p * p + pair] = Complex64::from_polar(*size, angle + TAU * block.delay_s * (f - centre));
        }
        delay_s[pair] = block.delay_s;
    }
    let missing = (0..p * p).filter(|&at| given[at].is_none()).map(|at| (at / p, at % p)).collect();
    let f = blocks[0].rows.iter().map(|row| row[0]).collect();
    Ok(Model { delay_s, missing, ..Model::from_frequencies(names.collect(), f, s, limits)? })
}

fn same_grid(block: &Block, first: &Block) -> Result<()> {
    let differ = |a: f64, b: f64| (a - b).abs() > SAME * b;
    let (rows, all) = (block.rows.len(), first.rows.len());
    if rows != all {
        let what = format!("{rows} rows in this block");
        return Err(Error::new(what).at(block.line).expected(format!("{all}, as in the first block")));
    }
    if let Some(k) = (0..all).find(|&k| differ(block.rows[k][0], first.rows[k][0])) {
        let what = format!("row {} of this block is at {} Hz", k + 1, block.rows[k][0]);
        let expected = format!("{} Hz, as in the first block", first.rows[k][0]);
        return Err(Error::new(what)
            .at(block.line)
            .expected(expected)
            .help("sample all pairs at the same frequencies"));
    }
    Ok(())
}

/// The name of each mode number: its label, if each number has one label of its own, else the number.
fn mode_names(blocks: &[Block]) -> BTreeMap<u32, String> {
    let mut labels: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
    for block in blocks {
        labels.entry(block.from.1).or_default();
        let known = labels.entry(block.to.1).or_default();
        // Two are enough to know that there is not one.
        if known.len() < 2 && !known.contains(&block.label.as_str()) {
            known.push(&block.label);
        }
    }
    let mut all: Vec<&str> = labels.values().flatten().copied().collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    let own = all.len() == count && labels.values().all(|known| known.len() == 1 && !known[0].is_empty());
    let name = |mode: u32, known: &[&str]| if own { known[0].to_owned() } else { mode.to_string() };
    labels.iter().map(|(mode, known)| (*mode, name(*mode, known))).collect()
}

/// A key in which numbers inside names sort by value.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let text = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let digits = rest[text..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |end| text + end);
        parts.push((rest[..text].to_owned(), rest[text..digits].parse().unwrap_or(u64::MAX)));
        rest = &rest[digits..];
    }
    parts
}

#[cfg(test)]
mod tests;
