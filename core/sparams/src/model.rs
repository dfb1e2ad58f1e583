//! S-parameters over frequency, checked.

use std::collections::HashSet;

use num_complex::Complex64;

use crate::{Error, Limits, Result};

/// The speed of light, in micrometres times hertz: `f_hz = LIGHT_UM_HZ / wl_um`.
pub const LIGHT_UM_HZ: f64 = 299_792_458.0e6;

/// Bytes of the longest name of a port.
pub(crate) const LONGEST_NAME: usize = 256;

/// Numbers beyond this are refused, so that no square of them overflows.
const LARGEST: f64 = 1e100;

/// S-parameters of a linear component, sampled over frequency.
///
/// `s[(k * ports + to) * ports + from]` is the amplitude that leaves port `to` for a unit amplitude into port `from` at
/// sample `k`; a wave that goes on picks up exp(+i phase). Samples are in ascending order of frequency. All numbers are
/// finite, frequencies positive and distinct, port names distinct.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    pub(crate) ports: Vec<String>,
    pub(crate) f_hz: Vec<f64>,
    pub(crate) wl_um: Vec<f64>,
    pub(crate) s: Vec<Complex64>,
    /// Group delay per (to, from), seconds: phases between samples are unwrapped about exp(+2 pi i delay f).
    pub(crate) delay_s: Vec<f64>,
    /// Pairs (to, from) that the file said nothing about; they are zero.
    pub(crate) missing: Vec<(usize, usize)>,
}

impl Model {
    /// From samples over frequency (Hz, any order); `s` has the shape [samples, ports (to), ports (from)].
    ///
    /// # Errors
    /// Sizes that do not agree or exceed `limits`, numbers that are not finite, frequencies that are not positive or stand twice, a port name
    /// that stands twice or is empty.
    pub fn from_frequencies(ports: Vec<String>, f_hz: Vec<f64>, s: Vec<Complex64>, limits: &Limits) -> Result<Self> {
        let wl_um = f_hz.iter().map(|f| LIGHT_UM_HZ / f).collect();
        Self::new(ports, f_hz, wl_um, s, limits)
    }

    /// From samples over wavelength (micrometres, any order); otherwise as [`Model::from_frequencies`].
    ///
    /// # Errors
    /// As [`Model::from_frequencies`].
    pub fn from_wavelengths(ports: Vec<String>, wl_um: Vec<f64>, s: Vec<Complex64>, limits: &Limits) -> Result<Self> {
        let f_hz = wl_um.iter().map(|wl| LIGHT_UM_HZ / wl).collect();
        Self::new(ports, f_hz, wl_um, s, limits)
    }

    fn new(ports: Vec<String>, f_hz: Vec<f64>, wl_um: Vec<f64>, s: Vec<Complex64>, limits: &Limits) -> Result<Self> {
        let (n, p) = (f_hz.len(), ports.len());
        if n == 0 || p == 0 {
            return Err(Error::new("no S-parameters").expected("at least one sample of at least one port"));
        }
        limits.check(p, n)?;
        if s.len() != n * p * p {
            let expected = format!("{n} samples x {p} x {p} ports = {}", n * p * p);
            return Err(Error::new(format!("{} values", s.len())).expected(expected));
        }
        check_names(&ports)?;
        for (k, (f, wl)) in f_hz.iter().zip(&wl_um).enumerate() {
            if !(f.is_finite() && *f > 0.0 && wl.is_finite() && *wl > 0.0) {
                let what = format!("sample {k} is at {f} Hz ({wl} um)");
                return Err(Error::new(what).expected("a positive, finite frequency"));
            }
        }
        if let Some(at) = s.iter().position(|s| s.norm().is_nan() || s.norm() > LARGEST) {
            let (k, to, from) = (at / (p * p), at / p % p, at % p);
            let what = format!("S({} -> {}) is {} at {} um", ports[from], ports[to], s[at], wl_um[k]);
            return Err(Error::new(what).expected("finite numbers, near 1 or below"));
        }
        let mut model = Self { ports, f_hz, wl_um, s, delay_s: vec![0.0; p * p], missing: Vec::new() };
        model.sort()?;
        Ok(model)
    }

    /// Brings the samples into ascending order of frequency.
    fn sort(&mut self) -> Result<()> {
        let mut order: Vec<usize> = (0..self.f_hz.len()).collect();
        order.sort_by(|&a, &b| self.f_hz[a].total_cmp(&self.f_hz[b]));
        if let Some(w) = order.windows(2).find(|w| self.f_hz[w[0]] == self.f_hz[w[1]]) {
            let (f, wl) = (self.f_hz[w[0]], self.wl_um[w[0]]);
            let what = format!("{f} Hz ({wl} um) stands twice, as samples {} and {}", w[0].min(w[1]), w[0].max(w[1]));
            return Err(Error::new(what).expected("each frequency once").help("remove one of the two"));
        }
        if order.iter().enumerate().all(|(i, &k)| i == k) {
            return Ok(());
        }
        let square = self.ports.len() * self.ports.len();
        self.s = order.iter().flat_map(|&k| &self.s[k * square..(k + 1) * square]).copied().collect();
        self.f_hz = order.iter().map(|&k| self.f_hz[k]).collect();
        self.wl_um = order.iter().map(|&k| self.wl_um[k]).collect();
        Ok(())
    }

    /// The names of the ports, in the order of the rows and columns of the matrices.
    pub fn ports(&self) -> &[String] {
        &self.ports
    }

    /// The number of samples.
    pub fn samples(&self) -> usize {
        self.f_hz.len()
    }

    /// The frequencies of the samples, Hz, ascending.
    pub fn f_hz(&self) -> &[f64] {
        &self.f_hz
    }

    /// The wavelengths of the samples, micrometres, descending (the order of the frequencies).
    pub fn wl_um(&self) -> &[f64] {
        &self.wl_um
    }

    /// The matrix of sample `k`, [to, from] row-major.
    ///
    /// # Panics
    /// If there is no sample `k`.
    pub fn sample(&self, k: usize) -> &[Complex64] {
        let square = self.ports.len() * self.ports.len();
        &self.s[k * square..(k + 1) * square]
    }

    /// Pairs (to, from) of port indices that the file does not give; they are zero. Worth a warning.
    pub fn missing(&self) -> &[(usize, usize)] {
        &self.missing
    }

    /// Conjugates all S-parameters: data of the convention exp(+jwt) (`phase_sign: -1`; RF, network analysers) become
    /// data where a wave that goes on picks up exp(+i phase), and the other way round.
    #[must_use]
    pub fn conjugated(mut self) -> Self {
        self.s.iter_mut().for_each(|s| *s = s.conj());
        self.delay_s.iter_mut().for_each(|d| *d = -*d);
        self
    }

    /// Applies `ports: [..]`. The names the model has, in another order, put its ports in that order; any other names
    /// rename its ports in turn. Where ports carry modes (`name@mode`), one name may be given for each port instead of each port and mode.
    ///
    /// # Errors
    /// A number of names that fits neither, or a name that stands twice.
    pub fn with_ports(mut self, names: &[String]) -> Result<Self> {
        check_names(names)?;
        let count = self.ports.len();
        if names.len() == count {
            let order: Option<Vec<usize>> =
                names.iter().map(|name| self.ports.iter().position(|port| port == name)).collect();
            match order {
                Some(order) => self.reorder(&order),
                None => self.ports = names.to_vec(),
            }
            return Ok(self);
        }
        let mut bases: Vec<&str> = Vec::new();
        for port in &self.ports {
            let base = base(port);
            if !bases.contains(&base) {
                bases.push(base);
            }
        }
        if names.len() != bases.len() {
            let expected = format!("{} names for the ports {}", bases.len(), self.ports.join(", "));
            return Err(Error::new(format!("`ports` has {} names", names.len())).expected(expected));
        }
        let renamed = self.ports.iter().map(|port| {
            let at = bases.iter().position(|b| *b == base(port)).unwrap_or(0);
            format!("{}{}", names[at], &port[base(port).len()..])
        });
        self.ports = renamed.collect();
        Ok(self)
    }

    fn reorder(&mut self, order: &[usize]) {
        let p = self.ports.len();
        let pick = |k: usize, to: usize, from: usize| (k * p + order[to]) * p + order[from];
        let pairs = || (0..p).flat_map(move |to| (0..p).map(move |from| (to, from)));
        self.s = (0..self.samples())
            .flat_map(|k| pairs().map(move |(to, from)| (k, to, from)))
            .map(|(k, to, from)| self.s[pick(k, to, from)])
            .collect();
        self.delay_s = pairs().map(|(to, from)| self.delay_s[pick(0, to, from)]).collect();
        self.ports = order.iter().map(|&old| self.ports[old].clone()).collect();
        let new = |old: usize| order.iter().position(|&o| o == old).unwrap_or(old);
        self.missing = self.missing.iter().map(|&(to, from)| (new(to), new(from))).collect();
    }
}

/// The port of `name@mode`.
fn base(port: &str) -> &str {
    port.split_once('@').map_or(port, |(base, _)| base)
}

fn check_names(names: &[String]) -> Result<()> {
    let mut seen = HashSet::new();
    for name in names {
        if name.trim().is_empty() {
            return Err(Error::new("a port without a name").expected("a name for every port"));
        }
        if name.len() > LONGEST_NAME {
            let what = format!("a port with a name of {} bytes", name.len());
            return Err(Error::new(what).expected(format!("at most {LONGEST_NAME}")));
        }
        if !seen.insert(name) {
            return Err(Error::new(format!("two ports have the name `{name}`")).expected("different names"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// Values that say where they stand: (k, to, from).
    fn marked(ports: &str, f: &[f64]) -> Model {
        let ports = names(ports);
        let p = ports.len();
        let s = (0..f.len() * p * p).map(|i| Complex64::new(i as f64, (i % p) as f64)).collect();
        Model::from_frequencies(ports, f.to_vec(), s, &Limits::default()).unwrap()
    }

    #[test]
    fn samples_are_sorted_with_their_matrices() {
        let up = marked("a b", &[3e14, 1e14, 2e14]);
        assert_eq!(up.f_hz(), [1e14, 2e14, 3e14]);
        assert_eq!(up.sample(0)[0].re, 4.0);
        assert_eq!(up.sample(2)[3].re, 3.0);
        let wl = [1.55, 1.5, 1.6];
        let model =
            Model::from_wavelengths(names("a"), wl.to_vec(), vec![Complex64::ONE; 3], &Limits::default()).unwrap();
        assert_eq!(model.wl_um(), [1.6, 1.55, 1.5], "given wavelengths are kept to the bit");
    }

    #[test]
    fn bad_data_are_refused() {
        let one = Complex64::ONE;
        let make = |ports: &str, f: &[f64], s: Vec<Complex64>| {
            Model::from_frequencies(names(ports), f.to_vec(), s, &Limits::default()).unwrap_err().to_string()
        };
        assert!(make("a", &[], vec![]).contains("no S-parameters"));
        assert!(make("a", &[1.0], vec![one; 2]).contains("2 values"));
        assert!(make("a", &[1.0, 1.0], vec![one; 2]).contains("twice"));
        assert!(make("a", &[-1.0], vec![one]).contains("positive"));
        assert!(make("a", &[1e-320], vec![one]).contains("positive"), "its wavelength overflows");
        assert!(make("a", &[1.0], vec![one * f64::NAN]).contains("finite"));
        assert!(make("a a", &[1.0], vec![one; 4]).contains("`a`"));
        assert!(make(&"a".repeat(300), &[1.0], vec![one]).contains("300 bytes"));
        assert!(make(&"a ".repeat(300), &[1.0], vec![one]).contains("300 ports"));
    }

    #[test]
    fn ports_are_reordered_or_renamed() {
        let swapped = marked("a b", &[1e14]).with_ports(&names("b a")).unwrap();
        assert_eq!(swapped.ports(), names("b a"));
        let re: Vec<f64> = swapped.sample(0).iter().map(|s| s.re).collect();
        assert_eq!(re, [3.0, 2.0, 1.0, 0.0]);
        let renamed = marked("a b", &[1e14]).with_ports(&names("o1 o2")).unwrap();
        assert_eq!((renamed.ports(), renamed.sample(0)[1].re), (&names("o1 o2")[..], 1.0));
        let modes = marked("a@TE a@TM b@TE b@TM", &[1e14]).with_ports(&names("o1 o2")).unwrap();
        assert_eq!(modes.ports(), names("o1@TE o1@TM o2@TE o2@TM"));
        assert!(marked("a b", &[1e14]).with_ports(&names("x")).unwrap_err().to_string().contains("2 names"));
        assert!(marked("a b", &[1e14]).with_ports(&names("x x")).is_err());
    }
}
