//! A device that is only described: it answers something of the right shape at once, so that a run's queries can be counted without
//! making them.

use crate::session::NoiseEstimate;
use blackbeam_plugin::{
    Applied, ArrayView, ArrayViewMut, Base, Call, Code, Descriptor, Device, Dtype, Key, Matrix, ParameterSet,
    PluginError, Result,
};

/// Answers y_o = a sum_i cos(p) x_i / sqrt(d_in) + noise, with p going through the parameters from output to output: it has gradients,
/// the size and the noise of the device, and nothing else in common with it. (Steps of some methods follow the noise.)
pub(super) struct StandIn {
    descriptor: Descriptor,
    params: Vec<f64>,
    /// a.
    gain: f64,
    /// Standard deviation of an output.
    noise: f64,
}

/// Largest of some hundred standard normal numbers, about.
const PEAK: f64 = 3.0;

impl StandIn {
    pub fn new(descriptor: Descriptor, noise: NoiseEstimate) -> Self {
        let params = descriptor.parameters.iter().map(|p| p.initial).collect();
        // Inputs have a third of the range, the mean square of a cosine is 1/2.
        let input = if descriptor.input.max.is_finite() { descriptor.input.max / 3.0 } else { 1.0 };
        let largest = PEAK * input * 0.5f64.sqrt();
        let gain = if noise.full_scale > 0.0 && largest > 0.0 { noise.full_scale / largest } else { 1.0 };
        StandIn { descriptor, params, gain, noise: noise.std }
    }

    /// y = x A(params), or with light sent backwards x = y A.
    fn answer(&self, call: &Call, from: ArrayView<'_>, to: &mut ArrayViewMut<'_>, backward: bool) -> Result<()> {
        let numbers: Vec<f64> = match from.dtype() {
            Dtype::F64 => from.as_f64()?.to_vec(),
            Dtype::F32 => from.as_f32()?.iter().map(|v| f64::from(*v)).collect(),
        };
        let (d_in, d_out) = (from.dim(1), to.dim(to.shape().len() - 1));
        let mut answers = self.rows(&numbers, (d_in, d_out), backward);
        let key = Key::new(call.stream).with(call.step).named(call.purpose.name());
        let key = key.with(u64::from(call.round)).with(u64::from(call.set));
        key.add_normal(call.first_row * d_out as u64, self.noise, &mut answers);
        match to.dtype() {
            Dtype::F64 => to.as_f64()?.copy_from_slice(&answers),
            Dtype::F32 => to.as_f32()?.iter_mut().zip(&answers).for_each(|(to, v)| *to = *v as f32),
        }
        Ok(())
    }

    fn rows(&self, from: &[f64], (d_in, d_out): (usize, usize), backward: bool) -> Vec<f64> {
        let weight = |o: usize, i: usize| {
            let (row, column, columns) = if backward { (i, o, d_out) } else { (o, i, d_in) };
            let p = self.params.get((row * columns + column) % self.params.len().max(1)).copied().unwrap_or(0.0);
            // Entries that share a parameter are not the same.
            (p + row as f64 - 0.7 * column as f64).cos() * self.gain / (d_in.max(1) as f64).sqrt()
        };
        let matrix: Vec<f64> =
            (0..d_out).flat_map(|o| (0..d_in).map(move |i| (o, i))).map(|(o, i)| weight(o, i)).collect();
        let dot = |row: &[f64], x: &[f64]| row.iter().zip(x).map(|(a, b)| a * b).sum::<f64>();
        let of_row = |x: &[f64]| matrix.chunks(d_in.max(1)).map(|row| dot(row, x)).collect::<Vec<f64>>();
        from.chunks(d_in.max(1)).flat_map(of_row).collect()
    }

    /// Takes a set on, and gives its parameters.
    fn set(&mut self, bases: [&[f64]; 2], set: &ParameterSet) -> Result<()> {
        self.params = bases[usize::from(set.base == Base::Previous)].to_vec();
        set.expand(&mut self.params)
    }

    fn applied(&self, wanted: bool) -> Option<Applied> {
        wanted.then(|| Applied { values: self.params.clone().into() })
    }
}

impl Device for StandIn {
    fn descriptor(&self) -> Descriptor {
        self.descriptor.clone()
    }

    fn write_params(&mut self, params: &[f64], _: &Call) -> Result<Applied> {
        self.params = params.to_vec();
        Ok(Applied { values: params.to_vec().into() })
    }

    fn query(&mut self, x: ArrayView<'_>, mut y: ArrayViewMut<'_>, call: &Call) -> Result<()> {
        self.answer(call, x, &mut y, false)
    }

    fn query_sets(
        &mut self,
        bases: [&[f64]; 2],
        sets: &[ParameterSet],
        calls: &[Call],
        x: ArrayView<'_>,
        mut y: ArrayViewMut<'_>,
        want_applied: bool,
    ) -> Result<Vec<Applied>> {
        let (rows, d_out) = (x.dim(0), y.dim(2));
        let (shape, size, dtype) = ([rows, d_out], rows * d_out, y.dtype());
        let mut all = Vec::new();
        for (i, (set, call)) in sets.iter().zip(calls).enumerate() {
            self.set(bases, set)?;
            let place = i * size..(i + 1) * size;
            let mut part = match dtype {
                Dtype::F64 => ArrayViewMut::new(&mut y.as_f64()?[place], &shape),
                Dtype::F32 => ArrayViewMut::new_f32(&mut y.as_f32()?[place], &shape),
            };
            self.answer(call, x, &mut part, false)?;
            all.extend(self.applied(want_applied));
        }
        Ok(all)
    }

    fn query_scalars(
        &mut self,
        bases: [&[f64]; 2],
        sets: &[ParameterSet],
        calls: &[Call],
        x: ArrayView<'_>,
        cotangent: ArrayView<'_>,
        scalars: &mut [f64],
        want_applied: bool,
    ) -> Result<Vec<Applied>> {
        let cotangent: Vec<f64> = match cotangent.dtype() {
            Dtype::F64 => cotangent.as_f64()?.to_vec(),
            Dtype::F32 => cotangent.as_f32()?.iter().map(|v| f64::from(*v)).collect(),
        };
        let size = cotangent.len();
        let mut y = vec![0.0; size];
        let shape = [1, x.dim(0), self.descriptor.output.width];
        let mut all = Vec::new();
        for ((set, call), scalar) in sets.iter().zip(calls).zip(scalars) {
            let one = std::slice::from_ref(set);
            let filled = ArrayViewMut::new(&mut y, &shape);
            all.extend(self.query_sets(bases, one, std::slice::from_ref(call), x, filled, want_applied)?);
            *scalar = y.iter().zip(&cotangent).map(|(y, c)| y * c).sum();
        }
        Ok(all)
    }

    fn query_backward(&mut self, y: ArrayView<'_>, mut x: ArrayViewMut<'_>, call: &Call) -> Result<()> {
        self.answer(call, y, &mut x, true)
    }

    fn read_matrix(&mut self, _: &Call) -> Result<Matrix> {
        Ok(Matrix::zeros(self.descriptor.output.width, self.descriptor.input.width))
    }

    fn exact_vjp(
        &mut self,
        _: ArrayView<'_>,
        _: ArrayView<'_>,
        mut dx: ArrayViewMut<'_>,
        dparams: &mut [f64],
        _: &Call,
    ) -> Result<()> {
        dparams.fill(1e-3);
        match dx.dtype() {
            Dtype::F64 => dx.as_f64()?.fill(1e-3),
            Dtype::F32 => dx.as_f32()?.fill(1e-3),
        }
        Ok(())
    }

    fn read_params(&mut self) -> Result<Vec<f64>> {
        Ok(self.params.clone())
    }

    fn set_full_scale(&mut self, full_scale: f64) -> Result<()> {
        if full_scale > 0.0 {
            Ok(())
        } else {
            Err(PluginError::new(Code::RANGE, format!("a full scale of {full_scale}")))
        }
    }

    fn calibrate(&mut self) -> Result<()> {
        Ok(())
    }

    /// Whatever the device that it stands for has saved.
    fn restore_state(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }
}
