//! Finished runs, read from their directories, and groups of them: the same experiment with other seeds.

use blackbeam_runtime::run::{Lock, RunDir};
use blackbeam_source::Source;
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// What a finished run came to.
pub struct Run {
    /// Its directory.
    pub dir: PathBuf,
    /// Its seed.
    pub seed: u64,
    /// `done` or `budget`.
    pub status: String,
    /// Value of what it is judged by, on the test samples.
    pub quality: f64,
    /// Vectors and configurations of training: forward passes, probes, surrogate updates.
    pub vectors: u64,
    /// See `vectors`.
    pub configurations: u64,
    /// Seconds on the host.
    pub host_seconds: f64,
    /// Hash of the program that made it.
    pub binary: String,
    /// What changed before it was resumed.
    pub changes: Vec<String>,
    name: String,
    quality_name: &'static str,
    settings: BTreeMap<String, Value>,
}

/// Runs of one experiment that differ in their seeds.
pub struct Group {
    /// The experiment's name, with a number if several groups have it.
    pub label: String,
    /// The experiment's name.
    pub name: String,
    /// `accuracy` or `r2`.
    pub quality: &'static str,
    /// All settings but the seed, by the path of keys; files by their hashes.
    pub settings: BTreeMap<String, Value>,
    /// Its runs, by seed.
    pub runs: Vec<Run>,
}

/// What was found in the folders that were named.
pub struct Found {
    /// In the order in which they were named.
    pub groups: Vec<Group>,
    /// Runs in a folder of runs that have not ended, and why they are left out.
    pub left_out: Vec<(PathBuf, String)>,
}

/// Reads run directories, and folders of run directories.
///
/// # Errors
/// A folder without a run, a run that was named and has not ended, one that is there twice.
pub fn read(dirs: &[PathBuf]) -> Result<Found, String> {
    let (mut runs, mut left_out) = (Vec::new(), Vec::new());
    for dir in dirs {
        if is_run(dir) {
            let why =
                |why| format!("{}: {why}; `blackbeam train --resume {}` goes on with it", dir.display(), dir.display());
            runs.push(run(dir)?.map_err(why)?);
            continue;
        }
        let children = runs_in(dir)?;
        for child in children {
            match run(&child)? {
                Ok(run) => runs.push(run),
                Err(why) => left_out.push((child, why)),
            }
        }
    }
    if runs.is_empty() {
        return Err("no run has ended: there is nothing to compare".into());
    }
    Ok(Found { groups: grouped(runs)?, left_out })
}

fn is_run(dir: &Path) -> bool {
    dir.join("lock.json").is_file()
}

/// The run directories in a folder, by name.
fn runs_in(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let mut children: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| is_run(path)).collect();
    if children.is_empty() {
        let dir = dir.display();
        return Err(format!("{dir} is no run (it has no lock.json), and no folder in it is one"));
    }
    children.sort();
    Ok(children)
}

/// A run, or why it has no result.
fn run(dir: &Path) -> Result<Result<Run, String>, String> {
    let bad = |what: &str| format!("{}: {what}", dir.join("summary.json").display());
    let opened = RunDir::open(dir).map_err(|e| e.to_string())?;
    let lock = Lock::read(&opened).map_err(|e| e.to_string())?;
    let settings = settings(&opened, &lock)?;
    let text = match fs::read(opened.file("summary.json")) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Err("it has not ended".into())),
        Err(e) => return Err(bad(&e.to_string())),
    };
    let summary: Value = serde_json::from_slice(&text).map_err(|e| bad(&e.to_string()))?;
    let status = summary["status"].as_str().ok_or_else(|| bad("it has no `status`"))?.to_owned();
    if status == "interrupted" || status == "paused" {
        return Ok(Err(format!("it was {status} at step {}", summary["steps"])));
    }
    let names = [("accuracy", "test_accuracy"), ("r2", "test_r2")];
    let judged = names.into_iter().find(|(_, key)| summary.get(*key).is_some());
    let (quality_name, key) = judged.ok_or_else(|| bad("it has neither `test_accuracy` nor `test_r2`"))?;
    let Some(quality) = summary[key].as_f64() else {
        return Ok(Err("it was never evaluated on the test samples".into()));
    };
    let cost = |name: &str| summary["ledger_training"][name].as_u64();
    let missing = || bad("it has no `seed`, `ledger_training` or `host_seconds`");
    Ok(Ok(Run {
        dir: dir.to_owned(),
        seed: summary["seed"].as_u64().ok_or_else(missing)?,
        status,
        quality,
        vectors: cost("vectors").ok_or_else(missing)?,
        configurations: cost("configurations").ok_or_else(missing)?,
        host_seconds: summary["host_seconds"].as_f64().ok_or_else(missing)?,
        binary: lock.binary,
        changes: lock.changes,
        name: settings["name"].as_str().unwrap_or_default().to_owned(),
        quality_name,
        settings,
    }))
}

/// All settings of a run but its seed. Files stand there by their hashes, so that it does not matter where they lie.
fn settings(dir: &RunDir, lock: &Lock) -> Result<BTreeMap<String, Value>, String> {
    let source = Source::read(&dir.file("experiment.yaml")).map_err(|e| e.render(false))?;
    let mut experiment = source.parse().map_err(|e| e.render(false))?.to_json();
    if let Some(map) = experiment.as_object_mut() {
        map.remove("seed");
    }
    let files: BTreeMap<&str, &str> =
        lock.devices.values().chain(lock.plugins.values()).map(|f| (f.path.as_str(), f.sha256.as_str())).collect();
    let mut all = BTreeMap::new();
    flatten("", &experiment, &files, &mut all);
    // Files that the described devices name, and those of the data.
    let behind = lock.devices.iter().filter(|(name, _)| name.contains(": ")).map(|(_, file)| file);
    let mut hashes: Vec<&str> = behind.chain(&lock.data).map(|file| file.sha256.as_str()).collect();
    hashes.sort_unstable();
    all.insert("files".into(), json!(hashes));
    Ok(all)
}

fn flatten(path: &str, value: &Value, files: &BTreeMap<&str, &str>, all: &mut BTreeMap<String, Value>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(map) => map.iter().for_each(|(k, v)| flatten(&below(k), v, files, all)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, v)| flatten(&below(&i.to_string()), v, files, all));
        }
        Value::String(text) => {
            let text = files.get(text.as_str()).copied().unwrap_or(text);
            all.insert(path.to_owned(), text.into());
        }
        other => {
            all.insert(path.to_owned(), other.clone());
        }
    }
}

fn grouped(runs: Vec<Run>) -> Result<Vec<Group>, String> {
    let mut groups: Vec<Group> = Vec::new();
    for run in runs {
        match groups.iter_mut().find(|g| g.settings == run.settings) {
            Some(group) => group.runs.push(run),
            None => groups.push(Group {
                label: run.name.clone(),
                name: run.name.clone(),
                quality: run.quality_name,
                settings: run.settings.clone(),
                runs: vec![run],
            }),
        }
    }
    for group in &mut groups {
        group.runs.sort_by_key(|run| run.seed);
        if let Some([a, b]) = group.runs.array_windows().find(|[a, b]| a.seed == b.seed) {
            return Err(format!(
                "{} and {} are the same experiment with the same seed ({}), not two samples: leave one of them out",
                a.dir.display(),
                b.dir.display(),
                a.seed
            ));
        }
    }
    let names: Vec<String> = groups.iter().map(|g| g.name.clone()).collect();
    for (i, group) in groups.iter_mut().enumerate() {
        let before = names[..i].iter().filter(|name| **name == group.name).count();
        if names.iter().filter(|name| **name == group.name).count() > 1 {
            group.label = format!("{}/{}", group.name, before + 1);
        }
    }
    Ok(groups)
}

/// Paths of settings in which some of these groups differ.
pub fn differing<'a>(groups: &[&'a Group]) -> Vec<&'a str> {
    let mut paths: Vec<&str> = groups.iter().flat_map(|g| g.settings.keys().map(String::as_str)).collect();
    paths.sort_unstable();
    paths.dedup();
    let differs =
        |path: &&str| groups.windows(2).any(|pair| pair[0].settings.get(*path) != pair[1].settings.get(*path));
    let mut paths: Vec<&str> = paths.into_iter().filter(differs).collect();
    // What a person changed comes before what follows from it.
    paths.sort_by_key(|path| !path.ends_with(".method"));
    paths
}

impl Group {
    /// The settings in which it differs from other groups of its name.
    pub fn own_settings(&self, all: &[Group]) -> Map<String, Value> {
        let namesakes: Vec<&Group> = all.iter().filter(|g| g.name == self.name).collect();
        let value = |path: &str| self.settings.get(path).cloned().unwrap_or_default();
        differing(&namesakes).into_iter().map(|path| (path.to_owned(), value(path))).collect()
    }

    /// The qualities of its runs.
    pub fn qualities(&self) -> Vec<f64> {
        self.runs.iter().map(|run| run.quality).collect()
    }
}
