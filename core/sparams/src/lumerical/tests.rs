use super::*;
use crate::Extrapolate;

fn model(text: &str) -> Model {
    read(text, "m.dat", &Limits::default()).unwrap()
}

fn close(a: Complex64, size: f64, angle: f64) {
    assert!((a - Complex64::from_polar(size, angle)).norm() < 1e-12, "{a} is not {size} at {angle}");
}

#[test]
fn blocks_are_output_first() {
    let text = "['port 1','LEFT']\n[\"port 2\",\"RIGHT\"]\n('port 2','TE',1,'port 1',1,'transmission')\n(2,3)\n\
                1e14 0.5 0.1\n 2e14\t0.6 0.2\n\n(\"port 1\", \"TE\", 1, \"port 1\", 1, \"transmission\")\n(2, 3)\n1e14 0.01 -3\n2e14 0.02 3\n";
    let model = model(text);
    assert_eq!(model.ports(), ["port 1", "port 2"]);
    close(model.sample(0)[2], 0.5, 0.1);
    close(model.sample(1)[2], 0.6, 0.2);
    close(model.sample(1)[0], 0.02, 3.0);
    assert_eq!(model.sample(0)[1], Complex64::ZERO);
    assert_eq!(model.missing(), [(0, 1), (1, 1)]);
}

#[test]
fn falling_frequencies_and_natural_order() {
    let block = |out: &str| format!("('{out}','TE',1,'port 2',1,'transmission')\n(2,3)\n2e14 0.2 0\n1e14 0.1 0\n");
    let model = model(&(block("port 10") + &block("port 2")));
    assert_eq!(model.ports(), ["port 2", "port 10"]);
    assert_eq!(model.f_hz(), [1e14, 2e14]);
    assert_eq!(model.sample(0)[2].re, 0.1);
}

#[test]
fn group_delay_is_added_about_the_centre() {
    let tau = 5e-12;
    let text = format!("('b','TE',1,'a',1,'transmission',{tau})\n(3,3)\n1.90e14 1 0.2\n1.93e14 1 0.3\n1.96e14 1 0.4\n");
    let model = model(&text).with_ports(&["b".into(), "a".into()]).unwrap();
    let exact = |f: f64| 0.3 + 0.1 * (f - 1.93e14) / 3e12 + TAU * tau * (f - 1.93e14);
    // Fifteen turns between samples: only the stated delay tells how the phase runs.
    for f in [1.90e14, 1.911e14, 1.93e14, 1.947e14, 1.96e14] {
        let mut out = [Complex64::ZERO; 4];
        model.evaluate(f, Extrapolate::Error, &mut out).unwrap();
        assert!((out[1] - Complex64::from_polar(1.0, exact(f))).norm() < 1e-9, "{f}");
    }
}

#[test]
fn modes_become_ports() {
    let block = |out: &str, label: &str, m: u32, into: &str, n: u32| {
        format!("('{out}','{label}',{m},'{into}',{n},'transmission')\n(1,3)\n2e14 0.{m}{n} 0\n")
    };
    let labelled = block("a", "TE", 1, "b", 1) + &block("a", "TM", 2, "b", 1) + &block("a", "TM", 2, "b", 2);
    assert_eq!(model(&labelled).ports(), ["a@TE", "a@TM", "b@TE", "b@TM"]);
    assert_eq!(model(&labelled).sample(0)[4 + 2].re, 0.21, "b@TE -> a@TM");
    let same = block("a", "mode", 1, "b", 1) + &block("a", "mode", 2, "b", 2);
    assert_eq!(model(&same).ports(), ["a@1", "a@2", "b@1", "b@2"]);
    let single = block("a", "TE", 1, "b", 1);
    assert_eq!(model(&single).ports(), ["a", "b"]);
}

#[test]
fn nine_columns_are_two_ports() {
    let row = "2e14 0.1 1 0.2 2 0.3 3 0.4 -1\n";
    for text in [row.to_owned(), format!("(1,9)\n{row}")] {
        let model = model(&text);
        close(model.sample(0)[0], 0.1, 1.0);
        close(model.sample(0)[2], 0.2, 2.0);
        close(model.sample(0)[1], 0.3, 3.0);
        close(model.sample(0)[3], 0.4, -1.0);
    }
}

#[test]
fn bad_files_say_where() {
    let head = "('b','TE',1,'a',1,'transmission')\n";
    for (text, expect) in [
        ("", "m.dat: no S-parameters"),
        ("[2,2]\n", "m.dat: no S-parameters"),
        ("hello\n", "m.dat:1: `hello` is not a number"),
        ("['a']\n", "m.dat:1: `['a']` names no port"),
        ("['a','LEFT'\n", "m.dat:1: `['a','LEFT'` has no end"),
        ("('b','TE',1,'a',1)\n(1,3)\n", "m.dat:1: the block header has 5 entries"),
        ("('b','TE',1,'a,1,'transmission')\n", "m.dat:1: `transmission'` follows a name"),
        ("('b','TE',x,'a',1,'transmission')\n(1,3)\n1e14 1 0\n", "m.dat:1: `x` is no mode"),
        ("('b','TE',1,'a@1',1,'transmission')\n(1,3)\n1e14 1 0\n", "m.dat:1: `a@1` is no name"),
        ("('b','TE',1,'a',1,'modulation')\n(1,3)\n1e14 1 0\n", "m.dat:1: S-parameters of the type `modulation`"),
        ("('b','TE',1,'a',1,'transmission',0,'L')\n", "m.dat:1: a swept"),
        ("('b','TE',1,'a',1,'transmission',fast)\n", "m.dat:1: `fast` is not a number"),
        (head, "m.dat:1: a block header without a size"),
        (&format!("(\"a\"{})", ",1".repeat(1000)), "m.dat:1: more than 16 entries"),
        (&format!("{head}1e14 1 0\n"), "m.dat:1: a block header without a size"),
        (&format!("{head}(0,3)\n"), "m.dat:2: `(0,3)` is no size"),
        (&format!("{head}(1,5)\n1e14 1 0 1 0\n"), "m.dat:2: `(1,5)` is no size"),
        (&format!("{head}(99999999999999999999,3)\n"), "m.dat:2: `(99999999999999999999,3)` is no size"),
        (&format!("{head}(9999999999,3)\n1e14 1 0\n"), "m.dat:3: the table ends after 1 rows; expected 9999999999"),
        (&format!("{head}(2,3)\n1e14 1 0\n{head}"), "m.dat:3: the table ends after 1 rows"),
        (&format!("{head}(1,3)\n1e14 1 0\n2e14 1 0\n"), "m.dat:4: `2e14 1 0` follows a block"),
        (&format!("{head}(1,3)\n1e14 1\n"), "m.dat:3: 2 numbers; expected 3"),
        (&format!("{head}(1,3)\n1e14 1 0 0\n"), "m.dat:3: 4 numbers; expected 3"),
        (&format!("{head}(1,3)\n1e14 one 0\n"), "m.dat:3: `one` is not a number"),
        (&format!("{head}(1,3)\n1e14 inf 0\n"), "m.dat:3: `inf` is not finite"),
        (&format!("{head}(1,3)\n-1e14 1 0\n"), "m.dat:3: the frequency"),
        (&format!("{head}(1,3)\n1e14 -1 0\n"), "m.dat:3: the magnitude -1"),
        (&format!("{head}(2,3)\n1e14 1 0\n1e14 1 0\n"), "stands twice"),
        (
            &format!("{head}(1,3)\n1e14 1 0\n{head}(1,3)\n1e14 1 0\n"),
            "m.dat:4: `a` -> `b` stands twice; remove this block or the one at line 1",
        ),
        (
            &format!("{head}(1,3)\n1e14 1 0\n('a','TE',1,'a',1,'transmission')\n(1,3)\n2e14 1 0\n"),
            "m.dat:4: row 1 of this block",
        ),
        (
            &format!("{head}(1,3)\n1e14 1 0\n('a','TE',1,'a',1,'transmission')\n(2,3)\n1e14 1 0\n2e14 1 0\n"),
            "m.dat:4: 2 rows",
        ),
        (&format!("['a','LEFT']\n{head}(1,3)\n1e14 1 0\n"), "m.dat:2: the port `b` is not among"),
        ("(2,9)\n2e14 0.1 1 0.2 2 0.3 3 0.4 -1\n", "m.dat:1: 1 rows; expected 2"),
    ] {
        let error = read(text, "m.dat", &Limits::default()).unwrap_err().to_string();
        assert!(error.contains(expect), "{text:?}: {error}");
    }
}

#[test]
fn sizes_are_bounded() {
    let tight = Limits { values: 3, ports: 2, ..Limits::default() };
    let block = |out: &str| format!("('{out}','TE',1,'a',1,'transmission')\n(2,3)\n1e14 1 0\n2e14 1 0\n");
    let error = read(&(block("a") + &block("b")), "", &tight).unwrap_err().to_string();
    assert!(error.contains("too many samples"), "{error}");
    let many: String = (0..300).map(|k| format!("('p{k}','TE',1,'a',1,'transmission')\n(1,3)\n1e14 1 0\n")).collect();
    assert!(read(&many, "", &Limits::default()).unwrap_err().to_string().contains("257 ports"));
}
