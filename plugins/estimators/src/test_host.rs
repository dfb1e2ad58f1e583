//! Plays the host in tests: a function of parameters and inputs stands for the device, its probes are answered and
//! counted.

use blackbeam_plugin::{
    Answer, ArrayView, Ask, AtRange, Base, Context, Cost, CostInputs, Descriptor, Dtype, Energy, Estimator,
    EstimatorPlugin, Form, Inputs, Key, Limits, Matrix, Open, OutcomeKind, Parameter, ParameterKind, Plugin, Port,
    Probe, Result, Timeouts, Timing, Want, Way, structure,
};
use std::f64::consts::TAU;

/// The descriptor of a device with `n` phases of the given LSB in 0..2 pi.
pub fn descriptor(d_in: usize, d_out: usize, n: usize, lsb: f64) -> Descriptor {
    let parameter = |i: usize| Parameter {
        name: format!("phase<{i}>").into(),
        unit: "rad".into(),
        min: 0.0,
        max: TAU,
        initial: 0.0,
        resolution: lsb,
        period: TAU,
        kind: ParameterKind::Phase,
        at_range: AtRange::Clip,
        group: 0,
        row: (i / d_in) as u32,
        column: (i % d_in) as u32,
    };
    let port = |width| Port { width, complex: false, min: f64::NEG_INFINITY, max: f64::INFINITY, bits: 0 };
    Descriptor {
        name: "bank".into(),
        firmware: "".into(),
        calibration: "".into(),
        input: port(d_in),
        output: port(d_out),
        parameters: (0..n).map(parameter).collect(),
        dtype: Dtype::F64,
        structure: 0,
        can: 0,
        max_batch: 0,
        vectors_per_row: 1,
        noise: 0.0,
        timing: Timing::default(),
        energy: Energy::default(),
        limits: Limits::default(),
        timeouts: Timeouts::default(),
    }
}

/// An estimator of `plugin` with `settings`.
pub fn make(plugin: &dyn EstimatorPlugin, settings: &str, device: &Descriptor) -> Result<Box<dyn Estimator>> {
    plugin.make(&Open { settings: settings.into(), seed: 0, threads: 1, ideal: false }, device)
}

/// The registered estimator `name`.
pub fn registered(name: &str) -> Box<dyn EstimatorPlugin> {
    let named = |p: Plugin| match p {
        Plugin::Estimator(e) if e.manifest().name == name => Some(e),
        _ => None,
    };
    crate::plugins().into_iter().find_map(named).unwrap_or_else(|| panic!("no estimator `{name}`"))
}

/// A matrix of normal numbers of deviation `scale`.
pub fn normal(key: Key, rows: usize, columns: usize, scale: f64) -> Matrix {
    let mut out = Matrix::zeros(rows, columns);
    key.add_normal(0, scale, &mut out.data);
    out
}

/// y = x W^T with `w` [d_out, d_in].
pub fn times(x: &Matrix, w: &[f64]) -> Matrix {
    let mut y = Matrix::zeros(x.rows, w.len() / x.columns);
    for b in 0..x.rows {
        for (o, w) in w.chunks(x.columns).enumerate() {
            y[(b, o)] = x.row(b).iter().zip(w).map(|(x, w)| x * w).sum();
        }
    }
    y
}

/// The cosine of the angle between two vectors.
pub fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// |a - b| / |b|.
pub fn error(a: &[f64], b: &[f64]) -> f64 {
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
    norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied())
}

/// A function of parameters, inputs [batch, d_in] and the number of the query within the step (which keys its noise) to
/// outputs [batch, d_out].
pub type Function<'a> = dyn Fn(&[f64], &Matrix, u64) -> Matrix + 'a;

/// One step of a network that ends with the device.
pub struct Host<'a> {
    pub descriptor: Descriptor,
    pub device: &'a Function<'a>,
    /// The loss of outputs.
    pub loss: &'a dyn Fn(&Matrix) -> f64,
    pub params: Vec<f64>,
    pub x: Matrix,
    pub cotangent: Matrix,
    pub noise_std: f64,
    pub full_scale: f64,
}

/// What a step gave.
pub struct Played {
    pub result: Ask,
    pub cost: Cost,
    pub probes: Vec<Probe>,
}

/// y = x W^T with W = cos(parameters): linear in x, local, single-frequency and reciprocal, with loss sum (y - 1)^2 / 2 B, its
/// cotangent and its exact gradient.
pub struct CosineBank {
    pub params: Vec<f64>,
    pub x: Matrix,
    pub d_out: usize,
}

impl CosineBank {
    pub fn new(batch: usize, d_in: usize, d_out: usize) -> Self {
        let key = Key::new(5);
        let mut params = vec![0.0; d_in * d_out];
        key.named("w").fill_uniform(0, &mut params);
        params.iter_mut().for_each(|p| *p = 0.5 + 5.0 * *p);
        CosineBank { params, x: normal(key.named("x"), batch, d_in, 1.0), d_out }
    }

    pub fn answer(params: &[f64], x: &Matrix) -> Matrix {
        times(x, &params.iter().map(|p| p.cos()).collect::<Vec<_>>())
    }

    pub fn loss(y: &Matrix) -> f64 {
        y.data.iter().map(|y| (y - 1.0) * (y - 1.0) / 2.0).sum::<f64>() / y.rows as f64
    }

    pub fn descriptor(&self) -> Descriptor {
        use structure::{DETERMINISTIC, LINEAR_IN_X, LOCAL, RECIPROCAL, SINGLE_FREQUENCY};
        let mut descriptor = descriptor(self.x.columns, self.d_out, self.params.len(), 0.0);
        descriptor.parameters.iter_mut().for_each(|p| p.at_range = AtRange::Wrap);
        descriptor.structure = LINEAR_IN_X | LOCAL | SINGLE_FREQUENCY | RECIPROCAL | DETERMINISTIC;
        descriptor
    }

    pub fn gradient(&self) -> Vec<f64> {
        let (v, d_in) = (self.host().cotangent, self.x.columns);
        let of = |k: usize| -> f64 { (0..v.rows).map(|b| v[(b, k / d_in)] * self.x[(b, k % d_in)]).sum() };
        self.params.iter().enumerate().map(|(k, p)| -p.sin() * of(k)).collect()
    }

    pub fn host(&self) -> Host<'static> {
        let mut cotangent = Self::answer(&self.params, &self.x);
        let batch = cotangent.rows as f64;
        cotangent.data.iter_mut().for_each(|v| *v = (*v - 1.0) / batch);
        Host {
            descriptor: self.descriptor(),
            device: &|params, x, _| Self::answer(params, x),
            loss: &Self::loss,
            params: self.params.clone(),
            x: self.x.clone(),
            cotangent,
            noise_std: 0.0,
            full_scale: 1.0,
        }
    }
}

impl Host<'_> {
    /// Runs step 3 and gives the gradient and what it cost.
    pub fn step(&self, estimator: &mut dyn Estimator, key: Key) -> (Vec<f64>, Cost) {
        let played = self.play(estimator, key, 3);
        assert_eq!(played.result.outcome, OutcomeKind::Gradient);
        (played.result.values.into(), played.cost)
    }

    /// Runs step `step`. Parameters before the update are those of now, and the output Fisher information is the
    /// identity.
    pub fn play(&self, estimator: &mut dyn Estimator, key: Key, step: u64) -> Played {
        self.try_play(estimator, key, step).unwrap()
    }

    /// What a step of this host may cost.
    pub fn inputs(&self, step: u64) -> CostInputs {
        CostInputs {
            step,
            start: false,
            batch: self.x.rows,
            n_params: self.params.len(),
            d_in: self.x.columns,
            d_out: self.cotangent.columns,
        }
    }

    /// As [`play`](Self::play).
    ///
    /// # Errors
    /// What the estimator says.
    pub fn try_play(&self, estimator: &mut dyn Estimator, key: Key, step: u64) -> Result<Played> {
        let mut sent = Sent { host: self, programmed: self.params.clone(), queries: 0, cost: Cost::default() };
        let y = sent.query(&self.params, &self.x);
        let (rows, width) = (y.rows, y.columns);
        let fim: Vec<f64> = (0..rows * width * width).map(|i| f64::from(i / width % width == i % width)).collect();
        let empty = ArrayView::empty();
        let context = Context {
            key,
            step,
            start: false,
            descriptor: &self.descriptor,
            params: self.params.as_slice().into(),
            params_applied: self.params.as_slice().into(),
            previous: self.params.as_slice().into(),
            previous_applied: self.params.as_slice().into(),
            x: self.x.view(),
            y: y.view(),
            cotangent: self.cotangent.view(),
            loss: (self.loss)(&y),
            fim_factor: ArrayView::new(&fim, &[rows, width, width]),
            fim_weight: 1.0 / rows as f64,
            surrogate_u: empty,
            surrogate_s: empty,
            surrogate_v: empty,
            noise_std: self.noise_std,
            full_scale: self.full_scale,
            budget_vectors: f64::INFINITY,
        };
        let mut probes = Vec::new();
        loop {
            let ask = estimator.ask(&context)?;
            if ask.probes.is_empty() {
                return Ok(Played { result: ask, cost: sent.cost, probes });
            }
            let answers = sent.answers(&ask.probes);
            probes.extend(ask.probes);
            estimator.tell(&context, &answers)?;
        }
    }
}

/// A device in a step, as a session sends to it: what is asked at the base goes first, and a configuration is counted
/// where it differs from the one before.
struct Sent<'a, 'b> {
    host: &'a Host<'b>,
    programmed: Vec<f64>,
    queries: u64,
    cost: Cost,
}

impl Sent<'_, '_> {
    fn query(&mut self, params: &[f64], x: &Matrix) -> Matrix {
        self.queries += 1;
        (self.host.device)(params, x, self.queries)
    }

    fn answers(&mut self, probes: &[Probe]) -> Vec<Answer> {
        let losses = probes.iter().filter(|p| p.want == Want::Loss).count();
        assert!(losses == 0 || losses == probes.len(), "losses and other probes are not asked together");
        let mut order: Vec<usize> = (0..probes.len()).collect();
        order.sort_by_key(|&i| probes[i].set.form != Form::Base);
        let mut answers = vec![Answer::default(); probes.len()];
        for i in order {
            answers[i] = self.answer(&probes[i]);
        }
        answers
    }

    fn answer(&mut self, probe: &Probe) -> Answer {
        assert_eq!(probe.way, Way::Forward, "no estimator sends light backwards");
        assert_eq!(probe.set.base, Base::Current);
        let mut params = self.host.params.clone();
        probe.set.expand(&mut params).unwrap();
        let admitted = params.iter().zip(self.host.descriptor.parameters.iter()).map(|(v, p)| p.admit(*v));
        let params: Vec<f64> = admitted.collect();
        self.cost.configurations += u64::from(params != self.programmed);
        self.programmed.clone_from(&params);
        let x = if probe.inputs == Inputs::Own { &probe.own } else { &self.host.x };
        assert_eq!(x.columns, self.host.x.columns);
        self.cost.vectors += x.rows as u64;
        let y = self.query(&params, x);
        let held = |(v, p): (&f64, &Parameter)| match p.resolution {
            0.0 => *v,
            lsb => (v / lsb).round() * lsb,
        };
        let applied = params.iter().zip(self.host.descriptor.parameters.iter()).map(held);
        let applied: Vec<f64> = if probe.want_applied { applied.collect() } else { Vec::new() };
        let mut answer = Answer { applied: applied.into(), ..Answer::default() };
        match probe.want {
            Want::Outputs => answer.outputs = y,
            Want::Scalar => {
                let v = if probe.cotangent.is_empty() { &self.host.cotangent } else { &probe.cotangent };
                assert_eq!((v.rows, v.columns), (y.rows, y.columns));
                answer.scalar = y.data.iter().zip(v.data.iter()).map(|(y, v)| y * v).sum();
            }
            Want::Loss => {
                assert_eq!(probe.inputs, Inputs::Batch);
                self.cost.losses += 1;
                answer.scalar = (self.host.loss)(&y);
            }
        }
        answer
    }
}
