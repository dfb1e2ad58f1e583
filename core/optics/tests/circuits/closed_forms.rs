//! Circuits of the textbooks, written as text, against their formulas.
//!
//! SAX's waveguide, n = neff - (wl - wl0)(ng - neff)/wl0, has the propagation constant
//! b = 2 pi (ng/wl - (ng - neff)/wl0): exactly linear in the frequency, which gives free spectral ranges and
//! wavelengths of resonance in closed form.

use crate::{assert_same, s, spectrum};
use num_complex::Complex64;
use std::f64::consts::{PI, TAU};

const TOLERANCE: f64 = 1e-11;
const WL0: f64 = 1.55;
const NEFF: f64 = 2.34;
const NG: f64 = 4.1;

fn cis(phase: f64) -> Complex64 {
    Complex64::from_polar(1.0, phase)
}

/// Phase of a waveguide.
fn phase(length: f64, wl: f64) -> f64 {
    TAU * length * (NG / wl - (NG - NEFF) / WL0)
}

/// The wavelength at which a waveguide has a phase.
fn wavelength(length: f64, phase: f64) -> f64 {
    NG / (phase / (TAU * length) + (NG - NEFF) / WL0)
}

/// The wavelength near `WL0` at which a ring of this length is off resonance by a phase.
fn near_resonance(length: f64, off: f64) -> f64 {
    let order = (phase(length, WL0) / TAU).round();
    wavelength(length, TAU * order + off)
}

/// A waveguide in text.
fn straight(length: f64, loss_db_cm: f64) -> String {
    format!(
        "{{component: straight, settings: {{length: {length:?}, neff: {NEFF}, ng: {NG}, loss_dB_cm: {loss_db_cm:?}}}}}"
    )
}

/// A coupler in text.
fn coupler(coupling: f64) -> String {
    format!("{{component: coupler_ideal, settings: {{coupling: {coupling:?}}}}}")
}

/// Amplitude that is left of a length, um.
fn amplitude(loss_db_cm: f64, length: f64) -> f64 {
    10f64.powf(-loss_db_cm * length * 1e-4 / 20.0)
}

#[track_caller]
fn near(found: Complex64, expected: Complex64) {
    assert!((found - expected).norm() < TOLERANCE, "{found} is not {expected}");
}

#[track_caller]
fn near_power(found: Complex64, expected: f64) {
    assert!((found.norm_sqr() - expected).abs() < TOLERANCE, "|{found}|^2 = {} is not {expected}", found.norm_sqr());
}

fn sweep() -> Vec<f64> {
    (0..41).map(|k| 1.53 + 0.001 * f64::from(k)).collect()
}

#[test]
fn mach_zehnder_interferometer() {
    let (long, short) = (137.5, 100.0);
    let text = |c0: f64, c1: f64, loss: f64| {
        format!(
            "instances:\n  a: {}\n  l: {}\n  s: {}\n  b: {}\n\
             connections: {{'a,out0': 'l,in0', 'a,out1': 's,in0', 'l,out0': 'b,in0', 's,out0': 'b,in1'}}\n\
             ports: {{in0: 'a,in0', in1: 'a,in1', out0: 'b,out0', out1: 'b,out1'}}\n",
            coupler(c0),
            straight(long, loss),
            straight(short, loss),
            coupler(c1)
        )
    };
    let wl = sweep();
    // Halves: i e^{i mean} (sin, cos; cos, -sin) of half the difference.
    let even = spectrum(&text(0.5, 0.5, 0.0), &wl);
    for (k, &wl) in wl.iter().enumerate() {
        let (p0, p1) = (phase(long, wl), phase(short, wl));
        let (half, common) = ((p0 - p1) / 2.0, Complex64::I * cis((p0 + p1) / 2.0));
        near(s(&even, k, "in0", "out0"), common * half.sin());
        near(s(&even, k, "in0", "out1"), common * half.cos());
        near(s(&even, k, "in1", "out0"), common * half.cos());
        near(s(&even, k, "in1", "out1"), -common * half.sin());
        near(s(&even, k, "in0", "in1"), Complex64::ZERO);
    }
    // Anything else: two amplitudes and their interference.
    let (c0, c1, loss) = (0.31, 0.78, 40.0);
    let uneven = spectrum(&text(c0, c1, loss), &wl);
    for (k, &wl) in wl.iter().enumerate() {
        let difference = phase(long - short, wl);
        let (a, b) = (amplitude(loss, long), amplitude(loss, short));
        let (bar, cross) = (a * ((1.0 - c0) * (1.0 - c1)).sqrt(), b * (c0 * c1).sqrt());
        near_power(s(&uneven, k, "in0", "out0"), bar * bar + cross * cross - 2.0 * bar * cross * difference.cos());
        let (first, last) = (a * ((1.0 - c0) * c1).sqrt(), b * (c0 * (1.0 - c1)).sqrt());
        near_power(s(&uneven, k, "in0", "out1"), first * first + last * last + 2.0 * first * last * difference.cos());
    }
}

fn all_pass(coupling: f64, length: f64, loss: f64) -> String {
    format!(
        "instances: {{c: {}, w: {}}}\nconnections: {{'c,out1': 'w,in0', 'w,out0': 'c,in1'}}\n\
         ports: {{in0: 'c,in0', out0: 'c,out0'}}\n",
        coupler(coupling),
        straight(length, loss)
    )
}

/// Power and phase after W. Bogaerts et al., Laser Photonics Rev. 6, 47 (2012), equations 1 to 3 (there the light
/// in the ring has its sign from another coupler, which turns no power and no phase).
#[test]
fn all_pass_ring() {
    let (coupling, length, loss) = (0.1, 62.8, 30.0);
    let (r, a) = ((1.0f64 - coupling).sqrt(), amplitude(loss, length));
    let wl = sweep();
    let found = spectrum(&all_pass(coupling, length, loss), &wl);
    for (k, &wl) in wl.iter().enumerate() {
        let q = phase(length, wl);
        let detuned = 4.0 * r * a * (q / 2.0).sin().powi(2);
        let transmitted = 1.0 - (1.0 - a * a) * (1.0 - r * r) / ((1.0 - r * a).powi(2) + detuned);
        near_power(s(&found, k, "in0", "out0"), transmitted);
        let turned = PI + q + (r * q.sin()).atan2(a - r * q.cos()) + (r * a * q.sin()).atan2(1.0 - r * a * q.cos());
        near(s(&found, k, "in0", "out0"), transmitted.sqrt() * cis(turned));
    }
    // Critical coupling: nothing is left at resonance, and half of the power at sin(q/2) = (1 - r^2)/(2 r).
    let critical = -200_000.0 * r.log10() / length;
    let half = 2.0 * ((1.0 - r * r) / (2.0 * r)).asin();
    let found =
        spectrum(&all_pass(coupling, length, critical), &[near_resonance(length, 0.0), near_resonance(length, half)]);
    assert!(s(&found, 0, "in0", "out0").norm() < 1e-11);
    near_power(s(&found, 1, "in0", "out0"), 0.5);
}

fn add_drop(couplings: [f64; 2], length: f64, loss: f64) -> String {
    format!(
        "instances:\n  t: {}\n  d: {}\n  l: {}\n  r: {}\n\
         nets: [{{p1: 't,out1', p2: 'r,in0'}}, {{p1: 'd,in1', p2: 'r,out0'}}, {{p1: 'd,out1', p2: 'l,in0'}}, \
         {{p1: 'l,out0', p2: 't,in1'}}]\n\
         ports: {{in: 't,in0', through: 't,out0', add: 'd,in0', drop: 'd,out0'}}\n",
        coupler(couplings[0]),
        coupler(couplings[1]),
        straight(length / 2.0, loss),
        straight(length / 2.0, loss)
    )
}

/// Bogaerts et al., equations 6 and 7: the spectrum, the width of the peak and the free spectral range.
#[test]
fn add_drop_ring() {
    let (couplings, length, loss) = ([0.12, 0.2], 75.0, 8.0);
    let [r1, r2] = couplings.map(|c: f64| (1.0 - c).sqrt());
    let a = amplitude(loss, length);
    // The drop port is at half its peak where 4 r1 r2 a sin^2(q/2) = (1 - r1 r2 a)^2.
    let half = 2.0 * ((1.0 - r1 * r2 * a) / (2.0 * (r1 * r2 * a).sqrt())).asin();
    let mut wl: Vec<f64> = [0.0, half, -half, TAU].map(|off| near_resonance(length, off)).into();
    wl.extend(sweep());
    let found = spectrum(&add_drop(couplings, length, loss), &wl);
    for (k, &wl) in wl.iter().enumerate() {
        let q = phase(length, wl);
        let under = 1.0 - 2.0 * r1 * r2 * a * q.cos() + (r1 * r2 * a).powi(2);
        let through = (r2 * a).powi(2) - 2.0 * r1 * r2 * a * q.cos() + r1 * r1;
        near_power(s(&found, k, "in", "through"), through / under);
        near_power(s(&found, k, "in", "drop"), (1.0 - r1 * r1) * (1.0 - r2 * r2) * a / under);
        near_power(s(&found, k, "add", "through"), (1.0 - r1 * r1) * (1.0 - r2 * r2) * a / under);
        near(s(&found, k, "in", "add"), Complex64::ZERO);
    }
    let drop = |k| s(&found, k, "in", "drop").norm_sqr();
    assert!((drop(1) / drop(0) - 0.5).abs() < 1e-10 && (drop(2) / drop(0) - 0.5).abs() < 1e-10);
    assert!((drop(3) / drop(0) - 1.0).abs() < 1e-10);
    // One free spectral range, c/(ng length), lies between the resonances.
    assert!((1.0 / wl[3] - 1.0 / wl[0] - 1.0 / (NG * length)).abs() < 1e-12);
}

fn cavity(mirrors: [&str; 2], length: f64, loss: f64) -> String {
    format!(
        "instances: {{a: {}, w: {}, b: {}}}\nnets: [{{p1: 'a,out0', p2: 'w,in0'}}, {{p1: 'w,out0', p2: 'b,in0'}}]\n\
         ports: {{in0: 'a,in0', out0: 'b,out0'}}\n",
        mirrors[0],
        straight(length, loss),
        mirrors[1]
    )
}

/// Airy's formulas, for mirrors that conserve energy.
#[test]
fn fabry_perot() {
    let (r1, r2, length, loss) = (0.8f64, 0.65f64, 120.0, 15.0);
    let a = amplitude(loss, length);
    let mirrors = [r1, r2].map(|r| format!("{{component: facet, settings: {{r: {r}}}}}"));
    let wl = sweep();
    let found = spectrum(&cavity(mirrors.each_ref().map(String::as_str), length, loss), &wl);
    let (round, lost) = (r1 * r2 * a * a, (1.0 - r1 * r1) * (1.0 - r2 * r2) * a * a);
    for (k, &wl) in wl.iter().enumerate() {
        let q = phase(length, wl);
        let under = (1.0 - round).powi(2) + 4.0 * round * q.sin().powi(2);
        near_power(s(&found, k, "in0", "out0"), lost / under);
        let over = (r1 - r2 * a * a).powi(2) + 4.0 * r1 * r2 * a * a * q.sin().powi(2);
        near_power(s(&found, k, "in0", "in0"), over / under);
        let series = (0..200).fold(Complex64::ZERO, |sum, n| sum + (round * cis(2.0 * q)).powi(n));
        near(s(&found, k, "in0", "out0"), -lost.sqrt() * cis(q) * series);
    }
    // Equal mirrors without loss let everything through at resonance, and half at the half width.
    let mirror = "{component: facet, settings: {r: 0.9}}";
    let half = ((1.0f64 - 0.81) / (2.0 * 0.9)).asin();
    let at = |off: f64| wavelength(length, PI * (phase(length, WL0) / PI).round() + off);
    let found = spectrum(&cavity([mirror, mirror], length, 0.0), &[at(0.0), at(half), at(PI / 2.0)]);
    near_power(s(&found, 0, "in0", "out0"), 1.0);
    near_power(s(&found, 1, "in0", "out0"), 0.5);
    near_power(s(&found, 2, "in0", "out0"), 1.0 / (1.0 + 4.0 * 0.81 / 0.19f64.powi(2)));
}

/// Four and three free spectral ranges of two rings are the same: there, and only there, is a peak.
#[test]
fn vernier_peak() {
    let (one, other) = (30.0 * WL0 / NEFF, 40.0 * WL0 / NEFF);
    let (couplings, loss) = ([0.08, 0.08], 3.0);
    let rings = [one, other].map(|length| add_drop(couplings, length, loss).replace('\n', "\n    "));
    let text = format!(
        "circuits:\n  one:\n    {}\n  other:\n    {}\ninstances: {{a: one, b: other, l: {}}}\n\
         connections: {{'a,drop': 'l,in0', 'l,out0': 'b,in'}}\nports: {{in: 'a,in', drop: 'b,drop'}}\n",
        rings[0].trim_end(),
        rings[1].trim_end(),
        straight(50.0, 0.0)
    );
    let range = 1.0 / (NG * one);
    let wl: Vec<f64> = [0.0, 3.0, -3.0, 1.0, 2.0, 4.0, 0.37].iter().map(|n| 1.0 / (1.0 / WL0 + n * range)).collect();
    let found = spectrum(&text, &wl);
    let r2 = 1.0 - couplings[0];
    let dropped = |length: f64, wl: f64| {
        let a = amplitude(loss, length);
        let under = (1.0 - r2 * a).powi(2) + 4.0 * r2 * a * (phase(length, wl) / 2.0).sin().powi(2);
        couplings[0] * couplings[1] * a / under
    };
    let power = |k| s(&found, k, "in", "drop").norm_sqr();
    for (k, &wl) in wl.iter().enumerate() {
        near_power(s(&found, k, "in", "drop"), dropped(one, wl) * dropped(other, wl));
    }
    assert!((power(1) / power(0) - 1.0).abs() < 1e-9 && (power(2) / power(0) - 1.0).abs() < 1e-9);
    assert!((3..7).all(|k| power(k) < 0.01 * power(0)), "rings that are alone off resonance");
}

/// `couplers` couplers with a ring between any two.
fn crow(couplings: &[f64], length: f64) -> String {
    let rings = couplings.len() - 1;
    let mut text = String::from("instances:\n");
    for (k, &coupling) in couplings.iter().enumerate() {
        text += &format!("  c{k}: {}\n", coupler(coupling));
    }
    for k in 0..rings {
        text += &format!("  r{k}: {0}\n  l{k}: {0}\n", straight(length / 2.0, 0.0));
    }
    text += "connections:\n";
    for k in 0..rings {
        let next = k + 1;
        text += &format!("  c{k},out1: r{k},in0\n  r{k},out0: c{next},in0\n  c{next},out0: l{k},in0\n");
        text += &format!("  l{k},out0: c{k},in1\n");
    }
    text + &format!("ports: {{in: 'c0,in0', through: 'c0,out0', drop: 'c{rings},out1'}}\n")
}

/// Coupled rings without loss. At resonance through = tanh of the alternating sum of artanh r_k; for equal couplers the
/// drop port follows the Chebyshev polynomials of a periodic stack (P. Yeh, A. Yariv, C. Hong, J. Opt. Soc. Am. 67, 423,
/// 1977): 1/(1 + (r U_n(x) / k)^2), x = sin(q/2)/k, n = number of rings.
#[test]
fn coupled_rings() {
    let length = 60.0;
    for couplings in [&[0.3, 0.08, 0.05, 0.045, 0.055, 0.09, 0.28][..], &[0.1, 0.02], &[0.4, 0.2, 0.3]] {
        let found = spectrum(&crow(couplings, length), &[near_resonance(length, 0.0)]);
        let sum = couplings.iter().rev().fold(0.0, |sum, c| (1.0 - c).sqrt().atanh() - sum);
        near_power(s(&found, 0, "in", "through"), sum.tanh().powi(2));
        near_power(s(&found, 0, "in", "drop"), 1.0 / sum.cosh().powi(2));
    }
    for rings in [1, 2, 5, 12] {
        let coupling: f64 = 0.15;
        let wl: Vec<f64> = (-20..=20).map(|k| near_resonance(length, 0.15 * f64::from(k))).collect();
        let found = spectrum(&crow(&vec![coupling; rings + 1], length), &wl);
        for (k, &wl) in wl.iter().enumerate() {
            let x = (phase(length, wl) / 2.0).sin() / coupling.sqrt();
            let (mut before, mut u) = (0.0, 1.0);
            for _ in 0..rings {
                (before, u) = (u, 2.0 * x * u - before);
            }
            near_power(s(&found, k, "in", "drop"), 1.0 / (1.0 + (1.0 - coupling) / coupling * u * u));
        }
    }
}

fn sagnac(coupling: f64, length: f64, loss: f64) -> String {
    format!(
        "instances: {{c: {}, w: {}}}\nconnections: {{'c,out0': 'w,in0', 'w,out0': 'c,out1'}}\n\
         ports: {{in0: 'c,in0', in1: 'c,in1'}}\n",
        coupler(coupling),
        straight(length, loss)
    )
}

/// A coupler sin^2(x) is a mirror that reflects sin^2(2 x): D. B. Mortimore, J. Lightwave Technol. 6, 1217 (1988).
#[test]
fn sagnac_mirror() {
    let (length, loss) = (200.0, 12.0);
    let wl = sweep();
    for x in [0.2, PI / 4.0, 1.1] {
        let found = spectrum(&sagnac(x.sin().powi(2), length, loss), &wl);
        for (k, &wl) in wl.iter().enumerate() {
            let once = amplitude(loss, length) * cis(phase(length, wl));
            near(s(&found, k, "in0", "in0"), Complex64::I * (2.0 * x).sin() * once);
            near(s(&found, k, "in0", "in1"), (2.0 * x).cos() * once);
            near(s(&found, k, "in1", "in1"), Complex64::I * (2.0 * x).sin() * once);
        }
    }
}

/// Two loop mirrors are a cavity: the same as one of two facets between waveguides.
#[test]
fn cavity_of_loop_mirrors() {
    let (x, length, between) = (0.3f64, 90.0, 55.0);
    let mirror = sagnac(x.sin().powi(2), length, 0.0).replace('\n', "\n    ");
    let loops = format!(
        "circuits:\n  mirror:\n    {}\ninstances: {{a: mirror, w: {}, b: mirror}}\n\
         connections: {{'a,in1': 'w,in0', 'w,out0': 'b,in0'}}\nports: {{in0: 'a,in0', out0: 'b,in1'}}\n",
        mirror.trim_end(),
        straight(between, 0.0)
    );
    // A loop of phase q has r = i sin 2x e^{iq}, t = cos 2x e^{iq}; so has a facet of r = -sin 2x, t = i cos 2x between
    // phases of q/2 - pi/4.
    let facet = format!("{{component: facet, settings: {{r: {:?}}}}}", -(2.0 * x).sin());
    let turn = format!("{{component: phase, settings: {{phi: {:?}}}}}", -PI / 4.0);
    let (half, between) = (straight(length / 2.0, 0.0), straight(between, 0.0));
    let row = [&turn, &half, &facet, &half, &turn, &between, &turn, &half, &facet, &half, &turn];
    let mut facets = String::from("instances:\n");
    row.iter().enumerate().for_each(|(k, part)| facets += &format!("  x{k}: {part}\n"));
    facets += "connections:\n";
    (1..row.len()).for_each(|k| facets += &format!("  x{},out0: x{k},in0\n", k - 1));
    facets += "ports: {in0: 'x0,in0', out0: 'x10,out0'}\n";
    let (found, same) = (spectrum(&loops, &sweep()), spectrum(&facets, &sweep()));
    assert_same(&found, &same, TOLERANCE, || loops.clone());
}

/// A thousand couplers and phase shifters in a row, against the product of their 2x2 matrices.
#[test]
fn two_thousand_instances() {
    let (mut text, mut links) = (String::from("instances:\n"), String::from("connections:\n"));
    let mut column = [Complex64::ONE, Complex64::ZERO];
    for k in 0..1000 {
        let (angle, phi) = (0.3 + 0.001 * f64::from(k), 0.01 * f64::from(k));
        text += &format!("  c{k}: {}\n", coupler(angle.sin().powi(2)));
        text += &format!("  p{k}: {{component: phase, settings: {{phi: {phi:?}}}}}\n");
        links += &format!("  c{k},out0: p{k},in0\n");
        if k > 0 {
            links += &format!("  p{0},out0: c{k},in0\n  c{0},out1: c{k},in1\n", k - 1);
        }
        let [a, b] = column;
        let cross = Complex64::I * angle.sin();
        column = [(angle.cos() * a + cross * b) * cis(phi), cross * a + angle.cos() * b];
    }
    text += &links;
    text += "ports: {in0: 'c0,in0', in1: 'c0,in1', out0: 'p999,out0', out1: 'c999,out1'}\n";
    let found = spectrum(&text, &[WL0]);
    near(s(&found, 0, "in0", "out0"), column[0]);
    near(s(&found, 0, "in0", "out1"), column[1]);
    near(s(&found, 0, "in0", "in1"), Complex64::ZERO);
}
