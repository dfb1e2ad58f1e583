//! Requested parameters, each brought into its range.

use super::levels::levels;
use blackbeam_plugin::{AtRange, Parameter};

/// Numbers whose ranges are checked together.
const TILE: usize = 64;

/// The ranges of all trainable parameters.
#[derive(Default)]
pub(crate) struct Admission {
    /// Initial values of all parameters.
    initial: Vec<f64>,
    runs: Vec<Run>,
}

/// Neighbours of one range.
struct Run {
    /// The first of them, among the trainable and among all.
    from: usize,
    to: usize,
    len: usize,
    min: f64,
    max: f64,
    rule: AtRange,
}

impl Admission {
    /// `trainable`: where the trainable ones stand among all.
    pub fn new(parameters: &[Parameter], trainable: &[usize]) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        for (from, &to) in trainable.iter().enumerate() {
            let Parameter { min, max, at_range, .. } = parameters[to];
            let rule = if at_range == AtRange::Wrap { AtRange::Wrap } else { AtRange::Clip };
            match runs.last_mut() {
                Some(run) if run.to + run.len == to && (run.min, run.max, run.rule) == (min, max, rule) => run.len += 1,
                _ => runs.push(Run { from, to, len: 1, min, max, rule }),
            }
        }
        Admission { initial: parameters.iter().map(|p| p.initial).collect(), runs }
    }

    /// Values of all parameters when `params`, as many as are trainable, are asked for, and the trainable ones among them.
    ///
    /// # Errors
    /// The place among `params` of one that is not finite.
    pub fn admit(&self, params: &[f64], values: &mut Vec<f64>, asked: &mut Vec<f64>) -> Result<(), usize> {
        let mut finite = true;
        all_inside(params, f64::MIN, f64::MAX, &mut finite);
        if !finite && let Some(wrong) = params.iter().position(|p| !p.is_finite()) {
            return Err(wrong);
        }
        let trainable: usize = self.runs.iter().map(|run| run.len).sum();
        if trainable == self.initial.len() {
            // All of them follow.
            values.resize(trainable, 0.0);
        } else {
            values.clone_from(&self.initial);
        }
        asked.clear();
        asked.extend_from_slice(params);
        for run in &self.runs {
            let mine = &mut asked[run.from..run.from + run.len];
            for tile in mine.chunks_mut(TILE) {
                let mut inside = true;
                all_inside(tile, run.min, run.max, &mut inside);
                if !inside {
                    tile.iter_mut().for_each(|v| *v = run.rule.apply(*v, run.min, run.max));
                }
            }
            values[run.to..run.to + run.len].copy_from_slice(mine);
        }
        Ok(())
    }
}

levels! {
    fn all_inside(values: &[f64], min: f64, max: f64, inside: &mut bool) = each_inside;
}

#[inline(always)]
fn each_inside(values: &[f64], min: f64, max: f64, inside: &mut bool) {
    *inside = values.iter().fold(true, |inside, &v| inside & (v >= min) & (v <= max));
}
