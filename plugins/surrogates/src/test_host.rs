//! Plays the host in tests: a matrix before and after an update stands for the device, probes are answered and counted.

use crate::linalg::{norm, product, sum, transposed};
use blackbeam_plugin::{
    Answer, ArrayView, Base, Context, Cost, Descriptor, Dtype, Energy, Factors, Form, Inputs, Key, Limits, Matrix,
    Open, OutcomeKind, Port, Result, Surrogate, SurrogatePlugin, Timeouts, Timing, Want, Way, can, structure,
};

/// The descriptor of a linear device without parameters of its own.
pub fn descriptor(d_in: usize, d_out: usize) -> Descriptor {
    let port = |width| Port { width, complex: false, min: f64::NEG_INFINITY, max: f64::INFINITY, bits: 0 };
    Descriptor {
        name: "matrix".into(),
        firmware: "".into(),
        calibration: "".into(),
        input: port(d_in),
        output: port(d_out),
        parameters: Vec::new().into(),
        dtype: Dtype::F64,
        structure: structure::LINEAR_IN_X,
        can: can::BACKWARD,
        max_batch: 0,
        vectors_per_row: 1,
        noise: 0.0,
        timing: Timing::default(),
        energy: Energy::default(),
        limits: Limits::default(),
        timeouts: Timeouts::default(),
    }
}

/// A surrogate of `plugin` with `settings`.
pub fn make(plugin: &dyn SurrogatePlugin, settings: &str, device: &Descriptor) -> Result<Box<dyn Surrogate>> {
    plugin.make(&Open { settings: settings.into(), seed: 9, threads: 1, ideal: false }, device)
}

/// Standard normal elements times `scale`.
pub fn normal(key: Key, rows: usize, columns: usize, scale: f64) -> Matrix {
    let mut out = Matrix::zeros(rows, columns);
    key.add_normal(0, scale, &mut out.data);
    out
}

/// U S V^T.
pub fn matrix_of(factors: &Factors) -> Matrix {
    product(&product(&factors.u, &factors.s), &transposed(&factors.v))
}

/// |A - B|_F / |B|_F.
pub fn relative_error(a: &Matrix, b: &Matrix) -> f64 {
    norm(&sum(a, -1.0, b).data) / norm(&b.data)
}

fn shown(matrix: &Matrix) -> ArrayView<'_> {
    if matrix.is_empty() { ArrayView::empty() } else { matrix.view() }
}

/// A linear device, y = A x, and the run around it.
pub struct Host {
    pub descriptor: Descriptor,
    /// A at the parameters before the last update.
    pub old: Matrix,
    /// A at the parameters as they are.
    pub new: Matrix,
    /// Deviation of the noise on the outputs, relative to the rms output of the rows that it is drawn for.
    pub noise: f64,
    /// Deviation of the relative error of each output.
    pub relative_noise: f64,
    /// The parameters as they are, for those that look at them.
    pub params: Vec<f64>,
    /// Inputs and outputs of the step's batch.
    pub batch: (Matrix, Matrix),
    /// What the context says of the noise: deviation and full scale.
    pub known_noise: (f64, f64),
    /// Rows of a probe up to this one, and from it on, are of different size and count as queries of their own.
    pub split: usize,
    /// Seed of noise and probes.
    pub key: Key,
}

impl Host {
    pub fn new(a: Matrix, key: Key) -> Self {
        let descriptor = descriptor(a.columns, a.rows);
        let (relative_noise, known_noise) = (0.0, (0.0, 1.0));
        let batch = (Matrix::default(), Matrix::default());
        Host {
            descriptor,
            old: a.clone(),
            new: a,
            noise: 0.0,
            relative_noise,
            params: Vec::new(),
            batch,
            known_noise,
            split: 0,
            key,
        }
    }

    /// Sends a batch at the parameters as they are, as training does.
    pub fn train(&mut self, x: Matrix, step: u64) {
        let y = self.query(&self.new, &x, self.key.named("forward").with(step));
        self.batch = (x, y);
    }

    /// The device changes from `new` to `a`.
    pub fn update(&mut self, a: Matrix) {
        self.old = std::mem::replace(&mut self.new, a);
    }

    /// The context of a step.
    pub fn context(&self, step: u64, start: bool) -> Context<'_> {
        let (none, empty) = ([].as_slice(), ArrayView::empty());
        Context {
            key: self.key.named("surrogate").with(step).with(u64::from(start)),
            step,
            start,
            descriptor: &self.descriptor,
            params: self.params.as_slice().into(),
            params_applied: none.into(),
            previous: none.into(),
            previous_applied: none.into(),
            x: shown(&self.batch.0),
            y: shown(&self.batch.1),
            cotangent: empty,
            loss: 0.0,
            fim_factor: empty,
            fim_weight: 0.0,
            surrogate_u: empty,
            surrogate_s: empty,
            surrogate_v: empty,
            noise_std: self.known_noise.0,
            full_scale: self.known_noise.1,
            budget_vectors: f64::INFINITY,
        }
    }

    fn query(&self, a: &Matrix, x: &Matrix, noise: Key) -> Matrix {
        let mut y = product(x, &transposed(a));
        let at = self.split.min(y.rows) * y.columns;
        for (part, range) in [0..at, at..y.data.len()].into_iter().enumerate() {
            let y = &mut y.data[range];
            let rms = norm(y) / (y.len().max(1) as f64).sqrt();
            noise.with(part as u64).add_normal(0, self.noise * rms, y);
        }
        let relative = noise.named("relative");
        for (i, y) in y.data.iter_mut().enumerate() {
            *y *= 1.0 + self.relative_noise * relative.normal(i as u64);
        }
        y
    }

    /// One update, or the first build, of a surrogate; gives what it cost.
    pub fn step(&self, surrogate: &mut dyn Surrogate, step: u64, start: bool) -> Cost {
        let context = self.context(step, start);
        let mut cost = Cost::default();
        for round in 0.. {
            let ask = surrogate.ask(&context).unwrap();
            assert_eq!(ask.outcome, OutcomeKind::None);
            if ask.probes.is_empty() {
                break;
            }
            assert!(round < 2, "two rounds are enough");
            let answer = |(i, probe): (usize, &blackbeam_plugin::Probe)| {
                assert_eq!((probe.inputs, probe.want, probe.set.form), (Inputs::Own, Want::Outputs, Form::Base));
                cost.vectors += probe.own.rows as u64;
                // a round later the device still holds what it was programmed with
                cost.configurations += u64::from(round == 0);
                let a = if probe.set.base == Base::Current { &self.new } else { &self.old };
                let noise = self.key.named("noise").with(step).with(u64::from(start)).with(round).with(i as u64);
                let outputs = match probe.way {
                    Way::Forward => self.query(a, &probe.own, noise),
                    Way::Backward => self.query(&transposed(a), &probe.own, noise),
                };
                Answer { outputs, ..Answer::default() }
            };
            let answers: Vec<Answer> = ask.probes.iter().enumerate().map(answer).collect();
            surrogate.tell(&context, &answers).unwrap();
        }
        cost
    }
}
