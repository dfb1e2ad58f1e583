use super::*;

/// Known answers published with Random123 1.14 (`kat_vectors`, philox4x32, 10 rounds).
#[test]
fn known_answers() {
    assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
    assert_eq!(philox4x32([!0; 4], [!0; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    assert_eq!(
        philox4x32([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
        [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
    );
}

#[test]
fn any_element_alone_equals_the_filled_array() {
    let key = Key::new(3).named("test");
    let mut whole = vec![0.0; 37];
    key.fill_normal(5, &mut whole);
    for (i, z) in whole.iter().enumerate() {
        assert_eq!(*z, key.normal(5 + i as u64));
    }
    for cut in 0..12 {
        let mut part = vec![0.0; 20];
        key.fill_normal(cut, &mut part);
        assert_eq!(part[7], key.normal(cut + 7));
    }
}

/// Box-Muller as the standard library does it.
fn by_libm(b: [u32; 4]) -> [f64; 4] {
    let pair = |a: u32, b: u32| {
        let r = (-2.0 * ((f64::from(a) + 0.5) / 4_294_967_296.0).ln()).sqrt();
        let (s, c) = (std::f64::consts::TAU * (f64::from(b) / 4_294_967_296.0)).sin_cos();
        [r * c, r * s]
    };
    let ([z0, z1], [z2, z3]) = (pair(b[0], b[1]), pair(b[2], b[3]));
    [z0, z1, z2, z3]
}

#[test]
fn normals_are_those_of_box_muller() {
    let key = Key::new(12);
    let mut corners = Vec::new();
    // ends and middles of the ranges of both polynomials
    let radii = [0, 1, 2, u32::MAX, u32::MAX - 1, 1 << 31, 3_037_000_499, 3_037_000_500];
    for a in radii {
        corners.extend((0..8u32).flat_map(|k| [0, 1, u32::MAX].map(|d| [a, (k << 29).wrapping_add(d), a, k << 29])));
    }
    for b in corners.into_iter().chain((0..200_000).map(|i| key.block(i))) {
        for (found, expected) in normal::four(b.map(u64::from)).into_iter().zip(by_libm(b)) {
            assert!((found - expected).abs() < 1e-9, "{b:?}: {found} is not {expected}");
        }
    }
    // the farthest that words of 32 bits reach
    let farthest = normal::four([0; 4]);
    assert!((farthest[0] - (66.0 * std::f64::consts::LN_2).sqrt()).abs() < 1e-9 && farthest[1].abs() < 1e-9);
}

/// Kolmogorov-Smirnov against the normal distribution, and how many are far out.
#[test]
fn distribution_of_the_normal_stream() {
    let n = 1 << 20;
    let mut z = vec![0.0; n];
    Key::new(2).fill_normal(1, &mut z);
    z.sort_unstable_by(f64::total_cmp);
    let mut largest = 0.0f64;
    for (i, z) in z.iter().enumerate() {
        let below = 0.5 * erfc(-z * std::f64::consts::FRAC_1_SQRT_2);
        largest = largest.max((below - i as f64 / n as f64).abs()).max((below - (i + 1) as f64 / n as f64).abs());
    }
    // exceeded once in 10^5 samples: 2 exp(-2 n d^2)
    assert!(largest < (1e5f64 * 2.0).ln().sqrt() / (2.0 * n as f64).sqrt(), "{largest}");
    for far in [2.0, 3.0, 4.0, 4.5] {
        let expected = n as f64 * erfc(far * std::f64::consts::FRAC_1_SQRT_2);
        let found = z.iter().filter(|z| z.abs() > far).count() as f64;
        assert!((found - expected).abs() < 5.0 * expected.sqrt(), "{found} beyond {far}, expected {expected}");
    }
}

/// Series of erf for small arguments, continued fraction of erfc for large ones (Abramowitz and Stegun 7.1.5, 7.1.14).
fn erfc(x: f64) -> f64 {
    let root_pi = std::f64::consts::PI.sqrt();
    if x < 0.0 {
        return 2.0 - erfc(-x);
    }
    if x < 3.0 {
        let (mut term, mut sum) = (x, x);
        for k in 1..80 {
            term *= -x * x / f64::from(k);
            sum += term / f64::from(2 * k + 1);
        }
        return 1.0 - 2.0 / root_pi * sum;
    }
    let tail = (1..60).rev().fold(0.0, |tail, k| 0.5 * f64::from(k) / (x + tail));
    (-x * x).exp() / (root_pi * (x + tail))
}

#[test]
fn uniforms_and_signs_in_bulk_are_those_one_by_one() {
    let key = Key::new(8);
    for (first, len) in [(0, 0), (0, 7), (3, 1), (3, 8), (4, 33)] {
        let mut out = vec![0.0; len];
        key.fill_uniform(first, &mut out);
        assert!(out.iter().zip(first..).all(|(u, i)| *u == key.uniform(i) && (0.0..1.0).contains(u)));
        let mut out = vec![1.0; 50 * len];
        key.add_sign(0.5, &mut out);
        assert!(out.iter().zip(0..).all(|(s, i)| *s == 1.0 + 0.5 * key.sign(i)));
    }
}

#[test]
fn moments_of_the_normal_stream() {
    let n = 400_000;
    let mut z = vec![0.0; n];
    Key::new(1).fill_normal(0, &mut z);
    let mean = z.iter().sum::<f64>() / n as f64;
    let variance = z.iter().map(|z| z * z).sum::<f64>() / n as f64;
    let fourth = z.iter().map(|z| z.powi(4)).sum::<f64>() / n as f64;
    // five standard errors each: 1, sqrt 2 and sqrt 96 over sqrt n
    let e = 5.0 / (n as f64).sqrt();
    assert!(mean.abs() < e, "{mean}");
    assert!((variance - 1.0).abs() < 1.42 * e, "{variance}");
    assert!((fourth - 3.0).abs() < 9.8 * e, "{fourth}");
}

#[test]
fn derived_keys_differ() {
    let root = Key::new(7);
    assert_ne!(root.named("a"), root.named("b"));
    assert_ne!(root.with(0), root.with(1));
    assert_ne!(root.with(0).with(1), root.with(1).with(0));
}
