//! One device, compiled: all that does not change while it is open. Pure functions of (parameters, identity of the call,
//! what has drifted) that many threads may call at once.

use crate::{
    chain::{
        admission::Admission,
        detector::{Detector, Signal},
        encoder::Encoder,
        events::Matter,
        lag::Configured,
        setpoint::{SetPoints, ranges},
    },
    descriptor,
    fabrication::Fabrication,
    initial,
    keys::Places,
    program::{Choice, Program, compile, spots},
    slots::{Moved, Slots},
};
use blackbeam_netlist::circuit::{Circuit, EncodingMode, Kind, Names, Precision, Quantity};
use blackbeam_plugin::{Code, Key, Parameter, PluginError, RVec, Result};

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
    admission: Admission,
    /// Fixed-pattern gain of each output.
    pub gain: Vec<f64>,
    /// Vectors go through the cells of the mesh, not through its matrix.
    pub direct: bool,
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
        if circuit.precision == Precision::F32 && both {
            return Err(PluginError::settings("solver: free space is computed in double precision: `precision: f64`"));
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
            admission: Admission::default(),
            direct: false,
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
        model.admission = Admission::new(&model.parameters, &model.trainable);
        let (tau, tolerance) = descriptor::settling(circuit, model.trainable.iter().map(|&i| &model.parameters[i]));
        model.set_points.settling.charged = (tau, tolerance);
        model.direct = model.prefers_cells();
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

    /// Asks for `params`: `next` gets the values of all parameters and the trainable ones among them, each inside its range.
    ///
    /// # Errors
    /// `SHAPE` for a wrong number of them, `RANGE` for one that is not finite.
    pub fn admit(&self, params: &[f64], next: &mut Configured) -> Result<()> {
        if params.len() != self.trainable.len() {
            let message = format!("{} parameters written, the device has {}", params.len(), self.trainable.len());
            return Err(PluginError::new(Code::SHAPE, message));
        }
        self.admission.admit(params, &mut next.applied, &mut next.asked).map_err(|wrong| {
            let (name, value) = (&self.names[self.trainable[wrong]], params[wrong]);
            PluginError::new(Code::RANGE, format!("parameter `{name}` is {value}, expected a finite number"))
        })
    }

    /// What was applied of the trainable parameters.
    pub fn applied(&self, configured: &Configured) -> RVec<f64> {
        self.trainable.iter().map(|&i| configured.applied[i]).collect::<Vec<f64>>().into()
    }

    /// True if `BATCH` vectors go faster through the cells of a mesh than through its matrix, which has to be made first. It
    /// depends on the device alone, so that how a batch is split changes no bit.
    fn prefers_cells(&self) -> bool {
        const BATCH: f64 = 128.0;
        let Program::Linear(program) = &self.program else { return false };
        let Some((mesh, _)) = program.mesh() else { return false };
        let (n, cells) = (mesh.kernel().modes() as f64, mesh.kernel().cells() as f64);
        let parts = [self.encoder.pairs, self.detector.pairs].map(|pairs| if pairs { 2.0 } else { 1.0 });
        // In units of a vector through all cells: the columns of the matrix, a third of which is dark; then the product.
        let product = 2.0 * parts[0] * parts[1] * n * n / (18.0 * cells.max(1.0));
        BATCH < 2.0 / 3.0 * n + BATCH * product
    }

    /// Reals that arrive at the detectors for one vector.
    pub fn arriving(&self) -> usize {
        let (ports, _) = self.program.shape();
        if self.detector.pairs { 2 * ports } else { ports }
    }
}

impl Program {
    /// (outputs, inputs): fields or powers that are read and sent.
    pub fn shape(&self) -> (usize, usize) {
        match self {
            Program::Linear(program) => program.shape(),
            Program::Bench(bench) => bench.shape(),
            Program::Layers(layers) => layers.shape(),
        }
    }

    fn complex(&self) -> bool {
        match self {
            Program::Linear(program) => program.complex(),
            Program::Bench(_) => true,
            Program::Layers(_) => false,
        }
    }

    fn takes_powers(&self) -> bool {
        matches!(self, Program::Linear(program) if program.incoherent())
    }

    fn camera_pixels(&self) -> usize {
        match self {
            Program::Linear(_) | Program::Layers(_) => 0,
            Program::Bench(bench) => bench.camera_pixels,
        }
    }

    fn signal(&self) -> Signal {
        match self {
            Program::Linear(program) if program.photocurrents() => Signal::Reals,
            Program::Linear(program) if program.incoherent() => Signal::Powers,
            Program::Linear(program) if program.complex() => Signal::Fields,
            Program::Linear(_) | Program::Layers(_) => Signal::Reals,
            Program::Bench(bench) if bench.powers() => Signal::Powers,
            Program::Bench(_) => Signal::Fields,
        }
    }
}

/// True if a device is made of rings whose columns are channels.
pub(crate) fn is_bank(circuit: &Circuit) -> bool {
    matches!(circuit.instances.as_slice(), [i] if matches!(i.kind, Kind::MrrBank(_)))
}
