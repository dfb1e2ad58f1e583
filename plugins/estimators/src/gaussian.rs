//! The random gradient estimator with Gaussian directions.
//!
//! With Q directions u ~ N(0, I), regenerated from their keys wherever they are needed, and a scalar l:
//!
//! - forward: g = 1/Q sum_q (l(w + mu u_q) - l(w)) / mu * u_q
//! - central: g = 1/Q sum_q (l(w + mu u_q) - l(w - mu u_q)) / (2 mu) * u_q
//!
//! Both are unbiased for the gradient of l smoothed by N(0, mu^2 I) (Nesterov and Spokoiny, "Random gradient-free
//! minimization of convex functions", 2017). The scalar is one of
//!
//! - `vjp`: l(w) = sum_b <f(x_b; w), v_b> with v_b = dL/dy_b, as in astralora (arXiv 2509.15113, section 2.1): only the
//!   device is queried again;
//! - `loss`: the loss of the network with everything behind the device run again.
//!
//! The two agree to first order in mu. The baseline l(w) of the forward difference is that of the step's own forward
//! pass and costs nothing. The direction that multiplies the difference is the one that was asked for, not the one that
//! rounding and clamping made of it: they belong to the function whose gradient is estimated.
//!
//! Cost of a step: Q configurations (central: 2 Q) of the device's batch each.

use crate::settings;
use blackbeam_plugin::{
    Answer, Ask, Base, Code, Context, Cost, CostInputs, Descriptor, Direction, Estimator, EstimatorPlugin, Key, Kind,
    Manifest, Open, ParameterSet, PluginError, Probe, Result, Want, needs,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most directions of one step.
const MAX_SAMPLES: u32 = 1_000_000;

/// Which difference estimates the derivative along a direction.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, PartialEq, Debug)]
#[serde(rename_all = "lowercase")]
enum Differences {
    /// Between a step forwards and the step's own forward pass: one query a direction.
    Forward,
    /// Between a step forwards and one backwards: two queries a direction, an error of second order in mu.
    Central,
}

/// Of which scalar the gradient is estimated.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, PartialEq, Debug)]
#[serde(rename_all = "lowercase")]
enum Objective {
    /// The outputs against dL/dy: only this device is queried.
    Vjp,
    /// The loss: everything behind the device runs again for every query.
    Loss,
}

/// Length of the step along a direction.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, PartialEq, Debug)]
#[serde(untagged, expecting = "mu is `auto` or a positive number, in the unit of the device's parameters")]
enum Mu {
    /// By the device's resolution and noise.
    Auto(Auto),
    /// Given, in the unit of the device's parameters.
    Given(#[schemars(extend("exclusiveMinimum" = 0))] f64),
}

#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, PartialEq, Debug)]
#[serde(rename_all = "lowercase")]
enum Auto {
    Auto,
}

#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, PartialEq, Debug)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Which difference estimates the derivative along a direction.
    differences: Differences,
    /// Of which scalar the gradient is estimated.
    objective: Objective,
    /// Number of random directions in a step.
    #[schemars(range(min = 1, max = 1_000_000))]
    samples: u32,
    /// Length of a step along a direction, in the unit of the device's parameters: a number, at least half the device's
    /// resolution, or `auto`: the resolution or what suits the device's noise, whichever is larger.
    mu: Mu,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { differences: Differences::Forward, objective: Objective::Vjp, samples: 32, mu: Mu::Auto(Auto::Auto) }
    }
}

/// Makes the estimator `gaussian`.
///
/// Settings: `differences` (`forward`, `central`), `objective` (`vjp`, `loss`), `samples` (32), `mu` (`auto` or a number
/// in the unit of the parameters).
pub struct Gaussian;

impl EstimatorPlugin for Gaussian {
    fn manifest(&self) -> Manifest {
        Manifest {
            name: "gaussian".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            kind: Kind::Estimator,
            licence: env!("CARGO_PKG_LICENSE").into(),
            summary: "Random Gaussian directions with forward or central differences (Nesterov and Spokoiny 2017; \
                      arXiv 2509.15113)"
                .into(),
            capabilities: 0,
            needs: needs::Y | needs::COTANGENT | needs::LOSS,
            requires: 0,
            settings_schema: settings::schema::<Settings>(),
        }
    }

    fn make(&self, open: &Open, device: &Descriptor) -> Result<Box<dyn Estimator>> {
        let settings: Settings = settings::read("gaussian", &open.settings)?;
        if device.n_params() == 0 {
            return Err(PluginError::settings(format!(
                "gaussian: the device `{}` has no parameters to estimate a gradient for; leave its `estimator` out",
                device.name
            )));
        }
        if !(1..=MAX_SAMPLES).contains(&settings.samples) {
            return Err(PluginError::settings(format!(
                "gaussian: samples is {}, expected 1 to {MAX_SAMPLES}",
                settings.samples
            )));
        }
        if let Mu::Given(mu) = settings.mu {
            check_mu(mu, device)?;
        }
        Ok(Box::new(Estimate { settings, state: State::Idle }))
    }
}

/// Refuses a step that is not one, or that the device's converters would round away.
fn check_mu(mu: f64, device: &Descriptor) -> Result<()> {
    if !(mu.is_finite() && mu > 0.0) {
        return Err(PluginError::settings(format!("gaussian: mu is {mu}, expected `auto` or a positive number")));
    }
    let lsb = device.lsb();
    if mu >= 0.5 * lsb {
        return Ok(());
    }
    let coarsest = device.parameters.iter().find(|p| p.resolution == lsb);
    let (name, unit) = coarsest.map_or(("", ""), |p| (p.name.as_str(), p.unit.as_str()));
    Err(PluginError::settings(format!(
        "gaussian: mu is {mu}, under half an LSB of the device `{}`: the parameter `{name}` moves in steps of {lsb:.4} \
         {unit}, so that most probes would program what it holds already. Set mu to at least {:.4}, better to {lsb:.4} \
         or more, or to `auto`",
        device.name,
        0.5 * lsb
    )))
}

/// The step that `mu: auto` takes: the larger of one LSB and the step that balances noise against curvature.
///
/// A parameter of period T acts as cos(2 pi w / T) does, so its natural unit is h = T / 2 pi: 1 rad for a phase. Without a
/// period its range stands for T, without both h is 1. With outputs of full scale F, the second derivative of an output is
/// then about F/h^2, the third F/h^3, and noise of standard deviation s on it makes the best steps
///
/// - forward: 1.7 h sqrt(s/F) (0.17 rad at 1 % noise),
/// - central: h (3 s/F)^(1/3) (0.31 rad),
///
/// kept in 0.01 h (no noise: only rounding and curvature are left, and both are small there) to 0.5 h (beyond which a
/// difference says little of a derivative). The smallest h of all parameters counts.
fn auto_mu(differences: Differences, device: &Descriptor, noise_std: f64, full_scale: f64) -> f64 {
    let unit = |period: f64, range: f64| {
        let cycle = if period.is_finite() && period > 0.0 { period } else { range };
        if cycle.is_finite() && cycle > 0.0 { cycle / std::f64::consts::TAU } else { 1.0 }
    };
    let unit = device.parameters.iter().map(|p| unit(p.period, p.max - p.min)).fold(f64::INFINITY, f64::min);
    let noise = match (noise_std > 0.0, full_scale > 0.0) {
        (false, _) => 0.0,
        (true, false) => 1.0,
        (true, true) => noise_std / full_scale,
    };
    let balanced = match differences {
        Differences::Forward => 1.7 * noise.sqrt(),
        Differences::Central => (3.0 * noise).cbrt(),
    };
    (unit * balanced.clamp(0.01, 0.5)).max(device.lsb())
}

/// Where the estimator is within a step. Nothing outlives a step, so there is no state to save.
enum State {
    Idle,
    Asked { mu: f64, baseline: f64 },
    Done { step: u64, gradient: Vec<f64> },
}

struct Estimate {
    settings: Settings,
    state: State,
}

impl Estimate {
    fn queries(&self) -> u64 {
        let each = if self.settings.differences == Differences::Central { 2 } else { 1 };
        each * u64::from(self.settings.samples)
    }

    fn key(context: &Context<'_>, sample: u32) -> Key {
        context.key.with(u64::from(sample))
    }

    /// The scalar at the parameters as they are; 0 where no difference needs it.
    fn baseline(&self, context: &Context<'_>) -> Result<f64> {
        match (self.settings.differences, self.settings.objective) {
            (Differences::Central, _) => Ok(0.0),
            (Differences::Forward, Objective::Loss) => finite(context.loss, "the loss of the step"),
            (Differences::Forward, Objective::Vjp) => {
                let (y, cotangent) = (context.y.as_f64()?, context.cotangent.as_f64()?);
                if context.y.shape() != context.cotangent.shape() {
                    return Err(PluginError::new(
                        Code::SHAPE,
                        format!(
                            "gaussian: outputs of shape {:?} with a cotangent of shape {:?}",
                            context.y.shape(),
                            context.cotangent.shape()
                        ),
                    ));
                }
                finite(y.iter().zip(cotangent).map(|(y, v)| y * v).sum(), "the outputs against the cotangent")
            }
        }
    }

    fn probes(&self, context: &Context<'_>, mu: f64) -> Vec<Probe> {
        let want = match self.settings.objective {
            Objective::Vjp => Want::Scalar,
            Objective::Loss => Want::Loss,
        };
        let signs: &[f64] = match self.settings.differences {
            Differences::Forward => &[1.0],
            Differences::Central => &[1.0, -1.0],
        };
        let probe = |sample: u32, sign: f64| {
            let key = Self::key(context, sample);
            Probe::batch(ParameterSet::keyed(Base::Current, Direction::Normal, key, sign * mu), want)
        };
        (0..self.settings.samples).flat_map(|q| signs.iter().map(move |&sign| probe(q, sign))).collect()
    }
}

fn finite(value: f64, what: &str) -> Result<f64> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(PluginError::new(Code::NONFINITE, format!("gaussian: {what} is {value}")))
    }
}

impl Estimator for Estimate {
    fn ask(&mut self, context: &Context<'_>) -> Result<Ask> {
        if let State::Done { step, gradient } = std::mem::replace(&mut self.state, State::Idle)
            && step == context.step
        {
            return Ok(Ask::gradient(gradient));
        }
        let mu = match self.settings.mu {
            Mu::Given(mu) => mu,
            Mu::Auto(_) => {
                auto_mu(self.settings.differences, context.descriptor, context.noise_std, context.full_scale)
            }
        };
        let baseline = self.baseline(context)?;
        self.state = State::Asked { mu, baseline };
        Ok(Ask::probes(self.probes(context, mu)))
    }

    fn tell(&mut self, context: &Context<'_>, answers: &[Answer]) -> Result<()> {
        let State::Asked { mu, baseline } = self.state else {
            return Err(PluginError::new(Code::NOT_READY, "gaussian: answers without a question"));
        };
        if answers.len() as u64 != self.queries() {
            return Err(PluginError::new(
                Code::SHAPE,
                format!("gaussian: {} answers to {} probes", answers.len(), self.queries()),
            ));
        }
        let samples = self.settings.samples;
        let mut gradient = vec![0.0; context.params.len()];
        for (q, answers) in (0..samples).zip(answers.chunks(answers.len() / samples as usize)) {
            let slope = match answers {
                [plus, minus] => (plus.scalar - minus.scalar) / (2.0 * mu),
                [plus] => (plus.scalar - baseline) / mu,
                _ => unreachable!("the number of answers was checked"),
            };
            let slope = finite(slope, "the answer to a probe")?;
            Direction::Normal.add(Self::key(context, q), slope / f64::from(samples), &mut gradient);
        }
        self.state = State::Done { step: context.step, gradient };
        Ok(())
    }

    fn cost(&self, inputs: &CostInputs) -> Cost {
        let configurations = self.queries();
        let losses = if self.settings.objective == Objective::Loss { configurations } else { 0 };
        Cost { vectors: configurations.saturating_mul(inputs.batch as u64), configurations, losses }
    }
}

#[cfg(test)]
#[path = "gaussian_tests.rs"]
mod tests;
