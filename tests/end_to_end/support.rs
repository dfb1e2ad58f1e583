//! A folder to work in, the commands that are run there, and what they leave behind.

use serde_json::Value;
use std::{
    collections::BTreeMap,
    env::consts::{DLL_PREFIX, DLL_SUFFIX},
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The folder of this workspace.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// No command of these tests takes so long.
const PATIENCE: Duration = Duration::from_secs(120);

/// A device of 8 inputs and 8 outputs for each family: the shipped description, made small.
pub const FAMILIES: [(&str, &str); 3] = [
    ("mzi", "file: ROOT/devices/mzi_mesh.ddl.yml, settings: {U: {n: 8}}"),
    ("mrr", "file: ROOT/devices/mrr_bank.ddl.yml, settings: {bank: {rows: 8, columns: 8}}"),
    ("slm", "file: ROOT/devices/slm_matvec.ddl.yml, settings: {slm: {n_in: 8, n_out: 8}}"),
];

/// The built-in dense device as a source.
pub const DENSE: &str = "plugin: dense, settings: {rows: 8, columns: 8}";

/// An experiment with one device between two linear layers. 16 steps are an epoch.
pub fn experiment(source: &str) -> String {
    EXPERIMENT.replace("SOURCE", source).replace("ROOT", ROOT)
}

const EXPERIMENT: &str = "\
name: small
seed: 3
data: {set: glyphs, train: 256, test: 64}
model:
  layers:
    - flatten
    - linear: {out: 8}
    - relu
    - device: {name: dev}
    - bias
    - relu
    - linear: {out: 10}
devices:
  dev:
    source: {SOURCE}
    estimator: {method: gaussian, samples: 4}
    surrogate: {method: residual, rank: 4, samples: 4}
    optimizer: {adam: {learning_rate: 0.02}}
train:
  steps: 20
  batch: 16
  optimizer: {adam: {learning_rate: 0.002}}
  checkpoint_every: 5
  surrogate_error_every: 5
";

/// A device of a family with its preset.
pub fn family(name: &str, preset: &str) -> String {
    let (_, source) = FAMILIES.into_iter().find(|(family, _)| *family == name).unwrap();
    format!("{source}, preset: {preset}")
}

/// A shared library that cargo has built beside this executable.
pub fn library(name: &str) -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    folder.join(format!("{DLL_PREFIX}blackbeam_{name}{DLL_SUFFIX}"))
}

/// A folder that a test works in.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Place(tempfile::tempdir().unwrap())
    }

    /// A folder with `experiment.yaml` in it.
    pub fn with(experiment: &str) -> Self {
        let place = Place::new();
        place.write("experiment.yaml", experiment);
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// The command, to be run in this folder; `arguments` are separated by spaces.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blackbeam"));
        command.args(arguments.split_whitespace()).current_dir(self.0.path());
        // Locks of devices lie in the folder of the test, so that tests beside it may drive the same libraries.
        command.env("XDG_RUNTIME_DIR", self.0.path());
        command.env_remove("BLACKBEAM_DATA").env_remove("RUST_BACKTRACE").env_remove("NO_COLOR");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs `blackbeam` with these arguments.
    pub fn run(&self, arguments: &str) -> Finished {
        Finished::new(arguments, self.command(arguments).output().unwrap())
    }

    /// The same in a folder of this one.
    pub fn run_in(&self, folder: &str, arguments: &str) -> Finished {
        let mut command = self.command(arguments);
        Finished::new(arguments, command.current_dir(self.path(folder)).output().unwrap())
    }

    /// Trains `experiment.yaml` into `out`, which must succeed.
    pub fn train(&self, out: &str, arguments: &str) -> Run {
        self.run(&format!("train experiment.yaml --out {out} --quiet {arguments}")).done();
        self.finished(out)
    }

    /// Goes on with `out` to its end, which must succeed.
    pub fn resume(&self, out: &str, arguments: &str) -> Run {
        self.run(&format!("train --resume {out} --quiet {arguments}")).done();
        self.finished(out)
    }

    /// A run directory.
    pub fn finished(&self, out: &str) -> Run {
        Run(self.path(out))
    }

    /// The same with data sets in `data`.
    pub fn start_with_data(&self, arguments: &str, data: &Path) -> Running {
        let child = self.command(arguments).env("BLACKBEAM_DATA", data).spawn().unwrap();
        Running { child, arguments: arguments.to_owned() }
    }

    /// Starts a command and lets it run.
    pub fn start(&self, arguments: &str) -> Running {
        Running { child: self.command(arguments).spawn().unwrap(), arguments: arguments.to_owned() }
    }

    /// The same with what it says in the file `said`: a pipe that nobody reads would stop a command that says much.
    pub fn start_said(&self, arguments: &str) -> Running {
        let said = fs::File::create(self.path("said")).unwrap();
        let child = self.command(arguments).stderr(said).spawn().unwrap();
        Running { child, arguments: arguments.to_owned() }
    }

    /// Starts training into `out` and kills it (-9) once the metrics have `rows` rows. On a busy machine it may be at its
    /// end before that is seen: then once more.
    pub fn kill_at(&self, out: &str, arguments: &str, rows: usize) {
        for _ in 0..50 {
            let mut running = self.start(arguments);
            if running.until(|| self.finished(out).rows() >= rows) && running.kill() {
                return;
            }
            fs::remove_dir_all(self.path(out)).unwrap();
        }
        panic!("{arguments} was never seen between row {rows} and its end");
    }

    /// Makes libraries known in this folder.
    pub fn add_libraries(&self, names: &[&str]) {
        for name in names {
            self.run(&format!("plugin add {}", library(name).display())).done();
        }
    }
}

/// A command that is running.
pub struct Running {
    pub child: Child,
    arguments: String,
}

impl Running {
    /// Waits until `condition`; false if the command ended before.
    pub fn until(&mut self, condition: impl Fn() -> bool) -> bool {
        let begun = Instant::now();
        while !condition() {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(begun.elapsed() < PATIENCE, "{} never came to it", self.arguments);
            std::thread::sleep(Duration::from_micros(200));
        }
        true
    }

    /// Kills it (-9); false if it had ended before.
    pub fn kill(mut self) -> bool {
        self.child.kill().unwrap();
        self.child.wait().unwrap().code().is_none()
    }

    /// Sends a signal, such as `INT`.
    pub fn signal(&self, name: &str) {
        let line = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success());
    }

    /// Waits for the end.
    pub fn finish(self) -> Finished {
        Finished::new(&self.arguments, self.child.wait_with_output().unwrap())
    }
}

/// A command that has ended.
pub struct Finished {
    arguments: String,
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    pub fn new(arguments: &str, output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        Finished { arguments: arguments.to_owned(), code: output.status.code(), stdout, stderr }
    }

    /// It must have exit code 0.
    pub fn done(self) -> Self {
        self.ends(0, &[])
    }

    /// It must have this exit code, and all of `words` on standard error, where a panic never is.
    pub fn ends(self, code: i32, words: &[&str]) -> Self {
        let Finished { arguments, stdout, stderr, .. } = &self;
        let shown = format!("blackbeam {arguments}\n{stdout}{stderr}");
        assert_eq!(self.code, Some(code), "{shown}");
        for word in words {
            assert!(stderr.contains(word), "no `{word}` in\n{shown}");
        }
        assert!(!stderr.contains("thread 'main'") && !stderr.contains("stack backtrace"), "{shown}");
        self
    }

    /// The error must be one line.
    pub fn in_one_line(&self) {
        assert_eq!(self.stderr.lines().filter(|l| !l.is_empty()).count(), 1, "{}", self.stderr);
    }
}

/// A run directory, finished or not.
pub struct Run(pub PathBuf);

impl Run {
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.text(name)).unwrap()
    }

    /// Lines of `metrics.jsonl` so far.
    pub fn rows(&self) -> usize {
        fs::read(self.file("metrics.jsonl")).unwrap_or_default().iter().filter(|b| **b == b'\n').count()
    }

    /// The rows of `metrics.jsonl` without the fields that may differ between equal runs.
    pub fn metrics(&self) -> Vec<Value> {
        let mut rows: Vec<Value> =
            self.text("metrics.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        rows.iter_mut().for_each(without_host_fields);
        rows
    }

    /// The rows of one run (`main` or a control) and phase (`start`, `train`, `evaluate`).
    pub fn phase(&self, run: &str, phase: &str) -> Vec<Value> {
        self.metrics().into_iter().filter(|row| row["run"] == run && row["phase"] == phase).collect()
    }

    /// `summary.json`.
    pub fn summary(&self) -> Value {
        self.json("summary.json")
    }

    /// `summary.json` without what may differ between equal runs.
    pub fn result(&self) -> Value {
        let mut summary = self.summary();
        without_host_fields(&mut summary);
        summary.as_object_mut().unwrap().remove("physical_vectors").unwrap();
        summary
    }

    /// The physical column: (vectors, configurations) by run, device and purpose. The last line may have been cut off.
    pub fn physical(&self) -> BTreeMap<[String; 3], (u64, u64)> {
        let mut spent = BTreeMap::new();
        for line in self.text("ledger.jsonl").lines() {
            let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
            let key = ["run", "device", "purpose"].map(|name| line[name].as_str().unwrap().to_owned());
            let entry: &mut (u64, u64) = spent.entry(key).or_default();
            entry.0 += line["vectors"].as_u64().unwrap();
            entry.1 += line["configurations"].as_u64().unwrap();
        }
        spent
    }

    /// All vectors and configurations of the physical column.
    pub fn physical_total(&self) -> (u64, u64) {
        self.physical().values().fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
    }

    /// Number of checkpoints.
    pub fn checkpoints(&self) -> usize {
        let listed = fs::read_dir(self.file("checkpoints")).map(|entries| entries.map(|e| e.unwrap().path()));
        listed.map_or(0, |paths| paths.filter(|p| p.extension().is_some_and(|e| e == "safetensors")).count())
    }

    /// Both runs have the same metrics and the same result.
    pub fn equals(&self, other: &Run) {
        let (mine, theirs) = (self.metrics(), other.metrics());
        for (a, b) in mine.iter().zip(&theirs) {
            assert_eq!(a, b, "{} against {}", self.0.display(), other.0.display());
        }
        assert_eq!(mine.len(), theirs.len(), "rows");
        assert_eq!(self.result(), other.result());
    }
}

pub fn without_host_fields(value: &mut Value) {
    if let Value::Object(map) = value {
        map.retain(|key, _| !key.starts_with("host_"));
        map.values_mut().for_each(without_host_fields);
    }
}

/// Copies a file into a folder and returns where it lies.
pub fn copy(from: &Path, to: PathBuf) -> PathBuf {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(from, &to).unwrap();
    to
}
