//! One device, compiled: all that does not change while it is open. Pure functions of (parameters, identity of the call,
//! drift) that many threads may call at once.

use crate::{
    descriptor,
    detector::{Detection, Detector},
    encoder::{Encoder, EncoderKeys, Part},
    fabrication::Fabrication,
    initial,
    program::{Field, Program, compile},
    setpoint::{Block, SetPoints, blocks},
    transfer::{ROWS, Transfer},
};
use blackbeam_netlist::circuit::{Circuit, Quantity};
use blackbeam_plugin::{Call, Key, Parameter, PluginError, Result};

/// Vectors that go through the chain together.
const CHUNK: usize = 32;

/// A compiled device.
pub(crate) struct Model {
    pub program: Box<dyn Program>,
    pub blocks: Vec<Block>,
    pub set_points: SetPoints,
    pub encoder: Encoder,
    pub detector: Detector,
    /// All parameters in the program's order, with their initial values.
    pub parameters: Vec<Parameter>,
    /// Where the trainable parameters stand among them, in the order of w.
    pub trainable: Vec<usize>,
    /// Fixed-pattern gain of each output.
    pub gain: Vec<f64>,
}

/// What a write leaves behind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Configured {
    /// The trainable parameters as applied.
    pub applied: Vec<f64>,
    /// Physical phases, but for drift.
    pub phases: Vec<f64>,
}

/// What has drifted at the time of a query. Empty where nothing drifts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drifted {
    pub phases: Vec<f64>,
    /// Gain of each output, with the fixed pattern.
    pub gain: Vec<f64>,
}

/// Buffers of one thread.
#[derive(Default)]
pub(crate) struct Workspace {
    field: Field,
    phases: Vec<f64>,
    encoded: Vec<f64>,
    packed: Vec<[f64; ROWS]>,
    fields: Vec<f64>,
    second: Vec<f64>,
}

/// One call on one configuration.
#[derive(Clone, Copy)]
pub(crate) struct Query<'a> {
    pub transfer: &'a Transfer,
    pub detection: Detection<'a>,
    pub keys: EncoderKeys,
    /// Light is sent backwards.
    pub backward: bool,
}

impl Model {
    pub fn new(circuit: &Circuit, seed: u64) -> Result<Self> {
        let fabrication = Fabrication::new(circuit, seed);
        let program = compile(circuit, &fabrication)?;
        if let Some(reason) = program.refuses(circuit.encoding.mode, circuit.readout.mode) {
            return Err(PluginError::settings(reason));
        }
        let (outputs, inputs) = program.shape();
        let root = Key::new(seed);
        let blocks = blocks(circuit, &*program)?;
        let mut model = Model {
            set_points: SetPoints::new(circuit, &*program, &blocks, &fabrication, seed)?,
            encoder: Encoder::new(&circuit.encoding, inputs, program.incoherent(), root)?,
            detector: Detector::new(&circuit.readout, circuit.timing.averages, outputs, program.complex(), root)?,
            parameters: Vec::new(),
            trainable: Vec::new(),
            gain: fabrication.values(Quantity::OutputGain, &vec![1.0; outputs])?,
            program,
            blocks,
        };
        model.parameters = descriptor::parameters(circuit, &model)?;
        let initial = initial::phases(circuit, &model.blocks, &model.parameters, seed)?;
        model.parameters.iter_mut().zip(initial).for_each(|(p, value)| p.initial = value);
        let trainable = model.blocks.iter().filter(|b| circuit.parameters[b.index].trainable);
        model.trainable = trainable.flat_map(|b| b.phases.clone()).collect();
        Ok(model)
    }

    /// y is linear in x.
    pub fn linear(&self) -> bool {
        self.encoder.linear() && self.detector.linear()
    }

    /// The trainable parameters at the start.
    pub fn initial(&self) -> Vec<f64> {
        self.trainable.iter().map(|&i| self.parameters[i].initial).collect()
    }

    /// Programs `params` as the write `call` does.
    ///
    /// # Errors
    /// `SHAPE` for a wrong number of parameters, `RANGE` for one that is not finite.
    pub fn configure(&self, params: &[f64], call: &Call) -> Result<Configured> {
        if params.len() != self.trainable.len() {
            let message = format!("{} parameters written, the device has {}", params.len(), self.trainable.len());
            return Err(PluginError::new(blackbeam_plugin::Code::SHAPE, message));
        }
        let mut phases: Vec<f64> = self.parameters.iter().map(|p| p.initial).collect();
        for (&place, &value) in self.trainable.iter().zip(params) {
            let parameter = &self.parameters[place];
            if !value.is_finite() {
                let message = format!("parameter `{}` is {value}, expected a finite phase", parameter.name);
                return Err(PluginError::new(blackbeam_plugin::Code::RANGE, message));
            }
            phases[place] = parameter.admit(value);
        }
        self.set_points.quantise(&mut phases, call);
        let applied = self.trainable.iter().map(|&i| phases[i]).collect();
        let mut scratch = vec![0.0; 2 * phases.len()];
        self.set_points.physical(&mut phases, &mut scratch, call);
        Ok(Configured { applied, phases })
    }

    /// The matrix of a configuration.
    pub fn transfer(&self, configured: &Configured, drifted: &Drifted, work: &mut Workspace, out: &mut Transfer) {
        let shape = self.program.shape();
        let entries = shape.0 * shape.1;
        if work.field.re.len() != entries {
            work.field = Field::sized(entries, self.program.complex());
        }
        work.phases.clear();
        work.phases.extend_from_slice(&configured.phases);
        work.phases.iter_mut().zip(&drifted.phases).for_each(|(p, d)| *p += d);
        self.program.fill(&work.phases, &mut work.field);
        out.assemble(&work.field, shape, self.encoder.complex, &self.detector);
    }

    /// Sends the rows `x` [rows, inputs] of a batch, the first of which is row `first` of the logical batch.
    pub fn answer(&self, query: Query<'_>, x: &[f64], first: u64, y: &mut [f64], work: &mut Workspace) {
        let (inputs, outputs) = (query.transfer.inputs, query.transfer.outputs);
        let d_out = if query.backward { outputs } else { self.detector.width() };
        work.encoded.resize(CHUNK * inputs, 0.0);
        work.fields.resize(CHUNK * outputs, 0.0);
        work.second.resize(d_out, 0.0);
        let chunks = x.chunks(CHUNK * inputs).zip(y.chunks_mut(CHUNK * d_out));
        for (chunk, (x, y)) in chunks.enumerate() {
            let first = first + (chunk * CHUNK) as u64;
            for &part in self.encoder.parts() {
                self.send(query, x, part, first, work);
                self.read(query, part, first, y, work);
            }
        }
    }

    /// Encodes a chunk and sends it through the matrix.
    fn send(&self, query: Query<'_>, x: &[f64], part: Part, first: u64, work: &mut Workspace) {
        let (inputs, outputs) = (query.transfer.inputs, query.transfer.outputs);
        let rows = x.len() / inputs;
        let encoded = work.encoded[..rows * inputs].chunks_exact_mut(inputs);
        for (row, (x, out)) in x.chunks_exact(inputs).zip(encoded).enumerate() {
            self.encoder.encode(x, part, query.keys, first + row as u64, out);
        }
        let fields = &mut work.fields[..rows * outputs];
        query.transfer.apply(&work.encoded[..rows * inputs], fields, &mut work.packed);
    }

    /// Reads a chunk; the second vector of a differential input is taken away from the first.
    fn read(&self, query: Query<'_>, part: Part, first: u64, y: &mut [f64], work: &mut Workspace) {
        let outputs = query.transfer.outputs;
        let d_out = work.second.len();
        let offset = if part == Part::Minus { d_out as u64 } else { 0 };
        for (row, (fields, y)) in work.fields.chunks_exact(outputs).zip(y.chunks_exact_mut(d_out)).enumerate() {
            let row = first + row as u64;
            let target = if part == Part::Minus { &mut work.second[..] } else { &mut *y };
            if query.backward {
                target.copy_from_slice(fields);
                self.detector.read(query.detection, row, offset, target);
            } else {
                self.detector.detect(fields, query.detection, row, offset, target);
            }
            if part == Part::Minus {
                y.iter_mut().zip(&work.second).for_each(|(y, minus)| *y -= minus);
            }
        }
    }
}
