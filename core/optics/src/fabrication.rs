//! What is wrong with one device for ever: the rules of `nonideal`, drawn once from its seed.

use crate::keys::{Place, Places, draw_all, path_key};
use blackbeam_netlist::circuit::{Circuit, FreeSpace, Kind, Quantity, Rule};
use blackbeam_plugin::{Key, PluginError, Result};
use std::collections::HashMap;

/// The imperfections of one device.
pub(crate) struct Fabrication<'a> {
    circuit: &'a Circuit,
    key: Key,
    runs: HashMap<(Quantity, usize), Vec<Run>>,
}

/// Elements of one rule in one instance: (rule, first, last) of `Rule::elements`.
type Run = (usize, usize, usize);

/// What rules make of a number: `scale` times what it is otherwise, plus `shift`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Affine {
    pub scale: f64,
    pub shift: f64,
}

impl Affine {
    pub const NOTHING: Affine = Affine { scale: 1.0, shift: 0.0 };

    /// After one more rule. A later rule wins; a relative one multiplies what the rules before it left. The part `corrected`
    /// of the deviation is taken away.
    fn then(self, rule: &Rule, drawn: f64) -> Affine {
        let drawn = drawn.max(rule.clip.0).min(rule.clip.1);
        let left = 1.0 - rule.corrected;
        if rule.relative {
            let factor = 1.0 + left * drawn;
            Affine { scale: self.scale * factor, shift: self.shift * factor }
        } else {
            Affine { scale: rule.corrected, shift: left * drawn }
        }
    }

    pub fn apply(self, value: f64) -> f64 {
        if self.scale == 0.0 { self.shift } else { self.scale * value + self.shift }
    }
}

impl<'a> Fabrication<'a> {
    pub fn new(circuit: &'a Circuit, seed: u64) -> Self {
        let mut runs: HashMap<_, Vec<_>> = HashMap::new();
        for (number, rule) in circuit.nonideal.iter().enumerate() {
            let mut first = 0;
            while first < rule.elements.len() {
                let instance = rule.elements[first].instance;
                let len = rule.elements[first..].iter().take_while(|e| e.instance == instance).count();
                runs.entry((rule.quantity, instance)).or_default().push((number, first, first + len));
                first += len;
            }
        }
        Fabrication { circuit, key: Key::new(seed).named("fabrication"), runs }
    }

    /// # Errors
    /// `SETTINGS` if a rule speaks of a quantity that its instance does not have.
    pub fn check(&self) -> Result<()> {
        for (quantity, instance) in self.runs.keys() {
            let wrong = |m: String| Err(PluginError::settings(format!("nonideal: {m}")));
            match self.circuit.instances.get(*instance) {
                None => return wrong(format!("{quantity:?} of instance {instance}, which is not there")),
                Some(i) if !has(&i.kind, *quantity) => {
                    return wrong(format!("{quantity:?} makes no sense at `{}`", i.path));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn source(&self, rule: usize) -> Key {
        self.key.named(&format!("{:?}", self.circuit.nonideal[rule].quantity)).with(rule as u64)
    }

    /// Where all that belongs to the device as it was made is drawn from.
    pub fn root(&self) -> Key {
        self.key
    }

    /// True if some rule sets the quantity of an instance.
    pub fn sets(&self, quantity: Quantity, instance: usize) -> bool {
        self.runs.contains_key(&(quantity, instance))
    }

    /// The values of a quantity of an instance, of which `nominal` is the value without imperfection.
    ///
    /// # Errors
    /// `SETTINGS` if a rule names an element that the component does not have, or gives a number that is not finite.
    pub fn values(&self, quantity: Quantity, instance: usize, nominal: &[f64]) -> Result<Vec<f64>> {
        let Some(runs) = self.runs.get(&(quantity, instance)) else { return Ok(nominal.to_vec()) };
        let path = self.circuit.instances.get(instance).map_or(0, path_key);
        let mut affine = vec![Affine::NOTHING; nominal.len()];
        for &(number, first, last) in runs {
            let rule = &self.circuit.nonideal[number];
            let elements = &rule.elements[first..last];
            let places: Vec<Place> = elements.iter().map(|e| Place { path, element: e.index as u64 }).collect();
            let drawn = draw_all(rule.value, self.source(number), &places);
            for (element, drawn) in elements.iter().zip(drawn) {
                let Some(affine) = affine.get_mut(element.index) else {
                    return Err(PluginError::settings(format!(
                        "nonideal entry {}: element {} of {quantity:?}, but the component has {}",
                        number + 1,
                        element.index,
                        nominal.len()
                    )));
                };
                *affine = affine.then(rule, drawn);
            }
        }
        let values: Vec<f64> = affine.iter().zip(nominal).map(|(a, &v)| a.apply(v)).collect();
        match values.iter().position(|v| !v.is_finite()) {
            Some(element) if quantity != Quantity::Reflection => {
                Err(PluginError::settings(format!("{quantity:?} of element {element} is not finite")))
            }
            _ => Ok(values),
        }
    }

    /// The value of a quantity that an instance has one of.
    pub fn value(&self, quantity: Quantity, instance: usize, nominal: f64) -> Result<f64> {
        Ok(self.values(quantity, instance, &[nominal])?[0])
    }

    /// Losses in dB as factors 10^(-dB / `per_decade`): 20 for amplitudes, 10 for powers.
    pub fn transmission(&self, quantity: Quantity, instance: usize, count: usize, per_decade: f64) -> Result<Vec<f64>> {
        let loss = self.values(quantity, instance, &vec![0.0; count])?;
        Ok(loss.iter().map(|db| 10f64.powf(-db / per_decade)).collect())
    }

    /// What the rules of `Slot` or `Offset` make of each slot.
    ///
    /// # Errors
    /// `SETTINGS` if a rule names a slot that is not there; where `driven`, if one gives a slot that a parameter sets a
    /// value of its own.
    pub fn slots(&self, quantity: Quantity, places: &Places, driven: &[bool]) -> Result<Vec<Affine>> {
        let mut affine = vec![Affine::NOTHING; self.circuit.slots.len()];
        let rules = self.circuit.nonideal.iter().enumerate().filter(|(_, r)| r.quantity == quantity);
        for (number, rule) in rules {
            let drawn_at: Vec<Place> = rule.slots.iter().map(|&slot| places.of(slot)).collect();
            let drawn = draw_all(rule.value, self.source(number), &drawn_at);
            for (&slot, drawn) in rule.slots.iter().zip(drawn) {
                let wrong = |what: &str| PluginError::settings(format!("nonideal entry {}: {what}", number + 1));
                let Some(affine) = affine.get_mut(slot) else { return Err(wrong("it names a slot that is not there")) };
                if quantity == Quantity::Slot && !rule.relative && driven[slot] {
                    return Err(wrong("it gives a value to what a parameter sets: make it relative"));
                }
                *affine = affine.then(rule, drawn);
            }
        }
        match affine.iter().position(|a| !(a.scale.is_finite() && a.shift.is_finite())) {
            None => Ok(affine),
            Some(slot) => Err(PluginError::settings(format!("{quantity:?} of slot {slot} is not finite"))),
        }
    }
}

/// Which quantities an instance has. Gains belong to the device.
fn has(kind: &Kind, quantity: Quantity) -> bool {
    use Quantity::{
        ArmLoss, ArmPhase, Backscatter, CellLoss, ExtraLoss, ExtraPhase, InputGain, InputLoss, Misalign, OutputGain,
        OutputLoss, Reflection, RingA, RingBackscatter, RingR, SplitAngle, Zernike, ZeroOrder,
    };
    matches!(
        (kind, quantity),
        (_, OutputGain | InputGain)
            | (Kind::Mesh(_), SplitAngle | CellLoss | ArmLoss | ArmPhase | InputLoss | OutputLoss)
            | (Kind::MrrBank(_), RingA | RingR | RingBackscatter | InputLoss | OutputLoss)
            | (Kind::SlmMatvec(_), ZeroOrder | InputLoss | OutputLoss)
            | (Kind::FreeSpace(FreeSpace::Slm { .. }), ZeroOrder | Zernike)
            | (Kind::FreeSpace(FreeSpace::Lens2f { .. } | FreeSpace::Camera { .. }), Misalign)
            | (Kind::Primitive(_) | Kind::Imported(_), ExtraLoss | ExtraPhase | Reflection)
            | (Kind::Primitive(_), Backscatter)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use blackbeam_netlist::circuit::{Element, Number};

    fn rule(value: Number, relative: bool) -> Rule {
        let elements = (0..6).map(|index| Element { instance: 0, index }).collect();
        Rule { relative, ..testing::rule(Quantity::CellLoss, elements, value) }
    }

    fn losses(rules: Vec<Rule>) -> Result<Vec<f64>> {
        let mut circuit = testing::mesh(4);
        circuit.nonideal = rules;
        Fabrication::new(&circuit, 1).values(Quantity::CellLoss, 0, &[0.0; 6])
    }

    #[test]
    fn later_rules_win_and_relative_ones_multiply() {
        let mut second = rule(Number::Fixed(0.2), false);
        second.elements.drain(2..);
        second.elements.remove(0);
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
        let mut outside = rule(Number::Fixed(1.0), false);
        outside.elements[5].index = 6;
        let error = losses(vec![outside]).unwrap_err();
        assert!(error.message.contains("element 6"), "{error}");
    }
}
