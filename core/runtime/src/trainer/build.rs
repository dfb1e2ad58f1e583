//! From a checked experiment to a phase that can be trained: opens the devices, makes the methods and the network.

use super::{
    TrainError,
    hook::Slots,
    phase::Phase,
    plan::{Described, stand_in},
    recording::{recorded, replayed},
    slot::{Role, Slot},
};
use crate::{
    experiment::{
        Control, DeviceConfig, Experiment, FullScaleRule, Isolating, Loaded, Method, Origin, Preset,
        ScaleRule as InputRule,
    },
    host::{DeviceLock, Isolation, LockFile, Registry},
    session::{DeviceSession, FailureRules, OutputRule, PhysicalFile, RetryRule, ScaleRule, SessionOptions},
};
use blackbeam_data::Dataset;
use blackbeam_digital::Network;
use blackbeam_layers::{Layer, VectorOptimizer, replace_devices};
use blackbeam_netlist::circuit::Circuit;
use blackbeam_optics::Simulator;
use blackbeam_plugin::{Descriptor, Device, Key, Kind, Manifest, Open, can, capability, needs, structure};
use blackbeam_source::{Diagnostics, Source};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

/// Widths (inputs, outputs) of the devices by name.
pub(super) type Widths = BTreeMap<String, (usize, usize)>;

/// What every phase of a run is built from.
pub(super) struct Site {
    pub loaded: Loaded,
    pub registry: Registry,
    pub lock: Option<LockFile>,
    pub isolation: Option<Isolation>,
    pub data: Arc<Dataset>,
    pub threads: u32,
    pub physical: PhysicalFile,
    /// The run directory.
    pub dir: PathBuf,
    /// Set when the run is to stop.
    pub interrupt: Arc<AtomicBool>,
    /// Devices that are only described stand in for these, which are not opened.
    pub stand_ins: Option<BTreeMap<String, Described>>,
}

/// Reads and checks the description of the device `name` as an experiment uses it.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read_circuit(name: &str, device: &DeviceConfig, file: &Path) -> Result<(Circuit, Diagnostics), Diagnostics> {
    let source = Source::read(file)?;
    blackbeam_netlist::read(&source, &read_options(name, device))
}

/// The files that a description names: curves, S-parameters, other netlists.
pub(super) fn files_of(file: &Path, options: &blackbeam_netlist::ReadOptions) -> Vec<PathBuf> {
    let Ok(source) = Source::read(file) else { return Vec::new() };
    let files = blackbeam_netlist::Files::beside(&source);
    // What is wrong with it was said when it was checked.
    let _ = blackbeam_netlist::read_with(&source, options, &files);
    files.read()
}

/// How the description of the device `name` is read.
pub(super) fn read_options(name: &str, device: &DeviceConfig) -> blackbeam_netlist::ReadOptions {
    blackbeam_netlist::ReadOptions {
        settings: device.source.settings.clone(),
        settings_name: format!("devices.{name}.source.settings"),
        preset: device.source.preset.filter(|p| *p != Preset::Ideal).map(|p| preset(p).to_owned()),
        ideal: device.source.preset == Some(Preset::Ideal),
    }
}

fn preset(preset: Preset) -> &'static str {
    match preset {
        Preset::Ideal => "ideal",
        Preset::Typical => "typical",
        Preset::Pessimistic => "pessimistic",
    }
}

impl Site {
    /// The main run (`None`) or a control, at its start; `fresh` calibrates the devices, else they wait for a
    /// checkpointed state. `widths` are known once the main run was built.
    pub fn phase(&mut self, control: Option<Control>, widths: &mut Widths, fresh: bool) -> Result<Phase, TrainError> {
        let experiment = &self.loaded.experiment;
        let run = control.map_or("main", Control::name).to_owned();
        let key = Key::new(experiment.seed);
        let mut layers = with_learned_scales(&experiment.model.layers, experiment);
        let mut slots = Vec::new();
        if control == Some(Control::Digital) {
            let widths = |name: &str| widths.get(name).copied();
            layers = replace_devices(&layers, &widths)
                .ok_or_else(|| TrainError::BadRequest("the digital control needs the widths of all devices".into()))?;
        } else {
            for (name, config) in self.loaded.experiment.devices.clone() {
                if uses_device(&layers, &name) {
                    slots.push(self.slot(&name, &config, control, &run, key, fresh)?);
                }
            }
            for slot in &slots {
                widths.insert(slot.name.clone(), (slot.descriptor.input.width, slot.descriptor.output.width));
            }
            // Those of plugins are known only now.
            self.loaded.check_shapes(&|name| widths.get(name).copied()).map_err(TrainError::Input)?;
        }
        let shape = self.data.shape();
        let known = |name: &str| widths.get(name).copied();
        let network = Network::new(&layers, &shape, &known, key.named("weights")).map_err(TrainError::Digital)?;
        let experiment = &self.loaded.experiment;
        let owners = link_uses(&network, &mut slots)?;
        check_structure(&network, &mut slots)?;
        if experiment.controls.contains(&Control::Exact) {
            slots.iter().try_for_each(check_oracle)?;
        }
        for slot in slots.iter_mut().filter(|s| s.surrogate.as_ref().is_some_and(|role| role.needs(needs::OBSERVE))) {
            slot.session.observe();
        }
        let samples = self.data.part(blackbeam_data::Part::Train).len();
        Ok(Phase {
            run,
            optimizer: network.optimizer(experiment.train.optimizer),
            network,
            slots: Slots::new(slots),
            owners: Arc::new(owners),
            data: self.data.clone(),
            train: experiment.train.clone(),
            augment: experiment.data.augment,
            loss: experiment.model.loss,
            key: key.named("training"),
            total: experiment.train.total_steps(samples),
            per_epoch: experiment.train.steps_per_epoch(samples),
            step: 0,
            host_seconds: 0.0,
            order: None,
        })
    }

    fn slot(
        &mut self,
        name: &str,
        config: &DeviceConfig,
        control: Option<Control>,
        run: &str,
        key: Key,
        fresh: bool,
    ) -> Result<Slot, TrainError> {
        let (circuit, file_seed) = match config.source.origin() {
            Some(Origin::File(file)) => {
                let (circuit, _) = read_circuit(name, config, file).map_err(TrainError::Input)?;
                let seed = circuit.seed;
                (Some(circuit), seed)
            }
            _ => (None, 0),
        };
        // The run's seed, the device's name and the seed of its description together make one piece of hardware.
        let seed = config.seed.unwrap_or_else(|| key.named("device").named(name).with(file_seed).seed);
        let open = Open {
            settings: serde_json::Value::Object(config.source.settings.clone()).to_string().into(),
            seed,
            threads: config.threads.unwrap_or(self.threads).max(1),
            ideal: config.source.preset == Some(Preset::Ideal),
        };
        let stand_in = self.stand_ins.as_ref().and_then(|all| all.get(name)).map(stand_in);
        let lock = if stand_in.is_some() { None } else { self.lock_device(name, config, &open.settings)? };
        let device = match (stand_in, config.source.origin()) {
            (Some(device), _) => device,
            (None, Some(Origin::Replay(log))) => replayed(log, control)?,
            (None, _) => self.open_device(name, config, circuit.as_ref(), &open)?,
        };
        let (device, record) = recorded(device, &self.dir, (name, control), config.record, fresh)?;
        let options = SessionOptions {
            name: name.to_owned(),
            run: run.to_owned(),
            stream: key.named("stream").named(run).named(name).seed,
            max_batch: config.max_batch.unwrap_or(0),
            input: input_rule(config),
            output: output_rule(config),
            failures: failure_rules(config, &self.interrupt),
        };
        let mut session = DeviceSession::adopt(device, options, self.physical.clone())?;
        session.guard(lock);
        if let Some(sentinel) = config.sentinel {
            session.watch(sentinel.vectors, key.named("sentinel").named(name));
        }
        if fresh {
            session.calibrate(key.named("calibration").named(name))?;
        }
        let descriptor = session.descriptor().clone();
        let idle = matches!(control, Some(Control::Frozen | Control::Exact));
        let estimator = config.estimator.as_ref().filter(|_| !idle);
        let random = Method { method: "random".into(), library: None, settings: serde_json::Map::new() };
        let surrogate = match control {
            Some(Control::RandomFeedback) => config.surrogate.as_ref().map(|_| &random),
            Some(Control::Exact) => None,
            _ => config.surrogate.as_ref(),
        };
        let method_key = key.named("method").named(name);
        let mut slot = Slot {
            name: name.to_owned(),
            optimizer: VectorOptimizer::new(config.optimizer, descriptor.n_params()),
            learning_rate: config.optimizer.learning_rate(),
            schedule: config.schedule.unwrap_or(self.loaded.experiment.train.schedule),
            key: method_key,
            session,
            estimator: None,
            surrogate: None,
            uses: Vec::new(),
            seen: Vec::new(),
            gradient_norm: None,
            gradient_snr: None,
            note: String::new(),
            exact: control == Some(Control::Exact),
            gradient_cosine: None,
            surrogate_error: None,
            last_surrogate_error: None,
            sentinel: config.sentinel,
            record,
            descriptor,
        };
        if let Some(method) = estimator {
            let open = self.method_open(method, method_key);
            let plugin = self.plugin(Kind::Estimator, method)?;
            let made = plugin.make_estimator(&open, &slot.descriptor)?;
            slot.estimator = Some(Role { manifest: plugin.manifest().clone(), method: made });
        }
        if let Some(method) = surrogate {
            let open = self.method_open(method, method_key);
            let plugin = self.plugin(Kind::Surrogate, method)?;
            let made = plugin.make_surrogate(&open, &slot.descriptor)?;
            slot.surrogate = Some(Role { manifest: plugin.manifest().clone(), method: made });
        }
        Ok(slot)
    }

    /// Keeps others from a device of a library.
    fn lock_device(&self, name: &str, config: &DeviceConfig, settings: &str) -> Result<Option<DeviceLock>, TrainError> {
        let Some(Origin::Plugin(_, Some(library))) = config.source.origin() else { return Ok(None) };
        if !config.exclusive {
            return Ok(None);
        }
        let run = std::path::absolute(&self.dir).unwrap_or_else(|_| self.dir.clone());
        let lock = DeviceLock::acquire(name, library, settings, &format!("run {}", run.display()))?;
        if let Some(before) = lock.stale() {
            tracing::warn!(
                "device `{name}` was not given back by {before}, which has ended: it may have been left as it was"
            );
        }
        Ok(Some(lock))
    }

    fn open_device(
        &mut self,
        name: &str,
        config: &DeviceConfig,
        circuit: Option<&Circuit>,
        open: &Open,
    ) -> Result<Box<dyn Device>, TrainError> {
        if let Some(circuit) = circuit {
            let simulator = Simulator::open(circuit, open.seed, open.threads as usize).map_err(|error| {
                TrainError::BadRequest(format!("device `{name}` cannot be simulated: {}", error.message))
            })?;
            return Ok(Box::new(simulator));
        }
        match config.source.origin() {
            Some(Origin::Plugin(plugin, Some(library))) if config.source.isolation != Some(Isolating::InProcess) => {
                let Some(isolation) = &self.isolation else {
                    return Err(TrainError::BadRequest(format!(
                        "device `{name}` is to run in a process of its own, which this program has no way to start: write \
                         `isolation: in_process` in its `source`"
                    )));
                };
                Ok(isolation.open(library, self.lock.as_ref(), plugin, open)?)
            }
            Some(Origin::Plugin(plugin, library)) => {
                if let Some(library) = library {
                    self.registry.load_verified(library, self.lock.as_ref())?;
                }
                let found = self.registry.find(Kind::Device, plugin, library.map(|l| l.as_path()))?;
                Ok(found.open_device(open)?)
            }
            _ => Err(TrainError::BadRequest(format!("device `{name}` has no source"))),
        }
    }

    fn method_open(&self, method: &Method, key: Key) -> Open {
        Open { settings: method.settings_json().into(), seed: key.seed, threads: self.threads, ideal: false }
    }

    fn plugin(&mut self, kind: Kind, method: &Method) -> Result<&crate::host::Registered, TrainError> {
        if let Some(library) = &method.library {
            self.registry.load_verified(library, self.lock.as_ref())?;
        }
        Ok(self.registry.find(kind, &method.method, method.library.as_deref())?)
    }
}

fn input_rule(config: &DeviceConfig) -> ScaleRule {
    let input = &config.input;
    match input.scale {
        InputRule::Fixed => ScaleRule::Fixed(input.value.unwrap_or(1.0)),
        InputRule::Calibrated => ScaleRule::Calibrated { start: input.value, rate: input.rate, margin: input.margin },
        InputRule::Learned => ScaleRule::Learned,
    }
}

fn output_rule(config: &DeviceConfig) -> OutputRule {
    let output = &config.output;
    let rate = if output.full_scale == FullScaleRule::Fixed { 0.0 } else { output.rate };
    OutputRule { start: output.value, rate, margin: output.margin }
}

fn failure_rules(config: &DeviceConfig, stop: &Arc<AtomicBool>) -> FailureRules {
    let retry =
        RetryRule { attempts: config.retry.attempts, first_s: config.retry.first_s, most_s: config.retry.most_s };
    let default = FailureRules::default();
    FailureRules { retry, max_failures: config.max_failures.unwrap_or(default.max_failures), stop: stop.clone() }
}

/// A trainable factor before each device whose input scale is learned.
fn with_learned_scales(layers: &[Layer], experiment: &Experiment) -> Vec<Layer> {
    let mut all = Vec::with_capacity(layers.len());
    for layer in layers {
        match layer {
            Layer::Device { name, .. } => {
                let input = experiment.devices.get(name).map(|d| d.input).unwrap_or_default();
                if input.scale == InputRule::Learned {
                    all.push(Layer::Scale { initial: 1.0 / input.value.unwrap_or(1.0) });
                }
                all.push(layer.clone());
            }
            Layer::Residual { layers } => all.push(Layer::Residual { layers: with_learned_scales(layers, experiment) }),
            other => all.push(other.clone()),
        }
    }
    all
}

fn uses_device(layers: &[Layer], name: &str) -> bool {
    blackbeam_layers::device_uses(layers).iter().any(|u| u.name == name)
}

/// The device of each use; tells each device its uses.
fn link_uses(network: &Network, slots: &mut [Slot]) -> Result<Vec<usize>, TrainError> {
    let mut owners = Vec::new();
    for (use_index, used) in network.uses().iter().enumerate() {
        let owner = slots.iter().position(|s| s.name == used.name);
        let owner = owner.ok_or_else(|| TrainError::BadRequest(format!("there is no device `{}`", used.name)))?;
        slots[owner].uses.push((use_index, used.rows_per_sample));
        owners.push(owner);
    }
    Ok(owners)
}

/// Methods must fit the structure of their devices; a surrogate that no gradient goes through is not run.
fn check_structure(network: &Network, slots: &mut [Slot]) -> Result<(), TrainError> {
    for slot in slots {
        let gradient = slot.uses.iter().any(|(u, _)| network.needs_input_gradient(*u));
        if !gradient {
            slot.surrogate = None;
        } else if slot.surrogate.is_none() && !slot.exact {
            return Err(TrainError::NoSurrogate(slot.name.clone()));
        }
        let estimator = slot.estimator.as_ref().map(|m| &m.manifest);
        let surrogate = slot.surrogate.as_ref().map(|m| &m.manifest);
        for manifest in estimator.into_iter().chain(surrogate) {
            fits(manifest, &slot.descriptor, &slot.name).map_err(TrainError::BadRequest)?;
        }
    }
    Ok(())
}

/// The control `exact` needs derivatives; said when the main run begins.
fn check_oracle(slot: &Slot) -> Result<(), TrainError> {
    if slot.descriptor.can(can::EXACT_VJP) {
        return Ok(());
    }
    Err(TrainError::BadRequest(format!(
        "the control `exact` needs the exact gradient of device `{}`, which only simulated devices have: leave it out of \
         `controls`",
        slot.name
    )))
}

/// Whether a method can do with what a device says of its structure; if not, why.
pub(super) fn fits(manifest: &Manifest, descriptor: &Descriptor, device: &str) -> Result<(), String> {
    let (role, allowed) = (manifest.kind.name(), capability::NONLINEAR_DEVICES | capability::CONTROL);
    let linear = descriptor.has(structure::LINEAR_IN_X);
    if manifest.kind == Kind::Surrogate && !linear && manifest.capabilities & allowed == 0 {
        return Err(format!(
            "device `{device}` is not linear in its input (a read-out of |y| or |y|^2, say), and the surrogate `{}` cannot \
             carry a gradient through such a device: take one that fits the Jacobian at the batch (`rls`, `kaczmarz`) or a \
             model (`twin`), make the device the first layer, or choose another read-out",
            manifest.name
        ));
    }
    let missing = structure::missing(manifest.requires, descriptor.structure);
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the {role} `{}` needs a device that is {}: device `{device}` ({}) does not say so of itself",
        manifest.name,
        missing.join(" and "),
        descriptor.name
    ))
}
