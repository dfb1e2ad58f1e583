//! The made-up devices of `tests/fixtures/devices` follow the formulas below. After a change,
//! `UPDATE_FIXTURES=1 cargo test -p blackbeam-sparams --test fixtures` writes the files anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::f64::consts::{LN_2, TAU};
use std::fmt::Write;
use std::path::PathBuf;

use blackbeam_sparams::{Extrapolate, LIGHT_UM_HZ, Limits, read};
use num_complex::Complex64;

const SAMPLES: usize = 201;
const CENTRE_UM: f64 = 1.55;
/// Group delay of the transmission, seconds.
const DELAY_S: f64 = 1.2e-13;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/devices").join(name)
}

/// The file as it stands, after writing `text` to it if the environment asks for that.
fn in_place(name: &str, text: &str) -> String {
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(path(name), text).unwrap();
    }
    std::fs::read_to_string(path(name)).unwrap()
}

/// Equal up to the last digits, in which sine and exponential of platforms may differ.
fn assert_same(left: &str, right: &str) {
    assert_eq!(left.lines().count(), right.lines().count());
    let words = |line: &str| line.split([' ', ',']).map(str::to_owned).collect::<Vec<_>>();
    for (a, b) in left.lines().zip(right.lines()) {
        let (a, b) = (words(a), words(b));
        assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(&b) {
            match (a.parse::<f64>(), b.parse::<f64>()) {
                (Ok(x), Ok(y)) => assert!((x - y).abs() <= 1e-11 * x.abs().max(1.0), "{a} is not {b}"),
                _ => assert_eq!(a, b),
            }
        }
    }
}

/// The ends and the centre of the frequencies, Hz.
fn band() -> (f64, f64, f64) {
    let (low, high) = (LIGHT_UM_HZ / 1.60, LIGHT_UM_HZ / 1.50);
    (low, high, 0.5 * (low + high))
}

/// Magnitude and angle from waveguide (port 1) to fibre (port 2) and back: 3 dB loss, a Gaussian of 40 nm (full width
/// at half maximum of power), 0.12 ps group delay with a little curvature. The angle lacks the group delay.
fn transmission(f: f64) -> (f64, f64) {
    let (_, _, centre) = band();
    let sigma = 0.040 / (2.0 * (2.0 * LN_2).sqrt());
    let detuning = LIGHT_UM_HZ / f - CENTRE_UM;
    let size = 10f64.powf(-3.0 / 20.0) * (-detuning * detuning / (4.0 * sigma * sigma)).exp();
    (size, 0.7 + 400.0 * (f / centre - 1.0).powi(2))
}

/// Back into the waveguide: 5 % of the amplitude with fringes of 2 THz, 0.4 ps.
fn reflection(f: f64) -> (f64, f64) {
    let offset = f - band().2;
    (0.05 * (1.0 + 0.5 * (TAU * offset / 2e12).cos()), -2.0 + TAU * 4e-13 * offset)
}

/// Back into the fibre: 3 % of the amplitude.
fn fibre_reflection(_f: f64) -> (f64, f64) {
    (0.03, 0.5)
}

fn block(out: &mut String, to: u8, from: u8, delay: &str, s: impl Fn(f64) -> (f64, f64)) {
    let (low, high, _) = band();
    writeln!(out, "(\"port {to}\",\"TE\",1,\"port {from}\",1,\"transmission\"{delay})\n({SAMPLES},3)").unwrap();
    for k in 0..SAMPLES {
        let f = low + (high - low) * k as f64 / (SAMPLES - 1) as f64;
        let (size, angle) = s(f);
        writeln!(out, "{f:.15e} {size:.12e} {angle:.12e}").unwrap();
    }
}

#[test]
fn grating_coupler_follows_its_formula() {
    let mut text = "[\"port 1\",\"LEFT\"]\n[\"port 2\",\"RIGHT\"]\n".to_owned();
    let delay = format!(",{DELAY_S:e}");
    block(&mut text, 1, 1, "", reflection);
    block(&mut text, 2, 1, &delay, transmission);
    block(&mut text, 1, 2, &delay, transmission);
    block(&mut text, 2, 2, "", fibre_reflection);
    assert_same(&in_place("gc_te1550.dat", &text), &text);

    let model = read(&path("gc_te1550.dat"), None, &[], &Limits::default()).unwrap();
    let model = model.with_ports(&["o1".to_owned(), "o2".to_owned()]).unwrap();
    assert!(model.missing().is_empty() && model.passivity().excess() < 0.0);
    assert_eq!(model.reciprocity().difference, 0.0);
    let mut s = [Complex64::ZERO; 4];
    for wl in [1.52, 1.537, 1.55, 1.5712, 1.58] {
        model.evaluate_wl(wl, Extrapolate::Error, &mut s).unwrap();
        let f = LIGHT_UM_HZ / wl;
        let whole =
            |(size, angle): (f64, f64), delay: f64| Complex64::from_polar(size, angle + TAU * delay * (f - band().2));
        let exact = [
            whole(reflection(f), 0.0),
            whole(transmission(f), DELAY_S),
            whole(transmission(f), DELAY_S),
            whole(fibre_reflection(f), 0.0),
        ];
        for (s, exact) in s.iter().zip(exact) {
            // Straight lines between 201 samples miss the curve by this much.
            assert!((s - exact).norm() < 1e-4, "{wl}: {s} is not {exact}");
        }
    }
}

#[test]
fn phase_table_follows_its_formula() {
    // Gray level g of 256, u = g / 255: phase = 2 pi (u + 0.15 u (1 - u)), rising, 0 to 2 pi, at most 0.236 off the line.
    let mut text = "gray,phase\n".to_owned();
    for gray in 0..256 {
        let u = f64::from(gray) / 255.0;
        writeln!(text, "{gray},{:.15}", TAU * (u + 0.15 * u * (1.0 - u))).unwrap();
    }
    let file = in_place("lut.csv", &text);
    assert_same(&file, &text);
    let phases: Vec<f64> = file.lines().skip(1).map(|line| line.split_once(',').unwrap().1.parse().unwrap()).collect();
    assert!(phases.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!((phases[0], phases[255]), (0.0, TAU));
}
