//! NumPy's archives (.npz) with the arrays
//!
//! - `wl_um` or `f_hz`, of shape `[n]`: wavelengths in micrometres or frequencies in hertz;
//! - `s`, of shape `[n, ports, ports]`: `s[k, to, from]`, the amplitude out of `to` for a unit amplitude into `from`;
//! - `ports`, text of shape `[ports]`: their names; `o1`, `o2`, .. without it.
//!
//! Other arrays are not looked at. `np.savez` and `np.savez_compressed` both write such files.

use std::io::{self, Read, Write};

use flate2::bufread::DeflateDecoder;
use rawzip::{CompressionMethod, ZipArchive, ZipArchiveWriter};

use crate::npy::{self, Array, Data};
use crate::{Error, Limits, Model, Result};

/// Entries of an archive that are looked at.
const ENTRIES: usize = 1024;

/// Reads an archive. `file` names it in errors.
///
/// # Errors
/// What is wrong, and in which array.
pub fn read(bytes: &[u8], file: &str, limits: &Limits) -> Result<Model> {
    parse(bytes, limits).map_err(|error| error.in_file(file))
}

fn parse(bytes: &[u8], limits: &Limits) -> Result<Model> {
    let [wl, f, s, ports] = arrays(bytes, limits, ["wl_um", "f_hz", "s", "ports"])?;
    let (axis, name, make): (_, _, fn(_, _, _, &Limits) -> _) = match (wl, f) {
        (Some(wl), None) => (wl, "wl_um", Model::from_wavelengths),
        (None, Some(f)) => (f, "f_hz", Model::from_frequencies),
        _ => return Err(Error::new("wavelengths or frequencies").expected("one of the arrays `wl_um` and `f_hz`")),
    };
    let (n, axis) = match axis {
        Array { shape, data: Data::Real(values) } if shape.len() == 1 => (shape[0], values),
        other => return Err(Error::new(describe(name, &other)).expected("real numbers of shape [n]")),
    };
    let s = s.ok_or_else(|| Error::new("no array `s`").expected("`s` of shape [n, ports, ports]"))?;
    let p = match *s.shape.as_slice() {
        [samples, to, from] if samples == n && to == from && !matches!(s.data, Data::Text(_)) => to,
        _ => return Err(Error::new(describe("s", &s)).expected(format!("numbers of shape [{n}, ports, ports]"))),
    };
    limits.check(p, n)?;
    let ports = match ports {
        None => (1..=p).map(|port| format!("o{port}")).collect(),
        Some(Array { shape, data: Data::Text(names) }) if shape == [p] => names,
        Some(other) => return Err(Error::new(describe("ports", &other)).expected(format!("{p} names"))),
    };
    make(ports, axis, s.into_complex().unwrap_or_default(), limits)
}

fn describe(name: &str, array: &Array) -> String {
    let kind = match array.data {
        Data::Real(_) => "real numbers",
        Data::Complex(_) => "complex numbers",
        Data::Text(_) => "text",
    };
    format!("the array `{name}` is {kind} of shape {:?}", array.shape)
}

/// The arrays `names` of an archive.
fn arrays<const N: usize>(bytes: &[u8], limits: &Limits, names: [&str; N]) -> Result<[Option<Array>; N]> {
    let broken =
        |error: rawzip::Error| Error::new(format!("not an archive of NumPy: {error}")).expected("an .npz file");
    let archive = ZipArchive::from_slice(bytes).map_err(broken)?;
    let mut found = [const { None }; N];
    let mut entries = archive.entries();
    let mut count = 0;
    while let Some(entry) = entries.next_entry().map_err(broken)? {
        count += 1;
        if count > ENTRIES {
            return Err(Error::new(format!("more than {ENTRIES} arrays in the archive")));
        }
        let path = entry.file_path();
        let known = |name: &&str| path.as_bytes().strip_suffix(b".npy") == Some(name.as_bytes());
        let Some(at) = names.iter().position(known) else { continue };
        let named = |error: Error| Error { what: format!("array `{}`: {}", names[at], error.what), ..error };
        let local = archive.get_entry(entry.wayfinder()).map_err(broken)?;
        let bytes = match entry.compression_method() {
            CompressionMethod::STORE => unpack(local.verifying_reader(local.data()), limits),
            CompressionMethod::DEFLATE => unpack(local.verifying_reader(DeflateDecoder::new(local.data())), limits),
            other => Err(Error::new(format!("packed by method {}", other.as_u16())).expected("np.savez")),
        };
        if found[at].replace(bytes.and_then(|bytes| npy::parse(&bytes, limits)).map_err(named)?).is_some() {
            return Err(Error::new(format!("two arrays `{}`", names[at])));
        }
    }
    Ok(found)
}

fn unpack(reader: impl Read, limits: &Limits) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // Headers of arrays come on top of their numbers.
    let most = limits.bytes.saturating_add(1 << 16);
    let mut reader = reader.take(most + 1);
    reader.read_to_end(&mut bytes).map_err(|error| Error::new(format!("the packed data are damaged ({error})")))?;
    if bytes.len() as u64 > most {
        return Err(Error::new(format!("more than {} bytes", limits.bytes)).help("keep fewer samples"));
    }
    Ok(bytes)
}

/// Writes `wl_um` (ascending), `s` and `ports`, packed; the same model gives the same bytes.
///
/// # Errors
/// What `out` reports.
pub fn write(model: &Model, out: &mut impl Write) -> io::Result<()> {
    let (n, p) = (model.samples(), model.ports().len());
    let wl = model.wl_um().iter().rev().copied().collect();
    let s = (0..n).rev().flat_map(|k| model.sample(k)).copied().collect();
    let arrays = [
        ("wl_um.npy", Array { shape: vec![n], data: Data::Real(wl) }),
        ("s.npy", Array { shape: vec![n, p, p], data: Data::Complex(s) }),
        ("ports.npy", Array { shape: vec![p], data: Data::Text(model.ports().to_vec()) }),
    ];
    let mut archive = ZipArchiveWriter::new(out);
    for (name, array) in arrays {
        pack(&mut archive, name, &npy::bytes(&array)).map_err(io::Error::other)?;
    }
    archive.finish().map_err(io::Error::other)?;
    Ok(())
}

fn pack<W: Write>(archive: &mut ZipArchiveWriter<W>, name: &str, bytes: &[u8]) -> Result<(), rawzip::Error> {
    let (mut entry, config) = archive.new_file(name).compression_method(CompressionMethod::DEFLATE).start()?;
    let encoder = flate2::write::DeflateEncoder::new(&mut entry, flate2::Compression::default());
    let mut writer = config.wrap(encoder);
    writer.write_all(bytes)?;
    let (encoder, descriptor) = writer.finish()?;
    encoder.finish()?;
    entry.finish(descriptor)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use num_complex::Complex64;

    use super::*;

    fn archive(arrays: &[(&str, Array)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut archive = ZipArchiveWriter::new(&mut bytes);
        for (name, array) in arrays {
            pack(&mut archive, name, &npy::bytes(array)).unwrap();
        }
        archive.finish().unwrap();
        bytes
    }

    fn real(shape: &[usize]) -> Array {
        let count: usize = shape.iter().product();
        Array { shape: shape.to_vec(), data: Data::Real((1..=count).map(|k| k as f64).collect()) }
    }

    fn text(names: &[&str]) -> Array {
        Array { shape: vec![names.len()], data: Data::Text(names.iter().map(|&n| n.to_owned()).collect()) }
    }

    #[test]
    fn archives_read_back_to_the_bit() {
        let s = (0..8).map(|i| Complex64::new(f64::from(i).sqrt(), -1e-200)).collect();
        let wl = vec![1.5500000000000003, 1.3];
        let first = Model::from_wavelengths(vec!["a".into(), "λ".into()], wl, s, &Limits::default()).unwrap();
        let mut bytes = Vec::new();
        write(&first, &mut bytes).unwrap();
        assert_eq!(read(&bytes, "m.npz", &Limits::default()).unwrap(), first);
    }

    #[test]
    fn names_are_optional_and_axes_are_to_from() {
        let bytes = archive(&[("f_hz.npy", real(&[1])), ("s.npy", real(&[1, 2, 2])), ("other.npy", real(&[3]))]);
        let model = read(&bytes, "", &Limits::default()).unwrap();
        assert_eq!(model.ports(), ["o1", "o2"]);
        assert_eq!(model.sample(0)[1].re, 2.0, "to o1 from o2");
    }

    #[test]
    fn bad_archives_say_what() {
        let axis = ("wl_um.npy", real(&[2]));
        let s = ("s.npy", real(&[2, 1, 1]));
        let good = archive(&[axis.clone(), s.clone()]);
        let mut damaged = good.clone();
        damaged[60] ^= 0x55;
        let stub = npy::bytes(&real(&[2]));
        for (bytes, expect) in [
            (vec![], "not an archive"),
            (b"PK\x05\x06 and so on".to_vec(), "not an archive"),
            (good[..good.len() - 30].to_vec(), "not an archive"),
            (stub, "not an archive"),
            (damaged, "array `wl_um`"),
            (archive(&[]), "one of the arrays `wl_um` and `f_hz`"),
            (archive(&[axis.clone(), ("f_hz.npy", real(&[2])), s.clone()]), "one of the arrays"),
            (archive(std::slice::from_ref(&axis)), "no array `s`"),
            (archive(&[("wl_um.npy", real(&[2, 1])), s.clone()]), "the array `wl_um` is real numbers of shape [2, 1]"),
            (archive(&[axis.clone(), ("s.npy", real(&[2, 1, 2]))]), "expected numbers of shape [2, ports, ports]"),
            (archive(&[axis.clone(), ("s.npy", text(&["a"]))]), "the array `s` is text"),
            (archive(&[axis.clone(), s.clone(), ("ports.npy", text(&["a", "b"]))]), "expected 1 names"),
            (archive(&[axis.clone(), s.clone(), s.clone()]), "two arrays `s`"),
        ] {
            let error = read(&bytes, "m.npz", &Limits::default()).unwrap_err().to_string();
            assert!(error.starts_with("m.npz: ") && error.contains(expect), "{error}");
        }
        // A small archive may unfold to much.
        let zeros = Array { shape: vec![1 << 20], data: Data::Real(vec![0.0; 1 << 20]) };
        let bytes = archive(&[("wl_um.npy", zeros), s]);
        let tight = Limits { bytes: 1 << 20, ..Limits::default() };
        assert!(bytes.len() < 1 << 16);
        assert!(read(&bytes, "", &tight).unwrap_err().to_string().contains("more than 1048576 bytes"));
    }
}
