//! What about 200 queries say of a device.

use crate::{
    session::{DeviceSession, SessionError},
    trainer::TrainError,
};
use blackbeam_plugin::{Key, Matrix, Purpose, structure};
use serde::Serialize;

/// Vectors of a group.
const ROWS: usize = 8;
/// Times that the same group is sent at the beginning, and at the end.
const REPEATS: [u32; 2] = [6, 3];
/// Times that the parameters are written anew, and that the group is sent after each.
const REWRITES: [u32; 2] = [2, 2];
/// Groups of pairs that are added up.
const SUMS: u32 = 2;
/// Directions in parameter space.
const DIRECTIONS: u32 = 3;
/// Vectors that are compared with each other to find how many dimensions the answers have.
const SPREAD: usize = 32;
/// Answers count as spanned once so much of their power is.
const SPANNED: f64 = 0.99;
/// Rounds of the calibration at the opening end before.
const FIRST_ROUND: u32 = 1 << 16;

/// What was measured of a device.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// Vectors and configurations that it took, calibration at the opening included.
    pub vectors: u64,
    /// See `vectors`.
    pub configurations: u64,
    /// Standard deviation of one output at the same inputs and parameters, relative to the largest output.
    pub noise: f64,
    /// What the descriptor says of the same; `None` if it does not.
    pub noise_declared: Option<f64>,
    /// Standard deviation of what writing the same parameters anew adds to an output, relative to the largest output.
    pub write_noise: f64,
    /// Root mean square of how far the same outputs had moved at the end, relative to the largest output, both noises taken away.
    pub drift: f64,
    /// Device seconds between the two.
    pub drift_seconds: f64,
    /// The drift is larger than what noise alone would look like in 99 of 100 measurements.
    pub drift_significant: bool,
    /// |2 f((a + b)/2) - f(a) - f(b)| / |f(a) + f(b)|, root mean square: 0 if the device is linear in x.
    pub nonlinearity: f64,
    /// What noise alone would make of that.
    pub nonlinearity_by_noise: f64,
    /// The descriptor says that the device is linear in x.
    pub linear_declared: bool,
    /// Smallest change of a parameter that the device says it has applied, over all parameters; 0 where it applied whatever was
    /// asked.
    pub applied_step: f64,
    /// The largest declared resolution of a parameter; 0 if all are continuous.
    pub resolution: f64,
    /// Length of a step of all parameters along a random direction (standard normal elements) that changes an output by as much as
    /// its noise, root mean square; infinite if nothing changes.
    pub step_of_noise: f64,
    /// Dimensions that hold 99 % of the power of the answers to 32 random inputs (fewer if the device is smaller).
    pub rank: usize,
    /// More of them would not have been found.
    pub rank_at_limit: bool,
}

/// Measures a device at its present parameters, through its session.
pub(super) fn measure(session: &mut DeviceSession, key: Key) -> Result<Measured, TrainError> {
    let mut ask = Asking { session, round: FIRST_ROUND };
    let descriptor = ask.session.descriptor().clone();
    let params = ask.session.params().to_vec();
    let x = ask.session.test_vectors(key.named("inputs"), ROWS);

    let begun = ask.session.now();
    let before = ask.repeated(&params, &x, REPEATS[0])?;
    let (seen, std, largest) = (mean(&before), deviation(&before), peak(&before));
    let scale = if largest > 0.0 { largest } else { 1.0 };

    let rewritten = rewritten(&mut ask, &params, &x, (&seen, std))?;
    let (nonlinearity, by_noise) = additivity(&mut ask, &params, &x, std)?;
    let applied_step = applied_step(&mut ask, &params)?;
    let step_of_noise = step_of_noise(&mut ask, &params, (&x, std), key.named("directions"))?;
    let spread = ask.session.test_vectors(key.named("spread"), SPREAD.min(descriptor.input.width));
    let answers = ask.group(&params, &spread)?;
    let rank = dimensions(&answers, std);

    let after = ask.repeated(&params, &x, REPEATS[1])?;
    let moved = rms(&difference(&mean(&after), &seen));
    let reading = std * (1.0 / f64::from(REPEATS[0]) + 1.0 / f64::from(REPEATS[1])).sqrt();
    let chance = reading.hypot(std::f64::consts::SQRT_2 * rewritten);
    // The mean square of n normal numbers is above 1 + 2.33 sqrt(2/n) in one case of a hundred.
    let threshold = chance * (1.0 + 2.33 * (2.0 / seen.len().max(1) as f64).sqrt()).sqrt();
    let spent = ask.session.logical().everything();
    Ok(Measured {
        vectors: spent.vectors,
        configurations: spent.configurations,
        noise: std / scale,
        noise_declared: Some(descriptor.noise).filter(|n| *n >= 0.0),
        write_noise: rewritten / scale,
        drift: (moved * moved - chance * chance).max(0.0).sqrt() / scale,
        drift_seconds: ask.session.now() - begun,
        drift_significant: moved > threshold && moved > 1e-12 * scale,
        nonlinearity,
        nonlinearity_by_noise: by_noise,
        linear_declared: descriptor.has(structure::LINEAR_IN_X),
        applied_step,
        resolution: descriptor.lsb(),
        step_of_noise,
        rank,
        rank_at_limit: rank + 1 >= SPREAD && spread.rows == SPREAD,
    })
}

/// Groups under the purpose of calibration, each with a round of its own, so that each has its own noise.
struct Asking<'a> {
    session: &'a mut DeviceSession,
    round: u32,
}

impl Asking<'_> {
    fn group(&mut self, params: &[f64], x: &Matrix) -> Result<Matrix, SessionError> {
        self.round += 1;
        self.session.forward_at(params, x, (0, Purpose::Calibration, self.round, 0))
    }

    fn repeated(&mut self, params: &[f64], x: &Matrix, times: u32) -> Result<Vec<Matrix>, SessionError> {
        (0..times).map(|_| self.group(params, x)).collect()
    }
}

/// Standard deviation of what a write adds to an output: the parameters are moved away and written again.
fn rewritten(
    ask: &mut Asking<'_>,
    params: &[f64],
    x: &Matrix,
    (seen, std): (&[f64], f64),
) -> Result<f64, SessionError> {
    let descriptor = ask.session.descriptor().clone();
    let step = blackbeam_estimators::auto_step(true, &descriptor, 0.01, 1.0);
    let away: Vec<f64> = params.iter().zip(&descriptor.parameters).map(|(p, d)| d.admit(p + step)).collect();
    if away == params {
        return Ok(0.0);
    }
    let mut square = 0.0;
    for _ in 0..REWRITES[0] {
        ask.round += 1;
        ask.session.applied_at(&away, (0, Purpose::Calibration, ask.round, 0))?;
        let again = mean(&ask.repeated(params, x, REWRITES[1])?);
        let reading = std * std * (1.0 / f64::from(REWRITES[1]) + 1.0 / f64::from(REPEATS[0]));
        square += (rms(&difference(&again, seen)).powi(2) - reading) / f64::from(REWRITES[0]);
    }
    // Each is the difference of two writes.
    Ok((0.5 * square).max(0.0).sqrt())
}

/// How far sums of inputs are from sums of answers, and how far noise alone would put them.
fn additivity(ask: &mut Asking<'_>, params: &[f64], x: &Matrix, std: f64) -> Result<(f64, f64), SessionError> {
    let pairs = ROWS / 2;
    let mut halves = Matrix::zeros(pairs, x.columns);
    for r in 0..pairs {
        let (a, b) = (x.row(2 * r), x.row(2 * r + 1));
        halves.row_mut(r).iter_mut().zip(a.iter().zip(b)).for_each(|(h, (a, b))| *h = 0.5 * (a + b));
    }
    let whole = mean(&ask.repeated(params, x, SUMS)?);
    let half = mean(&ask.repeated(params, &halves, SUMS)?);
    let width = whole.len() / ROWS;
    let sum = |r: usize, o: usize| whole[2 * r * width + o] + whole[(2 * r + 1) * width + o];
    let places = || (0..pairs).flat_map(|r| (0..width).map(move |o| (r, o)));
    let off: Vec<f64> = places().map(|(r, o)| 2.0 * half[r * width + o] - sum(r, o)).collect();
    let size = rms(&places().map(|(r, o)| sum(r, o)).collect::<Vec<f64>>());
    // variance of 2 h - a - b, each a mean of SUMS answers
    let noise = std * (6.0 / f64::from(SUMS)).sqrt();
    Ok(if size > 0.0 { (rms(&off) / size, noise / size) } else { (0.0, 0.0) })
}

/// The smallest change that the device says it has applied, of steps of eighths of its resolution (or of a thousandth of the
/// range).
fn applied_step(ask: &mut Asking<'_>, params: &[f64]) -> Result<f64, SessionError> {
    let descriptor = ask.session.descriptor().clone();
    let step: Vec<f64> = descriptor
        .parameters
        .iter()
        .map(|p| match (p.resolution > 0.0, (p.max - p.min).is_finite()) {
            (true, _) => p.resolution / 8.0,
            (false, true) => (p.max - p.min) / 1000.0,
            (false, false) => 1e-3,
        })
        .collect();
    let (mut smallest, mut exact) = (f64::INFINITY, true);
    let mut last: Option<Vec<f64>> = None;
    for k in 0..=16u32 {
        let away = |((p, s), d): ((&f64, &f64), &blackbeam_plugin::Parameter)| {
            // inwards, so that no bound is met
            let middle = if (d.max - d.min).is_finite() { 0.5 * (d.max + d.min) } else { f64::INFINITY };
            d.admit(if *p < middle { p + f64::from(k) * s } else { p - f64::from(k) * s })
        };
        let asked: Vec<f64> = params.iter().zip(&step).zip(&descriptor.parameters).map(away).collect();
        ask.round += 1;
        let applied = ask.session.applied_at(&asked, (0, Purpose::Calibration, ask.round, 0))?;
        exact &= applied.iter().zip(&asked).all(|(a, b)| (a - b).abs() <= 1e-9 * (1.0 + b.abs()));
        if let Some(last) = last {
            let moves = applied.iter().zip(&last).map(|(a, b)| (a - b).abs()).filter(|d| *d > 1e-12);
            smallest = moves.fold(smallest, f64::min);
        }
        last = Some(applied);
    }
    Ok(if exact || !smallest.is_finite() { 0.0 } else { smallest })
}

/// Along random directions: the length of the step that moves an output by its noise.
fn step_of_noise(
    ask: &mut Asking<'_>,
    params: &[f64],
    (x, std): (&Matrix, f64),
    key: Key,
) -> Result<f64, SessionError> {
    let descriptor = ask.session.descriptor().clone();
    // Large enough that a converter does not round it away, small enough to stay near.
    let mu = blackbeam_estimators::auto_step(true, &descriptor, 0.01, 1.0);
    let mut squares = Vec::new();
    for direction in 0..DIRECTIONS {
        let mut u = vec![0.0; params.len()];
        key.with(u64::from(direction)).fill_normal(0, &mut u);
        let mut at = |sign: f64| {
            let moved = |((p, u), d): ((&f64, &f64), &blackbeam_plugin::Parameter)| d.admit(p + sign * mu * u);
            let params: Vec<f64> = params.iter().zip(&u).zip(&descriptor.parameters).map(moved).collect();
            ask.group(&params, x)
        };
        let (up, down) = (at(1.0)?, at(-1.0)?);
        squares.push(rms(&difference(&up.data, &down.data)).powi(2));
    }
    let square = squares.iter().sum::<f64>() / squares.len() as f64 - 2.0 * std * std;
    let slope = square.max(0.0).sqrt() / (2.0 * mu);
    Ok(if slope > 0.0 { std / slope } else { f64::INFINITY })
}

/// How many of the rows are needed until the rest of all rows in their span leaves less power than 1 %, or than the noise has: the row
/// that is furthest from the span of those before is taken next (Gram-Schmidt with pivoting).
fn dimensions(rows: &Matrix, std: f64) -> usize {
    let mut left: Vec<Vec<f64>> = (0..rows.rows).map(|r| rows.row(r).to_vec()).collect();
    let power = |rows: &[Vec<f64>]| rows.iter().flatten().map(|v| v * v).sum::<f64>();
    let whole = power(&left);
    let floor = ((1.0 - SPANNED) * whole).max(std * std * rows.data.len() as f64);
    for taken in 0..rows.rows.min(rows.columns) {
        if power(&left) <= floor {
            return taken.max(1);
        }
        let square = |row: &[f64]| row.iter().map(|v| v * v).sum::<f64>();
        let furthest = (0..left.len()).max_by(|a, b| square(&left[*a]).total_cmp(&square(&left[*b]))).unwrap_or(0);
        let size = square(&left[furthest]).sqrt();
        if size == 0.0 {
            return taken.max(1);
        }
        let unit: Vec<f64> = left[furthest].iter().map(|v| v / size).collect();
        for row in &mut left {
            let along: f64 = row.iter().zip(&unit).map(|(a, b)| a * b).sum();
            row.iter_mut().zip(&unit).for_each(|(v, u)| *v -= along * u);
        }
    }
    rows.rows.min(rows.columns)
}

fn mean(answers: &[Matrix]) -> Vec<f64> {
    let Some(first) = answers.first() else { return Vec::new() };
    // Around the first of them: the mean of what is the same is that to the bit.
    let mut mean = first.data.to_vec();
    for answer in &answers[1..] {
        let differences = answer.data.iter().zip(first.data.iter()).map(|(v, f)| (v - f) / answers.len() as f64);
        mean.iter_mut().zip(differences).for_each(|(m, d)| *m += d);
    }
    mean
}

/// Standard deviation of one element between answers that should be the same.
fn deviation(answers: &[Matrix]) -> f64 {
    let mean = mean(answers);
    let squares: f64 =
        answers.iter().map(|a| a.data.iter().zip(&mean).map(|(v, m)| (v - m).powi(2)).sum::<f64>()).sum();
    (squares / ((answers.len() - 1) * mean.len()).max(1) as f64).sqrt()
}

fn peak(answers: &[Matrix]) -> f64 {
    answers.iter().flat_map(|a| a.data.iter()).fold(0.0, |peak, v| v.abs().max(peak))
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn rms(values: &[f64]) -> f64 {
    (values.iter().map(|v| v * v).sum::<f64>() / values.len().max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_of_answers() {
        let key = Key::new(7);
        for (rank, noise) in [(1, 0.0), (3, 0.0), (3, 1e-3), (8, 0.0)] {
            let (mut a, mut b) = (Matrix::zeros(16, rank), Matrix::zeros(rank, 8));
            key.named("a").fill_normal(0, &mut a.data);
            key.named("b").fill_normal(0, &mut b.data);
            let mut rows = Matrix::zeros(16, 8);
            for r in 0..16 {
                for c in 0..8 {
                    rows[(r, c)] = (0..rank).map(|k| a[(r, k)] * b[(k, c)]).sum::<f64>()
                        + noise * key.named("noise").normal((8 * r + c) as u64);
                }
            }
            assert!(
                (1..=rank).contains(&dimensions(&rows, noise)) && dimensions(&rows, noise) + 1 >= rank.min(7),
                "{rank}"
            );
        }
        assert_eq!(dimensions(&Matrix::zeros(4, 4), 0.0), 1);
    }

    #[test]
    fn deviation_is_of_one_answer() {
        let key = Key::new(3);
        let answer = |k: u64| {
            let mut m = Matrix::zeros(8, 16);
            key.with(k).fill_normal(0, &mut m.data);
            m.data.iter_mut().enumerate().for_each(|(i, v)| *v = 0.5 * *v + i as f64);
            m
        };
        let answers: Vec<Matrix> = (0..8).map(answer).collect();
        assert!((deviation(&answers) - 0.5).abs() < 0.03, "{}", deviation(&answers));
    }
}
