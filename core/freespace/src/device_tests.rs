//! SLMs, cameras and chains of them.

use crate::testing::*;
use crate::*;
use num_complex::Complex64;
use std::f64::consts::{PI, TAU};

fn free(distance_um: f64) -> Element {
    Element::Propagate { distance_um, method: Method::AngularSpectrum, pad: 2 }
}

#[test]
fn blazed_gratings_steer_to_their_pixel() {
    let g = Grid { rows: 16, cols: 20, pitch_um: [8.0, 6.0] };
    let chain = Chain::new(g, vec![Element::Slm(Slm::phase(g)), lens(1e5)], WL).unwrap();
    for (up, right) in [(0, 0), (0, 3), (5, 0), (-4, 7), (2, -9)] {
        let turns = |k: usize| f64::from(up) * (k / 20) as f64 / 16.0 + f64::from(right) * (k % 20) as f64 / 20.0;
        let phase: Vec<f64> = (0..320).map(|k| (TAU * turns(k)).rem_euclid(TAU)).collect();
        let output = send(&chain, &[Complex64::ONE; 320], &[Mask::phase(&phase)]);
        let pixel = (8 + up) as usize * 20 + (10 + right) as usize;
        assert!((output[pixel].norm_sqr() - 320.0).abs() < 1e-9, "{up} {right}");
    }
}

/// A checkerboard of 0 and pi empties the zero order, but for what is not modulated.
#[test]
fn zero_orders() {
    let g = Grid::square(8, 8, 8.0);
    let phase: Vec<f64> = (0..64).map(|k| PI * f64::from((k / 8 + k % 8) % 2)).collect();
    for (z, ff, gap) in [(0.0, 1.0, 0.0), (0.2, 1.0, 0.0), (0.0, 0.9, 0.5), (0.3, 0.8, -1.0)] {
        let slm = Slm { zero_order: z, fill_factor: ff, gap: Complex64::from(gap), ..Slm::phase(g) };
        let chain = Chain::new(g, vec![Element::Slm(slm), lens(1e5)], WL).unwrap();
        let output = send(&chain, &[Complex64::ONE; 64], &[Mask::phase(&phase)]);
        let zero = 8.0 * ((1.0 - z) * (1.0 - ff) * gap + z);
        // Index 36 is on the axis, 0 the corner, at the Nyquist frequency of rows and columns.
        assert!((output[36] - zero).norm() < 1e-12 && (output[0] - 8.0 * (1.0 - z) * ff).norm() < 1e-12);
        assert!((power(&output) - output[36].norm_sqr() - output[0].norm_sqr()).abs() < 1e-9);
    }
}

#[test]
fn pixels_multiply_as_stated() {
    let g = Grid { rows: 3, cols: 4, pitch_um: [8.0, 8.0] };
    let mut noise = Noise(4);
    let (input, phase, amplitude) = (noise.field(12), noise.normals(12), noise.normals(12));
    let (error, before, after) = (noise.normals(12), noise.normals(12), noise.normals(12));
    let gap = Complex64::new(0.3, -0.4);
    for kind in [SlmKind::Phase, SlmKind::Amplitude, SlmKind::Complex] {
        let slm = Slm { grid: g, kind, fill_factor: 0.9, gap, zero_order: 0.1, wavefront: error.clone() };
        let screen = |phase: &[f64]| Element::Screen { phase: phase.to_vec() };
        let elements = vec![screen(&before), Element::Slm(slm), screen(&after)];
        let mask = Mask {
            phase: if kind == SlmKind::Amplitude { &[] } else { &phase },
            amplitude: if kind == SlmKind::Phase { &[] } else { &amplitude },
        };
        let output = send(&Chain::new(g, elements, WL).unwrap(), &input, &[mask]);
        for k in 0..12 {
            let m = match kind {
                SlmKind::Phase => Complex64::cis(phase[k]),
                SlmKind::Amplitude => Complex64::from(amplitude[k]),
                SlmKind::Complex => amplitude[k] * Complex64::cis(phase[k]),
            };
            let t = 0.9 * (0.9 * m + (1.0 - 0.9) * gap) + 0.1;
            let expected = input[k] * t * Complex64::cis(before[k] + error[k] + after[k]);
            assert!((output[k] - expected).norm() < 1e-12, "{kind:?} pixel {k}");
        }
    }
}

/// Two lenses turn the image by half a turn; their planes are stored by columns in between.
#[test]
fn four_f_systems_invert() {
    let g = Grid { rows: 6, cols: 9, pitch_um: [8.0, 5.0] };
    let between = Grid { pitch_um: [WL * 1e4 / 48.0, WL * 1e4 / 45.0], ..g };
    let input = Noise(5).field(54);
    let mut pinhole = Slm::phase(between);
    pinhole.kind = SlmKind::Amplitude;
    let chain = Chain::new(g, vec![lens(1e4), Element::Slm(pinhole), lens(1e4)], WL).unwrap();
    let output = send(&chain, &input, &[Mask::amplitude(&[1.0; 54])]);
    for (row, col) in (0..54).map(|k| (k / 9, k % 9)) {
        let mirrored = (6 - row) % 6 * 9 + (2 * 4 + 9 - col) % 9;
        assert!((output[row * 9 + col] - input[mirrored]).norm() < 1e-12, "{row} {col}");
    }
    assert!((chain.output().pitch_um[0] - 8.0).abs() < 1e-12 && (chain.output().pitch_um[1] - 5.0).abs() < 1e-12);
    // A pinhole on the axis: only the mean is left. Anything else blocked is blocked at its own row and column.
    let mut mask = [0.0; 54];
    mask[3 * 9 + 4] = 1.0;
    let mean = input.iter().sum::<Complex64>() / 54.0;
    assert!(send(&chain, &input, &[Mask::amplitude(&mask)]).iter().all(|e| (e - mean).norm() < 1e-12));
}

/// Bins, gains and amplitudes from the field, on planes stored by rows and by columns.
#[test]
fn cameras_sum_their_bins() {
    let g = Grid { rows: 9, cols: 14, pitch_um: [8.0, 8.0] };
    let mut noise = Noise(6);
    let (input, gain) = (noise.field(126), noise.normals(6 * 12));
    for elements in [vec![free(50.0)], vec![lens(1e4)]] {
        for gain in [Vec::new(), gain.clone()] {
            let camera = Camera { gain: gain.clone(), ..Camera::new([2, 4], [3, 3]) };
            let with_camera = elements.iter().cloned().chain([Element::Camera(camera)]).collect();
            let chain = Chain::new(g, with_camera, WL).unwrap();
            let mut work = chain.workspace();
            chain.forward(&input, &chain.masks(), &mut work).unwrap();
            let (mut field, mut powers, mut amplitudes) =
                (vec![Complex64::ZERO; 126], vec![0.0; 8], vec![Complex64::ZERO; 8]);
            chain.field(&work, &mut field).unwrap();
            chain.powers(&work, &mut powers).unwrap();
            chain.amplitudes(&work, &mut amplitudes).unwrap();
            let (mut expected, mut coherent) = (vec![0.0; 8], vec![Complex64::ZERO; 8]);
            for (row, col) in (0..6).flat_map(|row| (0..12).map(move |col| (row, col))) {
                // The axis is at pixel (4, 7) of the plane, and between the third and fourth bin row: rows 1 to 6, columns 1 to 12.
                let e = field[(row + 1) * 14 + col + 1];
                let gain = gain.get(row * 12 + col).copied().unwrap_or(1.0);
                expected[row / 3 * 4 + col / 3] += gain * e.norm_sqr();
                coherent[row / 3 * 4 + col / 3] += gain * e / 3.0;
            }
            assert!(powers.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12), "{powers:?} {expected:?}");
            assert!(amplitudes.iter().zip(&coherent).all(|(a, b)| (a - b).norm() < 1e-12));
            assert!(chain.notes().last().unwrap().message.contains("6 of 9 rows and 12 of 14 columns"));
        }
    }
}

/// A camera that stands beside the axis by whole pixels sees the pixels beside.
#[test]
fn misaligned_cameras() {
    let g = Grid { rows: 8, cols: 10, pitch_um: [8.0, 6.0] };
    let input = Noise(8).field(80);
    let far = Grid { pitch_um: [WL * 1e4 / 64.0, WL * 1e4 / 60.0], ..g };
    let fraunhofer = Element::Propagate { distance_um: 1e4, method: Method::Fraunhofer, pad: 1 };
    let screen = Element::Screen { phase: vec![0.3; 80] };
    for (element, pitch) in [(free(40.0), g), (lens(1e4), far), (fraunhofer, far), (screen, g)] {
        let straight = pass(g, vec![element.clone()], &input);
        let misalign = Shift { x_um: 2.0 * pitch.pitch_um[1], y_um: -pitch.pitch_um[0] };
        let camera = Element::Camera(Camera { misalign, ..Camera::new([8, 10], [1, 1]) });
        let beside = pass(g, vec![element.clone(), camera], &input);
        for (row, col) in (1..8).flat_map(|row| (0..8).map(move |col| (row, col))) {
            let (a, b) = (beside[row * 10 + col], straight[(row - 1) * 10 + col + 2]);
            assert!((a - b).norm() < 1e-9, "{element:?} {row} {col}: {a} {b}");
        }
    }
}

/// A lens that stands beside the axis moves the spot with it.
#[test]
fn misaligned_lenses() {
    let g = Grid::square(16, 16, 8.0);
    let pitch = WL * 1e5 / 128.0;
    let misalign = Shift { x_um: 3.0 * pitch, y_um: -2.0 * pitch };
    let output = pass(g, vec![Element::Lens { focal_um: 1e5, misalign }], &[Complex64::ONE; 256]);
    assert!((output[6 * 16 + 11].norm_sqr() - 256.0).abs() < 1e-9);
}

#[test]
fn passes_give_the_same_bits() {
    let g = Grid { rows: 12, cols: 10, pitch_um: [8.0, 8.0] };
    let slm = || Element::Slm(Slm { zero_order: 0.1, ..Slm::phase(g) });
    let camera = Element::Camera(Camera::new([3, 2], [4, 5]));
    let chain = Chain::new(g, vec![free(500.0), slm(), free(700.0), slm(), lens(1e5), camera], WL).unwrap();
    let mut noise = Noise(9);
    let inputs: Vec<_> = (0..5).map(|_| noise.field(120)).collect();
    let phases: Vec<_> = (0..3).map(|_| [noise.normals(120), noise.normals(120)]).collect();
    let (mut work, mut masks) = (chain.workspace(), chain.masks());
    let mut states = vec![vec![Complex64::ZERO; chain.state_len()]; 5];
    for (input, state) in inputs.iter().zip(&mut states) {
        chain.prepare(input, state, &mut work).unwrap();
    }
    for [first, second] in &phases {
        masks.load(&[Mask::phase(first), Mask::phase(second)]).unwrap();
        for (input, state) in inputs.iter().zip(&states) {
            let (mut batch, mut recorded, mut alone) = ([0.0; 6], [0.0; 6], [0.0; 6]);
            chain.finish(state, &masks, &mut work).unwrap();
            chain.powers(&work, &mut batch).unwrap();
            chain.record(state, &masks, &mut work).unwrap();
            chain.powers(&work, &mut recorded).unwrap();
            let (mut fresh_work, mut fresh_masks) = (chain.workspace(), chain.masks());
            fresh_masks.load(&[Mask::phase(first), Mask::phase(second)]).unwrap();
            chain.forward(input, &fresh_masks, &mut fresh_work).unwrap();
            chain.powers(&fresh_work, &mut alone).unwrap();
            assert!(batch == alone && recorded == alone && alone.iter().all(|p| *p > 0.0));
        }
    }
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&chain);
    shared(&masks);
}

#[test]
fn what_cannot_be_is_refused() {
    let g = Grid::square(8, 8, 8.0);
    let slm = |slm: Slm| Element::Slm(slm);
    let camera = |shape, bin| Element::Camera(Camera::new(shape, bin));
    let propagate = |distance_um, method, pad| Element::Propagate { distance_um, method, pad };
    let far = Shift { x_um: 1e3, y_um: 0.0 };
    let near = Shift { x_um: 0.0, y_um: f64::NAN };
    let cases: Vec<(Vec<Element>, &str)> = vec![
        (
            vec![slm(Slm::phase(Grid::square(8, 9, 8.0)))],
            "element 0 (slm): it has 8 x 9 pixels, the light that reaches it 8 x 8",
        ),
        (vec![slm(Slm::phase(Grid::square(8, 8, 8.1)))], "pitch is 8.1 um"),
        (vec![lens(1e5), slm(Slm::phase(g))], "element 1 (slm)"),
        (vec![slm(Slm { fill_factor: 0.0, ..Slm::phase(g) })], "fill factor of 0"),
        (vec![slm(Slm { zero_order: 1.5, ..Slm::phase(g) })], "zero order of 1.5"),
        (vec![slm(Slm { gap: Complex64::new(f64::NAN, 0.0), ..Slm::phase(g) })], "finite amplitude"),
        (vec![slm(Slm { wavefront: vec![0.0; 3], ..Slm::phase(g) })], "wavefront error of 3 numbers"),
        (vec![Element::Screen { phase: vec![f64::INFINITY; 64] }], "phase screen holds inf"),
        (vec![propagate(-1.0, Method::Fresnel, 1)], "distance of -1 um: expected 0, or a length"),
        (vec![propagate(0.0, Method::Fraunhofer, 1)], "expected a length of 1e-9 to 1e15 um"),
        (vec![propagate(1.0, Method::Fresnel, 0)], "pad is 0"),
        (vec![propagate(1.0, Method::Fresnel, 17)], "pad is 17"),
        (vec![lens(0.0)], "focal length of 0 um"),
        (vec![lens(f64::INFINITY)], "focal length of inf"),
        (vec![lens(1e-9)], "behind it, a pitch of"),
        (vec![Element::Lens { focal_um: 1.0, misalign: far }], "at most half of the plane"),
        (vec![Element::Camera(Camera { misalign: near, ..Camera::new([8, 8], [1, 1]) })], "misalignment of NaN"),
        (vec![camera([3, 1], [3, 1])], "3 x 1 bins of 3 x 1 pixels on a plane of 8 x 8"),
        (vec![camera([usize::MAX, 1], [usize::MAX, 1])], "all of them on the plane"),
        (vec![camera([0, 1], [1, 1])], "at least one bin"),
        (vec![Element::Camera(Camera { gain: vec![1.0], ..Camera::new([2, 2], [1, 1]) })], "1 gains for 4 pixels"),
        (vec![camera([1, 1], [1, 1]), lens(1.0)], "element 1 (lens_2f): it stands behind the camera"),
    ];
    for (elements, part) in cases {
        let error = Chain::new(g, elements, WL).err().expect(part).to_string();
        assert!(error.contains(part), "{error}");
    }
    for (grid, wl) in [
        (Grid::square(usize::MAX, 2, 1.0), WL),
        (Grid::square(0, 2, 1.0), WL),
        (Grid::square(1, 1, -1.0), WL),
        (g, 0.0),
    ] {
        assert!(Chain::new(grid, Vec::new(), wl).is_err());
    }
    assert!(diffuser(g, 1.0, 1e200, &[1.0; 64]).unwrap().iter().all(|phase| (phase - 8.0).abs() < 1e-9));
    let near = Chain::new(g, vec![propagate(1e3, Method::Fraunhofer, 1)], WL).unwrap();
    assert!(near.notes()[0].message.contains("Fresnel number of the plane is 1.62"), "{:?}", near.notes());
    // Extremes neither panic nor overflow.
    for (z, method) in [(1e15, Method::AngularSpectrum), (1e-9, Method::Fresnel), (0.0, Method::Matrix)] {
        assert!(power(&pass(g, vec![propagate(z, method, 2)], &[Complex64::ONE; 64])).is_finite());
    }
    let large = Grid::square(1024, 1024, 8.0);
    let refused = |e: Vec<Element>| Chain::new(large, e, WL).err().unwrap().to_string();
    assert!(refused(vec![propagate(1.0, Method::Fresnel, 5)]).contains("at most 16777216 pixels"));
    assert!(refused(vec![propagate(1.0, Method::Matrix, 1)]).contains("take angular_spectrum"));
    assert!(refused(vec![slm(Slm::phase(large)); 40]).contains("the chain would hold more"));
}

#[test]
fn wrong_arrays_are_refused() {
    let g = Grid::square(4, 4, 8.0);
    let build = || Chain::new(g, vec![Element::Slm(Slm::phase(g)), lens(1e4)], WL).unwrap();
    let (chain, other) = (build(), build());
    let (mut masks, mut work, field) = (chain.masks(), chain.workspace(), [Complex64::ONE; 16]);
    assert_eq!(chain.powers(&work, &mut [0.0; 16]), Err(Error::NoOutput));
    let wrong = Error::Length { what: "phases of a mask", found: 15, expected: 16 };
    assert_eq!(masks.load(&[Mask::phase(&[0.0; 15])]), Err(wrong));
    assert!(masks.load(&[]).is_err() && masks.load(&[Mask::amplitude(&[0.0; 16])]).is_err());
    assert!(masks.load(&[Mask::phase(&[f64::NAN; 16])]).unwrap_err().to_string().contains("pixel 0 of SLM 0 is NaN"));
    assert!(chain.forward(&field[1..], &masks, &mut work).is_err());
    assert_eq!(chain.forward(&field, &other.masks(), &mut work), Err(Error::OtherChain("masks")));
    assert_eq!(chain.forward(&field, &masks, &mut other.workspace()), Err(Error::OtherChain("workspace")));
    chain.forward(&field, &masks, &mut work).unwrap();
    assert!(chain.powers(&work, &mut [0.0; 3]).is_err());
    let mut gradient = chain.mask_gradient();
    let ask = Cotangent::Powers(&[1.0; 16]);
    assert_eq!(chain.adjoint(ask, &masks, &mut work, &mut gradient, None), Err(Error::NotRecorded));
}

/// Time of 100 fields through 20 masks: `cargo test --release -p blackbeam-freespace -- --ignored --nocapture`.
#[test]
#[ignore = "prints times"]
fn times() {
    let g = Grid::square(64, 64, 8.0);
    let mut noise = Noise(10);
    let inputs: Vec<_> = (0..100).map(|_| noise.field(4096)).collect();
    let phases: Vec<_> = (0..20).map(|_| noise.normals(4096)).collect();
    let camera = || Element::Camera(Camera::new([10, 1], [6, 64]));
    for (name, elements) in [
        ("SLM, lens, camera", vec![Element::Slm(Slm::phase(g)), lens(1e5), camera()]),
        ("free space before", vec![free(5000.0), Element::Slm(Slm::phase(g)), lens(1e5), camera()]),
        ("free space behind, pad 2", vec![Element::Slm(Slm::phase(g)), free(5000.0), camera()]),
    ] {
        let chain = Chain::new(g, elements, WL).unwrap();
        let (mut work, mut masks) = (chain.workspace(), chain.masks());
        let mut states = vec![vec![Complex64::ZERO; 4096]; 100];
        let mut gradient = chain.mask_gradient();
        let mut y = [0.0; 10];
        let mut best = [f64::INFINITY; 2];
        for _ in 0..5 {
            let start = std::time::Instant::now();
            for (input, state) in inputs.iter().zip(&mut states) {
                chain.prepare(input, state, &mut work).unwrap();
            }
            for phase in &phases {
                masks.load(&[Mask::phase(phase)]).unwrap();
                for state in &states {
                    chain.finish(state, &masks, &mut work).unwrap();
                    chain.powers(&work, &mut y).unwrap();
                }
            }
            best[0] = best[0].min(start.elapsed().as_secs_f64());
            let start = std::time::Instant::now();
            for state in &states {
                chain.record(state, &masks, &mut work).unwrap();
                chain.adjoint(Cotangent::Powers(&[1.0; 10]), &masks, &mut work, &mut gradient, None).unwrap();
            }
            best[1] = best[1].min(start.elapsed().as_secs_f64());
        }
        println!("{name}: {:.1} ms; 100 gradients: {:.1} ms", 1e3 * best[0], 1e3 * best[1]);
    }
}
