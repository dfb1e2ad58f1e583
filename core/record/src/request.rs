//! What each call of a device looks like in a log: its request and its answer as parts.

use crate::parts::{Part, Parts, find, parts};
use blackbeam_plugin::{Applied, ArrayView, ArrayViewMut, Descriptor, Dtype, Form, Health, Matrix, ParameterSet};
use blackbeam_wire::Result;

/// An array that is to be filled, which has to be seen again after the call that fills it.
pub(crate) struct Filled<'a> {
    values: Elements<'a>,
    shape: Vec<usize>,
}

enum Elements<'a> {
    F64(&'a mut [f64]),
    F32(&'a mut [f32]),
}

impl<'a> Filled<'a> {
    pub fn new(view: &'a mut ArrayViewMut<'_>) -> blackbeam_plugin::Result<Self> {
        let shape = view.shape().to_vec();
        let values = match view.dtype() {
            Dtype::F64 => Elements::F64(view.as_f64()?),
            Dtype::F32 => Elements::F32(view.as_f32()?),
        };
        Ok(Filled { values, shape })
    }

    /// What the device fills.
    pub fn view(&mut self) -> ArrayViewMut<'_> {
        match &mut self.values {
            Elements::F64(v) => ArrayViewMut::new(v, &self.shape),
            Elements::F32(v) => ArrayViewMut::new_f32(v, &self.shape),
        }
    }

    /// What is asked for: bytes of an element, then the shape.
    fn put_shape(&self, out: &mut Parts<'_>, name: &str) {
        let size = if matches!(self.values, Elements::F64(_)) { 8 } else { 4 };
        let shape: Vec<u64> = std::iter::once(size).chain(self.shape.iter().map(|&n| n as u64)).collect();
        out.u64s(name, &shape);
    }

    /// What it was filled with.
    pub fn put(&self, out: &mut Parts<'_>, name: &str) {
        match &self.values {
            Elements::F64(v) => out.f64_array(name, &self.shape, v),
            Elements::F32(v) => out.f32_array(name, &self.shape, v),
        }
    }

    /// Fills it with what was recorded.
    pub fn fill(&mut self, part: &Part) -> Result {
        match &mut self.values {
            Elements::F64(to) => copy(part.f64s()?, to, &part.name),
            Elements::F32(to) => copy(part.f32s()?, to, &part.name),
        }
    }
}

/// Copies as many numbers as there have to be.
pub(crate) fn copy<T: Copy>(from: &[T], to: &mut [T], name: &str) -> Result {
    if from.len() != to.len() {
        return Err(format!("`{name}` has {} elements, {} are needed", from.len(), to.len()));
    }
    to.copy_from_slice(from);
    Ok(())
}

pub(crate) fn write_params(out: &mut Vec<u8>, params: &[f64]) {
    Parts(out).f64s("parameter", params);
}

/// Forwards or backwards.
pub(crate) fn query(out: &mut Vec<u8>, sent: (&str, ArrayView<'_>), wanted: (&str, &Filled<'_>)) {
    let mut out = Parts(out);
    out.view(sent.0, sent.1);
    wanted.1.put_shape(&mut out, &format!("shape of {}", wanted.0));
}

/// What `query_sets` and `query_scalars` have in common.
pub(crate) struct Several<'a> {
    pub bases: [&'a [f64]; 2],
    pub sets: &'a [ParameterSet],
    pub x: ArrayView<'a>,
    pub want_applied: bool,
}

impl Several<'_> {
    fn put(&self, out: &mut Parts<'_>) {
        out.f64s("current parameter", self.bases[0]);
        out.f64s("previous parameter", self.bases[1]);
        let numbers = |number: fn(&ParameterSet) -> u64| self.sets.iter().map(number).collect::<Vec<u64>>();
        out.u64s("form of set", &numbers(|s| s.form as u64));
        out.u64s("base of set", &numbers(|s| s.base as u64));
        if self.sets.iter().any(|s| s.form == Form::Keyed) {
            out.u64s("direction of set", &numbers(|s| s.direction as u64));
            out.u64s("key of set", &numbers(|s| s.key.seed));
            out.u64s("stream of set", &numbers(|s| s.key.stream));
            out.f64s("scale of set", &self.sets.iter().map(|s| s.scale).collect::<Vec<f64>>());
        }
        out.u64s("offset of set", &numbers(|s| s.offset as u64));
        out.u64s("indices in set", &numbers(|s| s.indices.len() as u64));
        out.u64s("values in set", &numbers(|s| s.values.len() as u64));
        let indices = self.sets.iter().flat_map(|s| s.indices.iter().map(|&i| u64::from(i)));
        out.u64s("index", &indices.collect::<Vec<u64>>());
        let values: Vec<f64> = self.sets.iter().flat_map(|s| s.values.iter().copied()).collect();
        out.f64s("value", &values);
        out.view("x", self.x);
        out.number("want_applied", u64::from(self.want_applied));
    }
}

pub(crate) fn query_sets(out: &mut Vec<u8>, several: &Several<'_>, y: &Filled<'_>) {
    let mut out = Parts(out);
    several.put(&mut out);
    y.put_shape(&mut out, "shape of y");
}

pub(crate) fn query_scalars(out: &mut Vec<u8>, several: &Several<'_>, cotangent: ArrayView<'_>, count: usize) {
    let mut out = Parts(out);
    several.put(&mut out);
    out.view("cotangent", cotangent);
    out.number("number of scalars", count as u64);
}

pub(crate) fn exact_vjp(out: &mut Vec<u8>, x: ArrayView<'_>, dy: ArrayView<'_>, dx: &Filled<'_>, params: usize) {
    let mut out = Parts(out);
    out.view("x", x);
    out.view("dy", dy);
    dx.put_shape(&mut out, "shape of dx");
    out.number("number of parameters", params as u64);
}

pub(crate) fn put_applied(out: &mut Vec<u8>, applied: &[Applied]) {
    let mut out = Parts(out);
    out.u64s("applied in set", &applied.iter().map(|a| a.values.len() as u64).collect::<Vec<u64>>());
    let values: Vec<f64> = applied.iter().flat_map(|a| a.values.iter().copied()).collect();
    out.f64s("applied", &values);
}

pub(crate) fn applied(answer: &[Part]) -> Result<Vec<Applied>> {
    let mut rest = find(answer, "applied")?.f64s()?;
    let mut all = Vec::new();
    for &count in find(answer, "applied in set")?.u64s()? {
        let count = usize::try_from(count).ok().filter(|&n| n <= rest.len()).ok_or("`applied` is too short")?;
        let (now, later) = rest.split_at(count);
        all.push(Applied { values: now.to_vec().into() });
        rest = later;
    }
    Ok(all)
}

pub(crate) fn put_matrix(out: &mut Vec<u8>, m: &Matrix) {
    let mut out = Parts(out);
    out.u64s("rows and columns", &[m.rows as u64, m.columns as u64]);
    // What a device declares and what it gives may differ.
    out.f64s("matrix", &m.data);
}

pub(crate) fn matrix(answer: &[Part]) -> Result<Matrix> {
    let &[rows, columns] = find(answer, "rows and columns")?.u64s()? else {
        return Err("`rows and columns` are two numbers".into());
    };
    let data = find(answer, "matrix")?.f64s()?.to_vec();
    let size = |n: u64| usize::try_from(n).map_err(|_| format!("a matrix of size {n}"));
    // What a device declares and what it gives may differ: that is for the session to find.
    Ok(Matrix { rows: size(rows)?, columns: size(columns)?, data: data.into() })
}

pub(crate) fn put_health(out: &mut Vec<u8>, health: &Health) {
    Parts(out).wired("health", health);
}

pub(crate) fn health(answer: &[Part]) -> Result<Health> {
    find(answer, "health")?.wired()
}

pub(crate) fn put_descriptor(out: &mut Vec<u8>, descriptor: &Descriptor) {
    Parts(out).wired("descriptor", descriptor);
}

pub(crate) fn descriptor(answer: &[u8]) -> Result<Descriptor> {
    find(&parts(answer)?, "descriptor")?.wired()
}
