//! SiEPIC's libraries: a folder of Lumerical files and a lookup table that says which file belongs to which geometry.
//!
//! ```text
//! <lumerical_lookup_table version="1.0" name="index_table">
//!   <association>
//!     <design> <value name="height" type="double">2.2e-07</value> </design>
//!     <extracted> <value name="y_sparam" type="string">thickness=220.sparam</value> </extracted>
//!   </association>
//! </lumerical_lookup_table>
//! ```
//!
//! The table is the one .xml file of the folder, or of several the one whose name ends in `lookup_table.xml`. Parameters
//! are given as the table has them (SI: metres) and must meet an entry; nothing is interpolated between geometries. A
//! parameter that is the same in all entries may be left out.

use std::path::{Component, Path, PathBuf};

use crate::number::{clip, number};
use crate::{Error, Limits, Model, Result, lumerical};

/// Parameters that differ less than this, relatively, are the same.
const SAME: f64 = 1e-6;
/// Entries of a folder, and entries of a table, that are looked at.
const ENTRIES: usize = 10_000;
/// Bytes from one `<` to the next.
const TAG: usize = 16_384;

struct Entry {
    design: Vec<(String, f64)>,
    file: String,
    line: usize,
}

/// Reads the file of the folder (or of the lookup table's folder, if `path` is a table) that belongs to `parameters`.
///
/// # Errors
/// A folder without table, parameters that choose no file or several, or what is wrong with the file.
pub fn read(path: &Path, parameters: &[(String, f64)], limits: &Limits) -> Result<Model> {
    let table = if path.is_dir() { table_of(path)? } else { path.to_owned() };
    let name = table.display().to_string();
    // Tables are small: entities and attributes of a hostile one cost more than their bytes.
    let small = Limits { bytes: limits.bytes.min(1 << 20), ..*limits };
    let entries = small.text_of(&table).and_then(|text| entries(&text)).map_err(|error| error.in_file(&name))?;
    let entry = choose(&entries, parameters).map_err(|error| error.in_file(&name))?;
    // A table may not lead out of its folder.
    let mut parts = Path::new(&entry.file).components();
    if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
        let what = format!("`{}` is not a file of the same folder", clip(&entry.file));
        return Err(Error::new(what).in_file(&name).at(entry.line).expected("a plain name"));
    }
    let file = table.with_file_name(&entry.file);
    let name = file.display().to_string();
    let text = limits.text_of(&file).map_err(|error| error.in_file(&name))?;
    lumerical::read(&text, &name, limits)
}

/// The lookup table of a folder.
fn table_of(folder: &Path) -> Result<PathBuf> {
    let failed = |error: std::io::Error| Error::new(format!("the folder cannot be read: {error}"));
    let mut tables = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)?.take(ENTRIES) {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("xml")) {
            tables.push(path);
        }
    }
    tables.sort();
    let named =
        |path: &&PathBuf| path.to_str().is_some_and(|name| name.to_ascii_lowercase().ends_with("lookup_table.xml"));
    let looked_up: Vec<&PathBuf> = tables.iter().filter(named).collect();
    match (tables.as_slice(), looked_up.as_slice()) {
        ([table], _) => Ok(table.clone()),
        (_, [table]) => Ok((*table).clone()),
        ([], _) => Err(Error::new("the folder has no lookup table").expected("an .xml file beside the S-parameters")),
        _ => {
            let names: Vec<_> = tables.iter().filter_map(|path| path.file_name()?.to_str()).collect();
            let what = format!("the folder has {} tables: {}", names.len(), clip(&names.join(", ")));
            Err(Error::new(what).help("name the table itself as `file:`"))
        }
    }
}

fn entries(text: &str) -> Result<Vec<Entry>> {
    // Attributes of one tag are compared with one another: no tag may have thousands.
    if let Some(tag) = text.split('<').find(|tag| tag.len() > TAG) {
        return Err(Error::new(format!("a tag of {} bytes", tag.len())).expected(format!("at most {TAG}")));
    }
    let options =
        roxmltree::ParsingOptions { nodes_limit: 20 * ENTRIES as u32, ..roxmltree::ParsingOptions::default() };
    let document = roxmltree::Document::parse_with_options(text, options).map_err(|error| {
        Error::new(format!("the table is broken: {error}")).at(error.pos().row as usize).expected("well-formed XML")
    })?;
    let root = document.root_element();
    let line = |node: roxmltree::Node<'_, '_>| document.text_pos_at(node.range().start).row as usize;
    if !root.has_tag_name("lumerical_lookup_table") {
        let what = format!("the root is <{}>", clip(root.tag_name().name()));
        return Err(Error::new(what).at(line(root)).expected("<lumerical_lookup_table>"));
    }
    let mut entries = Vec::new();
    for association in root.children().filter(|node| node.has_tag_name("association")) {
        let values = |part: &'static str| {
            let parts = association.children().filter(move |node| node.has_tag_name(part));
            parts.flat_map(|part| part.children()).filter(|node| node.has_tag_name("value"))
        };
        let mut design = Vec::new();
        for value in values("design") {
            let name = value.attribute("name").ok_or_else(|| Error::new("a value without a name").at(line(value)))?;
            design.push((name.to_owned(), number(value.text().unwrap_or("").trim(), line(value))?));
        }
        let mut files = values("extracted").filter(|value| value.attribute("type") == Some("string"));
        let (Some(file), None) = (files.next(), files.next()) else {
            let what = "an entry that does not name one file";
            return Err(Error::new(what).at(line(association)).expected("one <value type=\"string\"> in <extracted>"));
        };
        // Some libraries add cached copies of other formats after a semicolon.
        let name = file.text().unwrap_or("").split(';').next().unwrap_or("").trim();
        entries.push(Entry { design, file: name.to_owned(), line: line(file) });
    }
    if entries.is_empty() {
        return Err(Error::new("the table has no entry").expected("<association> entries"));
    }
    Ok(entries)
}

fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= SAME * a.abs().max(b.abs())
}

fn choose<'a>(entries: &'a [Entry], parameters: &[(String, f64)]) -> Result<&'a Entry> {
    let mut left: Vec<&Entry> = entries.iter().collect();
    for (name, value) in parameters {
        let of = |entry: &Entry| entry.design.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
        let mut known: Vec<f64> = left.iter().filter_map(|entry| of(entry)).collect();
        if known.is_empty() {
            let names: Vec<&str> = entries[0].design.iter().map(|(name, _)| name.as_str()).collect();
            return Err(Error::new(format!("no parameter `{}` in the table", clip(name))).expected(names.join(", ")));
        }
        left.retain(|entry| of(entry).is_some_and(|known| same(known, *value)));
        if left.is_empty() {
            known.sort_by(f64::total_cmp);
            known.dedup();
            let listed: Vec<String> = known.iter().take(20).map(|value| format!("{value:e}")).collect();
            let error = Error::new(format!("{name} = {value} is not in the table")).expected(listed.join(", "));
            let metres = known.iter().any(|known| same(*known, value * 1e-6));
            return Err(if metres {
                error.help("the table is in metres, the value looks like micrometres")
            } else {
                error
            });
        }
    }
    if let [entry] = left.as_slice() {
        return Ok(entry);
    }
    let differs = |name: &str, value: f64| {
        left.iter().any(|entry| entry.design.iter().any(|(known, other)| known == name && !same(*other, value)))
    };
    let open: Vec<&str> =
        left[0].design.iter().filter(|(name, value)| differs(name, *value)).map(|(name, _)| name.as_str()).collect();
    let error = Error::new(format!("the parameters leave {} files to choose from", left.len()));
    Err(if open.is_empty() {
        error.at(left[1].line).help("remove entries of the table that are the same")
    } else {
        error.expected(format!("a value of {}", open.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(entries: &[(&str, &str, &str)]) -> String {
        let entry = |(height, width, file): &(&str, &str, &str)| {
            format!(
                "<association>\n<design><value name=\"height\" type=\"double\">{height}</value>\n\
                 <value name=\"width\" type=\"double\">{width}</value></design>\n\
                 <extracted><value name=\"y_sparam\" type=\"string\">{file}</value></extracted>\n</association>\n"
            )
        };
        let entries: String = entries.iter().map(entry).collect();
        format!("<lumerical_lookup_table version=\"1.0\" name=\"index_table\">\n{entries}</lumerical_lookup_table>\n")
    }

    fn folder(table: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("y_lookup_table.xml"), table).unwrap();
        for size in ["0.1", "0.2"] {
            let text = format!("('a','TE',1,'a',1,'transmission')\n(1,3)\n2e14 {size} 0\n");
            std::fs::write(folder.path().join(format!("y {size}.sparam")), text).unwrap();
        }
        folder
    }

    fn open(folder: &tempfile::TempDir, parameters: &[(&str, f64)]) -> Result<f64, String> {
        let parameters: Vec<_> = parameters.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        let model = read(folder.path(), &parameters, &Limits::default()).map_err(|error| error.to_string())?;
        Ok(model.sample(0)[0].re)
    }

    #[test]
    fn parameters_choose_the_file() {
        let folder =
            folder(&table(&[("2.1e-07", "5e-07", "y 0.1.sparam"), ("2.2e-07", "5e-07", "y 0.2.sparam;y.npz")]));
        assert_eq!(open(&folder, &[("height", 2.1e-7), ("width", 0.5e-6)]), Ok(0.1));
        assert_eq!(open(&folder, &[("height", 0.22e-6)]), Ok(0.2), "the width is the same everywhere");
        let error = |parameters: &[(&str, f64)]| open(&folder, parameters).unwrap_err();
        assert!(error(&[]).contains("leave 2 files to choose from; expected a value of height"));
        assert!(error(&[("gap", 1.0)]).contains("no parameter `gap` in the table; expected height, width"));
        assert!(
            error(&[("height", 2.3e-7)]).contains("height = 0.00000023 is not in the table; expected 2.1e-7, 2.2e-7")
        );
        assert!(error(&[("height", 0.22)]).contains("micrometres"));
        // Several tables, none named so: which?
        std::fs::write(folder.path().join("other.xml"), "<a/>").unwrap();
        assert_eq!(open(&folder, &[("height", 0.22e-6)]), Ok(0.2));
        std::fs::rename(folder.path().join("y_lookup_table.xml"), folder.path().join("map.xml")).unwrap();
        assert!(error(&[]).contains("2 tables: map.xml, other.xml"));
        let direct = read(&folder.path().join("map.xml"), &[("height".into(), 2.1e-7)], &Limits::default()).unwrap();
        assert_eq!(direct.sample(0)[0].re, 0.1);
    }

    #[test]
    fn bad_tables_say_where() {
        for (text, expect) in [
            ("", "y_lookup_table.xml:1: the table is broken"),
            ("<a>\n</b>", "y_lookup_table.xml:2: the table is broken"),
            ("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", "the table is broken"),
            ("<a/>", "y_lookup_table.xml:1: the root is <a>"),
            ("<lumerical_lookup_table/>", "y_lookup_table.xml: the table has no entry"),
            (
                "<lumerical_lookup_table>\n<association/></lumerical_lookup_table>",
                "y_lookup_table.xml:2: an entry that does not",
            ),
            (&table(&[("high", "1", "y 0.1.sparam")]), "y_lookup_table.xml:3: `high` is not a number"),
            (
                &table(&[("1", "1", "../y 0.1.sparam")]),
                "y_lookup_table.xml:5: `../y 0.1.sparam` is not a file of the same folder",
            ),
            (&table(&[("1", "1", "/etc/passwd")]), "is not a file of the same folder"),
            (&table(&[("1", "1", "..")]), "is not a file of the same folder"),
            (&table(&[("1", "1", "none.sparam")]), "none.sparam: cannot be read"),
            (&format!("<a {}/>", "b='' ".repeat(5000)), "a tag of 25004 bytes"),
            (&"<a>".repeat(100_000), "the table is broken"),
            (&table(&[("1", "1", "a"), ("1", "1", "b")]), "remove entries of the table that are the same"),
        ] {
            let error = open(&folder(text), &[]).unwrap_err();
            assert!(error.contains(expect), "{text:?}: {error}");
        }
        let empty = tempfile::tempdir().unwrap();
        assert!(open(&empty, &[]).unwrap_err().contains("no lookup table"));
    }
}
