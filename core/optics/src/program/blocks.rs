//! The blocks of a scattering circuit: what instances become, entry by entry.

use super::{Field, Generator, generator};
use crate::fabrication::Fabrication;
use blackbeam_components::{Component, Cx, Dual, Passivity, Scatter, Sink};
use blackbeam_netlist::circuit::{Circuit, Imported, Kind, Quantity};
use blackbeam_plugin::{PluginError, Result, structure};
use blackbeam_scattering::Entry;
use num_complex::Complex64;
use std::ops::Range;

/// What a block is.
pub(crate) enum What {
    Primitive {
        component: &'static Component,
        slots: Range<usize>,
        /// Settings that can change, by their place among the settings.
        moving: Vec<usize>,
    },
    Imported(Imported),
    /// Light goes both ways: M from inputs to outputs, its transpose back.
    Generator(Box<dyn Generator>, Range<usize>),
    /// A lossless mirror: reflects i r on both sides, lets sqrt(1 - r^2) through.
    Mirror(f64),
}

/// A block of a circuit.
pub(crate) struct Block {
    pub what: What,
    pub inputs: usize,
    pub outputs: usize,
    /// First of its entries.
    first: usize,
    /// Place of the entry (from, to) among its entries, plus 1; from * ports + to.
    table: Vec<u32>,
    count: usize,
    /// Factor on all entries: extra loss and phase.
    factor: Complex64,
}

/// Blocks with their entries.
#[derive(Default)]
pub(crate) struct Blocks {
    pub all: Vec<Block>,
    pub entries: Vec<Entry>,
}

impl Blocks {
    /// Adds instance `index`. `values` are slots as they are at the start, `moving` those that can change.
    ///
    /// # Errors
    /// `SETTINGS` for what cannot stand in a circuit of fields.
    pub fn add(
        &mut self,
        circuit: &Circuit,
        index: usize,
        fabrication: &Fabrication<'_>,
        (values, moving): (&[f64], &[bool]),
        wavelengths: &[f64],
    ) -> Result<usize> {
        let instance = &circuit.instances[index];
        let (inputs, outputs) = (instance.inputs, instance.outputs);
        let ports = inputs + outputs;
        let wrong = |m: String| PluginError::settings(format!("`{}`: {m}", instance.path));
        let (what, pattern) = match &instance.kind {
            Kind::Primitive(name) => {
                let component = blackbeam_components::find(name)
                    .ok_or_else(|| wrong(format!("there is no component `{name}` in the catalogue")))?;
                let slots = instance.slots.clone();
                if slots.len() != component.settings.len() {
                    let count = component.settings.len();
                    return Err(wrong(format!("{} settings, `{name}` has {count}", slots.len())));
                }
                let varying = &moving[slots.clone()];
                let pattern = component.pattern(&values[slots.clone()], varying, inputs, outputs, wavelengths);
                let moving = (0..slots.len()).filter(|&i| varying[i]).collect();
                (What::Primitive { component, slots, moving }, pattern)
            }
            Kind::Imported(data) => {
                if data.data.ports().len() != ports {
                    return Err(wrong(format!("{ports} ports, the data of `{}` have another number", data.name)));
                }
                let all = (0..ports).flat_map(|from| (0..ports).map(move |to| (from, to))).collect();
                (What::Imported(data.clone()), all)
            }
            Kind::MrrBank(_) => {
                let message = "a weight bank gives differences of photocurrents, not fields: it cannot be joined to other \
                               components; write its rings out";
                return Err(wrong(message.into()));
            }
            Kind::FreeSpace(_) => return Err(wrong("free space cannot be joined to a circuit of waveguides".into())),
            Kind::Mesh(_) | Kind::SlmMatvec(_) => {
                let generator = generator(circuit, index, fabrication)?;
                let generator = generator.ok_or_else(|| wrong("it is no generator".into()))?;
                let ahead = (0..inputs).flat_map(|from| (inputs..ports).map(move |to| (from, to)));
                let pattern = ahead.flat_map(|(from, to)| [(from, to), (to, from)]).collect();
                (What::Generator(generator, instance.slots.clone()), pattern)
            }
        };
        let loss = fabrication.value(Quantity::ExtraLoss, index, 0.0)?;
        let phase = fabrication.value(Quantity::ExtraPhase, index, 0.0)?;
        let factor = Complex64::from_polar(10f64.powf(-loss / 20.0), phase);
        Ok(self.push(what, (inputs, outputs), pattern, factor))
    }

    /// Adds a mirror of amplitude `r`.
    pub fn mirror(&mut self, r: f64) -> usize {
        self.push(What::Mirror(r), (1, 1), vec![(0, 0), (0, 1), (1, 0), (1, 1)], Complex64::ONE)
    }

    fn push(&mut self, what: What, size: (usize, usize), pattern: Vec<(usize, usize)>, factor: Complex64) -> usize {
        let (block, ports) = (self.all.len(), size.0 + size.1);
        let mut table = vec![0; ports * ports];
        for (k, (from, to)) in pattern.iter().enumerate() {
            table[from * ports + to] = k as u32 + 1;
        }
        let (first, count) = (self.entries.len(), pattern.len());
        self.entries.extend(pattern.into_iter().map(|(from, to)| Entry { block, from, to }));
        self.all.push(Block { what, inputs: size.0, outputs: size.1, first, table, count, factor });
        block
    }

    /// The values of all entries, `values[entry * lanes + lane]`.
    ///
    /// # Errors
    /// `SETTINGS` for imported data that say nothing of a wavelength.
    pub fn values(&self, slots: &[f64], wavelengths: &[f64], values: &mut Vec<Complex64>) -> Result<()> {
        values.clear();
        values.resize(self.entries.len() * wavelengths.len(), Complex64::ZERO);
        self.all.iter().try_for_each(|block| block.values(slots, wavelengths, values))
    }

    /// The adjoint of `values`: adds dL/dslots.
    pub fn pull(&self, slots: &[f64], wavelengths: &[f64], gradient: &[Complex64], dslots: &mut [f64]) {
        self.all.iter().for_each(|block| block.pull(slots, wavelengths, gradient, dslots));
    }

    /// Floating-point operations of `values` for one wavelength, roughly.
    pub fn operations(&self) -> f64 {
        let of = |block: &Block| match &block.what {
            What::Generator(generator, _) => generator.operations(),
            _ => 20.0 * block.count as f64,
        };
        self.all.iter().map(of).sum()
    }
}

/// Writes entries of one block at one lane.
struct Into<'a> {
    block: &'a Block,
    lanes: usize,
    lane: usize,
    values: &'a mut [Complex64],
}

impl Sink<f64> for Into<'_> {
    fn set(&mut self, from: usize, to: usize, value: Cx<f64>) {
        if let Some(at) = self.block.at(from, to) {
            self.values[at * self.lanes + self.lane] = Complex64::new(value.re, value.im) * self.block.factor;
        }
    }
}

/// Contracts derivatives of entries with their cotangents.
struct Along<'a> {
    block: &'a Block,
    lanes: usize,
    lane: usize,
    gradient: &'a [Complex64],
    sum: f64,
}

impl Sink<Dual> for Along<'_> {
    fn set(&mut self, from: usize, to: usize, value: Cx<Dual>) {
        if let Some(at) = self.block.at(from, to) {
            let slope = Complex64::new(value.re.d, value.im.d) * self.block.factor;
            self.sum += (self.gradient[at * self.lanes + self.lane].conj() * slope).re;
        }
    }
}

impl Block {
    /// Known to give no more light than it gets, whatever its settings.
    pub fn passive(&self) -> bool {
        let known = match &self.what {
            What::Primitive { component, .. } => component.passivity == Passivity::Passive,
            What::Generator(generator, _) => generator.structure() & structure::PASSIVE != 0,
            What::Mirror(_) => true,
            What::Imported(_) => false,
        };
        known && self.factor.norm() <= 1.0
    }

    /// Known to treat both directions alike.
    pub fn reciprocal(&self) -> bool {
        match &self.what {
            What::Primitive { component, .. } => component.reciprocal,
            What::Generator(..) | What::Mirror(_) => true,
            What::Imported(_) => false,
        }
    }

    /// Number of an entry among all.
    fn at(&self, from: usize, to: usize) -> Option<usize> {
        let k = self.table[from * (self.inputs + self.outputs) + to];
        (k > 0).then(|| self.first + k as usize - 1)
    }

    fn values(&self, slots: &[f64], wavelengths: &[f64], values: &mut [Complex64]) -> Result<()> {
        let (lanes, ports) = (wavelengths.len(), self.inputs + self.outputs);
        match &self.what {
            What::Primitive { component, slots: mine, .. } => {
                let settings = &slots[mine.clone()];
                for (lane, &wl_um) in wavelengths.iter().enumerate() {
                    let at = Scatter { settings, inputs: self.inputs, outputs: self.outputs, wl_um };
                    (component.scatter)(&at, &mut Into { block: self, lanes, lane, values: &mut *values });
                }
            }
            What::Imported(data) => {
                let mut s = vec![Complex64::ZERO; ports * ports];
                for (lane, &wl) in wavelengths.iter().enumerate() {
                    let outside = |e| PluginError::settings(format!("imported data `{}`: {e}", data.name));
                    data.data.evaluate_wl(wl, data.extrapolate, &mut s).map_err(outside)?;
                    for (k, value) in s.iter().enumerate() {
                        let at = self.at(k % ports, k / ports).expect("all entries are there");
                        values[at * lanes + lane] = value * self.factor;
                    }
                }
            }
            What::Generator(generator, mine) => {
                let mut matrix = Field::sized(self.inputs * self.outputs, true);
                generator.fill(&slots[mine.clone()], &mut matrix);
                for k in 0..self.inputs * self.outputs {
                    let (from, to) = (k % self.inputs, self.inputs + k / self.inputs);
                    let value = Complex64::new(matrix.re[k], matrix.im[k]) * self.factor;
                    for at in [self.at(from, to), self.at(to, from)].into_iter().flatten() {
                        values[at * lanes..(at + 1) * lanes].fill(value);
                    }
                }
            }
            What::Mirror(r) => {
                let (reflected, through) = (Complex64::new(0.0, *r), Complex64::from((1.0 - r * r).sqrt()));
                for (k, value) in [reflected, through, through, reflected].into_iter().enumerate() {
                    values[(self.first + k) * lanes..(self.first + k + 1) * lanes].fill(value);
                }
            }
        }
        Ok(())
    }

    fn pull(&self, slots: &[f64], wavelengths: &[f64], gradient: &[Complex64], dslots: &mut [f64]) {
        let lanes = wavelengths.len();
        match &self.what {
            What::Primitive { component, slots: mine, moving } => {
                let mut settings: Vec<Dual> = slots[mine.clone()].iter().map(|&v| Dual { v, d: 0.0 }).collect();
                for &which in moving {
                    settings[which].d = 1.0;
                    let mut along = Along { block: self, lanes, lane: 0, gradient, sum: 0.0 };
                    for (lane, &wl_um) in wavelengths.iter().enumerate() {
                        along.lane = lane;
                        let (inputs, outputs) = (self.inputs, self.outputs);
                        (component.scatter_dual)(&Scatter { settings: &settings, inputs, outputs, wl_um }, &mut along);
                    }
                    dslots[mine.start + which] += along.sum;
                    settings[which].d = 0.0;
                }
            }
            What::Generator(generator, mine) => {
                let mut g = Field::sized(self.inputs * self.outputs, true);
                for k in 0..self.inputs * self.outputs {
                    let (from, to) = (k % self.inputs, self.inputs + k / self.inputs);
                    let both = [self.at(from, to), self.at(to, from)].into_iter().flatten();
                    let sum: Complex64 = both.flat_map(|at| &gradient[at * lanes..(at + 1) * lanes]).sum();
                    let sum = sum * self.factor.conj();
                    (g.re[k], g.im[k]) = (sum.re, sum.im);
                }
                generator.pull(&slots[mine.clone()], &g, &mut dslots[mine.clone()]);
            }
            What::Imported(_) | What::Mirror(_) => {}
        }
    }
}
