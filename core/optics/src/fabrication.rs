//! What is wrong with one device for ever: the rules of `nonideal`, drawn once from its seed.

use crate::keys::draw;
use blackbeam_netlist::circuit::{Circuit, Quantity, Rule};
use blackbeam_plugin::{Key, PluginError, Result};

/// The imperfections of one device.
pub(crate) struct Fabrication<'a> {
    rules: &'a [Rule],
    key: Key,
}

impl<'a> Fabrication<'a> {
    pub fn new(circuit: &'a Circuit, seed: u64) -> Self {
        Fabrication { rules: &circuit.nonideal, key: Key::new(seed).named("fabrication") }
    }

    /// The values of a quantity, of which `nominal` is the value without imperfection. A later rule wins; a relative one
    /// multiplies what the rules before it left. The part `corrected` of the deviation is taken away.
    ///
    /// # Errors
    /// `SETTINGS` if a rule names an element that the component does not have.
    pub fn values(&self, quantity: Quantity, nominal: &[f64]) -> Result<Vec<f64>> {
        let mut values = nominal.to_vec();
        for (number, rule) in self.rules.iter().enumerate().filter(|(_, r)| r.quantity == quantity) {
            let key = self.key.named(&format!("{quantity:?}")).with(number as u64);
            for &element in &rule.elements {
                let Some(value) = values.get_mut(element) else {
                    return Err(PluginError::settings(format!(
                        "nonideal entry {}: element {element} of {quantity:?}, but the component has {}",
                        number + 1,
                        nominal.len()
                    )));
                };
                let drawn = draw(rule.value, key, element as u64).max(rule.clip.0).min(rule.clip.1);
                let (from, to) =
                    if rule.relative { (*value, *value * (1.0 + drawn)) } else { (nominal[element], drawn) };
                *value = from + (1.0 - rule.corrected) * (to - from);
            }
        }
        match values.iter().position(|v| !v.is_finite()) {
            None => Ok(values),
            Some(element) => Err(PluginError::settings(format!("{quantity:?} of element {element} is not finite"))),
        }
    }

    /// Losses in dB as factors 10^(-dB / `per_decade`): 20 for amplitudes, 10 for powers.
    pub fn transmission(&self, quantity: Quantity, count: usize, per_decade: f64) -> Result<Vec<f64>> {
        let loss = self.values(quantity, &vec![0.0; count])?;
        Ok(loss.iter().map(|db| 10f64.powf(-db / per_decade)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use blackbeam_netlist::circuit::Number;

    fn rule(value: Number, relative: bool) -> Rule {
        let clip = (f64::NEG_INFINITY, f64::INFINITY);
        Rule { quantity: Quantity::CellLoss, elements: (0..6).collect(), value, relative, clip, corrected: 0.0 }
    }

    fn losses(rules: Vec<Rule>) -> Result<Vec<f64>> {
        let mut circuit = testing::mesh(4);
        circuit.nonideal = rules;
        Fabrication::new(&circuit, 1).values(Quantity::CellLoss, &[0.0; 6])
    }

    #[test]
    fn later_rules_win_and_relative_ones_multiply() {
        let mut second = rule(Number::Fixed(0.2), false);
        second.elements = vec![1];
        let set = losses(vec![rule(Number::Fixed(0.1), false), second, rule(Number::Fixed(0.5), true)]).unwrap();
        let expected = [0.15, 0.3, 0.15, 0.15, 0.15, 0.15];
        assert!(set.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15), "{set:?}");
    }

    #[test]
    fn clip_correction_and_elements() {
        let drawn = losses(vec![rule(Number::Normal(0.0, 1.0), false)]).unwrap();
        let corrected = losses(vec![Rule { corrected: 0.9, ..rule(Number::Normal(0.0, 1.0), false) }]).unwrap();
        let clipped = losses(vec![Rule { clip: (0.0, 0.5), ..rule(Number::Normal(0.0, 1.0), false) }]).unwrap();
        for i in 0..6 {
            assert!((corrected[i] - 0.1 * drawn[i]).abs() < 1e-15);
            assert_eq!(clipped[i], drawn[i].clamp(0.0, 0.5));
        }
        let error = losses(vec![Rule { elements: vec![6], ..rule(Number::Fixed(1.0), false) }]).unwrap_err();
        assert!(error.message.contains("element 6"), "{error}");
    }
}
