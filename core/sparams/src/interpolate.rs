//! Values between the samples.

use std::f64::consts::{PI, TAU};

use num_complex::Complex64;

use crate::{Error, LIGHT_UM_HZ, Model, Result};

/// What happens outside of the range of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Extrapolate {
    /// It is an error.
    #[default]
    Error,
    /// The nearest sample holds on; its phase does not run on.
    Nearest,
    /// Nothing comes out.
    Zero,
}

impl Extrapolate {
    /// From its name in a device file: `error`, `nearest` or `zero`.
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "error" => Some(Self::Error),
            "nearest" => Some(Self::Nearest),
            "zero" => Some(Self::Zero),
            _ => None,
        }
    }
}

/// Frequencies this close to the range, relatively, count as its end: they differ from it by rounding only.
const EDGE: f64 = 1e-9;

impl Model {
    /// Writes the matrix at `f_hz` (Hz) to `out`, [to, from] row-major, ports x ports.
    ///
    /// Between two samples magnitude and unwrapped phase are linear in frequency. The phase is unwrapped by the least
    /// turn from sample to sample, after the group delay that a Lumerical file states has been taken out: without one,
    /// samples must be closer than half a turn of phase, as for every table of phases. Where one of two samples is zero
    /// it takes the phase of the other. At a sample its value is met exactly.
    ///
    /// # Errors
    /// A frequency out of range under [`Extrapolate::Error`], or one that is not a positive number.
    ///
    /// # Panics
    /// If `out` does not have ports x ports elements.
    pub fn evaluate(&self, f_hz: f64, extrapolate: Extrapolate, out: &mut [Complex64]) -> Result<()> {
        let square = self.ports.len() * self.ports.len();
        assert_eq!(out.len(), square, "one element for every pair of ports");
        if !(f_hz.is_finite() && f_hz > 0.0) {
            return Err(Error::new(format!("S-parameters at {f_hz} Hz")).expected("a positive, finite frequency"));
        }
        let (first, last) = (self.f_hz[0], self.f_hz[self.samples() - 1]);
        if f_hz < first * (1.0 - EDGE) || f_hz > last * (1.0 + EDGE) {
            match extrapolate {
                Extrapolate::Error => return Err(self.out_of_range(f_hz)),
                Extrapolate::Zero => {
                    out.fill(Complex64::ZERO);
                    return Ok(());
                }
                Extrapolate::Nearest => {}
            }
        }
        let f = f_hz.clamp(first, last);
        let above = self.f_hz.partition_point(|sample| *sample <= f);
        // f >= first, so `above` is at least 1.
        let (low, high) = (above - 1, above.min(self.samples() - 1));
        if self.f_hz[low] == f || low == high {
            out.copy_from_slice(self.sample(low));
            return Ok(());
        }
        let step = self.f_hz[high] - self.f_hz[low];
        let t = (f - self.f_hz[low]) / step;
        for (pair, value) in out.iter_mut().enumerate() {
            *value = between(self.sample(low)[pair], self.sample(high)[pair], TAU * self.delay_s[pair] * step, t);
        }
        Ok(())
    }

    /// As [`Model::evaluate`], at a wavelength in micrometres.
    ///
    /// # Errors
    /// As [`Model::evaluate`].
    ///
    /// # Panics
    /// As [`Model::evaluate`].
    pub fn evaluate_wl(&self, wl_um: f64, extrapolate: Extrapolate, out: &mut [Complex64]) -> Result<()> {
        self.evaluate(LIGHT_UM_HZ / wl_um, extrapolate, out)
    }

    fn out_of_range(&self, f_hz: f64) -> Error {
        let (short, long) = (self.wl_um[self.samples() - 1], self.wl_um[0]);
        Error::new(format!("S-parameters at {:.6} um ({:.6e} Hz) lie outside of the data", LIGHT_UM_HZ / f_hz, f_hz))
            .expected(format!("{short:.6} to {long:.6} um"))
            .help("narrow the wavelengths, supply wider data, or set `extrapolate: nearest` or `zero`")
    }
}

/// The value a share `t` of the way from `a` to `b`, whose phase is expected to grow by `turn`.
fn between(a: Complex64, b: Complex64, turn: f64, t: f64) -> Complex64 {
    let (from, to) = (a.norm(), b.norm());
    let size = from + t * (to - from);
    if size == 0.0 {
        return Complex64::ZERO;
    }
    let phase = match (from > 0.0, to > 0.0) {
        (true, true) => a.arg() + t * (turn + least_turn(b.arg() - a.arg() - turn)),
        (true, false) => a.arg() + t * turn,
        _ => b.arg() - (1.0 - t) * turn,
    };
    Complex64::from_polar(size, phase)
}

/// The same angle in [-pi, pi].
fn least_turn(angle: f64) -> f64 {
    let rest = angle.rem_euclid(TAU);
    if rest > PI { rest - TAU } else { rest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    const TAU_S: f64 = 2.0e-12;

    /// A lossy delay line |S| = 0.9 - slope (f - f0), phase 2 pi tau f + 0.4, on `n` samples from 190 to 200 THz.
    fn line(n: usize) -> Model {
        let f: Vec<f64> = (0..n).map(|k| 190e12 + 10e12 * k as f64 / (n - 1) as f64).collect();
        let s = f.iter().map(|&f| exact(f)).collect();
        Model::from_frequencies(vec!["a".into()], f, s, &Limits::default()).unwrap()
    }

    fn exact(f: f64) -> Complex64 {
        Complex64::from_polar(0.9 - 0.02e-12 * (f - 190e12), TAU * TAU_S * f + 0.4)
    }

    fn at(model: &Model, f: f64) -> Complex64 {
        let mut out = [Complex64::ZERO];
        model.evaluate(f, Extrapolate::Error, &mut out).unwrap();
        out[0]
    }

    fn worst(model: &Model) -> f64 {
        (0..=1000).map(|k| 190e12 + 1e10 * k as f64).map(|f| (at(model, f) - exact(f)).norm()).fold(0.0, f64::max)
    }

    #[test]
    fn a_delay_line_is_met_between_samples() {
        // 2 ps turn the phase by 20 turns over 10 THz: 51 samples are 0.4 turns apart.
        assert!(worst(&line(51)) < 1e-9);
        // 1.33 turns apart the samples alone cannot tell; the stated delay does.
        let mut coarse = line(16);
        assert!(worst(&coarse) > 0.1);
        coarse.delay_s[0] = TAU_S * 0.9;
        assert!(worst(&coarse) < 1e-9);
        let back = coarse.clone().conjugated();
        let f = 193.3e12;
        assert!((at(&back, f) - exact(f).conj()).norm() < 1e-9);
    }

    #[test]
    fn samples_are_met_exactly() {
        let model = line(7);
        for k in 0..7 {
            assert_eq!(at(&model, model.f_hz()[k]), model.sample(k)[0]);
        }
    }

    #[test]
    fn zeros_take_the_phase_of_their_neighbour() {
        let s = vec![Complex64::ZERO, Complex64::I, Complex64::ZERO];
        let model = Model::from_frequencies(vec!["a".into()], vec![1.0, 2.0, 3.0], s, &Limits::default()).unwrap();
        for f in [1.5, 2.5] {
            assert!((at(&model, f) - Complex64::I * 0.5).norm() < 1e-15);
        }
    }

    #[test]
    fn out_of_range_is_an_error_unless_told_otherwise() {
        let model = line(5);
        let mut out = [Complex64::ONE];
        let error = model.evaluate(201e12, Extrapolate::Error, &mut out).unwrap_err().to_string();
        assert!(error.contains("1.491505 um") && error.contains("1.498962 to 1.577855 um"), "{error}");
        model.evaluate(201e12, Extrapolate::Nearest, &mut out).unwrap();
        assert_eq!(out[0], model.sample(4)[0]);
        model.evaluate(189e12, Extrapolate::Nearest, &mut out).unwrap();
        assert_eq!(out[0], model.sample(0)[0]);
        model.evaluate(189e12, Extrapolate::Zero, &mut out).unwrap();
        assert_eq!(out[0], Complex64::ZERO);
        assert!(model.evaluate(200e12 * (1.0 + 1e-12), Extrapolate::Error, &mut out).is_ok(), "rounding");
        for f in [f64::NAN, 0.0, -1.0, f64::INFINITY] {
            assert!(model.evaluate(f, Extrapolate::Nearest, &mut out).is_err());
        }
    }

    #[test]
    fn wavelengths_and_frequencies_agree() {
        let wl = vec![1.5, 1.55, 1.6];
        let s = vec![Complex64::ONE, Complex64::I, -Complex64::ONE];
        let model = Model::from_wavelengths(vec!["a".into()], wl, s, &Limits::default()).unwrap();
        let mut out = [Complex64::ZERO];
        model.evaluate_wl(1.55, Extrapolate::Error, &mut out).unwrap();
        assert_eq!(out[0], Complex64::I);
        // Linear in frequency, not in wavelength.
        let f = 0.5 * (LIGHT_UM_HZ / 1.5 + LIGHT_UM_HZ / 1.55);
        model.evaluate(f, Extrapolate::Error, &mut out).unwrap();
        assert!((out[0] - Complex64::from_polar(1.0, PI / 4.0)).norm() < 1e-12);
    }
}
