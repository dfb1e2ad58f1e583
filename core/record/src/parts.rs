//! Requests and answers as named values.

use crate::wire::{In, Out, Result, Wire};
use blackbeam_plugin::{ArrayView, Dtype};

/// Values of one type, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Values {
    U64(Vec<u64>),
    F64(Vec<f64>),
    F32(Vec<f32>),
    Bytes(Vec<u8>),
    Text(String),
}

const U64: u8 = 1;
const F64: u8 = 2;
const F32: u8 = 3;
const BYTES: u8 = 4;
const TEXT: u8 = 5;

/// One named value of a request or an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    pub name: String,
    pub shape: Vec<u64>,
    pub values: Values,
}

/// Puts parts together.
pub(crate) struct Parts<'a>(pub &'a mut Vec<u8>);

impl Parts<'_> {
    fn front(&mut self, kind: u8, name: &str, shape: &[u64]) {
        debug_assert!(name.len() < 256 && shape.len() < 256);
        self.0.extend_from_slice(&[kind, name.len() as u8]);
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(shape.len() as u8);
        shape.iter().for_each(|n| self.0.extend_from_slice(&n.to_le_bytes()));
    }

    fn elements<const N: usize, T: Copy>(&mut self, values: &[T], bytes: fn(T) -> [u8; N]) {
        // As a whole, which becomes a copy: these are most of a log.
        let start = self.0.len();
        self.0.resize(start + N * values.len(), 0);
        for (to, value) in self.0[start..].as_chunks_mut::<N>().0.iter_mut().zip(values) {
            *to = bytes(*value);
        }
    }

    pub fn u64s(&mut self, name: &str, values: &[u64]) {
        self.front(U64, name, &[values.len() as u64]);
        self.elements(values, u64::to_le_bytes);
    }

    pub fn number(&mut self, name: &str, value: u64) {
        self.u64s(name, &[value]);
    }

    pub fn f64s(&mut self, name: &str, values: &[f64]) {
        self.f64_array(name, &[values.len()], values);
    }

    pub fn f64_array(&mut self, name: &str, shape: &[usize], values: &[f64]) {
        self.front(F64, name, &wide(shape));
        self.elements(values, f64::to_le_bytes);
    }

    pub fn f32_array(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        self.front(F32, name, &wide(shape));
        self.elements(values, f32::to_le_bytes);
    }

    pub fn view(&mut self, name: &str, view: ArrayView<'_>) {
        let shape = view.shape().to_vec();
        match view.dtype() {
            Dtype::F64 => self.f64_array(name, &shape, view.as_f64().unwrap_or_default()),
            Dtype::F32 => self.f32_array(name, &shape, view.as_f32().unwrap_or_default()),
        }
    }

    pub fn bytes(&mut self, name: &str, values: &[u8]) {
        self.front(BYTES, name, &[values.len() as u64]);
        self.0.extend_from_slice(values);
    }

    pub fn text(&mut self, name: &str, text: &str) {
        self.front(TEXT, name, &[text.len() as u64]);
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Something that [`crate::wire`] describes.
    pub fn wired(&mut self, name: &str, write: impl FnOnce(&mut Out<'_>) -> Result) {
        let mut bytes = Vec::new();
        // Writing into memory does not fail.
        let _ = write(&mut Out(&mut bytes));
        self.bytes(name, &bytes);
    }
}

fn wide(shape: &[usize]) -> Vec<u64> {
    shape.iter().map(|&n| n as u64).collect()
}

/// Takes parts apart.
pub(crate) fn parts(bytes: &[u8]) -> Result<Vec<Part>> {
    let mut from = In(bytes);
    let mut parts = Vec::new();
    while !from.0.is_empty() {
        parts.push(part(&mut from)?);
    }
    Ok(parts)
}

fn part(from: &mut In<'_>) -> Result<Part> {
    let (mut kind, mut length, mut axes) = (0, 0, 0);
    from.u8(&mut kind)?;
    from.u8(&mut length)?;
    let name = text(from.take(u64::from(length))?)?;
    from.u8(&mut axes)?;
    let mut shape = vec![0; usize::from(axes)];
    shape.iter_mut().try_for_each(|n| from.u64(n))?;
    let count = shape.iter().try_fold(1u64, |a, &n| a.checked_mul(n)).ok_or("a shape beyond all sizes")?;
    let mut take = |size: u64| from.take(count.checked_mul(size).ok_or("a shape beyond all sizes")?);
    let values = match kind {
        U64 => Values::U64(take(8)?.as_chunks::<8>().0.iter().map(|c| u64::from_le_bytes(*c)).collect()),
        F64 => Values::F64(take(8)?.as_chunks::<8>().0.iter().map(|c| f64::from_le_bytes(*c)).collect()),
        F32 => Values::F32(take(4)?.as_chunks::<4>().0.iter().map(|c| f32::from_le_bytes(*c)).collect()),
        BYTES => Values::Bytes(take(1)?.to_vec()),
        TEXT => Values::Text(text(take(1)?)?),
        other => return Err(format!("a value of type {other}")),
    };
    Ok(Part { name, shape, values })
}

fn text(bytes: &[u8]) -> Result<String> {
    Ok(std::str::from_utf8(bytes).map_err(|_| "a text that is not UTF-8")?.to_owned())
}

/// The part of a name.
pub(crate) fn find<'a>(parts: &'a [Part], name: &str) -> Result<&'a Part> {
    parts.iter().find(|part| part.name == name).ok_or_else(|| format!("it holds no `{name}`"))
}

impl Part {
    fn wrong<T>(&self) -> Result<T> {
        Err(format!("`{}` is of another type", self.name))
    }

    pub fn u64s(&self) -> Result<&[u64]> {
        if let Values::U64(v) = &self.values { Ok(v) } else { self.wrong() }
    }

    pub fn number(&self) -> Result<u64> {
        self.u64s()?.first().copied().ok_or_else(|| format!("`{}` is empty", self.name))
    }

    pub fn f64s(&self) -> Result<&[f64]> {
        if let Values::F64(v) = &self.values { Ok(v) } else { self.wrong() }
    }

    pub fn f32s(&self) -> Result<&[f32]> {
        if let Values::F32(v) = &self.values { Ok(v) } else { self.wrong() }
    }

    pub fn bytes(&self) -> Result<&[u8]> {
        if let Values::Bytes(v) = &self.values { Ok(v) } else { self.wrong() }
    }

    /// What [`crate::wire`] describes.
    pub fn wired(&self, read: impl FnOnce(&mut In<'_>) -> Result) -> Result {
        let mut from = In(self.bytes()?);
        read(&mut from)?;
        from.end()
    }
}

/// The first difference between what was recorded and what is asked, in words; `None` if there is none.
pub(crate) fn difference(recorded: &[Part], asked: &[Part]) -> Option<String> {
    for (was, is) in recorded.iter().zip(asked) {
        if was.name != is.name {
            return Some(format!("it holds `{}` where `{}` is asked", was.name, is.name));
        }
        if let Some(found) = different(was, is) {
            return Some(found);
        }
    }
    (recorded.len() != asked.len())
        .then(|| format!("{} values were recorded, {} are asked", recorded.len(), asked.len()))
}

fn different(was: &Part, is: &Part) -> Option<String> {
    let name = &was.name;
    let found = match (&was.values, &is.values) {
        (Values::Text(a), Values::Text(b)) => {
            return (a != b).then(|| format!("{name}: `{a}` was recorded, `{b}` is asked"));
        }
        _ if was.shape != is.shape => {
            return Some(format!("{name}: shape {:?} was recorded, {:?} is asked", was.shape, is.shape));
        }
        (Values::U64(a), Values::U64(b)) => unequal(a, b, |v| *v),
        (Values::F64(a), Values::F64(b)) => unequal(a, b, |v| v.to_bits()),
        (Values::F32(a), Values::F32(b)) => unequal(a, b, |v| v.to_bits()),
        (Values::Bytes(a), Values::Bytes(b)) => unequal(a, b, |v| *v),
        _ => return Some(format!("{name}: values of another type were recorded")),
    };
    let Unequal { index, was: a, is: b, others } = found?;
    let place = place(&was.shape, index);
    let more = if others > 0 { format!(" (and {others} more differ)") } else { String::new() };
    Some(format!("{name}{place}: {a} was recorded, {b} is asked{more}"))
}

/// The first of the elements that differ.
struct Unequal {
    index: usize,
    was: String,
    is: String,
    others: usize,
}

/// Compares bits: zeros of either sign differ, and a NaN is equal to itself.
fn unequal<T: std::fmt::Display, B: PartialEq>(a: &[T], b: &[T], bits: fn(&T) -> B) -> Option<Unequal> {
    let mut all = a.iter().zip(b).enumerate().filter(|(_, (a, b))| bits(a) != bits(b));
    let (index, (was, is)) = all.next()?;
    Some(Unequal { index, was: was.to_string(), is: is.to_string(), others: all.count() })
}

/// Where element `index` of an array stands, in words.
fn place(shape: &[u64], index: usize) -> String {
    match *shape {
        [] | [0 | 1] => String::new(),
        [_] => format!(" {index}"),
        [.., columns] => format!(" row {}, column {}", index as u64 / columns.max(1), index as u64 % columns.max(1)),
    }
}
