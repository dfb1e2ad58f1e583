//! Crosstalk between the phase shifters of one actuator: phi = K phi0, K_ij a function of the distance on the chip.
//!
//! Distances are counted in places: the positions along the chip that the actuator really uses are numbered 0, 1, 2, ...,
//! so that theta and phi of a mesh alternate where one actuator drives both, and follow each other where it drives one.
//! Places that the circuit gives count as they are.

use super::levels::levels;
use crate::program::Spot;
use blackbeam_netlist::circuit::Crosstalk;
use blackbeam_plugin::{PluginError, Result};
use std::{collections::HashMap, sync::Arc};

/// A Gaussian is cut at this many standard deviations.
const GAUSSIAN_REACH: f64 = 5.0;
/// Most runs that are kept: 128 MiB.
const MOST_RUNS: usize = 1 << 22;

/// K, distance by distance: neighbours in one direction stand in long runs.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// Weight of a parameter on itself.
    own: f64,
    /// Weights on others.
    runs: Vec<Run>,
    /// Factor on each result.
    norm: Option<Vec<f64>>,
    /// An explicit matrix instead of runs.
    matrix: Option<Arc<[f64]>>,
}

/// out[to + i] += weight * input[from + i] for i below `len`.
#[derive(Clone, Copy, Debug)]
struct Run {
    weight: f64,
    to: usize,
    from: usize,
    len: usize,
}

impl Kernel {
    /// K for parameters at `places`; `ranked`: positions along the chip count without gaps.
    ///
    /// # Errors
    /// `SETTINGS` for a kernel that cannot be, or that is too large to be kept.
    pub fn new(crosstalk: &Crosstalk, places: &[Spot], ranked: bool) -> Result<Self> {
        if let Crosstalk::Matrix(matrix) = crosstalk {
            if matrix.len() != places.len() * places.len() || matrix.iter().any(|v| !v.is_finite()) {
                let message = "crosstalk: the matrix must have a finite entry for every pair of parameters it mixes";
                return Err(PluginError::settings(format!("{message}, {0} x {0}", places.len())));
            }
            return Ok(Kernel { own: 0.0, runs: Vec::new(), norm: None, matrix: Some(Arc::clone(matrix)) });
        }
        let reach = reach(crosstalk)?;
        let grid = positions(places, ranked);
        let at = Index::new(&grid)?;
        let mut kernel = Kernel { own: weight(crosstalk, 0, 0), runs: Vec::new(), norm: None, matrix: None };
        for (dx, dy) in (-reach..=reach).flat_map(|dx| (-reach..=reach).map(move |dy| (dx, dy))) {
            let weight = weight(crosstalk, dx, dy);
            if weight == 0.0 || (dx, dy) == (0, 0) {
                continue;
            }
            let first = kernel.runs.len();
            for (to, (x, y)) in grid.iter().enumerate() {
                let Some(from) = at.get(x + dx, y + dy) else { continue };
                match kernel.runs[first..].last_mut() {
                    Some(run) if (run.to + run.len, run.from + run.len) == (to, from) => run.len += 1,
                    _ => kernel.runs.push(Run { weight, to, from, len: 1 }),
                }
            }
            if kernel.runs.len() > MOST_RUNS {
                return Err(PluginError::settings(format!(
                    "crosstalk: a reach of {reach} places is too far: shorten it"
                )));
            }
        }
        if matches!(crosstalk, Crosstalk::Gaussian { .. }) {
            // At an edge the rest of the Gaussian is spread over what is there: an even pattern stays even.
            let mut total = vec![0.0; grid.len()];
            kernel.apply(&vec![1.0; grid.len()], &mut total);
            kernel.norm = Some(total.iter().map(|t| 1.0 / t).collect());
        }
        Ok(kernel)
    }

    /// out = K input.
    pub fn apply(&self, input: &[f64], out: &mut [f64]) {
        out.iter_mut().zip(input).for_each(|(out, x)| *out = self.own * x);
        if let Some(matrix) = &self.matrix {
            for (out, row) in out.iter_mut().zip(matrix.chunks_exact(input.len())) {
                *out = row.iter().zip(input).map(|(k, x)| k * x).sum();
            }
        }
        add_runs(&self.runs, input, out);
        if let Some(norm) = &self.norm {
            out.iter_mut().zip(norm).for_each(|(out, norm)| *out *= norm);
        }
    }

    /// out = K^T input.
    pub fn apply_transposed(&self, input: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        if let Some(matrix) = &self.matrix {
            for (input, row) in input.iter().zip(matrix.chunks_exact(out.len())) {
                out.iter_mut().zip(row).for_each(|(out, k)| *out += k * input);
            }
            return;
        }
        let scaled: Vec<f64> = match &self.norm {
            Some(norm) => input.iter().zip(norm).map(|(x, norm)| x * norm).collect(),
            None => input.to_vec(),
        };
        out.iter_mut().zip(&scaled).for_each(|(out, x)| *out = self.own * x);
        for run in &self.runs {
            let targets = &mut out[run.from..run.from + run.len];
            targets.iter_mut().zip(&scaled[run.to..]).for_each(|(out, input)| *out += run.weight * input);
        }
    }
}

levels! {
    fn add_runs(runs: &[Run], input: &[f64], out: &mut [f64]) = each_run;
}

#[inline(always)]
fn each_run(runs: &[Run], input: &[f64], out: &mut [f64]) {
    for run in runs {
        let targets = &mut out[run.to..run.to + run.len];
        targets.iter_mut().zip(&input[run.from..]).for_each(|(out, input)| *out += run.weight * input);
    }
}

/// Which parameter stands where: a table where the places fill a rectangle, else a map.
enum Index {
    Table { origin: (i64, i64), size: (i64, i64), at: Vec<u32> },
    Map(HashMap<(i64, i64), usize>),
}

impl Index {
    fn new(grid: &[(i64, i64)]) -> Result<Self> {
        let ends = |of: &dyn Fn(&(i64, i64)) -> i64| {
            let values = grid.iter().map(of);
            (values.clone().min().unwrap_or(0), values.max().unwrap_or(0))
        };
        let ((left, right), (low, high)) = (ends(&|p| p.0), ends(&|p| p.1));
        let size = (right - left + 1, high - low + 1);
        let full = size.0.saturating_mul(size.1) <= 4 * grid.len() as i64 && grid.len() < u32::MAX as usize;
        let mut index = if full {
            Index::Table { origin: (left, low), size, at: vec![u32::MAX; (size.0 * size.1) as usize] }
        } else {
            Index::Map(HashMap::with_capacity(grid.len()))
        };
        for (i, &(x, y)) in grid.iter().enumerate() {
            let taken = match &mut index {
                Index::Table { origin, size, at } => {
                    let place = &mut at[((x - origin.0) * size.1 + y - origin.1) as usize];
                    std::mem::replace(place, i as u32) != u32::MAX
                }
                Index::Map(map) => map.insert((x, y), i).is_some(),
            };
            if taken {
                return Err(PluginError::settings("crosstalk: two parameters of one actuator stand at the same place"));
            }
        }
        Ok(index)
    }

    fn get(&self, x: i64, y: i64) -> Option<usize> {
        match self {
            Index::Table { origin, size, at } => {
                let (x, y) = (x - origin.0, y - origin.1);
                let inside = x >= 0 && y >= 0 && x < size.0 && y < size.1;
                let found = if inside { at[(x * size.1 + y) as usize] } else { u32::MAX };
                (found != u32::MAX).then_some(found as usize)
            }
            Index::Map(map) => map.get(&(x, y)).copied(),
        }
    }
}

/// Places to each side that the kernel can reach.
fn reach(crosstalk: &Crosstalk) -> Result<i64> {
    let reach = match crosstalk {
        Crosstalk::Nearest { .. } => 1.0,
        Crosstalk::Exponential { decay, cutoff, .. } if *decay > 0.0 => cutoff.floor(),
        Crosstalk::Gaussian { sigma_pixels } => (GAUSSIAN_REACH * sigma_pixels).ceil(),
        Crosstalk::Exponential { .. } | Crosstalk::Matrix(_) => f64::NAN,
    };
    if (0.0..=1e4).contains(&reach) {
        Ok(reach as i64)
    } else {
        Err(PluginError::settings(format!("crosstalk: {crosstalk:?} has no finite, positive reach")))
    }
}

fn weight(crosstalk: &Crosstalk, dx: i64, dy: i64) -> f64 {
    let square = (dx * dx + dy * dy) as f64;
    match *crosstalk {
        Crosstalk::Gaussian { sigma_pixels } if sigma_pixels > 0.0 => {
            (-square / (2.0 * sigma_pixels * sigma_pixels)).exp()
        }
        _ if dx == 0 && dy == 0 => 1.0,
        Crosstalk::Nearest { strength } if square == 1.0 => strength,
        Crosstalk::Exponential { strength, decay, cutoff } if square.sqrt() <= cutoff => {
            strength * (-square.sqrt() / decay).exp()
        }
        _ => 0.0,
    }
}

/// Grid positions, those along the chip without gaps where `ranked`.
fn positions(places: &[Spot], ranked: bool) -> Vec<(i64, i64)> {
    let mut used: Vec<u32> = places.iter().map(|p| p.along).collect();
    used.sort_unstable();
    used.dedup();
    let rank = |along| if ranked { used.partition_point(|&u| u < along) as i64 } else { i64::from(along) };
    places.iter().map(|p| (rank(p.along), i64::from(p.across))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::bank_spot;

    fn spread(crosstalk: Crosstalk, rows: usize, columns: usize, at: usize) -> Vec<f64> {
        let places: Vec<Spot> = (0..rows * columns).map(|i| bank_spot(i, columns)).collect();
        let kernel = Kernel::new(&crosstalk, &places, true).unwrap();
        let mut input = vec![0.0; rows * columns];
        input[at] = 1.0;
        let mut out = vec![f64::NAN; rows * columns];
        kernel.apply(&input, &mut out);
        out
    }

    #[test]
    fn nearest_neighbours() {
        let expected = [0.0, 0.1, 0.0, 0.1, 1.0, 0.1, 0.0, 0.1, 0.0];
        assert_eq!(spread(Crosstalk::Nearest { strength: 0.1 }, 3, 3, 4), expected);
    }

    #[test]
    fn an_exponential_up_to_its_cutoff() {
        let out = spread(Crosstalk::Exponential { strength: 0.2, decay: 1.5, cutoff: 2.0 }, 5, 5, 12);
        for (i, w) in out.iter().enumerate() {
            let (dx, dy) = ((i % 5) as f64 - 2.0, (i / 5) as f64 - 2.0);
            let d = dx.hypot(dy);
            let expected = if i == 12 {
                1.0
            } else if d <= 2.0 {
                0.2 * (-d / 1.5).exp()
            } else {
                0.0
            };
            assert!((w - expected).abs() < 1e-15);
        }
    }

    #[test]
    fn a_gaussian_keeps_an_even_pattern() {
        let places: Vec<Spot> = (0..6 * 9).map(|i| bank_spot(i, 9)).collect();
        let kernel = Kernel::new(&Crosstalk::Gaussian { sigma_pixels: 0.8 }, &places, true).unwrap();
        let mut out = vec![0.0; 54];
        kernel.apply(&[2.5; 54], &mut out);
        assert!(out.iter().all(|v| (v - 2.5).abs() < 1e-14));
        let one = spread(Crosstalk::Gaussian { sigma_pixels: 0.8 }, 15, 15, 112);
        let ratio = one[113] / one[112];
        assert!((ratio - (-1.0f64 / 1.28).exp()).abs() < 1e-12, "{ratio}");
        assert_eq!(spread(Crosstalk::Gaussian { sigma_pixels: 0.0 }, 2, 2, 1), [0.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn matrices_and_transposes() {
        let places: Vec<Spot> = (0..12).map(|i| bank_spot(i, 4)).collect();
        let entries: Vec<f64> = (0..144).map(|i| f64::from(i % 13) - 6.0).collect();
        let kernels = [
            Crosstalk::Matrix(entries.clone().into()),
            Crosstalk::Gaussian { sigma_pixels: 0.7 },
            Crosstalk::Exponential { strength: 0.2, decay: 1.0, cutoff: 2.0 },
        ];
        for crosstalk in kernels {
            let kernel = Kernel::new(&crosstalk, &places, true).unwrap();
            for at in 0..12 {
                let (mut one, mut column, mut row) = (vec![0.0; 12], vec![0.0; 12], vec![0.0; 12]);
                one[at] = 1.0;
                kernel.apply(&one, &mut column);
                if let Crosstalk::Matrix(_) = crosstalk {
                    assert!(column.iter().enumerate().all(|(to, v)| *v == entries[12 * to + at]));
                }
                for to in 0..12 {
                    let mut other = vec![0.0; 12];
                    other[to] = 1.0;
                    kernel.apply_transposed(&other, &mut row);
                    assert!((row[at] - column[to]).abs() < 1e-15);
                }
            }
        }
        assert!(Kernel::new(&Crosstalk::Matrix(vec![1.0; 5].into()), &places, true).is_err());
    }

    #[test]
    fn impossible_kernels_are_refused() {
        let places = [bank_spot(0, 1)];
        for crosstalk in [
            Crosstalk::Exponential { strength: 0.1, decay: 0.0, cutoff: 3.0 },
            Crosstalk::Exponential { strength: 0.1, decay: 1.0, cutoff: f64::INFINITY },
            Crosstalk::Gaussian { sigma_pixels: -1.0 },
        ] {
            assert!(Kernel::new(&crosstalk, &places, true).is_err(), "{crosstalk:?}");
        }
    }
}
