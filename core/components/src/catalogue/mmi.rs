//! `mmi`: an NxM multimode interference coupler.

use crate::setting::LOSS_DB;
use crate::{Component, Cx, Dual, Ports, Real, Scatter, Setting, Sink, Unit};
use std::f64::consts::PI;

/// An ideal NxM multimode interference coupler (general interference).
pub static MMI: Component = Component {
    name: "mmi",
    aliases: &["mmi_nxm"],
    settings: &[
        Setting::new("inputs", 2.0, Unit::Count, (0.0, 1024.0), "number of inputs").or(&["num_inputs"]),
        Setting::new("outputs", 2.0, Unit::Count, (0.0, 1024.0), "number of outputs").or(&["num_outputs"]),
        LOSS_DB,
    ],
    ports: Ports::Counted { inputs: "inputs", outputs: "outputs" },
    summary: "An ideal NxM multimode interference coupler (general interference)",
    equations: "N = max(inputs, outputs), r = k + 1, s = N - l\n\
             S(in_k -> out_l) = 10^(-loss_dB / 20) exp(i (f(r, s) - f(1, N))) / sqrt N\n\
             f(r, s) = pi + pi (s - r)(2 N + r - s) / (4 N)    for r + s even\n\
             f(r, s) = pi (r + s - 1)(2 N - r - s + 1) / (4 N)  for r + s odd",
    notes: "2x2 is mmi2x2_ideal. Where inputs and outputs differ, the ports left out of the NxN device \
            absorb.",
    source: "M. Bachmann, P. A. Besse, H. Melchior, Appl. Opt. 33, 3905 (1994): the N-fold images at the \
             length (2 N - 1) 3 L_pi / N",
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    let n = at.inputs.max(at.outputs);
    let amplitude = at.settings[2].loss_db() * T::of(1.0 / (n as f64).sqrt());
    for k in 0..at.inputs {
        for l in 0..at.outputs {
            // Whole turns are taken off in integers: the phases stay exact for many ports.
            let steps = (image(n, k + 1, n - l) + 8 * n - image(n, 1, n) % (8 * n)) % (8 * n);
            let phase = PI * steps as f64 / (4 * n) as f64;
            s.both(k, at.inputs + l, Cx::cis(T::of(phase)).scale(amplitude));
        }
    }
}

/// f(from, to), both counted from 1, as a multiple of pi/(4 n). For an even difference d the sign of 2 n d
/// makes whole turns only, so that |d| does.
fn image(n: usize, from: usize, to: usize) -> usize {
    let (sum, apart) = (from + to, from.abs_diff(to));
    if sum % 2 == 0 { 4 * n + apart * (2 * n - apart) } else { (sum - 1) * (2 * n + 1 - sum) }
}
