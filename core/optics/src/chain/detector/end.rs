//! The end of the chain: gains, noise, ADC, and what is the matter with them.

use super::{
    Detection, Detector, DetectorRoom,
    loops::{Chain, TILE, finish},
};
use crate::chain::{converter::Adc, levels::Real};
use blackbeam_plugin::Key;

/// Spreads the gains of outputs over the reals of some rows; over none where all are 1.
fn spread(gain: &[f64], width: usize, gains: &mut Vec<f64>) {
    gains.clear();
    if gain.is_empty() || width == 0 || gain.iter().all(|&g| g == 1.0) {
        return;
    }
    let each = (width / gain.len()).max(1);
    while gains.len() + width <= TILE || gains.is_empty() {
        gains.extend(gain.iter().flat_map(|&g| std::iter::repeat_n(g, each)));
    }
}

/// Whole rows; their noise has the elements from `first` on.
fn finish_rows<T: Real>(chain: Chain, key: Key, first: u64, gains: &[f64], y: &mut [T]) {
    if gains.is_empty() {
        if chain.std > 0.0 || chain.adc.is_some() {
            finish(chain, (key, first), gains, y);
        }
        return;
    }
    let mut first = first;
    for y in y.chunks_mut(gains.len()) {
        finish(chain, (key, first), &gains[..y.len()], y);
        first = first.wrapping_add(y.len() as u64);
    }
}

impl Detector {
    /// Gains, noise, ADC, and what is the matter with them. Without gains all are 1.
    pub(super) fn finish<T: Real>(
        &self,
        how: Detection<'_>,
        gain: &[f64],
        (first_row, width): (u64, usize),
        y: &mut [T],
        room: &mut DetectorRoom,
    ) {
        let std = if self.relative { self.noise_std * how.full_scale } else { self.noise_std };
        let chain = Chain {
            std: if self.noise_std > 0.0 { std } else { 0.0 },
            adc: self.adc.as_ref().map(|adc| Adc::new(adc.steps, how.full_scale)),
        };
        spread(gain, width, &mut room.gains);
        let gains = &room.gains[..];
        let glitch = how.matter.glitch > 0.0;
        let first = first_row.wrapping_mul(width as u64);
        // Glitches come between noise and ADC, but rarely.
        let before = Chain { adc: None, ..chain };
        finish_rows(if glitch { before } else { chain }, how.key, first, gains, y);
        if glitch {
            self.glitch(how, (first_row, width), y);
            finish_rows(Chain { std: 0.0, ..chain }, how.key, first, &[], y);
        }
        let each = (width / how.gain.len().max(1)).max(1);
        for (outputs, value) in [(&how.matter.hot, how.full_scale), (&how.matter.dead, 0.0)] {
            for &k in outputs {
                for y in y.chunks_exact_mut(width.max(1)) {
                    y.iter_mut().skip(k * each).take(each).for_each(|y| *y = T::from_f64(value));
                }
            }
        }
    }

    /// One reading of each vector goes wrong.
    fn glitch<T: Real>(&self, how: Detection<'_>, (first_row, width): (u64, usize), y: &mut [T]) {
        let key = how.key.named("glitch");
        let size = key.with(1);
        for (i, y) in y.chunks_exact_mut(width.max(1)).enumerate() {
            let row = first_row.wrapping_add(i as u64);
            let which = (key.uniform(row) * width as f64) as usize;
            let y = &mut y[which.min(width - 1)];
            *y = T::from_f64(y.to_f64() + how.matter.glitch * how.full_scale * size.normal(row));
        }
    }
}
