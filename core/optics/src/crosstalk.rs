//! Crosstalk between the phase shifters of one actuator: phi = K phi0, K_ij a function of the distance on the chip.
//!
//! Distances are counted in places: the positions along the chip that the actuator really uses are numbered 0, 1, 2, ...,
//! so that theta and phi of a mesh alternate where one actuator drives both, and follow each other where it drives one.

use crate::program::Place;
use blackbeam_netlist::circuit::Crosstalk;
use blackbeam_plugin::{PluginError, Result};
use std::collections::HashMap;

/// A Gaussian is cut at this many standard deviations.
const GAUSSIAN_REACH: f64 = 5.0;
/// Most runs that are kept: 128 MiB.
const MOST_RUNS: usize = 1 << 22;

/// K, distance by distance: neighbours in one direction stand in long runs.
#[derive(Debug)]
pub(crate) struct Kernel {
    runs: Vec<Run>,
    /// Factor on each result.
    norm: Option<Vec<f64>>,
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
    /// K for parameters at `places`.
    ///
    /// # Errors
    /// `SETTINGS` for a kernel that cannot be, or that is too large to be kept.
    pub fn new(crosstalk: Crosstalk, places: &[Place]) -> Result<Self> {
        let reach = reach(crosstalk)?;
        let grid = positions(places);
        let mut at = HashMap::with_capacity(grid.len());
        for (i, p) in grid.iter().enumerate() {
            if at.insert(*p, i).is_some() {
                return Err(PluginError::settings("crosstalk: two parameters of one actuator stand at the same place"));
            }
        }
        let mut kernel = Kernel { runs: Vec::new(), norm: None };
        for (dx, dy) in (-reach..=reach).flat_map(|dx| (-reach..=reach).map(move |dy| (dx, dy))) {
            let weight = weight(crosstalk, dx, dy);
            if weight == 0.0 {
                continue;
            }
            let first = kernel.runs.len();
            for (to, (x, y)) in grid.iter().enumerate() {
                let Some(&from) = at.get(&(x + dx, y + dy)) else { continue };
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
        out.fill(0.0);
        pulp::Arch::new().dispatch(|| {
            for run in &self.runs {
                let targets = &mut out[run.to..run.to + run.len];
                targets.iter_mut().zip(&input[run.from..]).for_each(|(out, input)| *out += run.weight * input);
            }
        });
        if let Some(norm) = &self.norm {
            out.iter_mut().zip(norm).for_each(|(out, norm)| *out *= norm);
        }
    }
}

/// Places to each side that the kernel can reach.
fn reach(crosstalk: Crosstalk) -> Result<i64> {
    let reach = match crosstalk {
        Crosstalk::Nearest { .. } => 1.0,
        Crosstalk::Exponential { decay, cutoff, .. } if decay > 0.0 => cutoff.floor(),
        Crosstalk::Gaussian { sigma_pixels } => (GAUSSIAN_REACH * sigma_pixels).ceil(),
        Crosstalk::Exponential { .. } => f64::NAN,
    };
    if (0.0..=1e4).contains(&reach) {
        Ok(reach as i64)
    } else {
        Err(PluginError::settings(format!("crosstalk: {crosstalk:?} has no finite, positive reach")))
    }
}

fn weight(crosstalk: Crosstalk, dx: i64, dy: i64) -> f64 {
    let square = (dx * dx + dy * dy) as f64;
    match crosstalk {
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

/// Grid positions, those along the chip without gaps.
fn positions(places: &[Place]) -> Vec<(i64, i64)> {
    let mut used: Vec<u32> = places.iter().map(|p| p.along).collect();
    used.sort_unstable();
    used.dedup();
    let rank = |along| used.partition_point(|&u| u < along) as i64;
    places.iter().map(|p| (rank(p.along), i64::from(p.across))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::bank_place;

    fn spread(crosstalk: Crosstalk, rows: usize, columns: usize, at: usize) -> Vec<f64> {
        let places: Vec<Place> = (0..rows * columns).map(|i| bank_place(i, columns)).collect();
        let kernel = Kernel::new(crosstalk, &places).unwrap();
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
        let places: Vec<Place> = (0..6 * 9).map(|i| bank_place(i, 9)).collect();
        let kernel = Kernel::new(Crosstalk::Gaussian { sigma_pixels: 0.8 }, &places).unwrap();
        let mut out = vec![0.0; 54];
        kernel.apply(&[2.5; 54], &mut out);
        assert!(out.iter().all(|v| (v - 2.5).abs() < 1e-14));
        let one = spread(Crosstalk::Gaussian { sigma_pixels: 0.8 }, 15, 15, 112);
        let ratio = one[113] / one[112];
        assert!((ratio - (-1.0f64 / 1.28).exp()).abs() < 1e-12, "{ratio}");
        assert_eq!(spread(Crosstalk::Gaussian { sigma_pixels: 0.0 }, 2, 2, 1), [0.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn impossible_kernels_are_refused() {
        let places = [bank_place(0, 1)];
        for crosstalk in [
            Crosstalk::Exponential { strength: 0.1, decay: 0.0, cutoff: 3.0 },
            Crosstalk::Exponential { strength: 0.1, decay: 1.0, cutoff: f64::INFINITY },
            Crosstalk::Gaussian { sigma_pixels: -1.0 },
        ] {
            assert!(Kernel::new(crosstalk, &places).is_err(), "{crosstalk:?}");
        }
    }
}
