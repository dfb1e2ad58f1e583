//! What is sent: points of the parameter space and inputs, drawn by name.

use crate::bench::{Bench, ROWS};
use blackbeam_plugin::{Matrix, Parameter, ParameterKind};

impl Bench {
    /// Parameters at the start of a run.
    pub fn initial(&self) -> Vec<f64> {
        let initial: Vec<f64> = self.descriptor.parameters.iter().map(|p| p.initial).collect();
        self.bearable(&initial)
    }

    /// A point of the parameter space: about the initial one, by up to `reach` of the range, within it.
    pub fn point(&self, name: &str, reach: f64) -> Vec<f64> {
        let key = self.key.named("point").named(name);
        let at = |(i, p): (usize, &Parameter)| {
            let u = key.uniform(i as u64);
            if p.kind == ParameterKind::Binary {
                return if u < 0.5 { p.min } else { p.max };
            }
            p.admit(p.initial + reach * (2.0 * u - 1.0) * p.span())
        };
        self.descriptor.parameters.iter().enumerate().map(at).collect()
    }

    /// Random inputs within the range, multiples of a 64th of it, which are exact in either element type; at most as many rows
    /// as the device takes.
    pub fn inputs(&self, name: &str, rows: usize) -> Matrix {
        self.many_inputs(name, self.rows(rows))
    }

    /// The same, however many rows.
    pub fn many_inputs(&self, name: &str, rows: usize) -> Matrix {
        let (key, (low, high)) = (self.key.named("inputs").named(name), self.input_range());
        let columns = self.descriptor.input.width;
        let at = |i: usize| low + (high - low) * (key.uniform(i as u64) * 64.0).round() / 64.0;
        Matrix::new(rows, columns, (0..rows * columns).map(at).collect())
    }

    /// Twice as many rows of inputs at the ends of the range, in random order: what shows most.
    pub fn extremes(&self, name: &str) -> Matrix {
        let (key, (low, high)) = (self.key.named("extremes").named(name), self.input_range());
        let (rows, columns) = (self.rows(2 * ROWS), self.descriptor.input.width);
        let at = |i: usize| if key.sign(i as u64) > 0.0 { high } else { low };
        Matrix::new(rows, columns, (0..rows * columns).map(at).collect())
    }

    /// Random cotangents, from -1 to 1.
    pub fn cotangents(&self, name: &str, rows: usize, columns: usize) -> Matrix {
        let key = self.key.named("cotangents").named(name);
        let at = |i: usize| (key.uniform(i as u64) * 64.0).round() / 32.0 - 1.0;
        Matrix::new(rows, columns, (0..rows * columns).map(at).collect())
    }

    /// The range of the inputs, -1 to 1 where they have none.
    pub fn input_range(&self) -> (f64, f64) {
        let port = &self.descriptor.input;
        let low = if port.min.is_finite() { port.min } else { (-1.0f64).min(port.max - 2.0) };
        let high = if port.max.is_finite() { port.max } else { 1.0f64.max(low + 2.0) };
        (low, high)
    }

    /// What the read-out can give: the narrower of the range of the outputs and the full scale.
    pub fn output_range(&self) -> (f64, f64) {
        let (port, full) = (&self.descriptor.output, self.full_scale.unwrap_or(f64::INFINITY));
        (port.min.max(-full), port.max.min(full))
    }

    /// Some parameters, spread over all of them.
    pub fn some(&self, most: usize, wanted: impl Fn(&Parameter) -> bool) -> Vec<usize> {
        let parameters = &self.descriptor.parameters;
        let all: Vec<usize> = (0..parameters.len()).filter(|&i| wanted(&parameters[i])).collect();
        let n = most.min(all.len());
        (0..n).map(|k| all[k * all.len() / n]).collect()
    }

    /// Parameters brought towards the initial ones until they keep to the limits of power.
    pub fn bearable(&self, params: &[f64]) -> Vec<f64> {
        let limits = self.descriptor.limits;
        if limits.unit_power_w <= 0.0 || (limits.total_power_w <= 0.0 && limits.channel_power_w <= 0.0) {
            return params.to_vec();
        }
        let parameters = &self.descriptor.parameters;
        let power = |p: &Parameter, v: f64| {
            limits.unit_power_w * if p.kind == ParameterKind::Voltage { v * v } else { v.abs() }
        };
        let initial: Vec<f64> = parameters.iter().map(|p| p.initial).collect();
        let fits = |params: &[f64]| {
            let each = || parameters.iter().zip(params).map(|(p, v)| power(p, *v));
            let channels = limits.channel_power_w <= 0.0 || each().all(|w| w <= limits.channel_power_w);
            channels && (limits.total_power_w <= 0.0 || each().sum::<f64>() <= limits.total_power_w)
        };
        let mut params = params.to_vec();
        for _ in 0..30 {
            if fits(&params) {
                return params;
            }
            params.iter_mut().zip(&initial).for_each(|(v, start)| *v = 0.5 * (*v + start));
        }
        initial
    }
}
