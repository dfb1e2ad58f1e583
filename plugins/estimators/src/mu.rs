//! The step `mu` along a direction.

use blackbeam_plugin::{Context, Descriptor, PluginError, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which difference estimates the derivative along a direction.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, PartialEq, Debug)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Differences {
    /// Between a step forwards and the step's own forward pass: one query a direction.
    Forward,
    /// Between a step forwards and one backwards: two queries a direction, an error of second order in mu.
    Central,
}

impl Differences {
    /// Signs of the steps along a direction, in the order in which they are asked.
    pub fn signs(self) -> &'static [f64] {
        match self {
            Differences::Forward => &[1.0],
            Differences::Central => &[1.0, -1.0],
        }
    }

    /// Queries for one direction.
    pub fn queries(self) -> u64 {
        self.signs().len() as u64
    }

    /// The derivative along a direction of length `mu` from the scalars that the [`signs`](Self::signs) gave.
    pub fn slope(self, scalars: &[f64], baseline: f64, mu: f64) -> f64 {
        match self {
            Differences::Forward => (scalars[0] - baseline) / mu,
            Differences::Central => (scalars[0] - scalars[1]) / (2.0 * mu),
        }
    }
}

/// Length of the step along a direction.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, PartialEq, Debug)]
#[serde(untagged, expecting = "mu is `auto` or a positive number, in the unit of the device's parameters")]
pub(crate) enum Mu {
    /// By the device's resolution and noise.
    Auto(Auto),
    /// Given, in the unit of the device's parameters.
    Given(#[schemars(extend("exclusiveMinimum" = 0))] f64),
}

#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, PartialEq, Debug)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Auto {
    Auto,
}

impl Mu {
    /// What suits the device.
    pub const AUTO: Mu = Mu::Auto(Auto::Auto);

    /// Refuses a step that is not one, or that the device's converters would round away.
    pub fn check(self, method: &str, device: &Descriptor) -> Result<()> {
        match self {
            Mu::Auto(_) => Ok(()),
            Mu::Given(mu) => check(method, mu, device),
        }
    }

    /// The step to take.
    pub fn step(self, differences: Differences, context: &Context<'_>) -> f64 {
        match self {
            Mu::Given(mu) => mu,
            Mu::Auto(_) => auto(differences, context.descriptor, context.noise_std, context.full_scale),
        }
    }
}

fn check(method: &str, mu: f64, device: &Descriptor) -> Result<()> {
    if !(mu.is_finite() && mu > 0.0) {
        return Err(PluginError::settings(format!("{method}: mu is {mu}, expected `auto` or a positive number")));
    }
    let lsb = device.lsb();
    if mu >= 0.5 * lsb {
        return Ok(());
    }
    let coarsest = device.parameters.iter().find(|p| p.resolution == lsb);
    let (name, unit) = coarsest.map_or(("", ""), |p| (p.name.as_str(), p.unit.as_str()));
    Err(PluginError::settings(format!(
        "{method}: mu is {mu}, under half an LSB of the device `{}`: the parameter `{name}` moves in steps of {lsb:.4} \
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
pub(crate) fn auto(differences: Differences, device: &Descriptor, noise_std: f64, full_scale: f64) -> f64 {
    let unit = natural_unit(device);
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

/// The step that `mu: auto` takes on a device whose outputs have this noise and full scale, for forward or central differences: for
/// those who plan a run. In the unit of the parameters.
pub fn auto_step(central: bool, device: &Descriptor, noise_std: f64, full_scale: f64) -> f64 {
    let differences = if central { Differences::Central } else { Differences::Forward };
    auto(differences, device, noise_std, full_scale)
}

/// The smallest h of all parameters: a period / 2 pi, or so much of a range where there is no period, or 1.
pub(crate) fn natural_unit(device: &Descriptor) -> f64 {
    let unit = |period: f64, range: f64| {
        let cycle = if period.is_finite() && period > 0.0 { period } else { range };
        if cycle.is_finite() && cycle > 0.0 { cycle / std::f64::consts::TAU } else { 1.0 }
    };
    device.parameters.iter().map(|p| unit(p.period, p.max - p.min)).fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_host::descriptor;
    use std::f64::consts::TAU;

    #[test]
    fn auto_follows_resolution_noise_and_period() {
        const LSB8: f64 = TAU / 255.0;
        let device = |lsb| descriptor(2, 2, 3, lsb);
        let forward = |d: &Descriptor, noise| auto(Differences::Forward, d, noise, 1.0);
        assert!((forward(&device(0.0), 0.01) - 0.17).abs() < 1e-12);
        assert!((forward(&device(LSB8), 0.01) - 0.17).abs() < 1e-12);
        assert_eq!(forward(&device(0.0), 0.0), 0.01);
        assert_eq!(forward(&device(LSB8), 0.0), LSB8);
        assert_eq!(forward(&device(0.0), 1e9), 0.5);
        assert!((auto(Differences::Central, &device(0.0), 0.02, 2.0) - 0.03_f64.cbrt()).abs() < 1e-12);
        assert_eq!(auto(Differences::Forward, &device(0.0), 1.0, 0.0), 0.5);
        // half the period, half the step; a range stands for a missing period, 1 for both
        let with = |period, max| {
            let mut device = device(0.0);
            device.parameters.iter_mut().for_each(|p| (p.period, p.max) = (period, max));
            forward(&device, 0.01)
        };
        assert!((with(TAU / 2.0, TAU) - 0.085).abs() < 1e-12);
        assert!((with(0.0, TAU / 4.0) - 0.0425).abs() < 1e-12);
        assert!((with(0.0, f64::INFINITY) - 0.17).abs() < 1e-12);
    }
}
