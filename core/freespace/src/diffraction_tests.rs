//! Propagation against closed forms.

use crate::testing::*;
use crate::{Chain, Element, Grid, Method, Shift};
use num_complex::Complex64;
use std::f64::consts::{PI, TAU};

fn free(distance_um: f64, method: Method, pad: usize) -> Element {
    Element::Propagate { distance_um, method, pad }
}

fn grid(rows: usize, cols: usize, pitch_um: [f64; 2]) -> Grid {
    Grid { rows, cols, pitch_um }
}

/// All angles of these planes pass the band limit: nothing may be lost.
#[test]
fn power_is_kept() {
    let mut noise = Noise(1);
    for (rows, cols) in [(16, 16), (15, 9), (1, 7), (12, 31)] {
        let g = grid(rows, cols, [8.0, 6.0]);
        let input = noise.field(g.pixels());
        let screen = Element::Screen { phase: noise.normals(g.pixels()) };
        let misalign = Shift { x_um: 11.0, y_um: -7.0 };
        for element in [
            free(12.0, Method::AngularSpectrum, 1),
            free(12.0, Method::Fresnel, 1),
            free(12.0, Method::Matrix, 1),
            free(1e6, Method::Fraunhofer, 3),
            Element::Lens { focal_um: 1e5, misalign },
            screen,
        ] {
            let output = pass(g, vec![element.clone()], &input);
            assert!((power(&output) / power(&input) - 1.0).abs() < 1e-12, "{element:?} on {rows} x {cols}");
        }
    }
}

#[test]
fn transforms_agree_with_the_matrix() {
    let mut noise = Noise(2);
    for (rows, cols, pad, z) in [(8, 8, 1, 100.0), (5, 7, 2, 300.0), (6, 3, 3, 40.0), (1, 9, 2, 500.0), (7, 6, 2, 0.2)]
    {
        let g = grid(rows, cols, [1.5, 0.3]);
        let input = noise.field(g.pixels());
        let fast = pass(g, vec![free(z, Method::AngularSpectrum, pad)], &input);
        let matrix = pass(g, vec![free(z, Method::Matrix, pad)], &input);
        assert!(distance(&fast, &matrix) < 1e-12, "{rows} x {cols}: {}", distance(&fast, &matrix));
        // Behind a lens, where planes are stored by columns, on displaced pixels.
        let camera =
            crate::Camera { misalign: Shift { x_um: 0.4, y_um: 0.1 }, ..crate::Camera::new([rows, cols], [1, 1]) };
        let behind = |method| vec![lens(10.0), free(z, method, pad), Element::Camera(camera.clone())];
        let (fast, matrix) =
            (pass(g, behind(Method::AngularSpectrum), &input), pass(g, behind(Method::Matrix), &input));
        assert!(distance(&fast, &matrix) < 1e-12, "{rows} x {cols} behind a lens");
    }
}

/// exp(i k z) in the direction of the light, decay of what is finer than a wavelength, by a single spatial frequency.
#[test]
fn plane_waves_keep_their_dispersion() {
    let g = grid(1, 64, [0.2; 2]);
    for (bin, z) in [(0, 3.3), (5, 3.3), (19, 1.0), (24, 0.3)] {
        let u = bin as f64 / 12.8;
        let input = sample(g, |x, _| Complex64::cis(TAU * u * x));
        let output = pass(g, vec![free(z, Method::AngularSpectrum, 1)], &input);
        let w2 = WL.powi(-2) - u * u;
        let expected = match w2 > 0.0 {
            true => Complex64::cis(TAU * z * w2.sqrt()),
            false => Complex64::from((-TAU * z * (-w2).sqrt()).exp()),
        };
        assert_eq!(w2 > 0.0, bin < 20);
        assert!(output.iter().zip(&input).all(|(o, i)| (o - i * expected).norm() < 1e-12), "bin {bin}");
    }
}

/// Matsushima and Shimobaba 2009, eq. 13: |u| < 1 / (wl sqrt((2 z / S)^2 + 1)).
#[test]
fn the_band_limit_is_matsushimas() {
    let (g, z, size) = (grid(1, 64, [1.0; 2]), 150.0, 64.0_f64);
    let limit = 1.0 / (WL * ((2.0 * z / size).powi(2) + 1.0).sqrt());
    for bin in 0..32 {
        let u = f64::from(bin) / size;
        let input = sample(g, |x, _| Complex64::cis(TAU * u * x));
        let output = pass(g, vec![free(z, Method::AngularSpectrum, 1)], &input);
        let expected = if u < limit { 64.0 } else { 0.0 };
        assert!((power(&output) - expected).abs() < 1e-9, "bin {bin}");
    }
    let chain = Chain::new(g, vec![free(z, Method::AngularSpectrum, 1)], WL).unwrap();
    assert!(chain.notes()[0].message.contains("steeper than 2.0"), "{:?}", chain.notes());
    let near = Chain::new(g, vec![free(10.0, Method::AngularSpectrum, 1)], WL).unwrap();
    assert!(near.notes().is_empty());
}

fn gaussian(x: f64, y: f64, z: f64, w0: f64) -> Complex64 {
    let (k, zr) = (TAU / WL, PI * w0 * w0 / WL);
    let w = w0 * (1.0 + (z / zr).powi(2)).sqrt();
    let r2 = x * x + y * y;
    let curvature = z / (z * z + zr * zr);
    (w0 / w) * (-r2 / (w * w)).exp() * Complex64::cis((k * z) % TAU + 0.5 * k * r2 * curvature - (z / zr).atan())
}

/// Width, curvature and Gouy phase of a Gaussian beam (Siegman, Lasers, ch. 17), and Fresnel's approximation.
#[test]
fn gaussian_beams() {
    let (g, w0) = (grid(128, 160, [8.0, 7.0]), 60.0);
    let input = sample(g, |x, y| gaussian(x, y, 0.0, w0));
    for z in [5000.0, PI * w0 * w0 / WL, 30000.0] {
        let expected = sample(g, |x, y| gaussian(x, y, z, w0));
        let fresnel = pass(g, vec![free(z, Method::Fresnel, 2)], &input);
        let exact = pass(g, vec![free(z, Method::AngularSpectrum, 2)], &input);
        assert!(distance(&fresnel, &expected) < 1e-8, "z {z}: {}", distance(&fresnel, &expected));
        // k z theta^4 / 8 with theta = wl / (pi w0), some times over.
        let theta = WL / (PI * w0);
        let paraxial = TAU / WL * z * theta.powi(4) / 8.0;
        let difference = distance(&exact, &fresnel);
        assert!(difference < 10.0 * paraxial && difference > 0.1 * paraxial, "z {z}: {difference} {paraxial}");
    }
}

/// A phase that grows with the column sends a beam to higher columns, one that grows with the row to higher rows.
#[test]
fn ramps_steer_towards_their_rise() {
    let (g, z) = (Grid::square(64, 64, 8.0), 5000.0);
    let (ax, ay) = (0.012, -0.007);
    let input = sample(g, |x, y| gaussian(x, y, 0.0, 60.0) * Complex64::cis(TAU / WL * (ax * x + ay * y)));
    for method in [Method::AngularSpectrum, Method::Fresnel] {
        let output = pass(g, vec![free(z, method, 2)], &input);
        let (mut x, mut y) = (0.0, 0.0);
        for (k, e) in output.iter().enumerate() {
            let place = g.position(k / 64, k % 64);
            x += place.0 * e.norm_sqr() / power(&output);
            y += place.1 * e.norm_sqr() / power(&output);
        }
        assert!((x - z * ax).abs() < 0.1 && (y - z * ay).abs() < 0.1, "{x} {y}");
    }
}

#[test]
fn light_can_be_sent_back() {
    let g = grid(24, 20, [4.0, 5.0]);
    let input = Noise(3).field(g.pixels());
    let there = |field: &[Complex64]| pass(g, vec![free(100.0, Method::AngularSpectrum, 1)], field);
    let conjugate = |field: Vec<Complex64>| -> Vec<Complex64> { field.iter().map(Complex64::conj).collect() };
    let output = there(&input);
    assert!(distance(&output, &input) > 0.1);
    assert!(distance(&conjugate(there(&conjugate(output))), &input) < 1e-12);
}

/// A grating of period a repeats after 2 a^2 / wl, displaced by half a period after half of it.
#[test]
fn gratings_image_themselves() {
    let g = grid(1, 1024, [8.0; 2]);
    let a = 16.0 * 8.0;
    let input: Vec<Complex64> = (0..1024).map(|k| Complex64::from(f64::from(k % 16 < 5))).collect();
    let displaced: Vec<Complex64> = (0..1024).map(|k| input[(k + 8) % 1024]).collect();
    let talbot = 2.0 * a * a / WL;
    for (z, image) in [(talbot, &input), (0.5 * talbot, &displaced)] {
        let common = Complex64::cis(-TAU * (z / WL).fract());
        let output: Vec<Complex64> =
            pass(g, vec![free(z, Method::Fresnel, 1)], &input).iter().map(|e| e * common).collect();
        assert!(distance(&output, image) < 1e-9, "{}", distance(&output, image));
    }
    let between = pass(g, vec![free(0.37 * talbot, Method::Fresnel, 1)], &input);
    let brightness: Vec<Complex64> = between.iter().map(|e| Complex64::from(e.norm())).collect();
    assert!(distance(&brightness, &input) > 0.2);
}

/// Bessel's integral; the midpoint rule converges faster than any power.
fn j1(x: f64) -> f64 {
    let n = 200;
    (0..n).map(|k| (f64::from(k) + 0.5) * PI / f64::from(n)).map(|t| (t - x * t.sin()).cos()).sum::<f64>()
        / f64::from(n)
}

#[test]
fn circular_apertures_make_airy_patterns() {
    let (n, pitch, focal, diameter) = (256, 8.0, 1e5, 48.0 * 8.0);
    let g = Grid::square(n, n, pitch);
    // Part of each pixel within the circle.
    let parts = 16;
    let sub = |k: i32| (f64::from(k) + 0.5) / f64::from(parts) - 0.5;
    let input = sample(g, |x, y| {
        let inside = |k: i32| (x + pitch * sub(k / parts)).hypot(y + pitch * sub(k % parts)) < 0.5 * diameter;
        Complex64::from((0..parts * parts).filter(|&k| inside(k)).count() as f64 / f64::from(parts * parts))
    });
    let output = pass(g, vec![lens(focal)], &input);
    let far = Chain::new(g, vec![lens(focal)], WL).unwrap().output();
    assert!((far.pitch_um[0] - WL * focal / (n as f64 * pitch)).abs() < 1e-9);
    let peak = PI * 24.0 * 24.0 / n as f64;
    for (k, e) in
        output.iter().enumerate().filter(|(k, _)| (88..168).contains(&(k / n)) && (88..168).contains(&(k % n)))
    {
        let (x, y) = far.position(k / n, k % n);
        let v = PI * diameter * x.hypot(y) / (WL * focal);
        let airy = if v == 0.0 { 1.0 } else { 2.0 * j1(v) / v };
        assert!((e / peak - airy).norm() < 1e-3, "{k}: {} {airy}", e / peak);
    }
    // First zero at 1.22 wl f / D, between pixels: seen by a camera whose axis stands there.
    for (place, dark) in [(1.2197, true), (1.21, false), (1.23, false)] {
        let misalign = Shift { x_um: place * WL * focal / diameter, y_um: 0.0 };
        let camera = Element::Camera(crate::Camera { misalign, ..crate::Camera::new([n, n], [1, 1]) });
        let output = pass(g, vec![lens(focal), camera], &input);
        assert_eq!(output[n / 2 * n + n / 2].norm() < 1e-3 * peak, dark, "{}", output[n / 2 * n + n / 2] / peak);
    }
}

#[test]
fn slits_make_sincs() {
    let (n, width, z) = (128, 9usize, 2e6);
    let g = grid(1, n, [8.0; 2]);
    let input = sample(g, |x, _| Complex64::from(f64::from(x.abs() < 4.5 * 8.0)));
    for (element, pad, propagated) in
        [(lens(z), 1, false), (free(z, Method::Fraunhofer, 1), 1, true), (free(z, Method::Fraunhofer, 4), 4, true)]
    {
        let chain = Chain::new(g, vec![element], WL).unwrap();
        let (far, m) = (chain.output(), n * pad);
        assert_eq!(far.cols, m);
        assert!((far.pitch_um[1] - WL * z / (m as f64 * 8.0)).abs() < 1e-9);
        let scale = ((m * pad) as f64).sqrt();
        for (k, e) in send(&chain, &input, &[]).chunks(m).nth(pad / 2).unwrap().iter().enumerate() {
            let u = far.position(pad / 2, k).0;
            let t = PI * (k as f64 - (m / 2) as f64) / m as f64;
            let dirichlet = if t == 0.0 { width as f64 } else { (width as f64 * t).sin() / t.sin() };
            let phase = if propagated {
                Complex64::cis((TAU / WL * (z + 0.5 * u * u / z)) % TAU - 0.5 * PI)
            } else {
                Complex64::ONE
            };
            assert!((e - phase * dirichlet / scale).norm() < 1e-8, "{k}: {e} {}", phase * dirichlet / scale);
            // The slit's own pattern, near the axis, where pixels do not show.
            let v = PI * 72.0 * u / (WL * z);
            let sinc = if v == 0.0 { 1.0 } else { v.sin() / v };
            assert!(t.abs() > 0.3 || (e.norm() * scale / 9.0 - sinc.abs()).abs() < 0.02 * sinc.abs() + 1e-12);
        }
    }
}

/// From focal plane to focal plane by two propagations and a thin lens, exp(-i pi r^2 / (wl f)), also beside the axis: the
/// lens, times the constant it leaves out.
#[test]
fn lenses_are_fresnel_propagations() {
    let g = Grid::square(64, 64, 8.0);
    let focal = 64.0 * 64.0 / WL; // makes the output pitch 8 um again
    let input = sample(g, |x, y| {
        let phase = TAU / WL * (0.004 * x - 0.006 * y);
        Complex64::cis(phase) * (-((x - 20.0) / 50.0).powi(2) - ((y + 30.0) / 60.0).powi(2)).exp()
    });
    for misalign in [Shift::default(), Shift { x_um: 21.0, y_um: -13.0 }] {
        let thin = sample(g, |x, y| {
            let r2 = (x - misalign.x_um).powi(2) + (y - misalign.y_um).powi(2);
            Complex64::from(-PI * r2 / (WL * focal))
        });
        let phase = thin.iter().map(|p| p.re).collect();
        let steps = vec![free(focal, Method::Fresnel, 4), Element::Screen { phase }, free(focal, Method::Fresnel, 4)];
        let constant = Complex64::cis(TAU * (2.0 * focal / WL).fract()) * -Complex64::I;
        let expected: Vec<Complex64> = pass(g, steps, &input).iter().map(|e| e / constant).collect();
        let output = pass(g, vec![Element::Lens { focal_um: focal, misalign }], &input);
        assert!(distance(&output, &expected) < 3e-3, "{misalign:?}: {}", distance(&output, &expected));
    }
}

/// Fresnel's integral is Fraunhofer's of the field times exp(i pi r^2 / (wl z)), constants included.
#[test]
fn fresnel_is_fraunhofer_of_a_curved_wave() {
    let (n, pitch) = (128, 8.0);
    let z = n as f64 * pitch * pitch / WL; // the far field's pitch is that of the plane
    let g = Grid::square(n, n, pitch);
    let input = sample(g, |x, y| Complex64::from((-((x - 40.0) / 50.0).powi(2) - (y / 70.0).powi(2)).exp()));
    let curve = sample(g, |x, y| Complex64::from(PI * (x * x + y * y) / (WL * z))).iter().map(|p| p.re).collect();
    let near = pass(g, vec![free(z, Method::Fresnel, 2)], &input);
    let far = pass(g, vec![Element::Screen { phase: curve }, free(z, Method::Fraunhofer, 1)], &input);
    assert!(distance(&far, &near) < 1e-8, "{}", distance(&far, &near));
}
