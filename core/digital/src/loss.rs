//! Losses and scores, in plain 64-bit arithmetic on the network's outputs. Their gradient is what a backward pass
//! starts from, so that no loss stands in the autodiff graph.

use crate::{Error, Scalar};
use blackbeam_layers::Loss;

/// What the outputs should have been.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Targets<'a, T = f32> {
    /// A class for each sample (and position).
    Classes(&'a [u32]),
    /// A number for each output.
    Values(&'a [T]),
}

/// Sums over samples; batches are put together with [`Score::add`].
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Score {
    /// Samples (times positions) seen.
    pub count: u64,
    /// Sum of the losses of the samples (and positions).
    pub loss_sum: f64,
    /// How many outputs had their largest value at the class; the first of equal values counts.
    pub correct: u64,
    /// Outputs compared with numbers.
    pub outputs: u64,
    /// Sum of the numbers.
    pub target_sum: f64,
    /// Sum of their squares.
    pub target_squares: f64,
    /// Sum of (output - number)^2.
    pub residual_squares: f64,
}

impl Score {
    /// Takes another batch in.
    pub fn add(&mut self, other: &Score) {
        self.count += other.count;
        self.loss_sum += other.loss_sum;
        self.correct += other.correct;
        self.outputs += other.outputs;
        self.target_sum += other.target_sum;
        self.target_squares += other.target_squares;
        self.residual_squares += other.residual_squares;
    }

    /// Mean loss; NaN if nothing was seen.
    pub fn loss(&self) -> f64 {
        self.loss_sum / self.count as f64
    }

    /// Share of the correct classes; NaN if nothing was seen.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.count as f64
    }

    /// R^2 = 1 - sum (o - t)^2 / sum (t - mean t)^2 over all samples and outputs together; NaN without targets.
    pub fn r2(&self) -> f64 {
        let spread = self.target_squares - self.target_sum * self.target_sum / self.outputs as f64;
        1.0 - self.residual_squares / spread
    }
}

/// Scores `outputs`, whose last axis has `width` elements; writes d(mean loss)/d(outputs) to `gradient`.
pub(crate) fn score<O: Scalar, T: Scalar>(
    loss: Loss,
    outputs: &[O],
    width: usize,
    targets: Targets<'_, T>,
    gradient: Option<&mut [O]>,
) -> Result<Score, Error> {
    match (loss, targets) {
        (Loss::CrossEntropy, Targets::Classes(classes)) => cross_entropy(outputs, width, classes, gradient),
        (Loss::Mse, Targets::Values(values)) => squares(outputs, width, values, gradient),
        (Loss::CrossEntropy, _) => Err(Error::Input("the loss cross_entropy needs classes as targets".into())),
        (Loss::Mse, _) => Err(Error::Input("the loss mse needs numbers as targets, one for each output".into())),
    }
}

/// softmax(z) in `p`; ln sum exp z.
pub(crate) fn softmax<T: Scalar>(z: &[T], p: &mut [f64]) -> f64 {
    let top = z.iter().fold(f64::NEG_INFINITY, |top, &z| top.max(z.into()));
    let mut sum = 0.0;
    for (p, &z) in p.iter_mut().zip(z) {
        *p = (z.into() - top).exp();
        sum += *p;
    }
    p.iter_mut().for_each(|p| *p /= sum);
    top + sum.ln()
}

fn cross_entropy<T: Scalar>(
    outputs: &[T],
    width: usize,
    classes: &[u32],
    mut gradient: Option<&mut [T]>,
) -> Result<Score, Error> {
    let count = outputs.len() / width;
    if classes.len() != count {
        return Err(Error::Input(format!("{} classes for {count} predictions", classes.len())));
    }
    let mut score = Score { count: count as u64, ..Score::default() };
    let mut p = vec![0.0; width];
    for (row, (z, &class)) in outputs.chunks_exact(width).zip(classes).enumerate() {
        let class = class as usize;
        if class >= width {
            return Err(Error::Input(format!("class {class} of sample {row}, but the network has {width} outputs")));
        }
        score.loss_sum += softmax(z, &mut p) - z[class].into();
        let best = (0..width).fold(0, |best, i| if z[i].into() > z[best].into() { i } else { best });
        score.correct += u64::from(best == class);
        if let Some(gradient) = gradient.as_deref_mut() {
            for (i, slot) in gradient[row * width..(row + 1) * width].iter_mut().enumerate() {
                *slot = T::of((p[i] - f64::from(i == class)) / count as f64);
            }
        }
    }
    Ok(score)
}

fn squares<O: Scalar, T: Scalar>(
    outputs: &[O],
    width: usize,
    values: &[T],
    gradient: Option<&mut [O]>,
) -> Result<Score, Error> {
    if values.len() != outputs.len() {
        return Err(Error::Input(format!("{} target numbers for {} outputs", values.len(), outputs.len())));
    }
    let n = outputs.len() as f64;
    let mut score = Score { count: (outputs.len() / width) as u64, outputs: outputs.len() as u64, ..Score::default() };
    // Several sums of each kind, so that one addition need not wait for the one before.
    const LANES: usize = 8;
    let mut sums = [[0.0; LANES]; 3];
    for (outputs, values) in outputs.chunks(LANES).zip(values.chunks(LANES)) {
        for (lane, (&o, &t)) in outputs.iter().zip(values).enumerate() {
            let (o, t): (f64, f64) = (o.into(), t.into());
            sums[0][lane] += (o - t) * (o - t);
            sums[1][lane] += t;
            sums[2][lane] += t * t;
        }
    }
    [score.residual_squares, score.target_sum, score.target_squares] = sums.map(|sum| sum.iter().sum());
    if let Some(gradient) = gradient {
        for (slot, (&o, &t)) in gradient.iter_mut().zip(outputs.iter().zip(values)) {
            let (o, t): (f64, f64) = (o.into(), t.into());
            *slot = O::of(2.0 * (o - t) / n);
        }
    }
    score.loss_sum = score.residual_squares / width as f64;
    Ok(score)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cross_entropy_by_hand() {
        let z = [0.0_f64, 2.0_f64.ln(), 1000.0, 1000.0];
        let mut g = [0.0; 4];
        let s = score(Loss::CrossEntropy, &z, 2, Targets::<f32>::Classes(&[1, 1]), Some(&mut g)).unwrap();
        assert!((s.loss() - (1.5_f64.ln() + 2.0_f64.ln()) / 2.0).abs() < 1e-12);
        assert_eq!((s.correct, s.count), (1, 2)); // of two equal outputs the first is the answer
        for (g, e) in g.iter().zip([1.0 / 6.0, -1.0 / 6.0, 0.25, -0.25]) {
            assert!((g - e).abs() < 1e-15);
        }
    }

    #[test]
    fn squares_by_hand_and_in_batches() {
        let (o, t) = ([1.0_f32, 2.0, 3.0, 5.0], [1.0_f32, 1.0, 3.0, 7.0]);
        let whole = score(Loss::Mse, &o, 2, Targets::Values(&t), None).unwrap();
        assert_eq!(whole.loss(), 5.0 / 4.0);
        assert_eq!(whole.r2(), 1.0 - 5.0 / 24.0);
        let mut sum = score(Loss::Mse, &o[..2], 2, Targets::Values(&t[..2]), None).unwrap();
        sum.add(&score(Loss::Mse, &o[2..], 2, Targets::Values(&t[2..]), None).unwrap());
        assert_eq!(sum, whole);
    }

    #[test]
    fn targets_that_do_not_fit_are_errors() {
        let z = [0.0_f32; 4];
        for (loss, targets) in [
            (Loss::CrossEntropy, Targets::<f32>::Classes(&[0][..])),
            (Loss::CrossEntropy, Targets::Classes(&[0, 2])),
            (Loss::CrossEntropy, Targets::Values(&[0.0; 4])),
            (Loss::Mse, Targets::Values(&[0.0; 3])),
            (Loss::Mse, Targets::Classes(&[0, 1])),
        ] {
            assert!(matches!(score(loss, &z, 2, targets, None), Err(Error::Input(_))), "{targets:?}");
        }
    }
}
