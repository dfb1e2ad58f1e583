//! The numbers that a device is made of: from physical parameters to the values of all slots, and back with derivatives.
//!
//! value = factor (scale x + shift) + offset + added, where x is what a parameter sets, or the number of the netlist, or an
//! expression of slots before; scale and shift come from the rules of `nonideal`, the offset is a static error, factor and
//! added are what has drifted. Expressions see the values of other slots with all that is wrong with them.

use crate::{
    fabrication::{Affine, Fabrication},
    keys::{Places, Source},
};
use blackbeam_components::Dual;
use blackbeam_netlist::circuit::{Circuit, Expr, Quantity, Slot};
use blackbeam_plugin::{Key, PluginError, Result};

/// All slots of one device.
pub(crate) struct Slots {
    /// Values of slots that are numbers, without offset; 0 for the others.
    base: Vec<f64>,
    offset: Vec<f64>,
    /// Both together; slots that are computed have none.
    fixed: Vec<f64>,
    driven: Vec<Driven>,
    /// Neighbours among the driven: (first slot, first parameter, number of them).
    runs: Vec<(usize, usize, usize)>,
    /// Scales of slots.
    scale: Vec<f64>,
    computed: Vec<Computed>,
}

struct Driven {
    slot: usize,
    parameter: usize,
}

struct Computed {
    slot: usize,
    expr: Expr,
    /// Slots that the expression names.
    names: Vec<usize>,
    rules: Affine,
}

/// What has drifted, slot by slot. Empty where nothing drifts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Moved {
    pub added: Vec<f64>,
    /// Empty where none is a factor.
    pub factor: Vec<f64>,
}

/// Slots that parameter `k` of a block sets.
pub(crate) fn targets(block: &blackbeam_netlist::circuit::ParameterBlock, k: usize) -> &[usize] {
    let first = if k == 0 { 0 } else { block.ends[k - 1] };
    &block.slots[first..block.ends[k]]
}

impl Slots {
    /// # Errors
    /// `SETTINGS` for a circuit that names slots that are not there, sets one twice, or draws numbers that are not finite.
    pub fn new(circuit: &Circuit, fabrication: &Fabrication<'_>, places: &Places, seed: u64) -> Result<Self> {
        let count = circuit.slots.len();
        let owner = owners(circuit)?;
        let is_driven: Vec<bool> = owner.iter().map(|&o| o != usize::MAX).collect();
        let rules = fabrication.slots(Quantity::Slot, places, &is_driven)?;
        let offsets = fabrication.slots(Quantity::Offset, places, &is_driven)?;
        let mut source = Source::new(Key::new(seed).named("setting"));
        let mut slots = Slots {
            base: vec![0.0; count],
            offset: offsets.iter().map(|a| a.apply(0.0)).collect(),
            driven: Vec::new(),
            runs: Vec::new(),
            scale: vec![1.0; count],
            fixed: Vec::new(),
            computed: Vec::new(),
        };
        for (slot, value) in circuit.slots.iter().enumerate() {
            match value {
                _ if is_driven[slot] => {
                    let parameter = owner[slot];
                    slots.scale[slot] = rules[slot].scale;
                    slots.driven.push(Driven { slot, parameter });
                    match slots.runs.last_mut() {
                        Some((s, p, len)) if (*s + *len, *p + *len) == (slot, parameter) => *len += 1,
                        _ => slots.runs.push((slot, parameter, 1)),
                    }
                }
                Slot::Number(number) => {
                    let drawn = source.draw(*number, places.of(slot));
                    slots.base[slot] = rules[slot].apply(drawn);
                    if !slots.base[slot].is_finite() {
                        return Err(PluginError::settings(format!("slot {slot} holds {}", slots.base[slot])));
                    }
                }
                Slot::Expr(expr) => {
                    let mut names = Vec::new();
                    collect(expr, &mut names);
                    if names.iter().any(|&n| n >= slot) {
                        return Err(PluginError::settings(format!("the expression of slot {slot} names a later slot")));
                    }
                    slots.computed.push(Computed { slot, expr: expr.clone(), names, rules: rules[slot] });
                }
            }
        }
        slots.fixed = slots.base.iter().zip(&slots.offset).map(|(base, offset)| base + offset).collect();
        Ok(slots)
    }

    /// No slot is computed from others.
    pub fn plain(&self) -> bool {
        self.computed.is_empty()
    }

    /// The slot that each of `count` parameters sets, if it sets just one.
    pub fn of_parameters(&self, count: usize) -> Vec<Option<usize>> {
        let mut slots = vec![None; count];
        let mut several = vec![false; count];
        for d in &self.driven {
            several[d.parameter] |= slots[d.parameter].replace(d.slot).is_some();
        }
        slots.iter_mut().zip(several).filter(|(_, several)| *several).for_each(|(slot, _)| *slot = None);
        slots
    }

    /// Number of slots.
    pub fn len(&self) -> usize {
        self.base.len()
    }

    /// The slots given and all that are computed from them.
    pub fn with_computed(&self, given: impl Iterator<Item = usize>) -> Vec<bool> {
        let mut set = vec![false; self.len()];
        given.filter(|&s| s < self.base.len()).for_each(|s| set[s] = true);
        for c in &self.computed {
            set[c.slot] |= c.names.iter().any(|&n| set[n]);
        }
        set
    }

    /// Values with every parameter in the middle of its range: generic ones, to see what depends on what.
    pub fn at_start(&self, circuit: &Circuit) -> Vec<f64> {
        let middle = |(low, high): (f64, f64)| match (low.is_finite(), high.is_finite()) {
            (true, true) => 0.5 * (low + high),
            (true, false) => low + 1.0,
            (false, true) => high - 1.0,
            (false, false) => 0.5,
        };
        let parameters = circuit.parameters.iter().flat_map(|b| vec![middle(b.range); b.names.len()]);
        let mut values = Vec::new();
        self.fill(&parameters.collect::<Vec<f64>>(), &Moved::default(), &mut values);
        values
    }

    /// The values of all slots for physical parameters.
    pub fn fill(&self, parameters: &[f64], moved: &Moved, out: &mut Vec<f64>) {
        if moved.factor.is_empty() {
            out.clone_from(&self.fixed);
            for &(slot, parameter, len) in &self.runs {
                let given = &parameters[parameter..parameter + len];
                drive(given, &self.scale[slot..slot + len], &mut out[slot..slot + len]);
            }
        } else {
            out.clone_from(&self.base);
            for &(slot, parameter, len) in &self.runs {
                let given = &parameters[parameter..parameter + len];
                drive(given, &self.scale[slot..slot + len], &mut out[slot..slot + len]);
            }
            let factors = moved.factor.iter().zip(&self.offset);
            out.iter_mut().zip(factors).for_each(|(v, (factor, offset))| *v = factor * *v + offset);
        }
        out.iter_mut().zip(&moved.added).for_each(|(v, added)| *v += added);
        for c in &self.computed {
            let value = c.rules.apply(c.expr.eval(out.as_slice()));
            out[c.slot] = moved.factor.get(c.slot).unwrap_or(&1.0) * value
                + self.offset[c.slot]
                + moved.added.get(c.slot).unwrap_or(&0.0);
        }
    }

    /// The adjoint of [`fill`](Slots::fill): adds dL/dparameters, given dL/dslots at the `values` that `fill` gave.
    pub fn pull(&self, values: &[f64], moved: &Moved, dslots: &mut [f64], dparameters: &mut [f64]) {
        let factor = |slot: usize| moved.factor.get(slot).copied().unwrap_or(1.0);
        if self.computed.iter().any(|c| dslots[c.slot] != 0.0) {
            let mut duals: Vec<Dual> = values.iter().map(|&v| Dual { v, d: 0.0 }).collect();
            for c in self.computed.iter().rev() {
                let above = dslots[c.slot] * factor(c.slot) * c.rules.scale;
                if above == 0.0 {
                    continue;
                }
                for &name in &c.names {
                    duals[name].d = 1.0;
                    dslots[name] += above * c.expr.eval(duals.as_slice()).d;
                    duals[name].d = 0.0;
                }
            }
        }
        for d in &self.driven {
            dparameters[d.parameter] += factor(d.slot) * self.scale[d.slot] * dslots[d.slot];
        }
    }
}

/// Adds what parameters set to what slots have without them.
fn drive(parameters: &[f64], scale: &[f64], slots: &mut [f64]) {
    for (v, (p, scale)) in slots.iter_mut().zip(parameters.iter().zip(scale)) {
        *v += scale * p;
    }
}

/// Which parameter sets a slot; `usize::MAX` if none does.
fn owners(circuit: &Circuit) -> Result<Vec<usize>> {
    let mut owner = vec![usize::MAX; circuit.slots.len()];
    let mut first = 0;
    for block in &circuit.parameters {
        let count = block.names.len();
        let rises = block.ends.windows(2).all(|w| w[0] <= w[1]);
        if block.ends.len() != count || !rises || block.ends.last().copied().unwrap_or(0) != block.slots.len() {
            let message = format!("a block of {count} parameters ({:?}) does not say what each sets", block.kind);
            return Err(PluginError::settings(message));
        }
        for k in 0..count {
            for &slot in targets(block, k) {
                match owner.get_mut(slot) {
                    Some(o) if *o == usize::MAX => *o = first + k,
                    Some(_) => {
                        return Err(PluginError::settings(format!("`{}` sets what is set already", &block.names[k])));
                    }
                    None => {
                        return Err(PluginError::settings(format!("`{}` sets nothing that is there", &block.names[k])));
                    }
                }
            }
        }
        first += count;
    }
    Ok(owner)
}

/// Slots that an expression names, each once.
fn collect(expr: &Expr, names: &mut Vec<usize>) {
    match expr {
        Expr::Constant(_) => {}
        Expr::Slot(slot) if names.contains(slot) => {}
        Expr::Slot(slot) => names.push(*slot),
        Expr::Call(_, x) => collect(x, names),
        Expr::Binary(_, x, y) => {
            collect(x, names);
            collect(y, names);
        }
    }
}
