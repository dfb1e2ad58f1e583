//! A microring weight bank: w_ij = f(phase_ij), y = W x.
//!
//! All-pass: T = ((a - r)^2 + 4 a r s) / ((1 - a r)^2 + 4 a r s), s = sin^2(phase / 2): the usual formula without its
//! cancellation near resonance. Add-drop, p = a r1 r2: D = (1 - p)^2 + 4 p s, T = ((a r2 - r1)^2 + 4 p s) / D,
//! drop = (1 - r1^2)(1 - r2^2) a / D.
//!
//! Backscatter couples the two senses of rotation, without loss: each round trip mixes them by
//! [[cos b, i sin b], [i sin b, cos b]], sin b being its amplitude. The two supermodes are then rings of phases phase +- b, and
//! what leaves by a port is the mean of their fields: with t(q) = (r1 - a r2 e^{iq}) / (1 - p e^{iq}),
//! T = |t(phase + b) + t(phase - b)|^2 / 4, and likewise for the drop port.

use super::{Field, Generator, bus::BusProgram};
use crate::fabrication::Fabrication;
use blackbeam_kernels::{Arch, Level, Task, trig::sin_cos_of};
use blackbeam_netlist::circuit::{EncodingMode, Environment, MrrBank, Quantity, ReadoutMode, RingWeight};
use blackbeam_plugin::{PluginError, Result, structure};
use num_complex::Complex64;

/// Self-coupling and round-trip transmission stay this far below 1: a lossless uncoupled ring has no answer at resonance.
const BELOW_ONE: f64 = 1e-9;

/// What is fixed of one ring.
pub(super) struct Ring {
    pub a: f64,
    pub r: f64,
    pub r2: f64,
    /// b.
    pub backscatter: f64,
}

/// T = (over + slope s) / (under + slope s), drop = dropped / (under + slope s), s = sin^2(phase / 2).
pub(super) struct Curve {
    pub over: f64,
    pub under: f64,
    pub slope: f64,
    pub dropped: f64,
}

/// The program of a bank: [`RingProgram`] or [`BusProgram`].
pub(super) fn program(
    bank: &MrrBank,
    environment: &Environment,
    encoding: EncodingMode,
    instance: usize,
    fabrication: &Fabrication<'_>,
) -> Result<Box<dyn Generator>> {
    let rings = RingProgram::new(bank, encoding, instance, fabrication)?;
    Ok(match &bank.shared {
        None => Box::new(rings),
        Some(shared) => Box::new(BusProgram::new(rings, *shared, &environment.wavelengths_um)?),
    })
}

/// A compiled weight bank.
pub(crate) struct RingProgram {
    pub(super) rows: usize,
    pub(super) columns: usize,
    weight: RingWeight,
    incoherent: bool,
    pub(super) rings: Vec<Ring>,
    /// scale times the transmission of an output.
    pub(super) row_factor: Vec<f64>,
    pub(super) column_factor: Vec<f64>,
    /// Weights without backscatter; empty where there is some.
    curves: Vec<Curves>,
}

/// Rings that are computed together.
const GROUP: usize = 16;

/// (over + slope s) / (under + slope s), s = sin^2(phase / 2), for some rings side by side: the powers T (all-pass)
/// or the weights T - drop (add-drop).
#[derive(Clone)]
struct Curves {
    over: [f64; GROUP],
    under: [f64; GROUP],
    slope: [f64; GROUP],
    /// Of row and column.
    factor: [f64; GROUP],
}

impl RingProgram {
    pub fn new(bank: &MrrBank, encoding: EncodingMode, instance: usize, fabrication: &Fabrication<'_>) -> Result<Self> {
        let count = bank.rows.checked_mul(bank.columns).filter(|&n| n > 0);
        let count = count.ok_or_else(|| PluginError::settings("mrr_bank: rows and columns must be at least 1"))?;
        let incoherent = encoding == EncodingMode::Intensity;
        let per_decade = if incoherent { 10.0 } else { 20.0 };
        let values = |quantity, nominal| fabrication.values(quantity, instance, &vec![nominal; count]);
        let (a, r) = (values(Quantity::RingA, bank.a)?, values(Quantity::RingR, bank.r)?);
        let backscatter = values(Quantity::RingBackscatter, 0.0)?;
        let r2 = if bank.weight == RingWeight::AddDrop { bank.r2.clamp(0.0, 1.0 - BELOW_ONE) } else { 1.0 };
        let ring = |i: usize| Ring {
            a: a[i].clamp(0.0, 1.0),
            r: r[i].clamp(0.0, 1.0 - BELOW_ONE),
            r2,
            backscatter: backscatter[i].clamp(-1.0, 1.0).asin(),
        };
        let mut row_factor = fabrication.transmission(Quantity::OutputLoss, instance, bank.rows, per_decade)?;
        row_factor.iter_mut().for_each(|f| *f *= bank.scale);
        let mut program = RingProgram {
            rows: bank.rows,
            columns: bank.columns,
            weight: bank.weight,
            incoherent,
            rings: (0..count).map(ring).collect(),
            row_factor,
            column_factor: fabrication.transmission(Quantity::InputLoss, instance, bank.columns, per_decade)?,
            curves: Vec::new(),
        };
        if bank.shared.is_none() && program.rings.iter().all(|ring| ring.backscatter == 0.0) {
            program.curves = (0..count).step_by(GROUP).map(|first| program.curves_of(first)).collect();
        }
        Ok(program)
    }

    /// Add-drop rings lit by powers.
    #[cfg(test)]
    pub fn of_rings(
        [rows, columns]: [usize; 2],
        rings: Vec<Ring>,
        row_factor: Vec<f64>,
        column_factor: Vec<f64>,
    ) -> Self {
        let (weight, incoherent) = (RingWeight::AddDrop, true);
        RingProgram { rows, columns, weight, incoherent, rings, row_factor, column_factor, curves: Vec::new() }
    }

    fn factor(&self, ring: usize) -> f64 {
        self.row_factor[ring / self.columns] * self.column_factor[ring % self.columns]
    }

    /// Those of the rings from `first` on; places without a ring hold zeros.
    fn curves_of(&self, first: usize) -> Curves {
        let zero = [0.0; GROUP];
        let mut curves = Curves { over: zero, under: [1.0; GROUP], slope: zero, factor: zero };
        for (k, ring) in self.rings[first..].iter().take(GROUP).enumerate() {
            let Curve { over, under, slope, dropped } = ring.curve();
            // nothing is dropped by an all-pass ring: its r2 is 1
            (curves.over[k], curves.under[k], curves.slope[k]) = (over - dropped, under, slope);
            curves.factor[k] = self.factor(first + k);
        }
        curves
    }
}

/// All weights of a bank without backscatter.
struct Fill<'a> {
    curves: &'a [Curves],
    weight: RingWeight,
    phases: &'a [f64],
    weights: &'a mut [f64],
}

impl Task for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let groups = self.phases.chunks(GROUP).zip(self.weights.chunks_mut(GROUP)).zip(self.curves);
        for ((phases, weights), curves) in groups {
            let (mut half, mut sin, mut cos, mut out) = ([0.0; GROUP], [0.0; GROUP], [0.0; GROUP], [0.0; GROUP]);
            half[..phases.len()].copy_from_slice(phases);
            half.iter_mut().for_each(|h| *h *= 0.5);
            sin_cos_of::<A>(&half, &mut sin, &mut cos);
            for k in 0..GROUP {
                let s = sin[k] * sin[k];
                out[k] = (curves.over[k] + curves.slope[k] * s) / (curves.under[k] + curves.slope[k] * s);
            }
            match self.weight {
                RingWeight::AddDrop => {}
                RingWeight::AllPassPower => out.iter_mut().for_each(|w| *w = 2.0 * *w - 1.0),
                RingWeight::AllPassAmplitude => out.iter_mut().for_each(|w| *w = 2.0 * w.sqrt() - 1.0),
            }
            out.iter_mut().zip(&curves.factor).for_each(|(w, factor)| *w *= factor);
            weights.copy_from_slice(&out[..weights.len()]);
        }
    }
}

impl Ring {
    /// Powers without backscatter.
    pub fn curve(&self) -> Curve {
        let Ring { a, r, r2, .. } = *self;
        let p = a * r * r2;
        let dropped = (1.0 - r * r) * (1.0 - r2 * r2) * a;
        Curve { over: (a * r2 - r).powi(2), under: (1.0 - p).powi(2), slope: 4.0 * p, dropped }
    }

    /// (through, drop) powers and their derivatives by the phase.
    pub fn powers(&self, phase: f64) -> [(f64, f64); 2] {
        let Ring { a, r, r2, backscatter } = *self;
        let p = a * r * r2;
        let Curve { over, under, slope, dropped } = self.curve();
        if backscatter == 0.0 {
            let (sin, cos) = (0.5 * phase).sin_cos();
            let detuning = slope * sin * sin;
            let slope = slope * sin * cos;
            let d = under + detuning;
            let t = (over + detuning) / d;
            return [(t, slope * (1.0 - t) / d), (dropped / d, -slope * dropped / (d * d))];
        }
        // Mean of the supermodes, and derivatives: t' = i e^{iq} (p r1 - a r2) / (1 - p e^{iq})^2, d' = i p e^{iq} / (..)^2.
        let [mut t, mut dt, mut d, mut dd] = [Complex64::ZERO; 4];
        for q in [phase + backscatter, phase - backscatter] {
            let turn = Complex64::cis(q);
            let inverse = (1.0 - p * turn).inv();
            t += 0.5 * (r - a * r2 * turn) * inverse;
            dt += 0.5 * Complex64::I * turn * (p * r - a * r2) * inverse * inverse;
            d += 0.5 * inverse;
            dd += 0.5 * Complex64::I * p * turn * inverse * inverse;
        }
        let power = |v: Complex64, dv: Complex64, f: f64| (f * v.norm_sqr(), 2.0 * f * (v.conj() * dv).re);
        [power(t, dt, 1.0), power(d, dd, dropped)]
    }

    /// (w, dw/dphase)
    fn weight(&self, phase: f64, weight: RingWeight) -> (f64, f64) {
        let [(t, dt), (d, dd)] = self.powers(phase);
        match weight {
            RingWeight::AllPassPower => (2.0 * t - 1.0, 2.0 * dt),
            RingWeight::AllPassAmplitude => {
                let root = t.sqrt();
                // At the bottom of critical coupling the root has a kink.
                (2.0 * root - 1.0, if root > 0.0 { dt / root } else { 0.0 })
            }
            RingWeight::AddDrop => (t - d, dt - dd),
        }
    }
}

impl Generator for RingProgram {
    fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    fn complex(&self) -> bool {
        false
    }

    fn incoherent(&self) -> bool {
        self.incoherent
    }

    fn structure(&self) -> u64 {
        structure::LOCAL | structure::RECIPROCAL
    }

    fn fill(&self, slots: &[f64], matrix: &mut Field) {
        if !self.curves.is_empty() {
            let Self { curves, weight, .. } = self;
            let weights = &mut matrix.re[..self.rings.len()];
            return Level::best().run(Fill { curves, weight: *weight, phases: slots, weights });
        }
        for (at, (ring, phase)) in self.rings.iter().zip(slots).enumerate() {
            matrix.re[at] = self.factor(at) * ring.weight(*phase, self.weight).0;
        }
    }

    fn pull(&self, slots: &[f64], gradient: &Field, dslots: &mut [f64]) {
        for (at, ring) in self.rings.iter().enumerate() {
            dslots[at] += gradient.re[at] * self.factor(at) * ring.weight(slots[at], self.weight).1;
        }
    }

    fn refuses(&self, encoding: EncodingMode, readout: ReadoutMode) -> Option<&'static str> {
        match (encoding, readout) {
            (EncodingMode::Amplitude, ReadoutMode::Coherent | ReadoutMode::CoherentImag) => {
                Some("the outputs of a weight bank have no phase: use `differential`")
            }
            (EncodingMode::Amplitude, _) => None,
            (
                EncodingMode::Intensity,
                ReadoutMode::Differential | ReadoutMode::CoherentReal | ReadoutMode::Intensity,
            ) => None,
            (EncodingMode::Intensity, _) => {
                Some("a weight bank gives differences of photocurrents: use `differential`")
            }
            _ => Some("a weight bank takes real inputs, one a column: use `amplitude` or `intensity`"),
        }
    }

    fn operations(&self) -> f64 {
        40.0 * self.rings.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(a: f64, r1: f64, r2: f64) -> Ring {
        Ring { a, r: r1, r2, backscatter: 0.0 }
    }

    #[test]
    fn the_textbook_formula() {
        for k in 0..50 {
            let (phase, a, r) = (0.2 * f64::from(k) - 3.0, 0.8, 0.9);
            let c = 2.0 * a * r * phase.cos();
            let t = (a * a - c + r * r) / (1.0 - c + a * a * r * r);
            let all_pass = ring(a, r, 1.0);
            assert!((all_pass.weight(phase, RingWeight::AllPassPower).0 - (2.0 * t - 1.0)).abs() < 1e-12);
            assert!((all_pass.weight(phase, RingWeight::AllPassAmplitude).0 - (2.0 * t.sqrt() - 1.0)).abs() < 1e-12);
            let (r1, r2) = (0.9, 0.85);
            let c = 2.0 * r1 * r2 * a * phase.cos();
            let d = 1.0 - c + (r1 * r2 * a).powi(2);
            let w = (r2 * r2 * a * a - c + r1 * r1 - (1.0 - r1 * r1) * (1.0 - r2 * r2) * a) / d;
            assert!((ring(a, r1, r2).weight(phase, RingWeight::AddDrop).0 - w).abs() < 1e-12);
        }
    }

    #[test]
    fn a_lossless_add_drop_ring_keeps_all_power() {
        for k in 0..40 {
            let phase = 0.17 * f64::from(k);
            let ring = ring(1.0, 0.97, 0.93);
            let [(t, _), (drop, _)] = ring.powers(phase);
            assert!((t + drop - 1.0).abs() < 1e-12);
            // w = T - drop = 2 T - 1
            assert!((ring.weight(phase, RingWeight::AddDrop).0 - (2.0 * t - 1.0)).abs() < 1e-12);
        }
    }

    #[test]
    fn critical_coupling_is_dark_and_stays_accurate() {
        // at resonance T = (a - r)^2 / (1 - a r)^2, zero for a = r; near it T ~ (r phase / (1 - r^2))^2
        let critical = ring(0.99, 0.99, 1.0);
        assert_eq!(critical.weight(0.0, RingWeight::AllPassPower).0, -1.0);
        let phase = 1e-7;
        let t = 0.5 * (critical.weight(phase, RingWeight::AllPassAmplitude).0 + 1.0);
        let expected = 0.99 * phase / (1.0 - 0.99 * 0.99);
        assert!((t - expected).abs() < 1e-9 * expected.max(1e-3), "{t} {expected}");
    }

    /// Scattering in the ring, by hand: the waves of both senses in a ring with a partial mirror in it.
    #[test]
    fn backscatter_splits_the_resonance() {
        let (a, r, r2, b) = (0.95f64, 0.9f64, 0.93f64, 0.2f64);
        for k in 0..30 {
            let phase = 0.21 * f64::from(k) - 3.0;
            // circulating fields u (with) and v (against the light) after the input coupler: u = i k + R [u, v], R = p e^{i phase} M
            let turn = Complex64::from_polar(a * r * r2, phase);
            let (stay, cross) = (turn * b.cos(), turn * Complex64::I * b.sin());
            let u = Complex64::I * (1.0 - r * r).sqrt() * (1.0 - stay) / ((1.0 - stay).powi(2) - cross * cross);
            let drop = u.norm_sqr() * (1.0 - r2 * r2) * a;
            let ring = Ring { a, r, r2, backscatter: b };
            let [(t, dt), (d, dd)] = ring.powers(phase);
            assert!((d - drop).abs() < 1e-12, "{d} {drop}");
            let [(up, _), (dup, _)] = ring.powers(phase + 1e-6);
            let [(down, _), (ddown, _)] = ring.powers(phase - 1e-6);
            assert!((dt - (up - down) / 2e-6).abs() < 1e-7 && (dd - (dup - ddown) / 2e-6).abs() < 1e-7);
            assert!(t <= 1.0 + 1e-12);
        }
        let ring = Ring { a: 0.999, r: 0.99, r2: 0.99, backscatter: 0.2 };
        let [(middle, _), _] = ring.powers(0.0);
        let [(side, _), _] = ring.powers(0.2);
        assert!(side < 0.3 * middle, "two dips beside the middle: {side} {middle}");
    }

    /// In vectors as one by one, for numbers of rings that are no whole vectors; the slope follows at the bottom of a resonance.
    #[test]
    fn vectors_are_single_rings() {
        for weight in [RingWeight::AllPassPower, RingWeight::AllPassAmplitude, RingWeight::AddDrop] {
            for (rows, columns) in [(1, 1), (3, 7), (5, 16), (7, 9)] {
                let r2 = if weight == RingWeight::AddDrop { 0.92 } else { 1.0 };
                let rings = (0..rows * columns).map(|i| ring(0.9 + 1e-3 * i as f64, 0.95 - 1e-3 * i as f64, r2));
                let row_factor = (0..rows).map(|i| 1.0 + 0.1 * i as f64).collect();
                let column_factor = (0..columns).map(|i| 1.0 - 0.01 * i as f64).collect();
                let bank = RingProgram::of_rings([rows, columns], rings.collect(), row_factor, column_factor);
                let mut program = RingProgram { weight, ..bank };
                program.curves = (0..rows * columns).step_by(GROUP).map(|first| program.curves_of(first)).collect();
                let phases: Vec<f64> = (0..rows * columns).map(|i| 0.37 * i as f64 - 3.0).collect();
                let mut matrix = Field::sized(rows * columns, false);
                program.fill(&phases, &mut matrix);
                for (i, found) in matrix.re.iter().enumerate() {
                    let (row, column) = (i / columns, i % columns);
                    let factor = program.row_factor[row] * program.column_factor[column];
                    let expected = factor * program.rings[i].weight(phases[i], weight).0;
                    assert!((found - expected).abs() < 1e-13, "{weight:?} {i}: {found} {expected}");
                }
            }
        }
    }

    #[test]
    fn slopes() {
        for weight in [RingWeight::AllPassPower, RingWeight::AllPassAmplitude, RingWeight::AddDrop] {
            let ring = ring(0.85, 0.9, if weight == RingWeight::AddDrop { 0.92 } else { 1.0 });
            for k in 0..20 {
                let phase = 0.3 * f64::from(k) + 0.05;
                let slope = (ring.weight(phase + 1e-6, weight).0 - ring.weight(phase - 1e-6, weight).0) / 2e-6;
                assert!((ring.weight(phase, weight).1 - slope).abs() < 1e-7);
            }
        }
    }
}
