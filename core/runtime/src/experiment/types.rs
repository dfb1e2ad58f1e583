//! What an experiment file says, as data. The doc comments are what an editor shows while the file is written.

use super::{RetryConfig, SentinelConfig, Source};
use blackbeam_data::{Augment, CopyingMemory, Equalization, Normalise, Set, SetName};
use blackbeam_layers::{Layer, Loss, OptimizerConfig, Schedule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, path::PathBuf};

/// An experiment: a network with one or more photonic devices in it, the data it learns and how it is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Name of the experiment; the run directory is called after it. Letters, digits, `-` and `_`.
    pub name: String,
    /// Seed of everything random in the run: initial weights, order of the samples, dropout, probes, device noise.
    #[serde(default)]
    pub seed: u64,
    /// The data set.
    pub data: DataConfig,
    /// The network and its loss.
    pub model: ModelConfig,
    /// The devices, by the names that `device` layers use.
    #[serde(default)]
    pub devices: BTreeMap<String, DeviceConfig>,
    /// How the network is trained.
    pub train: TrainConfig,
    /// What the run is compared with: each control trains the same network on the same batches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<Control>,
    /// How many input vectors may be sent through the devices.
    #[serde(default)]
    pub budget: BudgetConfig,
}

/// Which data set, what its samples are and how many of them are used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// The data set.
    pub set: SetName,
    /// `equalization`: rows and columns of W: how many complex numbers a sample has and how many numbers its target. 16 if left
    /// out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub size: Option<usize>,
    /// `equalization`: the range that the singular values of W are drawn from, uniformly. [2, 6] if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(inner(range(min = 0)))]
    pub singular_values: Option<[f64; 2]>,
    /// `copying_memory`: how many different symbols there are; the classes are these, blank and start. 8 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 254))]
    pub symbols: Option<usize>,
    /// `copying_memory`: how many symbols are to be remembered. 10 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub length: Option<usize>,
    /// `copying_memory`: how many blanks stand between the last symbol and the start marker. 100 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100_000))]
    pub delay: Option<usize>,
    /// Number of training samples: the first so many of a data set that is read from files, as many as asked for of one that is
    /// drawn in code. If left out, all of them; 10000 of `glyphs`, 60000 of `equalization` and `copying_memory`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub train: Option<usize>,
    /// Number of test samples. If left out, all of them; 2000 of `glyphs`, 10000 of `equalization` and `copying_memory`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub test: Option<usize>,
    /// Images: how pixels become the numbers that the network sees. `standard` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalise: Option<Normalise>,
    /// Images: random changes of training samples, drawn anew for each sample in each epoch. None if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augment: Option<Augment>,
}

impl DataConfig {
    /// The data set with its settings, those that are left out by their defaults.
    pub fn data_set(&self) -> Set {
        match self.set {
            SetName::Glyphs => Set::Glyphs,
            SetName::Mnist => Set::Mnist,
            SetName::FashionMnist => Set::FashionMnist,
            SetName::Cifar10 => Set::Cifar10,
            SetName::Equalization => {
                let default = Equalization::default();
                Set::Equalization(Equalization {
                    size: self.size.unwrap_or(default.size),
                    singular_values: self.singular_values.unwrap_or(default.singular_values),
                })
            }
            SetName::CopyingMemory => {
                let default = CopyingMemory::default();
                Set::CopyingMemory(CopyingMemory {
                    symbols: self.symbols.unwrap_or(default.symbols),
                    length: self.length.unwrap_or(default.length),
                    delay: self.delay.unwrap_or(default.delay),
                })
            }
        }
    }

    /// Writes the defaults of the data set's own settings out.
    pub(super) fn fill(&mut self) {
        let set = self.data_set();
        match set {
            Set::Equalization(task) => {
                (self.size, self.singular_values) = (Some(task.size), Some(task.singular_values));
            }
            Set::CopyingMemory(task) => {
                (self.symbols, self.length, self.delay) = (Some(task.symbols), Some(task.length), Some(task.delay));
            }
            Set::Glyphs | Set::Mnist | Set::FashionMnist | Set::Cifar10 => {
                self.normalise = Some(self.normalise.unwrap_or_default());
            }
        }
    }

    /// Settings that are given and belong to other data sets: the key, and what has such a setting.
    pub(super) fn strays(&self) -> Vec<(&'static str, &'static str)> {
        let (equalization, copying) = (SetName::Equalization.name(), SetName::CopyingMemory.name());
        let (own, image) = (self.set.name(), self.data_set().image().is_some());
        let belongs = |owner: &str| if owner == "images" { image } else { owner == own };
        [
            ("size", equalization, self.size.is_some()),
            ("singular_values", equalization, self.singular_values.is_some()),
            ("symbols", copying, self.symbols.is_some()),
            ("length", copying, self.length.is_some()),
            ("delay", copying, self.delay.is_some()),
            ("normalise", "images", self.normalise.is_some()),
            ("augment", "images", self.augment.is_some()),
        ]
        .into_iter()
        .filter(|(_, owner, given)| *given && !belongs(owner))
        .map(|(key, owner, _)| (key, owner))
        .collect()
    }
}

/// The network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// The layers, from the input on. A `device` layer names one of `devices`; several layers may name the same.
    pub layers: Vec<Layer>,
    /// The loss.
    #[serde(default = "default_loss")]
    pub loss: Loss,
}

fn default_loss() -> Loss {
    Loss::CrossEntropy
}

/// A photonic device and how it is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceConfig {
    /// What the device is: a description that is simulated, or a plugin.
    pub source: Source,
    /// How the network's values are brought into the range of the device's inputs.
    #[serde(default)]
    pub input: InputConfig,
    /// How the range of the device's read-out follows the signal.
    #[serde(default)]
    pub output: OutputConfig,
    /// The method that estimates from queries how the device's parameters should change. Without one they stay as they
    /// are at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimator: Option<Method>,
    /// The method that carries the gradient through the device to the layers before it. Not needed where none of them
    /// is trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surrogate: Option<Method>,
    /// The optimiser of the device's parameters. Adam with a learning rate of 0.01 if left out.
    #[serde(default = "default_device_optimizer")]
    pub optimizer: OptimizerConfig,
    /// The learning-rate schedule of the device's parameters; `train.schedule` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Seed of what is drawn once per device (fabrication); derived from the run's seed and the device's name if left
    /// out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Threads that one call of a simulated device may use; all of the run's if left out. Results do not depend on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub threads: Option<u32>,
    /// Most vectors in one call, where less than the device allows is wanted. Results do not depend on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_batch: Option<usize>,
    /// How calls that fail are sent again.
    #[serde(default, skip_serializing_if = "RetryConfig::is_default")]
    pub retry: RetryConfig,
    /// The run stops with a checkpoint after so many failures that left the device's state unknown, though each was mended; one
    /// is forgiven for every 100 steps without any. 10 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_failures: Option<u64>,
    /// Devices of libraries: no other run of this user may drive the same device (the same library with the same settings) at the
    /// same time.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub exclusive: bool,
    /// Vectors that are sent again and again to see what becomes of the device. None if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentinel: Option<SentinelConfig>,
    /// How much of what the device is asked and answers is written to `record/NAME.bblog` in the run directory (docs/recording.md).
    /// Nothing if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Record>,
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

/// How much of the calls of a device is recorded. Identity, sizes, time and errors of each always are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// All requests and answers: the run can be replayed without the device.
    Full,
    /// Requests and answers of the probes of estimators and surrogates, and all parameters that are written; of the other
    /// queries the hashes.
    Probes,
    /// Hashes of requests and answers.
    Meta,
}

fn default_device_optimizer() -> OptimizerConfig {
    OptimizerConfig::Adam { learning_rate: 0.01, betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.0 }
}

/// How a scale is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScaleRule {
    /// It is `value` and stays so.
    Fixed,
    /// It follows the signal slowly, once a step.
    #[default]
    Calibrated,
    /// It is trained with the digital layers.
    Learned,
}

/// How the network's values are brought into the range of the device's inputs. What is still out of range is clipped
/// and gets no gradient.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InputConfig {
    /// How the scale is found.
    pub scale: ScaleRule,
    /// The value in the network that stands for the end of the device's input range: the scale for `fixed`, where it
    /// starts for `learned`; for `calibrated` it starts from the first batch if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub value: Option<f64>,
    /// `calibrated`: the part of the way to the newest estimate that the scale goes in one step.
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub rate: f64,
    /// `calibrated`: the scale is so many times the estimate of the largest value.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub margin: f64,
}

impl Default for InputConfig {
    fn default() -> Self {
        InputConfig { scale: ScaleRule::Calibrated, value: None, rate: 0.01, margin: 1.0 }
    }
}

/// How the full scale of a read-out is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FullScaleRule {
    /// It is `value`, or what is found from seeded vectors before the first step, and stays so.
    Fixed,
    /// It follows the signal slowly, once a step, where the device can set its full scale.
    #[default]
    Calibrated,
}

/// How the range of the device's read-out follows the signal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutputConfig {
    /// How the full scale is found.
    pub full_scale: FullScaleRule,
    /// The output value that is full scale: always for `fixed`, at the start for `calibrated`. Found from seeded vectors
    /// before the first step if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub value: Option<f64>,
    /// `calibrated`: the part of the way to the newest estimate that the full scale goes in one step.
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub rate: f64,
    /// `calibrated`: the full scale is so many times the estimate of the largest output.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub margin: f64,
}

impl Default for OutputConfig {
    fn default() -> Self {
        OutputConfig { full_scale: FullScaleRule::Calibrated, value: None, rate: 0.01, margin: 1.1 }
    }
}

/// An estimator or a surrogate: its name and, beside it, its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Method {
    /// Name of the method, such as `gaussian` or `residual`.
    pub method: String,
    /// The library that holds it, if it is not built in. Relative to the experiment file; to be made known once with
    /// `blackbeam plugin add`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub library: Option<PathBuf>,
    /// The method's own settings.
    #[serde(flatten)]
    pub settings: Map<String, Value>,
}

impl Method {
    /// The settings as the JSON text that a plugin is given.
    pub fn settings_json(&self) -> String {
        Value::Object(self.settings.clone()).to_string()
    }
}

/// How the network is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Passes over the training samples. Either this or `steps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub epochs: Option<u64>,
    /// Training steps (batches). Either this or `epochs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub steps: Option<u64>,
    /// Samples in one step; the rest of an epoch that does not fill a batch is left out.
    #[serde(default = "default_batch")]
    #[schemars(range(min = 1))]
    pub batch: usize,
    /// The optimiser of the digital layers.
    pub optimizer: OptimizerConfig,
    /// The learning-rate schedule.
    #[serde(default)]
    pub schedule: Schedule,
    /// The gradient of all digital parameters together is scaled down to this norm where it is longer. No clipping if
    /// left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub clip_norm: Option<f64>,
    /// Epochs between evaluations on the test samples; 0 evaluates at the end only. Evaluation is always done at the
    /// end.
    #[serde(default = "default_evaluate_every")]
    pub evaluate_every: u64,
    /// Steps between checkpoints.
    #[serde(default = "default_checkpoint_every")]
    #[schemars(range(min = 1))]
    pub checkpoint_every: u64,
    /// Steps between measurements of `surrogate_error`; 0 never measures it.
    #[serde(default = "default_surrogate_error_every")]
    pub surrogate_error_every: u64,
    /// On simulated devices, compares every estimate of a device's gradient with the exact one: `DEVICE.gradient_cosine` in
    /// `metrics.jsonl`. In the ledger as diagnostic; training does not see it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub diagnostics: bool,
}

fn default_batch() -> usize {
    128
}

fn default_evaluate_every() -> u64 {
    1
}

fn default_checkpoint_every() -> u64 {
    500
}

fn default_surrogate_error_every() -> u64 {
    50
}

impl TrainConfig {
    /// Steps in one epoch of `samples` training samples: whole batches only, at least one (a batch is never larger than
    /// the training set, which the reader checks).
    pub fn steps_per_epoch(&self, samples: usize) -> u64 {
        (samples / self.batch.max(1)).max(1) as u64
    }

    /// Steps of the whole run.
    pub fn total_steps(&self, samples: usize) -> u64 {
        match (self.steps, self.epochs) {
            (Some(steps), _) => steps,
            (None, epochs) => epochs.unwrap_or(0).saturating_mul(self.steps_per_epoch(samples)),
        }
    }
}

/// What a run is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// A dense layer of the same shape in place of each device.
    Digital,
    /// The devices stay as they are at the start; their surrogates still run.
    Frozen,
    /// A fixed random matrix carries the gradient back in place of the surrogate.
    RandomFeedback,
    /// The oracle: the exact gradient of a simulated device in place of estimator and surrogate.
    Exact,
}

impl Control {
    /// All controls, in order.
    pub const ALL: [Control; 4] = [Control::Digital, Control::Frozen, Control::RandomFeedback, Control::Exact];

    /// The name used in files, metrics and tables.
    pub fn name(self) -> &'static str {
        match self {
            Control::Digital => "digital",
            Control::Frozen => "frozen",
            Control::RandomFeedback => "random_feedback",
            Control::Exact => "exact",
        }
    }
}

/// Limits on the input vectors sent through all devices together; a step that would go beyond one is not begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetConfig {
    /// Vectors of the forward pass, of the estimator and of the surrogate in each run (the main run and every control by
    /// itself), each answer counted once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub training: Option<u64>,
    /// All vectors that the hardware is sent, with evaluation, diagnostics, retries and work lost to a crash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub device: Option<u64>,
}
