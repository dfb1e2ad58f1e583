//! What is large or hostile.

use super::*;
use crate::Selector;
use std::time::{Duration, Instant};

/// The text is refused, fast, with an error of this code.
fn refused(text: &str, code: &str) {
    let start = Instant::now();
    let (flat, said) = read(text);
    assert!(flat.is_none() && said.iter().any(|s| s.starts_with(&format!("{code}: "))), "{code}: {:?}", said.first());
    assert!(start.elapsed() < Duration::from_secs(2), "{code}: {:?}", start.elapsed());
}

#[test]
fn sizes() {
    refused("instances: {a: {component: straight, array: {columns: 1000000000, rows: 1}}}", "too-large");
    refused(
        "instances: {a: {component: straight, array: {columns: 18446744073709551615, rows: 99999999}}}",
        "too-large",
    );
    // 100^10 instances
    let mut text = String::from("circuits:\n  c0: {instances: {a: straight}}\n");
    for k in 1..=10 {
        let body = format!("instances: {{a: {{component: c{}, array: {{columns: 10, rows: 10}}}}}}", k - 1);
        text += &format!("  c{k}: {{{body}, ports: {{in0: 'a<0.0>,in0'}}}}\n");
    }
    refused(&format!("{text}instances: {{a: c10}}\n"), "too-large");
    let mut text = String::from("circuits:\n  c0: {instances: {a: straight}}\n");
    for k in 1..=2000 {
        text += &format!("  c{k}: {{instances: {{a: c{}}}}}\n", k - 1);
    }
    refused(&format!("{text}instances: {{a: c2000}}\n"), "too-deep");
    refused(&format!("instances: {{{}: straight}}", "a".repeat(1000)), "bad-name");
    refused("instances: {a: straight}\nports: {x0-4000000000: 'a,in0'}", "range-too-long");
    refused(
        &format!("instances: {{a: {{component: straight, settings: {{length: '${{{}}}'}}}}}}", "(".repeat(100_000)),
        "expression",
    );
    refused(
        &format!("instances: {{a: {{component: straight, settings: {{length: '${{1{}}}'}}}}}}", "+1".repeat(100_000)),
        "expression",
    );
}

#[test]
fn floods_of_errors_end() {
    let instances: String = (0..5000).map(|k| format!("  i{k}: straight\n")).collect();
    let links: String = (0..20_000).map(|k| format!("  x{k},in0: y{k},in0\n")).collect();
    refused(&format!("instances:\n{instances}connections:\n{links}"), "unknown-instance");
    let wrong: String =
        (0..20_000).map(|k| format!("  i{k}: {{component: strait, settings: {{lenght: x}}}}\n")).collect();
    refused(&format!("instances:\n{wrong}"), "unknown-component");
    let inner = "circuits: {c: {settings: {k: 2}, \
            instances: {a: {component: coupler_ideal, settings: {coupling: '${settings.k}'}}}}}";
    refused(
        &format!(
            "{inner}\ninstances: {{a: {{component: c, array: {{columns: 200, rows: 200}}}}}}\n\
            ports: {{in0: 'a<0.0>,in0'}}"
        ),
        "out-of-range",
    );
}

#[test]
fn two_thousand_instances_take_milliseconds() {
    let n = 2000;
    let mut text = String::from("instances:\n");
    for k in 0..n {
        text += &format!("  c{k}: {{component: coupler_ideal, settings: {{coupling: 0.3}}}}\n");
    }
    text += "connections:\n";
    for k in 1..n {
        text += &format!("  c{},out0: c{k},in0\n  c{},out1: c{k},in1\n", k - 1, k - 1);
    }
    text += &format!("ports: {{in0: 'c0,in0', in1: 'c0,in1', out0: 'c{0},out0', out1: 'c{0},out1'}}\n", n - 1);
    let source = Source::new("large.yml", &*text);
    let root = source.parse().unwrap();
    let fastest = |work: &mut dyn FnMut()| {
        let time = |work: &mut dyn FnMut()| {
            let start = Instant::now();
            work();
            start.elapsed()
        };
        (0..5).map(|_| time(work)).min().unwrap()
    };
    let mut flat = None;
    let flattening = fastest(&mut || {
        let mut found = Diagnostics::new(&source);
        flat = flatten(&root, &Options::default(), &mut found);
        assert!(found.is_empty());
    });
    let flat = flat.unwrap();
    assert_eq!((flat.leaves.len(), flat.links.len()), (n, 2 * n - 2));
    let select = Selector::new(&flat);
    let patterns = ["*.coupling", "**.coupling", "c*", "c1?", "**", "c5.coupling", "*7", "**.c?0", "x*", "c*5*"];
    let selecting = fastest(&mut || {
        for pattern in patterns.iter().chain(&patterns) {
            select.select(pattern).unwrap();
        }
    });
    println!("flatten {flattening:?}, 20 patterns {selecting:?}");
    // ten times what is aimed at: test machines are busy
    assert!(flattening < Duration::from_millis(500), "{flattening:?}");
    assert!(selecting < Duration::from_millis(200), "{selecting:?}");
}

#[test]
fn nothing_is_written_out_before_it_is_counted() {
    let keys = |n: usize, entry: &dyn Fn(usize) -> String| (0..n).map(|k| entry(k) + "\n").collect::<String>();
    // ranges of names, of ports, of probes
    let ports = keys(5000, &|k| format!("  p{k}_0-65535: 'a,in0'"));
    refused(&format!("instances: {{a: straight}}\nports:\n{ports}"), "range-length");
    let links = keys(5000, &|k| format!("  'x0-65535,in{k}': 'y0-65535,in0'"));
    refused(&format!("instances: {{a: straight, b: straight}}\nconnections:\n{links}"), "unknown-instance");
    let array = "a: {component: coupler_ideal, array: {columns: 512, rows: 512}}";
    let nets = keys(2000, &|_| String::from("  - {p1: 'a<0-511.0-511>,in0', p2: 'a<0-511.0-510>,in0'}"));
    refused(&format!("instances:\n  {array}\nnets:\n{nets}"), "too-large");
    let probes = keys(5000, &|k| format!("  p{k}_0-65535: 'a,in0-65535'"));
    refused(&format!("instances: {{a: straight}}\nprobes:\n{probes}"), "unknown-port");
    // settings of a large array
    let settings = keys(5000, &|k| format!("      s{k}: 1"));
    refused(
        &format!(
            "instances:\n  b:\n    component: straight\n    \
            array: {{columns: 512, rows: 512}}\n    settings:\n{settings}"
        ),
        "unknown-setting",
    );
    // each setting uses the one before twice
    let settings = keys(100, &|k| format!("  s{}: '${{settings.s{k} + settings.s{k}}}'", k + 1));
    let text = format!(
        "settings:\n  s0: 1e-30\n{settings}\
            instances: {{t: {{component: splitter_tree, settings: {{loss_dB: '${{settings.s100}}'}}}}}}"
    );
    assert!(
        (good(&text).leaves[0].settings.as_ref().unwrap().get("loss_dB").unwrap().as_f64().unwrap()
            / 1.2676506002282294
            - 1.0)
            .abs()
            < 1e-12
    );
    // many cycles
    let circuits = keys(3000, &|k| {
        format!("  c{k}: {{instances: {{a: c{}, b: c{}, c: c{k}}}}}", (k + 1) % 3000, k.saturating_sub(1))
    });
    refused(&format!("circuits:\n{circuits}instances: {{a: c0}}"), "circuit-cycle");
}
