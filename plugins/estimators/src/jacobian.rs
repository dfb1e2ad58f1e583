//! The Jacobian of a device's outputs by some of its parameters, from queries of the batch.

use crate::{
    coordinates::Stencil,
    linalg::gram,
    mu::Differences,
    shift::{self, Rule},
};
use blackbeam_plugin::{Answer, Base, Code, Context, ParameterSet, PluginError, Probe, Result, Want, structure};
use faer::{Accum, Mat, MatMut, MatRef, Par, linalg::matmul::matmul};
use std::ops::Range;

/// Most configurations of one round: bounds its memory.
const AT_ONCE: usize = 256;
/// Most numbers of a Jacobian: 4 GiB.
const MOST: usize = 1 << 29;

/// How a column is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Columns {
    /// By difference quotients with this step.
    Differences(Differences, f64),
    /// By the parameter-shift rule for so many frequencies.
    Shift(usize),
}

impl Columns {
    fn rule(self, context: &Context<'_>, index: usize) -> Rule {
        let (parameter, value) = (&context.descriptor.parameters[index], context.params[index]);
        match self {
            Columns::Differences(differences, mu) => Stencil::new(differences, parameter, value, mu).rule(),
            Columns::Shift(harmonics) => shift::rule(parameter, value, harmonics),
        }
    }
}

/// The Jacobian [batch x d_out, parameters] at the batch, in the making or complete.
///
/// The parameter-shift rule of magnitudes takes their squares: d|y| = d(|y|^2) / (2 |y|), 0 where y is 0.
pub(crate) struct Jacobian {
    method: &'static str,
    parameters: Range<usize>,
    rules: Vec<Rule>,
    squared: bool,
    /// Columns that are complete.
    known: usize,
    y: Vec<f64>,
    d_out: usize,
    values: Vec<f64>,
}

impl Jacobian {
    /// By the parameters of `range`, of which nothing is known yet.
    ///
    /// # Errors
    /// `SETTINGS` if it is too large.
    pub fn new(method: &'static str, columns: Columns, range: Range<usize>, context: &Context<'_>) -> Result<Self> {
        let (y, n) = (context.y.as_f64()?, range.len());
        if y.len().saturating_mul(n) > MOST {
            return Err(PluginError::settings(format!(
                "{method}: a Jacobian of {} outputs of the batch by {n} parameters needs {:.1} GiB, at most 4 are allowed: \
                 take a smaller batch or another estimator",
                y.len(),
                y.len() as f64 * n as f64 * 8.0 / f64::from(1 << 30)
            )));
        }
        let squared = matches!(columns, Columns::Shift(_)) && context.descriptor.has(structure::MAGNITUDE);
        Ok(Jacobian {
            method,
            rules: range.clone().map(|index| columns.rule(context, index)).collect(),
            parameters: range,
            squared,
            known: 0,
            d_out: context.y.dim(1),
            values: vec![0.0; y.len() * n],
            y: y.to_vec(),
        })
    }

    /// True when all columns are known.
    pub fn complete(&self) -> bool {
        self.known == self.rules.len()
    }

    fn now(&self) -> &[Rule] {
        let each = self.rules.first().map_or(1, |rule| rule.shifts.len().max(1));
        let end = self.rules.len().min(self.known + (AT_ONCE / each).max(1));
        &self.rules[self.known..end]
    }

    /// How many probes are asked next.
    pub fn count(&self) -> u64 {
        self.now().iter().map(|rule| rule.shifts.len() as u64).sum()
    }

    /// The next probes.
    pub fn probes(&self) -> Vec<Probe> {
        let first = self.parameters.start + self.known;
        let set = |index: usize, step: f64| ParameterSet::sparse(Base::Current, vec![index as u32], vec![step]);
        let of = |(i, rule): (usize, &Rule)| -> Vec<ParameterSet> {
            rule.shifts.iter().map(|(step, _)| set(first + i, *step)).collect()
        };
        self.now().iter().enumerate().flat_map(of).map(|set| Probe::batch(set, Want::Outputs)).collect()
    }

    /// Takes the answers to [`probes`](Self::probes).
    ///
    /// # Errors
    /// Answers that do not fit or are not finite.
    pub fn take(&mut self, answers: &[Answer]) -> Result<()> {
        let (n, method) = (self.rules.len(), self.method);
        let now = self.now().to_vec();
        let mut answers = answers.iter();
        for rule in now {
            let column = self.known;
            let z = |y: f64| if self.squared { y * y } else { y };
            for (i, y) in self.y.iter().enumerate() {
                self.values[i * n + column] = rule.own * z(*y);
            }
            for ((_, weight), answer) in rule.shifts.iter().zip(answers.by_ref()) {
                let found = &answer.outputs.data;
                if found.len() != self.y.len() {
                    let message = format!("{method}: an answer of {} outputs, expected {}", found.len(), self.y.len());
                    return Err(PluginError::new(Code::SHAPE, message));
                }
                if let Some(y) = found.iter().find(|y| !y.is_finite()) {
                    return Err(PluginError::new(
                        Code::NONFINITE,
                        format!("{method}: the answer to a probe holds {y}"),
                    ));
                }
                found.iter().enumerate().for_each(|(i, y)| self.values[i * n + column] += weight * z(*y));
            }
            if self.squared {
                for (i, y) in self.y.iter().enumerate() {
                    let slot = &mut self.values[i * n + column];
                    *slot = if *y == 0.0 { 0.0 } else { *slot / (2.0 * y) };
                }
            }
            self.known += 1;
        }
        Ok(())
    }

    /// J^T v for v [batch x d_out].
    pub fn transposed_times(&self, v: &[f64]) -> Vec<f64> {
        let n = self.rules.len();
        let mut out = vec![0.0; n];
        for (row, v) in self.values.chunks_exact(n).zip(v) {
            out.iter_mut().zip(row).for_each(|(o, j)| *o += v * j);
        }
        out
    }

    /// sum_b J_b^T R_b^T R_b J_b, with R [batch, k, d_out] of the context: positive semidefinite by its form.
    ///
    /// # Errors
    /// `SHAPE` if R does not fit.
    pub fn curvature(&self, context: &Context<'_>) -> Result<Mat<f64>> {
        let n = self.rules.len();
        let fim = context.fim_factor;
        let (rows, d_out) = (fim.dim(0), fim.dim(2));
        if rows * d_out != self.y.len() || !self.d_out.is_multiple_of(d_out) {
            let message = format!(
                "{}: an output Fisher factor of shape {:?} for {} outputs in rows of {}",
                self.method,
                fim.shape(),
                self.y.len(),
                self.d_out
            );
            return Err(PluginError::new(Code::SHAPE, message));
        }
        let (k, factor) = (fim.dim(1), fim.as_f64()?);
        let mut pulled = vec![0.0; rows * k * n];
        for b in 0..rows {
            let r = MatRef::from_row_major_slice(&factor[b * k * d_out..(b + 1) * k * d_out], k, d_out);
            let j = MatRef::from_row_major_slice(&self.values[b * d_out * n..(b + 1) * d_out * n], d_out, n);
            let out = MatMut::from_row_major_slice_mut(&mut pulled[b * k * n..(b + 1) * k * n], k, n);
            matmul(out, Accum::Replace, r, j, 1.0, Par::Seq);
        }
        Ok(gram(&pulled, n))
    }

    /// Sum over all columns of the variance that independent noise of deviation 1 on every answer gives a column.
    pub fn noise(&self) -> f64 {
        let of = |rule: &Rule| rule.own * rule.own + rule.shifts.iter().map(|(_, w)| w * w).sum::<f64>();
        self.rules.iter().map(of).sum()
    }
}
