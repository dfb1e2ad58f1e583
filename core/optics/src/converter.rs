//! Digital-to-analogue and analogue-to-digital converters: 2^bits levels, evenly spaced, both ends included.

use blackbeam_netlist::circuit::{Dac, Rounding};
use blackbeam_plugin::{PluginError, Result};

/// Most bits of a converter.
pub(crate) const MOST_BITS: u32 = 24;

/// A value this close to a code (in codes) is that code for every rounding, so that writing back what was read changes
/// nothing.
const SAME_CODE: f64 = 1e-9;

/// A converter between two bounds.
#[derive(Clone, Debug)]
pub(crate) struct Converter {
    pub min: f64,
    pub max: f64,
    /// The last code.
    pub top: f64,
    rounding: Rounding,
}

impl Converter {
    /// # Errors
    /// `SETTINGS` if there is no such converter.
    pub fn new(what: &str, dac: &Dac) -> Result<Self> {
        if !(1..=MOST_BITS).contains(&dac.bits) {
            let message = format!("{what}: {} bits, expected 1 to {MOST_BITS}", dac.bits);
            return Err(PluginError::settings(message));
        }
        if !(dac.min.is_finite() && dac.max.is_finite() && dac.min < dac.max) {
            let message = format!("{what}: from {} to {}, expected two finite bounds in this order", dac.min, dac.max);
            return Err(PluginError::settings(message));
        }
        let top = f64::from((1u32 << dac.bits) - 1);
        Ok(Converter { min: dac.min, max: dac.max, top, rounding: dac.rounding })
    }

    /// True if the code also depends on chance.
    pub fn stochastic(&self) -> bool {
        self.rounding == Rounding::Stochastic
    }

    /// The code for a value, which is clipped to the bounds. `chance`, uniform in [0, 1), decides a stochastic rounding.
    #[inline]
    pub fn code(&self, value: f64, chance: f64) -> f64 {
        let position = ((value - self.min) / (self.max - self.min) * self.top).max(0.0).min(self.top);
        // Casts truncate, which is the floor of what is not negative, and are cheaper than a call of `floor`.
        let floor = |position: f64| f64::from(position as u32);
        match self.rounding {
            Rounding::Nearest => floor(position + 0.5),
            Rounding::Floor => floor(position + SAME_CODE),
            Rounding::Stochastic => {
                let low = floor(position + SAME_CODE);
                let part = position - low;
                if part > SAME_CODE && chance < part { low + 1.0 } else { low }
            }
        }
    }

    /// The value of a code.
    #[inline]
    pub fn level(&self, code: f64) -> f64 {
        // Written so that the levels of a symmetric converter are exactly symmetric.
        (self.min * (self.top - code) + self.max * code) / self.top
    }

    /// The value that comes out for a value that goes in.
    #[inline]
    pub fn convert(&self, value: f64, chance: f64) -> f64 {
        self.level(self.code(value, chance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blackbeam_plugin::Key;

    fn converter(bits: u32, min: f64, max: f64, rounding: Rounding) -> Converter {
        Converter::new("dac", &Dac { bits, min, max, rounding }).unwrap()
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
        for (bits, min, max) in [(0, 0.0, 1.0), (25, 0.0, 1.0), (8, 1.0, 1.0), (8, 0.0, f64::INFINITY)] {
            let dac = Dac { bits, min, max, rounding: Rounding::Nearest };
            assert!(Converter::new("dac", &dac).is_err());
        }
    }
}
