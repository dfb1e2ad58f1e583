//! The noise of a device, and what differences it explains.

use crate::bench::{Bench, ROWS};
use blackbeam_plugin::{Dtype, Matrix, Port, Result};

/// How often a batch is sent to measure noise.
const REPEATS: usize = 6;
/// Differences may be this times what noise, converters and rounding make of them (root mean squares).
pub(crate) const FACTOR: f64 = 3.0;

/// What a device was measured to be like at its initial parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noise {
    /// Standard deviation of an answer: over all outputs, and of the noisiest output.
    pub std: f64,
    pub largest_std: f64,
    /// Root mean square and largest magnitude of the answers.
    pub rms: f64,
    pub peak: f64,
    /// Standard deviation of the error that the output's converter makes.
    pub output_step: f64,
    /// The same of the input's, at the output, if the device is linear.
    pub input_step: f64,
    /// Rounding in the element type.
    pub rounding: f64,
}

impl Noise {
    /// Sends a batch several times, each under an identity of its own.
    pub fn measure(bench: &mut Bench) -> Result<Self> {
        let x = bench.inputs("noise", ROWS);
        let answers: Vec<Matrix> = (0..REPEATS).map(|_| bench.query(&x)).collect::<Result<_>>()?;
        let width = bench.descriptor.output.width;
        let mut variances = vec![0.0; width];
        let rows = x.rows;
        for i in 0..rows * width {
            let mean = answers.iter().map(|y| y.data[i]).sum::<f64>() / REPEATS as f64;
            let sum: f64 = answers.iter().map(|y| (y.data[i] - mean).powi(2)).sum();
            variances[i % width] += sum / ((REPEATS - 1) * rows) as f64;
        }
        let all = || answers.iter().flat_map(|y| y.data.iter());
        let rms = rms(all().copied());
        let peak = all().fold(0.0f64, |a, v| a.max(v.abs()));
        let (input, output) = (&bench.descriptor.input, &bench.descriptor.output);
        let x_rms = self::rms(x.data.iter().copied());
        let gain = if x_rms > 0.0 { rms / x_rms } else { 0.0 };
        let (low, high) = bench.input_range();
        let reach = if output.min.is_finite() && output.max.is_finite() {
            output.max - output.min
        } else {
            2.0 * bench.full_scale.unwrap_or(peak)
        };
        let rounding = match bench.descriptor.dtype {
            Dtype::F64 => 1e-9,
            Dtype::F32 => 2e-5,
        };
        Ok(Noise {
            std: (variances.iter().sum::<f64>() / width as f64).sqrt(),
            largest_std: variances.iter().fold(0.0f64, |a, v| a.max(*v)).sqrt(),
            rms,
            peak,
            output_step: converter(output, reach),
            input_step: gain * converter(input, high - low),
            rounding: rounding * peak.max(f64::MIN_POSITIVE),
        })
    }

    /// Root mean square of a sum of so many answers, the inputs of which went through a converter, beyond what it should be.
    pub fn of_sum(&self, answers: f64, converted: f64) -> f64 {
        let answer = self.std.powi(2) + self.output_step.powi(2);
        (answers * answer + converted * self.input_step.powi(2)).sqrt() + self.rounding
    }

    /// The same of a difference of two answers to the same inputs.
    pub fn of_difference(&self) -> f64 {
        self.of_sum(2.0, 0.0)
    }

    /// Outputs whose answers (to the same inputs) have moved beyond the noise: their mean square over rows is more than four
    /// times what noise makes of it, which one of a thousand outputs does not reach by chance at [`ROWS`] rows or more.
    pub fn moved(&self, before: &Matrix, after: &Matrix) -> Vec<usize> {
        let noise = 2.0 * (self.largest_std.powi(2) + self.output_step.powi(2)) + self.rounding.powi(2);
        let mean = |output: usize| {
            let square = |row: usize| (after[(row, output)] - before[(row, output)]).powi(2);
            (0..before.rows).map(square).sum::<f64>() / before.rows.max(1) as f64
        };
        (0..before.columns).filter(|output| mean(*output) > 4.0 * noise).collect()
    }

    /// A difference that one number shows by noise alone once in far more than a run's numbers.
    pub fn largest_difference(&self) -> f64 {
        let steps = 2.0 * 12f64.sqrt() * self.output_step;
        6.0 * 2f64.sqrt() * self.largest_std + steps + self.rounding
    }
}

/// Standard deviation of the error of a converter with that reach.
fn converter(port: &Port, reach: f64) -> f64 {
    if port.bits == 0 || port.bits > 52 || !reach.is_finite() {
        return 0.0;
    }
    reach / (2f64.powi(port.bits as i32) - 1.0) / 12f64.sqrt()
}

pub(crate) fn rms(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0usize), |(sum, count), v| (sum + v * v, count + 1));
    (sum / count.max(1) as f64).sqrt()
}

/// Root mean square of the difference of two answers.
pub(crate) fn difference(a: &Matrix, b: &Matrix) -> f64 {
    rms(a.data.iter().zip(&b.data).map(|(a, b)| a - b))
}

/// True if two answers have the same bits.
pub(crate) fn same_bits(a: &Matrix, b: &Matrix) -> bool {
    a.data.len() == b.data.len() && a.data.iter().zip(&b.data).all(|(a, b)| a.to_bits() == b.to_bits())
}
