//! What holds for all components at random settings.

use super::{Given, Random, component, cx, near, settings};
use crate::{Component, Cx, Passivity, Unit, catalogue};

const TRIES: usize = 40;

/// Every component at random settings: component, settings, inputs, outputs, wavelength.
fn everywhere(mut check: impl FnMut(&'static Component, &[f64], usize, usize, f64)) {
    let mut random = Random(7);
    for c in catalogue() {
        for _ in 0..TRIES {
            let settings = random.settings(c);
            let (inputs, outputs) = c.size(&settings).unwrap();
            check(c, &settings, inputs, outputs, 1.5 + 0.1 * random.next());
        }
    }
}

#[test]
fn entries_are_given_once_and_are_finite() {
    everywhere(|c, settings, inputs, outputs, wl| {
        let mut entries: Vec<_> = c.entries(settings, inputs, outputs, wl).iter().map(|e| (e.0, e.1)).collect();
        let given = entries.len();
        entries.sort_unstable();
        entries.dedup();
        assert_eq!(entries.len(), given, "{}", c.name);
        let n = inputs + outputs;
        assert!(entries.iter().all(|&(a, b)| a < n && b < n), "{}", c.name);
        let matrix = c.matrix(settings, inputs, outputs, wl);
        assert!(matrix.iter().all(|x| x.re.is_finite() && x.im.is_finite()), "{} {settings:?}", c.name);
    });
}

#[test]
fn reciprocity_is_as_claimed() {
    for c in catalogue().iter().filter(|c| !c.reciprocal) {
        assert!(["isolator", "circulator"].contains(&c.name));
    }
    everywhere(|c, settings, inputs, outputs, wl| {
        let n = inputs + outputs;
        let m = c.matrix(settings, inputs, outputs, wl);
        let symmetric = (0..n).all(|i| (0..n).all(|j| m[i * n + j] == m[j * n + i]));
        assert_eq!(symmetric, c.reciprocal, "{} {settings:?}", c.name);
    });
}

/// Largest singular value of S, by power iteration on S^H S.
fn gain(m: &[Cx<f64>], n: usize) -> f64 {
    let mut x: Vec<Cx<f64>> = (0..n).map(|i| cx(1.0, 0.37 * i as f64)).collect();
    let mut value = 0.0;
    for _ in 0..300 {
        let zero = cx(0.0, 0.0);
        let y: Vec<_> = (0..n).map(|i| (0..n).fold(zero, |s, j| s + m[i * n + j] * x[j])).collect();
        let z: Vec<_> = (0..n).map(|j| (0..n).fold(zero, |s, i| s + m[i * n + j].conj() * y[i])).collect();
        let norm = |v: &[Cx<f64>]| v.iter().map(|c| c.norm_sqr()).sum::<f64>().sqrt();
        value = norm(&y) / norm(&x);
        let scale = norm(&z);
        if scale == 0.0 {
            return value;
        }
        x = z.iter().map(|c| c.scale(1.0 / scale)).collect();
    }
    value
}

#[test]
fn passivity_is_as_claimed() {
    let mut most = std::collections::HashMap::new();
    everywhere(|c, settings, inputs, outputs, wl| {
        let gain = gain(&c.matrix(settings, inputs, outputs, wl), inputs + outputs);
        let most: &mut f64 = most.entry(c.name).or_default();
        *most = most.max(gain);
    });
    for c in catalogue().iter().filter(|c| c.passivity == Passivity::Passive) {
        assert!(most[c.name] <= 1.0 + 1e-9, "{} has gain {}", c.name, most[c.name]);
    }
    let witnesses: &[(&str, Given, f64)] = &[
        ("circulator", &[("isolation_dB", 0.0)], 2.0),
        ("copier", &[("inputs", 1.0), ("outputs", 4.0)], 2.0),
        ("gain", &[("amplitude", -3.0)], 3.0),
        ("grating_coupler", &[("reflection", 1.0), ("reflection_fiber", 1.0)], 2.0),
        ("ideal_probe", &[], 0.5 + 1.25f64.sqrt()),
        ("mirror", &[("reflection", 0.5)], 2f64.sqrt()),
        ("mmi2x2", &[("splitting_ratio_cross", 1.0), ("splitting_ratio_thru", 1.0), ("loss_dB", 0.0)], 2f64.sqrt()),
        ("reflector", &[], 2f64.sqrt()),
        ("unitary", &[("inputs", 4.0), ("outputs", 4.0)], 2.0),
    ];
    for (name, given, expected) in witnesses {
        let c = component(name);
        let settings = settings(c, given);
        let (inputs, outputs) = c.size(&settings).unwrap();
        let gain = gain(&c.matrix(&settings, inputs, outputs, 1.55), inputs + outputs);
        assert!((gain - expected).abs() < 1e-9, "{name}: {gain}");
        assert!(matches!(c.passivity, Passivity::Gain(_)), "{name}");
    }
    let claimed = catalogue().iter().filter(|c| c.passivity != Passivity::Passive).count();
    assert_eq!(claimed, witnesses.len());
}

#[test]
fn lossless_components_are_unitary() {
    let lossless: &[(&str, &[f64])] = &[
        ("straight", &[1.55, 2.3, 4.1, 33.0, 0.0]),
        ("phase", &[0.7, 0.0]),
        ("coupler_ideal", &[0.13]),
        ("lossy_coupler", &[0.6, 0.0, 0.0]),
        ("coupler", &[1.53, 15.0, 0.2, 1.2, 5.3, 0.02, 0.1, 0.4]),
        ("mmi2x2_ideal", &[]),
        ("crossing_ideal", &[]),
        ("crossing", &[0.0, 0.0]),
        ("facet", &[-0.3]),
        ("mirror", &[1.0, 0.0]),
        ("circulator", &[0.0, f64::INFINITY]),
        ("ring_allpass", &[1.55, 2.34, 3.4, 62.0, 0.0, 0.3, 0.0, 0.05]),
        ("ring_adddrop", &[1.55, 2.34, 3.4, 62.0, 0.0, 0.3, 0.0, 0.05, 0.11]),
        ("mzi", &[0.4, 1.3, 0.45, 0.61, 0.0]),
        ("mzi3", &[0.4, 1.3, 0.45, 0.61, 0.5, 0.0]),
        ("passthru", &[4.0]),
        ("unitary", &[3.0, 3.0, 1.0]),
        ("mmi", &[2.0, 2.0, 0.0]),
        ("mmi", &[3.0, 3.0, 0.0]),
        ("mmi", &[8.0, 8.0, 0.0]),
        ("mmi", &[37.0, 37.0, 0.0]),
    ];
    for (name, settings) in lossless {
        let c = component(name);
        let (inputs, outputs) = c.size(settings).unwrap();
        let n = inputs + outputs;
        let m = c.matrix(settings, inputs, outputs, 1.5431);
        for i in 0..n {
            for j in 0..n {
                let sum = (0..n).fold(cx(0.0, 0.0), |s, k| s + m[k * n + i].conj() * m[k * n + j]);
                assert!(near(sum, cx(f64::from(u8::from(i == j)), 0.0), 1e-12), "{name} {i} {j} {sum:?}");
            }
        }
    }
}

/// Fourth-order central differences against the dual numbers: at one step width at least, the two agree.
#[test]
fn derivatives_agree_with_differences() {
    let mut checked = 0;
    everywhere(|c, settings, inputs, outputs, wl| {
        for which in (0..settings.len()).filter(|&i| !matches!(c.settings[i].unit, Unit::Count | Unit::Flag)) {
            let scale = settings[which].abs().max(1e-2);
            let at = |step: f64| {
                let mut moved = settings.to_vec();
                moved[which] += step * scale;
                c.entries(&moved, inputs, outputs, wl)
            };
            let sides = [1e-3, 1e-4, 1e-5, 1e-6].map(|h| (h, [at(h), at(-h), at(2.0 * h), at(-2.0 * h)]));
            let plain = c.entries(settings, inputs, outputs, wl);
            let exact = c.derivative(settings, which, inputs, outputs, wl);
            assert_eq!(exact.len(), plain.len());
            for (i, (from, to, value)) in exact.into_iter().enumerate() {
                assert_eq!(plain[i], (from, to, cx(value.re.v, value.im.v)));
                let derivative = cx(value.re.d, value.im.d);
                let tolerance = 1e-7 * (1.0 / scale + derivative.norm_sqr().sqrt());
                let agrees = sides.iter().any(|(h, [a, b, c, d])| {
                    let narrow = (a[i].2 - b[i].2).scale(4.0 / (6.0 * h * scale));
                    let wide = (c[i].2 - d[i].2).scale(1.0 / (12.0 * h * scale));
                    near(derivative, narrow - wide, tolerance)
                });
                assert!(agrees, "{} d S({from} -> {to}) / d {} at {settings:?}", c.name, c.settings[which].name);
                checked += 1;
            }
        }
    });
    assert!(checked > 5_000);
}

#[test]
fn dispersion_is_as_claimed() {
    let mut moved: Vec<&str> = Vec::new();
    everywhere(|c, settings, inputs, outputs, wl| {
        if c.matrix(settings, inputs, outputs, wl) != c.matrix(settings, inputs, outputs, wl + 0.01) {
            moved.push(c.name);
        }
    });
    for c in catalogue() {
        assert_eq!(moved.contains(&c.name), c.dispersive, "{}", c.name);
    }
}
