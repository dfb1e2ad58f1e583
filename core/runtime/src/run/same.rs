//! Whether two runs are the same to the bit.

use super::{Checkpoint, RunDir, RunError, Tensor, TensorData, at};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, fs};

/// What of a device's session is compared: what training made of it.
const SESSION: [&str; 6] = ["params", "previous", "input", "noise", "time_s", "full_scale"];

/// What a comparison found.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// Rows of `metrics.jsonl` that both have and that are the same.
    pub rows: usize,
    /// Runs (`main`, controls) whose last weights and parameters are the same.
    pub finals: Vec<String>,
    /// The first difference, for a person.
    pub difference: Option<String>,
}

/// Compares what two runs computed: every number in `metrics.jsonl` but those of the host, then weights, optimisers and methods'
/// states and device parameters at the end. If `first` was not finished, only what both have.
///
/// # Errors
/// If one of them cannot be read.
pub fn compare(first: &RunDir, second: &RunDir, finished: bool) -> Result<Compared, RunError> {
    let (a, b) = (rows(first)?, rows(second)?);
    let mut compared = Compared { rows: 0, finals: Vec::new(), difference: None };
    for (row, (a, b)) in a.iter().zip(&b).enumerate() {
        if let Some(words) = different_rows(a, b) {
            compared.difference = Some(words);
            return Ok(compared);
        }
        compared.rows = row + 1;
    }
    if finished && a.len() != b.len() {
        compared.difference = Some(format!("metrics.jsonl has {} rows and {} rows", a.len(), b.len()));
        return Ok(compared);
    }
    for run in finals(first)? {
        let (Some(a), b) = (Checkpoint::last(first, &run)?, Checkpoint::last(second, &run)?) else { continue };
        let words = match b {
            Some(b) => different_ends(&a, &b),
            None if finished => Some("the second run has no last state".into()),
            None => continue,
        };
        if let Some(words) = words {
            compared.difference = Some(format!("the end of {run}: {words}"));
            return Ok(compared);
        }
        compared.finals.push(run);
    }
    Ok(compared)
}

/// The rows of the metrics, without what may differ; a last one that a crash cut short is left out.
fn rows(dir: &RunDir) -> Result<Vec<Map<String, Value>>, RunError> {
    let path = dir.file("metrics.jsonl");
    let text = fs::read_to_string(&path).map_err(at(&path))?;
    let row = |line: &str| serde_json::from_str::<Map<String, Value>>(line).ok();
    Ok(text.lines().filter_map(row).map(without_host).collect())
}

fn without_host(row: Map<String, Value>) -> Map<String, Value> {
    row.into_iter().filter(|(key, _)| !key.starts_with("host_")).collect()
}

fn different_rows(a: &Map<String, Value>, b: &Map<String, Value>) -> Option<String> {
    let none = Value::Null;
    let key = a.keys().chain(b.keys()).find(|key| a.get(*key) != b.get(*key))?;
    let text = |row: &Map<String, Value>, key: &str| row.get(key).unwrap_or(&none).to_string();
    let place = ["run", "phase", "step"].map(|key| text(a, key).trim_matches('"').to_owned()).join(" ");
    Some(format!(
        "metrics.jsonl, {place}: `{key}` is {} in the first run and {} in the second",
        text(a, key),
        text(b, key)
    ))
}

/// Runs that have a last state.
fn finals(dir: &RunDir) -> Result<Vec<String>, RunError> {
    let folder = dir.file("final");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut runs = Vec::new();
    for entry in fs::read_dir(&folder).map_err(at(&folder))? {
        let path = entry.map_err(at(&folder))?.path();
        if path.extension().is_some_and(|e| e == "safetensors") {
            runs.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    runs.sort();
    Ok(runs)
}

fn different_ends(a: &Checkpoint, b: &Checkpoint) -> Option<String> {
    let by_name = |c: &Checkpoint| c.tensors.iter().map(|t| (t.name.clone(), t.clone())).collect::<BTreeMap<_, _>>();
    let (ours, theirs) = (by_name(a), by_name(b));
    for (name, tensor) in &ours {
        match theirs.get(name) {
            None => return Some(format!("the second run has no `{name}`")),
            Some(other) => {
                if let Some(words) = different_tensors(tensor, other) {
                    return Some(format!("`{name}`: {words}"));
                }
            }
        }
    }
    let slots = |c: &Checkpoint| c.state["phase"]["slots"].as_array().cloned().unwrap_or_default();
    let (ours, theirs) = (slots(a), slots(b));
    if ours.len() != theirs.len() {
        return Some(format!("{} devices and {} devices", ours.len(), theirs.len()));
    }
    for (a, b) in ours.iter().zip(&theirs) {
        for key in SESSION {
            if a["session"][key] != b["session"][key] {
                return Some(format!("`{key}` of device `{}`", a["name"].as_str().unwrap_or_default()));
            }
        }
    }
    None
}

fn different_tensors(a: &Tensor, b: &Tensor) -> Option<String> {
    if a.shape != b.shape {
        return Some(format!("shape {:?} and {:?}", a.shape, b.shape));
    }
    let index = match (&a.data, &b.data) {
        (TensorData::F32(a), TensorData::F32(b)) => a.iter().zip(b).position(|(a, b)| a.to_bits() != b.to_bits()),
        (TensorData::F64(a), TensorData::F64(b)) => a.iter().zip(b).position(|(a, b)| a.to_bits() != b.to_bits()),
        (TensorData::Bytes(a), TensorData::Bytes(b)) => a.iter().zip(b).position(|(a, b)| a != b),
        _ => return Some("other types".into()),
    };
    index.map(|index| format!("element {index} differs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(folder: &std::path::Path, loss: f64, weight: f64, param: f64) -> RunDir {
        let dir = RunDir::create(folder).unwrap();
        let row = format!(
            "{{\"run\":\"main\",\"phase\":\"train\",\"step\":3,\"loss\":{loss},\"host_seconds\":{weight}}}\n{{\"cu"
        );
        dir.write("metrics.jsonl", row.as_bytes()).unwrap();
        let state = serde_json::json!({"phase": {"slots": [{"name": "dev", "session": {"params": [param]}}]}});
        let saved = Checkpoint { state, tensors: vec![Tensor::f64("w", vec![1.0, weight])] }.save(&dir, 1).unwrap();
        Checkpoint::keep(&dir, &saved, "main").unwrap();
        dir
    }

    #[test]
    fn the_first_difference_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str, loss, weight, param| run(&folder.path().join(name), loss, weight, param);
        let first = make("a", 0.5, 0.25, 1.0);
        let difference = |other: &RunDir| compare(&first, other, true).unwrap().difference.unwrap_or_default();
        let same = compare(&first, &make("b", 0.5, 0.25, 1.0), true).unwrap();
        assert_eq!(same, Compared { rows: 1, finals: vec!["main".into()], difference: None });
        let words = difference(&make("c", 0.5000000000000001, 0.25, 1.0));
        assert!(words.contains("main train 3: `loss` is 0.5 in the first run and 0.5000000000000001"), "{words}");
        assert_eq!(difference(&make("d", 0.5, 0.125, 1.0)), "the end of main: `w`: element 1 differs");
        assert_eq!(difference(&make("e", 0.5, 0.25, 2.0)), "the end of main: `params` of device `dev`");
        let shorter = make("f", 0.5, 0.25, 1.0);
        shorter.write("metrics.jsonl", b"").unwrap();
        assert!(difference(&shorter).contains("1 rows and 0 rows"));
        assert_eq!(compare(&first, &shorter, false).unwrap().difference, None);
    }
}
