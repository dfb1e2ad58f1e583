//! Plays the host in tests: a function of parameters and inputs stands for the device, its probes are answered and
//! counted.

use blackbeam_plugin::{
    Answer, ArrayView, AtRange, Base, Context, Cost, Descriptor, Dtype, Energy, Estimator, EstimatorPlugin, Inputs,
    Key, Matrix, Open, OutcomeKind, Parameter, ParameterKind, Port, Result, Timing, Want,
};

/// The descriptor of a device with `n` phases of the given LSB in 0..2 pi.
pub fn descriptor(d_in: usize, d_out: usize, n: usize, lsb: f64) -> Descriptor {
    let parameter = |i: usize| Parameter {
        name: format!("phase<{i}>").into(),
        unit: "rad".into(),
        min: 0.0,
        max: std::f64::consts::TAU,
        initial: 0.0,
        resolution: lsb,
        period: std::f64::consts::TAU,
        kind: ParameterKind::Phase,
        at_range: AtRange::Clip,
        group: 0,
        row: 0,
        column: i as u32,
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
    }
}

/// An estimator of `plugin` with `settings`.
pub fn make(plugin: &dyn EstimatorPlugin, settings: &str, device: &Descriptor) -> Result<Box<dyn Estimator>> {
    plugin.make(&Open { settings: settings.into(), seed: 0, threads: 1, ideal: false }, device)
}

/// One step of a network that ends with the device.
pub struct Host<'a> {
    pub descriptor: Descriptor,
    /// Outputs [batch, d_out] at parameters and inputs, for the nth query of the step (which keys its noise).
    pub device: &'a dyn Fn(&[f64], &Matrix, u64) -> Matrix,
    /// The loss of outputs.
    pub loss: &'a dyn Fn(&Matrix) -> f64,
    pub params: Vec<f64>,
    pub x: Matrix,
    pub cotangent: Matrix,
    pub noise_std: f64,
    pub full_scale: f64,
}

impl Host<'_> {
    /// Runs a step and gives the gradient and what it cost.
    pub fn step(&self, estimator: &mut dyn Estimator, key: Key) -> (Vec<f64>, Cost) {
        let mut cost = Cost::default();
        let mut queries = 0;
        let mut query = |params: &[f64], x: &Matrix| {
            queries += 1;
            (self.device)(params, x, queries)
        };
        let y = query(&self.params, &self.x);
        let empty = ArrayView::empty();
        let context = Context {
            key,
            step: 3,
            start: false,
            descriptor: &self.descriptor,
            params: self.params.as_slice().into(),
            params_applied: [].as_slice().into(),
            previous: [].as_slice().into(),
            previous_applied: [].as_slice().into(),
            x: empty,
            y: y.view(),
            cotangent: self.cotangent.view(),
            loss: (self.loss)(&y),
            fim_factor: empty,
            surrogate_u: empty,
            surrogate_s: empty,
            surrogate_v: empty,
            noise_std: self.noise_std,
            full_scale: self.full_scale,
            budget_vectors: f64::INFINITY,
        };
        loop {
            let ask = estimator.ask(&context).unwrap();
            if ask.probes.is_empty() {
                assert_eq!(ask.outcome, OutcomeKind::Gradient);
                return (ask.values.into(), cost);
            }
            let answers: Vec<Answer> = ask
                .probes
                .iter()
                .map(|probe| {
                    assert_eq!((probe.inputs, probe.set.base), (Inputs::Batch, Base::Current));
                    assert!(probe.set.values.is_empty(), "no array of the size of the parameters crosses");
                    cost.vectors += self.x.rows as u64;
                    cost.configurations += 1;
                    cost.losses += u64::from(probe.want == Want::Loss);
                    let mut params = self.params.clone();
                    probe.set.expand(&mut params).unwrap();
                    let y = query(&params, &self.x);
                    let scalar = match probe.want {
                        Want::Scalar => y.data.iter().zip(&self.cotangent.data).map(|(y, v)| y * v).sum(),
                        Want::Loss => (self.loss)(&y),
                        Want::Outputs => unreachable!("no estimator here wants outputs"),
                    };
                    Answer { scalar, ..Answer::default() }
                })
                .collect();
            estimator.tell(&context, &answers).unwrap();
        }
    }
}
