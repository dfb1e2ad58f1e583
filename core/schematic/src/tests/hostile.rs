//! Random damage: whatever a text is, reading it ends without a panic.

use super::*;

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

const TEXT: &str = "
top_level: main
settings: {k: 0.2, g: {h: 3}}
circuits:
  sub:
    settings: {k: 0.2, n: 3, f: '${2 ^ settings.k / (1 - 3)}'}
    instances:
      c: {component: coupler_ideal, settings: {coupling: '${settings.k}'}}
      w: {component: phase, array: {columns: 1, rows: 2}}
    connections: {'c,out0': 'w<0.0>,in0', 'c,out1': 'w<0.1>,o1'}
    ports: {in0-1: 'c,in0-1', out0-1: 'w<0.0-1>,out0'}
  main:
    instances:
      s: {component: sub, settings: {k: {normal: [0.3, 0.1]}, w<0.1>: {phi: 1}, c: {coupling: 0.1}}, info: {k: 2}}
      t: sub
      u: {component: splitter_tree, settings: {outputs: 2}}
      m: {component: mmi, settings: {inputs: 2, outputs: 2}}
    nets: [{p1: 's,out0', p2: 't,in0'}]
    routes: {r: {links: {'s,out1': 't,in1', 'u,out0-1': 'm,in:1:0'}}}
    ports: {in: 'u,in0', out0-1: 'm,out0-1', a: 's,in0', b: 's,in1', c: 't,out0', d: 't,out1'}
probes: {p: 's.c,in0'}
";

#[test]
fn damaged_texts() {
    let pieces = [
        "'",
        "${",
        "}",
        "{",
        "<0.0>",
        ",",
        "0-3",
        "-",
        ".",
        "a",
        "1e999",
        "[",
        "]",
        ": ",
        "\n",
        "  ",
        "*",
        "settings",
        "s",
        "t",
        "null",
        "-1",
        "99999999999",
        "main",
        "sub",
        "&a ",
        "*a",
    ];
    let mut random = Random(88172645463325252);
    let mut flattened = 0;
    for _ in 0..3000 {
        let mut text: Vec<char> = TEXT.chars().collect();
        for _ in 0..=random.below(3) {
            let at = random.below(text.len());
            match random.below(3) {
                0 => drop(text.splice(at..at, pieces[random.below(pieces.len())].chars())),
                1 => drop(text.drain(at..(at + 1 + random.below(6)).min(text.len()))),
                _ => {
                    let from = random.below(text.len());
                    let piece = text[from..(from + 12).min(text.len())].to_vec();
                    text.splice(at..at, piece);
                }
            }
        }
        let source = Source::new("damaged.yml", text.iter().collect::<String>());
        let Ok(root) = source.parse() else { continue };
        for strict in [true, false] {
            let mut found = Diagnostics::new(&source);
            let options = Options { strict, library: &Stub, ..Options::default() };
            let flat = flatten(&root, &options, &mut found);
            assert_eq!(flat.is_none(), found.has_errors(), "{}\n{}", source.text(), found.render(false));
            flattened += usize::from(flat.is_some());
            found.render(false);
        }
    }
    assert!(flattened > 100, "the damage must not be so large that nothing is left to read: {flattened}");
}
