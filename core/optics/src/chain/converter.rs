//! Digital-to-analogue and analogue-to-digital converters: levels evenly spaced but for their integral non-linearity, both
//! ends included.

use super::levels::{clip, floor};
use crate::keys::Place;
use blackbeam_netlist::circuit::{Dac, Rounding};
use blackbeam_plugin::{Key, PluginError, Result};

/// Most levels of a converter.
pub(crate) const MOST_LEVELS: u32 = 1 << 24;

/// A value this close to a code (in codes) is that code for every rounding, so that writing back what was read changes
/// nothing.
const SAME_CODE: f64 = 1e-9;

/// A converter between two bounds.
#[derive(Clone, Debug)]
pub(crate) struct Converter {
    pub steps: Steps,
    rounding: Rounding,
    /// Standard deviation of the error of a code, in steps, and where it is drawn from.
    inl: (f64, Key),
}

/// Evenly spaced levels, both ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Steps {
    pub min: f64,
    pub max: f64,
    /// The last code.
    pub top: f64,
    /// Codes per unit of the value.
    rate: f64,
}

impl Steps {
    /// Where a value stands among the codes; at an end where it is beyond.
    #[inline(always)]
    fn position(self, value: f64) -> f64 {
        clip((value - self.min) * self.rate, 0.0, self.top)
    }

    /// The nearest code; the higher one half-way.
    #[inline(always)]
    pub fn nearest(self, value: f64) -> f64 {
        floor(self.position(value) + 0.5)
    }

    /// The last code that is not above a value.
    #[inline(always)]
    pub fn below(self, value: f64) -> f64 {
        floor(self.position(value) + SAME_CODE)
    }

    /// One of the two codes around a value: the higher one where `chance`, uniform in [0, 1), is below its part.
    #[inline(always)]
    pub fn either(self, value: f64, chance: f64) -> f64 {
        let position = self.position(value);
        let low = floor(position + SAME_CODE);
        let part = position - low;
        low + if part > SAME_CODE && chance < part { 1.0 } else { 0.0 }
    }

    /// The value of a code.
    #[inline(always)]
    pub fn level(self, code: f64) -> f64 {
        // Written so that the levels of a symmetric converter are exactly symmetric.
        (self.min * (self.top - code) + self.max * code) / self.top
    }
}

/// Steps of a read-out in units of y, where its range is symmetric or starts at 0: without divisions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Adc {
    /// Codes per unit of y, and the code of 0.
    rate: f64,
    zero: f64,
    top: f64,
    /// y = (span code - low) unit: an integer times a number.
    span: f64,
    low: f64,
    unit: f64,
}

impl Adc {
    /// `steps` in units of the full scale.
    pub fn new(steps: Steps, full_scale: f64) -> Self {
        let Steps { min, max, top, rate } = steps;
        let unit = full_scale / top;
        // Rounding must not lead beyond the full scale.
        let unit = if top * unit > full_scale { unit.next_down() } else { unit };
        Adc { rate: rate / full_scale, zero: -min * rate, top, span: max - min, low: -min * top, unit }
    }

    /// The nearest level; the higher one half-way.
    #[inline(always)]
    pub fn read(self, y: f64) -> f64 {
        let code = floor(clip(y * self.rate + self.zero, 0.0, self.top) + 0.5);
        (code * self.span - self.low) * self.unit
    }
}

impl Converter {
    /// # Errors
    /// `SETTINGS` if there is no such converter.
    pub fn new(what: &str, dac: &Dac, key: Key) -> Result<Self> {
        if !(2..=MOST_LEVELS).contains(&dac.levels) {
            let message = format!("{what}: {} levels, expected 2 to {MOST_LEVELS}", dac.levels);
            return Err(PluginError::settings(message));
        }
        if !(dac.inl_lsb.is_finite() && dac.inl_lsb >= 0.0) {
            return Err(PluginError::settings(format!("{what}: an INL of {} steps, expected >= 0", dac.inl_lsb)));
        }
        if !(dac.min.is_finite() && dac.max.is_finite() && dac.min < dac.max) {
            let message = format!("{what}: from {} to {}, expected two finite bounds in this order", dac.min, dac.max);
            return Err(PluginError::settings(message));
        }
        let top = f64::from(dac.levels - 1);
        let steps = Steps { min: dac.min, max: dac.max, top, rate: top / (dac.max - dac.min) };
        if !steps.rate.is_normal() {
            let message =
                format!("{what}: from {} to {}, expected bounds that can be divided into steps", dac.min, dac.max);
            return Err(PluginError::settings(message));
        }
        Ok(Converter { steps, rounding: dac.rounding, inl: (dac.inl_lsb, key.named("inl")) })
    }

    /// How values between codes are rounded.
    pub fn rounding(&self) -> Rounding {
        self.rounding
    }

    /// True if the code also depends on chance.
    pub fn stochastic(&self) -> bool {
        self.rounding == Rounding::Stochastic
    }

    /// True if the codes are not where they should be.
    pub fn bent(&self) -> bool {
        self.inl.0 > 0.0
    }

    /// Bits, rounded up.
    pub fn bits(&self) -> u32 {
        (self.steps.top + 1.0).log2().ceil() as u32
    }

    /// One step.
    pub fn step(&self) -> f64 {
        (self.steps.max - self.steps.min) / self.steps.top
    }

    /// What a channel of the device really puts out for a code.
    pub fn actual(&self, channel: Key, code: f64) -> f64 {
        let (std, _) = self.inl;
        self.steps.level(code) + if std > 0.0 { std * self.step() * channel.normal(code as u64) } else { 0.0 }
    }

    /// Where the errors of the codes of a channel are drawn from.
    pub fn channel(&self, place: Place) -> Key {
        self.inl.1.with(place.path).with(place.element)
    }

    /// The code for a value, which is clipped to the bounds. `chance`, uniform in [0, 1), decides a stochastic rounding.
    #[inline]
    pub fn code(&self, value: f64, chance: f64) -> f64 {
        match self.rounding {
            Rounding::Nearest => self.steps.nearest(value),
            Rounding::Floor => self.steps.below(value),
            Rounding::Stochastic => self.steps.either(value, chance),
        }
    }

    /// The value of a code.
    #[inline]
    pub fn level(&self, code: f64) -> f64 {
        self.steps.level(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converter(bits: u32, min: f64, max: f64, rounding: Rounding) -> Converter {
        Converter::new("dac", &Dac { levels: 1 << bits, inl_lsb: 0.0, min, max, rounding }, Key::new(1)).unwrap()
    }

    impl Converter {
        fn convert(&self, value: f64, chance: f64) -> f64 {
            self.level(self.code(value, chance))
        }
    }

    #[test]
    fn any_number_of_levels() {
        let dac = Dac { levels: 34, inl_lsb: 0.0, min: 0.0, max: 3.3, rounding: Rounding::Nearest };
        let dac = Converter::new("pcm", &dac, Key::new(1)).unwrap();
        let mut found: Vec<f64> = (0..=3300).map(|k| dac.convert(1e-3 * f64::from(k), 0.0)).collect();
        found.dedup();
        assert!(found.len() == 34 && found.iter().enumerate().all(|(k, v)| (v - 0.1 * k as f64).abs() < 1e-12));
        assert_eq!(dac.bits(), 6);
    }

    #[test]
    fn integral_non_linearity_belongs_to_device_channel_and_code() {
        let dac = |seed| {
            let dac = Dac { levels: 1 << 14, inl_lsb: 0.5, min: 0.0, max: 2.0, rounding: Rounding::Nearest };
            Converter::new("dac", &dac, Key::new(seed)).unwrap()
        };
        let (one, other) = (dac(1), dac(2));
        let channel = |dac: &Converter, path| dac.channel(Place { path, element: 3 });
        let errors = |dac: &Converter, key: Key| -> Vec<f64> {
            (0..1 << 14).map(|c| (dac.actual(key, f64::from(c)) - dac.level(f64::from(c))) / dac.step()).collect()
        };
        let found = errors(&one, channel(&one, 5));
        assert_eq!(found, errors(&one, channel(&one, 5)));
        assert!(found != errors(&one, channel(&one, 6)) && found != errors(&other, channel(&other, 5)));
        let n = found.len() as f64;
        let mean = found.iter().sum::<f64>() / n;
        let variance = found.iter().map(|e| e * e).sum::<f64>() / n;
        // five standard errors
        assert!(mean.abs() < 2.5 / n.sqrt() && (variance - 0.25).abs() < 1.25 * (2.0 / n).sqrt());
    }

    #[test]
    fn the_staircase() {
        // two bits over [-1, 2]: levels -1, 0, 1, 2
        let cases = [(-5.0, -1.0, -1.0), (-0.51, -1.0, -1.0), (-0.49, 0.0, -1.0), (0.0, 0.0, 0.0), (0.999, 1.0, 0.0)];
        let (nearest, floor) = (converter(2, -1.0, 2.0, Rounding::Nearest), converter(2, -1.0, 2.0, Rounding::Floor));
        for (x, near, low) in cases.into_iter().chain([(1.6, 2.0, 1.0), (2.0, 2.0, 2.0), (1e9, 2.0, 2.0)]) {
            assert_eq!(nearest.convert(x, 0.0), near, "{x}");
            assert_eq!(floor.convert(x, 0.0), low, "{x}");
        }
    }

    #[test]
    fn read_outs_have_the_same_levels() {
        for ((min, max), full_scale) in [(-1.0, 1.0), (0.0, 1.0)].into_iter().zip([0.37, 3e-9]) {
            for bits in [1, 3, 8, 12] {
                let converter = converter(bits, min, max, Rounding::Nearest);
                let adc = Adc::new(converter.steps, full_scale);
                for k in -1300..=1300 {
                    // Never half-way between two levels, where rounding decides.
                    let y = 1e-3 * (f64::from(k) + 0.37);
                    let (found, level) = (adc.read(full_scale * y), full_scale * converter.convert(y, 0.0));
                    assert!((found - level).abs() <= 1e-14 * full_scale && found.abs() <= full_scale);
                    assert_eq!(adc.read(found), found);
                }
                assert_eq!(adc.read(f64::INFINITY), adc.read(full_scale));
            }
        }
    }

    #[test]
    fn levels_are_fixed_points_of_every_rounding() {
        for rounding in [Rounding::Nearest, Rounding::Floor, Rounding::Stochastic] {
            let dac = converter(12, 0.1, 6.5, rounding);
            for code in 0..=4095 {
                let code = f64::from(code);
                assert_eq!(dac.code(dac.level(code), 0.0), code);
            }
        }
    }

    #[test]
    fn stochastic_rounding_keeps_the_mean() {
        let dac = converter(3, 0.0, 7.0, Rounding::Stochastic);
        let (key, n) = (Key::new(4), 40_000u64);
        let mean = (0..n).map(|i| dac.convert(4.3, key.uniform(i))).sum::<f64>() / n as f64;
        // five standard errors of a Bernoulli variable with p = 0.3
        assert!((mean - 4.3).abs() < 5.0 * (0.21 / n as f64).sqrt(), "{mean}");
    }

    #[test]
    fn impossible_converters_are_refused() {
        for (levels, min, max) in [(1, 0.0, 1.0), (1 << 25, 0.0, 1.0), (8, 1.0, 1.0), (8, 0.0, f64::INFINITY)] {
            let dac = Dac { levels, inl_lsb: 0.0, min, max, rounding: Rounding::Nearest };
            assert!(Converter::new("dac", &dac, Key::new(1)).is_err());
        }
    }
}
