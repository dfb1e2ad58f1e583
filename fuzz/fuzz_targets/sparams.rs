//! Reads any bytes as each format of S-parameters: what is read answers, with finite numbers.

#![no_main]

use blackbeam_sparams::{Extrapolate, Limits, csv, lumerical, npy, npz, touchstone};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    let Some((format, bytes)) = bytes.split_first() else { return };
    let text = || String::from_utf8_lossy(bytes);
    let model = match format % 5 {
        0 => csv::read(&text(), "fuzz", &limits),
        1 => lumerical::read(&text(), "fuzz", &limits),
        2 => touchstone::read(&text(), 1 + usize::from(format / 5) % 5, "fuzz", &limits),
        3 => npz::read(bytes, "fuzz", &limits),
        _ => return drop(npy::parse(bytes, &limits)),
    };
    if let Ok(model) = model {
        let frequencies = model.f_hz();
        let mut s = vec![Default::default(); model.ports().len() * model.ports().len()];
        let middle = 0.3 * frequencies[0] + 0.7 * frequencies[frequencies.len() - 1];
        model.evaluate(middle, Extrapolate::Error, &mut s).expect("inside of the samples");
        assert!(s.iter().all(|s| s.re.is_finite() && s.im.is_finite()));
        assert!(model.passivity().sigma.is_finite() && model.reciprocity().difference.is_finite());
    }
});
