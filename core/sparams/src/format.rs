//! Choice of the reader and writer.

use std::path::Path;

use crate::{Error, Limits, Model, Result, csv, lumerical, npz, siepic, touchstone};

/// A file format of S-parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Lumerical INTERCONNECT: `.dat`, `.sparam`, `.txt`.
    Lumerical,
    /// Touchstone 1: `.s1p`, `.s2p`, ..
    Touchstone,
    /// A folder of Lumerical files with a lookup table, chosen by parameters.
    Siepic,
    /// NumPy arrays: `.npz`.
    Npz,
    /// A table: `.csv`.
    Csv,
}

impl Format {
    /// All formats with their names in device files.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("lumerical", Self::Lumerical),
        ("touchstone", Self::Touchstone),
        ("siepic", Self::Siepic),
        ("npz", Self::Npz),
        ("csv", Self::Csv),
    ];

    /// From its name in a device file.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }

    /// From the end of a file's name. A folder is not looked at: [`Format::Siepic`] is never guessed.
    pub fn of_path(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "dat" | "sparam" | "txt" => Some(Self::Lumerical),
            "npz" => Some(Self::Npz),
            "csv" => Some(Self::Csv),
            _ => touchstone::ports_of_path(path).map(|_| Self::Touchstone),
        }
    }

    /// The phase sign of files of this format, where none is stated: -1 for Touchstone, whose convention is exp(+jwt),
    /// +1 for the others. Data of sign -1 go through [`Model::conjugated`]; [`read`] leaves data as they are in the file.
    pub fn phase_sign(self) -> i8 {
        if self == Self::Touchstone { -1 } else { 1 }
    }
}

/// Reads `path` as it is (see [`Format::phase_sign`]); without `format` the end of the name decides. `parameters` choose
/// the file of a SiEPIC folder; other formats take none. Errors name the file as `path` gives it.
///
/// # Errors
/// What is wrong with the file, and where.
pub fn read(path: &Path, format: Option<Format>, parameters: &[(String, f64)], limits: &Limits) -> Result<Model> {
    let file = path.display().to_string();
    read_as(path, &file, format, parameters, limits).map_err(|error| error.in_file(&file))
}

fn read_as(
    path: &Path,
    file: &str,
    format: Option<Format>,
    parameters: &[(String, f64)],
    limits: &Limits,
) -> Result<Model> {
    let Some(format) = format.or_else(|| Format::of_path(path)) else {
        let names: Vec<&str> = Format::NAMES.iter().map(|(name, _)| *name).collect();
        return Err(Error::new("the name does not tell the format")
            .expected(".dat, .sparam, .txt, .sNp, .npz or .csv")
            .help(format!("state `format:` ({})", names.join(", "))));
    };
    if format != Format::Siepic && !parameters.is_empty() {
        let what = format!("parameter `{}` for a single file", parameters[0].0);
        return Err(Error::new(what).expected("parameters with `format: siepic` only"));
    }
    match format {
        Format::Lumerical => lumerical::read(&limits.text_of(path)?, file, limits),
        Format::Touchstone => {
            let Some(ports) = touchstone::ports_of_path(path) else {
                let expected = "a name that ends in .sNp (N: number of ports), such as .s2p";
                return Err(Error::new("the name does not tell the number of ports").expected(expected));
            };
            touchstone::read(&limits.text_of(path)?, ports, file, limits)
        }
        Format::Siepic => siepic::read(path, parameters, limits),
        Format::Npz => npz::read(&limits.bytes_of(path)?, file, limits),
        Format::Csv => csv::read(&limits.text_of(path)?, file, limits),
    }
}

/// Writes `model` to `path` in the format its name ends in: `.csv`, `.npz`, or `.sNp` with the model's number of ports.
///
/// # Errors
/// Another end of the name, a wrong number of ports, or a file that cannot be written.
pub fn write(model: &Model, path: &Path) -> Result<()> {
    let file = path.display().to_string();
    let failed = |error: std::io::Error| Error::new(format!("cannot be written: {error}")).in_file(&file);
    let mut bytes = Vec::new();
    match Format::of_path(path) {
        Some(Format::Csv) => csv::write(model, &mut bytes).map_err(failed)?,
        Some(Format::Npz) => npz::write(model, &mut bytes).map_err(failed)?,
        Some(Format::Touchstone) => {
            let (given, ports) = (touchstone::ports_of_path(path), model.ports().len());
            if given != Some(ports) {
                let what = format!("the name says {} ports, the model has {ports}", given.unwrap_or(0));
                return Err(Error::new(what).in_file(&file).help(format!("end the name in .s{ports}p")));
            }
            touchstone::write(model, &mut bytes).map_err(failed)?;
        }
        _ => {
            let expected = format!(".csv, .npz or .s{}p", model.ports().len());
            return Err(Error::new("no such output format").in_file(&file).expected(expected));
        }
    }
    std::fs::write(path, bytes).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_by_name_and_path() {
        for (name, format) in Format::NAMES {
            assert_eq!(Format::by_name(name), Some(format));
        }
        let of = |name: &str| Format::of_path(Path::new(name));
        assert_eq!(of("a/gc.DAT"), Some(Format::Lumerical));
        assert_eq!(of("a.s12P"), Some(Format::Touchstone));
        assert_eq!(of("a.csv"), Some(Format::Csv));
        for name in ["a", "a.sp", "a.s0p", "a.sxp", "a.s99999999999999999999p", "a.xls"] {
            assert_eq!(of(name), None, "{name}");
        }
    }

    #[test]
    fn errors_name_the_file() {
        let limits = Limits::default();
        let error = |name: &str| read(Path::new(name), None, &[], &limits).unwrap_err().to_string();
        assert!(error("no/such.csv").starts_with("no/such.csv: cannot be read"));
        assert!(error("a.xls").contains("format"));
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path(), Some(Format::Csv), &[], &limits).unwrap_err().to_string().contains("not a file"));
        let path = folder.path().join("big.csv");
        std::fs::write(&path, vec![b' '; 101]).unwrap();
        let small = Limits { bytes: 100, ..limits };
        assert!(read(&path, None, &[], &small).unwrap_err().to_string().contains("larger than 100 bytes"));
        let given = [("gap".to_owned(), 1.0)];
        assert!(read(&path, None, &given, &limits).unwrap_err().to_string().contains("`gap`"));
    }

    #[test]
    fn every_writer_comes_back() {
        let csv = "wl_um,port_in,port_out,re,im\n1.5,a,b,0.1,-0.7\n1.6,a,b,0.30000000000000004,1e-30\n";
        let model = csv::read(csv, "", &Limits::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for name in ["m.csv", "m.npz", "m.s2p"] {
            let path = folder.path().join(name);
            write(&model, &path).unwrap();
            let mut back = read(&path, None, &[], &Limits::default()).unwrap();
            if Format::of_path(&path).unwrap().phase_sign() < 0 {
                back = back.conjugated();
            }
            assert_eq!(back.ports(), model.ports(), "{name}");
            for k in 0..2 {
                assert_eq!(back.sample(k), model.sample(k), "{name}");
                assert!((back.wl_um()[k] / model.wl_um()[k] - 1.0).abs() < 1e-15);
            }
        }
        for name in ["m.s3p", "m.dat", "m"] {
            assert!(write(&model, &folder.path().join(name)).is_err());
        }
    }
}
