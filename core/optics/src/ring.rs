//! A microring weight bank: w_ij = f(phase_ij), y = W x.
//!
//! All-pass: T = ((a - r)^2 + 4 a r s) / ((1 - a r)^2 + 4 a r s), s = sin^2(phase / 2): the usual formula without its
//! cancellation near resonance. Add-drop, p = a r1 r2: D = (1 - p)^2 + 4 p s, T = ((a r2 - r1)^2 + 4 p s) / D,
//! drop = (1 - r1^2)(1 - r2^2) a / D.

use crate::{
    fabrication::Fabrication,
    program::{Field, Need, Place, Program},
};
use blackbeam_netlist::circuit::{EncodingMode, MrrBank, ParameterKind, Quantity, ReadoutMode, RingWeight};
use blackbeam_plugin::{PluginError, Result, structure};

/// Self-coupling and round-trip transmission stay this far below 1: a lossless uncoupled ring has no answer at resonance.
const BELOW_ONE: f64 = 1e-9;

/// What is fixed of one ring: T = (through + four_p s) / (closed + four_p s), and the drop port's share drop / (closed +
/// four_p s).
struct Ring {
    /// 4 a r (all-pass) or 4 a r1 r2.
    four_p: f64,
    /// (a - r)^2 or (a r2 - r1)^2.
    through: f64,
    /// (1 - p)^2.
    closed: f64,
    /// (1 - r1^2)(1 - r2^2) a.
    drop: f64,
}

/// A compiled weight bank.
pub(crate) struct RingProgram {
    rows: usize,
    columns: usize,
    weight: RingWeight,
    incoherent: bool,
    rings: Vec<Ring>,
    /// scale times the transmission of an output.
    row_factor: Vec<f64>,
    column_factor: Vec<f64>,
}

impl RingProgram {
    pub fn new(bank: &MrrBank, encoding: EncodingMode, fabrication: &Fabrication) -> Result<Self> {
        let count = bank.rows.checked_mul(bank.columns).filter(|&n| n > 0);
        let count = count.ok_or_else(|| PluginError::settings("mrr_bank: rows and columns must be at least 1"))?;
        let incoherent = encoding == EncodingMode::Intensity;
        let per_decade = if incoherent { 10.0 } else { 20.0 };
        let bound = |mut values: Vec<f64>| {
            values.iter_mut().for_each(|v| *v = v.clamp(0.0, 1.0 - BELOW_ONE));
            values
        };
        let a = fabrication.values(Quantity::RingA, &vec![bank.a; count])?;
        let r = bound(fabrication.values(Quantity::RingR, &vec![bank.r; count])?);
        let r2 = if bank.weight == RingWeight::AddDrop { bank.r2.clamp(0.0, 1.0 - BELOW_ONE) } else { 1.0 };
        let ring = |(a, r): (&f64, &f64)| {
            let (a, r) = (a.clamp(0.0, 1.0), *r);
            let p = a * r * r2;
            Ring {
                four_p: 4.0 * p,
                through: (a * r2 - r).powi(2),
                closed: (1.0 - p).powi(2),
                drop: (1.0 - r * r) * (1.0 - r2 * r2) * a,
            }
        };
        let mut row_factor = fabrication.transmission(Quantity::OutputLoss, bank.rows, per_decade)?;
        row_factor.iter_mut().for_each(|f| *f *= bank.scale);
        Ok(RingProgram {
            rows: bank.rows,
            columns: bank.columns,
            weight: bank.weight,
            incoherent,
            rings: a.iter().zip(&r).map(ring).collect(),
            row_factor,
            column_factor: fabrication.transmission(Quantity::InputLoss, bank.columns, per_decade)?,
        })
    }
}

impl Ring {
    fn weight(&self, phase: f64, weight: RingWeight) -> f64 {
        let s = (0.5 * phase).sin();
        let detuning = self.four_p * s * s;
        let d = self.closed + detuning;
        let through = (self.through + detuning) / d;
        match weight {
            RingWeight::AllPassPower => 2.0 * through - 1.0,
            RingWeight::AllPassAmplitude => 2.0 * through.sqrt() - 1.0,
            RingWeight::AddDrop => through - self.drop / d,
        }
    }
}

impl Program for RingProgram {
    fn needs(&self) -> Vec<Need> {
        vec![Need { kind: ParameterKind::RingPhase, count: self.rings.len() }]
    }

    fn place(&self, _: ParameterKind, index: usize) -> Place {
        bank_place(index, self.columns)
    }

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

    fn fill(&self, phases: &[f64], matrix: &mut Field) {
        for (i, factor) in self.row_factor.iter().enumerate() {
            let row = i * self.columns..(i + 1) * self.columns;
            let rings = self.rings[row.clone()].iter().zip(&phases[row.clone()]).zip(&self.column_factor);
            for (w, ((ring, phase), column)) in matrix.re[row].iter_mut().zip(rings) {
                *w = factor * column * ring.weight(*phase, self.weight);
            }
        }
    }

    fn refuses(&self, encoding: EncodingMode, readout: ReadoutMode) -> Option<&'static str> {
        match (encoding, readout) {
            (EncodingMode::Complex, _) => Some("a weight bank takes no complex inputs: use `amplitude` or `intensity`"),
            (_, ReadoutMode::Coherent | ReadoutMode::CoherentImag) => {
                Some("the outputs of a weight bank have no phase: use `differential`")
            }
            _ => None,
        }
    }
}

/// Place on a rectangular grid.
pub(crate) fn bank_place(index: usize, columns: usize) -> Place {
    let (row, column) = ((index / columns) as u32, (index % columns) as u32);
    Place { row, column, along: column, across: row }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(a: f64, r1: f64, r2: f64) -> Ring {
        let p = a * r1 * r2;
        Ring {
            four_p: 4.0 * p,
            through: (a * r2 - r1).powi(2),
            closed: (1.0 - p).powi(2),
            drop: (1.0 - r1 * r1) * (1.0 - r2 * r2) * a,
        }
    }

    #[test]
    fn the_textbook_formula() {
        for k in 0..50 {
            let (phase, a, r) = (0.2 * f64::from(k) - 3.0, 0.8, 0.9);
            let c = 2.0 * a * r * phase.cos();
            let t = (a * a - c + r * r) / (1.0 - c + a * a * r * r);
            let all_pass = ring(a, r, 1.0);
            assert!((all_pass.weight(phase, RingWeight::AllPassPower) - (2.0 * t - 1.0)).abs() < 1e-12);
            assert!((all_pass.weight(phase, RingWeight::AllPassAmplitude) - (2.0 * t.sqrt() - 1.0)).abs() < 1e-12);
            let (r1, r2) = (0.9, 0.85);
            let c = 2.0 * r1 * r2 * a * phase.cos();
            let d = 1.0 - c + (r1 * r2 * a).powi(2);
            let w = (r2 * r2 * a * a - c + r1 * r1 - (1.0 - r1 * r1) * (1.0 - r2 * r2) * a) / d;
            assert!((ring(a, r1, r2).weight(phase, RingWeight::AddDrop) - w).abs() < 1e-12);
        }
    }

    #[test]
    fn a_lossless_add_drop_ring_keeps_all_power() {
        for k in 0..40 {
            let phase = 0.17 * f64::from(k);
            let ring = ring(1.0, 0.97, 0.93);
            let s = (0.5 * phase).sin().powi(2);
            let d = ring.closed + ring.four_p * s;
            assert!(((ring.through + ring.four_p * s + ring.drop) / d - 1.0).abs() < 1e-12);
            // w = T - drop = 2 T - 1
            let t = (ring.through + ring.four_p * s) / d;
            assert!((ring.weight(phase, RingWeight::AddDrop) - (2.0 * t - 1.0)).abs() < 1e-12);
        }
    }

    #[test]
    fn critical_coupling_is_dark_and_stays_accurate() {
        // at resonance T = (a - r)^2 / (1 - a r)^2, zero for a = r; near it T ~ (r phase / (1 - r^2))^2
        let critical = ring(0.99, 0.99, 1.0);
        assert_eq!(critical.weight(0.0, RingWeight::AllPassPower), -1.0);
        let phase = 1e-7;
        let t = 0.5 * (critical.weight(phase, RingWeight::AllPassAmplitude) + 1.0);
        let expected = 0.99 * phase / (1.0 - 0.99 * 0.99);
        assert!((t - expected).abs() < 1e-9 * expected.max(1e-3), "{t} {expected}");
    }
}
