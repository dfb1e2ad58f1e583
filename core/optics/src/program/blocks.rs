//! The blocks of a scattering circuit: what instances become, entry by entry.

use super::{Field, Generator, generator};
use crate::fabrication::Fabrication;
use blackbeam_components::{Component, Cx, Dual, Passivity, Scatter, Sink, Sweep};
use blackbeam_kernels::Level;
use blackbeam_netlist::circuit::{Circuit, Imported, Kind, Quantity};
use blackbeam_plugin::{PluginError, Result, structure};
use blackbeam_scattering::{Entry, Values};
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
    lanes: usize,
    /// Where the numbers of each entry begin.
    places: Vec<usize>,
    /// Entries with a number for each wavelength; the others have one for all.
    varies: Vec<bool>,
    /// Numbers in all.
    count: usize,
}

/// The values of all entries, and what it takes to compute them.
#[derive(Default)]
pub(crate) struct Numbers {
    re: Vec<f64>,
    im: Vec<f64>,
    matrix: Field,
    imported: Vec<Complex64>,
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
            Kind::Weights(_) => return Err(wrong("the weights of a layer carry no light".into())),
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

    /// Gives the entries their places, for so many wavelengths; all blocks must be there. What is the same at all wavelengths
    /// stands once, and what is the same both ways.
    pub fn lay_out(&mut self, lanes: usize) {
        self.lanes = lanes;
        let mut count = 0;
        self.places.resize(self.entries.len(), usize::MAX);
        self.varies.resize(self.entries.len(), false);
        for block in &self.all {
            let varies = block.dispersive();
            for at in block.first..block.first + block.count {
                let Entry { from, to, .. } = self.entries[at];
                let twin = block.at(to, from).filter(|_| block.reciprocal()).map(|twin| self.places[twin]);
                self.varies[at] = varies;
                self.places[at] = match twin {
                    Some(known) if known != usize::MAX => known,
                    _ => count,
                };
                if self.places[at] == count {
                    count += if varies { lanes } else { 1 };
                }
            }
        }
        self.count = count;
    }

    /// Computes the values of all entries.
    ///
    /// # Errors
    /// `SETTINGS` for imported data that say nothing of a wavelength.
    pub fn compute(&self, slots: &[f64], wavelengths: &[f64], numbers: &mut Numbers) -> Result<()> {
        numbers.re.resize(self.count, 0.0);
        numbers.im.resize(self.count, 0.0);
        self.all.iter().try_for_each(|block| block.compute(self, slots, wavelengths, numbers))
    }

    /// The values that were computed.
    pub fn values<'a>(&'a self, numbers: &'a Numbers) -> Values<'a> {
        Values { re: &numbers.re, im: &numbers.im, first: &self.places, varies: &self.varies }
    }

    /// The same as `together[entry * lanes + lane]`.
    pub fn together(&self, numbers: &Numbers, together: &mut Vec<Complex64>) {
        together.clear();
        for (&place, &varies) in self.places.iter().zip(&self.varies) {
            let at = |lane: usize| place + if varies { lane } else { 0 };
            together.extend((0..self.lanes).map(|lane| Complex64::new(numbers.re[at(lane)], numbers.im[at(lane)])));
        }
    }

    /// The adjoint of `compute`: adds dL/dslots.
    pub fn pull(&self, slots: &[f64], wavelengths: &[f64], gradient: &[Complex64], dslots: &mut [f64]) {
        self.all.iter().for_each(|block| block.pull(slots, wavelengths, gradient, dslots));
    }

    /// Floating-point operations of `compute` for one wavelength, roughly.
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
    blocks: &'a Blocks,
    lane: usize,
    numbers: &'a mut Numbers,
}

impl Sink<f64> for Into<'_> {
    fn set(&mut self, from: usize, to: usize, value: Cx<f64>) {
        if let Some(at) = self.block.at(from, to) {
            let value = Complex64::new(value.re, value.im) * self.block.factor;
            let place = self.blocks.places[at] + self.lane;
            (self.numbers.re[place], self.numbers.im[place]) = (value.re, value.im);
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

    /// It differs from wavelength to wavelength.
    fn dispersive(&self) -> bool {
        match &self.what {
            What::Primitive { component, .. } => component.dispersive,
            What::Imported(_) => true,
            What::Generator(..) | What::Mirror(_) => false,
        }
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

    fn compute(&self, blocks: &Blocks, slots: &[f64], wavelengths: &[f64], numbers: &mut Numbers) -> Result<()> {
        match &self.what {
            What::Primitive { component, slots: mine, .. } => {
                self.component(blocks, component, &slots[mine.clone()], wavelengths, numbers);
            }
            What::Imported(data) => {
                let ports = self.inputs + self.outputs;
                let mut s = std::mem::take(&mut numbers.imported);
                s.resize(ports * ports, Complex64::ZERO);
                for (lane, &wl) in wavelengths.iter().enumerate() {
                    let outside = |e| PluginError::settings(format!("imported data `{}`: {e}", data.name));
                    data.data.evaluate_wl(wl, data.extrapolate, &mut s[..ports * ports]).map_err(outside)?;
                    for (k, value) in s[..ports * ports].iter().enumerate() {
                        self.set(blocks, (k % ports, k / ports), lane, *value, numbers);
                    }
                }
                numbers.imported = s;
            }
            What::Generator(generator, mine) => {
                let entries = self.inputs * self.outputs;
                let mut matrix = std::mem::take(&mut numbers.matrix);
                matrix.re.resize(entries, 0.0);
                // A real generator leaves it alone.
                matrix.im.clear();
                matrix.im.resize(entries, 0.0);
                generator.fill(&slots[mine.clone()], &mut matrix);
                for k in 0..entries {
                    let (from, to) = (k % self.inputs, self.inputs + k / self.inputs);
                    self.set(blocks, (from, to), 0, Complex64::new(matrix.re[k], matrix.im[k]), numbers);
                }
                numbers.matrix = matrix;
            }
            What::Mirror(r) => {
                let (reflected, through) = (Complex64::new(0.0, *r), Complex64::from((1.0 - r * r).sqrt()));
                for (entry, value) in [((0, 0), reflected), ((0, 1), through), ((1, 1), reflected)] {
                    self.set(blocks, entry, 0, value, numbers);
                }
            }
        }
        Ok(())
    }

    fn set(&self, blocks: &Blocks, (from, to): (usize, usize), lane: usize, value: Complex64, numbers: &mut Numbers) {
        Into { block: self, blocks, lane, numbers }.set(from, to, Cx { re: value.re, im: value.im });
    }

    /// All wavelengths at once, where the component can do that; one of them, where they are all alike.
    fn component(
        &self,
        blocks: &Blocks,
        component: &Component,
        settings: &[f64],
        wavelengths: &[f64],
        numbers: &mut Numbers,
    ) {
        let alike = if component.dispersive { wavelengths.len() } else { 1 };
        let Some(sweep) = component.sweep.filter(|_| alike > 1) else {
            for (lane, &wl_um) in wavelengths[..alike].iter().enumerate() {
                let at = Scatter { settings, inputs: self.inputs, outputs: self.outputs, wl_um };
                (component.scatter)(&at, &mut Into { block: self, blocks, lane, numbers });
            }
            return;
        };
        let factor = self.factor;
        let sweep_of = Sweep { settings, wl_um: wavelengths, level: Level::best() };
        sweep(&sweep_of, &mut |from, to, lane, re, im| {
            // S is symmetric: both directions have one place, unless there is but one of them.
            let Some(at) = self.at(from, to).or_else(|| self.at(to, from)) else { return };
            let place = blocks.places[at] + lane..blocks.places[at] + lane + re.len();
            let (to_re, to_im) = (&mut numbers.re[place.clone()], &mut numbers.im[place]);
            if factor == Complex64::ONE {
                to_re.copy_from_slice(re);
                to_im.copy_from_slice(im);
                return;
            }
            for (to, from) in to_re.iter_mut().zip(to_im).zip(re.iter().zip(im)) {
                let value = Complex64::new(*from.0, *from.1) * factor;
                (*to.0, *to.1) = (value.re, value.im);
            }
        });
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
