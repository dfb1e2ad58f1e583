//! Adjoints against finite differences, and against the operators they belong to.

use crate::testing::*;
use crate::*;
use num_complex::Complex64;

/// Everything there is, on planes that are not square: two kinds of storage, three SLMs, displaced lens and camera.
fn everything() -> Chain {
    let g = Grid { rows: 6, cols: 5, pitch_um: [8.0, 7.0] };
    let far = Grid { pitch_um: [WL * 1e4 / 48.0, WL * 1e4 / 35.0], ..g };
    let mut noise = Noise(11);
    let gap = Complex64::new(0.4, 0.2);
    let slm = |grid, kind, wavefront| Slm { grid, kind, fill_factor: 0.9, gap, zero_order: 0.1, wavefront };
    let propagate = |distance_um, method, pad| Element::Propagate { distance_um, method, pad };
    let camera =
        Camera { misalign: Shift { x_um: -30.0, y_um: 11.0 }, gain: noise.normals(60), ..Camera::new([2, 3], [5, 2]) };
    let elements = vec![
        propagate(120.0, Method::AngularSpectrum, 2),
        Element::Slm(slm(g, SlmKind::Complex, wavefront(g, &[(4, 0.3), (6, 0.1)]).unwrap())),
        Element::Lens { focal_um: 1e4, misalign: Shift { x_um: 40.0, y_um: -13.0 } },
        Element::Slm(slm(far, SlmKind::Phase, Vec::new())),
        propagate(5000.0, Method::Fresnel, 3),
        Element::Screen { phase: noise.normals(30) },
        Element::Slm(slm(far, SlmKind::Amplitude, Vec::new())),
        propagate(900.0, Method::Matrix, 2),
        propagate(3e5, Method::Fraunhofer, 2),
        Element::Camera(camera),
    ];
    Chain::new(g, elements, WL).unwrap()
}

/// Everything that has a gradient: input, phases of SLM 0 and 1, amplitudes of SLM 0 and 2.
#[derive(Clone)]
struct Point {
    input: Vec<Complex64>,
    phase: [Vec<f64>; 2],
    amplitude: [Vec<f64>; 2],
}

impl Point {
    fn random(noise: &mut Noise) -> Self {
        let mut normals = || noise.normals(30);
        let (phase, amplitude) = ([normals(), normals()], [normals(), normals()]);
        Point { input: noise.field(30), phase, amplitude }
    }

    fn moved(&self, along: &Point, h: f64) -> Self {
        let reals = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a + h * b).collect::<Vec<f64>>();
        let pair = |a: &[Vec<f64>; 2], b: &[Vec<f64>; 2]| [reals(&a[0], &b[0]), reals(&a[1], &b[1])];
        Point {
            input: self.input.iter().zip(&along.input).map(|(a, b)| a + h * b).collect(),
            phase: pair(&self.phase, &along.phase),
            amplitude: pair(&self.amplitude, &along.amplitude),
        }
    }

    fn load(&self, chain: &Chain, masks: &mut Masks, work: &mut Workspace) {
        let first = Mask { phase: &self.phase[0], amplitude: &self.amplitude[0] };
        masks.load(&[first, Mask::phase(&self.phase[1]), Mask::amplitude(&self.amplitude[1])]).unwrap();
        let mut state = vec![Complex64::ZERO; chain.state_len()];
        chain.prepare(&self.input, &mut state, work).unwrap();
        chain.record(&state, masks, work).unwrap();
    }
}

fn re_dot(g: &[Complex64], e: &[Complex64]) -> f64 {
    g.iter().zip(e).map(|(g, e)| (g.conj() * e).re).sum()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
fn gradients_are_exact() {
    let chain = everything();
    let mut noise = Noise(12);
    let (mut masks, mut work) = (chain.masks(), chain.workspace());
    let at = Point::random(&mut noise);
    let (of_powers, of_amplitudes) = (noise.normals(6), noise.field(6));
    let of_field = noise.field(chain.output().pixels());
    for cotangent in [Cotangent::Powers(&of_powers), Cotangent::Amplitudes(&of_amplitudes), Cotangent::Field(&of_field)]
    {
        let mut loss = |point: &Point| {
            point.load(&chain, &mut masks, &mut work);
            let (mut powers, mut amplitudes) = ([0.0; 6], [Complex64::ZERO; 6]);
            let mut field = vec![Complex64::ZERO; of_field.len()];
            chain.powers(&work, &mut powers).unwrap();
            chain.amplitudes(&work, &mut amplitudes).unwrap();
            chain.field(&work, &mut field).unwrap();
            match cotangent {
                Cotangent::Powers(g) => dot(g, &powers),
                Cotangent::Amplitudes(g) => re_dot(g, &amplitudes),
                Cotangent::Field(g) => re_dot(g, &field),
            }
        };
        let zero = at.moved(&at, -1.0);
        let mut noise = Noise(13);
        // Each part by itself along random directions, then single pixels.
        let mut directions: Vec<Point> = Vec::new();
        for part in 0..5 {
            let (mut along, all) = (zero.clone(), Point::random(&mut noise));
            match part {
                0 => along.input = all.input,
                1 | 2 => along.phase[part - 1] = all.phase[part - 1].clone(),
                _ => along.amplitude[part - 3] = all.amplitude[part - 3].clone(),
            }
            directions.push(along);
        }
        for pixel in [0, 7, 29] {
            let mut along = [zero.clone(), zero.clone(), zero.clone()];
            along[0].phase[1][pixel] = 1.0;
            along[1].amplitude[0][pixel] = 1.0;
            along[2].input[pixel] = Complex64::I;
            directions.extend(along);
        }
        let h = 1e-4;
        let slopes: Vec<f64> = directions
            .iter()
            .map(|along| {
                // Fourth order in h.
                let mut pair = |h: f64| loss(&at.moved(along, h)) - loss(&at.moved(along, -h));
                (8.0 * pair(h) - pair(2.0 * h)) / (12.0 * h)
            })
            .collect();

        at.load(&chain, &mut masks, &mut work);
        let mut gradient = chain.mask_gradient();
        let mut input = vec![Complex64::ZERO; 30];
        chain.adjoint(cotangent, &masks, &mut work, &mut gradient, Some(&mut input)).unwrap();
        for (k, (along, slope)) in directions.iter().zip(&slopes).enumerate() {
            let found = re_dot(&input, &along.input)
                + dot(&gradient.phase[0], &along.phase[0])
                + dot(&gradient.phase[1], &along.phase[1])
                + dot(&gradient.amplitude[0], &along.amplitude[0])
                + dot(&gradient.amplitude[2], &along.amplitude[1]);
            assert!((found - slope).abs() < 1e-8 * slope.abs().max(1e-2), "{cotangent:?} {k}: {found} {slope}");
            assert!(slope.abs() > 1e-6, "direction {k} shows nothing");
        }
        // Gradients add up; the tape serves again.
        let once = gradient.clone();
        chain.adjoint(cotangent, &masks, &mut work, &mut gradient, None).unwrap();
        assert!(gradient.phase[1].iter().zip(&once.phase[1]).all(|(twice, once)| *twice == 2.0 * once));
        gradient.clear();
        assert_eq!(gradient, chain.mask_gradient());
    }
}

/// <g, A e> = <A* g, e> for each element, complex.
#[test]
fn adjoints_of_elements() {
    let g = Grid { rows: 7, cols: 4, pitch_um: [2.0, 3.0] };
    let mut noise = Noise(14);
    let propagate = |distance_um, method, pad| Element::Propagate { distance_um, method, pad };
    let misalign = Shift { x_um: 2.5, y_um: -1.0 };
    let camera = Element::Camera(Camera { misalign, ..Camera::new([7, 4], [1, 1]) });
    for elements in [
        vec![propagate(20.0, Method::AngularSpectrum, 1)],
        vec![propagate(0.1, Method::AngularSpectrum, 3), camera.clone()],
        vec![propagate(20.0, Method::Fresnel, 2), camera.clone()],
        vec![propagate(20.0, Method::Matrix, 2), camera.clone()],
        vec![propagate(20.0, Method::Fraunhofer, 3)],
        vec![Element::Lens { focal_um: 1e3, misalign }],
        vec![lens(1e3), propagate(1e3, Method::Matrix, 2), lens(1e3)],
        vec![Element::Screen { phase: noise.normals(28) }, camera],
    ] {
        let chain = Chain::new(g, elements.clone(), WL).unwrap();
        let (input, cotangent) = (noise.field(28), noise.field(chain.output().pixels()));
        let output = send(&chain, &input, &[]);
        let (masks, mut work) = (chain.masks(), chain.workspace());
        chain.record(&vec![Complex64::ZERO; chain.state_len()], &masks, &mut work).unwrap();
        let mut back = vec![Complex64::ZERO; 28];
        let ask = Cotangent::Field(&cotangent);
        chain.adjoint(ask, &masks, &mut work, &mut chain.mask_gradient(), Some(&mut back)).unwrap();
        let product = |a: &[Complex64], b: &[Complex64]| a.iter().zip(b).map(|(a, b)| a.conj() * b).sum::<Complex64>();
        let (there, here) = (product(&cotangent, &output), product(&back, &input));
        assert!(
            (there - here).norm() < 1e-12 * (power(&cotangent) * power(&input)).sqrt(),
            "{elements:?}: {there} {here}"
        );
    }
}
