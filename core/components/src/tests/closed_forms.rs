//! Components against formulas written down independently of them.

use super::{Random, assert_near, cx, near, s};
use crate::Cx;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_2, PI, TAU};

fn polar(amplitude: f64, phase: f64) -> Cx<f64> {
    Cx::cis(phase).scale(amplitude)
}

#[test]
fn waveguides_and_phase_shifters() {
    // Half a dB on 1 mm at 5 dB/cm; at wl0 the phase is 2 pi neff length / wl0.
    let given = [("length", 1000.0), ("loss_dB_cm", 5.0), ("neff", 2.0), ("wl0", 1.6)];
    assert_near(s("straight", &given, 1.6, "in0", "out0"), polar(10f64.powf(-0.5 / 20.0), TAU * 1250.0));
    // Around wl0 the phase falls by 2 pi ng length / wl0^2 per wavelength.
    let phase = |wl: f64| s("straight", &[("ng", 4.2)], wl, "in0", "out0");
    let turn = phase(1.55 + 1e-6) * phase(1.55 - 1e-6).conj();
    assert!((turn.im.atan2(turn.re) / 2e-6 + TAU * 4.2 * 10.0 / (1.55 * 1.55)).abs() < 1e-3);
    assert_near(s("phase", &[("phi", 0.3), ("loss_dB", 20.0)], 1.3, "o2", "o1"), polar(0.1, 0.3));
    assert_near(s("phase_shifter", &[("length", 0.0), ("voltage", 0.5)], 1.55, "o1", "o2"), cx(0.0, 1.0));
    assert_near(s("attenuator", &[("loss_dB", 20.0)], 1.55, "o1", "o2"), cx(0.1, 0.0));
    assert_near(s("attenuator", &[("loss", f64::INFINITY)], 1.55, "o1", "o2"), cx(0.0, 0.0));
    assert_near(s("gain", &[("amplitude", -2.5)], 1.55, "o1", "o2"), cx(-2.5, 0.0));
}

#[test]
fn couplers_splitters_and_mirrors() {
    assert_near(s("coupler_ideal", &[("coupling", 0.36)], 1.55, "o1", "o4"), cx(0.8, 0.0));
    assert_near(s("coupler_ideal", &[("coupling", 0.36)], 1.55, "o1", "o3"), cx(0.0, 0.6));
    let lossy = [("coupling", 0.36), ("loss0_dB", 20.0), ("loss1_dB", 40.0)];
    for (from, to, value) in [
        ("in0", "out0", cx(0.08, 0.0)),
        ("in1", "out0", cx(0.0, 0.06)),
        ("in0", "out1", cx(0.0, 0.006)),
        ("in1", "out1", cx(0.008, 0.0)),
    ] {
        assert_near(s("lossy_coupler", &lossy, 1.55, from, to), value);
        assert_near(s("lossy_coupler", &lossy, 1.55, to, from), value);
    }
    // Half a beat length of the supermodes takes all light across, at -i.
    let beat = [("coupling0", 0.0), ("dn", 0.02), ("length", 1.55 / (2.0 * 0.02))];
    assert_near(s("coupler", &beat, 1.55, "in0", "out1"), cx(0.0, -1.0));
    assert_near(s("coupler", &beat, 1.55, "in0", "out0"), cx(0.0, 0.0));
    assert_near(s("splitter", &[("coupling", 0.36), ("loss_dB", 20.0)], 1.55, "in0", "out0"), cx(0.08, 0.0));
    assert_near(s("splitter", &[("coupling", 0.36), ("loss_dB", 20.0)], 1.55, "out1", "in0"), cx(0.06, 0.0));
    assert_near(s("ybranch", &[("loss_dB", 20.0)], 1.55, "in0", "out1"), cx(0.1 * FRAC_1_SQRT_2, 0.0));
    assert_near(s("facet", &[("r", 0.6)], 1.55, "o1", "o2"), cx(0.0, 0.8));
    assert_near(s("facet", &[("r", 0.6)], 1.55, "o2", "o2"), cx(0.6, 0.0));
    let crossing = [("crosstalk", 0.0625), ("loss_dB", 20.0)];
    assert_near(s("crossing", &crossing, 1.55, "o1", "o3"), cx(0.1 * 0.75f64.sqrt(), 0.0));
    assert_near(s("crossing", &crossing, 1.55, "o1", "o2"), cx(0.0, 0.025));
    assert_near(s("crossing", &crossing, 1.55, "o1", "o4"), cx(0.0, 0.025));
    assert_near(s("crossing", &crossing, 1.55, "o3", "o4"), cx(0.0, 0.025));
    // Half the field at wl0 +- fwhm/2, roughly: the curve is Gaussian in the frequency, and asymmetric in the
    // wavelength.
    let at = |wl: f64| s("mmi1x2", &[("loss_dB", 0.0), ("fwhm", 0.02)], wl, "in0", "out0").re / FRAC_1_SQRT_2;
    assert!((at(1.55) - 1.0).abs() < 1e-15 && (at(1.56) * at(1.54) - 0.25).abs() < 1e-3);
}

/// A general-interference MMI: every guided mode v of the box goes on with its own phase, exp(i pi (v^2 - 1) / N) at
/// the length of the N-fold images; narrow spots at the inputs, modes summed.
#[test]
fn mmi_is_what_its_modes_make() {
    for n in [2usize, 3, 4, 5, 8] {
        let (width, modes, spot) = (n as f64, 2000usize, 0.005);
        let place = |i: usize| (2 * (i / 2)) as f64 + if i % 2 == 1 { 0.31 } else { -0.31 };
        let overlap = |x: f64| -> Vec<f64> {
            let raw: Vec<f64> = (1..modes)
                .map(|v| (PI * v as f64 * x / width).sin() * (-(PI * v as f64 * spot / width).powi(2) / 2.0).exp())
                .collect();
            let norm = raw.iter().map(|a| a * a).sum::<f64>().sqrt();
            raw.iter().map(|a| a / norm).collect()
        };
        let ways = |k: usize, l: usize| {
            // Input k is place k + 1 from the lower side; output l is image s = n - l, counted from the upper side.
            let (from, to) = (overlap(place(k + 1)), overlap(width - place(n - l)));
            (1..modes).fold(cx(0.0, 0.0), |sum, v| {
                let phase = PI * ((v * v - 1) % (2 * n)) as f64 / n as f64;
                sum + polar(from[v - 1] * to[v - 1], phase)
            })
        };
        let given = [("inputs", n as f64), ("outputs", n as f64)];
        let first = ways(0, 0);
        for k in 0..n {
            for l in 0..n {
                let got = s("mmi", &given, 1.55, &format!("in{k}"), &format!("out{l}"));
                let want = ways(k, l) * first.conj().scale((n as f64).sqrt());
                assert!(near(got, want, 1e-6), "{n}: {k} {l} {got:?} {want:?}");
            }
        }
    }
    for (from, to) in [("o1", "o4"), ("o1", "o3"), ("o2", "o4"), ("o2", "o3")] {
        assert_near(s("mmi", &[], 1.55, from, to), s("mmi2x2_ideal", &[], 1.55, from, to));
    }
    assert_near(s("mmi", &[("inputs", 1.0), ("outputs", 4.0)], 1.55, "in0", "out0"), cx(0.5, 0.0));
}

#[test]
fn circulator_turns_clockwise() {
    let given = [("insertion_loss_dB", 20.0), ("isolation_dB", 60.0)];
    for (a, b) in [("o1", "o2"), ("o2", "o3"), ("o3", "o1")] {
        assert_near(s("circulator", &given, 1.55, a, b), cx(0.1, 0.0));
        assert_near(s("circulator", &given, 1.55, b, a), cx(0.001, 0.0));
    }
    assert_near(s("isolator", &given, 1.55, "in0", "out0"), cx(0.1, 0.0));
    assert_near(s("isolator", &given, 1.55, "out0", "in0"), cx(0.001, 0.0));
}

/// T = B P(theta) B P(phi), multiplied out by hand for couplers of one half.
#[test]
fn mzi_is_bpbp() {
    let mut random = Random(3);
    for _ in 0..20 {
        let (theta, phi) = (7.0 * random.next() - 3.0, 7.0 * random.next() - 3.0);
        let t = |k: &str, l: &str| s("mzi", &[("theta", theta), ("phi", phi)], 1.55, k, l);
        let (sin, cos) = (theta / 2.0).sin_cos();
        let common = polar(1.0, theta / 2.0) * cx(0.0, 1.0);
        assert_near(t("in0", "out0"), common * polar(sin, phi));
        assert_near(t("in1", "out0"), common.scale(cos));
        assert_near(t("in0", "out1"), common * polar(cos, phi));
        assert_near(t("in1", "out1"), common.scale(-sin));
        assert_near(t("out1", "in0"), t("in0", "out1"));
        // Three couplers of one half: B P(theta + pi/2) B P(phi - pi/2) B.
        let given = [("theta", theta + FRAC_PI_2), ("phi", phi - FRAC_PI_2)];
        let b = |k: usize, l: usize| if k == l { cx(FRAC_1_SQRT_2, 0.0) } else { cx(0.0, FRAC_1_SQRT_2) };
        for k in 0..2 {
            for l in 0..2 {
                let two = |m: &str| s("mzi", &given, 1.55, m, &format!("out{l}"));
                let want = two("in0") * b(k, 0) + two("in1") * b(k, 1);
                let given = [("theta", theta), ("phi", phi)];
                assert_near(s("mzi3", &given, 1.55, &format!("in{k}"), &format!("out{l}")), want);
            }
        }
    }
    // The first coupler only, the second only: light that does not meet them in order would go elsewhere.
    let off = |c0: f64, c1: f64| s("mzi", &[("coupling0", c0), ("coupling1", c1), ("theta", 1.0)], 1.55, "in0", "out0");
    assert_near(off(0.0, 0.0), polar(1.0, 1.0));
    assert_near(off(1.0, 1.0), cx(-1.0, 0.0));
    let given = [("coupling0", 0.36), ("coupling1", 0.0), ("theta", 1.0)];
    assert_near(s("mzi", &given, 1.55, "in0", "out1"), cx(0.0, 0.6));
    assert_near(s("mzi", &given, 1.55, "in1", "out0"), polar(0.6, 1.0 + FRAC_PI_2));
}

/// Rings as sums over round trips: a coupler_ideal closed by waveguides, term by term.
#[test]
fn rings_are_their_round_trips() {
    let waveguide = [("length", 21.0), ("loss_dB_cm", 900.0), ("ng", 4.2), ("phi", 0.7), ("loss_dB", 0.4)];
    let wl = 1.5632;
    let n = 2.34 - (wl - 1.55) * (4.2 - 2.34) / 1.55;
    let a = 10f64.powf(-(1e-4 * 900.0 * 21.0 + 0.4) / 20.0);
    let half = polar(a.sqrt(), 0.5 * (TAU * n * 21.0 / wl + 0.7));
    let once = half * half;
    let (k0, k1) = (0.3f64, 0.17f64);
    let (r0, r1) = ((1.0 - k0).sqrt(), (1.0 - k1).sqrt());
    let mut allpass = cx(r0, 0.0);
    let (mut thru, mut drop, mut added) = (cx(r0, 0.0), cx(0.0, 0.0), cx(r1, 0.0));
    let (mut single, mut double) = (cx(1.0, 0.0), cx(1.0, 0.0));
    for _ in 0..400 {
        allpass = allpass - single * once.scale(k0);
        thru = thru - double * once.scale(k0 * r1);
        added = added - double * once.scale(k1 * r0);
        drop = drop - double * half.scale((k0 * k1).sqrt());
        single = single * once.scale(r0);
        double = double * once.scale(r0 * r1);
    }
    let with = |more: &[(&'static str, f64)]| [&waveguide[..], more].concat();
    assert_near(s("ring_allpass", &with(&[("coupling", k0)]), wl, "in0", "out0"), allpass);
    let given = with(&[("k0", k0), ("k1", k1)]);
    assert_near(s("ring_adddrop", &given, wl, "in", "thru"), thru);
    assert_near(s("ring_adddrop", &given, wl, "in", "drop"), drop);
    assert_near(s("ring_adddrop", &given, wl, "add", "thru"), drop);
    assert_near(s("ring_adddrop", &given, wl, "add", "drop"), added);
}

/// Near resonance all terms are small differences of 1: at a quality where they are 1e-9, nine digits stay right.
#[test]
fn rings_keep_their_digits_near_resonance() {
    let (coupling, phi) = (1e-9, 3e-10);
    let db = 4e-9;
    let given = [("length", 0.0), ("coupling", coupling), ("phi", phi), ("loss_dB", db)];
    // Expanded to second order in the small numbers: 1 - r = c/2 + c^2/8, 1 - a = x - x^2/2 with x = db ln 10/20.
    let x = db * std::f64::consts::LN_10 / 20.0;
    let (r, lost) = (coupling / 2.0 + coupling * coupling / 8.0, x - x * x / 2.0);
    let turn = cx(phi * phi / 2.0, -phi);
    let over = cx(lost - r, 0.0) + turn.scale(1.0 - lost);
    let under = cx(r + lost - r * lost, 0.0) + turn.scale((1.0 - r) * (1.0 - lost));
    assert_near(s("ring_allpass", &given, 1.55, "in0", "out0"), over / under);
    // Critical coupling: nothing passes on resonance. No coupling, no loss, on resonance: all passes.
    let critical = [("length", 0.0), ("coupling", 0.19), ("loss_dB", -20.0 * 0.9f64.log10())];
    assert_near(s("ring_allpass", &critical, 1.55, "in0", "out0"), cx(0.0, 0.0));
    let none = [("length", 0.0), ("coupling", 0.0)];
    assert_near(s("ring_allpass", &none, 1.55, "in0", "out0"), cx(1.0, 0.0));
    let given = [("length", 0.0), ("k0", 1e-12), ("k1", 1e-12)];
    assert_near(s("ring_adddrop", &given, 1.55, "in", "drop"), cx(-1.0, 0.0));
}

#[test]
fn modulators_and_memory() {
    let pcm =
        [("loss_amorphous_dB", 1.0), ("loss_crystalline_dB", 9.0), ("phase_crystalline", 2.0), ("fraction", 0.25)];
    assert_near(s("pcm_cell", &pcm, 1.55, "o1", "o2"), polar(10f64.powf(-3.0 / 20.0), 0.5));
    let pm = [("voltage", 1.1), ("v_pi", 4.4), ("phi", 0.2), ("loss_dB", 20.0)];
    assert_near(s("phase_modulator", &pm, 1.55, "o1", "o2"), polar(0.1, 0.2 + PI / 4.0));
    // Full, quadrature, null of the finite extinction.
    let mzm = |voltage: f64| {
        s("mzm", &[("voltage", voltage), ("v_pi", 4.0), ("extinction_ratio_dB", 20.0)], 1.55, "o1", "o2")
    };
    assert_near(mzm(0.0), cx(1.0, 0.0));
    assert_near(mzm(4.0), cx(0.0, 0.1));
    assert!((mzm(2.0).norm_sqr() - 0.505).abs() < 1e-12);
    let equal_arms = [("voltage", 1.0), ("extinction_ratio_dB", f64::INFINITY)];
    assert_near(s("mzm", &equal_arms, 1.55, "o1", "o2"), cx(0.0, 0.0));
    // An index that grows by chirp times the absorption: field exp(i k (chirp + i) dn'' L).
    let eam = [("voltage", 2.0), ("absorption1", 3.0), ("absorption2", 0.5), ("chirp", 1.5), ("loss_dB", 2.0)];
    let nepers = 8.0 / (20.0 * std::f64::consts::LOG10_E);
    assert_near(s("eam", &eam, 1.55, "o1", "o2"), polar(10f64.powf(-0.1) * (-nepers).exp(), 1.5 * nepers));
}
