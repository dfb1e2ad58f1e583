//! One device, compiled: all that does not change while it is open. Pure functions of (parameters, identity of the call,
//! what has drifted) that many threads may call at once.

use crate::{
    chain::{
        detector::{Detection, Detector, Signal},
        encoder::{Encoder, EncoderKeys, Part},
        events::Matter,
        lag::Configured,
        setpoint::{SetPoints, ranges},
    },
    descriptor,
    fabrication::Fabrication,
    initial,
    keys::Places,
    program::{Choice, Field, Loaded, Program, compile, spots},
    slots::{Moved, Slots},
    transfer::{ROWS, Transfer},
};
use blackbeam_netlist::circuit::{Circuit, EncodingMode, Kind, Names, Quantity};
use blackbeam_plugin::{Code, Key, Parameter, PluginError, Result};
use num_complex::Complex64;

/// Vectors that go through the chain together.
const CHUNK: usize = 32;

/// A compiled device.
pub(crate) struct Model {
    pub program: Program,
    pub choice: Choice,
    pub slots: Slots,
    pub places: Places,
    pub set_points: SetPoints,
    pub encoder: Encoder,
    pub detector: Detector,
    /// All parameters, block by block, with their initial values. Their names and units stay empty: only a descriptor needs
    /// those texts.
    pub parameters: Vec<Parameter>,
    /// Names of all parameters.
    pub names: Names,
    /// Where the trainable parameters stand among them, in the order of w.
    pub trainable: Vec<usize>,
    /// Fixed-pattern gain of each output.
    pub gain: Vec<f64>,
}

/// What a device is at the time of a query, beside what was written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Instant {
    pub time_s: f64,
    pub moved: Moved,
    /// Gain of each output, with the fixed pattern.
    pub gain: Vec<f64>,
    /// Power of the source, relative to what it should be.
    pub source: f64,
    pub matter: Matter,
}

/// What light meets.
#[derive(Clone)]
pub(crate) enum Medium {
    Matrix(Transfer),
    Bench(Box<Loaded>),
}

/// Buffers of one thread.
#[derive(Default)]
pub(crate) struct Workspace {
    pub field: Field,
    pub slots: Vec<f64>,
    numbers: Vec<f64>,
    encoded: Vec<f64>,
    packed: Vec<[f64; ROWS]>,
    fields: Vec<f64>,
    second: Vec<f64>,
}

/// One call on one configuration.
#[derive(Clone, Copy)]
pub(crate) struct Query<'a> {
    pub medium: &'a Medium,
    pub detection: Detection<'a>,
    pub keys: EncoderKeys,
    /// Light is sent backwards.
    pub backward: bool,
}

impl Model {
    pub fn new(circuit: &Circuit, seed: u64) -> Result<Self> {
        let Some(encoding) = &circuit.encoding else {
            return Err(PluginError::settings(
                "the file has no `encoding`: it says nothing of inputs, so the device can be simulated but not queried \
                 or trained; add an `encoding` with its `ports` and `mode`",
            ));
        };
        let fabrication = Fabrication::new(circuit, seed);
        fabrication.check()?;
        let places = Places::new(circuit);
        let slots = Slots::new(circuit, &fabrication, &places, seed)?;
        let (program, choice) = compile(circuit, &fabrication, &slots)?;
        let (ports, inputs) = program.shape();
        let root = Key::new(seed);
        let (signal, both) = (program.signal(), matches!(program, Program::Bench(_)));
        let inputs_gain = vec![1.0; Encoder::numbers(encoding, inputs)];
        let inputs_gain = fabrication.values(Quantity::InputGain, 0, &inputs_gain)?;
        let powers = program.takes_powers();
        if !program.complex() && matches!(encoding.mode, EncodingMode::Phase | EncodingMode::Complex | EncodingMode::Iq)
        {
            return Err(PluginError::settings("encoding: the device is real: use `amplitude` or `intensity`"));
        }
        let detector = Detector::new(circuit, ports, (signal, both), program.camera_pixels(), root)?;
        let spots = spots(circuit)?;
        let mut model = Model {
            set_points: SetPoints::new(circuit, &spots, &places, seed)?,
            encoder: Encoder::new(encoding, inputs, powers, inputs_gain, root)?,
            gain: fabrication.values(Quantity::OutputGain, 0, &vec![1.0; detector.outputs()])?,
            detector,
            parameters: Vec::new(),
            names: Names::default(),
            trainable: Vec::new(),
            program,
            choice,
            slots,
            places,
        };
        model.parameters = descriptor::parameters(circuit, &model.set_points, &spots)?;
        circuit.parameters.iter().for_each(|block| model.names.extend(&block.names));
        let start = initial::Start { places: &model.places, slots: &model.slots, set_points: &model.set_points };
        let initial = initial::values(circuit, &start, &model.parameters, &fabrication, &spots, seed)?;
        model.parameters.iter_mut().zip(initial).for_each(|(p, value)| p.initial = value);
        let blocks = ranges(circuit).into_iter().zip(&circuit.parameters);
        model.trainable = blocks.filter(|(_, b)| b.trainable).flat_map(|(range, _)| range).collect();
        let (tau, tolerance) = descriptor::settling(circuit, model.trainable.iter().map(|&i| &model.parameters[i]));
        model.set_points.settling.charged = (tau, tolerance);
        Ok(model)
    }

    /// y is linear in x.
    pub fn linear(&self) -> bool {
        self.encoder.linear() && self.detector.linear() && matches!(self.program, Program::Linear(_))
    }

    /// The trainable parameters at the start.
    pub fn initial(&self) -> Vec<f64> {
        self.trainable.iter().map(|&i| self.parameters[i].initial).collect()
    }

    /// Values of all parameters when `params` are asked for, and the trainable ones among them: each inside its range.
    ///
    /// # Errors
    /// `SHAPE` for a wrong number of them, `RANGE` for one that is not finite.
    pub fn admit(&self, params: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        if params.len() != self.trainable.len() {
            let message = format!("{} parameters written, the device has {}", params.len(), self.trainable.len());
            return Err(PluginError::new(Code::SHAPE, message));
        }
        let mut values: Vec<f64> = self.parameters.iter().map(|p| p.initial).collect();
        let mut asked = Vec::with_capacity(params.len());
        for (&place, &value) in self.trainable.iter().zip(params) {
            if !value.is_finite() {
                let message = format!("parameter `{}` is {value}, expected a finite number", &self.names[place]);
                return Err(PluginError::new(Code::RANGE, message));
            }
            values[place] = self.parameters[place].admit(value);
            asked.push(values[place]);
        }
        Ok((values, asked))
    }

    /// What light meets in a configuration.
    ///
    /// # Errors
    /// `NONFINITE` where light has no steady state.
    pub fn medium(&self, configured: &Configured, instant: &Instant, work: &mut Workspace) -> Result<Medium> {
        let state = self.set_points.settling.state(configured, instant.time_s);
        let physical = self.set_points.physical(&state, instant.time_s, Some(&configured.call));
        self.slots.fill(&physical, &instant.moved, &mut work.slots);
        let Workspace { slots, field, .. } = work;
        self.compiled(slots, instant.matter.shift_um, field)
    }

    /// What light meets for the values of all slots.
    ///
    /// # Errors
    /// As [`medium`](Model::medium).
    pub fn compiled(&self, slots: &[f64], shift_um: f64, field: &mut Field) -> Result<Medium> {
        match &self.program {
            Program::Linear(program) => {
                let shape = program.shape();
                let entries = shape.0 * shape.1;
                if field.re.len() != entries {
                    *field = Field::sized(entries, program.complex());
                }
                program.fill(slots, shift_um, field)?;
                let mut transfer = Transfer::default();
                transfer.assemble(field, shape, self.encoder.pairs, &self.detector);
                Ok(Medium::Matrix(transfer))
            }
            Program::Bench(bench) => Ok(Medium::Bench(Box::new(bench.load(slots, shift_um)?))),
        }
    }

    /// Reals that arrive at the detectors for one vector.
    pub fn arriving(&self) -> usize {
        let (ports, _) = self.program.shape();
        if self.detector.pairs { 2 * ports } else { ports }
    }

    /// Sends the rows `x` [rows, inputs] of a batch, the first of which is row `first` of the logical batch.
    ///
    /// # Errors
    /// Light that is not finite.
    pub fn answer(&self, query: Query<'_>, x: &[f64], first: u64, y: &mut [f64], work: &mut Workspace) -> Result<()> {
        let (width, d_out) = match (query.medium, query.backward) {
            (Medium::Matrix(t), true) => (t.inputs, t.outputs),
            _ => (self.encoder.width, self.detector.width()),
        };
        work.second.resize(d_out, 0.0);
        let chunks = x.chunks(CHUNK * width).zip(y.chunks_mut(CHUNK * d_out));
        for (chunk, (x, y)) in chunks.enumerate() {
            let first = first + (chunk * CHUNK) as u64;
            for &part in self.encoder.parts() {
                self.send(query, (x, width), part, first, work)?;
                self.read(query, part, first, y, work);
            }
        }
        Ok(())
    }

    /// Encodes a chunk and sends it through what light meets.
    fn send(
        &self,
        query: Query<'_>,
        (x, width): (&[f64], usize),
        part: Part,
        first: u64,
        work: &mut Workspace,
    ) -> Result<()> {
        let rows = x.len() / width;
        let sent = if query.backward { width } else { self.encoder.sent };
        work.numbers.resize(width, 0.0);
        work.encoded.resize(rows * sent, 0.0);
        for (row, (x, out)) in x.chunks_exact(width).zip(work.encoded.chunks_exact_mut(sent)).enumerate() {
            self.encoder.encode(x, part, query.keys, first + row as u64, &mut work.numbers, out);
        }
        let arriving = if query.backward { work.second.len() } else { self.arriving() };
        work.fields.resize(rows * arriving, 0.0);
        match query.medium {
            Medium::Matrix(transfer) => transfer.apply(&work.encoded, &mut work.fields, &mut work.packed),
            Medium::Bench(loaded) => {
                let Program::Bench(bench) = &self.program else { unreachable!("a bench loads masks") };
                let mut room = loaded.workspace();
                for (encoded, fields) in work.encoded.chunks_exact(sent).zip(work.fields.chunks_exact_mut(arriving)) {
                    bench.apply(loaded, &self.complex_field(encoded), fields, &mut room)?;
                }
            }
        }
        Ok(())
    }

    /// Encoded reals as fields.
    pub fn complex_field(&self, encoded: &[f64]) -> Vec<Complex64> {
        if self.encoder.pairs {
            encoded.chunks_exact(2).map(|f| Complex64::new(f[0], f[1])).collect()
        } else {
            encoded.iter().map(|&f| Complex64::from(f)).collect()
        }
    }

    /// Reads a chunk; the second vector of a differential input is taken away from the first.
    fn read(&self, query: Query<'_>, part: Part, first: u64, y: &mut [f64], work: &mut Workspace) {
        let d_out = work.second.len();
        let arriving = if query.backward { d_out } else { self.arriving() };
        let offset = if part == Part::Minus { d_out as u64 } else { 0 };
        for (row, (fields, y)) in work.fields.chunks_exact_mut(arriving).zip(y.chunks_exact_mut(d_out)).enumerate() {
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

impl Program {
    /// (outputs, inputs): fields or powers that are read and sent.
    pub fn shape(&self) -> (usize, usize) {
        match self {
            Program::Linear(program) => program.shape(),
            Program::Bench(bench) => bench.shape(),
        }
    }

    fn complex(&self) -> bool {
        match self {
            Program::Linear(program) => program.complex(),
            Program::Bench(_) => true,
        }
    }

    fn takes_powers(&self) -> bool {
        matches!(self, Program::Linear(program) if program.incoherent())
    }

    fn camera_pixels(&self) -> usize {
        match self {
            Program::Linear(_) => 0,
            Program::Bench(bench) => bench.camera_pixels,
        }
    }

    fn signal(&self) -> Signal {
        match self {
            Program::Linear(program) if program.photocurrents() => Signal::Reals,
            Program::Linear(program) if program.incoherent() => Signal::Powers,
            Program::Linear(program) if program.complex() => Signal::Fields,
            Program::Linear(_) => Signal::Reals,
            Program::Bench(bench) if bench.powers() => Signal::Powers,
            Program::Bench(_) => Signal::Fields,
        }
    }
}

/// True if a device is made of rings whose columns are channels.
pub(crate) fn is_bank(circuit: &Circuit) -> bool {
    matches!(circuit.instances.as_slice(), [i] if matches!(i.kind, Kind::MrrBank(_)))
}
