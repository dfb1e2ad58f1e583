//! Every optical model of SAX 0.18.2 against numbers that it computed (double precision, port names o1, o2, ..).

use super::{Given, component, cx, near, settings};

type Entry = (&'static str, &'static str, f64, f64);

/// Component, settings, wavelength, all entries that are not zero (of two that are
/// the same both ways, one). The spectra of the MMIs from a sweep over 1.55 and the wavelength.
#[rustfmt::skip]
#[expect(clippy::approx_constant, reason = "as SAX printed them")]
const SAX: &[(&str, Given, f64, &[Entry])] = &[
    ("straight", &[("wl0", 1.53), ("neff", 2.41), ("ng", 4.2), ("length", 123.4), ("loss_dB_cm", 2.7)], 1.5612, &[
        ("o1", "o2", -0.785327661310334, -0.6128768751998573),
    ]),
    ("bend", &[("length", 31.4), ("neff", 2.4), ("ng", 4.1)], 1.561, &[
        ("o1", "o2", 0.9771472188113799, 0.21239353617973405),
    ]),
    ("bend", &[("length", 5000.0), ("loss_dB_cm", 3.0)], 1.54, &[
        ("o1", "o2", -0.6609246417184041, -0.5206960748397639),
    ]),
    ("phase_shifter", &[("neff", 2.36), ("voltage", 0.37), ("length", 83.0), ("loss", 0.004)], 1.5472, &[
        ("o1", "o2", 0.22701612001813454, -0.9353431359604405),
    ]),
    ("attenuator", &[("loss", 2.3)], 1.55, &[
        ("o1", "o2", 0.7673614893618189, 0.0),
    ]),
    ("coupler_ideal", &[("coupling", 0.17)], 1.55, &[
        ("o1", "o3", 0.0, 0.41231056256176607), ("o1", "o4", 0.9110433579144299, 0.0),
        ("o2", "o3", 0.9110433579144299, 0.0), ("o2", "o4", 0.0, 0.41231056256176607),
    ]),
    ("coupler", &[], 1.5, &[
        ("o1", "o3", 0.0, -0.14395090099408533), ("o1", "o4", 0.9895848311807286, 0.0),
        ("o2", "o3", 0.9895848311807286, 0.0), ("o2", "o4", 0.0, -0.14395090099408533),
    ]),
    ("coupler", &[("length", 15.7), ("coupling0", 0.31), ("wl0", 1.55)], 1.5713, &[
        ("o1", "o3", 0.0, -0.865967065465629), ("o1", "o4", 0.5001010313215192, 0.0),
        ("o2", "o3", 0.5001010313215192, 0.0), ("o2", "o4", 0.0, -0.865967065465629),
    ]),
    ("grating_coupler", &[("loss", 3.2), ("reflection", 0.12), ("reflection_fiber", 0.05), ("bandwidth", 0.035)], 1.561, &[
        ("o1", "o1", 0.12, 0.0), ("o1", "o2", 0.6032970714946225, 0.0), ("o2", "o2", 0.05, 0.0),
    ]),
    ("crossing_ideal", &[], 1.55, &[
        ("o1", "o3", 1.0, 0.0), ("o2", "o4", 1.0, 0.0),
    ]),
    ("isolator", &[("insertion_loss_dB", 0.7), ("isolation_dB", 31.0)], 1.55, &[
        ("o1", "o2", 0.9225714271547631, 0.0), ("o2", "o1", 0.028183829312644536, 0.0),
    ]),
    ("circulator", &[("insertion_loss_dB", 0.5), ("isolation_dB", 27.0)], 1.55, &[
        ("o1", "o2", 0.9440608762859234, 0.0), ("o1", "o3", 0.0446683592150963, 0.0),
        ("o2", "o1", 0.0446683592150963, 0.0), ("o2", "o3", 0.9440608762859234, 0.0),
        ("o3", "o1", 0.9440608762859234, 0.0), ("o3", "o2", 0.0446683592150963, 0.0),
    ]),
    ("mmi1x2_ideal", &[], 1.55, &[
        ("o1", "o2", 0.7071067811865476, 0.0), ("o1", "o3", 0.7071067811865476, 0.0),
    ]),
    ("mmi2x2_ideal", &[], 1.55, &[
        ("o1", "o3", 0.0, 0.7071067811865476), ("o1", "o4", 0.7071067811865476, 0.0),
        ("o2", "o3", 0.7071067811865476, 0.0), ("o2", "o4", 0.0, 0.7071067811865476),
    ]),
    ("mmi1x2", &[("fwhm", 0.15), ("loss_dB", 0.4)], 1.5812, &[
        ("o1", "o2", 0.6020875828513275, 0.0), ("o1", "o3", 0.6020875828513275, 0.0),
    ]),
    ("mmi2x2", &[("fwhm", 0.15), ("loss_dB", 0.4), ("splitting_ratio_cross", 0.45), ("splitting_ratio_thru", 0.52)], 1.5812, &[
        ("o1", "o3", 0.6140112667701664, 0.0), ("o1", "o4", 0.0, 0.5711904338146594),
        ("o2", "o3", 0.0, 0.5711904338146594), ("o2", "o4", 0.6140112667701664, 0.0),
    ]),
    ("reflector", &[("reflection", 0.3), ("loss_dB", 0.6)], 1.55, &[
        ("o1", "o1", 0.5111644324352235, 0.0), ("o1", "o2", 0.7808165680678506, 0.0),
        ("o2", "o2", 0.5111644324352235, 0.0),
    ]),
    ("mirror", &[("loss_dB", 0.6)], 1.55, &[
        ("o1", "o1", 0.933254300796991, 0.0), ("o2", "o2", 0.933254300796991, 0.0),
    ]),
    ("splitter_ideal", &[("coupling", 0.3)], 1.55, &[
        ("o1", "o2", 0.5477225575051661, 0.0), ("o1", "o3", 0.8366600265340756, 0.0),
    ]),
    ("terminator", &[("reflection", 0.01)], 1.55, &[
        ("o1", "o1", 0.1, 0.0),
    ]),
    ("ideal_probe", &[], 1.55, &[
        ("in", "out", 1.0, 0.0), ("in", "tap_fwd", 1.0, 0.0), ("out", "tap_bwd", 1.0, 0.0),
    ]),
];

#[test]
fn stock_models_of_sax_mean_the_same() {
    for (name, given, wl, entries) in SAX {
        check(name, given, *wl, entries);
    }
}

/// Models that SAX makes on request; (inputs, outputs, diagonal) and what is not zero but for the
/// 1e-8 of noise that SAX leaves.
#[test]
fn made_to_order_models_of_sax_mean_the_same() {
    const N: f64 = 0.577_350_269_189_625_8;
    let all = |x: f64| -> Vec<Entry> {
        let pairs = [("o1", "o3"), ("o1", "o4"), ("o1", "o5"), ("o2", "o3"), ("o2", "o4"), ("o2", "o5")];
        pairs.iter().map(|&(a, b)| (a, b, x, 0.0)).collect()
    };
    let straight: &[Entry] = &[("o1", "o4", 1.0, 0.0), ("o2", "o5", 1.0, 0.0), ("o3", "o6", 1.0, 0.0)];
    check("unitary", &[("num_inputs", 2.0), ("num_outputs", 3.0)], 1.55, &all(N));
    check("unitary", &[("num_inputs", 3.0), ("num_outputs", 3.0), ("diagonal", 1.0)], 1.55, straight);
    check("copier", &[("num_inputs", 2.0), ("num_outputs", 3.0)], 1.55, &all(1.0));
    check("passthru", &[("num_links", 3.0)], 1.55, straight);
}

fn check(name: &str, given: &[(&str, f64)], wl: f64, entries: &[Entry]) {
    let c = component(name);
    let settings = settings(c, given);
    let (inputs, outputs) = c.size(&settings).unwrap();
    let n = inputs + outputs;
    let mut expected = vec![cx(0.0, 0.0); n * n];
    for (from, to, re, im) in entries {
        let port = |name: &str| c.port(name, inputs, outputs).unwrap();
        expected[port(to) * n + port(from)] = cx(*re, *im);
        if c.reciprocal {
            expected[port(from) * n + port(to)] = cx(*re, *im);
        }
    }
    for (got, want) in c.matrix(&settings, inputs, outputs, wl).into_iter().zip(expected) {
        assert!(near(got, want, 1e-12), "{name}: {got:?}, SAX has {want:?}");
    }
}
