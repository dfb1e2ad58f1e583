//! Tables `wl_um,port_in,port_out,re,im`: one row for each wavelength and ordered pair of ports.
//!
//! The columns may stand in any order; `f_hz` may take the place of `wl_um`. A pair without any row is zero
//! ([`Model::missing`]); a pair with some rows needs one for every wavelength. `#` begins a comment line.

use std::collections::HashMap;
use std::io::{self, Write};

use num_complex::Complex64;

use crate::model::LONGEST_NAME;
use crate::number::{clip, number};
use crate::{Error, Limits, Model, Result};

const HEADER: &str = "wl_um,port_in,port_out,re,im";

/// A row; small, as tables may have millions.
struct Row {
    x: f64,
    value: Complex64,
    line: u32,
    from: u16,
    to: u16,
}

/// Reads a table. `file` names it in errors.
///
/// # Errors
/// What is wrong, and in which line.
pub fn read(text: &str, file: &str, limits: &Limits) -> Result<Model> {
    parse(text, limits).map_err(|error| error.in_file(file))
}

fn parse(text: &str, limits: &Limits) -> Result<Model> {
    let mut lines = text.trim_start_matches('\u{feff}').lines().zip(1..).filter(|(line, _)| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    });
    let (header, line) = lines.next().ok_or_else(|| Error::new("the table is empty").expected(HEADER))?;
    let columns = Columns::of(header, line)?;
    let mut ports = Ports::default();
    let mut rows = Vec::new();
    for (text, line) in lines {
        if rows.len() >= limits.values {
            return Err(Error::new(format!("more than {} rows", limits.values)).at(line).help("keep fewer samples"));
        }
        let fields = split(text, line)?;
        if fields.len() != columns.count {
            let what = format!("{} columns", fields.len());
            return Err(Error::new(what).at(line).expected(format!("{}, as in the header", columns.count)));
        }
        let value = Complex64::new(number(&fields[columns.re], line)?, number(&fields[columns.im], line)?);
        let from = ports.index(&fields[columns.from], line, limits)?;
        let to = ports.index(&fields[columns.to], line, limits)?;
        rows.push(Row { x: number(&fields[columns.x], line)?, value, line: line as u32, from, to });
    }
    assemble(rows, ports.names, columns.wavelength, limits)
}

fn assemble(mut rows: Vec<Row>, ports: Vec<String>, wavelength: bool, limits: &Limits) -> Result<Model> {
    let p = ports.len();
    rows.sort_by(|a, b| a.x.total_cmp(&b.x).then((a.to, a.from).cmp(&(b.to, b.from))));
    let mut x: Vec<f64> = rows.iter().map(|row| row.x).collect();
    x.dedup();
    limits.check(p, x.len())?;
    let mut s = vec![Complex64::ZERO; x.len() * p * p];
    let mut given = vec![0usize; p * p];
    let (mut k, mut last): (usize, Option<&Row>) = (0, None);
    for row in &rows {
        let (to, from) = (usize::from(row.to), usize::from(row.from));
        if let Some(last) = last {
            k += usize::from(last.x != row.x);
            if last.x == row.x && (last.to, last.from) == (row.to, row.from) {
                let what = format!("{} -> {} at {} stands twice", ports[from], ports[to], row.x);
                return Err(Error::new(what).at(last.line.max(row.line) as usize).help("remove one of the two rows"));
            }
        }
        s[(k * p + to) * p + from] = row.value;
        given[to * p + from] += 1;
        last = Some(row);
    }
    if let Some(at) = given.iter().position(|&count| count != 0 && count != x.len()) {
        let what = format!("{} -> {} has {} rows", ports[at % p], ports[at / p], given[at]);
        return Err(Error::new(what).expected(format!("one for each of the {} wavelengths", x.len())));
    }
    let missing = (0..p * p).filter(|&at| given[at] == 0).map(|at| (at / p, at % p)).collect();
    let make = if wavelength { Model::from_wavelengths } else { Model::from_frequencies };
    Ok(Model { missing, ..make(ports, x, s, limits)? })
}

/// Where the columns stand.
struct Columns {
    x: usize,
    wavelength: bool,
    from: usize,
    to: usize,
    re: usize,
    im: usize,
    count: usize,
}

impl Columns {
    fn of(header: &str, line: usize) -> Result<Self> {
        let names = split(header, line)?;
        let find = |name: &str| names.iter().position(|known| known == name);
        let need = |name: &str| {
            find(name).ok_or_else(|| {
                Error::new(format!("no column `{name}`")).at(line).expected(format!("the header {HEADER}"))
            })
        };
        let known = ["wl_um", "f_hz", "port_in", "port_out", "re", "im"];
        if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
            let what = format!("unknown column `{}`", clip(name));
            return Err(Error::new(what).at(line).expected(format!("the header {HEADER}")));
        }
        let wavelength = find("wl_um").is_some();
        if names.len() != 5 || (wavelength && find("f_hz").is_some()) {
            let what = "the header does not have each column once";
            return Err(Error::new(what).at(line).expected(HEADER));
        }
        let x = if wavelength { need("wl_um")? } else { find("f_hz").map_or_else(|| need("wl_um"), Ok)? };
        let (from, to) = (need("port_in")?, need("port_out")?);
        Ok(Self { x, wavelength, from, to, re: need("re")?, im: need("im")?, count: names.len() })
    }
}

/// Port names in order of their first appearance.
#[derive(Default)]
struct Ports {
    names: Vec<String>,
    index: HashMap<String, u16>,
}

impl Ports {
    fn index(&mut self, name: &str, line: usize, limits: &Limits) -> Result<u16> {
        if let Some(&at) = self.index.get(name) {
            return Ok(at);
        }
        limits.check(self.names.len() + 1, 0).map_err(|error| error.at(line))?;
        let at = u16::try_from(self.names.len()).map_err(|_| Error::new("too many ports").at(line))?;
        if name.is_empty() || name.len() > LONGEST_NAME {
            let what = if name.is_empty() { "a port without a name" } else { "the name of a port is too long" };
            return Err(Error::new(what).at(line).expected(format!("1 to {LONGEST_NAME} bytes")));
        }
        self.names.push(name.to_owned());
        self.index.insert(name.to_owned(), at);
        Ok(at)
    }
}

/// The fields of a line, blanks around them taken away; "quoted" ones may hold commas and doubled quotes.
fn split(line: &str, number: usize) -> Result<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = line.trim();
    loop {
        if fields.len() > 5 {
            return Err(Error::new("more than five columns").at(number).expected(HEADER));
        }
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut field = String::new();
            let mut chars = quoted.char_indices();
            let end = loop {
                match chars.next() {
                    Some((at, '"')) if quoted[at + 1..].starts_with('"') => {
                        field.push('"');
                        chars.next();
                    }
                    Some((at, '"')) => break at + 1,
                    Some((_, c)) => field.push(c),
                    None => return Err(Error::new("a quote is not closed").at(number).expected("`\"`")),
                }
            };
            fields.push(field);
            rest = quoted[end..].trim_start();
            if rest.is_empty() {
                return Ok(fields);
            }
            let Some(next) = rest.strip_prefix(',') else {
                return Err(Error::new(format!("`{}` follows a quoted field", clip(rest)))
                    .at(number)
                    .expected("a comma"));
            };
            rest = next.trim_start();
        } else {
            let (field, next) = rest.split_once(',').map_or((rest, None), |(field, next)| (field, Some(next)));
            fields.push(field.trim().to_owned());
            match next {
                Some(next) => rest = next.trim_start(),
                None => return Ok(fields),
            }
        }
    }
}

/// Writes a row for every wavelength (ascending) and ordered pair of ports; numbers read back to the same bits.
///
/// # Errors
/// What `out` reports.
pub fn write(model: &Model, out: &mut impl Write) -> io::Result<()> {
    let p = model.ports().len();
    let names: Vec<String> = model.ports().iter().map(|name| quoted(name)).collect();
    writeln!(out, "{HEADER}")?;
    for k in (0..model.samples()).rev() {
        let (wl, s) = (model.wl_um()[k], model.sample(k));
        for from in 0..p {
            for to in 0..p {
                let value = s[to * p + from];
                writeln!(out, "{wl:?},{},{},{:?},{:?}", names[from], names[to], value.re, value.im)?;
            }
        }
    }
    Ok(())
}

fn quoted(name: &str) -> String {
    if name.contains([',', '"']) { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(text: &str) -> Model {
        read(text, "m.csv", &Limits::default()).unwrap()
    }

    #[test]
    fn a_table_reads_in_any_order() {
        let text = "# measured\nport_out, port_in, im, re, f_hz\n\no2,o1,-0.5,0.25,2e14\no2,o1,0.5,0,1e14\n";
        let model = model(text);
        assert_eq!(model.ports(), ["o1", "o2"]);
        assert_eq!(model.f_hz(), [1e14, 2e14]);
        // [to, from]: o1 -> o2 is row 1, column 0.
        assert_eq!(model.sample(1)[2], Complex64::new(0.25, -0.5));
        assert_eq!(model.missing(), [(0, 0), (0, 1), (1, 1)]);
    }

    #[test]
    fn written_tables_read_back_to_the_bit() {
        let text = "wl_um,port_in,port_out,re,im\n1.5500000000000003,\"a,\"\"1\"\"\",b,0.1,1e-300\n\
                    1.3,\"a,\"\"1\"\"\",b,-0.0,5e-324\n";
        let first = model(text);
        assert_eq!(first.ports(), ["a,\"1\"", "b"]);
        let mut out = Vec::new();
        write(&first, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with("wl_um,port_in,port_out,re,im\n1.3,\"a,\"\"1\"\"\",\"a,\"\"1\"\"\",0.0,0.0\n"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1 + 2 * 4, "a row for every ordered pair");
        let again = model(&text);
        assert_eq!((again.ports(), again.wl_um(), &again.s), (first.ports(), first.wl_um(), &first.s));
        assert!(again.missing().is_empty());
    }

    #[test]
    fn bad_tables_say_where() {
        let head = "wl_um,port_in,port_out,re,im\n";
        for (text, expect) in [
            ("", "m.csv: the table is empty"),
            ("wl_um,port_in,port_out,re\n", "m.csv:1: the header does not have each column once"),
            ("wl_um,port_in,port_out,re,phase\n", "m.csv:1: unknown column `phase`"),
            ("wl_um,port_in,port_out,re,re\n", "m.csv:1: no column `im`"),
            ("wl_um,f_hz,port_in,port_out,re\n", "m.csv:1: the header"),
            (head, "m.csv: no S-parameters"),
            (&",".repeat(1000), "m.csv:1: more than five columns"),
            (&format!("{head}1.5,a,{},0,0\n", "b".repeat(300)), "m.csv:2: the name of a port is too long"),
            (&format!("{head}1.5,a,b,0\n"), "m.csv:2: 4 columns; expected 5"),
            (&format!("{head}1.5,a,b,zero,0\n"), "m.csv:2: `zero` is not a number"),
            (&format!("{head}1.5,a,b,nan,0\n"), "m.csv:2: `nan` is not finite"),
            (&format!("{head}1.5,a,,0,0\n"), "m.csv:2: a port without a name"),
            (&format!("{head}1.5,a,\"b,0,0\n"), "m.csv:2: a quote is not closed"),
            (&format!("{head}1.5,a,\"b\"c,0,0\n"), "m.csv:2: `c,0,0` follows"),
            (&format!("{head}1.5,a,b,0,0\n1.5,a,b,1,0\n"), "m.csv:3: a -> b at 1.5 stands twice"),
            (&format!("{head}1.5,a,b,0,0\n1.5,b,a,1,0\n1.6,a,b,1,0\n"), "m.csv: b -> a has 1 rows"),
            (&format!("{head}-1.5,a,b,0,0\n"), "expected a positive, finite frequency"),
        ] {
            let error = read(text, "m.csv", &Limits::default()).unwrap_err().to_string();
            assert!(error.contains(expect), "{text:?}: {error}");
        }
        let tight = Limits { values: 1, ..Limits::default() };
        let text = format!("{head}1.5,a,a,0,0\n1.6,a,a,0,0\n");
        assert!(read(&text, "", &tight).unwrap_err().to_string().contains("more than 1 rows"));
    }
}
