//! A network that runs wholly on the device: digital layers between photonic ones.
//!
//! Photonic elements that follow one another are one complex matrix, made once for each configuration; everything else is a
//! matter of `blackbeam-forward`.

use super::{Choice, Field, Generator, generator};
use crate::fabrication::Fabrication;
use blackbeam_forward::{ComplexMatrix, Forward, Loaded, Packed, Work};
use blackbeam_kernels::{Arch, Level, Real, Task};
use blackbeam_layers::program::{Element, Op, Optical};
use blackbeam_netlist::circuit::{Circuit, Network};
use blackbeam_plugin::{PluginError, Result};
use std::ops::Range;

/// A network.
pub(crate) struct Layered {
    forward: Forward,
    /// Slots of all weights, one after the other.
    weights: Vec<Range<usize>>,
    /// By circuit of the program: what it is, and its slots.
    circuits: Vec<(Box<dyn Generator>, Range<usize>)>,
    /// First slot of each weight.
    first: Vec<usize>,
}

/// What a network is in one configuration, with what it was made in.
#[derive(Clone)]
pub(crate) struct LoadedLayers<T: Real> {
    loaded: Loaded<T>,
    weights: Vec<f64>,
    /// By circuit.
    fields: Vec<Field>,
    /// By optical chain.
    chains: Vec<Field>,
    scratch: Field,
}

impl<T: Real> Default for LoadedLayers<T> {
    fn default() -> Self {
        LoadedLayers {
            loaded: Loaded::default(),
            weights: Vec::new(),
            fields: Vec::new(),
            chains: Vec::new(),
            scratch: Field::default(),
        }
    }
}

impl Layered {
    /// # Errors
    /// `SETTINGS` for layers that do not run forwards only, and for instances that carry no light.
    pub fn new(circuit: &Circuit, network: &Network, fabrication: &Fabrication<'_>) -> Result<(Self, Choice)> {
        let inputs = network.input.iter().product();
        let forward = Forward::new(&network.program, inputs).map_err(|e| PluginError::settings(e.to_string()))?;
        let mut circuits = Vec::new();
        for &instance in &network.circuits {
            let path = &circuit.instances[instance].path;
            let made = generator(circuit, instance, fabrication)?;
            let made = made.filter(|generator| !generator.incoherent()).ok_or_else(|| {
                PluginError::settings(format!("`{path}` carries no fields: a layer of a network takes a mesh"))
            })?;
            circuits.push((made, circuit.instances[instance].slots.clone()));
        }
        let weights = network.weights.iter().zip(&network.program.weights);
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for (&start, weight) in weights {
            match ranges.last_mut() {
                Some(last) if last.end == start => last.end += weight.len(),
                _ => ranges.push(start..start + weight.len()),
            }
        }
        let parts = network.program.circuits.iter().zip(&circuits).flat_map(|(name, (generator, _))| {
            generator.parts().into_iter().map(move |part| format!("{name}: {part}"))
        });
        let weights: usize = network.program.weights.iter().map(|weight| weight.len()).sum();
        let layers = network.program.instructions.iter().map(|instruction| part(&instruction.op));
        let parts = std::iter::once(format!("{weights} weights")).chain(layers).chain(parts).collect();
        let choice = Choice {
            name: "layers",
            why: "the file has a `network`".into(),
            parts,
            flops: (circuits.iter().map(|(generator, _)| generator.operations()).sum(), forward.operations()),
        };
        Ok((Layered { forward, weights: ranges, circuits, first: network.weights.clone() }, choice))
    }

    /// (outputs, inputs).
    pub fn shape(&self) -> (usize, usize) {
        (self.forward.outputs(), self.forward.inputs())
    }

    /// Makes `loaded` that of a configuration.
    pub fn load<T: Real>(&self, slots: &[f64], shift_um: f64, loaded: &mut LoadedLayers<T>) {
        let LoadedLayers { loaded, weights, fields, chains, scratch } = loaded;
        weights.clear();
        self.weights.iter().for_each(|range| weights.extend_from_slice(&slots[range.clone()]));
        fields.resize_with(self.circuits.len(), Field::default);
        for (field, (generator, range)) in fields.iter_mut().zip(&self.circuits) {
            let (outputs, inputs) = generator.shape();
            field.resize(outputs * inputs, true);
            field.im.fill(0.0);
            generator.fill_shifted(&slots[range.clone()], shift_um, field);
        }
        let optical = self.forward.optical();
        chains.resize_with(optical.len(), Field::default);
        for (chain, optical) in chains.iter_mut().zip(optical) {
            self.chain(optical, slots, fields, chain, scratch);
        }
        let matrices: Vec<ComplexMatrix<'_>> =
            chains.iter().map(|chain| ComplexMatrix { re: &chain.re, im: &chain.im }).collect();
        self.forward.load(weights, &matrices, loaded);
    }

    /// The matrix [outputs, inputs] of elements one after the other.
    fn chain(&self, optical: &Optical, slots: &[f64], fields: &[Field], chain: &mut Field, scratch: &mut Field) {
        let inputs = optical.inputs;
        // What the columns of the first circuit are multiplied by: the elements before it are diagonal.
        chain.resize(inputs * inputs, true);
        chain.re.fill(0.0);
        chain.im.fill(0.0);
        (0..inputs).for_each(|k| chain.re[k * inputs + k] = 1.0);
        let mut rows = inputs;
        let mut diagonal = true;
        for element in &optical.elements {
            match *element {
                Element::Circuit(index) => {
                    let (outputs, width) = self.circuits[index].0.shape();
                    scratch.resize(outputs * inputs, true);
                    let matrix = &fields[index];
                    let product = Multiply { matrix, width, right: chain, diagonal, columns: inputs, to: scratch };
                    Level::best().run(product);
                    std::mem::swap(chain, scratch);
                    (rows, diagonal) = (outputs, false);
                }
                Element::Diagonal(weight) => {
                    for row in 0..rows {
                        let factor = slots[self.first[weight] + row];
                        let part = row * inputs..(row + 1) * inputs;
                        chain.re[part.clone()].iter_mut().chain(&mut chain.im[part]).for_each(|v| *v *= factor);
                    }
                }
                Element::Phases(weight) => {
                    for row in 0..rows {
                        let (sin, cos) = slots[self.first[weight] + row].sin_cos();
                        let part = row * inputs..(row + 1) * inputs;
                        for (re, im) in chain.re[part.clone()].iter_mut().zip(&mut chain.im[part]) {
                            (*re, *im) = (cos * *re - sin * *im, sin * *re + cos * *im);
                        }
                    }
                }
            }
        }
    }

    /// A batch as the kernels take it.
    pub fn pack<T: Real>(&self, x: &[T], packed: &mut Packed<T>) {
        self.forward.pack(Level::best(), x, packed);
    }

    /// The answers to a batch.
    pub fn run<T: Real>(&self, loaded: &LoadedLayers<T>, packed: &Packed<T>, y: &mut [T], work: &mut Work<T>) {
        self.forward.run(&loaded.loaded, packed, 0, y, work);
    }
}

/// An operation, for people.
fn part(op: &Op) -> String {
    // `MaxPool { .. }` to `max_pool`
    let plain = |op: &Op| {
        let text = format!("{op:?}");
        let name = text.split([' ', '(']).next().unwrap_or_default();
        let letter = |(i, c): (usize, char)| {
            let gap = if i > 0 && c.is_uppercase() { "_" } else { "" };
            format!("{gap}{}", c.to_lowercase())
        };
        name.char_indices().map(letter).collect::<String>()
    };
    match op {
        Op::Linear { features, out, outer, inner, .. } if outer * inner == 1 => format!("linear: {features} to {out}"),
        Op::Linear { features, out, outer, inner, .. } => {
            format!("linear: {features} to {out}, for each of {} places", outer * inner)
        }
        Op::Conv2d { input, out, kernel, .. } => format!("conv2d: {} to {out} channels, {kernel} x {kernel}", input[0]),
        Op::MaxPool { kernel, .. } | Op::AvgPool { kernel, .. } => format!("{}: {kernel} x {kernel}", plain(op)),
        Op::Optical(light) => light_part(light),
        Op::Recurrent { optical, positions, .. } => {
            format!("recurrent, {positions} positions: {}", light_part(optical))
        }
        _ => plain(op),
    }
}

fn light_part(light: &Optical) -> String {
    format!(
        "light: {} elements, {} to {} modes, one matrix a configuration",
        light.elements.len(),
        light.inputs,
        light.outputs
    )
}

/// `to` [rows, columns] = `matrix` [rows, width] times `right` [columns or fewer rows, columns]; what is missing is dark.
struct Multiply<'a> {
    matrix: &'a Field,
    width: usize,
    right: &'a Field,
    /// `right` is square and diagonal.
    diagonal: bool,
    columns: usize,
    to: &'a mut Field,
}

impl Task for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let Multiply { matrix, width, right, diagonal, columns, to } = self;
        let deep = (right.re.len() / columns).min(width);
        for first in (0..columns).step_by(BLOCK) {
            let wide = first + BLOCK <= columns;
            for row in 0..matrix.re.len() / width {
                let from = row * width..row * width + deep;
                let factors = (&matrix.re[from.clone()], &matrix.im[from]);
                let start = row * columns + first;
                if diagonal {
                    for c in first..(first + BLOCK).min(columns) {
                        let (a, b) = if c < deep { (factors.0[c], factors.1[c]) } else { (0.0, 0.0) };
                        let (re, im) = (right.re[c * columns + c], right.im[c * columns + c]);
                        to.re[row * columns + c] = A::mul_add(a, re, -b * im);
                        to.im[row * columns + c] = A::mul_add(a, im, b * re);
                    }
                } else if wide {
                    let (re, im) = block::<A>(factors, right, (first, columns));
                    to.re[start..start + BLOCK].copy_from_slice(&re);
                    to.im[start..start + BLOCK].copy_from_slice(&im);
                } else {
                    for c in first..columns {
                        let (re, im) = entry::<A>(factors, right, (c, columns));
                        (to.re[row * columns + c], to.im[row * columns + c]) = (re, im);
                    }
                }
            }
        }
    }
}

/// Columns that are computed together: their sums stay in registers.
const BLOCK: usize = 8;

/// A row of factors times `BLOCK` columns, each number by the same operations as in `entry`.
#[inline(always)]
fn block<A: Arch>(
    factors: (&[f64], &[f64]),
    right: &Field,
    (first, columns): (usize, usize),
) -> ([f64; BLOCK], [f64; BLOCK]) {
    let (mut re, mut im) = ([0.0; BLOCK], [0.0; BLOCK]);
    for (k, (&a, &b)) in factors.0.iter().zip(factors.1).enumerate() {
        let at = k * columns + first;
        let (x, y) = (&right.re[at..at + BLOCK], &right.im[at..at + BLOCK]);
        for c in 0..BLOCK {
            re[c] = A::mul_add(a, x[c], A::mul_add(-b, y[c], re[c]));
            im[c] = A::mul_add(a, y[c], A::mul_add(b, x[c], im[c]));
        }
    }
    (re, im)
}

#[inline(always)]
fn entry<A: Arch>(factors: (&[f64], &[f64]), right: &Field, (column, columns): (usize, usize)) -> (f64, f64) {
    let (mut re, mut im) = (0.0, 0.0);
    for (k, (&a, &b)) in factors.0.iter().zip(factors.1).enumerate() {
        let (x, y) = (right.re[k * columns + column], right.im[k * columns + column]);
        re = A::mul_add(a, x, A::mul_add(-b, y, re));
        im = A::mul_add(a, y, A::mul_add(b, x, im));
    }
    (re, im)
}
