//! Everything before the first step: reading, checking, the run directory and its lock.

use super::{
    Progress, Request, Start, TrainError,
    build::{Site, files_of, fits, read_circuit, read_options},
    recording::logs_of,
};
use crate::{
    experiment::{
        DeviceConfig, Experiment, Loaded, MethodDescription, Origin, ReadOptions, behind_trained, descriptions, read,
    },
    host::{HostError, LockFile, Registry, look_up, verify},
    run::{Checkpoint, Lock, LockedFile, RunDir, RunError, hash_file},
    session::{Accounts, PhysicalFile},
};
use blackbeam_data::{Dataset, Limits, load};
use blackbeam_layers::Loss;
use blackbeam_netlist::circuit::Circuit;
use blackbeam_optics::Simulator;
use blackbeam_plugin::{Descriptor, Device, Kind, Open};
use blackbeam_record::descriptor_of;
use blackbeam_source::{Diagnostic, Diagnostics};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A run that is ready for its first (or next) step.
pub(super) struct Prepared {
    pub site: Site,
    pub dir: RunDir,
    /// The physical column of earlier processes.
    pub spent: Accounts,
    pub checkpoint: Option<(Checkpoint, PathBuf)>,
}

/// Reads and checks an experiment without opening anything: what `check` does. Device descriptions are checked too.
///
/// # Errors
/// Everything that is wrong.
pub fn check(
    path: &Path,
    overrides: &[(String, String)],
    seed: Option<u64>,
    ideal: bool,
) -> Result<Loaded, TrainError> {
    let lock = LockFile::find(&[folder_of(path), Path::new("")])?;
    check_with(path, overrides, seed, ideal, lock.as_ref())
}

/// The same with the `plugins.lock` that counts.
fn check_with(
    path: &Path,
    overrides: &[(String, String)],
    seed: Option<u64>,
    ideal: bool,
    lock: Option<&LockFile>,
) -> Result<Loaded, TrainError> {
    let registry = Registry::new()?;
    let plugins = |kind, name: &str, library: Option<&Path>| look_up(&registry, lock, kind, name, library);
    let options = ReadOptions { overrides, seed, ideal, plugins: &plugins, widths: &widths_of };
    let mut loaded = read(path, &options).map_err(TrainError::Input)?;
    check_descriptions(&mut loaded, &registry)?;
    Ok(loaded)
}

/// Reads every device description that the experiment names and makes the built-in methods for it, which refuse settings
/// that the device cannot bear (a mu under half a step of its converter, say). Nothing is queried: only simulators are
/// opened. Warnings join the experiment's own.
fn check_descriptions(loaded: &mut Loaded, registry: &Registry) -> Result<(), TrainError> {
    let mut found = loaded.diagnostics();
    let mut warnings = Vec::new();
    for (name, device) in &loaded.experiment.devices {
        if let Some(Origin::Replay(log)) = device.source.origin() {
            match descriptor_of(log) {
                Ok(descriptor) => check_methods(loaded, registry, name, &descriptor, &mut found),
                Err(error) => {
                    let span = loaded.root.span_at(&["devices", name, "source"]);
                    found.push(Diagnostic::error("not-replayed", error.to_string()).at(span));
                }
            }
        }
        let Some(Origin::File(file)) = device.source.origin() else { continue };
        match read_circuit(name, device, file) {
            Err(errors) => found.extend(errors),
            Ok((circuit, w)) => {
                warnings.push(w);
                check_objective(loaded, name, &circuit).into_iter().for_each(|error| found.push(error));
                match Simulator::open(&circuit, 0, 1) {
                    Ok(simulator) => check_methods(loaded, registry, name, &simulator.descriptor(), &mut found),
                    Err(error) => {
                        let message = format!("{} cannot be simulated: {}", file.display(), error.message);
                        let span = loaded.root.span_at(&["devices", name, "source"]);
                        found.push(Diagnostic::error("not-simulated", message).at(span));
                    }
                }
            }
        }
    }
    if found.has_errors() {
        return Err(TrainError::Input(found));
    }
    warnings.into_iter().for_each(|w| loaded.warnings.extend(w));
    Ok(())
}

/// A network on a device may say which loss its outputs are made for.
fn check_objective(loaded: &Loaded, name: &str, circuit: &Circuit) -> Option<Diagnostic> {
    let (objective, loss) = (circuit.network.as_ref()?.objective?, loaded.experiment.model.loss);
    if objective == loss {
        return None;
    }
    let text = |loss| if loss == Loss::Mse { "mse" } else { "cross_entropy" };
    let (objective, loss) = (text(objective), text(loss));
    let message = format!("the network of the device `{name}` is made for the loss `{objective}`, this is `{loss}`");
    let error = Diagnostic::error("objective", message).at(loaded.root.span_at(&["model", "loss"]));
    Some(error.help("change `model.loss`, or `network.objective` in the device file"))
}

fn check_methods(loaded: &Loaded, registry: &Registry, name: &str, descriptor: &Descriptor, found: &mut Diagnostics) {
    let Some(device) = loaded.experiment.devices.get(name) else { return };
    let roles = [("estimator", Kind::Estimator, &device.estimator), ("surrogate", Kind::Surrogate, &device.surrogate)];
    for (role, kind, method) in roles {
        let Some(method) = method.as_ref().filter(|m| m.library.is_none()) else { continue };
        let open = Open { settings: method.settings_json().into(), seed: 0, threads: 1, ideal: false };
        let made = registry.find(kind, &method.method, None).and_then(|plugin| match kind {
            Kind::Estimator => plugin.make_estimator(&open, descriptor).map(|_| ()),
            _ => plugin.make_surrogate(&open, descriptor).map(|_| ()),
        });
        let span = loaded.root.span_at(&["devices", name, role]);
        if let Err(HostError::Make { error, .. }) = made {
            found.push(Diagnostic::error("bad-setting", error.message.to_string()).at(span));
        }
        // a surrogate that no gradient goes through is not run
        let runs = kind == Kind::Estimator || behind_trained(&loaded.experiment).iter().any(|b| b.device == name);
        let fits = registry.find(kind, &method.method, None).map(|plugin| fits(plugin.manifest(), descriptor, name));
        if let (Ok(Err(message)), true) = (fits, runs) {
            found.push(Diagnostic::error("does-not-fit", message).at(span));
        }
    }
}

/// Inputs and outputs, in reals, of a device that is described by a file or held by a log; `None` for plugins and for what has
/// errors, which are reported where they are read.
pub fn widths_of(device: &DeviceConfig) -> Option<(usize, usize)> {
    let descriptor = match device.source.origin()? {
        Origin::File(file) => {
            let (circuit, _) = read_circuit("", device, file).ok()?;
            Simulator::open(&circuit, 0, 1).ok()?.descriptor()
        }
        Origin::Replay(log) => descriptor_of(log).ok()?,
        Origin::Plugin(..) => return None,
    };
    Some((descriptor.input.width, descriptor.output.width))
}

/// An experiment with everything that it needs, nothing of which was opened.
pub(super) struct Gathered {
    pub loaded: Loaded,
    pub lock: Option<LockFile>,
    pub registry: Registry,
    pub data: Arc<Dataset>,
    /// What was pinned so that threads do not change bits.
    pub pinned: &'static str,
}

/// Reads and checks the experiment `file`, whose `plugins.lock` lies in `plugins`, with overrides (`--set`, `--seed`, `--ideal`), and
/// loads its data.
pub(super) fn gather(
    (file, plugins): (&Path, &Path),
    (overrides, seed, ideal): (&[(String, String)], Option<u64>, bool),
    data: Option<&Path>,
    progress: &mut dyn Progress,
) -> Result<Gathered, TrainError> {
    let pinned = blackbeam_digital::pin_threads().map_err(TrainError::BadRequest)?.what;
    let lock = LockFile::find(&[plugins, Path::new("")])?;
    let loaded = check_with(file, overrides, seed, ideal, lock.as_ref())?;
    if !loaded.warnings.is_empty() {
        progress.note(loaded.warnings.render(false).trim_end());
    }
    let experiment = &loaded.experiment;
    for library in libraries(experiment) {
        verify(lock.as_ref(), library)?;
    }
    let limits = Limits { train: experiment.data.train, test: experiment.data.test };
    let (set, normalise) = (experiment.data.data_set(), experiment.data.normalise.unwrap_or_default());
    let data = Arc::new(load(set, data, limits, normalise, experiment.seed)?);
    check_batch(experiment, data.part(blackbeam_data::Part::Train).len())?;
    Ok(Gathered { registry: Registry::new()?, loaded, lock, data, pinned })
}

pub(super) fn prepare(request: &Request, progress: &mut dyn Progress) -> Result<Prepared, TrainError> {
    let (file, plugins) = match &request.start {
        Start::New { experiment, .. } => (experiment.clone(), plugins_of(experiment)),
        Start::Resume { dir, .. } => {
            // The resolved experiment lies elsewhere than the one that the run began with, and its plugins.lock.
            let dir = RunDir::open(dir)?;
            (dir.file("experiment.yaml"), Lock::read(&dir)?.plugins_lock.unwrap_or_default())
        }
    };
    let changes = (request.overrides.as_slice(), request.seed, request.ideal);
    let Gathered { loaded, lock: known, registry, data, pinned } =
        gather((&file, &plugins), changes, request.data.as_deref(), progress)?;
    let experiment = &loaded.experiment;
    let named =
        descriptions(experiment, &|kind, name, library| look_up(&registry, known.as_ref(), kind, name, library));
    let mut lock = lock_of(experiment, &named, &data.files, pinned)?;
    // Fails for a folder that is gone, which then knows nothing any more.
    lock.plugins_lock =
        known.as_ref().and_then(|known| std::path::absolute(known.path()).ok()?.parent().map(Path::to_owned));
    let (dir, checkpoint) = directory(request, experiment, &lock, progress)?;
    let (physical, spent) = PhysicalFile::open(&dir.file("ledger.jsonl"))
        .map_err(|error| RunError::Io { path: dir.file("ledger.jsonl"), error })?;
    if let Some(budget) = experiment.budget.device {
        physical.limit(budget.saturating_sub(spent.everything().vectors));
    }
    let site = Site {
        lock: known,
        registry,
        isolation: request.isolation.clone(),
        data,
        threads: request.threads,
        loaded,
        physical,
        dir: dir.path().to_owned(),
        interrupt: request.interrupt.clone(),
        stand_ins: None,
    };
    Ok(Prepared { site, dir, spent, checkpoint })
}

/// Where the `plugins.lock` of an experiment file lies: beside it; of one that a run directory keeps, where that run had it.
pub(super) fn plugins_of(experiment: &Path) -> PathBuf {
    let folder = folder_of(experiment);
    let of_run = RunDir::open(folder).and_then(|dir| Lock::read(&dir)).ok().and_then(|lock| lock.plugins_lock);
    of_run.unwrap_or_else(|| folder.to_owned())
}

pub(super) fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

/// Every plugin library that an experiment names.
fn libraries(experiment: &Experiment) -> impl Iterator<Item = &PathBuf> {
    experiment.devices.values().flat_map(|device| {
        let methods = [&device.estimator, &device.surrogate].into_iter().flatten().filter_map(|m| m.library.as_ref());
        device.source.library.iter().chain(methods)
    })
}

fn check_batch(experiment: &Experiment, samples: usize) -> Result<(), TrainError> {
    if experiment.train.batch > samples {
        let batch = experiment.train.batch;
        return Err(TrainError::BadRequest(format!(
            "a batch of {batch} is larger than the {samples} training samples"
        )));
    }
    Ok(())
}

/// Makes the new run directory, or opens the one to be resumed.
fn directory(
    request: &Request,
    experiment: &Experiment,
    lock: &Lock,
    progress: &mut dyn Progress,
) -> Result<(RunDir, Option<(Checkpoint, PathBuf)>), TrainError> {
    match &request.start {
        Start::New { out, .. } => {
            let path = out.clone().unwrap_or_else(|| RunDir::free(&Path::new("runs").join(&experiment.name)));
            let dir = RunDir::create(&path)?;
            let yaml = experiment.to_yaml().map_err(|e| TrainError::BadRequest(e.to_string()))?;
            dir.write("experiment.yaml", yaml.as_bytes())?;
            lock.write(&dir)?;
            Ok((dir, None))
        }
        Start::Resume { dir, accept_changes } => {
            let dir = RunDir::open(dir)?;
            let mut old = Lock::read(&dir)?;
            let changes = old.changes_to(lock);
            let serious: Vec<&str> = changes.iter().filter(|c| !c.warning).map(|c| c.what.as_str()).collect();
            if !serious.is_empty() && !accept_changes {
                return Err(TrainError::Changed { dir: dir.path().to_owned(), what: serious.join(", ") });
            }
            let checkpoint = Checkpoint::latest(&dir)?;
            for change in &changes {
                progress.note(&format!("warning: {} changed since the run began", change.what));
                old.changes.push(change.what.clone());
            }
            if !changes.is_empty() {
                let history = std::mem::take(&mut old.changes);
                Lock { changes: history, ..lock.clone() }.write(&dir)?;
            }
            Ok((dir, checkpoint))
        }
    }
}

/// Hashes of everything that the run is made of.
fn lock_of(
    experiment: &Experiment,
    named: &[MethodDescription],
    data: &[blackbeam_data::FileHash],
    pinned: &str,
) -> Result<Lock, TrainError> {
    let locked = |path: &Path| -> Result<LockedFile, RunError> {
        Ok(LockedFile { path: path.display().to_string(), sha256: hash_file(path)? })
    };
    let mut devices = BTreeMap::new();
    for (name, device) in &experiment.devices {
        if let Some(log) = &device.source.replay {
            for (name, log) in logs_of(name, log, experiment) {
                devices.insert(name, locked(&log)?);
            }
        }
        if let Some(file) = &device.source.file {
            devices.insert(name.clone(), locked(file)?);
            for named in files_of(file, &read_options(name, device)) {
                devices.insert(format!("{name}: {}", named.display()), locked(&named)?);
            }
        }
    }
    for MethodDescription { device, file, settings } in named {
        let options = blackbeam_netlist::ReadOptions { settings: settings.clone(), ..Default::default() };
        for file in std::iter::once(file.clone()).chain(files_of(file, &options)) {
            devices.insert(format!("{device}: {}", file.display()), locked(&file)?);
        }
    }
    let mut plugins = BTreeMap::new();
    for library in libraries(experiment) {
        plugins.insert(library.display().to_string(), locked(library)?);
    }
    let binary = std::env::current_exe().ok().map(|path| hash_file(&path)).transpose()?;
    Ok(Lock {
        version: env!("CARGO_PKG_VERSION").into(),
        experiment: experiment.sha256().map_err(|e| TrainError::BadRequest(e.to_string()))?,
        binary: binary.unwrap_or_default(),
        devices,
        plugins,
        plugins_lock: None,
        data: data.iter().map(|f| LockedFile { path: f.name.clone(), sha256: f.sha256.clone() }).collect(),
        seed: experiment.seed,
        pinned: pinned.into(),
        changes: Vec::new(),
    })
}
