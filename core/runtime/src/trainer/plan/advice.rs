//! What a measured device asks of the methods.

use super::measure::Measured;
use blackbeam_plugin::Descriptor;
use serde::Serialize;

/// Settings that suit a device as it was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Advice {
    /// `mu` of forward differences, in the unit of the parameters: what `mu: auto` takes at the measured noise, and no less than the
    /// step that the device was seen to apply.
    pub mu_forward: f64,
    /// The same of central differences.
    pub mu_central: f64,
    /// Random directions for a cosine of 0.5 between estimate and gradient, noise apart: (n + 1)/3 of n parameters.
    pub samples: u64,
    /// Cosine that the experiment's own number of directions gives, noise apart, if its estimator has `samples`.
    pub cosine: Option<f64>,
    /// Rank of a low-rank surrogate.
    pub rank: usize,
    /// Its probes in an update.
    pub probes: usize,
    /// For a person: what in the experiment does not fit the device.
    pub notes: Vec<String>,
}

/// Advice for a device; `samples` and `mu` are those of the experiment's estimator, `rank` that of its surrogate, where they are
/// given.
pub(super) fn advise(
    measured: &Measured,
    descriptor: &Descriptor,
    samples: Option<f64>,
    mu: Option<f64>,
    rank: Option<f64>,
) -> Advice {
    let step = |central| {
        let auto = blackbeam_estimators::auto_step(central, descriptor, measured.noise, 1.0);
        auto.max(measured.applied_step)
    };
    let n = descriptor.n_params() as f64;
    // E cos^2 of Q random directions in n dimensions is Q / (Q + n + 1).
    let cosine = |q: f64| (q / (q + n + 1.0)).sqrt();
    let mut notes = Vec::new();
    if let Some(mu) = mu.filter(|mu| *mu < 0.5 * measured.applied_step) {
        let applied = measured.applied_step;
        notes.push(format!("`mu: {mu}` is under half the smallest step that the device applied, {applied:.4}"));
    }
    if let Some(mu) = mu.filter(|mu| *mu < measured.step_of_noise) {
        let noise = measured.step_of_noise;
        notes.push(format!("`mu: {mu}` changes an output by less than its noise does: that takes {noise:.3}"));
    }
    if let Some(rank) = rank.filter(|rank| *rank < measured.rank as f64) {
        notes.push(format!(
            "`rank: {rank}` is less than the {} dimensions that the answers were seen to have",
            measured.rank
        ));
    }
    if measured.linear_declared
        && measured.nonlinearity > 3.0 * measured.nonlinearity_by_noise
        && measured.nonlinearity > 0.05
    {
        let off = 100.0 * measured.nonlinearity;
        notes.push(format!("it says that it is linear in its inputs, and sums of inputs are {off:.1} % off"));
    }
    if let Some(declared) = measured.noise_declared.filter(|declared| measured.noise > 2.0 * declared + 1e-3) {
        notes.push(format!("its noise is {:.4} of full scale, it says {declared:.4}", measured.noise));
    }
    if measured.drift_significant {
        let (drift, seconds) = (100.0 * measured.drift, measured.drift_seconds);
        notes.push(format!(
            "its outputs moved by {drift:.2} % of full scale in {seconds:.3} s: a surrogate has to follow"
        ));
    }
    Advice {
        mu_forward: step(false),
        mu_central: step(true),
        samples: ((n + 1.0) / 3.0).ceil() as u64,
        cosine: samples.map(cosine),
        rank: measured.rank,
        probes: measured.rank,
        notes,
    }
}
