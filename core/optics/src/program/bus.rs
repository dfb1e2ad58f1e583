//! A microring weight bank whose rows are buses: every WDM channel passes every ring of a row.
//!
//! Row i has a ring for each channel, in series; ring j drops to the minus detector by a way of its own, the plus detector
//! is at the end of the bus. With the powers T through and D dropped by a ring (`ring`), of phase
//! q(i, j, k) = phase_ij + 2 pi ng length (1/wl_k - 1/wl_j),
//!
//! w_ik = prod_j T(i, j, k) - sum_j D(i, j, k) prod_{m < j} T(i, m, k)
//!
//! [A. N. Tait et al., Microring weight banks, IEEE J. Sel. Top. Quantum Electron. 22, 312 (2016)]. Phases are counted from
//! resonance with the channel of the ring's column.
//!
//! sin(q / 2) is made of the sines and cosines of phases and of channels, M^2 + K of them instead of M^2 K. Light that is
//! left and light that has been dropped are fractions whose denominator is that of all rings so far: one division for
//! [`RINGS`] rings.

use super::{
    Field, Generator,
    ring::{Ring, RingProgram},
};
use blackbeam_kernels::{Arch, Level, Task, trig::sin_cos_of};
use blackbeam_netlist::circuit::{EncodingMode, ReadoutMode, SharedBus};
use blackbeam_plugin::{PluginError, Result, structure};
use std::f64::consts::{PI, TAU};

/// Rings between two divisions. A denominator is 1e-18 at least and 4 at most, so that their product stays a number.
const RINGS: usize = 16;
/// Channels side by side.
const LANES: usize = 32;

/// A compiled weight bank with shared buses.
pub(crate) struct BusProgram {
    bank: RingProgram,
    shared: SharedBus,
    wavelengths_um: Vec<f64>,
    /// Row by row, each row in blocks of its own.
    blocks: Vec<Block>,
}

/// Rings of a row, one behind the other: T = (over + u^2) / (under + u^2), D = dropped / (under + u^2), u = root sin(q / 2).
#[derive(Clone)]
struct Block {
    count: usize,
    root: [f64; RINGS],
    over: [f64; RINGS],
    under: [f64; RINGS],
    dropped: [f64; RINGS],
    /// Half the phase of a round trip with the channel of the column.
    tuned: [f64; RINGS],
}

impl BusProgram {
    /// # Errors
    /// `SETTINGS` if there is not a channel a column, or where light comes back in a ring.
    pub fn new(bank: RingProgram, shared: SharedBus, wavelengths_um: &[f64]) -> Result<Self> {
        if wavelengths_um.len() != bank.columns {
            let (channels, rings) = (wavelengths_um.len(), bank.columns);
            let message = format!("mrr_bank: {channels} channels for the {rings} rings of a shared bus");
            return Err(PluginError::settings(message));
        }
        if bank.rings.iter().any(|ring| ring.backscatter != 0.0) {
            return Err(PluginError::settings("mrr_bank: rings on a shared bus have no backscatter"));
        }
        let mut program = BusProgram { bank, shared, wavelengths_um: wavelengths_um.to_vec(), blocks: Vec::new() };
        let rows = program.bank.rings.chunks(program.bank.columns);
        let block = |(number, rings): (usize, &[Ring])| program.block(number * RINGS, rings);
        program.blocks = rows.flat_map(|row| row.chunks(RINGS).enumerate().map(block)).collect();
        Ok(program)
    }

    /// The rings of a row from column `first` on.
    fn block(&self, first: usize, rings: &[Ring]) -> Block {
        let mut block = Block {
            count: rings.len(),
            root: [0.0; RINGS],
            over: [1.0; RINGS],
            under: [1.0; RINGS],
            dropped: [0.0; RINGS],
            tuned: [0.0; RINGS],
        };
        for (k, ring) in rings.iter().enumerate() {
            let curve = ring.curve();
            block.root[k] = curve.slope.sqrt();
            block.over[k] = curve.over;
            block.under[k] = curve.under;
            block.dropped[k] = curve.dropped;
            block.tuned[k] = 0.5 * self.round(self.wavelengths_um[first + k]);
        }
        block
    }

    /// Phase of a round trip at a wavelength, above that at the first channel.
    fn round(&self, wl_um: f64) -> f64 {
        TAU * self.shared.turns(self.wavelengths_um[0], wl_um)
    }
}

/// All weights.
struct Fill<'a> {
    program: &'a BusProgram,
    shift_um: f64,
    phases: &'a [f64],
    weights: &'a mut [f64],
}

impl Task for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let BusProgram { bank, wavelengths_um, blocks, .. } = self.program;
        let columns = bank.columns;
        let per_row = columns.div_ceil(RINGS);
        for (first, lit) in wavelengths_um.chunks(LANES).enumerate().map(|(n, lit)| (n * LANES, lit)) {
            let (mut half, mut sin, mut cos) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
            for (half, wl) in half.iter_mut().zip(lit) {
                *half = 0.5 * self.program.round(wl + self.shift_um);
            }
            sin_cos_of::<A>(&half, &mut sin, &mut cos);
            for row in 0..bank.rows {
                let phases = &self.phases[row * columns..(row + 1) * columns];
                let blocks = &blocks[row * per_row..(row + 1) * per_row];
                let mut out = [0.0; LANES];
                along::<A>(blocks, phases, &sin, &cos, &mut out);
                let at = row * columns + first;
                let factors = &bank.column_factor[first..first + lit.len()];
                for ((weight, out), factor) in self.weights[at..at + lit.len()].iter_mut().zip(&out).zip(factors) {
                    *weight = bank.row_factor[row] * factor * out;
                }
            }
        }
    }
}

/// What is left less what has been dropped at the end of a bus, for some channels of which half the phases of a round trip are
/// given.
#[inline(always)]
fn along<A: Arch>(blocks: &[Block], phases: &[f64], sin: &[f64; LANES], cos: &[f64; LANES], out: &mut [f64; LANES]) {
    let (mut left, mut dropped) = ([1.0; LANES], [0.0; LANES]);
    for (block, phases) in blocks.iter().zip(phases.chunks(RINGS)) {
        let (mut half, mut s, mut c) = ([0.0; RINGS], [0.0; RINGS], [0.0; RINGS]);
        for j in 0..phases.len() {
            half[j] = 0.5 * phases[j] - block.tuned[j];
        }
        sin_cos_of::<A>(&half, &mut s, &mut c);
        for j in 0..RINGS {
            (s[j], c[j]) = (block.root[j] * s[j], block.root[j] * c[j]);
        }
        let mut denominator = [1.0; LANES];
        for j in 0..block.count.min(RINGS) {
            let (s, c, over, under, drop) = (s[j], c[j], block.over[j], block.under[j], block.dropped[j]);
            for k in 0..LANES {
                let u = A::mul_add(s, cos[k], c * sin[k]);
                let (above, below) = (A::mul_add(u, u, over), A::mul_add(u, u, under));
                dropped[k] = A::mul_add(dropped[k], below, drop * left[k]);
                left[k] *= above;
                denominator[k] *= below;
            }
        }
        for k in 0..LANES {
            let inverse = 1.0 / denominator[k];
            (left[k], dropped[k]) = (left[k] * inverse, dropped[k] * inverse);
        }
    }
    for k in 0..LANES {
        out[k] = left[k] - dropped[k];
    }
}

impl Generator for BusProgram {
    fn shape(&self) -> (usize, usize) {
        self.bank.shape()
    }

    fn complex(&self) -> bool {
        false
    }

    fn incoherent(&self) -> bool {
        self.bank.incoherent()
    }

    fn structure(&self) -> u64 {
        structure::RECIPROCAL
    }

    fn fill(&self, slots: &[f64], matrix: &mut Field) {
        self.fill_shifted(slots, 0.0, matrix);
    }

    fn pull(&self, slots: &[f64], gradient: &Field, dslots: &mut [f64]) {
        self.pull_shifted(slots, 0.0, gradient, dslots);
    }

    fn fill_shifted(&self, slots: &[f64], shift_um: f64, matrix: &mut Field) {
        let weights = &mut matrix.re[..self.bank.rings.len()];
        Level::best().run(Fill { program: self, shift_um, phases: slots, weights });
    }

    fn pull_shifted(&self, slots: &[f64], shift_um: f64, gradient: &Field, dslots: &mut [f64]) {
        let bank = &self.bank;
        let tuned: Vec<f64> = self.wavelengths_um.iter().map(|wl| self.round(*wl)).collect();
        let lines: Vec<f64> = self.wavelengths_um.iter().map(|wl| self.round(wl + shift_um)).collect();
        // Of each ring on the way of a channel: light that arrives, and its powers with their derivatives.
        let mut way = Vec::with_capacity(bank.columns);
        for row in 0..bank.rows {
            let rings = row * bank.columns..(row + 1) * bank.columns;
            let (phases, rings) = (&slots[rings.clone()], rings);
            for (k, line) in lines.iter().enumerate() {
                let upstream = gradient.re[rings.start + k] * bank.row_factor[row] * bank.column_factor[k];
                let mut left = 1.0;
                way.clear();
                for ((ring, phase), tuned) in bank.rings[rings.clone()].iter().zip(phases).zip(&tuned) {
                    let powers = ring.powers(phase - tuned + line);
                    way.push((left, powers));
                    left *= powers[0].0;
                }
                // dL/d(light that is left), from the detector backwards
                let mut along = upstream;
                for ((left, [(t, dt), (d, dd)]), dslot) in way.iter().zip(&mut dslots[rings.clone()]).rev() {
                    *dslot += left * (along * dt - upstream * dd);
                    along = along * t - upstream * d;
                }
            }
        }
    }

    fn parts(&self) -> Vec<String> {
        let Self { bank, shared, wavelengths_um, .. } = self;
        let range = shared.free_spectral_range_ghz();
        let mean = bank.rings.iter().map(|ring| ring.a * ring.r * ring.r2).sum::<f64>() / bank.rings.len() as f64;
        let width = range * (1.0 - mean) / (PI * mean.sqrt());
        let mut parts = vec![
            format!("{} buses, {} add-drop rings on each, every channel through every ring", bank.rows, bank.columns),
            format!(
                "rings: free spectral range {range:.1} GHz, resonance {width:.2} GHz wide (full width at half maximum)"
            ),
        ];
        if let [first, second, ..] = wavelengths_um[..] {
            parts.push(format!("channels: {:.1} GHz apart", range * shared.turns(first, second).abs()));
        }
        parts
    }

    fn refuses(&self, encoding: EncodingMode, readout: ReadoutMode) -> Option<&'static str> {
        self.bank.refuses(encoding, readout)
    }

    fn operations(&self) -> f64 {
        (40.0 + 14.0 * self.bank.columns as f64) * self.bank.rings.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_complex::Complex64;

    /// Grid of K channels, 50 GHz apart.
    fn grid(count: usize) -> Vec<f64> {
        (0..count).map(|k| 299_792.458 / (299_792.458 / 1.55 - 50.0 * k as f64)).collect()
    }

    const SHARED: SharedBus = SharedBus { length_um: 31.4, ng: 4.2 };

    /// Rings that differ.
    fn program(rows: usize, columns: usize, lossless: bool) -> BusProgram {
        let ring = |i: usize| {
            let (a, r) = (0.99 - 1e-4 * (i % 17) as f64, 0.985 + 1e-4 * (i % 13) as f64);
            Ring { a: if lossless { 1.0 } else { a }, r, r2: 0.98, backscatter: 0.0 }
        };
        let row_factor = (0..rows).map(|i| 1.0 + 0.1 * i as f64).collect();
        let column_factor = (0..columns).map(|i| 1.0 - 0.01 * i as f64).collect();
        let rings = (0..rows * columns).map(ring).collect();
        let bank = RingProgram::of_rings([rows, columns], rings, row_factor, column_factor);
        BusProgram::new(bank, SHARED, &grid(columns)).unwrap()
    }

    fn phases(count: usize) -> Vec<f64> {
        (0..count).map(|i| 0.6 * (0.37 * i as f64).sin() + if i % 5 == 0 { 6.3 } else { 0.0 }).collect()
    }

    fn filled(program: &BusProgram, phases: &[f64], shift_um: f64) -> Vec<f64> {
        let mut matrix = Field::sized(phases.len(), false);
        program.fill_shifted(phases, shift_um, &mut matrix);
        matrix.re
    }

    /// (through, dropped) of a channel and a row, by complex amplitudes of every ring.
    fn fields(program: &BusProgram, phases: &[f64], row: usize, channel: usize, shift_um: f64) -> (f64, f64) {
        let columns = program.bank.columns;
        let wl = &program.wavelengths_um;
        let (mut left, mut dropped) = (1.0, 0.0);
        for j in 0..columns {
            let Ring { a, r, r2, .. } = program.bank.rings[row * columns + j];
            let turns = SHARED.ng * SHARED.length_um * (1.0 / (wl[channel] + shift_um) - 1.0 / wl[j]);
            let z = a * Complex64::cis(TAU * turns + phases[row * columns + j]);
            let n = 1.0 - r * r2 * z;
            dropped += left * ((1.0 - r * r) * (1.0 - r2 * r2) * a) / n.norm_sqr();
            left *= ((r - r2 * z) / n).norm_sqr();
        }
        (left, dropped)
    }

    #[test]
    fn weights_are_products_of_complex_amplitudes() {
        for (rows, columns) in [(1, 1), (3, 7), (2, 16), (4, 33), (2, 70)] {
            for shift_um in [0.0, 2e-4] {
                let program = program(rows, columns, false);
                let phases = phases(rows * columns);
                let found = filled(&program, &phases, shift_um);
                for (i, found) in found.iter().enumerate() {
                    let (row, channel) = (i / columns, i % columns);
                    let (through, dropped) = fields(&program, &phases, row, channel, shift_um);
                    let factor = program.bank.row_factor[row] * program.bank.column_factor[channel];
                    let expected = factor * (through - dropped);
                    assert!((found - expected).abs() < 1e-11, "{rows} {columns} {i}: {found} {expected}");
                }
            }
        }
    }

    /// Without loss nothing is lost, and w = 2 through - 1.
    #[test]
    fn power_is_kept() {
        let program = program(2, 40, true);
        let phases = phases(80);
        let found = filled(&program, &phases, 0.0);
        for (i, found) in found.iter().enumerate() {
            let (through, dropped) = fields(&program, &phases, i / 40, i % 40, 0.0);
            let factor = program.bank.row_factor[i / 40] * program.bank.column_factor[i % 40];
            assert!((through + dropped - 1.0).abs() < 1e-11);
            assert!((found / factor - (2.0 * through - 1.0)).abs() < 1e-11);
        }
    }

    /// Every level the same weights; a channel the same bits whatever stands beside it.
    #[test]
    fn levels_and_places() {
        let wide = program(3, 40, false);
        let phases = phases(120);
        let of = |level: Level| {
            let mut weights = vec![0.0; 120];
            level.run(Fill { program: &wide, shift_um: 0.0, phases: &phases, weights: &mut weights });
            weights
        };
        let best = filled(&wide, &phases, 0.0);
        for level in Level::available() {
            assert!(of(level).iter().zip(&best).all(|(a, b)| (a - b).abs() < 1e-12), "{level:?}");
        }
        let turned: Vec<f64> = [&phases[40..], &phases[..40]].concat();
        let mut other = program(3, 40, false);
        other.blocks.rotate_left(3);
        other.bank.row_factor.rotate_left(1);
        assert_eq!(filled(&other, &turned, 0.0)[80..], best[..40]);
    }

    /// At the resonance of a ring with little loss the exact values are known: T = ((a r2 - r) / (1 - p))^2 at its middle, and the
    /// drop is half of its peak where 4 p sin^2 = (1 - p)^2.
    #[test]
    fn sharp_resonances() {
        let ring = Ring { a: 1.0, r: 0.99995, r2: 0.99995, backscatter: 0.0 };
        let p = 0.99995f64 * 0.99995;
        let bank = RingProgram::of_rings([1, 1], vec![ring], vec![1.0], vec![1.0]);
        let program = BusProgram::new(bank, SHARED, &[1.55]).unwrap();
        assert!((filled(&program, &[0.0], 0.0)[0] + 1.0).abs() < 1e-15);
        let side = 2.0 * (0.5 * (1.0 - p) / p.sqrt()).asin();
        assert!(filled(&program, &[side], 0.0)[0].abs() < 1e-11);
    }

    #[test]
    fn derivatives_are_those_of_differences() {
        let program = program(2, 19, false);
        let phases = phases(38);
        let weigh = |i: usize| 0.3 + (1.7 * i as f64).cos();
        let gradient = Field { re: (0..38).map(weigh).collect(), im: Vec::new() };
        let mut slopes = vec![0.0; 38];
        program.pull_shifted(&phases, 1e-4, &gradient, &mut slopes);
        let loss = |phases: &[f64]| -> f64 {
            filled(&program, phases, 1e-4).iter().enumerate().map(|(i, w)| weigh(i) * w).sum()
        };
        for i in 0..38 {
            let mut at = phases.clone();
            at[i] += 1e-6;
            let up = loss(&at);
            at[i] -= 2e-6;
            let difference = (up - loss(&at)) / 2e-6;
            assert!(
                (slopes[i] - difference).abs() < 1e-6 * (1.0 + difference.abs()),
                "{i}: {} {difference}",
                slopes[i]
            );
        }
    }
}
