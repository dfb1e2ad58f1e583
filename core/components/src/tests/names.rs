//! Names of ports, numbers of ports, patterns, descriptions, consistency of the catalogue.

use super::{component, settings};
use crate::{Ports, Unit, catalogue, describe, find};
use std::collections::HashSet;

#[test]
fn ports_have_all_their_names() {
    let table: &[(&str, &[&[&str]])] = &[
        ("straight", &[&["in0", "o1"], &["out0", "o2"]]),
        ("coupler", &[&["in0", "o1"], &["in1", "o2"], &["out0", "o4"], &["out1", "o3"]]),
        ("mmi1x2", &[&["in0", "o1"], &["out0", "o3"], &["out1", "o2"]]),
        ("circulator", &[&["in0", "o1"], &["out0", "o3"], &["out1", "o2"]]),
        ("terminator", &[&["in0", "o1"]]),
        (
            "ring_adddrop",
            &[&["in0", "o1", "in"], &["in1", "o2", "add"], &["out0", "o4", "thru", "through"], &["out1", "o3", "drop"]],
        ),
        ("ideal_probe", &[&["in0", "in"], &["in1", "tap_bwd"], &["out0", "out"], &["out1", "tap_fwd"]]),
        ("mmi", &[&["in0", "o1"], &["in1", "o2"], &["out0", "o4"], &["out1", "o3"]]),
    ];
    for (name, ports) in table {
        let c = component(name);
        let (inputs, outputs) = c.size(&c.defaults()).unwrap();
        assert_eq!(ports.len(), inputs + outputs, "{name}");
        for (index, names) in ports.iter().enumerate() {
            assert_eq!(c.port_names(inputs, outputs)[index], names[0]);
            for port in *names {
                assert_eq!(c.port(port, inputs, outputs), Some(index), "{name} {port}");
            }
        }
        for wrong in
            ["", "in", "o", "o0", "o01", "in00", "o+1", "in4", "out4", "o7", "in99999999999999999999", "port 1", "é"]
        {
            let own = c.port_aliases.iter().any(|(alias, _)| *alias == wrong);
            assert!(own || c.port(wrong, inputs, outputs).is_none(), "{name} {wrong}");
        }
    }
}

#[test]
fn clockwise_names_lead_back_to_their_ports() {
    let c = component("mmi");
    for (inputs, outputs) in [(1, 1), (1, 4), (3, 2), (5, 0), (0, 3)] {
        for port in 0..inputs + outputs {
            assert_eq!(c.port(&c.clockwise_name(port, inputs, outputs), inputs, outputs), Some(port));
        }
    }
}

#[test]
fn counted_ports_are_checked() {
    let c = component("mmi");
    let size = |i: f64, o: f64| c.size(&[i, o, 0.0]);
    assert_eq!(size(3.0, 5.0), Ok((3, 5)));
    assert_eq!(size(512.0, 512.0), Ok((512, 512)));
    for (i, o) in
        [(512.0, 513.0), (1e300, 1e300), (0.0, 0.0), (-1.0, 2.0), (1.5, 2.0), (f64::NAN, 1.0), (f64::INFINITY, 1.0)]
    {
        let error = size(i, o).unwrap_err();
        assert!(error.contains("`mmi`"), "{error}");
    }
    assert_eq!(component("passthru").size(&[3.0]), Ok((3, 3)));
    assert!(component("passthru").size(&[0.0]).is_err());
}

#[test]
fn the_catalogue_is_consistent() {
    let mut names = HashSet::new();
    for c in catalogue() {
        for name in std::iter::once(&c.name).chain(c.aliases) {
            assert!(names.insert(*name), "{name} twice");
            assert!(std::ptr::eq(find(name).unwrap(), *c));
        }
        let mut settings = HashSet::new();
        for s in c.settings {
            assert!(std::iter::once(&s.name).chain(s.aliases).all(|n| settings.insert(*n)), "{} {}", c.name, s.name);
            assert!(s.default >= s.range.0 && s.default <= s.range.1 && !s.doc.is_empty(), "{} {}", c.name, s.name);
        }
        if let Ports::Counted { inputs, outputs } = c.ports {
            for name in [inputs, outputs] {
                assert_eq!(c.settings[c.setting(name).unwrap()].unit, Unit::Count);
            }
        }
        let (inputs, outputs) = c.size(&c.defaults()).unwrap();
        for (alias, canonical) in c.port_aliases {
            assert!(c.port_names(inputs, outputs).iter().any(|n| n == canonical), "{} {alias}", c.name);
        }
    }
    assert!(find("no such").is_none());
    assert!(catalogue().is_sorted_by_key(|c| c.name));
}

#[test]
fn descriptions_say_all() {
    for c in catalogue() {
        let text = describe(c);
        let told = [c.summary, c.source, c.equations.lines().next().unwrap_or("")];
        assert!(told.iter().all(|t| !t.is_empty() && text.contains(t)), "{text}");
        for s in c.settings {
            let line = text.lines().find(|l| l.split_whitespace().next() == Some(s.name)).unwrap();
            assert!(line.contains(s.doc) && line.contains(s.unit.symbol()) && line.contains(&s.default.to_string()));
        }
        assert!(text.lines().all(|l| l.len() <= 170), "{text}");
    }
    let ring = describe(component("ring_adddrop"));
    assert!(ring.contains("out1  = o3, drop") && ring.contains("Passive") && ring.contains("0 to 1"), "{ring}");
    assert!(describe(component("circulator")).contains("Not reciprocal"));
    assert!(describe(component("straight")).contains("has gain outside the range"));
    assert!(describe(component("reflector")).contains("Can have gain"));
}

#[test]
fn patterns_hold_what_can_be_other_than_zero() {
    let pattern = |name: &str, given: &[(&str, f64)], varying: &[&str], wl: &[f64]| {
        let c = component(name);
        let settings = settings(c, given);
        let (inputs, outputs) = c.size(&settings).unwrap();
        let varying: Vec<bool> = c.settings.iter().map(|s| varying.contains(&s.name)).collect();
        c.pattern(&settings, &varying, inputs, outputs, wl)
    };
    let c_band = &[1.55][..];
    let through = vec![(0, 1), (1, 0)];
    assert_eq!(pattern("straight", &[], &[], c_band), through);
    assert_eq!(pattern("straight", &[], &["wl0", "neff", "ng", "length", "loss_dB_cm"], c_band), through);
    assert_eq!(pattern("grating_coupler", &[], &[], c_band), through);
    assert_eq!(pattern("grating_coupler", &[], &["loss"], c_band), through);
    assert_eq!(pattern("grating_coupler", &[], &["reflection"], c_band), [(0, 0), (0, 1), (1, 0)]);
    assert_eq!(pattern("grating_coupler", &[("reflection_fiber", 0.1)], &[], c_band), [(0, 1), (1, 0), (1, 1)]);
    // Too far off to be more than zero in floating point; not so once the centre can move, or at the one wavelength in
    // the middle.
    assert_eq!(pattern("grating_coupler", &[("wl0", 0.5)], &[], c_band), []);
    assert_eq!(pattern("grating_coupler", &[("wl0", 0.5)], &["wl0"], c_band), through);
    let sweep: Vec<f64> = (0..10_001).map(|i| 1.0 + 1e-4 * f64::from(i)).collect();
    assert_eq!(pattern("grating_coupler", &[("wl0", 1.0321), ("bandwidth", 1e-3)], &[], &sweep), through);
    assert_eq!(pattern("coupler_ideal", &[("coupling", 0.0)], &[], c_band), [(0, 2), (1, 3), (2, 0), (3, 1)]);
    assert_eq!(pattern("coupler_ideal", &[("coupling", 1.0)], &[], c_band), [(0, 3), (1, 2), (2, 1), (3, 0)]);
    assert_eq!(pattern("coupler_ideal", &[("coupling", 0.0)], &["coupling"], c_band).len(), 8);
    assert_eq!(pattern("mzi", &[], &["theta"], c_band).len(), 8);
    assert_eq!(pattern("terminator", &[], &[], c_band), []);
    assert_eq!(pattern("mirror", &[], &[], c_band), [(0, 0), (1, 1)]);
    assert_eq!(pattern("isolator", &[("isolation_dB", f64::INFINITY)], &[], c_band), [(0, 1)]);
    assert_eq!(pattern("crossing", &[], &[], c_band), pattern("crossing_ideal", &[], &[], c_band));
    assert_eq!(pattern("crossing", &[], &["crosstalk"], c_band).len(), 12);
    assert_eq!(pattern("attenuator", &[("loss", f64::INFINITY)], &[], c_band), []);
}
