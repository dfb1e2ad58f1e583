//! Programs into steps.

use crate::steps::{Change, Move, Place, Step};
use crate::{Error, Forward};
use blackbeam_kernels::network::{Contraction, Copies, Unary, Windows};
use blackbeam_layers::program::{Instruction, Op, Optical, Program};
use std::ops::Range;

/// Where a loaded number comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    Zero,
    /// A value of the program's weights.
    Weight(u32),
    Re {
        matrix: u32,
        entry: u32,
    },
    Im {
        matrix: u32,
        entry: u32,
    },
    MinusIm {
        matrix: u32,
        entry: u32,
    },
}

fn number(index: usize) -> u32 {
    u32::try_from(index).expect("a checked network has less than 2^32 numbers")
}

pub(crate) fn compile(program: &Program, inputs: usize) -> Result<Forward, Error> {
    let mut first = 0;
    let mut offsets = Vec::with_capacity(program.weights.len());
    for weight in &program.weights {
        offsets.push(first);
        first += weight.len();
    }
    let mut compiler = Compiler {
        program,
        offsets,
        steps: Vec::new(),
        sources: Vec::new(),
        optical: Vec::new(),
        here: Place::Input,
        elements: inputs,
        saved: Vec::new(),
        slots: 0,
        operations: 0.0,
    };
    // dropout does nothing
    let instructions: Vec<&Instruction> =
        program.instructions.iter().filter(|instruction| !matches!(instruction.op, Op::Dropout { .. })).collect();
    let mut rest = instructions.as_slice();
    while let Some((instruction, later)) = rest.split_first() {
        let taken = compiler
            .operation(&instruction.op, later)
            .map_err(|message| Error { path: instruction.path.clone(), message })?;
        rest = &later[taken..];
    }
    let last = compiler.own();
    Ok(Forward {
        parameters: first,
        inputs,
        outputs: compiler.elements,
        last,
        steps: compiler.steps,
        places: places(&compiler.sources, first, &compiler.optical),
        optical: compiler.optical,
        slots: compiler.slots,
        operations: compiler.operations,
    })
}

/// Where sources stand among zero, the weights, and re, im and -im of each matrix.
fn places(sources: &[Source], weights: usize, optical: &[Optical]) -> Vec<u32> {
    let mut next = 1 + weights;
    let mut starts = Vec::with_capacity(optical.len());
    for optical in optical {
        let entries = optical.inputs * optical.outputs;
        starts.push([next, next + entries, next + 2 * entries]);
        next += 3 * entries;
    }
    let place = |source: &Source| match *source {
        Source::Zero => 0,
        Source::Weight(index) => 1 + index as usize,
        Source::Re { matrix, entry } => starts[matrix as usize][0] + entry as usize,
        Source::Im { matrix, entry } => starts[matrix as usize][1] + entry as usize,
        Source::MinusIm { matrix, entry } => starts[matrix as usize][2] + entry as usize,
    };
    sources.iter().map(|source| number(place(source))).collect()
}

struct Compiler<'p> {
    program: &'p Program,
    /// the first value of each of the program's weights
    offsets: Vec<usize>,
    steps: Vec<Step>,
    sources: Vec<Source>,
    optical: Vec<Optical>,
    /// where the value stands, and its numbers per sample
    here: Place,
    elements: usize,
    saved: Vec<(Place, usize)>,
    slots: usize,
    operations: f64,
}

fn op_at<'a>(later: &[&'a Instruction], at: usize) -> Option<&'a Op> {
    later.get(at).map(|instruction| &instruction.op)
}

fn is_pool_of_two(op: Option<&Op>) -> bool {
    matches!(op, Some(Op::MaxPool { kernel: 2, stride: 2, .. }))
}

/// Places of a window of `size`, `stride` apart, on an axis.
fn windows(axis: usize, size: usize, stride: usize) -> usize {
    (axis - size) / stride + 1
}

impl Compiler<'_> {
    /// A slot with nothing in it that is needed.
    fn free(&mut self) -> usize {
        let taken = |slot: usize| {
            let place = Place::Slot(slot);
            self.here == place || self.saved.iter().any(|saved| saved.0 == place)
        };
        let slot = (0..).find(|&slot| !taken(slot)).expect("the numbers do not end");
        self.slots = self.slots.max(slot + 1);
        slot
    }

    fn go(&mut self, size: usize, what: Move) {
        let to = self.free();
        self.steps.push(Step::From { from: self.here, to, size, what });
        (self.here, self.elements) = (Place::Slot(to), size);
    }

    /// The value in a slot where it may be changed.
    fn own(&mut self) -> usize {
        match self.here {
            Place::Slot(slot) if self.saved.iter().all(|saved| saved.0 != self.here) => slot,
            _ => {
                self.go(self.elements, Move::Clone);
                self.own()
            }
        }
    }

    fn change(&mut self, what: Change) {
        self.operations += self.elements as f64;
        let slot = self.own();
        self.steps.push(Step::At { slot, what });
    }

    /// Loads a whole weight; gives where.
    fn weight(&mut self, weight: usize) -> Range<usize> {
        let start = self.sources.len();
        let first = self.offsets[weight];
        let values = first..first + self.program.weights[weight].len();
        self.sources.extend(values.map(|index| Source::Weight(number(index))));
        start..self.sources.len()
    }

    /// Loads the weights of a contraction; gives where they begin.
    fn loads(
        &mut self,
        shape: &Contraction,
        bias: Option<usize>,
        weight: impl Fn(usize, usize) -> Source, // of an output and a tap
    ) -> usize {
        let start = self.sources.len();
        self.sources.resize(start + shape.weights(), Source::Zero);
        let bias = bias.map(|bias| self.offsets[bias]);
        for output in 0..shape.outputs() {
            if let Some(bias) = bias {
                self.sources[start + shape.at(output, None)] = Source::Weight(number(bias + output));
            }
            for tap in 0..shape.taps() {
                self.sources[start + shape.at(output, Some(tap))] = weight(output, tap);
            }
        }
        start
    }

    fn contract(
        &mut self,
        size: usize,
        shape: Contraction,
        bias: Option<usize>,
        weight: impl Fn(usize, usize) -> Source,
    ) {
        self.operations += 2.0 * shape.products() as f64;
        let weights = self.loads(&shape, bias, weight);
        self.go(size, Move::Contract { weights, shape });
    }

    fn fits(&self, elements: usize) -> Result<(), String> {
        if elements == self.elements {
            return Ok(());
        }
        Err(format!(
            "takes {elements} numbers per sample, but gets {}; give the inputs that the network was made for",
            self.elements
        ))
    }

    /// One operation, with those behind it that are done together with it: how many.
    fn operation(&mut self, op: &Op, later: &[&Instruction]) -> Result<usize, String> {
        match *op {
            Op::Linear { weight, bias, features, out, outer, inner } => {
                self.fits(outer * features * inner)?;
                let columns =
                    (0..outer).flat_map(|a| (0..inner).map(move |c| (a * features * inner + c, a * out * inner + c)));
                let shape = Contraction::new((0..features).map(|f| f * inner).collect(), columns.collect(), out, inner);
                let relu = op_at(later, 0) == Some(&Op::Relu);
                let shape = if relu { shape.relu() } else { shape };
                let first = self.offsets[weight];
                self.contract(outer * out * inner, shape, bias, |o, f| Source::Weight(number(first + f * out + o)));
                return Ok(usize::from(relu));
            }
            Op::Conv2d { .. } => return self.convolution(op, later),
            Op::Complex if let Some(Op::Optical(optical)) = op_at(later, 0) => {
                self.light(optical, true)?;
                return Ok(1);
            }
            Op::Optical(ref optical) => self.light(optical, false)?,
            Op::Recurrent { ref optical, positions, bias } => self.recurrent(optical, positions, bias)?,
            Op::MaxPool { .. } | Op::AvgPool { .. } | Op::AdaptiveAvgPool { .. } | Op::Mean { .. } => self.pool(op)?,
            Op::LayerNorm { scale, shift, features } => {
                let [scales, shifts] = [scale, shift].map(|weight| self.weight(weight));
                self.rows(features)?;
                self.change(Change::LayerNorm { scales, shifts });
            }
            Op::Softmax { features } => {
                self.rows(features)?;
                self.change(Change::Softmax { features });
            }
            Op::Bias { weight, features } => {
                self.rows(features)?;
                let bias = self.weight(weight);
                self.change(Change::Bias(bias));
            }
            Op::Scale { weight } => {
                let factor = self.weight(weight).start;
                self.change(Change::Scale(factor));
            }
            Op::Relu => self.change(Change::Unary(Unary::Relu)),
            Op::Gelu => self.change(Change::Unary(Unary::Gelu)),
            Op::Tanh => self.change(Change::Unary(Unary::Tanh)),
            Op::Sigmoid => self.change(Change::Unary(Unary::Sigmoid)),
            Op::Sine => self.change(Change::Unary(Unary::Sine)),
            Op::Transpose { rows, columns } => {
                self.fits(rows * columns)?;
                self.copies((0..rows * columns).map(|i| Some(i % rows * columns + i / rows)));
            }
            Op::Complex => self.copies((0..2 * self.elements).map(|i| i.is_multiple_of(2).then_some(i / 2))),
            Op::Resize { features, out } => {
                self.rows(features)?;
                let kept = move |row: usize, i: usize| (i < features).then_some(row * features + i);
                self.copies((0..self.elements / features).flat_map(|row| (0..out).map(move |i| kept(row, i))));
            }
            Op::Magnitude => self.moduli(true)?,
            Op::Power => self.moduli(false)?,
            Op::Save => self.saved.push((self.here, self.elements)),
            Op::Add => {
                let (from, elements) = *self.saved.last().ok_or("an addition of a value that was never saved")?;
                self.fits(elements)?;
                self.change(Change::Add { from });
                self.saved.pop();
            }
            Op::Dropout { .. } => {}
            Op::BatchNorm { .. } => {
                return Err(
                    "batch_norm needs statistics of batches: not in a network that only goes forward; use layer_norm"
                        .into(),
                );
            }
            Op::Embedding { .. } => {
                return Err("an embedding takes token numbers: not in a network that only goes forward; give one-hot rows to a linear layer".into());
            }
            Op::Device { .. } => return Err("a network that only goes forward holds no device".into()),
        }
        Ok(0)
    }

    fn rows(&self, features: usize) -> Result<(), String> {
        if features > 0 && self.elements.is_multiple_of(features) {
            return Ok(());
        }
        self.fits(features)
    }

    fn copies(&mut self, from: impl Iterator<Item = Option<usize>>) {
        let from: Vec<_> = from.collect();
        self.operations += from.len() as f64;
        self.go(from.len(), Move::Copy(Copies::new(from.into_iter())));
    }

    fn moduli(&mut self, root: bool) -> Result<(), String> {
        self.rows(2)?;
        self.operations += self.elements as f64;
        self.go(self.elements / 2, Move::Moduli { root });
        Ok(())
    }

    /// With the function and the pool of 2 x 2 behind it, if there are any: the largest of what rises with x is that of the largest x.
    fn convolution(&mut self, op: &Op, later: &[&Instruction]) -> Result<usize, String> {
        let Op::Conv2d { weight, bias, input: [channels, h, w], out, kernel, stride, padding } = *op else {
            unreachable!("called for convolutions")
        };
        self.fits(channels * h * w)?;
        let (high, wide) = (h + 2 * padding, w + 2 * padding);
        if padding > 0 {
            let inside = |i: usize, axis: usize| i.checked_sub(padding).filter(|&i| i < axis);
            let from =
                |i: usize| Some((i / (high * wide) * h + inside(i / wide % high, h)?) * w + inside(i % wide, w)?);
            self.copies((0..channels * high * wide).map(from));
        }
        let places = kernel * kernel;
        let tap = |t: usize| (t / places * high + t % places / kernel) * wide + t % kernel;
        let taps: Vec<_> = (0..channels * places).map(tap).collect();
        let (rows, columns) = (windows(high, kernel, stride), windows(wide, kernel, stride));
        let rises = matches!(op_at(later, 0), Some(Op::Relu | Op::Tanh | Op::Sigmoid));
        let pooled = is_pool_of_two(op_at(later, usize::from(rises))) && rows > 1 && columns > 1;
        let (rows, columns, window) = if pooled { (rows / 2, columns / 2, 2) } else { (rows, columns, 1) };
        let mut pixels = Vec::with_capacity(rows * columns * window * window);
        for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
            for (a, b) in (0..window).flat_map(|a| (0..window).map(move |b| (a, b))) {
                pixels.push((((window * i + a) * wide + window * j + b) * stride, i * columns + j));
            }
        }
        let size = rows * columns;
        let shape = Contraction::new(taps, pixels, out, size);
        let shape = if pooled { shape.pooled() } else { shape };
        let relu = op_at(later, 0) == Some(&Op::Relu) || (pooled && op_at(later, 1) == Some(&Op::Relu));
        let shape = if relu { shape.relu() } else { shape };
        let (first, count) = (self.offsets[weight], channels * places);
        self.contract(out * size, shape, bias, |o, tap| Source::Weight(number(first + o * count + tap)));
        if let (true, Some(op @ (Op::Tanh | Op::Sigmoid))) = (pooled, op_at(later, 0)) {
            self.operation(op, &[])?;
        }
        Ok(if pooled { 1 + usize::from(rises || relu) } else { usize::from(relu) })
    }

    fn pool(&mut self, op: &Op) -> Result<(), String> {
        let (mean, [channels, h, w]) = match *op {
            Op::MaxPool { input, .. } => (false, input),
            Op::AvgPool { input, .. } | Op::AdaptiveAvgPool { input, .. } => (true, input),
            Op::Mean { rows, features } => (true, [1, rows, features]),
            _ => unreachable!("called for pools"),
        };
        self.fits(channels * h * w)?;
        // the pixels of an axis that each pixel of the result is made of
        let axis = |axis: usize, along: usize| -> Vec<Range<usize>> {
            match *op {
                Op::MaxPool { kernel, stride, .. } | Op::AvgPool { kernel, stride, .. } => {
                    (0..windows(axis, kernel, stride)).map(|i| i * stride..i * stride + kernel).collect()
                }
                Op::AdaptiveAvgPool { size, .. } => {
                    let size = size[along];
                    (0..size).map(|i| i * axis / size..((i + 1) * axis).div_ceil(size)).collect()
                }
                _ if along == 0 => std::iter::once(0..axis).collect(),
                _ => (0..axis).map(|i| i..i + 1).collect(),
            }
        };
        let (rows, columns) = (axis(h, 0), axis(w, 1));
        let mut places = Vec::with_capacity(channels * rows.len() * columns.len());
        for (channel, row) in (0..channels).flat_map(|channel| rows.iter().map(move |row| (channel, row))) {
            for column in &columns {
                let pixels = row.clone().flat_map(|i| column.clone().map(move |j| (channel * h + i) * w + j));
                places.push(pixels.collect());
            }
        }
        let size = places.len();
        let windows = Windows::new(mean, places.into_iter());
        self.operations += windows.reads() as f64;
        self.go(size, Move::Windows(windows));
        Ok(())
    }

    /// The entry of a complex matrix in the real one: (re, im) of the output and of the input.
    fn entry(&self, optical: &Optical, output: usize, input: usize) -> Source {
        let (matrix, entry) = (number(self.optical.len()), number(output / 2 * optical.inputs + input / 2));
        match (output % 2, input % 2) {
            (0, 0) | (1, 1) => Source::Re { matrix, entry },
            (0, _) => Source::MinusIm { matrix, entry },
            _ => Source::Im { matrix, entry },
        }
    }

    /// A matrix of light on each row of pairs; `real`: the inputs are their real parts only.
    fn light(&mut self, optical: &Optical, real: bool) -> Result<(), String> {
        let parts = if real { 1 } else { 2 };
        let (inputs, outputs) = (parts * optical.inputs, 2 * optical.outputs);
        self.rows(inputs)?;
        let rows = self.elements / inputs;
        let columns = (0..rows).map(|row| (row * inputs, row * outputs)).collect();
        let shape = Contraction::new((0..inputs).collect(), columns, outputs, 1);
        let sources: Vec<_> = (0..inputs * outputs)
            .map(|i| self.entry(optical, i / inputs, if real { 2 * (i % inputs) } else { i % inputs }))
            .collect();
        self.optical.push(optical.clone());
        self.contract(rows * outputs, shape, None, |output, input| sources[output * inputs + input]);
        Ok(())
    }

    fn recurrent(&mut self, optical: &Optical, positions: usize, bias: Option<usize>) -> Result<(), String> {
        let width = 2 * optical.inputs;
        self.fits(positions * width)?;
        let shape = Contraction::new((0..width).collect(), vec![(0, 0)], width, 1);
        let sources: Vec<_> = (0..width * width).map(|i| self.entry(optical, i / width, i % width)).collect();
        let weights = self.loads(&shape, None, |output, input| sources[output * width + input]);
        self.optical.push(optical.clone());
        self.operations += 2.0 * (shape.products() * (positions - 1)) as f64;
        let bias = bias.map(|bias| self.weight(bias));
        self.change(Change::Recurrent { weights, shape, bias });
        Ok(())
    }
}
