//! Checkpoints: one safetensors file each, with the small state as JSON in its header.

use super::{RunDir, RunError, at, write_atomically};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

/// How many checkpoints are kept.
const KEPT: usize = 3;

/// A named array of a checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Name, such as `weights/0.linear.weight`.
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// Elements.
    pub data: TensorData,
}

/// Elements of a [`Tensor`].
#[derive(Clone, Debug, PartialEq)]
pub enum TensorData {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 64-bit floats.
    F64(Vec<f64>),
    /// Bytes: what a plugin saved.
    Bytes(Vec<u8>),
}

impl Tensor {
    /// Bytes as a tensor.
    pub fn bytes(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Tensor { name: name.into(), shape: vec![bytes.len()], data: TensorData::Bytes(bytes) }
    }

    /// A vector as a tensor.
    pub fn f64(name: impl Into<String>, values: Vec<f64>) -> Self {
        Tensor { name: name.into(), shape: vec![values.len()], data: TensorData::F64(values) }
    }

    fn raw(&self) -> (Dtype, Vec<u8>) {
        match &self.data {
            TensorData::F32(v) => (Dtype::F32, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
            TensorData::F64(v) => (Dtype::F64, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
            TensorData::Bytes(v) => (Dtype::U8, v.clone()),
        }
    }
}

/// A checkpoint: the state as JSON and arrays.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Everything small.
    pub state: serde_json::Value,
    /// Everything large.
    pub tensors: Vec<Tensor>,
}

impl Checkpoint {
    /// The tensor of a name.
    ///
    /// # Errors
    /// If there is none.
    pub fn tensor(&self, name: &str) -> Result<&Tensor, String> {
        self.tensors.iter().find(|t| t.name == name).ok_or_else(|| format!("the checkpoint holds no `{name}`"))
    }

    /// The bytes of a name.
    ///
    /// # Errors
    /// If there is no such tensor, or it is not bytes.
    pub fn bytes(&self, name: &str) -> Result<&[u8], String> {
        match &self.tensor(name)?.data {
            TensorData::Bytes(b) => Ok(b),
            _ => Err(format!("`{name}` in the checkpoint is not bytes")),
        }
    }

    /// The 64-bit vector of a name.
    ///
    /// # Errors
    /// If there is no such tensor, or it is not of 64-bit floats.
    pub fn f64(&self, name: &str) -> Result<&[f64], String> {
        match &self.tensor(name)?.data {
            TensorData::F64(v) => Ok(v),
            _ => Err(format!("`{name}` in the checkpoint is not of 64-bit floats")),
        }
    }

    /// Writes the checkpoint as number `serial`, whole or not at all, and removes all but the last three.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, dir: &RunDir, serial: u64) -> Result<PathBuf, RunError> {
        let path = dir.file("checkpoints").join(format!("{serial:010}.safetensors"));
        let raw: Vec<_> = self.tensors.iter().map(Tensor::raw).collect();
        let mut views = Vec::with_capacity(raw.len());
        for (tensor, (dtype, bytes)) in self.tensors.iter().zip(&raw) {
            let view = TensorView::new(*dtype, tensor.shape.clone(), bytes).map_err(|e| not_a_run(&path, e))?;
            views.push((tensor.name.as_str(), view));
        }
        let header = HashMap::from([("state".to_owned(), self.state.to_string())]);
        let bytes = safetensors::serialize(views, Some(header)).map_err(|e| not_a_run(&path, e))?;
        write_atomically(&path, &bytes)?;
        let old = list(&dir.file("checkpoints"))?;
        for path in old.iter().rev().skip(KEPT) {
            fs::remove_file(path).map_err(at(path))?;
        }
        Ok(path)
    }

    /// Keeps a checkpoint that was saved as the final state of a run (`main` or a control): `final/NAME.safetensors`.
    ///
    /// # Errors
    /// If it cannot be copied.
    pub fn keep(dir: &RunDir, saved: &Path, run: &str) -> Result<(), RunError> {
        let bytes = fs::read(saved).map_err(at(saved))?;
        let folder = dir.file("final");
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        write_atomically(&folder.join(format!("{run}.safetensors")), &bytes)
    }

    /// Reads the newest checkpoint that is whole. `None` if the run ended before its first one.
    ///
    /// # Errors
    /// If there are checkpoints and none is whole.
    pub fn latest(dir: &RunDir) -> Result<Option<(Self, PathBuf)>, RunError> {
        let mut broken = None;
        for path in list(&dir.file("checkpoints"))?.iter().rev() {
            match Self::read(path) {
                Ok(checkpoint) => return Ok(Some((checkpoint, path.clone()))),
                Err(e) => broken = Some(e.to_string()),
            }
        }
        broken.map_or(Ok(None), |why| Err(RunError::NotARun { path: dir.path().to_owned(), why }))
    }

    /// Reads what [`keep`](Self::keep) kept of a run (`main` or a control); `None` if it did not come so far.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn last(dir: &RunDir, run: &str) -> Result<Option<Self>, RunError> {
        let path = dir.file("final").join(format!("{run}.safetensors"));
        if path.is_file() { Self::read(&path).map(Some) } else { Ok(None) }
    }

    fn read(path: &Path) -> Result<Self, RunError> {
        let bytes = fs::read(path).map_err(at(path))?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| not_a_run(path, e))?;
        let text = header.metadata().as_ref().and_then(|m| m.get("state"));
        let text = text.ok_or_else(|| not_a_run(path, "its header holds no state"))?;
        let state = serde_json::from_str(text).map_err(|e| not_a_run(path, e))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| not_a_run(path, e))?;
        let mut tensors = Vec::new();
        for (name, view) in file.tensors() {
            let data = match view.dtype() {
                Dtype::F32 => TensorData::F32(numbers(view.data(), f32::from_le_bytes)),
                Dtype::F64 => TensorData::F64(numbers(view.data(), f64::from_le_bytes)),
                Dtype::U8 => TensorData::Bytes(view.data().to_vec()),
                other => return Err(not_a_run(path, format!("`{name}` is of type {other:?}"))),
            };
            tensors.push(Tensor { name, shape: view.shape().to_vec(), data });
        }
        Ok(Checkpoint { state, tensors })
    }
}

fn numbers<const N: usize, T>(bytes: &[u8], read: fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|c| read(*c)).collect()
}

fn not_a_run(path: &Path, why: impl ToString) -> RunError {
    RunError::NotARun { path: path.to_owned(), why: why.to_string() }
}

/// Paths of all checkpoints in a folder, oldest first.
pub(super) fn list(folder: &Path) -> Result<Vec<PathBuf>, RunError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        if path.extension().is_some_and(|e| e == "safetensors") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(step: u64) -> Checkpoint {
        Checkpoint {
            state: serde_json::json!({"step": step, "x": 0.1}),
            tensors: vec![
                Tensor::bytes("a/bytes", vec![1, 2, 3]),
                Tensor::f64("b", vec![0.1, -1e-300]),
                Tensor { name: "c".into(), shape: vec![1, 2], data: TensorData::F32(vec![0.1, f32::MIN]) },
            ],
        }
    }

    #[test]
    fn the_last_three_are_kept_and_come_back_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let dir = RunDir::create(folder.path()).unwrap();
        for step in 0..5 {
            checkpoint(step).save(&dir, step).unwrap();
        }
        assert_eq!(list(&dir.file("checkpoints")).unwrap().len(), 3);
        assert!(matches!(RunDir::create(folder.path()), Err(RunError::Exists(_))));
        let (mut latest, path) = Checkpoint::latest(&dir).unwrap().unwrap();
        latest.tensors.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(latest, checkpoint(4));
        // a broken last one is passed over
        fs::write(path, b"broken").unwrap();
        assert_eq!(Checkpoint::latest(&dir).unwrap().unwrap().0.state["step"], 3);
        for path in list(&dir.file("checkpoints")).unwrap() {
            fs::write(path, b"broken").unwrap();
        }
        assert!(matches!(Checkpoint::latest(&dir), Err(RunError::NotARun { .. })));
    }

    #[test]
    fn a_directory_without_a_checkpoint_can_be_begun_again() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let dir = RunDir::create(folder.path()).unwrap();
            assert!(Checkpoint::latest(&dir).unwrap().is_none());
        }
    }
}
