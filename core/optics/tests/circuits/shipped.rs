//! The device files that come with Blackbeam, from text to answers.

use blackbeam_netlist::{PRESET_NAMES, ReadOptions, read};
use blackbeam_optics::Simulator;
use blackbeam_plugin::{ArrayView, ArrayViewMut, Call, Device, Key, Matrix, Purpose, can};
use blackbeam_source::Source;
use std::{fs, path::Path};

#[test]
fn every_device_opens_and_answers_with_every_preset() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../devices");
    let mut opened = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let source = Source::new(&name, fs::read_to_string(&path).unwrap());
        if source.text().contains("\nnetwork:") {
            continue; // not linear, and without presets: below
        }
        for preset in PRESET_NAMES.into_iter().chain(["--ideal"]) {
            let ideal = preset == "--ideal";
            let named = (!ideal).then(|| preset.to_string());
            let options = ReadOptions { preset: named, ideal, ..ReadOptions::default() };
            let (circuit, _) = read(&source, &options).unwrap_or_else(|_| panic!("{name} is not a device file"));
            let mut device = Simulator::open(&circuit, 1, 1).unwrap();
            let call =
                Call { stream: 0, step: 0, purpose: Purpose::Forward, round: 0, set: 0, first_row: 0, time_s: 1.0 };
            let descriptor = device.descriptor();
            assert!(descriptor.can(can::READ_MATRIX), "{name}: these are linear layers");
            let params: Vec<f64> = descriptor.parameters.iter().map(|p| p.initial).collect();
            let applied = device.write_params(&params, &call).unwrap().values;
            for (p, (asked, applied)) in descriptor.parameters.iter().zip(params.iter().zip(&applied[..])) {
                assert!((asked - applied).abs() <= 0.5001 * p.resolution, "{name} {preset}: {}", p.name);
            }
            let rows = 64;
            let mut x = vec![0.0; rows * descriptor.input.width];
            Key::new(2).add_normal(0, 0.2, &mut x);
            let x = Matrix::new(rows, descriptor.input.width, x);
            let matrix = device.read_matrix(&call).unwrap();
            let mut expected = Matrix::zeros(rows, matrix.rows);
            for (r, o) in (0..rows).flat_map(|r| (0..matrix.rows).map(move |o| (r, o))) {
                expected[(r, o)] = matrix.row(o).iter().zip(x.row(r)).map(|(a, x)| a * x).sum();
            }
            if descriptor.can(can::FULL_SCALE) {
                device.set_full_scale(expected.data.iter().fold(0.0, |a, v| v.abs().max(a))).unwrap();
            }
            let mut y = Matrix::zeros(rows, descriptor.output.width);
            device.query(x.view(), y.view_mut(), &call).unwrap();
            let error: f64 = y.data.iter().zip(expected.data.iter()).map(|(y, e)| (y - e).powi(2)).sum();
            let power: f64 = expected.data.iter().map(|e| e * e).sum();
            let relative = (error / power).sqrt();
            // a converter that the file itself gives stands under every preset, but not without any non-ideality
            let expected = match (preset, descriptor.input.bits) {
                ("ideal" | "--ideal", 0) => 0.0..1e-12,
                ("ideal", bits) => 1e-3..3.0 * 0.5f64.powi(bits as i32),
                _ => 1e-3..0.5,
            };
            assert!(expected.contains(&relative), "{name} {preset}: off by {relative}");
            println!("{name} {preset}: off by {relative:.2e}, LSB {:.2e}", descriptor.lsb());
            opened += 1;
        }
    }
    assert!(opened >= 9, "three families with three presets");
}

/// Networks give finite answers, which depend on what they are sent.
#[test]
fn every_network_opens_and_answers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../devices");
    let mut opened = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let source = Source::read(&entry.unwrap().path()).unwrap();
        if !source.text().contains("\nnetwork:") {
            continue;
        }
        let (circuit, warnings) = read(&source, &ReadOptions::default()).unwrap();
        assert!(warnings.is_empty(), "{}", warnings.render(false));
        let network = circuit.network.as_ref().unwrap();
        let expected: [usize; 2] = [&network.input, &network.output].map(|shape| shape.iter().product());
        let mut device = Simulator::open(&circuit, 1, 1).unwrap();
        let descriptor = device.descriptor();
        let widths = [descriptor.input.width, descriptor.output.width];
        assert_eq!(widths, expected, "{}", source.name());
        let call = Call { stream: 0, step: 0, purpose: Purpose::Forward, round: 0, set: 0, first_row: 0, time_s: 1.0 };
        let params: Vec<f64> = descriptor.parameters.iter().map(|p| p.initial).collect();
        device.write_params(&params, &call).unwrap();
        let mut x = vec![0f32; 3 * widths[0]];
        x.iter_mut().enumerate().for_each(|(i, v)| *v = Key::new(2).normal(i as u64) as f32);
        let mut y = vec![f32::NAN; 3 * widths[1]];
        let (from, to) = ([3, widths[0]], [3, widths[1]]);
        device.query(ArrayView::new_f32(&x, &from), ArrayViewMut::new_f32(&mut y, &to), &call).unwrap();
        assert!(y.iter().all(|v| v.is_finite()) && y[..widths[1]] != y[widths[1]..2 * widths[1]], "{}", source.name());
        opened += 1;
    }
    assert!(opened >= 4, "the networks of the papers");
}
