//! What the hardware bears: power of one actuator and of all together, speed of change, writes in its life
//! ([`Limits`](blackbeam_plugin::Limits)). A device that declares none of it is not touched.

use super::{
    SessionError,
    clock::step_cost,
    driver::{Configuration, Driver},
    retry::Failure,
};
use blackbeam_plugin::{AtRange, Descriptor, Parameter, ParameterKind, Purpose, can};
use std::{thread, time::Duration};

/// Time between the writes of a ramp, and most of them.
const RAMP_S: f64 = 0.01;
const MOST_STEPS: f64 = 1000.0;
/// Keeps a scaled total within its limit whatever rounding does.
const INSIDE: f64 = 1.0 - 1e-12;

/// Watts of one actuator where its parameter has this value.
fn power(parameter: &Parameter, unit_w: f64, value: f64) -> f64 {
    if parameter.kind == ParameterKind::Voltage { unit_w * value * value } else { unit_w * value.abs() }
}

/// True if the host has to keep a power limit.
pub(super) fn limits_power(descriptor: &Descriptor) -> bool {
    let l = &descriptor.limits;
    l.unit_power_w > 0.0 && (l.total_power_w > 0.0 || l.channel_power_w > 0.0)
}

/// Narrows the range of each parameter to what its actuator bears, and brings the initial values into that and under the total.
///
/// # Errors
/// Limits that no values keep.
pub(super) fn narrow(descriptor: &mut Descriptor, name: &str) -> Result<(), SessionError> {
    let limits = descriptor.limits;
    if limits.unit_power_w <= 0.0 && (limits.total_power_w > 0.0 || limits.channel_power_w > 0.0) {
        tracing::warn!(
            "device `{name}` declares a limit of power but not what power its parameters stand for (unit_power_w): only its \
             driver can keep to it"
        );
    }
    if !limits_power(descriptor) {
        return Ok(());
    }
    let unit = limits.unit_power_w;
    for p in descriptor.parameters.iter_mut().filter(|_| limits.channel_power_w > 0.0) {
        let bound = limits.channel_power_w / unit;
        let bound = if p.kind == ParameterKind::Voltage { bound.sqrt() } else { bound };
        let (min, max) = (p.min.max(-bound), p.max.min(bound));
        if min > max {
            return Err(SessionError::Method(format!(
                "parameter `{}` of device `{name}` ranges from {} to {} {}, and all of it is beyond the {} W that the device \
                 declares for one actuator",
                p.name, p.min, p.max, p.unit, limits.channel_power_w
            )));
        }
        if (min, max) != (p.min, p.max) {
            // What is left of the range is no whole period.
            p.at_range = if p.at_range == AtRange::Wrap { AtRange::Clip } else { p.at_range };
            (p.min, p.max) = (min, max);
            p.initial = p.initial.clamp(min, max);
        }
    }
    let least: f64 = descriptor.parameters.iter().map(|p| power(p, unit, 0f64.clamp(p.min, p.max))).sum();
    if limits.total_power_w > 0.0 && least > limits.total_power_w {
        return Err(SessionError::Method(format!(
            "all actuators of device `{name}` at their least take {least:.3e} W together, and it declares a total of {} W",
            limits.total_power_w
        )));
    }
    let mut initial: Vec<f64> = descriptor.parameters.iter().map(|p| p.initial).collect();
    if under_total(descriptor, &mut initial) {
        tracing::warn!("the initial values of device `{name}` take more power than its total: they were scaled down");
        descriptor.parameters.iter_mut().zip(&initial).for_each(|(p, v)| p.initial = *v);
    }
    Ok(())
}

/// Scales the power of all actuators by one factor where they take more than the total together; true if that was so.
pub(super) fn under_total(descriptor: &Descriptor, params: &mut [f64]) -> bool {
    let (unit, total) = (descriptor.limits.unit_power_w, descriptor.limits.total_power_w);
    if unit <= 0.0 || total <= 0.0 {
        return false;
    }
    let all = || descriptor.parameters.iter();
    let taken = |params: &[f64]| all().zip(params).map(|(p, v)| power(p, unit, *v)).sum::<f64>();
    let sum = taken(params);
    if sum <= total {
        return false;
    }
    let scaled = |factor: f64, p: &Parameter, v: f64| {
        let factor = if p.kind == ParameterKind::Voltage { factor.sqrt() } else { factor };
        (v * factor).clamp(p.min, p.max)
    };
    let with = |factor: f64| all().zip(&*params).map(|(p, v)| scaled(factor, p, *v)).collect::<Vec<f64>>();
    let mut next = with(INSIDE * total / sum);
    if taken(&next) > total {
        // Ranges that do not reach down to zero hold some of it back: the others give more.
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            *(if taken(&with(middle)) <= total { &mut low } else { &mut high }) = middle;
        }
        next = with(low);
    }
    params.copy_from_slice(&next);
    true
}

impl Driver {
    /// Changes are slowed down by the host, one write after the other.
    pub(super) fn slews(&self) -> bool {
        self.descriptor.limits.slew_per_s > 0.0
    }

    /// Brings the device near `wanted` by writes in between, no faster than it bears. Gives the time to wait after the last
    /// write, which is the caller's.
    pub(super) fn ramp(&mut self, wanted: &Configuration, purpose: Purpose) -> Result<Duration, Failure> {
        let slew = self.descriptor.limits.slew_per_s;
        let from = match (&self.held, &self.last) {
            _ if !self.slews() => return Ok(Duration::ZERO),
            (Some(held), _) => held.params.to_vec(),
            (None, _) if self.descriptor.can(can::READ_PARAMS) => self.device.read_params()?,
            (None, Some(last)) => last.params.to_vec(),
            // Where it stands only its driver knows.
            (None, None) => return Ok(Duration::ZERO),
        };
        let change = |(to, from): (&f64, &f64)| (to - from).abs();
        let largest = wanted.params.iter().zip(&from).map(change).fold(0.0, f64::max);
        let changed = wanted.params.iter().zip(&from).filter(|(to, from)| to != from).count();
        let steps = (largest / slew / RAMP_S).ceil().clamp(1.0, MOST_STEPS);
        let each = Duration::try_from_secs_f64(largest / slew / steps).unwrap_or(Duration::ZERO);
        let cost = step_cost(&self.descriptor, changed as u64);
        for step in 1..steps as u64 {
            let part = step as f64 / steps;
            let between: Vec<f64> =
                wanted.params.iter().zip(&from).map(|(to, from)| from + part * (to - from)).collect();
            self.held = None;
            self.spend(purpose, wanted.call.step, &cost)?;
            self.device.write_params(&between, &wanted.call)?;
            // Were it interrupted, the next write would come too early.
            thread::sleep(each);
        }
        Ok(each)
    }

    /// Counts writes against the device's life.
    pub(super) fn wear(&mut self, more: u64) -> Result<(), SessionError> {
        let most = self.descriptor.limits.writes;
        if most == 0 || more == 0 {
            return Ok(());
        }
        let written = self.writes_so_far().saturating_add(more);
        if written > most {
            return Err(SessionError::WornOut { device: self.name.clone(), written: written - more, more, most });
        }
        if written as f64 >= 0.9 * most as f64 && !self.wear_said {
            self.wear_said = true;
            tracing::warn!(
                "device `{}` has been written {written} times in this run directory, of {most} in its life",
                self.name
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(kinds: &[(ParameterKind, f64, f64, f64)]) -> Descriptor {
        let mut descriptor = super::super::tests::descriptor(0, 0);
        let parameter = descriptor.parameters[0].clone();
        let made = |&(kind, min, max, initial): &(ParameterKind, f64, f64, f64)| Parameter {
            kind,
            min,
            max,
            initial,
            ..parameter.clone()
        };
        descriptor.parameters = kinds.iter().map(made).collect();
        descriptor.limits.unit_power_w = 2.0;
        descriptor
    }

    use ParameterKind::{Phase, Voltage};

    fn total(d: &Descriptor, params: &[f64]) -> f64 {
        d.parameters.iter().zip(params).map(|(p, v)| power(p, 2.0, *v)).sum()
    }

    #[test]
    fn all_powers_shrink_by_one_factor() {
        let mut d = described(&[(Phase, -9.0, 9.0, 0.0), (Voltage, -9.0, 9.0, 0.0), (Phase, 0.0, 9.0, 0.0)]);
        d.limits.total_power_w = 10.0;
        // 2 * 4 + 2 * 9 + 2 * 7 = 40 W: each to a quarter.
        let mut params = [-4.0, 3.0, 7.0];
        assert!(under_total(&d, &mut params));
        for (found, expected) in params.iter().zip([-1.0, 1.5, 1.75]) {
            assert!((found - expected).abs() < 1e-9, "{params:?}");
        }
        assert!(total(&d, &params) <= 10.0);
        let again = params;
        assert!(!under_total(&d, &mut params) && params == again);
        // What cannot shrink leaves more to the others.
        let mut d = described(&[(Phase, 3.0, 9.0, 3.0), (Phase, 0.0, 9.0, 0.0)]);
        d.limits.total_power_w = 10.0;
        let mut params = [4.0, 4.0];
        assert!(under_total(&d, &mut params));
        assert!((params[0] - 3.0).abs() < 1e-9 && (params[1] - 2.0).abs() < 1e-6, "{params:?}");
        assert!(total(&d, &params) <= 10.0);
    }

    #[test]
    fn one_actuators_power_narrows_its_range() {
        let mut d = described(&[(Phase, 0.0, 6.0, 5.0), (Voltage, -9.0, 9.0, 1.0), (Phase, 0.0, 1.0, 0.5)]);
        d.limits.channel_power_w = 8.0;
        narrow(&mut d, "dev").unwrap();
        let ranges: Vec<_> = d.parameters.iter().map(|p| (p.min, p.max, p.initial, p.at_range)).collect();
        let (clip, wrap) = (AtRange::Clip, AtRange::Wrap);
        assert_eq!(ranges, [(0.0, 4.0, 4.0, clip), (-2.0, 2.0, 1.0, clip), (0.0, 1.0, 0.5, wrap)]);
        let mut d = described(&[(Phase, 5.0, 6.0, 5.0)]);
        d.limits.channel_power_w = 8.0;
        assert!(narrow(&mut d, "dev").unwrap_err().to_string().contains("beyond the 8 W"));
        let mut d = described(&[(Phase, 5.0, 6.0, 5.0)]);
        d.limits.total_power_w = 8.0;
        assert!(narrow(&mut d, "dev").unwrap_err().to_string().contains("a total of 8 W"));
        let mut d = described(&[(Phase, 0.0, 6.0, 5.0)]);
        d.limits.total_power_w = 8.0;
        narrow(&mut d, "dev").unwrap();
        assert!((d.parameters[0].initial - 4.0).abs() < 1e-9);
    }
}
