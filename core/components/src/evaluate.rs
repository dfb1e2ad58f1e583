//! What is asked of a component: its matrix, the derivatives, which entries there are.

use crate::{Component, Cx, Dual, Real, Scatter, Sink, Unit};

/// An entry of a scattering matrix: from port, to port, S(from -> to).
pub type Entry<T> = (usize, usize, Cx<T>);

impl<T: Real> Sink<T> for Vec<Entry<T>> {
    fn set(&mut self, from: usize, to: usize, value: Cx<T>) {
        self.push((from, to, value));
    }
}

impl Component {
    /// The entries of S at these settings, each once; the others are zero.
    ///
    /// # Panics
    /// Unless there is one setting for each that the component has, as all functions here.
    pub fn entries(&self, settings: &[f64], inputs: usize, outputs: usize, wl_um: f64) -> Vec<Entry<f64>> {
        let mut entries = Vec::new();
        (self.scatter)(&Scatter { settings, inputs, outputs, wl_um }, &mut entries);
        entries
    }

    /// The entries of S with their derivatives with respect to the setting of index `which`.
    pub fn derivative(
        &self,
        settings: &[f64],
        which: usize,
        inputs: usize,
        outputs: usize,
        wl_um: f64,
    ) -> Vec<Entry<Dual>> {
        let settings: Vec<Dual> =
            settings.iter().enumerate().map(|(i, &v)| Dual { v, d: f64::from(u8::from(i == which)) }).collect();
        let mut entries = Vec::new();
        (self.scatter_dual)(&Scatter { settings: &settings, inputs, outputs, wl_um }, &mut entries);
        entries
    }

    /// S as a whole, (inputs + outputs)^2 numbers: S(from -> to) is at `to * (inputs + outputs) + from`, so that S
    /// times the column of amplitudes that go in is the column of those that come out.
    pub fn matrix(&self, settings: &[f64], inputs: usize, outputs: usize, wl_um: f64) -> Vec<Cx<f64>> {
        let n = inputs + outputs;
        let mut matrix = vec![Cx::real(0.0); n * n];
        for (from, to, value) in self.entries(settings, inputs, outputs, wl_um) {
            matrix[to * n + from] = value;
        }
        matrix
    }

    /// The entries (from, to) that can be other than zero, in order, while the settings marked `varying` move and the
    /// others stay, at the given wavelengths (um; at least one).
    ///
    /// Found by evaluation: an entry is kept if it is not exactly zero at the settings as they are or at one of a few
    /// generic points of the ranges of those that vary. That is right because an entry is an analytic function of the
    /// settings inside their ranges (square roots and divisions have their singularities at the ends): such a function
    /// is zero either everywhere or on a set of measure zero, which points of no special form miss, so what is zero at
    /// all of them is zero for good. Zeros that the equations force (a reflection that is 0 and stays, a coupler that
    /// does not couple) are exact zeros in floating point too. The one other way to an exact zero is underflow far off
    /// a resonance; so the settings as they are, and for components with a `wl0` the wavelength closest to it and `wl0`
    /// moved onto the wavelength, are among the points.
    pub fn pattern(
        &self,
        settings: &[f64],
        varying: &[bool],
        inputs: usize,
        outputs: usize,
        wl_um: &[f64],
    ) -> Vec<(usize, usize)> {
        let center = self.setting("wl0");
        let moves = |i: usize| varying[i] && !matches!(self.settings[i].unit, Unit::Count | Unit::Flag);
        let n = inputs + outputs;
        let mut found = vec![false; n * n];
        for wl in sampled(wl_um, center.map(|i| settings[i])) {
            let mut points = vec![settings.to_vec()];
            if (0..settings.len()).any(moves) {
                points.extend((0..3).map(|sample| {
                    let generic = |i: usize| if moves(i) { self.generic(i, settings[i], sample) } else { settings[i] };
                    (0..settings.len()).map(generic).collect()
                }));
                if let Some(i) = center.filter(|&i| moves(i)) {
                    let mut point = points[1].clone();
                    point[i] = wl;
                    points.push(point);
                }
            }
            for point in points {
                for (from, to, s) in self.entries(&point, inputs, outputs, wl) {
                    found[from * n + to] |= s.re != 0.0 || s.im != 0.0;
                }
            }
        }
        (0..n * n).filter(|&i| found[i]).map(|i| (i / n, i % n)).collect()
    }

    /// A point of no special form inside the range of a setting; near its value where the range has no end.
    fn generic(&self, setting: usize, value: f64, sample: usize) -> f64 {
        // Multiples of the golden ratio and of sqrt 2: no two settings or samples get the same or related fractions.
        let turn = 0.618_033_988_749_895 * (setting as f64 + 1.0) + 0.414_213_562_373_095 * (sample as f64 + 1.0);
        let part = 0.1 + 0.8 * turn.fract();
        match self.settings[setting].range {
            (low, high) if low.is_finite() && high.is_finite() => low + part * (high - low),
            _ if value != 0.0 && value.is_finite() => value * (0.8 + 0.4 * part),
            (low, _) if low.is_finite() => low + part,
            _ => part,
        }
    }
}

/// A few of the wavelengths: evenly spread, and those around the centre of the component. They ascend, as a sweep does;
/// a look at each of them for each of many components would take long.
fn sampled(wl_um: &[f64], center: Option<f64>) -> Vec<f64> {
    const SAMPLES: usize = 5;
    if wl_um.len() <= SAMPLES + 1 {
        return wl_um.to_vec();
    }
    let mut some: Vec<f64> = (0..SAMPLES).map(|i| wl_um[i * (wl_um.len() - 1) / (SAMPLES - 1)]).collect();
    let above = center.map_or(0, |center| wl_um.partition_point(|wl| *wl < center));
    some.extend(&wl_um[above.saturating_sub(1)..wl_um.len().min(above + 1)]);
    some
}
