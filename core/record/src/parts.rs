//! Requests and answers as named values.

use blackbeam_plugin::{ArrayView, Dtype};
use blackbeam_wire::{Reader, Result, Wire, whole};

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
        u64::put_each(shape, self.0);
    }

    pub fn u64s(&mut self, name: &str, values: &[u64]) {
        self.front(U64, name, &[values.len() as u64]);
        u64::put_each(values, self.0);
    }

    pub fn number(&mut self, name: &str, value: u64) {
        self.u64s(name, &[value]);
    }

    pub fn f64s(&mut self, name: &str, values: &[f64]) {
        self.f64_array(name, &[values.len()], values);
    }

    pub fn f64_array(&mut self, name: &str, shape: &[usize], values: &[f64]) {
        self.front(F64, name, &wide(shape));
        f64::put_each(values, self.0);
    }

    pub fn f32_array(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        self.front(F32, name, &wide(shape));
        f32::put_each(values, self.0);
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

    /// One of the interface's types.
    pub fn wired(&mut self, name: &str, value: &impl Wire) {
        let mut bytes = Vec::new();
        value.put(&mut bytes);
        self.bytes(name, &bytes);
    }
}

fn wide(shape: &[usize]) -> Vec<u64> {
    shape.iter().map(|&n| n as u64).collect()
}

/// Takes parts apart.
pub(crate) fn parts(bytes: &[u8]) -> Result<Vec<Part>> {
    let mut from = Reader(bytes);
    let mut parts = Vec::new();
    while !from.0.is_empty() {
        parts.push(part(&mut from)?);
    }
    Ok(parts)
}

fn part(from: &mut Reader<'_>) -> Result<Part> {
    let (kind, length) = (u8::get(from)?, u8::get(from)?);
    let name = text(u8::get_each(from, usize::from(length))?)?;
    let axes = u8::get(from)?;
    let shape = u64::get_each(from, usize::from(axes))?;
    let count = shape.iter().try_fold(1, |a: usize, &n| a.checked_mul(usize::try_from(n).ok()?));
    let count = count.ok_or("a shape beyond all sizes")?;
    let values = match kind {
        U64 => Values::U64(Wire::get_each(from, count)?),
        F64 => Values::F64(Wire::get_each(from, count)?),
        F32 => Values::F32(Wire::get_each(from, count)?),
        BYTES => Values::Bytes(Wire::get_each(from, count)?),
        TEXT => Values::Text(text(Wire::get_each(from, count)?)?),
        other => return Err(format!("a value of type {other}")),
    };
    Ok(Part { name, shape, values })
}

fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| "a text that is not UTF-8".into())
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

    /// One of the interface's types.
    pub fn wired<T: Wire>(&self) -> Result<T> {
        whole(self.bytes()?)
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
