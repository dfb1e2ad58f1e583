//! One estimator first, another one later.
//!
//! Zhao et al., "Tensor-compressed back-propagation-free training" (hybrid ZO): a cheap and rough method goes fast at first, an
//! expensive and exact one goes on where the first gets no further; there signRGE (`sign`, Q = 10, mu = 0.1), then coordinate
//! differences (`coordinate`, mu = 0.01, momentum 0.9). No rule of when is given there. Here: the loss is averaged over windows
//! of `window` steps (an epoch's, say); with m_t the mean of window t, the second method takes over for good after a window with
//!
//!   (m_{t - patience} - m_t) / |m_{t - patience}| < tolerance.
//!
//! The step after which it happens says so in the log. Gradients of the second method may be gathered, b <- momentum b + g; the
//! optimiser and its settings are the
//! device's and stay the same.
//!
//! Any two of the estimators that are shipped can be put together. Cost of a step: that of the method at work.

use crate::{
    objective::finite,
    settings,
    state::{Reader, Writer, bad},
};
use blackbeam_plugin::{
    Answer, Ask, Context, Cost, CostInputs, Descriptor, Estimator, EstimatorPlugin, Manifest, Open, OutcomeKind,
    Plugin, PluginError, Result, needs, structure,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const NAME: &str = "hybrid";

/// An estimator with its settings.
#[derive(Serialize, Deserialize, JsonSchema, Clone, PartialEq, Debug)]
struct Inner {
    /// Name of the estimator.
    method: String,
    /// Its settings.
    #[serde(flatten)]
    settings: Map<String, Value>,
}

impl Inner {
    fn named(method: &str) -> Self {
        Inner { method: method.into(), settings: Map::new() }
    }
}

#[derive(Serialize, Deserialize, JsonSchema, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// The estimator at the start: `method` and its settings.
    first: Inner,
    /// The estimator after the switch.
    second: Inner,
    /// Steps over which the loss is averaged, such as those of an epoch.
    #[schemars(range(min = 1))]
    window: u64,
    /// Windows over which the improvement is measured.
    #[schemars(range(min = 1, max = 1000))]
    patience: u32,
    /// Relative improvement below which the second method takes over.
    #[schemars(range(min = 0))]
    tolerance: f64,
    /// Share of the last sum of gradients of the second method that is kept: b <- momentum b + g.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    momentum: f64,
}

impl Default for Settings {
    fn default() -> Self {
        let (first, second) = (Inner::named("sign"), Inner::named("coordinate"));
        Settings { first, second, window: 100, patience: 3, tolerance: 1e-3, momentum: 0.0 }
    }
}

impl Settings {
    fn check(&self) -> Result<()> {
        let wrong = |what: String| Err(PluginError::settings(format!("{NAME}: {what}")));
        if self.window == 0 {
            return wrong("window is 0, expected at least 1".into());
        }
        if !(1..=1000).contains(&self.patience) {
            return wrong(format!("patience is {}, expected 1 to 1000", self.patience));
        }
        if !(self.tolerance.is_finite() && self.tolerance >= 0.0) {
            return wrong(format!("tolerance is {}, expected a number of at least 0", self.tolerance));
        }
        if !(0.0..1.0).contains(&self.momentum) {
            return wrong(format!("momentum is {}, expected at least 0 and less than 1", self.momentum));
        }
        Ok(())
    }
}

/// Makes the estimator `hybrid`.
///
/// Settings: `first` and `second` (`method` and its settings; `sign`, then `coordinate`), `window` (100), `patience` (3),
/// `tolerance` (0.001), `momentum` (0, of the second).
pub struct Hybrid;

impl EstimatorPlugin for Hybrid {
    fn manifest(&self) -> Manifest {
        let summary =
            "One estimator until the loss stands still, then another (after the hybrid training of Zhao et al.)";
        // whatever one of the two may need
        let needs = crate::methods().iter().fold(needs::LOSS, |needs, method| needs | method.manifest().needs);
        settings::manifest::<Settings>(NAME, summary, needs, 0)
    }

    fn make(&self, open: &Open, device: &Descriptor) -> Result<Box<dyn Estimator>> {
        let settings: Settings = settings::read(NAME, &open.settings)?;
        settings.check()?;
        let methods = [made("first", &settings.first, open, device)?, made("second", &settings.second, open, device)?];
        Ok(Box::new(Switching {
            settings,
            methods,
            at_work: 0,
            sum: 0.0,
            count: 0,
            means: Vec::new(),
            gathered: Vec::new(),
        }))
    }
}

/// The estimator of one stage.
fn made(stage: &str, inner: &Inner, open: &Open, device: &Descriptor) -> Result<Box<dyn Estimator>> {
    let plugins = crate::methods();
    let names: Vec<String> = plugins.iter().map(|p| p.manifest().name.into()).collect();
    let found = plugins.into_iter().find_map(|plugin| match plugin {
        Plugin::Estimator(e) if e.manifest().name == inner.method.as_str() => Some(e),
        _ => None,
    });
    let Some(plugin) = found else {
        return Err(PluginError::settings(format!(
            "{NAME}: {stage}: there is no estimator `{}`; there are {}",
            inner.method,
            names.join(", ")
        )));
    };
    let missing = structure::missing(plugin.manifest().requires, device.structure);
    if !missing.is_empty() {
        return Err(PluginError::settings(format!(
            "{NAME}: {stage}: the estimator `{}` needs a device that is {}: the device `{}` does not say so of itself",
            inner.method,
            missing.join(" and "),
            device.name
        )));
    }
    let settings = Value::Object(inner.settings.clone()).to_string();
    let made = plugin.make(&Open { settings: settings.into(), ..open.clone() }, device);
    made.map_err(|e| PluginError { message: format!("{NAME}: {stage}: {}", e.message).into(), ..e })
}

struct Switching {
    settings: Settings,
    methods: [Box<dyn Estimator>; 2],
    /// Which of them is at work.
    at_work: usize,
    /// Losses of the window so far.
    sum: f64,
    count: u64,
    /// Means of the last windows, the oldest first.
    means: Vec<f64>,
    /// b of the second method; empty before its first gradient.
    gathered: Vec<f64>,
}

impl Switching {
    /// Adds a gradient of the second method to what is left of those before.
    fn gather(&mut self, ask: &mut Ask) {
        let gradient = ask.outcome == OutcomeKind::Gradient && self.at_work == 1;
        if !gradient || self.settings.momentum == 0.0 {
            return;
        }
        self.gathered.resize(ask.values.len(), 0.0);
        for (kept, value) in self.gathered.iter_mut().zip(ask.values.iter_mut()) {
            *kept = self.settings.momentum * *kept + *value;
            *value = *kept;
        }
    }

    /// Takes note of the loss of a step; says why, if the second method is to take over.
    fn watch(&mut self, step: u64, loss: f64) -> Option<String> {
        let Settings { first, second, window, patience, tolerance, .. } = &self.settings;
        if self.at_work == 1 {
            return None;
        }
        self.sum += loss;
        self.count += 1;
        if self.count < *window {
            return None;
        }
        let now = std::mem::take(&mut self.sum) / std::mem::take(&mut self.count) as f64;
        self.means.push(now);
        if self.means.len() <= *patience as usize {
            return None;
        }
        let before = self.means.remove(0);
        let improvement = (before - now) / before.abs();
        // 0/0, where nothing can improve, counts as none
        if improvement >= *tolerance {
            return None;
        }
        self.at_work = 1;
        Some(format!(
            "hybrid: `{}` takes over from `{}` after step {step}: the mean loss went from {before:.6} to {now:.6} in {patience} \
             windows of {window} steps, less than {tolerance} of it",
            second.method, first.method
        ))
    }
}

impl Estimator for Switching {
    fn ask(&mut self, context: &Context<'_>) -> Result<Ask> {
        let mut ask = self.methods[self.at_work].ask(context)?;
        if !ask.probes.is_empty() {
            return Ok(ask);
        }
        self.gather(&mut ask);
        let loss = finite(NAME, context.loss, "the loss of the step")?;
        if let Some(why) = self.watch(context.step, loss) {
            let note = if ask.note.is_empty() { why } else { format!("{}; {why}", ask.note) };
            ask = ask.with_note(note);
        }
        Ok(ask)
    }

    fn tell(&mut self, context: &Context<'_>, answers: &[Answer]) -> Result<()> {
        self.methods[self.at_work].tell(context, answers)
    }

    fn cost(&self, inputs: &CostInputs) -> Cost {
        self.methods[self.at_work].cost(inputs)
    }

    fn save(&self) -> Result<Vec<u8>> {
        let mut writer = Writer::new(NAME);
        writer.number(self.at_work as u64);
        writer.real(self.sum);
        writer.number(self.count);
        writer.number(self.means.len() as u64);
        self.means.iter().for_each(|mean| writer.real(*mean));
        writer.number(self.gathered.len() as u64);
        self.gathered.iter().for_each(|b| writer.real(*b));
        for method in &self.methods {
            writer.bytes(&method.save()?);
        }
        Ok(writer.done())
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let mut reader = Reader::new(NAME, state)?;
        let at_work = reader.number()?;
        let (sum, count, means) = (reader.real()?, reader.number()?, reader.number()?);
        if at_work > 1 || means > u64::from(self.settings.patience) {
            return Err(bad(NAME, "is one of other settings"));
        }
        let means = (0..means).map(|_| reader.real()).collect::<Result<_>>()?;
        let gathered = reader.number()?;
        let gathered = (0..gathered).map(|_| reader.real()).collect::<Result<_>>()?;
        for method in &mut self.methods {
            method.restore(reader.bytes()?)?;
        }
        reader.end()?;
        (self.at_work, self.sum, self.count, self.means) = (at_work as usize, sum, count, means);
        self.gathered = gathered;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_host::{CosineBank, Host, descriptor, make};
    use blackbeam_plugin::{Code, Key, Matrix};
    use std::cell::Cell;

    const SETTINGS: &str = r#"{"first": {"method": "gaussian", "samples": 2}, "second": {"method": "coordinate", "mu": 0.01},
        "window": 2, "patience": 2, "tolerance": 0.1}"#;

    /// The steps in which notes are made, with how many configurations each step took, for the given losses.
    fn run(settings: &str, losses: &[f64]) -> (Vec<(usize, String)>, Vec<u64>) {
        let now = Cell::new(0.0);
        let loss = |_: &Matrix| now.get();
        let host = Host { loss: &loss, ..CosineBank::new(6, 4, 3).host() };
        let mut estimator = make(&Hybrid, settings, &host.descriptor).unwrap();
        let (mut notes, mut costs) = (Vec::new(), Vec::new());
        for (step, loss) in losses.iter().enumerate() {
            now.set(*loss);
            let said = estimator.cost(&host.inputs(step as u64));
            let played = host.play(estimator.as_mut(), Key::new(1).with(step as u64), step as u64);
            assert_eq!(played.cost, said);
            costs.push(said.configurations);
            if !played.result.note.is_empty() {
                notes.push((step, played.result.note.into()));
            }
        }
        (notes, costs)
    }

    /// Means of windows of two: 4, 2, 1.9, 1.85. From the first to the third 52 % better, from the second to the fourth 7.5 %.
    #[test]
    fn switches_once_where_the_loss_stands_still() {
        let (notes, costs) = run(SETTINGS, &[5.0, 3.0, 2.0, 2.0, 1.9, 1.9, 1.8, 1.9, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(notes.len(), 1);
        assert_eq!(notes[0].0, 7);
        assert!(notes[0].1.contains("`coordinate` takes over from `gaussian`"), "{}", notes[0].1);
        assert_eq!(costs, [[2; 8].as_slice(), &[12; 4]].concat());
        assert!(run(SETTINGS, &[8.0, 8.0, 4.0, 4.0, 2.0, 2.0, 1.0, 1.0, 0.5, 0.5]).0.is_empty());
        // nothing left to gain
        assert_eq!(run(SETTINGS, &[0.0; 7]).0.len(), 1);
    }

    #[test]
    fn a_restored_run_goes_on_with_the_same_bits() {
        let settings = SETTINGS.replace("coordinate", "natural").replace("0.1}", "10, \"momentum\": 0.9}");
        let host = CosineBank::new(6, 4, 3).host();
        for saved_after in [3, 9] {
            let mut whole = make(&Hybrid, &settings, &host.descriptor).unwrap();
            for step in 0..saved_after {
                host.play(whole.as_mut(), Key::new(1).with(step), step);
            }
            let mut resumed = make(&Hybrid, &settings, &host.descriptor).unwrap();
            resumed.restore(&whole.save().unwrap()).unwrap();
            for step in saved_after..12 {
                let a = host.play(whole.as_mut(), Key::new(1).with(step), step);
                let b = host.play(resumed.as_mut(), Key::new(1).with(step), step);
                assert_eq!((a.probes, a.result), (b.probes, b.result));
            }
            let state = whole.save().unwrap();
            assert_eq!(resumed.restore(&state[..state.len() - 1]).unwrap_err().code, Code::BAD_STATE);
        }
    }

    /// The gradient of the second method is the same at every step of a host that does not move: b is a geometric sum.
    #[test]
    fn momentum_gathers_the_gradients_of_the_second_method() {
        let host = CosineBank::new(6, 4, 3).host();
        let settings = SETTINGS.replace("0.1}", "10, \"momentum\": 0.5}");
        let mut estimator = make(&Hybrid, &settings, &host.descriptor).unwrap();
        let steps: Vec<Vec<f64>> = (0..9)
            .map(|step| host.play(estimator.as_mut(), Key::new(1).with(step), step).result.values.to_vec())
            .collect();
        for (gathered, alone) in [(&steps[7], 1.5), (&steps[8], 1.75)] {
            assert!(gathered.iter().zip(&steps[6]).all(|(b, g)| (b - alone * g).abs() < 1e-12 * g.abs().max(1e-3)));
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        let device = descriptor(2, 2, 4, 0.0);
        for (settings, texts) in [
            (r#"{"first": {"method": "gausian"}}"#, ["first", "no estimator `gausian`", "gaussian"]),
            (r#"{"second": {"method": "gaussian", "sample": 3}}"#, ["second", "gaussian", "sample"]),
            (r#"{"second": {"method": "local"}}"#, ["second", "local", "`bank`"]),
            (r#"{"window": 0}"#, ["hybrid", "window", "0"]),
            (r#"{"patience": 0}"#, ["hybrid", "patience", "0"]),
            (r#"{"tolerance": -1}"#, ["hybrid", "tolerance", "-1"]),
            (r#"{"momentum": 1}"#, ["hybrid", "momentum", "less than 1"]),
            (r#"{"third": {"method": "sign"}}"#, ["hybrid", "third", "first"]),
        ] {
            let Err(error) = make(&Hybrid, settings, &device) else { panic!("{settings} was taken") };
            assert!(texts.iter().all(|text| error.message.contains(text)), "{error}");
        }
    }
}
