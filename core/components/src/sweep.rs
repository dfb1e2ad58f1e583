//! Components at many wavelengths, in vectors. What does not depend on the wavelength is computed once.

use crate::{Component, Real, Sweep, Take, catalogue};
use blackbeam_kernels::{Arch, Task, trig::sin_cos_of};
use std::f64::consts::TAU;

/// Wavelengths that are computed together: what stands between two steps stays in the nearest cache.
const CHUNK: usize = 128;

/// Phase of a waveguide whose index is linear in the wavelength, and a phase besides.
struct Phase {
    wl0: f64,
    neff: f64,
    /// dn/dwl.
    slope: f64,
    length: f64,
    besides: f64,
    factor: f64,
}

impl Phase {
    /// factor (2 pi n length / wl + besides); settings wl0, neff, ng, length.
    fn new(settings: &[f64], besides: f64, factor: f64) -> Self {
        let &[wl0, neff, ng, length, ..] = settings else { unreachable!("as many settings as are described") };
        Phase { wl0, neff, slope: (ng - neff) / wl0, length, besides, factor }
    }

    /// Sines and cosines for one chunk.
    #[inline(always)]
    fn turn<A: Arch>(&self, wl_um: &[f64], sin: &mut [f64], cos: &mut [f64]) {
        let mut angles = [0.0; CHUNK];
        for (angle, wl) in angles.iter_mut().zip(wl_um) {
            let n = self.neff - (wl - self.wl0) * self.slope;
            *angle = self.factor * (TAU * n * self.length / wl + self.besides);
        }
        sin_cos_of::<A>(&angles[..wl_um.len()], sin, cos);
    }
}

/// `straight`, `bend`: settings wl0, neff, ng, length, loss_dB_cm.
pub(crate) fn waveguide(sweep: &Sweep, take: &mut Take) {
    let amplitude = (1e-4 * sweep.settings[4] * sweep.settings[3]).loss_db();
    let phase = Phase::new(sweep.settings, 0.0, 1.0);
    for (chunk, wl_um) in sweep.wl_um.chunks(CHUNK).enumerate() {
        let (mut re, mut im) = ([0.0; CHUNK], [0.0; CHUNK]);
        let (re, im) = (&mut re[..wl_um.len()], &mut im[..wl_um.len()]);
        sweep.level.run(Guide { phase: &phase, amplitude, wl_um, re, im });
        take(0, 1, chunk * CHUNK, re, im);
    }
}

struct Guide<'a> {
    phase: &'a Phase,
    amplitude: f64,
    wl_um: &'a [f64],
    re: &'a mut [f64],
    im: &'a mut [f64],
}

impl Task for Guide<'_> {
    type Output = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        self.phase.turn::<A>(self.wl_um, self.im, self.re);
        self.re.iter_mut().for_each(|v| *v *= self.amplitude);
        self.im.iter_mut().for_each(|v| *v *= self.amplitude);
    }
}

/// `ring_adddrop`.
pub(crate) fn ring_adddrop(sweep: &Sweep, take: &mut Take) {
    let (bus, drop) = (sweep.settings[7], sweep.settings[8]);
    ring(sweep, &catalogue::ring_adddrop::RING_ADDDROP, (bus, drop), take);
}

/// `ring_allpass`.
pub(crate) fn ring_allpass(sweep: &Sweep, take: &mut Take) {
    ring(sweep, &catalogue::ring_allpass::RING_ALLPASS, (sweep.settings[7], 0.0), take);
}

/// A ring that couples to one or two waveguides (`Round` of `catalogue/waveguide.rs`); settings wl0, neff, ng, length,
/// loss_dB_cm, phi, loss_dB.
fn ring(sweep: &Sweep, component: &Component, (bus, drop): (f64, f64), take: &mut Take) {
    let settings = sweep.settings;
    let loss = 1e-4 * settings[4] * settings[3] + settings[6];
    let (a, lost) = (loss.loss_db(), loss.loss_db_complement());
    let kept = |coupling: f64| (1.0 - coupling).sqrt();
    let missing = |coupling: f64| coupling / (1.0 + kept(coupling));
    let (r0, r1) = (kept(bus), kept(drop));
    let line = |x: f64, y: f64, not_y: f64| Line { at_resonance: not_y + y * lost - x, along: y * a };
    let under = line(0.0, r0 * r1, missing(bus) + r0 * missing(drop));
    if under.at_resonance == 0.0 {
        // Nothing leaves the ring: on resonance there is no answer but by definition.
        return one_by_one(sweep, component, take);
    }
    let entries = [
        Passing::Through(line(missing(bus), r1, missing(drop))),
        Passing::Through(line(missing(drop), r0, missing(bus))),
        Passing::Across(-(bus.sqrt() * drop.sqrt() * a.sqrt())),
    ];
    let all_pass = component.settings.len() == 8;
    let phase = Phase::new(settings, settings[5], 0.5);
    for (chunk, wl_um) in sweep.wl_um.chunks(CHUNK).enumerate() {
        let mut parts = [[0.0; CHUNK]; 6];
        sweep.level.run(Rings { phase: &phase, under: &under, entries: &entries, wl_um, parts: &mut parts });
        let mut give = |from, to, k: usize| {
            take(from, to, chunk * CHUNK, &parts[2 * k][..wl_um.len()], &parts[2 * k + 1][..wl_um.len()]);
        };
        if all_pass {
            give(0, 1, 0);
        } else {
            give(0, 2, 0);
            give(1, 3, 1);
            give(0, 3, 2);
            give(1, 2, 2);
        }
    }
}

/// at_resonance + along (1 - e^{iq}).
struct Line {
    at_resonance: f64,
    along: f64,
}

/// What an entry has above D.
enum Passing {
    Through(Line),
    /// This times e^{iq/2}.
    Across(f64),
}

struct Rings<'a> {
    phase: &'a Phase,
    /// D.
    under: &'a Line,
    entries: &'a [Passing; 3],
    wl_um: &'a [f64],
    /// Real and imaginary parts of each entry.
    parts: &'a mut [[f64; CHUNK]; 6],
}

impl Task for Rings<'_> {
    type Output = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let (mut sin, mut cos) = ([0.0; CHUNK], [0.0; CHUNK]);
        let count = self.wl_um.len();
        self.phase.turn::<A>(self.wl_um, &mut sin[..count], &mut cos[..count]);
        let (mut down_re, mut down_im) = ([0.0; CHUNK], [0.0; CHUNK]);
        for i in 0..CHUNK {
            // 1 - e^{iq} = 2 sin(q/2) (sin(q/2) - i cos(q/2)), and 1 / D.
            let (re, im) = (2.0 * sin[i] * sin[i], -2.0 * sin[i] * cos[i]);
            let (re, im) = (self.under.at_resonance + self.under.along * re, self.under.along * im);
            let scale = 1.0 / (re * re + im * im);
            (down_re[i], down_im[i]) = (re * scale, -im * scale);
        }
        let (pairs, _) = self.parts.as_chunks_mut::<2>();
        for (entry, [out_re, out_im]) in self.entries.iter().zip(pairs) {
            for i in 0..CHUNK {
                let (re, im) = match entry {
                    Passing::Through(line) => (
                        line.at_resonance + line.along * (2.0 * sin[i] * sin[i]),
                        line.along * (-2.0 * sin[i] * cos[i]),
                    ),
                    Passing::Across(factor) => (factor * cos[i], factor * sin[i]),
                };
                out_re[i] = re * down_re[i] - im * down_im[i];
                out_im[i] = re * down_im[i] + im * down_re[i];
            }
        }
    }
}

/// The long way, for reciprocal components.
fn one_by_one(sweep: &Sweep, component: &Component, take: &mut Take) {
    let (inputs, outputs) = component.size(sweep.settings).expect("rings have a fixed number of ports");
    for (k, &wl_um) in sweep.wl_um.iter().enumerate() {
        for (from, to, value) in component.entries(sweep.settings, inputs, outputs, wl_um) {
            if from <= to {
                take(from, to, k, &[value.re], &[value.im]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Sweep, tests::Random};
    use blackbeam_kernels::Level;

    /// Each sweep against the equations at each wavelength, and the same bits wherever a wavelength stands.
    #[test]
    fn sweeps_are_the_equations() {
        let mut random = Random(11);
        let wl_um: Vec<f64> = (0..301).map(|k| 1.5 + 0.1 * f64::from(k) / 300.0).collect();
        for component in crate::catalogue().iter().filter(|c| c.sweep.is_some()) {
            assert!(component.dispersive && component.reciprocal, "{}", component.name);
            let sweep = component.sweep.unwrap();
            for try_ in 0..20 {
                let mut settings = random.settings(component);
                if try_ == 0 && component.settings.len() > 7 {
                    // Neither coupled nor lossy.
                    settings[4..].fill(0.0);
                }
                let (inputs, outputs) = component.size(&settings).unwrap();
                let n = inputs + outputs;
                let mut plain: Vec<(f64, f64)> = Vec::new();
                for level in Level::available() {
                    let mut found = vec![(0.0, 0.0); n * n * wl_um.len()];
                    for (first, part) in [(0, &wl_um[..]), (7, &wl_um[7..])] {
                        let at = Sweep { settings: &settings, wl_um: part, level };
                        sweep(&at, &mut |from, to, k, re, im| {
                            for (i, v) in re.iter().copied().zip(im.iter().copied()).enumerate() {
                                let lane = first + k + i;
                                for entry in [to * n + from, from * n + to] {
                                    let known = &mut found[lane * n * n + entry];
                                    assert!(first == 0 || *known == v, "{}: bits depend on the place", component.name);
                                    *known = v;
                                }
                            }
                        });
                    }
                    for (&wl, found) in wl_um.iter().zip(found.chunks(n * n)) {
                        let s = component.matrix(&settings, inputs, outputs, wl);
                        for (found, s) in found.iter().zip(s) {
                            let off = (found.0 - s.re).hypot(found.1 - s.im);
                            // A phase of many turns is rounded in another order.
                            assert!(off < 1e-10, "{} {settings:?} at {wl}: off by {off}, {level:?}", component.name);
                        }
                    }
                    for (found, plain) in found.iter().zip(&plain) {
                        let off = (found.0 - plain.0).hypot(found.1 - plain.1);
                        assert!(off < 1e-12, "{} {settings:?}: {level:?} is off by {off}", component.name);
                    }
                    if level == Level::Plain {
                        plain = found;
                    }
                }
            }
        }
    }
}
