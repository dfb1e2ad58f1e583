//! What is wrong is said, once, at its place.

use super::*;

/// Two straights in a row with `extra` at the end; the place of `instances` and `links` can be taken.
fn circuit(instances: &str, links: &str, extra: &str) -> String {
    format!(
        "instances:\n  a: straight\n  b: straight\n  {instances}\nconnections:\n  a,out0: b,in0\n  {links}\n\
        ports: {{in0: 'a,in0', out0: 'b,out0'}}\n{extra}\n"
    )
}

/// The text has just one error: of this code, with this underlined, saying this.
fn one_error(text: &str, code: &str, at: &str, says: &str) {
    let (flat, said) = read(text);
    let errors: Vec<&String> = said.iter().filter(|s| !s.starts_with("unconnected: ")).collect();
    assert_eq!(errors.len(), 1, "{text}\n{said:#?}");
    assert!(errors[0].starts_with(&format!("{code}: {at}: ")), "{text}\nexpected {code}: {at}\n{said:#?}");
    assert!(errors[0].contains(says), "expected `{says}`: {said:#?}");
    assert!(flat.is_none(), "{text}");
}

#[test]
fn of_instances() {
    let cases = [
        ("c: strait", "unknown-component", "strait", "did you mean `straight`?"),
        ("c: {component: straight, settings: {lenght: 3}}", "unknown-setting", "lenght", "did you mean `length`?"),
        ("c: {component: straight, settings: {wl: 1.5}}", "unknown-setting", "wl", "of the whole circuit"),
        ("c: {component: straight, setings: {length: 3}}", "unknown-key", "setings", "did you mean `settings`?"),
        ("c: {settings: {length: 3}}", "missing-key", "c", "`component` is missing"),
        ("c: [straight]", "wrong-type", "[straight]", "not a list"),
        ("c:", "wrong-type", "c", "not nothing"),
        ("c: {component: 3}", "wrong-type", "3", "`component` is a name"),
        ("c: {component: straight, settings: 3}", "wrong-type", "3", "`settings` is a mapping"),
        ("c.d: straight", "bad-name", "c.d", "has `.` in it"),
        ("'c d': straight", "bad-name", "'c d'", "has a space in it"),
        ("c<0.0>: straight", "bad-name", "c<0.0>", "has `<` in it"),
        (
            "c: {component: straight, settings: {loss: 1, loss_dB_cm: 2}}",
            "setting-twice",
            "loss_dB_cm",
            "the same setting",
        ),
        ("c: {component: straight, settings: {length: 1}, info: {length: 2}}", "info-overrides", "2", "under `info`"),
        ("c: {component: straight, array: 3}", "wrong-type", "3", "columns"),
        ("c: {component: straight, array: {columns: 0, rows: 1}}", "array-size", "0", "from 1 on"),
        ("c: {component: straight, array: {column: 2}}", "unknown-key", "column", "did you mean `columns`?"),
        ("c: {component: splitter_tree, settings: {output: 3}}", "stub", "output", "did you mean `outputs`?"),
    ];
    for (instances, code, at, says) in cases {
        one_error(&circuit(instances, "", ""), code, at, says);
    }
}

#[test]
fn of_numbers() {
    let cases = [
        ("length: far", "not-a-number", "far", "not a string"),
        ("length: '3.5'", "not-a-number", "'3.5'", "take the quotes away"),
        ("length: 10 um", "unit", "10 um", "the number alone"),
        ("length: 10um", "unit", "10um", "lengths are in um"),
        ("length: [1]", "not-a-number", "[1]", "not a list"),
        ("length: true", "not-a-number", "true", "not a Boolean"),
        ("length: .inf", "not-finite", ".inf", "not a finite number"),
        ("length: {normal: [.nan, 1]}", "not-finite", ".nan", "not a finite number"),
        ("length: {norml: [1, 2]}", "distribution", "norml", "write `{normal: [mean, std]}`"),
        ("length: {normal: [1, -2]}", "distribution", "-2", "negative"),
        ("length: {uniform: [3, 2]}", "distribution", "[3, 2]", "wrong order"),
        ("length: {lognormal: [0, 2]}", "distribution", "0", "not positive"),
        ("length: {normal: 3}", "distribution", "3", "a list of two numbers"),
        ("length: {normal: [1, 2], uniform: [1, 2]}", "distribution", "{normal: [1, 2], uniform: [1, 2]}", "one key"),
        ("length: -3", "out-of-range", "-3", "`length` of `c` is -3 um, out of its physical range"),
        ("length: '${1 + }'", "expression", "}", "ends where a value was expected"),
        ("length: '${1 / 0}'", "expression", "/", "division by zero"),
        ("length: '${pie}'", "expression", "pie", "unknown name `pie`"),
        ("length: '${settings.x}'", "expression", "settings.x", "declares none"),
        ("length: '2 ${pi}'", "expression", "'2 ${pi}'", "the whole value"),
    ];
    for (setting, code, at, says) in cases {
        one_error(&circuit(&format!("c: {{component: straight, settings: {{{setting}}}}}"), "", ""), code, at, says);
    }
    let coupling = "c: {component: coupler_ideal, settings: {coupling: 1.5}}";
    one_error(&circuit(coupling, "", ""), "out-of-range", "1.5", "between 0 and 1");
    let (flat, said) = read(&circuit("c: {component: straight, settings: {loss_dB_cm: -1}}", "", ""));
    assert!(
        flat.is_some() && said.iter().any(|s| s.starts_with("has-gain: -1: ") && s.contains("has gain")),
        "{said:?}"
    );
}

#[test]
fn of_links() {
    let array = "c: {component: straight, array: {columns: 1, rows: 3}}";
    let cases = [
        ("", "a,out0x: b,out0", "unknown-port", "out0x", "did you mean `out0`?"),
        ("", "d,out0: b,out0", "unknown-instance", "d", "no instance `d`"),
        ("straigt: straight", "straight,in0: straigt,out0", "unknown-instance", "straight", "did you mean `straigt`?"),
        ("c: straight", "c,in0: a,out0", "joined-twice", "a,out0", "joined twice"),
        ("c: straight", "a,in0: c,in0", "outer-port-joined", "'a,in0'", "leads out and is joined inside"),
        ("c: straight", "c,in0: c,in0", "joined-to-itself", "c,in0", "joined to itself"),
        ("c: straight", "c: b,out0", "bad-port", "c", "it has no comma"),
        ("c: straight", "c,in0: 3", "bad-port", "3", "not an integer"),
        ("c: straight", "c.x,in0: c,out0", "link-across", "c.x", "inside of `c`"),
        ("c: straight", "c<0.0>,in0: c,out0", "not-an-array", "<0.0>", "`c` is not an array"),
        (array, "c,in0: c<0.1>,out0", "missing-index", "c", "which of them?"),
        (array, "c<0.3>,in0: c<0.1>,out0", "index-out-of-bounds", "<0.3>", "the last is `<0.2>`"),
        (array, "c<0.x>,in0: c<0.1>,out0", "bad-index", "<0.x>", "<column.row>"),
        (array, "c<0.1-0>,in0: c<0.1>,out0", "reversed-range", "<0.1-0>", "wrong order"),
        (array, "c<0.0-1>,in0: c<0.2>,out0", "range-length", "c<0.2>,out0", "is 2 port(s)"),
        ("c: coupler_ideal", "c,in1-0: c,out0-1", "reversed-range", "in1-0", "write `in0-1`"),
        ("c: coupler_ideal", "c,in0-5: c,out0-1", "unknown-port", "in0-5", "no port `in2`"),
        ("c: coupler_ideal", "c,in0-99999999: c,out0", "range-too-long", "in0-99999999", "more than"),
    ];
    for (instances, link, code, at, says) in cases {
        one_error(&circuit(instances, link, ""), code, at, says);
    }
    one_error(&circuit("", "", "nets: [{p1: 'a,in0'}]"), "missing-key", "{p1: 'a,in0'}", "joins two ports");
    one_error(&circuit("", "", "nets: 3"), "wrong-type", "3", "a list");
    one_error(&circuit("", "", "routes: {r: {link: {}}}"), "unknown-key", "link", "did you mean `links`?");
    let (flat, said) = read(&circuit("", "", "nets: [{p1: 'b,in0', p2: 'a,out0'}]"));
    assert!(flat.is_some() && said[0].starts_with("link-twice: "), "{said:?}");
}

#[test]
fn of_outer_ports() {
    let with = |ports: &str| format!("instances: {{a: coupler_ideal, b: straight}}\nports: {{{ports}}}\n");
    let cases = [
        ("x: 'a,in0', y: 'a,in0'", "port-twice", "'a,in0'", "leads out twice"),
        ("x0-1: 'a,in0-1', x1: 'b,in0'", "port-name-twice", "x1", "two outer ports are called `x1`"),
        ("x: 'a,in0-1'", "range-length", "x", "1 name(s) for 2 port(s)"),
        ("x0-2: 'a,in0-1'", "range-length", "x0-2", "3 name(s) for 2 port(s)"),
        ("x: 'q,in0'", "unknown-instance", "q", "no instance `q`"),
        ("'x y': 'a,in0'", "bad-name", "'x y'", "a space"),
        ("x: 3", "bad-port", "3", "instance,port"),
    ];
    for (ports, code, at, says) in cases {
        one_error(&with(ports), code, at, says);
    }
    one_error("instances: {a: straight, b: straight}", "no-ports", "instances", "light cannot get in");
}

#[test]
fn of_circuits() {
    let with = |inner: &str, given: &str| {
        format!(
            "circuits:\n  sub:\n    settings: {{kappa: 0.2}}\n    instances: \
            {{c: coupler_ideal, w: {{component: phase, array: {{columns: 1, rows: 2}}}}}}\n    \
        ports: {{in0: 'c,in0', out0: 'c,out0'}}\n    {inner}\n\
        instances:\n  s: {{component: sub, settings: {{{given}}}}}\n  t: sub\nconnections: {{'s,out0': 't,in0'}}\n\
        ports: {{in0: 's,in0', out0: 't,out0'}}\n"
        )
    };
    let cases = [
        ("", "kapa: 0.3", "unknown-setting", "kapa", "did you mean `kappa`?"),
        ("", "d: {coupling: 1}", "unknown-setting", "d", "neither a setting nor an instance"),
        ("", "c: {couplin: 1}", "unknown-setting", "couplin", "did you mean `coupling`?"),
        ("", "c: {coupling: 7}", "out-of-range", "7", "`coupling` of `s.c` is 7"),
        ("", "c: 3", "unknown-setting", "c", "its settings are a mapping"),
        ("", "w<0.2>: {phi: 1}", "index-out-of-bounds", "w<0.2>", "no element `<0.2>`"),
        ("", "kappa: far", "not-a-number", "far", "`kappa` takes a number"),
        ("", "kappa: '${settings.k}'", "expression", "settings.k", "declares none"),
        ("conections: {}", "", "unknown-key", "conections", "did you mean `connections`?"),
        (
            "connections: {'s,in0': 'c,in1'}",
            "",
            "link-across",
            "s",
            "`s` is an instance of `the netlist`, not of `sub`",
        ),
        ("connections: {'c,in0': 'c,in1'}", "", "outer-port-joined", "'c,in0'", "leads out and is joined"),
    ];
    for (inner, given, code, at, says) in cases {
        one_error(&with(inner, given), code, at, says);
    }
    let cycle = "circuits:\n  x: {instances: {i: y}, ports: {in0: 'i,in0'}}\n  \
            y: {instances: {j: z}, ports: {in0: 'j,in0'}}\n  \
        z: {instances: {k: x}, ports: {in0: 'k,in0'}}\ninstances: {a: x}\n";
    one_error(cycle, "circuit-cycle", "x", "the circuit `x` contains itself");
    one_error("circuits: {x: {instances: {a: straight}}}\ntop_level: y\n", "unknown-circuit", "y", "no circuit `y`");
    one_error("circuits: {x: {instances: {a: straight}}}", "no-instances", "circuits", "`top_level: x`");
    one_error("ports: {}\n", "no-instances", "ports", "`instances` is missing");
    one_error("circuits: {x: 3}\ninstances: {a: straight}", "wrong-type", "3", "not an integer");
    // errors in circuits that nothing uses
    one_error(
        "circuits: {x: {instances: {a: {component: straight, settings: {length: -1}}}}}\ninstances: {a: straight}",
        "out-of-range",
        "-1",
        "length",
    );
}

#[test]
fn of_settings_of_circuits() {
    let with = |settings: &str, length: &str| {
        format!(
            "settings: {{{settings}}}\n\
            instances: {{a: {{component: straight, settings: {{length: '${{{length}}}'}}}}}}\n"
        )
    };
    let cases = [
        ("x: 3", "settings.y", "expression", "settings.y", "the circuit declares x"),
        ("radius: 3", "settings.radios", "expression", "settings.radios", "did you mean `radius`?"),
        ("x: 3", "x + 1", "expression", "x", "did you mean `settings.x`?"),
        ("x: strip", "settings.x", "expression", "settings.x", "is a string, not a number"),
        ("x: {y: 1}", "settings.x", "expression", "settings.x", "a mapping of settings"),
        ("x: 0", "1 / settings.x", "not-finite", "'${1 / settings.x}'", "is inf"),
        ("x: '${settings.y}', y: 3", "settings.x", "expression", "settings.y", "declared after"),
        ("a: {length: 3}", "1", "setting-is-instance", "{length: 3}", "an instance and a mapping"),
    ];
    for (settings, length, code, at, says) in cases {
        one_error(&with(settings, length), code, at, says);
    }
}

#[test]
fn of_probes_and_keys() {
    let probe = |probes: &str| circuit("", "", &format!("probes: {{{probes}}}"));
    one_error(&probe("x: 'q,in0'"), "unknown-instance", "q", "no instance `q`");
    one_error(&probe("x: 'a,in7'"), "unknown-port", "in7", "did you mean `in0`?");
    one_error(&probe("x: a"), "bad-port", "a", "no comma");
    one_error(&probe("x: 'a.b,in0'"), "unknown-instance", "a.b", "no instance `a.b`");
    one_error(&circuit("", "", "probes: 3"), "wrong-type", "3", "a mapping");
    one_error(&circuit("", "", "probs: {}"), "unknown-key", "probs", "did you mean `probes`?");
    let (flat, said) = read_with(&circuit("", "", "probs: {}"), &plain());
    assert!(flat.is_some() && said[0].contains("it has no effect"), "{said:?}");
}

#[test]
fn all_errors_of_a_file_in_one_run() {
    let text = circuit(
        "c: strait\n  \
            d: {component: straight, settings: {lenght: 3}}\n  \
              e: {component: coupler_ideal, settings: {coupling: 2}}",
        "c,out0: d,in9\n  e,in0: nowhere,out0",
        "",
    );
    let (flat, said) = read(&text);
    let codes: BTreeSet<&str> = said.iter().map(|s| s.split(": ").next().unwrap()).collect();
    let expected = ["unknown-component", "unknown-setting", "out-of-range", "unknown-port", "unknown-instance"];
    assert!(flat.is_none() && codes == BTreeSet::from(expected), "{said:#?}");
}

#[test]
fn unconnected_ports_are_summed_up() {
    let (flat, said) = read(
        "instances: {a: coupler_ideal, b: {component: coupler_ideal, array: {columns: 1, rows: 3}}}\n\
        connections: {'a,out0': 'b<0.1>,in0'}\nports: {in0: 'a,in0'}",
    );
    assert!(flat.is_some());
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].starts_with("unconnected: a: `a,in1`, `a,out1` are joined to nothing: they are matched"),
        "{said:?}"
    );
    assert!(said[1].contains("`b<0.0>,in0`, `b<0.0>,in1`, `b<0.0>,out0`, `b<0.0>,out1` and 7 more are"), "{said:?}");
}
