//! NumPy's array files (.npy), format versions 1 to 3: real and complex numbers and text.
//!
//! Source: numpy.lib.format. Arrays are row-major here; files in Fortran order are turned round. Pickled objects are refused.

use std::path::Path;

use num_complex::Complex64;

use crate::number::clip;
use crate::{Error, Limits, Result};

/// Texts of an array; each takes far more memory than in the file.
const NAMES: usize = 1 << 16;

/// An array, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// The sizes of its axes; none for a single number.
    pub shape: Vec<usize>,
    /// Its elements, last axis fastest.
    pub data: Data,
}

/// The elements of an [`Array`].
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Integers, truth values and real numbers.
    Real(Vec<f64>),
    /// Complex numbers.
    Complex(Vec<Complex64>),
    /// Text.
    Text(Vec<String>),
}

impl Array {
    /// The elements as complex numbers; none for text.
    pub fn into_complex(self) -> Option<Vec<Complex64>> {
        match self.data {
            Data::Real(values) => Some(values.into_iter().map(Complex64::from).collect()),
            Data::Complex(values) => Some(values),
            Data::Text(_) => None,
        }
    }
}

/// Reads an .npy file.
///
/// # Errors
/// A file that cannot be read or is none of NumPy's.
pub fn read(path: &Path, limits: &Limits) -> Result<Array> {
    let file = path.display().to_string();
    limits.bytes_of(path).and_then(|bytes| parse(&bytes, limits)).map_err(|error| error.in_file(&file))
}

/// Reads the bytes of an .npy file.
///
/// # Errors
/// Bytes that are none, hold pickled objects, dates or records, or more elements than `limits.values`.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Array> {
    let (header, data) =
        split(bytes).ok_or_else(|| Error::new("this is not an array of NumPy").expected("an .npy file"))?;
    let unreadable =
        || Error::new(format!("the header `{}` cannot be read", clip(header.trim()))).expected("one of NumPy");
    let kind = value_of(header, "descr").and_then(quoted).ok_or_else(unreadable)?;
    let fortran = match value_of(header, "fortran_order").ok_or_else(unreadable)? {
        rest if rest.starts_with("True") => true,
        rest if rest.starts_with("False") => false,
        _ => return Err(unreadable()),
    };
    let shape = value_of(header, "shape").and_then(sizes).ok_or_else(unreadable)?;
    let element = Element::of(kind)?;
    let count = shape.iter().try_fold(1usize, |all, size| all.checked_mul(*size));
    if count.and_then(|count| count.checked_mul(element.bytes)) != Some(data.len()) {
        let expected = format!("{shape:?} elements of {} bytes", element.bytes);
        return Err(Error::new(format!("the array has {} bytes", data.len())).expected(expected));
    }
    let most = if matches!(element.kind, 'S' | 'U') { limits.values.min(NAMES) } else { limits.values };
    if data.len() / element.bytes > most {
        return Err(Error::new(format!("{} elements", data.len() / element.bytes)).expected(format!("at most {most}")));
    }
    let array = Array { data: element.read(data)?, shape };
    Ok(if fortran { row_major(array) } else { array })
}

/// The header and the data.
fn split(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let rest = bytes.strip_prefix(b"\x93NUMPY")?;
    let (length, start) = match *rest.first()? {
        1 => (u32::from(u16::from_le_bytes(rest.get(2..4)?.try_into().ok()?)), 4),
        2 | 3 => (u32::from_le_bytes(rest.get(2..6)?.try_into().ok()?), 6),
        _ => return None,
    };
    let body = rest.get(start..)?;
    let length = usize::try_from(length).ok()?;
    Some((std::str::from_utf8(body.get(..length)?).ok()?, body.get(length..)?))
}

/// What follows `'name':` in the header, a Python dictionary.
fn value_of<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let at = header.find(&format!("'{name}'"))?;
    Some(header[at + name.len() + 2..].trim_start().strip_prefix(':')?.trim_start())
}

fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('\'')?.split_once('\'').map(|(inner, _)| inner)
}

fn sizes(text: &str) -> Option<Vec<usize>> {
    let (inner, _) = text.strip_prefix('(')?.split_once(')')?;
    inner.split(',').map(str::trim).filter(|size| !size.is_empty()).map(|size| size.parse().ok()).collect()
}

/// A kind of element: `<c16` is (little-endian, 'c', 16 bytes).
struct Element {
    big: bool,
    kind: char,
    bytes: usize,
}

impl Element {
    fn of(descr: &str) -> Result<Self> {
        let unknown = || {
            let what = format!("elements of the kind `{}`", clip(descr));
            let help =
                if descr.contains('O') { "save without pickled objects" } else { "convert with .astype(complex)" };
            Error::new(what).expected("real or complex numbers or text").help(help)
        };
        let mut chars = descr.chars();
        let big = match chars.next() {
            Some('<' | '|') => false,
            Some('>') => true,
            _ => return Err(unknown()),
        };
        let kind = chars.next().ok_or_else(unknown)?;
        let size: usize = chars.as_str().parse().map_err(|_| unknown())?;
        let bytes = match (kind, size) {
            ('f', 4 | 8) | ('i' | 'u', 1 | 2 | 4 | 8) | ('b', 1) | ('c', 8 | 16) => size,
            ('S', 1..=4096) => size,
            ('U', 1..=1024) => 4 * size,
            _ => return Err(unknown()),
        };
        Ok(Self { big, kind, bytes })
    }

    fn read(&self, data: &[u8]) -> Result<Data> {
        let chunks = data.chunks_exact(self.bytes);
        Ok(match self.kind {
            'c' => Data::Complex(
                chunks
                    .map(|z| Complex64::new(self.real(&z[..self.bytes / 2]), self.real(&z[self.bytes / 2..])))
                    .collect(),
            ),
            'S' | 'U' => Data::Text(
                chunks
                    .map(|text| self.text(text))
                    .collect::<Option<_>>()
                    .ok_or_else(|| Error::new("text that is not Unicode").help("save names as str"))?,
            ),
            _ => Data::Real(chunks.map(|x| self.real(x)).collect()),
        })
    }

    /// One real number of 1, 2, 4 or 8 bytes.
    fn real(&self, bytes: &[u8]) -> f64 {
        let mut word = [0; 8];
        for (at, byte) in bytes.iter().enumerate() {
            word[if self.big { bytes.len() - 1 - at } else { at }] = *byte;
        }
        let unsigned = u64::from_le_bytes(word);
        let spare = 64 - 8 * bytes.len() as u32;
        match (self.kind, bytes.len()) {
            ('f' | 'c', 4) => f64::from(f32::from_bits(unsigned as u32)),
            ('f' | 'c', _) => f64::from_bits(unsigned),
            ('i', _) => (((unsigned << spare) as i64) >> spare) as f64,
            _ => unsigned as f64,
        }
    }

    fn text(&self, bytes: &[u8]) -> Option<String> {
        if self.kind == 'S' {
            return Some(std::str::from_utf8(bytes).ok()?.trim_end_matches('\0').to_owned());
        }
        let letter = |code: &[u8]| {
            let code = [code[0], code[1], code[2], code[3]];
            char::from_u32(if self.big { u32::from_be_bytes(code) } else { u32::from_le_bytes(code) })
        };
        let text: Option<String> = bytes.chunks_exact(4).map(letter).collect();
        text.map(|text| text.trim_end_matches('\0').to_owned())
    }
}

/// Turns elements in Fortran order round.
fn row_major(array: Array) -> Array {
    fn turn<T: Clone>(shape: &[usize], old: &[T]) -> Vec<T> {
        let place = |mut at: usize| {
            // The index of row-major element `at`, axis by axis, weighted as Fortran order has it.
            let mut stride = old.len();
            shape.iter().rev().fold(0, |sum, size| {
                stride /= size;
                let index = at % size;
                at /= size;
                sum + index * stride
            })
        };
        (0..old.len()).map(|at| old[place(at)].clone()).collect()
    }
    let data = match &array.data {
        Data::Real(old) => Data::Real(turn(&array.shape, old)),
        Data::Complex(old) => Data::Complex(turn(&array.shape, old)),
        Data::Text(old) => Data::Text(turn(&array.shape, old)),
    };
    Array { data, ..array }
}

/// The bytes of an .npy file of `array` (version 1.0): `<f8`, `<c16` or `<U..`.
pub fn bytes(array: &Array) -> Vec<u8> {
    let (kind, mut data) = match &array.data {
        Data::Real(values) => ("<f8".to_owned(), values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()),
        Data::Complex(values) => {
            ("<c16".to_owned(), values.iter().flat_map(|z| [z.re, z.im]).flat_map(f64::to_le_bytes).collect())
        }
        Data::Text(values) => {
            let width = values.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(1);
            let letters = |text: &str| {
                let mut codes: Vec<u32> = text.chars().map(u32::from).collect();
                codes.resize(width, 0);
                codes
            };
            (format!("<U{width}"), values.iter().flat_map(|text| letters(text)).flat_map(u32::to_le_bytes).collect())
        }
    };
    let shape: String = array.shape.iter().map(|size| format!("{size}, ")).collect();
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({}), }}", shape.trim_end());
    // The data begin at a multiple of 64 bytes; the header ends in a newline.
    let padding = 63 - (10 + header.len()) % 64;
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.append(&mut data);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file as NumPy lays it out, by hand.
    fn file(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn kinds_of_numbers() {
        let real =
            |descr: &str, data: &[u8]| parse(&file(descr, "False", "(1,)", data), &Limits::default()).unwrap().data;
        assert_eq!(real("<f8", &1.5f64.to_le_bytes()), Data::Real(vec![1.5]));
        assert_eq!(real(">f8", &1.5f64.to_be_bytes()), Data::Real(vec![1.5]));
        assert_eq!(real("<f4", &0.1f32.to_le_bytes()), Data::Real(vec![f64::from(0.1f32)]));
        assert_eq!(real("<i2", &(-3i16).to_le_bytes()), Data::Real(vec![-3.0]));
        assert_eq!(real("|u1", &[200]), Data::Real(vec![200.0]));
        assert_eq!(real("|b1", &[1]), Data::Real(vec![1.0]));
        let z = [0.5f32.to_be_bytes(), (-2f32).to_be_bytes()].concat();
        assert_eq!(real(">c8", &z), Data::Complex(vec![Complex64::new(0.5, -2.0)]));
        assert_eq!(real("|S4", b"o1\0\0"), Data::Text(vec!["o1".into()]));
        assert_eq!(real(">U2", &[0, 0, 0, 0x61, 0, 0, 0, 0]), Data::Text(vec!["a".into()]));
    }

    #[test]
    fn fortran_order_is_turned_round() {
        // np.arange(24).reshape(2, 3, 4) in Fortran order lists the first axis fastest.
        let mut data = Vec::new();
        for k in 0..4u8 {
            for j in 0..3 {
                data.extend((0..2).map(|i| i * 12 + j * 4 + k));
            }
        }
        let array = parse(&file("|u1", "True", "(2, 3, 4)", &data), &Limits::default()).unwrap();
        assert_eq!(array.data, Data::Real((0..24).map(f64::from).collect()));
        assert_eq!(array.shape, [2, 3, 4]);
    }

    #[test]
    fn what_is_written_reads_back() {
        for (shape, data) in [
            (vec![2, 2], Data::Real(vec![1.0, -2.5, f64::MIN_POSITIVE, 1e300])),
            (vec![1], Data::Complex(vec![Complex64::new(0.1, -0.0)])),
            (vec![2], Data::Text(vec!["o1".into(), "fibre µ".into()])),
            (vec![], Data::Real(vec![3.0])),
            (vec![0, 3], Data::Real(vec![])),
        ] {
            let array = Array { shape, data };
            let bytes = bytes(&array);
            assert_eq!(bytes.iter().position(|b| *b == b'\n').map(|end| (end + 1) % 64), Some(0));
            assert_eq!(parse(&bytes, &Limits::default()).unwrap(), array);
        }
    }

    #[test]
    fn bad_arrays_are_refused() {
        for (bytes, expect) in [
            (vec![], "not an array"),
            (b"\x93NUMPY\x09\x00\x01\x00 ".to_vec(), "not an array"),
            (b"\x93NUMPY\x01\x00\xff\xff{}".to_vec(), "not an array"),
            (b"\x93NUMPY\x01\x00\x02\x00{}".to_vec(), "cannot be read"),
            (file("|O", "False", "(1,)", &[0]), "pickled"),
            (file("<M8[s]", "False", "(1,)", &[0; 8]), "`<M8[s]`"),
            (file("<f8", "False", "(2,)", &[0; 8]), "8 bytes"),
            (file("<f8", "False", "(9223372036854775807, 4)", &[0; 8]), "8 bytes"),
            (file("<f8", "False", "(-1,)", &[0; 8]), "cannot be read"),
            (file("<U1", "False", "(1,)", &[0, 0, 0, 0xff]), "not Unicode"),
            (file("|u1", "False", "(1001,)", &[0; 1001]), "1001 elements; expected at most 1000"),
        ] {
            let error = parse(&bytes, &Limits { values: 1000, ..Limits::default() }).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        }
    }
}
