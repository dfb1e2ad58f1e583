//! Zeroth-order optimisation with natural perturbations (ZO-NP).
//!
//! Sawada, Aoyama and Hikima, "Natural perturbations for black-box training of neural networks by zeroth-order optimization",
//! ICML 2025, algorithm 2. The N parameters are cut into B = ceil(N / block) blocks, contiguous and of ceil(N / B) each (the
//! last may be shorter). Sigma_b = I at the start. Every `every` steps, step 0 included, one block b, drawn with replacement, is
//! measured:
//!
//! - J_n = (f(x; w + mu e_n) - f(x; w)) / mu for its parameters,
//! - F_b = mean over rows of J^T F_y J,
//! - Sigma_b = (lambda_p I + lambda_f F_b)^-1; with the Cholesky factor L L^T of the inverse, u = L^-T z is N(0, Sigma_b).
//!
//! In every step Q blocks are drawn, with replacement if B < Q, else without, u_q ~ N(0, Sigma_b) in its block and 0 elsewhere:
//!
//!   g = 1/Q sum_q (l(w + mu u_q) - l(w)) / mu * u_q
//!
//! For lambda_f = 0 it is the block-coordinate ZO-I of the paper. E g = 1/B Sigma grad l: a natural gradient (damped by
//! lambda_p / lambda_f) up to the number of blocks, which Adam does not see.
//!
//! F_y is the Fisher information of the device's outputs: of the network's (I for mean squares, diag(p) - p p^T for
//! cross-entropy), pulled back through what stands behind the device, J_tail^T F J_tail. It comes as a root R of each row, so
//! that F = mean (R J)^T (R J) is positive semidefinite to rounding. F grows with the square of the outputs' scale, so that a
//! good lambda_f of one network is not one of another: `scale_free` takes lambda_f F / (tr F / N_b).
//!
//! Noise of deviation s on the outputs adds about (s/mu)^2 tr(F_y) (I + 1 1^T) to F: with `mu: auto`, which balances it against
//! curvature, that is small beside F where the gradient can be seen at all.
//!
//! `norm`: u <- sqrt(N_b) u / |u| (equation 40). With blocks of one parameter that is `coordinate` with a random sign.
//!
//! Cost of a step: Q configurations of the batch, and N_b more every `every` steps.

use crate::{
    coordinates::{below, without_replacement},
    jacobian::{Columns, Jacobian},
    linalg::{Cholesky, packed_len},
    mu::{Differences, Mu},
    objective::{Objective, finite},
    settings,
    snr::{Scatter, square},
    state::{Reader, Writer, bad},
    steps::{Begun, Steps},
};
use blackbeam_plugin::{
    Answer, Ask, Base, Code, Context, Cost, CostInputs, Descriptor, Estimator, EstimatorPlugin, Manifest, Open,
    ParameterSet, PluginError, Probe, Result, needs,
};
use faer::Mat;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Range;

const NAME: &str = "natural";
/// Largest block: its covariance has so many parameters squared.
const MOST_BLOCK: u32 = 8192;

#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, PartialEq, Debug)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Of which scalar the gradient is estimated.
    objective: Objective,
    /// Number of random directions in a step.
    #[schemars(range(min = 1, max = 1_000_000))]
    samples: u32,
    /// Length of a step along a direction, in the unit of the device's parameters: a number, at least half the device's
    /// resolution, or `auto`: the resolution or what suits the device's noise, whichever is larger.
    mu: Mu,
    /// Most parameters of a block.
    #[schemars(range(min = 1, max = 8192))]
    block: u32,
    /// Steps from one measurement of a block's Fisher information to the next.
    #[schemars(range(min = 1))]
    every: u64,
    /// Weight of the identity in the inverse covariance.
    #[schemars(extend("exclusiveMinimum" = 0))]
    lambda_p: f64,
    /// Weight of the Fisher information in the inverse covariance.
    #[schemars(range(min = 0))]
    lambda_f: f64,
    /// Divides the Fisher information of a block by the mean of its diagonal.
    scale_free: bool,
    /// Brings every direction to the length sqrt(parameters of its block).
    norm: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            objective: Objective::Vjp,
            samples: 20,
            mu: Mu::AUTO,
            block: 512,
            every: 100,
            lambda_p: 1.0,
            lambda_f: 10.0,
            scale_free: false,
            norm: false,
        }
    }
}

impl Settings {
    fn check(&self, device: &Descriptor) -> Result<()> {
        settings::has_parameters(NAME, device)?;
        settings::check_samples(NAME, self.samples)?;
        self.mu.check(NAME, device)?;
        let wrong = |what: String| Err(PluginError::settings(format!("{NAME}: {what}")));
        if !(1..=MOST_BLOCK).contains(&self.block) {
            return wrong(format!("block is {}, expected 1 to {MOST_BLOCK}", self.block));
        }
        if self.every == 0 {
            return wrong("every is 0, expected at least 1".into());
        }
        if !(self.lambda_p.is_finite() && self.lambda_p > 0.0) {
            return wrong(format!("lambda_p is {}, expected a positive number", self.lambda_p));
        }
        if !(self.lambda_f.is_finite() && self.lambda_f >= 0.0) {
            return wrong(format!("lambda_f is {}, expected a number of at least 0", self.lambda_f));
        }
        Ok(())
    }
}

/// Makes the estimator `natural`.
///
/// Settings: `samples` (20), `mu` (`auto` or a number in the unit of the parameters), `objective` (`vjp`, `loss`), `block` (512),
/// `every` (100), `lambda_p` (1), `lambda_f` (10), `scale_free` (false), `norm` (false). The paper has `objective: loss`, `mu:
/// 0.001` and lambda_f 10 or 100.
pub struct Natural;

impl EstimatorPlugin for Natural {
    fn manifest(&self) -> Manifest {
        let summary = "Natural perturbations: directions shaped by the measured Fisher information of a block (ZO-NP; Sawada et \
                       al., ICML 2025)";
        let needs = needs::Y | needs::COTANGENT | needs::LOSS | needs::FIM_FACTOR;
        settings::manifest::<Settings>(NAME, summary, needs, 0)
    }

    fn make(&self, open: &Open, device: &Descriptor) -> Result<Box<dyn Estimator>> {
        let settings: Settings = settings::read(NAME, &open.settings)?;
        settings.check(device)?;
        let blocks = blocks(device.n_params(), settings.block as usize);
        let shapes = vec![None; blocks.len()];
        Ok(Box::new(Estimate { settings, blocks, shapes, steps: Steps::Idle }))
    }
}

/// The contiguous blocks of `n` parameters, of at most `most` each and as equal as whole numbers allow from the front.
fn blocks(n: usize, most: usize) -> Vec<Range<usize>> {
    let each = n.div_ceil(n.div_ceil(most));
    (0..n).step_by(each).map(|first| first..n.min(first + each)).collect()
}

/// What is remembered between question and answer.
enum Asked {
    /// A block's Jacobian is being measured.
    Measure { block: usize, jacobian: Jacobian },
    /// Nothing is left to be measured.
    Measured,
    /// Directions with their blocks, not multiplied by mu.
    Sample { mu: f64, baseline: f64, directions: Vec<(usize, Vec<f64>)> },
}

struct Estimate {
    settings: Settings,
    blocks: Vec<Range<usize>>,
    /// The factor of the inverse covariance of each block; none: Sigma = I.
    shapes: Vec<Option<Cholesky>>,
    steps: Steps<Asked>,
}

impl Estimate {
    fn measures(&self, step: u64) -> bool {
        self.settings.lambda_f > 0.0 && step.is_multiple_of(self.settings.every)
    }

    fn mu(&self, context: &Context<'_>) -> f64 {
        self.settings.mu.step(Differences::Forward, context)
    }

    /// What a step begins with.
    fn first(&self, context: &Context<'_>) -> Result<Asked> {
        if !self.measures(context.step) {
            return self.sample(context);
        }
        let block = below(context.key.named("block"), 0, self.blocks.len());
        let columns = Columns::Differences(Differences::Forward, self.mu(context));
        let jacobian = Jacobian::new(NAME, columns, self.blocks[block].clone(), context)?;
        Ok(Asked::Measure { block, jacobian })
    }

    fn sample(&self, context: &Context<'_>) -> Result<Asked> {
        let (count, samples) = (self.blocks.len(), self.settings.samples as usize);
        let key = context.key.named("blocks");
        let chosen: Vec<usize> = if count < samples {
            (0..samples).map(|q| below(key, q as u64, count)).collect()
        } else {
            without_replacement(key, count, samples)
        };
        let directions = chosen.into_iter().enumerate().map(|(q, b)| (b, self.direction(context, q, b))).collect();
        let baseline = self.settings.objective.baseline(NAME, context)?;
        Ok(Asked::Sample { mu: self.mu(context), baseline, directions })
    }

    /// Direction `q`, in block `block`.
    fn direction(&self, context: &Context<'_>, q: usize, block: usize) -> Vec<f64> {
        let n = self.blocks[block].len();
        let mut u = vec![0.0; n];
        context.key.with(q as u64).fill_normal(0, &mut u);
        match &self.shapes[block] {
            Some(shape) => shape.shape(&mut u),
            None => u.iter_mut().for_each(|u| *u /= self.start()),
        }
        if self.settings.norm {
            let scale = (n as f64 / square(&u)).sqrt();
            u.iter_mut().for_each(|u| *u *= scale);
        }
        u
    }

    /// Root of the inverse variance of blocks that were not measured: 1, and where nothing ever is, that of lambda_p I.
    fn start(&self) -> f64 {
        if self.settings.lambda_f == 0.0 { self.settings.lambda_p.sqrt() } else { 1.0 }
    }

    fn probes(&self, asked: &Asked) -> Vec<Probe> {
        match asked {
            Asked::Measure { jacobian, .. } => jacobian.probes(),
            Asked::Measured => Vec::new(),
            Asked::Sample { mu, directions, .. } => {
                let set = |(block, u): &(usize, Vec<f64>)| {
                    let steps = u.iter().map(|u| mu * u).collect();
                    ParameterSet::block(Base::Current, self.blocks[*block].start, steps)
                };
                let want = self.settings.objective.want();
                directions.iter().map(|direction| Probe::batch(set(direction), want)).collect()
            }
        }
    }

    /// lambda_p I + lambda_f F of a measured block.
    fn inverse_covariance(&self, jacobian: &Jacobian, context: &Context<'_>) -> Result<Cholesky> {
        let f = jacobian.curvature(context)?;
        let n = f.nrows();
        let rows = context.fim_factor.dim(0) as f64;
        let trace = (0..n).map(|i| f[(i, i)]).sum::<f64>();
        // where nothing depends on the parameters there is nothing to scale
        let scale = if !self.settings.scale_free {
            1.0 / rows
        } else if trace > 0.0 {
            n as f64 / trace
        } else {
            0.0
        };
        let Settings { lambda_p, lambda_f, .. } = self.settings;
        let inverse = Mat::from_fn(n, n, |i, j| lambda_f * scale * f[(i, j)] + if i == j { lambda_p } else { 0.0 });
        Cholesky::new(inverse).ok_or_else(|| {
            let message = "natural: the Fisher information of a block is not finite, or so large that lambda_p is lost in \
                           rounding: take `scale_free: true` or a smaller lambda_f";
            PluginError::new(Code::NONFINITE, message)
        })
    }

    fn estimate(&self, context: &Context<'_>, asked: &Asked, answers: &[Answer]) -> Result<Ask> {
        let Asked::Sample { mu, baseline, directions } = asked else { unreachable!("the caller has matched it") };
        let mut gradient = vec![0.0; context.params.len()];
        let mut scatter = Scatter::default();
        for ((block, u), answer) in directions.iter().zip(answers) {
            let slope = finite(NAME, (answer.scalar - baseline) / mu, "the answer to a probe")?;
            let scale = slope / directions.len() as f64;
            gradient[self.blocks[*block].clone()].iter_mut().zip(u).for_each(|(g, u)| *g += scale * u);
            scatter.add(slope * slope * square(u));
        }
        let snr = scatter.snr(&gradient);
        Ok(Ask::gradient(gradient).with_snr(snr))
    }
}

impl Estimator for Estimate {
    fn ask(&mut self, context: &Context<'_>) -> Result<Ask> {
        let asked = match self.steps.begin(context.step) {
            Begun::Done(ask) => return Ok(ask),
            Begun::More(Asked::Measured) => self.sample(context)?,
            Begun::More(asked) => asked,
            Begun::New => self.first(context)?,
        };
        let probes = self.probes(&asked);
        self.steps = Steps::Asked(asked);
        Ok(Ask::probes(probes))
    }

    fn tell(&mut self, context: &Context<'_>, answers: &[Answer]) -> Result<()> {
        let count = match &self.steps {
            Steps::Asked(Asked::Measure { jacobian, .. }) => jacobian.count(),
            Steps::Asked(Asked::Sample { directions, .. }) => directions.len() as u64,
            _ => 0,
        };
        let mut asked = self.steps.answered(NAME, answers, count)?;
        self.steps = match &mut asked {
            Asked::Measure { block, jacobian } => {
                jacobian.take(answers)?;
                if jacobian.complete() {
                    self.shapes[*block] = Some(self.inverse_covariance(jacobian, context)?);
                    asked = Asked::Measured;
                }
                Steps::More(context.step, asked)
            }
            Asked::Measured => Steps::More(context.step, asked),
            Asked::Sample { .. } => Steps::Done(context.step, self.estimate(context, &asked, answers)?),
        };
        Ok(())
    }

    fn cost(&self, inputs: &CostInputs) -> Cost {
        let samples = u64::from(self.settings.samples);
        let largest = self.blocks.first().map_or(0, |block| block.len() as u64);
        let configurations = samples + if self.measures(inputs.step) { largest } else { 0 };
        let losses = self.settings.objective.losses(samples);
        Cost { vectors: configurations.saturating_mul(inputs.batch as u64), configurations, losses }
    }

    fn save(&self) -> Result<Vec<u8>> {
        let mut writer = Writer::new(NAME);
        writer.number(self.shapes.len() as u64);
        for shape in &self.shapes {
            writer.number(u64::from(shape.is_some()));
            if let Some(shape) = shape {
                writer.reals(&shape.packed());
            }
        }
        Ok(writer.done())
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let mut reader = Reader::new(NAME, state)?;
        if reader.number()? != self.blocks.len() as u64 {
            return Err(bad(NAME, "has another number of blocks"));
        }
        let mut shapes = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            shapes.push(match reader.number()? {
                0 => None,
                _ => {
                    let packed = reader.reals(packed_len(block.len()))?;
                    let shape = Cholesky::unpacked(block.len(), &packed);
                    Some(shape.ok_or_else(|| bad(NAME, "holds no covariance"))?)
                }
            });
        }
        reader.end()?;
        (self.shapes, self.steps) = (shapes, Steps::Idle);
        Ok(())
    }
}

#[cfg(test)]
#[path = "natural_tests.rs"]
mod tests;
