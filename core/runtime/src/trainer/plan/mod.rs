//! `blackbeam plan`: what a run would cost, and what its devices are like, before it is begun.

mod advice;
mod measure;
mod rehearsal;
mod stand_in;

pub use advice::Advice;
pub use measure::Measured;
pub use rehearsal::Prediction;

use super::{
    Progress, TrainError,
    build::{Site, Widths},
    prepare::{Gathered, gather, plugins_of},
};
use crate::{
    experiment::{Control, DeviceConfig},
    host::Isolation,
    run::RunError,
    session::{Account, NoiseEstimate, PhysicalFile, SessionState},
};
use blackbeam_plugin::{Descriptor, Device, Key};
use serde::Serialize;
use stand_in::StandIn;
use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};

/// What to plan.
#[derive(Clone, Debug)]
pub struct PlanRequest {
    /// The experiment.
    pub experiment: PathBuf,
    /// `--set`.
    pub overrides: Vec<(String, String)>,
    /// `--seed`.
    pub seed: Option<u64>,
    /// `--ideal`.
    pub ideal: bool,
    /// Threads that a device may use.
    pub threads: u32,
    /// Where data sets lie (`BLACKBEAM_DATA`).
    pub data: Option<PathBuf>,
    /// Where the queries of the plan itself are counted: a ledger as in a run directory, appended to.
    pub ledger: PathBuf,
    /// How device libraries are run in processes of their own, as in [`Request`](super::Request).
    pub isolation: Option<Isolation>,
}

/// What a run would cost, and what its devices are like.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// Name of the experiment.
    pub name: String,
    /// By device: what was measured, and what it asks of the methods.
    pub devices: BTreeMap<String, Planned>,
    /// What the main run and each control with devices will spend.
    pub runs: Vec<Prediction>,
    /// All of them together, diagnostics included.
    pub total: Account,
    /// What the plan itself has spent.
    pub spent: Account,
}

/// A device in a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Planned {
    /// What the device calls itself.
    pub device: String,
    /// Number of parameters.
    pub parameters: usize,
    /// Inputs and outputs, in reals.
    pub widths: [usize; 2],
    /// What was measured.
    pub measured: Measured,
    /// What that asks of the methods.
    pub advice: Advice,
}

/// What a device says of itself, and its noise and largest output in its own units.
pub(super) type Described = (Descriptor, NoiseEstimate);

/// Each device by its name, with its state after its calibration.
type Opened = BTreeMap<String, (Described, SessionState)>;

/// Opens and measures the devices of an experiment, leaves them in their safe state, and predicts what a run will spend.
///
/// # Errors
/// [`TrainError`], as for training.
pub fn plan(request: &PlanRequest, progress: &mut dyn Progress) -> Result<Plan, TrainError> {
    let Gathered { mut loaded, lock, registry, data, .. } = gather(
        (&request.experiment, &plugins_of(&request.experiment)),
        (&request.overrides, request.seed, request.ideal),
        request.data.as_deref(),
        progress,
    )?;
    let folder = request.ledger.parent().map(std::path::Path::to_owned).unwrap_or_default();
    let io = |path: &std::path::Path| {
        let path = path.to_owned();
        move |error| RunError::Io { path, error }
    };
    if !folder.as_os_str().is_empty() {
        fs::create_dir_all(&folder).map_err(io(&folder))?;
    }
    let (physical, _) = PhysicalFile::open(&request.ledger).map_err(io(&request.ledger))?;
    for device in loaded.experiment.devices.values_mut() {
        device.record = None;
    }
    let mut site = Site {
        lock,
        registry,
        isolation: request.isolation.clone(),
        data,
        threads: request.threads,
        loaded,
        physical,
        dir: folder,
        interrupt: Arc::default(),
        stand_ins: None,
    };
    let mut widths = Widths::new();
    let (devices, opened, spent) = measured(&mut site, &mut widths)?;

    let experiment = &site.loaded.experiment;
    let with_devices = experiment.controls.iter().copied().filter(|control| *control != Control::Digital);
    let runs: Vec<Option<Control>> = std::iter::once(None).chain(with_devices.map(Some)).collect();
    let (name, training, budget) = (experiment.name.clone(), experiment.budget.training, experiment.budget.device);
    site.physical = PhysicalFile::nowhere();
    site.stand_ins = Some(opened.iter().map(|(name, (described, _))| (name.clone(), described.clone())).collect());
    let mut predictions = Vec::new();
    for control in runs {
        let mut phase = site.phase(control, &mut widths, false)?;
        for slot in phase.slots.lock().iter_mut() {
            if let Some((_, state)) = opened.get(&slot.name) {
                slot.session.restore(state.clone())?;
            }
        }
        predictions.push(rehearsal::rehearse(&mut phase, training)?);
    }
    let mut total = Account::default();
    predictions.iter().for_each(|prediction| total.add(&prediction.all().everything()));
    if let Some(budget) = budget.filter(|budget| total.vectors > *budget) {
        let wanted = total.vectors;
        progress.note(&format!("`budget.device` allows {budget} vectors, all runs together want {wanted}"));
    }
    Ok(Plan { name, devices, runs: predictions, total, spent })
}

/// Opens every device of the main run as training does, and measures it.
fn measured(site: &mut Site, widths: &mut Widths) -> Result<(BTreeMap<String, Planned>, Opened, Account), TrainError> {
    let phase = site.phase(None, widths, true)?;
    let key = Key::new(site.loaded.experiment.seed).named("plan");
    let (mut devices, mut opened, mut spent) = (BTreeMap::new(), Opened::new(), Account::default());
    for slot in phase.slots.lock().iter_mut() {
        let config = site.loaded.experiment.devices.get(&slot.name);
        let state = slot.session.save();
        let measured = measure::measure(&mut slot.session, key.named(&slot.name));
        // Whatever came of it.
        let safe = slot.session.safe_state();
        let (state, measured) = (state?, measured?);
        safe?;
        spent.add(&slot.session.physical().everything());
        let descriptor = slot.descriptor.clone();
        let settings = config.map(settings).unwrap_or_default();
        let planned = Planned {
            device: descriptor.name.to_string(),
            parameters: descriptor.n_params(),
            widths: [descriptor.input.width, descriptor.output.width],
            advice: advice::advise(&measured, &descriptor, settings[0], settings[1], settings[2]),
            measured,
        };
        devices.insert(slot.name.clone(), planned);
        opened.insert(slot.name.clone(), ((descriptor, slot.session.device_noise()), state));
    }
    Ok((devices, opened, spent))
}

/// `samples` and `mu` of the estimator, `rank` of the surrogate, as far as they are given as numbers.
fn settings(config: &DeviceConfig) -> [Option<f64>; 3] {
    let of = |method: &Option<crate::experiment::Method>, key: &str| method.as_ref()?.settings.get(key)?.as_f64();
    [of(&config.estimator, "samples"), of(&config.estimator, "mu"), of(&config.surrogate, "rank")]
}

/// What stands in for a device.
pub(super) fn stand_in((descriptor, noise): &Described) -> Box<dyn Device> {
    Box::new(StandIn::new(descriptor.clone(), *noise))
}
