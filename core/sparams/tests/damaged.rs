//! Files damaged at random: reading ends with a model or an error, and what was read answers.

use blackbeam_sparams::{Extrapolate, Limits, Model, Result, csv, lumerical, npz, touchstone};
use num_complex::Complex64;

/// A sequence of numbers that is the same everywhere (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Replaces, removes, doubles or swaps a few pieces of `bytes`.
fn damage(bytes: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    const WORDS: [&str; 12] = ["1e999", "-", "nan", "(", ")", "\"", "'", ",", "\n", "99999999999999999999", "@", "0"];
    let mut bytes = bytes.to_vec();
    for _ in 0..=numbers.below(3) {
        let (at, other) = (numbers.below(bytes.len()), numbers.below(bytes.len()));
        match numbers.below(5) {
            0 => bytes[at] = numbers.next() as u8,
            1 => drop(bytes.drain(at.min(other)..at.max(other))),
            2 => bytes.truncate(at),
            3 => drop(bytes.splice(at..at, WORDS[numbers.below(WORDS.len())].bytes())),
            _ => bytes.swap(at, other),
        }
        if bytes.is_empty() {
            bytes.push(b' ');
        }
    }
    bytes
}

fn hold(bytes: &[u8], read: impl Fn(&[u8]) -> Result<Model>) {
    let (mut numbers, mut good) = (Numbers(7), 0);
    assert!(read(bytes).is_ok());
    for _ in 0..3000 {
        let damaged = damage(bytes, &mut numbers);
        match read(&damaged) {
            Ok(model) => {
                good += 1;
                let mut s = vec![Complex64::ZERO; model.ports().len() * model.ports().len()];
                let (first, last) = (model.f_hz()[0], model.f_hz()[model.samples() - 1]);
                model.evaluate(0.3 * first + 0.7 * last, Extrapolate::Error, &mut s).expect("inside of the samples");
                assert!(s.iter().all(|s| s.norm().is_finite()), "{}", String::from_utf8_lossy(&damaged));
                assert!(model.passivity().sigma.is_finite() && model.reciprocity().difference.is_finite());
            }
            Err(error) => assert!(error.to_string().starts_with("f:"), "{error}"),
        }
    }
    assert!(good > 0, "some damage does not matter");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn damaged_files_do_no_harm() {
    let limits = Limits { values: 4096, ports: 16, ..Limits::default() };
    let table = "wl_um,port_in,port_out,re,im\n1.5,a,b,0.5,0.1\n1.6,a,b,0.4,-0.2\n1.7,a,b,0.1,0.3\n";
    hold(table.as_bytes(), |bytes| csv::read(&text(bytes), "f", &limits));
    let blocks = "[\"b\",\"LEFT\"]\n[\"a\",\"RIGHT\"]\n('b','TE',1,'a',1,'transmission',1e-12)\n(2,3)\n1.9e14 0.5 0.1\n2e14 0.6 0.2\n\
                  ('a','TE',1,'a',1,'transmission')\n(2,3)\n1.9e14 0.5 0.1\n2e14 0.6 0.2\n";
    hold(blocks.as_bytes(), |bytes| lumerical::read(&text(bytes), "f", &limits));
    hold(b"2e14 0.1 1 0.2 2 0.3 3 0.4 -1\n3e14 0.1 1 0.2 2 0.3 3 0.4 -1\n", |bytes| {
        lumerical::read(&text(bytes), "f", &limits)
    });
    let three = "! Port[1] = x\n# GHz S MA R 50\n1 11 0 12 0 13 0\n21 0 22 0 23 0\n31 0 32 0 33 0\n2 1 0 1 0 1 0\n1 0 1 0 1 0\n1 0 1 0 1 0\n";
    hold(three.as_bytes(), |bytes| touchstone::read(&text(bytes), 3, "f", &limits));
    let model = csv::read(table, "f", &limits).expect("inside of the samples");
    let mut archive = Vec::new();
    npz::write(&model, &mut archive).unwrap();
    hold(&archive, |bytes| npz::read(bytes, "f", &limits));
}
